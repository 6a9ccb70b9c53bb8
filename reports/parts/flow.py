"""From ``data/flow.csv`` to the boxes of the flow figure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd

from ..figures.flow import Step
from ..prose.language import Language

if TYPE_CHECKING:
    from ..results import Results

_COUNTS = (("n_clients", "client"), ("n_therapists", "therapist"), ("n_sessions", "session"))


def flow_steps(results: Results, talk: Language) -> tuple[Step, ...]:
    """Return the boxes of the participant flow, each with those who leave before the next.

    The table says with each step why others are no longer there; the figure puts that between the two boxes.
    """
    table = results.flow
    if table.empty:
        return ()
    reasons = [*(_reasons(row.get("reason"), talk) for _, row in table.iterrows()), ()][1:]
    return tuple(
        Step(
            talk.phrase(str(row["label"])),
            tuple(_count(int(row[column]), noun, talk) for column, noun in _COUNTS if pd.notna(row.get(column))),
            left,
        )
        for (_, row), left in zip(table.iterrows(), reasons, strict=True)
    )


def _count(number: int, noun: str, talk: Language) -> str:
    """Count in digits, as figures do."""
    patterns = talk.find(f"counts.{noun}")
    return str(patterns[0 if number == 1 else 1]).format(n=talk.number(number, 0))


def _reasons(reason: object, talk: Language) -> tuple[str, ...]:
    if not isinstance(reason, str) or not reason.strip():
        return ()
    phrases = [talk.phrase(part.strip()) for part in reason.split(";") if part.strip()]
    # "6 without a session" leaves open of what; the figure says clients.
    return tuple(re.sub(r"^(\d+) (without|with|ohne|mit)\b", lambda m: _named(m, talk), phrase) for phrase in phrases)


def _named(match: re.Match[str], talk: Language) -> str:
    return f"{_count(int(match.group(1)), 'client', talk)} {match.group(2)}"
