"""Simulated tables as a study in memory: what reading the CSV files would give, without the detour over the disk."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from safezone.data.config import StudyConfig
from safezone.data.simulate_design import Simulated
from safezone.data.study import Study, Variable

ROLES = {
    "safety": "safety",
    "alliance": "alliance",
    "exploration": "exploration",
    "post_session": "post_session",
    "symptoms": "symptoms",
}


def in_memory(sessions: pd.DataFrame, clients: pd.DataFrame | None = None, families: dict[str, str] | None = None,
              ranges: dict[str, tuple[float, float]] | None = None) -> Study:  # fmt: skip
    """Wrap tables as a study; every column that is not a key is a variable of its table's level.

    Parameters
    ----------
    sessions
        ``client``, ``session``, optionally ``therapist``, and session-level variables.
    clients
        Index ``client``; client-level variables.
    families, ranges
        By variable, where not gaussian and unbounded.
    """
    sessions = sessions.sort_values(["client", "session"], ignore_index=True)
    sessions["block"] = 0
    sessions["row"] = range(2, len(sessions) + 2)
    if clients is None:
        clients = pd.DataFrame(index=pd.Index(sorted(sessions["client"].unique()), name="client"))
    variables: dict[str, Variable] = {}
    for level, table in (("session", sessions), ("client", clients)):
        for name in table.columns.difference(["client", "session", "therapist", "block", "row"], sort=False):
            categorical = isinstance(table[name].dtype, pd.CategoricalDtype)
            variables[name] = Variable(
                name=name,
                level=level,  # type: ignore[arg-type]  # one of two literals
                role=ROLES.get(name, "process" if level == "session" else "covariate"),  # type: ignore[arg-type]  # literals
                rater="client",
                label=name,
                unit="points",
                better="higher",
                family=(families or {}).get(name, "gaussian"),  # type: ignore[arg-type]  # the caller names one
                range=(ranges or {}).get(name),
                categories=tuple(map(str, table[name].cat.categories)) if categorical else (),
            )
    config = StudyConfig.model_validate(
        {
            "data": {"sessions": "sessions.csv"},
            "columns": {"client": "client", "session": "session"},
            "variables": {name: {"column": name, "role": one.role} for name, one in variables.items()},
        }
    )
    therapists = pd.DataFrame(index=pd.Index([], name="therapist", dtype=str))
    return Study(config, Path("study.toml"), sessions, clients, therapists, variables, (), "0" * 64)


def of_simulated(drawn: Simulated, names: tuple[str, ...]) -> Study:
    """Keep the given responses of a simulated study, and the arm."""
    keys = [key for key in ("client", "session", "therapist") if key in drawn.sessions]
    arm = pd.Categorical(drawn.clients["arm"], ["usual", "active"])
    clients = pd.DataFrame({"arm": arm}, index=pd.Index(drawn.clients["client"], name="client"))
    return in_memory(drawn.sessions[[*keys, *names]], clients)
