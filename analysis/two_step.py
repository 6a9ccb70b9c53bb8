"""The two-step way to a final outcome: a regression on clients' observed means and slopes, as if these were known."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..models.path_design import PathDesign
from ..models.path_effects import size

if TYPE_CHECKING:
    import pandas as pd

    from ..data.config import Family

Floats = NDArray[np.float64]
Rows = list[dict[str, Any]]


def two_step(design: PathDesign, estimates: pd.DataFrame) -> Mapping[str, Any] | None:
    """Set paths to final outcomes beside regressions on observed means and slopes, as if these were known.

    Parameters
    ----------
    design
        With or without outcomes.
    estimates
        Columns of ``estimates.csv``.

    Returns
    -------
    Mapping or None
        ``method``, ``note`` and ``rows`` with the joint estimate and the two-step one (raw units); ``None`` where no
        regression can be run (no outcome, too few clients, separation).
    """
    rows: Rows = []
    for o, outcome in enumerate(design.outcomes):
        arrows = [a for a in design.client_arrows if a.target == outcome.name]
        columns = [_plug_in(design, a.source, trend=a.trend) for a in arrows]
        table = np.column_stack([design.final[:, o], *columns])
        found = _regression(outcome.family, table[~np.isnan(table).any(axis=1)])
        if found is None:
            continue
        for arrow, slope, error in zip(arrows, *found, strict=True):
            node = f"{arrow.source}:time" if arrow.trend else arrow.source
            name, scale = f"path.client.{arrow.text}", size(design, node, outcome.name)
            own = estimates[(estimates["estimand"] == name) & (estimates["scale"] == "raw")].iloc[0]
            rows.append(
                {
                    "estimand": name,
                    **{f"joint_{key}": float(own[key]) for key in ("mean", "lower", "upper")},
                    "two_step": float(slope) * scale,
                    "two_step_se": float(error) * scale,
                }
            )
    if not rows:
        return None
    note = (
        "The second step takes each client's observed mean (or slope) for the true one, which draws paths towards zero "
        "where clients have few sessions and understates their uncertainty."
    )
    return {"method": "regression on observed means and slopes", "rows": rows, "note": note}


def _regression(family: Family, table: Floats) -> tuple[Floats, Floats] | None:
    """Return slopes and standard errors of the first column on the others; ``None`` where the data have none."""
    import statsmodels.api as sm
    from statsmodels.miscmodels.ordinal_model import OrderedModel
    from statsmodels.tools.sm_exceptions import ModelWarning

    y, x = table[:, 0], table[:, 1:]
    with_constant = sm.add_constant(x, has_constant="add") if len(x) else x
    width = x.shape[1]
    if len(x) <= width + 1 or len(np.unique(y)) < 2 or np.linalg.matrix_rank(with_constant) <= width:
        return None
    try:
        with warnings.catch_warnings():
            # Separation and failed searches come as warnings: there is no estimate to set beside.
            warnings.simplefilter("error", ModelWarning)
            warnings.simplefilter("error", RuntimeWarning)
            if family == "ordinal":
                fit = OrderedModel(y, x, distr="logit").fit(method="bfgs", disp=0)
                slopes, errors = fit.params[:width], fit.bse[:width]
            elif family == "bernoulli":
                fit = sm.Logit(y, with_constant).fit(disp=0)
                slopes, errors = fit.params[1:], fit.bse[1:]
            else:
                fit = sm.OLS(y, with_constant).fit()
                slopes, errors = fit.params[1:], fit.bse[1:]
    except (np.linalg.LinAlgError, ValueError, RuntimeError, Warning):
        return None
    return (slopes, errors) if np.isfinite(slopes).all() and np.isfinite(errors).all() else None


def _plug_in(design: PathDesign, source: str, *, trend: bool) -> Floats:
    """Return what the two-step way takes for known: an observed mean, an observed slope, or a value, per client."""
    covariate = design.covariate(source)
    if covariate is not None:
        return covariate.values if covariate.level == "client" else covariate.values[design.therapist_of]
    if source in design.outcome_names:
        return np.asarray(design.final[:, design.outcome_names.index(source)])
    values = design.values[:, design.names.index(source)]
    rated = ~np.isnan(values)
    client, t, y = design.client[rated], design.t[rated], values[rated]

    def mean(of: Floats) -> Floats:
        with np.errstate(invalid="ignore"):  # a client without a rating has no mean
            counts = np.bincount(client, minlength=design.clients)
            return np.asarray(np.bincount(client, of, minlength=design.clients) / counts)

    if not trend:
        return mean(y)
    first, last = np.full(design.clients, np.inf), np.full(design.clients, -np.inf)
    np.minimum.at(first, client, t)
    np.maximum.at(last, client, t)
    away = t - mean(t)[client]
    several = last > first
    slope = np.full(design.clients, np.nan)
    slope[several] = mean(away * (y - mean(y)[client]))[several] / mean(away**2)[several]
    return slope
