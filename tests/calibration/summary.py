"""Bias, error, coverage and width of estimates against a known truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def summarise(
    scenario: str, truth: Mapping[str, tuple[float, float]], rows: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return bias, RMSE, coverage and width per estimand, with their Monte Carlo errors."""
    table: list[dict[str, Any]] = []
    for name, (true, unit) in truth.items():
        values = np.array([row["estimates"][name] for row in rows])
        error = (values[:, 0] - true) * unit
        covered = (values[:, 1] <= true) & (true <= values[:, 2])
        count = len(rows)
        table.append(
            {
                "scenario": scenario,
                "estimand": name,
                "replications": count,
                "true": true,
                "unit": unit,
                "bias": error.mean(),
                "bias_mcse": error.std(ddof=1) / count**0.5,
                "rmse": float(np.sqrt(np.mean(error**2))),
                "coverage": covered.mean(),
                "coverage_mcse": float(np.sqrt(covered.mean() * (1 - covered.mean()) / count)),
                "width": ((values[:, 2] - values[:, 1]) * unit).mean(),
            }
        )
    return table
