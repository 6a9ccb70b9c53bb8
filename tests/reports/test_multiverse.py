"""What choices change: counted and told in both languages, drawn so that it survives greyscale, never hidden."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.lines import Line2D
from syrupy.assertion import SnapshotAssertion

from safezone.analysis.sensitivity import COLUMNS
from safezone.reports.figures.multiverse import multiverse as draw
from safezone.reports.parts import Article
from safezone.reports.parts import multiverse as section
from safezone.reports.prose import multiverse as prose

OWN = {
    "centring": "latent", "detrending": "linear", "therapists": "yes", "priors": "weak", "missing": "modelled",
    "outliers": "gaussian",
}  # fmt: skip


def invented(fingerprint: str = "f") -> pd.DataFrame:
    """Return two quantities of many specifications (one not trusted, one not possible) and one of two."""
    grid = [
        dict(zip(("centring", "detrending", "therapists"), values, strict=True))
        for values in product(("latent", "observed"), ("none", "linear", "own", "sessions"), ("yes", "no"))
    ]
    alone = [{"missing": "complete"}, {"missing": "pattern"}, {"outliers": "student_t"}]
    rows: list[dict[str, Any]] = []

    def add(name: str, part: str, quantity: str, changed: list[dict[str, str]], base: float, step: float) -> None:
        chosen = [dict(OWN), *(OWN | one for one in changed if OWN | one != OWN)]
        for number, choices in enumerate(chosen):
            mean = round(base + step * number, 4)
            verdict = "supported" if mean - 0.1 > 0.1 else "undecided"
            if "student_t" in choices.values():
                verdict = "not trusted: R-hat 1.02 is above 1.01"
            rows.append(
                {
                    "id": name, "part": part, "specification": number + 1, "own": number == 0, **choices,
                    "estimand": "x", "mean": mean, "lower": mean - 0.1, "upper": mean + 0.1, "probability": 0.9,
                    "verdict": verdict, "smallest": 0.1, "direction": 1, "study": fingerprint, "sessions": 100,
                    "quantity": quantity,
                }
            )  # fmt: skip

    add("C1", "same session", "Depth <deep> with Felt safety, within clients", grid + alone, 0.30, -0.008)
    add("C1", "next session", "Depth with Felt safety of the previous session, within clients", grid, 0.12, 0.004)
    add("X2", "", "the share of variance of Felt safety between clients", [{"outliers": "student_t"}], 0.4, 0.01)
    impossible = {"mean": None, "lower": None, "upper": None, "verdict": "not possible: no"}
    rows.append(rows[5] | impossible | {"specification": 99, "detrending": "quadratic"})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def places(line: Line2D) -> list[float]:
    """Return where a line's points stand on the horizontal axis."""
    return [float(place) for place in np.asarray(line.get_xdata(), dtype=float)]


@pytest.fixture(params=["en", "de"])
def article(
    request: pytest.FixtureRequest, tmp_path: Path, write_sample: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Article:
    """Return an article whose study was asked under many choices."""
    folder = write_sample(tmp_path / "results", language=request.param)
    manifest = folder / "manifest.json"
    content = json.loads(manifest.read_text(encoding="utf-8"))
    content["data"] = {**(content.get("data") or {}), "fingerprint": "f"}
    manifest.write_text(json.dumps(content), encoding="utf-8")
    invented().to_csv(folder / "sensitivity.csv", index=False)
    monkeypatch.chdir(tmp_path)
    return Article.open(folder)


def test_the_section_reads_like_this(article: Article, snapshot: SnapshotAssertion) -> None:
    assert re.sub(r"\]\(figures[^)]*\)", "](figure)", article.sensitivity()) == snapshot


def test_what_is_counted() -> None:
    same, following, share = prose.curves(invented())
    # 16 combinations of the grid, the own one among them, and three one at a time.
    assert (len(same.rows), same.impossible, same.untrusted) == (19, 1, 1)
    assert len(following.rows) == 16
    # 0.30 − 0.008 k > 0.2 for k < 12.5: the own one and 12 others; the last specification is not trusted.
    assert same.same == 13
    assert same.axes == ("centring", "detrending", "therapists", "missing", "outliers")
    assert share.axes == ("outliers",)
    assert same.rows["mean"].is_monotonic_increasing
    assert same.rows["own"].iloc[same.place]
    # Single departures from the own specification: the fit with t residuals comes last and is furthest away.
    assert same.moved_by("en") == "Outliers: t residuals, 0.14"


def test_choices_that_no_table_knows_stand_as_they_are() -> None:
    table = invented()
    table.loc[table["own"], "detrending"] = "spline(3)"
    found = prose.curves(table)[0]
    assert "spline(3)" in found.values("detrending")
    assert prose.choice("detrending", "spline(3)", "de") == "Trend: spline(3)"
    assert "spline(3)" in "".join(
        text.get_text() for ax in draw([found], "en").fig.axes for text in ax.get_yticklabels()
    )


def test_the_figure_marks_the_own_column_and_what_is_not_trusted_without_colour() -> None:
    found = prose.curves(invented())[:2]
    fig = draw(found, "en").fig
    fig.canvas.draw()
    above, _, below, _ = fig.axes
    own = found[0].place
    framed = [line for line in above.lines if places(line) in ([own - 0.5] * 2, [own + 0.5] * 2)]
    assert len(framed) == 2
    widths = {line.get_linewidth() for line in above.lines if places(line) == [own, own]}
    assert widths == {2.4}
    place = found[0].words.index("not trusted")
    (interval,) = [line for line in above.lines if places(line) == [place, place]]
    assert interval.get_linestyle() == "--"
    hollow = [line for line in below.lines if line.get_markerfacecolor() == "white" and places(line) == [place]]
    assert len(hollow) == len(found[0].axes)  # one dot per axis, hollow
    labels = [text.get_text() for text in below.get_yticklabels()]
    assert labels[:2] == ["Centring: latent means", "Centring: observed means"]
    assert not any("_" in label for label in labels)


def test_the_alternative_text_is_computed(article: Article) -> None:
    code = article.talk.code
    alt = draw(section.read(article.n)[:1], code).alt
    low, own = {"en": ("0.16", "0.30"), "de": ("0,16", "0,30")}[code]
    assert low in alt
    assert own in alt
    assert "19" in alt  # both the number of specifications and the own one's rank: it is the highest
    assert "13" in alt


def test_few_specifications_are_told_but_not_drawn(article: Article) -> None:
    page = article.sensitivity()
    assert page.count("![") == 1  # the two of C1 share a figure
    assert "X2" in page
    assert "\\<deep\\>" in page


def test_of_other_data_nothing_is_said(article: Article) -> None:
    invented("another").to_csv(article.results.folder / "sensitivity.csv", index=False)
    assert article.sensitivity() == ""


def test_a_table_of_an_older_version_is_left_alone(article: Article) -> None:
    old = invented().drop(columns=["missing", "outliers", "sessions", "quantity"])
    old.to_csv(article.results.folder / "sensitivity.csv", index=False)
    assert article.sensitivity() == ""
