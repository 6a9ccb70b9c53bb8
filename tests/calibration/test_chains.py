"""Path models against the simulator and their own prior, a little of it in every run of the tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from safezone.analysis.mode import find_mode
from safezone.models.catalogue import model
from safezone.models.compilation import compile_system
from safezone.models.path_form import system
from safezone.models.path_posterior import posterior

from . import bands, chains, path_generator, sbc, sbc_paths

FALSE_ALARM = 0.01


def test_a_large_study_shows_every_path_and_indirect_effect_of_the_simulator() -> None:
    # 2,500 clients, 250 therapists: at the mode, with the curvature there as posterior. The largest of 168 distances,
    # in posterior SDs, stays below 4.5 unless something is wrong; session paths are known to 2 %.
    scenario = chains.ChainScenario("large", (2500, 8, 250), 1, 9)
    design = chains.draw_design(scenario, 0)
    declared = system(design)
    assert not isinstance(declared, str)
    compiled = compile_system(declared, per_client=False)
    mode = find_mode(compiled)
    rng = np.random.default_rng(1)
    theta = mode.theta + rng.standard_normal((400, len(mode.theta))) @ mode.root.T
    values = posterior(design, compiled, theta[None], seed=1, effects=False)
    true = chains.true_values(scenario)
    distances: dict[str, float] = {}
    spreads: dict[str, float] = {}
    for estimand in model("chain").estimands(design):
        if estimand.scale == "raw" and estimand.name in true:
            draws = estimand.draws(values).to_numpy()
            value, unit = true[estimand.name]
            distances[estimand.name] = float((draws.mean() - value) / draws.std())
            spreads[estimand.name] = float(draws.std() * unit)
    assert set(distances) == set(true)
    worst = max(distances, key=lambda name: abs(distances[name]))
    assert abs(distances[worst]) < 4.5, f"{worst}: {distances[worst]:.1f} posterior SDs from {true[worst][0]:.3f}"
    assert max(spread for name, spread in spreads.items() if name.startswith("path.session")) < 0.02


@pytest.mark.parametrize("target", sbc_paths.TARGETS, ids=lambda target: target.name)
def test_the_inverse_map_finds_the_truth(target: sbc_paths.PathTarget) -> None:
    drawn = path_generator.draw(sbc_paths.template(target), np.random.default_rng(3))
    declared = system(drawn.design)
    assert not isinstance(declared, str)
    compiled = compile_system(declared, per_client=False)
    theta = sbc.unconstrain(compiled, drawn.truth)
    found = posterior(drawn.design, compiled, theta[None, None], seed=1, effects=False)
    for name in found.data_vars:
        value = found[name].to_numpy()[0, 0]
        true = drawn.truth["course_correlation" if name == "cor_course" else str(name)]
        # 1e-6: the quantile transform of an SD loses digits where 1 − exp(−x) is close to 1
        np.testing.assert_allclose(value, true.reshape(value.shape), rtol=1e-6, atol=1e-9)


@pytest.mark.slow
def test_ranks_of_a_chain_are_uniform() -> None:
    rows: list[dict[str, Any]] = [sbc_paths.replicate(sbc_paths.TARGETS[0], n) for n in range(12)]
    names = list(rows[0]["ranks"])
    matrix = np.array([[row["ranks"][name] for row in rows] for name in names])
    values = bands.p_value(bands.statistic(matrix, sbc.RANKED), bands.reference(matrix.shape[1], sbc.RANKED))
    assert values.min() > FALSE_ALARM / len(names), names[int(values.argmin())]
