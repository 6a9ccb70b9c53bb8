"""Dyads in a report: story, tables and figure say what the card and the estimates say, in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from safezone.analysis.pipeline import run
from safezone.reports import figures
from safezone.reports.numbers import Numbers
from safezone.reports.parts import dyads
from safezone.reports.parts.article import Article
from safezone.reports.prose.dyad import told_as_dyad
from safezone.reports.prose.language import language
from safezone.reports.prose.names import short_name
from safezone.reports.prose.verdicts import kind_of

pytestmark = pytest.mark.slow

RATINGS = {
    "safety": ("safety", "client", "Felt safety (client)"),
    "t_safety": ("safety", "therapist", "Felt safety (therapist)"),
    "depth": ("exploration", "client", "Depth (client)"),
    "t_depth": ("exploration", "therapist", "Depth (therapist)"),
}
VARIABLES = "\n".join(
    f'[variables.{name}]\ncolumn = "{name}"\nrole = "{role}"\nrater = "{rater}"\nrange = [-9, 19]\n'
    f'label = "{label}"\nunit = "points"'
    for name, (role, rater, label) in RATINGS.items()
)
STUDY = f"""
[study]
title = "Two people (simulated)"
simulated = true
[data]
sessions = "sessions.csv"
clients = "clients.csv"
[columns]
client = "client"
session = "session"
therapist = "therapist"
{VARIABLES}
[variables.anxiety]
column = "anxiety"
role = "attachment_anxiety"
label = "Attachment anxiety"
unit = "points"
[models.pair]
kind = "dyad"
outcome = "safety"
predictors = ["t_safety"]
moderators = ["time", "anxiety"]
[models.classic]
kind = "dyad"
outcome = "depth"
predictors = ["safety", "t_safety"]
partner = "t_depth"
[models.alike]
kind = "dyad"
outcome = "safety"
predictors = ["t_safety"]
distinguishable = false
[sampling]
chains = 2
draws = 500
warmup = 300
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dyads")
    rng = np.random.default_rng(4)
    clients, sessions = 24, 6
    n = clients * sessions
    client = np.repeat(np.arange(clients), sessions)
    usual = rng.normal(size=(clients, 4))
    shared = rng.normal(size=n)
    table: dict[str, object] = {
        "client": client, "session": np.tile(np.arange(1, sessions + 1), clients), "therapist": client % 6,
    }  # fmt: skip
    for v, name in enumerate(RATINGS):
        table[name] = (5 + 0.5 * usual[client, v] + 0.7 * shared + 0.7 * rng.normal(size=n)).round(2)
    pd.DataFrame(table).to_csv(folder / "sessions.csv", index=False)
    people = pd.DataFrame({"client": range(clients), "anxiety": rng.normal(3, 1, clients).round(2)})
    people.to_csv(folder / "clients.csv", index=False)
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    return run(folder / "study.toml").folder


@pytest.fixture(params=["en", "de"])
def article(results: Path, request: pytest.FixtureRequest, tmp_path: Path) -> Article:
    return Article.open(results, request.param, str(tmp_path))


@pytest.mark.parametrize("name", ["pair", "classic", "alike"])
def test_the_section_is_whole(article: Article, name: str) -> None:
    model = article.results.model(name)
    assert told_as_dyad(model)
    text = article.estimates(model)
    assert not re.search(r"\{[a-z_]+\}", text)  # every pattern is filled
    for estimand in model.estimates["estimand"].unique():
        if kind_of(estimand).name.startswith("dyad_") and set(".:[") & set(estimand):
            assert estimand not in text  # dotted names are for machines
    parts = ["effects", "shared", "versions"] + (["paths"] if name != "alike" else [])
    for part in parts:
        assert text.count(f"#tbl-{name}-{part}") == 1, part
        assert f"@tbl-{name}-{part}" in text, part
    assert f"#fig-{name}-paths" in text
    if article.talk.code == "de":
        assert not re.search(r"\b(sessions?|points?|average|clients)\b", re.sub(r"[(„][^)“]*[)“]", "", text))


def test_numbers_are_those_of_the_estimates(results: Path, tmp_path: Path) -> None:
    article = Article.open(results, "en", str(tmp_path))
    model = article.results.model("pair")
    text = article.estimates(model)
    for estimand in ("partner.same_session", "partner.therapist->client", "bias.directional"):
        said = article.n(f"pair.{estimand}").removeprefix("\N{MINUS SIGN}")
        ci = article.n.ci(f"pair.{estimand}")
        assert f"{said} points" in text, estimand
        assert ci in text, estimand
    first = article.n("pair.partner.same_session[time=first]")
    assert f"This was {first} at the first session" in text


def test_every_estimand_has_a_place_and_a_name_of_its_own(results: Path) -> None:
    n = Numbers(Article.open(results, "en").results, "en")
    for name in ("pair", "classic", "alike"):
        model = n.results.model(name)
        own = [e for e in model.estimates["estimand"].unique() if kind_of(e).name in dyads.LEFT_OUT]
        rows = dyads.effects_table(n, model) + dyads.shared_table(n, model)
        names = [short_name(model, estimand, language("en")) for estimand in own]
        assert len(set(names)) == len(own), sorted(names)
        raw = [estimand for estimand in own if "raw" in model.scales[estimand]]
        assert len(re.findall(r"\\\[", rows)) >= len(raw)  # an interval in each row


def test_the_diagram_shows_people_and_not_sums(results: Path) -> None:
    found = Article.open(results, "en").results
    for name, arrows in (("pair", 7), ("classic", 8), ("alike", 4)):
        model = found.model(name)
        graph = model.card["graph"]
        assert len(graph["arrows"]) == arrows
        labels = {str(node["label"]).removesuffix(" in the previous session") for node in graph["nodes"]}
        assert labels <= {label for _, _, label in RATINGS.values()} | {"Attachment anxiety"}
        drawn = figures.paths(model, found.study, "en")
        assert drawn is not None
        assert "um_" not in drawn.alt  # sum_safety


def test_versions_are_told_with_their_verdicts(results: Path, tmp_path: Path) -> None:
    article = Article.open(results, "en", str(tmp_path))
    model = article.results.model("pair")
    names = [row["name"] for row in model.card["variants"]]
    assert sorted(names) == sorted(
        ["partner.full", "partner.same_session", "partner.none", "members.distinguishable", "members.indistinguishable"]
    )
    # The two rate one session alike (a shared part of half the variance): no version without the partner does as well.
    verdicts = {row["name"]: row["verdict"] for row in model.card["variants"]}
    assert verdicts["partner.none"] == "worse"
    assert "worse by a model without partner effects" in article.estimates(model)
