"""Draws of a dyad in matrices of the two people: effects, how they change, variances and means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from .dyad_members import ROOT, difference_of, sum_of
from .dyad_pairs import is_single, pairs
from .path_algebra import between_covariance, within_covariance

if TYPE_CHECKING:
    from .design import Floats
    from .path_algebra import Algebra
    from .path_design import PathDesign

Person = int
"""0: the client (or the first member), 1: the therapist."""


@dataclass(frozen=True)
class Frame:
    """How matrices of a path model speak about two people.

    Parameters
    ----------
    design
        The design.
    targets, sources
        Names of the two responses that are acted on and that act: client and therapist, or sum and difference.
    alike
        Whether they are sums and differences.
    target_labels, source_labels, target_units, source_units
        Of the people's ratings.
    """

    design: PathDesign
    targets: tuple[str, str]
    sources: tuple[str, str]
    alike: bool
    target_labels: tuple[str, str]
    source_labels: tuple[str, str]
    target_units: tuple[str, str]
    source_units: tuple[str, str]

    @property
    def lagged(self) -> bool:
        """Whether effects run to the next session."""
        return self.design.dynamic

    @property
    def linked(self) -> bool:
        """Whether there are actor effects."""
        return self.lagged or self.targets != self.sources

    @property
    def same_session(self) -> bool:
        """Whether the therapist's rating explains the client's of the same session."""
        return not self.alike and self.targets == self.sources

    @property
    def between(self) -> bool:
        """Whether there are effects between clients."""
        return self.targets != self.sources and not is_single(self.design)

    @property
    def moderators(self) -> tuple[str, ...]:
        """Names of what changes effects."""
        return tuple(dict.fromkeys(one.moderator for one in self.design.moderations))

    # --- scales ------------------------------------------------------------------------------------

    @property
    def target_sds(self) -> tuple[float, float]:
        """Raw units per internal unit of what is acted on."""
        return self._sds(self.targets)

    def _sds(self, names: tuple[str, str]) -> tuple[float, float]:
        first, second = (self.design.measure(name).sd for name in names)
        return first, second

    def raw_ratio(self, target: Person, source: Person) -> float:
        """Return raw units of an effect per internal unit."""
        return self.target_sds[target] / self._sds(self.sources)[source]

    def member_sds(self, a: Algebra, *, outcomes: bool) -> Floats:
        """Return the two people's SDs of deviations within a session, internal, (draws, 2)."""
        moments = self._within(a, self.targets if outcomes else self.sources)
        return np.asarray(np.sqrt(np.maximum(np.einsum("sii->si", moments), 1e-24)))

    def ratio(self, a: Algebra, target: Person, source: Person, *, outcomes: bool = False) -> Floats:
        """Return what standardises an effect within clients, (draws,)."""
        above, below = self.member_sds(a, outcomes=True), self.member_sds(a, outcomes=outcomes)
        return np.asarray(below[:, source] / above[:, target])

    def between_ratio(self, a: Algebra, target: Person, source: Person) -> Floats:
        """Return what standardises an effect between clients, (draws,)."""
        above, below = (np.sqrt(np.einsum("sii->si", self._client(a, each))) for each in (self.targets, self.sources))
        return np.asarray(below[:, source] / np.maximum(above[:, target], 1e-12))

    # --- effects -----------------------------------------------------------------------------------

    def _people(self, matrix: Floats) -> Floats:
        """Bring a matrix (draws, 2, 2) from sums and differences to people."""
        if not self.alike:
            return matrix
        turn = np.array([[1.0, 1.0], [1.0, -1.0]]) / ROOT
        return np.asarray(turn @ matrix @ turn)

    def _matrices(self, a: Algebra, z: Mapping[str, float]) -> tuple[Floats, Floats]:
        now, before = a.now.copy(), a.before.copy()
        for name, value in z.items():
            if value:
                more_now, more_before = self._added(a, name)
                now, before = now + value * more_now, before + value * more_before
        return now, before

    def _added(self, a: Algebra, moderator: str) -> tuple[Floats, Floats]:
        """Return what one unit of a moderator adds to A and Φ."""
        design = self.design
        now, before = np.zeros_like(a.now), np.zeros_like(a.before)
        for m, one in enumerate(design.moderations):
            if one.moderator == moderator:
                arrow = design.session[one.path]
                place = design.names.index(arrow.target), design.names.index(arrow.source)
                (before if arrow.lag else now)[:, *place] = a.draws["moderation"][:, m]
        return now, before

    def _blocks(self, now: Floats, before: Floats) -> tuple[Floats, Floats]:
        """Return what outcomes do to each other in a session, and what predictors do to them, (draws, 2, 2) each."""
        to, by = (self._places(names) for names in (self.targets, self.sources))
        inside = now[:, to][:, :, to]
        return inside, (before if self.lagged else now)[:, to][:, :, by]

    def _places(self, names: tuple[str, str]) -> list[int]:
        return [self.design.names.index(name) for name in names]

    def effects(self, a: Algebra, z: Mapping[str, float]) -> Floats:
        """Return the reduced form at values of moderators, (draws, target, source), internal."""
        inside, across = self._blocks(*self._matrices(a, z))
        return self._people(np.linalg.solve(np.eye(2) - inside, across))

    def change(self, a: Algebra, moderator: str) -> Floats:
        """Return the derivative of :meth:`effects` by a moderator at its mean, (draws, target, source)."""
        inside, across = self._blocks(a.now, a.before)
        more_inside, more_across = self._blocks(*self._added(a, moderator))
        solve = np.linalg.inv(np.eye(2) - inside)
        return self._people(solve @ (more_inside @ solve @ across + more_across))

    def now(self, a: Algebra, z: Mapping[str, float]) -> Floats:
        """Return paths of the same session among the outcomes, (draws, target, source)."""
        return self._blocks(*self._matrices(a, z))[0]

    def now_change(self, a: Algebra, moderator: str) -> Floats:
        """Return what one unit of a moderator adds to :meth:`now`."""
        return self._blocks(*self._added(a, moderator))[0]

    def between_effects(self, a: Algebra) -> Floats:
        """Return effects between clients' usual levels, (draws, target, source), internal."""
        paths = a.coefficients["client"]

        def block(sources: tuple[str, str]) -> Floats:
            zero = np.zeros(len(a.now))
            rows = [[paths.get((source, target), zero) for source in sources] for target in self.targets]
            return np.array(rows).transpose(2, 0, 1)

        return self._people(np.linalg.solve(np.eye(2) - block(self.targets), block(self.sources)))

    def points(self, moderator: str) -> Iterator[tuple[str, float, str]]:
        """Yield name, internal value and words of the places at which effects are shown."""
        design = self.design
        if moderator == "time":
            order = np.lexsort((design.time, design.client))
            ends = order[np.r_[np.flatnonzero(np.diff(design.client[order])), len(order) - 1]]
            for words, time, said in (
                ("first", float(design.time.min()), "at the first session"),
                ("last", float(np.median(design.time[ends])), "at the last session (median over clients)"),
            ):
                yield f"time={words}", (time - design.t_centre) / design.t_scale, said
            return
        one = design.covariate(moderator)
        assert one is not None  # options are checked
        if one.factor.category is not None:
            yield f"{one.factor.variable}={one.factor.category}", 1.0, f"{one.label}"
            return
        for sign, value, said in (("-", -1.0, "below"), ("+", 1.0, "above")):
            yield f"{moderator}={sign}1sd", value, f"where {one.label} is one SD {said} the mean"

    # --- variances and means -----------------------------------------------------------------------

    def covariance(self, a: Algebra, level: str) -> Floats:
        """Return the two people's covariance of a level, (draws, 2, 2), internal: the outcome's ratings."""
        if level == "within":
            return self._within(a, self.targets)
        return self._client(a, self.targets) if level == "client" else self._above(a, "therapist", self.targets)

    def _within(self, a: Algebra, names: tuple[str, str]) -> Floats:
        at = self._places(names)
        return self._people(within_covariance(self.design, a.draws, a.now, a.before)[:, at][:, :, at])

    def _client(self, a: Algebra, names: tuple[str, str]) -> Floats:
        return self._above(a, "client", names)

    def _above(self, a: Algebra, level: Literal["client", "therapist"], names: tuple[str, str]) -> Floats:
        labels, moments = between_covariance(self.design, level, a.draws, a.coefficients[level])
        at = [labels.index(name) for name in names]
        return self._people(moments[:, at][:, :, at])

    def expected(self, a: Algebra) -> Floats:
        """Return what each outcome is expected to be on average over the sessions, internal, (draws, 2).

        Series start off their course (:attr:`initial_shift`) and approach it session by session.
        """
        design, draws = self.design, a.draws
        at = self._places(self.targets)
        total = draws["intercept"][:, at].copy()
        if design.terms:
            total += draws["slope"][:, at] @ design.T.mean(axis=0)
        for level, arrows in (("client", design.client_arrows), ("therapist", design.therapist_arrows)):
            for p, arrow in enumerate(arrows):
                one = design.covariate(arrow.source)
                if one is not None and arrow.target in self.targets:
                    unit = design.client if level == "client" else design.therapist_of[design.client]
                    mean = float(np.nan_to_num(one.values)[unit].mean())
                    total[:, self.targets.index(arrow.target)] += draws[f"path_{level}"][:, p] * mean
        return total + self._transient(a)[:, at]

    def _transient(self, a: Algebra) -> Floats:
        """Return the average over sessions of how far series still are from their course, (draws, responses)."""
        design, draws = self.design, a.draws
        away = np.zeros((len(a.now), len(design.names)))
        if not design.initial:
            return away
        for v, name in enumerate(design.names):
            if name in design.initial:
                away[:, v] = draws["initial_shift"][:, design.initial.index(name)]
                for j, (target, other) in enumerate(design.initial_paths):
                    if target == name:
                        away[:, v] += draws["initial_path"][:, j] * away[:, design.names.index(other)]
        carry = np.linalg.solve(np.eye(len(design.names)) - a.now, a.before)
        total = np.zeros_like(away)
        for share in np.bincount(steps_since_start(design)) / len(design.client):
            total += share * away
            away = np.einsum("svw,sw->sv", carry, away)
        return total

    def difference(self, a: Algebra) -> Floats:
        """Return the therapist's minus the client's rating on average, raw, (draws,)."""
        first, second = (self.design.measure(name) for name in self.targets)
        found = self.expected(a)
        return np.asarray(second.mean - first.mean + second.sd * found[:, 1] - first.sd * found[:, 0])

    def average(self, a: Algebra) -> Floats:
        """Return the expected rating of either of two alike members, raw, (draws,)."""
        one = self.design.measure(self.targets[0])
        return np.asarray((one.mean + one.sd * self.expected(a)[:, 0]) / ROOT)

    def rate(self, a: Algebra, person: Person) -> Floats:
        """Return the expected change of a person's rating per unit of time, internal, (draws,)."""
        design = self.design
        first, last = int(np.argmin(design.time)), int(np.argmax(design.time))
        span = float(design.time[last] - design.time[first])
        slope = a.draws["slope"][:, design.names.index(self.targets[0 if self.alike else person])]
        found = slope @ (design.T[last] - design.T[first]) / span
        return np.asarray(found / ROOT if self.alike else found)


