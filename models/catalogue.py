"""The catalogue: every model, and which of them a study can feed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..data.config import ModelSection
from ..data.errors import Fault, InputError
from ..data.study_file import suggestion
from . import chain, congruence, dyad, final, growth, variance, within_between
from .model import Model

if TYPE_CHECKING:
    from ..data.study import Study

CATALOGUE: tuple[Model, ...] = (
    variance.MODEL, growth.MODEL, within_between.MODEL, chain.MODEL, final.MODEL, dyad.MODEL, congruence.MODEL,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlannedModel:
    """One line of a plan.

    Parameters
    ----------
    name
        The model's name in the study file, or the one that the default plan gives it.
    kind
        Catalogue name.
    options
        Options as written or proposed.
    lacks
        What the study lacks for it, as sentences; empty when it can be fitted.
    """

    name: str
    kind: str
    options: ModelSection
    lacks: tuple[str, ...]


def model(kind: str) -> Model:
    """Return a model of the catalogue.

    Parameters
    ----------
    kind
        ``variance``, ``growth``, ``within_between``.

    Raises
    ------
    InputError
        For an unknown kind; the nearest is named.

    Examples
    --------
    >>> model("growth").title
    'Course over therapy'
    """
    for entry in CATALOGUE:
        if entry.kind == kind:
            return entry
    raise InputError(_unknown(kind, kind, "study.toml"))


def _unknown(name: str, kind: str, file: str) -> Fault:
    kinds = [entry.kind for entry in CATALOGUE]
    rule = "Not a model of the catalogue."
    return Fault("error", file, None, f"models.{name}.kind", rule, kind, suggestion(kind, kinds))


def plan(study: Study) -> tuple[PlannedModel, ...]:
    """Return the study file's models, or the default plan where it names none.

    Parameters
    ----------
    study
        The study.

    Returns
    -------
    tuple of PlannedModel
        Models that can be fitted, then (in a default plan) catalogue models that the study cannot feed.

    Raises
    ------
    InputError
        For a kind that is not in the catalogue.
    """
    if study.config.models:
        return _declared(study)
    fed: list[PlannedModel] = []
    starved: list[PlannedModel] = []
    for entry in CATALOGUE:
        proposed = entry.default_options(study)
        fed.extend(PlannedModel(name, entry.kind, options, ()) for name, options in proposed.items())
        if not proposed:
            options = ModelSection(kind=entry.kind)
            starved.append(PlannedModel(entry.kind, entry.kind, options, entry.lacks(study, options)))
    return (*fed, *starved)


def _declared(study: Study) -> tuple[PlannedModel, ...]:
    kinds = {entry.kind for entry in CATALOGUE}
    found: list[PlannedModel] = []
    faults: list[Fault] = []
    for name, options in study.config.models.items():
        kind = options.kind or name
        if kind not in kinds:
            faults.append(_unknown(name, kind, study.path.name))
            continue
        asked = options
        if options.outcome is None and not (options.session or options.client or options.therapist):
            proposed = model(kind).default_options(study).get(kind)
            if proposed is not None:
                given = {key: getattr(options, key) for key in options.model_fields_set}
                asked = proposed.model_copy(update=given)
        found.append(PlannedModel(name, kind, asked.model_copy(update={"kind": kind}), model(kind).lacks(study, asked)))
    if faults:
        raise InputError(*faults)
    return tuple(found)
