"""The marginalised system of a design against its PyMC twin, whose effects are integrated numerically here.

Given the parameters, the twin's joint density of effects, missing ratings and data is the exponential of
a quadratic form, so that its integral follows exactly from one gradient and one Hessian.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from safezone.models import marginal_form
from safezone.models.build import build
from safezone.models.compilation import compile_system
from safezone.models.conditional import expand
from safezone.models.design import Design
from safezone.models.gaussian import GaussianSystem
from safezone.models.marginal_posterior import log_likelihoods, posterior
from safezone.models.multilevel import multilevel
from safezone.models.objective import Natural

from .integral import Twin, integrate
from .small import options, study, therapy

DESIGNS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "variance": ("variance", {}, {"outcome": "depth", "covariates": ("arm",)}),
    "growth": ("growth", {"missing": 0.2}, {"outcome": "depth", "time": "linear", "by": ("arm",)}),
    "growth_quadratic": ("growth", {}, {"outcome": "depth", "time": "quadratic", "therapist_level": False}),
    "within": (
        "within_between",
        {"missing": 0.25},
        {"outcome": "depth", "predictors": ("safety", "alliance"), "time": "linear", "random_slopes": ("time",)},
    ),
    "moderated": (
        "within_between",
        {},
        {"outcome": "depth", "predictors": ("safety", "alliance"), "moderators": ("anxiety", "arm"), "time": "linear"},
    ),
    "products": (
        "within_between",
        {"missing": 0.15},
        {
            "outcome": "depth",
            "predictors": ("safety", "alliance"),
            "interactions": ("alliance:safety",),
            "time": "linear",
            "random_slopes": ("time",),
        },
    ),
    "products_moderated": (
        "within_between",
        {},
        {
            "outcome": "depth",
            "predictors": ("safety", "alliance"),
            "interactions": ("safety:alliance",),
            "moderators": ("anxiety",),
        },
    ),
    "products_observed": (
        "within_between",
        {"missing": 0.1},
        {
            "outcome": "depth",
            "predictors": ("safety", "alliance"),
            "interactions": ("safety:alliance",),
            "moderators": ("arm",),
            "centring": "observed",
            "random_slopes": ("safety",),
        },
    ),
    "lagged": (
        "within_between",
        {},
        {"outcome": "depth", "predictors": ("safety", "alliance"), "lag": 1, "covariates": ("arm",)},
    ),
    "lagged_missing": (
        "within_between",
        {"missing": 0.2, "sessions": 5},
        {"outcome": "depth", "predictors": ("safety", "alliance"), "lag": 1},
    ),
    "own_lag": ("within_between", {}, {"outcome": "depth", "predictors": ("safety",), "own_lag": True}),
    "own_lag_missing": (
        "within_between",
        {"missing": 0.2, "sessions": 5},
        {"outcome": "depth", "predictors": ("safety",), "own_lag": True, "time": "linear"},
    ),
    "surface": (
        "congruence",
        {"missing": 0.15},
        {"outcome": "depth", "predictors": ("safety", "alliance"), "centring": "observed", "time": "linear"},
    ),
    "observed": (
        "within_between",
        {"missing": 0.15},
        {
            "outcome": "depth",
            "predictors": ("safety", "alliance"),
            "centring": "observed",
            "random_slopes": ("safety",),
            "moderators": ("anxiety",),
        },
    ),
}


def make(name: str, **settings: Any) -> Design:
    kind, data, asked = DESIGNS[name]
    return build(
        therapy(**{"clients": 8, "sessions": 4, "therapists": 3, **data, **settings}), kind, name, options(**asked)
    )


def integrated_twin(design: Design, value: dict[str, np.ndarray]) -> Twin:
    """Integrate effects and missing ratings by Gaussian algebra."""
    from pytensor.gradient import grad

    model = multilevel(design)
    with model:
        latent = [rv for rv in model.free_RVs if rv.name.endswith("_z") or rv.name.startswith("missing_")]
        terms = [*model.observed_RVs, *(rv for rv in latent if rv.name.endswith("_z")), *model.potentials]
        total = model.logp(vars=terms, jacobian=False)
        variables = [model.rvs_to_values[rv] for rv in latent]
        gradient = cast("list[Any]", grad(total, variables))
        function = model.compile_fn([total, *gradient], point_fn=True, mode="FAST_COMPILE")
    point = {name: np.array(start, dtype=float) for name, start in model.initial_point().items()}
    for rv in model.free_RVs:
        if rv in latent:
            continue
        own = model.rvs_to_values[rv].name
        natural_value = value[rv.name]
        if own.endswith("_log__"):
            point[own] = np.log(natural_value)
        elif own.endswith(("_logodds__", "_interval__")):
            point[own] = np.log(natural_value / (1 - natural_value))
        else:
            assert own == rv.name, own
            point[own] = natural_value
    return integrate(function, point, [variable.name for variable in variables])


def twin_values(design: Design, system: GaussianSystem, theta: np.ndarray) -> dict[str, np.ndarray]:
    """The parameters at θ under the names of the twin; correlations as partial correlations on (0, 1)."""
    compiled = compile_system(system)
    dataset = posterior(design, compiled, theta[None, None], seed=0, effects=False)
    values = {str(name): variable.to_numpy()[0, 0] for name, variable in dataset.data_vars.items()}
    start = len(system.parameters)
    for _, block in system.correlations:
        size = len(block.effects) * (len(block.effects) - 1) // 2
        values[f"{block.name}_partial"] = (1 + np.tanh(theta[start : start + size])) / 2
        start += size
    return values


@pytest.mark.parametrize("name", list(DESIGNS))
def test_marginal_likelihood_equals_the_integrated_twin(name: str) -> None:
    design = make(name)
    system = marginal_form.system(design)
    assert isinstance(system, GaussianSystem)
    theta = np.random.default_rng(len(name)).normal(0, 0.4, system.dimension)
    expected = integrated_twin(design, twin_values(design, system, theta)).log_likelihood
    # The twin's Hessian comes from unit steps of an exactly linear gradient: rounding only.
    assert compile_system(system).value(theta, prior=False) == pytest.approx(expected, rel=1e-9, abs=1e-8)


def test_missing_ratings_make_derived_equations_and_no_row_is_dropped() -> None:
    design = make("within")
    system = marginal_form.system(design)
    assert isinstance(system, GaussianSystem)
    assert system.derived
    rated = np.isfinite(design.y).sum() + np.isfinite(design.x).sum()
    assert sum(len(group.y) for group in system.groups) == rated


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"random_slopes": ("safety",)}, "product of two latent"),
        ({"moderators": ("anxiety",)}, "differs between clients"),
        ({"family": "student_t"}, "student_t"),
    ],
)
def test_the_reason_for_pymc_is_a_sentence(changes: dict[str, Any], words: str) -> None:
    asked = {"outcome": "depth", "predictors": ("safety", "alliance"), **changes}
    reason = marginal_form.system(build(therapy(missing=0.2), "within_between", "m", options(**asked)))
    assert isinstance(reason, str)
    assert words in reason.replace("then differs", "differs")
    assert reason.endswith(".")


def test_a_client_who_changes_therapist() -> None:
    whole = therapy(clients=8, therapists=3)
    sessions = whole.sessions.drop(columns="row")
    sessions.loc[sessions.index[-1], "therapist"] = "t00"
    changed = study(sessions, whole.clients, whole.therapists)
    reason = marginal_form.system(build(changed, "variance", "v", options(outcome="depth")))
    assert reason == "Some clients change therapist: they are not nested."


def test_posterior_has_the_variables_of_the_twin() -> None:
    design = make("within")
    system = marginal_form.system(design)
    assert isinstance(system, GaussianSystem)
    compiled = compile_system(system)
    theta = np.random.default_rng(1).normal(0, 0.3, (2, 5, system.dimension))
    dataset = posterior(design, compiled, theta, seed=3)
    model = multilevel(design)
    twin = {rv.name for rv in (*model.free_RVs, *model.deterministics)}
    auxiliary = {n for n in twin if n.endswith(("_z", "_partial"))}
    assert set(map(str, dataset.data_vars)) == twin - auxiliary
    for name, variable in dataset.data_vars.items():
        assert variable.dims[2:] == tuple(model.named_vars_to_dims.get(str(name), ())), name
        for dim in variable.dims[2:]:
            assert [str(label) for label in dataset[dim].values] == [str(label) for label in model.coords[dim]]
    first = Natural(*(part[0] for part in expand(compiled.map_, compiled.layout, theta[1, 2:3])))
    assert float(dataset["sd_residual"][1, 2]) == pytest.approx(
        float(np.exp(first.log_sigma[[g.name for g in system.groups].index("depth")]))
    )
    client, therapist = log_likelihoods(compiled, theta)
    assert client.shape == (2, 5, design.clients)
    assert therapist.sum(axis=2)[1, 2] == pytest.approx(compiled.value(theta[1, 2], prior=False), rel=1e-9)


@pytest.mark.parametrize("name", ["within", "lagged_start"])
def test_missing_ratings_are_drawn_from_their_conditional_distribution(name: str) -> None:
    if name == "within":
        design = make("within", clients=4)
    else:  # missing ratings that no later session depends on: in the last session, and the outcome's predictors there
        design = make("lagged", clients=4)
        design.x[design.session == 4, 0] = np.nan
        design.y[np.flatnonzero(design.session == 4)[:2]] = np.nan
    system = marginal_form.system(design)
    assert isinstance(system, GaussianSystem)
    theta = np.random.default_rng(5).normal(0, 0.3, system.dimension)
    twin = integrated_twin(design, twin_values(design, system, theta))
    draws = 40_000
    dataset = posterior(design, compile_system(system), np.tile(theta, (1, draws, 1)), seed=11)
    for variable in [v for v in map(str, dataset.data_vars) if v.startswith("missing_")]:
        where = [i for i, label in enumerate(twin.names) if label == variable]
        found = dataset[variable].to_numpy()[0]
        expected, covariance = twin.mean[where], twin.covariance[np.ix_(where, where)]
        error = np.sqrt(np.diag(covariance) / draws)
        np.testing.assert_array_less(np.abs(found.mean(axis=0) - expected), 4.5 * error)  # 4.5 Monte Carlo SEs
        # The SE of a covariance is at most sqrt(2/draws) of the variances.
        scale = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
        np.testing.assert_array_less(np.abs(np.cov(found.T) - covariance), 4.5 * np.sqrt(2 / draws) * scale)
