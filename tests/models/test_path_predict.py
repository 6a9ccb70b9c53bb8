"""Replicated studies of path models: ratings run forward, and final outcomes of every family."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

from safezone.models.path_design import PathDesign
from safezone.models.path_posterior import posterior
from safezone.models.path_predict import replicate

from . import path_studies
from .path_twins import compiled_of, start
from .test_path_effects import given

DRAWS = 4000


def repeated(values: xr.Dataset, draws: int = DRAWS) -> xr.Dataset:
    """Return the first draw, many times."""
    first = values.isel(chain=[0], draw=[0])
    return xr.concat([first] * draws, dim="draw").assign_coords(draw=np.arange(draws))


def people(design: PathDesign, values: xr.Dataset) -> xr.Dataset:
    """Add effects of clients (and therapists), the same in every draw."""
    rng = np.random.default_rng(5)
    names = {"client": design.client_effects, "therapist": design.therapist_effects}
    added = {}
    for level, effects in names.items():
        if effects:
            units = design.clients if level == "client" else design.therapists
            d = 0.5 * rng.normal(size=(units, len(effects)))
            shape = (values.sizes["chain"], values.sizes["draw"], *d.shape)
            added[f"{level}_effects"] = (("chain", "draw", level, f"{level}_effect"), np.broadcast_to(d, shape))
    return values.assign(added)


def paths(design: PathDesign, **known: float) -> list[float]:
    return [known.get(arrow.text.replace("->", "_").replace("[active]", ""), 0.0) for arrow in design.client_arrows]


def expected_end(design: PathDesign, values: xr.Dataset, outcome: str, known: dict[str, float]) -> np.ndarray:
    """α + b (m_c + m_t) + Γ'a + w_t, by hand; no latent mean has an arrow."""
    client = values["client_effects"].to_numpy()[0, 0]
    total = np.zeros(design.clients)
    for name, slope in known.items():
        source = name.removesuffix(f"_{outcome}")
        if source in design.names:
            m = client[:, design.client_effects.index(source)]
            if design.has_therapists:
                theirs = values["therapist_effects"].to_numpy()[0, 0]
                m = m + theirs[design.therapist_of, design.therapist_effects.index(source)]
            total += slope * m
        else:
            covariate = next(c for c in design.covariates if c.name.startswith(source))
            total += slope * covariate.values
    if design.has_therapists:
        theirs = values["therapist_effects"].to_numpy()[0, 0]
        total += theirs[design.therapist_of, design.therapist_effects.index(outcome)]
    return total


@pytest.mark.parametrize("outcome", ["final", "remission", "verdict"])
def test_outcomes_of_the_same_clients_follow_their_law(outcome: str) -> None:
    study = path_studies.therapy(clients=12, sessions=3, therapists=3)
    family = {"verdict": {"family": "ordinal", "final": "verdict"}}.get(outcome, {})
    asked: dict[str, Any] = {"session": ("safety -> depth",), "client": (f"baseline, arm, safety -> {outcome}",)}
    design = path_studies.chain(study, **asked, **family)
    known = {f"baseline_{outcome}": -0.4, f"arm_{outcome}": 0.7, f"safety_{outcome}": 0.9}
    located = list(map(str, design.coords["variable"]))
    alpha = {} if outcome == "verdict" else {"intercept": [0.3 if v == outcome else 0.0 for v in located]}
    extra = {"cutpoints": [-0.5, 0.8]} if outcome == "verdict" else {}
    values = people(design, given(design, path_client=paths(design, **known), **alpha, **extra))
    _, ends = replicate(design, repeated(values), np.random.default_rng(1), "same")
    linear = expected_end(design, values, outcome, known) + (0.0 if outcome == "verdict" else 0.3)
    found = ends[:, :, 0]
    if outcome == "final":
        scale = design.outcomes[0]
        # 5 standard errors of means and SDs of 4,000 draws
        np.testing.assert_allclose(found.mean(axis=0), scale.mean + scale.sd * linear, atol=5 * scale.sd / DRAWS**0.5)
        np.testing.assert_allclose(found.std(axis=0), scale.sd, rtol=5 / (2 * DRAWS) ** 0.5)
        return
    cuts = np.array([-0.5, 0.8]) if outcome == "verdict" else np.array([0.0])
    for k, cut in enumerate(cuts):
        chance = 1 / (1 + np.exp(cut - linear))
        np.testing.assert_allclose((found > k).mean(axis=0), chance, atol=5 * 0.5 / DRAWS**0.5)


