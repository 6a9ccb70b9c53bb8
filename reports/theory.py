"""The theory's rows on the console: a table, a sentence for each, and the view across rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..data.config import PrinciplesSection
from . import digits
from .console import table
from .numbers import interval_label
from .prose import theory as prose

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from ..analysis.evidence import Finding
    from ..analysis.pooling import Family, PooledPart
    from ..analysis.theory import Theory
    from ..data.study import Study
    from .prose.theory import Mark


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
        yield _table(column, rows, code, interval, thresholds)
        yield _texts(rows, sentences, code)
    if theory.families:
        told = pooled(theory, code, interval).replace("*", "")
        yield _wrapped(f"{prose.say('page.multiplicity', code)}\n{told}\n")
    told = prose.tally(theory.findings, code)
    yield _wrapped(prose.say("page.counts", code, n=str(len(theory.findings)), counts=told))


def pooled(theory: Theory, code: str, interval: float, mark: Mark = str) -> str:
    """Return one line per column that could be pooled; ``mark`` makes texts of users fit for a markup."""
    separator = "; " if code == "de" else ", "
    lines = []
    for family in theory.families:
        ends = separator.join(digits.write(end, 2, code) for end in (family.lower, family.upper))
        moved = max(family.parts, key=lambda part: abs(part.mean - part.alone))
        text = prose.say(
            "page.pooled", code, column=prose.say(f"column.{family.column}", code),
            mean=digits.write(family.mean, 2, code), interval=f"{interval_label(interval, code)} [{ends}]",
            spread=digits.write(family.spread, 2, code), id=_which(moved, family, theory, code, mark),
            alone=digits.write(moved.alone, 2, code), moved=digits.write(moved.mean, 2, code),
        )  # fmt: skip
        lines.append(f"- {text}")
    return "\n".join(lines)


def _which(moved: PooledPart, family: Family, theory: Theory, code: str, mark: Mark) -> str:
    """Name a pooled quantity: by its row, and in words where the row has several."""
    if sum(part.id == moved.id for part in family.parts) < 2:
        return moved.id
    part = next(part for part in theory[moved.id].parts if part.name == moved.part)
    return prose.say("page.pooled_part", code, id=moved.id, quantity=mark(prose.words_of(part, code)))


def _table(column: str, rows: list[Finding], code: str, interval: float, thresholds: PrinciplesSection) -> Table:
    """Return what fits into 80 columns; sensitivities and names of quantities are in the JSON and in the CSV file."""
    names = [name.replace("*", "") for name in prose.patterns("page.headers", code)]

    def shown(finding: Finding) -> dict[str, object]:
        row: dict[str, object] = dict.fromkeys((*names[:1], *names[2:5], "ROPE", names[5]), "")
        row |= {
            names[0]: finding.id,
            names[2]: f"{prose.symbol(finding.verdict)} {prose.word(finding.verdict, code)}",
        }
        if finding.estimand:
            estimate, ci = prose.estimate_of(finding, code, interval)
            row |= {
                names[3]: prose.expected_text(finding.direction, finding.smallest, code),
                names[4]: prose.chance_text(finding, code, thresholds),
                "ROPE": digits.write_probability(finding.p_rope, code),
                names[5]: f"{estimate} {ci[ci.index('[') :]}",
            }
        return row

    return table(prose.say(f"column.{column}", code), [shown(finding) for finding in rows])


def _texts(rows: list[Finding], sentences: Mapping[str, str], code: str) -> Table:
    """Return statement and sentence of each row, wrapped beside its name."""
    from rich.table import Table
    from rich.text import Text

    made = Table.grid(padding=(0, 2, 0, 0))
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    for one in rows:
        asked = f" [{one.model}: {one.estimand}]" if one.estimand else ""
        statement = prose.curly(prose.row_of(one).statement[code])
        end = "\n" if one is rows[-1] else ""
        made.add_row(Text(one.id), Text(f"{statement} {sentences[one.id]}{asked}{end}"))
    return made


def _wrapped(text: str) -> Text:
    """Return a text that is wrapped between words."""
    from rich.text import Text

    return Text(text)
