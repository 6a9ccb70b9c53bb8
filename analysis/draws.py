"""Posterior groups on disk: what is kept, how much of it, and what may leave.

Population-level draws are kept whole. Effects of clients and therapists are thinned to a memory budget
before they are stored, and stay in the store: an exported fit has none, only running numbers stand for
clients, and no group holds observed data.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .diagnostics import is_unit_level

if TYPE_CHECKING:
    import xarray as xr

EFFECTS_BUDGET = 64 * 2**20  # bytes of client and therapist effects kept per model


def thinning(size: int, budget: int) -> int:
    """Return the smallest k such that every k-th draw of so many bytes fits the budget.

    Examples
    --------
    >>> thinning(100, 100), thinning(101, 100), thinning(450, 100)
    (1, 2, 5)
    """
    return max(1, math.ceil(size / budget))


def split_effects(posterior: xr.Dataset, budget: int = EFFECTS_BUDGET) -> tuple[xr.Dataset, xr.Dataset]:
    """Separate population-level draws from effects of single units, and thin the latter to a budget.

    Parameters
    ----------
    posterior
        Dims ``chain``, ``draw`` and others.
    budget
        Bytes that the effects may take.

    Returns
    -------
    population, effects
        ``effects`` keeps every k-th draw (attribute ``thinned``), the smallest k that meets the budget.
    """
    unit = [str(name) for name, variable in posterior.data_vars.items() if is_unit_level(variable)]
    population = posterior.drop_vars(unit)
    effects = posterior[unit]
    size = sum(variable.nbytes for variable in effects.data_vars.values())
    step = thinning(size, budget)
    effects = posterior.isel(draw=slice(None, None, step))[unit]
    effects.attrs = {"thinned": step, "budget_bytes": budget}
    unused = [name for name in population.coords if not any(name in v.coords for v in population.data_vars.values())]
    return population.drop_vars(unused), effects


def joint(tree: xr.DataTree) -> xr.Dataset:
    """Return population-level draws and effects together, at the draws that the effects were kept for."""
    population = tree["posterior"].to_dataset()
    if "effects" not in tree.children:
        return population
    effects = tree["effects"].to_dataset()
    kept = population.sel(draw=effects["draw"].values)
    return kept.assign({str(name): variable for name, variable in effects.data_vars.items()})


def write_tree(tree: xr.DataTree, path: Path) -> None:
    """Write a DataTree as NetCDF; uncompressed, because draws would shrink by a tenth in twice the time.

    Raises
    ------
    OSError
        When the disk is full or the folder read-only.
    """
    tree.to_netcdf(path, engine="h5netcdf")


def read_tree(path: Path) -> xr.DataTree:
    """Read a DataTree into memory and close the file."""
    import xarray as xr

    with xr.open_datatree(path, engine="h5netcdf") as tree:
        loaded: xr.DataTree = tree.load()
    return loaded


def predictive_group(statistics: dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]) -> xr.Dataset:
    """Return replicated statistics as a dataset: ``value`` (replication, statistic)."""
    import xarray as xr

    if not statistics:
        return xr.Dataset()
    values = np.column_stack(list(statistics.values()))
    names = np.array(list(statistics), dtype=object)
    return xr.Dataset({"value": (("replication", "statistic"), values)}, coords={"statistic": names})
