r"""What a study could learn before anything is fitted: the expected precision of every quantity of the theory.

A stand-in is drawn for the data: the same clients, therapists, sessions attended and ratings missing, with ratings from
the simulator of the theory in place of the observed ones (:mod:`safezone.data.simulate`; its sizes follow the
literature). Each model that a row needs is then laid on the stand-in: the mode of its marginal posterior, the
curvature there, draws from that normal, and the standard deviation of the quantity over the draws, averaged over a few
stand-ins. No observed rating enters.

From an expected posterior SD :math:`s` and a smallest effect of interest :math:`d` follow

.. math:: \theta_{80} = d + (z_{.95} + z_{.80})\, s, \qquad s_0 = d / 1.96

the size that would be called *supported* in four of five such studies, and the SD below which a quantity of exactly
zero would be called *negligible*. They hold where estimates are close to normal; for shares and standard deviations
near zero they are rough.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.errors import SafezoneError

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from ..data.study import Study
    from ..data.variable import Variable
    from .questions import Agenda, Question

Floats = NDArray[np.float64]

STAND_INS = 2
DRAWS = 400
Z_SUPPORTED, Z_POWER, Z_NEGLIGIBLE = 1.6449, 0.8416, 1.9600

# (role, rater, level) -> column of the simulator; a missing rater counts as the client's own.
_COLUMNS: Mapping[tuple[str, str, str], str] = {
    ("safety", "client", "session"): "safety",
    ("safety", "therapist", "session"): "therapist_safety",
    ("alliance", "client", "session"): "alliance",
    ("exploration", "client", "session"): "exploration",
    ("post_session", "client", "session"): "post_session",
    ("symptoms", "client", "session"): "symptoms",
    ("attachment_anxiety", "client", "client"): "anxiety",
    ("attachment_avoidance", "client", "client"): "avoidance",
    ("attachment_anxiety", "client", "therapist"): "therapist_anxiety",
    ("attachment_anxiety", "therapist", "therapist"): "therapist_anxiety",
    ("attachment_avoidance", "client", "therapist"): "therapist_avoidance",
    ("attachment_avoidance", "therapist", "therapist"): "therapist_avoidance",
    ("baseline", "client", "client"): "baseline",
    ("final_outcome", "client", "client"): "final",
}


@dataclass(frozen=True, slots=True)
class Expected:
    """What is to be expected of one quantity.

    Parameters
    ----------
    id, part, supporting
        Row and part of the theory.
    model
        The model that answers.
    estimand
        The quantity.
    sd
        Expected posterior SD; NaN where it could not be foreseen.
    smallest
        Smallest effect of interest.
    reach
        Size that would be called *supported* in four of five such studies.
    settles
        Whether a quantity of zero would be called *negligible*.
    note
        Why nothing could be foreseen; else empty.
    """

    id: str
    part: str
    supporting: bool
    model: str
    estimand: str
    sd: float
    smallest: float
    reach: float
    settles: bool
    note: str = ""


def expected_information(
    study: Study, agenda: Agenda, say: Callable[[str], None] | None = None, stand_ins: int = STAND_INS
) -> tuple[Expected, ...]:
    """Foresee the precision of every quantity that the theory asks of a study.

    Parameters
    ----------
    study
        For who attended what and which ratings are missing; its ratings are not used.
    agenda
        From :func:`~safezone.analysis.questions.agenda`.
    say
        Told how far it is.
    stand_ins
        Number of stand-ins.

    Returns
    -------
    tuple of Expected
        One per part that the study can ask.
    """
    asked = [question for question in agenda.questions if question.model is not None]
    by_model: dict[str, list[Question]] = {}
    for question in asked:
        by_model.setdefault(str(question.model), []).append(question)
    seed = study.config.sampling.seed
    drawn = [stand_in(study, seed + number) for number in range(stand_ins)]
    found: dict[int, list[float]] = {id(question): [] for question in asked}
    notes: dict[str, str] = {}
    for number, (name, questions) in enumerate(by_model.items(), start=1):
        if say is not None:
            say(f"expected precision: model {number} of {len(by_model)} ({name})")
        for one in drawn:
            try:
                for question, sd in zip(questions, _precision(one, agenda, name, questions, seed), strict=True):
                    found[id(question)].append(sd)
            except SafezoneError as error:
                notes[name] = str(error).splitlines()[0]
    return tuple(
        _expected(study, question, found[id(question)], notes.get(str(question.model), "")) for question in asked
    )


def _expected(study: Study, question: Question, sds: list[float], note: str) -> Expected:
    from .findings import contrast_name

    section = study.config.principles
    smallest = question.test.smallest if section is None else section.smallest.get(
        question.principle.id, question.test.smallest
    )  # fmt: skip
    usable = [sd for sd in sds if math.isfinite(sd)]
    sd = float(np.mean(usable)) if usable else math.nan
    return Expected(
        id=question.principle.id,
        part=question.test.part,
        supporting=question.test.supporting,
        model=str(question.model),
        estimand=contrast_name(question.estimand or {}),
        sd=sd,
        smallest=smallest,
        reach=smallest + (Z_SUPPORTED + Z_POWER) * sd,
        settles=sd * Z_NEGLIGIBLE <= smallest,
        note=note if not usable else "",
    )


def _precision(study: Study, agenda: Agenda, name: str, questions: list[Question], seed: int) -> list[float]:
    """Return the SDs of a model's quantities on one stand-in."""
    from ..models.catalogue import model, plan
    from ..models.compilation import compile_system
    from .estimates import estimand_draws
    from .mode import MarginalError, find_mode

    planned = next(one for one in (*agenda.added, *plan(study)) if one.name == name)
    entry = model(planned.kind)
    design = entry.design(study, name, planned.options)
    system = entry.system(design)
    if isinstance(system, str):
        raise MarginalError(f"It has no closed integral, so its precision is not foreseen. {system}")
    compiled = compile_system(system)
    mode = find_mode(compiled)
    rng = np.random.default_rng(seed)
    theta = mode.theta + rng.normal(size=(DRAWS, len(mode.theta))) @ mode.root.T
    posterior = entry.posterior(design, compiled, theta[None], seed=seed, effects=False)
    quantities = estimand_draws(entry.estimands(design), posterior)
    return [_spread(quantities, question, float(design.outcome.sd)) for question in questions]


