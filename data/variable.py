"""A variable: one measured quantity, resolved against the data."""

from __future__ import annotations

from dataclasses import dataclass

from .config import Family, Level, Rater, Role


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
        The declared label, else the label of the data file, else the name with blanks for underscores.
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
