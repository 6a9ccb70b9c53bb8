"""The only way a number enters prose: bound to draws, printed as far as they support it, and locked.

A template makes one :class:`Numbers` and writes ``n("course.time")``. Every use is recorded; at the end of rendering
the record becomes ``numbers.lock.json``, against which a later run is compared (:func:`compare_locks`).
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from ..data.errors import Fault, InputError
from . import digits

if TYPE_CHECKING:
    import pandas as pd

    from .results import ModelResults, Results

What = Literal["mean", "median", "lower", "upper", "sd", "pd", "p_rope", "percent"]
LOCK_VARIABLE = "SAFEZONE_NUMBERS_LOCK"


@dataclass(frozen=True, slots=True)
class LockedNumber:
    """One number as printed.

    Parameters
    ----------
    key
        ``MODEL.ESTIMAND|scale|what``.
    value, mcse
        The value behind the text and its Monte Carlo standard error.
    text
        What the reader saw.
    direction
        ``+``, ``-`` or ``0`` (the interval includes zero).
    verdict
        The verdict word that goes with the estimand, or an empty string.
    """

    key: str
    value: float
    mcse: float
    text: str
    direction: str
    verdict: str


@dataclass(frozen=True, slots=True)
class MovedNumber:
    """A published number that no longer holds.

    Parameters
    ----------
    key
        As in the lock.
    old, new
        The numbers; ``new`` is ``None`` where the estimand is gone.
    reason
        ``moved``, ``direction``, ``verdict`` or ``gone``.
    """

    key: str
    old: LockedNumber
    new: LockedNumber | None
    reason: str


class Numbers:
    """Numbers of one results folder, with a record of those that were used.

    Parameters
    ----------
    results
        The results folder.
    language
        ``en`` or ``de``; the study's language by default.

    Examples
    --------
    >>> n = Numbers(read_results("results"))  # doctest: +SKIP
    >>> n("course.time"), n.ci("course.time")  # doctest: +SKIP
    ('−0.42', '95% CrI [−0.51, −0.33]')
    """

    def __init__(self, results: Results, language: str | None = None) -> None:
        self.results = results
        self.language = language or results.study.language
        self.used: dict[str, LockedNumber] = {}

    def __call__(self, key: str, scale: str | None = None, what: What = "mean") -> str:
        """Return a number as text with the digits that its Monte Carlo error supports.

        Parameters
        ----------
        key
            ``MODEL.ESTIMAND``, e.g. ``depth.safety.within``.
        scale
            ``raw`` (default where there is one) or ``standardised``.
        what
            ``mean``, ``median``, ``lower``, ``upper``, ``sd``, ``pd``, ``p_rope``, or ``percent`` (the mean, per cent).

        Returns
        -------
        str
            The number in the study's language.

        Raises
        ------
        InputError
            If there is no such model, estimand, scale or quantity.
        """
        if what not in get_args(What):
            raise InputError(
                Fault("error", "report", None, key, "`what` names a column of the estimates.", what,
                      f"Choose one of: {', '.join(get_args(What))}.")
            )  # fmt: skip
        row = self.row(key, scale)
        text = number_text(row, what, self.language, self.results.study.interval)
        self._record(key, row, what, text)
        return text

    def ci(self, key: str, scale: str | None = None, *, bare: bool = False, what: What = "mean") -> str:
        """Return the credible interval as text, ``95% CrI [0.25, 0.37]``.

        Parameters
        ----------
        key, scale
            As for a number.
        bare
            Whether to leave out ``95% CrI``.
        what
            ``percent`` writes shares as per cent.
        """
        row = self.row(key, scale)
        probability = self.results.study.interval
        text = interval_text(row, self.language, probability, percent=what == "percent")
        for end in ("lower", "upper"):
            self._record(key, row, end, text)
        return text if bare else f"{interval_label(probability, self.language)} {text}"

    def row(self, key: str, scale: str | None = None) -> pd.Series:
        """Return the row of ``estimates.csv`` that a key names."""
        model, estimand = self.split(key)
        return model.estimate(estimand, scale)

    def split(self, key: str) -> tuple[ModelResults, str]:
        """Split ``MODEL.ESTIMAND`` at the longest model name that fits."""
        for name in sorted(self.results.models, key=len, reverse=True):
            if key.startswith(f"{name}."):
                return self.results.model(name), key.removeprefix(f"{name}.")
        raise InputError(
            Fault("error", "report", None, key, "A number is named MODEL.ESTIMAND.", key,
                  f"Begin with one of the models: {', '.join(self.results.models)}.")
        )  # fmt: skip

    def _record(self, key: str, row: pd.Series, what: str, text: str) -> None:
        from .prose.verdicts import verdict_of

        model, estimand = self.split(key)
        full = f"{key}|{row['scale']}|{what}"
        direction = "0" if row["lower"] <= 0 <= row["upper"] else ("+" if row["mean"] > 0 else "-")
        verdict = verdict_of(model, estimand, rope=self.results.study.rope)
        self.used[full] = LockedNumber(
            full, _value(row, what), number_mcse(row, what, self.results.study.interval), text, direction,
            "" if verdict is None else verdict.word,
        )  # fmt: skip

    def save(self, path: Path | str | None = None) -> Path | None:
        """Merge the record into the lock file.

        Parameters
        ----------
        path
            The file; by default the one that the environment variable ``SAFEZONE_NUMBERS_LOCK`` names. Without either
            nothing is written. Merging twice is the same as merging once, so that every format may save.
        """
        target = path or os.environ.get(LOCK_VARIABLE)
        if not target:
            return None
        target = Path(target)
        merged = {**(read_lock(target) if target.is_file() else {}), **self.used}
        target.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"numbers": [asdict(merged[key]) for key in sorted(merged)]}, indent=1, ensure_ascii=False)
        part = target.with_name(target.name + ".part")
        part.write_text(text + "\n", encoding="utf-8")
        part.replace(target)
        return target


def number_text(row: pd.Series, what: What, language: str, interval: float = 0.95) -> str:
    """Return one quantity of an estimate as text, by the digits rule of :mod:`.digits`."""
    value = _value(row, what)
    if what in ("pd", "p_rope"):
        return digits.write_probability(value, language, float(row["ess_bulk"]))
    if what == "percent":
        return digits.write_percent(value, max(0, _decimals(row, interval) - 2), language)
    return digits.write(value, _decimals(row, interval), language)


def interval_text(row: pd.Series, language: str, interval: float = 0.95, *, percent: bool = False) -> str:
    """Return ``[lower, upper]`` (in German ``[lower; upper]``, since the comma is the decimal sign)."""
    decimals = _decimals(row, interval)
    separator = "; " if language == "de" else ", "
    if percent:
        ends = [digits.write_percent(float(row[end]), max(0, decimals - 2), language) for end in ("lower", "upper")]
    else:
        ends = [digits.write(float(row[end]), decimals, language) for end in ("lower", "upper")]
    return f"[{separator.join(ends)}]"


def interval_label(interval: float, language: str) -> str:
    """Return ``95% CrI`` (German: ``95-%-KrI``)."""
    percent = digits.write(100 * interval, 0 if math.isclose(100 * interval, round(100 * interval)) else 1, language)
    return f"{percent}-%-KrI" if language == "de" else f"{percent}% CrI"


def number_mcse(row: pd.Series, what: str, interval: float = 0.95) -> float:
    """Return the Monte Carlo standard error of one quantity of an estimate.

    Means as reported; quantiles and the SD by normal approximation; probabilities from the binomial with the bulk ESS.
    """
    mcse, sd, ess = float(row["mcse"]), float(row["sd"]), max(1.0, float(row["ess_bulk"]))
    if what in ("lower", "upper"):
        return digits.quantile_mcse(sd, float(row["ess_tail"]), (1 - interval) / 2)
    if what == "median":
        return mcse * math.sqrt(math.pi / 2)
    if what == "sd":
        return sd / math.sqrt(2 * ess)
    if what in ("pd", "p_rope"):
        share = float(row[what])
        # A share of exactly 0 or 1 is not known exactly: add one draw to either side.
        share = (share * ess + 1) / (ess + 2)
        return math.sqrt(share * (1 - share) / ess)
    return mcse


def _value(row: pd.Series, what: str) -> float:
    return float(row["mean" if what == "percent" else what])


def _decimals(row: pd.Series, interval: float) -> int:
    return digits.interval_decimals(
        float(row["mcse"]), float(row["sd"]), float(row["ess_tail"]), interval, float(row["mean"])
    )


def read_lock(path: Path | str) -> dict[str, LockedNumber]:
    """Read a lock file.

    Raises
    ------
    InputError
        If it is not there or damaged.
    """
    path = Path(path)
    try:
        entries: list[Mapping[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["numbers"]
        return {str(entry["key"]): LockedNumber(**entry) for entry in entries}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            Fault("error", path.name, None, None, "The number lock cannot be read.", type(error).__name__,
                  "Render the report again with `safezone report STUDY`, which writes it.")
        ) from error  # fmt: skip


def compare_locks(
    old: Mapping[str, LockedNumber], new: Mapping[str, LockedNumber], k: float = 4.0
) -> tuple[MovedNumber, ...]:
    r"""Compare two locks.

    Parameters
    ----------
    old, new
        Locks by key.
    k
        A number has moved when it differs by more than :math:`k \sqrt{s_1^2 + s_2^2}`, the combined Monte Carlo error.

    Returns
    -------
    tuple of MovedNumber
        Numbers that moved, decisions that flipped, and numbers that are gone; empty when everything holds.
    """
    moved = []
    for key, before in old.items():
        after = new.get(key)
        if after is None:
            reason = "gone"
        elif abs(after.value - before.value) > k * math.hypot(before.mcse, after.mcse) + 1e-12 * abs(before.value):
            reason = "moved"
        elif before.direction != after.direction:
            reason = "direction"
        elif before.verdict != after.verdict:
            reason = "verdict"
        else:
            continue
        moved.append(MovedNumber(key, before, after, reason))
    return tuple(moved)
