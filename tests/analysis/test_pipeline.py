"""The cached pipeline on a real study with a cheap catalogue: what is refitted, written, refused, and why."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from safezone.analysis import keys, provenance
from safezone.analysis.folder import PACKAGE, record_report, source_digests, source_moved
from safezone.analysis.pipeline import fit, run, status
from safezone.analysis.store import Store
from safezone.data.errors import InputError
from safezone.data.tables import NAMES

HERE = Path(__file__).parent
BOTH = ("variance_safety", "variance_alliance")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def edit_rating(study_file: Path, column: str) -> None:
    path = study_file.parent / "sessions.csv"
    table = pd.read_csv(path)
    table.loc[10, column] = 6.5
    table.to_csv(path, index=False)


def states(study_file: Path) -> dict[str, str]:
    return {one.name: one.state for one in status(study_file)}


def because(study_file: Path, name: str) -> str:
    return " | ".join(next(one.because for one in status(study_file) if one.name == name))


# --- what a run writes -------------------------------------------------------------------------------


def test_a_run_writes_the_results_folder(fake, study_file):
    result = run(study_file)
    folder = study_file.parent / "results"
    assert result.folder == folder
    assert result.refitted == BOTH
    assert result.exit_code == 0
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert written == {
        "estimates.csv",
        "estimates.json",
        "diagnostics.csv",
        "manifest.json",
        *(f"data/{name}.csv" for name in (*NAMES, "checks")),
        *(f"fits/{name}.{ending}" for name in BOTH for ending in ("nc", "json")),
    }
    estimates = pd.read_csv(folder / "estimates.csv")
    assert list(dict.fromkeys(estimates["model"])) == list(BOTH)
    assert json.loads((folder / "estimates.json").read_text())[0]["mean"] == estimates["mean"].iloc[0]
    diagnostics = pd.read_csv(folder / "diagnostics.csv")
    assert list(diagnostics.columns) == [
        "model",
        "draws",
        "chains",
        "divergences",
        "rhat_max",
        "ess_bulk_min",
        "ess_tail_min",
        "bfmi_min",
        "pareto_k_max",
        "wall_seconds",
        "sampler",
        "verdict",
    ]
    assert set(diagnostics["verdict"]) == {"trusted"}


def test_the_manifest_says_where_the_numbers_come_from(fake, study_file):
    run(study_file)
    manifest = json.loads((study_file.parent / "results" / "manifest.json").read_text())
    assert manifest["study_file"] == "study.toml"
    assert set(manifest["data"]["files"]) == {"study.toml", "sessions.csv"}
    assert manifest["models"]["variance_safety"]["seed"] == provenance.model_seed(7, "variance_safety")
    assert manifest["models"]["variance_safety"]["priors"]["intercept"] == "normal(0, 1)"
    assert manifest["packages"]["numpy"] == np.__version__
    assert manifest["state"] == "complete"
    assert "results" not in manifest["files"]
    assert str(study_file.parent) not in json.dumps(manifest)  # no paths of people's machines


def test_exported_draws_hold_no_single_client(fake, study_file):
    import xarray as xr

    run(study_file)
    folder = study_file.parent / "results"
    with xr.open_datatree(folder / "fits" / "variance_safety.nc", engine="h5netcdf") as tree:
        groups = {str(name): set(map(str, group.data_vars)) for name, group in tree.children.items()}
    assert {"posterior", "sample_stats", "prior", "posterior_predictive", "estimands"} <= set(groups)
    assert "client_effects" not in set().union(*groups.values())
    assert "observed_data" not in groups
    text = (folder / "fits" / "variance_safety.json").read_text()
    assert "c03" not in text  # an identifier of the small study


def test_a_fit_brings_posterior_effects_and_estimates(fake, study_file):
    found = fit(study_file, "variance_safety")
    assert found.diagnostics.trusted
    assert found.posterior["effects"]["client_effects"].sizes["client"] == 14
    assert set(found.estimates()["model"]) == {"variance_safety"}
    assert fake.Sampler.calls == ["variance_safety"]
    fit(study_file, "variance_safety")
    assert fake.Sampler.calls == ["variance_safety"]


# --- what is done again ------------------------------------------------------------------------------


def test_a_fit_from_memory_is_the_fit_from_the_store(fake, study_file):
    made, found = (fit(study_file, "variance_safety") for _ in range(2))
    assert made.posterior.children.keys() == found.posterior.children.keys()
    for name, group in made.posterior.children.items():
        xr.testing.assert_identical(group.to_dataset(), found.posterior[name].to_dataset())
    pd.testing.assert_frame_equal(made.estimates(), found.estimates())
    assert made.provenance == found.provenance


def test_nothing_is_done_twice_and_no_file_is_touched(fake, study_file):
    run(study_file)
    folder = study_file.parent / "results"
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    result = run(study_file)
    assert result.refitted == ()
    assert result.changed == ()
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert set(states(study_file).values()) == {"fresh", "missing"}  # the report has not been rendered
    assert fake.Sampler.calls == list(BOTH)


def test_one_rating_refits_exactly_the_models_that_use_it(fake, study_file):
    run(study_file)
    fake.Sampler.calls.clear()
    edit_rating(study_file, "alli")
    assert states(study_file)["variance_safety"] == "fresh"
    assert because(study_file, "variance_alliance") == "the data that this model uses changed"
    result = run(study_file)
    assert result.refitted == ("variance_alliance",)
    assert fake.Sampler.calls == ["variance_alliance"]


def test_prose_refits_nothing(fake, study_file):
    run(study_file)
    fake.Sampler.calls.clear()
    edit(study_file, 'title = "A small study"', 'title = "Another title"')
    assert states(study_file)["variance_safety"] == "fresh"
    assert run(study_file).refitted == ()
    assert fake.Sampler.calls == []


def test_a_label_renews_the_card_without_refitting(fake, study_file):
    run(study_file)
    fake.Sampler.calls.clear()
    edit(study_file, "Felt safety", "Safety as felt")
    assert "labels" in because(study_file, "variance_safety")
    run(study_file)
    assert fake.Sampler.calls == []
    card = json.loads((study_file.parent / "results/fits/variance_safety.json").read_text())
    assert card["outcome"]["label"] == "Safety as felt"


@pytest.mark.parametrize(
    ("change", "words", "refits"),
    [
        (("seed = 7", "seed = 8"), "the sampling settings changed (seed 7 → 8)", True),
        (("draws = 300", "draws = 400"), "the sampling settings changed (draws 300 → 400)", True),
        (
            ("[sampling]", "[report]\ninterval = 0.9\n[sampling]"),
            "the interval of the report changed (0.95 → 0.9)",
            False,
        ),
        (
            ("[sampling]", "[report.rope]\ndefault = 0.2\n[sampling]"),
            "the region of practical equivalence changed (default 0.1 → 0.2)",
            False,
        ),
    ],
)
def test_settings_say_what_they_make_stale(fake, study_file, change, words, refits):
    run(study_file)
    fake.Sampler.calls.clear()
    edit(study_file, *change)
    assert because(study_file, "variance_safety") == words
    run(study_file)
    assert (fake.Sampler.calls == list(BOTH)) is refits
    assert states(study_file)["variance_safety"] == "fresh"


def test_options_and_priors_say_what_they_make_stale(fake, study_file):
    text = study_file.read_text()
    study_file.write_text(text + '[models.variance_safety]\nkind = "variance"\noutcome = "safety"\n')
    run(study_file)
    with study_file.open("a") as handle:
        handle.write('residual = "ar1"\n')
    assert because(study_file, "variance_safety") == "the model's options changed"


def test_code_and_packages_say_what_they_make_stale(fake, study_file, monkeypatch):
    run(study_file)
    monkeypatch.setattr(keys, "source_fingerprint", lambda modules, room: "new")
    assert "the model's code changed" in because(study_file, "variance_safety")
    monkeypatch.undo()
    fake.install(monkeypatch.setitem, monkeypatch.setattr)
    real = provenance.majors(provenance.NUMERICAL)
    newer = {**real, "numpy": "99"}
    monkeypatch.setattr(provenance, "majors", lambda names: newer if "numpy" in names else dict.fromkeys(names, "0"))
    assert f"numerical packages changed (numpy {real['numpy']} → 99)" in because(study_file, "variance_safety")


def test_undoing_an_edit_finds_the_old_fit(fake, study_file):
    original = (study_file.parent / "sessions.csv").read_bytes()
    run(study_file)
    edit_rating(study_file, "saf")
    run(study_file)
    fake.Sampler.calls.clear()
    (study_file.parent / "sessions.csv").write_bytes(original)
    run(study_file)
    assert fake.Sampler.calls == []


def test_force_fits_again_and_gives_the_same_numbers(fake, study_file):
    run(study_file)
    before = (study_file.parent / "results/estimates.csv").read_bytes()
    fake.Sampler.calls.clear()
    assert run(study_file, force=True).refitted == BOTH
    assert fake.Sampler.calls == list(BOTH)
    assert (study_file.parent / "results/estimates.csv").read_bytes() == before


def test_a_damaged_entry_is_refitted_and_gives_the_same_numbers(fake, study_file):
    run(study_file)
    before = (study_file.parent / "results/estimates.csv").read_bytes()
    for path in (study_file.parent / ".safezone").rglob("*.nc"):
        path.write_bytes(path.read_bytes()[:-100])
    assert because(study_file, "variance_safety") == "the stored fit is damaged or was deleted"
    fake.Sampler.calls.clear()
    run(study_file)
    assert fake.Sampler.calls == list(BOTH)
    assert (study_file.parent / "results/estimates.csv").read_bytes() == before


def test_a_chosen_model_is_fitted_alone_and_the_other_is_left_out(fake, study_file):
    result = run(study_file, ["variance_alliance"])
    assert fake.Sampler.calls == ["variance_alliance"]
    assert result.left_out == ("variance_safety",)
    assert set(pd.read_csv(result.folder / "estimates.csv")["model"]) == {"variance_alliance"}
    assert set(run(study_file).refitted) == {"variance_safety"}


def test_an_unknown_model_is_refused_with_the_choices(fake, study_file):
    with pytest.raises(InputError, match="variance_safety, variance_alliance"):
        run(study_file, ["growth"])


def test_a_model_that_left_the_study_file_leaves_the_results(fake, study_file):
    run(study_file)
    with study_file.open("a") as handle:
        handle.write('[models.variance_safety]\nkind = "variance"\noutcome = "safety"\n')
    run(study_file)
    folder = study_file.parent / "results"
    assert not (folder / "fits/variance_alliance.nc").exists()
    assert set(pd.read_csv(folder / "estimates.csv")["model"]) == {"variance_safety"}


# --- trust -------------------------------------------------------------------------------------------


def test_a_fit_that_no_remedy_saves_is_shown_as_not_trusted(fake, study_file, monkeypatch):
    def stuck(name, dataset):
        if name == "variance_safety":
            dataset["intercept"][0] += 5
        return dataset

    monkeypatch.setattr(fake.Sampler, "faulty", staticmethod(stuck))
    result = run(study_file)
    assert result.exit_code == 3
    assert [outcome.trusted for outcome in result.outcomes] == [False, True]
    card = json.loads((result.folder / "fits/variance_safety.json").read_text())
    steps = [one["step"] for one in card["remedies"]]
    assert steps[0] == "as asked"
    assert len(steps) == 3  # longer with smaller steps, twice; the fake model has no other form
    assert all("rhat" in one["because"] for one in card["remedies"][1:])
    assert "R-hat" in card["verdict"]
    diagnostics = pd.read_csv(result.folder / "diagnostics.csv").set_index("model")["verdict"]
    assert diagnostics["variance_safety"].startswith("not trusted: ")
    fake.Sampler.calls.clear()
    assert run(study_file).exit_code == 3  # remembered, neither forgotten nor fitted again
    assert fake.Sampler.calls == []


def test_a_remedy_that_helps_is_recorded(fake, study_file, monkeypatch):
    def once(name, dataset):
        if len(fake.Sampler.calls) == 1:
            dataset["intercept"][0] += 5
        return dataset

    monkeypatch.setattr(fake.Sampler, "faulty", staticmethod(once))
    result = run(study_file, ["variance_safety"])
    assert result.exit_code == 0
    card = json.loads((result.folder / "fits/variance_safety.json").read_text())
    assert [one["step"] for one in card["remedies"]] == [
        "as asked",
        "longer warm-up and twice the draws; smaller steps (target acceptance 0.95)",
    ]
    assert card["diagnostics"]["draws"] == 600


def test_a_model_without_a_draw_is_an_outcome_and_not_a_crash(fake, study_file, monkeypatch):
    from safezone.analysis import sampling

    def broken(name, dataset):
        if name == "variance_safety":
            raise sampling.SamplingError("No draws: initial point is not finite")
        return dataset

    monkeypatch.setattr(fake.Sampler, "faulty", staticmethod(broken))
    result = run(study_file)
    assert result.exit_code == 3
    assert "initial point" in result.outcomes[0].verdict
    table = pd.read_csv(result.folder / "diagnostics.csv").set_index("model")
    assert table.loc["variance_safety", "draws"] == 0
    assert set(pd.read_csv(result.folder / "estimates.csv")["model"]) == {"variance_alliance"}
    assert json.loads((result.folder / "fits/variance_safety.json").read_text())["verdict"].startswith("not trusted")


# --- the folder --------------------------------------------------------------------------------------


def test_somebody_elses_folder_is_refused_before_anything_is_done(fake, study_file):
    folder = study_file.parent / "results"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="did not write") as caught:
        run(study_file)
    assert caught.value.exit_code == 2
    assert "--out" in str(caught.value)
    assert fake.Sampler.calls == []
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_somebody_elses_file_among_ours_is_refused(fake, study_file):
    run(study_file, ["variance_safety"])
    foreign = study_file.parent / "results/fits/variance_alliance.json"
    foreign.write_text("mine")
    with pytest.raises(InputError, match=r"variance_alliance\.json"):
        run(study_file)
    assert foreign.read_text() == "mine"


def test_out_puts_the_results_elsewhere(fake, study_file, tmp_path):
    result = run(study_file, out=tmp_path / "else where" / "deep")
    assert (tmp_path / "else where" / "deep" / "estimates.csv").is_file()
    assert result.folder == tmp_path / "else where" / "deep"
    assert not (study_file.parent / "results").exists()


@pytest.mark.parametrize("place", ["store", "results"])
def test_a_full_disk_is_said_and_leaves_the_old_results_whole(fake, study_file, monkeypatch, place):
    run(study_file)
    before = {p: p.read_bytes() for p in (study_file.parent / "results").rglob("*") if p.is_file()}
    edit_rating(study_file, "saf")
    real = os.replace if place == "results" else os.rename

    def full(source, target, *args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace" if place == "results" else "rename", full)
    with pytest.raises(InputError, match="No space left") as caught:
        run(study_file)
    assert caught.value.exit_code == 2
    monkeypatch.setattr(os, "replace" if place == "results" else "rename", real)
    assert {p: p.read_bytes() for p in (study_file.parent / "results").rglob("*") if p.is_file()} == before
    run(study_file)
    assert states(study_file)["variance_safety"] == "fresh"


def test_a_changed_result_file_is_seen(fake, study_file):
    run(study_file)
    (study_file.parent / "results/estimates.csv").write_text("model\n")
    assert "estimates.csv is missing or was changed by hand" in because(study_file, "variance_safety")


def test_a_report_is_stale_when_results_or_template_changed(fake, study_file):
    run(study_file)
    folder = study_file.parent / "results"
    template = study_file.parent / "article.qmd"
    template.write_text("prose")
    page = folder / "report" / "article.html"
    page.parent.mkdir()
    page.write_text("<p>")
    sources = source_digests([template], study_file.parent)
    record_report(folder, "article", {"formats": ["html"], "renderer": "embedded"}, [page], sources)
    assert states(study_file)["article"] == "fresh"
    template.write_text("other prose")
    assert because(study_file, "article") == "article.qmd changed"
    assert states(study_file)["variance_safety"] == "fresh"
    template.write_text("prose")
    edit_rating(study_file, "saf")
    assert "model variance_safety is stale" in because(study_file, "article")
    run(study_file)
    assert because(study_file, "article") == "the results changed"
    assert page.exists()  # a run does not remove what the report wrote


def test_the_manifest_names_neither_places_nor_people(fake, study_file, tmp_path):
    data = study_file.parent / "sessions.csv"
    study_file.write_text(study_file.read_text().replace('"sessions.csv"', f'"{data.as_posix()}"'))
    folder = run(study_file).folder
    own = study_file.parent / "reports" / "mine" / "mine.qmd"
    own.parent.mkdir(parents=True)
    own.write_text("prose")
    bundled = next((PACKAGE / "reports" / "templates").glob("article/*.qmd"))
    elsewhere = tmp_path.parent / "linked.qmd"
    elsewhere.write_text("x")
    sources = source_digests([own, bundled, elsewhere], study_file.parent)
    page = folder / "page.html"
    page.write_text("<p>")
    record_report(folder, "mine", {"formats": ["html"], "renderer": "embedded"}, [page], sources)
    text = (folder / "manifest.json").read_text(encoding="utf-8")
    assert list(sources) == [
        "reports/mine/mine.qmd",
        f"safezone:reports/templates/article/{bundled.name}",
        "linked.qmd",
    ]
    assert not any(source_moved(name, digest, study_file.parent) for name, digest in list(sources.items())[:2])
    for private in (tmp_path, PACKAGE, Path.home(), Path(tempfile.gettempdir())):
        assert str(private) not in text
    names = [key for part in (json.loads(text)["data"]["files"], sources) for key in part]
    assert not any(Path(name).is_absolute() for name in names)
    # Two letters would be found in any hash.
    assert len(platform.node()) < 4 or platform.node() not in text


# --- fresh runs are light, killed runs resume ---------------------------------------------------------

SCRIPT = """
import importlib.util, sys, threading, os, time
spec = importlib.util.spec_from_file_location("safezone_fake_catalogue", sys.argv[1])
fake = importlib.util.module_from_spec(spec); sys.modules[spec.name] = fake; spec.loader.exec_module(fake)
fake.install()
"""


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT + code, str(HERE / "fake.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_a_fresh_run_and_status_import_no_sampler_and_no_statistics(fake, study_file):
    first = python("from safezone.analysis.pipeline import run; run(sys.argv[2])", str(study_file))
    assert first.returncode == 0, first.stderr
    code = """
