"""The simulator draws what its truth says: paths, shares, growth, lags, dropout and missing ratings.

The large draw has 20,000 clients of 4,000 therapists with 10 sessions each. Tolerances are about five standard
errors of the estimator in question (computed or stated beside each), so that a correct simulator fails about
once in a million.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from safezone.data.reliability import decompose
from safezone.data.simulate import Missingness, Simulated, SimulationDesign, simulate
from safezone.data.truth import Truth
from safezone.data.truth_parts import Events, Interaction, Path, Reactivity

CLIENTS, SESSIONS, THERAPISTS = 20_000, 10, 4_000
LARGE = SimulationDesign(clients=CLIENTS, sessions=SESSIONS, therapists=THERAPISTS, dropout=False)
MEMORY = (Path("post_session", "post_session", 0.25), Path("safety", "post_session", 0.3))


@pytest.fixture(scope="module")
def large() -> Simulated:
    return simulate(LARGE, Truth(), seed=11)


@pytest.fixture(scope="module")
def deviations(large: Simulated) -> pd.DataFrame:
    """Within-client deviations from arm and session means, client means removed."""
    names = list(large.truth.names)
    arm = large.sessions["client"].map(large.clients.set_index("client")["arm"])
    free = large.sessions[names] - large.sessions.groupby([arm, "session"])[names].transform("mean")
    return free - free.groupby(large.sessions["client"]).transform("mean")


def slopes(table: pd.DataFrame, outcome: str, predictors: list[str]) -> np.ndarray:
    return np.asarray(np.linalg.lstsq(table[predictors].to_numpy(), table[outcome].to_numpy(), rcond=None)[0])


@pytest.mark.parametrize(
    ("outcome", "predictors"),
    [
        ("safety", ["therapist_safety"]),
        ("alliance", ["safety"]),
        ("exploration", ["safety", "alliance"]),
        ("post_session", ["safety", "alliance"]),  # exploration left out: the total effect must come back
        ("post_session", ["alliance", "exploration"]),
    ],
)
def test_within_effects_are_those_of_the_truth(large, deviations, outcome, predictors):
    expected = large.truth.within_between(outcome, predictors)
    found = slopes(deviations, outcome, predictors)
    residual = deviations[outcome] - deviations[predictors].to_numpy() @ found
    moments = deviations[predictors].to_numpy().T @ deviations[predictors].to_numpy()
    degrees = len(deviations) - CLIENTS
    errors = np.sqrt(np.diag(np.linalg.inv(moments)) * float(residual @ residual) / degrees)
    for name, slope, error in zip(predictors, found, errors, strict=True):
        assert abs(slope - expected[f"{name}.within"]) < 5 * error


def test_between_effects_are_those_of_the_truth(large):
    """Regressions of latent means at their level; standard errors from leaving out fortieths of the therapists."""
    names = list(large.truth.names)
    therapist = large.clients["therapist"]
    fold = therapist.str.removeprefix("T").astype(int) % 40
    for outcome, predictors in [("exploration", ["safety", "alliance"]), ("post_session", ["alliance"])]:
        rows, at = [names.index(one) for one in predictors], names.index(outcome)

        def regress(keep, rows=rows, at=at):
            parts = decompose(large.latent.loc[keep, names], therapist[keep])
            return [np.linalg.solve(part[np.ix_(rows, rows)], part[at, rows]) for part in (parts.within, parts.between)]

        found = np.array(regress(fold >= 0))
        left_out = np.array([regress(fold != each) for each in range(40)])
        errors = left_out.std(axis=0) * 39**0.5  # jackknife
        expected = large.truth.within_between(outcome, predictors)
        truth = np.array(
            [[expected[f"{name}.between_{level}"] for name in predictors] for level in ("client", "therapist")]
        )
        assert errors[0].max() < 0.05
        assert errors[1].max() < 0.3  # 5 clients per therapist leave much noise in therapists' means
        assert np.all(np.abs(found - truth) < 5 * errors)


def test_variances_of_all_levels_are_those_of_the_truth(large, deviations):
    names = list(large.truth.names)
    parts = decompose(large.latent[names], large.clients["therapist"])
    within = deviations[names].var() * (len(deviations) - 1) / (len(deviations) - CLIENTS)
    for at, name in enumerate(names):
        # Relative SE of a variance is sqrt(2/df): 0.3 % within, 1.1 % between clients. Between therapists the
        # clients' part must be subtracted: SE = sqrt(2/4000) · (V_T + V_C/5), i.e. up to 11 % of V_T.
        truth = {level: large.truth.covariance(level)[at, at] for level in ("session", "client", "therapist")}
        if name != "symptoms":  # random slopes add to its sessions' variance
            assert within[name] == pytest.approx(truth["session"], rel=0.016)
        assert parts.within[at, at] == pytest.approx(truth["client"], rel=0.056)
        spread = (2 / THERAPISTS) ** 0.5 * (truth["therapist"] + truth["client"] / 5)
        assert abs(parts.between[at, at] - truth["therapist"]) < 5 * spread


def test_shares_add_up_and_are_plausible():
    truth = Truth()
    for name in truth.names:
        shares = truth.variance(name)
        assert sum(shares[f"share.{level}"] for level in ("therapist", "client", "session")) == pytest.approx(1)
    # Johns et al. (2019): therapists carry about 5 % of outcome, 95 % of studies between 0.2 and 29 %.
    assert 0.02 < truth.variance("safety")["share.therapist"] < 0.10
    assert 0.01 < truth.variance("symptoms")["share.therapist"] < 0.10
    # Flückiger et al. (2018): alliance and outcome correlate .28 between clients; lower symptoms are better.
    assert truth.final_correlation("alliance") == pytest.approx(-0.28, abs=0.03)


def test_growth_by_arm_is_that_of_the_truth(large):
    truth = large.truth.growth("symptoms")
    wide = large.sessions.pivot_table(index="client", columns="session", values="symptoms")
    time = np.arange(SESSIONS) - (SESSIONS - 1) / 2
    squares = float(time @ time)
    own = wide.to_numpy() @ time / squares
    active = (large.clients.set_index("client").loc[wide.index, "arm"] == "active").to_numpy()
    error = (truth["sd.client.time"] ** 2 + truth["sd.residual"] ** 2 / squares) ** 0.5 / (CLIENTS / 2) ** 0.5
    assert own[~active].mean() == pytest.approx(truth["time"], abs=5 * error)
    assert own[active].mean() - own[~active].mean() == pytest.approx(truth["arm[active]:time"], abs=8 * error)
    spread = own[~active].var() - truth["sd.residual"] ** 2 / squares
    assert spread**0.5 == pytest.approx(truth["sd.client.time"], rel=0.05)
    # Therapists shift their clients together: the SE of the mean at the first session counts 4,000 of them.
    assert wide[1].mean() == pytest.approx(truth["intercept"], abs=5 * 0.03)


def test_growth_agrees_with_a_mixed_model():
    import warnings

    import statsmodels.formula.api as smf

    drawn = simulate(SimulationDesign(clients=600, sessions=8, therapists=0, dropout=False), seed=5)
    truth = replace(drawn.truth).growth("symptoms")
    table = drawn.sessions.merge(drawn.clients[["client", "arm"]], on="client")
    table["time"] = table["session"] - 1
    table["active"] = (table["arm"] == "active").astype(float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # statsmodels' own deprecations are not this test's subject
        fit = smf.mixedlm("symptoms ~ time * active", table, groups="client", re_formula="~time").fit()
    for name, key in [("time", "time"), ("time:active", "arm[active]:time"), ("Intercept", "intercept")]:
        assert abs(fit.params[name] - truth[key]) < 4 * fit.bse[name]
    covariance = np.asarray(fit.cov_re)
    # 600 clients: relative SE of an SD is about 1/sqrt(1200) = 3 %, the slope's about twice that.
    assert covariance[0, 0] ** 0.5 == pytest.approx(truth["sd.client.intercept"], rel=0.15)
    assert covariance[1, 1] ** 0.5 == pytest.approx(truth["sd.client.time"], rel=0.25)
    assert fit.scale**0.5 == pytest.approx(truth["sd.residual"], rel=0.06)


def test_lagged_effects_are_those_of_the_truth():
    truth = replace(Truth().without_trends(), lagged=(*Truth().lagged, *MEMORY))
    drawn = simulate(replace(LARGE, clients=4000, therapists=0, sessions=12), truth, seed=3)
    latent = drawn.latent.set_index("client").loc[drawn.sessions["client"]].reset_index(drop=True)
    names = list(truth.names)
    free = drawn.sessions[names] - latent[names] - [truth[name].mean for name in names]
    before = free.groupby(drawn.sessions["client"]).shift(1)
    rows = before["safety"].notna()
    table = pd.DataFrame({"y": free["post_session"], "x": before["safety"], "own": before["post_session"]})[rows]
    expected = truth.within_between("post_session", ["safety"], lag=1)
    found = slopes(table, "y", ["x", "own"])
    # n = 44,000 pairs: SE about 1.2/0.85/sqrt(44,000) = 0.007 and 1/sqrt(44,000) = 0.005.
    assert found[0] == pytest.approx(expected["safety.within"], abs=0.035)
    assert found[1] == pytest.approx(expected["own_lag"], abs=0.025)
    assert expected["own_lag"] == pytest.approx(0.25, abs=0.05)
    spread = np.cov(free.to_numpy(), rowvar=False)
    assert np.allclose(np.diag(spread), np.diag(truth.covariance("session")), rtol=0.05)


def test_reactivity_differs_between_clients_as_told():
    truth = replace(Truth().without_trends(), reactivity=Reactivity(sd=0.3, avoidance=-0.1), lagged=())
    drawn = simulate(SimulationDesign(clients=3000, sessions=40, therapists=0, dropout=False), truth, seed=8)
    names = list(truth.names)
    free = drawn.sessions[names] - drawn.sessions.groupby("client")[names].transform("mean")
    partial = free["exploration"] - 0.45 * free["alliance"]
    own = (partial * free["safety"]).groupby(drawn.sessions["client"]).sum()
    own /= (free["safety"] ** 2).groupby(drawn.sessions["client"]).sum()
    avoidance = drawn.clients.set_index("client").loc[own.index, "avoidance"]
    slope = np.polyfit(avoidance, own, 1)[0]
    assert slope == pytest.approx(-0.1, abs=0.035)  # SE = 0.34/1.2/sqrt(3000) = 0.005, client noise included
    assert own.mean() == pytest.approx(0.35, abs=0.035)
    # Sampling variance of one client's slope: 0.85²/(0.82²·39) = 0.028.
    assert truth.reactivity is not None
    expected = truth.reactivity.total_variance(truth.client_attachment) + 0.85**2 / (0.822**2 * 39)
    assert own.var() == pytest.approx(expected, rel=0.15)
    assert truth.within_between("exploration", ["safety"])["safety.within.sd"] == 0.3
    implied = truth.covariance("session")[names.index("exploration"), names.index("exploration")]
    observed = (free["exploration"] ** 2).sum() / (len(free) - 3000)
    assert observed == pytest.approx(implied, rel=0.03)


def test_an_interaction_moves_its_target_and_what_follows_from_it_and_nothing_else():
    plan = SimulationDesign(clients=40, sessions=6, therapists=4, dropout=False)
    truth = replace(Truth(), lagged=(), events=replace(Truth().events, after_repair=0.0))
    before = simulate(plan, truth, seed=2)
    nothing = replace(truth, interactions=(Interaction("safety", "alliance", "exploration", 0.0),))
    pd.testing.assert_frame_equal(
        simulate(plan, nothing, seed=2).sessions, before.sessions
    )  # no random number is spent
    acting = replace(truth, interactions=(Interaction("safety", "alliance", "exploration", 0.5),))
    after = simulate(plan, acting, seed=2)
    for name in ("therapist_safety", "safety", "alliance", "rupture", "repair"):
        assert after.sessions[name].equals(before.sessions[name]), name
    moved = after.sessions["exploration"] - before.sessions["exploration"]
    trend = truth["safety"].trend * np.log(before.sessions["session"])
    latent = before.latent.set_index("client").loc[before.sessions["client"]].reset_index(drop=True)
    safety = before.sessions["safety"] - latent["safety"] - truth["safety"].mean - trend
    alliance = before.sessions["alliance"] - latent["alliance"] - truth["alliance"].mean
    alliance = alliance - truth.total("session")[2, 1] * trend  # trends travel along the paths
    trend_of_therapists = truth["therapist_safety"].trend * np.log(before.sessions["session"])
    safety = safety - truth.total("session")[1, 0] * trend_of_therapists
    alliance = alliance - truth.total("session")[2, 0] * trend_of_therapists
    known = moved.notna() & safety.notna() & alliance.notna()
    assert np.allclose(moved[known], (0.5 * safety * alliance)[known], atol=1e-10)
    further = after.sessions["post_session"] - before.sessions["post_session"]
    known &= further.notna()
    assert np.allclose(further[known], 0.4 * moved[known], atol=1e-10)  # exploration -> post_session is 0.4


def test_a_truth_knows_the_interactions_of_a_model_that_has_both_ratings():
    truth = replace(Truth(), interactions=(Interaction("safety", "alliance", "exploration", 0.5),))
    assert truth.within_between("exploration", ["alliance", "safety"])["safety.within:alliance.within"] == 0.5
    assert not [name for name in truth.within_between("exploration", ["safety"]) if ":" in name]
    assert not [name for name in truth.within_between("post_session", ["alliance", "safety"]) if ":" in name]
    assert not [name for name in truth.within_between("exploration", ["alliance", "safety"], 1) if ":" in name]


def test_a_rating_may_act_with_itself_or_with_time():
    plan = SimulationDesign(clients=60, sessions=6, therapists=4, dropout=False)
    base = replace(Truth(), lagged=(), session=(), events=replace(Truth().events, after_repair=0.0))
    acting = (Interaction("safety", "safety", "alliance", 0.3), Interaction("safety", "time", "exploration", 0.2))
    before, after = (simulate(plan, replace(base, interactions=each), seed=3) for each in ((), acting))
    latent = before.latent.set_index("client").loc[before.sessions["client"]].reset_index(drop=True)
    step = before.sessions["session"] - 1
    trend = base["safety"].trend * np.log(before.sessions["session"])
    safety = before.sessions["safety"] - latent["safety"] - base["safety"].mean - trend
    for name, expected in (("alliance", 0.3 * safety**2), ("exploration", 0.2 * safety * step)):
        moved = after.sessions[name] - before.sessions[name]
        known = moved.notna() & safety.notna()
        assert known.sum() > 200
        assert np.allclose(moved[known], expected[known], atol=1e-10)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (("safety", "symptoms", "exploration"), "needs responses before its target"),
        (("exploration", "time", "exploration"), "needs responses before its target"),
        (("safety", "trust", "exploration"), "names 'trust'"),
    ],
)
def test_an_interaction_that_cannot_be_is_refused(parts, words):
    with pytest.raises(ValueError, match=words):
        Truth(interactions=(Interaction(parts[0], parts[1], parts[2], 0.1),))


def logistic(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maximum-likelihood logistic regression by Newton's method: estimates and standard errors."""
    design = np.column_stack([np.ones(len(x)), x])
    beta = np.zeros(design.shape[1])
    information = np.eye(len(beta))
    for _ in range(30):
        chance = 1 / (1 + np.exp(-design @ beta))
        information = (design * (chance * (1 - chance))[:, None]).T @ design
        beta = beta + np.linalg.solve(information, design.T @ (y - chance))
    return beta, np.sqrt(np.diag(np.linalg.inv(information)))


