"""The benchmark's own parts: data, model declared by hand, measuring, tables. Speed itself is never tested."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from safezone.benchmarks import run, table
from safezone.benchmarks.declared import COLUMNS, course_system
from safezone.benchmarks.generate import SIZES, Size, generate, study_file
from safezone.benchmarks.peers import PEERS

HEADER = {
    "date": "2026-11-23",
    "machine": {"system": "Linux", "machine": "x86_64", "python": "3.13.0", "cores": 2},
    "versions": {"numpy": "2.4", "bambi": "absent"},
    "settings": {"chains": 4, "draws": 1000, "warmup": 1000, "seed": 1, "time_limit": 900.0},
}


def one(peer: str, state: str, seconds: float, ess: float, mean: float = 0.0, **more: object) -> dict[str, object]:
    return {
        "peer": peer, "size": "small", "state": state, "repeat": 1, "outcome": "finished", "seconds": seconds,
        "cpu": 2 * seconds, "peak_mb": 300.0, "ess_min": ess, "sampler": "nuts", "mean": {"time": mean},
        "sd": {"time": 0.5}, **more,
    }  # fmt: skip


MEASUREMENTS = [
    one("safezone-nuts", "first", 20.0, 4000.0),
    one("safezone-nuts", "later", 2.0, 4000.0),
    one("safezone-nuts", "later", 4.0, 4000.0),
    one("safezone-nuts", "later", 3.0, 4500.0),
    one("bambi", "first", 100.0, 400.0, mean=0.25),
    one("bambi", "later", 40.0, 400.0, mean=0.25),
    {"peer": "mixedlm", "size": "small", "state": "first", "repeat": 1, "outcome": "not finished in 900 s"},
    {"peer": "brms", "size": "small", "state": "first", "repeat": 1, "outcome": "skipped: no R"},
]
CONTENT = {
    "header": HEADER,
    "sizes": {"small": {"sessions": 2400, "clients": 200, "therapists": 20}},
    "measurements": MEASUREMENTS,
}


def cells(text: str, name: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {name} |")]
    return [cell.strip() for cell in line.split("|")[1:-1]]


def test_the_table_shows_medians_ratios_and_what_did_not_finish() -> None:
    text = table.speed_tables(CONTENT)
    # Later runs: 2, 3 and 4 s; effective draws per second 2000, 1500, 1000.
    assert cells(text, "safezone, NUTS")[1:9] == ["20", "3", "6", "4,000", "1,500", "200", "300", ""]
    assert cells(text, "Bambi + nutpie")[5:9] == ["10", "4", "300", "0.50 (time)"]
    assert cells(text, "statsmodels MixedLM")[-1] == "not finished in 900 s"
    assert cells(text, "brms")[-1] == "skipped: no R"
    assert "Later runs: ESS per second over that of the best peer (Bambi + nutpie): safezone, NUTS 150 ×." in text
    assert "First runs, with all compilation" in text
    assert "safezone, NUTS 50 ×" in text
    assert "### 2,400 sessions, 200 clients, 20 therapists" in text
    assert "bambi" not in text.splitlines()[0], "packages that are absent are not listed"
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert widths == {len(table.HEADINGS) + 1}


def test_the_table_goes_between_its_markers(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- speed -->\nold\n<!-- /speed -->\nafter\n", encoding="utf-8")
    run.record(tmp_path / "speed.json", HEADER, MEASUREMENTS[0])
    table.write_tables(readme, tmp_path)
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("before\n<!-- speed -->\n2026-11-23; ")
    assert text.endswith("<!-- /speed -->\nafter\n")
    assert "old" not in text
    table.write_tables(readme, tmp_path)
    assert readme.read_text(encoding="utf-8") == text
    with pytest.raises(ValueError, match="lacks the markers <!-- kernel -->"):
        table.replaced(text, "kernel", "")


def test_the_committed_readme_has_the_markers_and_every_peer_a_name() -> None:
    text = table.README.read_text(encoding="utf-8")
    for name in ("speed", "kernel", "chain"):
        assert table.replaced(table.replaced(text, name, "x"), name, "y").count("\ny\n") == 1
    assert set(table.NAMES) == {*PEERS, *run.R_PEERS}
    assert {name for name in run.R_PEERS if (run.HERE / "r" / f"{name}.R").is_file()} == set(run.R_PEERS)


def test_a_measurement_replaces_its_predecessor(tmp_path: Path) -> None:
    path = tmp_path / "speed.json"
    for measurement in (MEASUREMENTS[0], MEASUREMENTS[4], {**MEASUREMENTS[0], "seconds": 7.0}):
        run.record(path, HEADER, measurement)
    import json

    kept = json.loads(path.read_text(encoding="utf-8"))["measurements"]
    assert [(found["peer"], found["seconds"]) for found in kept] == [("bambi", 100.0), ("safezone-nuts", 7.0)]


def test_a_process_is_measured_and_ended_at_the_limit(tmp_path: Path) -> None:
    hold = (
        "import time; x = bytearray(80_000_000); x[::4096] = b'1' * len(x[::4096]); end = time.process_time() + 0.3\n"
    )
    busy = [sys.executable, "-c", f"{hold}while time.process_time() < end: pass"]
    found = run.measure(busy, dict(os.environ), 60.0, tmp_path / "log")
    assert found["status"] == 0
    assert found["cpu"] >= 0.3
    assert found["seconds"] >= 0.3
    assert found["peak_mb"] > 76
    late = run.measure([sys.executable, "-c", "import time; time.sleep(60)"], dict(os.environ), 0.5, tmp_path / "log")
    assert late["status"] is None
    assert late["seconds"] < 30
    wrong = run.measure([sys.executable, "-c", "raise SystemExit(3)"], dict(os.environ), 60.0, tmp_path / "log")
    assert wrong["status"] == 3


def test_peers_without_r_are_skipped_visibly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(run, "make_data", lambda folder, _: folder)
    out = tmp_path / "speed.json"
    asked = argparse.Namespace(
        sizes=["tiny"], peers=["lme4"], repeats=1, chains=2, draws=100, warmup=100, time_limit=1.0, data=None, out=out
    )
    run.run(asked, tmp_path)
    assert "skipped: Rscript is not on this machine" in out.read_text(encoding="utf-8")


def test_sizes_are_exact_and_series_differ(tmp_path: Path) -> None:
    size = SIZES["tiny"]
    generate(tmp_path, size)
    internal = pd.read_csv(tmp_path / "internal.csv")
    per_client = internal.groupby("client").size()
    assert (len(internal), len(per_client), internal["therapist"].nunique()) == (
        size.sessions,
        size.clients,
        size.therapists,
    )
    assert per_client.nunique() > 3
    assert str(Size(1000, 10, 2)) == "1,000 sessions, 10 clients, 2 therapists"


def test_what_peers_see_is_what_safezone_sees(tmp_path: Path) -> None:
    """The internal file holds the design's numbers, and the model declared by hand is the design's, bit for bit."""
    from safezone.data.study import read_study
    from safezone.models.catalogue import model, plan
    from safezone.models.compilation import compile_system
    from safezone.models.marginal_form import system
    from safezone.models.partition import products_from_parquet

    generate(tmp_path, SIZES["tiny"])
    study = read_study(study_file(tmp_path, tmp_path, "sessions.parquet", chains=2, draws=100, warmup=100))
    (planned,) = plan(study)
    design = model(planned.kind).design(study, planned.name, planned.options)
    internal = pd.read_csv(tmp_path / "internal.csv")
    # A CSV holds the shortest decimals that read back exactly.
    np.testing.assert_array_equal(design.F, internal[["time", "arm", "baseline", "arm_time"]])
    np.testing.assert_array_equal(design.y, internal["y"])
    np.testing.assert_array_equal(design.client_z[:, 1], internal["time"])

    built = system(design)
    assert not isinstance(built, str)
    declared = course_system(tmp_path / "units.parquet")
    products = products_from_parquet(declared, tmp_path / "internal.parquet", "client", {"y": COLUMNS})
    by_hand = compile_system(declared, per_client=False, products=products)
    theta = np.linspace(-0.4, 0.4, declared.dimension)
    assert by_hand.value(theta) == compile_system(built, per_client=False).value(theta)


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["auto", "importance", "nuts"])
def test_the_fast_path_imports_neither_pymc_nor_pytensor(tmp_path: Path, sampler: str) -> None:
    """A Gaussian model from study file to stored fit; importance sampling loads no sampler or plots either."""
    generate(tmp_path, SIZES["tiny"])
    # As many draws as diagnostics ask for: else the ladder's last rung would rightly try PyMC.
    path = study_file(tmp_path, tmp_path, "sessions.csv", chains=4, draws=1000, warmup=1000)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("[sampling]\n", f'[sampling]\nsampler = "{sampler}"\n'), encoding="utf-8")
    code = (
        "import sys, safezone as sz\n"
        f"sz.fit({str(path)!r}, 'course')\n"
        "heavy = ('pymc', 'pytensor', 'bambi', 'arviz', 'matplotlib')\n"
        "print('nutpie' in sys.modules, *(name for name in heavy if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    nutpie, *loaded = done.stdout.split()
    # Where NUTS runs, nutpie itself imports arviz and with it matplotlib; PyMC and PyTensor never.
    assert set(loaded) <= ({"arviz", "matplotlib"} if nutpie == "True" else set())
    assert sampler != "nuts" or nutpie == "True"


def test_the_benchmark_of_the_chain_has_seven_responses_on_three_levels(tmp_path: Path) -> None:
    from safezone.benchmarks import chain
    from safezone.models.catalogue import model, plan
    from safezone.models.path_design import PathDesign

    study = chain.study(tmp_path / "study", (24, 4, 5), 1)
    (entry,) = plan(study)
    design = model("chain").design(study, entry.name, entry.options)
    assert isinstance(design, PathDesign)
    assert len(design.responses) == 7
    assert design.outcome_names == ("final",)
    assert design.session
    assert design.client_arrows
    assert design.therapist_arrows
    assert not isinstance(model("chain").system(design), str)


def test_the_table_of_the_chain_says_how_busy_the_machine_was() -> None:
    measured = {
        "clients": 300, "sessions": 20, "therapists": 40, "responses": 7, "parameters": 80, "paths": 38,
        "sampler": "nuts", "chains": 4, "draws": 1000, "warmup": 1000, "seconds": 90.0, "cpu_seconds": 150.0,
        "ess_min": 2500, "ess_min_path": "path.client.a->b", "ess_min_indirect": 2000, "divergences": 0,
    }  # fmt: skip
    text = table.chain_table({"header": {**HEADER, "load_before": 12.3}, "chain": measured})
    assert cells(text, "CPU s per 400 effective draws of the slowest path")[1] == "24"
    assert cells(text, "load of the machine before (two cores)")[1] == "12.3"
    assert cells(text, "smallest bulk ESS of a path")[1] == "2,500 (path.client.a->b)"
