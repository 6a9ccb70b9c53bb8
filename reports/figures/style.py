"""One look for every figure: sizes, fonts, colours that survive colour blindness and grey-scale printing."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MatplotlibFigure

# Okabe and Ito (2008), in an order of clearly different lightness; groups also differ in line and marker.
COLOURS = ("#0072B2", "#D55E00", "#56B4E9", "#009E73", "#E69F00", "#CC79A7")
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P")
GREY, LIGHT, INK = "#767676", "#D9D9D9", "#222222"
BAND = "#EFEFEF"
WIDTH = 6.5  # inches: the text width of A4 and US letter with usual margins
SIZE = 9.0

_RC: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": SIZE,
    "axes.titlesize": SIZE + 0.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": SIZE,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "axes.axisbelow": True,
    "grid.color": LIGHT,
    "grid.linewidth": 0.6,
    "xtick.labelsize": SIZE - 0.5,
    "ytick.labelsize": SIZE - 0.5,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": SIZE - 0.5,
    "lines.linewidth": 1.6,
    "svg.hashsalt": "safezone",
    "pdf.fonttype": 42,
    "figure.dpi": 100,
}


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and what it shows, in words.

    Parameters
    ----------
    fig
        The matplotlib figure.
    alt
        Alternative text computed from the plotted numbers.
    """

    fig: MatplotlibFigure
    alt: str


@contextmanager
def styled(language: str = "en") -> Iterator[None]:
    """Draw in safezone's style; leave the caller's settings as they were.

    Parameters
    ----------
    language
        German axes carry a decimal comma.
    """
    import matplotlib as mpl

    with mpl.rc_context(_RC | {"axes.formatter.use_locale": False}):
        _LANGUAGE.append(language)
        try:
            yield
        finally:
            _LANGUAGE.pop()


_LANGUAGE: list[str] = ["en"]


def canvas(
    height: float, columns: int = 1, rows: int = 1, *, sharex: bool = False, sharey: bool = False
) -> tuple[MatplotlibFigure, list[Axes]]:
    """Make a figure as wide as the text, with axes whose numbers are written in the language of :func:`styled`.

    Parameters
    ----------
    height
        Inches.
    columns, rows
        Grid of axes.
    sharex, sharey
        Whether all axes share a scale.
    """
    from matplotlib.figure import Figure as MatplotlibFigure

    fig = MatplotlibFigure(figsize=(WIDTH, height), layout="constrained")
    fig.get_layout_engine().set(w_pad=0.06, h_pad=0.06)  # type: ignore[union-attr, call-arg]
    grid = fig.subplots(rows, columns, squeeze=False, sharex=sharex, sharey=sharey)
    flat = [ax for row in grid for ax in row]
    for ax in flat:
        localise(ax)
    return fig, flat


def localise(ax: Axes) -> None:
    """Give both axes a formatter that writes decimal commas where the language has them."""
    if _LANGUAGE[-1] != "de":
        return
    from matplotlib.ticker import ScalarFormatter

    class _Comma(ScalarFormatter):
        def __call__(self, x: float, pos: int | None = None) -> str:
            return str(super().__call__(x, pos)).replace(".", ",")

    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(_Comma())


def wrap(text: str, width: int) -> str:
    r"""Break a label into lines of at most ``width`` characters; a longer word is broken, never cut off.

    Examples
    --------
    >>> wrap("Working alliance, client-rated", 18)
    'Working alliance,\nclient-rated'
    """
    return "\n".join(textwrap.wrap(plain(text), width, break_long_words=True)) or text


def plain(text: str) -> str:
    """Keep matplotlib from reading a label as mathematics."""
    return text.replace("$", r"\$")


def shade(ax: Axes, low: float, high: float, label: str | None = None, *, vertical: bool = True) -> None:
    """Mark a region (the ROPE) with a light band and thin borders that also print in grey."""
    span, line = (ax.axvspan, ax.axvline) if vertical else (ax.axhspan, ax.axhline)
    span(low, high, color=BAND, zorder=0, lw=0, label=label)
    for edge in (low, high):
        line(edge, color=LIGHT, lw=0.8, zorder=0.5)
