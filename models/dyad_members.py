r"""Members whom nothing but a label tells apart: sums and differences, and simpler versions of a dyad to compare.

If exchanging the labels A and B changes nothing, the sum S = (A + B)/√2 and the difference D = (A − B)/√2 are
independent, D has mean zero, and the model falls into one equation for each (Kenny, Kashy & Cook 2006):

.. math::

    \text{actor} = (\beta_S + \beta_D)/2, \qquad \text{partner} = (\beta_S - \beta_D)/2

The transformation is orthonormal, so that densities of (S, D) and of (A, B) are the same numbers. With arrows between
sums and differences and free means of the latter, S and D hold the unrestricted model of *distinguishable* members: the
two are compared on the same ratings.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping

import numpy as np

from .arrows import Arrow
from .design import Floats, Ints, Measure
from .dyad_pairs import is_single, on_one_scale, pairs
from .path_design import ZERO, Moderation, PathDesign
from .path_parameters import default_priors
from .priors import Prior, parse

ROOT = math.sqrt(2.0)


def sum_of(name: str) -> str:
    """Return the name of (A + B)/√2, after the first rating."""
    return f"sum_{name}"


def difference_of(name: str) -> str:
    """Return the name of (A − B)/√2, after the first rating."""
    return f"difference_{name}"


def pinned_clients(design: PathDesign) -> dict[str, str]:
    """Return ties that leave clients' effects out: one session per client says nothing about them."""
    ties = {f"sd_client[{effect}]": ZERO for effect in design.client_effects}
    return {**design.ties, **ties, "cor_client": ZERO}


# --- sums and differences --------------------------------------------------------------------------


def members(design: PathDesign, *, equal: bool) -> PathDesign:
    """Return a dyad's design in sums and differences of the two ratings.

    Parameters
    ----------
    design
        With the ratings themselves as responses. Sessions in which one of a pair is missing are left out: they have
        neither sum nor difference.
    equal
        Whether the members are exchangeable; otherwise nothing is restricted.
    """
    single = is_single(design)
    columns = [[design.values[:, design.names.index(one)] for one in pair] for pair in pairs(design.options)]
    whole = np.any([~np.isnan(a) & ~np.isnan(b) for a, b in columns], axis=0)
    lost = int((~whole).sum())
    design = subset(design, whole)
    responses, values = _ratings(design)
    arrows = tuple(_arrows(design, equal=equal))
    client = tuple(_client_arrows(design, equal=equal, single=single))
    moderators = tuple(dict.fromkeys(m.moderator for m in design.moderations))
    effects = {arrow.text for arrow in _effects(design, equal=equal)}
    account = design.account
    if lost:
        excluded = (*account.excluded, ("one of the two ratings missing", lost))
        account = dataclasses.replace(account, used=account.used - lost, excluded=excluded)
    found = dataclasses.replace(
        design,
        responses=responses,
        values=values,
        session=arrows,
        client_arrows=client,
        therapist_arrows=tuple(_covariate_arrows(design, design.therapist_arrows, equal=equal)),
        moderations=tuple(
            Moderation(f"{arrow.text}:{name}", p, name)
            for p, arrow in enumerate(arrows)
            if arrow.text in effects
            for name in moderators
        ),
        trends=(),
        priors=_priors(equal=equal),
        account=dataclasses.replace(account, imputed=_imputed(account.imputed, design), starts=_starts(design)),
        ties={},
    )
    ties = _exchangeable(found) if equal else {}
    return dataclasses.replace(found, ties=pinned_clients(found) | ties if single else ties)


def _priors(*, equal: bool) -> dict[str, Prior]:
    """Return the default priors, so that an actor or partner effect has the prior of any path.

    Of members who differ, the four effects are rotated, which leaves independent normals as they are. Of members who
    are alike, the sum and the difference of two effects are √2 times as wide as each.
    """
    priors = dict(default_priors())
    for name in ("path_session", "path_client", "path_therapist", "moderation") if equal else ():
        mean, sd = priors[name].parameters
        priors[name] = parse(f"normal({mean:g}, {ROOT * sd:.4g})")
    return priors


def _imputed(imputed: tuple[tuple[str, int], ...], design: PathDesign) -> tuple[tuple[str, int], ...]:
    return tuple((name, n) for name, n in imputed if name not in design.names)


