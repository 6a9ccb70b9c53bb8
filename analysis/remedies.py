"""The remedy ladder: what is tried, in order, when a fit breaks a diagnostic rule.

Each rung says for which broken rules it is meant and what it changes; the ladder is data. A fit
that still breaks a rule on the last rung is shown as *not trusted*.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from ..data.config import SamplingSection
from .fit import Attempt, Diagnostics


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard to try.

    Parameters
    ----------
    draws, warmup
        Per chain.
    target_accept
        Acceptance rate at which the step size aims.
    parameterisation
        ``noncentred`` (effects as multiples of their SD) or ``centred``.
    importance
        Whether importance sampling may be used.
    """

    draws: int
    warmup: int
    target_accept: float = 0.8
    parameterisation: str = "noncentred"
    importance: bool = True

    def settings(self) -> dict[str, float | int | str]:
        """Return the effort as a record."""
        return {
            "draws": self.draws,
            "warmup": self.warmup,
            "target_accept": self.target_accept,
            "parameterisation": self.parameterisation,
        }


@dataclass(frozen=True, slots=True)
class Rung:
    """One remedy.

    Parameters
    ----------
    step
        Its name in the report.
    against
        The broken rules it is meant for.
    change
        Effort before to effort after.
    """

    step: str
    against: frozenset[str]
    change: Callable[[Effort], Effort]


_EXPLORATION = frozenset({"rhat", "ess_bulk", "ess_tail", "bfmi"})
_GEOMETRY = frozenset({"divergences", "bfmi", "rhat", "chain"})

LADDER: tuple[Rung, ...] = (
    Rung("NUTS instead of importance sampling", frozenset({"pareto_k"}), lambda e: replace(e, importance=False)),
    Rung(
        "longer warm-up and twice the draws",
        _EXPLORATION,
        lambda e: replace(e, draws=2 * e.draws, warmup=2 * e.warmup, importance=False),
    ),
    Rung(
        "smaller steps (target acceptance 0.95)",
        _GEOMETRY,
        lambda e: replace(e, target_accept=max(e.target_accept, 0.95), importance=False),
    ),
    Rung(
        "smaller steps and longer still (target acceptance 0.99)",
        _EXPLORATION | _GEOMETRY,
        lambda e: replace(e, draws=2 * e.draws, warmup=2 * e.warmup, target_accept=0.99, importance=False),
    ),
    Rung(
        "other parameterisation",
        _EXPLORATION | _GEOMETRY,
        lambda e: replace(e, parameterisation="centred", target_accept=max(e.target_accept, 0.95), importance=False),
    ),
)


def climb[Result](
    sampling: SamplingSection,
    attempt: Callable[[Effort], tuple[Result, Diagnostics]],
    *,
    alternatives: bool = True,
    announce: Callable[[str], None] | None = None,
) -> tuple[Result, Diagnostics, tuple[Attempt, ...]]:
    """Fit, and climb the ladder until every rule holds or the ladder ends.

    Parameters
    ----------
    sampling
        The study's settings; the first attempt uses them as they stand.
    attempt
        Fits with a given effort, and judges.
    alternatives
        Whether the model has another parameterisation.
    announce
        Told of every remedy before it is tried.

    Returns
    -------
    result, diagnostics, attempts
        Of the first trusted attempt; else of the attempt that broke the fewest rules (the latest of
        them), so that a remedy which made things worse is not the one that is shown.
    """
    effort = Effort(sampling.draws, sampling.warmup)
    result, diagnostics = attempt(effort)
    attempts = [Attempt("as asked", (), effort.settings(), diagnostics.verdict)]
    best = (result, diagnostics)
    for rung in LADDER:
        broken = tuple(failure.rule for failure in diagnostics.failures)
        if not broken:
            break
        if not rung.against.intersection(broken):
            continue
        effort_next = rung.change(effort)
        if effort_next == effort or (effort_next.parameterisation != effort.parameterisation and not alternatives):
            continue
        effort = effort_next
        if announce is not None:
            announce(f"{diagnostics.verdict}; trying: {rung.step}")
        result, diagnostics = attempt(effort)
        attempts.append(Attempt(rung.step, broken, effort.settings(), diagnostics.verdict))
        if len(diagnostics.failures) <= len(best[1].failures):
            best = (result, diagnostics)
    return *best, tuple(attempts)


def record(attempts: tuple[Attempt, ...]) -> list[Mapping[str, object]]:
    """Return the attempts as plain records for the model's card."""
    return [
        {"step": a.step, "because": list(a.because), "settings": dict(a.settings), "verdict": a.verdict} for a in attempts
    ]
