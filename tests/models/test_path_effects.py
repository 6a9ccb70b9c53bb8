"""Estimands of path models: names, products, expectations of products, scales, SDs by level, probabilities."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import xarray as xr

from safezone.models.catalogue import model
from safezone.models.model import Estimand
from safezone.models.path_algebra import algebra, between_covariance, within_covariance
from safezone.models.path_design import PathDesign
from safezone.models.path_parameters import dims_of
from safezone.models.path_posterior import posterior
from safezone.models.path_predict import replicate

from . import path_studies
from .path_twins import compiled_of, start


def given(design: PathDesign, **values: Any) -> xr.Dataset:
    """Return a posterior of two draws that holds the same values; zero where nothing is said, SDs one."""
    coords: dict[str, Any] = {"chain": [0], "draw": [0, 1]}
    variables = {}
    for name, dims in dims_of(design).items():
        shape = tuple(len(design.coords[dim]) for dim in dims)
        if name in ("cor_client", "cor_therapist"):
            start_value = np.eye(shape[0])
        else:
            start_value = np.full(shape, float(name.startswith("sd_") or name == "initial_sd"))
        value = np.broadcast_to(np.asarray(values.get(name, start_value), dtype=float), shape)
        variables[name] = (("chain", "draw", *dims), np.broadcast_to(value, (1, 2, *shape)).copy())
        coords |= {dim: design.coords[dim] for dim in dims}
    return xr.Dataset(variables, coords)


def found(design: PathDesign, posterior: xr.Dataset, scale: str = "raw") -> dict[str, float]:
    """Return estimands by name."""
    every = [one for one in model(design.kind).estimands(design) if one.scale == scale]
    assert len({one.name for one in every}) == len(every)
    return {one.name: float(one.draws(posterior).to_numpy().ravel()[0]) for one in every}


@cache
def chain() -> PathDesign:
    return path_studies.design("final_therapists")


def sd(design: PathDesign, name: str) -> float:
    covariate = design.covariate(name)
    return covariate.factor.scale if covariate is not None else design.measure(name).sd


def test_every_path_indirect_and_total_effect_has_a_name() -> None:
    design = path_studies.design("therapists")
    names = {one.name for one in model("chain").estimands(design)}
    assert {
        "path.session.safety->alliance", "path.session.alliance->depth", "path.session.safety->depth",
        "path.client.anxiety->safety", "path.client.alliance->depth", "path.therapist.t_anxiety->safety",
        "indirect.session.safety->alliance->depth", "total.session.safety->depth", "proportion.session.safety->depth",
        "indirect.client.anxiety->safety->alliance->depth", "indirect.client.anxiety->depth",
        "total.client.anxiety->depth", "indirect.therapist.t_anxiety->safety->depth",
        "intercept.depth", "depth.time", "sd.client.alliance", "sd.residual.depth", "sd.therapist.safety",
    } <= names  # fmt: skip
    # all of safety's effect on alliance is direct, all of anxiety's on depth runs through others: no share to report
    assert not {"proportion.client.anxiety->depth", "indirect.session.safety->alliance"} & names


def test_indirect_effects_are_products_and_totals_their_sums() -> None:
    design = path_studies.design("therapists")
    values = given(design, path_session=[0.3, 0.2, 0.5], path_client=[-0.4, 0.6, 0.7], path_therapist=[-0.3, 0.8, 0.9])
    got = found(design, values)
    a, b, direct = (got[f"path.session.{p}"] for p in ("safety->alliance", "alliance->depth", "safety->depth"))
    assert got["indirect.session.safety->alliance->depth"] == pytest.approx(a * b)
    assert got["total.session.safety->depth"] == pytest.approx(a * b + direct)
    assert got["proportion.session.safety->depth"] == pytest.approx(a * b / (a * b + direct))
    three = [got[f"path.client.{p}"] for p in ("anxiety->safety", "safety->alliance", "alliance->depth")]
    assert got["indirect.client.anxiety->safety->alliance->depth"] == pytest.approx(np.prod(three))
    # internal values, one by one: paths are written safety->alliance, safety->depth, alliance->depth
    assert [a.text for a in design.session] == ["safety->alliance", "safety->depth", "alliance->depth"]
    assert direct == pytest.approx(0.2 * sd(design, "depth") / sd(design, "safety"))
    assert three[0] == pytest.approx(-0.4 * sd(design, "safety") / sd(design, "anxiety"))


def test_outcomes_rest_on_therapists_means_as_on_clients_unless_told() -> None:
    design = chain()
    texts = [a.text for a in design.client_arrows]
    client = np.zeros(len(texts))
    client[texts.index("safety->final")], client[texts.index("depth->final")] = 0.5, 0.3
    therapist = np.array([0.4, 0.2, 0.1])
    assert [a.text for a in design.therapist_arrows] == ["t_anxiety->safety", "safety->final", "t_anxiety->final"]
    got = found(design, given(design, path_client=client, path_therapist=therapist))
    ratio = sd(design, "final") / sd(design, "safety")
    assert got["path.client.safety->final"] == pytest.approx(0.5 * ratio)
    assert got["path.therapist.safety->final"] == pytest.approx((0.5 + 0.2) * ratio)  # b + c
    assert got["path.therapist.depth->final"] == pytest.approx(0.3 * sd(design, "final") / sd(design, "depth"))
    indirect = 0.4 * 0.7 * sd(design, "final") / sd(design, "t_anxiety")
    assert got["indirect.therapist.t_anxiety->safety->final"] == pytest.approx(indirect)


def test_the_mean_of_a_product_of_random_paths_has_their_covariance() -> None:
    study = path_studies.therapy(sessions=6)
    design = path_studies.chain(
        study, session=("safety -> alliance -> depth -> mood", "safety -> depth"), time="none",
        random_slopes=("safety -> alliance", "alliance -> depth", "depth -> mood"),
    )  # fmt: skip
    texts = [a.text for a in design.session]
    free = list(design.client_free)
    paths = dict(zip(texts, (0.4, 0.5, -0.3, 0.2), strict=True))
    sds = np.ones(len(design.client_effects))
    cor = np.eye(len(free))
    random = ["safety->alliance", "alliance->depth", "depth->mood"]
    for i, text in enumerate(random):
        sds[design.client_effects.index(text)] = (0.3, 0.4, 0.2)[i]
    for (i, j), rho in {(0, 1): 0.6, (0, 2): -0.3, (1, 2): 0.4}.items():
        a, b = free.index(random[i]), free.index(random[j])
        cor[a, b] = cor[b, a] = rho
    got = found(design, given(design, path_session=list(paths.values()), sd_client=sds, cor_client=cor))
    # By simulation: each client's own three paths, multiplied, averaged; 5 standard errors.
    rng = np.random.default_rng(1)
    places = [free.index(text) for text in random]
    spread = np.array([0.3, 0.4, 0.2])
    covariance = cor[np.ix_(places, places)] * np.outer(spread, spread)
    own = rng.multivariate_normal([paths[t] for t in random], covariance, 1_000_000)
    for route, columns in (("safety->alliance->depth", [0, 1]), ("safety->alliance->depth->mood", [0, 1, 2])):
        products = own[:, columns].prod(axis=1)
        raw = sd(design, route.split("->")[-1]) / sd(design, "safety")
        expected, error = products.mean() * raw, products.std() * abs(raw) / 1000
        assert got[f"indirect.session.{route}"] == pytest.approx(expected, abs=5 * error)
    # and where one of the two is the same for all, only one covariance is left
    direct = paths["safety->depth"] * paths["depth->mood"] * sd(design, "mood") / sd(design, "safety")
    assert got["indirect.session.safety->depth->mood"] == pytest.approx(direct)
    raw = sd(design, "depth") / sd(design, "safety")
    assert got["cov.session.safety->alliance,alliance->depth"] == pytest.approx(0.6 * 0.3 * 0.4 * raw)


def big(name: str, **settings: Any) -> tuple[PathDesign, xr.Dataset]:
    """Return a large design with one draw of parameters whose series are stable."""
    design = path_studies.design(name, **settings)
    compiled = compiled_of(design)
    theta = 0.5 * start(compiled, 4)
    return design, posterior(design, compiled, theta[None, None], seed=1, effects=False)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("plain", {"clients": 4000, "sessions": 6}),
        ("therapists", {"clients": 9000, "sessions": 3, "therapists": 1500}),
        ("holes", {"clients": 9000, "sessions": 3, "therapists": 1500, "unknown": 3000, "missing": 0.0,
                   "unknown_therapists": 500}),
        ("trend_to_mean", {"clients": 5000, "sessions": 6}),
        ("random", {"clients": 5000, "sessions": 10}),
        ("lagged", {"clients": 1500, "sessions": 30, "therapists": 60}),
    ],
)  # fmt: skip
def test_replicated_studies_have_the_moments_that_the_algebra_implies(name: str, settings: dict[str, Any]) -> None:
    # Two ways from parameters to moments: series run forward by path_predict, and the matrices of path_algebra.
    design, values = big(name, **settings)
    many = xr.concat([values] * 2, dim="draw").assign_coords(draw=[0, 1])
    sessions, _ = replicate(design, many, np.random.default_rng(3), "new_therapist")
    mean, scale = (np.array([getattr(one, part) for one in design.responses]) for part in ("mean", "sd"))
    ratings = (sessions - mean) / scale
    parts = algebra(design, values)
    if design.terms:
        slope = values["slope"].to_numpy()[0, 0]
        ratings = ratings - design.T @ slope.T
    settled = design.session_number > (15 if design.dynamic else 0)
    client = design.client[settled]
    ratings, t = ratings[:, settled], design.t[settled]
    count = np.bincount(client)[0]
    by_client = ratings.reshape(2, design.clients, count, -1)
    trended = [design.names.index(v) for v in design.trends]
    own = by_client - by_client.mean(axis=2, keepdims=True)
    if trended:  # take each client's own line away, and a degree of freedom with it
        line = t[:count] - t[:count].mean()
        own = own - np.einsum("t,dctv->dcv", line, own)[:, :, None] * (line / (line @ line))[:, None]
    freedom = count - 1 - bool(trended)
    seen = np.einsum("dctv,dctw->vw", own, own) / (2 * design.clients * freedom)
    within = within_covariance(design, parts.draws, parts.now, parts.before)[0]
    if not design.dynamic:  # there observed means have the series' autocorrelation in them
        size = 2 * design.clients * freedom
        spread = np.sqrt(np.outer(np.diag(within), np.diag(within)))
        # 5 standard errors of a covariance; twice that where products of normals have heavy tails
        slack = 5 * np.sqrt(2 / size) * spread * (2 if name == "random" else 1)
        np.testing.assert_array_less(np.abs(seen - within), slack)
    else:
        deviations = by_client - by_client.mean(axis=2, keepdims=True)
        seen = np.einsum("dctv,dctw->vw", deviations, deviations) / (2 * design.clients * (count - 1))
        np.testing.assert_allclose(seen, within, rtol=0.1, atol=0.03)  # (1 + φ)/(1 − φ)/15 of the variance is lost
    if name == "random":
        return  # products of latent effects: means of ratings are not the latent means
    means = by_client.mean(axis=2)
    noise = within / count if not design.dynamic else None
    labels, covariance = between_covariance(design, "client", parts.draws, parts.coefficients["client"])
    places = [labels.index(v) for v in design.names]
    between = covariance[0][np.ix_(places, places)]
    sizes, centre = np.zeros(0, dtype=np.int64), np.zeros(0)
    if design.has_therapists:
        groups = design.therapist_of
        sizes = np.bincount(groups)
        sums = np.stack([np.stack([np.bincount(groups, m[:, v]) for v in range(m.shape[1])], axis=1) for m in means])
        centre = sums / sizes[:, None]
        inner = means - centre[:, groups]
        pooled = np.einsum("dcv,dcw->vw", inner, inner) / (2 * (design.clients - len(sizes)))
        units = 2 * (design.clients - len(sizes))
    else:
        inner = means - means.mean(axis=1, keepdims=True)
        pooled = np.einsum("dcv,dcw->vw", inner, inner) / (2 * (design.clients - 1))
        units = 2 * design.clients
    if noise is None:
        np.testing.assert_allclose(pooled, between, rtol=0.25, atol=0.15)  # 15 autocorrelated sessions leave noise
        return
    expected = between + noise
    slack = 5 * np.sqrt(2 / units) * np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_array_less(np.abs(pooled - expected), slack)
    if design.has_therapists:
        labels, covariance = between_covariance(design, "therapist", parts.draws, parts.coefficients["therapist"])
        places = [labels.index(v) for v in design.names]
        above = covariance[0][np.ix_(places, places)]
        outer = centre - centre.mean(axis=1, keepdims=True)
        upper = np.einsum("dtv,dtw->vw", outer, outer) / (2 * (len(sizes) - 1))
        expected = above + (between + noise) * np.mean(1 / sizes)
        slack = 5 * np.sqrt(2 / (2 * len(sizes))) * np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
        np.testing.assert_array_less(np.abs(upper - expected), slack)


def test_standardised_paths_use_the_sds_of_their_level() -> None:
    design, values = big("therapists", clients=12, therapists=4)
    raw, standardised = found(design, values), found(design, values, "standardised")
    parts = algebra(design, values)
    within = np.sqrt(np.diagonal(within_covariance(design, parts.draws, parts.now, parts.before)[0]))
    scale = np.array([one.sd for one in design.responses])
    ratio = within[0] * scale[0] / (within[1] * scale[1])  # raw SDs of safety and alliance from session to session
    name = "path.session.safety->alliance"
    assert standardised[name] == pytest.approx(raw[name] * ratio)
    labels, covariance = between_covariance(design, "client", parts.draws, parts.coefficients["client"])
    spread = dict(zip(labels, np.sqrt(np.diagonal(covariance[0])), strict=True))
    name = "path.client.safety->alliance"
    ratio = spread["safety"] * scale[0] / (spread["alliance"] * scale[1])
    assert standardised[name] == pytest.approx(raw[name] * ratio)


def test_probabilities_of_categories_add_up_and_follow_the_cutpoints() -> None:
    from scipy.stats import logistic

    study = path_studies.therapy(clients=30)
    ordinal = path_studies.chain(study, client=("safety -> verdict",), family="ordinal", final="verdict", time="none")
    got = found(ordinal, given(ordinal, cutpoints=[-1.0, 0.5]))
    expected = np.diff([0, *logistic.cdf([-1.0, 0.5]), 1])
    names = [f"probability.{label}" for label in ("worse", "same", "better")]
    np.testing.assert_allclose([got[name] for name in names], expected)
    assert "intercept.verdict" not in got
    binary = path_studies.chain(study, client=("safety -> remission",), time="none")
    values = given(binary, intercept=[0.0, 0.8])
    got = found(binary, values)
    assert got["probability.remission"] == pytest.approx(logistic.cdf(0.8))
    assert "intercept.remission" not in found(binary, values, "standardised")
    logits = [one for one in model("chain").estimands(binary) if one.name == "path.client.safety->remission"]
    assert [one.unit for one in logits] == ["logits per points", "logits per SD"]


def test_estimands_say_what_they_are() -> None:
    for name in ("therapists", "random", "trends", "two_outcomes"):
        every: tuple[Estimand, ...] = model("chain").estimands(path_studies.design(name))
        assert all(one.meaning.endswith(".") and one.unit and "  " not in one.meaning for one in every)
