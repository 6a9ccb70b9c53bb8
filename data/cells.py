"""From raw cells to numbers, identifiers and dates; every doubt is reported, none is guessed away.

Cells are parsed by their distinct values, so that a million rows cost as much as their variety.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import numpy as np
import pandas as pd

# What people and programs write for "nothing here". "none" is absent on purpose: it may be a category.
MISSING_WORDS = frozenset(
    {"", "NA", "N/A", "n/a", "na", "#N/A", "NaN", "nan", "NULL", "null", "#NULL!", ".", "<NA>", "NaT"}
)
# Numbers that data files use for "missing" and that must be declared to be read so.
MISSING_CODES = (
    -9.0,
    -99.0,
    -999.0,
    -9999.0,
    9.0,
    99.0,
    999.0,
    9999.0,
    99999.0,
    88.0,
    888.0,
    77.0,
    777.0,
    98.0,
    998.0,
    97.0,
    997.0,
)
_WHOLE_AS_DECIMAL = re.compile(r"[+-]?\d+[.,]0+")
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff"))
# Marks that steer the direction of writing; they come along when names are copied from right-to-left text.
_DIRECTION = dict.fromkeys(map(ord, "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c"))
DATE_FORMATS = (
    ("%Y-%m-%d", "YYYY-MM-DD"),
    ("%Y/%m/%d", "YYYY/MM/DD"),
    ("%Y.%m.%d", "YYYY.MM.DD"),
    ("%Y%m%d", "YYYYMMDD"),
    ("%d.%m.%Y", "DD.MM.YYYY"),
    ("%d/%m/%Y", "DD/MM/YYYY"),
    ("%m/%d/%Y", "MM/DD/YYYY"),
    ("%d-%m-%Y", "DD-MM-YYYY"),
    ("%m-%d-%Y", "MM-DD-YYYY"),
    ("%d.%m.%y", "DD.MM.YY"),
    ("%d-%b-%Y", "DD-Mon-YYYY"),
    ("%d %b %Y", "DD Mon YYYY"),
)
EXCEL_EPOCH = pd.Timestamp("1899-12-30")
EXCEL_SERIALS = (20000.0, 80000.0)  # 1954 to 2119: plausible dates of sessions and births


@dataclass(frozen=True, slots=True)
class Missing:
    """What counts as missing.

    Parameters
    ----------
    words
        Texts that mean "missing", the usual ones and those declared.
    codes
        Numbers that were declared as missing.
    """

    words: frozenset[str]
    codes: tuple[float, ...]


def missing_rule(declared: tuple[str | float, ...]) -> Missing:
    """Return the rule for missing cells from ``[data] missing``.

    Examples
    --------
    >>> missing_rule(("refused", -99)).codes
    (-99.0,)
    """
    words = set(MISSING_WORDS)
    codes: list[float] = []
    for entry in declared:
        if isinstance(entry, str):
            words.add(entry.strip())
            number = _to_float(entry.strip())
            if number is not None:
                codes.append(number)
        else:
            codes.append(float(entry))
    return Missing(frozenset(words), tuple(codes))


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column read as numbers.

    Parameters
    ----------
    values
        Shape (n,), float64, NaN where missing or not a number.
    text
        Shape (n,), bool: cells that hold something which is not a number.
    """

    values: np.ndarray
    text: np.ndarray


