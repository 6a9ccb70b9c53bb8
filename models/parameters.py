"""The parameters of a design: names, symbols, meanings (``parameters.toml``) and priors with overrides."""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from ..data.errors import Fault, InputError
from ..data.study_file import suggestion
from .design import Column, Design, Effect
from .families import laws
from .library import PREFIX, from_library
from .model import Parameter
from .options import fault
from .priors import Prior, PriorError, Support, check_support, defaults, parse
from .surface import ORDER, TERMS, VARIABLES

if TYPE_CHECKING:
    from ..data.study import Study


_TERM_TEXTS = {
    "b1": "slope on the first rating",
    "b2": "slope on the second rating",
    "b3": "curvature along the first rating",
    "b4": "product of the two ratings",
    "b5": "curvature along the second rating",
}


@dataclass(frozen=True, slots=True)
class Slot:
    """A place that holds a prior: a posterior variable, or one of its elements.

    Parameters
    ----------
    variable, coordinate
        Posterior variable and element; ``None`` where one prior serves all elements.
    estimand
        The name under which a study file sets it.
    symbol, meaning
        For people.
    factor, shift
        internal = factor · raw + shift; factor 0 where the parameter has no raw scale.
    """

    variable: str
    coordinate: str | None
    estimand: str
    symbol: str
    meaning: str
    factor: float
    shift: float = 0.0

    @property
    def name(self) -> str:
        """``within[safety]`` or ``sd_residual``."""
        return self.variable if self.coordinate is None else f"{self.variable}[{self.coordinate}]"


@cache
def _texts() -> Mapping[str, Mapping[str, str]]:
    table = tomllib.loads(files(__package__).joinpath("parameters.toml").read_text(encoding="utf-8"))
    return {name: {key: str(value) for key, value in entry.items()} for name, entry in table.items()}


def default_priors() -> dict[str, Prior]:
    """Return the default prior of every posterior variable (and ``sd_client_slope`` etc. for their kinds)."""
    return {name: default.prior for name, default in defaults().items()}


def sampled_variables(design: Design) -> tuple[tuple[str, str | None], ...]:
    """Return every posterior variable with a prior, with its dim (``None`` for one prior in all)."""
    return tuple(_sampled(design))


def _sampled(design: Design) -> Iterator[tuple[str, str | None]]:
    family = design.family
    if family != "ordinal":
        yield "intercept", None
    if design.fixed:
        yield "fixed", "term"
    yield from _sampled_slopes(design)
    if design.interactions or design.products is not None:
        yield "moderation", "interaction"
    if design.own_lag:
        yield "own_lag", None
    yield "sd_client", "client_effect"
    if len(design.client_effects) > 1:
        yield "cor_client", None
    if design.has_therapists:
        yield "sd_therapist", "therapist_effect"
        if len(design.therapist_effects) > 1:
            yield "cor_therapist", None
    if design.groups is not None:
        yield "sd_group", "group_effect"
    for parameter in family_parameters(design):
        yield parameter, None
    if design.residual == "ar1":
        yield "autocorrelation", None
    if design.latent:
        yield from _sampled_latent(design)


def _sampled_slopes(design: Design) -> Iterator[tuple[str, str | None]]:
    """Coefficients of the predictors: a slope for each level, or the terms of a surface."""
    if design.surface is not None:
        for variable in VARIABLES.values():
            yield variable, "surface_term"
    elif design.predictors:
        yield "within", "predictor"
        yield "between_client", "predictor"
        if design.has_therapists:
            yield "between_therapist", "predictor"


def _sampled_latent(design: Design) -> Iterator[tuple[str, str | None]]:
    """Parameters of the predictors' own equations."""
    if design.paths:
        yield "nuisance", "path"
    yield "predictor_intercept", "predictor"
    if design.fixed:
        yield "predictor_fixed", "predictor"
    yield "sd_predictor_client", "predictor"
    if len(design.predictors) > 1:
        yield "cor_predictor_client", None
    if design.has_therapists:
        yield "sd_predictor_therapist", "predictor"
        if len(design.predictors) > 1:
            yield "cor_predictor_therapist", None
    yield "sd_predictor_residual", "predictor"
    if design.dynamic:
        yield "initial_intercept", None
        if design.fixed:
            yield "initial_fixed", None
        yield "initial_loading", None
        if design.initial_paths:
            yield "initial_path", None
        yield "initial_sd", None


