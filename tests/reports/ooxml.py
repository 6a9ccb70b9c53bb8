"""Look into Word documents with the standard library only."""

from __future__ import annotations

import zipfile
from pathlib import Path
from xml.etree import ElementTree as ET

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
WP = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"


def part(path: Path, name: str = "word/document.xml") -> ET.Element:
    with zipfile.ZipFile(path) as archive:
        return ET.fromstring(archive.read(name))


def text(element: ET.Element) -> str:
    return "".join(node.text or "" for node in element.iter(f"{W}t"))


def paragraphs(root: ET.Element, style: str) -> list[str]:
    found = []
    for paragraph in root.iter(f"{W}p"):
        own = paragraph.find(f"{W}pPr/{W}pStyle")
        if own is not None and own.get(f"{W}val") == style:
            found.append(text(paragraph))
    return found
