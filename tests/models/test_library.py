"""The prior library: traceable, converted as it says, refused on the wrong level, and told when the data disagree."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from scipy.integrate import quad

from safezone.data.config import ModelSection
from safezone.data.errors import InputError
from safezone.data.examples import example_path
from safezone.data.study import read_study
from safezone.models.catalogue import model
from safezone.models.library import conflict, library, literature_weight
from safezone.models.priors import Prior, PriorError, parse

MIXTURE = "mixture(0.8, 0.28, 0.12, 0, 1)"
# As published; read from the abstracts on 2026-11-23. A change of the library has to change this table too.
PUBLISHED = {
    "alliance_outcome": ("10.1037/pst0000172", 295, 0.278, 0.256, 0.299),
    "anxiety_alliance": ("10.1080/10503307.2024.2370344", 33, -0.09, None, None),
    "avoidance_alliance": ("10.1080/10503307.2024.2370344", 33, -0.13, None, None),
    "insecurity_alliance": ("10.1037/a0022425", 17, -0.17, -0.23, -0.10),
    "therapist_share": ("10.1016/j.cpr.2018.08.004", 20, 0.05, 0.002, 0.29),
    "therapist_share_trial": ("10.1016/j.cpr.2018.08.004", 3, 0.082, 0.01, 0.29),
}


@pytest.fixture(scope="module")
def harbour():
    return read_study(example_path("harbour"))


def design(study, kind="within_between", **options):
    return model(kind).design(study, "asked", ModelSection(kind=kind, **options))


def of_outcome(study, priors, outcome="post_session"):
    return design(study, outcome=outcome, predictors=("alliance",), priors=priors)


# --- entries -----------------------------------------------------------------------------------------


def test_every_entry_is_as_published():
    found = {
        name: (one.record["doi"], one.record["k"], one.estimate, one.record.get("lower"), one.record.get("upper"))
        for name, one in library().items()
    }
    assert found == PUBLISHED


@pytest.mark.parametrize("entry", library().values(), ids=lambda one: one.name)
def test_an_entry_says_where_it_comes_from(entry):
    record = entry.record
    assert re.fullmatch(r"10\.\d{4,}/\S+", record["doi"])
    assert record["k"] >= 1
    assert entry.level in ("client", "therapist")
    for key in ("citation", "population", "heterogeneity", "verified", "measure"):
        assert record[key].strip()
    if entry.quantity == "slope":
        assert record["se_source"]
        assert record["tau_source"]
        assert 0 < entry.weight < 1
        if "lower" in record:  # the standard error is that of the published interval
            assert entry.se == pytest.approx((record["upper"] - record["lower"]) / 3.92, rel=0.05)


def test_standard_errors_from_p_values_are_those_of_the_p_values():
    from scipy.stats import norm

    assert library()["anxiety_alliance"].se == pytest.approx(0.09 / norm.isf(0.005), abs=5e-4)
    assert library()["avoidance_alliance"].se == pytest.approx(0.13 / norm.isf(0.0005), abs=5e-4)


def test_spreads_between_studies_are_those_that_the_published_numbers_imply():
    from scipy.stats import norm

    for name, i2 in (("anxiety_alliance", 0.437), ("avoidance_alliance", 0.447)):
        entry = library()[name]
        assert f"I² = {100 * i2:.1f} %" in entry.record["heterogeneity"]
        assert entry.tau == pytest.approx(math.sqrt(i2 * entry.record["k"] * entry.se**2), abs=5e-3)
    # 2 % of the 295 effects lie below zero; a study has 30,000 / 295 clients.
    of_effects = 0.278 / norm.isf(0.02)
    of_sampling = (1 - 0.278**2) / math.sqrt(30_000 / 295 - 1)
    assert library()["alliance_outcome"].tau == pytest.approx(math.sqrt(of_effects**2 - of_sampling**2), abs=5e-3)


# --- conversion and levels ---------------------------------------------------------------------------


def test_a_value_becomes_a_robust_mixture_on_its_own_level(harbour):
    built = of_outcome(harbour, {"alliance.between_client": "library:alliance_outcome"})
    prior = built.priors["between_client[alliance]"]
    weight, mean, sd, weak_mean, weak_sd = prior.parameters
    assert (weight, mean, weak_mean, weak_sd) == (0.8, 0.278, 0.0, 1.0)
    assert sd == pytest.approx(math.sqrt(0.011**2 + 0.10**2 + (0.25 * 0.278) ** 2), abs=1e-4)


def test_the_sign_turns_where_lower_outcomes_are_better(harbour):
    built = of_outcome(harbour, {"alliance.between_client": "library:alliance_outcome"}, outcome="symptoms")
    assert built.priors["between_client[alliance]"].parameters[1] == -0.278


def test_a_value_between_clients_is_refused_within_clients(harbour):
    with pytest.raises(InputError) as caught:
        of_outcome(harbour, {"alliance.within": "library:alliance_outcome"})
    told = str(caught.value)
    assert "is a value between clients (k = 295" in told
    assert "alliance.within is within clients" in told
    assert "no evidence about the other" in told


@pytest.mark.parametrize(
    ("estimand", "name", "said"),
    [
        ("alliance.between_therapist", "alliance_outcome", "is between therapists"),
        ("alliance.between_client", "therapist_share", "is a value between therapists"),
        ("alliance.between_client", "alliance_outcomes", "Did you mean"),
        ("alliance.between_client", "anxiety_alliance", "has the predictor attachment_anxiety"),
    ],
)
def test_what_does_not_fit_is_refused(harbour, estimand, name, said):
    with pytest.raises(InputError, match=re.escape(said)):
        of_outcome(harbour, {estimand: f"library:{name}"})


def test_attachment_has_a_prior_on_the_alliance(harbour):
    built = design(
        harbour, "variance", outcome="alliance", covariates=("anxiety", "avoidance"),
        priors={"anxiety": "library:anxiety_alliance", "avoidance": "library:avoidance_alliance"},
    )  # fmt: skip
    assert built.priors["fixed[anxiety]"].parameters[1] == -0.09
    assert built.priors["fixed[avoidance]"].parameters[1] == -0.13


def test_the_therapists_share_is_the_expected_share(harbour):
    built = design(
        harbour, "variance", outcome="post_session", priors={"sd.therapist.intercept": "library:therapist_share_trial"}
    )
    (sd,) = built.priors["sd_therapist[intercept]"].parameters
    assert sd**2 == pytest.approx(0.082, abs=5e-4)  # three decimals are kept of the SD


# --- the mixture -------------------------------------------------------------------------------------


def test_the_mixture_is_a_density_with_the_quantiles_it_says():
    prior = parse(MIXTURE)
    mass, _ = quad(lambda x: float(np.exp(prior.logpdf(x))), -9, 9, points=[0.28], limit=200)
    assert mass == pytest.approx(1.0, abs=1e-6)
    lower, upper = prior.interval(0.9)
    inside, _ = quad(lambda x: float(np.exp(prior.logpdf(x))), lower, upper, points=[0.28], limit=200)
    assert inside == pytest.approx(0.9, abs=1e-6)
    drawn = prior.sample(np.random.default_rng(0), 40_000)
    # The share of 40,000 draws has a standard error of 0.0015.
    assert np.mean((drawn > lower) & (drawn < upper)) == pytest.approx(0.9, abs=0.006)


def test_the_mixture_converts_like_its_parts():
    moved = parse(MIXTURE).converted(2.0, 1.0)
    assert moved.parameters == pytest.approx((0.8, 1.56, 0.24, 1.0, 2.0))
    x = np.linspace(-3, 3, 13)
    assert moved.logpdf(2 * x + 1) == pytest.approx(parse(MIXTURE).logpdf(x) - math.log(2))


def test_the_compiled_density_and_its_slope_are_those_of_the_mixture():
    from safezone.models.compilation import _law
    from safezone.models.gaussian import Free
    from safezone.models.parameter_map import prior_density

    prior = parse("mixture(0.7, -0.4, 0.15, 0.2, 0.9)")
    _, law = _law(Free("slope", prior))
    row = np.array(law)
    for x in (-2.0, -0.4, -0.1, 0.3, 1.7):
        value, slope = prior_density(row, x)
        assert value == pytest.approx(float(prior.logpdf(x)), abs=1e-12)
        numeric = (float(prior.logpdf(x + 1e-6)) - float(prior.logpdf(x - 1e-6))) / 2e-6
        assert slope == pytest.approx(numeric, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("text", ["mixture(1, 0, 1, 0, 1)", "mixture(0.5, 0, 0, 0, 1)", "mixture(0.5, 0, 1, 0)"])
def test_an_improper_mixture_is_refused(text):
    with pytest.raises(PriorError):
        parse(text)


@pytest.mark.slow
def test_pymc_has_the_same_density():
    import pymc as pm

    from safezone.models.priors import joint_pymc

    priors = [parse(MIXTURE), parse("mixture(0.6, -0.2, 0.3, 0, 2)")]
    with pm.Model(coords={"k": ["a", "b"]}) as made:
        joint_pymc("x", priors, "k")
    point = np.array([0.1, -0.7])
    expected = sum(float(prior.logpdf(x)) for prior, x in zip(priors, point, strict=True))
    assert float(made.compile_logp()({"x": point})) == pytest.approx(expected, abs=1e-9)


# --- conflict ----------------------------------------------------------------------------------------


def test_the_literature_keeps_its_weight_where_the_data_agree_and_loses_it_where_they_do_not():
    prior = Prior("mixture", (0.8, 0.28, 0.1, 0.0, 1.0))
    agreeing = np.random.default_rng(1).normal(0.25, 0.05, 4000)
    opposing = np.random.default_rng(1).normal(-0.6, 0.05, 4000)
    assert literature_weight(prior, agreeing) > 0.9
    assert not conflict(prior, agreeing)
    assert literature_weight(prior, opposing) < 1e-6
    assert conflict(prior, opposing)
