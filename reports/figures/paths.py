"""Path diagram: who acts on whom at each level, with standardised posterior means and intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import digits
from ..prose.language import Language, language
from ..prose.paths import inherited, node_label
from .path_layout import Box, Layout, Point, arrange, columns
from .style import BAND, COLOURS, GREY, INK, SIZE, WIDTH, Figure, plain, styled, wrap

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..results import ModelResults, StudyInfo

LEVELS = ("therapist", "client", "session")
_TEXT = SIZE - 1.2  # in boxes
_VALUE = SIZE - 1.8  # beside arrows
_EM = 0.6 / 72  # inches of an average letter of the style's font, per point of its size
_LINE = 1.35 / 72  # inches of a line, per point
_TITLE, _GAP, _KEY = 0.26, 0.12, 0.3  # inches: a panel's heading, the space below it, the key at the bottom
_PALE = 0.6  # how much white is mixed into an arrow whose interval includes zero
_HEAD, _SIDE = 0.085, 0.05
# A figure that would not fit a page is drawn wider, and so comes out smaller at the width of the text.
_TALLEST, _STRETCHES = 8.2, (1.0, 1.2)


def paths(model: ModelResults, study: StudyInfo, code: str | None = None) -> Figure | None:
    """Draw the path diagram of one model: therapists, clients, sessions from top to bottom.

    Parameters
    ----------
    model
        The fitted model; its card has the graph with standardised means and intervals.
    study
        For the interval and the language.
    code
        Language; the study's by default.

    Returns
    -------
    Figure or None
        Its alt text lists every path with mean and interval; ``None`` for a model without a graph.
    """
    graph = model.card.get("graph") or {}
    arrows = [
        arrow
        for arrow in graph.get("arrows") or ()
        if arrow.get("mean") is not None and not inherited(model, str(arrow["level"]), str(arrow["text"]))
    ]
    levels = [level for level in LEVELS if any(arrow["level"] == level for arrow in arrows)]
    if not levels:
        return None
    from matplotlib.figure import Figure as MatplotlibFigure

    talk = language(code or study.language)
    roles = {str(node["name"]): str(node["role"]) for node in graph["nodes"]}
    by_level = [(level, [arrow for arrow in arrows if arrow["level"] == level]) for level in levels]
    panels, width, height = _page(model, by_level, roles, talk)
    with styled(talk.code):
        fig = MatplotlibFigure(figsize=(width, height))
        ax = fig.add_axes((0, 0, 1, 1))
        ax.set_xlim(0, width)
        ax.set_ylim(0, height)
        ax.axis("off")
        top = height
        for panel in panels:
            title = talk.say(f"figure.paths_{panel.level}")
            ax.text(_SIDE, top - _TITLE / 2, title, va="center", fontsize=SIZE + 0.5, fontweight="bold")
            _draw(ax, panel, top - _TITLE - panel.layout.height)
            top -= _TITLE + panel.layout.height + _GAP
        _key(ax, talk)
    parts = [_in_words(panel, talk) for panel in panels]
    said = talk.say("alt.paths", title=plain(model.name), interval=talk.interval(study.interval), parts=" ".join(parts))
    return Figure(fig, said)


def _page(
    model: ModelResults,
    levels: Sequence[tuple[str, Sequence[Mapping[str, Any]]]],
    roles: Mapping[str, str],
    talk: Language,
    stretches: Sequence[float] = _STRETCHES,
) -> tuple[list[_Panel], float, float]:
    """Return the panels with the width and height of the figure: no wider than it must be to fit a page."""
    width = WIDTH * stretches[0]
    panels = [_panel(model, level, arrows, roles, talk, width) for level, arrows in levels]
    height = sum(panel.layout.height + _TITLE + _GAP for panel in panels) + _KEY
    if height <= _TALLEST * stretches[0] or len(stretches) == 1:
        return panels, width, height
    return _page(model, levels, roles, talk, stretches[1:])


@dataclass(frozen=True, slots=True)
class _Panel:
    """One level, laid out.

    Parameters
    ----------
    level
        ``session``, ``client`` or ``therapist``.
    arrows
        Arrows of the card on this level.
    ends
        Nodes at both ends of each arrow.
    values
        What stands beside each arrow.
    words, roles, text
        Label of each node, the part it plays, and the label wrapped as its box has it.
    layout
        Where everything stands, in inches.
    """

    level: str
    arrows: Sequence[Mapping[str, Any]]
    ends: Sequence[tuple[str, str]]
    values: Sequence[str]
    words: Mapping[str, str]
    roles: Mapping[str, str]
    text: Mapping[str, str]
    layout: Layout


def _panel(
    model: ModelResults,
    level: str,
    arrows: Sequence[Mapping[str, Any]],
    roles: Mapping[str, str],
    talk: Language,
    width: float,
) -> _Panel:
    """Lay out the arrows of one level."""
    ends = [_ends(str(arrow["text"])) for arrow in arrows]
    names = dict.fromkeys(name for pair in ends for name in pair)
    words = {name: node_label(model, name, talk) for name in names}
    part = {name: roles.get(name, "response") for name in names}
    values = [value_text(arrow, talk) for arrow in arrows]
    text, sizes = _box_texts(words, ends, width)
    longest = max(number_width(line) for value in values for line in value.split("\n"))
    label = (longest * _VALUE / 72 + 0.04, 2 * _LINE * _VALUE)
    return _Panel(level, arrows, ends, values, words, part, text, arrange(sizes, ends, label, width - 2 * _SIDE))


def _draw(ax: Axes, panel: _Panel, bottom: float) -> None:
    """Draw arrows, boxes and values with the panel's lower edge at ``bottom``."""
    from matplotlib.patches import FancyBboxPatch, Rectangle

    for arrow, route in zip(panel.arrows, panel.layout.routes, strict=True):
        _arrow(ax, arrow, [(x + _SIDE, y + bottom) for x, y in route])
    for name, box in panel.layout.boxes.items():
        role = panel.roles[name]
        corner = 0.11 if role in {"response", "trend"} else 0.015  # latent or rated: round; known: square
        patch = FancyBboxPatch(
            _corner(box, bottom), box.width, box.height, boxstyle=f"round,pad=0,rounding_size={corner}",
            fc="white" if role == "covariate" else BAND, ec=INK if role == "outcome" else GREY,
            lw=1.3 if role == "outcome" else 0.8, zorder=3,
        )  # fmt: skip
        ax.add_patch(patch)
        at = (box.x + _SIDE, box.y + bottom)
        ax.text(*at, panel.text[name], ha="center", va="center", fontsize=_TEXT, linespacing=1.15, zorder=4)
    for arrow, value, box in zip(panel.arrows, panel.values, panel.layout.labels, strict=True):
        ax.add_patch(Rectangle(_corner(box, bottom), box.width, box.height, fc="white", ec="none", zorder=5))
        ax.text(
            box.x + _SIDE, box.y + bottom, value, ha="center", va="center", fontsize=_VALUE, linespacing=1.1,
            color=GREY if includes_zero(arrow) else INK, zorder=6,
        )  # fmt: skip


