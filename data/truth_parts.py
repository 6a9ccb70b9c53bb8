"""The parts of a simulated truth and their default values, with the reasons for them.

Sizes follow the literature where it gives any: therapists carry about 5 % of the variance of outcome and
somewhat more of process ratings (Johns et al., 2019); the alliance correlates about .28 with outcome between
clients (Flückiger et al., 2018); attachment correlates −.1 to −.2 with the alliance (Notsu et al., 2024; Diener &
Monroe, 2011). The chain itself is the theory of Podolan & Gelo (2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Series:
    """One session-level response.

    Parameters
    ----------
    name
        Its name in tables and paths.
    mean
        Population mean at the first session, in points.
    sd_session, sd_client, sd_therapist
        SDs of its own part (the disturbance) at the three levels, in points.
    trend
        Direct effect of time, in points per session (linear) or per unit of ln(session) (log).
    shape
        ``linear`` (time = session − 1) or ``log`` (time = ln session).
    arm_trend
        What the active arm adds to ``trend``.
    sd_slope, cor_slope
        SD of the client's own trend, and its correlation with the client's own part of the mean.
    """

    name: str
    mean: float
    sd_session: float
    sd_client: float
    sd_therapist: float
    trend: float = 0.0
    shape: Literal["linear", "log"] = "linear"
    arm_trend: float = 0.0
    sd_slope: float = 0.0
    cor_slope: float = 0.0


@dataclass(frozen=True, slots=True)
class Path:
    """A directed path: one unit more of ``source`` goes with ``value`` more units of ``target``."""

    source: str
    target: str
    value: float

    def __str__(self) -> str:
        """Return the path as the study file writes it."""
        return f"{self.source} -> {self.target}"


@dataclass(frozen=True, slots=True)
class Attachment:
    """Attachment anxiety and avoidance (ECR-RS, 1–7): means, SDs and correlation over people."""

    anxiety_mean: float = 3.6
    avoidance_mean: float = 3.4
    anxiety_sd: float = 1.3
    avoidance_sd: float = 1.2
    correlation: float = 0.3

    def covariance(self) -> Array:
        """Return the 2 × 2 covariance (anxiety, avoidance) in squared points."""
        shared = self.correlation * self.anxiety_sd * self.avoidance_sd
        return np.array([[self.anxiety_sd**2, shared], [shared, self.avoidance_sd**2]])

    def means(self) -> Array:
        """Return the means (anxiety, avoidance)."""
        return np.array([self.anxiety_mean, self.avoidance_mean])


@dataclass(frozen=True, slots=True)
class Reactivity:
    """A within-client path that differs between clients.

    The client's own path is the session path plus ``anxiety``·(anxiety − mean) + ``avoidance``·(avoidance −
    mean) plus a normal deviation with SD ``sd``.
    """

    source: str = "safety"
    target: str = "exploration"
    sd: float = 0.12
    anxiety: float = 0.0
    avoidance: float = 0.0

    def total_variance(self, attachment: Attachment) -> float:
        """Return the variance of the path over clients."""
        weights = np.array([self.anxiety, self.avoidance])
        return float(self.sd**2 + weights @ attachment.covariance() @ weights)


@dataclass(frozen=True, slots=True)
class Interaction:
    """Two ratings of a session that act together: ``value · e_source · e_by`` is added to the target's deviation.

    ``value`` is in points of the target per point of the source and point of ``by``, both as within-client deviations
    of the session; ``by`` may be the source itself, or ``time``: then the source's path changes by ``value`` with each
    session after the first. What is added travels on along the session paths and moves the target's mean by
    ``value · cov(e_source, e_by)``. The implied moments of :class:`~safezone.data.truth.Truth` are exact without it.
    """

    source: str
    by: str
    target: str
    value: float

    def __str__(self) -> str:
        """Return the interaction as it is read."""
        return f"{self.source}:{self.by} -> {self.target}"


@dataclass(frozen=True, slots=True)
class FinalOutcome:
    """Baseline and final outcome, on the metric of the symptoms (PHQ-9, 0–27; lower is better).

    ``baseline = mean_baseline + on_symptoms · η_symptoms + noise`` and ``final = mean + on_baseline ·
    (baseline − mean_baseline) + arm · active + Σ on_latent · η + noise``, with η the client's latent mean as a
    deviation from the population (client's part plus the therapist's).
    """

    mean_baseline: float = 15.5
    on_symptoms: float = 0.85
    sd_baseline: float = 2.5
    mean: float = 10.0
    on_baseline: float = 0.35
    arm: float = -1.8
    on_latent: tuple[tuple[str, float], ...] = (("alliance", -1.6), ("post_session", -0.9), ("symptoms", 0.35))
    sd: float = 3.6
    missing_after_dropout: float = 0.5

    def reduced(self, names: Sequence[str]) -> tuple[Array, float]:
        """Return the final outcome's total weights on the latent means, shape (responses,), and its noise SD."""
        weights = np.array([dict(self.on_latent).get(name, 0.0) for name in names])
        weights[list(names).index("symptoms")] += self.on_baseline * self.on_symptoms
        return weights, float(np.hypot(self.sd, self.on_baseline * self.sd_baseline))


