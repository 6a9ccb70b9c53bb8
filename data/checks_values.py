"""Checks of what was rated: ranges, codes for missing, families, reversed items."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .cells import MISSING_CODES
from .config import StudyConfig
from .faults import Faults, counted
from .raw_table import RawTable
from .resolve import Resolved

FAR = 2.0  # a code without a declared range is suspicious from this many ranges of the other values away
FEWEST_FOR_ITEM_TOTAL = 10  # complete rows below which an item-total correlation says nothing


def check_values(one: Resolved, table: RawTable, config: StudyConfig, found: Faults) -> None:
    """Record impossible values of a variable.

    Parameters
    ----------
    one
        The variable, in the table where it was found.
    table
        That table.
    config
        The study file; its declared missing codes enter the remedies.
    found
        Receives the faults.
    """
    if one.categories:
        return
    if one.answers is None:
        _column(one, one.columns[0], one.values, one.range, table, config, found)
        _family(one, table, found)
        return
    for column in one.answers.columns:
        if one.answers[column].isna().all():
            rule = f"An item of the scale {one.name} has no answer at all."
            remedy = f"Enter the answers, or take it out of `items` in [variables.{one.name}]."
            found.add("error", table.file, str(column), rule, None, remedy)
        _column(one, str(column), one.answers[column], one.item_range, table, config, found)
    _item_totals(one, table, found)


def _column(
    one: Resolved,
    column: str,
    values: pd.Series,
    limits: tuple[float, float] | None,
    table: RawTable,
    config: StudyConfig,
    found: Faults,
) -> None:
    """Record codes for missing that were not declared, and values outside the range."""
    cells = table.frame[column]
    numbers = values.to_numpy(dtype=float)
    codes = _undeclared_codes(numbers, limits)
    coded = np.isin(numbers, codes)
    if codes:
        named = ", ".join(f"{code:g}" for code in codes)
        where = (
            f"outside its range, {limits[0]:g} to {limits[1]:g}" if limits is not None else "far from all other values"
        )
        rule = f"A value {where} occurs repeatedly; it looks like a code for missing."
        declared = [f'"{entry}"' if isinstance(entry, str) else f"{entry:g}" for entry in config.data.missing]
        remedy = f"If it means missing, declare missing = [{', '.join([*declared, named])}] in [data]; "
        remedy += f"if it is real, declare a range that holds it in [variables.{one.name}]."
        value = ", ".join(f"{code:g} ({counted(int((numbers == code).sum()), 'time')})" for code in codes)
        found.add("error", table.file, column, rule, value, remedy, row=int(table.rows[coded][0]))
    if limits is None:
        return
    outside = ((numbers < limits[0]) | (numbers > limits[1])) & ~coded
    if outside.any():
        rule = f"A value lies outside its range, {limits[0]:g} to {limits[1]:g}."
        remedy = f"Correct the value, empty the cell, or correct `range` in [variables.{one.name}]."
        shown = [str(cell).strip() for cell in cells[outside]]
        found.add_rows("error", table.file, column, rule, table.rows[outside].tolist(), shown, remedy)


def _undeclared_codes(numbers: np.ndarray, limits: tuple[float, float] | None) -> list[float]:
    """Return values that look like codes for missing: usual codes, out of place, and more than once."""
    known = numbers[~np.isnan(numbers)]
    found, counts = np.unique(known, return_counts=True)
    candidates = found[np.isin(found, MISSING_CODES) & (counts > 1)]
    if len(candidates) == 0:
        return []
    if limits is not None:
        return [float(code) for code in candidates if not limits[0] <= code <= limits[1]]
    others = found[~np.isin(found, candidates)]
    if len(others) < 3:
        return []
    low, high = others.min(), others.max()
    far = FAR * (high - low)
    return [
        float(code)
        for code in candidates
        if code > high + far or code < low - far or (code < 0 <= low)  # nothing else is negative
    ]


def _family(one: Resolved, table: RawTable, found: Faults) -> None:
    """Record values that the declared family cannot produce."""
    numbers = one.values.to_numpy(dtype=float)
    known = ~np.isnan(numbers)
    column = one.columns[0]
    match one.family:
        case "bernoulli":
            wrong = known & ~np.isin(numbers, (0.0, 1.0))
            rule = "The family bernoulli has the values 0 and 1."
            remedy = (
                f'Code it 0 and 1, or declare categories = ["no", "yes"], the first as 0, in [variables.{one.name}].'
            )
        case "ordinal":
            wrong = known & (numbers != np.round(numbers))
            rule = "The family ordinal has whole numbers."
            remedy = "Correct the values, or choose family gaussian."
        case "negative_binomial":
            wrong = known & ((numbers != np.round(numbers)) | (numbers < 0))
            rule = "The family negative_binomial has counts: whole numbers from 0."
            remedy = "Correct the values, or choose another family."
        case "beta":
            low, high = one.range or (0.0, 1.0)
            wrong = known & ((numbers < low) | (numbers > high)) & (one.range is None)
            rule = f"The family beta lies between {low:g} and {high:g}."
            remedy = f"Declare its range in [variables.{one.name}], for instance range = [0, 100]."
        case _:
            return
    if wrong.any():
        shown = [str(cell).strip() for cell in table.frame[column][wrong]]
        found.add_rows("error", table.file, column, rule, table.rows[wrong].tolist(), shown, remedy)


def item_totals(items: np.ndarray) -> np.ndarray:
    """Return corrected item-total correlations: each item with the sum of the others.

    Parameters
    ----------
    items
        Shape (n, k); rows with missing items are left out.

    Returns
    -------
    numpy.ndarray
        Shape (k,); NaN where an item or the rest is constant, or complete rows are too few.

    Examples
    --------
    >>> trait = np.arange(12.0)
    >>> item_totals(np.column_stack([trait, trait, trait, 11 - trait])).round(2).tolist()
    [1.0, 1.0, 1.0, -1.0]
    """
    complete = items[~np.isnan(items).any(axis=1)]
    if len(complete) < FEWEST_FOR_ITEM_TOTAL or items.shape[1] < 2:
        return np.full(items.shape[1], np.nan)
    centred = complete - complete.mean(axis=0)
    rest = centred.sum(axis=1, keepdims=True) - centred
    scale = np.sqrt((centred**2).sum(axis=0) * (rest**2).sum(axis=0))
    totals = np.full(items.shape[1], np.nan)
    np.divide((centred * rest).sum(axis=0), scale, out=totals, where=scale > 0)
    return totals


def items_against_the_rest(items: np.ndarray) -> dict[int, float]:
    """Return the items that run against their scale, with their item-total correlations.

    One reversed item also pulls the correlations of the sound ones down. Therefore the worst item
    is turned round first and the others are judged again, until none is negative.

    Parameters
    ----------
    items
        Shape (n, k).

    Examples
    --------
    >>> trait = np.arange(12.0)
    >>> list(items_against_the_rest(np.column_stack([trait, trait % 5 + trait, 11 - trait])))
    [2]
    """
    judged = items.copy()
    found: dict[int, float] = {}
    for _ in range(items.shape[1] // 2):  # more than half cannot be the exception
        totals = item_totals(judged)
        if np.isnan(totals).all() or not np.nanmin(totals) < 0:
            break
        worst = int(np.nanargmin(totals))
        if worst in found:
            break
        found[worst] = float(totals[worst])
        judged[:, worst] *= -1
    return found


def _item_totals(one: Resolved, table: RawTable, found: Faults) -> None:
    """Warn of items that run against the rest of their scale."""
    if one.items is None or one.items.shape[1] < 3:  # of two items that disagree, neither is the reversed one
        return
    for position, total in items_against_the_rest(one.items.to_numpy(dtype=float)).items():
        column = one.items.columns[position]
        turned = str(column) in one.section.reverse
        rule = f"In the scale {one.name} this item runs against the others: negative item-total correlation."
        where = f"[variables.{one.name}]"
        remedy = (
            f"The study file reverses it; take it out of `reverse` in {where} if the data hold it reversed already."
            if turned
            else f'If it is worded the other way round, add reverse = ["{column}"] to {where}.'
        )
        found.add("warning", table.file, str(column), rule, f"r = {total:.2f}", remedy)