from safezone.analysis.pipeline import run, status
assert run(sys.argv[2]).refitted == ()
status(sys.argv[2])
heavy = ("pymc", "pytensor", "arviz_stats", "arviz", "nutpie", "statsmodels", "matplotlib", "numba", "scipy")
print([name for name in heavy if name in sys.modules])
"""
    done = python(code, str(study_file))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


KILLED = """
moment = sys.argv[3]
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
import signal
import safezone.analysis.store as store, safezone.analysis.fitting as fitting, safezone.analysis.folder as folder
if moment == "sampling":
    fake.Sampler.faulty = staticmethod(lambda name, dataset: die() if name == "variance_alliance" else dataset)
elif moment == "storing":
    real = store._write
    count = [0]
    def write(path, content):
        count[0] += 1
        result = real(path, content)
        if count[0] == 5:
            die()
        return result
    store._write = write
elif moment == "summarising":
    fitting._store_summary = die
elif moment == "writing":
    real_write = folder.ResultsFolder._write
    def write_one(self, name, content):
        if name == "diagnostics.csv":
            die()
        return real_write(self, name, content)
    folder.ResultsFolder._write = write_one
from safezone.analysis.pipeline import run
run(sys.argv[2])
"""


@pytest.mark.parametrize("moment", ["sampling", "storing", "summarising", "writing"])
def test_a_run_that_was_killed_is_resumed_with_the_same_numbers(fake, study_file, moment):

    undisturbed = run(study_file, out=study_file.parent / "undisturbed").folder
    expected = (undisturbed / "estimates.csv").read_bytes()

    shutil.rmtree(study_file.parent / ".safezone")
    done = python(KILLED, str(study_file), moment)
    assert done.returncode == -signal.SIGKILL, done.stderr
    begun = time.monotonic()
    result = run(study_file)
    assert time.monotonic() - begun < 60  # no lock was left behind
    assert (result.folder / "estimates.csv").read_bytes() == expected
    assert json.loads((result.folder / "manifest.json").read_text())["state"] == "complete"
    assert set(states(study_file).values()) == {"fresh", "missing"}
    assert list((study_file.parent / ".safezone" / "tmp").iterdir()) == []
    assert not [p for p in result.folder.rglob("*") if p.name.endswith((".tmp", ".part"))]


def test_the_store_lies_beside_the_study_and_says_that_it_may_go(fake, study_file):
    run(study_file)
    store = Store(study_file.parent / ".safezone")
    assert "Safe to delete" in (store.root / "README").read_text()
    assert store.recall("variance_safety") is not None
