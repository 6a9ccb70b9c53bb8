"""Each piece of the parameter map: its values against plain formulas, its pullback against central differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from safezone.models import parameter_map as pm
from safezone.models.compilation import _law, _lkj_constant, compile_system
from safezone.models.gaussian import Correlation, Free, GaussianSystem, Structure
from safezone.models.priors import parse

SMALL = settings(max_examples=25, deadline=None, derandomize=True)

PRIORS = (
    "normal(0.3, 0.5)",
    "student_t(4, 0.2, 1.5)",
    "half_normal(0.7)",
    "half_student_t(3, 0.1, 2)",
    "exponential(1.5)",
    "gamma(2, 0.5)",
    "beta(2, 3)",
    "uniform(-1, 2)",
)


def constrained(prior: str, theta: float) -> tuple[float, float, float]:
    """φ, log density of θ and its derivative, for one parameter."""
    bounds, law = _law(Free("x", parse(prior)))
    phi, slope = np.zeros(2), np.zeros(1)
    density = pm.constrain(np.array([bounds]), np.array([law]), np.array([theta]), phi, slope)
    return phi[1], density, slope[0]


@pytest.mark.parametrize("prior", PRIORS)
def test_density_of_theta_is_the_prior_with_the_jacobian(prior: str) -> None:
    step = 1e-6
    for theta in (-1.3, 0.2, 0.9):
        value, density, slope = constrained(prior, theta)
        above, below = constrained(prior, theta + step), constrained(prior, theta - step)
        jacobian = np.log((above[0] - below[0]) / (2 * step))
        assert density == pytest.approx(float(parse(prior).logpdf(value)) + jacobian, abs=1e-8)
        assert slope == pytest.approx((above[1] - below[1]) / (2 * step), abs=1e-7)


@pytest.mark.parametrize("prior", PRIORS)
def test_density_of_theta_integrates_to_one(prior: str) -> None:
    grid = np.linspace(-30, 30, 60001)
    total = np.trapezoid([np.exp(constrained(prior, theta)[1]) for theta in grid], grid)
    # Trapezoids of a smooth density are exact to 1e-8; Student tails beyond ±30 hold 1e-4 with 3-4 degrees of freedom.
    assert total == pytest.approx(1.0, abs=2e-4 if "student" in prior else 1e-6)


def test_exponential_quantile_over_the_whole_line() -> None:
    for theta in (-30.0, -8.0, -1.0, 0.0, 1e-9, 3.0, 24.999, 25.001, 40.0, 200.0):
        value, slope = pm.exponential_quantile(theta)
        assert value == pytest.approx(-norm.logsf(theta), rel=1e-12)
        assert np.log(slope) == pytest.approx(norm.logpdf(theta) - norm.logsf(theta), rel=1e-9, abs=1e-12)


@SMALL
@given(size=st.integers(2, 6), eta=st.floats(0.5, 4.0), seed=st.integers(0, 2**31))
def test_correlations_are_positive_definite_with_the_lkj_density(size: int, eta: float, seed: int) -> None:
    theta = np.random.default_rng(seed).normal(size=size * (size - 1) // 2)
    factor, gradient = np.zeros((size, size)), np.zeros_like(theta)
    density = pm.correlate(size, eta, _lkj_constant(size, eta), theta, factor, gradient)
    correlation = factor @ factor.T
    np.testing.assert_allclose(np.diag(correlation), 1.0, atol=1e-12)
    # LKJ(η) − LKJ(1) is (η − 1) log |R| up to its constant: compare two points.
    other = np.zeros_like(factor)
    at_zero = pm.correlate(size, eta, _lkj_constant(size, eta), 0 * theta, other, gradient.copy())
    flat = pm.correlate(size, 1.0, _lkj_constant(size, 1.0), theta, other, gradient.copy())
    flat_zero = pm.correlate(size, 1.0, _lkj_constant(size, 1.0), 0 * theta, other, gradient.copy())
    expected = (eta - 1) * np.linalg.slogdet(correlation)[1]
    assert (density - at_zero) - (flat - flat_zero) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    step = 1e-6
    for i in range(len(theta)):
        shift = np.eye(len(theta))[i] * step
        above, below = (
            pm.correlate(size, eta, 0.0, theta + sign * shift, other, gradient.copy()) for sign in (1.0, -1.0)
        )
        assert gradient[i] == pytest.approx((above - below) / (2 * step), abs=1e-7)


def test_lkj_density_integrates_to_one() -> None:
    grid = np.linspace(-12, 12, 4001)
    factor, gradient = np.zeros((2, 2)), np.zeros(1)
    density = [np.exp(pm.correlate(2, 2.0, _lkj_constant(2, 2.0), np.array([t]), factor, gradient)) for t in grid]
    assert np.trapezoid(density, grid) == pytest.approx(1.0, abs=1e-8)  # smooth and decaying: trapezoids are exact


@SMALL
@given(size=st.integers(2, 5), seed=st.integers(0, 2**31))
def test_correlation_pullback(size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=size * (size - 1) // 2)
    weights = np.tril(rng.normal(size=(size, size)))
    factor, unused = np.zeros((size, size)), np.zeros_like(theta)

    def scalar(point: np.ndarray) -> float:
        pm.correlate(size, 1.0, 0.0, point, factor, unused)
        return float((weights * factor).sum())

    scalar(theta)
    pulled = np.zeros_like(theta)
    pm.correlate_back(size, theta, factor, weights, pulled)
    for i in range(len(theta)):
        shift = np.eye(len(theta))[i] * 1e-6
        assert pulled[i] == pytest.approx((scalar(theta + shift) - scalar(theta - shift)) / 2e-6, abs=1e-7)


@SMALL
@given(size=st.integers(1, 5), seed=st.integers(0, 2**31))
def test_structure_is_the_reduced_form_of_its_paths(size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    order = rng.permutation(size + 1)[:size]
    pairs = [(i, j) for i in range(size) for j in range(i) if rng.random() < 0.6]
    phi = np.concatenate([[1.0], rng.uniform(0.3, 2.0, size), rng.normal(size=len(pairs))])
    path = np.array([(i, j, 1 + size + n) for n, (i, j) in enumerate(pairs)], dtype=np.int64).reshape(-1, 3)
    level = pm.Level(np.arange(1, size + 1), order.astype(np.int64), path)
    correlation = np.linalg.cholesky(np.corrcoef(rng.normal(size=(size, 3 * size + 3))).reshape(size, size))
    factor = np.empty((size + 1, size))
    pm.structure(level, phi, correlation, factor)
    paths = np.zeros((size, size))
    for i, j, position in path:
        paths[i, j] = phi[position]
    expected = np.linalg.solve(np.eye(size) - paths, np.diag(phi[1 : size + 1]) @ correlation)
    np.testing.assert_allclose(factor[order], expected, rtol=1e-12, atol=1e-12)

    weights = rng.normal(size=factor.shape)
    for i in range(size):
        weights[order[i], i + 1 :] = 0.0
    d_phi, d_correlation = np.zeros_like(phi), np.zeros_like(correlation)
    pm.structure_back(level, phi, correlation, factor, weights.copy(), d_phi, d_correlation)

    def scalar(point: np.ndarray, corr: np.ndarray) -> float:
        pm.structure(level, point, corr, factor)
        return float((weights * factor).sum())

    for i in range(1, len(phi)):
        shift = np.eye(len(phi))[i] * 1e-6
        difference = (scalar(phi + shift, correlation) - scalar(phi - shift, correlation)) / 2e-6
        assert d_phi[i] == pytest.approx(difference, rel=1e-6, abs=1e-7)
    for i, j in zip(*np.tril_indices(size), strict=True):
        shift = np.zeros_like(correlation)
        shift[i, j] = 1e-6
        difference = (scalar(phi, correlation + shift) - scalar(phi, correlation - shift)) / 2e-6
        assert d_correlation[i, j] == pytest.approx(difference, rel=1e-6, abs=1e-7)


def test_paths_against_the_causal_order_are_refused() -> None:
    sds = (Free("a", positive=True), Free("b", positive=True), Free("path"))
    for structure, message in (
        (Structure(("x", "y"), ("a", "b"), (("x", "y", "path"),)), "causal order"),
        (Structure(("x", "y"), ("a", "b"), (), (Correlation("cor", ("y", "x")),)), "order of the level"),
    ):
        system = GaussianSystem(sds, ("x", "y"), (), structure, Structure(), 1, np.empty(0, dtype=np.int64))
        with pytest.raises(ValueError, match=message):
            compile_system(system)
