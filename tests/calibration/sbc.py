"""Simulation-based calibration of the marginal kernel (Talts et al. 2018; Modrák et al. 2023).

Parameters come from the priors that the package ships, data from :mod:`.generator`, draws from the kernel by NUTS
or by importance sampling, as ``safezone fit`` takes them. Ranks are kept of every parameter, of effects of a
client and a therapist, of a missing rating, and of the log-likelihood, which sees data that are ignored.

Designs are small and fixed, on the internal scale of a template: with data of their own scale a study would
z-score them, and no prior would be the prior of the data any more.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from safezone.analysis import marginal
from safezone.data.config import ModelSection
from safezone.models.build import build
from safezone.models.compilation import Compiled, compile_system
from safezone.models.design import Design
from safezone.models.marginal_form import system
from safezone.models.marginal_posterior import posterior

from .generator import Drawn, draw
from .studies import in_memory

Floats = NDArray[np.float64]

RANKED = 100
"""Draws that a true value is ranked among."""
CHAINS, DRAWS, WARMUP = 2, 500, 200
IMPORTANCE_CHAINS, IMPORTANCE_DRAWS = 4, 250


@dataclass(frozen=True, eq=False)  # a target is itself: its template is kept
class Target:
    """A model on a fixed small design.

    Parameters
    ----------
    name
        Name of its results.
    kind, options
        The model.
    clients, sessions, therapists
        Size.
    lost
        Share of single ratings that are missing, in fixed places.
    skipped
        Share of sessions that did not take place: they break series.
    seed
        Of everything.
    replications
        By NUTS and by importance sampling, of which only those count that ``--sampler auto`` would have kept.
    """

    name: str
    kind: str
    options: Mapping[str, Any]
    clients: int
    sessions: int
    therapists: int
    lost: float
    skipped: float
    seed: int
    replications: Mapping[str, int]


MANY = {"nuts": 200, "importance": 260}
FEW = {"nuts": 200, "importance": 60}  # importance sampling is never kept: how often is all there is to say

TARGETS = (
    Target("variance", "variance", {"outcome": "depth", "covariates": ["arm"]}, 20, 4, 5, 0.1, 0.0, 51_000, MANY),
    Target("growth", "growth", {"outcome": "depth", "time": "linear", "by": ["arm"]}, 20, 5, 5, 0.1, 0.0, 52_000, MANY),
    Target(
        "within_between",
        "within_between",
        {"outcome": "depth", "predictors": ["safety", "alliance"], "time": "linear"},
        20, 5, 5, 0.15, 0.0, 53_000, {"nuts": 200, "importance": 600},
    ),
    # Few dimensions, as importance sampling wants them: with the 26 of the one above it hardly ever suffices.
    Target(
        "within_between_one",
        "within_between",
        {"outcome": "depth", "predictors": ["safety"]},
        40, 6, 10, 0.15, 0.0, 55_000, {"nuts": 200, "importance": 340},
    ),
    Target(
        "within_between_lagged",
        "within_between",
        {"outcome": "depth", "predictors": ["safety"], "lag": 1},
        20, 6, 5, 0.0, 0.1, 54_000, FEW,
    ),
)  # fmt: skip

Method = Literal["nuts", "importance"]


@cache
def template(target: Target) -> Design:
    """Return the fixed design of a target; its responses are placeholders."""
    rng = np.random.default_rng(target.seed)
    client = np.repeat(np.arange(target.clients), target.sessions)
    session = np.tile(np.arange(1, target.sessions + 1), target.clients)
    table = pd.DataFrame(
        {
            "client": [f"c{i:02d}" for i in client],
            "session": session,
            "therapist": [f"t{i}" for i in client % target.therapists],
            **{name: rng.normal(size=len(client)) for name in ("safety", "alliance", "depth")},
        }
    )
    for name in ("safety", "alliance", "depth"):
        table.loc[rng.random(len(table)) < target.lost, name] = np.nan
    table = table[(rng.random(len(table)) >= target.skipped) | (table["session"] == 1)]
    arm = pd.Categorical.from_codes(np.arange(target.clients) // target.therapists % 2, ["usual", "active"])  # type: ignore[call-overload]  # stubs
    clients = pd.DataFrame({"arm": arm}, index=pd.Index(sorted(table["client"].unique()), name="client"))
    return build(in_memory(table, clients), target.kind, target.name, ModelSection(**target.options))


def replicate(target: Target, method: Method, replication: int) -> dict[str, Any]:
    """Draw from the joint distribution, fit, rank.

    Returns
    -------
    dict
        ``replication``, ``accepted`` (importance sampling: whether ``auto`` would have kept it), ``pareto_k``,
        ``ess``, ``divergences``, ``seconds``, and ``ranks`` by quantity.
    """
    started = time.perf_counter()
    rng = np.random.default_rng([target.seed, replication])
    drawn = draw(template(target), rng)
    declared = system(drawn.design)
    if isinstance(declared, str):
        raise TypeError(f"{target.name}: {declared}")
    compiled = compile_system(declared, per_client=False)
    seed = target.seed + replication
    if method == "nuts":
        found = marginal.sample(compiled, sampler="nuts", chains=CHAINS, draws=DRAWS, warmup=WARMUP, seed=seed)
    else:
        found = marginal.sample(
            compiled, sampler="importance", chains=IMPORTANCE_CHAINS, draws=IMPORTANCE_DRAWS, seed=seed
        )
    wanted = found.theta.shape[0] * found.theta.shape[1]
    theta = found.theta.reshape(wanted, -1)[:: wanted // RANKED][None]
    values = posterior(drawn.design, compiled, theta, seed=seed)
    diverging = found.statistics.get("diverging")
    return {
        "replication": replication,
        "accepted": bool(
            method == "nuts" or (found.pareto_k < marginal.K_HAT_LIMIT and found.ess_importance >= wanted)
        ),
        "pareto_k": round(float(found.pareto_k), 3),
        "ess": round(smallest_ess(found.theta) if method == "nuts" else found.ess_importance),
        "divergences": int(diverging.sum()) if diverging is not None else 0,
        "seconds": round(time.perf_counter() - started, 2),
        "ranks": ranks(drawn, compiled, values, theta[0], rng),
    }


def smallest_ess(theta: Floats) -> float:
    """Return the smallest bulk ESS over the elements of θ, (chains, draws, n)."""
    from arviz_stats.base import array_stats

    return float(
        min(array_stats.ess(theta[:, :, i], method="bulk", chain_axis=0, draw_axis=1) for i in range(theta.shape[2]))
    )


def ranks(
    drawn: Drawn, compiled: Compiled, values: xr.Dataset, theta: Floats, rng: np.random.Generator
) -> dict[str, int]:
    """Return the number of draws below the truth, ties (there are none but by rounding) broken at random."""
    found: dict[str, int] = {}
    for name, sample, true in quantities(drawn, compiled, values, theta):
        equal = int(np.sum(sample == true))
        found[name] = int(np.sum(sample < true)) + int(rng.integers(0, equal + 1))
    return found


def quantities(drawn: Drawn, compiled: Compiled, values: xr.Dataset, theta: Floats) -> list[tuple[str, Floats, float]]:
    """Return (name, draws, true value) of everything that is ranked."""
    found: list[tuple[str, Floats, float]] = []
    for variable in values.data_vars:
        name = str(variable)
        array = values[name].to_numpy()[0]
        true = np.asarray(drawn.truth[name]).reshape(array.shape[1:])
        for place in np.ndindex(true.shape):
            if name.startswith("cor_") and place[0] <= place[1]:
                continue
            # of clients, therapists and missing ratings the first: the others are its exchangeable copies
            if name in UNITS or name.startswith("missing_"):  # noqa: SIM102
                if place[0] > 0:
                    continue
            label = f"{name}{list(place)}".replace(" ", "") if place else name
            found.append((label, array[(slice(None), *place)], float(true[place])))
    at = np.array([compiled.value(each, prior=False) for each in theta])
    found.append(("log_likelihood", at, compiled.value(unconstrain(compiled, drawn.truth), prior=False)))
    return found


UNITS = {"client_effects", "therapist_effects", "predictor_client", "predictor_therapist"}


def unconstrain(compiled: Compiled, truth: Mapping[str, Floats]) -> Floats:
    """Return θ of true parameters: the inverse of what :mod:`safezone.models.parameter_map` documents."""
    from scipy.stats import norm

    theta: list[float] = []
    position: dict[str, int] = {}
    for parameter, (lower, upper, scale) in zip(compiled.system.parameters, compiled.map_.bounds, strict=True):
        variable = parameter.name.partition("[")[0]
        at = position.get(variable, 0)
        position[variable] = at + 1
        value = float(np.ravel(truth[variable])[at])  # elements of a variable stand in row-major order
        if lower == -np.inf:
            theta.append(value)
        elif upper == np.inf:
            theta.append(float(norm.isf(np.exp(-(value - lower) / scale))))
        else:
            share = (value - lower) / (upper - lower)
            theta.append(float(np.log(share / (1.0 - share))))
    for _, block in compiled.system.correlations:
        factor = np.linalg.cholesky(truth[block.name])
        for i in range(1, len(factor)):
            left = 1.0
            for j in range(i):
                partial = factor[i, j] / left
                theta.append(float(np.arctanh(partial)))
                left *= float(np.sqrt(1.0 - partial**2))
    return np.array(theta)
