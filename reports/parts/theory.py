"""The page "What this study says about safety": the paper's columns, a verdict and a sentence for every row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...analysis.folder import THEORY
from ...analysis.theory import read_theory
from ...data.config import PrinciplesSection
from .. import digits, figures
from ..numbers import LockedNumber, interval_label
from ..prose import theory as prose
from ..prose.language import language
from ..prose.paragraphs import model_title
from ..rich import escape
from ..tables import Column, Table
from .tables import slug

if TYPE_CHECKING:
    from ...analysis.evidence import Finding
    from ...analysis.theory import Theory
    from ..figures import Figure
    from ..numbers import Numbers


say = prose.say
NO_BREAK = "\N{NO-BREAK SPACE}"


def read(folder: Path) -> Theory | None:
    """Return the theory's rows of a results folder; ``None`` where they were not asked."""
    return read_theory(folder) if (folder / THEORY[1]).is_file() else None


def thresholds(n: Numbers) -> PrinciplesSection:
    """Return what verdicts were judged by."""
    import json

    content = json.loads((n.results.folder / THEORY[1]).read_text(encoding="utf-8"))
    return PrinciplesSection(**content["thresholds"])


def heading(level: int, text: str, label: str) -> str:
    """Return a heading with a label."""
    return f"{'#' * level} {text} {{#sec-theory{label}}}"


def opening(theory: Theory, n: Numbers) -> str:
    """Return the introduction, the counts and the key to the signs."""
    code = n.language
    key = ", ".join(f"{sign} {prose.say(f'word.{word}', code)}" for word, sign in prose.SYMBOLS.items())
    section = thresholds(n)
    lines = {
        name: digits.write_probability(getattr(section, name), code)
        for name in ("supported", "leaning", "negligible", "opposed")
    }
    size = str(len(theory.findings))
    return "\n\n".join(
        (
            prose.say("page.intro", code, n=size),
            prose.say("page.counts", code, n=size, counts=prose.tally(theory.findings, code)),
            f"{prose.say('page.key', code, key=escape(key))} "
            + prose.say("page.thresholds", code, **lines, interval=interval_label(n.results.study.interval, code)),
        )
    )


def picture(theory: Theory, n: Numbers) -> tuple[Figure | None, str]:
    """Return the forest and its caption."""
    interval = interval_label(n.results.study.interval, n.language)
    drawn = figures.theory(theory.findings, n.language, interval)
    return drawn, prose.say("page.figure_caption", n.language, interval=interval)


def column(findings: Sequence[Finding], n: Numbers) -> str:
    """Return the table of one column of the paper."""
    import pandas as pd

    code = n.language
    frame = pd.DataFrame([_cells(finding, n) for finding in findings])
    headers = prose.patterns("page.headers", code)
    name = prose.say(f"column.{findings[0].column}", code)
    columns = tuple(
        Column(key, header, rich=True, align="left")
        for key, header in zip(("id", "statement", "verdict", "p", "estimate"), headers, strict=True)
    )
    caption = prose.say("page.caption", code, column=name)
    return Table(
        frame, columns, caption=caption, language=code, label=f"tbl-theory-{slug(findings[0].column)}"
    ).to_markdown()


def _cells(finding: Finding, n: Numbers) -> dict[str, str]:
    code = n.language
    row = prose.row_of(finding)
    verdict = f"{prose.symbol(finding.verdict)} {prose.word(finding.verdict, code)}"
    probability = estimate = ""
    if finding.estimand:
        mean, interval = prose.estimate_text(
            finding.mean, finding.sd, finding.mean_mcse, (finding.lower, finding.upper), n.results.study.interval, code
        )
        probability = digits.write_probability(finding.probability, code)
        estimate = f"{mean} {interval[interval.index('[') :]}"
        _lock(finding, n, mean, probability)
    return {
        "id": finding.id,
        "statement": f"[{escape(row.statement[code])}](#sec-theory-{slug(finding.id)})",
        "verdict": _whole(escape(verdict)),
        "p": _whole(escape(probability)) or "–",
        "estimate": escape(estimate).replace(" ", NO_BREAK).replace(f"{NO_BREAK}\\[", " \\[") or "–",
    }


def _whole(text: str) -> str:
    """Keep a short text on one line."""
    return text.replace(" ", NO_BREAK)


def _lock(finding: Finding, n: Numbers, mean: str, probability: str) -> None:
    """Enter what is printed into the number lock."""
    direction = "0" if finding.lower <= 0 <= finding.upper else ("+" if finding.mean > 0 else "-")
    for what, value, error, text in (
        ("mean", finding.mean, finding.mean_mcse, mean),
        ("probability", finding.probability, finding.mcse, probability),
    ):
        key = f"principles.{finding.id}|{what}"
        n.used[key] = LockedNumber(key, value, error, text, direction, finding.word)


def section(finding: Finding, n: Numbers, added: Sequence[str], stable: str = "") -> str:
    """Return a row's own section: what it says and what was seen, how stable that is, what would speak against it."""
    code, interval = n.language, n.results.study.interval
    row = prose.row_of(finding)
    sign = f"{prose.symbol(finding.verdict)} {prose.word(finding.verdict, code)}"
    head = f"#### {finding.id} · {escape(sign)} {{#sec-theory-{slug(finding.id)} .unnumbered .unlisted}}"
    told = f"*{escape(row.statement[code])}* " + prose.sentence(finding, code, interval, thresholds(n), escape)
    more = [prose.also(finding, code, interval, escape), stable]
    if finding.estimand:
        more += [
            prose.say("sentence.against", code, text=escape(row.against[code])),
            prose.say("sentence.causal", code, text=escape(row.causal[code])),
            _model(finding, n, added),
        ]
    return "\n\n".join((head, " ".join(text for text in (told, *more) if text)))


def _model(finding: Finding, n: Numbers, added: Sequence[str]) -> str:
    code = n.language
    title = escape(model_title(n.results.model(finding.model), language(code)))
    if finding.model in added:
        link = prose.say("sentence.added", code, name=finding.model)
    else:
        link = f"[{escape(finding.model)}](#sec-{slug(finding.model)})"
    return prose.say("sentence.model", code, title=title, link=link)


def pooled(theory: Theory, n: Numbers) -> str:
    """Return the note on multiplicity with the partially pooled view."""
    from ..theory import pooled as lines

    code = n.language
    told = lines(theory, code, n.results.study.interval) or prose.say("page.no_pooling", code)
    return f"{prose.say('page.multiplicity', code)}\n\n{told}"


def literature(n: Numbers) -> str:
    """Return what became of priors from the library; nothing where a study uses none."""
    code = n.language
    lines = []
    for model in n.results.each():
        for one in model.card.get("literature") or ():
            told = {
                "model": escape(model_title(model, language(code))),
                "estimand": str(one["estimand"]),
                "citation": escape(str(one["citation"])),
                "doi": f"[{one['doi']}](https://doi.org/{one['doi']})",
            }
            if "weight_after" not in one:
                lines.append(f"- {prose.say('literature.sd', code, **told)}")
                continue
            told["before"] = digits.write_probability(float(one["weight_before"]), code)
            told["after"] = digits.write_probability(float(one["weight_after"]), code)
            end = f" {prose.say('literature.conflict', code)}" if one["conflict"] else ""
            lines.append(f"- {prose.say('literature.slope', code, **told)}{end}")
    return "\n".join([f"{prose.say('literature.opening', code)}\n", *lines]) if lines else ""
