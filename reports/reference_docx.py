"""Make the Word template: pandoc's own reference document with the styles of safezone reports.

Run ``python -m safezone.reports.reference_docx`` after changing a style; the file in the
extension is what both renderers use, and a test compares it with this recipe.
"""

from __future__ import annotations

import io
import re
import subprocess
import zipfile
from pathlib import Path

from .metadata import EXTENSION, TEMPLATES

_NS = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_R = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_STAMP = (2026, 1, 1, 0, 0, 0)

# id, name, based on, next, paragraph properties, run properties. Lengths in twentieths of a point.
_SERIF = '<w:rFonts w:ascii="Times New Roman" w:hAnsi="Times New Roman" w:eastAsia="Times New Roman" w:cs="Times New Roman"/>'
_MONO = '<w:rFonts w:ascii="Consolas" w:hAnsi="Consolas" w:cs="Courier New"/>'
_HAIR = 'w:val="single" w:sz="4" w:space="8" w:color="C9D1D8"'
_PARAGRAPHS: tuple[tuple[str, str, str, str, str, str], ...] = (
    ("BodyText", "Body Text", "Normal", "", '<w:spacing w:before="0" w:after="160"/>', ""),
    ("FirstParagraph", "First Paragraph", "BodyText", "BodyText", "", ""),
    ("Compact", "Compact", "BodyText", "", '<w:spacing w:before="30" w:after="30" w:line="240" w:lineRule="auto"/>', ""),
    (
        "Title", "Title", "Normal", "BodyText",
        '<w:keepNext/><w:keepLines/><w:spacing w:before="0" w:after="120" w:line="240" w:lineRule="auto"/>',
        '<w:b/><w:bCs/><w:sz w:val="40"/><w:szCs w:val="40"/>',
    ),
    (
        "Subtitle", "Subtitle", "Title", "BodyText", '<w:spacing w:before="0" w:after="200"/>',
        '<w:b w:val="0"/><w:bCs w:val="0"/><w:color w:val="5B6570"/><w:sz w:val="26"/><w:szCs w:val="26"/>',
    ),
    ("Author", "Author", "Normal", "BodyText", '<w:keepNext/><w:spacing w:before="0" w:after="40"/>', ""),
    ("Affiliation", "Affiliation", "Normal", "BodyText", '<w:spacing w:before="0" w:after="40"/>', '<w:color w:val="5B6570"/>'),
    (
        "Date", "Date", "Normal", "BodyText",
        f'<w:pBdr><w:bottom {_HAIR}/></w:pBdr><w:spacing w:before="0" w:after="360"/>', '<w:color w:val="5B6570"/>',
    ),
    (
        "AbstractTitle", "Abstract Title", "Normal", "Abstract",
        '<w:keepNext/><w:spacing w:before="120" w:after="40"/><w:ind w:left="360" w:right="360"/>', "<w:b/><w:bCs/>",
    ),
    ("Abstract", "Abstract", "Normal", "BodyText", '<w:spacing w:before="0" w:after="160"/><w:ind w:left="360" w:right="360"/>', ""),
    (
        "Bibliography", "Bibliography", "Normal", "Bibliography",
        '<w:spacing w:before="0" w:after="100"/><w:ind w:left="480" w:hanging="480"/>', "",
    ),
    ("BlockText", "Block Text", "BodyText", "BodyText", '<w:ind w:left="480" w:right="480"/>', ""),
    (
        "FootnoteText", "footnote text", "Normal", "", '<w:spacing w:before="0" w:after="40" w:line="240" w:lineRule="auto"/>',
        '<w:sz w:val="19"/><w:szCs w:val="19"/>',
    ),
    ("FootnoteBlockText", "Footnote Block Text", "FootnoteText", "", '<w:ind w:left="480" w:right="480"/>', ""),
    ("DefinitionTerm", "Definition Term", "Normal", "Definition", '<w:keepNext/><w:spacing w:after="0"/>', "<w:b/><w:bCs/>"),
    ("Definition", "Definition", "Normal", "", '<w:spacing w:after="120"/><w:ind w:left="360"/>', ""),
    ("Caption", "caption", "Normal", "", '<w:spacing w:before="0" w:after="120" w:line="252" w:lineRule="auto"/>', ""),
    ("TableCaption", "Table Caption", "Caption", "", '<w:keepNext/><w:spacing w:before="320" w:after="100"/>', ""),
    ("ImageCaption", "Image Caption", "Caption", "BodyText", '<w:spacing w:before="60" w:after="320"/>',
     '<w:sz w:val="21"/><w:szCs w:val="21"/>'),
    ("Figure", "Figure", "Normal", "", '<w:spacing w:before="240" w:after="60"/>', ""),
    ("CaptionedFigure", "Captioned Figure", "Figure", "ImageCaption",
     '<w:keepNext/><w:spacing w:before="240" w:after="60" w:line="240" w:lineRule="auto"/>', ""),
    ("TableNote", "Table Note", "Normal", "BodyText",
     '<w:spacing w:before="80" w:after="320" w:line="240" w:lineRule="auto"/>', '<w:sz w:val="20"/><w:szCs w:val="20"/>'),
    ("CalloutTitle", "Callout Title", "Normal", "Callout",
     '<w:keepNext/><w:pBdr><w:left w:val="single" w:sz="24" w:space="10" w:color="1F5673"/></w:pBdr>'
     '<w:shd w:val="clear" w:color="auto" w:fill="F1F5F7"/><w:spacing w:before="240" w:after="60"/><w:ind w:left="240"/>',
     '<w:b/><w:bCs/><w:color w:val="1F5673"/>'),
    ("Callout", "Callout", "Normal", "",
     '<w:pBdr><w:left w:val="single" w:sz="24" w:space="10" w:color="1F5673"/></w:pBdr>'
     '<w:shd w:val="clear" w:color="auto" w:fill="F1F5F7"/><w:spacing w:before="0" w:after="160"/><w:ind w:left="240"/>', ""),
    ("Equation", "Equation", "BodyText", "BodyText",
     '<w:tabs><w:tab w:val="center" w:pos="4513"/><w:tab w:val="right" w:pos="9026"/></w:tabs><w:spacing w:before="200" w:after="200"/>', ""),
    ("TabTitle", "Tab Title", "BodyText", "BodyText", '<w:keepNext/><w:spacing w:before="200" w:after="80"/>', ""),
    ("SourceCode", "Source Code", "Normal", "",
     '<w:shd w:val="clear" w:color="auto" w:fill="F6F8F9"/><w:wordWrap w:val="off"/>'
     '<w:spacing w:before="60" w:after="160" w:line="240" w:lineRule="auto"/>', f'{_MONO}<w:sz w:val="18"/><w:szCs w:val="18"/>'),
    ("TOCHeading", "TOC Heading", "Normal", "BodyText", '<w:keepNext/><w:spacing w:before="240" w:after="120"/>',
     '<w:b/><w:bCs/><w:sz w:val="28"/><w:szCs w:val="28"/>'),
    ("Footer", "footer", "Normal", "", '<w:spacing w:after="0"/><w:jc w:val="center"/>',
     '<w:color w:val="5B6570"/><w:sz w:val="19"/><w:szCs w:val="19"/>'),
)  # fmt: skip
# level: space before, space after, run properties
_HEADINGS = {
    1: (400, 160, '<w:b/><w:bCs/><w:sz w:val="30"/><w:szCs w:val="30"/>'),
    2: (320, 120, '<w:b/><w:bCs/><w:sz w:val="26"/><w:szCs w:val="26"/>'),
    3: (260, 100, '<w:b/><w:bCs/><w:i/><w:iCs/><w:sz w:val="23"/><w:szCs w:val="23"/>'),
    4: (220, 80, "<w:i/><w:iCs/>"),
    5: (200, 80, "<w:i/><w:iCs/>"),
    6: (200, 80, "<w:i/><w:iCs/>"),
}
_CHARACTERS = (
    ("BodyTextChar", "Body Text Char", ""),
    ("VerbatimChar", "Verbatim Char", f'{_MONO}<w:sz w:val="19"/>'),
    ("SectionNumber", "Section Number", ""),
    ("FootnoteReference", "footnote reference", '<w:vertAlign w:val="superscript"/>'),
    ("Hyperlink", "Hyperlink", '<w:color w:val="1F5673"/>'),
)
_RULE = 'w:val="single" w:space="0" w:color="1B1F24"'
_TABLE = f"""<w:style w:type="table" w:default="1" w:styleId="TableNormal"><w:name w:val="Normal Table"/><w:uiPriority w:val="99"/>\
<w:semiHidden/><w:unhideWhenUsed/><w:tblPr><w:tblInd w:w="0" w:type="dxa"/><w:tblCellMar><w:top w:w="0" w:type="dxa"/>\
<w:left w:w="108" w:type="dxa"/><w:bottom w:w="0" w:type="dxa"/><w:right w:w="108" w:type="dxa"/></w:tblCellMar></w:tblPr></w:style>\
<w:style w:type="table" w:customStyle="1" w:styleId="Table"><w:name w:val="Table"/><w:basedOn w:val="TableNormal"/><w:qFormat/>\
<w:pPr><w:spacing w:before="0" w:after="0" w:line="240" w:lineRule="auto"/></w:pPr>\
<w:rPr><w:sz w:val="20"/><w:szCs w:val="20"/></w:rPr>\
<w:tblPr><w:tblBorders><w:top {_RULE} w:sz="8"/><w:bottom {_RULE} w:sz="8"/></w:tblBorders>\
<w:tblCellMar><w:top w:w="20" w:type="dxa"/><w:left w:w="90" w:type="dxa"/><w:bottom w:w="20" w:type="dxa"/>\
<w:right w:w="90" w:type="dxa"/></w:tblCellMar></w:tblPr>\
<w:tblStylePr w:type="firstRow"><w:tblPr/><w:tcPr><w:tcBorders><w:bottom {_RULE} w:sz="4"/></w:tcBorders>\
<w:vAlign w:val="bottom"/></w:tcPr></w:tblStylePr></w:style>"""
_PAGE = """<w:sectPr><w:footerReference w:type="default" r:id="rId40"/><w:footnotePr><w:numRestart w:val="eachSect"/></w:footnotePr>\
<w:pgSz w:w="11906" w:h="16838"/><w:pgMar w:top="1440" w:right="1440" w:bottom="1440" w:left="1440" w:header="708" w:footer="708" \
w:gutter="0"/></w:sectPr>"""
_FOOTER = f"""<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<w:ftr {_NS} {_R}><w:p><w:pPr><w:pStyle w:val="Footer"/></w:pPr><w:fldSimple w:instr=" PAGE "><w:r><w:t>1</w:t></w:r></w:fldSimple>\
</w:p></w:ftr>"""


