"""What a supplement says around its tables and figures (``supplement.toml``)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def _table() -> Mapping[str, Any]:
    text = files("safezone.reports.prose").joinpath("supplement.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def say(key: str, code: str, /, **values: str) -> str:
    """Fill the pattern at a dotted key of a language.

    Examples
    --------
    >>> say("statistic.mean", "de")
    'Mittelwert'
    """
    here: Any = _table()[code]
    for part in key.split(".", 1):
        here = here[part]
    return str(here).format(**values)
