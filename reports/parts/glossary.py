"""The glossary of reported quantities: what each is, its threshold, what to do when it fails."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from ..prose.language import Language


@cache
def entries() -> tuple[dict[str, Any], ...]:
    """Return the entries of ``glossary.toml`` in order."""
    text = files("safezone.reports").joinpath("glossary.toml").read_text(encoding="utf-8")
    return tuple(tomllib.loads(text)["entry"])


def glossary(talk: Language, rope: str) -> str:
    """Write the glossary as a definition list.

    Parameters
    ----------
    talk
        The language.
    rope
        Half-width of the ROPE as text.

    Returns
    -------
    str
        Markdown.
    """
    parts = []
    for entry in entries():
        words = entry[talk.code]
        said = [str(words["text"]).replace("{rope}", rope)]
        said += [talk.say(f"text.{key}", text=str(words[key])) for key in ("threshold", "remedy") if words.get(key)]
        parts.append(f"{words['term']}\n:   {' '.join(said)}")
    return "\n\n" + "\n\n".join(parts) + "\n\n"
