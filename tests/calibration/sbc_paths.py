"""Simulation-based calibration of path models: as :mod:`.sbc`, with arrows at three levels and final outcomes.

Designs are small and fixed, on the internal scale of a template; parameters come from the priors that the package
ships, none narrowed, data from :mod:`.path_generator`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from safezone.analysis import marginal
from safezone.data.config import ModelSection
from safezone.data.study import Study
from safezone.models.catalogue import model
from safezone.models.compilation import compile_system
from safezone.models.path_design import PathDesign
from safezone.models.path_form import system
from safezone.models.path_posterior import posterior

from .path_generator import draw
from .sbc import RANKED, ranks, smallest_ess
from .studies import in_memory

CHAINS, DRAWS, WARMUP = 2, 600, 250


@dataclass(frozen=True, eq=False)  # a target is itself: its template is kept
class PathTarget:
    """A path model on a fixed small design.

    Parameters
    ----------
    name, options
        Name of its results; the model.
    clients, sessions, therapists
        Size.
    lost, skipped
        Share of single ratings that are missing, and of sessions that did not take place.
    unknown
        Clients whose anxiety is unknown, and clients without the final outcome.
    seed, replications
        Of everything; how many.
    """

    name: str
    options: Mapping[str, Any]
    clients: int
    sessions: int
    therapists: int
    lost: float
    skipped: float
    unknown: int
    seed: int
    replications: int


TARGETS = (
    PathTarget(
        "chain",
        {
            "session": ["safety -> alliance", "safety, alliance -> depth"],
            "client": ["anxiety -> safety -> alliance -> depth", "anxiety, safety, depth -> final"],
            "therapist": ["safety -> alliance"],
            "time": "none",
        },
        20, 5, 5, 0.1, 0.0, 2, 56_000, 200,
    ),
    PathTarget(
        "chain_lagged",
        {"session": ["lag(safety) -> safety", "safety, lag(safety), lag(depth) -> depth"],
         "client": ["anxiety -> safety"], "time": "none"},
        20, 6, 5, 0.0, 0.1, 0, 57_000, 300,
    ),
    PathTarget(
        "chain_random",
        {"session": ["safety -> alliance -> depth"], "client": ["safety -> depth", "depth, depth:time -> final"],
         "random_slopes": ["safety -> alliance", "alliance -> depth", "depth"]},
        20, 6, 0, 0.0, 0.0, 2, 58_000, 200,
    ),
)  # fmt: skip


def as_outcome(study: Study, name: str) -> Study:
    """Return the study with a client's variable in the role of the final outcome."""
    return replace(study, variables={**study.variables, name: replace(study.variables[name], role="final_outcome")})


@cache
def template(target: PathTarget) -> PathDesign:
    """Return the fixed design of a target; its ratings and outcomes are placeholders."""
    rng = np.random.default_rng(target.seed)
    client = np.repeat(np.arange(target.clients), target.sessions)
    table = pd.DataFrame(
        {
            "client": [f"c{i:02d}" for i in client],
            "session": np.tile(np.arange(1, target.sessions + 1), target.clients),
            **({"therapist": [f"t{i}" for i in client % target.therapists]} if target.therapists else {}),
            **{name: rng.normal(size=len(client)) for name in ("safety", "alliance", "depth")},
        }
    )
    for name in ("safety", "alliance", "depth"):
        table.loc[rng.random(len(table)) < target.lost, name] = np.nan
    table = table[(rng.random(len(table)) >= target.skipped) | (table["session"] == 1)]
    about = rng.normal(size=(target.clients, 2))
    about[: target.unknown, 0] = np.nan
    about[3 : 3 + target.unknown, 1] = np.nan
    index = pd.Index([f"c{i:02d}" for i in range(target.clients)], name="client")
    clients = pd.DataFrame(about, columns=["anxiety", "final"], index=index)
    study = as_outcome(in_memory(table, clients), "final")
    made = model("chain").design(study, target.name, ModelSection(**target.options))
    assert isinstance(made, PathDesign)
    return made


def replicate(target: PathTarget, replication: int) -> dict[str, Any]:
    """Draw from the joint distribution, fit by NUTS, rank; see :func:`.sbc.replicate`."""
    started = time.perf_counter()
    rng = np.random.default_rng([target.seed, replication])
    drawn = draw(template(target), rng)
    declared = system(drawn.design)
    if isinstance(declared, str):
        raise TypeError(f"{target.name}: {declared}")
    compiled = compile_system(declared, per_client=False)
    seed = target.seed + replication
    found = marginal.sample(compiled, sampler="nuts", chains=CHAINS, draws=DRAWS, warmup=WARMUP, seed=seed)
    wanted = found.theta.shape[0] * found.theta.shape[1]
    theta = found.theta.reshape(wanted, -1)[:: wanted // RANKED][None]
    values = posterior(drawn.design, compiled, theta, seed=seed)
    if "cor_course" in values:  # single correlations, not a matrix
        values = values.rename(cor_course="course_correlation")
    return {
        "replication": replication,
        "accepted": True,
        "pareto_k": float("nan"),
        "ess": round(smallest_ess(found.theta)),
        "divergences": int(found.statistics["diverging"].sum()),
        "seconds": round(time.perf_counter() - started, 2),
        "ranks": ranks(drawn, compiled, values, theta[0], rng),  # type: ignore[arg-type]  # the same fields as sbc's
    }
