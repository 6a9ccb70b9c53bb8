"""Render a Quarto document to HTML, PDF and DOCX, with Quarto or with the embedded renderer.

One document, two renderers: the embedded one supports exactly the subset of Quarto that
``reports/qmd_rules.py`` lists, and refuses everything else by file, line and name.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..data.errors import InputError
from .metadata import Target
from .qmd import Document, fault

Format = Literal["html", "pdf", "docx"]
Renderer = Literal["auto", "quarto", "embedded"]
TARGETS: Mapping[str, Target] = {"html": "html", "pdf": "typst", "docx": "docx"}


@dataclass(frozen=True, slots=True)
class Rendered:
    """One rendered file.

    Parameters
    ----------
    path
        The file.
    format
        ``html``, ``pdf`` or ``docx``.
    renderer
        Which renderer ran, with its version (``embedded: pandoc 3.9, typst 0.15.2``).
    seconds
        Wall time.
    notes
        What a reader should know about this file (usually nothing).
    """

    path: Path
    format: Format
    renderer: str
    seconds: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Job:
    """What both renderers are told."""

    source: Path
    project: Path
    out_dir: Path
    parameters: Mapping[str, object]
    metadata: Mapping[str, object]
    profile: str | None
    environment: Mapping[str, str]
    timeout: float
    say: Callable[[str], None]


def render(
    source: Path,
    formats: Iterable[Format],
    out_dir: Path,
    *,
    parameters: Mapping[str, object] | None = None,
    renderer: Renderer = "auto",
    project_dir: Path | None = None,
    metadata: Mapping[str, object] | None = None,
    profile: str | None = None,
    environment: Mapping[str, str] | None = None,
    timeout: float = 600.0,
    progress: Callable[[str], None] | None = None,
) -> tuple[Rendered, ...]:
    """Render one document.

    Parameters
    ----------
    source
        The .qmd file.
    formats
        Any of ``html``, ``pdf``, ``docx``.
    out_dir
        Folder for the outputs, named after the source; they appear whole or not at all.
    parameters
        Values that replace those of the cell tagged ``parameters``.
    renderer
        ``auto`` takes Quarto where it is on PATH, else the embedded renderer.
    project_dir
        Folder of ``_quarto.yml``; by default the folder of the document.
    metadata
        Title, authors, language … that win over the front matter.
    profile
        Project profiles (``ci``); by default the environment's ``QUARTO_PROFILE``.
    environment
        Environment variables for the document's code, beside the process's own; ``{format}`` in a value stands for
        the format, so that documents rendered at the same time do not write into the same file.
    timeout
        Seconds that one cell may take.
    progress
        Called with one line per step; several formats report from threads of their own.

    Returns
    -------
    tuple of Rendered
        In the order of ``formats``.

    Raises
    ------
    InputError
        If a format is unknown, or the document needs what the embedded renderer does not have.
    RenderError
        If a cell fails or the document does not typeset.

    Examples
    --------
    >>> render(Path("report.qmd"), ["html"], Path("out"))  # doctest: +SKIP
    (Rendered(path=PosixPath('out/report.html'), format='html', ...),)
    """
    source = Path(source).resolve()
    project = Path(project_dir).resolve() if project_dir is not None else source.parent
    wanted = tuple(dict.fromkeys(formats))
    for name in wanted:
        if name not in TARGETS:
            raise InputError(
                fault(
                    source.name, None, "formats", "The format is unknown.", name, f"Use one of: {', '.join(TARGETS)}."
                )
            )
    job = _Job(
        source,
        project,
        out_dir,
        parameters or {},
        metadata or {},
        profile,
        environment or {},
        timeout,
        progress or _silent,
    )
    chosen = choose(renderer)
    out_dir.mkdir(parents=True, exist_ok=True)
    if chosen == "quarto":
        return tuple(_quarto(job, name) for name in wanted)
    from .qmd import parse
    from .qmd_rules import check

    document = parse(source)
    check(document)
    return _together(lambda name: _embedded(job, document, name), wanted)


def _together(work: Callable[[Format], Rendered], formats: tuple[Format, ...]) -> tuple[Rendered, ...]:
    """Render several formats at a time: each has a kernel of its own, so that cores share them."""
    from .execute import stop_all

    if len(formats) < 2:
        return tuple(work(name) for name in formats)
    with ThreadPoolExecutor(min(len(formats), os.cpu_count() or 1)) as pool:
        futures = [pool.submit(work, name) for name in formats]
        try:
            return tuple(future.result() for future in futures)
        except BaseException:
            # One format failed, or Ctrl-C: the others need not be finished.
            for future in futures:
                future.cancel()
            stop_all()
            raise


def choose(renderer: Renderer) -> Literal["quarto", "embedded"]:
    """Return the renderer that will run."""
    if renderer != "auto":
        return renderer
    return "quarto" if shutil.which("quarto") is not None else "embedded"


def _silent(_: str) -> None:
    """Report nothing."""


def _embedded(job: _Job, document: Document, name: Format) -> Rendered:
    from .compose import compose
    from .doctor import embedded_version
    from .execute import run
    from .metadata import settings
    from .typeset import typeset

    start = time.perf_counter()
    stem = job.source.stem
    merged = settings(document, TARGETS[name], job.project, job.metadata, job.profile)
    with tempfile.TemporaryDirectory(prefix="safezone-render-") as scratch:
        work = Path(scratch).resolve()
        job.say(f"{stem}.{name}: running the document's code")
        ran = run(document, merged, job.parameters, environment=_environment(job, name), timeout=job.timeout)
        composed = compose(ran, merged, work / "figures")
        job.say(f"{stem}.{name}: typesetting")
        made, notes = typeset(composed, merged, work, stem)
        path = publish(made, job.out_dir / f"{stem}.{name}")
    return Rendered(path, name, embedded_version(), time.perf_counter() - start, notes)


def _quarto(job: _Job, name: Format) -> Rendered:
    from . import quarto

    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="safezone-render-") as scratch:
        job.say(f"{job.source.stem}.{name}: rendering with Quarto")
        made = quarto.render(
            job.source, TARGETS[name], Path(scratch), parameters=job.parameters, overrides=job.metadata,
            profile=job.profile, environment=_environment(job, name),
        )  # fmt: skip
        path = publish(made, job.out_dir / f"{job.source.stem}.{name}")
    return Rendered(path, name, f"quarto {quarto.version()}", time.perf_counter() - start)


def _environment(job: _Job, name: Format) -> dict[str, str]:
    return {variable: value.replace("{format}", name) for variable, value in job.environment.items()}


def publish(made: Path, path: Path) -> Path:
    """Move a finished file to its place in one step, across file systems too."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        shutil.copyfile(made, part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path
