"""Layout of floats in PDF: tables float with their notes, long ones run over pages, columns follow their content."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from safezone.reports.tables import Table
from safezone.reports.typeset import EMBEDDED, READER, run_pandoc


def typst(table: Table, folder: Path) -> str:
    """Return what the embedded renderer gives to Typst."""
    arguments = ["--from", READER, "--to", "typst", "--columns", "100000", "--wrap", "none"]
    for script in ("refs.lua", "layout.lua"):
        arguments += ["--lua-filter", str(EMBEDDED / script)]
    return run_pandoc(arguments, table.to_markdown(), folder, "table")


def numbers(rows: int) -> Table:
    """Return a table of a label and two numbers."""
    frame = pd.DataFrame({"name": [f"Label {i}" for i in range(rows)], "a": [0.5] * rows, "b": [1.25] * rows})
    return Table(frame, caption="Numbers", notes="What they are.", label="tbl-numbers")


def test_a_short_table_floats_with_its_note(tmp_path: Path) -> None:
    text = typst(numbers(5), tmp_path)
    head, _, rest = text.partition("placement: auto")
    assert "#figure(" in head
    # The note comes before the label that ends the figure.
    assert rest.index("#table-note[") < rest.index("<tbl-numbers>")


def test_a_long_table_stays_in_place_and_may_break(tmp_path: Path) -> None:
    text = typst(numbers(60), tmp_path)
    assert "placement" not in text
    assert "set block(breakable: true)" in text


@pytest.mark.parametrize("kept", ["sec-results", "sec-theory"])
def test_some_parts_keep_their_floats_in_place_and_others_do_not(tmp_path: Path, kept: str) -> None:
    table = numbers(3).to_markdown()
    text = f"# Before\n\n{table}\n\n# Results {{#{kept}}}\n\n## A model\n\n"
    text += f"{table.replace('tbl-numbers', 'tbl-inside')}\n\n# After\n\n{table.replace('tbl-numbers', 'tbl-after')}"
    arguments = ["--from", READER, "--to", "typst", "--columns", "100000", "--wrap", "none"]
    for script in ("refs.lua", "layout.lua"):
        arguments += ["--lua-filter", str(EMBEDDED / script)]
    written = run_pandoc(arguments, text, tmp_path, "parts")
    placed = re.findall(r"placement: (\w+)", written)
    assert placed == ["auto", "none", "auto"]
    assert written.index(kept) < written.index("placement: none") < written.index("<tbl-inside>")


def test_the_title_of_a_callout_is_no_section(tmp_path: Path) -> None:
    text = "---\nnumber-sections: true\n---\n\n::: {.callout-important}\n## Simulated\n\nAll of it.\n:::\n\n"
    text += "# One {#sec-one}\n\n## Half {#sec-half}\n\n# Two {#sec-two}\n\nSee @sec-two and @sec-half.\n"
    arguments = ["--from", READER, "--to", "html", "--number-sections"]
    for script in ("refs.lua", "layout.lua"):
        arguments += ["--lua-filter", str(EMBEDDED / script)]
    written = run_pandoc(arguments, text, tmp_path, "callout").replace("\N{NO-BREAK SPACE}", " ")
    assert re.findall(r">Section ([\d.]+)</a>", written) == ["2", "1.1"]


def test_names_that_may_break_leave_room_for_short_columns(tmp_path: Path) -> None:
    long = "\N{ZERO WIDTH SPACE}".join(["theory_"] * 9)
    frame = pd.DataFrame({"row": ["T1 alliance"], "quantity": [long], "model": [long], "expected": ["positive"]})
    arguments = ["--from", READER, "--to", "docx"]
    for script in ("refs.lua", "layout.lua"):
        arguments += ["--lua-filter", str(EMBEDDED / script)]
    path = tmp_path / "table.docx"
    run_pandoc([*arguments, "--output", str(path)], Table(frame).to_markdown(), tmp_path, "table")
    with zipfile.ZipFile(path) as archive:
        document = archive.read("word/document.xml").decode("utf-8")
    widths = [int(width) for width in re.findall(r'<w:gridCol w:w="(\d+)"', document)]
    assert len(widths) == 4
    # "positive" and "T1 alliance" take about a tenth of the line each.
    assert min(widths[0], widths[3]) > 0.09 * sum(widths)


def test_short_columns_take_what_they_need_and_the_first_the_rest(tmp_path: Path) -> None:
    assert "columns: (1fr, auto, auto)" in typst(numbers(3), tmp_path)


def test_columns_of_long_texts_share_the_line(tmp_path: Path) -> None:
    frame = pd.DataFrame({"name": ["A"], "text": ["A long text that has to be broken over several lines. " * 3]})
    text = typst(Table(frame, caption="Texts", label="tbl-texts"), tmp_path)
    assert "1fr" not in text
    assert "columns: (" in text
    assert "%" in text


def test_a_prime_after_a_bracket_has_no_empty_base_in_word(tmp_path: Path) -> None:
    output = tmp_path / "a.docx"
    arguments = [
        "--from",
        READER,
        "--to",
        "docx",
        "--lua-filter",
        str(EMBEDDED / "layout.lua"),
        "--output",
        str(output),
    ]
    run_pandoc(arguments, "$$f(x)'a$$", tmp_path, "a")
    with zipfile.ZipFile(output) as word:
        body = word.read("word/document.xml").decode()
    # LibreOffice cannot read a superscript whose base is a closing bracket.
    assert "<m:sSup>" not in body
    assert "′" in body
