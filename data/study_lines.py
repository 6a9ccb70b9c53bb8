"""Where a text stands in ``study.toml``: TOML readers forget lines, and messages should name them."""

from __future__ import annotations

import re
from pathlib import Path

_TABLE = re.compile(r"\s*\[+\s*([^\[\]]+?)\s*\]+\s*(#.*)?")
_KEY = re.compile(r"""\s*(?P<quote>["']?)(?P<key>[\w-]+)(?P=quote)\s*=""")


def line_of(file: Path, model: str, key: str, text: str, occurrence: int = 0) -> int | None:
    """Return the line of a text in a key of ``[models.MODEL]``.

    Parameters
    ----------
    file
        The study file.
    model, key
        The model's name and its key, for instance ``session``.
    text
        The text as it stands between its quotes.
    occurrence
        0 for the first time that the key holds this text, 1 for the second, …

    Returns
    -------
    int or None
        The 1-based line; where the text cannot be found, the line of the key; ``None`` where the key is written
        in another form (an inline table) or the file cannot be read.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    table, inside, first, seen = "", False, None, 0
    for number, line in enumerate(lines, start=1):
        header = _TABLE.fullmatch(line)
        if header is not None and '"' not in header[1].replace(f'"{model}"', ""):
            table, inside = header[1].replace('"', "").replace("'", "").replace(" ", ""), False
            continue
        if table != f"models.{model}".replace(" ", ""):
            continue
        assigned = _KEY.match(line)
        if assigned is not None:
            inside = assigned["key"] == key
            first = number if inside else first
        if inside:
            seen += len(re.findall(f"\"{re.escape(text)}\"|'{re.escape(text)}'", line))
            if seen > occurrence:
                return number
    return first
