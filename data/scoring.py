"""From items to scores: instruments as data, reverse keys, prorating.

Instruments lie in ``instruments/*.toml``: keys, ranges, rules and citations only, never the text of an item.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Literal

import numpy as np
import pandas as pd

from .errors import Fault, InputError

DEFAULT_PRORATE = 0.8  # share of items that must be answered where no manual says otherwise
Score = Literal["mean", "sum"]


@dataclass(frozen=True, slots=True)
class Citation:
    """Where an instrument was published."""

    authors: str
    year: int
    title: str
    journal: str
    doi: str | None = None

    def __str__(self) -> str:
        """Return the reference as one line."""
        link = "" if self.doi is None else f". doi:{self.doi}"
        return f"{self.authors} ({self.year}). {self.title}. {self.journal}{link}"


@dataclass(frozen=True, slots=True)
class Instrument:
    """A published questionnaire's scoring key.

    Parameters
    ----------
    name, title
        Name in study files and in full.
    item_count, item_range
        Number of items; lowest and highest answer.
    score
        ``sum`` or ``mean`` of the items.
    better
        Which direction is good.
    min_answered
        How many of all items must be answered; missing ones then count as the mean of the others.
    prorating_source
        Whose rule that is.
    citation
        The publication.
    rater, unit
        Who rates, and the unit of the score.
    total
        Whether a score over all items exists; without it a subscale must be named.
    reverse
        Item numbers (from 1) that are worded the other way round.
    subscales
        Item numbers of each subscale.
    cutoffs
        Lowest score of each published band.
    reliable_change, reliable_change_source
        Smallest reliable change in points and its source, or ``None``.
    """

    name: str
    title: str
    item_count: int
    item_range: tuple[float, float]
    score: Score
    better: Literal["higher", "lower"]
    min_answered: int
    prorating_source: str
    citation: Citation
    rater: str | None = None
    unit: str = "points"
    total: bool = True
    reverse: tuple[int, ...] = ()
    subscales: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    cutoffs: Mapping[str, float] = field(default_factory=dict)
    reliable_change: float | None = None
    reliable_change_source: str | None = None

    def items_of(self, subscale: str | None) -> tuple[int, ...]:
        """Return the item numbers (from 1) that a score uses.

        Raises
        ------
        InputError
            If the subscale is unknown, or the instrument has no score over all items.
        """
        if subscale is None:
            if not self.total:
                raise _fault("subscale", f"{self.title} has no score over all items.", None, _one_of(self.subscales))
            return tuple(range(1, self.item_count + 1))
        if subscale not in self.subscales:
            raise _fault("subscale", f"{self.title} has no such subscale.", subscale, _one_of(self.subscales))
        return self.subscales[subscale]

    def score_range(self, subscale: str | None = None) -> tuple[float, float]:
        """Return the lowest and highest possible score."""
        weight = len(self.items_of(subscale)) if self.score == "sum" else 1
        return self.item_range[0] * weight, self.item_range[1] * weight


@cache
def instruments() -> tuple[str, ...]:
    """Return the names of the instruments that safezone can score."""
    folder = files("safezone.data") / "instruments"
    return tuple(sorted(path.name.removesuffix(".toml") for path in folder.iterdir() if path.name.endswith(".toml")))


@cache
def load_instrument(name: str) -> Instrument:
    """Return an instrument by its name; case, blanks and hyphens do not matter.

    Raises
    ------
    InputError
        If there is no such instrument; the nearest name is suggested.

    Examples
    --------
    >>> from safezone.data.scoring import load_instrument
    >>> load_instrument("PHQ-9").score_range()
    (0, 27)
    """
    plain = {_plain(known): known for known in instruments()}
    if _plain(name) not in plain:
        near = difflib.get_close_matches(_plain(name), plain, n=1)
        hint = f"Did you mean {plain[near[0]]!r}? " if near else ""
        remedy = f"{hint}{_one_of(instruments())} Or leave `instrument` out and say `reverse` and `score` yourself."
        raise _fault("instrument", "There is no such instrument.", name, remedy)
    known = plain[_plain(name)]
    text = (files("safezone.data") / "instruments" / f"{known}.toml").read_text(encoding="utf-8")
    raw = tomllib.loads(text)
    change = raw.pop("reliable_change", {})
    raw["citation"] = Citation(**raw["citation"])
    raw["item_range"] = tuple(raw["item_range"])
    raw["reverse"] = tuple(raw.get("reverse", ()))
    raw["subscales"] = {key: tuple(value) for key, value in raw.get("subscales", {}).items()}
    return Instrument(**raw, reliable_change=change.get("points"), reliable_change_source=change.get("source"))


def score_items(
    items: pd.DataFrame,
    instrument: Instrument | None = None,
    *,
    subscale: str | None = None,
    reverse: Sequence[str] = (),
    prorate: float | None = None,
    score: Score | None = None,
    range: tuple[float, float] | None = None,  # noqa: A002 - the study file's word
) -> pd.Series:
    """Score a scale.

    Reversed items become ``lowest + highest − x``. Where enough items are answered, the score is the mean of
    the answered ones (times the number of items for a sum); otherwise it is missing.

    Parameters
    ----------
    items
        One row per questionnaire and one numeric column per item, missing as NaN, in the instrument's order:
        all its items, or exactly those of the subscale.
    instrument
        Its key, or ``None`` for a scale of the study's own.
    subscale
        A subscale of the instrument.
    reverse
        Columns that are worded the other way round; replaces the instrument's key where both are given.
    prorate
        Share of items that must be answered; by default the instrument's rule, else 0.8.
    score
        ``mean`` or ``sum``; by default the instrument's rule, else ``mean``.
    range
        Lowest and highest answer of one item; by default the instrument's.

    Returns
    -------
    pd.Series
        float64, index of ``items``.

    Raises
    ------
    InputError
        If the columns do not fit the instrument, or items are reversed without a range.

    Examples
    --------
    >>> import pandas as pd
    >>> from safezone.data.scoring import score_items
    >>> two = pd.DataFrame({"a": [1.0, 5.0], "b": [7.0, 3.0]})
    >>> score_items(two, reverse=["b"], range=(1, 7)).tolist()
    [1.0, 5.0]
    """
    used = keyed_items(items, instrument, subscale=subscale, reverse=reverse, range=range)
    width = used.shape[1]
    answered = used.notna().sum(axis=1).to_numpy()
    if prorate is not None:
        needed = prorate * width
    elif instrument is not None and subscale is None:
        needed = float(instrument.min_answered)
    else:
        needed = DEFAULT_PRORATE * width
    enough = answered >= max(needed - 1e-9, 1)
    total = used.sum(axis=1).to_numpy(dtype=np.float64)
    mean = np.divide(total, answered, out=np.full(len(used), np.nan), where=enough)
    rule = score or (instrument.score if instrument is not None else "mean")
    return pd.Series(mean * width if rule == "sum" else mean, index=items.index, dtype="float64")


def keyed_items(
    items: pd.DataFrame,
    instrument: Instrument | None = None,
    *,
    subscale: str | None = None,
    reverse: Sequence[str] = (),
    range: tuple[float, float] | None = None,  # noqa: A002 - the study file's word
) -> pd.DataFrame:
    """Return the items of a score with reversed ones turned round; arguments as in :func:`score_items`."""
    used, numbers = _select(items, instrument, subscale)
    turned = list(reverse)
    strange = [name for name in turned if name not in used.columns]
    if strange:
        raise _fault(
            "reverse", "An item to be reversed is not among the items.", ", ".join(strange), _one_of(used.columns)
        )
    if not turned and instrument is not None:
        turned = [column for column, number in zip(used.columns, numbers, strict=True) if number in instrument.reverse]
    if not turned:
        return used.astype("float64")
    bounds = range or (instrument.item_range if instrument is not None else None)
    if bounds is None:
        raise _fault(
            "range", "Items can be reversed only on a known scale.", None, "Declare range = [lowest, highest]."
        )
    found = used.astype("float64")
    found[turned] = bounds[0] + bounds[1] - found[turned]
    return found


def _select(items: pd.DataFrame, instrument: Instrument | None, subscale: str | None) -> tuple[pd.DataFrame, list[int]]:
    """Return the columns that a score uses and their item numbers."""
    if instrument is None:
        if subscale is not None:
            raise _fault(
                "subscale", "A subscale needs an instrument.", subscale, "Declare `instrument`, or list only its items."
            )
        return items, list(np.arange(1, items.shape[1] + 1))
    numbers = instrument.items_of(subscale)
    if items.shape[1] == instrument.item_count:
        return items.iloc[:, [number - 1 for number in numbers]], list(numbers)
    if items.shape[1] == len(numbers):
        return items, sorted(numbers)
    allowed = f"{instrument.item_count} items in the order of the questionnaire"
    if subscale is not None:
        allowed += f", or the {len(numbers)} items of {subscale} in ascending order"
    raise _fault("items", f"{instrument.title} has {allowed}.", f"{items.shape[1]} items", "List them all.")


def _plain(name: str) -> str:
    """Return a name without case, blanks and punctuation."""
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _one_of(choices: object) -> str:
    """Return a remedy that lists the choices."""
    names = [str(choice) for choice in choices] if hasattr(choices, "__iter__") else []
    return f"Choose one of: {', '.join(names)}." if names else "It has none; leave the key out."


def _fault(key: str, rule: str, value: str | None, remedy: str) -> InputError:
    """Return the error for a key of a variable in the study file."""
    return InputError(Fault("error", "study.toml", None, key, rule, value, remedy))
