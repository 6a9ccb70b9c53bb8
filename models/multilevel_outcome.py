"""The outcome's equation: fixed part, effects, observed means, and what multiplies a within deviation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from .families import observe, offset
from .multilevel_parameters import Builder, dot
from .surface import VARIABLES

if TYPE_CHECKING:
    from .design import Floats
    from .families import Tensor


def outcome_part(
    builder: Builder,
    fixed: Tensor | Floats,
    clients: Tensor | None,
    therapists: Tensor | None,
    intercepts: bool = True,
) -> Tensor:
    """α + F'a + z'd_c + z'd_t: fixed part and effects (with or without the random intercepts)."""
    import pytensor.tensor as pt

    design = builder.design
    eta: Tensor = pt.zeros(len(design.y))
    if design.family != "ordinal":
        eta = eta + builder.parameter("intercept")
    if design.fixed:
        eta = eta + dot(fixed, builder.parameter("fixed"))
    first = 0 if intercepts else 1
    for effects, columns, unit in (
        (clients, design.client_z, design.client),
        (therapists, design.therapist_z, design.therapist),
    ):
        if effects is not None:
            for j in range(first, columns.shape[1]):
                if np.any(columns[:, j]):
                    column = columns[:, j]
                    eta = eta + (effects[unit, j] if np.all(column == 1.0) else effects[unit, j] * column)
    return eta


def within_part(builder: Builder, fixed: Tensor | Floats, deviation: Sequence[Any], clients: Tensor) -> Tensor:
    """Client-specific slopes, moderation and pooled groups, all times the within deviation."""
    import pymc as pm
    import pytensor.tensor as pt

    design = builder.design
    eta: Tensor = pt.zeros(len(design.y))
    for j, effect in enumerate(design.client_effects):
        if effect.predictor >= 0:
            eta = eta + clients[design.client, j] * deviation[effect.predictor]
    if design.interactions:
        moderation = builder.parameter("moderation")
        for j, interaction in enumerate(design.interactions):
            eta = eta + moderation[j] * fixed[:, interaction.column] * deviation[interaction.predictor]
    if design.groups is not None:
        sd = builder.parameter("sd_group")
        z = pm.Normal("group_effects_z", 0.0, 1.0, dims=("group", "group_effect"))
        groups = pm.Deterministic("group_effects", z * sd, dims=("group", "group_effect"))
        eta = eta + groups[design.groups.row, 0]
        for k in range(len(design.predictors)):
            eta = eta + groups[design.groups.row, k + 1] * deviation[k]
    return eta


def product_part(builder: Builder) -> Tensor | float:
    """Products of two predictors' observed within deviations, Σ δ p."""
    design = builder.design
    if design.products is None:
        return 0.0
    return dot(design.products.columns, builder.parameter("moderation")[len(design.interactions) :])


def surface_part(builder: Builder, place: str, ratings: Sequence[Tensor | Floats]) -> Tensor:
    """b1 x + b2 z + b3 x² + b4 xz + b5 z² of a session's deviations, or of what is usual for the client."""
    b = builder.parameter(VARIABLES[place])
    x, z = ratings
    return cast("Tensor", (b[0] + b[2] * x + b[3] * z) * x + (b[1] + b[4] * z) * z)


def observed_part(builder: Builder, fixed: Tensor | Floats, clients: Tensor | None) -> Tensor | float:
    """Within and between effects of observed means (the audit of latent centring)."""
    design = builder.design
    if not design.predictors or clients is None:
        return 0.0
    if design.surface is not None:
        usual = surface_part(builder, "between_client", list(design.surface.between.T))
        return cast("Tensor", surface_part(builder, "within", list(design.x.T)) + usual)
    eta: Tensor = dot(design.x, builder.parameter("within"))
    eta = eta + dot(design.x_client, builder.parameter("between_client"))
    if design.has_therapists:
        eta = eta + dot(design.x_therapist, builder.parameter("between_therapist"))
    if design.own_lag:
        eta = eta + builder.parameter("own_lag") * design.y_previous
    deviation = [design.x[:, k] for k in range(len(design.predictors))]
    return cast("Tensor", eta + within_part(builder, fixed, deviation, clients) + product_part(builder))


def plain_outcome(builder: Builder, eta: Tensor, parameters: dict[str, Tensor]) -> None:
    """Likelihood of rated sessions, with an AR(1) residual if asked for."""
    import pytensor.tensor as pt

    design = builder.design
    rated = np.flatnonzero(~np.isnan(design.y))
    if design.residual == "ar1":
        # y_i − μ_i depends on the client's last rated session, g sessions ago: ρ^g, variance σ²(1 − ρ^2g).
        rho = builder.parameter("autocorrelation")
        linked = design.previous >= 0
        carried = pt.switch(linked, rho ** np.maximum(design.gap, 1).astype(np.float64), 0.0)
        before = np.where(linked, design.previous, 0)
        eta = eta + carried * (design.y[before] - eta[before])
        parameters = {**parameters, "sd_residual": (parameters["sd_residual"] * pt.sqrt(1 - carried**2))[rated]}
    observe(design.family, design.y[rated], eta[rated] + offset(design.outcome), parameters)
