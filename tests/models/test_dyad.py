"""The dyad: what its estimands mean, what its versions are, and what it refuses."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import xarray as xr

from safezone.data.errors import InputError
from safezone.models.catalogue import model, plan
from safezone.models.dyad_effects import dyad_estimands
from safezone.models.dyad_members import difference_of, members, subset, sum_of, variants
from safezone.models.dyad_moments import steps_since_start
from safezone.models.path_design import ZERO, PathDesign
from safezone.models.path_parameters import dims_of, elements
from safezone.models.path_posterior import posterior
from safezone.models.path_predict import replicate

from . import dyad_studies
from .dyad_studies import CLASSIC, PAIR, dyad, therapy
from .path_twins import compiled_of, start


def drawn(design: PathDesign, seed: int = 7, draws: int = 1) -> tuple[xr.Dataset, dict[str, np.ndarray]]:
    """A posterior of equal draws somewhere in the middle of nowhere, and its values by variable."""
    compiled = compiled_of(design)
    theta = np.repeat(start(compiled, seed)[None, None], draws, axis=1)
    found = posterior(design, compiled, theta, seed=0)
    return found, {str(name): one.to_numpy()[0, 0] for name, one in found.data_vars.items()}


def asked(design: PathDesign, dataset: xr.Dataset) -> dict[tuple[str, str], float]:
    return {(e.name, e.scale): float(e.draws(dataset).to_numpy().ravel()[0]) for e in dyad_estimands(design)}


def matrices(design: PathDesign, value: dict[str, np.ndarray], **z: float) -> tuple[np.ndarray, np.ndarray]:
    """A and Φ at values of moderators, by the definition."""
    now, before = np.zeros((2, len(design.names), len(design.names)))
    for p, arrow in enumerate(design.session):
        path = value["path_session"][p]
        for m, one in enumerate(design.moderations):
            if one.path == p:
                path += value["moderation"][m] * z.get(one.moderator, 0.0)
        place = design.names.index(arrow.target), design.names.index(arrow.source)
        (before if arrow.lag else now)[place] = path
    return now, before


def stationary(now: np.ndarray, before: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Solve S = M S M' + shocks."""
    solve = np.linalg.inv(np.eye(len(now)) - now)
    shock, carry = solve @ np.diag(sd**2) @ solve.T, solve @ before
    n = len(now)
    return np.linalg.solve(np.eye(n * n) - np.kron(carry, carry), shock.ravel()).reshape(n, n)


def small(value: dict[str, np.ndarray], dataset: xr.Dataset, scale: float = 0.4) -> None:
    """Shrink lagged paths, so that the series settle: both the values and the dataset."""
    value["path_session"] = value["path_session"] * scale
    dataset["path_session"] = dataset["path_session"] * scale


@pytest.fixture(scope="module")
def lagged() -> PathDesign:
    return dyad_studies.design("next_moderated", clients=14, sessions=7, unknown=0)


def test_effects_on_the_next_session_are_the_reduced_form(lagged: PathDesign) -> None:
    dataset, value = drawn(lagged)
    small(value, dataset)
    found = asked(lagged, dataset)
    assert lagged.names == ("t_safety", "safety")
    t, c = 0, 1
    raw = {name: lagged.measure(name).sd for name in lagged.names}
    names = {
        "actor.client": (c, c), "actor.therapist": (t, t),
        "partner.therapist->client": (c, t), "partner.client->therapist": (t, c),
    }  # fmt: skip
    now, before = matrices(lagged, value)
    sd = np.sqrt(np.diag(stationary(now, before, value["sd_residual"])))
    for name, (target, source) in names.items():
        reduced = np.linalg.solve(np.eye(2) - now, before)[target, source]
        unit = raw[lagged.names[target]] / raw[lagged.names[source]]
        assert found[name, "raw"] == pytest.approx(reduced * unit)
        assert found[name, "standardised"] == pytest.approx(reduced * sd[source] / sd[target], rel=1e-6)
    assert found["partner.same_session", "raw"] == pytest.approx(now[c, t] * raw["safety"] / raw["t_safety"])


