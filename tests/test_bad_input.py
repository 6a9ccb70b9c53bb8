"""Bad input at the front door: exit code 2, a message that helps, and not a file more than before."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from safezone.cli import main

_SPEC = importlib.util.spec_from_file_location("small_study", Path(__file__).with_name("small_study.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
small_study = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(small_study)

GROWTH = '[models.m]\nkind = "growth"\noutcome = "depth"\n'
WITHIN = '[models.m]\nkind = "within_between"\noutcome = "depth"\npredictors = ["safety"]\n'


def call(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    """Run a command in this process; return its exit code, stdout and stderr in one line each."""
    with pytest.raises(SystemExit) as done:
        main([str(arg) for arg in args])
    out, err = capsys.readouterr()
    code = done.value.code
    return (code if isinstance(code, int) else int(code is not None)), out, " ".join(err.split())


def files(folder: Path) -> dict[str, bytes | None]:
    """Return everything below a folder: files with their content, folders with nothing."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


def refused(capsys: pytest.CaptureFixture[str], study: Path, key: str, *says: str) -> None:
    """Every command refuses the study, says where and why and what to do, and writes nothing."""
    before = files(study.parent)
    for command in ("fit", "run", "status"):
        code, out, err = call(capsys, command, study)
        assert (code, out) == (2, ""), err
        assert key in err
        for words in says:
            assert words in err, err
        assert "nothing was written" in err
        assert str(study.parent) not in err
        assert "Traceback" not in err
    assert files(study.parent) == before
    code, out, _ = call(capsys, "run", study, "--json")
    assert code == 2
    assert all(fault["rule"] and fault["remedy"] and fault["file"] for fault in json.loads(out)["faults"])


# --- models ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("models", "key", "says"),
    [
        ('[models.m]\nkind = "growht"\n', "models.m.kind", ("Not a model of the catalogue", "growht", "growth")),
        (GROWTH.replace("depth", "dept"), "models.m.outcome", ("not declared", "dept", "Did you mean depth")),
        (WITHIN.replace("safety", "saftey"), "models.m.predictors", ("not declared", "saftey", "Did you mean safety")),
        (WITHIN.replace('"safety"', '"arm"'), "models.m.predictors", ("must be numeric", "arm", "Valid: safety")),
        (WITHIN.replace('"safety"', '"room"'), "models.m.predictors", ("must be numeric", "room", "Valid: safety")),
        (GROWTH + 'lag = 1\n', "models.m.lag", ("not an option",)),
        (WITHIN + 'priors = {"safety.within" = "normal(0"}\n', 'models.m.priors."safety.within"', ("normal(0",)),
        (WITHIN + 'priors = {"safety.within" = "cauchy(0, 1, 2)"}\n', "safety.within", ("cauchy",)),
        (WITHIN + 'priors = {"safety.within" = "flat()"}\n', "safety.within", ("improper",)),
        (WITHIN + 'priors = {"safety.within" = "normal(0, -1)"}\n', "safety.within", ("above 0",)),
        (WITHIN + 'priors = {"safety.withn" = "normal(0, 1)"}\n', "safety.withn", ("Did you mean safety.within",)),
    ],
)  # fmt: skip
def test_a_wrong_model_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, models: str, key: str, says: tuple[str, ...]
) -> None:
    study = small_study.write_study(tmp_path, models)
    data = tmp_path / "sessions.csv"
    head, *rows = data.read_text(encoding="utf-8").splitlines()
    rows = [f"{row},{('clinic', 'video')[i % 2]}" for i, row in enumerate(rows)]
    data.write_text("\n".join([f"{head},room", *rows]) + "\n", encoding="utf-8")
    room = (
        '[variables.room]\ncolumn = "room"\nrole = "covariate"\nlevel = "session"\ncategories = ["clinic", "video"]\n'
    )
    study.write_text(study.read_text(encoding="utf-8") + room, encoding="utf-8")
    refused(capsys, study, key, *says)


