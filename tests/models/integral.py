"""The integral of a density that is a Gaussian function of its latent quantities, from its value and gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Twin:
    """log p(y | parameters) of the PyMC twin, and the moments of its latent quantities given parameters and data."""

    log_likelihood: float
    names: list[str]
    mean: np.ndarray
    covariance: np.ndarray


def integrate(function: Callable[..., Any], point: Mapping[str, np.ndarray], names: Sequence[str]) -> Twin:
    """Integrate the quantities ``names`` out.

    ``function`` takes a point and returns the log density and its gradient in each of the names, in their order.
    """
    sizes = [point[name].size for name in names]

    def at(vector: np.ndarray) -> tuple[float, np.ndarray]:
        parts = np.split(vector, np.cumsum(sizes)[:-1])
        here = point | {name: part.reshape(point[name].shape) for name, part in zip(names, parts, strict=True)}
        found, *gradients = function(here)
        return float(found), np.concatenate([np.ravel(gradient) for gradient in gradients])

    size = sum(sizes)
    origin, slope = at(np.zeros(size))
    hessian = np.column_stack([at(np.eye(size)[i])[1] - slope for i in range(size)])
    solution = np.linalg.solve(-hessian, slope)
    log_integral = 0.5 * slope @ solution + 0.5 * size * np.log(2 * np.pi) - 0.5 * np.linalg.slogdet(-hessian)[1]
    labels = [name for name, length in zip(names, sizes, strict=True) for _ in range(length)]
    return Twin(origin + log_integral, labels, solution, np.linalg.inv(-hessian))
