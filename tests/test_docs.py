"""The guides say what the code does: keys, columns, commands, links, examples."""

from __future__ import annotations

import doctest
import importlib
import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from safezone.analysis.pipeline import _file_names

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("data", "models", "analysis", "reports")
GUIDES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def sections(text: str) -> dict[str, str]:
    """Return the text below each heading of the second level, by the first code span or word of the heading."""
    parts = re.split(r"^## +(.+)$", text, flags=re.MULTILINE)
    return {title.strip("`"): body for title, body in zip(parts[1::2], parts[2::2], strict=True)}


def keys_of_tables(text: str) -> set[str]:
    """Return the code spans of the first column of a section's tables."""
    cells = re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE)
    return {key for cell in cells for key in re.findall(r"`([\w.]+)`", cell)}


@pytest.mark.parametrize(
    ("heading", "section"),
    [
        ("[study]", "StudySection"),
        ("[data]", "DataSection"),
        ("[columns]", "ColumnsSection"),
        ("[variables.NAME]", "VariableSection"),
        ("[models.NAME]", "ModelSection"),
        ("[sampling]", "SamplingSection"),
        ("[report]", "ReportSection"),
        ("[principles]", "PrinciplesSection"),
    ],
)
def test_the_study_file_guide_lists_every_key(heading: str, section: str) -> None:
    from safezone.data import config

    model: type[BaseModel] = getattr(config, section)
    documented = keys_of_tables(sections((ROOT / "docs/study-file.md").read_text(encoding="utf-8"))[heading])
    assert documented == set(model.model_fields) - {"priors"}  # priors have a part of their own


def test_the_study_file_guide_gives_the_defaults() -> None:
    from safezone.data import config

    text = (ROOT / "docs/study-file.md").read_text(encoding="utf-8")
    models: dict[str, type[BaseModel]] = {
        "[sampling]": config.SamplingSection,
        "[study]": config.StudySection,
    }
    for heading, model in models.items():
        rows: dict[str, str] = dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", sections(text)[heading], re.MULTILINE))
        for key, default in rows.items():
            (value,) = tomllib.loads(f"x = {default}").values()
            assert model.model_fields[key].default in (value, tuple(value) if isinstance(value, list) else value), key


def test_the_study_file_guide_lists_roles_and_families() -> None:
    from typing import get_args

    from safezone.data import config

    text = (ROOT / "docs/study-file.md").read_text(encoding="utf-8")
    for words in (config.Role, config.Family, config.Level, config.Rater, config.Sampler, config.AxisName):
        for word in get_args(words):
            assert f"`{word}`" in text or f'`"{word}"`' in text, word


def test_the_study_file_guide_says_which_model_uses_which_option() -> None:
    from safezone.models.options import KEYS

    body = sections((ROOT / "docs/study-file.md").read_text(encoding="utf-8"))["[models.NAME]"]
    used: dict[str, set[str]] = {kind: set() for kind in KEYS}
    for key, kinds in re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|", body, re.MULTILINE):
        for kind in re.findall(r"`(\w+)`", kinds):
            used[kind].add(key)
    assert used == {kind: set(keys) for kind, keys in KEYS.items()}


def test_the_results_guide_lists_every_file() -> None:
    guide = (ROOT / "docs" / "results-folder.md").read_text(encoding="utf-8")
    for name in _file_names([]):
        assert f"`{name}`" in guide, name


def test_the_results_guide_lists_the_columns() -> None:
    from safezone.analysis import evidence
    from safezone.analysis.estimates import COLUMNS
    from safezone.analysis.tables import DIAGNOSTICS

    parts = sections((ROOT / "docs/results-folder.md").read_text(encoding="utf-8"))
    listed = re.split(r"\n\nNames of estimands", parts["estimates.csv"])[0]
    assert keys_of_tables(listed) == set(COLUMNS)
    assert ", ".join(DIAGNOSTICS) in parts["diagnostics.csv"]
    assert keys_of_tables(parts["principles.csv"]) == set(evidence.COLUMNS)


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_toml_in_guides_parses_and_links_lead_somewhere(guide: Path) -> None:
    text = guide.read_text(encoding="utf-8")
    for block in re.findall(r"^```toml\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        tomllib.loads(block)
    for target in re.findall(r"(?<!!)\[[^\]]+\]\(([^)#]+)\)", text):
        assert target.startswith("https://doi.org/") or (guide.parent / target).exists(), target


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_commands_in_guides_exist(guide: Path) -> None:
    from safezone.cli import app

    known = {command.callback.__name__ for command in app.registered_commands if command.callback}
    text = guide.read_text(encoding="utf-8")
    shell = "\n".join(re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    named = re.findall(r"`safezone ([a-z]+)", text) + re.findall(r"^safezone ([a-z]+)", shell, re.MULTILINE)
    assert set(named) <= known
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z]+)", shell, re.MULTILINE)) <= targets


def modules() -> list[str]:
    """Return every module of the rooms by dotted name."""
    found = (path.relative_to(ROOT).with_suffix("") for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    return sorted(".".join(("safezone", *path.parts)).removesuffix(".__init__") for path in found)


@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module(name)
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0
