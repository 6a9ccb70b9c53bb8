"""What is written about a path model: its graph, checks, cross-check, two-step audit; from draws at the mode."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from safezone.analysis import paths
from safezone.analysis.estimates import dump_json, estimand_draws, estimates_frame
from safezone.analysis.mode import find_mode
from safezone.analysis.two_step import two_step
from safezone.data.config import ModelSection
from safezone.data.study import Study
from safezone.models.catalogue import model
from safezone.models.compilation import compile_system
from safezone.models.marginal_posterior import log_likelihoods
from safezone.models.path_design import PathDesign
from safezone.models.path_form import system
from safezone.models.path_posterior import posterior

from ..models import path_studies

OPTIONS: dict[str, Any] = {
    "session": ("safety -> alliance -> depth", "safety -> depth"),
    "client": ("anxiety -> safety -> alliance -> depth", "baseline, arm, safety, depth, depth:time -> final"),
    "therapist": ("t_anxiety -> safety",),
}


def designed(study: Study, kind: str = "chain", **asked: Any) -> PathDesign:
    found = model(kind).design(study, kind, ModelSection.model_validate(asked))
    assert isinstance(found, PathDesign)
    return found


def frame_of(design: PathDesign, values: xr.Dataset) -> pd.DataFrame:
    draws = estimand_draws(model(design.kind).estimands(design), values)
    return estimates_frame(draws, design.name, design.kind, interval=0.95, rope={"default": 0.1})


@cache
def fitted() -> tuple[PathDesign, xr.Dataset, np.ndarray]:
    """Return a design, 400 draws around its mode and the log-likelihood of its clients."""
    design = designed(path_studies.therapy(clients=60, sessions=8, therapists=8, missing=0.05, unknown=2), **OPTIONS)
    declared = system(design)
    assert not isinstance(declared, str)
    compiled = compile_system(declared)
    mode = find_mode(compiled)
    rng = np.random.default_rng(1)
    theta = mode.theta + rng.standard_normal((4, 100, len(mode.theta))) @ mode.root.T
    client, _ = log_likelihoods(compiled, theta)
    return design, posterior(design, compiled, theta, seed=1), client.reshape(400, -1)


def card(exact: bool = True) -> tuple[dict[str, Any], Any]:
    design, values, client = fitted()
    frame = frame_of(design, values)
    return paths.parts(model("chain"), design, values, frame, client if exact else None, np.random.default_rng(2))


def test_the_card_has_every_part_and_is_json() -> None:
    parts, statistics = card()
    assert set(parts) >= {"responses", "outcomes", "covariates", "graph", "crosscheck", "audit", "ppc", "loo"}
    assert json.loads(dump_json(parts))
    assert [one["name"] for one in parts["responses"]] == ["safety", "alliance", "depth"]
    assert {one["name"] for one in parts["covariates"]} == {"anxiety", "baseline", "arm[active]", "t_anxiety"}
    assert all(np.isfinite(values).all() for values in statistics.values())


def test_the_graph_has_every_arrow_with_its_estimate() -> None:
    design, values, _ = fitted()
    graph = card()[0]["graph"]
    texts = {(one["level"], one["text"]) for one in graph["arrows"]}
    assert ("session", "safety->alliance") in texts
    assert ("client", "depth:time->final") in texts
    assert ("client", "arm[active]->final") in texts
    assert ("therapist", "depth->final") in texts  # what holds between clients holds between therapists
    frame = frame_of(design, values).set_index(["estimand", "scale"])
    for arrow in graph["arrows"]:
        assert arrow["mean"] == pytest.approx(frame.loc[(arrow["estimand"], "standardised"), "mean"])
        assert arrow["lower"] < arrow["mean"] < arrow["upper"]
    nodes = {(one["level"], one["name"]): one["role"] for one in graph["nodes"]}
    assert nodes["client", "depth:time"] == "trend"
    assert nodes["client", "final"] == "outcome"
    assert nodes["therapist", "t_anxiety"] == "covariate"


def test_replicated_studies_look_like_the_observed_one() -> None:
    checks = card()[0]["ppc"]
    found = {(one["response"], one["level"], one["statistic"]): one for one in checks}
    assert ("safety, alliance", "session", "correlation") in found
    assert ("depth, final", "client", "correlation") in found
    # The model is true to the study but for an autocorrelation that the chain leaves out.
    extreme = [key for key, one in found.items() if not 0.005 < one["p"] < 0.995 and "autocorrelation" not in key[2]]
    assert not extreme


def test_the_crosscheck_agrees_with_the_model() -> None:
    rows = card()[0]["crosscheck"]["rows"]
    assert {one["estimand"] for one in rows} == {f"path.session.{a.text}" for a in fitted()[0].session}
    for one in rows:
        assert one["bayes_mean"] == pytest.approx(one["other"], abs=one["other_se"])  # the same sessions, two ways


def test_scores_and_the_sentence_where_one_is_missing() -> None:
    sessions, clients = card()[0]["loo"]
    assert sessions["target"] == "same"
    assert clients["target"] == "new_client"
    assert np.isfinite(clients["elpd"])
    absent = card(exact=False)[0]["loo"][1]
    assert "kernel" in absent["note"]


# --- the two-step way ------------------------------------------------------------------------------------------------


def estimates_of(design: PathDesign) -> pd.DataFrame:
    """Return estimates without a fit: the audit only sets them beside its own."""
    rows = [
        {"estimand": one.name, "scale": one.scale, "mean": 0.0, "lower": -1.0, "upper": 1.0}
        for one in model(design.kind).estimands(design)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("outcome", ["final", "remission", "verdict"])
def test_the_two_step_way_is_a_regression_on_observed_means_in_raw_units(outcome: str) -> None:
    import statsmodels.api as sm
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    study = path_studies.therapy(clients=150, sessions=5, therapists=0, lost_finals=4)
    design = designed(study, "final", outcome=outcome, predictors=("safety",), covariates=("baseline",), time="none")
    audit = two_step(design, estimates_of(design))
    assert audit is not None
    found = {one["estimand"]: (one["two_step"], one["two_step_se"]) for one in audit["rows"]}
    table = study.clients.assign(safety=study.sessions.groupby("client")["safety"].mean())
    y = table[outcome].cat.codes.to_numpy() if outcome == "verdict" else table[outcome].to_numpy()
    x, known = table[["safety", "baseline"]].to_numpy(), ~pd.isna(table[outcome]).to_numpy()
    y, x = y[known], x[known]
    if outcome == "verdict":
        fit = OrderedModel(y, x, distr="logit").fit(method="bfgs", disp=0)
        slopes, errors = fit.params[:2], fit.bse[:2]
    else:
        law = sm.OLS if outcome == "final" else sm.Logit
        fit = law(y, sm.add_constant(x)).fit(**({} if outcome == "final" else {"disp": 0}))
        slopes, errors = fit.params[1:], fit.bse[1:]
    for name, slope, error in zip(("safety", "baseline"), slopes, errors, strict=True):
        # an optimiser stops within a thousandth of a standard error
        assert found[f"path.client.{name}->{outcome}"][0] == pytest.approx(slope, abs=0.01 * error)
        assert found[f"path.client.{name}->{outcome}"][1] == pytest.approx(error, rel=0.01)


def test_where_a_rating_separates_the_outcome_there_is_no_audit() -> None:
    study = path_studies.therapy(clients=40, sessions=4, therapists=0)
    usual = study.sessions.groupby("client")["safety"].mean()
    study.clients["remission"] = (usual > usual.median()).astype(float)
    design = designed(study, "final", outcome="remission", predictors=("safety",), time="none")
    assert two_step(design, estimates_of(design)) is None


def test_without_an_outcome_there_is_no_audit() -> None:
    design = path_studies.design("plain")
    assert two_step(design, estimates_of(design)) is None
