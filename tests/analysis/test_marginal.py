"""Both samplers of the marginalised core against numerical integration of the same posterior."""

from __future__ import annotations

import subprocess
import sys
from functools import cache

import numpy as np
import pytest

from safezone.analysis import marginal
from safezone.models.compilation import Compiled, compile_system
from safezone.models.gaussian import ONE, Correlation, Free, GaussianSystem, Group, Structure, poly
from safezone.models.priors import parse

NO_THERAPISTS = np.empty(0, dtype=np.int64)


def intercepts(clients: int = 25, sessions: int = 5, seed: int = 2) -> GaussianSystem:
    """A random intercept: three parameters, so that a grid gives the posterior."""
    rng = np.random.default_rng(seed)
    client = np.repeat(np.arange(clients), sessions)
    y = 0.3 + 0.6 * rng.normal(size=clients)[client] + 0.8 * rng.normal(size=len(client))
    parameters = (
        Free("intercept", parse("normal(0, 1.5)")),
        Free("sd_client", parse("half_normal(1)"), positive=True),
        Free("sd_residual", parse("half_normal(1)"), positive=True),
    )
    ones = np.ones((len(y), 1))
    group = Group("y", y, ones, ones, client, (poly("intercept"),), ({"u": ONE},), "sd_residual")
    return GaussianSystem(
        parameters, ("u",), (group,), Structure(("u",), ("sd_client",)), Structure(), clients, NO_THERAPISTS
    )


def slopes(clients: int = 120, sessions: int = 8, seed: int = 5) -> tuple[GaussianSystem, dict[str, float]]:
    """Growth with correlated intercepts and slopes under therapists, and the values it was drawn from."""
    rng = np.random.default_rng(seed)
    truth = {"a": 0.2, "b": -0.4, "sd_level": 0.7, "sd_slope": 0.3, "sd_therapist": 0.3, "sigma": 0.6}
    therapist = np.arange(clients) % 12
    client = np.repeat(np.arange(clients), sessions)
    time = np.tile(np.linspace(-1, 1, sessions), clients)
    level = truth["sd_level"] * rng.normal(size=clients) + truth["sd_therapist"] * rng.normal(size=12)[therapist]
    own = truth["b"] + truth["sd_slope"] * rng.normal(size=clients)
    y = truth["a"] + level[client] + own[client] * time + truth["sigma"] * rng.normal(size=len(client))
    sds = tuple(
        Free(n, parse("half_normal(1)"), positive=True) for n in ("sd_level", "sd_slope", "sd_therapist", "sigma")
    )
    parameters = (Free("a", parse("normal(0, 1.5)")), Free("b", parse("normal(0, 1)")), *sds)
    x = np.column_stack([np.ones(len(y)), time])
    group = Group("y", y, x, x, client, (poly("a"), poly("b")), ({"level": ONE}, {"slope": ONE}), "sigma")
    level_of_clients = Structure(
        ("level", "slope"), ("sd_level", "sd_slope"), (), (Correlation("cor", ("level", "slope"), 2.0),)
    )
    return (
        GaussianSystem(
            parameters, ("level", "slope"), (group,), level_of_clients, Structure(("level",), ("sd_therapist",)),
            clients, therapist,
        ),
        truth,
    )  # fmt: skip


@cache
def compiled() -> Compiled:
    return compile_system(intercepts())


@cache
def truth() -> tuple[np.ndarray, np.ndarray]:
    """Posterior means and SDs of θ by summation over a grid of ± 7 SDs around the mode."""
    mode = marginal.find_mode(compiled())
    axis = np.linspace(-7, 7, 57)
    zeta = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    theta = mode.theta + zeta @ mode.root.T
    density = marginal.evaluate(compiled(), theta)
    weight = np.exp(density - density.max())
    weight /= weight.sum()
    mean = weight @ theta
    return mean, np.sqrt(weight @ (theta - mean) ** 2)


def test_importance_sampling_meets_the_integral() -> None:
    draws = marginal.sample_importance(compiled(), marginal.find_mode(compiled()), chains=4, draws=1000, seed=1)
    assert draws.pareto_k < marginal.K_HAT_LIMIT
    assert draws.ess_importance > 4000
    mean, sd = truth()
    flat = draws.theta.reshape(-1, 3)
    # 4,000 nearly independent draws: SE of a mean sd/√4000, of an SD about sd/√8000; four of them.
    np.testing.assert_array_less(np.abs(flat.mean(axis=0) - mean), 4 * sd / np.sqrt(4000))
    np.testing.assert_array_less(np.abs(flat.std(axis=0) - sd), 4 * sd / np.sqrt(8000))
    assert len(np.unique(flat[:, 0])) > 3600  # hardly any draw is a copy


