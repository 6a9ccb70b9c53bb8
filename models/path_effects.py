"""Estimands of a path model: every path, indirect and total effects per level, what differs between people.

Raw: units of the target per unit of the source. Standardised: by the SDs of the level on which the path
lives (of deviations within a session, of latent means between clients or therapists); observed covariates
and final outcomes by their own SD, categories per category.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from .model import Estimand
from .path_algebra import Algebra, Node, Route, algebra, edges, mediated, routes, source_node
from .path_parameters import label, raw_size
from .path_probability import probabilities
from .quantities import both_scales, once

if TYPE_CHECKING:
    import xarray as xr

    from ..data.config import Level
    from .design import Floats
    from .path_design import PathDesign

    Values = Callable[[Algebra], Floats]

LEVELS: tuple[Level, ...] = ("session", "client", "therapist")
_WHO = {
    "session": "in sessions that differ by one unit from what is usual for the client",
    "client": "between clients of one therapist who differ by one unit",
    "therapist": "between therapists who differ by one unit",
}


class Once:
    """Computes the matrices of a posterior once for all estimands that are asked of it."""

    def __init__(self, design: PathDesign) -> None:
        self._design = design
        self._of: xr.Dataset | None = None
        self._found: Algebra | None = None

    def __call__(self, posterior: xr.Dataset) -> Algebra:
        """Return the matrices."""
        if self._found is None or self._of is not posterior:
            self._of, self._found = posterior, algebra(self._design, posterior)
        return self._found


def path_estimands(design: PathDesign) -> tuple[Estimand, ...]:
    """Return every estimand of a path model."""
    known = Once(design)
    found: list[Estimand] = []
    for level in LEVELS:
        found += _paths(design, known, level)
        found += _mediation(design, known, level)
    found += _moderation(design, known)
    found += _random_paths(design, known)
    found += probabilities(design, lambda values: draws_of(known, values))
    found += described(design, known)
    return tuple(found)


def described(design: PathDesign, known: Once, level: Level | None = None) -> Iterator[Estimand]:
    """Yield the paths of a level, or (without a level) the courses and what arrows leave unexplained."""
    if level is not None:
        yield from _paths(design, known, level)
        return
    yield from _courses(design, known)
    yield from _differences(design, known)


def draws_of(known: Once, values: Values) -> Callable[[xr.Dataset], xr.DataArray]:
    """Return what turns a posterior into draws of a function of its matrices."""

    def draws(posterior: xr.Dataset) -> xr.DataArray:
        import xarray as xr

        shape = (posterior.sizes["chain"], posterior.sizes["draw"])
        found = np.asarray(values(known(posterior))).reshape(shape)
        coords = {"chain": posterior["chain"], "draw": posterior["draw"]}
        return xr.DataArray(found, coords, ("chain", "draw"))

    return draws


def _pick(variable: str, *place: int, scale: float = 1.0, shift: float = 0.0) -> Values:
    """Return an element of a posterior variable, shift + scale · value."""
    return lambda a: shift + scale * np.moveaxis(a.draws[variable], 0, -1)[place]


# --- scales ----------------------------------------------------------------------------------------


def size(design: PathDesign, source: Node, target: Node) -> float:
    """Return raw units of the target per raw unit of the source, for an internal effect of one."""
    return _raw(design, target) / _raw(design, source)


def _raw(design: PathDesign, node: Node) -> float:
    name = node.removeprefix("lag(").removesuffix(")")
    covariate = design.covariate(name)
    if covariate is not None:
        return covariate.factor.scale
    if name.endswith(":time"):
        return design.measure(name.removesuffix(":time")).sd / design.t_scale
    one = design.measure(name)
    return one.sd if one.family == "gaussian" else 1.0


def words(design: PathDesign, node: Node) -> str:
    """Return what a node is called: ``Felt safety``, ``Felt safety in the previous session``."""
    if node.startswith("lag("):
        return f"{label(design, node[4:-1])} in the previous session"
    if node.endswith(":time") and design.covariate(node) is None:
        return f"the rate of change of {label(design, node.removesuffix(':time'))}"
    return label(design, node)


def unit(design: PathDesign, node: Node) -> str:
    """Return the unit of a node in words."""
    covariate = design.covariate(node)
    if covariate is not None:
        return "category" if covariate.factor.category is not None else f"unit of {covariate.factor.variable}"
    if node.endswith(":time"):
        one = design.measure(node.removesuffix(":time"))
        return f"{one.unit or 'units'} per {design.time_unit}"
    one = design.measure(node.removeprefix("lag(").removesuffix(")"))
    return (one.unit or "units") if one.family == "gaussian" else "logits"


def _effect(
    design: PathDesign, known: Once, level: Level, name: str, nodes: tuple[Node, Node], meaning: str, values: Values
) -> tuple[Estimand, Estimand]:
    source, target = nodes
    raw = size(design, source, target)
    covariate = design.covariate(source)
    above = "SD" if target in design.names or design.measure(target).family == "gaussian" else "logits"
    per = above if covariate is not None and covariate.factor.category is not None else f"{above} per SD"
    return both_scales(
        name,
        level,
        (f"{unit(design, target)} per {unit(design, source)}", per),
        meaning,
        draws_of(known, lambda a: values(a) * raw),
        draws_of(known, lambda a: values(a) * a.ratio(level, source, target)),
    )


# --- paths, indirect and total effects -------------------------------------------------------------


def _paths(design: PathDesign, known: Once, level: Level) -> Iterator[Estimand]:
    for source, target in edges(design, level):
        meaning = f"{words(design, target)} by {words(design, source)}, {_WHO[level]}, all else equal."
        yield from _effect(
            design, known, level, f"path.{level}.{source}->{target}", (source, target), meaning,
            _coefficient(level, (source, target)),
        )  # fmt: skip


def _coefficient(level: Level, step: tuple[Node, Node]) -> Values:
    return lambda a: a.coefficients[level][step]


def _mediation(design: PathDesign, known: Once, level: Level) -> Iterator[Estimand]:
    for source, target in mediated(design, level):
        every = routes(design, level, source, target)
        indirect = tuple(route for route in every if len(route.nodes) > 2)
        ends = (source, target)
        joined = f"{words(design, target)} by {words(design, source)}, {_WHO[level]}"
        for route in indirect:
            by = " and ".join(words(design, node) for node in route.nodes[1:-1])
            yield from _effect(
                design, known, level, f"indirect.{level}.{route.text}", ends, f"{joined}: what runs through {by}.",
                _sum(design, level, (route,)),
            )  # fmt: skip
        yield from _effect(
            design, known, level, f"indirect.{level}.{source}->{target}", ends,
            f"{joined}: all that runs through others.", _sum(design, level, indirect),
        )  # fmt: skip
        yield from _effect(
            design, known, level, f"total.{level}.{source}->{target}", ends, f"{joined}: directly and through others.",
            _sum(design, level, every),
        )  # fmt: skip
        if len(every) > len(indirect):
            part, whole = _sum(design, level, indirect), _sum(design, level, every)
            meaning = (
                f"Share of the total effect of {words(design, source)} on {words(design, target)} that runs through "
                "others; it means something only where the total is clearly not zero."
            )
            yield from once(
                f"proportion.{level}.{source}->{target}", level, "share", meaning,
                draws_of(known, _quotient(part, whole)),
            )  # fmt: skip


def _quotient(part: Values, whole: Values) -> Values:
    return lambda a: part(a) / whole(a)


def _sum(design: PathDesign, level: Level, of: tuple[Route, ...]) -> Values:
    """Sum of the expected products along routes; where clients differ in two paths a and b, E[ab] = ab + cov(a, b)."""

    def values(a: Algebra) -> Floats:
        if level != "session":
            return np.asarray(np.sum([a.effect(level, route) for route in of], axis=0))
        return np.asarray(np.sum([_expected(design, a, route.edges) for route in of], axis=0))

    return values


def _expected(design: PathDesign, a: Algebra, steps: tuple[tuple[Node, Node], ...]) -> Floats | float:
    """Return E of a product of jointly normal paths: the first one's mean, or its covariance with one of the others."""
    if not steps:
        return 1.0
    first, *rest = steps
    total = a.coefficients["session"][first] * _expected(design, a, tuple(rest))
    for i, other in enumerate(rest):
        covariance = _covariance(design, a, first, other)
        if np.any(covariance):
            total = total + covariance * _expected(design, a, (*rest[:i], *rest[i + 1 :]))
    return np.asarray(total)


