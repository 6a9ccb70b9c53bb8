r"""Within and between: sessions safer than usual for a client, and clients safer than others.

Question
    Does a client do better in (or after) sessions in which safety is higher *than usual for this
    client*; do clients, and therapists, with higher usual safety do better; and do clients differ in it?

Equation
    Predictors :math:`x_k` and outcome *y* of session *i*, client *c*, therapist *t*. What is subtracted
    is the client's latent mean, a parameter (latent centring):

    .. math::

        x_{kict} &= g_{k0} + F_i'g_k + m_{k,c} + m_{k,t} + e_{kict} \\
        y_{ict} &= \alpha + F_i'a + \textstyle\sum_k \beta_{W,k}\, x_{kict} + \eta_c + \eta_t + e_{ict},
          \qquad \eta = m_y - \textstyle\sum_k \beta_{W,k} m_k \\
        m_{y,c} &= \textstyle\sum_k \beta_{B,k}\, m_{k,c} + d_c, \qquad
        m_{y,t} = \sum_k \beta_{T,k}\, m_{k,t} + d_t

    So :math:`\beta_W` multiplies the deviation from the client's own mean, :math:`\beta_B` and
    :math:`\beta_T` the latent means of clients and therapists. With ``lag = 1`` the deviation is that of
    the previous session and the outcome's own previous deviation enters with :math:`\phi`; a session
    that starts a series has its own intercept, residual SD and loadings on the latent means, or φ and
    β_W would be biased in short series. A series starts with a client's first session, after a gap, and
    after a session in which a predictor or the (continuous) outcome was not rated, which drops what that
    session's other ratings say about the next. Predictors and outcome may feed back on each other in
    lagged models (nuisance paths).

    Options add person-specific slopes :math:`u_c (x - m)`, cross-level moderation
    :math:`\delta z (x - m)` and partially pooled groups.

    ``interactions`` add :math:`\delta_{kl}\, p_{kl,ict}` to the outcome's equation, and to no other:

    .. math::

        p_{kl,ict} = \tilde x_k \tilde x_l - \overline{\tilde x_k \tilde x_l}_{\cdot ct}, \qquad
        \tilde x_{kict} = x_{kict} - \bar x_{k\cdot ct} - (t_{ict} - \bar t_{\cdot ct})'\hat b_k

    the product of two deviations from the client's *observed* means (over its sessions in the model) and from the
    common course over the model's columns of time *t*. Main effects stay latent-centred; a product of two latent
    deviations would have no closed integral. The product of observed ones is centred within clients, so that it
    carries no difference between them, and its slope is that of the latent product: with *n* independent normal
    sessions :math:`E[(x_k - m_k)(x_l - m_l)\, p] = E[p^2]`, whatever *n* and the correlation of the two (see
    :mod:`safezone.models.interactions`). A session in which one of the two was not rated cannot carry the product and
    is left out and counted. Strong skew of two correlated ratings leaves an error of order 1/n.

Parameters, in the language of therapy
    ``safety.within``: a session one point safer than usual for this client. ``safety.between_client``:
    two clients of one therapist whose usual safety differs by one point. ``safety.between_therapist``:
    two therapists whose clients' usual safety differs by one point. ``safety.contextual``: between minus
    within: what being a safer client adds to having a safer session. ``own_lag``: inertia.
    ``risk.within:safety.within``: how much more a riskier session goes with the outcome when it is also one point
    safer than usual for this client.

Assumptions
    Normal latent means; clients' and therapists' slopes of time are independent of their latent means.
    Within effects are constant over time unless moderated. Binary predictors are treated as numbers.
    Associations, not effects of treatment: sessions are not randomised to safety.

Sources
    Asparouhov & Muthén (2019); Lüdtke et al. (2008); Hamaker & Muthén (2020); Nickell (1981);
    Falkenström et al. (2017).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..data.config import ModelSection
from .build import build
from .effects import within_between_estimands
from .families import laws
from .marginal_form import system
from .model import Estimand, Model
from .multilevel import multilevel, posterior
from .needs import first_outcome, lacks_outcome
from .parameters import parameters
from .predict import log_likelihood, predict

if TYPE_CHECKING:
    from ..data.study import Study
    from .design import Design


def design(study: Study, name: str, options: ModelSection) -> Design:
    """Return predictors and outcome with latent (or observed) means, lags, slopes and moderators."""
    return build(study, "within_between", name, options)


def equation(design: Design) -> str:
    """Return the model in LaTeX, with the terms that this design has."""
    lag = design.options.lag == 1
    x = "x_{k,i-1}" if lag else "x_{ki}"
    deviation = f"({x} - m_{{k,ct}})"
    terms = ["\\alpha"] + (["F_i'a"] if design.fixed else [])
    terms.append(f"\\sum_k \\beta_{{W,k}} {deviation}")
    if design.own_lag:
        terms.append("\\phi\\,(y_{i-1} - m_{y,ct})")
    if any(effect.predictor >= 0 for effect in design.client_effects):
        terms.append(f"\\sum_k u_{{k,c}} {deviation}")
    if design.interactions:
        terms.append(f"\\sum_k \\delta_k z {deviation}")
    if design.products is not None:
        terms.append("\\sum_{kl} \\delta_{kl} p_{kl,i}")
    if design.groups is not None:
        terms.append(f"\\gamma_{{0g}} + \\sum_k \\gamma_{{kg}} {deviation}")
    therapists = design.has_therapists
    terms.append("m_{y,c} + m_{y,t}" if therapists else "m_{y,c}")
    lines = [f"y_i &\\sim {laws()[design.family].latex}", "\\mu_i &= " + " + ".join(terms)]
    lines.append("m_{y,c} &= \\sum_k \\beta_{B,k} m_{k,c} + d_c")
    if therapists:
        lines.append("m_{y,t} &= \\sum_k \\beta_{T,k} m_{k,t} + d_t")
    if design.latent:
        own = "g_{k0} + F_i'g_k + " if design.fixed else "g_{k0} + "
        level = "m_{k,c} + m_{k,t}" if therapists else "m_{k,c}"
        lines.append(f"x_{{ki}} &= {own}{level} + e_{{ki}}")
    if design.products is not None:
        lines.append("p_{kl,i} &= \\tilde x_{ki} \\tilde x_{li} - \\overline{\\tilde x_{k} \\tilde x_{l}}_{c}")
    return " \\\\\n".join(lines)


def estimands(design: Design) -> tuple[Estimand, ...]:
    """Return within, between, contextual, conditional effects and what differs between people."""
    return within_between_estimands(design)


def lacks(study: Study, options: ModelSection) -> tuple[str, ...]:
    """Say what the study lacks for this model."""
    found = list(lacks_outcome(study, options))
    numbers = [v for v in study.variables.values() if v.level == "session" and not v.categories]
    if not options.predictors and len(numbers) < 2:
        found.append("a predictor rated session by session beside the outcome (role safety, alliance, exploration, …)")
    return tuple(found)


def default_options(study: Study) -> Mapping[str, ModelSection]:
    """Propose the outcome of the session on safety and alliance (whichever the study has)."""
    outcome = first_outcome(study, ("post_session", "symptoms", "exploration", "alliance"))
    candidates = [first_outcome(study, (role,)) for role in ("safety", "alliance", "exploration", "support", "process")]
    predictors = [p for p in dict.fromkeys(candidates) if p is not None and p != outcome]
    if outcome is None or not predictors:
        return {}
    chosen = (
        tuple(predictors[:2]) if "safety" in {study.variables[p].role for p in predictors[:2]} else (predictors[0],)
    )
    return {
        "within_between": ModelSection(kind="within_between", outcome=outcome, predictors=chosen, time="linear"),
    }


MODEL = Model(
    kind="within_between",
    title="Within and between clients",
    question="Do clients do better in sessions that are safer than usual for them, and do safer clients do better?",
    words=(
        "A multilevel regression with latent centring: each rating is taken apart into what is usual for the client, "
        "what is usual for the therapist, and what is special to the session; each part has its own slope."
    ),
    equation=equation,
    references=("asparouhov2019", "ludtke2008", "hamaker2020", "nickell1981", "falkenstrom2017"),
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
