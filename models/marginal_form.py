"""The marginalised form of a design: the same model as :mod:`safezone.models.multilevel`, effects integrated out.

:func:`system` writes each response's equation in columns (what multiplies a coefficient) and effects
(what multiplies a latent mean or slope); :class:`safezone.models.marginal_rows.Sheet` collects the rows.

Latent centring: with η = (I − A − Φ) m, a within path β_W is a coefficient of the observed predictor
and, negatively, the loading on that predictor's latent mean; B are paths among latent means.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from .gaussian import (
    ONE,
    Correlation,
    Free,
    GaussianSystem,
    Group,
    Poly,
    Recursion,
    Structure,
    poly,
    times,
)
from .marginal_rows import Equation, Sheet, add
from .parameters import prior_of, sampled_variables, slots
from .surface import TERMS, VARIABLES, terms

if TYPE_CHECKING:
    from .design import Design, Floats, Ints
    from .priors import Prior


def system(design: Design) -> GaussianSystem | str:
    """Return the marginalised system of a design, or a sentence that says why PyMC runs instead.

    Parameters
    ----------
    design
        Of any model of the catalogue.
    """
    reason = why_not(design)
    return reason if reason is not None else Form(design).build()


def why_not(design: Design) -> str | None:
    """Return why client and therapist effects cannot be integrated out in closed form, or ``None``."""
    return next(_obstacles(design), None)


def _obstacles(design: Design) -> Iterator[str]:
    if design.family != "gaussian":
        yield f"The outcome's family is {design.family}: its effects have no closed integral."
    if design.residual != "independent":
        yield "Residuals are autocorrelated: sessions of a client are not independent given its effects."
    if design.groups is not None:
        yield f"{design.groups.name} is partially pooled: its groups cut across therapists."
    if design.holes.names:
        names = ", ".join(dict.fromkeys(design.holes.names))
        yield f"Values of {names} are missing: they are imputed, and multiply coefficients."
    if design.has_therapists and len(np.unique(np.stack([design.client, design.therapist]), axis=1).T) > design.clients:
        yield "Some clients change therapist: they are not nested."
    if design.latent and design.surface is not None:
        yield "A surface of latent deviations and latent means multiplies latent quantities with one another."
    if design.latent:
        yield from _latent_obstacles(design)


def _latent_obstacles(design: Design) -> Iterator[str]:
    if any(effect.predictor >= 0 for effect in design.client_effects):
        yield "A client's own slope on a latent-centred predictor is a product of two latent quantities."
    if design.interactions and design.dynamic:
        yield "In a dynamic model the expectation that a moderated deviation is taken from is not a polynomial."
    moderated = sorted({interaction.predictor for interaction in design.interactions})
    lost = np.isnan(design.x[:, moderated]).any(axis=1) & ~np.isnan(design.y)
    if lost.any():
        yield (
            f"In {lost.sum()} sessions a moderated predictor is missing beside a rated outcome: "
            "the residual variance then differs between clients."
        )


def _paths(design: Design, target: int) -> Iterator[tuple[int, int, str]]:
    """Yield (source, lag, parameter) of a response's equation."""
    outcome = len(design.predictors)
    if target == outcome:
        for k, predictor in enumerate(design.predictors):
            yield k, int(design.options.lag), f"within[{predictor.name}]"
        if design.own_lag:
            yield outcome, 1, "own_lag"
    for path in design.paths:
        if path.target == target:
            yield path.source, path.lag, f"nuisance[{path.name}]"


# --- parameters ----------------------------------------------------------------------------------------------------


def dims_of(design: Design) -> dict[str, tuple[str, ...]]:
    """Return the dims of every sampled variable (correlation matrices: of the matrix)."""
    two = {
        "predictor_fixed": ("predictor", "term"),
        "initial_intercept": ("response",),
        "initial_fixed": ("response", "term"),
        "initial_loading": ("response", "response_other"),
        "initial_path": ("start_path",),
        "initial_sd": ("response",),
        "cor_client": ("client_effect", "client_effect_other"),
        "cor_therapist": ("therapist_effect", "therapist_effect_other"),
        "cor_predictor_client": ("predictor", "predictor_other"),
        "cor_predictor_therapist": ("predictor", "predictor_other"),
    }
    return {variable: two.get(variable, () if dim is None else (dim,)) for variable, dim in sampled_variables(design)}


def elements(design: Design, variable: str, dims: tuple[str, ...]) -> list[str]:
    """Return the names of a variable's elements, row-major: ``within[safety]``, ``intercept``."""
    coords = product(*(design.coords[dim] for dim in dims))
    return [f"{variable}[{','.join(map(str, c))}]" if c else variable for c in coords]


