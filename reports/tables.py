"""One table object for every format: APA 7 in HTML, Word, Typst, LaTeX and Markdown.

In a report's cell a table shows itself as Markdown, which Quarto and the embedded renderer alike
typeset natively in each format; give the cell a ``label: tbl-…`` and a ``tbl-cap``. The writers of
:mod:`.table_writers` serve those who want one table by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..data.errors import Fault, InputError
from .rich import escape, plain

if TYPE_CHECKING:
    import pandas as pd

Align = Literal["left", "right", "center"]
NOTE = {"en": "Note.", "de": "Anmerkung."}
MISSING = "–"
_FIGURE, _POINT, _INDENT = "\N{FIGURE SPACE}", "\N{PUNCTUATION SPACE}", "\N{EM SPACE}"
_REFERENCES = {ord(sign): f"&#{ord(sign)};" for sign in (_FIGURE, _POINT, _INDENT)}
_PADDING, _WRAP = 3, 34  # signs: the padding of a cell; from how many on a text may wrap
_NUMBER = {
    "en": re.compile(r"^[<>=≈ ]*[−+-]?(?:\d[\d,]*)?(?P<rest>\.\d+)?$"),
    "de": re.compile(r"^[<>=≈ ]*[−+-]?(?:\d[\d.]*)?(?P<rest>,\d+)?$"),
}


@dataclass(frozen=True, slots=True)
class Column:
    r"""One column.

    Parameters
    ----------
    key
        Column of the frame.
    header
        Rich text (``*M*``); by default the key as it stands. Labels of users: ``escape`` them.
    align
        By default numbers to the right, text to the left.
    digits
        Decimals of numbers (2 for fractions, 0 for counts by default).
    leading_zero
        Whether .42 is written 0.42; APA drops it for what cannot exceed 1 (shares, correlations).
    rich
        Whether text cells are rich text; else they are shown sign by sign.
    missing
        What stands for a missing value.
    """

    key: str
    header: str | None = None
    align: Align | None = None
    digits: int | None = None
    leading_zero: bool = True
    rich: bool = False
    missing: str = MISSING


@dataclass(frozen=True, slots=True)
class Spanner:
    """A heading above neighbouring columns.

    Parameters
    ----------
    header
        Rich text.
    first, last
        Keys of the first and the last column below it.
    """

    header: str
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Row:
    """A body row of rich texts; a group row has its text in the first cell and spans the table."""

    cells: tuple[str, ...]
    group: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """A table in words: what every writer starts from."""

    headers: tuple[str, ...]
    aligns: tuple[Align, ...]
    rows: tuple[Row, ...]
    spans: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Table:
    """A table to be shown.

    Parameters
    ----------
    frame
        The values, one row per row of the table.
    columns
        Which columns, in which order, under which headings; all of them by default.
    caption
        Title (rich text). In a report, leave it empty and give the cell a ``tbl-cap``.
    notes
        What stands below the table after *Note.* (rich text).
    groups
        Column of the frame whose values head groups of rows; rows of a group stand together.
    spanners
        Headings above several columns.
    language
        ``en`` or ``de``: decimal sign and the word for *Note*.
    label
        Cross-reference label (``tbl-…``), if the cell has none.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"name": ["Safety"], "m": [-0.5], "n": [12]})
    >>> print(Table(frame, (Column("name", "Variable"), Column("m", "*M*"), Column("n", "*n*"))).to_markdown())
    | Variable | *M* | *n* |
    |:----------------------|----------------:|----------:|
    | Safety | −0.50 | 12 |
    """

    frame: pd.DataFrame
    columns: tuple[Column, ...] = ()
    caption: str = ""
    notes: str = ""
    groups: str | None = None
    spanners: tuple[Spanner, ...] = ()
    language: str = "en"
    label: str = ""

    def __post_init__(self) -> None:
        """Refuse columns that the frame does not have."""
        keys = [column.key for column in self.columns] + ([self.groups] if self.groups else [])
        keys += [key for spanner in self.spanners for key in (spanner.first, spanner.last)]
        for key in keys:
            if key not in self.frame.columns:
                names = ", ".join(str(name) for name in self.frame.columns)
                raise InputError(
                    Fault("error", "table", None, key, "The table has no such column.", key, f"Use one of: {names}.")
                )

    def grid(self) -> Grid:
        """Return the table in words."""
        return _grid(self)

    def to_markdown(self) -> str:
        """Return Pandoc Markdown: a pipe table, or a grid table where there are spanners, and the note."""
        return _markdown(self)

    def to_html(self) -> str:
        """Return semantic HTML with scopes and a caption."""
        from .table_writers import html

        return html(self)

    def to_typst(self) -> str:
        """Return a Typst figure with a table that repeats its header."""
        from .table_writers import typst

        return typst(self)

    def to_latex(self) -> str:
        """Return a LaTeX table (needs the package ``booktabs``)."""
        from .table_writers import latex

        return latex(self)

    def to_docx(self, path: Path) -> Path:
        """Write a Word document with the table in it, native, with a header row."""
        from .table_writers import docx

        return docx(self, path)

    def _repr_markdown_(self) -> str:
        """Show the table in a notebook and in both renderers."""
        return self.to_markdown()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Mapping[str, str]:
        """Offer Markdown only: HTML would hide the native tables of Word and Typst."""
        return {"text/markdown": self.to_markdown(), "text/plain": f"Table of {len(self.frame)} rows"}

    @property
    def note(self) -> str:
        """The note with its introductory word, as rich text; empty without notes."""
        return f"*{NOTE.get(self.language, NOTE['en'])}* {self.notes}" if self.notes else ""


def _grid(table: Table) -> Grid:
    columns = table.columns or tuple(
        Column(str(name)) for name in table.frame.columns if str(name) != (table.groups or "")
    )
    cells = [_column(table, column) for column in columns]
    texts = list(zip(*(texts for texts, _ in cells), strict=True))
    rows: list[Row] = []
    if table.groups is None:
        rows = [Row(tuple(row)) for row in texts]
    else:
        labels = [str(value) for value in table.frame[table.groups]]
        for label in dict.fromkeys(labels):
            rows.append(Row((escape(label), *("" for _ in columns[1:])), group=True))
            members = [row for row, own in zip(texts, labels, strict=True) if own == label]
            rows += [Row((_INDENT + row[0], *row[1:])) for row in members]
    keys = [column.key for column in columns]
    return Grid(
        headers=tuple(escape(column.key) if column.header is None else column.header for column in columns),
        aligns=tuple(align for _, align in cells),
        rows=tuple(rows),
        spans=tuple(
            (spanner.header, keys.index(spanner.first), keys.index(spanner.last)) for spanner in table.spanners
        ),
    )


def _column(table: Table, column: Column) -> tuple[list[str], Align]:
    import pandas as pd

    values = table.frame[column.key]
    numeric = bool(pd.api.types.is_numeric_dtype(values.dtype)) and not pd.api.types.is_bool_dtype(values.dtype)
    whole = bool(pd.api.types.is_integer_dtype(values.dtype))
    digits = column.digits if column.digits is not None else 0 if whole else 2
    texts = [_cell(value, column, digits, table.language) for value in values]
    align: Align = column.align or ("right" if numeric else "left")
    return (_aligned(texts, table.language) if align == "right" else texts), align


def _cell(value: object, column: Column, digits: int, language: str) -> str:
    import numbers

    import pandas as pd

    from .digits import write

    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value):  # noqa: PLR0124
        return escape(column.missing)
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        text = write(float(value), digits, language)
        return text if column.leading_zero else re.sub(r"^(−?)0(?=[.,])", r"\1", text)
    return str(value) if column.rich else escape(str(value))


def _aligned(texts: list[str], language: str) -> list[str]:
    """Pad numbers with figure spaces so that decimal signs stand under each other in every format."""
    pattern = _NUMBER.get(language, _NUMBER["en"])
    matches = [pattern.match(text) for text in texts]
    longest = max((len(match["rest"] or "") for match in matches if match), default=0)
    result = []
    for text, match in zip(texts, matches, strict=True):
        if match is None or not any(sign.isdigit() for sign in text):
            result.append(text)
            continue
        lacking = longest - len(match["rest"] or "")
        point = _POINT if lacking and not match["rest"] else ""
        result.append(text + point + _FIGURE * (lacking - len(point)))
    return result


def _markdown(table: Table) -> str:
    grid = table.grid()
    grid = _referenced(grid)
    body = _spanned(grid) if grid.spans else _piped(grid)
    parts = [body]
    if table.caption or table.label:
        attributes = f" {{#{table.label}}}" if table.label else ""
        parts.append(f": {table.caption}{attributes}")
    if table.note:
        parts.append(f"::: {{.table-note}}\n{table.note}\n:::")
    return "\n\n".join(parts)


def _referenced(grid: Grid) -> Grid:
    """Write padding as character references, or Markdown would trim it at the edge of a cell."""
    rows = tuple(replace(row, cells=tuple(cell.translate(_REFERENCES) for cell in row.cells)) for row in grid.rows)
    return replace(grid, rows=rows)


def _piped(grid: Grid) -> str:
    rule: dict[Align, Callable[[int], str]] = {
        "left": lambda width: ":" + "-" * width,
        "right": lambda width: "-" * width + ":",
        "center": lambda width: ":" + "-" * (width - 1) + ":",
    }
    # Renderers that wrap long lines take the dashes as relative widths.
    widths = [2 * _width([plain(text) for text in texts]) for texts in zip(grid.headers, *_bodies(grid), strict=True)]
    lines = [
        _pipe_row(grid.headers),
        "|" + "|".join(rule[align](max(3, width)) for align, width in zip(grid.aligns, widths, strict=True)) + "|",
        *(_pipe_row(row.cells) for row in grid.rows),
    ]
    return "\n".join(lines)


def _width(texts: list[str]) -> int:
    """Return the room that a column asks for: its padding, and its longest text up to where wrapping reads well."""
    words = max((len(word) for text in texts for word in text.split(" ")), default=0)
    return _PADDING + min(max(len(text) for text in texts), max(words, _WRAP))


def _bodies(grid: Grid) -> list[tuple[str, ...]]:
    """Return the body's cells; the label of a group spans columns and asks for no width."""
    return [("" if row.group else row.cells[0], *row.cells[1:]) for row in grid.rows]


