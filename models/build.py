"""From a study to a design: rows, scales, columns, links, effects, paths, priors."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..data.centring import observed_means
from ..data.errors import InputError
from ..data.time import Course, TimeAxis, course, time_axis
from .columns import Base, FixedPart, bases, fixed_part, raw_values
from .degenerate import refuse_degenerate
from .design import (
    Design,
    Effect,
    Factor,
    Floats,
    Interaction,
    Ints,
    Measure,
    Path,
    RowAccount,
)
from .design_parts import CourseGrid, Groups
from .families import laws
from .interactions import products_of
from .options import fault, pooled_moderators, resolve
from .parameters import default_priors, with_overrides
from .raters import rater_notes
from .rows import Links, lag_links, main_variables, no_links, residual_links, select, series_starts, units
from .scales import outcome_scale, predictor_scales, rating
from .surface_design import surface_of

if TYPE_CHECKING:
    from ..data.config import Level, ModelSection
    from ..data.study import Study

GRID = 41
"""Times at which curves are drawn."""


def build(study: Study, kind: str, name: str, options: ModelSection) -> Design:
    """Return the design of one model for one study.

    Parameters
    ----------
    study
        The study.
    kind
        ``variance``, ``growth``, ``within_between`` or ``congruence``.
    name
        The model's name in the study file.
    options
        As written there.

    Returns
    -------
    Design

    Raises
    ------
    InputError
        If an option is wrong or the data cannot carry the model.
    """
    options = resolve(study, name, kind, options)
    axis = time_axis(study, options) if options.time != "none" else time_axis(study, "session")
    rows, excluded = _rows(study, name, options, axis)
    code, known_therapists = units(study, options, rows)
    outcome, y = outcome_scale(study, name, options, rows)
    predictors, x = predictor_scales(study, name, options, rows)
    pooled = pooled_moderators(study, options)
    main = _main(study, name, options, rows, code, pooled)
    time = timing(axis, rows, options)
    part = fixed_part([(f, c) for f, c in zip(time.factors, time.columns.T, strict=True)], main, options.by)
    if not part.columns:
        part = dataclasses.replace(part, F=np.zeros((len(rows), 0)))
    dynamic = options.centring == "latent" and bool(options.predictors) and (options.lag == 1 or bool(options.own_lag))
    links = _links(study, options, rows, axis, dynamic, outcome)
    with_therapists = options.therapist_level and known_therapists >= 2
    effects = _effects(options, time)
    therapist_effects = tuple(e for e in effects if e.predictor < 0) if with_therapists else ()
    observed = _observed(study, options, rows, code, with_therapists, outcome, predictors)
    design = Design(
        kind=kind,
        name=name,
        options=options,
        outcome=outcome,
        predictors=predictors,
        fixed=part.columns,
        y=y,
        x=observed.within if options.centring == "observed" else x,
        F=part.F,
        holes=part.holes,
        client=code["client"],
        therapist=code["therapist"] if with_therapists else np.zeros(0, dtype=np.int64),
        clients=int(code["client"].max()) + 1,
        therapists=int(code["therapist"].max()) + 1 if with_therapists else 0,
        known_therapists=known_therapists,
        row=rows,
        session=study.sessions["session"].to_numpy(dtype=np.int64)[rows],
        time=axis.values[rows],
        time_unit=axis.unit,
        course=time.grid(effects, therapist_effects),
        previous=links.previous,
        gap=links.gap,
        client_effects=effects,
        therapist_effects=therapist_effects,
        client_z=time.effect_columns(effects),
        therapist_z=time.effect_columns(therapist_effects),
        interactions=_interactions(options, part, pooled),
        groups=_groups(study, rows, pooled),
        paths=(),
        dynamic=dynamic,
        own_lag=bool(options.own_lag),
        residual=options.residual,
        x_client=observed.client,
        x_therapist=observed.therapist,
        y_previous=observed.previous,
        priors=default_priors(),
        account=RowAccount(len(study.sessions), len(rows), tuple(excluded)),
        notes=_notes(study, options, known_therapists, code["client"]),
        surface=surface_of(study, options, rows, part, predictors) if kind == "congruence" else None,
        products=products_of(
            options, observed.within if options.centring == "observed" else x, code["client"], time.columns
        ),
    )
    design = dataclasses.replace(design, paths=nuisance_paths(design))
    design = dataclasses.replace(design, account=_account(study, design, axis.values))
    refuse_degenerate(study, design)
    return with_overrides(study, design)


# --- rows ------------------------------------------------------------------------------------------


def _rows(study: Study, name: str, options: ModelSection, axis: TimeAxis) -> tuple[Ints, list[tuple[str, int]]]:
    """Select the rows; observed centring with a lag also needs a complete previous session."""
    selection = select(study, options, axis.values)
    rows, excluded = selection.rows, list(selection.excluded)
    if options.centring == "observed" and (options.lag == 1 or options.own_lag):
        previous = lag_links(study, options, rows, axis.values).previous
        excluded.append(("no previous session", int((previous < 0).sum())))
        rows = rows[previous >= 0]
    if len(rows) == 0:
        reasons = "; ".join(f"{reason}: {n}" for reason, n in excluded)
        rule = "No session can enter this model."
        raise InputError(fault(study, name, "outcome", rule, reasons, "Check the variables that the model uses."))
    return rows, excluded


def _account(study: Study, design: Design, times: Floats) -> RowAccount:
    """Count imputed values and starts of series."""
    imputed: list[tuple[str, int]] = []
    if design.latent:
        for k, predictor in enumerate(design.predictors):
            imputed.append((predictor.name, int(np.isnan(design.x[:, k]).sum())))
        if design.feedback:
            imputed.append((design.outcome.name, int(np.isnan(design.y).sum())))
    imputed.extend((name, design.holes.names.count(name)) for name in dict.fromkeys(design.holes.names))
    links = Links(design.previous, design.gap)
    starts = series_starts(study, design.options, design.row, times, links) if design.dynamic else ()
    return dataclasses.replace(design.account, imputed=tuple((n, k) for n, k in imputed if k), starts=starts)


def _links(study: Study, options: ModelSection, rows: Ints, axis: TimeAxis, dynamic: bool, outcome: Measure) -> Links:
    """Link rows; a dynamic model needs the previous ratings that its equations multiply."""
    if dynamic:
        carried = (outcome.name,) if laws()[outcome.family].continuous else ()
        return lag_links(study, options, rows, axis.values, needed=(*options.predictors, *carried))
    if options.residual == "ar1":
        return residual_links(study, rows)
    return no_links(rows)


def _notes(study: Study, options: ModelSection, known_therapists: int, client: Ints) -> tuple[str, ...]:
    notes: list[str] = []
    if options.therapist_level and study.has_therapists and known_therapists < 2:
        notes.append("There is one therapist: the therapist level is left out.")
    elif options.therapist_level and 2 <= known_therapists < 5:
        notes.append(f"With {known_therapists} therapists the variance between therapists rests mostly on its prior.")
    sizes = np.bincount(client)
    few = int((sizes < 2).sum())
    if few:
        notes.append(f"{few} of {len(sizes)} clients have one session and say nothing about change within clients.")
    return tuple(notes) + (rater_notes(study, options) if options.kind == "congruence" else ())


# --- columns ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Timing:
    """The course over time in internal units, with what a client's own slope multiplies."""

    course: Course
    factors: tuple[Factor, ...]
    columns: Floats
    times: Floats
    linear_scale: float

    def at(self, times: Floats) -> Floats:
        """Return internal time columns at raw times."""
        scales = np.array([factor.scale for factor in self.factors])
        return np.asarray(self.course.at(times) / scales) if self.factors else np.zeros((len(times), 0))

    def _effect(self, effect: Effect, times: Floats) -> Floats:
        if effect.name == "intercept":
            return np.ones(len(times))
        if effect.predictor >= 0:
            return np.zeros(len(times))
        if effect.name in self.course.names:
            return np.asarray(self.at(times)[:, self.course.names.index(effect.name)])
        return np.asarray(times / self.linear_scale)

    def effect_columns(self, effects: tuple[Effect, ...], times: Floats | None = None) -> Floats:
        """Return the columns of random effects at the rows (or at other times), shape (n, effects)."""
        at = self.times if times is None else times
        return np.column_stack([self._effect(e, at) for e in effects]) if effects else np.zeros((len(at), 0))

    def grid(self, client: tuple[Effect, ...], therapist: tuple[Effect, ...]) -> CourseGrid:
        """Return the course on a grid over the observed times."""
        known = self.times[~np.isnan(self.times)]
        times = np.linspace(known.min(), known.max(), GRID) if self.factors else np.zeros(1)
        option = "none" if not self.factors else ", ".join(self.course.names)
        return CourseGrid(
            option, times, self.at(times), self.effect_columns(client, times), self.effect_columns(therapist, times)
        )


