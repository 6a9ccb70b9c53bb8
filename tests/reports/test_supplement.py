"""The supplement: all pieces for every model, every reference with its target, figures that show something."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from syrupy.assertion import SnapshotAssertion

from safezone.reports.figures import check_name
from safezone.reports.figures.densities import MOST as MOST_PARAMETERS
from safezone.reports.figures.densities import prior_posterior
from safezone.reports.figures.prior_prediction import MOST, prior_prediction
from safezone.reports.metadata import TEMPLATES
from safezone.reports.parts import Supplement
from safezone.reports.parts.calibration import calibration, calibration_tables
from safezone.reports.parts.supplement_tables import ZERO_WIDTH, code
from safezone.reports.parts.tables import slug
from safezone.reports.prose.labels import label_of
from safezone.reports.prose.language import language
from safezone.reports.prose.supplement import _table
from safezone.reports.render import render
from safezone.reports.report import copy_template, find_template
from safezone.reports.results import read_results
from safezone.reports.starter import start

LABEL = {"en": "Session depth", "de": "Sitzungstiefe"}


def expected(
    label: str, *, observed: float | None = 4.0, level: str = "session", response: str = "y"
) -> dict[str, Any]:
    """Return the prior prediction of one variable as the analysis writes it."""
    rows = []
    for i, name in enumerate(("low", "mean", "high", "SD", "SD of client means")):
        if level == "client" and name == "SD of client means":
            continue
        middle = 2.0 + i if i < 3 else 1.5
        ends = {"lower": middle - 3, "lower_half": middle - 1, "median": middle, "upper_half": middle + 1,
                "upper": middle + 40}  # fmt: skip
        rows.append({"statistic": name, "observed": observed, **ends})
    return {"response": response, "label": label, "level": level, "family": "gaussian", "low": 1.0, "high": 7.0,
            "studies": 400, "outside": 0.31, "statistics": rows}  # fmt: skip


def extend(folder: Path, name: str, **more: Any) -> None:
    """Add to a card what only a supplement reads."""
    path = folder / "fits" / f"{name}.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    quality = [
        {"name": str(one["name"]), "mean": 0.1, "sd": 0.2, "mcse": 0.004, "rhat": 1.001, "ess_bulk": 2500.4,
         "ess_tail": 1800.2}
        for one in card["parameters"]
    ]  # fmt: skip
    for i, one in enumerate(card["parameters"]):
        raw = (-1.5, 1.5) if i % 2 == 0 else (None, None)
        one |= {"raw_lower": raw[0], "raw_upper": raw[1], "source": "library:alliance_outcome" if i == 1 else "default"}
    own = {"quality": quality, "prior_predictive": [expected(str(card["outcome"]["label"]))]}
    path.write_text(json.dumps({**card, **own, **more}), encoding="utf-8")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, write_sample: Callable[..., Path]) -> dict[str, Path]:
    """Return invented results by language with what a supplement reads; never written to."""
    found = {}
    for code_ in ("en", "de"):
        folder = write_sample(tmp_path_factory.mktemp(f"supplement-{code_}") / "results", language=code_)
        for path in sorted((folder / "fits").glob("*.json")):
            extend(folder, path.stem)
        found[code_] = folder
    return found


@pytest.fixture(params=["en", "de"])
def supplement(
    request: pytest.FixtureRequest, folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Supplement:
    """Return a supplement whose figures go to a scratch folder."""
    monkeypatch.chdir(tmp_path)
    return Supplement.open(folders[request.param])


def everything(supplement: Supplement) -> str:
    """Return all pieces in the order of the template."""
    pieces = [supplement.opening(), *(supplement.model(model) for model in supplement.models)]
    return "\n\n".join([*pieces, supplement.choices(), supplement.calibration(), supplement.software()])


def test_every_cross_reference_has_a_target_and_every_target_is_unique(supplement: Supplement) -> None:
    text = everything(supplement)
    targets = re.findall(r"\{#((?:fig|tbl|eq|sec)-[\w-]+)", text)
    assert len(targets) == len(set(targets))
    assert set(re.findall(r"@((?:fig|tbl|eq)-[\w-]*\w)", text)) <= set(targets)
    assert set(re.findall(r"\(#(sec-[\w-]+)\)", text)) <= set(targets)


def test_every_model_is_told_in_the_same_order(supplement: Supplement) -> None:
    order = ["models", "prior-prediction", "learned", "sampling", "prediction", "estimates", "other"]
    told = []
    for model in supplement.models:
        heads = re.findall(
            rf"^## .* \{{#sec-{slug(model.name)}-([\w-]+)\}}$", supplement.model(model), flags=re.MULTILINE
        )
        assert heads == [part for part in order if part in heads]
        assert {"models", "prior-prediction", "sampling", "prediction", "estimates"} <= set(heads)
        told.append(heads)
    assert order in told
    assert len(told) == 3


def test_every_prior_parameter_and_check_is_listed(supplement: Supplement) -> None:
    for model in supplement.models:
        text = supplement.model(model).replace(ZERO_WIDTH, "")
        for one in model.card["parameters"]:
            assert text.count(str(one["prior"]).replace("_", "\\_")) >= 1
            assert code(str(one["name"])).replace(ZERO_WIDTH, "") in text
        checks = model.card.get("ppc") or ()
        assert bool(checks) == (f"#tbl-{slug(model.name)}-checks" in text)
        for one in checks:
            assert check_name(model, one, supplement.article.talk) in text


def test_every_figure_has_alt_text_and_says_simulated(supplement: Supplement) -> None:
    figures = re.findall(
        r"!\[(?P<caption>.*?)\]\(figures/[^)]*\)\{#fig-\S+ fig-alt=\"(?P<alt>[^\"]{40,})\"", everything(supplement)
    )
    assert len(figures) >= 7
    word = {"en": "Simulated", "de": "Simulierte"}[supplement.article.talk.code]
    assert all(word in caption for caption, _ in figures)


def test_what_is_said_of_prior_prediction(supplement: Supplement, snapshot: SnapshotAssertion) -> None:
    (model,) = (one for one in supplement.models if one.name == "depth")
    text = supplement.model(model)
    start_ = text.index("#sec-depth-prior-prediction")
    assert text[start_ : text.index("#sec-depth-learned")] == snapshot


def test_no_forbidden_words(supplement: Supplement) -> None:
    text = everything(supplement).lower()
    assert not re.search(r"significan|confidence|signifikan|konfidenz", text)


def test_both_languages_say_the_same_things() -> None:
    table = _table()
    assert {key: set(part) for key, part in table["en"].items()} == {
        key: set(part) for key, part in table["de"].items()
    }
    fields = re.compile(r"\{(\w+)\}")
    for part, words in table["en"].items():
        for key, pattern in words.items():
            assert set(fields.findall(pattern)) == set(fields.findall(table["de"][part][key])), (part, key)


def test_cards_of_an_older_run_lack_the_new_parts_and_say_so(sample_folder: dict[str, Path], tmp_path: Path) -> None:
    supplement = Supplement.open(sample_folder["en"], figures_folder=str(tmp_path / "figures"))
    text = supplement.model(supplement.models[0])
    assert "holds no prior prediction" in text
    assert "-quality" not in text


def test_few_clients_observed_values_are_withheld_in_words_and_picture(
    tmp_path: Path, write_sample: Callable[..., Path]
) -> None:
    folder = write_sample(tmp_path / "results")
    extend(folder, "depth", prior_predictive=[expected("Depth", observed=None)])
    supplement = Supplement.open(folder, figures_folder=str(tmp_path / "figures"))
    (model,) = (one for one in supplement.models if one.name == "depth")
    text = supplement.model(model)
    assert "fewer clients than may be reported" in text
    drawn = prior_prediction(model, supplement.article.results.study)
    assert drawn is not None
    assert "observed" not in drawn.alt
    assert not [line for ax in drawn.fig.axes for line in ax.get_lines() if line.get_marker() == "D"]


def test_many_variables_go_on_in_further_figures(tmp_path: Path, write_sample: Callable[..., Path]) -> None:
    folder = write_sample(tmp_path / "results")
    many = [expected(f"Variable {i}", response=f"v{i}", level="client" if i == 7 else "session") for i in range(8)]
    extend(folder, "depth", prior_predictive=many)
    results = read_results(folder)
    model = results.model("depth")
    first, second = (prior_prediction(model, results.study, "en", at) for at in (0, MOST))
    assert first is not None
    assert second is not None
    assert prior_prediction(model, results.study, "en", 2 * MOST) is None
    assert "Variable 5" in first.alt
    assert "Variable 6" not in first.alt
    assert "Variable 7" in second.alt
    # What lies beyond three and a half ranges is cut off and marked; no axis is empty.
    for ax in first.fig.axes:
        assert ax.get_lines()
        assert ax.get_xlim()[1] < 20
        assert any(line.get_marker() == ">" for line in ax.get_lines())


def test_variables_that_cannot_vary_are_not_drawn(tmp_path: Path, write_sample: Callable[..., Path]) -> None:
    folder = write_sample(tmp_path / "results")
    extend(folder, "depth", prior_predictive=[{**expected("Depth"), "statistics": []}])
    results = read_results(folder)
    assert prior_prediction(results.model("depth"), results.study) is None


def test_prior_beside_posterior_goes_on_where_the_article_stops(folders: dict[str, Path]) -> None:
    results = read_results(folders["en"])
    model = results.model("depth")
    whole = prior_posterior(model, results.study)
    assert whole is not None
    shown = len(whole.fig.axes)
    rest = prior_posterior(model, results.study, first=shown - 1)
    assert rest is not None
    assert len(rest.fig.axes) == 1
    assert prior_posterior(model, results.study, first=shown) is None
    assert shown <= MOST_PARAMETERS


def test_weighted_fits_have_neither_r_hat_nor_rank_plots(tmp_path: Path, write_sample: Callable[..., Path]) -> None:
    folder = write_sample(tmp_path / "results")
    extend(folder, "depth", sampler="importance", remedies=[
        {"step": "as asked", "because": [], "verdict": "trusted",
         "settings": {"draws": 500, "warmup": 500, "target_accept": 0.9, "parameterisation": "usual"}}])  # fmt: skip
    table = pd.read_csv(folder / "diagnostics.csv").set_index("model")
    table.loc["depth", "sampler"] = "importance"
    table.loc["depth", "pareto_k_max"] = 0.21
    table.reset_index().to_csv(folder / "diagnostics.csv", index=False)
    supplement = Supplement.open(folder, figures_folder=str(tmp_path / "figures"))
    (model,) = (one for one in supplement.models if one.name == "depth")
    text = supplement.model(model)
    sampling = text[text.index("#sec-depth-sampling") : text.index("#sec-depth-prediction")]
    assert "weighted sample" in sampling
    assert "4 chains of 500 draws." in sampling
    assert "fig-depth-ranks" not in text
    assert "| R-hat" not in sampling


def test_priors_from_the_library_are_told_with_their_numbers(tmp_path: Path, write_sample: Callable[..., Path]) -> None:
    folder = write_sample(tmp_path / "results")
    record = {
        "estimand": "alliance.between_client", "name": "alliance_outcome", "citation": "Flückiger et al. (2018)",
        "doi": "10.1037/pst0000172", "prior": "mixture(0.8, 0.278, 0.122, 0, 1)", "k": 295, "measure": "r",
        "population": "adults", "estimate": 0.278, "se": 0.011, "tau": 0.1, "conversion": 0.25, "weight_before": 0.8,
        "weight_after": 0.31, "conflict": True,
    }  # fmt: skip
    extend(folder, "depth", literature=[record])
    supplement = Supplement.open(folder, figures_folder=str(tmp_path / "figures"))
    (model,) = (one for one in supplement.models if one.name == "depth")
    text = supplement.model(model)
    for part in (
        "295",
        "0.278",
        "10.1037/pst0000172",
        ".80",
        ".31",
        "relative *SD* of 0.25",
        "Data and literature disagree",
    ):
        assert part in text
    assert "library: alliance" in text.replace("\\", "")


def test_estimates_of_graphs_tell_their_levels_apart_and_leave_no_route_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sample, paths = load("sample_results"), load("path_sample")
    supplement = Supplement.open(paths.write_paths(sample, tmp_path / "results"))
    (model,) = (one for one in supplement.models if one.kind == "chain")
    text = supplement.model(model)
    estimates = text.split("-estimates}")[1].split("\n## ")[0]
    for label in ("chain-paths", "chain-through", "chain"):
        assert f"{{#tbl-{label}}}" in estimates
        assert f"@tbl-{label}" in estimates
    for head in ("Between sessions of one client", "Between clients"):
        assert head in estimates
    assert "all others stand in estimates.csv" not in estimates
    # The route that ends before the last rating is abridged in the article and stands here.
    ends = {str(name).rsplit("->", 1)[-1] for name in model.estimates["estimand"] if str(name).startswith("total.")}
    assert all(label_of(model, end) in estimates for end in ends)


def load(name: str) -> Any:
    """Return a module beside this file."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_choices_stand_at_the_end_where_they_were_varied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_sample: Callable[..., Path]
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = write_sample(tmp_path / "results")
    without = everything(Supplement.open(folder))
    assert "sec-theory-choices" not in without
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**manifest, "data": {"fingerprint": "f"}}), encoding="utf-8")
    load("test_multiverse").invented("f").to_csv(folder / "sensitivity.csv", index=False)
    text = everything(Supplement.open(folder))
    targets = set(re.findall(r"\{#((?:fig|tbl|eq|sec)-[\w-]+)", text))
    assert "@sec-theory-choices" in text
    assert set(re.findall(r"@((?:fig|tbl|eq|sec)-[\w-]*\w)", text)) <= targets


