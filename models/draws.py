"""Posterior draws as plain arrays: the same equation as the PyMC model, in NumPy.

A :class:`System` holds the draws of one design and returns the expectation of any response at any rows.
It needs nothing but the documented posterior variables, so that every sampler's posterior can be
predicted from, checked and drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .design import Design, Floats, Ints
from .families import offset
from .interactions import products
from .parameters import family_parameters
from .surface import VARIABLES, terms
from .surface_design import level_columns

if TYPE_CHECKING:
    import xarray as xr


def flatten(posterior: xr.Dataset) -> dict[str, Floats]:
    """Return every variable as an array with chains and draws in one first axis."""
    count = posterior.sizes["chain"] * posterior.sizes["draw"]
    found: dict[str, Floats] = {}
    for name in posterior.data_vars:
        values = posterior[name].transpose("chain", "draw", ...).to_numpy()
        found[str(name)] = np.ascontiguousarray(values.reshape(count, *values.shape[2:]), dtype=np.float64)
    return found


@dataclass(frozen=True)
class Effects:
    """Effects per level: of the outcome (draws, units, effects) and latent means of predictors (draws, units, K)."""

    client: Floats
    therapist: Floats | None
    predictor_client: Floats | None
    predictor_therapist: Floats | None


@dataclass(frozen=True)
class System:
    """Draws of one design, ready to compute expectations.

    Parameters
    ----------
    design
        The design.
    draws
        Flat draws by posterior variable (see :func:`flatten`).
    effects
        Effects of the clients and therapists in the rows (observed or new ones).
    now, before
        A and Φ, shape (draws, responses, responses).
    """

    design: Design
    draws: Mapping[str, Floats]
    effects: Effects
    now: Floats
    before: Floats

    @property
    def count(self) -> int:
        """Number of draws."""
        return int(self.draws["sd_client"].shape[0])

    def family(self) -> dict[str, Floats]:
        """Return the family's parameters, shape (draws, 1) or (draws, cut)."""
        return {
            name: self.draws[name] if self.draws[name].ndim == 2 else self.draws[name][:, None]
            for name in family_parameters(self.design)
        }

    # --- pieces of the equation --------------------------------------------------------------------

    def fixed(self, coefficients: Floats, rows: Ints) -> Floats:
        """Return F'g at rows, shape (draws, rows), with imputed covariates."""
        design = self.design
        total = coefficients @ design.F[rows].T
        if design.holes.names and "missing_covariate" in self.draws:
            position = np.full(len(design.y), -1)
            position[rows] = np.arange(len(rows))
            holes = design.holes
            keep = position[holes.row] >= 0
            value = self.draws["missing_covariate"][:, holes.unit[keep]] * holes.multiplier[keep]
            np.add.at(total.T, position[holes.row[keep]], (value * coefficients[:, holes.column[keep]]).T)
        return np.asarray(total)

    def column(self, j: int, rows: Ints) -> Floats:
        """Return one column of F at rows, shape (draws, rows)."""
        unit = np.zeros((self.count, self.design.F.shape[1]))
        unit[:, j] = 1.0
        return self.fixed(unit, rows)

    def means(self, level: str) -> Floats | None:
        """Return latent means m = (m_x, m_y) of clients or therapists, shape (draws, units, responses)."""
        own = self.effects.client if level == "client" else self.effects.therapist
        predictors = self.effects.predictor_client if level == "client" else self.effects.predictor_therapist
        if own is None or predictors is None:
            return None
        outcome = own[:, :, 0]  # with a surface, the outcome's intercept beside it
        if self.design.surface is None:
            outcome = np.einsum("suk,sk->su", predictors, self.draws[f"between_{level}"]) + outcome
        return np.concatenate([predictors, outcome[:, :, None]], axis=2)

    def row_means(self, coefficients: Floats, rows: Ints) -> Floats:
        """Return Σ_v coefficient_v · m_v of the rows' client and therapist; coefficients (draws, responses)."""
        total = np.zeros((self.count, len(rows)))
        for level, unit in (("client", self.design.client), ("therapist", self.design.therapist)):
            means = self.means(level)
            if means is not None:
                total += np.einsum("suv,sv->su", means, coefficients)[:, unit[rows]]
        return total

    def random(self, rows: Ints, first: int) -> Floats:
        """Return z'd_c + z'd_t at rows from the given effect on (0 with, 1 without intercepts)."""
        total = np.zeros((self.count, len(rows)))
        design = self.design
        for effects, columns, unit in (
            (self.effects.client, design.client_z, design.client),
            (self.effects.therapist, design.therapist_z, design.therapist),
        ):
            if effects is not None:
                for j in range(first, columns.shape[1]):
                    total += effects[:, unit[rows], j] * columns[rows, j]
        return total

    def totals(self) -> Floats:
        """Return intercept and slopes of the predictors' expected course, shape (draws, K, 1 + fixed)."""
        design = self.design
        k = len(design.predictors)
        size = k + 1 if design.feedback else k
        right = [self.draws["predictor_intercept"][:, :, None]]
        if design.fixed:
            right.append(self.draws["predictor_fixed"])
        matrix = np.concatenate(right, axis=2)
        if design.feedback:
            own = [self.draws["intercept"][:, None], *([self.draws["fixed"]] if design.fixed else [])]
            matrix = np.concatenate([matrix, np.concatenate(own, axis=1)[:, None, :]], axis=1)
        left = np.eye(size) - (self.now + self.before)[:, :size, :size]
        return np.asarray(np.linalg.solve(left, matrix)[:, :k])

    def deviations(self, rows: Ints, values: Floats) -> Floats:
        """Return predictors minus their expectation for the client and time, shape (draws, rows, K)."""
        design = self.design
        k = len(design.predictors)
        if not design.latent:
            return np.broadcast_to(design.x[rows], (self.count, len(rows), k))
        source = np.maximum(design.previous[rows], 0) if design.options.lag == 1 else rows
        return np.asarray(values[:, source, :k] - self.expectations(source))

    def expectations(self, rows: Ints, *, level: bool = False) -> Floats:
        """Return what is usual for the rows' clients at their F, or where a surface takes it, (draws, rows, K)."""
        design = self.design
        k = len(design.predictors)
        totals = self.totals()
        found = np.empty((self.count, len(rows), k))
        own, held = level_columns(design) if level else (np.ones(len(design.fixed)), np.zeros(len(design.fixed)))
        for j in range(k):
            unit = np.zeros((self.count, k + 1))
            unit[:, j] = 1.0
            found[:, :, j] = totals[:, j, :1] + self.row_means(unit, rows)
            if design.fixed:
                slopes = totals[:, j, 1:]
                found[:, :, j] += self.fixed(slopes * own, rows) + (slopes @ held)[:, None]
        return found

    def surface(self, rows: Ints, values: Floats) -> Floats:
        """Return both surfaces at rows, shape (draws, rows); 0 where the design has none."""
        design = self.design
        if design.surface is None:
            return np.zeros((self.count, len(rows)))
        deviation = self.deviations(rows, values)
        usual = self.expectations(rows, level=True) if design.latent else design.surface.between[rows][None]
        total = np.zeros((self.count, len(rows)))
        for variable, ratings in zip(VARIABLES.values(), (deviation, usual), strict=True):
            total += np.einsum("srb,sb->sr", terms(ratings[..., 0], ratings[..., 1]), self.draws[variable])
        return total

    def within(self, rows: Ints, values: Floats) -> Floats:
        """Return client-specific slopes, moderation and groups at rows, shape (draws, rows)."""
        design = self.design
        total = np.zeros((self.count, len(rows)))
        slopes = [(j, e.predictor) for j, e in enumerate(design.client_effects) if e.predictor >= 0]
        if not slopes and not design.interactions and design.groups is None:
            return total
        deviation = self.deviations(rows, values)
        for j, predictor in slopes:
            total += self.effects.client[:, design.client[rows], j] * deviation[:, :, predictor]
        for j, interaction in enumerate(design.interactions):
            product = self.column(interaction.column, rows) * deviation[:, :, interaction.predictor]
            total += self.draws["moderation"][:, j, None] * product
        if design.groups is not None:
            groups = self.draws["group_effects"][:, design.groups.row[rows]]
            total += groups[:, :, 0] + np.einsum("srk,srk->sr", groups[:, :, 1:], deviation)
        return total

    def products(self, rows: Ints, values: Floats) -> Floats:
        """Return Σ δ p at rows, p from the values of all sessions of a client, shape (draws, rows) or (1, 1)."""
        design = self.design
        if design.products is None:
            return np.zeros((1, 1))
        columns = design.products.columns[rows][:, :, None]
        if design.latent:
            course = design.F[:, [column.part == "time" for column in design.fixed]]
            ratings = np.moveaxis(values[:, :, : len(design.predictors)], 0, -1)
            columns = products(ratings, design.products.pairs, design.client, course)[rows]
        slopes = self.draws["moderation"][:, len(design.interactions) :]
        return np.asarray(np.einsum("rps,sp->sr", np.broadcast_to(columns, (*columns.shape[:2], self.count)), slopes))

    # --- expectations ------------------------------------------------------------------------------

    def outcome(self, rows: Ints, values: Floats) -> Floats:
        """Return the outcome's linear predictor at rows (without the offset), shape (draws, rows).

        Parameters
        ----------
        rows
            Rows of the design.
        values
            Responses, shape (draws, all rows, responses); ignored where there are no predictors.
        """
        design, draws = self.design, self.draws
        total = draws["intercept"][:, None] if design.family != "ordinal" else np.zeros((self.count, 1))
        if design.fixed:
            total = total + self.fixed(draws["fixed"], rows)
        total = total + self.random(rows, 1 if design.latent else 0)
        if not design.predictors:
            return np.asarray(np.broadcast_to(total, (self.count, len(rows))))
        if design.latent:
            beside = self.within(rows, values) + self.surface(rows, values) + self.products(rows, values)
            return self._series(len(design.predictors), rows, values, total + beside)
        if design.surface is not None:
            return np.asarray(total + self.surface(rows, values))
        total = total + draws["within"] @ design.x[rows].T + draws["between_client"] @ design.x_client[rows].T
        if design.has_therapists:
            total = total + draws["between_therapist"] @ design.x_therapist[rows].T
        if design.own_lag:
            total = total + draws["own_lag"][:, None] * design.y_previous[rows]
        return np.asarray(total + self.within(rows, values) + self.products(rows, values))

    def predictor(self, k: int, rows: Ints, values: Floats) -> Floats:
        """Return the expectation of a predictor at rows given earlier responses, shape (draws, rows)."""
        own = self.draws["predictor_intercept"][:, k, None]
        if self.design.fixed:
            own = own + self.fixed(self.draws["predictor_fixed"][:, k], rows)
        return self._series(k, rows, values, own)

    def _series(self, target: int, rows: Ints, values: Floats, own: Floats) -> Floats:
        """Add paths and latent means to a response's own part; rows that start a series have their own law."""
        design = self.design
        size = len(design.responses)
        now, before = self.now[:, target], self.before[:, target]
        last = np.maximum(design.previous[rows], 0)
        rest = np.eye(size)[target] - now - before
        mean = own + self.row_means(rest, rows)
        mean = mean + np.einsum("srv,sv->sr", values[:, rows], now) + np.einsum("srv,sv->sr", values[:, last], before)
        if not design.dynamic:
            return np.asarray(mean)
        draws = self.draws
        first = draws["initial_intercept"][:, target, None] + self.row_means(draws["initial_loading"][:, target], rows)
        if design.fixed:
            first = first + self.fixed(draws["initial_fixed"][:, target], rows)
        for j, path in enumerate(design.initial_paths):
            if path.target == target:
                first = first + draws["initial_path"][:, j, None] * values[:, rows, path.source]
        return np.where(design.previous[rows] < 0, first, mean)

    def spread(self, target: int, rows: Ints) -> Floats | None:
        """Return the residual SD of a response at rows, (draws, rows) or (draws, 1); ``None`` without one."""
        design = self.design
        outcome = target == len(design.predictors)
        if outcome and "sd_residual" not in self.draws:
            return None
        name = "sd_residual" if outcome else "sd_predictor_residual"
        usual = self.draws[name][:, None] if outcome else self.draws[name][:, target, None]
        if not (design.dynamic and design.latent):
            return usual
        start = design.previous[rows] < 0
        return np.where(start, self.draws["initial_sd"][:, target, None], usual)


