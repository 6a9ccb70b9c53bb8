"""Congruence: one metric for two raters, the latent surface in PyMC and NumPy, its estimands and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from safezone.data.errors import InputError
from safezone.data.simulate_surface import SurfaceTruth, simulate_surface
from safezone.data.study import Study
from safezone.models import congruence
from safezone.models.design import Design
from safezone.models.draws import system as numpy_system
from safezone.models.predict import log_likelihood, predict
from safezone.models.quantities import outcome_sd
from safezone.models.surface import COMBINATIONS, LEVELS, SHAPES, TERMS, VARIABLES, moments, terms
from safezone.models.surface_design import observed_parts, term_root
from safezone.models.surface_estimands import rating_moments

from .small import options, study

RANGES = {"x": (1.0, 7.0), "z": (1.0, 7.0)}


def pair(table: pd.DataFrame, **changes: dict[str, Any]) -> Study:
    """A study with ratings x (client) and z (therapist); changes per variable."""
    found = study(table, ranges=RANGES, roles={"x": "safety", "z": "safety", "y": "post_session"})
    variables = dict(found.variables)
    variables["z"] = replace(variables["z"], rater="therapist")
    for name, change in changes.items():
        variables[name] = replace(variables[name], **change)
    return replace(found, variables=variables)


def small(**settings: Any) -> Design:
    """Build a small design."""
    data = {"clients": 12, "sessions": 6, "therapists": 3, "seed": 4}
    asked: dict[str, Any] = {"outcome": "y", "predictors": ("x", "z")}
    for name, value in settings.items():
        (data if name in ("clients", "sessions", "therapists", "seed", "missing") else asked)[name] = value
    drawn = simulate_surface(**data)  # type: ignore[arg-type]  # a mapping of mixed settings
    return congruence.design(pair(drawn.sessions), "agreement", options(**asked))


# --- one metric ------------------------------------------------------------------------------------


def test_both_ratings_share_centre_and_unit() -> None:
    design = small()
    x, z = design.predictors
    raw = design.x * x.sd + x.mean
    assert (x.mean, x.sd) == (z.mean, z.sd)
    assert x.mean == pytest.approx(raw.mean())
    assert x.sd == pytest.approx(np.sqrt(raw.var(axis=0, ddof=1).mean()))
    # The raters' difference in points survives: z-scores of each would have lost it.
    assert (raw[:, 0] - raw[:, 1]).mean() == pytest.approx(x.sd * (design.x[:, 0] - design.x[:, 1]).mean())
    assert abs((raw[:, 0] - raw[:, 1]).mean()) > 0.1


@pytest.mark.parametrize(
    ("changes", "asked", "words"),
    [
        ({"z": {"range": (0.0, 100.0)}}, {}, "one scale"),
        ({"z": {"unit": "mm"}}, {}, "one unit"),
        ({"z": {"better": "lower"}}, {}, "same direction"),
        ({"z": {"range": None}}, {"rescale": True}, "Rescaling"),
        ({}, {"predictors": ("x",)}, "exactly two"),
        ({}, {"predictors": ()}, "exactly two"),
        ({}, {"lag": 1}, "not an option"),
    ],
)
def test_ratings_that_cannot_be_compared_are_refused(
    changes: dict[str, dict[str, Any]], asked: dict[str, Any], words: str
) -> None:
    drawn = simulate_surface(clients=6, sessions=4, therapists=2)
    with pytest.raises(InputError, match=words) as caught:
        congruence.design(
            pair(drawn.sessions, **changes), "m", options(**{"outcome": "y", "predictors": ("x", "z"), **asked})
        )
    fault = caught.value.faults[0]
    assert (fault.column or "").startswith("models.m.")
    assert fault.remedy
    if changes:
        assert "(client" in (fault.value or "")  # the raters are named
        assert "therapist" in (fault.value or "")


def test_an_undeclared_range_is_said() -> None:
    drawn = simulate_surface(clients=6, sessions=4, therapists=2)
    design = congruence.design(
        pair(drawn.sessions, z={"range": None}), "m", options(outcome="y", predictors=("x", "z"))
    )
    assert any("No range is declared for z" in note for note in design.notes)


def test_rescaling_maps_one_range_onto_the_other() -> None:
    drawn = simulate_surface(clients=8, sessions=5, therapists=2)
    stretched = drawn.sessions.assign(z=(drawn.sessions["z"] - 1) / 6 * 100)
    plain = congruence.design(pair(drawn.sessions), "m", options(outcome="y", predictors=("x", "z")))
    asked = options(outcome="y", predictors=("x", "z"), rescale=True)
    mapped = congruence.design(pair(stretched, z={"range": (0.0, 100.0), "unit": "mm"}), "m", asked)
    np.testing.assert_allclose(mapped.x, plain.x, atol=1e-12)
    assert mapped.predictors[1].unit == "points"
    assert any("mapped" in note for note in mapped.notes)


def test_the_default_plan_finds_client_and_therapist_of_one_role() -> None:
    drawn = simulate_surface(clients=6, sessions=4, therapists=2)
    proposed = congruence.default_options(pair(drawn.sessions))
    assert proposed["congruence"].predictors == ("x", "z")
    assert proposed["congruence"].outcome == "y"
    alone = pair(drawn.sessions, z={"rater": "client"})
    assert congruence.default_options(alone) == {}
    assert any("client and therapist" in need for need in congruence.lacks(alone, options()))


# --- the likelihood --------------------------------------------------------------------------------


def posterior_point(design: Design, parameterisation: str, seed: int) -> tuple[xr.Dataset, float, float, Any]:
    """Return one random draw of the PyMC model as a posterior, log-likelihoods of x and z and of y, and the model."""
    import pymc as pm

    model = congruence.pymc(design, parameterisation)  # type: ignore[arg-type]  # one of two literals
    rng = np.random.default_rng(seed)
    start = model.initial_point()
    point = {name: value + rng.normal(0, 0.3, np.shape(value)) for name, value in start.items()}
    latent = [rv for rv in model.free_RVs if rv.name.endswith("_z")]
    kept = [v for v in (*model.free_RVs, *model.deterministics) if not v.name.endswith(("_z", "_partial"))]
    with model:
        values = model.compile_fn(
            model.replace_rvs_by_values([*kept]), inputs=model.value_vars, point_fn=True, mode="FAST_COMPILE"
        )(point)
        y = model.compile_logp(vars=[model["y"]], jacobian=False, mode="FAST_COMPILE")(point)
        ratings = model.compile_logp(vars=[model["x_x"], model["x_z"]], jacobian=False, mode="FAST_COMPILE")(point)
        terms_of_effects = [*latent, *[p for p in model.potentials if p.name.endswith("_law")]]
        effects = model.compile_logp(vars=terms_of_effects, jacobian=False, mode="FAST_COMPILE")(point)
    data = {}
    for variable, value in zip(kept, values, strict=True):
        dims = model.named_vars_to_dims.get(variable.name, ())
        data[variable.name] = (("chain", "draw", *dims), np.asarray(value)[None, None])
    coords = {dim: list(labels) for dim, labels in model.coords.items() if any(dim in d for d, _ in data.values())}
    assert isinstance(model, pm.Model)
    return xr.Dataset(data, coords={"chain": [0], "draw": [0], **coords}), float(ratings), float(y), float(effects)


def by_hand(design: Design, post: xr.Dataset) -> tuple[float, float]:
    """The two log-likelihoods from the equations of the module's docstring, session by session."""
    p = {str(name): post[name].to_numpy()[0, 0] for name in post.data_vars}
    a = p["nuisance"][0]
    means = p["predictor_client"][design.client] + p["predictor_therapist"][design.therapist]
    slopes = p["predictor_fixed"] if design.fixed else np.zeros((2, 0))
    held = design.F.mean(axis=0)  # every column of these designs is of the session level
    ratings = y = 0.0

    def normal(value: float, mean: float, sd: float) -> float:
        return float(-0.5 * ((value - mean) / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi))

    for i in range(len(design.y)):
        # g_z is net of x: what is usual for z is g_z + a (g_x + F'g_x) + F'g_z + m_z.
        course = p["predictor_intercept"] + slopes @ design.F[i]
        level = p["predictor_intercept"] + slopes @ held
        expected = np.array([course[0] + means[i, 0], course[1] + a * course[0] + means[i, 1]])
        usual = np.array([level[0] + means[i, 0], level[1] + a * level[0] + means[i, 1]])
        deviation = design.x[i] - expected
        ratings += normal(deviation[0], 0.0, p["sd_predictor_residual"][0])
        ratings += normal(deviation[1] - a * deviation[0], 0.0, p["sd_predictor_residual"][1])
        eta = p["intercept"] + (design.F[i] @ p["fixed"] if design.fixed else 0.0)
        eta += terms(*deviation) @ p["surface_within"] + terms(*usual) @ p["surface_between"]
        eta += p["client_effects"][design.client[i], 0] + p["therapist_effects"][design.therapist[i], 0]
        y += normal(design.y[i], eta, p["sd_residual"])
    return ratings, y


