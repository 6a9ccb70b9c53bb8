"""Simpler surfaces to set beside the full one: agreement only, rising ridge, a plane, nothing.

Each variant keeps the full surface at one level and restricts it at the other, so that a comparison speaks about one
level. Variants centre at observed means, whatever the model does, because the marginal kernel then fits each of them
in a second: the surface's columns simply join F.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from .design import Column, Design, Factor, Floats
from .design_parts import Holes
from .priors import Prior
from .surface import LEVELS, SHAPES, TERMS, terms
from .surface_design import observed_parts

FULL = tuple(tuple(float(i == j) for j in range(len(TERMS))) for i in range(len(TERMS)))


def variants(design: Design) -> Mapping[str, Design]:
    """Return ``LEVEL.SHAPE`` → design, for every shape of :data:`safezone.models.surface.SHAPES` and ``full``.

    Parameters
    ----------
    design
        Of a congruence model; empty for an outcome that is not gaussian.

    Returns
    -------
    Mapping
        Designs of the same rows, without predictors and with the surface's columns in F. Those named ``full`` are one
        and the same design.
    """
    if design.surface is None or design.family != "gaussian":
        return {}
    base, deviation, usual = twin(design)
    columns = {"within": terms(*deviation.T), "between_client": terms(*usual.T)}
    full = _with(base, columns, dict.fromkeys(LEVELS, FULL))
    found: dict[str, Design] = {}
    for level in LEVELS:
        found[f"{level}.full"] = full
        for shape, span in SHAPES.items():
            found[f"{level}.{shape}"] = _with(base, columns, {**dict.fromkeys(LEVELS, FULL), level: span})
    return found


def twin(design: Design) -> tuple[Design, Floats, Floats]:
    """Return the design of complete rows without predictors, their deviations from observed means, and those means.

    Returns
    -------
    design
        Rows in which outcome, both ratings and every covariate are known; clients are numbered anew.
    deviation, usual
        Internal scale, shape (rows, 2).
    """
    deviation, usual = observed_parts(design)
    keep = ~np.isnan(design.y) & ~np.isnan(deviation).any(axis=1)
    keep[design.holes.row] = False
    rows = np.flatnonzero(keep)
    _, client = np.unique(design.client[rows], return_inverse=True)
    therapist, therapists = design.therapist, design.therapists
    if design.has_therapists:
        kept, therapist = np.unique(design.therapist[rows], return_inverse=True)
        therapists = len(kept)
    none = np.zeros(0, dtype=np.int64)
    base = replace(
        design,
        options=design.options.model_copy(update={"predictors": (), "centring": "observed"}),
        predictors=(),
        y=design.y[rows],
        x=np.zeros((len(rows), 0)),
        F=design.F[rows],
        holes=Holes(none, none, none, np.zeros(0), ()),
        client=client.astype(np.int64),
        therapist=therapist.astype(np.int64),
        clients=int(client.max()) + 1 if len(rows) else 0,
        therapists=therapists,
        row=design.row[rows],
        session=design.session[rows],
        time=design.time[rows],
        previous=np.full(len(rows), -1, dtype=np.int64),
        gap=np.zeros(len(rows), dtype=np.int64),
        client_z=design.client_z[rows],
        therapist_z=design.therapist_z[rows],
        paths=(),
        x_client=np.zeros((len(rows), 0)),
        x_therapist=np.zeros((len(rows), 0)),
        surface=None,
    )
    return base, deviation[rows], usual[rows]


def _with(base: Design, columns: Mapping[str, Floats], spans: Mapping[str, tuple[tuple[float, ...], ...]]) -> Design:
    """Return the design with the allowed directions of each level's terms as further columns of F."""
    fixed, blocks = list(base.fixed), [base.F]
    priors = dict(base.priors)
    for level, span in spans.items():
        for i, weights in enumerate(span):
            name = f"{level}.{i}"
            fixed.append(Column(name, "session", "main", (Factor(name, name, None, 0.0, 1.0),), "process"))
            blocks.append(columns[level] @ np.array(weights)[:, None])
            priors[f"fixed[{name}]"] = _prior(base, level, weights)
    return replace(base, fixed=tuple(fixed), F=np.column_stack(blocks), priors=priors)


def _prior(base: Design, level: str, weights: tuple[float, ...]) -> Prior:
    """Return the prior of the surface's terms that the direction has: slopes or curvatures."""
    variable = "surface_within" if level == "within" else "surface_between"
    return base.priors[variable if any(weights[:2]) else f"{variable}_curvature"]


__all__ = ["twin", "variants"]
