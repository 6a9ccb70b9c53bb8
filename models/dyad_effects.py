r"""Estimands of a dyad: actor and partner effects, what the two ratings have in common, truth and bias.

With deviations r of the pair (client, therapist) from the expected course, r = A r + Φ r₋₁ + e, what one rating says
of the *next* session is the reduced form :math:`(I - A)^{-1}\Phi`: the previous session's other rating is held
constant, this session's is not. That is the actor–partner model whose residuals correlate (Kenny, Kashy & Cook 2006).
The direct paths (``path.session.…``), which hold this session's other rating constant too, stand beside them.

In sums and differences (:mod:`safezone.models.dyad_members`) every matrix M goes back to the members by U M U with
U = [[1, 1], [1, −1]]/√2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .dyad_moments import Frame, Person, frame
from .dyad_pairs import is_single, on_one_scale
from .model import Estimand
from .path_effects import Once, described, draws_of, moderator_scale, unit
from .path_parameters import label
from .quantities import both_scales, once

if TYPE_CHECKING:
    from .design import Floats
    from .path_algebra import Algebra
    from .path_design import PathDesign

    Values = Callable[[Algebra], Floats]

TOGETHER = {"within": "within clients", "client": "between clients", "therapist": "between therapists"}


@dataclass(frozen=True, slots=True)
class Effect:
    """An actor or partner effect: name, person acted on, person acting."""

    name: str
    target: Person
    source: Person


DISTINCT = (
    Effect("partner.therapist->client", 0, 1),
    Effect("partner.client->therapist", 1, 0),
    Effect("actor.client", 0, 0),
    Effect("actor.therapist", 1, 1),
)
ALIKE = (Effect("partner", 0, 1), Effect("actor", 0, 0))


def dyad_estimands(design: PathDesign) -> tuple[Estimand, ...]:
    """Return every estimand of a dyad, raw and standardised."""
    known, pair = Once(design), frame(design)
    found: list[Estimand] = []
    if pair.same_session:
        found += _same_session(design, known, pair)
    if pair.linked:
        for effect in ALIKE if pair.alike else DISTINCT:
            found += _effect(design, known, pair, effect)
    if pair.between:
        for effect in ALIKE if pair.alike else DISTINCT:
            found += _between(design, known, pair, effect)
    levels = ["within", *([] if is_single(design) else ["client"]), *(["therapist"] if design.has_therapists else [])]
    for level in levels:
        found += _common(design, known, pair, level)
    if not pair.alike:
        for level in levels[:2]:
            found += _accuracy(known, pair, level)
        if on_one_scale(design):
            found += _bias(known, pair)
    found += _trends(design, known, pair)
    if pair.alike:
        found += _average(known, pair)
    else:
        for each in ("session", "client", "therapist"):
            found += described(design, known, each)
        found += described(design, known)
    return tuple(found)


# --- actors and partners ---------------------------------------------------------------------------


def _when(design: PathDesign, pair: Frame) -> tuple[str, str]:
    """Return words for the occasion of target and source."""
    if pair.lagged:
        return "in a session", "of the previous session is one unit above what is usual for the client"
    where = "of a dyad" if is_single(design) else "in a session"
    usual = "average" if is_single(design) else "what is usual for the client"
    return where, f"is one unit above {usual}"


def _effect(design: PathDesign, known: Once, pair: Frame, effect: Effect) -> Iterator[Estimand]:
    i, j = effect.target, effect.source
    where, above = _when(design, pair)
    target, source = pair.target_labels[i], pair.source_labels[j]
    other = pair.source_labels[1 - j]
    meaning = f"{target} {where} if {source} {above} and {other} is not."
    yield from _scaled(
        design, known, pair, effect.name, (i, j), meaning,
        lambda a, z: pair.effects(a, z)[:, i, j], lambda a, m: pair.change(a, m)[:, i, j],
    )  # fmt: skip


def _same_session(design: PathDesign, known: Once, pair: Frame) -> Iterator[Estimand]:
    client, therapist = pair.target_labels
    meaning = f"{client} in a session in which {therapist} is one unit above what is usual for the client"
    meaning += ", the previous session being the same." if pair.lagged else "."
    yield from _scaled(
        design, known, pair, "partner.same_session", (0, 1), meaning,
        lambda a, z: pair.now(a, z)[:, 0, 1], lambda a, m: pair.now_change(a, m)[:, 0, 1], lagged=False,
    )  # fmt: skip


def _scaled(
    design: PathDesign, known: Once, pair: Frame, name: str, place: tuple[Person, Person], meaning: str,
    at: Callable[[Algebra, Mapping[str, float]], Floats], change: Callable[[Algebra, str], Floats], *,
    lagged: bool = True,
) -> Iterator[Estimand]:  # fmt: skip
    """Yield an effect, how it changes with each moderator, and the effect at values of these."""
    i, j = place
    sources = pair.source_units if lagged else pair.target_units
    raw = pair.raw_ratio(i, j) if lagged else pair.target_sds[i] / pair.target_sds[j]
    ratio: Callable[[Algebra], Floats] = lambda a: pair.ratio(a, i, j, outcomes=not lagged)  # noqa: E731 - of one place
    per = f"{pair.target_units[i]} per {sources[j]}"

    def effect(name: str, meaning: str, z: Mapping[str, float]) -> tuple[Estimand, Estimand]:
        return both_scales(
            name, "session", (per, "SD per SD"), meaning,
            draws_of(known, lambda a: at(a, z) * raw), draws_of(known, lambda a: at(a, z) * ratio(a)),
        )  # fmt: skip

    yield from effect(name, meaning, {})
    for moderator in pair.moderators:
        what = "time" if moderator == "time" else label(design, moderator)
        size = raw / moderator_scale(design, moderator)
        unit_of = design.time_unit if moderator == "time" else unit(design, moderator)
        yield from both_scales(
            f"{name}:{moderator}",
            "session" if moderator == "time" else "client",
            (f"{per} and {unit_of}", "SD per SD and SD"),
            f"How much this changes with {what}: {meaning}",
            draws_of(known, _changed(change, moderator, size)),
            draws_of(known, _changed(change, moderator, ratio)),
        )
        for words, value, said in pair.points(moderator) if name.startswith("partner") else ():
            yield from effect(f"{name}[{words}]", f"{meaning[:-1]}, {said}.", {moderator: value})


def _changed(
    change: Callable[[Algebra, str], Floats], moderator: str, unit: float | Callable[[Algebra], Floats]
) -> Values:
    """Return what one unit of a moderator adds to an effect."""
    return lambda a: change(a, moderator) * (unit(a) if callable(unit) else unit)


def _rate(pair: Frame, person: Person, unit: float) -> Values:
    """Return a person's expected change per unit of time."""
    return lambda a: pair.rate(a, person) * unit


