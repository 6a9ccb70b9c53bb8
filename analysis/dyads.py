"""What is written about a dyad beside its estimates: who acts on whom, in the words of the two people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..models.dyad_effects import ALIKE, DISTINCT
from ..models.dyad_moments import frame
from ..models.dyad_pairs import pairs
from ..models.path_algebra import edges
from ..models.path_effects import words

if TYPE_CHECKING:
    from ..models.path_design import PathDesign


@dataclass(frozen=True, slots=True)
class Link:
    """One arrow of a diagram.

    Parameters
    ----------
    level
        ``session``, ``client`` or ``therapist``.
    source, target
        Nodes: ``lag(safety)``, ``safety``.
    estimand
        Whose standardised estimate stands beside it.
    labels
        What the nodes are called.
    """

    level: str
    source: str
    target: str
    estimand: str
    labels: tuple[str, str]


def links(design: PathDesign) -> Iterator[Link]:
    """Yield the arrows of a dyad: actors and partners, then what is known of clients and therapists."""
    known, pair = pairs(design.options), frame(design)
    before = "lag({})" if pair.lagged else "{}"
    after = " in the previous session" if pair.lagged else ""
    sources = [before.format(name) for name in known[0]]
    source_labels = [label + after for label in _labels(design, 0)]
    targets, target_labels = known[-1], _labels(design, -1)
    if not pair.alike:
        for level in ("therapist", "client"):
            for source, target in edges(design, level):
                if design.covariate(source) is not None:
                    labels = words(design, source), words(design, target)
                    yield Link(level, source, target, f"path.{level}.{source}->{target}", labels)
    everyone = [(i, j) for i in (0, 1) for j in (0, 1)]
    names = {(e.target, e.source): e.name for e in (ALIKE if pair.alike else DISTINCT)}
    for level, tail, there in (("client", ".between_client", pair.between), ("session", "", pair.linked)):
        for i, j in everyone if there else ():
            name = names.get((i, j)) or names[1 - i, 1 - j]
            yield Link(level, sources[j], targets[i], f"{name}{tail}", (source_labels[j], target_labels[i]))
    if pair.same_session:
        client, therapist = targets
        yield Link("session", therapist, client, "partner.same_session", (target_labels[1], target_labels[0]))


def _labels(design: PathDesign, at: int) -> tuple[str, str]:
    """Return what the two ratings of a pair are called; sums of two alike ratings name both."""
    first, second = pairs(design.options)[at]
    if design.options.distinguishable:
        return design.measure(first).label, design.measure(second).label
    both = design.measure(frame(design).targets[0] if at else frame(design).sources[0]).label
    one, _, other = both.partition(" and ")
    return one, other


__all__ = ["Link", "links"]
