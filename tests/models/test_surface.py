"""The quadratic surface itself: its axis, moments and nested shapes, against the published formulas."""

from __future__ import annotations

import numpy as np
import pytest

from safezone.models.surface import (
    COMBINATIONS,
    FLAT,
    SHAPES,
    combination,
    first_axis,
    moments,
    rescaled,
    terms,
)


def test_the_axis_is_that_of_edwards_and_parry() -> None:
    # p11 = (b5 − b3 + sqrt((b3 − b5)² + b4²)) / b4, p10 = Z0 − p11 X0 with the stationary point (X0, Z0).
    b = np.random.default_rng(1).normal(0, 0.5, (400, 5))
    b1, b2, b3, b4, b5 = b.T
    slope = (b5 - b3 + np.sqrt((b3 - b5) ** 2 + b4**2)) / b4
    determinant = 4 * b3 * b5 - b4**2
    x0, z0 = (b2 * b4 - 2 * b1 * b5) / determinant, (b1 * b4 - 2 * b2 * b3) / determinant
    found = first_axis(b)
    assert found.defined.mean() > 0.5
    kept = found.defined
    np.testing.assert_allclose(found.slope[kept], slope[kept], rtol=1e-9)
    np.testing.assert_allclose(found.intercept[kept], (z0 - slope * x0)[kept], rtol=1e-6, atol=1e-9)


def test_a_ridge_has_an_axis_though_no_single_stationary_point() -> None:
    # −(x − z)²: the determinant is zero and the published formula divides by it; the ridge is the line of congruence.
    found = first_axis(np.array([[0.0, 0.0, -0.3, 0.6, -0.3], [0.3, -0.3, -0.3, 0.6, -0.3]]))
    assert found.defined.tolist() == [True, True]
    np.testing.assert_allclose(found.slope, 1.0)
    # −0.3 (x − z)² + 0.3 (x − z) has its ridge where x − z = 0.5
    np.testing.assert_allclose(found.intercept, [0.0, -0.5], atol=1e-12)


@pytest.mark.parametrize(
    "b",
    [
        (0.4, 0.2, 0.0, 0.0, 0.0),  # a plane
        (0.1, 0.1, -0.3, 0.0, -0.3),  # a dome: every direction alike
        (0.1, 0.1, FLAT / 10, 0.0, 0.0),  # all but flat
        (0.1, 0.1, -0.3, 0.001, 0.2),  # an axis that is all but vertical
    ],
)
def test_flat_round_and_vertical_surfaces_have_no_axis(b: tuple[float, ...]) -> None:
    found = first_axis(np.array([b]))
    assert not found.defined[0]
    assert np.isnan(found.slope[0])
    assert np.isnan(found.intercept[0])


def test_combinations_are_slope_and_curvature_along_both_lines() -> None:
    b = np.random.default_rng(2).normal(size=(50, 5))
    step = 1e-4
    for line, slope, curvature in ((1.0, "a1", "a2"), (-1.0, "a3", "a4")):
        up, down = (b @ terms(np.array(t), np.array(line * t)) for t in (step, -step))
        # Central differences of a quadratic are exact; rounding at 1e-4 leaves 8 digits of the curvature.
        np.testing.assert_allclose(combination(slope, b), (up - down) / (2 * step), rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(combination(curvature, b), (up + down) / (2 * step**2), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(combination("a5", b), b[:, 2] - b[:, 4])
    assert set(COMBINATIONS) == {"a1", "a2", "a3", "a4", "a5"}


def test_moments_equal_those_of_simulated_ratings() -> None:
    rng = np.random.default_rng(3)
    b, mean = np.array([[0.4, 0.2, -0.2, 0.35, -0.15]]), np.array([[0.3, -0.3]])
    covariance = np.array([[[1.0, 0.3], [0.3, 0.6]]])
    drawn = rng.multivariate_normal(mean[0], covariance[0], 400_000)
    values = terms(drawn[:, 0], drawn[:, 1]) @ b[0]
    expected, variance = moments(b, mean, covariance)
    # Four Monte Carlo standard errors of mean and variance of 400,000 draws.
    assert abs(values.mean() - expected[0]) < 4 * values.std() / 400_000**0.5
    fourth = ((values - values.mean()) ** 4).mean()
    assert abs(values.var() - variance[0]) < 4 * ((fourth - values.var() ** 2) / 400_000) ** 0.5


def test_units_change_terms_by_their_degree() -> None:
    b = np.array([0.4, 0.2, -0.2, 0.35, -0.15])
    x, z = np.array(0.7), np.array(-1.1)
    # Ratings in units of 2 points and outcome in units of 5: the same surface.
    assert terms(x / 2, z / 2) @ rescaled(b, 2.0, 5.0) == pytest.approx(terms(x, z) @ b / 5)


def test_shapes_keep_the_constraints_of_the_published_hierarchy() -> None:
    rng = np.random.default_rng(4)

    def draw(shape: str) -> np.ndarray:
        span = np.array(SHAPES[shape]).reshape(-1, 5)
        return np.asarray(rng.normal(size=(20, len(span))) @ span)

    def holds(shape: str, *names: str) -> None:
        for name in names:
            np.testing.assert_allclose(combination(name, draw(shape)), 0.0, atol=1e-12)

    # RSA: SQD b1 = b2 = 0, b3 = b5, b3 + b4 + b5 = 0; SSQD b1 = −b2 and RR b1 = b2 instead; additive b3 = b4 = b5 = 0.
    holds("congruence", "b1", "b2", "a5", "a2")
    holds("discrepancy", "a1", "a5", "a2")
    holds("rising_ridge", "a3", "a5", "a2")
    holds("additive", "b3", "b4", "b5")
    assert SHAPES["none"] == ()