def _spread(quantities: xr.Dataset, question: Question, outcome_sd: float) -> float:
    values = quantities["value"].transpose("chain", "draw", "quantity").to_numpy()[0]
    names = list(zip(quantities["estimand"].values.astype(str), quantities["scale"].values.astype(str), strict=True))
    total = np.zeros(len(values))
    for name, weight in (question.estimand or {}).items():
        raw = question.test.scale == "outcome sd" or (name, "standardised") not in names
        size = 1 / outcome_sd if question.test.scale == "outcome sd" else 1.0
        total += weight * size * values[:, names.index((name, "raw" if raw else "standardised"))]
    # A few draws of a normal in θ can lie where a quantity explodes; the middle is what is foreseen.
    low, high = np.nanquantile(total, [0.1587, 0.8413])
    return float(high - low) / 2


def stand_in(study: Study, seed: int) -> Study:
    """Return a study with the same design and simulated ratings.

    Parameters
    ----------
    study
        For its design: clients, therapists, sessions, missing ratings.
    seed
        Of the simulation.

    Returns
    -------
    Study
        Ratings without a counterpart in the simulator are a client's own level plus noise; categories are dealt out
        anew.
    """
    from ..data.simulate import SimulationDesign, simulate

    rng = np.random.default_rng(seed)
    sessions, clients, therapists = study.sessions.copy(), study.clients.copy(), study.therapists.copy()
    place = sessions.groupby("client", observed=True).cumcount().to_numpy()
    names = clients.index.to_numpy()
    client = np.searchsorted(names, sessions["client"].to_numpy())
    seats = max(1, int(sessions["therapist"].nunique())) if study.has_therapists else 0
    drawn = simulate(
        SimulationDesign(
            clients=len(names), sessions=int(place.max()) + 1, therapists=min(seats, len(names)), dropout=False
        ),
        seed=seed,
    )
    length = int(place.max()) + 1
    grid = drawn.sessions.sort_values(["client", "session"]).reset_index(drop=True)
    at = client * length + place
    for variable in study.variables.values():
        _redraw(variable, (sessions, clients, therapists), drawn, grid, at, client, rng)
    if study.has_therapists:
        own = drawn.clients["therapist"].to_numpy()[: len(names)]
        labels = dict(zip(drawn.therapists["therapist"], _labels(study, len(drawn.therapists)), strict=True))
        seat = np.array([labels[one] for one in own], dtype=object)
        known = sessions["therapist"].notna().to_numpy()
        sessions["therapist"] = [name if one else None for name, one in zip(seat[client], known, strict=True)]
        if "therapist" in clients:
            clients["therapist"] = seat
    return replace(study, sessions=sessions, clients=clients, therapists=therapists, fingerprint=f"stand-in {seed}")


def _labels(study: Study, count: int) -> list[str]:
    known = sorted(study.sessions["therapist"].dropna().astype(str).unique())
    return (known + [f"therapist {number}" for number in range(count)])[:count]


def _redraw(
    variable: Variable, tables: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame], drawn: Any, grid: pd.DataFrame,
    at: NDArray[np.int64], client: NDArray[np.int64], rng: np.random.Generator,
) -> None:  # fmt: skip
    """Put simulated values where values were, and leave missing what was missing."""
    sessions, clients, therapists = tables
    table = {"session": sessions, "client": clients, "therapist": therapists}[variable.level]
    column = _COLUMNS.get((variable.role, variable.rater or "client", variable.level))
    before = table[variable.name]
    if variable.categories or column is None or variable.family not in ("gaussian", "student_t"):
        if variable.level == "session" and not variable.categories and variable.family in ("gaussian", "student_t"):
            values = rng.normal(size=len(clients))[client] + rng.normal(size=len(table))
            table[variable.name] = np.where(before.notna(), values, np.nan)
        else:
            table[variable.name] = before.iloc[rng.permutation(len(table))].set_axis(table.index)
        return
    if variable.level == "session":
        source = grid[column].to_numpy(dtype=float)[at]
    else:
        frame = drawn.clients if variable.level == "client" else drawn.therapists
        source = np.resize(frame[column].to_numpy(dtype=float), len(table))
    table[variable.name] = np.where(before.notna(), source, np.nan)
