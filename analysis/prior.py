"""Draws from the prior under the names and dims of the posterior, for prior beside posterior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import xarray as xr

    from ..models.model import Parameter

DRAWS = 2000


def prior_draws(
    parameters: Sequence[Parameter], population: xr.Dataset, rng: np.random.Generator, draws: int = DRAWS
) -> xr.Dataset:
    """Draw every parameter from its prior.

    Parameters
    ----------
    parameters
        Names with or without one coordinate (``within[safety]``, ``sd_residual``).
    population
        Posterior draws, for dims and coordinates.
    rng
        Random generator.
    draws
        Number of draws.

    Returns
    -------
    Dataset
        Dims ``chain`` (1), ``draw`` and those of the posterior; only parameters with a prior of their own.
    """
    import xarray as xr

    result: dict[str, tuple[tuple[str, ...], NDArray[np.float64]]] = {}
    for parameter in parameters:
        name, _, coordinate = parameter.name.partition("[")
        if name not in population:
            continue
        dims = tuple(str(dim) for dim in population[name].dims if dim not in ("chain", "draw"))
        shape = tuple(population.sizes[dim] for dim in dims)
        if name not in result:
            result[name] = (("chain", "draw", *dims), np.full((1, draws, *shape), np.nan))
        values = result[name][1]
        if parameter.prior.kind == "lkj":
            values[0] = parameter.prior.sample(rng, draws, shape[0])
        elif coordinate and dims:
            labels = [str(label) for label in population[dims[0]].values]
            place = coordinate.removesuffix("]")  # one bracket: a coordinate may hold some itself (arm[active])
            if place in labels:
                values[0, :, labels.index(place)] = parameter.prior.sample(rng, (draws, *shape[1:]))
        elif not coordinate:
            values[0] = parameter.prior.sample(rng, (draws, *shape))
    used = {dim for dims, _ in result.values() for dim in dims} - {"chain", "draw"}
    coords = {dim: population[dim].values for dim in sorted(used) if dim in population.coords}
    return xr.Dataset(result, coords=coords)
