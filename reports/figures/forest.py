"""Forest of estimands: posterior means, 50 % and credible intervals, the region of practical equivalence."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from ..numbers import interval_text, number_text
from ..prose.language import language
from ..prose.names import short_name
from ..prose.verdicts import kind_of
from .style import COLOURS, GREY, SIZE, Figure, canvas, plain, shade, styled, wrap

if TYPE_CHECKING:
    import pandas as pd

    from ..results import ModelResults, StudyInfo


def forest_rows(model: ModelResults) -> pd.DataFrame:
    """Return the rows that a forest shows: associations on the standardised scale, which share one axis.

    A model without standardised associations shows its raw estimands other than the intercept.
    """
    table = model.rows("standardised")
    chosen = table.loc[[kind_of(str(name)).verdict for name in table["estimand"]]]
    if chosen.empty:
        table = model.rows("raw")
        chosen = table.loc[table["estimand"] != "intercept"]
    return chosen


def forest(model: ModelResults, study: StudyInfo, code: str | None = None) -> Figure | None:
    """Draw the forest of one model.

    Parameters
    ----------
    model
        The fitted model.
    study
        For the interval and the ROPE.
    code
        Language; the study's by default.

    Returns
    -------
    Figure or None
        Its alt text lists every quantity with mean and interval; ``None`` for a model without estimates.
    """
    code = code or study.language
    talk = language(code)
    rows = forest_rows(model)
    if rows.empty:
        return None
    scale = str(rows["scale"].iloc[0])
    names = [short_name(model, str(name), talk) for name in rows["estimand"]]
    wrapped = [wrap(name, 40) for name in names]
    lines = [text.count("\n") + 1 for text in wrapped]
    with styled(code):
        fig, (ax,) = canvas(height=0.8 + 0.17 * sum(lines) + 0.07 * len(lines))
        place = np.array([-(sum(lines[:i]) + lines[i] / 2 + 0.4 * i) for i in range(len(lines))])
        if scale == "standardised":
            half = study.rope["default"]
            shade(ax, -half, half)
        ax.axvline(0, color=GREY, lw=0.8)
        parts = []
        for at, (_, row), name in zip(place, rows.iterrows(), names, strict=True):
            inner = half_interval(model, row)
            ax.plot([row["lower"], row["upper"]], [at, at], color=COLOURS[0], lw=1.2, solid_capstyle="butt")
            ax.plot(inner, [at, at], color=COLOURS[0], lw=4, solid_capstyle="butt")
            ax.plot(row["mean"], at, "o", ms=5.5, mfc="white", mec=COLOURS[0], mew=1.4)
            mean, interval = number_text(row, "mean", code, study.interval), interval_text(row, code, study.interval)
            ax.text(1.02, at, f"{mean} {interval}", transform=ax.get_yaxis_transform(), va="center", fontsize=SIZE - 1)
            parts.append(
                talk.say("alt.forest_part", name=name, mean=mean, ci=interval, interval=talk.interval(study.interval))
            )
        ax.set_yticks(place, wrapped)
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        ax.margins(y=0.08)
        unit = talk.say(f"figure.axis_{scale}")
        ax.set_xlabel(unit)
        if scale == "standardised":
            top = ax.get_ylim()[1]
            ax.text(0, top, talk.say("figure.rope"), ha="center", va="bottom", fontsize=SIZE - 1.5, color=GREY)
    alt = talk.say("alt.forest", n=str(len(rows)), title=plain(model.name), parts="; ".join(parts))
    return Figure(fig, alt)


def half_interval(model: ModelResults, row: pd.Series) -> tuple[float, float]:
    """Return the central 50 % interval: from the draws where the fit keeps them, else by normal approximation."""
    draws = model.draws(str(row["estimand"]), str(row["scale"]))
    if draws is not None:
        low, high = np.quantile(draws, [0.25, 0.75])
        return float(low), float(high)
    z = NormalDist().inv_cdf(0.75)
    return float(row["mean"] - z * row["sd"]), float(row["mean"] + z * row["sd"])
