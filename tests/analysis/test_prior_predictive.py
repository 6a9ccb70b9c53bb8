"""Studies simulated from the priors: every parameter from its own law, and statistics that tell what is shown."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from safezone.analysis.parameter_table import parameter_quality, prior_origins
from safezone.analysis.prior import prior_draws
from safezone.analysis.prior_predictive import checks, prior_dataset, simulate
from safezone.data.config import ModelSection
from safezone.data.examples import example_path
from safezone.data.study import Study, read_study
from safezone.models.catalogue import model, plan
from safezone.models.path_design import PathDesign

MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "growth": ("growth", {"outcome": "symptoms", "time": "linear", "by": ["arm"]}),
    "within_between": ("within_between", {"outcome": "exploration", "predictors": ["safety", "alliance"]}),
    "lagged": ("within_between", {"outcome": "post_session", "predictors": ["safety"], "lag": 1}),
    "observed": ("within_between", {"outcome": "exploration", "predictors": ["safety"], "centring": "observed"}),
    "surface": ("congruence", {"outcome": "post_session", "predictors": ["safety", "therapist_safety"]}),
    "student_t": ("growth", {"outcome": "symptoms", "family": "student_t"}),
    "ordinal": ("growth", {"outcome": "exploration", "family": "ordinal"}),
    "bernoulli": ("variance", {"outcome": "rupture"}),
    "beta": ("growth", {"outcome": "post_session", "family": "beta"}),
    "negative_binomial": ("growth", {"outcome": "symptoms", "family": "negative_binomial"}),
    "chain": ("chain", {"session": ["safety -> alliance -> exploration", "lag(safety) -> safety"],
                        "client": ["anxiety -> safety -> alliance", "safety -> final"], "final": "final"}),
    "final": ("final", {"outcome": "final", "predictors": ["safety"]}),
    "dyad": ("dyad", {"outcome": "safety", "predictors": ["therapist_safety"]}),
}  # fmt: skip


@cache
def harbour() -> Study:
    return read_study(example_path("harbour") / "study.toml")


@cache
def design_of(name: str) -> Any:
    kind, options = MODELS[name]
    study = harbour()
    if name == "ordinal":  # a scale with few steps
        sessions = study.sessions.assign(exploration=study.sessions["exploration"].round())
        study = replace(study, sessions=sessions)
    if name == "negative_binomial":
        study = replace(study, sessions=study.sessions.assign(symptoms=study.sessions["symptoms"].round()))
    entry = model(kind)
    proposed = entry.default_options(study)
    base = next(iter(proposed.values())) if kind == "final" and proposed else ModelSection(**options)
    return entry.design(study, name, base)


@pytest.mark.parametrize("name", list(MODELS))
def test_every_kind_and_family_simulates_whole_studies(name: str) -> None:
    design = design_of(name)
    rows, draws = checks(design, np.random.default_rng(1), threshold=10)
    wanted = [*design.names, *design.outcome_names] if isinstance(design, PathDesign) else [design.outcome.name]
    assert [row["response"] for row in rows] == wanted
    for row in rows:
        assert row["studies"] >= 25
        assert 0 <= row["outside"] <= 1
        for one in row["statistics"]:
            values = draws[f"{row['response']}: {one['statistic']}"]
            assert values.shape == (row["studies"],)
            assert np.isfinite(values).all()
            assert one["lower"] <= one["lower_half"] <= one["median"] <= one["upper_half"] <= one["upper"]
            assert one["lower"] < one["upper"]
    if name in {"ordinal", "bernoulli", "beta"}:  # these know the ends of their scale
        assert rows[0]["outside"] == 0
    if name == "bernoulli":
        assert [one["statistic"] for one in rows[0]["statistics"]] == ["mean", "SD of client means"]


def test_observed_statistics_are_those_of_the_data() -> None:
    design = design_of("growth")
    rows, _ = checks(design, np.random.default_rng(1), threshold=10)
    ratings = harbour().sessions["symptoms"].dropna()
    found = {one["statistic"]: one["observed"] for one in rows[0]["statistics"]}
    assert found["mean"] == pytest.approx(ratings.mean())
    assert found["SD"] == pytest.approx(ratings.std())
    assert found["low"] == pytest.approx(ratings.quantile(0.05))


def test_few_clients_are_not_shown() -> None:
    rows, _ = checks(design_of("growth"), np.random.default_rng(1), 1000)
    assert all(one["observed"] is None for row in rows for one in row["statistics"])


def test_an_intercept_that_is_known_is_where_simulated_means_lie() -> None:
    """With narrow priors the law of a study's mean is known: intercept ± the spread of therapists and clients."""
    options = {"outcome": "safety", "therapist_level": False, "priors": {
        "intercept": "normal(0.5, 0.001)", "sd.client.intercept": "uniform(0.4, 0.4001)",
        "sd.residual": "uniform(0.7, 0.7001)"}}  # fmt: skip
    design = model("variance").design(harbour(), "m", ModelSection(**options))
    (one,) = simulate(design, np.random.default_rng(2))
    internal = (one.values - design.outcome.mean) / design.outcome.sd
    clients = np.bincount(one.client)
    spread = np.sqrt(0.4**2 * (clients**2).sum() + 0.7**2 * clients.sum()) / clients.sum()
    # 400 studies: five standard errors of a mean, and of an SD (3.5 % each)
    assert internal.mean() == pytest.approx(0.5, abs=5 * spread / 20)
    assert internal.mean(axis=1).std() == pytest.approx(spread, rel=0.18)
    assert internal.var(axis=1).mean() == pytest.approx(0.4**2 + 0.7**2, rel=0.05)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:PyTensor could not link to a BLAS", "ignore:The effect of Potentials")