@pytest.mark.slow
@pytest.mark.parametrize("parameterisation", ["noncentred", "centred"])
def test_pymc_numpy_and_the_equations_agree(parameterisation: str) -> None:
    design = small(time="linear")
    post, ratings, y, effects = posterior_point(design, parameterisation, 7)
    expected = by_hand(design, post)
    assert ratings == pytest.approx(expected[0], rel=1e-9)
    assert y == pytest.approx(expected[1], rel=1e-9)
    assert log_likelihood(design, post).sum() == pytest.approx(expected[1], rel=1e-9)
    if parameterisation == "noncentred":  # clients' totals: the density of the effects they are made of
        value = {str(name): post[name].to_numpy()[0, 0] for name in post.data_vars}
        total = _normal(value["client_effects"][:, 0], value["sd_client"][0])
        spread = value["sd_predictor_client"]
        covariance = value["cor_predictor_client"] * np.outer(spread, spread)
        inverse, rest = np.linalg.inv(covariance), value["predictor_client"]
        total += float(-0.5 * np.einsum("ci,ij,cj->", rest, inverse, rest))
        # the sampled totals' law is written without its constant, −log 2π per client
        total -= len(rest) * 0.5 * np.linalg.slogdet(covariance)[1]
        total += _normal(value["therapist_effects"][:, 0] / value["sd_therapist"][0], 1.0)
        factor = np.linalg.cholesky(value["cor_predictor_therapist"] * np.outer(*[value["sd_predictor_therapist"]] * 2))
        total += _normal(np.linalg.solve(factor, value["predictor_therapist"].T).ravel(), 1.0)
        assert effects == pytest.approx(total, rel=1e-8)


