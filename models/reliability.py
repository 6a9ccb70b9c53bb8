"""Reliability: how well means and slopes of a client's sessions rank clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .design import Design
from .model import Estimand
from .quantities import level_variance, once, residual_variance

if TYPE_CHECKING:
    import xarray as xr


def median_sessions(design: Design) -> int:
    """Return the median number of rated sessions per client."""
    rated = design.client[~np.isnan(design.y)]
    counts = np.bincount(rated, minlength=design.clients)
    return max(int(np.median(counts[counts > 0])), 1)


def mean_reliability(design: Design) -> tuple[Estimand, ...]:
    r"""Return the reliability of a client's mean over k sessions, k the median number of sessions.

    .. math::

        \frac{\tau_t^2 + \tau_c^2}{\tau_t^2 + \tau_c^2 + \frac{\sigma^2}{k}
        \left(1 + 2 \sum_{j=1}^{k-1} (1 - j/k) \rho^j\right)}
    """
    k = median_sessions(design)

    def draws(posterior: xr.Dataset) -> xr.DataArray:
        between = level_variance(design, "client")(posterior)
        if design.has_therapists:
            between = between + level_variance(design, "therapist")(posterior)
        error = residual_variance(design)(posterior) / k
        if design.residual == "ar1":
            rho = posterior["autocorrelation"]
            error = error * (1 + 2 * sum((1 - j / k) * rho**j for j in range(1, k)))
        return between / (between + error)

    meaning = f"How well the mean of {k} sessions (the median number) ranks clients in {design.outcome.label}."
    return once(f"reliability.mean[{k}]", "client", "reliability", meaning, draws)


def slope_reliability(design: Design) -> tuple[Estimand, ...]:
    r"""Return the reliability of a client's own rate of change (growth with a slope of linear time).

    τ₁² / (τ₁² + σ² / SS_time) with SS_time the median sum of squares of a client's session times
    (Willett 1989).
    """
    names = [effect.name for effect in design.client_effects]
    if "time" not in names:
        return ()
    j = names.index("time")
    rated = ~np.isnan(design.y)
    client, times = design.client[rated], design.client_z[rated, j]
    count = np.bincount(client, minlength=design.clients)
    total = np.bincount(client, times, minlength=design.clients)
    squares = np.bincount(client, times**2, minlength=design.clients) - total**2 / np.maximum(count, 1)
    squares = squares[count > 0]
    spread = float(np.median(squares))
    if spread <= 0:
        return ()
    k = median_sessions(design)

    def draws(posterior: xr.Dataset) -> xr.DataArray:
        own = posterior["sd_client"].sel(client_effect="time", drop=True) ** 2
        return own / (own + residual_variance(design)(posterior) / spread)

    meaning = f"How well {k} sessions (the median number) rank clients in their rate of change."
    return once(f"reliability.slope[{k}]", "client", "reliability", meaning, draws)
