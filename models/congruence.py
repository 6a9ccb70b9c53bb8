r"""Congruence: what agreement of client and therapist goes with, beyond how high their ratings are.

Question
    Two raters rate the same thing in every session (the client's and the therapist's felt safety, or alliance).
    Is the session better when both depart from what is usual *together*; do clients do better whose usual ratings
    agree with their therapist's; and what does disagreement in either direction go with?

Equation
    Ratings x and z of session *i*, client *c*, therapist *t*, on one metric: centred at the pooled mean of both and
    divided by their pooled SD, so that one point stays one point for either rater. Each is taken apart by latent
    centring as in within_between, and the outcome has a quadratic surface at both levels:

    .. math::

        x_{ict} &= g_{x0} + F_i'g_x + m_{x,c} + m_{x,t} + e_{x,ict} \qquad (z \text{ alike}) \\
        X_{ct} &= g_{x0} + \bar F_c'g_x + m_{x,c} + m_{x,t}, \qquad
          \dot x_{ict} = x_{ict} - (g_{x0} + F_i'g_x + m_{x,c} + m_{x,t}) \\
        y_{ict} &= \alpha + F_i'a + f_W(\dot x_{ict}, \dot z_{ict}) + f_B(X_{ct}, Z_{ct}) + d_c + d_t + e_{ict} \\
        f(x, z) &= b_1 x + b_2 z + b_3 x^2 + b_4 xz + b_5 z^2

    :math:`\bar F_c` holds time and session-level covariates at their means. Residuals of x and z in one session
    correlate (z is regressed on x), and so do their latent means.

Parameters, in the language of therapy
    ``surface.within.a1``: both rate the session one point safer than usual. ``a3``: the client rates it one point safer
    than usual, the therapist one point less. ``a4``: the further the two ratings part, in whatever direction; below
    zero disagreement costs. ``a2``: whether agreement on high and on low ratings differs from agreement in the middle.
    ``a5`` and the first principal axis: whether the best place is agreement itself. ``surface.between_client.*``: the
    same for what is usual for clients.

Assumptions
    Normal latent means and residuals; the surface is quadratic and the same for all clients; therapists differ in the
    outcome by an intercept. Both ratings have the same meaning, point by point: the model cannot test that. A
    congruence effect cannot say which direction of disagreement is worse (Humberg, Nestler & Back 2019). Associations,
    not effects of treatment.

    From each rating its *own* usual value is subtracted: within clients, agreement means that both depart from the
    usual alike, and a usual difference between the raters belongs to the surface between clients. Nestler et al.
    (2019) subtract the client's mean over both raters instead, so that their session-level agreement is x = z.

    Products of latent quantities have no closed integral: with latent centring the model runs in PyMC, with observed
    centring (``centring = "observed"``) in the marginal kernel, whose between surface is flattened by the error of the
    observed means (Lüdtke bias, stronger for curvatures).

Sources
    Edwards & Parry (1993); Edwards (2002); Schönbrodt (2016); Humberg, Nestler & Back (2019); Nestler, Humberg &
    Schönbrodt (2019).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from ..data.config import ModelSection
from .build import build
from .families import laws
from .marginal_form import system
from .model import Estimand, Model
from .multilevel import multilevel, posterior
from .multilevel_parameters import nests
from .needs import first_outcome, lacks_outcome
from .parameters import parameters
from .predict import log_likelihood, predict
from .raters import pairs
from .surface_estimands import congruence_estimands
from .surface_variants import variants

if TYPE_CHECKING:
    import pymc as pm

    from ..data.study import Study
    from .design import Design

FEW = 4
"""Sessions per client below which their totals are not sampled as such."""
OUTCOMES = ("post_session", "exploration", "symptoms")


def design(study: Study, name: str, options: ModelSection) -> Design:
    """Return two ratings on one metric, with latent (or observed) means, and the outcome."""
    return build(study, "congruence", name, options)


def equation(design: Design) -> str:
    """Return the model in LaTeX, with the terms that this design has."""
    therapists = design.has_therapists
    terms = ["\\alpha"] + (["F_i'a"] if design.fixed else [])
    effects = "d_c + d_t" if therapists else "d_c"
    level = "m_{x,c} + m_{x,t}" if therapists else "m_{x,c}"
    own = "g_{x0} + F_i'g_x" if design.fixed else "g_{x0}"
    usual = "g_{x0} + \\bar F_c'g_x" if design.fixed else "g_{x0}"
    lines = [
        f"y_i &\\sim {laws()[design.family].latex}",
        f"\\mu_i &= {' + '.join(terms)} + f_W(\\dot x_i, \\dot z_i) + f_B(X, Z) + {effects}",
        "f(x, z) &= b_1 x + b_2 z + b_3 x^2 + b_4 x z + b_5 z^2",
    ]
    if design.latent:
        lines += [
            f"x_i &= {own} + {level} + \\dot x_i, \\quad X = {usual} + {level}",
            "z_i &\\text{ likewise}",
        ]
    return " \\\\\n".join(lines)


def pymc(design: Design, parameterisation: Literal["noncentred", "centred"] = "noncentred") -> pm.Model:
    """Build the PyMC model.

    Clients' totals are sampled around those of their therapist, because both ratings of every session inform them: 2.5
    to 8 times the effective draws per second of standardised effects (60 clients × 10 and 300 × 20 sessions). The
    other parameterisation (``centred``) is the standardised one, which also serves clients who change therapist or
    have few sessions.

    Parameters
    ----------
    design
        From :func:`design`.
    parameterisation
        ``noncentred``: as the design suggests; ``centred``: the other one.
    """
    many = len(design.y) >= FEW * design.clients and nests(design)
    nested = many and parameterisation == "noncentred"
    return multilevel(design, "nested" if nested else "noncentred")


def estimands(design: Design) -> tuple[Estimand, ...]:
    """Return the surface's terms, a1 to a5 and principal axis at both levels, and the spread between people."""
    return congruence_estimands(design)


def lacks(study: Study, options: ModelSection) -> tuple[str, ...]:
    """Say what the study lacks for this model."""
    found = list(lacks_outcome(study, options))
    if not options.predictors and not pairs(study):
        found.append(
            "the same thing rated by client and therapist in every session "
            '(two variables of role safety, or alliance, with rater = "client" and rater = "therapist")'
        )
    return tuple(found)


def default_options(study: Study) -> Mapping[str, ModelSection]:
    """Propose both raters' safety (else alliance) and the outcome of the session."""
    outcome = first_outcome(study, OUTCOMES)
    rated = [pair for pair in pairs(study) if outcome not in pair]
    if outcome is None or not rated:
        return {}
    return {"congruence": ModelSection(kind="congruence", outcome=outcome, predictors=rated[0], time="linear")}


MODEL = Model(
    kind="congruence",
    title="Agreement of two raters",
    question="Does it matter that client and therapist agree, beyond how high their ratings are?",
    words=(
        "A multilevel response surface: the outcome may bend with both raters' ratings, on one metric, within and "
        "between clients; slope and curvature along the lines of agreement and disagreement say what agreement goes "
        "with."
    ),
    equation=equation,
    references=("edwards1993", "edwards2002", "humberg2019", "nestler2019", "schonbrodt2016"),
    lacks=lacks,
    default_options=default_options,
    design=design,
    parameters=parameters,
    pymc=pymc,
    system=system,
    estimands=estimands,
    predict=predict,
    log_likelihood=log_likelihood,
    posterior=posterior,
    variants=variants,
)
