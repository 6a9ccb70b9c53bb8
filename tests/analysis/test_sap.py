"""The frozen analysis plan: its hash, what a study does otherwise, and that nothing is overwritten."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from safezone.analysis.folder import read_manifest
from safezone.analysis.sap import FILE, deviations, freeze, plan_file, publish, read_plan
from safezone.data.errors import InputError
from safezone.data.study import read_study

_SPEC = importlib.util.spec_from_file_location("small_study", Path(__file__).parents[1] / "small_study.py")
assert _SPEC is not None
assert _SPEC.loader is not None
small_study = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(small_study)

MODELS = """
[models.depth]
kind = "within_between"
outcome = "depth"
predictors = ["safety"]
time = "linear"
[models.depth.priors]
"safety.within" = "normal(0, 0.4)"

[principles]
smallest = {C1 = 0.15}
"""


@pytest.fixture
def study_file(tmp_path):
    return small_study.write_study(tmp_path, MODELS, clients=12, sessions=4)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def told(study_file: Path) -> dict[tuple[str, str], tuple[str, str, str]]:
    plan = read_plan(study_file.parent / FILE)
    found = deviations(plan, read_study(study_file))
    return {(one.part, one.what): (one.change, one.planned, one.now) for one in found}


def test_a_plan_holds_models_priors_rows_and_thresholds(study_file):
    plan = freeze(read_study(study_file))
    content = plan.content
    assert content["models"]["depth"]["predictors"] == ["safety"]
    assert content["priors"]["depth"]["within[safety]"] == "normal(0, 0.4)"
    assert content["principles"]["C1 same session"]["model"] == "depth"
    assert content["principles"]["C1 same session"]["smallest"] == 0.15
    assert content["thresholds"]["supported"] == 0.95
    assert plan.sizes == {"clients": 12, "sessions": 48, "therapists": 3}
    assert not plan.seen
    assert read_plan(study_file.parent / FILE) == plan


def test_followed_to_the_letter_there_is_no_deviation(study_file):
    freeze(read_study(study_file))
    assert told(study_file) == {}
    before = (study_file.parent / FILE).read_bytes()
    freeze(read_study(study_file))  # the same plan again changes nothing, not even its date
    assert (study_file.parent / FILE).read_bytes() == before


def test_new_ratings_are_no_deviation(study_file):
    freeze(read_study(study_file))
    small_study.write_study(study_file.parent, MODELS, clients=20, sessions=4)
    assert told(study_file) == {}


def test_every_change_is_a_deviation(study_file):
    freeze(read_study(study_file))
    edit(study_file, 'time = "linear"', 'time = "none"')
    edit(study_file, "normal(0, 0.4)", "normal(0, 1)")
    edit(study_file, "smallest = {C1 = 0.15}", "smallest = {C1 = 0.05}\nsupported = 0.9")
    edit(study_file, "[principles]", '[models.shares]\nkind = "variance"\noutcome = "safety"\n\n[principles]')
    edit(study_file, "range = [1, 7]", "range = [1, 8]")
    found = told(study_file)
    assert found["models", "depth: time"] == ("changed", "linear", "none")
    assert found["priors", "depth: within[safety]"] == ("changed", "normal(0, 0.4)", "normal(0, 1)")
    assert found["models", "shares"][0] == "added"
    assert found["thresholds", "supported"] == ("changed", "0.95", "0.9")
    assert found["principles", "C1 same session: smallest"] == ("changed", "0.15", "0.05")
    assert found["variables", "safety: range"] == ("changed", "1, 7", "1, 8")
    # The theory's own model for X2 gives way to the study's: that, too, is done otherwise.
    assert found["principles", "X2 trait: model"] == ("changed", "theory_variance_safety", "shares")


def test_a_plan_is_amended_only_on_request_and_the_old_one_is_kept(study_file):
    first = freeze(read_study(study_file))
    edit(study_file, 'time = "linear"', 'time = "none"')
    with pytest.raises(InputError, match="There is an analysis plan already"):
        freeze(read_study(study_file))
    second = freeze(read_study(study_file), force=True)
    assert second.amends == first.hash
    assert read_plan(study_file.parent / "analysis-plan-1.json") == first
    assert told(study_file) == {}


def test_a_plan_that_was_edited_is_refused(study_file):
    freeze(read_study(study_file))
    edit(study_file.parent / FILE, '"smallest": 0.15', '"smallest": 0.01')
    with pytest.raises(InputError, match="changed after it was frozen"):
        read_plan(study_file.parent / FILE)


def test_the_plan_can_be_told_before_any_fit(study_file):
    study = read_study(study_file)
    freeze(study)
    folder = publish(study)
    content = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    assert content["deviations"] == []
    manifest = read_manifest(folder)
    assert manifest is not None
    assert manifest["study"]["title"] == "A small study"
    assert "plan.json" in manifest["files"]


def test_without_a_plan_nothing_is_said(study_file):
    assert plan_file(read_study(study_file)) == {}


def test_a_report_lists_what_was_done_otherwise(study_file):
    from safezone.reports.parts import plan as part

    study = read_study(study_file)
    freeze(study)
    edit(study_file, 'time = "linear"', 'time = "none"')
    folder = publish(read_study(study_file))
    frozen = part.read(folder)
    assert frozen is not None
    text = part.deviations(frozen, "en", 1)
    assert "# Deviations from the analysis plan {#sec-deviations}" in text
    assert "| model | depth: time | changed | linear | none |" in text
    assert "ohne Abweichung" in part.deviations({**frozen, "deviations": []}, "de", 1)