def test_models_added_for_the_theory_are_told_like_all_others(
    tmp_path: Path, write_sample: Callable[..., Path]
) -> None:
    folder = write_sample(tmp_path / "results")
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**manifest, "theory": {"added": ["depth"]}}), encoding="utf-8")
    supplement = Supplement.open(folder, figures_folder=str(tmp_path / "figures"))
    assert "depth" in {model.name for model in supplement.models}


def test_a_model_whose_sampling_failed_is_told_and_breaks_nothing(
    tmp_path: Path, write_sample: Callable[..., Path]
) -> None:
    folder = write_sample(tmp_path / "results")
    verdict = "not trusted: sampling failed (check the priors)"
    table = pd.read_csv(folder / "estimates.csv")
    table.loc[table["model"] != "depth"].to_csv(folder / "estimates.csv", index=False)
    table = pd.read_csv(folder / "diagnostics.csv").set_index("model")
    empty = ["rhat_max", "ess_bulk_min", "ess_tail_min", "bfmi_min", "pareto_k_max", "wall_seconds"]
    table.loc["depth", empty] = np.nan
    table.loc["depth", ["draws", "chains"]] = 0
    table.loc["depth", "verdict"] = verdict
    table.reset_index().to_csv(folder / "diagnostics.csv", index=False)
    nothing: dict[str, Any] = {"verdict": verdict, "sampler": "none", "crosscheck": None, "ppc": [], "loo": [],
                               "curves": [], "panel": None, "quality": [], "prior_predictive": [],
                               "remedies": []}  # fmt: skip
    extend(folder, "depth", **nothing)
    (folder / "fits" / "depth.nc").unlink()
    supplement = Supplement.open(folder, figures_folder=str(tmp_path / "figures"))
    text = everything(supplement)
    assert "(*not trusted*)" in text
    assert "Sampling failed (check the priors)" in text
    assert set(re.findall(r"@((?:fig|tbl|eq)-[\w-]*\w)", text)) <= set(re.findall(r"\{#((?:fig|tbl|eq)-[\w-]+)", text))


