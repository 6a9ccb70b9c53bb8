"""Participant flow: boxes from top to bottom, what was left out at their side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..prose.language import language
from .style import BAND, GREY, INK, SIZE, WIDTH, Figure, plain, styled, wrap

if TYPE_CHECKING:
    from ..results import StudyInfo


@dataclass(frozen=True, slots=True)
class Step:
    """One box of the flow.

    Parameters
    ----------
    label
        What these participants have in common.
    counts
        What is counted, already in words (``96 clients``, ``1,120 sessions``).
    left_out
        What leaves before the next box, in words; empty where nothing does.
    """

    label: str
    counts: tuple[str, ...]
    left_out: tuple[str, ...] = ()


_LINE = 0.165  # inches per line of text at this size
_PAD = 0.2
_GAP = 0.34


def flow(steps: Sequence[Step], study: StudyInfo, code: str | None = None) -> Figure | None:
    """Draw the flow of participants.

    Parameters
    ----------
    steps
        Boxes from first to last.
    study
        For the language.
    code
        Language; the study's by default.

    Returns
    -------
    Figure or None
        ``None`` where there are no steps.
    """
    if not steps:
        return None
    from matplotlib.figure import Figure as MatplotlibFigure

    talk = language(code or study.language)
    sides = any(step.left_out for step in steps)
    main_width = 3.3 if sides else 4.4
    texts = [_box_text(step, 42 if sides else 56) for step in steps]
    asides = ["\n".join(wrap(line, 34) for line in step.left_out) for step in steps]
    heights = [_height(text) for text in texts]
    # A side box stands between two boxes, so the gap there grows with it.
    gaps = [max(_GAP, _height(aside) + 0.16 if aside else _GAP) for aside in asides[:-1]]
    height = sum(heights) + sum(gaps) + 0.12
    with styled(talk.code):
        fig = MatplotlibFigure(figsize=(WIDTH, height))
        ax = fig.add_axes((0, 0, 1, 1))
        ax.set_xlim(0, WIDTH)
        ax.set_ylim(0, height)
        ax.axis("off")
        centre = 0.1 + main_width / 2 if sides else WIDTH / 2
        top = height - 0.06
        for i, (text, tall) in enumerate(zip(texts, heights, strict=True)):
            _box(ax, centre, top - tall / 2, main_width, tall, text, BAND)
            if i + 1 < len(steps):
                bottom, gap = top - tall, gaps[i]
                ax.annotate(
                    "",
                    (centre, bottom - gap),
                    (centre, bottom),
                    arrowprops={"arrowstyle": "-|>", "color": GREY, "lw": 1.1, "shrinkA": 0, "shrinkB": 0},
                )
                if asides[i]:
                    left = main_width + 0.45
                    wide = WIDTH - left - 0.1
                    middle = bottom - gap / 2
                    ax.annotate(
                        "",
                        (left, middle),
                        (centre, middle),
                        arrowprops={"arrowstyle": "-|>", "color": GREY, "lw": 1.1, "shrinkA": 0, "shrinkB": 0},
                    )
                    _box(ax, left + wide / 2, middle, wide, _height(asides[i]), asides[i], "white")
            top -= tall + (gaps[i] if i + 1 < len(steps) else 0)
    parts = [
        talk.say("alt.flow_part", label=plain(step.label), n=talk.find("list.separator").join(step.counts))
        + (f" ({'; '.join(step.left_out)})" if step.left_out else "")
        for step in steps
    ]
    return Figure(fig, talk.say("alt.flow", parts="; ".join(parts)))


def _box_text(step: Step, width: int) -> str:
    counts = wrap(" · ".join(step.counts), width)
    return f"{wrap(step.label, width)}\n{counts}" if step.counts else wrap(step.label, width)


def _height(text: str) -> float:
    return (text.count("\n") + 1) * _LINE + _PAD if text else 0.0


def _box(ax: object, x: float, y: float, width: float, height: float, text: str, fill: str) -> None:
    from matplotlib.patches import FancyBboxPatch

    patch = FancyBboxPatch(
        (x - width / 2, y - height / 2),
        width,
        height,
        boxstyle="round,pad=0,rounding_size=0.05",
        fc=fill,
        ec=GREY,
        lw=0.9,
    )
    ax.add_patch(patch)  # type: ignore[attr-defined]
    ax.text(x, y, text, ha="center", va="center", fontsize=SIZE, color=INK, linespacing=1.25)  # type: ignore[attr-defined]
