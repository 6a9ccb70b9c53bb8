"""Reading SPSS and Stata files with their labels and user-missing values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from .cells import clean_name
from .config import DataSection
from .errors import Fault, InputError
from .faults import Faults, counted
from .raw_table import RawTable, named_columns


def read_labelled(path: Path, options: DataSection, file: str) -> RawTable:
    """Read ``.sav``, ``.zsav`` or ``.dta``: codes as numbers, user-missing as missing, labels beside them.

    Parameters and errors as in :func:`safezone.data.readers.read_table`.
    """
    import pyreadstat

    spss = path.suffix.lower() != ".dta"
    try:
        if spss:
            # user-missing values are read as numbers and blanked below, so that they can be counted
            frame, meta = pyreadstat.read_sav(str(path), encoding=options.encoding, user_missing=True)
        else:
            frame, meta = pyreadstat.read_dta(str(path), encoding=options.encoding)
    except (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, ValueError, OSError) as error:
        kind = "SPSS" if spss else "Stata"
        rule = f"The file cannot be read as {kind} data."
        remedy = f"Save it again in {kind}, or export CSV."
        raise InputError(Fault("error", file, None, None, rule, str(error)[:200], remedy)) from error
    found = Faults()
    original = [str(name) for name in frame.columns]
    names, faults = named_columns(original, file)
    found.extend(faults)
    frame.columns = pd.Index(names)
    if spss:
        for old, new in zip(original, names, strict=True):
            frame[new] = _without_user_missing(frame[new], meta.missing_ranges.get(old, ()), file, new, found)
    labels = {
        clean_name(str(column)): {float(code): str(text) for code, text in values.items() if _is_number(code)}
        for column, values in meta.variable_value_labels.items()
    }
    variable_labels = {
        clean_name(str(column)): str(text) for column, text in meta.column_names_to_labels.items() if text
    }
    rows = np.arange(2, len(frame) + 2)  # as if exported below a header row
    return RawTable(file, frame, rows, value_labels=labels, variable_labels=variable_labels, faults=found.all())


def _without_user_missing(
    column: pd.Series, ranges: Sequence[object], file: str, name: str, found: Faults
) -> pd.Series:
    """Return a column with user-missing values blanked, and note how many there were."""
    masked = np.zeros(len(column), dtype=bool)
    said = []
    for limits in ranges:
        low, high = (limits["lo"], limits["hi"]) if isinstance(limits, Mapping) else (limits, limits)
        masked |= ((column >= low) & (column <= high)).fillna(False).to_numpy(dtype=bool)
        said.append(f"{_written(low)}" if low == high else f"{_written(low)} to {_written(high)}")
    if not masked.any():
        return column
    rule = f"SPSS declares {', '.join(said)} as missing; these cells were read as missing."
    found.add("note", file, name, rule, counted(int(masked.sum()), "cell"), "Nothing to do.")
    return column.where(~masked)


def _written(limit: object) -> str:
    """Return a limit of a missing range as people write it."""
    return f"{limit:g}" if isinstance(limit, float) else str(limit)


def _is_number(code: object) -> bool:
    """Whether a labelled code is a number (Stata labels letters of missing values as well)."""
    return isinstance(code, int | float)
