"""The axes: every combination once, the study's own first, and what each choice does to data and model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from safezone.analysis.altered import PATTERN, complete_sessions, pattern_mixture, with_trend, without_own_trends
from safezone.analysis.fitting import Task, keys_of, obtain_fit
from safezone.analysis.progress import Silent
from safezone.analysis.questions import Question, agenda
from safezone.analysis.specifications import ALONE, CROSSED, VALUES, Combination, arranged, axes_of, combinations
from safezone.analysis.store import Store
from safezone.data.config import ModelSection
from safezone.data.examples import example_path
from safezone.data.study import Study, read_study
from safezone.models.catalogue import model, plan

HEAD = """
[data]
sessions = "sessions.csv"

[columns]
client = "id"
session = "n"

[variables.safety]
column = "x"
role = "safety"

[variables.depth]
column = "y"
role = "exploration"

[sampling]
seed = 3
draws = 500
warmup = 500
"""
SLOPE = ModelSection(kind="within_between", outcome="depth", predictors=("safety",), time="linear")
COURSE = ModelSection(kind="growth", outcome="depth", time="linear")


@pytest.fixture(scope="module")
def harbour() -> Study:
    return read_study(example_path("harbour"))


@pytest.fixture
def write(tmp_path: Path) -> Callable[[list[tuple[object, ...]]], Study]:
    """Return a function that makes a study of rows (client, session, safety, depth)."""

    def made(rows: list[tuple[object, ...]]) -> Study:
        lines = [",".join(map(str, row)) for row in rows]
        (tmp_path / "sessions.csv").write_text("\n".join(["id,n,x,y", *lines]) + "\n", encoding="utf-8")
        (tmp_path / "study.toml").write_text(HEAD, encoding="utf-8")
        return read_study(tmp_path)

    return made


def asked(study: Study, row: str, part: str) -> tuple[Question, ModelSection]:
    planned = plan(study)
    found = agenda(study, planned)
    question = next(q for q in found.questions if (q.principle.id, q.test.part) == (row, part))
    return question, next(one.options for one in (*planned, *found.added) if one.name == question.model)


def of(study: Study, row: str, part: str) -> list[Combination]:
    return list(combinations(study, *asked(study, row, part)))


# --- the set -------------------------------------------------------------------------------------------------------


def test_every_axis_belongs_to_a_kind_and_is_either_crossed_or_taken_alone() -> None:
    for kind, axes in CROSSED.items():
        assert not set(axes) & set(ALONE.get(kind, ()))
        assert axes_of(kind) == tuple(axis for axis in VALUES if axis in (*axes, *ALONE.get(kind, ())))
    assert set(VALUES) == {axis for axes in (*CROSSED.values(), *ALONE.values()) for axis in axes}


def test_the_own_combination_comes_first_crossed_ones_once_and_single_ones_differ_in_one_choice(harbour: Study) -> None:
    found = of(harbour, "C1", "same session")
    assert found[0].own
    assert found[0].choices["detrending"] == "linear"
    assert sum(one.own for one in found) == 1
    assert len({tuple(one.choices.items()) for one in found}) == len(found)
    crossed = [one for one in found if one.choices["missing"] == "modelled" and one.choices["outliers"] == "gaussian"]
    alone = [one for one in found if one not in crossed]
    assert len(crossed) == 2 * 4 * 2
    assert [one.departures for one in alone] == [1, 1, 1]
    assert {(one.choices["missing"], one.choices["outliers"]) for one in alone} == {
        ("complete", "gaussian"), ("pattern", "gaussian"), ("modelled", "student_t"),
    }  # fmt: skip


def test_priors_are_a_choice_where_the_library_has_one_for_this_level(harbour: Study) -> None:
    assert {one.choices["priors"] for one in of(harbour, "R4b", "within clients")} == {"weak"}
    between = of(harbour, "R4b", "between clients")
    assert sum(one.choices["priors"] == "library" for one in between) == 2 * 4 * 2


def test_a_row_keeps_what_it_is_about(harbour: Study) -> None:
    assert {one.choices["therapists"] for one in of(harbour, "T1", "")} == {"yes"}
    question, options = asked(harbour, "X5", "")
    assert "time" in question.test.options["random_slopes"]
    found = list(combinations(harbour, question, options))
    assert {one.choices["detrending"] for one in found} == {"slopes"}
    assert len(found) > 1


def test_what_a_study_chose_beyond_the_table_is_its_own_choice(harbour: Study) -> None:
    question, options = asked(harbour, "C1", "same session")
    found = list(combinations(harbour, question, options.model_copy(update={"time": "spline(3)"})))
    assert found[0].choices["detrending"] == "spline(3)"
    assert {one.choices["detrending"] for one in found[1:]} == {"spline(3)", *VALUES["detrending"]}


def test_an_outcome_without_residuals_has_no_outliers(harbour: Study) -> None:
    question, options = asked(harbour, "C1", "same session")
    found = list(combinations(harbour, question, options.model_copy(update={"family": "bernoulli"})))
    assert {one.choices["outliers"] for one in found} == {""}


def test_where_nothing_is_missing_there_is_no_choice(write: Callable[..., Study]) -> None:
    rng = np.random.default_rng(1)
    study = write([(f"c{c}", t, *rng.normal(4, 1, 2).round(2)) for c in range(6) for t in (1, 2, 3)])
    assert {one.choices["missing"] for one in of(study, "C1", "same session")} == {"modelled"}
    shorter = replace(study, sessions=study.sessions.iloc[:-1])
    assert {one.choices["missing"] for one in of(shorter, "C1", "same session")} == {"modelled", "pattern"}
    sessions = study.sessions.copy()
    sessions.loc[0, "safety"] = np.nan
    holed = replace(study, sessions=sessions)
    assert {one.choices["missing"] for one in of(holed, "C1", "same session")} == {"modelled", "complete"}


def test_every_combination_can_be_built_and_changes_the_design(harbour: Study) -> None:
    question, options = asked(harbour, "C1", "same session")
    seen = []
    for one in combinations(harbour, question, options):
        changed, chosen = arranged(harbour, question, options, one)
        design = model(question.test.kind).design(changed, "depth", chosen)
        assert design.has_therapists == (one.choices["therapists"] == "yes")
        assert design.latent == (one.choices["centring"] == "latent")
        assert design.family == one.choices["outliers"]
        seen.append((design.F.shape, len(design.client_effects), design.latent, design.has_therapists, design.family,
                     len(design.row), len(design.interactions)))  # fmt: skip
    assert len(set(seen)) == len(seen)
    own = arranged(harbour, question, options, next(combinations(harbour, question, options)))
    assert own == (harbour, options)


# --- what is missing -----------------------------------------------------------------------------------------------


def test_complete_sessions_are_those_with_every_rating_and_the_others_stay_empty(harbour: Study) -> None:
    changed = complete_sessions(harbour, SLOPE.model_copy(update={"outcome": "exploration"}))
    before, after = harbour.sessions, changed.sessions
    both = before["exploration"].notna() & before["safety"].notna()
    one = before["exploration"].notna() ^ before["safety"].notna()
    assert int(one.sum()) >= 10  # the example has holes
    assert len(after) == len(before)
    assert (after["exploration"].notna() == both).all()
    assert (after["safety"].notna() == both).all()
    assert after["alliance"].equals(before["alliance"])
    options = SLOPE.model_copy(update={"outcome": "exploration"})
    assert len(model("within_between").design(changed, "x", options).row) == int(both.sum())
    assert len(model("within_between").design(harbour, "x", options).row) == int((both | one).sum())


def test_the_pattern_is_the_centred_number_of_rated_sessions(harbour: Study) -> None:
    changed, options = pattern_mixture(harbour, "growth", ModelSection(kind="growth", outcome="safety", time="linear"))
    rated = harbour.sessions.loc[harbour.sessions["safety"].notna()].groupby("client").size()
    added = changed.clients[PATTERN].reindex(rated.index)
    pd.testing.assert_series_equal(added + rated.mean(), rated.astype(float), check_names=False)
    assert options.by == (PATTERN,)
    assert PATTERN not in harbour.variables  # the study itself is left alone


def test_slopes_that_differ_and_lagged_ones_are_not_moderated(harbour: Study) -> None:
    options = SLOPE.model_copy(update={"outcome": "exploration"})
    for changed in ({"random_slopes": ("safety",)}, {"lag": 1}):
        _, chosen = pattern_mixture(harbour, "within_between", options.model_copy(update=changed))
        assert not chosen.moderators
        assert PATTERN in chosen.covariates
    _, chosen = pattern_mixture(harbour, "within_between", options)
    assert chosen.moderators == (PATTERN,)


def estimate(study: Study, options: ModelSection, name: str, folder: Path) -> tuple[float, float, float]:
    """Return mean and interval of a raw quantity, by the kernel."""
    entry = model(str(options.kind))
    task = Task(entry, entry.design(study, "m", options), study.config.sampling, study.config.report, {})
    fit = obtain_fit(task, keys_of(task), Store(folder / "store"), Silent())
    assert fit.provenance.sampler in ("importance", "nuts")
    table = fit.estimates()
    (row,) = table.loc[(table["estimand"] == name) & (table["scale"] == "raw"), ["mean", "lower", "upper"]].to_numpy()
    return tuple(row)


@pytest.mark.slow
def test_a_pattern_mixture_finds_the_average_course_where_those_who_improve_fast_leave_early(
    write: Callable[..., Study], tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    slopes = rng.normal(-0.5, 0.3, 200)
    rows = []
    for client, slope in enumerate(slopes):
        # Who leaves depends on the client's latent slope, which the observed ratings do not give away.
        stays = int(np.clip(round(6.5 + 3 * (slope + 0.5) / 0.3 + rng.normal()), 2, 12))
        start = rng.normal(15, 1.5)
        rows += [(f"c{client}", t + 1, 4 + t % 2, round(start + slope * t + rng.normal(0, 2), 3)) for t in range(stays)]
    study = write(rows)
    mean, low, high = estimate(study, COURSE, "time", tmp_path)
    assert not low < slopes.mean() < high  # at random given the model: wrong by half a standard deviation of the slopes
    assert mean > slopes.mean() + 0.1
    _, low, high = estimate(*pattern_mixture(study, "growth", COURSE), "time", tmp_path)
    assert low < slopes.mean() < high


@pytest.mark.slow
def test_a_pattern_mixture_finds_the_average_within_slope(write: Callable[..., Study], tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    slopes = rng.normal(0.4, 0.3, 150)
    rows = []
    for client, slope in enumerate(slopes):
        stays = int(np.clip(round(7 - 3 * (slope - 0.4) / 0.3 + rng.normal()), 2, 14))
        usual = rng.normal(4, 1, 2)
        for t in range(stays):
            deviation = rng.normal()
            depth = usual[1] + slope * deviation + rng.normal(0, 0.8)
            safety = "" if rng.random() < 0.05 else round(usual[0] + deviation, 3)
            rows.append((f"c{client}", t + 1, safety, round(depth, 3)))
    study = write(rows)
    _, _, high = estimate(study, SLOPE, "safety.within", tmp_path)
    assert high < slopes.mean()  # those who stay, and have the smaller slopes, count for more sessions
    _, low, high = estimate(*pattern_mixture(study, "within_between", SLOPE), "safety.within", tmp_path)
    assert low < slopes.mean() < high


# --- trends --------------------------------------------------------------------------------------------------------


def test_what_is_left_of_a_predictor_is_flat_over_time_and_keeps_the_clients_mean(harbour: Study) -> None:
    options = with_trend(SLOPE, "own")
    assert (options.time, options.random_slopes) == ("linear", ("time",))
    before, after = harbour.sessions, without_own_trends(harbour, options).sessions
    assert (after["safety"].isna() == before["safety"].isna()).all()
    for _, rows in after.loc[after["safety"].notna()].groupby("client"):
        assert rows["safety"].mean() == pytest.approx(before.loc[rows.index, "safety"].mean())
        if len(rows) > 2:
            assert np.polyfit(rows["session"], rows["safety"], 1)[0] == pytest.approx(0, abs=1e-9)
    assert without_own_trends(harbour, options).sessions["alliance"].equals(before["alliance"])


def test_in_lagged_models_only_the_outcome_loses_its_own_trends(harbour: Study) -> None:
    for part, same in (("same session", False), ("next session", True)):
        question, options = asked(harbour, "C1", part)
        own = next(one for one in combinations(harbour, question, options) if one.choices["detrending"] == "own")
        changed, chosen = arranged(harbour, question, options, own)
        assert chosen.random_slopes == ("time",)
        assert changed.sessions["safety"].equals(harbour.sessions["safety"]) == same


@pytest.mark.slow
def test_trends_that_go_together_pass_for_an_association_within_until_each_clients_own_is_taken_out(
    write: Callable[..., Study], tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    rows = []
    for client in range(120):
        rates = rng.multivariate_normal([0, 0], [[0.02, 0.016], [0.016, 0.02]])
        usual = rng.normal(4, 1, 2)
        # Nothing links the two within a client but trends of the client's own that go together.
        rows += [(f"c{client}", t, *(usual + rates * (t - 5.5) + rng.normal(0, 0.7, 2)).round(3)) for t in range(1, 11)]
    study = write(rows)
    assert estimate(study, SLOPE, "safety.within", tmp_path)[1] > 0.1
    options = with_trend(SLOPE, "own")
    _, low, high = estimate(without_own_trends(study, options), options, "safety.within", tmp_path)
    assert low < 0 < high
