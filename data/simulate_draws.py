"""The draws of the simulator, step by step: therapists, clients, trajectories, attendance, lost ratings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .simulate_design import Missingness, SimulationDesign
from .truth import Array, Truth
from .truth_parts import Interaction

BURN_IN = 30  # sessions before the first, so that lagged paths start in their stationary law


def draw_therapists(design: SimulationDesign, truth: Truth, rng: np.random.Generator) -> tuple[pd.DataFrame, Array]:
    """Draw therapists and their latent means, shape (therapists, responses)."""
    size = design.therapists
    attachment = truth.therapist_attachment
    deviations = rng.multivariate_normal(np.zeros(2), attachment.covariance(), size, method="cholesky")
    noise = rng.normal(size=(size, len(truth.names))) * [one.sd_therapist for one in truth.series]
    means = (noise + deviations @ truth.loadings("therapist").T) @ truth.total("therapist").T
    observed = deviations + attachment.means()
    table = pd.DataFrame(
        {
            "therapist": [f"T{k + 1:0{max(2, len(str(size)))}d}" for k in range(size)],
            "experience": np.round(rng.gamma(2.5, 4.0, size), 0),
            "therapist_anxiety": observed[:, 0],
            "therapist_avoidance": observed[:, 1],
        }
    )
    return table, means


def draw_clients(
    design: SimulationDesign, truth: Truth, therapist_means: Array, therapists: pd.DataFrame, rng: np.random.Generator
) -> tuple[pd.DataFrame, Array, Array, Array]:
    """Draw clients: their table, latent means and trends (clients, responses), and own extra path (clients,)."""
    size, low, high = design.clients, *design.bounds
    attachment = truth.client_attachment
    deviations = rng.multivariate_normal(np.zeros(2), attachment.covariance(), size, method="cholesky")
    unit = rng.normal(size=(size, len(truth.names)))
    own = unit * [one.sd_client for one in truth.series]
    means = (own + deviations @ truth.loadings("client").T) @ truth.total("client").T
    arm = rng.permutation(np.arange(size) % 2)
    cor = np.array([one.cor_slope for one in truth.series])
    slopes = (cor * unit + np.sqrt(1 - cor**2) * rng.normal(size=unit.shape)) * [one.sd_slope for one in truth.series]
    slopes = slopes + np.array([one.trend for one in truth.series])
    slopes = slopes + arm[:, None] * np.array([one.arm_trend for one in truth.series])
    observed = deviations + attachment.means()
    table = pd.DataFrame({"client": [f"C{k + 1:0{max(3, len(str(size)))}d}" for k in range(size)]})
    if design.therapists:
        # Everyone gets at least one client; the rest falls where it falls, as caseloads do.
        seat = np.concatenate(
            [np.arange(design.therapists), rng.integers(0, design.therapists, size - design.therapists)]
        )
        seat = rng.permutation(seat)
        means = means + therapist_means[seat]
        table["therapist"] = therapists["therapist"].to_numpy()[seat]
    table["arm"] = np.where(arm == 1, "active", "usual")
    table["age"] = np.clip(np.round(rng.normal(38, 12, size)), 18, 75)
    table["anxiety"], table["avoidance"] = observed[:, 0], observed[:, 1]
    final, symptoms = truth.final, truth.names.index("symptoms")
    table["baseline"] = (
        final.mean_baseline + final.on_symptoms * means[:, symptoms] + rng.normal(0, final.sd_baseline, size)
    )
    table["planned"] = rng.integers(low, high + 1, size)
    extra = np.zeros(size)
    if truth.reactivity is not None:
        weights = np.array([truth.reactivity.anxiety, truth.reactivity.avoidance])
        extra = rng.normal(0, truth.reactivity.sd, size) + deviations @ weights
    return table, means, slopes, extra


@dataclass(frozen=True, slots=True)
class Trajectories:
    """Arrays over (clients, sessions[, responses]): true scores, deviations and events."""

    scores: Array
    deviations: Array
    rupture: Array
    repair: Array


def draw_trajectories(
    design: SimulationDesign,
    truth: Truth,
    clients: pd.DataFrame,
    means: Array,
    slopes: Array,
    reactivity: Array,
    therapists: pd.DataFrame,
    rng: np.random.Generator,
) -> Trajectories:
    """Run every client's sessions forward from the stationary law, events included."""
    count, length, width = design.clients, design.bounds[1], len(truth.names)
    paths, lagged, events = truth.matrix("session"), truth.matrix("lagged"), truth.events
    spread = np.array([one.sd_session for one in truth.series])
    alliance, safety = truth.names.index("alliance"), truth.names.index("safety")
    log = np.array([one.shape == "log" for one in truth.series])
    therapist_deviation = np.zeros(count)
    if design.therapists:
        avoidance = therapists.set_index("therapist")["therapist_avoidance"]
        by_client = avoidance.reindex(clients["therapist"]).to_numpy(dtype=float)
        therapist_deviation = by_client - truth.therapist_attachment.avoidance_mean

    scores, kept = np.empty((count, length, width)), np.empty((count, length, width))
    rupture, repair = np.zeros((count, length)), np.zeros((count, length))
    previous: Array = np.zeros((count, width))
    bonus: Array = np.zeros((count, width))
    burn_in = BURN_IN if lagged.any() else 0
    for step in range(-burn_in, length):
        shocks = rng.normal(size=(count, width)) * spread + previous @ lagged.T + bonus
        previous = _propagate(shocks, paths, reactivity, truth, truth.interactions, max(step, 0))
        if step < 0:
            continue
        time = np.where(log, np.log(step + 1.0), float(step))
        trend = _propagate(slopes * time, paths, reactivity, truth)
        kept[:, step] = previous
        scores[:, step] = np.array([one.mean for one in truth.series]) + means + trend + previous
        chance = _expit(events.rupture + events.on_alliance * previous[:, alliance])
        rupture[:, step] = rng.random(count) < chance
        mended = rng.random(count) < _expit(events.repair + events.on_avoidance * therapist_deviation)
        repair[:, step] = rupture[:, step] * mended
        bonus = np.zeros((count, width))
        bonus[:, safety] = events.after_repair * repair[:, step]
    return Trajectories(scores, kept, rupture, repair)