def steps_since_start(design: PathDesign) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Return how many sessions of the series come before each row, (rows,)."""
    steps = np.zeros(len(design.client), dtype=np.int64)
    left = design.previous >= 0
    back = np.where(left, design.previous, np.arange(len(steps)))
    while left.any():
        steps += left
        left = left & (design.previous[back] >= 0)
        back = np.where(design.previous[back] >= 0, design.previous[back], back)
    return steps


def frame(design: PathDesign) -> Frame:
    """Return how the design's matrices speak about two people."""
    known = pairs(design.options)
    alike = not design.options.distinguishable

    def names(pair: tuple[str, str]) -> tuple[str, str]:
        return (sum_of(pair[0]), difference_of(pair[0])) if alike else pair

    def words(pair: tuple[str, str]) -> tuple[tuple[str, str], tuple[str, str]]:
        if not alike:
            first, second = (design.measure(name) for name in pair)
            return (first.label, second.label), (first.unit or "units", second.unit or "units")
        both = design.measure(sum_of(pair[0]))
        own = both.label.partition(" and ")[0]
        return (own, own), (both.unit or "units",) * 2

    (target_labels, target_units), (source_labels, source_units) = words(known[-1]), words(known[0])
    return Frame(
        design, names(known[-1]), names(known[0]), alike, target_labels, source_labels, target_units, source_units
    )


__all__ = ["Frame", "Person", "frame", "steps_since_start"]
