"""Latent centring: predictors and outcome as responses of one recursive system with latent means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from .design import Design, Floats, Ints
from .families import observe, offset
from .multilevel_outcome import outcome_part, product_part, surface_part, within_part
from .multilevel_parameters import Builder, dot, join
from .surface_design import level_columns

if TYPE_CHECKING:
    from .families import Tensor


@dataclass(frozen=True)
class _Means:
    """Latent means m of predictors and outcome per level: (units, responses), with the rows' units."""

    levels: tuple[tuple[Tensor, Ints], ...]

    def row(self, coefficients: Tensor) -> Tensor:
        """Return Σ_v coefficient_v · m_v of each row's client and therapist, shape (rows,)."""
        parts = [dot(means, coefficients)[unit] for means, unit in self.levels]
        return parts[0] if len(parts) == 1 else cast("Tensor", parts[0] + parts[1])


def latent_responses(
    builder: Builder,
    fixed: Tensor | Floats,
    clients: Tensor | None,
    therapists: Tensor | None,
    parameters: dict[str, Tensor],
) -> None:
    """Predictors and outcome as responses of one recursive system with latent means."""
    import pytensor.tensor as pt

    design = builder.design
    size = len(design.responses)
    ratings = _rating_means(builder)
    values = [_filled(design, v) for v in range(size)]
    now, before = _path_matrices(builder)
    intercept, slopes = equations = _predictor_equations(builder)
    deviation: list[Tensor] = []
    usual: list[Tensor] = []
    if design.surface is not None:
        below = _latent_means(builder, ratings, {"client": None, "therapist": None})
        own, held = level_columns(design)
        usual = _expectations(design, fixed * own + held, below, (now, before), equations)
        deviation = _deviations(design, fixed, below, values, (now, before), equations)
        if clients is None:
            first = np.unique(design.client, return_index=True)[1]
            start_at = builder.parameter("intercept") if design.family != "ordinal" else 0.0
            level = start_at + surface_part(builder, "between_client", [each[first] for each in usual])
            clients, therapists = builder.nested("client_effect", "client_effects", "", level[:, None])
    means = _latent_means(builder, ratings, {"client": clients, "therapist": therapists})
    initial = _Initial.of(builder) if design.dynamic else None
    start = design.previous < 0
    last = np.where(start, 0, design.previous)
    sds = {**_predictor_sds(builder), size - 1: parameters.get("sd_residual")}
    for target in range(size):
        # (I − A − Φ) m: what remains of the latent means beside the values on the right-hand side
        rest = np.eye(size)[target] - _row(now, target, size) - _row(before, target, size)
        mean: Tensor = means.row(pt.as_tensor(rest))
        for source, coefficient in now.get(target, {}).items():
            mean = mean + coefficient * values[source]
        for source, coefficient in before.get(target, {}).items():
            mean = mean + coefficient * values[source][last]
        if target == size - 1:
            mean = mean + outcome_part(builder, fixed, clients, therapists, intercepts=False)
            if design.surface is not None:
                mean = (
                    mean + surface_part(builder, "within", deviation) + surface_part(builder, "between_client", usual)
                )
            elif clients is not None and _multiplies_deviation(design):
                deviation = _deviations(design, fixed, means, values, (now, before), (intercept, slopes))
                mean = mean + within_part(builder, fixed, deviation, clients)
            mean = mean + product_part(builder)
        else:
            mean = mean + intercept[target]
            if slopes is not None:
                mean = mean + dot(fixed, slopes[target])
        sd = sds[target]
        if initial is not None:
            mean = pt.switch(start, initial.mean(target, fixed, values, means), mean)
            sd = None if sd is None else pt.switch(start, initial.sd[target], sd)
        _response(builder, target, values[target], mean, sd, parameters)


def _multiplies_deviation(design: Design) -> bool:
    slopes = any(effect.predictor >= 0 for effect in design.client_effects)
    return slopes or bool(design.interactions) or design.groups is not None


Ratings = dict[str, "Tensor | None"]


