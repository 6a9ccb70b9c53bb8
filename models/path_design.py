r"""What the likelihood of a path model sees: several responses, paths at three levels, names and scales.

One :class:`PathDesign` serves every model whose story is a graph (chain, dyad, final). Session-level
responses *v* of session *i*, client *c* and therapist *t* deviate from the client's expected course

.. math::

    E_{v,ct}(i) &= \mu_v + T_i' s_v + m_{v,c} + m_{v,t} + b_{v,c}\,(t_i - \bar t) \\
    r_{vi} &= E_v(i) + \sum_w A_{vw}\,(r_{wi} - E_w(i)) + \sum_w \Phi_{vw}\,(r_{w,i-1} - E_w(i-1)) + e_{vi}

so that paths of the *session* level (A in the same session, Φ from the previous one) multiply deviations
from the client's own latent course: latent centring at every level. Latent means follow recursive
path models of their own, and a client-level outcome *o* (one row per client) rests on them:

.. math::

    m_{v,c} &= \sum_w B_{vw} m_{w,c} + \Gamma_v' a_c + d_{v,c} \qquad
    m_{v,t} = \sum_w B^T_{vw} m_{w,t} + \Gamma^{T\prime}_v a_t + d_{v,t} \\
    o_c &= \alpha_o + \sum_v b_{ov}\,(m_{v,c} + m_{v,t}) + \sum_v b'_{ov}\, b_{v,c} + \Gamma_o' a_c
           + \sum_p B_{op}\, o_{p,c} + w_{o,t} + e_{o,c}

Latent means without an arrow from another latent mean are correlated freely; what arrows leave
unexplained is independent. An outcome depends on a client's latent mean whatever its source; an arrow
of the therapist level lets the therapist's part count differently: its path is
:math:`b_{ov} + c_{ov}` and *c* is sampled.

Names of the posterior variables (dims in brackets; internal scale; absent where there is no use for them):

==============================================  ==========================================================
``intercept[variable]``                         μ, α: responses, then outcomes
``slope[response, term]``                       s: coefficients of the time columns
``path_session[session_path]``                  A and Φ
``path_client[client_path]``                    B, Γ, b and b'
``path_therapist[therapist_path]``              Bᵀ, Γᵀ; for outcomes c
``moderation[interaction]``                     what a covariate or time adds to a session path
``sd_client[client_effect]``                    SDs of d, of the clients' own trends and paths
``cor_client[client_free, client_free_other]``  correlations of effects without incoming arrows
``cor_course[course]``                          correlation of d and trend where the mean has incoming arrows
``sd_therapist[therapist_effect]``              the same for therapists
``cor_therapist[therapist_free, …_other]``
``sd_residual[variable]``                       SDs of e
``client_effects[client, client_effect]``       d, b and paths of each client
``therapist_effects[therapist, …]``             d of each therapist
``initial_shift[initial]``                      sessions that start a series, for responses with lagged paths:
``initial_loading[initial_mean]``               loadings on the latent means (``safety|depth``)
``initial_path[initial_step]``                  paths among their deviations
``initial_sd[initial]``                         residual SDs
``cutpoints[cut]``                              an ordinal outcome (PyMC)
``missing_client[hole_client]`` (and therapist)  covariates that are not known, standard normal
``missing_NAME[hole_NAME]``                     ratings of NAME that are missing
==============================================  ==========================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ..data.config import Family, Level, ModelSection
from .arrows import Arrow
from .design import Factor, Floats, Ints, Measure, RowAccount
from .priors import Prior

if TYPE_CHECKING:
    from .families import Law


ZERO = "0"
"""What a parameter is tied to that is nothing."""


@dataclass(frozen=True)
class Covariate:
    """A column of what is known of clients or therapists: internal = (raw − centre) / scale.

    Parameters
    ----------
    name
        ``anxiety``, ``arm[active]``.
    level
        ``client`` or ``therapist``.
    factor
        Variable, category, centre and scale.
    role, label
        As in the study file.
    values
        Per client or therapist of the design, NaN where not known, (units,).
    """

    name: str
    level: Level
    factor: Factor
    role: str
    label: str
    values: Floats


@dataclass(frozen=True, slots=True)
class Moderation:
    """``time`` or a client's covariate × a session path; ``name`` is ``safety->depth:anxiety``."""

    name: str
    path: int
    moderator: str


