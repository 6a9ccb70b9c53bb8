"""From a study and its arrows to the design of a path model: rows, scales, covariates, time, links, priors."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..data.errors import InputError
from ..data.time import default_axis, time_axis
from .arrow_rules import OUTCOME_FAMILIES
from .build import timing
from .columns import bases, raw_values
from .degenerate import exact_combinations
from .design import Floats, Ints, Measure, RowAccount
from .options import fault, foreign_keys
from .path_design import Covariate, Moderation, PathDesign
from .path_form import moderator
from .path_parameters import default_priors, override_priors
from .rows import Selection, apply_rules, lag_links, no_links, series_starts, units
from .scales import measure, scale_of

if TYPE_CHECKING:
    from ..data.config import Family, Level, ModelSection
    from ..data.study import Study
    from .arrows import Arrow, Arrows


def with_defaults(study: Study, name: str, kind: str, options: ModelSection) -> ModelSection:
    """Return the options with the course over time filled in.

    Raises
    ------
    InputError
        For options that this kind does not have.
    """
    faults = foreign_keys(study, name, kind, options)
    if faults:
        raise InputError(*faults)
    time = options.time or "linear"
    axis = options.time_axis or (default_axis(study) if time != "none" else None)
    return options.model_copy(update={"kind": kind, "time": time, "time_axis": axis})


def build_paths(
    study: Study, kind: str, name: str, options: ModelSection, arrows: Arrows, moderators: tuple[str, ...] = (),
    *, single: bool = False,
) -> PathDesign:  # fmt: skip
    """Return the design of a path model.

    Parameters
    ----------
    study
        The study.
    kind, name
        Catalogue name, and the model's name in the study file.
    options
        From :func:`with_defaults`.
    arrows
        Checked paths.
    moderators
        ``time`` or variables of clients that may change every session path.
    single
        Whether one session per client will do, because the caller leaves clients' effects out.

    Raises
    ------
    InputError
        If the data cannot carry the model.
    """
    axis = time_axis(study, options) if options.time != "none" else time_axis(study, "session")
    selection = _rows(study, name, options, arrows, moderators, axis.values)
    rows = selection.rows
    code, known_therapists = units(study, options, rows)
    with_therapists = options.therapist_level and known_therapists >= 2
    if arrows.therapist and not with_therapists:
        rule = "Paths between therapists need two or more therapists with an identifier."
        found = f"{known_therapists} known" if options.therapist_level else "therapist_level = false"
        raise InputError(fault(study, name, "therapist", rule, found, "Remove the key `therapist`."))
    client = code["client"]
    clients = int(client.max()) + 1
    if clients < 2:
        rule = "Differences between clients need at least two clients."
        raise InputError(fault(study, name, "session", rule, "1 client", "Add clients."))
    main, changes = _main_therapist(client, code["therapist"], clients) if with_therapists else (None, 0)
    therapist_of = None if main is None else pd.factorize(main)[0].astype(np.int64)
    with_main = np.ones(len(client), dtype=bool) if main is None else code["therapist"] == main[client]
    responses, values = _responses(study, name, arrows, rows)
    outcomes, final = _outcomes(study, name, options, arrows, rows, client)
    course = timing(axis, rows, options)
    known = course.times[~np.isnan(course.times)]
    spread = float(known.std(ddof=1)) if len(known) > 1 and np.ptp(known) > 0 else 1.0
    covariates = _covariates(study, name, arrows, moderators, rows, code["client"], therapist_of, with_main)
    needed = tuple(dict.fromkeys(arrow.source for arrow in arrows.session if arrow.lag))
    links = lag_links(study, options, rows, axis.values, needed) if needed else no_links(rows)
    design = PathDesign(
        kind=kind,
        name=name,
        options=options,
        responses=responses,
        outcomes=outcomes,
        covariates=covariates,
        session=arrows.session,
        client_arrows=tuple(_by_column(arrows.client, covariates)),
        therapist_arrows=tuple(_by_column(arrows.therapist, covariates)),
        moderations=_moderations(arrows, covariates, moderators),
        trends=_trends(arrows, options),
        values=values,
        final=final,
        client=client,
        therapist_of=therapist_of if therapist_of is not None else np.zeros(0, dtype=np.int64),
        clients=clients,
        therapists=int(therapist_of.max()) + 1 if therapist_of is not None else 0,
        known_therapists=known_therapists,
        row=rows,
        session_number=study.sessions["session"].to_numpy(dtype=np.int64)[rows],
        time=axis.values[rows],
        time_unit=axis.unit,
        terms=course.course.names if options.time != "none" else (),
        T=course.columns,
        scales=np.array([factor.scale for factor in course.factors]),
        t=np.nan_to_num((course.times - known.mean()) / spread),
        t_centre=float(known.mean()),
        t_scale=spread,
        previous=links.previous,
        priors=default_priors(),
        account=RowAccount(len(study.sessions), len(rows), selection.excluded),
        notes=_notes(study, options, known_therapists, client, changes),
    )
    starts = series_starts(study, options, rows, axis.values, links) if needed else ()
    design = dataclasses.replace(design, account=_account(design, starts))
    _refuse_degenerate(study, design, single=single)
    return dataclasses.replace(design, priors=override_priors(study, design))


# --- rows ------------------------------------------------------------------------------------------


def _rows(
    study: Study, name: str, options: ModelSection, arrows: Arrows, moderators: tuple[str, ...], times: Floats
) -> Selection:
    """Keep sessions with any rating, of clients whose categories are known; count the others."""
    sessions = study.sessions
    rated = sessions[list(arrows.responses)].notna()
    rules = [("none of the model's variables rated", rated.any(axis=1).to_numpy())]
    everything = np.arange(len(sessions))
    for variable in dict.fromkeys((*arrows.covariates, *(m for m in moderators if m != "time"))):
        # An unknown number is integrated where it explains, but not where it multiplies a deviation.
        if study.variables[variable].categories or variable in moderators:
            rules.append((f"{variable} unknown", raw_values(study, variable, everything).notna().to_numpy()))
    if options.time != "none":
        rules.append(("time unknown", ~np.isnan(times)))
    # A missing rating is integrated where its path is one number; the previous session's starts a series anew.
    differs = ("whose path differs between clients", [a for a in arrows.session if a.random])
    changes = ("whose path has moderators", list(arrows.session) if moderators else [])
    for why, paths in (differs, changes):
        for source in dict.fromkeys(arrow.source for arrow in paths if not arrow.lag):
            rules.append((f"{source} not rated, {why}", rated[source].to_numpy()))
    selection = apply_rules(everything, rules)
    if len(selection.rows) == 0:
        reasons = "; ".join(f"{reason}: {n}" for reason, n in selection.excluded)
        rule = "No session can enter this model."
        raise InputError(fault(study, name, "session", rule, reasons, "Check the variables that the model uses."))
    return selection


def _main_therapist(client: Ints, therapist: Ints, clients: int) -> tuple[Ints, int]:
    """Return the therapist of most of a client's sessions (ties: the first), and how many clients had several."""
    table = pd.DataFrame({"client": client, "therapist": therapist})
    counts = table.groupby(["client", "therapist"], sort=True).size().reset_index(name="n")
    main = counts.sort_values(["client", "n"], ascending=[True, False], kind="stable").groupby("client").first()
    several = int((counts.groupby("client").size() > 1).sum())
    return main["therapist"].reindex(range(clients)).to_numpy(dtype=np.int64), several