@pytest.mark.parametrize("models", ['[models.m]\nkind = "within_between"\n', ""])
def test_a_model_that_needs_what_is_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path, models: str) -> None:
    study = small_study.write_study(tmp_path, models)
    text = study.read_text(encoding="utf-8")
    text = re.sub(r"\[variables\.depth\].*?(?=\[variables\.arm\])", "", text, flags=re.DOTALL)
    study.write_text(text.replace('role = "safety"', 'role = "covariate"\nlevel = "session"'), encoding="utf-8")
    key = "models.m:" if models else "models.within_between:"
    refused(capsys, study, key, "model needs an outcome", "a predictor rated session by session", "safezone plan STUDY")
    code, out, _ = call(capsys, "plan", study, "--json")  # the plan is where one looks it up
    assert code == 0
    assert all(row["lacks"] for row in json.loads(out)["models"])


@pytest.mark.parametrize(
    ("sizes", "models", "says"),
    [
        ({"clients": 1}, GROWTH, "two clients"),
        ({"sessions": 1}, small_study.VARIANCE, "two or more sessions"),
    ],
)
def test_too_little_to_tell_apart(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, sizes: dict[str, int], models: str, says: str
) -> None:
    name = "models.m.outcome" if models == GROWTH else "models.shares.outcome"
    refused(capsys, small_study.write_study(tmp_path, models, **sizes), name, says)


def change(study: Path, column: int, value: str) -> None:
    """Fill a column of the sessions with one value, or with a combination of the third."""
    path = study.parent / "sessions.csv"
    head, *rows = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        row[column] = value or f"{float(row[3]) / 2 + 1:.4f}"
    path.write_text("\n".join(",".join(row) for row in [head, *rows]) + "\n", encoding="utf-8")


def test_a_constant_rating(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    study = small_study.write_study(tmp_path, GROWTH)
    change(study, 4, "4")
    refused(capsys, study, "depth", "4")


def test_an_exact_combination(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    study = small_study.write_study(tmp_path, WITHIN)
    change(study, 4, "")
    refused(capsys, study, "models.m.outcome", "An exact combination of other variables of the model", "depth")


def test_one_therapist_costs_the_level_and_not_the_model(tmp_path: Path) -> None:
    from safezone.data.study import read_study
    from safezone.models.catalogue import model, plan

    (planned,) = plan(read_study(small_study.write_study(tmp_path, therapists=1)))
    study = read_study(tmp_path / "study.toml")
    design = model(planned.kind).design(study, planned.name, planned.options)
    assert not design.has_therapists
    assert "There is one therapist: the therapist level is left out." in design.notes


@pytest.mark.slow
def test_separation_gives_a_wide_posterior_and_no_nan(tmp_path: Path) -> None:
    """Every session of the active arm is a success: the likelihood has no maximum, the prior keeps it proper."""
    import safezone

    study = small_study.write_study(tmp_path, GROWTH + 'family = "bernoulli"\nby = ["arm"]\n', clients=16)
    path = tmp_path / "sessions.csv"
    head, *rows = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
    for i, row in enumerate(rows):
        row[4] = "1" if row[5] == "active" else str(i % 2)
    path.write_text("\n".join(",".join(row) for row in [head, *rows]) + "\n", encoding="utf-8")
    text = study.read_text(encoding="utf-8").replace('role = "exploration"\nrange = [1, 7]', 'role = "exploration"')
    study.write_text(text, encoding="utf-8")
    table = safezone.fit(study, "m").estimates()
    arm = table[(table["estimand"] == "arm[active]") & (table["scale"] == "standardised")]
    assert table[["mean", "sd", "lower", "upper"]].notna().all().all()
    assert len(arm) == 1
    assert (arm["lower"] > 0).all()  # 40 successes of 40 against 20 of 40
    assert (arm["upper"] - arm["lower"] > 1.0).all()  # on the logit scale, where the data leave the upper end open


# --- files and disks -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "sessions.csv"), ("", "empty"), ("id,n,who,saf,depth,arm\n", "no rows")],
)
def test_a_file_that_holds_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str | None, says: str
) -> None:
    study = small_study.write_study(tmp_path)
    (tmp_path / "sessions.csv").unlink()
    if content is not None:
        (tmp_path / "sessions.csv").write_text(content, encoding="utf-8")
    refused(capsys, study, "sessions.csv", says)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Return a disk of 48 kB, where the system lets us mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", str(place)]
    if os.name != "posix" or os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a tiny disk (tests/analysis/test_pipeline.py imitates a full one)")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.slow
