"""From study to design of a path model: rows, covariates, therapists, outcomes; and what data cannot carry."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from safezone.data.errors import InputError
from safezone.data.study import Study
from safezone.models.catalogue import model
from safezone.models.path_posterior import posterior

from . import path_studies, small
from .path_twins import compiled_of

PLAIN: dict[str, Any] = {"session": ("safety -> depth",), "client": ("anxiety -> safety -> depth",), "time": "none"}
END: dict[str, Any] = {"session": ("safety -> depth",), "client": ("baseline, arm, safety -> final",)}


def with_sessions(study: Study, **columns: Any) -> Study:
    return replace(study, sessions=study.sessions.assign(**columns))


def with_clients(study: Study, **columns: Any) -> Study:
    return replace(study, clients=study.clients.assign(**columns))


def refused(study: Study, **asked: Any) -> str:
    with pytest.raises(InputError) as caught:
        path_studies.chain(study, **asked)
    assert all(one.remedy.endswith(".") for one in caught.value.faults)
    return str(caught.value)


# --- refused, with the reason ----------------------------------------------------------------------------------------


def test_one_client() -> None:
    assert "at least two clients" in refused(path_studies.therapy(clients=1, therapists=0), **PLAIN)


def test_one_session_per_client() -> None:
    assert "two or more sessions" in refused(path_studies.therapy(clients=20, sessions=1), **PLAIN)


def test_a_constant_rating() -> None:
    assert "does not vary" in refused(with_sessions(path_studies.therapy(), depth=3.0), **PLAIN)


def test_a_rating_that_copies_another() -> None:
    study = path_studies.therapy()
    copied = with_sessions(study, depth=2.0 * study.sessions["safety"] - 1.0)
    assert "exact combination" in refused(copied, **PLAIN)


def test_collinear_covariates() -> None:
    study = path_studies.therapy(clients=20)
    doubled = with_clients(study, baseline=2.0 * study.clients["anxiety"] + 1.0)
    message = refused(doubled, session=("safety -> depth",), client=("anxiety, baseline -> safety",), time="none")
    assert "exact combination" in message
    assert "baseline" in message


def test_a_covariate_with_one_value() -> None:
    constant = with_clients(path_studies.therapy(), anxiety=3.0)
    assert "one value among the clients" in refused(constant, **PLAIN)


@pytest.mark.parametrize("therapists", [0, 1])
def test_paths_between_therapists_that_there_are_not(therapists: int) -> None:
    study = path_studies.therapy(therapists=therapists)
    assert "herapists" in refused(study, session=("safety -> depth",), therapist=("safety -> depth",))


def test_an_outcome_that_hardly_anyone_has() -> None:
    study = path_studies.therapy(clients=12, lost_finals=10)
    assert "three or more clients" in refused(study, **END)


def test_an_outcome_that_does_not_vary() -> None:
    assert "does not vary" in refused(with_clients(path_studies.therapy(), final=4.0), **END)


def test_two_outcomes_with_categories() -> None:
    study = path_studies.therapy(clients=20)
    assert "one final outcome with categories" in refused(study, client=("safety -> remission, verdict",))


def test_a_law_that_final_outcomes_do_not_have() -> None:
    assert "A final outcome is gaussian" in refused(path_studies.therapy(), **END, family="student_t")


def test_a_categorical_cause() -> None:
    asked: dict[str, Any] = {"client": ("safety -> final -> followup",), "final": "final", "family": "ordinal"}
    with pytest.raises(InputError):
        path_studies.chain(path_studies.therapy(clients=20), **asked)


def test_no_row_left() -> None:
    study = path_studies.therapy()
    nothing = with_sessions(study, safety=np.nan, depth=np.nan)
    assert "No session can enter" in refused(nothing, **PLAIN)


# --- carried, with a note --------------------------------------------------------------------------------------------


def finite(design: Any) -> None:
    """The density, its gradient and a draw of everything are finite."""
    compiled = compiled_of(design)
    theta = np.full(compiled.system.dimension, -0.2)
    value, gradient = compiled.log_density(theta)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    drawn = posterior(design, compiled, theta[None, None], seed=1)
    assert all(np.isfinite(drawn[name]).all() for name in drawn.data_vars)


def test_one_therapist_leaves_the_level_out_and_says_so() -> None:
    design = path_studies.chain(path_studies.therapy(therapists=1), **PLAIN)
    assert not design.has_therapists
    assert any("one therapist" in note for note in design.notes)
    finite(design)


def test_clients_who_change_therapist_count_with_their_main_one() -> None:
    study = path_studies.therapy(clients=12, sessions=5, therapists=3)
    therapist = study.sessions["therapist"].copy()
    first = study.sessions["client"] == "c0000"
    therapist[first & (study.sessions["session"] == 5)] = "t001"
    design = path_studies.chain(with_sessions(study, therapist=therapist), **PLAIN)
    assert design.therapist_of[0] == path_studies.chain(study, **PLAIN).therapist_of[0]
    assert any("1 clients changed therapist" in note or "1 client" in note for note in design.notes)
    finite(design)


def test_a_client_without_known_therapist_counts_as_one_of_its_own() -> None:
    study = path_studies.therapy(clients=12, therapists=3)
    therapist = study.sessions["therapist"].where(study.sessions["client"] != "c0004")
    design = path_studies.chain(with_sessions(study, therapist=therapist), **PLAIN)
    assert (design.known_therapists, design.therapists) == (3, 4)
    finite(design)


def test_categories_that_are_unknown_lose_their_rows_and_are_counted() -> None:
    study = path_studies.therapy(clients=12)
    arm = study.clients["arm"].copy()
    arm.iloc[[0, 3]] = None
    design = path_studies.chain(with_clients(study, arm=arm), **END)
    assert design.clients == 10
    assert ("arm unknown", 10) in design.account.excluded
    finite(design)


def test_unknown_numbers_and_lost_outcomes_are_kept_and_integrated() -> None:
    study = path_studies.therapy(clients=30, unknown=5, lost_finals=20, missing=0.1)
    design = path_studies.chain(study, session=("safety -> depth",), client=("anxiety, safety -> final",))
    assert design.clients == 30
    assert int(np.isnan(design.final).sum()) == 20
    assert dict(design.account.imputed)["anxiety"] == 5
    finite(design)


def test_ratings_with_random_or_moderated_paths_must_be_there() -> None:
    study = path_studies.therapy(missing=0.2)
    design = path_studies.chain(study, session=("safety -> depth",), random_slopes=("safety -> depth",))
    lost = int(study.sessions["safety"].isna().sum())
    reasons = dict(design.account.excluded)
    both = int(study.sessions[["safety", "depth"]].isna().all(axis=1).sum())
    assert reasons["safety not rated, whose path differs between clients"] == lost - both
    assert not np.isnan(design.values[:, 0]).any()


def test_two_sessions_of_two_clients_have_a_wide_posterior() -> None:
    # Nearly no data: the mode is found and the SD of a path is about that of its prior, normal(0, 0.5).
    from safezone.analysis.mode import find_mode

    design = path_studies.chain(path_studies.therapy(clients=3, sessions=2, therapists=0), **PLAIN)
    mode = find_mode(compiled_of(design))
    place = compiled_of(design).system.theta_names.index("path_session[safety->depth]")
    assert 0.2 < np.sqrt((mode.root @ mode.root.T)[place, place]) <= 0.55


# --- outcomes --------------------------------------------------------------------------------------------------------


def test_an_outcome_with_categories_stands_last() -> None:
    study = path_studies.therapy(clients=20)
    design = path_studies.chain(study, client=("safety -> remission", "depth -> final -> followup"))
    assert design.outcome_names == ("final", "followup", "remission")
    assert design.family == "bernoulli"
    assert "remission" not in design.coords["residual"]


def test_final_lets_usual_levels_go_with_the_covariates() -> None:
    study = path_studies.therapy(clients=20)
    asked = small.options(outcome="final", predictors=("safety", "depth"), covariates=("baseline", "arm"))
    design: Any = model("final").design(study, "final", asked)
    texts = {arrow.text for arrow in design.client_arrows}
    assert {"safety->final", "baseline->final", "baseline->safety", "arm[active]->depth"} <= texts


def test_reliable_change_becomes_an_ordinal_outcome() -> None:
    study = path_studies.therapy(clients=40)
    low = {**study.variables, "final": replace(study.variables["final"], better="lower")}
    settings = {"reliability": 0.6, "cutoff": 14.0, "sd": 0.5}
    asked = small.options(outcome="final", predictors=("safety",), covariates=("baseline",), reliable_change=settings)
    design: Any = model("final").design(replace(study, variables=low), "change", asked)
    assert design.family == "ordinal"
    assert set(design.outcome.categories) <= {"deteriorated", "unchanged", "improved", "recovered"}
    change = study.clients["final"] - study.clients["baseline"]
    reliable = 1.96 * 0.5 * np.sqrt(2 * 0.4)
    better = design.final[:, 0] >= design.outcome.categories.index("improved")
    np.testing.assert_array_equal(better, (change < -reliable).to_numpy())
    names = {one.name for one in model("final").estimands(design)}
    assert {f"probability.{label}" for label in design.outcome.categories} <= names


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"reliable_change": {"reliability": 0.8, "baseline": "nothing"}}, "score before therapy"),
        ({"outcome": "verdict", "reliable_change": {"reliability": 0.8}}, "made from final scores"),
        ({"family": "bernoulli", "reliable_change": {"reliability": 0.8}}, "made from final scores"),
    ],
)
def test_reliable_change_needs_two_scores(changes: dict[str, Any], words: str) -> None:
    asked = small.options(**{"outcome": "final", "predictors": ("safety",), **changes})
    with pytest.raises(InputError, match=words):
        model("final").design(path_studies.therapy(clients=20), "change", asked)


def test_baselines_that_do_not_vary_need_an_sd() -> None:
    study = with_clients(path_studies.therapy(clients=20), baseline=15.0)
    asked = small.options(outcome="final", predictors=("safety",), reliable_change={"reliability": 0.8})
    with pytest.raises(InputError, match="Add sd"):
        model("final").design(study, "change", asked)


def test_therapists_categories_reach_their_paths() -> None:
    study = path_studies.therapy(clients=12, therapists=4)
    school = pd.Categorical(["a", "b", "a", "b"], ["a", "b"])
    about = replace(study.variables["arm"], name="school", level="therapist", categories=("a", "b"), role="covariate")
    wider = replace(
        study, therapists=study.therapists.assign(school=school), variables={**study.variables, "school": about}
    )
    design = path_studies.chain(wider, session=("safety -> depth",), therapist=("school -> safety",))
    assert [arrow.text for arrow in design.therapist_arrows] == ["school[b]->safety"]
    finite(design)


def test_what_is_known_of_therapists_is_read_from_their_own_sessions() -> None:
    # Client 0 begins with t001 and goes on with t000: the first row of t000's caseload is a session with t001.
    study = path_studies.therapy(clients=12, sessions=5, therapists=3)
    therapist = study.sessions["therapist"].copy()
    therapist[(study.sessions["client"] == "c0000") & (study.sessions["session"] == 1)] = "t001"
    asked: dict[str, Any] = {**PLAIN, "therapist": ("t_anxiety -> safety",)}
    found = path_studies.chain(with_sessions(study, therapist=therapist), **asked)
    expected = path_studies.chain(study, **asked)
    np.testing.assert_array_equal(found.therapist_of, expected.therapist_of)
    ours, theirs = (one.covariate("t_anxiety") for one in (found, expected))
    assert ours is not None
    assert theirs is not None
    np.testing.assert_allclose(ours.values, theirs.values)
    assert ours.factor == theirs.factor
