"""Time: the axis of a model, the course over it, and which session came before.

Axes
    ``session``: session number minus the smallest of the study; ``days`` and ``weeks`` since a
    client's first date; ``fraction``: share of the client's own treatment, from 0 to 1; ``column``:
    the user's own ``[columns] time`` as it stands.
Courses
    ``none``, ``linear``, ``quadratic``, ``log`` (log(1 + t)), ``piecewise(k)`` (two slopes that meet
    at t = k), ``spline(df)`` (a natural cubic spline) and ``sessions`` (an average of its own for every time).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .config import TIME_OPTIONS, AxisName
from .errors import Fault, InputError

if TYPE_CHECKING:
    import pandas as pd

    from .config import ModelSection
    from .study import Study

FloatArray = np.ndarray
MOST_TIMES = 60


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """Time of every session.

    Parameters
    ----------
    values
        Shape (n,), float64, one per row of ``study.sessions``; NaN where unknown.
    unit
        One unit of it, in words: ``session``, ``day``, ``week``, ``whole treatment``, ``unit of COLUMN``
        (``month`` where the column is named for such a unit).
    label
        For axes of figures.
    name
        Which axis it is.
    """

    values: FloatArray
    unit: str
    label: str
    name: AxisName


@dataclass(frozen=True, slots=True)
class Course:
    """The columns by which an expected course over time is modelled.

    Parameters
    ----------
    names
        One per column: ``time``, ``time^2``, ``log_time``, ``time_early``, ``time_late``, ``time_s1``, …
    columns
        Shape (n, k); every column is 0 at t = 0 (splines: at the first knot), so that the intercept
        is the level at the start.
    at
        Times (m,) to columns (m, k), for predictions at other times.
    knots
        Knots of a spline or the break of a piecewise course; empty otherwise.
    """

    names: tuple[str, ...]
    columns: FloatArray
    at: Callable[[FloatArray], FloatArray]
    knots: tuple[float, ...] = ()


def default_axis(study: Study) -> AxisName:
    """Return ``column`` where the study declares a time column, else ``session``."""
    return "column" if "time" in study.sessions.columns else "session"


def time_axis(study: Study, options: ModelSection | AxisName | None = None) -> TimeAxis:
    """Return the time of every session on the axis that a model asks for.

    Parameters
    ----------
    study
        The study.
    options
        A model's options (their ``time_axis`` counts), or the name of an axis; by default
        ``column`` where ``[columns] time`` is declared, else ``session``.

    Returns
    -------
    TimeAxis
        Times (n,) in the order of ``study.sessions``, with their unit.

    Raises
    ------
    InputError
        If the axis needs dates or a time column and the study has none.
    """
    asked = options if options is None or isinstance(options, str) else options.time_axis
    name: AxisName = asked if asked is not None else default_axis(study)
    sessions = study.sessions
    match name:
        case "column":
            if "time" not in sessions:
                raise _lacking(
                    study, name, "a time column", 'Add time = "…" to [columns], or choose another time_axis.'
                )
            column = study.config.columns.time or "time"
            return TimeAxis(sessions["time"].to_numpy(dtype=float), _unit_of(column), column, name)
        case "days" | "weeks":
            if "date" not in sessions:
                raise _lacking(study, name, "dates", 'Add date = "…" to [columns], or choose time_axis = "session".')
            days = _days_since_first(sessions)
            if name == "days":
                return TimeAxis(days, "day", "Days since the first session", name)
            return TimeAxis(days / 7, "week", "Weeks since the first session", name)
        case "fraction":
            return TimeAxis(_fraction(sessions), "whole treatment", "Share of treatment", name)
        case _:
            numbers = sessions["session"].to_numpy(dtype=float)
            start = numbers.min() if len(numbers) else 0.0
            return TimeAxis(numbers - start, "session", f"Sessions since session {start:g}", "session")


def _unit_of(column: str) -> str:
    """Return the unit of a time column: the column's name where that is one, as in ``month`` or ``Weeks``."""
    word = column.strip().lower().removesuffix("s")
    return word if word in ("day", "week", "month", "year") else f"unit of {column}"


def _lacking(study: Study, axis: str, what: str, remedy: str) -> InputError:
    """Return the error of an axis that the study cannot give."""
    rule = f'The time axis "{axis}" needs {what}, which the study does not have.'
    return InputError(Fault("error", study.path.name, None, "time_axis", rule, axis, remedy))


def _days_since_first(sessions: pd.DataFrame) -> FloatArray:
    """Return days since each client's first date; NaN where a date is missing."""
    first = sessions.groupby("client")["date"].transform("min")
    days: FloatArray = ((sessions["date"] - first).dt.total_seconds() / 86400).to_numpy(dtype=float)
    return days


