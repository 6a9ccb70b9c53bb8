"""The committed results: made by this generator, and good enough.

Criteria: 2-acceptance (bias < 0.1 SD, coverage of 95 % intervals within 88–100 % over ≥ 50 replications per core
estimand) and 3-acceptance (≥ 200 replications, rank ECDF within simultaneous bands).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from . import report, sbc, tasks

RECOVERY = [
    task.name
    for task in tasks.tasks().values()
    if task.name.startswith("recovery-") and task.core and task.result.exists()
]
"""Without observed centring: its bias is what the audit shows."""
REQUIRED_SBC = [
    "sbc-variance-nuts",
    "sbc-variance-importance",
    "sbc-growth-nuts",
    "sbc-growth-importance",
    "sbc-within_between-nuts",
    "sbc-within_between-importance",
    "sbc-within_between_lagged-nuts",
    "sbc-within_between_one-nuts",
    "sbc-within_between_one-importance",
    "sbc-chain-nuts",
    "sbc-chain_lagged-nuts",
    "sbc-chain_random-nuts",
    "sbc-dyad-nuts",
    "sbc-dyad_alike-nuts",
    "sbc-dyad_classic-nuts",
]
REQUIRED_RECOVERY = [
    "variance_50x8x5",
    "growth_50x8x5",
    "within_between_50x8x5",
    "lagged_50x6x5",
    "congruence_60x10x12",
    "congruence_observed_60x10x12",
    "chain_60x10x12",
    "dyad_60x10x12",
    "dyad_300x20x40",
]
MISSED = {
    # Six sessions of an inert series say little about what is usual for a client.
    ("lagged_50x6x5", "safety.between_client"),
    ("lagged_50x6x5", "safety.contextual"),
    # Five ratings per client: the interval covers two thirds of (−1, 1), and LKJ(2) draws the mean to 0.
    ("growth_50x8x5_missing40", "cor.client.intercept_time"),
    # Twelve, and forty, therapists say little about how their means go together: the priors draw it to 0.
    ("dyad_60x10x12", "common.therapist"),
    ("dyad_60x10x12", "common.therapist.variance"),
    ("dyad_300x20x40", "common.therapist"),
    ("dyad_300x20x40", "common.therapist.variance"),
}
"""What misses the criteria, by scenario and estimand; README.md says more."""


@pytest.mark.parametrize("path", sorted(tasks.RESULTS.glob("*.json")), ids=lambda path: path.stem)
def test_results_come_from_this_generator(path: Path) -> None:
    name = path.stem
    header = report.read(name)["header"]
    assert header["generator"] == tasks.tasks()[name].generator, f"run: python tests/calibration/run.py {name}"
    assert header["seed"] == tasks.tasks()[name].seed
    assert {"date", "machine", "safezone", "commit", "elapsed_seconds", "versions"} <= set(header)


@pytest.mark.parametrize("name", REQUIRED_SBC)
def test_ranks_are_uniform(name: str) -> None:
    found = report.read(name)
    values, count = report.p_values(found)
    assert count >= 200
    assert not found["errors"]
    # The bands of all quantities of a model together hold 95 % (Bonferroni).
    worst = min(values, key=lambda quantity: values[quantity])
    assert values[worst] * len(values) > 0.05, f"{worst}: p = {values[worst]:.4f}"


@pytest.mark.parametrize("name", [f"recovery-{name}" for name in REQUIRED_RECOVERY])
def test_enough_replications(name: str) -> None:
    found = report.read(name)
    assert found["header"]["replications"] >= 50
    assert not found["errors"]


@pytest.mark.parametrize("name", RECOVERY)
def test_truth_is_recovered(name: str) -> None:
    for row in report.read(name)["estimands"]:
        where = f"{name} {row['estimand']}"
        if (row["scenario"], row["estimand"]) in MISSED:
            continue
        count = row["replications"]
        # 88 % to 100 %: with 50 replications and a true coverage of 95 % one estimand in 80 would fall below by chance;
        # fewer cannot be held to it: there the criterion is asked of the upper end of the Monte Carlo error.
        slack = 0.0 if count >= 50 else 2 * (0.95 * 0.05 / count) ** 0.5
        assert row["coverage"] + slack >= 0.88, where
        # With 5 to 40 therapists their slopes rest on the prior, as the package says wherever it reports one: they are
        # drawn to 0 on purpose, and only their coverage is held to the criterion.
        if not row["estimand"].endswith(".between_therapist") and ".therapist." not in row["estimand"]:
            assert abs(row["bias"]) < 0.1 + (0.0 if count >= 50 else 2 * row["bias_mcse"]), where


def test_what_misses_the_criteria_still_does() -> None:
    # A fault that is named here and has been mended must not stay named.
    for scenario, estimand in MISSED:
        row = next(row for row in report.read(f"recovery-{scenario}")["estimands"] if row["estimand"] == estimand)
        assert abs(row["bias"]) >= 0.1
        assert row["coverage"] >= 0.85  # and goes no further than it did


def test_observed_centring_shows_its_bias() -> None:
    # Same studies, same truth: observed means draw the between effect to the within effect, latent ones do not.
    # 4 standard errors of both biases, so that chance does not decide.
    observed = {row["estimand"]: row for row in report.read("recovery-contextual_100x4x10_observed")["estimands"]}
    latent = {row["estimand"]: row for row in report.read("recovery-contextual_100x4x10")["estimands"]}
    name = "safety.between_client"
    assert observed[name]["bias"] < -4 * observed[name]["bias_mcse"]
    assert observed[name]["bias"] < latent[name]["bias"] - 4 * latent[name]["bias_mcse"]
    assert abs(observed["safety.within"]["bias"]) < 0.1


def test_observed_centring_flattens_the_surface_between_clients() -> None:
    # The same 200 studies: observed means draw the curvature along disagreement (−0.7) to 0, more than its prior does.
    observed = {row["estimand"]: row for row in report.read("recovery-congruence_audit_60x10x12")["estimands"]}
    latent = {row["estimand"]: row for row in report.read("recovery-congruence_60x10x12")["estimands"]}
    name = "surface.between_client.a4"
    assert observed[name]["bias"] > 4 * observed[name]["bias_mcse"]
    assert observed[name]["bias"] > latent[name]["bias"]
    assert abs(observed["surface.within.a4"]["bias"]) < 0.1


def test_every_result_has_a_task() -> None:
    assert {path.stem for path in tasks.RESULTS.glob("*.json")} <= set(tasks.tasks())
    assert {target.name for target in sbc.TARGETS} >= {"variance", "growth", "within_between"}
