"""Finish a Word document that pandoc wrote: rules of many-rowed table heads, rows that stay whole, its language."""

from __future__ import annotations

import re
import zipfile
from functools import partial
from pathlib import Path

_TABLE = re.compile(r"<w:tbl>.*?</w:tbl>", re.DOTALL)
_ROW = re.compile(r"<w:tr>.*?</w:tr>", re.DOTALL)
_CELL_PROPERTIES = re.compile(r"<w:tcPr ?/>|<w:tcPr>(?P<inner>.*?)</w:tcPr>", re.DOTALL)
_SPAN = re.compile(r'<w:gridSpan w:val="(?P<columns>\d+)"')
_RULE = '<w:bottom w:val="single" w:sz="4" w:space="0" w:color="1B1F24"/>'
_NONE = '<w:bottom w:val="nil"/>'
_STYLED = '<w:pStyle w:val="Compact" />'
_WHOLE = 14
_STAMP = (1980, 1, 1, 0, 0, 0)


def finish(path: Path, language: str) -> None:
    """Finish a document in place.

    Parameters
    ----------
    path
        The .docx file.
    language
        Its language tag.
    """
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["word/document.xml"] = _TABLE.sub(
        lambda match: _table(match.group()), parts["word/document.xml"].decode()
    ).encode()
    settings = parts["word/settings.xml"].decode()
    settings = re.sub(r'(<w:themeFontLang w:val=")[^"]*', rf"\g<1>{language}", settings)
    parts["word/settings.xml"] = settings.encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            info = zipfile.ZipInfo(name, date_time=_STAMP)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)


def _table(text: str) -> str:
    """Give every head cell its own rule: the style's rule reaches the first row only."""
    rows = _ROW.findall(text)
    heads = sum("<w:tblHeader" in row for row in rows)
    finished = []
    # Short tables stay whole, longer ones at least keep their end with the note below.
    loose = 0 if len(rows) <= _WHOLE else len(rows) - 2
    rows = [
        row if number < loose else row.replace(_STYLED, f"{_STYLED}<w:keepNext/>") for number, row in enumerate(rows)
    ]
    for number, row in enumerate(rows):
        if "<w:tblHeader" not in row:
            finished.append(row.replace("<w:tr>", "<w:tr><w:trPr><w:cantSplit/></w:trPr>", 1))
            continue
        last = number == heads - 1
        finished.append(_CELL_PROPERTIES.sub(partial(_head_cell, last=last), row))
    remaining = iter(finished)
    return _ROW.sub(lambda _: next(remaining), text)


def _head_cell(match: re.Match[str], *, last: bool) -> str:
    inner = match["inner"] or ""
    span = _SPAN.search(inner)
    ruled = last or (span is not None and int(span["columns"]) > 1)
    return (
        f"<w:tcPr>{inner}<w:tcBorders>{_RULE if ruled else _NONE}</w:tcBorders>"
        '<w:vAlign w:val="bottom"/></w:tcPr>'
    )  # fmt: skip