def test_a_full_disk(capsys: pytest.CaptureFixture[str], tmp_path: Path, disk: Path) -> None:
    study = small_study.write_study(tmp_path / "study")
    code, out, err = call(capsys, "fit", study, "--out", disk / "results")
    assert (code, out) == (2, "")
    assert "No space left on device" in err
    assert "Traceback" not in err
    assert not [path for path in disk.rglob("*") if path.name.endswith((".tmp", ".part"))]
    # The fit itself is in the store: with room it is not sampled again.
    code, _, err = call(capsys, "fit", study)
    assert code == 0
    assert "up to date" in err


def test_a_read_only_disk(capsys: pytest.CaptureFixture[str], tmp_path: Path, disk: Path) -> None:
    study = small_study.write_study(tmp_path / "study")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    before = files(study.parent)
    code, out, err = call(capsys, "run", study, "--out", disk / "results")
    assert (code, out) == (2, "")
    assert "Read-only file system" in err
    assert "--out" in err
    assert files(study.parent) == before


def test_results_that_are_no_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    study = small_study.write_study(tmp_path)
    (tmp_path / "results").write_text("mine", encoding="utf-8")
    code, out, err = call(capsys, "run", study)
    assert (code, out) == (2, "")
    assert "The results folder must be a folder." in err
    assert (tmp_path / "results").read_text(encoding="utf-8") == "mine"


# --- texts -----------------------------------------------------------------------------------------

AWKWARD = 'A<b>&_#$%@\\ {x}^~ "q" `c` [l](u) *s* |'
HEBREW, ARABIC = "ביטחון בקשר", "الأمان العلاجي"


@pytest.mark.slow
def test_awkward_texts_reach_every_format_unharmed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Markup of HTML, Typst, LaTeX and Markdown, formulas, scripts from right to left, blanks in the path."""
    import zipfile

    folder = tmp_path / "Studie zwei – Zürich שלום"
    study = small_study.write_study(folder)
    text = study.read_text(encoding="utf-8").replace('formats = ["html"]', 'formats = ["html", "pdf", "docx"]')
    text = text.replace('label = "Felt safety"', f"label = '{AWKWARD} {HEBREW}'\nunit = '=cmd|x'")
    text = text.replace('title = "A small study"', f"title = '{AWKWARD} {ARABIC}'\nauthors = ['{HEBREW} & #Co_$']")
    study.write_text(text, encoding="utf-8")
    code, _, err = call(capsys, "run", study)
    assert code == 0, err
    results = folder / "results"
    html = (results / "report" / "article.html").read_text(encoding="utf-8")
    with zipfile.ZipFile(results / "report" / "article.docx") as archive:
        word = archive.read("word/document.xml").decode("utf-8")
    for page in (html, word):
        plain = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", page))
        for sign in ("A&lt;b&gt;&amp;_#$%@\\", HEBREW, ARABIC, "*s*", "[l](u)"):
            assert sign in plain, sign
    assert "<b>&" not in html
    assert (results / "report" / "article.pdf").read_bytes().startswith(b"%PDF-")
    for path in (results / "data").glob("*.csv"):
        assert not re.search(r'(^|,)"?[=@]', path.read_text(encoding="utf-8"), re.MULTILINE), path.name