def family_parameters(design: Design) -> tuple[str, ...]:
    """Return the family's parameters in this design; ``ends`` only where ratings lie on the bounds."""
    parameters = laws()[design.family].parameters
    if design.family == "beta" and not bool(((design.y <= 0) | (design.y >= 1)).any()):
        return tuple(p for p in parameters if p != "ends")
    return parameters


def slots(design: Design) -> tuple[Slot, ...]:
    """Return every place that holds a prior, in the order of the equation."""
    found: list[Slot] = []
    for variable, dim in sampled_variables(design):
        elements: list[str | None] = [None] if dim is None else [str(c) for c in design.coords[dim]]
        found.extend(_slot(design, variable, element) for element in elements)
    return tuple(found)


def _slot(design: Design, variable: str, element: str | None) -> Slot:
    text = _texts()[variable]
    labels = {p.name: p.label for p in design.predictors}
    words = {
        "c": element or "",
        "y": design.outcome.label,
        "x": labels.get(element or "", element or ""),
        "within": (element or "").replace(":", ".within:", 1),
        "term": _TERM_TEXTS.get(element or "", ""),
        "n": (element or "")[1:],
        "raters": " and ".join(labels.values()),
    }
    estimand = text["estimand"].format(**words)
    if variable == "sd_client" and element in labels:
        estimand = f"{element}.within.sd"
    if variable == "moderation" and design.products is not None and element in design.products.names:
        estimand += ".within"
    factor, shift = _conversion(design, text["raw"], element)
    symbol = text["symbol"].format(**words)
    return Slot(variable, element, estimand, symbol, text["meaning"].format(**words), factor, shift)


def _conversion(design: Design, rule: str, element: str | None) -> tuple[float, float]:
    """Return factor and shift from raw to internal units (see ``parameters.toml``)."""
    outcome = design.outcome
    sd = 1.0 if not laws()[outcome.family].continuous else outcome.sd
    scales = {p.name: p for p in design.predictors}
    columns = {c.name: c for c in design.fixed}
    predictor = scales.get(element or "")
    factor, shift = 0.0, 0.0
    match rule:
        case "location":
            factor, shift = 1.0 / sd, -outcome.mean / sd if laws()[outcome.family].continuous else 0.0
        case "slope":
            factor = _size(columns[element or ""]) / sd
        case "path" if predictor is not None:
            factor = predictor.sd / sd
        case "moderation":
            factor = _moderation_unit(design, element or "") / sd
        case "surface":
            factor = design.predictors[0].sd ** int(ORDER[TERMS.index(element or "")]) / sd
        case "effect":
            factor = _effect_factor(design, element or "", sd)
        case "outcome":
            factor = 1.0 / sd
        case "predictor" if predictor is not None:
            factor, shift = 1.0 / predictor.sd, -predictor.mean / predictor.sd
        case "predictor_sd" if predictor is not None:
            factor = 1.0 / predictor.sd
    return factor, shift


def _moderation_unit(design: Design, element: str) -> float:
    """Return raw units of what a moderation multiplies per internal unit: deviation × column, or two deviations."""
    if design.products is not None and element in design.products.names:
        pair = design.products.pairs[design.products.names.index(element)]
        return math.prod(design.predictors[k].sd for k in pair)
    interaction = next(i for i in design.interactions if i.name == element)
    return design.predictors[interaction.predictor].sd * _size(design.fixed[interaction.column])


def _size(column: Column) -> float:
    """Return raw units per internal unit of a column."""
    return math.prod(factor.scale for factor in column.factors)


def _effect_factor(design: Design, name: str, sd: float) -> float:
    effect = next((e for e in design.client_effects if e.name == name), Effect(name, -1, 1.0))
    unit = design.predictors[effect.predictor].sd if effect.predictor >= 0 else effect.scale
    return unit / sd


