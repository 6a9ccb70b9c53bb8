"""What a simulated study observes, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from .truth import Truth


@dataclass(frozen=True, slots=True)
class Missingness:
    """Which ratings are missing, as expected shares of all ratings.

    Parameters
    ----------
    ratings
        Share of single session ratings lost completely at random (MCAR).
    client_forms
        Share of sessions whose whole client form is missing at random (MAR): likelier after a higher
        baseline, which is always observed, by ``on_baseline`` on the log-odds per SD.
    therapist_forms
        Share of sessions whose therapist form is lost completely at random.
    on_baseline
        Strength of the MAR mechanism.
    """

    ratings: float = 0.0
    client_forms: float = 0.0
    therapist_forms: float = 0.0
    on_baseline: float = 0.7


@dataclass(frozen=True, slots=True)
class SimulationDesign:
    """What is observed, and of whom.

    Parameters
    ----------
    clients
        Clients who start therapy.
    sessions
        Number of planned sessions, or the lowest and highest (uniform over clients).
    therapists
        Number of therapists; clients are nested in them. ``0`` leaves the therapist level out.
    missing
        Missing ratings.
    dropout
        Whether clients may leave before their planned end.
    never_started
        Randomised clients without a session, in addition to ``clients``.
    rounded
        Round and clip to the scales of real questionnaires. Off by default: the implied moments of the
        truth are exact only for continuous ratings.
    """

    clients: int = 80
    sessions: int | tuple[int, int] = (4, 16)
    therapists: int = 12
    missing: Missingness = field(default_factory=Missingness)
    dropout: bool = True
    never_started: int = 0
    rounded: bool = False

    def __post_init__(self) -> None:
        """Refuse designs that cannot be drawn."""
        low, high = self.bounds
        if self.clients < 1 or self.therapists < 0 or self.never_started < 0:
            raise ValueError("A design needs at least 1 client, and no negative numbers of therapists or non-starters.")
        if not 1 <= low <= high:
            raise ValueError(f"sessions must be 1 or more, lowest first; got {self.sessions}.")
        if self.therapists > self.clients:
            raise ValueError(f"{self.therapists} therapists cannot all have one of {self.clients} clients.")

    @property
    def bounds(self) -> tuple[int, int]:
        """Lowest and highest planned number of sessions."""
        return (self.sessions, self.sessions) if isinstance(self.sessions, int) else self.sessions


@dataclass(frozen=True)
class Simulated:
    """A simulated study.

    Parameters
    ----------
    sessions
        One row per attended session: ``client``, ``session`` (1, 2, …), ``therapist`` (if any), ``date``, one
        column per response, ``rupture`` (0/1), ``repair`` (0/1, missing where there was no rupture).
    clients
        One row per client: ``client``, ``therapist`` (if any), ``arm`` (usual, active), ``age``, ``anxiety``,
        ``avoidance``, ``baseline``, ``final``, ``planned``, ``left`` (completed, dropped out, never started).
    therapists
        One row per therapist: ``therapist``, ``experience``, ``therapist_anxiety``, ``therapist_avoidance``.
    latent
        One row per client: the true latent mean of each response as a deviation from the population.
    truth, design, seed
        What it was drawn from.
    """

    sessions: pd.DataFrame
    clients: pd.DataFrame
    therapists: pd.DataFrame
    latent: pd.DataFrame
    truth: Truth
    design: SimulationDesign
    seed: int
