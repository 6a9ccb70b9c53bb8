"""Response families: what a rating looks like given its linear predictor.

``families.toml`` describes each family; here are the four functions that a table cannot hold: the PyMC
likelihood, the log density and the draws in NumPy (any sampler's posterior can be checked without PyMC),
and the expected rating.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pytensor.tensor.variable import TensorVariable

    from .design import Measure

    type Tensor = TensorVariable[Any, Any]

Floats = NDArray[np.float64]
Parameters = Mapping[str, Floats]
"""Posterior draws of the family's parameters, each of shape (draws, 1) or (draws, cut)."""

LOGISTIC_VARIANCE = math.pi**2 / 3.0


@dataclass(frozen=True, slots=True)
class Law:
    """One line of ``families.toml`` with its functions.

    Parameters
    ----------
    name, words, link, latex
        For people.
    parameters
        Posterior variables beyond the linear predictor.
    scale
        How raw values become internal ones: ``z``, ``code``, ``unit`` or ``log``.
    continuous
        Whether the outcome can be its own predictor (own lag) and be imputed.
    logpdf
        (y, η, parameters) → log density, shape (draws, rows); y has shape (rows,), η (draws, rows).
    draw
        (rng, η, parameters) → internal values, shape (draws, rows).
    mean
        (η, parameters) → expected internal value, shape of η.
    """

    name: str
    words: str
    link: str
    latex: str
    parameters: tuple[str, ...]
    scale: Literal["z", "code", "unit", "log"]
    continuous: bool
    logpdf: Callable[[Floats, Floats, Parameters], Floats]
    draw: Callable[[np.random.Generator, Floats, Parameters], Floats]
    mean: Callable[[Floats, Parameters], Floats]


@cache
def laws() -> Mapping[str, Law]:
    """Return every family by name."""
    table = tomllib.loads(files(__package__).joinpath("families.toml").read_text(encoding="utf-8"))
    return {
        name: Law(
            name=name,
            words=entry["words"],
            link=entry["link"],
            latex=entry["latex"],
            parameters=tuple(entry["parameters"]),
            scale=cast("Literal['z', 'code', 'unit', 'log']", entry["scale"]),
            continuous=entry["continuous"],
            logpdf=_LOGPDF[name],
            draw=_DRAW[name],
            mean=_MEAN[name],
        )
        for name, entry in table.items()
    }


def offset(outcome: Measure) -> float:
    """Return what the link scale is shifted by: the log of the mean count, else 0."""
    return outcome.mean if laws()[outcome.family].scale == "log" else 0.0


