"""The one likelihood of variance, growth and within_between, as a plain PyMC model.

Latent effects are written out, one line per line of the equation in :mod:`safezone.models.design`; the
marginal kernel integrates the same effects instead. Nothing loops over clients or sessions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from .design import Design, Floats, Ints
from .families import observe, offset
from .parameters import family_parameters, prior_of, sampled_variables, slots
from .priors import Prior, joint_pymc

if TYPE_CHECKING:
    import pymc as pm

    from .families import Tensor

Parameterisation = Literal["noncentred", "centred"]


def multilevel(design: Design, parameterisation: Parameterisation = "noncentred") -> pm.Model:
    """Build the PyMC model of a design.

    Parameters
    ----------
    design
        From :func:`safezone.models.build.build`.
    parameterisation
        ``noncentred`` samples standardised effects (good with few sessions per client), ``centred``
        the effects themselves (good with many).

    Returns
    -------
    pymc.Model
        With the variables that :mod:`safezone.models.design` lists; auxiliary ones end in ``_z`` or
        ``_partial``.
    """
    import pymc as pm

    with pm.Model(coords=design.coords) as model:
        builder = _Builder(design, parameterisation, _priors(design))
        fixed = _fixed_matrix(design)
        clients = builder.effects("client", "client_effect", "client_effects")
        therapists = builder.effects("therapist", "therapist_effect", "therapist_effects")
        parameters = {name: builder.parameter(name) for name in family_parameters(design)}
        if design.latent:
            _latent(builder, fixed, clients, therapists, parameters)
        else:
            eta = _outcome_part(builder, fixed, clients, therapists)
            eta = eta + _observed_part(builder, fixed, clients)
            _plain_outcome(builder, eta, parameters)
    return model


def _dot(left: Tensor | Floats, right: Tensor | Floats) -> Tensor:
    """Matrix product, typed."""
    import pytensor.tensor as pt

    return cast("Tensor", pt.dot(left, right))  # type: ignore[no-untyped-call]


def _join(parts: Sequence[Tensor | Floats], axis: int = 0) -> Tensor:
    """Concatenation, typed."""
    import pytensor.tensor as pt

    return cast("Tensor", pt.concatenate(parts, axis=axis))  # type: ignore[no-untyped-call]


def _priors(design: Design) -> dict[str, list[Prior]]:
    """Collect the priors of each variable, one per element."""
    found: dict[str, list[Prior]] = {}
    for slot in slots(design):
        found.setdefault(slot.variable, []).append(prior_of(design, slot))
    return found


@dataclass(frozen=True)
class _Builder:
    """Adds named parameters of one design to the model on the stack."""

    design: Design
    parameterisation: Parameterisation
    priors: Mapping[str, list[Prior]]

    def parameter(self, name: str) -> Tensor:
        """Add a parameter with its prior; dims as documented."""
        if name == "cutpoints":
            return self._ordered(name, "cut")
        if name == "ends":
            return self._ordered(name, "end")
        if name == "predictor_fixed":
            per_row = [prior for prior in self.priors[name] for _ in self.design.fixed]
            return joint_pymc(name, per_row, ("predictor", "term"))
        if name == "initial_loading":
            return joint_pymc(name, _loading_priors(self.design, self.priors[name][0]), ("response", "response_other"))
        dims: dict[str, str | tuple[str, ...] | None] = dict(sampled_variables(self.design))
        dims |= {"initial_fixed": ("response", "term"), "initial_intercept": "response"}
        dims |= {"initial_path": "start_path", "initial_sd": "response" if self.design.feedback else "predictor"}
        if self.priors[name][0].kind == "lkj":
            return self._correlations(name)
        return joint_pymc(name, self.priors[name], dims[name])

    def _ordered(self, name: str, dim: str) -> Tensor:
        """Add thresholds: independent priors under the constraint of rising order."""
        import pymc as pm

        start = np.linspace(-2.0, 2.0, len(self.design.coords[dim]))
        ordered = pm.distributions.transforms.ordered
        return joint_pymc(name, self.priors[name], dim, transform=ordered, initval=start)

    def _correlations(self, name: str) -> Tensor:
        """Add a correlation matrix under an LKJ prior; returns its Cholesky factor.

        The partial correlations of a C-vine are independent betas on (−1, 1) (Lewandowski, Kurowicka &
        Joe 2009), which needs neither a Jacobian nor a decomposition.
        """
        import pymc as pm
        import pytensor.tensor as pt

        dim = {
            "cor_client": "client_effect",
            "cor_therapist": "therapist_effect",
            "cor_predictor_client": "predictor",
            "cor_predictor_therapist": "predictor",
        }[name]
        size = len(self.design.coords[dim])
        eta = self.priors[name][0].parameters[0]
        shape = np.array([eta + (size - 2 - j) / 2 for i in range(1, size) for j in range(i)])
        partial = 2.0 * pm.Beta(f"{name}_partial", shape, shape) - 1.0
        rows: list[list[Tensor | float]] = [[1.0, *[0.0] * (size - 1)]]
        at = 0
        for i in range(1, size):
            left: Tensor | float = 1.0
            row: list[Tensor | float] = []
            for _ in range(i):
                row.append(partial[at] * left)
                left = left * pt.sqrt(1.0 - partial[at] ** 2)
                at += 1
            rows.append([*row, left, *[0.0] * (size - 1 - i)])
        factor = pt.stack([pt.stack([pt.as_tensor(cell) for cell in row]) for row in rows])
        pm.Deterministic(name, factor @ factor.T, dims=(dim, f"{dim}_other"))
        return factor  # type: ignore[no-any-return]

    def effects(self, unit: str, dim: str, name: str, prefix: str = "") -> Tensor | None:
        """Add the effects of clients or therapists, shape (units, effects); ``None`` without the level."""
        import pymc as pm

        if unit == "therapist" and not self.design.has_therapists:
            return None
        sd = self.parameter(f"sd_{prefix}{unit}")
        correlated = len(self.design.coords[dim]) > 1
        factor = sd[:, None] * self.parameter(f"cor_{prefix}{unit}") if correlated else None
        if self.parameterisation == "centred":
            if factor is None:
                return pm.Normal(name, 0.0, sd, dims=(unit, dim))  # type: ignore[no-any-return]
            return pm.MvNormal(name, mu=np.zeros(len(self.design.coords[dim])), chol=factor, dims=(unit, dim))  # type: ignore[no-any-return]
        z = pm.Normal(f"{name}_z", 0.0, 1.0, dims=(unit, dim))
        return pm.Deterministic(name, z * sd if factor is None else z @ factor.T, dims=(unit, dim))  # type: ignore[no-any-return]


def _loading_priors(design: Design, other: Prior) -> list[Prior]:
    own = design.priors["initial_loading_own"]
    size = len(design.responses)
    return [own if i == j else other for i in range(size) for j in range(size)]


def _fixed_matrix(design: Design) -> Tensor | Floats:
    """F, with missing covariates as standard normal unknowns."""
    import pymc as pm
    import pytensor.tensor as pt

    holes = design.holes
    if not holes.names:
        return design.F
    unknown = pm.Normal("missing_covariate", 0.0, 1.0, dims="hole_unit")
    return pt.as_tensor(design.F)[holes.row, holes.column].set(unknown[holes.unit] * holes.multiplier)  # type: ignore[no-any-return]


# --- the outcome's equation ------------------------------------------------------------------------


def _outcome_part(
    builder: _Builder,
    fixed: Tensor | Floats,
    clients: Tensor | None,
    therapists: Tensor | None,
    intercepts: bool = True,
) -> Tensor:
    """α + F'a + z'd_c + z'd_t: fixed part and effects (with or without the random intercepts)."""
    import pytensor.tensor as pt

    design = builder.design
    eta: Tensor = pt.zeros(len(design.y))
    if design.family != "ordinal":
        eta = eta + builder.parameter("intercept")
    if design.fixed:
        eta = eta + _dot(fixed, builder.parameter("fixed"))
    first = 0 if intercepts else 1
    for effects, columns, unit in (
        (clients, design.client_z, design.client),
        (therapists, design.therapist_z, design.therapist),
    ):
        if effects is not None:
            for j in range(first, columns.shape[1]):
                if np.any(columns[:, j]):
                    column = columns[:, j]
                    eta = eta + (effects[unit, j] if np.all(column == 1.0) else effects[unit, j] * column)
    return eta


