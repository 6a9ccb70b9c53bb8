"""Checks of clients and therapists, and of whether there is anything to learn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from .config import Level, StudyConfig
from .errors import Severity
from .faults import Faults, counted
from .keys import Keys
from .placement import Placed
from .raw_table import RawTable

FEW_THERAPISTS = 5  # below this, differences between therapists cannot be learned from the data


def check_units(
    raw: Mapping[Level, RawTable],
    keys: Keys,
    ids: Mapping[Level, pd.Series | None],
    config: StudyConfig,
    found: Faults,
) -> None:
    """Record clients and therapists that do not match between files, or are too few.

    Parameters
    ----------
    raw
        The tables as read.
    keys
        Keys of the session table.
    ids
        Identifiers of the client and therapist table, where there are any.
    config
        The study file.
    found
        Receives the faults.
    """
    frame = keys.frame[keys.usable]
    if frame.empty:
        return
    sheet = raw["session"]
    _matching("client", frame, ids["client"], raw, config.columns.client, found)
    _few_clients(sheet, frame, config, found)
    if "therapist" not in frame:
        return
    column = config.columns.therapist or "therapist"
    file = sheet.file if column in sheet.frame.columns else raw["client"].file
    _matching("therapist", frame, ids["therapist"], raw, column, found)
    known = frame["therapist"].notna()
    if not known.any():
        rule = "The column of therapists is empty."
        found.add("error", file, column, rule, None, "Enter the therapists, or delete `therapist` from [columns].")
        return
    if not known.all():
        rows = frame["row"][~known]
        rule = "The therapist is unknown in some sessions; they count as seen by no known therapist."
        value = f"{counted(len(rows), 'session')} of {counted(frame['client'][~known].nunique(), 'client')}"
        row = int(rows.iloc[0]) if file == sheet.file else None  # a row of the client table is not known here
        found.add("warning", file, column, rule, value, "Enter the therapist where it can be known.", row=row)
    _therapists_of_clients(file, frame[known], column, found)
    _few_therapists(file, frame["therapist"].nunique(), column, found)


def _matching(
    level: Level,
    frame: pd.DataFrame,
    listed: pd.Series | None,
    raw: Mapping[Level, RawTable],
    column: str,
    found: Faults,
) -> None:
    """Record units that stand in one file only."""
    if listed is None:
        return
    table, sheet = raw[level], raw["session"]
    unlisted = frame[level].notna() & ~frame[level].isin(listed)
    first = frame[unlisted].drop_duplicates(level)
    if len(first) and len(first) == frame[level].nunique():
        rule = f"No {level} of {sheet.file} occurs in {table.file}."
        remedy = "Write identifiers alike in both files (leading zeros, prefixes, capitals)."
        found.add("error", table.file, column, rule, f"{counted(len(first), level)}", remedy)
        return
    if len(first):
        rule = (
            f"A {level} has sessions but no row in {table.file}; what that file says of {level}s is missing for them."
        )
        remedy = f"Add the {level} to {table.file}, or correct the identifier."
        found.add_rows("warning", sheet.file, column, rule, first["row"].tolist(), None, remedy)
    idle = listed.notna() & ~listed.isin(frame[level])
    if idle.any():
        rule = f"A {level} of {table.file} has no session."
        value = f"{counted(int(idle.sum()), level)} of {int(listed.notna().sum())}"
        remedy = "Nothing to do if none was held or rated; they stay in the participant flow."
        row = int(table.rows[idle.to_numpy()][0])
        found.add("note", table.file, column, rule, value, remedy, row=row)


def _few_clients(sheet: RawTable, frame: pd.DataFrame, config: StudyConfig, found: Faults) -> None:
    """Warn where clients or their sessions are too few to separate within from between."""
    sizes = frame["client"].value_counts()
    if len(sizes) == 1:
        rule = "There is one client; nothing can be learned of differences between clients."
        remedy = "Read results as those of a single case; models with client effects rest on their priors."
        found.add("warning", sheet.file, config.columns.client, rule, "1 client", remedy)
    if sizes.max() == 1:
        rule = "Every client has one session; within-client effects, lags and change cannot be learned."
        remedy = "Add further sessions, or read between-client results only."
        found.add("warning", sheet.file, config.columns.session, rule, counted(len(sizes), "client"), remedy)
    elif (sizes == 1).any():
        rule = "Some clients have one session; they say nothing of within-client effects and change."
        value = f"{counted(int((sizes == 1).sum()), 'client')} of {len(sizes)}"
        found.add("note", sheet.file, config.columns.session, rule, value, "Nothing to do.")


def _therapists_of_clients(file: str, frame: pd.DataFrame, column: str, found: Faults) -> None:
    """Warn of clients who were seen by several therapists."""
    pairs = frame.drop_duplicates(["client", "therapist"])
    several = pairs["client"].duplicated(keep="first")
    if several.any():
        rule = "Some clients have more than one therapist; each session counts for the therapist who held it."
        clients = pairs["client"][several].nunique()
        value = f"{counted(clients, 'client')} of {frame['client'].nunique()}"
        remedy = "Nothing to do if clients changed therapists; else correct the therapist in these rows."
        row = int(pairs["row"][several].iloc[0])
        found.add("warning", file, column, rule, value, remedy, row=row)


def _few_therapists(file: str, therapists: int, column: str, found: Faults) -> None:
    """Warn where therapists are too few to learn how they differ."""
    if therapists >= FEW_THERAPISTS:
        return
    if therapists == 1:
        rule = "There is one therapist; nothing can be learned of differences between therapists."
    else:
        rule = (
            f"There are fewer than {FEW_THERAPISTS} therapists; how much therapists differ rests mostly on its prior."
        )
    remedy = "Report it as a limit, or set therapist_level = false in the models."
    found.add("warning", file, column, rule, counted(therapists, "therapist"), remedy)


def check_spread(placed: Sequence[Placed], raw: Mapping[Level, RawTable], found: Faults) -> None:
    """Record variables without any value, and those that never vary.

    Parameters
    ----------
    placed
        Variables at their levels.
    raw
        The tables as read.
    found
        Receives the faults; columns that have an error already are passed over.
    """
    wrong = {(fault.file, fault.column) for fault in found.errors}
    for one in placed:
        file, column = raw[one.resolved.table].file, one.resolved.columns[0]
        if any((file, name) in wrong for name in one.resolved.columns):
            continue
        shown = column if len(one.resolved.columns) == 1 else ", ".join(one.resolved.columns)
        known = one.values.dropna()
        name = one.variable.name
        if known.empty:
            rule = f"variables.{name} has no value at all."
            remedy = f"Enter values, point to another column, or delete [variables.{name}] from the study file."
            found.add("error", file, shown, rule, None, remedy)
        elif known.nunique() == 1:  # noqa: PD101 - missing values do not make a constant vary
            rule = f"variables.{name} has the same value everywhere, so that nothing can be learned from it."
            remedy = f"Point to another column, or delete [variables.{name}] from the study file."
            severity: Severity = (
                "error" if len(known) > 2 else "warning"
            )  # one or two units: the lack of units is the fault
            value = f"{known.iloc[0]:g}" if isinstance(known.iloc[0], float) else str(known.iloc[0])
            found.add(severity, file, shown, rule, f"{value} in all {len(known)}", remedy)
