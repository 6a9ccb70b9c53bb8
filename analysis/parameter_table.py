"""Every parameter by itself: its prior on the raw scale, where the prior comes from, and how well it was explored."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..models.library import PREFIX
from ..models.path_design import PathDesign
from .diagnostics import is_unit_level, quality
from .estimates import capped, monte_carlo_error

if TYPE_CHECKING:
    import xarray as xr

    from ..models.design import Design
    from ..models.parameters import Slot


def prior_origins(design: Design | PathDesign, parameters: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Add to the parameters of a card their prior's raw range and source.

    Parameters
    ----------
    design
        The fitted design.
    parameters
        Records of the card: ``name``, ``estimand``, ``prior_lower``, ``prior_upper`` on the internal scale.

    Returns
    -------
    list of dict
        With ``raw_lower`` and ``raw_upper`` (``None`` where a parameter has no raw scale), and ``source``: ``default``,
        ``study file`` or ``library:NAME``.
    """
    places = {slot.name: slot for slot in _slots(design)}
    asked = design.options.priors
    found = []
    for one in parameters:
        own = asked.get(str(one["estimand"]))
        source = "default" if own is None else "study file"
        if isinstance(own, str) and own.startswith(PREFIX):
            source = own
        raw = _raw(places.get(str(one["name"])), float(one["prior_lower"]), float(one["prior_upper"]))
        found.append({**one, "raw_lower": raw[0], "raw_upper": raw[1], "source": source})
    return found


def _slots(design: Design | PathDesign) -> tuple[Slot, ...]:
    if isinstance(design, PathDesign):
        from ..models.path_parameters import slots as of_paths

        return of_paths(design)
    from ..models.parameters import slots as of_rows

    return of_rows(design)


def _raw(slot: Slot | None, lower: float, upper: float) -> tuple[float | None, float | None]:
    """Return the ends of an interval in raw units: internal = factor · raw + shift."""
    if slot is None or slot.factor == 0.0:
        return None, None
    low, high = sorted((end - slot.shift) / slot.factor for end in (lower, upper))
    return low, high


def parameter_quality(posterior: xr.Dataset, worth: float = math.nan) -> list[dict[str, Any]]:
    """Return how well each single parameter was explored.

    Parameters
    ----------
    posterior
        Dims ``chain``, ``draw`` and others; variables over clients, therapists or sessions are left out.
    worth
        Effective sample size of importance weights; NaN where the draws were not weighted.

    Returns
    -------
    list of dict
        ``name`` (``within[safety]``, ``sd_residual``), ``mean``, ``sd``, ``mcse``, ``rhat``, ``ess_bulk``,
        ``ess_tail``, on the internal scale; constants and the mirror half of correlation matrices are left out.
    """
    names: list[str] = []
    columns = []
    for name, variable in posterior.data_vars.items():
        if is_unit_level(variable) or variable.dtype.kind not in "iuf":
            continue
        values = variable.transpose("chain", "draw", ...)
        dims = values.dims[2:]
        labels = [[str(label) for label in values[dim].values] for dim in dims]
        for place, element in zip(np.ndindex(*values.shape[2:]), itertools.product(*labels), strict=True):
            if str(name).startswith("cor_") and len(place) == 2 and place[0] <= place[1]:
                continue
            names.append(f"{name}[{', '.join(element)}]" if element else str(name))
            columns.append(values.values[(slice(None), slice(None), *place)])
    if not columns:
        return []
    draws = np.stack(columns, axis=2).astype(np.float64)
    found, mean, sd = quality(draws), draws.mean(axis=(0, 1)), draws.std(axis=(0, 1), ddof=1)
    return [
        {
            "name": name,
            "mean": float(mean[i]),
            "sd": float(sd[i]),
            "mcse": monte_carlo_error(float(found["mcse"][i]), float(sd[i]), worth),
            "rhat": float(found["rhat"][i]),
            "ess_bulk": capped(float(found["ess_bulk"][i]), worth),
            "ess_tail": capped(float(found["ess_tail"][i]), worth),
        }
        for i, name in enumerate(names)
        if sd[i] > 0
    ]