def _propagate(
    shocks: Array,
    paths: Array,
    reactivity: Array,
    truth: Truth,
    interactions: Sequence[Interaction] = (),
    step: int = 0,
) -> Array:
    """Send shocks along the within-client paths in causal order: y = (I − A_c)⁻¹ shocks, and products on the way."""
    found = shocks.copy()
    own = truth.reactivity
    for target in range(found.shape[1]):
        found[:, target] += found[:, :target] @ paths[target, :target]
        if own is not None and truth.names[target] == own.target:
            found[:, target] += reactivity * found[:, truth.names.index(own.source)]
        for one in interactions:
            if truth.names[target] == one.target:
                by = step if one.by == "time" else found[:, truth.names.index(one.by)]
                found[:, target] += one.value * found[:, truth.names.index(one.source)] * by
    return found


def draw_attendance(
    design: SimulationDesign, truth: Truth, clients: pd.DataFrame, paths: Trajectories, rng: np.random.Generator
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Return who attends which session, shape (clients, sessions)."""
    length = design.bounds[1]
    planned = np.arange(length) < clients["planned"].to_numpy()[:, None]
    if not design.dropout:
        return planned
    hazard = truth.dropout
    leaves = rng.random(planned.shape) < _expit(
        hazard.hazard
        + hazard.safety * _standing(truth, paths, "safety")
        + hazard.symptoms * _standing(truth, paths, "symptoms")
    )
    leaves[:, : hazard.earliest - 1] = False
    gone = np.cumsum(leaves, axis=1) - leaves > 0  # left after an earlier session
    attended: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = planned & ~gone
    return attended


def _standing(truth: Truth, paths: Trajectories, name: str) -> Array:
    """Return true scores in SDs from the population's mean of that session, arms averaged."""
    at = truth.names.index(name)
    variance = sum(float(truth.covariance(level)[at, at]) for level in ("session", "client", "therapist"))
    effects = truth.total("session")[at]
    steps = np.arange(paths.scores.shape[1])
    mean = np.full(len(steps), truth[name].mean)
    for weight, one in zip(effects, truth.series, strict=True):
        mean = mean + weight * (one.trend + one.arm_trend / 2) * (np.log(steps + 1.0) if one.shape == "log" else steps)
    found: Array = (paths.scores[:, :, at] - mean) / variance**0.5
    return found


def draw_session_rows(
    design: SimulationDesign,
    truth: Truth,
    clients: pd.DataFrame,
    paths: Trajectories,
    stay: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Lay the attended sessions out as rows."""
    who, when = np.nonzero(stay)
    table = pd.DataFrame({"client": clients["client"].to_numpy()[who], "session": when + 1})
    if design.therapists:
        table["therapist"] = clients["therapist"].to_numpy()[who]
    intake = rng.integers(0, 365, design.clients)
    gaps = rng.choice([7, 7, 7, 8, 14], size=stay.shape)
    days = intake[:, None] + np.cumsum(gaps, axis=1) - gaps[:, :1]
    table["date"] = pd.Timestamp("2024-01-08") + pd.to_timedelta(days[who, when], unit="D")
    for at, name in enumerate(truth.names):
        table[name] = paths.scores[who, when, at]
    table["rupture"] = paths.rupture[who, when]
    table["repair"] = np.where(paths.rupture[who, when] == 1, paths.repair[who, when], np.nan)
    return table


def draw_lose_ratings(
    missing: Missingness, truth: Truth, sessions: pd.DataFrame, clients: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    """Blank ratings: single ratings and therapist forms MCAR, client forms MAR given the baseline."""
    found = sessions.copy()
    by_client = [name for name in truth.names if not name.startswith("therapist_")]
    by_therapist = [name for name in truth.names if name.startswith("therapist_")]
    baseline = clients.set_index("client")["baseline"].reindex(found["client"]).to_numpy(dtype=float)
    score = (baseline - baseline.mean()) / (baseline.std() or 1.0)
    draws = rng.random((len(found), 2))
    if missing.client_forms > 0:
        chance = _expit(_calibrated(missing.client_forms, missing.on_baseline * score) + missing.on_baseline * score)
        found.loc[draws[:, 0] < chance, by_client] = np.nan
    found.loc[draws[:, 1] < missing.therapist_forms, by_therapist] = np.nan
    lost = rng.random((len(found), len(truth.names))) < missing.ratings
    found[list(truth.names)] = found[list(truth.names)].mask(lost)
    return found


def _calibrated(share: float, linear: Array) -> float:
    """Return the intercept at which the mean of expit(intercept + linear) is ``share`` (bisection)."""
    low, high = -20.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _expit(middle + linear).mean() < share else (low, middle)
    return (low + high) / 2


def draw_final(truth: Truth, clients: pd.DataFrame, means: Array, rng: np.random.Generator) -> pd.DataFrame:
    """Add the final outcome; some of those who left do not return for it."""
    final, size = truth.final, len(clients)
    outcome = final.mean + final.on_baseline * (clients["baseline"].to_numpy() - final.mean_baseline)
    outcome = outcome + final.arm * (clients["arm"] == "active").to_numpy()
    for name, weight in final.on_latent:
        outcome = outcome + weight * means[:, truth.names.index(name)]
    outcome = outcome + rng.normal(0, final.sd, size)
    lost = (clients["left"] == "dropped out").to_numpy() & (rng.random(size) < final.missing_after_dropout)
    found = clients.copy()
    found["final"] = np.where(lost, np.nan, outcome)
    return found


def draw_never_started(
    design: SimulationDesign, truth: Truth, clients: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    """Add randomised clients who never came: baseline and attachment are known, nothing else."""
    size = design.never_started
    if not size:
        return clients
    attachment, final = truth.client_attachment, truth.final
    observed = rng.multivariate_normal(attachment.means(), attachment.covariance(), size, method="cholesky")
    at = truth.names.index("symptoms")
    spread = np.hypot(final.on_symptoms * truth.covariance("client")[at, at] ** 0.5, final.sd_baseline)
    width = len(clients["client"].iloc[0]) - 1
    extra = pd.DataFrame(
        {
            "client": [f"C{design.clients + k + 1:0{width}d}" for k in range(size)],
            "arm": np.where(np.arange(size) % 2 == 1, "active", "usual"),
            "age": np.clip(np.round(rng.normal(38, 12, size)), 18, 75),
            "anxiety": observed[:, 0],
            "avoidance": observed[:, 1],
            "baseline": rng.normal(final.mean_baseline, spread, size),
            "planned": rng.integers(design.bounds[0], design.bounds[1] + 1, size),
            "left": "never started",
        }
    )
    return pd.concat([clients, extra], ignore_index=True)[list(clients.columns)]


def _expit(value: Array | float) -> Array:
    """Return the inverse logit."""
    found: Array = 1.0 / (1.0 + np.exp(-np.asarray(value, dtype=float)))
    return found
