"""Real runs, really killed and really at once: the next run completes them with the same numbers."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location("small_study", Path(__file__).with_name("small_study.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
small_study = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(small_study)

pytestmark = pytest.mark.slow

PATIENCE = 240  # seconds for one run on a busy machine; a run takes about ten
HEAVY = (
    "pymc", "pytensor", "numba", "xarray", "arviz", "arviz_base", "arviz_stats", "nutpie", "statsmodels", "scipy",
    "matplotlib", "h5netcdf", "nbclient", "typst",
)  # fmt: skip


def start(command: str, study: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "safezone", command, str(study)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8", cwd="/",
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> None:
    _, told = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, told


def kill_when(study: Path, command: str, sign: str) -> None:
    """Run a command and kill it as soon as its progress says ``sign``."""
    process = start(command, study)
    guard = threading.Timer(PATIENCE, process.kill)
    guard.start()
    told = ""
    assert process.stderr is not None
    for line in process.stderr:
        told += line
        if sign in line:
            break
    else:
        pytest.fail(f"{sign!r} was never said:\n{told}")
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    guard.cancel()
    process.stderr.close()
    assert process.returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the study file of a study that was run once, in peace."""
    study: Path = small_study.write_study(tmp_path_factory.mktemp("undisturbed"))
    finish(start("run", study))
    return study


def test_a_second_run_with_nothing_changed_imports_nothing_heavy(undisturbed: Path) -> None:
    code = f"""
import sys
from safezone.cli import main
for command in (["plan", "--quick"], ["status"], ["run"]):  # the precision of a plan is simulated
    try:
        main([*command, {str(undisturbed)!r}, "--quiet", "--json"])
    except SystemExit as done:
        assert not done.code, (command, done.code)
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "[]"


def test_killed_three_times_the_next_run_completes_with_the_same_numbers(undisturbed: Path, tmp_path: Path) -> None:
    study = tmp_path / "study.toml"
    for name in ("study.toml", "sessions.csv"):
        shutil.copy(undisturbed.parent / name, tmp_path / name)
    kill_when(study, "run", "shares: 4 chains")  # while sampling
    assert not (tmp_path / "results" / "estimates.csv").exists()
    kill_when(study, "run", "shares: summarising")  # while draws and summaries are stored
    kill_when(study, "run", "running the document's code")  # while rendering
    assert not (tmp_path / "results" / "report" / "article.html").exists()
    finish(start("run", study))
    before, after = undisturbed.parent / "results", tmp_path / "results"
    assert (after / "estimates.csv").read_bytes() == (before / "estimates.csv").read_bytes()
    assert (after / "report" / "article.html").stat().st_size > 10_000
    assert json.loads((after / "manifest.json").read_text(encoding="utf-8"))["state"] == "complete"
    assert list((tmp_path / ".safezone" / "tmp").iterdir()) == []
    assert not [path for path in after.rglob("*") if path.name.endswith((".tmp", ".part"))]


def test_two_runs_at_once_do_not_disturb_each_other(undisturbed: Path, tmp_path: Path) -> None:
    study = tmp_path / "study.toml"
    for name in ("study.toml", "sessions.csv"):
        shutil.copy(undisturbed.parent / name, tmp_path / name)
    both = [start("run", study), start("run", study)]
    begun = time.monotonic()
    for process in both:
        finish(process)
    assert time.monotonic() - begun < PATIENCE  # neither waits for a lock that nobody holds
    before, after = undisturbed.parent / "results", tmp_path / "results"
    assert (after / "estimates.csv").read_bytes() == (before / "estimates.csv").read_bytes()
    manifest = json.loads((after / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["state"] == "complete"
    listed = manifest["files"]
    assert {str(p.relative_to(after)) for p in after.rglob("*") if p.is_file()} == {*listed, "manifest.json"}
