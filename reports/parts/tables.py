"""The tables of a report."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from ..digits import write_probability
from ..numbers import Numbers, interval_label, interval_text, number_text
from ..prose.design import spread
from ..prose.labels import label_of, split_unit
from ..prose.language import Language, language
from ..prose.names import interpreted, parameter_kind, short_name
from ..prose.paragraphs import model_title
from ..prose.paths import has_graph
from ..prose.sentences import PERCENT, verdict_word
from ..prose.study import rope_text
from ..prose.verdicts import kind_of
from ..rich import escape
from ..tables import Align, Column, Table

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    import pandas as pd

    from ..results import ModelResults, Results

Head = tuple[str, Align]


def slug(name: str) -> str:
    """Turn a model's name into the tail of a label.

    Examples
    --------
    >>> slug("Safety & depth")
    'safety-depth'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "model"


def build(
    heads: Sequence[Head], rows: Sequence[Sequence[str]], talk: Language, *, label: str, caption: str, note: str = "",
    groups: Sequence[str] = (),
) -> str:  # fmt: skip
    """Write a table as Markdown that every renderer turns into a native one.

    Parameters
    ----------
    heads
        Rich header and alignment of each column.
    rows
        Rich cells. A column that is empty in every row is left out.
    talk
        Language.
    label, caption, note
        Cross-reference label, title and note.
    groups
        Heading of the group that each row belongs to; none by default.

    Returns
    -------
    str
        Markdown, or an empty text where there are no rows.
    """
    import pandas as pd

    if not rows:
        return ""
    kept = [i for i in range(len(heads)) if i == 0 or any(row[i].strip() for row in rows)]
    frame = pd.DataFrame({str(i): [row[i] for row in rows] for i in kept}, dtype=object)
    if groups:
        frame["group"] = list(groups)
    table = Table(
        frame,
        tuple(Column(str(i), heads[i][0], heads[i][1], rich=True) for i in kept),
        caption=caption,
        notes=note,
        groups="group" if groups else None,
        language=talk.code,
        label=label,
    )
    return f"\n\n{table.to_markdown()}\n\n"


def told(note: str, results: Results, talk: Language) -> str:
    """Add to a note that the data are simulated, where they are: a table travels without its report."""
    return f"{note}{talk.say('figure.simulated')}".strip() if results.study.simulated else note


def codebook_table(results: Results, talk: Language) -> str:
    """List what was measured on a scale: distribution, variance by level, reliability."""
    book = results.codebook
    if book.empty:
        return ""
    rows = []
    for _, row in book.iterrows():
        if _filled(row.get("categories")):
            continue
        rows.append(
            [
                escape(str(row["label"])),
                talk.say(f"level.{row['level']}") if _filled(row.get("level")) else "",
                _number(row.get("n"), 0, talk),
                _percent(row.get("missing"), talk),
                _number(row.get("mean"), 2, talk),
                _number(row.get("sd_between"), 2, talk),
                _number(row.get("sd_within"), 2, talk),
                _number(row.get("icc"), 2, talk, probability=True),
                _pair(row.get("omega_within"), row.get("omega_between"), talk),
                _number(row.get("reliability_of_mean"), 2, talk, probability=True),
            ]
        )
    heads = ("variable", "level", "n", "missing", "mean", "sd_between", "sd_within", "icc", "omega", "reliability_mean")
    columns: list[Head] = [(talk.say(f"table.{head}"), "left" if i < 2 else "right") for i, head in enumerate(heads)]
    return build(columns, rows, talk, label="tbl-codebook", caption=talk.say("table.codebook_caption"),
                 note=told(talk.say("table.codebook_note"), results, talk))  # fmt: skip


def groups_text(results: Results, talk: Language) -> str:
    """List categorical variables with the numbers of clients in each category, as a sentence."""
    book = results.codebook
    if book.empty or "categories" not in book:
        return ""
    groups = [
        f"{escape(str(row['label']))}: {talk.join([escape(part) for part in str(row['categories']).split('; ')])}"
        for _, row in book.iterrows()
        if _filled(row.get("categories"))
    ]
    return talk.say("text.groups", groups="; ".join(groups)) if groups else ""


