"""Recovery of the families that run in PyMC: ordinal, bernoulli, beta, negative binomial, Student t.

Compiling costs more than sampling here, so each family's within_between model is compiled once per process, on fixed
predictors, and only its outcome is exchanged: every replication draws new effects of clients and
therapists and new ratings from the same truth. All values are on the internal scale (predictors z-scored, outcome on
its link scale); bias is in SDs of the outcome on that scale, between clients and sessions together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from safezone.data.config import ModelSection
from safezone.models.build import build
from safezone.models.design import Design
from safezone.models.families import laws, offset
from safezone.models.multilevel import multilevel

from .generator import draw_effects, latent_means
from .studies import in_memory

Floats = NDArray[np.float64]
CHAINS, DRAWS, WARMUP = 2, 500, 400


@dataclass(frozen=True, eq=False)  # a scenario is itself: what it compiled is kept
class Family:
    """One family on one small design.

    Parameters
    ----------
    name
        The family.
    size
        Clients, sessions, therapists.
    extra
        True values of its own parameters.
    residual
        SD of a session's rating on the link scale (logistic: π/√3).
    replications, seed
        How many; seed.
    """

    name: str
    size: tuple[int, int, int]
    extra: Mapping[str, tuple[float, ...]]
    residual: float
    replications: int
    seed: int


LOGISTIC = 1.8138
FAMILIES = (
    Family("ordinal", (50, 8, 5), {"cutpoints": (-1.5, -0.5, 0.5, 1.5)}, LOGISTIC, 50, 610_000),
    Family("bernoulli", (50, 8, 5), {}, LOGISTIC, 50, 620_000),
    Family("student_t", (50, 8, 5), {"sd_residual": (0.6,), "nu": (4.0,)}, 0.85, 50, 630_000),
    Family("negative_binomial", (50, 8, 5), {"dispersion": (3.0,)}, 0.8, 50, 640_000),
    Family("beta", (50, 8, 5), {"precision": (8.0,)}, 0.8, 50, 650_000),
)

SHARED: Mapping[str, tuple[float, ...]] = {
    "fixed": (0.2,),
    "within": (0.3,),
    "between_client": (0.6,),
    "between_therapist": (0.5,),
    "sd_client": (0.5,),
    "sd_therapist": (0.2,),
    "sd_predictor_client": (0.6,),
    "sd_predictor_therapist": (0.2,),
}


def truth(family: Family) -> dict[str, Floats]:
    """Return true parameters by posterior variable."""
    intercept = {} if family.name == "ordinal" else {"intercept": (0.1,)}
    return {name: np.array(value) for name, value in {**intercept, **SHARED, **family.extra}.items()}


@cache
def template(family: Family) -> tuple[Design, Mapping[str, Floats]]:
    """Return the fixed design, and the predictor's latent means in it."""
    rng = np.random.default_rng(family.seed)
    clients, sessions, therapists = family.size
    client = np.repeat(np.arange(clients), sessions)
    seat = np.arange(clients) % therapists
    means = {
        "predictor_client": 0.6 * rng.normal(size=(clients, 1)),
        "predictor_therapist": 0.2 * rng.normal(size=(therapists, 1)),
    }
    safety = (means["predictor_client"][client] + means["predictor_therapist"][seat[client]])[:, 0]
    safety = safety + 0.75 * rng.normal(size=len(client))
    spread, centre = safety.std(ddof=1), safety.mean()
    # The design z-scores safety: latent means are moved and scaled with it, the intercept absorbs the centre.
    means = {name: value / spread for name, value in means.items()}
    table = pd.DataFrame(
        {
            "client": [f"c{i:03d}" for i in client],
            "session": np.tile(np.arange(1, sessions + 1), clients),
            "therapist": [f"t{i:02d}" for i in seat[client]],
            "safety": (safety - centre) / spread,
            "depth": _placeholder(family, len(client), rng),
        }
    )
    study = in_memory(
        table, families={"depth": family.name}, ranges={"depth": (0.0, 1.0)} if family.name == "beta" else {}
    )
    options = ModelSection(outcome="depth", predictors=("safety",), time="linear", random_slopes=())
    return build(study, "within_between", family.name, options), means


