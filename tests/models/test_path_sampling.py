"""Draws of path models: NUTS on the marginal density against the PyMC twin, and outcomes that only the twin takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from safezone.analysis import marginal
from safezone.models.catalogue import model
from safezone.models.path_design import PathDesign
from safezone.models.path_posterior import posterior
from safezone.models.path_twin import paths_pymc

from . import path_studies
from .path_twins import compiled_of
from .small import options, study

pytestmark = pytest.mark.slow


def sampled(design: PathDesign, draws: int, seed: int) -> xr.Dataset:
    """Return draws of the PyMC twin."""
    import nutpie

    compiled = nutpie.compile_pymc_model(paths_pymc(design), backend="numba")
    tree = nutpie.sample(
        compiled, draws=draws, tune=draws, chains=4, seed=seed, progress_bar=False, save_warmup=False, target_accept=0.9
    )
    found: xr.Dataset = tree["posterior"].to_dataset()
    return found


def summary(design: PathDesign, values: xr.Dataset) -> dict[str, tuple[float, float, float]]:
    """Return mean, spread and Monte Carlo error of every raw estimand whose mean exists.

    The spread is that of the middle 80 %, as SDs of a normal: products of weak paths have heavy tails.
    """
    from arviz_stats.base import array_stats

    found = {}
    for one in model(design.kind).estimands(design):
        if one.scale == "raw" and not one.name.startswith("proportion"):
            draws = one.draws(values).to_numpy()
            error = float(array_stats.mcse(draws, method="mean", chain_axis=0, draw_axis=1))
            low, high = np.quantile(draws, [0.1, 0.9])
            found[one.name] = (float(draws.mean()), float(high - low) / 2.563, error)
    return found


def test_nuts_on_the_marginal_density_agrees_with_the_twin() -> None:
    trial = path_studies.therapy(clients=24, sessions=5, therapists=6, missing=0.1, unknown=2, lost_finals=2)
    design = path_studies.chain(
        trial, session=("safety -> depth",), client=("anxiety -> safety -> depth", "depth -> final"), time="none"
    )
    compiled = compiled_of(design)
    theta = marginal.sample(compiled, sampler="nuts", chains=4, draws=1500, warmup=500, seed=3).theta
    ours = summary(design, posterior(design, compiled, theta, seed=1, effects=False))
    twins = summary(design, sampled(design, 1000, 5))
    assert set(ours) == set(twins)
    for name, (mean, sd, error) in ours.items():
        other, other_sd, other_error = twins[name]
        # 4.5 Monte Carlo errors of the difference; spreads to 15 %, with some 500 effective draws of the slowest one
        assert abs(mean - other) < 4.5 * np.hypot(error, other_error), name
        assert sd == pytest.approx(other_sd, rel=0.15), name


TRUE = {"safety": 1.5, "baseline": -0.4}  # logits per point


def endings(seed: int, clients: int, sessions: int) -> Any:
    """Return a study whose remission and class rest on latent safety and a baseline that goes with it."""
    rng = np.random.default_rng(seed)
    usual = 0.7 * rng.normal(size=clients)
    baseline = 15.0 - 1.5 * usual + 2.0 * rng.normal(size=clients)
    linear = TRUE["safety"] * usual + TRUE["baseline"] * (baseline - 15.0)
    client = np.repeat(np.arange(clients), sessions)
    names = np.array([f"c{i:04d}" for i in range(clients)])
    table = pd.DataFrame(
        {
            "client": names[client],
            "session": np.tile(np.arange(1, sessions + 1), clients),
            "safety": 4.0 + usual[client] + rng.normal(size=len(client)),
        }
    )
    above = linear + rng.logistic(size=clients)
    order = ["worse", "same", "better"]
    about = pd.DataFrame(
        {
            "baseline": baseline,
            "remission": (above > 0.5).astype(float),
            "verdict": pd.cut(above, [-np.inf, -1.0, 0.5, np.inf], labels=order),
        },
        index=pd.Index(names, name="client"),
    )
    return study(table, about, roles=path_studies.ROLES, families={"remission": "bernoulli", "verdict": "ordinal"})


@pytest.mark.parametrize("outcome", ["remission", "verdict"])
def test_a_final_outcome_with_categories_is_recovered(outcome: str) -> None:
    trial = endings(4, 500, 5)
    asked = options(outcome=outcome, predictors=("safety",), covariates=("baseline",), time="none")
    design = model("final").design(trial, "end", asked)
    assert isinstance(design, PathDesign)
    found = summary(design, sampled(design, 500, 7))
    for source, true in TRUE.items():
        mean, sd, _ = found[f"path.client.{source}->{outcome}"]
        assert abs(mean - true) < 3.5 * sd, source
        assert sd < 0.35 * abs(true), source  # and the study says something about it
    # What the model holds for a typical client is what the truth says of usual = 0 and the mean baseline.
    shift = TRUE["baseline"] * (trial.clients["baseline"].mean() - 15.0)
    cuts = np.array([0.5] if outcome == "remission" else [-1.0, 0.5])
    below = np.concatenate([[0.0], 1 / (1 + np.exp(shift - cuts)), [1.0]])
    true_share = np.diff(below)
    names = ["probability.remission"] if outcome == "remission" else [
        f"probability.{label}" for label in ("worse", "same", "better")
    ]  # fmt: skip
    for name, true in zip(names, true_share[-len(names) :], strict=True):
        mean, sd, _ = found[name]
        assert abs(mean - true) < 3.5 * sd, name
