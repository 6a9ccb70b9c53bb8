"""The PyMC likelihood against its textbook statement, and against NumPy, for every option and family."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from safezone.data.study import Study
from safezone.models.build import build
from safezone.models.design import Design
from safezone.models.families import laws
from safezone.models.multilevel import multilevel
from safezone.models.predict import log_likelihood

from .small import options, therapy

pytestmark = pytest.mark.slow  # each case builds and compiles a PyMC model (seconds)

POTENTIALS = "ignore:The effect of Potentials:UserWarning"  # the ends of a slider are potentials
BLAS = "ignore:PyTensor could not link to a BLAS:UserWarning"


def likelihood(design: Design, point: dict[str, Any], variables: list[str] | None = None) -> float:
    """Evaluate the likelihood (and laws of missing values) at parameters on their own scale."""
    from pymc.model.transform.conditioning import remove_value_transforms

    model = remove_value_transforms(multilevel(design))
    terms = [*model.observed_RVs, *model.potentials]
    if variables is not None:
        terms = [term for term in terms if any(term.name.startswith(v) for v in variables)]
    compiled = model.compile_logp(vars=terms, jacobian=False, sum=False, mode="FAST_COMPILE")
    start = {name: np.asarray(point.get(name, value)) for name, value in model.initial_point().items()}
    return float(sum(np.sum(value) for value in compiled(start)))


def test_latent_centring_is_the_textbook_model() -> None:
    """y − (α + β_B m + d) = β_W (x − m − g_0) + e, written with centred predictors."""
    trial = therapy(clients=5, sessions=3, therapists=1)
    design = build(trial, "within_between", "m", options(outcome="depth", predictors=["safety"]))
    rng = np.random.default_rng(5)
    m, d = rng.normal(size=5), rng.normal(size=5)
    within, between, alpha, g0, sd_y, sd_x = 0.4, 0.9, 0.2, -0.1, 0.7, 0.8
    point = {
        "within": np.array([within]), "between_client": np.array([between]), "intercept": np.array(alpha),
        "predictor_intercept": np.array([g0]), "sd_residual": np.array(sd_y), "sd_predictor_residual": np.array([sd_x]),
        "sd_client": np.array([0.5]), "sd_predictor_client": np.array([0.6]),
        "client_effects_z": d[:, None] / 0.5, "predictor_client_z": m[:, None] / 0.6,
    }  # fmt: skip
    c = design.client
    usual_x = g0 + m[c]
    usual_y = alpha + within * g0 + between * m[c] + d[c]
    expected = stats.norm.logpdf(design.x[:, 0], usual_x, sd_x).sum()
    expected += stats.norm.logpdf(design.y, usual_y + within * (design.x[:, 0] - usual_x), sd_y).sum()
    # PyMC folds log √2π in single precision: 1e-7 per row.
    assert likelihood(design, point) == pytest.approx(expected, abs=1e-5)


def test_lagged_deviations_are_from_the_latent_means() -> None:
    """With equal intercepts at zero, y_i − m_y = φ (y − m_y)_{i−1} + β (x − m_x)_{i−1} + e."""
    trial = therapy(clients=4, sessions=4, therapists=1)
    design = build(trial, "within_between", "m", options(outcome="depth", predictors=["safety"], lag=1))
    rng = np.random.default_rng(6)
    m, d = rng.normal(size=4), rng.normal(size=4)
    phi, within, between, sd = 0.3, 0.25, 0.6, 0.8
    same, own, cross = 0.2, 0.15, 0.1  # x on y, x on previous x, x on previous y
    assert [p.name for p in design.paths] == ["safety<-depth", "safety<-safety.previous", "safety<-depth.previous"]
    loading = np.array([[1.1, 0.2], [0.3, 0.9]])
    point = {
        "within": np.array([within]), "between_client": np.array([between]), "own_lag": np.array(phi),
        "intercept": np.array(0.0), "predictor_intercept": np.zeros(1), "nuisance": np.array([same, own, cross]),
        "sd_residual": np.array(sd), "sd_predictor_residual": np.array([0.9]),
        "sd_client": np.array([0.5]), "sd_predictor_client": np.array([0.6]),
        "client_effects_z": d[:, None] / 0.5, "predictor_client_z": m[:, None] / 0.6,
        "initial_intercept": np.array([0.1, -0.2]), "initial_loading": loading,
        "initial_path": np.array([0.4]), "initial_sd": np.array([1.1, 1.2]),
    }  # fmt: skip
    m_y = between * m + d
    expected = 0.0
    for i, c in enumerate(design.client):
        x, y, p = design.x[i, 0], design.y[i], design.previous[i]
        if p < 0:
            expected += stats.norm.logpdf(y, -0.2 + loading[1] @ [m[c], m_y[c]], 1.2)
            expected += stats.norm.logpdf(x, 0.1 + loading[0] @ [m[c], m_y[c]] + 0.4 * y, 1.1)
        else:
            dx, dy = design.x[p, 0] - m[c], design.y[p] - m_y[c]
            expected += stats.norm.logpdf(y, m_y[c] + phi * dy + within * dx, sd)
            expected += stats.norm.logpdf(x, m[c] + same * (y - m_y[c]) + own * dx + cross * dy, 0.9)
    assert likelihood(design, point) == pytest.approx(expected, abs=1e-5)


def test_a_missing_rating_is_integrated_under_its_own_law() -> None:
    trial = therapy(clients=4, sessions=3, therapists=1)
    trial.sessions.loc[4, "safety"] = np.nan
    design = build(trial, "within_between", "m", options(outcome="depth", predictors=["safety"]))
    point = {"missing_safety": np.array([0.7]), "within": np.array([0.5]), "sd_residual": np.array(0.9),
             "sd_predictor_residual": np.array([0.8])}  # fmt: skip
    filled = design.x[:, 0].copy()
    filled[4] = 0.7
    expected = stats.norm.logpdf(filled, 0.0, 0.8).sum() + stats.norm.logpdf(design.y, 0.5 * filled, 0.9).sum()
    assert likelihood(design, point) == pytest.approx(expected, abs=1e-5)


def test_ar1_residual_is_a_multivariate_normal() -> None:
    """Unequal gaps: cov(e_i, e_j) = σ² ρ^|i − j| in sessions."""
    trial = therapy(clients=3, sessions=5, therapists=1)
    trial.sessions.loc[[2, 3, 7], "depth"] = np.nan
    design = build(trial, "variance", "m", options(outcome="depth", residual="ar1"))
    rho, sd, alpha = -0.4, 0.8, 0.3
    point = {"autocorrelation": np.array(rho), "sd_residual": np.array(sd), "intercept": np.array(alpha)}
    expected = 0.0
    for c in range(3):
        own = design.client == c
        lag = np.abs(np.subtract.outer(design.session[own], design.session[own]))
        expected += stats.multivariate_normal.logpdf(design.y[own], np.full(own.sum(), alpha), sd**2 * rho**lag)
    assert likelihood(design, point) == pytest.approx(expected, abs=1e-5)


def test_growth_is_a_dense_normal_once_effects_are_integrated() -> None:
    """Joint density at any effects = marginal density × conditional density of the effects."""
    trial = therapy(clients=4, sessions=4, therapists=1)
    design = build(trial, "growth", "m", options(outcome="depth", by=["arm"]))
    rng = np.random.default_rng(2)
    alpha, a, sd, r, sigma = 0.1, rng.normal(size=design.F.shape[1]), np.array([0.7, 0.3]), -0.3, 0.6
    u = rng.normal(size=(4, 2))
    psi = np.outer(sd, sd) * np.array([[1, r], [r, 1]])
    factor = np.linalg.cholesky(psi)
    z = np.linalg.solve(factor, u.T).T
    point = {"intercept": np.array(alpha), "fixed": a, "sd_client": sd, "cor_client_partial": np.array([(r + 1) / 2]),
             "client_effects_z": z, "sd_residual": np.array(sigma)}  # fmt: skip
    joint = likelihood(design, point) + stats.multivariate_normal.logpdf(u, np.zeros(2), psi).sum()
    dense = 0.0
    for c in range(4):
        own = design.client == c
        Z, mean = design.client_z[own], alpha + design.F[own] @ a
        covariance = Z @ psi @ Z.T + sigma**2 * np.eye(own.sum())
        dense += stats.multivariate_normal.logpdf(design.y[own], mean, covariance)
        gain = psi @ Z.T @ np.linalg.inv(covariance)
        posterior = psi - gain @ Z @ psi
        dense += stats.multivariate_normal.logpdf(u[c], gain @ (design.y[own] - mean), (posterior + posterior.T) / 2)
    assert joint == pytest.approx(dense, abs=1e-5)


# --- every option and family: NumPy says the same, and sampling can start --------------------------

CHOICES: dict[str, tuple[str, dict[str, Any]]] = {
    "variance": ("variance", {"outcome": "depth", "covariates": ["arm"]}),
    "variance_ar1": ("variance", {"outcome": "depth", "residual": "ar1"}),
    "growth": ("growth", {"outcome": "depth", "by": ["arm"], "covariates": ["anxiety", "experience"]}),
    "growth_piecewise": ("growth", {"outcome": "depth", "time": "piecewise(3)"}),
    "growth_spline": ("growth", {"outcome": "depth", "time": "spline(3)"}),
    "within_between": ("within_between", {"outcome": "depth", "predictors": ["safety", "alliance"], "time": "linear"}),
    "slopes": (
        "within_between",
        {
            "outcome": "depth", "predictors": ["safety", "alliance"], "random_slopes": ["safety"],
            "moderators": ["anxiety", "arm"], "covariates": ["experience"],
        },
    ),
    "lagged": (
        "within_between",
        {
            "outcome": "depth", "predictors": ["safety", "alliance"], "lag": 1, "time": "linear",
            "random_slopes": ["time", "safety"], "moderators": ["anxiety"],
        },
    ),
    "inertia": ("within_between", {"outcome": "depth", "predictors": ["safety"], "own_lag": True}),
    "observed": (
        "within_between",
        {"outcome": "depth", "predictors": ["safety"], "lag": 1, "centring": "observed", "moderators": ["arm"]},
    ),
    "products": (
        "within_between",
        {
            "outcome": "depth", "predictors": ["safety", "alliance"], "interactions": ["alliance:safety"],
            "random_slopes": ["safety"], "moderators": ["anxiety"], "time": "linear",
        },
    ),
    "products_observed": (
        "within_between",
        {
            "outcome": "depth", "predictors": ["safety", "alliance"], "interactions": ["safety:alliance"],
            "centring": "observed",
        },
    ),
    "nested_only": ("within_between", {"outcome": "depth", "predictors": ["safety"], "therapist_level": False}),
}  # fmt: skip


def as_family(trial: Study, family: str) -> Study:
    """Turn the outcome's ratings into what the family expects."""
    depth = trial.sessions["depth"]
    share = (depth.rank() / (len(depth) + 1)).to_numpy()
    values = {
        "ordinal": np.ceil(share * 5),
        "bernoulli": (share > 0.5).astype(float),
        "beta": np.clip(np.round(share * 12) / 10 - 0.1, 0, 1) * 10,
        "negative_binomial": np.round(share * 6),
    }
    trial.sessions["depth"] = values.get(family, depth)
    return trial


