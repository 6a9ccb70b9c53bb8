"""Kernel and PyMC agree within Monte Carlo error: three models on two data sets, and *Beat the Blues*.

Criterion: means and SDs of every estimand differ by less than 4 Monte Carlo standard errors of the difference, which a
right pair exceeds 6 times in 100,000 comparisons, and below 2 % of the time in any of the 250 or so here (many say the
same twice, raw and standardised). With 4,000 draws each, 4 standard errors are about 0.09 posterior SDs.

Each PyMC model takes a minute or more: `make test` runs one of them, `make calibrate` all.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from . import twins
from .cases import BEAT_THE_BLUES, UNEMPLOYMENT, write_study

MOST = 4.0

MORE = """
[models.shares]
kind = "variance"
outcome = "cesd"

[models.events]
kind = "within_between"
outcome = "cesd"
predictors = ["unemployed"]
"""


def assert_agree(study_file: Path, model: str, folder: Path) -> None:
    table = twins.compare(study_file, model, folder)
    assert len(table) > 5
    apart = table[(table["z_mean"].abs() > MOST) | (table["z_sd"].abs() > MOST)]
    assert apart.empty, f"\n{apart}"


@pytest.mark.calibration
@pytest.mark.parametrize("model", ["safety_shares", "course", "depth"])
def test_on_the_example_study(model: str, example_study: Path, tmp_path: Path) -> None:
    """Simulated, with therapists: variance, growth by arm, and two predictors taken apart with latent centring."""
    assert_agree(example_study, model, tmp_path)


@pytest.mark.calibration
@pytest.mark.parametrize("model", ["shares", "model_B", "events"])
def test_on_real_interviews(model: str, shared: Path, tmp_path: Path) -> None:
    """Real: 254 people with one to three interviews, a binary predictor."""
    assert_agree(write_study(UNEMPLOYMENT, tmp_path / "study", shared / "data", MORE), model, tmp_path)


@pytest.mark.slow
def test_on_beat_the_blues(tmp_path: Path) -> None:
    assert_agree(write_study(BEAT_THE_BLUES, tmp_path / "study", tmp_path), BEAT_THE_BLUES.model, tmp_path)
