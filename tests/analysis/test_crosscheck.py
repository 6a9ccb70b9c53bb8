"""The other methods on data whose estimates are known in closed form, and on a study with predictors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from safezone.analysis.crosscheck import crosscheck, data_of
from safezone.analysis.crosscheck_methods import Data, mixed
from safezone.analysis.curves import _binned, pictures
from safezone.analysis.prior import prior_draws
from safezone.data.config import ModelSection
from safezone.data.study import read_study
from safezone.models.build import build
from safezone.models.catalogue import model


def estimates_of(**means: float) -> pd.DataFrame:
    rows = [{"estimand": name, "scale": "raw", "mean": value, "sd": 0.1} for name, value in means.items()]
    return pd.DataFrame(rows)


def test_reml_of_a_balanced_design_equals_the_anova_estimators(study_file):
    study = read_study(study_file)
    design = build(study, "variance", "v", ModelSection(outcome="safety"))
    found = crosscheck(design)(estimates_of(**{"sd.residual": 0.7, "sd.client.intercept": 0.8}))
    assert found is not None
    table = study.sessions.groupby("client")["safety"]
    within = table.var().mean()
    between = max(table.mean().var() - within / 6, 0)
    other = {row["estimand"]: row["other"] for row in found["rows"]}
    # Six sessions each and nothing missing: REML and ANOVA coincide; 1e-3 is the optimiser's tolerance.
    assert other["sd.residual"] == pytest.approx(np.sqrt(within), rel=1e-3)
    assert other["sd.client.intercept"] == pytest.approx(np.sqrt(between), rel=1e-3)
    assert {row["bayes_mean"] for row in found["rows"]} == {0.7, 0.8}


def test_predictors_are_split_at_observed_means_and_incomplete_rows_counted(study_file):
    path = study_file.parent / "sessions.csv"
    table = pd.read_csv(path)
    table.loc[3, "saf"] = np.nan
    table.to_csv(path, index=False)
    study = read_study(study_file)
    design = build(study, "within_between", "wb", ModelSection(outcome="alliance", predictors=("safety",), time="none"))
    data, dropped = data_of(design)
    assert dropped == 1
    assert data.names == ("intercept", "safety.within", "safety.between_client")
    sums = np.bincount(data.client, data.X[:, 1])
    assert np.abs(sums).max() < 1e-10
    names = {"safety.within": 0.1, "safety.between_client": 0.2}
    found = crosscheck(design)(estimates_of(**names))
    assert found is not None
    assert {row["estimand"] for row in found["rows"]} == set(names)
    assert all(row["other_se"] > 0 for row in found["rows"])
    assert "Lüdtke" in found["note"]
    assert "1 sessions with a missing value" in found["note"]


def test_moderations_and_interactions_are_compared_in_raw_units(example_study):
    study = read_study(example_study)
    options = ModelSection(
        outcome="exploration",
        predictors=("safety", "alliance"),
        interactions=("safety:alliance",),
        moderators=("anxiety",),
        time="none",
    )
    design = build(study, "within_between", "wb", options)
    names = ("safety.within:alliance.within", "safety.within:anxiety", "alliance.within:anxiety")
    found = crosscheck(design)(estimates_of(**dict.fromkeys(names, 0.1)))
    assert found is not None
    other = {row["estimand"]: (row["other"], row["other_se"]) for row in found["rows"]}
    assert set(other) == set(names)
    # Least squares within clients on raw columns: the same slopes but for the weights of the mixed model.
    table = study.sessions.iloc[design.row][["client", "safety", "alliance", "exploration"]].reset_index(drop=True)
    table = table[table.notna().all(axis=1)]

    def within(column: pd.Series) -> pd.Series:
        return column - column.groupby(table["client"]).transform("mean")

    safety, alliance = within(table["safety"]), within(table["alliance"])
    anxiety = study.clients["anxiety"].reindex(table["client"]).to_numpy()
    known = ~np.isnan(anxiety)
    columns = np.column_stack([safety, alliance, safety * anxiety, alliance * anxiety, within(safety * alliance)])
    slopes = np.linalg.lstsq(columns[known], within(table["exploration"])[known])[0]
    for name, slope in zip(("safety.within:anxiety", "alliance.within:anxiety", names[0]), slopes[2:], strict=True):
        assert abs(other[name][0] - slope) < 0.3 * other[name][1], name


def test_a_method_that_fails_says_so_instead_of_warning(rng):
    y = np.tile(rng.standard_normal(4), 5)  # no differences between clients: the variance lies on its bound
    client = np.repeat(np.arange(5), 4)
    data = Data(y, np.ones((20, 1)), ("intercept",), np.ones((20, 1)), client, np.zeros(0, dtype=np.int64))
    found = mixed(data)
    assert found is not None
    assert found.sds.get("client", (0.0,))[0] < 0.2
    assert found.notes


def test_curves_are_of_the_population_and_bins_keep_the_threshold(example_study):
    import xarray as xr

    study = read_study(example_study)
    entry = model("growth")
    design = entry.design(study, "course", ModelSection(outcome="symptoms", time="linear", by=("arm",)))
    rng = np.random.default_rng(1)
    shape = (2, 50)
    data: dict[str, Any] = {"intercept": (("chain", "draw"), rng.normal(0, 0.01, shape))}
    data["fixed"] = (
        ("chain", "draw", "term"),
        np.broadcast_to([0.0, 1.0, -0.5], (*shape, 3))[..., : design.F.shape[1]],
    )
    data["sd_client"] = (("chain", "draw", "client_effect"), np.full((*shape, len(design.client_effects)), 1e-6))
    data["sd_residual"] = (("chain", "draw"), np.ones(shape))
    posterior = xr.Dataset(data)
    found = pictures(design, posterior, rng, 10, {"arm": "usual"})
    assert found["panel"] is None
    assert found["curves"][0]["group"] == "usual"
    curve = found["curves"][0]
    assert len(curve["time"]) == len(curve["mean"]) == design.course.times.size
    # With no spread between clients every simulated client follows the expected course, up to the intercept's 0.01 SD.
    spread = np.abs(np.array(curve["spaghetti"]) - np.array(curve["mean"])).max()
    assert spread < 0.05 * design.outcome.sd
    x, y, client = np.arange(40.0), np.arange(40.0), np.arange(40)
    assert all(one["n"] >= 10 for one in _binned(x, y, client, 10))
    assert _binned(x[:9], y[:9], client[:9], 10) == []


def test_prior_draws_follow_the_declared_priors(study_file, fake, rng):
    study = read_study(study_file)
    design = fake.MODEL.design(study, "v", ModelSection(outcome="safety"))
    population = fake.posterior(design, 1, 2, 10)
    drawn = prior_draws(fake.MODEL.parameters(design), population, rng, draws=4000)
    assert drawn["sd_client"].dims == ("chain", "draw", "client_effect")
    assert float(drawn["intercept"].std()) == pytest.approx(1.0, abs=0.05)  # 4,000 draws: standard error 0.011
    assert float(drawn["sd_residual"].min()) >= 0
    assert "client_effects" not in drawn
