"""The analysis plan, frozen by hash before the data are seen, and what a later analysis does differently.

``safezone sap STUDY`` writes ``analysis-plan.json`` beside the study file: the models with their options and priors,
the theory's rows with quantity, direction and smallest effect of interest, thresholds, how variables are built and what
counts as missing, and the sampler. Its hash is over exactly that. Every later run compares itself with it, and reports
list the deviations. A plan is never overwritten: an amendment keeps its predecessor and names its hash.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..data.errors import Fault, InputError
from ..data.export import write_atomically
from . import provenance
from .estimates import dump_json, plain
from .folder import PLAN, ResultsFolder, read_manifest

if TYPE_CHECKING:
    from ..data.study import Study

FILE = "analysis-plan.json"
Change = Literal["added", "removed", "changed"]

# Parts of a plan in the order in which deviations are told.
PARTS = ("models", "priors", "principles", "thresholds", "variables", "data", "report", "sampling")


@dataclass(frozen=True, slots=True)
class Deviation:
    """One thing that is done otherwise than planned.

    Parameters
    ----------
    part
        Part of the plan (``models``, ``priors``, …).
    what
        Which entry, dotted (``depth.predictors``).
    change
        ``added``, ``removed`` or ``changed``.
    planned, now
        As text; empty where there is none.
    """

    part: str
    what: str
    change: Change
    planned: str
    now: str


@dataclass(frozen=True, slots=True)
class FrozenPlan:
    """An analysis plan with its hash.

    Parameters
    ----------
    hash
        SHA-256 over ``content``.
    frozen
        When, UTC in ISO 8601.
    seen
        Whether results of this study existed at that time.
    amends
        Hash of the plan before, or empty.
    sizes
        Clients, sessions and therapists that the data then had.
    version
        Of safezone.
    content
        What was planned, by part.
    """

    hash: str
    frozen: str
    seen: bool
    amends: str
    sizes: Mapping[str, int]
    version: str
    content: Mapping[str, Any]


def freeze(study: Study, *, out: str | Path | None = None, force: bool = False) -> FrozenPlan:
    """Freeze the analysis plan of a study.

    Parameters
    ----------
    study
        The study.
    out
        The results folder, to see whether there are results already.
    force
        Amend a plan that is there; it is kept under another name.

    Returns
    -------
    FrozenPlan
        Also written to ``analysis-plan.json`` beside the study file.

    Raises
    ------
    InputError
        If there is a plan with another content and ``force`` is not given.
    """
    path = study.path.parent / FILE
    before = read_plan(path) if path.exists() else None
    content = planned_content(study)
    digest = hash_of(content)
    if before is not None and before.hash == digest:
        return before
    if before is not None:
        if not force:
            rule = "There is an analysis plan already, and the study now plans something else."
            remedy = "Keep it, and let reports list the deviations; or amend it with --force, which keeps the old one."
            raise InputError(Fault("error", FILE, None, None, rule, before.hash[:12], remedy))
        path.rename(_free(path))
    results = Path(out) if out is not None else study.path.parent / "results"
    manifest = read_manifest(results) or {}
    frozen = FrozenPlan(
        hash=digest,
        frozen=provenance.now(),
        seen=bool(manifest.get("models")),
        amends="" if before is None else before.hash,
        sizes=_sizes(study),
        version=str(provenance.versions().get("safezone", "")),
        content=content,
    )
    write_atomically(path, dump_json(asdict(frozen)))
    return frozen


def read_plan(path: Path) -> FrozenPlan:
    """Read a frozen plan and check its hash.

    Raises
    ------
    InputError
        If the file is damaged, or its content was changed after it was frozen.
    """
    try:
        plan = FrozenPlan(**json.loads(path.read_text(encoding="utf-8")))
        whole = hash_of(plan.content) == plan.hash
    except (OSError, ValueError, TypeError) as error:
        rule = "The analysis plan cannot be read."
        remedy = "Restore it from your version control or registry."
        raise InputError(Fault("error", path.name, None, None, rule, type(error).__name__, remedy)) from error
    if not whole:
        rule = "The analysis plan was changed after it was frozen: its hash does not fit its content."
        remedy = "Restore it; a plan is amended with `safezone sap STUDY --force`."
        raise InputError(Fault("error", path.name, None, None, rule, plan.hash[:12], remedy))
    return plan


def hash_of(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a plan's content, whatever the order of its keys.

    Examples
    --------
    >>> hash_of({"a": 1, "b": 2}) == hash_of({"b": 2, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def planned_content(study: Study) -> dict[str, Any]:
    """Return what a study plans to do, by part, as plain values."""
    from ..data.config import PrinciplesSection
    from ..models.catalogue import model, plan
    from .principles import sign
    from .questions import agenda

    config = study.config
    thresholds = config.principles or PrinciplesSection()
    planned = [one for one in plan(study) if not one.lacks]
    asked = agenda(study, planned)
    models: dict[str, Any] = {}
    priors: dict[str, Any] = {}
    for one in (*planned, *asked.added):
        entry = model(one.kind)
        design = entry.design(study, one.name, one.options)
        options = design.options.model_dump(mode="json", exclude={"priors"}, exclude_defaults=True)
        models[one.name] = {"kind": one.kind, **options}
        priors[one.name] = {parameter.name: str(parameter.prior) for parameter in entry.parameters(design)}
    rows = {
        f"{question.principle.id} {question.test.part}".strip(): {
            "model": question.model or "",
            "estimand": dict(question.estimand or {}),
            "direction": sign(study, question.test, question.names),
            "smallest": thresholds.smallest.get(question.principle.id, question.test.smallest),
            "combine": question.principle.combine,
            "supporting": question.test.supporting,
        }
        for question in asked.questions
        if question.obstacle is None
    }
    columns = config.columns.model_dump(mode="json", exclude_none=True)
    content = {
        "models": models,
        "priors": priors,
        "principles": rows,
        "thresholds": thresholds.model_dump(mode="json", include={"supported", "leaning", "negligible", "opposed"}),
        "variables": {
            name: variable.model_dump(mode="json", exclude_defaults=True) for name, variable in config.variables.items()
        },
        "data": {
            "missing": list(config.data.missing),
            "columns": columns,
        },
        "report": {"interval": config.report.interval, "rope": dict(config.report.rope)},
        "sampling": config.sampling.model_dump(mode="json"),
    }
    found: dict[str, Any] = json.loads(json.dumps(plain(content)))  # as it will be read back
    return found


def deviations(plan: FrozenPlan, study: Study) -> tuple[Deviation, ...]:
    """Return what a study now does otherwise than planned.

    Parameters
    ----------
    plan
        The frozen plan.
    study
        The study as it is now.

    Returns
    -------
    tuple of Deviation
        Part by part; empty where everything is as planned.
    """
    now = planned_content(study)
    return tuple(one for part in PARTS for one in _differences(part, plan.content.get(part, {}), now.get(part, {})))


def _differences(part: str, planned: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Deviation]:
    """Compare entry by entry; a whole entry that came or went is one deviation."""
    for name in dict.fromkeys([*planned, *now]):
        if name not in now:
            yield Deviation(part, name, "removed", _text(planned[name]), "")
        elif name not in planned:
            yield Deviation(part, name, "added", "", _text(now[name]))
        elif planned[name] != now[name]:
            before, after = planned[name], now[name]
            if isinstance(before, Mapping) and isinstance(after, Mapping):
                for key in dict.fromkeys([*before, *after]):
                    if before.get(key) != after.get(key):
                        yield Deviation(
                            part, f"{name}: {key}", "changed", _text(before.get(key)), _text(after.get(key))
                        )
            else:
                yield Deviation(part, name, "changed", _text(before), _text(after))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def plan_file(study: Study) -> dict[str, bytes]:
    """Return ``plan.json`` for the results folder: the frozen plan with the deviations; nothing without a plan."""
    path = study.path.parent / FILE
    if not path.is_file():
        return {}
    plan = read_plan(path)
    told = {**asdict(plan), "deviations": [asdict(one) for one in deviations(plan, study)]}
    return {PLAN: dump_json(told)}


def publish(study: Study, out: str | Path | None = None) -> Path:
    """Put the frozen plan into the results folder, where reports find it; fits are left as they are.

    Returns
    -------
    Path
        The results folder.
    """
    folder = ResultsFolder(Path(out) if out is not None else study.path.parent / "results")
    facts: dict[str, Any] = {}
    if read_manifest(folder.path) is None:
        config = study.config
        facts = {
            "study_file": study.path.name,
            "study": {**config.study.model_dump(mode="json"), "report": config.report.model_dump(mode="json")},
            "seed": config.sampling.seed,
            "packages": dict(provenance.versions()),
            "machine": dict(provenance.machine()),
        }
    folder.write(plan_file(study), facts, owned=lambda name: name == PLAN)
    return folder.path


def _sizes(study: Study) -> dict[str, int]:
    sizes = {"clients": int(study.sessions["client"].nunique()), "sessions": len(study.sessions)}
    if study.has_therapists:
        sizes["therapists"] = int(study.sessions["therapist"].nunique())
    return sizes


def _free(path: Path) -> Path:
    number = 1
    while (kept := path.with_name(f"{path.stem}-{number}{path.suffix}")).exists():
        number += 1
    return kept
