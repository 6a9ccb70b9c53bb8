"""Reading Excel and OpenDocument workbooks: one sheet, one header row, no merged cells above data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .config import DataSection
from .errors import Fault, InputError
from .faults import Faults, counted
from .raw_table import RawTable, named_columns, second_header
from .study_file import suggestion

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook


def read_workbook(path: Path, options: DataSection, file: str) -> RawTable:
    """Read one sheet of a workbook; cells keep their types (numbers, text, dates).

    Parameters and errors as in :func:`safezone.data.readers.read_table`.
    """
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError

    found = Faults()
    try:
        with CalamineWorkbook.from_path(str(path)) as workbook:
            sheet = _sheet(workbook, options, file, found)
            cells = sheet.to_python(skip_empty_area=False)
            merged = sheet.merged_cell_ranges or []
    except PasswordError as error:
        rule = "The workbook is protected by a password."
        raise InputError(Fault("error", file, None, None, rule, None, "Save a copy without password.")) from error
    except CalamineError as error:
        rule = "The file cannot be read as a workbook."
        raise InputError(Fault("error", file, None, None, rule, str(error)[:200], "Save it again as .xlsx.")) from error
    filled = [position for position, row in enumerate(cells) if any(cell != "" for cell in row)]
    if not filled:
        raise InputError(
            Fault("error", file, None, None, "The sheet is empty.", sheet.name, "Choose another with sheet = …")
        )
    header = filled[0]
    _refuse_merged(merged, header, len(cells), file, found)
    names, faults = _names(cells[header], cells[header + 1 :], header + 1, file)
    found.extend(faults)
    width = len(names)
    records = [row[:width] for row in cells[header + 1 :]]
    kept = [position for position, row in enumerate(records) if any(cell != "" for cell in row)]
    frame = pd.DataFrame({position: _column([records[row][position] for row in kept]) for position in range(width)})
    frame.columns = pd.Index(names)
    rows = np.array(kept, dtype=int) + header + 2
    if kept and kept[-1] + 1 > len(kept):
        found.add(
            "note",
            file,
            None,
            "Rows without any entry were left out.",
            counted(kept[-1] + 1 - len(kept), "row"),
            "Nothing to do.",
        )
    found.extend(second_header(frame, rows, file))
    return RawTable(file, frame, rows, faults=found.all())


def _sheet(workbook: CalamineWorkbook, options: DataSection, file: str, found: Faults) -> CalamineSheet:
    """Return the declared sheet, else the first; say which where there are several."""
    names = list(workbook.sheet_names)
    wanted = options.sheet
    if wanted is None:
        if len(names) > 1:
            rule = f"The workbook has {len(names)} sheets; the first was read: {names[0]}."
            found.add(
                "note", file, None, rule, ", ".join(names), f'To be sure, declare sheet = "{names[0]}" in [data].'
            )
        return workbook.get_sheet_by_index(0)
    if isinstance(wanted, int):
        if not 1 <= wanted <= len(names):
            rule = "[data] sheet counts the sheets from 1."
            raise InputError(
                Fault(
                    "error", file, None, None, rule, str(wanted), f"The workbook has {len(names)}: {', '.join(names)}."
                )
            )
        return workbook.get_sheet_by_index(wanted - 1)
    if wanted not in names:
        rule = "The workbook has no sheet of this name."
        raise InputError(Fault("error", file, None, None, rule, wanted, suggestion(wanted, names)))
    return workbook.get_sheet_by_name(wanted)


def _refuse_merged(
    merged: list[tuple[tuple[int, int], tuple[int, int]]], header: int, height: int, file: str, found: Faults
) -> None:
    """Refuse merged cells in or above the header or among the data: most of their cells are empty."""
    for (top, left), (bottom, right) in merged:
        where = f"{_letters(left)}{top + 1}:{_letters(right)}{bottom + 1}"
        if top <= header:
            rule = "The header is one row of single cells, and these cells are merged."
            remedy = "Unmerge them, write one name above each column, and delete rows above the header."
        elif top < height:
            rule = "Merged cells hold one value for several; all but the first are read as empty."
            remedy = "Unmerge them and write the value into each cell."
        else:
            continue
        found.add("error", file, None, rule, where, remedy, row=top + 1)


def _letters(column: int) -> str:
    """Return a column's letters in a spreadsheet, 0 → A.

    Examples
    --------
    >>> _letters(27)
    'AB'
    """
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def _names(
    header: Sequence[object], below: Sequence[Sequence[object]], row: int, file: str
) -> tuple[list[str], tuple[Fault, ...]]:
    """Return column names; empty columns at the right end are cut, a title above the header is refused."""
    width = len(header)
    while width > 1 and header[width - 1] == "" and all(len(line) < width or line[width - 1] == "" for line in below):
        width -= 1
    names = [str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell) for cell in header[:width]]
    clean, faults = named_columns(names, file)
    faults = tuple(Fault(f.severity, f.file, row, f.column, f.rule, f.value, f.remedy) for f in faults)
    unnamed = [position for position, cell in enumerate(header[:width]) if cell == ""]
    if len(unnamed) * 2 > width:
        rule = "The first row with content is the header; here most of its cells are empty, as under a title."
        remedy = "Delete the title rows, so that the names of the columns stand in the first row."
        faults += (Fault("error", file, row, None, rule, f"{len(unnamed)} of {width} columns have no name", remedy),)
    return clean, faults


def _column(cells: list[object]) -> pd.Series:
    """Return cells as a column: numbers, dates or truth values where all are, else objects; empty is missing."""
    column = pd.Series([None if cell == "" else cell for cell in cells], dtype=object)
    known = column.dropna()
    kinds = {type(cell) for cell in known}
    if kinds and kinds <= {int, float}:
        return column.astype("float64")
    return column
