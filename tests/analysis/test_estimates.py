"""Summaries of draws whose quantiles and shares are known."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import xarray as xr

from safezone.analysis.estimates import COLUMNS, estimand_draws, estimates_frame, has_direction, plain, to_json, worth
from safezone.data.export import csv_bytes
from safezone.models.model import Estimand

CONTRACT = (
    "model, kind, estimand, level, target, unit, scale, mean, sd, median, lower, upper, mcse, pd, p_rope, "
    "ess_bulk, ess_tail, rhat"
)


def estimand(name, draws, scale="standardised"):
    return Estimand(name, "session", "same", scale, "SD", "A quantity.", draws)


@pytest.fixture
def posterior(rng):
    values = rng.standard_normal((4, 1000))
    return xr.Dataset({"theta": (("chain", "draw"), values)})


def frame_of(posterior, *asked, interval=0.9, rope=None):
    quantities = estimand_draws(asked, posterior)
    rope = {"default": 0.1} if rope is None else rope
    return estimates_frame(quantities, "m", "variance", interval=interval, rope=rope)


def test_columns_are_the_public_contract(posterior):
    assert ", ".join(COLUMNS) == CONTRACT
    assert list(frame_of(posterior, estimand("x.within", lambda p: p["theta"])).columns) == list(COLUMNS)


def test_values_of_a_normal_quantity(posterior):
    row = frame_of(posterior, estimand("x.within", lambda p: 0.5 + p["theta"])).iloc[0]
    draws = 0.5 + posterior["theta"].values.ravel()
    assert row["mean"] == pytest.approx(draws.mean(), abs=1e-12)
    assert row["sd"] == pytest.approx(draws.std(ddof=1), abs=1e-12)
    assert (row["lower"], row["upper"]) == pytest.approx(tuple(np.quantile(draws, [0.05, 0.95])))
    # 4,000 independent draws: standard errors 0.007 (pd), 0.005 (share in the ROPE).
    assert row["pd"] == pytest.approx(0.6915, abs=0.03)
    assert row["p_rope"] == pytest.approx(0.0703, abs=0.02)
    # The effective sample size of white noise is estimated to about 15 %, its root to half of that.
    assert row["mcse"] == pytest.approx(1 / math.sqrt(4000), rel=0.2)


def test_direction_and_rope_only_where_they_mean_something(posterior):
    table = frame_of(
        posterior,
        estimand("sd.client.intercept", lambda p: abs(p["theta"])),
        estimand("x.within", lambda p: p["theta"], scale="raw"),
        estimand("x.within.sd", lambda p: abs(p["theta"])),
        rope={"default": 0.1, "x.within.sd": 0.2},
    ).set_index("estimand")
    assert math.isnan(table.loc["sd.client.intercept", "pd"])
    assert math.isnan(table.loc["sd.client.intercept", "p_rope"])
    assert math.isnan(table.loc["x.within", "p_rope"])
    assert table.loc["x.within", "pd"] >= 0.5
    assert table.loc["x.within.sd", "p_rope"] == pytest.approx(0.1585, abs=0.03)  # named, so it is given


def test_a_rope_by_name_wins_over_the_default(posterior):
    narrow = frame_of(posterior, estimand("x.within", lambda p: p["theta"])).iloc[0]
    wide = frame_of(posterior, estimand("x.within", lambda p: p["theta"]), rope={"default": 0.1, "x.within": 1.0}).iloc[
        0
    ]
    assert wide["p_rope"] > 0.6 > narrow["p_rope"]


def test_a_constant_estimand_has_no_monte_carlo_error_to_state(posterior):
    row = frame_of(posterior, estimand("share.session", lambda p: xr.ones_like(p["theta"]))).iloc[0]
    assert row["mean"] == row["lower"] == row["upper"] == 1.0
    assert math.isnan(row["rhat"])


def test_every_number_reads_back_exactly(posterior):
    table = frame_of(posterior, estimand("x.within", lambda p: p["theta"]))
    text = csv_bytes(table).decode()
    assert float(text.splitlines()[1].split(",")[7]) == table["mean"].iloc[0]
    record = json.loads(to_json(table))[0]
    assert record["mean"] == table["mean"].iloc[0]
    assert csv_bytes(table) == csv_bytes(table.copy())


def test_json_has_no_nan():
    assert plain({"a": np.float64("nan"), "b": [np.int64(3), float("inf")], "c": np.array([1.5])}) == {
        "a": None,
        "b": [3, None],
        "c": [1.5],
    }
    with pytest.raises(TypeError):
        plain(object())


@pytest.mark.parametrize(
    "name", ["sd.residual", "share.client", "safety.within.sd", "safety.sd.client", "sd.therapist.intercept"]
)
def test_positive_quantities_have_no_direction(name):
    assert not has_direction(name)


@pytest.mark.parametrize("name", ["safety.within", "time", "cor.client.intercept_time", "arm[active]:time"])
def test_effects_and_correlations_have_one(name):
    assert has_direction(name)


def test_the_error_of_importance_weights_counts(posterior):
    quantities = estimand_draws((estimand("x.within", lambda p: p["theta"]),), posterior)
    plain_row = estimates_frame(quantities, "m", "variance", interval=0.9, rope={}).iloc[0]
    for effective in (900.0, 12_000.0):
        row = estimates_frame(quantities, "m", "variance", interval=0.9, rope={}, worth=effective).iloc[0]
        assert row["mcse"] ** 2 == pytest.approx(plain_row["mcse"] ** 2 + row["sd"] ** 2 / effective, rel=1e-12)
        assert row["mcse"] >= row["sd"] / math.sqrt(effective)
        assert row["ess_bulk"] == min(plain_row["ess_bulk"], effective)
        assert row["ess_tail"] == min(plain_row["ess_tail"], effective)


def test_the_worth_of_weights_is_read_from_the_sampler():
    weighted = xr.DataTree.from_dict({"sample_stats": xr.Dataset(attrs={"ess_importance": 812.5})})
    assert worth(weighted) == 812.5
    assert math.isnan(worth(xr.DataTree.from_dict({"sample_stats": xr.Dataset()})))
    assert math.isnan(worth(xr.DataTree()))
