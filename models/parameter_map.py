"""From an unconstrained vector to what the kernel needs, and the gradient back, in small tested pieces.

    θ  ──constrain──►  φ = (1, parameters)                     transforms, priors, log Jacobian
    θ  ──correlate──►  C  (Cholesky factors of correlations)   partial correlations, LKJ prior
    φ  ──condition──►  φ, extended by equations                of responses whose predictor is missing in a row
    φ  ──place──────►  β, Λ, log σ                             sums of products of parameters
    φ, C ─structure─►  L = (I − B)⁻¹ diag(sd) C                per level: paths among latent effects

Each piece has its vector–Jacobian product beside it (``*_back``): cotangents of its results come in,
cotangents of its arguments are added to. Everything is compiled, so that a gradient never returns to
Python between θ and the log density.

Reference: Lewandowski, Kurowicka & Joe (2009) for the LKJ density on partial correlations.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .compiled import compiled, inner
from .kernel import backward, cholesky

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Prior laws. A prior is a row (law, a, b, c, log normaliser): NORMAL location a, scale b; STUDENT_T the same with
# ν = c; EXPONENTIAL rate a; GAMMA shape a, rate b; BETA shapes a, b; MIXTURE of two normals, location a, scale b,
# weight c, and after the normaliser location and scale of the other. Half laws differ in the normaliser only.
FLAT, NORMAL, STUDENT_T, EXPONENTIAL, GAMMA, BETA, MIXTURE = 0, 1, 2, 3, 4, 5, 6


class Level(NamedTuple):
    """The structural model of one level: r effects in causal order.

    Parameters
    ----------
    sd
        Where in φ the (residual) SD of each effect stands, (r,).
    row
        Which entry of η each effect is, (r,).
    path
        Rows (effect, earlier effect, position in φ): the strictly lower triangular B.
    """

    sd: Ints
    row: Ints
    path: Ints


class ParameterMap(NamedTuple):
    """The map as arrays; :mod:`safezone.models.gaussian` compiles them from a declaration.

    Parameters
    ----------
    bounds, prior
        Support with a typical size (n, 3) and prior (n, 7) of each parameter.
    correlation
        Rows (size, start in θ, level 0 client or 1 therapist, start in ``member``).
    member
        Effects of each correlation block, increasing within a block.
    lkj
        Rows of η and log normaliser per block.
    residual_sd, residual_path
        Recursive systems of V responses within a row: positions of σ_v in φ (S, V), and rows (system, v, u,
        position in φ) of its A.
    equation, seen
        Derived equations: rows (system, response v, start of the result in φ), and which earlier
        responses are observed, (N, V).
    beta_term, beta_weight, loading_term, loading_weight
        Rows (target, i, j, …): target += weight · φ_i · φ_j · … (φ_0 = 1).
    sigma
        Position in φ of each group's residual SD, (G,).
    client, therapist
        The two levels.
    """

    bounds: Floats
    prior: Floats
    correlation: Ints
    member: Ints
    lkj: Floats
    residual_sd: Ints
    residual_path: Ints
    equation: Ints
    seen: Ints
    beta_term: Ints
    beta_weight: Floats
    loading_term: Ints
    loading_weight: Floats
    sigma: Ints
    client: Level
    therapist: Level


@compiled
def prior_density(prior: Floats, value: float) -> tuple[float, float]:
    """Return the log density of one natural parameter and its derivative."""
    law, a, b, c, constant = int(prior[0]), prior[1], prior[2], prior[3], prior[4]
    if law == NORMAL:
        scaled = (value - a) / b
        return constant - 0.5 * scaled * scaled, -scaled / b
    if law == STUDENT_T:
        scaled = (value - a) / b
        weight = 1.0 + scaled * scaled / c
        return constant - 0.5 * (c + 1.0) * math.log(weight), -(c + 1.0) * scaled / (c * weight * b)
    if law == EXPONENTIAL:
        return constant - a * value, -a
    if law == GAMMA:
        return constant + (a - 1.0) * math.log(value) - b * value, (a - 1.0) / value - b
    if law == BETA:
        return (
            constant + (a - 1.0) * math.log(value) + (b - 1.0) * math.log1p(-value),
            (a - 1.0) / value - (b - 1.0) / (1.0 - value),
        )
    if law == MIXTURE:
        first, second = (value - a) / b, (value - prior[5]) / prior[6]
        one = math.log(c / b) - 0.5 * first * first
        other = math.log((1.0 - c) / prior[6]) - 0.5 * second * second
        larger = max(one, other)
        total = math.exp(one - larger) + math.exp(other - larger)
        share = math.exp(one - larger) / total
        return constant + larger + math.log(total), -share * first / b - (1.0 - share) * second / prior[6]
    return constant, 0.0


@compiled
def exponential_quantile(theta: float) -> tuple[float, float]:
    """Return h(θ) = −log(1 − Φ(θ)) and h'(θ) = φ(θ)/(1 − Φ(θ)), for every θ."""
    normal = math.exp(-0.5 * theta * theta) * 0.3989422804014327
    if theta < 0.0:
        below = 0.5 * math.erfc(-theta * 0.7071067811865476)
        return -math.log1p(-below), normal / (1.0 - below)
    if theta < 25.0:
        above = 0.5 * math.erfc(theta * 0.7071067811865476)
        return -math.log(above), normal / above
    # Mills' ratio where erfc nears underflow: 1 − Φ = φ/h', h' = θ + 1/(θ + 2/(θ + 3/(θ + 4/θ …))).
    hazard = theta
    for k in range(12, 0, -1):
        hazard = theta + k / hazard
    return 0.5 * theta * theta + 0.9189385332046727 + math.log(hazard), hazard