def _between(design: PathDesign, known: Once, pair: Frame, effect: Effect) -> Iterator[Estimand]:
    i, j = effect.target, effect.source
    target, source, other = pair.target_labels[i], pair.source_labels[j], pair.source_labels[1 - j]
    yield from both_scales(
        f"{effect.name}.between_client",
        "client",
        (f"{pair.target_units[i]} per {pair.source_units[j]}", "SD per SD"),
        f"Usual {target} of clients of one therapist who differ by one unit in usual {source}, but not in {other}.",
        draws_of(known, lambda a: pair.between_effects(a)[:, i, j] * pair.raw_ratio(i, j)),
        draws_of(known, lambda a: pair.between_effects(a)[:, i, j] * pair.between_ratio(a, i, j)),
    )


# --- what is shared --------------------------------------------------------------------------------


def _common(design: PathDesign, known: Once, pair: Frame, level: str) -> Iterator[Estimand]:
    where = "between dyads" if level == "within" and is_single(design) else TOGETHER[level]
    both = f"{pair.target_labels[0]} and {pair.target_labels[1]}"
    unit_of = "session" if level == "within" else level
    one_unit = len(set(pair.target_units)) == 1

    def correlation(a: Algebra) -> Floats:
        c = pair.covariance(a, level)
        return np.asarray(c[:, 0, 1] / np.sqrt(np.maximum(c[:, 0, 0] * c[:, 1, 1], 1e-24)))

    yield from once(
        f"common.{level}", unit_of, "share",
        f"Share of the variance {where} that {both} have in common: their correlation, which is the share of a common "
        "factor that loads on both alike; below zero there is none.",
        draws_of(known, correlation),
    )  # fmt: skip
    yield from once(
        f"common.{level}.loading", unit_of, "SD per SD",
        f"Loading of {both} on their common factor {where}, both alike, standardised (0 where nothing is common).",
        draws_of(known, lambda a: np.sqrt(np.maximum(correlation(a), 0.0))),
    )  # fmt: skip
    if one_unit:
        size = pair.target_sds[0] * pair.target_sds[1]
        yield from once(
            f"common.{level}.variance", unit_of, f"squared {pair.target_units[0]}",
            f"Variance {where} of what {both} have in common, a point of which is one of either (their covariance).",
            draws_of(known, lambda a: pair.covariance(a, level)[:, 0, 1] * size),
        )  # fmt: skip


