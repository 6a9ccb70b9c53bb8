"""From a posterior to everything that is written about it: estimates, card, exported draws."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.config import ReportSection
from ..models.path_design import PathDesign
from . import card, comparison, curves, paths, predictive, prior_predictive, surfaces, variants
from .crosscheck import crosscheck
from .diagnostics import diagnose
from .draws import joint, predictive_group
from .estimates import estimand_draws, estimates_frame, may_be_undefined, worth
from .fit import Diagnostics, Fit, Provenance
from .literature import literature
from .parameter_table import parameter_quality, prior_origins
from .prior import prior_draws
from .remedies import record

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from ..models.design import Design
    from ..models.model import Model

# Each purpose has its own stream, so that adding a check moves no other number.
_STREAMS = {"predictive": 1, "prior": 2, "integration": 3, "curves": 4, "prior_predictive": 5}


@dataclass(frozen=True)
class Summary:
    """What is written about a fit.

    Parameters
    ----------
    estimates
        Columns of ``estimates.csv``.
    card
        The content of ``fits/MODEL.json``.
    exported
        The content of ``fits/MODEL.nc``.
    """

    estimates: pd.DataFrame
    card: Mapping[str, Any]
    exported: xr.DataTree


def stream(seed: int, purpose: str) -> np.random.Generator:
    """Return the random generator of one purpose."""
    return np.random.default_rng([seed, _STREAMS[purpose]])


def judge(model: Model, design: Design, tree: xr.DataTree, sampler: str) -> Diagnostics:
    """Diagnose parameters and estimands together."""
    posterior = tree["posterior"].to_dataset()
    quantities = estimand_draws(model.estimands(design), posterior)
    judged = [not may_be_undefined(str(name)) for name in quantities["estimand"].values]
    values = quantities["value"].transpose("chain", "draw", "quantity").values[:, :, judged]
    return diagnose(tree, values, sampler=sampler)


def complete(
    model: Model,
    design: Design,
    draws: xr.DataTree,
    diagnostics: Diagnostics,
    provenance: Provenance,
    report: ReportSection,
) -> Fit:
    """Add to stored draws what follows from them: the draws of every estimand, and prior draws.

    Parameters
    ----------
    model, design
        What was fitted.
    draws
        Groups ``posterior``, ``effects``, ``sample_stats``, ``estimands``.
    diagnostics, provenance
        As stored.
    report
        Interval and ROPE.
    """
    import xarray as xr

    groups = {str(name): group.to_dataset() for name, group in draws.children.items()}
    rng = stream(provenance.seed, "prior")
    groups["prior"] = prior_draws(model.parameters(design), groups["posterior"], rng)
    tree = xr.DataTree.from_dict(groups)
    return Fit(design.name, model, design, tree, diagnostics, provenance, report.interval, dict(report.rope))


def summarise(
    fit: Fit,
    report: ReportSection,
    marginal: np.ndarray[Any, np.dtype[np.float64]] | None,
    references: Mapping[str, str],
) -> Summary:
    """Say everything there is to say about a fit.

    Parameters
    ----------
    fit
        From :func:`complete`.
    report
        Interval, ROPE, disclosure threshold.
    marginal, shape (draws, clients)
        Exact log-likelihoods per client from the kernel, or ``None``.
    references
        Reference category by variable.
    """
    import xarray as xr

    started = time.perf_counter()
    model, design, seed = fit.model, fit.design, fit.provenance.seed
    full = joint(fit.posterior)
    frame = estimates_frame(
        fit.posterior["estimands"].to_dataset(), fit.name, model.kind, interval=fit.interval, rope=fit.rope,
        worth=worth(fit.posterior),
    )  # fmt: skip
    if isinstance(design, PathDesign):
        own, statistics = paths.parts(model, design, full, frame, marginal, stream(seed, "predictive"))
    else:
        own, statistics = _multilevel_parts(model, design, full, frame, marginal, seed, report, references)
    expected, simulated = prior_predictive.checks(design, stream(seed, "prior_predictive"), report.disclosure.threshold)
    content: dict[str, Any] = {
        **card.static_part(model, design),
        **card.sampling_part(fit.diagnostics, fit.provenance, record(fit.provenance.attempts)),
        "estimands": card.meanings(model, design),
        "literature": literature(model, design, fit.posterior["posterior"].to_dataset()),
        "prior_predictive": expected,
        "quality": parameter_quality(fit.posterior["posterior"].to_dataset(), worth(fit.posterior)),
        **own,
    }
    content["parameters"] = prior_origins(design, content["parameters"])
    content |= variants.compare(model, design, seed)
    content["timings"] = {**content["timings"], "summaries": time.perf_counter() - started}
    groups = {
        name: fit.posterior[name].to_dataset()
        for name in ("posterior", "sample_stats", "estimands", "prior")
        if name in fit.posterior.children
    }
    groups["prior_predictive"] = predictive_group(dict(simulated))
    groups["posterior_predictive"] = predictive_group(dict(statistics))
    if marginal is not None and design.clients >= report.disclosure.threshold:
        groups["log_likelihood"] = xr.Dataset({"client": (("sample", "client"), marginal)})
    return Summary(frame, content, xr.DataTree.from_dict(groups))


def _multilevel_parts(
    model: Model,
    design: Design,
    full: xr.Dataset,
    frame: pd.DataFrame,
    marginal: np.ndarray[Any, np.dtype[np.float64]] | None,
    seed: int,
    report: ReportSection,
    references: Mapping[str, str],
) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Return the parts of a card that regressions of one outcome have, and replicated statistics."""
    compared = crosscheck(design)
    replicated = predictive.replicate(model, design, full, stream(seed, "predictive"))
    checks, statistics = predictive.check_statistics(design, replicated)
    scores = [
        comparison.leave_one_session_out(model, design, full),
        comparison.leave_one_client_out(model, design, full, exact=marginal, rng=stream(seed, "integration")),
    ]
    pictures = curves.pictures(design, full, stream(seed, "curves"), report.disclosure.threshold, references)
    parts = {
        "crosscheck": compared(frame),
        "ppc": checks,
        "ppc_target": predictive.replication_target(design),
        "loo": scores,
        **pictures,
        "surface": surfaces.picture(design, full, report.rope),
    }
    return parts, statistics
