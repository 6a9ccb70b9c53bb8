"""The codebook: every variable with its meaning, its distribution and its reliability."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from .disclosure import suppress
from .reliability import Reliability, mean_reliability, reliability
from .study import Study
from .variable import Variable

COLUMNS = (
    "name", "label", "level", "role", "rater", "low", "high", "unit", "better", "family", "categories",
    "items", "n", "units", "missing", "mean", "sd", "sd_between", "sd_within", "icc", "reliability_of_mean",
    "min", "max", "alpha_within", "omega_within", "alpha_between", "omega_between", "suppressed",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and variance components of a session-level variable.

    Parameters
    ----------
    mean, sd
        Over all observed values, in points.
    sd_between, sd_within
        Between clients (free of the sampling error of their means; therapists' part included), and within.
    icc
        Share of the variance that lies between clients.
    mean_sessions
        Observed sessions per client.
    """

    mean: float
    sd: float
    sd_between: float
    sd_within: float
    icc: float
    mean_sessions: float


def spread(values: pd.Series, client: pd.Series) -> Spread:
    """Split a variable's variance into between- and within-client parts by analysis of variance.

    ``s²_W = SS_W / (n − C)`` and ``s²_B = max(0, (MS_B − s²_W) / n₀)``, ``n₀ = (n − Σ n_c² / n) / (C − 1)``.

    Parameters
    ----------
    values
        Observed values, missing as NaN.
    client
        Client of each value.
    """
    known = values.notna() & client.notna()
    y = values[known].to_numpy(dtype=np.float64)
    codes, labels = pd.factorize(client[known].to_numpy())
    rows, groups = len(y), len(labels)
    nothing = float("nan")
    if rows < 2:
        return Spread(float(y.mean()) if rows else nothing, nothing, nothing, nothing, nothing, nothing)
    size = np.bincount(codes, minlength=groups)
    means = np.bincount(codes, weights=y, minlength=groups) / size
    within = between = icc = nothing
    if rows > groups:
        within = float(((y - means[codes]) ** 2).sum()) / (rows - groups)
    if groups > 1 and rows > groups:
        n0 = (rows - float((size**2).sum()) / rows) / (groups - 1)
        square = float((size * (means - y.mean()) ** 2).sum()) / (groups - 1)
        between = max(0.0, (square - within) / n0)
        icc = between / (between + within) if between + within > 0 else nothing
    return Spread(float(y.mean()), float(y.std(ddof=1)), between**0.5, within**0.5, icc, rows / groups)


def codebook(study: Study) -> pd.DataFrame:
    """Return one row per variable.

    Parameters
    ----------
    study
        The study.

    Returns
    -------
    pd.DataFrame
        ``n`` counts observed values (sessions, clients or therapists by level), ``units`` the clients or
        therapists they come from, ``missing`` is the share of values that are missing where they could be
        there. ``sd_between`` and ``sd_within`` split sessions' ratings by client; ``reliability_of_mean`` is that of
        a client's mean over the average number of rated sessions; α and ω are for scales given as items.
        Where fewer units than the disclosure threshold stand behind a row, its statistics are missing and
        ``suppressed`` is true; the extremes are shown only for declared ranges, or where enough units share them.
    """
    scales = scale_reliabilities(study)
    return pd.DataFrame(
        [_row(study, one, scales.get(one.name)) for one in study.variables.values()], columns=list(COLUMNS)
    ).astype({"items": "Int64"})


def scale_reliabilities(study: Study) -> Mapping[str, Reliability]:
    """Return the reliability of every scale whose items are in the data, by variable."""
    found: dict[str, Reliability] = {}
    for name, items in study.items.items():
        if study.variables[name].level == "session":
            owner = study.sessions["client"]
        else:
            owner = pd.Series(items.index, index=items.index)
        found[name] = reliability(items, owner)
    return found


def values_of(study: Study, one: Variable) -> tuple[pd.Series, pd.Series]:
    """Return a variable's values where they could be observed, and the unit that each belongs to."""
    if one.level == "session":
        where = applicable(study, one)
        return study.sessions.loc[where, one.name], study.sessions.loc[where, "client"]
    table = study.clients if one.level == "client" else study.therapists
    return table[one.name], pd.Series(table.index, index=table.index)


def applicable(study: Study, one: Variable) -> pd.Series:
    """Return the sessions in which a variable could be observed: a repair only where there was a rupture."""
    ruptures = study.by_role("rupture", level="session")
    if one.role != "repair" or not ruptures:
        return pd.Series(True, index=study.sessions.index)
    return study.sessions[ruptures[0].name].fillna(0.0).astype(float) > 0


def _row(study: Study, one: Variable, scale: Reliability | None) -> dict[str, object]:
    """Return a variable's row."""
    threshold = study.config.report.disclosure.threshold
    values, owner = values_of(study, one)
    known = values.notna()
    units = int(owner[known].nunique())
    low, high = one.range if one.range is not None else (None, None)
    row: dict[str, object] = {
        "name": one.name,
        "label": one.label,
        "level": one.level,
        "role": one.role,
        "rater": one.rater or "",
        "low": low,
        "high": high,
        "unit": one.unit,
        "better": one.better,
        "family": one.family,
        "categories": "",
        "items": None if scale is None else scale.items,
        "n": int(known.sum()),
        "units": units,
        "missing": float(1 - known.mean()) if len(known) else float("nan"),
        "suppressed": units < threshold,
    }
    if one.categories:
        return row | {"categories": _categories(one, values, owner, threshold)}
    if units < threshold:
        return row | {"categories": ""}
    return row | _statistics(one, values, owner, threshold, scale)


def _statistics(
    one: Variable, values: pd.Series, owner: pd.Series, threshold: int, scale: Reliability | None
) -> dict[str, object]:
    """Return the numbers of a variable that may be shown."""
    lowest, highest = _extremes(one, values, owner, threshold)
    found: dict[str, object] = {"min": lowest, "max": highest}
    if one.level == "session":
        parts = spread(values, owner)
        found |= {key: value for key, value in asdict(parts).items() if key in COLUMNS}
        if one.family != "bernoulli":
            found["reliability_of_mean"] = mean_reliability(
                parts.sd_between**2, parts.sd_within**2, parts.mean_sessions
            )
    else:
        numbers = values.astype(float)
        found |= {"mean": float(numbers.mean()), "sd": float(numbers.std()), "sd_between": float(numbers.std())}
    if scale is not None:
        keys = ["alpha_between", "omega_between"] + (["alpha_within", "omega_within"] if one.level == "session" else [])
        found |= {key: getattr(scale, key) for key in keys}
    return found


def _extremes(one: Variable, values: pd.Series, owner: pd.Series, threshold: int) -> tuple[float | None, float | None]:
    """Return the extremes, each only on a declared scale or where enough units share it."""
    numbers = values.astype(float)
    shown: list[float | None] = []
    for extreme in (float(numbers.min()), float(numbers.max())):
        shared = int(owner[numbers == extreme].nunique())
        shown.append(extreme if one.range is not None or shared >= threshold else None)
    return shown[0], shown[1]


def _categories(one: Variable, values: pd.Series, owner: pd.Series, threshold: int) -> str:
    """Return the categories with the number of units in each, small ones suppressed."""
    counts = [float(owner[values == name].nunique()) for name in one.categories]
    shown = suppress(counts, threshold)
    return "; ".join(
        f"{name} ({'suppressed' if np.isnan(count) else f'{count:.0f}'})"
        for name, count in zip(one.categories, shown, strict=True)
    )