def _covariance(design: PathDesign, a: Algebra, first: tuple[Node, Node], second: tuple[Node, Node]) -> Floats | float:
    texts = [f"{source}->{target}" for source, target in (first, second)]
    random = [arrow.text for arrow in design.session if arrow.random]
    if not all(text in random for text in texts):
        return 0.0
    places = [design.client_effects.index(text) for text in texts]
    sds = a.draws["sd_client"][:, places].prod(axis=1)
    free = [design.client_free.index(text) for text in texts]
    return np.asarray(sds * a.draws["cor_client"][:, free[0], free[1]])


# --- what differs ----------------------------------------------------------------------------------


def _moderation(design: PathDesign, known: Once) -> Iterator[Estimand]:
    for m, moderation in enumerate(design.moderations):
        arrow = design.session[moderation.path]
        source, target = source_node(arrow), arrow.target
        scale = size(design, source, target) / moderator_scale(design, moderation.moderator)
        what = "time" if moderation.moderator == "time" else label(design, moderation.moderator)
        per = design.time_unit if moderation.moderator == "time" else unit(design, moderation.moderator)
        yield from both_scales(
            f"path.session.{moderation.name}",
            "session" if moderation.moderator == "time" else "client",
            (f"{unit(design, target)} per {unit(design, source)} and {per}", "SD per SD and SD"),
            f"How much the path from {words(design, source)} to {words(design, target)} changes with {what}.",
            draws_of(known, _pick("moderation", m, scale=scale)),
            draws_of(known, _times_ratio(_pick("moderation", m), source, target)),
        )  # fmt: skip


def _times_ratio(values: Values, source: Node, target: Node) -> Values:
    return lambda a: values(a) * a.ratio("session", source, target)


