"""Priors as written by people: ``normal(0, 0.5)``, parsed without ``eval`` and checked.

A :class:`Prior` knows its density (NumPy only, for the marginal kernel), how to draw from itself, its
central interval, its conversion from raw to internal units, and its PyMC counterpart.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from .families import Tensor

Support = Literal["real", "positive", "unit", "correlation"]

_LOG_2PI = math.log(2.0 * math.pi)


@dataclass(frozen=True, slots=True)
class _Kind:
    """One distribution: its parameters, and which of them must be positive."""

    parameters: tuple[str, ...]
    positive: tuple[str, ...]
    support: Support
    example: str


KINDS: Mapping[str, _Kind] = {
    "normal": _Kind(("mean", "sd"), ("sd",), "real", "normal(0, 0.5)"),
    "student_t": _Kind(("df", "mean", "scale"), ("df", "scale"), "real", "student_t(3, 0, 1)"),
    "half_normal": _Kind(("sd",), ("sd",), "positive", "half_normal(1)"),
    "half_student_t": _Kind(("df", "mean", "scale"), ("df", "scale"), "positive", "half_student_t(3, 0, 1)"),
    "exponential": _Kind(("rate",), ("rate",), "positive", "exponential(1)"),
    "gamma": _Kind(("shape", "rate"), ("shape", "rate"), "positive", "gamma(2, 0.1)"),
    "beta": _Kind(("a", "b"), ("a", "b"), "unit", "beta(2, 2)"),
    "uniform": _Kind(("lower", "upper"), (), "real", "uniform(-1, 1)"),
    "mixture": _Kind(
        ("weight", "mean", "sd", "weak_mean", "weak_sd"),
        ("weight", "sd", "weak_sd"),
        "real",
        "mixture(0.8, 0.28, 0.1, 0, 1)",
    ),
    "lkj": _Kind(("eta",), ("eta",), "correlation", "lkj(2)"),
}

_EXPRESSION = re.compile(r"^\s*([A-Za-z_]+)\s*\(([^()]*)\)\s*$")
_FLAT = {"flat", "half_flat", "improper", "jeffreys"}


class PriorError(ValueError):
    """A prior that does not parse or is improper; the message says how to write it."""


@dataclass(frozen=True, slots=True)
class Prior:
    """A proper prior distribution.

    Parameters
    ----------
    kind
        One of :data:`KINDS`.
    parameters
        Its parameters in the order of :data:`KINDS`.

    Examples
    --------
    >>> prior = parse("normal(0, 0.5)")
    >>> str(prior)
    'normal(0, 0.5)'
    >>> float(prior.logpdf(0.0).round(4))
    -0.2258
    """

    kind: str
    parameters: tuple[float, ...]

    def __str__(self) -> str:
        """Return the expression that parses to this prior."""
        return f"{self.kind}({', '.join(f'{value:g}' for value in self.parameters)})"

    @property
    def support(self) -> Support:
        """Where the prior lives; a uniform prior is as wide as its bounds."""
        if self.kind == "uniform":
            lower, upper = self.parameters
            if lower >= 0.0:
                return "unit" if upper <= 1.0 else "positive"
            return "correlation" if lower >= -1.0 and upper <= 1.0 else "real"
        return KINDS[self.kind].support

    def logpdf(self, x: ArrayLike) -> NDArray[np.float64]:
        """Log density, elementwise.

        Parameters
        ----------
        x
            Values of any shape; for ``lkj`` correlation matrices (…, q, q), and the density is
            without its constant.

        Returns
        -------
        ndarray
            Log densities, ``-inf`` outside the support.
        """
        values = np.asarray(x, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            density = _LOGPDF[self.kind](values, *self.parameters)
        return np.where(np.isnan(density), -np.inf, density)

    def sample(self, rng: np.random.Generator, size: int | tuple[int, ...], dimension: int = 2) -> NDArray[np.float64]:
        """Draw from the prior.

        Parameters
        ----------
        rng
            Random generator.
        size
            Shape of the draws.
        dimension
            For ``lkj``: q, and the result has shape (*size, q, q).
        """
        if self.kind == "lkj":
            return _lkj_sample(rng, size, self.parameters[0], dimension)
        return np.asarray(_SAMPLE[self.kind](rng, size, *self.parameters), dtype=np.float64)

    def interval(self, probability: float = 0.95, dimension: int = 2) -> tuple[float, float]:
        """Central interval; for ``lkj`` that of one correlation in a matrix of ``dimension``."""
        from scipy import stats

        p = self.parameters
        tail = (1.0 - probability) / 2.0
        shape = p[0] + (dimension - 2) / 2.0 if self.kind == "lkj" else 1.0
        law = {
            "normal": lambda: stats.norm(p[0], p[1]),
            "student_t": lambda: stats.t(p[0], p[1], p[2]),
            "half_normal": lambda: stats.halfnorm(0.0, p[0]),
            "exponential": lambda: stats.expon(0.0, 1.0 / p[0]),
            "gamma": lambda: stats.gamma(p[0], scale=1.0 / p[1]),
            "beta": lambda: stats.beta(p[0], p[1]),
            "uniform": lambda: stats.uniform(p[0], p[1] - p[0]),
            "lkj": lambda: stats.beta(shape, shape, -1.0, 2.0),
        }
        if self.kind == "half_student_t":
            whole = stats.t(p[0], p[1], p[2])
            below = whole.cdf(0.0)
            lower, upper = (float(whole.ppf(below + q * (1.0 - below))) for q in (tail, 1.0 - tail))
            return lower, upper
        if self.kind == "mixture":
            return _mixture_quantile(tail, *p), _mixture_quantile(1.0 - tail, *p)
        frozen = law[self.kind]()
        return float(frozen.ppf(tail)), float(frozen.ppf(1.0 - tail))

    def converted(self, factor: float, shift: float = 0.0) -> Prior:
        """Return the prior of ``factor · θ + shift`` when this is the prior of θ (raw to internal units).

        Raises
        ------
        PriorError
            For a family that has no scale (``beta``, ``lkj``), or a shift of a positive quantity.
        """
        p = self.parameters
        size = abs(factor)
        if shift != 0.0 and self.support != "real":
            raise PriorError(f"{self} cannot be moved by {shift:g}; write it on the standardised scale.")
        match self.kind:
            case "normal":
                return Prior("normal", (factor * p[0] + shift, size * p[1]))
            case "student_t":
                return Prior("student_t", (p[0], factor * p[1] + shift, size * p[2]))
            case "half_normal":
                return Prior("half_normal", (size * p[0],))
            case "half_student_t":
                return Prior("half_student_t", (p[0], size * p[1], size * p[2]))
            case "exponential":
                return Prior("exponential", (p[0] / size,))
            case "gamma":
                return Prior("gamma", (p[0], p[1] / size))
            case "mixture":
                moved = [factor * p[i] + shift for i in (1, 3)]
                return Prior("mixture", (p[0], moved[0], size * p[2], moved[1], size * p[4]))
            case "uniform":
                lower, upper = sorted((factor * p[0] + shift, factor * p[1] + shift))
                return Prior("uniform", (lower, upper))
            case _:
                raise PriorError(f'{self} has no units; leave out scale = "raw".')

    def to_pymc(self, name: str, dims: str | tuple[str, ...] | None = None) -> Tensor:
        """Add the prior to the PyMC model on the stack and return its variable (not for ``lkj``)."""
        return joint_pymc(name, (self,), dims)


def parse(expression: str) -> Prior:
    """Read a prior as a person writes it.

    Parameters
    ----------
    expression
        ``distribution(number, …)``.

    Returns
    -------
    Prior

    Raises
    ------
    PriorError
        Unknown distribution (the nearest is named), wrong number of parameters, a parameter that is
        not a finite number or has the wrong sign, or an improper prior.

    Examples
    --------
    >>> parse("half_normal( 0.24 )")
    Prior(kind='half_normal', parameters=(0.24,))
    """
    known = ", ".join(kind.example for kind in KINDS.values())
    match = _EXPRESSION.match(expression)
    if match is None:
        if expression.strip().lower() in _FLAT:
            raise PriorError(f"'{expression}' is improper. Use a wide proper prior, e.g. normal(0, 5).")
        raise PriorError(f"'{expression}' is not a prior. Write distribution(number, …): {known}.")
    kind, inside = match.group(1).lower(), match.group(2)
    if kind in _FLAT:
        raise PriorError(f"'{expression}' is improper. Use a wide proper prior, e.g. normal(0, 5).")
    if kind not in KINDS:
        nearest = difflib.get_close_matches(kind, KINDS, n=1, cutoff=0.5)
        hint = f" Did you mean {KINDS[nearest[0]].example}?" if nearest else ""
        raise PriorError(f"'{kind}' is not a known distribution.{hint} Known: {known}.")
    law = KINDS[kind]
    texts = [text.strip() for text in inside.split(",")] if inside.strip() else []
    if len(texts) != len(law.parameters):
        wanted = f"{len(law.parameters)} parameter" + ("" if len(law.parameters) == 1 else "s")
        raise PriorError(
            f"'{expression}' has {len(texts)} parameters; {kind} takes {wanted} "
            f"({', '.join(law.parameters)}), e.g. {law.example}."
        )
    values: list[float] = []
    for name, text in zip(law.parameters, texts, strict=True):
        try:
            value = float(text)
        except ValueError:
            raise PriorError(f"'{text}' in '{expression}' is not a number ({name}); e.g. {law.example}.") from None
        if not math.isfinite(value):
            raise PriorError(f"'{expression}' is improper: {name} must be finite, e.g. {law.example}.")
        if name in law.positive and value <= 0.0:
            raise PriorError(f"'{expression}' is not a proper prior: {name} must be above 0, e.g. {law.example}.")
        values.append(value)
    if kind == "mixture" and values[0] >= 1.0:
        raise PriorError(f"'{expression}' is not a proper prior: weight lies between 0 and 1, e.g. {law.example}.")
    if kind == "uniform" and values[0] >= values[1]:
        raise PriorError(f"'{expression}' is not a proper prior: lower must be below upper, e.g. {law.example}.")
    return Prior(kind, tuple(values))


def joint_pymc(name: str, priors: Sequence[Prior], dims: str | tuple[str, ...] | None, **settings: object) -> Tensor:
    """Add one PyMC variable with independent elements, each under its own prior.

    Parameters
    ----------
    name
        Name of the variable.
    priors
        One prior (a scalar, or shared by all elements) or as many as ``dims`` (flattened) has elements.
    dims
        Names of its dims; their coords must be in the model on the stack.
    settings
        Passed on to PyMC (``transform``, ``initval``); only where all elements share a distribution.

    Notes
    -----
    Elements with the same distribution become one vectorised variable. Mixed ones become scalars
    ``NAME__0``, ``NAME__1``, … under a deterministic vector.
    """
    import pymc as pm
    import pytensor.tensor as pt

    model = pm.modelcontext(None)
    names = (dims,) if isinstance(dims, str) else dims
    shape = tuple(len(model.coords[dim]) for dim in names) if names else ()
    kinds = {prior.kind for prior in priors}
    if len(kinds) == 1:
        columns = np.array([prior.parameters for prior in priors], dtype=np.float64).T
        values = [float(column[0]) if np.all(column == column[0]) else column.reshape(shape) for column in columns]
        law, arguments = _PYMC[kinds.pop()](pm, values)
        return cast("Tensor", law(name, **arguments, dims=names, **settings))
    scalars = []
    for i, prior in enumerate(priors):
        law, arguments = _PYMC[prior.kind](pm, list(prior.parameters))
        scalars.append(law(f"{name}__{i}", **arguments))
    return cast("Tensor", pm.Deterministic(name, pt.stack(scalars).reshape(shape), dims=names))


def joint_logp(priors: Sequence[Prior], values: Tensor) -> Tensor:
    """Return the log density of a vector's elements, each under its own prior, summed; for rotated parameters."""
    import pymc as pm

    total: Tensor | float = 0.0
    for i, prior in enumerate(priors):
        law, arguments = _PYMC[prior.kind](pm, list(prior.parameters))
        total = total + pm.logp(law.dist(**arguments), values[i])
    return cast("Tensor", total)


