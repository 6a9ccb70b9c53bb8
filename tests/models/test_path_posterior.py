"""Draws of a path model: the twin's variables, unit log-likelihoods, missing ratings, effects, pointwise densities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from safezone.models.marginal_posterior import log_likelihoods
from safezone.models.path_algebra import disturbances
from safezone.models.path_posterior import posterior
from safezone.models.path_predict import log_likelihood
from safezone.models.path_twin import paths_pymc

from . import path_studies
from .path_twins import compiled_of, integrated_twin, point_at, start, twin_values
from .test_path_form import CASES

RICH = ["holes", "lagged_mixed", "random_missing", "trends", "final_therapists", "unstructured"]


@pytest.mark.parametrize("name", RICH)
def test_posterior_has_the_variables_of_the_twin(name: str) -> None:
    design = path_studies.design(name)
    compiled = compiled_of(design)
    theta = np.stack([start(compiled, seed) for seed in range(6)]).reshape(2, 3, -1)
    dataset = posterior(design, compiled, theta, seed=3)
    model = paths_pymc(design)
    twin = {rv.name for rv in (*model.free_RVs, *model.deterministics)}
    auxiliary = {n for n in twin if n.endswith(("_z", "_partial")) or "__" in n}
    auxiliary |= {f"missing_{o}" for o in design.outcome_names[:-1]}  # outcomes that others rest on: integrated
    assert set(map(str, dataset.data_vars)) == twin - auxiliary
    for variable in dataset.data_vars:
        dims = dataset[variable].dims[2:]
        assert dims == tuple(model.named_vars_to_dims.get(str(variable), ())), variable
        for dim in dims:
            assert [str(label) for label in dataset[dim].values] == [str(label) for label in model.coords[dim]], dim
    assert all(np.isfinite(dataset[variable]).all() for variable in dataset.data_vars)


@pytest.mark.parametrize("name", ["holes", "plain", "two_outcomes"])
def test_log_likelihoods_of_units_add_up(name: str) -> None:
    design = path_studies.design(name)
    compiled = compiled_of(design)
    theta = start(compiled)[None, None]
    client, therapist = log_likelihoods(compiled, theta)
    assert client.shape == (1, 1, design.clients)
    assert therapist.sum() == pytest.approx(compiled.value(theta[0, 0], prior=False), rel=1e-9)
    if not design.has_therapists:  # clients are independent: log p(y_c | y_−c) = log p(y_c)
        np.testing.assert_allclose(client, therapist, rtol=1e-9)


@pytest.mark.parametrize("name", ["missing", "lagged_missing", "random_missing", "holes"])
def test_what_is_missing_is_drawn_from_its_conditional_distribution(name: str) -> None:
    design = path_studies.design(name)
    compiled = compiled_of(design)
    theta, draws = start(compiled, 5), 20_000
    twin = integrated_twin(design, twin_values(design, compiled, theta))
    dataset = posterior(design, compiled, np.tile(theta, (1, draws, 1)), seed=11)
    missing = [v for v in map(str, dataset.data_vars) if v.startswith("missing_")]
    assert missing
    for variable in missing:
        where = [i for i, label in enumerate(twin.names) if label == variable]
        found = dataset[variable].to_numpy()[0]
        expected, covariance = twin.mean[where], twin.covariance[np.ix_(where, where)]
        error = np.sqrt(np.diag(covariance) / draws)
        np.testing.assert_array_less(np.abs(found.mean(axis=0) - expected), 5 * error)  # 5 Monte Carlo SEs
        # The SE of a covariance is at most sqrt(2/draws) of the variances.
        scale = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
        np.testing.assert_array_less(np.abs(np.cov(found.T) - covariance), 5 * np.sqrt(2 / draws) * scale)


@pytest.mark.parametrize("name", [*RICH, "missing", "moderated", "moderated_lagged", "lagged_missing"])
def test_pointwise_log_likelihood_is_the_twins(name: str) -> None:
    # Three draws of everything, effects and missing ratings included; the twin evaluates the same ratings.
    design = CASES[name]()
    compiled = compiled_of(design)
    theta = np.stack([start(compiled, seed) for seed in range(3)])[None]
    dataset = posterior(design, compiled, theta, seed=3)
    found = log_likelihood(design, dataset)
    model = paths_pymc(design, "noncentred")
    rated = [rv for rv in model.observed_RVs if rv.name.startswith("r_")]
    density = model.compile_logp(vars=rated, sum=False, jacobian=False)
    for draw in range(3):
        values: dict[str, Any] = twin_values(design, compiled, theta[0, draw])
        values |= {str(n): v.to_numpy()[0, draw] for n, v in dataset.data_vars.items()}
        flat = {name: np.asarray(value)[None] for name, value in values.items()}
        for level in ("client", "therapist"):  # d = F z
            if f"{level}_effects" in values:
                factor = disturbances(design, level, flat)[0]
                values[f"{level}_effects_z"] = np.linalg.solve(factor, values[f"{level}_effects"].T).T
        expected = np.zeros(len(design.client))
        for rv, each in zip(rated, density(point_at(model, values)), strict=True):
            known = ~np.isnan(design.values[:, design.names.index(rv.name.removeprefix("r_"))])
            expected[known] += each
        np.testing.assert_allclose(found[draw], expected, rtol=1e-9, atol=1e-9)
