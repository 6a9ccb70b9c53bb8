"""The study file: every fault at once, each with the nearest valid choice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from safezone.data.errors import Fault, InputError
from safezone.data.study_file import nearest, read_config

MINIMAL = """
[data]
sessions = "s.csv"
[columns]
client = "id"
session = "n"
[variables.safety]
column = "saf"
role = "safety"
[variables.depth]
column = "dep"
role = "exploration"
"""


def faults_of(folder: Path, text: str) -> tuple[Fault, ...]:
    (folder / "study.toml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_config(folder / "study.toml")
    return caught.value.faults


def test_defaults_of_the_contract(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(MINIMAL, encoding="utf-8")
    config = read_config(tmp_path)  # a folder will do
    assert config.study.title == "Untitled study"
    assert config.sampling.seed == 20240505
    assert config.report.rope == {"default": 0.1}
    assert config.variables["safety"].better == "higher"


def test_the_example_of_the_contract_is_valid(shared: Path, tmp_path: Path) -> None:
    text = (shared / "design" / "9-study-file.md").read_text(encoding="utf-8")
    block = text.split("```toml")[1].split("```")[0]
    # the excerpt declares one variable and models that use more; declare the others as well
    for name, role in {
        "alliance": "alliance", "depth": "exploration", "symptoms": "symptoms", "anxiety": "attachment_anxiety",
        "avoidance": "attachment_avoidance", "t_anxiety": "attachment_anxiety", "final": "final_outcome",
        "baseline": "baseline", "arm": "arm",
    }.items():  # fmt: skip
        block += f'\n[variables.{name}]\ncolumn = "{name}"\nrole = "{role}"\n'
    (tmp_path / "study.toml").write_text(block, encoding="utf-8")
    config = read_config(tmp_path)
    assert config.data.missing == ("NA", -99)
    assert config.models["safety_and_depth"].priors == {"safety.within": "normal(0, 0.5)"}


def test_missing_file_names_the_toml_files_beside_it(tmp_path: Path) -> None:
    (tmp_path / "harbour.toml").write_text(MINIMAL, encoding="utf-8")
    with pytest.raises(InputError, match=r"study\.toml: The study file does not exist\. Did you mean harbour\.toml\?"):
        read_config(tmp_path)


def test_toml_syntax_names_line_and_column(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, '[data]\nsessions = "s.csv\n')
    assert (fault.file, fault.row) == ("study.toml", 2)
    assert "not valid TOML" in fault.rule
    assert fault.value is not None
    assert "line 2, column" in fault.value


def test_a_file_that_is_not_utf8_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_bytes(MINIMAL.encode() + '\n[study]\ntitle = "Gefühl"\n'.encode("latin-1"))
    with pytest.raises(InputError) as caught:
        read_config(tmp_path)
    assert caught.value.faults[0].row == MINIMAL.count("\n") + 3
    assert "UTF-8" in caught.value.faults[0].remedy


def test_unknown_key_suggests_the_nearest(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, MINIMAL + "\n[sampling]\nchain = 4\n")
    assert fault.column == "sampling.chain"
    assert fault.remedy.startswith("Did you mean chains? Valid: seed, chains, draws")


def test_unknown_table_suggests_the_nearest(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, MINIMAL + "\n[model.x]\nkind = 'growth'\n")
    assert "Did you mean models?" in fault.remedy


@pytest.mark.parametrize(
    ("old", "new", "key", "meant"),
    [
        ('role = "safety"', 'role = "safty"', "variables.safety.role", "safety"),
        ('role = "exploration"', 'role = "Alliance "', "variables.depth.role", "alliance"),
        ('column = "dep"', 'column = "dep"\nfamily = "gausian"', "variables.depth.family", "gaussian"),
        ('column = "dep"', 'column = "dep"\nrater = "terapist"', "variables.depth.rater", "therapist"),
        ('column = "dep"', 'column = "dep"\nlevel = "clients"', "variables.depth.level", "client"),
    ],
)
def test_misspelled_choice_suggests_the_nearest(tmp_path: Path, old: str, new: str, key: str, meant: str) -> None:
    (fault,) = faults_of(tmp_path, MINIMAL.replace(old, new))
    assert fault.column == key
    assert f"Did you mean {meant}?" in fault.remedy
    assert "Valid: " in fault.remedy


@pytest.mark.parametrize("time", ["none", "linear", "quadratic", "log", "piecewise(4)", "spline(3)", "spline( 3 )"])
def test_courses_over_time_that_are_valid(tmp_path: Path, time: str) -> None:
    (tmp_path / "study.toml").write_text(MINIMAL + f'\n[models.growth]\noutcome = "depth"\ntime = "{time}"\n')
    assert read_config(tmp_path).models["growth"].time == time.replace(" ", "")


@pytest.mark.parametrize(
    ("time", "remedy"),
    [
        ("liner", "Did you mean linear?"),
        ("cubic", "one of none, linear, quadratic, log, piecewise(k), spline(df)"),
        ("piecewise", "Did you mean piecewise(k)?"),
        ("piecewise(0)", "k ≥ 1"),
        ("spline(1)", "df ≥ 2"),
        ("spline(two)", "spline(df)"),
    ],
)
def test_courses_over_time_that_are_not(tmp_path: Path, time: str, remedy: str) -> None:
    (fault,) = faults_of(tmp_path, MINIMAL + f'\n[models.growth]\noutcome = "depth"\ntime = "{time}"\n')
    assert fault.column == "models.growth.time"
    assert fault.value == time
    assert remedy in fault.remedy


def test_a_variable_has_a_column_or_items(tmp_path: Path) -> None:
    (neither,) = faults_of(tmp_path, MINIMAL.replace('column = "dep"\n', ""))
    assert neither.column == "variables.depth"
    assert "needs `column" in neither.remedy
    (both,) = faults_of(tmp_path, MINIMAL.replace('column = "dep"', 'column = "dep"\nitems = ["d1", "d2"]'))
    assert "not both" in both.remedy


@pytest.mark.parametrize(
    ("text", "key", "remedy"),
    [
        ('[variables.x]\ncolumn = "x"\nrole = "risk"\nrange = [7, 1]\n', "variables.x.range", "[1, 7]"),
        ('[variables.x]\nitems = ["a"]\nreverse = ["z"]\nrole = "risk"\n', "variables.x", "`reverse` names z"),
        ('[variables.x]\ncolumn = "x"\nrole = "risk"\nprorate = 8\n', "variables.x.prorate", "at most 1"),
        ('[variables.session]\ncolumn = "x"\nrole = "risk"\n', "variables", "choose another"),
        ('[variables."a.b"]\ncolumn = "x"\nrole = "risk"\n', "variables", "letters, digits and _"),
        ('[variables.x]\ncolumn = "x"\n', "variables.x.role", "Add role"),
        ("[report]\nrope = {default = -0.1}\n", "report.rope", "at least 0"),
        ("[sampling]\nchains = 1\n", "sampling.chains", "greater than or equal to 2"),
        ('[sampling]\ndraws = "many"\n', "sampling.draws", "integer"),
        ("[models.growth]\nmax_gap = 0\n", "models.growth.max_gap", "positive"),
    ],
)
def test_wrong_values_name_key_and_remedy(tmp_path: Path, text: str, key: str, remedy: str) -> None:
    (fault,) = faults_of(tmp_path, MINIMAL + text)
    assert fault.column == key
    assert remedy in fault.remedy


def test_wrong_encoding_and_delimiter_are_refused_in_the_study_file(tmp_path: Path) -> None:
    text = MINIMAL.replace('sessions = "s.csv"', 'sessions = "s.csv"\nencoding = "utf-88"\ndelimiter = ";;"')
    assert {fault.column for fault in faults_of(tmp_path, text)} == {"data.encoding", "data.delimiter"}


def test_missing_tables_say_what_to_add(tmp_path: Path) -> None:
    faults = faults_of(tmp_path, '[study]\ntitle = "x"\n')
    assert {fault.column for fault in faults} == {"data", "columns", "variables"}
    assert any('client = "…"' in fault.remedy for fault in faults)


def test_models_that_name_unknown_variables(tmp_path: Path) -> None:
    text = MINIMAL + (
        '\n[models.m]\nkind = "within_between"\noutcome = "deph"\npredictors = ["safety", "aliance"]\n'
        '[models.chain]\nsession = ["safety -> depth", "safety > depth", "saftey -> depth"]\n'
    )
    faults = {(fault.column, fault.value): fault.remedy for fault in faults_of(tmp_path, text)}
    assert faults["models.m.outcome", "deph"].startswith("Did you mean depth?")
    assert "[variables.aliance]" in faults["models.m.predictors", "aliance"]
    assert faults["models.chain.session", "safety > depth"] == 'Write "safety -> depth".'
    assert faults["models.chain.session", "saftey"].startswith("Did you mean safety?")
    assert len(faults) == 4


def test_faults_of_paths_name_their_lines(tmp_path: Path) -> None:
    text = MINIMAL + (
        '\n[models.other]\nsession = ["safety -> depth"]\n\n[models.chain] # the chain\ntime = "none"\nsession = [\n'
        '    "safety -> depth",  # fine\n    "safety depth -> depth",\n    "saftey -> depth", "safety",\n]\n'
    )
    line = text.splitlines().index('    "safety depth -> depth",') + 1
    faults = faults_of(tmp_path, text)
    assert [(fault.row, fault.value) for fault in faults] == [
        (line, "safety depth"), (line + 1, "saftey"), (line + 1, "safety"),
    ]  # fmt: skip
    assert faults[0].remedy == 'Separate names by commas: "safety, depth".'


def test_random_paths_are_left_to_the_model(tmp_path: Path) -> None:
    text = MINIMAL + '\n[models.chain]\nsession = ["safety -> depth"]\nrandom_slopes = ["safety -> depth", "deph"]\n'
    (fault,) = faults_of(tmp_path, text)
    assert fault.value == "deph"


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    text = MINIMAL.replace('role = "safety"', 'role = "safty"') + "\n[sampling]\nseeds = 1\ndraws = -5\n"
    text += '[models.m]\noutcome = "deph"\n'
    keys = {fault.column for fault in faults_of(tmp_path, text)}
    assert keys == {"variables.safety.role", "sampling.seeds", "sampling.draws", "models.m.outcome"}


def test_nearest_ignores_case_and_gives_up_on_strangers() -> None:
    assert nearest("SAFETY", ["safety", "alliance"]) == "safety"
    assert nearest("zzzz", ["safety", "alliance"]) is None


def test_the_study_file_is_read_without_pandas() -> None:
    """`safezone --help` under 0.5 s rests on this: neither configuration nor errors load the data stack."""
    code = (
        "import sys, safezone.data.config, safezone.data.study_file; "
        "print('pandas' in sys.modules, 'numpy' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["False", "False"]
