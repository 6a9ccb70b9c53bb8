"""Estimands of within_between: slopes per level, what differs between people, what moderates.

Raw: units of the outcome per unit of the predictor. Standardised: by the SDs of the level at which the
slope lives, from the model itself (SD of the session's deviation for within, SD of latent means for
between).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .design import Column, Design, Floats, Interaction
from .draws import flatten, path_matrices
from .model import Estimand
from .quantities import (
    both_scales,
    coefficient,
    family_estimands,
    intercept_and_time,
    multiple,
    once,
    outcome_sd,
    outcome_unit,
    per_unit,
    raw_matrix,
    residual_variance,
    standard_deviations,
)

if TYPE_CHECKING:
    import xarray as xr

    from .quantities import Draws

STEPS = 40
"""Sessions over which the variance of a lagged model is built up (to stationarity where it is stable)."""


def within_between_estimands(design: Design) -> tuple[Estimand, ...]:
    """Return every estimand of a within_between design."""
    found: list[Estimand] = []
    for k in range(len(design.predictors)):
        found += _slopes(design, k)
        found += _differences(design, k)
        found += _conditional(design, k)
        found += _interactions(design, k)
    if design.own_lag:
        meaning = f"How much of a session's deviation in {design.outcome.label} is left in the next session."
        found += both_scales(
            "own_lag", "session", ("per unit", "SD per SD"), meaning, multiple("own_lag", 1.0), multiple("own_lag", 1.0)
        )
    found += intercept_and_time(design)
    found += _covariates(design)
    found += standard_deviations(design)
    found += predictor_sds(design)
    found += family_estimands(design)
    return tuple(found)


# --- variances by level ----------------------------------------------------------------------------


def _like(posterior: xr.Dataset, values: Floats) -> xr.DataArray:
    one = posterior["sd_client"].isel(client_effect=0, drop=True).transpose("chain", "draw")
    return one.copy(data=values.reshape(one.shape))


def within_sds(design: Design, posterior: xr.Dataset) -> Floats:
    """Return the model's SD of a session's deviation per response, shape (draws, responses).

    Static: from the recursive paths. Lagged: the variance after :data:`STEPS` sessions of the series.
    Observed centring: the predictors' SD is that of the deviations in the data.
    """
    draws = flatten(posterior.drop_vars([str(v) for v in posterior.data_vars if str(v) in _LARGE]))
    size = len(design.responses)
    residual = residual_variance(design)(posterior).transpose("chain", "draw").to_numpy().ravel()
    if not design.latent:
        spread = np.nanstd(design.x, axis=0, ddof=1)
        explained = (draws["within"] * spread) ** 2
        own = np.nanvar(design.y_previous) if design.own_lag else 0.0
        carried = draws["own_lag"] ** 2 * own if design.own_lag else 0.0
        outcome = np.sqrt(explained.sum(axis=1) + residual + carried)
        return np.column_stack([np.broadcast_to(spread, explained.shape), outcome])
    now, before = path_matrices(design, draws)
    noise = np.zeros((len(residual), size, size))
    index = np.arange(size - 1)
    noise[:, index, index] = draws["sd_predictor_residual"] ** 2
    noise[:, -1, -1] = residual
    solve = np.linalg.inv(np.eye(size) - now)
    shock = solve @ noise @ solve.transpose(0, 2, 1)
    carry = solve @ before
    total = shock
    if design.dynamic:
        for _ in range(STEPS):
            total = shock + carry @ total @ carry.transpose(0, 2, 1)
    return np.asarray(np.sqrt(np.einsum("svv->sv", total)))


_LARGE = {"client_effects", "therapist_effects", "predictor_client", "predictor_therapist"}


def between_sds(design: Design, posterior: xr.Dataset, level: str) -> Floats:
    """Return the SD of latent means per response at a level, shape (draws, responses)."""
    draws = flatten(posterior.drop_vars([str(v) for v in posterior.data_vars if str(v) in _LARGE]))
    own = draws[f"sd_{level}"][:, 0]
    slopes = draws[f"between_{level}"]
    if design.latent:
        sd = draws[f"sd_predictor_{level}"]
        cor = draws.get(f"cor_predictor_{level}", np.ones((len(own), 1, 1)))
        covariance = sd[:, :, None] * cor * sd[:, None, :]
    else:
        columns = design.x_client if level == "client" else design.x_therapist
        unit = design.client if level == "client" else design.therapist
        first = np.unique(unit, return_index=True)[1]
        observed = np.atleast_2d(np.cov(columns[first], rowvar=False))
        covariance = np.broadcast_to(observed, (len(own), *observed.shape))
    predictors = np.sqrt(np.einsum("skk->sk", covariance))
    outcome = np.sqrt(np.einsum("sk,skj,sj->s", slopes, covariance, slopes) + own**2)
    return np.column_stack([predictors, outcome])


# --- slopes ----------------------------------------------------------------------------------------


def _slopes(design: Design, k: int) -> list[Estimand]:
    """Within, between and contextual effects of one predictor."""
    x, y = design.predictors[k], design.outcome
    size = outcome_sd(design) / x.sd
    units = (f"{outcome_unit(design)} per {x.unit or 'unit'}", "SD per SD")
    after = "after" if design.options.lag == 1 else "in"
    texts = {
        "within": f"{y.label} {after} a session with {x.label} one unit above what is usual for this client.",
        "between_client": f"Difference in usual {y.label} between clients whose usual {x.label} differs by one unit.",
        "between_therapist": f"Difference in {y.label} between therapists whose usual {x.label} differs by one unit.",
    }
    levels = {"within": "session", "between_client": "client", "between_therapist": "therapist"}
    found: list[Estimand] = []
    for name, level in levels.items():
        if level == "therapist" and not design.has_therapists:
            continue
        raw = multiple(name, size, predictor=x.name)
        found += both_scales(f"{x.name}.{name}", level, units, texts[name], raw, _standardised(design, k, name, level))
    contextual = "What a higher usual level adds to a session's deviation of the same size: between minus within."

    def difference(posterior: xr.Dataset) -> xr.DataArray:
        both = posterior["between_client"] - posterior["within"]
        return both.sel(predictor=x.name, drop=True)

    found += both_scales(
        f"{x.name}.contextual",
        "client",
        units,
        contextual,
        lambda p: difference(p) * size,
        lambda p: difference(p) * _ratio(design, p, k, "client"),
    )
    return found


def _ratio(design: Design, posterior: xr.Dataset, k: int, level: str) -> xr.DataArray:
    sds = within_sds(design, posterior) if level == "session" else between_sds(design, posterior, level)
    return _like(posterior, sds[:, k] / np.maximum(sds[:, -1], 1e-12))


def _standardised(design: Design, k: int, name: str, level: str) -> Draws:
    return lambda p: p[name].isel(predictor=k, drop=True) * _ratio(design, p, k, level)


def _differences(design: Design, k: int) -> list[Estimand]:
    """How much the within effect differs between clients and groups."""
    x = design.predictors[k]
    size = outcome_sd(design) / x.sd
    units = (f"{outcome_unit(design)} per {x.unit or 'unit'}", "SD per SD")
    found: list[Estimand] = []
    if any(effect.predictor == k for effect in design.client_effects):
        raw = multiple("sd_client", size, client_effect=x.name)

        def opposite(posterior: xr.Dataset) -> xr.DataArray:
            from scipy.special import ndtr

            slope = posterior["within"].sel(predictor=x.name, drop=True)
            spread = posterior["sd_client"].sel(client_effect=x.name, drop=True)
            values = ndtr(-np.abs(slope.to_numpy()) / np.maximum(spread.to_numpy(), 1e-12))
            return slope.copy(data=values)

        found += both_scales(
            f"{x.name}.within.sd",
            "client",
            units,
            f"How much clients differ in the within effect of {x.label}.",
            raw,
            lambda p: p["sd_client"].sel(client_effect=x.name, drop=True) * _ratio(design, p, k, "session"),
        )
        meaning = f"Share of clients whose own within effect of {x.label} has the opposite sign of the average one."
        found += once(f"{x.name}.opposite_sign", "client", "share", meaning, opposite)
    if design.groups is not None:
        found += both_scales(
            f"{x.name}.within.sd_group",
            design.groups.level,
            units,
            f"How much the within effect of {x.label} differs between the categories of {design.groups.name}.",
            multiple("sd_group", size, group_effect=x.name),
            lambda p: p["sd_group"].sel(group_effect=x.name, drop=True) * _ratio(design, p, k, "session"),
        )
    return found


# --- moderation ------------------------------------------------------------------------------------


def _conditional(design: Design, k: int) -> list[Estimand]:
    """Cross-level interactions and the within effect at values of each moderator."""
    found: list[Estimand] = []
    for i, interaction in enumerate(design.interactions):
        if interaction.predictor == k:
            found += _moderation(design, i, interaction)
    if design.groups is not None:
        x, groups = design.predictors[k], design.groups
        for category in groups.categories:
            found += _effect_at(design, k, f"{x.name}.within[{groups.name}={category}]", _in_group(x.name, category))
    return found


def _in_group(predictor: str, category: str) -> Draws:
    return lambda p: (
        p["within"].sel(predictor=predictor, drop=True)
        + p["group_effects"].sel(group=category, group_effect=predictor, drop=True)
    )


def _moderation(design: Design, i: int, interaction: Interaction) -> list[Estimand]:
    k = interaction.predictor
    x, column = design.predictors[k], design.fixed[interaction.column]
    factor = column.factors[0]
    size = outcome_sd(design) / (x.sd * factor.scale)
    unit = f"{outcome_unit(design)} per {x.unit or 'unit'} and {per_unit(design, column)}"
    found = list(
        both_scales(
            f"{x.name}.within:{column.name}",
            column.level,
            (unit, "SD per SD and " + ("category" if factor.category is not None else "SD")),
            f"How much the within effect of {x.label} changes with {column.name}.",
            multiple("moderation", size, interaction=interaction.name),
            lambda p: p["moderation"].isel(interaction=i, drop=True) * _ratio(design, p, k, "session"),
        )
    )

    def at(value: float) -> Draws:
        return lambda p: (
            p["within"].isel(predictor=k, drop=True) + value * p["moderation"].isel(interaction=i, drop=True)
        )

    if factor.category is not None:
        points = {f"{factor.variable}={factor.category}": 1.0}
    else:
        points = {f"{factor.variable}=-1sd": -1.0, f"{factor.variable}=+1sd": 1.0}
    for words, value in points.items():
        found += _effect_at(design, k, f"{x.name}.within[{words}]", at(value))
    return found


def _interactions(design: Design, k: int) -> list[Estimand]:
    """Products of within deviations, and the within effect in sessions low and high on the other predictor."""
    if design.products is None:
        return []
    found: list[Estimand] = []
    for i, (a, b) in enumerate(design.products.pairs):
        if a == k:
            found += _interaction(design, len(design.interactions) + i, k, b)
    return found


def _interaction(design: Design, i: int, k: int, other: int) -> list[Estimand]:
    x, z = design.predictors[k], design.predictors[other]

    def spread(posterior: xr.Dataset) -> xr.DataArray:
        return _like(posterior, within_sds(design, posterior)[:, other])

    def product(posterior: xr.Dataset) -> xr.DataArray:
        return posterior["moderation"].isel(interaction=i, drop=True)

    def at(value: float) -> Draws:
        return lambda p: p["within"].isel(predictor=k, drop=True) + value * product(p) * spread(p)

    found = list(
        both_scales(
            f"{x.name}.within:{z.name}.within",
            "session",
            (f"{outcome_unit(design)} per {x.unit or 'unit'} and {z.unit or 'unit'}", "SD per SD and SD"),
            f"How much the within effect of {x.label} changes with {z.label} above what is usual for the client.",
            lambda p: product(p) * (outcome_sd(design) / (x.sd * z.sd)),
            lambda p: product(p) * spread(p) * _ratio(design, p, k, "session"),
        )
    )
    for words, value in (("-1sd", -1.0), ("+1sd", 1.0)):
        found += _effect_at(design, k, f"{x.name}.within[{z.name}.within={words}]", at(value))
    return found


def _effect_at(design: Design, k: int, name: str, draws: Draws) -> list[Estimand]:
    x = design.predictors[k]
    size = outcome_sd(design) / x.sd
    where = name.partition("[")[2].rstrip("]")
    return list(
        both_scales(
            name,
            "session",
            (f"{outcome_unit(design)} per {x.unit or 'unit'}", "SD per SD"),
            f"The within effect of {x.label} where {where}.",
            lambda p: draws(p) * size,
            lambda p: draws(p) * _ratio(design, p, k, "session"),
        )
    )


# --- covariates and predictors ---------------------------------------------------------------------


def _covariates(design: Design) -> list[Estimand]:
    """Direct effects of covariates: what they add to the latent means of the predictors at their level."""
    matrix = raw_matrix(design)
    found: list[Estimand] = []
    for j, column in enumerate(design.fixed):
        if column.part != "main":
            continue
        direct = direct_effect(design, j, column)
        raw = outcome_sd(design) * float(matrix[j + 1, j + 1])
        found += both_scales(
            column.name,
            column.level,
            (f"{outcome_unit(design)} per {per_unit(design, column)}", "SD per SD" if _number(column) else "SD"),
            f"Difference in {design.outcome.label} with {column.name}, given the usual level of the predictors.",
            _scaled(direct, raw),
            direct,
        )
    return found


def _number(column: Column) -> bool:
    return column.factors[0].category is None


def _scaled(draws: Draws, size: float) -> Draws:
    return lambda p: draws(p) * size


def direct_effect(design: Design, j: int, column: Column) -> Draws:
    """Return the direct effect of a client's or therapist's covariate beside the latent means, γ.

    γ = M_y − B'M_x with M = (I − A − Φ)⁻¹ g the covariate's total effects on the latent means; for
    session-level covariates the coefficient in the outcome's equation.
    """
    weights = np.eye(len(design.fixed) + 1)[j + 1]
    own = coefficient(design, weights, 0.0, 1.0)
    level = column.level if column.level != "therapist" or design.has_therapists else "client"
    if not design.latent or level == "session":
        return own

    def draws(posterior: xr.Dataset) -> xr.DataArray:
        names = ["fixed", "predictor_fixed", "within", "nuisance", "own_lag", "sd_client", f"between_{level}"]
        flat = flatten(posterior[[name for name in names if name in posterior]])
        now, before = path_matrices(design, flat)
        size = len(design.responses)
        right = np.concatenate([flat["predictor_fixed"][:, :, j], flat["fixed"][:, j, None]], axis=1)
        total = np.linalg.solve(np.eye(size) - now - before, right[:, :, None])[:, :, 0]
        return _like(posterior, total[:, -1] - (flat[f"between_{level}"] * total[:, :-1]).sum(axis=1))

    return draws


def predictor_sds(design: Design) -> list[Estimand]:
    """SDs of the predictors within clients, between clients and between therapists."""
    if not design.latent:
        return []
    found: list[Estimand] = []
    places = [("session", "residual", "from session to session"), ("client", "client", "between clients")]
    if design.has_therapists:
        places.append(("therapist", "therapist", "between therapists"))
    for x in design.predictors:
        for level, word, text in places:
            found += both_scales(
                f"{x.name}.sd.{level}",
                level,
                (x.unit or "units", "SD"),
                f"How much {x.label} varies {text}.",
                multiple(f"sd_predictor_{word}", x.sd, predictor=x.name),
                multiple(f"sd_predictor_{word}", 1.0, predictor=x.name),
            )
    return found


__all__ = ["between_sds", "direct_effect", "predictor_sds", "within_between_estimands", "within_sds"]
