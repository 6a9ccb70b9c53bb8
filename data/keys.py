"""Who and when: the identifiers, order, dates and blocks of every row, with their faults."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .cells import Missing, read_dates, read_identifiers, read_numbers
from .config import ColumnsSection
from .errors import Severity
from .faults import Faults, counted
from .raw_table import RawTable
from .study_file import suggestion

SHOWN_TEXT = 30  # characters of a text cell that a message repeats


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of one table.

    Parameters
    ----------
    frame
        One row per row of the table, same index: ``client``, ``block``, ``session``, ``row`` and,
        where declared, ``therapist``, ``date``, ``time`` (session table); only the identifier and
        ``row`` (client and therapist table).
    usable
        Shape (n,), bool: rows whose keys are complete.
    """

    frame: pd.DataFrame
    usable: np.ndarray


def session_keys(table: RawTable, columns: ColumnsSection, missing: Missing, found: Faults) -> Keys | None:
    """Return the keys of the session table, or ``None`` where a key column is missing.

    Parameters
    ----------
    table
        The session table as read.
    columns
        ``[columns]`` of the study file.
    missing
        What counts as missing.
    found
        Receives the faults.
    """
    wanted = {key: getattr(columns, key) for key in ("client", "session", "therapist", "date", "block", "time")}
    absent = [
        key
        for key, name in wanted.items()
        # the therapist may stand in the client table instead; the assembly looks there
        if name is not None and name not in table.frame.columns and key != "therapist"
    ]
    for key in absent:
        missing_column(table, f"columns.{key}", wanted[key] or "", found)
    if {"client", "session"} & set(absent):
        return None
    client = identifier_column(table, columns.client, missing, found, required=True)
    frame = pd.DataFrame({"client": client, "row": table.rows})
    frame["block"] = (
        _block_column(table, columns.block, missing, found) if columns.block and "block" not in absent else 0
    )
    session, as_date = _session_column(table, columns.session, missing, found)
    frame["session"] = session
    date = as_date
    if columns.date not in (None, columns.session) and "date" not in absent:
        date = _date_column(table, columns.date or "", missing, found)
    if columns.therapist is not None and columns.therapist in table.frame.columns:
        frame["therapist"] = identifier_column(table, columns.therapist, missing, found, required=False)
    if date is not None:
        frame["date"] = date
    if columns.time is not None and "time" not in absent:
        frame["time"] = number_column(table, columns.time, missing, found)
    usable = (frame["client"].notna() & frame["session"].notna()).to_numpy()
    if as_date is not None:
        frame["session"] = _order_of_dates(frame.assign(date=as_date))
    return Keys(frame, usable)


def missing_column(table: RawTable, key: str, name: str, found: Faults) -> None:
    """Record that a key of the study file points to a column which the file does not have."""
    choices = [str(column) for column in table.frame.columns]
    shown = choices if len(choices) <= 30 else [*choices[:30], f"… ({len(choices)} in all)"]
    remedy = (
        suggestion(name, choices)
        if len(choices) <= 30
        else f"{suggestion(name, choices).split('Valid')[0]}Columns: {', '.join(shown)}."
    )
    found.add("error", table.file, name, f"{key} names a column that the file does not have.", name, remedy)


def identifier_column(table: RawTable, name: str, missing: Missing, found: Faults, *, required: bool) -> pd.Series:
    """Return a column of identifiers as text, and record what had to be mended."""
    column = table.frame[name]
    read = read_identifiers(column, missing)
    absent = read.values.isna().to_numpy()
    stray = read.stray & ~absent
    if stray.any():
        rows = table.rows[stray]
        rule = "Identifiers have blanks or invisible signs around or inside them; they were read without."
        found.add(
            "warning",
            table.file,
            name,
            rule,
            counted(len(rows), "row"),
            "Clean the column at its source.",
            row=int(rows[0]),
        )
    mixed = read.as_decimal & ~absent
    if mixed.any():
        rows = table.rows[mixed]
        rule = 'Identifiers mix whole numbers and decimals ("3" and "3.0"); both were read as "3".'
        if mixed[~absent].all():
            rule = 'Identifiers are written with decimals ("3.0"); they were read as "3".'
        severity: Severity = "note" if mixed[~absent].all() else "warning"
        found.add(
            severity,
            table.file,
            name,
            rule,
            counted(len(rows), "row"),
            "Store identifiers as text or whole numbers.",
            row=int(rows[0]),
        )
    if required and absent.any():
        rule = "Every row needs an identifier, and this one is missing."
        found.add_rows(
            "error", table.file, name, rule, list(table.rows[absent]), None, "Enter the identifier or delete the row."
        )
    _look_alikes(table, name, read.values, found)
    return read.values


def _look_alikes(table: RawTable, name: str, values: pd.Series, found: Faults) -> None:
    """Warn of identifiers that differ only in capitals or leading zeros."""
    distinct = pd.Series(values.dropna().unique(), dtype="str")
    for rule, folded in (
        ("Identifiers differ only in capital letters; they are taken as different.", distinct.str.casefold()),
        (
            "Identifiers differ only in leading zeros; they are taken as different.",
            distinct.str.replace(r"^0+(?=\d)", "", regex=True),
        ),
    ):
        twins = folded.duplicated(keep=False)
        if twins.any():
            first = values.isin(distinct[twins]).to_numpy()
            row = int(table.rows[first][0])
            found.add(
                "warning",
                table.file,
                name,
                rule,
                f"{int(twins.sum())} identifiers",
                "If they are the same, write them alike.",
                row=row,
            )


