"""What may be chosen otherwise: the axes of the multiverse, and a model under each combination of choices.

*Crossed* axes are taken in every combination: they are fitted by the marginalised kernel in a second or so, and their
choices may depend on one another. The others are taken *one at a time* from the study's own specification: they
need PyMC (half a minute and more per fit), or change what enters the likelihood rather than how it is analysed.

- **centring**: predictors around latent means, or around observed ones.
- **detrending**: no trend; a linear one that all clients share; each client's *own* linear trend, as a random slope of
  the outcome on time and, save in lagged models, by least squares in the predictors (the random slope alone leaves a
  part of an association of trends in the within slope); or the average of every session number. Falkenström et al.
  (2017) show how trends pass for an association within clients.
- **therapists**: a level, or not.
- **priors**: weak, or the library's where it has one for the quantity.
- **missing**: *modelled*, every rated session counts and what is missing is so at random given the model; *complete*,
  only sessions with outcome and every predictor; *pattern*, a pattern mixture: clients who left early, or were rated
  seldom, may differ. The number of sessions in which a client's outcome was rated enters as a covariate of clients
  and changes the trend and the within slopes; the quantity is that of the average client, so that what is
  missing may depend on a client's level and trend by way of the pattern (not beyond it). For the kernel's sake
  within slopes that change are estimated from complete sessions, and those of lagged models do not change. Slopes that
  differ between clients are left as they are: the pattern would take a part of what is asked for, as of shares of
  variance, where this choice is absent.
- **outliers**: the outcome's residuals normal, or *t* with unknown degrees of freedom.

A row that is about therapists keeps the level; one that rests on clients' own trends keeps those.

Sources: Falkenström, Finkel, Sandell, Rubel & Holmqvist (2017), Journal of Consulting and Clinical Psychology 85(5),
435–444; Little (1993), JASA 88, 125–134; Hedeker & Gibbons (1997), Psychological Methods 2(1), 64–78.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from ..models.families import laws
from ..models.options import KEYS
from .altered import complete_sessions, incomplete, pattern_mixture, rated_sessions, with_trend, without_own_trends

if TYPE_CHECKING:
    from ..data.config import ModelSection
    from ..data.study import Study
    from .questions import Question

VALUES: Mapping[str, tuple[str, ...]] = {
    "centring": ("latent", "observed"),
    "detrending": ("none", "linear", "own", "sessions"),
    "therapists": ("yes", "no"),
    "priors": ("weak", "library"),
    "missing": ("modelled", "complete", "pattern"),
    "outliers": ("gaussian", "student_t"),
}
"""Every axis and its choices; columns and codes of ``sensitivity.csv``."""

CROSSED: Mapping[str, tuple[str, ...]] = {
    "within_between": ("centring", "detrending", "therapists", "priors"),
    "congruence": ("detrending", "therapists"),  # a surface of latent means takes minutes
    "growth": ("therapists", "priors"),
    "variance": ("therapists", "priors"),
    "chain": ("therapists", "priors"),
    "dyad": ("therapists",),
}
ALONE: Mapping[str, tuple[str, ...]] = {
    "within_between": ("missing", "outliers"),
    "growth": ("missing", "outliers"),
    "variance": ("missing", "outliers"),
}


@dataclass(frozen=True, slots=True)
class Combination:
    """A choice on every axis that a model has.

    Parameters
    ----------
    choices
        Axis to choice, in the order of :data:`VALUES`.
    departures
        On how many axes it differs from the study's own.
    """

    choices: Mapping[str, str]
    departures: int

    @property
    def own(self) -> bool:
        """Whether it is the study's own."""
        return self.departures == 0


def axes_of(kind: str) -> tuple[str, ...]:
    """Return the axes that a kind of model has, in order."""
    return tuple(axis for axis in VALUES if axis in (*CROSSED.get(kind, ()), *ALONE.get(kind, ())))


def own_choices(study: Study, kind: str, options: ModelSection) -> dict[str, str]:
    """Return the choices that a model makes as the study asks it."""
    time = options.time or "none"
    own = {
        "centring": options.centring,
        "detrending": "slopes" if time == "linear" and "time" in (options.random_slopes or ()) else time,
        "therapists": "yes" if options.therapist_level and study.has_therapists else "no",
        "priors": "library" if any(str(text).startswith("library:") for text in options.priors.values()) else "weak",
        "missing": "modelled",
        "outliers": _family(study, options),
    }
    return {axis: own[axis] for axis in axes_of(kind)}


