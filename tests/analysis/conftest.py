"""Fixtures of the analysis room: a small study and a cheap catalogue."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

HERE = Path(__file__).parent

STUDY = """
[study]
title = "A small study"

[data]
sessions = "sessions.csv"

[columns]
client = "id"
session = "n"

[variables.safety]
column = "saf"
role = "safety"
rater = "client"
range = [1, 7]
label = "Felt safety"

[variables.alliance]
column = "alli"
role = "alliance"
rater = "client"
range = [1, 7]

[sampling]
seed = 7
chains = 4
draws = 300
warmup = 100
"""


def load_fake() -> ModuleType:
    name = "safezone_fake_catalogue"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, HERE / "fake.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the fake catalogue, in place for the test."""
    module = load_fake()
    module.install(monkeypatch.setitem, monkeypatch.setattr)
    return module


def write_study(folder: Path) -> Path:
    """Write a study of 14 clients with 6 sessions each and return its study file."""
    rng = np.random.default_rng(3)
    lines = ["id,n,saf,alli"]
    for client in range(14):
        level = rng.normal(0, 0.8, 2)
        for session in range(1, 7):
            safety, alliance = np.clip(np.round(4 + level + rng.normal(0, 0.7, 2), 2), 1, 7)
            lines.append(f"c{client:02d},{session},{safety},{alliance}")
    (folder / "sessions.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    return folder / "study.toml"


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    """Return the study file of the small study."""
    return write_study(tmp_path)
