"""What variables, units and effects are called: the words that a model's card and the codebook give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .language import Language

if TYPE_CHECKING:
    from ..results import ModelResults


def split_unit(unit: str, model: ModelResults) -> tuple[str, str]:
    """Split a unit such as ``points per unit of age and session`` into what is counted and per what.

    A *category* is no unit (the sentence names it); ``unit of age`` becomes the unit that the codebook gives, and the
    unit of time stays as it is, be it ``month`` or ``unit of COLUMN``.
    """
    first, _, rest = unit.partition(" per ")
    kept = []
    for part in rest.split(" and ") if rest else ():
        if part == "category":
            continue
        if part == model.card.get("time_unit"):
            kept.append(part)
            continue
        name = part.removeprefix("unit of ")
        kept.append((in_codebook(model, name, "unit") or "unit") if name != part else part)
    return first, " and ".join(kept)


def raters(model: ModelResults, kind: str) -> dict[str, str]:
    """Return the two ratings of a surface as ``x`` and ``m``, for estimands that speak of both; else nothing."""
    if not kind.startswith("surface_"):
        return {}
    first, second = (str(one["name"]) for one in model.card["predictors"])
    return {"x": first, "m": second}


def effect_name(effect: str, model: ModelResults, talk: Language) -> str:
    """Name a client or therapist effect in words."""
    if model.card.get("responses"):
        return talk.join([_of_graph(part, model, talk) for part in _two(effect, model)])
    known = talk.find("words").get(effect.replace("intercept_time", "time_intercept"))
    if known is not None:
        return str(known)
    base = effect.removeprefix("intercept_")
    name = talk.label(label_of(model, base))
    slope = talk.say("words.slope", x=name)
    return talk.join([talk.say("words.intercept"), slope]) if base != effect else slope


def _two(effect: str, model: ModelResults) -> tuple[str, ...]:
    """Split ``safety_safety:time`` into the two effects of a graph whose names may hold the same sign."""
    names = {str(one["name"]) for one in variables(model)}

    def known(text: str) -> bool:
        return "->" in text or text.removesuffix(":time") in names

    cuts = [i for i, sign in enumerate(effect) if sign == "_"]
    pairs = ((effect[:i], effect[i + 1 :]) for i in cuts)
    return (effect,) if known(effect) else next(((a, b) for a, b in pairs if known(a) and known(b)), (effect,))


def _of_graph(effect: str, model: ModelResults, talk: Language) -> str:
    """Name a usual level, a rate of change or a path that differs between units."""
    source, arrow, target = effect.partition("->")
    if arrow:
        return f"{_of_graph(source, model, talk)} → {_of_graph(target, model, talk)}"
    if effect.startswith("lag("):
        return talk.say("figure.paths_lag", x=talk.label(label_of(model, effect[4:-1])))
    name = talk.label(label_of(model, effect.removesuffix(":time")))
    return talk.say("figure.paths_trend", x=name) if effect.endswith(":time") else name


def category_name(model: ModelResults, category: str, talk: Language) -> str:
    """Return what a category is called; one that goes by the name of a variable is that variable (remission)."""
    known = talk.find(f"category.{category}", "")
    if known:
        return str(known)
    return label_of(model, category) if any(one["name"] == category for one in variables(model)) else category


def label_of(model: ModelResults, name: str) -> str:
    """Return a variable's label as the model's card gives it, or its name in words."""
    for entry in variables(model):
        if entry.get("name") == name:
            return str(entry.get("label") or name)
    listed = in_codebook(model, name, "label")
    return listed or name.replace("_", " ")


def in_codebook(model: ModelResults, name: str, column: str) -> str:
    """Return a cell of the codebook, or an empty text where there is none."""
    value = model.described.get(name, {}).get(column)
    return "" if value is None or value != value else str(value)  # noqa: PLR0124 - empty cells are NaN


def variables(model: ModelResults) -> tuple[Mapping[str, Any], ...]:
    """Return the outcome, the predictors and the covariates as the card describes them."""
    return (model.card["outcome"], *(model.card.get("predictors") or ()), *(model.card.get("covariates") or ()))


def unit_of(model: ModelResults, name: str, fallback: str) -> str:
    """Return a variable's unit, or a fallback where neither card nor codebook says it."""
    for entry in variables(model):
        if entry.get("name") == name and entry.get("unit"):
            return str(entry["unit"])
    return in_codebook(model, name, "unit") or fallback


def reference_of(model: ModelResults, name: str) -> str:
    """Return the reference category of a grouping variable, or an ellipsis where the card does not say."""
    for entry in variables(model):
        if entry.get("name") == name and entry.get("categories"):
            return str(entry["categories"][0])
    # The codebook lists categories with their numbers, reference first: "waitlist (48); active (48)".
    first = in_codebook(model, name, "categories").split(";")[0]
    return first.rpartition(" (")[0] or first or "…"
