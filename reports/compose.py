"""Turn what the cells gave into one Markdown text for pandoc."""

from __future__ import annotations

import ast
import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ..data.errors import Fault, InputError
from .execute import Output, Ran, option
from .metadata import Settings
from .qmd import Cell, Prose, fault, fill
from .qmd_rules import CROSSREFS

_IMAGES = {"image/svg+xml": "svg", "image/png": "png", "image/jpeg": "jpg"}
_DISPLAY = {
    "html": ("text/markdown", "text/html", "image/svg+xml", "image/png", "image/jpeg", "text/latex", "text/plain"),
    "typst": ("text/markdown", "image/svg+xml", "image/png", "image/jpeg", "text/latex", "text/html", "text/plain"),
    "docx": ("text/markdown", "image/png", "image/jpeg", "image/svg+xml", "text/latex", "text/html", "text/plain"),
}
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~^$@&])")
_REFERENCE = re.compile(r"(?<![\w\\.])@((?:fig|tbl|sec|eq)-[\w-]*\w)")
_IDENTIFIER = re.compile(r"#((?:fig|tbl|sec|eq)-[\w-]+)")
_CODE_SPAN = re.compile(r"`[^`]*`")
_PAGE_BREAK = re.compile(r"^\s*\{\{<\s*pagebreak\s*>\}\}\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Composed:
    """A Markdown text and the figures it needs (written below ``folder``)."""

    markdown: str
    figures: tuple[Path, ...]


def compose(ran: tuple[Ran, ...], settings: Settings, folder: Path) -> Composed:
    """Join prose and outputs into the Markdown that pandoc typesets.

    Parameters
    ----------
    ran
        The blocks with their outputs.
    settings
        The merged metadata of the format.
    folder
        Where figure files go.

    Raises
    ------
    InputError
        If a cross-reference points nowhere.
    """
    parts: list[str] = []
    figures: list[Path] = []
    for number, item in enumerate(ran, start=1):
        if isinstance(item.block, Prose):
            text = fill(item.block, tuple(inline_text(output) for output in item.outputs))
            parts.append(_PAGE_BREAK.sub("\n::: {.pagebreak}\n:::\n", text))
        else:
            parts.append(_cell(item.block, item.outputs, settings, folder, number, figures))
    markdown = "\n\n".join(parts) + "\n"
    _check_references(ran, markdown)
    return Composed(markdown, tuple(figures))


def inline_text(output: Output) -> str:
    r"""Return an inline value as Markdown: ``Markdown()`` as it stands, anything else escaped.

    Examples
    --------
    >>> inline_text({"data": {"text/plain": "'a_b'"}})
    'a\\_b'
    """
    data = cast("Mapping[str, object]", output.get("data", {}))
    if "text/markdown" in data:
        return _joined(data["text/markdown"]).strip()
    text = _joined(data.get("text/plain", ""))
    if text[:1] in ("'", '"'):
        try:
            value = ast.literal_eval(text)
        except (SyntaxError, ValueError):
            value = text
        text = str(value)
    return _SPECIAL.sub(r"\\\1", text)


def _cell(
    cell: Cell, outputs: tuple[Output, ...], settings: Settings, folder: Path, number: int, figures: list[Path]
) -> str:
    if option(cell, settings, "include", True) is False:
        return ""
    parts: list[str] = []
    if option(cell, settings, "echo", True) is not False and "parameters" not in cell.tags:
        parts.append(_fence(cell.source, "python"))
    shown = option(cell, settings, "output", True)
    if shown is False:
        return "\n\n".join(parts)
    body: list[str] = []
    captioned = False
    for index, output in enumerate(outputs, start=1):
        kind = output.get("output_type")
        if kind == "stream":
            if output.get("name") == "stderr" and option(cell, settings, "warning", True) is False:
                continue
            text = _joined(output.get("text", ""))
            body.append(text if shown == "asis" else _fence(text.rstrip("\n"), ""))
        elif kind == "error":
            body.append(_fence(f"{output.get('ename')}: {output.get('evalue')}", ""))
        else:
            name = f"{cell.label or f'cell-{number}'}-{index}"
            text, figure = _display(output, cell, settings, folder / name)
            captioned = captioned or figure is not None
            if figure is not None:
                figures.append(figure)
            body.append(text)
    text = "\n\n".join(part for part in body if part.strip())
    if text:
        parts.append(_float(cell, text))
    return "\n\n".join(parts)


def _display(output: Output, cell: Cell, settings: Settings, stem: Path) -> tuple[str, Path | None]:
    data = cast("Mapping[str, object]", output.get("data", {}))
    for kind in _DISPLAY[settings.target]:
        if kind not in data:
            continue
        content = _joined(data[kind])
        if kind in _IMAGES:
            figure = stem.with_name(f"{stem.name}.{_IMAGES[kind]}")
            figure.parent.mkdir(parents=True, exist_ok=True)
            if kind == "image/svg+xml":
                figure.write_text(content, encoding="utf-8")
            else:
                figure.write_bytes(base64.b64decode(content))
            return _image(figure, cell), figure
        if kind == "text/markdown":
            return content, None
        if kind == "text/html":
            return f"```{{=html}}\n{content}\n```", None
        if kind == "text/latex":
            return content, None
        return _fence(content, ""), None
    return "", None


def _image(figure: Path, cell: Cell) -> str:
    alt = cell.options.get("fig-alt", cell.options.get("fig-cap", ""))
    width = cell.options.get("out-width")
    attributes = [f"fig-alt={_quoted(str(alt))}"]
    if width is not None:
        attributes.append(f"width={_quoted(str(width))}")
    caption = "" if _is_float(cell) else str(cell.options.get("fig-cap", ""))
    return f"![{caption}](<{figure.as_posix()}>){{{' '.join(attributes)}}}"


def _float(cell: Cell, body: str) -> str:
    """Wrap a labelled cell in Quarto's own float block; its last paragraph is the caption."""
    if not _is_float(cell):
        caption = cell.options.get("tbl-cap")
        return body if caption is None else f"::: {{.float-table}}\n{body}\n\n{caption}\n:::"
    caption = cell.options.get("fig-cap", cell.options.get("tbl-cap", ""))
    widths = cell.options.get("tbl-colwidths")
    extra = "" if widths is None else f" tbl-colwidths={_quoted(str(widths))}"
    return f":::: {{#{cell.label}{extra}}}\n\n{body}\n\n{caption}\n\n::::"


def _is_float(cell: Cell) -> bool:
    label = cell.label or ""
    return label.startswith(("fig-", "tbl-")) and bool({"fig-cap", "tbl-cap"} & set(cell.options))


def _fence(text: str, language: str) -> str:
    fence = "```"
    while fence in text:
        fence += "`"
    head = f"{fence}{{.{language}}}" if language else f"{fence}{{.output}}"
    return f"{head}\n{text}\n{fence}"


def _quoted(text: str) -> str:
    flat = " ".join(text.split())
    return '"' + flat.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _joined(value: object) -> str:
    return "".join(str(part) for part in value) if isinstance(value, list) else str(value)


def _check_references(ran: tuple[Ran, ...], markdown: str) -> None:
    known = set(_IDENTIFIER.findall(markdown))
    faults: list[Fault] = []
    for item in ran:
        if isinstance(item.block, Prose):
            for line in item.block.lines:
                if line.verbatim:
                    continue
                for label in _REFERENCE.findall(_CODE_SPAN.sub("", line.text)):
                    if label not in known:
                        faults.append(_dangling(line.file, line.number, label, known))
        else:
            for key in ("fig-cap", "tbl-cap"):
                for label in _REFERENCE.findall(str(item.block.options.get(key, ""))):
                    if label not in known:
                        faults.append(_dangling(item.block.file, item.block.line, label, known))
    if faults:
        raise InputError(*faults)


def _dangling(file: str, line: int, label: str, known: set[str]) -> Fault:
    import difflib

    near = difflib.get_close_matches(label, sorted(known), n=1, cutoff=0.5)
    remedy = f"Did you mean @{near[0]}?" if near else "Give the cell, figure, table, section or equation this label."
    assert label.split("-", maxsplit=1)[0] in CROSSREFS
    return fault(file, line, None, "The cross-reference points nowhere.", f"@{label}", remedy)
