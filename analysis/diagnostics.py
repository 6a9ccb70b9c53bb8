"""Did the sampler explore the posterior? Rank-normalised R-hat, effective sizes, energy, weights.

For draws θ of M chains and N draws each (every chain split in two, ranks mapped to normal scores):

    R-hat = sqrt( [ (N−1)/N · W + B/N ] / W )        W, B: within- and between-chain variance

and ESS = MN / (1 + 2 Σ ρ_t), with the autocorrelations ρ_t combined over chains and cut by Geyer's
initial monotone sequence; *bulk* uses the normal scores, *tail* the smaller of the 5 % and
95 % quantile indicators. BFMI = Σ (E_n − E_{n−1})² / Σ (E_n − Ē)² per chain.

References
----------
Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), Bayesian Analysis 16, 667-718, eqs. 1-14.
Betancourt (2016), Diagnosing suboptimal cotangent disintegrations in Hamiltonian Monte Carlo.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from .fit import Diagnostics, Failure

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]

# Dimensions over units: effects of single clients and therapists are latent, not reported, and
# judged through the population parameters that they inform.
UNIT_DIMS = frozenset({"client", "therapist", "row"})


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of ``diagnostics.toml``."""

    name: str
    quantity: str
    bound: Literal["at most", "at least"]
    limit: float
    statement: str
    remedy: str
    source: str

    def failure(self, value: float) -> Failure | None:
        """Return what is wrong with a value, or ``None``; an absent (NaN) quantity breaks no rule."""
        if math.isnan(value) or (value <= self.limit if self.bound == "at most" else value >= self.limit):
            return None
        statement = self.statement.format(value=value, limit=f"{self.limit:g}")
        return Failure(self.name, value, self.limit, statement, self.remedy)


@cache
def rules() -> tuple[Rule, ...]:
    """Return the rules, in the order in which a verdict names them."""
    text = resources.files(__package__).joinpath("diagnostics.toml").read_text(encoding="utf-8")
    return tuple(Rule(**rule) for rule in tomllib.loads(text)["rule"])


def is_unit_level(variable: xr.DataArray) -> bool:
    """Whether a variable holds one value per client, therapist, session or imputed value."""
    return any(dim in UNIT_DIMS or str(dim).startswith("hole_") for dim in variable.dims)


def population_draws(posterior: xr.Dataset) -> Floats:
    """Stack every population-level parameter.

    Parameters
    ----------
    posterior
        Dims ``chain``, ``draw`` and any others; variables over clients, therapists or sessions are
        left out.

    Returns
    -------
    ndarray, shape (chains, draws, quantities)
        On the internal scale.
    """
    pieces = [
        variable.transpose("chain", "draw", ...).values.reshape(variable.sizes["chain"], variable.sizes["draw"], -1)
        for variable in posterior.data_vars.values()
        if not is_unit_level(variable) and variable.dtype.kind in "iuf"
    ]
    shape = (posterior.sizes["chain"], posterior.sizes["draw"], 0)
    return np.concatenate([np.empty(shape), *pieces], axis=2)


def quality(draws: Floats) -> dict[str, Floats]:
    """R-hat, effective sample sizes and Monte Carlo error of each quantity.

    Parameters
    ----------
    draws, shape (chains, draws, quantities)
        Any unit.

    Returns
    -------
    dict
        ``rhat``, ``ess_bulk``, ``ess_tail`` (draws) and ``mcse`` (of the mean, unit of the draws),
        each of shape (quantities,). NaN for a quantity that is constant over all draws (the diagonal of a
        correlation matrix), and R-hat infinite, ESS 0 where a draw is not finite.
    """
    count = draws.shape[2]
    finite = np.isfinite(draws).all(axis=(0, 1))
    varies = np.zeros(count, dtype=bool)
    varies[finite] = np.ptp(draws[:, :, finite], axis=(0, 1)) > 0
    result = {name: np.full(count, np.nan) for name in ("rhat", "ess_bulk", "ess_tail", "mcse")}
    result["rhat"][~finite] = np.inf
    result["ess_bulk"][~finite] = result["ess_tail"][~finite] = 0.0
    if varies.any():
        from arviz_stats.base import array_stats

        kept = np.moveaxis(draws[:, :, varies], 2, 0)
        result["rhat"][varies] = array_stats.rhat(kept, chain_axis=1, draw_axis=2, method="rank")
        result["ess_bulk"][varies] = array_stats.ess(kept, chain_axis=1, draw_axis=2, method="bulk")
        result["ess_tail"][varies] = array_stats.ess(kept, chain_axis=1, draw_axis=2, method="tail", prob=(0.05, 0.95))
        result["mcse"][varies] = array_stats.mcse(kept, chain_axis=1, draw_axis=2, method="mean")
    return result


