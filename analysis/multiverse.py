"""Sensitivity as a small multiverse: each quantity of the theory under every defensible combination of choices.

The axes, and which of them are crossed, stand in :mod:`.specifications`. A combination that PyMC must run is asked only
where it departs from the study's own in one choice, for the sake of time. The study's own fit comes from the
store, and so does everything that was fitted before: only what differs is fitted, and a run that was stopped resumes.

Source: Steegen, Tuerlinckx, Gelman & Vanpaemel (2016), Perspectives on Psychological Science 11(5), 702–712; Simonsohn,
Simmons & Nelson (2020), Nature Human Behaviour 4, 1208–1214, for specification curves.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import TYPE_CHECKING, Any

from ..data.errors import Fault, InputError, SafezoneError
from .evidence import stored_evidence
from .findings import answer_part
from .fitting import Keys, Task, keys_of, obtain_draws
from .principles import fill, principles, slot_names, slots
from .progress import Progress, Silent
from .questions import Question, agenda
from .sampling import marginal_system
from .sensitivity import Specification, keep, kept
from .specifications import CROSSED, Combination, arranged, combinations

if TYPE_CHECKING:
    import xarray as xr

    from ..data.config import ModelSection
    from ..data.study import Study
    from .evidence import Part
    from .store import Store

SLOW_DRAWS = 2000
"""Draws per chain, at least, where PyMC runs for a specification other than the study's own: it compiles for longer
than it samples, so draws that spare a second attempt are cheap."""
_SECONDS: Mapping[bool, float] = {True: 40.0, False: 1.5}
"""What a fit takes before one was timed: by PyMC, by the kernel."""


@dataclass(slots=True)
class _Fit:
    """One fit, and which specifications read it: (place, question)."""

    name: str
    question: Question
    options: ModelSection
    combination: Combination
    readers: list[tuple[int, Question]] = field(default_factory=list)


def multiverse(
    study: Study,
    store: Store,
    *,
    rows: Sequence[str] = (),
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
    dry: bool = False,
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
    dry
        Fit nothing: say what would be asked, and what is fitted already.

    Returns
    -------
    tuple of Specification
        Of every part that the study can test and whose model has choices.
    """
    tell = say or (lambda text: None)
    known = None if dry else kept(study, rows, store)
    if known is not None:
        tell(f"sensitivity: {len(known)} specifications, all answered before")
        return known
    found: dict[int, Specification] = {}
    pending: list[tuple[_Fit, bool]] = []
    for fit in _fits(study, rows):
        built = _built(study, fit)
        if isinstance(built, str):
            found |= {at: replace(_said(study, asked, fit), verdict=built) for at, asked in fit.readers}
            continue
        task, keys, slow = built
        if slow and fit.combination.departures > 1:
            continue
        stored = store.find("fits", keys.fit_key) is not None
        if stored and not dry:
            found |= _answers(study, fit, task, keys, store, Silent())
        else:
            rows_used = len(task.design.row)
            found |= {
                at: replace(_said(study, asked, fit), sessions=rows_used, fitted=stored) for at, asked in fit.readers
            }
            pending += [] if stored else [(fit, slow)]
    quantities = len({(one.id, one.part) for one in found.values()})
    tell(
        f"sensitivity: {quantities} quantities, {len(found)} specifications; {len(pending)} fits to do, "
        f"{sum(slow for _, slow in pending)} of them by PyMC{_about(pending, {})}"
    )
    spent: dict[bool, list[float]] = {}
    for number, (fit, slow) in enumerate(() if dry else pending):
        tell(f"sensitivity: fit {number + 1} of {len(pending)}{_about(pending[number:], spent)}: {fit.name}")
        started = time.monotonic()
        built = _built(study, fit)
        assert not isinstance(built, str)
        found |= _answers(study, fit, built[0], built[1], store, progress or Silent())
        spent.setdefault(slow, []).append(time.monotonic() - started)
    answers = tuple(found[at] for at in sorted(found))
    if not dry:
        keep(study, rows, store, answers)
    return answers


# --- what is to be fitted ------------------------------------------------------------------------------------------


def check_rows(rows: Sequence[str]) -> None:
    """Refuse rows that the theory does not have.

    Raises
    ------
    InputError
        With the nearest row.
    """
    from ..data.study_file import suggestion

    known = [row.id for row in principles()]
    faults = [
        Fault("error", "command line", None, "--row", "The theory has no such row.", row, suggestion(row, known))
        for row in rows
        if row not in known
    ]
    if faults:
        raise InputError(*faults)


