"""Time of one gradient of the marginalised kernel, of its compilation, and of imports: ``python benchmarks/kernel.py``.

Systems have V responses of 12 sessions per client, each with q effects (1, time, time², time³), free loadings from
the second response on, and a therapist intercept.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from safezone.analysis import provenance
from safezone.benchmarks.run import environment, machine
from safezone.benchmarks.table import write_tables

if TYPE_CHECKING:
    from safezone.models.gaussian import GaussianSystem

HERE = Path(__file__).resolve().parent
RESULT = HERE / "results" / "kernel.json"
SESSIONS = 12
PER_THERAPIST = 10

# A first evaluation, from importing to a gradient: what compilation costs, or what loading it costs.
EVALUATE = """
import numpy as np
from safezone.benchmarks.kernel import system
from safezone.models.compilation import compile_system
one = system(20, 2, 1)
compile_system(one).log_density(np.zeros(one.dimension))
"""
# All that a fit compiles, in the two processes that a fit uses: draws of effects and log-likelihoods beside it.
EVERYTHING = """
import numpy as np
from safezone.benchmarks.kernel import system
from safezone.models.compilation import compile_system
from safezone.models.conditional import expand
from safezone.models.marginal_posterior import draw_unit_effects, log_likelihoods
from safezone.models.precompile import compiling_beside
one = system(20, 2, 1)
with compiling_beside():
    compiled = compile_system(one)
    compiled.log_density(np.zeros(one.dimension))
theta = np.zeros((1, 4, one.dimension))
draw_unit_effects(compiled, expand(compiled.map_, compiled.layout, theta[0]), seed=1)
log_likelihoods(compiled, theta)
"""
IMPORTS = {
    "import safezone": "import safezone",
    "safezone --help": "import sys; from safezone.cli import main; main(['--help'])",
    "import pandas": "import pandas",
    "import numba": "import numba",
    "import nutpie": "import nutpie",
    "import pymc": "import pymc",
}


def system(clients: int, effects: int, responses: int) -> GaussianSystem:
    """Return a system with random rows.

    Parameters
    ----------
    clients
        Number of clients, with 12 sessions each; ten clients per therapist.
    effects, responses
        q and V.
    """
    import numpy as np

    from safezone.models.gaussian import ONE, Correlation, Free, GaussianSystem, Group, Structure, poly
    from safezone.models.priors import parse

    rng = np.random.default_rng(1)
    names = tuple(f"u{k}" for k in range(effects))
    client = np.repeat(np.arange(clients), SESSIONS)
    at = np.tile(np.linspace(0.0, 1.0, SESSIONS), clients)
    powers = np.column_stack([at**k for k in range(max(effects, 2))])
    normal, positive = parse("normal(0, 1)"), parse("half_normal(1)")
    free = [Free(f"sd_{name}", positive, True) for name in names] + [Free("sd_therapist", positive, True)]
    groups = []
    for v in range(responses):
        free += [Free(f"a{v}", normal), Free(f"b{v}", normal), Free(f"sigma{v}", positive, True)]
        loadings = []
        for k, name in enumerate(names):
            if v:
                free.append(Free(f"l{v}_{k}", normal))
            loadings.append({name: poly(f"l{v}_{k}") if v else ONE})
        y = rng.normal(size=len(client))
        groups.append(
            Group(f"y{v}", y, powers[:, :2], powers[:, :effects], client, (poly(f"a{v}"), poly(f"b{v}")),
                  tuple(loadings), f"sigma{v}")
        )  # fmt: skip
    correlations = (Correlation("cor", names, 2.0),) if effects > 1 else ()
    return GaussianSystem(
        tuple(free), names, tuple(groups), Structure(names, tuple(f"sd_{name}" for name in names), (), correlations),
        Structure(names[:1], ("sd_therapist",)), clients, np.arange(clients) // PER_THERAPIST,
    )  # fmt: skip


def gradient(clients: int, effects: int, responses: int, budget: float) -> dict[str, Any]:
    """Return the median time of a gradient, in µs, over as many calls as the budget (seconds) allows, at least 5."""
    import numpy as np

    from safezone.models.compilation import compile_system

    one = system(clients, effects, responses)
    compiled = compile_system(one, per_client=False)
    theta = np.full((20, one.dimension), 0.1) + np.random.default_rng(2).normal(0.0, 0.05, (20, one.dimension))
    compiled.evaluate(theta[:1], gradient=True)
    taken: list[float] = []
    end = time.perf_counter() + budget
    while len(taken) < 5 or time.perf_counter() < end:
        started = time.perf_counter()
        compiled.evaluate(theta, gradient=True)
        taken.append((time.perf_counter() - started) / len(theta) * 1e6)
    return {
        "responses": responses, "effects": effects, "parameters": one.dimension, "clients": clients,
        "gradient_us": median(taken),
    }  # fmt: skip


def seconds(code: str, own: dict[str, str], repeats: int = 1) -> float:
    """Return the median wall time of a fresh interpreter that runs the code."""
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], env=own, check=True, stdout=subprocess.DEVNULL)
        taken.append(time.perf_counter() - started)
    return median(taken)


def starts(repeats: int) -> dict[str, float]:
    """Return compilation, warm starts and imports, in seconds of wall time."""
    with tempfile.TemporaryDirectory(prefix="safezone-bench-") as folder:
        alone, whole = environment(Path(folder, "alone")), environment(Path(folder, "whole"))
        found = {
            "density and gradient, first ever (compiles)": seconds(EVALUATE, alone),
            "density and gradient, later": seconds(EVALUATE, alone, repeats),
            "all that a fit compiles, first ever (in two processes)": seconds(EVERYTHING, whole),
            "all of it, later": seconds(EVERYTHING, whole, repeats),
            "an interpreter that does nothing": seconds("pass", whole, repeats),
        }
        return found | {name: seconds(code, whole, repeats) for name, code in IMPORTS.items()}


def main() -> None:
    """Read the command line, measure, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", default="200,2000", help="numbers of clients")
    parser.add_argument("--budget", type=float, default=2.0, help="seconds per system")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULT)
    asked = parser.parse_args()
    load = os.getloadavg()[0]
    gradients = [
        gradient(int(clients), effects, responses, asked.budget)
        for responses in (1, 3)
        for effects in (1, 2, 4)
        for clients in asked.clients.split(",")
    ]
    head = {
        "runner": "benchmarks/kernel.py", "date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine(),
        "versions": dict(provenance.versions()), "load_before": round(load, 2),
    }  # fmt: skip
    content = {"header": head, "gradients": gradients, "starts": starts(asked.repeats)}
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    if asked.out.resolve() == RESULT:
        write_tables()
    print(f"Results: {asked.out}")


if __name__ == "__main__":
    main()
