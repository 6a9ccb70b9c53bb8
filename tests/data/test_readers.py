"""Every format reads to the same study; what was detected is said, what is wrong is named."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from safezone.data.config import DataSection
from safezone.data.errors import Fault, InputError
from safezone.data.raw_table import RawTable
from safezone.data.readers import read_table
from safezone.data.study import Study, read_study

from .conftest import SESSIONS, VARIABLES, StudyFolder

FaultsOf = Callable[[Path], tuple[Fault, ...]]


def table(folder: Path, name: str, content: str | bytes, **options: object) -> RawTable:
    path = folder / name
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    return read_table(path, DataSection.model_validate({"sessions": name} | options), name)


def expected() -> pd.DataFrame:
    lines = [line.split(",") for line in SESSIONS.strip().split("\n")[1:]]
    frame = pd.DataFrame(lines, columns=["id", "session", "safety", "depth"])
    return frame.astype({"session": int, "safety": float, "depth": float})


def same(study: Study) -> bool:
    """Whether a study holds the legal sessions of the fixture."""
    wanted = expected()
    found = study.sessions
    return (
        found["client"].tolist() == wanted["id"].tolist()
        and found["session"].tolist() == wanted["session"].tolist()
        and found["safety"].tolist() == wanted["safety"].tolist()
        and found["depth"].tolist() == wanted["depth"].tolist()
    )


# --- text ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sign", "name", "word"),
    [(";", "s.csv", "semicolon"), ("\t", "s.csv", "tab"), ("|", "s.csv", "bar"), ("\t", "s.tsv", "")],
)
def test_delimiters_are_detected_and_said(tmp_path: Path, sign: str, name: str, word: str) -> None:
    read = table(tmp_path, name, SESSIONS.replace(",", sign))
    assert list(read.frame.columns) == ["id", "session", "safety", "depth"]
    assert read.frame["depth"].tolist() == ["5", "6", "5", "4", "3", "6", "7"]
    notes = [fault for fault in read.faults if "delimiter" in fault.rule]
    assert [word in note.rule for note in notes] == ([True] if word else [])


def test_declared_delimiter_is_obeyed(tmp_path: Path) -> None:
    read = table(tmp_path, "s.csv", "id;n;text\na;1;x,y,z\n", delimiter=";")
    assert read.frame["text"].tolist() == ["x,y,z"]
    assert read.faults == ()


def test_a_declared_delimiter_that_does_not_occur(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    faults = faults_of(study_folder(SESSIONS.replace(",", ";"), data='delimiter = ","'))
    fault = faults[0]
    assert (fault.row, fault.value) == (1, "comma")
    assert "semicolon" in fault.remedy


def test_excel_announces_its_delimiter(tmp_path: Path) -> None:
    read = table(tmp_path, "s.csv", "sep=;\r\nid;n\r\na;1\r\nb;2\r\n")
    assert read.rows.tolist() == [3, 4]
    assert read.frame["n"].tolist() == ["1", "2"]


def test_decimal_comma_is_detected_and_said(study_folder: StudyFolder) -> None:
    text = SESSIONS.replace(",", ";").replace("a;1;4;5", "a;1;4,5;5")
    study = read_study(study_folder(text))
    assert study.sessions["safety"].iloc[0] == 4.5
    assert any("decimal sign was detected: comma" in fault.rule for fault in study.faults)


def test_decimal_comma_in_quotes(study_folder: StudyFolder) -> None:
    study = read_study(study_folder(SESSIONS.replace("a,1,4,5", 'a,1,"4,5",5'), data='decimal = ","'))
    assert study.sessions["safety"].iloc[0] == 4.5


def test_point_under_a_declared_decimal_comma_is_text(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    faults = faults_of(study_folder(SESSIONS.replace("a,1,4,5", "a,1,1.234,5"), data='decimal = ","'))
    assert [(fault.row, fault.value) for fault in faults if fault.severity == "error"] == [(2, "1.234")]


def test_mixed_decimal_signs_are_warned_of(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    text = SESSIONS.replace(",", ";").replace("a;1;4;5", "a;1;4,5;5").replace("a;2;5;6", "a;2;5.5;6")
    faults = faults_of(study_folder(text))
    assert any(fault.value == "1 cell with a comma, 1 with a point" for fault in faults)
    (error,) = [fault for fault in faults if fault.severity == "error"]
    assert (error.row, error.column, error.value) == (2, "safety", "4,5")
    assert 'decimal = ","' in error.remedy


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252", "utf-16-le"])
def test_encodings_are_detected(tmp_path: Path, encoding: str) -> None:
    read = table(tmp_path, "s.csv", "id,Gefühl\nZoë,3\nJürgen,4\n".encode(encoding))
    assert list(read.frame.columns) == ["id", "Gefühl"]
    assert read.frame["id"].tolist() == ["Zoë", "Jürgen"]
    said = any("not UTF-8" in fault.rule for fault in read.faults)
    assert said == (encoding not in {"utf-8", "utf-8-sig"})


def test_latin_1_beyond_cp1252(tmp_path: Path) -> None:
    read = table(tmp_path, "s.csv", b"id,x\nZo\xeb\x81,3\n")  # 0x81 does not exist in cp1252
    assert any("latin-1" in fault.rule for fault in read.faults)


def test_wrong_declared_encoding_names_row_and_the_likely_one(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    (fault,) = faults_of(study_folder(SESSIONS.replace("b,2", "bö,2").encode("cp1252"), data='encoding = "utf-8"'))
    assert (fault.file, fault.row, fault.value) == ("sessions.csv", 6, "byte 0xf6")
    assert 'encoding = "cp1252"' in fault.remedy


def test_a_byte_order_mark_does_not_hide_the_first_column(study_folder: StudyFolder) -> None:
    assert same(read_study(study_folder(SESSIONS.encode("utf-8-sig"))))
    assert same(read_study(study_folder(SESSIONS.encode("utf-8-sig"), data='encoding = "utf-8"')))


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
def test_line_ends_of_every_system(study_folder: StudyFolder, end: str) -> None:
    assert same(read_study(study_folder(SESSIONS.replace("\n", end).encode())))


def test_row_numbers_survive_blank_lines_and_line_breaks_in_cells(tmp_path: Path) -> None:
    read = table(tmp_path, "s.csv", 'id,n,text\n\na,1,"two\nlines"\n,,\nb,2,x\n\n')
    assert read.frame["id"].tolist() == ["a", "b"]
    # a record with a line break is one row of a spreadsheet; the blank line and the empty record count
    assert read.rows.tolist() == [3, 5]


def test_ragged_rows_are_named(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    faults = faults_of(study_folder(SESSIONS.replace("a,3,6,5", "a,3,6,5,9").replace("c,1,7,6", "c,1,7")))
    ragged = [fault for fault in faults if "as many cells" in fault.rule]
    assert [(fault.row, fault.value) for fault in ragged] == [(4, "5 cells"), (7, "3 cells")]


def test_an_open_quote_is_an_error(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    faults = faults_of(study_folder(SESSIONS.replace("a,3,6,5", 'a,3,"6,5')))
    assert any(fault.severity == "error" and fault.file == "sessions.csv" for fault in faults)


def test_second_header_row(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    text = SESSIONS.replace("a,1,4,5", "Who,When,How safe,How deep\na,1,4,5")
    faults = faults_of(study_folder(text))
    (fault,) = [fault for fault in faults if "second header row" in fault.rule]
    assert (fault.row, fault.value) == (2, "in columns session, safety, depth")


# --- missing, empty, duplicate ---------------------------------------------------------------------------------------


def test_missing_file_suggests_the_nearest(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    (fault,) = faults_of(study_folder(None, files={"session.csv": SESSIONS}))
    assert (fault.file, fault.rule) == ("sessions.csv", "The file does not exist.")
    assert "Did you mean session.csv?" in fault.remedy


def test_empty_file(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    (fault,) = faults_of(study_folder(""))
    assert (fault.file, fault.rule, fault.value) == ("sessions.csv", "The file is empty.", "0 bytes")


def test_blank_file(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    assert faults_of(study_folder("\n \n\n"))[0].rule == "The file is empty."


def test_header_only(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    for text in ("id,session,safety,depth\n", "id,session,safety,depth"):
        (fault,) = faults_of(study_folder(text))
        assert (fault.rule, fault.value) == ("The file has a header but no rows of data.", "0 rows")


def test_duplicate_column(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    text = SESSIONS.replace("id,session,safety,depth", "id,session,safety,safety ")
    (fault,) = [f for f in faults_of(study_folder(text)) if f.column == "safety" and f.severity == "error"]
    assert (fault.file, fault.row, fault.rule) == ("sessions.csv", 1, "Two columns have the same name.")
    assert fault.value == "columns 3 and 4"


def test_unknown_ending(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    folder = study_folder(None, head='[data]\nsessions = "sessions.rds"\n', files={"sessions.rds": "x"})
    (fault,) = faults_of(folder)
    assert fault.value == ".rds"
    assert ".parquet" in fault.remedy


def test_stray_blanks_around_column_names_are_noted(study_folder: StudyFolder) -> None:
    study = read_study(study_folder(SESSIONS.replace("safety,depth", " safety ,depth\u200b")))
    assert same(study)
    assert any(fault.column == "safety, depth" and fault.severity == "note" for fault in study.faults)


# --- other formats ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["s.parquet", "s.feather"])
def test_arrow_formats(study_folder: StudyFolder, name: str) -> None:
    folder = study_folder(None, head=f'[data]\nsessions = "{name}"\n')
    frame = expected().assign(id=lambda t: t["id"].astype("category"))
    (frame.to_parquet if name.endswith("parquet") else frame.to_feather)(folder / name)
    study = read_study(folder)
    assert same(study)
    assert study.sessions["row"].tolist() == list(range(2, 9))


@pytest.mark.parametrize("name", ["s.parquet", "s.feather", "s.xlsx", "s.sav", "s.dta"])
def test_a_damaged_file_is_an_error_that_names_it(study_folder: StudyFolder, faults_of: FaultsOf, name: str) -> None:
    folder = study_folder(None, head=f'[data]\nsessions = "{name}"\n', files={name: "this is no such file at all" * 20})
    (fault,) = faults_of(folder)
    assert (fault.file, fault.severity) == (name, "error")
    assert "cannot be read" in fault.rule


def workbook(path: Path, sheets: dict[str, list[list[object]]], merge: str | None = None) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
        if merge:
            sheet.merge_cells(merge)
    book.save(path)


ROWS: list[list[object]] = [
    ["id", "session", "safety", "depth"],
    *[[a, b, c, d] for a, b, c, d in expected().to_numpy()],
]


def test_excel(study_folder: StudyFolder) -> None:
    folder = study_folder(None, head='[data]\nsessions = "s.xlsx"\n')
    workbook(folder / "s.xlsx", {"Sheet1": ROWS})
    assert same(read_study(folder))


def test_excel_sheets_are_chosen_by_name_or_number(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    folder = study_folder(None, head='[data]\nsessions = "s.xlsx"\nsheet = "Ratings"\n')
    workbook(folder / "s.xlsx", {"Info": [["x"], [1]], "Ratings": ROWS})
    assert same(read_study(folder))
    folder = study_folder(None, head='[data]\nsessions = "s.xlsx"\nsheet = 2\n')
    assert same(read_study(folder))
    folder = study_folder(None, head='[data]\nsessions = "s.xlsx"\nsheet = "Rating"\n')
    (fault,) = faults_of(folder)
    assert fault.remedy == "Did you mean Ratings? Valid: Info, Ratings."
    folder = study_folder(None, head='[data]\nsessions = "s.xlsx"\nsheet = 3\n')
    assert faults_of(folder)[0].value == "3"


def test_one_workbook_with_a_sheet_per_table(study_folder: StudyFolder) -> None:
    head = '[data]\nsessions = "s.xlsx#Ratings"\nclients = "s.xlsx#People"\n'
    age = '[variables.age]\ncolumn = "age"\nrole = "covariate"\n'
    folder = study_folder(None, head=head, variables=VARIABLES + age)
    workbook(folder / "s.xlsx", {"People": [["id", "age"], ["a", 30], ["b", 40], ["c", 50]], "Ratings": ROWS})
    study = read_study(folder)
    assert same(study)
    assert study.clients["age"].tolist() == [30, 40, 50]


def test_excel_says_which_of_several_sheets_was_read(study_folder: StudyFolder) -> None:
    folder = study_folder(None, head='[data]\nsessions = "s.xlsx"\n')
    workbook(folder / "s.xlsx", {"Ratings": ROWS, "Info": [["x"], [1]]})
    assert any("the first was read: Ratings" in fault.rule for fault in read_study(folder).faults)


def test_excel_dates(study_folder: StudyFolder) -> None:
    folder = study_folder(None, head='[data]\nsessions = "s.xlsx"\n', columns='date = "day"')
    days: list[object] = [
        "day",
        *(pd.Timestamp("2024-05-01").to_pydatetime() + dt.timedelta(days=7 * k) for k in range(7)),
    ]
    workbook(folder / "s.xlsx", {"Sheet1": [[*row, day] for row, day in zip(ROWS, days, strict=True)]})
    study = read_study(folder)
    assert study.sessions["date"].iloc[1] == pd.Timestamp("2024-05-08")


def test_excel_day_numbers_are_dates_and_said(study_folder: StudyFolder) -> None:
    lines = SESSIONS.strip().split("\n")
    text = "\n".join([lines[0] + ",day", *(f"{line},{45413 + 7 * k}" for k, line in enumerate(lines[1:]))])
    study = read_study(study_folder(text, columns='date = "day"'))
    assert study.sessions["date"].iloc[0] == pd.Timestamp("2024-05-01")  # 45413 in Excel
    assert any("day numbers of Excel" in fault.rule for fault in study.faults)


def test_excel_merged_header(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    folder = study_folder(None, head='[data]\nsessions = "s.xlsx"\n')
    workbook(folder / "s.xlsx", {"S": [["", "", "Ratings", ""], *ROWS]}, merge="C1:D1")
    faults = faults_of(folder)
    (fault,) = [fault for fault in faults if "merged" in fault.rule]
    assert (fault.file, fault.row, fault.value) == ("s.xlsx", 1, "C1:D1")
    assert "Unmerge" in fault.remedy


def test_excel_title_above_the_header(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    folder = study_folder(None, head='[data]\nsessions = "s.xlsx"\n')
    workbook(folder / "s.xlsx", {"S": [["The Harbour trial", None, None, None], [], *ROWS]})
    faults = faults_of(folder)
    assert any(fault.value == "3 of 4 columns have no name" for fault in faults)


def test_excel_two_header_rows(study_folder: StudyFolder, faults_of: FaultsOf) -> None:
    folder = study_folder(None, head='[data]\nsessions = "s.xlsx"\n')
    workbook(folder / "s.xlsx", {"S": [ROWS[0], ["Who", "When", "How safe?", "How deep?"], *ROWS[1:]]})
    assert any("second header row" in fault.rule and fault.row == 2 for fault in faults_of(folder))


def test_excel_rows_keep_their_numbers(study_folder: StudyFolder) -> None:
    folder = study_folder(None, head='[data]\nsessions = "s.xlsx"\n')
    workbook(folder / "s.xlsx", {"S": [[], *ROWS[:3], [], *ROWS[3:]]})
    assert read_study(folder).sessions["row"].tolist() == [3, 4, 6, 7, 8, 9, 10]


def test_spss_labels_and_user_missing(study_folder: StudyFolder) -> None:
    import pyreadstat

    frame = expected().assign(arm=[1.0, 1, 1, 0, 0, 1, 1])
    frame.loc[2, "safety"] = 99.0
    arm = '[variables.arm]\ncolumn = "arm"\nrole = "arm"\n'
    folder = study_folder(None, head='[data]\nsessions = "s.sav"\n', variables=VARIABLES + arm)
    pyreadstat.write_sav(
        frame,
        str(folder / "s.sav"),
        column_labels={"safety": "How safe did you feel?"},
        variable_value_labels={"arm": {0: "Usual care", 1: "Active"}, "safety": {99: "refused"}},
        missing_ranges={"safety": [99]},
    )
    study = read_study(folder)
    assert np.isnan(study.sessions["safety"].iloc[2])
    assert any("SPSS declares 99 as missing" in fault.rule and fault.value == "1 cell" for fault in study.faults)
    assert study.variables["safety"].label == "How safe did you feel?"
    assert study.variables["arm"].categories == ("Usual care", "Active")  # the reference is the control condition
    assert study.clients["arm"].tolist() == ["Active", "Usual care", "Active"]


def test_stata_labels_and_missing(study_folder: StudyFolder) -> None:
    import pyreadstat

    frame = expected().assign(arm=[1, 1, 1, 2, 2, 1, 1])
    frame.loc[2, "safety"] = np.nan
    arm = '[variables.arm]\ncolumn = "arm"\nrole = "arm"\nreference = "TAU"\n'
    folder = study_folder(None, head='[data]\nsessions = "s.dta"\n', variables=VARIABLES + arm)
    pyreadstat.write_dta(frame, str(folder / "s.dta"), variable_value_labels={"arm": {1: "CBT", 2: "TAU"}})
    study = read_study(folder)
    assert study.sessions["safety"].isna().sum() == 1
    assert study.variables["arm"].categories == ("TAU", "CBT")


# --- names, places, size ---------------------------------------------------------------------------------------------


def test_right_to_left_and_accented_names(study_folder: StudyFolder) -> None:
    text = SESSIONS.replace("safety", "بِأمان").replace("a,", "דנה,").replace("b,", "Zoe\u0308,").replace("c,", "王,")
    variables = VARIABLES.replace('column = "safety"', 'column = "بِأمان"').replace(
        "[variables.safety]", '[variables."أمان"]'
    )
    study = read_study(study_folder(text, variables=variables, name="מחקר ב"))
    assert sorted(study.clients.index) == sorted(["דנה", "Zoë", "王"])  # the e with diaeresis is composed
    assert study.sessions["أمان"].sum() == 33


def test_a_path_with_blanks(study_folder: StudyFolder) -> None:
    folder = study_folder(None, head='[data]\nsessions = "my data/all sessions.csv"\n', name="my study (v 2)")
    (folder / "my data").mkdir()
    (folder / "my data" / "all sessions.csv").write_text(SESSIONS, encoding="utf-8")
    assert same(read_study(folder))


def test_absolute_paths_never_appear_in_messages(
    study_folder: StudyFolder, faults_of: FaultsOf, tmp_path: Path
) -> None:
    folder = study_folder(None, head=f'[data]\nsessions = "{tmp_path / "gone.csv"}"\n')
    (fault,) = faults_of(folder)
    assert fault.file == "gone.csv"
    assert str(tmp_path) not in str(fault)


def test_a_million_rows(study_folder: StudyFolder) -> None:
    clients, sessions = 50_000, 20
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "id": np.repeat(np.arange(clients), sessions),
            "session": np.tile(np.arange(1, sessions + 1), clients),
            "safety": rng.integers(1, 8, clients * sessions),
            "depth": rng.normal(5, 1, clients * sessions).round(3),
        }
    )
    folder = study_folder(None)
    frame.to_csv(folder / "sessions.csv", index=False)
    study = read_study(folder)
    assert len(study.sessions) == 1_000_000
    assert len(study.clients) == clients
    assert study.sessions["safety"].sum() == frame["safety"].sum()


@pytest.mark.parametrize(
    ("file", "client", "session", "variables", "rows", "clients"),
    [
        ("cbasp_sessions.csv", "PatID", "sessionN", {"mood": "symptoms"}, 5517, 256),
        ("riesby.csv", "id", "week", {"hamd": "symptoms", "endog": "covariate"}, 396, 66),
        ("alcohol_use_1.csv", "id", "age", {"alcohol_use": "process", "child_of_alcoholic": "moderator"}, 246, 82),
        (
            "depression_unemployment.csv",
            "id",
            "interview",
            {"depression": "symptoms", "unemployed": "covariate"},
            674,
            254,
        ),
        ("acipair.csv", "CoupleID", "Partnum", {"Satisfaction_A": "process", "Gender_A": "covariate"}, 296, 148),
    ],
)
def test_real_data(
    shared: Path,
    study_folder: StudyFolder,
    file: str,
    client: str,
    session: str,
    variables: dict[str, str],
    rows: int,
    clients: int,
) -> None:
    declared = "".join(f'[variables.{name}]\ncolumn = "{name}"\nrole = "{role}"\n' for name, role in variables.items())
    folder = study_folder(None)
    text = f'[data]\nsessions = "{shared / "data" / file}"\n[columns]\nclient = "{client}"\n'
    text += f'session = "{session}"\n{declared}'
    (folder / "study.toml").write_text(text, encoding="utf-8")
    study = read_study(folder)
    assert (len(study.sessions), len(study.clients)) == (rows, clients)
    # published numbers of ratings: 375 of 396 in riesby
    if file == "riesby.csv":
        assert study.sessions["hamd"].notna().sum() == 375
        assert study.variables["endog"].level == "client"
    if file == "depression_unemployment.csv":
        assert study.variables["unemployed"].level == "session"  # unemployment varies over time
    if file == "acipair.csv":
        assert study.variables["Gender_A"].categories == ("Husband", "Wife")  # blanks around the words are gone


def test_the_bundled_example(example_study: Path) -> None:
    study = read_study(example_study)
    assert study.config.study.simulated
    assert study.has_therapists
    assert not [fault for fault in study.faults if fault.severity == "error"]
    assert study.sessions["safety"].dropna().between(1, 7).all()
    assert (len(study.clients), study.sessions["client"].nunique()) == (84, 80)  # four never came


def test_reading_raises_only_input_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        read_study(tmp_path / "nowhere" / "study.toml")
