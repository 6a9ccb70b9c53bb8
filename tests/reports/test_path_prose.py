"""The chain and the final outcome in a report: the story, the tables, the two-step answer, in both languages."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from syrupy.assertion import SnapshotAssertion

from safezone.reports import prose
from safezone.reports.figures.checks import MOST_CHECKS, check_name, predictive
from safezone.reports.numbers import Numbers
from safezone.reports.parts import Article
from safezone.reports.parts.paths import audit_table, paths_table, through_table
from safezone.reports.prose.labels import category_name, effect_name
from safezone.reports.prose.language import language
from safezone.reports.prose.names import parameter_kind, short_name
from safezone.reports.prose.paths import between, inherited, share_is_known, story, target_words
from safezone.reports.prose.verdicts import kind_of
from safezone.reports.results import Results, read_results


def module(name: str) -> object:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    write: Callable[..., Path] = module("path_sample").write_paths  # type: ignore[attr-defined]
    sample = module("sample_results")
    return {
        code: write(sample, tmp_path_factory.mktemp(f"paths_{code}") / "results", language=code)
        for code in ("en", "de")
    }


@pytest.fixture
def results(folders: dict[str, Path]) -> Results:
    return read_results(folders["en"])


@pytest.mark.parametrize(
    ("estimand", "kind", "parts"),
    [
        ("path.session.safety->alliance", "path", {"level": "session", "a": "safety", "b": "alliance"}),
        ("path.session.lag(safety)->depth", "path", {"level": "session", "a": "lag(safety)", "b": "depth"}),
        ("path.client.safety:time->final", "path", {"level": "client", "a": "safety:time", "b": "final"}),
        ("path.client.arm[active]->final", "path", {"level": "client", "a": "arm[active]", "b": "final"}),
        ("path.session.a->b.sd", "path_sd", {"a": "a", "b": "b"}),
        ("path.session.a->b:anxiety", "path_moderation", {"a": "a", "b": "b", "m": "anxiety"}),
        ("indirect.client.a->b->c", "indirect", {"level": "client", "a": "a", "via": "b", "b": "c"}),
        ("indirect.client.a->b->c->d", "indirect", {"level": "client", "a": "a", "via": "b->c", "b": "d"}),
        ("indirect.client.a->c", "indirect_all", {"level": "client", "a": "a", "b": "c"}),
        ("total.session.a->c", "total", {"level": "session", "a": "a", "b": "c"}),
        ("proportion.session.a->c", "proportion", {"level": "session", "a": "a", "b": "c"}),
        ("cov.session.a->b,b->c", "path_covariance", {"first": "a->b", "second": "b->c"}),
        ("probability.recovered", "probability", {"c": "recovered"}),
        ("intercept.safety", "intercept_of", {"x": "safety"}),
        ("safety.time", "time_of", {"x": "safety", "f": "time"}),
        ("sd.residual.safety", "sd_residual_of", {"x": "safety"}),
        ("safety.within", "within", {"x": "safety"}),
        ("arm[active]:time", "group_time", {"g": "arm", "c": "active"}),
    ],
)
def test_names_of_estimands_say_what_they_are(estimand: str, kind: str, parts: dict[str, str]) -> None:
    found = kind_of(estimand)
    assert (found.name, dict(found.parts)) == (kind, parts)


def test_the_story_runs_from_the_therapist_by_way_of_sessions_to_the_end(results: Results) -> None:
    assert story(results.model("chain")) == (
        "path.therapist.t_anxiety->safety",
        "total.session.safety->depth",
        "proportion.session.safety->depth",
        "path.client.anxiety->safety",
        "total.client.safety->final",
        "proportion.client.safety->final",
        "path.client.alliance->final",
        "path.client.safety:time->final",
    )
    assert story(results.model("final")) == ("path.client.safety->remission",)
    # the summary has one finding per level, between clients that on the final outcome
    assert prose.headlines(results.model("chain")) == (
        "path.therapist.t_anxiety->safety",
        "total.session.safety->depth",
        "total.client.safety->final",
    )


def test_a_chain_that_begins_elsewhere_is_told_from_both(results: Results) -> None:
    model = results.model("chain")
    more = model.estimates.loc[model.estimates["estimand"] == "total.session.safety->depth"]
    begins = more.assign(estimand="total.session.alliance->depth")
    card = {**model.card, "responses": [model.card["responses"][i] for i in (1, 0, 2)]}
    other = dataclasses.replace(model, card=card, estimates=pd.concat([model.estimates, begins], ignore_index=True))
    assert story(other)[1:4] == (
        "total.session.alliance->depth", "total.session.safety->depth", "proportion.session.safety->depth",
    )  # fmt: skip


@pytest.mark.parametrize("code", ["en", "de"])
def test_results_of_a_graph_in_words(folders: dict[str, Path], code: str, snapshot: SnapshotAssertion) -> None:
    n = Numbers(read_results(folders[code]))
    told = {name: prose.results(n, name) for name in ("chain", "final")}
    assert told == snapshot
    assert "{" not in "".join(told.values())
    # every number in prose is bound to a draw and locked
    for number in re.findall(r"[−]?\d+[.,]\d+", re.sub(r"(≥|=|<|>) \.?\d[.,\d]*|\d+[- ]?%[^ ]*", "", told["chain"])):
        assert any(number in locked.text for locked in n.used.values()), number


def test_methods_speak_of_sessions_only_where_paths_join_them(results: Results) -> None:
    n = Numbers(results)
    said = {name: prose.methods(n, name) for name in ("chain", "final")}
    assert all("An arrow is a hypothesis about order" in text for text in said.values())
    assert "Within sessions, paths join deviations" in said["chain"]
    assert "Within sessions" not in said["final"]


def test_sentences_name_the_level_they_speak_of(results: Results) -> None:
    n = Numbers(results)
    said = {
        estimand: prose.sentence(n, f"chain.{estimand}")
        for estimand in results.model("chain").scales
        if kind_of(estimand).name in {"path", "total", "indirect"}
    }
    assert said["path.session.safety->alliance"].startswith(
        "In sessions with felt safety (client) one point higher than is usual for the client, ratings of working"
    )
    assert "in the next session were 0.04 points higher" in said["path.session.lag(depth)->depth"]
    assert said["path.client.anxiety->safety"].startswith(
        "Clients one point higher on attachment anxiety (client) had a usual level of felt safety (client) that was "
        "0.25 points lower, other paths held constant"
    )
    assert "ended 1.1 points lower on symptoms at the end of therapy" in said["path.client.safety->final"]
    assert "rose by one point more per session ended" in said["path.client.safety:time->final"]
    assert said["path.client.arm[active]->final"].startswith("Clients with “active” rather than “")
    assert said["path.therapist.t_anxiety->safety"].startswith(
        "Therapists one point higher on attachment anxiety (therapist)"
    )
    assert (
        "by way of felt safety (client) and working alliance (client)"
        in (said["indirect.client.anxiety->safety->alliance->final"])
    )
    assert "significant" not in " ".join(said.values())
    assert "effect" not in " ".join(said.values())  # an arrow is no effect that was shown
    logits = prose.sentence(n, "final.path.client.safety->remission")
    assert "had log-odds of remission that were 0.8 higher" in logits


def test_what_differs_between_clients_can_be_quoted(results: Results) -> None:
    n = Numbers(results)
    assert prose.sentence(n, "chain.path.session.safety->alliance.sd").startswith(
        "Clients differed in the path from felt safety (client) to working alliance (client): its standard deviation"
    )
    assert "Felt safety (client) → Working alliance (client) and" in prose.sentence(
        n, "chain.cov.session.safety->alliance,alliance->depth"
    )
    assert prose.sentence(n, "chain.safety.time").startswith("On average, ratings of felt safety (client) rose by 0.03")


def test_probabilities_of_an_outcome_with_categories_are_told_together(results: Results) -> None:
    n, model = Numbers(results), results.model("final")
    assert "the probabilities were 43% [33%, 53%] of Remission." in prose.results(n, "final")
    assert short_name(model, "probability.remission", language("en")) == "Probability of Remission"
    assert category_name(model, "recovered", language("de")) == "Genesung"
    assert category_name(model, "[strange]", language("de")) == "[strange]"
    ordered = dataclasses.replace(model, card={**model.card, "outcomes": [{"name": "remission", "family": "ordinal"}]})
    size = {"size": "0.8", "units": "", "higher": "higher"}
    said = target_words(ordered, "client", ("safety", "remission"), language("en"), **size)
    assert said == "had log-odds of a higher category of remission that were 0.8 higher"


def test_a_share_is_told_only_where_the_total_is_not_zero(results: Results) -> None:
    model = results.model("chain")
    assert share_is_known(model, "proportion.session.safety->depth")
    assert between(model, kind_of("proportion.session.safety->depth")) == "alliance"
    assert between(model, kind_of("total.client.anxiety->final")) == "safety->alliance"
    model.scales  # noqa: B018 - the rows are read once, then one is made doubtful
    row = model.estimate("total.session.safety->depth")
    row["lower"] = -0.1
    told = prose.results(Numbers(results), "chain")
    row["lower"] = 0.26
    assert "Since the total may be zero, no share of it can be given." in told
    assert told.count("Of this difference") == 1  # between clients, where the total is known


def test_paths_that_therapists_inherit_are_not_told_twice(results: Results) -> None:
    model = results.model("chain")
    assert not inherited(model, "therapist", "t_anxiety->safety")
    assert inherited(model, "therapist", "safety->final")
    assert not inherited(model, "client", "safety->final")
    lists = prose.results(Numbers(results), "chain").split("\n- ")[1:]
    assert len(lists) == 3  # therapists, sessions, clients
    assert "Symptoms at the end" not in lists[0]
    assert "Between therapists" not in prose.results(Numbers(results), "final")


def test_the_table_of_paths_has_every_path_under_its_level(results: Results) -> None:
    n = Numbers(results)
    model = results.model("chain")
    table = paths_table(n, model)
    rows = [line for line in table.splitlines() if line.startswith("| &#8195;")]
    kinds = [kind_of(name).name for name in model.scales]
    assert len(rows) == sum(kind in {"path", "path_sd", "path_covariance"} for kind in kinds)
    order = [table.index(f"| {title} |") for title in
             ("Between therapists", "Between clients", "Between sessions of one client")]  # fmt: skip
    assert order == sorted(order)
    assert "{#tbl-chain-paths}" in table
    assert "−1.1 \\[−2.0, −0.2\\]" in table.replace("\N{NO-BREAK SPACE}", " ")


def test_routes_are_listed_once_and_end_where_the_story_ends(results: Results) -> None:
    n, model = Numbers(results), results.model("chain")
    table = through_table(n, model)
    end = "Symptoms at the end of therapy"
    rows = [line.split("|")[1].replace("&#8195;", "").strip() for line in table.splitlines() if line.startswith("| ")]
    assert rows[1:] == [
        # one route and a direct path: the route, the total, the share
        f"Between clients: Felt safety (client) → {end}",
        "by way of Working alliance (client)", "total", "share by way of others",
        # two routes and no direct path: all of them together are the total
        f"Between clients: Attachment anxiety (client) → {end}",
        "by way of Felt safety (client)", "by way of Felt safety (client) → Working alliance (client)", "total",
        "Between sessions of one client: Felt safety (client) → Depth of exploration",
        "by way of Working alliance (client)", "total", "share by way of others",
    ]  # fmt: skip
    assert through_table(n, results.model("final")) == ""


def test_the_two_step_answer_stands_beside_the_joint_one(results: Results) -> None:
    table = audit_table(Numbers(results), results.model("chain"))
    line = next(one for one in table.splitlines() if one.startswith("| Felt safety (client) → Symptoms"))
    assert "−1.1 \\[−2.0, −0.2\\]" in line.replace("\N{NO-BREAK SPACE}", " ")
    assert "−0.61 (0.31)" in line


def test_short_names_of_what_differs(results: Results) -> None:
    model, talk = results.model("chain"), language("en")
    assert short_name(model, "sd.client.safety", talk) == "SD of clients: felt safety (client)"
    assert effect_name("safety:time_alliance", model, talk) == (
        "felt safety (client), own rate of change and working alliance (client)"
    )
    assert short_name(model, "path.session.safety->alliance.sd", talk) == (
        "Felt safety (client) → Working alliance (client): SD between clients"
    )
    assert short_name(model, "cov.session.safety->alliance,alliance->depth", talk).endswith(
        ": covariance between clients"
    )


@pytest.mark.parametrize("code", ["en", "de"])
def test_the_article_shows_story_diagram_and_tables_of_a_graph(
    folders: dict[str, Path], tmp_path: Path, code: str
) -> None:
    article = Article.open(folders[code], figures_folder=str(tmp_path / "figures"))
    text = article.estimates(article.results.model("chain"))
    for label in ("fig-chain-paths", "tbl-chain-paths", "tbl-chain-through", "tbl-chain-audit", "tbl-chain"):
        assert len(re.findall(rf"#{label}\b[^-]", text)) == 1, label
        assert f"@{label}" in text, label
    assert "forest" not in text
    assert text.index("fig-chain-paths") < text.index("{#tbl-chain-paths}") < text.index("{#tbl-chain-audit}")
    assert (tmp_path / "figures" / "fig-chain-paths.svg").is_file()
    assert all(text.count(opener) == text.count(closer) for opener, closer in ("[]", "()", "{}"))
    assert article.summary().count("*") % 2 == 0
    checks = article.prediction(article.results.model("chain"))
    assert "Session depth" in checks or "Depth of exploration" in checks or "Tiefe" in checks


def test_the_many_parameters_of_a_graph_are_named_by_kind(results: Results) -> None:
    model, talk = results.model("chain"), language("en")
    named = {
        estimand: parameter_kind(model, {"estimand": estimand}, talk)
        for estimand in ("path.client.a->b", "intercept.safety", "sd.client.safety", "cor.client")
    }
    assert named == {
        "path.client.a->b": "Between clients: paths", "intercept.safety": "Intercepts",
        "sd.client.safety": "SDs of clients", "cor.client": "",
    }  # fmt: skip


def test_checks_of_several_ratings_say_of_which_and_the_worst_are_shown(results: Results) -> None:
    model, talk = results.model("chain"), language("en")
    pair = {"response": "safety, depth", "statistic": "correlation"}
    assert check_name(model, pair, talk) == "Felt safety (client) – Depth of exploration, correlation"
    assert check_name(model, {"statistic": "mean"}, talk) == "mean"
    many = [
        {"response": "safety", "statistic": "mean", "level": "session", "mean": 0.0, "lower": -1.0, "upper": 1.0,
         "observed": float(i), "p": 0.5}
        for i in range(MOST_CHECKS + 10)
    ]  # fmt: skip
    crowded = dataclasses.replace(model, card={**model.card, "ppc": many})
    figure = predictive(crowded, results.study)
    assert figure is not None
    assert len(figure.fig.axes[0].get_yticks()) == MOST_CHECKS
    assert "observed 10.0," in figure.alt  # the ten that fit best are left out
    assert "observed 9.0," not in figure.alt
