"""The level of each variable, and its values at that level.

A value that belongs to a client may be repeated on the session sheet; it is moved to the client
table when it is the same in all of the client's rows, and refused when it is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .config import SESSION_ROLES, Level
from .faults import Faults
from .keys import Keys
from .raw_table import RawTable
from .resolve import FIXED_ROLES, Resolved
from .variable import Variable


@dataclass(frozen=True, slots=True)
class Placed:
    """A variable with its values where it belongs.

    Parameters
    ----------
    variable
        The resolved variable.
    values
        Session level: index of the session table's rows; client and therapist level: index of
        identifiers, one value each.
    resolved
        As it was found in its file.
    """

    variable: Variable
    values: pd.Series
    resolved: Resolved


def place(
    one: Resolved, table: RawTable, keys: Keys, ids: Mapping[Level, pd.Series | None], found: Faults
) -> Placed | None:
    """Return a variable at its level, or ``None`` after recording why it has none.

    Parameters
    ----------
    one
        The variable as found.
    table
        The table it was found in.
    keys
        Keys of the session table.
    ids
        Identifiers of the client and the therapist table, where there are any.
    found
        Receives the faults.
    """
    values = one.values
    if one.categories:
        values = values.astype(pd.CategoricalDtype(list(one.categories)))
    if one.table == "session":
        return _from_sessions(one, values, table, keys, found)
    owner = ids[one.table]
    if owner is None:  # the missing key column was recorded already
        return None
    if one.table == "client" and _belongs_to_therapist(one):
        # a therapist's attachment repeated for each client
        therapist = _therapist_of(owner, keys)
        if therapist is None:
            _no_therapists(one, table, found)
            return None
        return _constant(one, values, therapist, "therapist", table, found)
    listed = owner.notna()
    return _placed(one, pd.Series(values[listed].array, index=pd.Index(owner[listed], dtype="str")), one.table)


def _from_sessions(one: Resolved, values: pd.Series, table: RawTable, keys: Keys, found: Faults) -> Placed | None:
    """Return a variable that stands on the session sheet at its level."""
    section, client = one.section, keys.frame["client"]
    therapist = keys.frame.get("therapist")
    if section.level == "session" or (section.level is None and section.role in SESSION_ROLES):
        return _placed(one, values, "session")
    if section.level == "therapist" or (section.level is None and _belongs_to_therapist(one)):
        if therapist is None:
            _no_therapists(one, table, found)
            return None
        return _constant(one, values, therapist, "therapist", table, found)
    if section.level == "client" or section.role in FIXED_ROLES:
        return _constant(one, values, client, "client", table, found)
    # covariates and moderators: of the client where they never change within one, else of the session
    if varying_rows(values, client).any():
        rule = f"variables.{one.name} changes within clients; it is taken as a variable of the session."
        found.add("note", table.file, one.columns[0], rule, None, 'Declare level = "client" if it should not change.')
        return _placed(one, values, "session")
    return _constant(one, values, client, "client", table, found)


def _no_therapists(one: Resolved, table: RawTable, found: Faults) -> None:
    """Record that a therapist's variable has no therapists to belong to."""
    rule = f"variables.{one.name} belongs to therapists, and the study has none."
    remedy = 'Add therapist = "…" to [columns], or declare level = "client".'
    found.add("error", table.file, one.columns[0], rule, None, remedy)


def _belongs_to_therapist(one: Resolved) -> bool:
    """Whether a variable describes therapists by its role and rater."""
    return one.section.level == "therapist" or (
        one.section.level is None
        and one.section.rater == "therapist"
        and one.section.role in ("attachment_anxiety", "attachment_avoidance")
    )


def _therapist_of(clients: pd.Series, keys: Keys) -> pd.Series | None:
    """Return the therapist of each row of the client table, missing where there are several."""
    if "therapist" not in keys.frame:
        return None
    pairs = keys.frame[["client", "therapist"]].dropna().drop_duplicates()
    pairs = pairs[~pairs["client"].duplicated(keep=False)]
    return clients.map(pairs.set_index("client")["therapist"]).astype("str")


def varying_rows(values: pd.Series, owner: pd.Series) -> np.ndarray:
    """Return which rows differ from the owner's first known value; shape (n,), bool."""
    known = values.notna() & owner.notna()
    first = values[known].groupby(owner[known].to_numpy()).transform("first") if known.any() else values[known]
    differs = np.zeros(len(values), dtype=bool)
    codes = (
        values[known].cat.codes.to_numpy()
        if isinstance(values.dtype, pd.CategoricalDtype)
        else values[known].to_numpy()
    )
    firsts = first.cat.codes.to_numpy() if isinstance(first.dtype, pd.CategoricalDtype) else first.to_numpy()
    differs[known.to_numpy()] = codes != firsts
    return differs


def _constant(
    one: Resolved, values: pd.Series, owner: pd.Series, level: Level, table: RawTable, found: Faults
) -> Placed | None:
    """Return one value per owner; refuse a variable that differs between an owner's rows."""
    differs = varying_rows(values, owner)
    if differs.any():
        rule = (
            f"variables.{one.name} (role {one.section.role}) has one value per {level}, "
            f"and this row has another than the {level}'s first row."
        )
        remedy = f'Make the {level}\'s rows agree, or declare level = "session" in [variables.{one.name}].'
        shown = [_shown(value) for value in values[differs]]
        found.add_rows("error", table.file, one.columns[0], rule, list(table.rows[differs]), shown, remedy)
        return None
    known = values.notna() & owner.notna()
    each = pd.Series(values[known].array, index=pd.Index(owner[known], dtype="str"))
    each = each[~each.index.duplicated()]
    return _placed(one, each, level)


def _shown(value: object) -> str:
    """Return a value as people write it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _placed(one: Resolved, values: pd.Series, level: Level) -> Placed:
    """Return the placed variable."""
    section = one.section
    variable = Variable(
        name=one.name,
        level=level,
        role=section.role,
        rater=section.rater,
        label=one.label,
        unit=one.unit,
        better=one.better,
        family=one.family,
        range=one.range,
        categories=one.categories,
    )
    return Placed(variable, values, one)
