"""Bad input, line by line: file, row or key, rule, value and remedy; all faults in one pass."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from safezone.data.cells import missing_rule, read_dates, read_identifiers, read_numbers
from safezone.data.checks_values import item_totals, items_against_the_rest
from safezone.data.errors import Fault
from safezone.data.faults import COLUMNS, SHOWN_ROWS, Faults, faults_frame
from safezone.data.study import Study, read_study

from .conftest import SESSIONS, VARIABLES, StudyFolder

FaultsOf = Callable[[Path], tuple[Fault, ...]]


def errors(faults: tuple[Fault, ...]) -> list[Fault]:
    return [fault for fault in faults if fault.severity == "error"]


def warned(study: Study, words: str) -> Fault:
    """Return the one warning or note whose rule holds these words."""
    (found,) = [fault for fault in study.faults if words in fault.rule]
    return found


# --- who and when ----------------------------------------------------------------------------------------------------


def test_two_rows_for_one_client_session(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    (fault,) = errors(faults_of(study_folder(SESSIONS + "a,2,5,5\n")))
    # file order is a1 a2 a3 … a2: numbers go back, but nothing starts again from a client's first session
    assert (fault.file, fault.row, fault.column) == ("sessions.csv", 9, "session")
    assert fault.rule == "Two rows have the same client and session."
    assert fault.value == "as in row 3"
    assert "Delete one" in fault.remedy


def test_session_numbers_that_restart(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    (fault,) = errors(faults_of(study_folder(SESSIONS + "c,1,5,5\nc,2,6,6\n")))
    assert "start again" in fault.rule
    assert (fault.row, fault.value) == (9, "1 client, 2 repeated rows")
    assert 'block = "…"' in fault.remedy


def test_a_declared_block_allows_a_restart(study_folder: StudyFolder) -> None:
    lines = (SESSIONS + "c,1,5,5\nc,2,6,6\n").strip().split("\n")
    phase = ["phase", *["1"] * 7, "2", "2"]
    text = "\n".join(f"{line},{number}" for line, number in zip(lines, phase, strict=True))
    study = read_study(study_folder(text, columns='block = "phase"'))
    assert study.sessions.query("client == 'c'")["block"].tolist() == [1, 1, 2, 2]


def test_session_numbers_with_gaps_are_noted(study_folder: StudyFolder) -> None:
    fault = warned(read_study(study_folder(SESSIONS.replace("a,3", "a,7"))), "skip some sessions")
    assert (fault.severity, fault.row, fault.value) == ("note", 4, "1 gap in 1 client")
    assert "max_gap" in fault.rule


def test_missing_client(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    (fault,) = errors(faults_of(study_folder(SESSIONS.replace("a,2,5,6", ",2,5,6"))))
    assert (fault.file, fault.row, fault.column, fault.value) == ("sessions.csv", 3, "id", None)
    assert "identifier" in fault.rule


def test_missing_and_broken_session(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    text = SESSIONS.replace("a,2,5,6", "a,,5,6").replace("b,2,", "b,2.5,").replace("c,2,", "c,second,")
    found = {(fault.row, fault.value): fault.rule for fault in errors(faults_of(study_folder(text)))}
    assert found[3, None].startswith("Every row needs its session")
    assert found[6, "2.5"] == "A session's number is a whole number."
    assert "is text" in found[8, "second"]


def test_identifiers_with_stray_blanks(study_folder: StudyFolder) -> None:
    study = read_study(study_folder(SESSIONS.replace("a,2", " a ,2").replace("a,3", "a\u200b,3")))
    assert study.clients.index.tolist() == ["a", "b", "c"]
    fault = warned(study, "blanks or invisible signs")
    assert (fault.severity, fault.row, fault.value) == ("warning", 3, "2 rows")


def test_identifiers_of_mixed_types(study_folder: StudyFolder) -> None:
    text = SESSIONS.replace("a,", "3,").replace("3,2,5,6", "3.0,2,5,6")
    study = read_study(study_folder(text))
    assert study.clients.index.tolist() == ["3", "b", "c"]
    fault = warned(study, 'mix whole numbers and decimals ("3" and "3.0")')
    assert (fault.row, fault.value) == (3, "1 row")


def test_identifiers_agree_between_files_of_different_types(study_folder: StudyFolder) -> None:
    text = SESSIONS.replace("a,", "1,").replace("b,", "2,").replace("c,", "3,")
    clients = pd.DataFrame({"id": [1.0, 2.0, 3.0], "age": [30.0, 40.0, 50.0]})
    folder = study_folder(text, data='clients = "clients.parquet"', variables=VARIABLES + AGE)
    clients.to_parquet(folder / "clients.parquet")
    assert read_study(folder).clients["age"].to_dict() == {"1": 30.0, "2": 40.0, "3": 50.0}


def test_identifiers_that_look_alike(study_folder: StudyFolder) -> None:
    study = read_study(study_folder(SESSIONS.replace("b,", "A,").replace("c,1", "007,1").replace("c,2", "7,2")))
    assert warned(study, "capital letters").value == "2 identifiers"
    assert warned(study, "leading zeros").value == "2 identifiers"


def test_identifiers_are_never_disclosed(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    text = SESSIONS.replace("a,", "Anna Schmidt,").replace("b,", " Bob Miller,") + "Anna Schmidt,1,1,1\n"
    faults = faults_of(study_folder(text, data='clients = "c.csv"', files={"c.csv": "id,age\nCarl Otto,4\n"}))
    assert not any(name in str(fault) for fault in faults for name in ("Anna", "Schmidt", "Bob", "Miller", "Otto"))


def dated(days: list[str]) -> str:
    lines = SESSIONS.strip().split("\n")
    return "\n".join([f"{lines[0]},day", *(f"{line},{day}" for line, day in zip(lines[1:], days, strict=True))])


DAYS = ["2024-05-01", "2024-05-08", "2024-05-15", "2024-05-01", "2024-05-08", "2024-05-01", "2024-05-08"]


def test_dates_not_in_order(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    days = [*DAYS[:2], "2024-05-05", *DAYS[3:]]
    (fault,) = errors(faults_of(study_folder(dated(days), columns='date = "day"')))
    assert (fault.row, fault.column) == (4, "day")
    assert fault.value == "3 days before the session in row 3"


@pytest.mark.parametrize("pattern", ["%d.%m.%Y", "%Y/%m/%d", "%d/%m/%Y", "%Y-%m-%d %H:%M", "%d-%b-%Y"])
def test_written_dates(study_folder: StudyFolder, pattern: str) -> None:
    days = [pd.Timestamp(day) + pd.Timedelta(days=20) for day in DAYS]
    study = read_study(study_folder(dated([day.strftime(pattern) for day in days]), columns='date = "day"'))
    assert study.sessions["date"].tolist() == days


def test_ambiguous_dates_are_refused(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    days = ["01/05/2024", "02/05/2024", "03/05/2024", "01/05/2024", "02/05/2024", "01/05/2024", "02/05/2024"]
    (fault,) = errors(faults_of(study_folder(dated(days), columns='date = "day"')))
    assert fault.rule == "Day and month could be the other way round in every date."
    assert "YYYY-MM-DD" in fault.remedy


def test_dates_that_are_none(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    days = [*DAYS[:4], "2024-02-30", "soon", DAYS[6]]
    found = [(fault.row, fault.value) for fault in errors(faults_of(study_folder(dated(days), columns='date = "day"')))]
    assert found == [(6, "2024-02-30"), (7, "soon")]


def test_sessions_given_by_dates_are_numbered(study_folder: StudyFolder) -> None:
    text = "id,session,safety,depth\na,2024-05-08,4,5\na,2024-05-01,5,6\nb,2024-05-03,6,5\nb,2024-06-03,3,4\n"
    study = read_study(study_folder(text))
    assert study.sessions["session"].tolist() == [1, 2, 1, 2]
    assert study.sessions["row"].tolist() == [3, 2, 4, 5]
    assert study.sessions["safety"].tolist() == [5, 4, 6, 3]
    assert study.sessions["date"].iloc[0] == pd.Timestamp("2024-05-01")
    assert warned(study, "numbered within clients by their dates").severity == "note"


def test_two_sessions_on_one_date(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    text = "id,session,safety,depth\na,2024-05-01,4,5\na,2024-05-01,5,6\nb,2024-05-03,6,5\nb,2024-06-03,3,4\n"
    (fault,) = errors(faults_of(study_folder(text)))
    assert (fault.row, fault.value) == (3, "as in row 2")


def test_dates_of_sessions_are_checked_once(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    text = "id,session,safety,depth\na,2024-05-01,4,5\na,May,5,6\nb,2024-05-03,6,5\nb,2024-06-03,3,4\n"
    faults = errors(faults_of(study_folder(text, columns='date = "session"')))
    assert [(fault.row, fault.value) for fault in faults] == [(3, "May")]


def test_times_not_in_order(study_folder: StudyFolder) -> None:
    study = read_study(study_folder(with_column("age", [14, 15, 15, 14, 13, 20, 21]), columns='time = "age"'))
    fault = warned(study, "does not have a later time")
    assert (fault.severity, fault.row, fault.value) == ("warning", 4, "2 sessions of 2 clients")
    assert study.sessions["time"].tolist() == [14, 15, 15, 14, 13, 20, 21]


def test_role_pointing_to_a_missing_column(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    variables = VARIABLES.replace('column = "depth"', 'column = "dept"')
    (fault,) = errors(faults_of(study_folder(variables=variables)))
    assert (fault.file, fault.column, fault.value) == ("sessions.csv", "dept", "dept")
    assert "variables.depth.column" in fault.rule
    assert fault.remedy.startswith("Did you mean depth?")


def test_key_pointing_to_a_missing_column(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    text = SESSIONS.replace("id,session", "ID,sessions")
    faults = errors(faults_of(study_folder(text)))
    assert [fault.remedy.split("?")[0] for fault in faults] == ["Did you mean ID", "Did you mean sessions"]


# --- ratings ---------------------------------------------------------------------------------------------------------


def test_text_in_a_rating(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    (fault,) = errors(faults_of(study_folder(SESSIONS.replace("b,1,3,4", "b,1,six,4"))))
    assert (fault.file, fault.row, fault.column, fault.value) == ("sessions.csv", 5, "safety", "six")
    assert "A number is expected" in fault.rule


def test_text_that_means_missing(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    text = SESSIONS.replace("b,1,3,4", "b,1,refused,4").replace("c,1,7,6", "c,1,refused,6")
    faults = errors(faults_of(study_folder(text)))
    assert [fault.row for fault in faults] == [5, 7]
    assert 'missing = ["refused"]' in faults[0].remedy
    study = read_study(study_folder(text, data='missing = ["refused"]'))
    assert study.sessions["safety"].isna().sum() == 2


def test_long_text_is_cut_before_it_discloses(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    (fault,) = errors(faults_of(study_folder(SESSIONS.replace("b,1,3,4", f"b,1,{'told me of her ' * 5},4"))))
    assert fault.value == "told me of her told me of her …"


def test_codes_below_zero_are_no_therapists(study_folder: StudyFolder) -> None:
    text = with_column("th", [99, -99, 99, 1, 1, 1, 1])
    study = read_study(study_folder(text, columns='therapist = "th"', data="missing = [99, -99]"))
    assert study.sessions["therapist"].isna().tolist() == [False, True] + [False] * 5


def test_infinite_numbers_are_no_ratings(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    (fault,) = errors(faults_of(study_folder(SESSIONS.replace("b,1,3,4", "b,1,3,inf"))))
    assert (fault.row, fault.value) == (5, "inf")


def test_rating_outside_its_range(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    (fault,) = errors(faults_of(study_folder(SESSIONS.replace("c,1,7,6", "c,1,8,6"))))
    assert (fault.file, fault.row, fault.column, fault.value) == ("sessions.csv", 7, "safety", "8")
    assert fault.rule == "A value lies outside its range, 1 to 7."
    assert "[variables.safety]" in fault.remedy


@pytest.mark.parametrize("code", [999, -99, 99, -9, 9])
def test_undeclared_missing_code(study_folder: StudyFolder, faults_of: FaultsOf, code: int) -> None:
    text = SESSIONS.replace("a,2,5,6", f"a,2,{code},6").replace("c,1,7,6", f"c,1,{code},6")
    (fault,) = errors(faults_of(study_folder(text, data='missing = ["refused"]')))
    assert (fault.row, fault.column, fault.value) == (3, "safety", f"{code} (2 times)")
    assert f'missing = ["refused", {code}]' in fault.remedy
    study = read_study(study_folder(text, data=f"missing = [{code}]"))
    assert study.sessions["safety"].isna().sum() == 2


@pytest.mark.parametrize("code", [999, -99])
def test_undeclared_missing_code_without_a_range(study_folder: StudyFolder, faults_of: FaultsOf, code: int) -> None:
    text = SESSIONS.replace("a,2,5,6", f"a,2,5,{code}").replace("c,1,7,6", f"c,1,7,{code}")
    (fault,) = errors(faults_of(study_folder(text)))
    assert (fault.column, fault.value) == ("depth", f"{code} (2 times)")
    assert "far from all other values" in fault.rule


def test_plausible_nines_are_left_alone(study_folder: StudyFolder) -> None:
    text = SESSIONS.replace("a,2,5,6", "a,2,5,9").replace("c,1,7,6", "c,1,7,9")
    assert read_study(study_folder(text)).sessions["depth"].max() == 9


def test_constant_column(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    frame = pd.read_csv(io.StringIO(SESSIONS)).assign(depth=4)
    (fault,) = errors(faults_of(study_folder(frame.to_csv(index=False))))
    assert (fault.file, fault.column, fault.value) == ("sessions.csv", "depth", "4 in all 7")
    assert "delete [variables.depth]" in fault.remedy


def test_all_missing(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    frame = pd.read_csv(io.StringIO(SESSIONS)).assign(depth="")
    (fault,) = errors(faults_of(study_folder(frame.to_csv(index=False))))
    assert (fault.column, fault.rule) == ("depth", "variables.depth has no value at all.")


SCALE = """
[variables.safety]
items = ["s1", "s2", "s3"]
role = "safety"
range = [1, 7]
"""


def scale(reverse_third: bool) -> str:
    rng = np.random.default_rng(3)
    felt = rng.integers(2, 7, 30)
    items = np.clip(felt[:, None] + rng.integers(-1, 2, (30, 3)), 1, 7)
    if reverse_third:
        items[:, 2] = 8 - items[:, 2]
    frame = pd.DataFrame(items, columns=["s1", "s2", "s3"])
    frame.insert(0, "session", np.tile(np.arange(1, 11), 3))
    frame.insert(0, "id", np.repeat(["a", "b", "c"], 10))
    return frame.to_csv(index=False)


def test_reversed_item_not_reversed_is_a_warning(study_folder: StudyFolder) -> None:
    fault = warned(read_study(study_folder(scale(True), variables=SCALE)), "negative item-total")
    assert (fault.severity, fault.file, fault.column) == ("warning", "sessions.csv", "s3")
    assert fault.value is not None
    assert fault.value.startswith("r = -0.")
    assert 'reverse = ["s3"]' in fault.remedy
    declared = SCALE + 'reverse = ["s3"]\n'
    assert not [f for f in read_study(study_folder(scale(True), variables=declared)).faults if "item-total" in f.rule]


def test_item_reversed_twice_is_a_warning(study_folder: StudyFolder) -> None:
    study = read_study(study_folder(scale(False), variables=SCALE + 'reverse = ["s3"]\n'))
    assert "take it out of `reverse`" in warned(study, "negative item-total").remedy


def test_an_item_without_answers(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    frame = pd.read_csv(io.StringIO(scale(False))).assign(s2="")
    (fault,) = errors(faults_of(study_folder(frame.to_csv(index=False), variables=SCALE)))
    assert (fault.column, fault.value) == ("s2", None)
    assert "no answer at all" in fault.rule


def test_items_are_checked_one_by_one_and_scored(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    text = scale(True)
    study = read_study(study_folder(text, variables=SCALE + 'reverse = ["s3"]\n'))
    raw = pd.read_csv(io.StringIO(text))
    assert np.allclose(study.sessions["safety"], (raw["s1"] + raw["s2"] + 8 - raw["s3"]) / 3)
    line = text.split("\n")[1].split(",")
    line[4] = "9"
    (fault,) = errors(
        faults_of(
            study_folder(text.replace(text.split("\n")[1], ",".join(line), 1), variables=SCALE + 'reverse = ["s3"]\n')
        )
    )
    assert (fault.row, fault.column, fault.value) == (2, "s3", "9")  # as answered, not as turned round


def test_unknown_instrument_names_the_variable(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    (fault,) = errors(faults_of(study_folder(scale(False), variables=SCALE + 'instrument = "phq9x"\n')))
    assert fault.column == "variables.safety.instrument"


def test_missing_item(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    (fault,) = errors(faults_of(study_folder(scale(False), variables=SCALE.replace('"s3"', '"s4"'))))
    assert fault.column == "s4"
    assert "variables.safety.items" in fault.rule


def test_item_totals_equal_corrected_correlations(rng: np.random.Generator) -> None:
    items = rng.normal(size=(50, 4)) + rng.normal(size=(50, 1))
    by_hand = [np.corrcoef(items[:, j], np.delete(items, j, axis=1).sum(axis=1))[0, 1] for j in range(4)]
    assert np.allclose(item_totals(items), by_hand)  # the same formula: equal to rounding


def test_sound_items_are_not_blamed_for_a_reversed_one(rng: np.random.Generator) -> None:
    trait = rng.normal(size=(300, 1))
    items = trait + rng.normal(size=(300, 3)) * 0.6
    items[:, 2] *= -1
    assert (item_totals(items)[:2] < 0.2).any()  # dragged down by the third
    assert list(items_against_the_rest(items)) == [2]
    assert items_against_the_rest(np.abs(items[:5])) == {}  # too few rows to say


@pytest.mark.parametrize(
    ("family", "value", "rule"),
    [
        ("bernoulli", "2", "values 0 and 1"),
        ("ordinal", "2.5", "whole numbers"),
        ("negative_binomial", "-1", "counts"),
        ("beta", "40", "between 0 and 1"),
    ],
)
def test_values_that_a_family_cannot_have(
    study_folder: StudyFolder, faults_of: FaultsOf, family: str, value: str, rule: str
) -> None:
    lines = ["id,session,x", *(f"{client},{n},{n % 2}" for client in "abc" for n in (1, 2, 3)), f"a,4,{value}"]
    variables = f'[variables.x]\ncolumn = "x"\nrole = "process"\nfamily = "{family}"\n'
    faults = errors(faults_of(study_folder("\n".join(lines), variables=variables)))
    assert [(fault.row, fault.value) for fault in faults] == [(11, value)]
    assert rule in faults[0].rule


def test_two_words_become_zero_and_one(study_folder: StudyFolder) -> None:
    lines = ["id,session,x", "a,1,yes", "a,2,no", "b,1,No", "b,2,", "c,1,YES", "c,2,no"]
    study = read_study(study_folder("\n".join(lines), variables='[variables.x]\ncolumn = "x"\nrole = "rupture"\n'))
    assert study.sessions["x"].fillna(-1).tolist() == [1, 0, 0, -1, 1, 0]
    assert study.variables["x"].family == "bernoulli"
    assert "no = 0, yes = 1" in warned(study, "Text was read as numbers").rule


def test_declared_pairs_become_zero_and_one(study_folder: StudyFolder) -> None:
    lines = ["id,session,x", "a,1,1", "a,2,2", "b,1,2", "b,2,1"]
    variables = '[variables.x]\ncolumn = "x"\nrole = "rupture"\nfamily = "bernoulli"\ncategories = ["1", "2"]\n'
    study = read_study(study_folder("\n".join(lines), variables=variables))
    assert study.sessions["x"].tolist() == [0, 1, 1, 0]


def test_ordered_words_become_steps(study_folder: StudyFolder) -> None:
    lines = ["id,session,x", "a,1,low", "a,2,high", "b,1,mid", "b,2,mid"]
    variables = (
        '[variables.x]\ncolumn = "x"\nrole = "process"\nfamily = "ordinal"\ncategories = ["low", "mid", "high"]\n'
    )
    study = read_study(study_folder("\n".join(lines), variables=variables))
    assert study.sessions["x"].tolist() == [1, 3, 2, 2]
    assert study.variables["x"].categories == ()


# --- clients and therapists ------------------------------------------------------------------------------------------

AGE = '\n[variables.age]\ncolumn = "age"\nrole = "covariate"\n'


def with_column(name: str, cells: Sequence[object]) -> str:
    lines = SESSIONS.strip().split("\n")
    return "\n".join([f"{lines[0]},{name}", *(f"{line},{cell}" for line, cell in zip(lines[1:], cells, strict=True))])


def test_final_outcome_differing_within_a_client(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    final = '\n[variables.final]\ncolumn = "final"\nrole = "final_outcome"\n'
    text = with_column("final", [10, 10, 11, 8, 8, 9, 9])
    (fault,) = errors(faults_of(study_folder(text, variables=VARIABLES + final)))
    assert (fault.file, fault.row, fault.column, fault.value) == ("sessions.csv", 4, "final", "11")
    assert "one value per client" in fault.rule
    study = read_study(study_folder(with_column("final", [10, "", 10, 8, 8, 9, 9]), variables=VARIABLES + final))
    assert study.clients["final"].to_dict() == {"a": 10.0, "b": 8.0, "c": 9.0}
    assert "final" not in study.sessions


def test_attachment_on_the_session_sheet(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    anxiety = '\n[variables.anxiety]\ncolumn = "anx"\nrole = "attachment_anxiety"\nrater = "client"\n'
    varying = with_column("anx", [1, 1, 2, 3, 3, 4, 5])
    faults = errors(faults_of(study_folder(varying, variables=VARIABLES + anxiety)))
    assert [(fault.row, fault.value) for fault in faults] == [(4, "2"), (8, "5")]
    assert 'level = "session"' in faults[0].remedy
    study = read_study(study_folder(varying, variables=VARIABLES + anxiety + 'level = "session"\n'))
    assert study.variables["anxiety"].level == "session"
    study = read_study(study_folder(with_column("anx", [1, 1, 1, 3, 3, 4, 4]), variables=VARIABLES + anxiety))
    assert study.variables["anxiety"].level == "client"
    assert study.clients["anxiety"].tolist() == [1, 3, 4]


def test_covariates_find_their_level(study_folder: StudyFolder) -> None:
    constant = read_study(study_folder(with_column("age", [30, 30, 30, 40, 40, 50, 50]), variables=VARIABLES + AGE))
    assert constant.variables["age"].level == "client"
    varying = read_study(study_folder(with_column("age", [30, 31, 30, 40, 40, 50, 50]), variables=VARIABLES + AGE))
    assert varying.variables["age"].level == "session"
    assert "changes within clients" in warned(varying, "variables.age").rule


def test_session_ratings_are_not_looked_for_among_clients(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    folder = study_folder(
        data='clients = "c.csv"',
        variables=VARIABLES + '[variables.sy]\ncolumn = "sy"\nrole = "symptoms"\n',
        files={"c.csv": "id,sy\na,1\nb,2\nc,3\n"},
    )
    (fault,) = errors(faults_of(folder))
    assert (fault.file, fault.column) == ("c.csv", "sy")
    assert 'level = "client"' in fault.remedy


def test_clients_that_stand_in_one_file_only(study_folder: StudyFolder) -> None:
    study = read_study(
        study_folder(
            data='clients = "c.csv"', variables=VARIABLES + AGE, files={"c.csv": "id,age\na,30\nb,40\nd,50\ne,60\n"}
        )
    )
    missing = warned(study, "has sessions but no row in c.csv")
    assert (missing.severity, missing.file, missing.row, missing.value) == ("warning", "sessions.csv", 7, None)
    idle = warned(study, "of c.csv has no session")
    assert (idle.severity, idle.row, idle.value) == ("note", 4, "2 clients of 4")
    assert study.clients.index.tolist() == ["a", "b", "c", "d", "e"]
    assert study.clients["age"].isna().tolist() == [False, False, True, False, False]


def test_no_client_in_common(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    folder = study_folder(
        data='clients = "c.csv"', variables=VARIABLES + AGE, files={"c.csv": "id,age\nA1,30\nB1,40\n"}
    )
    (fault,) = errors(faults_of(folder))
    assert (fault.file, fault.value) == ("c.csv", "3 clients")
    assert "No client of sessions.csv occurs" in fault.rule


def test_a_client_twice_in_the_client_table(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    folder = study_folder(
        data='clients = "c.csv"', variables=VARIABLES + AGE, files={"c.csv": "id,age\na,30\nb,40\nc,50\na,31\n"}
    )
    (fault,) = errors(faults_of(folder))
    assert (fault.file, fault.row, fault.value) == ("c.csv", 5, None)


def test_client_with_two_therapists_is_allowed_and_said(study_folder: StudyFolder) -> None:
    text = with_column("th", ["x", "x", "y", "y", "y", "x", "x"])
    study = read_study(study_folder(text, columns='therapist = "th"'))
    fault = warned(study, "more than one therapist")
    assert (fault.severity, fault.row, fault.value) == ("warning", 4, "1 client of 3")
    assert "therapist" not in study.clients
    assert study.sessions["therapist"].tolist() == ["x", "x", "y", "y", "y", "x", "x"]


def test_client_with_two_therapists_where_the_client_table_says_nested(
    study_folder: StudyFolder, faults_of: FaultsOf
) -> None:
    text = with_column("th", ["x", "x", "y", "y", "y", "x", "x"])
    folder = study_folder(
        text, columns='therapist = "th"', data='clients = "c.csv"', files={"c.csv": "id,th\na,x\nb,y\nc,x\n"}
    )
    (fault,) = errors(faults_of(folder))
    assert (fault.file, fault.row, fault.column) == ("sessions.csv", 4, "th")
    assert "c.csv gives each client one therapist" in fault.rule


def test_therapists_from_the_client_table(study_folder: StudyFolder) -> None:
    folder = study_folder(
        columns='therapist = "th"', data='clients = "c.csv"', files={"c.csv": "id,th\na,x\nb,y\nc,x\n"}
    )
    study = read_study(folder)
    assert study.sessions["therapist"].tolist() == ["x", "x", "x", "y", "y", "x", "x"]
    assert study.clients["therapist"].tolist() == ["x", "y", "x"]
    assert study.therapists.index.tolist() == ["x", "y"]


def test_therapist_missing_for_some(study_folder: StudyFolder) -> None:
    study = read_study(study_folder(with_column("th", ["x", "", "x", "y", "y", "", ""]), columns='therapist = "th"'))
    fault = warned(study, "therapist is unknown in some sessions")
    assert (fault.severity, fault.row, fault.value) == ("warning", 3, "3 sessions of 2 clients")
    assert study.sessions["therapist"].isna().sum() == 3
    assert study.clients["therapist"].isna().tolist() == [False, False, True]


def test_therapist_missing_for_all(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    (fault,) = errors(faults_of(study_folder(with_column("th", [""] * 7), columns='therapist = "th"')))
    assert (fault.column, fault.rule) == ("th", "The column of therapists is empty.")


def test_one_therapist(study_folder: StudyFolder) -> None:
    study = read_study(study_folder(with_column("th", ["x"] * 7), columns='therapist = "th"'))
    fault = warned(study, "There is one therapist")
    assert (fault.severity, fault.value) == ("warning", "1 therapist")
    assert "therapist_level = false" in fault.remedy


def test_few_therapists(study_folder: StudyFolder) -> None:
    study = read_study(study_folder(with_column("th", list("xxxyyzz")), columns='therapist = "th"'))
    assert warned(study, "fewer than 5 therapists").value == "3 therapists"


def test_one_client(study_folder: StudyFolder) -> None:
    study = read_study(study_folder("\n".join(SESSIONS.split("\n")[:4])))
    assert warned(study, "There is one client").severity == "warning"
    assert len(study.clients) == 1


def test_one_session_each(study_folder: StudyFolder) -> None:
    lines = SESSIONS.split("\n")
    study = read_study(study_folder("\n".join([lines[0], lines[1], lines[4], lines[6]])))
    fault = warned(study, "Every client has one session")
    assert (fault.severity, fault.value) == ("warning", "3 clients")


def test_therapist_attachment_rises_to_the_therapist(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    variables = VARIABLES + '[variables.t_anx]\ncolumn = "ta"\nrole = "attachment_anxiety"\nrater = "therapist"\n'
    lines = with_column("th", list("xxxyyxx")).split("\n")

    def text(values: list[int]) -> str:
        return "\n".join([f"{lines[0]},ta", *(f"{line},{v}" for line, v in zip(lines[1:], values, strict=True))])

    study = read_study(study_folder(text([2, 2, 2, 5, 5, 2, 2]), columns='therapist = "th"', variables=variables))
    assert study.variables["t_anx"].level == "therapist"
    assert study.therapists["t_anx"].to_dict() == {"x": 2.0, "y": 5.0}
    folder = study_folder(text([2, 2, 3, 5, 5, 2, 2]), columns='therapist = "th"', variables=variables)
    (fault,) = errors(faults_of(folder))
    assert (fault.row, fault.value) == (4, "3")
    assert "one value per therapist" in fault.rule


def test_therapist_variables_need_therapists(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    variables = VARIABLES + '[variables.ta]\ncolumn = "ta"\nrole = "attachment_anxiety"\nrater = "therapist"\n'
    (fault,) = errors(faults_of(study_folder(with_column("ta", [1, 1, 1, 2, 2, 3, 3]), variables=variables)))
    assert (fault.column, fault.file) == ("ta", "sessions.csv")
    folder = study_folder(data='clients = "c.csv"', variables=variables, files={"c.csv": "id,ta\na,1\nb,2\nc,3\n"})
    (fault,) = errors(faults_of(folder))
    assert fault.file == "c.csv"
    assert 'level = "client"' in fault.remedy


def test_a_therapist_table_without_a_therapist_column(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    folder = study_folder(data='therapists = "t.csv"', files={"t.csv": "th,exp\nx,1\n"})
    (fault,) = errors(faults_of(folder))
    assert 'therapist = "…" to [columns]' in fault.remedy


# --- categories ------------------------------------------------------------------------------------------------------

ARM = '\n[variables.arm]\ncolumn = "arm"\nrole = "arm"\n'


def test_the_control_condition_is_the_reference(study_folder: StudyFolder) -> None:
    text = with_column("arm", ["active"] * 3 + ["TAU"] * 2 + ["active "] * 2)
    study = read_study(study_folder(text, variables=VARIABLES + ARM))
    assert study.variables["arm"].categories == ("TAU", "active")
    assert study.clients["arm"].cat.categories.tolist() == ["TAU", "active"]
    assert 'reference = "TAU"' in warned(study, "reference category was chosen").remedy


def test_a_declared_reference_is_obeyed(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    text = with_column("arm", ["active"] * 3 + ["TAU"] * 2 + ["active"] * 2)
    study = read_study(study_folder(text, variables=VARIABLES + ARM + 'reference = "active"\n'))
    assert study.variables["arm"].categories == ("active", "TAU")
    (fault,) = errors(faults_of(study_folder(text, variables=VARIABLES + ARM + 'reference = "activ"\n')))
    assert fault.remedy.startswith("Did you mean active?")


def test_categories_that_were_not_declared(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    text = with_column("arm", ["active"] * 3 + ["TAU"] * 2 + ["actve"] * 2)
    faults = errors(faults_of(study_folder(text, variables=VARIABLES + ARM + 'categories = ["TAU", "active"]\n')))
    assert [(fault.row, fault.value) for fault in faults] == [(7, "actve"), (8, "actve")]
    assert faults[0].remedy.startswith("Did you mean active?")


def test_categories_that_never_occur(study_folder: StudyFolder) -> None:
    text = with_column("arm", ["active"] * 3 + ["TAU"] * 4)
    study = read_study(study_folder(text, variables=VARIABLES + ARM + 'categories = ["TAU", "active", "wait"]\n'))
    assert study.variables["arm"].categories == ("TAU", "active")
    assert warned(study, "never occurs").value == "wait"


def test_a_numeric_arm_stays_numeric(study_folder: StudyFolder) -> None:
    study = read_study(study_folder(with_column("arm", [1, 1, 1, 0, 0, 1, 1]), variables=VARIABLES + ARM))
    assert study.variables["arm"].categories == ()
    assert study.clients["arm"].tolist() == [1.0, 0.0, 1.0]


# --- the pass as a whole ---------------------------------------------------------------------------------------------


def test_all_faults_come_in_one_pass(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    text = SESSIONS.replace("a,1,4,5", "a,1,9,five").replace("b,1,3", ",1,3") + "c,2,6,7\n"
    folder = study_folder(
        text,
        data='clients = "c.csv"',
        variables=VARIABLES + AGE + '[variables.gone]\ncolumn = "gone"\nrole = "risk"\n',
        files={"c.csv": "id,age\na,30\na,31\nb,x\nc,50\n"},
    )
    found = {(fault.file, fault.row, fault.column) for fault in errors(faults_of(folder))}
    assert found == {
        ("sessions.csv", 2, "safety"),
        ("sessions.csv", 2, "depth"),
        ("sessions.csv", 5, "id"),
        ("sessions.csv", 9, "session"),
        ("sessions.csv", None, "gone"),
        ("c.csv", 3, "id"),
        ("c.csv", 4, "age"),
    }


def test_repeated_faults_are_counted_not_listed(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    lines = ["id,session,safety,depth", *(f"a,{n},8,{n % 5}" for n in range(1, 353))]
    faults = errors(faults_of(study_folder("\n".join(lines))))
    assert len(faults) == SHOWN_ROWS + 1
    assert faults[-1].value == "… and 332 more"


def test_every_table_that_cannot_be_read_is_named(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    folder = study_folder(None, data='clients = "c.csv"\ntherapists = "t.csv"')
    assert {fault.file for fault in faults_of(folder)} == {"sessions.csv", "c.csv", "t.csv"}


def test_faults_as_a_table(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    frame = faults_frame(faults_of(study_folder(SESSIONS.replace("c,1,7,6", "c,1,8,6"))))
    assert tuple(frame.columns) == COLUMNS
    assert frame["row"].tolist()[0] == 7
    assert frame["row"].dtype == "Int64"
    assert tuple(faults_frame(()).columns) == COLUMNS


def test_errors_come_first() -> None:
    faults = Faults()
    faults.add("note", "f", None, "a", None, "r")
    faults.add("error", "f", None, "b", None, "r")
    assert [fault.severity for fault in faults.all()] == ["error", "note"]


def test_the_fingerprint_knows_content_not_order(study_folder: StudyFolder) -> None:
    lines = SESSIONS.strip().split("\n")
    first = read_study(study_folder())
    shuffled = read_study(study_folder("\n".join([lines[0], *reversed(lines[1:])])))
    edited = read_study(study_folder(SESSIONS.replace("c,2,6,7", "c,2,6,6")))
    assert first.fingerprint == shuffled.fingerprint
    assert first.fingerprint != edited.fingerprint
    titled = read_study(study_folder(extra='[study]\ntitle = "Another"\n'))
    assert first.fingerprint != titled.fingerprint


def test_by_role_filters(study_folder: StudyFolder) -> None:
    study = read_study(study_folder())
    assert [variable.name for variable in study.by_role("safety")] == ["safety"]
    assert study.by_role("safety", rater="therapist") == ()
    assert study.by_role("safety", level="client") == ()


# --- cells, by properties --------------------------------------------------------------------------------------------


@given(st.lists(st.one_of(st.none(), st.floats(-1e9, 1e9), st.integers(-(10**6), 10**6))))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_numbers_written_as_text_are_read_back(values: list[float | int | None]) -> None:
    raw = pd.Series(["" if value is None else repr(value) for value in values], dtype="str")
    read = read_numbers(raw, missing_rule(()), ".")
    assert not read.text.any()
    expected = np.array([np.nan if value is None else float(value) for value in values])
    assert np.array_equal(read.values, expected, equal_nan=True)


@given(st.lists(st.text(min_size=1, max_size=8)))
@settings(max_examples=60, deadline=None)
def test_identifiers_are_stable_under_reading_again(names: list[str]) -> None:
    rule = missing_rule(())
    once = read_identifiers(pd.Series(names, dtype="str"), rule).values
    again = read_identifiers(once, rule)
    assert again.values.equals(once)
    assert not again.stray.any()


@given(st.dates())
@settings(max_examples=60, deadline=None)
def test_iso_dates_are_read_back(day: object) -> None:
    read = read_dates(pd.Series([str(day)], dtype="str"), missing_rule(()))
    assert not read.bad.any()
    assert str(read.values.iloc[0].date()) == str(day)
