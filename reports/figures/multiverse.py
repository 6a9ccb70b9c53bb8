"""Specification curves: each quantity of the theory under every combination of choices, in order of size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .. import digits
from ..prose import theory as prose
from .style import BAND, COLOURS, GREY, INK, SIZE, Figure, canvas, plain, styled
from .theory import MARKERS

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

COLUMNS = 3
MOST = 12
"""Panels at most."""


def multiverse(table: pd.DataFrame, code: str) -> Figure | None:
    """Draw one specification curve per quantity.

    Parameters
    ----------
    table
        ``sensitivity.csv``.
    code
        Language.

    Returns
    -------
    Figure or None
        ``None`` where no quantity has two combinations.
    """
    known = table.dropna(subset=["mean"])
    parts = [(key, rows) for key, rows in known.groupby(["id", "part"], sort=False, dropna=False) if len(rows) > 1]
    if not parts:
        return None
    parts = parts[:MOST]
    rows = math.ceil(len(parts) / COLUMNS)
    with styled(code):
        fig, axes = canvas(0.6 + 1.7 * rows, COLUMNS, rows)
        for ax in axes[len(parts) :]:
            ax.set_axis_off()
        for ax, ((name, part), own) in zip(axes, parts, strict=False):
            _panel(ax, own, plain(_title(name, part)))
        words = dict.fromkeys(str(verdict).partition(":")[0] for _, one in parts for verdict in one["verdict"])
        for word in [word for word in MARKERS if word in words]:
            label = plain(prose.say(f"word.{word}", code))
            axes[0].plot([], [], ls="", ms=6, mec=INK, mew=0.9, label=label, **MARKERS[word])
        fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(words))
        fig.supylabel(prose.say("multiverse.axis", code), fontsize=SIZE)
    told = "; ".join(
        prose.say(
            "multiverse.alt_part", code, id=_title(name, part), n=str(len(own)),
            low=digits.write(float(own["mean"].min()), 2, code), high=digits.write(float(own["mean"].max()), 2, code),
        )
        for (name, part), own in parts
    )  # fmt: skip
    return Figure(fig, prose.say("multiverse.alt", code, parts=told))


def _title(name: object, part: object) -> str:
    return f"{name} {part}" if isinstance(part, str) and part else str(name)


def _panel(ax: Axes, rows: pd.DataFrame, title: str) -> None:
    rows = rows.sort_values("mean").reset_index(drop=True)
    smallest = float(rows["smallest"].iloc[0])
    ax.axhspan(-smallest, smallest, color=BAND, lw=0, zorder=0)
    ax.axhline(0, color=GREY, lw=0.8)
    for at, (_, row) in enumerate(rows.iterrows()):
        own = bool(row["own"])
        ax.plot([at, at], [row["lower"], row["upper"]], color=COLOURS[0], lw=2.2 if own else 1.0, zorder=2)
        style = MARKERS.get(str(row["verdict"]).partition(":")[0], MARKERS["not trusted"])
        ax.plot(at, row["mean"], ls="", ms=6 if own else 4, mec=INK, mew=0.9, zorder=3, **style)
    ax.set_title(title, fontsize=SIZE - 1)
    ax.set_xticks([])
    ax.margins(x=0.06)
