"""What the priors expect of the data before any is seen: whole studies simulated from the priors alone.

Every parameter is drawn from its prior, new clients and therapists from their distribution, and ratings from the
likelihood, for the sessions that took place. Each simulated study is reduced to a handful of statistics, set beside
those of the observed study: priors are plausible where the observed values lie well inside, and where most simulated
ratings are ones that the instrument can give. Ratings of a gaussian outcome know no bounds, so the share outside of
the range also says how well a normal law suits the instrument.

References
----------
Gabry, Simpson, Vehtari, Betancourt and Gelman (2019), JRSS A 182(2), 389-402, section 3.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..models.path_design import ZERO, PathDesign
from .predictive import CELLS, REPLICATIONS, group_means

if TYPE_CHECKING:
    import xarray as xr

    from ..models.design import Design, Measure
    from ..models.priors import Prior

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Rows = list[dict[str, Any]]
Variables = dict[str, tuple[tuple[str, ...], Floats]]

LOW, HIGH = 0.05, 0.95
"""The ends of a study's ratings that are looked at: its 5 % and 95 % quantile."""
QUANTILES = {"lower": 0.025, "lower_half": 0.25, "median": 0.5, "upper_half": 0.75, "upper": 0.975}
"""Of the simulated studies: the middle, and the intervals that hold half and 95 % of them."""
_ORDERED = {"cutpoints": "cut", "ends": "end"}


@dataclass(frozen=True)
class Simulated:
    """One variable in every simulated study, and in the observed one.

    Parameters
    ----------
    measure
        The variable.
    level
        ``session``, or ``client`` for what is measured once per client.
    values, shape (studies, ratings)
        Simulated, raw units, where the observed study has a rating.
    observed, shape (ratings,)
        Raw units.
    client, shape (ratings,)
        Client of each rating.
    """

    measure: Measure
    level: str
    values: Floats
    observed: Floats
    client: Ints


def checks(
    design: Design | PathDesign, rng: np.random.Generator, threshold: int
) -> tuple[list[dict[str, Any]], Mapping[str, Floats]]:
    """Set studies that the priors simulate beside the observed one.

    Parameters
    ----------
    design
        What is fitted.
    rng
        Random generator.
    threshold
        Smallest number of clients whose statistics may leave the study.

    Returns
    -------
    rows
        ``response, label, level, family, low, high, studies, outside`` per variable (``outside``: mean share of
        simulated ratings beyond the range) with ``statistics``: ``statistic, observed`` and :data:`QUANTILES` of the
        simulated studies, raw units; ``observed`` is ``None`` for fewer clients than the threshold.
    draws
        Simulated values by ``response: statistic``, shape (studies,).
    """
    rows: Rows = []
    draws: dict[str, Floats] = {}
    for one in simulate(design, rng):
        known = one.values[np.isfinite(one.values).all(axis=1)]
        if len(known) < REPLICATIONS[0] // 2:
            continue
        shown = np.unique(one.client).size >= threshold
        found: Rows = []
        for name, values in _statistics(one, known).items():
            if np.ptp(values) == 0:  # a statistic that cannot vary says nothing
                continue
            seen = float(_statistics(one, one.observed[None])[name][0])
            ends = dict(zip(QUANTILES, (float(q) for q in np.quantile(values, list(QUANTILES.values()))), strict=True))
            found.append({"statistic": name, "observed": seen if shown else None, **ends})
            draws[f"{one.measure.name}: {name}"] = values
        measure = one.measure
        rows.append(
            {
                "response": measure.name, "label": measure.label, "level": one.level, "family": measure.family,
                "low": measure.low, "high": measure.high, "studies": len(known),
                "outside": float(((known < measure.low) | (known > measure.high)).mean()), "statistics": found,
            }
        )  # fmt: skip
    return rows, draws


def _statistics(one: Simulated, values: Floats) -> dict[str, Floats]:
    """Return the statistics of studies, each of shape (studies,); a binary rating has a mean and no quantiles."""
    found = {"mean": values.mean(axis=1)}
    if one.measure.family != "bernoulli":
        low, high = np.quantile(values, [LOW, HIGH], axis=1)
        found = {"low": low, **found, "high": high, "SD": values.std(axis=1, ddof=1)}
    if one.level == "session" and np.unique(one.client).size > 1:
        found["SD of client means"] = group_means(values, one.client).std(axis=1, ddof=1)
    return found