def test_nuts_meets_the_integral() -> None:
    from arviz_stats.base import array_stats

    draws = marginal.sample_nuts(compiled(), marginal.find_mode(compiled()), chains=4, draws=500, warmup=300, seed=3)
    assert draws.theta.shape == (4, 500, 3)
    assert not draws.statistics["diverging"].any()
    mean, sd = truth()
    for i in range(3):
        own = draws.theta[:, :, i]
        ess = float(array_stats.ess(own))
        assert float(array_stats.rhat(own)) < 1.02
        assert abs(own.mean() - mean[i]) < 4 * sd[i] / np.sqrt(ess)
        assert abs(own.std() - sd[i]) < 4 * sd[i] / np.sqrt(ess)  # an SD is known twice as well; ess speaks of the mean


def test_same_seed_same_draws() -> None:
    mode = marginal.find_mode(compiled())
    one, other = (marginal.sample_importance(compiled(), mode, chains=2, draws=50, seed=9) for _ in range(2))
    np.testing.assert_array_equal(one.theta, other.theta)
    one, other = (marginal.sample_nuts(compiled(), mode, chains=2, draws=50, warmup=50, seed=9) for _ in range(2))
    np.testing.assert_array_equal(one.theta, other.theta)


def test_nuts_takes_over_when_the_weights_cannot_be_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marginal, "K_HAT_LIMIT", -1.0)
    draws = marginal.sample(compiled(), chains=2, draws=100, warmup=100, seed=4)
    assert draws.sampler == "nuts"
    assert "gave way" in draws.note
    assert np.isnan(draws.pareto_k)
    asked = marginal.sample(compiled(), sampler="importance", chains=2, draws=100, warmup=100, seed=4)
    assert asked.sampler == "importance"


def test_growth_under_therapists_is_recovered() -> None:
    system, values = slopes()
    built = compile_system(system)
    draws = marginal.sample(built, chains=4, draws=500, warmup=300, seed=6)
    from safezone.models.conditional import expand

    phi = expand(built.map_, built.layout, draws.theta.reshape(-1, system.dimension)).phi
    for name, value in values.items():
        own = phi[:, built.names[name]]
        # One data set: the true value lies within 3.5 posterior SDs (per parameter 0.05 % of seeds would fail).
        assert abs(own.mean() - value) < 3.5 * own.std(), name


def test_a_density_that_is_not_finite_says_so() -> None:
    system = intercepts()
    group = system.groups[0]
    huge = Group(
        group.name, group.y * 1e200, group.x, group.z, group.client, group.coefficients, group.loadings, group.sigma
    )
    broken = GaussianSystem(
        system.parameters, system.effects, (huge,), system.client, system.therapist, 25, NO_THERAPISTS
    )
    with pytest.raises(marginal.MarginalError, match="not finite"):
        marginal.find_mode(compile_system(broken))


def test_the_fast_path_imports_neither_pymc_nor_pytensor() -> None:
    code = """
import sys
import numpy as np
from safezone.analysis import marginal
from safezone.models.compilation import compile_system
from safezone.models.gaussian import ONE, Free, GaussianSystem, Group, Structure, poly
from safezone.models.priors import parse
ones, client = np.ones((20, 1)), np.repeat(np.arange(5), 4)
sds = tuple(Free(n, parse("half_normal(1)"), positive=True) for n in ("u", "s"))
group = Group("y", np.sin(np.arange(20.0)), ones, ones, client, (poly("a"),), ({"u": ONE},), "s")
level, none = Structure(("u",), ("u",)), np.empty(0, dtype=np.int64)
system = GaussianSystem((Free("a", parse("normal(0, 1)")), *sds), ("u",), (group,), level, Structure(), 5, none)
compiled = compile_system(system)
marginal.sample(compiled, sampler="importance", chains=2, draws=50, warmup=50)
assert "nutpie" not in sys.modules
marginal.sample(compiled, sampler="nuts", chains=2, draws=50, warmup=50)
print(sorted({name.split(".")[0] for name in sys.modules} & {"pymc", "pytensor"}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout.strip() == "[]"
