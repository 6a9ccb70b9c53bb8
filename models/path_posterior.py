"""From draws of θ to the posterior of a path model: the same variables and dims as its PyMC twin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .path_design import ZERO
from .path_form import PathForm, present
from .path_parameters import dims_of, elements

if TYPE_CHECKING:
    import xarray as xr

    from .compilation import Compiled
    from .design import Floats
    from .marginal_posterior import UnitEffects
    from .objective import Natural
    from .path_design import PathDesign

Variable = tuple[tuple[str, ...], "Floats"]


def posterior(design: PathDesign, compiled: Compiled, theta: Floats, *, seed: int, effects: bool = True) -> xr.Dataset:
    """Return the posterior dataset of a path model.

    Parameters
    ----------
    design, compiled
        The design and its compiled system.
    theta
        Draws, (chains, draws, n).
    seed
        Of the draws of effects.
    effects
        Whether to draw the effects of clients and therapists, and missing ratings and covariates.

    Returns
    -------
    Dataset
        Variables and dims as :mod:`safezone.models.path_design` lists them.
    """
    import xarray as xr

    from .conditional import expand
    from .marginal_posterior import draw_unit_effects

    chains, draws, n = theta.shape
    value = expand(compiled.map_, compiled.layout, np.ascontiguousarray(theta.reshape(-1, n)))
    data = {name: (dims, _parameter(design, compiled, value, name, dims)) for name, dims in dims_of(design).items()}
    coords: dict[str, list[str] | list[int]] = dict(design.coords)
    if effects:
        units = draw_unit_effects(compiled, value, seed=seed)
        data |= _effects(design, units)
        for name, filled in _missing(design, compiled, value, units, np.random.default_rng(seed + 1)).items():
            hole = name.replace("missing_", "hole_", 1)
            data[name] = ((hole,), filled)
            coords[hole] = list(range(filled.shape[1]))
    shaped = {
        name: (("chain", "draw", *dims), values.reshape(chains, draws, *values.shape[1:]))
        for name, (dims, values) in data.items()
    }
    used = {dim for dims, _ in data.values() for dim in dims}
    kept = {dim: labels for dim, labels in coords.items() if dim in used}
    return xr.Dataset(shaped, {"chain": np.arange(chains), "draw": np.arange(draws), **kept})


def _parameter(design: PathDesign, compiled: Compiled, value: Natural, name: str, dims: tuple[str, ...]) -> Floats:
    """Return draws of one variable, (draws, …)."""
    from .marginal_posterior import correlation

    if name in ("cor_client", "cor_therapist"):
        return correlation(compiled, value, name)
    if name == "cor_course":
        each = [correlation(compiled, value, f"cor_course[{course}]")[:, 1, 0] for course in design.courses]
        return np.column_stack(each)
    names = [design.ties.get(one, one) for one in elements(design, name, dims)]
    places = [0 if one == ZERO else compiled.names[one] for one in names]
    found = np.where([one == ZERO for one in names], 0.0, value.phi[:, places])
    return found.reshape(len(value.phi), *(len(design.coords[dim]) for dim in dims))


def _effects(design: PathDesign, units: UnitEffects) -> dict[str, tuple[tuple[str, ...], Floats]]:
    """Effects of every client and therapist, and the covariates that are not known."""
    found: dict[str, tuple[tuple[str, ...], Floats]] = {}
    for level, own, draws in (
        ("client", design.client_effects, units.client),
        ("therapist", design.therapist_effects, units.therapist),
    ):
        drawn = present(design) if level == "client" else own
        if own:
            effects = np.zeros((*draws.shape[:2], len(own)))
            effects[:, :, [own.index(e) for e in drawn]] = draws[:, :, : len(drawn)]
            found[f"{level}_effects"] = ((level, f"{level}_effect"), effects)
        holes = design.holes[level]
        names = list(dict.fromkeys(name for name, _ in holes))
        if holes and own:
            each = [draws[:, unit, len(drawn) + names.index(name)] for name, unit in holes]
            found[f"missing_{level}"] = ((f"hole_{level}",), np.column_stack(each))
    return found


def _missing(
    design: PathDesign, compiled: Compiled, value: Natural, units: UnitEffects, rng: np.random.Generator
) -> dict[str, Floats]:
    from .marginal_missing import effects_in_eta, fill

    form = PathForm(design)
    eta = effects_in_eta(design, compiled, value, units)
    return fill(form.sessions, form.parts(), range(len(design.names)), compiled, value, eta, rng)
