"""Published results come out again, from a study folder to the results folder.

Why the tolerances are what they are
    *Coefficients*: within 0.15 standard errors (SE) of the reference. What moves a posterior mean away from maximum
    likelihood: its prior, normal(0, 1) or wider on the standardised scale, pulls by at most SE²/(1 + SE²) of the
    estimate, which is below 0.07 SE here (the largest are SE = 0.16 and z = 1.6 of *Beat the Blues*); averaging
    over variances instead of fixing them at their maximum moves unbalanced data by a few hundredths; the Monte Carlo
    error is 0.017 SE. The largest that was found is 0.10 SE.

    *Posterior SDs*: between 0.95 and 1.15 times the SE. They hold the uncertainty of the variances, which ML and REML
    leave out: about √(ν/(ν − 2)), with ν the clients less the coefficients, that is 1.06 for the 18 people of
    sleepstudy, and 1.01 to 1.03 elsewhere, where ML's bias of the variances adds as much again.

    *SDs and correlations of clients and residuals*, lags without a published SE: within 0.5 posterior SDs. Papers
    print the maximum, and the posterior of an SD is skewed to the right: its mean lies above by 0.1 to 0.3 posterior
    SDs; where the reference is ML, its bias adds up to 0.2. A correlation that is hardly known is spread over (-1, 1),
    and the SDs follow. ``test_brute_force.py`` shows for the largest differences (0.45 and 0.46) that they are this
    and nothing else: quadrature with the same priors gives the same means to the Monte Carlo error.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import safezone as sz

from .cases import (
    ALCOHOL,
    BEAT_THE_BLUES,
    CBASP,
    COUPLES,
    DYAD_PANEL,
    PANEL_X,
    PANEL_Y,
    RIESBY,
    SLEEPSTUDY,
    UNEMPLOYMENT,
    Case,
    write_study,
)
from .outcome import read_outcome

COEFFICIENT = 0.15
WIDTH = (0.95, 1.15)
SPREAD = 0.5


def assert_reproduced(case: Case, results: Path) -> None:
    """Compare a results folder with its case; every miss is named."""
    outcome = read_outcome(case, results)
    assert (outcome.rows, outcome.clients, outcome.verdict) == (case.rows, case.clients, "trusted")
    table = outcome.table.set_index("estimand")
    assert len(table) == len(case.targets)
    allowed = np.where(table["kind"] == "fixed", COEFFICIENT, SPREAD)
    missed = table[table["difference"].abs() > allowed]
    assert missed.empty, f"\n{missed}"
    ratio = (table["sd"] / table["error"]).dropna()
    assert len(ratio) == (table["kind"] == "fixed").sum()
    assert ratio.between(*WIDTH).all(), f"\n{ratio}"


@pytest.mark.slow
def test_beat_the_blues_by_the_command_line(tmp_path: Path) -> None:
    """The whole of ``safezone run``: read, check, fit, report; then again, with nothing left to do."""
    folder = tmp_path / "beat the blues"
    write_study(BEAT_THE_BLUES, folder, tmp_path)
    command = [sys.executable, "-m", "safezone", "run", str(folder), "--quiet", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    results = folder / "results"
    assert_reproduced(BEAT_THE_BLUES, results)
    printed = {(row["estimand"], row["scale"]): row["mean"] for row in json.loads(done.stdout)["estimates"]}
    table = read_outcome(BEAT_THE_BLUES, results).table
    for estimand, mean in zip(table["estimand"], table["mean"], strict=True):
        assert printed[estimand, "raw"] == pytest.approx(mean, rel=1e-6)

    page = (results / "report" / "article.html").read_text(encoding="utf-8")
    assert "Beck Depression Inventory" in page
    assert "0.71 points" in page  # the course, in words: -0.706 (MCSE 0.002) per month
    lock = json.loads((results / "numbers.lock.json").read_text(encoding="utf-8"))
    assert "course.time" in json.dumps(lock)

    before = (results / "estimates.csv").read_bytes()
    again = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert again.returncode == 0, again.stderr
    assert (results / "estimates.csv").read_bytes() == before


def test_sleepstudy(tmp_path: Path) -> None:
    result = sz.run(write_study(SLEEPSTUDY, tmp_path / "study", tmp_path))
    assert_reproduced(SLEEPSTUDY, result.folder)


@pytest.mark.parametrize("case", [RIESBY, ALCOHOL, UNEMPLOYMENT, CBASP], ids=lambda case: case.name)
def test_published(case: Case, shared: Path, tmp_path: Path) -> None:
    result = sz.run(write_study(case, tmp_path / "study", shared / "data"))
    assert_reproduced(case, result.folder)


@pytest.mark.slow
@pytest.mark.parametrize("case", [PANEL_Y, PANEL_X], ids=lambda case: case.name)
def test_lags_are_those_of_a_cross_lagged_panel(case: Case, shared: Path, tmp_path: Path) -> None:
    """Another model of the same question, fitted to simulated data: y on x 0.127, x on x 0.254."""
    result = sz.run(write_study(case, tmp_path / "study", shared / "data"))
    assert_reproduced(case, result.folder)


@pytest.mark.slow
def test_lags_are_those_of_a_cross_lagged_panel_in_a_dyad(shared: Path, tmp_path: Path) -> None:
    """The same model as the panel's, both series at once, with a mean for every wave."""
    result = sz.run(write_study(DYAD_PANEL, tmp_path / "study", shared / "data"))
    assert_reproduced(DYAD_PANEL, result.folder)


def test_couples_whose_members_are_alike(shared: Path, tmp_path: Path) -> None:
    """Sums and differences, one interview per couple."""
    result = sz.run(write_study(COUPLES, tmp_path / "study", shared / "data"))
    assert_reproduced(COUPLES, result.folder)


def test_values_are_those_of_the_shared_table(shared: Path) -> None:
    """The numbers typed above have not drifted from the table that they were copied from."""
    import tomllib

    table = tomllib.loads((shared / "data" / "reference.toml").read_text(encoding="utf-8"))
    blues = {"time": "month", "treatment[BtheB]": "treatment_BtheB", "drug[Yes]": "drug_yes"}
    alcohol = {"time": "age14", "coa:time": "age14_coa", "peer:time": "age14_peer"}
    named = (
        (BEAT_THE_BLUES, table["BtheB"], blues | {"length[>6m]": "length_over_6m"}),
        (SLEEPSTUDY, table["sleepstudy"], {"time": "days"}),
        (RIESBY, table["riesby"]["growth_ml"], {"time": "week"}),
        (ALCOHOL, table["alcohol_use_1"]["model_D"], alcohol),
        (UNEMPLOYMENT, table["depression_unemployment"]["model_B"], {"time": "months"}),
        (CBASP, table["cbasp"]["growth"], {"time": "t", "arm[second]": "arm", "arm[second]:time": "t_arm"}),
    )
    alike = table["acipair"]["apim_indistinguishable"]
    assert {name: [target.value, getattr(target, "error", None)] for name, target in COUPLES.targets.items()} == {
        name: alike[name] for name in ("actor", "partner")
    }
    lags = table["riclpm_simulated"]["equal_lags"]
    assert [target.value for target in DYAD_PANEL.targets.values()] == [lags["y_on_x"], lags["x_on_x"]]
    compared = 0
    for case, published, called in named:
        for estimand, target in case.targets.items():
            key = called.get(estimand, estimand)
            if key in published:
                assert [target.value, getattr(target, "error", None)] == published[key], (case.name, estimand)
                compared += 1
    assert compared == 23