def _within_part(builder: _Builder, fixed: Tensor | Floats, deviation: Sequence[Any], clients: Tensor) -> Tensor:
    """Client-specific slopes, moderation and pooled groups, all times the within deviation."""
    import pymc as pm
    import pytensor.tensor as pt

    design = builder.design
    eta: Tensor = pt.zeros(len(design.y))
    for j, effect in enumerate(design.client_effects):
        if effect.predictor >= 0:
            eta = eta + clients[design.client, j] * deviation[effect.predictor]
    if design.interactions:
        moderation = builder.parameter("moderation")
        for j, interaction in enumerate(design.interactions):
            eta = eta + moderation[j] * fixed[:, interaction.column] * deviation[interaction.predictor]
    if design.groups is not None:
        sd = builder.parameter("sd_group")
        z = pm.Normal("group_effects_z", 0.0, 1.0, dims=("group", "group_effect"))
        groups = pm.Deterministic("group_effects", z * sd, dims=("group", "group_effect"))
        eta = eta + groups[design.groups.row, 0]
        for k in range(len(design.predictors)):
            eta = eta + groups[design.groups.row, k + 1] * deviation[k]
    return eta


def _observed_part(builder: _Builder, fixed: Tensor | Floats, clients: Tensor | None) -> Tensor | float:
    """Within and between effects of observed means (the audit of latent centring)."""
    design = builder.design
    if not design.predictors or clients is None:
        return 0.0
    eta: Tensor = _dot(design.x, builder.parameter("within"))
    eta = eta + _dot(design.x_client, builder.parameter("between_client"))
    if design.has_therapists:
        eta = eta + _dot(design.x_therapist, builder.parameter("between_therapist"))
    if design.own_lag:
        eta = eta + builder.parameter("own_lag") * design.y_previous
    deviation = [design.x[:, k] for k in range(len(design.predictors))]
    return cast("Tensor", eta + _within_part(builder, fixed, deviation, clients))


