"""A random-intercept cross-lagged panel is a dyad whose first wave loads on the usual levels by one.

The dyad lets the session that starts a series load freely on the latent means, because series rarely start settled;
that is what moves its lags 0.3 posterior SDs away from the panel's. With the panel's loadings the lags are the panel's.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from safezone.analysis import marginal
from safezone.data.study import read_study
from safezone.models.catalogue import model
from safezone.models.compilation import compile_system
from safezone.models.gaussian import CONSTANT, GaussianSystem
from safezone.models.path_design import ZERO, PathDesign

from .cases import DYAD_PANEL, Spread, write_study


@pytest.mark.slow
def test_with_the_loadings_of_the_panel_the_lags_are_its_own(shared: Path, tmp_path: Path) -> None:
    study = read_study(write_study(DYAD_PANEL, tmp_path / "study", shared / "data"))
    entry = model("dyad")
    design = entry.design(study, "dyad", study.config.models["dyad"].model_copy(update={"kind": "dyad"}))
    assert isinstance(design, PathDesign)
    loadings = {f"initial_loading[{a}|{b}]": CONSTANT if a == b else ZERO for a, b in design.initial_means}
    design = dataclasses.replace(design, ties=loadings)
    declared = entry.system(design)
    assert isinstance(declared, GaussianSystem)
    compiled = compile_system(declared, per_client=False)
    found = marginal.sample(compiled, sampler="auto", chains=4, draws=500, warmup=300, seed=1)
    posterior = entry.posterior(design, compiled, found.theta, seed=1, effects=False)
    draws = {one.name: one.draws(posterior) for one in entry.estimands(design) if one.scale == "raw"}
    for name, target in DYAD_PANEL.targets.items():
        assert isinstance(target, Spread)
        # Maximum likelihood printed to three digits, 0.04 posterior SDs; flat priors; Monte Carlo error 0.03 of them.
        assert abs(float(draws[name].mean()) - target.value) < 0.1 * float(draws[name].std()), name