def test_dropout_follows_its_hazard():
    truth = Truth()
    drawn = simulate(SimulationDesign(clients=15_000, sessions=12, therapists=0), truth, seed=21)
    sessions = drawn.sessions
    last = sessions.groupby("client")["session"].transform("max") == sessions["session"]
    leaves = (last & (sessions["session"] < 12)).to_numpy(dtype=float)
    at_risk = (sessions["session"] < 12).to_numpy()
    arms = sessions["session"].to_numpy() - 1.0
    scores = []
    for name, mean in [
        ("safety", 4.2 + (0.25 + 0.25 * 0.08) * np.log(sessions["session"])),
        ("symptoms", 14.0 + (-0.30 - 0.09) * arms),
    ]:
        at = truth.names.index(name)
        spread = sum(truth.covariance(level)[at, at] for level in ("session", "client", "therapist")) ** 0.5
        scores.append((sessions[name] - mean) / spread)
    found, errors = logistic(np.column_stack(scores)[at_risk], leaves[at_risk])
    expected = [truth.dropout.hazard, truth.dropout.safety, truth.dropout.symptoms]
    assert np.all(np.abs(found - expected) < 5 * errors)
    dropped = (drawn.clients["left"] == "dropped out").mean()
    assert dropped == pytest.approx(leaves.sum() / 15_000, abs=0.003)  # leaving after the last session is finishing
    assert 0.15 < dropped < 0.45
    lost = drawn.clients.loc[drawn.clients["left"] == "dropped out", "final"].isna().mean()
    assert lost == pytest.approx(truth.final.missing_after_dropout, abs=0.04)
    assert drawn.clients.loc[drawn.clients["left"] == "completed", "final"].notna().all()