def distinct(raw: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Return codes (shape (n,), −1 where empty) and the distinct raw values (objects)."""
    # hash objects by type as well, so that "3", 3 and 3.0 in a mixed Excel column stay visible
    codes, values = pd.factorize(raw.to_numpy(dtype=object) if raw.dtype == object else raw)
    return np.asarray(codes), np.asarray(values, dtype=object)


def read_numbers(raw: pd.Series, missing: Missing, decimal: str) -> Numbers:
    """Return a raw column as numbers.

    Parameters
    ----------
    raw
        Shape (n,): text, numbers, truth values or a mixture.
    missing
        What counts as missing.
    decimal
        ``"."`` or ``","``; with ``","`` a point inside a number makes it text (it could be thousands).

    Returns
    -------
    Numbers
        Values and the mask of cells that are not numbers.

    Examples
    --------
    >>> read_numbers(pd.Series(["3", "six", "", "-99"]), missing_rule((-99,)), ".").text.tolist()
    [False, True, False, False]
    """
    if pd.api.types.is_bool_dtype(raw.dtype) or pd.api.types.is_numeric_dtype(raw.dtype):
        values = raw.to_numpy(dtype=np.float64, na_value=np.nan).copy()
        infinite = np.isinf(values)
        values[np.isin(values, missing.codes) | infinite] = np.nan
        return Numbers(values, infinite)
    if decimal == "." and isinstance(raw.dtype, pd.StringDtype) and (clean := _clean_numbers(raw, missing)) is not None:
        return clean
    codes, cells = distinct(raw)
    if len(cells) == 0:
        return Numbers(np.full(len(raw), np.nan), np.zeros(len(raw), dtype=bool))
    numbers = np.array([_number(cell, missing, decimal) for cell in cells], dtype=np.float64)
    is_text = np.isinf(numbers)
    numbers[is_text] = np.nan
    numbers = np.append(numbers, np.nan)  # code −1 picks the last entry
    return Numbers(numbers[codes], np.append(is_text, False)[codes])


def _clean_numbers(raw: pd.Series, missing: Missing) -> Numbers | None:
    """Return text as numbers in one sweep, or ``None`` where a cell needs to be looked at singly."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pc.utf8_trim_whitespace(pa.array(raw, type=pa.large_string(), from_pandas=True))
    absent = pc.is_in(text, value_set=pa.array(sorted(missing.words), type=pa.large_string()))
    try:
        numbers = pc.cast(pc.if_else(absent, None, text), pa.float64())
    except pa.ArrowInvalid:
        return None
    values = np.array(numbers.to_numpy(zero_copy_only=False), dtype=np.float64)
    if np.isinf(values).any():
        return None
    values[np.isin(values, missing.codes)] = np.nan
    return Numbers(values, np.zeros(len(values), dtype=bool))


def _number(cell: object, missing: Missing, decimal: str) -> float:
    """Return one cell as a number; NaN where missing, infinity where it is no number."""
    if isinstance(cell, bool | int | float | np.number | np.bool_):
        number = float(cell)
    else:
        text = str(cell).strip().replace("\u2212", "-")
        if text in missing.words:
            return np.nan
        if decimal == ",":
            if "." in text:
                return np.inf
            text = text.replace(",", ".")
        converted = _to_float(text)
        if converted is None:
            return np.inf
        number = converted
    return np.nan if number in missing.codes else number


def _to_float(text: str) -> float | None:
    """Return text as a finite number, or ``None``."""
    if "_" in text:  # Python reads 1_000; nobody writes a rating so
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


@dataclass(frozen=True, slots=True)
class Identifiers:
    """A column read as identifiers.

    Parameters
    ----------
    values
        Shape (n,), text, missing where empty.
    stray
        Shape (n,), bool: cells with blanks or invisible signs around or inside.
    as_decimal
        Shape (n,), bool: whole numbers written with decimals (``3.0``), read as ``3``.
    """

    values: pd.Series
    stray: np.ndarray
    as_decimal: np.ndarray


def read_identifiers(raw: pd.Series, missing: Missing) -> Identifiers:
    """Return a raw column as identifiers: text without stray blanks, ``3.0`` as ``3``.

    Examples
    --------
    >>> read_identifiers(pd.Series([" 3", 3.0, "3"], dtype=object), missing_rule(())).values.tolist()
    ['3', '3', '3']
    """
    codes, cells = distinct(raw)
    negative = {f"{code:g}" for code in missing.codes if code < 0}  # 99 may be a person, −99 is none
    names: list[str | None] = []
    stray = np.zeros(len(cells) + 1, dtype=bool)
    as_decimal = np.zeros(len(cells) + 1, dtype=bool)
    for position, cell in enumerate(cells):
        name, stray[position], as_decimal[position] = _identifier(cell)
        names.append(None if name in missing.words or name in negative else name)
    values = np.array([*names, None], dtype=object)[codes]
    # a numeric column is 3.0 throughout because a table of floats can hold nothing else: no fault of the user's
    if pd.api.types.is_numeric_dtype(raw.dtype):
        as_decimal[:] = False
    return Identifiers(pd.Series(values, index=raw.index, dtype="str"), stray[codes], as_decimal[codes])


def _identifier(cell: object) -> tuple[str, bool, bool]:
    """Return one identifier, whether it had stray signs, and whether it was a whole number with decimals."""
    if isinstance(cell, bool | np.bool_):
        return str(cell), False, False
    if isinstance(cell, int | np.integer):
        return str(int(cell)), False, False
    if isinstance(cell, float | np.floating):
        number = float(cell)
        return (str(int(number)), False, True) if number.is_integer() else (repr(number), False, False)
    text = str(cell)
    clean = clean_name(text)
    if _WHOLE_AS_DECIMAL.fullmatch(clean):
        return re.split(r"[.,]", clean)[0], clean != text, True
    return clean, clean != text, False


def clean_name(text: str) -> str:
    """Return text without invisible signs and with single blanks, in the composed Unicode form.

    ``Zoë`` typed on one machine and on another may differ in code points; both become the same name.
    """
    visible = text.translate(_INVISIBLE).translate(_DIRECTION)
    return " ".join(unicodedata.normalize("NFC", visible).split())


@dataclass(frozen=True, slots=True)
class Dates:
    """A column read as dates.

    Parameters
    ----------
    values
        Shape (n,), datetime64, missing where empty or unreadable.
    bad
        Shape (n,), bool: cells that are no date.
    format
        How they are written, in words.
    ambiguous
        Whether day and month could be the other way round in every cell.
    """

    values: pd.Series
    bad: np.ndarray
    format: str
    ambiguous: bool


def read_dates(raw: pd.Series, missing: Missing) -> Dates:
    """Return a raw column as dates: real dates, ISO and common written forms, Excel's day numbers."""
    if pd.api.types.is_datetime64_any_dtype(raw.dtype):
        values = raw.dt.tz_localize(None) if getattr(raw.dt, "tz", None) is not None else raw
        return Dates(values.astype("datetime64[s]"), np.zeros(len(raw), dtype=bool), "dates", False)
    codes, cells = distinct(raw)
    if len(cells) == 0:
        empty = pd.Series(np.full(len(raw), np.datetime64("NaT", "s"), dtype="datetime64[s]"), index=raw.index)
        return Dates(empty, np.zeros(len(raw), dtype=bool), "empty", False)
    parsed, bad, written, ambiguous = _dates(cells, missing)
    values = np.append(parsed, np.datetime64("NaT", "s"))[codes]
    return Dates(pd.Series(values, index=raw.index), np.append(bad, False)[codes], written, ambiguous)


def _dates(cells: np.ndarray, missing: Missing) -> tuple[np.ndarray, np.ndarray, str, bool]:
    """Return distinct cells as dates, which are none, the written form, and whether it is ambiguous."""
    texts = pd.Series([_date_text(cell) for cell in cells], dtype="str")
    absent = texts.isin(missing.words).to_numpy()
    best = np.full(len(cells), np.datetime64("NaT", "s"), dtype="datetime64[s]")
    written, readings = "no known form", []
    numbers = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=float)
    serial = (numbers > EXCEL_SERIALS[0]) & (numbers < EXCEL_SERIALS[1])
    if serial[~absent].all() and (~absent).any():
        days = EXCEL_EPOCH + pd.to_timedelta(np.where(serial, numbers, np.nan), unit="D")
        return np.asarray(days, dtype="datetime64[s]"), np.zeros(len(cells), dtype=bool), "day numbers of Excel", False
    for pattern, words in DATE_FORMATS:
        times = pd.to_datetime(_date_part(texts), format=pattern, errors="coerce").to_numpy().astype("datetime64[s]")
        good = int((~np.isnat(times)).sum())
        if good:
            readings.append((good, times, words))
        if good > int((~np.isnat(best)).sum()):
            best, written = times, words
    most = int((~np.isnat(best)).sum())
    rivals = [times for good, times, _ in readings if good == most]
    ambiguous = any(not np.array_equal(times, best, equal_nan=False) and not _same(times, best) for times in rivals)
    return best, np.isnat(best) & ~absent, written, ambiguous


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two readings of the same cells agree wherever they are dates."""
    return bool(np.all((one == other) | (np.isnat(one) & np.isnat(other))))


def _date_text(cell: object) -> str:
    """Return one cell as text; dates in ISO form, whole floats without decimals."""
    if hasattr(cell, "isoformat"):
        return str(cell.isoformat())
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def _date_part(texts: pd.Series) -> pd.Series:
    """Return the part before a time of day (``2024-05-01T10:00``, ``1.5.2024 10:00``)."""
    return texts.str.replace(r"[T ]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?Z?$", "", regex=True)
