"""Read a Quarto document: front matter, prose, and executable cells, each with its file and line.

The embedded renderer works on these values. Includes are resolved here, so that every later
message can name the file and line that the author has to change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ..data.errors import Fault, InputError

_FENCE = re.compile(r"^(?P<indent> {0,3})(?P<fence>`{3,}|~{3,})\s*(?P<info>.*)$")
_CELL_INFO = re.compile(r"^\{(?P<language>[A-Za-z][\w-]*)(?P<rest>[^}]*)\}\s*$")
_INCLUDE = re.compile(r"^\s*\{\{<\s*include\s+(?P<path>.+?)\s*>\}\}\s*$")
_INLINE = re.compile(r"(?<!`)`\{(?P<language>[A-Za-z]\w*)\}\s+(?P<expression>[^`]+?)\s*`(?!`)")
_MAX_INCLUDES = 10


@dataclass(frozen=True, slots=True)
class Line:
    """One line of prose and where it stands.

    Parameters
    ----------
    text
        The line without its line end.
    file
        File name, relative to the document's folder.
    number
        1-based line number in that file.
    verbatim
        Whether the line is inside a code block or an HTML comment, where nothing is interpreted.
    """

    text: str
    file: str
    number: int
    verbatim: bool = False


@dataclass(frozen=True, slots=True)
class Prose:
    """A run of Markdown between two cells."""

    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Inline:
    """An inline expression: its source and its place."""

    expression: str
    language: str
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Cell:
    """An executable code cell.

    Parameters
    ----------
    source
        Code without the option comments.
    options
        The ``#|`` options as YAML values.
    language
        ``python`` or whatever the fence says.
    file, line
        Where the fence opens.
    code_line
        Line number of the first line of ``source``.
    """

    source: str
    options: Mapping[str, object]
    language: str
    file: str
    line: int
    code_line: int

    @property
    def label(self) -> str | None:
        """The cell's label, if it has one."""
        label = self.options.get("label")
        return None if label is None else str(label)

    @property
    def tags(self) -> tuple[str, ...]:
        """The cell's tags (``parameters`` marks the parameter cell)."""
        tags = self.options.get("tags", ())
        return tuple(str(tag) for tag in tags) if isinstance(tags, list | tuple) else (str(tags),)


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed document.

    Parameters
    ----------
    path
        The source file.
    front_matter
        The YAML header.
    key_lines
        Line number of each top-level key of the header.
    blocks
        Prose and cells in order.
    """

    path: Path
    front_matter: Mapping[str, object]
    key_lines: Mapping[str, int]
    blocks: tuple[Prose | Cell, ...]


def fault(file: str, line: int | None, column: str | None, rule: str, value: str | None, remedy: str) -> Fault:
    """Return an error about one place of a document."""
    return Fault("error", file, line, column, rule, value, remedy)


def load_yaml(text: str, file: str, first_line: int = 1) -> dict[str, object]:
    """Read a YAML mapping; an empty text is an empty mapping.

    Raises
    ------
    InputError
        If the text is not YAML or not a mapping; the message carries the line.
    """
    import yaml

    try:
        value = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = first_line + (mark.line if mark is not None else 0)
        raise InputError(
            fault(
                file, line, None, f"This is not YAML: {error.problem}.", None, "Mend the line; quote text with colons."
            )
        ) from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError(
            fault(file, first_line, None, "Options are `key: value` lines.", str(value)[:60], "Write `key: value`.")
        )
    return {str(key): item for key, item in cast("dict[object, object]", value).items()}


def parse(path: Path) -> Document:
    """Read a .qmd file with its includes.

    Raises
    ------
    InputError
        For a missing file, a fence that never closes, YAML that does not parse, or an include
        that does not exist.
    """
    text = _read(path, path.name, None)
    lines = text.splitlines()
    front, start = _front_matter(lines, path.name)
    keys = {
        match.group(1): number
        for number, line in enumerate(lines[:start], start=1)
        if (match := re.match(r"^([A-Za-z][\w-]*)\s*:", line))
    }
    blocks = _blocks(lines[start:], path, path.name, start + 1, depth=0)
    return Document(path, front, keys, _merge(blocks))


def inlines(prose: Prose) -> tuple[Inline, ...]:
    """Return the inline expressions of a run of prose, in order."""
    return tuple(
        Inline(match["expression"], match["language"], line.file, line.number)
        for line in prose.lines
        if not line.verbatim
        for match in _INLINE.finditer(line.text)
    )


def fill(prose: Prose, values: tuple[str, ...]) -> str:
    """Return the prose with its inline expressions replaced by their values, in order."""
    remaining = iter(values)
    return "\n".join(
        line.text if line.verbatim else _INLINE.sub(lambda _: next(remaining), line.text) for line in prose.lines
    )


def _read(path: Path, name: str, line: int | None) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(
            fault(name, line, None, "The file does not exist.", str(path.name), "Check the path.")
        ) from None
    except UnicodeDecodeError:
        raise InputError(
            fault(name, line, None, "The file is not UTF-8 text.", str(path.name), "Save it as UTF-8.")
        ) from None


def _front_matter(lines: list[str], name: str) -> tuple[dict[str, object], int]:
    if not lines or lines[0].rstrip() != "---":
        return {}, 0
    for number, line in enumerate(lines[1:], start=1):
        if line.rstrip() in ("---", "..."):
            return load_yaml("\n".join(lines[1:number]), name, 2), number + 1
    raise InputError(fault(name, 1, None, "The front matter never ends.", None, "Close it with a line `---`."))


def _blocks(lines: list[str], path: Path, name: str, first: int, depth: int) -> list[Prose | Cell]:
    blocks: list[Prose | Cell] = []
    prose: list[Line] = []
    position = 0
    comment = False
    while position < len(lines):
        text = lines[position]
        number = first + position
        fence = None if comment else _FENCE.match(text)
        if fence:
            end = _closing(lines, position, fence["fence"], name, number)
            info = _CELL_INFO.match(fence["info"].strip())
            if info:
                if prose:
                    blocks.append(Prose(tuple(prose)))
                    prose = []
                blocks.append(_cell(lines[position + 1 : end], info, name, number))
            else:
                prose += [Line(lines[at], name, first + at, verbatim=True) for at in range(position, end + 1)]
            position = end + 1
            continue
        include = None if comment else _INCLUDE.match(text)
        if include:
            if prose:
                blocks.append(Prose(tuple(prose)))
                prose = []
            blocks += _included(include["path"].strip("\"'"), path, name, number, depth)
        else:
            opened = comment or text.lstrip().startswith("<!--")
            comment = opened and "-->" not in text
            prose.append(Line(text, name, number, verbatim=opened))
        position += 1
    if prose:
        blocks.append(Prose(tuple(prose)))
    return blocks


def _closing(lines: list[str], opening: int, fence: str, name: str, number: int) -> int:
    close = re.compile(rf"^ {{0,3}}{re.escape(fence[0])}{{{len(fence)},}}\s*$")
    for position in range(opening + 1, len(lines)):
        if close.match(lines[position]):
            return position
    raise InputError(
        fault(name, number, None, "The code block never ends.", lines[opening].strip(), f"Close it with {fence}.")
    )


def _cell(body: list[str], info: re.Match[str], name: str, number: int) -> Cell:
    count = 0
    while count < len(body) and body[count].startswith("#|"):
        count += 1
    options = load_yaml("\n".join(line[2:].removeprefix(" ") for line in body[:count]), name, number + 1)
    if info["rest"].strip():
        raise InputError(
            fault(
                name, number, None, "Options stand in `#|` lines, not in the fence.", info["rest"].strip(),
                "Move them into `#| key: value` lines.",
            )
        )  # fmt: skip
    return Cell("\n".join(body[count:]), options, info["language"], name, number, number + 1 + count)


def _included(target: str, path: Path, name: str, number: int, depth: int) -> list[Prose | Cell]:
    if depth >= _MAX_INCLUDES:
        raise InputError(
            fault(name, number, "include", "Includes are nested too deeply.", target, "Remove the circle.")
        )
    file = path.parent / target
    if not file.is_file():
        raise InputError(fault(name, number, "include", "The included file does not exist.", target, "Check the path."))
    lines = _read(file, name, number).splitlines()
    _, start = _front_matter(lines, target)
    return _blocks(lines[start:], file, target, start + 1, depth + 1)


def _merge(blocks: list[Prose | Cell]) -> tuple[Prose | Cell, ...]:
    merged: list[Prose | Cell] = []
    for block in blocks:
        last = merged[-1] if merged else None
        if isinstance(block, Prose) and isinstance(last, Prose):
            merged[-1] = Prose(last.lines + block.lines)
        else:
            merged.append(block)
    return tuple(merged)