def _placeholder(family: Family, count: int, rng: np.random.Generator) -> Floats:
    """Return ratings that give the design its categories and scale."""
    match family.name:
        case "ordinal":
            return np.arange(count, dtype=np.float64) % (len(family.extra["cutpoints"]) + 1)
        case "bernoulli":
            return np.arange(count, dtype=np.float64) % 2
        case "negative_binomial":
            return np.arange(count, dtype=np.float64) % 3  # mean count 1: the offset log(mean) is 0
        case "beta":
            return rng.uniform(0.1, 0.9, count)
        case _:
            return rng.normal(size=count)


@cache
def compiled(family: Family) -> Any:
    """Return the compiled PyMC model with an exchangeable outcome."""
    import nutpie
    import pymc as pm

    design, _ = template(family)
    model = multilevel(design)
    with model:
        rating = model["y"]
        value = model.rvs_to_values[rating]
        shared = pm.Data("ratings", np.asarray(design.y, dtype=value.dtype))
        del model.values_to_rvs[value]
        model.rvs_to_values[rating], model.values_to_rvs[shared] = shared, rating
    return nutpie.compile_pymc_model(model, backend="numba"), value.dtype


def draw_ratings(family: Family, rng: np.random.Generator) -> Floats:
    """Draw effects and internal ratings, shape (rows,)."""
    design, means = template(family)
    true = truth(family)
    effects = {**true, **draw_effects(design, true, rng), **means}
    m = latent_means(design, effects)
    within = true["within"][0]
    eta = design.x[:, 0] * within + m[:, 1] - within * m[:, 0] + design.F @ true["fixed"] + offset(design.outcome)
    eta = eta + (true["intercept"][0] if "intercept" in true else 0.0)
    extra = {name: np.array([value]) for name, value in family.extra.items()}
    drawn: Floats = laws()[family.name].draw(rng, eta[None], extra)[0]
    return drawn


def replicate(family: Family, replication: int) -> dict[str, Any]:
    """Draw, fit and summarise one set of ratings."""
    import nutpie

    seed = family.seed + replication
    ratings = draw_ratings(family, np.random.default_rng(seed))
    model, kind = compiled(family)
    tree = nutpie.sample(
        model.with_data(ratings=ratings.astype(kind)),
        chains=CHAINS, draws=DRAWS, tune=WARMUP, seed=seed, progress_bar=False, save_warmup=False,
    )  # fmt: skip
    posterior = tree["posterior"]
    estimates: dict[str, list[float]] = {}
    for name in true_values(family):
        variable, _, place = name.partition("[")
        sample = posterior[variable].to_numpy().reshape(CHAINS * DRAWS, -1)[:, int(place.rstrip("]") or 0)]
        lower, upper = np.quantile(sample, [0.025, 0.975])
        estimates[name] = [float(sample.mean()), float(lower), float(upper)]
    diverging = int(tree["sample_stats"]["diverging"].sum())
    return {"replication": replication, "sampler": "pymc", "divergences": diverging, "estimates": estimates}


def true_values(family: Family) -> dict[str, tuple[float, float]]:
    """Return (true value, factor that standardises it) of every parameter that describes the outcome."""
    total = float(np.hypot(family.residual, SHARED["sd_client"][0]))
    found: dict[str, tuple[float, float]] = {}
    for name, values in truth(family).items():
        if name.startswith("sd_predictor"):
            continue
        for i, value in enumerate(values):
            # ν, precision and dispersion have no scale of their own: relative to their true value
            unit = 1.0 / value if name in ("nu", "precision", "dispersion") else 1.0 / total
            found[f"{name}[{i}]" if len(values) > 1 else name] = (float(value), unit)
    return found
