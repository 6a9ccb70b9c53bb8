"""The kernel against brute force: a dense multivariate normal and central differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numba import njit

from safezone.models import conditional, kernel
from safezone.models import products as cross_products
from safezone.models.objective import Natural

# Hypothesis draws a seed and the shape; numpy fills it. Deadline off: the first example compiles.
RANDOM = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@njit
def marginal(*arguments: Any) -> float:
    """The kernel's function, which only compiled functions may call."""
    return kernel.marginal(*arguments)


@njit
def backward(*arguments: Any) -> None:
    """Another one."""
    kernel.backward(*arguments)


@dataclass
class System:
    """A random system: the layout, its cross-products, its rows and a random parameter point."""

    layout: cross_products.Layout
    products: cross_products.CrossProducts
    rows: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]
    therapist: np.ndarray
    beta: np.ndarray
    log_sigma: np.ndarray
    loadings: np.ndarray
    client_factor: np.ndarray
    therapist_factor: np.ndarray

    @property
    def point(self) -> list[np.ndarray]:
        return [self.beta, self.log_sigma, self.loadings, self.client_factor, self.therapist_factor]

    def marginal(self, point: list[np.ndarray] | None = None) -> tuple[float, list[np.ndarray]]:
        point = self.point if point is None else point
        gradients = [np.empty_like(part) for part in point]
        arguments: list[Any] = [*point, True, *gradients]
        return marginal(self.layout, self.products, *arguments), gradients

    def loading(self, group: int) -> np.ndarray:
        """Λ_g as a dense q × k matrix."""
        layout = self.layout
        rows = layout.active[layout.active_start[group] : layout.active_start[group + 1]]
        dense = np.zeros((layout.q[0], layout.k[group]))
        dense[rows] = self.loadings[layout.loading[group] : layout.loading[group + 1]].reshape(len(rows), -1)
        return dense

    def dense(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """y − Xβ, its residual variances, the map from all client effects η to it, and Cov(η)."""
        clients, q = self.products.rows.shape[0], int(self.layout.q[0])
        residual, variance, effect_map = [], [], []
        for g, (client, x, z, y) in enumerate(self.rows):
            residual.append(y - x @ self.beta[self.layout.beta[g] : self.layout.beta[g + 1]])
            variance.append(np.full(len(y), np.exp(2 * self.log_sigma[g])))
            block = np.zeros((len(y), clients * q))
            for i, c in enumerate(client):
                block[i, c * q : (c + 1) * q] = self.loading(g) @ z[i]
            effect_map.append(block)
        covariance = np.kron(np.eye(clients), self.client_factor @ self.client_factor.T)
        same = self.therapist[:, None] == self.therapist[None, :]
        covariance += np.kron(same, self.therapist_factor @ self.therapist_factor.T)
        return np.concatenate(residual), np.concatenate(variance), np.concatenate(effect_map), covariance


def random_system(seed: int, responses: int, q: int, therapists: int, *, per_client: bool = False) -> System:
    """Ragged clients, clients without rows in a group, free loadings on random subsets of η."""
    rng = np.random.default_rng(seed)
    clients = int(rng.integers(max(2, therapists), 9))
    therapist = np.sort(rng.integers(0, therapists, clients)) if therapists else np.arange(clients)
    unit = np.searchsorted(therapist, np.arange(therapist.max() + 2))
    active = [sorted(rng.choice(q, rng.integers(1, q + 1), replace=False).tolist()) for _ in range(responses)]
    p, k = rng.integers(0, 4, responses).tolist(), rng.integers(1, 4, responses).tolist()
    layout = cross_products.make_layout(q, p, k, active, unit)
    products = cross_products.empty_products(layout, clients, per_client=per_client)
    rows = []
    for g in range(responses):
        client = rng.permutation(np.repeat(np.arange(clients), rng.integers(0, 5, clients)))
        x, z = rng.normal(size=(len(client), p[g])), rng.normal(size=(len(client), k[g]))
        y = rng.normal(size=len(client))
        cross_products.add_rows(layout, products, g, client, x, z, y)
        rows.append((client, x, z, y))
    r = int(rng.integers(1, q + 1))
    s = int(rng.integers(1, q + 1)) if therapists else 0
    return System(
        layout, products, rows, therapist,
        rng.normal(size=layout.beta[-1]), rng.normal(0, 0.4, responses), rng.normal(size=layout.loading[-1]),
        rng.normal(size=(q, r)), rng.normal(0, 0.6, size=(q, s)),
    )  # fmt: skip


def gaussian_log_density(residual: np.ndarray, covariance: np.ndarray) -> float:
    factor = np.linalg.cholesky(covariance)
    white = np.linalg.solve(factor, residual)
    return float(-0.5 * (white @ white + len(residual) * np.log(2 * np.pi)) - np.log(np.diag(factor)).sum())


shapes = {
    "seed": st.integers(0, 2**31),
    "responses": st.integers(1, 4),
    "q": st.integers(1, 8),
    "therapists": st.integers(0, 3),
}


@RANDOM
@given(**shapes)
def test_log_density_equals_a_dense_multivariate_normal(seed: int, responses: int, q: int, therapists: int) -> None:
    system = random_system(seed, responses, q, therapists)
    residual, variance, effect_map, covariance = system.dense()
    expected = gaussian_log_density(residual, np.diag(variance) + effect_map @ covariance @ effect_map.T)
    # Both are exact; 1e-10 leaves room for the rounding of two different Cholesky factorisations.
    assert system.marginal()[0] == pytest.approx(expected, rel=1e-10, abs=1e-9)


@RANDOM
@given(**shapes)
def test_gradient_equals_central_differences(seed: int, responses: int, q: int, therapists: int) -> None:
    system = random_system(seed, responses, q, therapists)
    _, gradients = system.marginal()
    step = 1e-5
    for part, gradient in zip(system.point, gradients, strict=True):
        for index in np.ndindex(part.shape):
            kept = part[index]
            part[index] = kept + step
            above = system.marginal()[0]
            part[index] = kept - step
            below = system.marginal()[0]
            part[index] = kept
            difference = (above - below) / (2 * step)
            # Central differences with h = 1e-5 are good to about h² ‖f'''‖ + ε‖f‖/h ≈ 1e-9 … 1e-7 here.
            scale = max(1.0, np.abs(gradient).max())
            assert gradient[index] == pytest.approx(difference, rel=1e-6, abs=1e-6 * scale)


def test_batches_give_the_same_bits() -> None:
    system = random_system(7, 3, 4, 2, per_client=True)
    again = cross_products.empty_products(system.layout, system.products.rows.shape[0], per_client=True)
    for start in range(0, 40, 3):
        for g, (client, x, z, y) in enumerate(system.rows):
            part = slice(start, start + 3)
            cross_products.add_rows(system.layout, again, g, client[part], x[part], z[part], y[part])
    whole = random_system(7, 3, 4, 2, per_client=True).products
    for one, other in zip(again, whole, strict=True):
        np.testing.assert_array_equal(one, other)


def test_overflow_is_not_a_number_rather_than_a_number() -> None:
    system = random_system(3, 2, 2, 1)
    system.client_factor[:] = 1e200
    assert not np.isfinite(system.marginal()[0])


def _one_draw(system: System) -> Natural:
    """The parameter point as a single draw."""
    empty = np.empty((1, 0))
    return Natural(empty, empty[None], empty[None], *(part[None] for part in system.point))


@RANDOM
@given(**shapes)
def test_conditional_draws_have_the_dense_moments(seed: int, responses: int, q: int, therapists: int) -> None:
    system = random_system(seed, responses, q, therapists)
    clients, r = system.products.rows.shape[0], system.client_factor.shape[1]
    units, s = len(system.layout.unit) - 1, system.therapist_factor.shape[1]

    def draw(normals: np.ndarray) -> np.ndarray:
        """All standardised effects, clients then therapists, for one vector of standard normals."""
        of_clients = normals[: clients * r].reshape(1, clients, r).copy()
        of_therapists = normals[clients * r :].reshape(1, units, s).copy()
        conditional.draw_effects(system.layout, system.products, _one_draw(system), of_clients, of_therapists)
        return np.concatenate([of_clients.ravel(), of_therapists.ravel()])

    size = clients * r + units * s
    mean = draw(np.zeros(size))
    root = np.column_stack([draw(np.eye(size)[i]) - mean for i in range(size)])  # draws are affine in the normals

    residual, variance, effect_map, _ = system.dense()
    which = (
        system.therapist[:, None] == np.unique(system.therapist)[None, :] if therapists else np.zeros((clients, units))
    )
    present = np.unique(system.therapist)
    spread = np.zeros((clients, units))
    spread[:, present if therapists else slice(0, 0)] = which if therapists else 0.0
    to_eta = np.hstack([np.kron(np.eye(clients), system.client_factor), np.kron(spread, system.therapist_factor)])
    design = effect_map @ to_eta
    precision = np.eye(size) + design.T @ (design / variance[:, None])
    expected = np.linalg.solve(precision, design.T @ (residual / variance))
    # The dense precision has condition numbers of up to about 1e4: ten digits remain of sixteen, less a margin.
    np.testing.assert_allclose(mean, expected, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(root @ root.T, np.linalg.inv(precision), rtol=1e-8, atol=1e-9)


@RANDOM
@given(**shapes)
def test_unit_log_likelihoods_are_differences_of_marginals(seed: int, responses: int, q: int, therapists: int) -> None:
    system = random_system(seed, responses, q, therapists, per_client=True)
    by_client, by_therapist = conditional.unit_log_likelihood(system.layout, system.products, _one_draw(system))
    residual, variance, effect_map, covariance = system.dense()
    dense = np.diag(variance) + effect_map @ covariance @ effect_map.T
    owner = np.concatenate([rows[0] for rows in system.rows])
    whole = gaussian_log_density(residual, dense)
    assert by_therapist.sum() == pytest.approx(whole, rel=1e-9, abs=1e-8)  # sums of exact terms
    for c in range(system.products.rows.shape[0]):
        rest = owner != c
        without = gaussian_log_density(residual[rest], dense[np.ix_(rest, rest)])
        assert by_client[0, c] == pytest.approx(
            whole - without, rel=1e-8, abs=1e-8
        )  # a difference of two large numbers


def test_inner_functions_refuse_python() -> None:
    """Inner functions have no wrapper for Python: a call from Python is an error, not a crash."""
    arguments = (np.eye(2)[None], 0, 2, np.ones((1, 2, 1)), 0, 1)
    backward(*arguments)  # compiled for these very types, and still not for Python
    with pytest.raises(TypeError, match="only be called from compiled functions"):
        kernel.backward(*arguments)
