"""The theory's statements as data: what each row says, what it needs, and what would answer it.

The rows stand in ``principles.toml``; this file reads them and finds the variables that a study has for their roles.
Nothing here fits or samples. :mod:`.questions` chooses the models, :mod:`.findings` reads the answers.

Source: Podolan & Gelo (2024), table 1 and the sections around it.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal, cast

from ..data.errors import Fault, InputError
from ..data.study_file import suggestion

if TYPE_CHECKING:
    from ..data.config import Role
    from ..data.study import Study
    from ..data.variable import Variable

Column = Literal["therapist", "relationship", "client", "across"]
Combine = Literal["all", "mean"]
Words = Mapping[str, str]  # by language

LANGUAGES = ("en", "de")
SMALLEST = 0.1  # standardised; the smallest effect of interest where a row names none
_SLOT = re.compile(r"\{(\w+)\}")
# Higher values of these roles are worse by their name, whatever a study file leaves unsaid.
_LOWER_IS_BETTER = ("attachment_anxiety", "attachment_avoidance", "rupture")


@dataclass(frozen=True, slots=True)
class Slot:
    """Something that a row asks of a study: a role, who rates it, on which level.

    Parameters
    ----------
    name
        Its name in templates (``safety``).
    roles
        Roles in order of preference; empty for a column that is no variable.
    rater, level
        Who rates it and where it varies; ``None`` where that is open. A variable without a rater counts as the
        client's own.
    nth
        Which variable of this kind is meant, in the order of the study file.
    categories
        Least number of categories; 0 asks for a number.
    column
        A column of the study that is no variable (``therapist``).
    words
        For people, by language.
    """

    name: str
    roles: tuple[Role, ...]
    rater: str | None
    level: str | None
    nth: int
    categories: int
    column: str | None
    words: Words

    @property
    def code(self) -> str:
        """Return the slot as ``role@rater/level``, for the column ``missing_roles``."""
        if self.column is not None:
            return f"column {self.column}"
        rater = f"@{self.rater}" if self.rater else ""
        many = f"#{self.nth}" if self.nth > 1 else ""
        return f"{' or '.join(self.roles)}{rater}/{self.level}{many}"


@dataclass(frozen=True, slots=True)
class Test:
    """One part of a row: a quantity of one model that can speak for or against the statement.

    Parameters
    ----------
    part
        Name of the part; tests of one part are alternatives.
    needs
        Names of slots.
    kind, options
        Catalogue model and its options, with slots in braces; no options where the model's own plan is asked.
    estimands
        Candidates in order of preference, each a contrast: estimand to weight.
    scale
        ``standardised``, or ``outcome sd``: raw, divided by the SD of the outcome.
    direction
        1 or −1; 0 where the statement names none.
    orient
        Slots that turn the direction round when lower values of their variable are better.
    smallest
        Smallest effect of interest.
    bounded
        Whether the quantity cannot be negative: then it can be negligible but not opposed.
    supporting
        Whether it is shown only, and the row's verdict does not rest on it.
    words
        What the quantity is, with slots, by language.
    """

    part: str
    needs: tuple[str, ...]
    kind: str
    options: Mapping[str, Any]
    estimands: tuple[Mapping[str, float], ...]
    scale: str
    direction: int
    orient: tuple[str, ...]
    smallest: float
    bounded: bool
    supporting: bool
    words: Words


@dataclass(frozen=True, slots=True)
class Principle:
    """One row of the theory.

    Parameters
    ----------
    id, column
        As in the paper's table (``C1``, ``client``).
    cell
        The cell of table 1 that it stands for.
    place
        Where in the paper.
    statement, against, causal
        The statement in our own words; what would speak against it; what design would license a causal reading.
    combine
        ``all``: every part must hold; ``mean``: the parts are averaged, draw by draw.
    tests
        Its parts.
    """

    id: str
    column: Column
    cell: str
    place: str
    statement: Words
    against: Words
    causal: Words
    combine: Combine
    tests: tuple[Test, ...]

    @property
    def parts(self) -> Mapping[str, tuple[Test, ...]]:
        """Return the alternatives of each part, in order."""
        found: dict[str, tuple[Test, ...]] = {}
        for test in self.tests:
            found[test.part] = (*found.get(test.part, ()), test)
        return found


@cache
def _tables() -> Mapping[str, Any]:
    return tomllib.loads(files(__package__).joinpath("principles.toml").read_text(encoding="utf-8"))


@cache
def slots() -> Mapping[str, Slot]:
    """Return everything that rows can ask of a study, by name."""
    return {name: _slot(name, entry) for name, entry in _tables()["slots"].items()}


@cache
def principles() -> tuple[Principle, ...]:
    """Return every row of the theory, in the order of the table.

    Examples
    --------
    >>> [row.id for row in principles()][:3]
    ['T1', 'T2a', 'T2b']
    """
    return tuple(_principle(name, entry) for name, entry in _tables().items() if name != "slots")


def check_ids(study: Study) -> None:
    """Refuse settings of ``[principles]`` for rows that the theory does not have.

    Raises
    ------
    InputError
        With the nearest row.
    """
    section = study.config.principles
    if section is None:
        return
    known = [row.id for row in principles()]
    faults = [
        Fault("error", study.path.name, None, f"principles.{key}", "The theory has no such row.", name,
              suggestion(name, known))
        for key, table in (("smallest", section.smallest), ("models", section.models))
        for name in table
        if name not in known
    ]  # fmt: skip
    if faults:
        raise InputError(*faults)


def find(study: Study, slot: Slot) -> str | None:
    """Return the study's variable (or column) for a slot; ``None`` where it has none.

    Examples
    --------
    >>> slots()["safety"].code
    'safety@client/session'
    """
    if slot.column is not None:
        return slot.column if slot.column == "therapist" and study.has_therapists else None
    for role in slot.roles:
        fitting = [v for v in study.by_role(role) if _fits(v, slot)]
        # The client's own rating comes before others' where a row leaves the rater open.
        fitting.sort(key=lambda v: v.rater not in (None, "client") if slot.rater is None else 0)
        if len(fitting) >= slot.nth:
            return fitting[slot.nth - 1].name
    return None


def fill(template: str, names: Mapping[str, str]) -> str:
    """Put a study's names into a template.

    Examples
    --------
    >>> fill("path.client.{safety}->{final}", {"safety": "felt_safety", "final": "phq"})
    'path.client.felt_safety->phq'
    """
    return _SLOT.sub(lambda match: names[match[1]], template)


def filled(value: Any, names: Mapping[str, str]) -> Any:
    """Put a study's names into options: texts and lists of texts."""
    if isinstance(value, str):
        return fill(value, names)
    if isinstance(value, list | tuple):
        return tuple(filled(item, names) for item in value)
    return value