def test_effects_at_values_of_moderators_and_their_derivatives(lagged: PathDesign) -> None:
    dataset, value = drawn(lagged)
    found = asked(lagged, dataset)
    ratio = lagged.measure("safety").sd / lagged.measure("t_safety").sd

    def at(**z: float) -> float:
        now, before = matrices(lagged, value, **z)
        return float(np.linalg.solve(np.eye(2) - now, before)[1, 0]) * ratio

    name, step = "partner.therapist->client", 1e-5
    anxiety = lagged.covariate("anxiety")
    assert anxiety is not None
    for moderator, scale in (("time", lagged.t_scale), ("anxiety", anxiety.factor.scale), ("arm[active]", 1.0)):
        slope = (at(**{moderator: step}) - at(**{moderator: -step})) / (2 * step) / scale
        assert found[f"{name}:{moderator}", "raw"] == pytest.approx(slope, rel=1e-6)
    assert found[f"{name}[anxiety=+1sd]", "raw"] == pytest.approx(at(anxiety=1.0))
    assert found[f"{name}[arm=active]", "raw"] == pytest.approx(at(**{"arm[active]": 1.0}))
    first, last = ((time - lagged.t_centre) / lagged.t_scale for time in (0.0, 6.0))
    assert found[f"{name}[time=first]", "raw"] == pytest.approx(at(time=first))
    assert found[f"{name}[time=last]", "raw"] == pytest.approx(at(time=last))
    assert found["partner.same_session[time=last]", "raw"] == pytest.approx(
        ratio * matrices(lagged, value, time=last)[0][1, 0]
    )


def test_what_the_two_share_is_what_the_model_implies(lagged: PathDesign) -> None:
    dataset, value = drawn(lagged)
    small(value, dataset)
    found = asked(lagged, dataset)
    within = stationary(*matrices(lagged, value), value["sd_residual"])
    known = np.column_stack([one.values for one in lagged.of_level("client")])
    known = np.cov(known, rowvar=False)
    effects = {one.name: k for k, one in enumerate(lagged.of_level("client"))}
    loads = np.zeros((2, len(effects)))
    for p, arrow in enumerate(lagged.client_arrows):
        loads[lagged.names.index(arrow.target), effects[arrow.source]] = value["path_client"][p]
    order = [lagged.client_effects.index(name) for name in lagged.names]
    d = value["sd_client"][:, None] * value["cor_client"] * value["sd_client"]
    client = loads @ known @ loads.T + d[np.ix_(order, order)]
    sds = np.array([lagged.measure(name).sd for name in lagged.names])
    for level, moments in (("within", within), ("client", client)):
        share = moments[0, 1] / np.sqrt(moments[0, 0] * moments[1, 1])
        assert found[f"common.{level}", "raw"] == pytest.approx(share, rel=1e-6)
        assert found[f"common.{level}.loading", "raw"] == pytest.approx(np.sqrt(max(share, 0.0)), rel=1e-6, abs=1e-9)
        assert found[f"common.{level}.variance", "raw"] == pytest.approx(moments[0, 1] * sds.prod(), rel=1e-6)
        slope = moments[0, 1] / moments[1, 1] * sds[0] / sds[1]  # of the therapist's view on the client's
        assert found[f"accuracy.{level}", "raw"] == pytest.approx(slope, rel=1e-6)
        assert found[f"accuracy.{level}", "standardised"] == pytest.approx(share, rel=1e-6)


def test_a_common_factor_with_equal_loadings_implies_the_same_covariance(lagged: PathDesign) -> None:
    """λ² is the correlation; the factor's raw variance with loadings of one is the covariance."""
    dataset, _ = drawn(lagged, seed=3)
    found = asked(lagged, dataset)
    share, loading = found["common.within", "raw"], found["common.within.loading", "raw"]
    assert share > 0
    assert loading**2 == pytest.approx(share)


def test_directional_bias_is_the_mean_difference_of_simulated_sessions(lagged: PathDesign) -> None:
    dataset, value = drawn(lagged, seed=11, draws=1500)
    small(value, dataset)
    dataset["moderation"] = dataset["moderation"] * 0.0  # which has no part in means but much in their noise
    dataset = dataset.drop_vars(["client_effects", "therapist_effects"])
    sessions, _ = replicate(lagged, dataset, np.random.default_rng(5), "new_therapist")
    each = (sessions[:, :, 0] - sessions[:, :, 1]).mean(axis=1)
    expected, error = each.mean(), each.std(ddof=1) / np.sqrt(len(each))
    assert abs(asked(lagged, dataset)["bias.directional", "raw"] - expected) < 4 * error
    assert error < 0.1  # else the comparison says nothing


def test_courses_are_rates_per_unit_of_time() -> None:
    design = dyad_studies.design("next_missing")  # an average for every session
    dataset, value = drawn(design)
    found = asked(design, dataset)
    names = list(design.terms)
    assert names == [f"time_at_{n}" for n in range(1, 6)]
    slope = value["slope"][design.names.index("safety")]
    whole = slope[-1] / design.scales[-1]  # from the first session to the last
    assert found["trend.client", "raw"] == pytest.approx(whole / 5 * design.measure("safety").sd)
    assert found["trend.client", "standardised"] == pytest.approx(whole / 5 * design.t_scale)


