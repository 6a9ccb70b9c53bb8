"""Expected course with its credible band, and simulated new clients around it: never real people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..prose.labels import label_of, reference_of
from ..prose.language import Language, language
from .style import COLOURS, LIGHT, LINES, Figure, canvas, plain, styled, wrap

if TYPE_CHECKING:
    from ..results import ModelResults, StudyInfo

SHOWN = 20  # simulated new clients per group: more turn into a grey area


def growth(model: ModelResults, study: StudyInfo, code: str | None = None) -> Figure | None:
    """Draw the course of a growth model, one panel per group.

    Parameters
    ----------
    model
        A model whose card has curves.
    study
        For the interval.
    code
        Language; the study's by default.

    Returns
    -------
    Figure or None
        ``None`` where the card has no curves (then the report leaves the figure out).
    """
    curves = [curve for curve in model.card.get("curves") or () if len(curve.get("time") or ()) > 1]
    if not curves:
        return None
    code = code or study.language
    talk = language(code)
    columns = min(3, len(curves))
    rows = -(-len(curves) // columns)
    outcome = model.card["outcome"]
    with styled(code):
        fig, axes = canvas(0.5 + 2.1 * rows, columns, rows, sharex=True, sharey=True)
        for i, (ax, curve) in enumerate(zip(axes, curves, strict=False)):
            time = np.asarray(curve["time"], dtype=float)
            colour = COLOURS[i % len(COLOURS)]
            for j, path in enumerate((curve.get("spaghetti") or ())[:SHOWN]):
                ax.plot(
                    time, path, color=LIGHT, lw=0.7, zorder=1, label=talk.say("figure.new_clients") if not j else None
                )
            ax.fill_between(time, curve["lower"], curve["upper"], color=colour, alpha=0.22, lw=0, zorder=2)
            if curve.get("lower50"):
                ax.fill_between(time, curve["lower50"], curve["upper50"], color=colour, alpha=0.35, lw=0, zorder=3)
            line = LINES[i % len(LINES)]
            ax.plot(time, curve["mean"], color=colour, ls=line, zorder=4, label=talk.say("figure.expected"))
            if curve.get("group") not in (None, "", "all", "population"):
                ax.set_title(wrap(_group(model, curve), 24))
            if i >= len(curves) - columns:
                ax.set_xlabel(_time_label(model, talk))
            if i % columns == 0:
                unit = str(outcome.get("unit") or "")
                ax.set_ylabel(wrap(f"{outcome['label']} ({talk.unit(unit, 1)})" if unit else str(outcome["label"]), 26))
            ax.set_ylim(*_limits(curves))
        for ax in axes[len(curves) :]:
            ax.remove()
        handles, labels = axes[0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower center", ncols=2)
    alt = talk.say(
        "alt.growth",
        y=plain(str(outcome["label"])),
        parts="; ".join(_described(model, curve, talk) for curve in curves),
        interval=talk.interval(study.interval),
        k=str(min(SHOWN, len(curves[0].get("spaghetti") or ()))),
    )
    return Figure(fig, alt)


def _limits(curves: list[dict[str, Any]]) -> tuple[float, float]:
    """Cover the bands wholly and nearly all simulated clients; a single extreme one must not flatten the course."""
    bands = np.concatenate([np.ravel([curve["lower"], curve["upper"]]) for curve in curves])
    paths = [np.ravel((curve.get("spaghetti") or [[]])[:SHOWN]) for curve in curves]
    people = np.concatenate(paths) if any(path.size for path in paths) else bands
    low, high = np.quantile(people, [0.005, 0.995])
    low, high = min(low, bands.min()), max(high, bands.max())
    margin = 0.04 * (high - low or 1)
    return float(low - margin), float(high + margin)


def _time_label(model: ModelResults, talk: Language) -> str:
    options = model.card.get("options") or {}
    axis = str(options.get("time_axis") or "session")
    if axis == "fraction":
        return talk.say("figure.fraction")
    unit = str(model.card.get("time_unit") or "").strip()
    if unit.startswith("unit of "):
        return plain(label_of(model, unit.removeprefix("unit of ")))
    # Its singular without the article: "one month" and "einen Monat" become Month and Monat.
    name = talk.unit(unit, 0).split(" ", 1)[-1] if unit else talk.say("figure.time")
    return name[:1].upper() + name[1:]


def _group(model: ModelResults, curve: dict[str, Any]) -> str:
    """Name a group; ``arm: reference`` becomes the reference category's own name."""
    name = str(curve["group"])
    variable, _, rest = name.partition(": ")
    return reference_of(model, variable) if rest == "reference" else name


def _described(model: ModelResults, curve: dict[str, Any], talk: Language) -> str:
    group = curve.get("group")
    values = {
        f"{place}{end}": talk.number(float(curve[column][index]), 1)
        for place, index in (("first", 0), ("last", -1))
        for end, column in (("", "mean"), ("_lower", "lower"), ("_upper", "upper"))
    }
    times = {name: f"{float(curve['time'][index]):g}" for name, index in (("t0", 0), ("t1", -1))}
    name = talk.say("alt.all") if group in (None, "", "all", "population") else _group(model, curve)
    return talk.say("alt.growth_part", group=name, **values, **times)
