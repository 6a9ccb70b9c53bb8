"""Prediction and pointwise log-likelihood of path models, from draws alone.

The equations of :mod:`safezone.models.path_design` in NumPy, written a second time on purpose: nothing here
knows of the marginal kernel, so that predictions check it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .draws import flatten
from .families import laws
from .path_algebra import disturbances, session_matrices
from .path_form import moderator
from .predict import PredictionTarget, waves
from .scales import raw_outcome

if TYPE_CHECKING:
    import xarray as xr

    from ..data.config import Level
    from .design import Floats, Ints
    from .path_design import PathDesign

CELLS = 20_000_000
"""Draws × sessions × responses handled at once."""


@dataclass(frozen=True)
class People:
    """Draws of d and of unknown covariates per level: (draws, units, effects) and (draws, holes)."""

    client: Floats
    therapist: Floats | None
    client_holes: Floats
    therapist_holes: Floats


@dataclass(frozen=True)
class State:
    """Draws with everything that does not change from session to session.

    Parameters
    ----------
    design, draws
        The design and its flat draws.
    now, before
        A and Φ, (draws, responses, responses).
    client, therapist
        Latent means m of clients and (mapped to clients) therapists, (draws, clients, responses).
    trend
        Clients' own rates of change, (draws, clients, responses).
    paths
        Clients' own part of every session path, (draws, clients, paths).
    covariates
        Values per client of every covariate, (draws, clients, covariates).
    ends
        Therapists' part of outcomes by client, (draws, clients, outcomes).
    """

    design: PathDesign
    draws: Mapping[str, Floats]
    now: Floats
    before: Floats
    client: Floats
    therapist: Floats
    trend: Floats
    paths: Floats
    covariates: Floats
    ends: Floats

    @property
    def count(self) -> int:
        """Number of draws."""
        return len(self.draws["intercept"])

    def expected(self, rows: Ints) -> Floats:
        """Return E at rows, (draws, rows, responses)."""
        design = self.design
        client = design.client[rows]
        total = self.draws["intercept"][:, None, : len(design.names)] + (self.client + self.therapist)[:, client]
        total = total + self.trend[:, client] * design.t[rows][:, None]
        if design.terms:
            total = total + np.einsum("rj,svj->srv", design.T[rows], self.draws["slope"])
        return np.asarray(total)

    def mean(self, v: int, rows: Ints, values: Floats) -> Floats:
        """Return the expectation of response v at rows given earlier values, (draws, rows).

        ``values``: (draws, all rows, responses).
        """
        design = self.design
        last = np.maximum(design.previous[rows], 0)
        here, past = self.expected(rows), self.expected(last)
        away, carried = values[:, rows] - here, values[:, last] - past
        total = here[:, :, v] + np.einsum("srw,sw->sr", away, self.now[:, v])
        total = total + np.einsum("srw,sw->sr", carried, self.before[:, v])
        for p, arrow in enumerate(design.session):
            if arrow.target != design.names[v]:
                continue
            w = design.names.index(arrow.source)
            if arrow.random:
                total = total + self.paths[:, design.client[rows], p] * values[:, last if arrow.lag else rows, w]
            for m, moderation in enumerate(design.moderations):
                if moderation.path == p:
                    factor = moderator(design, moderation.moderator)[rows]
                    deviation = (carried if arrow.lag else away)[:, :, w]
                    total = total + self.draws["moderation"][:, m, None] * factor * deviation
        if design.names[v] in design.initial:
            total = np.where(design.previous[rows] < 0, self._initial(v, rows, away), total)
        return np.asarray(total)

    def _initial(self, v: int, rows: Ints, away: Floats) -> Floats:
        design, name = self.design, self.design.names[v]
        client = design.client[rows]
        total = self.draws["intercept"][:, v, None] + self.draws["initial_shift"][:, design.initial.index(name), None]
        total = total + self.trend[:, client, v] * design.t[rows]
        if design.terms:
            total = total + self.draws["slope"][:, v] @ design.T[rows].T
        both = self.client + self.therapist
        for j, (target, other) in enumerate(design.initial_means):
            if target == name:
                loading = self.draws["initial_loading"][:, j, None]
                total = total + loading * both[:, client, design.names.index(other)]
        for j, (target, other) in enumerate(design.initial_paths):
            if target == name:
                total = total + self.draws["initial_path"][:, j, None] * away[:, :, design.names.index(other)]
        return np.asarray(total)

    def spread(self, v: int, rows: Ints) -> Floats:
        """Return the residual SD of response v at rows, (draws, rows) or (draws, 1)."""
        design = self.design
        usual = self.draws["sd_residual"][:, v, None]
        if design.names[v] not in design.initial:
            return np.asarray(usual)
        first = self.draws["initial_sd"][:, design.initial.index(design.names[v]), None]
        return np.where(design.previous[rows] < 0, first, usual)

    def end(self, o: int, finals: Floats) -> Floats:
        """Return the linear predictor of outcome o per client, (draws, clients); finals: (draws, clients, outcomes)."""
        design, name = self.design, self.design.outcome_names[o]
        located = [str(one) for one in design.coords["variable"]]
        total = self.ends[:, :, o]
        if name in located:
            total = total + self.draws["intercept"][:, located.index(name), None]
        both = self.client + self.therapist
        for p, arrow in enumerate(design.client_arrows):
            if arrow.target == name:
                path = self.draws["path_client"][:, p, None]
                total = total + path * self._source(arrow.source, arrow.trend, both, finals)
        for p, arrow in enumerate(design.therapist_arrows):
            if arrow.target == name:
                path = self.draws["path_therapist"][:, p, None]
                total = total + path * self._source(arrow.source, arrow.trend, self.therapist, finals)
        return np.asarray(total)

    def _source(self, name: str, trend: bool, means: Floats, finals: Floats) -> Floats:
        design = self.design
        if name in design.names:
            return (self.trend if trend else means)[:, :, design.names.index(name)]
        if name in design.outcome_names:
            return finals[:, :, design.outcome_names.index(name)]
        return self.covariates[:, :, [c.name for c in design.covariates].index(name)]


def state(design: PathDesign, draws: Mapping[str, Floats], people: People) -> State:
    """Return the state of draws for some people."""
    count = len(draws["intercept"])
    now, before = session_matrices(design, draws)
    covariates = _covariates(design, people, count)
    client = _means(design, "client", draws, people.client, covariates)
    size = (count, design.clients, len(design.names))
    trend, paths = np.zeros(size), np.zeros((count, design.clients, len(design.session)))
    for e, effect in enumerate(design.client_effects):
        if "->" in effect:
            paths[:, :, [a.text for a in design.session].index(effect)] = people.client[:, :, e]
        elif effect.endswith(":time") and effect not in design.names:
            trend[:, :, design.names.index(effect.removesuffix(":time"))] = people.client[:, :, e]
    therapist, ends = np.zeros(size), np.zeros((count, design.clients, len(design.outcomes)))
    if design.has_therapists and people.therapist is not None:
        therapist = _means(design, "therapist", draws, people.therapist, covariates)[:, design.therapist_of]
        for o, name in enumerate(design.outcome_names):
            place = design.therapist_effects.index(name)
            ends[:, :, o] = people.therapist[:, :, place][:, design.therapist_of]
    return State(design, draws, now, before, client, therapist, trend, paths, covariates, ends)


def _covariates(design: PathDesign, people: People, count: int) -> Floats:
    """Values of every covariate per client, unknown ones drawn, (draws, clients, covariates)."""
    found = np.empty((count, design.clients, len(design.covariates)))
    for j, one in enumerate(design.covariates):
        values = np.broadcast_to(np.nan_to_num(one.values), (count, len(one.values))).copy()
        drawn = people.client_holes if one.level == "client" else people.therapist_holes
        for n, (name, unit) in enumerate(design.holes[one.level]):
            if name == one.name:
                values[:, unit] = drawn[:, n]
        found[:, :, j] = values if one.level == "client" else values[:, design.therapist_of]
    return found


def _means(design: PathDesign, level: Level, draws: Mapping[str, Floats], d: Floats, covariates: Floats) -> Floats:
    """Return latent means m of a level's units, (draws, units, responses): causes first."""
    effects = design.client_effects if level == "client" else design.therapist_effects
    arrows = design.client_arrows if level == "client" else design.therapist_arrows
    found: dict[str, Floats] = {name: d[:, :, e].copy() for e, name in enumerate(effects)}
    first = np.arange(design.clients)
    if level == "therapist":  # covariates are kept per client: any client of a therapist shows the therapist's
        first = np.unique(design.therapist_of, return_index=True)[1]
    names = [c.name for c in design.covariates]
    for target in effects:
        for p, arrow in enumerate(arrows):
            if arrow.target != target or target not in design.names:
                continue
            path = draws[f"path_{level}"][:, p, None]
            if arrow.source in names:
                found[target] += path * covariates[:, first, names.index(arrow.source)]
            else:
                found[target] += path * found[f"{arrow.source}:time" if arrow.trend else arrow.source]
    return np.stack([found[name] for name in design.names], axis=2)


