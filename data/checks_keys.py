"""Checks of who and when: duplicates, restarts, gaps, dates, therapists."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .config import StudyConfig
from .faults import Faults, counted
from .keys import Keys
from .raw_table import RawTable

KEY = ["client", "block", "session"]


def check_keys(table: RawTable, keys: Keys, config: StudyConfig, found: Faults) -> None:
    """Record what is wrong with the keys of the session table.

    Parameters
    ----------
    table
        The session table.
    keys
        Its keys.
    config
        The study file.
    found
        Receives the faults.
    """
    frame = keys.frame[keys.usable]
    if frame.empty:
        return
    _duplicates(table, frame, config, found)
    ordered = frame.sort_values(KEY, kind="stable")
    _gaps(table, ordered, config, found)
    if "date" in ordered:
        _dates(table, ordered, config, found)
    if "time" in ordered:
        _times(table, ordered, config, found)


def _duplicates(table: RawTable, frame: pd.DataFrame, config: StudyConfig, found: Faults) -> None:
    """Record rows that repeat a client's session; where numbers start again, say so instead."""
    repeated = frame.duplicated(KEY, keep="first")
    if not repeated.any():
        return
    if config.columns.block is None:
        repeated &= ~_restarts(table, frame, repeated, config, found)
    first_row = frame.groupby(KEY)["row"].transform("min")
    rows = frame["row"][repeated].tolist()
    values = [f"as in row {row}" for row in first_row[repeated]]
    same = "client, block and session" if config.columns.block is not None else "client and session"
    rule = f"Two rows have the same {same}."
    remedy = "Delete one of the rows, or correct the session or the client."
    found.add_rows("error", table.file, config.columns.session, rule, rows, values, remedy)


def _restarts(
    table: RawTable, frame: pd.DataFrame, repeated: pd.Series, config: StudyConfig, found: Faults
) -> pd.Series:
    """Record clients whose numbers start again; return which repeated rows that explains.

    Numbers start again where, in the order of the file, a client's number falls back to the
    client's smallest and at least two rows repeat earlier ones; one such row is a plain duplicate.
    """
    clients = frame.groupby("client")["session"]
    starts = (clients.diff() < 0) & (frame["session"] == clients.transform("min"))
    repeats = repeated.groupby(frame["client"]).transform("sum")
    explained = starts.groupby(frame["client"]).transform("any") & (repeats > 1) & repeated
    if explained.any():
        rule = "Session numbers start again within a client, so that rows have the same client and session."
        several, rows = frame["client"][explained].nunique(), int(explained.sum())
        value = f"{counted(several, 'client')}, {counted(rows, 'repeated row')}"
        remedy = (
            'If treatment has phases, add a column that numbers them and declare block = "…" in [columns]; '
            "otherwise number the sessions on."
        )
        first = int(frame["row"][starts & frame["client"].isin(frame["client"][explained])].iloc[0])
        found.add("error", table.file, config.columns.session, rule, value, remedy, row=first)
    return explained


def _gaps(table: RawTable, ordered: pd.DataFrame, config: StudyConfig, found: Faults) -> None:
    """Note clients whose session numbers skip some."""
    step = ordered.groupby(["client", "block"])["session"].diff().to_numpy()
    steps = step[step > 0]
    if len(steps) == 0:
        return
    sizes, counts = np.unique(steps, return_counts=True)
    usual = sizes[np.argmax(counts)]
    gap = step > usual
    if gap.any():
        rule = "Session numbers skip some sessions; a lag never crosses such a gap unless max_gap allows it."
        value = f"{counted(int(gap.sum()), 'gap')} in {counted(ordered['client'][gap].nunique(), 'client')}"
        row = int(ordered["row"].to_numpy()[gap].min())
        remedy = "Nothing to do if these sessions were missed or not rated; else complete the numbers."
        found.add("note", table.file, config.columns.session, rule, value, remedy, row=row)


def _dates(table: RawTable, ordered: pd.DataFrame, config: StudyConfig, found: Faults) -> None:
    """Record sessions that are dated before an earlier session of the same client and block."""
    known = ordered[ordered["date"].notna()]
    groups = known.groupby(["client", "block"])
    days = groups["date"].diff().dt.days
    backwards = (days < 0).to_numpy()
    if not backwards.any():
        return
    previous = groups["row"].shift()
    rows = known["row"][backwards].tolist()
    values = [
        f"{counted(int(-gap), 'day')} before the session in row {int(row)}"
        for gap, row in zip(days[backwards], previous[backwards], strict=True)
    ]
    rule = "A later session has an earlier date."
    remedy = "Correct the date or the session number, or empty the cell of a date that is unknown."
    found.add_rows("error", table.file, config.columns.date or config.columns.session, rule, rows, values, remedy)


def _times(table: RawTable, ordered: pd.DataFrame, config: StudyConfig, found: Faults) -> None:
    """Warn of sessions whose declared time is not later than that of an earlier session."""
    known = ordered[ordered["time"].notna()]
    stuck = (known.groupby(["client", "block"])["time"].diff() <= 0).to_numpy()
    if stuck.any():
        rule = "A later session does not have a later time."
        value = f"{counted(int(stuck.sum()), 'session')} of {counted(known['client'][stuck].nunique(), 'client')}"
        row = int(known["row"][stuck].min())
        remedy = "Correct the time or the session number."
        found.add("warning", table.file, config.columns.time, rule, value, remedy, row=row)
