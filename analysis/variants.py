"""Versions of a model set beside one another: how well each predicts clients it has not seen, and stacking.

Every version is fitted by the marginal kernel and judged by leaving out whole clients (Pareto-smoothed importance
sampling). The stacking weights w maximise

    Σ_c log Σ_k w_k exp(elpd_kc) ,   w ≥ 0, Σ w = 1

over the clients c, the mixture of versions that would predict best (Yao et al. 2018). A weight is not the probability
that a version is true: a version that adds little to a better one gets little, however close it is.

References
----------
Vehtari, Gelman and Gabry (2017), Statistics and Computing 27, 1413-1432.
Yao, Vehtari, Simpson and Gelman (2018), Bayesian Analysis 13, 917-1007.
Sivula, Magnusson, Matamoros and Vehtari (2020), arXiv 2008.10296: differences below 4 are small, and their errors
are underestimated where they are small.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .comparison import K_LIMIT

if TYPE_CHECKING:
    from ..models.design import Design
    from ..models.model import Model

Floats = NDArray[np.float64]

CHAINS, DRAWS, WARMUP = 2, 500, 500
MOST_CLIENTS = 4000
SMALL_DIFFERENCE = 4.0
STEPS = 5000
TOLERANCE = 1e-10


def compare(model: Model, design: Design, seed: int) -> dict[str, Any]:
    """Fit and compare the versions of a model.

    Parameters
    ----------
    model, design
        The fitted model; its :attr:`~safezone.models.model.Model.variants` say what is compared.
    seed
        Seed of the versions' draws.

    Returns
    -------
    dict
        ``variants``: one row per version and set, best first within its set: ``set, name, label, elpd, se, difference,
        difference_se, weight, k_bad, verdict``; differences are from the set's best, in nats. ``variants_note``: what
        was compared, or why nothing was.
    """
    versions = model.variants(design)
    if not versions:
        return {"variants": [], "variants_note": ""}
    first = next(iter(versions.values()))
    if first.clients > MOST_CLIENTS:
        note = f"Versions were not compared: more than {MOST_CLIENTS:,} clients take it long."
        return {"variants": [], "variants_note": note}
    scores: dict[int, tuple[Floats, int]] = {}
    for version in versions.values():
        if id(version) in scores:
            continue
        found = by_client(model, version, seed)
        if isinstance(found, str):
            return {"variants": [], "variants_note": f"Versions were not compared. {found}"}
        scores[id(version)] = found
    sets: dict[str, dict[str, tuple[Floats, int]]] = {}
    for name, version in versions.items():
        group, _, short = name.rpartition(".")
        sets.setdefault(group, {})[short] = scores[id(version)]
    return {
        "variants": [row for group, members in sets.items() for row in rows(group, members)],
        "variants_note": _note(design, first),
    }


def by_client(model: Model, version: Design, seed: int) -> tuple[Floats, int] | str:
    """Return the expected log predictive density of each client left out, and how many k̂ are too high.

    A sentence where the version cannot be fitted by the kernel.
    """
    from arviz_stats.base import array_stats

    from ..models.compilation import compile_system
    from ..models.marginal_posterior import log_likelihoods
    from . import marginal

    declared = model.system(version)
    if isinstance(declared, str):
        return declared
    compiled = compile_system(declared)
    try:
        draws = marginal.sample(compiled, chains=CHAINS, draws=DRAWS, warmup=WARMUP, seed=seed)
    except marginal.MarginalError as error:
        return str(error)
    likelihood = log_likelihoods(compiled, draws.theta)[0]
    values = likelihood.reshape(-1, likelihood.shape[-1]).T[:, None, :]
    elpd, k, _ = (np.asarray(part, dtype=np.float64) for part in array_stats.loo(values, r_eff=1.0))
    return elpd, int(np.sum(~(k <= K_LIMIT)))


def rows(group: str, members: Mapping[str, tuple[Floats, int]]) -> list[dict[str, Any]]:
    """Return the rows of one set, the best version first."""
    names = sorted(members, key=lambda name: -members[name][0].sum())
    each = np.stack([members[name][0] for name in names], axis=1)
    weights = stacking(each)
    count = len(each)
    found: list[dict[str, Any]] = []
    for i, name in enumerate(names):
        gap = each[:, i] - each[:, 0]
        difference, error = float(gap.sum()), math.sqrt(count * float(gap.var(ddof=1))) if count > 1 else math.nan
        found.append(
            {
                "set": group,
                "name": f"{group}.{name}" if group else name,
                "label": name.replace("_", " "),
                "elpd": float(each[:, i].sum()),
                "se": math.sqrt(count * float(each[:, i].var(ddof=1))) if count > 1 else math.nan,
                "difference": difference,
                "difference_se": error,
                "weight": float(weights[i]),
                "k_bad": members[name][1],
                "verdict": verdict(i, difference, error),
            }
        )
    return found


def verdict(rank: int, difference: float, error: float) -> str:
    """Return ``best``, ``not told apart`` (within 4 nats or two standard errors of the best) or ``worse``.

    Examples
    --------
    >>> verdict(0, 0.0, 0.0), verdict(1, -3.0, 0.5), verdict(1, -9.0, 6.0), verdict(1, -9.0, 2.0)
    ('best', 'not told apart', 'not told apart', 'worse')
    """
    if rank == 0:
        return "best"
    return "not told apart" if -difference < max(SMALL_DIFFERENCE, 2 * error) else "worse"


def stacking(elpd: Floats) -> Floats:
    """Return stacking weights by expectation-maximisation: the objective is concave, each step raises it.

    Parameters
    ----------
    elpd
        Log predictive densities, shape (units, versions).

    Returns
    -------
    ndarray
        Weights, shape (versions,), summing to 1.

    Examples
    --------
    >>> import numpy as np
    >>> stacking(np.log(np.array([[0.9, 0.1], [0.9, 0.1]]))).round(3).tolist()
    [1.0, 0.0]
    """
    density = np.exp(elpd - elpd.max(axis=1, keepdims=True))
    weights = np.full(elpd.shape[1], 1.0 / elpd.shape[1])
    for _ in range(STEPS):
        mixed = density * weights
        step = (mixed / mixed.sum(axis=1, keepdims=True)).mean(axis=0)
        moved = float(np.abs(step - weights).max())
        weights = step
        if moved < TOLERANCE:
            break
    return np.asarray(weights)


def _note(design: Design, version: Design) -> str:
    said = [f"Fitted by the marginal kernel to {version.clients:,} clients."]
    if getattr(design, "latent", False) and not getattr(version, "latent", False):
        said.append("Unlike the model, the versions centre at observed means, and use the sessions without a gap.")
    return " ".join(said)


__all__ = ["by_client", "compare", "rows", "stacking", "verdict"]
