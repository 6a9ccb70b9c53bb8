"""What a model is: a frozen description and a handful of pure functions.

A model file reads like a method section and ends in one :class:`Model` value; the catalogue is an
explicit tuple of them. Nothing here samples: declaring a model is free.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pymc as pm
    import xarray as xr

    from ..data.config import ModelSection
    from ..data.study import Study
    from .design import Floats
    from .gaussian import GaussianSystem
    from .priors import Prior

Scale = Literal["raw", "standardised"]
Target = Literal["population", "same", "new_client", "new_therapist"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One sampled parameter, with its prior and what it means in therapy.

    Parameters
    ----------
    name
        Name in the posterior (``within``, ``sd_client``, …), optionally with one coordinate
        (``within[safety]``).
    estimand
        The dotted name under which users set its prior (``safety.within``).
    symbol
        LaTeX symbol in the model's equation.
    prior
        Its prior on the standardised scale.
    meaning
        One sentence in the language of therapy.
    """

    name: str
    estimand: str
    symbol: str
    prior: Prior
    meaning: str


@dataclass(frozen=True, slots=True)
class Estimand:
    """A named quantity, the level it speaks about, and how the posterior yields its draws.

    Parameters
    ----------
    name
        Stable dotted name (``safety.within``, ``share.therapist``).
    level
        ``session``, ``client``, ``therapist`` or ``population``.
    target
        The population the quantity speaks about.
    scale
        ``raw`` (units of the variables) or ``standardised``.
    unit
        Unit of the value, in words (``points per point``, ``share``).
    meaning
        One sentence that a clinician understands.
    draws
        Posterior dataset (dims ``chain``, ``draw``, …) to draws of the quantity (``chain``, ``draw``).
    """

    name: str
    level: str
    target: Target
    scale: Scale
    unit: str
    meaning: str
    draws: Callable[[xr.Dataset], xr.DataArray]


def no_variants[D](design: D) -> Mapping[str, D]:
    """Return no versions to compare."""
    return {}


@dataclass(frozen=True, slots=True)
class Model:
    """A catalogue entry; its functions agree on what kind of design they take.

    Parameters
    ----------
    kind
        Name in study files (``growth``).
    title, question, words
        For people: a heading, the question it answers, and the model in two or three sentences.
    equation
        The model in LaTeX, one line per line of the likelihood.
    references
        Keys of ``reports/references.bib``.
    lacks
        ``(study, options) -> what is missing`` as sentences; empty when the study can feed it.
    default_options
        Options by name for a study file that names no models; empty where the study cannot feed the model.
    design
        Tables to arrays and coords; no statistics. Cheap: imports neither PyMC nor ArviZ.
    parameters
        Every sampled parameter with its prior.
    pymc
        ``(design, parameterisation="noncentred" | "centred")``: the plain PyMC model, latent effects
        written out.
    system
        The same model with client and therapist effects integrated out, for the marginal kernel; or a
        sentence that says why this design has no closed integral and PyMC runs instead.
    estimands
        What the posterior is asked.
    predict
        ``(design, posterior, rng, target)``: replicated raw outcomes, shape (draws, rows); target
        ``same``, ``new_client`` or ``new_therapist``.
    log_likelihood
        ``(design, posterior)``: pointwise log-likelihood of rated sessions, shape (draws, rated rows).
    posterior
        ``(design, compiled, theta, seed=…, effects=True)``: draws of θ to the posterior dataset, for the marginal
        kernel.
    variants
        Restricted or rival versions of a design by name, compared by leaving out clients when a fit is summarised; all
        of the same rows, and cheap (they have a marginal system). The part of a name before its last dot is the set in
        which a version is compared. None by default.
    """

    kind: str
    title: str
    question: str
    words: str
    equation: Callable[[Any], str]
    references: tuple[str, ...]
    lacks: Callable[[Study, ModelSection], tuple[str, ...]]
    default_options: Callable[[Study], Mapping[str, ModelSection]]
    design: Callable[[Study, str, ModelSection], Any]
    parameters: Callable[[Any], tuple[Parameter, ...]]
    pymc: Callable[..., pm.Model]
    system: Callable[[Any], GaussianSystem | str]
    estimands: Callable[[Any], tuple[Estimand, ...]]
    predict: Callable[..., Floats]
    log_likelihood: Callable[[Any, xr.Dataset], Floats]
    posterior: Callable[..., xr.Dataset]
    variants: Callable[[Any], Mapping[str, Any]] = no_variants
