"""What draws of a quantity say about a statement: one word, by the rules of the registry.

With the expected direction turned to the right, θ the quantity and s the smallest effect of interest (so that
[−s, s] is the region of practical equivalence, ROPE):

    supported   P(θ > s) ≥ .95      opposed     P(θ < −s) ≥ .95
    negligible  P(|θ| ≤ s) ≥ .95    leaning     P(θ > s) ≥ .80      else undecided

The thresholds are configuration (``[principles]``). Parts make a row in one of two ways. *all*: P is the
probability that every part lies beyond its ROPE, from joint draws within a model and at least
1 − Σ(1 − P_i) across models, whose draws are not joint (Bonferroni); one part that is opposed or negligible
settles the row. *mean*: the parts are averaged, draw by draw, each in its expected direction.

Source: Kruschke (2018), Advances in Methods and Practices in Psychological Science 1(2), 270–280.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ..data.config import PrinciplesSection

Floats = NDArray[np.float64]
Word = Literal["supported", "leaning", "negligible", "opposed", "undecided"]


@dataclass(frozen=True, slots=True)
class Chances:
    """Where the posterior of a quantity lies, seen in the expected direction.

    Parameters
    ----------
    beyond, inside, against
        P(θ > s), P(|θ| ≤ s), P(θ < −s).
    """

    beyond: float
    inside: float
    against: float


@dataclass(frozen=True, slots=True)
class PartDraws:
    """Draws of one part of a row.

    Parameters
    ----------
    model
        The model they come from; draws of one model are joint.
    oriented
        Draws, positive where the statement expects them; of a quantity without direction its size, (draws,).
    smallest
        Smallest effect of interest.
    """

    model: str
    oriented: Floats
    smallest: float


def orient(draws: Floats, sign: int) -> Floats:
    """Turn draws so that what is expected is positive; without direction the size counts.

    Examples
    --------
    >>> orient(np.array([-0.5, 0.25]), -1).tolist(), orient(np.array([-0.5, 0.25]), 0).tolist()
    ([0.5, -0.25], [0.5, 0.25])
    """
    return np.abs(draws) if sign == 0 else sign * draws


def chances(oriented: Floats, smallest: float) -> Chances:
    """Return where oriented draws lie.

    Examples
    --------
    >>> chances(np.array([0.3, 0.2, 0.05, -0.4]), 0.1)
    Chances(beyond=0.5, inside=0.25, against=0.25)
    """
    return Chances(
        float(np.mean(oriented > smallest)),
        float(np.mean(np.abs(oriented) <= smallest)),
        float(np.mean(oriented < -smallest)),
    )


def word(found: Chances, thresholds: PrinciplesSection) -> Word:
    """Return the verdict.

    Examples
    --------
    >>> from safezone.data.config import PrinciplesSection
    >>> word(Chances(0.97, 0.03, 0.0), PrinciplesSection()), word(Chances(0.5, 0.4, 0.1), PrinciplesSection())
    ('supported', 'undecided')
    """
    if found.beyond >= thresholds.supported:
        return "supported"
    if found.against >= thresholds.opposed:
        return "opposed"
    if found.inside >= thresholds.negligible:
        return "negligible"
    if found.beyond >= thresholds.leaning:
        return "leaning"
    return "undecided"


def together(parts: Sequence[PartDraws]) -> Chances:
    """Return the chances that every part holds, that one is negligible, that one is opposed.

    Parameters
    ----------
    parts
        At least one.

    Returns
    -------
    Chances
        ``beyond``: joint within a model, the Bonferroni bound across models. ``inside`` and ``against``: those of
        the part that is most surely negligible, or opposed: a conjunction falls with any of its parts.
    """
    by_model: dict[str, NDArray[np.bool_]] = {}
    for part in parts:
        holds = part.oriented > part.smallest
        before = by_model.get(part.model)
        by_model[part.model] = holds if before is None else before & holds
    joint = 1.0 - sum(1.0 - float(np.mean(holds)) for holds in by_model.values())
    each = [chances(part.oriented, part.smallest) for part in parts]
    return Chances(max(0.0, joint), max(one.inside for one in each), max(one.against for one in each))


def averaged(parts: Sequence[PartDraws], seed: int = 0) -> PartDraws:
    """Average parts, draw by draw; draws of different models are paired at random, as independent.

    Parameters
    ----------
    parts
        At least one; the fewest draws decide how many are used.
    seed
        Of the pairing.
    """
    rng = np.random.default_rng(seed)
    size = min(len(part.oriented) for part in parts)
    columns = [
        part.oriented[:size] if part.model == parts[0].model else rng.permutation(part.oriented)[:size]
        for part in parts
    ]
    mean = np.mean(columns, axis=0)
    return PartDraws(parts[0].model, mean, float(np.mean([part.smallest for part in parts])))


def counts(words: Sequence[str]) -> Mapping[str, int]:
    """Count verdicts, in the order in which they are told; everything else is *not testable* or *not trusted*."""
    order = ("supported", "leaning", "undecided", "negligible", "opposed")
    found = {name: sum(one == name for one in words) for name in order}
    found["not trusted"] = sum(one.startswith("not trusted") for one in words)
    found["not testable"] = sum(one.startswith("not testable") for one in words)
    return found
