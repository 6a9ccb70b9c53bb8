r"""The dyad: client's and therapist's ratings of the same thing together.

Question
    When the therapist feels safer than usual, does the client, in the same session and in the next? Does it work the
    other way round? How much do the two have in common, and how well does the therapist's view follow the client's?

Equation
    Deviations r of client *C* and therapist *T* from their expected courses in session *i* (latent centring at every
    level, see :mod:`safezone.models.path_design`):

    .. math::

        r_{Ti} &= a_T\, r_{T,i-1} + p_{C \to T}\, r_{C,i-1} + e_{Ti} \\
        r_{Ci} &= b\, r_{Ti} + \phi_C\, r_{C,i-1} + \phi_T\, r_{T,i-1} + e_{Ci}

    b is the therapist's part in the same session (the direction is the theory's: the ratings alone cannot tell it from
    the other one). Effects on the next session are those of the reduced form, so that the actor effect of the client is
    :math:`\phi_C + b\,p_{C \to T}` and the partner effect of the therapist :math:`\phi_T + b\,a_T`: that is the
    actor–partner model whose residuals correlate. With ``lag = 0`` the same-session part is left. Time and what is
    known of people may change every effect. The classic actor–partner interdependence model has two predictors and two
    outcomes (``partner``): the effects of X_C, X_T on Y_C, Y_T within and between clients, residuals and usual levels
    correlated.

    Members whom nothing tells apart (``distinguishable = false``) are modelled by their sums and differences
    (:mod:`safezone.models.dyad_members`).

Parameters, in the language of therapy
    ``partner.same_session``: the client's safety in a session in which the therapist feels one point safer than usual.
    ``actor.client``, ``actor.therapist``: how much of a person's own deviation is left in the next session.
    ``partner.therapist->client``: what the therapist's deviation says of the client's next session. ``…:time``: how
    that changes; ``…[time=first]``, ``…[time=last]``: at the start and at the end. ``common.within``,
    ``common.client``, ``common.therapist``: the common-fate view. With two indicators, a common factor that loads on
    both alike (standardised) is the same likelihood as their correlation; that share, its loading and, in one unit, its
    variance are reported. ``bias.directional``, ``accuracy.within``, ``accuracy.client``: truth and bias: does the
    therapist rate higher, and by how much does the therapist's view differ where the client's differs by a point.

Assumptions
    Linear and Gaussian; effects are the same for all clients but for the moderators; the order within a session is that
    of the theory. Sessions that start a series have a law of their own. Bias and accuracy take the client's rating for
    the truth. Associations, not effects of treatment.

Sources
    Kenny, Kashy & Cook (2006); Kenny & Ledermann (2010); West & Kenny (2011); Ledermann & Kenny (2012) for common fate;
    Hamaker, Kuiper & Grasman (2015) for lagged effects beside stable differences.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..data.config import ModelSection
from .dyad_design import build_dyad
from .dyad_effects import dyad_estimands
from .dyad_members import variants
from .dyad_pairs import pairs
from .model import Model
from .path_form import system
from .path_parameters import parameters
from .path_posterior import posterior
from .path_predict import log_likelihood, predict
from .path_twin import paths_pymc
from .raters import pairs as rated_pairs

if TYPE_CHECKING:
    from ..data.study import Study
    from .path_design import PathDesign


def equation(design: PathDesign) -> str:
    """Return the model in LaTeX, with the terms that this design has."""
    slope = " + T_i's" if design.terms else ""
    above = " + m_t" if design.has_therapists else ""
    course = f"E(i) &= \\mu{slope} + m_c{above}, \\qquad r_i = y_i - E(i)"
    two = len(pairs(design.options)) == 2
    if not design.options.distinguishable:
        lines = ["S = (A + B)/\\sqrt 2, \\quad D &= (A - B)/\\sqrt 2, \\qquad E_D(i) = m_{D,c}"]
        if two:
            lines += ["r_{S,y} &= \\beta_S\\,r_{S,x} + e_S, \\qquad r_{D,y} = \\beta_D\\,r_{D,x} + e_D"]
        elif design.dynamic:
            lines += ["r_{S,i} &= \\beta_S\\,r_{S,i-1} + e_{S,i}, \\qquad r_{D,i} = \\beta_D\\,r_{D,i-1} + e_{D,i}"]
        if two or design.dynamic:
            lines += ["\\text{actor} &= (\\beta_S + \\beta_D)/2, \\qquad \\text{partner} = (\\beta_S - \\beta_D)/2"]
        return " \\\\\n".join([course, *lines])
    if two:
        return " \\\\\n".join(
            [
                course,
                "r_{C,y} &= a_C\\,r_{C,x} + p_{T \\to C}\\,r_{T,x} + e_C",
                "r_{T,y} &= a_T\\,r_{T,x} + p_{C \\to T}\\,r_{C,x} + e_T",
                "\\operatorname{cor}(e_C, e_T) &= \\rho",
            ]
        )
    before = ("a_T\\,r_{T,i-1} + p_{C \\to T}\\,r_{C,i-1} + ", " + \\phi_C\\,r_{C,i-1} + \\phi_T\\,r_{T,i-1}")
    own, past = before if design.dynamic else ("", "")
    return " \\\\\n".join([course, f"r_{{T,i}} &= {own}e_{{T,i}}", f"r_{{C,i}} &= b\\,r_{{T,i}}{past} + e_{{C,i}}"])


def lacks(study: Study, options: ModelSection) -> tuple[str, ...]:
    """Say what the study lacks for this model."""
    if options.outcome is None and not rated_pairs(study):
        what = "the same thing rated by client and therapist in every session"
        how = 'two variables of role safety, or alliance, with rater = "client" and rater = "therapist"'
        return (f"{what} ({how})",)
    return ()


def default_options(study: Study) -> Mapping[str, ModelSection]:
    """Propose both raters' safety (else alliance), with effects on the next session that may change over therapy."""
    found = rated_pairs(study)
    if not found:
        return {}
    client, therapist = found[0]
    known = [v for v in study.variables.values() if v.level == "client" and not v.categories]
    attachment = tuple(v.name for v in known if v.role in ("attachment_anxiety", "attachment_avoidance"))
    several = bool(study.sessions["client"].duplicated().any())
    if not several:
        return {"dyad": ModelSection(kind="dyad", outcome=client, predictors=(therapist,))}
    return {
        "dyad": ModelSection(
            kind="dyad",
            outcome=client,
            predictors=(therapist,),
            lag=1,
            time="linear",
            moderators=("time", *attachment),
        )
    }


MODEL = Model(
    kind="dyad",
    title="Client and therapist together",
    question="When one of the two rates a session higher than usual, does the other, in that session and in the next?",
    words=(
        "An actor–partner model: the ratings of client and therapist are taken apart into what is usual and what is "
        "special to the session, and what is special may go over from one person to the other and to the next session."
    ),
    equation=equation,
    references=("kenny2006", "kenny2010", "west2011", "ledermann2012", "hamaker2015"),
    lacks=lacks,
    default_options=default_options,
    design=build_dyad,
    parameters=parameters,
    pymc=paths_pymc,
    system=system,
    estimands=dyad_estimands,
    predict=predict,
    log_likelihood=log_likelihood,
    posterior=posterior,
    variants=variants,
)
