"""From raw tables to the canonical ones: sessions, clients, therapists."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from .cells import Missing, clean_name, missing_rule
from .checks_keys import check_keys
from .checks_units import check_spread, check_units
from .checks_values import check_values
from .config import DataSection, Level, StudyConfig
from .errors import InputError
from .faults import Faults
from .keys import Keys, identifier_column, missing_column, session_keys
from .placement import Placed, place
from .raw_table import RawTable
from .readers import read_table
from .resolve import resolve
from .variable import Variable


@dataclass(frozen=True)
class Tables:
    """The canonical tables and what was found on the way (see :class:`safezone.data.study.Study`)."""

    sessions: pd.DataFrame
    clients: pd.DataFrame
    therapists: pd.DataFrame
    variables: dict[str, Variable]
    faults: Faults
    items: dict[str, pd.DataFrame]


def assemble(config: StudyConfig, folder: Path) -> Tables:
    """Read, check and arrange the data of a study.

    Parameters
    ----------
    config
        The study file.
    folder
        The study file's folder; paths in ``[data]`` are relative to it.

    Returns
    -------
    Tables
        Canonical tables, resolved variables, warnings and notes.

    Raises
    ------
    InputError
        With every fault found, when at least one is an error.
    """
    found = Faults()
    missing = missing_rule(config.data.missing)
    raw = _read_all(config, folder, found)
    if "session" not in raw:
        raise InputError(*found.all())
    config = _with_clean_names(config)
    keys = session_keys(raw["session"], config.columns, missing, found)
    ids: dict[Level, pd.Series | None] = {
        "client": _identifiers(raw, "client", config, missing, found),
        "therapist": _identifiers(raw, "therapist", config, missing, found),
    }
    if keys is None:
        raise InputError(*found.all())
    keys = _with_therapists(keys, ids["client"], raw, config, missing, found)
    check_keys(raw["session"], keys, config, found)
    resolved = [
        one
        for name, section in config.variables.items()
        if (one := resolve(name, section, raw, missing, found)) is not None
    ]
    for one in resolved:
        check_values(one, raw[one.table], config, found)
    placed = [place(one, raw[one.table], keys, ids, found) for one in resolved]
    check_units(raw, keys, ids, config, found)
    arranged = [one for one in placed if one is not None]
    check_spread(arranged, raw, found)
    found.stop_on_errors()
    return _arrange(keys, ids, arranged, found)


def _with_clean_names(config: StudyConfig) -> StudyConfig:
    """Return the configuration with column names in the form in which readers give them."""
    columns = config.columns.model_dump(exclude_none=True)
    clean = config.columns.model_copy(update={key: clean_name(name) for key, name in columns.items()})
    return config.model_copy(update={"columns": clean})


def _read_all(config: StudyConfig, folder: Path, found: Faults) -> dict[Level, RawTable]:
    """Return the tables that can be read; record the faults of all."""
    files: dict[Level, str | None] = {
        "session": config.data.sessions,
        "client": config.data.clients,
        "therapist": config.data.therapists,
    }
    tables: dict[Level, RawTable] = {}
    for level, declared in files.items():
        if declared is None:
            continue
        file, options = _sheet_of(declared, config, folder)
        # absolute paths name people and machines: messages give the last part only
        label = Path(file).name if Path(file).is_absolute() else file
        try:
            table = read_table(folder / file, options, label)
        except InputError as error:
            found.extend(error.faults)
            continue
        found.extend(table.faults)
        # a duplicate name is an error already; the first of the two lets the other checks go on
        unique = ~table.frame.columns.duplicated()
        tables[level] = table if unique.all() else replace(table, frame=table.frame.loc[:, unique])
    return tables


def _sheet_of(declared: str, config: StudyConfig, folder: Path) -> tuple[str, DataSection]:
    """Return a file's name and how to read it; ``"study.xlsx#Clients"`` names a sheet."""
    if "#" not in declared or (folder / declared).exists():
        return declared, config.data
    file, _, sheet = declared.rpartition("#")
    return file, config.data.model_copy(update={"sheet": sheet})


def _identifiers(
    raw: dict[Level, RawTable], level: Level, config: StudyConfig, missing: Missing, found: Faults
) -> pd.Series | None:
    """Return the identifiers of the client or therapist table (index: its rows), or ``None``."""
    if level not in raw:
        return None
    table = raw[level]
    name = config.columns.client if level == "client" else config.columns.therapist
    if name is None:
        rule = "A therapist table needs to know which column identifies therapists."
        found.add("error", table.file, None, rule, None, 'Add therapist = "…" to [columns].')
        return None
    if name not in table.frame.columns:
        missing_column(table, f"columns.{level}", name, found)
        return None
    values = identifier_column(table, name, missing, found, required=True)
    twice = values.duplicated(keep="first") & values.notna()
    if twice.any():
        rows = list(table.rows[twice.to_numpy()])
        found.add_rows(
            "error",
            table.file,
            name,
            f"Each {level} has one row in this file.",
            rows,
            None,
            "Delete the repeated row or move what varies to the session file.",
        )
    return values.where(~twice)


