"""Leave-one-out against values that are known exactly: a normal mean with known SD."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
import xarray as xr

from safezone.analysis.comparison import integrated_log_likelihood, psis_loo

if TYPE_CHECKING:
    from safezone.models.design import Design
    from safezone.models.model import Model


def log_normal(x, mean, sd):
    return -0.5 * ((x - mean) / sd) ** 2 - np.log(sd) - 0.5 * math.log(2 * math.pi)


@pytest.fixture
def conjugate(rng):
    """y_i ~ N(θ, 1) with a flat prior: the posterior and every leave-one-out predictive are normal."""
    y = rng.normal(0.3, 1, 40)
    theta = rng.normal(y.mean(), 1 / math.sqrt(y.size), 4000)
    return y, theta


def test_psis_loo_equals_the_exact_leave_one_out_density(conjugate):
    y, theta = conjugate
    score = psis_loo(log_normal(y[None, :], theta[:, None], 1.0), target="same")
    n = y.size
    others = (y.sum() - y) / (n - 1)
    exact = log_normal(y, others, math.sqrt(1 + 1 / (n - 1))).sum()
    # The Monte Carlo error of elpd with 4,000 draws is about sqrt(n · var(weights) / 4000), here below 0.02.
    assert score["elpd"] == pytest.approx(exact, abs=0.05)
    in_sample = log_normal(y, y.mean(), math.sqrt(1 + 1 / n)).sum()
    assert score["p"] == pytest.approx(in_sample - exact, abs=0.05)
    assert score["k_bad"] == 0
    assert score["units"] == n


def test_many_units_are_estimated_from_a_sample_of_them(rng, monkeypatch):
    from safezone.analysis import comparison

    monkeypatch.setattr(comparison, "UNITS", 100)
    y = rng.standard_t(4, 2000)
    theta = rng.normal(y.mean(), 1 / math.sqrt(y.size), 500)
    values = log_normal(y[None, :], theta[:, None], 1.0)
    score = psis_loo(values, target="same")
    n = y.size
    exact = log_normal(y, (y.sum() - y) / (n - 1), math.sqrt(1 + 1 / (n - 1))).sum()
    # 500 draws of the mean: log-likelihood sums move by n · var(θ)/2 · sqrt(2/500), below 0.1; sampling 100 units adds
    # less, because what the approximation misses is third order. The sum without it would be off by sqrt(n · n/100).
    assert score["elpd"] == pytest.approx(exact, abs=0.5)
    assert score["units"] == n
    assert score["se"] == pytest.approx(math.sqrt(n) * log_normal(y, y.mean(), 1.0).std(), rel=0.02)
    assert "random 100 of 2,000 units" in score["note"]


def test_an_outlier_that_the_draws_cannot_reach_is_flagged(conjugate, rng):
    y, theta = conjugate
    y = np.append(y, 30.0)
    values = log_normal(y[None, :], theta[:, None], 0.3)
    score = psis_loo(values, target="same")
    assert score["k_max"] > 0.7
    assert score["k_bad"] >= 1
    assert "not reliable" in score["note"]


class _Design:
    """Three clients with a random intercept; only what the integral needs."""

    client = np.array([0, 0, 0, 1, 1, 2])
    y = np.array([1.0, 0.5, np.nan, -1.0, -0.2, 2.0])


class _Model:
    @staticmethod
    def log_likelihood(design, posterior):
        flat = posterior.stack(s=("chain", "draw")).transpose("s", ...)
        eta = flat["client_effects"].values[:, design.client, 0]
        rated = np.isfinite(design.y)
        return log_normal(design.y[rated], eta[:, rated], flat["sd_residual"].values[:, None])


def test_integrating_client_effects_matches_the_marginal_normal(rng):
    tau, sigma, draws = 0.8, 0.6, 300
    design = _Design()
    effects = np.empty((2, draws, 3, 1))
    for client in range(3):
        y = design.y[(design.client == client) & np.isfinite(design.y)]
        precision = 1 / tau**2 + y.size / sigma**2
        effects[:, :, client, 0] = rng.normal(y.sum() / sigma**2 / precision, precision**-0.5, (2, draws))
    dims = ("chain", "draw", "client", "client_effect")
    posterior = xr.Dataset(
        {
            "client_effects": (dims, effects),
            "sd_client": (("chain", "draw", "client_effect"), np.full((2, draws, 1), tau)),
            "sd_residual": (("chain", "draw"), np.full((2, draws), sigma)),
        }
    )
    found = integrated_log_likelihood(cast("Model", _Model()), cast("Design", design), posterior, rng, points=200)
    exact = []
    for client in range(3):
        y = design.y[(design.client == client) & np.isfinite(design.y)]
        covariance = sigma**2 * np.eye(y.size) + tau**2
        exact.append(-0.5 * (y @ np.linalg.solve(covariance, y) + np.linalg.slogdet(2 * math.pi * covariance)[1]))
    # Every draw has the same parameters, so the spread over draws is the integral's own error.
    assert found.mean(axis=0) == pytest.approx(exact, abs=0.02)
    assert found.std(axis=0).max() < 0.1
