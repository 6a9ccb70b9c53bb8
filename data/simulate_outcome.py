"""Small studies with one outcome of any family, for recovery tests of single models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .config import Family
from .truth import Array


@dataclass(frozen=True, slots=True)
class OutcomeTruth:
    """True parameters of one outcome, on the scale of its linear predictor.

    The linear predictor of session i of client c with therapist t is::

        eta = intercept + time · (session − 1) + (within + s_c) · (x − m_c − m_t) + between_client · m_c
              + between_therapist · m_t + u_c + w_t

    with x = m_t + m_c + e the predictor. The family turns eta into a rating: identity for gaussian and
    student_t, cumulative logit for ordinal, logit for bernoulli and beta, log for negative_binomial.

    Parameters
    ----------
    intercept, time, within, between_client, between_therapist
        Fixed effects. An ordinal outcome has cutpoints instead of an intercept: leave it 0.
    sd_client, sd_therapist, sd_slope
        SDs of u, w and s.
    sd_x, sd_x_client, sd_x_therapist
        SDs of e, m_c and m_t.
    sd_residual, nu
        Scale and degrees of freedom of gaussian and student_t.
    cutpoints
        Of the ordinal family, ascending; ratings are 1 … number of cutpoints + 1.
    precision
        Of the beta family (mean μ, a = μ·precision, b = (1 − μ)·precision); ratings in (0, 1).
    dispersion
        Of the negative binomial: variance μ + μ²/dispersion.
    """

    intercept: float = 0.0
    time: float = 0.0
    within: float = 0.4
    between_client: float = 0.7
    between_therapist: float = 0.5
    sd_client: float = 0.6
    sd_therapist: float = 0.25
    sd_slope: float = 0.0
    sd_x: float = 1.0
    sd_x_client: float = 0.8
    sd_x_therapist: float = 0.3
    sd_residual: float = 1.0
    nu: float = 4.0
    cutpoints: tuple[float, ...] = (-1.5, -0.5, 0.5, 1.5)
    precision: float = 8.0
    dispersion: float = 3.0

    def estimands(self) -> dict[str, float]:
        """Return the true values under the estimand names of variance, growth and within_between."""
        return {
            "intercept": self.intercept,
            "time": self.time,
            "x.within": self.within,
            "x.between_client": self.between_client,
            "x.between_therapist": self.between_therapist,
            "x.contextual": self.between_client - self.within,
            "x.within.sd": self.sd_slope,
            "sd.client.intercept": self.sd_client,
            "sd.therapist.intercept": self.sd_therapist,
            "sd.residual": self.sd_residual,
        }


@dataclass(frozen=True)
class SimulatedOutcome:
    """One row per session: ``client``, ``session``, ``therapist`` (if any), ``x``, ``y``, and ``eta``, the truth."""

    sessions: pd.DataFrame
    family: Family
    truth: OutcomeTruth
    seed: int


def simulate_outcome(
    family: Family,
    *,
    clients: int = 100,
    sessions: int | tuple[int, int] = 8,
    therapists: int = 10,
    truth: OutcomeTruth | None = None,
    seed: int = 1,
) -> SimulatedOutcome:
    """Draw one outcome and one predictor with known effects at every level.

    Parameters
    ----------
    family
        Response family of the outcome.
    clients, therapists
        Numbers of units; ``therapists = 0`` leaves the level out.
    sessions
        Sessions per client, or the lowest and highest.
    truth
        True parameters.
    seed
        Seed of NumPy's PCG64 generator.

    Raises
    ------
    ValueError
        If the family is unknown.

    Examples
    --------
    >>> from safezone.data.simulate_outcome import simulate_outcome
    >>> sorted(simulate_outcome("bernoulli", clients=10, therapists=2).sessions["y"].unique().tolist())
    [0.0, 1.0]
    """
    if family not in _DRAWS:
        raise ValueError(f"There is no family {family!r}. Choose one of: {', '.join(_DRAWS)}.")
    truth = truth or OutcomeTruth()
    rng = np.random.default_rng(seed)
    low, high = (sessions, sessions) if isinstance(sessions, int) else sessions
    count = rng.integers(low, high + 1, clients)
    client = np.repeat(np.arange(clients), count)
    order = np.concatenate([np.arange(each) for each in count])
    groups = max(therapists, 1)
    seat = rng.permutation(np.arange(clients) % groups)
    present = 1.0 if therapists else 0.0
    mean_t = rng.normal(0, truth.sd_x_therapist * present, groups)[seat][client]
    mean_c = rng.normal(0, truth.sd_x_client, clients)[client]
    within = rng.normal(0, truth.sd_x, len(client))
    slope = truth.within + rng.normal(0, truth.sd_slope, clients)[client]
    eta = truth.intercept + truth.time * order + slope * within
    eta = eta + truth.between_client * mean_c + truth.between_therapist * mean_t
    eta = eta + rng.normal(0, truth.sd_client, clients)[client]
    eta = eta + rng.normal(0, truth.sd_therapist * present, groups)[seat][client]
    table = pd.DataFrame({"client": [f"C{each + 1:04d}" for each in client], "session": order + 1})
    if therapists:
        table["therapist"] = [f"T{each + 1:03d}" for each in seat[client]]
    table["x"] = mean_t + mean_c + within
    table["y"] = _DRAWS[family](rng, eta, truth)
    table["eta"] = eta
    return SimulatedOutcome(table, family, truth, seed)


def _ordinal(rng: np.random.Generator, eta: Array, truth: OutcomeTruth) -> Array:
    """Rating 1 + number of cutpoints below a logistic draw around eta."""
    latent = eta + rng.logistic(size=eta.shape)
    above = (latent[:, None] > np.asarray(truth.cutpoints)).sum(axis=1)
    return np.asarray(above + 1, dtype=np.float64)


def _beta(rng: np.random.Generator, eta: Array, truth: OutcomeTruth) -> Array:
    """Beta draw with mean expit(eta), kept off the ends by floating point's width."""
    mean = 1.0 / (1.0 + np.exp(-eta))
    drawn = rng.beta(mean * truth.precision, (1 - mean) * truth.precision)
    return np.clip(drawn, 1e-6, 1 - 1e-6)


def _negative_binomial(rng: np.random.Generator, eta: Array, truth: OutcomeTruth) -> Array:
    """Poisson draw whose rate is gamma distributed with mean exp(eta)."""
    rate = rng.gamma(truth.dispersion, np.exp(eta) / truth.dispersion)
    found: Array = rng.poisson(rate).astype(np.float64)
    return found


_DRAWS: Mapping[Family, Callable[[np.random.Generator, Array, OutcomeTruth], Array]] = {
    "gaussian": lambda rng, eta, truth: eta + truth.sd_residual * rng.normal(size=eta.shape),
    "student_t": lambda rng, eta, truth: eta + truth.sd_residual * rng.standard_t(truth.nu, size=eta.shape),
    "ordinal": _ordinal,
    "bernoulli": lambda rng, eta, truth: (rng.random(eta.shape) < 1.0 / (1.0 + np.exp(-eta))).astype(np.float64),
    "beta": _beta,
    "negative_binomial": _negative_binomial,
}

__all__ = ["OutcomeTruth", "SimulatedOutcome", "simulate_outcome"]
