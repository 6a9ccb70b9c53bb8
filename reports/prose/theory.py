"""Sentences about rows of the theory, as a paper would print them: direction, size, uncertainty, verdict.

No sentence says more than its estimand: a quantity is named by what it is, an association is called one, and what a
causal reading would need stands beside it. Patterns are in ``theory.toml``.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ...analysis.power_scaling import LIMIT
from ...analysis.principles import Principle, fill, principles, slot_names, slots
from ...analysis.verdicts import counts
from .. import digits
from ..numbers import interval_label
from .language import language

if TYPE_CHECKING:
    from ...analysis.evidence import Finding, Part
    from ...analysis.questions import Question
    from ...data.config import PrinciplesSection

Mark = Callable[[str], str]

SYMBOLS: Mapping[str, str] = {
    "supported": "●",
    "leaning": "◐",
    "negligible": "≈",
    "opposed": "×",
    "undecided": "○",
    "not testable": "–",
    "not trusted": "!",
}
"""One sign per verdict, told apart by shape, not by colour."""


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads(files(__package__).joinpath("theory.toml").read_text(encoding="utf-8"))


def say(key: str, code: str, /, **values: str) -> str:
    """Fill the pattern at a dotted key of a language."""
    here: Any = _table()[code]
    for part in key.split(".", 1):
        here = here[part]
    return str(here).format(**values)


def find(key: str, code: str, /) -> str:
    """Return the text at a dotted key of a language; empty where there is none."""
    section, _, name = key.partition(".")
    return str(_table()[code][section].get(name, ""))


def patterns(key: str, code: str, /) -> list[str]:
    """Return a list of texts (the headers of a table)."""
    here: Any = _table()[code]
    for part in key.split(".", 1):
        here = here[part]
    return list(here)


def row_of(finding: Finding) -> Principle:
    """Return the registry's row of a finding."""
    return next(row for row in principles() if row.id == finding.id)


def word(verdict: str, code: str) -> str:
    """Return a verdict's word in a language.

    Examples
    --------
    >>> word("not testable: needs the treatment arm", "de")
    'nicht prüfbar'
    """
    return say(f"word.{verdict.partition(':')[0]}", code)


def symbol(verdict: str) -> str:
    """Return a verdict's sign."""
    return SYMBOLS[verdict.partition(":")[0]]


def tally(told: Sequence[Finding] | Sequence[Part], code: str) -> str:
    """Count verdicts in words: ``4 supported, 2 undecided and 11 not testable``."""
    found = counts([one.verdict for one in told])
    named = [say("page.count", code, n=str(n), word=say(f"word.{name}", code)) for name, n in found.items() if n]
    return language(code).join(named)


def smallest_text(value: float, code: str) -> str:
    """Write a smallest effect of interest with the digits that it has."""
    decimals = next(d for d in range(5) if round(value, d) == round(value, 4))
    return digits.write(value, decimals, code)


def estimate_text(
    mean: float, sd: float, mcse: float, ends: tuple[float, float], interval: float, code: str
) -> tuple[str, str]:
    """Return mean and interval with the digits that their Monte Carlo error supports."""
    ess = (sd / mcse) ** 2 if mcse > 0 else math.inf
    decimals = digits.interval_decimals(mcse, sd, ess, interval, mean) if math.isfinite(ess) else 2
    if sd == 0 and mean == round(mean):  # every draw is the same whole number
        decimals = 0
    separator = "; " if code == "de" else ", "
    bounds = separator.join(digits.write(end, decimals, code) for end in ends)
    return digits.write(mean, decimals, code), f"{interval_label(interval, code)} [{bounds}]"


