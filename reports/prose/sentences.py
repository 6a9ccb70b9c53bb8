"""One sentence for one estimand: direction, size in raw units, uncertainty; then its verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .. import digits
from ..numbers import Numbers, What, interval_text
from ..rich import escape
from . import people
from .labels import category_name, effect_name, label_of, raters, reference_of, split_unit, unit_of
from .language import Language, language
from .paths import EFFECTS, NAMED, arrow, between, by_way_of, source_words, target_words
from .verdicts import Kind, Verdict, kind_of, verdict_of

if TYPE_CHECKING:
    import pandas as pd

    from ..results import ModelResults

PERCENT = {"share", "within_opposite", "share_arm", "therapist_minus_arm", "proportion", "dyad_common", "probability"}
# In the table, not in sentences.
SILENT = {"intercept", "other", "predictor_sd", "time_term", "intercept_of", "time_of", "probability"}
# Spread between people and sessions: rows of the table, not sentences.
TABULATED = {
    "sd_effect",
    "sd_residual",
    "correlation",
    "predictor_sd",
    "sd_residual_of",
    "path_sd",
    "path_covariance",
} | {f"surface_{place}_{what}" for place in ("within", "between") for what in ("term", "axis")}

# Words that hold labels, categories or units of the study: any sign in them must be shown as it is.
_FROM_THE_STUDY = ("x", "m", "y", "g", "c", "k", "where", "ref", "one_x", "one_m", "units", "per", "effect")


def sentence(n: Numbers, key: str, *, brief: bool = False) -> str:
    """Say what was found for one estimand.

    Parameters
    ----------
    n
        The numbers of the report; those in the sentence are recorded.
    key
        ``MODEL.ESTIMAND``.
    brief
        For a summary: the bare interval, no standardised size.

    Returns
    -------
    str
        One Markdown sentence in the language of ``n``.
    """
    model, estimand = n.split(key)
    row = n.row(key)
    kind = kind_of(estimand)
    talk = language(n.language)
    pattern = _pattern(kind, model, str(row["level"]))
    values = _values(n, key, model, row, kind, talk)
    if kind.name in NAMED:
        values |= _ends(model, kind, talk, values)
    if kind.name.startswith("dyad_"):
        values |= people.values(model, kind, talk)
        pattern = people.pattern(model, kind)
    if brief:
        what: What = "percent" if kind.name in PERCENT else "mean"
        values |= {"ci": n.ci(key, what=what, bare=True), "std": ""}
    return talk.say(f"sentence.{pattern}", **values)


def finding(n: Numbers, key: str) -> str:
    """Say what was found for one estimand and, in the same sentence, the verdict with its probability."""
    model, estimand = n.split(key)
    text = sentence(n, key)
    verdict = verdict_of(model, estimand, rope=n.results.study.rope)
    if verdict is None:
        return text
    talk = language(n.language)
    ess = float(n.row(key, "standardised")["ess_bulk"])
    return bracketed(text, talk.say(f"finding.{verdict.word}", p=_equation(verdict, talk, ess)))


def brief_finding(n: Numbers, key: str) -> str:
    """Say what was found in the words of a summary: the bare interval and the verdict's word."""
    word = verdict_word(n, key)
    text = sentence(n, key, brief=True)
    return bracketed(text, f"*{word}*") if word else text


def bracketed(text: str, said: str) -> str:
    """Put words in brackets before the full stop; one pair of brackets, not two in a row."""
    return f"{text[:-2]}; {said})." if text.endswith(").") else f"{text[:-1]} ({said})."


def _equation(verdict: Verdict, talk: Language, ess: float) -> str:
    """Write a verdict's probability after *P*: ``= .97``, ``> .999``, and ``≥ .95`` for a lower bound."""
    if verdict.exact or verdict.word == "negligible":
        return _signed(digits.write_probability(verdict.probability, talk.code, ess))
    floor = digits.write(min(int(100 * verdict.probability + 1e-9), 99) / 100, 2, talk.code)
    return f"≥ {floor.removeprefix('0') if talk.code == 'en' else floor}"


def _signed(text: str) -> str:
    return text if text[:1] in "<>" else f"= {text}"


