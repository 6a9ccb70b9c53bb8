"""Each family's outcome has the law that its truth states."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import pandas as pd
import pytest

from safezone.data.reliability import decompose
from safezone.data.simulate_outcome import OutcomeTruth, simulate_outcome

if TYPE_CHECKING:
    from safezone.data.config import Family

FAMILIES: tuple[Family, ...] = ("gaussian", "student_t", "ordinal", "bernoulli", "beta", "negative_binomial")


def expit(value):
    return 1 / (1 + np.exp(-value))


@pytest.fixture(scope="module")
def drawn():
    """60,000 sessions per family, so that a mean has a relative standard error below 1 %."""
    return {name: simulate_outcome(name, clients=6000, sessions=10, therapists=600, seed=7) for name in FAMILIES}


def test_gaussian_residuals_have_their_sd(drawn):
    table, truth = drawn["gaussian"].sessions, drawn["gaussian"].truth
    residual = table["y"] - table["eta"]
    assert residual.mean() == pytest.approx(0, abs=0.02)  # SE 0.004
    assert residual.std() == pytest.approx(truth.sd_residual, rel=0.015)  # SE 0.3 %


def test_student_t_residuals_have_their_quantiles(drawn):
    from scipy import stats

    table, truth = drawn["student_t"].sessions, drawn["student_t"].truth
    residual = (table["y"] - table["eta"]) / truth.sd_residual
    for share in (0.01, 0.1, 0.5, 0.9, 0.99):
        below = (residual < stats.t.ppf(share, truth.nu)).mean()
        assert below == pytest.approx(share, abs=5 * (share * (1 - share) / 60_000) ** 0.5)


def test_ordinal_ratings_follow_the_cumulative_logit(drawn):
    table, truth = drawn["ordinal"].sessions, drawn["ordinal"].truth
    assert sorted(table["y"].unique()) == [1, 2, 3, 4, 5]
    for category, cut in enumerate(truth.cutpoints, start=1):
        expected = expit(cut - table["eta"]).mean()
        assert (table["y"] <= category).mean() == pytest.approx(expected, abs=0.011)  # 5 SE


def test_bernoulli_events_have_their_probability(drawn):
    table = drawn["bernoulli"].sessions
    chance = expit(table["eta"])
    for inside in (chance < 0.3, chance.between(0.3, 0.7), chance > 0.7):
        error = (chance[inside] * (1 - chance[inside])).mean() ** 0.5 / inside.sum() ** 0.5
        assert table.loc[inside, "y"].mean() == pytest.approx(chance[inside].mean(), abs=5 * error)


def test_beta_ratings_have_their_mean_and_variance(drawn):
    table, truth = drawn["beta"].sessions, drawn["beta"].truth
    mean = expit(table["eta"])
    variance = mean * (1 - mean) / (1 + truth.precision)
    assert (table["y"] - mean).mean() == pytest.approx(0, abs=5 * variance.mean() ** 0.5 / 60_000**0.5)
    assert ((table["y"] - mean) ** 2).mean() == pytest.approx(variance.mean(), rel=0.04)
    assert table["y"].between(0, 1, inclusive="neither").all()


def test_negative_binomial_counts_have_their_mean_and_variance(drawn):
    table, truth = drawn["negative_binomial"].sessions, drawn["negative_binomial"].truth
    mean = np.exp(table["eta"])
    variance = mean + mean**2 / truth.dispersion
    scaled = (table["y"] - mean) / variance**0.5
    assert scaled.mean() == pytest.approx(0, abs=0.021)  # 5 SE
    assert (scaled**2).mean() == pytest.approx(1, abs=0.06)  # counts' fourth moments are large: SE about 0.012
    assert (table["y"] % 1 == 0).all()


def test_the_linear_predictor_carries_the_effects_of_every_level(drawn):
    table, truth = drawn["gaussian"].sessions, drawn["gaussian"].truth
    by_client = decompose(table[["x", "y"]], table["client"])
    assert by_client.within[0, 1] / by_client.within[0, 0] == pytest.approx(truth.within, abs=0.03)
    expected = truth.sd_x_client**2 + truth.sd_x_therapist**2
    assert by_client.between[0, 0] == pytest.approx(expected, rel=0.12)
    shared = truth.between_client * truth.sd_x_client**2 + truth.between_therapist * truth.sd_x_therapist**2
    assert by_client.between[0, 1] == pytest.approx(shared, rel=0.15)


def test_designs_follow_their_arguments():
    drawn = simulate_outcome("gaussian", clients=30, sessions=(2, 6), therapists=0, seed=2)
    assert "therapist" not in drawn.sessions
    assert drawn.sessions.groupby("client").size().between(2, 6).all()
    again = simulate_outcome("gaussian", clients=30, sessions=(2, 6), therapists=0, seed=2)
    pd.testing.assert_frame_equal(drawn.sessions, again.sessions)
    slopes = simulate_outcome("gaussian", truth=OutcomeTruth(sd_slope=0.5)).truth.estimands()
    assert slopes["x.within.sd"] == 0.5
    with pytest.raises(ValueError, match="Choose one of"):
        simulate_outcome(cast("Family", "poisson"))
