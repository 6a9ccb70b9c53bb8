"""How much a posterior moves when prior or likelihood are made a little stronger or weaker.

Raising one component to a power α near 1 moves the posterior; importance weights component^(α − 1), Pareto-smoothed,
say how far without a second fit. The distance is the cumulative Jensen–Shannon distance per doubling of α. Above
0.05: sensitive. Sensitive to the prior *and* to the likelihood: they disagree. Sensitive to the prior alone: the
data say little.

Source: Kallioinen, Paananen, Bürkner and Vehtari (2024), Statistics and Computing 34, 57.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import xarray as xr

    from ..models.model import Parameter

Floats = NDArray[np.float64]

ALPHAS = (0.99, 1.01)
LIMIT = 0.05


def log_prior(parameters: Sequence[Parameter], posterior: xr.Dataset) -> Floats:
    """Return the log prior density of every draw, shape (chains, draws).

    Parameters
    ----------
    parameters
        As the model declares them: names with or without one coordinate (``within[safety]``).
    posterior
        Population-level draws.

    Notes
    -----
    A prior that stands for a whole variable is applied to each of its elements; power-scaling needs no constants,
    so that of LKJ is left out.
    """
    first = next(iter(posterior.data_vars.values())).transpose("chain", "draw", ...)
    total = np.zeros(first.shape[:2])
    for parameter in parameters:
        name, _, coordinate = parameter.name.partition("[")
        if name not in posterior:
            continue
        values = posterior[name].transpose("chain", "draw", ...).to_numpy()
        if parameter.prior.kind == "lkj":
            total += parameter.prior.logpdf(values)
            continue
        if coordinate:
            labels = [str(label) for label in posterior[posterior[name].dims[-1]].values]
            place = coordinate.rstrip("]")
            if place not in labels or values.ndim != 3:
                continue
            values = values[:, :, labels.index(place)]
        density = parameter.prior.logpdf(values)
        total += density.reshape(*density.shape[:2], -1).sum(axis=2)
    return total


def sensitivity(draws: Floats, component: Floats) -> float:
    """Return the sensitivity of a quantity to power-scaling of one component.

    Parameters
    ----------
    draws
        Draws of the quantity, (chains, draws).
    component
        Log prior or log likelihood of the same draws, (chains, draws).

    Returns
    -------
    float
        Cumulative Jensen–Shannon distance per doubling of α; NaN where a component is not finite or constant, or the
        quantity does not vary.
    """
    from arviz_stats.base import array_stats

    if not (np.isfinite(component).all() and np.isfinite(draws).all()) or np.ptp(component) == 0 or np.ptp(draws) == 0:
        return math.nan
    weights = []
    for alpha in ALPHAS:
        logs = np.asarray(array_stats.power_scale_lw(component, alpha=alpha, axis=(0, 1)))
        weight = np.exp(logs - logs.max())
        weights.append((weight / weight.sum()).reshape(draws.shape))
    found = array_stats.power_scale_sense(
        draws, weights[0], weights[1], lower_alpha=ALPHAS[0], upper_alpha=ALPHAS[1], chain_axis=0, draw_axis=1
    )
    return float(np.asarray(found))
