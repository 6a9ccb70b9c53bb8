"""What a study could ask, on the console: models, principles, and the precision to be expected."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..analysis.information import Expected, expected_information
from ..analysis.questions import Agenda, Question, agenda
from ..analysis.sap import FrozenPlan, deviations
from ..analysis.specifications import VALUES
from ..models.catalogue import model
from ..models.catalogue import plan as plan_models
from . import digits
from .console import table
from .prose.theory import obstacle_text, smallest_text

if TYPE_CHECKING:
    from ..analysis.sensitivity import Specification
    from ..data.study import Study


def plan_answer(study: Study, *, quick: bool, say: Callable[[str], None]) -> Iterator[Any]:
    """Yield what `safezone plan` prints: content for JSON, then tables.

    Parameters
    ----------
    study
        The study.
    quick
        Whether to leave out the expected precision.
    say
        Told how far the simulation is.
    """
    planned = plan_models(study)
    models = [
        {"model": one.name, "kind": one.kind, "question": model(one.kind).question, "lacks": list(one.lacks)}
        for one in planned
    ]
    asked = agenda(study, planned)
    expected = () if quick else expected_information(study, asked, say)
    code = study.config.study.language
    principles = [_principle(question, expected, code) for question in asked.questions]
    added = [one.name for one in asked.added]
    yield {"models": models, "principles": principles, "added": added, "expected": [asdict(one) for one in expected]}
    shown = [{**row, "runs": "no" if row["lacks"] else "yes"} for row in models]
    yield table("Models", shown, ("model", "kind", "runs", "lacks", "question"))
    yield table("Principles", principles, _columns(quick))
    if expected:
        yield _explained(study, asked)


def _columns(quick: bool) -> tuple[str, ...]:
    return ("id", "part", "testable", *(() if quick else ("SD", "smallest", "80 %", "settles")), "model", "lacks")


def _principle(question: Question, expected: tuple[Expected, ...], code: str) -> dict[str, object]:
    test = question.test
    row: dict[str, object] = {
        "id": question.principle.id,
        "part": test.part + (" (supporting)" if test.supporting else ""),
        "testable": "no" if question.obstacle else "yes",
        "model": question.model or "",
        "lacks": obstacle_text(question, code) if question.obstacle else "",
    }
    found = next((one for one in expected if (one.id, one.part) == (question.principle.id, test.part)), None)
    if found is None or question.obstacle:
        return row
    if math.isnan(found.sd):
        return {**row, "lacks": found.note}
    return row | {
        "SD": digits.write(found.sd, 3, code),
        "smallest": smallest_text(found.smallest, code),
        "80 %": digits.write(found.reach, 2, code),
        "settles": "yes" if found.settles else "no",
    }


def _explained(study: Study, asked: Agenda) -> str:
    clients, therapists = study.sessions["client"].nunique(), 0
    if study.has_therapists:
        therapists = study.sessions["therapist"].nunique()
    parts = sum(question.obstacle is None for question in asked.questions)
    return (
        f"Expected for {len(study.sessions)} sessions of {clients} clients with {therapists} therapists, {parts} "
        "quantities, from simulated ratings. SD: of the posterior, in standardised units. 80 %: the size that would be "
        "called supported in four of five such studies. settles: whether a quantity of zero would be called negligible."
    )


def sap_answer(frozen: FrozenPlan, study: Study, files: Sequence[Path]) -> Iterator[Any]:
    """Yield what `safezone sap` prints: the plan for JSON, then its hash, deviations and files.

    Parameters
    ----------
    frozen
        The plan.
    study
        The study as it is now.
    files
        The rendered plan.
    """
    told = deviations(frozen, study)
    yield {**asdict(frozen), "deviations": [asdict(one) for one in told], "report": files}
    seen = " Results of this study existed already." if frozen.seen else ""
    yield f"Analysis plan {frozen.hash[:16]}, frozen {frozen.frozen}.{seen}"
    if told:
        yield table("Deviations", [asdict(one) for one in told])
    yield "\n".join(map(str, files))


def sensitivity_answer(found: Sequence[Specification], path: Path | None) -> Iterator[Any]:
    """Yield what `safezone sensitivity` prints: every specification for JSON, then how far each quantity moves.

    Parameters
    ----------
    found
        Every quantity under every combination of choices.
    path
        Where the table was written; ``None`` for a dry run, which lists what would be asked and what is fitted.
    """
    yield {"specifications": [asdict(one) for one in found], "file": path}
    if path is None:
        listed = [
            {
                "id": one.id, "part": one.part, **one.choices, "sessions": one.sessions,
                "fitted": "yes" if one.fitted else one.verdict or "no",
            }
            for one in found
        ]  # fmt: skip
        yield table("Specifications", listed, ("id", "part", *VALUES, "sessions", "fitted"))
        return
    rows = []
    for key in dict.fromkeys((one.id, one.part) for one in found):
        mine = [one for one in found if (one.id, one.part) == key]
        means = [one.mean for one in mine if not math.isnan(one.mean)]
        words = [one.verdict.partition(":")[0] for one in mine]
        rows.append(
            {
                "id": key[0],
                "part": key[1],
                "specifications": len(mine),
                "own": next(one.mean for one in mine if one.own),
                "lowest": min(means, default=math.nan),
                "highest": max(means, default=math.nan),
                "verdicts": ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words)),
            }
        )
    yield table("Sensitivity to choices", rows)
    yield str(path)
