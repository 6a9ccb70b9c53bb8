"""The multiverse: every combination once, the study's own from the store, and what is fitted is what differs."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pandas as pd
import pytest

from safezone.analysis import fitting
from safezone.analysis import multiverse as module
from safezone.analysis.multiverse import multiverse
from safezone.analysis.pipeline import fit, sensitivity
from safezone.analysis.progress import Silent
from safezone.analysis.sensitivity import COLUMNS
from safezone.analysis.store import Store
from safezone.data.errors import InputError
from safezone.data.examples import example_path
from safezone.data.study import read_study

_SPEC = importlib.util.spec_from_file_location("small_study", Path(__file__).parents[1] / "small_study.py")
assert _SPEC is not None
assert _SPEC.loader is not None
small_study = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(small_study)


MODELS = '[models.depth]\nkind = "within_between"\noutcome = "depth"\npredictors = ["safety"]\ntime = "linear"\n'


class Counting(Silent):
    """Counts what is fitted."""

    def __init__(self) -> None:
        self.models: set[str] = set()

    def start(self, model: str, *, chains: int, draws: int) -> None:
        self.models.add(model)


def holed(folder: Path) -> Path:
    """Write the small study with two ratings missing and a client who stayed for two sessions only."""
    path: Path = small_study.write_study(folder, MODELS)
    lines = (folder / "sessions.csv").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith(("c03,3", "c03,4", "c03,5"))]
    for at in (2, 30):
        cells = kept[at].split(",")
        cells[3] = ""
        kept[at] = ",".join(cells)
    (folder / "sessions.csv").write_text("\n".join(kept) + "\n", encoding="utf-8")
    return path


def test_a_dry_run_says_what_would_be_asked_and_fits_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    progress = Counting()
    study = read_study(example_path("harbour"))
    store = Store(tmp_path / "store")
    found = multiverse(study, store, rows=["C1", "X4", "T1"], progress=progress, say=said.append, dry=True)
    assert progress.models == set()
    assert not any(one.fitted for one in found)
    assert all(pd.isna(one.mean) for one in found)
    same = [one for one in found if (one.id, one.part) == ("C1", "same session")]
    assert len(same) == 2 * 4 * 2 + 3
    assert same[0].own
    assert same[0].quantity == "Depth of exploration with Felt safety (client) in the same session, within clients"
    # Latent centring of a slope that differs between clients needs PyMC: asked by itself, and not crossed.
    effects = [one for one in found if (one.id, one.part) == ("X4", "effects of safety")]
    latent = [one for one in effects if one.choices["centring"] == "latent"]
    assert [(one.choices["therapists"], one.choices["missing"], one.choices["outliers"]) for one in latent] == [
        ("yes", "modelled", "gaussian")
    ]
    assert "specifications" in said[-1]
    assert "by PyMC (about" in said[-1]


def test_complete_sessions_are_counted(tmp_path: Path) -> None:
    study = read_study(holed(tmp_path))
    found = multiverse(study, Store(tmp_path / "store"), rows=["C1"], dry=True)
    sessions = {one.choices["missing"]: one.sessions for one in found if one.part == "same session"}
    # 24 clients with 5 sessions, one of whom left after 2; in two sessions safety was not rated.
    assert sessions == {"modelled": 117, "complete": 115, "pattern": 115}


def test_an_unknown_row_is_refused_with_the_nearest(tmp_path: Path) -> None:
    study = read_study(small_study.write_study(tmp_path, MODELS))
    with pytest.raises(InputError, match="C1"):
        sensitivity(study, ["C11"])
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_the_table_holds_every_combination_the_own_one_is_the_studys_fit_and_a_second_run_fits_nothing(
    tmp_path: Path,
) -> None:
    path = holed(tmp_path)
    estimates = fit(path, "depth").estimates()
    own = estimates.loc[(estimates["estimand"] == "safety.within") & (estimates["scale"] == "standardised"), "mean"]
    progress = Counting()
    said: list[str] = []
    # T residuals would need PyMC, which takes half a minute to compile.
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("safezone.analysis.specifications.ALONE", {"within_between": ("missing",)})
        found, file = sensitivity(read_study(path), ["C1"], progress=progress, say=said.append)
        again, repeated = Counting(), []
        for kept in (True, False):  # from the answers that were kept, and from the fits
            if not kept:
                shutil.rmtree(path.parent / ".safezone" / "findings")
            repeated.append(sensitivity(read_study(path), ["C1"], progress=again)[0])
    same = [one for one in found if one.part == "same session"]
    assert len(same) == 2 * 4 * 2 + 2
    assert same[0].own
    assert same[0].mean == pytest.approx(float(own.iloc[0]))  # from the store: the very same draws
    assert len(progress.models) == len(found) - 1
    assert again.models == set()
    assert repeated == [found, found]
    assert said[1].startswith(f"sensitivity: fit 1 of {len(found) - 1} (about ")
    assert file is not None
    table = pd.read_csv(file)
    assert tuple(table.columns) == COLUMNS
    assert len(table) == len(found)
    assert set(table["centring"]) == {"latent", "observed"}
    assert set(table["missing"]) == {"modelled", "complete", "pattern"}
    # True slope 0.5; 24 clients with 5 sessions: all combinations agree on the direction.
    assert (table.loc[table["part"] == "same session", "lower"] > 0).all()


@pytest.mark.slow
def test_what_fails_its_diagnostics_is_shown_as_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = read_study(small_study.write_study(tmp_path, MODELS, clients=12))
    obtain = fitting.obtain_draws

    def failing(task, keys, store, progress):
        draws, verdict = obtain(task, keys, store, progress)
        return draws, "not trusted: R-hat 1.3 is above 1.01" if task.name.endswith(" no") else verdict

    monkeypatch.setattr(module, "obtain_draws", failing)
    monkeypatch.setattr("safezone.analysis.specifications.CROSSED", {"within_between": ("therapists",)})
    monkeypatch.setattr("safezone.analysis.specifications.ALONE", {})
    monkeypatch.setattr(module, "CROSSED", {"within_between": ("therapists",)})
    found = [one for one in multiverse(study, Store(tmp_path / "store"), rows=["C1"]) if one.part == "same session"]
    assert [one.choices["therapists"] for one in found] == ["yes", "no"]
    assert found[0].verdict.partition(":")[0] != "not trusted"
    assert found[1].verdict == "not trusted: R-hat 1.3 is above 1.01"
    assert not pd.isna(found[1].mean)