def moderator_scale(design: PathDesign, name: str) -> float:
    """Return raw units of a moderator per internal unit."""
    covariate = design.covariate(name)
    return covariate.factor.scale if covariate is not None else design.t_scale


def _random_paths(design: PathDesign, known: Once) -> Iterator[Estimand]:
    random = [arrow for arrow in design.session if arrow.random]
    for arrow in random:
        place = design.client_effects.index(arrow.text)
        source = source_node(arrow)
        yield from _effect(
            design, known, "session", f"path.session.{arrow.text}.sd", (source, arrow.target),
            f"How much clients differ in the path from {words(design, source)} to {words(design, arrow.target)}.",
            _pick("sd_client", place),
        )  # fmt: skip
    for i, first in enumerate(random):
        for second in random[i + 1 :]:
            raw = raw_size(design, first) * raw_size(design, second)
            steps = ((source_node(first), first.target), (source_node(second), second.target))
            yield from once(
                f"cov.session.{first.text},{second.text}", "client", "product of raw paths",
                "How clients' own paths go together; it adds to the average indirect effect.",
                draws_of(known, _raw_covariance(design, steps, raw)),
            )  # fmt: skip


def _raw_covariance(design: PathDesign, steps: tuple[tuple[Node, Node], tuple[Node, Node]], raw: float) -> Values:
    return lambda a: np.asarray(_covariance(design, a, *steps)) * raw


def _courses(design: PathDesign, known: Once) -> Iterator[Estimand]:
    """Where variables start and where they go."""
    located = design.coords["variable"]
    for v, name in enumerate(map(str, located)):
        one = design.measure(name)
        start = f"at time 0 (in {design.time_unit}s)" if design.terms and name in design.names else "on average"
        meaning = f"Expected {one.label} {start}, with every covariate at its mean or reference."
        if one.family != "gaussian":
            yield from once(
                f"intercept.{name}", "population", "logits", meaning, draws_of(known, _pick("intercept", v))
            )
            continue
        yield from both_scales(
            f"intercept.{name}", "population", (unit(design, name), "SD from the mean"), meaning,
            draws_of(known, _pick("intercept", v, scale=one.sd, shift=one.mean)),
            draws_of(known, _pick("intercept", v)),
        )  # fmt: skip
    for v, name in enumerate(design.names):
        for j, term in enumerate(design.terms):
            scale = design.measure(name).sd / float(design.scales[j])
            per = design.time_unit if term == "time" else f"unit of {term}"
            yield from both_scales(
                f"{name}.{term}", "session", (f"{unit(design, name)} per {per}", "SD per SD"),
                f"Expected change of {design.measure(name).label} over time.",
                draws_of(known, _pick("slope", v, j, scale=scale)),
                draws_of(known, _pick("slope", v, j)),
            )  # fmt: skip


def _differences(design: PathDesign, known: Once) -> Iterator[Estimand]:
    """SDs and correlations of what arrows leave unexplained."""
    for level, effects in (("client", design.client_effects), ("therapist", design.therapist_effects)):
        for e, effect in enumerate(effects):
            if "->" in effect:
                continue
            raw = _raw(design, effect)
            yield from both_scales(
                f"sd.{level}.{effect}", level, (unit(design, effect), "SD"),
                f"How much {level}s differ in {words(design, effect)}, beyond what arrows explain.",
                draws_of(known, _pick(f"sd_{level}", e, scale=raw)),
                draws_of(known, _pick(f"sd_{level}", e)),
            )  # fmt: skip
        free = design.client_free if level == "client" else design.therapist_free
        for i, first in enumerate(free):
            for j, second in enumerate(free[i + 1 :], start=i + 1):
                yield from once(
                    f"cor.{level}.{first}_{second}", level, "correlation",
                    f"How {_called(design, first)} and {_called(design, second)} go together between {level}s.",
                    draws_of(known, _pick(f"cor_{level}", i, j)),
                )  # fmt: skip
    for n, name in enumerate(design.courses):
        yield from once(
            f"cor.client.{name}:time_{name}", "client", "correlation",
            f"How a client's usual {label(design, name)}, beyond what arrows explain, goes with its rate of change.",
            draws_of(known, _pick("cor_course", n)),
        )  # fmt: skip
    for v, name in enumerate(map(str, design.coords["residual"])):
        what = "from session to session" if name in design.names else "between clients"
        raw = _raw(design, name)
        yield from both_scales(
            f"sd.residual.{name}", "session" if name in design.names else "client", (unit(design, name), "SD"),
            f"How much {design.measure(name).label} varies {what}, beyond what arrows explain.",
            draws_of(known, _pick("sd_residual", v, scale=raw)),
            draws_of(known, _pick("sd_residual", v)),
        )  # fmt: skip


def _called(design: PathDesign, effect: str) -> str:
    """Return words for an effect: a variable, a rate of change, or a path."""
    source, arrow, target = effect.partition("->")
    if not arrow:
        return words(design, effect)
    return f"the path from {words(design, source)} to {words(design, target)}"


__all__ = ["Once", "described", "draws_of", "moderator_scale", "path_estimands", "size", "unit", "words"]
