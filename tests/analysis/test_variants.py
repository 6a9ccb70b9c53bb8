"""Versions of a model: stacking weights against brute force, verdicts, and which shape wins where it is true."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from safezone.analysis import surfaces, variants
from safezone.data.simulate_surface import SurfaceTruth, simulate_surface
from safezone.models import congruence, variance
from safezone.models.design import Design
from safezone.models.surface import SHAPES

from ..models.small import options, study


def agreement(truth: SurfaceTruth, **settings: int) -> Design:
    drawn = simulate_surface(truth=truth, **settings)  # type: ignore[arg-type]  # sizes only
    found = study(drawn.sessions, ranges={"x": (1.0, 7.0), "z": (1.0, 7.0)})
    return congruence.design(found, "m", options(outcome="y", predictors=("x", "z")))


def test_stacking_weights_maximise_the_mixture() -> None:
    rng = np.random.default_rng(1)
    elpd = rng.normal(-10, 2, (80, 1)) + rng.normal(0, 1, (80, 3)) + np.array([0.3, 0.2, -0.4])
    weights = variants.stacking(elpd)
    assert weights.sum() == pytest.approx(1.0)

    def score(w: np.ndarray) -> float:
        return float(np.log(np.exp(elpd) @ w).sum())

    grid = np.linspace(0, 1, 101)
    best = max(score(np.array([a, b, 1 - a - b])) for a, b in itertools.product(grid, grid) if a + b <= 1)
    assert score(weights) >= best - 1e-9  # the grid has steps of 0.01; the optimum is at least as good


def test_rows_are_sorted_and_differ_from_the_best() -> None:
    rng = np.random.default_rng(2)
    base = rng.normal(-20, 3, 50)
    members = {"plain": (base - 0.5, 0), "rich": (base + rng.normal(0, 0.1, 50), 2), "poor": (base - 3, 0)}
    rows = variants.rows("within", members)
    assert [row["name"] for row in rows] == ["within.rich", "within.plain", "within.poor"]
    assert rows[0]["difference"] == 0.0
    assert rows[0]["k_bad"] == 2
    assert [row["verdict"] for row in rows] == ["best", "worse", "worse"]
    assert sum(row["weight"] for row in rows) == pytest.approx(1.0)
    gap = members["plain"][0] - members["rich"][0]
    assert rows[1]["difference"] == pytest.approx(gap.sum())
    assert rows[1]["difference_se"] == pytest.approx(50**0.5 * gap.std(ddof=1))
    assert variants.rows("", members)[0]["name"] == "rich"  # one set without a name


def test_a_model_without_versions_has_none() -> None:
    design = agreement(SurfaceTruth(), clients=10, sessions=4, therapists=2)
    found = variants.compare(variance.MODEL, design, 1)
    assert found == {"variants": [], "variants_note": ""}


def test_very_many_clients_are_left_to_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variants, "MOST_CLIENTS", 9)
    found = variants.compare(congruence.MODEL, agreement(SurfaceTruth(), clients=10, sessions=4, therapists=2), 1)
    assert found["variants"] == []
    assert "more than 9 clients" in found["variants_note"]


@pytest.mark.slow
def test_the_true_shape_is_not_told_apart_from_the_best_and_nothing_is_worse() -> None:
    # Disagreement costs, whoever rates higher, at both levels: SQD is true.
    squared = (0.0, 0.0, -0.4, 0.8, -0.4)
    truth = SurfaceTruth(within=squared, between=squared, mean_x=4.5, mean_z=4.5, sd_residual=0.8)
    design = agreement(truth, clients=80, sessions=8, therapists=8, seed=3)
    found = variants.compare(congruence.MODEL, design, 1)
    assert "observed means" in found["variants_note"]
    rows = {row["name"]: row for row in found["variants"]}
    assert len(rows) == 2 * (1 + len(SHAPES))
    for place in ("within", "between_client"):
        assert rows[f"{place}.congruence"]["verdict"] != "worse"
        assert rows[f"{place}.none"]["verdict"] == "worse"
        assert rows[f"{place}.additive"]["verdict"] == "worse"
        assert sum(row["weight"] for row in rows.values() if row["set"] == place) == pytest.approx(1.0)


def test_patterns_are_probabilities_of_the_checklists_conditions() -> None:
    ridge = np.array([[0.0, 0.0, -0.3, 0.6, -0.3]])  # −0.3 (x − z)²
    rising = np.array([[0.4, 0.4, -0.3, 0.6, -0.3]])
    shifted = np.array([[0.4, 0.0, -0.3, 0.6, -0.3]])
    draws = np.concatenate([ridge, ridge, rising, shifted])
    found = surfaces.pattern(draws, "within", {"default": 0.1})
    assert found["strict"] == 0.5  # the level of agreement does not matter in two of four
    assert found["broad"] == 0.75  # a3 = 0.4 moves the ridge off the line of congruence
    assert found["disagreement_costs"] == 1.0
    assert found["a3_negligible"] == 0.75
    wide = surfaces.pattern(draws, "within", {"default": 0.1, "surface.within.a3": 0.5})
    assert wide["broad"] == 1.0


def test_the_picture_shows_moments_of_the_model_and_no_client() -> None:
    from ..models.test_congruence import known, small

    design = small(clients=20, sessions=8)
    found = surfaces.picture(design, known(design, draws=40), {"default": 0.1})
    assert found is not None
    for place, data in found.items():
        grid, mean = np.array(data["grid"]), np.array(data["mean"])
        assert mean.shape == (surfaces.GRID, surfaces.GRID)
        # The surface is told as a difference from the middle of the data.
        middle = np.array(data["middle"])
        nearest = [int(np.abs(grid - value).argmin()) for value in middle]
        assert abs(mean[nearest[0], nearest[1]]) < 0.2
        ellipse = np.array(data["ellipse"])
        np.testing.assert_allclose((ellipse.max(axis=0) + ellipse.min(axis=0)) / 2, middle, atol=0.02)
        for line in data["lines"].values():
            ends = np.array([line["t"][0], line["t"][-1]])
            assert ends[0] < ends[1]
        axis = data["axis"]
        assert (axis["draws"], axis["defined"], axis["share"]) == (40, 40, 1.0), place
        slope = axis["slope"]["median"]
        along = np.array(axis["line"]["median"])
        assert np.diff(along) == pytest.approx(slope * np.diff(grid))


def test_a_surface_without_axis_says_so() -> None:
    from ..models.test_congruence import known, small

    design = small()
    flat = known(design, draws=10, surface_within=(("surface_term",), [0.3, 0.2, 0.0, 0.0, 0.0]))
    found = surfaces.picture(design, flat, {"default": 0.1})
    assert found is not None
    assert found["within"]["axis"] == {"draws": 10, "defined": 0, "share": 0.0, "line": None}
