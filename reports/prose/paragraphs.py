"""Paragraphs about one model: what was found, how it was fitted, whether it may be trusted."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ..numbers import Numbers
from ..rich import escape
from . import design
from .labels import label_of
from .language import Language, language
from .paths import LEVELS, brief_story, share_is_known, story, told_as_graph, verdict_list
from .sentences import SILENT, TABULATED, finding, probabilities_sentence, shares_sentence
from .verdicts import kind_of

if TYPE_CHECKING:
    from ..results import ModelResults


def title(n: Numbers, model: ModelResults) -> str:
    """Return the model's heading: its title and what it is about."""
    return model_title(model, language(n.language))


def model_title(model: ModelResults, talk: Language) -> str:
    """Return a model's title and outcome in a language."""
    name = talk.find(f"model.{model.kind}.title", "") or model.title
    return f"{name}: {model.card['outcome']['label']}"


def question(n: Numbers, model: ModelResults) -> str:
    """Return the question that the model answers."""
    return design.question(model, language(n.language))


def results(n: Numbers, name: str) -> str:
    """Say what was found, estimand by estimand, with verdicts; *not trusted* comes first where it applies.

    Parameters
    ----------
    n
        The numbers of the report.
    name
        The model.

    Returns
    -------
    str
        Markdown: a sentence per estimand with its verdict, in paragraphs; the table has the spread between people.
    """
    model = n.results.model(name)
    talk = language(n.language)
    said: list[str] = []
    if not model.trusted:
        said.append(_not_trusted(model, talk))
    if told_as_graph(model):
        return "\n\n".join([*said, *_graph(n, model, talk)])
    for group in _paragraphs(model):
        parts = [shares_sentence(n, model)] if group[0] == "share" else []
        for estimand in group[len(parts) :]:
            key = f"{name}.{estimand}"
            parts.append(finding(n, key))
        said.append(" ".join(parts))
    return "\n\n".join(said)


def _graph(n: Numbers, model: ModelResults, talk: Language) -> list[str]:
    """Tell a graph: its story in sentences, then the paths of each level by their verdicts."""
    told: dict[str, list[str]] = {}
    for estimand in story(model):
        kind = kind_of(estimand)
        said = told.setdefault(kind.parts["level"], [])
        if kind.name == "proportion" and not share_is_known(model, estimand):
            through = estimand.replace("proportion.", "indirect.", 1)
            said += [finding(n, f"{model.name}.{through}"), talk.say("path.share_unknown")]
        else:
            said.append(finding(n, f"{model.name}.{estimand}"))
    parts = [f"*{talk.say(f'figure.paths_{level}')}.* {' '.join(said)}" for level, said in told.items()]
    parts += [text] if (text := probabilities_sentence(n, model)) else []
    lists = [verdict_list(model, level, n.results.study.rope, talk) for level in LEVELS]
    lists = [text for text in lists if text]
    return [*parts, *([talk.say("path.lists"), "\n".join(f"- {text}" for text in lists)] if lists else [])]


def _paragraphs(model: ModelResults) -> list[list[str]]:
    """Group estimands into paragraphs: variance shares, one per predictor, the rest with a verdict, spread."""
    groups: dict[str, list[str]] = {}
    for estimand in dict.fromkeys(model.estimates["estimand"]):
        kind = kind_of(estimand)
        if kind.name in SILENT or kind.name in TABULATED:
            continue
        if kind.name == "share":
            if model.kind == "variance":  # elsewhere they are a by-product
                groups.setdefault("share", ["share"])
            continue
        place = (
            f"x {kind.parts['x']}"
            if "x" in kind.parts and kind.name != "covariate"
            else ("terms" if kind.verdict else "spread")
        )
        place = "share" if kind.name in {"share_arm", "therapist_minus_arm"} else place
        groups.setdefault(place, []).append(estimand)
    # Spread between clients and sessions comes last whatever the order of the table.
    return [group for place, group in groups.items() if place != "spread"] + [
        group for place, group in groups.items() if place == "spread"
    ]


