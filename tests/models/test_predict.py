"""Prediction from draws: moments are those of the model, people are new where they should be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from safezone.models.build import build
from safezone.models.draws import System, flatten, observed_values, system
from safezone.models.predict import log_likelihood, predict, waves

from .small import options, posterior, therapy


def test_replicated_variance_has_its_three_parts() -> None:
    design = build(therapy(clients=60, sessions=8), "variance", "m", options(outcome="depth"))
    draws = posterior(design, draws=400, intercept=0.2, sd_client=[0.6], sd_therapist=[0.3], sd_residual=0.7)
    drawn = predict(design, draws, np.random.default_rng(1), "new_therapist")
    assert drawn.shape == (400, len(design.y))
    internal = (drawn - design.outcome.mean) / design.outcome.sd
    # 400 draws of 6 therapists, 60 clients: the standard error of the mean variance is about 1.5 %.
    assert internal.mean() == pytest.approx(0.2, abs=0.03)
    assert internal.var(axis=0).mean() == pytest.approx(0.36 + 0.09 + 0.49, rel=0.05)
    same_client = np.mean((internal[:, 0] - 0.2) * (internal[:, 1] - 0.2))
    assert same_client == pytest.approx(0.45, abs=0.15)  # 400 products, standard error 0.05


def test_the_same_clients_keep_their_effects_and_new_ones_do_not() -> None:
    design = build(therapy(), "variance", "m", options(outcome="depth", therapist_level=False))
    effects = np.linspace(-3, 3, design.clients)[:, None]
    draws = posterior(design, draws=50, intercept=0.0, sd_client=[0.5], sd_residual=0.1, client_effects=effects)
    rng = np.random.default_rng(2)
    same = predict(design, draws, rng, "same").mean(axis=0)
    expected = design.outcome.mean + design.outcome.sd * effects[design.client, 0]
    assert same == pytest.approx(expected, abs=0.1 * design.outcome.sd)  # seven standard errors of 0.1/√50
    new = predict(design, draws, rng, "new_client").mean(axis=0)
    assert np.abs(np.corrcoef(new, expected)[0, 1]) < 0.4


def test_a_lagged_series_runs_forward_to_its_stationary_law() -> None:
    trial = therapy(clients=30, sessions=25, therapists=1)
    design = build(trial, "within_between", "m", options(outcome="depth", predictors=["safety"], lag=1))
    phi, within, same, own, cross = 0.4, 0.25, 0.2, 0.3, 0.1
    draws = posterior(
        design, draws=300, intercept=0.0, within=[within], between_client=[0.5], own_lag=phi,
        nuisance=[same, own, cross], sd_client=[1e-6], sd_residual=0.6, predictor_intercept=[0.0],
        sd_predictor_client=[1e-6], sd_predictor_residual=[0.8], initial_intercept=[0.0, 0.0],
        initial_loading=np.eye(2), initial_path=[0.0], initial_sd=[1.0, 1.0],
    )  # fmt: skip
    drawn = (predict(design, draws, np.random.default_rng(3), "new_client") - design.outcome.mean) / design.outcome.sd
    solve = np.linalg.inv(np.eye(2) - np.array([[0, same], [0, 0]]))
    carry = solve @ np.array([[own, cross], [within, phi]])
    shock = solve @ np.diag([0.64, 0.36]) @ solve.T
    stationary = np.linalg.solve(np.eye(4) - np.kron(carry, carry), shock.ravel()).reshape(2, 2)
    last, before = drawn[:, design.session == 25], drawn[:, design.session == 24]
    # 300 × 30 independent series: standard errors 1.5 % of the variance and 0.01 of the correlation
    assert last.var() == pytest.approx(stationary[1, 1], rel=0.06)
    lagged = (carry @ stationary)[1, 1] / stationary[1, 1]
    assert np.corrcoef(last.ravel(), before.ravel())[0, 1] == pytest.approx(lagged, abs=0.04)


def test_ar1_residuals_are_correlated_over_gaps() -> None:
    design = build(therapy(clients=50, sessions=5), "variance", "m",
                   options(outcome="depth", residual="ar1", therapist_level=False))  # fmt: skip
    draws = posterior(design, draws=200, intercept=0.0, sd_client=[1e-6], sd_residual=1.0, autocorrelation=0.6)
    drawn = predict(design, draws, np.random.default_rng(4), "new_client").reshape(200, 50, 5)
    correlation = np.corrcoef(drawn.reshape(-1, 5), rowvar=False)
    expected = 0.6 ** np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
    assert correlation == pytest.approx(expected, abs=0.04)  # 10,000 series: four standard errors


@pytest.mark.parametrize(
    ("family", "extra"),
    [
        ("ordinal", {"cutpoints": [-1.0, 0.0, 1.0]}),
        ("bernoulli", {}),
        ("beta", {"precision": 8.0}),
        ("negative_binomial", {"dispersion": 3.0}),
        ("student_t", {"sd_residual": 0.7, "nu": 5.0}),
    ],
)
def test_draws_and_density_of_a_family_agree(family: str, extra: dict[str, Any]) -> None:
    """The mean density of replicated ratings, −entropy, is finite and draws respect the raw range."""
    trial = therapy(clients=20, ranges={"depth": (0, 10)}, families={"depth": family})
    share = trial.sessions["depth"].rank() / (len(trial.sessions) + 1)
    ratings: dict[str, Any] = {
        "ordinal": np.ceil(share * 4), "bernoulli": (share > 0.5).astype(float), "beta": share * 10,
        "negative_binomial": np.round(share * 5), "student_t": share,
    }  # fmt: skip
    trial.sessions["depth"] = ratings[family]
    design = build(trial, "variance", "m", options(outcome="depth", therapist_level=False))
    fixed: dict[str, Any] = {"intercept": 0.1} if family != "ordinal" else {}
    draws = posterior(design, draws=30, sd_client=[0.3], client_effects=np.zeros((design.clients, 1)), **fixed, **extra)
    drawn = predict(design, draws, np.random.default_rng(5))
    pointwise = log_likelihood(design, draws)
    assert np.all(np.isfinite(pointwise))
    if family in ("ordinal", "bernoulli"):
        assert set(np.unique(drawn)) <= {float(c) for c in design.outcome.categories}
        # Probabilities of all categories add up to one: density and draws speak about the same law.
        observed = np.array([np.mean(drawn == float(c)) for c in design.outcome.categories])
        density = [np.exp(pointwise[0][design.y == k][0]) for k in range(len(design.outcome.categories))]
        assert sum(density) == pytest.approx(1.0)
        assert observed == pytest.approx(density, abs=0.04)  # 3,600 draws: four standard errors
    if family == "beta":
        assert drawn.min() > 0
        assert drawn.max() < 10


def test_likelihood_and_prediction_share_one_expectation() -> None:
    trial = therapy(missing=0.1)
    design = build(trial, "within_between", "m", options(outcome="depth", predictors=["safety"], therapist_level=False))
    missing = int(np.isnan(design.x).sum())
    draws = posterior(
        design, intercept=0.1, within=[0.4], between_client=[0.7], sd_client=[0.5], sd_residual=0.6,
        client_effects=np.full((design.clients, 1), 0.2), predictor_client=np.full((design.clients, 1), 0.3),
        predictor_intercept=[0.0],
    )  # fmt: skip
    draws["missing_safety"] = (("chain", "draw", "hole"), np.full((1, 2, missing), 0.9))
    state: System = system(design, flatten(draws))
    filled = np.where(np.isnan(design.x[:, 0]), 0.9, design.x[:, 0])
    expected = 0.1 + 0.4 * (filled - 0.3) + 0.7 * 0.3 + 0.2
    assert state.outcome(np.arange(len(design.y)), observed_values(design, state.draws))[0] == pytest.approx(expected)


def test_waves_put_every_row_after_its_predecessor() -> None:
    previous = np.array([-1, 0, 1, -1, 3, -1])
    order = [row for wave in waves(previous) for row in wave]
    assert sorted(order) == list(range(6))
    assert all(previous[row] < 0 or order.index(previous[row]) < order.index(row) for row in order)
    assert [len(wave) for wave in waves(previous)] == [3, 2, 1]
