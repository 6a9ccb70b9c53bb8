"""Are ranks uniform? The rank ECDF with simultaneous bands of Säilynoja, Bürkner & Vehtari (2022).

Under calibration the rank of a true value among L independent posterior draws is uniform on 0 … L, so that the
number of N ranks below i is binomial(N, i/(L + 1)) for every i. The bands are pointwise binomial intervals whose
level γ is chosen by simulation so that a uniform sample leaves them *anywhere* with the stated probability
(section 3.2 of the paper). :func:`statistic` is the γ at which a sample just touches the bands: its tail
probability under simulation is an exact simultaneous p-value.

Reference: Säilynoja, Bürkner & Vehtari (2022), Statistics and Computing 32, 32.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SIMULATIONS = 4000
"""Uniform samples that calibrate the bands: the Monte Carlo error of a p-value of 0.05 is 0.003."""


def counts_below(ranks: Ints, draws: int) -> Ints:
    """Return the number of ranks below 1 … ``draws``, shape (…, draws), for ranks of shape (…, N)."""
    flat = ranks.reshape(-1, ranks.shape[-1])
    histogram = np.stack([np.bincount(row, minlength=draws + 1) for row in flat])
    return np.cumsum(histogram, axis=1)[:, :-1].reshape(*ranks.shape[:-1], draws)


def tails(replications: int, draws: int) -> Floats:
    """Return twice the smaller binomial tail of every count at every place, shape (N + 1, draws)."""
    from scipy.stats import binom

    count = np.arange(replications + 1)[:, None]
    place = np.arange(1, draws + 1)[None, :] / (draws + 1)
    return np.asarray(2.0 * np.minimum(binom.cdf(count, replications, place), binom.sf(count - 1, replications, place)))


def statistic(ranks: Ints, draws: int) -> Floats:
    """Return the smallest pointwise tail probability along the ECDF, shape (…); small means far from uniform."""
    table = tails(ranks.shape[-1], draws)
    return np.asarray(table[counts_below(ranks, draws), np.arange(draws)].min(axis=-1))


def reference(replications: int, draws: int, seed: int = 20240505) -> Floats:
    """Return the statistic of uniform samples, sorted, shape (SIMULATIONS,)."""
    rng = np.random.default_rng(seed)
    return np.sort(statistic(rng.integers(0, draws + 1, (SIMULATIONS, replications)), draws))


def p_value(value: Floats, null: Floats) -> Floats:
    """Return the share of uniform samples that leave the bands as far as this one (never 0)."""
    return np.asarray((1.0 + np.searchsorted(null, value, side="right")) / (1.0 + len(null)))


def band(replications: int, draws: int, level: float = 0.95) -> tuple[Floats, Floats]:
    """Return the simultaneous band of the ECDF at i/(draws + 1), i = 1 … draws: (lower, upper)."""
    from scipy.stats import binom

    gamma = float(np.quantile(reference(replications, draws), 1.0 - level))
    place = np.arange(1, draws + 1) / (draws + 1)
    lower, upper = binom.ppf(gamma / 2, replications, place), binom.ppf(1 - gamma / 2, replications, place)
    return lower / replications, upper / replications
