"""From a declared system to the arrays of the kernel: names become positions, rows become cross-products."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from . import parameter_map as laws
from .gaussian import CONSTANT, Free, GaussianSystem, Poly, Structure
from .objective import evaluate
from .parameter_map import Level, ParameterMap
from .products import CrossProducts, Floats, Ints, Layout, add_rows, empty_products, make_layout


@dataclass(frozen=True)
class Compiled:
    """A system as arrays: all that evaluating its density needs.

    Parameters
    ----------
    system
        The declaration.
    map_, layout, products
        Arguments of :func:`safezone.models.objective.log_density`.
    position
        Place of each client in ``products``: clients of one therapist are neighbours, (clients,).
    names
        Position of each scalar (parameters and derived ones) in φ.
    """

    system: GaussianSystem
    map_: ParameterMap
    layout: Layout
    products: CrossProducts
    position: Ints
    names: Mapping[str, int] = field(repr=False)

    def log_density(self, theta: Floats, *, prior: bool = True) -> tuple[float, Floats]:
        """Return the log density at θ (with or without prior and Jacobian) and its gradient, (n,)."""
        values, gradients = self.evaluate(theta[None], prior=prior, gradient=True)
        return float(values[0]), gradients[0]

    def value(self, theta: Floats, *, prior: bool = True) -> float:
        """Return the log density alone; less than half the work."""
        return float(self.evaluate(theta[None], prior=prior)[0][0])

    def evaluate(
        self,
        points: Floats,
        *,
        centre: Floats | None = None,
        root: Floats | None = None,
        prior: bool = True,
        gradient: bool = False,
    ) -> tuple[Floats, Floats]:
        """Return log densities at θ = centre + root · point, and gradients in the points if asked.

        Parameters
        ----------
        points
            (m, n).
        centre, root
            Origin (n,) and axes (n, n), by default those of θ itself.
        prior, gradient
            Whether to add prior and Jacobian; whether to return gradients.

        Returns
        -------
        values
            (m,), ``-inf`` where the density is not finite.
        gradients
            (m, n); (0, n) if not asked for.
        """
        rows, n = points.shape
        origin = np.zeros(n) if centre is None else centre
        axes = np.eye(n) if root is None else root
        values, gradients = np.empty(rows), np.empty((rows if gradient else 0, n))
        point = np.ascontiguousarray(points, dtype=np.float64)
        evaluate(self.map_, self.layout, self.products, origin, axes, point, prior, gradient, values, gradients)
        return values, gradients


def compile_system(
    system: GaussianSystem, *, per_client: bool = True, products: CrossProducts | None = None
) -> Compiled:
    """Compile a declaration; the rows are read once and reduced to cross-products.

    Parameters
    ----------
    system
        The declaration.
    per_client
        Keep what log-likelihoods per client need (p² numbers per client and group).
    products
        Cross-products accumulated elsewhere (see :mod:`safezone.models.partition`) instead of the rows.

    Raises
    ------
    ValueError
        Where the declaration contradicts itself (unknown name, path against the causal order, NaN in a row).
    """
    layout, position = lay_out(system)
    if products is None:
        products = empty_products(layout, system.clients, per_client=per_client)
        for g, group in enumerate(system.groups):
            add_group(layout, products, position, g, group.client, group.x, group.z, group.y, group.name)
    names = _phi_names(system)
    return Compiled(system, _map(system, layout, names), layout, products, position, names)


def add_group(layout: Layout, products: CrossProducts, position: Ints, number: int, client: Ints, x: Floats, z: Floats,
              y: Floats, name: str) -> None:  # fmt: skip
    """Check rows of one group and add them to the cross-products."""
    parts = [np.ascontiguousarray(part, dtype=np.float64) for part in (x, z, y)]
    if not all(np.isfinite(part).all() for part in parts):
        raise ValueError(f"Group {name!r}: rows must be finite; leave rows with a missing value to a derived equation.")
    add_rows(layout, products, number, position[client], *parts)


def lay_out(system: GaussianSystem) -> tuple[Layout, Ints]:
    """Return the kernel's layout and the place of each client in it."""
    if len(system.therapist_of):
        order = np.argsort(system.therapist_of, kind="stable")
        sizes = np.bincount(system.therapist_of)
        unit = np.concatenate([[0], np.cumsum(sizes)])
    else:
        order, unit = np.arange(system.clients), np.arange(system.clients + 1)
    position = np.empty(system.clients, dtype=np.int64)
    position[order] = np.arange(system.clients)
    active = [sorted({system.effects.index(e) for column in g.loadings for e in column}) for g in system.groups]
    layout = make_layout(
        len(system.effects),
        [len(group.coefficients) for group in system.groups],
        [len(group.loadings) for group in system.groups],
        active,
        unit.astype(np.int64),
    )
    return layout, position


