"""The story of a response surface: what agreement and disagreement of two raters went with, level by level."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..digits import write_probability
from ..numbers import Numbers
from ..rich import escape
from .labels import label_of
from .language import Language, language
from .sentences import finding

if TYPE_CHECKING:
    from ..results import ModelResults

PLACES = ("within", "between_client")
TOLD = ("a1", "a2", "a3", "a4")
"""What is said of each level, in this order; the table has the rest."""
PATTERNS = ("broad", "strict")


def told_as_surface(model: ModelResults) -> bool:
    """Whether a model's results are told as a surface."""
    return bool(model.card.get("surface"))


def story(n: Numbers, model: ModelResults) -> str:
    """Say what was found, a paragraph per level, then which simpler shapes would do.

    Parameters
    ----------
    n
        The numbers of the report.
    model
        A congruence model.
    """
    talk = language(n.language)
    said = [_lead(model, talk)]
    for place in PLACES:
        found: Mapping[str, Any] = model.card["surface"][place]
        parts = [talk.say(f"surface.opening_{place}")]
        parts += [finding(n, f"{model.name}.surface.{place}.{name}") for name in TOLD]
        parts += [_pattern(found["pattern"], talk), _axis(found["axis"], talk)]
        said.append(" ".join(parts))
    shapes = shapes_sentence(model, talk)
    return "\n\n".join([*said, *([shapes] if shapes else [])])


def _lead(model: ModelResults, talk: Language) -> str:
    """Say how to read the two lines."""
    first, second = (escape(talk.label(label_of(model, str(p["name"])))) for p in model.card["predictors"])
    return talk.say("surface.lead", x=first, z=second)


def _pattern(found: Mapping[str, float], talk: Language) -> str:
    """Give the probability that the surface is one of agreement, in the sense of the checklist."""
    return talk.say("surface.pattern", **{name: _probability(float(found[name]), talk) for name in PATTERNS})


def _probability(value: float, talk: Language) -> str:
    text = write_probability(value, talk.code)
    return text if text[:1] in "<>" else f"= {text}"


def _axis(found: Mapping[str, Any], talk: Language) -> str:
    """Say where the first principal axis lies and in how many draws there is one."""
    counts = {"defined": talk.number(float(found["defined"]), 0), "draws": talk.number(float(found["draws"]), 0)}
    if not found.get("line"):
        return talk.say("surface.no_axis", **counts)
    values = {
        f"{name}_{key}": talk.number(float(found[name][key]), 2)
        for name in ("slope", "intercept")
        for key in ("median", "lower", "upper")
    }
    return talk.say("surface.axis", **counts, **values)


def shapes_sentence(model: ModelResults, talk: Language) -> str:
    """Say which simpler shapes predict clients left out as well as the full surface, per level; nothing without."""
    rows = model.card.get("variants") or ()
    said = []
    for place in PLACES:
        own = [row for row in rows if row["set"] == place]
        if not own:
            continue
        close = [shape_name(str(row["name"]), talk) for row in own if row["verdict"] != "worse"]
        worse = [shape_name(str(row["name"]), talk) for row in own if row["verdict"] == "worse"]
        key = "shapes" if worse else "shapes_all"
        said.append(talk.say(f"surface.{key}", where=talk.say(f"surface.where_{place}"), close=talk.join(close),
                             worse=talk.join(worse)))  # fmt: skip
    return " ".join([talk.say("surface.shapes_lead"), *said]) if said else ""


def shape_name(name: str, talk: Language) -> str:
    """Name a version: ``within.rising_ridge`` → ``rising ridge``."""
    short = name.rpartition(".")[2]
    return str(talk.find(f"surface.shape_{short}", "") or short.replace("_", " "))
