"""Which model answers which row of the theory: the study's own where it asks the same, else one that is added.

A test with options is answered by a planned model with the same outcome, predictors and lag, or by a new one with
the test's options. A test without options (``chain``, ``dyad``, …) is answered by a planned or proposed model of its
kind that speaks of the test's variables and has the estimand. What stands in the way is said, and nothing fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ..data.config import ModelSection
from ..data.errors import InputError, SafezoneError
from ..models.catalogue import CATALOGUE, PlannedModel, model
from .principles import Principle, Slot, Test, check_ids, fill, filled, find, principles, slots

if TYPE_CHECKING:
    from ..data.study import Study

PREFIX = "theory_"
ObstacleKind = Literal["needs", "model", "option", "estimand", "data"]

# Options that change the question when they differ; the others may be as the study wants them.
_SAME = ("predictors", "lag", "centring", "moderators", "interactions", "by")


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a test cannot be made.

    Parameters
    ----------
    kind
        ``needs``: roles that the study lacks; ``model``: not in the catalogue yet; ``option``: the model cannot
        do that yet; ``estimand``: the model does not say this; ``data``: the data cannot carry it.
    detail
        Name of model, option or estimand, or the sentence of the data's fault.
    """

    kind: ObstacleKind
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """One part of a row, as this study asks it.

    Parameters
    ----------
    principle, test
        The row and its part.
    names
        The study's variable by slot, as far as it has them.
    missing
        Slots that it lacks.
    obstacle
        What stands in the way, or ``None``.
    model
        Name of the model that answers, or ``None``.
    estimand
        The contrast that is asked of it, with the study's names.
    """

    principle: Principle
    test: Test
    names: Mapping[str, str]
    missing: tuple[Slot, ...] = ()
    obstacle: Obstacle | None = None
    model: str | None = None
    estimand: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Agenda:
    """Every question of the theory to one study.

    Parameters
    ----------
    questions
        One per part of a row, in the order of the rows.
    added
        Models that they need and the study does not plan.
    """

    questions: tuple[Question, ...]
    added: tuple[PlannedModel, ...]


def agenda(study: Study, planned: Sequence[PlannedModel]) -> Agenda:
    """Choose the models that answer the theory's rows.

    Parameters
    ----------
    study
        The study.
    planned
        The models that it plans anyway; they are used where they ask the same.

    Returns
    -------
    Agenda
        Questions, and the models to add.

    Raises
    ------
    InputError
        For settings of ``[principles]`` that name no row or no model.
    """
    check_ids(study)
    chooser = _Chooser(study, [one for one in planned if not one.lacks])
    questions = [
        chooser.ask(principle, alternatives) for principle in principles() for alternatives in principle.parts.values()
    ]
    return Agenda(tuple(questions), tuple(chooser.added.values()))