# --- members who are alike -------------------------------------------------------------------------------------------


def test_actor_and_partner_come_back_from_sums_and_differences() -> None:
    design = dyad_studies.design("alike")
    dataset, value = drawn(design)
    found = asked(design, dataset)
    texts = [arrow.text for arrow in design.session]
    total, difference = sum_of("safety"), difference_of("safety")
    assert set(texts) == {f"lag({total})->{total}", f"lag({difference})->{difference}"}
    s, d = (value["path_session"][texts.index(f"lag({one})->{one}")] for one in (total, difference))
    assert found["actor", "raw"] == pytest.approx((s + d) / 2)
    assert found["partner", "raw"] == pytest.approx((s - d) / 2)
    assert found["actor", "standardised"] == pytest.approx((s + d) / 2)  # members have one SD
    moderated = [one.name for one in design.moderations]
    s_time, d_time = (value["moderation"][moderated.index(f"lag({o})->{o}:time")] for o in (total, difference))
    assert found["partner:time", "raw"] == pytest.approx((s_time - d_time) / 2 / design.t_scale)


def test_two_predictors_between_clients() -> None:
    design = dyad_studies.design("classic")
    dataset, value = drawn(design)
    found = asked(design, dataset)
    path = {arrow.text: value["path_client"][p] for p, arrow in enumerate(design.client_arrows)}
    # The usual levels of both outcomes are correlated by an arrow, which is no part of the effects.
    expected = path["safety->depth"] + path["t_depth->depth"] * path["safety->t_depth"]
    assert found["actor.client.between_client", "raw"] == pytest.approx(
        expected * design.measure("depth").sd / design.measure("safety").sd
    )
    within = {arrow.text: value["path_session"][p] for p, arrow in enumerate(design.session)}
    expected = within["t_safety->depth"] + within["t_depth->depth"] * within["t_safety->t_depth"]
    assert found["partner.therapist->client", "raw"] == pytest.approx(
        expected * design.measure("depth").sd / design.measure("t_safety").sd
    )


def test_sums_and_differences_are_those_of_the_raw_ratings() -> None:
    whole = therapy(missing=0.2, sessions=6)
    design = dyad(whole, **PAIR, distinguishable=False)
    kept = whole.sessions.iloc[design.row]
    first, second = (design.measure(name) for name in design.names)
    assert (first.name, second.name) == (difference_of("safety"), sum_of("safety"))
    values = design.values * [first.sd, second.sd] + [first.mean, second.mean]
    np.testing.assert_allclose(values[:, 0], (kept["safety"] - kept["t_safety"]) / np.sqrt(2))
    np.testing.assert_allclose(values[:, 1], (kept["safety"] + kept["t_safety"]) / np.sqrt(2))
    both = whole.sessions[["safety", "t_safety"]].notna().all(axis=1)
    assert design.account.used == both.sum() == len(design.row)
    lost = dict(design.account.excluded)
    assert lost["one of the two ratings missing"] > 0
    assert sum(lost.values()) == (~both).sum()
    assert sum(n for _, n in design.account.starts) == (design.previous < 0).sum()
    # a series starts anew where the session before was left out
    for row, previous in enumerate(design.previous):
        if previous >= 0:
            assert design.client[row] == design.client[previous]
            assert design.session_number[row] - design.session_number[previous] == 1
        else:
            before = (design.client == design.client[row]) & (design.session_number == design.session_number[row] - 1)
            assert not before.any()


def test_priors_of_actor_and_partner_are_those_of_any_path() -> None:
    """β_S = actor + partner is √2 as wide; among members who differ the rotation changes nothing."""
    base = dyad_studies.design("next")
    for equal, width in ((True, 0.5 * np.sqrt(2)), (False, 0.5)):
        prior = members(base, equal=equal).priors["path_session"]
        assert prior.parameters == pytest.approx((0.0, width), abs=1e-4)


def test_steps_since_the_start_of_a_series(lagged: PathDesign) -> None:
    cut = dataclasses.replace(lagged, previous=np.where(lagged.session_number == 4, -1, lagged.previous))
    expected = np.where(cut.session_number >= 4, cut.session_number - 4, cut.session_number - 1)
    np.testing.assert_array_equal(steps_since_start(cut), expected)