def sentence(
    finding: Finding,
    code: str,
    interval: float,
    thresholds: PrinciplesSection,
    mark: Mark = str,
    *,
    listed: bool = False,
) -> str:
    """Return what a paper would print about a row.

    Parameters
    ----------
    finding
        The row, answered.
    code
        ``en`` or ``de``.
    interval
        Probability of the credible intervals.
    thresholds
        What the verdict was judged by.
    mark
        Makes texts of users fit for a markup (:func:`~safezone.reports.rich.escape`).
    listed
        Whether the parts of the row are listed below, so that the sentence need not name them.
    """
    if finding.word == "not trusted":
        return say("sentence.not trusted", code, reason=reason(finding, code, mark))
    if finding.word == "not testable":
        return reason(finding, code, mark)
    deciding = main_parts(finding)
    if len(deciding) > 1 and finding.combine == "all":
        told = [_together(finding, deciding, code, thresholds, mark)]
        told += [] if listed else [_least_certain(finding, code, interval, mark)]
    else:
        told = [_estimated(finding, deciding, code, interval, mark, listed=listed)]
        told.append(_judged(finding, deciding[0], code, thresholds))
    return " ".join([*told, *_leaning_on_prior(finding, code)])


def main_parts(finding: Finding) -> list[Part]:
    """Return the tested parts on which a row's verdict rests."""
    return [part for part in finding.parts if not part.supporting and part.tested]


def _estimated(
    finding: Finding, deciding: Sequence[Part], code: str, interval: float, mark: Mark, *, listed: bool
) -> str:
    """Say what was estimated: one quantity, or the average of several."""
    values = dict(zip(("estimate", "interval"), estimate_of(finding, code, interval), strict=True))
    if len(deciding) > 1 and listed:
        return say("sentence.numbers_listed", code, **values)
    if len(deciding) > 1:
        number = language(code).find("counts.words")[len(deciding)]
        told = "; ".join(quantity(part, code, mark) for part in deciding)
        return say("sentence.numbers_mean", code, n=number, quantities=told, **values)
    kind = "numbers_zero" if finding.sd == 0 else "numbers"
    return say(f"sentence.{kind}", code, quantity=quantity(deciding[0], code, mark), **values)


def _judged(finding: Finding, part: Part, code: str, thresholds: PrinciplesSection) -> str:
    """Say the verdict on one quantity with the probabilities behind it."""
    key = f"{finding.word}_bounded" if part.bounded else finding.word
    if finding.word == "undecided" and not part.bounded and not part.expected:
        key = "undecided_size"
    return say(
        f"sentence.{key}", code,
        place=place(finding.direction, finding.smallest, code),
        other=place(-finding.direction, finding.smallest, code),
        small=smallest_text(finding.smallest, code),
        beyond=spoken(finding.probability, code, thresholds),
        inside=spoken(finding.p_rope, code),
        against=spoken(finding.p_opposed, code),
        supported=digits.write_probability(thresholds.supported, code),
    )  # fmt: skip


def _together(finding: Finding, deciding: Sequence[Part], code: str, thresholds: PrinciplesSection, mark: Mark) -> str:
    """Say whether all parts of a row hold at once; one that is opposed or negligible settles it."""
    settles = {"opposed": "against", "negligible": "inside"}.get(finding.word)
    both = "both" if len(deciding) == 2 else "all"
    values = {
        "supported": digits.write_probability(thresholds.supported, code),
        "all": say(f"sentence.{both}", code),
    }
    if settles:
        part = max(deciding, key=lambda one: float(getattr(one, settles)))
        values |= {"quantity": quantity(part, code, mark), "settles": spoken(getattr(part, settles), code)}
    else:
        sign, text = chance(finding, code, thresholds)
        exact = spoken(finding.probability, code, thresholds)
        values["joint"] = say(f"probability.{sign}", code, p=text) if sign else exact
    return say(f"sentence.all_{finding.word}", code, **values)


def _least_certain(finding: Finding, code: str, interval: float, mark: Mark) -> str:
    part = next(one for one in main_parts(finding) if (one.estimand, one.model) == (finding.estimand, finding.model))
    estimate, ci = estimate_of(finding, code, interval)
    return say("sentence.least", code, quantity=quantity(part, code, mark), estimate=estimate, interval=ci)


