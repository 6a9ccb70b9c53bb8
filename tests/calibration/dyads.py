"""Recovery of the dyad: actor and partner effects of the simulator, what changes them, common fate, truth and bias.

As :mod:`.recovery`. Studies are drawn from a truth without trends in which both ratings are inert and act on each other
one session later, and in which the therapist's part in the same session changes with the client's anxiety. Bias is
stated in SD units: raw error × SD(source)/SD(target) of the level on which the effect lives, × SD(moderator).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from safezone.analysis import marginal
from safezone.data.config import ModelSection
from safezone.data.simulate import SimulationDesign, simulate
from safezone.data.truth import Truth
from safezone.data.truth_parts import Path as Arrow
from safezone.data.truth_parts import Reactivity
from safezone.models.catalogue import model
from safezone.models.compilation import compile_system
from safezone.models.path_design import PathDesign
from safezone.models.path_form import system
from safezone.models.path_posterior import posterior

from .studies import in_memory

CHAINS, DRAWS, WARMUP = 2, 400, 250
T, C = "therapist_safety", "safety"
MODERATORS = ("time", "anxiety", "avoidance")
OPTIONS = {"outcome": C, "predictors": [T], "moderators": list(MODERATORS)}
ON_ANXIETY = 0.06


@dataclass(frozen=True)
class DyadScenario:
    """The dyad on one size of study: clients, sessions, therapists."""

    name: str
    size: tuple[int, int, int]
    replications: int
    seed: int
    core: bool = True

    @cached_property
    def truth(self) -> Truth:
        """Return what the studies are drawn from."""
        lagged = (Arrow(T, T, 0.25), Arrow(C, C, 0.30), Arrow(T, C, 0.15), Arrow(C, T, 0.10))
        moved = Reactivity(T, C, sd=0.0, anxiety=ON_ANXIETY)
        # Therapists differ as much as the literature has it: where they differ more, the prior is felt.
        flat = Truth().without_trends().with_series(T, sd_therapist=0.25).with_series(C, sd_therapist=0.20)
        return replace(flat, lagged=lagged, reactivity=moved, therapist=(Arrow(T, C, 0.20),))


SCENARIOS = (
    DyadScenario("dyad_60x10x12", (60, 10, 12), 120, 810_000),
    DyadScenario("dyad_300x20x40", (300, 20, 40), 60, 820_000),
)


def draw_design(scenario: DyadScenario, replication: int) -> PathDesign:
    """Draw one study of a scenario and build its design."""
    clients, sessions, therapists = scenario.size
    drawn = simulate(
        SimulationDesign(clients, sessions, therapists, dropout=False), scenario.truth, scenario.seed + replication
    )
    study = in_memory(
        drawn.sessions[["client", "session", "therapist", T, C]],
        drawn.clients.set_index("client")[["anxiety", "avoidance"]],
    )
    scale = {"range": (1.0, 7.0)}  # declared, though unrounded ratings may leave it
    variables = {
        **study.variables,
        T: replace(study.variables[T], rater="therapist", **scale),  # type: ignore[arg-type]  # one pair
        C: replace(study.variables[C], rater="client", **scale),  # type: ignore[arg-type]  # one pair
    }
    design = model("dyad").design(replace(study, variables=variables), scenario.name, ModelSection(**OPTIONS))
    assert isinstance(design, PathDesign)
    return design


def true_values(scenario: DyadScenario) -> dict[str, tuple[float, float]]:
    """Return (true value in raw units, factor that standardises it) of every effect of the dyad."""
    truth = scenario.truth
    t, c = truth.names.index(T), truth.names.index(C)
    solve = truth.total("session")
    now, before = truth.matrix("session"), truth.matrix("lagged")
    reduced = solve @ before
    moments = {level: truth.covariance(level) for level in ("session", "client", "therapist")}
    spread = {level: np.sqrt(np.diag(each)) for level, each in moments.items()}
    who = truth.client_attachment
    steps = np.arange(scenario.size[1])
    sd = {"time": float(steps.std()), "anxiety": who.anxiety_sd, "avoidance": who.avoidance_sd}
    within = spread["session"]

    found: dict[str, tuple[float, float]] = {}
    added = np.zeros_like(now)
    added[c, t] = ON_ANXIETY
    change = solve @ added @ reduced
    places = {
        "actor.client": (c, c),
        "actor.therapist": (t, t),
        "partner.therapist->client": (c, t),
        "partner.client->therapist": (t, c),
    }
    for name, (target, source) in places.items():
        unit = float(within[source] / within[target])
        found[name] = (float(reduced[target, source]), unit)
        for moderator in MODERATORS:
            value = float(change[target, source]) if moderator == "anxiety" else 0.0
            found[f"{name}:{moderator}"] = (value, unit * sd[moderator])
    unit = float(within[t] / within[c])
    found["partner.same_session"] = (float(now[c, t]), unit)
    for moderator in MODERATORS:
        value = ON_ANXIETY if moderator == "anxiety" else 0.0
        found[f"partner.same_session:{moderator}"] = (value, unit * sd[moderator])

    for level, name in (("session", "within"), ("client", "client"), ("therapist", "therapist")):
        shared, own = moments[level][t, c], spread[level]
        found[f"common.{name}"] = (float(shared / own[t] / own[c]), 1.0)
        found[f"common.{name}.variance"] = (float(shared), float(1.0 / own[t] / own[c]))
        if name != "therapist":
            found[f"accuracy.{name}"] = (float(shared / moments[level][c, c]), float(own[c] / own[t]))
    found["bias.directional"] = (truth[T].mean - truth[C].mean, float(1.0 / within[c]))
    total = {v: float(np.sqrt(sum(each[v, v] for each in moments.values()))) for v in (t, c)}
    found["trend.client"] = (0.0, sd["time"] / total[c])
    found["trend.therapist"] = (0.0, sd["time"] / total[t])

    effects = truth.total("client") @ truth.loadings("client")
    for v, rating in ((t, T), (c, C)):
        for k, name in enumerate(("anxiety", "avoidance")):
            found[f"path.client.{name}->{rating}"] = (float(effects[v, k]), sd[name] / float(spread["client"][v]))
        found[f"sd.residual.{rating}"] = (truth[rating].sd_session, 1.0 / total[v])
        rest = truth.total("client") @ np.diag([one.sd_client**2 for one in truth.series]) @ truth.total("client").T
        found[f"sd.client.{rating}"] = (float(rest[v, v]) ** 0.5, 1.0 / total[v])
        found[f"sd.therapist.{rating}"] = (float(spread["therapist"][v]), 1.0 / total[v])
    return found


def replicate(scenario: DyadScenario, replication: int) -> dict[str, Any]:
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
    for estimand in model("dyad").estimands(design):
        if estimand.name in wanted and estimand.name not in estimates:  # the raw scale comes first
            sample = estimand.draws(values).to_numpy().ravel()
            lower, upper = np.quantile(sample, [0.025, 0.975])
            estimates[estimand.name] = [float(sample.mean()), float(lower), float(upper)]
    missing = set(wanted) - set(estimates)
    if missing:
        raise KeyError(f"{scenario.name} has no {', '.join(sorted(missing))}")
    return {"replication": replication, "sampler": draws.sampler, "pareto_k": draws.pareto_k, "estimates": estimates}
