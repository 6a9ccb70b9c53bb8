"""Reading a table of any supported format into raw cells.

Raw means: what stands in the file, with the row numbers a spreadsheet would show. Nothing is
guessed silently; whatever had to be detected is recorded as a note.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from .cells import MISSING_WORDS, clean_name
from .config import DataSection
from .errors import Fault, InputError

FORMATS = (".csv", ".tsv", ".txt", ".parquet", ".feather", ".xlsx", ".xls", ".xlsb", ".ods", ".sav", ".zsav", ".dta")


@dataclass(frozen=True)
class RawTable:
    """A table as it stands in its file.

    Parameters
    ----------
    file
        The file's name as the study file gives it.
    frame
        Raw cells; columns are named as in the file (without stray blanks), index 0..n−1.
    rows
        Shape (n,), int: row of the file of each record (the header is row 1).
    decimal
        ``"."`` or ``","``.
    value_labels
        Column → (code → label), from SPSS and Stata.
    variable_labels
        Column → label, from SPSS and Stata.
    faults
        What was detected or found wrong while reading.
    """

    file: str
    frame: pd.DataFrame
    rows: np.ndarray
    decimal: str = "."
    value_labels: Mapping[str, Mapping[float, str]] = field(default_factory=dict)
    variable_labels: Mapping[str, str] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()


def read_table(path: Path, options: DataSection, file: str) -> RawTable:
    """Read one data file.

    Parameters
    ----------
    path
        Where the file is.
    options
        ``[data]`` of the study file: ``delimiter``, ``decimal``, ``encoding``, ``sheet``.
    file
        The file's name as the study file gives it, for messages.

    Returns
    -------
    RawTable
        Raw cells with row numbers, labels and notes on what was detected.

    Raises
    ------
    InputError
        If the file is missing, empty, has only a header, or cannot be read; with all such faults.
    """
    if not path.is_file():
        raise _missing_file(path, file)
    if path.stat().st_size == 0:
        raise InputError(Fault("error", file, None, None, "The file is empty.", "0 bytes", "Export the data again."))
    match path.suffix.lower():
        case ".csv" | ".tsv" | ".txt":
            from .readers_text import read_text

            table = read_text(path, options, file)
        case ".xlsx" | ".xlsm" | ".xls" | ".xlsb" | ".ods":
            from .readers_excel import read_workbook

            table = read_workbook(path, options, file)
        case ".sav" | ".zsav" | ".dta":
            from .readers_labelled import read_labelled

            table = read_labelled(path, options, file)
        case ".parquet" | ".feather" | ".arrow":
            table = _read_arrow(path, file)
        case suffix:
            rule = "The format of a data file is known by its ending."
            raise InputError(
                Fault("error", file, None, None, rule, suffix or "no ending", f"Use {', '.join(FORMATS)}.")
            )
    if table.frame.empty:
        rule = "The file has a header but no rows of data."
        raise InputError(*table.faults, Fault("error", file, None, None, rule, "0 rows", "Export the data again."))
    return table


def named_columns(names: list[str], file: str) -> tuple[list[str], tuple[Fault, ...]]:
    """Return column names without stray signs, and faults for duplicate, empty or mended ones.

    Empty names become ``column 3``; duplicates are errors, and stay duplicate in the answer.
    """
    faults: list[Fault] = []
    clean = [clean_name(name) or f"column {position}" for position, name in enumerate(names, start=1)]
    mended = [new for old, new in zip(names, clean, strict=True) if old != new and old.strip()]
    if mended:
        rule = "Column names had blanks or invisible signs around them; they are read without."
        faults.append(Fault("note", file, 1, ", ".join(mended), rule, None, "Nothing to do."))
    seen: dict[str, int] = {}
    for position, name in enumerate(clean, start=1):
        if name in seen:
            rule = "Two columns have the same name."
            where = f"columns {seen[name]} and {position}"
            faults.append(Fault("error", file, 1, name, rule, where, "Rename or delete one of them."))
        seen.setdefault(name, position)
    return clean, tuple(faults)


def second_header(frame: pd.DataFrame, rows: np.ndarray, file: str) -> tuple[Fault, ...]:
    """Return an error where the first record looks like a second header: text above numbers, repeatedly.

    Survey programs write one (question texts, codes); it would turn every rating below into text.
    """
    if len(frame) < 3:
        return ()
    sample = frame.head(200)
    above_numbers = []
    for position, name in enumerate(frame.columns):
        column = sample.iloc[:, position]
        if pd.api.types.is_numeric_dtype(column.dtype):
            continue
        first, rest = column.iloc[0], column.iloc[1:].dropna()
        numbers = pd.to_numeric(rest.astype(str).str.strip().str.replace(",", "."), errors="coerce")
        words = isinstance(first, str) and first.strip() not in MISSING_WORDS
        if (
            words
            and pd.isna(pd.to_numeric(first.replace(",", "."), errors="coerce"))
            and len(rest)
            and numbers.notna().all()
        ):
            above_numbers.append(str(name))
    if len(above_numbers) < 2:
        return ()
    rule = "Below the header come data, but this row is text above numbers: a second header row."
    value = f"in columns {', '.join(above_numbers[:5])}{', …' if len(above_numbers) > 5 else ''}"
    return (Fault("error", file, int(rows[0]), None, rule, value, "Delete this row; keep one header row."),)


def _missing_file(path: Path, file: str) -> InputError:
    """Return the error of a file that is not there, with the nearest file that is."""
    from .study_file import nearest

    folder = path.parent
    if not folder.is_dir():
        remedy = f"The folder {folder.name} does not exist; paths are relative to the study file."
    else:
        others = sorted(other.name for other in folder.iterdir() if other.suffix.lower() in FORMATS)
        meant = nearest(path.name, others)
        there = f"Data files there: {', '.join(others[:8])}." if others else "There is no data file in that folder."
        remedy = (f"Did you mean {meant}? " if meant else "") + f"{there} Paths are relative to the study file."
    return InputError(Fault("error", file, None, None, "The file does not exist.", None, remedy))


def _read_arrow(path: Path, file: str) -> RawTable:
    """Read Parquet or Feather."""
    import pyarrow as pa
    from pyarrow import feather, parquet

    try:
        parquet_file = path.suffix.lower() == ".parquet"
        arrow = parquet.ParquetFile(path).read() if parquet_file else feather.read_table(path)
    except (pa.ArrowException, OSError) as error:
        rule = f"The file cannot be read as {path.suffix.lower().lstrip('.')}."
        raise InputError(Fault("error", file, None, None, rule, str(error)[:200], "Write the file again.")) from error
    names, faults = named_columns(list(arrow.column_names), file)
    arrow = arrow.rename_columns([f"{name}\u0000{position}" for position, name in enumerate(names)])
    frame = arrow.to_pandas(ignore_metadata=True)
    frame.columns = pd.Index(names)
    for position, dtype in enumerate(frame.dtypes):
        if isinstance(dtype, pd.CategoricalDtype):
            frame.isetitem(position, frame.iloc[:, position].astype(object))
    return RawTable(file, frame, np.arange(2, len(frame) + 2), faults=faults)
