"""The marginalised Gaussian core: client and therapist effects integrated out exactly, in plain loops.

Row i of group g, client c, therapist t(c); a *group* is a response, or a part of one with its own
residual SD (first rows of a lagged series, rows whose predictor is missing):

    y_gi = x_gi' β_g + z_gi' Λ_g' η_c + ε_gi ,   ε_gi ~ N(0, σ_g²) ,   η_c = u_c + w_t(c)
    u_c = L_u d_c ,  w_t = L_w d_t ,  d ~ N(0, I) ;   L_u is q × r_u, L_w is q × r_w (r_w = 0: no therapists)

The data enter only through cross-products per client (Z'Z, Z'X, Z'y) and overall (X'X, X'y, y'y),
so a gradient costs O(clients · q³), whatever the number of sessions. With κ_g = 1/σ_g²:

    A_c = Σ_g κ_g Λ_g Z'Z_gc Λ_g'          g_c = Σ_g κ_g Λ_g (Z'y_gc − Z'X_gc β_g)
    P_c = (I + L_u' A_c L_u)⁻¹              W_c = L_u P_c L_u'
    Q_t = Σ_c (A_c − A_c W_c A_c)           h_t = Σ_c (g_c − A_c W_c g_c)       P_t = (I + L_w' Q_t L_w)⁻¹

    log p(y) = −½ Σ_g [ n_g log(2πσ_g²) + κ_g ‖y_g − X_g β_g‖² ]
               + ½ Σ_c [ log|P_c| + g_c' W_c g_c ] + ½ Σ_t [ log|P_t| + h_t' L_w P_t L_w' h_t ]

The gradient is the posterior mean of the complete-data score (Fisher's identity). Everything is
written for matrices of a handful of rows: hand-made Cholesky, no library call, no allocation inside
the loops. Only the rows of Λ_g that can be non-zero (``active``) are stored and visited.

Compiled functions are cached beside this file and release the interpreter lock.
"""

from __future__ import annotations

import math
from typing import SupportsIndex

import numpy as np

from .compiled import fast, inlined
from .products import CrossProducts, Floats, Layout

LOG_2PI = math.log(2.0 * math.pi)


@inlined
def cholesky(matrix: Floats, m: SupportsIndex, size: int) -> float:
    """Overwrite the lower triangle of ``matrix[m]`` by its Cholesky factor; return log|matrix|, NaN if not positive."""
    determinant = 1.0
    total = 0.0
    for j in range(size):
        pivot = matrix[m, j, j]
        for l in range(j):
            pivot -= matrix[m, j, l] * matrix[m, j, l]
        if not pivot > 0.0:
            return np.nan
        determinant *= pivot
        if determinant > 1e100 or determinant < 1e-100:  # one logarithm per matrix, unless it would overflow
            total += math.log(determinant)
            determinant = 1.0
        root = math.sqrt(pivot)
        matrix[m, j, j] = root
        inverse = 1.0 / root
        for i in range(j + 1, size):
            value = matrix[m, i, j]
            for l in range(j):
                value -= matrix[m, i, l] * matrix[m, j, l]
            matrix[m, i, j] = value * inverse
    return total + math.log(determinant)


@inlined
def gather(layout: Layout, products: CrossProducts, c: int, beta: Floats, kappa: Floats, loadings: Floats,
           residual: Floats, information: Floats, score: Floats, m: SupportsIndex) -> None:  # fmt: skip
    """Form A_c (``information[m]``) and g_c (``score[m]``) of client c, and Z'(y − Xβ) per group (``residual[m]``).

    Work arrays carry an index m of the client among those of its therapist: slices would cost more than the sums.
    """
    q = layout.q[0]
    for a in range(q):
        score[m, a] = 0.0
        for b in range(q):
            information[m, a, b] = 0.0
    offset = 0
    record = products.blocks
    for g in range(layout.p.shape[0]):
        p, k = layout.p[g], layout.k[g]
        if products.rows[c, g] > 0:
            zz = layout.block[g]
            zx = zz + k * k
            zy = zx + k * p
            for i in range(k):
                value = record[c, zy + i]
                for j in range(p):
                    value -= record[c, zx + i * p + j] * beta[layout.beta[g] + j]
                residual[m, offset + i] = value
            first, width = layout.active_start[g], layout.active_start[g + 1] - layout.active_start[g]
            for a in range(width):
                row = layout.loading[g] + a * k
                row_a = layout.active[first + a]
                value = 0.0
                for i in range(k):
                    value += loadings[row + i] * residual[m, offset + i]
                score[m, row_a] += kappa[g] * value
                for j in range(k):
                    value = 0.0
                    for i in range(k):
                        value += loadings[row + i] * record[c, zz + i * k + j]
                    value *= kappa[g]
                    for b in range(a + 1):
                        information[m, row_a, layout.active[first + b]] += (
                            value * loadings[layout.loading[g] + b * k + j]
                        )
        offset += k
    for a in range(q):  # groups filled one triangle of their active rows; rows of `active` are increasing
        for b in range(a):
            information[m, b, a] = information[m, a, b]


