"""A study as another assumption sees it: copies with trends taken out, with complete sessions only, with a pattern.

:mod:`.specifications` says what each is for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from ..data.config import ModelSection
    from ..data.study import Study

PATTERN, PATTERN_TIME = "_rated_sessions", "_rated_sessions_by_time"
"""Variables that the pattern mixture adds to a copy of the study."""


def with_trend(options: ModelSection, value: str) -> ModelSection:
    """Return options with another trend; ``own`` lets clients differ in the outcome's.

    Parameters
    ----------
    options
        Of the model.
    value
        ``none``, ``linear``, ``own`` or ``sessions``.
    """
    slopes = tuple(slope for slope in options.random_slopes or () if slope != "time")
    if value == "own":
        return options.model_copy(update={"time": "linear", "random_slopes": ("time", *slopes)})
    changed = {"time": value} if options.random_slopes is None else {"time": value, "random_slopes": slopes}
    return options.model_copy(update=changed)


def without_own_trends(study: Study, options: ModelSection) -> Study:
    """Return a copy of a study in which each client's least-squares line over time is taken out of the predictors.

    The client's mean stays: x − b (t − t̄), with b and t̄ over the client's rated sessions.

    Parameters
    ----------
    study
        The study.
    options
        Of the model.
    """
    import pandas as pd

    from ..data.time import time_axis

    client, times = study.sessions["client"], pd.Series(time_axis(study, options).values, study.sessions.index)
    sessions = study.sessions.copy()
    for name in options.predictors:
        ratings = sessions[name].astype("float64")
        t = times.where(ratings.notna())
        t = t - t.groupby(client).transform("mean")
        x = ratings - ratings.groupby(client).transform("mean")
        spread = (t * t).groupby(client).transform("sum")
        slope = (t * x).groupby(client).transform("sum") / spread.where(spread > 0)
        sessions[name] = ratings - (slope * t).fillna(0.0)
    return replace(study, sessions=sessions)


def incomplete(study: Study, options: ModelSection) -> pd.Series:
    """Whether a session has a part of the ratings that the model uses, but not all."""
    used = (*options.predictors, *options.by, *options.covariates, *options.moderators)
    names = [options.outcome, *(name for name in used if study.variables[name].level == "session")]
    rated = study.sessions[names].notna()
    return rated.any(axis=1) & ~rated.all(axis=1)


def complete_sessions(study: Study, options: ModelSection) -> Study:
    """Return a copy of a study in which sessions count only with every rating that a model uses.

    The sessions stay, without outcome and predictors, so that lags and session numbers are what they were.

    Parameters
    ----------
    study
        The study.
    options
        Of the model.
    """
    sessions = study.sessions.copy()
    half = incomplete(study, options)
    for name in (str(options.outcome), *options.predictors):
        sessions[name] = sessions[name].mask(half)
    return replace(study, sessions=sessions)


def rated_sessions(study: Study, options: ModelSection) -> pd.Series:
    """Return in how many sessions each client's outcome was rated, for clients who have any session."""
    return study.sessions[str(options.outcome)].notna().groupby(study.sessions["client"]).sum().astype("float64")


def pattern_mixture(study: Study, kind: str, options: ModelSection) -> tuple[Study, ModelSection]:
    """Let the number of rated sessions change a client's level, trend and within slopes.

    Growth takes it like a group (``by``). Within_between takes it as a moderator of the within slopes, in complete
    sessions, or as a covariate where slopes differ between clients anyhow and in lagged models; and its product with
    time as a covariate of sessions. Both are centred, so that every other quantity is that of the average client.

    Parameters
    ----------
    study
        The study.
    kind
        ``growth`` or ``within_between``.
    options
        Of the model.

    Returns
    -------
    Study, ModelSection
        A copy of the study with the variables, and options that name them.
    """
    from ..data.time import time_axis
    from ..data.variable import Variable

    rated = rated_sessions(study, options)

    def added(name: str, level: str) -> Variable:
        label = "Rated sessions" + (" × time" if level == "session" else "")
        return Variable(name, level, "covariate", None, label, "", "higher", "gaussian")  # type: ignore[arg-type]

    ahead = rated - rated[rated > 0].mean()
    clients = study.clients.assign(**{PATTERN: ahead.reindex(study.clients.index)})
    variables = {**study.variables, PATTERN: added(PATTERN, "client")}
    changed = replace(study, clients=clients, variables=variables)
    if kind == "growth":
        return changed, options.model_copy(update={"by": (*options.by, PATTERN)})
    left = options.lag == 1 or options.own_lag or set(options.predictors) & set(options.random_slopes or ())
    if not left:
        changed = complete_sessions(changed, options)
    part = "covariates" if left else "moderators"
    options = options.model_copy(update={part: (*getattr(options, part), PATTERN)})
    if (options.time or "none") == "none":
        return changed, options
    times = time_axis(study, options).values
    product = study.sessions["client"].map(ahead).to_numpy(dtype=np.float64) * (times - np.nanmean(times))
    sessions = changed.sessions.assign(**{PATTERN_TIME: product})
    variables[PATTERN_TIME] = added(PATTERN_TIME, "session")
    changed = replace(changed, sessions=sessions, variables=variables)
    return changed, options.model_copy(update={"covariates": (*options.covariates, PATTERN_TIME)})
