r"""What the likelihood sees: arrays, names and scales, without statistics.

One :class:`Design` serves every model of the catalogue, because variance, growth and within_between
are one multilevel regression with different columns. Rows *i* belong to client *c* and therapist *t*
(a client may change therapist); responses are the latent-centred predictors x₁ … x_K and the outcome y:

.. math::

    r_{vi} = g_{v0} + F_i' g_v + \sum_w A_{vw} r_{wi} + \sum_w \Phi_{vw} r_{w,i-1}
             + \eta_{v,c} + \eta_{v,t} + e_{vi}, \qquad \eta = (I - A - \Phi)\, m

    m_y = \sum_k B_k m_k + d \quad\text{(clients and therapists alike)}

``A`` and ``Φ`` hold the within effects, the own lag and the nuisance :attr:`Design.paths`; ``B`` the
between effects. Rows that start a series (:attr:`Design.previous` is −1 in a dynamic model) have their
own intercept, fixed effects, residual SD and free loadings on (m_x, m_y).

Names of the posterior variables (dims in brackets; the internal scale; absent where the design has no
use for them). Any sampler must produce exactly these:

==================================================  =====================================================
``intercept``                                       outcome at F = 0 (time 0, reference categories, means)
``fixed[term]``                                     coefficients of F in the outcome's equation
``within[predictor]``                               β_W: within-client effects (paths x → y, lag 0 or 1)
``between_client[predictor]``                       B between clients of one therapist
``between_therapist[predictor]``                    B between therapists
``surface_within[surface_term]``                    congruence: b1 … b5 of deviations from the latent means
``surface_between[surface_term]``                   congruence: b1 … b5 of the clients' usual ratings
``moderation[interaction]``                         F column × within deviation, names ``safety:anxiety``;
                                                    then :attr:`Design.products`, names ``safety:alliance``
``own_lag``                                         φ, the outcome's own previous value
``nuisance[path]``                                  remaining paths of A and Φ, see ``Design.paths``
``sd_client[client_effect]``                        SDs of d (``intercept``, ``time``) and of within slopes
``cor_client[client_effect, client_effect_other]``  their correlations, where there are at least two
``client_effects[client, client_effect]``           the effects themselves
``sd_therapist``, ``cor_therapist``                 the same for therapists (``therapist_effect``)
``therapist_effects[therapist, therapist_effect]``  the effects themselves
``sd_group[group_effect]``                          SDs over partially pooled groups
``group_effects[group, group_effect]``              intercept and within slopes by group
``sd_residual``                                     gaussian, student_t (its scale)
``nu``                                              student_t
``autocorrelation``                                 residual ``ar1``
``cutpoints[cut]``                                  ordinal
``precision``, ``ends[end]``                        beta; ``ends`` only where ratings lie on the bounds
``dispersion``                                      negative_binomial
``predictor_intercept[predictor]``                  g_{k0}
``predictor_fixed[predictor, term]``                g_k, net of the predictors (and lags) in x_k's equation
``sd_predictor_client[predictor]``                  SDs of clients' latent means m_x
``cor_predictor_client[predictor, predictor_other]``  their correlations, where K ≥ 2
``predictor_client[client, predictor]``             m_x of clients
``sd_predictor_therapist``, ``cor_predictor_therapist``, ``predictor_therapist[therapist, predictor]``
``sd_predictor_residual[predictor]``                SDs of e_x
``initial_intercept[response]``                     dynamic models: rows that start a series
``initial_fixed[response, term]``                   their fixed effects
``initial_loading[response, response_other]``       their loadings on (m_x, m_y), client and therapist
``initial_path[start_path]``                        paths among their responses
``initial_sd[response]``                            their residual SDs
``missing_covariate[hole_unit]``                    imputed covariates (PyMC)
``missing_NAME[hole_NAME]``                         imputed values of predictor or outcome NAME (PyMC)
==================================================  =====================================================

A variable and its dim cannot share a name, hence ``term``. Coordinates of ``client`` and ``therapist`` are
running numbers: identifiers never enter a posterior.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..data.config import Family, Level, ModelSection
from .design_parts import CourseGrid, Groups, Holes, Surface
from .interactions import Products
from .priors import Prior
from .surface import TERMS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Part = Literal["time", "main", "interaction"]


@dataclass(frozen=True, slots=True)
class Measure:
    """A variable as outcome or predictor, and how its raw values map to internal ones.

    Parameters
    ----------
    name, label, unit, level, better
        As in the study file.
    family
        The family of its likelihood (predictors are gaussian).
    mean, sd
        internal = (raw − mean) / sd. For link families of the outcome: ordinal, bernoulli (0, 1); beta
        (lower bound, width of the range); negative_binomial (log of the mean count, 1): an offset on
        the link scale.
    low, high
        Range of the instrument, or of the data where none is declared.
    categories
        Labels of an ordinal or binary outcome, lowest first.
    """

    name: str
    label: str
    unit: str
    level: Level
    better: str
    family: Family
    mean: float
    sd: float
    low: float
    high: float
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Factor:
    """One factor of a column: internal = (raw − centre) / scale.

    Parameters
    ----------
    variable
        Variable of the study, or ``time``.
    category
        Category of a dummy, else ``None``.
    centre, scale
        0 and 1 for dummies; 0 and the SD for time columns; mean and SD for numbers.
    """

    name: str
    variable: str
    category: str | None
    centre: float
    scale: float


@dataclass(frozen=True, slots=True)
class Column:
    """A column of F.

    Parameters
    ----------
    name
        ``time``, ``arm[active]``, ``arm[active]:time``.
    level
        Where its non-time part varies (``session`` for time itself).
    part
        ``time``, ``main`` (covariate, group, moderator) or ``interaction`` (main × time).
    factors
        One factor, or two for an interaction (main first, time second).
    role
        Role of the main variable in the study (``arm``, ``covariate``, …); ``time`` for time.
    """

    name: str
    level: Level
    part: Part
    factors: tuple[Factor, ...]
    role: str = "time"


@dataclass(frozen=True, slots=True)
class Effect:
    """An effect of the outcome that differs between clients or therapists.

    Parameters
    ----------
    name
        ``intercept``, ``time``, or a predictor (a within slope).
    predictor
        Index of the predictor whose within deviation it multiplies, or −1.
    scale
        SD of the raw column (1 for the intercept): raw effect = internal · sd_y / scale.
    """

    name: str
    predictor: int
    scale: float


@dataclass(frozen=True, slots=True)
class Path:
    """A nuisance path among responses (indices: predictors 0 … K−1, outcome K), lag 0 or 1."""

    name: str
    target: int
    source: int
    lag: int


@dataclass(frozen=True, slots=True)
class Interaction:
    """``F[:, column] × within deviation of predictor``; ``name`` is ``safety:anxiety``."""

    name: str
    predictor: int
    column: int


@dataclass(frozen=True, slots=True)
class RowAccount:
    """What became of the session rows.

    Parameters
    ----------
    total
        Rows of the study.
    used
        Rows in the likelihood.
    excluded
        (reason, rows) of the others; ``total − used`` in all.
    imputed
        (variable, values) integrated inside the model.
    starts
        (reason, rows) of rows that start a series in a dynamic model.
    """

    total: int
    used: int
    excluded: tuple[tuple[str, int], ...] = ()
    imputed: tuple[tuple[str, int], ...] = ()
    starts: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Design:
    """Arrays, names and scales of one model for one study.

    Parameters
    ----------
    kind, name
        Catalogue name and name in the study file.
    options
        The options with every default filled in.
    outcome, predictors
        Scales of the responses; K = ``len(predictors)``.
    fixed
        Columns of F, in order.
    y
        Outcome, internal scale (codes 0 … for ordinal and bernoulli), NaN where missing, shape (rows,).
    x
        Predictors, internal scale, NaN where missing, shape (rows, K). With ``centring = "observed"``
        the within deviations (of the previous session if ``lag = 1``).
    F
        Fixed columns, internal scale, 0 at holes, shape (rows, fixed).
    holes
        Missing covariates of F.
    client, therapist
        Index per row, shape (rows,); ``therapist`` has shape (0,) without therapist level.
    clients, therapists
        Number of each; ``therapists`` counts one per client whose therapist is unknown.
    known_therapists
        Number of therapists with an identifier.
    row
        Position in ``study.sessions`` of each row, shape (rows,).
    session
        Order of the session within the client (as in the study), shape (rows,).
    time
        Raw time of each row, shape (rows,), with ``time_unit`` in words.
    course
        The time columns on a grid of times, for curves.
    previous
        Row that holds the client's previous session, −1 where there is none, shape (rows,).
    gap
        Sessions since the previous row (1 without a gap), 0 where there is none, shape (rows,).
    client_effects, therapist_effects
        Effects of the outcome; therapist_effects is empty without the level.
    client_z, therapist_z
        Their columns, shape (rows, effects); 0 for within slopes, which multiply a latent deviation.
    interactions, groups
        Cross-level products and partially pooled groups.
    paths
        Nuisance paths of A and Φ (see the module).
    dynamic
        Whether rows depend on the previous row (lag, own lag).
    own_lag, residual
        As options.
    x_client, x_therapist
        Observed centring only: client means as deviations from their therapist's mean (or the overall
        mean) and therapist means, shape (rows, K), else (rows, 0).
    y_previous
        Observed centring with own lag: previous outcome as deviation from the client's mean.
    priors
        Priors by ``variable`` or ``variable[coordinate]``, overrides applied; see :meth:`prior`.
    account
        What became of the rows.
    surface
        The quadratic surface of two predictors in place of their linear effects.
    products
        Products of two predictors' within deviations, columns of the outcome's equation only.
    """

    kind: str
    name: str
    options: ModelSection
    outcome: Measure
    predictors: tuple[Measure, ...]
    fixed: tuple[Column, ...]
    y: Floats
    x: Floats
    F: Floats
    holes: Holes
    client: Ints
    therapist: Ints
    clients: int
    therapists: int
    known_therapists: int
    row: Ints
    session: Ints
    time: Floats
    time_unit: str
    course: CourseGrid
    previous: Ints
    gap: Ints
    client_effects: tuple[Effect, ...]
    therapist_effects: tuple[Effect, ...]
    client_z: Floats
    therapist_z: Floats
    interactions: tuple[Interaction, ...]
    groups: Groups | None
    paths: tuple[Path, ...]
    dynamic: bool
    own_lag: bool
    residual: Literal["independent", "ar1"]
    x_client: Floats
    x_therapist: Floats
    y_previous: Floats
    priors: Mapping[str, Prior]
    account: RowAccount
    notes: tuple[str, ...] = field(default=(), metadata={"fingerprint": False})
    surface: Surface | None = None
    products: Products | None = None

    @property
    def family(self) -> Family:
        """The outcome's family."""
        return self.outcome.family

    @property
    def latent(self) -> bool:
        """Whether predictors are responses with latent means."""
        return bool(self.predictors) and self.options.centring == "latent"

    @property
    def has_therapists(self) -> bool:
        """Whether the model has a therapist level."""
        return bool(self.therapist_effects)

    @property
    def responses(self) -> tuple[str, ...]:
        """Predictors, then the outcome: the order of A, Φ and m."""
        return (*(p.name for p in self.predictors), self.outcome.name)

    @property
    def initial_paths(self) -> tuple[Path, ...]:
        """Contemporaneous paths among the responses of a row that starts a series."""
        if not (self.latent and self.dynamic):
            return ()
        return tuple(
            Path(f"{name}<-{self.responses[source]}", target, source, 0)
            for target, name in enumerate(self.responses)
            for source in self.sources(target)
        )

    @property
    def feedback(self) -> bool:
        """Whether the outcome enters the predictors' equations (only where it is continuous)."""
        return self.dynamic and self.family in ("gaussian", "student_t")

    @property
    def order(self) -> tuple[int, ...]:
        """Recursive order of the responses within a session.

        With lag 1 the outcome comes first, so that a within effect is not net of the same session's
        predictor; else the predictors come first.
        """
        k = len(self.predictors)
        return (k, *range(k)) if self.dynamic and self.options.lag == 1 else (*range(k), k)

    def sources(self, target: int) -> tuple[int, ...]:
        """Responses of the same session that may enter the target's equation."""
        before = self.order[: self.order.index(target)]
        k = len(self.predictors)
        return tuple(s for s in before if s != k or self.feedback)

    @property
    def coords(self) -> dict[str, list[str] | list[int]]:
        """Coordinates of every named dim."""
        fixed: list[str] = [column.name for column in self.fixed]
        predictors = [p.name for p in self.predictors]
        coords: dict[str, list[str] | list[int]] = {
            "row": list(range(len(self.y))),
            "client": list(range(self.clients)),
            "term": fixed,
            "client_effect": [effect.name for effect in self.client_effects],
            "client_effect_other": [effect.name for effect in self.client_effects],
        }
        if self.has_therapists:
            coords["therapist"] = list(range(self.therapists))
            coords["therapist_effect"] = [effect.name for effect in self.therapist_effects]
            coords["therapist_effect_other"] = [effect.name for effect in self.therapist_effects]
        if self.predictors:
            coords["predictor"] = predictors
            coords["predictor_other"] = predictors
            coords["response"] = list(self.responses)
            coords["response_other"] = list(self.responses)
            coords["path"] = [path.name for path in self.paths]
            coords["start_path"] = [path.name for path in self.initial_paths]
        if self.surface is not None:
            coords["surface_term"] = list(TERMS)
        moderation = [interaction.name for interaction in self.interactions]
        if self.products is not None:
            moderation += self.products.names
        if moderation:
            coords["interaction"] = list(moderation)
        if self.groups is not None:
            coords["group"] = list(self.groups.categories)
            coords["group_effect"] = ["intercept", *predictors]
        if self.family == "ordinal":
            coords["cut"] = [
                f"{a}|{b}" for a, b in zip(self.outcome.categories, self.outcome.categories[1:], strict=False)
            ]
        if self.family == "beta":
            coords["end"] = ["lower", "upper"]
        if self.holes.names:
            coords["hole_unit"] = list(range(len(self.holes.names)))
        return coords

    def prior(self, variable: str, coordinate: str | None = None) -> Prior:
        """Return the prior of a posterior variable, or of one of its elements."""
        if coordinate is not None:
            own = self.priors.get(f"{variable}[{coordinate}]")
            if own is not None:
                return own
        return self.priors[variable]
