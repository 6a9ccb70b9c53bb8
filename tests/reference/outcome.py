"""Run a case the way users do, and set what came out beside what must come out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from .cases import Case, Fixed


@dataclass(frozen=True)
class Outcome:
    """What a results folder says about a case.

    Parameters
    ----------
    table
        One row per target: ``estimand, kind, reference, error, mean, sd, difference, mcse``. ``difference`` and
        ``mcse`` are in standard errors of the reference, or in posterior SDs where it has none.
    rows, clients, sampler, verdict
        From the model's card.
    """

    table: pd.DataFrame
    rows: int
    clients: int
    sampler: str
    verdict: str


def read_outcome(case: Case, results: Path) -> Outcome:
    """Read ``estimates.csv`` and the model's card from a results folder."""
    estimates = pd.read_csv(results / "estimates.csv")
    chosen = (estimates["model"] == case.model) & (estimates["scale"] == "raw")
    found = {str(row["estimand"]): row for row in estimates[chosen].to_dict("records")}
    rows = []
    for estimand, target in case.targets.items():
        one = found[estimand]
        mean, sd, mcse = (float(one[name]) for name in ("mean", "sd", "mcse"))
        fixed = isinstance(target, Fixed)
        unit = target.error if isinstance(target, Fixed) else sd
        rows.append(
            {
                "estimand": estimand,
                "kind": "fixed" if fixed else "spread",
                "reference": target.value,
                "error": unit if fixed else float("nan"),
                "mean": mean,
                "sd": sd,
                "difference": (mean - target.value) / unit,
                "mcse": mcse / unit,
            }
        )
    card = json.loads((results / "fits" / f"{case.model}.json").read_text(encoding="utf-8"))
    return Outcome(pd.DataFrame(rows), card["rows"]["used"], card["clients"], card["sampler"], card["verdict"])