@compiled
def constrain(bounds: Floats, prior: Floats, theta: Floats, phi: Floats, d_theta: Floats) -> float:
    """Fill φ = (1, parameters); return log prior + log Jacobian and leave its gradient in ``d_theta``.

    φ = θ on the line, lower + scale · h(θ) above a bound, lower + width/(1 + exp −θ) between two, where
    h(θ) = −log(1 − Φ(θ)) turns a standard normal into a standard exponential. Unlike exp, h leaves no long
    tail towards SDs of zero: where the density of an SD is finite at zero, that of θ falls like a normal one.
    """
    total = 0.0
    phi[0] = 1.0
    for i in range(bounds.shape[0]):
        lower, upper, scale = bounds[i]
        if lower == -np.inf:
            value, slope, jacobian, turn = theta[i], 1.0, 0.0, 0.0
        elif upper == np.inf:
            value, slope = exponential_quantile(theta[i])
            jacobian, turn = math.log(scale * slope), slope - theta[i]
            value, slope = lower + scale * value, scale * slope
        else:
            small = math.exp(-abs(theta[i]))
            share = 1.0 / (1.0 + small) if theta[i] > 0.0 else small / (1.0 + small)
            value = lower + (upper - lower) * share
            slope = (upper - lower) * small / (1.0 + small) ** 2
            jacobian, turn = math.log(upper - lower) - abs(theta[i]) - 2.0 * math.log1p(small), 1.0 - 2.0 * share
        density, derivative = prior_density(prior[i], value)
        phi[i + 1] = value
        total += density + jacobian
        d_theta[i] = derivative * slope + turn
    return total


@inner
def constrain_back(bounds: Floats, theta: Floats, phi: Floats, d_phi: Floats, d_theta: Floats) -> None:
    """Add the cotangent of φ, pulled back to θ."""
    for i in range(bounds.shape[0]):
        lower, upper, scale = bounds[i]
        slope = 1.0
        if lower != -np.inf:
            if upper == np.inf:
                slope = scale * exponential_quantile(theta[i])[1]
            else:
                slope = (phi[i + 1] - lower) * (upper - phi[i + 1]) / (upper - lower)
        d_theta[i] += d_phi[i + 1] * slope


@compiled
def correlate(size: int, eta: float, constant: float, theta: Floats, factor: Floats, d_theta: Floats) -> float:
    """Fill the Cholesky factor of a correlation matrix from size(size−1)/2 numbers, row by row.

    The partial correlations tanh θ are independent under LKJ(η): (1 + tanh θ_ij)/2 ~ Beta(b_j, b_j) with
    b_j = η + (size − j − 2)/2. Returns that log density with the Jacobian of tanh; gradient in ``d_theta``.
    """
    total = constant
    position = 0
    for i in range(size):
        left = 1.0
        for j in range(i):
            partial = math.tanh(theta[position])
            concentration = eta + 0.5 * (size - j - 2)
            total -= 2.0 * concentration * math.log(math.cosh(theta[position]))
            d_theta[position] = -2.0 * concentration * partial
            factor[i, j] = partial * left
            left /= math.cosh(theta[position])
            position += 1
        factor[i, i] = left
    return total


@compiled
def correlate_back(size: int, theta: Floats, factor: Floats, d_factor: Floats, d_theta: Floats) -> None:
    """Add the cotangent of the Cholesky factor, pulled back to θ."""
    position = 0
    for i in range(size):
        left = 1.0
        for j in range(i):
            secant = 1.0 / math.cosh(theta[position])
            later = 0.0
            for m in range(j + 1, i + 1):
                later += d_factor[i, m] * factor[i, m]
            d_theta[position] += left * d_factor[i, j] * secant * secant - math.tanh(theta[position]) * later
            left *= secant
            position += 1


