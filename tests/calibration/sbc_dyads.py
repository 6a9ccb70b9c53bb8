"""Simulation-based calibration of dyads: as :mod:`.sbc_paths`, with effects that change with time and attachment.

Also for members who are alike, whose design holds sums and differences and parameters that are zero by construction.
People are drawn by :mod:`.path_generator`; sessions are drawn here, from the equation

    r_v = E_v + Σ_p (β_p + Σ_m δ_pm z_m) (r_source − E_source) + e_v

with z_m time (in SDs) or what is known of the client.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from safezone.analysis import marginal
from safezone.data.config import ModelSection
from safezone.models.catalogue import model
from safezone.models.compilation import Compiled, compile_system
from safezone.models.path_design import ZERO, PathDesign
from safezone.models.path_form import system
from safezone.models.path_parameters import dims_of
from safezone.models.path_posterior import posterior

from .path_generator import Drawn, Latent, both, draw_parameters, draw_people
from .sbc import RANKED, UNITS, smallest_ess, unconstrain
from .studies import in_memory

Floats = NDArray[np.float64]

CHAINS, DRAWS, WARMUP = 2, 600, 250
RATINGS = ("safety", "t_safety", "depth", "t_depth")


@dataclass(frozen=True, eq=False)  # a target is itself: its template is kept
class DyadTarget:
    """A dyad on a fixed small design; parameters as in :class:`.sbc_paths.PathTarget`."""

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


PAIR = {"outcome": "safety", "predictors": ["t_safety"]}
CLASSIC = {"outcome": "depth", "predictors": ["safety", "t_safety"], "partner": "t_depth"}
TARGETS = (
    DyadTarget("dyad", {**PAIR, "moderators": ["time", "anxiety"]}, 20, 6, 5, 0.1, 0.05, 0, 61_000, 400),
    DyadTarget(
        "dyad_alike", {**PAIR, "distinguishable": False, "moderators": ["anxiety"]}, 20, 6, 5, 0.05, 0.0, 0, 62_000, 200
    ),
    DyadTarget("dyad_classic", {**CLASSIC, "time": "none"}, 20, 5, 5, 0.1, 0.0, 0, 63_000, 200),
)


@cache
def template(target: DyadTarget) -> PathDesign:
    """Return the fixed design of a target; its ratings are placeholders."""
    rng = np.random.default_rng(target.seed)
    client = np.repeat(np.arange(target.clients), target.sessions)
    table = pd.DataFrame(
        {
            "client": [f"c{i:02d}" for i in client],
            "session": np.tile(np.arange(1, target.sessions + 1), target.clients),
            "therapist": [f"t{i}" for i in client % target.therapists],
            **{name: rng.normal(size=len(client)) for name in RATINGS},
        }
    )
    for name in RATINGS:
        table.loc[rng.random(len(table)) < target.lost, name] = np.nan
    table = table[(rng.random(len(table)) >= target.skipped) | (table["session"] == 1)]
    anxiety = rng.normal(size=target.clients)
    anxiety[: target.unknown] = np.nan
    index = pd.Index([f"c{i:02d}" for i in range(target.clients)], name="client")
    study = in_memory(table, pd.DataFrame({"anxiety": anxiety}, index=index))
    people = {name: "therapist" if name.startswith("t_") else "client" for name in RATINGS}
    variables = {
        name: replace(one, rater=people.get(name, one.rater))  # type: ignore[arg-type]  # one of the literals
        for name, one in study.variables.items()
    }
    made = model("dyad").design(replace(study, variables=variables), target.name, ModelSection(**target.options))
    assert isinstance(made, PathDesign)
    return made


def tied(design: PathDesign, truth: dict[str, Floats]) -> dict[str, Floats]:
    """Return parameters of which those that are tied have the value of the other, or none."""
    for variable, dims in dims_of(design).items():
        if variable in truth and not variable.startswith("cor_"):
            for place, each in zip(np.ndindex(truth[variable].shape), named(design, variable, dims), strict=True):
                if each in design.ties:
                    assert design.ties[each] == ZERO, "only zeros are drawn here"
                    truth[variable][place] = 0.0
    return truth


def named(design: PathDesign, variable: str, dims: tuple[str, ...]) -> list[str]:
    """Return the names of a variable's elements, row-major."""
    return [f"{variable}[{','.join(map(str, each))}]" for each in product(*(design.coords[dim] for dim in dims))]


