"""Time axes, courses and lags."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safezone.data.config import AxisName, ColumnsSection, DataSection, ModelSection, StudyConfig, VariableSection
from safezone.data.errors import InputError
from safezone.data.study import Study, read_study
from safezone.data.time import course, default_axis, previous_row, time_axis, usual_step


def study_of(rows: Sequence[Mapping[str, object]]) -> Study:
    """Return a study with these session rows, sorted as a study is."""
    frame = pd.DataFrame(rows)
    for name, default in (("block", 0), ("session", 1)):
        if name not in frame:
            frame[name] = default
    frame["client"] = frame["client"].astype("str")
    frame = frame.sort_values(["client", "block", "session"], kind="stable").reset_index(drop=True)
    config = StudyConfig(
        data=DataSection(sessions="s.csv"),
        columns=ColumnsSection(client="id", session="n", time="age"),
        variables={"x": VariableSection(column="x", role="safety")},
    )
    clients = pd.DataFrame(index=pd.Index(sorted(set(frame["client"])), name="client"))
    return Study(config, Path("study.toml"), frame, clients, pd.DataFrame(), {}, (), "")


TWO = study_of(
    [
        {"client": "a", "session": 2, "date": pd.Timestamp("2024-01-01"), "time": 14.0, "therapist": "x"},
        {"client": "a", "session": 3, "date": pd.Timestamp("2024-01-15"), "time": 15.0, "therapist": "x"},
        {"client": "a", "session": 6, "date": pd.NaT, "time": 16.0, "therapist": "y"},
        {"client": "b", "session": 4, "date": pd.Timestamp("2024-03-01"), "time": 13.5, "therapist": None},
        {"client": "b", "session": 5, "date": pd.Timestamp("2024-03-04"), "time": 14.5, "therapist": None},
    ]
)


def test_axes() -> None:
    assert time_axis(TWO, "session").values.tolist() == [0, 1, 4, 2, 3]  # minus 2, the smallest number of the study
    assert np.array_equal(time_axis(TWO, "days").values, [0, 14, np.nan, 0, 3], equal_nan=True)
    assert np.array_equal(time_axis(TWO, "weeks").values, [0, 2, np.nan, 0, 3 / 7], equal_nan=True)
    assert time_axis(TWO, "fraction").values.tolist() == [0, 0.25, 1, 0, 1]
    assert time_axis(TWO, "column").values.tolist() == [14, 15, 16, 13.5, 14.5]
    assert time_axis(TWO, "weeks").unit == "week"
    assert time_axis(TWO, "column").unit == "unit of age"


@pytest.mark.parametrize(("column", "unit"), [("month", "month"), ("Weeks", "week"), ("t", "unit of t")])
def test_a_time_column_named_for_a_unit_is_in_that_unit(column: str, unit: str) -> None:
    columns = TWO.config.columns.model_copy(update={"time": column})
    named = dataclasses.replace(TWO, config=TWO.config.model_copy(update={"columns": columns}))
    assert time_axis(named, "column").unit == unit


def test_the_default_axis_is_the_declared_column() -> None:
    assert default_axis(TWO) == "column"
    assert time_axis(TWO).name == "column"
    assert time_axis(TWO, ModelSection(time_axis="session")).name == "session"
    assert time_axis(study_of([{"client": "a", "session": 1}])).name == "session"


@pytest.mark.parametrize("axis", ["days", "weeks", "column"])
def test_an_axis_that_the_study_cannot_give(axis: AxisName) -> None:
    with pytest.raises(InputError, match="which the study does not have") as caught:
        time_axis(study_of([{"client": "a", "session": 1}]), axis)
    assert "[columns]" in caught.value.faults[0].remedy


def test_the_fraction_runs_over_blocks_and_single_sessions() -> None:
    rows = [{"client": "a", "block": b, "session": s} for b in (1, 2) for s in (1, 2, 3)] + [
        {"client": "b", "block": 1, "session": 1}
    ]
    assert time_axis(study_of(rows), "fraction").values.tolist() == [0, 0.2, 0.4, 0.6, 0.8, 1, 0]


def test_polynomial_and_log_courses() -> None:
    times = np.array([0.0, 1.0, 3.0])
    assert course(times, "none").columns.shape == (3, 0)
    assert course(times, "linear").columns.tolist() == [[0], [1], [3]]
    quadratic = course(times, "quadratic")
    assert quadratic.names == ("time", "time^2")
    assert quadratic.columns.tolist() == [[0, 0], [1, 1], [3, 9]]
    assert course(times, "log").columns[:, 0] == pytest.approx(np.log1p(times))
    assert course(times, "log").names == ("log_time",)


def test_piecewise_is_two_slopes_that_meet() -> None:
    times = np.arange(8.0)
    found = course(times, "piecewise(3)")
    assert found.names == ("time_early", "time_late")
    assert found.columns.sum(axis=1).tolist() == times.tolist()  # equal slopes are a straight line
    assert found.columns[4].tolist() == [3, 1]


@pytest.mark.parametrize("df", [2, 3, 5])
def test_splines_are_natural_cubic_and_interpolate(df: int) -> None:
    from scipy.interpolate import CubicSpline

    times = np.random.default_rng(2).uniform(0, 20, 200)
    found = course(times, f"spline({df})")
    assert found.names == tuple(f"time_s{j}" for j in range(1, df + 1))
    knots = np.array(found.knots)
    # the coefficients are the differences from the first knot: identity at the knots
    assert found.at(knots) == pytest.approx(np.vstack([np.zeros(df), np.eye(df)]), abs=1e-12)
    heights = np.random.default_rng(3).normal(size=df)
    reference = CubicSpline(knots, np.append(0, heights), bc_type="natural")
    # an independent implementation of the same interpolant: equal to rounding
    assert found.columns @ heights == pytest.approx(reference(times), abs=1e-9)
    beyond = found.at(np.array([21.0, 22.0, 23.0])) @ heights
    assert np.diff(beyond, n=2) == pytest.approx([0], abs=1e-9)  # linear beyond the outer knots
    assert found.at(np.array([20.0 + 1e-9]))[0] @ heights == pytest.approx(
        float(reference(20.0, extrapolate=True)), abs=1
    )


def test_splines_with_repeated_times_and_missing_ones() -> None:
    times = np.array([0.0] * 50 + [1, 2, 3, 4, np.nan])
    found = course(times, "spline(3)")
    assert np.isnan(found.columns[-1]).all()
    assert not np.isnan(found.columns[:-1]).any()


@pytest.mark.parametrize(
    ("times", "option", "remedy"),
    [
        ([0.0, 1.0, 2.0], "spline(3)", "at most spline(2)"),
        ([0.0, 1.0], "spline(2)", "linear"),
        ([0.0, 1.0, 2.0], "piecewise(5)", "inside the observed times"),
        ([-1.0, 1.0], "log", "starts at 0"),
        ([0.0, 1.0], "cubic", "piecewise(k)"),
        ([np.nan, np.nan], "piecewise(1)", "inside the observed times"),
    ],
)
def test_courses_that_the_times_cannot_carry(times: list[float], option: str, remedy: str) -> None:
    with pytest.raises(InputError) as caught:
        course(np.array(times), option)
    assert remedy in caught.value.faults[0].remedy


def test_lags_respect_clients_and_gaps() -> None:
    assert previous_row(TWO).tolist() == [-1, 0, -1, -1, 3]
    assert previous_row(TWO, max_gap=3).tolist() == [-1, 0, 1, -1, 3]
    assert previous_row(TWO, max_gap=7, times=time_axis(TWO, "days").values).tolist() == [-1, -1, -1, -1, 3]


def test_lags_may_stop_at_a_change_of_therapist() -> None:
    assert previous_row(TWO, max_gap=3, cross_therapist=False).tolist() == [-1, 0, -1, -1, -1]


def test_lags_never_cross_a_block() -> None:
    rows = [{"client": "a", "block": 1, "session": s} for s in (1, 2)] + [
        {"client": "a", "block": 2, "session": s} for s in (3, 4)
    ]
    assert previous_row(study_of(rows), max_gap=99).tolist() == [-1, 0, -1, 2]


def test_the_usual_step_may_be_longer_than_one() -> None:
    rows = [{"client": c, "session": s} for c in "ab" for s in (1, 5, 9, 17)]
    study = study_of(rows)
    assert usual_step(study) == 4
    assert previous_row(study).tolist() == [-1, 0, 1, -1, -1, 4, 5, -1]
    assert usual_step(study_of([{"client": "a", "session": 1}])) == 1


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.integers(0, 2), st.integers(0, 30), st.sampled_from("xyz")),
        min_size=1,
        max_size=60,
        unique_by=lambda row: row[:3],
    ),
    st.one_of(st.none(), st.floats(0.5, 40)),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_lags_never_cross_what_they_must_not(
    rows: list[tuple[str, int, int, str]], max_gap: float | None, cross: bool
) -> None:
    study = study_of([{"client": c, "block": b, "session": s, "therapist": t} for c, b, s, t in rows])
    sessions, previous = study.sessions, previous_row(study, max_gap, cross)
    now = np.flatnonzero(previous >= 0)
    before = previous[now]
    for name in ("client", "block", *(() if cross else ("therapist",))):
        assert (sessions[name].to_numpy()[now] == sessions[name].to_numpy()[before]).all()
    step = sessions["session"].to_numpy()[now] - sessions["session"].to_numpy()[before]
    assert (step > 0).all()
    assert (step <= (usual_step(study) if max_gap is None else max_gap)).all()
    # and the one before is the nearest: nothing of the same client and block lies between
    assert (now - before == 1).all()


def test_on_real_data_lags_are_those_counted_by_hand(shared: Path, tmp_path: Path) -> None:
    text = (
        f'[data]\nsessions = "{shared / "data" / "cbasp_sessions.csv"}"\n'
        '[columns]\nclient = "PatID"\nsession = "sessionN"\n'
        '[variables.mood]\ncolumn = "mood"\nrole = "symptoms"\n'
    )
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    raw = pd.read_csv(shared / "data" / "cbasp_sessions.csv").sort_values(["PatID", "sessionN"])
    by_hand = int((raw.groupby("PatID")["sessionN"].diff() == 1).sum())
    assert (previous_row(read_study(tmp_path)) >= 0).sum() == by_hand


def test_a_course_with_an_average_for_every_session() -> None:
    times = np.array([0.0, 1.0, 3.0, 1.0, np.nan])
    found = course(times, "sessions")
    assert found.names == ("time_at_1", "time_at_3")  # the first is the intercept
    np.testing.assert_array_equal(found.columns, [[0, 0], [1, 0], [0, 1], [1, 0], [np.nan] * 2])
    np.testing.assert_array_equal(found.at(np.array([3.0, 2.0])), [[0, 1], [0, 0]])


def test_too_many_times_for_an_average_each() -> None:
    with pytest.raises(InputError, match="80 different times"):
        course(np.arange(80.0), "sessions")
