"""What is written about a path model beside its estimates: its graph, checks, scores and other methods' answers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..models.path_algebra import edges
from ..models.path_design import PathDesign
from ..models.path_effects import size, words
from . import dyads
from .card import measure
from .comparison import FEWEST_DRAWS, absent, psis_loo
from .predictive import CELLS, REPLICATIONS, STATISTICS, Layout, compare, group_means, neighbours, spread_draws
from .two_step import two_step

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from ..models.model import Model

Floats = NDArray[np.float64]
Rows = list[dict[str, Any]]

DRAWS = 1000
_JOINT = "Density of all ratings of a session together."
_JOINT_CLIENT = "Density of all that is known of a client together."


def parts(
    model: Model,
    design: PathDesign,
    posterior: xr.Dataset,
    estimates: pd.DataFrame,
    exact: Floats | None,
    rng: np.random.Generator,
) -> tuple[dict[str, Any], Mapping[str, Floats]]:
    """Return the parts of a card that path models have of their own, and replicated statistics.

    Parameters
    ----------
    model, design
        The fitted model.
    posterior
        Dims ``chain``, ``draw``; with the effects of clients and therapists.
    estimates
        Columns of ``estimates.csv``.
    exact, shape (draws, clients)
        Log-likelihoods per client from the kernel, or ``None``.
    rng
        Random generator of the replications.
    """
    checks, statistics = predictive_checks(design, posterior, rng)
    card = {
        "responses": [measure(one) for one in design.responses],
        "outcomes": [measure(one) for one in design.outcomes],
        "covariates": [{"name": c.name, "label": c.label, "level": c.level, "role": c.role} for c in design.covariates],
        "graph": graph(design, estimates),
        "crosscheck": fixed_effects(design, estimates),
        "audit": two_step(design, estimates),
        "ppc": checks,
        "ppc_target": "new_client",
        "loo": [_session_score(model, design, posterior), _client_score(exact)],
        "curves": [],
        "panel": None,
    }
    return card, statistics


# --- the graph -------------------------------------------------------------------------------------


def graph(design: PathDesign, estimates: pd.DataFrame) -> dict[str, Rows]:
    """Return nodes and arrows of every level with their standardised estimates."""
    standardised = estimates[estimates["scale"] == "standardised"].set_index("estimand")
    nodes: dict[tuple[str, str], dict[str, Any]] = {}
    arrows: Rows = []
    for link in dyads.links(design) if design.kind == "dyad" else _links(design):
        for node, said in zip((link.source, link.target), link.labels, strict=True):
            about = {"name": node, "label": said, "role": _role(design, node), "level": link.level}
            nodes.setdefault((link.level, node), about)
        found = standardised.loc[link.estimand].to_dict()
        arrows.append(
            {
                "level": link.level, "source": link.source, "target": link.target,
                "text": f"{link.source}->{link.target}", "estimand": link.estimand,
                **{key: float(found[key]) for key in ("mean", "lower", "upper", "pd")},
            }
        )  # fmt: skip
    return {"nodes": list(nodes.values()), "arrows": arrows}


def _links(design: PathDesign) -> Iterator[dyads.Link]:
    """Yield every step of the graph, level by level."""
    for level in ("therapist", "client", "session"):
        for source, target in edges(design, level):  # three of its literals
            labels = words(design, source), words(design, target)
            yield dyads.Link(level, source, target, f"path.{level}.{source}->{target}", labels)


def _role(design: PathDesign, node: str) -> str:
    if design.covariate(node) is not None:
        return "covariate"
    if node in design.outcome_names:
        return "outcome"
    return "trend" if node.endswith(":time") else "response"


# --- predictive checks -----------------------------------------------------------------------------


def predictive_checks(
    design: PathDesign, posterior: xr.Dataset, rng: np.random.Generator
) -> tuple[Rows, Mapping[str, Floats]]:
    """Set replicated studies of new clients beside the observed one: each variable, and how variables go together."""
    from ..models.path_predict import replicate
    from ..models.scales import raw_outcome

    wanted = int(np.clip(CELLS // max(design.values.size, 1), *REPLICATIONS))
    sessions, ends = replicate(design, spread_draws(posterior, wanted), rng)
    observed = np.stack([raw_outcome(one, design.values[:, v]) for v, one in enumerate(design.responses)], axis=1)
    final = [raw_outcome(one, design.final[:, o]) for o, one in enumerate(design.outcomes)]
    rows: Rows = []
    draws: dict[str, Floats] = {}

    def add(response: str, level: str, statistic: str, seen: float, values: Floats) -> None:
        if math.isfinite(seen) and np.isfinite(values).all():
            rows.append({"response": response, **compare(level, statistic, seen, values)})
            draws[f"{response}: {level}: {statistic}"] = values

    for v, one in enumerate(design.responses):
        rated = ~np.isnan(observed[:, v])
        layout = _layout(design, v, rated)
        for statistic in STATISTICS:
            if statistic.applies(layout):
                values = statistic.compute(sessions[:, rated, v], layout)
                seen = statistic.compute(observed[None, rated, v], layout)
                add(one.name, statistic.level, statistic.name, float(seen[0]), values)
    for a, b in _pairs(design):
        both = ~np.isnan(observed[:, [a, b]]).any(axis=1)
        names = f"{design.names[a]}, {design.names[b]}"
        client = design.client[both]
        for level, correlation in (("session", _within), ("client", _between)):
            values = correlation(sessions[:, both, a], sessions[:, both, b], client)
            seen = correlation(observed[None, both, a], observed[None, both, b], client)
            add(names, level, "correlation", float(seen[0]), values)
    for o, outcome in enumerate(design.outcomes):
        known = ~np.isnan(final[o])
        add(outcome.name, "client", "mean", float(final[o][known].mean()), ends[:, known, o].mean(axis=1))
        add(outcome.name, "client", "SD", float(final[o][known].std(ddof=1)), ends[:, known, o].std(axis=1, ddof=1))
        for v, one in enumerate(design.responses):
            rated = ~np.isnan(observed[:, v]) & known[design.client]
            present = np.unique(design.client[rated])
            values = _correlation(group_means(sessions[:, rated, v], design.client[rated]), ends[:, present, o])
            seen = _correlation(group_means(observed[None, rated, v], design.client[rated]), final[o][None, present])
            add(f"{one.name}, {outcome.name}", "client", "correlation", float(seen[0]), values)
    return rows, draws


def _layout(design: PathDesign, v: int, rated: NDArray[np.bool_]) -> Layout:
    client = design.client[rated]
    pairs = neighbours(client, design.session_number[rated])
    therapist = design.therapist_of[client] if design.has_therapists else np.zeros(0, dtype=np.int64)
    return Layout(client, therapist, pairs, design.responses[v].low, design.responses[v].high)


def _pairs(design: PathDesign) -> Iterator[tuple[int, int]]:
    """Yield pairs of responses that some arrow joins."""
    arrows = (*design.session, *design.client_arrows, *design.therapist_arrows)
    joined = {frozenset((a.source, a.target)) for a in arrows if a.source != a.target}
    for i, first in enumerate(design.names):
        for j, second in enumerate(design.names[i + 1 :], start=i + 1):
            if frozenset((first, second)) in joined:
                yield i, j


def _correlation(a: Floats, b: Floats) -> Floats:
    """Correlate along the last axis, (replications,); NaN where nothing varies."""
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1)))


def _between(a: Floats, b: Floats, client: NDArray[np.int64]) -> Floats:
    return _correlation(group_means(a, client), group_means(b, client))


def _within(a: Floats, b: Floats, client: NDArray[np.int64]) -> Floats:
    place = np.unique(client, return_inverse=True)[1]
    return _correlation(a - group_means(a, client)[:, place], b - group_means(b, client)[:, place])


# --- scores ----------------------------------------------------------------------------------------


def _session_score(model: Model, design: PathDesign, posterior: xr.Dataset) -> Mapping[str, object]:
    wanted = min(DRAWS, CELLS // max(design.values.size, 1))
    if wanted < FEWEST_DRAWS or "client_effects" not in posterior:
        return absent("same", "Not computed: draws × sessions are beyond the memory budget.")
    values = np.asarray(model.log_likelihood(design, spread_draws(posterior, wanted)), dtype=np.float64)
    score = psis_loo(values, target="same")
    return {**score, "note": f"{_JOINT} {score['note']}".strip()}


def _client_score(exact: Floats | None) -> Mapping[str, object]:
    if exact is None:
        return absent("new_client", "Not computed: leaving out clients needs the marginalised kernel.")
    score = psis_loo(exact, target="new_client")
    return {**score, "note": f"{_JOINT_CLIENT} {score['note']}".strip()}


# --- the same questions put to statsmodels ---------------------------------------------------------


def fixed_effects(design: PathDesign, estimates: pd.DataFrame) -> Mapping[str, Any] | None:
    """Set session paths beside regressions on deviations from clients' observed means, with cluster-robust errors."""
    import statsmodels.api as sm

    rows: Rows = []
    for v, target in enumerate(design.names):
        arrows = [a for a in design.session if a.target == target and not a.lag]
        if not arrows or any(a.lag for a in design.session if a.target == target):
            continue
        sources = [design.names.index(a.source) for a in arrows]
        table = np.column_stack([design.values[:, [v, *sources]], design.T])
        complete = ~np.isnan(table).any(axis=1)
        client, kept = design.client[complete], table[complete]
        place = np.unique(client, return_inverse=True)[1]
        deviations = kept - group_means(kept.T, client).T[place]
        columns = deviations[:, 1:]
        if len(kept) - place.max() - 1 <= columns.shape[1] or np.linalg.matrix_rank(columns) < columns.shape[1]:
            continue
        fit = sm.OLS(deviations[:, 0], columns).fit(cov_type="cluster", cov_kwds={"groups": place})
        for j, arrow in enumerate(arrows):
            name, scale = f"path.session.{arrow.text}", size(design, arrow.source, target)
            rows.append(_beside(name, estimates, float(fit.params[j]) * scale, float(fit.bse[j]) * scale))
    if not rows:
        return None
    note = (
        "Each equation by itself on deviations from clients' observed means, complete sessions only, with "
        "cluster-robust standard errors; time is common to all clients. Lagged equations are left out: observed means "
        "bias them."
    )
    return {"method": "statsmodels OLS on deviations within clients", "rows": rows, "note": note}


def _beside(name: str, estimates: pd.DataFrame, other: float, error: float) -> dict[str, Any]:
    own = estimates[(estimates["estimand"] == name) & (estimates["scale"] == "raw")].iloc[0]
    bayes = {"bayes_mean": float(own["mean"]), "bayes_sd": float(own["sd"])}
    return {"estimand": name, **bayes, "other": other, "other_se": error}