def _plain_outcome(builder: _Builder, eta: Tensor, parameters: dict[str, Tensor]) -> None:
    """Likelihood of rated sessions, with an AR(1) residual if asked for."""
    import pytensor.tensor as pt

    design = builder.design
    rated = np.flatnonzero(~np.isnan(design.y))
    if design.residual == "ar1":
        # y_i − μ_i depends on the client's last rated session, g sessions ago: ρ^g, variance σ²(1 − ρ^2g).
        rho = builder.parameter("autocorrelation")
        linked = design.previous >= 0
        carried = pt.switch(linked, rho ** np.maximum(design.gap, 1).astype(np.float64), 0.0)
        before = np.where(linked, design.previous, 0)
        eta = eta + carried * (design.y[before] - eta[before])
        parameters = {**parameters, "sd_residual": (parameters["sd_residual"] * pt.sqrt(1 - carried**2))[rated]}
    observe(design.family, design.y[rated], eta[rated] + offset(design.outcome), parameters)


# --- latent centring -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Means:
    """Latent means m of predictors and outcome per level: (units, responses), with the rows' units."""

    levels: tuple[tuple[Tensor, Ints], ...]

    def row(self, coefficients: Tensor) -> Tensor:
        """Return Σ_v coefficient_v · m_v of each row's client and therapist, shape (rows,)."""
        parts = [_dot(means, coefficients)[unit] for means, unit in self.levels]
        return parts[0] if len(parts) == 1 else cast("Tensor", parts[0] + parts[1])


