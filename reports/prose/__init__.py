"""Prose from results: direction, size, uncertainty and verdict, in English and German.

Sentence patterns are data (``en.toml``, ``de.toml``); every number comes through :class:`..numbers.Numbers`.
"""

from .language import Language, language
from .paragraphs import (
    as_asked,
    crosscheck,
    crosscheck_distance,
    crosscheck_method,
    crosscheck_notes,
    diagnostics,
    headlines,
    methods,
    question,
    results,
    title,
)
from .sentences import finding, sentence, shares_sentence, verdict_sentence, verdict_word
from .study import limits, methods_common, participants, summary
from .verdicts import Verdict, judge, kind_of, verdict_of

__all__ = [
    "Language",
    "Verdict",
    "as_asked",
    "crosscheck",
    "crosscheck_distance",
    "crosscheck_method",
    "crosscheck_notes",
    "diagnostics",
    "finding",
    "headlines",
    "judge",
    "kind_of",
    "language",
    "limits",
    "methods",
    "methods_common",
    "participants",
    "question",
    "results",
    "sentence",
    "shares_sentence",
    "summary",
    "title",
    "verdict_of",
    "verdict_sentence",
    "verdict_word",
]
