"""Words for what choices change: one quantity's specifications counted, summarised and named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...analysis.specifications import CROSSED, VALUES
from .. import digits
from .language import language
from .theory import SYMBOLS, find, say

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Curve:
    """The specifications of one quantity.

    Parameters
    ----------
    id, part
        Row and part of the theory.
    rows
        Those with an estimate, lowest first: rows of ``sensitivity.csv``.
    impossible
        How many have none.
    """

    id: str
    part: str
    rows: pd.DataFrame
    impossible: int

    @property
    def quantity(self) -> str:
        """The quantity in words of the study's language."""
        return str(self.rows["quantity"].iloc[0])

    @property
    def words(self) -> list[str]:
        """The verdict of each specification, without its reason."""
        return [str(verdict).partition(":")[0] for verdict in self.rows["verdict"]]

    @property
    def place(self) -> int:
        """Where the study's own specification stands in order of size, from 0."""
        return int(self.rows["own"].to_numpy().argmax())

    @property
    def same(self) -> int:
        """In how many specifications the verdict is that of the study's own."""
        return self.words.count(self.words[self.place])

    @property
    def untrusted(self) -> int:
        """How many specifications are not trusted."""
        return self.words.count("not trusted")

    @property
    def axes(self) -> tuple[str, ...]:
        """The axes on which there was a choice."""
        return tuple(axis for axis in VALUES if len(set(self.rows[axis].dropna())) > 1)

    def values(self, axis: str) -> list[str]:
        """Return the choices that were made on an axis: those of the table in its order, then the study's others."""
        made = [str(value) for value in self.rows[axis].dropna().unique()]
        return [value for value in VALUES[axis] if value in made] + [v for v in made if v not in VALUES[axis]]

    def numbers(self, code: str) -> dict[str, str]:
        """Return the numbers that sentences need, written."""
        mean = self.rows["mean"]
        written = {"own": mean.iloc[self.place], "median": mean.median(), "low": mean.min(), "high": mean.max()}
        counted = {"n": len(self.rows), "k": self.same}
        return {key: self.write(float(value), code) for key, value in written.items()} | {
            key: str(value) for key, value in counted.items()
        }

    def write(self, value: float, code: str) -> str:
        """Write a number of this quantity: a third decimal where small changes are of interest."""
        return digits.write(value, 3 if float(self.rows["smallest"].iloc[0]) < 0.05 else 2, code)

    def counts(self, code: str) -> str:
        """Count the verdicts: ``17 supported and 2 leaning``."""
        words = self.words
        return language(code).join(
            [f"{words.count(word)} {say(f'word.{word}', code)}" for word in SYMBOLS if word in words]
        )

    def moved_by(self, code: str) -> str:
        """Name the single choice that takes the estimate furthest from the study's own, and say by how much."""
        own = self.rows.iloc[self.place]
        furthest, best = "", -1.0
        for _, row in self.rows.iterrows():
            differing = [axis for axis in self.axes if row[axis] != own[axis]]
            shift = abs(float(row["mean"]) - float(own["mean"]))
            if len(differing) == 1 and shift > best:
                (axis,) = differing
                best, furthest = shift, choice(axis, str(row[axis]), code)
        return f"{furthest}, {self.write(best, code)}" if furthest else ""


def curves(table: pd.DataFrame) -> tuple[Curve, ...]:
    """Return the quantities whose own specification and one other have an estimate, in the order of the theory.

    Parameters
    ----------
    table
        ``sensitivity.csv``.
    """
    return tuple(_curves(table))


def _curves(table: pd.DataFrame) -> Iterator[Curve]:
    for (name, part), rows in table.fillna({"part": ""}).groupby(["id", "part"], sort=False):
        known = rows.dropna(subset=["mean"]).sort_values("mean", kind="stable").reset_index(drop=True)
        if len(known) > 1 and known["own"].any():
            yield Curve(str(name), str(part), known, len(rows) - len(known))


def choice(axis: str, value: str, code: str) -> str:
    """Name a choice: ``Centring: latent means``; what a study chose beyond the table stands as it is written.

    Examples
    --------
    >>> choice("detrending", "own", "de"), choice("detrending", "quadratic", "en")
    ('Trend: linear, je Klient:in', 'Trend: quadratic')
    """
    said = find(f"multiverse.choice_{axis}_{value}", code) or value
    return f"{say(f'multiverse.axis_{axis}', code)}: {said}"


def opening(found: tuple[Curve, ...], code: str) -> str:
    """Return which choices were varied, crossed or one at a time, and for how many quantities that made no difference.

    Parameters
    ----------
    found
        Every quantity.
    code
        Language.
    """
    crossed = set().union(*CROSSED.values())
    axes = [axis for axis in VALUES if any(axis in one.axes for one in found)]
    named: Mapping[bool, list[str]] = {
        kind: [say(f"multiverse.axis_{axis}", code) for axis in axes if (axis in crossed) == kind]
        for kind in (True, False)
    }
    alone = say("multiverse.alone", code, axes=", ".join(named[False])) if named[False] else ""
    stable = sum(one.same == len(one.rows) for one in found)
    lines = [say("multiverse.text", code, crossed=", ".join(named[True]), alone=alone)]
    lines.append("\n".join(f"- {say(f'multiverse.explain_{axis}', code)}" for axis in axes))
    told = [say("multiverse.summary", code, n=str(len(found)), k=str(stable))]
    impossible = sum(one.impossible for one in found)
    if impossible:
        told.append(say("multiverse.impossible", code, n=str(impossible)))
    return "\n\n".join([*lines, " ".join(told)])


def stable(one: Curve, code: str, quantity: str = "") -> str:
    """Say how stable a verdict is.

    Parameters
    ----------
    one
        The quantity.
    code
        Language.
    quantity
        Its name, where a row has several.
    """
    untrusted = say("multiverse.untrusted", code, n=str(one.untrusted)) if one.untrusted else ""
    key = "stable_part" if quantity else "stable"
    return say(f"multiverse.{key}", code, quantity=quantity, untrusted=untrusted, **one.numbers(code))
