"""What the priors expect before any data are seen: simulated studies beside the observed one and the instrument."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..prose import supplement as prose
from ..prose.labels import label_of
from ..prose.language import Language, language
from .style import COLOURS, INK, SIZE, Figure, canvas, shade, styled, wrap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    from ..results import ModelResults, StudyInfo

MOST = 6
"""Variables of a figure; those of larger models go on in the next."""
RATINGS = ("low", "mean", "high")
SPREADS = ("SD", "SD of client means")
REACH = 1.25  # widths of the range that an axis shows beyond its ends


def drawable(model: ModelResults) -> tuple[Mapping[str, Any], ...]:
    """Return the variables of a model that have anything to show."""
    return tuple(one for one in model.card.get("prior_predictive") or () if one["statistics"])


def prior_prediction(model: ModelResults, study: StudyInfo, code: str | None = None, first: int = 0) -> Figure | None:
    """Draw statistics of studies that the priors simulate, variable by variable.

    On the left, in the ratings' own unit, where simulated studies have their 5 % quantile, mean and 95 % quantile; on
    the right their standard deviations. What lies beyond the axis is marked by an arrow.

    Parameters
    ----------
    model
        A model whose card has prior predictions.
    study
        For the language.
    code
        Language; the study's by default.
    first
        Variables to pass over; at most :data:`MOST` are drawn.

    Returns
    -------
    Figure or None
        ``None`` where there is nothing (more) to show.
    """
    shown = drawable(model)[first : first + MOST]
    if not shown:
        return None
    code = code or study.language
    talk = language(code)
    with styled(code):
        fig, axes = canvas(0.75 + 1.12 * len(shown), 2, len(shown))
        for i, one in enumerate(shown):
            left, right = axes[2 * i], axes[2 * i + 1]
            ratings = [row for row in one["statistics"] if row["statistic"] in RATINGS]
            spreads = [row for row in one["statistics"] if row["statistic"] in SPREADS]
            low, high = float(one["low"]), float(one["high"])
            width = high - low
            shade(left, low, high)
            _bars(left, ratings, (low - REACH * width, high + REACH * width), code)
            left.set_title(wrap(_label(model, one), 44), fontsize=SIZE - 0.5)
            if spreads:
                _bars(right, spreads, (0.0, REACH * width), code)
            else:
                right.set_axis_off()
        if any(row["observed"] is not None for one in shown for row in one["statistics"]):
            axes[0].plot([], [], ls="", marker="D", ms=5, color=INK, label=prose.say("prior_predictive.observed", code))
        chosen = {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
        fig.legend(chosen.values(), chosen.keys(), loc="outside lower center", ncols=3)
    told = "; ".join(_told(model, one, talk) for one in shown)
    return Figure(fig, prose.say("prior_predictive.alt", code, parts=told))


def _label(model: ModelResults, one: Mapping[str, Any]) -> str:
    return str(one.get("label") or label_of(model, str(one["response"])))


def _bars(ax: Axes, rows: Sequence[Mapping[str, Any]], reach: tuple[float, float], code: str) -> None:
    """Draw one line per statistic, cut off at the ends of what the axis may show."""
    floor, roof = reach
    ends = [float(row[key]) for row in rows for key in ("lower", "upper")]
    ends += [float(row["observed"]) for row in rows if row["observed"] is not None]
    low, high = max(floor, min(ends)), min(roof, max(ends))
    pad = 0.06 * (high - low)
    for place, row in enumerate(reversed(rows)):
        inner = [_cut(float(row[key]), low, high) for key in ("lower_half", "upper_half")]
        outer = [_cut(float(row[key]), low, high) for key in ("lower", "upper")]
        ax.plot(outer, [place, place], color=COLOURS[0], lw=1.2, solid_capstyle="butt")
        ax.plot(inner, [place, place], color=COLOURS[0], lw=4.5, alpha=0.45, solid_capstyle="butt",
                label=prose.say("prior_predictive.simulated", code))  # fmt: skip
        if low <= float(row["median"]) <= high:
            ax.plot(float(row["median"]), place, "|", color=COLOURS[0], ms=9, mew=1.8)
        if float(row["upper"]) > high:
            ax.plot(high, place, ">", color=COLOURS[0], ms=5, label=prose.say("prior_predictive.beyond", code))
        if float(row["lower"]) < low:
            ax.plot(low, place, "<", color=COLOURS[0], ms=5, label=prose.say("prior_predictive.beyond", code))
        if row["observed"] is not None:
            seen = float(row["observed"])
            inside = float(row["lower"]) <= seen <= float(row["upper"])
            ax.plot(_cut(seen, low, high), place, "D", ms=5, color=INK if inside else COLOURS[1])
    names = [wrap(prose.say(f"statistic.{row['statistic']}", code), 16) for row in reversed(rows)]
    ax.set_yticks(range(len(rows)), names, linespacing=0.95)
    ax.set_ylim(-0.6, len(rows) - 0.4)
    ax.set_xlim(low - pad, high + pad)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def _cut(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def _told(model: ModelResults, one: Mapping[str, Any], talk: Language) -> str:
    """Say what is drawn of one variable."""
    parts = []
    for row in one["statistics"]:
        decimals = max(0, min(3, 2 - len(str(int(abs(float(row["upper"]) - float(row["lower"])))))))
        facts = {key: talk.number(float(row[key]), decimals) for key in ("lower", "median", "upper")}
        key = "alt_statistic" if row["observed"] is None else "alt_observed"
        seen = "" if row["observed"] is None else talk.number(float(row["observed"]), max(decimals, 1))
        name = prose.say(f"statistic.{row['statistic']}", talk.code)
        parts.append(prose.say(f"prior_predictive.{key}", talk.code, name=name, observed=seen, **facts))
    return prose.say("prior_predictive.alt_part", talk.code, y=_label(model, one), parts=", ".join(parts))
