"""The page about the theory: every row is told, in both languages, and no sentence says more than its quantity."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import asdict
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from safezone.analysis.estimates import dump_json
from safezone.analysis.evidence import Finding, Part
from safezone.analysis.pooling import families
from safezone.analysis.principles import Principle, principles
from safezone.analysis.verdicts import Chances, word
from safezone.data.config import PrinciplesSection
from safezone.reports.figures.theory import MARKERS
from safezone.reports.parts import Article
from safezone.reports.prose import theory as prose

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
