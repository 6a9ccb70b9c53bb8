"""Small dyads in memory: two ratings by client and therapist, attachment, and couples whose members are alike."""

from __future__ import annotations

import dataclasses
from typing import Any, cast

import numpy as np
import pandas as pd

from safezone.data.config import Rater
from safezone.data.study import Study
from safezone.models.catalogue import model
from safezone.models.path_design import PathDesign

from .small import options, study

ROLES = {
    "safety": "safety", "t_safety": "safety", "depth": "exploration", "t_depth": "exploration",
    "anxiety": "attachment_anxiety", "t_anxiety": "attachment_anxiety",
}  # fmt: skip
RATINGS = ("t_safety", "safety", "t_depth", "depth")
SCALE = (1.0, 7.0)


def therapy(
    seed: int = 1, clients: int = 9, sessions: int = 5, therapists: int = 3, missing: float = 0.0, unknown: int = 0,
    raters: dict[str, str | None] | None = None, ranges: dict[str, tuple[float, float]] | None = None,
) -> Study:  # fmt: skip
    """Return a study in which client and therapist rate safety and depth.

    Parameters
    ----------
    seed, clients, sessions, therapists
        Size.
    missing, unknown
        Share of single ratings that are missing, and how many clients' anxiety.
    raters, ranges
        By variable, where they are not as the names say and not 1 to 7.
    """
    rng = np.random.default_rng(seed)
    n = clients * sessions
    client = np.repeat(np.arange(clients), sessions)
    of_client = np.arange(clients) % max(therapists, 1)
    anxiety = rng.normal(3.0, 1.0, clients)
    usual = 0.5 * rng.normal(size=(clients, 4)) + 0.3 * rng.normal(size=(max(therapists, 1), 4))[of_client]
    usual = usual - 0.2 * anxiety[:, None]
    time = np.tile(np.arange(sessions), clients)
    table: dict[str, Any] = {"client": [f"c{i:04d}" for i in client], "session": time + 1}
    if therapists:
        table["therapist"] = [f"t{i:03d}" for i in of_client[client]]
    shared = rng.normal(size=n)
    for v, name in enumerate(RATINGS):
        values = 4.0 + 0.1 * v + usual[client, v] + 0.05 * time + 0.5 * shared + 0.7 * rng.normal(size=n)
        values[rng.random(n) < missing] = np.nan
        table[name] = values
    anxiety[:unknown] = np.nan
    about = pd.DataFrame(
        {
            "anxiety": anxiety,
            "arm": pd.Categorical(np.array(["usual", "active"])[np.arange(clients) // 2 % 2], ["usual", "active"]),
        },
        index=pd.Index([f"c{i:04d}" for i in range(clients)], name="client"),
    )
    theirs = None
    if therapists:
        ids = pd.Index([f"t{i:03d}" for i in range(therapists)], name="therapist")
        theirs = pd.DataFrame({"t_anxiety": rng.normal(2.5, 0.8, therapists)}, index=ids)
    found = study(
        pd.DataFrame(table), about, theirs, roles=ROLES, ranges=dict.fromkeys(RATINGS, SCALE) | (ranges or {})
    )
    rated = {name: "therapist" if name.startswith("t_") else "client" for name in RATINGS} | (raters or {})
    variables = {
        name: dataclasses.replace(one, rater=cast("Rater | None", rated.get(name, one.rater)))
        for name, one in found.variables.items()
    }
    return dataclasses.replace(found, variables=variables)


PAIR: dict[str, Any] = {"outcome": "safety", "predictors": ("t_safety",)}
CLASSIC: dict[str, Any] = {"outcome": "depth", "predictors": ("safety", "t_safety"), "partner": "t_depth"}

DESIGNS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "next": ({"sessions": 6}, {**PAIR, "moderators": ()}),
    "next_moderated": ({"sessions": 6, "unknown": 2}, {**PAIR, "moderators": ("time", "anxiety", "arm", "t_anxiety")}),
    "next_missing": ({"sessions": 6, "missing": 0.15}, {**PAIR, "moderators": (), "time": "sessions"}),
    "next_trends": ({"sessions": 7}, {**PAIR, "random_slopes": ("safety", "t_safety"), "therapist_level": False}),
    "same": ({"missing": 0.2}, {**PAIR, "lag": 0, "moderators": ()}),
    "classic": ({}, {**CLASSIC, "moderators": ("arm",)}),
    "classic_missing": ({"missing": 0.2, "therapists": 0}, {**CLASSIC, "time": "none"}),
    "alike": ({"sessions": 6, "missing": 0.1}, {**PAIR, "distinguishable": False}),
    "alike_moderated": (
        {"sessions": 6, "unknown": 1},
        {**PAIR, "distinguishable": False, "moderators": ("time", "anxiety", "t_anxiety")},
    ),
    "alike_classic": ({}, {**CLASSIC, "distinguishable": False}),
    "couples": ({"sessions": 1, "clients": 14, "therapists": 0}, {**CLASSIC, "distinguishable": False}),
    "couples_seen_by": ({"sessions": 1, "clients": 14}, {**CLASSIC, "moderators": ("anxiety",)}),
}  # fmt: skip


def design(name: str, **settings: Any) -> PathDesign:
    """Return the design of :data:`DESIGNS`, its study drawn with other settings where given."""
    data, asked = DESIGNS[name]
    return dyad(therapy(**{**data, **settings}), name, **asked)


def dyad(study: Study, name: str = "dyad", /, **asked: Any) -> PathDesign:
    """Return the design of a dyad."""
    found = model("dyad").design(study, name, options(**asked))
    assert isinstance(found, PathDesign)
    return found
