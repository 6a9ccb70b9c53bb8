"""A model in words: built from what its design holds, so that nothing is named that is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .language import Language
from .verdicts import kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..results import ModelResults


def words(model: ModelResults, talk: Language) -> str:
    """Say what a model is; the card's own words for a kind that the language does not know."""
    if model.kind == "growth":
        nested = "therapists" if _intercepts(model, "therapist") else "clients"
        return talk.say("design.growth", nested=talk.say(f"design.nested_{nested}"), parts=_varying(model, talk),
                        groups=_groups(model, talk))  # fmt: skip
    if model.kind == "congruence":
        centring = str((model.card.get("options") or {}).get("centring") or "latent")
        return talk.say("surface.words", centring=talk.say(f"design.centring_{centring}"))
    if model.kind == "variance":
        return talk.say("design.variance", levels=_levels(talk, [*_where(model, "intercept")]))
    if model.kind == "within_between":
        parts = ["client", *(["therapist"] if _has(model, "between_therapist") else []), "session"]
        centring = str((model.card.get("options") or {}).get("centring") or "latent")
        said = talk.say("design.within_between", centring=talk.say(f"design.centring_{centring}"),
                        parts=talk.join([talk.say(f"design.usual_{part}") for part in parts]))  # fmt: skip
        return f"{said} {talk.say('design.interactions')}" if _has(model, "interaction") else said
    return str(talk.find(f"model.{model.kind}.words", "") or model.card.get("words") or "")


def question(model: ModelResults, talk: Language) -> str:
    """Return the question that a model answers."""
    if model.kind == "growth":
        who = [talk.say("design.who_groups")] if _has(model, "group_time") else []
        who += [talk.say(f"design.who_{level}") for level in ("therapist", "client") if _slopes(model, level)]
        tail = talk.say("design.growth_who", who=talk.join(who)) if who else ""
        return talk.say("design.growth_question", tail=tail)
    if model.kind == "variance":
        parts = [talk.say(f"design.to_{level}") for level in levels(model)]
        return talk.say("design.variance_question", parts=talk.join(parts))
    return str(talk.find(f"model.{model.kind}.question", "") or model.card.get("question") or "")


def levels(model: ModelResults) -> tuple[str, ...]:
    """Return the levels that a model has, the highest first."""
    return (*(["therapist"] if model.card.get("therapists") else []), "client", "session")


def spread(model: ModelResults, talk: Language) -> str:
    """Name the levels of a model as a list: ``clients and sessions``."""
    return _levels(talk, levels(model))


def has_covariates(model: ModelResults) -> bool:
    """Whether a model holds covariates constant when it describes a course."""
    return bool((model.card.get("options") or {}).get("covariates"))


def _levels(talk: Language, names: Sequence[str]) -> str:
    return talk.join([talk.say(f"design.who_{name}") for name in names])


def _names(model: ModelResults) -> set[str]:
    named = {str(parameter["estimand"]) for parameter in model.card.get("parameters") or ()}
    return named | {str(name) for name in model.estimates["estimand"]}


def _has(model: ModelResults, *kinds: str) -> bool:
    return any(kind_of(name).name in kinds for name in _names(model))


def _intercepts(model: ModelResults, level: str) -> bool:
    return f"sd.{level}.intercept" in _names(model)


def _slopes(model: ModelResults, level: str) -> bool:
    return any(name.startswith((f"sd.{level}.time", f"sd.{level}.log_time")) for name in _names(model))


def _where(model: ModelResults, what: str) -> tuple[str, ...]:
    found = _intercepts if what == "intercept" else _slopes
    return tuple(level for level in ("therapist", "client") if found(model, level))


def _varying(model: ModelResults, talk: Language) -> str:
    """Say which of starting points and rates of change differ between whom."""
    start, rate = _where(model, "intercept"), _where(model, "time")
    if start == rate:
        return talk.say("design.both_differ", whom=_levels(talk, start))
    said = [talk.say("design.start_differs", whom=_levels(talk, start))]
    said.append(talk.say("design.rate_differs", whom=_levels(talk, rate)) if rate else talk.say("design.rate_common"))
    return talk.join(said)


def _groups(model: ModelResults, talk: Language) -> str:
    if _has(model, "group_time"):
        return talk.say("design.groups_both")
    return talk.say("design.groups_level") if _has(model, "group") else ""