def _starts(design: PathDesign) -> tuple[tuple[str, int], ...]:
    """Count the rows that start a series, by reason, among the rows that are left."""
    starts = int((design.previous < 0).sum()) - design.clients if design.dynamic else 0
    first = (("first session", design.clients),) if design.dynamic else ()
    return (*first, *((("after a gap or a missing rating", starts),) if starts else ()))


def _ratings(design: PathDesign) -> tuple[tuple[Measure, ...], Floats]:
    """Return differences and sums of every pair on the scale of a single rating."""
    measures: list[Measure] = []
    columns: list[Floats] = []
    for pair in pairs(design.options):
        first, second = (design.measure(name) for name in pair)
        a, b = (one.mean + one.sd * design.values[:, design.names.index(one.name)] for one in (first, second))
        both = ~np.isnan(a) & ~np.isnan(b)
        mean = float((a[both].mean() + b[both].mean()) / 2)
        sd = math.sqrt(float(((a[both] - mean) ** 2 + (b[both] - mean) ** 2).sum()) / (2 * both.sum() - 1))
        low, high = min(first.low, second.low), max(first.high, second.high)
        width = (high - low) / ROOT
        measures.append(
            dataclasses.replace(
                first, name=difference_of(first.name), label=f"{first.label} minus {second.label}", mean=0.0, sd=sd,
                low=-width, high=width,
            )
        )  # fmt: skip
        measures.append(
            dataclasses.replace(
                first, name=sum_of(first.name), label=f"{first.label} and {second.label}", mean=ROOT * mean, sd=sd,
                low=ROOT * low, high=ROOT * high,
            )
        )  # fmt: skip
        columns += [(a - b) / ROOT / sd, ((a + b) / ROOT - ROOT * mean) / sd]
    return tuple(measures), np.column_stack(columns)


def _parts(name: str) -> tuple[str, str]:
    return difference_of(name), sum_of(name)


def _effects(design: PathDesign, *, equal: bool) -> Iterator[Arrow]:
    """Yield what stands for actor and partner effects within clients."""
    ratings = [pair[0] for pair in pairs(design.options)]
    if len(ratings) == 2:
        yield from (Arrow("session", a, b) for a, b in _crossed(ratings[0], ratings[1], equal=equal))
    elif design.dynamic:
        yield from (Arrow("session", a, b, 1) for a, b in _crossed(ratings[0], ratings[0], equal=equal))


def _crossed(source: str, target: str, *, equal: bool) -> Iterator[tuple[str, str]]:
    for i, a in enumerate(_parts(source)):
        for j, b in enumerate(_parts(target)):
            if i == j or not equal:
                yield a, b


def _arrows(design: PathDesign, *, equal: bool) -> Iterator[Arrow]:
    yield from _effects(design, equal=equal)
    if not equal:
        yield from (Arrow("session", *_parts(pair[0])) for pair in pairs(design.options))


def _client_arrows(design: PathDesign, *, equal: bool, single: bool) -> Iterator[Arrow]:
    ratings = [pair[0] for pair in pairs(design.options)]
    if len(ratings) == 2 and not single:
        yield from (Arrow("client", a, b) for a, b in _crossed(ratings[0], ratings[1], equal=equal))
        if not equal:
            yield Arrow("client", *_parts(ratings[1]))
    yield from _covariate_arrows(design, design.client_arrows, equal=equal)


def _covariate_arrows(design: PathDesign, arrows: tuple[Arrow, ...], *, equal: bool) -> Iterator[Arrow]:
    """Yield what is known of clients on sums, and on differences where the members are not alike."""
    for pair in pairs(design.options):
        for arrow in arrows:
            if arrow.target == pair[0] and design.covariate(arrow.source) is not None:
                for part in _parts(pair[0])[equal:]:
                    yield dataclasses.replace(arrow, target=part)


def _exchangeable(design: PathDesign) -> dict[str, str]:
    """Return the ties of members who are alike: differences have no mean, and nothing to do with sums."""
    ties = {"cor_client": ZERO, "cor_therapist": ZERO}
    for pair in pairs(design.options):
        difference, total = _parts(pair[0])
        ties[f"intercept[{difference}]"] = ZERO
        ties |= {f"slope[{difference},{term}]": ZERO for term in design.terms}
        if difference in design.initial:
            ties[f"initial_shift[{difference}]"] = ZERO
            ties[f"initial_path[{total}<-{difference}]"] = ZERO
    return ties


# --- rows ------------------------------------------------------------------------------------------


