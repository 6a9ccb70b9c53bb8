"""Adaptive importance sampling of θ: proposals learn from their own weights; a fresh set of them is the sample.

1. A pilot from a split multivariate t at the mode (Geweke 1989: its own width on either side of the mode along
   every axis of the curvature). If its weights are even enough it is the proposal, and 3 follows.
2. Else a mixture of multivariate t distributions is fitted to the weighted proposals of all rounds so far by EM
   (population Monte Carlo, Cappé et al. 2008), each weighted by p(θ, y) over the mixture of all proposals that
   were used (adaptive multiple importance sampling, Cornuet et al. 2012). Every mixture keeps a tenth of
   the split t, so that no tail is forgotten.
3. The sample: proposals from the last mixture alone that took no part in fitting it. Their exact log weights
   log p(θ, y) − log q(θ) are Pareto-smoothed (Vehtari et al. 2024) and tell through k̂ and their effective
   sample size whether they can be trusted. If not, they join the others for another fit, twice at most.

The draws are a systematic resample of 2 to 10 times as many proposals, which leaves every expectation
unbiased and few copies. ``ess_importance`` = 1/Σw² is what the sample is worth at most and is reported,
because chain-wise diagnostics cannot see the weights.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from .mode import Floats, Mode, evaluate
from .theta import ThetaDraws

if TYPE_CHECKING:
    from ..models.compilation import Compiled

K_HAT_LIMIT = 0.5
"""Above it (Vehtari et al. 2024: variance of the weights may be infinite) NUTS takes over."""
PILOT = 1000
GOOD_PILOT = 0.3
"""Effective share of the pilot above which the split t is the proposal."""
ROUND = 4000
ROUNDS = 3
REPAIRS = 2
HOPELESS = 20.0
"""If a round of proposals is worth fewer draws than this per round, there is nothing to learn from."""
COMPONENTS = 3
SPLIT_FREEDOM, MIXTURE_FREEDOM = 5.0, 8.0
DEFENSIVE = 0.1
MOST = 10.0
"""At most so many proposals per draw."""
AMPLE, FRUGAL, LARGE = 3.0, 1.5, 5000
"""Effective proposals per draw; fewer where an evaluation is dear, beyond so many clients (more draws are copies)."""
EM_STEPS = 12
ONE_THREAD = 200_000
"""Multiplications up to which OpenBLAS works in one thread."""


class Proposal(Protocol):
    """A density that can be drawn from."""

    def draw(self, rng: np.random.Generator, size: int) -> Floats:
        """Return draws, (size, n)."""
        ...

    def log_density(self, theta: Floats) -> Floats:
        """Return the normalised log density of each row."""
        ...


def sample_importance(compiled: Compiled, mode: Mode, *, chains: int, draws: int, seed: int) -> ThetaDraws:
    """Draw by adaptive importance resampling.

    Parameters
    ----------
    compiled, mode
        The system and its mode.
    chains, draws
        Draws are handed out to so many chains at random.
    seed
        Of the proposals and the resampling.

    Returns
    -------
    ThetaDraws
        With ``pareto_k``: the caller decides (see :func:`safezone.analysis.marginal.sample`). Statistics: ``logp``
        and ``weight``, the smoothed weight of each draw among the proposals times their number.
    """
    started = time.perf_counter()
    rng = np.random.default_rng(seed)
    wanted = chains * draws
    split = SplitT(mode.theta, mode.root, split_scales(compiled, mode))
    pool = Pool()
    pool.add(compiled, rng, split, PILOT)
    weight, k_hat = smooth(pool.log_ratio())
    share = effective(weight) / PILOT
    proposal: Proposal = split
    if k_hat >= K_HAT_LIMIT or share < GOOD_PILOT:
        for _ in range(ROUNDS):
            pool.add(compiled, rng, proposal, ROUND)
            weight, _ = smooth(pool.log_ratio())
            share = effective(weight) / len(weight)
            if share * ROUND < HOPELESS:
                break
            proposal = Defended(fit_mixture(rng, pool.theta, weight), split)
    theta, log_ratio, density = _fresh(compiled, rng, proposal, _size(compiled, wanted, share))
    weight, k_hat = smooth(log_ratio)
    for _ in range(REPAIRS):
        if (k_hat < K_HAT_LIMIT and effective(weight) >= wanted) or share * ROUND < HOPELESS:
            break
        some = rng.choice(len(theta), min(2 * ROUND, len(theta)), replace=False)
        pool.keep(theta[some], density[some], proposal)
        learnt, _ = smooth(pool.log_ratio())
        share = effective(learnt) / len(learnt)
        proposal = Defended(fit_mixture(rng, pool.theta, learnt), split)
        theta, log_ratio, density = _fresh(compiled, rng, proposal, _size(compiled, wanted, share))
        weight, k_hat = smooth(log_ratio)
    # Systematic resampling: a proposal is taken as often as its weight expects, rounded up or down at random.
    chosen = np.searchsorted(np.cumsum(weight)[:-1], (rng.random() + np.arange(wanted)) / wanted)
    chosen = rng.permutation(chosen)
    shape = (chains, draws)
    return ThetaDraws(
        theta[chosen].reshape(*shape, len(mode.theta)),
        "importance",
        {"logp": density[chosen].reshape(shape), "weight": (weight[chosen] * len(weight)).reshape(shape)},
        k_hat,
        effective(weight),
        {"sample": time.perf_counter() - started},
    )


def _size(compiled: Compiled, wanted: int, share: float) -> int:
    """Return how many proposals promise enough effective ones, at least a third more than perfect ones."""
    enough = FRUGAL if compiled.system.clients > LARGE else AMPLE
    return int(wanted * min(max(enough / share, enough * 4.0 / 3.0), MOST))


def _fresh(
    compiled: Compiled, rng: np.random.Generator, proposal: Proposal, size: int
) -> tuple[Floats, Floats, Floats]:
    """Return proposals, log weights and log p(θ, y)."""
    theta = proposal.draw(rng, size)
    density = evaluate(compiled, theta)
    return theta, density - proposal.log_density(theta), density


class Pool:
    """Proposals of all rounds, weighted as draws from the mixture of what they were proposed from."""

    def __init__(self) -> None:
        self.theta: Floats = np.empty((0, 0))
        self._density: Floats = np.empty(0)
        self._proposals: list[tuple[Proposal, int]] = []

    def add(self, compiled: Compiled, rng: np.random.Generator, proposal: Proposal, size: int) -> None:
        """Propose and evaluate so many more."""
        theta = proposal.draw(rng, size)
        self.keep(theta, evaluate(compiled, theta), proposal)

    def keep(self, theta: Floats, density: Floats, proposal: Proposal) -> None:
        """Add proposals that have been evaluated."""
        self.theta = np.concatenate([self.theta.reshape(-1, theta.shape[1]), theta])
        self._density = np.concatenate([self._density, density])
        self._proposals.append((proposal, len(theta)))

    def log_ratio(self) -> Floats:
        """Return log p(θ, y) − log Σ_r n_r q_r(θ)/Σ n_r of every proposal."""
        total = len(self.theta)
        parts = [math.log(size / total) + proposal.log_density(self.theta) for proposal, size in self._proposals]
        mixture: Floats = np.logaddexp.reduce(parts, axis=0)
        return np.asarray(self._density - mixture)


# --- proposals ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SplitT:
    """θ = centre + root · (t ⊙ scale), t multivariate t with 5 degrees of freedom, scale by the sign of each t_i.

    Parameters
    ----------
    centre, root
        (n,) and lower triangular (n, n).
    scales
        Widths below and above the centre along each axis, (2, n).
    """

    centre: Floats
    root: Floats
    scales: Floats

    def draw(self, rng: np.random.Generator, size: int) -> Floats:
        """Return draws, (size, n)."""
        standard = _standard_t(rng, size, len(self.centre), SPLIT_FREEDOM)
        scale = np.where(standard < 0.0, self.scales[0], self.scales[1])
        return np.asarray(self.centre + _times(standard * scale, self.root.T))

    def log_density(self, theta: Floats) -> Floats:
        """Return the log density; every orthant holds the share that it has of a symmetric t."""
        axes = _times(theta - self.centre, np.linalg.inv(self.root).T)
        scale = np.where(axes < 0.0, self.scales[0], self.scales[1])
        square = _squares(axes / scale)
        determinant = np.log(np.diag(self.root)).sum()
        return np.asarray(_log_t(square, len(self.centre), SPLIT_FREEDOM) - np.log(scale).sum(axis=1) - determinant)


@dataclass(frozen=True, slots=True)
class Mixture:
    """A mixture of multivariate t distributions with 8 degrees of freedom.

    Parameters
    ----------
    shares
        (K,), sum 1.
    centres, roots
        (K, n) and lower triangular (K, n, n).
    """

    shares: Floats
    centres: Floats
    roots: Floats

    def draw(self, rng: np.random.Generator, size: int) -> Floats:
        """Return draws, (size, n), component by component."""
        n = self.centres.shape[1]
        parts = [
            centre + _times(_standard_t(rng, int(count), n, MIXTURE_FREEDOM), root.T)
            for count, centre, root in zip(rng.multinomial(size, self.shares), self.centres, self.roots, strict=True)
        ]
        return np.concatenate(parts)

    def log_density(self, theta: Floats) -> Floats:
        """Return the log density."""
        joint, _ = self.components(theta)
        return np.asarray(np.logaddexp.reduce(joint, axis=0))

    def components(self, theta: Floats) -> tuple[Floats, Floats]:
        """Return log (share × density) and the squared Mahalanobis distance per component and row, (K, rows)."""
        n = theta.shape[1]
        inverse = np.linalg.inv(self.roots)
        square = np.stack([_squares(_times(theta - c, i.T)) for c, i in zip(self.centres, inverse, strict=True)])
        determinant = np.log(np.diagonal(self.roots, axis1=1, axis2=2)).sum(axis=1)
        return _log_t(square, n, MIXTURE_FREEDOM) + (np.log(self.shares) - determinant)[:, None], square


@dataclass(frozen=True, slots=True)
class Defended:
    """A mixture with a tenth of the split t, which bounds the weights where the mixture has too little mass."""

    mixture: Mixture
    split: SplitT

    def draw(self, rng: np.random.Generator, size: int) -> Floats:
        """Return draws, (size, n)."""
        few = int(rng.binomial(size, DEFENSIVE))
        return np.concatenate([self.mixture.draw(rng, size - few), self.split.draw(rng, few)])

    def log_density(self, theta: Floats) -> Floats:
        """Return the log density."""
        return np.asarray(
            np.logaddexp(
                math.log1p(-DEFENSIVE) + self.mixture.log_density(theta),
                math.log(DEFENSIVE) + self.split.log_density(theta),
            )
        )


def _standard_t(rng: np.random.Generator, size: int, n: int, freedom: float) -> Floats:
    return np.asarray(rng.standard_normal((size, n)) / np.sqrt(rng.chisquare(freedom, size) / freedom)[:, None])


def _log_t(square: Floats, n: int, freedom: float) -> Floats:
    constant = math.lgamma(0.5 * (freedom + n)) - math.lgamma(0.5 * freedom) - 0.5 * n * math.log(freedom * math.pi)
    return np.asarray(constant - 0.5 * (freedom + n) * np.log1p(square / freedom))


def split_scales(compiled: Compiled, mode: Mode) -> Floats:
    """Return how much wider than a normal the density is along each axis ζ_i, (2, n): below and above the mode.

    Geweke (1989): the largest |δ| / √(2 (log p(0) − log p(δ e_i))) over a few steps δ, so that the proposal
    covers the skewed tails of SDs and correlations.
    """
    n = len(mode.theta)
    steps = np.array([1.0, 2.0, 3.0, 4.5, 6.0])
    delta = np.concatenate([-steps, steps])
    theta = mode.theta + (delta[None, :, None] * mode.root.T[:, None, :]).reshape(-1, n)
    drop = mode.value - evaluate(compiled, theta).reshape(n, 2, len(steps))
    scales = steps / np.sqrt(2.0 * np.maximum(drop, 0.02))
    return np.asarray(np.clip(scales.max(axis=2), 0.5, 10.0).T)


def fit_mixture(rng: np.random.Generator, theta: Floats, weight: Floats, components: int = COMPONENTS) -> Mixture:
    """Fit a mixture of multivariate t distributions to weighted points by EM.

    Parameters
    ----------
    rng
        Chooses the points that the components begin at.
    theta, weight
        Points (m, n) and their normalised weights (m,).
    components
        K.

    Returns
    -------
    Mixture
        Each scatter is shrunk towards that of all points by n/(n + effective points of the component).
    """
    heavy = weight > 1e-4 / len(weight)  # the rest weighs nothing, and is most of the first round
    theta, weight = theta[heavy], weight[heavy] / weight[heavy].sum()
    n = theta.shape[1]
    scatter = _scatter(theta, _mean(theta, weight), weight) * (1.0 - 2.0 / MIXTURE_FREEDOM)
    scatter += 1e-9 * np.diag(np.diag(scatter))
    root = np.linalg.cholesky(scatter)
    shares = np.full(components, 1.0 / components)
    centres = theta[rng.choice(len(theta), components, p=weight)]
    mixture = Mixture(shares, centres, np.repeat(root[None], components, axis=0))
    for _ in range(EM_STEPS):
        joint, square = mixture.components(theta)
        owned = np.exp(joint - np.logaddexp.reduce(joint, axis=0)) * weight
        pull = owned * (MIXTURE_FREEDOM + n) / (MIXTURE_FREEDOM + square)
        centres, roots = np.empty_like(centres), np.empty_like(mixture.roots)
        for k in range(components):
            centres[k] = _mean(theta, pull[k])
            own = _scatter(theta, centres[k], pull[k] / owned[k].sum())
            shrink = n / (n + effective(owned[k] / owned[k].sum()))
            roots[k] = np.linalg.cholesky((1.0 - shrink) * own + shrink * scatter)
        shares = np.maximum(owned.sum(axis=1), 1e-3)
        mixture = Mixture(shares / shares.sum(), centres, roots)
    return mixture


def _blocks(rows: Floats) -> list[Floats]:
    """Cut rows into blocks whose products with n × n matrices BLAS makes in one thread.

    Its threads wait for each other in busy loops: on a machine with other work they took 20 times as long as one.
    """
    size = max(1, ONE_THREAD // rows.shape[1] ** 2)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def _times(rows: Floats, matrix: Floats) -> Floats:
    """Return rows · matrix."""
    return np.concatenate([block @ matrix for block in _blocks(rows)])


def _mean(theta: Floats, weight: Floats) -> Floats:
    """Return Σ w θ / Σ w."""
    return np.asarray(np.einsum("i,ij->j", weight, theta) / weight.sum())


def _scatter(theta: Floats, centre: Floats, weight: Floats) -> Floats:
    """Return Σ w (θ − c)(θ − c)'."""
    scaled = (theta - centre) * np.sqrt(weight)[:, None]
    return np.asarray(sum(block.T @ block for block in _blocks(scaled)))


def _squares(rows: Floats) -> Floats:
    """Return the squared length of each row."""
    return np.asarray(np.einsum("ij,ij->i", rows, rows))


# --- weights -----------------------------------------------------------------------------------------------------


def effective(weight: Floats) -> float:
    """Return 1/Σw², how many equally weighted draws normalised weights are worth."""
    return 1.0 / float(np.sum(weight**2))


def smooth(log_ratio: Floats) -> tuple[Floats, float]:
    """Pareto-smooth log weights; return normalised weights, and k̂."""
    from arviz_stats.base import array_stats

    finite = np.where(np.isfinite(log_ratio), log_ratio, np.min(log_ratio[np.isfinite(log_ratio)]) - 700.0)
    log_weight, k_hat = array_stats.psislw(-finite)  # it takes log-likelihoods: minus log ratios
    return np.exp(np.asarray(log_weight, dtype=np.float64) - np.logaddexp.reduce(log_weight)), float(k_hat)
