"""What draws of a path model imply: matrices, SDs by level, and routes through the graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from .draws import flatten

if TYPE_CHECKING:
    import xarray as xr

    from ..data.config import Level
    from .arrows import Arrow
    from .design import Floats
    from .path_design import PathDesign

STEPS = 40
"""Sessions over which the variance of a lagged model is built up (to stationarity where it is stable)."""

_UNIT_LEVEL = ("client_effects", "therapist_effects")

Node = str
Edge = tuple[Node, Node]


@dataclass(frozen=True, slots=True)
class Route:
    """A directed walk through the graph of one level: nodes from source to target."""

    nodes: tuple[Node, ...]

    @property
    def text(self) -> str:
        """``anxiety->safety->final``."""
        return "->".join(self.nodes)

    @property
    def edges(self) -> tuple[Edge, ...]:
        """Its steps."""
        return tuple(pairwise(self.nodes))


def source_node(arrow: Arrow) -> Node:
    """Return where an arrow starts: ``safety``, ``lag(safety)``, ``safety:time``."""
    return arrow.text.removesuffix(f"->{arrow.target}")


def edges(design: PathDesign, level: Level) -> tuple[Edge, ...]:
    """Return the steps of a level's graph; therapists' outcomes rest on means as clients' do unless told otherwise."""
    arrows = {"session": design.session, "client": design.client_arrows, "therapist": design.therapist_arrows}[level]
    found = [(source_node(arrow), arrow.target) for arrow in arrows]
    if level == "therapist":
        inherited = [(a.source, a.target) for a in design.client_arrows if _inherited(design, a)]
        found += [step for step in inherited if step not in found]
    return tuple(found)


def _inherited(design: PathDesign, arrow: Arrow) -> bool:
    """Whether a client's arrow holds between therapists too: from a latent mean or outcome to an outcome."""
    latent = arrow.source in (*design.names, *design.outcome_names) and not arrow.trend
    return design.has_therapists and latent and arrow.target in design.outcome_names


def routes(design: PathDesign, level: Level, source: Node, target: Node) -> tuple[Route, ...]:
    """Return every walk from source to target, shortest first."""
    steps = edges(design, level)
    found: list[Route] = []
    walks: list[tuple[Node, ...]] = [(source,)]
    while walks:
        walk = walks.pop(0)
        for start, end in steps:
            if start == walk[-1]:
                if end == target:
                    found.append(Route((*walk, end)))
                else:
                    walks.append((*walk, end))
    return tuple(found)


def mediated(design: PathDesign, level: Level) -> tuple[Edge, ...]:
    """Return pairs that are joined by way of others and begin or end the story of the level."""
    steps = edges(design, level)
    starts, ends = {a for a, _ in steps}, {b for _, b in steps}
    nodes = list(dict.fromkeys(node for step in steps for node in step))
    return tuple(
        (a, b)
        for a in nodes
        for b in nodes
        if (a not in ends or b not in starts) and any(len(r.nodes) > 2 for r in routes(design, level, a, b))
    )


@dataclass(frozen=True)
class Algebra:
    """Draws of a path model in matrices.

    Parameters
    ----------
    draws
        Flat draws by posterior variable, (draws, …).
    now, before
        A and Φ, (draws, responses, responses).
    coefficients
        Internal path per level and step, (draws,).
    sds
        SD per level and node, (draws,): of deviations within a session, of latent means between clients and
        therapists with what covariates explain; 1 for covariates and outcomes.
    """

    draws: Mapping[str, Floats]
    now: Floats
    before: Floats
    coefficients: Mapping[str, Mapping[Edge, Floats]]
    sds: Mapping[str, Mapping[Node, Floats]]

    def effect(self, level: Level, route: Route) -> Floats:
        """Return the product along a route, (draws,)."""
        return np.prod([self.coefficients[level][edge] for edge in route.edges], axis=0)

    def ratio(self, level: Level, source: Node, target: Node) -> Floats:
        """Return SD of the source over SD of the target, (draws,)."""
        sds = self.sds[level]
        return np.asarray(sds[source] / np.maximum(sds[target], 1e-12))


def algebra(design: PathDesign, posterior: xr.Dataset) -> Algebra:
    """Return the matrices of a posterior.

    Parameters
    ----------
    design
        The design.
    posterior
        Population-level variables; effects of units are not needed.
    """
    unit = [str(n) for n in posterior.data_vars if str(n) in _UNIT_LEVEL or str(n).startswith("missing_")]
    draws = flatten(posterior.drop_vars(unit))
    now, before = session_matrices(design, draws)
    coefficients = {level: _coefficients(design, level, draws) for level in ("session", "client", "therapist")}
    sds = {
        "session": _within_sds(design, draws, now, before),
        "client": _between_sds(design, "client", draws, coefficients["client"]),
        "therapist": _between_sds(design, "therapist", draws, coefficients["therapist"]),
    }
    return Algebra(draws, now, before, coefficients, sds)


