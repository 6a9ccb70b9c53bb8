"""The tables of a response surface: a1 to a5 with the principal axis, and the simpler shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..numbers import Numbers
from ..prose.language import language
from ..prose.names import short_name
from ..prose.paragraphs import model_title
from ..prose.study import rope_text
from ..prose.surface import PLACES, shape_name
from ..rich import escape
from .tables import build, heads_of, numbers_of, slug, told

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..results import ModelResults
    from ..tables import Align

QUANTITIES = ("a1", "a2", "a3", "a4", "a5", "b1", "b2", "b3", "b4", "b5")
LEFT_OUT = tuple(
    f"surface_{place}_{name}" for place in ("within", "between") for name in (*QUANTITIES[:5], "term", "axis")
)
"""Types of estimands that the surface's own table shows, or the story tells."""


def lines_table(n: Numbers, model: ModelResults) -> str:
    """List slope and curvature along both lines, and a5, per level, with verdicts."""
    talk = language(n.language)
    rows: list[Sequence[str]] = []
    groups: list[str] = []
    for place in PLACES:
        for name in QUANTITIES:
            estimand = f"surface.{place}.{name}"
            groups.append(talk.say(f"surface.group_{place}"))
            quantity = short_name(model, estimand, talk).rpartition(", ")[0]  # the group says the level
            rows.append([escape(quantity), *numbers_of(n, model, estimand)])
    note = talk.say("surface.table_note", rope=rope_text(n.results.study.rope["default"], talk))
    caption = talk.say("surface.table_caption", title=escape(model_title(model, talk)))
    return build(heads_of(n, talk.say("table.quantity")), rows, talk, label=f"tbl-{slug(model.name)}-lines",
                 caption=caption, note=told(note, n.results, talk), groups=groups)  # fmt: skip


def shapes_table(n: Numbers, model: ModelResults) -> str:
    """List the simpler shapes per level: difference from the best, stacking weight, verdict."""
    talk = language(n.language)
    versions = model.card.get("variants") or ()
    rows: list[Sequence[str]] = []
    for one in versions:
        gap = talk.number(float(one["difference"]), 1)
        if one["verdict"] != "best":
            gap += f" ({talk.number(float(one['difference_se']), 1)})"
        rows.append(
            [
                escape(shape_name(str(one["name"]), talk)),
                gap,
                talk.number(float(one["weight"]), 2),
                talk.number(float(one["k_bad"]), 0),
                talk.say(f"surface.verdict_{str(one['verdict']).replace(' ', '_')}"),
            ]
        )
    heads: list[tuple[str, Align]] = [
        (talk.say("surface.shape"), "left"), (talk.say("surface.elpd_difference"), "right"),
        (talk.say("surface.weight"), "right"), (talk.say("table.k_bad"), "right"), (talk.say("table.verdict"), "left"),
    ]  # fmt: skip
    groups = [talk.say(f"surface.group_{one['set']}") for one in versions]
    note = talk.say("surface.shapes_note")
    if any(not one["set"] for one in versions):
        groups = []
    return build(heads, rows, talk, label=f"tbl-{slug(model.name)}-shapes",
                 caption=talk.say("surface.shapes_caption", title=escape(model_title(model, talk))),
                 note=told(note, n.results, talk), groups=groups)  # fmt: skip