def chance(finding: Finding, code: str, thresholds: PrinciplesSection) -> tuple[str, str]:
    """Return a row's probability, and ``least`` or ``most`` where only a bound is known.

    Draws of different models are not joint. That all parts hold is then at least one minus the sum of what each
    lacks, and at most as probable as its least probable part; a verdict that asks for a high probability rests on the
    first, and where that falls short the second says more.
    """
    deciding = main_parts(finding)
    if finding.combine == "mean" or len({part.model for part in deciding}) < 2:
        return "", judged(finding.probability, code, thresholds)
    low, high = finding.probability, min(part.beyond for part in deciding)
    if finding.word in ("supported", "leaning"):
        return "least", _shortened(digits.write(min(math.floor(100 * low + 1e-9), 99) / 100, 2, code), code)
    return "most", _shortened(digits.write(max(math.ceil(100 * high - 1e-9), 1) / 100, 2, code), code)


def _shortened(text: str, code: str) -> str:
    return text.removeprefix("0") if code == "en" else text


def chance_text(finding: Finding, code: str, thresholds: PrinciplesSection) -> str:
    """Return a row's probability for a table: ``.998``, ``> .999``, ``≥ .91`` or ``≤ .03``."""
    sign, text = chance(finding, code, thresholds)
    return f"{ {'least': '≥ ', 'most': '≤ '}.get(sign, '') }{text}"


def judged(probability: float, code: str, thresholds: PrinciplesSection) -> str:
    """Write a probability with a third digit where two would put it on the other side of a threshold.

    Examples
    --------
    >>> from safezone.data.config import PrinciplesSection
    >>> judged(0.947, "en", PrinciplesSection()), judged(0.953, "en", PrinciplesSection())
    ('.947', '.95')
    """
    limits = (thresholds.supported, thresholds.leaning)
    moved = any((round(probability, 2) >= limit) != (probability >= limit) for limit in limits)
    if not moved:
        return digits.write_probability(probability, code)
    below = math.floor(1000 * probability) / 1000
    return _shortened(digits.write(below, 3, code), code)


def spoken(probability: float, code: str, thresholds: PrinciplesSection | None = None) -> str:
    """Write a probability so that a sentence can be read aloud: ``.26``, ``more than .999``."""
    plain = digits.write_probability(probability, code)
    text = plain if thresholds is None else judged(probability, code, thresholds)
    words = {"<": "less", ">": "more"}
    return say(f"probability.{words[text[0]]}", code, p=text[2:]) if text[0] in words else text


def place(direction: int, smallest: float, code: str) -> str:
    """Say where a quantity lies beyond its smallest effect: ``above 0.1``, ``below −0.1``.

    Examples
    --------
    >>> place(-1, 0.1, "de")
    'unter −0,1'
    """
    side = {1: "above", -1: "below", 0: "beyond"}[direction]
    return say(f"place.{side}", code, value=smallest_text(-smallest if direction < 0 else smallest, code))


def expected_text(direction: int, smallest: float, code: str) -> str:
    """Write the same for a table: ``> 0.1``, ``< −0.1``, ``beyond ±0.1``."""
    if direction == 0:
        return place(0, smallest, code)
    return f"{'>' if direction > 0 else '<'} {smallest_text(direction * smallest, code)}"


def estimate_of(one: Finding | Part, code: str, interval: float) -> tuple[str, str]:
    """Return the mean and the interval of a row or a part."""
    return estimate_text(one.mean, one.sd, one.mean_mcse, (one.lower, one.upper), interval, code)


def words_of(part: Part, code: str) -> str:
    """Say what a quantity is, with the study's labels as the language writes them."""
    template = (part.words or {}).get(code, "")
    labels = part.labels or {}
    names = {
        slot: language(code).label(labels[slot]) if slot in labels else slots()[slot].words[code]
        for slot in slot_names(template)
    }
    return curly(fill(template, names)) if template else part.estimand


