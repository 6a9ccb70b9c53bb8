"""Observed centring and the size of its error."""

from __future__ import annotations

import numpy as np
import pytest

from safezone.data.centring import ludtke_bias, nickell_bias, observed_means, reliability_of_means


def test_parts_add_up_and_sum_to_nothing(rng: np.random.Generator) -> None:
    therapist = np.repeat(["x", "y"], 30)
    client = np.repeat([f"c{k}" for k in range(12)], 5)
    values = rng.normal(size=60)
    values[[3, 17]] = np.nan
    parts = observed_means(values, client, therapist)
    assert parts.between_therapist is not None
    whole = parts.grand_mean + parts.between_therapist + parts.between_client + parts.within
    assert np.allclose(whole, values, equal_nan=True)
    for one in np.unique(client):
        assert np.nansum(parts.within[client == one]) == pytest.approx(0, abs=1e-12)
    known = ~np.isnan(values)
    for one in ("x", "y"):
        assert parts.between_client[known & (therapist == one)].sum() == pytest.approx(0, abs=1e-12)


def test_without_therapists_and_with_unknown_ones() -> None:
    values, client = np.array([1.0, 3.0, 6.0, np.nan]), np.array(["a", "a", "b", "c"])
    parts = observed_means(values, client)
    assert parts.therapist_mean is None
    assert parts.client_mean[:3].tolist() == [2, 2, 6]
    assert np.isnan(parts.client_mean[3])
    unknown = observed_means(values, client, np.array(["x", "x", None, "x"], dtype=object))
    assert unknown.therapist_mean is not None
    assert np.isnan(unknown.therapist_mean[2])


def test_icc_of_the_classical_example() -> None:
    """Shrout & Fleiss (1979), table 2: four judges, six targets; ICC(1,1) = .17, ICC(1,4) = .44."""
    ratings = np.array(
        [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float
    )
    found = reliability_of_means(ratings.ravel(), np.repeat(np.arange(6), 4))
    # published to two decimals
    assert found.icc1 == pytest.approx(0.17, abs=0.005)
    assert found.icc2 == pytest.approx(0.44, abs=0.005)
    assert (found.size, found.clusters) == (4.0, 6)


def test_reliability_needs_repetition() -> None:
    assert np.isnan(reliability_of_means(np.array([1.0, 2.0]), np.array(["a", "b"])).icc1)
    assert np.isnan(reliability_of_means(np.array([1.0, 2.0]), np.array(["a", "a"])).icc2)
    assert reliability_of_means(np.array([np.nan]), np.array(["a"])).clusters == 0


def test_ludtke_bias_is_what_simulation_shows() -> None:
    rng = np.random.default_rng(7)
    clients, sessions, within, between = 4000, 5, 0.2, 0.8
    trait = rng.normal(size=clients)
    x = trait[:, None] + rng.normal(size=(clients, sessions)) * 1.5
    y = within * (x - trait[:, None]) + between * trait[:, None] + rng.normal(size=(clients, sessions)) * 0.5
    estimate = np.polyfit(x.mean(axis=1), y.mean(axis=1), 1)[0]
    reliability = reliability_of_means(x.ravel(), np.repeat(np.arange(clients), sessions)).icc2
    # the slope's standard error is about 0.007 here (residual SD 0.44 over √4000 × SD 1.2): three of them
    assert estimate - between == pytest.approx(ludtke_bias(within, between, reliability), abs=0.02)
    assert ludtke_bias(within, between, 1.0) == 0


def test_nickell_bias_is_what_simulation_shows() -> None:
    rng = np.random.default_rng(8)
    clients, lags, inertia = 20_000, 20, 0.3
    series = np.zeros((clients, lags + 51))
    for t in range(1, lags + 51):
        series[:, t] = inertia * series[:, t - 1] + rng.normal(size=clients)
    before, now = series[:, 50:-1], series[:, 51:]
    before, now = before - before.mean(axis=1, keepdims=True), now - now.mean(axis=1, keepdims=True)
    estimate = (before * now).sum() / (before**2).sum()
    # the formula is the leading term; the next is of order 1/T², 0.0025 here, with a Monte Carlo error of 0.002
    assert estimate - inertia == pytest.approx(nickell_bias(inertia, lags), abs=0.006)
    assert np.isnan(nickell_bias(0.3, 1))
