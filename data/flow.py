"""Participant flow: from everybody in the files to those who can be analysed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .study import Study

COUNTS = ("n_clients", "n_sessions", "n_therapists")


Mask = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class _Step:
    """Who has got so far: a mask over clients, one over sessions (or none yet), and why others have not."""

    step: str
    label: str
    clients: Mask
    sessions: Mask | None
    reason: str


def participant_flow(study: Study) -> pd.DataFrame:
    """Return the participant flow, as far as the data carry it.

    Steps that the data cannot tell apart are left out: ``screened`` needs clients without an arm, ``randomised``
    an arm, ``enrolled`` clients without a session, ``final`` a final outcome. ``analysed`` are sessions with at
    least one rating, and clients with such a session; what each model uses stands with the model.

    Totals are shown as they are, small drops included: trial reports need them, and every model's table prints
    them again. Breakdowns are another matter: see :func:`flow_by_arm`.

    Parameters
    ----------
    study
        The study.

    Returns
    -------
    pd.DataFrame
        ``step, label, n_clients, n_sessions, n_therapists, reason``, one row per step in order. ``n_sessions`` and
        ``n_therapists`` are missing where a step comes before the first session; ``reason`` says what became
        of those who are no longer there.
    """
    owner = _owner(study)
    rows = [_row(study, owner, one, one.clients) for one in _steps(study, owner)]
    return _whole(pd.DataFrame(rows, columns=["step", "label", *COUNTS, "reason"]))


def flow_by_arm(study: Study) -> pd.DataFrame:
    """Return the participant flow of each arm: ``step, label, arm`` and the counts of :func:`participant_flow`.

    A step is left out when an arm has fewer clients than the study's disclosure threshold, or lost fewer than
    that (but not none) since the last step shown: the number could be tied to a person, and with the totals
    known no arm of that step can be shown. Empty for a study without arms.
    """
    columns = ["step", "label", "arm", *COUNTS]
    arms = study.by_role("arm", level="client")
    if not arms or not arms[0].categories:
        return _whole(pd.DataFrame(columns=columns))
    arm, names = study.clients[arms[0].name], arms[0].categories
    threshold = study.config.report.disclosure.threshold
    owner = _owner(study)
    rows: list[dict[str, object]] = []
    before: tuple[int, ...] | None = None
    for one in _steps(study, owner):
        inside = [one.clients & (arm == name).to_numpy() for name in names]
        counts = tuple(int(clients.sum()) for clients in inside)
        lost = (0,) * len(counts) if before is None else tuple(np.subtract(before, counts))
        if one.step == "screened" or any(0 < number < threshold for number in (*counts, *lost)):
            continue
        before = counts
        for name, clients in zip(names, inside, strict=True):
            row = _row(study, owner, one, clients) | {"arm": name}
            rows.append({column: row[column] for column in columns})
    return _whole(pd.DataFrame(rows, columns=columns))


def sizes(study: Study) -> pd.DataFrame:
    """Return how much data there are: ``quantity, value``, one row per quantity.

    Counts of clients with sessions, sessions and therapists; sessions per client (mean, SD, median); the share
    of clients with two sessions or more, who alone inform within-client effects; clients per therapist.
    """
    per_client = study.sessions.groupby("client", observed=True).size()
    found: dict[str, float] = {
        "clients": float(len(per_client)),
        "sessions": float(len(study.sessions)),
        "sessions_per_client_mean": float(per_client.mean()),
        "sessions_per_client_sd": float(per_client.std()),
        "sessions_per_client_median": float(per_client.median()),
        "share_two_or_more_sessions": float((per_client >= 2).mean()),
    }
    if study.has_therapists:
        pairs = study.sessions[["client", "therapist"]].dropna().drop_duplicates()
        caseload = pairs.groupby("therapist", observed=True).size()
        found["therapists"] = float(len(caseload))
        found["clients_per_therapist_mean"] = float(caseload.mean())
        found["clients_with_several_therapists"] = float((pairs.groupby("client", observed=True).size() > 1).sum())
    return pd.DataFrame({"quantity": list(found), "value": list(found.values())})


def _owner(study: Study) -> np.ndarray[tuple[int, ...], np.dtype[np.intp]]:
    """Return each session's client as a position in the client table; identifiers are compared once."""
    return study.clients.index.get_indexer(pd.Index(study.sessions["client"]))


