"""Verdicts, power-scaling and pooling against closed forms, brute force and another implementation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from safezone.analysis.pooling import MU_SD, TAU_SD, pool
from safezone.analysis.power_scaling import LIMIT, sensitivity
from safezone.analysis.verdicts import Chances, PartDraws, averaged, chances, orient, together, word
from safezone.data.config import PrinciplesSection

THRESHOLDS = PrinciplesSection()


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (Chances(0.95, 0.05, 0.0), "supported"),
        (Chances(0.9499, 0.05, 0.0), "leaning"),
        (Chances(0.80, 0.10, 0.10), "leaning"),
        (Chances(0.7999, 0.1, 0.1), "undecided"),
        (Chances(0.05, 0.95, 0.0), "negligible"),
        (Chances(0.0, 0.05, 0.95), "opposed"),
        (Chances(0.2, 0.1, 0.7), "undecided"),
    ],
)
def test_the_word_follows_the_rules(found, verdict):
    assert word(found, THRESHOLDS) == verdict


def test_thresholds_are_configuration():
    strict = PrinciplesSection(supported=0.99, leaning=0.9)
    assert word(Chances(0.96, 0.04, 0.0), strict) == "leaning"
    with pytest.raises(ValueError, match="weaker verdict"):
        PrinciplesSection(supported=0.9, leaning=0.95)


def test_chances_of_a_normal_posterior_are_those_of_the_normal():
    from scipy.stats import norm

    draws = norm(0.2, 0.1).ppf((np.arange(20000) + 0.5) / 20000)  # quantiles: no Monte Carlo error to tolerate
    found = chances(orient(draws, 1), 0.1)
    assert found.beyond == pytest.approx(norm.cdf(1.0), abs=1e-4)
    assert found.against == pytest.approx(norm.cdf(-3.0), abs=1e-4)
    assert found.beyond + found.inside + found.against == pytest.approx(1.0)
    assert chances(orient(draws, -1), 0.1).against == pytest.approx(found.beyond)


def test_without_direction_the_size_counts():
    assert chances(orient(np.array([-0.3, 0.3, 0.05]), 0), 0.1) == Chances(2 / 3, 1 / 3, 0.0)


def test_all_is_joint_within_a_model_and_bounded_across_models():
    a, b = np.array([1.0, 1.0, 0.0, 0.0]), np.array([1.0, 0.0, 1.0, 0.0])
    same = together([PartDraws("m", a, 0.5), PartDraws("m", b, 0.5)])
    assert same.beyond == 0.25  # the one draw in which both hold
    across = together([PartDraws("m", np.array([1, 1, 1, 0.0]), 0.5), PartDraws("n", np.array([1, 1, 1, 0.0]), 0.5)])
    assert across.beyond == 0.5  # 1 - 0.25 - 0.25: true whatever their dependence
    # Whatever the joint law of the two, P(both) is at least the bound.
    for order in ([1, 1, 1, 0], [0, 1, 1, 1], [1, 0, 1, 1]):
        assert np.mean(np.array([1, 1, 1, 0]) * np.array(order)) >= across.beyond


def test_a_conjunction_falls_with_any_of_its_parts():
    found = together([PartDraws("m", np.full(100, 1.0), 0.1), PartDraws("n", np.full(100, -1.0), 0.1)])
    assert word(found, THRESHOLDS) == "opposed"
    found = together([PartDraws("m", np.full(100, 1.0), 0.1), PartDraws("n", np.full(100, 0.05), 0.1)])
    assert word(found, THRESHOLDS) == "negligible"


def test_the_mean_of_parts_is_taken_draw_by_draw():
    found = averaged([PartDraws("m", np.array([1.0, 0.0]), 0.1), PartDraws("m", np.array([0.0, 1.0]), 0.1)])
    assert found.oriented.tolist() == [0.5, 0.5]


# --- power-scaling -----------------------------------------------------------------------------------


def conjugate(prior_sd: float, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw from the posterior of a normal mean with data mean 1; return draws, log prior, log likelihood."""
    precision = n + 1 / prior_sd**2
    draws = rng.normal(n / precision, 1 / math.sqrt(precision), (4, 2000))
    return draws, -0.5 * (draws / prior_sd) ** 2, -0.5 * n * (draws - 1.0) ** 2


