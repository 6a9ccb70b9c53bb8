"""A response surface in a report: its story, tables and figure say what the card and the estimates say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from matplotlib.text import Text

from safezone.analysis.pipeline import run
from safezone.data.simulate_surface import simulate_surface
from safezone.reports import figures
from safezone.reports.parts import surfaces
from safezone.reports.parts.article import Article
from safezone.reports.parts.supplement import Supplement
from safezone.reports.prose.surface import told_as_surface
from safezone.reports.results import ModelResults, read_results

from .test_figures import assert_nothing_cut_off

STUDY = """
[study]
title = "Agreement (simulated)"
simulated = true
[data]
sessions = "sessions.csv"
[columns]
client = "client"
session = "session"
therapist = "therapist"
[variables.safety]
column = "x"
role = "safety"
rater = "client"
label = "Felt safety (client)"
unit = "points"
[variables.therapist_safety]
column = "z"
role = "safety"
rater = "therapist"
label = "Felt safety (therapist)"
unit = "points"
[variables.outcome]
column = "y"
role = "post_session"
rater = "client"
label = "Post-session outcome"
unit = "points"
[models.agreement]
kind = "congruence"
outcome = "outcome"
predictors = ["safety", "therapist_safety"]
centring = "observed"
[sampling]
draws = 500
warmup = 300
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a small study with one response surface."""
    place = tmp_path_factory.mktemp("agreement")
    drawn = simulate_surface(clients=40, sessions=6, therapists=5, seed=2)
    drawn.sessions.round(3).to_csv(place / "sessions.csv", index=False)
    (place / "study.toml").write_text(STUDY, encoding="utf-8")
    return run(place / "study.toml").folder


@pytest.fixture
def agreement(folder: Path) -> ModelResults:
    """The model's results."""
    return read_results(folder).model("agreement")


@pytest.mark.slow
@pytest.mark.parametrize("code", ["en", "de"])
def test_the_section_has_story_figure_and_tables(folder: Path, tmp_path: Path, code: str) -> None:
    article = Article.open(folder, code, str(tmp_path))
    model = article.results.model("agreement")
    assert told_as_surface(model)
    text = article.estimates(model)
    for label in ("fig-agreement-surface", "tbl-agreement-lines", "tbl-agreement-shapes", "tbl-agreement"):
        assert f"{{#{label}" in text
        assert f"@{label}" in text
    axis = model.card["surface"]["within"]["axis"]
    assert article.talk.number(axis["defined"], 0) in text  # how many draws have an axis is said
    for forbidden in ("{", "}"):  # no placeholder is left open outside of labels and citations
        bare = re.sub(r"\{#[^}]*\}|\{[.:][^}]*\}|:::[^\n]*", "", text)
        assert forbidden not in bare
    assert "significant" not in text.lower()


@pytest.mark.slow
def test_the_tables_hold_every_quantity_once(folder: Path, tmp_path: Path) -> None:
    article = Article.open(folder, "en", str(tmp_path))
    model = article.results.model("agreement")
    lines = surfaces.lines_table(article.n, model)
    for name in ("a₁", "a₂", "a₃", "a₄", "a₅"):
        assert lines.count(f"({name})") == 2  # within and between
    shapes = surfaces.shapes_table(article.n, model)
    assert shapes.count("rising ridge") == 2
    rest = article.estimates(model).split("{#tbl-agreement}")[0].rsplit("| Quantity", 1)[-1]
    assert "Surface term" not in rest  # they are in the table of both lines
    assert "Intercept" in rest


@pytest.mark.slow
def test_the_figure_says_what_it_draws(folder: Path, agreement: ModelResults) -> None:
    study = read_results(folder).study
    drawn = figures.surface(agreement, study)
    assert drawn is not None
    data = agreement.card["surface"]["within"]
    line = data["lines"]["congruence"]
    assert f"{line['mean'][-1]:.2f}".replace("-", "−") in drawn.alt
    assert "Felt safety (therapist)" in drawn.alt
    assert len(drawn.fig.axes) == 4
    clipped = {text for text in drawn.fig.findobj(Text) if text.get_clip_path() is not None}
    for text in clipped:  # numbers on contours, cut at the region of the data
        text.set_visible(False)
    assert_nothing_cut_off("surface", drawn)
    assert figures.surface(agreement, study, "de") is not None


@pytest.mark.slow
def test_the_card_names_nobody_and_holds_no_rating(folder: Path, agreement: ModelResults) -> None:
    text = json.dumps(agreement.card)
    assert not re.search(r"C00\d\d", text)
    assert len(agreement.card["variants"]) == 12
    assert {"set", "name", "label", "elpd", "se", "difference", "difference_se", "weight", "k_bad", "verdict"} == set(
        agreement.card["variants"][0]
    )


@pytest.mark.slow
def test_the_supplement_of_a_real_run_has_all_its_parts_and_levels(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    supplement = Supplement.open(folder)
    (model,) = supplement.models
    text = supplement.model(model)
    for label in ("priors", "quality", "checks", "ml", "shapes", "loo"):
        assert text.count(f"{{#tbl-agreement-{label}}}") == 1
    for label in ("expected", "prior", "ppc"):
        assert text.count(f"{{#fig-agreement-{label} ") == 1
    targets = set(re.findall(r"\{#((?:fig|tbl|eq)-[\w-]+)", text))
    assert set(re.findall(r"@((?:fig|tbl|eq)-[\w-]*\w)", text)) <= targets
    within, between = text.index("Within clients (session against the usual)"), text.index("Between clients (usual")
    estimates = text.split("## All estimates")[1].split("## Other")[0]
    assert estimates.count("(a₄), within clients") == estimates.count("(a₄), between clients") == 1
    assert within < between
    assert {one["name"] for one in model.card["quality"]} >= {"intercept", "surface_within[b3]", "sd_residual"}
    assert all(one["studies"] == 400 for one in model.card["prior_predictive"])
