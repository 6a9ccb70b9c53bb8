"""The commands about the theory at the front door: JSON for programs, and nothing left behind by a refusal."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from safezone.cli import main

_SPEC = importlib.util.spec_from_file_location("small_study", Path(__file__).with_name("small_study.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
small_study = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(small_study)


def call(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[object, str, str]:
    with pytest.raises(SystemExit) as caught:
        main([str(arg) for arg in args])
    out, err = capsys.readouterr()
    return caught.value.code, out, err


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    path: Path = small_study.write_study(tmp_path, clients=12, sessions=4)
    return path


def test_plan_lists_principles_with_what_they_lack(study_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "plan", study_file, "--quick", "--json")
    assert code == 0
    told = json.loads(out)
    rows = {(row["id"], row["part"]): row for row in told["principles"]}
    assert len({name for name, _ in rows}) == 30
    assert rows["C1", "same session"]["testable"] == "yes"
    assert rows["T3a", ""]["lacks"] == "needs the therapist's felt safety, session by session"
    assert told["expected"] == []
    assert not (study_file.parent / "results").exists()


@pytest.mark.slow
def test_plan_foresees_precision_before_any_fit(study_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "plan", study_file, "--json")
    assert code == 0
    expected = {(row["id"], row["part"]): row for row in json.loads(out)["expected"]}
    assert 0.05 < expected["C1", "same session"]["sd"] < 0.4  # √(0.9 / 36) = 0.16 for 48 sessions of 12 clients
    assert "expected precision: model 1 of" in err
    assert not (study_file.parent / "results").exists()


@pytest.mark.slow
def test_sap_freezes_and_renders_without_any_fit(study_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "sap", study_file, "--format", "html", "--json", "--quiet")
    assert code == 0
    told = json.loads(out)
    assert told["deviations"] == []
    assert len(told["hash"]) == 64
    page = Path(told["report"][0]).read_text(encoding="utf-8")
    assert told["hash"] in page.replace("\u200b", "")
    assert not list((study_file.parent / "results").glob("fits/*"))


def test_a_row_that_does_not_exist_is_refused_and_nothing_is_written(
    study_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = study_file.read_text(encoding="utf-8")
    study_file.write_text(text + "\n[principles]\nsmallest = {Z9 = 1}\n", encoding="utf-8")
    code, _, err = call(capsys, "principles", study_file)
    assert code == 2
    assert "The theory has no such row" in err
    assert not (study_file.parent / "results").exists()


def test_a_dry_run_of_sensitivity_lists_what_would_be_fitted_and_writes_nothing(
    study_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(capsys, "sensitivity", study_file, "--row", "C1", "--dry-run")
    assert code == 0
    assert "Specifications" in out
    assert "observed" in out
    assert "fits to do" in err
    assert not (study_file.parent / "results").exists()
    code, out, _ = call(capsys, "sensitivity", study_file, "--row", "C1", "--dry-run", "--json", "--quiet")
    told = json.loads(out)
    assert told["file"] is None
    same = [one for one in told["specifications"] if one["part"] == "same session"]
    # Centring × trend × therapists, and t residuals alone: nothing is missing, and all have as many sessions.
    assert len(same) == 2 * 4 * 2 + 1
    assert not any(one["fitted"] for one in same)
    assert {one["sessions"] for one in same} == {48}


def test_sensitivity_refuses_a_row_that_the_theory_does_not_have(
    study_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = call(capsys, "sensitivity", study_file, "--row", "C11")
    assert code == 2
    assert "C11" in err
    assert "--row" in err
    assert not (study_file.parent / "results").exists()