def headlines(model: ModelResults) -> tuple[str, ...]:
    """Return the estimands of a model that belong into a summary, in their order.

    Variance shares outside of a variance model are a by-product, and so is the course over time outside of a growth
    model, where it only keeps a common drift out of the associations.
    """
    if told_as_graph(model):
        return brief_story(model)
    found = dict.fromkeys(model.estimates["estimand"])
    aside: tuple[str, ...] = ()
    if model.kind != "variance":
        aside += ("share",)
    if model.kind != "growth":
        aside += ("time", "time_early", "time_late", "log_time")
    return tuple(e for e in found if kind_of(e).headline and kind_of(e).name not in aside)


def methods(n: Numbers, name: str) -> str:
    """Say what a model is and what it was fitted to: the model in words, rows used and not used, centring.

    Returns
    -------
    str
        One Markdown paragraph.
    """
    model = n.results.model(name)
    talk = language(n.language)
    card = model.card
    options: Mapping[str, Any] = card.get("options") or {}
    said = [design.words(model, talk), rows(model, talk)]
    if told_as_graph(model):
        within = any(arrow["level"] == "session" for arrow in card["graph"]["arrows"])
        said += [talk.say("methods.paths"), *([talk.say("methods.paths_session")] if within else [])]
    if model.kind == "within_between":
        said.append(talk.say(f"methods.centring_{options.get('centring', 'latent')}"))
        if int(options.get("lag") or 0) == 1:
            said.append(talk.say("methods.lag"))
    cited = [f"@{key}" for key in card.get("references") or () if key in known_references()]
    if cited:
        said.append(talk.say("methods.follows", references=f"[{'; '.join(cited)}]"))
    return " ".join(text for text in said if text)


@cache
def known_references() -> frozenset[str]:
    """Return the keys of ``references.bib``; a model may name a work that the list does not hold."""
    text = files("safezone.reports").joinpath("references.bib").read_text(encoding="utf-8")
    return frozenset(re.findall(r"^@\w+\{([^,\s]+),", text, flags=re.MULTILINE))


def rows(model: ModelResults, talk: Language) -> str:
    """Say how many rows the model used, which it did not, and where they come from."""
    account: Mapping[str, Any] = model.card.get("rows") or {}
    total, used = int(account.get("total", 0)), int(account.get("used", 0))
    if used == total:
        said = [talk.say("methods.rows_all", total=talk.count(total, "session"))]
    else:
        said = [talk.say("methods.rows", used=talk.number(used, 0), total=talk.count(total, "session"))]
        reasons = [
            talk.say(
                "methods.excluded_part",
                rows=talk.count(int(part["n"]), "row"),
                reason=_reason(model, str(part["reason"]), talk),
            )
            for part in account.get("excluded") or ()
            if int(part["n"]) > 0
        ]
        if reasons:
            said.append(talk.say("methods.excluded", reasons=talk.join(reasons)))
    said.append(
        talk.say(
            "methods.clients",
            clients=talk.count(int(model.card.get("clients", 0)), "client"),
            therapists=_of_therapists(model, talk, "methods.clients_therapists"),
        )
    )
    return " ".join(said)


def _reason(model: ModelResults, reason: str, talk: Language) -> str:
    """Say why rows were left out: variables by their labels, the rest in the report's language."""
    name, unrated, rest = reason.partition(" not rated")
    if unrated and name in model.described:
        return talk.say("methods.not_rated", x=escape(talk.label(label_of(model, name)))) + talk.phrase(rest)
    return talk.phrase(reason)


def _of_therapists(model: ModelResults, talk: Language, key: str) -> str:
    therapists = int(model.card.get("therapists") or 0)
    return talk.say(key, therapists=talk.count(therapists, "therapist")) if therapists else ""


def sampling(n: Numbers) -> str:
    """Say how the posteriors were sampled: once for all models, or per group of models that were sampled alike."""
    talk = language(n.language)
    groups: dict[str, list[str]] = {}
    for model in n.results.each():
        if int(model.diagnostics["draws"]) == 0:  # its sampling failed; the diagnostics say why
            continue
        groups.setdefault(_sampling(model, talk), []).append(escape(title(n, model)))
    if len(groups) <= 1:
        return next(iter(groups), "")
    return " ".join(
        talk.say("methods.sampler_for", models=talk.join([f"*{name}*" for name in names]), text=text)
        for text, names in groups.items()
    )


