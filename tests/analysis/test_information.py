"""Expected information: no observed rating enters, the design does, and the precision is that of the textbook."""

from __future__ import annotations

import math

import numpy as np
import pytest

from safezone.analysis.information import expected_information, stand_in
from safezone.analysis.questions import agenda
from safezone.data.examples import example_path
from safezone.data.study import read_study
from safezone.models.catalogue import plan


@pytest.fixture(scope="module")
def harbour():
    return read_study(example_path("harbour"))


def test_a_stand_in_keeps_the_design_and_no_rating(harbour):
    drawn = stand_in(harbour, 5)
    assert drawn.sessions["client"].equals(harbour.sessions["client"])
    assert drawn.sessions["session"].equals(harbour.sessions["session"])
    assert drawn.sessions["therapist"].nunique() == harbour.sessions["therapist"].nunique()
    for name in ("safety", "therapist_safety", "alliance", "exploration", "post_session", "symptoms"):
        missing = harbour.sessions[name].isna()
        assert drawn.sessions[name].isna().equals(missing), name
        both = ~missing
        observed, simulated = harbour.sessions.loc[both, name], drawn.sessions.loc[both, name]
        assert not np.isclose(observed, simulated).any(), name
        # Two independent series of some 650 ratings: |r| beyond 0.2 would be five standard errors.
        assert abs(np.corrcoef(observed, simulated)[0, 1]) < 0.2, name
    for name in ("anxiety", "baseline", "final"):
        assert drawn.clients[name].isna().equals(harbour.clients[name].isna()), name


def test_the_same_seed_gives_the_same_stand_in(harbour):
    assert stand_in(harbour, 3).sessions.equals(stand_in(harbour, 3).sessions)
    assert not stand_in(harbour, 3).sessions.equals(stand_in(harbour, 4).sessions)


@pytest.mark.slow
def test_the_expected_precision_is_that_of_a_regression_within_clients(harbour):
    asked = agenda(harbour, plan(harbour))
    only = [
        q
        for q in asked.questions
        if q.principle.id in ("C1", "R4b") and q.test.part in ("same session", "within clients")
    ]
    found = expected_information(harbour, type(asked)(tuple(only), asked.added))
    rows, clients = len(harbour.sessions), harbour.sessions["client"].nunique()
    for one in found:
        # SE of a standardised slope within clients, √((1 − r²)/(rows − clients)) with r² about 0.1: a few per cent for
        # r², a few for missing ratings and time, some 4 % for 400 draws of an SD, twice.
        textbook = math.sqrt(0.9 / (rows - clients))
        assert one.sd == pytest.approx(textbook, rel=0.2), one
        assert one.reach == pytest.approx(one.smallest + 2.4865 * one.sd)
        assert one.settles == (1.96 * one.sd <= one.smallest)
        assert one.note == ""