def _corner(box: Box, bottom: float) -> Point:
    return box.x - box.width / 2 + _SIDE, box.y - box.height / 2 + bottom


def _in_words(panel: _Panel, talk: Language) -> str:
    """Return the panel's paths in words, for the alternative text."""
    parts = [
        talk.say(
            "alt.paths_part",
            source=plain(panel.words[source]),
            target=plain(panel.words[target]),
            value=value.replace("\n", " "),
        )
        for (source, target), value in zip(panel.ends, panel.values, strict=True)
    ]
    return talk.say("alt.paths_level", level=talk.say(f"figure.paths_{panel.level}"), parts="; ".join(parts))


def _ends(text: str) -> tuple[str, str]:
    """Return both ends of a path's text; ``lag(safety)`` and ``safety:time`` are nodes of their own."""
    source, _, target = text.partition("->")
    return source, target


def value_text(arrow: Mapping[str, Any], talk: Language) -> str:
    """Return an arrow's mean above its interval."""
    mean, lower, upper = (digits.write(float(arrow[key]), 2, talk.code) for key in ("mean", "lower", "upper"))
    return f"{mean}\n[{lower}{'; ' if talk.code == 'de' else ', '}{upper}]"


def number_width(text: str) -> float:
    """Return the width of numbers in brackets in the style's font, in units of its size."""
    wide = {digits.MINUS: 0.838} | dict.fromkeys("0123456789", 0.636)
    return sum(wide.get(sign, 0.39) for sign in text)


