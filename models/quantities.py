"""What the posterior is asked, in pieces that the models share: coefficients, SDs, shares.

Every function turns posterior draws (dims ``chain``, ``draw``, …) into draws of one quantity, on the raw
scale (units of the variables) and on the standardised one. Raw coefficients are exact: they are what a
regression on the raw variables would print, so that raw ``intercept`` and ``time`` speak about raw zero
of every numeric covariate, and standardised ones about its mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from .design import Column, Design, Effect, Floats
from .families import LOGISTIC_VARIANCE, laws, offset
from .model import Estimand, Scale, Target

if TYPE_CHECKING:
    import xarray as xr

    Draws = Callable[[xr.Dataset], xr.DataArray]


def outcome_sd(design: Design) -> float:
    """Return raw units per internal unit of the linear predictor (1 on a link scale)."""
    return design.outcome.sd if laws()[design.family].continuous else 1.0


def outcome_unit(design: Design) -> str:
    """Return the unit of the linear predictor in words."""
    link = laws()[design.family].link
    return {"identity": design.outcome.unit or "units", "logit": "logits", "log": "log counts"}[link]


def raw_matrix(design: Design) -> Floats:
    r"""Return M with raw coefficients = M · (intercept, internal coefficients), without the outcome's scale.

    A column :math:`\prod_f (v_f - c_f)/s_f` is expanded into monomials of raw variables.

    Returns
    -------
    ndarray
        Shape (1 + fixed, 1 + fixed); row 0 is the raw intercept.
    """
    position = {frozenset[str](): 0}
    for j, column in enumerate(design.fixed):
        position[frozenset(factor.name for factor in column.factors)] = j + 1
    matrix = np.zeros((len(design.fixed) + 1,) * 2)
    matrix[0, 0] = 1.0
    for j, column in enumerate(design.fixed):
        monomials = {frozenset[str](): 1.0}
        for factor in column.factors:
            expanded: dict[frozenset[str], float] = {}
            for names, weight in monomials.items():
                for key, part in ((names | {factor.name}, 1.0 / factor.scale), (names, -factor.centre / factor.scale)):
                    expanded[key] = expanded.get(key, 0.0) + weight * part
            monomials = expanded
        for names, weight in monomials.items():
            if weight != 0.0:
                matrix[position[names], j + 1] += weight
    return matrix


def coefficient(design: Design, weights: Floats, shift: float, size: float) -> Draws:
    """Return draws of shift + size · weights'(intercept, fixed)."""

    def draws(posterior: xr.Dataset) -> xr.DataArray:
        import xarray as xr

        total = xr.zeros_like(posterior["sd_client"].isel(client_effect=0, drop=True)) + shift
        if weights[0] != 0.0 and "intercept" in posterior:
            total = total + size * float(weights[0]) * posterior["intercept"]
        for j in np.flatnonzero(weights[1:]):
            total = total + size * float(weights[j + 1]) * posterior["fixed"].isel(term=int(j), drop=True)
        return total

    return draws


def both_scales(
    name: str,
    level: str,
    units: tuple[str, str],
    meaning: str,
    raw: Draws,
    standardised: Draws,
    target: Target = "population",
) -> tuple[Estimand, Estimand]:
    """Return an estimand on the raw and on the standardised scale."""
    return (
        Estimand(name, level, target, "raw", units[0], meaning, raw),
        Estimand(name, level, target, "standardised", units[1], meaning, standardised),
    )


def once(
    name: str, level: str, unit: str, meaning: str, draws: Draws, scale: Scale = "raw", target: Target = "population"
) -> tuple[Estimand]:
    """Return an estimand that has one scale only (shares, correlations, counts)."""
    return (Estimand(name, level, target, scale, unit, meaning, draws),)


def multiple(variable: str, size: float, **coordinates: str) -> Draws:
    """Return draws of size · variable[coordinates]."""

    def draws(posterior: xr.Dataset) -> xr.DataArray:
        return posterior[variable].sel(coordinates, drop=True) * size

    return draws


def intercept_and_time(design: Design) -> tuple[Estimand, ...]:
    """Return intercept and coefficients of time: the course in the reference group."""
    matrix = raw_matrix(design)
    sd, unit = outcome_sd(design), outcome_unit(design)
    shift = offset(design.outcome) if not laws()[design.family].continuous else design.outcome.mean
    found: list[Estimand] = []
    others = any(c.part == "main" and c.factors[0].category is None for c in design.fixed)
    at = " with every numeric covariate at 0 (raw) or at its mean (standardised)" if others else ""
    start = f"at time 0 (in {design.time_unit}s)" if any(c.part == "time" for c in design.fixed) else "on average"
    if design.family != "ordinal":
        meaning = f"Expected {design.outcome.label} {start} in the reference group{at}."
        raw = coefficient(design, matrix[0], shift, sd)
        centre = np.eye(len(matrix))[0]
        found += both_scales(
            "intercept", "population", (unit, "SD from the mean"), meaning, raw, coefficient(design, centre, 0.0, 1.0)
        )
    for j, column in enumerate(design.fixed):
        if column.part == "time":
            found += _column(design, j, column, matrix)
    return tuple(found)


