"""The two people of a dyad in words: whose rating acts on whose, in which session, and what an estimand is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..rich import escape
from .labels import label_of, unit_of
from .language import Language
from .verdicts import Kind

if TYPE_CHECKING:
    from ..results import ModelResults


def people(model: ModelResults, kind: Kind) -> tuple[str, str]:
    """Return the variables acted on and acting (or the client's and the therapist's) that a name speaks of."""
    options: Mapping[str, Any] = model.card["options"]
    outcomes = (str(options["outcome"]), str(options.get("partner") or options["predictors"][0]))
    sources = tuple(map(str, options["predictors"])) if options.get("partner") else outcomes
    part = kind.parts.get("p", "")
    what = _what(kind)
    target = 1 if part in {"therapist", "client->therapist"} else 0
    if what in {"common", "accuracy", "bias", "same"}:
        return outcomes
    if what == "trend":
        return outcomes[target], outcomes[target]
    return outcomes[target], sources[target if what == "actor" else 1 - target]


def values(model: ModelResults, kind: Kind, talk: Language) -> dict[str, str]:
    """Return what sentences about a dyad say of the two ratings."""
    target, source = people(model, kind)
    per = unit_of(model, source if kind.name != "dyad_accuracy" else target, "unit")
    found = {
        "target": talk.label(label_of(model, target)),
        "source": talk.label(label_of(model, source)),
        "one": talk.unit(per, 0),
        "where": talk.say(f"dyad.where_{_place(model, kind)}"),
        "from": talk.say(f"dyad.from_{_place(model, kind)}"),
        "at": _tail(model, kind, talk),
        "factor": talk.say(f"dyad.factor_{kind.parts['k']}") if "k" in kind.parts else "",
    }
    return {name: escape(text) for name, text in found.items()}


def pattern(model: ModelResults, kind: Kind) -> str:
    """Return the sentence for a type of estimand: on the next session or in the same, of members who differ or not."""
    if kind.name not in {"dyad_actor", "dyad_partner", "dyad_same"}:
        return kind.name
    if kind.name != "dyad_same" and "p" not in kind.parts:
        return f"{kind.name}_alike_{'next' if lagged(model) else 'now'}"
    if kind.name == "dyad_same" or lagged(model):
        return kind.name
    return f"{kind.name}_now"


def _place(model: ModelResults, kind: Kind) -> str:
    """Return where something is shared or known: within, client, therapist, or dyads seen once."""
    where = kind.parts.get("where", "within")
    return "single" if where == "within" and "common.client" not in set(model.estimates["estimand"]) else where


def lagged(model: ModelResults) -> bool:
    """Whether effects run to the next session."""
    return int((model.card.get("options") or {}).get("lag") or 0) == 1


def dyad_name(model: ModelResults, kind: Kind, talk: Language) -> str:
    """Name an estimand in a few words: ``Felt safety (therapist) → Felt safety (client), next session × time``."""
    base, tail = effect_and_tail(model, kind, talk)
    return f"{base}{'' if tail.startswith('×') or not tail else ','} {tail}".strip()


def effect_and_tail(model: ModelResults, kind: Kind, talk: Language) -> tuple[str, str]:
    """Return the effect that an estimand belongs to, and what is said of it: ``× time``, ``first session``."""
    what = _what(kind)
    alike = what in {"actor", "partner"} and "p" not in kind.parts
    target, source = (label_of(model, name) for name in people(model, kind))
    base = talk.say(
        f"dyad.name_{what}" if alike else f"name.{kind.name}",
        x=target,
        m=source,
        when=talk.say("dyad.when_next") if what != "same" and lagged(model) else "",
        where=talk.say(f"dyad.level_{_place(model, kind)}"),
        k=talk.say(f"dyad.factor_{kind.parts['k']}") if "k" in kind.parts else "",
    )
    return base, talk.say("dyad.level_client") if kind.name == "dyad_between" else _tail(model, kind, talk)


def _tail(model: ModelResults, kind: Kind, talk: Language) -> str:
    """Return what an effect depends on, or where it is looked at; nothing for the effect itself."""
    if "v" not in kind.parts:
        return ""
    moderator, _, at = kind.parts["v"].partition("=")
    said = talk.say("dyad.time") if moderator == "time" else label_of(model, moderator)
    if not at:
        return f"× {said}"
    known = talk.find(f"dyad.at_{at.replace('+', 'plus').replace('-', 'minus')}", "") or at
    return str(known) if moderator == "time" else f"{said} {known}"


def _what(kind: Kind) -> str:
    """Return the stem of a type, such as ``same``, ``actor`` or ``common``."""
    return kind.parts.get("what", kind.name.removeprefix("dyad_").partition("_")[0])
