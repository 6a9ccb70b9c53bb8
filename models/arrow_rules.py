"""What a path may join: which variable may act on which at a level, with the remedy where it may not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..data.config import Level, Role
from ..data.path_text import Link, missing_comma
from ..data.study_file import suggestion

if TYPE_CHECKING:
    from ..data.config import ModelSection
    from ..data.study import Study
    from ..data.variable import Variable

BEFORE_THERAPY: tuple[Role, ...] = (
    "attachment_anxiety",
    "attachment_avoidance",
    "baseline",
    "arm",
    "moderator",
    "covariate",
)
"""Roles of what explains and is not explained."""
OUTCOME_FAMILIES = ("gaussian", "bernoulli", "ordinal")
"""Families that a final outcome may have."""

Problem = tuple[str, str]
"""A broken rule and its remedy."""


_WRONG_PLACE: Mapping[tuple[Level, str, Level], Problem] = {
    ("session", "source", "client"): (
        "{source} is known once for each client and cannot act within sessions.",
        'Move "{link}" to `client`: there it acts on the client\'s usual level.',
    ),
    ("session", "source", "therapist"): (
        "{source} is known once for each therapist and cannot act within sessions.",
        'Move "{link}" to `therapist`: there it acts on the mean of the therapist\'s clients.',
    ),
    ("session", "target", "client"): (
        "{target} is known once for each client; a single session cannot act on it.",
        'Move "{link}" to `client`: there the client\'s usual level acts on it.',
    ),
    ("session", "target", "therapist"): (
        "{target} is a trait of the therapist; a session cannot act on it.",
        'Remove it, or write "{back}" in `therapist`.',
    ),
    ("client", "source", "therapist"): (
        "{source} belongs to therapists: it cannot tell apart the clients of one therapist.",
        'Move "{link}" to `therapist`.',
    ),
    ("client", "target", "therapist"): (
        "{target} is a trait of the therapist; clients cannot act on it.",
        'Remove it, or write "{back}" in `therapist`.',
    ),
    ("therapist", "source", "client"): (
        "{source} belongs to clients and is no source on the therapist level.",
        'Move "{link}" to `client`.',
    ),
    ("therapist", "target", "therapist"): (
        "{target} is a trait of the therapist, which nothing in the study explains.",
        'Let a rating or a final outcome be the target, or write "{back}".',
    ),
}


def link_problems(study: Study, options: ModelSection, level: Level, link: Link) -> list[Problem]:
    """Return what is wrong with one link at its level.

    Parameters
    ----------
    study, options
        The study and the model's options (``time``, ``therapist_level``, ``final`` and ``family`` are read).
    level
        The key that holds the link.
    link
        As it was read; its names may be unknown.

    Returns
    -------
    list of Problem
        Rules that it breaks, with remedies; empty where it may stand.
    """
    source, target = (study.variables.get(term.name) for term in (link.source, link.target))
    if source is None or target is None:
        unknown = [term.name for term, v in ((link.source, source), (link.target, target)) if v is None]
        return [_unknown(study, one) for one in unknown]
    found = [*_place_problems(study, options, level, link, source, target)]
    if not found:
        found = [*_source_problems(options, level, link, source, target), *_target_problems(options, link, target)]
    return found


def _unknown(study: Study, name: str) -> Problem:
    remedy = missing_comma(name, study.variables) or suggestion(name, tuple(study.variables))
    return f"{name} is not a variable of the study.", remedy


def _place_problems(
    study: Study, options: ModelSection, level: Level, link: Link, source: Variable, target: Variable
) -> list[Problem]:
    """Return what does not belong to this level."""
    words = {
        "source": source.name,
        "target": target.name,
        "link": str(link),
        "back": f"{target.name} -> {source.name}",
    }
    keys = ((level, "source", source.level), (level, "target", target.level))
    found = [
        (_WRONG_PLACE[key][0].format(**words), _WRONG_PLACE[key][1].format(**words))
        for key in keys
        if key in _WRONG_PLACE
    ]
    if level == "therapist" and not study.has_therapists:
        rule = "The study has no therapists, so there are no paths between them."
        found.append((rule, 'Declare therapist = "…" in [columns], or move the path to `client`.'))
    elif level == "therapist" and not options.therapist_level:
        rule = "The model leaves the therapist level out (therapist_level = false)."
        found.append((rule, "Remove the paths of `therapist`, or therapist_level = false."))
    if level != "session" and link.source.lag:
        rule = f"lag() is the previous session, and a {level} is not a session."
        remedy = f'Write "{source.name} -> {target.name}", or move "{link}" to `session`.'
        found.append((rule, remedy))
    if level == "session" and link.source.trend:
        rule = "A rate of change belongs to a client, not to a session."
        found.append((rule, f'Move "{link}" to `client`, or write "{source.name} -> {target.name}".'))
    return found


def _source_problems(
    options: ModelSection, level: Level, link: Link, source: Variable, target: Variable
) -> list[Problem]:
    """Return why the source cannot act on the target."""
    found: list[Problem] = []
    if source.name == target.name:
        if level == "session" and not link.source.lag:
            remedy = f'Write "lag({source.name}) -> {source.name}" for its inertia, or remove it.'
            found.append(("A variable cannot act on itself in the same session.", remedy))
        elif link.source.trend:
            rule = "A client's rate of change and usual level of one variable correlate; neither explains the other."
            found.append((rule, "Remove it; their correlation is estimated."))
        elif level != "session":
            remedy = f'Remove it; inertia is "lag({source.name}) -> {source.name}" in `session`.'
            found.append(("A usual level cannot act on itself.", remedy))
    if link.source.trend and source.level != "session":
        rule = f"{source.name} is known once for each {source.level} and has no rate of change."
        found.append((rule, f'Write "{source.name} -> {target.name}".'))
    elif link.source.trend and options.time == "none":
        rule = ':time is the client\'s own rate of change, and the model has time = "none".'
        found.append((rule, f'Set time = "linear", or write "{source.name} -> {target.name}".'))
    if source.level == "session":
        found += _rating_problems(source)
    elif source.role not in BEFORE_THERAPY and (source.categories or source.family != "gaussian"):
        rule = f"{source.name} is a categorical outcome ({source.family}): it is explained and explains nothing."
        found.append((rule, f'Remove "{link}", or use a numeric outcome as the cause.'))
    if source.role == "final_outcome" and target.level == "session":
        rule = f"{source.name} is measured after therapy and cannot act on ratings during it."
        found.append((rule, f'Write "{target.name} -> {source.name}".'))
    return found


def _rating_problems(variable: Variable) -> list[Problem]:
    """Return why a session-level variable cannot take part."""
    if variable.categories:
        rule = f"{variable.name} has categories ({', '.join(variable.categories)}); paths join numeric ratings."
        return [(rule, f"Leave {variable.name} out, or give it numbers in [variables.{variable.name}].")]
    if variable.family != "gaussian":
        rule = f'{variable.name} has family = "{variable.family}"; ratings of a path model are Gaussian.'
        remedy = (
            f'Set family = "gaussian" in [variables.{variable.name}] to take its scores as numbers, or leave it out.'
        )
        return [(rule, remedy)]
    return []


def _target_problems(options: ModelSection, link: Link, target: Variable) -> list[Problem]:
    """Return why the target cannot be explained."""
    if target.level == "session":
        return _rating_problems(target)
    if target.role in BEFORE_THERAPY:
        rule = f"{target.name} (role {target.role}) stands before therapy: it explains and is not explained."
        back = f'Write "{target.name} -> {link.source.name}"'
        other = f', or declare role = "final_outcome" in [variables.{target.name}] if it is an outcome.'
        return [(rule, f"{back}{'.' if target.role == 'arm' else other}")]
    family = options.family if options.family is not None and target.name == options.final else target.family
    if len(target.categories) > 2 and family != "ordinal":
        rule = f"{target.name} has {len(target.categories)} categories without an order."
        return [(rule, f'Set family = "ordinal" in [variables.{target.name}], or merge them into two.')]
    if not target.categories and family not in OUTCOME_FAMILIES:
        rule = f'A final outcome is {", ".join(OUTCOME_FAMILIES)}; {target.name} has family = "{family}".'
        return [(rule, f'Set family = "gaussian" in [variables.{target.name}], or leave it out.')]
    return []
