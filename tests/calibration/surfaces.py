"""Recovery of the response surface of two raters: latent centring in PyMC, observed centring in the kernel.

Studies come from :mod:`safezone.data.simulate_surface`. The PyMC model is compiled once per size and process, and all
three ratings are exchanged; every replication is a new study with its own scales. Bias and RMSE are in SDs of the
level: raw error × (pooled SD of the ratings) to the power of the term ÷ SD of the outcome, as the model standardises.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal
from unittest.mock import patch

import numpy as np

from safezone.analysis import marginal
from safezone.data.config import ModelSection
from safezone.data.simulate_surface import SurfaceTruth, simulate_surface
from safezone.models import multilevel_latent
from safezone.models.catalogue import model
from safezone.models.compilation import compile_system
from safezone.models.design import Design
from safezone.models.marginal_posterior import posterior
from safezone.models.surface import COMBINATIONS, LEVELS, ORDER, TERMS, moments

from .studies import in_memory

CHAINS, DRAWS, WARMUP = 2, 500, 500


@dataclass(frozen=True)
class Scene:
    """One size and kind of centring.

    Parameters
    ----------
    name
        File name of its results.
    size
        Clients, sessions, therapists.
    centring
        Of the model.
    usual
        What the outcome was drawn from: ``latent`` means, or ``observed`` ones, for which observed centring is right.
    missing
        Share of ratings lost completely at random (observed centring only: exchanged data have no holes).
    replications, seed
        How many; seed of the first.
    core
        Whether the acceptance criteria are asked of it; the audit of observed centring shows a bias.
    """

    name: str
    size: tuple[int, int, int]
    centring: Literal["latent", "observed"]
    usual: Literal["latent", "observed"]
    missing: float
    replications: int
    seed: int
    core: bool = True


SMALL, LARGE = (60, 10, 12), (300, 20, 40)
SCENARIOS = (
    Scene("congruence_60x10x12", SMALL, "latent", "latent", 0.0, 200, 710_000),
    Scene("congruence_300x20x40", LARGE, "latent", "latent", 0.0, 50, 720_000),
    Scene("congruence_observed_60x10x12", SMALL, "observed", "observed", 0.0, 200, 730_000),
    Scene("congruence_observed_300x20x40", LARGE, "observed", "observed", 0.0, 100, 740_000),
    Scene("congruence_audit_60x10x12", SMALL, "observed", "latent", 0.0, 200, 710_000, core=False),
)


def true_values(scene: Scene) -> dict[str, tuple[float, float]]:
    """Return (true value in points, factor that standardises it) of every parameter of both surfaces."""
    truth = SurfaceTruth()
    found: dict[str, tuple[float, float]] = {}
    sds = _sds(truth)
    for name, value in truth.estimands().items():
        place, _, what = name.removeprefix("surface.").partition(".")
        if not name.startswith("surface."):
            found[name] = (value, 1.0 / float(np.hypot(sds["within"][1], sds["between_client"][1])))
            continue
        weights = COMBINATIONS.get(what) or tuple(float(term == what) for term in TERMS)
        order = int(max(ORDER[np.flatnonzero(weights)]))
        ratings, outcome = sds[place]
        found[name] = (value, ratings**order / outcome)
    return found


def _sds(truth: SurfaceTruth) -> dict[str, tuple[float, float]]:
    """Return the SDs of ratings (pooled over raters) and outcome by level."""

    def covariance(sd: tuple[float, float], correlation: float) -> np.ndarray:
        both = correlation * sd[0] * sd[1]
        return np.array([[sd[0] ** 2, both], [both, sd[1] ** 2]])

    between = covariance(truth.sd_client, truth.cor_client) + covariance(truth.sd_therapist, truth.cor_therapist)
    half = (truth.mean_x - truth.mean_z) / 2
    levels = {
        "within": (truth.within, np.zeros(2), covariance(truth.sd_session, truth.cor_session), truth.sd_residual**2),
        "between_client": (
            truth.between, np.array([half, -half]), between, truth.sd_y_client**2 + truth.sd_y_therapist**2,
        ),
    }  # fmt: skip
    found: dict[str, tuple[float, float]] = {}
    for place in LEVELS:
        b, mean, spread, rest = levels[place]
        explained = float(moments(np.array([b]), mean[None], spread[None])[1][0])
        found[place] = (float(np.sqrt(np.trace(spread) / 2)), float(np.sqrt(explained + rest)))
    return found


def draw_design(scene: Scene, replication: int) -> Design:
    """Draw one study and build its design."""
    clients, sessions, therapists = scene.size
    drawn = simulate_surface(
        clients=clients, sessions=sessions, therapists=therapists, centring=scene.usual, missing=scene.missing,
        seed=scene.seed + replication,
    )  # fmt: skip
    study = in_memory(drawn.sessions, ranges={"x": (1.0, 7.0), "z": (1.0, 7.0)})
    options = ModelSection(outcome="y", predictors=("x", "z"), centring=scene.centring)
    return model("congruence").design(study, scene.name, options)  # type: ignore[no-any-return]


@cache
def compiled(scene: Scene) -> Any:
    """Return the compiled PyMC model of a scene's size, its three ratings exchangeable."""
    import nutpie
    import pymc as pm

    design = draw_design(scene, 0)
    columns = [*design.x.T, design.y]

    def shared(design: Design, response: int) -> Any:
        return pm.Data(f"ratings_{response}", columns[response])

    with patch.object(multilevel_latent, "_filled", shared):
        built = model("congruence").pymc(design)
    for response, name in enumerate(("x_x", "x_z", "y")):
        rating, data = built[name], built[f"ratings_{response}"]
        del built.values_to_rvs[built.rvs_to_values[rating]]
        built.rvs_to_values[rating], built.values_to_rvs[data] = data, rating
    return nutpie.compile_pymc_model(built, backend="numba")


def replicate(scene: Scene, replication: int) -> dict[str, Any]:
    """Draw, fit and summarise one study."""
    design = draw_design(scene, replication)
    seed = scene.seed + replication
    row: dict[str, Any] = {"replication": replication}
    if scene.centring == "latent":
        import nutpie

        columns = [*design.x.T, design.y]
        tree = nutpie.sample(
            compiled(scene).with_data(**{f"ratings_{v}": column for v, column in enumerate(columns)}),
            chains=CHAINS, draws=DRAWS, tune=WARMUP, seed=seed, progress_bar=False, save_warmup=False,
        )  # fmt: skip
        values = tree["posterior"].to_dataset()
        row |= {"sampler": "pymc", "divergences": int(tree["sample_stats"]["diverging"].sum())}
    else:
        found = model("congruence").system(design)
        if isinstance(found, str):
            raise TypeError(found)
        system = compile_system(found, per_client=False)
        draws = marginal.sample(system, sampler="auto", chains=CHAINS, draws=DRAWS, warmup=WARMUP, seed=seed)
        values = posterior(design, system, draws.theta, seed=1, effects=False)
        row |= {"sampler": draws.sampler, "pareto_k": draws.pareto_k}
    wanted: Mapping[str, Any] = true_values(scene)
    estimates: dict[str, list[float]] = {}
    for estimand in model("congruence").estimands(design):
        if estimand.name in wanted and estimand.name not in estimates:  # the raw scale comes first
            sample = estimand.draws(values).to_numpy().ravel()
            lower, upper = np.quantile(sample, [0.025, 0.975])
            estimates[estimand.name] = [float(sample.mean()), float(lower), float(upper)]
    return row | {"estimates": estimates}