class _Chooser:
    """Finds models for tests, remembers which it added, and builds each design once."""

    def __init__(self, study: Study, planned: Sequence[PlannedModel]) -> None:
        self.study = study
        self.planned = {one.name: one for one in planned}
        self.added: dict[str, PlannedModel] = {}
        self._estimands: dict[str, frozenset[str] | Obstacle] = {}

    def ask(self, principle: Principle, alternatives: Sequence[Test]) -> Question:
        """Return the first alternative that can be answered, else the one that lacks least."""
        asked = []
        for test in alternatives:  # one by one: an alternative that is not needed adds no model
            asked.append(self._question(principle, test))
            if asked[-1].obstacle is None:
                return asked[-1]
        return min(asked, key=lambda one: len(one.missing))

    def _question(self, principle: Principle, test: Test) -> Question:
        found = {name: find(self.study, slots()[name]) for name in test.needs}
        names = {name: variable for name, variable in found.items() if variable is not None}
        missing = tuple(slots()[name] for name in test.needs if name not in names)
        kinds = {entry.kind for entry in CATALOGUE}
        if missing:
            return Question(principle, test, names, missing, Obstacle("needs"))
        if test.kind not in kinds:
            return Question(principle, test, names, (), Obstacle("model", test.kind))
        foreign = [key for key in test.options if key not in ModelSection.model_fields]
        if foreign:
            return Question(principle, test, names, (), Obstacle("option", f"{test.kind}: {', '.join(foreign)}"))
        obstacle: Obstacle = Obstacle("estimand", self._wanted(test, names)[0])
        for candidate in self._candidates(principle, test, names):
            known = self._names_of(candidate)
            if isinstance(known, Obstacle):
                obstacle = known
                continue
            contrast = self._contrast(test, names, known)
            if contrast is not None:
                if candidate.name not in self.planned:
                    self.added[candidate.name] = candidate
                return Question(principle, test, names, (), None, candidate.name, contrast)
        return Question(principle, test, names, (), obstacle)

    def _candidates(self, principle: Principle, test: Test, names: Mapping[str, str]) -> Iterator[PlannedModel]:
        section = self.study.config.principles
        chosen = section.models.get(principle.id) if section is not None else None
        if chosen is not None and chosen in self.planned:
            yield self.planned[chosen]
        asked = {key: filled(value, names) for key, value in test.options.items()}
        for one in self.planned.values():
            if one.kind == test.kind and (_asks_the_same(one, asked) if asked else _speaks_of(one, names.values())):
                yield one
        if asked:
            options = ModelSection(kind=test.kind, **asked)
            yield PlannedModel(model_name(options), test.kind, options, ())
            return
        for name, options in model(test.kind).default_options(self.study).items():
            one = PlannedModel(PREFIX + name, test.kind, options.model_copy(update={"kind": test.kind}), ())
            if _speaks_of(one, names.values()):
                yield one

    def _names_of(self, planned: PlannedModel) -> frozenset[str] | Obstacle:
        """Return the names of a model's estimands, or why its design cannot be built."""
        if planned.name not in self._estimands:
            try:
                entry = model(planned.kind)
                design = entry.design(self.study, planned.name, planned.options)
                self._estimands[planned.name] = frozenset(one.name for one in entry.estimands(design))
            except InputError as error:
                self._estimands[planned.name] = Obstacle("data", error.faults[0].rule)
            except SafezoneError as error:
                self._estimands[planned.name] = Obstacle("data", str(error))
        return self._estimands[planned.name]

    def _contrast(self, test: Test, names: Mapping[str, str], known: frozenset[str]) -> Mapping[str, float] | None:
        for candidate in test.estimands:
            contrast = {fill(name, names): float(weight) for name, weight in candidate.items()}
            if known.issuperset(contrast):
                return contrast
        return None

    def _wanted(self, test: Test, names: Mapping[str, str]) -> tuple[str, ...]:
        return tuple(fill(name, names) for candidate in test.estimands for name in candidate)


def _asks_the_same(planned: PlannedModel, asked: Mapping[str, Any]) -> bool:
    default = ModelSection()
    options = planned.options
    for key in _SAME:
        value = asked.get(key, getattr(default, key))
        # A row may take observed centring for speed's sake; a study that centres on latent means asks the same.
        if getattr(options, key) not in ((value, default.centring) if key == "centring" else (value,)):
            return False
    for key, value in asked.items():
        own = getattr(options, key)
        if key == "random_slopes":
            if not set(value) <= set(own or ()):
                return False
        elif key not in _SAME and own != value:
            return False
    return True


def _speaks_of(planned: PlannedModel, variables: Iterable[str]) -> bool:
    """Whether a model's options name all these variables."""
    said: set[str] = set()
    for value in planned.options.model_dump(exclude={"priors", "kind"}).values():
        for text in (value,) if isinstance(value, str) else value if isinstance(value, tuple | list) else ():
            said |= {word.strip() for word in str(text).replace("->", ",").split(",")}
    return all(name in said or name == "therapist" for name in variables)


def model_name(options: ModelSection) -> str:
    """Return the name of a model that is added for the theory, from what it asks.

    Examples
    --------
    >>> model_name(ModelSection(kind="within_between", outcome="depth", predictors=("safety",), lag=1))
    'theory_within_between_depth_safety_next'
    >>> model_name(ModelSection(kind="chain", session=("safety -> alliance", "alliance -> depth")))
    'theory_chain_depth'
    """
    paths = (*options.session, *options.client)
    outcome = options.outcome or options.final or paths[-1].rpartition("->")[2].strip()
    parts = [str(options.kind), outcome, *options.predictors, *options.covariates, *options.moderators]
    parts += [re.sub(r"\s*:\s*", "_by_", pair) for pair in options.interactions]
    parts += [re.sub(r"\W", "", options.time)] if options.kind == "growth" and options.time else []
    parts += ["next"] if options.lag else []
    parts += ["slopes"] if options.random_slopes else []
    return PREFIX + "_".join(parts)
