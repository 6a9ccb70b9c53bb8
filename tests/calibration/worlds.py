"""Three worlds: how often each verdict is given where the theory is true, null, or reversed.

``python tests/calibration/worlds.py [--world true] [--replications 50] [--processes 1]`` draws studies of 150 clients ×
15 sessions × 25 therapists from a world, asks the theory's agenda of each, and appends one line per study to
``worlds/WORLD.jsonl``; a stopped run goes on where it was. ``--big`` draws one study twenty times the size, from which
the quantities of each world and the *computed power* are taken; ``--table`` prints the table of worlds/README.md.

In the *true* world every row that is asked holds with a size that a theory would care about; in the *null* world every
quantity is zero; in the *reversed* world it has the opposite sign. Rows about sizes that cannot be negative have no
reversed world and are null there (X5) or monotone (C3b); X2 holds in every world, because a scale without differences
between clients would leave nothing to ask of the other rows.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "worlds"
WORLDS = {"true": 1, "null": 0, "reversed": -1}
SIZE = {"clients": 150, "sessions": 15, "therapists": 25}
TIMES = 20  # how many times larger the study is from which power is computed
SEED, LARGE = 77_000, 900  # studies are numbered from 0, the large one of a world has a number of its own
PROPOSALS, DRAWS, FREEDOM, K_LIMIT, R_HAT = 4000, 2000, 10.0, 0.7, 1.01
# What a study plans by itself and the kernel cannot integrate (a surface on latent means runs in PyMC); the row that
# needs it asks for observed means.
LATENT_SURFACE = "congruence"


def truth(world: str) -> Any:
    """Return the parameters of a world."""
    from safezone.data.truth import Truth
    from safezone.data.truth_parts import Events, FinalOutcome, Interaction, Path, Reactivity

    f = WORLDS[world]
    agreement = 0.15 * f  # what a squared point of disagreement takes from the session's outcome
    made = Truth(
        session=(
            Path("therapist_safety", "safety", 0.75 * f),
            Path("safety", "exploration", 0.40 * f),
            Path("safety", "post_session", 0.45 * f),
            Path("alliance", "post_session", 1.0 * f),
            Path("post_session", "symptoms", -2.0 if world == "true" else 0.0),
        ),
        lagged=(Path("safety", "alliance", 0.12 * f), Path("alliance", "safety", 0.50 * f)),
        client=(
            Path("anxiety", "safety", -0.25 * f),
            Path("avoidance", "safety", -0.25 * f),
            Path("therapist_safety", "safety", 1.0 * f),
            Path("alliance", "post_session", 1.0 * f),
        ),
        therapist=tuple(
            Path(source, target, value * f)
            for source in ("anxiety", "avoidance")
            for target, value in (("alliance", -0.25), ("post_session", -0.50))
        ),
        interactions=(
            Interaction("therapist_safety", "time", "safety", -0.05 * f),
            Interaction("alliance", "therapist_safety", "post_session", 0.80 * f),
            Interaction("exploration", "safety", "post_session", 0.22 * f),
            Interaction("safety", "safety", "post_session", -agreement),
            Interaction("safety", "therapist_safety", "post_session", 2 * agreement),
            Interaction("therapist_safety", "therapist_safety", "post_session", -agreement),
        ),
        reactivity=Reactivity("safety", "post_session", 0.30) if world == "true" else None,
        final=FinalOutcome(on_latent=(("safety", -3.0 * f),), arm=0.0, missing_after_dropout=0.0),
        events=Events(on_alliance=0.0, on_avoidance=0.0),
    ).without_trends()
    made = made.with_series("safety", trend=0.35 * f, shape="log")
    if world == "true":
        made = made.with_series("post_session", mean=3.5, trend=0.30, sd_therapist=0.60)
        return made.with_series("symptoms", trend=3.0, shape="log")
    # Attachment makes therapists differ in both directions; for T1 to be reversed the arms have to differ more.
    if world == "reversed":
        made = made.with_series("post_session", mean=3.5, arm_trend=0.35)
    made = made.with_series("post_session", sd_therapist=0.0)
    return made.with_series("symptoms", trend=-0.5 if world == "reversed" else 0.0, shape="linear")


def replicate(world: str, number: int, times: int = 1) -> dict[str, Any]:
    """Draw one study of a world and answer the theory.

    Returns
    -------
    dict
        ``rows``: per id verdict, probability; per part mean, SD (expected direction), smallest and model.
    """
    from safezone.analysis.estimates import estimand_draws
    from safezone.analysis.evidence import Evidence
    from safezone.analysis.findings import findings
    from safezone.analysis.fitting import Task
    from safezone.analysis.mode import MarginalError
    from safezone.analysis.questions import agenda
    from safezone.data.simulate import SimulationDesign, simulate, write_study
    from safezone.data.study import read_study
    from safezone.models.catalogue import model, plan
    from safezone.models.compilation import compile_system

    started = time.perf_counter()
    seed = SEED + 1000 * list(WORLDS).index(world) + number
    design = SimulationDesign(
        clients=SIZE["clients"] * times,
        sessions=SIZE["sessions"],
        therapists=SIZE["therapists"] * times,
        dropout=False,
        rounded=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        study = read_study(write_study(simulate(design, truth(world), seed=seed), Path(folder) / "study"))
    study = replace(study, config=study.config.model_copy(update={"models": {}}))
    own = [one for one in plan(study) if not one.lacks and one.kind != LATENT_SURFACE]
    asked = agenda(study, own)
    used = {question.model for question in asked.questions if question.model and not question.test.supporting}
    evidence: dict[str, Evidence] = {}
    seconds: dict[str, float] = {}
    for planned in (*own, *asked.added):
        if planned.name not in used:
            continue
        begun = time.perf_counter()
        entry = model(planned.kind)
        built = entry.design(study, planned.name, planned.options)
        task = Task(entry, built, study.config.sampling, study.config.report, {})
        system = entry.system(built)
        if isinstance(system, str):
            raise TypeError(f"{planned.name} has no closed integral: {system}")
        compiled = compile_system(system)
        try:
            theta, verdict = draw(compiled, seed)
        except MarginalError as error:
            evidence[planned.name] = Evidence(task, f"not trusted: {error}")
            continue
        posterior = entry.posterior(built, compiled, theta, seed=seed, effects=False)
        groups = {"estimands": estimand_draws(entry.estimands(built), posterior)}
        evidence[planned.name] = Evidence(task, verdict, "", groups.get)
        seconds[planned.name] = round(time.perf_counter() - begun, 2)
    rows = {}
    for finding in findings(study, asked.questions, evidence):
        parts = [part for part in finding.parts if not part.supporting]
        if not any(part.tested for part in parts):
            continue
        rows[finding.id] = {
            "verdict": finding.word,
            "probability": _rounded(finding.probability),
            "combine": finding.combine,
            "parts": [
                {
                    "part": part.name,
                    "mean": _rounded((part.expected or 1) * part.mean),
                    "sd": _rounded(part.sd),
                    "smallest": part.smallest,
                    "model": part.model,
                    "verdict": part.verdict.partition(":")[0],
                }
                for part in parts
            ],
        }
    whole = round(time.perf_counter() - started, 1)
    return {"world": world, "number": number, "times": times, "rows": rows, "seconds": whole, "models": seconds}


def draw(compiled: Any, seed: int) -> tuple[np.ndarray, str]:
    """Draw from the marginal posterior: proposals from a t at the mode, resampled by their exact density.

    Where their Pareto k̂ is too high, by the shipped importance sampler, which adapts its proposal, and where that
    fails by NUTS.

    Returns
    -------
    theta, shape (chains, draws, n)
        Draws.
    verdict
        ``trusted``, or why not.
    """
    from safezone.analysis.diagnostics import quality
    from safezone.analysis.importance import sample_importance, smooth
    from safezone.analysis.mode import evaluate, find_mode
    from safezone.analysis.nuts import sample_nuts

    mode = find_mode(compiled)
    rng = np.random.default_rng(seed)
    n = len(mode.theta)
    normal = rng.normal(size=(PROPOSALS, n))
    scale = np.sqrt(FREEDOM / rng.chisquare(FREEDOM, PROPOSALS))
    unit = normal * scale[:, None]
    theta = mode.theta + unit @ mode.root.T
    log_proposal = -0.5 * (FREEDOM + n) * np.log1p((unit**2).sum(axis=1) / FREEDOM)
    weight, k_hat = smooth(evaluate(compiled, theta, threads=1) - log_proposal)
    if k_hat < K_LIMIT:
        return theta[rng.choice(PROPOSALS, DRAWS, p=weight / weight.sum())][None], "trusted"
    adapted = sample_importance(compiled, mode, chains=4, draws=DRAWS // 4, seed=seed)
    if adapted.pareto_k < K_LIMIT:
        return adapted.theta, "trusted"
    sampled = sample_nuts(compiled, mode, chains=4, draws=DRAWS // 4, warmup=DRAWS // 4, seed=seed)
    worst = float(np.nanmax(quality(sampled.theta)["rhat"]))
    return sampled.theta, "trusted" if worst <= R_HAT else f"not trusted: R-hat {worst:.3f}"


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)


def _guarded(world: str, number: int, times: int) -> dict[str, Any]:
    try:
        return replicate(world, number, times)
    except Exception as error:  # noqa: BLE001 - what went wrong is counted, not hidden
        return {"world": world, "number": number, "times": times, "error": f"{type(error).__name__}: {error}"}


def path_of(world: str, times: int) -> Path:
    """Return the result file of a world."""
    return FOLDER / (f"{world}.jsonl" if times == 1 else f"{world}-big.jsonl")


def read(world: str, times: int = 1) -> list[dict[str, Any]]:
    """Return the studies drawn so far."""
    path = path_of(world, times)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def run(worlds: list[str], numbers: Sequence[int], processes: int, times: int) -> None:
    """Draw what is missing, worlds in turn."""
    FOLDER.mkdir(exist_ok=True)
    done = {(world, row["number"]) for world in worlds for row in read(world, times)}
    todo = [(world, number) for number in numbers for world in worlds if (world, number) not in done]
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        for future in as_completed([pool.submit(_guarded, world, number, times) for world, number in todo]):
            row = future.result()
            with path_of(row["world"], times).open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            print(row["world"], row["number"], row.get("seconds"), row.get("error", ""), flush=True)


def power(parts: list[dict[str, Any]], combine: str, shrink: float, supported: float = 0.95) -> float:
    """Return the computed power: how often *supported* is to be expected in studies of the usual size.

    Estimates of a part vary around its value in the large study with the large study's SD times √TIMES, and each
    study's posterior is a normal with that SD around its estimate.
    """
    from scipy.special import ndtr

    rng = np.random.default_rng(1)
    means = np.array([part["mean"] for part in parts])
    sds = np.maximum([part["sd"] for part in parts], 1e-6) * shrink
    smallest = np.array([part["smallest"] for part in parts])
    if combine == "mean":
        means, smallest, sds = means.mean()[None], smallest.mean()[None], np.sqrt((sds**2).sum())[None] / len(parts)
    drawn = means + sds * rng.normal(size=(20_000, len(means)))
    beyond = 1 - (1 - ndtr((drawn - smallest) / sds)).sum(axis=1)
    return float(np.mean(beyond >= supported))


def row_power(name: str, world: str) -> float:
    """Return the computed power of a row in a world, from the large study of that world; NaN without one.

    The large study knows the quantities as the models see them (a rating's range cuts off its tails, a model that
    leaves something out answers what it answers), and shares no client with the studies that are counted.
    """
    found = next((row["rows"][name] for row in read(world, TIMES) if name in row["rows"]), None)
    if found is None or any(part["mean"] is None for part in found["parts"]):
        return math.nan
    return power(found["parts"], found["combine"], math.sqrt(TIMES))


def counted() -> dict[tuple[str, str], dict[str, int]]:
    """Return how often each verdict was given, by row and world."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for world in WORLDS:
        for row in read(world):
            for name, one in row.get("rows", {}).items():
                words = found.setdefault((name, world), {})
                words[one["verdict"]] = words.get(one["verdict"], 0) + 1
    return found


def table() -> str:
    """Return the table of verdicts per row, as Markdown."""
    words = ("supported", "leaning", "undecided", "negligible", "opposed", "not trusted", "not testable")
    lines = [
        "| row | world | studies | computed power | " + " | ".join(words) + " |",
        "|---|---|---:|---:|" + "---:|" * len(words),
    ]
    every = counted()
    for name in dict.fromkeys(name for name, _ in every):
        for world in WORLDS:
            said = every.get((name, world), {})
            size = sum(said.values())
            shares = [f"{said.get(word, 0) / size:.2f}" if size else "" for word in words]
            lines.append(f"| {name} | {world} | {size} | {row_power(name, world):.2f} | " + " | ".join(shares) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--world", choices=WORLDS, action="append")
    parser.add_argument("--replications", type=int, default=50)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--big", action="store_true")
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    if arguments.table:
        sys.stdout.write(table() + "\n")
    else:
        numbers = [LARGE] if arguments.big else range(arguments.replications)
        run(arguments.world or list(WORLDS), numbers, arguments.processes, TIMES if arguments.big else 1)
