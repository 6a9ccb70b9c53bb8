"""Collecting faults: all of them in one pass, none of them a thousand times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from .errors import Fault, InputError, Severity

if TYPE_CHECKING:
    import pandas as pd

SHOWN_ROWS = 20  # rows named one by one per rule and column; the rest is counted
COLUMNS = ("severity", "file", "row", "column", "rule", "value", "remedy")


class Faults:
    """A growing list of faults: the checks write into it, ``read_study`` reads it out."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._faults: list[Fault] = list(faults)

    def add(
        self,
        severity: Severity,
        file: str,
        column: str | None,
        rule: str,
        value: str | None,
        remedy: str,
        *,
        row: int | None = None,
    ) -> None:
        """Record one fault; ``row`` is the row of the file (the header is row 1)."""
        self._faults.append(Fault(severity, file, row, column, rule, value, remedy))

    def add_rows(
        self,
        severity: Severity,
        file: str,
        column: str | None,
        rule: str,
        rows: Sequence[int],
        values: Sequence[str] | None,
        remedy: str,
    ) -> None:
        """Record the same fault in many rows: the first ones by row, the rest as a count.

        Parameters
        ----------
        severity, file, column, rule, remedy
            As in :class:`~safezone.data.errors.Fault`.
        rows
            Rows of the file, in order.
        values
            What stands in each row, or ``None`` where it would disclose a participant.
        """
        for position, row in enumerate(rows[:SHOWN_ROWS]):
            value = None if values is None else values[position]
            self._faults.append(Fault(severity, file, int(row), column, rule, value, remedy))
        rest = len(rows) - SHOWN_ROWS
        if rest > 0:
            self._faults.append(Fault(severity, file, None, column, rule, f"… and {rest} more", remedy))

    def extend(self, faults: Iterable[Fault]) -> None:
        """Record faults that were collected elsewhere."""
        self._faults.extend(faults)

    @property
    def errors(self) -> tuple[Fault, ...]:
        """Return the faults that stop every command."""
        return tuple(fault for fault in self._faults if fault.severity == "error")

    def all(self) -> tuple[Fault, ...]:
        """Return every fault once, errors first, then warnings, then notes."""
        order = {"error": 0, "warning": 1, "note": 2}
        return tuple(sorted(dict.fromkeys(self._faults), key=lambda fault: order[fault.severity]))

    def stop_on_errors(self) -> None:
        """Raise all faults together when at least one is an error.

        Raises
        ------
        InputError
            With every fault found so far, errors first.
        """
        if self.errors:
            raise InputError(*self.all())


def counted(number: int, noun: str) -> str:
    """Return a number with its noun in the right number.

    Examples
    --------
    >>> counted(1, "client"), counted(3, "client")
    ('1 client', '3 clients')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def faults_frame(faults: Iterable[Fault]) -> pd.DataFrame:
    """Return faults as the table ``data/checks.csv``.

    Parameters
    ----------
    faults
        Faults of a study (``study.faults``) or of an error (``error.faults``).

    Returns
    -------
    pandas.DataFrame
        Columns ``severity, file, row, column, rule, value, remedy``; one row per fault.

    Examples
    --------
    >>> from safezone.data.errors import Fault
    >>> fault = Fault("warning", "sessions.csv", 7, "saf", "A rating is text.", "six", "Write a number.")
    >>> faults_frame([fault])["row"].tolist()
    [7]
    """
    import pandas as pd

    table = pd.DataFrame([[getattr(fault, name) for name in COLUMNS] for fault in faults], columns=list(COLUMNS))
    table["row"] = table["row"].astype("Int64")
    return table
