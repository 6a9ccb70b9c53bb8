"""Parts of a design with arrays of their own: pooled groups, missing covariates, the course on a grid, surfaces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..data.config import Level

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Groups:
    """A moderator with many categories, partially pooled.

    Parameters
    ----------
    name
        The variable.
    level
        Where it varies.
    categories
        Its categories.
    row
        Category of each row, shape (rows,).
    """

    name: str
    level: Level
    categories: tuple[str, ...]
    row: Ints


@dataclass(frozen=True)
class Holes:
    """Missing numeric covariates: ``F[row, column] = multiplier · value[unit]``, value ~ N(0, 1).

    Parameters
    ----------
    row, column, unit
        Positions, shape (holes,). One unit (client, therapist, session) fills several rows and columns.
    multiplier
        Product of the other factors of the column.
    names
        Name of the covariate of each unit, length (units,).
    """

    row: Ints
    column: Ints
    unit: Ints
    multiplier: Floats
    names: tuple[str, ...]


@dataclass(frozen=True)
class CourseGrid:
    """The course over time, evaluated on a grid from the first to the last observed time.

    Parameters
    ----------
    option
        ``linear``, ``spline(3)``, …
    times
        Raw times, shape (grid,).
    columns
        Time columns of F (internal scale), shape (grid, time columns).
    client_z, therapist_z
        Columns of the random effects (1, time, …; 0 for within slopes), shape (grid, effects).
    """

    option: str
    times: Floats
    columns: Floats
    client_z: Floats
    therapist_z: Floats


@dataclass(frozen=True)
class Surface:
    """Two raters' ratings as a quadratic surface (congruence); both predictors share one centre and one unit.

    Parameters
    ----------
    usual
        Where a client's usual rating is taken: for each column of F the value at which it is held (the mean of time
        and of session-level covariates), NaN where the client's own value counts, shape (fixed,).
    between
        Observed centring only: the clients' mean ratings, shape (rows, 2), else (rows, 0).
    """

    usual: Floats
    between: Floats