def new_people(
    design: PathDesign, draws: Mapping[str, Floats], rng: np.random.Generator, target: PredictionTarget
) -> People:
    """Draw effects of new clients, and of new therapists where the target asks for them."""
    count = len(draws["intercept"])

    def normal(level: Level, units: int) -> Floats:
        factor = disturbances(design, level, draws)
        return np.asarray(rng.standard_normal((count, units, factor.shape[2])) @ factor.transpose(0, 2, 1))

    therapist: Floats | None = None
    if design.has_therapists:
        known = target == "new_client" and "therapist_effects" in draws
        therapist = draws["therapist_effects"] if known else normal("therapist", design.therapists)
    holes = {level: rng.standard_normal((count, len(design.holes[level]))) for level in ("client", "therapist")}
    return People(normal("client", design.clients), therapist, holes["client"], holes["therapist"])


def same_people(design: PathDesign, draws: Mapping[str, Floats]) -> People:
    """Return the posterior's own effects."""
    count = len(draws["intercept"])
    none = np.zeros((count, 0))
    return People(
        draws["client_effects"],
        draws.get("therapist_effects"),
        draws.get("missing_client", none),
        draws.get("missing_therapist", none),
    )


def replicate(
    design: PathDesign, posterior: xr.Dataset, rng: np.random.Generator, target: PredictionTarget = "new_client"
) -> tuple[Floats, Floats]:
    """Draw whole replicated studies: series run forward from their start.

    Parameters
    ----------
    design
        The design.
    posterior
        Posterior variables, thinned to as many draws as are wanted.
    rng
        Random generator.
    target
        Whose: ``same`` clients, a ``new_client`` of the same therapists, or a ``new_therapist``.

    Returns
    -------
    sessions
        Raw ratings, (draws, rows, responses), whether rated or not.
    ends
        Raw outcomes, (draws, clients, outcomes).
    """
    draws = flatten(posterior)
    count = len(draws["intercept"])
    step = max(1, CELLS // max(1, 8 * design.values.size))
    parts = []
    for at in range(0, count, step):
        some = {name: values[at : at + step] for name, values in draws.items()}
        people = same_people(design, some) if target == "same" else new_people(design, some, rng, target)
        parts.append(_forward(state(design, some, people), rng))
    sessions, ends = (np.concatenate(each) for each in zip(*parts, strict=True))
    for v, one in enumerate(design.responses):
        sessions[:, :, v] = raw_outcome(one, sessions[:, :, v])
    for o, one in enumerate(design.outcomes):
        ends[:, :, o] = raw_outcome(one, ends[:, :, o])
    return sessions, ends


def _forward(now: State, rng: np.random.Generator) -> tuple[Floats, Floats]:
    design = now.design
    values = np.zeros((now.count, len(design.client), len(design.names)))
    for wave in waves(design.previous):
        for v in range(len(design.names)):
            mean = now.mean(v, wave, values)
            values[:, wave, v] = mean + now.spread(v, wave) * rng.standard_normal(mean.shape)
    ends = np.zeros((now.count, design.clients, len(design.outcomes)))
    residuals = [str(one) for one in design.coords["residual"]]
    for o, one in enumerate(design.outcomes):
        parameters = {"cutpoints": now.draws["cutpoints"]} if "cutpoints" in now.draws else {}
        if one.name in residuals:
            parameters["sd_residual"] = now.draws["sd_residual"][:, residuals.index(one.name), None]
        ends[:, :, o] = laws()[one.family].draw(rng, now.end(o, ends), parameters)
    return values, ends


def predict(
    design: PathDesign, posterior: xr.Dataset, rng: np.random.Generator, target: PredictionTarget = "new_client"
) -> Floats:
    """Return replicated raw ratings, (draws, rows, responses); see :func:`replicate`."""
    return replicate(design, posterior, rng, target)[0]


def log_likelihood(design: PathDesign, posterior: xr.Dataset) -> Floats:
    """Return the log density of each session's ratings together, given the clients' effects, (draws, rows).

    A missing rating that others rest on is the draw that the posterior holds.
    """
    draws = flatten(posterior)
    step = max(1, CELLS // max(1, 8 * design.values.size))
    parts = []
    for at in range(0, len(draws["intercept"]), step):
        some = {name: values[at : at + step] for name, values in draws.items()}
        now = state(design, some, same_people(design, some))
        values = filled(design, some)
        rows = np.arange(len(design.client))
        total = np.zeros((now.count, len(rows)))
        for v in range(len(design.names)):
            rated = np.flatnonzero(~np.isnan(design.values[:, v]))
            mean, sd = now.mean(v, rated, values), now.spread(v, rated)
            total[:, rated] += laws()["gaussian"].logpdf(design.values[rated, v], mean, {"sd_residual": sd})
        parts.append(total)
    return np.concatenate(parts)


def filled(design: PathDesign, draws: Mapping[str, Floats]) -> Floats:
    """Return ratings with the posterior's draws of missing ones, (draws, rows, responses)."""
    values = np.broadcast_to(np.nan_to_num(design.values), (len(draws["intercept"]), *design.values.shape)).copy()
    for v, name in enumerate(design.names):
        imputed = draws.get(f"missing_{name}")
        if imputed is not None:
            values[:, np.isnan(design.values[:, v]), v] = imputed
    return values
