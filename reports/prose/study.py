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


def summary(n: Numbers) -> str:
    """Write the summary as an abstract: the data, the main findings with their verdicts, how to read them.

    Parameters
    ----------
    n
        The numbers of the report.

    Returns
    -------
    str
        Markdown: two paragraphs.
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
    said = [opening]
    for model in n.results.each():
        chosen = headlines(model)
        if not model.trusted:
            said.append(talk.say("summary.not_trusted", title=escape(title(n, model))))
        elif not chosen:
            said.append(talk.say("summary.no_headline", title=escape(title(n, model))))
        else:
            said += _headlines(n, model, chosen, talk)
    closing = [
        talk.say(
            "summary.closing",
            interval=talk.interval(study.interval),
            rope=rope_text(study.rope["default"], talk),
        )
    ]
    if study.simulated:
        closing.append(talk.say("summary.simulated"))
    return f"{' '.join(said)}\n\n{' '.join(closing)}"


def _headlines(n: Numbers, model: ModelResults, chosen: tuple[str, ...], talk: Language) -> list[str]:
    """Say the main findings of a model; within and between of one predictor share a sentence."""
    said = [shares_sentence(n, model)] if any(kind_of(e).name == "share" for e in chosen) else []
    for estimand in chosen:
        kind = kind_of(estimand)
        key = f"{model.name}.{estimand}"
        if kind.name == "share":
            continue
        between = f"{kind.parts.get('x')}.between_client"
        if kind.name == "between_client" and f"{kind.parts['x']}.within" in chosen:
            continue  # said together with the association within clients
        text = brief_finding(n, key)
        if kind.name == "within" and between in chosen:
            word = verdict_word(n, f"{model.name}.{between}")
            other = talk.say(
                "summary.between",
                value=n(f"{model.name}.{between}"),
                ci=n.ci(f"{model.name}.{between}", bare=True),
                verdict=f" (*{word}*)" if word else "",
            )
            text = f"{text[:-1]}{other}"
        said.append(text)
    return said


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
