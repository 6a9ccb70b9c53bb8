"""The paths of a chain: what each text means, and what each wrong one is told."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from safezone.data.config import ModelSection
from safezone.data.errors import Fault, InputError
from safezone.data.path_text import read_path
from safezone.data.study import Study
from safezone.data.study_lines import line_of
from safezone.models.arrows import Arrow, names_in, read_arrows

from . import small

ROLES = {
    "safety": "safety", "alliance": "alliance", "depth": "exploration", "mood": "post_session", "rupture": "rupture",
    "stage": "process", "anxiety": "attachment_anxiety", "baseline": "baseline", "arm": "arm", "age": "covariate",
    "final": "final_outcome", "followup": "final_outcome", "remission": "final_outcome", "verdict": "final_outcome",
    "visits": "final_outcome", "t_anxiety": "attachment_anxiety",
}  # fmt: skip
FAMILIES = {"rupture": "bernoulli", "remission": "bernoulli", "visits": "negative_binomial"}


def trial() -> Study:
    """Return a study with every kind of variable that a path can name; its values play no part here."""
    n, people = 12, [f"c{i}" for i in range(4)]
    numbers = np.arange(n, dtype=float)
    sessions = pd.DataFrame(
        {"client": np.repeat(people, 3), "session": np.tile([1, 2, 3], 4), "therapist": np.repeat(["t1", "t2"], 6)}
        | dict.fromkeys(("safety", "alliance", "depth", "mood", "rupture"), numbers)
        | {"stage": pd.Categorical(np.tile(["guarded", "open", "deep"], 4))}
    )
    clients = pd.DataFrame(
        dict.fromkeys(("anxiety", "baseline", "age", "final", "followup", "remission", "visits"), numbers[:4])
        | {"arm": pd.Categorical(["usual", "active"] * 2), "verdict": pd.Categorical(["a", "b", "c", "a"])},
        index=pd.Index(people, name="client"),
    )
    therapists = pd.DataFrame({"t_anxiety": [1.0, 2.0]}, index=pd.Index(["t1", "t2"], name="therapist"))
    return small.study(sessions, clients, therapists, roles=ROLES, families=FAMILIES)


def written(folder: Path, model: str) -> tuple[Study, ModelSection]:
    """Write the text of ``[models.chain]`` to a study file and return both."""
    file = folder / "study.toml"
    file.write_text(f"[study]\n\n[models.chain]\n{model}\n", encoding="utf-8")
    options = ModelSection.model_validate(tomllib.loads(file.read_text(encoding="utf-8"))["models"]["chain"])
    return replace(trial(), path=file), options


def faults_of(folder: Path, model: str) -> tuple[Fault, ...]:
    study, options = written(folder, model)
    with pytest.raises(InputError) as caught:
        read_arrows(study, "chain", options)
    return caught.value.faults


CHAIN = {
    "session": ("safety->alliance", "alliance -> depth->mood", "lag(safety) -> depth", "lag( depth )->depth"),
    "client": ("anxiety, baseline -> safety", "safety, safety:time -> final -> followup", "arm, baseline -> final"),
    "therapist": ("t_anxiety -> safety", "safety -> alliance, final"),
    "random_slopes": ("safety -> alliance", "mood"),
    "final": "final",
}


def test_texts_become_arrows_in_the_order_of_writing() -> None:
    arrows = read_arrows(trial(), "chain", ModelSection(**CHAIN))
    assert arrows.session == (
        Arrow("session", "safety", "alliance", random=True),
        Arrow("session", "alliance", "depth"),
        Arrow("session", "depth", "mood"),
        Arrow("session", "safety", "depth", lag=1),
        Arrow("session", "depth", "depth", lag=1),
    )
    assert [a.text for a in arrows.client] == [
        "anxiety->safety", "baseline->safety", "safety->final", "safety:time->final", "final->followup", "arm->final",
        "baseline->final",
    ]  # fmt: skip
    assert [a.text for a in arrows.client if a.trend] == ["safety:time->final"]
    assert [a.text for a in arrows.therapist] == ["t_anxiety->safety", "safety->alliance", "safety->final"]
    assert arrows.session[3].text == "lag(safety)->depth"


def test_each_variable_plays_its_part() -> None:
    arrows = read_arrows(trial(), "chain", ModelSection(**CHAIN))
    assert arrows.responses == ("safety", "alliance", "depth", "mood")
    assert arrows.outcomes == ("final", "followup")
    assert arrows.covariates == ("anxiety", "baseline", "arm", "t_anxiety")


def test_causes_come_before_consequences_whatever_the_order_of_writing() -> None:
    options = ModelSection(
        session=("depth -> mood", "safety -> depth", "lag(mood) -> safety"),
        client=("followup -> final", "alliance -> followup", "mood -> safety"),
    )
    arrows = read_arrows(trial(), "chain", options)
    # within a session: safety, depth, mood; the lagged path back makes no cycle, nor does the client level's order
    assert arrows.responses == ("safety", "depth", "mood", "alliance")
    assert arrows.outcomes == ("followup", "final")


def test_final_outcomes_may_be_binary_or_ordinal() -> None:
    options = ModelSection(client=("safety -> remission", "safety -> verdict"), final="verdict", family="ordinal")
    assert read_arrows(trial(), "chain", options).outcomes == ("remission", "verdict")


def test_names_are_read_without_checking() -> None:
    options = ModelSection(
        session=("saftey -> alliance", "lag(log(depth)) -> mood"), client=("arm => final",), random_slopes=("time",)
    )
    assert names_in(options) == ("saftey", "alliance", "mood", "arm", "final")


# One line of the study file each: text, a part of the rule, a part of the remedy.
SESSION = [
    ("safety", "this text has no arrow", '"safety -> …" or "… -> safety"'),
    ("", "is empty", 'Write "safety -> alliance", or remove it'),
    ("safety => alliance", "written ->, not =>", 'Write "safety -> alliance"'),
    ("safety —> alliance", "written ->, not —>", 'Write "safety -> alliance"'),
    ("safety → alliance → depth", "written ->, not →", 'Write "safety -> alliance -> depth"'),
    ("safety --> alliance", "written ->, not -->", 'Write "safety -> alliance"'),
    ("safety > alliance", "written ->, not >", 'Write "safety -> alliance"'),
    ("alliance <- safety", "written ->, not <-", 'Write "safety -> alliance"'),
    ("safety -> depth <- alliance", "written ->, not <-", '"safety -> depth" and "alliance -> depth"'),
    ("alliance ~ safety + depth", "written ->, not ~", 'Write "safety, depth -> alliance"'),
    ("safety <-> alliance", "has none or two", '"safety -> alliance" or "alliance -> safety"'),
    ("-> alliance", "the source is missing", 'Write "… -> alliance"'),
    ("safety ->", "the target is missing", 'Write "safety -> …"'),
    ("safety -> -> depth", "between two arrows", 'Write "safety -> depth"'),
    ("safety, -> depth", "comma stands between", 'Write "safety"'),
    ("saftey -> alliance", "saftey is not a variable", "Did you mean safety?"),
    ("safety alliance -> depth", "safety alliance is not a variable", '"safety, alliance"'),
    ("anxiety -> safety", "anxiety is known once for each client", 'Move "anxiety -> safety" to `client`'),
    ("t_anxiety -> safety", "known once for each therapist", 'Move "t_anxiety -> safety" to `therapist`'),
    ("safety -> final", "a single session cannot act on it", 'Move "safety -> final" to `client`'),
    ("safety -> t_anxiety", "t_anxiety is a trait of the therapist", '"t_anxiety -> safety" in `therapist`'),
    ("safety -> safety", "cannot act on itself in the same session", '"lag(safety) -> safety"'),
    ("safety -> lag(depth)", "nothing acts on a session that is over", '"lag(depth) -> …"'),
    ("safety:time -> depth", "belongs to a client, not to a session", 'Move "safety:time -> depth" to `client`'),
    ("lag(lag(safety)) -> depth", "reaches back one session", 'Write "lag(safety)"'),
    ("lag(safety, 2) -> depth", "reaches back one session", 'Write "lag(safety)"'),
    ("lag(safety:time) -> depth", "has no previous session", '"safety:time" in `client`'),
    ("lag() -> depth", "lag() names no variable", 'Write "lag(safety)"'),
    ("log(safety) -> depth", "only function of a path is lag(), not log", '"safety" or "lag(safety)"'),
    ("safety + alliance -> depth", "separated by commas, not by +", 'Write "safety, alliance"'),
    ("safety * alliance -> depth", "and no *", 'Write "safety, alliance"'),
    ("safety:alliance -> depth", "a path has no products", '"safety:time" or "safety"'),
    ("stage -> depth", "stage has categories (deep, guarded, open)", "Leave stage out"),
    ("safety -> rupture", 'rupture has family = "bernoulli"', 'family = "gaussian" in [variables.rupture]'),
]
CLIENT = [
    ("t_anxiety -> safety", "belongs to therapists", 'Move "t_anxiety -> safety" to `therapist`'),
    ("safety -> t_anxiety", "clients cannot act on it", '"t_anxiety -> safety" in `therapist`'),
    ("lag(safety) -> final", "a client is not a session", 'Write "safety -> final"'),
    ("safety -> anxiety", "(role attachment_anxiety) stands before therapy", 'Write "anxiety -> safety"'),
    ("safety -> baseline", "(role baseline) stands before therapy", 'role = "final_outcome" in [variables.baseline]'),
    ("safety -> arm", "(role arm) stands before therapy", 'Write "arm -> safety".'),
    ("anxiety:time -> final", "known once for each client and has no rate", 'Write "anxiety -> final"'),
    ("safety:time -> safety", "neither explains the other", "their correlation is estimated"),
    ("safety -> final:time", "source of a path, not its target", '"final:time -> …"'),
    ("safety -> safety", "A usual level cannot act on itself", '"lag(safety) -> safety" in `session`'),
    ("final -> safety", "measured after therapy", 'Write "safety -> final"'),
    ("remission -> followup", "a categorical outcome (bernoulli)", "use a numeric outcome"),
    ("safety -> verdict", "3 categories without an order", 'family = "ordinal" in [variables.verdict]'),
    ("safety -> visits", 'visits has family = "negative_binomial"', 'family = "gaussian" in [variables.visits]'),
]
THERAPIST = [
    ("anxiety -> safety", "belongs to clients", 'Move "anxiety -> safety" to `client`'),
    ("final -> safety", "belongs to clients", 'Move "final -> safety" to `client`'),
    ("safety -> t_anxiety", "which nothing in the study explains", '"t_anxiety -> safety"'),
    ("lag(safety) -> alliance", "a therapist is not a session", 'Write "safety -> alliance"'),
    ("safety -> age", "(role covariate) stands before therapy", 'Write "age -> safety"'),
]


@pytest.mark.parametrize(
    ("level", "text", "rule", "remedy"),
    [(level, *case) for level, cases in
     (("session", SESSION), ("client", CLIENT), ("therapist", THERAPIST)) for case in cases],
)  # fmt: skip
def test_every_wrong_text_names_the_line_the_fault_and_the_fix(
    tmp_path: Path, level: str, text: str, rule: str, remedy: str
) -> None:
    model = f'# the chain\n{level} = [\n    "mood -> alliance",\n    "{text}",\n]'
    (fault,) = faults_of(tmp_path, model)
    assert fault.severity == "error"
    assert (fault.file, fault.row, fault.column) == ("study.toml", 7, f"models.chain.{level}")
    assert fault.value == (text or '""')
    assert rule in fault.rule
    assert remedy in fault.remedy
    assert text in str(fault)
    assert "row 7" in str(fault)


WHOLE_MODELS: list[tuple[str, int, str, str]] = [
    # model, line, rule, remedy
    ('session = ["safety -> depth", "depth -> safety"]', 4, "act on each other: safety -> depth -> safety",
     'Lag one of them, for instance "lag(depth) -> safety"'),
    ('session = [\n"safety -> depth -> mood",\n"mood -> safety"]', 6,
     "in a circle: safety -> depth -> mood -> safety", '"lag(mood) -> safety"'),
    ('client = ["safety -> final",\n"final -> followup", "followup -> final"]', 5,
     "The paths of clients run in a circle: final -> followup -> final", 'Remove one of them'),
    ('therapist = ["safety -> depth", "depth -> safety"]', 4, "The paths of therapists run in a circle",
     "Remove one of them"),
    ('session = [\n"safety -> depth",\n"depth -> mood",\n"safety -> depth",\n]', 7, "is written twice",
     "Keep one of them"),
    ('session = [\n"safety -> depth -> mood",\n"depth -> mood"]', 6,
     '"depth -> mood" is written twice; see "safety -> depth -> mood"', "Keep one of them"),
    ('time = "none"\nclient = ["safety:time -> final"]', 5, 'the model has time = "none"', 'Set time = "linear"'),
    ('session = ["safety -> depth"]\nrandom_slopes = [\n"safety -> mood"]', 6, '"safety -> mood" is none of this',
     'Valid: "safety -> depth".'),
    ('session = ["safety -> depth"]\nrandom_slopes = ["safety => depth"]', 5, "written ->, not =>",
     '"safety -> depth"'),
    ('session = ["safety -> depth"]\nrandom_slopes = ["mood"]', 5, "rated variables of the model",
     "Valid: safety, depth"),
    ('session = ["safety -> depth"]\nrandom_slopes = ["time"]', 5, "asked for by the variable that changes",
     "Valid: safety, depth"),
    ('time = "none"\nsession = ["safety -> depth"]\nrandom_slopes = ["depth"]', 6, 'the model has time = "none"',
     'Set time = "linear"'),
    ('session = ["safety -> depth"]\nrandom_slopes = ["safety -> depth",\n"safety->depth"]', 6, "named twice",
     "Keep one"),
    ('session = ["safety -> depth"]\nrandom_slopes = ["depth", "depth"]', 5, "named twice", "Keep one"),
    ('client = ["safety -> final"]\nfinal = "followup"', 5, "No path of `client` points to followup",
     '"safety -> followup". Valid: final.'),
    ('client = ["safety -> final"]\nfinal = "fnal"', 5, "not a variable of the study", "Did you mean final?"),
    ('client = ["safety -> final"]\nfinal = "mood"', 5, "known once for each client; mood is not", "Valid: final."),
    ('session = ["safety -> depth"]\nfinal = "final"', 5, "No path of `client` points to final", '"safety -> final"'),
    ('final = "final"', 4, "No path of `client` points to final", ""),
    ('therapist_level = false\ntherapist = ["safety -> depth"]', 5, "therapist_level = false",
     "Remove the paths of `therapist`"),
]  # fmt: skip


@pytest.mark.parametrize(("model", "line", "rule", "remedy"), WHOLE_MODELS)
def test_every_wrong_model_names_the_line_the_fault_and_the_fix(
    tmp_path: Path, model: str, line: int, rule: str, remedy: str
) -> None:
    faults = faults_of(tmp_path, model)
    assert any(rule in fault.rule and remedy in fault.remedy and fault.row == line for fault in faults), faults
    assert len(faults) == (2 if model.startswith("final") else 1)  # without any path the model is empty, too


def test_a_model_without_paths_is_told_to_write_one(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, 'time = "linear"')
    assert fault.rule == "The model has no paths."
    assert '"safety -> alliance"' in fault.remedy


def test_a_study_without_therapists_has_no_paths_between_them(tmp_path: Path) -> None:
    study, options = written(tmp_path, 'therapist = ["safety -> depth"]')
    alone = replace(study, sessions=study.sessions.drop(columns="therapist"))
    with pytest.raises(InputError, match="The study has no therapists"):
        read_arrows(alone, "chain", options)


def test_all_faults_come_at_once_and_none_follows_from_another(tmp_path: Path) -> None:
    faults = faults_of(
        tmp_path,
        'session = ["saftey -> depth", "safety", "mood -> stage"]\nclient = ["safety => final", "safety -> arm"]\n'
        'random_slopes = ["safety -> depth"]\nfinal = "final"',
    )
    # neither that `final` has no path nor that the random path is missing: both hang on texts that are reported
    assert [(fault.row, fault.value) for fault in faults] == [
        (4, "saftey -> depth"), (4, "safety"), (4, "mood -> stage"), (5, "safety => final"), (5, "safety -> arm"),
    ]  # fmt: skip


def test_one_text_may_have_several_faults(tmp_path: Path) -> None:
    faults = faults_of(tmp_path, 'session = ["saftey, lag(aliance) -> depht"]')
    assert [fault.rule.split()[0] for fault in faults] == ["saftey", "depht", "aliance"]


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("a->b", ["a -> b"]),
        ("  a  ->  b  ", ["a -> b"]),
        ("a -> b -> c", ["a -> b", "b -> c"]),
        ("a, b -> c, d", ["a -> c", "a -> d", "b -> c", "b -> d"]),
        ("lag( a ), b:time -> c", ["lag(a) -> c", "b:time -> c"]),
        ("felt safety -> self-worth", ["felt safety -> self-worth"]),
    ],
)
def test_spaces_are_free_and_lists_and_chains_stand_for_each_link(text: str, links: list[str]) -> None:
    assert [str(link) for link in read_path(text).links] == links


LINES = """[models.one]
session = ["a -> b"]
[models."two"]   # quoted
time = "none"
session = [
  "a -> b", 'c -> d',
  # "c -> d" in a comment comes later
  "a -> b",
]
client = ["a -> b"]
[sampling]
session = "a -> b"
"""


@pytest.mark.parametrize(
    ("model", "key", "text", "occurrence", "line"),
    [
        ("one", "session", "a -> b", 0, 2),
        ("two", "session", "a -> b", 0, 6),
        ("two", "session", "c -> d", 0, 6),
        ("two", "session", "a -> b", 1, 8),
        ("two", "client", "a -> b", 0, 10),
        ("two", "session", "not there", 0, 5),
        ("three", "session", "a -> b", 0, None),
    ],
)
def test_lines_are_found_in_the_right_table_and_key(
    tmp_path: Path, model: str, key: str, text: str, occurrence: int, line: int | None
) -> None:
    file = tmp_path / "study.toml"
    file.write_text(LINES, encoding="utf-8")
    assert line_of(file, model, key, text, occurrence) == line


def test_without_a_file_there_is_no_line(tmp_path: Path) -> None:
    assert line_of(tmp_path / "none.toml", "chain", "session", "a -> b") is None