def session_matrices(design: PathDesign, draws: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    """Return A and Φ, each (draws, responses, responses), without moderation."""
    count, size = len(draws["intercept"]), len(design.names)
    now, before = np.zeros((count, size, size)), np.zeros((count, size, size))
    for p, arrow in enumerate(design.session):
        place = design.names.index(arrow.target), design.names.index(arrow.source)
        (before if arrow.lag else now)[:, *place] = draws["path_session"][:, p]
    return now, before


def _coefficients(design: PathDesign, level: Level, draws: Mapping[str, Floats]) -> dict[Edge, Floats]:
    arrows = {"session": design.session, "client": design.client_arrows, "therapist": design.therapist_arrows}[level]
    found = {(source_node(a), a.target): draws[f"path_{level}"][:, p] for p, a in enumerate(arrows)}
    if level == "therapist":  # an outcome rests on b + c; where no arrow says c it is b
        for p, arrow in enumerate(design.client_arrows):
            step = (arrow.source, arrow.target)
            if _inherited(design, arrow):
                found[step] = draws["path_client"][:, p] + found.get(step, 0.0)
    return found


def within_covariance(design: PathDesign, draws: Mapping[str, Floats], now: Floats, before: Floats) -> Floats:
    """Return the covariance of deviations from the expected course, (draws, responses, responses), internal scale."""
    size = len(design.names)
    variance = draws["sd_residual"][:, :size] ** 2
    solve = np.linalg.inv(np.eye(size) - now)
    carry, total = solve @ before, np.zeros_like(now)
    own = [
        (design.names.index(a.target), design.names.index(a.source), draws["sd_client"][:, effect] ** 2)
        for effect, name in enumerate(design.client_effects)
        for a in design.session
        if a.random and a.text == name
    ]
    # Along the recursion once, or towards stationarity; a path that differs between clients adds var(u)·var(source).
    for _ in range(STEPS if design.dynamic else size if own else 1):
        noise = variance.copy()
        for target, source, spread in own:
            noise[:, target] += spread * total[:, source, source]
        total = (solve * noise[:, None, :]) @ solve.transpose(0, 2, 1) + carry @ total @ carry.transpose(0, 2, 1)
    return np.asarray(total)


def _within_sds(design: PathDesign, draws: Mapping[str, Floats], now: Floats, before: Floats) -> dict[Node, Floats]:
    sd = np.sqrt(np.einsum("svv->sv", within_covariance(design, draws, now, before)))
    found = {name: sd[:, v] for v, name in enumerate(design.names)}
    return found | {f"lag({name})": values for name, values in found.items()}


def _between_sds(
    design: PathDesign, level: Level, draws: Mapping[str, Floats], coefficients: Mapping[Edge, Floats]
) -> dict[Node, Floats]:
    """SDs of latent means at a level: (I − B)⁻¹ (Γ a + d)."""
    known = [c.name for c in design.of_level(level)]
    one = np.ones(len(draws["intercept"]))
    found: dict[Node, Floats] = dict.fromkeys((*known, *design.outcome_names), one)
    labels, covariance = between_covariance(design, level, draws, coefficients)
    sd = np.sqrt(np.einsum("sii->si", covariance))
    return found | {name: sd[:, i] for i, name in enumerate(labels) if name not in found}


def between_covariance(
    design: PathDesign, level: Level, draws: Mapping[str, Floats], coefficients: Mapping[Edge, Floats]
) -> tuple[list[Node], Floats]:
    """Return labels and covariance of a level's covariates and latent effects, (draws, labels, labels)."""
    count = len(draws["intercept"])
    known = [c.name for c in design.of_level(level)]
    effects = list(design.client_effects if level == "client" else design.therapist_effects)
    if not effects:
        return [], np.zeros((count, 0, 0))
    labels = [*known, *effects]
    covariance = np.zeros((count, len(labels), len(labels)))
    if known:
        values = np.column_stack([np.nan_to_num(c.values) for c in design.of_level(level)])
        seen = np.atleast_2d(np.cov(values, rowvar=False))
        unknown = [np.isnan(c.values).mean() for c in design.of_level(level)]  # standard normal, see ``missing_client``
        covariance[:, : len(known), : len(known)] = seen + np.diag(unknown)
    factor = disturbances(design, level, draws)
    covariance[:, len(known) :, len(known) :] = factor @ factor.transpose(0, 2, 1)
    direct = np.zeros_like(covariance)
    for (source, target), path in coefficients.items():
        if source in labels and target in labels and target not in design.outcome_names:
            direct[:, labels.index(target), labels.index(source)] = path
    solve = np.linalg.inv(np.eye(len(labels)) - direct)
    return labels, np.asarray(solve @ covariance @ solve.transpose(0, 2, 1))


def disturbances(design: PathDesign, level: Level, draws: Mapping[str, Floats]) -> Floats:
    """Return F with F F' the covariance of d, (draws, effects, effects), effects in the order of the design."""
    effects = list(design.client_effects if level == "client" else design.therapist_effects)
    sd = draws[f"sd_{level}"]
    correlation = np.broadcast_to(np.eye(len(effects)), (len(sd), len(effects), len(effects))).copy()
    free = [effects.index(e) for e in (design.client_free if level == "client" else design.therapist_free)]
    if f"cor_{level}" in draws:
        correlation[:, np.ix_(free, free)[0], np.ix_(free, free)[1]] = draws[f"cor_{level}"]
    if level == "client":
        for n, name in enumerate(design.courses):
            i, j = effects.index(name), effects.index(f"{name}:time")
            correlation[:, i, j] = correlation[:, j, i] = draws["cor_course"][:, n]
    jitter = 1e-10 * np.eye(len(effects))
    return np.asarray(sd[:, :, None] * np.linalg.cholesky(correlation + jitter))


__all__ = [
    "Algebra", "Route", "algebra", "between_covariance", "disturbances", "edges", "mediated", "routes",
    "session_matrices", "within_covariance",
]  # fmt: skip
