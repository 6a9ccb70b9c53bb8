"""Write ``docs/evidence.md``: published values beside what safezone gives, and the kernel beside PyMC.

In the folder ``tests``: ``python -m reference.table [FOLDER]``. Study folders and finished comparisons are kept in
FOLDER and used again (a temporary folder by default); the seed is the study files' default, 20240505. Comparisons with
PyMC take minutes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pandas as pd

import safezone as sz

from . import twins
from .cases import BEAT_THE_BLUES, CASES, UNEMPLOYMENT, write_study
from .outcome import Outcome, read_outcome
from .test_twins import MORE

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"

INTRODUCTION = """\
# Evidence: published values, and two programs for one posterior

Written by `tests/reference/table.py` (seed 20240505); the same comparisons are tests, and the tolerances are
justified there. Values are raw. References are maximum likelihood (ML) or REML.

## Published values

*Difference* is posterior mean minus reference, in standard errors (SE) of the reference; where it has none, in
posterior SDs. Means of SDs lie above their maxima because the posterior of an SD is skewed; for *Beat the
Blues* and *Alcohol use*, quadrature with the same priors (`tests/reference/test_brute_force.py`) gives the same means
within Monte Carlo error; the others were not checked so.
"""

TWINS = """\
## The marginal kernel and the plain PyMC model

Largest differences of means and of SDs over all estimands of a model, in Monte Carlo standard errors (z), and the
largest difference of means in posterior SDs. Two right programs exceed 4 once in many thousand comparisons.

| data | model | estimands | largest z of means | root mean square z | largest z of SDs | largest difference (SD) |
|---|---|---|---|---|---|---|
"""


def published(folder: Path) -> str:
    """Run every case and return its tables."""
    parts = []
    for case in CASES:
        place = folder / case.name.replace(" ", "_").replace(",", "")
        result = sz.run(write_study(case, place, SHARED))
        parts.append(_section(case.name, case.source, read_outcome(case, result.folder)))
        print(parts[-1], flush=True)
    return "\n".join(parts)


def _section(name: str, source: str, outcome: Outcome) -> str:
    lines = [
        f"### {name}",
        "",
        f"{source}. {outcome.rows:,} ratings of {outcome.clients:,}; sampler: {outcome.sampler}; {outcome.verdict}.",
        "",
        "| estimand | reference (SE) | posterior mean (SD) | difference |",
        "|---|---|---|---|",
    ]
    for row in outcome.table.to_dict("records"):
        error = f" ({row['error']:.4g})" if row["kind"] == "fixed" else ""
        lines.append(
            f"| `{row['estimand']}` | {row['reference']:.4g}{error} | {row['mean']:.4g} ({row['sd']:.3g}) "
            f"| {row['difference']:+.2f} {'SE' if row['kind'] == 'fixed' else 'SD'} |"
        )
    return "\n".join([*lines, ""])


def compared(folder: Path) -> str:
    """Compare kernel and PyMC on every model of the twin tests, and return the rows of the table."""
    import shutil

    harbour = folder / "harbour"
    if not harbour.exists():
        shutil.copytree(ROOT / "data" / "examples" / "harbour", harbour)
    real = write_study(UNEMPLOYMENT, folder / "unemp", SHARED, MORE)
    blues = write_study(BEAT_THE_BLUES, folder / "btheb", SHARED)
    jobs = [("The Harbour study (simulated)", harbour / "study.toml", m) for m in ("safety_shares", "course", "depth")]
    jobs += [("Unemployment", real, m) for m in ("shares", "model_B", "events")]
    jobs += [("Beat the Blues", blues, "course")]
    rows = []
    for name, study, model in jobs:
        kept = folder / f"{study.parent.name}_{model}.csv"
        if not kept.exists():
            twins.compare(study, model, folder).to_csv(kept)
        table = pd.read_csv(kept)
        apart = ((table["mean"] - table["other_mean"]) / table["sd"]).abs().max()
        rows.append(
            f"| {name} | {model} | {len(table)} | {table['z_mean'].abs().max():.2f} "
            f"| {(table['z_mean'] ** 2).mean() ** 0.5:.2f} | {table['z_sd'].abs().max():.2f} | {apart:.3f} |"
        )
        print(rows[-1], flush=True)
    return "\n".join(rows)


def main() -> None:
    """Write the page."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(temporary)
        page = f"{INTRODUCTION}\n{published(folder)}\n{TWINS}{compared(folder / 'twins')}\n"
    (ROOT / "docs" / "evidence.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
