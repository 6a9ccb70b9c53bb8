"""The theory's rows on the console: a table, a sentence for each, and the view across rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..data.config import PrinciplesSection
from . import digits
from .console import table
from .numbers import interval_label
from .prose import theory as prose

if TYPE_CHECKING:
    from rich.table import Table

    from ..analysis.evidence import Finding
    from ..analysis.theory import Theory
    from ..data.study import Study


def answer(theory: Theory, study: Study) -> Iterator[Any]:
    """Yield what a command prints: content for JSON, then tables and texts for people.

    Parameters
    ----------
    theory
        The rows, answered.
    study
        For language, interval and thresholds.
    """
    code, interval = study.config.study.language, study.config.report.interval
    thresholds = study.config.principles or PrinciplesSection()
    sentences = {
        finding.id: prose.sentence(finding, code, interval, thresholds).replace("*", "") for finding in theory.findings
    }
    yield {
        "principles": [{**asdict(finding), "sentence": sentences[finding.id]} for finding in theory.findings],
        "families": [asdict(family) for family in theory.families],
        "added": list(theory.added),
        "results": theory.folder,
    }
    for column in dict.fromkeys(finding.column for finding in theory.findings):
        rows = [finding for finding in theory.findings if finding.column == column]
        yield _table(column, rows, code, interval)
        yield "\n".join(f"{one.id}  {one.statement} {sentences[one.id]}" for one in rows) + "\n"
    if theory.families:
        yield f"{prose.say('page.multiplicity', code)}\n{pooled(theory, code, interval)}"
    told = prose.tally(theory.findings, code)
    yield prose.say("page.counts", code, n=str(len(theory.findings)), counts=told)


def pooled(theory: Theory, code: str, interval: float) -> str:
    """Return one line per column that could be pooled."""
    separator = "; " if code == "de" else ", "
    lines = []
    for family in theory.families:
        ends = separator.join(digits.write(end, 2, code) for end in (family.lower, family.upper))
        text = prose.say(
            "page.pooled", code, column=prose.say(f"column.{family.column}", code),
            mean=digits.write(family.mean, 2, code), interval=f"{interval_label(interval, code)} [{ends}]",
            spread=digits.write(family.spread, 2, code),
        )  # fmt: skip
        moved = max(family.parts, key=lambda part: abs(part.mean - part.alone))
        more = prose.say(
            "page.pooled_rows", code, id=moved.id,
            alone=digits.write(moved.alone, 2, code), mean=digits.write(moved.mean, 2, code),
        )  # fmt: skip
        lines.append(f"- {text} {more}")
    return "\n".join(lines)


def _table(column: str, rows: list[Finding], code: str, interval: float) -> Table:
    def shown(finding: Finding) -> dict[str, object]:
        tested = finding.estimand != ""
        estimate, ci = (
            prose.estimate_text(
                finding.mean, finding.sd, finding.mean_mcse, (finding.lower, finding.upper), interval, code
            )
            if tested
            else ("", "")
        )
        return {
            "id": finding.id,
            "verdict": f"{prose.symbol(finding.verdict)} {prose.word(finding.verdict, code)}",
            "P": digits.write_probability(finding.probability, code) if tested else "",
            "ROPE": digits.write_probability(finding.p_rope, code) if tested else "",
            "estimate": f"{estimate} {ci[ci.index('[') :]}" if tested else "",
            "prior": digits.write(finding.prior_sensitivity, 2, code) if tested else "",
            "likelihood": digits.write(finding.likelihood_sensitivity, 2, code) if tested else "",
            "model": finding.model,
            "quantity": finding.estimand,
        }

    return table(prose.say(f"column.{column}", code), [shown(finding) for finding in rows])
