"""Simulate a study in which the theory holds and every true parameter is known.

``simulate(design, truth, seed)`` draws therapists, clients and sessions from the recursive Gaussian path
system documented in :mod:`safezone.data.truth`; ``write_study`` turns the result into a study folder.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from . import simulate_draws as draws
from .simulate_design import Missingness, Simulated, SimulationDesign
from .simulate_study_file import REVERSED_ITEM, SAFETY_ITEMS, study_toml
from .truth import Truth

__all__ = ["Missingness", "Simulated", "SimulationDesign", "Truth", "simulate", "write_study"]

# Scale of each column: lowest, highest, step. Used when a study is rounded.
SCALES: dict[str, tuple[float, float, float]] = {
    "therapist_safety": (1, 7, 0.25),
    "safety": (1, 7, 0.25),
    "alliance": (1, 5, 0.25),
    "exploration": (1, 7, 0.25),
    "post_session": (0, 10, 0.1),
    "symptoms": (0, 27, 1),
    "baseline": (0, 27, 1),
    "final": (0, 27, 1),
    "anxiety": (1, 7, 1 / 3),
    "avoidance": (1, 7, 1 / 6),
    "therapist_anxiety": (1, 7, 1 / 3),
    "therapist_avoidance": (1, 7, 1 / 6),
}


def simulate(design: SimulationDesign | None = None, truth: Truth | None = None, seed: int = 1) -> Simulated:
    """Draw a study from the theory.

    Parameters
    ----------
    design
        Sizes, missing ratings, rounding; see :class:`SimulationDesign`.
    truth
        True parameters; see :class:`~safezone.data.truth.Truth`.
    seed
        Seed of NumPy's PCG64 generator; the same seed gives the same study.

    Returns
    -------
    Simulated

    Examples
    --------
    >>> from safezone.data.simulate import SimulationDesign, simulate
    >>> drawn = simulate(SimulationDesign(clients=20, sessions=6, therapists=4, dropout=False), seed=7)
    >>> drawn.sessions.shape[0]
    120
    """
    design, truth = design or SimulationDesign(), truth or Truth()
    rng = np.random.default_rng(seed)
    therapists, therapist_means = draws.draw_therapists(design, truth, rng)
    clients, client_means, slopes, reactivity = draws.draw_clients(design, truth, therapist_means, therapists, rng)
    paths = draws.draw_trajectories(design, truth, clients, client_means, slopes, reactivity, therapists, rng)
    stay = draws.draw_attendance(design, truth, clients, paths, rng)
    clients["left"] = np.where(stay.sum(axis=1) < clients["planned"], "dropped out", "completed")
    sessions = draws.draw_session_rows(design, truth, clients, paths, stay, rng)
    sessions = draws.draw_lose_ratings(design.missing, truth, sessions, clients, rng)
    clients = draws.draw_final(truth, clients, client_means, rng)
    clients = draws.draw_never_started(design, truth, clients, rng)
    if design.rounded:
        sessions, clients, therapists = (_round(table) for table in (sessions, clients, therapists))
        sessions = _safety_items(sessions, rng)
    latent = pd.DataFrame(client_means, columns=list(truth.names))
    latent.insert(0, "client", clients["client"].to_numpy()[: design.clients])
    return Simulated(sessions, clients, therapists, latent, truth, design, seed)


def _round(table: pd.DataFrame) -> pd.DataFrame:
    """Round and clip every rating to its questionnaire's scale."""
    found = table.copy()
    for name, (low, high, step) in SCALES.items():
        if name in found.columns:
            found[name] = (np.round(found[name].clip(low, high) / step) * step).round(2)
    return found


def _safety_items(sessions: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Spread each safety score over four items of 1 to 7, the third worded the other way round.

    The items' mean is the score itself, so that scoring them gives back the simulated rating: deviations of
    items sum to zero, and what rounding to whole points leaves over goes to the items that can take it.
    """
    found = sessions.copy()
    target = (found["safety"] * 4).round()
    client = pd.factorize(found["client"])[0]
    own = rng.normal(0, 0.5, (client.max() + 1, 4))  # clients read the items differently, for good
    spread = own[client] + rng.normal(0, 0.7, (len(found), 4))
    spread -= spread.mean(axis=1, keepdims=True)
    items = np.clip(np.round(found["safety"].to_numpy()[:, None] + spread), 1, 7)
    for _ in range(24):  # at most 4 items × 6 points have to move
        short = target.to_numpy() - items.sum(axis=1)
        for at in range(4):
            step = np.sign(np.nan_to_num(short))
            able = (items[:, at] + step >= 1) & (items[:, at] + step <= 7)
            moved = np.where(able, step, 0.0)
            items[:, at] += moved
            short = short - moved
    place = list(found.columns).index("safety") + 1
    for at, name in enumerate(SAFETY_ITEMS):
        values = 8 - items[:, at] if name == REVERSED_ITEM else items[:, at]
        found.insert(place + at, name, values)
    return found


def write_study(simulated: Simulated, folder: Path, title: str = "A simulated study (simulated)") -> Path:
    """Write a study folder: ``study.toml``, ``sessions.csv``, ``clients.csv``, ``therapists.csv``.

    Parameters
    ----------
    simulated
        What :func:`simulate` returned.
    folder
        Folder to create or fill. Files that exist are not overwritten.
    title
        Title of the study; must say that it is simulated.

    Returns
    -------
    Path
        The study file.

    Raises
    ------
    ValueError
        If the title hides that the data are simulated.
    FileExistsError
        If one of the files exists already.
    """
    if "(simulated)" not in title:
        raise ValueError(f"The title must contain '(simulated)', so that nobody takes the data for real: {title!r}.")
    sessions = simulated.sessions
    if SAFETY_ITEMS[0] in sessions.columns:
        sessions = sessions.drop(columns="safety")  # the study file scores it from the items
    files = {"sessions.csv": _csv(sessions), "clients.csv": _csv(simulated.clients)}
    if simulated.design.therapists:
        files["therapists.csv"] = _csv(simulated.therapists)
    files["study.toml"] = study_toml(simulated, title)
    present = [name for name in files if (folder / name).exists()]
    if present:
        raise FileExistsError(f"{folder} already has {', '.join(present)}. Choose an empty folder.")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return folder / "study.toml"


def _csv(table: pd.DataFrame) -> str:
    """Return a table as CSV: whole numbers without a decimal point, dates as ISO, missing as empty."""
    found = table.copy()
    for name in found.columns:
        column = found[name]
        if pd.api.types.is_float_dtype(column) and (column.dropna() % 1 == 0).all():
            found[name] = column.astype("Int64")
        elif pd.api.types.is_datetime64_any_dtype(column):
            found[name] = column.dt.strftime("%Y-%m-%d")
    text: str = found.to_csv(index=False, lineterminator="\n")
    return text
