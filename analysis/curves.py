"""What a model implies, for figures: courses over time, and within- and between-client lines.

Everything is computed from posterior draws for the population and for simulated *new* clients; no
line follows a real client. Dots are means over at least as many clients as the disclosure threshold.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..models.scales import raw_outcome
from .predictive import spread_draws

if TYPE_CHECKING:
    import xarray as xr

    from ..models.design import Column, Design

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DRAWS = 400  # posterior draws behind a band
NEW_CLIENTS = 30  # lines of simulated clients, and clients averaged over per draw
MOST_GROUPS = 6
LINE_POINTS = 25
BINS = 10


def pictures(
    design: Design, posterior: xr.Dataset, rng: np.random.Generator, threshold: int, references: Mapping[str, str]
) -> dict[str, Any]:
    """Return the card's ``curves`` and ``panel``.

    Parameters
    ----------
    design
        The fitted design.
    posterior
        Dims ``chain``, ``draw``.
    rng
        Random generator of the simulated clients.
    threshold
        Fewest clients behind a dot.
    references
        Reference category by variable, for the names of groups.
    """
    thinned = spread_draws(posterior, DRAWS)
    return {"curves": courses(design, thinned, rng, references), "panel": panels(design, thinned, threshold)}


def courses(
    design: Design, posterior: xr.Dataset, rng: np.random.Generator, references: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return the expected course per group with bands, and courses of simulated new clients; raw units.

    Only for models of a course without predictors; else empty.
    """
    grid = design.course
    if design.predictors or grid.columns.shape[1] == 0 or "intercept" not in posterior:
        return []
    parameters = _family_parameters(design, posterior)
    found = []
    for label, fixed in _groups(design, references):
        eta = _flat(posterior, "intercept")[:, None] + _flat(posterior, "fixed") @ fixed.T
        clients = _new_effects(posterior, "client", rng) @ grid.client_z.T  # (draws, clients, grid)
        if "sd_therapist" in posterior:
            clients = clients + _new_effects(posterior, "therapist", rng) @ grid.therapist_z.T
        each = _expected(design, eta[:, None, :] + clients, parameters)
        # With an identity link the mean over clients is known without simulating them.
        mean = _expected(design, eta, parameters) if design.family in ("gaussian", "student_t") else each.mean(axis=1)
        bands = np.quantile(mean, [0.025, 0.25, 0.75, 0.975], axis=0)
        shown = rng.choice(each.shape[0], size=min(NEW_CLIENTS, each.shape[0]), replace=False)
        found.append(
            {
                "group": label,
                "time": grid.times.tolist(),
                "mean": mean.mean(axis=0).tolist(),
                "lower": bands[0].tolist(),
                "upper": bands[3].tolist(),
                "lower50": bands[1].tolist(),
                "upper50": bands[2].tolist(),
                "spaghetti": [each[draw, 0].tolist() for draw in sorted(shown)],
            }
        )
    return found


def _groups(design: Design, references: Mapping[str, str]) -> list[tuple[str, Floats]]:
    """Return label and F over the grid for each group of the ``by`` variables; covariates at mean or reference."""
    choices = [_settings(design, variable, references) for variable in design.options.by]
    choices = [choice for choice in choices if choice]
    combinations: list[tuple[Setting, ...]] = list(itertools.product(*choices))
    if len(combinations) > MOST_GROUPS:
        combinations = [(choice,) for choice in choices[0][:MOST_GROUPS]]
    result = []
    for combination in combinations:
        values: dict[str, float] = {}
        for _, setting in combination:
            values.update(setting)
        label = ", ".join(name for name, _ in combination)
        result.append((label, _fixed_over_grid(design, values)))
    return result


type Setting = tuple[str, Mapping[str, float]]


def _settings(design: Design, variable: str, references: Mapping[str, str]) -> list[Setting]:
    """Values of a variable's columns: one setting per category, or one SD below and above the mean."""
    own = [c for c in design.fixed if c.part == "main" and c.factors[0].variable == variable]
    if not own:
        return []
    if own[0].factors[0].category is None:
        name = own[0].factors[0].name
        return [(f"{variable} −1 SD", {name: -1.0}), (f"{variable} +1 SD", {name: 1.0})]
    names = [column.factors[0].name for column in own]
    settings: list[Setting] = [(references.get(variable, f"{variable}: reference"), dict.fromkeys(names, 0.0))]
    for column in own:
        chosen = {name: float(name == column.factors[0].name) for name in names}
        settings.append((str(column.factors[0].category), chosen))
    return settings


def _fixed_over_grid(design: Design, values: Mapping[str, float]) -> Floats:
    times = {c.name: design.course.columns[:, i] for i, c in enumerate(_time_columns(design))}
    ones = np.ones(design.course.times.size)
    columns = []
    for column in design.fixed:
        value = ones
        for factor in column.factors:
            value = value * times.get(factor.name, ones * values.get(factor.name, 0.0))
        columns.append(value)
    return np.column_stack(columns) if columns else np.zeros((ones.size, 0))


def _time_columns(design: Design) -> Sequence[Column]:
    return [column for column in design.fixed if column.part == "time"]


def _new_effects(posterior: xr.Dataset, level: str, rng: np.random.Generator) -> Floats:
    """Effects of new clients or therapists: (draws, new clients, effects)."""
    sd = _flat(posterior, f"sd_{level}")
    noise = rng.standard_normal((sd.shape[0], NEW_CLIENTS, sd.shape[1]))
    if f"cor_{level}" in posterior:
        correlation = _flat(posterior, f"cor_{level}")
        factor = np.linalg.cholesky(correlation + 1e-10 * np.eye(sd.shape[1]))
        noise = np.einsum("sij,snj->sni", factor, noise)
    effects: Floats = noise * sd[:, None, :]
    return effects


