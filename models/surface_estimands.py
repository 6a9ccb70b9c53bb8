"""Estimands of congruence: terms of the surface, what they say along the two lines, the first principal axis.

Raw: outcome per point of the ratings (per squared point for curvatures). Standardised: ratings in the raters' pooled
SD of that level, outcome in its SD of that level, both from the model itself, so that both raters keep one metric.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .draws import covariance_factor, flatten, path_matrices
from .effects import predictor_sds
from .model import Estimand
from .quantities import (
    both_scales,
    covariate_effects,
    family_estimands,
    intercept_and_time,
    once,
    outcome_sd,
    outcome_unit,
    residual_variance,
    standard_deviations,
)
from .surface import COMBINATIONS, LEVELS, TERMS, VARIABLES, Axis, combination, first_axis, moments, rescaled
from .surface_design import level_columns

if TYPE_CHECKING:
    import xarray as xr

    from .design import Design, Floats
    from .quantities import Draws

_LARGE = ("client_effects", "therapist_effects", "predictor_client", "predictor_therapist")
_LEVEL_NAMES = {"within": "session", "between_client": "client"}


def congruence_estimands(design: Design) -> tuple[Estimand, ...]:
    """Return every estimand of a congruence design."""
    found: list[Estimand] = []
    for place in LEVELS:
        for name in (*COMBINATIONS, *TERMS):
            found += _coefficient(design, place, name)
        found += _axis(design, place)
    found += intercept_and_time(design)
    found += covariate_effects(design)
    found += standard_deviations(design)
    found += predictor_sds(design)
    found += family_estimands(design)
    return tuple(found)


# --- the level's own units -------------------------------------------------------------------------


def small(posterior: xr.Dataset) -> dict[str, Floats]:
    """Return flat draws of everything but the effects of single clients and therapists."""
    return flatten(posterior.drop_vars([str(v) for v in posterior.data_vars if str(v) in _LARGE]))


def rating_moments(design: Design, draws: dict[str, Floats], place: str) -> tuple[Floats, Floats]:
    """Return mean and covariance of the two ratings at a level, internal scale, (draws, 2) and (draws, 2, 2).

    Within: deviations of a session. Between: what is usual for clients (their own part, their therapist's and that of
    their covariates). Observed centring: those of the data.
    """
    count = len(draws["sd_client"])
    if not design.latent:
        ratings = design.x if place == "within" else _per_client(design, _between(design))
        mean, covariance = ratings.mean(axis=0), np.cov(ratings, rowvar=False)
        return np.broadcast_to(mean, (count, 2)), np.broadcast_to(covariance, (count, 2, 2))
    now, _ = path_matrices(design, draws)
    solve = np.linalg.inv(np.eye(2) - now[:, :2, :2])
    if place == "within":
        root = solve * draws["sd_predictor_residual"][:, None, :]
        return np.zeros((count, 2)), root @ root.transpose(0, 2, 1)
    covariance = np.zeros((count, 2, 2))
    for unit in ("client", "therapist"):
        if f"sd_predictor_{unit}" in draws:
            factor = covariance_factor(draws, f"sd_predictor_{unit}", f"cor_predictor_{unit}")
            covariance += factor @ factor.transpose(0, 2, 1)
    mean = np.einsum("sij,sj->si", solve, draws["predictor_intercept"])
    if design.fixed:
        own, held = level_columns(design)
        columns = _per_client(design, design.F * own + held)
        slopes = solve @ draws["predictor_fixed"]
        mean = mean + slopes @ columns.mean(axis=0)
        covariance += slopes @ np.atleast_2d(np.cov(columns, rowvar=False)) @ slopes.transpose(0, 2, 1)
    return mean, covariance


def _between(design: Design) -> Floats:
    return design.surface.between if design.surface is not None else np.zeros((len(design.y), 2))


def _per_client(design: Design, rows: Floats) -> Floats:
    return np.asarray(rows[np.unique(design.client, return_index=True)[1]])


def units(design: Design, posterior: xr.Dataset, place: str) -> tuple[Floats, Floats]:
    """Return the SDs of ratings (pooled over raters) and of the outcome at a level, internal, (draws,) each."""
    draws = small(posterior)
    mean, covariance = rating_moments(design, draws, place)
    explained = moments(draws[VARIABLES[place]], mean, covariance)[1]
    if place == "within":
        rest = residual_variance(design)(posterior).transpose("chain", "draw").to_numpy().ravel()
    else:
        rest = draws["sd_client"][:, 0] ** 2
        if design.has_therapists:
            rest = rest + draws["sd_therapist"][:, 0] ** 2
    pooled = np.sqrt(np.einsum("skk->s", covariance) / 2)
    return np.maximum(pooled, 1e-12), np.maximum(np.sqrt(explained + rest), 1e-12)


def standardised(design: Design, posterior: xr.Dataset, place: str) -> Floats:
    """Return the coefficients of a surface in SDs of its level, (draws, 5)."""
    b = flatten(posterior[[VARIABLES[place]]])[VARIABLES[place]]
    return rescaled(b, *units(design, posterior, place))


def raw(design: Design, posterior: xr.Dataset, place: str) -> Floats:
    """Return the coefficients of a surface in raw units, (draws, 5)."""
    b = flatten(posterior[[VARIABLES[place]]])[VARIABLES[place]]
    return rescaled(b, 1.0 / design.predictors[0].sd, 1.0 / outcome_sd(design))


def axis(design: Design, posterior: xr.Dataset, place: str) -> Axis:
    """Return the first principal axis, its intercept in points from the centre of the ratings."""
    found = first_axis(standardised(design, posterior, place))
    unit = units(design, posterior, place)[0] * design.predictors[0].sd
    return Axis(found.slope, found.intercept * unit, found.defined)


# --- estimands -------------------------------------------------------------------------------------

_MEANINGS = {
    "a1": "Slope of {y} where both ratings rise together (line of congruence), at the centre.",
    "a2": "Curvature of {y} along the line of congruence: whether agreement at the ends differs from the middle.",
    "a3": "Slope of {y} where {x} rises and {z} falls (line of incongruence), at the centre.",
    "a4": "Curvature of {y} along the line of incongruence: below zero, {y} is lower the further the ratings part.",
    "a5": "Whether {y} bends more with {x} than with {z}; zero where the ridge lies along the line of congruence.",
    "b1": "Slope of {y} on {x} at the centre.",
    "b2": "Slope of {y} on {z} at the centre.",
    "b3": "Curvature of {y} with {x}.",
    "b4": "How much the slope of {y} on {x} changes with {z}.",
    "b5": "Curvature of {y} with {z}.",
}
_PLACES = {
    "within": " Ratings are a session's deviations from what is usual for the client.",
    "between_client": " Ratings are what is usual for clients, from the pooled mean of both raters.",
}


def _coefficient(design: Design, place: str, name: str) -> list[Estimand]:
    x, z = design.predictors
    second = name in ("a2", "a4", "a5", "b3", "b4", "b5")
    unit = x.unit or "units"
    per = f"squared {unit}" if second else unit
    return list(
        both_scales(
            f"surface.{place}.{name}",
            _LEVEL_NAMES[place],
            (f"{outcome_unit(design)} per {per}", "SD per squared SD" if second else "SD per SD"),
            _MEANINGS[name].format(x=x.label, z=z.label, y=design.outcome.label) + _PLACES[place],
            lambda p: _like(p, combination(name, raw(design, p, place))),
            lambda p: _like(p, combination(name, standardised(design, p, place))),
        )
    )


def _axis(design: Design, place: str) -> list[Estimand]:
    """Return the first principal axis; NaN where a draw has none, with the share of draws that have one."""
    x, z = design.predictors
    parts: tuple[tuple[str, str, str, Draws], ...] = (
        (
            "axis_defined",
            "share",
            "Share of draws in which the surface has a first principal axis; the axis is summarised over these.",
            lambda p: _like(p, axis(design, p, place).defined.astype(np.float64)),
        ),
        (
            "axis_intercept",
            x.unit or "units",
            f"First principal axis: {z.label} above the centre where {x.label} is at it; 0 on the line of congruence.",
            lambda p: _like(p, axis(design, p, place).intercept),
        ),
        (
            "axis_slope",
            f"{z.unit or 'units'} per {x.unit or 'unit'}",
            "Slope of the first principal axis, where the surface rises most or falls least; 1 is congruence.",
            lambda p: _like(p, axis(design, p, place).slope),
        ),
    )
    found: list[Estimand] = []
    for name, unit, meaning, draws in parts:
        found += once(f"surface.{place}.{name}", _LEVEL_NAMES[place], unit, meaning + _PLACES[place], draws)
    return found


def _like(posterior: xr.Dataset, values: Floats) -> xr.DataArray:
    one = posterior["sd_client"].isel(client_effect=0, drop=True).transpose("chain", "draw")
    return one.copy(data=np.asarray(values, dtype=np.float64).reshape(one.shape))


__all__ = ["axis", "congruence_estimands", "rating_moments", "raw", "small", "standardised", "units"]
