"""The PyMC twin of a path model at given parameters: its density with effects integrated, or given the effects."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from safezone.models import path_form
from safezone.models.compilation import Compiled, compile_system
from safezone.models.gaussian import GaussianSystem
from safezone.models.multilevel_parameters import Parameterisation
from safezone.models.path_design import PathDesign
from safezone.models.path_posterior import posterior
from safezone.models.path_twin import paths_pymc

from . import path_studies
from .integral import Twin, integrate


def point_at(model: Any, value: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Values of the model's free variables on its own unconstrained scale; what ``value`` lacks stays as it starts."""
    point = {name: np.array(start, dtype=float) for name, start in model.initial_point().items()}
    for rv in model.free_RVs:
        own = model.rvs_to_values[rv].name
        if rv.name not in value:
            continue
        natural = value[rv.name]
        if own.endswith("_log__"):
            point[own] = np.log(natural)
        elif own.endswith(("_logodds__", "_interval__")):
            point[own] = np.log(natural / (1 - natural))
        elif own.endswith("_ordered__"):
            point[own] = np.concatenate([natural[:1], np.log(np.diff(natural))])
        else:
            assert own == rv.name, own
            point[own] = natural
    return point


def integrated_twin(
    design: PathDesign, value: dict[str, np.ndarray], parameterisation: Parameterisation = "noncentred"
) -> Twin:
    """Integrate effects, unknown covariates and missing ratings: the joint density is a quadratic form in them."""
    from pytensor.gradient import grad

    model = paths_pymc(design, parameterisation)
    with model:
        latent = [rv for rv in model.free_RVs if rv.name.endswith(("_z", "__level")) or rv.name.startswith("missing_")]
        flat = {f"missing_{name}" for name in design.names}  # their law is a potential
        terms = [*model.observed_RVs, *(rv for rv in latent if rv.name not in flat), *model.potentials]
        total = model.logp(vars=terms, jacobian=False)
        variables = [model.rvs_to_values[rv] for rv in latent]
        gradient = cast("list[Any]", grad(total, variables))
        function = model.compile_fn([total, *gradient], point_fn=True, mode="FAST_COMPILE")
    point = point_at(model, value)
    return integrate(function, point, [variable.name for variable in variables])


def twin_values(design: PathDesign, compiled: Compiled, theta: np.ndarray) -> dict[str, np.ndarray]:
    """The parameters at θ under the names of the twin; correlations as partial correlations on (0, 1)."""
    dataset = posterior(design, compiled, theta[None, None], seed=0, effects=False)
    values = {str(name): variable.to_numpy()[0, 0] for name, variable in dataset.data_vars.items()}
    start = len(compiled.system.parameters)
    for _, block in compiled.system.correlations:
        size = len(block.effects) * (len(block.effects) - 1) // 2
        name = block.name.replace("[", "__").rstrip("]")
        values[f"{name}_partial"] = (1 + np.tanh(theta[start : start + size])) / 2
        start += size
    for variable in {name.partition("[")[0] for name in design.ties}:
        coords = [f"{variable}[{one}]" for one in np.ravel(list(design.coords[path_studies.DIMS[variable]]))]
        values[f"{variable}__own"] = np.array(
            [values[variable][i] for i, name in enumerate(coords) if name not in design.ties]
        )
    return values


def compiled_of(design: PathDesign) -> Compiled:
    declared = path_form.system(design)
    assert isinstance(declared, GaussianSystem), declared
    return compile_system(declared)


def start(compiled: Compiled, seed: int = 7) -> np.ndarray:
    """A place that is no mode and where nothing is zero."""
    return np.random.default_rng(seed).normal(0, 0.4, compiled.system.dimension)