def prior_of(design: Design, slot: Slot) -> Prior:
    """Return the prior that a slot holds: an override, or the default of its kind."""
    own = design.priors.get(slot.name)
    if own is not None:
        return own
    if slot.variable in ("sd_client", "sd_therapist") and slot.coordinate != "intercept":
        return design.priors[f"{slot.variable}_slope"]
    if slot.variable in VARIABLES.values() and ORDER[TERMS.index(slot.coordinate or "")] == 2:
        return design.priors[f"{slot.variable}_curvature"]
    return design.priors[slot.variable]


def parameters(design: Design) -> tuple[Parameter, ...]:
    """Return every parameter with its prior, as the report prints them."""
    return tuple(
        Parameter(slot.name, slot.estimand, slot.symbol, prior_of(design, slot), slot.meaning) for slot in slots(design)
    )


def with_overrides(study: Study, design: Design) -> Design:
    """Return the design with the study file's priors in place.

    Raises
    ------
    InputError
        For an unknown name (the nearest is named) or a prior that does not parse, is improper or does
        not fit its parameter.
    """
    found = overrides(study, design.name, design.options.priors, slots(design), {
        slot.name: (prior_of(design, slot), defaults()[slot.variable].support) for slot in slots(design)
    }, design.outcome.name)  # fmt: skip
    return dataclasses.replace(design, priors={**design.priors, **found})


def overrides(
    study: Study,
    name: str,
    asked: Mapping[str, str | dict[str, str]],
    slots: Sequence[Slot],
    held: Mapping[str, tuple[Prior, Support]],
    outcome: str = "",
) -> dict[str, Prior]:
    """Return the priors that a study file sets, by slot.

    Parameters
    ----------
    study, name
        The study and the model.
    asked
        ``[models.NAME.priors]``.
    slots
        Every place that holds a prior.
    held
        What each holds by default, and its support.
    outcome
        The model's outcome, where its parameters do not name theirs.

    Raises
    ------
    InputError
        With every fault; see :func:`with_overrides`.
    """
    by_name = {slot.estimand: slot for slot in slots}
    priors: dict[str, Prior] = {}
    faults: list[Fault] = []
    for estimand, text in asked.items():
        key = f'priors."{estimand}"'
        slot = by_name.get(estimand)
        if slot is None:
            rule = "No parameter of this model has that name."
            faults.append(fault(study, name, key, rule, estimand, suggestion(estimand, list(by_name))))
            continue
        default, support = held[slot.name]
        try:
            if isinstance(text, str) and text.startswith(PREFIX):
                priors[slot.name] = from_library(study, text, estimand, outcome, default)
            else:
                priors[slot.name] = _override(slot, text, default, support)
        except PriorError as error:
            faults.append(fault(study, name, key, str(error), None, f"Default: {default}."))
    if faults:
        raise InputError(*faults)
    return priors


def _override(slot: Slot, asked: str | dict[str, str], default: Prior, support: Support) -> Prior:
    """Parse one override, ``"normal(0, 1)"`` or ``{prior = "…", scale = "raw"}``."""
    entry = {"prior": asked} if isinstance(asked, str) else asked
    unknown = set(entry) - {"prior", "scale"}
    if unknown or "prior" not in entry:
        raise PriorError('A prior is "normal(0, 0.5)" or {prior = "normal(0, 0.5)", scale = "raw"}.')
    prior = parse(entry["prior"])
    scale = entry.get("scale", "standardised")
    if scale not in ("raw", "standardised"):
        raise PriorError(f'scale is "raw" or "standardised", not "{scale}".')
    if scale == "raw":
        if slot.factor == 0.0:
            raise PriorError(f"{slot.estimand} has no raw scale; leave out scale.")
        prior = prior.converted(slot.factor, slot.shift)
    check_support(prior, support)
    if default.kind == "lkj" and prior.kind != "lkj":
        raise PriorError(f"Correlations take an lkj prior, e.g. lkj(2), not {prior}.")
    return prior
