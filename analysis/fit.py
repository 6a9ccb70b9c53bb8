"""What a fit is: a model, its design, the posterior, and whether it may be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from ..models.design import Design
    from ..models.model import Model


@dataclass(frozen=True, slots=True)
class Failure:
    """A diagnostic rule that a fit breaks, with what to do about it.

    Parameters
    ----------
    rule
        Name of the rule (``rhat``, ``ess_bulk``, …; the rules are data in ``diagnostics.toml``).
    value
        The value found.
    threshold
        The value that the rule allows.
    statement
        The finding as a sentence fragment (``R-hat 1.043 is above 1.01``).
    remedy
        What to do about it.
    """

    rule: str
    value: float
    threshold: float
    statement: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """How well the posterior was explored.

    Parameters
    ----------
    draws, chains
        Draws per chain after warm-up, and chains.
    divergences
        Divergent transitions after warm-up.
    rhat_max
        Largest rank-normalised split R-hat over the population-level parameters and estimands.
    ess_bulk_min, ess_tail_min
        Smallest bulk and tail effective sample size over the same quantities.
    bfmi_min
        Smallest Bayesian fraction of missing information over chains; NaN where there is no energy.
    pareto_k_max
        Pareto k-hat of the sampler's own importance weights; NaN where the sampler uses none.
    sampler
        ``nuts`` (marginal kernel), ``importance`` (marginal kernel) or ``pymc``.
    failures
        The rules it breaks; empty when trusted.
    """

    draws: int
    chains: int
    divergences: int
    rhat_max: float
    ess_bulk_min: float
    ess_tail_min: float
    bfmi_min: float
    pareto_k_max: float
    sampler: str
    failures: tuple[Failure, ...] = ()

    @property
    def trusted(self) -> bool:
        """Whether every rule holds."""
        return not self.failures

    @property
    def verdict(self) -> str:
        """``trusted``, or ``not trusted:`` with each broken rule and its remedy."""
        if self.trusted:
            return "trusted"
        return "not trusted: " + "; ".join(f"{f.statement} ({f.remedy})" for f in self.failures)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One rung of the remedy ladder.

    Parameters
    ----------
    step
        Name of the rung (``as asked``, ``longer``, ``smaller steps``, ``other parameterisation``).
    because
        The rules that failed before it.
    settings
        Draws, warm-up, target acceptance, parameterisation.
    verdict
        The verdict after it.
    """

    step: str
    because: tuple[str, ...]
    settings: Mapping[str, float | int | str]
    verdict: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a posterior comes from.

    Parameters
    ----------
    key
        Content address in the store.
    seed
        The model's own seed, derived from the study's seed and the model's name.
    sampler
        What ran.
    attempts
        The remedy ladder as it was climbed; one entry when the first attempt was trusted.
    timings
        Seconds of wall clock per phase (``compile``, ``sample``, ``summaries``, ``total``).
    versions
        Package versions.
    machine
        Machine and platform, without names of people or hosts.
    started
        UTC time in ISO 8601.
    note
        Why this sampler and no faster one; empty where there is nothing to say.
    """

    key: str
    seed: int
    sampler: str
    attempts: tuple[Attempt, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: Mapping[str, str | int | float] = field(default_factory=dict)
    started: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted model.

    Parameters
    ----------
    name
        The model's name in the study file.
    model, design
        The catalogue entry and what its likelihood saw.
    posterior
        DataTree with groups ``posterior`` (population-level parameters), ``effects`` (client and
        therapist effects, thinned to the memory budget), ``sample_stats``, ``estimands`` (draws of
        every estimand), ``log_likelihood`` (per client), ``prior``, ``posterior_predictive``
        (replicated statistics per level, never rows).
    diagnostics, provenance
        Whether to trust it, and where it comes from.
    interval
        Probability of the credible intervals.
    rope
        Half-widths of the region of practical equivalence by estimand, with ``default``.
    """

    name: str
    model: Model
    design: Design
    posterior: xr.DataTree
    diagnostics: Diagnostics
    provenance: Provenance
    interval: float = 0.95
    rope: Mapping[str, float] = field(default_factory=lambda: {"default": 0.1})

    def estimates(self) -> pd.DataFrame:
        """Return one row per estimand and scale, with the columns of ``estimates.csv``."""
        from .estimates import estimates

        return estimates(self)
