r"""Short texts with a little markup, and their form in each format.

A *rich* text is a small piece of Markdown: ``*italic*``, ``**bold**``, ``^raised^``, ``~lowered~``, ``$LaTeX$``, and a
backslash before any of these signs to mean the sign itself. Everything else is literal. Labels that
come from users are not rich: :func:`escape` them first.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

Output = Literal["html", "typst", "latex", "plain"]
_ESCAPE = re.compile(r"([\\`*_{}\[\]<>#|~^$@&'\"])|(?<=-)-|(?<=\.)\.")
_TOKEN = re.compile(
    r"\\(?P<sign>[^A-Za-z0-9\s])|(?P<mark>\*\*|\*|\^|~)|\$(?P<math>(?:\\.|[^$\\])+)\$|(?P<text>.)", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Span:
    """A run of text in one style."""

    text: str
    bold: bool = False
    italic: bool = False
    raised: bool = False
    lowered: bool = False
    math: bool = False


def escape(text: str) -> str:
    r"""Return rich text that shows exactly this text, whatever signs are in it.

    Parameters
    ----------
    text
        Any text, for instance a label of the study file.

    Examples
    --------
    >>> escape("a_b <b> $5 | #1")
    'a\\_b \\<b\\> \\$5 \\| \\#1'
    """
    flat = " ".join(text.split())
    return _ESCAPE.sub(lambda match: "\\" + match.group(), flat)


def spans(text: str) -> tuple[Span, ...]:
    """Read rich text.

    Examples
    --------
    >>> [(span.text, span.italic) for span in spans("*M* (SD)")]
    [('M', True), (' (SD)', False)]
    """
    style = Span("")
    result: list[Span] = []
    for match in _TOKEN.finditer(text):
        mark = match["mark"]
        if mark is not None:
            style = _toggled(style, mark)
        elif match["math"] is not None:
            result.append(replace(style, text=match["math"], math=True))
        else:
            _append(result, replace(style, text=match["sign"] or match["text"]))
    return tuple(result)


def plain(text: str) -> str:
    """Return rich text without its marks."""
    return write(text, "plain")


def write(text: str, output: Output) -> str:
    """Write rich text in one format, every special sign of the format escaped."""
    return "".join(_WRITERS[output](span) for span in spans(text))


def _append(result: list[Span], span: Span) -> None:
    last = result[-1] if result else None
    if last is not None and not last.math and replace(last, text="") == replace(span, text=""):
        result[-1] = replace(last, text=last.text + span.text)
    else:
        result.append(span)


def _toggled(style: Span, mark: str) -> Span:
    match mark:
        case "**":
            return replace(style, bold=not style.bold)
        case "*":
            return replace(style, italic=not style.italic)
        case "^":
            return replace(style, raised=not style.raised)
        case _:
            return replace(style, lowered=not style.lowered)


def _html(span: Span) -> str:
    if span.math:
        return formula(span.text, "html")
    text = span.text.translate(_HTML)
    for tag, on in (("em", span.italic), ("strong", span.bold), ("sup", span.raised), ("sub", span.lowered)):
        text = f"<{tag}>{text}</{tag}>" if on else text
    return text


def _typst(span: Span) -> str:
    if span.math:
        return formula(span.text, "typst")
    text = _TYPST.sub(r"\\\g<0>", span.text)
    for function, on in (("emph", span.italic), ("strong", span.bold), ("super", span.raised), ("sub", span.lowered)):
        text = f"#{function}[{text}]" if on else text
    return text


def _latex(span: Span) -> str:
    if span.math:
        return f"${span.text}$"
    text = span.text.translate(_LATEX)
    styles = (
        ("textit", span.italic), ("textbf", span.bold), ("textsuperscript", span.raised),
        ("textsubscript", span.lowered),
    )  # fmt: skip
    for command, on in styles:
        text = f"\\{command}{{{text}}}" if on else text
    return text


@cache
def formula(latex: str, output: Literal["html", "typst"]) -> str:
    """Return a LaTeX formula as MathML or as Typst with alternative text."""
    from .typeset import pandoc

    arguments = [str(pandoc()), "--from", "markdown", "--to", {"html": "html5", "typst": "typst"}[output], "--mathml"]
    done = subprocess.run(arguments, input=f"${latex}$", capture_output=True, encoding="utf-8", check=True)
    text = done.stdout.strip().removeprefix("<p>").removesuffix("</p>")
    if output == "html":
        return text
    alt = latex.replace("\\", "\\\\").replace('"', '\\"')
    return f'#math.equation(alt: "{alt}", {text});'


_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})
_TYPST = re.compile(r"[\\#$*_`<>@\[\]~/\"'=+\-]")
_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}", "#": r"\#", "$": r"\$", "%": r"\%", "&": r"\&", "_": r"\_", "{": r"\{", "}": r"\}",
        "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
        "|": r"\textbar{}", "\N{MINUS SIGN}": r"$-$", "\N{FIGURE SPACE}": r"\phantom{0}",
        "\N{PUNCTUATION SPACE}": r"\phantom{.}", "\N{EM SPACE}": r"\quad{}",
    }
)  # fmt: skip
_WRITERS: Mapping[Output, Callable[[Span], str]] = {
    "html": _html,
    "typst": _typst,
    "latex": _latex,
    "plain": lambda span: span.text,
}