def timing(axis: TimeAxis, rows: Ints, options: ModelSection) -> Timing:
    times = axis.values[rows]
    shape = course(times, options.time or "none")
    scales = shape.columns.std(axis=0, ddof=1) if len(rows) > 1 else np.ones(len(shape.names))
    scales = np.where(scales > 0, scales, 1.0)
    factors = tuple(Factor(n, "time", None, 0.0, float(s)) for n, s in zip(shape.names, scales, strict=True))
    spread = float(np.nanstd(times, ddof=1)) if len(rows) > 1 else 1.0
    columns = shape.columns / scales if factors else np.zeros((len(rows), 0))
    return Timing(shape, factors, columns, times, spread if spread > 0 else 1.0)


def _main(
    study: Study, name: str, options: ModelSection, rows: Ints, code: dict[Level, Ints], pooled: tuple[str, ...]
) -> list[Base]:
    """Return the main columns; a variable that does not vary is an error."""
    columns: list[Base] = []
    keys = {**dict.fromkeys(options.by, "by"), **dict.fromkeys(options.covariates, "covariates")}
    for variable in main_variables(options):
        if variable in pooled:
            continue
        found = bases(study, variable, rows, code)
        if not found:
            rule = "The variable has one value among the rows of this model."
            key = keys.get(variable, "moderators")
            raise InputError(fault(study, name, key, rule, variable, "Remove it from the model."))
        columns.extend(found)
    return columns


