"""The theory at a glance: every tested principle's quantity in its expected direction, with its verdict's sign."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import digits
from ..prose import theory as prose
from .style import BAND, COLOURS, GREY, INK, SIZE, Figure, canvas, plain, styled, wrap

if TYPE_CHECKING:
    from ...analysis.evidence import Finding, Part

# Told apart by form and filling, so that colour carries nothing.
MARKERS: dict[str, dict[str, Any]] = {
    "supported": {"marker": "o", "fillstyle": "full", "mfc": INK},
    "leaning": {"marker": "o", "fillstyle": "left", "mfc": INK, "markerfacecoloralt": "white"},
    "undecided": {"marker": "o", "fillstyle": "full", "mfc": "white"},
    "negligible": {"marker": "s", "fillstyle": "full", "mfc": "white"},
    "opposed": {"marker": "X", "fillstyle": "full", "mfc": INK},
    "not trusted": {"marker": "D", "fillstyle": "full", "mfc": GREY},
}

SMALL = SIZE - 2
WIDTH = 72
"""Signs of a line beside the axis."""
LINE, GAP = 0.113, 0.55
"""Height of such a line in inches; space between two labels, in lines."""


def shown(findings: Sequence[Finding]) -> list[tuple[Finding, Part]]:
    """Return what shares one axis: directed, standardised quantities on which verdicts rest."""
    return [
        (finding, part)
        for finding in findings
        for part in finding.parts
        if part.tested and part.expected and not part.supporting and part.scale == "standardised"
        and not part.estimand.startswith("share.")
    ]  # fmt: skip


def theory(findings: Sequence[Finding], code: str, interval: str) -> Figure | None:
    """Draw the forest of the theory.

    Parameters
    ----------
    findings
        Every row.
    code
        Language.
    interval
        The interval's name, for the alt text.

    Returns
    -------
    Figure or None
        ``None`` where nothing standardised was tested.
    """
    rows = shown(findings)
    if not rows:
        return None
    names = [wrap(f"{finding.id}  {prose.words_of(part, code)}", WIDTH) for finding, part in rows]
    lines = [text.count("\n") + 1 for text in names]
    with styled(code):
        fig, (ax,) = canvas(height=0.9 + LINE * (sum(lines) + GAP * len(lines)))
        place = [-(sum(lines[:i]) + lines[i] / 2 + GAP * i) for i in range(len(lines))]
        for at, (_, part), count in zip(place, rows, lines, strict=True):
            ends = sorted((part.expected * part.lower, part.expected * part.upper))
            ax.fill_betweenx(
                [at - count / 2, at + count / 2], -part.smallest, part.smallest, color=BAND, lw=0, zorder=0
            )
            ax.plot(ends, [at, at], color=COLOURS[0], lw=1.4, solid_capstyle="butt", zorder=2)
            word = part.verdict.partition(":")[0]
            ax.plot(part.expected * part.mean, at, ls="", ms=7, mec=INK, mew=1.0, zorder=3, **MARKERS[word])
        ax.axvline(0, color=GREY, lw=0.8, zorder=1)
        ax.set_yticks(place, names)
        ax.tick_params(axis="y", length=0, labelsize=SMALL)
        ax.spines["left"].set_visible(False)
        ax.margins(y=0.03)
        ax.set_xlabel(prose.say("page.axis", code))
        words = list(dict.fromkeys(part.verdict.partition(":")[0] for _, part in rows))
        for word in [word for word in MARKERS if word in words]:
            ax.plot(
                [], [], ls="", ms=7, mec=INK, mew=1.0, label=plain(prose.say(f"word.{word}", code)), **MARKERS[word]
            )
        fig.legend(loc="outside lower center", ncols=len(words), handletextpad=0.2, columnspacing=1.2)
    oriented = [part.expected * part.mean for _, part in rows]
    alt = prose.say(
        "page.figure_alt", code, n=str(len(rows)), low=digits.write(min(oriented), 2, code),
        high=digits.write(max(oriented), 2, code), counts=prose.tally([part for _, part in rows], code),
        interval=interval,
    )  # fmt: skip
    return Figure(fig, alt)
