"""Draws from a marginalised Gaussian system: importance sampling where it is good enough, else NUTS.

Both begin at the mode of the log posterior density of θ and the curvature there (central differences
of exact gradients), Σ = H⁻¹ = L L'.

- **Importance.** N proposals θ = mode + L t from a split multivariate t distribution (Geweke 1989: its own width on
  either side of the mode along every axis). Exact log weights log p(θ, y) − log q(θ) are Pareto-smoothed
  (Vehtari et al. 2024) and tell through k̂ and their effective sample size whether they can be trusted.
  The draws are a systematic resample of 3 to 10 times as many proposals, which leaves every expectation
  unbiased and few copies. ``ess_importance`` = 1/Σw² is what the sample is worth at most and is reported,
  because chain-wise diagnostics cannot see the weights.
- **NUTS** (nutpie) in the whitened coordinates ζ = L⁻¹(θ − mode): what a dense mass matrix learns in
  warm-up is there from the start.

Neither imports PyMC or PyTensor.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..data.errors import SafezoneError

if TYPE_CHECKING:
    from ..models.compilation import Compiled
    from .progress import Progress

Floats = NDArray[np.float64]

K_HAT_LIMIT = 0.5
"""Above it (Vehtari et al. 2024: variance of the weights may be infinite) NUTS takes over."""
DEGREES_OF_FREEDOM = 5.0
PILOT = 1000
HOPELESS = 0.9
"""If the first proposals reach this k̂, no more are evaluated."""
FEWEST, MOST = 4.0, 10.0
"""Proposals per draw: three effective ones, within these bounds."""
STATISTICS = ("diverging", "energy", "logp", "depth", "n_steps", "step_size", "mean_tree_accept")
PROGRESS_RATE_MS = 250


class MarginalError(SafezoneError):
    """The marginalised posterior has no usable mode or a chain could not run."""


@dataclass(frozen=True, slots=True)
class Mode:
    """The highest point of log p(θ, y) and the curvature there.

    Parameters
    ----------
    theta
        Where it is, (n,).
    root
        Lower triangular L with L L' = H⁻¹, (n, n); directions that are flatter than a normal with SD
        :data:`WIDEST` count as that wide.
    value
        The log density.
    """

    theta: Floats
    root: Floats
    value: float


WIDEST = 5.0


@dataclass(frozen=True)
class ThetaDraws:
    """Draws of θ.

    Parameters
    ----------
    theta
        (chains, draws, n).
    sampler
        ``nuts`` or ``importance``.
    statistics
        Sampler statistics, (chains, draws) each.
    pareto_k
        k̂ of the importance weights, NaN for NUTS.
    ess_importance
        Effective sample size of the weighted proposals, NaN for NUTS.
    timings
        Seconds for ``mode`` and ``sample``.
    note
        Why importance sampling gave way, if it did.
    """

    theta: Floats
    sampler: Literal["nuts", "importance"]
    statistics: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    pareto_k: float = math.nan
    ess_importance: float = math.nan
    timings: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


def find_mode(compiled: Compiled, start: Floats | None = None) -> Mode:
    """Climb to the mode of the log posterior density of θ and measure its curvature.

    Parameters
    ----------
    compiled
        The system.
    start
        Where to begin; by default coefficients 0, SDs half of what their prior expects, correlations 0.

    Raises
    ------
    MarginalError
        If the density is not finite at the start or the curvature is not.
    """
    from scipy.optimize import minimize

    system = compiled.system
    if start is None:
        start = np.zeros(system.dimension)
        # h(−0.3) = 0.48, see safezone.models.parameter_map.constrain
        start[: len(system.parameters)] = [-0.3 if p.positive else 0.0 for p in system.parameters]
    if not math.isfinite(compiled.value(start)):
        raise MarginalError("The log density is not finite where the search begins; check the scales of the columns.")

    def negative(theta: Floats) -> tuple[float, Floats]:
        value, gradient = compiled.log_density(theta)
        return (-value, -gradient) if math.isfinite(value) else (1e300, np.zeros_like(theta))

    result = minimize(negative, start, jac=True, method="BFGS", options={"gtol": 1e-4, "maxiter": 500})
    theta = np.asarray(result.x, dtype=np.float64)
    return Mode(theta, _root(curvature(compiled, theta)), -float(result.fun))


def curvature(compiled: Compiled, theta: Floats, step: float = 1e-4) -> Floats:
    """Return −∂² log p(θ, y) by central differences of gradients, symmetrised, (n, n)."""
    n = len(theta)
    hessian = np.empty((n, n))
    for i in range(n):
        shift = np.zeros(n)
        shift[i] = step
        hessian[i] = (compiled.log_density(theta - shift)[1] - compiled.log_density(theta + shift)[1]) / (2 * step)
    return np.asarray((hessian + hessian.T) / 2)


def _root(hessian: Floats) -> Floats:
    if not np.isfinite(hessian).all():
        raise MarginalError("The curvature at the mode is not finite; check the scales of the columns.")
    values, vectors = np.linalg.eigh(hessian)
    covariance = (vectors / np.maximum(values, WIDEST**-2)) @ vectors.T
    return np.asarray(np.linalg.cholesky((covariance + covariance.T) / 2))


def evaluate(compiled: Compiled, theta: Floats, threads: int | None = None) -> Floats:
    """Return the log posterior density of each row of θ, (draws,); rows are shared out among threads."""
    workers = threads or min(os.cpu_count() or 1, max(1, len(theta) // 64))
    parts = np.array_split(np.ascontiguousarray(theta), workers)
    with ThreadPoolExecutor(workers) as pool:
        done = pool.map(lambda part: compiled.evaluate(part)[0], parts)
        return np.concatenate(list(done))


# --- importance sampling -----------------------------------------------------------------------------------------


def sample_importance(compiled: Compiled, mode: Mode, *, chains: int, draws: int, seed: int) -> ThetaDraws:
    """Draw by importance resampling from a split multivariate t at the mode.

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
        With ``pareto_k``: the caller decides (see :func:`sample`). Statistics: ``logp`` and ``weight``, the
        smoothed weight of each draw among the proposals times their number.
    """
    started = time.perf_counter()
    rng = np.random.default_rng(seed)
    wanted = chains * draws
    scales = split_scales(compiled, mode)
    theta, log_ratio, density = _propose(compiled, rng, mode, scales, PILOT)
    log_weight, k_hat = _smooth(log_ratio)
    share = 1.0 / float(np.sum(np.exp(2.0 * log_weight))) / PILOT
    if k_hat < HOPELESS:
        size = int(wanted * min(max(3.0 / share, FEWEST), MOST))
        theta, log_ratio, density = _propose(compiled, rng, mode, scales, size)
        log_weight, k_hat = _smooth(log_ratio)
    weight = np.exp(log_weight)
    ess = 1.0 / float(np.sum(weight**2))
    # Systematic resampling: a proposal is taken as often as its weight expects, rounded up or down at random.
    chosen = np.searchsorted(np.cumsum(weight)[:-1], (rng.random() + np.arange(wanted)) / wanted)
    chosen = rng.permutation(chosen)
    shape = (chains, draws)
    return ThetaDraws(
        theta[chosen].reshape(*shape, len(mode.theta)),
        "importance",
        {"logp": density[chosen].reshape(shape), "weight": (weight[chosen] * len(weight)).reshape(shape)},
        k_hat,
        ess,
        {"sample": time.perf_counter() - started},
    )


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


def _propose(
    compiled: Compiled, rng: np.random.Generator, mode: Mode, scales: Floats, size: int
) -> tuple[Floats, Floats, Floats]:
    """Return proposals, log weights (up to a constant) and log p(θ, y)."""
    n, nu = len(mode.theta), DEGREES_OF_FREEDOM
    standard = rng.standard_normal((size, n)) / np.sqrt(rng.chisquare(nu, size) / nu)[:, None]
    scale = np.where(standard < 0.0, scales[0], scales[1])
    theta = mode.theta + (standard * scale) @ mode.root.T
    log_proposal = -0.5 * (nu + n) * np.log1p(np.sum(standard**2, axis=1) / nu) - np.log(scale).sum(axis=1)
    density = evaluate(compiled, theta)
    return theta, density - log_proposal, density


def _smooth(log_ratio: Floats) -> tuple[Floats, float]:
    """Pareto-smooth log weights; return them normalised, and k̂."""
    from arviz_stats.base import array_stats

    finite = np.where(np.isfinite(log_ratio), log_ratio, np.min(log_ratio[np.isfinite(log_ratio)]) - 700.0)
    log_weight, k_hat = array_stats.psislw(-finite)  # it takes log-likelihoods: minus log ratios
    log_weight = log_weight - np.logaddexp.reduce(log_weight)
    return np.asarray(log_weight, dtype=np.float64), float(k_hat)


# --- NUTS --------------------------------------------------------------------------------------------------------


def sample_nuts(
    compiled: Compiled,
    mode: Mode,
    *,
    chains: int,
    draws: int,
    warmup: int,
    seed: int,
    target_accept: float = 0.8,
    progress: Progress | None = None,
) -> ThetaDraws:
    """Draw by NUTS (nutpie), chains side by side in threads.

    Parameters
    ----------
    compiled, mode
        The system; θ is sampled as mode + L ζ.
    chains, draws, warmup, seed, target_accept
        As in nutpie.
    progress
        Told of every chain's draws.

    Raises
    ------
    MarginalError
        If no chain can start.
    """
    import nutpie
    from nutpie.compiled_pyfunc import from_pyfunc

    started = time.perf_counter()
    n = len(mode.theta)
    density = _whitened(compiled, mode)
    model = from_pyfunc(
        n,
        lambda: density,
        lambda *_: lambda zeta: {"zeta": np.asarray(zeta, dtype=np.float64)},
        [np.dtype("float64")],
        [(n,)],
        ["zeta"],
        # Chains begin wider than the posterior, so that R-hat can see what they have not forgotten.
        make_initial_point_fn=lambda chain_seed: np.random.default_rng(chain_seed).normal(0.0, 1.5, n),
    )
    background = nutpie.sample(
        model,
        draws=draws,
        tune=warmup,
        chains=chains,
        seed=seed,
        target_accept=target_accept,
        save_warmup=False,
        progress_bar=False,
        progress_callback=None if progress is None else _reporter(progress),
        progress_rate=PROGRESS_RATE_MS,
        blocking=False,
    )
    try:
        tree = background.wait()
    except RuntimeError as error:
        raise MarginalError(f"No draws: {str(error).splitlines()[0]}") from error
    except BaseException:
        background.cancel()
        raise
    zeta = tree["posterior"]["zeta"].to_numpy()
    found = tree["sample_stats"]
    return ThetaDraws(
        mode.theta + zeta @ mode.root.T,
        "nuts",
        {name: found[name].to_numpy() for name in STATISTICS if name in found},
        timings={"sample": time.perf_counter() - started},
    )


def _whitened(compiled: Compiled, mode: Mode) -> Callable[[Floats], tuple[float, Floats]]:
    """Return log density and gradient in ζ; one compiled call without the interpreter lock."""
    centre, root = mode.theta, np.ascontiguousarray(mode.root)

    def density(zeta: Floats) -> tuple[float, Floats]:
        values, gradients = compiled.evaluate(zeta[None], centre=centre, root=root, gradient=True)
        return float(values[0]), gradients[0]

    return density


def _reporter(progress: Progress) -> Callable[[list[Any]], None]:
    def report(chains: list[Any]) -> None:
        progress.update([chain.finished_draws for chain in chains], sum(chain.divergences for chain in chains))

    return report


# --- the choice --------------------------------------------------------------------------------------------------


def sample(
    compiled: Compiled,
    *,
    sampler: Literal["auto", "nuts", "importance"] = "auto",
    chains: int = 4,
    draws: int = 1000,
    warmup: int = 1000,
    seed: int = 0,
    target_accept: float = 0.8,
    progress: Progress | None = None,
) -> ThetaDraws:
    """Draw from log p(θ | y).

    Parameters
    ----------
    compiled
        The system.
    sampler
        ``auto``: importance sampling if k̂ < 0.5 and its effective sample size reaches the number of
        draws, else NUTS. ``importance``: whatever k̂ says (diagnostics will judge it). ``nuts``: NUTS.
    chains, draws, warmup, seed, target_accept, progress
        As in :func:`sample_nuts`.

    Raises
    ------
    MarginalError
        If there is no usable mode or no chain can start.
    """
    started = time.perf_counter()
    mode = find_mode(compiled)
    found = time.perf_counter() - started
    note = ""
    if sampler != "nuts":
        if progress is not None:
            progress.phase("importance sampling")
        result = sample_importance(compiled, mode, chains=chains, draws=draws, seed=seed)
        good = result.pareto_k < K_HAT_LIMIT and result.ess_importance >= chains * draws
        if sampler == "importance" or good:
            return _timed(result, found, "")
        note = f"importance sampling gave way: k-hat {result.pareto_k:.2f}, effective draws {result.ess_importance:.0f}"
    result = sample_nuts(
        compiled,
        mode,
        chains=chains,
        draws=draws,
        warmup=warmup,
        seed=seed,
        target_accept=target_accept,
        progress=progress,
    )
    return _timed(result, found, note)


def _timed(draws: ThetaDraws, mode_seconds: float, note: str) -> ThetaDraws:
    return ThetaDraws(
        draws.theta, draws.sampler, draws.statistics, draws.pareto_k, draws.ess_importance,
        {"mode": mode_seconds, **draws.timings}, note,
    )  # fmt: skip
