"""The tables of a dyad: effects of one person on the other, what they share, and simpler versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..numbers import Numbers
from ..prose.dyad import version_name
from ..prose.language import language
from ..prose.names import short_name
from ..prose.paragraphs import model_title
from ..prose.people import effect_and_tail
from ..prose.study import rope_text
from ..prose.verdicts import kind_of
from ..rich import escape
from .tables import build, heads_of, numbers_of, slug, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..results import ModelResults
    from ..tables import Align

EFFECTS = ("dyad_same", "dyad_partner", "dyad_actor", "dyad_between", "dyad_moderation", "dyad_at")
SHARED = ("dyad_common", "dyad_common_factor", "dyad_accuracy", "dyad_bias", "dyad_trend")
GROUPS = {
    "dyad_common": "common", "dyad_common_factor": "common", "dyad_accuracy": "truth", "dyad_bias": "truth",
    "dyad_trend": "trend",
}  # fmt: skip
LEFT_OUT = (*EFFECTS, *SHARED)
"""Types of estimands that have a table of their own."""


def effects_table(n: Numbers, model: ModelResults) -> str:
    """List actor and partner effects within (and between) clients, what changes them, and how large they are then."""
    return _table(n, model, EFFECTS, "effects")


def shared_table(n: Numbers, model: ModelResults) -> str:
    """List what the two ratings have in common, bias, accuracy and courses."""
    return _table(n, model, SHARED, "shared")


def _table(n: Numbers, model: ModelResults, kinds: Sequence[str], what: str) -> str:
    talk = language(n.language)
    named = [(kind_of(name).name, name) for name in map(str, dict.fromkeys(model.estimates["estimand"]))]
    kept = [one for one in named if one[0] in kinds]
    if kinds is EFFECTS:  # all that is said of one effect stands together
        parts = [effect_and_tail(model, kind_of(name), talk) for _, name in kept]
        order = {base: i for i, base in reversed(list(enumerate(base for base, _ in parts)))}
        places = sorted(range(len(kept)), key=lambda i: order[parts[i][0]])
        cells = [(parts[i][0], parts[i][1] or talk.say("dyad.row_average"), kept[i][1]) for i in places]
    else:
        kept = sorted(kept, key=lambda one: kinds.index(one[0]))
        cells = [(talk.say(f"dyad.group_{GROUPS[kind]}"), short_name(model, name, talk), name) for kind, name in kept]
    rows = [[escape(said), *numbers_of(n, model, name)] for _, said, name in cells]
    groups = [group for group, _, _ in cells]
    note = talk.say(f"dyad.note_{what}", interval=talk.interval(n.results.study.interval),
                    rope=rope_text(n.results.study.rope["default"], talk))  # fmt: skip
    caption = talk.say(f"dyad.caption_{what}", title=escape(model_title(model, talk)))
    return build(heads_of(n, talk.say("table.quantity")), rows, talk, label=f"tbl-{slug(model.name)}-{what}",
                 caption=caption, note=told(note, n.results, talk), groups=groups)  # fmt: skip


def versions_table(n: Numbers, model: ModelResults) -> str:
    """List simpler versions: difference from the best, stacking weight, verdict."""
    talk = language(n.language)
    versions = model.card.get("variants") or ()
    rows: list[Sequence[str]] = []
    for one in versions:
        gap = talk.number(float(one["difference"]), 1)
        if one["verdict"] != "best":
            gap += f" ({talk.number(float(one['difference_se']), 1)})"
        verdict = talk.say(f"surface.verdict_{str(one['verdict']).replace(' ', '_')}")
        cells = [gap, talk.number(float(one["weight"]), 2), talk.number(float(one["k_bad"]), 0), verdict]
        rows.append([escape(version_name(str(one["name"]), talk)), *cells])
    heads: list[tuple[str, Align]] = [
        (talk.say("dyad.version"), "left"), (talk.say("surface.elpd_difference"), "right"),
        (talk.say("surface.weight"), "right"), (talk.say("table.k_bad"), "right"), (talk.say("table.verdict"), "left"),
    ]  # fmt: skip
    groups = [talk.say(f"dyad.set_{one['set']}") for one in versions]
    return build(heads, rows, talk, label=f"tbl-{slug(model.name)}-versions",
                 caption=talk.say("dyad.caption_versions", title=escape(model_title(model, talk))),
                 note=told(talk.say("dyad.note_versions"), n.results, talk), groups=groups)  # fmt: skip
