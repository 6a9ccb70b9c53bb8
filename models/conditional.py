"""What follows from draws of the parameters: exact draws of the effects, and log-likelihoods per unit.

Given the parameters, the standardised effects are normal: d_t ~ N(P_t L_w' h_t, P_t) for therapists and
d_c | w_t ~ N(P_c L_u'(g_c − A_c w_t), P_c) for their clients (notation of :mod:`safezone.models.kernel`).
They are drawn therapist first, so that every draw is one from the joint posterior.

Per client c of therapist t the log-likelihood is that of leaving c out, log p(y_c | y_−c, θ), client and
therapist effects integrated out: exactly the ratio that PSIS needs for leave-one-client-out. Per
therapist it is log p(y_t | θ).
"""

from __future__ import annotations

import math
from typing import SupportsIndex

import numpy as np

from .compiled import compiled, inner
from .kernel import LOG_2PI, backward, eliminate, gather
from .objective import Natural, natural
from .parameter_map import ParameterMap
from .products import CrossProducts, Floats, Layout


@compiled
def expand(map_: ParameterMap, layout: Layout, theta: Floats) -> Natural:
    """Return what each row of θ (draws, n) means; every array gets a leading dim of draws."""
    draws, scratch = theta.shape[0], np.empty(theta.shape[1])
    _, first = natural(map_, layout, theta[0], scratch)
    phi = np.empty((draws, first.phi.shape[0]))
    beta, log_sigma = np.empty((draws, first.beta.shape[0])), np.empty((draws, first.log_sigma.shape[0]))
    loadings = np.empty((draws, first.loadings.shape[0]))
    (q, r), s = first.client_factor.shape, first.therapist_factor.shape[1]
    correlation_u, correlation_w = np.empty((draws, r, r)), np.empty((draws, s, s))
    factor_u, factor_w = np.empty((draws, q, r)), np.empty((draws, q, s))
    for i in range(draws):
        _, value = natural(map_, layout, theta[i], scratch)
        copy(value.phi, phi, i)
        copy(value.beta, beta, i)
        copy(value.log_sigma, log_sigma, i)
        copy(value.loadings, loadings, i)
        copy_matrix(value.client_correlation, correlation_u, i)
        copy_matrix(value.therapist_correlation, correlation_w, i)
        copy_matrix(value.client_factor, factor_u, i)
        copy_matrix(value.therapist_factor, factor_w, i)
    return Natural(phi, correlation_u, correlation_w, beta, log_sigma, loadings, factor_u, factor_w)


@inner
def copy(source: Floats, target: Floats, i: int) -> None:
    """Copy a vector to ``target[i]``; numba would compile a message about shapes for every slice assignment."""
    for j in range(source.shape[0]):
        target[i, j] = source[j]


@inner
def copy_matrix(source: Floats, target: Floats, i: int) -> None:
    """Copy a matrix to ``target[i]``."""
    for a in range(source.shape[0]):
        for b in range(source.shape[1]):
            target[i, a, b] = source[a, b]


@inner
def sizes(layout: Layout) -> tuple[int, int]:
    """Return the columns of all Z_g together, and the clients of the largest unit."""
    effects, largest = 0, 0
    for g in range(layout.k.shape[0]):
        effects += layout.k[g]
    for t in range(layout.unit.shape[0] - 1):
        largest = max(largest, layout.unit[t + 1] - layout.unit[t])
    return effects, largest


@inner
def precisions(log_sigma: Floats, kappa: Floats) -> None:
    """Fill κ = 1/σ²."""
    for g in range(log_sigma.shape[0]):
        kappa[g] = math.exp(-2.0 * log_sigma[g])


