"""The audit of latent centring: the same studies with observed means, where that hurts.

Few sessions per client and a between effect far from the within effect: an observed mean of n sessions has reliability
λ = τ²/(τ² + σ²/n), and the between effect on it is drawn to λ·between + (1 − λ)·within (Lüdtke et al. 2008).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from safezone.data.truth import Truth
from safezone.data.truth_parts import Path as Arrow

from .recovery import Scenario


@dataclass(frozen=True)
class Audit(Scenario):
    """A scenario with a large contextual effect."""

    @property
    def truth(self) -> Truth:
        """Safety goes with depth four times as strongly between clients as within."""
        flat = Truth().without_trends()
        return replace(
            flat,
            session=(Arrow("safety", "exploration", 0.2),),
            client=(Arrow("safety", "exploration", 1.0),),
            therapist=(Arrow("safety", "exploration", 1.0),),
        )


SIZE = (100, 4, 10)
LATENT = {"outcome": "exploration", "predictors": ["safety"]}
OBSERVED = {**LATENT, "centring": "observed"}

SCENARIOS = (
    Audit("contextual_100x4x10", "within_between", LATENT, SIZE, 0.0, 60, 510_000),
    Audit("contextual_100x4x10_observed", "within_between", OBSERVED, SIZE, 0.0, 60, 510_000, core=False),
)
