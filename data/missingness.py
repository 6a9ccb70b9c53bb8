"""What is missing: by variable, by pattern, over the sessions; and how long clients stay."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .codebook import applicable, values_of
from .study import Study

REST = "other patterns"


def missing_by_variable(study: Study) -> pd.DataFrame:
    """Return ``name, label, level, possible, missing, share`` per variable.

    ``possible`` counts the sessions, clients or therapists in which the variable could be observed (a repair
    only where there was a rupture), ``share`` = missing / possible.
    """
    rows = []
    for one in study.variables.values():
        values, _ = values_of(study, one)
        gone = int(values.isna().sum())
        share = gone / len(values) if len(values) else float("nan")
        rows.append((one.name, one.label, one.level, len(values), gone, share))
    return pd.DataFrame(rows, columns=["name", "label", "level", "possible", "missing", "share"])


def missing_patterns(study: Study) -> pd.DataFrame:
    """Return which session-level variables are missing together.

    Returns
    -------
    pd.DataFrame
        ``missing`` (names joined by " + ", empty for complete sessions), ``n_sessions``, ``n_clients``,
        ``share`` of all sessions; most frequent first. Patterns of fewer clients than the disclosure threshold
        are pooled as *other patterns*, with further ones until the pool has enough clients; where that cannot
        be, all counts are missing.
    """
    threshold = study.config.report.disclosure.threshold
    gaps = _gaps(study)
    names = np.array(gaps.columns)
    kinds, which = np.unique(gaps.to_numpy(), axis=0, return_inverse=True)
    words = np.array([" + ".join(names[kind]) for kind in kinds], dtype=object)
    label = pd.Series(words[which.ravel()], index=gaps.index, dtype="str")
    client = study.sessions["client"]
    label = _pooled(label, client, threshold)
    table = pd.DataFrame({"n_sessions": label.groupby(label).size(), "n_clients": client.groupby(label).nunique()})
    table["share"] = table["n_sessions"] / len(study.sessions)
    table = table.rename_axis("missing").reset_index()
    table["last"] = table["missing"] == REST
    table = table.sort_values(["last", "n_sessions", "missing"], ascending=[True, False, True])
    columns = ["n_sessions", "n_clients", "share"]
    table[columns] = table[columns].astype("float64")
    if (table["n_clients"] < threshold).any():  # nothing is left to pool: one row would follow from the others
        table[columns] = np.nan
    whole = {"n_sessions": "Int64", "n_clients": "Int64"}
    return table.drop(columns="last").astype(whole).reset_index(drop=True)


def _pooled(label: pd.Series, client: pd.Series, threshold: int) -> pd.Series:
    """Return pattern labels with the rare ones pooled, and so many more that the pool is not rare itself."""
    clients = client.groupby(label).nunique()
    found = label.where(~label.isin(clients[clients < threshold].index), REST)
    common = clients[(clients >= threshold) & (clients.index != "")].sort_values()
    for name in common.index:
        inside = client[found == REST].nunique()
        if not 0 < inside < threshold:
            break
        found = found.where(found != name, REST)
    return found


def missing_by_session(study: Study) -> pd.DataFrame:
    """Return the share of missing ratings over session order.

    Returns
    -------
    pd.DataFrame
        ``session``, ``n_clients`` (who attended it), and one share per session-level variable. Sessions that
        fewer clients than the disclosure threshold attended are left out.
    """
    gaps = _gaps(study).astype("float64")
    for name in gaps.columns:
        gaps[name] = gaps[name].where(applicable(study, study.variables[name]))
    order = position(study)
    table = gaps.groupby(order).mean().rename_axis("session")
    table.insert(0, "n_clients", study.sessions["client"].groupby(order).nunique())
    threshold = study.config.report.disclosure.threshold
    return table[table["n_clients"] >= threshold].reset_index()


def attendance(study: Study) -> pd.DataFrame:
    """Return how long clients stay.

    The data say when a client was last seen, not whether the end was planned: leaving early and finishing look
    alike here.

    Returns
    -------
    pd.DataFrame
        ``session``, ``n_clients`` (who attended at least so many sessions) and ``share`` of all who started.
        Rows under the disclosure threshold are left out.
    """
    length = study.sessions.groupby("client", observed=True).size().to_numpy()
    longest = int(length.max()) if len(length) else 0
    steps = np.arange(1, longest + 1)
    reached = (length[:, None] >= steps).sum(axis=0)
    table = pd.DataFrame({"session": steps, "n_clients": reached, "share": reached / max(len(length), 1)})
    return table[table["n_clients"] >= study.config.report.disclosure.threshold].reset_index(drop=True)


def position(study: Study) -> pd.Series:
    """Return each session's place within its client: 1, 2, … over all blocks."""
    return study.sessions.groupby("client", observed=True).cumcount() + 1


def _gaps(study: Study) -> pd.DataFrame:
    """Return which ratings are missing that could be there, sessions × session-level variables."""
    found = {}
    for name, one in study.variables.items():
        if one.level == "session":
            found[name] = study.sessions[name].isna() & applicable(study, one)
    return pd.DataFrame(found, index=study.sessions.index)