def _account(design: PathDesign, starts: tuple[tuple[str, int], ...]) -> RowAccount:
    imputed = [(name, int(np.isnan(design.values[:, v]).sum())) for v, name in enumerate(design.names)]
    imputed += [(one.name, int(np.isnan(one.values).sum())) for one in design.covariates]
    return dataclasses.replace(design.account, imputed=tuple((n, k) for n, k in imputed if k), starts=starts)


def _notes(study: Study, options: ModelSection, known: int, client: Ints, changes: int) -> tuple[str, ...]:
    notes: list[str] = []
    if options.therapist_level and study.has_therapists and known < 2:
        notes.append("There is one therapist: the therapist level is left out.")
    elif options.therapist_level and 2 <= known < 5:
        notes.append(f"With {known} therapists the variance between therapists rests mostly on its prior.")
    if changes:
        notes.append(f"{changes} clients changed therapist; they count with the one of most of their sessions.")
    sizes = np.bincount(client)
    few = int((sizes < 2).sum())
    if few:
        notes.append(f"{few} of {len(sizes)} clients have one session and say nothing about change within clients.")
    return tuple(notes)


# --- variables -------------------------------------------------------------------------------------


def _responses(study: Study, name: str, arrows: Arrows, rows: Ints) -> tuple[tuple[Measure, ...], Floats]:
    measures: list[Measure] = []
    columns: list[Floats] = []
    for response in arrows.responses:
        raw = study.sessions[response].to_numpy(dtype=np.float64)[rows]
        known = raw[~np.isnan(raw)]
        if len(known) < 2 or float(np.ptp(known)) == 0.0:
            rule = "The variable does not vary among the sessions of this model."
            raise InputError(fault(study, name, "session", rule, response, "Remove it from the model."))
        scale = measure(study, response, "gaussian", raw)
        measures.append(scale)
        columns.append((raw - scale.mean) / scale.sd)
    return tuple(measures), np.column_stack(columns)


