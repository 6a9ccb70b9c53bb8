"""The cached pipeline: a study in, a results folder out, and nothing done twice.

What a model's fit depends on is hashed part by part (:mod:`.keys`); fits and summaries lie in a
content-addressed store beside the study (:mod:`.store`); the results folder is brought up to date from
it (:mod:`.folder`). A run that finds everything fresh imports neither sampler nor statistics package.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.errors import Fault, InputError, SafezoneError
from ..data.tables import NAMES as DATA_TABLES
from . import provenance
from .artefacts import ArtefactStatus, ModelOutcome, RunResult
from .card import without_draws
from .estimates import dump_json
from .fit import Failure, Fit
from .fitting import Keys, Stored, Task, find_summary, keys_of, obtain, obtain_fit
from .folder import (
    MANIFEST,
    PLAN,
    THEORY,
    ResultsFolder,
    is_result,
    read_manifest,
    results_digest,
    source_digests,
    source_moved,
)
from .keys import causes
from .progress import Progress, Silent
from .sap import plan_file
from .store import Store, store_beside
from .tables import data_files, diagnostics_file, estimate_files

if TYPE_CHECKING:
    from ..data.study import Study
    from ..models.catalogue import PlannedModel
    from .questions import Agenda
    from .sensitivity import Specification

_USABLE_NAME = re.compile(r"[\w][\w .+-]*")
_DATA_FILES = (*(f"data/{name}.csv" for name in DATA_TABLES), "data/checks.csv")
_TABLES = ("estimates.csv", "estimates.json", "diagnostics.csv")


@dataclass(frozen=True)
class _Plan:
    """The models of a study that it can feed, with their keys."""

    tasks: Mapping[str, Task]
    keys: Mapping[str, Keys]
    agenda: Agenda | None = None  # what the theory asks, where the study file wants to know


def run(
    study: Study | str | Path,
    models: Sequence[str] | None = None,
    *,
    out: str | Path | None = None,
    force: bool = False,
    progress: Progress | None = None,
    on_event: Callable[[str], None] | None = None,
) -> RunResult:
    """Fit what is out of date and bring the results folder up to date.

    Parameters
    ----------
    study
        A study, or the path of its study file.
    models
        Names of models to fit; all that the study can feed by default. Other models stay in the tables
        as long as they are up to date.
    out
        The results folder; ``results`` beside the study file by default.
    force
        Fit again although nothing changed.
    progress
        Told how far it is; see :func:`safezone.analysis.progress.progress_for`.
    on_event
        Told in one line what was done with each model.

    Returns
    -------
    RunResult
        With ``exit_code`` 3 where a fit must not be trusted.

    Raises
    ------
    InputError
        Unknown model name, or a folder that cannot be written or holds somebody else's files.

    Examples
    --------
    >>> import safezone as sz
    >>> result = sz.run("study.toml")  # doctest: +SKIP
    >>> result.refitted  # doctest: +SKIP
    ('course', 'safety_and_depth')
    """
    study = _read(study)
    progress = Silent() if progress is None else progress
    tell = progress.say if on_event is None else on_event
    plan = _plan(study)
    wanted = _chosen(plan, models)
    folder = ResultsFolder(_folder(study, out))
    folder.claim(_file_names(plan.tasks))
    store = store_beside(study.path, folder.path)
    store.sweep()

    stored: dict[str, Stored] = {}
    failed: dict[str, str] = {}
    outcomes: list[ModelOutcome] = []
    for name, task in plan.tasks.items():
        if name in wanted:
            outcome, found = _bring(task, plan.keys[name], store, progress, force=force)
            outcomes.append(outcome)
            tell(f"{name}: {'up to date' if outcome.reused else 'fitted'}, {outcome.verdict}")
            if found is None:
                failed[name] = outcome.verdict
        else:
            found = find_summary(store, plan.keys[name])
        if found is not None:
            stored[name] = found
    left_out = tuple(name for name in plan.tasks if name not in stored and name not in wanted)
    changed = _write(study, plan, stored, failed, folder, store)
    return RunResult(folder.path, tuple(outcomes), changed, left_out)


def fit(
    study: Study | str | Path,
    model: str,
    *,
    force: bool = False,
    progress: Progress | None = None,
    out: str | Path | None = None,
) -> Fit:
    """Fit one model, or take it from the store where nothing changed.

    Parameters
    ----------
    study
        A study, or the path of its study file.
    model
        The model's name in the study file or the default plan.
    force
        Fit again although nothing changed.
    progress
        Told how far it is.
    out
        The results folder, for a study whose own folder cannot be written.

    Returns
    -------
    Fit
        Posterior, diagnostics, provenance; ``.estimates()`` is a table.

    Raises
    ------
    InputError
        Unknown model name, or a store that cannot be written.
    SamplingError
        When no remedy brings a draw.

    Examples
    --------
    >>> import safezone as sz
    >>> sz.fit("study.toml", "course").estimates()  # doctest: +SKIP
    """
    study = _read(study)
    plan = _plan(study)
    (name,) = _chosen(plan, [model])
    store = store_beside(study.path, _folder(study, out))
    return obtain_fit(plan.tasks[name], plan.keys[name], store, Silent() if progress is None else progress, force=force)


def sensitivity(
    study: Study,
    rows: Sequence[str] = (),
    *,
    out: str | Path | None = None,
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
    dry: bool = False,
) -> tuple[tuple[Specification, ...], Path | None]:
    """Ask the theory's rows under every combination of choices, and write ``sensitivity.csv``.

    Parameters
    ----------
    study
        The study.
    rows
        Ids of rows; all by default.
    out
        The results folder.
    progress, say
        Told what is fitted, and how far it is.
    dry
        Fit and write nothing: say what would be asked, and what is fitted already.

    Returns
    -------
    specifications, path
        Every quantity under every combination, and the file; ``None`` where none was written.

    Raises
    ------
    InputError
        For a row that the theory does not have, and where the file is somebody else's.
    """
    from .folder import SENSITIVITY
    from .multiverse import check_rows, multiverse
    from .sensitivity import write_sensitivity

    check_rows(rows)
    folder = ResultsFolder(_folder(study, out))
    if not dry:
        folder.claim([SENSITIVITY])
    found = multiverse(study, store_beside(study.path, folder.path), rows=rows, progress=progress, say=say, dry=dry)
    return found, None if dry else write_sensitivity(study, found, folder.path)


def status(
    study: Study | str | Path, models: Sequence[str] | None = None, *, out: str | Path | None = None
) -> tuple[ArtefactStatus, ...]:
    """Say for each artefact whether it is up to date, and if not, because of which part.

    Parameters
    ----------
    study
        A study, or the path of its study file.
    models
        Names of models; all that the study can feed by default.
    out
        The results folder.

    Returns
    -------
    tuple of ArtefactStatus
        The data tables, each model, and each report.

    Raises
    ------
    InputError
        Unknown model name.
    """
    study = _read(study)
    plan = _plan(study)
    folder = ResultsFolder(_folder(study, out))
    store = store_beside(study.path, folder.path)
    manifest = read_manifest(folder.path) or {}
    found = [_data_status(study, folder, manifest)]
    found += [_model_status(name, plan.keys[name], store, folder, manifest) for name in _chosen(plan, models)]
    found += _report_status(study, folder, manifest, found)
    return tuple(found)


# --- the plan -------------------------------------------------------------------------------------


def _read(study: Study | str | Path) -> Study:
    if isinstance(study, (str, Path)):
        from ..data.study import read_study

        return read_study(study)
    return study


def _plan(study: Study) -> _Plan:
    from ..models.catalogue import model, plan

    tasks: dict[str, Task] = {}
    references = {name: variable.categories[0] for name, variable in study.variables.items() if variable.categories}
    every = plan(study)
    _refuse_unfed(study, every)
    asked = None
    if study.config.principles is not None:
        from .questions import agenda

        asked = agenda(study, every)
        every = (*every, *asked.added)
    for planned in every:
        if planned.lacks:
            continue
        if not _USABLE_NAME.fullmatch(planned.name):
            rule = "A model's name becomes a file name: letters, digits, blanks and . _ + - only."
            key = f"models.{planned.name}"
            raise InputError(Fault("error", study.path.name, None, key, rule, planned.name, "Rename the table."))
        entry = model(planned.kind)
        design = entry.design(study, planned.name, planned.options)
        tasks[planned.name] = Task(entry, design, study.config.sampling, study.config.report, references)
    return _Plan(tasks, {name: keys_of(task) for name, task in tasks.items()}, asked)


def _refuse_unfed(study: Study, every: Sequence[PlannedModel]) -> None:
    """Refuse models of the study file that the study cannot feed, and a default plan without a single model."""
    unfed = [planned for planned in every if planned.lacks]
    if not study.config.models and len(unfed) < len(every):
        return
    remedy = "Declare it in study.toml, or remove the model; `safezone plan STUDY` lists what each model needs."
    faults = [
        Fault("error", study.path.name, None, f"models.{one.name}", f"A {one.kind} model needs {need}.", None, remedy)
        for one in unfed
        for need in one.lacks
    ]
    if faults:
        raise InputError(*faults)


def _chosen(plan: _Plan, models: Sequence[str] | None) -> tuple[str, ...]:
    if not models:
        return tuple(plan.tasks)
    unknown = [name for name in models if name not in plan.tasks]
    if unknown:
        rule = "A model must be one that the study can feed."
        remedy = f"Choose from: {', '.join(plan.tasks) or 'none'}; `safezone plan STUDY` says what the others lack."
        raise InputError(Fault("error", "study file", None, "models", rule, ", ".join(unknown), remedy))
    return tuple(name for name in plan.tasks if name in models)


def _folder(study: Study, out: str | Path | None) -> Path:
    return study.path.parent / "results" if out is None else Path(out)


# --- doing ----------------------------------------------------------------------------------------


def _bring(
    task: Task, keys: Keys, store: Store, progress: Progress, *, force: bool
) -> tuple[ModelOutcome, Stored | None]:
    """Fit one model or find it; a model without a single draw is an outcome, not a crash."""
    try:
        stored, reused = obtain(task, keys, store, progress, force=force)
    except InputError:
        raise
    except SafezoneError as error:
        verdict = f"not trusted: {error}"
        progress.finish(verdict)
        nothing = float("nan")
        failure = Failure("chain", nothing, nothing, str(error), "check ranges, priors and constant columns")
        return ModelOutcome(task.name, task.model.kind, False, verdict, (failure,)), None
    failures = tuple(
        Failure(f["rule"], float(f["value"]), float(f["threshold"]), f["statement"], f["remedy"])
        for f in stored.card["failures"]
    )
    return ModelOutcome(task.name, task.model.kind, reused, stored.card["verdict"], failures), stored


def _file_names(names: Iterable[str]) -> list[str]:
    fits = [f"fits/{name}.{ending}" for name in names for ending in ("json", "nc")]
    return [*_TABLES, *_DATA_FILES, *fits, *THEORY, PLAN, MANIFEST]


def _write(
    study: Study, plan: _Plan, stored: Mapping[str, Stored], failed: Mapping[str, str], folder: ResultsFolder,
    store: Store,
) -> tuple[str, ...]:  # fmt: skip
    cards = {name: found.card for name, found in stored.items()}
    for name, verdict in failed.items():
        task = plan.tasks[name]
        cards[name] = without_draws(task.model, task.design, verdict)
    files: dict[str, Any] = {
        **estimate_files([row for found in stored.values() for row in found.estimates]),
        **diagnostics_file([cards[name] for name in plan.tasks if name in cards]),
        **data_files(study),
        **{f"fits/{name}.json": dump_json(card) for name, card in cards.items()},
        **{f"fits/{name}.nc": found.draws for name, found in stored.items()},
        **_theory(study, plan, stored, failed, store),
        **plan_file(study),
    }
    return folder.write(files, _facts(study, plan, stored), owned=is_result)


def _theory(
    study: Study, plan: _Plan, stored: Mapping[str, Stored], failed: Mapping[str, str], store: Store
) -> dict[str, bytes]:
    """Return what the theory's rows are answered, where the study file asks."""
    if plan.agenda is None:
        return {}
    from .evidence import Evidence, stored_evidence
    from .theory import theory_files

    evidence: dict[str, Evidence] = {}
    for name, found in stored.items():
        draws = partial(_draws, store, plan.keys[name].fit_key)
        evidence[name] = stored_evidence(plan.tasks[name], found.card["verdict"], found.entry.key, found.draws, draws)
    for name, verdict in failed.items():
        evidence[name] = Evidence(plan.tasks[name], verdict)
    return theory_files(study, plan.agenda, evidence, store)


