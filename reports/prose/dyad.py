"""The story of a dyad: who acts on whom, now and in the next session, what the two have in common, truth and bias."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..numbers import Numbers
from ..rich import escape
from .language import Language, language
from .people import dyad_name, lagged
from .sentences import finding, verdict_word
from .verdicts import kind_of

if TYPE_CHECKING:
    from ..results import ModelResults

NEXT = ("partner.therapist->client", "partner.client->therapist", "partner", "actor.client", "actor.therapist", "actor")
COMMON = ("common.within", "common.client", "common.therapist")
TRUTH = ("bias.directional", "accuracy.within", "accuracy.client")
COURSE = ("trend.client", "trend.therapist", "trend")


def told_as_dyad(model: ModelResults) -> bool:
    """Whether a model's results are told as those of a dyad."""
    return model.kind == "dyad" and not model.estimates.empty


def story(n: Numbers, model: ModelResults) -> str:
    """Say what was found: effects, what is shared, truth and bias, the courses, and which simpler versions would do.

    Parameters
    ----------
    n
        The numbers of the report.
    model
        A dyad.
    """
    talk = language(n.language)
    names = dict.fromkeys(str(name) for name in model.estimates["estimand"])
    paragraphs = [("next" if lagged(model) else "now", [e for e in NEXT if e in names])]
    if "partner.same_session" in names:
        paragraphs.insert(0, ("same", ["partner.same_session"]))
    paragraphs.append(("usual", [f"{e}.between_client" for e in NEXT if f"{e}.between_client" in names]))
    paragraphs.append(("common", [e for e in COMMON if e in names]))
    paragraphs.append(("truth", [e for e in (*TRUTH, *COURSE) if e in names]))
    said = []
    for key, estimands in paragraphs:
        if not estimands:
            continue
        parts = [f"*{talk.say(f'dyad.lead_{key}')}*"]
        parts += [finding(n, f"{model.name}.{estimand}") for estimand in estimands]
        if key == "same":
            parts.append(course(n, model, "partner.same_session", talk))
        if key == "common":
            parts.append(talk.say("dyad.common_reading"))
        said.append(" ".join(part for part in parts if part))
    moved = moderators(n, model, talk)
    said[1:1] = [moved] if moved else []
    versions = versions_sentence(model, talk)
    return "\n\n".join([*said, *([versions] if versions else [])])


def course(n: Numbers, model: ModelResults, estimand: str, talk: Language) -> str:
    """Say what an effect is at the first and at the last session; nothing where it does not change."""
    names = set(model.estimates["estimand"])
    keys = {end: f"{model.name}.{estimand}[time={end}]" for end in ("first", "last")}
    if f"{estimand}[time=first]" not in names:
        return ""
    values = {f"{end}{what}": say for end, key in keys.items() for what, say in (("", n(key)), ("_ci", n.ci(key)))}
    word = verdict_word(n, f"{model.name}.{estimand}:time")
    return talk.say("dyad.course", **values, verdict=word)


def moderators(n: Numbers, model: ModelResults, talk: Language) -> str:
    """Say which effects depend on what is known of the two people, by verdict; time has a sentence of its own."""
    found: dict[str, list[str]] = {}
    for estimand in dict.fromkeys(str(name) for name in model.estimates["estimand"]):
        kind = kind_of(estimand)
        if kind.name == "dyad_moderation" and kind.parts["v"] != "time":
            word = verdict_word(n, f"{model.name}.{estimand}")
            found.setdefault(word, []).append(escape(dyad_name(model, kind, talk)))
    clear = [word for word in found if word in {talk.say(f"verdict_word.{w}") for w in ("supported", "leaning")}]
    if not found:
        return ""
    if not clear:
        return talk.say("dyad.moved_none")
    parts = talk.join([f"{', '.join(found[word])} (*{word}*)" for word in clear])
    return talk.say("dyad.moved", parts=parts)


# --- simpler versions ------------------------------------------------------------------------------


def versions_sentence(model: ModelResults, talk: Language) -> str:
    """Say whether partner effects, and telling the members apart, make prediction of new clients better."""
    rows = model.card.get("variants") or ()
    said = []
    for group in ("partner", "members"):
        own = [row for row in rows if row["set"] == group]
        if own:
            close = [version_name(str(row["name"]), talk) for row in own if row["verdict"] != "worse"]
            worse = [version_name(str(row["name"]), talk) for row in own if row["verdict"] == "worse"]
            key = f"dyad.versions_{group}{'' if worse else '_all'}"
            said.append(talk.say(key, close=talk.join(close), worse=talk.join(worse)))
    return " ".join([f"*{talk.say('dyad.lead_versions')}*", *said]) if said else ""


def version_name(name: str, talk: Language) -> str:
    """Name a version: ``members.indistinguishable`` → ``both alike``."""
    return talk.say(f"dyad.version_{name.replace('.', '_')}")
