"""Model and sampling checks: posterior prediction per level, R-hat and ESS, ranks of draws per chain."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..prose.labels import label_of
from ..prose.language import Language, language
from ..prose.names import placed_name
from ..prose.paragraphs import model_title
from .densities import MOST
from .style import COLOURS, GREY, LIGHT, LINES, MARKERS, SIZE, Figure, canvas, shade, styled, wrap

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ..results import ModelResults, Results, StudyInfo

RHAT, ESS = 1.01, 400
LEVELS = ("session", "client", "therapist")
MOST_CHECKS = 26  # of a figure; of more, those that fit worst


def predictive(model: ModelResults, study: StudyInfo, code: str | None = None) -> Figure | None:
    """Draw posterior predictive checks per level.

    Statistics live on different scales, so each is placed relative to its own predictive interval: the band is the
    interval, the diamond the observed data, the numbers stand beside it.

    Parameters
    ----------
    model
        A model whose card has predictive checks.
    study
        For the interval.
    code
        Language; the study's by default.

    Returns
    -------
    Figure or None
        ``None`` where the card has no checks.
    """
    checks = [
        check
        for level in LEVELS
        for check in model.card.get("ppc") or ()
        if check.get("level") == level
        and all(_finite(check.get(key)) for key in ("observed", "mean", "lower", "upper"))
    ]
    if not checks:
        return None
    if len(checks) > MOST_CHECKS:
        worst = sorted(checks, key=_distance)[-MOST_CHECKS:]
        checks = [check for check in checks if check in worst]
    code = code or study.language
    talk = language(code)
    parts = []
    levels = [talk.say(f"figure.{'sessions' if check['level'] == 'session' else check['level']}") for check in checks]
    statistics = [check_name(model, check, talk) for check in checks]
    names = [wrap(f"{level}: {statistic}", 44) for level, statistic in zip(levels, statistics, strict=True)]
    pitch = 0.2 if not any("\n" in name for name in names) else 0.28  # inches of a row
    with styled(code):
        fig, (ax,) = canvas(0.7 + pitch * len(checks))
        shade(ax, -1, 1)
        ax.axvline(0, color=GREY, lw=0.8)
        reach = 1.3
        for i, check in enumerate(checks):
            lower, mean, upper, observed = (float(check[key]) for key in ("lower", "mean", "upper", "observed"))
            half = max((upper - lower) / 2, 1e-12)
            # The middle of the interval is the origin, so that its ends are −1 and 1 whatever its shape.
            position = (observed - (upper + lower) / 2) / half
            shown = float(np.clip(position, -3, 3))
            reach = max(reach, abs(shown) + 0.2)
            ax.plot([-1, 1], [-i, -i], color=COLOURS[0], lw=3, alpha=0.35, solid_capstyle="butt")
            ax.plot((mean - (upper + lower) / 2) / half, -i, "|", color=COLOURS[0], ms=9, mew=1.6)
            marker = "D" if shown == position else (">" if position > 0 else "<")
            ax.plot(shown, -i, marker, ms=5.5, color=COLOURS[1] if abs(position) > 1 else "#222222")
            scale = _decimals(upper - lower)
            said = {
                "observed": talk.number(observed, scale), "mean": talk.number(mean, scale),
                "lower": talk.number(lower, scale), "upper": talk.number(upper, scale),
            }  # fmt: skip
            separator = ", " if code == "en" else "; "
            text = f"{said['observed']}  [{said['lower']}{separator}{said['upper']}]"
            ax.text(1.02, -i, text, transform=ax.get_yaxis_transform(), va="center", fontsize=SIZE - 1)
            parts.append(talk.say("alt.ppc_part", level=levels[i], statistic=statistics[i], **said))
        ax.set_yticks([-i for i in range(len(checks))], names, linespacing=1.0)
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        ax.set_xlim(-reach, reach)
        ax.set_ylim(-len(checks) + 0.4, 0.6)
        ax.set_xlabel(talk.say("figure.ppc_axis", interval=talk.interval(study.interval)))
    return Figure(fig, talk.say("alt.ppc", parts="; ".join(parts)))


def check_name(model: ModelResults, check: Mapping[str, Any], talk: Language) -> str:
    """Name what a predictive check looks at: a statistic, and of which ratings where a model has several."""
    statistic = str(talk.find(f"statistic.{check['statistic']}", "") or check["statistic"])
    if not check.get("response"):
        return statistic
    return f"{' – '.join(label_of(model, name) for name in str(check['response']).split(', '))}, {statistic}"


def _distance(check: Mapping[str, Any]) -> float:
    """Return how far the observed value lies from the middle of its predictive interval, in half widths."""
    lower, upper, observed = (float(check[key]) for key in ("lower", "upper", "observed"))
    return abs(observed - (upper + lower) / 2) / max((upper - lower) / 2, 1e-12)


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _decimals(width: float) -> int:
    """Digits that show a twentieth of an interval's width."""
    return max(0, min(3, 1 - math.floor(math.log10(width)))) if width > 0 else 2