@inlined
def eliminate(factor: Floats, information: Floats, score: Floats, root: Floats, half: Floats, cross: Floats,
              whitened: Floats, m: SupportsIndex) -> float:  # fmt: skip
    """Integrate d ~ N(0, I) out of exp(score'·Ld − ½ d'L'·information·Ld), L = ``factor`` (q × r).

    With C C' = I + L'AL it leaves C (``root``), C⁻¹L' (``half``), C⁻¹L'A (``cross``) and C⁻¹L'g
    (``whitened``), and returns ½ log|P| + ½ g'Wg.
    """
    q, r = factor.shape
    for i in range(r):
        for b in range(q):
            half[m, i, b] = factor[b, i]
            value = 0.0
            for a in range(q):
                value += factor[a, i] * information[m, a, b]
            cross[m, i, b] = value
        value = 0.0
        for a in range(q):
            value += factor[a, i] * score[m, a]
        whitened[m, i] = value
        for j in range(i + 1):
            value = 0.0
            for b in range(q):
                value += cross[m, i, b] * factor[b, j]
            root[m, i, j] = value
        root[m, i, i] += 1.0
    log_determinant = cholesky(root, m, r)
    square = 0.0
    for i in range(r):
        inverse = 1.0 / root[m, i, i]
        for j in range(i):
            for b in range(q):
                half[m, i, b] -= root[m, i, j] * half[m, j, b]
                cross[m, i, b] -= root[m, i, j] * cross[m, j, b]
            whitened[m, i] -= root[m, i, j] * whitened[m, j]
        for b in range(q):
            half[m, i, b] *= inverse
            cross[m, i, b] *= inverse
        whitened[m, i] *= inverse
        square += whitened[m, i] * whitened[m, i]
    return 0.5 * (square - log_determinant)


@inlined
def backward(
    root: Floats, m: SupportsIndex, size: int, columns: Floats, n: SupportsIndex, width: SupportsIndex
) -> None:
    """Overwrite ``columns[n]`` (size × width) by C⁻ᵀ columns, C = ``root[m]``."""
    for i in range(size - 1, -1, -1):
        inverse = 1.0 / root[m, i, i]
        for j in range(i + 1, size):
            for b in range(width):
                columns[n, i, b] -= root[m, j, i] * columns[n, j, b]
        for b in range(width):
            columns[n, i, b] *= inverse


@fast
def residual_term(layout: Layout, products: CrossProducts, beta: Floats, log_sigma: Floats, rss: Floats,
                  slope: Floats) -> float:  # fmt: skip
    """Return the part of log p(y) without random effects; leave ‖y − Xβ‖² per group and X'(y − Xβ)."""
    total = 0.0
    clients = products.rows.shape[0]
    for g in range(layout.p.shape[0]):
        p, b, s = layout.p[g], layout.beta[g], layout.square[g]
        n = 0
        for c in range(clients):
            n += products.rows[c, g]
        value = products.yy[g]
        for j in range(p):
            fitted = 0.0
            for l in range(p):
                fitted += products.xx[s + j * p + l] * beta[b + l]
            slope[b + j] = products.xy[b + j] - fitted
            value -= beta[b + j] * (products.xy[b + j] + slope[b + j])
        rss[g] = value
        total -= 0.5 * (n * (LOG_2PI + 2.0 * log_sigma[g]) + math.exp(-2.0 * log_sigma[g]) * value)
    return total


