"""Make a study's report: copy the template, render it, put the files into the results folder.

Fits happen elsewhere: a template only loads results, so prose edits never refit. A report that is up to
date (same template, results, study texts, renderer and code) is left alone.
"""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..analysis.folder import ResultsFolder, read_manifest, record_report, results_digest, source_digests
from ..analysis.store import digest_file
from ..data.errors import Fault, InputError
from .metadata import EXTENSION, TEMPLATES
from .render import Format, Renderer, choose, render
from .rich import escape

if TYPE_CHECKING:
    from ..data.config import StudyConfig
    from ..data.study import Study

FOLDER = "report"
LOCK = "numbers.lock.json"
REFERENCES = Path(__file__).with_name("references.bib")
_CODE = ("*.py", "*.toml", "*.bib", "embedded/*", "prose/*", "figures/*", "parts/*")


@dataclass(frozen=True)
class Report:
    """Rendered files and how they came about.

    Parameters
    ----------
    files
        The files, in the order of the formats.
    template
        Name of the template.
    renderer
        Which renderer made them, with versions.
    rendered
        Whether anything was rendered; ``False`` when all files were up to date.
    notes
        What a reader should know of the files (usually nothing).
    manifest
        The report's entry in ``manifest.json``.
    """

    files: tuple[Path, ...]
    template: str
    renderer: str
    rendered: bool
    notes: tuple[str, ...]
    manifest: Mapping[str, Any]


def report(
    study: Study | str | Path,
    template: str | None = None,
    formats: Sequence[str] | None = None,
    out: str | Path | None = None,
    *,
    renderer: Renderer = "auto",
    force: bool = False,
    progress: Callable[[str], None] | None = None,
    profile: str | None = None,
    timeout: float = 600.0,
) -> Report:
    """Render a study's report from its results folder; nothing is fitted.

    Parameters
    ----------
    study
        A study, or the path of its study file.
    template
        ``article`` and others, or a folder name below ``reports/`` beside the study file; by default
        what the study file says.
    formats
        Any of ``html``, ``pdf``, ``docx``; by default what the study file says.
    out
        The results folder; ``results`` beside the study file by default.
    renderer
        ``auto`` takes Quarto where it is on PATH, else the embedded renderer.
    force
        Render although everything is up to date.
    progress
        Told in one line what happens.
    profile
        Quarto project profiles, for instance ``ci``.
    timeout
        Seconds that one cell of the template may take.

    Returns
    -------
    Report
        Files, renderer, manifest entry.

    Raises
    ------
    InputError
        If there are no results yet, the template or a format is unknown, or the template uses what the
        embedded renderer does not have.
    RenderError
        If a cell of the template fails or the document does not typeset.

    Examples
    --------
    >>> import safezone as sz
    >>> sz.report("study.toml", template="article", formats=["html"])  # doctest: +SKIP
    """
    say = progress if progress is not None else _silent
    path, config = _study(study)
    folder = Path(out) if out is not None else path.parent / "results"
    name = template or config.report.template
    wanted: tuple[Format, ...] = tuple(dict.fromkeys(formats or config.report.formats))  # type: ignore[arg-type]
    manifest = read_manifest(folder)
    if manifest is None:
        raise InputError(
            Fault(
                "error", folder.name, None, None, "There are no results here.", None, "Run `safezone run STUDY` first."
            )
        )
    source = find_template(name, path.parent)
    sources = source_digests(_files(source), path.parent)
    key = _key(config, renderer, profile)
    targets = tuple(folder / FOLDER / f"{name}.{format_}" for format_ in wanted)
    before = manifest.get("reports", {}).get(name)
    if not force and before is not None and _fresh(before, manifest, folder, sources, key, targets):
        say(f"{name}: the report is up to date")
        return Report(targets, name, str(before.get("renderer", "")), False, (), before)

    with tempfile.TemporaryDirectory(prefix="safezone-report-") as scratch:
        work = Path(scratch).resolve()
        project = copy_template(source, work / name)
        document = main_document(project, name)
        lock = work / f"{{format}}.{LOCK}"
        made = render(
            document,
            wanted,
            work / "out",
            parameters=_parameters(document, folder.resolve(), config.study.language),
            renderer=renderer,
            project_dir=project,
            metadata=_metadata(config),
            profile=profile,
            environment={"SAFEZONE_NUMBERS_LOCK": str(lock), "SAFEZONE_RESULTS": str(folder.resolve())},
            timeout=timeout,
            progress=say,
        )
        contents: dict[str, bytes | Path] = {f"{FOLDER}/{name}.{one.format}": one.path for one in made}
        locks = [work / lock.name.replace("{format}", one.format) for one in made]
        numbers = _numbers(folder / LOCK, locks, others=set(manifest.get("reports", {})) - {name})
        if numbers is not None:
            contents[LOCK] = numbers
        ResultsFolder(folder).write(contents, {}, owned=lambda _: False)
    known = [*targets, *_still_fresh(before, manifest, folder, sources, key, targets)]
    facts = {"formats": sorted(file.suffix[1:] for file in known), "renderer": made[0].renderer, "key": key}
    record_report(folder, name, facts, known, sources)
    say(
        f"{name}: {', '.join(f'{one.format} in {one.seconds:.1f} s' for one in made)}, rendered with {made[0].renderer}"
    )
    notes = tuple(note for one in made for note in one.notes)
    entry = (read_manifest(folder) or {}).get("reports", {}).get(name, {})
    return Report(targets, name, made[0].renderer, True, notes, entry)


