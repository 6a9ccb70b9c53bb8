"""Participant flow, codebook and missingness: counts by hand, and nothing small shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from safezone.data.codebook import codebook, spread
from safezone.data.disclosure import suppress
from safezone.data.examples import example_path
from safezone.data.flow import flow_by_arm, participant_flow, sizes
from safezone.data.missingness import attendance, missing_by_session, missing_by_variable, missing_patterns
from safezone.data.simulate import Missingness, SimulationDesign, simulate, write_study
from safezone.data.study import Study, read_study
from safezone.data.tables import data_tables


@pytest.fixture(scope="module")
def harbour() -> Study:
    return read_study(example_path())


@pytest.fixture(scope="module")
def raw() -> dict[str, pd.DataFrame]:
    return {name: pd.read_csv(example_path() / f"{name}.csv") for name in ("sessions", "clients", "therapists")}


def with_threshold(study: Study, threshold: int) -> Study:
    """The study with another disclosure threshold."""
    report = study.config.report
    report = report.model_copy(update={"disclosure": report.disclosure.model_copy(update={"threshold": threshold})})
    return replace(study, config=study.config.model_copy(update={"report": report}))


# ---- flow ---------------------------------------------------------------------------------------------------


def test_flow_counts_are_those_of_the_files(harbour, raw):
    flow = participant_flow(harbour).set_index("step")
    assert list(flow.index) == ["randomised", "started", "analysed", "final"]
    assert flow.loc["randomised", "n_clients"] == len(raw["clients"])
    assert flow.loc["randomised", "n_sessions"] is pd.NA
    assert flow.loc["started", "n_clients"] == raw["sessions"]["client"].nunique()
    assert flow.loc["started", "n_sessions"] == len(raw["sessions"])
    assert flow.loc["started", "n_therapists"] == raw["sessions"]["therapist"].nunique()
    assert flow.loc["started", "reason"] == "4 without a session"
    assert flow.loc["final", "n_clients"] == raw["clients"]["final"].notna().sum()
    assert flow["n_clients"].is_monotonic_decreasing


def test_flow_knows_the_screened_and_the_unrated(study_folder, read):
    folder = study_folder(
        "id,session,safety,depth\na,1,4,5\na,2,,\nb,1,3,4\nc,1,,\n",
        data='clients = "clients.csv"\n',
        files={"clients.csv": "id,arm\na,usual\nb,active\nc,usual\nd,active\ne,\n"},
        variables='[variables.safety]\ncolumn = "safety"\nrole = "safety"\n'
        '[variables.depth]\ncolumn = "depth"\nrole = "exploration"\n'
        '[variables.arm]\ncolumn = "arm"\nrole = "arm"\n',
    )
    flow = participant_flow(read(folder)).set_index("step")
    assert flow["n_clients"].to_dict() == {"screened": 5, "randomised": 4, "started": 3, "analysed": 2}
    assert flow.loc["randomised", "reason"] == "1 without an arm"
    assert flow.loc["started", "reason"] == "1 without a session"
    assert flow.loc["analysed", "reason"] == "1 without a usable score; 2 sessions without a usable score"
    assert flow.loc["analysed", "n_sessions"] == 2


def test_flow_of_sessions_alone(study_folder, read):
    flow = participant_flow(read(study_folder()))
    assert list(flow["step"]) == ["started", "analysed"]
    assert list(flow["n_clients"]) == [3, 3]
    assert flow["n_therapists"].isna().all()


def test_flow_by_arm_hides_small_groups_and_small_drops(harbour):
    shown = flow_by_arm(harbour)
    assert set(shown["step"]) == {"randomised"}  # two per arm never started: nobody's number
    everything = flow_by_arm(with_threshold(harbour, 1))
    assert set(everything["step"]) == {"randomised", "started", "analysed", "final"}
    totals = participant_flow(harbour).set_index("step")["n_clients"]
    assert everything.groupby("step")["n_clients"].sum().to_dict() == totals.to_dict()
    assert flow_by_arm(with_threshold(harbour, 50)).empty


def test_sizes_are_those_of_the_files(harbour, raw):
    found = sizes(harbour).set_index("quantity")["value"]
    lengths = raw["sessions"].groupby("client").size()
    assert found["sessions_per_client_mean"] == pytest.approx(lengths.mean())
    assert found["share_two_or_more_sessions"] == pytest.approx((lengths >= 2).mean())
    assert found["therapists"] == 12
    assert found["clients_with_several_therapists"] == 0


# ---- codebook -----------------------------------------------------------------------------------------------


def test_codebook_describes_every_variable(harbour, raw):
    book = codebook(harbour).set_index("name")
    assert list(book.index) == list(harbour.variables)
    assert book.loc["symptoms", "mean"] == pytest.approx(raw["sessions"]["symptoms"].mean())
    assert book.loc["symptoms", "missing"] == pytest.approx(raw["sessions"]["symptoms"].isna().mean())
    assert book.loc["symptoms", "better"] == "lower"
    assert book.loc["final", "n"] == raw["clients"]["final"].notna().sum()
    assert book.loc["arm", "categories"] == "usual (42); active (42)"
    assert book.loc["therapist_avoidance", "sd"] == pytest.approx(raw["therapists"]["therapist_avoidance"].std())
    assert book.loc["safety", "items"] == 4
    assert book["omega_within"].between(0.6, 0.95)["safety"]
    assert (book["alpha_between"] > book["alpha_within"])["safety"]
    assert book.loc["alliance", ["items", "omega_within"]].isna().all()
    assert book.loc["repair", "n"] == raw["sessions"]["repair"].notna().sum()
    assert book.loc["repair", "missing"] == 0  # only ruptures can be repaired
    assert not book["suppressed"].any()


def test_codebook_hides_what_rests_on_few(harbour):
    book = codebook(with_threshold(harbour, 15)).set_index("name")
    therapists = book.loc[["therapist_anxiety", "therapist_avoidance", "experience"]]
    assert therapists["suppressed"].all()
    assert therapists[["mean", "sd", "min", "max"]].isna().all().all()
    assert not book.loc["safety", "suppressed"]
    assert codebook(with_threshold(harbour, 43)).set_index("name").loc["arm", "categories"] == (
        "usual (suppressed); active (suppressed)"
    )


def test_the_oldest_clients_age_is_not_told(harbour, raw):
    book = codebook(harbour).set_index("name")
    assert book["max"].isna()["age"]
    assert (raw["clients"]["age"] == raw["clients"]["age"].max()).sum() < 10
    assert book.loc["safety", "max"] == 7  # a scale's end is no secret


def test_variance_components_are_those_of_the_simulator():
    drawn = simulate(SimulationDesign(clients=3000, sessions=(3, 12), therapists=0), seed=12)
    found = spread(drawn.sessions["alliance"], drawn.sessions["client"])
    truth = drawn.truth.variance("alliance")
    # 3,000 clients: relative SE of an SD about 1.3 %; the alliance's drift over sessions adds under 1 %
    assert found.sd_between == pytest.approx(truth["sd.client.intercept"], rel=0.07)
    assert found.sd_within == pytest.approx(truth["sd.residual"], rel=0.04)
    assert found.icc == pytest.approx(truth["share.client"] / (1 - truth["share.therapist"]), abs=0.04)


def test_variance_components_by_hand():
    values, client = pd.Series([1.0, 3.0, 5.0, 7.0, np.nan]), pd.Series(["a", "a", "b", "b", "b"])
    found = spread(values, client)
    # within: (1 + 1 + 1 + 1)/2 = 2; MS between = 2·(4 + 4)/1 = 16; (16 − 2)/2 = 7
    assert found.sd_within**2 == pytest.approx(2)
    assert found.sd_between**2 == pytest.approx(7)
    assert found.icc == pytest.approx(7 / 9)
    assert found.mean_sessions == 2


def test_degenerate_variables_give_nan_and_no_crash():
    one = spread(pd.Series([4.0]), pd.Series(["a"]))
    assert one.mean == 4
    assert np.isnan(one.sd_within)
    none = spread(pd.Series([np.nan, np.nan]), pd.Series(["a", "b"]))
    assert np.isnan(none.mean)
    single = spread(pd.Series([1.0, 2.0, 3.0]), pd.Series(["a", "b", "c"]))  # one session each
    assert np.isnan(single.icc)
    assert single.sd == pytest.approx(1)


# ---- missingness --------------------------------------------------------------------------------------------


def test_missing_shares_of_the_files_come_back(harbour, raw):
    table = missing_by_variable(harbour).set_index("name")
    for name in ("therapist_safety", "alliance", "symptoms"):
        assert table.loc[name, "missing"] == raw["sessions"][name].isna().sum()
        assert table.loc[name, "share"] == pytest.approx(raw["sessions"][name].isna().mean())
    assert table.loc["repair", "possible"] == raw["sessions"]["rupture"].sum()
    assert table.loc["final", "share"] == pytest.approx(raw["clients"]["final"].isna().mean())


def test_patterns_pool_the_rare_and_cover_all_sessions(harbour, raw):
    table = missing_patterns(harbour)
    assert table["n_sessions"].sum() == len(raw["sessions"])
    assert table["share"].sum() == pytest.approx(1)
    assert (table["n_clients"] >= 10).all()
    assert table["missing"].iloc[0] == ""
    assert table["missing"].iloc[-1] == "other patterns"
    whole = "safety + alliance + exploration + post_session + symptoms"
    assert whole in set(table["missing"])  # a client form that was not handed in


def test_the_pool_of_rare_patterns_grows_until_it_hides_everybody(study_folder, read):
    rows = ["id,session,safety,depth"]
    rows += [f"c{k},1,{3 + k % 3},{4 + k % 3}" for k in range(20)]
    rows += [f"c{k},2,,{4 + k % 2}" for k in range(12)]  # 12 clients
    rows += [f"c{k},3,{3 + k % 2}," for k in range(3)]  # 3 clients: must be pooled, and alone they would be told
    table = missing_patterns(read(study_folder("\n".join(rows) + "\n"))).set_index("missing")
    assert table["n_sessions"].to_dict() == {"": 20, "other patterns": 15}
    assert table.loc["other patterns", "n_clients"] == 12
    tiny = missing_patterns(read(study_folder("\n".join(rows[:21] + rows[33:]) + "\n", name="tiny")))
    assert tiny[["n_sessions", "n_clients", "share"]].isna().all().all()  # 3 = 23 − 20


def test_missing_over_the_sessions(harbour, raw):
    table = missing_by_session(harbour).set_index("session")
    first = raw["sessions"][raw["sessions"]["session"] == 1]
    assert table.loc[1, "n_clients"] == len(first)
    assert table.loc[1, "symptoms"] == pytest.approx(first["symptoms"].isna().mean())
    assert (table["n_clients"] >= 10).all()
    assert table.index.max() < raw["sessions"]["session"].max()


def test_attendance_counts_who_is_still_there(harbour, raw):
    table = attendance(harbour).set_index("session")
    for session in (1, 4, 9):
        assert table.loc[session, "n_clients"] == (raw["sessions"]["session"] == session).sum()
    assert table["share"].is_monotonic_decreasing
    assert (table["n_clients"] >= 10).all()


# ---- all tables ---------------------------------------------------------------------------------------------


def test_no_table_names_a_person(harbour):
    people = {*harbour.clients.index, *harbour.therapists.index}
    for name, table in data_tables(harbour).items():
        cells = {str(cell) for column in table for cell in table[column]} | {str(label) for label in table.index}
        assert not people & cells, name


@pytest.mark.parametrize(
    "design",
    [
        SimulationDesign(clients=1, sessions=5, therapists=0, dropout=False),
        SimulationDesign(clients=30, sessions=1, therapists=0),
        SimulationDesign(clients=12, sessions=4, therapists=1, missing=Missingness(0.3), rounded=True),
    ],
    ids=["one client", "one session each", "one therapist"],
)
def test_every_table_of_a_degenerate_study_is_made(tmp_path, design):
    study = read_study(write_study(simulate(design, seed=3), tmp_path / "s", "T (simulated)"))
    tables = data_tables(study)
    assert participant_flow(study).set_index("step").loc["started", "n_clients"] == design.clients
    assert len(tables["codebook"]) == len(study.variables)


# ---- disclosure ---------------------------------------------------------------------------------------------


def test_small_cells_and_their_complement_are_suppressed():
    def shown(*counts):
        return [None if np.isnan(count) else int(count) for count in suppress(counts, 10)]

    assert shown(40, 12, 30) == [40, 12, 30]
    assert shown(40, 12, 3) == [40, None, None]  # 3 = total − 40 − 12
    assert shown(40, 4, 3) == [40, None, None]
    assert shown(40, 0, 30) == [40, 0, 30]
    assert shown(3) == [None]
    assert shown(9, 10) == [None, None]
