"""The marginal kernel and the plain PyMC model: two programs for one posterior, compared draw for draw.

They share designs and priors and nothing else: the kernel integrates client and therapist effects out, PyMC samples
them. What can differ is therefore the likelihood, a Jacobian or the sampler.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pandas as pd

import safezone as sz


def with_sampler(study: sz.Study, sampler: str) -> sz.Study:
    """Return the study with another sampler, everything else untouched."""
    sampling = study.config.sampling.model_copy(update={"sampler": sampler})
    return dataclasses.replace(study, config=study.config.model_copy(update={"sampling": sampling}))


def moments(fit: sz.Fit) -> pd.DataFrame:
    """Return mean and SD of every estimand with their Monte Carlo standard errors.

    The effective sample size is the chains' own (for the mean: bulk), and for importance draws 1/(1/N + 1/ESS_w), with
    N draws and ESS_w the effective sample size of the weights, which the chains cannot see. The SD's error is that
    of the mean of squared deviations, by the delta method: SD(z²) / (2 √ESS) times the SD.
    """
    from arviz_stats.base import array_stats

    quantities = fit.posterior["estimands"].to_dataset()
    draws = quantities["value"].to_numpy()
    statistics = fit.posterior["sample_stats"].to_dataset()
    weights = float(statistics.attrs.get("ess_importance", math.nan))
    rows = []
    for index in range(draws.shape[2]):
        values = draws[:, :, index]
        mean, sd = float(values.mean()), float(values.std(ddof=1))
        z2 = ((values - mean) / sd) ** 2
        bulk, squares = (float(array_stats.ess(x, chain_axis=0, draw_axis=1, method="mean")) for x in (values, z2))
        if math.isfinite(weights):
            bulk, squares = (1 / (1 / values.size + 1 / weights),) * 2
        rows.append(
            {
                "estimand": str(quantities["estimand"].values[index]),
                "scale": str(quantities["scale"].values[index]),
                "mean": mean,
                "sd": sd,
                "mcse_mean": sd / math.sqrt(bulk),
                "mcse_sd": sd * float(z2.std()) / (2 * math.sqrt(squares)),
            }
        )
    return pd.DataFrame(rows).set_index(["estimand", "scale"])


def compare(study_file: Path, model: str, folder: Path, sampler: str = "auto") -> pd.DataFrame:
    """Fit a model with the kernel and with PyMC, and return the differences in Monte Carlo standard errors.

    Returns
    -------
    DataFrame
        One row per estimand and scale: ``mean, sd`` of the kernel, ``other_mean, other_sd`` of PyMC, ``z_mean, z_sd``.
    """
    study = sz.read_study(study_file)
    kernel = sz.fit(with_sampler(study, sampler), model, out=folder / "kernel")
    plain = sz.fit(with_sampler(study, "pymc"), model, out=folder / "pymc")
    assert kernel.diagnostics.sampler in ("nuts", "importance")
    assert plain.diagnostics.sampler == "pymc"
    assert kernel.diagnostics.trusted, kernel.diagnostics.verdict
    assert plain.diagnostics.trusted, plain.diagnostics.verdict
    one, two = moments(kernel), moments(plain)
    assert list(one.index) == list(two.index)
    return pd.DataFrame(
        {
            "mean": one["mean"],
            "sd": one["sd"],
            "other_mean": two["mean"],
            "other_sd": two["sd"],
            "z_mean": (one["mean"] - two["mean"]) / np.hypot(one["mcse_mean"], two["mcse_mean"]),
            "z_sd": (one["sd"] - two["sd"]) / np.hypot(one["mcse_sd"], two["mcse_sd"]),
        }
    )