def path_matrices(design: Design, draws: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    """Return A and Φ, each of shape (draws, responses, responses)."""
    count, size = draws["sd_client"].shape[0], len(design.responses)
    now, before = np.zeros((count, size, size)), np.zeros((count, size, size))
    if design.latent:
        if design.surface is None:
            (before if design.options.lag == 1 else now)[:, -1, :-1] = draws["within"]
        if design.own_lag:
            before[:, -1, -1] = draws["own_lag"]
        for j, path in enumerate(design.paths):
            (before if path.lag else now)[:, path.target, path.source] = draws["nuisance"][:, j]
    return now, before


def covariance_factor(draws: Mapping[str, Floats], sd: str, cor: str) -> Floats:
    """Return L with L L' the covariance of effects, shape (draws, effects, effects)."""
    scale = draws[sd]
    if cor not in draws:
        return scale[:, :, None] * np.eye(scale.shape[1])
    jitter = 1e-10 * np.eye(scale.shape[1])
    return np.asarray(scale[:, :, None] * np.linalg.cholesky(draws[cor] + jitter))


def observed_values(design: Design, draws: Mapping[str, Floats]) -> Floats:
    """Return responses with imputed values (draws of them, else the overall mean), (draws, rows, responses)."""
    count = draws["sd_client"].shape[0]
    columns = [*design.x.T, design.y] if design.latent else []
    if not columns:
        return np.zeros((count, len(design.y), 0))
    values = np.empty((count, len(design.y), len(columns)))
    for v, column in enumerate(columns):
        values[:, :, v] = np.nan_to_num(column)
        imputed = draws.get(f"missing_{design.responses[v]}")
        if imputed is not None:
            values[:, np.isnan(column), v] = imputed
    return values


def system(design: Design, draws: Mapping[str, Floats], effects: Effects | None = None) -> System:
    """Return the system of a design's draws, with the posterior's own effects unless others are given."""
    if effects is None:
        effects = Effects(
            draws["client_effects"],
            draws.get("therapist_effects"),
            draws.get("predictor_client"),
            draws.get("predictor_therapist"),
        )
    now, before = path_matrices(design, draws)
    return System(design, draws, effects, now, before)


__all__ = ["Effects", "System", "covariance_factor", "flatten", "observed_values", "offset", "path_matrices", "system"]
