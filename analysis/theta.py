"""Draws of θ and how they came about."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


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
