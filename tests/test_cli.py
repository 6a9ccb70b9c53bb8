"""The command line: what it prints, where, and with which exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from safezone.analysis.store import Store
from safezone.cli import app, main
from safezone.data.errors import Fault, InputError

COMMANDS = (
    "init", "demo", "simulate", "check", "plan", "sap", "fit", "report", "run", "principles", "sensitivity", "status",
    "clean", "doctor", "cite",
)  # fmt: skip


def call(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    """Run a command in this process; return its exit code, stdout and stderr."""
    with pytest.raises(SystemExit) as done:
        main([str(arg) for arg in args])
    out, err = capsys.readouterr()
    code = done.value.code
    return (code if isinstance(code, int) else int(code is not None)), out, err


def files(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder with its content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_command_explains_itself_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert {command.callback.__name__ for command in app.registered_commands if command.callback} == set(COMMANDS)
    for command in COMMANDS:
        code, out, _ = call(capsys, command, "--help")
        assert code == 0
        assert f"safezone {command}" in out, command
        assert "Example:" in out, command


def test_without_a_command_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, err = call(capsys)
    assert "Usage: safezone" in out + err


def test_version(capsys: pytest.CaptureFixture[str], root: Path) -> None:
    code, out, _ = call(capsys, "--version")
    assert code == 0
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert out.strip() == f"safezone {project['version']}"


def test_a_misspelled_command_gets_a_suggestion_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "staus")
    assert code == 2
    assert "status" in err


def test_init_writes_a_study_that_checks_and_never_overwrites(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "my study"
    code, out, err = call(capsys, "init", folder)
    assert code == 0
    assert (folder / "study.toml").is_file()
    assert (folder / "reports" / "article").is_dir()
    written = files(folder)
    assert sorted(out.split("\n")[:-1]) == sorted(str(folder / name) for name in written)
    assert "Wrote" in err

    (folder / "study.toml").write_text("# mine\n", encoding="utf-8")
    before = files(folder)
    code, _, err = call(capsys, "init", folder)
    assert code == 2
    assert "study.toml" in err
    assert "never overwrites" in err
    assert files(folder) == before


def test_init_writes_nothing_where_one_file_is_in_the_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "clients.csv").write_text("mine", encoding="utf-8")
    code, out, err = call(capsys, "init", tmp_path)
    assert (code, out) == (2, "")
    assert "clients.csv" in err
    assert files(tmp_path) == {"clients.csv": b"mine"}


def test_init_dry_run_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "init", tmp_path / "new", "--dry-run")
    assert code == 0
    assert "study.toml" in out
    assert not (tmp_path / "new").exists()


def test_check_reports_flow_and_codebook(example_study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(example_study.parent)
    code, out, _ = call(capsys, "check", example_study, "--json")
    assert code == 0
    content = json.loads(out)
    assert set(content) > {"study", "flow", "codebook", "missing_by_variable", "checks"}
    assert content["study"]["clients"] == 84
    assert {row["name"] for row in content["codebook"]} >= {"safety", "alliance", "arm"}
    assert files(example_study.parent) == before, "check writes nothing"

    code, out, _ = call(capsys, "check", example_study)
    assert code == 0
    assert "Felt safety (client)" in out


def test_clean_takes_out_what_nothing_has_asked_for(example_study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(example_study.parent / ".safezone")
    old, young = (store.put("fits", {"seed": seed}, {"draws.nc": b"draws"}) for seed in ("1", "2"))
    os.utime(old.folder, (0, 0))

    code, out, _ = call(capsys, "clean", example_study, "--dry-run", "--json")
    assert code == 0
    said = json.loads(out)
    assert (said["entries"], said["kept"], said["dry_run"]) == (1, 1, True)
    assert said["bytes"] == sum(file.stat().st_size for file in old.folder.iterdir())
    assert old.folder.exists()

    code, out, _ = call(capsys, "clean", example_study)
    assert code == 0
    assert "Took out 1 entries" in out
    assert (old.folder.exists(), young.folder.exists()) == (False, True)
    call(capsys, "clean", example_study, "--days", "0")
    assert not young.folder.exists()

    code, _, err = call(capsys, "clean", example_study, "--days", "-1")
    assert code == 2
    assert "Choose 0 or more" in err


def test_every_fault_is_reported_at_once_and_nothing_written(
    example_study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = example_study.read_text(encoding="utf-8")
    text = text.replace('role = "safety"', 'role = "saftey"', 1).replace("[sampling]", "[sampling]\nchain = 3", 1)
    example_study.write_text(text, encoding="utf-8")
    before = files(example_study.parent)
    for command in ("check", "plan", "fit", "run", "status"):
        code, out, err = call(capsys, command, example_study)
        assert (code, out) == (2, ""), command
        assert "variables.safety.role" in err
        assert "Did you mean safety?" in err
        assert "sampling.chain" in err
        assert "2 errors; nothing was written." in err
    assert files(example_study.parent) == before

    code, out, _ = call(capsys, "check", example_study, "--json")
    assert code == 2
    content = json.loads(out)
    assert content["error"] == "InputError"
    assert [fault["severity"] for fault in content["faults"]] == ["error", "error"]
    assert set(content["faults"][0]) == {"severity", "file", "row", "column", "rule", "value", "remedy"}


def test_a_missing_study_file_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "run", tmp_path)
    assert code == 2
    assert "study.toml: The study file does not exist." in err


def test_plan_says_what_each_model_lacks(example_study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "plan", example_study, "--quick", "--json")
    assert code == 0
    models = {model["model"]: model for model in json.loads(out)["models"]}
    assert {"safety_shares", "course", "depth", "next_session"} <= set(models)
    assert models["depth"]["lacks"] == []


def test_status_before_the_first_run(example_study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "status", example_study, "--explain", "--json")
    assert code == 0
    artefacts = json.loads(out)["artefacts"]
    assert artefacts
    assert {artefact["state"] for artefact in artefacts} == {"missing"}
    assert not (example_study.parent / "results").exists()


def test_an_internal_error_shows_no_data(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("client 17 rated 3")

    monkeypatch.setattr("safezone.reports.machine.examine", broken)
    code, out, err = call(capsys, "doctor")
    assert (code, out) == (1, "")
    assert "RuntimeError" in err
    assert "--debug" in err
    assert "client 17" not in err
    with pytest.raises(RuntimeError, match="client 17"):
        main(["--debug", "doctor"])


def test_doctor_knows_python_packages_and_renderers(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "doctor", "--json")
    findings = {finding["what"]: finding for finding in json.loads(out)["findings"]}
    assert {"Python", "packages", "renderer: quarto", "renderer: typst", "cores", "this folder"} <= set(findings)
    assert findings["Python"]["state"] == "fine"
    assert findings["packages"]["state"] == "fine"
    assert code == 0


def test_cite_prints_bibtex_on_stdout_and_text_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "cite")
    assert code == 0
    assert out.count("@") == 2
    assert "@article{podolan2024," in out
    assert "Podolan, M., & Gelo, O. C. G. (2024)." in err
    _, out, err = call(capsys, "cite", "--quiet")
    assert out.startswith("@software{safezone,")
    assert err == ""


def test_simulate_is_reproducible_and_never_overwrites(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--clients", 12, "--therapists", 3, "--sessions", 3, 4, "--seed", 5)
    assert call(capsys, "simulate", tmp_path / "a", *options)[0] == 0
    assert call(capsys, "simulate", tmp_path / "b", *options)[0] == 0
    assert files(tmp_path / "a") == files(tmp_path / "b")
    code, _, err = call(capsys, "simulate", tmp_path / "a", *options)
    assert code == 2
    assert "already" in err


def test_no_colour_codes_in_a_pipe(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "safezone", "run", str(tmp_path / "nothing")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert "\x1b[" not in done.stderr
    assert done.stdout == ""


def test_faults_are_a_table_in_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    from safezone.reports.console import fault_table

    fault = Fault("error", "sessions.csv", 7, "saf_c", "A rating lies in its range.", "12", "Correct it.")
    console = Console(width=120, record=True, file=sys.stderr)
    console.print(fault_table(InputError(fault).faults))
    text = console.export_text()
    for word in ("sessions.csv", "row 7", "saf_c", "A rating lies in its range.", "12", "Correct it."):
        assert word in text
    capsys.readouterr()


@pytest.mark.parametrize("force", [False, True])
def test_report_force_renders_again(
    force: bool, example_study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from types import SimpleNamespace

    asked: list[bool] = []

    def rendered(*_: object, force: bool, **__: object) -> SimpleNamespace:
        asked.append(force)
        return SimpleNamespace(files=(Path("article.html"),))

    monkeypatch.setattr("safezone.reports.report.report", rendered)
    code, out, _ = call(capsys, "report", example_study, *(["--force"] if force else []))
    assert code == 0
    assert out.strip() == "article.html"
    assert asked == [force]
