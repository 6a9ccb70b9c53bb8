"""Probabilities of the categories of a final outcome: remission, classes of reliable change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from .families import expit
from .quantities import once

if TYPE_CHECKING:
    import xarray as xr

    from .design import Floats
    from .model import Estimand
    from .path_algebra import Algebra
    from .path_design import PathDesign

    Values = Callable[[Algebra], Floats]
    Draws = Callable[[xr.Dataset], xr.DataArray]


def probabilities(design: PathDesign, draws_of: Callable[[Values], Draws]) -> Iterator[Estimand]:
    r"""Yield the probability of each category for a client who is typical in everything.

    Typical: latent levels and rates of change, and the therapist, are average; covariates are at their mean or
    reference. Then the linear predictor is the intercept α (binary), or zero (ordinal, cutpoints κ):

    .. math:: P(1) = \operatorname{expit} α, \qquad P(k) = \operatorname{expit}(κ_k) − \operatorname{expit}(κ_{k-1})

    Parameters
    ----------
    design
        Of any path model; nothing is yielded for a Gaussian outcome.
    draws_of
        Turns a function of the posterior's matrices into one of the posterior.
    """
    one = design.outcome
    if one.family not in ("bernoulli", "ordinal"):
        return
    numbered = one.family == "bernoulli" and one.categories == ("0", "1")
    for k, category in enumerate(one.categories):
        if one.family == "bernoulli" and k == 0:
            continue
        what = one.label if numbered else f"{one.label}: {category}"
        meaning = (
            f"Probability of {what} for a client whose latent levels, rates of change and therapist are average, with "
            "every covariate at its mean or reference."
        )
        name = f"probability.{one.name if numbered else category}"
        yield from once(name, "client", "probability", meaning, draws_of(_probability(design, k)))


def _probability(design: PathDesign, category: int) -> Values:
    if design.outcome.family == "bernoulli":
        place = list(map(str, design.coords["variable"])).index(design.outcome.name)
        return lambda a: expit(a.draws["intercept"][:, place])

    def values(a: Algebra) -> Floats:
        below = expit(a.draws["cutpoints"])
        edges = np.column_stack([np.zeros(len(below)), below, np.ones(len(below))])
        return np.asarray(edges[:, category + 1] - edges[:, category])

    return values