def _fits(study: Study, rows: Sequence[str]) -> Iterator[_Fit]:
    """Yield every fit once, with all questions that it answers, in the order of the theory."""
    from ..models.catalogue import plan

    planned = plan(study)
    asked = agenda(study, planned)
    models = {one.name: one.options for one in (*planned, *asked.added)}
    fits: dict[tuple[str, str], _Fit] = {}
    at = 0
    for question in asked.questions:
        if question.model is None or question.test.kind not in CROSSED or (rows and question.principle.id not in rows):
            continue
        options = models[question.model]
        for combination in combinations(study, question, options):
            words = "" if combination.own else " " + " ".join(filter(None, combination.choices.values()))
            # The library's prior stands on the quantity that is asked, so two questions may want different fits.
            prior = str(question.estimand) if combination.choices.get("priors") == "library" else ""
            key = (question.model + words, prior)
            fits.setdefault(key, _Fit(key[0], question, options, combination)).readers.append((at, question))
            at += 1
    yield from fits.values()


def _built(study: Study, fit: _Fit) -> tuple[Task, Keys, bool] | str:
    """Return the task, its addresses, and whether PyMC must run; or why it is not possible."""
    from ..models.catalogue import model

    entry = model(fit.question.test.kind)
    sampling = study.config.sampling
    try:
        changed, options = arranged(study, fit.question, fit.options, fit.combination)
        design = entry.design(changed, fit.name, options)
    except InputError as error:
        return f"not possible: {error.faults[0].rule}"
    slow = isinstance(marginal_system(entry, design, sampling), str)
    if slow and not fit.combination.own:
        sampling = sampling.model_copy(update={"draws": max(sampling.draws, SLOW_DRAWS)})
    task = Task(entry, design, sampling, study.config.report, {})
    return task, keys_of(task), slow


def _about(pending: Sequence[tuple[_Fit, bool]], spent: Mapping[bool, Sequence[float]]) -> str:
    """Say how long the fits that are left will take, from those that were timed."""
    each = {slow: median(seconds) for slow, seconds in spent.items()}
    seconds = sum(each.get(slow, _SECONDS[slow]) for _, slow in pending)
    if not pending:
        return ""
    return f" (about {round(seconds / 60)} min)" if seconds >= 90 else f" (about {math.ceil(seconds)} s)"


# --- what it says --------------------------------------------------------------------------------------------------


def _said(study: Study, question: Question, fit: _Fit) -> Specification:
    """Return a specification without its answer."""
    test, code = question.test, study.config.study.language
    names = {
        slot: study.variables[question.names[slot]].label
        if question.names.get(slot) in study.variables
        else slots()[slot].words[code]
        for slot in slot_names(test.words[code])
    }
    return Specification(
        question.principle.id, test.part, fit.combination.choices, fit.combination.own,
        quantity=fill(test.words[code], names), smallest=test.smallest,
    )  # fmt: skip


def _answers(
    study: Study, fit: _Fit, task: Task, keys: Keys, store: Store, progress: Progress
) -> dict[int, Specification]:
    """Return what a fit says to every question that reads it, by place."""
    told = {at: replace(_said(study, one, fit), sessions=len(task.design.row)) for at, one in fit.readers}
    try:
        draws, verdict = obtain_draws(task, keys, store, progress)
        progress.finish(verdict)
    except SafezoneError as error:
        return {at: replace(one, verdict=f"not trusted: {error}") for at, one in told.items()}
    evidence = stored_evidence(task, verdict, keys.fit_key, draws, lambda: draws)
    evidence = replace(evidence, group=_quantities_only(evidence.group))
    for at, question in fit.readers:
        part = answer_part(study, replace(question, model=task.name), evidence)
        told[at] = replace(told[at], fitted=True, **_values(part))
    return told


def _values(part: Part) -> dict[str, Any]:
    return {
        "estimand": part.estimand, "mean": part.mean, "lower": part.lower, "upper": part.upper,
        "probability": part.beyond, "verdict": part.verdict, "smallest": part.smallest, "direction": part.expected,
    }  # fmt: skip


def _quantities_only(
    group: Callable[[str], xr.Dataset | None] | None,
) -> Callable[[str], xr.Dataset | None] | None:
    """Leave out what only power-scaling needs, which is asked of the study's own fits elsewhere."""
    if group is None:
        return None
    known: dict[str, xr.Dataset | None] = {}

    def only(name: str) -> xr.Dataset | None:
        if name not in ("estimands", "sample_stats"):
            return None
        if name not in known:
            known[name] = group(name)
        return known[name]

    return only