def styles() -> str:
    """Return ``word/styles.xml``."""
    parts = [
        f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<w:styles {_NS} {_R}>',
        f'<w:docDefaults><w:rPrDefault><w:rPr>{_SERIF}<w:sz w:val="23"/><w:szCs w:val="23"/><w:lang w:val="en-GB" w:eastAsia="en-GB" '
        'w:bidi="ar-SA"/></w:rPr></w:rPrDefault><w:pPrDefault><w:pPr><w:spacing w:after="120" w:line="283" w:lineRule="auto"/></w:pPr>'
        "</w:pPrDefault></w:docDefaults>",
        '<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/><w:qFormat/></w:style>',
        '<w:style w:type="character" w:default="1" w:styleId="DefaultParagraphFont"><w:name w:val="Default Paragraph Font"/>'
        '<w:uiPriority w:val="1"/><w:semiHidden/></w:style>',
    ]
    parts += [_paragraph(*row) for row in _PARAGRAPHS]
    for level, (before, after, run) in _HEADINGS.items():
        outline = f'<w:keepNext/><w:keepLines/><w:spacing w:before="{before}" w:after="{after}" w:line="252" w:lineRule="auto"/>'
        outline += f'<w:outlineLvl w:val="{level - 1}"/>'
        parts.append(_paragraph(f"Heading{level}", f"heading {level}", "Normal", "BodyText", outline, run))
    for identifier, name, run in _CHARACTERS:
        parts.append(
            f'<w:style w:type="character" w:customStyle="1" w:styleId="{identifier}"><w:name w:val="{name}"/>'
            f'<w:basedOn w:val="DefaultParagraphFont"/><w:rPr>{run}</w:rPr></w:style>'
        )
    return "".join([*parts, _TABLE, "</w:styles>"])