def test_new_clients_keep_the_therapists_and_new_therapists_do_not() -> None:
    study = path_studies.therapy(clients=12, sessions=3, therapists=3)
    design = path_studies.chain(study, client=("safety -> final",), time="none")
    values = people(design, given(design, path_client=[0.8], intercept=[0.0, 0.2]))
    many = repeated(values)
    theirs = values["therapist_effects"].to_numpy()[0, 0]
    scale = design.outcomes[0]
    places = [design.therapist_effects.index(name) for name in ("safety", "final")]
    expected = 0.2 + 0.8 * theirs[design.therapist_of, places[0]] + theirs[design.therapist_of, places[1]]
    _, known = replicate(design, many, np.random.default_rng(1), "new_client")
    _, new = replicate(design, many, np.random.default_rng(2), "new_therapist")
    # SDs in internal units: 0.8 · d_client(1), residual 1; a new therapist adds 0.8 · 1 and 1
    sd = np.hypot(0.8, 1.0)
    np.testing.assert_allclose(known[:, :, 0].mean(axis=0), scale.mean + scale.sd * expected,
                               atol=5 * scale.sd * sd / DRAWS**0.5)  # fmt: skip
    np.testing.assert_allclose(known[:, :, 0].std(axis=0), scale.sd * sd, rtol=5 / (2 * DRAWS) ** 0.5)
    np.testing.assert_allclose(new[:, :, 0].mean(axis=0), scale.mean + 0.2 * scale.sd,
                               atol=5 * scale.sd * sd * 2**0.5 / DRAWS**0.5)  # fmt: skip
    np.testing.assert_allclose(new[:, :, 0].std(axis=0), scale.sd * sd * 2**0.5, rtol=5 / (2 * DRAWS) ** 0.5)


def test_a_later_outcome_rests_on_the_replicated_earlier_one() -> None:
    study = path_studies.therapy(clients=2000, sessions=2, therapists=0)
    design = path_studies.chain(study, client=("safety -> final -> followup",), time="none")
    located = list(map(str, design.coords["residual"]))
    values = given(design, path_client=[0.5, 0.7], sd_residual=[0.6 if v == "followup" else 1.0 for v in located])
    _, ends = replicate(design, values, np.random.default_rng(1), "new_client")
    first, second = ((ends[:, :, o] - one.mean) / one.sd for o, one in enumerate(design.outcomes))
    slope = np.cov(first.ravel(), second.ravel())[0, 1] / first.var()
    rest = (second - slope * first).std()
    assert slope == pytest.approx(0.7, abs=5 * 0.6 / first.size**0.5)
    assert rest == pytest.approx(0.6, rel=5 / (2 * first.size) ** 0.5)


def test_series_run_forward_obey_their_equation() -> None:
    # Regress replicated ratings on what the equation names, within clients whose latent means are zero.
    design = path_studies.design("lagged", clients=400, sessions=12, therapists=0)
    texts = [arrow.text for arrow in design.session]
    assert texts == ["lag(safety)->safety", "lag(safety)->depth", "lag(depth)->depth"]
    values = given(design, path_session=[0.4, 0.3, -0.2], sd_client=1e-9, sd_residual=[1.0, 0.5], intercept=0.0)
    sessions, _ = replicate(design, values, np.random.default_rng(1), "new_client")
    scaled = (sessions - [one.mean for one in design.responses]) / [one.sd for one in design.responses]
    linked = design.previous >= 0
    now, last = scaled[:, linked].reshape(-1, 2), scaled[:, design.previous[linked]].reshape(-1, 2)
    found, *_ = np.linalg.lstsq(last, now, rcond=None)
    error = 5 / len(now) ** 0.5
    np.testing.assert_allclose(found[:, design.names.index("safety")], [0.4, 0.0], atol=1.2 * error)
    np.testing.assert_allclose(found[:, design.names.index("depth")], [0.3, -0.2], atol=1.2 * error)


def test_the_same_clients_keep_their_effects() -> None:
    design = path_studies.design("trends", clients=15)
    compiled = compiled_of(design)
    theta = 0.5 * start(compiled)[None, None]
    values = posterior(design, compiled, theta, seed=1)
    sessions, _ = replicate(design, repeated(values, 1500), np.random.default_rng(1), "same")
    first = values["client_effects"].to_numpy()[0, 0]
    place = design.client_effects.index("safety:time")
    scale = design.responses[design.names.index("safety")]
    mean = (sessions[:, :, design.names.index("safety")].mean(axis=0) - scale.mean) / scale.sd
    slope = values["slope"].to_numpy()[0, 0, design.names.index("safety"), 0]
    for client in range(design.clients):
        own = design.client == client
        x = np.column_stack([np.ones(own.sum()), design.t[own]])
        line = np.linalg.lstsq(x, mean[own] - slope * design.T[own, 0], rcond=None)[0]
        sd = float(values["sd_residual"].to_numpy().max())
        assert line[1] == pytest.approx(first[client, place], abs=5 * sd / np.sqrt(1500 * ((x[:, 1] ** 2).sum())) * 2)