def _with_therapists(
    keys: Keys,
    clients: pd.Series | None,
    raw: dict[Level, RawTable],
    config: StudyConfig,
    missing: Missing,
    found: Faults,
) -> Keys:
    """Return keys with the therapist of each session; the client table may carry them instead."""
    name = config.columns.therapist
    if name is None:
        return keys
    table = raw.get("client")
    if clients is None or table is None or name not in table.frame.columns:
        if "therapist" not in keys.frame:
            missing_column(raw["session"], "columns.therapist", name, found)
        return keys
    of_client = identifier_column(table, name, missing, found, required=False)
    by_client = pd.Series(of_client.to_numpy(dtype=object), index=clients.to_numpy(dtype=object))
    by_client = by_client[by_client.index.notna()]
    assigned = keys.frame["client"].map(by_client).astype("str")
    if "therapist" not in keys.frame:
        return Keys(keys.frame.assign(therapist=assigned), keys.usable)
    other = (keys.frame["therapist"] != assigned) & keys.frame["therapist"].notna() & assigned.notna()
    if other.any():
        rule = f"{table.file} gives each client one therapist, and this session has another."
        rows = list(keys.frame["row"][other])
        remedy = f"Correct the therapist, or delete the column {name} from {table.file} if clients changed therapists."
        found.add_rows("error", raw["session"].file, name, rule, rows, None, remedy)
    return keys


def _arrange(keys: Keys, ids: dict[Level, pd.Series | None], placed: list[Placed], found: Faults) -> Tables:
    """Return the canonical tables."""
    frame = keys.frame.copy()
    order = frame.sort_values(["client", "block", "session"], kind="stable").index
    columns: dict[str, pd.Series] = {
        "client": frame["client"],
        "session": frame["session"].astype("int64"),
        "block": frame["block"].astype("int64"),
        **{name: frame[name] for name in ("therapist", "date", "time") if name in frame},
        "row": frame["row"].astype("int64"),
    }
    columns |= {one.variable.name: one.values for one in placed if one.variable.level == "session"}
    sessions = pd.DataFrame(columns).loc[order].reset_index(drop=True)
    clients = pd.DataFrame(index=_units(sessions["client"], ids["client"], "client"))
    known = sessions["therapist"] if "therapist" in sessions else pd.Series([], dtype="str")
    therapists = pd.DataFrame(index=_units(known, ids["therapist"], "therapist"))
    if "therapist" in sessions:
        pairs = sessions[["client", "therapist"]].dropna().drop_duplicates()
        if not pairs["client"].duplicated().any():
            clients["therapist"] = pairs.set_index("client")["therapist"].reindex(clients.index).astype("str")
    for one in placed:
        if one.variable.level == "client":
            clients[one.variable.name] = one.values.reindex(clients.index)
        elif one.variable.level == "therapist":
            therapists[one.variable.name] = one.values.reindex(therapists.index)
    variables = {one.variable.name: one.variable for one in placed}
    return Tables(sessions, clients, therapists, variables, found, _items(placed, order, ids))


def _items(placed: list[Placed], order: pd.Index, ids: dict[Level, pd.Series | None]) -> dict[str, pd.DataFrame]:
    """Return the items of each scale, reversed ones turned round, one row per row of the table of its score."""
    found: dict[str, pd.DataFrame] = {}
    for one in placed:
        items, level = one.resolved.items, one.variable.level
        if items is None or one.resolved.table != level:
            continue
        if level == "session":
            found[one.variable.name] = items.loc[order].reset_index(drop=True)
        elif (owner := ids[level]) is not None:
            listed = owner.notna()
            found[one.variable.name] = items[listed].set_axis(pd.Index(owner[listed], dtype="str", name=level))
    return found


def _units(observed: pd.Series, listed: pd.Series | None, name: str) -> pd.Index:
    """Return the sorted identifiers of all units, those with sessions and those only listed."""
    every = set(observed.dropna().unique())
    if listed is not None:
        every |= set(listed.dropna().unique())
    units: pd.Index = pd.Index(sorted(every), dtype="str", name=name)
    return units


def fingerprint(config: StudyConfig, *tables: pd.DataFrame) -> str:
    """Return the SHA-256 of a configuration and its canonical tables.

    The column ``row`` does not count: the order of rows in a file is no part of what was observed.
    """
    digest = hashlib.sha256(config.model_dump_json().encode())
    for table in tables:
        digest.update(f"|{len(table)}|".encode())
        digest.update(_column_bytes(pd.Series(table.index)))
        for name in table.columns:
            if name != "row":
                digest.update(f"|{name}|".encode())
                digest.update(_column_bytes(table[name]))
    return digest.hexdigest()


def _column_bytes(column: pd.Series) -> bytes:
    """Return a column as bytes that depend on its content only."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        names = "\x1f".join(str(name) for name in column.cat.categories)
        return names.encode() + column.cat.codes.to_numpy(dtype="<i8").tobytes()
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return column.to_numpy().astype("datetime64[s]").astype("<i8").tobytes()
    if pd.api.types.is_numeric_dtype(column.dtype):
        values = column.to_numpy(dtype="<f8", na_value=np.nan) + 0.0  # −0 and 0 are one number
        values[np.isnan(values)] = np.nan  # one bit pattern for every NaN
        return values.tobytes()
    codes, distinct = pd.factorize(column)
    return "\x1f".join(str(name) for name in distinct).encode() + codes.astype("<i8").tobytes()
