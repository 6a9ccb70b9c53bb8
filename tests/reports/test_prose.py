"""Prose from results: snapshots in both languages, and what must never be said."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from safezone.data.errors import InputError
from safezone.reports import prose
from safezone.reports.numbers import Numbers
from safezone.reports.prose.language import LANGUAGES, language
from safezone.reports.results import Results, read_results
from safezone.reports.rich import escape


def everything(n: Numbers) -> str:
    """Return all prose that a report may print."""
    said = [prose.summary(n), prose.participants(n), prose.methods_common(n), prose.limits(n)]
    for name in n.results.models:
        said += [prose.methods(n, name), prose.diagnostics(n, name), prose.crosscheck(n, name), prose.results(n, name)]
    return "\n\n".join(said)


def test_summary(results: Results, snapshot: SnapshotAssertion) -> None:
    assert prose.summary(Numbers(results)) == snapshot


def test_results(results: Results, snapshot: SnapshotAssertion) -> None:
    n = Numbers(results)
    assert {name: prose.results(n, name) for name in results.models} == snapshot


def test_methods(results: Results, snapshot: SnapshotAssertion) -> None:
    n = Numbers(results)
    said = {
        name: [prose.methods(n, name), prose.diagnostics(n, name), prose.crosscheck(n, name)] for name in results.models
    }
    assert [prose.participants(n), prose.methods_common(n), said] == snapshot


def test_nothing_forbidden_is_said(results: Results) -> None:
    said = everything(Numbers(results)).lower()
    for word in ("significan", "signifikan", "confidence", "konfidenz", "effect of treatment", "caused", "verursacht"):
        assert word not in said
    assert not re.search(r"[{}]|\bnan\b|\bnone\b", said)
    assert "  " not in said


def test_simulated_data_are_called_simulated(results: Results) -> None:
    word = {"en": "simulated", "de": "simuliert"}[results.study.language]
    assert word in prose.summary(Numbers(results))


@pytest.mark.parametrize("code", LANGUAGES)
def test_languages_have_the_same_patterns(code: str) -> None:
    def leaves(table: dict[str, object], prefix: str = "") -> set[str]:
        found: set[str] = set()
        for key, value in table.items():
            found |= leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}"}
        return found

    # Words of the models come in English with the cards; units and phrases are vocabulary of one language.
    free = ("model.", "units.", "phrase.", "statistic.")
    tables = [dict(language(one).table) for one in ("en", code)]
    first, second = ({key for key in leaves(table) if not key.startswith(free)} for table in tables)
    assert first == second


@pytest.mark.parametrize("code", LANGUAGES)
def test_patterns_ask_for_the_same_values(code: str) -> None:
    english, other = language("en").table, language(code).table
    for section in ("sentence", "verdict", "methods", "alt", "figure", "table", "text", "name"):
        for key, pattern in english[section].items():
            if isinstance(pattern, str) and section not in ("sentence", "verdict"):
                fields = [set(re.findall(r"\{(\w+)\}", text)) for text in (pattern, other[section][key])]
                assert fields[0] == fields[1], f"{section}.{key}"


def test_every_estimand_type_has_a_name_and_a_sentence() -> None:
    text = files("safezone.reports.prose").joinpath("estimands.toml").read_text(encoding="utf-8")
    talk = language("en")
    for row in tomllib.loads(text)["type"]:
        assert talk.find(f"name.{row['name']}", "")
        silent = {"time_term"}
        assert row["name"] in silent or talk.find(f"sentence.{row['name']}", "")
        assert not row["verdict"] or talk.find(f"noun.{row['name']}", "")


@pytest.mark.parametrize(
    ("estimand", "kind"),
    [
        ("safety.within", "within"),
        ("safety.within.sd", "within_sd"),
        ("safety.opposite_sign", "within_opposite"),
        ("safety.within:anxiety", "moderation"),
        ("safety.within:alliance.within", "interaction"),
        ("safety.within[alliance.within=-1sd]", "interaction_at"),
        ("safety.within[anxiety=-1sd]", "within_at"),
        ("safety.between_client", "between_client"),
        ("safety.contextual", "contextual"),
        ("safety.sd.client", "predictor_sd"),
        ("own_lag", "inertia"),
        ("time", "time"),
        ("time^2", "time_term"),
        ("log_time", "log_time"),
        ("arm[active]", "group"),
        ("arm[active]:time", "group_time"),
        ("age:time", "covariate_time"),
        ("share.therapist", "share"),
        ("share.therapist_minus_arm", "therapist_minus_arm"),
        ("reliability.mean[11]", "reliability_mean"),
        ("sd.client.time", "sd_effect"),
        ("sd.residual", "sd_residual"),
        ("cor.client.intercept_time", "correlation"),
        ("something.new", "other"),
    ],
)
def test_names_tell_the_type(estimand: str, kind: str) -> None:
    assert prose.kind_of(estimand).name == kind


@pytest.mark.parametrize(
    ("beyond", "opposite", "inside", "word"),
    [
        (0.95, 0.0, 0.05, "supported"),
        (0.949, 0.0, 0.051, "leaning"),
        (0.80, 0.05, 0.15, "leaning"),
        (0.79, 0.0, 0.21, "undecided"),
        (0.0, 0.96, 0.04, "opposed"),
        (0.02, 0.02, 0.96, "negligible"),
    ],
)
def test_verdict_thresholds(beyond: float, opposite: float, inside: float, word: str) -> None:
    assert prose.judge(beyond, opposite, inside) == word


def test_verdict_without_draws_is_a_lower_bound(tmp_path: Path, write_sample: Callable[..., Path]) -> None:
    folder = write_sample(tmp_path / "results")
    exact = prose.verdict_of(read_results(folder).model("depth"), "safety.between_therapist")
    (folder / "fits" / "depth.nc").unlink()
    bound = prose.verdict_of(read_results(folder).model("depth"), "safety.between_therapist")
    assert exact is not None
    assert bound is not None
    assert exact.exact
    assert not bound.exact
    assert bound.probability <= exact.probability


def test_expectation_turns_support_into_opposition(english: Results) -> None:
    found = prose.verdict_of(english.model("depth"), "safety.within", expected=-1)
    assert found is not None
    assert found.word == "opposed"


def test_a_fit_that_failed_is_not_trusted(tmp_path: Path, write_sample: Callable[..., Path]) -> None:
    folder = write_sample(tmp_path / "results")
    path = folder / "fits" / "depth.json"
    reason = "not trusted: R-hat 1.043 is above 1.01 (longer warm-up)"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"verdict": reason}))
    n = Numbers(read_results(folder))
    assert "*not trusted*" in prose.summary(n)
    assert prose.results(n, "depth").startswith("**Not trusted.** R-hat 1.043 is above 1.01")
    assert "supported" not in prose.results(n, "depth")


def test_a_summary_is_a_list_with_one_item_per_model(results: Results) -> None:
    n = Numbers(results)
    said = prose.summary(n)
    # Three models of the invented study; four of the example stay below 250 as well.
    assert 100 <= len(said.split()) <= 250
    opening, listed, closing = said.split("\n\n")
    items = listed.split("\n")
    assert len(items) == len(tuple(results.each()))
    for item, model in zip(items, results.each(), strict=True):
        assert item.startswith(f"- **{escape(prose.title(n, model))}.** ")
    assert not re.search(r"\[[−0-9]", opening)  # numbers with intervals are in the list
    assert "standard" not in opening + listed  # standardised sizes belong into the results
    assert results.study.title in opening
    assert closing


def test_a_summary_ends_its_list_with_what_is_said_across_models(results: Results) -> None:
    listed = prose.summary(Numbers(results), "**Across.** All of it.").split("\n\n")[1]
    assert listed.split("\n")[-1] == "- **Across.** All of it."


def test_a_summary_tells_few_findings_of_a_model(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, cut = Numbers(results), Numbers(results)
    more = language(whole.language).say("summary.more")
    assert more not in prose.summary(whole)
    monkeypatch.setattr("safezone.reports.prose.study.MOST_FINDINGS", 1)
    said = prose.summary(cut)
    assert 0 < said.count(more) < len(tuple(results.each()))
    # What is not said is not locked.
    assert set(cut.used) < set(whole.used)
    bare = {key: locked for key, locked in cut.used.items() if "|standardised|" not in key}
    assert [key for key, locked in bare.items() if locked.text.lstrip("−") not in said] == []


def test_a_finding_is_one_sentence_with_its_verdict(english: Results) -> None:
    n = Numbers(english)
    assert prose.finding(n, "depth.safety.within").endswith("(standardised: 0.32; *supported*, *P* > .99).")
    assert prose.finding(n, "depth.alliance.within").endswith("; *negligible*, *P* > .99).")
    assert prose.finding(n, "safety_shares.share.client") == prose.sentence(n, "safety_shares.share.client")


def test_a_verdict_without_draws_is_told_as_a_lower_bound(tmp_path: Path, write_sample: Callable[..., Path]) -> None:
    folder = write_sample(tmp_path / "results")
    (folder / "fits" / "depth.nc").unlink()
    assert "*P* ≥ ." in prose.finding(Numbers(read_results(folder)), "depth.safety.within")


def test_reasons_name_variables_by_their_labels(tmp_path: Path, write_sample: Callable[..., Path]) -> None:
    folder = write_sample(tmp_path / "results", language="de")
    path = folder / "fits" / "depth.json"
    card = json.loads(path.read_text())
    card["rows"]["excluded"] = [
        {"reason": "safety not rated", "n": 70},
        {"reason": "neither outcome nor predictors rated", "n": 7},
    ]
    path.write_text(json.dumps(card))
    said = prose.methods(Numbers(read_results(folder)), "depth")
    assert "(„Erlebte Sicherheit (Klient:in)“ nicht beurteilt)" in said
    assert "(weder Ergebnis noch Prädiktoren beurteilt)" in said


def test_what_the_analysis_room_says_has_german_words() -> None:
    """Every fixed sentence about cross-checks and every remedy is in the table of phrases."""
    talk = language("de")
    sources = ("crosscheck.py", "crosscheck_methods.py", "remedies.py")
    code = "".join(files("safezone.analysis").joinpath(name).read_text(encoding="utf-8") for name in sources)
    notes = [*re.findall(r'"(It [^"{]*\.)"', code), *re.findall(r'Rung\(\d, "([^"]+)"', code)]
    assert len(notes) > 8
    assert [note for note in notes if talk.phrase(note) == note] == []


@pytest.mark.parametrize(
    ("n", "noun", "en", "de"),
    [
        (0, "client", "no clients", "keine Klient:innen"),
        (1, "client", "one client", "1 Klient:in"),
        (2, "session", "two sessions", "zwei Sitzungen"),
        (1043, "session", "1,043 sessions", "1.043 Sitzungen"),
    ],
)
def test_things_are_counted_grammatically(n: int, noun: str, en: str, de: str) -> None:
    assert language("en").count(n, noun) == en
    assert language("de").count(n, noun) == de


def test_unknown_language_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="en, de"):
        language("fr")


def test_unknown_units_stand_as_they_are() -> None:
    talk = language("en")
    assert [talk.unit("kg", form) for form in range(3)] == ["one unit (kg)", "kg", "per kg"]
