"""Posterior predictive checks, level by level: data from this model beside the observed data.

For each posterior draw the model predicts every session again; a statistic T of the replicated data is
set beside that of the observed data, level by level: p = P(T(y_rep) ≥ T(y)), ties counted half. Values
of p near 0 or 1 say that the model misses this feature. Sessions are replicated for the same clients;
where a session depends on the one before, whole series are run forward for new clients of the same
therapists instead, because predictions one session ahead would borrow the observed course.

References
----------
Gelman, Meng and Stern (1996), Statistica Sinica 6, 733-807.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import xarray as xr

    from ..models.design import Design
    from ..models.model import Model

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Replicated data sets: as many as fit the budget of cells, within these bounds.
CELLS = 20_000_000
REPLICATIONS = (25, 400)


@dataclass(frozen=True)
class Layout:
    """How rows nest, for rows with an observed outcome.

    Parameters
    ----------
    client, therapist
        Index per row, shape (rows,); ``therapist`` is empty without therapists.
    pairs
        Positions (now, before) of sessions that follow each other without a gap, shape (pairs, 2).
    low, high
        Bounds of the outcome, raw units.
    """

    client: Ints
    therapist: Ints
    pairs: Ints
    low: float
    high: float


def layout_of(design: Design) -> tuple[Layout, NDArray[np.bool_]]:
    """Return the nesting of the rows whose outcome is observed, and which rows these are."""
    observed = np.isfinite(design.y)
    client, session = design.client[observed], design.session[observed]
    therapist = design.therapist[observed] if design.therapist.size else design.therapist
    return Layout(client, therapist, neighbours(client, session), design.outcome.low, design.outcome.high), observed


def neighbours(client: Ints, session: Ints) -> Ints:
    """Return positions (now, before) of sessions of one client that follow each other without a gap."""
    order = np.lexsort((session, client))
    adjacent = (np.diff(client[order]) == 0) & (np.diff(session[order]) == 1)
    return np.column_stack([order[1:][adjacent], order[:-1][adjacent]]).astype(np.int64)


def group_means(y: Floats, group: Ints) -> Floats:
    """Mean per group: (replications, rows) to (replications, groups); groups without rows are left out."""
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    sizes = np.diff(np.append(starts, group.size))
    means: Floats = np.add.reduceat(y[:, order], starts, axis=1) / sizes
    return means


def _within(y: Floats, group: Ints) -> tuple[Floats, Ints, Ints]:
    """Deviations from the group's mean in sorted order, the starts of groups, and their sizes."""
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    sizes = np.diff(np.append(starts, group.size))
    sorted_y = y[:, order]
    means = np.add.reduceat(sorted_y, starts, axis=1) / sizes
    return sorted_y - np.repeat(means, sizes, axis=1), starts, sizes


def _skew(y: Floats) -> Floats:
    centred = y - y.mean(axis=1, keepdims=True)
    spread = (centred**2).mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        skew: Floats = np.where(spread > 0, (centred**3).mean(axis=1) / spread**1.5, 0.0)
    return skew


def _sd_of_means(group: str) -> Callable[[Floats, Layout], Floats]:
    def statistic(y: Floats, layout: Layout) -> Floats:
        sd: Floats = group_means(y, getattr(layout, group)).std(axis=1, ddof=1)
        return sd

    return statistic


def _sd_of_sds(y: Floats, layout: Layout) -> Floats:
    deviations, starts, sizes = _within(y, layout.client)
    several = sizes > 1
    squares = np.add.reduceat(deviations**2, starts, axis=1)[:, several]
    sd: Floats = np.sqrt(squares / (sizes[several] - 1)).std(axis=1, ddof=1)
    return sd


def _autocorrelation(y: Floats, layout: Layout) -> Floats:
    """Pooled within-client lag-1 autocorrelation, from deviations of the client's observed mean."""
    present = np.unique(layout.client)
    means = group_means(y, layout.client)
    deviations = y - means[:, np.searchsorted(present, layout.client)]
    now, before = layout.pairs.T
    total = (deviations**2).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        rho: Floats = np.where(total > 0, (deviations[:, now] * deviations[:, before]).sum(axis=1) / total, 0.0)
    return rho


@dataclass(frozen=True, slots=True)
class Statistic:
    """A feature of the data at one level."""

    level: str
    name: str
    compute: Callable[[Floats, Layout], Floats]
    applies: Callable[[Layout], bool] = lambda layout: True


