"""The registry of principles: complete, consistent with the contract, and honest about what a study lacks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from safezone.analysis.principles import LANGUAGES, find, principles, sign, slot_names, slots
from safezone.analysis.questions import agenda
from safezone.data.config import Level, ModelSection, Rater, Role
from safezone.data.errors import InputError
from safezone.data.examples import copy_example
from safezone.data.study import read_study
from safezone.models.catalogue import CATALOGUE, plan

# Every row of the contract (design document 3), in its order.
ROWS = [
    *("T1", "T2a", "T2b", "T2c", "T3a", "T3b", "T-c"),
    *("R1", "R2", "R3", "R4a", "R4b", "R4c", "R-c"),
    *("C1", "C2", "C3a", "C3b", "C4", "C5", "C-c"),
    *(f"X{n}" for n in range(1, 10)),
]
# Every cell of table 1 of Podolan & Gelo (2024), by its first words.
CELLS = {
    "therapist": (
        "Therapist's effects exceed treatment effects",
        "Personality safety features",
        "The therapist's actual safety is a precondition",
        "Consequences",
    ),
    "relationship": (
        "Securing the client's survival and establishing trust",
        "Facilitating healing and restoration",
        "Passing the client's safety tests",
        "Forming an alliance and reaching an agreement on goals and tasks",
        "Consequences",
    ),
    "client": (
        "Promoting exploration",
        "Tolerating and sustaining risk-taking",
        "Managing the risks and navigating the balance between safety and danger",
        "Consolidating new experiences",
        "Maintaining new patterns",
        "Consequences",
    ),
}
# The catalogue as the design names it; some of it is still to come.
KINDS = {
    *("variance", "growth", "within_between", "chain", "dyad", "congruence", "dynamics", "location_scale", "optimum"),
    *("ordinal", "final", "dropout", "events", "phases", "synchrony", "evidence"),
}


@pytest.fixture(scope="module")
def harbour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_example("harbour", tmp_path_factory.mktemp("harbour"))


def without(study_file: Path, folder: Path, *names: str, therapist: bool = True) -> Path:
    """Copy a study and leave out variables, or the therapists."""
    text = study_file.read_text(encoding="utf-8")
    text = text.partition("\n[models.")[0] + "\n"
    for name in names:
        text, cut = re.subn(rf"\[variables\.{name}\].*?(?=\n\[|\Z)", "", text, count=1, flags=re.DOTALL)
        assert cut == 1, name
    if not therapist:
        text = text.replace('therapist = "therapist"\n', "").replace('therapists = "therapists.csv"', "#")
    for file in study_file.parent.glob("*.csv"):
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "study.toml").write_text(text, encoding="utf-8")
    return folder / "study.toml"


def asked(study_file: Path):
    study = read_study(study_file)
    return {(question.principle.id, question.test.part): question for question in agenda(study, plan(study)).questions}


# --- the registry -----------------------------------------------------------------------------------


def test_every_row_of_the_contract_is_there():
    assert [row.id for row in principles()] == ROWS


@pytest.mark.parametrize("column", CELLS)
def test_every_cell_of_table_1_has_a_row(column):
    assert {row.cell for row in principles() if row.column == column} == set(CELLS[column])


@pytest.mark.parametrize("row", principles(), ids=lambda row: row.id)
def test_a_row_asks_for_what_exists(row):
    for test in row.tests:
        assert set(test.needs) <= set(slots())
        named = {slot for words in test.words.values() for slot in slot_names(words)} | set(test.orient)
        named |= {slot for contrast in test.estimands for name in contrast for slot in slot_names(name)}
        assert named <= set(test.needs), f"{named - set(test.needs)} is named and not needed"
        assert test.kind in KINDS
        assert test.direction in (-1, 0, 1)
        assert test.smallest >= 0
        assert not (test.bounded and test.direction != 1), "what cannot be negative has one direction"
    assert any(not test.supporting for test in row.tests), "a row needs a part that its verdict rests on"
    for words in (row.statement, row.against, row.causal, *(test.words for test in row.tests)):
        assert all(words[language].strip() for language in LANGUAGES)


def test_slots_name_roles_raters_and_levels_of_the_study_file():
    for slot in slots().values():
        assert slot.column == "therapist" or slot.roles
        assert set(slot.roles) <= {role for group in get_args(Role) for role in (get_args(group) or (group,))}
        assert slot.rater is None or slot.rater in get_args(Rater)
        assert slot.level is None or slot.level in get_args(Level)


def test_words_claim_no_more_than_an_association():
    said = [text for row in principles() for words in (row.statement, row.against) for text in words.values()]
    said += [text for row in principles() for test in row.tests for text in test.words.values()]
    banned = re.compile(r"signific|signifik|confidence|Konfidenz|\bcauses?\b|verursach", re.IGNORECASE)
    assert not [text for text in said if banned.search(text)]


# --- one study ---------------------------------------------------------------------------------------


def test_a_row_is_open_only_for_a_stated_reason(harbour):
    """With every role there, what is left open is a model or option that is still to come, or a role that is absent."""
    kinds = {model.kind for model in CATALOGUE}
    for (row, part), question in asked(harbour).items():
        if question.obstacle is None:
            assert question.model is not None, (row, part)
            assert question.estimand, (row, part)
            continue
        assert question.obstacle.kind in ("needs", "model", "option"), (row, part, question.obstacle)
        if question.obstacle.kind == "model":
            assert question.obstacle.detail not in kinds
        if question.obstacle.kind == "option":
            assert question.test.options.keys() - ModelSection.model_fields.keys()


def test_every_estimand_of_a_model_that_exists_is_one_that_it_has(harbour):
    """The agenda offers a question only with an estimand of the built design; so no part fails for its name."""
    open_ones = {key: question.obstacle for key, question in asked(harbour).items() if question.obstacle is not None}
    assert not {key: obstacle for key, obstacle in open_ones.items() if obstacle.kind in ("estimand", "data")}


def test_the_studys_own_model_answers_where_it_asks_the_same(harbour):
    questions = asked(harbour)
    assert questions["X2", "trait"].model == "safety_shares"
    # `depth` has a second predictor, so its slope is another quantity: the row gets a model of its own.
    assert questions["C1", "same session"].model == "theory_within_between_exploration_safety"


@pytest.mark.parametrize(
    ("row", "outcome", "source", "by"),
    [("T3b", "post_session", "alliance", "therapist_safety"), ("C2", "post_session", "exploration", "safety")],
)
def test_a_row_of_two_ratings_that_act_together_gets_a_model_with_their_interaction(harbour, row, outcome, source, by):
    question = asked(harbour)[row, ""]
    assert question.obstacle is None
    assert question.model == f"theory_within_between_{outcome}_{source}_{by}_{source}_by_{by}"
    assert question.estimand == {f"{source}.within:{by}.within": 1.0}


def test_a_model_without_the_interaction_asks_something_else(harbour, tmp_path):
    for file in harbour.parent.glob("*.csv"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    text = harbour.read_text(encoding="utf-8")
    table = (
        'kind = "within_between"\noutcome = "post_session"\npredictors = ["exploration", "safety"]\ntime = "linear"\n'
    )
    own = f'\n[models.plain]\n{table}\n[models.acting]\n{table}interactions = ["exploration:safety"]\n'
    (tmp_path / "study.toml").write_text(text + own, encoding="utf-8")
    assert asked(tmp_path / "study.toml")["C2", ""].model == "acting"
    (tmp_path / "study.toml").write_text(text + own.partition("[models.acting]")[0], encoding="utf-8")
    assert asked(tmp_path / "study.toml")["C2", ""].model.startswith("theory_")


def test_without_risk_or_exploration_the_row_of_risk_taking_names_the_role(harbour, tmp_path):
    question = asked(without(harbour, tmp_path, "exploration"))["C2", ""]
    assert question.obstacle is not None
    assert question.obstacle.kind == "needs"
    assert [slot.name for slot in question.missing] == ["risk"]


def test_a_study_may_say_which_of_its_models_answers_a_row(harbour, tmp_path):
    for file in harbour.parent.glob("*.csv"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    text = harbour.read_text(encoding="utf-8").partition("[principles]")[0]
    (tmp_path / "study.toml").write_text(text + '[principles]\nmodels = {C1 = "depth"}\n', encoding="utf-8")
    assert asked(tmp_path / "study.toml")["C1", "same session"].model == "depth"


def test_an_unknown_row_in_the_settings_is_refused_with_the_nearest(harbour, tmp_path):
    for file in harbour.parent.glob("*.csv"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    text = harbour.read_text(encoding="utf-8").partition("[principles]")[0]
    (tmp_path / "study.toml").write_text(text + "[principles]\nsmallest = {R4d = 0.2}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"principles\.smallest.*R4"):
        asked(tmp_path / "study.toml")


def test_without_the_therapists_ratings_dyadic_rows_name_the_role(harbour, tmp_path):
    questions = asked(without(harbour, tmp_path, "therapist_safety"))
    for row in ("T3a", "T3b", "T-c", "R4c", "R-c", "X3"):
        found = [question for (name, _), question in questions.items() if name == row]
        assert all(question.obstacle is not None and question.obstacle.kind == "needs" for question in found), row
        missing = {slot.code for question in found for slot in question.missing}
        assert missing & {"safety@therapist/session", "alliance@therapist/session"}, row


def test_without_therapists_their_rows_name_the_column(harbour, tmp_path):
    names = ("therapist_anxiety", "therapist_avoidance", "experience")
    questions = asked(without(harbour, tmp_path, *names, therapist=False))
    for row in ("T1", "T2a", "T2b", "T2c"):
        question = next(question for (name, _), question in questions.items() if name == row)
        assert "column therapist" in [slot.code for slot in question.missing]
    assert questions["C1", "same session"].obstacle is None


def test_with_one_outcome_only_rows_of_other_outcomes_name_the_role(harbour, tmp_path):
    questions = asked(without(harbour, tmp_path, "post_session", "final", "exploration", "alliance"))
    assert [slot.code for slot in questions["X7", "session"].missing] == ["post_session/session"]
    assert [slot.code for slot in questions["X7", "therapy"].missing] == ["final_outcome/client"]
    assert [slot.code for slot in questions["C1", "same session"].missing] == ["exploration/session"]
    # Symptoms stand in where any outcome of the session will do.
    assert questions["T1", ""].names["outcome"] == "symptoms"


def test_a_rating_of_which_lower_is_better_turns_the_expected_sign(harbour):
    study = read_study(harbour)
    rows = {row.id: row for row in principles()}
    names = {"alliance": "alliance", "outcome": "symptoms"}
    assert sign(study, rows["R4b"].tests[0], names) == -1
    assert sign(study, rows["R4b"].tests[0], {"alliance": "alliance", "outcome": "post_session"}) == 1
    assert sign(study, rows["X4"].tests[0], {"anxiety": "anxiety", "safety": "safety"}) == -1


def test_attachment_anxiety_is_worse_when_higher_even_where_the_file_does_not_say(harbour, tmp_path):
    for file in harbour.parent.glob("*.csv"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    text = harbour.read_text(encoding="utf-8")
    head, marker, tail = text.partition("[variables.anxiety]")
    (tmp_path / "study.toml").write_text(head + marker + tail.replace('better = "lower"\n', "", 1), encoding="utf-8")
    study = read_study(tmp_path / "study.toml")
    row = next(row for row in principles() if row.id == "X4")
    assert sign(study, row.tests[0], {"anxiety": "anxiety", "safety": "safety"}) == -1


def test_the_clients_own_rating_is_meant_where_a_row_leaves_the_rater_open(harbour):
    study = read_study(harbour)
    assert find(study, slots()["exploration"]) == "exploration"
    assert find(study, slots()["therapist_safety"]) == "therapist_safety"
    assert find(study, slots()["second_safety"]) is None
