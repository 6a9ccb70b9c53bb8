"""From a results folder to report files: what is copied, rendered, recorded and left alone."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from safezone.analysis.folder import ResultsFolder, read_manifest
from safezone.data.errors import InputError
from safezone.reports.report import find_template, report

TEMPLATE = """---
title: Replaced
---

```{python}
#| tags: [parameters]
results = "somewhere"
```

```{python}
#| include: false
import json, os
entry = {"key": "m.x|raw|mean", "value": 1.0, "mcse": 0.1, "text": "1.0", "direction": "+", "verdict": ""}
with open(os.environ["SAFEZONE_NUMBERS_LOCK"], "w") as file:
    json.dump({"numbers": [entry]}, file)
```

The folder is called `{python} os.path.basename(results)`.
"""


@pytest.fixture
def study(example_study: Path) -> Path:
    """Return a study with a results folder and a template of its own."""
    folder = example_study.parent
    ResultsFolder(folder / "results").write({"estimates.csv": b"model\n"}, {})
    own = folder / "reports" / "mine"
    own.mkdir(parents=True)
    (own / "mine.qmd").write_text(TEMPLATE, encoding="utf-8")
    return example_study


def test_report_is_made_recorded_and_then_left_alone(study: Path) -> None:
    said: list[str] = []
    first = report(study, "mine", ["html"], renderer="embedded", progress=said.append)
    assert [file.name for file in first.files] == ["mine.html"]
    html = first.files[0].read_text(encoding="utf-8")
    assert "The folder is called results." in html
    assert "Replaced" not in html
    assert first.rendered
    assert "rendered with embedded: pandoc" in said[-1]

    manifest = read_manifest(study.parent / "results")
    assert manifest is not None
    assert {"report/mine.html", "numbers.lock.json"} <= set(manifest["files"])
    assert manifest["reports"]["mine"]["formats"] == ["html"]
    lock = json.loads((study.parent / "results" / "numbers.lock.json").read_text(encoding="utf-8"))
    assert lock["numbers"][0]["key"] == "m.x|raw|mean"

    before = first.files[0].stat().st_mtime_ns
    second = report(study, "mine", ["html"], renderer="embedded", progress=said.append)
    assert not second.rendered
    assert second.files == first.files
    assert first.files[0].stat().st_mtime_ns == before
    assert said[-1] == "mine: the report is up to date"


def test_formats_rendered_together_share_one_lock(study: Path) -> None:
    own = study.parent / "reports" / "mine" / "mine.qmd"
    one = 'entry = {"key": "m.x|raw|mean"'
    # Each format writes a number of its own, as text that only one format shows would.
    mine = 'info = json.load(open(os.environ["QUARTO_EXECUTE_INFO"]))["format"]["pandoc"]["to"]\n'
    own.write_text(TEMPLATE.replace(one, mine + 'entry = {"key": "m.x|raw|" + info'), encoding="utf-8")
    made = report(study, "mine", ["html", "docx"], renderer="embedded")
    assert [file.suffix for file in made.files] == [".html", ".docx"]
    lock = json.loads((study.parent / "results" / "numbers.lock.json").read_text(encoding="utf-8"))
    assert [entry["key"] for entry in lock["numbers"]] == ["m.x|raw|docx", "m.x|raw|html"]


def test_the_study_files_language_reaches_the_template(study: Path) -> None:
    own = study.parent / "reports" / "mine" / "mine.qmd"
    own.write_text(
        TEMPLATE.replace('results = "somewhere"', 'results = "somewhere"\nlanguage = ""')
        + "\nIt speaks `{python} language`.\n",
        encoding="utf-8",
    )
    study.write_text(study.read_text(encoding="utf-8").replace('language = "en"', 'language = "de"'), encoding="utf-8")
    (made,) = report(study, "mine", ["html"], renderer="embedded").files
    assert "It speaks de." in made.read_text(encoding="utf-8")


@pytest.mark.parametrize("what", ["template", "results", "study", "output", "force"])
def test_report_is_made_again_when_something_changed(study: Path, what: str) -> None:
    report(study, "mine", ["html"], renderer="embedded")
    force = what == "force"
    if what == "template":
        (study.parent / "reports" / "mine" / "mine.qmd").write_text(TEMPLATE + "\nMore.\n", encoding="utf-8")
    elif what == "results":
        ResultsFolder(study.parent / "results").write({"estimates.csv": b"model\nx\n"}, {}, owned=lambda _: False)
    elif what == "study":
        text = study.read_text(encoding="utf-8")
        study.write_text(text.replace('title = "', 'title = "New: ', 1), encoding="utf-8")
    elif what == "output":
        (study.parent / "results" / "report" / "mine.html").write_text("changed", encoding="utf-8")
    assert report(study, "mine", ["html"], renderer="embedded", force=force).rendered


def test_formats_made_one_by_one_are_all_recorded(study: Path) -> None:
    report(study, "mine", ["html"], renderer="embedded")
    second = report(study, "mine", ["docx"], renderer="embedded")
    assert second.manifest["formats"] == ["docx", "html"]
    assert not report(study, "mine", ["html", "docx"], renderer="embedded").rendered


def test_deciding_that_nothing_changed_is_cheap(study: Path) -> None:
    report(study, "mine", ["html"], renderer="embedded")
    code = (
        "import sys; from safezone.reports.report import report; "
        f"made = report({str(study)!r}, 'mine', ['html'], renderer='embedded'); "
        "heavy = {'pymc', 'scipy', 'matplotlib', 'nbclient', 'typst', 'arviz_base', 'xarray'} & set(sys.modules); "
        "print(made.rendered, sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True, cwd="/")
    assert done.stdout.split(" ", 1)[0] == "False"
    # The heavy libraries are what makes a start slow (pandas comes with reading the study anyway).
    assert done.stdout.strip().endswith("[]")


def test_no_results_unknown_template_foreign_file(study: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Run `safezone run STUDY` first"):
        report(study, "mine", ["html"], out=tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"no such template.*nothing.*Use one of: .*article.*mine"):
        report(study, "nothing", ["html"])
    target = study.parent / "results" / "report" / "mine.html"
    target.parent.mkdir()
    target.write_text("mine, not safezone's", encoding="utf-8")
    with pytest.raises(InputError, match="safezone did not write"):
        report(study, "mine", ["html"], renderer="embedded")
    assert target.read_text(encoding="utf-8") == "mine, not safezone's"


def test_own_template_wins_over_the_bundled_one(study: Path) -> None:
    own = study.parent / "reports" / "article"
    own.mkdir()
    (own / "article.qmd").write_text("mine\n", encoding="utf-8")
    assert find_template("article", study.parent) == own
    assert find_template("mine", study.parent).name == "mine"


def test_quarto_is_used_where_it_is_and_says_so(study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for Quarto records how it was called: the real one cannot be installed from a package index."""
    from safezone.reports import quarto

    log = tmp_path / "log.json"
    program = tmp_path / "bin" / "quarto"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, os, pathlib, sys\n"
        "if sys.argv[1] == '--version':\n    print('1.10.3')\n    sys.exit()\n"
        "metadata = sys.argv[sys.argv.index('--metadata-file') + 1]\n"
        "call = {'arguments': sys.argv[1:], 'metadata': json.load(open(metadata)), 'files': sorted(os.listdir('.')),\n"
        "        'python': os.environ['QUARTO_PYTHON'], 'results': os.environ['SAFEZONE_RESULTS']}\n"
        f"json.dump(call, open({str(log)!r}, 'w'))\n"
        "pathlib.Path('_output').mkdir(exist_ok=True)\n"
        "pathlib.Path('_output/mine.html').write_text('made by the stand-in')\n",
        encoding="utf-8",
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    quarto.version.cache_clear()
    try:
        made = report(study, "mine", ["html"], profile="ci")
    finally:
        quarto.version.cache_clear()
    call = json.loads(log.read_text(encoding="utf-8"))
    assert made.renderer == "quarto 1.10.3"
    assert made.files[0].read_text(encoding="utf-8") == "made by the stand-in"
    assert call["arguments"][:4] == ["render", "mine.qmd", "--to", "safezone-html"]
    results = study.parent / "results"
    assert f"results:{results}" in call["arguments"]
    assert call["arguments"][-2:] == ["--profile", "ci"]
    assert call["metadata"]["lang"] in ("en", "de")
    assert "_extensions" in call["files"]
    assert call["python"] == sys.executable


def test_doctor_lists_every_tool() -> None:
    from safezone.reports.doctor import embedded_version, tools

    found = {tool.name: tool for tool in tools()}
    assert list(found) == ["quarto", "nbclient", "ipykernel", "pandoc", "typst", "matplotlib"]
    assert all(tool.version or tool.remedy for tool in found.values())
    assert found["pandoc"].version is not None
    assert found["pandoc"].version in embedded_version()
