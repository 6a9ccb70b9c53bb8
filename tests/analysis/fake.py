"""A catalogue of two cheap models for the tests of the pipeline: real studies and designs, no PyMC.

The posterior of a random-intercept model is imitated by independent normal draws around moment
estimates. That is wrong as statistics and right for a pipeline: it depends on data, seed and draws only.
"""

from __future__ import annotations

import dataclasses
import sys
import time
import types
from collections.abc import Callable
from typing import ClassVar

import numpy as np
import xarray as xr

from safezone.analysis import sampling
from safezone.data.config import ModelSection
from safezone.models.build import build
from safezone.models.model import Estimand, Model, Parameter
from safezone.models.priors import parse


@dataclasses.dataclass(frozen=True)
class Planned:
    name: str
    kind: str
    options: ModelSection
    lacks: tuple[str, ...] = ()


def moments(design):
    known = np.isfinite(design.y)
    count = np.bincount(design.client[known], minlength=design.clients)
    means = np.bincount(design.client[known], design.y[known], minlength=design.clients) / np.maximum(count, 1)
    residual = design.y[known] - means[design.client[known]]
    return means, count, float(residual.std())


def posterior(design, seed, chains, draws):
    rng = np.random.default_rng(seed)
    means, count, sd = moments(design)
    n = int(count.sum())
    shape = (chains, draws)
    effects = means - means.mean() + rng.normal(0, sd, (*shape, design.clients)) / np.sqrt(np.maximum(count, 1))
    data = {
        "intercept": (("chain", "draw"), rng.normal(means.mean(), means.std() / np.sqrt(means.size), shape)),
        "sd_residual": (("chain", "draw"), np.abs(rng.normal(sd, sd / np.sqrt(2 * n), shape))),
        "sd_client": (("chain", "draw", "client_effect"), np.abs(rng.normal(means.std(), 0.05, (*shape, 1)))),
        "client_effects": (("chain", "draw", "client", "client_effect"), effects[..., None]),
    }
    coords = {
        "chain": np.arange(chains),
        "draw": np.arange(draws),
        "client": np.arange(design.clients),
        "client_effect": ["intercept"],
    }
    return xr.Dataset(data, coords=coords)


class Sampler:
    """Stands in for nutpie; counts its calls and can be slow or broken."""

    calls: ClassVar[list[str]] = []
    seconds = 0.0
    faulty: Callable[[str, xr.Dataset], xr.Dataset] = staticmethod(lambda name, dataset: dataset)

    def __init__(self, model, design, settings, seed, progress):
        self.design, self.settings, self.seed, self.progress = design, settings, seed, progress

    def __call__(self, effort):
        Sampler.calls.append(self.design.name)
        time.sleep(Sampler.seconds)
        dataset = Sampler.faulty(
            self.design.name, posterior(self.design, self.seed, self.settings.chains, effort.draws)
        )
        energy = np.random.default_rng(self.seed).normal(size=(self.settings.chains, effort.draws))
        statistics = xr.Dataset(
            {
                "diverging": (("chain", "draw"), np.zeros(energy.shape, dtype=bool)),
                "energy": (("chain", "draw"), energy),
            }
        )
        tree = xr.DataTree.from_dict({"posterior": dataset, "sample_stats": statistics})
        return sampling.Sampled(tree, "pymc", {"compile": 0.0, "sample": Sampler.seconds})


def _eta(design, dataset):
    flat = dataset.stack(s=("chain", "draw")).transpose("s", ...)
    eta = flat["intercept"].values[:, None] + flat["client_effects"].values[:, design.client, 0]
    return eta, flat["sd_residual"].values[:, None]


def _predict(design, dataset, rng):
    eta, sd = _eta(design, dataset)
    return design.outcome.mean + design.outcome.sd * (eta + sd * rng.standard_normal(eta.shape))


def _log_likelihood(design, dataset):
    eta, sd = _eta(design, dataset)
    rated = np.isfinite(design.y)
    return -0.5 * ((design.y[rated] - eta[:, rated]) / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi)


def _estimands(design):
    sd = design.outcome.sd
    return (
        Estimand(
            "intercept",
            "population",
            "population",
            "raw",
            "points",
            "The overall mean.",
            lambda p: p["intercept"] * sd + design.outcome.mean,
        ),
        Estimand(
            "sd.residual", "session", "population", "raw", "points", "SD of a session.", lambda p: p["sd_residual"] * sd
        ),
        Estimand(
            "sd.residual", "session", "population", "standardised", "SD", "SD of a session.", lambda p: p["sd_residual"]
        ),
        Estimand("shift", "population", "population", "standardised", "SD", "The intercept.", lambda p: p["intercept"]),
        Estimand("share.client", "client", "population", "standardised", "share", "Share between clients.", _share),
    )


def _share(p):
    between = p["sd_client"].sel(client_effect="intercept", drop=True) ** 2
    return between / (between + p["sd_residual"] ** 2)


def _parameters(design):
    return (
        Parameter("intercept", "intercept", r"\gamma", parse("normal(0, 1)"), "The overall mean."),
        Parameter("sd_residual", "sd.residual", r"\sigma", parse("half_normal(1)"), "SD of a session."),
        Parameter("sd_client[intercept]", "sd.client.intercept", r"\tau", parse("half_normal(1)"), "SD of clients."),
    )


def _no_pymc(design):
    raise AssertionError("The fake model must not reach PyMC.")


MODEL = Model(
    kind="variance",
    title="A fake model",
    question="Does the pipeline work?",
    words="Sessions differ within and between clients.",
    equation=lambda design: r"y = \mu",
    references=(),
    lacks=lambda study, options: (),
    default_options=lambda study: {},
    design=lambda study, name, options: build(study, "variance", name, options),
    parameters=_parameters,
    pymc=_no_pymc,
    estimands=_estimands,
    predict=_predict,
    log_likelihood=_log_likelihood,
    posterior=_no_pymc,
    system=lambda design: "The fake model has none.",
)


def plan(study):
    sections = study.config.models or {
        "variance_safety": ModelSection(outcome="safety"),
        "variance_alliance": ModelSection(outcome="alliance"),
    }
    return tuple(Planned(name, "variance", options) for name, options in sections.items())


def install(setitem=None, setattr_=None):
    """Put the fake catalogue and sampler in place."""
    catalogue = types.ModuleType("safezone.models.catalogue")
    vars(catalogue).update(plan=plan, model=lambda kind: MODEL)
    if setitem is None:
        sys.modules["safezone.models.catalogue"] = catalogue
        sampling.sampler_for = make
    else:
        setitem(sys.modules, "safezone.models.catalogue", catalogue)
        setattr_(sampling, "sampler_for", make)
    Sampler.calls.clear()
    Sampler.seconds = 0.0
    Sampler.faulty = staticmethod(lambda name, dataset: dataset)


def make(model, design, settings, *, seed, progress):
    return Sampler(model, design, settings, seed, progress)
