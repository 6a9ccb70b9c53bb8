"""The tables that only a supplement has: priors with their sources, sampling by parameter, every check, hashes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...models.library import PREFIX
from ..figures import check_name
from ..prose import supplement as words
from ..prose.names import interpreted, placed_name, short_name
from ..prose.paragraphs import model_title
from ..prose.paths import has_graph
from ..prose.verdicts import kind_of
from ..rich import escape
from .tables import Head, build, mean_spread, slug, told

if TYPE_CHECKING:
    from ..prose.language import Language
    from ..results import ModelResults, Results

ZERO_WIDTH = "\N{ZERO WIDTH SPACE}"
ADDRESS = 16
"""Signs of a hash that are shown."""
PRINCIPLES = "principles.csv"


def priors_table(results: Results, model: ModelResults, talk: Language) -> str:
    """List every prior of a model: law, range on the model's scale and in raw units, source."""
    rows: list[list[str]] = []
    groups: list[str] = []
    parameters = list(model.card.get("parameters") or ())
    symbols = not has_graph(model)  # those of a graph repeat the names of its nodes
    for one in sorted(parameters, key=lambda parameter: not _named(parameter)):
        named = _named(one)
        name = escape(placed_name(model, str(one["estimand"]), talk)) if named else code(str(one["name"]))
        rows.append(
            [
                f"{name} (${one['symbol']}$)" if named and symbols and one.get("symbol") else name,
                escape(str(one["prior"])),
                _span(one.get("prior_lower"), one.get("prior_upper"), talk),
                _span(one.get("raw_lower"), one.get("raw_upper"), talk),
                _source(str(one.get("source", "default")), talk),
            ]
        )
        groups.append(_say("table.interpreted" if named else "table.rest", talk))
    heads: list[Head] = [
        (_say(f"table.{key}", talk), "right" if key in {"internal", "raw"} else "left")
        for key in ("parameter", "prior", "internal", "raw", "source")
    ]
    note = _say("table.priors_note", talk, name=model.name)
    return build(heads, rows, talk, label=f"tbl-{slug(model.name)}-priors", caption=_caption("priors", model, talk),
                 note=note, groups=groups if len(set(groups)) > 1 else ())  # fmt: skip


def _named(parameter: Mapping[str, Any]) -> bool:
    """Whether a parameter has a name for people."""
    return interpreted(parameter) and kind_of(str(parameter["estimand"])).name != "other"


def _source(source: str, talk: Language) -> str:
    if source.startswith(PREFIX):
        return _say("table.source_library", talk, name=escape(source.removeprefix(PREFIX).strip()))
    return _say("table.source_file" if source == "study file" else "table.source_default", talk)


def quality_table(results: Results, model: ModelResults, talk: Language, *, weighted: bool) -> str:
    """List how well every parameter was explored.

    Parameters
    ----------
    results, model, talk
        The folder, the model, the language.
    weighted
        Whether the draws come from importance weights, of which R-hat says nothing.
    """
    keys = ("ess_bulk",) if weighted else ("ess_bulk", "ess_tail")
    rows = []
    for one in model.card.get("quality") or ():
        decimals = _decimals(one.get("sd"))
        rows.append(
            [
                code(str(one["name"])),
                f"{_number(one.get('mean'), decimals, talk)} ({_number(one.get('sd'), decimals, talk)})",
                _number(one.get("mcse"), min(5, decimals + 2), talk),
                *([] if weighted else [_number(one.get("rhat"), 3, talk)]),
                *(_number(one.get(key), 0, talk) for key in keys),
            ]
        )
    diagnostics = ["ess"] if weighted else ["rhat", "bulk", "tail"]
    heads: list[Head] = [(_say("table.parameter", talk), "left"), ("*M* (*SD*)", "right")]
    heads += [
        (talk.say("table.rhat") if key == "rhat" else _say(f"table.{key}", talk), "right")
        for key in ("mcse", *diagnostics)
    ]
    note = _say(f"table.quality_note{'_importance' if weighted else ''}", talk, name=model.name)
    return build(heads, rows, talk, label=f"tbl-{slug(model.name)}-quality",
                 caption=_caption("quality", model, talk), note=told(note, results, talk))  # fmt: skip


def checks_table(results: Results, model: ModelResults, talk: Language) -> str:
    """List every posterior predictive check."""
    rows, groups = [], []
    for one in model.card.get("ppc") or ():
        decimals = _decimals((float(one["upper"]) - float(one["lower"])) / 4)
        level = "sessions" if one.get("level") == "session" else str(one.get("level"))
        rows.append(
            [
                escape(check_name(model, one, talk)),
                _number(one["observed"], decimals, talk),
                f"{_number(one['mean'], decimals, talk)} {_span(one['lower'], one['upper'], talk, decimals)}".replace(
                    " ", "\N{NO-BREAK SPACE}"
                ),
                _number(one.get("p"), 2, talk),
            ]
        )
        groups.append(talk.say(f"figure.{level}"))
    order = {name: i for i, name in enumerate(dict.fromkeys(groups))}
    places = sorted(range(len(rows)), key=lambda i: order[groups[i]])
    heads: list[Head] = [
        (_say("table.feature", talk), "left"),
        *((_say(f"table.{key}", talk), "right") for key in ("observed", "predicted", "p")),
    ]
    return build(
        heads, [rows[i] for i in places], talk, label=f"tbl-{slug(model.name)}-checks",
        caption=_caption("checks", model, talk), note=told(_say("table.checks_note", talk), results, talk),
        groups=[groups[i] for i in places],
    )  # fmt: skip