def _steps(study: Study, owner: np.ndarray[tuple[int, ...], np.dtype[np.intp]]) -> list[_Step]:
    """Return the steps that the data carry, in order."""
    everyone: Mask = np.ones(len(study.clients), dtype=bool)
    found: list[_Step] = []
    here = everyone
    started = _seen(owner, len(everyone))
    arms = study.by_role("arm", level="client")
    if arms:
        here = study.clients[arms[0].name].notna().to_numpy()
        if not here.all():
            found.append(_Step("screened", "Screened", everyone, None, ""))
        found.append(_Step("randomised", "Assigned to an arm", here, None, _lost(everyone, here, "without an arm")))
    elif not started.all():
        found.append(_Step("enrolled", "Enrolled", everyone, None, ""))
    reason = _lost(here, started, "without a session")
    kept = int((started & ~here).sum())
    if kept:
        reason = _join(reason, f"{kept} with sessions but without an arm are kept")
    found.append(_Step("started", "Attended a session", started, np.ones(len(owner), dtype=bool), reason))
    rated_rows = _rated(study)
    rated = _seen(owner[rated_rows], len(everyone))
    unrated = _some(int((~rated_rows).sum()), "session without a usable score", "sessions without a usable score")
    reason = _join(_lost(started, rated, "without a usable score"), unrated)
    found.append(_Step("analysed", "Rated at least one session", rated, rated_rows, reason))
    finals = study.by_role("final_outcome", level="client")
    if finals:
        known = rated & study.clients[finals[0].name].notna().to_numpy()
        reason = _lost(rated, known, "without a final outcome")
        found.append(_Step("final", "Final outcome known", known, rated_rows, reason))
    return found


def _seen(owner: np.ndarray[tuple[int, ...], np.dtype[np.intp]], clients: int) -> Mask:
    """Return which clients own at least one of these sessions."""
    found: Mask = np.zeros(clients, dtype=bool)
    found[owner] = True
    return found


def _rated(study: Study) -> Mask:
    """Return which sessions have at least one rating."""
    names = [name for name, one in study.variables.items() if one.level == "session"]
    return study.sessions[names].notna().any(axis=1).to_numpy()


def _row(
    study: Study, owner: np.ndarray[tuple[int, ...], np.dtype[np.intp]], one: _Step, clients: Mask
) -> dict[str, object]:
    """Return the counts of a step for some of its clients."""
    row: dict[str, object] = {
        "step": one.step,
        "label": one.label,
        "n_clients": int(clients.sum()),
        "n_sessions": None,
        "n_therapists": None,
        "reason": one.reason,
    }
    if one.sessions is None:
        return row
    inside = one.sessions & clients[owner]
    row["n_sessions"] = int(inside.sum())
    if study.has_therapists:
        row["n_therapists"] = int(study.sessions.loc[inside, "therapist"].nunique())
    return row


def _whole(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose counts are whole numbers, missing where there is none."""
    return table.astype(dict.fromkeys(COUNTS, "Int64"))


def _lost(before: Mask, after: Mask, why: str) -> str:
    """Return how many clients are no longer there, and why."""
    gone = int((before & ~after).sum())
    return f"{gone} {why}" if gone else ""


def _some(number: int, one: str, many: str) -> str:
    """Return a count with its noun, or nothing for zero."""
    return "" if not number else f"{number} {one if number == 1 else many}"


def _join(*parts: str) -> str:
    """Return the parts that say something as one phrase."""
    return "; ".join(part for part in parts if part)