def verdict_sentence(n: Numbers, key: str) -> str:
    """Say the verdict on one estimand, or nothing where a verdict makes no sense."""
    model, estimand = n.split(key)
    verdict = verdict_of(model, estimand, rope=n.results.study.rope)
    if verdict is None:
        return ""
    talk = language(n.language)
    kind = kind_of(estimand)
    row = n.row(key, "standardised")
    return talk.say(
        f"verdict.{verdict.word}",
        noun=talk.say(f"noun.{kind.name}"),
        sign=talk.say("words.positive" if verdict.sign > 0 else "words.negative"),
        p=_probability(verdict, talk, float(row["ess_bulk"])),
        inside=_spoken(digits.write_probability(verdict.inside, n.language, float(row["ess_bulk"])), talk),
        threshold=digits.write_probability(0.95, n.language),
        rope=digits.write(verdict.rope, 2, n.language).rstrip("0"),
    )


def verdict_word(n: Numbers, key: str) -> str:
    """Return the verdict as a word of the language, or an empty string."""
    model, estimand = n.split(key)
    verdict = verdict_of(model, estimand, rope=n.results.study.rope)
    return "" if verdict is None else language(n.language).say(f"verdict_word.{verdict.word}")


def _probability(verdict: Verdict, talk: Language, ess: float) -> str:
    """Write a verdict's probability; a lower bound is rounded down and called “at least”."""
    if verdict.exact or verdict.word == "negligible":
        return _spoken(digits.write_probability(verdict.probability, talk.code, ess), talk)
    floor = digits.write(min(int(100 * verdict.probability + 1e-9), 99) / 100, 2, talk.code)
    return talk.say("probability.at_least", p=floor.removeprefix("0") if talk.code == "en" else floor)


def _spoken(text: str, talk: Language) -> str:
    """Turn ``> .99`` into words, so that the sentence can be read aloud."""
    if text.startswith("> "):
        return talk.say("probability.more_than", p=text[2:])
    return talk.say("probability.less_than", p=text[2:]) if text.startswith("< ") else text


def _pattern(kind: Kind, model: ModelResults, level: str) -> str:
    if kind.name == "within" and int(_options(model).get("lag") or 0) == 1:
        return "within_lag1"
    if kind.name == "covariate" and level in {"session", "therapist"}:
        return f"covariate_{level}"
    return kind.name


def _when(model: ModelResults, estimand: str, talk: Language) -> str:
    """Say at what point a difference holds: at time zero only where it changes with time."""
    changes = any(str(name).startswith(f"{estimand}:") for name in model.estimates["estimand"])
    return talk.say("words.at_zero" if changes else "words.other_terms")


def _values(n: Numbers, key: str, model: ModelResults, row: pd.Series, kind: Kind, talk: Language) -> dict[str, str]:
    mean = float(row["mean"])
    percent = kind.name in PERCENT
    unit, per = split_unit(str(row["unit"]), model)
    value = n(key, what="percent" if percent else "mean")
    positive = mean >= 0
    parts = dict(kind.parts) | raters(model, kind.name)
    level = parts.get("level", "")
    said = {
        "name": f"`{row['estimand']}`",
        "x": talk.label(label_of(model, parts.get("x", ""))),
        "m": talk.label(label_of(model, parts.get("m", ""))),
        "y": talk.label(str(model.card["outcome"]["label"])),
        "c": _category(model, kind, talk),
        "k": parts.get("k", ""),
        "g": talk.label(label_of(model, parts.get("g", ""))),
        "when": _when(model, str(row["estimand"]), talk),
        "where": _where(model, kind, parts, talk),
        "ref": reference_of(model, parts.get("g", "")),
        "one_x": talk.unit(unit_of(model, parts.get("x", ""), per), 0),
        "one_m": talk.unit(unit_of(model, parts.get("m", ""), per), 0),
        "size": value.removeprefix(digits.MINUS),
        "value": value,
        "percent": value,
        "units": _spread_units(unit, per, talk) if kind.name == "sd_effect" else _units(unit, talk, kind, value),
        "per": talk.unit(per, 2) if per else "",
        "higher": talk.say("words.higher" if positive else "words.lower"),
        "rose": talk.say(f"words.{_movement(value, positive=positive)}"),
        "exceeded": talk.say("words.exceeded" if positive else "words.fell_short"),
        # The interval keeps its sign: it is that of the coefficient, whatever word says the direction.
        "ci": n.ci(key, what="percent" if percent else "mean"),
        "std": _standardised(n, key, model, str(row["estimand"]), talk),
        "level": talk.say(f"words.{level}") if level else "",
        "effect": effect_name(parts.get("effect", ""), model, talk),
    }
    return said | {name: escape(said[name]) for name in _FROM_THE_STUDY}