@dataclass(frozen=True)
class PathDesign:
    """Arrays, names and scales of one path model for one study.

    Parameters
    ----------
    kind, name, options
        As in :class:`~safezone.models.design.Design`.
    responses
        Session-level variables in the recursive order of the same session.
    outcomes
        Client-level variables that arrows point at, in recursive order.
    covariates
        Columns of clients, then of therapists.
    session, client_arrows, therapist_arrows
        Arrows by level, their sources and targets named as responses, outcomes and covariates are.
    moderations
        What time and covariates add to session paths.
    trends
        Responses whose clients differ in their rate of change.
    values
        Ratings, internal scale, NaN where missing, (rows, responses).
    final
        Outcomes, internal scale (codes for categories), NaN where missing, (clients, outcomes).
    client
        Client of each row, (rows,).
    therapist_of
        Therapist of each client, (clients,); shape (0,) without therapist level.
    clients, therapists, known_therapists
        Numbers; a client whose therapist is not known counts as one of its own therapist.
    row
        Position in ``study.sessions`` of each row.
    session_number
        Order of the session within the client.
    time, time_unit
        Raw time of each row, and its unit in words.
    terms, T
        Names of the time columns and their internal values, (rows, terms).
    scales
        Raw units per internal unit of each time column.
    t, t_centre, t_scale
        Time that clients' own trends multiply and that moderates paths: SDs from the mean, (rows,), with its mean
        and SD in raw units. Centred, so that a latent mean is the usual level in the middle of what was observed.
    previous
        Row of the client's previous session, −1 where a series starts, (rows,).
    priors
        Priors by ``variable`` or ``variable[element]``, overrides applied.
    account, notes
        What became of the rows; what a reader should know.
    ties
        Equal parameters: ``variable[element]`` → the one whose value it has, or :data:`ZERO`; ``cor_client`` and
        ``cor_therapist`` → :data:`ZERO` for independent effects. Clients' effects whose SD is zero are not there.
    """

    kind: str
    name: str
    options: ModelSection
    responses: tuple[Measure, ...]
    outcomes: tuple[Measure, ...]
    covariates: tuple[Covariate, ...]
    session: tuple[Arrow, ...]
    client_arrows: tuple[Arrow, ...]
    therapist_arrows: tuple[Arrow, ...]
    moderations: tuple[Moderation, ...]
    trends: tuple[str, ...]
    values: Floats
    final: Floats
    client: Ints
    therapist_of: Ints
    clients: int
    therapists: int
    known_therapists: int
    row: Ints
    session_number: Ints
    time: Floats
    time_unit: str
    terms: tuple[str, ...]
    T: Floats
    scales: Floats
    t: Floats
    t_centre: float
    t_scale: float
    previous: Ints
    priors: Mapping[str, Prior]
    account: RowAccount
    ties: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = field(default=(), metadata={"fingerprint": False})

    @property
    def outcome(self) -> Measure:
        """What the story ends in: the last outcome, or the last response."""
        return (self.outcomes or self.responses)[-1]

    @property
    def predictors(self) -> tuple[Measure, ...]:
        """The other variables that are explained or rated session by session."""
        return tuple(one for one in (*self.responses, *self.outcomes) if one is not self.outcome)

    @property
    def family(self) -> Family:
        """The family of the last outcome; everything else is gaussian."""
        return self.outcome.family

    @property
    def law(self) -> Law:
        """The law of the last outcome."""
        from .families import laws

        return laws()[self.family]

    @property
    def has_therapists(self) -> bool:
        """Whether the model has a therapist level."""
        return bool(len(self.therapist_of))

    @property
    def dynamic(self) -> bool:
        """Whether a session depends on the previous one."""
        return any(arrow.lag for arrow in self.session)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the responses."""
        return tuple(one.name for one in self.responses)

    @property
    def outcome_names(self) -> tuple[str, ...]:
        """Names of the outcomes."""
        return tuple(one.name for one in self.outcomes)

    def of_level(self, level: Level) -> tuple[Covariate, ...]:
        """Return the covariates of a level."""
        return tuple(one for one in self.covariates if one.level == level)

    # --- effects ---------------------------------------------------------------------------------------

    @property
    def client_effects(self) -> tuple[str, ...]:
        """Effects of clients, causes first: means, trends (``safety:time``), own paths (``safety->depth``)."""
        trends = [f"{name}:time" for name in self.trends]
        paths = [arrow.text for arrow in self.session if arrow.random]
        return (*trends, *paths, *self._ordered(self.client_arrows))

    @property
    def therapist_effects(self) -> tuple[str, ...]:
        """Effects of therapists, causes first: means of responses, then outcomes."""
        if not self.has_therapists:
            return ()
        return (*self._ordered(self.therapist_arrows), *self.outcome_names)

    def _ordered(self, arrows: tuple[Arrow, ...]) -> tuple[str, ...]:
        """Responses in the causal order of a level's arrows; ties as in the session."""
        left = list(self.names)
        found: list[str] = []
        while left:
            ready = next(v for v in left if not any(a.target == v and a.source in left and not a.trend for a in arrows))
            found.append(ready)
            left.remove(ready)
        return tuple(found)

    def explained(self, level: Level) -> frozenset[str]:
        """Responses and outcomes with an arrow from a latent variable of this level."""
        arrows = self.client_arrows if level == "client" else (*self.therapist_arrows, *self.client_arrows)
        own = (
            a.target
            for a in arrows
            if a.source in self.names and (a.level == level or (a.target in self.outcome_names and not a.trend))
        )
        return frozenset(own)

    @property
    def client_free(self) -> tuple[str, ...]:
        """Client effects that are correlated freely."""
        courses = {f"{name}:time" for name in self.courses}
        return tuple(e for e in self.client_effects if e not in self.explained("client") and e not in courses)

    @property
    def courses(self) -> tuple[str, ...]:
        """Responses with a trend and an explained mean: what is left of the mean is correlated with the trend."""
        return tuple(name for name in self.trends if name in self.explained("client"))

    @property
    def therapist_free(self) -> tuple[str, ...]:
        """Therapist effects that are correlated freely."""
        return tuple(e for e in self.therapist_effects if e not in self.explained("therapist"))

    # --- series ----------------------------------------------------------------------------------------

    @property
    def initial(self) -> tuple[str, ...]:
        """Responses with lagged paths: sessions that start a series have a law of their own for them."""
        lagged = {arrow.target for arrow in self.session if arrow.lag}
        return tuple(name for name in self.names if name in lagged)

    @property
    def initial_means(self) -> tuple[tuple[str, str], ...]:
        """(response, latent mean) pairs on which a first session loads: its own and those of lagged sources."""
        found: list[tuple[str, str]] = []
        for name in self.initial:
            sources = {arrow.source for arrow in self.session if arrow.lag and arrow.target == name}
            found += [(name, other) for other in self.names if other == name or other in sources]
        return tuple(found)

    @property
    def initial_paths(self) -> tuple[tuple[str, str], ...]:
        """(target, source) of the same first session: earlier responses that are its sources or have lagged paths."""
        found: list[tuple[str, str]] = []
        for name in self.initial:
            sources = {a.source for a in self.session if a.target == name and not a.lag} | set(self.initial)
            found += [(name, other) for other in self.names[: self.names.index(name)] if other in sources]
        return tuple(found)

    # --- names -----------------------------------------------------------------------------------------

    @property
    def holes(self) -> dict[str, tuple[tuple[str, int], ...]]:
        """(covariate, unit) pairs that are not known, by level."""
        found: dict[str, list[tuple[str, int]]] = {"client": [], "therapist": []}
        for one in self.covariates:
            found[one.level] += [(one.name, int(unit)) for unit in np.flatnonzero(np.isnan(one.values))]
        return {level: tuple(pairs) for level, pairs in found.items()}

    @property
    def coords(self) -> dict[str, list[str] | list[int]]:
        """Coordinates of every named dim."""
        variables = [*self.names, *self.outcome_names]
        free, above = list(self.client_free), list(self.therapist_free)
        coords: dict[str, list[str] | list[int]] = {
            "variable": [v for v in variables if self.measure(v).family != "ordinal"],
            "response": list(self.names),
            "term": list(self.terms),
            "session_path": [a.text for a in self.session],
            "client_path": [a.text for a in self.client_arrows],
            "therapist_path": [a.text for a in self.therapist_arrows],
            "interaction": [m.name for m in self.moderations],
            "client": list(range(self.clients)),
            "client_effect": list(self.client_effects),
            "client_free": free,
            "client_free_other": free,
            "course": list(self.courses),
            "therapist": list(range(self.therapists)),
            "therapist_effect": list(self.therapist_effects),
            "therapist_free": above,
            "therapist_free_other": above,
            "initial": list(self.initial),
            "initial_mean": [f"{a}|{b}" for a, b in self.initial_means],
            "initial_step": [f"{a}<-{b}" for a, b in self.initial_paths],
            "residual": [v for v in variables if v not in self.outcome_names or self.measure(v).family == "gaussian"],
            "hole_client": list(range(len(self.holes["client"]))),
            "hole_therapist": list(range(len(self.holes["therapist"]))),
        }
        if self.family == "ordinal":
            labels = self.outcome.categories
            coords["cut"] = [f"{a}|{b}" for a, b in pairwise(labels)]
        return coords

    def measure(self, name: str) -> Measure:
        """Return the scale of a response or outcome."""
        return next(one for one in (*self.responses, *self.outcomes) if one.name == name)

    def covariate(self, name: str) -> Covariate | None:
        """Return a covariate by name, or ``None``."""
        return next((one for one in self.covariates if one.name == name), None)

    def prior(self, variable: str, element: str | None = None) -> Prior:
        """Return the prior of a posterior variable, or of one of its elements."""
        own = self.priors.get(f"{variable}[{element}]") if element is not None else None
        return own if own is not None else self.priors[variable]


__all__ = ["ZERO", "Covariate", "Moderation", "PathDesign"]