def _latent(
    builder: _Builder,
    fixed: Tensor | Floats,
    clients: Tensor | None,
    therapists: Tensor | None,
    parameters: dict[str, Tensor],
) -> None:
    """Predictors and outcome as responses of one recursive system with latent means."""
    import pytensor.tensor as pt

    design = builder.design
    size = len(design.responses)
    means = _latent_means(builder, clients, therapists)
    values = [_filled(design, v) for v in range(size)]
    now, before = _path_matrices(builder)
    intercept, slopes = _predictor_equations(builder)
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
            mean = mean + _outcome_part(builder, fixed, clients, therapists, intercepts=False)
            if clients is not None and _multiplies_deviation(design):
                deviation = _deviations(design, fixed, means, values, (now, before), (intercept, slopes))
                mean = mean + _within_part(builder, fixed, deviation, clients)
        else:
            mean = mean + intercept[target]
            if slopes is not None:
                mean = mean + _dot(fixed, slopes[target])
        sd = sds[target]
        if initial is not None:
            mean = pt.switch(start, initial.mean(target, fixed, values, means), mean)
            sd = None if sd is None else pt.switch(start, initial.sd[target], sd)
        _response(builder, target, values[target], mean, sd, parameters)


def _multiplies_deviation(design: Design) -> bool:
    slopes = any(effect.predictor >= 0 for effect in design.client_effects)
    return slopes or bool(design.interactions) or design.groups is not None


def _latent_means(builder: _Builder, clients: Tensor | None, therapists: Tensor | None) -> _Means:
    """M = (m_x, m_y) with m_y = Σ_k B_k m_k + d at each level."""
    design = builder.design
    levels: list[tuple[Tensor, Ints]] = []
    for unit, effects, rows in (("client", clients, design.client), ("therapist", therapists, design.therapist)):
        predictors = builder.effects(unit, "predictor", f"predictor_{unit}", "predictor_")
        if predictors is not None and effects is not None:
            own = _dot(predictors, builder.parameter(f"between_{unit}")) + effects[:, 0]
            levels.append((_join([predictors, own[:, None]], axis=1), rows))
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


def _path_matrices(builder: _Builder) -> tuple[Paths, Paths]:
    """Return A (same session) and Φ (previous session) as target → source → coefficient."""
    design = builder.design
    now: Paths = {}
    before: Paths = {}
    outcome = len(design.predictors)
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


def _predictor_equations(builder: _Builder) -> tuple[Tensor, Tensor | None]:
    """g_0 (predictor) and g (predictor, fixed)."""
    slopes = builder.parameter("predictor_fixed") if builder.design.fixed else None
    return builder.parameter("predictor_intercept"), slopes


def _predictor_sds(builder: _Builder) -> dict[int, Tensor | None]:
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
    """X − its expectation for this client at this time, of this session (lag 0) or the previous one.

    The expectation solves the equations of the fixed parts, (I − A − Φ) M = g_0 + F'g, plus m; the
    outcome's own equation is part of the system where it feeds back on the predictors.
    """
    import pymc as pm
    import pytensor.tensor as pt

    model = pm.modelcontext(None)
    predictors = len(design.predictors)
    size = predictors + 1 if design.feedback else predictors
    now, before = paths
    rows = [np.eye(size)[k] - _row(now, k, size) - _row(before, k, size) for k in range(size)]
    intercept, slopes = equations
    right = intercept[:, None] if slopes is None else _join([intercept[:, None], slopes], axis=1)
    if design.feedback:
        own = [model["intercept"][None], *([model["fixed"]] if slopes is not None else [])]
        right = _join([right, _join(own)[None]], axis=0)
    total = pt.linalg.solve(pt.stack(rows), right)
    found: list[Tensor] = []
    for k in range(predictors):
        expected = total[k, 0] + means.row(pt.as_tensor(np.eye(predictors + 1)[k]))
        if slopes is not None:
            expected = expected + _dot(fixed, total[k, 1:])
        deviation = values[k] - expected
        found.append(deviation[np.maximum(design.previous, 0)] if design.options.lag == 1 else deviation)
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
    def of(cls, builder: _Builder) -> _Initial:
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
            mean = mean + _dot(fixed, self.slopes[target])
        if self.path is not None:
            for j, path in enumerate(self.design.initial_paths):
                if path.target == target:
                    mean = mean + self.path[j] * values[path.source]
        return mean  # type: ignore[no-any-return]


def _response(
    builder: _Builder,
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


__all__ = ["Parameterisation", "multilevel"]