@fast
def marginal(layout: Layout, products: CrossProducts, beta: Floats, log_sigma: Floats, loadings: Floats,
             client_factor: Floats, therapist_factor: Floats, with_gradient: bool, d_beta: Floats, d_log_sigma: Floats,
             d_loadings: Floats, d_client: Floats, d_therapist: Floats) -> float:  # fmt: skip
    """Return log p(y | β, σ, Λ, L_u, L_w) with client and therapist effects integrated out.

    Parameters
    ----------
    layout, products
        The data.
    beta, log_sigma, loadings
        Flat β, log σ (G,), flat Λ (see :class:`Layout`).
    client_factor, therapist_factor
        L_u (q × r_u) and L_w (q × r_w).
    with_gradient
        Whether to fill the five gradients.
    d_beta, d_log_sigma, d_loadings, d_client, d_therapist
        Filled with the gradient, same shapes as the arguments.

    Returns
    -------
    float
        The log density, NaN where a matrix is not positive (overflow).
    """
    q, groups = layout.q[0], layout.p.shape[0]
    r, s = client_factor.shape[1], therapist_factor.shape[1]
    largest, effects = 0, 0
    for t in range(layout.unit.shape[0] - 1):
        largest = max(largest, layout.unit[t + 1] - layout.unit[t])
    for g in range(groups):
        effects += layout.k[g]
    kappa, rss = np.empty(groups), np.empty(groups)
    for g in range(groups):
        kappa[g] = math.exp(-2.0 * log_sigma[g])
    total = residual_term(layout, products, beta, log_sigma, rss, d_beta)
    zero, one = np.int64(0), np.int64(1)  # a literal argument would compile another copy of the function

    # One therapist at a time stays in cache: what the first sweep leaves, the second needs.
    information, score = np.empty((largest, q, q)), np.empty((largest, q))
    residual, root = np.empty((largest, effects)), np.empty((largest, r, r))
    half, cross, whitened = np.empty((largest, r, q)), np.empty((largest, r, q)), np.empty((largest, r))
    q_t, h_t = np.empty((1, q, q)), np.empty((1, q))
    root_t, half_t = np.empty((1, s, s)), np.empty((1, s, q))
    cross_t, whitened_t, z_t = np.empty((1, s, q)), np.empty((1, s)), np.empty((1, s, 1))
    w, cov_t = np.zeros(q), np.zeros((q, q))
    z, eta, rest = np.empty((1, r, 1)), np.empty(q), np.empty(q)
    shrink, spread, second = np.empty((q, q)), np.empty((q, q)), np.empty((q, q))
    product = np.empty((q, effects + 1))
    if with_gradient:
        d_log_sigma[:] = 0.0
        d_loadings[:] = 0.0
        d_client[:] = 0.0
        d_therapist[:] = 0.0
        for g in range(groups):
            for j in range(layout.beta[g], layout.beta[g + 1]):
                d_beta[j] *= kappa[g]

    for t in range(layout.unit.shape[0] - 1):
        begin, end = layout.unit[t], layout.unit[t + 1]
        q_t[:] = 0.0
        h_t[:] = 0.0
        for c in range(begin, end):
            m = c - begin
            gather(layout, products, c, beta, kappa, loadings, residual, information, score, m)
            total += eliminate(client_factor, information, score, root, half, cross, whitened, m)
            if s > 0:
                for a in range(q):
                    value = score[m, a]
                    for i in range(r):
                        value -= cross[m, i, a] * whitened[m, i]
                    h_t[0, a] += value
                    for b in range(q):
                        value = information[m, a, b]
                        for i in range(r):
                            value -= cross[m, i, a] * cross[m, i, b]
                        q_t[0, a, b] += value
        if s > 0:
            total += eliminate(therapist_factor, q_t, h_t, root_t, half_t, cross_t, whitened_t, zero)
        if not with_gradient:
            continue
        if s > 0:
            for a in range(q):
                for b in range(q):
                    value = 0.0
                    for i in range(s):
                        value += half_t[0, i, a] * half_t[0, i, b]
                    cov_t[a, b] = value  # S_t
            for i in range(s):
                z_t[0, i, 0] = whitened_t[0, i]
            backward(root_t, zero, s, z_t, zero, one)
            backward(root_t, zero, s, cross_t, zero, q)  # P_t L_w' Q_t
            for a in range(q):
                value = 0.0
                for i in range(s):
                    value += therapist_factor[a, i] * z_t[0, i, 0]
                w[a] = value
            for a in range(q):
                value = h_t[0, a]
                for b in range(q):
                    value -= q_t[0, a, b] * w[b]
                for i in range(s):
                    d_therapist[a, i] += value * z_t[0, i, 0] - cross_t[0, i, a]
        for c in range(begin, end):
            m = c - begin
            for i in range(r):  # z_c = C⁻ᵀ (C⁻¹L'g − C⁻¹L'A w)
                value = whitened[m, i]
                for a in range(q):
                    value -= cross[m, i, a] * w[a]
                z[0, i, 0] = value
            backward(root, m, r, z, zero, one)
            for a in range(q):
                value = w[a]
                for i in range(r):
                    value += client_factor[a, i] * z[0, i, 0]
                eta[a] = value
            for a in range(q):
                value = score[m, a]
                for b in range(q):
                    value -= information[m, a, b] * eta[b]
                rest[a] = value
            if s > 0:  # (A − AWA) S_t, before `cross` turns into P L'A
                for a in range(q):
                    for b in range(q):
                        value = information[m, a, b]
                        for i in range(r):
                            value -= cross[m, i, a] * cross[m, i, b]
                        spread[a, b] = value
                for a in range(q):
                    for b in range(q):
                        value = 0.0
                        for l in range(q):
                            value += spread[a, l] * cov_t[l, b]
                        second[a, b] = value
            backward(root, m, r, cross, m, q)
            for a in range(q):
                for i in range(r):
                    value = rest[a] * z[0, i, 0] - cross[m, i, a]
                    if s > 0:
                        for l in range(q):
                            value += second[a, l] * cross[m, i, l]
                    d_client[a, i] += value
            for a in range(q):  # E[ηη'] = η̂η̂' + W + G S_t G',  G = I − L P L'A
                for b in range(a + 1):
                    value = eta[a] * eta[b]
                    for i in range(r):
                        value += half[m, i, a] * half[m, i, b]
                    second[a, b] = value
                    second[b, a] = value
            if s > 0:
                for a in range(q):
                    for b in range(q):
                        value = 1.0 if a == b else 0.0
                        for i in range(r):
                            value -= client_factor[a, i] * cross[m, i, b]
                        shrink[a, b] = value
                for a in range(q):
                    for b in range(q):
                        value = 0.0
                        for l in range(q):
                            value += shrink[a, l] * cov_t[l, b]
                        spread[a, b] = value
                for a in range(q):
                    for b in range(q):
                        value = 0.0
                        for l in range(q):
                            value += spread[a, l] * shrink[b, l]
                        second[a, b] += value
            _group_scores(
                layout, products, c, m, residual, loadings, kappa, eta, second, product, d_beta, d_loadings, rss
            )
    if with_gradient:
        for g in range(groups):
            n = 0
            for c in range(products.rows.shape[0]):
                n += products.rows[c, g]
            d_log_sigma[g] = kappa[g] * rss[g] - n
    return total


