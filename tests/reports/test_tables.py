"""Tables: numbers, signs, groups and headings, in every format."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from safezone.data.errors import InputError
from safezone.reports.rich import escape, plain, spans, write
from safezone.reports.tables import Column, Spanner, Table
from safezone.reports.typeset import pandoc

from .ooxml import W, paragraphs, part, text

NASTY = "<b> #1 $5 _u_ @x \\ | *s* `c` ~a^b {{< x >}} [l](m) & 'q' \"r\" --- =cmd"
NAMES = [NASTY, "שלום", "مرحبا", "Ünï ÇØ"]


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "level": ["Within", "Within", "Between", "Between"],
            "name": NAMES,
            "m": [-0.5, 12.25, np.nan, 1000.0],
            "n": [3, 1200, 5, 12],
            "r": [0.42, -0.1, 0.9, 1.0],
        }
    )


COLUMNS = (Column("name", "Variable"), Column("m", "*M*"), Column("n", "*n*"), Column("r", "*r*", leading_zero=False))


def parsed(markdown: str) -> list[Any]:
    """Return pandoc's reading of a Markdown text, as its own JSON."""
    done = subprocess.run(
        [str(pandoc()), "-f", "markdown", "-t", "json", "--columns", "100000"],
        input=markdown, capture_output=True, encoding="utf-8", check=True,
    )  # fmt: skip
    blocks: list[Any] = json.loads(done.stdout)["blocks"]
    return blocks


def cells(table: Any) -> list[list[str]]:
    """Return the body of a table as plain text."""
    return [[_plain(cell[4]) for cell in row[1]] for body in table["c"][4] for row in body[3]]


def _plain(node: Any) -> str:
    if isinstance(node, list):
        return "".join(_plain(one) for one in node)
    if not isinstance(node, dict):
        return ""
    kind = node["t"]
    if kind == "Str":
        return str(node["c"])
    if kind in ("Space", "SoftBreak"):
        return " "
    if kind in ("Plain", "Para", "Emph", "Strong"):
        return _plain(node["c"])
    return f"<{kind}>"


@pytest.mark.parametrize("spanners", [(), (Spanner("Both", "m", "n"),)], ids=["pipe", "grid"])
def test_markdown_shows_every_sign_as_it_is(frame: pd.DataFrame, spanners: tuple[Spanner, ...]) -> None:
    table = parsed(Table(frame, COLUMNS, spanners=spanners).to_markdown())[0]
    assert table["t"] == "Table"
    assert [row[0] for row in cells(table)] == NAMES


def test_numbers_are_aligned_at_the_decimal_sign(frame: pd.DataFrame) -> None:
    mixed = pd.DataFrame({"x": ["1.5", "−12", "0.25", "text"]})
    texts = [row.cells[0] for row in Table(mixed, (Column("x", align="right"),)).grid().rows]
    figure, point = "\N{FIGURE SPACE}", "\N{PUNCTUATION SPACE}"
    assert texts == [f"1.5{figure}", f"−12{point}{figure}{figure}", "0.25", "text"]
    # The padding survives pandoc, which trims ordinary blanks.
    assert [row[0] for row in cells(parsed(Table(mixed, (Column("x", align="right"),)).to_markdown())[0])] == texts


def test_english_and_german_numbers(frame: pd.DataFrame) -> None:
    english = [row.cells for row in Table(frame, COLUMNS).grid().rows]
    german = [row.cells for row in Table(frame, COLUMNS, language="de").grid().rows]
    assert [row[1] for row in english] == ["−0.50", "12.25", "–", "1,000.00"]
    assert [row[1] for row in german] == ["−0,50", "12,25", "–", "1.000,00"]
    assert [row[2] for row in english] == ["3", "1,200", "5", "12"]
    assert [row[3] for row in english] == [".42", "−.10", ".90", "1.00"]
    assert [row[3] for row in german] == [",42", "−,10", ",90", "1,00"]


def test_numbers_stand_right_and_words_left(frame: pd.DataFrame) -> None:
    assert Table(frame, COLUMNS).grid().aligns == ("left", "right", "right", "right")


def test_groups_head_their_rows(frame: pd.DataFrame) -> None:
    grid = Table(frame, COLUMNS, groups="level").grid()
    assert [row.cells[0] for row in grid.rows if row.group] == ["Within", "Between"]
    assert [row.group for row in grid.rows] == [True, False, False, True, False, False]
    assert all(row.cells[0].startswith("\N{EM SPACE}") for row in grid.rows if not row.group)


def test_spanner_covers_its_columns(frame: pd.DataFrame) -> None:
    table = parsed(Table(frame, COLUMNS, spanners=(Spanner("Both of *them*", "m", "n"),)).to_markdown())[0]
    upper, lower = table["c"][3][1]
    assert [(cell[2], cell[3]) for cell in upper[1]] == [(2, 1), (1, 2), (2, 1)]
    assert [_plain(cell[4]) for cell in upper[1]] == ["Variable", "Both of them", "r"]
    assert [_plain(cell[4]) for cell in lower[1]] == ["M", "n"]


@pytest.mark.parametrize("first", [True, False])
def test_spanner_at_either_edge(frame: pd.DataFrame, first: bool) -> None:
    keys = ("name", "m") if first else ("n", "r")
    table = parsed(Table(frame, COLUMNS, spanners=(Spanner("A long heading over two columns", *keys),)).to_markdown())[
        0
    ]
    upper, lower = table["c"][3][1]
    assert len(upper[1]) == 3
    assert len(lower[1]) == 2
    assert [len(row) for row in cells(table)] == [4, 4, 4, 4]


