"""A small study, asked the theory: files, verdicts against the draws themselves, and nothing done twice."""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from safezone.analysis.answer import principles
from safezone.analysis.folder import read_manifest
from safezone.analysis.pipeline import run, status
from safezone.analysis.principles import principles as registry
from safezone.analysis.theory import read_theory

pytestmark = pytest.mark.slow

_SPEC = importlib.util.spec_from_file_location("small_study", Path(__file__).parents[1] / "small_study.py")
assert _SPEC is not None
assert _SPEC.loader is not None
small_study = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(small_study)

CONTRACT = [
    "id", "column", "statement", "verdict", "probability", "estimand", "mean", "lower", "upper", "model",
    "missing_roles",
]  # fmt: skip


@pytest.fixture(scope="module")
def study_file(tmp_path_factory):
    models = '[models.depth]\nkind = "within_between"\noutcome = "depth"\npredictors = ["safety"]\ntime = "linear"\n'
    return small_study.write_study(tmp_path_factory.mktemp("small"), models + "[principles]\nsmallest = {C1 = 0.05}\n")


@pytest.fixture(scope="module")
def theory(study_file):
    return principles(study_file)


def test_every_row_is_told_whatever_the_answer(theory):
    table = pd.read_csv(theory.folder / "principles.csv")
    assert table["id"].tolist() == [row.id for row in registry()]
    assert table.columns.tolist()[: len(CONTRACT)] == CONTRACT
    assert table["verdict"].notna().all()
    open_rows = table["verdict"].str.startswith("not testable")
    assert table.loc[open_rows, "probability"].isna().all()
    assert table.loc[~open_rows, ["probability", "mean", "lower", "upper", "model"]].notna().all(axis=None)


def test_the_studys_model_answers_and_its_verdict_is_that_of_its_draws(theory, study_file):
    import xarray as xr

    finding = theory["C1"]
    assert finding.model == "depth"
    assert finding.smallest == 0.05
    with xr.open_dataset(theory.folder / "fits" / "depth.nc", group="estimands", engine="h5netcdf") as group:
        at = (group["estimand"].values == "safety.within") & (group["scale"].values == "standardised")
        draws = group["value"].values[:, :, np.flatnonzero(at)[0]].ravel()
    assert finding.probability == pytest.approx(float(np.mean(draws > 0.05)))
    assert finding.mean == pytest.approx(float(draws.mean()))
    # The true slope is 0.5 of a rating with SD 0.7 within clients; 120 sessions leave no doubt.
    assert finding.verdict == "supported"
    assert finding.prior_sensitivity > 0
    assert finding.likelihood_sensitivity > finding.prior_sensitivity


def test_what_is_missing_is_named(theory):
    finding = theory["X7"]
    assert finding.verdict.startswith("not testable: needs a post-session outcome")
    assert "post_session/session" in finding.missing_roles
    assert theory["T3a"].missing_roles == ("safety@therapist/session",)


def test_it_survives_writing_and_reading(theory):
    again = read_theory(theory.folder)
    assert [one.verdict for one in again.findings] == [one.verdict for one in theory.findings]
    assert again["T2c"].mean != again["T2c"].mean
    content = json.loads((theory.folder / "principles.json").read_text(encoding="utf-8"))
    assert len(content["rows"]) == len(registry())


def test_a_second_run_computes_nothing(theory, study_file):
    result = run(study_file)
    assert all(outcome.reused for outcome in result.outcomes)
    assert result.changed == ()
    assert all(one.fresh for one in status(study_file) if one.kind == "model")


def test_models_of_the_theory_are_marked_as_added(theory):
    manifest = read_manifest(theory.folder)
    assert manifest is not None
    assert set(manifest["theory"]["added"]) == set(theory.added)
    assert "depth" not in theory.added
    assert all(name.startswith("theory_") for name in theory.added)


def test_a_threshold_changes_the_verdict_and_refits_nothing(theory, study_file):
    text = study_file.read_text(encoding="utf-8")
    probability = theory["X2"].probability
    try:
        study_file.write_text(text.replace("smallest = {C1 = 0.05}", "smallest = {C1 = 5}"), encoding="utf-8")
        moved = principles(study_file)
    finally:
        study_file.write_text(text, encoding="utf-8")
    assert moved["C1"].verdict == "negligible"
    assert moved["X2"].probability == probability
    assert all(not math.isnan(one.probability) or one.estimand == "" for one in moved.findings)