@dataclass(frozen=True, slots=True)
class DefaultPrior:
    """A line of ``priors_default.toml``: the prior, what an override may be, and why."""

    prior: Prior
    support: Support
    reason: str


@cache
def defaults() -> Mapping[str, DefaultPrior]:
    """Return the default priors by posterior variable."""
    text = files(__package__).joinpath("priors_default.toml").read_text(encoding="utf-8")
    return {
        name: DefaultPrior(parse(entry["prior"]), cast("Support", entry["support"]), entry["reason"])
        for name, entry in tomllib.loads(text).items()
    }


_FITS: Mapping[Support, tuple[Support, ...]] = {
    "real": ("real", "positive", "unit", "correlation"),
    "positive": ("positive", "unit"),
    "unit": ("unit",),
    "correlation": ("correlation", "unit"),
}


def check_support(prior: Prior, support: Support) -> None:
    """Refuse a prior that puts mass where the parameter cannot be.

    Raises
    ------
    PriorError
        With a prior that would do.
    """
    if prior.kind == "lkj" and support != "correlation":
        raise PriorError(f"{prior} is a prior for correlations; use normal(0, 0.5) for slopes, half_normal(1) for SDs.")
    if prior.support not in _FITS[support]:
        instead = {"positive": "half_normal(1)", "unit": "beta(2, 2)", "correlation": "uniform(-1, 1)"}[support]
        raise PriorError(f"{prior} reaches beyond what the parameter can be ({support}); e.g. {instead}.")


