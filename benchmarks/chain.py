"""Time and effective sample size of the whole chain: ``python benchmarks/chain.py``.

Seven responses on three levels and a final outcome (300 clients × 20 sessions × 40 therapists, simulated), sampled as
``safezone fit`` does with its default settings. The goal: bulk ESS ≥ 400 for every path in under two minutes on two
cores.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safezone.analysis import provenance
from safezone.benchmarks.run import machine
from safezone.benchmarks.table import write_tables

if TYPE_CHECKING:
    from safezone.data.study import Study

HERE = Path(__file__).resolve().parent
RESULT = HERE / "results" / "chain.json"
SIZE = (300, 20, 40)
SEED = 20240505

MODEL = """
[variables.risk]
column = "risk"
role = "risk"
rater = "client"

[models.chain]
session = [
  "therapist_safety -> safety -> alliance -> exploration -> risk -> post_session",
  "safety -> exploration, risk",
  "alliance, exploration -> post_session",
  "lag(post_session) -> symptoms",
]
client = [
  "anxiety, avoidance -> safety",
  "therapist_safety -> safety -> alliance -> exploration -> risk -> post_session -> symptoms",
  "safety -> exploration",
  "alliance, exploration -> post_session",
  "anxiety -> symptoms",
  "baseline, arm, alliance, post_session, symptoms -> final",
]
therapist = [
  "therapist_anxiety, therapist_avoidance -> therapist_safety -> safety -> alliance",
  "safety, alliance -> exploration -> post_session -> symptoms",
]
final = "final"
"""


def study(folder: Path, size: tuple[int, int, int], seed: int) -> Study:
    """Write a simulated study with a seventh response (taking risks) and read it."""
    from safezone.data.simulate import SimulationDesign, simulate, write_study
    from safezone.data.study import read_study
    from safezone.data.truth import Truth
    from safezone.data.truth_parts import Path as Arrow
    from safezone.data.truth_parts import Series

    plain = Truth()
    at = plain.names.index("post_session")
    risk = Series("risk", mean=3.0, sd_session=0.9, sd_client=0.5, sd_therapist=0.1)
    truth = replace(
        plain,
        series=(*plain.series[:at], risk, *plain.series[at:]),
        session=(*plain.session, Arrow("safety", "risk", 0.2), Arrow("exploration", "risk", 0.4),
                 Arrow("risk", "post_session", 0.2)),
        client=(*plain.client, Arrow("exploration", "risk", 0.5), Arrow("risk", "post_session", 0.3)),
    )  # fmt: skip
    clients, sessions, therapists = size
    drawn = simulate(SimulationDesign(clients, sessions, therapists, dropout=False), truth, seed)
    path = write_study(drawn, folder)
    text = path.read_text(encoding="utf-8")
    before, after = text.index("\n[models."), text.index("\n[sampling]")
    path.write_text(f"{text[:before]}\n{MODEL}{text[after:]}", encoding="utf-8")
    return read_study(path)


def measure(size: tuple[int, int, int], seed: int) -> dict[str, Any]:
    """Fit the chain and return seconds and effective sample sizes."""
    from arviz_stats.base import array_stats

    from safezone.analysis.progress import Silent
    from safezone.analysis.remedies import Effort
    from safezone.analysis.sampling import sampler_for
    from safezone.models.catalogue import model, plan

    with tempfile.TemporaryDirectory(prefix="safezone-bench-") as folder:
        one = study(Path(folder) / "study", size, seed)
        started = time.perf_counter()
        entry = next(each for each in plan(one) if each.name == "chain")
        chain = model(entry.kind)
        design = chain.design(one, entry.name, entry.options)
        declared, clock = time.perf_counter(), time.process_time()
        sampling = one.config.sampling
        sampler = sampler_for(
            chain, design, sampling, seed=provenance.model_seed(sampling.seed, "chain"), progress=Silent()
        )
        sampled = sampler(Effort(sampling.draws, sampling.warmup))
        ended, spent = time.perf_counter(), time.process_time() - clock
        posterior = sampled.tree["posterior"].to_dataset()
        ess: dict[str, float] = {}
        for estimand in chain.estimands(design):
            if estimand.scale == "raw" and estimand.name.startswith(("path.", "indirect.", "total.")):
                draws = estimand.draws(posterior).to_numpy()
                ess[estimand.name] = float(array_stats.ess(draws, method="bulk", chain_axis=0, draw_axis=1))
    paths = {name: value for name, value in ess.items() if name.startswith("path.")}
    worst = min(paths, key=lambda name: paths[name])
    return {
        "clients": size[0], "sessions": size[1], "therapists": size[2], "responses": 7,
        "parameters": sum(int(posterior[name].size) for name in posterior.data_vars) // int(
            posterior.sizes["chain"] * posterior.sizes["draw"]
        ),
        "paths": len(paths), "sampler": sampled.sampler, "chains": sampling.chains, "draws": sampling.draws,
        "warmup": sampling.warmup, "design_seconds": round(declared - started, 2),
        "compile_seconds": round(sampled.timings["compile"], 2), "sample_seconds": round(sampled.timings["sample"], 2),
        "seconds": round(ended - started, 2), "cpu_seconds": round(spent, 2),
        "ess_min": round(paths[worst]), "ess_min_path": worst,
        "ess_min_indirect": round(min(value for name, value in ess.items() if name not in paths)),
        "divergences": int(sampled.tree["sample_stats"]["diverging"].sum()),
    }  # fmt: skip


def main() -> None:
    """Read the command line, measure, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default=",".join(map(str, SIZE)), help="clients, sessions, therapists")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--out", type=Path, default=RESULT)
    asked = parser.parse_args()
    load = os.getloadavg()[0]
    clients, sessions, therapists = (int(number) for number in asked.size.split(","))
    found = measure((clients, sessions, therapists), asked.seed)
    head = {
        "runner": "benchmarks/chain.py", "date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine(),
        "versions": dict(provenance.versions()), "load_before": round(load, 2), "seed": asked.seed,
    }  # fmt: skip
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps({"header": head, "chain": found}, indent=1) + "\n", encoding="utf-8")
    if asked.out.resolve() == RESULT:
        write_tables()
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