@pytest.mark.parametrize("name", ["within_between", "lagged", "ordinal", "chain", "dyad"])
def test_parameters_follow_the_priors_of_the_pymc_twin(name: str) -> None:
    import pymc as pm

    kind, _ = MODELS[name]
    design = design_of(name)
    made = prior_dataset(design, np.random.default_rng(3), 2000)
    twin = model(kind).pymc(design)
    known = [str(v) for v in made.data_vars if str(v) in twin.named_vars]
    assert {"sd_client"} <= set(known)
    tree = pm.sample_prior_predictive(
        2000, model=twin, var_names=known, random_seed=4, compile_kwargs={"mode": "FAST_COMPILE"}
    )
    drawn = tree["prior"].to_dataset()
    for variable in known:
        ours, theirs = made[variable].values[0], drawn[variable].values[0]
        if variable == "cutpoints":  # independent draws know nothing of their order
            theirs = np.sort(theirs, axis=-1)
        if ours.shape != theirs.shape:  # the twin has the Cholesky factor of a correlation matrix under this name
            continue
        scale = theirs.std(axis=0)
        # Two means of 2,000 draws differ by 0.03 SDs; the largest of some 60 elements by less than 5 times that.
        assert np.all(np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) <= 0.16 * scale + 1e-6), variable
        assert np.all(np.abs(ours.std(axis=0) - scale) <= 0.16 * scale + 1e-6), variable


def test_priors_are_told_in_raw_units_with_their_source() -> None:
    study = harbour()
    own = {"safety.within": {"prior": "normal(0.5, 0.2)", "scale": "raw"}, "alliance.within": "normal(0, 0.3)"}
    options = ModelSection(outcome="exploration", predictors=["safety", "alliance"], priors=own)
    entry = model("within_between")
    design = entry.design(study, "m", options)
    records = [
        {"name": one.name, "estimand": one.estimand, "prior_lower": low, "prior_upper": high}
        for one in entry.parameters(design)
        for low, high in [one.prior.interval(0.95)]
    ]
    found = {str(one["estimand"]): one for one in prior_origins(design, records)}
    assert found["safety.within"]["source"] == found["alliance.within"]["source"] == "study file"
    assert found["intercept"]["source"] == "default"
    # What was written in raw units comes back in raw units: 0.5 ± 1.96 · 0.2.
    assert found["safety.within"]["raw_lower"] == pytest.approx(0.5 - 1.959964 * 0.2, abs=1e-5)
    assert found["safety.within"]["raw_upper"] == pytest.approx(0.5 + 1.959964 * 0.2, abs=1e-5)
    assert found["intercept"]["raw_lower"] < design.outcome.mean < found["intercept"]["raw_upper"]
    assert found["nuisance.alliance<-safety"]["raw_lower"] is None


@pytest.mark.parametrize("name", ["growth", "chain"])
def test_prior_draws_beside_the_posterior_leave_no_parameter_out(name: str) -> None:
    """Coordinates with brackets of their own (``fixed[arm[active]]``) and variables of two dims (``slope``) too."""
    design = design_of(name)
    population = prior_dataset(design, np.random.default_rng(6), 50)
    population = population.assign_coords({str(d): design.coords[str(d)] for d in population.dims
                                           if d not in ("chain", "draw")})  # fmt: skip
    drawn = prior_draws(model(MODELS[name][0]).parameters(design), population, np.random.default_rng(7), 400)
    for variable in drawn.data_vars:
        assert np.isfinite(drawn[variable].values).all(), variable
    if name == "growth":
        arm = drawn["fixed"].sel(term="arm[active]")
        assert float(arm.std()) == pytest.approx(1.0, abs=0.18)  # normal(0, 1); five standard errors of 400 draws
    else:
        assert drawn["slope"].dims == ("chain", "draw", "response", "term")


def test_quality_names_every_parameter_once_and_weights_cap_it() -> None:
    design = design_of("growth")
    posterior = prior_dataset(design, np.random.default_rng(5), 400)
    chains = posterior.isel(chain=[0, 0]).assign_coords({str(d): design.coords[str(d)] for d in posterior.dims
                                                         if d not in ("chain", "draw")})  # fmt: skip
    found = parameter_quality(chains, worth=50.0)
    names = [one["name"] for one in found]
    assert len(names) == len(set(names))
    assert {"intercept", "fixed[arm[active]:time]", "sd_client[time]", "cor_client[time, intercept]"} <= set(names)
    assert "cor_client[intercept, time]" not in names
    assert all(one["ess_bulk"] <= 50 and one["mcse"] >= one["sd"] / 50**0.5 for one in found)


def test_every_model_of_the_example_has_a_source_for_every_prior() -> None:
    for planned in plan(harbour()):
        if planned.lacks:
            continue
        entry = model(planned.kind)
        design = entry.design(harbour(), planned.name, planned.options)
        records = [
            {"name": one.name, "estimand": one.estimand, "prior_lower": -1.0, "prior_upper": 1.0}
            for one in entry.parameters(design)
        ]
        assert len(records) == len(prior_origins(design, records)) > 3