def simulate(design: Design | PathDesign, rng: np.random.Generator) -> Iterator[Simulated]:
    """Yield every variable that the model explains, simulated from the priors."""
    from ..models.path_predict import replicate
    from ..models.predict import predict
    from ..models.scales import raw_outcome

    cells = design.values.size if isinstance(design, PathDesign) else design.y.size
    studies = int(np.clip(CELLS // max(cells, 1), *REPLICATIONS))
    prior = prior_dataset(design, rng, studies)
    if not isinstance(design, PathDesign):
        rated = np.isfinite(design.y)
        values = predict(design, prior, rng, "new_therapist")[:, rated]
        yield Simulated(
            design.outcome, "session", values, raw_outcome(design.outcome, design.y[rated]), design.client[rated]
        )
        return
    sessions, ends = replicate(design, prior, rng, "new_therapist")
    for v, measure in enumerate(design.responses):
        rated = np.isfinite(design.values[:, v])
        observed = raw_outcome(measure, design.values[rated, v])
        yield Simulated(measure, "session", sessions[:, rated, v], observed, design.client[rated])
    for o, measure in enumerate(design.outcomes):
        known = np.isfinite(design.final[:, o])
        observed = raw_outcome(measure, design.final[known, o])
        yield Simulated(measure, "client", ends[:, known, o], observed, np.flatnonzero(known))


def prior_dataset(design: Design | PathDesign, rng: np.random.Generator, draws: int) -> xr.Dataset:
    """Draw every sampled parameter of a design from its prior, under the names and dims of the posterior.

    Parameters
    ----------
    design
        Of any model of the catalogue.
    rng
        Random generator.
    draws
        Number of draws.

    Returns
    -------
    Dataset
        Dims ``chain`` (1), ``draw`` and those of the posterior; without effects of single clients and therapists.
    """
    import xarray as xr

    made = _of_paths(design, rng, draws) if isinstance(design, PathDesign) else _of_rows(design, rng, draws)
    return xr.Dataset({name: (("chain", "draw", *dims), values[None]) for name, (dims, values) in made.items()})


def _of_rows(design: Design, rng: np.random.Generator, draws: int) -> Variables:
    from ..models.marginal_form import dims_of
    from ..models.parameters import prior_of, slots

    priors: dict[str, list[Prior]] = {}
    for slot in slots(design):
        priors.setdefault(slot.variable, []).append(prior_of(design, slot))
    made: Variables = {}
    for variable, declared in dims_of(design).items():
        own = priors[variable]
        dims = (_ORDERED[variable],) if variable in _ORDERED else declared
        shape = tuple(len(design.coords[dim]) for dim in dims)
        if own[0].kind == "lkj":
            made[variable] = dims, own[0].sample(rng, draws, shape[0])
            continue
        size = math.prod(shape)
        each = [prior for prior in own for _ in range(size // len(own))]
        if variable == "initial_loading":  # a series starts, by expectation, as far off as its own latent mean is
            each = [design.priors["initial_loading_own"] if i // shape[0] == i % shape[0] else own[0]
                    for i in range(size)]  # fmt: skip
        made[variable] = dims, _sampled(each, rng, draws, ordered=variable in _ORDERED).reshape(draws, *shape)
    if design.groups is not None:
        shape = len(design.groups.categories), len(design.coords["group_effect"])
        z = rng.standard_normal((draws, *shape))
        made["group_effects"] = ("group", "group_effect"), z * made["sd_group"][1][:, None]
    if design.holes.names:
        made["missing_covariate"] = ("hole_unit",), rng.standard_normal((draws, len(design.holes.names)))
    return made


def _of_paths(design: PathDesign, rng: np.random.Generator, draws: int) -> Variables:
    from ..models.path_parameters import dims_of, element_priors, elements

    priors = element_priors(design)
    every = dims_of(design)
    matrices = ("cor_client", "cor_therapist")
    names = {name: elements(design, name, dims) for name, dims in every.items() if name not in matrices}
    single: dict[str, Floats] = {ZERO: np.zeros(draws)}
    for variable, own in names.items():
        free = [name for name in own if name not in design.ties]
        if not free:
            continue
        if variable == "cor_course":  # single correlations
            values = np.column_stack([priors[name].sample(rng, draws, 2)[:, 1, 0] for name in free])
        else:
            values = _sampled([priors[name] for name in free], rng, draws, ordered=variable in _ORDERED)
        single |= dict(zip(free, values.T, strict=True))
    made: Variables = {}
    for variable, dims in every.items():
        shape = tuple(len(design.coords[dim]) for dim in dims)
        if variable in matrices:
            made[variable] = dims, priors[variable].sample(rng, draws, shape[0])
            continue
        columns = [single[design.ties.get(name, name)] for name in names[variable]]
        made[variable] = dims, np.column_stack(columns).reshape(draws, *shape)
    return made


def _sampled(priors: list[Prior], rng: np.random.Generator, draws: int, *, ordered: bool) -> Floats:
    """Return independent draws, (draws, priors); thresholds in rising order, which is what their constraint makes."""
    values = np.column_stack([prior.sample(rng, draws) for prior in priors])
    return np.sort(values, axis=1) if ordered else values
