"""Specification curves: a quantity's estimates in order of size, and below each the choices that led to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...analysis.specifications import VALUES
from ..prose import multiverse as prose
from ..prose import theory
from .style import BAND, COLOURS, GREY, INK, LIGHT, SIZE, Figure, canvas, plain, styled, wrap
from .theory import MARKERS

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from ..prose.multiverse import Curve

CURVE, LINE = 1.2, 0.125
"""Inches: the height of the curve, and of one line of choices; two figures with their captions fit a page."""
SMALL = SIZE - 2


def multiverse(found: Sequence[Curve], code: str) -> Figure:
    """Draw one or two specification curves side by side.

    Parameters
    ----------
    found
        The quantities; those side by side share the lines of choices.
    code
        Language.
    """
    lines = _lines(found)
    titles = [wrap(f"{one.id} · {one.quantity}", 100 // len(found) - 6) for one in found]
    heights = (CURVE + 0.13 * max(title.count("\n") for title in titles), LINE * len(lines))
    with styled(code):
        fig, axes = canvas(sum(heights) + 0.8, len(found), 2)
        axes[0].get_subplotspec().get_gridspec().set_height_ratios(heights)  # type: ignore[union-attr]
        for at, (one, title) in enumerate(zip(found, titles, strict=True)):
            above, below = axes[at], axes[at + len(found)]
            _curve(above, one, title)
            _choices(below, one, lines, code, named=at == 0)
            _frame(above, below, one.place)
        axes[0].set_ylabel(theory.say("multiverse.axis", code), fontsize=SMALL)
        fig.legend(handles=_legend(found, code), loc="outside lower center", ncols=3, fontsize=SMALL, columnspacing=1.2)
    told = " ".join(_told(one, code) for one in found)
    return Figure(fig, theory.say("multiverse.alt", code, parts=told))


def _lines(found: Sequence[Curve]) -> list[tuple[str, str]]:
    """Return (axis, choice) of every line: what was chosen differently in one of the quantities."""
    made: dict[str, list[str]] = {}
    for axis in VALUES:
        for one in found:
            if axis in one.axes:
                made[axis] = list(dict.fromkeys([*made.get(axis, []), *one.values(axis)]))
    order = {axis: [v for v in VALUES[axis] if v in values] for axis, values in made.items()}
    return [(a, v) for a, values in made.items() for v in [*order[a], *(v for v in values if v not in order[a])]]


def _curve(ax: Axes, one: Curve, title: str) -> None:
    smallest = float(one.rows["smallest"].iloc[0])
    if smallest > 0:
        ax.axhspan(-smallest, smallest, color=BAND, lw=0, zorder=0)
    ax.axhline(0, color=GREY, lw=0.8, zorder=1)
    for at, (word, (_, row)) in enumerate(zip(one.words, one.rows.iterrows(), strict=True)):
        trusted, own = word != "not trusted", at == one.place
        ends = [float(row["lower"]), float(row["upper"])]
        style: dict[str, Any] = {"color": COLOURS[0] if trusted else GREY, "ls": "-" if trusted else (0, (2, 1))}
        ax.plot([at, at], ends, lw=2.4 if own else 1.0, solid_capstyle="butt", zorder=2, **style)
        ax.plot(at, row["mean"], ls="", ms=5.5 if own else 4, mec=INK, mew=0.8, zorder=3, **_marker(word))
    ax.set_title(plain(title), fontsize=SMALL, fontweight="normal")
    ax.tick_params(axis="x", bottom=False, labelbottom=False)
    ax.tick_params(axis="y", labelsize=SMALL)
    ax.spines["bottom"].set_visible(False)
    ax.set_xlim(-0.8, len(one.rows) - 0.2)


def _marker(word: str) -> dict[str, Any]:
    """Return the sign of a verdict; what is not trusted is hollow."""
    return dict(MARKERS[word]) | ({"mfc": "white"} if word == "not trusted" else {})


def _choices(ax: Axes, one: Curve, lines: Sequence[tuple[str, str]], code: str, *, named: bool) -> None:
    """Draw the matrix of choices, first line on top; the lines of every other axis are shaded."""
    axes = list(dict.fromkeys(axis for axis, _ in lines))
    size = 3.2 if len(one.rows) < 24 else 2.2
    for at, (axis, value) in enumerate(lines):
        if axes.index(axis) % 2 == 0:
            ax.axhspan(at - 0.5, at + 0.5, color=BAND, lw=0, zorder=0)
        if axis not in one.axes:
            continue
        for place, (word, chosen) in enumerate(zip(one.words, one.rows[axis], strict=True)):
            if chosen != value:
                ax.plot(place, at, ls="", marker=".", ms=1.6, mfc=LIGHT, mec=LIGHT, zorder=1)
            else:
                ax.plot(
                    place, at, ls="", marker="o", ms=size, mec=INK, mew=0.6, zorder=2,
                    mfc=INK if word != "not trusted" else "white",
                )  # fmt: skip
    names = [plain(prose.choice(axis, value, code)) for axis, value in lines] if named else []
    ax.set_yticks(range(len(lines)) if named else [], names)
    ax.tick_params(axis="both", length=0, labelsize=SMALL)
    ax.set_xticks([])
    ax.set_xlim(-0.8, len(one.rows) - 0.2)
    ax.set_ylim(len(lines) - 0.4, -0.6)
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)


def _frame(above: Axes, below: Axes, place: int) -> None:
    """Frame the column of the study's own specification: visible without colour."""
    for ax, ends in ((above, (0.0, 1.0)), (below, (0.0, 1.0))):
        for side in (-0.5, 0.5):
            ax.plot([place + side] * 2, ends, transform=ax.get_xaxis_transform(), color=INK, lw=0.7, zorder=1.5)


def _legend(found: Sequence[Curve], code: str) -> list[Artist]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    words = {word for one in found for word in one.words}
    signs = [
        Line2D([], [], ls="", ms=5, mec=INK, mew=0.8, label=theory.say(f"word.{word}", code), **_marker(word))
        for word in MARKERS
        if word in words
    ]
    frame = Patch(fc="none", ec=INK, lw=0.7, label=theory.say("multiverse.own", code))
    return [*signs, frame, Patch(fc=BAND, ec=LIGHT, lw=0.7, label=theory.say("multiverse.band", code))]


def _told(one: Curve, code: str) -> str:
    """Say in the alternative text what one curve shows."""
    ends = {"lowest": one.rows["lower"].min(), "highest": one.rows["upper"].max()}
    return theory.say(
        "multiverse.alt_part", code, id=one.id, quantity=one.quantity, rank=str(one.place + 1),
        counts=one.counts(code), **one.numbers(code),
        **{key: one.write(float(value), code) for key, value in ends.items()},
    )  # fmt: skip
