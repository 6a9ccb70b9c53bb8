"""Recovery: do the models find what the simulator of the theory put in?

A scenario is a size, a share of missing ratings and a model. Every replication draws a new study from the
same truth (:mod:`safezone.data.simulate`, unrounded), fits it by the marginal kernel as ``safezone fit``
would, and keeps posterior mean and 95 % interval of every core estimand in raw units.

Bias and RMSE are stated in SD units: raw error × the factor that standardises the estimand (``unit``), which is
SD(x)/SD(y) of the slope's own level for within and between effects, 1/SD(y) for intercepts and SDs, SD(time)/SD(y)
for trends, 1 for shares, correlations and the own lag.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from safezone.analysis import marginal
from safezone.data.config import ModelSection
from safezone.data.simulate import Missingness, SimulationDesign, simulate
from safezone.data.truth import Truth
from safezone.data.truth_parts import Path as Arrow
from safezone.models.build import build
from safezone.models.catalogue import model
from safezone.models.compilation import compile_system
from safezone.models.design import Design
from safezone.models.marginal_form import system
from safezone.models.marginal_posterior import posterior

from .studies import of_simulated

SMALL, MEDIUM, LARGE = (50, 8, 5), (100, 12, 12), (300, 20, 40)
CHAINS, DRAWS, WARMUP = 2, 400, 200


@dataclass(frozen=True)
class Scenario:
    """One model on one shape of study.

    Parameters
    ----------
    name
        File name of its results.
    kind, options
        The model, as a study file would ask for it.
    size
        Clients, sessions, therapists.
    missing
        Share of missing ratings; in dynamic models of whole sessions' forms (a single missing previous rating must
        be imputed, which the marginal kernel leaves to PyMC).
    replications, seed
        How many studies; seed of the first, the others count on.
    core
        Whether the acceptance criteria are asked of it. The audit of observed centring is not: its bias is the point.
    """

    name: str
    kind: str
    options: Mapping[str, Any]
    size: tuple[int, int, int]
    missing: float
    replications: int
    seed: int
    core: bool = True

    @property
    def dynamic(self) -> bool:
        """Whether the model has a lag."""
        return self.options.get("lag", 0) == 1  # type: ignore[no-any-return]

    @property
    def truth(self) -> Truth:
        """What the studies are drawn from."""
        if self.kind == "growth":
            return Truth()
        return dynamic_truth() if self.dynamic else Truth().without_trends()


def dynamic_truth() -> Truth:
    """Return a truth in which safety and exploration are inert and act on each other one session later."""
    lagged = (
        Arrow("safety", "safety", 0.3),
        Arrow("exploration", "exploration", 0.25),
        Arrow("safety", "exploration", 0.2),
        Arrow("exploration", "safety", 0.1),
    )
    return replace(Truth().without_trends(), lagged=lagged)


SAFETY = {"outcome": "safety"}
SYMPTOMS = {"outcome": "symptoms", "time": "linear", "by": ["arm"]}
DEPTH = {"outcome": "exploration", "predictors": ["safety", "alliance"]}
NEXT = {"outcome": "exploration", "predictors": ["safety"], "lag": 1}
OBSERVED = {**DEPTH, "centring": "observed"}

SCENARIOS = (
    Scenario("variance_50x8x5", "variance", SAFETY, SMALL, 0.0, 200, 110_000),
    Scenario("variance_50x8x5_missing40", "variance", SAFETY, SMALL, 0.4, 200, 120_000),
    Scenario("variance_100x12x12_missing20", "variance", SAFETY, MEDIUM, 0.2, 100, 130_000),
    Scenario("variance_300x20x40", "variance", SAFETY, LARGE, 0.0, 50, 140_000),
    Scenario("growth_50x8x5", "growth", SYMPTOMS, SMALL, 0.0, 200, 210_000),
    Scenario("growth_50x8x5_missing40", "growth", SYMPTOMS, SMALL, 0.4, 200, 220_000),
    Scenario("growth_100x12x12_missing20", "growth", SYMPTOMS, MEDIUM, 0.2, 100, 230_000),
    Scenario("growth_300x20x40", "growth", SYMPTOMS, LARGE, 0.0, 50, 240_000),
    Scenario("within_between_50x8x5", "within_between", DEPTH, SMALL, 0.0, 60, 310_000),
    Scenario("within_between_50x8x5_missing40", "within_between", DEPTH, SMALL, 0.4, 50, 320_000),
    Scenario("within_between_100x12x12_missing20", "within_between", DEPTH, MEDIUM, 0.2, 150, 330_000),
    Scenario("within_between_300x20x40", "within_between", DEPTH, LARGE, 0.0, 20, 340_000),
    Scenario("lagged_50x6x5", "within_between", NEXT, (50, 6, 5), 0.0, 60, 410_000),
    Scenario("lagged_100x12x12_missing20", "within_between", NEXT, MEDIUM, 0.2, 50, 430_000),
    Scenario("lagged_300x6x40", "within_between", NEXT, (300, 6, 40), 0.0, 100, 440_000),
    Scenario("observed_50x8x5", "within_between", OBSERVED, SMALL, 0.0, 50, 310_000, core=False),
    Scenario("observed_100x12x12_missing20", "within_between", OBSERVED, MEDIUM, 0.2, 50, 330_000, core=False),
)


def true_values(scenario: Scenario) -> dict[str, tuple[float, float]]:
    """Return (true value in raw units, factor that standardises it) of every core estimand of a scenario."""
    truth, options = scenario.truth, scenario.options
    outcome = options["outcome"]
    at = truth.names.index(outcome)
    moments = {level: truth.covariance(level) for level in ("session", "client", "therapist")}
    total = sum(float(each[at, at]) for each in moments.values()) ** 0.5
    if scenario.kind == "variance":
        found = truth.variance(outcome)
        return {name: (value, 1.0 if name.startswith("share") else 1.0 / total) for name, value in found.items()}
    if scenario.kind == "growth":
        spread = float(np.arange(scenario.size[1]).std())
        units = {"time": spread / total, "arm[active]:time": spread / total, "sd.client.time": spread / total}
        units["cor.client.intercept_time"] = 1.0
        return {name: (value, units.get(name, 1.0 / total)) for name, value in truth.growth(outcome).items()}
    predictors = list(options["predictors"])
    found = truth.within_between(outcome, predictors, options.get("lag", 0))
    level_of = {
        "within": "session",
        "between_client": "client",
        "contextual": "client",
        "between_therapist": "therapist",
    }
    values: dict[str, tuple[float, float]] = {}
    for name, value in found.items():
        predictor, _, effect = name.partition(".")
        unit = 1.0
        if effect:
            level = moments[level_of[effect]]
            x = truth.names.index(predictor)
            unit = float(np.sqrt(level[x, x] / level[at, at]))
        values[name] = (value, unit)
    values |= _disturbances(truth, outcome, predictors, total, scenario)
    return values


def _disturbances(
    truth: Truth, outcome: str, predictors: list[str], total: float, scenario: Scenario
) -> dict[str, tuple[float, float]]:
    """SDs of what the slopes leave unexplained at each level: Σ_yy − Σ_yx Σ_xx⁻¹ Σ_xy."""
    at, xs = truth.names.index(outcome), [truth.names.index(one) for one in predictors]
    found: dict[str, tuple[float, float]] = {}
    for level, name in (("client", "sd.client.intercept"), ("therapist", "sd.therapist.intercept")):
        moments = truth.covariance(level)  # type: ignore[arg-type]  # two literals
        slopes = np.linalg.solve(moments[np.ix_(xs, xs)], moments[at, xs])
        found[name] = (float(moments[at, at] - slopes @ moments[xs, at]) ** 0.5, 1.0 / total)
    moments = truth.covariance("session")
    sources, target = (xs, moments[at, xs])
    if scenario.dynamic:
        sources = [*xs, at]
        target = truth.lag_covariance()[at, sources]
    rest = moments[at, at] - target @ np.linalg.solve(moments[np.ix_(sources, sources)], target)
    found["sd.residual"] = (float(rest) ** 0.5, 1.0 / total)
    return found


def draw_design(scenario: Scenario, replication: int) -> Design:
    """Draw one study of a scenario and build its design."""
    clients, sessions, therapists = scenario.size
    kind = {"client_forms": scenario.missing, "on_baseline": 0.0} if scenario.dynamic else {"ratings": scenario.missing}
    plan = SimulationDesign(clients, sessions, therapists, Missingness(**kind), dropout=False)
    drawn = simulate(plan, scenario.truth, scenario.seed + replication)
    names = (scenario.options["outcome"], *scenario.options.get("predictors", ()))
    return build(of_simulated(drawn, names), scenario.kind, scenario.name, ModelSection(**scenario.options))


def replicate(scenario: Scenario, replication: int) -> dict[str, Any]:
    """Draw, fit and summarise one study.

    Returns
    -------
    dict
        ``replication``, ``sampler``, ``pareto_k``, and under ``estimates`` mean, lower, upper per estimand.
    """
    design = draw_design(scenario, replication)
    found = system(design)
    if isinstance(found, str):
        raise TypeError(f"{scenario.name}: {found}")
    compiled = compile_system(found, per_client=False)
    draws = marginal.sample(
        compiled, sampler="auto", chains=CHAINS, draws=DRAWS, warmup=WARMUP, seed=scenario.seed + replication
    )
    values = posterior(design, compiled, draws.theta, seed=1, effects=False)
    wanted = true_values(scenario)
    estimates: dict[str, list[float]] = {}
    for estimand in model(scenario.kind).estimands(design):
        if estimand.name in wanted and estimand.name not in estimates:  # the raw scale comes first
            sample = estimand.draws(values).to_numpy().ravel()
            lower, upper = np.quantile(sample, [0.025, 0.975])
            estimates[estimand.name] = [float(sample.mean()), float(lower), float(upper)]
    missing = set(wanted) - set(estimates)
    if missing:
        raise KeyError(f"{scenario.name} has no {', '.join(sorted(missing))}")
    return {"replication": replication, "sampler": draws.sampler, "pareto_k": draws.pareto_k, "estimates": estimates}
