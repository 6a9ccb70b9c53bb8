"""Is this machine ready? Python, packages, renderers, cores, caches and permissions, without fitting anything."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

State = Literal["fine", "note", "problem"]
OLDEST_PYTHON = (3, 12)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    what
        What was looked at.
    state
        ``fine``; ``note`` where something optional is missing; ``problem`` where a command would fail.
    found
        What was found.
    remedy
        What to do about it; empty when fine.
    """

    what: str
    state: State
    found: str
    remedy: str = ""


def examine(folder: Path | None = None) -> tuple[Finding, ...]:
    """Look at everything safezone needs from the machine.

    Parameters
    ----------
    folder
        Where results would be written; the current folder by default.

    Returns
    -------
    tuple of Finding
        In the order in which a run would need them.
    """
    return (
        _python(),
        *_packages(),
        *_renderers(),
        _cores(),
        _byte_code(),
        *_caches(),
        _writable("this folder", folder or Path.cwd(), "Run safezone where you may write, or use --out."),
    )


def _python() -> Finding:
    found = f"{platform.python_version()} ({platform.system()} {platform.machine()})"
    if sys.version_info < OLDEST_PYTHON:
        return Finding("Python", "problem", found, "Install Python 3.12 or newer.")
    return Finding("Python", "fine", found)


def _packages() -> tuple[Finding, ...]:
    """Compare what is installed with what safezone asks for."""
    from packaging.requirements import Requirement

    wrong: list[Finding] = []
    asked = [Requirement(text) for text in importlib.metadata.requires("safezone") or ()]
    needed = [
        requirement for requirement in asked if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    ]
    for requirement in needed:
        remedy = f'Install it: python -m pip install "{requirement}"'
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(Finding(requirement.name, "problem", "not installed", remedy))
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            wrong.append(
                Finding(requirement.name, "problem", f"{version}, but {requirement.specifier} is needed", remedy)
            )
    if wrong:
        return tuple(wrong)
    core = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("pymc", "nutpie", "numba", "pandas"))
    return (Finding("packages", "fine", f"all {len(needed)} there ({core})"),)


def _renderers() -> tuple[Finding, ...]:
    """Return Quarto, which is optional, and the parts of the embedded renderer, which are not."""
    from .doctor import tools

    found = []
    for tool in tools():
        state: State = "fine" if tool.version else "note" if tool.name == "quarto" else "problem"
        found.append(
            Finding(f"renderer: {tool.name}", state, f"{tool.version or 'missing'} ({tool.purpose})", tool.remedy)
        )
    return tuple(found)


def _cores() -> Finding:
    cores = os.cpu_count() or 1
    if cores < 2:
        return Finding("cores", "note", "1", "Chains run one after the other; two cores or more are better.")
    return Finding("cores", "fine", str(cores))


def _byte_code() -> Finding:
    if sys.flags.dont_write_bytecode:
        remedy = "Unset PYTHONDONTWRITEBYTECODE: without byte code every start takes three to four times as long."
        return Finding("byte code", "note", "not written", remedy)
    return Finding("byte code", "fine", "written")


def _caches() -> tuple[Finding, ...]:
    """Return whether compiled kernels can be kept; without a cache each process compiles anew."""
    numba = os.environ.get("NUMBA_CACHE_DIR")
    kernels = Path(numba) if numba else Path(__file__).parents[1] / "models" / "__pycache__"
    remedy = "Set NUMBA_CACHE_DIR to a folder that you may write to."
    return (_writable("compiled kernels", kernels, remedy, state="note"),)


def _writable(what: str, folder: Path, remedy: str, state: State = "problem") -> Finding:
    """Return whether a file can be made in a folder, or in the nearest one above it that exists."""
    there = next(parent for parent in (folder, *folder.resolve().parents) if parent.is_dir())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        return Finding(what, state, f"cannot write to {there} ({error.strerror})", remedy)
    free = shutil.disk_usage(there).free
    if free < 1e9:
        return Finding(
            what, "note", f"{free / 1e6:.0f} MB free in {there}", "Fits need up to a few hundred MB; free some space."
        )
    return Finding(what, "fine", str(there))