def test_a_subset_numbers_clients_and_therapists_anew(lagged: PathDesign) -> None:
    keep = (lagged.client != 3) & (lagged.therapist_of[lagged.client] != 0)
    part = subset(lagged, keep)
    assert part.clients == len(np.unique(lagged.client[keep])) == part.client.max() + 1
    assert part.therapists == 2
    anxiety, before = part.covariate("anxiety"), lagged.covariate("anxiety")
    assert anxiety is not None
    assert before is not None
    np.testing.assert_array_equal(anxiety.values[part.client], before.values[lagged.client[keep]])
    np.testing.assert_array_equal(part.values, lagged.values[keep])
    assert (part.client[part.previous[part.previous >= 0]] == part.client[part.previous >= 0]).all()


# --- versions --------------------------------------------------------------------------------------------------------


def test_versions_are_of_the_same_rows_and_restrict_what_they_say(lagged: PathDesign) -> None:
    found = variants(lagged)
    assert list(found) == [
        "partner.full", "partner.same_session", "partner.none", "members.distinguishable", "members.indistinguishable",
    ]  # fmt: skip
    assert found["partner.full"] is lagged
    texts = {name: {arrow.text for arrow in one.session} for name, one in found.items()}
    assert texts["partner.none"] == {"lag(safety)->safety", "lag(t_safety)->t_safety"}
    assert texts["partner.same_session"] == texts["partner.none"] | {"t_safety->safety"}
    for name, one in found.items():
        assert {m.name.partition(":")[0] for m in one.moderations} <= texts[name]
        assert all(one.session[m.path].text == m.name.partition(":")[0] for m in one.moderations)
    differ, alike = found["members.distinguishable"], found["members.indistinguishable"]
    np.testing.assert_array_equal(differ.row, alike.row)
    np.testing.assert_array_equal(differ.values, alike.values)
    free = {name: model("dyad").system(one).dimension for name, one in found.items()}  # type: ignore[union-attr]
    assert len(differ.session) == 5
    assert len(alike.session) == 2
    assert free["members.distinguishable"] > free["members.indistinguishable"]
    assert {name for name, tied in alike.ties.items() if tied == ZERO} >= {
        "cor_client", "cor_therapist", f"intercept[{difference_of('safety')}]",
    }  # fmt: skip


def test_alike_members_without_partner_effects_share_their_paths() -> None:
    design = dyad_studies.design("alike_moderated")
    alone = variants(design)["partner.none"]
    dataset, _ = drawn(alone)
    found = asked(alone, dataset)
    assert found["partner", "raw"] == pytest.approx(0.0, abs=1e-12)
    assert found["partner:anxiety", "raw"] == pytest.approx(0.0, abs=1e-12)
    assert abs(found["actor", "raw"]) > 0.01


def test_members_are_compared_on_one_scale_only() -> None:
    other = therapy(sessions=6, ranges={"t_safety": (1.0, 5.0)})
    design = dyad(other, **PAIR)
    assert set(variants(design)) == {"partner.full", "partner.same_session", "partner.none"}
    assert "bias.directional" not in {one.name for one in dyad_estimands(design)}
    assert "not known to be on one scale" in " ".join(design.notes)


def test_priors_of_zeros_are_not_listed() -> None:
    design = dyad_studies.design("couples")
    listed = {one.name for one in model("dyad").parameters(design)}
    every = {each for variable, dims in dims_of(design).items() for each in elements(design, variable, dims)}
    assert every - listed == {name for name, tied in design.ties.items() if tied == ZERO and "cor" not in name}


# --- the plan, and what is refused -----------------------------------------------------------------------------------


def test_the_default_plan_proposes_both_raters_safety() -> None:
    planned = {one.name: one for one in plan(therapy(sessions=6))}
    options = planned["dyad"].options
    assert (options.outcome, options.predictors, options.lag) == ("safety", ("t_safety",), 1)
    assert options.moderators == ("time", "anxiety")
    names = {one.name for one in dyad_estimands(dyad(therapy(sessions=6), **options.model_dump(exclude_unset=True)))}
    # what the principles ask of a dyad
    assert {
        "partner.same_session", "partner.therapist->client", "partner.same_session:time",
        "partner.therapist->client:time", "trend.client", "common.within", "common.client",
    } <= names  # fmt: skip