def priors_table(results: Results, talk: Language) -> str:
    """List the interpreted parameters of each model by their prior, with the range that it allows."""
    rows, groups, left_out = [], [], 0
    for model in results.each():
        sharing: dict[tuple[str, str], list[str]] = {}
        for parameter in model.card.get("parameters") or ():
            if not interpreted(parameter):
                left_out += 1
                continue
            prior = str(parameter["prior"]), _span(parameter.get("prior_lower"), parameter.get("prior_upper"), talk)
            name = parameter_kind(model, parameter, talk) or (
                f"{escape(_parameter_name(model, parameter, talk))} (${parameter['symbol']}$)"
            )
            names = sharing.setdefault(prior, [])
            names += [] if name in names else [name]
        groups += [model_title(model, talk)] * len(sharing)
        rows += [["; ".join(names), escape(text), span] for (text, span), names in sharing.items()]
    columns: list[Head] = [
        (talk.say("table.parameters"), "left"), (talk.say("table.prior"), "left"),
        (talk.say("table.prior_range"), "right"),
    ]  # fmt: skip
    patterns = talk.find("table.few_parameters")
    text = (
        talk.say("table.priors_note", n=patterns[0 if left_out == 1 else 1].format(n=left_out))
        if left_out
        else talk.say("table.priors_note_all")
    )
    return build(
        columns, rows, talk, label="tbl-priors", caption=talk.say("table.priors_caption"), note=text, groups=groups
    )


def _parameter_name(model: ModelResults, parameter: Any, talk: Language) -> str:
    estimand = str(parameter["estimand"])
    if kind_of(estimand).name != "other":
        return short_name(model, estimand, talk)
    return talk.phrase(str(parameter.get("meaning") or estimand).rstrip("."))


def estimates_table(n: Numbers, model: ModelResults, leave_out: Container[str] = ()) -> str:
    """List a model's estimates: raw and standardised side by side, with verdicts; types to leave out by name."""
    talk = language(n.language)
    interval = n.results.study.interval
    rows: list[tuple[str, list[str]]] = []
    for estimand in dict.fromkeys(str(name) for name in model.estimates["estimand"]):
        if kind_of(estimand).name in leave_out:
            continue
        shown = model.estimate(estimand)
        group, name = _grouped(model, estimand, talk)
        unit = _unit(str(shown["unit"]), model, talk, percent=kind_of(estimand).name in PERCENT)
        rows.append((group, [escape(f"{name} ({unit})" if unit else name), *numbers_of(n, model, estimand)]))
    columns = heads_of(n, talk.say("table.quantity"))
    text = talk.say("table.estimates_note", interval=talk.interval(interval),
                    rope=rope_text(n.results.study.rope["default"], talk))  # fmt: skip
    own = str(model.card["outcome"].get("unit") or "")
    if own:
        text = f"{talk.say('table.estimates_unit', unit=escape(talk.unit(own, 1)))} {text}"
    text = told(text, n.results, talk)
    # The paths of a graph have a table of their own.
    key = "rest" if leave_out != () and has_graph(model) else "estimates"
    caption = talk.say(f"table.{key}_caption", title=escape(model_title(model, talk)))
    return build(columns, [row for _, row in rows], talk, label=f"tbl-{slug(model.name)}", caption=caption, note=text,
                 groups=[group for group, _ in rows])  # fmt: skip


def numbers_of(n: Numbers, model: ModelResults, estimand: str) -> list[str]:
    """Return the cells of one estimand: raw, standardised, probability of direction, ROPE share, verdict."""
    scales = model.scales[estimand]
    raw, std = (model.estimate(estimand, s) if s in scales else None for s in ("raw", "standardised"))
    shown = model.estimate(estimand)
    judged = std if std is not None else shown
    kind = kind_of(estimand)
    percent = kind.name in PERCENT
    interval = n.results.study.interval
    return [
        with_interval(shown, n.language, interval, percent=percent) if raw is not None else "",
        with_interval(std, n.language, interval) if std is not None else "",
        number_text(shown, "pd", n.language) if kind.verdict and _filled(shown["pd"]) else "",
        number_text(judged, "p_rope", n.language) if kind.verdict and _filled(judged["p_rope"]) else "",
        verdict_word(n, f"{model.name}.{estimand}"),
    ]


