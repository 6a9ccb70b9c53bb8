"""Interactions within clients: the product is what it says, its slope is unbiased, and nothing is dropped silently."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from safezone.data.config import ModelSection
from safezone.data.errors import InputError
from safezone.data.simulate import Simulated, SimulationDesign, simulate
from safezone.data.study import Study
from safezone.data.truth import Truth
from safezone.data.truth_parts import Interaction
from safezone.models.build import build
from safezone.models.catalogue import model
from safezone.models.compilation import compile_system
from safezone.models.design import Design
from safezone.models.draws import flatten, system
from safezone.models.effects import within_sds
from safezone.models.gaussian import GaussianSystem
from safezone.models.marginal_form import system as marginal_system
from safezone.models.marginal_posterior import posterior as drawn_posterior
from safezone.models.parameters import parameters
from safezone.models.predict import predict

from .small import options, posterior, study, therapy

PAIR: dict[str, Any] = {
    "outcome": "depth",
    "predictors": ["safety", "alliance"],
    "interactions": ["alliance:safety"],
}


def products_of(design: Design) -> np.ndarray:
    assert design.products is not None
    return design.products.columns


def by_hand(design: Design, trial: Study, time: bool = False) -> np.ndarray:
    """The product client by client; a common linear course by a regression with a dummy per client."""
    deviations = []
    for name, measure in zip(("alliance", "safety"), (design.predictors[1], design.predictors[0]), strict=True):
        x = trial.sessions[name].to_numpy()[design.row] / measure.sd
        dummies = (design.client[:, None] == np.arange(design.clients)).astype(float)
        columns = np.column_stack([dummies, design.time]) if time else dummies
        deviations.append(x - columns @ np.linalg.lstsq(columns, x)[0])
    product = deviations[0] * deviations[1]
    return np.array([p - product[design.client == c].mean() for p, c in zip(product, design.client, strict=True)])


@pytest.mark.parametrize("time", ["none", "linear"])
@pytest.mark.parametrize("centring", ["latent", "observed"])
def test_the_product_is_of_observed_deviations_and_centred_within_clients(time: str, centring: str) -> None:
    trial = therapy(missing=0.15)
    design = build(trial, "within_between", "m", options(**PAIR, time=time, centring=centring))
    column = products_of(design)[:, 0]
    assert column == pytest.approx(by_hand(design, trial, time != "none"), abs=1e-10)
    means = np.bincount(design.client, column) / np.bincount(design.client)
    assert means == pytest.approx(np.zeros(design.clients), abs=1e-12)


def test_neither_a_clients_level_nor_a_common_course_enters_the_product() -> None:
    trial = therapy()
    before = products_of(build(trial, "within_between", "m", options(**PAIR, time="linear")))
    level = pd.Series(np.linspace(-2, 2, len(trial.clients)), trial.clients.index)
    for name in ("safety", "alliance"):
        trial.sessions[name] += level.loc[trial.sessions["client"]].to_numpy() + 0.3 * trial.sessions["session"]
    design = build(trial, "within_between", "m", options(**PAIR, time="linear"))
    plain = build(therapy(), "within_between", "m", options(**PAIR, time="linear"))
    size = np.prod([p.sd for p in design.predictors]) / np.prod([p.sd for p in plain.predictors])
    assert products_of(design) * size == pytest.approx(before, abs=1e-10)


def test_sessions_in_which_one_of_the_two_is_missing_are_left_out_and_counted() -> None:
    trial = therapy(missing=0.2)
    trial.sessions.loc[[3, 50], ["depth", "safety", "alliance"]] = np.nan
    account = build(trial, "within_between", "m", options(**PAIR)).account
    rated = trial.sessions[["depth", "safety", "alliance"]].notna()
    any_ = rated.any(axis=1)
    safety = any_ & ~rated["safety"]
    alliance = any_ & rated["safety"] & ~rated["alliance"]
    assert dict(account.excluded) == {
        "neither outcome nor predictors rated": int((~any_).sum()),
        "safety not rated": int(safety.sum()),
        "alliance not rated": int(alliance.sum()),
    }
    assert account.used == int((rated["safety"] & rated["alliance"]).sum())
    assert account.imputed == ()


def test_a_third_predictor_may_be_missing() -> None:
    trial = therapy()
    trial.sessions["trust"] = np.random.default_rng(1).normal(size=len(trial.sessions))
    trial.sessions.loc[::7, "trust"] = np.nan
    again = study(trial.sessions.drop(columns="row"), trial.clients, trial.therapists)
    chosen = PAIR | {"predictors": ["safety", "alliance", "trust"]}
    design = build(again, "within_between", "m", options(**chosen))
    assert design.account.used == len(trial.sessions)
    assert dict(design.account.imputed) == {"trust": int(trial.sessions["trust"].isna().sum())}


@pytest.mark.parametrize(
    ("changes", "value", "words"),
    [
        ({"interactions": ["safety"]}, "safety", "colon"),
        ({"interactions": ["safety:"]}, "safety:", "colon"),
        ({"interactions": ["safety:alliance:safety"]}, "safety:alliance:safety", "colon"),
        ({"interactions": ["safety:anxiety"]}, "safety:anxiety", "anxiety is none"),
        ({"interactions": ["safety:safety"]}, "safety:safety", "two different"),
        ({"interactions": ["safety:alliance", "alliance : safety"]}, "alliance : safety", "named once"),
        ({"lag": 1}, "lag = 1", "same session"),
        ({"own_lag": True}, "own_lag = true", "feeds back"),
        ({"predictors": ["safety"]}, "alliance:safety", "alliance is none"),
    ],
)
def test_a_wrong_interaction_is_refused_with_the_choices(changes: dict[str, Any], value: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        build(therapy(), "within_between", "m", options(**PAIR | changes))
    (fault,) = caught.value.faults
    assert (fault.file, fault.column, fault.value) == ("study.toml", "models.m.interactions", value)
    assert words in fault.rule
    assert fault.remedy


@pytest.mark.parametrize(("kind", "chosen"), [
    ("congruence", {"outcome": "depth", "predictors": ["safety", "alliance"]}),
    ("growth", {"outcome": "depth"}),
])  # fmt: skip
def test_other_kinds_refuse_interactions(kind: str, chosen: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="not an option of the model"):
        build(therapy(), kind, "m", options(**chosen, interactions=["safety:alliance"]))


def test_two_sessions_per_client_say_nothing_of_a_product() -> None:
    with pytest.raises(InputError, match="three or more sessions"):
        build(therapy(sessions=2), "within_between", "m", options(**PAIR))


def test_its_prior_is_set_by_the_name_of_its_estimand() -> None:
    chosen = PAIR | {"moderators": ["anxiety"]}
    name = "alliance.within:safety.within"
    design = build(therapy(), "within_between", "m", options(**chosen, priors={name: "normal(0, 0.1)"}))
    assert design.coords["interaction"] == ["safety:anxiety", "alliance:anxiety", "alliance:safety"]
    priors = {one.estimand: str(one.prior) for one in parameters(design)}
    assert priors[name] == "normal(0, 0.1)"
    assert priors["safety.within:anxiety"] == "normal(0, 0.25)"
    raw = {name: {"prior": "normal(0, 1)", "scale": "raw"}}
    scaled = build(therapy(), "within_between", "m", options(**chosen, priors=raw))
    size = scaled.predictors[0].sd * scaled.predictors[1].sd / scaled.outcome.sd
    assert scaled.prior("moderation", "alliance:safety").parameters[1] == pytest.approx(size)


def constant_draws(design: Design, draws: int = 2) -> Any:
    effects = {"therapist_effects": np.zeros((design.therapists, 1)), "predictor_client": np.zeros((design.clients, 2)),
               "predictor_therapist": np.zeros((design.therapists, 2))}  # fmt: skip
    return posterior(
        design, draws, intercept=0.1, within=[0.3, 0.2], between_client=[0.8, -0.1], between_therapist=[0.5, 0.4],
        moderation=[0.15], nuisance=[0.4], sd_client=[0.5], sd_therapist=[0.2], sd_residual=0.6,
        predictor_intercept=np.zeros(2), sd_predictor_client=[0.7, 0.6], cor_predictor_client=[[1, 0.3], [0.3, 1]],
        sd_predictor_therapist=[0.3, 0.2], cor_predictor_therapist=np.eye(2), sd_predictor_residual=[0.8, 0.7],
        client_effects=np.zeros((design.clients, 1)), **effects,
    )  # fmt: skip


def test_estimands_are_per_point_and_point_and_per_sd_and_sd() -> None:
    design = build(therapy(), "within_between", "m", options(**PAIR))
    draws = constant_draws(design)
    found = {(e.name, e.scale): float(e.draws(draws)[0, 0]) for e in model("within_between").estimands(design)}
    safety, alliance = design.predictors
    sds = within_sds(design, draws)[0]
    name = "alliance.within:safety.within"
    assert found[name, "raw"] == pytest.approx(0.15 * design.outcome.sd / (safety.sd * alliance.sd))
    assert found[name, "standardised"] == pytest.approx(0.15 * sds[0] * sds[1] / sds[2])
    low, high = (found[f"alliance.within[safety.within={at}]", "raw"] for at in ("-1sd", "+1sd"))
    assert (low + high) / 2 == pytest.approx(found["alliance.within", "raw"])
    # From one SD of safety's sessions below the usual to one above: two SDs, in points of safety.
    assert high - low == pytest.approx(2 * sds[0] * safety.sd * found[name, "raw"])


def test_new_clients_products_are_of_their_own_drawn_ratings() -> None:
    design = build(therapy(clients=30, sessions=8), "within_between", "m", options(**PAIR))
    draws = constant_draws(design, 40)
    state = system(design, flatten(draws))
    values = np.random.default_rng(3).normal(size=(40, len(design.y), 3))
    rows = np.arange(0, len(design.y), 3)
    found = state.products(rows, values)
    for draw in (0, 39):
        for at, row in list(enumerate(rows))[::25]:
            own = values[draw, design.client == design.client[row]]
            product = np.prod(own[:, :2] - own[:, :2].mean(axis=0), axis=1)
            place = np.flatnonzero(np.flatnonzero(design.client == design.client[row]) == row)[0]
            assert found[draw, at] == pytest.approx(0.15 * (product[place] - product.mean()))
    without = draws.assign(moderation=draws["moderation"] * 0)
    drawn = [predict(design, one, np.random.default_rng(4), "new_client") for one in (draws, without)]
    # The same random numbers, so that the difference is Σ δ p, whose mean within a client is zero.
    difference = drawn[0] - drawn[1]
    assert difference.std() > 0.02
    means = np.array([difference[:, design.client == c].mean(axis=1) for c in range(design.clients)])
    assert np.abs(means).max() < 1e-9


# --- recovery --------------------------------------------------------------------------------------

TRUE = 0.4


def world(rho: float) -> Truth:
    """Exploration depends on safety × alliance; alliance on safety by ``rho``; trends as in the default truth."""
    base = Truth()
    paths = tuple(replace(p, value=rho) if (p.source, p.target) == ("safety", "alliance") else p for p in base.session)
    return replace(base, session=paths, interactions=(Interaction("safety", "alliance", "exploration", TRUE),))


def design_of(drawn: Simulated, **changes: Any) -> Design:
    sessions = drawn.sessions[["client", "session", "therapist", "safety", "alliance", "exploration"]]
    chosen: dict[str, Any] = {
        "outcome": "exploration", "predictors": ["safety", "alliance"], "interactions": ["safety:alliance"],
        "time": "log",
    }  # fmt: skip
    return build(study(sessions), "within_between", "m", ModelSection(**chosen | changes))


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.0, 0.5])
@pytest.mark.parametrize("sessions", [6, 15])
def test_the_slope_on_the_product_is_unbiased(rho: float, sessions: int) -> None:
    from safezone.analysis.mode import find_mode

    name = "safety.within:alliance.within"
    estimates = []
    for replication in range(40):
        plan = SimulationDesign(clients=80, sessions=sessions, therapists=8, dropout=False)
        design = design_of(simulate(plan, world(rho), 500 + replication), priors={name: "normal(0, 10)"})
        found = marginal_system(design)
        assert isinstance(found, GaussianSystem)
        mode = find_mode(compile_system(found))
        at = [p.name for p in found.parameters].index("moderation[safety:alliance]")
        size = design.outcome.sd / (design.predictors[0].sd * design.predictors[1].sd)
        estimates.append((size * mode.theta[at], size * float(np.sqrt((mode.root @ mode.root.T)[at, at]))))
    mean, claimed = np.mean(estimates, axis=0)
    spread = float(np.std([one[0] for one in estimates], ddof=1))
    assert mean == pytest.approx(TRUE, abs=3 * spread / 40**0.5)  # three Monte Carlo errors
    assert spread == pytest.approx(claimed, rel=0.4)  # an SD of 40: relative error 11 %


@pytest.mark.slow
def test_one_study_recovers_its_interaction_and_counts_what_it_left_out() -> None:
    from safezone.analysis import marginal
    from safezone.data.simulate import Missingness

    plan = SimulationDesign(clients=200, sessions=15, therapists=20, missing=Missingness(ratings=0.1), dropout=False)
    truth = world(0.18)
    drawn = simulate(plan, truth, 77)
    design = design_of(drawn)
    both = drawn.sessions[["safety", "alliance"]].notna().all(axis=1)
    assert design.account.used == int(both.sum())
    found = marginal_system(design)
    assert isinstance(found, GaussianSystem)
    compiled = compile_system(found)
    theta = marginal.sample(compiled, sampler="importance", chains=2, draws=500, seed=3)
    assert theta.pareto_k < 0.5
    draws = drawn_posterior(design, compiled, theta.theta, seed=3, effects=False)
    true = truth.within_between("exploration", ["safety", "alliance"])
    assert true["safety.within:alliance.within"] == TRUE
    for estimand in model("within_between").estimands(design):
        if estimand.scale == "raw" and estimand.name in ("safety.within:alliance.within", "safety.within"):
            values = estimand.draws(draws).to_numpy()
            assert abs(values.mean() - true[estimand.name]) < 3 * values.std(), estimand.name
            assert values.std() < 0.06, estimand.name  # the study can tell 0.4 from 0
