"""Verdict words: what the draws say against a region of practical equivalence (ROPE)."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ..results import ModelResults

Word = Literal["supported", "leaning", "negligible", "opposed", "undecided", "not trusted"]
SUPPORTED, LEANING = 0.95, 0.80


@dataclass(frozen=True, slots=True)
class Kind:
    """What an estimand's name says: its type and the names inside it."""

    name: str
    verdict: bool
    headline: bool
    parts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verdict on one estimand.

    Parameters
    ----------
    word
        See :func:`judge`.
    probability
        P(beyond the ROPE in ``sign``'s direction), a lower bound where only the summary is known; for *negligible*
        P(inside the ROPE).
    sign
        1 or -1: the direction spoken about.
    rope
        Half-width of the ROPE in standardised units.
    inside
        P(inside the ROPE).
    exact
        Whether ``probability`` comes from the draws themselves rather than from the bound.
    """

    word: Word
    probability: float
    sign: int
    rope: float
    inside: float
    exact: bool


def kind_of(estimand: str) -> Kind:
    """Return the type of an estimand by its name.

    Examples
    --------
    >>> kind_of("safety.within").name, dict(kind_of("arm[active]:time").parts)
    ('within', {'g': 'arm', 'c': 'active'})
    """
    for name, pattern, verdict, headline in _types():
        match = pattern.fullmatch(estimand)
        if match:
            parts = {key: value for key, value in match.groupdict().items() if value is not None}
            return Kind(name, verdict, headline, parts)
    return Kind("other", False, False, {"name": estimand})


@cache
def _types() -> tuple[tuple[str, re.Pattern[str], bool, bool], ...]:
    table = tomllib.loads(files(__package__).joinpath("estimands.toml").read_text(encoding="utf-8"))
    return tuple((row["name"], re.compile(row["pattern"]), row["verdict"], row["headline"]) for row in table["type"])


def judge(in_direction: float, opposite: float, inside: float) -> Word:
    """Return the verdict word for one estimand.

    Parameters
    ----------
    in_direction, opposite
        P(θ beyond the ROPE) in the direction spoken about, and in the other.
    inside
        P(θ inside the ROPE).

    Returns
    -------
    str
        *supported* from .95, *leaning* from .80, *negligible* when .95 lie inside, *opposed* when .95 lie beyond on the
        other side, else *undecided*.

    Examples
    --------
    >>> judge(0.97, 0.0, 0.03), judge(0.85, 0.0, 0.15), judge(0.02, 0.01, 0.97), judge(0.5, 0.1, 0.4)
    ('supported', 'leaning', 'negligible', 'undecided')
    """
    if in_direction >= SUPPORTED:
        return "supported"
    if inside >= SUPPORTED:
        return "negligible"
    if opposite >= SUPPORTED:
        return "opposed"
    return "leaning" if in_direction >= LEANING else "undecided"


def verdict_of(
    model: ModelResults, estimand: str, expected: int | None = None, rope: Mapping[str, float] | None = None
) -> Verdict | None:
    """Return the verdict on an estimand, or ``None`` where a verdict makes no sense.

    The standardised row decides (that is where the ROPE is defined). Where the fit keeps no draws of its estimands,
    P(beyond the ROPE in the direction) is bounded from below by P(direction) − P(inside the ROPE), and the bound is
    what is compared with the thresholds, so that a verdict is never stronger than the draws.

    Parameters
    ----------
    model, estimand
        Which estimand.
    expected
        1 or -1 where a direction was stated beforehand; by default the direction found.
    rope
        Half-widths, for the record in the sentence.
    """
    if not kind_of(estimand).verdict:
        return None
    if "standardised" not in model.scales.get(estimand, ()):
        return None
    row = model.estimate(estimand, "standardised")
    if not math.isfinite(float(row["p_rope"])):
        return None
    sign = 1 if float(row["mean"]) >= 0 else -1
    inside = float(row["p_rope"])
    beyond = max(0.0, float(row["pd"]) - inside)
    widths = rope or {}
    half = widths.get(estimand, widths.get("default", 0.1))
    draws = model.draws(estimand, "standardised")
    if draws is not None:
        beyond = float((sign * draws > half).mean())
    if not model.trusted:
        return Verdict("not trusted", beyond, sign, half, inside, draws is not None)
    if expected is None or expected == sign:
        word = judge(beyond, 0.0, inside)
    else:
        word = judge(0.0, beyond, inside)
    return Verdict(word, inside if word == "negligible" else beyond, sign, half, inside, draws is not None)