def _sampling(model: ModelResults, talk: Language) -> str:
    sampler = str(model.diagnostics.get("sampler") or model.card.get("sampler") or "pymc")
    key = sampler if sampler in {"nuts", "importance", "pymc"} else "pymc"
    return talk.say(
        f"methods.sampler_{key}",
        effects=talk.say("words.effects_therapists" if model.card.get("therapists") else "words.effects"),
        chains=talk.count(int(model.diagnostics["chains"]), "chain"),
        draws=talk.number(int(model.diagnostics["draws"]), 0),
    )


def diagnostics(n: Numbers, name: str) -> str:
    """Say whether the fit may be trusted, with the numbers that say so, and what was tried."""
    model = n.results.model(name)
    talk = language(n.language)
    found = model.diagnostics
    said: list[str] = []
    if model.trusted:
        key = "diagnostics_importance" if found.get("sampler") == "importance" else "diagnostics_trusted"
        said.append(
            talk.say(
                f"methods.{key}",
                rhat=talk.number(float(found["rhat_max"]), 3),
                ess=talk.number(math.floor(float(found["ess_bulk_min"])), 0),
                tail=talk.number(math.floor(float(found["ess_tail_min"])), 0),
                divergences=talk.count(int(found["divergences"]), "divergence"),
                k=talk.number(float(found["pareto_k_max"]), 2),
            )
        )
    else:
        said.append(_not_trusted(model, talk))
    remedies = _remedies(model)
    if remedies:
        said.append(talk.say("methods.remedies", remedies=talk.join([talk.phrase(step) for step in remedies])))
    return " ".join(said)


def as_asked(model: ModelResults) -> bool:
    """Whether a model was accepted as it was asked for, without remedies."""
    return not _remedies(model)


def _remedies(model: ModelResults) -> list[str]:
    tried = [_remedy(entry) for entry in model.card.get("remedies") or ()]
    return [step for step in tried if step != "as asked"]


def _remedy(entry: object) -> str:
    return str(entry.get("step", entry)) if isinstance(entry, Mapping) else str(entry)


def _not_trusted(model: ModelResults, talk: Language) -> str:
    reason = model.verdict.removeprefix("not trusted").lstrip(": ").strip()
    reason = talk.phrase(reason)
    reason = reason[:1].upper() + reason[1:]
    return talk.say("methods.not_trusted", reason=reason if reason.endswith(".") or not reason else f"{reason}.")


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def crosscheck(n: Numbers, name: str) -> str:
    """Say how the posterior compares with a maximum-likelihood fit, or why there is none."""
    model = n.results.model(name)
    talk = language(n.language)
    check = model.card.get("crosscheck")
    if not check:
        return ""
    said = [crosscheck_method(model, talk)]
    distance = crosscheck_distance(model)
    if distance is not None:
        said.append(talk.say("methods.crosscheck_agree", difference=talk.number(distance, 2)))
    return " ".join([*said, *crosscheck_notes(model, talk)])


def crosscheck_method(model: ModelResults, talk: Language) -> str:
    """Say which model a posterior was set beside."""
    method = (model.card.get("crosscheck") or {}).get("method")
    if not method:
        return talk.say("methods.crosscheck_none")
    return talk.say("methods.crosscheck", method=talk.phrase(str(method)))


def crosscheck_distance(model: ModelResults) -> float | None:
    """Return the largest distance of a posterior mean from its counterpart in posterior standard deviations."""
    distances = [
        abs(float(row["bayes_mean"]) - float(row["other"])) / float(row["bayes_sd"])
        for row in (model.card.get("crosscheck") or {}).get("rows") or ()
        if _finite(row.get("other")) and _finite(row.get("bayes_sd")) and float(row["bayes_sd"]) > 0
    ]
    return max(distances) if distances else None


def crosscheck_notes(model: ModelResults, talk: Language) -> tuple[str, ...]:
    """Return what differs between a model and its counterpart, a sentence each."""
    note = str((model.card.get("crosscheck") or {}).get("note") or "")
    return tuple(talk.phrase(text) for text in re.split(r"(?<=[.”])(?<!etc\.) (?=[A-Zs][a-zt])", note) if text)