def _normal(values: np.ndarray, sd: float) -> float:
    return float(np.sum(-0.5 * (values / sd) ** 2 - np.log(sd) - 0.5 * np.log(2 * np.pi)))


def test_the_latent_surface_has_no_closed_integral_and_the_observed_one_has() -> None:
    reason = congruence.MODEL.system(small())
    assert isinstance(reason, str)
    assert reason.endswith(".")
    assert not isinstance(congruence.MODEL.system(small(centring="observed")), str)


@pytest.mark.parametrize("family", ["ordinal", "student_t"])
def test_other_families_have_a_finite_density(family: str) -> None:
    drawn = simulate_surface(clients=8, sessions=5, therapists=2)
    table = drawn.sessions.assign(y=drawn.sessions["y"].round().clip(3, 7))
    design = congruence.design(pair(table), "m", options(outcome="y", predictors=("x", "z"), family=family))
    model = congruence.pymc(design)
    # The outcome alone: Python's elementwise sum takes no more than 32 terms, the whole density has more.
    density = model.compile_logp(vars=[model["y"]], jacobian=False, mode="FAST_COMPILE")
    assert np.isfinite(density(model.initial_point()))


def test_clients_who_change_therapist_are_not_sampled_as_totals() -> None:
    drawn = simulate_surface(clients=8, sessions=5, therapists=2)
    table = drawn.sessions.copy()
    table.loc[table.index[2], "therapist"] = "T002" if table["therapist"].iloc[2] == "T001" else "T001"
    asked = options(outcome="y", predictors=("x", "z"))
    changed = congruence.pymc(congruence.design(pair(table), "m", asked))
    stayed = congruence.pymc(congruence.design(pair(drawn.sessions), "m", asked))
    assert not any(potential.name.endswith("_law") for potential in changed.potentials)
    assert any(potential.name == "predictor_client_law" for potential in stayed.potentials)


def test_rotated_terms_have_their_priors() -> None:
    # The sampler moves z with b = R⁻¹ z; whatever z, the density is that of the priors at b, without the constant |R|.
    design = small()
    model = congruence.pymc(design)
    point = model.initial_point()
    point["surface_within_z"] = np.array([1.0, -2.0, 0.5, 3.0, -1.0])
    rotated = [p for p in model.potentials if p.name == "surface_within_prior"]
    density = model.compile_logp(vars=rotated, jacobian=False, mode="FAST_COMPILE")(point)
    b = np.linalg.solve(term_root(design, "surface_within"), point["surface_within_z"])
    priors = {one.name: one.prior for one in congruence.MODEL.parameters(design)}
    expected = sum(float(priors[f"surface_within[{term}]"].logpdf(b[i])) for i, term in enumerate(TERMS))
    assert density == pytest.approx(expected)
    columns = terms(*observed_parts(design)[0].T)
    columns = columns - columns.mean(axis=0)
    root = term_root(design, "surface_within")
    np.testing.assert_allclose(root.T @ root, columns.T @ columns + np.eye(5))