@inner
def _system(map_: ParameterMap, system: int, phi: Floats, total: Floats, covariance: Floats) -> None:
    """Fill T = (I − A)⁻¹ and Σ = T diag(σ²) T' of one recursive system."""
    size = map_.residual_sd.shape[1]
    direct = np.zeros((size, size))
    for n in range(map_.residual_path.shape[0]):
        if map_.residual_path[n, 0] == system:
            direct[map_.residual_path[n, 1], map_.residual_path[n, 2]] = phi[map_.residual_path[n, 3]]
    total[:] = 0.0
    for j in range(size):
        total[j, j] = 1.0
        for i in range(j + 1, size):
            for l in range(j, i):
                total[i, j] += direct[i, l] * total[l, j]
    for i in range(size):
        for j in range(size):
            value = 0.0
            for l in range(size):
                value += total[i, l] * total[j, l] * phi[map_.residual_sd[system, l]] ** 2
            covariance[i, j] = value


@inner
def _solve_seen(seen: Ints, covariance: Floats, right: Floats) -> Floats:
    """Solve Σ_ee a = right over the observed responses e; zero elsewhere."""
    size = seen.shape[0]
    zero, one = np.int64(0), np.int64(1)  # a literal argument would compile another copy of the function
    factor, solution = np.zeros((1, size, size)), np.zeros((1, size, 1))
    for i in range(size):  # unobserved responses stand as unit rows, so that no index list is needed
        for j in range(i + 1):
            factor[0, i, j] = covariance[i, j] if seen[i] and seen[j] else (1.0 if i == j else 0.0)
    cholesky(factor, zero, size)
    for i in range(size):
        value = right[i] if seen[i] else 0.0
        for j in range(i):
            value -= factor[0, i, j] * solution[0, j, 0]
        solution[0, i, 0] = value / factor[0, i, i]
    backward(factor, zero, size, solution, zero, one)
    return solution[0, :, 0]


@inner
def condition(map_: ParameterMap, phi: Floats) -> None:
    """Append to φ the equations of responses some of whose predictors are missing in the row.

    The recursive system r = A r + f + e, e ~ N(0, diag σ²), has r = T f + T e with T = (I − A)⁻¹ and
    residual covariance Σ. Given the observed earlier responses r_e, response v follows

        r_v = a' r_e + R f + N(0, s²),   a = Σ_ee⁻¹ Σ_ev,   s² = Σ_vv − a' Σ_ev,   R = T_v − a' T_e

    Per equation: a (V numbers, zero where not observed), s, R (V numbers).
    """
    size = map_.residual_sd.shape[1]
    total, covariance = np.empty((size, size)), np.empty((size, size))
    for n in range(map_.equation.shape[0]):
        system, v, start = map_.equation[n]
        _system(map_, system, phi, total, covariance)
        regression = _solve_seen(map_.seen[n], covariance, covariance[v])
        variance = covariance[v, v]
        for u in range(size):
            phi[start + u] = regression[u]
            variance -= regression[u] * covariance[u, v]
        phi[start + size] = math.sqrt(variance)
        for j in range(size):
            value = total[v, j]
            for u in range(size):
                value -= regression[u] * total[u, j]
            phi[start + size + 1 + j] = value


@inner
def condition_back(map_: ParameterMap, phi: Floats, d_phi: Floats) -> None:
    """Add the cotangents of the derived equations to those of A and σ in ``d_phi``."""
    size = map_.residual_sd.shape[1]
    total, covariance = np.empty((size, size)), np.empty((size, size))
    d_total, d_covariance, pull = np.empty((size, size)), np.empty((size, size)), np.empty(size)
    for n in range(map_.equation.shape[0]):
        system, v, start = map_.equation[n]
        _system(map_, system, phi, total, covariance)
        regression = phi[start : start + size]
        d_total[:] = 0.0
        d_covariance[:] = 0.0
        half = 0.5 * d_phi[start + size] / phi[start + size]
        for u in range(size):
            pull[u] = d_phi[start + u]
            for j in range(size):
                d_row = d_phi[start + size + 1 + j]
                pull[u] -= d_row * total[u, j]
                d_total[u, j] -= regression[u] * d_row
        for j in range(size):
            d_total[v, j] += d_phi[start + size + 1 + j]
        solved = _solve_seen(map_.seen[n], covariance, pull)
        # dΣ: s² gives (1, −a)(1, −a)', the regression gives λ(e_v − a)' with λ = Σ_ee⁻¹ ā.
        for i in range(size):
            contrast_i = (1.0 if i == v else 0.0) - regression[i]
            for j in range(size):
                contrast_j = (1.0 if j == v else 0.0) - regression[j]
                d_covariance[i, j] = half * contrast_i * contrast_j + solved[i] * contrast_j
        for l in range(size):
            sd = phi[map_.residual_sd[system, l]]
            for i in range(size):
                value = 0.0
                for j in range(size):
                    value += (d_covariance[i, j] + d_covariance[j, i]) * total[j, l]
                d_total[i, l] += value * sd * sd
                d_phi[map_.residual_sd[system, l]] += value * total[i, l] * sd
        for m in range(map_.residual_path.shape[0]):  # cotangent of A is T'·d_total·T'
            if map_.residual_path[m, 0] == system:
                target, source = map_.residual_path[m, 1], map_.residual_path[m, 2]
                value = 0.0
                for i in range(size):
                    for j in range(size):
                        value += total[i, target] * d_total[i, j] * total[source, j]
                d_phi[map_.residual_path[m, 3]] += value


