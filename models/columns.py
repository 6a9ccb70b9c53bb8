"""Columns of the fixed part: covariates, groups, moderators and their products with time.

Numbers are z-scored over the units of their own level (each client counts once for a client's
attachment), categories become dummies against the first category. Missing numbers leave *holes*, which
the model fills with a standard normal per unit; rows with a missing category are left out and counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .design import Column, Factor, Floats, Ints, Part
from .design_parts import Holes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..data.config import Level
    from ..data.study import Study


@dataclass(frozen=True)
class Base:
    """One column before products: a number or a dummy, with its units.

    Parameters
    ----------
    factor, level
        What it is and where it varies.
    internal
        Internal values, NaN where a number is missing, shape (rows,).
    unit
        Unit (session, client or therapist) of each row, shape (rows,).
    role
        Role of the variable in the study.
    """

    factor: Factor
    level: Level
    internal: Floats
    unit: Ints
    role: str


def raw_values(study: Study, variable: str, rows: Ints) -> pd.Series:
    """Return a variable's raw values for rows of ``study.sessions``, whatever its level."""
    sessions = study.sessions.iloc[rows]
    level = study.variables[variable].level
    if level == "session":
        return sessions[variable].reset_index(drop=True)
    table, key = (study.clients, "client") if level == "client" else (study.therapists, "therapist")
    return table[variable].reindex(sessions[key].to_numpy()).reset_index(drop=True)


def bases(study: Study, variable: str, rows: Ints, units: dict[Level, Ints]) -> tuple[Base, ...]:
    """Return the base columns of a variable: one for a number, one per further category.

    Parameters
    ----------
    study, variable
        The variable and where it lives.
    rows
        Positions in ``study.sessions``.
    units
        Unit of each of these rows, by level.

    Returns
    -------
    tuple of Base
        Empty where the variable has one single value among these rows.
    """
    level = study.variables[variable].level
    values = raw_values(study, variable, rows)
    unit, role = units[level], study.variables[variable].role
    if isinstance(values.dtype, pd.CategoricalDtype):
        observed = [str(c) for c in values.dtype.categories if bool((values == c).any())]
        text = values.astype(str)
        return tuple(
            Base(
                Factor(f"{variable}[{category}]", variable, category, 0.0, 1.0),
                level,
                (text == category).to_numpy().astype(np.float64),
                unit,
                role,
            )
            for category in observed[1:]
        )
    numbers = values.to_numpy(dtype=np.float64)
    first = np.unique(unit, return_index=True)[1]
    once = numbers[first]
    once = once[~np.isnan(once)]
    if len(once) < 2 or float(np.ptp(once)) == 0.0:
        return ()
    centre, scale = float(once.mean()), float(once.std(ddof=1))
    factor = Factor(variable, variable, None, centre, scale)
    return (Base(factor, level, (numbers - centre) / scale, unit, role),)


@dataclass(frozen=True)
class FixedPart:
    """F with its columns and holes."""

    columns: tuple[Column, ...]
    F: Floats
    holes: Holes


def fixed_part(time: Sequence[tuple[Factor, Floats]], main: Sequence[Base], by_time: Sequence[str]) -> FixedPart:
    """Put the fixed part together: time, main columns, products of main columns with time.

    Parameters
    ----------
    time
        Factors and internal values (rows,) of the time columns.
    main
        Base columns of covariates, groups and moderators.
    by_time
        Variables whose columns are also multiplied by every time column.
    """
    columns: list[Column] = []
    values: list[Floats] = []
    sources: list[tuple[Base, Floats | None] | None] = []
    for factor, column in time:
        columns.append(Column(factor.name, "session", "time", (factor,)))
        values.append(column)
        sources.append(None)

    def add(base: Base, part: Part, name: str, factors: tuple[Factor, ...], other: Floats | None) -> None:
        columns.append(Column(name, base.level, part, factors, base.role))
        values.append(base.internal if other is None else base.internal * other)
        sources.append((base, other))

    for base in main:
        add(base, "main", base.factor.name, (base.factor,), None)
    for base in main:
        if base.factor.variable in by_time:
            for factor, column in time:
                add(base, "interaction", f"{base.factor.name}:{factor.name}", (base.factor, factor), column)
    rows = len(values[0]) if values else 0
    matrix = np.column_stack(values) if values else np.zeros((rows, 0))
    return FixedPart(tuple(columns), np.nan_to_num(matrix), _holes(sources))


def _holes(sources: Sequence[tuple[Base, Floats | None] | None]) -> Holes:
    """Find the missing numbers: one unknown per variable and unit, however many cells it fills."""
    known: dict[tuple[str, int], int] = {}
    names: list[str] = []
    cells: list[tuple[int, int, int, float]] = []
    for column, source in enumerate(sources):
        if source is None:
            continue
        base, other = source
        for row in np.flatnonzero(np.isnan(base.internal)):
            key = (base.factor.variable, int(base.unit[row]))
            if key not in known:
                known[key] = len(names)
                names.append(base.factor.variable)
            cells.append((int(row), column, known[key], 1.0 if other is None else float(other[row])))
    table = np.array(cells, dtype=np.float64).reshape(-1, 4)
    at = table.astype(np.int64)
    return Holes(at[:, 0], at[:, 1], at[:, 2], table[:, 3], tuple(names))
