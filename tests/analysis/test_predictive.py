"""Features of data, level by level, against values computed by hand and against a known model."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from safezone.analysis.predictive import STATISTICS, check_statistics, layout_of, spread_draws


def design(y, client, session=None, therapist=None, family="gaussian", categories=()):
    client = np.asarray(client)
    session = np.arange(client.size) if session is None else np.asarray(session)
    outcome = SimpleNamespace(mean=0.0, sd=1.0, family=family, low=1.0, high=5.0, categories=categories)
    therapist = np.zeros(0, dtype=int) if therapist is None else np.asarray(therapist)
    return SimpleNamespace(
        y=np.asarray(y, dtype=float),
        client=client,
        session=session,
        therapist=therapist,
        outcome=outcome,
        own_lag=False,
        dynamic=False,
    )


def values(one, name):
    layout, observed = layout_of(one)
    statistic = next(s for s in STATISTICS if s.name == name)
    return float(statistic.compute(one.y[observed][None, :], layout)[0])


def test_statistics_by_hand():
    one = design([1, 3, 5, 2, 4, np.nan, 5], [0, 0, 0, 1, 1, 1, 2], [1, 2, 3, 1, 2, 3, 1], [0, 0, 0, 1, 1, 1, 1])
    known = np.array([1, 3, 5, 2, 4, 5.0])
    assert values(one, "mean") == pytest.approx(known.mean())
    assert values(one, "SD") == pytest.approx(known.std(ddof=1))
    assert values(one, "share at floor") == pytest.approx(1 / 6)
    assert values(one, "share at ceiling") == pytest.approx(2 / 6)
    assert values(one, "SD of client means") == pytest.approx(np.std([3, 3, 5], ddof=1))
    assert values(one, "SD of within-client SDs") == pytest.approx(np.std([2, np.sqrt(2)], ddof=1))
    assert values(one, "SD of therapist means") == pytest.approx(np.std([3, 11 / 3], ddof=1))
    # Pairs of neighbouring sessions: (−2, 0), (0, 2) of the first client, (−1, 1) of the second.
    assert values(one, "lag-1 autocorrelation") == pytest.approx(-1 / (4 + 0 + 4 + 1 + 1))


def test_a_lag_never_crosses_a_gap_or_a_client():
    layout, _ = layout_of(design([1, 2, 3, 4], [0, 0, 0, 1], [1, 2, 4, 5]))
    assert layout.pairs.tolist() == [[1, 0]]


def test_what_does_not_apply_is_left_out():
    rows, draws = check_statistics(design([1, 2, 3], [0, 0, 0], [1, 3, 5]), np.zeros((5, 3)))
    assert {row["level"] for row in rows} == {"session"}
    assert set(draws) == {f"session: {row['statistic']}" for row in rows}


def test_p_values_of_the_true_model_and_of_one_that_ignores_clients(rng):
    client = np.repeat(np.arange(30), 8)
    level = rng.normal(0, 1, 30)
    y = level[client] + rng.normal(0, 1, client.size)
    session = np.tile(np.arange(8), 30)
    one = design(y, client, session)
    right = rng.normal(0, 1, (400, 30))[:, client] + rng.normal(0, 1, (400, client.size))
    wrong = rng.normal(y.mean(), y.std(), (400, client.size))

    def p(replicated):
        return {row["statistic"]: row["p"] for row in check_statistics(one, replicated)[0]}

    assert 0.02 < p(right)["SD of client means"] < 0.98
    assert p(wrong)["SD of client means"] == 0.0  # independent sessions cannot spread client means that far
    assert 0.02 < p(wrong)["SD"] < 0.98


def test_draws_are_spread_evenly_over_chains():
    import xarray as xr

    values = np.arange(400.0).reshape(4, 100)
    posterior = xr.Dataset({"a": (("chain", "draw"), values)}, coords={"draw": np.arange(100)})
    thinned = spread_draws(posterior, 20)
    assert dict(thinned.sizes) == {"chain": 4, "draw": 5}
    assert thinned["draw"].values.tolist() == [0, 25, 50, 74, 99]
    assert spread_draws(posterior, 10_000).sizes["draw"] == 100
