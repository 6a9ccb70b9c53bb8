"""Words of one language: sentence patterns, counted nouns, units, lists."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from ...data.errors import Fault, InputError
from .. import digits

LANGUAGES = ("en", "de")


@dataclass(frozen=True, slots=True)
class Language:
    """One language.

    Parameters
    ----------
    code
        ``en`` or ``de``.
    table
        The TOML file of that name.
    """

    code: str
    table: Mapping[str, Any]

    def say(self, key: str, **values: str) -> str:
        """Fill the pattern at a dotted key.

        Examples
        --------
        >>> language("de").say("figure.chain", n="2")
        'Kette 2'
        """
        return str(self.find(key)).format(**values)

    def find(self, key: str, default: object = None) -> Any:
        """Return what stands at a dotted key, or the default."""
        here: Any = self.table
        for part in key.split("."):
            if not isinstance(here, Mapping) or part not in here:
                if default is None:
                    raise KeyError(f"{self.code}.toml has no {key}")
                return default
            here = here[part]
        return here

    def count(self, n: int, noun: str) -> str:
        """Count things: ``one client``, ``seven clients``, ``1,043 sessions``.

        Examples
        --------
        >>> language("en").count(1, "client"), language("en").count(1043, "session")
        ('one client', '1,043 sessions')
        """
        patterns: Sequence[str] = self.find(f"counts.{noun}")
        words: Sequence[str] = self.find("counts.words")
        number = words[n] if 0 <= n < len(words) else digits.write(n, 0, self.code)
        return str(patterns[0 if n == 1 else 1]).format(n=number)

    def number(self, value: float, decimals: int = 2) -> str:
        """Write a number in this language."""
        return digits.write(value, decimals, self.code)

    def join(self, parts: Sequence[str]) -> str:
        """Join as a list in prose: ``a, b and c``."""
        if len(parts) < 2:
            return "".join(parts)
        return str(self.find("list.separator")).join(parts[:-1]) + str(self.find("list.last")) + parts[-1]

    def unit(self, unit: str, form: int) -> str:
        """Return a unit as *one of it* (0), *several of it* (1) or *per* (2).

        Units that the table does not know stand as the user wrote them: ``one unit (kg)``, ``kg``, ``per kg``; a time
        column without a unit is ``unit of COLUMN``.
        """
        unit = unit.strip()
        if " and " in unit and form == 2:
            return str(self.find("list.last")).join(self.unit(part, 2) for part in unit.split(" and "))
        if unit.startswith("unit of "):
            return str(self.table["units"]["of"][form]).format(name=unit.removeprefix("unit of "))
        known = self.table["units"].get(unit or "unit") or self.table["units"].get(unit.lower())
        if known is not None:
            return str(known[form])
        generic = self.table["units"]["unit"]
        one, _, per = (str(text) for text in generic)
        return (f"{one} ({unit})", unit, f"{per.rsplit(' ', 1)[0]} {unit}")[form]

    def label(self, label: str) -> str:
        """Bring a variable's label into a sentence: quoted in German, lower case in English unless a name or acronym.

        Examples
        --------
        >>> language("en").label("Felt safety (client)"), language("en").label("PHQ-9 sum")
        ('felt safety (client)', 'PHQ-9 sum')
        >>> language("en").label("Beck Depression Inventory")
        'Beck Depression Inventory'
        """
        text = f"{self.find('quote.open', '')}{label}{self.find('quote.close', '')}"
        if self.code == "en" and _capitalised(label) and not any(_capitalised(word) for word in label.split()[1:]):
            return text[0].lower() + text[1:]
        return text

    def phrase(self, text: str) -> str:
        """Translate a phrase that a table carries in English; what the table of phrases does not know stays.

        Examples
        --------
        >>> language("de").phrase("2 without a usable score")
        '2 ohne verwertbaren Wert'
        """
        # Longest first, so that a phrase is not cut short by one inside it.
        for phrase in sorted(self.table["phrase"], key=len, reverse=True):
            text = text.replace(phrase, str(self.table["phrase"][phrase]))
        return text

    @property
    def percent_interval(self) -> str:
        """Pattern of an interval's name in captions (``95%``, ``95-%``)."""
        return "{p}-%" if self.code == "de" else "{p}%"

    def interval(self, probability: float) -> str:
        """Return ``95%`` or ``95-%`` for captions."""
        p = 100 * probability
        return self.percent_interval.format(p=self.number(p, 0 if abs(p - round(p)) < 1e-9 else 1))


def _capitalised(word: str) -> bool:
    """Whether a word begins like a name; an acronym does not."""
    return len(word) > 1 and word[0].isupper() and word[1].islower()


@cache
def language(code: str) -> Language:
    """Return a language.

    Raises
    ------
    InputError
        If there is no such language.
    """
    if code not in LANGUAGES:
        raise InputError(
            Fault("error", "study.toml", None, "study.language", "There are reports in two languages.", code,
                  f"Choose one of: {', '.join(LANGUAGES)}.")
        )  # fmt: skip
    text = files(__package__).joinpath(f"{code}.toml").read_text(encoding="utf-8")
    return Language(code, tomllib.loads(text))