def test_no_dropout_means_that_everybody_attends_the_plan():
    drawn = simulate(SimulationDesign(clients=50, sessions=(2, 9), therapists=5, dropout=False), seed=2)
    attended = drawn.sessions.groupby("client").size()
    planned = drawn.clients.set_index("client")["planned"]
    assert (attended.reindex(planned.index) == planned).all()
    assert planned.min() >= 2
    assert planned.max() <= 9
    assert set(drawn.clients["left"]) == {"completed"}


def test_missing_shares_are_those_asked_for():
    missing = Missingness(ratings=0.03, client_forms=0.10, therapist_forms=0.07)
    drawn = simulate(SimulationDesign(clients=6000, sessions=8, therapists=0, missing=missing, dropout=False), seed=4)
    sessions = drawn.sessions
    # n = 48,000: SE of a share of 0.13 is 0.0015, three times that with clients' clustering.
    either = 1 - (1 - 0.10) * (1 - 0.03)
    for name in ("safety", "alliance", "exploration", "post_session", "symptoms"):
        assert sessions[name].isna().mean() == pytest.approx(either, abs=0.02)
    assert sessions["therapist_safety"].isna().mean() == pytest.approx(1 - 0.93 * 0.97, abs=0.008)
    whole = sessions[["safety", "alliance", "exploration", "post_session", "symptoms"]].isna().all(axis=1)
    assert whole.mean() == pytest.approx(0.10, abs=0.015)
    baseline = drawn.clients.set_index("client")["baseline"].loc[sessions["client"]].to_numpy()
    standing = (baseline - drawn.clients["baseline"].mean()) / drawn.clients["baseline"].std()
    found, errors = logistic(standing[:, None], whole.to_numpy(dtype=float))
    assert abs(found[1] - missing.on_baseline) < 5 * errors[1]
    found, errors = logistic(standing[:, None], sessions["therapist_safety"].isna().to_numpy(dtype=float))
    assert abs(found[1]) < 5 * errors[1]


