"""Say which renderers are there, with their versions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool that rendering uses.

    Parameters
    ----------
    name
        What it is.
    version
        Its version, or ``None`` where it is missing.
    purpose
        What it does for a report.
    remedy
        How to get it; empty where it is there.
    """

    name: str
    version: str | None
    purpose: str
    remedy: str = ""


_PARTS = (
    ("nbclient", "nbclient", "runs the cells of a report"),
    ("ipykernel", "ipykernel", "the Python that the cells run in"),
    ("pandoc", "pypandoc-binary", "HTML and DOCX"),
    ("typst", "typst", "tagged PDF (PDF/UA-1)"),
    ("matplotlib", "matplotlib", "figures"),
)


def tools() -> tuple[Tool, ...]:
    """Return every tool that rendering uses, missing ones with their remedy."""
    found = quarto_version()
    remedy = "" if found else "Optional: install Quarto from its site, or `pip install safezone[quarto]`."
    first = Tool("quarto", found, "renders the same documents, if present", remedy)
    return (first, *(_part(*part) for part in _PARTS))


@cache
def embedded_version() -> str:
    """Return the embedded renderer's parts in one line."""
    return f"embedded: pandoc {_pandoc() or '?'}, typst {_installed('typst') or '?'}"


def quarto_version() -> str | None:
    """Return the version of Quarto on PATH, or ``None``."""
    from . import quarto

    return quarto.version()


def _part(name: str, package: str, purpose: str) -> Tool:
    found = _pandoc() if name == "pandoc" else _installed(package)
    return Tool(name, found, purpose, "" if found else f"Install `{package}` into this Python.")


def _installed(package: str) -> str | None:
    try:
        return package_version(package)
    except PackageNotFoundError:
        return None


@cache
def _pandoc() -> str | None:
    """Return pandoc's own version; the package's differs from it."""
    import subprocess

    from .execute import RenderError
    from .typeset import pandoc

    try:
        done = subprocess.run([str(pandoc()), "--version"], capture_output=True, encoding="utf-8", check=False)
    except (RenderError, OSError):
        return None
    return done.stdout.split()[1] if done.stdout else None