def _rating_means(builder: Builder) -> Ratings:
    """Latent means of the predictors by level, ``None`` without the level."""
    if builder.parameterisation == "nested":
        location = builder.parameter("predictor_intercept")
        clients, therapists = builder.nested("predictor", "predictor_client", "predictor_", location)
        return {"client": clients, "therapist": therapists}
    return {u: builder.effects(u, "predictor", f"predictor_{u}", "predictor_") for u in ("client", "therapist")}


def _latent_means(builder: Builder, ratings: Ratings, own: Ratings) -> _Means:
    """M = (m_x, m_y) with m_y = Σ_k B_k m_k + d at each level, d the outcome's ``own`` effects."""
    import pytensor.tensor as pt

    design = builder.design
    levels: list[tuple[Tensor, Ints]] = []
    for unit, rows in (("client", design.client), ("therapist", design.therapist)):
        predictors, effects = ratings[unit], own[unit]
        if predictors is None:
            continue
        outcome = pt.zeros(predictors.shape[0]) if effects is None else effects[:, 0]
        if design.surface is None:
            outcome = dot(predictors, builder.parameter(f"between_{unit}")) + outcome
        levels.append((join([predictors, outcome[:, None]], axis=1), rows))
    return _Means(tuple(levels))


def _filled(design: Design, response: int) -> Tensor | Floats:
    """Values of a response with missing ones as unknowns (the outcome only where others depend on it)."""
    import pymc as pm
    import pytensor.tensor as pt

    outcome = response == len(design.predictors)
    column = design.y if outcome else design.x[:, response]
    missing = np.flatnonzero(np.isnan(column))
    if len(missing) == 0 or (outcome and not design.feedback):
        return np.nan_to_num(column)
    name = f"missing_{design.responses[response]}"
    dim = f"hole_{design.responses[response]}"
    pm.modelcontext(None).add_coord(dim, list(range(len(missing))))
    unknown = pm.Flat(name, dims=dim)
    return pt.as_tensor(np.nan_to_num(column))[missing].set(unknown)  # type: ignore[no-any-return]


Paths = dict[int, dict[int, Any]]


def _path_matrices(builder: Builder) -> tuple[Paths, Paths]:
    """Return A (same session) and Φ (previous session) as target → source → coefficient."""
    design = builder.design
    now: Paths = {}
    before: Paths = {}
    outcome = len(design.predictors)
    if design.surface is None:
        within = builder.parameter("within")
        effects = before if design.options.lag == 1 else now
        effects[outcome] = {k: within[k] for k in range(outcome)}
    if design.own_lag:
        before.setdefault(outcome, {})[outcome] = builder.parameter("own_lag")
    if design.paths:
        nuisance = builder.parameter("nuisance")
        for j, path in enumerate(design.paths):
            (before if path.lag else now).setdefault(path.target, {})[path.source] = nuisance[j]
    return now, before


def _row(paths: Paths, target: int, size: int) -> Tensor:
    """One row of A or Φ."""
    import pytensor.tensor as pt

    found = paths.get(target, {})
    return pt.stack([pt.as_tensor(found.get(source, 0.0)) for source in range(size)])  # type: ignore[no-any-return]


def _predictor_equations(builder: Builder) -> tuple[Tensor, Tensor | None]:
    """g_0 (predictor) and g (predictor, fixed)."""
    slopes = builder.parameter("predictor_fixed") if builder.design.fixed else None
    return builder.parameter("predictor_intercept"), slopes


def _predictor_sds(builder: Builder) -> dict[int, Tensor | None]:
    sd = builder.parameter("sd_predictor_residual")
    return {k: sd[k] for k in range(len(builder.design.predictors))}


def _deviations(
    design: Design,
    fixed: Tensor | Floats,
    means: _Means,
    values: Sequence[Tensor | Floats],
    paths: tuple[Paths, Paths],
    equations: tuple[Tensor, Tensor | None],
) -> list[Tensor]:
    """X − its expectation for this client at this time, of this session (lag 0) or the previous one."""
    found: list[Tensor] = []
    for value, expected in zip(values, _expectations(design, fixed, means, paths, equations), strict=False):
        deviation = value - expected
        found.append(deviation[np.maximum(design.previous, 0)] if design.options.lag == 1 else deviation)
    return found


