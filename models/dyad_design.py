"""From a study to the design of a dyad: which ratings make a pair, who acts on whom, and what stands in the way."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ..data.errors import Fault, InputError
from .arrows import Arrow, Arrows
from .dyad_members import members, pinned_clients
from .dyad_pairs import pairs
from .options import fault, session_numbers
from .path_build import build_paths, with_defaults
from .path_parameters import override_priors
from .raters import described
from .raters import pairs as rated_pairs

if TYPE_CHECKING:
    from ..data.config import ModelSection
    from ..data.study import Study
    from .path_design import PathDesign


def build_dyad(study: Study, name: str, options: ModelSection) -> PathDesign:
    """Return the design of a dyad.

    Parameters
    ----------
    study, name, options
        The study and the model.

    Raises
    ------
    InputError
        If the ratings are no pair, or the data cannot carry the model.
    """
    asked = with_defaults(study, name, "dyad", options)
    faults = [*_names(study, name, asked)]
    faults = faults or [*_raters(study, name, asked), *_moderators(study, name, asked), *_slopes(study, name, asked)]
    if faults:
        raise InputError(*faults)
    single = not _several(study, asked)
    asked = _filled(asked, single=single)
    if asked.lag == 1 and single:
        rule = "Effects on the next session need clients with two or more sessions."
        remedy = "Set lag = 0, for one occasion per dyad."
        raise InputError(fault(study, name, "lag", rule, "one session per client", remedy))
    bare = asked if asked.distinguishable else asked.model_copy(update={"priors": {}})
    arrows = _arrows(study, asked, single=single)
    moderators = tuple(dict.fromkeys(asked.moderators))
    design = build_paths(study, "dyad", name, bare, arrows, moderators, single=single)
    if asked.lag == 1 and not (design.previous >= 0).any():
        rule = "No session follows another one in which both were rated: there is no next session to speak of."
        starts = ", ".join(f"{reason}: {n}" for reason, n in design.account.starts)
        remedy = "Set lag = 0, or check session numbers, blocks and max_gap."
        raise InputError(fault(study, name, "lag", rule, starts, remedy))
    design = _without_nuisance(design)
    if single:
        design = dataclasses.replace(design, ties=pinned_clients(design))
    if not asked.distinguishable:
        design = members(dataclasses.replace(design, options=asked), equal=True)
        design = dataclasses.replace(design, priors=override_priors(study, design))
    return dataclasses.replace(design, notes=(*design.notes, *_notes(study, design, single=single)))


def _filled(options: ModelSection, *, single: bool) -> ModelSection:
    """Fill in what depends on the data: the lag, the course over time, what changes with time."""
    lag = options.lag
    if "lag" not in options.model_fields_set:
        lag = 0 if options.partner is not None or single else 1
    time = "none" if single else options.time
    moderators = options.moderators
    links = lag == 1 or options.partner is not None or options.distinguishable
    if "moderators" not in options.model_fields_set and options.partner is None and time != "none" and links:
        moderators = ("time",)
    return options.model_copy(update={"lag": lag, "time": time, "moderators": moderators})


def _several(study: Study, options: ModelSection) -> bool:
    """Whether any client has two sessions with a rating."""
    named = [one for pair in pairs(options) for one in pair]
    rated = study.sessions[named].notna().any(axis=1)
    return bool(study.sessions["client"][rated].duplicated().any())


# --- who acts on whom ------------------------------------------------------------------------------


def _arrows(study: Study, options: ModelSection, *, single: bool) -> Arrows:
    """Return the arrows: the therapist's ratings come first within a session."""
    outcome = pairs(options)[-1]
    client: list[Arrow] = []
    if options.partner is None:
        c, t = outcome
        session = [Arrow("session", t, c)]
        if options.lag == 1:
            session += [Arrow("session", source, target, 1) for target in (c, t) for source in (c, t)]
        responses: tuple[str, ...] = (t, c)
    else:
        predictor = pairs(options)[0]
        effects = [(source, target) for target in outcome for source in predictor]
        session = [Arrow("session", t, c) for c, t in (predictor, outcome)]
        session += [Arrow("session", *one) for one in effects]
        if not single:
            client = [Arrow("client", *one) for one in [*effects, (outcome[1], outcome[0])]]
        responses = (*reversed(predictor), *reversed(outcome))
    therapist: list[Arrow] = []
    covariates = tuple(m for m in dict.fromkeys(options.moderators) if m != "time")
    for one in covariates:
        level = study.variables[one].level
        (client if level == "client" else therapist).extend(Arrow(level, one, target) for target in responses)
    return Arrows(tuple(session), tuple(client), tuple(therapist), responses, (), covariates)


def _without_nuisance(design: PathDesign) -> PathDesign:
    """Return the design in which moderators change actor and partner effects only."""
    if design.options.partner is None:
        return design
    nuisance = {f"{t}->{c}" for c, t in pairs(design.options)}
    kept = tuple(m for m in design.moderations if design.session[m.path].text not in nuisance)
    return dataclasses.replace(design, moderations=kept)


# --- what keeps ratings from being a pair ----------------------------------------------------------


def _choices(names: Iterable[str]) -> str:
    listed = ", ".join(names)
    return f"Valid: {listed}." if listed else "The study has none."