def _effects(options: ModelSection, time: Timing) -> tuple[Effect, ...]:
    """Return intercept, time slopes and within slopes that differ between clients.

    Slopes of time: every column of a linear, log or piecewise course; the linear trend of a quadratic
    or spline course, whose bends are common to all clients, and of averages by session.
    """
    effects = [Effect("intercept", -1, 1.0)]
    slopes = options.random_slopes or ()
    if "time" in slopes:
        bent = time.course.names[0].startswith(("time_s1", "time_at_")) or "time^2" in time.course.names
        if bent:
            linear = next((f.scale for f in time.factors if f.name == "time"), time.linear_scale)
            effects.append(Effect("time", -1, linear))
        else:
            effects.extend(Effect(factor.name, -1, factor.scale) for factor in time.factors)
    for k, predictor in enumerate(options.predictors):
        if predictor in slopes:
            effects.append(Effect(predictor, k, 1.0))
    return tuple(effects)


def _interactions(options: ModelSection, part: FixedPart, pooled: tuple[str, ...]) -> tuple[Interaction, ...]:
    moderators = [m for m in options.moderators if m not in pooled]
    return tuple(
        Interaction(f"{predictor}:{column.name}", k, j)
        for k, predictor in enumerate(options.predictors)
        for j, column in enumerate(part.columns)
        if column.part == "main" and column.factors[0].variable in moderators
    )


def _groups(study: Study, rows: Ints, pooled: tuple[str, ...]) -> Groups | None:
    if not pooled:
        return None
    values = raw_values(study, pooled[0], rows).astype("category").cat.remove_unused_categories()
    categories = tuple(str(c) for c in values.cat.categories)
    return Groups(pooled[0], study.variables[pooled[0]].level, categories, values.cat.codes.to_numpy().astype(np.int64))


@dataclass(frozen=True)
class _Observed:
    within: Floats
    client: Floats
    therapist: Floats
    previous: Floats


def _observed(
    study: Study,
    options: ModelSection,
    rows: Ints,
    code: dict[Level, Ints],
    with_therapists: bool,
    outcome: Measure,
    predictors: tuple[Measure, ...],
) -> _Observed:
    """Split predictors by observed means over all rated sessions, internal units.

    With a lag, within deviations and the outcome are those of the previous session.
    """
    none = np.zeros((len(rows), 0))
    if options.centring != "observed":
        return _Observed(none, none, none, np.zeros(0))
    sessions = study.sessions
    client = sessions["client"].to_numpy()
    therapist = sessions["therapist"].to_numpy() if with_therapists else None
    source = rows
    if options.lag == 1 or options.own_lag:
        every = np.arange(len(sessions), dtype=np.int64)
        times = time_axis(study, options).values
        source = lag_links(study, options, every, times).previous[rows]
    within, between, above = [], [], []
    for predictor in predictors:
        raw = rating(study, options, predictor.name)
        parts = observed_means(raw, client, therapist)
        within.append(parts.within[source if options.lag == 1 else rows] / predictor.sd)
        between.append(np.nan_to_num(parts.between_client)[rows] / predictor.sd)
        if parts.between_therapist is not None:
            above.append(np.nan_to_num(parts.between_therapist)[rows] / predictor.sd)
    previous = np.zeros(0)
    if options.own_lag:
        previous = observed_means(sessions[outcome.name].to_numpy(dtype=np.float64), client).within[source] / outcome.sd
    return _Observed(
        np.column_stack(within), np.column_stack(between), np.column_stack(above) if above else none, previous
    )


# --- paths -----------------------------------------------------------------------------------------


def nuisance_paths(design: Design) -> tuple[Path, ...]:
    """Return the paths beside within effects and own lag that make the likelihood complete.

    Predictors are regressed on predictors before them, which leaves their residuals independent. In a
    dynamic model they also depend on the previous session's predictors and (continuous) outcome, and
    with lag 1 on this session's outcome, so that feedback from outcome to predictor does not bias the
    lagged effects.
    """
    if not design.latent:
        return ()
    names = design.responses
    k = len(design.predictors)
    paths: list[Path] = []
    for target in range(k):
        paths.extend(Path(f"{names[target]}<-{names[s]}", target, s, 0) for s in design.sources(target))
        if design.dynamic:
            lagged = range(k + 1) if design.feedback else range(k)
            paths.extend(Path(f"{names[target]}<-{names[s]}.previous", target, s, 1) for s in lagged)
    return tuple(paths)


__all__ = ["build", "nuisance_paths"]