# --- densities, draws and PyMC counterparts, one line per distribution ---------------------------

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def _normal(x: Array, mean: float, sd: float) -> Array:
    return -0.5 * ((x - mean) / sd) ** 2 - math.log(sd) - 0.5 * _LOG_2PI


def _student_t(x: Array, df: float, mean: float, scale: float) -> Array:
    constant = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log(df * math.pi) - math.log(scale)
    return constant - (df + 1) / 2 * np.log1p(((x - mean) / scale) ** 2 / df)


def _half_normal(x: Array, sd: float) -> Array:
    return np.where(x >= 0, _normal(x, 0.0, sd) + math.log(2.0), -np.inf)


def _half_student_t(x: Array, df: float, mean: float, scale: float) -> Array:
    from scipy.special import stdtr

    return np.where(x >= 0, _student_t(x, df, mean, scale) - math.log(float(stdtr(df, mean / scale))), -np.inf)


def _exponential(x: Array, rate: float) -> Array:
    return np.where(x >= 0, math.log(rate) - rate * x, -np.inf)


def _gamma(x: Array, shape: float, rate: float) -> Array:
    density = shape * math.log(rate) - math.lgamma(shape) + (shape - 1) * np.log(x) - rate * x
    return np.where(x > 0, density, -np.inf)


