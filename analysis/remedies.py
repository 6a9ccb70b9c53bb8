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
        ``usual`` (the model's own default) or ``other`` (``centred`` for ``noncentred`` and the other way round).
    importance
        Whether importance sampling may be used.
    """

    draws: int
    warmup: int
    target_accept: float = 0.9
    parameterisation: str = "usual"
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
    height
        Remedies of the same height are tried together, lower ones first.
    step
        Its name in the report.
    against
        The broken rules it is meant for.
    change
        Effort before to effort after.
    """

    height: int
    step: str
    against: frozenset[str]
    change: Callable[[Effort], Effort]


_EXPLORATION = frozenset({"rhat", "ess_bulk", "ess_tail", "bfmi"})
_GEOMETRY = frozenset({"divergences", "bfmi", "rhat", "chain"})
_ANY = _EXPLORATION | _GEOMETRY


def _longer(effort: Effort) -> Effort:
    return replace(effort, draws=2 * effort.draws, warmup=2 * effort.warmup, importance=False)


def _smaller_steps(target: float) -> Callable[[Effort], Effort]:
    return lambda effort: replace(effort, target_accept=max(effort.target_accept, target), importance=False)


LADDER: tuple[Rung, ...] = (
    Rung(1, "NUTS instead of importance sampling", frozenset({"pareto_k"}), lambda e: replace(e, importance=False)),
    Rung(1, "longer warm-up and twice the draws", _EXPLORATION, _longer),
    Rung(1, "smaller steps (target acceptance 0.95)", _GEOMETRY, _smaller_steps(0.95)),
    Rung(2, "longer warm-up and twice the draws", _EXPLORATION, _longer),
    Rung(2, "smaller steps (target acceptance 0.99)", _GEOMETRY, _smaller_steps(0.99)),
    Rung(3, "other parameterisation", _ANY, lambda e: replace(_smaller_steps(0.95)(e), parameterisation="other")),
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
    for height in sorted({rung.height for rung in LADDER}):
        broken = tuple(failure.rule for failure in diagnostics.failures)
        chosen = [rung for rung in LADDER if rung.height == height and rung.against.intersection(broken)]
        harder = effort
        for rung in chosen:
            harder = rung.change(harder)
        if harder == effort or (harder.parameterisation != effort.parameterisation and not alternatives):
            continue
        effort, step = harder, "; ".join(rung.step for rung in chosen)
        if announce is not None:
            announce(f"{diagnostics.verdict}; trying: {step}")
        result, diagnostics = attempt(effort)
        attempts.append(Attempt(step, broken, effort.settings(), diagnostics.verdict))
        if len(diagnostics.failures) <= len(best[1].failures):
            best = (result, diagnostics)
    return *best, tuple(attempts)


def record(attempts: tuple[Attempt, ...]) -> list[Mapping[str, object]]:
    """Return the attempts as plain records for the model's card."""
    return [
        {"step": a.step, "because": list(a.because), "settings": dict(a.settings), "verdict": a.verdict}
        for a in attempts
    ]
