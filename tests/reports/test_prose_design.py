"""Prose about a trial without therapists: what the design lacks is not named, and every covariate finds its words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from safezone.reports import prose
from safezone.reports.figures.growth import growth
from safezone.reports.numbers import Numbers
from safezone.reports.parts.tables import estimates_table, priors_table
from safezone.reports.prose.labels import split_unit
from safezone.reports.prose.language import language
from safezone.reports.results import Results, read_results

ESTIMANDS = {  # name: level, unit, standardised unit
    "intercept": ("population", "points", None),
    "time": ("session", "points per month", "SD per SD"),
    "pre": ("client", "points per unit of pre", "SD per SD"),
    "arm[active]": ("client", "points per category", "SD"),
    "sd.client.intercept": ("client", "points", None),
    "sd.residual": ("session", "points", None),
}


@pytest.fixture(params=["en", "de"])
def trial(request: pytest.FixtureRequest, tmp_path: Path, write_sample: Callable[..., Path]) -> Results:
    """Return the sample's growth model as a trial: months, covariates, no therapists, no interaction with time."""
    folder = write_sample(tmp_path / "results", language=request.param)
    table = pd.read_csv(folder / "estimates.csv")
    example = table.loc[(table["model"] == "course") & (table["estimand"] == "time")].set_index("scale")
    rows = []
    for name, (level, unit, standard) in ESTIMANDS.items():
        for scale, text in (("raw", unit), ("standardised", standard)):
            if text:
                rows.append({**example.loc[scale], "scale": scale, "estimand": name, "level": level, "unit": text})
    pd.DataFrame(rows)[table.columns].to_csv(folder / "estimates.csv", index=False)
    fits = pd.read_csv(folder / "diagnostics.csv")
    fits.loc[fits["model"] == "course"].to_csv(folder / "diagnostics.csv", index=False)
    path = folder / "fits" / "course.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    card["options"] |= {"covariates": ["pre", "arm"], "time_axis": "column"}
    card |= {"therapists": 0, "time_unit": "month"}
    keep = [parameter for parameter in card["parameters"] if parameter["estimand"] in ESTIMANDS]
    card["parameters"] = [*keep, {**keep[0], "name": "fixed[pre]", "estimand": "pre", "meaning": "Of pre."}]
    path.write_text(json.dumps(card), encoding="utf-8")
    return read_results(folder)


def test_what_the_design_lacks_is_not_named(trial: Results) -> None:
    n = Numbers(trial)
    model = trial.model("course")
    said = [prose.question(n, model), prose.methods(n, "course"), prose.methods_common(n), estimates_table(n, model)]
    for word in ("therapists", "Therapeut"):
        assert word not in " ".join(said)
    rates = {"en": "rates of change", "de": "Veränderungsraten"}[n.language]
    assert rates not in prose.methods(n, "course")


def test_the_sessions_that_were_used_are_counted(trial: Results) -> None:
    n = Numbers(trial)
    used, total = {"en": ("1,043 ", "1,120 "), "de": ("1.043 ", "1.120 ")}[n.language]
    for said in (prose.summary(n), prose.participants(n)):
        assert used in said
        assert total not in said


def test_differences_name_their_variable_and_no_time_without_an_interaction(trial: Results) -> None:
    n = Numbers(trial)
    text = prose.sentence(n, "course.arm[active]")
    assert {
        "en": "in the group “active” than in the group “waitlist” (arm)",
        "de": "in der Kategorie „active“ von „Arm“",
    }[n.language] in text
    assert language(n.language).say("words.other_terms") in text
    assert language(n.language).say("words.at_zero") not in text


def test_a_numeric_covariate_has_a_sentence_a_verdict_and_a_place(trial: Results) -> None:
    n = Numbers(trial)
    said = prose.sentence(n, "course.pre")
    assert {"en": "clients one unit higher on pre", "de": "„pre“ um eine Einheit höher lag"}[n.language] in said
    assert prose.verdict_word(n, "course.pre")
    table = estimates_table(n, trial.model("course"))
    assert language(n.language).say("table.group_covariates") in table
    assert "Of pre" not in priors_table(trial, language(n.language))


def test_time_has_its_unit(trial: Results) -> None:
    n = Numbers(trial)
    assert {"en": "points per month", "de": "Punkte pro Monat"}[n.language] in prose.sentence(n, "course.time")
    model = trial.model("course")
    drawn = growth(model, trial.study, n.language)
    assert drawn is not None
    label = drawn.fig.axes[-1].get_xlabel()
    assert label == {"en": "Month", "de": "Monat"}[n.language]


def test_a_time_column_without_a_unit_keeps_its_name(trial: Results) -> None:
    model = trial.model("course")
    model.card["time_unit"] = "unit of elapsed"  # type: ignore[index]
    assert split_unit("points per unit of elapsed", model) == ("points", "unit of elapsed")
    assert language("en").unit("unit of elapsed", 2) == "per unit of elapsed"
    assert language("de").unit("unit of elapsed", 2) == "pro Einheit von „elapsed“"
