"""The page about the theory: every row is told, in both languages, and no sentence says more than its quantity."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from safezone.analysis.estimates import dump_json
from safezone.analysis.evidence import Finding, Part
from safezone.analysis.pooling import families
from safezone.analysis.principles import Principle, principles
from safezone.analysis.theory import read_theory
from safezone.analysis.verdicts import Chances, word
from safezone.data.config import PrinciplesSection
from safezone.models.catalogue import CATALOGUE
from safezone.reports.figures.theory import MARKERS
from safezone.reports.parts import Article
from safezone.reports.prose import theory as prose
from safezone.reports.theory import answer

# mean, SD, P beyond, inside, against: one of each verdict, in turn.
SHAPES = [
    (0.36, 0.04, 0.99, 0.01, 0.0),
    (0.17, 0.07, 0.84, 0.16, 0.0),
    (0.08, 0.12, 0.43, 0.50, 0.07),
    (0.01, 0.03, 0.0, 0.99, 0.01),
    (-0.31, 0.06, 0.0, 0.02, 0.98),
]
MODEL = "depth"


def invented(row: Principle, language: str, shapes: Any, number: int) -> Finding:
    """Return a row with invented numbers; every third one is not testable."""
    parts = []
    for name, tests in row.parts.items():
        test = tests[0]
        labels = {slot: f"{slot.replace('_', ' ').capitalize()} <rating>" for slot in test.needs if slot != "therapist"}
        common: dict[str, Any] = {
            "name": name, "supporting": test.supporting, "kind": test.kind, "scale": test.scale,
            "words": dict(test.words), "labels": labels,
            "bounded": test.bounded, "smallest": test.smallest,
        }  # fmt: skip
        if number % 3 == 0:
            missing = (test.needs[0],)
            parts.append(Part(**common, verdict="not testable: needs it", obstacle="needs", missing=missing))
            continue
        mean, sd, beyond, inside, against = next(shapes)
        if test.bounded:
            mean, against = abs(mean), 0.0
        verdict = word(Chances(beyond, inside, against), PrinciplesSection())
        parts.append(
            Part(
                **common, verdict=verdict, model=MODEL, estimand=f"{row.id}.{name or 'only'}", mean=mean,
                lower=mean - 1.96 * sd, upper=mean + 1.96 * sd, sd=sd, beyond=beyond, inside=inside, against=against,
                mcse=0.002, mean_mcse=sd / 60, prior_sensitivity=0.01 + 0.1 * (number == 5),
                likelihood_sensitivity=0.1,
            )
        )  # fmt: skip
    main = next((part for part in parts if not part.supporting), parts[0])
    nothing = float("nan")
    tested = main.tested
    return Finding(
        id=row.id, column=row.column, statement=row.statement[language], combine=row.combine, parts=tuple(parts),
        verdict=main.verdict, probability=main.beyond, estimand=main.estimand, mean=main.mean, lower=main.lower,
        upper=main.upper, model=main.model, missing_roles=("role",) if not tested else (), p_rope=main.inside,
        p_opposed=main.against, smallest=main.smallest if tested else nothing, direction=1, mcse=main.mcse,
        prior_sensitivity=main.prior_sensitivity, likelihood_sensitivity=main.likelihood_sensitivity, sd=main.sd,
        mean_mcse=main.mean_mcse,
    )  # fmt: skip


@pytest.fixture(params=["en", "de"])
def article(
    request: pytest.FixtureRequest, tmp_path: Path, write_sample: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Article:
    """Return an article with every row of the theory answered."""
    folder = write_sample(tmp_path / "results", language=request.param)
    shapes = cycle(SHAPES)
    found = [invented(row, request.param, shapes, number) for number, row in enumerate(principles())]
    content = {
        "language": request.param,
        "interval": 0.95,
        "thresholds": PrinciplesSection().model_dump(mode="json"),
        "added": [],
        "rows": [asdict(one) for one in found],
        "families": [asdict(one) for one in families(found)],
    }
    (folder / "principles.json").write_bytes(dump_json(content))
    monkeypatch.chdir(tmp_path)
    return Article.open(folder)


def test_every_row_is_told_once_and_has_its_section(article: Article) -> None:
    page = article.theory()
    for row in principles():
        anchor = row.id.lower()
        assert page.count(f"](#sec-theory-{anchor})") == 1
        assert page.count(f"{{#sec-theory-{anchor} ") == 1


def test_the_page_reads_like_this(article: Article, snapshot: SnapshotAssertion) -> None:
    page = re.sub(r"!\[[^\n]*", "![figure]", article.theory())
    assert page == snapshot


def section(page: str, row: str) -> str:
    """Return the section of a row."""
    return re.split(r"\n#", page.split(f"{{#sec-theory-{row.lower()} ")[1])[0]


def items(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("- ")]


def prose_of(page: str) -> str:
    """Return what is read: no code, no targets of links, no labels of the study."""
    page = re.sub(r"`[^`]*`|\]\([^)]*\)|\{#[^}]*\}|!\[[^\n]*|@[\w-]+", " ", page)
    return re.sub(r"„[^“]*“", " ", page)


def test_the_parts_of_a_row_are_a_list(article: Article) -> None:
    page = article.theory()
    found = {row.id: number for number, row in enumerate(principles())}
    for row in principles():
        tests = [alternatives[0] for alternatives in row.parts.values()]
        deciding, beside = sum(not test.supporting for test in tests), sum(test.supporting for test in tests)
        text = section(page, row.id)
        tested = found[row.id] % 3 != 0
        assert len(items(text)) == tested * (deciding * (deciding > 1) + beside * (beside > 1))
        assert (prose.say("sentence.also", article.talk.code) in text) == (tested and beside > 0)
        for item in items(text):
            assert re.search(r"\[[^\]]*\d[^\]]*\].* \(\*[^*]+\*, \*P\*\s[=<>]\s[\d.,]+\)$", item), item


def test_running_prose_has_no_code_names(article: Article) -> None:
    told = prose_of(article.theory())
    assert not re.search(r"->|\w\\?_\w|\b[A-Z][\w-]*\.\w", told), re.findall(r".{20}(?:->|\w\\?_\w).{20}", told)
    for kind in {test.kind for row in principles() for test in row.tests if "_" in test.kind}:
        assert kind not in told


def test_no_language_has_words_of_the_other(article: Article) -> None:
    own = article.talk.code
    words: dict[str, set[str]] = {}
    for code in ("en", "de"):
        said = [text for row in principles() for text in (row.statement[code], row.against[code], row.causal[code])]
        said += [test.words[code] for row in principles() for test in row.tests]
        said += [name for row in principles() for name in row.parts if code == "en"]
        words[code] = set(re.findall(r"[a-zäöüß]{3,}", re.sub(r"\{\w+\}", " ", " ".join(said)).lower()))
    foreign = words["en" if own == "de" else "de"] - words[own]
    read = set(re.findall(r"[a-zäöüß]{3,}", prose_of(article.theory()).lower()))
    # "therapist" is the name of a column, partial pooling is glossed.
    shared = {"arm", "die", "was", "also", "partial", "pooling", "therapist"}
    assert sorted((read & foreign) - shared) == []


def test_probabilities_can_be_read_aloud(article: Article) -> None:
    page = article.theory()
    assert not re.search(r"(?:probability|Wahrscheinlichkeit|with|mit)[^.|]{0,30} [<>≤≥]", page)
    assert "nan" not in page.lower().split()


@pytest.mark.parametrize("code", ["en", "de"])
def test_what_stands_in_the_way_is_a_plain_sentence(code: str) -> None:
    for kind, detail in (
        ("model", "events"), ("option", "within_between: interactions"), ("estimand", "indirect.therapist.x->y"),
        ("needs", ""),
    ):  # fmt: skip
        part = Part(name="", supporting=False, verdict="not testable: x", obstacle=kind, detail=detail,
                    missing=("support",) if kind == "needs" else ())  # fmt: skip
        one = finding(parts=(part,), verdict="not testable: x")
        said = prose.sentence(one, code, 0.95, PrinciplesSection())
        assert said.endswith(".")
        assert not re.search(r"->|_|\{|\bevents\b.*:|interactions", said)
        assert prose.part_reason(part, code)


@pytest.mark.parametrize("code", ["en", "de"])
def test_every_model_to_come_has_words(code: str) -> None:
    here = {entry.kind for entry in CATALOGUE}
    for kind in {test.kind for row in principles() for test in row.tests} - here:
        assert prose.say(f"kind.{kind}", code)


def finding(**values: Any) -> Finding:
    """Return a row with invented numbers."""
    given: dict[str, Any] = {
        "id": "X7", "column": "across", "statement": "", "verdict": "undecided", "probability": 0.9, "estimand": "a",
        "mean": 0.2, "lower": 0.1, "upper": 0.3, "model": "one", "missing_roles": (), "p_rope": 0.1, "p_opposed": 0.0,
        "smallest": 0.1, "direction": 1, "mcse": 0.002, "prior_sensitivity": 0.01, "likelihood_sensitivity": 0.1,
        "sd": 0.05, "mean_mcse": 0.001, "combine": "all", "parts": (),
    }  # fmt: skip
    return Finding(**given | values)


def part(model: str, beyond: float, **values: Any) -> Part:
    given: dict[str, Any] = {
        "name": model, "supporting": False, "verdict": "undecided", "model": model, "estimand": "a", "mean": 0.2,
        "lower": 0.1, "upper": 0.3, "sd": 0.05, "beyond": beyond, "inside": 1 - beyond, "against": 0.0, "smallest": 0.1,
        "mcse": 0.002, "mean_mcse": 0.001, "words": {"en": "the share", "de": "der Anteil"},
    }  # fmt: skip
    return Part(**given | values)


def test_what_is_only_a_bound_is_called_one() -> None:
    section = PrinciplesSection()
    two = (part("one", 0.97), part("two", 0.948))
    leaning = finding(parts=two, verdict="leaning", probability=0.918)
    assert prose.chance_text(leaning, "en", section) == "≥ .91"
    assert "is at least .91: high, but short of the .95" in prose.sentence(leaning, "en", 0.95, section, listed=True)
    # Two low chances of different models: their sum says nothing, the lower of them is an upper bound.
    low = finding(parts=(part("one", 0.06), part("two", 0.0247)), probability=0.0)
    assert prose.chance_text(low, "de", section) == "≤ 0,03"
    assert "höchstens 0,03" in prose.sentence(low, "de", 0.95, section)
    joint = finding(parts=(part("one", 0.97), part("one", 0.948)), verdict="leaning", probability=0.918)
    assert prose.chance_text(joint, "en", section) == ".92"


def test_a_part_that_settles_a_row_is_named() -> None:
    parts = (part("one", 0.97), part("two", 0.0, inside=0.98, words={"en": "the other", "de": "das andere"}))
    settled = finding(parts=parts, verdict="negligible", probability=0.0, p_rope=0.98)
    said = prose.sentence(settled, "en", 0.95, PrinciplesSection(), listed=True)
    assert said == "Both parts have to hold, and one is, with a probability of .98, too small to matter: the other."


@pytest.mark.parametrize(
    ("direction", "place", "other"), [(1, "above 0.1", "below −0.1"), (-1, "below −0.1", "above 0.1")]
)
def test_the_expected_side_is_said(direction: int, place: str, other: str) -> None:
    one = finding(parts=(part("one", 0.5, expected=direction),), direction=direction, probability=0.5, p_opposed=0.2)
    said = prose.sentence(one, "en", 0.95, PrinciplesSection())
    assert said.index(place) < said.index(other)
    assert prose.expected_text(direction, 0.1, "en") in ("> 0.1", "< −0.1")


def test_a_quantity_that_never_varies_is_said_to_be_zero() -> None:
    still = finding(
        parts=(part("one", 0.0, bounded=True, mean=0.0, sd=0.0),), verdict="negligible", mean=0.0, lower=0.0, upper=0.0,
        sd=0.0, probability=0.0, p_rope=1.0,
    )  # fmt: skip
    said = prose.sentence(still, "en", 0.95, PrinciplesSection())
    assert "0 in every draw" in said
    assert "With a probability of more than .999 it is too small to matter" in said
    assert prose.estimate_of(still, "en", 0.95)[1].endswith("[0, 0]")


@pytest.mark.parametrize("width", [80, 120])
def test_the_console_breaks_no_estimate(article: Article, width: int) -> None:
    from rich.console import Console

    found = read_theory(article.results.folder)
    code = article.talk.code
    config = SimpleNamespace(
        study=SimpleNamespace(language=code), report=SimpleNamespace(interval=0.95), principles=PrinciplesSection()
    )
    console = Console(width=width, record=True, file=io.StringIO())
    _, *parts = answer(found, SimpleNamespace(config=config))  # type: ignore[arg-type]
    for one in parts:
        console.print(one, highlight=False, markup=False)
    printed = console.export_text()
    assert max(map(len, printed.splitlines())) <= width
    for row in found.findings:
        if row.estimand:
            mean, interval = prose.estimate_of(row, code, 0.95)
            assert f"{mean} {interval[interval.index('[') :]}" in printed
            assert f"{prose.symbol(row.verdict)} {prose.word(row.verdict, code)}" in printed
    assert "*" not in printed


def test_no_sentence_claims_too_much(article: Article) -> None:
    page = article.theory()
    assert not re.search(r"signific|signifik|confidence|Konfidenz|prove[sdn]?\b|beweis", page, re.IGNORECASE)
    # An effect is spoken of as the smallest one of interest, or as what an association is not.
    effects = re.findall(r"[^.]*\b(?:effects?|Wirkung|bewirkt)\b[^.]*\.", page)
    allowed = (
        "smallest effect of interest", "Associations are not effects", "sind keine Wirkungen", "Ohne sie",
        "Effects are personal", "was eine veränderte",
    )  # fmt: skip
    assert not [text for text in effects if not any(one in text for one in allowed)]


def test_what_is_printed_is_locked(article: Article) -> None:
    article.theory()
    locked = {key for key in article.n.used if key.startswith("principles.")}
    told = [row.id for number, row in enumerate(principles()) if number % 3]
    assert locked == {f"principles.{row}|{what}" for row in told for what in ("mean", "probability")}
    assert article.n.used["principles.T2a|mean"].verdict in prose.SYMBOLS


def test_verdicts_are_told_apart_without_colour() -> None:
    assert len(set(prose.SYMBOLS.values())) == len(prose.SYMBOLS)
    seen = [(style["marker"], style["fillstyle"], style["mfc"]) for style in MARKERS.values()]
    assert len(set(seen)) == len(seen)


def test_the_figure_says_what_it_shows(article: Article) -> None:
    from safezone.reports.parts import theory

    found = theory.read(article.results.folder)
    assert found is not None
    drawn, caption = theory.picture(found, article.n)
    assert drawn is not None
    assert re.search(r"\d", drawn.alt)
    assert article.talk.interval(0.95)[:2] in caption


def test_a_prior_that_leads_is_named(article: Article) -> None:
    page = article.theory()
    words = {"en": "Prior and data pull in different directions", "de": "Prior und Daten weisen in verschiedene"}
    assert words[article.talk.code] in page


def test_without_the_question_there_is_no_page(
    tmp_path: Path, sample_folder: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(sample_folder["en"], tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    assert Article.open(folder).theory() == ""