def sign(study: Study, test: Test, names: Mapping[str, str]) -> int:
    """Return the expected sign of a test's quantity in this study: 1, −1, or 0 where none is expected."""
    turned = sum(_lower_is_better(study, names[slot]) for slot in test.orient)
    return -test.direction if turned % 2 else test.direction


def slot_names(template: str) -> tuple[str, ...]:
    """Return the slots that a template names."""
    return tuple(_SLOT.findall(template))


def _lower_is_better(study: Study, name: str) -> bool:
    variable = study.variables[name]
    said = "better" in study.config.variables[name].model_fields_set
    return variable.better == "lower" or (variable.role in _LOWER_IS_BETTER and not said)


def _fits(variable: Variable, slot: Slot) -> bool:
    if slot.level is not None and variable.level != slot.level:
        return False
    if slot.rater is not None and variable.rater != slot.rater and (variable.rater, slot.rater) != (None, "client"):
        return False
    if variable.role in ("arm", "rupture"):
        return True
    if slot.categories:
        return len(variable.categories) >= slot.categories
    return not variable.categories


def _slot(name: str, entry: Mapping[str, Any]) -> Slot:
    role = entry.get("role", ())
    return Slot(
        name=name,
        roles=cast("tuple[Role, ...]", (role,) if isinstance(role, str) else tuple(role)),
        rater=entry.get("rater"),
        level=entry.get("level"),
        nth=entry.get("nth", 1),
        categories=entry.get("categories", 0),
        column=entry.get("column"),
        words={language: entry[language] for language in LANGUAGES},
    )


def _principle(name: str, entry: Mapping[str, Any]) -> Principle:
    def words(key: str) -> Words:
        return {language: entry[f"{key}_{language}"] for language in LANGUAGES}

    return Principle(
        id=name,
        column=entry["column"],
        cell=entry["cell"],
        place=entry["place"],
        statement={language: entry[language] for language in LANGUAGES},
        against=words("against"),
        causal=words("causal"),
        combine=entry.get("combine", "all"),
        tests=tuple(_test(test) for test in entry["tests"]),
    )


def _test(entry: Mapping[str, Any]) -> Test:
    asked = entry["estimand"]
    candidates = asked if isinstance(asked, list) else [asked]
    return Test(
        part=entry.get("part", ""),
        needs=tuple(entry["needs"]),
        kind=entry["kind"],
        options=entry.get("options", {}),
        estimands=tuple({one: 1.0} if isinstance(one, str) else one for one in candidates),
        scale=entry.get("scale", "standardised"),
        direction=entry.get("direction", 1),
        orient=tuple(entry.get("orient", ())),
        smallest=float(entry.get("smallest", SMALLEST)),
        bounded=entry.get("bounded", False),
        supporting=entry.get("supporting", False),
        words={language: entry[f"words_{language}"] for language in LANGUAGES},
    )