def panels(design: Design, posterior: xr.Dataset, threshold: int) -> dict[str, Any] | None:
    """Lines and binned means of outcome on each predictor, within and between clients; raw units.

    Lines go through the sample means, so that a band shows the uncertainty of the slope; each is drawn
    over the middle of what was observed at its level. ``None`` without predictors, and for a surface of two.
    """
    if not design.predictors or design.surface is not None:
        return None
    parameters = _family_parameters(design, posterior)
    anchor = _anchor(design, parameters, posterior)
    found: dict[str, Any] = {}
    for index, predictor in enumerate(design.predictors):
        within, between, outcome_within, outcome_between = _parts(design, index)
        entry: dict[str, Any] = {}
        for side, values, name, centre in (
            ("within", within, "within", 0.0),
            ("between", between, "between_client", predictor.mean),
        ):
            if name not in posterior or values.size < 2:
                continue
            slope = _flat(posterior, name)[:, index]
            x = np.linspace(float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975)), LINE_POINTS)
            eta = anchor[:, None] + slope[:, None] * (x - x.mean() if side == "between" else x)[None, :]
            line = _expected(design, eta, parameters)
            lower, upper = np.quantile(line, [0.025, 0.975], axis=0)
            raw = x * predictor.sd + centre
            entry[side] = {
                "x": raw.tolist(),
                "mean": line.mean(axis=0).tolist(),
                "lower": lower.tolist(),
                "upper": upper.tolist(),
            }
        entry["bins_within"] = _binned(
            within * predictor.sd, outcome_within, _observed_clients(design, index), threshold
        )
        entry["bins_between"] = _binned(
            between * predictor.sd + predictor.mean, outcome_between, np.arange(between.size), threshold
        )
        found[predictor.name] = entry
    return found


def _anchor(design: Design, parameters: Mapping[str, Floats], posterior: xr.Dataset) -> Floats:
    """Linear predictor per draw at which the expected outcome is the sample's mean, by bisection."""
    draws = posterior.sizes["chain"] * posterior.sizes["draw"]
    target = float(raw_outcome(design.outcome, design.y[np.isfinite(design.y)]).mean())
    low, high = np.full(draws, -20.0), np.full(draws, 20.0)
    for _ in range(60):
        middle = (low + high) / 2
        below = _expected(design, middle[:, None], parameters)[:, 0] < target
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    middle = (low + high) / 2
    return np.asarray(middle, dtype=np.float64)


def _usable(design: Design, index: int) -> tuple[NDArray[np.bool_], Floats]:
    """Rows with predictor and outcome, and the predictor as it meets the outcome (lagged where the model lags it)."""
    x = design.x[:, index]
    if design.latent and design.options.lag == 1:
        lagged = np.full(x.size, np.nan)
        linked = design.previous >= 0
        lagged[linked] = x[design.previous[linked]]
        x = lagged
    return np.isfinite(x) & np.isfinite(design.y), x


def _observed_clients(design: Design, index: int) -> Ints:
    usable, _ = _usable(design, index)
    return design.client[usable]


def _parts(design: Design, index: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Observed within deviations and client means of predictor (internal) and outcome (raw)."""
    usable, x = _usable(design, index)
    client = design.client[usable]
    _, code = np.unique(client, return_inverse=True)
    count = np.bincount(code)
    y = raw_outcome(design.outcome, design.y[usable])
    y_mean = np.bincount(code, y) / count
    if design.options.centring == "observed":
        within = x[usable]
        first = np.unique(code, return_index=True)[1]
        between = design.x_client[usable, index][first]
    else:
        x_mean = np.bincount(code, x[usable]) / count
        within, between = x[usable] - x_mean[code], x_mean
    return within, between, y - y_mean[code] + y.mean(), y_mean


def _binned(x: Floats, y: Floats, client: Ints, threshold: int) -> list[dict[str, float]]:
    """Means of y in bins of x with about equal numbers of values; bins with too few clients are left out."""
    if x.size < 2:
        return []
    bins = int(np.clip(np.unique(client).size // max(threshold, 1), 1, BINS))
    edges = np.unique(np.quantile(x, np.linspace(0, 1, bins + 1)))
    if edges.size < 2:
        return []
    place = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, edges.size - 2)
    found = []
    for one in range(edges.size - 1):
        inside = place == one
        clients = int(np.unique(client[inside]).size)
        if clients >= threshold:
            found.append({"x": float(x[inside].mean()), "y": float(y[inside].mean()), "n": clients})
    return found


def _expected(design: Design, eta: Floats, parameters: Mapping[str, Floats]) -> Floats:
    """Return the expected outcome in raw units at a linear predictor, draws first."""
    from ..models.families import laws, offset

    eta = eta + offset(design.outcome)
    shape = (-1,) + (1,) * (eta.ndim - 1)
    shaped = {n: v if n in ("cutpoints", "ends") else v.reshape(shape) for n, v in parameters.items()}
    mean: Floats = raw_outcome(design.outcome, laws()[design.family].mean(eta, shaped))
    return mean


def _family_parameters(design: Design, posterior: xr.Dataset) -> dict[str, Floats]:
    from ..models.families import laws

    return {name: _flat(posterior, name) for name in laws()[design.family].parameters if name in posterior}


def _flat(posterior: xr.Dataset, name: str) -> Floats:
    """Draws of a variable, chains behind one another: (draws, its own dims); an absent one has no columns."""
    if name not in posterior:
        return np.zeros((posterior.sizes["chain"] * posterior.sizes["draw"], 0))
    values = posterior[name].transpose("chain", "draw", ...).values
    flat: Floats = values.reshape(-1, *values.shape[2:])
    return flat