def test_nothing_is_missing_unless_asked_for():
    drawn = simulate(SimulationDesign(clients=30, therapists=3), seed=1)
    assert drawn.sessions[list(drawn.truth.names)].notna().all().all()


def test_ruptures_follow_the_alliance_and_repairs_the_therapist(large):
    rupture = large.sessions["rupture"].to_numpy()
    latent = large.latent.set_index("client")["alliance"].loc[large.sessions["client"]].to_numpy()
    arm = (large.clients.set_index("client")["arm"].loc[large.sessions["client"]] == "active").to_numpy()
    assert arm.any()
    trend = 0.18 * (0.25 + 0.25 * 0.08) * np.log(large.sessions["session"])
    within = large.sessions["alliance"] - latent - trend - large.truth["alliance"].mean
    found, errors = logistic(within.to_numpy()[:, None], rupture)
    assert np.all(np.abs(found - [large.truth.events.rupture, large.truth.events.on_alliance]) < 5 * errors)
    repair = large.sessions["repair"]
    assert (repair.notna() == (rupture == 1)).all()
    avoidance = large.therapists.set_index("therapist")["therapist_avoidance"]
    standing = avoidance.loc[large.sessions["therapist"]].to_numpy() - 2.5
    seen = repair.notna().to_numpy()
    found, errors = logistic(standing[seen][:, None], repair.to_numpy()[seen])
    assert np.all(np.abs(found - [large.truth.events.repair, large.truth.events.on_avoidance]) < 5 * errors)


