"""Small studies with ratings of sessions, clients, therapists and final outcomes, for the tests of path models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from safezone.data.study import Study
from safezone.models.catalogue import model
from safezone.models.path_design import PathDesign

from .small import options, study

ROLES = {
    "safety": "safety", "alliance": "alliance", "depth": "exploration", "mood": "post_session",
    "anxiety": "attachment_anxiety", "baseline": "baseline", "arm": "arm", "final": "final_outcome",
    "followup": "final_outcome", "remission": "final_outcome", "verdict": "final_outcome",
    "t_anxiety": "attachment_anxiety",
}  # fmt: skip
SERIES = ("safety", "alliance", "depth", "mood")


def therapy(
    seed: int = 1,
    clients: int = 9,
    sessions: int = 5,
    therapists: int = 3,
    missing: float = 0.0,
    unknown: int = 0,
    unknown_therapists: int = 0,
    lost_finals: int = 0,
) -> Study:
    """Return a study in which everything hangs together.

    Parameters
    ----------
    seed, clients, sessions, therapists
        Size.
    missing
        Share of single ratings that are missing.
    unknown, unknown_therapists, lost_finals
        How many clients' anxiety, therapists' anxiety and clients' final outcomes are missing.
    """
    rng = np.random.default_rng(seed)
    n = clients * sessions
    client = np.repeat(np.arange(clients), sessions)
    of_client = np.arange(clients) % max(therapists, 1)
    anxiety, t_anxiety = rng.normal(3.0, 1.0, clients), rng.normal(2.5, 0.8, max(therapists, 1))
    usual = rng.normal(size=(clients, 4)) * 0.5 + 0.3 * rng.normal(size=(max(therapists, 1), 4))[of_client]
    usual = usual - 0.2 * anxiety[:, None] - 0.3 * t_anxiety[of_client][:, None]
    time = np.tile(np.arange(sessions), clients)
    table: dict[str, Any] = {"client": [f"c{i:04d}" for i in client], "session": time + 1}
    if therapists:
        table["therapist"] = [f"t{i:03d}" for i in of_client[client]]
    last = np.zeros(n)
    for v, name in enumerate(SERIES):
        last = 0.5 * last + rng.normal(size=n)
        values = 4.0 + v + usual[client, v] + 0.1 * time + last
        values[rng.random(n) < missing] = np.nan
        table[name] = values
    final = 10.0 - usual.sum(axis=1) + rng.normal(size=clients)
    heard = final + rng.normal(size=clients)
    about = pd.DataFrame(
        {
            "anxiety": anxiety,
            "baseline": 15.0 - usual[:, 0] + rng.normal(size=clients),
            "arm": pd.Categorical(np.array(["usual", "active"])[np.arange(clients) // 2 % 2], ["usual", "active"]),
            "final": final,
            "followup": 0.6 * final + rng.normal(size=clients),
            "remission": (heard < np.median(heard)).astype(float),
            "verdict": pd.cut(-heard, 3, labels=["worse", "same", "better"]),
        },
        index=pd.Index([f"c{i:04d}" for i in range(clients)], name="client"),
    )  # fmt: skip
    about.iloc[1 : 1 + unknown, 0] = np.nan
    about.iloc[2 : 2 + lost_finals, 3] = np.nan
    theirs = None
    if therapists:
        t_anxiety[:unknown_therapists] = np.nan
        ids = pd.Index([f"t{i:03d}" for i in range(therapists)], name="therapist")
        theirs = pd.DataFrame({"t_anxiety": t_anxiety}, index=ids)
    return study(
        pd.DataFrame(table), about, theirs, roles=ROLES, families={"remission": "bernoulli", "verdict": "ordinal"}
    )


CHAIN = ("safety -> alliance", "safety, alliance -> depth")
CLIENT = ("anxiety -> safety", "safety -> alliance -> depth")
ENDS = ("baseline, arm, anxiety -> final", "safety, depth -> final")
NO_TIME = {"time": "none"}

DESIGNS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": ({"therapists": 0}, {"session": CHAIN, "client": CLIENT, "time": "none"}),
    "therapists": (
        {"clients": 12, "therapists": 4},
        {
            "session": CHAIN,
            "client": CLIENT,
            "therapist": ("t_anxiety -> safety -> alliance", "safety -> depth"),
        },
    ),
    "unstructured": ({}, {"session": ("safety -> alliance -> depth -> mood",), "time": "quadratic"}),
    "final": ({"lost_finals": 2}, {"session": ("safety -> depth",), "client": (*ENDS, "anxiety -> safety")}),
    "final_therapists": (
        {"clients": 12, "therapists": 4},
        {
            "session": ("safety -> depth",),
            "client": ENDS,
            "therapist": ("t_anxiety -> safety", "safety -> final", "t_anxiety -> final"),
            "time": "none",
        },
    ),
    "two_outcomes": (
        {"lost_finals": 3},
        {"session": ("safety -> depth",), "client": ("safety -> final -> followup", "depth, baseline -> followup")},
    ),
    "trends": (
        {"sessions": 6},
        {
            "session": ("safety -> depth",),
            "client": ("safety -> depth", "safety:time, depth -> final", "baseline -> final"),
            "random_slopes": ("safety", "depth"),
        },
    ),
    "trend_to_mean": ({"sessions": 6}, {"client": ("safety:time -> depth", "anxiety -> safety")}),
    "lagged": (
        {"sessions": 6},
        {"session": ("lag(safety) -> safety", "lag(safety), lag(depth) -> depth"), "client": ("anxiety -> safety",),
         "time": "none"},
    ),
    "lagged_mixed": (
        {"sessions": 6},
        {
            "session": ("safety -> alliance", "lag(depth) -> depth", "alliance -> depth", "lag(depth) -> safety"),
            "client": ("safety -> alliance", "depth:time -> final"),
        },
    ),
    "lagged_missing": (
        {"sessions": 6, "missing": 0.2, "unknown": 2},
        {"session": ("safety -> alliance", "lag(safety), alliance -> depth"), "client": CLIENT},
    ),
    "random": (
        {"sessions": 6},
        {
            "session": ("safety -> alliance -> depth",),
            "client": ("safety -> alliance",),
            "random_slopes": ("safety -> alliance", "alliance -> depth"),
            "time": "none",
        },
    ),
    "random_lagged": (
        {"sessions": 7},
        {"session": ("lag(safety) -> depth",), "random_slopes": ("lag(safety) -> depth",), "time": "none"},
    ),
    "random_missing": (
        {"sessions": 6, "missing": 0.2},
        {
            "session": ("safety -> alliance -> depth", "safety -> depth"),
            "random_slopes": ("safety -> alliance", "safety"),
            "client": ("depth -> final",),
        },
    ),
    "missing": ({"missing": 0.25}, {"session": ("safety -> alliance, depth", "alliance -> depth -> mood"),
                                    "client": CLIENT}),
    "holes": (
        {"clients": 12, "therapists": 4, "unknown": 3, "unknown_therapists": 2, "missing": 0.1},
        {
            "session": CHAIN,
            "client": (*CLIENT, *ENDS),
            "therapist": ("t_anxiety -> safety -> final",),
        },
    ),
}  # fmt: skip


def design(name: str, **settings: Any) -> PathDesign:
    """Return the design of :data:`DESIGNS`, its study drawn with other settings where given."""
    data, asked = DESIGNS[name]
    return chain(therapy(**{**data, **settings}), name, **asked)


def chain(study: Study, name: str = "chain", **asked: Any) -> PathDesign:
    """Return the design of a chain."""
    found = model("chain").design(study, name, options(**asked))
    assert isinstance(found, PathDesign)
    return found


DIMS = {
    "path_session": "session_path", "path_client": "client_path", "path_therapist": "therapist_path",
    "sd_residual": "residual", "sd_client": "client_effect", "intercept": "variable",
}  # fmt: skip
