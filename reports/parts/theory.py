"""The page "What this study says about safety": the paper's columns, a verdict and a sentence for every row."""

from __future__ import annotations

import re
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
from .plan import breakable
from .tables import slug

if TYPE_CHECKING:
    from ...analysis.evidence import Finding
    from ...analysis.theory import Theory
    from ..figures import Figure
    from ..numbers import Numbers


say = prose.say
NO_BREAK = "\N{NO-BREAK SPACE}"
JOINER = "\N{WORD JOINER}"


def read(folder: Path) -> Theory | None:
    """Return the theory's rows of a results folder; ``None`` where they were not asked."""
    return read_theory(folder) if (folder / THEORY[1]).is_file() else None


def told(theory: Theory, n: Numbers) -> str:
    """Return what the summary says of the rows: how many there are of each verdict."""
    talk = language(n.language)
    counts = prose.say(
        "page.counts", n.language, n=str(len(theory.findings)), counts=prose.tally(theory.findings, n.language)
    )
    return talk.say("summary.theory", title=prose.say("page.title", n.language), counts=counts.removesuffix("."))


def thresholds(n: Numbers) -> PrinciplesSection:
    """Return what verdicts were judged by."""
    import json

    content = json.loads((n.results.folder / THEORY[1]).read_text(encoding="utf-8"))
    return PrinciplesSection(**content["thresholds"])


def heading(level: int, text: str, label: str) -> str:
    """Return a heading with a label."""
    return f"{'#' * level} {text} {{#sec-theory{label}}}"


def opening(theory: Theory, n: Numbers) -> str:
    """Return the introduction with the counts, how to read the tables, and the key to the verdicts."""
    code, section = n.language, thresholds(n)
    limits = {
        name: digits.write_probability(getattr(section, name), code)
        for name in ("supported", "leaning", "negligible", "opposed")
    }
    counted = prose.tally(theory.findings, code)
    present = {finding.word for finding in theory.findings}
    key = [
        prose.say(
            "page.key_line", code, sign=escape(sign), word=prose.say(f"word.{word}", code),
            text=prose.say(f"page.key_{word}", code, **limits),
        )
        for word, sign in prose.SYMBOLS.items()
        if word in present or word not in ("not testable", "not trusted")
    ]  # fmt: skip
    return "\n\n".join(
        (
            prose.say("page.intro", code, n=str(len(theory.findings)), counts=counted),
            prose.say("page.how", code, interval=interval_label(n.results.study.interval, code)),
            prose.say("page.key", code),
            _list(key),
        )
    )