def test_calibration_is_that_of_the_kinds_used() -> None:
    sbc, recovery = (text.replace(ZERO_WIDTH, "") for text in calibration_tables({"dyad"}, language("en")))
    assert "dyad\\_alike" in sbc
    assert "chain" not in sbc
    assert "dyad\\_60x10x12" in recovery
    assert str(calibration()["generator"]) in sbc
    assert calibration_tables({"no such kind"}, language("en")) == ()


def test_no_estimate_stands_in_a_sentence_and_none_is_said_to_be_locked(
    supplement: Supplement, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAFEZONE_NUMBERS_LOCK", str(tmp_path / "numbers.lock.json"))
    text = everything(supplement)
    supplement.close()
    assert supplement.article.n.used == {}
    assert json.loads((tmp_path / "numbers.lock.json").read_text(encoding="utf-8")) == {"numbers": []}
    assert {"en": "not locked", "de": "nicht festgehalten"}[supplement.article.talk.code] in text


def test_template_is_found_copied_and_clean(tmp_path: Path) -> None:
    assert find_template("supplement", tmp_path) == TEMPLATES / "supplement"
    made = start(tmp_path / "study", template="supplement")
    assert tmp_path / "study" / "reports" / "supplement" / "supplement.qmd" in made
    panache = shutil.which("panache", path=str(Path(sys.executable).parent))
    assert panache is not None, "panache-cli belongs to the development tools"
    documents = [str(path) for path in sorted((TEMPLATES / "supplement").rglob("*.qmd"))]
    done = subprocess.run([panache, "lint", *documents], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("language", ["en", "de"])
def test_template_renders(tmp_path: Path, folders: dict[str, Path], language: str) -> None:
    project = copy_template(TEMPLATES / "supplement", tmp_path / "supplement")
    made = render(
        project / "supplement.qmd",
        ["html", "pdf"],
        tmp_path / "out",
        parameters={"results": str(folders[language])},
        metadata={"title": "T", "lang": language},
        renderer="embedded",
    )
    page = made[0].path.read_text(encoding="utf-8")
    assert {"en": "Prior prediction", "de": "Prior-Vorhersage"}[language] in page
    assert page.count("<figure") >= 7
    assert not re.search(r"@(?:fig|tbl|eq)-|\?\?|\(\w+\d{4}\?\)", re.sub(r"<[^>]*>", "", page))
    assert "Gabry" in page
    assert made[1].path.read_bytes().startswith(b"%PDF")
    assert made[1].notes == ()  # tagged, and PDF/UA-1
