"""Data that cannot carry a model: said before sampling, not found out by it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..data.errors import Fault, InputError
from .options import fault

if TYPE_CHECKING:
    from ..data.study import Study
    from .design import Design, Floats

TOLERANCE = 1e-8
"""Share of a column's length that must remain after projection on the others."""


def refuse_degenerate(study: Study, design: Design) -> None:
    """Refuse designs whose likelihood has no maximum or says nothing.

    Raises
    ------
    InputError
        One client; one session for each client; columns that are exact combinations of others (a
        residual SD of zero would have unbounded density); products that are the same in all sessions of a client.
    """
    faults: list[Fault] = []
    if design.clients < 2:
        rule = "Differences between clients need at least two clients."
        faults.append(fault(study, design.name, "outcome", rule, f"{design.clients} client", "Add clients."))
    elif int(np.bincount(design.client).max()) < 2:
        rule = "Telling clients from sessions needs clients with two or more sessions."
        remedy = "Add sessions, or analyse the single ratings elsewhere."
        faults.append(fault(study, design.name, "outcome", rule, "one session per client", remedy))
    if not faults:
        faults.extend([*_collinear(study, design), *_constant(study, design)])
    if faults:
        raise InputError(*faults)


def _constant(study: Study, design: Design) -> list[Fault]:
    """Find products of two ratings that do not vary within any client."""
    if design.products is None:
        return []
    rule = "The product of the two deviations is the same in all sessions of a client."
    remedy = "It takes clients with three or more sessions in which both ratings vary; remove the interaction."
    return [
        fault(study, design.name, "interactions", rule, name, remedy)
        for name, column in zip(design.products.names, design.products.columns.T, strict=True)
        if float(np.abs(column).max()) < TOLERANCE
    ]


def _collinear(study: Study, design: Design) -> list[Fault]:
    """Find exact linear dependence among fixed columns, predictors and a continuous outcome."""
    names = [column.name for column in design.fixed]
    matrix = design.F
    if len(design.holes.row):
        matrix = matrix.copy()
        matrix[design.holes.row, design.holes.column] = np.nan
    keys = ["covariates"] * len(names)
    keys = ["by" if c.factors[0].variable in design.options.by else k for c, k in zip(design.fixed, keys, strict=True)]
    if design.latent:
        names += [p.name for p in design.predictors]
        keys += ["predictors"] * len(design.predictors)
        matrix = np.column_stack([matrix, design.x])
    if design.outcome.family in ("gaussian", "student_t") and design.options.lag == 0:
        names.append(design.outcome.name)
        keys.append("outcome")
        matrix = np.column_stack([matrix, design.y])
    key_of = dict(zip(names, keys, strict=True))
    return [
        fault(
            study,
            design.name,
            key_of[name],
            f"An exact combination of other variables of the model ({', '.join(others) or 'the intercept'}).",
            name,
            f"Remove {name} or what it is made of.",
        )
        for name, others in exact_combinations(names, matrix)
    ]


def exact_combinations(names: Sequence[str], matrix: Floats, given: int = 0) -> list[tuple[str, list[str]]]:
    """Find columns that are exact linear combinations of a constant and the columns before them.

    Parameters
    ----------
    names
        Names of the columns after the first ``given``.
    matrix
        Columns, NaN where missing; complete rows are used.
    given
        Leading columns that are not to be named.

    Returns
    -------
    list
        (name, names of the columns before it).
    """
    complete = matrix[~np.isnan(matrix).any(axis=1)]
    if len(complete) <= matrix.shape[1] + 1:
        return []
    basis = np.full((len(complete), 1), len(complete) ** -0.5)
    found: list[tuple[str, list[str]]] = []
    for j in range(matrix.shape[1]):
        column: Floats = complete[:, j]
        rest = column - basis @ (basis.T @ column)
        rest -= basis @ (basis.T @ rest)
        length = float(np.linalg.norm(rest))
        if length > TOLERANCE * max(float(np.linalg.norm(column)), 1e-12):
            basis = np.column_stack([basis, rest / length])
        elif j >= given:
            found.append((names[j - given], list(names[: j - given])))
    return found