def reference_docx() -> bytes:
    """Return the Word template as bytes; the same bytes for the same pandoc."""
    from .typeset import pandoc

    base = subprocess.run(
        [str(pandoc()), "--print-default-data-file", "reference.docx"], capture_output=True, check=True
    ).stdout
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(base)) as source, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name in sorted(source.namelist()):
            content = source.read(name)
            if name in _CHANGES:
                content = _CHANGES[name](content.decode()).encode()
            _add(target, name, content)
        _add(target, "word/footer1.xml", _FOOTER.encode())
    return buffer.getvalue()


def _document(text: str) -> str:
    return re.sub(r"<w:sectPr>.*?</w:sectPr>", lambda _: _PAGE, text, flags=re.DOTALL)


def _relations(text: str) -> str:
    footer = f'<Relationship Type="{_OFFICE}/footer" Id="rId40" Target="footer1.xml" />'
    return text.replace("</Relationships>", f"{footer}</Relationships>")


def _types(text: str) -> str:
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.footer+xml"
    return text.replace("</Types>", f'<Override PartName="/word/footer1.xml" ContentType="{kind}" /></Types>')


_CHANGES = {
    "word/styles.xml": lambda _: styles(),
    "word/document.xml": _document,
    "word/_rels/document.xml.rels": _relations,
    "[Content_Types].xml": _types,
}


def _add(target: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, date_time=_STAMP)
    info.compress_type = zipfile.ZIP_DEFLATED
    target.writestr(info, content)


def _paragraph(identifier: str, name: str, based: str, following: str, paragraph: str, run: str) -> str:
    custom = (
        ""
        if name == name.lower() or identifier in ("BodyText", "Title", "Subtitle", "Date", "Bibliography")
        else ' w:customStyle="1"'
    )
    after = f'<w:next w:val="{following}"/>' if following else ""
    return (
        f'<w:style w:type="paragraph"{custom} w:styleId="{identifier}"><w:name w:val="{name}"/><w:basedOn w:val="{based}"/>{after}'
        f"<w:qFormat/><w:pPr>{paragraph}</w:pPr><w:rPr>{run}</w:rPr></w:style>"
    )


def main() -> Path:
    """Write the template into the extension and return its path."""
    path = TEMPLATES / EXTENSION / "reference.docx"
    path.write_bytes(reference_docx())
    return path


if __name__ == "__main__":
    print(main())
