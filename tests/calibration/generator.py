"""Parameters from the priors and data from the likelihood, written from the equations and nothing else.

Plain NumPy, one session after the other, straight from the docstring of :mod:`safezone.models.design`. It uses of
the package only what a design declares (columns, effects, paths, priors): neither the kernel, nor PyMC, nor
:mod:`safezone.models.draws`, so that an error in any of them shows as miscalibration.

    r_vi = g_v0 + F_i' g_v + Σ_w A_vw r_wi + Σ_w Φ_vw r_w,i−1 + η_v + e_vi,    η = (I − A − Φ) m
    m_y = Σ_k B_k m_k + d        (clients and therapists alike; d has the slopes of time beside the intercept)

and for sessions that start a series   r_vi = g⁰_v0 + F_i' g⁰_v + Σ_w A⁰_vw r_wi + Σ_w λ_vw m_w + e⁰_vi.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from safezone.models.design import Design
from safezone.models.parameters import prior_of, slots

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Drawn:
    """One draw from the joint distribution.

    Parameters
    ----------
    design
        The template with simulated responses; missing where the template is.
    truth
        Posterior variables by name, without chain and draw: parameters, effects, missing ratings.
    """

    design: Design
    truth: Mapping[str, Floats]


def draw(template: Design, rng: np.random.Generator) -> Drawn:
    """Draw parameters, effects and responses for the rows of a template."""
    truth = draw_parameters(template, rng)
    truth |= draw_effects(template, truth, rng)
    responses = draw_responses(template, truth, rng)
    lost = np.isnan(template.x if template.latent else np.zeros((len(template.y), 0)))
    for k, predictor in enumerate(template.predictors if template.latent else ()):
        if lost[:, k].any():
            truth[f"missing_{predictor.name}"] = responses[lost[:, k], k]
    y = np.where(np.isnan(template.y), np.nan, responses[:, -1])
    x = np.where(lost, np.nan, responses[:, :-1]) if template.latent else template.x
    return Drawn(replace(template, y=y, x=x), truth)


def draw_parameters(template: Design, rng: np.random.Generator) -> dict[str, Floats]:
    """Draw every parameter from its prior."""
    by_variable: dict[str, list[Floats]] = {}
    fixed, size = len(template.fixed), len(template.responses)
    rows = {"predictor_fixed": fixed, "initial_fixed": size * fixed, "initial_intercept": size, "initial_sd": size,
            "initial_path": len(template.initial_paths)}  # fmt: skip
    widths = {"cor_client": len(template.client_effects), "cor_therapist": len(template.therapist_effects)}
    for slot in slots(template):
        prior = prior_of(template, slot)
        if slot.variable == "initial_loading":
            own = template.priors["initial_loading_own"]
            loading = [[own if i == j else prior for j in range(size)] for i in range(size)]
            found = np.array([[each.sample(rng, 1)[0] for each in row] for row in loading])
        elif prior.kind == "lkj":
            found = prior.sample(rng, 1, widths.get(slot.variable, len(template.predictors)))[0]
        else:
            found = prior.sample(rng, rows.get(slot.variable, 1))
        by_variable.setdefault(slot.variable, []).append(found)
    shapes = {"predictor_fixed": (-1, fixed), "initial_fixed": (size, fixed)}
    truth: dict[str, Floats] = {}
    for name, parts in by_variable.items():
        value = parts[0] if name.startswith("cor_") or name == "initial_loading" else np.concatenate(parts)
        truth[name] = value.reshape(shapes[name]) if name in shapes else value
    return truth


def draw_effects(template: Design, truth: Mapping[str, Floats], rng: np.random.Generator) -> dict[str, Floats]:
    """Draw the effects of clients and therapists, each unit from its multivariate normal distribution."""
    found: dict[str, Floats] = {}

    def units(count: int, sd: Floats, cor: Floats | None) -> Floats:
        cor = np.eye(len(sd)) if cor is None else cor
        return rng.multivariate_normal(np.zeros(len(sd)), sd[:, None] * cor * sd, size=count, method="svd")

    levels = [("client", template.clients)] + [("therapist", template.therapists)] * template.has_therapists
    for level, count in levels:
        found[f"{level}_effects"] = units(count, truth[f"sd_{level}"], truth.get(f"cor_{level}"))
        if template.latent:
            name = f"predictor_{level}"
            found[name] = units(count, truth[f"sd_{name}"], truth.get(f"cor_{name}"))
    return found


def draw_responses(template: Design, truth: Mapping[str, Floats], rng: np.random.Generator) -> Floats:
    """Draw responses session by session, shape (rows, responses); a design without predictors has one response."""
    own = truth["client_effects"][template.client]
    course = np.sum(own[:, 1:] * template.client_z[:, 1:], axis=1)  # slopes of time
    if template.has_therapists:
        theirs = truth["therapist_effects"][template.therapist]
        course = course + np.sum(theirs[:, 1:] * template.therapist_z[:, 1:], axis=1)
    fixed = template.F @ truth["fixed"] if template.fixed else np.zeros(len(template.y))
    if not template.latent:
        intercepts = own[:, 0] + (theirs[:, 0] if template.has_therapists else 0.0)  # type: ignore[possibly-undefined]
        noise = truth["sd_residual"] * rng.normal(size=len(template.y))
        return (truth["intercept"] + fixed + intercepts + course + noise)[:, None]

    count, size = len(template.y), len(template.predictors) + 1
    last = size - 1
    now, before = paths(template, truth)
    means = latent_means(template, truth)
    rest = means @ (np.eye(size) - now - before).T
    values = np.full((count, size), np.nan)
    order = [last, *range(last)] if template.options.lag == 1 and template.dynamic else [*range(last), last]
    for row in range(count):
        previous = template.previous[row]
        start = template.dynamic and previous < 0
        for v in order:
            if start:
                mean = truth["initial_intercept"][v] + truth["initial_loading"][v] @ means[row]
                if template.fixed:
                    mean += template.F[row] @ truth["initial_fixed"][v]
                for j, path in enumerate(template.initial_paths):
                    if path.target == v:
                        mean += truth["initial_path"][j] * values[row, path.source]
                values[row, v] = mean + truth["initial_sd"][v] * rng.normal()
                continue
            mean = rest[row, v]
            for w in np.flatnonzero(now[v]):
                mean += now[v, w] * values[row, w]
            if template.dynamic:
                mean += before[v] @ values[previous]
            if v == last:
                mean += truth["intercept"][0] + fixed[row] + course[row]
                sd = truth["sd_residual"][0]
            else:
                mean += truth["predictor_intercept"][v]
                if template.fixed:
                    mean += template.F[row] @ truth["predictor_fixed"][v]
                sd = truth["sd_predictor_residual"][v]
            values[row, v] = mean + sd * rng.normal()
    return values


def paths(template: Design, truth: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    """Return A and Φ, shape (responses, responses) each."""
    size = len(template.predictors) + 1
    now, before = np.zeros((size, size)), np.zeros((size, size))
    (before if template.options.lag == 1 else now)[-1, :-1] = truth["within"]
    if template.own_lag:
        before[-1, -1] = truth["own_lag"][0]
    for j, path in enumerate(template.paths):
        (before if path.lag == 1 else now)[path.target, path.source] = truth["nuisance"][j]
    return now, before


def latent_means(template: Design, truth: Mapping[str, Floats]) -> Floats:
    """Return the latent means m of every row, clients' and therapists' together, shape (rows, responses)."""
    total = np.zeros((len(template.y), len(template.predictors) + 1))
    for level in ("client", "therapist"):
        if level == "client" or template.has_therapists:
            m = truth[f"predictor_{level}"]
            outcome = m @ truth[f"between_{level}"] + truth[f"{level}_effects"][:, 0]
            unit = template.client if level == "client" else template.therapist
            total += np.column_stack([m, outcome])[unit]
    return total
