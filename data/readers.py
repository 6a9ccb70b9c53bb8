"""Reading a table of any supported format into raw cells.

Raw means: what stands in the file, with the row numbers a spreadsheet would show. Nothing is
guessed silently; whatever had to be detected is recorded as a note.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from .config import DataSection
from .errors import Fault, InputError
from .raw_table import RawTable, named_columns

FORMATS = (".csv", ".tsv", ".txt", ".parquet", ".feather", ".xlsx", ".xls", ".xlsb", ".ods", ".sav", ".zsav", ".dta")


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
