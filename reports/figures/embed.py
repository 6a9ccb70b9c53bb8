"""Put a figure into a document: files in the kind that the format wants, alternative text that was computed."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ...data.errors import Fault, InputError
from .style import Figure

if TYPE_CHECKING:
    from IPython.display import Markdown

Kind = Literal["svg", "print.svg", "png"]
FORMAT_VARIABLE = "QUARTO_EXECUTE_INFO"  # set by Quarto and by the embedded renderer alike
_KINDS: dict[str, Kind] = {"html": "svg", "typst": "print.svg", "docx": "png"}
_LABEL = re.compile(r"fig-[a-z0-9][\w-]*")
PNG_DPI = 250


def figure(drawn: Figure, label: str, caption: str, folder: Path | str = "figures") -> Markdown:
    """Save a figure and return the Markdown that shows it, with its label and its alternative text.

    Quarto reads ``fig-alt`` of a cell as fixed YAML, which cannot hold text that is computed; Markdown given out by
    the cell can. Use it in a cell with ``output: asis``.

    Parameters
    ----------
    drawn
        What one of the drawing functions gave.
    label
        ``fig-…``, unique in the document.
    caption
        Markdown.
    folder
        Where the file goes, relative to where the document runs.

    Returns
    -------
    IPython.display.Markdown
        ``![caption](figures/fig-x.svg){#fig-x fig-alt="…"}``.

    Raises
    ------
    InputError
        If the label is not one that Quarto can refer to.
    """
    from IPython.display import Markdown

    return Markdown(markdown(drawn, label, caption, folder))  # type: ignore[no-untyped-call]


def markdown(drawn: Figure, label: str, caption: str, folder: Path | str = "figures", kind: Kind | None = None) -> str:
    """Save a figure and return its Markdown as text; see :func:`figure`."""
    if not _LABEL.fullmatch(label):
        raise InputError(
            Fault("error", "report", None, label, "A figure's label begins with fig- and has no blanks.",
                  label, "Write a label such as fig-course.")
        )  # fmt: skip
    kind = kind or wanted_kind()
    path = save(drawn, Path(folder) / f"{label}.{kind}")
    alt = drawn.alt.replace("\\", "\\\\").replace('"', "'").replace("\n", " ")
    text = " ".join(caption.split())
    return f'\n\n![{text}]({path.as_posix()}){{#{label} fig-alt="{alt}" width=100%}}\n\n'


def save(drawn: Figure, path: Path) -> Path:
    """Write a figure: ``.svg`` keeps text as text, ``.print.svg`` and ``.pdf`` are for print, ``.png`` has 250 dpi."""
    import matplotlib as mpl

    path.parent.mkdir(parents=True, exist_ok=True)
    printed = path.name.endswith(".print.svg")
    metadata = {".svg": {"Date": None}, ".png": {"Software": None}, ".pdf": {"CreationDate": None}}.get(path.suffix)
    with mpl.rc_context(
        {"svg.fonttype": "path" if printed else "none", "svg.hashsalt": "safezone", "pdf.fonttype": 42}
    ):
        drawn.fig.savefig(path, dpi=PNG_DPI, metadata=metadata)
    return path


def wanted_kind() -> Kind:
    """Return the kind of file that the running render wants; ``svg`` outside of a render."""
    info = os.environ.get(FORMAT_VARIABLE)
    if not info or not Path(info).is_file():
        return "svg"
    described = json.loads(Path(info).read_text(encoding="utf-8")).get("format", {})
    identifier = described.get("identifier", {})
    names = (identifier.get("base-format"), identifier.get("target-format"), described.get("pandoc", {}).get("to"))
    for name in names:
        for key, kind in _KINDS.items():
            if key in str(name or ""):
                return kind
    return "svg"
