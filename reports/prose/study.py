"""Paragraphs about the study as a whole: summary, participants, limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..numbers import Numbers
from ..rich import escape
from .language import Language, language
from .paragraphs import headlines, sampling, title
from .sentences import brief_finding, shares_sentence, verdict_word
from .verdicts import kind_of

if TYPE_CHECKING:
    from ..results import ModelResults, Results

FEW_THERAPISTS = 5
MOST_FINDINGS = 3
"""Of one model in the summary."""


def summary(n: Numbers, told: str = "") -> str:
    """Write the summary: the data in a sentence, a list with the main findings of each model, how to read them.

    Parameters
    ----------
    n
        The numbers of the report.
    told
        A last item of the list, for what is said across models.

    Returns
    -------
    str
        Markdown: a paragraph, a list with one item per model, a paragraph.
    """
    study = n.results.study
    talk = language(n.language)
    sessions, clients, therapists = sizes(n.results)
    opening = talk.say(
        "summary.opening",
        title=escape(study.title),
        sessions=talk.count(sessions, "session"),
        clients=talk.count(clients, "client"),
        therapists=_seen_by(therapists, talk),
        models=talk.count(len(n.results.each()), "model"),
    )
    items = [
        talk.say("summary.model", title=escape(title(n, model)), text=" ".join(_main(n, model, talk)))
        for model in n.results.each()
    ]
    items += [told] if told else []
    closing = [
        talk.say(
            "summary.closing",
            interval=talk.interval(study.interval),
            rope=rope_text(study.rope["default"], talk),
        )
    ]
    if study.simulated:
        closing.append(talk.say("summary.simulated"))
    listed = "\n".join(f"- {item}" for item in items)
    return f"{opening}\n\n{listed}\n\n{' '.join(closing)}"


def _main(n: Numbers, model: ModelResults, talk: Language) -> list[str]:
    """Say the first findings of a model, at most :data:`MOST_FINDINGS`, or why there is none."""
    chosen = headlines(model)
    if not model.trusted:
        return [talk.say("summary.not_trusted")]
    if not chosen:
        return [talk.say("summary.no_headline")]
    told = _statements(chosen)
    more = [talk.say("summary.more")] if len(told) > MOST_FINDINGS else []
    return [*(_statement(n, model, estimand, chosen, talk) for estimand in told[:MOST_FINDINGS]), *more]


def _statements(chosen: tuple[str, ...]) -> list[str]:
    """Return what is said: all shares in one sentence, within and between of one predictor in one."""
    shares = [estimand for estimand in chosen if kind_of(estimand).name == "share"]
    joined = {f"{kind_of(estimand).parts['x']}.between_client" for estimand in chosen if _within(estimand)}
    return [estimand for estimand in chosen if estimand not in {*shares[1:], *joined}]


def _within(estimand: str) -> bool:
    return kind_of(estimand).name == "within"


def _statement(n: Numbers, model: ModelResults, estimand: str, chosen: tuple[str, ...], talk: Language) -> str:
    """Say a finding with its verdict; of a predictor, what is found within clients and between them."""
    if kind_of(estimand).name == "share":
        return shares_sentence(n, model)
    text = brief_finding(n, f"{model.name}.{estimand}")
    between = f"{kind_of(estimand).parts.get('x')}.between_client"
    if not _within(estimand) or between not in chosen:
        return text
    word = verdict_word(n, f"{model.name}.{between}")
    other = talk.say(
        "summary.between",
        value=n(f"{model.name}.{between}"),
        ci=n.ci(f"{model.name}.{between}", bare=True),
        verdict=f" (*{word}*)" if word else "",
    )
    return f"{text[:-1]}{other}"


def rope_text(half: float, talk: Language) -> str:
    """Write a ROPE's half-width without trailing zeros."""
    text = talk.number(half, 3)
    return text.rstrip("0").rstrip(".,")


def sizes(results: Results) -> tuple[int, int, int]:
    """Return the sessions, clients and therapists of the model that used most sessions."""
    used = [
        (int((card.get("rows") or {}).get("used", 0)), int(card.get("clients") or 0), int(card.get("therapists") or 0))
        for card in (model.card for model in results.each())
    ]
    return max(used, default=(0, 0, 0))


def _seen_by(therapists: int, talk: Language) -> str:
    if not therapists:
        return ""
    return talk.say("summary.opening_therapists", therapists=talk.count(therapists, "therapist"))


def participants(n: Numbers) -> str:
    """Write the participants paragraph: who is in the data, where the flow is shown, what the checks found."""
    talk = language(n.language)
    sessions, clients, therapists = sizes(n.results)
    said = [
        talk.say(
            "participants.text",
            sessions=talk.count(sessions, "session"),
            clients=talk.count(clients, "client"),
            therapists=_seen_by(therapists, talk),
        )
    ]
    if not therapists:
        said.append(talk.say("participants.no_therapists"))
    elif therapists < FEW_THERAPISTS:
        said.append(talk.say("participants.few_therapists", therapists=talk.count(therapists, "therapist")))
    if len(n.results.flow):
        said.append(talk.say("participants.flow"))
    checks = n.results.checks
    warnings = int((checks["severity"] == "warning").sum()) if "severity" in checks else 0
    if warnings:
        patterns = talk.find("participants.warnings")
        words = talk.find("counts.words")
        number = words[warnings] if warnings < len(words) else talk.number(warnings, 0)
        said.append(talk.say("participants.checks", n=patterns[0 if warnings == 1 else 1].format(n=number)))
    return " ".join(said)


def limits(n: Numbers) -> str:
    """Write what the design licenses, one paragraph per point."""
    return "\n\n".join(language(n.language).find("limits.text"))


def methods_common(n: Numbers) -> str:
    """Write what all models share: missing data, priors, and how verdicts come about."""
    talk = language(n.language)
    rope = rope_text(n.results.study.rope["default"], talk)
    therapists = sizes(n.results)[2]
    first = " ".join((talk.say("methods.missing"), sampling(n)))
    second = [talk.say("methods.priors")]
    if therapists:
        second.append(talk.say("methods.therapist_prior"))
    second.append(talk.say("methods.rope", rope=rope))
    return f"{first}\n\n{' '.join(second)}"
