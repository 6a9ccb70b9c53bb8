"""What the posterior says about each estimand: one row per estimand and scale.

Columns are a public contract (``docs/study-file.md``). Intervals are equal-tailed credible
intervals; ``mcse`` is the Monte Carlo standard error of the mean; ``pd`` is the probability of
direction, max(P(θ > 0), P(θ < 0)), empty for quantities that are positive by construction; ``p_rope``
is P(|θ| < ROPE), for standardised quantities that have a direction.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .diagnostics import quality

if TYPE_CHECKING:
    import xarray as xr

    from ..models.model import Estimand
    from .fit import Fit

Floats = NDArray[np.float64]

COLUMNS = (
    "model",
    "kind",
    "estimand",
    "level",
    "target",
    "unit",
    "scale",
    "mean",
    "sd",
    "median",
    "lower",
    "upper",
    "mcse",
    "pd",
    "p_rope",
    "ess_bulk",
    "ess_tail",
    "rhat",
)

# Names of quantities that some draws do not have (a flat surface has no axis): summarised over the draws that do.
_PARTIAL_SUFFIXES = (".axis_slope", ".axis_intercept")
# Names of quantities that cannot be negative, so that a direction has no meaning.
_POSITIVE_PREFIXES = ("sd.", "share.", "reliability.", "dispersion", "precision", "nu", "icc.")


@dataclass(frozen=True, slots=True)
class Label:
    """What identifies a row of the estimates."""

    estimand: str
    level: str
    target: str
    unit: str
    scale: str


def has_direction(estimand: str) -> bool:
    """Whether a quantity can be negative.

    Examples
    --------
    >>> has_direction("safety.within"), has_direction("safety.within.sd"), has_direction("share.client")
    (True, False, False)
    """
    bounded = estimand.endswith((".sd", ".axis_defined", *_PARTIAL_SUFFIXES)) or ".sd." in estimand
    return not (estimand.startswith(_POSITIVE_PREFIXES) or bounded)


def may_be_undefined(estimand: str) -> bool:
    """Whether a quantity may have no value in a draw, told by NaN; another quantity beside it says in how many.

    Examples
    --------
    >>> may_be_undefined("surface.within.axis_slope"), may_be_undefined("surface.within.a4")
    (True, False)
    """
    return estimand.endswith(_PARTIAL_SUFFIXES)


def estimand_draws(estimands: Sequence[Estimand], posterior: xr.Dataset) -> xr.Dataset:
    """Evaluate every estimand on the posterior.

    Parameters
    ----------
    estimands
        What is asked.
    posterior
        Dims ``chain``, ``draw`` and those of the parameters.

    Returns
    -------
    Dataset
        ``value`` (chain, draw, quantity), and the labels ``estimand``, ``level``, ``target``,
        ``unit``, ``scale`` along ``quantity``.
    """
    import xarray as xr

    shape = (posterior.sizes["chain"], posterior.sizes["draw"])
    draws = np.empty((*shape, len(estimands)))
    for index, estimand in enumerate(estimands):
        draws[:, :, index] = np.broadcast_to(estimand.draws(posterior).transpose("chain", "draw").values, shape)
    labels = {
        name: ("quantity", np.array([str(getattr(e, attribute)) for e in estimands], dtype=object))
        for name, attribute in (
            ("estimand", "name"),
            ("level", "level"),
            ("target", "target"),
            ("unit", "unit"),
            ("scale", "scale"),
        )
    }
    coords = {"chain": posterior["chain"].values, "draw": posterior["draw"].values, **labels}
    return xr.Dataset({"value": (("chain", "draw", "quantity"), draws)}, coords=coords)


def estimates(fit: Fit) -> pd.DataFrame:
    """Return the estimates of a fit, with the columns of ``estimates.csv``."""
    return estimates_frame(
        fit.posterior["estimands"].to_dataset(), fit.name, fit.model.kind, interval=fit.interval, rope=fit.rope,
        worth=worth(fit.posterior),
    )  # fmt: skip


def worth(tree: xr.DataTree) -> float:
    """Return the effective sample size of the importance weights behind a posterior; NaN where it has none."""
    if "sample_stats" not in tree.children:
        return math.nan
    return float(tree["sample_stats"].attrs.get("ess_importance", math.nan))


def estimates_frame(
    quantities: xr.Dataset, model: str, kind: str, *, interval: float, rope: Mapping[str, float],
    worth: float = math.nan,
) -> pd.DataFrame:  # fmt: skip
    """Summarise draws of estimands.

    Parameters
    ----------
    quantities
        As returned by :func:`estimand_draws`.
    model, kind
        Name in the study file, and kind in the catalogue.
    interval
        Probability of the credible intervals.
    rope
        Half-widths of the region of practical equivalence, in standardised units, by estimand; ``default`` for
        the rest.
    worth
        Effective sample size of the importance weights behind the draws. It caps the effective sample sizes, and
        its error adds to that of resampling: the variances MCSE² and SD² / worth. NaN: the draws were not weighted.

    Returns
    -------
    DataFrame
        One row per estimand and scale, columns :data:`COLUMNS`.
    """
    draws = quantities["value"].transpose("chain", "draw", "quantity").values
    labels = [
        Label(*(str(quantities[name].values[i]) for name in ("estimand", "level", "target", "unit", "scale")))
        for i in range(draws.shape[2])
    ]
    found = _quality(draws, labels)
    flat = draws.reshape(-1, draws.shape[2])
    tail = (1 - interval) / 2
    rows: list[dict[str, Any]] = []
    for index, label in enumerate(labels):
        values = flat[:, index]
        if may_be_undefined(label.estimand) and np.isnan(values).sum() < values.size - 1:
            values = values[~np.isnan(values)]
        lower, median, upper = (float(q) for q in np.quantile(values, [tail, 0.5, 1 - tail]))
        rows.append(
            {
                "model": model,
                "kind": kind,
                "estimand": label.estimand,
                "level": label.level,
                "target": label.target,
                "unit": label.unit,
                "scale": label.scale,
                "mean": float(values.mean()),
                "sd": float(values.std(ddof=1)),
                "median": median,
                "lower": lower,
                "upper": upper,
                "mcse": monte_carlo_error(float(found["mcse"][index]), float(values.std(ddof=1)), worth),
                "pd": direction(values) if has_direction(label.estimand) else math.nan,
                "p_rope": _rope_share(values, label, rope),
                "ess_bulk": capped(float(found["ess_bulk"][index]), worth),
                "ess_tail": capped(float(found["ess_tail"][index]), worth),
                "rhat": float(found["rhat"][index]),
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _quality(draws: Floats, labels: Sequence[Label]) -> dict[str, Floats]:
    """Return the quality of each quantity; NaN where some draws have no value and may have none."""
    partial = [
        i for i, label in enumerate(labels) if may_be_undefined(label.estimand) and np.isnan(draws[:, :, i]).any()
    ]
    if partial:
        draws = draws.copy()
        draws[:, :, partial] = 0.0  # constant: quality has nothing to say about it
    return quality(draws)


def direction(values: Floats) -> float:
    """Probability of direction: max(P(θ > 0), P(θ < 0)).

    References
    ----------
    Makowski, Ben-Shachar and Lüdecke (2019), Journal of Open Source Software 4(40), 1541.
    """
    return float(max(np.mean(values > 0), np.mean(values < 0)))


def monte_carlo_error(mcse: float, sd: float, worth: float) -> float:
    """Add the error of the weighted proposals to that of the draws resampled from them."""
    return math.hypot(mcse, sd / math.sqrt(worth)) if worth > 0 else mcse


def capped(ess: float, worth: float) -> float:
    """Cap an effective sample size by that of the weights; what is unknown (NaN) stays so."""
    return worth if worth < ess else ess


def _rope_share(values: Floats, label: Label, rope: Mapping[str, float]) -> float:
    """P(|θ| < half-width); only standardised quantities, and positive ones only where the user names them."""
    if label.scale != "standardised" or not (has_direction(label.estimand) or label.estimand in rope):
        return math.nan
    width = rope.get(label.estimand, rope.get("default", math.nan))
    return math.nan if math.isnan(width) else float(np.mean(np.abs(values) < width))


def to_json(frame: pd.DataFrame) -> bytes:
    """Return a table as JSON records; missing and infinite values become ``null``."""
    return dump_json(frame.to_dict(orient="records"))


def dump_json(value: object) -> bytes:
    """Return strict JSON in a fixed form: UTF-8, two blanks, shortest decimals that read back exactly."""
    return (json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def plain(value: object) -> Any:
    """Turn NumPy values into Python's, and NaN and infinity into ``None``."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value.tolist()]
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    raise TypeError(f"Cannot write a {type(value).__name__} as JSON.")