def _beta(x: Array, a: float, b: float) -> Array:
    constant = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return np.where((x > 0) & (x < 1), constant + (a - 1) * np.log(x) + (b - 1) * np.log1p(-x), -np.inf)


def _uniform(x: Array, lower: float, upper: float) -> Array:
    return np.where((x >= lower) & (x <= upper), -math.log(upper - lower), -np.inf)


def _mixture(x: Array, weight: float, mean: float, sd: float, weak_mean: float, weak_sd: float) -> Array:
    return np.logaddexp(math.log(weight) + _normal(x, mean, sd), math.log1p(-weight) + _normal(x, weak_mean, weak_sd))


def _mixture_sample(
    rng: np.random.Generator, size: int | tuple[int, ...], weight: float, mean: float, sd: float, weak_mean: float,
    weak_sd: float,
) -> NDArray[np.float64]:  # fmt: skip
    informed = rng.random(size) < weight
    return np.where(informed, rng.normal(mean, sd, size), rng.normal(weak_mean, weak_sd, size))


def _mixture_quantile(q: float, weight: float, mean: float, sd: float, weak_mean: float, weak_sd: float) -> float:
    from scipy.special import ndtr

    low, high = (min(mean - 40 * sd, weak_mean - 40 * weak_sd), max(mean + 40 * sd, weak_mean + 40 * weak_sd))
    for _ in range(100):
        middle = (low + high) / 2
        below = weight * ndtr((middle - mean) / sd) + (1 - weight) * ndtr((middle - weak_mean) / weak_sd)
        low, high = (middle, high) if below < q else (low, middle)
    return (low + high) / 2