def test_a_tight_prior_is_found_and_a_wide_one_is_not():
    rng = np.random.default_rng(1)
    draws, prior, likelihood = conjugate(0.1, 20, rng)
    assert sensitivity(draws, prior) > LIMIT
    assert sensitivity(draws, likelihood) > LIMIT  # both: they disagree
    draws, prior, likelihood = conjugate(10.0, 100, rng)
    assert sensitivity(draws, prior) < LIMIT < sensitivity(draws, likelihood)


def test_it_is_what_arviz_computes():
    import xarray as xr
    from arviz_stats import psense

    draws, prior, _ = conjugate(0.3, 20, np.random.default_rng(2))
    dims = ("chain", "draw")
    tree = xr.DataTree.from_dict(
        {"posterior": xr.Dataset({"x": (dims, draws)}), "log_prior": xr.Dataset({"x": (dims, prior)})}
    )
    assert sensitivity(draws, prior) == pytest.approx(float(psense(tree, group="prior")["x"]), rel=1e-6)


def test_a_component_that_does_not_vary_has_no_sensitivity():
    assert math.isnan(sensitivity(np.random.default_rng(0).normal(size=(2, 50)), np.zeros((2, 50))))


def test_the_log_prior_is_the_sum_over_all_parameters():
    import xarray as xr
    from scipy.stats import halfnorm, norm

    from safezone.analysis.power_scaling import log_prior
    from safezone.models.model import Parameter
    from safezone.models.priors import parse

    posterior = xr.Dataset(
        {
            "within": (("chain", "draw", "predictor"), [[[0.1, 0.2], [0.3, -0.4]]]),
            "sd_residual": (("chain", "draw"), [[0.5, 0.7]]),
        },
        coords={"predictor": ["safety", "alliance"]},
    )
    parameters = [
        Parameter("within[safety]", "safety.within", "", parse("normal(0, 0.5)"), ""),
        Parameter("within[alliance]", "alliance.within", "", parse("normal(0.1, 1)"), ""),
        Parameter("sd_residual", "sd.residual", "", parse("half_normal(1)"), ""),
    ]
    by_hand = [
        norm(0, 0.5).logpdf(a) + norm(0.1, 1).logpdf(b) + halfnorm(0, 1).logpdf(s)
        for a, b, s in ((0.1, 0.2, 0.5), (0.3, -0.4, 0.7))
    ]
    assert log_prior(parameters, posterior) == pytest.approx(np.array([by_hand]))


# --- pooling -----------------------------------------------------------------------------------------


def test_pooling_is_the_random_effects_model_by_brute_force():
    estimates, errors = np.array([0.4, 0.1, -0.05]), np.array([0.1, 0.05, 0.2])
    mu = np.linspace(-2, 2, 801)[:, None]
    tau = ((np.arange(400) + 0.5) / 400 * 4 * TAU_SD)[None, :]
    log_density = -0.5 * (mu / MU_SD) ** 2 - 0.5 * (tau / TAU_SD) ** 2
    for estimate, error in zip(estimates, errors, strict=True):
        total = error**2 + tau**2
        log_density = log_density - 0.5 * np.log(total) - 0.5 * (estimate - mu) ** 2 / total
    weight = np.exp(log_density - log_density.max())
    weight /= weight.sum()
    kept = tau**2 / (tau**2 + errors[0] ** 2)
    first = float((weight * (kept * estimates[0] + (1 - kept) * mu)).sum())
    found = pool(estimates, errors)
    # Both integrate on grids (200 and 801 × 400 points); they agree to the coarser grid's error.
    assert found.parts[0].summary(0.95)[0] == pytest.approx(first, abs=1e-3)
    assert found.mu.summary(0.95)[0] == pytest.approx(float((weight * mu).sum()), abs=1e-3)
    assert found.tau == pytest.approx(float((weight * tau).sum()), abs=1e-3)


def test_pooling_shrinks_what_stands_out_and_is_uncertain():
    found = pool(np.array([0.6, 0.1, 0.12, 0.08]), np.array([0.3, 0.05, 0.05, 0.05]))
    mean, lower, upper = found.parts[0].summary(0.95)
    assert 0.08 < mean < 0.4
    assert lower < mean < upper
    assert found.parts[0].above(lower) == pytest.approx(0.975, abs=1e-6)
