"""Dyads in the marginal kernel against their PyMC twins, with parameters that are zero or one and the same."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from safezone.models.compilation import Compiled
from safezone.models.dyad_members import variants
from safezone.models.path_design import ZERO, PathDesign
from safezone.models.path_parameters import dims_of
from safezone.models.path_posterior import posterior
from safezone.models.path_predict import new_people, replicate
from safezone.models.path_twin import paths_pymc

from . import dyad_studies
from .path_twins import compiled_of, integrated_twin, start


def twin_values(design: PathDesign, compiled: Compiled, theta: np.ndarray) -> dict[str, np.ndarray]:
    """The parameters at θ under the names of the twin, whose tied variables keep their free elements apart."""
    dataset = posterior(design, compiled, theta[None, None], seed=0, effects=False)
    values = {str(name): variable.to_numpy()[0, 0] for name, variable in dataset.data_vars.items()}
    at = len(compiled.system.parameters)
    for _, block in compiled.system.correlations:
        size = len(block.effects) * (len(block.effects) - 1) // 2
        values[f"{block.name.replace('[', '__').rstrip(']')}_partial"] = (1 + np.tanh(theta[at : at + size])) / 2
        at += size
    for variable, dims in dims_of(design).items():
        if not variable.startswith("cor_"):
            names = [f"{variable}[{','.join(map(str, each))}]" for each in product(*(design.coords[d] for d in dims))]
            free = [i for i, name in enumerate(names) if name not in design.ties]
            if len(free) < len(names):
                values[f"{variable}__own"] = values[variable].ravel()[free]
    return values


def of(name: str) -> PathDesign:
    """A design of the studies, or a version of one: ``next/members.indistinguishable``."""
    base, _, version = name.partition("/")
    design = dyad_studies.design(base)
    return variants(design)[version] if version else design


CASES = [
    *dyad_studies.DESIGNS,
    "next/partner.same_session",
    "next_moderated/partner.none",
    "next/members.distinguishable",
    "next_moderated/members.indistinguishable",
    "classic/members.distinguishable",
    "alike_moderated/partner.none",
]


@pytest.mark.parametrize("name", CASES)
def test_marginal_likelihood_equals_the_integrated_twin(name: str) -> None:
    design = of(name)
    compiled = compiled_of(design)
    theta = start(compiled)
    expected = integrated_twin(design, twin_values(design, compiled, theta)).log_likelihood
    # The twin's Hessian comes from unit steps of an exactly linear gradient: rounding only.
    assert compiled.value(theta, prior=False) == pytest.approx(expected, rel=1e-9, abs=1e-8)


@pytest.mark.parametrize("name", ["alike_moderated", "couples", "couples_seen_by", "next/members.indistinguishable"])
def test_gradients_equal_central_differences(name: str) -> None:
    compiled = compiled_of(of(name))
    theta, step = start(compiled, 3), 1e-5
    _, gradient = compiled.log_density(theta)
    shifts = step * np.eye(len(theta))
    numeric = np.array([(compiled.value(theta + d) - compiled.value(theta - d)) / (2 * step) for d in shifts])
    # Central differences err by step² · third derivative (1e-10 · 10³) and rounding / step (1e-13 · 10³ / 1e-5).
    np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-4)


def test_sums_and_differences_hold_the_same_density_as_the_ratings() -> None:
    """(A, B) and (S, D) are one rotation apart: at parameters that say the same, the densities are the same number."""
    design = dyad_studies.design("couples", seed=4, missing=0.0)
    compiled = compiled_of(design)
    theta = start(compiled, 5)
    draws = posterior(design, compiled, theta[None, None], seed=0, effects=False)
    value = {str(name): one.to_numpy()[0, 0] for name, one in draws.data_vars.items()}
    names = list(design.names)
    now = np.zeros((4, 4))
    for p, arrow in enumerate(design.session):
        now[names.index(arrow.target), names.index(arrow.source)] = value["path_session"][p]
    solve = np.linalg.inv(np.eye(4) - now)
    covariance = solve @ np.diag(value["sd_residual"] ** 2) @ solve.T
    turn = np.kron(np.eye(2), np.array([[-1.0, 1.0], [1.0, 1.0]]) / np.sqrt(2))  # (D, S) of each pair to (B, A)
    raw = np.column_stack([one.mean + one.sd * design.values[:, v] for v, one in enumerate(design.responses)]) @ turn.T
    sd = np.array([one.sd for one in design.responses])
    centre = turn @ np.array([one.mean + one.sd * value["intercept"][v] for v, one in enumerate(design.responses)])
    spread = turn @ np.diag(sd) @ covariance @ np.diag(sd) @ turn.T
    away = raw - centre
    log_density = -0.5 * (
        np.einsum("ri,ij,rj->", away, np.linalg.inv(spread), away)
        + len(away) * np.linalg.slogdet(2 * np.pi * spread)[1]
    )
    # A density of internal values is that of raw ones times the scales.
    expected = log_density + len(away) * np.log(sd).sum()
    assert compiled.value(theta, prior=False) == pytest.approx(expected, rel=1e-10)
    # and exchanging the members changes nothing
    swapped = spread[np.ix_([1, 0, 3, 2], [1, 0, 3, 2])]
    np.testing.assert_allclose(swapped, spread, rtol=1e-12)
    np.testing.assert_allclose(centre[[0, 2]], centre[[1, 3]], rtol=1e-12)


@pytest.mark.parametrize("name", ["couples", "couples_seen_by", "alike"])
def test_draws_have_zeros_where_parameters_are_tied_to_nothing(name: str) -> None:
    design = of(name)
    compiled = compiled_of(design)
    theta = np.random.default_rng(1).normal(0, 0.3, (2, 4, compiled.system.dimension))
    dataset = posterior(design, compiled, theta, seed=2)
    for variable, dims in dims_of(design).items():
        for each in product(*(design.coords[d] for d in dims)):
            if design.ties.get(f"{variable}[{','.join(map(str, each))}]") == ZERO:
                assert (dataset[variable].sel(dict(zip(dims, each, strict=True))) == 0.0).all()
    if name != "alike":
        assert (dataset["client_effects"] == 0.0).all()
    flat = {str(k): v.to_numpy().reshape(-1, *v.shape[2:]) for k, v in dataset.data_vars.items()}
    people = new_people(design, flat, np.random.default_rng(0), "new_client")
    assert np.isfinite(people.client).all()
    sessions, ends = replicate(design, dataset, np.random.default_rng(0))
    assert sessions.shape == (8, *design.values.shape)
    assert np.isfinite(sessions).all()
    assert ends.shape == (8, design.clients, 0)


def test_the_centred_twin_of_people_without_effects_has_a_density() -> None:
    model = paths_pymc(of("couples"), "centred")
    assert np.isfinite(float(model.compile_logp(mode="FAST_COMPILE")(model.initial_point())))