def _lkj(x: Array, eta: float) -> Array:
    sign, logdet = np.linalg.slogdet(x)
    return np.where(sign > 0, (eta - 1) * logdet, -np.inf)


def _half_t_sample(
    rng: np.random.Generator, size: int | tuple[int, ...], df: float, mean: float, scale: float
) -> NDArray[np.float64]:
    from scipy.special import stdtr, stdtrit

    below = float(stdtr(df, -mean / scale))
    return np.asarray(mean + scale * stdtrit(df, below + (1 - below) * rng.random(size)), dtype=np.float64)


def _lkj_sample(rng: np.random.Generator, size: int | tuple[int, ...], eta: float, q: int) -> NDArray[np.float64]:
    """Draw correlation matrices by the vine of partial correlations (Lewandowski, Kurowicka & Joe 2009)."""
    shape = (size,) if isinstance(size, int) else size
    cholesky = np.zeros((*shape, q, q))
    cholesky[..., 0, 0] = 1.0
    for i in range(1, q):
        left = np.ones(shape)
        for j in range(i):
            a = eta + (q - 2 - j) / 2
            partial = 2 * rng.beta(a, a, shape) - 1
            cholesky[..., i, j] = partial * np.sqrt(left)
            left = left * (1 - partial**2)
        cholesky[..., i, i] = np.sqrt(left)
    return np.asarray(cholesky @ np.swapaxes(cholesky, -1, -2))


_LOGPDF: Mapping[str, Callable[..., Array]] = {
    "normal": _normal,
    "student_t": _student_t,
    "half_normal": _half_normal,
    "half_student_t": _half_student_t,
    "exponential": _exponential,
    "gamma": _gamma,
    "beta": _beta,
    "uniform": _uniform,
    "mixture": _mixture,
    "lkj": _lkj,
}

_SAMPLE: Mapping[str, Callable[..., NDArray[np.float64]]] = {
    "normal": lambda rng, size, mean, sd: rng.normal(mean, sd, size),
    "student_t": lambda rng, size, df, mean, scale: mean + scale * rng.standard_t(df, size),
    "half_normal": lambda rng, size, sd: np.abs(rng.normal(0.0, sd, size)),
    "half_student_t": _half_t_sample,
    "exponential": lambda rng, size, rate: rng.exponential(1.0 / rate, size),
    "gamma": lambda rng, size, shape, rate: rng.gamma(shape, 1.0 / rate, size),
    "beta": lambda rng, size, a, b: rng.beta(a, b, size),
    "uniform": lambda rng, size, lower, upper: rng.uniform(lower, upper, size),
    "mixture": _mixture_sample,
}


def _pairs(parameters: list[Any], first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Pair what belongs to the two components, on a last axis."""
    shape = np.broadcast_shapes(*(np.shape(parameter) for parameter in parameters))
    return np.stack([np.broadcast_to(np.asarray(part, dtype=np.float64), shape) for part in (first, second)], axis=-1)


_PYMC: Mapping[str, Callable[..., tuple[Any, dict[str, Any]]]] = {
    "normal": lambda pm, p: (pm.Normal, {"mu": p[0], "sigma": p[1]}),
    "student_t": lambda pm, p: (pm.StudentT, {"nu": p[0], "mu": p[1], "sigma": p[2]}),
    "half_normal": lambda pm, p: (pm.HalfNormal, {"sigma": p[0]}),
    "half_student_t": lambda pm, p: (
        pm.Truncated,
        {"dist": pm.StudentT.dist(nu=p[0], mu=p[1], sigma=p[2]), "lower": 0.0},
    ),
    "exponential": lambda pm, p: (pm.Exponential, {"lam": p[0]}),
    "gamma": lambda pm, p: (pm.Gamma, {"alpha": p[0], "beta": p[1]}),
    "beta": lambda pm, p: (pm.Beta, {"alpha": p[0], "beta": p[1]}),
    "uniform": lambda pm, p: (pm.Uniform, {"lower": p[0], "upper": p[1]}),
    "mixture": lambda pm, p: (
        pm.NormalMixture,
        {"w": _pairs(p, p[0], 1 - np.asarray(p[0])), "mu": _pairs(p, p[1], p[3]), "sigma": _pairs(p, p[2], p[4])},
    ),
}