def _free(design: Design) -> tuple[tuple[Free, ...], dict[str, float]]:
    """Return the scalar parameters, and η of every correlation matrix."""
    priors: dict[str, list[Prior]] = {}
    for slot in slots(design):
        priors.setdefault(slot.variable, []).append(prior_of(design, slot))
    parameters: list[Free] = []
    lkj: dict[str, float] = {}
    for variable, dims in dims_of(design).items():
        own = priors[variable]
        if own[0].kind == "lkj":
            lkj[variable] = own[0].parameters[0]
            continue
        names = elements(design, variable, dims)
        each = [prior for prior in own for _ in range(len(names) // len(own))]
        if variable == "initial_loading":
            size = len(design.responses)
            each = [design.priors["initial_loading_own"] if i // size == i % size else own[0] for i in range(size**2)]
        positive = variable.startswith("sd_") or variable == "initial_sd"
        parameters += [Free(name, prior, positive) for name, prior in zip(names, each, strict=True)]
    return tuple(parameters), lkj


# --- equations -----------------------------------------------------------------------------------------------------


class Form:
    """Collects equations and rows of one design; see :func:`system`."""

    def __init__(self, design: Design) -> None:
        self.design = design
        self.values = [*(design.x.T if design.latent else ()), design.y]
        self.names = design.responses if design.latent else (design.outcome.name,)
        self.order = design.order if design.latent else (0,)
        self.arrays: dict[str, Floats] = {"1": np.ones(len(design.y))}
        self.arrays |= {f"F{j}": design.F[:, j] for j in range(len(design.fixed))}
        self.sheet = Sheet(self.names, self.values, self.order, design.client, self.arrays)

    def build(self) -> GaussianSystem:
        """Return the declared system."""
        design = self.design
        parameters, lkj = _free(design)
        recursions: list[Recursion] = []
        groups: list[Group] = []
        for (equations, rows), prefix in zip(self.parts(), ("", "first "), strict=False):
            groups += self.sheet.groups(equations, rows, len(recursions), prefix)
            recursions.append(self.sheet.recursion(equations))
        means = [f"mean:{p.name}" for p in design.predictors] if design.latent else []
        effects = (*means, *(f"effect:{effect.name}" for effect in design.client_effects))
        therapist_of = np.zeros(0, dtype=np.int64)
        if design.has_therapists:
            therapist_of = np.zeros(design.clients, dtype=np.int64)
            therapist_of[design.client] = design.therapist
        return GaussianSystem(
            parameters, effects, tuple(groups), self._structure("client", lkj), self._structure("therapist", lkj),
            design.clients, therapist_of, tuple(recursions), tuple(self.sheet.derived),
        )  # fmt: skip

    def parts(self) -> list[tuple[dict[int, Equation], Ints]]:
        """Return equations by response with the rows they hold for: ordinary sessions, then starts of series."""
        design = self.design
        dynamic = design.dynamic and design.latent
        start = design.previous < 0 if dynamic else np.zeros(len(design.y), dtype=bool)
        found = [({v: self._equation(v) for v in self.order}, np.flatnonzero(~start))]
        if dynamic:
            found.append(({v: self._initial(v) for v in self.order}, np.flatnonzero(start)))
        return found

    def _structure(self, unit: str, lkj: Mapping[str, float]) -> Structure:
        """Latent means of predictors, then the outcome's effects; between paths explain its intercept."""
        design = self.design
        own = design.client_effects if unit == "client" else design.therapist_effects
        if not own:
            return Structure()
        predictors = [p.name for p in design.predictors] if design.latent else []
        means, effects = tuple(f"mean:{p}" for p in predictors), tuple(f"effect:{e.name}" for e in own)
        blocks = {f"cor_predictor_{unit}": means, f"cor_{unit}": effects}
        return Structure(
            (*means, *effects),
            (*(f"sd_predictor_{unit}[{p}]" for p in predictors), *(f"sd_{unit}[{e.name}]" for e in own)),
            tuple(("effect:intercept", f"mean:{p}", f"between_{unit}[{p}]") for p in predictors),
            tuple(Correlation(name, block, lkj[name]) for name, block in blocks.items() if name in lkj),
        )

    def _mean_effect(self, response: int) -> str:
        outcome = response == len(self.values) - 1
        return "effect:intercept" if outcome else f"mean:{self.names[response]}"

    def _equation(self, target: int) -> Equation:
        """Return the equation of a response in an ordinary session."""
        design = self.design
        outcome = target == len(self.values) - 1
        name = self.names[target]
        columns: dict[str, Poly] = {"1": poly("intercept" if outcome else f"predictor_intercept[{name}]")}
        for j, column in enumerate(design.fixed):
            columns[f"F{j}"] = poly(f"fixed[{column.name}]" if outcome else f"predictor_fixed[{name},{column.name}]")
        effects: dict[tuple[str, str], Poly] = {("1", self._mean_effect(target)): ONE}
        sources: dict[int, str] = {}
        if design.latent:
            for source, lag, parameter in _paths(design, target):
                add(effects, ("1", self._mean_effect(source)), poly(parameter, -1.0))
                if lag == 0:
                    sources[source] = parameter
                else:
                    self.arrays[f"lag{source}"] = self.values[source][design.previous]
                    columns[f"lag{source}"] = poly(parameter)
        if outcome:
            self._outcome_effects(effects)
            if design.latent:
                self._moderation(columns, effects)
            else:
                self._observed(columns)
            self._products(columns)
        return Equation(columns, effects, sources, "sd_residual" if outcome else f"sd_predictor_residual[{name}]")

    def _outcome_effects(self, effects: dict[tuple[str, str], Poly]) -> None:
        """Slopes of the outcome that differ between clients (and therapists)."""
        design = self.design
        for j, effect in enumerate(design.client_effects[1:], start=1):
            self.arrays[f"z{j}"] = design.x[:, effect.predictor] if effect.predictor >= 0 else design.client_z[:, j]
            effects[f"z{j}", f"effect:{effect.name}"] = ONE

    def _moderation(self, columns: dict[str, Poly], effects: dict[tuple[str, str], Poly]) -> None:
        """δ · F_j · (x_k − M_k − m_k), M = g + A M the expectation of x_k from its fixed part."""
        design = self.design
        for interaction in design.interactions:
            delta, j, k = poly(f"moderation[{interaction.name}]"), interaction.column, interaction.predictor
            self.arrays[f"F{j}*x{k}"] = design.F[:, j] * self.values[k]
            add(columns, f"F{j}*x{k}", delta)
            minus = tuple((-weight, names) for weight, names in delta)
            add(effects, (f"F{j}", self._mean_effect(k)), minus)
            for key, expected in self._expectation(k).items():
                product_key = f"F{j}"
                if key != "1":
                    product_key = f"F{j}*{key}"
                    self.arrays[product_key] = design.F[:, j] * self.arrays[key]
                add(columns, product_key, times(minus, expected))

    def _products(self, columns: dict[str, Poly]) -> None:
        """δ · p, with p of observed deviations: a column like any other."""
        products = self.design.products
        if products is not None:
            for n, name in enumerate(products.names):
                self.arrays[f"product{n}"] = products.columns[:, n]
                columns[f"product{n}"] = poly(f"moderation[{name}]")

    def _expectation(self, predictor: int) -> dict[str, Poly]:
        """Return the fixed part of a predictor, own and through the predictors that explain it."""
        name = self.names[predictor]
        total: dict[str, Poly] = {"1": poly(f"predictor_intercept[{name}]")}
        for j, column in enumerate(self.design.fixed):
            total[f"F{j}"] = poly(f"predictor_fixed[{name},{column.name}]")
        for source, _, parameter in _paths(self.design, predictor):
            for key, polynomial in self._expectation(source).items():
                add(total, key, times(poly(parameter), polynomial))
        return total

    def _observed(self, columns: dict[str, Poly]) -> None:
        """Within and between effects of observed means."""
        design = self.design
        if design.surface is not None:
            for variable, ratings in zip(VARIABLES.values(), (design.x, design.surface.between), strict=True):
                for name, column in zip(TERMS, terms(*ratings.T).T, strict=True):
                    self.arrays[f"{variable}.{name}"] = column
                    columns[f"{variable}.{name}"] = poly(f"{variable}[{name}]")
            return
        blocks = {"within": design.x, "between_client": design.x_client}
        if design.has_therapists:
            blocks["between_therapist"] = design.x_therapist
        for variable, block in blocks.items():
            for k, predictor in enumerate(design.predictors):
                self.arrays[f"{variable}{k}"] = block[:, k]
                columns[f"{variable}{k}"] = poly(f"{variable}[{predictor.name}]")
        if design.predictors and design.own_lag:
            self.arrays["own_lag"] = design.y_previous
            columns["own_lag"] = poly("own_lag")
        for n, interaction in enumerate(design.interactions):
            self.arrays[f"moderation{n}"] = design.F[:, interaction.column] * design.x[:, interaction.predictor]
            columns[f"moderation{n}"] = poly(f"moderation[{interaction.name}]")

    def _initial(self, target: int) -> Equation:
        """Return the equation of a response in a session that starts a series: everything its own."""
        design, name = self.design, self.names[target]
        columns = {"1": poly(f"initial_intercept[{name}]")}
        for j, column in enumerate(design.fixed):
            columns[f"F{j}"] = poly(f"initial_fixed[{name},{column.name}]")
        effects = {
            ("1", self._mean_effect(v)): poly(f"initial_loading[{name},{other}]") for v, other in enumerate(self.names)
        }
        sources = {p.source: f"initial_path[{p.name}]" for p in design.initial_paths if p.target == target}
        return Equation(columns, effects, sources, f"initial_sd[{name}]")
