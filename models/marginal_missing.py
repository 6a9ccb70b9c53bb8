"""Draws of missing ratings given the parameters and the effects: what the kernel integrated, filled in again.

Within a session the responses follow r = A r + f + e, so r ~ N(T f, T diag(σ²) T') with T = (I − A)⁻¹; a
missing rating is drawn from its normal distribution given the ratings that the session has. (In a
dynamic model :func:`safezone.models.marginal_form.why_not` sees to it that no later session depends on it.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .marginal_form import Form

if TYPE_CHECKING:
    from .compilation import Compiled
    from .design import Design, Floats, Ints
    from .gaussian import Poly, Structure
    from .marginal_posterior import UnitEffects
    from .marginal_rows import Equation, Sheet
    from .objective import Natural
    from .path_design import PathDesign


def missing_ratings(
    design: Design, compiled: Compiled, value: Natural, units: UnitEffects, rng: np.random.Generator
) -> dict[str, Floats]:
    """Return draws of the missing ratings of each response, (draws, holes), holes in the order of rows.

    Parameters
    ----------
    design, compiled
        The design and its compiled system.
    value, units
        Draws of parameters and effects.
    rng
        Random generator.
    """
    if not design.latent:
        return {}
    form = Form(design)
    imputed = [v for v in form.order if v < len(design.predictors) or design.feedback]
    eta = effects_in_eta(design, compiled, value, units)
    return fill(form.sheet, form.parts(), imputed, compiled, value, eta, rng)


def fill(
    sheet: Sheet,
    parts: Sequence[tuple[Mapping[int, Equation], Ints]],
    imputed: Sequence[int],
    compiled: Compiled,
    value: Natural,
    eta: Floats,
    rng: np.random.Generator,
) -> dict[str, Floats]:
    """Return draws of the missing values of a sheet, ``missing_NAME`` of shape (draws, holes).

    Parameters
    ----------
    sheet, parts
        Rows, and the equations that hold for which of them.
    imputed
        Responses to fill.
    compiled, value
        The compiled system and draws of its parameters.
    eta
        Effects of every client, (draws, clients, effects of the system).
    rng
        Random generator.
    """
    lost = {v: np.flatnonzero(np.isnan(sheet.values[v])) for v in imputed}
    if not any(len(rows) for rows in lost.values()):
        return {}
    found = {v: np.empty((len(value.phi), len(rows))) for v, rows in lost.items() if len(rows)}
    known = np.column_stack([~np.isnan(column) for column in sheet.values])
    for equations, rows in parts:
        patterns, which = np.unique(known[rows], axis=0, return_inverse=True)
        for n, pattern in enumerate(patterns):
            missing = [v for v in imputed if not pattern[v]]
            if missing:
                here = rows[which.ravel() == n]
                drawn = _draw(sheet, equations, compiled, value, eta, here, missing, pattern, rng)
                for v, draws in zip(missing, drawn, strict=True):
                    found[v][:, np.searchsorted(lost[v], here)] = draws
    return {f"missing_{sheet.names[v]}": draws for v, draws in found.items()}


def effects_in_eta(design: Design | PathDesign, compiled: Compiled, value: Natural, units: UnitEffects) -> Floats:
    """Return η of every client, (draws, clients, effects of the system): paths applied, therapist's added."""
    system = compiled.system
    eta = np.zeros((len(value.phi), design.clients, len(system.effects)))
    own = _through_paths(system.client, units.client, value.phi, compiled.names)
    eta[:, :, [system.effects.index(e) for e in system.client.effects]] = own
    if design.has_therapists:
        theirs = _through_paths(system.therapist, units.therapist, value.phi, compiled.names)
        places = [system.effects.index(e) for e in system.therapist.effects]
        eta[:, :, places] += theirs[:, system.therapist_of]
    return eta


def _through_paths(level: Structure, d: Floats, phi: Floats, names: Mapping[str, int]) -> Floats:
    """(I − B)⁻¹ d, effect by effect in causal order."""
    total = d.copy()
    for i, effect in enumerate(level.effects):
        for target, cause, parameter in level.paths:
            if target == effect:
                total[:, :, i] += phi[:, names[parameter], None] * total[:, :, level.effects.index(cause)]
    return total


def _evaluate(polynomial: Poly, phi: Floats, names: Mapping[str, int]) -> Floats:
    """Return the polynomial per draw."""
    total = np.zeros(len(phi))
    for weight, factors in polynomial:
        total += weight * np.prod(phi[:, [names[f] for f in factors]], axis=1)
    return total


def _draw(
    sheet: Sheet,
    equations: Mapping[int, Equation],
    compiled: Compiled,
    value: Natural,
    eta: Floats,
    rows: Ints,
    missing: list[int],
    pattern: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
    rng: np.random.Generator,
) -> list[Floats]:
    """Draw the missing responses of rows that share a pattern, each (draws, rows)."""
    names, effects, phi = compiled.names, compiled.system.effects, value.phi
    draws, size = len(phi), len(sheet.values)
    fixed = np.zeros((draws, len(rows), size))
    direct = np.zeros((draws, size, size))
    spread = np.empty((draws, size))
    client = sheet.client[rows]
    for v in sheet.order:
        equation = equations[v]
        for key, polynomial in equation.columns.items():
            fixed[:, :, v] += _evaluate(polynomial, phi, names)[:, None] * sheet.arrays[key][rows]
        for (key, effect), polynomial in equation.effects.items():
            latent = eta[:, client, effects.index(effect)] * sheet.arrays[key][rows]
            fixed[:, :, v] += _evaluate(polynomial, phi, names)[:, None] * latent
        for source, parameter in equation.sources.items():
            direct[:, v, source] = phi[:, names[parameter]]
        spread[:, v] = phi[:, names[equation.sd]]
    total = np.linalg.inv(np.eye(size) - direct)
    mean = np.einsum("dvw,drw->drv", total, fixed)
    root = total * spread[:, None, :]
    covariance = root @ root.transpose(0, 2, 1)
    seen = np.flatnonzero(pattern).tolist()
    centre = mean[:, :, missing]
    left = covariance[:, missing][:, :, missing]
    if len(seen):
        ratings = np.column_stack([sheet.values[v][rows] for v in seen])
        across = covariance[:, missing][:, :, seen]
        weights = np.linalg.solve(covariance[:, seen][:, :, seen], across.transpose(0, 2, 1)).transpose(0, 2, 1)
        centre = centre + np.einsum("dmo,dro->drm", weights, ratings - mean[:, :, seen])
        left = left - weights @ across.transpose(0, 2, 1)
    noise = rng.standard_normal((draws, len(rows), len(missing)))
    drawn = centre + noise @ np.linalg.cholesky(left).transpose(0, 2, 1)
    return [drawn[:, :, j] for j in range(len(missing))]
