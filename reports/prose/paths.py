"""Paths in words: who or what the two ends of a path are at each level, and how a graph is told as a story."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...data.path_text import read_path
from ..rich import escape
from .labels import label_of, reference_of, unit_of
from .language import Language
from .verdicts import Kind, kind_of, verdict_of

if TYPE_CHECKING:
    from ..results import ModelResults

EFFECTS = ("path", "indirect", "indirect_all", "total", "proportion")
"""Types of estimands that join two ends of a graph."""
NAMED = (*EFFECTS, "path_sd", "path_moderation", "path_covariance")
LEVELS = ("therapist", "session", "client")
"""In the order of the story: the therapist, what happens in sessions, what becomes of clients."""
_JUDGED = ("supported", "leaning", "opposed", "undecided", "negligible", "not trusted")


def told_as_graph(model: ModelResults) -> bool:
    """Whether a model is told as a graph of paths: a chain or a final outcome with estimates."""
    return model.kind in {"chain", "final"} and has_graph(model)


def has_graph(model: ModelResults) -> bool:
    """Whether a model's parameters are paths of a graph."""
    return bool((model.card.get("graph") or {}).get("arrows"))


def node_label(model: ModelResults, node: str, talk: Language) -> str:
    """Return what an end of a path is called: a variable, its previous session, its rate of change, a category."""
    if node.startswith("lag("):
        return talk.say("figure.paths_lag", x=label_of(model, node[4:-1]))
    if node.endswith(":time"):
        return talk.say("figure.paths_trend", x=label_of(model, node.removesuffix(":time")))
    variable, bracket, category = node.partition("[")
    label = label_of(model, variable)
    return f"{label}: {category.removesuffix(']')}" if bracket else label


def path_name(model: ModelResults, kind: Kind, talk: Language) -> str:
    """Name an estimand of a graph in a few words: ``Felt safety → Working alliance, total``."""
    if kind.name == "path_covariance":
        ends = [arrow(model, kind.parts[part].split("->"), talk) for part in ("first", "second")]
        return str(talk.find("name.path_covariance")).format(first=ends[0], second=ends[1])
    nodes = [kind.parts["a"], *(kind.parts["via"].split("->") if "via" in kind.parts else ()), kind.parts["b"]]
    moderator = kind.parts.get("m", "")
    said = talk.phrase("time") if moderator == "time" else node_label(model, moderator, talk) if moderator else ""
    return str(talk.find(f"name.{kind.name}")).format(path=arrow(model, nodes, talk), m=said)


def arrow(model: ModelResults, nodes: list[str], talk: Language) -> str:
    """Join what nodes are called by arrows."""
    return " → ".join(node_label(model, node, talk) for node in nodes)


# --- sentences -----------------------------------------------------------------------------------


def source_words(model: ModelResults, level: str, node: str, talk: Language) -> str:
    """Return the beginning of a sentence about a path: ``Clients whose usual level of … was one point higher``."""
    name = node.removeprefix("lag(").removesuffix(")").removesuffix(":time").partition("[")[0]
    part = _part(model, node)
    category = node.partition("[")[2].removesuffix("]")
    return talk.say(
        f"path.source_{level}_{part}",
        a=escape(talk.label(label_of(model, name))),
        one_a=escape(talk.unit(unit_of(model, name, "unit"), 0)),
        per=talk.unit(str(model.card.get("time_unit") or "unit"), 2),
        c=escape(category),
        ref=escape(reference_of(model, name)) if category else "",
    )


def target_words(model: ModelResults, level: str, nodes: tuple[str, str], talk: Language, **size: str) -> str:
    """Return the end of a sentence about a path: ``had a usual level of … that was 0.3 points higher``."""
    source, target = nodes
    part = _part(model, target)
    if part == "outcome":
        family = str(_entry(model, target).get("family"))
        part = {"bernoulli": "log_odds", "ordinal": "ordered"}.get(family, part)
    if level == "session" and source.startswith("lag("):
        part = "next"
    return talk.say(f"path.target_{level}_{part}", b=escape(talk.label(label_of(model, target))), **size)


def by_way_of(model: ModelResults, via: str, talk: Language) -> str:
    """List what an indirect path runs through."""
    return talk.join([escape(talk.label(node_label(model, node, talk))) for node in via.split("->")])


def _part(model: ModelResults, node: str) -> str:
    """Return the part that a node plays: rating, lag, trend, outcome, covariate or category."""
    if node.startswith("lag("):
        return "lag"
    if node in {str(one["name"]) for one in model.card.get("outcomes") or ()}:
        return "outcome"
    if node in {str(one["name"]) for one in model.card.get("responses") or ()}:
        return "rating"
    if node.endswith(":time"):
        return "trend"
    return "category" if "[" in node else "covariate"


def _entry(model: ModelResults, name: str) -> Mapping[str, Any]:
    found = (one for one in model.card.get("outcomes") or () if one["name"] == name)
    return next(found, {})


# --- which of them are told ----------------------------------------------------------------------


