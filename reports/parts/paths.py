"""The tables of a graph: its paths, what runs through others, and the two-step answer beside the joint one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..numbers import Numbers, interval_label
from ..prose.language import Language, language
from ..prose.names import short_name
from ..prose.paragraphs import model_title
from ..prose.study import rope_text
from ..prose.verdicts import Kind, kind_of
from ..rich import escape
from .tables import Head, build, heads_of, mean_spread, numbers_of, slug, told, with_interval

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..results import ModelResults

LEVELS = ("therapist", "client", "session")
PATHS = ("path", "path_moderation", "path_sd", "path_covariance")
THROUGH = ("indirect", "indirect_all", "total", "proportion")


def paths_table(n: Numbers, model: ModelResults) -> str:
    """List every path by level, and what of it differs between clients."""
    return _table(n, model, _of(model, PATHS), "paths")


def through_table(n: Numbers, model: ModelResults) -> str:
    """List routes and totals that end in what the story of a level ends in; nothing is said twice.

    One route alone is not repeated as all of them, and without a direct path the routes together are the total.
    """
    kinds = {name: kind_of(name) for name in _of(model, THROUGH)}
    ends = [str(one["name"]) for key in ("outcomes", "responses") for one in (model.card.get(key) or ())[-1:]]
    kept = []
    for name, kind in kinds.items():
        same = [one for one in kinds.values() if _ends(one) == _ends(kind)]
        routes, direct = sum(one.name == "indirect" for one in same), any(one.name == "proportion" for one in same)
        alone = routes == 1 and not direct
        repeated = {"indirect_all": routes == 1 or not direct, "total": alone}.get(kind.name, False)
        if kind.parts["b"] in ends and not repeated:
            kept.append(name)
    return _table(n, model, kept, "through")


def _ends(kind: Kind) -> tuple[str, str, str]:
    return kind.parts["level"], kind.parts["a"], kind.parts["b"]


def audit_table(n: Numbers, model: ModelResults) -> str:
    """Set the two-step answer beside the joint one, path by path."""
    talk = language(n.language)
    audit = model.card.get("audit") or {}
    rows = [
        [
            escape(short_name(model, str(row["estimand"]), talk)),
            with_interval(model.estimate(str(row["estimand"]), "raw"), n.language, n.results.study.interval),
            mean_spread(
                row["two_step"], row["two_step_se"], talk, like=model.estimate(str(row["estimand"]), "raw")["sd"]
            ),
        ]
        for row in audit.get("rows") or ()
    ]
    label = interval_label(n.results.study.interval, n.language)
    heads: list[Head] = [
        (talk.say("table.path"), "left"),
        (f"{talk.say('table.one_step')} \\[{label}\\]", "right"),
        (talk.say("table.two_step"), "right"),
    ]
    caption = talk.say("table.audit_caption", title=escape(model_title(model, talk)))
    note = told(talk.say("table.audit_note"), n.results, talk)
    return build(heads, rows, talk, label=f"tbl-{slug(model.name)}-audit", caption=caption, note=note)


def _of(model: ModelResults, kinds: Iterable[str]) -> list[str]:
    """Return the estimands of some types, level by level."""
    names = [str(name) for name in dict.fromkeys(model.estimates["estimand"]) if kind_of(str(name)).name in kinds]
    return sorted(names, key=lambda name: LEVELS.index(_level(name)))


def _level(estimand: str) -> str:
    return kind_of(estimand).parts.get("level", "session")


def _table(n: Numbers, model: ModelResults, names: list[str], what: str) -> str:
    talk: Language = language(n.language)
    rows = [[escape(short_name(model, name, talk)), *numbers_of(n, model, name)] for name in names]
    note = talk.say(
        f"table.{what}_note",
        interval=talk.interval(n.results.study.interval),
        rope=rope_text(n.results.study.rope["default"], talk),
    )
    return build(
        heads_of(n, talk.say("table.path")), rows, talk, label=f"tbl-{slug(model.name)}-{what}",
        caption=talk.say(f"table.{what}_caption", title=escape(model_title(model, talk))),
        note=told(note, n.results, talk), groups=[talk.say(f"figure.paths_{_level(name)}") for name in names],
    )  # fmt: skip