def _outcomes(
    study: Study, name: str, options: ModelSection, arrows: Arrows, rows: Ints, client: Ints
) -> tuple[tuple[Measure, ...], Floats]:
    """Return scales and values (clients,) of the outcomes; ``family`` of the options is that of the final one."""
    first = np.unique(client, return_index=True)[1]
    keys = study.sessions["client"].to_numpy()[rows[first]]
    families = {outcome: _family(study, outcome, options, arrows) for outcome in arrows.outcomes}
    _refuse_families(study, name, families, arrows)
    measures: list[Measure] = []
    columns: list[Floats] = []
    # What has categories explains nothing and can stand last, where its law is the model's.
    for outcome in sorted(arrows.outcomes, key=lambda one: families[one] != "gaussian"):
        scale, values = scale_of(study, name, outcome, families[outcome], study.clients[outcome].reindex(keys))
        measures.append(scale)
        columns.append(values)
    return tuple(measures), np.column_stack(columns) if columns else np.zeros((len(first), 0))


def _family(study: Study, outcome: str, options: ModelSection, arrows: Arrows) -> Family:
    about = study.variables[outcome]
    if options.family is not None and outcome == (options.final or options.outcome or arrows.outcomes[-1]):
        return options.family
    if about.categories:
        return "bernoulli" if len(about.categories) == 2 else "ordinal"
    return about.family


def _refuse_families(study: Study, name: str, families: Mapping[str, Family], arrows: Arrows) -> None:
    """Refuse laws that final outcomes cannot have together."""
    faults = []
    for outcome, family in families.items():
        if family not in OUTCOME_FAMILIES:
            rule = f"A final outcome is {', '.join(OUTCOME_FAMILIES)}."
            faults.append(fault(study, name, "family", rule, f"{outcome}: {family}", 'Use family = "gaussian".'))
    categorical = [outcome for outcome, family in families.items() if family in ("bernoulli", "ordinal")]
    if len(categorical) > 1:
        rule, remedy = "A model has one final outcome with categories.", "Give each of them a model of its own."
        faults.append(fault(study, name, "client", rule, ", ".join(categorical), remedy))
    for arrow in arrows.client:
        if arrow.source in categorical:
            rule = f"{arrow.source} has family {families[arrow.source]}: it is explained and explains nothing."
            faults.append(
                fault(study, name, "family", rule, arrow.text, 'Use family = "gaussian", or remove the path.')
            )
    if faults:
        raise InputError(*faults)


