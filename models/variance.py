r"""Variance: how much belongs to therapists, clients and sessions.

Question
    How much of a session's safety (alliance, outcome) belongs to the therapist, how much to the client,
    how much to the session, and how much goes with the arm?

Equation
    Session *i* of client *c* with therapist *t*:

    .. math::

        y_{ict} = \alpha + z_{ct}'\gamma + w_t + u_c + e_{ict}, \quad
        w_t \sim N(0, \tau_t^2), \; u_c \sim N(0, \tau_c^2), \; e_{ict} \sim N(0, \sigma^2)

    With ``residual = "ar1"`` neighbouring sessions resemble each other beyond the client's mean:
    cov(e_i, e_j) = σ² ρ^|i−j| within a client's block of sessions.

Parameters, in the language of therapy
    ``share.therapist``: what therapists differ in, whoever their clients are. ``share.client``: the
    trait-like part. ``share.session``: the state-like part, with measurement error (the two cannot be
    told apart with one rating per session). ``reliability.mean[k]``: how well the mean of k sessions
    ranks clients. ``share.therapist_minus_arm``: whether therapists differ more than treatments do.

Assumptions
    No trend (use growth for change; a trend counts as variance between sessions here). Effects are
    normal. On link families the session's share is that of the link scale (π²/3 for logits).

Sources
    Johns et al. (2019); Baldwin & Imel (2013); Nakagawa, Johnson & Schielzeth (2017); Cranford et al.
    (2006) for reliability.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..data.config import ModelSection
from .build import build
from .families import laws
from .marginal_form import system
from .model import Estimand, Model
from .multilevel import multilevel, posterior
from .needs import OUTCOME_ROLES, first_outcome, lacks_outcome
from .parameters import parameters
from .predict import log_likelihood, predict
from .quantities import covariate_effects, family_estimands, intercept_and_time, shares, standard_deviations
from .reliability import mean_reliability

if TYPE_CHECKING:
    from ..data.study import Study
    from .design import Design


def design(study: Study, name: str, options: ModelSection) -> Design:
    """Return random intercepts of clients and therapists, and covariates."""
    return build(study, "variance", name, options)


def equation(design: Design) -> str:
    """Return the model in LaTeX."""
    terms = ["\\alpha"] + (["z_{ct}'\\gamma"] if design.fixed else [])
    terms += (["w_t"] if design.has_therapists else []) + ["u_c"]
    lines = [f"y_{{ict}} &\\sim {laws()[design.family].latex}", "\\mu_i &= " + " + ".join(terms)]
    if design.has_therapists:
        lines.append("w_t &\\sim \\mathrm{Normal}(0, \\tau_t)")
    lines.append("u_c &\\sim \\mathrm{Normal}(0, \\tau_c)")
    if design.residual == "ar1":
        lines.append("\\mathrm{cor}(e_i, e_j) &= \\rho^{|i-j|}")
    return " \\\\\n".join(lines)


def estimands(design: Design) -> tuple[Estimand, ...]:
    """Return shares, SDs, and the reliability of clients' means."""
    return (
        *shares(design, with_arm=True),
        *intercept_and_time(design),
        *covariate_effects(design),
        *standard_deviations(design),
        *family_estimands(design),
        *mean_reliability(design),
    )


def lacks(study: Study, options: ModelSection) -> tuple[str, ...]:
    """Say what the study lacks for this model."""
    return lacks_outcome(study, options)


def default_options(study: Study) -> Mapping[str, ModelSection]:
    """Propose one decomposition for safety, alliance and outcome each, with the arm where there is one."""
    arms = tuple(v.name for v in study.by_role("arm") if v.level == "client")
    outcomes = [first_outcome(study, roles) for roles in (("safety",), ("alliance",), OUTCOME_ROLES)]
    chosen = list(dict.fromkeys(o for o in outcomes if o is not None))
    if not chosen:
        other = first_outcome(study, ("exploration", "process", "support", "risk"))
        chosen = [other] if other is not None else []
    return {
        "variance" if i == 0 else f"variance_{outcome}": ModelSection(kind="variance", outcome=outcome, covariates=arms)
        for i, outcome in enumerate(chosen)
    }


MODEL = Model(
    kind="variance",
    title="Therapists, clients, sessions",
    question="How much of the differences belongs to therapists, to clients and to sessions?",
    words=(
        "A variance decomposition with random intercepts of therapists and clients: what is left varies from session "
        "to session."
    ),
    equation=equation,
    references=("johns2019", "baldwin2013", "nakagawa2017", "cranford2006"),
    lacks=lacks,
    default_options=default_options,
    design=design,
    parameters=parameters,
    pymc=multilevel,
    system=system,
    estimands=estimands,
    predict=predict,
    log_likelihood=log_likelihood,
    posterior=posterior,
)
