"""A model's options, checked against the study: every fault at once, with the valid choices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ..data.errors import Fault, InputError
from ..data.time import default_axis
from .families import laws
from .interactions import interaction_faults
from .raters import rater_faults

if TYPE_CHECKING:
    from ..data.config import ModelSection
    from ..data.study import Study
    from ..data.variable import Variable

KEYS: Mapping[str, tuple[str, ...]] = {
    "variance": ("covariates", "residual"),
    "growth": ("time", "time_axis", "random_slopes", "by", "covariates", "residual"),
    "within_between": (
        "predictors",
        "lag",
        "own_lag",
        "time",
        "time_axis",
        "random_slopes",
        "moderators",
        "interactions",
        "covariates",
        "centring",
        "max_gap",
    ),
    "chain": ("session", "client", "therapist", "final", "time", "time_axis", "random_slopes", "max_gap"),
    "final": ("predictors", "time", "time_axis", "random_slopes", "covariates", "reliable_change"),
    "dyad": (
        "predictors",
        "partner",
        "distinguishable",
        "lag",
        "time",
        "time_axis",
        "random_slopes",
        "moderators",
        "max_gap",
    ),
    "congruence": ("predictors", "time", "time_axis", "covariates", "centring", "rescale"),
}
"""Options of each kind beside ``kind``, ``outcome``, ``family``, ``therapist_level`` and ``priors``."""

_COMMON = ("kind", "outcome", "family", "therapist_level", "priors")
POOLED_FROM = 5
"""A categorical moderator with at least so many categories is partially pooled."""


def is_continuous(family: str) -> bool:
    """Whether the outcome of this family may be its own predictor."""
    return laws()[family].continuous


def resolve(study: Study, name: str, kind: str, options: ModelSection) -> ModelSection:
    """Fill in the defaults of a kind and check every option.

    Parameters
    ----------
    study
        The study.
    name
        The model's name in the study file.
    kind
        ``variance``, ``growth`` or ``within_between``.
    options
        As written in the study file.

    Returns
    -------
    ModelSection
        With ``family``, ``time``, ``time_axis``, ``random_slopes`` and ``own_lag`` filled in.

    Raises
    ------
    InputError
        With every fault, each naming its key (``models.NAME.outcome``).
    """
    faults = [*foreign_keys(study, name, kind, options), *_outcome(study, name, options)]
    if not faults:
        filled = _filled(study, kind, options)
        faults = [*_variables(study, name, filled), *_shape(study, name, kind, filled)]
        if not faults:
            return filled
    raise InputError(*faults)


def _filled(study: Study, kind: str, options: ModelSection) -> ModelSection:
    outcome = study.variables[options.outcome or ""]
    family = options.family or outcome.family
    time = "none" if kind == "variance" else options.time or ("linear" if kind == "growth" else "none")
    slopes = options.random_slopes
    if slopes is None:
        slopes = ("time",) if kind == "growth" and time != "none" else ()
    own_lag = options.own_lag
    if own_lag is None:
        own_lag = options.lag == 1 and is_continuous(family)
    # The axis is said, so that figures and the card name the one that was used.
    axis = options.time_axis or (default_axis(study) if time != "none" else None)
    return options.model_copy(
        update={
            "kind": kind,
            "family": family,
            "time": time,
            "time_axis": axis,
            "random_slopes": slopes,
            "own_lag": own_lag,
        }
    )


def fault(study: Study, name: str, key: str, rule: str, value: str | None, remedy: str) -> Fault:
    """Return an error about one key of one model."""
    return Fault("error", study.path.name, None, f"models.{name}.{key}", rule, value, remedy)


def _choices(names: Iterable[str]) -> str:
    listed = ", ".join(names)
    return f"Valid: {listed}." if listed else "The study has none."


def session_numbers(study: Study) -> tuple[str, ...]:
    """Names of the numeric session-level variables."""
    return tuple(v.name for v in study.variables.values() if v.level == "session" and not v.categories)


def foreign_keys(study: Study, name: str, kind: str, options: ModelSection) -> list[Fault]:
    """Options that this kind does not have."""
    known = (*_COMMON, *KEYS[kind])
    defaults = type(options)()
    return [
        fault(
            study,
            name,
            key,
            f"'{key}' is not an option of the model '{kind}'.",
            str(getattr(options, key)),
            f"Remove it, or choose another kind. Options of '{kind}': {', '.join(known)}.",
        )
        for key in sorted(options.model_fields_set)
        if key not in known and getattr(options, key) != getattr(defaults, key)
    ]


def _outcome(study: Study, name: str, options: ModelSection) -> list[Fault]:
    rated = [v.name for v in study.variables.values() if v.level == "session"]
    if options.outcome is None:
        return [fault(study, name, "outcome", "The model needs an outcome.", None, _choices(rated))]
    variable = study.variables.get(options.outcome)
    if variable is None:
        return [fault(study, name, "outcome", "Not a variable of the study.", options.outcome, _choices(rated))]
    if variable.level != "session":
        rule = "The outcome is rated session by session in this model."
        return [fault(study, name, "outcome", rule, f"{variable.name} ({variable.level} level)", _choices(rated))]
    family = options.family or variable.family
    if family not in laws():
        return [fault(study, name, "family", "Not a family.", family, _choices(laws()))]
    binary = family == "bernoulli" and len(variable.categories) == 2
    if variable.categories and family != "ordinal" and not binary:
        rule = f"An outcome with categories is 'ordinal' (or 'bernoulli' with two categories), not '{family}'."
        return [fault(study, name, "family", rule, family, 'Set family = "ordinal".')]
    return []


def _variables(study: Study, name: str, options: ModelSection) -> list[Fault]:
    """Check that named variables exist, can play their part, and play it once."""
    faults: list[Fault] = []
    others = [v for v in study.variables if v != options.outcome]
    numbers = [v for v in session_numbers(study) if v != options.outcome]
    used: dict[str, str] = {options.outcome or "": "outcome"}
    parts = {"predictors": options.predictors, "by": options.by, "moderators": options.moderators}
    for key, names in {**parts, "covariates": options.covariates}.items():
        valid = numbers if key == "predictors" else others
        for variable in names:
            if variable not in study.variables:
                faults.append(fault(study, name, key, "Not a variable of the study.", variable, _choices(valid)))
            elif variable == options.outcome:
                faults.append(fault(study, name, key, "The outcome cannot explain itself.", variable, _choices(valid)))
            elif variable in used:
                rule = f"Already used as {used[variable]}."
                faults.append(fault(study, name, key, rule, variable, "Name each variable once."))
            elif key == "predictors" and variable not in numbers:
                faults.append(
                    fault(study, name, key, _predictor_rule(study.variables[variable]), variable, _choices(valid))
                )
            used.setdefault(variable, key)
    return faults


def _predictor_rule(variable: Variable) -> str:
    if variable.categories:
        return "A predictor is split into within and between parts and must be numeric; categories are covariates."
    return f"A predictor varies from session to session; this one is on the {variable.level} level (use covariates)."


def _shape(study: Study, name: str, kind: str, options: ModelSection) -> list[Fault]:
    """Check options against each other."""
    faults: list[Fault] = []

    def add(key: str, rule: str, value: str | None, remedy: str) -> None:
        faults.append(fault(study, name, key, rule, value, remedy))

    if kind == "within_between" and not options.predictors:
        numbers = [v for v in session_numbers(study) if v != options.outcome]
        add("predictors", "The model needs at least one predictor.", None, _choices(numbers))
    if kind == "congruence":
        faults.extend(rater_faults(study, name, options))
    faults.extend(interaction_faults(study, name, options))
    slopes = ("time", *options.predictors) if options.time != "none" else options.predictors
    for slope in options.random_slopes or ():
        if slope not in slopes:
            remedy = _choices(slopes) + (' Set time = "linear" for a slope of time.' if slope == "time" else "")
            add("random_slopes", "Only time and predictors have slopes that differ between clients.", slope, remedy)
    family = options.family or "gaussian"
    if options.own_lag and not is_continuous(family):
        rule = f"The previous value of a {family} outcome is not on the scale of its linear predictor."
        add("own_lag", rule, "true", 'Set own_lag = false, or family = "gaussian".')
    if options.residual == "ar1" and not is_continuous(family):
        add("residual", f"A {family} outcome has no residual to correlate.", "ar1", 'Set residual = "independent".')
    if options.time_axis == "column" and "time" not in study.sessions.columns:
        add("time_axis", "The study declares no time column.", "column", "Declare [columns] time, or choose session.")
    faults.extend(_pooled(study, name, options))
    return faults


def _pooled(study: Study, name: str, options: ModelSection) -> list[Fault]:
    pooled = pooled_moderators(study, options)
    if len(pooled) < 2:
        return []
    rule = f"Only one moderator with {POOLED_FROM} or more categories can be partially pooled."
    return [fault(study, name, "moderators", rule, ", ".join(pooled), "Keep one of them per model.")]


def pooled_moderators(study: Study, options: ModelSection) -> tuple[str, ...]:
    """Moderators that are partially pooled because they have many categories."""
    known = (m for m in options.moderators if m in study.variables)
    return tuple(m for m in known if len(study.variables[m].categories) >= POOLED_FROM)