def subset(design: PathDesign, keep: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> PathDesign:
    """Return the design of some of its rows; clients and therapists are numbered anew."""
    if keep.all():
        return design
    rows = np.flatnonzero(keep)
    clients, client = np.unique(design.client[rows], return_inverse=True)
    therapists, therapist_of = np.zeros(0, dtype=np.int64), design.therapist_of
    if design.has_therapists:
        therapists, therapist_of = np.unique(design.therapist_of[clients], return_inverse=True)
    kept = {"client": clients, "therapist": therapists}
    place = np.full(len(keep) + 1, -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    return dataclasses.replace(
        design,
        covariates=tuple(dataclasses.replace(c, values=c.values[kept[c.level]]) for c in design.covariates),
        values=design.values[rows],
        final=design.final[clients],
        client=client.astype(np.int64),
        therapist_of=therapist_of.astype(np.int64),
        clients=len(clients),
        therapists=len(therapists),
        row=design.row[rows],
        session_number=design.session_number[rows],
        time=design.time[rows],
        T=design.T[rows],
        t=design.t[rows],
        previous=_relinked(design.previous[rows], place),
    )


def _relinked(previous: Ints, place: Ints) -> Ints:
    """Return where previous rows are now; −1 where they are not there any more."""
    return np.where(previous >= 0, place[previous], -1)


# --- versions to compare ---------------------------------------------------------------------------


def variants(design: PathDesign) -> Mapping[str, PathDesign]:
    """Return versions of a dyad by name: with and without partner effects; members who differ and who are alike.

    Parameters
    ----------
    design
        From :func:`safezone.models.dyad_design.build_dyad`.

    Returns
    -------
    Mapping
        ``partner.full``, ``partner.same_session`` (none on the next session), ``partner.none``; for ratings on one
        scale ``members.distinguishable`` and ``members.indistinguishable``, of the sessions with both ratings.
    """
    found: dict[str, PathDesign] = {}
    if not design.options.distinguishable:
        alone = _actors_alone(design)
        return {"partner.full": design, "partner.none": alone} if alone.ties != design.ties else {}
    crossing = _partner_arrows(design)
    later = {text for text in crossing if text.startswith("lag(")}
    if crossing:
        found["partner.full"] = design
        if later and later != crossing:
            found["partner.same_session"] = without(design, later)
        found["partner.none"] = without(design, crossing)
    if on_one_scale(design) and not design.trends:
        found["members.distinguishable"] = members(design, equal=False)
        found["members.indistinguishable"] = members(design, equal=True)
    return found


def _actors_alone(design: PathDesign) -> PathDesign:
    """Return the exchangeable design without partner effects: sums and differences share their paths."""
    ties = dict(design.ties)
    for variable, arrows in (("path_session", design.session), ("path_client", design.client_arrows)):
        for arrow in arrows:
            if arrow.text.count("difference_") == 2:
                ties[f"{variable}[{arrow.text}]"] = f"{variable}[{arrow.text.replace('difference_', 'sum_')}]"
    for one in design.moderations:
        if one.name.count("difference_") == 2:
            ties[f"moderation[{one.name}]"] = f"moderation[{one.name.replace('difference_', 'sum_')}]"
    return dataclasses.replace(design, ties=ties)


def _partner_arrows(design: PathDesign) -> set[str]:
    """Return the texts of arrows from one person to the other, without those between two ratings of one occasion."""
    known = pairs(design.options)
    of = {name: person for pair in known for person, name in enumerate(pair)}
    nuisance = {f"{t}->{c}" for c, t in known} if len(known) == 2 else set()
    arrows = (*design.session, *design.client_arrows)
    rated = [a for a in arrows if a.source in of and a.target in of]
    return {a.text for a in rated if of[a.source] != of[a.target] and a.text not in nuisance}


def without(design: PathDesign, texts: set[str]) -> PathDesign:
    """Return the design without some arrows, within and between clients, and without what changes them."""
    session = [arrow for arrow in design.session if arrow.text not in texts]
    place = {arrow.text: p for p, arrow in enumerate(session)}
    moderations = [
        dataclasses.replace(m, path=place[design.session[m.path].text])
        for m in design.moderations
        if design.session[m.path].text in place
    ]
    client = tuple(arrow for arrow in design.client_arrows if arrow.text not in texts)
    return dataclasses.replace(design, session=tuple(session), client_arrows=client, moderations=tuple(moderations))


__all__ = ["difference_of", "members", "pinned_clients", "subset", "sum_of", "variants", "without"]