def find_template(name: str, study_folder: Path) -> Path:
    """Return the folder of a template: the user's own beside the study file wins over the bundled one.

    Raises
    ------
    InputError
        If there is none of this name.
    """
    for place in (study_folder / "reports" / name, TEMPLATES / name):
        if place.is_dir() and _documents(place):
            return place
    bundled = {folder.name for folder in TEMPLATES.iterdir() if folder.is_dir() and _documents(folder)}
    own = study_folder / "reports"
    mine = (
        {folder.name for folder in own.iterdir() if folder.is_dir() and _documents(folder)} if own.is_dir() else set()
    )
    raise InputError(
        Fault("error", "report", None, "template", "There is no such template.", name,
              f"Use one of: {', '.join(sorted(bundled | mine))}.")
    )  # fmt: skip


def main_document(folder: Path, name: str) -> Path:
    """Return the document of a template: NAME.qmd, index.qmd, or the only one.

    Raises
    ------
    InputError
        If several could be meant.
    """
    documents = _documents(folder)
    for stem in (name, "index"):
        if folder / f"{stem}.qmd" in documents:
            return folder / f"{stem}.qmd"
    if len(documents) == 1:
        return documents[0]
    raise InputError(
        Fault("error", name, None, "template", "It is not clear which document is the report.",
              ", ".join(document.name for document in documents), f"Call one of them {name}.qmd.")
    )  # fmt: skip


def copy_template(source: Path, target: Path) -> Path:
    """Copy a template into a folder of its own, with the extension and the references it counts on."""
    ignored = shutil.ignore_patterns("__pycache__", ".quarto", "_output", "_freeze", "*_files", "*_cache")
    shutil.copytree(source, target, ignore=ignored)
    if not (target / EXTENSION / "_extension.yml").is_file():
        shutil.copytree(TEMPLATES / EXTENSION, target / EXTENSION)
    if REFERENCES.is_file() and not (target / REFERENCES.name).exists():
        shutil.copyfile(REFERENCES, target / REFERENCES.name)
    return target


def _silent(_: str) -> None:
    """Report nothing."""


def _study(study: Study | str | Path) -> tuple[Path, StudyConfig]:
    if isinstance(study, str | Path):
        from ..data.study_file import locate, read_config

        return locate(study), read_config(study)
    return study.path, study.config


def _documents(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.qmd") if not path.name.startswith("_"))


def _files(source: Path) -> list[Path]:
    hidden = {"__pycache__", ".quarto", "_output", "_freeze"}
    return sorted(path for path in source.rglob("*") if path.is_file() and not hidden & set(path.parts))


def _key(config: StudyConfig, renderer: Renderer, profile: str | None) -> str:
    """Hash what a report depends on beside template and results: its texts, the renderer, our own code."""
    from .doctor import embedded_version, quarto_version

    here = Path(__file__).parent
    version = f"quarto {quarto_version()}" if choose(renderer) == "quarto" else embedded_version()
    code = sorted({file for pattern in _CODE for file in here.glob(pattern) if file.is_file()})
    code += _files(TEMPLATES / EXTENSION)
    parts = {
        "study": config.study.model_dump(mode="json"),
        "report": config.report.model_dump(mode="json"),
        "renderer": version,
        "profile": profile,
        "code": [(file.name, digest_file(file)) for file in code],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _fresh(
    before: Mapping[str, Any],
    manifest: Mapping[str, Any],
    folder: Path,
    sources: Mapping[str, str],
    key: str,
    targets: Sequence[Path],
) -> bool:
    if before.get("key") != key or before.get("inputs") != results_digest(manifest):
        return False
    if before.get("sources") != sources:
        return False
    results = ResultsFolder(folder)
    return all(results.current(target.relative_to(folder).as_posix()) for target in targets)


def _still_fresh(
    before: Mapping[str, Any] | None,
    manifest: Mapping[str, Any],
    folder: Path,
    sources: Mapping[str, str],
    key: str,
    targets: Sequence[Path],
) -> list[Path]:
    """Return files of other formats that an earlier call made from the same inputs."""
    if before is None:
        return []
    others = [folder / name for name in before.get("files", ()) if folder / name not in targets]
    return [other for other in others if _fresh(before, manifest, folder, sources, key, (other,))]


def _metadata(config: StudyConfig) -> dict[str, object]:
    study = config.study
    metadata: dict[str, object] = {"title": escape(study.title), "lang": study.language}
    if study.authors:
        metadata["author"] = [escape(author) for author in study.authors]
    return metadata


def _parameters(document: Path, results: Path, language: str) -> dict[str, object]:
    """Tell the parameter cell where the results are and in which language to write, if it asks."""
    from .qmd import Cell, parse

    known: dict[str, object] = {"results": str(results), "language": language}
    for block in parse(document).blocks:
        if isinstance(block, Cell) and "parameters" in block.tags:
            names = {node.id for node in ast.walk(ast.parse(block.source)) if isinstance(node, ast.Name)}
            return {name: value for name, value in known.items() if name in names}
    return {}


def _numbers(path: Path, new: Sequence[Path], *, others: set[str]) -> bytes | None:
    """Return the number lock to write: the formats' together; numbers of other reports are kept beside them."""
    found = [file for file in new if file.is_file()]
    if not found:
        return None
    kept = [path] if others and path.is_file() else []
    merged: dict[str, Any] = {}
    for file in (*kept, *found):
        merged |= {entry["key"]: entry for entry in json.loads(file.read_text(encoding="utf-8"))["numbers"]}
    text = json.dumps({"numbers": [merged[key] for key in sorted(merged)]}, indent=1, ensure_ascii=False)
    return f"{text}\n".encode()
