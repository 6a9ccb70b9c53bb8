"""What the embedded renderer refuses, by file, line and name, and what it does when a cell fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from safezone.data.errors import InputError
from safezone.reports.execute import RenderError
from safezone.reports.metadata import authors, date_text, settings
from safezone.reports.qmd import Cell, Prose, parse
from safezone.reports.qmd_rules import check
from safezone.reports.render import render


def written(folder: Path, text: str, name: str = "doc.qmd") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


REFUSED = {
    "language": ("text\n\n```{r}\n1\n```\n", 3, "cell language `r`"),
    "diagram": ("```{mermaid}\na\n```\n", 1, "cell language `mermaid`"),
    "cell option": ("```{python}\n#| layout-ncol: 2\n1\n```\n", 1, "cell option `layout-ncol`"),
    "inline language": ("a\nb `{r} x`\n", 2, "inline language `r`"),
    "shortcode": ("a\n\n{{< video x.mp4 >}}\n", 3, "shortcode `video`"),
    "reference": ("a\n\nSee @lst-code.\n", 3, "cross-reference `@lst-`"),
    "theorem": ("::: {#thm-line}\na\n:::\n", 1, "label `#thm-`"),
    "margin": ("a\n::: {.column-margin}\na\n:::\n", 2, "block `.column-margin`"),
    "layout": ("::: {layout-ncol=2}\na\n:::\n", 1, "attribute `layout-ncol`"),
    "callout": ("::: {.callout-danger}\na\n:::\n", 1, "callout `danger`"),
    "key": ("---\ntitle: a\nrevealjs-plugins: [x]\n---\n", 3, "metadata key `revealjs-plugins`"),
    "format key": ("---\nformat:\n  safezone-html:\n    code-fold: true\n---\n", 2, "metadata key `code-fold`"),
    "engine": ("---\ntitle: a\nengine: knitr\n---\n", 3, "engine `knitr`"),
    "execute": ("---\nexecute:\n  cache: true\n---\n", 2, "execute option `cache`"),
}


@pytest.mark.parametrize(("text", "line", "feature"), REFUSED.values(), ids=REFUSED.keys())
def test_unsupported_features_are_refused_by_line_and_name(tmp_path: Path, text: str, line: int, feature: str) -> None:
    with pytest.raises(InputError) as caught:
        check(parse(written(tmp_path, text)))
    (fault,) = caught.value.faults
    assert (fault.file, fault.row) == ("doc.qmd", line)
    assert fault.rule == f"Unsupported: {feature}."
    assert "Quarto" in fault.remedy


def test_all_faults_come_at_once_and_name_included_files(tmp_path: Path) -> None:
    written(tmp_path, "fine\n\n{{< video x >}}\n", "_part.qmd")
    source = written(tmp_path, "---\nfoo: 1\n---\n\n{{< include _part.qmd >}}\n\n```{ojs}\n1\n```\n")
    with pytest.raises(InputError) as caught:
        render(source, ["html"], tmp_path / "out", renderer="embedded")
    places = [(fault.file, fault.row) for fault in caught.value.faults]
    assert places == [("doc.qmd", 2), ("_part.qmd", 3), ("doc.qmd", 7)]
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("text", "line", "rule"),
    [
        ("a\n\n```{python}\n1\n", 3, "never ends"),
        ("---\ntitle: a\n", 1, "front matter never ends"),
        ("---\ntitle: a: b\n---\n", 2, "not YAML"),
        ("a\n```{python}\n#| label: a\n#| fig-cap: [\n1\n```\n", 4, "not YAML"),
        ("a\n\n{{< include nothing.qmd >}}\n", 3, "does not exist"),
        ("```{python echo=FALSE}\n1\n```\n", 1, "`#|` lines"),
    ],
)
def test_broken_documents(tmp_path: Path, text: str, line: int, rule: str) -> None:
    with pytest.raises(InputError, match=rule) as caught:
        parse(written(tmp_path, text))
    assert caught.value.faults[0].row == line


def test_an_include_that_includes_itself_ends(tmp_path: Path) -> None:
    source = written(tmp_path, "{{< include doc.qmd >}}\n")
    with pytest.raises(InputError, match="too deeply"):
        parse(source)


def test_code_is_not_searched_for_features(tmp_path: Path) -> None:
    text = "```\n@lst-a {{< video >}}\n```\n\n<!-- {{< video >}} -->\n\n`{{< kbd x >}}` and `@lst-b`\n\nme\\@lst-c\n"
    document = parse(written(tmp_path, text))
    check(document)
    assert [type(block) for block in document.blocks] == [Prose]


def test_cells_know_their_lines(tmp_path: Path) -> None:
    document = parse(
        written(tmp_path, "---\ntitle: a\n---\n\ntext\n\n```{python}\n#| label: one\n#| echo: true\nx = 1\n```\n")
    )
    (cell,) = [block for block in document.blocks if isinstance(block, Cell)]
    assert (cell.line, cell.code_line, cell.label, cell.source) == (7, 10, "one", "x = 1")


def test_labels_are_unique(tmp_path: Path) -> None:
    text = "```{python}\n#| label: a\n1\n```\n\n```{python}\n#| label: a\n1\n```\n"
    with pytest.raises(InputError, match=r"line 1.*Rename"):
        check(parse(written(tmp_path, text)))


def test_dangling_references_name_the_nearest_label(tmp_path: Path) -> None:
    source = written(tmp_path, "# A {#sec-method}\n\nSee @sec-methods.\n")
    with pytest.raises(InputError, match=r"@sec-methods.*Did you mean @sec-method\?") as caught:
        render(source, ["html"], tmp_path / "out", renderer="embedded")
    assert caught.value.faults[0].row == 3


def test_a_failing_cell_is_named_with_line_label_and_traceback(tmp_path: Path) -> None:
    text = "text\n\n```{python}\n#| label: broken\nx = 1\ny = x / 0\n```\n"
    with pytest.raises(RenderError) as caught:
        render(written(tmp_path, text), ["html"], tmp_path / "out", renderer="embedded")
    message = str(caught.value)
    assert message.startswith("doc.qmd:6 (cell `broken`): ZeroDivisionError: division by zero")
    assert "y = x / 0" in message
    assert "\x1b" not in message
    assert not list((tmp_path / "out").iterdir())


def test_a_failing_inline_expression_is_named(tmp_path: Path) -> None:
    text = "one `{python} 1`\n\ntwo `{python} 2` and `{python} nothing`\n"
    with pytest.raises(RenderError, match=r"^doc\.qmd:3 \(inline `nothing`\): NameError"):
        render(written(tmp_path, text), ["html"], tmp_path / "out", renderer="embedded")


def test_errors_can_be_allowed(tmp_path: Path) -> None:
    text = "```{python}\n#| error: true\n1 / 0\n```\n\n```{python}\n#| eval: false\n1 / 0\n```\n"
    (made,) = render(written(tmp_path, text), ["html"], tmp_path / "out", renderer="embedded")
    assert "ZeroDivisionError: division by zero" in made.path.read_text(encoding="utf-8")


def test_a_cell_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    text = "```{python}\n#| label: slow\nimport time\ntime.sleep(60)\n```\n"
    with pytest.raises(RenderError, match=r"doc\.qmd:3 \(cell `slow`\): the cell took longer than 1 seconds"):
        render(written(tmp_path, text), ["html"], tmp_path / "out", renderer="embedded", timeout=1)


def test_a_kernel_that_dies_is_reported(tmp_path: Path) -> None:
    text = "```{python}\n#| label: dies\nimport os\nos._exit(1)\n```\n"
    with pytest.raises(RenderError, match=r"cell `dies`.*died here"):
        render(written(tmp_path, text), ["html"], tmp_path / "out", renderer="embedded")


def test_cells_run_in_this_python_and_know_the_format(tmp_path: Path) -> None:
    import sys

    text = (
        "```{python}\nimport json, os, sys\n"
        'info = json.load(open(os.environ["QUARTO_EXECUTE_INFO"]))\n```\n\n'
        '`{python} sys.executable` `{python} info["format"]["pandoc"]["to"]` `{python} os.environ["SZ_TEST"]`\n'
    )
    (made,) = render(
        written(tmp_path, text), ["html"], tmp_path / "out", renderer="embedded", environment={"SZ_TEST": "heard"}
    )
    html = made.path.read_text(encoding="utf-8")
    assert sys.executable in html
    assert "html heard" in html


def test_unknown_parameters_and_formats(tmp_path: Path) -> None:
    source = written(tmp_path, "```{python}\n#| tags: [parameters]\nalpha = 1\n```\n")
    with pytest.raises(InputError, match=r"no `beta`.*Use one of: alpha"):
        render(source, ["html"], tmp_path / "out", renderer="embedded", parameters={"beta": 1})
    with pytest.raises(InputError, match=r"unknown.*epub.*html, pdf, docx"):
        render(source, ["epub"], tmp_path / "out", renderer="embedded")  # type: ignore[list-item]
    with pytest.raises(InputError, match="no cell tagged"):
        render(
            written(tmp_path, "text `{python} 1`\n", "b.qmd"), ["html"], tmp_path / "out", renderer="embedded",
            parameters={"a": 1},
        )  # fmt: skip


def test_layers_of_metadata(tmp_path: Path) -> None:
    (tmp_path / "_quarto.yml").write_text(
        "execute:\n  echo: true\ntoc-depth: 1\nformat:\n  safezone-html:\n    toc-depth: 2\n", encoding="utf-8"
    )
    (tmp_path / "_quarto-ci.yml").write_text("execute:\n  error: false\nsubtitle: ci\n", encoding="utf-8")
    document = parse(written(tmp_path, "---\ntitle: A\nsubtitle: own\nformat:\n  safezone-docx:\n    toc: true\n---\n"))
    html = settings(document, "html", tmp_path, {"title": "B"}, "ci")
    docx = settings(document, "docx", tmp_path, {})
    assert (html.text("title"), html.text("subtitle"), html.number("toc-depth", 0)) == ("B", "own", 2)
    assert dict(html.execute) == {"echo": True, "warning": False, "error": False}
    assert (docx.number("toc-depth", 0), docx.flag("toc")) == (1, True)
    assert Path(html.text("csl")).is_file()


def test_project_files_are_checked_too(tmp_path: Path) -> None:
    (tmp_path / "_quarto.yml").write_text("website:\n  title: x\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"_quarto\.yml: Unsupported: metadata key `website`"):
        settings(parse(written(tmp_path, "a\n")), "html", tmp_path, {})


def test_authors_and_dates() -> None:
    value = [{"name": {"literal": "A"}, "affiliations": [{"name": "X"}, "Y"], "orcid": "0"}, "B"]
    assert [author["plain"] for author in authors(value)] == ["A", "B"]
    assert authors(value)[0]["affiliations"] == [{"name": "X"}, {"name": "Y"}]
    assert authors(None) == []
    assert date_text("2026-12-01", "en", Path("x")) == "December 1, 2026"
    assert date_text("in spring", "en", Path("x")) == "in spring"


def test_an_equation_label_in_the_wrong_place_is_named(tmp_path: Path) -> None:
    source = written(tmp_path, "text $$ a $$ {#eq-a} and @eq-a\n")
    with pytest.raises(RenderError, match=r"@eq-a has no target: a label stands after .* the closing \$\$"):
        render(source, ["html"], tmp_path / "out", renderer="embedded")


def test_heading_levels_are_made_consecutive(tmp_path: Path) -> None:
    """PDF/UA-1 refuses a document whose headings skip a level; here none is left to skip."""
    source = written(tmp_path, "---\ntitle: T\n---\n\n## A\n\n#### B\n\n#### C\n\n## D\n\n### E\n")
    html, pdf = render(source, ["html", "pdf"], tmp_path / "out", renderer="embedded")
    text = html.path.read_text(encoding="utf-8")
    assert [f"<h{level} data" in text or f"<h{level}>" in text for level in (1, 2, 3, 4)] == [True, True, False, False]
    assert pdf.notes == ()


def test_pictures_that_are_missing_are_named(tmp_path: Path) -> None:
    source = written(tmp_path, "![A](nothing.svg)\n")
    for format_ in ("pdf", "docx"):
        with pytest.raises(RenderError, match=r"nothing\.svg"):
            render(source, [format_], tmp_path / "out", renderer="embedded")
