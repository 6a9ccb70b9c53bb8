"""Parameters from the priors and data from the equations of path models, and nothing else.

Plain NumPy, one session after the other, straight from the docstring of :mod:`safezone.models.path_design`. It uses of
the package only what a design declares (arrows, covariates, priors): neither the kernel nor PyMC nor
:mod:`safezone.models.path_predict`, so that an error in any of them shows as miscalibration.

    E_v(i) = μ_v + T_i' s_v + m_vc + m_vt + b_vc t_i
    r_vi   = E_v(i) + Σ_w A_vw (r_wi − E_w(i)) + Σ_w Φ_vw (r_w,i−1 − E_w(i−1)) + Σ_w u_vw,c r_w + e_vi
    m_v    = Σ_w B_vw m_w + Γ_v'a + d_v           (clients and therapists alike)
    o_c    = α_o + Σ_v b_ov (m_vc + m_vt) + Σ_v b'_ov b_vc + Σ_v c_ov m_vt + Γ_o'a + Σ_p B_op o_pc + w_ot + e_oc

and for sessions that start a series of a response with lagged paths
    r_vi = μ_v + μ⁰_v + T_i' s_v + b_vc t_i + Σ_w λ_vw (m_wc + m_wt) + Σ_w A⁰_vw (r_wi − E_w(i)) + e⁰_vi.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safezone.models.path_design import PathDesign
from safezone.models.path_parameters import dims_of, element_priors, elements

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Drawn:
    """One draw from the joint distribution.

    Parameters
    ----------
    design
        The template with simulated ratings and outcomes; missing where the template is.
    truth
        Posterior variables by name, without chain and draw: parameters, effects, missing ratings.
    """

    design: PathDesign
    truth: Mapping[str, Floats]


def draw(template: PathDesign, rng: np.random.Generator) -> Drawn:
    """Draw parameters, effects, ratings and outcomes for the people and rows of a template."""
    truth = draw_parameters(template, rng)
    people = draw_people(template, truth, rng)
    ratings = draw_ratings(template, truth, people, rng)
    finals = draw_finals(template, truth, people, rng)
    lost = np.isnan(template.values)
    for v, name in enumerate(template.names):
        if lost[:, v].any():
            truth[f"missing_{name}"] = ratings[lost[:, v], v]
    design = replace(
        template,
        values=np.where(lost, np.nan, ratings),
        final=np.where(np.isnan(template.final), np.nan, finals),
    )
    return Drawn(design, truth)


def draw_parameters(template: PathDesign, rng: np.random.Generator) -> dict[str, Floats]:
    """Draw every parameter from its prior."""
    priors = element_priors(template)
    truth: dict[str, Floats] = {}
    for variable, dims in dims_of(template).items():
        shape = tuple(len(template.coords[dim]) for dim in dims)
        if variable in ("cor_client", "cor_therapist"):
            truth[variable] = priors[variable].sample(rng, 1, shape[0])[0]
        elif variable == "cor_course":
            matrices = {name: priors[f"cor_course[{name}]"].sample(rng, 1, 2)[0] for name in template.courses}
            truth |= {f"cor_course[{name}]": matrix for name, matrix in matrices.items()}
            truth["course_correlation"] = np.array([matrix[1, 0] for matrix in matrices.values()])
        else:
            each = [priors[name].sample(rng, 1)[0] for name in elements(template, variable, dims)]
            truth[variable] = np.array(each).reshape(shape)
    return truth


@dataclass(frozen=True)
class Latent:
    """What is usual for people: latent means, trends, own paths and outcomes' therapist parts by name; covariates."""

    client: Mapping[str, Floats]
    therapist: Mapping[str, Floats]
    covariates: Mapping[str, Floats]