def _ends(model: ModelResults, kind: Kind, talk: Language, values: Mapping[str, str]) -> dict[str, str]:
    """Return who or what stands at both ends of a path, and what lies between."""
    if kind.name == "path_covariance":
        return {part: escape(arrow(model, kind.parts[part].split("->"), talk)) for part in ("first", "second")}
    a, b = kind.parts["a"], kind.parts["b"]
    found = {"a": by_way_of(model, a, talk), "b": by_way_of(model, b, talk)}
    if kind.name not in EFFECTS:
        return found
    level = kind.parts["level"]
    units = escape(_units(unit_of(model, b, "units"), talk, kind, values["value"]))
    size = {"size": values["size"], "units": units, "higher": values["higher"]}
    return found | {
        "source": source_words(model, level, a, talk),
        "target": target_words(model, level, (a, b), talk, **size),
        "via": by_way_of(model, kind.parts.get("via") or between(model, kind), talk),
    }


def _category(model: ModelResults, kind: Kind, talk: Language) -> str:
    """Name a category as the study does, or as the classes of change are called in words."""
    category = kind.parts.get("c", "")
    return category_name(model, category, talk) if kind.name == "probability" else category


def _movement(value: str, *, positive: bool) -> str:
    """Name a direction, but none for what is printed as zero: nothing *fell by 0.00 points*."""
    if not any(digit in "123456789" for digit in value):
        return "changed"
    return "rose" if positive else "fell"


def _where(model: ModelResults, kind: Kind, parts: Mapping[str, str], talk: Language) -> str:
    if "v" not in parts:
        return ""
    key = {"-1sd": "low", "+1sd": "high"}.get(parts["v"], "category")
    key += "_within" if kind.name == "interaction_at" else ""
    return talk.say(f"where.{key}", m=talk.label(label_of(model, parts["m"])), v=parts["v"])


def _units(unit: str, talk: Language, kind: Kind, value: str) -> str:
    if kind.name == "other":
        return f" {talk.unit(unit, 1)}" if unit and unit not in {"share", "correlation", "1"} else ""
    if value.removeprefix(digits.MINUS) == "1":
        # "one point" and "einen Punkt" without their article: 1 point, 1 Punkt.
        return talk.unit(unit, 0).split(" ", 1)[-1]
    return talk.unit(unit, 1)


def _spread_units(unit: str, per: str, talk: Language) -> str:
    return f"{talk.unit(unit, 1)} {talk.unit(per, 2)}" if per else talk.unit(unit, 1)


def _standardised(n: Numbers, key: str, model: ModelResults, estimand: str, talk: Language) -> str:
    if not {"raw", "standardised"} <= model.scales.get(estimand, frozenset()):
        return ""
    return talk.say("words.standardised", value=n(key, "standardised"))


def _options(model: ModelResults) -> Mapping[str, Any]:
    options = model.card.get("options")
    return options if isinstance(options, Mapping) else {}


def shares_sentence(n: Numbers, model: ModelResults) -> str:
    """Say all variance shares of a model in one sentence."""
    talk = language(n.language)
    parts = []
    for level in ("therapist", "client", "session"):
        key = f"{model.name}.share.{level}"
        if (model.estimates["estimand"] == f"share.{level}").any():
            row = n.row(key)
            value = n(key, what="percent")
            n.ci(key, what="percent")
            interval = interval_text(row, n.language, n.results.study.interval, percent=True)
            parts.append(talk.say("sentence.shares_part", percent=value, ci=interval, level=talk.say(f"words.{level}")))
    y = escape(talk.label(str(model.card["outcome"]["label"])))
    return talk.say("sentence.shares", y=y, parts=talk.join(parts))


def probabilities_sentence(n: Numbers, model: ModelResults) -> str:
    """Say the probability of each category of a final outcome in one sentence; nothing where it has none."""
    talk = language(n.language)
    parts = []
    for estimand in model.scales:
        kind = kind_of(estimand)
        if kind.name == "probability":
            key = f"{model.name}.{estimand}"
            category = escape(category_name(model, kind.parts["c"], talk))
            value, interval = n(key, what="percent"), n.ci(key, what="percent", bare=True)
            parts.append(talk.say("sentence.probabilities_part", c=category, percent=value, ci=interval))
    return talk.say("sentence.probabilities", parts=talk.join(parts)) if parts else ""
