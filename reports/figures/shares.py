"""Variance shares: a stacked bar with the uncertainty of each part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..numbers import interval_text, number_text
from ..prose.language import language
from .style import COLOURS, INK, SIZE, Figure, canvas, plain, styled, wrap

if TYPE_CHECKING:
    from ..results import ModelResults, StudyInfo

_LEVELS = ("therapist", "client", "session")
_HATCH = ("////", "", "....")


def shares(models: tuple[ModelResults, ...], study: StudyInfo, code: str | None = None) -> Figure | None:
    """Draw the variance shares of one or more models, one bar each, intervals below the bar.

    Parameters
    ----------
    models
        Variance models; others are left out.
    study
        For the interval.
    code
        Language; the study's by default.

    Returns
    -------
    Figure or None
        ``None`` where no model has shares.
    """
    chosen = [model for model in models if model.estimates["estimand"].str.startswith("share.").any()]
    if not chosen:
        return None
    code = code or study.language
    talk = language(code)
    parts = []
    with styled(code):
        fig, (ax,) = canvas(1.0 + 0.85 * len(chosen))
        for i, model in enumerate(chosen):
            start = 0.0
            for j, level in enumerate(_LEVELS):
                found = model.estimates.loc[model.estimates["estimand"] == f"share.{level}"]
                if found.empty:
                    continue
                row = found.iloc[0]
                share = 100 * float(row["mean"])
                name = talk.say(f"figure.{'sessions' if level == 'session' else level}")
                ax.barh(
                    -i,
                    share,
                    left=start,
                    height=0.46,
                    color=COLOURS[(1, 0, 2)[j]],
                    alpha=0.75,
                    ec="white",
                    lw=1,
                    hatch=_HATCH[j],
                    label=name if i == 0 else None,
                    zorder=2,
                )
                text = number_text(row, "percent", code, study.interval)
                if share >= 6:
                    ax.text(
                        start + share / 2,
                        -i,
                        text,
                        ha="center",
                        va="center",
                        fontsize=SIZE,
                        color=INK,
                        bbox={"boxstyle": "round,pad=0.18", "fc": "white", "ec": "none", "alpha": 0.85},
                    )
                # A whisker shows where the part may end, measured from its start; the last part is measured from 100 %.
                below = -i - 0.31 - 0.08 * j
                ends = [100 * float(row[end]) for end in ("lower", "upper")]
                last = level == "session"
                ax.plot([100 - e if last else start + e for e in ends], [below, below], color=INK, lw=1.1)
                ax.plot(100 - share if last else start + share, below, "|", color=INK, ms=5)
                interval = interval_text(row, code, study.interval, percent=True)
                parts.append(talk.say("alt.shares_part", level=name, share=text, ci=interval))
                start += share
        ax.set_yticks([-i for i in range(len(chosen))], [wrap(str(m.card["outcome"]["label"]), 22) for m in chosen])
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        ax.set_xlim(0, 100)
        ax.set_ylim(-len(chosen) + 0.38, 0.42)
        ax.set_xlabel(f"{talk.say('figure.share_axis')} (%)")
        fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    title = talk.join([plain(str(model.card["outcome"]["label"])) for model in chosen])
    return Figure(fig, talk.say("alt.shares", y=title, parts="; ".join(parts)))
