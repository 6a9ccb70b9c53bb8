"""Priors as people write them: parsing, densities, draws, conversion, PyMC counterparts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from safezone.models.priors import KINDS, Prior, PriorError, check_support, defaults, parse


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_an_expression_survives_the_round_trip(kind: object) -> None:
    example = getattr(kind, "example")  # noqa: B009
    prior = parse(f"  {example} ")
    assert str(prior) == example
    assert parse(str(prior)) == prior


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("norml(0, 1)", "Did you mean normal"),
        ("normal(0)", "normal takes 2 parameters"),
        ("normal(0, -1)", "sd must be above 0"),
        ("normal(0, inf)", "improper"),
        ("flat()", "improper"),
        ("flat", "improper"),
        ("normal(0, one)", "'one' in"),
        ("uniform(1, 0)", "lower must be below upper"),
        ("__import__('os').system('true')", "is not a prior"),
        ("", "is not a prior"),
    ],
)
def test_a_wrong_prior_is_refused_with_the_way_to_write_it(expression: str, says: str) -> None:
    with pytest.raises(PriorError, match=says.replace("(", r"\(")):
        parse(expression)


@pytest.mark.parametrize("expression", ["normal(1, 2)", "student_t(3, 0, 2)", "half_normal(0.24)",
                                        "half_student_t(3, 0.5, 1)", "exponential(2)", "gamma(2, 0.5)",
                                        "beta(2, 3)", "uniform(-1, 3)"])  # fmt: skip
def test_density_integrates_to_one_and_agrees_with_draws_and_interval(expression: str) -> None:
    prior = parse(expression)
    total, _ = integrate.quad(lambda x: float(np.exp(prior.logpdf(x))), -60, 60, limit=400, points=[-1, 0, 1, 3])
    assert total == pytest.approx(1.0, abs=2e-3)  # Student tails beyond 60 hold up to 1e-3
    draws = prior.sample(np.random.default_rng(3), 40_000)
    lower, upper = prior.interval(0.8)
    # 40,000 draws: standard error of a tail share of 0.1 is 0.0015; four of them.
    assert np.mean(draws < lower) == pytest.approx(0.1, abs=0.006)
    assert np.mean(draws > upper) == pytest.approx(0.1, abs=0.006)
    assert np.all(np.isfinite(prior.logpdf(draws)))


def test_lkj_draws_have_the_marginal_of_their_interval() -> None:
    prior = parse("lkj(2)")
    draws = prior.sample(np.random.default_rng(1), 20_000, dimension=3)
    lower, upper = prior.interval(0.8, dimension=3)
    for i, j in ((0, 1), (0, 2), (1, 2)):  # an LKJ matrix has exchangeable correlations
        assert np.mean(draws[:, i, j] < lower) == pytest.approx(0.1, abs=0.0085)  # 4 standard errors
        assert np.mean(draws[:, i, j] > upper) == pytest.approx(0.1, abs=0.0085)
    assert np.all(np.linalg.eigvalsh(draws) > 0)


@pytest.mark.parametrize("expression", ["normal(1, 2)", "student_t(3, 0, 2)", "half_normal(0.24)",
                                        "half_student_t(3, 0, 1)", "exponential(2)", "gamma(2, 0.5)"])  # fmt: skip
def test_conversion_to_internal_units_is_a_change_of_variable(expression: str) -> None:
    prior = parse(expression)
    converted = prior.converted(0.25)
    x = np.array([0.1, 0.7, 2.0])
    assert converted.logpdf(0.25 * x) == pytest.approx(prior.logpdf(x) - np.log(0.25), rel=1e-12)


def test_only_priors_on_the_whole_line_can_be_moved() -> None:
    assert parse("normal(10, 2)").converted(0.5, -4.0) == Prior("normal", (1.0, 1.0))
    with pytest.raises(PriorError, match="cannot be moved"):
        parse("half_normal(1)").converted(0.5, -4.0)
    with pytest.raises(PriorError, match="no units"):
        parse("lkj(2)").converted(2.0)


def test_default_priors_fit_their_parameters_and_give_a_reason() -> None:
    for name, default in defaults().items():
        check_support(default.prior, default.support)
        assert default.reason.endswith("."), name


@pytest.mark.parametrize(
    ("expression", "support"), [("normal(0, 1)", "positive"), ("uniform(-1, 2)", "positive"), ("lkj(2)", "real")]
)
def test_a_prior_must_stay_where_its_parameter_can_be(expression: str, support: str) -> None:
    with pytest.raises(PriorError):
        check_support(parse(expression), support)  # type: ignore[arg-type]


def test_therapist_prior_says_five_percent() -> None:
    # E[SD²] of half_normal(0.24) is 0.24² = 5.8 %; 95 % of the share lies between about 0.2 and 29 %.
    draws = defaults()["sd_therapist"].prior.sample(np.random.default_rng(1), 100_000) ** 2
    assert draws.mean() == pytest.approx(0.0576, abs=0.001)
    assert stats.scoreatpercentile(draws, 97.5) == pytest.approx(0.29, abs=0.01)


@pytest.mark.slow
def test_pymc_counterparts_have_the_same_density() -> None:
    import pymc as pm

    x = np.array([0.1, 0.5, 0.9])
    for expression in ("normal(1, 2)", "student_t(3, 0, 2)", "half_normal(0.24)", "half_student_t(3, 0.5, 1)",
                       "exponential(2)", "gamma(2, 0.5)", "beta(2, 3)", "uniform(-1, 3)"):  # fmt: skip
        prior = parse(expression)
        with pm.Model(coords={"k": range(3)}) as model:
            variable = prior.to_pymc("theta", "k")
        density = pm.logp(variable, x).eval(mode="FAST_COMPILE")
        # PyMC folds some constants in single precision (7 digits).
        assert density == pytest.approx(prior.logpdf(x), abs=1e-6), expression
        assert model["theta"] is variable
