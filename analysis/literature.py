"""What became of priors from the library: how far the data let the literature keep its weight."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..models.library import CONVERSION, PREFIX, conflict, library, literature_weight

if TYPE_CHECKING:
    import xarray as xr

    from ..models.design import Design
    from ..models.model import Model


def literature(model: Model, design: Design, posterior: xr.Dataset) -> list[dict[str, Any]]:
    """Return one record per library prior of a model.

    Parameters
    ----------
    model, design
        What was fitted.
    posterior
        Population-level draws.

    Returns
    -------
    list of dict
        ``estimand``, ``name``, ``citation``, ``doi``, ``prior``, what the literature found (``estimate``, ``se``,
        ``tau``, ``k``, ``measure``, ``population``) and the relative SD of its ``conversion``; for slopes ``weight``
        before and after the data and whether data and literature disagree (``conflict``).
    """
    asked = {name: text for name, text in design.options.priors.items() if isinstance(text, str)}
    asked = {name: text.removeprefix(PREFIX).strip() for name, text in asked.items() if text.startswith(PREFIX)}
    found: list[dict[str, Any]] = []
    for parameter in model.parameters(design) if asked else ():
        if parameter.estimand not in asked:
            continue
        entry = library()[asked[parameter.estimand]]
        record: dict[str, Any] = {
            "estimand": parameter.estimand,
            "name": entry.name,
            "citation": entry.record["citation"],
            "doi": entry.record["doi"],
            "prior": str(parameter.prior),
            "k": entry.record["k"],
            "measure": entry.record.get("measure", ""),
            "population": entry.record.get("population", ""),
            "estimate": entry.estimate,
            "se": entry.se,
            "tau": entry.tau,
            "conversion": CONVERSION if entry.quantity == "slope" else 0.0,
        }
        if parameter.prior.kind == "mixture":
            draws = draws_of(posterior, parameter.name)
            record |= {
                "weight_before": parameter.prior.parameters[0],
                "weight_after": literature_weight(parameter.prior, draws),
                "conflict": conflict(parameter.prior, draws),
            }
        found.append(record)
    return found


def draws_of(posterior: xr.Dataset, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the draws of one parameter, ``within[safety]`` or ``sd_residual``."""
    variable, _, coordinate = name.partition("[")
    values = posterior[variable]
    if coordinate:
        values = values.sel({str(values.dims[-1]): coordinate.removesuffix("]")})
    return np.asarray(values.values, dtype=np.float64)
