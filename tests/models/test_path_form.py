"""The marginalised system of a path model against its PyMC twin, whose effects are integrated by Gaussian algebra."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from safezone.models.path_design import PathDesign

from . import path_studies
from .path_twins import compiled_of, integrated_twin, start, twin_values
from .small import options


def moderated(name: str, moderators: tuple[str, ...]) -> PathDesign:
    """Return a chain whose session paths change with time and covariates."""
    from safezone.models.arrows import read_arrows
    from safezone.models.path_build import build_paths, with_defaults

    data, asked = path_studies.DESIGNS[name]
    study = path_studies.therapy(**data)
    filled = with_defaults(study, name, "chain", options(**asked))
    return build_paths(study, "chain", name, filled, read_arrows(study, name, filled), moderators)


def tied() -> PathDesign:
    """Return a chain in which two session paths, two client paths and two residual SDs are one parameter each."""
    design = path_studies.design("therapists")
    ties = {
        "path_session[alliance->depth]": "path_session[safety->alliance]",
        "path_client[alliance->depth]": "path_client[safety->alliance]",
        "sd_residual[depth]": "sd_residual[alliance]",
        "sd_client[alliance]": "sd_client[safety]",
    }
    return dataclasses.replace(design, ties=ties)


CASES: dict[str, Callable[[], PathDesign]] = {
    **{name: partial(path_studies.design, name) for name in path_studies.DESIGNS},
    "moderated": lambda: moderated("final", ("time", "anxiety", "arm")),
    "moderated_lagged": lambda: moderated("lagged", ("time", "anxiety")),
    "moderated_missing": lambda: moderated("missing", ("arm", "time")),
    "moderated_random": lambda: moderated("random", ("arm",)),
    "ties": tied,
}


@pytest.mark.parametrize("name", list(CASES))
def test_marginal_likelihood_equals_the_integrated_twin(name: str) -> None:
    design = CASES[name]()
    compiled = compiled_of(design)
    theta = start(compiled)
    expected = integrated_twin(design, twin_values(design, compiled, theta)).log_likelihood
    # The twin's Hessian comes from unit steps of an exactly linear gradient: rounding only.
    assert compiled.value(theta, prior=False) == pytest.approx(expected, rel=1e-9, abs=1e-8)


@pytest.mark.parametrize("name", ["holes", "trends", "final_therapists", "random"])
def test_levels_of_clients_are_effects_by_another_name(name: str) -> None:
    design = CASES[name]()
    compiled = compiled_of(design)
    theta = start(compiled)
    expected = integrated_twin(design, twin_values(design, compiled, theta), "centred").log_likelihood
    assert compiled.value(theta, prior=False) == pytest.approx(expected, rel=1e-9, abs=1e-8)


@pytest.mark.parametrize("name", list(CASES))
def test_gradients_equal_central_differences(name: str) -> None:
    compiled = compiled_of(CASES[name]())
    theta, step = start(compiled, 3), 1e-5
    _, gradient = compiled.log_density(theta)
    shifts = step * np.eye(len(theta))
    numeric = np.array([(compiled.value(theta + d) - compiled.value(theta - d)) / (2 * step) for d in shifts])
    # Central differences err by step² · third derivative (1e-10 · 10³) and rounding / step (1e-13 · 10³ / 1e-5).
    np.testing.assert_allclose(gradient, numeric, rtol=1e-5, atol=1e-4)
