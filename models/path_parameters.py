"""The parameters of a path model: names, symbols, meanings and priors (``path_parameters.toml``)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from itertools import product
from typing import TYPE_CHECKING, cast

from .model import Parameter
from .parameters import Slot, overrides
from .path_design import ZERO
from .priors import Prior, Support, parse

if TYPE_CHECKING:
    from ..data.study import Study
    from .arrows import Arrow
    from .path_design import PathDesign


@cache
def table() -> Mapping[str, Mapping[str, str]]:
    """Return ``path_parameters.toml``."""
    text = files(__package__).joinpath("path_parameters.toml").read_text(encoding="utf-8")
    return {name: {key: str(value) for key, value in entry.items()} for name, entry in tomllib.loads(text).items()}


@cache
def default_priors() -> Mapping[str, Prior]:
    """Return the default prior of every posterior variable (and of ``sd_client_slope`` and the like)."""
    return {name: parse(entry["prior"]) for name, entry in table().items()}


def dims_of(design: PathDesign) -> dict[str, tuple[str, ...]]:
    """Return the dims of every sampled variable that this design has (correlation matrices: of the matrix)."""
    several = {
        "slope": ("response", "term"),
        "cor_client": ("client_free", "client_free_other"),
        "cor_therapist": ("therapist_free", "therapist_free_other"),
    }
    found: dict[str, tuple[str, ...]] = {}
    for variable, entry in table().items():
        if "dim" not in entry or design.ties.get(variable) == ZERO:
            continue
        dims = several.get(variable, (entry["dim"],))
        least = 2 if variable in ("cor_client", "cor_therapist") else 1
        if all(len(design.coords.get(dim, ())) >= least for dim in dims):
            found[variable] = dims
    return found


def elements(design: PathDesign, variable: str, dims: tuple[str, ...]) -> list[str]:
    """Return the names of a variable's elements, row-major: ``path_session[safety->depth]``."""
    return [f"{variable}[{','.join(map(str, c))}]" for c in product(*(design.coords[dim] for dim in dims))]


def slots(design: PathDesign) -> tuple[Slot, ...]:
    """Return every place that holds a prior."""
    found: list[Slot] = []
    for variable, dims in dims_of(design).items():
        entry = table()[variable]
        if "{c}" not in entry["estimand"]:
            found.append(Slot(variable, None, entry["estimand"], entry["symbol"], entry["meaning"], 0.0))
            continue
        for element in map(str, design.coords[dims[0]]):
            if design.ties.get(f"{variable}[{element}]") == ZERO:
                continue
            words = {"c": element, **_labels(design, variable, element)}
            factor, shift = _raw(design, variable, element)
            estimand, symbol, meaning = (entry[key].format(**words) for key in ("estimand", "symbol", "meaning"))
            found.append(Slot(variable, element, estimand, symbol, meaning, factor, shift))
    return tuple(found)


def arrow_of(design: PathDesign, variable: str, element: str) -> Arrow | None:
    """Return the arrow that a path parameter belongs to."""
    arrows = {
        "path_session": design.session,
        "path_client": design.client_arrows,
        "path_therapist": design.therapist_arrows,
    }
    return next((arrow for arrow in arrows.get(variable, ()) if arrow.text == element), None)


def label(design: PathDesign, name: str) -> str:
    """Return the label of a response, outcome or covariate."""
    covariate = design.covariate(name)
    return covariate.label if covariate is not None else design.measure(name).label


def raw_size(design: PathDesign, arrow: Arrow) -> float:
    """Return raw units of the target per raw unit of the source, for an internal path of one."""
    target = design.measure(arrow.target)
    above = target.sd if target.family == "gaussian" else 1.0
    covariate = design.covariate(arrow.source)
    if covariate is not None:
        return above / covariate.factor.scale
    source = design.measure(arrow.source).sd
    return above / (source / design.t_scale if arrow.trend else source)


def _labels(design: PathDesign, variable: str, element: str) -> dict[str, str]:
    arrow = arrow_of(design, variable, element)
    if arrow is None:
        return {"x": "", "y": ""}
    source = label(design, arrow.source)
    return {"x": f"the rate of change of {source}" if arrow.trend else source, "y": label(design, arrow.target)}


def _raw(design: PathDesign, variable: str, element: str) -> tuple[float, float]:
    """Return factor and shift from raw to internal units; 0 where there is no raw scale."""
    arrow = arrow_of(design, variable, element)
    if arrow is not None:
        return 1.0 / raw_size(design, arrow), 0.0
    names = (*design.names, *design.outcome_names)
    if element in names:
        one = design.measure(element)
        if one.family == "gaussian" and variable in ("intercept", "sd_client", "sd_therapist", "sd_residual"):
            return 1.0 / one.sd, -one.mean / one.sd if variable == "intercept" else 0.0
    return 0.0, 0.0


def prior_of(design: PathDesign, slot: Slot) -> Prior:
    """Return the prior that a slot holds: an override, or the default of its kind."""
    own = design.priors.get(slot.name)
    if own is not None:
        return own
    if slot.variable == "sd_client" and slot.coordinate not in design.names:
        return design.priors["sd_client_slope"]
    if slot.variable == "initial_loading" and slot.coordinate is not None:
        name, _, other = slot.coordinate.partition("|")
        return design.priors["initial_loading_own" if name == other else "initial_loading"]
    return design.priors[slot.variable]


def element_priors(design: PathDesign) -> dict[str, Prior]:
    """Return the prior of every element by name; correlation matrices by variable."""
    by_slot = {slot.name: prior_of(design, slot) for slot in _element_slots(design)}
    found: dict[str, Prior] = {}
    for variable, dims in dims_of(design).items():
        if variable in ("cor_client", "cor_therapist"):
            found[variable] = by_slot[variable]
            continue
        for name in elements(design, variable, dims):
            first = name.split(",")[0].rstrip("]") + "]" if variable == "slope" else name
            found[name] = by_slot.get(first, by_slot.get(variable, design.priors[variable]))
    return found


def _element_slots(design: PathDesign) -> tuple[Slot, ...]:
    """Slots, with one for each initial loading: loadings on the own mean have a prior of their own."""
    own = (Slot("initial_loading", f"{a}|{b}", "", "", "", 0.0) for a, b in design.initial_means)
    return (*slots(design), *own)


def parameters(design: PathDesign) -> tuple[Parameter, ...]:
    """Return every parameter with its prior, as the report prints them."""
    return tuple(
        Parameter(slot.name, slot.estimand, slot.symbol, prior_of(design, slot), slot.meaning) for slot in slots(design)
    )


def override_priors(study: Study, design: PathDesign) -> dict[str, Prior]:
    """Return default priors with the study file's in place.

    Raises
    ------
    InputError
        As :func:`safezone.models.parameters.with_overrides`.
    """
    places = slots(design)
    support = {name: cast("Support", entry["support"]) for name, entry in table().items()}
    held = {slot.name: (prior_of(design, slot), support[slot.variable]) for slot in places}
    return {**design.priors, **overrides(study, design.name, design.options.priors, places, held)}