def draw_people(template: PathDesign, truth: dict[str, Floats], rng: np.random.Generator) -> Latent:
    """Draw d of both levels (kept in ``truth``) and follow the paths among people; arrays have one value per unit."""
    covariates: dict[str, Floats] = {}
    levels: dict[str, dict[str, Floats]] = {"client": {}, "therapist": {}}
    for level in ("client", "therapist"):
        drawn = []
        for one in (c for c in template.covariates if c.level == level):
            values = one.values.copy()
            unknown = np.isnan(values)
            values[unknown] = rng.normal(size=unknown.sum())
            drawn.append(values[unknown])
            covariates[one.name] = values
        if drawn and len(np.concatenate(drawn)):
            truth[f"missing_{level}"] = np.concatenate(drawn)
    for level in ("client", *(["therapist"] if template.has_therapists else [])):
        names = list(template.client_effects if level == "client" else template.therapist_effects)
        free = list(template.client_free if level == "client" else template.therapist_free)
        cor = np.eye(len(names))
        if f"cor_{level}" in truth:
            places = [names.index(each) for each in free]
            cor[np.ix_(places, places)] = truth[f"cor_{level}"]
        for name in template.courses if level == "client" else ():
            i, j = names.index(name), names.index(f"{name}:time")
            cor[i, j] = cor[j, i] = truth[f"cor_course[{name}]"][1, 0]
        sd = truth[f"sd_{level}"]
        units = template.clients if level == "client" else template.therapists
        d = rng.multivariate_normal(np.zeros(len(names)), sd[:, None] * cor * sd, size=units, method="svd")
        truth[f"{level}_effects"] = d
        found = levels[level]
        found |= {name: d[:, e].copy() for e, name in enumerate(names)}
        arrows = template.client_arrows if level == "client" else template.therapist_arrows
        done: set[str] = set()
        inner = [a for a in arrows if a.target in template.names]
        while len(done) < len(names):  # a variable follows once all its causes are known
            for name in names:
                causes = [(p, a) for p, a in enumerate(arrows) if a in inner and a.target == name]
                sources = {a.source for _, a in causes if not a.trend and a.source in names}
                if name in done or not sources <= done:
                    continue
                for p, arrow in causes:
                    value = covariates.get(arrow.source)
                    if value is None:
                        value = found[f"{arrow.source}:time" if arrow.trend else arrow.source]
                    found[name] = found[name] + truth[f"path_{level}"][p] * value
                done.add(name)
    return Latent(levels["client"], levels["therapist"], covariates)


def both(template: PathDesign, people: Latent, name: str) -> Floats:
    """Return m_c + m_t, (clients,)."""
    own = people.client[name]
    return own + people.therapist[name][template.therapist_of] if template.has_therapists else own


def draw_ratings(template: PathDesign, truth: Mapping[str, Floats], people: Latent, rng: np.random.Generator) -> Floats:
    """Draw ratings session by session, shape (rows, responses)."""
    names, count = template.names, len(template.client)
    values, expected = np.full((count, len(names)), np.nan), np.empty((count, len(names)))
    course = np.zeros((count, len(names)))
    for v, name in enumerate(names):
        if template.terms:
            course[:, v] = template.T @ truth["slope"][v]
        if name in template.trends:
            course[:, v] += people.client[f"{name}:time"][template.client] * template.t
        expected[:, v] = truth["intercept"][v] + course[:, v] + both(template, people, name)[template.client]
    for row in range(count):
        client, previous = template.client[row], template.previous[row]
        for v, name in enumerate(names):
            away = values[row] - expected[row]
            sd = truth["sd_residual"][v]
            if previous < 0 and name in template.initial:
                mean = truth["intercept"][v] + truth["initial_shift"][template.initial.index(name)] + course[row, v]
                for j, (target, other) in enumerate(template.initial_means):
                    if target == name:
                        mean += truth["initial_loading"][j] * both(template, people, other)[client]
                for j, (target, other) in enumerate(template.initial_paths):
                    if target == name:
                        mean += truth["initial_path"][j] * away[names.index(other)]
                sd = truth["initial_sd"][template.initial.index(name)]
            else:
                mean = expected[row, v]
                for p, arrow in enumerate(template.session):
                    if arrow.target != name:
                        continue
                    w, at = names.index(arrow.source), previous if arrow.lag else row
                    mean += truth["path_session"][p] * (values[at, w] - expected[at, w])
                    if arrow.random:
                        mean += people.client[arrow.text][client] * values[at, w]
            values[row, v] = mean + sd * rng.normal()
    return values


def draw_finals(template: PathDesign, truth: Mapping[str, Floats], people: Latent, rng: np.random.Generator) -> Floats:
    """Draw outcomes, shape (clients, outcomes); numbers only."""
    finals: dict[str, Any] = {}
    seat = template.therapist_of
    for o, name in enumerate(template.outcome_names):
        mean = np.full(template.clients, truth["intercept"][len(template.names) + o])
        for p, arrow in enumerate(template.client_arrows):
            if arrow.target == name:
                cause = finals.get(arrow.source, people.covariates.get(arrow.source))
                if cause is None and arrow.trend:
                    cause = people.client[f"{arrow.source}:time"]
                mean = mean + truth["path_client"][p] * (
                    both(template, people, arrow.source) if cause is None else cause
                )
        for p, arrow in enumerate(template.therapist_arrows):
            if arrow.target == name:
                theirs = people.therapist.get(arrow.source, people.covariates.get(arrow.source))
                assert theirs is not None
                mean = mean + truth["path_therapist"][p] * theirs[seat]
        if template.has_therapists:
            mean = mean + people.therapist[name][seat]
        finals[name] = mean + truth["sd_residual"][len(template.names) + o] * rng.normal(size=template.clients)
    return np.column_stack(list(finals.values())) if finals else np.zeros((template.clients, 0))
