"""Small studies in memory, drawn from known parameters, for the tests of the models."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import xarray as xr

from safezone.data.config import Family, Level, ModelSection, Role, StudyConfig
from safezone.data.study import Study, Variable
from safezone.models.design import Design


def study(
    sessions: pd.DataFrame,
    clients: pd.DataFrame | None = None,
    therapists: pd.DataFrame | None = None,
    ranges: dict[str, tuple[float, float]] | None = None,
    families: dict[str, str] | None = None,
    roles: dict[str, str] | None = None,
    models: dict[str, dict[str, Any]] | None = None,
    better: dict[str, str] | None = None,
) -> Study:
    """Wrap tables as a study; every column that is not a key is a variable of its table's level."""
    keys = {"client", "session", "therapist", "block", "date", "time", "row"}
    sessions = sessions.copy()
    sessions["client"] = sessions["client"].astype(str)
    if "block" not in sessions:
        sessions["block"] = 0
    sessions["row"] = np.arange(len(sessions)) + 2
    if clients is None:
        clients = pd.DataFrame(index=pd.Index(sorted(sessions["client"].unique()), name="client"))
    if therapists is None:
        therapists = pd.DataFrame(index=pd.Index([], name="therapist", dtype=str))
    variables: dict[str, Variable] = {}
    declared: dict[str, dict[str, Any]] = {}
    for level, table in (("session", sessions), ("client", clients), ("therapist", therapists)):
        for name in table.columns:
            if name in keys:
                continue
            categories = (
                tuple(str(c) for c in table[name].cat.categories)
                if isinstance(table[name].dtype, pd.CategoricalDtype)
                else ()
            )
            role = (roles or {}).get(name, "process" if level == "session" else "covariate")
            family = (families or {}).get(name, "gaussian")
            declared[name] = {"column": name, "role": role}
            variables[name] = Variable(
                name=name,
                level=cast("Level", level),
                role=cast("Role", role),
                rater="client",
                label=name.replace("_", " "),
                unit="points",
                better=(better or {}).get(name, "higher"),
                family=cast("Family", family),
                range=(ranges or {}).get(name),
                categories=categories,
            )
    config = StudyConfig.model_validate(
        {
            "data": {"sessions": "sessions.csv"},
            "columns": {"client": "client", "session": "session"},
            "variables": declared,
            "models": models or {},
        }
    )
    return Study(config, Path("study.toml"), sessions, clients, therapists, variables, (), "0" * 64)


def options(**values: Any) -> ModelSection:
    """Return options as the study file would give them."""
    return ModelSection.model_validate(values)


def therapy(
    seed: int = 1,
    clients: int = 40,
    sessions: int = 6,
    therapists: int = 6,
    within: float = 0.4,
    between: float = 0.8,
    missing: float = 0.0,
    **settings: Any,
) -> Study:
    """Draw a small trial: two predictors with latent means, an outcome, attachment and an arm."""
    rng = np.random.default_rng(seed)
    n = clients * sessions
    client = np.repeat(np.arange(clients), sessions)
    session = np.tile(np.arange(1, sessions + 1), clients)
    of_client = np.arange(clients) % therapists
    therapist = of_client[client]
    arm = np.arange(clients) // therapists % 2
    anxiety = rng.normal(3.0, 1.0, clients)
    usual = 0.6 * rng.normal(size=clients) + 0.2 * rng.normal(size=therapists)[of_client] - 0.2 * (anxiety - 3)
    safety = 4 + usual[client] + 0.8 * rng.normal(size=n)
    alliance = 3 + 0.3 * usual[client] + 0.3 * safety + 0.7 * rng.normal(size=n)
    own = between * usual + 0.5 * rng.normal(size=clients) + 0.2 * rng.normal(size=therapists)[of_client]
    depth = 3 + own[client] + within * (safety - 4 - usual[client]) + 0.1 * (session - 1) + 0.6 * rng.normal(size=n)
    depth = depth + 0.3 * arm[client]
    if missing > 0:
        for column in (safety, alliance, depth):
            column[rng.random(n) < missing] = np.nan
    ids = np.array([f"c{i:03d}" for i in range(clients)])
    doctors = np.array([f"t{i:02d}" for i in range(therapists)])
    table = pd.DataFrame(
        {
            "client": ids[client],
            "session": session,
            "therapist": doctors[therapist],
            "safety": safety,
            "alliance": alliance,
            "depth": depth,
        }
    )
    own_table = pd.DataFrame(
        {"anxiety": anxiety, "arm": pd.Categorical(np.array(["usual", "active"])[arm], ["usual", "active"])},
        index=pd.Index(ids, name="client"),
    )
    theirs = pd.DataFrame({"experience": rng.normal(10, 3, therapists)}, index=pd.Index(doctors, name="therapist"))
    return study(table, own_table, theirs, **settings)


DIMS: dict[str, tuple[str, ...]] = {
    "fixed": ("term",),
    "within": ("predictor",),
    "between_client": ("predictor",),
    "between_therapist": ("predictor",),
    "moderation": ("interaction",),
    "nuisance": ("path",),
    "sd_client": ("client_effect",),
    "cor_client": ("client_effect", "client_effect_other"),
    "client_effects": ("client", "client_effect"),
    "sd_therapist": ("therapist_effect",),
    "cor_therapist": ("therapist_effect", "therapist_effect_other"),
    "therapist_effects": ("therapist", "therapist_effect"),
    "sd_group": ("group_effect",),
    "group_effects": ("group", "group_effect"),
    "cutpoints": ("cut",),
    "ends": ("end",),
    "predictor_intercept": ("predictor",),
    "predictor_fixed": ("predictor", "term"),
    "sd_predictor_client": ("predictor",),
    "cor_predictor_client": ("predictor", "predictor_other"),
    "predictor_client": ("client", "predictor"),
    "sd_predictor_therapist": ("predictor",),
    "cor_predictor_therapist": ("predictor", "predictor_other"),
    "predictor_therapist": ("therapist", "predictor"),
    "sd_predictor_residual": ("predictor",),
    "initial_intercept": ("response",),
    "initial_fixed": ("response", "term"),
    "initial_loading": ("response", "response_other"),
    "initial_path": ("start_path",),
    "initial_sd": ("response",),
}


def posterior(design: Design, draws: int = 2, **values: Any) -> xr.Dataset:
    """Return a posterior of one chain in which every draw has the given values."""
    coords: dict[str, Any] = {"chain": [0], "draw": list(range(draws))}
    variables = {}
    for name, value in values.items():
        dims = DIMS.get(name, ())
        array = np.asarray(value, dtype=float)
        variables[name] = (("chain", "draw", *dims), np.broadcast_to(array, (1, draws, *array.shape)).copy())
        coords |= {dim: design.coords[dim] for dim in dims}
    return xr.Dataset(variables, coords)
