"""The same question put to statsmodels: a maximum-likelihood or GEE estimate beside the posterior.

Not a test but a yardstick: with weak priors and enough clients the two should agree to a fraction of a
standard error, and where they do not, the note says what differs by design (latent against observed
centring, complete rows, effects for one client against population averages).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..models.surface import LEVELS, ORDER, TERMS, terms
from ..models.surface_design import observed_parts
from .beside import begin

if TYPE_CHECKING:
    import pandas as pd

    from ..models.design import Design
    from .crosscheck_methods import Data, Estimated

Floats = NDArray[np.float64]

MOST_ROWS = 20_000  # beyond, statsmodels takes minutes


def crosscheck(design: Design) -> Callable[[pd.DataFrame], Mapping[str, Any] | None]:
    """Estimate by other means, in a process beside this one; then set posterior means beside it.

    Parameters
    ----------
    design
        The fitted design.

    Returns
    -------
    Callable
        From ``estimates`` (columns of ``estimates.csv``; the raw rows are compared) to ``method``, ``rows``
        (``estimand, bayes_mean, bayes_sd, other, other_se``; raw scale; ``other_se`` NaN where the method gives
        none) and ``note``, or ``None`` where there is nothing to compare.
    """
    from .crosscheck_methods import estimate

    if design.y.size > MOST_ROWS:
        note = f"Left out: more than {MOST_ROWS:,} sessions take it minutes."
        return lambda estimates: {"method": "", "rows": [], "note": note}
    data, dropped = data_of(design)
    if data.y.size <= data.X.shape[1] or np.unique(data.client).size < 2:
        return lambda estimates: None
    result = begin(estimate, (design.family, data))

    def compared(estimates: pd.DataFrame) -> Mapping[str, Any] | None:
        estimated = result()
        if estimated is None:
            return None
        return {
            "method": estimated.method,
            "rows": _rows(design, estimated, estimates),
            "note": " ".join(_notes(design, dropped, estimated)),
        }

    return compared


def data_of(design: Design) -> tuple[Data, int]:
    """Return what the other method sees: complete rows, predictors centred at observed means.

    Returns
    -------
    data
        Internal scale.
    dropped
        Rows left out because something is missing.
    """
    from .crosscheck_methods import Data

    columns: dict[str, Floats] = {"intercept": np.ones(design.y.size)}
    for index, column in enumerate(design.fixed):
        values = design.F[:, index].copy()
        values[design.holes.row[design.holes.column == index]] = np.nan
        columns[column.name] = values
    within: dict[str, Floats] = {}
    if design.surface is not None:
        for place, ratings in zip(LEVELS, observed_parts(design), strict=True):
            for term, values in zip(TERMS, terms(*ratings.T).T, strict=True):
                columns[f"surface.{place}.{term}"] = values
    for index, predictor in enumerate(design.predictors if design.surface is None else ()):
        within[predictor.name], between = _centred(design, index)
        columns[f"{predictor.name}.within"] = within[predictor.name]
        columns[f"{predictor.name}.between_client"] = between
    for interaction in design.interactions:
        name = design.predictors[interaction.predictor].name
        columns[interaction.name.replace(":", ".within:", 1)] = within[name] * design.F[:, interaction.column]
    if design.products is not None:
        columns |= dict(zip(map(_product, design.products.names), design.products.columns.T, strict=True))
    x = np.column_stack(list(columns.values()))
    z = design.client_z.copy()
    for index, effect in enumerate(design.client_effects):
        if effect.predictor >= 0:
            z[:, index] = within[design.predictors[effect.predictor].name]
    complete = np.isfinite(design.y) & np.isfinite(x).all(axis=1) & np.isfinite(z).all(axis=1)
    varies = np.ptp(x[complete], axis=0) > 0
    varies[0] = True
    names = tuple(name for name, keep in zip(columns, varies, strict=True) if keep)
    therapist = design.therapist[complete] if design.has_therapists else np.zeros(0, dtype=np.int64)
    data = Data(design.y[complete], x[complete][:, varies], names, z[complete], design.client[complete], therapist)
    return data, int(np.isfinite(design.y).sum() - complete.sum())


def _centred(design: Design, index: int) -> tuple[Floats, Floats]:
    """Within deviations (of the previous session where the model lags them) and client means."""
    x = design.x[:, index]
    if design.options.centring == "observed":
        return x, design.x_client[:, index]
    known = np.isfinite(x)
    count = np.bincount(design.client[known], minlength=design.clients)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (np.bincount(design.client[known], x[known], minlength=design.clients) / count)[design.client]
    within = x - mean
    if design.options.lag == 1:
        lagged = np.full(x.size, np.nan)
        linked = design.previous >= 0
        lagged[linked] = within[design.previous[linked]]
        within = lagged
    return within, mean


def _rows(design: Design, estimated: Estimated, estimates: pd.DataFrame) -> list[dict[str, Any]]:
    raw = estimates[estimates["scale"] == "raw"].drop_duplicates("estimand").set_index("estimand")
    mean = {str(name): float(value) for name, value in raw["mean"].items()}
    sds = {str(name): float(value) for name, value in raw["sd"].items()}
    found: dict[str, tuple[float, float]] = {}
    factors = _factors(design)
    for name, (value, error) in estimated.coefficients.items():
        if name in factors:
            found[name] = (value * factors[name], abs(error * factors[name]))
    linear = design.family in ("gaussian", "student_t")
    sd_y = design.outcome.sd if linear else 1.0
    for sd, effect in zip(estimated.sds.get("client", ()), design.client_effects, strict=False):
        name = (
            f"{design.predictors[effect.predictor].name}.within.sd"
            if effect.predictor >= 0
            else f"sd.client.{effect.name}"
        )
        found[name] = (sd * sd_y / effect.scale, math.nan)
    if estimated.sds.get("therapist"):
        found["sd.therapist.intercept"] = (estimated.sds["therapist"][0] * sd_y, math.nan)
    if estimated.sds.get("residual"):
        found["sd.residual"] = (estimated.sds["residual"][0] * sd_y, math.nan)
    return [
        {
            "estimand": name,
            "bayes_mean": mean[name],
            "bayes_sd": sds[name],
            "other": value,
            "other_se": error,
        }
        for name, (value, error) in found.items()
        if name in mean
    ]


def _factors(design: Design) -> dict[str, float]:
    """Return what turns internal coefficients into raw ones, by estimand."""
    sd_y = design.outcome.sd if design.family in ("gaussian", "student_t") else 1.0
    factors = {column.name: sd_y / math.prod(f.scale for f in column.factors) for column in design.fixed}
    if design.surface is not None:
        unit = design.predictors[0].sd
        for term, order in zip(TERMS, ORDER, strict=True):
            factors |= {f"surface.{place}.{term}": sd_y / unit ** int(order) for place in LEVELS}
    for predictor in design.predictors:
        factors[f"{predictor.name}.within"] = factors[f"{predictor.name}.between_client"] = sd_y / predictor.sd
    for interaction in design.interactions:
        column = design.fixed[interaction.column]
        scale = design.predictors[interaction.predictor].sd * math.prod(f.scale for f in column.factors)
        factors[interaction.name.replace(":", ".within:", 1)] = sd_y / scale
    if design.products is not None:
        for name, pair in zip(design.products.names, design.products.pairs, strict=True):
            factors[_product(name)] = sd_y / math.prod(design.predictors[k].sd for k in pair)
    return factors


def _product(name: str) -> str:
    """Return the estimand of a product of deviations: ``alliance.within:safety.within``."""
    return name.replace(":", ".within:") + ".within"


def _notes(design: Design, dropped: int, estimated: Estimated) -> list[str]:
    """Say in words what differs, and why."""
    notes = []
    if design.latent:
        notes.append(
            "It centres predictors at observed client means; the model centres them at latent means, so its "
            "between-client effects are not attenuated by the small number of sessions per client (Lüdtke bias)."
        )
    if design.own_lag:
        notes.append("It leaves the outcome's own previous value out.")
    if design.family == "student_t":
        notes.append("It assumes normal residuals; the model allows for heavy tails.")
    if design.residual == "ar1":
        notes.append("It assumes independent residuals; the model lets neighbouring sessions correlate.")
    if dropped:
        notes.append(f"It uses complete rows only: {dropped} sessions with a missing value are left out.")
    return [*notes, *estimated.notes]