def expit(value: Floats) -> Floats:
    """Inverse logit that never overflows."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * value)), dtype=np.float64)


def _log_expit(value: Floats) -> Floats:
    return np.asarray(-np.logaddexp(0.0, -value), dtype=np.float64)


def _log_difference(upper: Floats, lower: Floats) -> Floats:
    """Log of expit(upper) − expit(lower) for upper > lower, without cancellation."""
    gap = np.log(-np.expm1(lower - upper))
    return np.asarray(_log_expit(upper) + _log_expit(-lower) + gap, dtype=np.float64)


# --- log densities ---------------------------------------------------------------------------------


def _gaussian_logpdf(y: Floats, eta: Floats, parameters: Parameters) -> Floats:
    sd = parameters["sd_residual"]
    return np.asarray(-0.5 * ((y - eta) / sd) ** 2 - np.log(sd) - 0.5 * math.log(2 * math.pi))


def _student_t_logpdf(y: Floats, eta: Floats, parameters: Parameters) -> Floats:
    from scipy.special import gammaln

    sd, nu = parameters["sd_residual"], parameters["nu"]
    constant = gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * np.log(nu * math.pi) - np.log(sd)
    return np.asarray(constant - (nu + 1) / 2 * np.log1p(((y - eta) / sd) ** 2 / nu))


def _ordinal_logpdf(y: Floats, eta: Floats, parameters: Parameters) -> Floats:
    cuts = parameters["cutpoints"]
    edge = np.full((cuts.shape[0], 1), np.inf)
    edges = np.concatenate([-edge, cuts, edge], axis=1)
    code = y.astype(np.int64)
    with np.errstate(invalid="ignore"):
        return _log_difference(edges[:, code + 1] - eta, edges[:, code] - eta)


def _bernoulli_logpdf(y: Floats, eta: Floats, parameters: Parameters) -> Floats:
    return _log_expit(np.where(y > 0.5, eta, -eta))


def _beta_logpdf(y: Floats, eta: Floats, parameters: Parameters) -> Floats:
    from scipy.special import betaln

    precision = parameters["precision"]
    mean = np.clip(expit(eta), 1e-9, 1 - 1e-9)
    inside = np.clip(y, 1e-12, 1 - 1e-12)
    a, b = mean * precision, (1 - mean) * precision
    density = (a - 1) * np.log(inside) + (b - 1) * np.log1p(-inside) - betaln(a, b)
    if "ends" not in parameters:
        return np.asarray(density)
    lower, upper = parameters["ends"][:, :1], parameters["ends"][:, 1:]
    between = _log_difference(eta - lower, eta - upper)
    return np.where(y <= 0, _log_expit(lower - eta), np.where(y >= 1, _log_expit(eta - upper), between + density))


def _negative_binomial_logpdf(y: Floats, eta: Floats, parameters: Parameters) -> Floats:
    from scipy.special import gammaln

    alpha = parameters["dispersion"]
    log_total = np.logaddexp(eta, np.log(alpha))
    choose = gammaln(y + alpha) - gammaln(alpha) - gammaln(y + 1)
    return np.asarray(choose + alpha * (np.log(alpha) - log_total) + y * (eta - log_total))


# --- draws -----------------------------------------------------------------------------------------


def _student_t_draw(rng: np.random.Generator, eta: Floats, parameters: Parameters) -> Floats:
    nu = np.broadcast_to(parameters["nu"], eta.shape)
    return np.asarray(eta + parameters["sd_residual"] * rng.standard_t(nu))


def _ordinal_draw(rng: np.random.Generator, eta: Floats, parameters: Parameters) -> Floats:
    latent = eta + rng.logistic(size=eta.shape)
    return np.asarray((latent[:, :, None] > parameters["cutpoints"][:, None, :]).sum(axis=2), dtype=np.float64)


def _beta_draw(rng: np.random.Generator, eta: Floats, parameters: Parameters) -> Floats:
    mean = np.clip(expit(eta), 1e-9, 1 - 1e-9)
    inside = rng.beta(mean * parameters["precision"], (1 - mean) * parameters["precision"])
    if "ends" not in parameters:
        return np.asarray(inside)
    latent = eta + rng.logistic(size=eta.shape)
    lower, upper = parameters["ends"][:, :1], parameters["ends"][:, 1:]
    return np.where(latent < lower, 0.0, np.where(latent > upper, 1.0, inside))


def _negative_binomial_draw(rng: np.random.Generator, eta: Floats, parameters: Parameters) -> Floats:
    alpha = np.broadcast_to(parameters["dispersion"], eta.shape)
    rate = rng.gamma(alpha, np.exp(np.clip(eta, -20.0, 20.0)) / alpha)
    return rng.poisson(rate).astype(np.float64)


# --- expected ratings ------------------------------------------------------------------------------


def _identity_mean(eta: Floats, parameters: Parameters) -> Floats:
    return eta


def _ordinal_mean(eta: Floats, parameters: Parameters) -> Floats:
    cuts = parameters["cutpoints"].reshape(eta.shape[0], *([1] * (eta.ndim - 1)), -1)
    return np.asarray(expit(eta[..., None] - cuts).sum(axis=-1))


def _beta_mean(eta: Floats, parameters: Parameters) -> Floats:
    if "ends" not in parameters:
        return expit(eta)
    shape = (eta.shape[0],) + (1,) * (eta.ndim - 1)
    lower, upper = parameters["ends"][:, 0].reshape(shape), parameters["ends"][:, 1].reshape(shape)
    top = expit(eta - upper)
    return np.asarray(top + (expit(eta - lower) - top) * expit(eta))


_LOGPDF: Mapping[str, Callable[[Floats, Floats, Parameters], Floats]] = {
    "gaussian": _gaussian_logpdf,
    "student_t": _student_t_logpdf,
    "ordinal": _ordinal_logpdf,
    "bernoulli": _bernoulli_logpdf,
    "beta": _beta_logpdf,
    "negative_binomial": _negative_binomial_logpdf,
}

_DRAW: Mapping[str, Callable[[np.random.Generator, Floats, Parameters], Floats]] = {
    "gaussian": lambda rng, eta, p: eta + p["sd_residual"] * rng.standard_normal(eta.shape),
    "student_t": _student_t_draw,
    "ordinal": _ordinal_draw,
    "bernoulli": lambda rng, eta, p: (rng.random(eta.shape) < expit(eta)).astype(np.float64),
    "beta": _beta_draw,
    "negative_binomial": _negative_binomial_draw,
}

_MEAN: Mapping[str, Callable[[Floats, Parameters], Floats]] = {
    "gaussian": _identity_mean,
    "student_t": _identity_mean,
    "ordinal": _ordinal_mean,
    "bernoulli": lambda eta, p: expit(eta),
    "beta": _beta_mean,
    "negative_binomial": lambda eta, p: np.exp(np.clip(eta, -20.0, 20.0)),
}


# --- PyMC ------------------------------------------------------------------------------------------


def observe(family: str, observed: Floats, eta: Tensor, parameters: Mapping[str, Tensor]) -> None:
    """Add the likelihood of the observed outcome to the PyMC model on the stack.

    Parameters
    ----------
    family
        Name of the family.
    observed
        Internal values without missing ones, shape (n,).
    eta
        Linear predictor, tensor of shape (n,).
    parameters
        Tensors of the family's parameters; ``sd_residual`` may have one value per row.
    """
    import pymc as pm
    import pytensor.tensor as pt

    match family:
        case "gaussian":
            pm.Normal("y", eta, parameters["sd_residual"], observed=observed)
        case "student_t":
            pm.StudentT("y", nu=parameters["nu"], mu=eta, sigma=parameters["sd_residual"], observed=observed)
        case "ordinal":
            pm.OrderedLogistic(
                "y", eta=eta, cutpoints=parameters["cutpoints"], compute_p=False, observed=observed.astype(np.int64)
            )
        case "bernoulli":
            pm.Bernoulli("y", logit_p=eta, observed=observed.astype(np.int64))
        case "negative_binomial":
            pm.NegativeBinomial("y", mu=pt.exp(eta), alpha=parameters["dispersion"], observed=observed.astype(np.int64))
        case "beta":
            _observe_beta(observed, eta, parameters)
        case _:
            raise ValueError(f"'{family}' is not a family; one of {', '.join(laws())}.")


def _observe_beta(observed: Floats, eta: Tensor, parameters: Mapping[str, Tensor]) -> None:
    """Beta inside the range; with ``ends`` the ordered beta of Kubinec (2023) for its bounds."""
    import pymc as pm
    import pytensor.tensor as pt

    inside = np.flatnonzero((observed > 0) & (observed < 1))
    mean = pt.clip(pm.math.invlogit(eta[inside]), 1e-9, 1 - 1e-9)
    precision = parameters["precision"]
    pm.Beta("y", alpha=mean * precision, beta=(1 - mean) * precision, observed=observed[inside])
    if "ends" not in parameters:
        return
    lower, upper = parameters["ends"][0], parameters["ends"][1]
    low, high = np.flatnonzero(observed <= 0), np.flatnonzero(observed >= 1)
    gap = pt.log(-pt.expm1(lower - upper))
    between = -pt.softplus(lower - eta[inside]) - pt.softplus(eta[inside] - upper) + gap
    pm.Potential("y_between", between.sum())
    pm.Potential("y_lower", -pt.softplus(eta[low] - lower).sum())
    pm.Potential("y_upper", -pt.softplus(upper - eta[high]).sum())