def curly(text: str) -> str:
    """Return a text of the registry with typographic apostrophes.

    Examples
    --------
    >>> curly("the therapists' and the client's")
    'the therapists’ and the client’s'
    """
    return re.sub(r"(?<=\w)'", "’", text)


def quantity(part: Part, code: str, mark: Mark = str) -> str:
    """Name what was estimated; two variables without a noun are an association."""
    text = mark(words_of(part, code))
    bare = (part.words or {}).get(code, "").startswith("{")
    return say("sentence.association", code, text=text) if bare else text


def _leaning_on_prior(finding: Finding, code: str) -> list[str]:
    if not finding.prior_sensitivity > LIMIT:
        return []
    key = "conflict" if finding.likelihood_sensitivity > LIMIT else "prior"
    return [say(f"sentence.{key}", code, value=digits.write(finding.prior_sensitivity, 2, code))]


def part_line(part: Part, code: str, interval: float, thresholds: PrinciplesSection, mark: Mark = str) -> str:
    """Return a line of a list about one part: quantity, estimate with interval, verdict with probability."""
    name = quantity(part, code, mark)
    if not part.tested:
        why = part_reason(part, code, mark)
        return say("sentence.part_open", code, quantity=name, word=word(part.verdict, code), reason=why)
    estimate, ci = estimate_of(part, code, interval)
    p = judged(part.beyond, code, thresholds)
    return say(
        "sentence.part", code, quantity=name, word=word(part.verdict, code), estimate=estimate, interval=ci,
        p=p if p[0] in "<>" else f"= {p}",
    )  # fmt: skip


def reason(finding: Finding, code: str, mark: Mark = str) -> str:
    """Say why a row has no verdict, in whole sentences, or with what a fit failed."""
    lacking = [part for part in finding.parts if not part.supporting and not part.tested]
    untrusted = [part for part in finding.parts if part.tested and part.verdict.startswith("not trusted")]
    if finding.word == "not trusted":
        return "; ".join(dict.fromkeys(_failed(part, code, mark) for part in untrusted or lacking))
    needed = list(dict.fromkeys(name for part in lacking for name in part.missing))
    told = [say("reason.needs", code, text=_listed(needed, code, mark))] if needed else []
    return " ".join(told or dict.fromkeys(_obstacle("reason", part, code, mark) for part in lacking))


def part_reason(part: Part, code: str, mark: Mark = str) -> str:
    """Say in a few words what stands in the way of one part."""
    return _obstacle("lacks", part, code, mark)


def _obstacle(where: str, part: Part, code: str, mark: Mark) -> str:
    """Say what stands in the way of a part; codes of models and quantities stay with the note on the model."""
    kind = say(f"kind.{part.detail}", code) if part.obstacle == "model" else ""
    text = {
        "needs": _listed(part.missing, code, mark),
        "model": kind,
        "data": mark(part.detail),
        "fit": _failed(part, code, mark),
    }.get(part.obstacle, "")
    return say(f"{where}.{part.obstacle or 'fit'}", code, text=text)


def _listed(names: Sequence[str], code: str, mark: Mark) -> str:
    return language(code).join([mark(curly(slots()[name].words[code])) for name in names])


def _failed(part: Part, code: str, mark: Mark) -> str:
    return mark(language(code).phrase(part.verdict.partition(": ")[2]))


def obstacle_text(question: Question, code: str) -> str:
    """Say what stands in the way of a question."""
    obstacle = question.obstacle
    if obstacle is None:
        return ""
    if obstacle.kind == "needs":
        return say("lacks.needs", code, text=language(code).join([slot.words[code] for slot in question.missing]))
    text = say(f"kind.{obstacle.detail}", code) if obstacle.kind == "model" else obstacle.detail
    return say(f"lacks.{obstacle.kind}", code, text=text)