def _draws(store: Store, key: str) -> Path | None:
    entry = store.find("fits", key)
    return None if entry is None else entry.path("draws.nc")


def _facts(study: Study, plan: _Plan, stored: Mapping[str, Stored]) -> dict[str, Any]:
    """Return the manifest's account of where the numbers come from; no time stamps but those of fits."""
    config = study.config
    return {
        "study_file": study.path.name,
        "study": {
            **config.study.model_dump(mode="json"),
            "report": config.report.model_dump(mode="json"),
        },
        "seed": config.sampling.seed,
        "data": {"fingerprint": study.fingerprint, "files": _data_fingerprints(study)},
        "models": {name: _model_facts(plan.tasks[name], plan.keys[name], found) for name, found in stored.items()},
        "theory": {"added": [] if plan.agenda is None else [one.name for one in plan.agenda.added]},
        "packages": dict(provenance.versions()),
        "machine": dict(provenance.machine()),
    }


def _data_fingerprints(study: Study) -> dict[str, str]:
    section = study.config.data
    names = [study.path.name, *(name for name in (section.sessions, section.clients, section.therapists) if name)]
    paths = [study.path.parent / name for name in names]
    return source_digests([path for path in paths if path.is_file()], study.path.parent)


def _model_facts(task: Task, keys: Keys, found: Stored) -> dict[str, Any]:
    card = found.card
    return {
        "kind": task.model.kind,
        "key": keys.fit_key,
        "summary": keys.summary_key,
        "parts": keys.all,
        "seed": card["seed"],
        "sampler": card["sampler"],
        "priors": {one["name"]: one["prior"] for one in card["parameters"]},
        "diagnostics": card["diagnostics"],
        "verdict": card["verdict"],
        "started": card["started"],
        "timings": card["timings"],
    }


