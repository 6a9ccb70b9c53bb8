"""Within and between side by side: two lines with bands, and binned means large enough to disclose nobody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..prose.language import Language, language
from .style import COLOURS, GREY, LINES, Figure, canvas, plain, styled, wrap

if TYPE_CHECKING:
    from ..results import ModelResults, StudyInfo

_SIDES = (("within", "bins_within"), ("between", "bins_between"))


def panels(model: ModelResults) -> dict[str, Mapping[str, Any]]:
    """Return the model's panels by predictor; empty where the card has none."""
    panel = model.card.get("panel")
    if not isinstance(panel, Mapping) or not panel:
        return {}
    if "within" in panel or "between" in panel:
        predictors = model.card.get("predictors") or [{"name": "x"}]
        return {str(panel.get("predictor") or predictors[0]["name"]): panel}
    return {str(name): value for name, value in panel.items() if value}


def panel(
    model: ModelResults, study: StudyInfo, predictor: str | None = None, code: str | None = None
) -> Figure | None:
    """Draw the within- and the between-client association of one predictor with the outcome.

    Parameters
    ----------
    model
        A within-between model.
    study
        For the interval and the disclosure threshold: bins with fewer clients are never drawn.
    predictor
        Name of the predictor; the first by default.
    code
        Language; the study's by default.

    Returns
    -------
    Figure or None
        ``None`` where the card has no panel for it.
    """
    found = panels(model)
    predictor = predictor or next(iter(found), None)
    if predictor is None or predictor not in found:
        return None
    code = code or study.language
    talk = language(code)
    data = found[predictor]
    sides = [(side, bins) for side, bins in _SIDES if (data.get(side) or {}).get("x")]
    if not sides:
        return None
    x_label = _label(model, predictor)
    y_label = str(model.card["outcome"]["label"])
    parts = []
    with styled(code):
        fig, axes = canvas(2.6, len(sides), sharey=True)
        for i, (ax, (side, bins)) in enumerate(zip(axes, sides, strict=True)):
            line = {key: np.asarray(value, dtype=float) for key, value in data[side].items() if key != "n"}
            index = 0 if side == "within" else 1
            colour = COLOURS[index]
            ax.fill_between(line["x"], line["lower"], line["upper"], color=colour, alpha=0.22, lw=0)
            ax.plot(line["x"], line["mean"], color=colour, ls=LINES[index])
            dots = [dot for dot in data.get(bins) or () if int(dot.get("n", 0)) >= study.threshold]
            if dots:
                ax.plot([d["x"] for d in dots], [d["y"] for d in dots], ls="", marker="os"[index], ms=4.5, mfc="white",
                        mec=colour, mew=1.2, label=talk.say("figure.binned"))  # fmt: skip
            if side == "within":
                ax.axvline(0, color=GREY, lw=0.6, ls=":")
            ax.set_title(talk.say(f"figure.{side}_title"))
            ax.set_xlabel(wrap(talk.say(f"figure.{side}_x", x=x_label), 36))
            if i == 0:
                ax.set_ylabel(wrap(y_label, 25))
            parts.append(_described(talk.say(f"figure.{side}_title"), line, len(dots), talk))
    alt = talk.say("alt.panel", x=plain(x_label), y=plain(y_label), parts="; ".join(parts))
    return Figure(fig, alt)


def _label(model: ModelResults, name: str) -> str:
    for entry in model.card.get("predictors") or ():
        if entry.get("name") == name:
            return str(entry.get("label") or name)
    return name


def _described(where: str, line: Mapping[str, Any], dots: int, talk: Language) -> str:
    values = {
        f"{place}{end}": talk.number(float(line[column][index]), 2)
        for place, index in (("first", 0), ("last", -1))
        for end, column in (("", "mean"), ("_lower", "lower"), ("_upper", "upper"))
    }
    ends = {"x0": talk.number(float(line["x"][0]), 1), "x1": talk.number(float(line["x"][-1]), 1)}
    return talk.say("alt.panel_part", where=where, k=talk.count(dots, "mean"), **values, **ends)