def test_priors_of_terms_are_set_by_name_and_in_points() -> None:
    design = small(priors={"surface.within.b3": {"prior": "normal(0, 0.1)", "scale": "raw"}})
    priors = {one.estimand: one.prior for one in congruence.MODEL.parameters(design)}
    factor = design.predictors[0].sd ** 2 / outcome_sd(design)
    assert priors["surface.within.b3"].parameters == pytest.approx((0.0, 0.1 * factor))
    assert priors["surface.within.b1"].parameters == (0.0, 0.5)
    assert priors["surface.within.b4"].parameters == (0.0, 0.25)
    assert priors["surface.between_client.b5"].parameters == (0.0, 0.5)


# --- predictions and estimands ---------------------------------------------------------------------


def known(design: Design, draws: int = 2, **changes: Any) -> xr.Dataset:
    """A posterior in which every draw has the same values, with effects of zero."""
    values: dict[str, tuple[tuple[str, ...], Any]] = {
        "intercept": ((), 0.1),
        "surface_within": (("surface_term",), [0.3, 0.2, -0.15, 0.25, -0.1]),
        "surface_between": (("surface_term",), [0.4, 0.2, -0.2, 0.35, -0.15]),
        "sd_client": (("client_effect",), [0.4]),
        "sd_therapist": (("therapist_effect",), [0.2]),
        "client_effects": (("client", "client_effect"), np.zeros((design.clients, 1))),
        "therapist_effects": (("therapist", "therapist_effect"), np.zeros((design.therapists, 1))),
        "sd_residual": ((), 0.7),
    }
    if design.latent:
        values |= {
            "nuisance": (("path",), [0.3]),
            "predictor_intercept": (("predictor",), [-0.2, 0.3]),
            "sd_predictor_client": (("predictor",), [0.7, 0.6]),
            "cor_predictor_client": (("predictor", "predictor_other"), [[1.0, 0.4], [0.4, 1.0]]),
            "predictor_client": (("client", "predictor"), np.zeros((design.clients, 2))),
            "sd_predictor_therapist": (("predictor",), [0.2, 0.2]),
            "cor_predictor_therapist": (("predictor", "predictor_other"), [[1.0, 0.2], [0.2, 1.0]]),
            "predictor_therapist": (("therapist", "predictor"), np.zeros((design.therapists, 2))),
            "sd_predictor_residual": (("predictor",), [0.7, 0.6]),
        }
    values |= changes
    data = {
        name: (("chain", "draw", *dims), np.broadcast_to(np.asarray(value, float), (1, draws, *np.shape(value))).copy())
        for name, (dims, value) in values.items()
    }
    used = {dim for dims, _ in data.values() for dim in dims}
    coords = {dim: labels for dim, labels in design.coords.items() if dim in used}
    return xr.Dataset(data, {"chain": [0], "draw": list(range(draws)), **coords})


def test_new_clients_have_the_moments_that_the_surface_implies() -> None:
    design = small(clients=60, sessions=10, therapists=30)
    post = known(design, draws=400)
    draws = {name: post[name].to_numpy().reshape(400, *post[name].shape[2:]) for name in map(str, post.data_vars)}
    raw = predict(design, post, np.random.default_rng(2), target="new_therapist")
    internal = (raw - design.outcome.mean) / design.outcome.sd
    mean, variance = 0.1, 0.7**2 + 0.4**2 + 0.2**2
    for place in LEVELS:
        expected, spread = moments(draws[VARIABLES[place]], *rating_moments(design, draws, place))
        mean, variance = mean + float(expected[0]), variance + float(spread[0])
    # Therapists are the rarest unit: 400 draws × 30 of them; 4 standard errors, the clients' and sessions' part beside.
    error = np.sqrt(variance / (400 * 30))
    assert internal.mean() == pytest.approx(mean, abs=4 * error)
    assert internal.var() == pytest.approx(variance, rel=0.05)


