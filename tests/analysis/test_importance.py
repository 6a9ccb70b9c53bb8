"""Adaptive importance sampling against densities that are known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from safezone.analysis import importance
from safezone.analysis.mode import Mode
from safezone.models.compilation import Compiled

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Banana:
    """θ_1 ~ N(0, 1), θ_2 | θ_1 ~ N(θ_1²/2, 0.5²), the rest standard normal: no normal proposal fits it."""

    dimension: int = 4

    @property
    def system(self) -> Banana:
        return self

    @property
    def clients(self) -> int:
        return 1

    def evaluate(self, theta: Floats) -> tuple[Floats, Floats]:
        rest = np.delete(theta, 1, axis=1)
        square = np.sum(rest**2, axis=1) + ((theta[:, 1] - 0.5 * theta[:, 0] ** 2) / 0.5) ** 2
        return -0.5 * square - math.log(0.5) - 0.5 * self.dimension * math.log(2 * math.pi), np.empty((0, 0))


def at_mode(dimension: int = 4) -> Mode:
    scale = np.ones(dimension)
    scale[1] = 0.5
    value = -math.log(0.5) - 0.5 * dimension * math.log(2 * math.pi)
    return Mode(np.zeros(dimension), np.diag(scale), value)


def curved() -> Compiled:
    return cast("Compiled", Banana())  # only its density is asked for


def test_adaptation_turns_a_hopeless_proposal_into_a_good_one(monkeypatch: pytest.MonkeyPatch) -> None:
    adapted = importance.sample_importance(curved(), at_mode(), chains=4, draws=1000, seed=1)
    monkeypatch.setattr(importance, "ROUNDS", 0)
    monkeypatch.setattr(importance, "REPAIRS", 0)
    plain = importance.sample_importance(curved(), at_mode(), chains=4, draws=1000, seed=1)
    # Both give out 40,000 proposals at most; what each is worth is what adaptation is for.
    assert adapted.ess_importance > 2 * plain.ess_importance
    assert adapted.pareto_k < importance.K_HAT_LIMIT
    flat = adapted.theta.reshape(-1, 4)
    # Exact: E θ_2 = 1/2, var θ_2 = 2/4 + 1/4. 4,000 draws: four standard errors of a mean.
    sd = np.array([1, math.sqrt(0.75), 1, 1])
    np.testing.assert_array_less(np.abs(flat.mean(axis=0) - [0, 0.5, 0, 0]), 4 * sd / math.sqrt(4000))
    # The central fourth moment of θ_2: 60/16 + 6 · 0.5 · 0.25 + 3/16 = 4.7; four standard errors of its variance.
    assert abs(flat[:, 1].var() - 0.75) < 4 * math.sqrt((4.7 - 0.75**2) / 4000)


def test_proposals_are_normalised_and_draw_from_their_density() -> None:
    rng = np.random.default_rng(3)
    split = importance.SplitT(
        np.array([0.5, -1.0]), np.array([[1.0, 0.0], [0.618, 0.5]]), np.array([[1.0, 2.0], [3.0, 0.7]])
    )
    mixture = importance.Mixture(
        np.array([0.3, 0.7]),
        np.array([[0.0, 0.0], [2.0, 1.0]]),
        np.array([[[1.0, 0.0], [0.2, 0.8]], [[0.5, 0.0], [-0.3, 0.6]]]),
    )
    axis = np.arange(-30, 30, 0.025) + 0.0125  # midpoints: no point lies where the split t jumps
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    for proposal in (split, mixture, importance.Defended(mixture, split)):
        density = np.exp(proposal.log_density(grid)) * 0.025**2
        # Beyond ± 30, ten scales, t with 5 degrees of freedom holds 2e-4; the jumps cost about 1e-3.
        assert density.sum() == pytest.approx(1.0, abs=3e-3)
        drawn = proposal.draw(rng, 40_000)
        inside = (grid[:, 0] > 0.5) & (grid[:, 1] < 0.2)
        # Four standard errors of a proportion (at most 0.5/200).
        assert np.mean((drawn[:, 0] > 0.5) & (drawn[:, 1] < 0.2)) == pytest.approx(density[inside].sum(), abs=0.01)


def test_a_mixture_finds_two_weighted_clusters() -> None:
    rng = np.random.default_rng(8)
    points = rng.uniform(-8, 8, (20_000, 2))
    one = np.exp(-0.5 * np.sum((points - [3, 0]) ** 2, axis=1))
    two = np.exp(-0.5 * np.sum((points - [-3, 0]) ** 2, axis=1))
    weight = one + 3 * two
    found = importance.fit_mixture(rng, points, weight / weight.sum(), components=2)
    order = np.argsort(found.centres[:, 0])
    # About 1,000 effective points: centres to ±0.1, shares to ±0.02; three times that.
    np.testing.assert_allclose(found.centres[order], [[-3, 0], [3, 0]], atol=0.3)
    np.testing.assert_allclose(found.shares[order], [0.75, 0.25], atol=0.06)


def test_what_cannot_be_learnt_from_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds: list[int] = []
    keep = importance.Pool.keep

    def counted(self: importance.Pool, theta: Floats, density: Floats, proposal: importance.Proposal) -> None:
        rounds.append(len(theta))
        keep(self, theta, density, proposal)

    monkeypatch.setattr(importance.Pool, "keep", counted)
    monkeypatch.setattr(importance, "HOPELESS", math.inf)
    importance.sample_importance(curved(), at_mode(), chains=1, draws=50, seed=1)
    assert rounds == [importance.PILOT, importance.ROUND]
