"""A small calibration for every run of the tests: the same code as ``make calibrate``, a few replications.

False alarms: a quantity fails if its simultaneous p-value (exact under uniformity, see :mod:`.bands`) is below
0.01 divided by the number of quantities, so that a correct sampler would fail a test for 1 seed in 100 at most; with
the seeds fixed here it passes or fails for good. What such a test can see is stated by ``test_the_bands_see…``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from . import bands, generator, sbc

TARGETS = {target.name: target for target in sbc.TARGETS}
FALSE_ALARM = 0.01


def smallest(rows: list[dict[str, Any]]) -> tuple[float, str, int]:
    names = list(rows[0]["ranks"])
    matrix = np.array([[row["ranks"][name] for row in rows] for name in names])
    null = bands.reference(matrix.shape[1], sbc.RANKED)
    values = bands.p_value(bands.statistic(matrix, sbc.RANKED), null)
    return float(values.min()), names[int(values.argmin())], len(names)


@pytest.mark.parametrize(
    ("name", "method", "replications"),
    [
        ("variance", "importance", 60),
        ("growth", "importance", 30),
        ("growth", "nuts", 10),
        ("within_between", "nuts", 10),
    ],
)
def test_ranks_are_uniform(name: str, method: sbc.Method, replications: int) -> None:
    rows = [sbc.replicate(TARGETS[name], method, n) for n in range(replications)]
    kept = [row for row in rows if row["accepted"]]
    assert len(kept) >= replications / 2  # importance sampling suffices for models of so few dimensions
    value, quantity, count = smallest(kept)
    assert value > FALSE_ALARM / count, f"{quantity} is not uniform: p = {value:.4f}"


def test_a_wrong_posterior_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    # Clients that differ twice as much as the model is told: SDs, effects and likelihood must all look wrong.
    honest = generator.draw_effects

    def doubled(*arguments: Any) -> dict[str, np.ndarray]:
        return {name: 2.0 * value if name == "client_effects" else value for name, value in honest(*arguments).items()}

    monkeypatch.setattr(generator, "draw_effects", doubled)
    rows = [sbc.replicate(TARGETS["variance"], "importance", n) for n in range(60)]
    value, quantity, count = smallest(rows)
    assert quantity == "sd_client[0]"
    assert value < FALSE_ALARM / count


def test_the_bands_hold_their_level() -> None:
    # 2,000 uniform samples of 200 ranks: 5 % outside the 95 % band, give or take 4 standard errors (0.5 points each).
    rng = np.random.default_rng(1)
    ranks = rng.integers(0, 101, (2000, 200))
    below = bands.counts_below(ranks, 100) / 200
    lower, upper = bands.band(200, 100)
    outside = ((below < lower) | (below > upper)).any(axis=1).mean()
    assert 0.03 < outside < 0.07
    p = bands.p_value(bands.statistic(ranks, 100), bands.reference(200, 100))
    assert 0.03 < (p <= 0.05).mean() < 0.07


@pytest.mark.parametrize(("shift", "scale"), [(0.5, 1.0), (0.0, 0.6), (0.0, 1.7)])
def test_the_bands_see_bias_and_wrong_width(shift: float, scale: float) -> None:
    # Posterior N(0, 1) of truths from N(shift, scale²), 200 replications: half an SD of bias, or intervals 40 %
    # too wide or too narrow, are seen nearly always; here with a fixed seed.
    rng = np.random.default_rng(2)
    truth = shift + scale * rng.normal(size=(200, 1))
    ranks = (rng.normal(size=(200, 100)) < truth).sum(axis=1)
    assert bands.p_value(bands.statistic(ranks[None], 100), bands.reference(200, 100))[0] < 0.001


def test_the_inverse_map_finds_the_truth() -> None:
    # What the log-likelihood of the truth is computed from: θ → parameters gives the drawn parameters back.
    from safezone.models.compilation import compile_system
    from safezone.models.marginal_form import system
    from safezone.models.marginal_posterior import posterior

    for target in TARGETS.values():
        drawn = generator.draw(sbc.template(target), np.random.default_rng(3))
        declared = system(drawn.design)
        assert not isinstance(declared, str)
        compiled = compile_system(declared, per_client=False)
        theta = sbc.unconstrain(compiled, drawn.truth)
        found = posterior(drawn.design, compiled, theta[None, None], seed=1, effects=False)
        for name in found.data_vars:
            value = found[name].to_numpy()[0, 0]
            # 1e-6: the quantile transform of an SD loses digits where 1 − exp(−x) is close to 1
            np.testing.assert_allclose(value, drawn.truth[str(name)].reshape(value.shape), rtol=1e-6, atol=1e-9)
