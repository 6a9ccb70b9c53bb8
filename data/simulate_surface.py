"""Small studies with two raters and a quadratic surface, for recovery tests of the congruence model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from .truth import Array

NAMES = ("b1", "b2", "b3", "b4", "b5")


@dataclass(frozen=True, slots=True)
class SurfaceTruth:
    """True parameters of a surface over two ratings, in points.

    Ratings x and z of session i, client c, therapist t have usual values X = mean_x + m_c + m_t (and Z) and deviations
    from them; both levels are bivariate normal. The outcome is::

        y = intercept + f_within(x − X, z − Z) + f_between(X − centre, Z − centre) + u_c + w_t + e

    with f(x, z) = b1 x + b2 z + b3 x² + b4 xz + b5 z² and centre the mean of mean_x and mean_z.

    Parameters
    ----------
    within, between
        b1 … b5 of the two surfaces.
    mean_x, mean_z
        Population means of the two raters.
    sd_session, sd_client, sd_therapist
        SDs of deviations, of m_c and of m_t, for x and z.
    cor_session, cor_client, cor_therapist
        Their correlations between raters.
    intercept
        Outcome at agreement in the middle.
    sd_y_client, sd_y_therapist, sd_residual
        SDs of u, w and e.
    """

    within: tuple[float, float, float, float, float] = (0.30, 0.20, -0.15, 0.25, -0.10)
    between: tuple[float, float, float, float, float] = (0.40, 0.20, -0.20, 0.35, -0.15)
    mean_x: float = 4.2
    mean_z: float = 4.8
    sd_session: tuple[float, float] = (0.9, 0.8)
    sd_client: tuple[float, float] = (0.9, 0.7)
    sd_therapist: tuple[float, float] = (0.2, 0.3)
    cor_session: float = 0.3
    cor_client: float = 0.4
    cor_therapist: float = 0.2
    intercept: float = 5.5
    sd_y_client: float = 0.6
    sd_y_therapist: float = 0.2
    sd_residual: float = 1.0

    @property
    def centre(self) -> float:
        """Where both surfaces' terms are zero."""
        return (self.mean_x + self.mean_z) / 2

    def estimands(self) -> dict[str, float]:
        """Return the true values under the names of the congruence model, raw units."""
        found: dict[str, float] = {}
        for place, b in (("within", self.within), ("between_client", self.between)):
            b1, b2, b3, b4, b5 = b
            values = {"a1": b1 + b2, "a2": b3 + b4 + b5, "a3": b1 - b2, "a4": b3 - b4 + b5, "a5": b3 - b5}
            values |= dict(zip(NAMES, b, strict=True))
            found |= {f"surface.{place}.{name}": value for name, value in values.items()}
        return found | {
            "sd.client.intercept": self.sd_y_client,
            "sd.therapist.intercept": self.sd_y_therapist,
            "sd.residual": self.sd_residual,
        }


@dataclass(frozen=True)
class SimulatedSurface:
    """One row per session: ``client``, ``session``, ``therapist`` (if any), ``x``, ``z``, ``y``."""

    sessions: pd.DataFrame
    truth: SurfaceTruth
    seed: int


def simulate_surface(
    *,
    clients: int = 60,
    sessions: int | tuple[int, int] = 10,
    therapists: int = 12,
    truth: SurfaceTruth | None = None,
    centring: Literal["latent", "observed"] = "latent",
    missing: float = 0.0,
    seed: int = 1,
) -> SimulatedSurface:
    """Draw two raters' ratings and an outcome that lies on a surface of them.

    Parameters
    ----------
    clients, therapists
        Numbers of units; ``therapists = 0`` leaves the level out.
    sessions
        Sessions per client, or the lowest and highest.
    truth
        True parameters.
    centring
        ``latent``: usual values are the true ones. ``observed``: the means of the client's own ratings take their place
        (and the mean of both raters' ratings that of the centre), so that a model with observed centring is right.
    missing
        Share of ratings (x, z and y alike) that are lost completely at random.
    seed
        Seed of NumPy's PCG64 generator.

    Examples
    --------
    >>> from safezone.data.simulate_surface import simulate_surface
    >>> simulate_surface(clients=5, sessions=4, therapists=2).sessions.shape
    (20, 6)
    """
    truth = truth or SurfaceTruth()
    rng = np.random.default_rng(seed)
    low, high = (sessions, sessions) if isinstance(sessions, int) else sessions
    count = rng.integers(low, high + 1, clients)
    client = np.repeat(np.arange(clients), count)
    groups = max(therapists, 1)
    present = 1.0 if therapists else 0.0
    seat = (np.arange(clients) % groups)[client]
    usual = np.array([truth.mean_x, truth.mean_z]) + _pair(rng, clients, truth.sd_client, truth.cor_client)[client]
    usual = usual + present * _pair(rng, groups, truth.sd_therapist, truth.cor_therapist)[seat]
    ratings = usual + _pair(rng, len(client), truth.sd_session, truth.cor_session)
    centre = truth.centre
    if centring == "observed":
        usual = np.stack([np.bincount(client, ratings[:, k]) / count for k in range(2)], axis=1)[client]
        centre = float(ratings.mean())
    y = truth.intercept + _surface(truth.within, ratings - usual) + _surface(truth.between, usual - centre)
    y = y + rng.normal(0, truth.sd_y_client, clients)[client]
    y = y + rng.normal(0, truth.sd_y_therapist * present, groups)[seat]
    y = y + rng.normal(0, truth.sd_residual, len(client))
    table = pd.DataFrame({"client": [f"C{each + 1:04d}" for each in client]})
    table["session"] = np.concatenate([np.arange(each) for each in count]) + 1
    if therapists:
        table["therapist"] = [f"T{each + 1:03d}" for each in seat]
    values = np.column_stack([ratings, y])
    values[rng.random(values.shape) < missing] = np.nan
    table[["x", "z", "y"]] = values
    return SimulatedSurface(table, truth, seed)


def _pair(rng: np.random.Generator, size: int, sd: tuple[float, float], correlation: float) -> Array:
    """Draw pairs of correlated normals, shape (size, 2)."""
    first = rng.normal(size=size)
    second = correlation * first + np.sqrt(1 - correlation**2) * rng.normal(size=size)
    return np.column_stack([sd[0] * first, sd[1] * second])


def _surface(b: tuple[float, ...], ratings: Array) -> Array:
    """Return b1 x + b2 z + b3 x² + b4 xz + b5 z²."""
    x, z = ratings.T
    return np.asarray(b[0] * x + b[1] * z + b[2] * x * x + b[3] * x * z + b[4] * z * z)


__all__ = ["SimulatedSurface", "SurfaceTruth", "simulate_surface"]
