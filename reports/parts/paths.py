"""The tables of a graph: its paths, what runs through others, and the two-step answer beside the joint one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..numbers import Numbers, interval_label
from ..prose.language import Language, language
from ..prose.names import short_name
from ..prose.paragraphs import model_title
from ..prose.study import rope_text
from ..prose.verdicts import kind_of
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
    """List indirect and total associations by level; one route alone is not repeated as *all* routes."""
    names = _of(model, THROUGH)
    kinds = [(name, kind_of(name)) for name in names]
    routes: dict[tuple[str, ...], int] = {}
    for _, kind in kinds:
        if kind.name == "indirect":
            ends = tuple(kind.parts[part] for part in ("level", "a", "b"))
            routes[ends] = routes.get(ends, 0) + 1
    kept = [
        name
        for name, kind in kinds
        if kind.name != "indirect_all" or routes.get(tuple(kind.parts[part] for part in ("level", "a", "b")), 0) != 1
    ]
    return _table(n, model, kept, "through")


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
