"""Make the Word template: pandoc's own reference document with the styles of ``word_styles.toml``.

Run ``python -m safezone.reports.reference_docx`` after changing a style; the file in the
extension is what both renderers use, and a test compares it with this recipe.
"""

from __future__ import annotations

import io
import re
import subprocess
import tomllib
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .metadata import EXTENSION, TEMPLATES

Style = Mapping[str, Any]
_STYLES = Path(__file__).with_name("word_styles.toml")
_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_R = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_FOOTER_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.footer+xml"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_STAMP = (2026, 1, 1, 0, 0, 0)
# A4 with margins of 2.54 cm, in twentieths of a point.
_PAGE = (
    '<w:sectPr><w:footerReference w:type="default" r:id="rId40"/>'
    '<w:footnotePr><w:numRestart w:val="eachSect"/></w:footnotePr><w:pgSz w:w="11906" w:h="16838"/>'
    '<w:pgMar w:top="1440" w:right="1440" w:bottom="1440" w:left="1440" w:header="708" w:footer="708" w:gutter="0"/>'
    "</w:sectPr>"
)
_FOOTER = (
    f'{_XML}<w:ftr {_W} {_R}><w:p><w:pPr><w:pStyle w:val="Footer"/></w:pPr>'
    '<w:fldSimple w:instr=" PAGE "><w:r><w:t>1</w:t></w:r></w:fldSimple></w:p></w:ftr>'
)


def styles() -> str:
    """Return ``word/styles.xml``."""
    table = tomllib.loads(_STYLES.read_text(encoding="utf-8"))
    text = table["text"]
    parts = [f"{_XML}<w:styles {_W} {_R}>", _defaults(text)]
    parts.append(_style("paragraph", {"id": "Normal", "name": "Normal", "default": True}, "<w:qFormat/>"))
    parts.append(
        _style("character", {"id": "DefaultParagraphFont", "name": "Default Paragraph Font", "default": True}, "")
    )
    for style in table["paragraph"]:
        following = f'<w:next w:val="{style["next"]}"/>' if "next" in style else ""
        head = f'<w:basedOn w:val="{style.get("based", "Normal")}"/>{following}<w:qFormat/>'
        body = f"{head}<w:pPr>{_paragraph(style)}</w:pPr><w:rPr>{_run(style, text)}</w:rPr>"
        parts.append(_style("paragraph", style, body))
    for style in table["character"]:
        body = f'<w:basedOn w:val="DefaultParagraphFont"/><w:rPr>{_run(style, text)}</w:rPr>'
        parts.append(_style("character", {**style, "custom": True}, body))
    return "".join([*parts, _table(table["table"]), "</w:styles>"])


def reference_docx() -> bytes:
    """Return the Word template as bytes; the same bytes for the same pandoc."""
    from .typeset import pandoc

    command = [str(pandoc()), "--print-default-data-file", "reference.docx"]
    base = subprocess.run(command, capture_output=True, check=True).stdout
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(base)) as source, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name in sorted(source.namelist()):
            content = source.read(name)
            if name in _CHANGES:
                content = _CHANGES[name](content.decode()).encode()
            _add(target, name, content)
        _add(target, "word/footer1.xml", _FOOTER.encode())
    return buffer.getvalue()


def main() -> Path:
    """Write the template into the extension and return its path."""
    path = TEMPLATES / EXTENSION / "reference.docx"
    path.write_bytes(reference_docx())
    return path


def _twentieths(points: float) -> int:
    return round(20 * points)


def _spacing(style: Style) -> str:
    values = {name: _twentieths(style[name]) for name in ("before", "after") if name in style}
    if "line" in style:
        values["line"] = round(240 * style["line"])
    if not values:
        return ""
    rule = ' w:lineRule="auto"' if "line" in values else ""
    return f"<w:spacing {' '.join(f'w:{name}="{value}"' for name, value in values.items())}{rule}/>"


def _paragraph(style: Style) -> str:
    """Return the paragraph properties, in the order that the schema asks for."""
    parts = []
    if style.get("keep_next"):
        parts.append("<w:keepNext/><w:keepLines/>")
    borders = ""
    if "bar" in style:
        borders += f'<w:left w:val="single" w:sz="24" w:space="10" w:color="{style["bar"]}"/>'
    if "rule_below" in style:
        borders += f'<w:bottom w:val="single" w:sz="4" w:space="8" w:color="{style["rule_below"]}"/>'
    if borders:
        parts.append(f"<w:pBdr>{borders}</w:pBdr>")
    if "fill" in style:
        parts.append(f'<w:shd w:val="clear" w:color="auto" w:fill="{style["fill"]}"/>')
    if "tabs" in style:
        stops = (f'<w:tab w:val="{kind}" w:pos="{_twentieths(at)}"/>' for kind, at in style["tabs"].items())
        parts.append(f"<w:tabs>{''.join(stops)}</w:tabs>")
    parts.append(_spacing(style))
    indents = {name: _twentieths(style[name]) for name in ("left", "right", "hanging") if name in style}
    if indents:
        parts.append(f"<w:ind {' '.join(f'w:{name}="{value}"' for name, value in indents.items())}/>")
    if "align" in style:
        parts.append(f'<w:jc w:val="{style["align"]}"/>')
    if "level" in style:
        parts.append(f'<w:outlineLvl w:val="{style["level"] - 1}"/>')
    return "".join(parts)