STATISTICS: tuple[Statistic, ...] = (
    Statistic("session", "mean", lambda y, _: y.mean(axis=1)),
    Statistic("session", "SD", lambda y, _: y.std(axis=1, ddof=1)),
    Statistic("session", "minimum", lambda y, _: y.min(axis=1)),
    Statistic("session", "maximum", lambda y, _: y.max(axis=1)),
    Statistic("session", "share at floor", lambda y, layout: (y <= layout.low).mean(axis=1)),
    Statistic("session", "share at ceiling", lambda y, layout: (y >= layout.high).mean(axis=1)),
    Statistic("session", "skewness", lambda y, _: _skew(y)),
    Statistic("client", "SD of client means", _sd_of_means("client"), lambda la: np.unique(la.client).size > 1),
    Statistic("client", "SD of within-client SDs", _sd_of_sds, lambda la: int((np.bincount(la.client) > 1).sum()) > 1),
    Statistic("client", "lag-1 autocorrelation", _autocorrelation, lambda la: la.pairs.shape[0] > 1),
    Statistic(
        "therapist", "SD of therapist means", _sd_of_means("therapist"), lambda la: np.unique(la.therapist).size > 1
    ),
)


def replication_target(design: Design) -> str:
    """Return whose sessions are replicated: ``same`` clients, or ``new_client`` where sessions form series."""
    return "new_client" if design.dynamic or design.residual == "ar1" else "same"


def replicate(model: Model, design: Design, posterior: xr.Dataset, rng: np.random.Generator) -> Floats:
    """Predict every observed session again.

    Parameters
    ----------
    model, design
        The fitted model.
    posterior
        Dims ``chain``, ``draw``; with the effects of clients and therapists.
    rng
        Random generator.

    Returns
    -------
    ndarray, shape (replications, rows with an observed outcome)
        Raw units.
    """
    rows = design.y.size
    wanted = int(np.clip(CELLS // max(rows, 1), *REPLICATIONS))
    thinned = spread_draws(posterior, wanted)
    run: Callable[..., Floats] = model.predict
    whose = {} if replication_target(design) == "same" else {"target": "new_client"}
    predicted = np.asarray(run(design, thinned, rng, **whose), dtype=np.float64).reshape(-1, rows)
    return predicted[:, np.isfinite(design.y)]


def spread_draws(posterior: xr.Dataset, wanted: int) -> xr.Dataset:
    """Return about so many draws, evenly spread over every chain."""
    chains, draws = posterior.sizes["chain"], posterior.sizes["draw"]
    per_chain = int(np.clip(-(-wanted // chains), 1, draws))
    chosen = np.unique(np.linspace(0, draws - 1, per_chain).round().astype(int))
    return posterior.isel(draw=chosen)


def check_statistics(design: Design, replicated: Floats) -> tuple[list[dict[str, object]], Mapping[str, Floats]]:
    """Set the replicated data's features beside those of the observed data.

    Parameters
    ----------
    design
        The fitted design.
    replicated, shape (replications, rows with an observed outcome)
        Raw units.

    Returns
    -------
    rows
        ``level, statistic, observed, mean, lower, upper, p`` per statistic, raw units; the
        interval holds 95 % of the replications.
    draws
        Replicated values by ``level: statistic``.
    """
    from ..models.scales import raw_outcome

    layout, observed_rows = layout_of(design)
    observed = raw_outcome(design.outcome, design.y[observed_rows])[None, :]
    rows: list[dict[str, object]] = []
    draws: dict[str, Floats] = {}
    for statistic in STATISTICS:
        borrowed = statistic.name == "lag-1 autocorrelation" and design.own_lag and not design.dynamic
        if borrowed or not statistic.applies(layout):
            continue
        seen = float(statistic.compute(observed, layout)[0])
        values = statistic.compute(replicated, layout)
        rows.append(compare(statistic.level, statistic.name, seen, values))
        draws[f"{statistic.level}: {statistic.name}"] = values
    return rows, draws


def compare(level: str, statistic: str, seen: float, values: Floats) -> dict[str, object]:
    """Return a row of the table of checks: a statistic of the observed data beside its replications."""
    lower, upper = (float(q) for q in np.quantile(values, [0.025, 0.975]))
    return {
        "level": level,
        "statistic": statistic,
        "observed": seen,
        "mean": float(values.mean()),
        "lower": lower,
        "upper": upper,
        "p": float(np.mean(values > seen) + 0.5 * np.mean(values == seen)),
    }
