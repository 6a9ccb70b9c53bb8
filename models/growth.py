r"""Growth: the course of an outcome over therapy, and who differs in it.

Question
    How does the outcome (symptoms, safety, alliance) change over therapy, how much do clients and
    therapists differ in where they start and how fast they change, and do groups change differently?

Equation
    Session *i* of client *c* with therapist *t*; ``f(time)`` are the columns of the course (linear,
    quadratic, log, piecewise, spline):

    .. math::

        y_{ict} &= \alpha + f(\text{time}_i)' a + z_{ct}'\gamma + (z_{ct} \times f(\text{time}_i))'\delta
                   + u_{0c} + u_{1c}\,\text{time}_i + w_{0t} + w_{1t}\,\text{time}_i + e_{ict} \\
        (u_{0c}, u_{1c}) &\sim N(0, \Psi_c), \quad (w_{0t}, w_{1t}) \sim N(0, \Psi_t), \quad
        e_{ict} \sim N(0, \sigma^2)

Parameters, in the language of therapy
    ``intercept``: where therapy starts. ``time``: how fast the average client changes.
    ``arm[active]:time``: how much faster in the active arm. ``sd.client.time``: how differently
    clients change. ``cor.client.intercept_time``: whether those who start high change more.

Assumptions
    Ratings missing at random given time, groups and the client's other ratings. Effects are normal.
    Session-level covariates enter as they are, uncentred: their coefficient mixes what varies within
    and between clients (use within_between to take them apart). With a quadratic or spline course
    clients differ in the linear trend only.

Sources
    Singer & Willett (2003), chapters 3–6; Raudenbush & Bryk (2002), chapter 6; Johns et al. (2019).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..data.config import ModelSection
from .build import build
from .families import laws
from .marginal_form import system
from .model import Estimand, Model
from .multilevel import multilevel, posterior
from .needs import first_outcome, lacks_outcome
from .parameters import parameters
from .predict import log_likelihood, predict
from .quantities import (
    both_scales,
    covariate_effects,
    family_estimands,
    intercept_and_time,
    outcome_sd,
    outcome_unit,
    shares,
    standard_deviations,
)
from .reliability import slope_reliability

if TYPE_CHECKING:
    import xarray as xr

    from ..data.study import Study
    from .design import Design


def design(study: Study, name: str, options: ModelSection) -> Design:
    """Return time columns, groups and their products, and client- and therapist-specific slopes."""
    return build(study, "growth", name, options)


def equation(design: Design) -> str:
    """Return the model in LaTeX, with the terms that this design has."""
    terms = ["\\alpha"]
    if any(c.part == "time" for c in design.fixed):
        terms.append("f(\\mathrm{time}_i)'a")
    if any(c.part == "main" for c in design.fixed):
        terms.append("z_{ct}'\\gamma")
    if any(c.part == "interaction" for c in design.fixed):
        terms.append("(z_{ct} \\times f(\\mathrm{time}_i))'\\delta")
    slopes = len(design.client_effects) > 1
    terms.append("u_{0c} + u_{1c}\\,\\mathrm{time}_i" if slopes else "u_{0c}")
    if design.has_therapists:
        terms.append("w_{0t} + w_{1t}\\,\\mathrm{time}_i" if slopes else "w_{0t}")
    lines = [
        f"y_{{ict}} &\\sim {laws()[design.family].latex}",
        "\\mu_i &= " + " + ".join(terms),
        "u_c &\\sim \\mathrm{Normal}(0, \\Psi_c)",
    ]
    if design.has_therapists:
        lines.append("w_t &\\sim \\mathrm{Normal}(0, \\Psi_t)")
    return " \\\\\n".join(lines)


def estimands(design: Design) -> tuple[Estimand, ...]:
    """Return the course, its differences between groups, clients and therapists, and the shares."""
    return (
        *intercept_and_time(design),
        *covariate_effects(design),
        *standard_deviations(design),
        *family_estimands(design),
        *shares(design),
        *slope_reliability(design),
        *worsening(design),
    )


def worsening(design: Design) -> tuple[Estimand, ...]:
    """Return how much worse than at the start the reference group gets at its worst (C3b).

    The largest distance of the model-implied mean on the worse side of its start, over the observed
    times; 0 where it never gets worse. Only for courses that can turn.
    """
    if design.course.columns.shape[1] < 2:
        return ()
    index = [j for j, c in enumerate(design.fixed) if c.part == "time"]
    change = design.course.columns - design.course.columns[0]
    sign = 1.0 if design.outcome.better == "lower" else -1.0

    def draws(posterior: xr.Dataset, size: float) -> xr.DataArray:
        a = posterior["fixed"].isel(term=index)
        path = np.einsum("cdj,gj->cdg", a.to_numpy(), change)
        return a.isel(term=0, drop=True).copy(data=size * np.maximum(sign * path, 0.0).max(axis=2))

    return both_scales(
        "worsening",
        "population",
        (outcome_unit(design), "SD"),
        f"How far {design.outcome.label} gets worse than at the start before it gets better.",
        lambda p: draws(p, outcome_sd(design)),
        lambda p: draws(p, 1.0),
    )


def lacks(study: Study, options: ModelSection) -> tuple[str, ...]:
    """Say what the study lacks for this model."""
    return lacks_outcome(study, options)


def default_options(study: Study) -> Mapping[str, ModelSection]:
    """Propose the course of symptoms (else of the outcome, else of safety), by arm, and that of safety."""
    outcome = first_outcome(study, ("symptoms", "post_session", "safety", "alliance", "exploration", "process"))
    if outcome is None:
        return {}
    arms = tuple(v.name for v in study.by_role("arm") if v.level == "client" and v.name != outcome)
    found = {"growth": ModelSection(kind="growth", outcome=outcome, by=arms)}
    safety = first_outcome(study, ("safety",))
    if safety is not None and safety != outcome:
        found[f"growth_{safety}"] = ModelSection(kind="growth", outcome=safety, by=arms)
    return found


MODEL = Model(
    kind="growth",
    title="Course over therapy",
    question="How do clients develop over therapy, and do groups, therapists and clients differ in it?",
    words=(
        "A multilevel growth curve: sessions within clients within therapists, with starting points and rates of "
        "change that differ between clients and between therapists, and with groups compared in both."
    ),
    equation=equation,
    references=("singer2003", "raudenbush2002", "johns2019"),
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
