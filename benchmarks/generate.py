"""Data of the benchmark: growth curves of clients within therapists, at several sizes, from a fixed seed.

``python -m safezone.benchmarks.generate FOLDER SESSIONS CLIENTS THERAPISTS`` writes

- ``sessions.csv``, ``sessions.parquet``, ``clients.csv``: what a research team would have;
- ``internal.csv``, ``internal.parquet``, ``units.parquet``: the same on safezone's internal scale, so that every
  peer sees the same numbers and spends no time on standardising them (outcome z-scored over sessions, time divided
  by its SD and not centred, baseline z-scored over clients, arm 0/1).

All values are simulated.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

SEED = 20240505
OUTCOME = "symptoms"


@dataclass(frozen=True, slots=True)
class Size:
    """How many sessions, clients and therapists."""

    sessions: int
    clients: int
    therapists: int

    def __str__(self) -> str:
        """Return ``2,400 sessions, 200 clients, 20 therapists``."""
        return f"{self.sessions:,} sessions, {self.clients:,} clients, {self.therapists:,} therapists"


SIZES = {
    "tiny": Size(240, 20, 5),  # only to see whether everything runs
    "small": Size(2_400, 200, 20),
    "medium": Size(20_000, 1_000, 50),
    "large": Size(200_000, 10_000, 200),
    "huge": Size(1_000_000, 50_000, 500),
}


def generate(folder: Path, size: Size) -> None:
    """Simulate one size and write its files.

    Parameters
    ----------
    folder
        Where; it is created.
    size
        Sessions must be a multiple of clients, clients an even number. Neighbouring clients have k + d and k − d
        sessions, d = 0 … k/2, so that series differ in length and the total is exact.
    """
    import numpy as np
    import pandas as pd

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([SEED, size.sessions])
    mean = size.sessions // size.clients
    shift = rng.integers(0, mean // 2 + 1, size.clients // 2)
    lengths = np.column_stack([mean + shift, mean - shift]).ravel()
    therapist_of = np.sort(np.arange(size.clients) % size.therapists)
    arm = rng.integers(0, 2, size.clients)
    baseline = rng.normal(16.0, 4.0, size.clients)
    level, slope = rng.multivariate_normal([0.0, 0.0], [[9.0, -0.24], [-0.24, 0.04]], size.clients).T
    own_level, own_slope = rng.multivariate_normal([0.0, 0.0], [[1.0, 0.02], [0.02, 0.0025]], size.therapists).T
    client = np.repeat(np.arange(size.clients), lengths)
    starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
    time = (np.arange(size.sessions) - starts).astype(np.float64)
    therapist = therapist_of[client]
    course = -0.2 - 0.15 * arm[client] + slope[client] + own_slope[therapist]
    symptoms = (
        14.0 + 0.5 * (baseline[client] - 16.0) + level[client] + own_level[therapist] + course * time
        + rng.normal(0.0, 2.5, size.sessions)
    ).round(3)  # fmt: skip

    names = np.array([f"c{i:05d}" for i in range(size.clients)])
    sessions = pd.DataFrame(
        {
            "client": names[client],
            "session": time.astype(np.int64) + 1,
            "therapist": np.array([f"t{i:03d}" for i in range(size.therapists)])[therapist],
            OUTCOME: symptoms,
        }
    )
    sessions.to_csv(folder / "sessions.csv", index=False)
    sessions.to_parquet(folder / "sessions.parquet", index=False)
    clients = pd.DataFrame({"client": names, "arm": np.array(["usual", "active"])[arm], "baseline": baseline.round(3)})
    clients.to_csv(folder / "clients.csv", index=False)
    rounded = clients["baseline"].to_numpy()
    standard = (rounded - rounded.mean()) / rounded.std(ddof=1)
    internal = pd.DataFrame(
        {
            "client": client,
            "therapist": therapist,
            "y": (symptoms - symptoms.mean()) / symptoms.std(ddof=1),
            "time": time / time.std(ddof=1),
            "arm": arm[client].astype(np.float64),
            "baseline": standard[client],
        }
    )
    internal["arm_time"] = internal["arm"] * internal["time"]
    internal.to_csv(folder / "internal.csv", index=False)
    internal.to_parquet(folder / "internal.parquet", index=False)
    pd.DataFrame({"therapist": therapist_of}).to_parquet(folder / "units.parquet", index=False)


def study_file(folder: Path, data: Path, sessions: str, *, chains: int, draws: int, warmup: int) -> Path:
    """Write a study file that reads the data where they lie; return its path.

    Parameters
    ----------
    folder
        Where the study file goes, and with it results and store.
    data
        Folder written by :func:`generate`.
    sessions
        ``sessions.csv`` or ``sessions.parquet``.
    chains, draws, warmup
        Settings of the sampler.
    """
    path = folder / "study.toml"
    path.write_text(
        f"""[study]
title = "Benchmark (simulated)"
simulated = true
[data]
sessions = "{(data / sessions).resolve().as_posix()}"
clients = "{(data / "clients.csv").resolve().as_posix()}"
[columns]
client = "client"
session = "session"
therapist = "therapist"
[variables.{OUTCOME}]
column = "{OUTCOME}"
role = "symptoms"
better = "lower"
[variables.arm]
column = "arm"
role = "arm"
level = "client"
categories = ["usual", "active"]
[variables.baseline]
column = "baseline"
role = "baseline"
level = "client"
[models.course]
kind = "growth"
outcome = "{OUTCOME}"
time = "linear"
by = ["arm"]
covariates = ["baseline"]
[sampling]
seed = {SEED}
chains = {chains}
draws = {draws}
warmup = {warmup}
""",
        encoding="utf-8",
    )
    return path


if __name__ == "__main__":
    generate(Path(sys.argv[1]), Size(*(int(number) for number in sys.argv[2:5])))
