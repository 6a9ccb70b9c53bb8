"""The files of the results folder as bytes: the same content always gives the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..data.export import csv_bytes
from .estimates import COLUMNS, dump_json

if TYPE_CHECKING:
    from ..data.study import Study

DIAGNOSTICS = (
    "model",
    "draws",
    "chains",
    "divergences",
    "rhat_max",
    "ess_bulk_min",
    "ess_tail_min",
    "bfmi_min",
    "pareto_k_max",
    "wall_seconds",
    "sampler",
    "verdict",
)


def estimate_files(rows: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """Return ``estimates.csv`` and ``estimates.json``."""
    frame = pd.DataFrame([dict(row) for row in rows], columns=list(COLUMNS))
    return {"estimates.csv": csv_bytes(frame), "estimates.json": dump_json([dict(row) for row in rows])}


def diagnostics_file(cards: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
    """Return ``diagnostics.csv``, one row per model."""
    rows = [
        {
            "model": card["name"],
            **card["diagnostics"],
            "wall_seconds": round(float(card["timings"].get("total", 0.0)), 1),
            "sampler": card["sampler"],
            "verdict": card["verdict"],
        }
        for card in cards
    ]
    return {"diagnostics.csv": csv_bytes(pd.DataFrame(rows, columns=list(DIAGNOSTICS)))}


def data_files(study: Study) -> dict[str, bytes]:
    """Return the tables of ``data/``: flow, codebook, missing ratings, attendance, checks."""
    from ..data.faults import faults_frame
    from ..data.tables import data_tables

    tables = {f"data/{name}.csv": csv_bytes(table) for name, table in data_tables(study).items()}
    return {**tables, "data/checks.csv": csv_bytes(faults_frame(study.faults))}