def test_a_repair_raises_the_next_sessions_safety():
    truth = replace(Truth(), events=Events(after_repair=0.5, rupture=0.0))
    drawn = simulate(SimulationDesign(clients=4000, sessions=6, therapists=0, dropout=False), truth, seed=6)
    before = drawn.sessions.groupby("client")["repair"].shift(1)
    mended, open_ = drawn.sessions[before == 1], drawn.sessions[before == 0]
    gain = mended["safety"].mean() - open_["safety"].mean()
    assert gain == pytest.approx(0.5, abs=0.09)  # SE = 1.2·sqrt(1/5500 + 1/4500) = 0.024 with clients' clustering


def test_the_same_seed_gives_the_same_study():
    design = SimulationDesign(
        clients=25, therapists=4, rounded=True, missing=Missingness(0.1, 0.1, 0.1), never_started=2
    )
    first, again, other = (simulate(design, seed=seed) for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(first.sessions, again.sessions)
    pd.testing.assert_frame_equal(first.clients, again.clients)
    pd.testing.assert_frame_equal(first.therapists, again.therapists)
    assert not first.clients["baseline"].equals(other.clients["baseline"])


def test_rounded_ratings_stay_on_their_scales_and_items_mean_the_score():
    drawn = simulate(SimulationDesign(clients=200, therapists=10, rounded=True, missing=Missingness(0.05)), seed=9)
    sessions = drawn.sessions
    for name, low, high in [("safety", 1, 7), ("alliance", 1, 5), ("post_session", 0, 10), ("symptoms", 0, 27)]:
        assert sessions[name].dropna().between(low, high).all()
    assert (sessions["symptoms"].dropna() % 1 == 0).all()
    items = sessions[["safety_1", "safety_2", "safety_3", "safety_4"]].copy()
    assert items.min().min() >= 1
    assert items.max().max() <= 7
    items["safety_3"] = 8 - items["safety_3"]
    assert np.allclose(items.mean(axis=1).dropna(), sessions["safety"].dropna())
    assert items["safety_1"].isna().equals(sessions["safety"].isna())


def test_clients_who_never_started_have_a_baseline_and_no_session():
    drawn = simulate(SimulationDesign(clients=20, therapists=3, never_started=5), seed=1)
    gone = drawn.clients[drawn.clients["left"] == "never started"]
    assert len(gone) == 5
    assert gone["baseline"].notna().all()
    assert gone["final"].isna().all()
    assert not gone["client"].isin(drawn.sessions["client"]).any()
    assert drawn.clients["client"].is_unique


def test_truth_refuses_what_cannot_be():
    with pytest.raises(ValueError, match="runs against the causal order"):
        replace(Truth(), session=(Path("exploration", "safety", 0.2),))
    with pytest.raises(ValueError, match="Responses are"):
        replace(Truth(), client=(Path("saftey", "alliance", 0.2),))
    with pytest.raises(ValueError, match="not stationary"):
        replace(Truth(), lagged=(Path("safety", "safety", 1.0),))
    with pytest.raises(ValueError, match="mixes shapes"):
        Truth().with_series("alliance", trend=0.1).growth("alliance")


def test_designs_refuse_what_cannot_be_drawn():
    with pytest.raises(ValueError, match="lowest first"):
        SimulationDesign(sessions=(8, 4))
    with pytest.raises(ValueError, match="cannot all have"):
        SimulationDesign(clients=5, therapists=6)


def test_estimands_are_named_as_results_are():
    found = Truth().estimands()
    assert found["exploration~safety+alliance"]["safety.within"] == pytest.approx(0.35)
    assert found["exploration~safety+alliance"]["alliance.contextual"] == pytest.approx(0.35 - 0.45)
    assert set(found["growth:symptoms"]) >= {"intercept", "time", "arm[active]:time", "sd.client.time", "sd.residual"}
    assert "growth:safety" in found
    # alone, safety also carries what runs through the alliance: 0.35 + 0.18 · 0.45
    assert found["exploration~safety"]["safety.within"] == pytest.approx(0.35 + 0.18 * 0.45)