def story(model: ModelResults) -> tuple[str, ...]:
    """Return the estimands that tell the story of a graph, from the therapist by way of sessions to the end.

    Between therapists: the clearest path from what is known of them. Within sessions: what leads to the last rating,
    all together and by way of others. Between clients: the clearest path from what is known of them to a
    rating, then from each rating (or its rate of change) to the final outcome, which is all of a model of that alone.
    """
    names = tuple(dict.fromkeys(str(name) for name in model.estimates["estimand"]))
    covariates = {str(one["name"]) for one in model.card.get("covariates") or ()}
    outcomes = [str(one["name"]) for one in model.card.get("outcomes") or ()]
    responses = [str(one["name"]) for one in model.card.get("responses") or ()]
    arrows = [(str(a["level"]), *str(a["text"]).split("->")) for a in (model.card.get("graph") or {})["arrows"]]
    told: list[str] = []
    if model.kind == "chain":
        known = [x for x in arrows if x[1] in covariates and x[2] not in outcomes]
        told += _clearest(model, [f"path.therapist.{a}->{b}" for level, a, b in known if level == "therapist"])
        told += _through(names, arrows, responses)
        told += _clearest(model, [f"path.client.{a}->{b}" for level, a, b in known if level == "client"])
    if outcomes:
        ends = [a for level, a, b in arrows if level == "client" and b == outcomes[-1] and a not in covariates]
        for one in (_most(names, "client", a, outcomes[-1]) for a in ends if a not in outcomes):
            share = one.replace("total.", "proportion.", 1)
            told += [one, *([share] if share in names and share != one and share_is_known(model, share) else [])]
    return tuple(name for name in told if name in names)


def brief_story(model: ModelResults) -> tuple[str, ...]:
    """Return what of the story belongs into a summary: one finding per level, one that ends therapy before others."""
    outcomes = {str(one["name"]) for one in model.card.get("outcomes") or ()}
    told = [(estimand, kind_of(estimand)) for estimand in story(model)]
    found: dict[str, str] = {}
    for ends in (True, False):
        for estimand, kind in told:
            if kind.name in {"path", "total"} and (kind.parts["b"] in outcomes) == ends:
                found.setdefault(kind.parts["level"], estimand)
    return tuple(estimand for estimand, _ in told if estimand in found.values())


def _clearest(model: ModelResults, names: list[str]) -> list[str]:
    """Return the estimand whose direction is known best, if there is any."""
    known = [name for name in names if name in model.scales]
    return [max(known, key=lambda name: (float(model.estimate(name)["pd"]), -known.index(name)))] if known else []


def _through(names: tuple[str, ...], arrows: list[tuple[str, ...]], responses: list[str]) -> list[str]:
    """Return what leads to the last rating of a session: from where the chain begins, and what also leads directly."""
    within = [(a, b) for level, a, b in arrows if level == "session" and "(" not in a]
    for last in reversed(responses):
        first = [r for r in responses if f"total.session.{r}->{last}" in names]
        if first:
            direct = [r for r in first if f"proportion.session.{r}->{last}" in names][:1]
            told = [f"total.session.{r}->{last}" for r in dict.fromkeys([*first[:1], *direct])]
            return told + [f"proportion.session.{r}->{last}" for r in direct]
    return [f"path.session.{a}->{b}" for a, b in within]


def _most(names: tuple[str, ...], level: str, a: str, b: str) -> str:
    """Return the total effect where there is one, else the path."""
    total = f"total.{level}.{a}->{b}"
    return total if total in names else f"path.{level}.{a}->{b}"


def between(model: ModelResults, kind: Kind) -> str:
    """Return every variable that lies on a route between two ends, as ``a->b``."""
    ends = {part: kind.parts[part] for part in ("level", "a", "b")}
    routes = (kind_of(str(name)) for name in dict.fromkeys(model.estimates["estimand"]))
    same = (one.parts["via"] for one in routes if one.name == "indirect" and ends.items() <= one.parts.items())
    return "->".join(dict.fromkeys(node for via in same for node in via.split("->")))


def inherited(model: ModelResults, level: str, text: str) -> bool:
    """Whether a path between therapists is one between clients that the study file does not write for therapists."""
    if level != "therapist":
        return False
    written = (model.card.get("options") or {}).get("therapist") or ()
    return text not in {f"{link.source}->{link.target}" for one in written for link in read_path(str(one)).links}


def share_is_known(model: ModelResults, estimand: str) -> bool:
    """Whether a share of a total means something: the total's interval must exclude zero."""
    total = model.estimate(estimand.replace("proportion.", "total.", 1))
    return not float(total["lower"]) <= 0 <= float(total["upper"])


def verdict_list(model: ModelResults, level: str, rope: Mapping[str, float], talk: Language) -> str:
    """List the paths of a level by their verdicts: ``Between clients – *supported*: a → b; *undecided*: c → d``."""
    found: dict[str, list[str]] = {}
    for estimand in dict.fromkeys(str(name) for name in model.estimates["estimand"]):
        kind = kind_of(estimand)
        if kind.name != "path" or kind.parts["level"] != level:
            continue
        if inherited(model, level, f"{kind.parts['a']}->{kind.parts['b']}"):
            continue
        verdict = verdict_of(model, estimand, rope=rope)
        if verdict is not None:
            found.setdefault(verdict.word, []).append(escape(path_name(model, kind, talk)))
    parts = [
        talk.say("path.list_part", word=talk.say(f"verdict_word.{word}"), paths=", ".join(found[word]))
        for word in _JUDGED
        if word in found
    ]
    return talk.say("path.list", level=talk.say(f"figure.paths_{level}"), parts="; ".join(parts)) if parts else ""