def bfmi(energy: Floats) -> float:
    """Return the smallest Bayesian fraction of missing information over chains.

    Parameters
    ----------
    energy, shape (chains, draws)
        Energy of each transition.
    """
    spread = ((energy - energy.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    steps = (np.diff(energy, axis=1) ** 2).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        fractions: Floats = steps / spread
    return float(fractions.min()) if np.isfinite(fractions).all() else math.nan


def diagnose(
    tree: xr.DataTree, estimands: Floats | None, *, sampler: str, limits: Mapping[str, float] | None = None
) -> Diagnostics:
    """Judge a posterior by every rule of ``diagnostics.toml``.

    Parameters
    ----------
    tree
        Groups ``posterior`` and ``sample_stats`` (``diverging``, ``energy``; both optional). An
        attribute ``pareto_k`` of ``sample_stats`` is the sampler's own Pareto k-hat, ``ess_importance`` the
        effective sample size of its weights.
    estimands, shape (chains, draws, estimands)
        Draws of the reported quantities, judged with the parameters; or ``None``.
    sampler
        What ran.
    limits
        Other limits, by rule name.

    Returns
    -------
    Diagnostics
        With the broken rules as ``failures``.
    """
    posterior = tree["posterior"].to_dataset()
    draws = population_draws(posterior)
    if estimands is not None:
        draws = np.concatenate([draws, estimands], axis=2)
    found = quality(draws)
    statistics = tree["sample_stats"].to_dataset() if "sample_stats" in tree.children else None
    # Chains of resampled draws cannot show what the weights cost; their own effective size caps the rest.
    worth = math.nan if statistics is None else float(statistics.attrs.get("ess_importance", math.nan))
    values = {
        "divergences": 0.0
        if statistics is None or "diverging" not in statistics
        else float(statistics["diverging"].sum()),
        "rhat_max": -_smallest(-found["rhat"]),
        "ess_bulk_min": _smallest(np.append(found["ess_bulk"], worth)),
        "ess_tail_min": _smallest(np.append(found["ess_tail"], worth)),
        "bfmi_min": math.nan if statistics is None or "energy" not in statistics else bfmi(statistics["energy"].values),
        "pareto_k_max": math.nan if statistics is None else float(statistics.attrs.get("pareto_k", math.nan)),
    }
    failures = []
    for rule in rules():
        limit = (limits or {}).get(rule.name, rule.limit)
        judged = Rule(rule.name, rule.quantity, rule.bound, limit, rule.statement, rule.remedy, rule.source)
        failure = judged.failure(values[rule.quantity])
        if failure is not None:
            failures.append(failure)
    return Diagnostics(
        draws=int(posterior.sizes["draw"]),
        chains=int(posterior.sizes["chain"]),
        divergences=int(values["divergences"]),
        rhat_max=values["rhat_max"],
        ess_bulk_min=values["ess_bulk_min"],
        ess_tail_min=values["ess_tail_min"],
        bfmi_min=values["bfmi_min"],
        pareto_k_max=values["pareto_k_max"],
        sampler=sampler,
        failures=tuple(failures),
    )


def _smallest(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.min()) if known.size else math.nan