def test_observed_deviations_and_means_enter_where_the_data_say() -> None:
    design = small(centring="observed", missing=0.1)
    assert design.surface is not None
    deviation, usual = observed_parts(design)
    post = known(design)
    rows = np.arange(len(design.y))
    state = numpy_system(design, {n: post[n].to_numpy()[0] for n in map(str, post.data_vars)})
    eta = state.outcome(rows, np.zeros((2, len(rows), 0)))
    within, between = [0.3, 0.2, -0.15, 0.25, -0.1], [0.4, 0.2, -0.2, 0.35, -0.15]
    np.testing.assert_allclose(eta[0], 0.1 + terms(*deviation.T) @ within + terms(*usual.T) @ between)
    # Deviation and mean add up to the rating in points.
    drawn = simulate_surface(clients=12, sessions=6, therapists=3, seed=4, missing=0.1).sessions
    raw = (design.x + design.surface.between) * design.predictors[0].sd + design.predictors[0].mean
    np.testing.assert_allclose(raw, drawn[["x", "z"]].to_numpy()[design.row])


@pytest.mark.parametrize("centring", ["latent", "observed"])
def test_estimands_are_the_surface_in_points_and_in_standard_deviations(centring: str) -> None:
    design = small(centring=centring)
    post = known(design)
    found = {(e.name, e.scale): float(e.draws(post)[0, 0]) for e in congruence.estimands(design)}
    x, sd = design.predictors[0].sd, outcome_sd(design)
    b = np.array([0.3, 0.2, -0.15, 0.25, -0.1])
    for term, value, order in zip(TERMS, b, (1, 1, 2, 2, 2), strict=True):
        assert found[f"surface.within.{term}", "raw"] == pytest.approx(value * sd / x**order)
    for place in LEVELS:
        for scale in ("raw", "standardised"):
            b1, b2, b3, b4, b5 = (found[f"surface.{place}.{term}", scale] for term in TERMS)
            a = {"a1": b1 + b2, "a2": b3 + b4 + b5, "a3": b1 - b2, "a4": b3 - b4 + b5, "a5": b3 - b5}
            assert set(a) == set(COMBINATIONS)
            for name, value in a.items():
                assert found[f"surface.{place}.{name}", scale] == pytest.approx(value)
        assert found[f"surface.{place}.axis_defined", "raw"] == 1.0
    levels = {e.level for e in congruence.estimands(design) if e.name.startswith("surface.")}
    assert levels == {"session", "client"}
    # The axis is z = p10 + p11 x in points: two points of it solve the raw surface's own axis.
    if centring == "latent":
        b1, b2, b3, b4, b5 = (found[f"surface.within.{term}", "raw"] for term in TERMS)
        slope = (b5 - b3 + np.hypot(b3 - b5, b4)) / b4
        determinant = 4 * b3 * b5 - b4**2
        x0, z0 = (b2 * b4 - 2 * b1 * b5) / determinant, (b1 * b4 - 2 * b2 * b3) / determinant
        assert found["surface.within.axis_slope", "raw"] == pytest.approx(slope)
        assert found["surface.within.axis_intercept", "raw"] == pytest.approx(z0 - slope * x0, rel=1e-6)


def test_standardised_slopes_use_one_unit_for_both_raters() -> None:
    design = small()
    post = known(design, surface_within=(("surface_term",), [0.3, 0.3, 0.0, 0.0, 0.0]))
    found = {e.name: float(e.draws(post)[0, 0]) for e in congruence.estimands(design) if e.scale == "standardised"}
    assert found["surface.within.b1"] == pytest.approx(found["surface.within.b2"])
    # Within: var(x) = .7², var(z) = (.3 · .7)² + .6², pooled; var(y) from the plane and the residual.
    covariance = np.array([[0.49, 0.147], [0.147, 0.0441 + 0.36]])
    pooled = np.sqrt(np.trace(covariance) / 2)
    outcome = np.sqrt(0.09 * covariance.sum() + 0.49)
    assert found["surface.within.b1"] == pytest.approx(0.3 * pooled / outcome)


def test_a_draw_without_an_axis_is_counted_and_left_out() -> None:
    from safezone.analysis.estimates import estimand_draws, estimates_frame

    design = small()
    post = known(design, draws=50)
    post["surface_within"][0, :20, 2:] = 0.0  # 20 of 50 draws are planes
    post["surface_within"][0, :, 0] += 0.01 * np.arange(50)
    quantities = estimand_draws(congruence.estimands(design), post)
    frame = estimates_frame(quantities, "m", "congruence", interval=0.95, rope={"default": 0.1})
    raw = frame[frame["scale"] == "raw"].set_index("estimand")[["mean", "pd"]].astype(float).to_dict("index")
    assert raw["surface.within.axis_defined"]["mean"] == pytest.approx(0.6)
    assert np.isfinite(raw["surface.within.axis_slope"]["mean"])
    assert np.isnan(raw["surface.within.axis_slope"]["pd"])  # its reference is 1, not 0
    assert np.isfinite(raw["surface.within.a4"]["pd"])


