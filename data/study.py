"""A study: what was observed, validated and frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .config import Family, Level, Rater, Role, StudyConfig
from .errors import Fault

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Variable:
    """One measured quantity, resolved against the data.

    Parameters
    ----------
    name
        The name that models and reports use.
    level
        Where it varies: ``session``, ``client`` or ``therapist``; the table that carries it.
    role, rater, better, unit, family
        As declared, with defaults filled in.
    label
        The declared label, or the name with underscores as blanks.
    range
        Lowest and highest possible value, or ``None``.
    categories
        Empty for numbers; else the categories, reference first.
    """

    name: str
    level: Level
    role: Role
    rater: Rater | None
    label: str
    unit: str
    better: str
    family: Family
    range: tuple[float, float] | None = None
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class Study:
    """A validated study.

    Parameters
    ----------
    config
        The study file.
    path
        The study file's path.
    sessions
        One row per client and session, sorted by both. Columns: ``client`` (str), ``session``
        (int, order within client), ``block`` (int, 0 where none is declared), ``therapist`` (str,
        missing where unknown; only if the study has therapists), ``date`` (datetime64; only if
        declared), ``time`` (float; only if declared), ``row`` (int, the row of the file), and one
        column per session-level variable (float64; categorical where it has categories).
    clients
        One row per client, index ``client`` (str): client-level variables, and ``therapist``
        where every client has exactly one.
    therapists
        One row per therapist, index ``therapist`` (str): therapist-level variables.
    variables
        Every declared variable by name, in the order of the study file.
    faults
        Warnings and notes of the checks (errors never get here).
    fingerprint
        SHA-256 over configuration and canonical tables.
    """

    config: StudyConfig
    path: Path
    sessions: pd.DataFrame
    clients: pd.DataFrame
    therapists: pd.DataFrame
    variables: Mapping[str, Variable]
    faults: tuple[Fault, ...]
    fingerprint: str

    def by_role(self, role: Role, *, rater: Rater | None = None, level: Level | None = None) -> tuple[Variable, ...]:
        """Return the variables with this role (and rater, and level), in declared order."""
        return tuple(
            variable
            for variable in self.variables.values()
            if variable.role == role
            and (rater is None or variable.rater == rater)
            and (level is None or variable.level == level)
        )

    @property
    def has_therapists(self) -> bool:
        """Whether sessions carry a therapist."""
        return "therapist" in self.sessions.columns