def _pipe_row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(re.sub(r"(?<!\\)\|", r"\\|", cell) for cell in cells) + " |"


def _spanned(grid: Grid) -> str:
    """Write a grid table, the only Markdown table with cells that span columns."""
    spans = sorted(grid.spans, key=lambda span: span[1])
    widths = [2 + max(len(text) for text in texts) for texts in zip(grid.headers, *_bodies(grid), strict=True)]
    for header, first, last in spans:
        lacking = len(header) + 2 - (sum(widths[first : last + 1]) + last - first)
        widths[last] += max(0, lacking)
    longest = max((len(row.cells[0]) for row in grid.rows), default=0)
    widths[0] = max(widths[0], longest + 2)
    covered = {index for _, first, last in spans for index in range(first, last + 1)}
    top, upper = "+", "|"
    middle = "|"
    index = 0
    by_first = {first: (header, last) for header, first, last in spans}
    while index < len(widths):
        header, last = by_first.get(index, ("" if index in covered else grid.headers[index], index))
        width = sum(widths[index : last + 1]) + last - index
        top += "-" * width + "+"
        upper += f" {header}".ljust(width) + "|"
        pieces = ["-" * one if at in covered else " " * one for at, one in enumerate(widths) if index <= at <= last]
        middle += "+".join(pieces) + ("+" if last in covered or (last + 1) in covered else "|")
        index = last + 1
    middle = ("+" if 0 in covered else "|") + middle[1:]
    lower = "|" + "|".join(
        f" {header if at in covered else ''}".ljust(widths[at]) for at, header in enumerate(grid.headers)
    ) + "|"  # fmt: skip
    marks = {"left": (":", "="), "right": ("=", ":"), "center": (":", ":")}
    head = "+" + "+".join(
        marks[align][0] + "=" * (width - 2) + marks[align][1] for align, width in zip(grid.aligns, widths, strict=True)
    ) + "+"  # fmt: skip
    lines = [top, upper, middle, lower, head]
    for row in grid.rows:
        lines.append(
            "|" + "|".join(f" {cell}".ljust(width) for cell, width in zip(row.cells, widths, strict=True)) + "|"
        )
        lines.append("+" + "+".join("-" * width for width in widths) + "+")
    return "\n".join(lines)