def includes_zero(arrow: Mapping[str, Any]) -> bool:
    """Whether the credible interval of an arrow includes zero."""
    return float(arrow["lower"]) <= 0 <= float(arrow["upper"])


def _box_texts(
    words: Mapping[str, str], ends: Sequence[tuple[str, str]], width: float
) -> tuple[dict[str, str], dict[str, tuple[float, float]]]:
    """Wrap labels so that all columns of boxes fit side by side, and return the boxes' sizes."""
    count = max(columns(tuple(words), ends).values()) + 1
    longest = max(len(word) for label in words.values() for word in label.split())
    narrowest = min(1.05, max(0.84, longest * _EM * _TEXT + 0.1))  # words are broken only where they are very long
    line = width - 2 * _SIDE
    wide = min(1.25, max(narrowest, (line - 0.92 * (count - 1)) / count), (line - 0.12 * (count - 1)) / count)
    letters = max(8, int((wide - 0.1) / (_EM * _TEXT) + 1e-9))
    text = {name: wrap(_broken(label, letters), letters) for name, label in words.items()}
    tall = {name: (wrapped.count("\n") + 1) * _LINE * _TEXT + 0.1 for name, wrapped in text.items()}
    return text, {name: (wide, height) for name, height in tall.items()}


def _broken(label: str, letters: int) -> str:
    """Break words that are longer than a line, with a hyphen."""
    pieces = []
    for word in label.split():
        step = letters if len(word) <= letters else letters - 1
        parts = [word[i : i + step] for i in range(0, len(word), step)]
        pieces += [*(f"{part}-" for part in parts[:-1]), parts[-1]]
    return " ".join(pieces)


def _arrow(ax: Axes, arrow: Mapping[str, Any], route: Sequence[Point]) -> None:
    """Draw one arrow: its width is its size, its colour and dashes are its sign, pale where zero is credible."""
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Polygon

    mean = float(arrow["mean"])
    colour = to_rgb(COLOURS[0] if mean >= 0 else COLOURS[1])
    if includes_zero(arrow):
        colour = tuple(part + (1 - part) * _PALE for part in colour)  # type: ignore[assignment]
    width = line_width(mean)
    head = _HEAD + 0.022 * width
    (x0, y0), (x1, y1) = route[-2], route[-1]
    length = math.dist((x0, y0), (x1, y1))
    along = ((x1 - x0) / length, (y1 - y0) / length)
    base = (x1 - head * along[0], y1 - head * along[1])
    shaft = [point for point in route[:-1] if math.dist(point, (x1, y1)) > head] + [base]
    style = "-" if mean >= 0 else (0, (3.2, 1.6))
    ax.plot(
        [x for x, _ in shaft], [y for _, y in shaft], color=colour, lw=width, ls=style, zorder=2, solid_capstyle="butt",
        dash_capstyle="butt",
    )  # fmt: skip
    half = 0.42 * head
    corners = [(x1, y1), *((base[0] - s * half * along[1], base[1] + s * half * along[0]) for s in (1, -1))]
    ax.add_patch(Polygon(corners, closed=True, fc=colour, ec="none", zorder=2))


def line_width(mean: float) -> float:
    """Return the width of an arrow in points: 0.8 for nothing, 3.6 from a standardised path of 0.8 on."""
    return 0.8 + 3.5 * min(abs(mean), 0.8)


def _key(ax: Axes, talk: Language) -> None:
    """Say below the panels what colour, dashes, tone and width mean."""
    samples = (("positive", 0.4, 0.3, 0.5), ("negative", -0.4, -0.5, -0.3), ("zero", 0.4, -0.1, 0.5))
    for i, (name, mean, lower, upper) in enumerate(samples):
        x = 0.1 + i * WIDTH / 3
        _arrow(ax, {"mean": mean, "lower": lower, "upper": upper}, [(x, _KEY / 2), (x + 0.36, _KEY / 2)])
        ax.text(x + 0.43, _KEY / 2, talk.say(f"figure.paths_key_{name}"), va="center", fontsize=_VALUE)
