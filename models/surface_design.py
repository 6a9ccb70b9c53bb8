"""What a design of two raters holds beside its predictors: where usual ratings are taken, and observed means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..data.centring import observed_means
from .design import Design, Floats
from .design_parts import Surface
from .scales import rating
from .surface import TERMS, VARIABLES, terms

if TYPE_CHECKING:
    from ..data.config import ModelSection
    from ..data.study import Study
    from .columns import FixedPart
    from .design import Ints, Measure


def surface_of(
    study: Study, options: ModelSection, rows: Ints, part: FixedPart, predictors: tuple[Measure, ...]
) -> Surface:
    """Return the surface of a congruence design.

    Parameters
    ----------
    study, options
        The study and the model's options, filled in.
    rows
        Positions in ``study.sessions``.
    part
        F of the design.
    predictors
        The two raters' scales (one metric).
    """
    means = part.F.mean(axis=0) if len(part.columns) else np.zeros(0)
    own = np.array([column.level != "session" for column in part.columns], dtype=bool)
    usual = np.where(own, np.nan, means)
    if options.centring == "latent":
        return Surface(usual, np.zeros((len(rows), 0)))
    client = study.sessions["client"].to_numpy()
    columns = [
        (observed_means(rating(study, options, p.name), client).client_mean[rows] - p.mean) / p.sd for p in predictors
    ]
    return Surface(usual, np.column_stack(columns))


def level_columns(design: Design) -> tuple[Floats, Floats]:
    """Return (own, held): a client's usual rating has F · own + held in place of F, each of shape (fixed,)."""
    usual = design.surface.usual if design.surface is not None else np.zeros(0)
    own = np.isnan(usual).astype(np.float64)
    return own, np.nan_to_num(usual)


def observed_parts(design: Design) -> tuple[Floats, Floats]:
    """Return both ratings' deviations from the clients' observed means, and these means, internal, (rows, 2) each.

    NaN where a rating is missing; the means are over the rows of the design.
    """
    if not design.latent:
        between = design.surface.between if design.surface is not None else np.zeros_like(design.x)
        return design.x, between
    known = ~np.isnan(design.x)
    parts = zip(known.T, np.nan_to_num(design.x).T, strict=True)
    sums = [(np.bincount(design.client, k), np.bincount(design.client, v)) for k, v in parts]
    count, total = (np.stack(each, axis=1) for each in zip(*sums, strict=True))
    usual = (total / np.maximum(count, 1))[design.client]
    return design.x - usual, usual


def term_root(design: Design, variable: str) -> Floats:
    """Return R, upper triangular, with R'R the cross-products of a surface's centred terms by observed means, (5, 5).

    Between clients each client counts once. A little is added to the diagonal, so that few clients leave it regular.
    """
    deviation, usual = observed_parts(design)
    ratings = deviation if variable == VARIABLES["within"] else usual[np.unique(design.client, return_index=True)[1]]
    columns = terms(*ratings[~np.isnan(ratings).any(axis=1)].T)
    columns = columns - columns.mean(axis=0)
    return np.asarray(np.linalg.cholesky(columns.T @ columns + np.eye(len(TERMS))).T)


__all__ = ["level_columns", "observed_parts", "surface_of", "term_root"]
