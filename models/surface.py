r"""The quadratic surface of two raters: its terms, what they say about agreement, its principal axis.

On one common scale, with x the client's and z the therapist's rating (or the other way round),

.. math:: f(x, z) = b_1 x + b_2 z + b_3 x^2 + b_4 xz + b_5 z^2

Along the line of congruence (z = x) it is :math:`a_1 x + a_2 x^2`, along the line of incongruence (z = −x)
:math:`a_3 x + a_4 x^2`:

.. math:: a_1 = b_1 + b_2,\quad a_2 = b_3 + b_4 + b_5,\quad a_3 = b_1 - b_2,\quad a_4 = b_3 - b_4 + b_5,
          \quad a_5 = b_3 - b_5

Edwards & Parry (1993) for the surface and its axes; Humberg, Nestler & Back (2019) for what a congruence effect is;
Nestler, Humberg & Schönbrodt (2019) for sessions within clients and a₅; Schönbrodt (2016) for the nested shapes.
Everything here is arrays in, arrays out: draws come first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .design import Floats

TERMS = ("b1", "b2", "b3", "b4", "b5")
ORDER = np.array([1, 1, 2, 2, 2])
"""Degree of each term: raw coefficients are per point to this power."""
LEVELS = ("within", "between_client")
"""Places of a surface in the names of estimands; the posterior variables are in :data:`VARIABLES`."""
VARIABLES: Mapping[str, str] = MappingProxyType({"within": "surface_within", "between_client": "surface_between"})
COMBINATIONS: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "a1": (1.0, 1.0, 0.0, 0.0, 0.0),
        "a2": (0.0, 0.0, 1.0, 1.0, 1.0),
        "a3": (1.0, -1.0, 0.0, 0.0, 0.0),
        "a4": (0.0, 0.0, 1.0, -1.0, 1.0),
        "a5": (0.0, 0.0, 1.0, 0.0, -1.0),
    }
)
"""What is asked of a surface, as weights of its terms."""
FLAT = 0.05
"""Curvatures (standardised) that differ by less have no axis, and a curvature that is smaller is none."""
STEEP = 20.0
"""An axis steeper than this, or further from the centre than so many SDs, lies outside of any data."""

SHAPES: Mapping[str, tuple[tuple[float, ...], ...]] = MappingProxyType(
    {
        # (x − z)²: only the size of the disagreement counts.
        "congruence": ((0.0, 0.0, 1.0, -2.0, 1.0),),
        # (x − z)² and x − z: the best point may lie where one of them rates higher.
        "discrepancy": ((1.0, -1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 1.0, -2.0, 1.0)),
        # (x − z)² and x + z: agreement counts, and more so at a high level.
        "rising_ridge": ((1.0, 1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 1.0, -2.0, 1.0)),
        # A plane: each rating has its own slope, and agreement as such does not matter.
        "additive": ((1.0, 0.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0, 0.0)),
        "none": (),
    }
)
"""Nested shapes: rows span the coefficients that are allowed (SQD, SSQD, RR, additive and null of Schönbrodt 2016)."""


def terms(x: Floats, z: Floats) -> Floats:
    """Return x, z, x², xz, z² along a new last axis."""
    return np.stack([x, z, x * x, x * z, z * z], axis=-1)


def combination(name: str, b: Floats) -> Floats:
    """Return a₁ … a₅ (or a term) from coefficients (…, 5)."""
    weights = COMBINATIONS.get(name) or tuple(float(term == name) for term in TERMS)
    return np.asarray(b @ np.array(weights))


def rescaled(b: Floats, x_unit: Floats | float, y_unit: Floats | float) -> Floats:
    """Return coefficients (…, 5) per ``x_unit`` of the ratings, in ``y_unit`` of the outcome."""
    size = np.asarray(x_unit, dtype=np.float64)[..., None] ** ORDER
    return np.asarray(b * size / np.asarray(y_unit, dtype=np.float64)[..., None])


@dataclass(frozen=True)
class Axis:
    """The first principal axis z = intercept + slope · x: along it the surface curves upward most (or downward least).

    Parameters
    ----------
    slope, intercept
        p11 and p10, shape of the draws; NaN in draws without an axis.
    defined
        Whether the draw has one.
    """

    slope: Floats
    intercept: Floats
    defined: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def first_axis(b: Floats) -> Axis:
    r"""Return the first principal axis of surfaces whose coefficients (…, 5) are standardised.

    With the eigenvalues :math:`\lambda_1 \ge \lambda_2` of [[b3, b4/2], [b4/2, b5]], eigenvectors
    (cos φ, sin φ) and (−sin φ, cos φ), 2φ = atan2(b4, b3 − b5), and t the place of the extremum across the axis,

    .. math:: p_{11} = \tan\varphi, \quad p_{10} = t/\cos\varphi, \quad
              t = -\frac{b_2\cos\varphi - b_1\sin\varphi}{2\lambda_2}

    which are the formulas of Edwards & Parry (1993) without their division by b4 and by the determinant: a ridge has
    no single stationary point and yet an axis. There is none where curvatures are alike in every direction (or the
    surface is flat), none that can be placed where :math:`\lambda_2` is nil, and none within reach where it is too
    steep.
    """
    b1, b2, b3, b4, b5 = np.moveaxis(np.asarray(b, dtype=np.float64), -1, 0)
    spread = np.hypot(b3 - b5, b4)
    second = (b3 + b5 - spread) / 2
    angle = np.arctan2(b4, b3 - b5) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.tan(angle)
        across = -(b2 * np.cos(angle) - b1 * np.sin(angle)) / (2 * second)
        intercept = across / np.cos(angle)
        defined = (spread > FLAT) & (np.abs(second) > FLAT) & (np.abs(slope) < STEEP) & (np.abs(intercept) < STEEP)
    return Axis(np.where(defined, slope, np.nan), np.where(defined, intercept, np.nan), defined)


def moments(b: Floats, mean: Floats, covariance: Floats) -> tuple[Floats, Floats]:
    r"""Return mean and variance of f(v) for v normal with the given moments.

    f = l'v + v'Qv has mean l'μ + μ'Qμ + tr QΣ and variance (l + 2Qμ)'Σ(l + 2Qμ) + 2 tr QΣQΣ.

    Parameters
    ----------
    b
        Shape (draws, 5).
    mean, covariance
        Shapes (draws, 2) and (draws, 2, 2).
    """
    linear = b[:, :2]
    q = np.empty((len(b), 2, 2))
    q[:, 0, 0], q[:, 1, 1] = b[:, 2], b[:, 4]
    q[:, 0, 1] = q[:, 1, 0] = b[:, 3] / 2
    qm = np.einsum("sij,sj->si", q, mean)
    product = q @ covariance
    slope = linear + 2 * qm
    expected = np.einsum("si,si->s", linear, mean) + np.einsum("si,si->s", mean, qm) + np.einsum("sii->s", product)
    variance = np.einsum("si,sij,sj->s", slope, covariance, slope) + 2 * np.einsum("sij,sji->s", product, product)
    return expected, variance