def test_without_two_raters_the_plan_says_what_is_missing() -> None:
    alone = therapy(raters={"t_safety": "client", "t_depth": "client"})
    lacking = next(one for one in plan(alone) if one.kind == "dyad")
    assert "rated by client and therapist" in lacking.lacks[0]


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str, str, str]] = {
    "no therapist's rating": ({}, {"outcome": "safety"}, "predictors", "therapist's rating", "safety and t_safety"),
    "not in the study": ({}, {"outcome": "safety", "predictors": ("x",)}, "predictors", "Not a variable", "Valid:"),
    "the same rating": (
        {}, {"outcome": "safety", "predictors": ("safety",)}, "predictors", "no pair in itself", "other",
    ),
    "the same rater": (
        {"raters": {"t_safety": "client"}}, PAIR, "predictors", "Both ratings come from the client", "other person",
    ),
    "the other way round": (
        {}, {"outcome": "t_safety", "predictors": ("safety",)}, "predictors", "other way round", "Exchange",
    ),
    "two metrics": (
        {"ranges": {"t_safety": (1.0, 5.0)}}, {**PAIR, "distinguishable": False}, "predictors", "one scale",
        "distinguishable = true",
    ),
    "a client's variable": ({}, {"outcome": "anxiety", "predictors": ("t_safety",)}, "outcome", "session by session",
                            "Valid:"),
    "two predictors": (
        {}, {"outcome": "depth", "predictors": ("safety", "t_safety")}, "predictors", "what the client rates",
        "partner",
    ),
    "one predictor": ({}, {**CLASSIC, "predictors": ("safety",)}, "predictors", "two predictors", "Name both"),
    "a lag with partner": ({}, {**CLASSIC, "lag": 1}, "lag", "same session", "Remove `lag`"),
    "one session": ({"sessions": 1, "clients": 12}, {**PAIR, "lag": 1}, "lag", "two or more sessions", "lag = 0"),
    "a rating as moderator": ({}, {**PAIR, "moderators": ("depth",)}, "moderators", "depend on time or", "Valid: time"),
    "unknown moderator": ({}, {**PAIR, "moderators": ("anxeity",)}, "moderators", "Not a variable", "Valid: time"),
    "no time": ({}, {**PAIR, "time": "none", "moderators": ("time",)}, "moderators", "has time", 'time = "linear"'),
    "no therapists": (
        {}, {**PAIR, "moderators": ("t_anxiety",), "therapist_level": False}, "moderators", "therapist level",
        "Declare",
    ),
    "slope of another": ({}, {**PAIR, "random_slopes": ("depth",)}, "random_slopes", "Only the ratings", "safety"),
    "slopes of alike": (
        {}, {**PAIR, "random_slopes": ("safety",), "distinguishable": False}, "random_slopes", "alike", "Remove",
    ),
    "a family": ({}, {**PAIR, "family": "ordinal"}, "family", "gaussian", "gaussian"),
    "a foreign option": ({}, {**PAIR, "covariates": ("arm",)}, "covariates", "not an option", "Options of 'dyad'"),
}  # fmt: skip


@pytest.mark.parametrize("case", list(REFUSED))
def test_what_cannot_be_is_named_with_its_key_and_remedy(case: str) -> None:
    data, options, key, rule, remedy = REFUSED[case]
    with pytest.raises(InputError) as caught:
        dyad(therapy(**{"sessions": 6, **data}), "pair", **options)
    fault = caught.value.faults[0]
    assert fault.column == f"models.pair.{key}"
    assert rule in fault.rule
    assert remedy in fault.remedy


def test_both_directions_must_be_alike() -> None:
    study = therapy()
    worse = dataclasses.replace(study.variables["t_safety"], better="lower")
    turned = dataclasses.replace(study, variables={**study.variables, "t_safety": worse})
    with pytest.raises(InputError, match="count in the same direction"):
        dyad(turned, **PAIR)


def test_a_lag_needs_sessions_that_follow_one_another() -> None:
    study = therapy(sessions=6)
    study.sessions.loc[study.sessions["session"] % 2 == 0, ["safety", "t_safety"]] = np.nan
    with pytest.raises(InputError) as caught:
        dyad(study, "pair", **PAIR)
    fault = caught.value.faults[0]
    assert fault.column == "models.pair.lag"
    assert "No session follows another" in fault.rule
    assert "first session" in str(fault.value)


def test_one_session_per_client_is_a_dyad_without_a_client_level() -> None:
    design = dyad_studies.design("couples_seen_by")
    names = {one.name for one in dyad_estimands(design)}
    assert {"actor.client", "partner.therapist->client", "common.within", "common.therapist"} <= names
    assert not any(name.startswith(("common.client", "accuracy.client")) for name in names)
    assert "cannot be told from what is special" in " ".join(design.notes)


def test_sessions_whose_moderator_is_unknown_are_left_out_and_counted() -> None:
    design = dyad(therapy(sessions=6, unknown=2), **PAIR, moderators=("anxiety",))
    assert dict(design.account.excluded)["anxiety unknown"] == 12
    assert design.clients == 7
