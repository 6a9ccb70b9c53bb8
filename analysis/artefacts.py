"""What a run makes, whether it is up to date, and what a run brought."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .fit import Failure

State = Literal["fresh", "stale", "missing"]
Kind = Literal["data", "model", "report"]


@dataclass(frozen=True, slots=True)
class ArtefactStatus:
    """Whether one artefact is up to date.

    Parameters
    ----------
    kind
        ``data``, ``model`` or ``report``.
    name
        Name of the model or template; ``data`` for flow, codebook and checks.
    state
        ``fresh``, ``stale`` or ``missing``.
    because
        Why it is not fresh, in words; empty when fresh.
    """

    kind: Kind
    name: str
    state: State
    because: tuple[str, ...] = ()

    @property
    def fresh(self) -> bool:
        """Whether it is up to date."""
        return self.state == "fresh"


@dataclass(frozen=True, slots=True)
class ModelOutcome:
    """What became of one model in a run.

    Parameters
    ----------
    name, kind
        In the study file, and in the catalogue.
    reused
        Whether everything came from the store.
    verdict
        ``trusted`` or ``not trusted: …``.
    failures
        The broken rules.
    """

    name: str
    kind: str
    reused: bool
    verdict: str
    failures: tuple[Failure, ...] = ()

    @property
    def trusted(self) -> bool:
        """Whether the fit passed its diagnostics."""
        return self.verdict == "trusted"


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run brought.

    Parameters
    ----------
    folder
        The results folder.
    outcomes
        One per model that was wanted.
    changed
        Files that changed, as paths within the folder.
    left_out
        Models that are out of date and were not asked for; the tables do not show them.
    """

    folder: Path
    outcomes: tuple[ModelOutcome, ...]
    changed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def trusted(self) -> bool:
        """Whether every fit passed its diagnostics."""
        return all(outcome.trusted for outcome in self.outcomes)

    @property
    def refitted(self) -> tuple[str, ...]:
        """Models for which something was computed."""
        return tuple(outcome.name for outcome in self.outcomes if not outcome.reused)

    @property
    def exit_code(self) -> int:
        """0, or 3 where a fit must not be trusted."""
        return 0 if self.trusted else 3