def diagnostics(results: Results, code: str | None = None) -> Figure | None:
    """Draw the largest R-hat and the smallest effective sample sizes of all models beside their thresholds.

    Parameters
    ----------
    results
        The results folder.
    code
        Language; the study's by default.

    Returns
    -------
    Figure or None
        ``None`` where there are no models.
    """
    table = results.diagnostics.loc[~results.diagnostics["model"].isin(results.added)]
    if table.empty:
        return None
    code = code or results.study.language
    talk = language(code)
    names = [model_title(model, talk) for model in results.each()]
    place = -np.arange(len(names))
    with styled(code):
        fig, (left, right) = canvas(0.85 + 0.3 * len(names), 2, sharey=True)
        rhat = table["rhat_max"].to_numpy(dtype=float)
        left.axvline(RHAT, color=GREY, ls="--", lw=1, label=talk.say("figure.threshold"))
        left.plot(rhat, place, "o", color=COLOURS[0], ms=6)
        left.set_xlim(
            min(0.999, np.nanmin(rhat, initial=1.0) - 0.001), max(1.012, np.nanmax(rhat, initial=1.0) + 0.003)
        )
        left.set_xlabel(talk.say("figure.rhat"))
        left.set_yticks(place, [wrap(name, 40) for name in names])
        right.axvline(ESS, color=GREY, ls="--", lw=1)
        for i, (column, word) in enumerate((("ess_bulk_min", "bulk"), ("ess_tail_min", "tail"))):
            values = table[column].to_numpy(dtype=float)
            right.plot(values, place + 0.1 - 0.2 * i, ls="", marker=MARKERS[i], color=COLOURS[i], ms=6,
                       label=talk.say(f"figure.{word}"))  # fmt: skip
        most = np.nanmax(table[["ess_bulk_min", "ess_tail_min"]].to_numpy(dtype=float), initial=ESS)
        right.set_xlim(0, 1.1 * most)
        right.set_xlabel(talk.say("figure.ess"))
        for ax in (left, right):
            ax.set_ylim(-len(names) + 0.5, 0.5)
            ax.tick_params(axis="y", length=0)
            ax.grid(axis="x")
        fig.legend(*right.get_legend_handles_labels(), loc="outside lower right", ncols=2)
    parts = [
        talk.say(
            "alt.diagnostics_part",
            name=name,
            rhat=talk.number(float(row["rhat_max"]), 3),
            bulk=talk.number(float(row["ess_bulk_min"]), 0),
            tail=talk.number(float(row["ess_tail_min"]), 0),
        )
        for name, (_, row) in zip(names, table.iterrows(), strict=True)
    ]
    return Figure(fig, talk.say("alt.diagnostics", n=talk.count(len(names), "model"), parts="; ".join(parts)))


def ranks(model: ModelResults, study: StudyInfo, code: str | None = None, bins: int = 20) -> Figure | None:
    """Draw rank histograms of the estimands' draws per chain.

    Parameters
    ----------
    model
        A model whose fit kept draws of its estimands.
    study
        For the language.
    code
        Language; the study's by default.
    bins
        Bars per chain.

    Returns
    -------
    Figure or None
        ``None`` where no draws are kept.

    References
    ----------
    Vehtari et al. (2021), Bayesian Analysis 16(2), section 4.3.
    """
    kept = model.estimand_draws
    if kept is None or kept.sizes["chain"] < 2:
        return None
    talk = language(code or study.language)
    scales = kept["scale"].values.astype(str)
    chosen = np.flatnonzero(scales == "raw")[:MOST]
    names = [placed_name(model, str(kept["estimand"].values[i]), talk) for i in chosen]
    values = kept["value"].transpose("quantity", "chain", "draw").values[chosen]
    return _rank_figure(names, values, bins, talk)


def _rank_figure(names: Sequence[str], values: NDArray[np.float64], bins: int, talk: Language) -> Figure:
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    chains, draws = values.shape[1:]
    worst = 0.0
    with styled(talk.code):
        fig, axes = canvas(0.6 + 1.5 * rows, columns, rows, sharex=True, sharey=True)
        edges = np.linspace(0, chains * draws, bins + 1)
        for ax, name, one in zip(axes, names, values, strict=False):
            order = np.argsort(np.argsort(one.ravel(), kind="stable"), kind="stable").reshape(chains, draws)
            expected = draws / bins
            ax.axhline(expected, color=LIGHT, lw=1)
            for chain in range(chains):
                counts, _ = np.histogram(order[chain], bins=edges)
                worst = max(worst, float(np.abs(counts / expected - 1).max()))
                ax.stairs(counts, edges, color=COLOURS[chain % len(COLOURS)], ls=LINES[chain % len(LINES)], lw=1.1,
                          baseline=None, label=talk.say("figure.chain", n=str(chain + 1)))  # fmt: skip
            ax.set_title(wrap(name, 27), fontsize=SIZE - 1, fontweight="normal")
            ax.set_ylim(bottom=0)
        for ax in axes[len(names) :]:
            ax.remove()
        for i, ax in enumerate(axes[: len(names)]):
            # The last axes of each column carry the label and the numbers, also where the last row is not full.
            ax.tick_params(labelbottom=i + columns >= len(names))
            ax.set_xlabel(talk.say("figure.rank") if i + columns >= len(names) else "")
            ax.set_ylabel(talk.say("figure.count") if i % columns == 0 else "")
        fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=min(4, chains))
    alt = talk.say("alt.rank", n=str(len(names)), chains=talk.count(chains, "chain"), worst=talk.number(100 * worst, 0))
    return Figure(fig, alt)
