"""Where numbers come from: versions, machine, seeds."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version

# The packages whose arithmetic makes the draws, and those whose arithmetic makes the summaries.
NUMERICAL = ("numpy", "scipy", "numba", "nutpie", "pymc", "pytensor")
SUMMARISING = ("arviz-stats", "statsmodels")
OTHERS = ("pandas", "xarray", "arviz-base", "matplotlib", "safezone")


@cache
def versions(packages: tuple[str, ...] = NUMERICAL + SUMMARISING + OTHERS) -> Mapping[str, str]:
    """Return the installed version of each package, ``absent`` where there is none."""
    return {name: _version(name) for name in packages}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


@cache
def majors(packages: tuple[str, ...]) -> Mapping[str, str]:
    """Return the part of each version that announces changed behaviour.

    That is the first number; the first two where the first is 0.

    Examples
    --------
    >>> _major("6.4.0"), _major("0.16.11")
    ('6', '0.16')
    """
    return {name: _major(text) for name, text in versions(packages).items()}


def _major(text: str) -> str:
    parts = text.split(".")
    return ".".join(parts[:2]) if parts[0] == "0" else parts[0]


def model_seed(study_seed: int, model: str) -> int:
    """Return the seed of one model: stable, and independent of the other models.

    Examples
    --------
    >>> model_seed(1, "growth") == model_seed(1, "growth") != model_seed(1, "variance")
    True
    """
    return int.from_bytes(hashlib.sha256(f"{study_seed}:{model}".encode()).digest()[:4], "big")


@cache
def machine() -> Mapping[str, str | int]:
    """Return what kind of machine this is; no names of hosts or people."""
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "cores": os.cpu_count() or 1,
    }


def now() -> str:
    """Return the time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).replace(microsecond=0).isoformat()
