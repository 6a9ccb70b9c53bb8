"""Render with Quarto itself, where it is installed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from .execute import RenderError

_EXTENSIONS = {"html": "html", "typst": "pdf", "docx": "docx"}


@cache
def version() -> str | None:
    """Return the version of ``quarto`` on PATH, or ``None``."""
    program = shutil.which("quarto")
    if program is None:
        return None
    done = subprocess.run([program, "--version"], capture_output=True, encoding="utf-8", check=False)
    return done.stdout.strip() if done.returncode == 0 and done.stdout.strip() else None


def render(
    source: Path,
    target: str,
    work: Path,
    *,
    parameters: Mapping[str, object],
    overrides: Mapping[str, object],
    profile: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> Path:
    """Render one format with ``quarto render``.

    Parameters
    ----------
    source
        The .qmd file, in a project folder that carries the safezone extension.
    target
        ``html``, ``typst`` or ``docx``.
    work
        Scratch folder for the output.
    parameters
        Values of the parameter cell.
    overrides
        Metadata that wins over the front matter.
    profile
        Project profiles, comma-separated.
    environment
        Environment variables beside the process's own.

    Returns
    -------
    Path
        The rendered file in ``work``.

    Raises
    ------
    RenderError
        If Quarto fails; the message carries the end of its log.
    """
    program = shutil.which("quarto")
    if program is None:
        raise RenderError("Quarto is not on PATH. Install it, or choose `--renderer embedded`.")
    metadata = work / "metadata.json"
    metadata.write_text(json.dumps(dict(overrides), default=str, ensure_ascii=False), encoding="utf-8")
    command = [
        program,
        "render",
        source.name,
        "--to",
        f"safezone-{target}",
        "--metadata-file",
        str(metadata),
        "--no-cache",
    ]
    for name, value in parameters.items():
        command += ["-P", f"{name}:{value}"]
    if profile is not None:
        command += ["--profile", profile]
    variables = {**os.environ, **(environment or {}), "QUARTO_PYTHON": sys.executable}
    done = subprocess.run(command, cwd=source.parent, env=variables, capture_output=True, encoding="utf-8", check=False)
    if done.returncode != 0:
        tail = "\n".join(f"    {line}" for line in (done.stderr or done.stdout).strip().splitlines()[-15:])
        raise RenderError(f"{source.name}: Quarto could not render {target}.\n{tail}")
    name = f"{source.stem}.{_EXTENSIONS[target]}"
    for folder in (source.parent, source.parent / "_output", source.parent / "_site", source.parent / "_book"):
        if (folder / name).is_file():
            return Path(shutil.move(folder / name, work / name))
    raise RenderError(f"{source.name}: Quarto reported success but wrote no {name}.")
