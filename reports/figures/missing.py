"""Missingness over sessions: how many clients still give a rating."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..prose.language import language
from .style import COLOURS, LINES, MARKERS, Figure, canvas, plain, styled, wrap

if TYPE_CHECKING:
    import pandas as pd

    from ..results import StudyInfo


def missingness(table: pd.DataFrame, study: StudyInfo, code: str | None = None) -> Figure | None:
    """Draw the share of clients with a rating, session by session, one line per variable.

    Parameters
    ----------
    table
        Columns ``variable`` (label), ``session``, ``rated`` (share in 0 … 1) and ``clients`` (denominator).
    study
        For the disclosure threshold: sessions with fewer clients are left out.
    code
        Language; the study's by default.

    Returns
    -------
    Figure or None
        ``None`` where nothing remains to be drawn.
    """
    shown = table.loc[table["clients"] >= study.threshold]
    if shown.empty or shown["session"].nunique() < 2:
        return None
    from matplotlib.ticker import MaxNLocator

    code = code or study.language
    talk = language(code)
    parts = []
    with styled(code):
        fig, (ax,) = canvas(2.4)
        for i, (name, one) in enumerate(shown.groupby("variable", sort=False)):
            rated = 100 * one["rated"]
            ax.plot(one["session"], rated, color=COLOURS[i % len(COLOURS)], ls=LINES[i % len(LINES)],
                    marker=MARKERS[i % len(MARKERS)], ms=4, lw=1.2, label=wrap(str(name), 26))  # fmt: skip
            parts.append(
                talk.say(
                    "alt.missing_part", name=plain(str(name)), first=f"{talk.number(float(rated.iloc[0]), 0)} %",
                    last=f"{talk.number(float(rated.iloc[-1]), 0)} %", s0=str(one["session"].iloc[0]),
                    s1=str(one["session"].iloc[-1]),
                )
            )  # fmt: skip
        # From zero, unless all lines would lie on one another at the top; the axis says so.
        ax.set_ylim(50 if (100 * shown["rated"]).min() >= 60 else 0, 102)
        ax.grid(axis="y")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_xlabel(talk.say("figure.session"))
        ax.set_ylabel(wrap(talk.say("figure.rated"), 20))
        fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return Figure(fig, talk.say("alt.missing", parts="; ".join(parts)))
