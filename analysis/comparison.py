"""How well would the model predict data it has not seen? Leave-one-session-out and leave-one-client-out.

Leaving out session i of a client whose other sessions are known (target ``same``):

    elpd = Σ_i log ∫ p(y_i | θ, u) p(θ, u | y_{−i}) d(θ, u)

by Pareto-smoothed importance sampling from the full posterior. Leaving out a whole client (target
``new_client``) needs the likelihood of the client's sessions with the client's effects integrated out,

    p(y_c | θ) = ∫ p(y_c | θ, u) N(u; 0, Σ_θ) du

because weights that condition on the client's own effects never recover. The marginalised kernel gives it
exactly; else it is integrated here by importance sampling over u, with the posterior of u_c, widened, as
proposal. A Pareto k-hat above 0.7 flags an estimate that cannot be relied on; how many there are is reported
with every sum.

References
----------
Vehtari, Gelman and Gabry (2017), Statistics and Computing 27, 1413-1432.
Vehtari, Simpson, Gelman, Yao and Gabry (2024), Journal of Machine Learning Research 25(72).
Magnusson, Vehtari, Jonasson and Andersen (2020), AISTATS, PMLR 108, 341-351 (difference estimator).
Merkle, Furr and Rabe-Hesketh (2019), Psychometrika 84, 802-829 (conditional and marginal likelihoods).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .predictive import spread_draws

if TYPE_CHECKING:
    import xarray as xr

    from ..models.design import Design
    from ..models.model import Model

Floats = NDArray[np.float64]
Score = Mapping[str, object]

K_LIMIT = 0.7
DRAWS = 1000  # draws for weights: k-hat needs a few hundred, and time grows with draws × sessions
FEWEST_DRAWS = 200
CELLS = 20_000_000  # draws × sessions held at once
UNITS = 4000  # units whose weights are smoothed one by one (about 1 ms each); more are estimated from so many
SUBSAMPLE_SEED = 20200610
INTEGRATION_DRAWS = 200  # posterior draws in the Monte Carlo integral
INTEGRATION_POINTS = 40  # proposals per client and draw
WIDENING = 1.5  # SD of the proposal over SD of the posterior of the client's effects

_BAD_K = (
    "Some k-hat are above 0.7: this sum is not reliable. Refit without those units, or compare by leaving out "
    "whole clients."
)


_JOINT = "Density of outcome and predictors together: not to be compared with the sum over sessions."


def psis_loo(log_likelihood: Floats, *, target: str, relative_efficiency: float = 1.0) -> Score:
    """Leave one unit out by Pareto-smoothed importance sampling.

    Beyond :data:`UNITS` units, a random m of the n are smoothed and the sum is estimated by what they differ
    from the widely applicable information criterion w_i = log mean p(y_i | θ) − var log p(y_i | θ),

        elpd = Σ_i w_i + n/m Σ_{i in sample} (elpd_i − w_i) ,

    which is unbiased for the full sum (Magnusson et al. 2020); its own sampling variance enters ``se``.

    Parameters
    ----------
    log_likelihood, shape (draws, units)
        log p(y_unit | θ).
    target
        ``same`` (sessions) or ``new_client`` (clients).
    relative_efficiency
        Effective over actual number of draws.

    Returns
    -------
    Mapping
        ``target, elpd, se, p, k_max, k_bad, units, note``; elpd and p in nats, ``se`` is the standard
        error of elpd over units, ``p`` the effective number of parameters.
    """
    from arviz_stats.base import array_stats

    units = log_likelihood.shape[1]
    sample = np.arange(units)
    if units > UNITS:
        sample = np.sort(np.random.default_rng(SUBSAMPLE_SEED).choice(units, UNITS, replace=False))
    # One chain axis of length 1: what was thinned over chains is a plain sample here.
    values = log_likelihood.T[sample][:, None, :]
    elpd, k, p = (np.asarray(part, dtype=np.float64) for part in array_stats.loo(values, r_eff=relative_efficiency))
    bad = int(np.sum(~(k <= K_LIMIT)))
    notes = [_BAD_K] if bad else []
    total, effective, variance = float(elpd.sum()), float(p.sum()), units * _variance(elpd)
    if units > UNITS:
        lpd, penalty = _waic(log_likelihood)
        approximate = lpd - penalty
        difference, extra = elpd - approximate[sample], p - penalty[sample]
        share = units / UNITS
        total = float(approximate.sum()) + share * float(difference.sum())
        effective = float(penalty.sum()) + share * float(extra.sum())
        error = units**2 * (1.0 - 1.0 / share) * _variance(difference) / UNITS
        variance = units * _variance(approximate) + error
        notes.append(f"Estimated from a random {UNITS:,} of {units:,} units; k-hat is of these.")
    return {
        "target": target,
        "elpd": total,
        "se": math.sqrt(variance) if units > 1 else math.nan,
        "p": effective,
        "k_max": float(k.max()),
        "k_bad": bad,
        "units": units,
        "note": " ".join(notes),
    }


def _variance(values: Floats) -> float:
    return float(values.var(ddof=1)) if values.size > 1 else math.nan


def _waic(log_likelihood: Floats) -> tuple[Floats, Floats]:
    """Return log mean p(y_i | θ) and the variance of log p(y_i | θ) over draws, each (units,)."""
    highest = log_likelihood.max(axis=0)
    lpd = highest + np.log(np.exp(log_likelihood - highest).mean(axis=0))
    return lpd, log_likelihood.var(axis=0, ddof=1)


def absent(target: str, why: str) -> Score:
    """Return a score that was not computed, with the reason."""
    nothing = math.nan
    return {
        "target": target,
        "elpd": nothing,
        "se": nothing,
        "p": nothing,
        "k_max": nothing,
        "k_bad": 0,
        "units": 0,
        "note": why,
    }


def leave_one_session_out(model: Model, design: Design, posterior: xr.Dataset) -> Score:
    """PSIS-LOO over sessions of known clients.

    Parameters
    ----------
    model, design
        The fitted model.
    posterior
        Dims ``chain``, ``draw``; with the effects of clients and therapists.
    """
    wanted = min(DRAWS, CELLS // max(int(design.y.size), 1))
    if wanted < FEWEST_DRAWS:
        return absent("same", "Not computed: draws × sessions are beyond the memory budget.")
    thinned = spread_draws(posterior, wanted)
    return psis_loo(np.asarray(model.log_likelihood(design, thinned), dtype=np.float64), target="same")


def leave_one_client_out(
    model: Model, design: Design, posterior: xr.Dataset, *, exact: Floats | None, rng: np.random.Generator
) -> Score:
    """PSIS over clients, the client's effects integrated out.

    Parameters
    ----------
    model, design
        The fitted model.
    posterior
        Dims ``chain``, ``draw``; with the effects of clients and therapists.
    exact, shape (draws, clients)
        Marginal log-likelihoods from the kernel, or ``None``: integrated here.
    rng
        Random generator of the integral.
    """
    if exact is not None:
        score = psis_loo(exact, target="new_client")
        return {**score, "note": f"{_JOINT} {score['note']}".strip()} if design.latent else score
    if design.latent:
        return absent("new_client", "Not computed: with latent-centred predictors this needs the marginalised kernel.")
    if "client_effects" not in posterior or design.clients < 2:
        return absent("new_client", "Not computed: the model has no client effects.")
    if design.y.size * INTEGRATION_DRAWS > CELLS:
        return absent("new_client", "Not computed: draws × sessions are beyond the memory budget.")
    return psis_loo(integrated_log_likelihood(model, design, posterior, rng), target="new_client")


def integrated_log_likelihood(
    model: Model, design: Design, posterior: xr.Dataset, rng: np.random.Generator, points: int = INTEGRATION_POINTS
) -> Floats:
    """Log-likelihood per client with the client's own effects integrated out by importance sampling.

    Parameters
    ----------
    model, design, posterior
        As above.
    rng
        Random generator.
    points
        Proposals per client and draw.

    Returns
    -------
    ndarray, shape (draws, clients)
        log p(y_c | θ) for an evenly spread part of the draws; clients without an observed outcome are left out.
    """
    import xarray as xr

    effects = posterior["client_effects"].transpose("chain", "draw", "client", "client_effect").values
    flat = effects.reshape(-1, *effects.shape[2:])  # (draws, clients, q)
    centre = flat.mean(axis=0)
    residual = flat - centre
    spread = WIDENING**2 * np.einsum("sci,scj->cij", residual, residual) / max(flat.shape[0] - 1, 1)
    factor = np.linalg.cholesky(spread + 1e-12 * np.eye(spread.shape[-1]))

    thinned = spread_draws(posterior, INTEGRATION_DRAWS)
    shape = (thinned.sizes["chain"], thinned.sizes["draw"])
    prior = _client_covariance(thinned)
    observed = np.isfinite(design.y)
    present = np.unique(design.client[observed])
    total = np.full((shape[0] * shape[1], present.size), -np.inf)
    for _ in range(points):
        noise = rng.standard_normal((shape[0] * shape[1], *centre.shape))
        proposal = centre + np.einsum("cij,scj->sci", factor, noise)
        values = xr.DataArray(
            proposal.reshape(*shape, *centre.shape), dims=("chain", "draw", "client", "client_effect")
        )
        rows = np.asarray(model.log_likelihood(design, thinned.assign(client_effects=values)), dtype=np.float64)
        per_client = _sum_by(rows, design.client[observed])
        weight = _log_normal(proposal, prior) - _log_standard(noise) + _log_determinant(factor)
        total = np.logaddexp(total, per_client + weight[:, present])
    return total - math.log(points)


def _client_covariance(posterior: xr.Dataset) -> Floats:
    """Return Σ per draw, shape (draws, q, q)."""
    sd = posterior["sd_client"].transpose("chain", "draw", "client_effect").values
    sd = sd.reshape(-1, sd.shape[-1])
    q = sd.shape[-1]
    if "cor_client" in posterior:
        cor = posterior["cor_client"].transpose("chain", "draw", "client_effect", "client_effect_other").values
        correlation = cor.reshape(-1, q, q)
    else:
        correlation = np.broadcast_to(np.eye(q), (sd.shape[0], q, q))
    covariance: Floats = correlation * sd[:, :, None] * sd[:, None, :]
    return covariance


def _log_normal(u: Floats, covariance: Floats) -> Floats:
    """Log N(u; 0, Σ_s): (draws, clients, q) and (draws, q, q) to (draws, clients)."""
    q = u.shape[-1]
    factor = np.linalg.cholesky(covariance + 1e-12 * np.eye(q))
    scaled = np.linalg.solve(factor, np.swapaxes(u, 1, 2))
    log_det = np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
    density: Floats = -0.5 * (scaled**2).sum(axis=1) - log_det[:, None] - 0.5 * q * math.log(2 * math.pi)
    return density


def _log_standard(noise: Floats) -> Floats:
    density: Floats = -0.5 * (noise**2).sum(axis=-1) - 0.5 * noise.shape[-1] * math.log(2 * math.pi)
    return density


def _log_determinant(factor: Floats) -> Floats:
    """log|L_c| per client, the Jacobian of the proposal."""
    value: Floats = np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
    return value


def _sum_by(values: Floats, group: NDArray[np.int64]) -> Floats:
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    sums: Floats = np.add.reduceat(values[:, order], starts, axis=1)
    return sums
