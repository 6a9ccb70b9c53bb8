"""The marginalised form of a path model: clients' and therapists' effects integrated out.

Every equation of :mod:`safezone.models.path_design` is linear in the latent effects once a source's expected
course is written out, so that a path multiplies the observed rating and, negatively, everything that its
expectation is made of. Coefficients and loadings are polynomials in paths, means and slopes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .gaussian import (
    CONSTANT,
    ONE,
    Correlation,
    Derived,
    Free,
    GaussianSystem,
    Group,
    Poly,
    Recursion,
    Structure,
    poly,
    times,
)
from .marginal_rows import Equation, Sheet, add, merged
from .path_design import ZERO
from .path_parameters import dims_of, element_priors, elements

if TYPE_CHECKING:
    from ..data.config import Level
    from .arrows import Arrow
    from .design import Floats, Ints
    from .path_design import PathDesign


NOBODY = "u:"
"""An effect that nothing loads on, because the kernel wants one where clients have none."""


def system(design: PathDesign) -> GaussianSystem | str:
    """Return the marginalised system of a path model, or a sentence that says why PyMC runs instead.

    Parameters
    ----------
    design
        Of any model with arrows.
    """
    reason = why_not(design)
    return reason if reason is not None else PathForm(design).build()


def why_not(design: PathDesign) -> str | None:
    """Return why the effects cannot be integrated out in closed form, or ``None``."""
    for outcome in design.outcomes:
        if outcome.family != "gaussian":
            return f"{outcome.label} is {outcome.family}: the effects that it depends on have no closed integral."
    return None


@dataclass(frozen=True)
class Expected:
    """What is expected of a client at a row, in symbols: columns by key, effects by (key, effect)."""

    columns: Mapping[str, Poly]
    effects: Mapping[tuple[str, str], Poly]


class PathForm:
    """Collects equations and rows of one design; see :func:`system`."""

    def __init__(self, design: PathDesign) -> None:
        self.design = design
        self.derived: list[Derived] = []
        self.width = max(len(design.responses), len(design.outcomes))
        self.sessions = self._sheet(design.names, design.values, design.client)
        self.ends = self._sheet(design.outcome_names, design.final, np.arange(design.clients))
        self._session_arrays()

    def _sheet(self, names: tuple[str, ...], values: Floats, client: Ints) -> Sheet:
        arrays = {"1": np.ones(len(client))}
        for one in self.design.covariates:
            unit = client if one.level == "client" else self.design.therapist_of[client]
            known = ~np.isnan(one.values)
            arrays[f"a:{one.name}"] = np.nan_to_num(one.values)[unit]
            if not known.all():
                arrays[f"h:{one.name}"] = (~known).astype(np.float64)[unit]
        return Sheet(names, list(values.T), range(len(names)), client, arrays, self.derived, self.width)

    def _session_arrays(self) -> None:
        design, arrays = self.design, self.sessions.arrays
        last = np.maximum(design.previous, 0)
        for j, term in enumerate(design.terms):
            arrays[f"T:{term}"], arrays[f"P:{term}"] = design.T[:, j], design.T[last, j]
        arrays["t"], arrays["p"] = design.t, design.t[last]
        for v, name in enumerate(design.names):
            arrays[f"r:{name}"], arrays[f"lag:{name}"] = design.values[:, v], design.values[last, v]
        for moderation in design.moderations:
            arrays[f"*{moderation.moderator}"] = moderator(design, moderation.moderator)

    def build(self) -> GaussianSystem:
        """Return the declared system."""
        design = self.design
        free, lkj = self._parameters()
        recursions: list[Recursion] = []
        groups: list[Group] = []
        for (equations, rows), prefix in zip(self.parts(), ("", "first "), strict=False):
            groups += self.sessions.groups(equations, rows, len(recursions), prefix)
            recursions.append(self.sessions.recursion(equations))
        if design.outcomes:
            ends = self.end_equations()
            groups += self.ends.groups(ends, np.arange(design.clients), len(recursions), "")
            recursions.append(self.ends.recursion(ends))
        client, therapist = self._client_structure(lkj), self._therapist_structure(lkj)
        effects = tuple(dict.fromkeys((*client.effects, *therapist.effects)))
        return GaussianSystem(
            free, effects, tuple(merged(groups)), client, therapist, design.clients, design.therapist_of,
            tuple(recursions), tuple(self.derived),
        )  # fmt: skip

    # --- parameters and levels -------------------------------------------------------------------------

    def name(self, variable: str, element: str) -> str:
        """Return the parameter that stands for an element: itself, or the one that it is tied to."""
        own = f"{variable}[{element}]"
        return self.design.ties.get(own, own)

    def poly(self, variable: str, element: str, weight: float = 1.0) -> Poly:
        """Return ``weight · parameter``; nothing where it is zero."""
        name = self.name(variable, element)
        return () if name == ZERO else poly(name, weight)

    def _parameters(self) -> tuple[tuple[Free, ...], dict[str, float]]:
        """Return the scalar parameters, and η of every correlation block."""
        priors = element_priors(self.design)
        free: list[Free] = []
        lkj: dict[str, float] = {}
        for variable, dims in dims_of(self.design).items():
            for name in (
                [variable] if variable.startswith("cor_") and len(dims) == 2 else elements(self.design, variable, dims)
            ):
                prior = priors[name]
                if prior.kind == "lkj":
                    lkj[name] = prior.parameters[0]
                elif name not in self.design.ties:
                    free.append(Free(name, prior, variable.startswith("sd_") or variable == "initial_sd"))
        return tuple(free), lkj

    def _client_structure(self, lkj: Mapping[str, float]) -> Structure:
        design = self.design
        effects = present(design)
        holes = tuple(f"hole:{name}" for name in dict.fromkeys(name for name, _ in design.holes["client"]))
        arrows = [a for a in design.client_arrows if a.target in effects and _node(a) in effects]
        blocks: list[Correlation] = []
        if "cor_client" in lkj:
            blocks.append(Correlation("cor_client", self._keys(design.client_free), lkj["cor_client"]))
        for name in design.courses:
            pair = tuple(e for e in effects if e in (name, f"{name}:time"))
            blocks.append(Correlation(f"cor_course[{name}]", self._keys(pair), lkj[f"cor_course[{name}]"]))
        nobody = () if effects else (NOBODY,)
        return Structure(
            (*self._keys(effects), *holes, *nobody),
            (*(self.name("sd_client", e) for e in effects), *(CONSTANT for _ in (*holes, *nobody))),
            tuple((f"u:{a.target}", f"u:{_node(a)}", self.name("path_client", a.text)) for a in arrows),
            tuple(blocks),
        )

    def _therapist_structure(self, lkj: Mapping[str, float]) -> Structure:
        design = self.design
        effects = design.therapist_effects
        if not effects:
            return Structure()
        holes = tuple(f"hole:{name}" for name in dict.fromkeys(name for name, _ in design.holes["therapist"]))
        arrows = [a for a in design.therapist_arrows if a.source in design.names]
        free = self._keys(design.therapist_free)
        return Structure(
            (*self._keys(effects), *holes),
            (*(self.name("sd_therapist", e) for e in effects), *(CONSTANT for _ in holes)),
            tuple((f"u:{a.target}", f"u:{a.source}", self.name("path_therapist", a.text)) for a in arrows),
            (Correlation("cor_therapist", free, lkj["cor_therapist"]),) if "cor_therapist" in lkj else (),
        )

    @staticmethod
    def _keys(effects: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(f"u:{effect}" for effect in effects)

    # --- expectations ----------------------------------------------------------------------------------

    def totals(self, level: Level) -> dict[str, dict[str, Poly]]:
        """Return total effects of a level's covariates on the latent means: M = (I − B)⁻¹ Γ, response by response."""
        design = self.design
        arrows = design.client_arrows if level == "client" else design.therapist_arrows
        known = {one.name for one in design.of_level(level)}
        found: dict[str, dict[str, Poly]] = {}
        effects = design.client_effects if level == "client" else design.therapist_effects
        for target in (e for e in effects if e in design.names):
            total: dict[str, Poly] = {}
            for arrow in (a for a in arrows if a.target == target and not a.trend):
                path = poly(self.name(f"path_{level}", arrow.text))
                if arrow.source in known:
                    add(total, arrow.source, path)
                for covariate, polynomial in found.get(arrow.source, {}).items():
                    add(total, covariate, times(path, polynomial))
            found[target] = total
        return found

    def _covariates(self, total: Mapping[str, Poly]) -> tuple[dict[str, Poly], dict[tuple[str, str], Poly]]:
        """Return columns of known covariates, and effects of unknown ones."""
        columns = {f"a:{name}": polynomial for name, polynomial in total.items()}
        holes = {
            (f"h:{name}", f"hole:{name}"): polynomial
            for name, polynomial in total.items()
            if f"h:{name}" in self.sessions.arrays
        }
        return columns, holes

    def expected(self, name: str, before: bool = False) -> Expected:
        """Return E_v of this session, or of the one before."""
        design = self.design
        time, trend = ("P", "p") if before else ("T", "t")
        columns: dict[str, Poly] = {"1": self.poly("intercept", name)}
        for term in design.terms:
            columns[f"{time}:{term}"] = self.poly("slope", f"{name},{term}")
        there = name in present(design) or design.has_therapists
        effects: dict[tuple[str, str], Poly] = {("1", f"u:{name}"): ONE} if there else {("1", NOBODY): ()}
        if name in design.trends:
            effects[trend, f"u:{name}:time"] = ONE
        for level in ("client", "therapist"):
            known, unknown = self._covariates(self.totals(level).get(name, {}))
            columns |= known
            effects |= unknown
        return Expected(columns, effects)

    # --- equations of sessions -------------------------------------------------------------------------

    def parts(self) -> list[tuple[dict[int, Equation], Ints]]:
        """Return equations by response with the rows they hold for: ordinary sessions, then starts of series."""
        design = self.design
        start = design.previous < 0 if design.dynamic else np.zeros(len(design.client), dtype=bool)
        found = [({v: self._equation(name) for v, name in enumerate(design.names)}, np.flatnonzero(~start))]
        if design.dynamic:
            first = {
                v: self._initial(name) if name in design.initial else self._equation(name)
                for v, name in enumerate(design.names)
            }
            found.append((first, np.flatnonzero(start)))
        return found

    def _equation(self, name: str) -> Equation:
        design = self.design
        own = self.expected(name)
        columns, effects = dict(own.columns), dict(own.effects)
        sources: dict[int, str] = {}
        for p, arrow in enumerate(design.session):
            if arrow.target != name:
                continue
            parameter = self.name("path_session", arrow.text)
            self._subtract(columns, effects, self.expected(arrow.source, bool(arrow.lag)), poly(parameter, -1.0))
            rating = f"lag:{arrow.source}" if arrow.lag else f"r:{arrow.source}"
            if arrow.lag:
                add(columns, rating, poly(parameter))
            else:
                sources[design.names.index(arrow.source)] = parameter
            if arrow.random:
                effects[rating, f"u:{arrow.text}"] = ONE
            self._moderate(p, rating, arrow, columns, effects)
        return Equation(columns, effects, sources, self.name("sd_residual", name))

    @staticmethod
    def _subtract(
        columns: dict[str, Poly], effects: dict[tuple[str, str], Poly], expected: Expected, weight: Poly
    ) -> None:
        """Add weight · expectation."""
        for key, polynomial in expected.columns.items():
            add(columns, key, times(weight, polynomial))
        for loading, polynomial in expected.effects.items():
            add(effects, loading, times(weight, polynomial))

    def _moderate(self, path: int, rating: str, arrow: Arrow, columns: dict[str, Poly],
                  effects: dict[tuple[str, str], Poly]) -> None:  # fmt: skip
        """δ · F · (r − E): every array of the deviation times the moderator."""
        for moderation in self.design.moderations:
            if moderation.path != path:
                continue
            delta = self.name("moderation", moderation.name)
            expected = self.expected(arrow.source, bool(arrow.lag))
            add(columns, self._product(moderation.moderator, rating), poly(delta))
            for key, polynomial in expected.columns.items():
                add(columns, self._product(moderation.moderator, key), times(poly(delta, -1.0), polynomial))
            for (key, effect), polynomial in expected.effects.items():
                add(effects, (self._product(moderation.moderator, key), effect), times(poly(delta, -1.0), polynomial))

    def _product(self, factor: str, key: str) -> str:
        arrays, name = self.sessions.arrays, f"{factor}*{key}"
        arrays[name] = arrays[f"*{factor}"] * arrays[key]
        return name

    def _initial(self, name: str) -> Equation:
        """Return the equation of a response in a session that starts a series."""
        design = self.design
        own = self.expected(name)
        # Covariates act by way of the latent means, on which the session loads.
        columns = {key: polynomial for key, polynomial in own.columns.items() if not key.startswith("a:")}
        effects = {loading: polynomial for loading, polynomial in own.effects.items() if loading[0] == "t"}
        add(columns, "1", self.poly("initial_shift", name))
        for target, other in design.initial_means:
            if target == name:
                loading = self.poly("initial_loading", f"{name}|{other}")
                expected = self.expected(other)
                for key, polynomial in expected.columns.items():
                    if key.startswith("a:"):
                        add(columns, key, times(loading, polynomial))
                for (key, effect), polynomial in expected.effects.items():
                    if key != "t":
                        add(effects, (key, effect), times(loading, polynomial))
        sources: dict[int, str] = {}
        for target, other in design.initial_paths:
            if target == name:
                parameter = self.name("initial_path", f"{name}<-{other}")
                if parameter == ZERO:
                    continue
                sources[design.names.index(other)] = parameter
                self._subtract(columns, effects, self.expected(other), poly(parameter, -1.0))
        return Equation(columns, effects, sources, self.name("initial_sd", name))

    # --- equations of outcomes -------------------------------------------------------------------------

    def end_equations(self) -> dict[int, Equation]:
        """Return the equations of the outcomes, one row per client."""
        return {o: self._end(name) for o, name in enumerate(self.design.outcome_names)}

    def _end(self, name: str) -> Equation:
        design = self.design
        columns: dict[str, Poly] = {"1": poly(self.name("intercept", name))}
        effects: dict[tuple[str, str], Poly] = {}
        sources: dict[int, str] = {}
        by_level = {level: self.totals(level) for level in ("client", "therapist")}
        total: dict[str, Poly] = {}
        for arrow in self._arrows_to(design.client_arrows, name):
            path = poly(self.name("path_client", arrow.text))
            if arrow.source in design.outcome_names:
                sources[design.outcome_names.index(arrow.source)] = path[0][1][0]
            elif arrow.source not in design.names:
                add(total, arrow.source, path)
            else:
                add(effects, ("1", f"u:{_node(arrow)}"), path)
                if not arrow.trend:
                    for covariates in by_level.values():
                        for covariate, polynomial in covariates[arrow.source].items() if covariates else ():
                            add(total, covariate, times(path, polynomial))
        for arrow in self._arrows_to(design.therapist_arrows, name):
            path = poly(self.name("path_therapist", arrow.text))
            if arrow.source in design.names:  # the latent part runs through the therapists' structure
                for covariate, polynomial in by_level["therapist"][arrow.source].items():
                    add(total, covariate, times(path, polynomial))
            else:
                add(total, arrow.source, path)
        known, unknown = self._covariates(total)
        if design.has_therapists:
            effects["1", f"u:{name}"] = ONE
        return Equation(columns | known, effects | unknown, sources, self.name("sd_residual", name))

    @staticmethod
    def _arrows_to(arrows: tuple[Arrow, ...], target: str) -> Iterator[Arrow]:
        return (arrow for arrow in arrows if arrow.target == target)


def _node(arrow: Arrow) -> str:
    """Return the latent effect that an arrow starts from."""
    return f"{arrow.source}:time" if arrow.trend else arrow.source


def present(design: PathDesign) -> tuple[str, ...]:
    """Return the client effects that vary at all."""
    return tuple(e for e in design.client_effects if design.ties.get(f"sd_client[{e}]") != ZERO)


def moderator(design: PathDesign, name: str) -> Floats:
    """Return the values of a moderator of session paths, (rows,): SDs from its mean, 0 or 1 for categories."""
    if name == "time":
        return design.t
    one = design.covariate(name)
    assert one is not None  # options are checked
    unit = design.client if one.level == "client" else design.therapist_of[design.client]
    return np.nan_to_num(one.values)[unit]
