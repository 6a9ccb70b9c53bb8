"""One document with everything in it, in three formats, looked into from outside."""

from __future__ import annotations

import re
import shutil
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from safezone.reports.metadata import EXTENSION, TEMPLATES
from safezone.reports.render import Rendered, render

from .ooxml import WP, W, paragraphs, part, text

SINK = Path(__file__).parent / "kitchen_sink"


@pytest.fixture(scope="module")
def sink(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rendered]:
    # A path with blanks and non-ASCII letters, as users have them.
    folder = tmp_path_factory.mktemp("küchen spüle")
    out = folder / "out put"
    made = render(SINK / "sink.qmd", ["html", "docx", "pdf"], out, renderer="embedded", parameters={"threshold": 7})
    return {one.format: one for one in made}


class Page(HTMLParser):
    """Collect what the assertions ask for."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


@pytest.fixture(scope="module")
def page(sink: dict[str, Rendered]) -> Page:
    return Page(sink["html"].path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pdf(sink: dict[str, Rendered]) -> bytes:
    return sink["pdf"].path.read_bytes()


@pytest.fixture(scope="module")
def word(sink: dict[str, Rendered]) -> ET.Element:
    return part(sink["docx"].path)


def test_says_which_renderer_ran(sink: dict[str, Rendered]) -> None:
    assert all(re.fullmatch(r"embedded: pandoc 3\.[\d.]+, typst [\d.]+", one.renderer) for one in sink.values())
    assert all(one.notes == () for one in sink.values())


def test_html_stands_alone(page: Page) -> None:
    assert page.all("html")[0]["lang"] == "en"
    addresses = [one.get("src", "") for one in page.all("img")] + [one.get("src", "") for one in page.all("script")]
    assert all(address.startswith("data:") or address == "" for address in addresses)
    assert not [one for one in page.all("link") if one.get("rel") == "stylesheet"]


def test_html_has_landmarks_and_one_title(page: Page) -> None:
    assert len(page.all("main")) == 1
    assert len(page.all("nav")) == 1
    assert [one for one in page.all("h1") if one.get("class") == "title"]
    assert "Everything and the kitchen sink" in page.text


def test_parameters_inline_code_and_includes(page: Page) -> None:
    assert "The study is Harbour, the threshold 7, the mark a_b*c, and M = 4.20." in page.text
    assert "and so does this number: 42." in page.text
    assert "never seen" not in page.text


def test_references_to_floats_sections_and_equations(page: Page) -> None:
    flat = page.text.replace("\N{NO-BREAK SPACE}", " ")
    assert "See Figure 1, Table 1, Section 2, Equation 1 and Figure 1, Figure 2." in flat
    targets = {one["id"] for _, one in page.tags if "id" in one}
    links = [one["href"][1:] for one in page.all("a") if one.get("href", "").startswith("#")]
    assert {"fig-line", "tbl-numbers", "sec-method", "eq-model", "tbl-own"} <= targets
    assert set(links) <= targets


def test_captions_are_numbered_in_order(page: Page) -> None:
    flat = page.text.replace("\N{NO-BREAK SPACE}", " ")
    captions = [
        "Numbers by hand",
        "The package’s own table",
        "A table written by hand",
        "A data frame that shows itself",
    ]
    found = re.findall(r"Table (\d) (" + "|".join(captions) + ")", flat)
    assert found == [(str(number), caption) for number, caption in enumerate(captions, start=1)]
    assert "Figure 2. A picture by hand." in flat


def test_html_figures_have_alternative_text(page: Page) -> None:
    assert [one["alt"] for one in page.all("img")] == [
        "A line from 1 to 9 that rises ever more steeply.",
        "A black dot.",
    ]


def test_html_citations(page: Page) -> None:
    assert "(Podolan & Gelo, 2024; see also Bowlby, 1988, p. 11)" in page.text
    assert "Müller & Šimić (2020) say" in page.text
    assert "PyMC (Version 6.4) [Computer software]" in page.text
    assert "https://doi.org/10.36131/cnfioritieditore20240505" in page.text


def test_conditional_content(page: Page, word: ET.Element) -> None:
    assert "Only in HTML." in page.text
    assert "Only on paper." not in page.text
    assert "Only on paper." in text(word)
    assert "Only in HTML." not in text(word)


def test_callouts_and_tabs(page: Page, word: ET.Element) -> None:
    classes = [one.get("class", "") for one in page.all("div")]
    assert "callout callout-note" in classes
    assert "callout callout-warning" in classes
    assert [one["data-title"] for one in page.all("div") if one.get("class") == "tab-panel"] == ["First", "Second"]
    assert paragraphs(word, "CalloutTitle") == ["A note with a title", "Warning"]
    assert paragraphs(word, "TabTitle") == ["First", "Second"]


def test_code_is_shown_only_where_asked(page: Page) -> None:
    assert 'print("printed <text> & more")' in page.text
    assert "plt.plot" not in page.text
    assert "Not a feature: @lst-nothing and {{< video x >}} in code." in page.text


def test_docx_tables_are_native_with_header_rows(word: ET.Element) -> None:
    tables = list(word.iter(f"{W}tbl"))
    assert len(tables) == 4
    for table in tables:
        rows = table.findall(f"{W}tr")
        assert rows[0].find(f"{W}trPr/{W}tblHeader") is not None
        assert rows[-1].find(f"{W}trPr/{W}tblHeader") is None
        assert not list(table.iter(f"{W}tbl"))[1:], "nested table"


def test_docx_rows_stay_whole_and_tables_keep_their_notes(word: ET.Element) -> None:
    for table in word.iter(f"{W}tbl"):
        for row in table.findall(f"{W}tr"):
            assert row.find(f"{W}trPr/{W}cantSplit") is not None or row.find(f"{W}trPr/{W}tblHeader") is not None
        assert all(one.find(f"{W}pPr/{W}keepNext") is not None for one in table.iter(f"{W}p") if text(one))


def test_docx_special_signs_arrive_as_they_are(word: ET.Element) -> None:
    own = list(word.iter(f"{W}tbl"))[1]
    cells = [text(cell).strip("\N{EM SPACE}") for cell in own.iter(f"{W}tc")]
    assert "a_b <b> #1 $5 @x \\ | *s*" in cells
    assert "שלום" in cells
    assert "−0.50" in cells
    spanner = [cell.get(f"{W}val") for cell in own.iter(f"{W}gridSpan")]
    assert "2" in spanner


def test_docx_alternative_texts_survive(word: ET.Element) -> None:
    descriptions = [one.get("descr") for one in word.iter(f"{WP}docPr")]
    assert descriptions == ["A line from 1 to 9 that rises ever more steeply.", "A black dot."]


def test_docx_captions_are_counted_by_word(word: ET.Element) -> None:
    fields = [one.get(f"{W}instr", "").split()[1] for one in word.iter(f"{W}fldSimple")]
    assert fields == ["Figure", "Figure", "Table", "Table", "Table", "Table"]
    captions = [caption.replace("\N{NO-BREAK SPACE}", " ") for caption in paragraphs(word, "TableCaption")]
    assert captions[0].startswith("Table 1")
    assert captions[0].endswith("Numbers by hand")
    anchors = {one.get(f"{W}anchor") for one in word.iter(f"{W}hyperlink")} - {None}
    bookmarks = {one.get(f"{W}name") for one in word.iter(f"{W}bookmarkStart")}
    assert anchors <= bookmarks


def test_docx_is_well_formed_everywhere(sink: dict[str, Rendered]) -> None:
    with zipfile.ZipFile(sink["docx"].path) as archive:
        for name in archive.namelist():
            if name.endswith((".xml", ".rels")):
                ET.fromstring(archive.read(name))
    document = part(sink["docx"].path)
    for paragraph in document.iter(f"{W}p"):
        # Word refuses a paragraph with two property blocks.
        assert len(paragraph.findall(f"{W}pPr")) <= 1
    identifiers = [one.get("id") for one in document.iter(f"{WP}docPr")]
    assert len(identifiers) == len(set(identifiers))


def test_docx_has_title_authors_and_page_numbers(sink: dict[str, Rendered], word: ET.Element) -> None:
    assert paragraphs(word, "Title") == ["Everything and the kitchen sink"]
    assert paragraphs(word, "Author") == ["Anna Example, Büşra Örnek"]
    assert paragraphs(word, "Affiliation") == ["University of Somewhere"]
    footer = part(sink["docx"].path, "word/footer1.xml")
    assert [one.get(f"{W}instr") for one in footer.iter(f"{W}fldSimple")] == [" PAGE "]


def test_pdf_is_tagged_and_says_pdf_ua(pdf: bytes) -> None:
    # Typst validates PDF/UA-1 (alternative texts of figures and formulas, title) and writes nothing otherwise.
    assert pdf.startswith(b"%PDF-1.7")
    assert b"/StructTreeRoot" in pdf
    assert re.search(rb"/MarkInfo\s*<<[^>]*/Marked true", pdf)
    assert b"<pdfuaid:part>1</pdfuaid:part>" in pdf
    assert re.search(rb"/Lang\s*\(en", pdf)


def test_pdf_says_title_and_authors(pdf: bytes) -> None:
    assert b"Everything and the kitchen sink" in pdf
    assert "Büşra Örnek".encode() in pdf


def test_pdf_structure(sink: dict[str, Rendered], tmp_path: Path) -> None:
    from safezone.reports import typeset

    source = _typst_source(tmp_path)
    assert source.count("table.header(") == 4
    assert 'alt: "A line from 1 to 9 that rises ever more steeply."' in source
    assert '#figure(kind: "quarto-float-tbl", supplement: [Table]' in source
    assert 'alt: "\\\\sigma^2_{u}"' in source
    assert typeset.pandoc().is_file()
    assert sink["pdf"].path.stat().st_size > 20_000


def _typst_source(tmp_path: Path) -> str:
    from safezone.reports import typeset
    from safezone.reports.compose import compose
    from safezone.reports.execute import run
    from safezone.reports.metadata import settings
    from safezone.reports.qmd import parse

    document = parse(SINK / "sink.qmd")
    merged = settings(document, "typst", SINK, {})
    composed = compose(run(document, merged, {}), merged, tmp_path / "figures")
    typeset.typeset(composed, merged, tmp_path, "sink")
    return (tmp_path / "sink.typ").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def german(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rendered]:
    folder = tmp_path_factory.mktemp("german")
    for name in ("references.bib", "dot.svg"):
        shutil.copyfile(SINK / name, folder / name)
    (folder / "bericht.qmd").write_text(
        "---\ntitle: Wird ersetzt\nauthor: Niemand\ndate: 2026-03-09\nbibliography: references.bib\ntoc: true\n"
        "number-sections: true\n---\n\n# Anfang {#sec-a}\n\n"
        '![Ein Punkt.](dot.svg){#fig-a fig-alt="Ein Punkt."}\n\n'
        "| a | b |\n|---|--:|\n| x | 1,5 |\n\n: Titel {#tbl-a}\n\n"
        "Siehe @fig-a, @tbl-a, @sec-a und [@podolan2024].\n\n::: {.callout-note}\nText.\n:::\n",
        encoding="utf-8",
    )
    metadata = {"title": "Sicherheit & \\<b\\> \\$5", "author": ["Änne Müller"], "lang": "de"}
    made = render(
        folder / "bericht.qmd", ["html", "docx", "pdf"], folder / "out", renderer="embedded", metadata=metadata
    )
    return {one.format: one for one in made}


def test_german_words(german: dict[str, Rendered]) -> None:
    page = Page(german["html"].path.read_text(encoding="utf-8"))
    flat = page.text.replace("\N{NO-BREAK SPACE}", " ")
    assert page.all("html")[0]["lang"] == "de"
    assert "Siehe Abbildung 1, Tabelle 1, Abschnitt 1 und (Podolan & Gelo, 2024)." in flat
    assert "Inhalt" in flat
    assert "Hinweis" in flat
    assert "9. März 2026" in flat
    root = part(german["docx"].path)
    assert [one.replace("\N{NO-BREAK SPACE}", " ") for one in paragraphs(root, "ImageCaption")] == [
        "Abbildung 1. Ein Punkt."
    ]
    assert re.search(rb"/Lang\s*\(de", german["pdf"].path.read_bytes())


def test_metadata_of_the_caller_wins(german: dict[str, Rendered]) -> None:
    page = Page(german["html"].path.read_text(encoding="utf-8"))
    assert "Sicherheit & <b> $5" in page.text
    assert "Wird ersetzt" not in page.text
    assert paragraphs(part(german["docx"].path), "Title") == ["Sicherheit & <b> $5"]
    assert paragraphs(part(german["docx"].path), "Author") == ["Änne Müller"]


def test_rendering_leaves_nothing_behind(sink: dict[str, Rendered]) -> None:
    out = sink["html"].path.parent
    assert sorted(one.name for one in out.iterdir()) == ["sink.docx", "sink.html", "sink.pdf"]
    assert sorted(one.name for one in SINK.iterdir()) == ["_partial.qmd", "dot.svg", "references.bib", "sink.qmd"]


def test_word_template_is_the_one_of_the_recipe() -> None:
    from safezone.reports.reference_docx import reference_docx, styles

    bundled = TEMPLATES / EXTENSION / "reference.docx"
    with zipfile.ZipFile(bundled) as archive:
        assert archive.read("word/styles.xml").decode() == styles(), "run python -m safezone.reports.reference_docx"
    assert zipfile.is_zipfile(bundled)
    assert len(reference_docx()) > 5000


def test_extension_is_idiomatic() -> None:
    import yaml

    extension = yaml.safe_load((TEMPLATES / EXTENSION / "_extension.yml").read_text(encoding="utf-8"))
    # Quarto asks for strict semantic versions.
    assert re.fullmatch(r"\d+\.\d+\.\d+", str(extension["version"]))
    formats = extension["contributes"]["formats"]
    assert set(formats) == {"common", "html", "typst", "docx"}
    assert formats["html"]["html-math-method"] == "mathml"
    named = [
        formats["common"]["csl"], *formats["html"]["theme"][1:], *formats["typst"]["template-partials"],
        *formats["typst"]["filters"], formats["docx"]["reference-doc"],
    ]  # fmt: skip
    assert all((TEMPLATES / EXTENSION / name).is_file() for name in named)
