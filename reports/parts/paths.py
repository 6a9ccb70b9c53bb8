"""The tables of a graph: its paths, what runs through others, and the two-step answer beside the joint one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..numbers import Numbers, interval_label
from ..prose.language import Language, language
from ..prose.names import short_name
from ..prose.paragraphs import model_title
from ..prose.paths import node_label, path_name
from ..prose.study import rope_text
from ..prose.verdicts import Kind, kind_of
from ..rich import escape
from .tables import Head, build, heads_of, mean_spread, numbers_of, slug, told, with_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..results import ModelResults

LEVELS = ("therapist", "client", "session")
PATHS = ("path", "path_moderation", "path_sd", "path_covariance")
THROUGH = ("indirect", "indirect_all", "total", "proportion")


def paths_table(n: Numbers, model: ModelResults) -> str:
    """List every path by level, and what of it differs between clients."""
    names = _of(model, PATHS)
    talk = language(n.language)
    return _table(
        n, model, names, "paths", {name: short_name(model, name, talk) for name in names},
        {name: talk.say(f"figure.paths_{_level(name)}") for name in names},
    )  # fmt: skip


def through_table(n: Numbers, model: ModelResults, *, every: bool = False) -> str:
    """List routes and totals that end in what the story of a level ends in, or every one; nothing is said twice.

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
        if (every or kind.parts["b"] in ends) and not repeated:
            kept.append(name)
    talk = language(n.language)
    names = {name: _row_name(model, kind, talk) for name, kind in kinds.items()}
    groups = {
        name: f"{talk.say(f'figure.paths_{kind.parts["level"]}')}: {path_name(model, _total(kind), talk)}"
        for name, kind in kinds.items()
    }
    return _table(n, model, kept, "through", names, groups, "through_every" if every else "through")


def _row_name(model: ModelResults, kind: Kind, talk: Language) -> str:
    """Name a row below its ends: what a route runs through, all of them, the total, the share."""
    if kind.name != "indirect":
        return talk.say(f"table.through_{kind.name}")
    nodes = [node_label(model, node, talk) for node in kind.parts["via"].split("->")]
    return talk.say("table.through_indirect", via=" → ".join(nodes))


def _total(kind: Kind) -> Kind:
    """Return the bare ends of a route as a path."""
    return Kind("path", False, False, {part: kind.parts[part] for part in ("level", "a", "b")})


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


def _table(
    n: Numbers, model: ModelResults, kept: list[str], what: str, names: Mapping[str, str], groups: Mapping[str, str],
    noted: str = "",
) -> str:  # fmt: skip
    """Write a table of estimates, each by its name under its group."""
    talk = language(n.language)
    rows = [[escape(names[name]), *numbers_of(n, model, name)] for name in kept]
    heads = heads_of(n, talk.say("table.path"))
    if what == "through":  # intervals of products have many digits; the verdict says what *pd* would
        heads, rows = [*heads[:3], *heads[4:]], [[*row[:3], *row[4:]] for row in rows]
    note = talk.say(
        f"table.{noted or what}_note",
        interval=talk.interval(n.results.study.interval),
        rope=rope_text(n.results.study.rope["default"], talk),
    )
    return build(
        heads, rows, talk, label=f"tbl-{slug(model.name)}-{what}",
        caption=talk.say(f"table.{what}_caption", title=escape(model_title(model, talk))),
        note=told(note, n.results, talk), groups=[groups[name] for name in kept],
    )  # fmt: skip