def crosscheck_table(results: Results, model: ModelResults, talk: Language) -> str:
    """Set a model's posterior means beside the answers of another method."""
    rows = [
        [
            escape(short_name(model, str(row["estimand"]), talk)),
            mean_spread(row.get("bayes_mean"), row.get("bayes_sd"), talk),
            mean_spread(row.get("other"), row.get("other_se"), talk, like=row.get("bayes_sd")),
        ]
        for row in (model.card.get("crosscheck") or {}).get("rows") or ()
    ]
    heads: list[Head] = [(talk.say("table.quantity"), "left")]
    heads += [(talk.say(f"table.{key}"), "right") for key in ("posterior", "likelihood")]
    return build(heads, rows, talk, label=f"tbl-{slug(model.name)}-ml", caption=_caption("ml", model, talk),
                 note=told(talk.say("table.crosscheck_note"), results, talk))  # fmt: skip


def loo_table(results: Results, model: ModelResults, talk: Language) -> str:
    """List how well a model predicts what it has not seen."""
    rows = [
        [
            talk.find(f"table.loo_{score.get('target')}", "") or talk.say("table.loo_session"),
            mean_spread(score["elpd"], score.get("se"), talk, 1),
            _number(score.get("p"), 1, talk),
            _number(score.get("k_max"), 2, talk),
            _number(score.get("k_bad"), 0, talk),
        ]
        for score in model.card.get("loo") or ()
        if _known(score.get("elpd"))
    ]
    heads: list[Head] = [(talk.say("table.target"), "left")]
    heads += [(talk.say(f"table.{key}"), "right") for key in ("elpd", "p_loo", "k", "k_bad")]
    return build(heads, rows, talk, label=f"tbl-{slug(model.name)}-loo", caption=_caption("loo", model, talk),
                 note=told(talk.say("table.loo_note"), results, talk))  # fmt: skip


def scaling_table(results: Results, model: ModelResults, talk: Language) -> str:
    """List how far answers to the theory's rows move with prior and likelihood; nothing where none was asked."""
    import pandas as pd

    path = results.folder / PRINCIPLES
    if not path.is_file():
        return ""
    table = pd.read_csv(path)
    if not {"model", "prior_sensitivity", "likelihood_sensitivity"} <= set(table.columns):
        return ""
    own = table.loc[(table["model"] == model.name) & table["prior_sensitivity"].notna()]
    rows = [
        [
            escape(str(row["id"])),
            escape(placed_name(model, str(row["estimand"]), talk)),
            _number(row["prior_sensitivity"], 2, talk),
            _number(row["likelihood_sensitivity"], 2, talk),
        ]
        for row in own.to_dict("records")
    ]
    heads: list[Head] = [
        (_say("table.row", talk), "left"), (talk.say("table.quantity"), "left"),
        (_say("table.component_prior", talk), "right"), (_say("table.component_likelihood", talk), "right"),
    ]  # fmt: skip
    return build(heads, rows, talk, label=f"tbl-{slug(model.name)}-scaling",
                 caption=_caption("scaling", model, talk))  # fmt: skip


def files_table(results: Results, talk: Language) -> str:
    """List the data files with their hashes."""
    data = results.manifest.get("data")
    known = data.get("files", {}) if isinstance(data, Mapping) else {}
    rows = [[code(str(name)), _hash(str(digest))] for name, digest in known.items()]
    return _plain(rows, ("file", "hash"), "files", talk)


def seeds_table(results: Results, talk: Language) -> str:
    """List seed, sampler and address of every model's draws."""
    found = results.manifest.get("models")
    models = found if isinstance(found, Mapping) else {}
    rows = [
        [
            code(str(name)),
            str(one.get("seed", "–")),
            escape(str(one.get("sampler", "–"))),
            _hash(str(one.get("key", "–"))),
        ]
        for name, one in models.items()
        if isinstance(one, Mapping)
    ]
    return _plain(rows, ("model", "seed", "sampler", "key"), "seeds", talk)


def _plain(rows: Sequence[Sequence[str]], keys: Sequence[str], what: str, talk: Language) -> str:
    heads: list[Head] = [(_say(f"table.{key}", talk), "left") for key in keys]
    return build(heads, rows, talk, label=f"tbl-{what}", caption=_say(f"table.{what}_caption", talk))


def code(name: str) -> str:
    r"""Write a name of the results folder sign by sign, so that long ones may break in narrow columns.

    Examples
    --------
    >>> code("sd_client[time]").replace(ZERO_WIDTH, "·")
    'sd·\\_client·\\[time\\]'
    """
    return escape(re.sub(r"(?<=\w)(?=[_\[])|(?<=[>,])", ZERO_WIDTH, name))


def _hash(digest: str) -> str:
    return escape(digest[:ADDRESS] + ("…" if len(digest) > ADDRESS else ""))


def _caption(what: str, model: ModelResults, talk: Language) -> str:
    return _say(f"table.{what}_caption", talk, title=escape(model_title(model, talk)))


def _say(key: str, talk: Language, **values: str) -> str:
    return words.say(key, talk.code, **values)


def _known(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _number(value: Any, decimals: int, talk: Language) -> str:
    return talk.number(float(value), decimals) if _known(value) else ""


def _decimals(spread: Any) -> int:
    """Digits that show a tenth of a spread."""
    if not _known(spread) or float(spread) <= 0:
        return 2
    return max(0, min(4, 1 - math.floor(math.log10(float(spread)))))


def _span(low: Any, high: Any, talk: Language, decimals: int = 2) -> str:
    if not (_known(low) and _known(high)):
        return ""
    separator = ";\N{NO-BREAK SPACE}" if talk.code == "de" else ",\N{NO-BREAK SPACE}"
    return f"\\[{separator.join(talk.number(float(end), decimals) for end in (low, high))}\\]"
