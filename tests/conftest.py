"""What every test may rely on: no display, fixed seeds, the real data and the example study."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

# Set before anything imports matplotlib: no test may open a window.
os.environ["MPLBACKEND"] = "Agg"

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
SEED = 20240505


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the repository root, which is the package."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder with the published data sets and their reference values, or skip."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the published data sets beside the repository ({SHARED.name}/ is not there)")
    return SHARED


@pytest.fixture
def rng() -> np.random.Generator:
    """Return a generator that starts from the same seed in every test."""
    return np.random.default_rng(SEED)


@pytest.fixture
def example_study(tmp_path: Path) -> Path:
    """Copy the bundled, simulated study and return its study.toml."""
    source = ROOT / "data" / "examples" / "harbour"
    folder = tmp_path / "harbour"
    shutil.copytree(source, folder)
    return folder / "study.toml"