def combinations(study: Study, question: Question, options: ModelSection) -> Iterator[Combination]:
    """Yield every combination of choices for a question's model: the study's own, the crossed ones, single ones.

    Parameters
    ----------
    study
        The study.
    question
        With the model that answers it.
    options
        Of that model.
    """
    kind = question.test.kind
    own = own_choices(study, kind, options)
    yield Combination(own, 0)
    grid = {axis: values for axis in CROSSED.get(kind, ()) if (values := _choices(study, question, options, axis, own))}
    for values in product(*grid.values()):
        chosen = own | dict(zip(grid, values, strict=True))
        departures = sum(chosen[axis] != own[axis] for axis in own)
        if departures:
            yield Combination(chosen, departures)
    for axis in ALONE.get(kind, ()):
        for value in _choices(study, question, options, axis, own):
            if value != own[axis]:
                yield Combination(own | {axis: value}, 1)


def arranged(
    study: Study, question: Question, options: ModelSection, combination: Combination
) -> tuple[Study, ModelSection]:
    """Return the study and the model's options under a combination of choices.

    Parameters
    ----------
    study, question, options
        As in :func:`combinations`.
    combination
        One of them.

    Returns
    -------
    Study, ModelSection
        The study itself, or a copy with fewer ratings or an added variable.
    """
    own = own_choices(study, question.test.kind, options)
    for axis, value in combination.choices.items():
        if value == own[axis]:
            continue
        match axis:
            case "centring":
                options = options.model_copy(update={"centring": value})
            case "detrending":
                options = with_trend(options, value)
                # In a lagged model a line through all sessions would bring later ones into the previous one.
                lagged = options.lag == 1 or options.own_lag
                study = without_own_trends(study, options) if value == "own" and not lagged else study
            case "therapists":
                # Without the level there are no arrows between therapists either.
                options = options.model_copy(update={"therapist_level": value == "yes", "therapist": ()})
            case "priors":
                priors = {**options.priors, **_library_prior(study, question, options)}
                options = options.model_copy(update={"priors": priors})
            case "missing" if value == "complete":
                study = complete_sessions(study, options)
            case "missing":
                study, options = pattern_mixture(study, question.test.kind, options)
            case "outliers":
                options = options.model_copy(update={"family": value})
    return study, options


def _choices(
    study: Study, question: Question, options: ModelSection, axis: str, own: Mapping[str, str]
) -> tuple[str, ...]:
    """Return what may be chosen on an axis; nothing where there is no choice."""
    test = question.test
    values = VALUES[axis]
    match axis:
        case "therapists" if not study.has_therapists or "therapist" in test.needs:
            values = ()
        case "detrending" if "time" in test.options.get("random_slopes", ()):
            values = ()
        case "detrending" if "random_slopes" not in KEYS[test.kind]:
            values = tuple(value for value in values if value != "own")
        case "priors" if own["priors"] == "library" or not _library_prior(study, question, options):
            values = ()
        case "missing":
            values = tuple(_missing(study, test.kind, options))
        case "outliers" if own["outliers"] not in VALUES["outliers"]:
            values = ()
    return values if any(value != own[axis] for value in values) else ()


def _family(study: Study, options: ModelSection) -> str:
    """Return the outcome's family where its residuals are continuous, else nothing."""
    variable = study.variables.get(options.outcome or "")
    family = options.family or (variable.family if variable is not None else "gaussian")
    return family if laws()[family].continuous else ""


def _missing(study: Study, kind: str, options: ModelSection) -> Iterator[str]:
    yield "modelled"
    if incomplete(study, options).any():
        yield "complete"
    if kind != "variance" and np.ptp(rated_sessions(study, options)) > 0:
        yield "pattern"


# --- priors --------------------------------------------------------------------------------------------------------


def _library_prior(study: Study, question: Question, options: ModelSection) -> dict[str, str]:
    """Return the library's prior for the quantity that is asked; empty where it has none."""
    from ..models.library import PREFIX, from_library, library
    from ..models.priors import Prior, PriorError

    if question.estimand is None or len(question.estimand) != 1:
        return {}
    (estimand,) = question.estimand
    for name in library():
        try:
            from_library(study, PREFIX + name, estimand, options.outcome or "", Prior("normal", (0.0, 1.0)))
        except PriorError:
            continue
        return {estimand: PREFIX + name}
    return {}