@compiled
def draw_effects(layout: Layout, products: CrossProducts, value: Natural, client_normals: Floats,
                 therapist_normals: Floats) -> None:  # fmt: skip
    """Turn standard normals into draws of the standardised effects d, in place.

    Parameters
    ----------
    layout, products
        The data.
    value
        Draws from :func:`expand`.
    client_normals, therapist_normals
        Standard normals (draws, C, r_u) and (draws, T, r_w); overwritten by d_c and d_t, so that
        u_c = L_u d_c and w_t = L_w d_t. Zeros give the conditional means. Order of ``products``.
    """
    q, kappa = layout.q[0], np.empty(layout.p.shape[0])
    effects, largest = sizes(layout)
    zero, one = np.int64(0), np.int64(1)  # a literal argument would compile another copy of the function
    r, s = value.client_factor.shape[2], value.therapist_factor.shape[2]
    information, score, residual = np.empty((largest, q, q)), np.empty((largest, q)), np.empty((largest, effects))
    root, half = np.empty((largest, r, r)), np.empty((largest, r, q))
    cross, whitened = np.empty((largest, r, q)), np.empty((largest, r))
    root_t, half_t = np.empty((1, s, s)), np.empty((1, s, q))
    cross_t, whitened_t = np.empty((1, s, q)), np.empty((1, s))
    q_t, h_t, w = np.empty((1, q, q)), np.empty((1, q)), np.zeros(q)
    column, column_t = np.empty((1, r, 1)), np.empty((1, s, 1))
    for i in range(client_normals.shape[0]):
        precisions(value.log_sigma[i], kappa)
        factor, factor_t = value.client_factor[i], value.therapist_factor[i]
        for t in range(layout.unit.shape[0] - 1):
            begin, end = layout.unit[t], layout.unit[t + 1]
            q_t[:] = 0.0
            h_t[:] = 0.0
            for c in range(begin, end):
                m = c - begin
                gather(layout, products, c, value.beta[i], kappa, value.loadings[i], residual, information, score, m)
                eliminate(factor, information, score, root, half, cross, whitened, m)
                leave(information, score, cross, whitened, m, q_t, h_t, zero)
            if s > 0:
                eliminate(factor_t, q_t, h_t, root_t, half_t, cross_t, whitened_t, zero)
                for j in range(s):
                    column_t[0, j, 0] = whitened_t[0, j] + therapist_normals[i, t, j]
                backward(root_t, zero, s, column_t, zero, one)
                for a in range(q):
                    w[a] = 0.0
                    for j in range(s):
                        therapist_normals[i, t, j] = column_t[0, j, 0]
                        w[a] += factor_t[a, j] * column_t[0, j, 0]
            for c in range(begin, end):
                m = c - begin
                for j in range(r):
                    column[0, j, 0] = whitened[m, j] + client_normals[i, c, j]
                    for a in range(q):
                        column[0, j, 0] -= cross[m, j, a] * w[a]
                backward(root, m, r, column, zero, one)
                for j in range(r):
                    client_normals[i, c, j] = column[0, j, 0]


@inner
def leave(information: Floats, score: Floats, cross: Floats, whitened: Floats, m: SupportsIndex, q_t: Floats,
          h_t: Floats, n: SupportsIndex) -> None:  # fmt: skip
    """Add what client m leaves to its therapist, A − AWA and g − AWg, to ``q_t[n]`` and ``h_t[n]``."""
    q, r = score.shape[1], whitened.shape[1]
    for a in range(q):
        h_t[n, a] += score[m, a]
        for j in range(r):
            h_t[n, a] -= cross[m, j, a] * whitened[m, j]
        for b in range(q):
            q_t[n, a, b] += information[m, a, b]
            for j in range(r):
                q_t[n, a, b] -= cross[m, j, a] * cross[m, j, b]


@inner
def accumulate(source_q: Floats, source_h: Floats, m: int, q_t: Floats, h_t: Floats, n: int) -> None:
    """Add ``source_q[m]`` and ``source_h[m]`` to ``q_t[n]`` and ``h_t[n]``."""
    for a in range(h_t.shape[1]):
        h_t[n, a] += source_h[m, a]
        for b in range(h_t.shape[1]):
            q_t[n, a, b] += source_q[m, a, b]


