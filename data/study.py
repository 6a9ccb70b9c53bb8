"""A study: what was observed, validated and frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .config import Level, Rater, Role, StudyConfig
from .errors import Fault
from .study_file import locate, read_config
from .variable import Variable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Study", "Variable", "read_study"]


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
        One row per client, block and session, sorted by these. Columns: ``client`` (str),
        ``session`` (int, order within client and block), ``block`` (int, 0 where none is
        declared), ``therapist`` (str, missing where unknown; only if the study has therapists),
        ``date`` (datetime64; if declared, or if sessions are dates), ``time`` (float; only if
        declared), ``row`` (int, the row of the file), and one column per session-level variable
        (float64; categorical where it has categories).
    clients
        One row per client, index ``client`` (str, sorted): client-level variables, and
        ``therapist`` where no client has more than one (missing where unknown). Clients that the
        client table lists without any session are kept: participant flow needs them.
    therapists
        One row per therapist, index ``therapist`` (str, sorted): therapist-level variables;
        empty where the study has no therapists.
    variables
        Every declared variable by name, in the order of the study file.
    faults
        Warnings and notes of the checks (errors never get here).
    fingerprint
        SHA-256 over configuration and canonical tables.
    items
        The items of each scale by variable, reversed ones turned round:
        one row per row of ``sessions`` where the scale is a session's, else index of identifiers.
    """

    config: StudyConfig
    path: Path
    sessions: pd.DataFrame
    clients: pd.DataFrame
    therapists: pd.DataFrame
    variables: Mapping[str, Variable]
    faults: tuple[Fault, ...]
    fingerprint: str
    items: Mapping[str, pd.DataFrame] = field(default_factory=dict)

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


def read_study(path: str | Path) -> Study:
    """Read, check and freeze a study.

    Parameters
    ----------
    path
        The study file, or the folder that holds ``study.toml``.

    Returns
    -------
    Study
        Canonical tables, resolved variables, warnings and notes.

    Raises
    ------
    InputError
        With every fault found in the study file, or in the data, when at least one is an error.

    Examples
    --------
    >>> study = read_study("study.toml")  # doctest: +SKIP
    >>> study.sessions.columns[:3].tolist()  # doctest: +SKIP
    ['client', 'session', 'block']
    """
    file = locate(path)
    config = read_config(file)
    from .assemble import assemble, fingerprint

    tables = assemble(config, file.parent)
    return Study(
        config=config,
        path=file,
        sessions=tables.sessions,
        clients=tables.clients,
        therapists=tables.therapists,
        variables=tables.variables,
        faults=tables.faults.all(),
        fingerprint=fingerprint(config, tables.sessions, tables.clients, tables.therapists),
        items=tables.items,
    )
