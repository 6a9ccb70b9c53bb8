"""Posteriors by brute force: quadrature over all variances, coefficients integrated out on paper.

Nothing of safezone is used but the priors' numbers, typed again. With V the covariance of one client's ratings and
coefficients b ~ N(0, P), the density of the ratings given the variances is

    log p(y) = −½ [Σ log |V| + log |A| + Σ y'V⁻¹y − c'A⁻¹c] + constant,  A = P⁻¹ + Σ X'V⁻¹X,  c = Σ X'V⁻¹y,

and b given them is N(A⁻¹c, A⁻¹). *Beat the Blues*: random intercepts, V = σ² I + τ² 11', two variances. Singer &
Willett's table 4.1: every adolescent was seen at 14, 15 and 16, so that one 3 × 3 V = Z G Z' + σ² I serves all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import safezone as sz

from .cases import ALCOHOL, BEAT_THE_BLUES, Fixed, write_study

NAMES = ("intercept", "time", "coa", "peer", "coa:time", "peer:time")
POINTS = 20  # steps of half a posterior SD or less, at which the midpoint rule is exact to many digits
# Where the posterior lives, on the internal scale: τ₀, τ₁, ρ, σ.
BOX = ((0.0, 0.95), (0.0, 0.65), (-1.0, 1.0), (0.35, 0.80))


@dataclass(frozen=True)
class Posterior:
    """Means and SDs by estimand, raw scale."""

    mean: dict[str, float]
    sd: dict[str, float]


def by_quadrature(table: pd.DataFrame, *, priors: bool) -> Posterior:
    """Integrate the posterior of model D on a grid of midpoints.

    Parameters
    ----------
    table
        Rows in the order of id and age, three of each id.
    priors
        Whether the priors of ``priors_default.toml`` apply; otherwise all are flat (normal(0, 100) for coefficients).
    """
    wide = table.sort_values(["id", "age"])
    y = wide["alcohol_use"].to_numpy().reshape(-1, 3)
    coa, peer = (wide[name].to_numpy().reshape(-1, 3)[:, 0] for name in ("child_of_alcoholic", "peer_alcohol_use"))
    times = np.array([0.0, 1.0, 2.0])
    y_mean, y_sd, t_sd = y.mean(), y.std(ddof=1), np.tile(times, len(y)).std(ddof=1)
    centres = {"coa": (coa.mean(), coa.std(ddof=1)), "peer": (peer.mean(), peer.std(ddof=1))}
    z = (y - y_mean) / y_sd
    t = times / t_sd
    who = [(value - centres[name][0]) / centres[name][1] for name, value in (("coa", coa), ("peer", peer))]
    one = np.ones((len(y), 3))
    columns = [one, one * t, *(one * w[:, None] for w in who), *(w[:, None] * t for w in who)]
    X = np.stack(columns, axis=2)  # (clients, 3, 6)
    P_inverse = np.diag(1.0 / np.array([1.5, 1, 1, 1, 1, 1]) ** 2) if priors else np.eye(6) * 1e-4

    steps = [low + (np.arange(POINTS) + 0.5) * (high - low) / POINTS for low, high in BOX]
    tau0, tau1, rho, sigma = (axis.ravel() for axis in np.meshgrid(*steps, indexing="ij"))
    G = np.empty((len(tau0), 2, 2))
    G[:, 0, 0], G[:, 1, 1] = tau0**2, tau1**2
    G[:, 0, 1] = G[:, 1, 0] = rho * tau0 * tau1
    Z = np.column_stack([np.ones(3), t])
    V = Z @ G @ Z.T + sigma[:, None, None] ** 2 * np.eye(3)
    V_inverse = np.linalg.inv(V)
    # Sums over clients first: they do not depend on the grid.
    xx, xy, yy = np.einsum("nik,njl->ijkl", X, X), np.einsum("nik,nj->ijk", X, z), z.T @ z
    A = P_inverse + np.einsum("gij,ijkl->gkl", V_inverse, xx)
    c = np.einsum("gij,ijk->gk", V_inverse, xy)
    covariance = np.linalg.inv(A)
    b = np.einsum("gkl,gl->gk", covariance, c)
    log_density = -0.5 * (
        len(y) * np.linalg.slogdet(V)[1] + np.linalg.slogdet(A)[1] + np.einsum("gij,ij->g", V_inverse, yy)
        - np.einsum("gk,gk->g", c, b)
    )  # fmt: skip
    if priors:  # half_normal(1), half_normal(0.5), lkj(2), half_normal(1)
        log_density += -0.5 * tau0**2 - 0.5 * (tau1 / 0.5) ** 2 + np.log1p(-(rho**2)) - 0.5 * sigma**2
    weight = np.exp(log_density - log_density.max())
    weight /= weight.sum()
    for axis, values in ((steps[0], tau0), (steps[1], tau1), (steps[3], sigma)):
        assert weight[np.isclose(values, axis[-1])].sum() < 1e-3, "the box cuts the posterior off"

    # To the raw scale: z-scored products taken apart again.
    (m1, s1), (m2, s2) = centres["coa"], centres["peer"]
    raw = y_sd * np.array(
        [
            [1, 0, -m1 / s1, -m2 / s2, 0, 0],
            [0, 1 / t_sd, 0, 0, -m1 / s1 / t_sd, -m2 / s2 / t_sd],
            [0, 0, 1 / s1, 0, 0, 0],
            [0, 0, 0, 1 / s2, 0, 0],
            [0, 0, 0, 0, 1 / s1 / t_sd, 0],
            [0, 0, 0, 0, 0, 1 / s2 / t_sd],
        ]
    )
    centre = b @ raw.T
    spread = np.einsum("ik,gkl,il->gi", raw, covariance, raw)
    mean = weight @ centre
    sd = np.sqrt(weight @ (spread + (centre - mean) ** 2))
    mean[0] += y_mean
    means, sds = dict(zip(NAMES, mean, strict=True)), dict(zip(NAMES, sd, strict=True))
    quantities = {
        "sd.client.intercept": tau0 * y_sd,
        "sd.client.time": tau1 * y_sd / t_sd,
        "cor.client.intercept_time": rho,
        "sd.residual": sigma * y_sd,
    }
    for name, values in quantities.items():
        means[name] = float(weight @ values)
        sds[name] = float(np.sqrt(weight @ (values - means[name]) ** 2))
    return Posterior({k: float(v) for k, v in means.items()}, {k: float(v) for k, v in sds.items()})


def random_intercepts(X: np.ndarray, z: np.ndarray, client: np.ndarray) -> Posterior:
    """Integrate a random-intercept model on the internal scale; names: x0, x1, …, ``tau``, ``sigma``.

    Parameters
    ----------
    X, z, client
        Columns (rows, k), the first of ones; ratings (rows,); who gave them (rows,).
    """
    k = X.shape[1]
    sums = pd.DataFrame(X).groupby(client).sum().to_numpy()
    totals = pd.Series(z).groupby(client).sum().to_numpy()
    sizes = pd.Series(z).groupby(client).size().to_numpy()
    P_inverse = np.diag([1 / 1.5**2, *[1.0] * (k - 1)])
    steps = np.linspace(0.30, 1.15, 60), np.linspace(0.33, 0.62, 60)
    tau, sigma = (axis.ravel() for axis in np.meshgrid(*steps, indexing="ij"))
    # V⁻¹ = (I − r 11') / σ² with r = τ² / (σ² + n τ²), which depends on the number of ratings only.
    A = np.repeat(P_inverse[None], len(tau), axis=0) + (X.T @ X)[None] / sigma[:, None, None] ** 2
    c = (X.T @ z)[None] / sigma[:, None] ** 2
    square, log_det = z @ z / sigma**2, np.zeros(len(tau))
    for n in np.unique(sizes):
        s, t = sums[sizes == n], totals[sizes == n]
        weight = tau**2 / (sigma**2 + n * tau**2) / sigma**2
        A = A - weight[:, None, None] * (s.T @ s)
        c = c - weight[:, None] * (s.T @ t)
        square = square - weight * (t @ t)
        log_det = log_det + len(t) * ((n - 1) * np.log(sigma**2) + np.log(sigma**2 + n * tau**2))
    covariance = np.linalg.inv(A)
    b = np.einsum("gij,gj->gi", covariance, c)
    log_density = -0.5 * (log_det + np.linalg.slogdet(A)[1] + square - np.einsum("gi,gi->g", c, b))
    log_density -= 0.5 * tau**2 + 0.5 * sigma**2  # half_normal(1) both
    p = np.exp(log_density - log_density.max())
    p /= p.sum()
    mean = p @ b
    sd = np.sqrt(p @ (np.einsum("gii->gi", covariance) + (b - mean) ** 2))
    means = {f"x{i}": float(value) for i, value in enumerate(mean)}
    sds = {f"x{i}": float(value) for i, value in enumerate(sd)}
    for name, values in (("tau", tau), ("sigma", sigma)):
        means[name] = float(p @ values)
        sds[name] = float(np.sqrt(p @ (values - means[name]) ** 2))
    return Posterior(means, sds)


def assert_same(found: pd.DataFrame, name: str, mean: float, sd: float) -> None:
    """Compare one estimate with the exact posterior.

    Means: within 4 Monte Carlo standard errors (6 in 100,000), which are those of the table times 1.15: importance
    weights are worth three times as many draws as are kept, and the table's errors count the kept ones alone.
    SDs: 4,000 draws tell the SD of a normal quantity to 1.1 %, of these to 1.3 %.
    """
    error = 1.15 * found["mcse"].astype(float)[name]
    assert abs(found["mean"].astype(float)[name] - mean) < 4 * error, name
    assert found.loc[name, "sd"] == pytest.approx(sd, rel=0.05), name


def test_beat_the_blues_is_that_of_quadrature(tmp_path: Path) -> None:
    fit = sz.fit(write_study(BEAT_THE_BLUES, tmp_path / "study", tmp_path), BEAT_THE_BLUES.model)
    found = fit.estimates().query("scale == 'standardised'").drop_duplicates("estimand").set_index("estimand")
    patients = pd.read_csv(tmp_path / "study" / "patients.csv")
    rows = pd.read_csv(tmp_path / "study" / "visits.csv").dropna().merge(patients, on="patient")
    seen = rows.drop_duplicates("patient")["pre"]  # a patient counts once, however many visits
    X = np.column_stack(
        [
            np.ones(len(rows)),
            rows["month"] / rows["month"].std(),
            (rows["pre"] - seen.mean()) / seen.std(),
            rows["treatment"] == "BtheB",
            rows["drug"] == "Yes",
            rows["length"] == ">6m",
        ]
    ).astype(float)
    z = ((rows["bdi"] - rows["bdi"].mean()) / rows["bdi"].std()).to_numpy()
    exact = random_intercepts(X, z, rows["patient"].to_numpy())
    names = (
        "intercept",
        "time",
        "pre",
        "treatment[BtheB]",
        "drug[Yes]",
        "length[>6m]",
        "sd.client.intercept",
        "sd.residual",
    )
    assert set(names) == set(BEAT_THE_BLUES.targets)
    for name, key in zip(names, exact.mean, strict=True):
        assert_same(found, name, exact.mean[key], exact.sd[key])


@pytest.fixture(scope="module")
def ratings(shared: Path) -> pd.DataFrame:
    return pd.read_csv(shared / "data" / "alcohol_use_1.csv")


def test_alcohol_use_is_that_of_quadrature(ratings: pd.DataFrame, shared: Path, tmp_path: Path) -> None:
    fit = sz.fit(write_study(ALCOHOL, tmp_path / "study", shared / "data"), ALCOHOL.model)
    found = fit.estimates().query("scale == 'raw'").drop_duplicates("estimand").set_index("estimand")
    exact = by_quadrature(ratings, priors=True)
    assert set(exact.mean) == set(ALCOHOL.targets)
    for name, mean in exact.mean.items():
        assert_same(found, name, mean, exact.sd[name])


def test_what_moves_posterior_means_away_from_maximum_likelihood(ratings: pd.DataFrame) -> None:
    """The references of spreads are maxima; even a flat posterior's mean lies beside them, and coefficients do not."""
    flat, weak = by_quadrature(ratings, priors=False), by_quadrature(ratings, priors=True)
    for name, target in ALCOHOL.targets.items():
        if isinstance(target, Fixed):
            # No prior at all: averaging over variances is left, and with balanced data leaves coefficients in place.
            assert abs(flat.mean[name] - target.value) < 0.01 * target.error, name
    flat_away = (flat.mean["sd.residual"] - ALCOHOL.targets["sd.residual"].value) / flat.sd["sd.residual"]
    weak_away = (weak.mean["sd.residual"] - ALCOHOL.targets["sd.residual"].value) / weak.sd["sd.residual"]
    # All of the residual SD's difference from its maximum is there without any prior: the posterior is skewed, and the
    # variance of slopes, which shares what three ratings can tell, is too.
    assert 0.3 < weak_away < 0.5 < flat_away + 0.05