def number_column(table: RawTable, name: str, missing: Missing, found: Faults) -> np.ndarray:
    """Return a column as numbers and record cells that are none."""
    column = table.frame[name]
    numbers = read_numbers(column, missing, table.decimal)
    text_faults(table, name, numbers.text, found)
    return numbers.values


def text_faults(table: RawTable, name: str, text: np.ndarray, found: Faults) -> None:
    """Record cells that should be numbers and are not; long text is cut, it may name people."""
    if not text.any():
        return
    cells = [
        str(cell) if len(str(cell)) <= SHOWN_TEXT else f"{str(cell)[:SHOWN_TEXT]}…" for cell in table.frame[name][text]
    ]
    commas = [cell for cell in cells if cell.count(",") == 1 and cell.replace(",", "").strip().lstrip("+-").isdigit()]
    remedy = "Write a number or leave the cell empty."
    repeated = max(set(cells), key=cells.count)
    if len(commas) == len(cells) and table.decimal == ".":
        remedy = 'If the comma is a decimal sign, declare decimal = "," in [data].'
    elif len(cells) > 1 and cells.count(repeated) == len(cells):
        remedy = f'If it means "missing", declare missing = ["{repeated.strip()}"] in [data]; else write a number.'
    found.add_rows(
        "error", table.file, name, "A number is expected and this is text.", list(table.rows[text]), cells, remedy
    )


def _date_column(table: RawTable, name: str, missing: Missing, found: Faults) -> pd.Series:
    """Return a column of dates and record what is no date or could be two."""
    read = read_dates(table.frame[name], missing)
    if read.bad.any():
        rows, cells = list(table.rows[read.bad]), [str(cell) for cell in table.frame[name][read.bad]]
        rule = "A date is expected."
        if (~read.bad).any() and read.values.notna().any():
            rule = f"A date is expected; the others are written {read.format}."
        found.add_rows(
            "error", table.file, name, rule, rows, cells, "Write dates as YYYY-MM-DD or leave the cell empty."
        )
    elif read.ambiguous:
        rule = "Day and month could be the other way round in every date."
        found.add(
            "error", table.file, name, rule, str(table.frame[name].dropna().iloc[0]), "Write dates as YYYY-MM-DD."
        )
    elif read.format not in {"dates", "empty", "YYYY-MM-DD"}:
        found.add(
            "note",
            table.file,
            name,
            f"Dates were read as {read.format}.",
            None,
            "To be sure, write them as YYYY-MM-DD.",
        )
    return read.values


def _block_column(table: RawTable, name: str, missing: Missing, found: Faults) -> np.ndarray:
    """Return blocks as whole numbers: as they stand, or numbered by first appearance where they are text."""
    numbers = read_numbers(table.frame[name], Missing(missing.words, ()), table.decimal)
    whole = numbers.values[~np.isnan(numbers.values)]
    if not numbers.text.any() and np.all(whole == np.round(whole)):
        absent = np.isnan(numbers.values)
        values = np.where(absent, 0, numbers.values).astype(np.int64)
    else:
        codes, _ = pd.factorize(read_identifiers(table.frame[name], missing).values)
        absent = codes < 0
        values = np.asarray(codes, dtype=np.int64) + 1
    if absent.any():
        rule = "Every row needs its block, and this one is missing."
        found.add_rows("error", table.file, name, rule, list(table.rows[absent]), None, "Enter the block.")
    return values


def _session_column(table: RawTable, name: str, missing: Missing, found: Faults) -> tuple[pd.Series, pd.Series | None]:
    """Return the order within client (missing where there is none), and the dates where it is a date."""
    column = table.frame[name]
    numbers = read_numbers(column, _negative_codes(missing), table.decimal)
    values = numbers.values
    dated = pd.api.types.is_datetime64_any_dtype(column.dtype)
    if not dated and numbers.text.sum() > (~np.isnan(values)).sum():
        dated = bool(read_dates(column, missing).values.notna().sum() * 2 > numbers.text.sum())
    if dated:
        before = len(found.errors)
        dates = _date_column(table, name, missing, found)
        rule = "Sessions were numbered within clients by their dates."
        found.add("note", table.file, name, rule, None, "Nothing to do.")
        if len(found.errors) == before:  # cells that are no date were recorded already
            _missing_session(table, name, dates.isna().to_numpy(), found)
        return pd.Series(np.where(dates.isna(), np.nan, 1.0), index=column.index), dates
    text_faults(table, name, numbers.text, found)
    broken = ~np.isnan(values) & (values != np.round(values))
    if broken.any():
        cells = [f"{value:g}" for value in values[broken]]
        remedy = "Number the sessions 1, 2, 3, …; put other times into a column of their own and name it columns.time."
        rows = list(table.rows[broken])
        found.add_rows("error", table.file, name, "A session's number is a whole number.", rows, cells, remedy)
    _missing_session(table, name, np.isnan(values) & ~numbers.text, found)
    return pd.Series(np.where(broken, np.nan, values), index=column.index), None


def _negative_codes(missing: Missing) -> Missing:
    """Return the rule for keys: 99 may be a real session or therapist, −99 cannot."""
    return Missing(missing.words, tuple(code for code in missing.codes if code < 0))


def _missing_session(table: RawTable, name: str, absent: np.ndarray, found: Faults) -> None:
    """Record rows without a session number or date."""
    if absent.any():
        rule = "Every row needs its session (number or date), and this one is missing."
        found.add_rows("error", table.file, name, rule, list(table.rows[absent]), None, "Enter it or delete the row.")


def _order_of_dates(frame: pd.DataFrame) -> pd.Series:
    """Return 1..n within client and block by date; equal dates share a number, so that duplicates show."""
    return frame.groupby(["client", "block"], dropna=False)["date"].rank(method="dense")