def _accuracy(known: Once, pair: Frame, level: str) -> Iterator[Estimand]:
    client, therapist = pair.target_labels

    def slope(a: Algebra) -> Floats:
        c = pair.covariance(a, level)
        return np.asarray(c[:, 0, 1] / np.maximum(c[:, 0, 0], 1e-24))

    def correlation(a: Algebra) -> Floats:
        c = pair.covariance(a, level)
        return np.asarray(slope(a) * np.sqrt(c[:, 0, 0] / np.maximum(c[:, 1, 1], 1e-24)))

    raw = pair.target_sds[1] / pair.target_sds[0]
    who = "from session to session" if level == "within" else "from client to client"
    yield from both_scales(
        f"accuracy.{level}", "session" if level == "within" else "client",
        (f"{pair.target_units[1]} per {pair.target_units[0]}", "SD per SD"),
        f"How {therapist} follows {client} {who}: difference in the therapist's view per unit of the client's.",
        draws_of(known, lambda a: slope(a) * raw), draws_of(known, correlation),
    )  # fmt: skip


def _bias(known: Once, pair: Frame) -> Iterator[Estimand]:
    client, therapist = pair.target_labels
    yield from both_scales(
        "bias.directional", "population", (pair.target_units[0], "SD of sessions"),
        f"{therapist} minus {client}, averaged over the sessions: above zero, the therapist rates higher.",
        draws_of(known, pair.difference),
        draws_of(known, lambda a: pair.difference(a) / (pair.target_sds[0] * pair.member_sds(a, outcomes=True)[:, 0])),
    )  # fmt: skip


def _trends(design: PathDesign, known: Once, pair: Frame) -> Iterator[Estimand]:
    if not design.terms:
        return
    names = ("trend",) if pair.alike else ("trend.client", "trend.therapist")
    for person, name in enumerate(names):
        shape = "" if len(design.terms) == 1 and design.terms[0] == "time" else ", from the first to the last time"
        yield from both_scales(
            name, "session", (f"{pair.target_units[person]} per {design.time_unit}", "SD per SD"),
            f"Expected change of {pair.target_labels[person]} per {design.time_unit}{shape}.",
            draws_of(known, _rate(pair, person, pair.target_sds[person])),
            draws_of(known, _rate(pair, person, design.t_scale)),
        )  # fmt: skip


def _average(known: Once, pair: Frame) -> Iterator[Estimand]:
    yield from once(
        "intercept", "population", pair.target_units[0], f"Expected {pair.target_labels[0]} of either member.",
        draws_of(known, pair.average),
    )  # fmt: skip


__all__ = ["dyad_estimands"]