def _run(style: Style, text: Style) -> str:
    """Return the character properties, in the order that the schema asks for."""
    parts = []
    if style.get("mono"):
        parts.append(f'<w:rFonts w:ascii="{text["mono"]}" w:hAnsi="{text["mono"]}" w:cs="Courier New"/>')
    if style.get("bold"):
        parts.append("<w:b/><w:bCs/>")
    if style.get("italic"):
        parts.append("<w:i/><w:iCs/>")
    if "colour" in style:
        parts.append(f'<w:color w:val="{style["colour"]}"/>')
    if "size" in style:
        parts.append(_size(style["size"]))
    if style.get("raised"):
        parts.append('<w:vertAlign w:val="superscript"/>')
    return "".join(parts)


def _size(points: float) -> str:
    return f'<w:sz w:val="{round(2 * points)}"/><w:szCs w:val="{round(2 * points)}"/>'


def _defaults(text: Style) -> str:
    font = " ".join(f'w:{script}="{text["font"]}"' for script in ("ascii", "hAnsi", "eastAsia", "cs"))
    run = f'<w:rFonts {font}/>{_size(text["size"])}<w:lang w:val="en-GB" w:eastAsia="en-GB" w:bidi="ar-SA"/>'
    return (
        f"<w:docDefaults><w:rPrDefault><w:rPr>{run}</w:rPr></w:rPrDefault>"
        f"<w:pPrDefault><w:pPr>{_spacing(text)}</w:pPr></w:pPrDefault></w:docDefaults>"
    )


def _style(kind: str, style: Style, body: str) -> str:
    flags = ' w:default="1"' if style.get("default") else ' w:customStyle="1"' if style.get("custom") else ""
    return (
        f'<w:style w:type="{kind}"{flags} w:styleId="{style["id"]}"><w:name w:val="{style["name"]}"/>{body}</w:style>'
    )


def _table(table: Style) -> str:
    def rule(side: str, width: float) -> str:
        return f'<w:{side} w:val="single" w:sz="{round(8 * width)}" w:space="0" w:color="{table["rule"]}"/>'

    def margins(vertical: float, horizontal: float) -> str:
        sides = (("top", vertical), ("left", horizontal), ("bottom", vertical), ("right", horizontal))
        inner = "".join(f'<w:{side} w:w="{_twentieths(width)}" w:type="dxa"/>' for side, width in sides)
        return f"<w:tblCellMar>{inner}</w:tblCellMar>"

    padding = table["padding"]
    normal = _style(
        "table",
        {"id": "TableNormal", "name": "Normal Table", "default": True},
        '<w:uiPriority w:val="99"/><w:semiHidden/><w:unhideWhenUsed/>'
        f'<w:tblPr><w:tblInd w:w="0" w:type="dxa"/>{margins(0, 5.4)}</w:tblPr>',
    )
    ours = _style(
        "table",
        {"id": "Table", "name": "Table", "custom": True},
        '<w:basedOn w:val="TableNormal"/><w:qFormat/>'
        f"<w:pPr>{_spacing({'before': 0, 'after': 0, 'line': 1.0})}</w:pPr><w:rPr>{_size(table['size'])}</w:rPr>"
        f"<w:tblPr><w:tblBorders>{rule('top', table['outer'])}{rule('bottom', table['outer'])}</w:tblBorders>"
        f"{margins(padding['vertical'], padding['horizontal'])}</w:tblPr>"
        f'<w:tblStylePr w:type="firstRow"><w:tblPr/><w:tcPr><w:tcBorders>{rule("bottom", table["inner"])}</w:tcBorders>'
        '<w:vAlign w:val="bottom"/></w:tcPr></w:tblStylePr>',
    )
    return normal + ours


def _document(text: str) -> str:
    return re.sub(r"<w:sectPr>.*?</w:sectPr>", lambda _: _PAGE, text, flags=re.DOTALL)


def _relations(text: str) -> str:
    footer = f'<Relationship Type="{_OFFICE}/footer" Id="rId40" Target="footer1.xml" />'
    return text.replace("</Relationships>", f"{footer}</Relationships>")


def _types(text: str) -> str:
    override = f'<Override PartName="/word/footer1.xml" ContentType="{_FOOTER_TYPE}" />'
    return text.replace("</Types>", f"{override}</Types>")


_CHANGES: Mapping[str, Callable[[str], str]] = {
    "word/styles.xml": lambda _: styles(),
    "word/document.xml": _document,
    "word/_rels/document.xml.rels": _relations,
    "[Content_Types].xml": _types,
}


def _add(target: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, date_time=_STAMP)
    info.compress_type = zipfile.ZIP_DEFLATED
    target.writestr(info, content)


if __name__ == "__main__":
    print(main())