def heads_of(n: Numbers, first: str) -> list[Head]:
    """Return the heads of a table of estimates; ``first`` names what its rows are."""
    talk = language(n.language)
    label = interval_label(n.results.study.interval, n.language)
    return [
        (first, "left"),
        (f"{talk.say('table.estimate')} \\[{label}\\]", "right"),
        (f"{talk.say('table.standardised')} \\[{label}\\]", "right"),
        (talk.say("table.pd"), "right"), (talk.say("table.rope"), "right"), (talk.say("table.verdict"), "left"),
    ]  # fmt: skip


def _grouped(model: ModelResults, estimand: str, talk: Language) -> tuple[str, str]:
    """Return the heading under which an estimand stands in a table, and its name below that heading."""
    kind = kind_of(estimand)
    name = short_name(model, estimand, talk)
    options = model.card.get("options") or {}
    if kind.name == "covariate" or (kind.name == "group" and kind.parts["g"] in (options.get("covariates") or ())):
        return talk.say("table.group_covariates"), sentence_case(name)
    if "x" in kind.parts and kind.name != "covariate_time":
        label = label_of(model, kind.parts["x"])
        return label, sentence_case(name.removeprefix(f"{label}: "))
    if kind.name.startswith("surface_"):
        where = "within" if kind.name.startswith("surface_within") else "between_client"
        return talk.say(f"surface.group_{where}"), name
    if kind.name == "probability":
        return talk.say("table.group_probability"), name
    if kind.name in {"share", "share_arm", "therapist_minus_arm"}:
        return talk.say("table.group_shares"), name
    if kind.verdict or kind.name == "intercept":
        return talk.say("table.group_terms"), name
    return talk.say("table.group_spread", levels=spread(model, talk)), name


def sentence_case(text: str) -> str:
    """Begin with a capital, leave the rest."""
    return text[:1].upper() + text[1:]


def with_interval(row: pd.Series, code: str, interval: float, *, percent: bool = False) -> str:
    """Write an estimate with its credible interval for a cell of a table."""
    value = number_text(row, "percent" if percent else "mean", code, interval)
    text = interval_text(row, code, interval, percent=percent).replace("[", "\\[").replace("]", "\\]")
    # No-break spaces: an interval that breaks over two lines is hard to read.
    return f"{value} {text}".replace(" ", "\N{NO-BREAK SPACE}")


def _unit(unit: str, model: ModelResults, talk: Language, *, percent: bool) -> str:
    """Return what stands in brackets after a name: nothing for the outcome's own unit, which the note gives."""
    first, per = split_unit(unit, model)
    if percent or first in {"share", "correlation", "reliability", "", "1"} or unit.startswith("per "):
        return ""
    text = "" if first == model.card["outcome"].get("unit") else talk.unit(first, 1)
    return f"{text} {talk.unit(per, 2)}".strip() if per else text


def diagnostics_table(results: Results, talk: Language) -> str:
    """List how well each posterior was explored."""
    rows = []
    for model in results.each():
        found = model.diagnostics
        rows.append(
            [
                escape(model_title(model, talk)),
                f"{_number(found['chains'], 0, talk)} × {_number(found['draws'], 0, talk)}".replace(
                    " ", "\N{NO-BREAK SPACE}"
                ),
                _number(found["divergences"], 0, talk),
                _number(found["rhat_max"], 3, talk),
                f"{_number(found['ess_bulk_min'], 0, talk)} / {_number(found['ess_tail_min'], 0, talk)}".replace(
                    " ", "\N{NO-BREAK SPACE}"
                ),
                _number(found["pareto_k_max"], 2, talk),
                _number(found["wall_seconds"], 1, talk),
                talk.say("table.trusted" if model.trusted else "table.not_trusted"),
            ]
        )
    heads = ("model", "draws", "divergences", "rhat", "ess", "k", "seconds", "verdict")
    columns: list[Head] = [
        (talk.say(f"table.{head}"), "left" if head in {"model", "verdict"} else "right") for head in heads
    ]
    return build(columns, rows, talk, label="tbl-diagnostics", caption=talk.say("table.diagnostics_caption"),
                 note=told(talk.say("table.diagnostics_note"), results, talk))  # fmt: skip


