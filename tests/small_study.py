"""A study folder small enough to be run for real: one rated scale, three therapists, simulated."""

from __future__ import annotations

from pathlib import Path

import numpy as np

STUDY = """
[study]
title = "A small study"
simulated = true

[data]
sessions = "sessions.csv"

[columns]
client = "id"
session = "n"
therapist = "who"

[variables.safety]
column = "saf"
role = "safety"
range = [1, 7]
label = "Felt safety"

[variables.depth]
column = "depth"
role = "exploration"
range = [1, 7]

[variables.arm]
column = "arm"
role = "arm"
level = "client"

[sampling]
seed = 7
draws = 500
warmup = 300

[report]
formats = ["html"]
"""
VARIANCE = '[models.shares]\nkind = "variance"\noutcome = "safety"\n'


def write_study(
    folder: Path, models: str = VARIANCE, *, clients: int = 24, sessions: int = 5, therapists: int = 3
) -> Path:
    """Write study.toml and sessions.csv; return the study file."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(3)
    lines = ["id,n,who,saf,depth,arm"]
    for client in range(clients):
        level = rng.normal(0, 0.8)
        for session in range(1, sessions + 1):
            safety = np.clip(4 + level + rng.normal(0, 0.7), 1, 7)
            depth = np.clip(4 + 0.5 * (safety - 4) + rng.normal(0, 0.7), 1, 7)
            arm = ("usual", "active")[client % 2]
            lines.append(f"c{client:02d},{session},t{client % therapists},{safety:.2f},{depth:.2f},{arm}")
    (folder / "sessions.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "study.toml").write_text(STUDY + models, encoding="utf-8")
    return folder / "study.toml"
