"""Response surface of two raters: contours with the region of the data, both lines, the principal axis and its band."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..prose.language import Language, language
from .style import COLOURS, GREY, INK, LIGHT, SIZE, Figure, canvas, localise, plain, styled, wrap

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..results import ModelResults, StudyInfo

PLACES = ("within", "between_client")
LEVELS = 9  # of the contours
_STYLES = {"congruence": (COLOURS[0], "-"), "incongruence": (COLOURS[1], "--")}


def surface(model: ModelResults, study: StudyInfo, code: str | None = None) -> Figure | None:
    """Draw the surface within and between clients, and the outcome along the lines of agreement and disagreement.

    Parameters
    ----------
    model
        A congruence model; its card has the surface on a grid.
    study
        For the language and the interval.
    code
        Language; the study's by default.

    Returns
    -------
    Figure or None
        Its alt text says how the outcome differs along both lines and where the axis lies; ``None`` without a surface.
    """
    found: Mapping[str, Any] = model.card.get("surface") or {}
    places = [place for place in PLACES if place in found]
    if not places:
        return None
    talk = language(code or study.language)
    raters = [str(one["label"]) for one in model.card["predictors"]]
    y = str(model.card["outcome"]["label"])
    parts = []
    with styled(talk.code):
        fig, axes = canvas(5.4, len(places), 2)
        for i, place in enumerate(places):
            data = found[place]
            _contours(axes[i], data, place, raters, talk, first=i == 0)
            _lines(axes[len(places) + i], data, place, y, talk, first=i == 0)
            parts.append(_described(place, data, talk))
        fig.get_layout_engine().set(h_pad=0.09)  # type: ignore[union-attr, call-arg]
    said = talk.say("surface.alt", x=plain(raters[0]), z=plain(raters[1]), y=plain(y), parts=" ".join(parts))
    return Figure(fig, said)


def _contours(ax: Axes, data: Mapping[str, Any], place: str, raters: list[str], talk: Language, *, first: bool) -> None:
    """Draw one level: grey contours with numbers, faded where there are no data, lines and axis on top."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    grid, mean = np.asarray(data["grid"]), np.asarray(data["mean"])
    low, high = float(data["low"]), float(data["high"])
    filled = ax.contourf(grid, grid, mean.T, LEVELS, cmap="Greys_r", alpha=0.75)
    lines = ax.contour(grid, grid, mean.T, filled.levels, colors=INK, linewidths=0.5)
    ellipse = np.asarray(data["ellipse"])
    square = np.array([[low, low], [high, low], [high, high], [low, high], [low, low]])
    ring = np.concatenate([square, ellipse[::-1]])
    codes = [Path.MOVETO, *[Path.LINETO] * 4, Path.MOVETO, *[Path.LINETO] * (len(ellipse) - 1)]
    ax.add_patch(PathPatch(Path(ring, codes), facecolor="white", alpha=0.62, lw=0, zorder=2.5))
    ax.plot(*ellipse.T, color=INK, lw=1.0, ls=":", zorder=3)
    labels = ax.clabel(lines, fontsize=SIZE - 2.5, fmt=lambda value: talk.number(value, 1))
    inside = PathPatch(Path(ellipse), transform=ax.transData)
    for drawn in (lines, *labels):
        drawn.set_clip_path(inside)
    centre = float(data["centre"])
    for name, sign in (("congruence", 1.0), ("incongruence", -1.0)):
        colour, style = _STYLES[name]
        ax.plot(grid, centre + sign * (grid - centre), color=colour, ls=style, lw=1.3, zorder=4)
    axis = data["axis"]
    if axis.get("line"):
        line = {key: np.asarray(values) for key, values in axis["line"].items()}
        band = ax.fill_between(grid, line["lower"], line["upper"], facecolor="none", edgecolor=GREY, hatch="...", lw=0,
                               zorder=3.5)  # fmt: skip
        (middle,) = ax.plot(grid, line["median"], color=INK, ls="-.", lw=1.4, zorder=4)
        for drawn in (band, middle):
            drawn.set_clip_path(inside)
    ax.set_xlim(low, high)
    ax.set_ylim(low, high)
    ax.set_aspect("equal")
    ax.set_title(talk.say(f"figure.{'within' if place == 'within' else 'between'}_title"))
    ax.set_xlabel(wrap(raters[0], 34))
    if first:
        ax.set_ylabel(wrap(raters[1], 34))
    localise(ax)


def _lines(ax: Axes, data: Mapping[str, Any], place: str, y: str, talk: Language, *, first: bool) -> None:
    """Draw the outcome along both lines with bands, against its value at the centre."""
    ax.axhline(0, color=LIGHT, lw=0.8)
    for name, (colour, style) in _STYLES.items():
        if name not in data["lines"]:
            continue
        line = {key: np.asarray(values) for key, values in data["lines"][name].items()}
        ax.fill_between(line["t"], line["lower"], line["upper"], color=colour, alpha=0.18, lw=0)
        ax.plot(line["t"], line["mean"], color=colour, ls=style, label=talk.say(f"surface.{name}"))
    ax.set_xlabel(wrap(talk.say(f"surface.distance_{place}"), 40))
    if first:
        ax.set_ylabel(wrap(talk.say("surface.difference", y=y), 28))
        ax.legend(loc="best", handlelength=2.2)


def _ends(line: Mapping[str, Any], talk: Language) -> dict[str, str]:
    """Return value and place of a line's ends."""
    said: dict[str, str] = {}
    for end, at in (("first", 0), ("last", -1)):
        low, high = (talk.number(float(line[key][at]), 2) for key in ("lower", "upper"))
        said[end] = f"{talk.number(float(line['mean'][at]), 2)} [{low}{'; ' if talk.code == 'de' else ', '}{high}]"
        said[f"{end}_at"] = talk.number(float(line["t"][at]), 1)
    return said


def _described(place: str, data: Mapping[str, Any], talk: Language) -> str:
    """Say in words what one level shows: the ends of both lines, and the axis."""
    said: dict[str, str] = {"where": talk.say(f"figure.{'within' if place == 'within' else 'between'}_title")}
    said["lines"] = "; ".join(
        talk.say("surface.alt_line", line=talk.say(f"surface.{name}"), **_ends(line, talk))
        for name, line in data["lines"].items()
    )
    axis = data["axis"]
    if axis.get("line"):
        slope = axis["slope"]
        said["axis"] = talk.say(
            "surface.alt_axis",
            slope=talk.number(float(slope["median"]), 2),
            lower=talk.number(float(slope["lower"]), 2),
            upper=talk.number(float(slope["upper"]), 2),
        )
    else:
        said["axis"] = talk.say("surface.alt_no_axis")
    return talk.say("surface.alt_part", **said)
