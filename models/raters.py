"""Two raters of one thing: the pairs that a study has, and whether their ratings are on one metric.

A response surface compares the two ratings point by point, so that one point must mean the same for both (Edwards
2002).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..data.errors import Fault

if TYPE_CHECKING:
    from ..data.config import ModelSection
    from ..data.study import Study
    from ..data.variable import Variable

ROLES = ("safety", "alliance")
"""Roles in which two raters are looked for."""


def described(variable: Variable) -> str:
    """Return a rating with its rater and range: ``safety (client, 1 to 7 points)``."""
    span = "range not declared" if variable.range is None else f"{variable.range[0]:g} to {variable.range[1]:g}"
    words = [variable.rater or "rater not declared", f"{span} {variable.unit}".strip()]
    return f"{variable.name} ({', '.join(words)})"


def pairs(study: Study) -> tuple[tuple[str, str], ...]:
    """Return (client's, therapist's) ratings of one role, safety before alliance."""
    found: list[tuple[str, str]] = []
    for role in ROLES:
        own = [v for v in study.variables.values() if v.role == role and v.level == "session" and not v.categories]
        client = [v.name for v in own if v.rater == "client"]
        therapist = [v.name for v in own if v.rater == "therapist"]
        if client and therapist:
            found.append((client[0], therapist[0]))
    return tuple(found)


def rater_faults(study: Study, name: str, options: ModelSection) -> list[Fault]:
    """Return what keeps two ratings from being compared: their number, range, unit or direction."""

    def fault(key: str, rule: str, value: str | None, remedy: str) -> Fault:
        return Fault("error", study.path.name, None, f"models.{name}.{key}", rule, value, remedy)

    known = [study.variables[p] for p in options.predictors]
    if len(known) != 2:
        rated = [f"{a} and {b}" for a, b in pairs(study)]
        remedy = 'Name the two ratings, predictors = ["…", "…"].' + (f" The study has {rated[0]}." if rated else "")
        rule = "Congruence compares exactly two ratings of the same thing."
        return [fault("predictors", rule, ", ".join(options.predictors) or None, remedy)]
    first, second = known
    both = f"{described(first)}, {described(second)}"
    if first.better != second.better:
        rule = "Both ratings must count in the same direction."
        return [fault("predictors", rule, f"{both}: {first.better} and {second.better} is better", _TURN)]
    if options.rescale:
        if first.range is None or second.range is None:
            rule = "Rescaling maps one declared range onto the other."
            return [fault("rescale", rule, both, "Declare range = [lowest, highest] for both variables.")]
        return []
    if first.range is not None and second.range is not None and first.range != second.range:
        return [fault("predictors", "Both raters must answer on one scale.", both, _RESCALE)]
    if first.unit != second.unit:
        return [fault("predictors", "Both ratings must have one unit.", both, _RESCALE)]
    return []


_TURN = "Reverse one of them (items and `reverse`), or declare `better` alike."
_RESCALE = (
    "Choose ratings on one scale; where the ends mean the same on both, rescale = true maps the second range onto "
    "the first."
)


def rater_notes(study: Study, options: ModelSection) -> tuple[str, ...]:
    """Say what the data do not show about the comparison of the two ratings."""
    first, second = (study.variables[p] for p in options.predictors)
    notes: list[str] = []
    if first.range is None or second.range is None:
        notes.append(
            f"No range is declared for {first.name if first.range is None else second.name}: the model takes "
            "one point to mean the same for both raters."
        )
    if first.rater is not None and first.rater == second.rater:
        notes.append(f"Both ratings come from the {first.rater}: the surface compares two ratings, not two people.")
    if first.role != second.role:
        notes.append(
            f"{first.name} and {second.name} have different roles: agreement presumes that they rate one thing."
        )
    if options.rescale:
        notes.append(f"{second.name} was mapped from its own range onto that of {first.name}.")
    return tuple(notes)
