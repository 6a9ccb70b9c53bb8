"""Typeset composed Markdown with pandoc (HTML, DOCX, Typst) and Typst (tagged PDF/UA-1)."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import cast

from .compose import Composed
from .execute import RenderError
from .metadata import Settings
from .word import finish

EMBEDDED = Path(__file__).resolve().parent / "embedded"
READER = "markdown-markdown_in_html_blocks+native_divs"
_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {"toc-title": "Contents", "abstract-title": "Abstract", "skip-text": "Skip to the text"},
    "de": {"toc-title": "Inhalt", "abstract-title": "Zusammenfassung", "skip-text": "Zum Text"},
}
_HIDDEN = frozenset(
    {"citeproc", "format", "execute", "jupyter", "engine", "profile", "filters", "theme", "template-partials", "css"}
)
_PPI = 300.0
_UNPRINTABLE = "could not be displayed"


@cache
def pandoc() -> Path:
    """Return the path of the bundled pandoc.

    Raises
    ------
    RenderError
        If there is none.
    """
    try:
        import pypandoc

        return Path(pypandoc.get_pandoc_path())
    except (ImportError, OSError):
        raise RenderError("pandoc is missing: install `pypandoc-binary` into this Python.") from None


def run_pandoc(arguments: list[str], text: str, folder: Path, name: str) -> str:
    """Run pandoc on a text and return what it prints.

    Raises
    ------
    RenderError
        If pandoc fails; the message carries pandoc's own.
    """
    done = subprocess.run(
        [str(pandoc()), *arguments], input=text, capture_output=True, encoding="utf-8", cwd=folder, check=False
    )
    if done.returncode != 0:
        reason = done.stderr.split("stack traceback:")[0].strip()
        raise RenderError(f"{name}: pandoc could not typeset the document. {reason}")
    return done.stdout


def typeset(composed: Composed, settings: Settings, work: Path, name: str) -> tuple[Path, tuple[str, ...]]:
    """Typeset one format.

    Parameters
    ----------
    composed
        The Markdown text with its figures.
    settings
        The merged metadata of the format.
    work
        Scratch folder.
    name
        Stem of the output file.

    Returns
    -------
    tuple
        The output file in ``work``, and notes for the reader.
    """
    match settings.target:
        case "html":
            return _html(composed, settings, work, name), ()
        case "docx":
            return _docx(composed, settings, work, name), ()
        case "typst":
            return _pdf(composed, settings, work, name)


def _arguments(settings: Settings, work: Path) -> list[str]:
    words = _WORDS.get(settings.language, _WORDS["en"])
    metadata: dict[str, object] = {**words, "citeproc": False}
    metadata |= {key: value for key, value in settings.metadata.items() if key not in _HIDDEN}
    if not metadata.get("title"):  # of a title pandoc makes the page's title itself, marks and signs in order
        metadata.setdefault("pagetitle", "Report")
    file = work / "metadata.json"
    file.write_text(json.dumps(metadata, default=str, ensure_ascii=False), encoding="utf-8")
    arguments = [
        "--from", READER, "--standalone", "--metadata-file", str(file), "--columns", "100000", "--wrap", "none",
        "--resource-path", str(settings.folder), "--lua-filter", str(EMBEDDED / "refs.lua"),
    ]  # fmt: skip
    if metadata.get("bibliography"):
        arguments.append("--citeproc")
    if settings.target == "typst":
        arguments += ["--lua-filter", str(settings.extension / "math-alt.lua")]
    arguments += ["--lua-filter", str(EMBEDDED / "layout.lua")]
    if settings.flag("number-sections"):
        arguments.append("--number-sections")
    if settings.flag("toc"):
        arguments += ["--toc", "--toc-depth", settings.text("toc-depth", "3")]
    return arguments


def _html(composed: Composed, settings: Settings, work: Path, name: str) -> Path:
    output = work / f"{name}.html"
    template = _copy(work, "page.html", "styles.css", "page.js")
    arguments = [
        *_arguments(settings, work), "--to", "html5", "--template", str(template), "--mathml", "--embed-resources",
        "--section-divs", "--output", str(output),
    ]  # fmt: skip
    css = settings.metadata.get("css")
    for file in css if isinstance(css, list) else [css] if css else []:
        arguments += ["--css", str(file)]
    run_pandoc(arguments, composed.markdown, settings.folder, name)
    return output


def _docx(composed: Composed, settings: Settings, work: Path, name: str) -> Path:
    output = work / f"{name}.docx"
    template = _copy(work, "page.openxml")
    arguments = [*_arguments(settings, work), "--to", "docx", "--template", str(template), "--output", str(output)]
    reference = settings.text("reference-doc")
    if reference:
        arguments += ["--reference-doc", reference]
    run_pandoc(arguments, _rasterise(composed.markdown, settings, work), settings.folder, name)
    finish(output, settings.text("lang", "en"))
    return output


def _rasterise(markdown: str, settings: Settings, work: Path) -> str:
    """Turn SVG pictures into PNG: Word shows SVG only beside a PNG that pandoc cannot make by itself."""
    import typst

    def replace(match: re.Match[str]) -> str:
        path = match.group(1)
        file = Path(path) if Path(path).is_absolute() else settings.folder / path
        if not file.is_file():
            raise RenderError(f"The picture `{path}` does not exist.")
        png = work / f"{file.stem}-{abs(hash(str(file)))}.png"
        shutil.copyfile(file, work / "picture.svg")
        page = work / "picture.typ"
        page.write_text('#set page(width: auto, height: auto, margin: 0pt)\n#image("picture.svg")\n', encoding="utf-8")
        typst.compile(str(page), output=str(png), root=str(work), format="png", ppi=_PPI, font_paths=_fonts())
        return f"](<{png.as_posix()}>)"

    return re.sub(r"\]\(<?([^()<>]+?\.svg)>?\)", replace, markdown)


def _pdf(composed: Composed, settings: Settings, work: Path, name: str) -> tuple[Path, tuple[str, ...]]:
    template = _copy(work, "page.typ")
    partials = cast("list[str]", settings.metadata.get("template-partials", []))
    for partial in partials:
        shutil.copyfile(settings.extension / partial, work / Path(partial).name)
    source = run_pandoc(
        [*_arguments(settings, work), "--to", "typst", "--template", str(template)],
        composed.markdown,
        settings.folder,
        name,
    )
    # Typst reads files below one root only: bring the figures into it.
    source = _localise(source, composed, settings, work)
    file = work / f"{name}.typ"
    file.write_text(source, encoding="utf-8")
    output = work / f"{name}.pdf"
    notes: list[str] = []
    standards = ["ua-1"] if settings.text("pdf-standard", "ua-1") == "ua-1" else []
    problem = _compile(file, output, work, standards)
    if problem is not None and standards and _UNPRINTABLE in problem:
        notes.append(f"{output.name} is tagged, but not PDF/UA-1: {problem.splitlines()[0]}")
        problem = _compile(file, output, work, [])
    if problem is not None:
        raise RenderError(f"{name}: Typst could not typeset the document. {problem}")
    return output, tuple(notes)


def _localise(source: str, composed: Composed, settings: Settings, work: Path) -> str:
    folder = work / "images"
    folder.mkdir(exist_ok=True)
    copied: dict[str, str] = {figure.as_posix(): figure.relative_to(work).as_posix() for figure in composed.figures}

    def replace(match: re.Match[str]) -> str:
        path = match.group(1)
        if path not in copied:
            file = Path(path) if Path(path).is_absolute() else settings.folder / path
            if not file.is_file():
                raise RenderError(f"The picture `{path}` does not exist.")
            local = folder / f"{len(copied)}-{file.name}"
            shutil.copyfile(file, local)
            copied[path] = local.relative_to(work).as_posix()
        return f'image("{copied[path]}"'

    return re.sub(r'(?<=#box\()image\("([^"]+)"', replace, source)


def _compile(file: Path, output: Path, root: Path, standards: list[str]) -> str | None:
    import typst

    fonts = _fonts()
    try:
        typst.compile(
            str(file),
            output=str(output),
            root=str(root),
            font_paths=fonts,
            pdf_standards=cast("list[typst.PDFStandard]", standards),
        )
    except typst.TypstError as error:
        return str(error.diagnostic or error.message)
    return None


@cache
def _fonts() -> list[str]:
    """Return folders with fallback fonts: matplotlib's DejaVu covers Hebrew, Arabic and symbols offline."""
    from importlib.util import find_spec

    spec = find_spec("matplotlib")
    if spec is None or spec.origin is None:
        return []
    return [str(Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf")]


def _copy(work: Path, *names: str) -> Path:
    for name in names:
        shutil.copyfile(EMBEDDED / name, work / name)
    return work / names[0]
