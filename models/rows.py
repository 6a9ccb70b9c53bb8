"""Which session rows a model uses, and why the others are left out: counted, never silent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..data.time import previous_row, usual_step
from .columns import raw_values
from .design import Floats, Ints
from .interactions import interacting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..data.config import Level, ModelSection
    from ..data.study import Study


@dataclass(frozen=True)
class Selection:
    """Rows of ``study.sessions`` in a model.

    Parameters
    ----------
    rows
        Their positions, shape (rows,).
    excluded
        (reason, rows) of the others.
    """

    rows: Ints
    excluded: tuple[tuple[str, int], ...]


def main_variables(options: ModelSection) -> tuple[str, ...]:
    """Return variables with a main effect: groups, covariates, moderators."""
    return (*options.by, *options.covariates, *options.moderators)


def select(study: Study, options: ModelSection, times: Floats) -> Selection:
    """Choose the rows of a model.

    A row needs a rating of the outcome (or, with latent centring, of a predictor), a known category of
    every categorical covariate and, where the model has time, a known time. Missing numbers are
    integrated by the model instead. Observed centring needs every rating of the row, an interaction both of its own.
    """
    outcome = study.sessions[options.outcome].notna().to_numpy()
    ratings = [study.sessions[p].notna().to_numpy() for p in options.predictors]
    rules: list[tuple[str, np.ndarray]] = []
    if options.centring == "observed" or not ratings:
        rules.append((f"{options.outcome} not rated", outcome))
    else:
        rules.append(("neither outcome nor predictors rated", np.any([outcome, *ratings], axis=0)))
    multiplied = {p for pair in interacting(options) for p in pair}
    for predictor, rating in zip(options.predictors, ratings, strict=True):
        if options.centring == "observed" or predictor in multiplied:
            rules.append((f"{predictor} not rated", rating))
    everything = np.arange(len(study.sessions))
    for variable in main_variables(options):
        if study.variables[variable].categories:
            rules.append((f"{variable} unknown", raw_values(study, variable, everything).notna().to_numpy()))
    if options.time != "none":
        rules.append(("time unknown", ~np.isnan(times)))
    return apply_rules(everything, rules)


def apply_rules(rows: Ints, rules: Sequence[tuple[str, np.ndarray]]) -> Selection:
    """Keep rows for which every rule holds; a row counts under the first that it breaks."""
    keep = np.ones(len(rows), dtype=bool)
    excluded: list[tuple[str, int]] = []
    for reason, holds in rules:
        lost = int((keep & ~holds).sum())
        if lost:
            excluded.append((reason, lost))
        keep &= holds
    return Selection(rows[keep], tuple(excluded))


def units(study: Study, options: ModelSection, rows: Ints) -> tuple[dict[Level, Ints], int]:
    """Give numbers to the sessions, clients and therapists of the rows.

    A client without known therapist gets a therapist of its own, so that the therapist's share of the
    variance is integrated over instead of being denied.

    Returns
    -------
    dict, int
        Codes per level, shape (rows,) each, and the number of known therapists.
    """
    sessions = study.sessions.iloc[rows]
    client = pd.factorize(sessions["client"])[0].astype(np.int64)
    codes: dict[Level, Ints] = {"session": np.arange(len(rows), dtype=np.int64), "client": client}
    if not study.has_therapists:
        return codes | {"therapist": np.zeros(len(rows), dtype=np.int64)}, 0
    therapist, known = pd.factorize(sessions["therapist"])
    code = therapist.astype(np.int64)
    unknown = code < 0
    code[unknown] = len(known) + np.unique(client[unknown], return_inverse=True)[1]
    return codes | {"therapist": code}, len(known)


@dataclass(frozen=True)
class Links:
    """The row of the previous session, −1 where none, and the sessions since, 0 where none."""

    previous: Ints
    gap: Ints


def no_links(rows: Ints) -> Links:
    """Return links of a model whose rows do not depend on one another."""
    return Links(np.full(len(rows), -1, dtype=np.int64), np.zeros(len(rows), dtype=np.int64))


def lag_links(study: Study, options: ModelSection, rows: Ints, times: Floats, needed: Sequence[str] = ()) -> Links:
    """Link each row to the previous session, if that session is used and no gap lies between.

    Where one of the variables ``needed`` is not rated in the previous session, the series starts anew, as
    after a gap: given the client's latent means, the session counts as independent of those before. That
    imputes nothing and keeps the likelihood closed; it gives up what the previous session's other ratings
    say about this one.
    """
    before = _before(study, options, rows, times)
    position = np.full(len(study.sessions), -1, dtype=np.int64)
    position[rows] = np.arange(len(rows))
    known = study.sessions[list(needed)].notna().to_numpy().all(axis=1)
    previous = np.where((before >= 0) & known[before], position[before], -1)
    return Links(previous.astype(np.int64), (previous >= 0).astype(np.int64))


def _before(study: Study, options: ModelSection, rows: Ints, times: Floats) -> Ints:
    """Return where in the study's sessions the previous session of each row lies, −1 where a gap lies between."""
    at = previous_row(study, options.max_gap, times=times if options.max_gap is not None else None)
    return at[rows].astype(np.int64)


def series_starts(
    study: Study, options: ModelSection, rows: Ints, times: Floats, links: Links
) -> tuple[tuple[str, int], ...]:
    """Count the rows that start a series, by reason."""
    first = ~study.sessions["client"].iloc[rows].duplicated().to_numpy()
    start = (links.previous < 0) & ~first
    gap = _before(study, options, rows, times) < 0
    counts = {
        "first session": first,
        "after a gap": start & gap,
        "after a session with a missing rating": start & ~gap,
    }
    return tuple((reason, int(holds.sum())) for reason, holds in counts.items() if holds.any())


def residual_links(study: Study, rows: Ints) -> Links:
    """Link each row to the client's last rated session of the same block, however long ago."""
    sessions = study.sessions.iloc[rows]
    client, block = sessions["client"].factorize()[0], sessions["block"].to_numpy()
    same = np.r_[False, (client[1:] == client[:-1]) & (block[1:] == block[:-1])]
    steps = np.diff(sessions["session"].to_numpy(), prepend=0) // usual_step(study)
    previous = np.where(same, np.arange(len(rows)) - 1, -1)
    return Links(previous.astype(np.int64), np.where(same, np.maximum(steps, 1), 0).astype(np.int64))