def covariate_effects(design: Design) -> tuple[Estimand, ...]:
    """Return coefficients of groups and covariates and of their products with time."""
    matrix = raw_matrix(design)
    found: list[Estimand] = []
    for j, column in enumerate(design.fixed):
        if column.part != "time":
            found += _column(design, j, column, matrix)
    return tuple(found)


def _column(design: Design, j: int, column: Column, matrix: Floats) -> tuple[Estimand, Estimand]:
    sd, unit = outcome_sd(design), outcome_unit(design)
    weights = np.eye(len(matrix))[j + 1]
    meaning = {
        "time": f"Change of {design.outcome.label} with {column.name} in the reference group.",
        "main": f"Difference in {design.outcome.label} with {column.name}"
        + (" at time 0." if any(c.part == "interaction" for c in design.fixed) else "."),
        "interaction": f"Difference in the change of {design.outcome.label} over time with {column.factors[0].name}.",
    }[column.part]
    return both_scales(
        column.name,
        "session" if column.part == "time" else column.level,
        (f"{unit} per {per_unit(design, column)}", "SD per SD" if column.factors[0].category is None else "SD"),
        meaning,
        coefficient(design, matrix[j + 1], 0.0, sd),
        coefficient(design, weights, 0.0, 1.0),
    )


def per_unit(design: Design, column: Column) -> str:
    """Return what the raw coefficient is per, in words."""
    words = []
    for factor in column.factors:
        if factor.variable == "time":
            linear = factor.name in ("time", "time_early", "time_late")
            words.append(design.time_unit if linear else f"unit of {factor.name}")
        else:
            words.append("category" if factor.category is not None else f"unit of {factor.name}")
    return " and ".join(words)


def standard_deviations(design: Design) -> tuple[Estimand, ...]:
    """Return SDs and correlations of clients' and therapists' effects, and the residual SD."""
    found: list[Estimand] = []
    sd, unit = outcome_sd(design), outcome_unit(design)
    levels: tuple[tuple[str, tuple[Effect, ...]], ...] = (
        ("client", design.client_effects),
        ("therapist", design.therapist_effects),
    )
    for level, effects in levels:
        own = [effect for effect in effects if effect.predictor < 0]
        for effect in own:
            found += both_scales(
                f"sd.{level}.{effect.name}",
                level,
                (unit if effect.name == "intercept" else f"{unit} per {design.time_unit}", "SD"),
                f"How much {level}s differ in the {effect.name} of {design.outcome.label}.",
                multiple(f"sd_{level}", sd / effect.scale, **{f"{level}_effect": effect.name}),
                multiple(f"sd_{level}", 1.0, **{f"{level}_effect": effect.name}),
            )
        for i, first in enumerate(effects):
            for second in effects[i + 1 :]:
                found += once(
                    f"cor.{level}.{first.name}_{second.name}",
                    level,
                    "correlation",
                    f"Whether {level}s with a higher {first.name} have a higher {second.name}.",
                    multiple(
                        f"cor_{level}",
                        1.0,
                        **{f"{level}_effect": first.name, f"{level}_effect_other": second.name},
                    ),
                )
    if laws()[design.family].continuous:
        meaning = f"How much sessions of one client vary in {design.outcome.label} around the expectation."
        found += both_scales(
            "sd.residual", "session", (unit, "SD"), meaning, multiple("sd_residual", sd), multiple("sd_residual", 1.0)
        )
    return tuple(found)


def family_estimands(design: Design) -> tuple[Estimand, ...]:
    """Return scalar parameters of the family and of the residual: ν, precision, dispersion, ρ."""
    texts = {
        "nu": "Degrees of freedom of the residual: small values mean outlying sessions.",
        "precision": "Precision of ratings around their expectation.",
        "dispersion": "Counts vary like Poisson counts when this is large.",
    }
    found: list[Estimand] = []
    for name in laws()[design.family].parameters:
        if name in texts:
            found += once(name, "session", "", texts[name], multiple(name, 1.0))
    if design.residual == "ar1":
        meaning = "Correlation of the residuals of neighbouring sessions of one client."
        found += once("autocorrelation", "session", "correlation", meaning, multiple("autocorrelation", 1.0))
    return tuple(found)


