"""Sentences about rows of the theory, as a paper would print them: direction, size, uncertainty, verdict.

No sentence says more than its estimand: a quantity is named by what it is, an association is called one, and what a
causal reading would need stands beside it. Patterns are in ``theory.toml``.
"""

from __future__ import annotations

import math
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
    "undecided": "○",
    "negligible": "≈",
    "opposed": "×",
    "not testable": "–",
    "not trusted": "!",
}
"""One sign per verdict, told apart by shape, not by colour."""
_BOUNDED = {"supported": "supported_bounded", "leaning": "leaning_bounded", "undecided": "open_bounded"}


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
    separator = "; " if code == "de" else ", "
    bounds = separator.join(digits.write(end, decimals, code) for end in ends)
    return digits.write(mean, decimals, code), f"{interval_label(interval, code)} [{bounds}]"


def sentence(finding: Finding, code: str, interval: float, thresholds: PrinciplesSection, mark: Mark = str) -> str:
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
    """
    if finding.word in ("not testable", "not trusted"):
        return say(f"sentence.{finding.word}", code, reason=reason(finding, code, mark))
    main = [part for part in finding.parts if not part.supporting and part.tested]
    shown = [part for part in main if part.estimand == finding.estimand and part.model == finding.model]
    estimate, ci = estimate_text(
        finding.mean, finding.sd, finding.mean_mcse, (finding.lower, finding.upper), interval, code
    )
    mean_of = len(main) > 1 and finding.combine == "mean"
    told = main if mean_of else shown[:1]
    quantity = language(code).join([mark(_quantity(part, code)) for part in told])
    kind = "numbers_mean" if mean_of else "numbers_all" if len(main) > 1 else "numbers"
    numbers = say(f"sentence.{kind}", code, quantity=quantity, estimate=estimate, interval=ci)
    bounded = bool(shown) and shown[0].bounded
    key = finding.word
    if bounded:
        key = {"supported": "supported_bounded", "leaning": "leaning_bounded", "undecided": "open_bounded"}.get(
            key, key
        )
    text = say(
        f"sentence.{key}", code, numbers=numbers, smallest=smallest_text(finding.smallest, code),
        beyond=digits.write_probability(finding.probability, code),
        inside=digits.write_probability(finding.p_rope, code),
        against=digits.write_probability(finding.p_opposed, code),
        supported=digits.write_probability(thresholds.supported, code),
    )  # fmt: skip
    return " ".join([text, *_leaning_on_prior(finding, code)])


def words_of(part: Part, code: str) -> str:
    """Say what a quantity is, with the study's labels as the language writes them."""
    template = (part.words or {}).get(code, "")
    labels = part.labels or {}
    names = {
        slot: language(code).label(labels[slot]) if slot in labels else slots()[slot].words[code]
        for slot in slot_names(template)
    }
    return fill(template, names) if template else part.estimand


def _quantity(part: Part, code: str) -> str:
    """Name what was estimated; two variables without a noun are an association."""
    text = words_of(part, code)
    bare = (part.words or {}).get(code, "").startswith("{")
    return say("sentence.association", code, text=text) if bare else text


def _leaning_on_prior(finding: Finding, code: str) -> list[str]:
    if not finding.prior_sensitivity > LIMIT:
        return []
    key = "conflict" if finding.likelihood_sensitivity > LIMIT else "prior"
    return [say(f"sentence.{key}", code, value=digits.write(finding.prior_sensitivity, 2, code))]


def also(finding: Finding, code: str, interval: float, mark: Mark = str) -> str:
    """Return what supporting parts say, and the single parts of a row with several; empty where there are none."""
    if len(finding.parts) < 2 or not any(part.tested for part in finding.parts):
        return ""
    texts = [_part(part, code, interval, mark) for part in finding.parts]
    return say("sentence.also", code, parts="; ".join(texts))


def _part(part: Part, code: str, interval: float, mark: Mark) -> str:
    quantity = mark(_quantity(part, code))
    if not part.tested:
        why = part_reason(part, code, mark)
        return say("sentence.part_open", code, quantity=quantity, word=word(part.verdict, code), reason=why)
    estimate, ci = estimate_text(part.mean, part.sd, part.mean_mcse, (part.lower, part.upper), interval, code)
    return say("sentence.part", code, quantity=quantity, word=word(part.verdict, code), estimate=estimate, interval=ci)


def reason(finding: Finding, code: str, mark: Mark = str) -> str:
    """Say why a row has no verdict."""
    lacking = [part for part in finding.parts if not part.supporting and not part.tested]
    untrusted = [part for part in finding.parts if part.tested and part.verdict.startswith("not trusted")]
    reasons = dict.fromkeys(part_reason(part, code, mark, "needs") for part in lacking or untrusted)
    return "; ".join(reasons)


def part_reason(part: Part, code: str, mark: Mark = str, needs: str = "lacks") -> str:
    """Say what stands in the way of one part."""
    if part.obstacle == "needs":
        needed = language(code).join([mark(slots()[name].words[code]) for name in part.missing])
        return say(f"reason.{needs}", code, text=needed)
    if part.obstacle in ("model", "option", "estimand", "data"):
        # What stands between backticks is shown as it is.
        shown = part.detail if part.obstacle == "estimand" else mark(part.detail)
        return say(f"reason.{part.obstacle}", code, text=shown)
    return say("reason.fit", code, text=mark(part.verdict.partition(": ")[2]))


def obstacle_text(question: Question, code: str) -> str:
    """Say what stands in the way of a question."""
    obstacle = question.obstacle
    if obstacle is None:
        return ""
    if obstacle.kind == "needs":
        needed = language(code).join([slot.words[code] for slot in question.missing])
        return say("reason.lacks", code, text=needed)
    return say(f"reason.{obstacle.kind}", code, text=obstacle.detail).replace("*", "")