@inner
def place(term: Ints, weight: Floats, phi: Floats, target: Floats) -> None:
    """Fill ``target`` with sums of products weight · φ_i · φ_j · …."""
    target[:] = 0.0
    for n in range(term.shape[0]):
        value = weight[n]
        for f in range(1, term.shape[1]):
            value *= phi[term[n, f]]
        target[term[n, 0]] += value


@inner
def place_back(term: Ints, weight: Floats, phi: Floats, d_target: Floats, d_phi: Floats) -> None:
    """Add the cotangent of ``target``, pulled back to φ."""
    for n in range(term.shape[0]):
        for f in range(1, term.shape[1]):
            if term[n, f] > 0:  # φ_0 = 1 fills up short products
                value = weight[n] * d_target[term[n, 0]]
                for other in range(1, term.shape[1]):
                    if other != f:
                        value *= phi[term[n, other]]
                d_phi[term[n, f]] += value


@compiled
def structure(level: Level, phi: Floats, correlation: Floats, factor: Floats) -> None:
    """Fill L (q × r): L = (I − B)⁻¹ diag(sd) C on the rows of η that the level's effects are."""
    r = level.sd.shape[0]
    factor[:] = 0.0
    for i in range(r):
        for j in range(i + 1):
            factor[level.row[i], j] = phi[level.sd[i]] * correlation[i, j]
        for n in range(level.path.shape[0]):
            if level.path[n, 0] == i:
                for j in range(i):
                    factor[level.row[i], j] += phi[level.path[n, 2]] * factor[level.row[level.path[n, 1]], j]


@compiled
def structure_back(level: Level, phi: Floats, correlation: Floats, factor: Floats, d_factor: Floats, d_phi: Floats,
                   d_correlation: Floats) -> None:  # fmt: skip
    """Add the cotangent of L, pulled back to SDs, paths and C; ``d_factor`` is used up."""
    r = level.sd.shape[0]
    for i in range(r - 1, -1, -1):
        mine = level.row[i]
        for n in range(level.path.shape[0]):
            if level.path[n, 0] == i:
                earlier = level.row[level.path[n, 1]]
                for j in range(i):
                    d_phi[level.path[n, 2]] += d_factor[mine, j] * factor[earlier, j]
                    d_factor[earlier, j] += d_factor[mine, j] * phi[level.path[n, 2]]
        for j in range(i + 1):
            d_phi[level.sd[i]] += d_factor[mine, j] * correlation[i, j]
            d_correlation[i, j] = d_factor[mine, j] * phi[level.sd[i]]


@inner
def correlations(map_: ParameterMap, theta: Floats, client: Floats, therapist: Floats, d_theta: Floats) -> float:
    """Fill both levels' C (identity outside the blocks); return the LKJ log densities, gradient in ``d_theta``."""
    total = 0.0
    for i in range(client.shape[0]):
        client[i, i] = 1.0
    for i in range(therapist.shape[0]):
        therapist[i, i] = 1.0
    for m in range(map_.correlation.shape[0]):
        size, start, level, first = map_.correlation[m]
        block = np.zeros((size, size))
        total += correlate(size, map_.lkj[m, 0], map_.lkj[m, 1], theta[start:], block, d_theta[start:])
        target = client if level == 0 else therapist
        for i in range(size):
            for j in range(i + 1):
                target[map_.member[first + i], map_.member[first + j]] = block[i, j]
    return total


@inner
def correlations_back(map_: ParameterMap, theta: Floats, client: Floats, therapist: Floats, d_client: Floats,
                      d_therapist: Floats, d_theta: Floats) -> None:  # fmt: skip
    """Add the cotangents of both levels' C, pulled back to θ."""
    for m in range(map_.correlation.shape[0]):
        size, start, level, first = map_.correlation[m]
        source, d_source = (client, d_client) if level == 0 else (therapist, d_therapist)
        block, d_block = np.zeros((size, size)), np.zeros((size, size))
        for i in range(size):
            for j in range(i + 1):
                block[i, j] = source[map_.member[first + i], map_.member[first + j]]
                d_block[i, j] = d_source[map_.member[first + i], map_.member[first + j]]
        correlate_back(size, theta[start:], block, d_block, d_theta[start:])