# --- variances -------------------------------------------------------------------------------------


def level_variance(design: Design, level: str) -> Draws:
    """Return the variance of the outcome between clients or therapists, averaged over the rows' times.

    z'Σz with z the columns of the random effects (Johnson 2014); for random intercepts just the variance.
    """
    columns = design.client_z if level == "client" else design.therapist_z
    effects = design.client_effects if level == "client" else design.therapist_effects
    moment = columns.T @ columns / max(len(columns), 1)

    def draws(posterior: xr.Dataset) -> xr.DataArray:
        sd = posterior[f"sd_{level}"]
        dim = f"{level}_effect"
        total = (sd**2 * sd[dim].copy(data=np.diag(moment))).sum(dim)
        for i in range(len(effects)):
            for j in range(i):
                if moment[i, j] != 0.0:
                    correlation = posterior[f"cor_{level}"].isel({dim: i, f"{dim}_other": j}, drop=True)
                    product = sd.isel({dim: i}, drop=True) * sd.isel({dim: j}, drop=True)
                    total = total + 2 * float(moment[i, j]) * correlation * product
        return total

    return draws


def residual_variance(design: Design) -> Draws:
    """Return the variance of one session's rating given client and therapist, on the internal link scale.

    Student t: σ²ν/(ν − 2) with ν at least 2.05. Logit links: π²/3. Beta and counts: the variance on
    the link scale at the average rating (Nakagawa, Johnson & Schielzeth 2017).
    """

    def draws(posterior: xr.Dataset) -> xr.DataArray:
        one = posterior["sd_client"].isel(client_effect=0, drop=True) * 0 + 1
        match design.family:
            case "gaussian":
                return posterior["sd_residual"] ** 2
            case "student_t":
                nu = posterior["nu"].clip(min=2.05)
                return posterior["sd_residual"] ** 2 * nu / (nu - 2)
            case "negative_binomial":
                mean = math.exp(design.outcome.mean)
                spread = 1 / posterior["dispersion"] + 1 / mean
                return spread.copy(data=np.log1p(spread.to_numpy()))
            case "beta":
                mean = float(np.clip(np.nanmean(design.y), 0.01, 0.99))
                return one / ((1 + posterior["precision"]) * mean * (1 - mean))
            case _:
                return one * LOGISTIC_VARIANCE

    return draws


def shares(design: Design, with_arm: bool = False) -> tuple[Estimand, ...]:
    """Return the shares of variance of therapists, clients, sessions, and of the arm if asked for and there is one."""
    parts: dict[str, Draws] = {}
    if design.has_therapists:
        parts["therapist"] = level_variance(design, "therapist")
    parts["client"] = level_variance(design, "client")
    parts["session"] = residual_variance(design)
    if with_arm and any(column.role == "arm" and column.part == "main" for column in design.fixed):
        parts["arm"] = arm_variance(design)
    words = {
        "therapist": "lies between therapists",
        "client": "lies between clients of one therapist",
        "session": "lies between sessions of one client (with measurement error)",
        "arm": "goes with the arm",
    }

    def share(part: str) -> Draws:
        def draws(posterior: xr.Dataset) -> xr.DataArray:
            values = {name: variance(posterior) for name, variance in parts.items()}
            return values[part] / sum(values.values())

        return draws

    found: list[Estimand] = []
    for part in parts:
        level = "population" if part == "arm" else part
        meaning = f"Share of the variance of {design.outcome.label} that {words[part]}."
        found += once(f"share.{part}", level, "share", meaning, share(part))
    if "arm" in parts and "therapist" in parts:
        therapist, arm = share("therapist"), share("arm")
        meaning = f"How much more of {design.outcome.label} goes with the therapist than with the arm."
        found += once("share.therapist_minus_arm", "therapist", "share", meaning, lambda p: therapist(p) - arm(p))
    return tuple(found)


def arm_variance(design: Design) -> Draws:
    """Return the variance between clients that goes with the arm, a'Cov(arm)a over clients."""
    first = np.unique(design.client, return_index=True)[1]
    index = [j for j, c in enumerate(design.fixed) if c.role == "arm" and c.part == "main"]
    columns = design.F[first][:, index]
    covariance = np.atleast_2d(np.cov(columns, rowvar=False))

    def draws(posterior: xr.Dataset) -> xr.DataArray:
        a = posterior["fixed"].isel(term=index)
        values = np.einsum("cdi,ij,cdj->cd", a.to_numpy(), covariance, a.to_numpy())
        return a.isel(term=0, drop=True).copy(data=values)

    return draws