def _expectations(
    design: Design,
    fixed: Tensor | Floats,
    means: _Means,
    paths: tuple[Paths, Paths],
    equations: tuple[Tensor, Tensor | None],
) -> list[Tensor]:
    """Return what is usual for each row's client at F, per predictor.

    It solves the equations of the fixed parts, (I − A − Φ) M = g_0 + F'g, plus m; the outcome's own equation
    is part of the system where it feeds back on the predictors.
    """
    import pymc as pm
    import pytensor.tensor as pt

    model = pm.modelcontext(None)
    predictors = len(design.predictors)
    size = predictors + 1 if design.feedback else predictors
    now, before = paths
    rows = [np.eye(size)[k] - _row(now, k, size) - _row(before, k, size) for k in range(size)]
    intercept, slopes = equations
    right = intercept[:, None] if slopes is None else join([intercept[:, None], slopes], axis=1)
    if design.feedback:
        own = [model["intercept"][None], *([model["fixed"]] if slopes is not None else [])]
        right = join([right, join(own)[None]], axis=0)
    total = pt.linalg.solve(pt.stack(rows), right)
    found: list[Tensor] = []
    for k in range(predictors):
        expected = total[k, 0] + means.row(pt.as_tensor(np.eye(predictors + 1)[k]))
        if slopes is not None:
            expected = expected + dot(fixed, total[k, 1:])
        found.append(expected)
    return found


@dataclass(frozen=True)
class _Initial:
    """Rows that start a series: own intercept, slopes, loadings on (m_x, m_y), paths and SDs."""

    design: Design
    intercept: Tensor
    slopes: Tensor | None
    loading: Tensor
    path: Tensor | None
    sds: Tensor

    @classmethod
    def of(cls, builder: Builder) -> _Initial:
        """Add their parameters to the model on the stack."""
        design = builder.design
        return cls(
            design,
            builder.parameter("initial_intercept"),
            builder.parameter("initial_fixed") if design.fixed else None,
            builder.parameter("initial_loading"),
            builder.parameter("initial_path") if design.initial_paths else None,
            builder.parameter("initial_sd"),
        )

    @property
    def sd(self) -> list[Tensor | None]:
        """Residual SD per response; none for an outcome whose family has none."""
        count = len(self.design.coords["response" if self.design.feedback else "predictor"])
        found: list[Tensor | None] = [self.sds[v] for v in range(count)]
        return found + [None] * (len(self.design.responses) - count)

    def mean(self, target: int, fixed: Tensor | Floats, values: Sequence[Tensor | Floats], means: _Means) -> Tensor:
        """g⁰_0 + F'g⁰ + Σ A⁰ r + λ'm."""
        mean = self.intercept[target] + means.row(self.loading[target])
        if self.slopes is not None:
            mean = mean + dot(fixed, self.slopes[target])
        if self.path is not None:
            for j, path in enumerate(self.design.initial_paths):
                if path.target == target:
                    mean = mean + self.path[j] * values[path.source]
        return mean  # type: ignore[no-any-return]


def _response(
    builder: Builder,
    target: int,
    value: Tensor | Floats,
    mean: Tensor,
    sd: Tensor | None,
    parameters: Mapping[str, Tensor],
) -> None:
    """Likelihood of one response: rated sessions observed, the others under the same law."""
    import pymc as pm

    design = builder.design
    name = design.responses[target]
    outcome = target == len(design.predictors)
    column = design.y if outcome else design.x[:, target]
    rated, missing = np.flatnonzero(~np.isnan(column)), np.flatnonzero(np.isnan(column))

    def spread(rows: Ints) -> Tensor | None:
        return sd[rows] if sd is not None and sd.ndim == 1 else sd

    if outcome:
        own = dict(parameters)
        residual = spread(rated)
        if residual is not None:
            own["sd_residual"] = residual
        observe(design.family, column[rated], mean[rated] + offset(design.outcome), own)
    else:
        pm.Normal(f"x_{name}", mean[rated], spread(rated), observed=column[rated])
    if len(missing) and (not outcome or design.feedback):
        unknown = value[missing]
        if outcome and design.family == "student_t":
            law = pm.StudentT.dist(nu=parameters["nu"], mu=mean[missing], sigma=spread(missing))
        else:
            law = pm.Normal.dist(mean[missing], spread(missing))
        pm.Potential(f"{name}_missing_law", pm.logp(law, unknown).sum())
