"""Short names of estimands for tables and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .labels import category_name, effect_name, label_of, raters, reference_of
from .language import Language
from .paths import NAMED, has_graph, path_name
from .people import dyad_name
from .verdicts import kind_of

if TYPE_CHECKING:
    from ..results import ModelResults


def short_name(model: ModelResults, estimand: str, talk: Language) -> str:
    """Name an estimand in a few words: ``Felt safety (client): within client``.

    Parameters
    ----------
    model
        The model, whose card knows the labels.
    estimand
        Dotted name.
    talk
        The language.

    Returns
    -------
    str
        The name; the dotted name itself where the type is unknown.
    """
    kind = kind_of(estimand)
    if kind.name in NAMED:
        return path_name(model, kind, talk)
    if kind.name.startswith("dyad_"):
        return dyad_name(model, kind, talk)
    pattern = talk.find(f"name.{kind.name}", "") or talk.find(f"name.{estimand}", "")
    if not pattern:
        return estimand
    parts = dict(kind.parts) | raters(model, kind.name)
    effect = effect_name(parts["effect"], model, talk) if parts.get("effect") else ""
    for quote in ("open", "close"):
        effect = effect.replace(talk.find(f"quote.{quote}", ""), "")
    return str(pattern).format(
        x=label_of(model, parts.get("x", "")),
        m=label_of(model, parts.get("m", "")),
        g=label_of(model, parts.get("g", "")),
        c=category_name(model, parts["c"], talk) if kind.name == "probability" else parts.get("c", ""),
        k=parts.get("k", ""),
        f=parts.get("f", ""),
        v=parts.get("v", "").replace("-1sd", "−1 SD").replace("+1sd", "+1 SD"),
        ref=reference_of(model, parts.get("g", "")),
        level=talk.say(f"name.level_{parts['level']}") if "level" in parts else "",
        effect=effect,
        y=str(model.card["outcome"]["label"]),
    )


def placed_name(model: ModelResults, estimand: str, talk: Language) -> str:
    """Name an estimand with its level before it, where the same path may stand at several: ``Sessions: A → B``."""
    name, kind = short_name(model, estimand, talk), kind_of(estimand)
    if not (has_graph(model) and kind.name in {*NAMED, "dyad_same"} and "level" in kind.parts):
        return name
    level = kind.parts["level"]
    return f"{talk.say('figure.sessions' if level == 'session' else f'figure.{level}')}: {name}"


def interpreted(parameter: Any) -> bool:
    """Whether a parameter means something to a reader, rather than completing the likelihood."""
    estimand = str(parameter["estimand"])
    own = estimand.split(".", maxsplit=1)[0] not in {"nuisance", "initial"}
    return (own and not estimand.endswith((".fixed", ".intercept"))) or estimand.startswith("sd.")


def parameter_kind(model: ModelResults, parameter: Any, talk: Language) -> str:
    """Name the many parameters of a graph by their kind; nothing for those that are named one by one."""
    kind = kind_of(str(parameter["estimand"]))
    pattern = talk.find(f"table.prior_{kind.name}", "") if has_graph(model) else ""
    level = kind.parts.get("level", "session")
    return str(pattern).format(
        level=talk.say(f"figure.paths_{level}"), who=talk.say(f"name.level_{level}") if pattern else ""
    )
