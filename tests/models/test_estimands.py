"""Estimands: raw coefficients are those of the raw variables, names are stable, shares add up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from safezone.models.build import build
from safezone.models.catalogue import CATALOGUE, model
from safezone.models.design import Design
from safezone.models.effects import between_sds, direct_effect, within_sds

from .small import options, posterior, therapy


def values(design: Design, draws: xr.Dataset, scale: str = "raw") -> dict[str, float]:
    """Evaluate every estimand of one scale; draws are constant."""
    found = {}
    for estimand in model(design.kind).estimands(design):
        if estimand.scale == scale:
            drawn = estimand.draws(draws)
            assert set(drawn.dims) == {"chain", "draw"}, estimand.name
            assert np.isfinite(drawn).all(), estimand.name
            found[estimand.name] = float(drawn[0, 0])
    return found


@pytest.mark.parametrize("time", ["linear", "quadratic", "log", "piecewise(3)"])
def test_raw_growth_coefficients_are_those_of_a_regression_on_raw_variables(time: str) -> None:
    trial = therapy()
    design = build(
        trial, "growth", "m", options(outcome="depth", time=time, by=["arm", "anxiety"], covariates=["experience"])
    )
    internal = np.linalg.lstsq(np.column_stack([np.ones(len(design.y)), design.F]), design.y)[0]
    draws = posterior(
        design, intercept=internal[0], fixed=internal[1:], sd_residual=0.5,
        sd_client=np.ones(len(design.client_effects)),
        cor_client=np.eye(len(design.client_effects)), sd_therapist=np.ones(len(design.therapist_effects)),
        cor_therapist=np.eye(len(design.therapist_effects)),
    )  # fmt: skip
    found = values(design, draws)
    # The same regression on raw columns, built here from the tables.
    raw: dict[str, np.ndarray] = {"intercept": np.ones(len(design.y))}
    t = trial.sessions["session"].to_numpy() - 1.0
    raw |= {
        "linear": {"time": t}, "quadratic": {"time": t, "time^2": t**2}, "log": {"log_time": np.log1p(t)},
        "piecewise(3)": {"time_early": np.minimum(t, 3), "time_late": np.maximum(t - 3, 0)},
    }[time]  # fmt: skip
    times = [name for name in raw if name != "intercept"]
    client = trial.clients.loc[trial.sessions["client"]]
    raw["arm[active]"] = (client["arm"] == "active").to_numpy(dtype=float)
    raw["anxiety"] = client["anxiety"].to_numpy()
    raw["experience"] = trial.therapists.loc[trial.sessions["therapist"], "experience"].to_numpy()
    for main in ("arm[active]", "anxiety"):
        raw |= {f"{main}:{name}": raw[main] * raw[name] for name in times}
    expected = np.linalg.lstsq(np.column_stack(list(raw.values())), trial.sessions["depth"].to_numpy())[0]
    for name, value in zip(raw, expected, strict=True):
        assert found[name] == pytest.approx(value, rel=1e-8, abs=1e-8), name


def test_growth_sds_are_in_raw_units() -> None:
    design = build(therapy(), "growth", "m", options(outcome="depth", therapist_level=False))
    draws = posterior(design, intercept=0.1, fixed=[0.2], sd_residual=0.5, sd_client=[0.7, 0.3],
                      cor_client=[[1, -0.4], [-0.4, 1]])  # fmt: skip
    found = values(design, draws)
    sd = design.outcome.sd
    assert found["sd.residual"] == pytest.approx(0.5 * sd)
    assert found["sd.client.time"] == pytest.approx(0.3 * sd / design.time.std(ddof=1))
    assert found["cor.client.intercept_time"] == pytest.approx(-0.4)
    assert found["share.client"] + found["share.session"] == pytest.approx(1.0)
    z = design.client_z
    between = np.mean(0.49 + 0.09 * z[:, 1] ** 2 - 2 * 0.4 * 0.21 * z[:, 1])
    assert found["share.client"] == pytest.approx(between / (between + 0.25))


def test_shares_add_up_and_name_the_arm() -> None:
    design = build(therapy(roles={"arm": "arm"}), "variance", "m", options(outcome="depth", covariates=["arm"]))
    draws = posterior(design, intercept=0.0, fixed=[0.4], sd_client=[0.6], sd_therapist=[0.3], sd_residual=0.7)
    found = values(design, draws)
    parts = [found[f"share.{part}"] for part in ("therapist", "client", "session", "arm")]
    assert sum(parts) == pytest.approx(1.0)
    arm = 0.16 * np.var(design.F[::6, 0], ddof=1)  # six sessions per client
    total = 0.36 + 0.09 + 0.49 + arm
    assert found["share.arm"] == pytest.approx(arm / total)
    assert found["share.therapist_minus_arm"] == pytest.approx((0.09 - arm) / total)
    assert found["reliability.mean[6]"] == pytest.approx(0.45 / (0.45 + 0.49 / 6))


@pytest.mark.parametrize(("family", "extra", "residual"), [
    ("student_t", {"sd_residual": 0.7, "nu": 6.0}, 0.49 * 6 / 4),
    ("bernoulli", {}, np.pi**2 / 3),
])  # fmt: skip
def test_the_sessions_share_knows_its_family(family: str, extra: dict[str, Any], residual: float) -> None:
    trial = therapy(families={"depth": family})
    if family == "bernoulli":
        trial.sessions["depth"] = (trial.sessions["depth"] > 3).astype(float)
    design = build(trial, "variance", "m", options(outcome="depth", therapist_level=False))
    found = values(design, posterior(design, intercept=0.0, sd_client=[0.6], **extra))
    assert found["share.session"] == pytest.approx(residual / (residual + 0.36))


def latent_draws(design: Design) -> xr.Dataset:
    """Parameters of a two-predictor model with two levels and a covariate."""
    k, p = len(design.predictors), len(design.fixed)
    rng = np.random.default_rng(4)
    return posterior(
        design, intercept=0.1, fixed=rng.normal(size=p), within=[0.3, 0.2], between_client=[0.8, -0.1],
        between_therapist=[0.5, 0.4], nuisance=[0.4], sd_client=[0.5], sd_therapist=[0.2], sd_residual=0.6,
        predictor_intercept=np.zeros(k), predictor_fixed=rng.normal(size=(k, p)), sd_predictor_client=[0.7, 0.6],
        cor_predictor_client=[[1, 0.3], [0.3, 1]], sd_predictor_therapist=[0.3, 0.2],
        cor_predictor_therapist=np.eye(2), sd_predictor_residual=[0.8, 0.7],
    )  # fmt: skip


def test_slopes_are_converted_by_the_scales_of_their_variables_and_levels() -> None:
    design = build(therapy(), "within_between", "m",
                   options(outcome="depth", predictors=["safety", "alliance"], covariates=["anxiety"]))  # fmt: skip
    draws = latent_draws(design)
    raw, standardised = values(design, draws), values(design, draws, "standardised")
    ratio = design.outcome.sd / design.predictors[0].sd
    assert raw["safety.within"] == pytest.approx(0.3 * ratio)
    assert raw["safety.between_client"] == pytest.approx(0.8 * ratio)
    assert raw["safety.between_therapist"] == pytest.approx(0.5 * ratio)
    assert raw["safety.contextual"] == pytest.approx(0.5 * ratio)
    # Within: alliance = 0.4 safety + e, depth = 0.3 safety + 0.2 alliance + e.
    var_alliance = 0.4**2 * 0.64 + 0.49
    var_depth = (0.3 + 0.2 * 0.4) ** 2 * 0.64 + 0.2**2 * 0.49 + 0.36
    assert within_sds(design, draws)[0] == pytest.approx(np.sqrt([0.64, var_alliance, var_depth]))
    assert standardised["safety.within"] == pytest.approx(0.3 * 0.8 / np.sqrt(var_depth))
    # Between clients: the path system of latent means.
    var_between = 0.8**2 * 0.49 + 0.1**2 * 0.36 - 2 * 0.8 * 0.1 * 0.3 * 0.42 + 0.25
    assert between_sds(design, draws, "client")[0, -1] == pytest.approx(np.sqrt(var_between))
    assert standardised["safety.between_client"] == pytest.approx(0.8 * 0.7 / np.sqrt(var_between))


@pytest.mark.parametrize("level", ["client", "therapist"])
def test_direct_effects_hold_the_latent_means_constant(level: str) -> None:
    covariate = {"client": "anxiety", "therapist": "experience"}[level]
    design = build(therapy(), "within_between", "m",
                   options(outcome="depth", predictors=["safety", "alliance"], covariates=[covariate]))  # fmt: skip
    draws = latent_draws(design)
    one = {name: draws[name].to_numpy()[0, 0] for name in draws.data_vars}
    g1, g2 = one["predictor_fixed"][:, 0]
    safety = g1  # total effects of the covariate on usual safety, alliance, depth
    alliance = g2 + 0.4 * g1
    depth = one["fixed"][0] + 0.3 * safety + 0.2 * alliance
    direct = depth - one[f"between_{level}"] @ [safety, alliance]
    assert float(direct_effect(design, 0, design.fixed[0])(draws)[0, 0]) == pytest.approx(direct)


def test_variance_of_a_lagged_model_is_the_stationary_one() -> None:
    design = build(therapy(therapists=1), "within_between", "m", options(outcome="depth", predictors=["safety"], lag=1))
    same, own, cross, within, phi = 0.2, 0.3, 0.1, 0.25, 0.4
    draws = posterior(design, within=[within], own_lag=phi, nuisance=[same, own, cross], sd_client=[0.5],
                      sd_residual=0.6, sd_predictor_residual=[0.8])  # fmt: skip
    # Vectorised Lyapunov equation: vec Σ = (I − C ⊗ C)⁻¹ vec Q.
    solve = np.linalg.inv(np.eye(2) - np.array([[0, same], [0, 0]]))
    carry = solve @ np.array([[own, cross], [within, phi]])
    shock = solve @ np.diag([0.64, 0.36]) @ solve.T
    stationary = np.linalg.solve(np.eye(4) - np.kron(carry, carry), shock.ravel()).reshape(2, 2)
    assert within_sds(design, draws)[0] == pytest.approx(np.sqrt(np.diag(stationary)), rel=1e-8)


def test_names_are_stable() -> None:
    """Other people's scripts rely on these names (9-study-file)."""
    trial = therapy()
    names = {}
    choices: dict[str, dict[str, Any]] = {
        "variance": {"outcome": "depth"},
        "growth": {"outcome": "depth", "by": ["arm"], "time": "quadratic"},
        "within_between": {"outcome": "depth", "predictors": ["safety"], "lag": 1, "random_slopes": ["safety"],
                           "moderators": ["anxiety"]},
    }  # fmt: skip
    for kind, chosen in choices.items():
        design = build(trial, kind, "m", options(**chosen))
        names[kind] = {e.name for e in model(kind).estimands(design)}
        for estimand in model(kind).estimands(design):
            assert estimand.meaning.endswith("."), estimand.name
            assert estimand.level in {"session", "client", "therapist", "population"}
    assert {"share.therapist", "share.client", "share.session", "sd.client.intercept", "sd.residual"} <= names[
        "variance"
    ]
    assert {"intercept", "time", "time^2", "arm[active]", "arm[active]:time", "sd.client.time", "worsening",
            "cor.client.intercept_time", "sd.therapist.intercept"} <= names["growth"]  # fmt: skip
    assert {"safety.within", "safety.between_client", "safety.between_therapist", "safety.contextual", "own_lag",
            "safety.within.sd", "safety.opposite_sign", "safety.within:anxiety", "safety.within[anxiety=-1sd]",
            "anxiety"} <= names["within_between"]  # fmt: skip


def test_transient_worsening_is_the_largest_distance_on_the_worse_side() -> None:
    trial = therapy(better={"depth": "lower"})
    design = build(trial, "growth", "m", options(outcome="depth", time="quadratic", random_slopes=[]))
    scale = [c.factors[0].scale for c in design.fixed]
    # 0.5 t − 0.1 t² in SD units: peak 0.625 at t = 2.5
    draws = posterior(design, intercept=0.0, fixed=[0.5 * scale[0], -0.1 * scale[1]], sd_client=[0.5],
                      sd_therapist=[0.2], sd_residual=0.6)  # fmt: skip
    assert values(design, draws, "standardised")["worsening"] == pytest.approx(0.625, abs=1e-3)  # grid of 41 times


def test_the_catalogue_is_models_with_unique_names_and_sources() -> None:
    kinds = [entry.kind for entry in CATALOGUE]
    assert kinds[:3] == ["variance", "growth", "within_between"]
    assert len(set(kinds)) == len(kinds)
    for entry in CATALOGUE:
        assert entry.references
        assert entry.question.endswith("?")
