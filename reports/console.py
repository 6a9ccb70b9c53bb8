"""How commands speak: results on stdout, everything else on stderr; tables for people, JSON for programs."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ..data.errors import Fault, InputError, SafezoneError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Row = Mapping[str, object]
LOG_WIDTH = 160  # in a pipe or log there is no terminal to ask


@dataclass(frozen=True, slots=True)
class Voice:
    """Where a command's words go, and in which form.

    Parameters
    ----------
    out, err
        Consoles on stdout and stderr.
    json
        Print results as JSON.
    quiet
        Say nothing but results and errors.
    """

    out: Console
    err: Console
    json: bool
    quiet: bool

    def answer(self, content: Mapping[str, object], *parts: Table | str) -> None:
        """Print a result: its content as JSON if that is wanted, else the parts for people."""
        if self.json:
            sys.stdout.write(json.dumps(plain(content), ensure_ascii=False, indent=1, allow_nan=False) + "\n")
            return
        for part in parts:
            self.out.print(part, highlight=False, markup=False, soft_wrap=isinstance(part, str))

    def say(self, text: str) -> None:
        """Print a message for people on stderr, unless quiet."""
        if not self.quiet:
            self.err.print(text, highlight=False, markup=False, soft_wrap=True)

    def report_faults(self, faults: Sequence[Fault]) -> None:
        """Print findings about the input on stderr: a table in a terminal, one line each in a log."""
        if not faults:
            return
        if self.err.is_terminal:
            self.err.print(fault_table(faults))
            return
        for fault in faults:
            self.err.print(f"{fault.severity}: {fault}", highlight=False, markup=False, soft_wrap=True)

    def refuse(self, error: SafezoneError) -> None:
        """Print an error that safezone raised on purpose, with every fault that it carries."""
        faults = error.faults if isinstance(error, InputError) else ()
        if self.json:
            self.answer({"error": type(error).__name__, "faults": [asdict(fault) for fault in faults]})
        if faults:
            self.report_faults(faults)
            errors = sum(fault.severity == "error" for fault in faults)
            self.err.print(f"{errors} error{'' if errors == 1 else 's'}; nothing was written.", style="bold red")
        else:
            self.err.print(str(error), style="bold red", highlight=False, markup=False, soft_wrap=True)

    def crash(self, error: BaseException) -> None:
        """Print what kind of unexpected error it was and where, but not its text, which may quote data."""
        place = ""
        trace = error.__traceback__
        while trace is not None:
            module = str(trace.tb_frame.f_globals.get("__name__", ""))
            if module.startswith("safezone"):
                place = f" in {module}, line {trace.tb_lineno}"
            trace = trace.tb_next
        self.err.print(
            f"safezone met an internal error ({type(error).__name__}{place}). It is not your data's fault. "
            "Run the same command with --debug to see the traceback, which may quote data.",
            style="bold red",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def voice(*, json: bool = False, quiet: bool = False, no_color: bool = False) -> Voice:
    """Return the voice for a command's flags.

    Parameters
    ----------
    json
        Results as JSON.
    quiet
        No messages.
    no_color
        No colours, even in a terminal; the environment variable ``NO_COLOR`` does the same.

    Returns
    -------
    Voice
        Consoles that suit where stdout and stderr go.
    """
    return Voice(_console(no_color=no_color), _console(no_color=no_color, stderr=True), json, quiet)


def _console(*, no_color: bool, stderr: bool = False) -> Console:
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else LOG_WIDTH
    # None lets Rich ask the environment.
    return Console(stderr=stderr, no_color=no_color or None, width=width)


def fault_table(faults: Sequence[Fault]) -> Table:
    """Return findings as a table: where, what rule, what value, what to do."""
    rows = [
        {
            "": fault.severity,
            "where": ", ".join(
                part
                for part in (fault.file, "" if fault.row is None else f"row {fault.row}", fault.column or "")
                if part
            ),
            "rule": fault.rule,
            "found": fault.value,
            "what to do": fault.remedy,
        }
        for fault in faults
    ]
    return table("", rows)


def table(title: str, rows: Sequence[Row], columns: Sequence[str] | None = None) -> Table:
    """Return rows as a table for people.

    Parameters
    ----------
    title
        Printed above the table.
    rows
        One mapping per row, column name to value.
    columns
        Columns to show, in order; those of the first row by default.

    Returns
    -------
    rich.table.Table
        Numbers to the right, text to the left; no vertical rules.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    shown = list(columns if columns is not None else (rows[0] if rows else ()))
    made = Table(title=title or None, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for name in shown:
        numeric = any(isinstance(row.get(name), int | float) for row in rows)
        made.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text(_cell(row.get(name))) for name in shown))
    return made


def _cell(value: object) -> str:
    """Return a cell's text; numbers with three decimals at most."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".") if abs(value) < 1e6 else f"{value:.3g}"
    if isinstance(value, list | tuple):
        return "; ".join(map(str, value))
    return str(value)


def plain(value: object) -> object:
    """Return a value as JSON can carry it: paths as text, not-a-number as null.

    Examples
    --------
    >>> from pathlib import Path
    >>> plain({"file": Path("a.csv"), "mean": float("nan")})
    {'file': 'a.csv', 'mean': None}
    """
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if hasattr(value, "item"):  # a NumPy scalar
        return plain(value.item())
    return str(value)
