"""What a response surface looks like, for figures and tables: contours, the region of the data, axis, probabilities.

The region of the data is an ellipse from the model's own moments that holds 90 % of a bivariate normal: it follows no
single client. The patterns of agreement are those of Humberg, Nestler and Back (2019), asked of the draws with the
region of practical equivalence in place of tests:

    broad    a4 < −ROPE, |a3| < ROPE and |a5| < ROPE        (the ridge lies along the line of congruence)
    strict   broad, |a1| < ROPE and |a2| < ROPE             (and agreement is as good at every level)

a5 = 0 and a3 = 0 stand for p11 = 1 and p10 = 0, which they imply where b4 > 0 (Nestler, Humberg and Schönbrodt 2019).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..models.surface import COMBINATIONS, LEVELS, combination, terms

if TYPE_CHECKING:
    import xarray as xr

    from ..models.design import Design

Floats = NDArray[np.float64]

DRAWS = 1000
GRID = 25
INSIDE = 0.90
REACH = math.sqrt(-2 * math.log(1 - INSIDE))  # radius of that ellipse in SDs of a bivariate normal
POINTS = 60
FEWEST_AXES = 0.05  # share of draws with an axis below which none is drawn


def picture(design: Design, posterior: xr.Dataset, rope: Mapping[str, float]) -> dict[str, Any] | None:
    """Return the card's ``surface``: per level the figure's numbers, the axis and the probabilities of patterns.

    Parameters
    ----------
    design
        The fitted design; ``None`` comes back where it has no surface.
    posterior
        Dims ``chain``, ``draw``.
    rope
        Half-widths of the region of practical equivalence, standardised.
    """
    if design.surface is None:
        return None
    from .predictive import spread_draws

    thinned = spread_draws(posterior, DRAWS)
    return {place: _level(design, thinned, place, rope) for place in LEVELS}


def _level(design: Design, posterior: xr.Dataset, place: str, rope: Mapping[str, float]) -> dict[str, Any]:
    from ..models.surface_estimands import axis, rating_moments, raw, small, standardised

    x = design.predictors[0]
    draws = small(posterior)
    mean, covariance = (part.mean(axis=0) for part in rating_moments(design, draws, place))
    centre = np.zeros(2) if place == "within" else np.full(2, x.mean)
    middle = mean * x.sd + (0.0 if place == "within" else x.mean)
    spread = covariance * x.sd**2
    half = REACH * np.sqrt(np.diag(spread)).max() * 1.05
    low, high = float(middle.min() - half), float(middle.max() + half)
    if place != "within":  # usual ratings stay on the scale
        low, high = max(low, x.low), min(high, x.high)
    grid = np.linspace(low, high, GRID)
    across, up = np.meshgrid(grid, grid, indexing="ij")
    b = raw(design, posterior, place)
    basis = terms(across - centre[0], up - centre[1])
    # Differences from the middle of the data: the surface itself, without intercept and course.
    height = basis - terms(middle[0] - centre[0], middle[1] - centre[1])
    values = np.einsum("xzb,sb->sxz", height, b)
    found = axis(design, posterior, place)
    return {
        "low": low,
        "high": high,
        "centre": float(centre[0]),
        "middle": middle.tolist(),
        "grid": grid.tolist(),
        "mean": values.mean(axis=0).tolist(),
        "ellipse": _ellipse(middle, spread).tolist(),
        "inside": INSIDE,
        "lines": _lines(b, middle - centre, spread),
        "axis": _axis(found.slope, found.intercept, found.defined, grid, centre),
        "pattern": pattern(standardised(design, posterior, place), place, rope),
    }


def _ellipse(middle: Floats, spread: Floats) -> Floats:
    """Return the ellipse that holds the stated share, shape (points, 2), raw units."""
    angle = np.linspace(0, 2 * np.pi, POINTS)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    return np.asarray((middle[:, None] + REACH * np.linalg.cholesky(spread) @ circle).T)


def _lines(b: Floats, middle: Floats, spread: Floats) -> dict[str, dict[str, list[float]]]:
    """Return the surface along both lines with 95 % bands, raw units, against its value at the centre.

    Each line is drawn as far as the ellipse of the data reaches; ``middle`` is its distance from the centre.
    """
    found: dict[str, dict[str, list[float]]] = {}
    precision = np.linalg.inv(spread)
    for name, direction in (("congruence", 1.0), ("incongruence", -1.0)):
        v = np.array([1.0, direction])
        half, slope = float(v @ precision @ v), float(v @ precision @ middle)
        room = slope**2 - half * (float(middle @ precision @ middle) - REACH**2)
        if room <= 0:  # the line misses the data
            continue
        t = np.linspace((slope - math.sqrt(room)) / half, (slope + math.sqrt(room)) / half, GRID)
        values = b @ terms(t, direction * t).T
        lower, upper = np.quantile(values, [0.025, 0.975], axis=0)
        found[name] = {
            "t": t.tolist(),
            "mean": values.mean(axis=0).tolist(),
            "lower": lower.tolist(),
            "upper": upper.tolist(),
        }
    return found


def _axis(slope: Floats, intercept: Floats, defined: NDArray[np.bool_], grid: Floats, centre: Floats) -> dict[str, Any]:
    """Return how many draws have a first principal axis, and where it lies in these."""
    share = float(defined.mean())
    found: dict[str, Any] = {"draws": int(defined.size), "defined": int(defined.sum()), "share": share}
    if share < FEWEST_AXES:
        return {**found, "line": None}
    p11, p10 = slope[defined], intercept[defined]
    line = centre[1] + p10[:, None] + p11[:, None] * (grid - centre[0])
    lower, median, upper = np.quantile(line, [0.025, 0.5, 0.975], axis=0)
    for name, values in (("slope", p11), ("intercept", p10)):
        low, mid, high = (float(q) for q in np.quantile(values, [0.025, 0.5, 0.975]))
        found[name] = {"median": mid, "lower": low, "upper": high}
    return {**found, "line": {"lower": lower.tolist(), "median": median.tolist(), "upper": upper.tolist()}}


def pattern(b: Floats, place: str, rope: Mapping[str, float]) -> dict[str, float]:
    """Return the posterior probabilities of the congruence patterns and of each condition.

    Parameters
    ----------
    b
        Standardised coefficients, shape (draws, 5).
    place
        ``within`` or ``between_client``: the ROPE of ``surface.PLACE.a1`` may have a width of its own.
    rope
        Half-widths by estimand, with ``default``.
    """
    values = {name: combination(name, b) for name in COMBINATIONS}
    width = {name: rope.get(f"surface.{place}.{name}", rope.get("default", 0.1)) for name in COMBINATIONS}
    nil = {name: np.abs(values[name]) < width[name] for name in COMBINATIONS}
    costs = values["a4"] < -width["a4"]
    broad = costs & nil["a3"] & nil["a5"]
    found = {"broad": broad, "strict": broad & nil["a1"] & nil["a2"], "disagreement_costs": costs}
    found |= {f"{name}_negligible": nil[name] for name in ("a1", "a2", "a3", "a5")}
    return {name: float(draws.mean()) for name, draws in found.items()}


__all__ = ["pattern", "picture"]
