"""The theory as numbers: every parameter of the simulator, and what models must recover from it.

The simulated world is the recursive Gaussian path system of the catalogue. For session *i* of client
*c* with therapist *t*, and responses in causal order (therapist's safety, client's safety, alliance,
exploration, post-session outcome, symptoms)::

    y_ict = mean + trend_ict + w_t + u_c + e_ict
    e_ict = A e_ict + F e_(i-1)ct + eps_ict ,   eps ~ N(0, diag(sd_session²))      within-client paths
    u_c   = B u_c + G attachment_c + d_c    ,   d   ~ N(0, diag(sd_client²))       between-client paths
    w_t   = T w_t + H attachment_t + d_t    ,   d_t ~ N(0, diag(sd_therapist²))    between-therapist paths

Trends are written as direct effects of time and travel along the within-client paths as well, so that a
model with the right paths needs no trend of its own for a response whose direct trend is zero.

Because everything is linear and Gaussian, what a model of the catalogue should find is a function of the
implied covariance matrices: :meth:`Truth.variance`, :meth:`Truth.growth`, :meth:`Truth.within_between`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from .truth_parts import (
    CLIENT_PATHS,
    LAGGED_PATHS,
    SERIES,
    SESSION_PATHS,
    THERAPIST_ATTACHMENT,
    THERAPIST_PATHS,
    Attachment,
    Dropout,
    Events,
    FinalOutcome,
    Interaction,
    Path,
    Reactivity,
    Series,
)

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
PathLevel = Literal["session", "lagged", "client", "therapist"]


@dataclass(frozen=True, slots=True)
class Truth:
    """Every true parameter of a simulated study.

    Parameters
    ----------
    series
        The session-level responses in causal order; a path runs from an earlier to a later one.
    session, lagged
        Within-client paths of the same session (A) and from the previous session (F).
    client, therapist
        Paths between the latent means of clients (B, G) and of therapists (T, H). Their sources may be
        ``anxiety`` and ``avoidance``: the attachment of the client, or of the therapist.
    client_attachment, therapist_attachment
        Distribution of attachment anxiety and avoidance.
    reactivity
        A within-client path that differs between clients, or ``None``.
    interactions
        Pairs of ratings that act together within sessions; see :class:`~safezone.data.truth_parts.Interaction`. The
        implied moments leave them out.
    final
        Baseline and final outcome.
    events
        Ruptures and repairs.
    dropout
        The hazard of leaving.

    Examples
    --------
    >>> from safezone.data.truth import Truth
    >>> round(Truth().within_between("exploration", ["safety", "alliance"])["safety.within"], 2)
    0.35
    """

    series: tuple[Series, ...] = SERIES
    session: tuple[Path, ...] = SESSION_PATHS
    lagged: tuple[Path, ...] = LAGGED_PATHS
    client: tuple[Path, ...] = CLIENT_PATHS
    therapist: tuple[Path, ...] = THERAPIST_PATHS
    client_attachment: Attachment = field(default_factory=Attachment)
    therapist_attachment: Attachment = THERAPIST_ATTACHMENT
    reactivity: Reactivity | None = None
    interactions: tuple[Interaction, ...] = ()
    final: FinalOutcome = field(default_factory=FinalOutcome)
    events: Events = field(default_factory=Events)
    dropout: Dropout = field(default_factory=Dropout)

    def __post_init__(self) -> None:
        """Refuse paths and interactions that name nothing or run against the causal order."""
        for level in ("session", "lagged", "client", "therapist"):
            self.matrix(level)
        for one in self.interactions:
            sources = (one.source,) if one.by == "time" else (one.source, one.by)
            if max(self._position(name, one) for name in sources) >= self._position(one.target, one):
                raise ValueError(f"The interaction {one} needs responses before its target: {self.names}.")
        if not np.all(np.abs(np.linalg.eigvals(self._transition())) < 1):
            raise ValueError("The lagged paths are not stationary: an eigenvalue reaches 1. Lower them.")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the session-level responses, in causal order."""
        return tuple(one.name for one in self.series)

    def __getitem__(self, name: str) -> Series:
        """Return one response's parameters by name."""
        return self.series[self.names.index(name)]

    def with_series(self, name: str, **changes: float | str) -> Truth:
        """Return a truth in which one response's parameters are changed."""
        changed = replace(self[name], **changes)  # type: ignore[arg-type]  # checked by Series itself
        return replace(self, series=tuple(changed if one.name == name else one for one in self.series))

    def without_trends(self) -> Truth:
        """Return a truth in which nothing develops: no mean trend, no arm effect, no random slopes."""
        flat = tuple(replace(one, trend=0.0, arm_trend=0.0, sd_slope=0.0, cor_slope=0.0) for one in self.series)
        return replace(self, series=flat)

    # ---- matrices -------------------------------------------------------------------------------------

    def matrix(self, level: PathLevel) -> Array:
        """Return the path matrix of a level, shape (responses, responses): row ← column."""
        found = np.zeros((len(self.series), len(self.series)))
        paths: tuple[Path, ...] = getattr(self, level)
        for path in paths:
            if path.source in ("anxiety", "avoidance") and level in ("client", "therapist"):
                continue
            source, target = self._position(path.source, path), self._position(path.target, path)
            if level != "lagged" and source >= target:
                raise ValueError(f"The {level} path {path} runs against the causal order {self.names}. Turn it round.")
            found[target, source] += path.value
        return found

    def loadings(self, level: Literal["client", "therapist"]) -> Array:
        """Return the effects of attachment, shape (responses, 2): columns anxiety, avoidance."""
        found = np.zeros((len(self.series), 2))
        paths: tuple[Path, ...] = getattr(self, level)
        for path in paths:
            if path.source in ("anxiety", "avoidance"):
                found[self._position(path.target, path), ("anxiety", "avoidance").index(path.source)] += path.value
        return found

    def total(self, level: Literal["session", "client", "therapist"]) -> Array:
        """Return the matrix of total effects (I − paths)⁻¹ of a level, shape (responses, responses)."""
        return np.linalg.inv(np.eye(len(self.series)) - self.matrix(level))

    def covariance(self, level: Literal["session", "client", "therapist"]) -> Array:
        """Return the implied covariance of the responses at a level, shape (responses, responses), raw units.

        For ``session`` it is the stationary covariance of the within-client deviations from the trend.
        With a :class:`Reactivity` and lagged paths out of its target together, it is an approximation.
        """
        spread = np.array([getattr(one, f"sd_{level}") for one in self.series])
        effects = self.total(level)
        shocks = np.diag(spread**2)
        if level == "session":
            return self._stationary(effects @ shocks @ effects.T)
        attachment = self.client_attachment if level == "client" else self.therapist_attachment
        loadings = self.loadings(level)
        found: Array = effects @ (shocks + loadings @ attachment.covariance() @ loadings.T) @ effects.T
        return found

    def lag_covariance(self) -> Array:
        """Return cov(e_i, e_(i−1)) of the within-client deviations, shape (responses, responses)."""
        found: Array = self._transition() @ self.covariance("session")
        return found

    # ---- what models should find -----------------------------------------------------------------------

    def variance(self, outcome: str) -> dict[str, float]:
        """Return the true shares and SDs of the ``variance`` model (about the trend, if there is one)."""
        at = self.names.index(outcome)
        parts = {level: float(self.covariance(level)[at, at]) for level in ("therapist", "client", "session")}
        whole = sum(parts.values())
        found = {f"share.{level}": part / whole for level, part in parts.items()}
        found |= {
            "intercept": self[outcome].mean,
            "sd.therapist.intercept": parts["therapist"] ** 0.5,
            "sd.client.intercept": parts["client"] ** 0.5,
            "sd.residual": parts["session"] ** 0.5,
        }
        return found

    def growth(self, outcome: str) -> dict[str, float]:
        """Return the true parameters of the ``growth`` model by arm, with time zero at the first session.

        Time is ``session − 1`` for a linear trend and ``ln(session)`` for a logarithmic one. Exact when the
        response's whole trend has one shape (its own and those that reach it along within-client paths).
        """
        at, own = self.names.index(outcome), self[outcome]
        linked = np.flatnonzero(self.total("session")[at])
        effects = self.total("session")[at]
        moving = [self.series[k] for k in linked if self.series[k].trend or self.series[k].arm_trend]
        if any(one.shape != own.shape for one in moving):
            raise ValueError(f"The trend of {outcome!r} mixes shapes; growth has no single true slope for it.")
        slopes = sum(effects[k] ** 2 * self.series[k].sd_slope ** 2 for k in linked)
        shared = sum(
            effects[k] * self.series[k].sd_slope * self.series[k].cor_slope * self._intercept_cor_scale(at, int(k))
            for k in linked
        )
        between = float(self.covariance("client")[at, at])
        return {
            "intercept": own.mean,
            "time": float(sum(effects[k] * self.series[k].trend for k in linked)),
            "arm[active]": 0.0,
            "arm[active]:time": float(sum(effects[k] * self.series[k].arm_trend for k in linked)),
            "sd.client.intercept": between**0.5,
            "sd.client.time": float(slopes) ** 0.5,
            "cor.client.intercept_time": float(shared / (between * slopes) ** 0.5) if slopes else 0.0,
            "sd.therapist.intercept": float(self.covariance("therapist")[at, at]) ** 0.5,
            "sd.residual": float(self.covariance("session")[at, at]) ** 0.5,
        }

    def within_between(self, outcome: str, predictors: Sequence[str], lag: Literal[0, 1] = 0) -> dict[str, float]:
        """Return the true effects of the ``within_between`` model, raw units.

        Each is the population regression at its level: Σ_xx⁻¹ Σ_xy of the implied covariance. With lag 1
        the outcome's own previous value is among the predictors and comes back as ``own_lag``. With both parts of an
        interaction on the outcome among the predictors its value comes back as ``a.within:b.within`` (lag 0): exact
        where no predictor is itself moved by an interaction and no lagged path leads to the outcome or its predictors.
        """
        at, xs = self.names.index(outcome), [self.names.index(one) for one in predictors]
        within_covariance = self.covariance("session")
        found: dict[str, float] = {}
        if lag:
            sources = [*xs, at]
            target = self.lag_covariance()[at, sources]
        else:
            sources = xs
            target = within_covariance[at, xs]
        within = np.linalg.solve(within_covariance[np.ix_(sources, sources)], target)
        if lag:
            found["own_lag"] = float(within[-1])
        for level in ("client", "therapist"):
            moments = self.covariance(level)
            slopes = np.linalg.solve(moments[np.ix_(xs, xs)], moments[at, xs])
            found |= {f"{name}.between_{level}": float(slope) for name, slope in zip(predictors, slopes, strict=True)}
        for name, slope in zip(predictors, within, strict=False):
            found[f"{name}.within"] = float(slope)
            found[f"{name}.contextual"] = found[f"{name}.between_client"] - float(slope)
        if self.reactivity is not None and not lag and self.reactivity.target == outcome:
            found[f"{self.reactivity.source}.within.sd"] = self.reactivity.sd
        for one in self.interactions:
            both = {one.source, one.by}
            if not lag and one.target == outcome and len(both) == 2 and both <= set(predictors):
                found[f"{one.source}.within:{one.by}.within"] = one.value
        return found

    def chain(self, responses: Sequence[str], *, final: bool = False) -> dict[str, float]:
        """Return the true values of the ``chain`` model that has every path of this truth among some responses.

        Keys are ``path.LEVEL.a->b``, ``indirect.LEVEL.a->…->b`` for every route of two or more steps,
        ``indirect.LEVEL.a->b`` and ``total.LEVEL.a->b`` for their sums, raw units. Attachment acts under the names
        of the simulated tables (``anxiety``, ``therapist_anxiety``), the previous session as ``lag(a)``.

        Parameters
        ----------
        responses
            Names. What explains one of them must be among them.
        final
            Whether ``final`` follows from baseline, arm and latent means. Between therapists it rests on latent means
            as between clients. Exact if the baseline does not depend on symptoms (``on_symptoms = 0``): the model
            takes it for independent of what no path joins it with.

        Raises
        ------
        ValueError
            If a response that is left out explains one of the model.
        """
        steps: dict[str, dict[tuple[str, str], float]] = {"session": {}, "client": {}, "therapist": {}}
        prefix = {"client": "", "therapist": "therapist_"}
        for level in ("session", "lagged", "client", "therapist"):
            paths: tuple[Path, ...] = getattr(self, level)
            for path in paths:
                if path.target not in responses:
                    continue
                if path.source in ("anxiety", "avoidance"):
                    source = prefix[level] + path.source
                elif path.source not in responses:
                    raise ValueError(f"The {level} path {path} comes from a response that the model leaves out.")
                else:
                    source = f"lag({path.source})" if level == "lagged" else path.source
                steps["session" if level == "lagged" else level][source, path.target] = path.value
        if final:
            steps["client"] |= {("baseline", "final"): self.final.on_baseline, ("arm[active]", "final"): self.final.arm}
            weights = {(name, "final"): weight for name, weight in self.final.on_latent if weight}
            left_out = [name for name, _ in weights if name not in responses]
            if left_out:
                raise ValueError(f"The final outcome rests on {left_out[0]!r}, which the model leaves out.")
            steps["client"] |= weights
            steps["therapist"] |= weights
        found: dict[str, float] = {}
        for level, own in steps.items():
            found |= {f"path.{level}.{a}->{b}": value for (a, b), value in own.items()}
            found |= _along_routes(level, own)
        return found

    def estimands(self) -> dict[str, dict[str, float]]:
        """Return the true values of the catalogue's first models, by model and estimand, raw units.

        Keys are ``variance:OUTCOME``, ``growth:OUTCOME`` (those whose trend has one shape) and, for
        within_between, ``OUTCOME~PREDICTOR+PREDICTOR`` with every path into the outcome, and
        ``OUTCOME~PREDICTOR`` with one predictor alone.
        """
        found: dict[str, dict[str, float]] = {}
        for one in self.series:
            found[f"variance:{one.name}"] = self.variance(one.name)
            with contextlib.suppress(ValueError):  # a trend of mixed shape has no single true slope
                found[f"growth:{one.name}"] = self.growth(one.name)
            sources = [path.source for path in self.session if path.target == one.name]
            for chosen in [[source] for source in sources] + ([sources] if len(sources) > 1 else []):
                found[f"{one.name}~{'+'.join(chosen)}"] = self.within_between(one.name, chosen)
        return found

    def final_correlation(self, name: str) -> float:
        """Return the correlation of a client's latent mean of a response with the final outcome, within arms."""
        moments = self.covariance("client") + self.covariance("therapist")
        weights, noise = self.final.reduced(self.names)
        spread = float(weights @ moments @ weights) + noise**2
        at = self.names.index(name)
        return float(moments[at] @ weights / (moments[at, at] * spread) ** 0.5)

    # ---- helpers ---------------------------------------------------------------------------------------

    def _position(self, name: str, path: Path | Interaction) -> int:
        if name not in self.names:
            raise ValueError(f"The path {path} names {name!r}. Responses are: {', '.join(self.names)}.")
        return self.names.index(name)

    def _transition(self) -> Array:
        """Return the reduced-form matrix (I − A)⁻¹ F of the previous session's deviations."""
        found: Array = self.total("session") @ self.matrix("lagged")
        return found

    def _stationary(self, shocks: Array) -> Array:
        """Solve S = M S M' + shocks, with the extra variance of a path that differs between clients."""
        size, transition = len(shocks), self._transition()
        system = np.eye(size * size) - np.kron(transition, transition)
        found: Array = np.linalg.solve(system, shocks.ravel()).reshape(size, size)
        if self.reactivity is None:
            return found
        source = self._position(self.reactivity.source, Path(self.reactivity.source, self.reactivity.target, 0))
        reach = self.total("session")[:, self.names.index(self.reactivity.target)]
        spread = self.reactivity.total_variance(self.client_attachment)
        extra: Array = found + spread * found[source, source] * np.outer(reach, reach)
        return extra

    def _intercept_cor_scale(self, at: int, source: int) -> float:
        """Return cov(u_at, z_source) where z is the standardised disturbance that the random slope shares."""
        return float(self.total("client")[at, source] * self.series[source].sd_client)


def _along_routes(level: str, steps: dict[tuple[str, str], float]) -> dict[str, float]:
    """Return products along every route of two or more steps, their sums, and the sums with the direct step."""
    found: dict[str, float] = {}
    longer: dict[tuple[str, ...], float] = {(a, b): value for (a, b), value in steps.items()}
    while longer:
        longer = {
            (*route, b): value * weight
            for route, value in longer.items()
            for (a, b), weight in steps.items()
            if a == route[-1]
        }
        for route, value in longer.items():
            found[f"indirect.{level}.{'->'.join(route)}"] = value
            ends = f"{route[0]}->{route[-1]}"
            found.setdefault(f"total.{level}.{ends}", steps.get((route[0], route[-1]), 0.0))
            found[f"total.{level}.{ends}"] += value
            found[f"indirect.{level}.{ends}"] = found.get(f"indirect.{level}.{ends}", 0.0) + value
    return found