def _fraction(sessions: pd.DataFrame) -> FloatArray:
    """Return the share of the client's treatment that has passed; 0 where there is one session.

    By session number; where the client has several blocks, whose numbers may restart, by order.
    """
    numbers = sessions["session"].astype(float)
    if sessions["block"].ne(sessions["block"].iloc[0]).any():
        numbers = sessions.groupby("client").cumcount().astype(float)
    groups = numbers.groupby(sessions["client"])
    first, last = groups.transform("min"), groups.transform("max")
    length = (last - first).to_numpy()
    passed = (numbers - first).to_numpy()
    share: FloatArray = np.zeros_like(passed)
    np.divide(passed, length, out=share, where=length > 0)
    return share


def course(times: FloatArray, option: str) -> Course:
    """Return the columns of a course over time.

    Parameters
    ----------
    times
        Shape (n,), in units of the axis; NaN allowed (NaN columns in those rows).
    option
        ``none``, ``linear``, ``quadratic``, ``log``, ``piecewise(k)``, ``spline(df)`` or ``sessions``.

    Returns
    -------
    Course
        Names and columns. ``piecewise(k)``: ``time_early`` = min(t, k), ``time_late`` =
        max(t − k, 0); the coefficients are the slopes before and after t = k. ``spline(df)``:
        cardinal natural cubic splines (Wood 2017, section 5.3.1) with df + 1 knots; the
        coefficient of ``time_s2`` is the difference between the third knot and the first. ``sessions``: one
        column per different time but the first, ``time_at_3`` for t = 3.

    Raises
    ------
    InputError
        If times are too few for the course, negative for ``log``, or the option is unknown.

    References
    ----------
    Wood, S. N. (2017). *Generalized additive models* (2nd ed.). CRC Press. Table 5.1.

    Examples
    --------
    >>> course(np.array([0.0, 3.0, 8.0]), "piecewise(4)").columns.tolist()
    [[0.0, 0.0], [3.0, 0.0], [4.0, 4.0]]
    """
    known = times[~np.isnan(times)]
    number = re.fullmatch(r"(piecewise|spline)\((\d+)\)", option)
    if number is not None and number[1] == "piecewise":
        break_at = float(number[2])
        if not (known < break_at).any() or not (known > break_at).any():
            raise _impossible(option, f"times run from {_span(known)}", "Choose a break inside the observed times.")
        return _course(
            ("time_early", "time_late"),
            times,
            lambda t: np.column_stack([np.minimum(t, break_at), np.maximum(t - break_at, 0)]),
            (break_at,),
        )
    if number is not None:
        knots = _knots(known, int(number[2]), option)
        names = tuple(f"time_s{position}" for position in range(1, len(knots)))
        return _course(names, times, lambda t: _natural_spline(t, knots), tuple(knots))
    match option:
        case "none":
            return _course((), times, lambda t: np.empty((len(t), 0)))
        case "linear":
            return _course(("time",), times, lambda t: t[:, None])
        case "quadratic":
            return _course(("time", "time^2"), times, lambda t: np.column_stack([t, t**2]))
        case "log":
            if (known < 0).any():
                raise _impossible(
                    option, f"times run from {_span(known)}", "Choose linear, or a time axis that starts at 0."
                )
            return _course(("log_time",), times, lambda t: np.log1p(t)[:, None])
        case "sessions":
            different = np.unique(known)
            if len(different) > MOST_TIMES:
                remedy = "Choose another course, or a time axis with fewer times."
                raise _impossible(option, f"{len(different)} different times, at most {MOST_TIMES}", remedy)
            names = tuple(f"time_at_{one:g}" for one in different[1:])
            return _course(names, times, _marks(different[1:]))
        case _:
            raise _impossible(option, option, f"Use {', '.join(TIME_OPTIONS)}.")