def test_notes_have_their_word(frame: pd.DataFrame) -> None:
    assert "*Note.* Text." in Table(frame, COLUMNS, notes="Text.").to_markdown()
    assert "*Anmerkung.* Text." in Table(frame, COLUMNS, notes="Text.", language="de").to_markdown()
    assert "table-note" not in Table(frame, COLUMNS).to_markdown()


def test_caption_and_label_are_pandocs(frame: pd.DataFrame) -> None:
    table = parsed(Table(frame, COLUMNS, caption="A *title*", label="tbl-x").to_markdown())[0]
    assert table["c"][0][0] == "tbl-x"
    assert _plain(table["c"][1][1]) == "A title"


def test_a_cell_offers_markdown_only(frame: pd.DataFrame) -> None:
    bundle = Table(frame, COLUMNS)._repr_mimebundle_()
    assert set(bundle) == {"text/markdown", "text/plain"}
    assert bundle["text/plain"] == "Table of 4 rows"


def test_unknown_column_is_named_with_the_valid_ones(frame: pd.DataFrame) -> None:
    with pytest.raises(InputError, match=r"nothing.*Use one of: level, name, m, n, r"):
        Table(frame, (Column("nothing"),))


def test_html_is_semantic_and_escaped(frame: pd.DataFrame) -> None:
    html = Table(frame, COLUMNS, caption="A *title*", groups="level", spanners=(Spanner("Both", "m", "n"),)).to_html()
    assert "<caption>A <em>title</em></caption>" in html
    assert '<th scope="colgroup" colspan="2"' in html
    assert html.count('scope="rowgroup"') == 2
    assert html.count('scope="row"') == 4
    assert "&lt;b&gt; #1 $5 _u_ @x \\ | *s*" in html
    assert "<b>" not in html
    assert html.count("<table") == html.count("</table>") == 1


def test_typst_compiles_with_every_sign(frame: pd.DataFrame, tmp_path: Path) -> None:
    import typst

    source = Table(
        frame, COLUMNS, caption="A *title* $\\beta$", notes="A note.", label="tbl-x", groups="level"
    ).to_typst()
    file = tmp_path / "table.typ"
    file.write_text(source + "\n\nSee @tbl-x.\n", encoding="utf-8")
    document = typst.compile(str(file), output=None)
    assert document.startswith(b"%PDF")
    assert "table.header(" in source
    # Typst's own reading of the cell: every sign is text, none is markup.
    words = "".join(_texts(json.loads(typst.query(str(file), "table"))))
    assert "<b>#1$5_u_@x\\|*s*`c`~a^b{{<x>}}[l](m)&" in words.replace(" ", "")


def _texts(node: Any) -> list[str]:
    if isinstance(node, list):
        return [word for one in node for word in _texts(one)]
    if isinstance(node, dict):
        own = [node["text"]] if isinstance(node.get("text"), str) else []
        return own + [word for one in node.values() if isinstance(one, dict | list) for word in _texts(one)]
    return []


def test_latex_has_booktabs_rules_and_no_bare_signs(frame: pd.DataFrame) -> None:
    latex = Table(frame, COLUMNS, spanners=(Spanner("Both", "m", "n"),), caption="A *title*").to_latex()
    assert (
        latex.index(r"\toprule")
        < latex.index(r"\cmidrule(lr){2-3}")
        < latex.index(r"\midrule")
        < latex.index(r"\bottomrule")
    )
    assert r"\textless{}b\textgreater{} \#1 \$5 \_u\_ @x \textbackslash{} \textbar{}" in latex
    assert r"\textit{M}" in latex
    assert "|" not in latex


def test_word_table_is_native(frame: pd.DataFrame, tmp_path: Path) -> None:
    table = Table(
        frame, COLUMNS, caption="A *title*", notes="A note.", groups="level", spanners=(Spanner("Both", "m", "n"),)
    )
    root = part(table.to_docx(tmp_path / "table.docx"))
    (native,) = list(root.iter(f"{W}tbl"))
    rows = native.findall(f"{W}tr")
    assert [row.find(f"{W}trPr/{W}tblHeader") is not None for row in rows] == [True, True] + [False] * 6
    words = [text(cell).strip("\N{EM SPACE}") for cell in native.iter(f"{W}tc")]
    assert set(NAMES) <= set(words)
    assert paragraphs(root, "TableNote") == ["Note. A note."]
    assert paragraphs(root, "TableCaption") == ["A title"]
    # A rule under every cell of the last head row, and under the spanner.
    borders = [cell.find(f"{W}tcPr/{W}tcBorders/{W}bottom") for cell in rows[1].findall(f"{W}tc")]
    assert [border is not None and border.get(f"{W}val") for border in borders] == ["single"] * 4


def test_default_columns_take_all_but_the_group(frame: pd.DataFrame) -> None:
    grid = Table(frame, groups="level").grid()
    assert grid.headers == ("name", "m", "n", "r")


def test_escape_undoes_itself() -> None:
    assert plain(escape(NASTY)) == NASTY
    assert write(escape("<&>"), "html") == "&lt;&amp;&gt;"
    assert write("*a* **b** x^2^ y~1~", "html") == "<em>a</em> <strong>b</strong> x<sup>2</sup> y<sub>1</sub>"
    assert [span.text for span in spans("a $\\beta_1$ b") if span.math] == ["\\beta_1"]


def test_line_ends_cannot_break_a_row() -> None:
    table = Table(pd.DataFrame({"a": ["one\ntwo\r\n| three"], "b": [1]}))
    assert cells(parsed(table.to_markdown())[0]) == [["one two | three", "1"]]
