"""What the embedded renderer supports; everything else is refused by name and line.

The lists are data: to support a feature, implement it and move its name here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..data.errors import Fault, InputError
from .qmd import Cell, Document, Line, Prose, fault, inlines

CELL_OPTIONS = frozenset(
    {
        "label", "echo", "include", "eval", "output", "warning", "error", "tags", "fig-cap", "fig-alt", "fig-width",
        "fig-height", "out-width", "tbl-cap", "tbl-colwidths", "code-summary",
    }
)  # fmt: skip
EXECUTE_OPTIONS = frozenset({"echo", "include", "eval", "output", "warning", "error", "enabled", "freeze"})
# What the embedded renderer acts upon, and what only concerns Quarto's own page around the text.
METADATA = frozenset(
    {
        "title", "subtitle", "author", "date", "abstract", "abstract-title", "keywords", "lang", "dir", "description",
        "subject", "pagetitle", "short-title", "bibliography", "csl", "nocite", "citeproc", "link-citations",
        "link-bibliography", "reference-section-title", "format", "execute", "jupyter", "engine", "project", "profile",
        "toc", "toc-depth", "toc-title", "number-sections", "section-numbering", "fig-width", "fig-height",
        "fig-format", "fig-dpi", "css", "template-partials", "papersize", "fontsize", "reference-doc", "pdf-standard",
        "fixed-floats",
    }
)  # fmt: skip
HARMLESS = frozenset(
    {
        "toc-location", "fig-cap-location", "tbl-cap-location", "html-math-method", "embed-resources", "self-contained",
        "standalone", "theme", "code-copy", "smooth-scroll", "anchor-sections", "categories", "copyright", "license",
        "editor", "respect-user-color-scheme", "keep-typ", "keep-md",
    }
)  # fmt: skip
_FORMATS = frozenset({"html", "typst", "docx", "safezone-html", "safezone-typst", "safezone-docx"})
DIV_CLASSES_REFUSED = re.compile(
    r"\.(column-[\w-]+|panel-(?:sidebar|input|fill|center|table)|aside|incremental|nonincremental|notes|landscape"
    r"|cell[\w-]*|layout|hidden|unlisted-panel|columns|column|grid|card|fragment|code-with-filename)\b"
)
CALLOUTS = frozenset({"note", "tip", "warning", "important", "caution"})
CROSSREFS = frozenset({"fig", "tbl", "sec", "eq"})
_CROSSREFS_REFUSED = re.compile(
    r"(?<![\w\\])@(lst|thm|lem|cor|prp|cnj|def|exm|exr|sol|rem|alg|nte|tip|wrn|imp|cau|vid|dia)-[\w-]+"
)
_IDS_REFUSED = re.compile(r"\{[^}]*#(lst|thm|lem|cor|prp|cnj|def|exm|exr|sol|rem|alg)-[\w-]+")
_SHORTCODE = re.compile(r"\{\{<\s*(?P<name>[\w-]+)?[^>]*>\}\}")
_DIV = re.compile(r"^\s*:{3,}\s*(?P<attributes>\{.*\}|[\w-]+)\s*:*\s*$")
_CALLOUT = re.compile(r"\.callout-([\w-]+)")
_LAYOUT = re.compile(r"(?<![\w-])(layout(?:-[\w]+)?)\s*=")
_CODE_SPAN = re.compile(r"`[^`]*`")
SUBSET = "The embedded renderer has no such feature. Leave it out, or render with Quarto (`--renderer quarto`)."


def check(document: Document) -> None:
    """Refuse what the embedded renderer cannot typeset.

    Raises
    ------
    InputError
        With one fault per unsupported feature: file, line, and its name.
    """
    faults = (*_metadata(document), *_blocks(document))
    if faults:
        raise InputError(*faults)


def check_metadata(metadata: dict[str, object], file: str) -> None:
    """Refuse metadata keys of a project file that the embedded renderer does not know."""
    faults = tuple(_unknown_keys(metadata, file, {}))
    if faults:
        raise InputError(*faults)


def _refused(file: str, line: int | None, feature: str, value: str) -> Fault:
    return fault(file, line, None, f"Unsupported: {feature}.", value.strip()[:80], SUBSET)


def _unknown_keys(metadata: Mapping[str, object], file: str, lines: Mapping[str, int]) -> Iterator[Fault]:
    """Yield a fault per key that would be ignored, also below ``format:``."""
    formats = metadata.get("format")
    options = [(key, lines.get(key)) for key in metadata]
    if isinstance(formats, dict):
        for name, below in formats.items():
            if name in _FORMATS and isinstance(below, dict):
                options += [(str(key), lines.get("format")) for key in below]
    for key, line in options:
        if key not in METADATA and key not in HARMLESS:
            yield _refused(file, line, f"metadata key `{key}`", key)


def _metadata(document: Document) -> Iterator[Fault]:
    name = document.path.name
    yield from _unknown_keys(document.front_matter, name, document.key_lines)
    for key, value in document.front_matter.items():
        line = document.key_lines.get(key, 1)
        if key == "engine" and value != "jupyter":
            yield _refused(name, line, f"engine `{value}`", str(value))
        if key == "execute" and isinstance(value, dict):
            for option in value:
                if option not in EXECUTE_OPTIONS:
                    yield _refused(name, line, f"execute option `{option}`", str(option))
        if "{python}" in str(value):
            yield fault(
                name, line, key, "Quarto does not evaluate inline code in the front matter with Jupyter.",
                str(value)[:80], "Pass the value as metadata, or print it in the text.",
            )  # fmt: skip


def _blocks(document: Document) -> Iterator[Fault]:
    labels: dict[str, int] = {}
    parameter_cells = 0
    for block in document.blocks:
        if isinstance(block, Prose):
            yield from _prose(block)
            continue
        yield from _cell(block)
        parameter_cells += "parameters" in block.tags
        if parameter_cells > 1 and "parameters" in block.tags:
            yield fault(
                block.file, block.line, "tags", "Only one cell is the parameter cell.", None, "Join the two cells."
            )
        if block.label is not None:
            if block.label in labels:
                yield fault(
                    block.file, block.line, "label", "Labels are unique.",
                    f"{block.label} (also line {labels[block.label]})", "Rename one of the two.",
                )  # fmt: skip
            labels[block.label] = block.line


def _cell(cell: Cell) -> Iterator[Fault]:
    if cell.language != "python":
        yield _refused(cell.file, cell.line, f"cell language `{cell.language}`", f"{{{cell.language}}}")
    for option in cell.options:
        if option not in CELL_OPTIONS:
            yield _refused(cell.file, cell.line, f"cell option `{option}`", option)
    label = cell.label
    if label is None:
        return
    if label.startswith("tbl-") and "fig-cap" in cell.options:
        yield fault(cell.file, cell.line, label, "A table's caption is `tbl-cap`.", "fig-cap", "Rename the option.")
    if label.startswith("fig-") and "tbl-cap" in cell.options:
        yield fault(cell.file, cell.line, label, "A figure's caption is `fig-cap`.", "tbl-cap", "Rename the option.")


def _prose(prose: Prose) -> Iterator[Fault]:
    for inline in inlines(prose):
        if inline.language != "python":
            yield _refused(inline.file, inline.line, f"inline language `{inline.language}`", f"{{{inline.language}}}")
    for line in prose.lines:
        if not line.verbatim:
            yield from _line(line)


def _line(line: Line) -> Iterator[Fault]:
    text = _CODE_SPAN.sub("", line.text)
    for shortcode in _SHORTCODE.finditer(text):
        if shortcode["name"] != "pagebreak":
            yield _refused(line.file, line.number, f"shortcode `{shortcode['name']}`", shortcode.group())
    for match in _CROSSREFS_REFUSED.finditer(text):
        yield _refused(line.file, line.number, f"cross-reference `@{match.group(1)}-`", match.group())
    for match in _IDS_REFUSED.finditer(text):
        yield _refused(line.file, line.number, f"label `#{match.group(1)}-`", match.group())
    for match in _LAYOUT.finditer(text if "{" in text else ""):
        yield _refused(line.file, line.number, f"attribute `{match.group(1)}`", match.group(1))
    div = _DIV.match(text)
    if div is None:
        return
    attributes = div["attributes"]
    for match in DIV_CLASSES_REFUSED.finditer(attributes):
        yield _refused(line.file, line.number, f"block `{match.group()}`", attributes)
    for match in _CALLOUT.finditer(attributes):
        if match.group(1) not in CALLOUTS:
            yield _refused(line.file, line.number, f"callout `{match.group(1)}`", attributes)
