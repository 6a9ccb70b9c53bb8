"""Posterior and prior prediction and pointwise log-likelihood, from draws alone.

Three targets: the ``same`` clients (their own effects, one session ahead), a ``new_client`` of the same
therapists, and a ``new_therapist`` with new clients. For new people predictors are drawn as well, and
dynamic models run forward from the start of each series.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np

from .design import Design, Floats, Ints
from .draws import Effects, System, covariance_factor, flatten, observed_values, system
from .families import laws, offset
from .scales import raw_outcome

if TYPE_CHECKING:
    import xarray as xr

PredictionTarget = Literal["same", "new_client", "new_therapist"]
CHUNK = 200
"""Draws handled at once: bounds memory to CHUNK × rows × responses."""


def predict(
    design: Design, posterior: xr.Dataset, rng: np.random.Generator, target: PredictionTarget = "same"
) -> Floats:
    """Draw replicated outcomes for the design's rows.

    Parameters
    ----------
    design
        The design.
    posterior
        Posterior variables (dims chain, draw, …), thinned to as many draws as are wanted.
    rng
        Random generator.
    target
        Whose sessions are drawn: ``same``, ``new_client`` or ``new_therapist``. Effects of new people
        come from their population distribution and need not be in the posterior.

    Returns
    -------
    ndarray
        Raw outcomes, shape (draws, rows), for every row of the design whether rated or not.
    """
    draws = flatten(posterior)
    count = draws["sd_client"].shape[0]
    parts = [_predict(design, _slice(draws, at), rng, target) for at in range(0, count, CHUNK)]
    return raw_outcome(design.outcome, np.concatenate(parts))


def _slice(draws: Mapping[str, Floats], at: int) -> dict[str, Floats]:
    return {name: values[at : at + CHUNK] for name, values in draws.items()}


def _predict(design: Design, draws: Mapping[str, Floats], rng: np.random.Generator, target: str) -> Floats:
    if target == "same":
        state = system(design, draws)
        values = observed_values(design, draws)
        eta, spread = _one_ahead(state, values)
        return _draw_outcome(state, rng, eta, spread)
    return forward(system(design, draws, new_effects(design, draws, rng, target)), rng)


def _draw_outcome(state: System, rng: np.random.Generator, eta: Floats, spread: Floats | None) -> Floats:
    parameters = state.family()
    if spread is not None:
        parameters["sd_residual"] = spread
    return laws()[state.design.family].draw(rng, eta + offset(state.design.outcome), parameters)


def _one_ahead(state: System, values: Floats) -> tuple[Floats, Floats | None]:
    """Linear predictor and residual SD of every row given the rows before it."""
    design = state.design
    rows = np.arange(len(design.y))
    eta = state.outcome(rows, values)
    spread = state.spread(len(design.predictors), rows)
    if design.residual == "ar1" and spread is not None:
        carried = _carried(state, rows)
        before = np.maximum(design.previous, 0)
        eta = eta + carried * (design.y[before] - eta[:, before])
        spread = spread * np.sqrt(1 - carried**2)
    return eta, spread


def _carried(state: System, rows: Ints) -> Floats:
    """ρ^g of rows with a predecessor, 0 for the others, shape (draws, rows)."""
    design = state.design
    power = state.draws["autocorrelation"][:, None] ** np.maximum(design.gap[rows], 1)
    return np.where(design.previous[rows] >= 0, power, 0.0)


def new_effects(design: Design, draws: Mapping[str, Floats], rng: np.random.Generator, target: str) -> Effects:
    """Draw effects of new clients, and of new therapists where the target asks for them."""

    def normal(units: int, sd: str, cor: str) -> Floats:
        factor = covariance_factor(draws, sd, cor)
        z = rng.standard_normal((factor.shape[0], units, factor.shape[1]))
        return np.asarray(np.einsum("suk,sjk->suj", z, factor))

    def therapists(name: str, sd: str, cor: str) -> Floats | None:
        if not design.has_therapists:
            return None
        return draws[name] if target == "new_client" else normal(design.therapists, sd, cor)

    return Effects(
        normal(design.clients, "sd_client", "cor_client"),
        therapists("therapist_effects", "sd_therapist", "cor_therapist"),
        normal(design.clients, "sd_predictor_client", "cor_predictor_client") if design.latent else None,
        therapists("predictor_therapist", "sd_predictor_therapist", "cor_predictor_therapist")
        if design.latent
        else None,
    )


def waves(previous: Ints) -> list[Ints]:
    """Return rows in the order in which a series can be run: first those without predecessor, and so on."""
    depth = np.zeros(len(previous), dtype=np.int64)
    for row in np.flatnonzero(previous >= 0):  # a predecessor always comes earlier in the table
        depth[row] = depth[previous[row]] + 1
    order = np.argsort(depth, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(depth[order])) + 1)


def forward(state: System, rng: np.random.Generator) -> Floats:
    """Run the system forward for people with the given effects; internal outcomes (draws, rows)."""
    design = state.design
    rows = np.arange(len(design.y))
    size = len(design.responses) if design.latent else 0
    values = np.zeros((state.count, len(rows), size))
    result = np.empty((state.count, len(rows)))
    errors = np.zeros((state.count, len(rows))) if design.residual == "ar1" else None
    outcome = len(design.predictors)
    for wave in waves(design.previous):
        for target in design.order if design.latent else (outcome,):
            if target != outcome:
                mean = state.predictor(target, wave, values)
                sd = state.spread(target, wave)
                values[:, wave, target] = mean + (0.0 if sd is None else sd) * rng.standard_normal(mean.shape)
                continue
            eta, spread = state.outcome(wave, values), state.spread(outcome, wave)
            if errors is not None and spread is not None:
                carried = _carried(state, wave)
                shift = carried * errors[:, np.maximum(design.previous[wave], 0)]
                result[:, wave] = _draw_outcome(state, rng, eta + shift, spread * np.sqrt(1 - carried**2))
                errors[:, wave] = result[:, wave] - eta
            else:
                result[:, wave] = _draw_outcome(state, rng, eta, spread)
            if size:
                values[:, wave, outcome] = result[:, wave]
    return result


def log_likelihood(design: Design, posterior: xr.Dataset) -> Floats:
    """Return the pointwise log-likelihood of the rated sessions, given the clients' effects.

    Parameters
    ----------
    design
        The design.
    posterior
        Posterior variables with client and therapist effects.

    Returns
    -------
    ndarray
        Shape (draws, rated rows), in the order of ``numpy.flatnonzero(~numpy.isnan(design.y))``; on the
        internal scale of the outcome.
    """
    draws = flatten(posterior)
    rated = np.flatnonzero(~np.isnan(design.y))
    count = draws["sd_client"].shape[0]
    parts = []
    for at in range(0, count, CHUNK):
        part = _slice(draws, at)
        state = system(design, part)
        eta, spread = _one_ahead(state, observed_values(design, part))
        parameters = state.family()
        if spread is not None:
            parameters["sd_residual"] = spread[:, rated] if spread.shape[1] > 1 else spread
        law = laws()[design.family]
        parts.append(law.logpdf(design.y[rated], eta[:, rated] + offset(design.outcome), parameters))
    return np.concatenate(parts)
