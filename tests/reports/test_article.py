"""The article: every piece is valid Markdown, every reference has its target, the template renders."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from syrupy.assertion import SnapshotAssertion

from safezone.reports.metadata import TEMPLATES
from safezone.reports.parts import Article
from safezone.reports.parts.article import display_equation
from safezone.reports.parts.glossary import entries
from safezone.reports.parts.tables import estimates_table, slug
from safezone.reports.prose.names import interpreted
from safezone.reports.render import render
from safezone.reports.report import copy_template


@pytest.fixture(params=["en", "de"])
def article(
    request: pytest.FixtureRequest, sample_folder: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Article:
    """Return an article whose figures go to a scratch folder."""
    monkeypatch.chdir(tmp_path)
    return Article.open(sample_folder[request.param])


def everything(article: Article) -> str:
    """Return all pieces in the order of the template."""
    pieces = [article.simulated(), article.summary(), article.participants(), article.measures(), article.priors()]
    for model in article.results.each():
        pieces += [article.model(model), article.estimates(model), article.prediction(model)]
    pieces += [
        article.sampling(),
        article.loo(),
        article.crosscheck(),
        article.limits(),
        article.glossary(),
        article.session(),
    ]
    return "\n\n".join(pieces)


def test_every_cross_reference_has_a_target_and_every_target_is_unique(article: Article) -> None:
    text = everything(article)
    targets = re.findall(r"\{#((?:fig|tbl|eq)-[\w-]+)", text)
    assert len(targets) == len(set(targets))
    assert set(re.findall(r"@((?:fig|tbl|eq)-[\w-]*\w)", text)) <= set(targets)


def test_every_figure_has_alt_text_and_says_simulated(article: Article) -> None:
    figures = re.findall(
        r"!\[(?P<caption>.*?)\]\(figures/[^)]*\)\{#fig-\S+ fig-alt=\"(?P<alt>[^\"]{40,})\"", everything(article)
    )
    assert len(figures) >= 10
    word = {"en": "Simulated", "de": "Simulierte"}[article.talk.code]
    assert all(word in caption for caption, _ in figures)


def test_tables_of_results_say_simulated(article: Article) -> None:
    notes = re.findall(r"::: \{\.table-note\}\n(.*?)\n:::", everything(article))
    word = {"en": "Simulated data.", "de": "Simulierte Daten."}[article.talk.code]
    # All but that of the priors, which come before the data.
    assert len(notes) >= 7
    assert [note.endswith(word) for note in notes].count(False) == 1


def test_every_prior_of_an_interpreted_parameter_is_listed_once(article: Article) -> None:
    text = article.priors()
    for model in article.results.each():
        for parameter in model.card["parameters"]:
            if interpreted(parameter):
                assert f"(${parameter['symbol']}$)" in text


def test_every_citation_is_in_the_bibliography(article: Article) -> None:
    bibliography = (TEMPLATES.parent / "references.bib").read_text(encoding="utf-8")
    known = set(re.findall(r"^@\w+\{([^,]+),", bibliography, flags=re.MULTILINE))
    cited = set(re.findall(r"(?<!\w)@([a-z]+\d{0,4})\b(?!-)", everything(article))) - {"fig", "tbl", "eq"}
    assert "kruschke2018" in cited
    assert cited <= known


def test_estimates_table(article: Article, snapshot: SnapshotAssertion) -> None:
    assert estimates_table(article.n, article.results.model("depth")) == snapshot


def test_numbers_of_the_article_are_locked(article: Article, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFEZONE_NUMBERS_LOCK", str(tmp_path / "numbers.lock.json"))
    everything(article)
    article.close()
    assert {"depth.safety.within|raw|mean", "course.time|raw|lower"} <= set(article.n.used)
    assert (tmp_path / "numbers.lock.json").is_file()


def test_a_study_that_is_not_simulated_does_not_say_so(tmp_path: Path, write_sample: Callable[..., Path]) -> None:
    article = Article.open(
        write_sample(tmp_path / "results", simulated=False), figures_folder=str(tmp_path / "figures")
    )
    assert "imulated data" not in everything(article)


def test_a_model_whose_sampling_failed_is_told_and_breaks_nothing(
    tmp_path: Path, write_sample: Callable[..., Path]
) -> None:
    folder = write_sample(tmp_path / "results")
    verdict = "not trusted: sampling failed (check the priors)"
    estimates = pd.read_csv(folder / "estimates.csv")
    estimates[estimates["model"] != "depth"].to_csv(folder / "estimates.csv", index=False)
    table = pd.read_csv(folder / "diagnostics.csv").set_index("model")
    empty = ["rhat_max", "ess_bulk_min", "ess_tail_min", "bfmi_min", "pareto_k_max", "wall_seconds"]
    table.loc["depth", empty] = float("nan")
    table.loc["depth", ["draws", "chains"]] = 0
    table.loc["depth", "verdict"] = verdict
    table.reset_index().to_csv(folder / "diagnostics.csv", index=False)
    path = folder / "fits" / "depth.json"
    nothing: dict[str, Any] = {
        "verdict": verdict,
        "sampler": "none",
        "crosscheck": None,
        "ppc": [],
        "loo": [],
        "curves": [],
        "panel": None,
    }
    path.write_text(json.dumps(json.loads(path.read_text()) | nothing))
    (folder / "fits" / "depth.nc").unlink()
    article = Article.open(folder, figures_folder=str(tmp_path / "figures"))
    text = everything(article)
    assert "**Not trusted.** Sampling failed (check the priors)." in article.estimates(article.results.model("depth"))
    assert set(re.findall(r"@((?:fig|tbl|eq)-[\w-]*\w)", text)) <= set(re.findall(r"\{#((?:fig|tbl|eq)-[\w-]+)", text))
    assert "nan" not in re.sub(r"[\w/]*tmp[^)]*", "", text).split()


def test_glossary_speaks_both_languages() -> None:
    for entry in entries():
        assert set(entry) == {"id", "en", "de"}
        assert set(entry["en"]) == set(entry["de"])


def test_equations_align_only_where_they_must() -> None:
    assert display_equation("y = x", "eq-a") == "$$\ny = x\n$$ {#eq-a}"
    assert "aligned" in display_equation(r"y &= x \\ z &= 1", "eq-a")


def test_slugs_are_labels() -> None:
    assert slug("Safety & depth (1)") == "safety-depth-1"
    assert slug("安全") == "model"


def test_template_is_clean_markdown() -> None:
    panache = shutil.which("panache", path=str(Path(sys.executable).parent))
    assert panache is not None, "panache-cli belongs to the development tools"
    documents = [str(path) for path in sorted((TEMPLATES / "article").rglob("*.qmd"))]
    done = subprocess.run([panache, "lint", *documents], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("language", ["en", "de"])
def test_template_renders(tmp_path: Path, sample_folder: dict[str, Path], language: str) -> None:
    project = copy_template(TEMPLATES / "article", tmp_path / "article")
    (done,) = render(
        project / "article.qmd",
        ["html"],
        tmp_path / "out",
        parameters={"results": str(sample_folder[language])},
        metadata={"title": "T", "lang": language},
        renderer="embedded",
    )
    page = done.path.read_text(encoding="utf-8")
    assert {"en": "Priors and analysis", "de": "Priors und Auswertung"}[language] in page
    assert page.count("<figure") >= 10
    assert not re.search(r"@(?:fig|tbl|eq)-|\?\?|\(\w+\d{4}\?\)", re.sub(r"<[^>]*>", "", page))
    assert "Vehtari" in page