def crosscheck_table(results: Results, talk: Language) -> str:
    """Set posterior means beside maximum-likelihood estimates, model by model."""
    rows, groups = [], []
    for model in results.each():
        for row in (model.card.get("crosscheck") or {}).get("rows") or ():
            groups.append(model_title(model, talk))
            rows.append(
                [
                    escape(short_name(model, str(row["estimand"]), talk)),
                    mean_spread(row.get("bayes_mean"), row.get("bayes_sd"), talk),
                    mean_spread(row.get("other"), row.get("other_se"), talk, like=row.get("bayes_sd")),
                ]
            )
    columns: list[Head] = [
        (talk.say("table.quantity"), "left"),
        (talk.say("table.posterior"), "right"),
        (talk.say("table.likelihood"), "right"),
    ]
    return build(columns, rows, talk, label="tbl-crosscheck", caption=talk.say("table.crosscheck_caption"),
                 note=told(talk.say("table.crosscheck_note"), results, talk), groups=groups)  # fmt: skip


def loo_table(results: Results, talk: Language) -> str:
    """List how well the models predict what they have not seen."""
    rows, groups = [], []
    for model in results.each():
        for score in model.card.get("loo") or ():
            if not _filled(score.get("elpd")):
                continue
            groups.append(model_title(model, talk))
            rows.append(
                [
                    talk.find(f"table.loo_{score.get('target')}", "") or talk.say("table.loo_session"),
                    mean_spread(score["elpd"], score.get("se"), talk, 1),
                    _number(score.get("p"), 1, talk),
                    _number(score.get("k_bad"), 0, talk),
                ]
            )
    columns: list[Head] = [
        (talk.say("table.target"), "left"), (talk.say("table.elpd"), "right"), (talk.say("table.p_loo"), "right"),
        (talk.say("table.k_bad"), "right"),
    ]  # fmt: skip
    return build(columns, rows, talk, label="tbl-loo", caption=talk.say("table.loo_caption"),
                 note=told(talk.say("table.loo_note"), results, talk), groups=groups)  # fmt: skip


def session_text(results: Results, talk: Language) -> str:
    """List software versions and the machine in a sentence each."""
    packages = dict(results.manifest.get("packages") or {})
    machine = dict(results.manifest.get("machine") or {})
    said = []
    for key, facts in (("software", packages), ("machine", machine)):
        if facts:
            # A version stays beside its name at the end of a line.
            listed = [f"{escape(str(name))}\N{NO-BREAK SPACE}{escape(str(value))}" for name, value in facts.items()]
            said.append(talk.say(f"text.{key}", list=", ".join(listed)))
    return " ".join(said)


def _filled(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return value is not None and str(value) not in {"", "<NA>", "nan"}


def _number(value: Any, decimals: int, talk: Language, *, probability: bool = False) -> str:
    if not _filled(value):
        return ""
    if probability:
        return (
            write_probability(float(value), talk.code) if 0 < float(value) < 1 else talk.number(float(value), decimals)
        )
    return talk.number(float(value), decimals)


def _percent(value: Any, talk: Language) -> str:
    if not _filled(value):
        return ""
    return f"{talk.number(100 * float(value), 0 if float(value) == 0 else 1)}{' %' if talk.code == 'de' else '%'}"


def _pair(first: Any, second: Any, talk: Language) -> str:
    found = [_number(value, 2, talk, probability=True) for value in (first, second)]
    return " / ".join(text or "–" for text in found) if any(found) else ""


def _span(low: Any, high: Any, talk: Language) -> str:
    if not (_filled(low) and _filled(high)):
        return ""
    separator = "; " if talk.code == "de" else ", "
    return f"\\[{separator.join(talk.number(float(end), 2) for end in (low, high))}\\]"


def mean_spread(mean: Any, spread: Any, talk: Language, decimals: int | None = None, like: Any = None) -> str:
    """Write a mean and its spread, with the digits of the spread, or of another one that it stands beside."""
    if not _filled(mean):
        return ""
    if decimals is None:
        guide = next((float(s) for s in (like, spread) if _filled(s) and float(s) > 0), abs(float(mean)) or 1.0)
        decimals = max(0, min(4, 1 - math.floor(math.log10(guide))))
    text = talk.number(float(mean), decimals)
    return f"{text} ({talk.number(float(spread), decimals)})" if _filled(spread) else text
