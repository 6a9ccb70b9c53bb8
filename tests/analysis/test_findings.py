"""Rows from invented draws: signs, conjunctions, averages, and what is said where an answer must not be given."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from safezone.analysis.evidence import Evidence
from safezone.analysis.findings import contrast_name, findings
from safezone.analysis.questions import agenda
from safezone.data.examples import example_path
from safezone.data.study import read_study
from safezone.models.catalogue import plan

OUTCOME_SD = 2.0


@pytest.fixture(scope="module")
def harbour():
    return read_study(example_path("harbour"))


@pytest.fixture(scope="module")
def questions(harbour):
    return agenda(harbour, plan(harbour)).questions


def evidence(name: str, draws: dict[tuple[str, str], np.ndarray], verdict: str = "trusted") -> Evidence:
    """Return a model that says nothing but these draws."""
    names, scales = zip(*draws, strict=True)
    values = np.stack(list(draws.values()), axis=-1)
    quantities = xr.Dataset(
        {"value": (("chain", "draw", "quantity"), values)},
        coords={"estimand": ("quantity", list(names)), "scale": ("quantity", list(scales))},
    )
    task: Any = SimpleNamespace(
        name=name,
        model=SimpleNamespace(parameters=lambda _: ()),
        design=SimpleNamespace(outcome=SimpleNamespace(sd=OUTCOME_SD)),
    )
    return Evidence(task, verdict, "", {"estimands": quantities}.get)


def normal(mean: float, sd: float, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, sd, (4, 1000))


def told(harbour, questions, row: str, *found: Evidence):
    by_name = {one.task.name: one for one in found}
    return next(one for one in findings(harbour, questions, by_name) if one.id == row)


def model_of(questions, row: str, part: str = ""):
    return next(q.model for q in questions if (q.principle.id, q.test.part) == (row, part))


def test_an_answer_is_that_of_the_draws(harbour, questions):
    name = model_of(questions, "C1", "same session")
    draws = normal(0.3, 0.05)
    found = told(harbour, questions, "C1", evidence(name, {("safety.within", "standardised"): draws}))
    assert found.verdict == "supported"
    assert found.probability == pytest.approx(float(np.mean(draws > 0.1)))
    assert (found.mean, found.direction) == (pytest.approx(float(draws.mean())), 1)
    assert (found.lower, found.upper) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])))


def test_a_reversed_answer_is_opposed(harbour, questions):
    name = model_of(questions, "C1", "same session")
    found = told(harbour, questions, "C1", evidence(name, {("safety.within", "standardised"): normal(-0.3, 0.05)}))
    assert found.verdict == "opposed"
    assert found.mean < 0


def test_a_fit_that_fails_gives_no_verdict(harbour, questions):
    name = model_of(questions, "C1", "same session")
    draws = {("safety.within", "standardised"): normal(0.3, 0.05)}
    found = told(harbour, questions, "C1", evidence(name, draws, "not trusted: R-hat 1.2 is above 1.01"))
    assert found.verdict == "not trusted: R-hat 1.2 is above 1.01"
    assert found.word == "not trusted"


def test_where_all_must_hold_the_weakest_part_stands_for_the_row(harbour, questions):
    name = model_of(questions, "R4b", "within clients")
    draws = {
        ("alliance.within", "standardised"): normal(0.3, 0.05, 1),
        ("alliance.between_client", "standardised"): normal(0.2, 0.1, 2),
    }
    found = told(harbour, questions, "R4b", evidence(name, draws))
    holds = [values > 0.1 for values in draws.values()]
    assert found.estimand == "alliance.between_client"
    assert found.probability == pytest.approx(float(np.mean(holds[0] & holds[1])))
    assert found.verdict == "leaning"


def test_half_a_statement_is_not_the_statement(harbour, questions):
    """Safety goes with the session's outcome, and the final outcome's model has not been fitted."""
    name = model_of(questions, "X7", "session")
    found = told(harbour, questions, "X7", evidence(name, {("safety.within", "standardised"): normal(0.3, 0.05)}))
    assert found.verdict == "not testable: the model has not been fitted"
    session = next(part for part in found.parts if part.name == "session")
    assert session.verdict == "supported"


def test_two_dimensions_of_one_thing_are_averaged_in_the_expected_direction(harbour, questions):
    name = model_of(questions, "T2a", "anxiety")
    anxiety, avoidance = normal(-0.4, 0.05, 1), normal(-0.2, 0.05, 2)
    draws = {("therapist_anxiety", "standardised"): anxiety, ("therapist_avoidance", "standardised"): avoidance}
    found = told(harbour, questions, "T2a", evidence(name, draws))
    assert found.verdict == "supported"  # less anxiety, stronger alliance: a negative slope is what is expected
    assert found.direction == -1
    assert found.mean == pytest.approx(float((anxiety + avoidance).mean() / 2))
    assert found.probability == pytest.approx(float(np.mean(-(anxiety + avoidance) / 2 > 0.1)))


def test_a_course_is_compared_per_session_in_sds_of_the_outcome(harbour, questions):
    name = model_of(questions, "R1", "late")
    early, late = normal(0.5, 0.05, 1), normal(0.1, 0.02, 2)
    found = told(
        harbour, questions, "R1", evidence(name, {("time_early", "raw"): early, ("time_late", "raw"): late})
    )  # fmt: skip
    difference = next(part for part in found.parts if part.name == "early minus late")
    assert difference.estimand == "time_early - time_late"
    assert difference.mean == pytest.approx(float((early - late).mean() / OUTCOME_SD))
    assert found.verdict == "supported"


def test_the_error_of_a_probability_is_that_of_its_draws(harbour, questions):
    name = model_of(questions, "C1", "same session")
    found = told(harbour, questions, "C1", evidence(name, {("safety.within", "standardised"): normal(0.12, 0.05)}))
    p = found.probability
    # 4,000 independent draws: the effective sample size lies within some 10 % of that.
    assert found.mcse == pytest.approx((p * (1 - p) / 4000) ** 0.5, rel=0.1)


def test_a_contrast_is_told_as_it_is_written():
    assert contrast_name({"a": 1.0}) == "a"
    assert contrast_name({"a": 1.0, "b": -1.0}) == "a - b"
    assert contrast_name({"a": 2.0, "b": 0.5}) == "2 a + 0.5 b"
