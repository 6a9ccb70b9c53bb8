"""The one likelihood of variance, growth and within_between, as a plain PyMC model.

Latent effects are written out, one line per line of the equation in :mod:`safezone.models.design`; the
marginal kernel integrates the same effects instead. Nothing loops over clients or sessions. The parts:
parameters and effects (:mod:`.multilevel_parameters`), the outcome's equation
(:mod:`.multilevel_outcome`), latent centring (:mod:`.multilevel_latent`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .design import Design, Floats
from .multilevel_latent import latent_responses
from .multilevel_outcome import observed_part, outcome_part, plain_outcome
from .multilevel_parameters import Builder, Parameterisation, fixed_matrix, priors_of
from .parameters import family_parameters

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

    from .compilation import Compiled


def multilevel(design: Design, parameterisation: Parameterisation = "noncentred") -> pm.Model:
    """Build the PyMC model of a design.

    Parameters
    ----------
    design
        From :func:`safezone.models.build.build`.
    parameterisation
        ``noncentred`` samples standardised effects (good with few sessions per client), ``centred``
        the effects themselves (good with many), ``nested`` clients' totals around their therapists' (good with
        many; for the random intercepts of a surface only).

    Returns
    -------
    pymc.Model
        With the variables that :mod:`safezone.models.design` lists; auxiliary ones end in ``_z`` or
        ``_partial``.
    """
    import pymc as pm

    with pm.Model(coords=design.coords) as model:
        builder = Builder(design, parameterisation, priors_of(design))
        fixed = fixed_matrix(design)
        clients = therapists = None
        if parameterisation != "nested":
            clients = builder.effects("client", "client_effect", "client_effects")
            therapists = builder.effects("therapist", "therapist_effect", "therapist_effects")
        parameters = {name: builder.parameter(name) for name in family_parameters(design)}
        if design.latent:
            latent_responses(builder, fixed, clients, therapists, parameters)
        else:
            eta = outcome_part(builder, fixed, clients, therapists)
            eta = eta + observed_part(builder, fixed, clients)
            plain_outcome(builder, eta, parameters)
    return model


def posterior(design: Design, compiled: Compiled, theta: Floats, *, seed: int, effects: bool = True) -> xr.Dataset:
    """Return the same variables from draws of the marginal kernel; its compiled code is loaded when it is needed.

    Parameters
    ----------
    design, compiled, theta, seed, effects
        As in :func:`safezone.models.marginal_posterior.posterior`.
    """
    from . import marginal_posterior

    return marginal_posterior.posterior(design, compiled, theta, seed=seed, effects=effects)


__all__ = ["Parameterisation", "multilevel", "posterior"]
