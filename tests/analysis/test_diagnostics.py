"""Diagnostics against chains whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import xarray as xr

from safezone.analysis.diagnostics import bfmi, diagnose, population_draws, quality, rules


def autoregressive(rng, phi, chains=4, draws=2000, count=1):
    """Stationary AR(1) chains with unit variance."""
    noise = rng.standard_normal((chains, draws, count))
    values = np.empty_like(noise)
    values[:, 0] = noise[:, 0]
    for t in range(1, draws):
        values[:, t] = phi * values[:, t - 1] + math.sqrt(1 - phi**2) * noise[:, t]
    return values


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8])
def test_bulk_ess_of_ar1_chains_follows_theory(rng, phi):
    draws = autoregressive(rng, phi, count=20)
    theory = draws.shape[0] * draws.shape[1] * (1 - phi) / (1 + phi)
    found = quality(draws)["ess_bulk"].mean()
    # The estimator's relative error per quantity is about 10 % at this length; the mean of 20 quantities
    # brings that to 2-3 %, and truncation biases it by a few per cent more.
    assert found == pytest.approx(theory, rel=0.1)


def test_mcse_is_the_sd_over_the_root_of_ess_of_the_mean(rng):
    draws = autoregressive(rng, 0.5, count=20)
    theory = 1 / math.sqrt(8000 / 3)
    assert quality(draws)["mcse"].mean() == pytest.approx(theory, rel=0.1)  # as above


def test_rhat_sees_a_chain_elsewhere_and_a_chain_with_another_spread(rng):
    good = rng.standard_normal((4, 1000, 3))
    shifted = good.copy()
    shifted[0, :, 1] += 2
    wide = shifted.copy()
    wide[0, :, 2] *= 5
    rhat = quality(wide)["rhat"]
    assert rhat[0] < 1.01
    assert rhat[1] > 1.1
    assert rhat[2] > 1.05  # folding finds what the mean does not


def test_constants_are_not_judged_and_broken_draws_are(rng):
    draws = rng.standard_normal((2, 500, 3))
    draws[:, :, 1] = 1.0
    draws[0, 0, 2] = np.nan
    found = quality(draws)
    assert np.isnan(found["rhat"][1])
    assert np.isinf(found["rhat"][2])
    assert found["ess_bulk"][2] == 0


def test_bfmi_of_independent_and_of_sticky_energies(rng):
    independent = rng.standard_normal((2, 5000))
    assert bfmi(independent) == pytest.approx(2.0, rel=0.05)  # E(ΔE²) = 2 Var(E); error about 1/sqrt(5000)
    sticky = autoregressive(rng, 0.95, chains=2, draws=5000)[:, :, 0]
    assert bfmi(sticky) == pytest.approx(2 * (1 - 0.95), rel=0.3)  # few independent energies


def tree(rng, *, shift=0.0, divergences=0, energy=None, pareto_k=None):
    values = rng.standard_normal((4, 1000))
    values[0] += shift
    diverging = np.zeros((4, 1000), dtype=bool)
    diverging[0, :divergences] = True
    statistics = xr.Dataset(
        {
            "diverging": (("chain", "draw"), diverging),
            "energy": (("chain", "draw"), rng.standard_normal((4, 1000)) if energy is None else energy),
        },
        attrs={} if pareto_k is None else {"pareto_k": pareto_k},
    )
    effects = rng.standard_normal((4, 1000, 3)) * 0 + 5.0 * np.arange(4)[:, None, None]  # chains far apart
    posterior = xr.Dataset(
        {"intercept": (("chain", "draw"), values), "client_effects": (("chain", "draw", "client"), effects)}
    )
    return xr.DataTree.from_dict({"posterior": posterior, "sample_stats": statistics})


def test_good_draws_are_trusted_and_single_clients_are_not_judged(rng):
    found = diagnose(tree(rng), None, sampler="pymc")
    assert found.verdict == "trusted"
    assert (found.draws, found.chains, found.divergences) == (1000, 4, 0)
    assert population_draws(tree(rng)["posterior"].to_dataset()).shape == (4, 1000, 1)


def test_each_rule_fails_alone_and_names_its_remedy(rng):
    sticky = autoregressive(rng, 0.95, draws=1000)[:, :, 0]
    cases = {
        "divergences": tree(rng, divergences=3),
        "rhat": tree(rng, shift=1.0),
        "bfmi": tree(rng, energy=sticky),
        "pareto_k": tree(rng, pareto_k=0.9),
    }
    remedies = {rule.name: rule.remedy for rule in rules()}
    for name, draws in cases.items():
        found = diagnose(draws, None, sampler="pymc")
        assert name in {failure.rule for failure in found.failures}
        assert found.verdict.startswith("not trusted: ")
        assert remedies[name] in found.verdict


def test_slow_chains_break_the_rules_on_effective_size(rng):
    slow = autoregressive(rng, 0.95, draws=1000)
    found = diagnose(tree(rng), slow, sampler="pymc")
    assert {"ess_bulk"} <= {failure.rule for failure in found.failures}
    assert found.ess_bulk_min < 400


def test_a_limit_can_be_set(rng):
    found = diagnose(tree(rng, divergences=3), None, sampler="pymc", limits={"divergences": 5})
    assert found.trusted
