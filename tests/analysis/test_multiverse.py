"""The multiverse: every combination once, the study's own from the store, and what is fitted is what differs."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pandas as pd
import pytest

from safezone.analysis.multiverse import AXES, specifications
from safezone.analysis.pipeline import fit, sensitivity
from safezone.analysis.questions import agenda
from safezone.data.examples import example_path
from safezone.data.study import read_study
from safezone.models.catalogue import plan

_SPEC = importlib.util.spec_from_file_location("small_study", Path(__file__).parents[1] / "small_study.py")
assert _SPEC is not None
assert _SPEC.loader is not None
small_study = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(small_study)


@pytest.fixture(scope="module")
def harbour():
    return read_study(example_path("harbour"))


def asked(study, row, part):
    planned = plan(study)
    found = agenda(study, planned)
    question = next(q for q in found.questions if (q.principle.id, q.test.part) == (row, part))
    options = next(one.options for one in (*planned, *found.added) if one.name == question.model)
    return [
        (one.centring, one.time or "none", one.therapist_level, bool(one.priors), own)
        for one, own in specifications(study, question, options)
    ]


def test_every_combination_comes_once_and_the_studys_own_first(harbour):
    found = asked(harbour, "C1", "same session")
    axes = AXES["within_between"]
    assert len(found) == len(axes["centring"]) * len(axes["time"]) * len(axes["therapist_level"])
    assert len({one[:4] for one in found}) == len(found)
    assert found[0] == ("latent", "linear", True, False, True)
    assert sum(one[4] for one in found) == 1


def test_priors_are_a_choice_where_the_library_has_one_for_this_level(harbour):
    assert not any(one[3] for one in asked(harbour, "R4b", "within clients"))
    between = asked(harbour, "R4b", "between clients")
    assert sum(one[3] for one in between) == len(between) / 2


def test_a_row_about_therapists_keeps_them(harbour):
    assert [one[2] for one in asked(harbour, "T1", "")] == [True]


@pytest.mark.slow
def test_the_table_holds_every_combination_and_the_own_one_is_the_fit_of_the_study(tmp_path):
    models = '[models.depth]\nkind = "within_between"\noutcome = "depth"\npredictors = ["safety"]\ntime = "linear"\n'
    path = small_study.write_study(tmp_path, models)
    estimates = fit(path, "depth").estimates()
    own = estimates.loc[(estimates["estimand"] == "safety.within") & (estimates["scale"] == "standardised"), "mean"]
    said: list[str] = []
    found, file = sensitivity(read_study(path), ["C1"], say=said.append)
    same = [one for one in found if one.part == "same session"]
    assert len(same) == 12
    assert same[0].own
    assert same[0].mean == pytest.approx(float(own.iloc[0]))  # from the store: the very same draws
    table = pd.read_csv(file)
    assert len(table) == len(found)
    assert set(table["centring"]) == {"latent", "observed"}
    # True slope 0.5; 24 clients with 5 sessions: all combinations agree on the direction.
    assert (table.loc[table["part"] == "same session", "lower"] > 0).all()
    assert said[0].startswith("sensitivity: quantity 1 of 2")