# --- telling --------------------------------------------------------------------------------------


def _data_status(study: Study, folder: ResultsFolder, manifest: Mapping[str, Any]) -> ArtefactStatus:
    if not all((folder.path / name).is_file() for name in _DATA_FILES):
        return ArtefactStatus("data", "data", "missing", ("it has not been written yet",))
    if manifest.get("data", {}).get("fingerprint") != study.fingerprint:
        return ArtefactStatus("data", "data", "stale", ("the data or the study file changed",))
    touched = [name for name in _DATA_FILES if not folder.current(name)]
    if touched:
        return ArtefactStatus("data", "data", "stale", (f"{', '.join(touched)} was changed by hand",))
    return ArtefactStatus("data", "data", "fresh")


def _model_status(
    name: str, keys: Keys, store: Store, folder: ResultsFolder, manifest: Mapping[str, Any]
) -> ArtefactStatus:
    if store.find("summaries", keys.summary_key) is not None:
        shown = manifest.get("models", {}).get(name, {}).get("summary") == keys.summary_key
        files = [f"fits/{name}.json", f"fits/{name}.nc", *_TABLES]
        absent = [file for file in files if not folder.current(file)]
        if shown and not absent:
            return ArtefactStatus("model", name, "fresh")
        why = f"{', '.join(absent)} is missing or was changed by hand" if absent else "the results show another fit"
        return ArtefactStatus("model", name, "stale", (f"{why}; the fit itself is up to date",))
    before = store.recall(name)
    if before is None:
        return ArtefactStatus("model", name, "missing", ("it has not been fitted yet",))
    why_not = causes(before, keys.all)
    return ArtefactStatus("model", name, "stale", why_not or ("the stored fit is damaged or was deleted",))


def _report_status(
    study: Study, folder: ResultsFolder, manifest: Mapping[str, Any], others: Sequence[ArtefactStatus]
) -> list[ArtefactStatus]:
    reports = manifest.get("reports", {})
    found = []
    for template in dict.fromkeys([study.config.report.template, *reports]):
        record = reports.get(template)
        if record is None:
            found.append(ArtefactStatus("report", template, "missing", ("it has not been rendered yet",)))
            continue
        because = [f"{one.kind} {one.name} is {one.state}" for one in others if one.state != "fresh"]
        if record["inputs"] != results_digest(manifest):
            because.append("the results changed")
        place = study.path.parent
        because += [f"{Path(n).name} changed" for n, was in record["sources"].items() if source_moved(n, was, place)]
        because += [f"{name} is missing or was changed" for name in record["files"] if not folder.current(name)]
        found.append(ArtefactStatus("report", template, "stale" if because else "fresh", tuple(because)))
    return found