# --- versions and degenerate data ------------------------------------------------------------------


@pytest.mark.parametrize("centring", ["latent", "observed"])
def test_versions_hold_the_same_rows_and_the_shapes_columns(centring: str) -> None:
    design = small(missing=0.1, centring=centring)
    versions = congruence.MODEL.variants(design)
    assert set(versions) == {f"{place}.{shape}" for place in LEVELS for shape in ("full", *SHAPES)}
    full = versions["within.full"]
    assert full is versions["between_client.full"]
    complete = np.isfinite(design.y) & np.isfinite(design.x).all(axis=1)
    assert len(full.y) == complete.sum()
    deviation, usual = (part[complete] for part in observed_parts(design))
    np.testing.assert_allclose(full.F, np.column_stack([terms(*deviation.T), terms(*usual.T)]))
    ridge = versions["within.rising_ridge"]
    np.testing.assert_allclose(ridge.F[:, 0], deviation.sum(axis=1))
    np.testing.assert_allclose(ridge.F[:, 1], (deviation[:, 0] - deviation[:, 1]) ** 2)
    np.testing.assert_allclose(ridge.F[:, 2:], terms(*usual.T))
    for version in versions.values():
        np.testing.assert_array_equal(version.y, full.y)
        assert not isinstance(congruence.MODEL.system(version), str)


def test_versions_of_an_outcome_without_kernel_are_not_compared() -> None:
    assert congruence.MODEL.variants(small(family="student_t")) == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t[t["client"] == "C0001"], "at least two clients"),
        (lambda t: t[t["session"] == 1], "two or more sessions"),
        (lambda t: t.assign(z=4.0), "does not vary"),
        (lambda t: t.assign(z=t["x"]), "exact combination"),
        (lambda t: t.assign(y=3.0), "does not vary"),
    ],
)
def test_degenerate_data_are_refused(change: Any, words: str) -> None:
    drawn = simulate_surface(clients=6, sessions=4, therapists=2)
    with pytest.raises(InputError, match=words):
        congruence.design(
            pair(change(drawn.sessions).reset_index(drop=True)), "m", options(outcome="y", predictors=("x", "z"))
        )


@pytest.mark.slow
def test_maximum_likelihood_and_posterior_find_the_same_surface() -> None:
    """Observed centring on data that it is right for: the kernel, statsmodels and the truth."""
    from safezone.analysis import marginal
    from safezone.analysis.crosscheck import crosscheck
    from safezone.analysis.estimates import estimand_draws, estimates_frame
    from safezone.models.compilation import compile_system
    from safezone.models.marginal_posterior import posterior

    drawn = simulate_surface(clients=150, sessions=10, therapists=15, centring="observed", seed=8)
    design = congruence.design(
        pair(drawn.sessions), "m", options(outcome="y", predictors=("x", "z"), centring="observed")
    )
    declared = congruence.MODEL.system(design)
    assert not isinstance(declared, str)
    compiled = compile_system(declared)
    draws = marginal.sample(compiled, chains=2, draws=500, seed=3)
    post = posterior(design, compiled, draws.theta, seed=1, effects=False)
    quantities = estimand_draws(congruence.estimands(design), post)
    frame = estimates_frame(quantities, "m", "congruence", interval=0.95, rope={"default": 0.1})
    checked = crosscheck(design)(frame)
    assert checked is not None
    rows = {row["estimand"]: row for row in checked["rows"]}
    for place in LEVELS:
        for term in TERMS:
            row = rows[f"surface.{place}.{term}"]
            # Weak priors and 1,500 sessions: a third of a standard error apart at most, and as wide.
            assert abs(row["bayes_mean"] - row["other"]) < 0.34 * row["other_se"], row
            assert row["bayes_sd"] == pytest.approx(row["other_se"], rel=0.2), row
    truth = SurfaceTruth().estimands()
    raw = frame[frame["scale"] == "raw"].set_index("estimand")[["mean", "sd"]].astype(float).to_dict("index")
    for name, value in truth.items():
        if name.startswith("surface."):  # 20 correlated intervals of one study: none further than 3.5 SDs
            assert abs(raw[name]["mean"] - value) < 3.5 * raw[name]["sd"], name