@compiled
def unit_log_likelihood(layout: Layout, products: CrossProducts, value: Natural) -> tuple[Floats, Floats]:
    """Return log p(y_c | y_−c, θ) per client (draws, C) and log p(y_t | θ) per therapist (draws, T).

    Without therapists both are log p(y_c | θ). Needs ``products.client_squares``. Order of ``products``.
    """
    q, kappa = layout.q[0], np.empty(layout.p.shape[0])
    effects, largest = sizes(layout)
    zero = np.int64(0)  # a literal argument would compile another copy of the function
    draws, clients, units = value.phi.shape[0], products.rows.shape[0], layout.unit.shape[0] - 1
    r, s = value.client_factor.shape[2], value.therapist_factor.shape[2]
    by_client, by_therapist = np.empty((draws, clients)), np.empty((draws, units))
    information, score, residual = np.empty((1, q, q)), np.empty((1, q)), np.empty((1, effects))
    root, half, cross, whitened = np.empty((1, r, r)), np.empty((1, r, q)), np.empty((1, r, q)), np.empty((1, r))
    root_t, half_t = np.empty((largest + 1, s, s)), np.empty((largest + 1, s, q))
    cross_t, whitened_t = np.empty((largest + 1, s, q)), np.empty((largest + 1, s))
    # Sums over the clients before each (row m) and after it (row m + 1), so that leaving one out is a sum, not a
    # difference, which would lose digits.
    before_q, before_h = np.empty((largest + 1, q, q)), np.empty((largest + 1, q))
    after_q, after_h = np.empty((largest + 1, q, q)), np.empty((largest + 1, q))
    for i in range(draws):
        beta, log_sigma = value.beta[i], value.log_sigma[i]
        precisions(log_sigma, kappa)
        for t in range(units):
            begin, end = layout.unit[t], layout.unit[t + 1]
            size = end - begin
            before_q[0], before_h[0], after_q[size], after_h[size] = 0.0, 0.0, 0.0, 0.0
            total = 0.0
            for c in range(begin, end):
                m = c - begin
                gather(layout, products, c, beta, kappa, value.loadings[i], residual, information, score, zero)
                alone = eliminate(value.client_factor[i], information, score, root, half, cross, whitened, zero)
                alone += own_rows(layout, products, c, beta, log_sigma, kappa)
                by_client[i, c] = alone
                total += alone
                if s > 0:
                    after_q[m], after_h[m] = 0.0, 0.0
                    leave(information, score, cross, whitened, zero, after_q, after_h, m)  # the client's own, for now
                    before_q[m + 1], before_h[m + 1] = 0.0, 0.0
                    accumulate(before_q, before_h, m, before_q, before_h, m + 1)
                    accumulate(after_q, after_h, m, before_q, before_h, m + 1)
            if s > 0:
                factor = value.therapist_factor[i]
                whole = eliminate(factor, before_q, before_h, root_t, half_t, cross_t, whitened_t, size)
                total += whole
                for m in range(size - 1, -1, -1):
                    accumulate(after_q, after_h, m + 1, before_q, before_h, m)
                    by_client[i, begin + m] += whole - eliminate(
                        factor, before_q, before_h, root_t, half_t, cross_t, whitened_t, m
                    )
                    accumulate(after_q, after_h, m + 1, after_q, after_h, m)
            by_therapist[i, t] = total
    return by_client, by_therapist


@inner
def own_rows(layout: Layout, products: CrossProducts, c: int, beta: Floats, log_sigma: Floats, kappa: Floats) -> float:
    """Return the part of a client's log density without random effects."""
    total = 0.0
    start = 0
    mine = products.client_squares[c]
    for g in range(layout.p.shape[0]):
        p, b = layout.p[g], layout.beta[g]
        square = mine[start + p * p + p]
        for j in range(p):
            slope = -2.0 * mine[start + p * p + j]
            for l in range(p):
                slope += mine[start + j * p + l] * beta[b + l]
            square += beta[b + j] * slope
        total -= 0.5 * (products.rows[c, g] * (LOG_2PI + 2.0 * log_sigma[g]) + kappa[g] * square)
        start += p * p + p + 1
    return total
