"""Make ``docs/report.png``, the picture of the README, from the demo's PDF.

Run it after ``make demo``: ``.venv/bin/python docs/picture.py safezone-demo/results/report/article.pdf``.
It needs ``pdftoppm`` (poppler) and Pillow, which comes with matplotlib. Look at the result: page numbers move when
the report changes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageOps

PAGES = (1, 9, 10)  # summary; course with prior and posterior; a table of estimates
HEIGHT, GAP, EDGE = 720, 18, "#c9d1d8"
COLOURS = 160  # a palette keeps the file below 300 kB


def main(pdf: Path, picture: Path) -> None:
    """Set pages side by side, each with a hairline around it."""
    with tempfile.TemporaryDirectory() as scratch:
        sheets = []
        for number in PAGES:
            stem = Path(scratch) / str(number)
            command = ["pdftoppm", "-r", "160", "-f", str(number), "-l", str(number), "-singlefile", "-png"]
            subprocess.run([*command, str(pdf), str(stem)], check=True)
            page = Image.open(stem.with_suffix(".png")).convert("RGB")
            page = page.resize((page.width * HEIGHT // page.height, HEIGHT), Image.Resampling.LANCZOS)
            sheets.append(ImageOps.expand(page, 1, EDGE))
        width = sum(sheet.width for sheet in sheets) + GAP * (len(sheets) + 1)
        whole = Image.new("RGB", (width, HEIGHT + 2 * GAP + 2), "#f6f8f9")
        left = GAP
        for sheet in sheets:
            whole.paste(sheet, (left, GAP))
            left += sheet.width + GAP
        whole.quantize(COLOURS, Image.Quantize.MAXCOVERAGE).save(picture, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).with_name("report.png"))