def _names(study: Study, name: str, options: ModelSection) -> Iterator[Fault]:
    """Check that the ratings are there, as many as a dyad has, each named once."""
    numbers = session_numbers(study)
    known = [f"{a} and {b}" for a, b in rated_pairs(study)]
    wanted = 1 if options.partner is None else 2
    if len(options.predictors) != wanted:
        rule = (
            "A dyad needs the therapist's rating of what the client rates."
            if wanted == 1
            else "With `partner`, a dyad has two predictors: the client's and the therapist's."
        )
        remedy = 'Name it: predictors = ["…"].' if wanted == 1 else 'Name both: predictors = ["…", "…"].'
        remedy += f" Rated by both: {'; '.join(known)}." if known else ""
        if wanted == 1 and len(options.predictors) == 2:
            remedy = "Name the therapist's rating of the outcome as `partner`, or keep one predictor."
        yield fault(study, name, "predictors", rule, ", ".join(options.predictors) or None, remedy)
        return
    keys = [("outcome", options.outcome), *(("predictors", p) for p in options.predictors)]
    keys += [("partner", options.partner)] if options.partner is not None else []
    seen: dict[str, str] = {}
    for key, one in keys:
        if one is None or one not in numbers:
            rule = "A dyad needs numbers that are rated session by session."
            if one is not None and one not in study.variables:
                rule = "Not a variable of the study."
            yield fault(study, name, key, rule, one, _choices(numbers))
        elif one in seen:
            yield fault(study, name, key, f"Already used as {seen[one]}: a rating has no pair in itself.", one,
                        "Name the other person's rating.")  # fmt: skip
        seen.setdefault(one or "", key)
    about = study.variables.get(options.outcome or "")
    family = options.family or (about.family if about is not None else "")
    if family not in ("", "gaussian") and not seen.keys() - set(numbers):
        rule = "The ratings of a dyad are explained and explain: both are gaussian."
        yield fault(study, name, "family", rule, family, 'Set family = "gaussian", or remove the key.')
    if options.partner is not None and "lag" in options.model_fields_set and options.lag == 1:
        rule = "With `partner`, predictors and outcomes are of the same session."
        yield fault(study, name, "lag", rule, "1", "Remove `lag`, or remove `partner` and one predictor.")


def _raters(study: Study, name: str, options: ModelSection) -> Iterator[Fault]:
    """Check that two people rate, in the same direction, and (if they are alike) on one scale."""
    for a, b in pairs(options):
        first, second = study.variables[a], study.variables[b]
        both = f"{described(first)}, {described(second)}"
        key = "partner" if b == options.partner else "predictors"
        if options.distinguishable and first.rater is not None and first.rater == second.rater:
            rule = f"Both ratings come from the {first.rater}: a dyad needs two people."
            remedy = "Name the other person's rating, or correct `rater`."
            yield fault(study, name, key, rule, both, f"{remedy} Members without roles: distinguishable = false.")
        if options.distinguishable and (first.rater, second.rater) == ("therapist", "client"):
            rule = "The ratings are named the other way round: first the client's, then the therapist's."
            yield fault(study, name, key, rule, both, f'Exchange "{a}" and "{b}".')
        if first.better != second.better:
            rule = "Both ratings must count in the same direction."
            remedy = "Reverse one of them (items and `reverse`), or declare `better` alike."
            yield fault(study, name, key, rule, f"{both}: {first.better} and {second.better} is better", remedy)
        elif not options.distinguishable and (first.range, first.unit) != (second.range, second.unit):
            rule = "Members whom nothing but a label tells apart must answer on one scale."
            yield fault(study, name, key, rule, both, "Choose ratings on one scale, or set distinguishable = true.")


def _moderators(study: Study, name: str, options: ModelSection) -> Iterator[Fault]:
    known = [v.name for v in study.variables.values() if v.level != "session"]
    rated = {one for pair in pairs(options) for one in pair}
    for one in options.moderators:
        if one == "time":
            if options.time == "none":
                rule = 'Effects change with time only where the model has time, and it has time = "none".'
                yield fault(study, name, "moderators", rule, one, 'Set time = "linear", or remove "time".')
        elif one not in known or one in rated:
            rule = "Effects depend on time or on what is known of clients and therapists."
            rule = rule if one in study.variables else "Not a variable of the study."
            yield fault(study, name, "moderators", rule, one, _choices(["time", *known]))
        elif study.variables[one].level == "therapist" and not (study.has_therapists and options.therapist_level):
            rule = "A variable of therapists needs the therapist level."
            yield fault(study, name, "moderators", rule, one, "Declare [columns] therapist, or remove it.")


def _slopes(study: Study, name: str, options: ModelSection) -> Iterator[Fault]:
    rated = [one for pair in pairs(options) for one in pair]
    for one in options.random_slopes or ():
        if one not in rated:
            rule = "Only the ratings of the dyad have rates of change that differ between clients."
            yield fault(study, name, "random_slopes", rule, one, _choices(rated))
    if options.random_slopes and options.time == "none":
        rule = 'Clients\' own rates of change need time, and the model has time = "none".'
        yield fault(study, name, "random_slopes", rule, "none", 'Set time = "linear".')
    if options.random_slopes and not options.distinguishable:
        rule = "Members who are alike have no rates of change of their own in this model."
        yield fault(study, name, "random_slopes", rule, ", ".join(options.random_slopes), "Remove the key.")


def _notes(study: Study, design: PathDesign, *, single: bool) -> Iterator[str]:
    """Say what the data leave open."""
    options = design.options
    if single:
        yield "Each client has one session: what is usual for a client cannot be told from what is special to it."
    for a, b in pairs(options):
        first, second = study.variables[a], study.variables[b]
        if first.role != second.role:
            yield f"{a} and {b} have different roles: bias and accuracy presume that they rate one thing."
    if not options.distinguishable or options.partner is not None:
        return
    first, second = (study.variables[one] for one in pairs(options)[-1])
    if first.range is None or (first.range, first.unit) != (second.range, second.unit):
        yield (
            f"{described(first)} and {described(second)} are not known to be on one scale: their means are not "
            "compared, and neither is a version in which client and therapist are alike."
        )


__all__ = ["build_dyad"]