@dataclass(frozen=True, slots=True)
class Events:
    """Ruptures and repairs.

    ``logit P(rupture) = rupture + on_alliance · (alliance's within-client deviation)``; given a rupture,
    ``logit P(repair) = repair + on_avoidance · (therapist's avoidance − mean)``. ``after_repair`` is added to the
    client's safety of the next session (points); the implied moments of :class:`~safezone.data.truth.Truth` are
    exact when it is 0.
    """

    rupture: float = -1.8
    on_alliance: float = -2.0
    repair: float = 0.3
    on_avoidance: float = -0.6
    after_repair: float = 0.0


@dataclass(frozen=True, slots=True)
class Dropout:
    """The hazard of leaving after a session.

    ``logit h = hazard + safety · z_safety + symptoms · z_symptoms`` with z the true score of that session in
    SDs from the population's mean of that session; nobody leaves before ``earliest`` sessions.
    """

    hazard: float = -3.6
    safety: float = -0.6
    symptoms: float = 0.4
    earliest: int = 1


THERAPIST_ATTACHMENT = Attachment(anxiety_mean=2.6, avoidance_mean=2.5, anxiety_sd=1.0, avoidance_sd=1.0)

SERIES = (
    Series("therapist_safety", mean=4.9, sd_session=0.75, sd_client=0.45, sd_therapist=0.35, trend=0.08, shape="log"),
    Series("safety", mean=4.2, sd_session=0.80, sd_client=0.75, sd_therapist=0.10, trend=0.25, shape="log"),
    Series("alliance", mean=3.6, sd_session=0.35, sd_client=0.40, sd_therapist=0.08),
    Series("exploration", mean=4.0, sd_session=0.85, sd_client=0.60, sd_therapist=0.15),
    Series("post_session", mean=5.6, sd_session=1.20, sd_client=0.85, sd_therapist=0.20),
    Series(
        "symptoms",
        mean=14.0,
        sd_session=2.2,
        sd_client=3.6,
        sd_therapist=0.7,
        trend=-0.30,
        arm_trend=-0.18,
        sd_slope=0.25,
        cor_slope=-0.2,
    ),
)

SESSION_PATHS = (
    Path("therapist_safety", "safety", 0.25),
    Path("safety", "alliance", 0.18),
    Path("safety", "exploration", 0.35),
    Path("alliance", "exploration", 0.45),
    Path("alliance", "post_session", 0.50),
    Path("exploration", "post_session", 0.40),
)

# Symptoms are rated before the session begins, so a session's yield shows in the next session's rating.
LAGGED_PATHS = (Path("post_session", "symptoms", -0.35),)

CLIENT_PATHS = (
    Path("anxiety", "safety", -0.10),
    Path("avoidance", "safety", -0.22),
    Path("anxiety", "symptoms", 0.60),
    Path("therapist_safety", "safety", 0.40),
    Path("safety", "alliance", 0.22),
    Path("safety", "exploration", 0.45),
    Path("alliance", "exploration", 0.35),
    Path("alliance", "post_session", 0.60),
    Path("exploration", "post_session", 0.55),
    Path("post_session", "symptoms", -0.70),
)

THERAPIST_PATHS = (
    Path("anxiety", "therapist_safety", -0.08),
    Path("avoidance", "therapist_safety", -0.25),
    Path("therapist_safety", "safety", 0.50),
    Path("safety", "alliance", 0.30),
    Path("safety", "exploration", 0.40),
    Path("alliance", "exploration", 0.30),
    Path("exploration", "post_session", 0.60),
    Path("post_session", "symptoms", -0.80),
)