def _covariates(
    study: Study, name: str, arrows: Arrows, moderators: tuple[str, ...], rows: Ints, client: Ints,
    therapist_of: Ints | None, with_main: NDArray[np.bool_],
) -> tuple[Covariate, ...]:  # fmt: skip
    """Return one column per number and per further category, one value per client or therapist.

    What is known of therapists is read from sessions with the client's main one.
    """
    found: list[Covariate] = []
    for variable in dict.fromkeys((*arrows.covariates, *(m for m in moderators if m != "time"))):
        about = study.variables[variable]
        level: Level = about.level
        read = with_main if level == "therapist" else np.ones(len(rows), dtype=bool)
        unit = (client if level == "client" or therapist_of is None else therapist_of[client])[read]
        columns = bases(study, variable, rows[read], {level: unit})
        if not columns:
            rule = "The variable has one value among the clients of this model."
            raise InputError(fault(study, name, level, rule, variable, "Remove it from the model."))
        first = np.unique(unit, return_index=True)[1]
        for column in columns:
            one = column.factor
            words = about.label if one.category is None else f"{about.label}: {one.category}"
            found.append(Covariate(one.name, level, one, about.role, words, column.internal[first]))
    return tuple(sorted(found, key=lambda one: one.level != "client"))


def _by_column(arrows: tuple[Arrow, ...], covariates: tuple[Covariate, ...]) -> Iterator[Arrow]:
    """Write an arrow from a categorical covariate as one from each of its columns."""
    for arrow in arrows:
        columns = [one.name for one in covariates if one.factor.variable == arrow.source]
        for source in columns or [arrow.source]:
            yield dataclasses.replace(arrow, source=source)


def _moderations(
    arrows: Arrows, covariates: tuple[Covariate, ...], moderators: tuple[str, ...]
) -> tuple[Moderation, ...]:
    names = [
        name
        for asked in moderators
        for name in (["time"] if asked == "time" else [c.name for c in covariates if c.factor.variable == asked])
    ]
    return tuple(
        Moderation(f"{arrow.text}:{name}", p, name) for p, arrow in enumerate(arrows.session) for name in names
    )


def _trends(arrows: Arrows, options: ModelSection) -> tuple[str, ...]:
    asked = {arrow.source for arrow in arrows.client if arrow.trend} | set(options.random_slopes or ())
    return tuple(name for name in arrows.responses if name in asked)


# --- what data cannot carry ------------------------------------------------------------------------


def _refuse_degenerate(study: Study, design: PathDesign, *, single: bool) -> None:
    """Refuse designs whose likelihood has no maximum or says nothing."""
    faults = []
    if not single and int(np.bincount(design.client).max()) < 2:
        rule = "Telling clients from sessions needs clients with two or more sessions."
        faults.append(fault(study, design.name, "session", rule, "one session per client", "Add sessions."))
    for o, outcome in enumerate(design.outcomes):
        if int((~np.isnan(design.final[:, o])).sum()) < 3:
            rule = "A final outcome needs three or more clients who have it."
            faults.append(fault(study, design.name, "client", rule, outcome.name, "Remove it from the model."))
    names = list(design.names)
    for found, others in exact_combinations(names, np.column_stack([design.T, design.values]), len(design.terms)):
        rule = f"An exact combination of other variables of the model ({', '.join(others) or 'time'})."
        faults.append(fault(study, design.name, "session", rule, found, f"Remove {found} or what it is made of."))
    for level in ("client", "therapist"):
        own = [one for one in design.covariates if one.level == level]
        table = np.column_stack([one.values for one in own]) if own else np.zeros((0, 0))
        for found, others in exact_combinations([one.name for one in own], table, 0):
            rule = f"An exact combination of other variables of the model ({', '.join(others) or 'a constant'})."
            faults.append(fault(study, design.name, level, rule, found, f"Remove {found} or what it is made of."))
    if faults:
        raise InputError(*faults)


__all__ = ["build_paths", "moderator", "with_defaults"]
