r"""The whole chain: from attachment by way of safety and alliance to the outcome of sessions and of the therapy.

Question
    Through what does one thing lead to another: in a session, between clients, between therapists?

Equation
    Paths of a session multiply deviations from a client's own latent course; latent means of clients and of
    therapists follow recursive path models of their own; final outcomes rest on latent means and rates of
    change (:mod:`safezone.models.path_design` has every symbol):

    .. math::

        r_i - E_{ct}(i) &= A\,(r_i - E_{ct}(i)) + \Phi\,(r_{i-1} - E_{ct}(i-1)) + e_i \\
        m_c &= B\,m_c + \Gamma a_c + d_c, \qquad m_t = B^T m_t + \Gamma^T a_t + d_t \\
        o_c &= \alpha + b'(m_c + m_t) + \Gamma_o' a_c + w_t + e_c

    An indirect effect is the product of the paths along a route; where two paths differ between clients their
    covariance adds to the average indirect effect (Kenny, Korchmaros & Bolger 2003).

Parameters, in the language of therapy
    ``path.session.safety->alliance``: the alliance of a session that is one point safer than usual for this
    client. ``path.client.anxiety->safety``: usual safety of clients who differ by one point in attachment
    anxiety. ``indirect.client.anxiety->safety->final``: what of the final outcome goes with attachment anxiety by
    way of usual safety. ``total.…``, ``proportion.…``: all routes together, and the share of the indirect ones.

Assumptions
    The arrows are the analyst's: what no arrow joins is independent given the rest, except latent means
    without incoming arrows, which correlate freely. Linear, Gaussian (a final outcome may be binary or ordinal, in
    PyMC). A path that differs between clients is that of a client's own regression line, whose height is normal:
    the usual level of its target then means the level under the average path. Associations: an arrow is a
    hypothesis about order, not an effect of treatment.

Sources
    Preacher, Zyphur & Zhang (2010); Kenny, Korchmaros & Bolger (2003); Bauer, Preacher & Gil (2006);
    Lüdtke et al. (2008); Asparouhov & Muthén (2019).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from ..data.config import ModelSection
from .arrows import names_in, read_arrows
from .model import Model
from .needs import first_variable
from .path_build import build_paths, with_defaults
from .path_effects import path_estimands
from .path_form import system
from .path_parameters import parameters
from .path_posterior import posterior
from .path_predict import log_likelihood, predict
from .path_twin import paths_pymc

if TYPE_CHECKING:
    from ..data.study import Study
    from .arrows import Arrow
    from .path_design import PathDesign

SERIES = (
    ("safety", "therapist"),
    ("safety", "client"),
    ("alliance", "client"),
    ("exploration", "client"),
    ("post_session", "client"),
)
"""Roles of the session in the order of the theory, with who rates them."""


def design(study: Study, name: str, options: ModelSection) -> PathDesign:
    """Return every variable of the graph, with paths at three levels."""
    options = with_defaults(study, name, "chain", options)
    return build_paths(study, "chain", name, options, read_arrows(study, name, options))


def equation(design: PathDesign) -> str:
    """Return the model in LaTeX, with the terms that this design has."""
    terms: dict[str, list[str | tuple[str, object]]] = {
        "E": ["\\mu_v", ("T_i's_v", design.terms), "m_{v,c}", ("m_{v,t}", design.has_therapists),
              ("b_{v,c}\\,(t_i - \\bar t)", design.trends)],
        "r": ["E_v(i)", ("\\sum_w A_{vw}(r_{wi} - E_w(i))", any(not a.lag for a in design.session)),
              ("\\sum_w \\Phi_{vw}(r_{w,i-1} - E_w(i-1))", design.dynamic),
              ("\\sum_w u_{vw,c}\\,r_{wi}", any(a.random for a in design.session)), "e_{vi}"],
        "c": [("\\sum_w B_{vw} m_{w,c}", _between(design.client_arrows, design)),
              ("\\Gamma_v'a_c", _known(design.client_arrows, design)), "d_{v,c}"],
        "t": [("\\sum_w B^T_{vw} m_{w,t}", _between(design.therapist_arrows, design)),
              ("\\Gamma^{T\\prime}_v a_t", _known(design.therapist_arrows, design)), "d_{v,t}"],
    }  # fmt: skip
    right = {key: " + ".join(_kept(parts)) for key, parts in terms.items()}
    lines = [f"E_v(i) &= {right['E']}", f"r_{{vi}} &= {right['r']}", f"m_{{v,c}} &= {right['c']}"]
    if design.has_therapists:
        lines.append(f"m_{{v,t}} &= {right['t']}")
    if design.outcomes:
        lines.append(_end(design))
    return " \\\\\n".join(lines)


def _kept(parts: Sequence[str | tuple[str, object]]) -> Iterator[str]:
    """Yield the terms that stand by themselves or whose condition holds."""
    for part in parts:
        if isinstance(part, str):
            yield part
        elif part[1]:
            yield part[0]


def _between(arrows: tuple[Arrow, ...], design: PathDesign) -> bool:
    return any(a.source in design.names and a.target in design.names for a in arrows)


def _known(arrows: tuple[Arrow, ...], design: PathDesign) -> bool:
    return any(design.covariate(a.source) is not None and a.target in design.names for a in arrows)


def _end(design: PathDesign) -> str:
    """Return the line of the outcomes."""
    arrows = [a for a in design.client_arrows if a.target in design.outcome_names]
    means = "(m_{v,c} + m_{v,t})" if design.has_therapists else "m_{v,c}"
    gaussian = design.family == "gaussian"
    left = "o_c" if gaussian else f"\\operatorname{{{design.law.link}}}\\,o_c"
    parts: list[str | tuple[str, object]] = [
        "\\alpha_o",
        (f"\\sum_v b_{{ov}}{means}", any(a.source in design.names and not a.trend for a in arrows)),
        ("\\sum_v b'_{ov} b_{v,c}", any(a.trend for a in arrows)),
        ("\\Gamma_o'a_c", any(design.covariate(a.source) is not None for a in arrows)),
        ("w_{o,t}", design.has_therapists),
        ("e_{o,c}", gaussian),
    ]
    return f"{left} &= {' + '.join(_kept(parts))}"


def lacks(study: Study, options: ModelSection) -> tuple[str, ...]:
    """Say what the study lacks for this model."""
    if names_in(options):
        return ()
    found = [role for role, rater in SERIES if first_variable(study, role, rater) is not None]
    if len(found) < 2:
        return ("two or more of safety, alliance, exploration and post_session, rated session by session",)
    return ()


def default_options(study: Study) -> Mapping[str, ModelSection]:
    """Propose the chain of the theory from what the study has."""
    series = [v for role, rater in SERIES if (v := first_variable(study, role, rater)) is not None]
    if len(series) < 2:
        return {}
    own = [v for v in series if study.variables[v].rater != "therapist"]
    known = {level: _attachment(study, level) for level in ("client", "therapist")}
    client = [f"{', '.join(known['client'])} -> {own[0]}"] if known["client"] and own else []
    client += [f"{a} -> {b}" for a, b in pairwise(own)]
    therapist = (
        [f"{', '.join(known['therapist'])} -> {series[0]}"] if known["therapist"] and study.has_therapists else []
    )
    final = next((v.name for v in study.variables.values() if v.role == "final_outcome" and v.level == "client"), None)
    if final is not None and own:
        about = [v.name for v in study.variables.values() if v.level == "client" and v.role in ("baseline", "arm")]
        ends = tuple(dict.fromkeys((own[0], own[-1])))
        client += [f"{', '.join((*about, *ends))} -> {final}"]
        # What the final outcome is adjusted for must not be taken for independent of what it rests on.
        client += [f"{', '.join(about)} -> {', '.join(ends)}"] if about else []
    return {
        "chain": ModelSection(
            kind="chain",
            session=tuple(f"{a} -> {b}" for a, b in pairwise(series)),
            client=tuple(client),
            therapist=tuple(therapist),
            final=final,
        )
    }


def _attachment(study: Study, level: str) -> tuple[str, ...]:
    roles = ("attachment_anxiety", "attachment_avoidance")
    return tuple(v.name for v in study.variables.values() if v.level == level and v.role in roles)


MODEL = Model(
    kind="chain",
    title="From attachment to outcome",
    question="Through what do attachment, safety and alliance go with the outcome, in sessions and between people?",
    words=(
        "A multilevel path model: in each session ratings depend on one another as deviations from what is usual for "
        "the client; what is usual for clients and for therapists follows paths of its own, up to the final outcome."
    ),
    equation=equation,
    references=("preacher2010", "kenny2003", "bauer2006", "ludtke2008", "asparouhov2019"),
    lacks=lacks,
    default_options=default_options,
    design=design,
    parameters=parameters,
    pymc=paths_pymc,
    system=system,
    estimands=path_estimands,
    predict=predict,
    log_likelihood=log_likelihood,
    posterior=posterior,
)