def _list(items: Sequence[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


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
        for key, header in zip(("id", "statement", "verdict", "expected", "p", "estimate"), headers, strict=True)
    )
    caption = prose.say("page.caption", code, column=name)
    return Table(
        frame, columns, caption=caption, language=code, label=f"tbl-theory-{slug(findings[0].column)}"
    ).to_markdown()


def _cells(finding: Finding, n: Numbers) -> dict[str, str]:
    code = n.language
    row = prose.row_of(finding)
    verdict = f"{prose.symbol(finding.verdict)} {prose.word(finding.verdict, code)}"
    expected = probability = estimate = ""
    if finding.estimand:
        mean, interval = prose.estimate_of(finding, code, n.results.study.interval)
        expected = prose.expected_text(finding.direction, finding.smallest, code)
        probability = prose.chance_text(finding, code, thresholds(n))
        estimate = f"{mean} {interval[interval.index('[') :]}"
        _lock(finding, n, mean, probability)
    return {
        "id": finding.id,
        "statement": f"[{escape(prose.curly(row.statement[code]))}](#sec-theory-{slug(finding.id)})",
        "verdict": _whole(escape(verdict)),
        "expected": _whole(escape(expected)) or "–",
        "p": _whole(escape(probability)) or "–",
        "estimate": _whole(escape(estimate)) or "–",
    }


def _whole(text: str) -> str:
    """Keep a short text on one line; browsers break after a dash."""
    return text.replace(" ", NO_BREAK).replace(f"–{NO_BREAK}", f"–{JOINER}{NO_BREAK}")


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
    """Return a row's own section: answer, parts, how stable that is, what would speak against it, models."""
    code, interval = n.language, n.results.study.interval
    row = prose.row_of(finding)
    sign = f"{prose.symbol(finding.verdict)} {prose.word(finding.verdict, code)}"
    head = f"#### {finding.id} · {escape(sign)} {{#sec-theory-{slug(finding.id)} .unnumbered .unlisted}}"
    deciding, beside = _parts(finding, n)
    answer = prose.sentence(finding, code, interval, thresholds(n), escape, listed=True)
    pieces = [head, f"*{_text(row.statement[code])}* {answer}", _list(deciding)]
    if len(beside) == 1:
        pieces.append(f"{prose.say('sentence.also', code)} {beside[0]}.")
    elif beside:
        pieces += [prose.say("sentence.also", code), _list([f"{line[:1].upper()}{line[1:]}" for line in beside])]
    closing = [stable]
    if finding.estimand:
        closing += [
            prose.say("sentence.against", code, text=_text(row.against[code])),
            prose.say("sentence.causal", code, text=_text(row.causal[code])),
        ]
    pieces.append(" ".join(text for text in (*closing, _models(finding, n, added)) if text))
    return _unbroken("\n\n".join(piece for piece in pieces if piece))


def _unbroken(text: str) -> str:
    """Keep intervals and probabilities on one line."""
    text = re.sub(r"(?<=\d)([,;]) (?=−?[\d.,]+\\?\])", rf"\1{NO_BREAK}", text)
    return re.sub(r"\*P\* ([=<>]) (?=[\d.])", rf"*P*{NO_BREAK}\1{NO_BREAK}", text)


def _parts(finding: Finding, n: Numbers) -> tuple[list[str], list[str]]:
    """Return a line for each part on which the verdict rests, where there are several, and for each of the others."""
    if not any(part.tested for part in finding.parts):
        return [], []
    interval, limits = n.results.study.interval, thresholds(n)
    lines = [(part.supporting, prose.part_line(part, n.language, interval, limits, escape)) for part in finding.parts]
    deciding = [f"{line[:1].upper()}{line[1:]}" for supporting, line in lines if not supporting]
    return deciding if len(deciding) > 1 else [], [line for supporting, line in lines if supporting]


def _text(text: str) -> str:
    """Show a text of the registry as it is, with typographic apostrophes."""
    return escape(prose.curly(text))


def _models(finding: Finding, n: Numbers, added: Sequence[str]) -> str:
    """Name the models behind a row's parts; of a row without any, the one that would have to answer."""
    code, talk = n.language, language(n.language)
    asked = dict.fromkeys(part.model for part in finding.parts if part.tested)
    named = [_named(name, n, added) for name in asked]
    if not named:
        named = [
            prose.say("sentence.named", code, title=talk.say(f"model.{part.kind}.title"),
                      link=prose.say("sentence.asked", code, text=breakable(part.detail)))
            for part in finding.parts[:1]
            if part.obstacle in ("estimand", "option") and part.detail
        ]  # fmt: skip
    key = "models" if len(named) > 1 else "model"
    return prose.say(f"sentence.{key}", code, models="; ".join(named)) if named else ""


def _named(name: str, n: Numbers, added: Sequence[str]) -> str:
    title = escape(model_title(n.results.model(name), language(n.language)))
    if name in added:
        link = prose.say("sentence.added", n.language, name=breakable(name))
    else:
        link = f"[{escape(name)}](#sec-{slug(name)})"
    return prose.say("sentence.named", n.language, title=title, link=link)


def pooled(theory: Theory, n: Numbers) -> str:
    """Return the note on multiplicity with the partially pooled view."""
    from ..theory import pooled as lines

    code = n.language
    told = lines(theory, code, n.results.study.interval, escape) or prose.say("page.no_pooling", code)
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
