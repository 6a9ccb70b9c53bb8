"""From raw ratings to internal ones: the scale of outcome and predictors."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..data.errors import InputError
from .design import Floats, Ints, Measure
from .families import laws
from .options import fault

if TYPE_CHECKING:
    from ..data.config import Family, ModelSection
    from ..data.study import Study

MOST_CATEGORIES = 20


def measure(study: Study, variable: str, family: Family, values: Floats) -> Measure:
    """Describe a z-scored variable from its raw values (NaN where missing), shape (rows,)."""
    known = values[~np.isnan(values)]
    return _measure(study, variable, family, known, float(known.mean()), float(known.std(ddof=1)))


def _measure(
    study: Study,
    variable: str,
    family: Family,
    known: Floats,
    mean: float,
    sd: float,
    categories: tuple[str, ...] = (),
) -> Measure:
    about = study.variables[variable]
    low, high = about.range or (float(known.min()), float(known.max()))
    return Measure(
        variable, about.label, about.unit, about.level, about.better, family, mean, sd, low, high, categories
    )


def rating(study: Study, options: ModelSection, variable: str) -> Floats:
    """Return a session-level rating, shape (sessions,); with ``rescale`` the second rater's on the first's range."""
    raw = study.sessions[variable].to_numpy(dtype=np.float64)
    if not options.rescale or variable == options.predictors[0]:
        return raw
    own, target = (study.variables[v].range for v in (variable, options.predictors[0]))
    if own is None or target is None:  # options.resolve has refused it
        return raw
    return np.asarray(target[0] + (raw - own[0]) * (target[1] - target[0]) / (own[1] - own[0]))


def predictor_scales(study: Study, name: str, options: ModelSection, rows: Ints) -> tuple[tuple[Measure, ...], Floats]:
    """Return the predictors' scales and internal values, shape (rows, K).

    Each is z-scored by its own mean and SD, except the two ratings of a congruence model, which keep one metric: they
    are centred at their pooled mean and divided by their pooled SD.

    Raises
    ------
    InputError
        If a predictor does not vary.
    """
    columns = [rating(study, options, predictor)[rows] for predictor in options.predictors]
    measures: list[Measure] = []
    for predictor, raw in zip(options.predictors, columns, strict=True):
        known = raw[~np.isnan(raw)]
        if len(known) < 2 or float(np.ptp(known)) == 0.0:
            rule = "The predictor does not vary among the rows of this model."
            raise InputError(fault(study, name, "predictors", rule, predictor, "Remove it from the model."))
        measures.append(measure(study, predictor, "gaussian", raw))
    if options.kind == "congruence":
        centre = sum(one.mean for one in measures) / len(measures)
        unit = math.sqrt(sum(one.sd**2 for one in measures) / len(measures))
        measures = [replace(one, mean=centre, sd=unit) for one in measures]
        if options.rescale:
            measures[1] = replace(measures[1], low=measures[0].low, high=measures[0].high, unit=measures[0].unit)
    internal = [(raw - one.mean) / one.sd for raw, one in zip(columns, measures, strict=True)]
    return tuple(measures), np.column_stack(internal) if internal else np.zeros((len(rows), 0))


def outcome_scale(study: Study, name: str, options: ModelSection, rows: Ints) -> tuple[Measure, Floats]:
    """Return the outcome's scale and internal values.

    Parameters
    ----------
    study, name, options
        The study and the model.
    rows
        Positions in ``study.sessions``.

    Returns
    -------
    Measure, ndarray
        The scale, and internal values of shape (rows,), NaN where missing.

    Raises
    ------
    InputError
        If the ratings do not suit the family or do not vary.
    """
    variable = options.outcome or ""
    return scale_of(study, name, variable, options.family or "gaussian", study.sessions[variable].iloc[rows])


def scale_of(study: Study, name: str, variable: str, family: Family, column: pd.Series) -> tuple[Measure, Floats]:
    """Return scale and internal values of a variable as outcome, whatever its level; see :func:`outcome_scale`."""
    categorical = isinstance(column.dtype, pd.CategoricalDtype)
    values: Floats = (column.cat.codes if categorical else column).to_numpy().astype(np.float64)
    if categorical:
        values = np.where(values < 0, np.nan, values)
    known = values[~np.isnan(values)]
    if len(np.unique(known)) < 2:
        rule = "The outcome does not vary among the rows of this model."
        found = f"{len(known)} ratings" + (f", all {known[0]:g}" if len(known) and not categorical else "")
        raise InputError(fault(study, name, "outcome", rule, found, "Check the column, or choose another outcome."))

    def refuse(rule: str, value: str, remedy: str) -> InputError:
        return InputError(fault(study, name, "family", rule, value, remedy))

    match laws()[family].scale:
        case "z":
            scale = measure(study, variable, family, values)
        case "code":
            levels = np.unique(known)
            labels = _labels(column, levels)
            if family == "bernoulli" and len(levels) != 2:
                raise refuse("A bernoulli outcome has two values.", f"{len(levels)} values", 'Use family = "ordinal".')
            if family == "ordinal" and len(levels) < 3:
                raise refuse("An ordinal outcome has at least three values.", "2 values", 'Use family = "bernoulli".')
            if family == "ordinal" and len(levels) > MOST_CATEGORIES:
                rule = f"An ordinal outcome has at most {MOST_CATEGORIES} values."
                raise refuse(rule, f"{len(levels)} values", 'Use family = "gaussian" or "beta".')
            scale = _measure(study, variable, family, known, 0.0, 1.0, labels)
            values = np.where(np.isnan(values), np.nan, np.searchsorted(levels, values).astype(np.float64))
        case "unit":
            bounds = study.variables[variable].range
            if bounds is None:
                raise refuse(
                    "A beta outcome needs the bounds of its scale.", "none", f"Add range to variables.{variable}."
                )
            scale = _measure(study, variable, family, known, bounds[0], bounds[1] - bounds[0])
        case _:
            if known.min() < 0 or not np.allclose(known, np.round(known)):
                raise refuse("A negative_binomial outcome counts: 0, 1, 2, …", f"{known.min():g} to {known.max():g}",
                             'Use family = "gaussian".')  # fmt: skip
            scale = _measure(study, variable, family, known, math.log(max(float(known.mean()), 1e-3)), 1.0)
    if laws()[family].scale in ("z", "unit"):
        values = (values - scale.mean) / scale.sd
    return scale, values


def _labels(column: pd.Series, levels: Floats) -> tuple[str, ...]:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return tuple(str(column.dtype.categories[int(level)]) for level in levels)
    return tuple(f"{level:g}" for level in levels)


def raw_outcome(outcome: Measure, internal: Floats) -> Floats:
    """Turn internal outcome values (any shape) into raw ones; ordinal codes into the numbers they label."""
    match laws()[outcome.family].scale:
        case "z" | "unit":
            return np.asarray(outcome.mean + outcome.sd * internal)
        case "code":
            return np.interp(internal, np.arange(len(outcome.categories)), category_values(outcome))
        case _:
            return internal


def category_values(outcome: Measure) -> Floats:
    """Return the numbers that the categories stand for; 0, 1, … where they are words."""
    try:
        return np.array([float(category) for category in outcome.categories])
    except ValueError:
        return np.arange(len(outcome.categories), dtype=np.float64)