@inlined
def _group_scores(layout: Layout, products: CrossProducts, c: int, m: int, residual: Floats, loadings: Floats,
                  kappa: Floats, eta: Floats, second: Floats, product: Floats, d_beta: Floats, d_loadings: Floats,
                  rss: Floats) -> None:  # fmt: skip
    """Add one client's expected scores of β and Λ, and its part of E[RSS_g], given η̂ and E[ηη']."""
    offset = 0
    record = products.blocks
    for g in range(layout.p.shape[0]):
        p, k = layout.p[g], layout.k[g]
        if products.rows[c, g] > 0:
            zz = layout.block[g]
            zx = zz + k * k
            first, width = layout.active_start[g], layout.active_start[g + 1] - layout.active_start[g]
            start = layout.loading[g]
            for b in range(width):
                for j in range(k):
                    value = 0.0
                    for i in range(k):
                        value += loadings[start + b * k + i] * record[c, zz + i * k + j]
                    product[b, j] = value
            for a in range(width):
                row = layout.active[first + a]
                for j in range(k):
                    value = 0.0
                    for b in range(width):
                        value += second[row, layout.active[first + b]] * product[b, j]
                    loading = loadings[start + a * k + j]
                    rss[g] += loading * (value - 2.0 * eta[row] * residual[m, offset + j])
                    d_loadings[start + a * k + j] += kappa[g] * (eta[row] * residual[m, offset + j] - value)
            for i in range(k):
                value = 0.0
                for a in range(width):
                    value += loadings[start + a * k + i] * eta[layout.active[first + a]]
                value *= kappa[g]
                for j in range(p):
                    d_beta[layout.beta[g] + j] -= record[c, zx + i * p + j] * value
        offset += k
