"""Sensitivity as a small multiverse: each quantity of the theory under every defensible combination of choices.

The axes are choices that move estimates and on which the literature disagrees: how predictors are centred (latent or
observed means), how common trends are taken out (not at all, linearly, session by session), whether therapists are a
level, and whether priors are weak or from the library. Every combination is fitted; the study's own comes from the
store, and so does everything that was fitted before: only what differs is fitted.

Source: Steegen, Tuerlinckx, Gelman & Vanpaemel (2016), Perspectives on Psychological Science 11(5), 702–712; Simonsohn,
Simmons & Nelson (2020), Nature Human Behaviour 4, 1208–1214, for specification curves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.errors import InputError, SafezoneError
from .evidence import stored_evidence
from .findings import answer_part
from .fitting import Task, keys_of, obtain_draws
from .folder import SENSITIVITY, ResultsFolder
from .questions import Question, agenda

if TYPE_CHECKING:
    from ..data.config import ModelSection
    from ..data.study import Study
    from .progress import Progress
    from .store import Store

COLUMNS = (
    "id", "part", "specification", "own", "centring", "detrending", "therapists", "priors", "estimand", "mean", "lower",
    "upper", "probability", "verdict", "smallest", "direction", "study",
)  # fmt: skip

# What may be chosen otherwise, by kind: option -> values. Priors are an axis where the library has one.
AXES: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "within_between": {
        "centring": ("latent", "observed"),
        "time": ("none", "linear", "sessions"),
        "therapist_level": (True, False),
    },
    "growth": {"therapist_level": (True, False)},
    "variance": {"therapist_level": (True, False)},
}
_WORDS: Mapping[Any, str] = {True: "yes", False: "no"}


@dataclass(frozen=True, slots=True)
class Specification:
    """One quantity under one combination of choices.

    Parameters
    ----------
    id, part
        Row and part of the theory.
    choices
        Value of each option that is varied, as text; ``priors`` is ``weak`` or ``library``.
    own
        Whether it is the study's own combination.
    estimand
        The quantity.
    mean, lower, upper
        In its own direction.
    probability
        P(beyond the smallest effect of interest in the expected direction).
    verdict
        A word, or why there is none.
    smallest, direction
        As in the registry.
    """

    id: str
    part: str
    choices: Mapping[str, str]
    own: bool
    estimand: str
    mean: float
    lower: float
    upper: float
    probability: float
    verdict: str
    smallest: float
    direction: int


def specifications(study: Study, question: Question, options: ModelSection) -> Iterator[tuple[ModelSection, bool]]:
    """Yield every combination of choices for a question's model, the study's own first.

    Parameters
    ----------
    study
        The study.
    question
        With the model that answers it.
    options
        Of that model.
    """
    axes = dict(AXES.get(question.test.kind, {}))
    if not study.has_therapists or "therapist" in question.test.needs:
        axes.pop("therapist_level", None)
    informed = _library_prior(study, question, options)
    own = {name: _own(options, name) for name in axes}
    yield options, True
    for values in product(*axes.values()):
        chosen = dict(zip(axes, values, strict=True))
        for priors in ({}, informed) if informed else ({},):
            if chosen == own and not priors:
                continue
            yield options.model_copy(update={**chosen, "priors": {**options.priors, **priors}}), False


def multiverse(
    study: Study,
    store: Store,
    *,
    rows: Sequence[str] = (),
    progress: Progress,
    say: Callable[[str], None] | None = None,
) -> tuple[Specification, ...]:
    """Ask every question under every combination of choices.

    Parameters
    ----------
    study
        The study.
    store
        Where fits are kept.
    rows
        Ids of rows; all by default.
    progress
        Told what is fitted.
    say
        Told how far it is.

    Returns
    -------
    tuple of Specification
        Of every part that the study can test and whose model has choices.
    """
    from ..models.catalogue import plan

    planned = plan(study)
    asked = agenda(study, planned)
    models = {one.name: one for one in (*planned, *asked.added)}
    wanted = [
        question
        for question in asked.questions
        if question.model and question.test.kind in AXES and (not rows or question.principle.id in rows)
    ]
    found: list[Specification] = []
    for number, question in enumerate(wanted, start=1):
        if say is not None:
            say(f"sensitivity: quantity {number} of {len(wanted)} ({question.principle.id} {question.test.part})")
        options = models[str(question.model)].options
        for changed, own in specifications(study, question, options):
            found.append(_ask(study, question, changed, own, store, progress))
    return tuple(found)


def sensitivity_file(study: Study, found: Sequence[Specification]) -> bytes:
    """Return ``sensitivity.csv``."""
    import pandas as pd

    from ..data.export import csv_bytes

    number: dict[tuple[str, str], int] = {}
    rows = []
    for one in found:
        key = (one.id, one.part)
        number[key] = number.get(key, 0) + 1
        rows.append(
            {
                "id": one.id, "part": one.part, "specification": number[key], "own": one.own,
                "centring": one.choices.get("centring", ""), "detrending": one.choices.get("time", ""),
                "therapists": one.choices.get("therapist_level", ""), "priors": one.choices["priors"],
                "estimand": one.estimand, "mean": one.mean, "lower": one.lower, "upper": one.upper,
                "probability": one.probability, "verdict": one.verdict, "smallest": one.smallest,
                "direction": one.direction, "study": study.fingerprint,
            }
        )  # fmt: skip
    return csv_bytes(pd.DataFrame(rows, columns=list(COLUMNS)))


def write_sensitivity(study: Study, found: Sequence[Specification], folder: Path) -> Path:
    """Write ``sensitivity.csv`` into the results folder, and nothing else.

    Raises
    ------
    InputError
        When a file of this name is somebody else's.
    """
    ResultsFolder(folder).write(
        {SENSITIVITY: sensitivity_file(study, found)}, {}, owned=lambda name: name == SENSITIVITY
    )
    return folder / SENSITIVITY


def _ask(
    study: Study, question: Question, options: ModelSection, own: bool, store: Store, progress: Progress
) -> Specification:
    from ..models.catalogue import model

    choices = {name: _WORDS.get(_own(options, name), str(_own(options, name))) for name in AXES[question.test.kind]}
    choices["priors"] = (
        "library" if any(str(text).startswith("library:") for text in options.priors.values()) else "weak"
    )
    name = str(question.model) if own else f"{question.model} {' '.join(choices.values())}"
    nothing = math.nan
    said = Specification(
        question.principle.id, question.test.part, choices, own, "", nothing, nothing, nothing, nothing, "",
        question.test.smallest, 0,
    )  # fmt: skip
    try:
        entry = model(question.test.kind)
        design = entry.design(study, name, options)
        task = Task(entry, design, study.config.sampling, study.config.report, {})
        keys = keys_of(task)
        draws, verdict = obtain_draws(task, keys, store, progress)
    except InputError as error:
        return replace(said, verdict=f"not possible: {error.faults[0].rule}")
    except SafezoneError as error:
        return replace(said, verdict=f"not trusted: {error}")
    evidence = stored_evidence(task, verdict, keys.fit_key, draws, draws)
    part = answer_part(study, replace(question, model=name), evidence)
    return replace(
        said, estimand=part.estimand, mean=part.mean, lower=part.lower, upper=part.upper, probability=part.beyond,
        verdict=part.verdict, smallest=part.smallest, direction=part.expected,
    )  # fmt: skip


def _own(options: ModelSection, name: str) -> Any:
    value = getattr(options, name)
    return "none" if name == "time" and value is None else value


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
