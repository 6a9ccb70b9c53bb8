"""The log density of a whole marginalised system in its unconstrained parameters, with gradient.

One compiled call from θ to log p(θ) + log p(y | θ) and its gradient, composed of the pieces of
:mod:`safezone.models.parameter_map` and :mod:`safezone.models.kernel`. It releases the interpreter
lock, so chains run side by side in threads.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .compiled import compiled, inner, merged
from .kernel import marginal
from .parameter_map import (
    ParameterMap,
    condition,
    condition_back,
    constrain,
    constrain_back,
    correlations,
    correlations_back,
    place,
    place_back,
    structure,
    structure_back,
)
from .products import CrossProducts, Floats, Layout


class Natural(NamedTuple):
    """What one θ means: the arguments of the kernel, and the parameters they were made from.

    Parameters
    ----------
    phi
        (1, parameters, derived equations).
    client_correlation, therapist_correlation
        Cholesky factors C per level.
    beta, log_sigma, loadings, client_factor, therapist_factor
        See :func:`safezone.models.kernel.marginal`.
    """

    phi: Floats
    client_correlation: Floats
    therapist_correlation: Floats
    beta: Floats
    log_sigma: Floats
    loadings: Floats
    client_factor: Floats
    therapist_factor: Floats


@inner
def natural(map_: ParameterMap, layout: Layout, theta: Floats, d_theta: Floats) -> tuple[float, Natural]:
    """Return log prior + log Jacobian (gradient in ``d_theta``) and what θ means."""
    scalars, derived = map_.prior.shape[0], map_.equation.shape[0] * (2 * map_.residual_sd.shape[1] + 1)
    r, s, q = map_.client.sd.shape[0], map_.therapist.sd.shape[0], layout.q[0]
    value = Natural(
        np.empty(1 + scalars + derived), np.zeros((r, r)), np.zeros((s, s)), np.empty(layout.beta[-1]),
        np.empty(map_.sigma.shape[0]), np.empty(layout.loading[-1]), np.empty((q, r)), np.empty((q, s)),
    )  # fmt: skip
    total = constrain(map_.bounds, map_.prior, theta, value.phi, d_theta)
    total += correlations(map_, theta, value.client_correlation, value.therapist_correlation, d_theta)
    condition(map_, value.phi)
    place(map_.beta_term, map_.beta_weight, value.phi, value.beta)
    place(map_.loading_term, map_.loading_weight, value.phi, value.loadings)
    for g in range(map_.sigma.shape[0]):
        value.log_sigma[g] = math.log(value.phi[map_.sigma[g]])
    structure(map_.client, value.phi, value.client_correlation, value.client_factor)
    structure(map_.therapist, value.phi, value.therapist_correlation, value.therapist_factor)
    return total, value


@merged
def log_density(map_: ParameterMap, layout: Layout, products: CrossProducts, theta: Floats, with_prior: bool,
                with_gradient: bool, d_theta: Floats) -> float:  # fmt: skip
    """Return the log density at θ; ``-inf`` where it is not finite.

    Parameters
    ----------
    map_, layout, products
        The system.
    theta
        Unconstrained parameters, (n,).
    with_prior
        Add log prior and log Jacobian: the log posterior density of θ. Without: the log likelihood.
    with_gradient
        Whether to fill ``d_theta``.
    d_theta
        The gradient, (n,).

    Returns
    -------
    float
        log p(y | θ), plus log p(θ) if asked.
    """
    total, value = natural(map_, layout, theta, d_theta)
    if not with_prior:
        total = 0.0
        d_theta[:] = 0.0
    d_beta, d_log_sigma, d_loadings = (
        np.empty_like(value.beta),
        np.empty_like(value.log_sigma),
        np.empty_like(value.loadings),
    )
    d_client, d_therapist = np.empty_like(value.client_factor), np.empty_like(value.therapist_factor)
    total += marginal(
        layout, products, value.beta, value.log_sigma, value.loadings, value.client_factor, value.therapist_factor,
        with_gradient, d_beta, d_log_sigma, d_loadings, d_client, d_therapist,
    )  # fmt: skip
    if not math.isfinite(total):
        d_theta[:] = 0.0
        return -np.inf
    if with_gradient:
        d_phi = np.zeros_like(value.phi)
        d_correlation_u, d_correlation_w = (
            np.zeros_like(value.client_correlation),
            np.zeros_like(value.therapist_correlation),
        )
        structure_back(
            map_.client, value.phi, value.client_correlation, value.client_factor, d_client, d_phi, d_correlation_u
        )
        structure_back(
            map_.therapist, value.phi, value.therapist_correlation, value.therapist_factor,
            d_therapist, d_phi, d_correlation_w,
        )  # fmt: skip
        for g in range(map_.sigma.shape[0]):
            d_phi[map_.sigma[g]] += d_log_sigma[g] / value.phi[map_.sigma[g]]
        place_back(map_.beta_term, map_.beta_weight, value.phi, d_beta, d_phi)
        place_back(map_.loading_term, map_.loading_weight, value.phi, d_loadings, d_phi)
        condition_back(map_, value.phi, d_phi)
        constrain_back(map_.bounds, theta, value.phi, d_phi, d_theta)
        correlations_back(
            map_,
            theta,
            value.client_correlation,
            value.therapist_correlation,
            d_correlation_u,
            d_correlation_w,
            d_theta,
        )
    return total


@compiled
def evaluate(map_: ParameterMap, layout: Layout, products: CrossProducts, centre: Floats, root: Floats, points: Floats,
             with_prior: bool, with_gradient: bool, values: Floats, gradients: Floats) -> None:  # fmt: skip
    """Evaluate the log density at θ = centre + root · point, for many points: the one entry from Python.

    One entry, because every function that is called from Python is compiled with all that it calls.

    Parameters
    ----------
    map_, layout, products
        The system.
    centre, root
        Origin (n,) and axes (n, n) of the points.
    points
        (m, n).
    with_prior, with_gradient
        See :func:`log_density`.
    values, gradients
        Filled with the log densities (m,) and their gradients in the points (m, n).
    """
    n = points.shape[1]
    theta, d_theta = np.empty(n), np.empty(n)
    for m in range(points.shape[0]):
        for i in range(n):
            theta[i] = centre[i]
            for j in range(n):
                theta[i] += root[i, j] * points[m, j]
        values[m] = log_density(map_, layout, products, theta, with_prior, with_gradient, d_theta)
        if with_gradient:
            for j in range(n):
                gradients[m, j] = 0.0
                for i in range(n):
                    gradients[m, j] += root[i, j] * d_theta[i]
