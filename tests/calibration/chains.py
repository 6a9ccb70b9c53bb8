"""Recovery of the chain: paths, indirect and total effects of the simulator at three levels, up to the final outcome.

As :mod:`.recovery`. Bias is stated in SD units: raw error × SD(source)/SD(target) of the level on which the path lives
(final outcome and covariates by their own SD, an arm by one).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from safezone.analysis import marginal
from safezone.data.config import ModelSection
from safezone.data.simulate import SimulationDesign, simulate
from safezone.data.simulate_design import Simulated
from safezone.data.study import Study
from safezone.data.truth import Truth
from safezone.models.catalogue import model
from safezone.models.compilation import compile_system
from safezone.models.path_design import PathDesign
from safezone.models.path_form import system
from safezone.models.path_posterior import posterior

from .studies import in_memory

CHAINS, DRAWS, WARMUP = 2, 400, 250
ROLES = {"final": "final_outcome", "baseline": "baseline", "arm": "arm"}
OPTIONS = {
    "session": [
        "therapist_safety -> safety -> alliance",
        "safety, alliance -> exploration",
        "alliance, exploration -> post_session",
    ],
    "client": [
        "anxiety, avoidance, therapist_safety -> safety -> alliance",
        "safety, alliance -> exploration",
        "alliance, exploration -> post_session",
        "baseline, arm, alliance, post_session -> final",
    ],
    "therapist": [
        "therapist_anxiety, therapist_avoidance -> therapist_safety -> safety -> alliance",
        "safety, alliance -> exploration -> post_session",
    ],
    "time": "none",
}


@dataclass(frozen=True)
class ChainScenario:
    """The whole chain on one size of study: clients, sessions, therapists."""

    name: str
    size: tuple[int, int, int]
    replications: int
    seed: int
    core: bool = True

    @cached_property
    def truth(self) -> Truth:
        """The simulator's truth without trends, its baseline free of symptoms."""
        flat = Truth().without_trends()
        final = replace(flat.final, on_symptoms=0.0, on_latent=(("alliance", -1.6), ("post_session", -0.9)))
        return replace(flat, final=final)


SCENARIOS = (
    ChainScenario("chain_60x10x12", (60, 10, 12), 100, 710_000),
    ChainScenario("chain_300x20x40", (300, 20, 40), 30, 720_000),
)


def with_people(drawn: Simulated, responses: tuple[str, ...]) -> Study:
    """Return a simulated study with what is known of clients and therapists, in the roles of a study file."""
    table = drawn.clients.set_index("client")
    clients = table[["anxiety", "avoidance", "baseline", "final"]].assign(
        arm=pd.Categorical(table["arm"], ["usual", "active"])
    )
    study = in_memory(drawn.sessions[["client", "session", "therapist", *responses]], clients)
    therapists = drawn.therapists.set_index("therapist")[["therapist_anxiety", "therapist_avoidance"]]
    plain = study.variables["anxiety"]
    variables = {
        name: replace(one, role=ROLES.get(name, one.role)) if one.level == "client" else one  # type: ignore[arg-type]  # roles
        for name, one in study.variables.items()
    }
    variables |= {name: replace(plain, name=name, label=name, level="therapist") for name in map(str, therapists)}
    return replace(study, therapists=therapists, variables=variables)


def draw_design(scenario: ChainScenario, replication: int) -> PathDesign:
    """Draw one study of a scenario and build its design."""
    clients, sessions, therapists = scenario.size
    plan = SimulationDesign(clients, sessions, therapists, dropout=False)
    drawn = simulate(plan, scenario.truth, scenario.seed + replication)
    study = with_people(drawn, scenario.truth.names[:-1])
    design = model("chain").design(study, scenario.name, ModelSection(**OPTIONS))
    assert isinstance(design, PathDesign)
    return design


def true_values(scenario: ChainScenario) -> dict[str, tuple[float, float]]:
    """Return (true value in raw units, factor that standardises it) of every path, indirect and total effect."""
    truth, names = scenario.truth, scenario.truth.names
    spread = {
        level: dict(zip(names, np.sqrt(np.diag(truth.covariance(level))), strict=True))
        for level in ("session", "client", "therapist")
    }
    for level, prefix, who in (
        ("client", "", truth.client_attachment), ("therapist", "therapist_", truth.therapist_attachment)
    ):  # fmt: skip
        spread[level] |= {f"{prefix}anxiety": who.anxiety_sd, f"{prefix}avoidance": who.avoidance_sd}
    weights, noise = truth.final.reduced(names)
    moments = truth.covariance("client") + truth.covariance("therapist")
    end = float(weights @ moments @ weights + noise**2 + truth.final.arm**2 / 4) ** 0.5
    known = {"final": end, "baseline": truth.final.sd_baseline, "arm[active]": 1.0}
    true = truth.chain(names[:-1], final=True)
    steps = [name.split(".")[1:] for name in true if name.startswith("path.")]
    starts, ends = ({(level, route.split("->")[end]) for level, route in steps} for end in (0, 1))
    found: dict[str, tuple[float, float]] = {}
    for name, value in true.items():
        kind, level, route = name.split(".", 2)
        nodes = route.split("->")
        if kind != "path" and (level, nodes[0]) in ends and (level, nodes[-1]) in starts:
            continue  # the model reports what begins or ends the story of a level
        first, last = ({**spread[level], **known}[node] for node in (nodes[0], nodes[-1]))
        found[name] = (value, float(first / last))
    return found


def replicate(scenario: ChainScenario, replication: int) -> dict[str, Any]:
    """Draw, fit and summarise one study; see :func:`.recovery.replicate`."""
    design = draw_design(scenario, replication)
    declared = system(design)
    if isinstance(declared, str):
        raise TypeError(f"{scenario.name}: {declared}")
    compiled = compile_system(declared, per_client=False)
    draws = marginal.sample(
        compiled, sampler="auto", chains=CHAINS, draws=DRAWS, warmup=WARMUP, seed=scenario.seed + replication
    )
    values = posterior(design, compiled, draws.theta, seed=1, effects=False)
    wanted = true_values(scenario)
    estimates: dict[str, list[float]] = {}
    for estimand in model("chain").estimands(design):
        if estimand.name in wanted and estimand.name not in estimates:  # the raw scale comes first
            sample = estimand.draws(values).to_numpy().ravel()
            lower, upper = np.quantile(sample, [0.025, 0.975])
            estimates[estimand.name] = [float(sample.mean()), float(lower), float(upper)]
    return {"replication": replication, "sampler": draws.sampler, "pareto_k": draws.pareto_k, "estimates": estimates}
