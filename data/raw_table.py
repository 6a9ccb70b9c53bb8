"""A table as it stands in its file, and what its header says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from .cells import MISSING_WORDS, clean_name
from .errors import Fault


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
