"""Find numbers typed by hand where results are told: they would not move when the data do.

Numbers enter a report through :class:`.numbers.Numbers`. Checked are paragraphs, lists, tables and captions of sections
about results, and texts inside their code cells. Not numbers in this sense: labels, citations, links, inline code,
attributes, footnote marks, and years in brackets. A number that is meant as it stands is marked in its line:
``<!-- number: why -->``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from ..data.errors import Fault
from .qmd import Cell, parse

# A section is about results when its heading or label has one of these words; text before the first heading is, too.
RESULTS = ("result", "summary", "abstract", "finding", "ergebnis", "zusammenfassung", "befund")
_HEADING = re.compile(r"^(?P<level>#{1,6})\s+(?P<text>.*)$")
_NOT_PROSE = re.compile(
    r"`[^`]*`|\$[^$]*\$|\{[^}]*\}|\[?@[\w:.-]+[^\]]*\]?|\]\([^)]*\)|https?://\S+|<!--.*?-->|\[\^\w+\]|\((?:1[89]|20)\d\d[a-z]?\)"
)
_NUMBER = re.compile(r"(?<![\w-])[−+-]?\d+(?:[.,]\d+)*\s?%?(?![\w-])")
_NUMBER_IN_CODE = re.compile(r"(?<![\w.-])[−+-]?\d*[.,]\d+(?![\w-])|(?<![\w.-])\d+\s?%")
_ALLOWED = re.compile(r"<!--\s*number:\s*\S.*?-->")
_LIST_MARK = re.compile(r"^\s*\d+[.)]\s")


def typed_numbers(path: Path) -> tuple[Fault, ...]:
    """Return every number typed by hand in the sections about results.

    Parameters
    ----------
    path
        A .qmd file; its includes are followed.

    Returns
    -------
    tuple of Fault
        Warnings with file, line, the number and the remedy; empty when there are none.

    Raises
    ------
    InputError
        If the file is not there or not a Quarto document.
    """
    return tuple(_faults(path))


def _faults(path: Path) -> Iterator[Fault]:
    inside, level = True, 0
    for block in parse(path).blocks:
        if isinstance(block, Cell):
            if inside:
                yield from _in_code(block)
            continue
        for line in block.lines:
            if line.verbatim and "number:" not in line.text:
                continue
            heading = _HEADING.match(line.text)
            if heading:
                depth = len(heading["level"])
                about = any(word in heading["text"].lower() for word in RESULTS)
                # A subsection of a results section stays one, whatever it is called.
                inside, level = (True, depth) if about else (inside and depth > level > 0, level)
                continue
            if inside and not _ALLOWED.search(line.text):
                text = _LIST_MARK.sub("", _NOT_PROSE.sub(" ", line.text))
                for match in _NUMBER.finditer(text):
                    yield _fault(line.file, line.number, match.group().strip())


def _in_code(cell: Cell) -> Iterator[Fault]:
    """Check texts in code: a decimal number or a percentage in a string is a result typed by hand."""
    try:
        tree = ast.parse(cell.source)
    except SyntaxError:
        return
    source = cell.source.splitlines()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            line = source[node.lineno - 1]
            if "# number:" in line:
                continue
            for match in _NUMBER_IN_CODE.finditer(node.value):
                yield _fault(cell.file, cell.code_line + node.lineno - 1, match.group().strip())


def _fault(file: str, line: int, number: str) -> Fault:
    return Fault(
        "warning", file, line, None, "A number in a section about results is typed by hand.", number,
        "Write `{python} n(\"MODEL.ESTIMAND\")` instead, or say why it stands: <!-- number: reason -->.",
    )  # fmt: skip