def _phi_names(system: GaussianSystem) -> dict[str, int]:
    names = {parameter.name: i + 1 for i, parameter in enumerate(system.parameters)}
    if len(names) != len(system.parameters):
        raise ValueError("Parameter names must be unique.")
    names[CONSTANT] = 0  # φ_0 = 1
    start = len(system.parameters) + 1
    for equation in system.derived:
        size = len(equation.seen)
        names |= {f"{equation.name}.path[{u}]": start + u for u in range(size)}
        names[f"{equation.name}.sd"] = start + size
        names |= {f"{equation.name}.total[{w}]": start + size + 1 + w for w in range(size)}
        start += 2 * size + 1
    return names


def _terms(entries: Sequence[tuple[int, Poly]], names: Mapping[str, int]) -> tuple[Ints, Floats]:
    """Compile (target, polynomial) pairs to rows (target, i, j, …) and weights."""
    monomials = [(target, weight, factors) for target, polynomial in entries for weight, factors in polynomial]
    degree = max((len(factors) for _, _, factors in monomials), default=0)
    rows = [(target, *(names[f] for f in factors), *[0] * (degree - len(factors))) for target, _, factors in monomials]
    weights = [weight for _, weight, _ in monomials]
    return np.array(rows, dtype=np.int64).reshape(len(rows), degree + 1), np.array(weights, dtype=np.float64)


def _level(level: Structure, effects: Sequence[str], names: Mapping[str, int]) -> Level:
    rows = {effect: i for i, effect in enumerate(level.effects)}
    paths = [(rows[effect], rows[cause], names[parameter]) for effect, cause, parameter in level.paths]
    if any(effect <= cause for effect, cause, _ in paths):
        raise ValueError("Effects must stand in causal order: a path may only come from an earlier effect.")
    return Level(
        np.array([names[sd] for sd in level.sd], dtype=np.int64),
        np.array([effects.index(effect) for effect in level.effects], dtype=np.int64),
        np.array(paths, dtype=np.int64).reshape(-1, 3),
    )


def _map(system: GaussianSystem, layout: Layout, names: Mapping[str, int]) -> ParameterMap:
    bounds, priors = zip(*(_law(parameter) for parameter in system.parameters), strict=True)
    correlation: list[tuple[int, int, int, int]] = []
    member: list[int] = []
    lkj: list[tuple[float, float]] = []
    start = len(system.parameters)
    for level, block in system.correlations:
        effects = (system.client, system.therapist)[level].effects
        size = len(block.effects)
        correlation.append((size, start, level, len(member)))
        places = [effects.index(effect) for effect in block.effects]
        if places != sorted(places):
            raise ValueError(f"{block.name}: the effects of a correlation block must stand in the order of the level.")
        member += places
        lkj.append((block.eta, _lkj_constant(size, block.eta)))
        start += size * (size - 1) // 2
    width = max((len(recursion.sd) for recursion in system.recursions), default=0)
    residual_sd = np.zeros((len(system.recursions), width), dtype=np.int64)
    for n, recursion in enumerate(system.recursions):
        residual_sd[n, : len(recursion.sd)] = [names[sd] for sd in recursion.sd]
    residual_path = [(n, v, u, names[p]) for n, r in enumerate(system.recursions) for v, u, p in r.paths]
    if any(u >= v for _, v, u, _ in residual_path):
        raise ValueError("Paths within a row must come from an earlier response.")
    equation = [(e.recursion, e.target, names[f"{e.name}.path[0]"]) for e in system.derived]
    seen = [[bool(s) and u < e.target for u, s in enumerate(e.seen)] for e in system.derived]
    coefficients = [
        (int(layout.beta[g]) + j, polynomial)
        for g, group in enumerate(system.groups)
        for j, polynomial in enumerate(group.coefficients)
    ]
    loadings = []
    for g, group in enumerate(system.groups):
        rows = layout.active[layout.active_start[g] : layout.active_start[g + 1]].tolist()
        for k, column in enumerate(group.loadings):
            for effect, polynomial in column.items():
                place = rows.index(system.effects.index(effect)) * len(group.loadings) + k
                loadings.append((int(layout.loading[g]) + place, polynomial))
    return ParameterMap(
        np.array(bounds, dtype=np.float64).reshape(-1, 3),
        np.array(priors, dtype=np.float64).reshape(-1, 7),
        np.array(correlation, dtype=np.int64).reshape(-1, 4),
        np.array(member, dtype=np.int64),
        np.array(lkj, dtype=np.float64).reshape(-1, 2),
        residual_sd,
        np.array(residual_path, dtype=np.int64).reshape(-1, 4),
        np.array(equation, dtype=np.int64).reshape(-1, 3),
        np.array(seen, dtype=np.int64).reshape(len(seen), width),
        *_terms(coefficients, names),
        *_terms(loadings, names),
        np.array([names[group.sigma] for group in system.groups], dtype=np.int64),
        _level(system.client, system.effects, names),
        _level(system.therapist, system.effects, names),
    )


