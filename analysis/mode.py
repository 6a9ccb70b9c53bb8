"""The mode of the log posterior density of θ, the curvature there, and the density of many θ at once."""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..data.errors import SafezoneError

if TYPE_CHECKING:
    from ..models.compilation import Compiled

Floats = NDArray[np.float64]


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