def _marks(different: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """Return the columns that mark each of some times; NaN where the time is unknown."""
    return lambda t: np.where(np.isnan(t)[:, None], np.nan, t[:, None] == different)


def _course(
    names: tuple[str, ...], times: FloatArray, at: Callable[[FloatArray], FloatArray], knots: tuple[float, ...] = ()
) -> Course:
    """Return a course with its columns at the observed times."""
    return Course(names, at(times), at, knots)


def _span(known: FloatArray) -> str:
    """Return the range of times in words."""
    return f"{known.min():g} to {known.max():g}" if len(known) else "nowhere: all are missing"


def _impossible(option: str, value: str, remedy: str) -> InputError:
    """Return the error of a course that the times cannot carry."""
    return InputError(
        Fault("error", "study.toml", None, "time", f"The course {option} does not fit the times.", value, remedy)
    )


def _knots(known: FloatArray, df: int, option: str) -> FloatArray:
    """Return df + 1 distinct knots: quantiles of the times, or of the distinct times where those tie."""
    shares = np.linspace(0, 1, df + 1)
    distinct = np.unique(known)
    if len(distinct) < df + 1:
        remedy = f"Use at most spline({len(distinct) - 1})." if len(distinct) > 2 else "Use linear or none."
        raise _impossible(option, f"{len(distinct)} different times", remedy)
    knots: FloatArray = np.quantile(known, shares)
    if len(np.unique(knots)) < df + 1:
        knots = np.quantile(distinct, shares)
    return knots


def _natural_spline(times: FloatArray, knots: FloatArray) -> FloatArray:
    """Return cardinal natural cubic splines without the first, linear beyond the outer knots.

    Column j is the natural spline through 1 at knot j + 1 and 0 at the others; shape (n, K − 1).
    """
    steps = np.diff(knots)
    inner = len(knots) - 2
    second = np.zeros((len(knots), len(knots)))  # values at knots → second derivatives there
    if inner > 0:
        band = np.diag((steps[:-1] + steps[1:]) / 3) + np.diag(steps[1:-1] / 6, 1) + np.diag(steps[1:-1] / 6, -1)
        differences = np.zeros((inner, len(knots)))
        rows = np.arange(inner)
        differences[rows, rows] = 1 / steps[:-1]
        differences[rows, rows + 1] = -1 / steps[:-1] - 1 / steps[1:]
        differences[rows, rows + 2] = 1 / steps[1:]
        second[1:-1] = np.linalg.solve(band, differences)
    inside = np.clip(times, knots[0], knots[-1])
    piece = np.clip(np.searchsorted(knots, np.nan_to_num(inside), side="right") - 1, 0, len(steps) - 1)
    left, right, step = knots[piece], knots[piece + 1], steps[piece]
    to_right, from_left = right - inside, inside - left
    values = np.eye(len(knots))
    basis = (
        (to_right / step)[:, None] * values[piece]
        + (from_left / step)[:, None] * values[piece + 1]
        + ((to_right**3 / step - step * to_right) / 6)[:, None] * second[piece]
        + ((from_left**3 / step - step * from_left) / 6)[:, None] * second[piece + 1]
    )
    slope_start = (values[1] - values[0]) / steps[0] - steps[0] / 6 * second[1]
    slope_end = (values[-1] - values[-2]) / steps[-1] + steps[-1] / 6 * second[-2]
    basis += (
        np.minimum(times - knots[0], 0)[:, None] * slope_start + np.maximum(times - knots[-1], 0)[:, None] * slope_end
    )
    return np.asarray(basis[:, 1:])


def usual_step(study: Study) -> int:
    """Return the commonest difference between neighbouring session numbers of a client (usually 1)."""
    same, step = _neighbours(study)
    steps = step[same & (step > 0)]
    if len(steps) == 0:
        return 1
    found, counts = np.unique(steps, return_counts=True)
    return int(found[np.argmax(counts)])


def _neighbours(study: Study) -> tuple[np.ndarray, np.ndarray]:
    """Return whether each row's predecessor is of the same client and block, and the step in numbers."""
    sessions = study.sessions
    same = np.zeros(len(sessions), dtype=bool)
    step = np.zeros(len(sessions), dtype=np.int64)
    if len(sessions) > 1:
        client = sessions["client"].factorize()[0]
        block, number = sessions["block"].to_numpy(), sessions["session"].to_numpy()
        same[1:] = (client[1:] == client[:-1]) & (block[1:] == block[:-1])
        step[1:] = np.diff(number)
    return same, step


def previous_row(
    study: Study, max_gap: float | None = None, cross_therapist: bool = True, times: FloatArray | None = None
) -> np.ndarray:
    """Return the row of the same client's previous session, or −1 where there is none.

    Parameters
    ----------
    study
        The study.
    max_gap
        The longest gap that a lag may cross, in units of ``times``. By default a lag never crosses
        a missing session: the step in session numbers must be the usual one (nearly always 1).
    cross_therapist
        Whether a lag may cross a change of therapist; an unknown therapist counts as a change.
    times
        Shape (n,): times in which ``max_gap`` is measured, session numbers by default. A lag whose
        gap is unknown (missing time) is not crossed when ``max_gap`` is given.

    Returns
    -------
    numpy.ndarray
        Shape (n,), int64: positions in ``study.sessions``, never of another client or block.

    Examples
    --------
    >>> previous_row(study).tolist()  # doctest: +SKIP
    [-1, 0, 1, -1, 3]
    """
    same, step = _neighbours(study)
    allowed = same.copy()
    if max_gap is None:
        allowed &= step <= usual_step(study)
    else:
        clock = study.sessions["session"].to_numpy(dtype=float) if times is None else np.asarray(times, dtype=float)
        gap = np.full(len(same), np.nan)
        gap[1:] = np.diff(clock)
        allowed &= np.nan_to_num(gap, nan=np.inf) <= max_gap
    if not cross_therapist and study.has_therapists:
        therapist = study.sessions["therapist"].factorize()[0]
        allowed[1:] &= (therapist[1:] == therapist[:-1]) & (therapist[1:] >= 0)
    return np.where(allowed, np.arange(len(same)) - 1, -1)
