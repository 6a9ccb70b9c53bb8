"""From draws of θ to the posterior of a design: the same variables and dims as its PyMC twin.

Effects of clients and therapists are drawn exactly from their conditional normal distribution, one draw
per draw of the parameters; log-likelihoods per unit come from the marginal pieces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from .conditional import draw_effects, expand, unit_log_likelihood
from .marginal_form import dims_of, elements
from .marginal_missing import missing_ratings
from .objective import Natural

if TYPE_CHECKING:
    from .compilation import Compiled
    from .design import Design, Floats
    from .gaussian import Structure

CHUNK_BYTES = 2**26
"""Effects are drawn for so many draws at a time that their normals fit into this."""


@dataclass(frozen=True, slots=True)
class UnitEffects:
    """Draws of the effects of every unit, in the order of the design's units.

    Parameters
    ----------
    client, therapist
        d, what the paths leave unexplained: (draws, clients, effects) and (draws, therapists, effects),
        effects in the order of the system's levels.
    """

    client: Floats
    therapist: Floats


def posterior(design: Design, compiled: Compiled, theta: Floats, *, seed: int, effects: bool = True) -> xr.Dataset:
    """Return the posterior dataset of a design.

    Parameters
    ----------
    design, compiled
        The design and its compiled system.
    theta
        Draws, (chains, draws, n).
    seed
        Of the draws of effects.
    effects
        Whether to draw the effects of clients and therapists, and missing ratings.

    Returns
    -------
    Dataset
        Variables and dims as :mod:`safezone.models.design` lists them.
    """
    chains, draws, n = theta.shape
    value = expand(compiled.map_, compiled.layout, np.ascontiguousarray(theta.reshape(-1, n)))
    data: dict[str, tuple[tuple[str, ...], Floats]] = {}
    holes: dict[str, list[int]] = {}
    for variable, dims in dims_of(design).items():
        shape = tuple(len(design.coords[dim]) for dim in dims)
        if variable.startswith("cor_"):
            found = correlation(compiled, value, variable)
        else:
            places = [compiled.names[name] for name in elements(design, variable, dims)]
            found = value.phi[:, places]
        data[variable] = (("chain", "draw", *dims), found.reshape(chains, draws, *shape))
    if effects:
        units = draw_unit_effects(compiled, value, seed=seed)
        for name, dims, draws_of in _effect_variables(design, units):
            data[name] = (("chain", "draw", *dims), draws_of.reshape(chains, draws, *draws_of.shape[1:]))
        for name, filled in missing_ratings(design, compiled, value, units, np.random.default_rng(seed + 1)).items():
            hole = name.replace("missing_", "hole_", 1)
            data[name] = (("chain", "draw", hole), filled.reshape(chains, draws, -1))
            holes[hole] = list(range(filled.shape[1]))
    used = {dim for dims, _ in data.values() for dim in dims}
    coords = {dim: labels for dim, labels in design.coords.items() if dim in used}
    return xr.Dataset(data, {"chain": np.arange(chains), "draw": np.arange(draws), **coords, **holes})


def correlation(compiled: Compiled, value: Natural, name: str) -> Floats:
    """Return draws of one correlation matrix, (draws, k, k)."""
    levels = (
        (compiled.system.client, value.client_correlation),
        (compiled.system.therapist, value.therapist_correlation),
    )
    for level, factor in levels:
        for block in level.correlations:
            if block.name == name:
                places = [level.effects.index(effect) for effect in block.effects]
                part = factor[:, places][:, :, places]
                return np.asarray(part @ part.transpose(0, 2, 1))
    raise KeyError(name)


def _effect_variables(design: Design, units: UnitEffects) -> list[tuple[str, tuple[str, str], Floats]]:
    means = len(design.predictors) if design.latent else 0
    found = [("client_effects", ("client", "client_effect"), units.client[:, :, means:])]
    if means:
        found.append(("predictor_client", ("client", "predictor"), units.client[:, :, :means]))
    if design.has_therapists:
        found.append(("therapist_effects", ("therapist", "therapist_effect"), units.therapist[:, :, means:]))
        if means:
            found.append(("predictor_therapist", ("therapist", "predictor"), units.therapist[:, :, :means]))
    return found


def draw_unit_effects(compiled: Compiled, value: Natural, *, seed: int) -> UnitEffects:
    """Draw the effects of every client and therapist given each draw of the parameters.

    Parameters
    ----------
    compiled
        The system.
    value
        Draws from :func:`safezone.models.conditional.expand`.
    seed
        Of the draws.
    """
    rng = np.random.default_rng(seed)
    layout, products, system = compiled.layout, compiled.products, compiled.system
    draws, clients, units = len(value.phi), products.rows.shape[0], len(layout.unit) - 1
    r, s = value.client_factor.shape[2], value.therapist_factor.shape[2]
    client, therapist = np.empty((draws, clients, r)), np.empty((draws, units if s else 0, s))
    step = max(1, CHUNK_BYTES // (8 * (clients * r + units * s + 1)))
    for start in range(0, draws, step):
        part = slice(start, min(start + step, draws))
        size = part.stop - part.start
        of_clients, of_therapists = rng.standard_normal((size, clients, r)), rng.standard_normal((size, units, s))
        draw_effects(layout, products, Natural(*(array[part] for array in value)), of_clients, of_therapists)
        for standard, level, factor, target, order in (
            (of_clients, system.client, value.client_correlation, client, compiled.position),
            (of_therapists, system.therapist, value.therapist_correlation, therapist, None),
        ):
            if len(level.effects):
                scaled = _scaled(standard, level, factor[part], value.phi[part], compiled)
                target[part] = scaled if order is None else scaled[:, order]
    return UnitEffects(client, therapist)


def _scaled(standard: Floats, level: Structure, factor: Floats, phi: Floats, compiled: Compiled) -> Floats:
    """diag(sd) C d per draw."""
    sd = phi[:, [compiled.names[name] for name in level.sd]]
    return np.asarray(standard @ (factor * sd[:, :, None]).transpose(0, 2, 1))


def log_likelihoods(compiled: Compiled, theta: Floats) -> tuple[Floats, Floats]:
    """Return log-likelihoods per unit for leaving out whole units.

    Parameters
    ----------
    compiled
        Compiled with ``per_client=True``.
    theta
        Draws, (chains, draws, n).

    Returns
    -------
    client
        log p(y_c | y_−c, θ), (chains, draws, clients), clients in the order of the design.
    therapist
        log p(y_t | θ), (chains, draws, therapists); one per client where there is no such level.
    """
    chains, draws, n = theta.shape
    value = expand(compiled.map_, compiled.layout, np.ascontiguousarray(theta.reshape(-1, n)))
    by_client, by_therapist = unit_log_likelihood(compiled.layout, compiled.products, value)
    return (
        by_client[:, compiled.position].reshape(chains, draws, -1),
        by_therapist.reshape(chains, draws, -1),
    )