def _lkj_constant(size: int, eta: float) -> float:
    """Log normaliser of LKJ on partial correlations tanh θ: each is 2·Beta(b, b) − 1 with the Jacobian of tanh."""
    total = 0.0
    for i in range(size):
        for j in range(i):
            b = eta + 0.5 * (size - j - 2)
            total -= 2.0 * math.lgamma(b) - math.lgamma(2.0 * b) + (2.0 * b - 1.0) * math.log(2.0)
    return total


Law = tuple[float, float, float, float, float, float, float]
Bounds = tuple[float, float, float]


def _law(parameter: Free) -> tuple[Bounds, Law]:
    """Return support (with a typical size, which only shapes θ) and compiled prior of a parameter."""
    prior = parameter.prior
    low = 0.0 if parameter.positive else -math.inf
    if prior is None:
        return (low, math.inf, 1.0), (laws.FLAT, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    p = prior.parameters
    law: tuple[float, float, float, float]
    other = (0.0, 1.0)
    match prior.kind:
        case "normal":
            bounds, law = (low, math.inf, 1.0), (laws.NORMAL, p[0], p[1], 0.0)
        case "half_normal":
            bounds, law = (0.0, math.inf, p[0]), (laws.NORMAL, 0.0, p[0], 0.0)
        case "student_t":
            bounds, law = (low, math.inf, 1.0), (laws.STUDENT_T, p[1], p[2], p[0])
        case "half_student_t":
            bounds, law = (0.0, math.inf, p[2]), (laws.STUDENT_T, p[1], p[2], p[0])
        case "exponential":
            bounds, law = (0.0, math.inf, 1.0 / p[0]), (laws.EXPONENTIAL, p[0], 0.0, 0.0)
        case "gamma":
            bounds, law = (0.0, math.inf, p[0] / p[1]), (laws.GAMMA, p[0], p[1], 0.0)
        case "beta":
            bounds, law = (0.0, 1.0, 1.0), (laws.BETA, p[0], p[1], 0.0)
        case "mixture":
            bounds, law, other = (low, math.inf, 1.0), (laws.MIXTURE, p[1], p[2], p[0]), (p[3], p[4])
        case "uniform":
            bounds, law = (p[0], p[1], 1.0), (laws.FLAT, 0.0, 0.0, 0.0)
        case _:
            raise ValueError(f"{parameter.name}: {prior} is not a prior for a scalar.")
    # The normaliser makes the compiled density equal to prior.logpdf inside the support.
    inside = (bounds[0] + bounds[1]) / 2 if math.isfinite(bounds[1]) else (bounds[2] if bounds[0] == 0.0 else 0.0)
    bare = laws.prior_density(np.array((*law, 0.0, *other)), inside)[0]
    return bounds, (*law, float(prior.logpdf(inside)) - bare, *other)
