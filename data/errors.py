"""What can go wrong, said so that the reader can mend it.

Every error names where (file, row, column or key), the rule, the value got, and the remedy.
The exit codes are a public contract: 0 fine, 1 internal, 2 the input is wrong, 3 diagnostics
failed, 4 published numbers moved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One finding about the input, with its remedy.

    Parameters
    ----------
    severity
        ``error`` stops every command; ``warning`` and ``note`` are reported and carried on.
    file
        File name as the user wrote it (never an absolute path).
    row
        1-based row of the file as a spreadsheet shows it (the header is row 1), or ``None``.
    column
        Column of the data file or dotted key of the study file, or ``None``.
    rule
        The rule that the input breaks, as a sentence.
    value
        What was found instead, or ``None`` where the value would disclose a participant.
    remedy
        What to do about it.
    """

    severity: Severity
    file: str
    row: int | None
    column: str | None
    rule: str
    value: str | None
    remedy: str

    def __str__(self) -> str:
        """Return the fault as one line: where, rule, value, remedy."""
        where = self.file
        if self.row is not None:
            where += f", row {self.row}"
        if self.column is not None:
            where += f", {self.column}"
        got = "" if self.value is None else f" Found: {self.value}."
        return f"{where}: {self.rule}{got} {self.remedy}"


class SafezoneError(Exception):
    """Base of every error that safezone raises on purpose."""

    exit_code: ClassVar[int] = 1


class InputError(SafezoneError):
    """The study file or the data break a rule; carries every fault found, not the first."""

    exit_code: ClassVar[int] = 2

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults
        super().__init__("\n".join(str(fault) for fault in faults))


class DiagnosticsError(SafezoneError):
    """A fit did not pass its diagnostics and must not be trusted."""

    exit_code: ClassVar[int] = 3


class NumbersMovedError(SafezoneError):
    """A published number moved by more than its Monte Carlo error, or a decision flipped."""

    exit_code: ClassVar[int] = 4
