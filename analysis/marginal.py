"""Draws from a marginalised Gaussian system: importance sampling where it is good enough, else NUTS.

Both begin at the mode of the log posterior density of θ (:mod:`.mode`); :mod:`.importance` and :mod:`.nuts` are
the two ways from there, and this file chooses. Neither imports PyMC or PyTensor.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from .importance import K_HAT_LIMIT, sample_importance
from .mode import MarginalError, Mode, evaluate, find_mode
from .nuts import sample_nuts
from .theta import ThetaDraws

if TYPE_CHECKING:
    from ..models.compilation import Compiled
    from .progress import Progress

__all__ = [
    "K_HAT_LIMIT",
    "MarginalError",
    "Mode",
    "ThetaDraws",
    "evaluate",
    "find_mode",
    "sample",
    "sample_importance",
    "sample_nuts",
]


MOST_PARAMETERS = 32
"""In more dimensions than these NUTS takes less time than importance sampling, which seldom succeeds there."""


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
        ``auto``: importance sampling if there are at most :data:`MOST_PARAMETERS` parameters, k̂ < 0.5 and its
        effective sample size reaches the number of draws, else NUTS. ``importance``: whatever k̂ says
        (diagnostics will judge it). ``nuts``: NUTS.
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
    if sampler == "auto" and compiled.system.dimension > MOST_PARAMETERS:
        note = f"importance sampling not tried: {compiled.system.dimension} parameters"
    elif sampler != "nuts":
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