def prior_draws(design: Design) -> tuple[Any, xr.Dataset]:
    """Draw parameters and effects from the prior; returns the model and two draws."""
    import pymc as pm

    model = multilevel(design)
    names = [variable.name for variable in (*model.free_RVs, *model.deterministics)]
    tree = pm.sample_prior_predictive(
        2, model=model, var_names=names, random_seed=11, compile_kwargs={"mode": "FAST_COMPILE"}
    )
    draws = tree["prior"].to_dataset()
    for thresholds in ("cutpoints", "ends"):  # independent draws know nothing of their order
        if thresholds in draws:
            draws[thresholds] = draws[thresholds].copy(data=np.sort(draws[thresholds].to_numpy(), axis=-1))
    for variable in model.free_RVs:
        model.rvs_to_initial_values[variable] = None  # start values stand in the way of removing transforms
    return model, draws


@pytest.mark.filterwarnings(BLAS, POTENTIALS)
@pytest.mark.parametrize(("choice", "family"), [
    *((choice, "gaussian") for choice in CHOICES), ("lagged", "student_t"), ("variance_ar1", "student_t"),
    ("growth", "ordinal"), ("within_between", "bernoulli"), ("growth", "beta"), ("growth", "negative_binomial"),
    *(("products", family) for family in laws() if family != "gaussian"),
])  # fmt: skip
def test_numpy_and_pymc_state_the_same_likelihood(choice: str, family: str) -> None:
    from pymc.model.transform.conditioning import remove_value_transforms

    kind, chosen = CHOICES[choice]
    trial = as_family(therapy(clients=8, sessions=5, therapists=3, ranges={"depth": (0, 10)}), family)
    design = build(trial, kind, "m", options(**chosen, family=family))
    model, draws = prior_draws(design)
    plain = remove_value_transforms(model)
    terms = [plain["y"], *(t for t in plain.potentials if t.name.startswith("y_"))]
    compiled = plain.compile_logp(vars=terms, jacobian=False, sum=False, mode="FAST_COMPILE")
    pointwise = log_likelihood(design, draws)
    assert pointwise.shape == (2, int((~np.isnan(design.y)).sum()))
    for draw in range(2):
        point = {v.name: draws[v.name].to_numpy()[0, draw] for v in plain.free_RVs}
        expected = float(sum(np.sum(term) for term in compiled(point)))
        # Single-precision constants in PyMC: seven digits.
        assert pointwise[draw].sum() == pytest.approx(expected, rel=1e-6, abs=1e-4)


@pytest.mark.filterwarnings(BLAS)
@pytest.mark.parametrize("parameterisation", ["noncentred", "centred"])
@pytest.mark.parametrize("family", list(laws()))
def test_sampling_can_start_with_missing_ratings(family: str, parameterisation: Any) -> None:
    choice = "lagged" if family in ("gaussian", "student_t") else "slopes"
    kind, chosen = CHOICES[choice]
    trial = as_family(therapy(clients=10, missing=0.15, therapists=3, ranges={"depth": (0, 10)}), family)
    trial.clients.loc["c004", "anxiety"] = np.nan
    design = build(trial, kind, "m", options(**chosen, family=family))
    model = multilevel(design, parameterisation)
    values = model.compile_logp(sum=False, mode="FAST_COMPILE")(model.initial_point())
    assert all(np.all(np.isfinite(value)) for value in values)
    documented = {"client_effects", "predictor_client", "within", "sd_client", "missing_covariate", "missing_safety"}
    assert documented <= {v.name for v in (*model.free_RVs, *model.deterministics)}
