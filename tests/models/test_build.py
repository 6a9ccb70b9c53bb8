"""From study to design: rows are accounted for, columns and scales exact, wrong options refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pandas as pd
import pytest

from safezone.data.errors import InputError
from safezone.models.build import build
from safezone.models.marginal_form import system
from safezone.models.parameters import parameters

from .small import options, study, therapy


def test_every_row_is_used_or_counted() -> None:
    trial = therapy(missing=0.2)
    for kind, chosen in (
        ("variance", {"outcome": "depth"}),
        ("growth", {"outcome": "depth", "by": ["arm"]}),
        ("within_between", {"outcome": "depth", "predictors": ["safety", "alliance"]}),
        ("within_between", {"outcome": "depth", "predictors": ["safety"], "lag": 1, "centring": "observed"}),
    ):
        account = build(trial, kind, "m", options(**chosen)).account
        assert account.total == len(trial.sessions)
        assert account.used + sum(n for _, n in account.excluded) == account.total


def test_missing_predictors_are_imputed_not_dropped() -> None:
    trial = therapy(missing=0.2)
    design = build(trial, "within_between", "m", options(outcome="depth", predictors=["safety", "alliance"]))
    ratings = trial.sessions[["depth", "safety", "alliance"]]
    used = ratings[ratings.notna().any(axis=1)]
    assert design.account.used == len(used)
    assert dict(design.account.imputed) == {n: int(used[n].isna().sum()) for n in ("safety", "alliance")}


def test_outcome_and_predictors_are_z_scored_and_remember_their_scale() -> None:
    trial = therapy()
    design = build(trial, "within_between", "m", options(outcome="depth", predictors=["safety"]))
    raw = trial.sessions["depth"].to_numpy()
    assert design.y * design.outcome.sd + design.outcome.mean == pytest.approx(raw, rel=1e-12)
    assert design.y.mean() == pytest.approx(0, abs=1e-12)
    assert design.x[:, 0].std(ddof=1) == pytest.approx(1, rel=1e-12)


def test_a_clients_attachment_counts_once_however_many_sessions() -> None:
    trial = therapy()
    lost = trial.sessions[~((trial.sessions["client"] == "c000") & (trial.sessions["session"] > 2))]
    design = build(
        dataclasses.replace(trial, sessions=lost), "growth", "m", options(outcome="depth", covariates=["anxiety"])
    )
    factor = next(c for c in design.fixed if c.name == "anxiety").factors[0]
    assert factor.centre == pytest.approx(trial.clients["anxiety"].mean(), rel=1e-12)
    assert factor.scale == pytest.approx(trial.clients["anxiety"].std(ddof=1), rel=1e-12)


def test_interactions_are_products_and_are_named_group_by_time() -> None:
    design = build(therapy(), "growth", "m", options(outcome="depth", by=["arm", "anxiety"], time="quadratic"))
    names = [c.name for c in design.fixed]
    assert names == ["time", "time^2", "arm[active]", "anxiety", "arm[active]:time", "arm[active]:time^2",
                     "anxiety:time", "anxiety:time^2"]  # fmt: skip
    F = dict(zip(names, design.F.T, strict=True))
    assert F["anxiety:time^2"] == pytest.approx(F["anxiety"] * F["time^2"], rel=1e-12)


def test_a_missing_covariate_is_one_unknown_per_client() -> None:
    trial = therapy()
    trial.clients.loc["c003", "anxiety"] = np.nan
    design = build(trial, "growth", "m", options(outcome="depth", by=["anxiety"]))
    assert design.holes.names == ("anxiety",)
    assert len(design.holes.row) == 12  # six sessions, main column and product with time
    rows = design.client[design.holes.row]
    assert len(np.unique(rows)) == 1
    product = design.holes.column == [c.name for c in design.fixed].index("anxiety:time")
    time = design.F[design.holes.row[product], 0]
    assert design.holes.multiplier[product] == pytest.approx(time)
    assert dict(design.account.imputed) == {"anxiety": 1}


def test_a_missing_category_leaves_rows_out_and_says_so() -> None:
    trial = therapy()
    trial.clients.loc["c003", "arm"] = np.nan
    design = build(trial, "growth", "m", options(outcome="depth", by=["arm"]))
    assert design.account.excluded == (("arm unknown", 6),)
    assert design.clients == 39


def test_lags_stay_in_the_client_and_do_not_cross_gaps() -> None:
    trial = therapy()
    sessions = trial.sessions[~((trial.sessions["client"] == "c001") & (trial.sessions["session"] == 3))]
    design = build(
        dataclasses.replace(trial, sessions=sessions.reset_index(drop=True)),
        "within_between",
        "m",
        options(outcome="depth", predictors=["safety"], lag=1),
    )
    linked = design.previous >= 0
    assert np.all(design.client[linked] == design.client[design.previous[linked]])
    assert np.all(design.session[linked] - design.session[design.previous[linked]] == 1)
    assert dict(design.account.starts) == {"first session": 40, "after a gap": 1}


def test_a_series_starts_anew_after_a_missing_rating() -> None:
    trial = therapy()
    table = trial.sessions
    at = {
        (client, session): row
        for row, client, session in zip(table.index, table["client"], table["session"], strict=True)
    }
    table.loc[at["c001", 3], "safety"] = np.nan  # a predictor
    table.loc[at["c002", 2], "depth"] = np.nan  # the outcome
    table.loc[at["c003", 4], ["safety", "depth"]] = np.nan  # the whole session: not even a row
    table.loc[at["c004", 6], "safety"] = np.nan  # the last one: nothing follows
    design = build(trial, "within_between", "m", options(outcome="depth", predictors=["safety"], lag=1))
    assert dict(design.account.starts) == {"first session": 40, "after a session with a missing rating": 3}
    starts = design.previous < 0
    anew = {(int(c), int(s)) for c, s in zip(design.client[starts], design.session[starts], strict=True) if s > 1}
    assert anew == {(1, 4), (2, 3), (3, 5)}
    before = design.previous[~starts]
    assert np.all(design.session[~starts] - design.session[before] == 1)
    assert not np.isnan(design.x[before]).any()
    assert not np.isnan(design.y[before]).any()
    assert not isinstance(system(design), str)


def test_an_outcome_that_nothing_carries_over_breaks_no_series() -> None:
    # A yes-or-no outcome never enters the next session's equations, so that its absence is harmless there.
    trial = therapy(families={"depth": "bernoulli"})
    trial.sessions["depth"] = (trial.sessions["depth"] > 3).astype(float)
    trial.sessions.loc[[1, 9], "depth"] = np.nan
    trial.sessions.loc[14, "safety"] = np.nan
    design = build(trial, "within_between", "m", options(outcome="depth", predictors=["safety"], lag=1))
    assert dict(design.account.starts) == {"first session": 40, "after a session with a missing rating": 1}


def test_the_outcome_comes_first_in_a_lagged_session() -> None:
    chosen = {"outcome": "depth", "predictors": ["safety", "alliance"]}
    lagged = build(therapy(), "within_between", "m", options(**chosen, lag=1))
    now = [p.name for p in lagged.paths if p.lag == 0]
    assert now == ["safety<-depth", "alliance<-depth", "alliance<-safety"]
    static = build(therapy(), "within_between", "m", options(**chosen))
    assert [p.name for p in static.paths] == ["alliance<-safety"]
    assert lagged.own_lag
    assert not static.own_lag


def test_an_unknown_therapist_is_a_therapist_of_its_own() -> None:
    trial = therapy()
    trial.sessions.loc[trial.sessions["client"] == "c002", "therapist"] = None
    design = build(trial, "variance", "m", options(outcome="depth"))
    assert design.known_therapists == 6
    assert design.therapists == 7
    own = design.therapist[design.client == 2]
    assert set(own) == {6}


def test_one_therapist_leaves_the_level_out_with_a_note() -> None:
    design = build(therapy(therapists=1), "variance", "m", options(outcome="depth"))
    assert not design.has_therapists
    assert "one therapist" in design.notes[0]


def test_a_client_may_change_therapist() -> None:
    trial = therapy()
    trial.sessions.loc[(trial.sessions["client"] == "c000") & (trial.sessions["session"] > 3), "therapist"] = "t05"
    design = build(trial, "variance", "m", options(outcome="depth"))
    assert len(set(design.therapist[design.client == 0])) == 2


def test_many_categories_are_pooled() -> None:
    trial = therapy()
    disorder = pd.Categorical([f"d{i % 5}" for i in range(40)])
    with_groups = study(
        trial.sessions.drop(columns=["row", "block"]), trial.clients.assign(disorder=disorder), trial.therapists
    )
    design = build(
        with_groups, "within_between", "m", options(outcome="depth", predictors=["safety"], moderators=["disorder"])
    )
    assert design.groups is not None
    assert design.groups.categories == ("d0", "d1", "d2", "d3", "d4")
    assert not design.fixed


# --- families --------------------------------------------------------------------------------------


def test_ordinal_codes_follow_the_values() -> None:
    trial = therapy(families={"depth": "ordinal"})
    trial.sessions["depth"] = trial.sessions["depth"].round().clip(1, 5)
    design = build(trial, "variance", "m", options(outcome="depth"))
    labels = np.array([float(c) for c in design.outcome.categories])
    assert labels[design.y.astype(int)] == pytest.approx(trial.sessions["depth"])
    assert design.coords["cut"][0] == f"{labels[0]:g}|{labels[1]:g}"


@pytest.mark.parametrize(
    ("family", "values", "says"),
    [
        ("bernoulli", [0.0, 1.0, 2.0], "two values"),
        ("ordinal", [0.0, 1.0], "at least three"),
        ("ordinal", list(np.linspace(0, 1, 40)), "at most 20"),
        ("beta", [0.2, 0.4, 0.9], "bounds"),
        ("negative_binomial", [0.5, 1.0, 2.0], "counts"),
    ],
)
def test_ratings_must_suit_their_family(family: str, values: list[float], says: str) -> None:
    trial = therapy(families={"depth": family})
    trial.sessions["depth"] = np.resize(values, len(trial.sessions))
    with pytest.raises(InputError, match=says) as caught:
        build(trial, "variance", "m", options(outcome="depth"))
    assert caught.value.faults[0].column == "models.m.family"


# --- wrong options ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "chosen", "key", "says"),
    [
        ("growth", {}, "outcome", "needs an outcome"),
        ("growth", {"outcome": "depht"}, "outcome", "Not a variable"),
        ("growth", {"outcome": "anxiety"}, "outcome", "session by session"),
        ("growth", {"outcome": "depth", "by": ["depth"]}, "by", "explain itself"),
        ("growth", {"outcome": "depth", "by": ["arm"], "covariates": ["arm"]}, "covariates", "Already used"),
        ("growth", {"outcome": "depth", "predictors": ["safety"]}, "predictors", "not an option"),
        ("growth", {"outcome": "depth", "lag": 1}, "lag", "not an option"),
        ("growth", {"outcome": "depth", "random_slopes": ["safety"]}, "random_slopes", "Only time"),
        ("within_between", {"outcome": "depth"}, "predictors", "at least one"),
        ("within_between", {"outcome": "depth", "predictors": ["anxiety"]}, "predictors", "session to session"),
        ("within_between", {"outcome": "depth", "predictors": ["safety"], "random_slopes": ["time"]},
         "random_slopes", "Only time"),
        ("within_between", {"outcome": "depth", "predictors": ["safety"], "own_lag": True, "family": "bernoulli"},
         "own_lag", "linear predictor"),
        ("variance", {"outcome": "depth", "residual": "ar1", "family": "bernoulli"}, "residual", "no residual"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_named_with_the_valid_ones(kind: str, chosen: dict[str, Any], key: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        build(therapy(), kind, "m", options(**chosen))
    fault = caught.value.faults[0]
    assert fault.column == f"models.m.{key}"
    assert fault.file == "study.toml"
    assert fault.remedy


# --- degenerate data -------------------------------------------------------------------------------


def test_degenerate_data_are_refused_before_sampling() -> None:
    chosen = options(outcome="depth", predictors=["safety", "alliance"])
    with pytest.raises(InputError, match="two clients"):
        build(therapy(clients=1, therapists=1), "within_between", "m", chosen)
    with pytest.raises(InputError, match="two or more sessions"):
        build(therapy(sessions=1), "within_between", "m", chosen)
    constant = therapy()
    constant.sessions["safety"] = 4.0
    with pytest.raises(InputError, match="does not vary"):
        build(constant, "within_between", "m", chosen)
    flat = therapy()
    flat.sessions["depth"] = 4.0
    with pytest.raises(InputError, match="does not vary"):
        build(flat, "growth", "m", options(outcome="depth"))
    empty = therapy()
    empty.sessions["depth"] = np.nan
    with pytest.raises(InputError, match="No session"):
        build(empty, "growth", "m", options(outcome="depth"))


@pytest.mark.parametrize("column", ["alliance", "depth"])
def test_exact_collinearity_is_named(column: str) -> None:
    trial = therapy()
    trial.sessions[column] = 3 + 2 * trial.sessions["safety"]
    with pytest.raises(InputError, match="exact combination") as caught:
        build(trial, "within_between", "m", options(outcome="depth", predictors=["safety", "alliance"]))
    assert caught.value.faults[0].value == column


# --- priors in the study file ----------------------------------------------------------------------


def test_priors_are_overridden_by_the_name_of_the_estimand() -> None:
    priors = {
        "safety.within": "normal(0.2, 0.1)",
        "sd.client.intercept": "exponential(2)",
        "safety.between_client": {"prior": "normal(0, 1)", "scale": "raw"},
    }
    design = build(therapy(), "within_between", "m", options(outcome="depth", predictors=["safety"], priors=priors))
    found = {p.estimand: str(p.prior) for p in parameters(design)}
    assert found["safety.within"] == "normal(0.2, 0.1)"
    assert found["sd.client.intercept"] == "exponential(2)"
    ratio = design.predictors[0].sd / design.outcome.sd
    assert found["safety.between_client"] == f"normal(0, {ratio:g})"
    assert found["safety.between_therapist"] == "normal(0, 1)"


@pytest.mark.parametrize(
    ("name", "prior", "says"),
    [
        ("safety.withn", "normal(0, 1)", "Did you mean safety.within"),
        ("safety.within", "normal(0, 0)", "above 0"),
        ("safety.within", "flat()", "improper"),
        ("sd.residual", "normal(0, 1)", "half_normal"),
        ("sd.client.intercept", "lkj(2)", "correlations"),
    ],
)
def test_a_wrong_prior_names_its_key(name: str, prior: str, says: str) -> None:
    chosen = options(outcome="depth", predictors=["safety"], priors={name: prior})
    with pytest.raises(InputError, match=says) as caught:
        build(therapy(), "within_between", "m", chosen)
    assert caught.value.faults[0].column == f'models.m.priors."{name}"'
