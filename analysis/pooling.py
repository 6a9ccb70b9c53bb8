r"""A partially pooled view across the rows of one column: what each row says when its neighbours are heard too.

Standardised quantities, turned to their expected direction, are taken as exchangeable within a column:

.. math:: \hat\theta_j \sim N(\theta_j, s_j^2), \quad \theta_j \sim N(\mu, \tau^2), \quad
          \mu \sim N(0, 0.5^2), \quad \tau \sim N^+(0, 0.25^2)

τ is integrated on a grid; given τ everything is normal, so the answer is exact but for the normal approximation of
each posterior. It shrinks what stands out by chance and is offered beside the verdicts, never instead of them. The
quantities come from the same clients and are not independent, so the pooled intervals are a little too narrow.

Source: Gelman, Hill & Yajima (2012), Journal of Research on Educational Effectiveness 5(2), 189–211.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .evidence import Finding

Floats = NDArray[np.float64]

LEAST = 3
"""With fewer quantities there is nothing to learn from neighbours."""
MU_SD, TAU_SD, GRID = 0.5, 0.25, 200


@dataclass(frozen=True, slots=True)
class PooledPart:
    """One quantity, shrunken towards its column.

    Parameters
    ----------
    id, part
        Row and part.
    alone, mean, lower, upper
        Its mean alone and pooled, with interval, in the expected direction.
    beyond
        P(beyond the smallest effect of interest), pooled.
    """

    id: str
    part: str
    alone: float
    mean: float
    lower: float
    upper: float
    beyond: float


@dataclass(frozen=True, slots=True)
class Family:
    """The rows of one column together.

    Parameters
    ----------
    column
        Column of the table.
    mean, lower, upper
        μ: the average quantity in the expected direction.
    spread
        Posterior mean of τ: how much quantities differ.
    parts
        Each quantity.
    """

    column: str
    mean: float
    lower: float
    upper: float
    spread: float
    parts: tuple[PooledPart, ...]


def families(findings: Sequence[Finding], interval: float = 0.95) -> tuple[Family, ...]:
    """Pool the directed, standardised quantities of each column.

    Parameters
    ----------
    findings
        Every row.
    interval
        Probability of the credible intervals.

    Returns
    -------
    tuple of Family
        Columns with at least :data:`LEAST` such quantities.
    """
    found: list[Family] = []
    for column in dict.fromkeys(one.column for one in findings):
        parts = [
            (one.id, part)
            for one in findings
            if one.column == column
            for part in one.parts
            if part.tested and part.expected and not part.bounded and not part.supporting
            and part.scale == "standardised" and not part.estimand.startswith("share.")
        ]  # fmt: skip
        if len(parts) < LEAST:
            continue
        estimates = np.array([part.expected * part.mean for _, part in parts])
        errors = np.array([part.sd for _, part in parts])
        pooled = pool(estimates, errors)
        rows = tuple(
            PooledPart(name, part.name, float(estimate), *mixture.summary(interval), mixture.above(part.smallest))
            for (name, part), estimate, mixture in zip(parts, estimates, pooled.parts, strict=True)
        )
        found.append(Family(column, *pooled.mu.summary(interval), pooled.tau, rows))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Mixture:
    """A mixture of normals over the grid of τ.

    Parameters
    ----------
    mean, sd, weight
        Of each component, (grid,).
    """

    mean: Floats
    sd: Floats
    weight: Floats

    def above(self, value: float) -> float:
        """Return P(θ > value)."""
        from scipy.special import ndtr

        return float((self.weight * ndtr((self.mean - value) / np.maximum(self.sd, 1e-12))).sum())

    def summary(self, interval: float) -> tuple[float, float, float]:
        """Return mean and equal-tailed interval."""
        tail = (1 - interval) / 2
        return float((self.weight * self.mean).sum()), self._quantile(tail), self._quantile(1 - tail)

    def _quantile(self, p: float) -> float:
        low = float((self.mean - 10 * self.sd).min())
        high = float((self.mean + 10 * self.sd).max())
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if 1 - self.above(middle) < p else (low, middle)
        return (low + high) / 2


@dataclass(frozen=True, slots=True)
class Pooled:
    """The random-effects model: μ, the posterior mean of τ, and each quantity."""

    mu: Mixture
    tau: float
    parts: tuple[Mixture, ...]


def pool(estimates: Floats, errors: Floats) -> Pooled:
    """Fit the random-effects model on a grid of τ.

    Parameters
    ----------
    estimates, errors
        Posterior means and SDs, (k,).

    Examples
    --------
    >>> found = pool(np.array([0.5, 0.1, 0.1]), np.array([0.2, 0.05, 0.05]))
    >>> found.parts[0].summary(0.95)[0] < 0.5
    True
    """
    tau = (np.arange(GRID) + 0.5) / GRID * 4 * TAU_SD
    total = errors[:, None] ** 2 + tau**2  # (k, grid)
    precision = 1 / MU_SD**2 + (1 / total).sum(axis=0)
    centre = (estimates[:, None] / total).sum(axis=0) / precision
    log_weight = (
        -0.5 * (tau / TAU_SD) ** 2
        - 0.5 * np.log(total).sum(axis=0)
        - 0.5 * np.log(precision)
        - 0.5 * (estimates[:, None] ** 2 / total).sum(axis=0)
        + 0.5 * centre**2 * precision
    )
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    parts = []
    for estimate, error, own in zip(estimates, errors, total, strict=True):
        kept = tau**2 / own  # how much of its own a quantity keeps
        mean = kept * estimate + (1 - kept) * centre
        parts.append(Mixture(mean, np.sqrt(kept * error**2 + (1 - kept) ** 2 / precision), weight))
    return Pooled(Mixture(centre, 1 / np.sqrt(precision), weight), float((weight * tau).sum()), tuple(parts))