def draw(design: PathDesign, rng: np.random.Generator) -> Drawn:
    """Draw parameters, people and ratings for the rows of a template."""
    truth = tied(design, draw_parameters(design, rng))
    people = draw_people(design, truth, rng)
    ratings = draw_ratings(design, truth, people, rng)
    lost = np.isnan(design.values)
    for v, name in enumerate(design.names):
        if lost[:, v].any():
            truth[f"missing_{name}"] = ratings[lost[:, v], v]
    return Drawn(replace(design, values=np.where(lost, np.nan, ratings)), truth)


def draw_ratings(design: PathDesign, truth: Mapping[str, Floats], people: Latent, rng: np.random.Generator) -> Floats:
    """Draw ratings session by session, shape (rows, responses)."""
    names, count = design.names, len(design.client)
    course = design.T @ truth["slope"].T if design.terms else np.zeros((count, len(names)))
    usual = np.column_stack([both(design, people, name) for name in names])
    expected = truth["intercept"] + course + usual[design.client]
    values = np.full((count, len(names)), np.nan)
    for row in range(count):
        client, previous = design.client[row], design.previous[row]
        for v, name in enumerate(names):
            start = previous < 0 and name in design.initial
            if start:
                at = design.initial.index(name)
                mean = truth["intercept"][v] + truth["initial_shift"][at] + course[row, v]
                for j, (target, other) in enumerate(design.initial_means):
                    if target == name:
                        mean += truth["initial_loading"][j] * usual[client, names.index(other)]
                for j, (target, other) in enumerate(design.initial_paths):
                    if target == name:
                        w = names.index(other)
                        mean += truth["initial_path"][j] * (values[row, w] - expected[row, w])
                values[row, v] = mean + truth["initial_sd"][at] * rng.normal()
                continue
            mean = expected[row, v]
            for p, arrow in enumerate(design.session):
                if arrow.target == name:
                    w, at = names.index(arrow.source), previous if arrow.lag else row
                    path = truth["path_session"][p]
                    for m, one in enumerate(design.moderations):
                        if one.path == p:
                            z = design.t[row] if one.moderator == "time" else people.covariates[one.moderator][client]
                            path = path + truth["moderation"][m] * z
                    mean += path * (values[at, w] - expected[at, w])
            values[row, v] = mean + truth["sd_residual"][v] * rng.normal()
    return values


def replicate(target: DyadTarget, replication: int) -> dict[str, Any]:
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
    theta = found.theta.reshape(wanted, -1)[:: wanted // RANKED]
    values = posterior(drawn.design, compiled, theta[None], seed=seed)
    places: dict[str, int] = {}
    for name, sample, true in quantities(drawn, compiled, values, theta):
        places[name] = int(np.sum(sample < true)) + int(rng.integers(0, int(np.sum(sample == true)) + 1))
    return {
        "replication": replication,
        "accepted": True,
        "pareto_k": float("nan"),
        "ess": round(smallest_ess(found.theta)),
        "divergences": int(found.statistics["diverging"].sum()),
        "seconds": round(time.perf_counter() - started, 2),
        "ranks": places,
    }


def quantities(drawn: Drawn, compiled: Compiled, values: Any, theta: Floats) -> list[tuple[str, Floats, float]]:
    """Return (name, draws, true value) of everything that is ranked; what is zero by construction is not."""
    design, found = drawn.design, []
    free = dict(drawn.truth)
    dims = dims_of(design)
    for variable in values.data_vars:
        name = str(variable)
        array = values[name].to_numpy()[0]
        true = np.asarray(drawn.truth[name]).reshape(array.shape[1:])
        labels = named(design, name, dims[name]) if name in dims and not name.startswith("cor_") else []
        kept = np.array([label not in design.ties for label in labels]).reshape(true.shape) if labels else None
        if kept is not None:
            free[name] = true[kept]
        for place in np.ndindex(true.shape):
            if name.startswith("cor_") and place[0] <= place[1]:
                continue
            if (name in UNITS or name.startswith("missing_")) and place[0] > 0:
                continue
            if kept is None or kept[place]:
                found.append(
                    (f"{name}{list(place)}".replace(" ", ""), array[(slice(None), *place)], float(true[place]))
                )
    at = np.array([compiled.value(each, prior=False) for each in theta])
    return [*found, ("log_likelihood", at, compiled.value(unconstrain(compiled, free), prior=False))]
