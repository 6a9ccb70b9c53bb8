"""A small invented results folder, in English and German, for every test of the reports room."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from safezone.reports.results import Results, read_results

_SPEC = importlib.util.spec_from_file_location("sample_results", Path(__file__).with_name("sample_results.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
_SAMPLE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_SAMPLE)


@pytest.fixture(scope="session")
def write_sample() -> Callable[..., Path]:
    """Return the function that writes the invented results folder."""
    found: Callable[..., Path] = _SAMPLE.write_sample
    return found


@pytest.fixture(scope="session")
def sample_folder(tmp_path_factory: pytest.TempPathFactory, write_sample: Callable[..., Path]) -> dict[str, Path]:
    """Return the invented results folders by language; never written to."""
    return {
        language: write_sample(tmp_path_factory.mktemp(language) / "results", language=language)
        for language in ("en", "de")
    }


@pytest.fixture(params=["en", "de"])
def results(request: pytest.FixtureRequest, sample_folder: dict[str, Path]) -> Results:
    """Return the invented results in each language."""
    return read_results(sample_folder[request.param])


@pytest.fixture
def english(sample_folder: dict[str, Path]) -> Results:
    """Return the invented results in English."""
    return read_results(sample_folder["en"])
