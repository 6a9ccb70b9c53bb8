"""Reliability of scales and of means, at the level where they are used.

A scale can rank clients reliably and track a client's sessions badly, or the other way round. Item covariances
are therefore split into a within-client and a between-client matrix, and α and ω are computed from each
(Geldhof, Preacher & Zyphur, 2014). With k items, covariance matrix S, loadings λ and unique variances ψ of a
one-factor model::

    alpha = k/(k − 1) · (1 − tr S / 1'S1)            omega = (Σλ)² / ((Σλ)² + Σψ)

References
----------
Geldhof, G. J., Preacher, K. J., & Zyphur, M. J. (2014). Reliability estimation in a multilevel confirmatory
factor analysis framework. Psychological Methods, 19(1), 72–91. doi:10.1037/a0032138
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .truth import Array

MIN_CLIENTS = 10  # fewer groups do not give a between-client covariance matrix worth a coefficient
ROUNDS, CONVERGED = 5000, 1e-12  # of the one-factor model: rounds over the items, and the last change of a loading


@dataclass(frozen=True, slots=True)
class Decomposition:
    """Item covariances split by level.

    Parameters
    ----------
    within, between
        Covariance matrices (items, items), squared points. ``between`` is free of the sampling error of
        client means, and may fail to be positive definite in small samples.
    sessions, clients
        Complete rows used, and the clients they belong to.
    mean_sessions
        The size n₀ that removes sampling error from client means (unbalanced designs).
    """

    within: Array
    between: Array
    sessions: int
    clients: int
    mean_sessions: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """Reliability of one scale.

    Parameters
    ----------
    alpha_within, omega_within
        Of differences between a client's own sessions.
    alpha_between, omega_between
        Of differences between clients' means. NaN where the data cannot give them.
    alpha_total, omega_total
        Ignoring that sessions belong to clients; for comparison with older reports only.
    items, sessions, clients
        What they rest on.
    """

    alpha_within: float
    omega_within: float
    alpha_between: float
    omega_between: float
    alpha_total: float
    omega_total: float
    items: int
    sessions: int
    clients: int


def decompose(items: pd.DataFrame, client: pd.Series) -> Decomposition:
    """Split item covariances into a within-client and a between-client matrix.

    The estimators are those of multivariate analysis of variance: S_W pools deviations from client means with
    n − C degrees of freedom, and S_B = (M_B − S_W) / n₀ with M_B the mean square between clients.

    Parameters
    ----------
    items
        Rows (sessions) × items, reversed items turned round. Rows with a missing item are left out.
    client
        Client of each row.

    Returns
    -------
    Decomposition
    """
    complete = items.notna().all(axis=1).to_numpy() & client.notna().to_numpy()
    values = items.to_numpy(dtype=np.float64)[complete]
    codes, labels = pd.factorize(client.to_numpy()[complete])
    rows, width, groups = len(values), values.shape[1], len(labels)
    empty = np.full((width, width), np.nan)
    if rows == 0:
        return Decomposition(empty, empty.copy(), 0, 0, float("nan"))
    size = np.bincount(codes, minlength=groups).astype(np.float64)
    sums = np.zeros((groups, width))
    np.add.at(sums, codes, values)
    means = sums / size[:, None]
    inner = values - means[codes]
    outer = means - values.mean(axis=0)
    n0 = (rows - float((size**2).sum()) / rows) / (groups - 1) if groups > 1 else float("nan")
    within = inner.T @ inner / (rows - groups) if rows > groups else empty
    if groups < 2:
        between = empty.copy()
    else:
        square = (outer * size[:, None]).T @ outer / (groups - 1)
        between = (square - within) / n0 if rows > groups else square
    return Decomposition(within, between, rows, groups, n0)


def alpha(covariance: Array) -> float:
    """Return Cronbach's α of a covariance matrix (items, items); NaN where it is not defined.

    An estimated between-client matrix need not be positive definite; an α above 1 shows that, and is NaN.
    """
    width, total = len(covariance), float(covariance.sum())
    if width < 2 or not np.isfinite(total) or total <= 0:
        return float("nan")
    found = width / (width - 1) * (1 - float(np.trace(covariance)) / total)
    return found if found <= 1 + 1e-9 else float("nan")


def omega(covariance: Array) -> float:
    """Return McDonald's ω of a covariance matrix (items, items) by a one-factor model (minimum residuals).

    The loadings minimise the squared off-diagonal residuals of the covariance matrix scaled to unit diagonal;
    unique variances are what the loadings leave of the diagonal. NaN with fewer than three items, a variance
    that is not positive, or loadings of different signs (then the items are no scale).
    """
    width = len(covariance)
    variances = np.diag(covariance)
    if width < 3 or not np.isfinite(covariance).all() or (variances <= 0).any():
        return float("nan")
    spread = np.sqrt(variances)
    loadings = _one_factor(covariance / np.outer(spread, spread))
    if (loadings < 0).any():
        return float("nan")
    common = float((loadings * spread).sum()) ** 2
    unique = float(((1 - loadings**2) * variances).sum())
    return common / (common + unique)


def _one_factor(correlations: Array) -> Array:
    """Return one-factor loadings (items,) by minimum residuals; each lies in [−1, 1].

    Given the other loadings l, the residuals Σ_j (r_ij − l_i l_j)² are least at l_i = Σ_j r_ij l_j / Σ_j l_j²
    (Harman & Jones 1966), cut to [−1, 1] as the sum is a parabola in l_i. Going round the items only
    ever lowers it. (An optimiser would cost half a second of imports for the same numbers.)
    """
    values, vectors = np.linalg.eigh(correlations)
    start = vectors[:, -1] * np.sqrt(max(values[-1], 1e-6))
    found: Array = np.clip(start if start.sum() >= 0 else -start, -0.95, 0.95)
    others = correlations - np.diag(np.diag(correlations))
    for _ in range(ROUNDS):
        before = found.copy()
        for i in range(len(found)):
            square = float(found @ found - found[i] ** 2)
            if square > 0:
                found[i] = np.clip(others[i] @ found / square, -1.0, 1.0)
        if float(np.abs(found - before).max()) < CONVERGED:
            break
    return found if found.sum() >= 0 else -found


def reliability(items: pd.DataFrame, client: pd.Series) -> Reliability:
    """Return α and ω of a scale within clients, between clients, and overall.

    Parameters
    ----------
    items
        Rows × items, reversed items turned round (:func:`~safezone.data.scoring.keyed_items`).
    client
        Client of each row. One row per client (an attachment questionnaire, say) gives the between-client
        coefficients only, and these then include the error of the single occasion.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from safezone.data.reliability import reliability
    >>> rng = np.random.default_rng(1)
    >>> true = np.repeat(rng.normal(size=200), 5) + rng.normal(size=1000)
    >>> items = pd.DataFrame({f"i{k}": true + rng.normal(size=1000) for k in range(4)})
    >>> round(reliability(items, pd.Series(np.repeat(np.arange(200), 5))).alpha_within, 1)
    0.8
    """
    parts = decompose(items, client)
    rows = items[items.notna().all(axis=1) & client.notna().to_numpy()]
    total = np.cov(rows.to_numpy(dtype=np.float64), rowvar=False) if len(rows) > 1 else parts.within
    total = np.atleast_2d(total)
    enough = parts.clients >= MIN_CLIENTS
    nothing = np.full_like(parts.between, np.nan)
    between = parts.between if enough else nothing
    return Reliability(
        alpha_within=alpha(parts.within),
        omega_within=omega(parts.within),
        alpha_between=alpha(between),
        omega_between=omega(between),
        alpha_total=alpha(total),
        omega_total=omega(total),
        items=items.shape[1],
        sessions=parts.sessions,
        clients=parts.clients,
    )


def item_total(items: pd.DataFrame) -> pd.Series:
    """Return each item's correlation with the sum of the other items (corrected item–total correlation).

    Computed over complete rows, reversed items turned round; a negative value says that an item was not
    reversed, or does not belong. NaN for a constant item.
    """
    values = items.dropna().to_numpy(dtype=np.float64)
    found = {}
    for at, name in enumerate(items.columns):
        own, rest = values[:, at], np.delete(values, at, axis=1).sum(axis=1)
        usable = len(values) > 2 and own.std() > 0 and rest.std() > 0
        found[name] = float(np.corrcoef(own, rest)[0, 1]) if usable else float("nan")
    return pd.Series(found, dtype="float64")


def mean_reliability(variance_client: float, variance_session: float, sessions: float) -> float:
    """Return the reliability of a client's mean over k sessions.

    The share of the variance of observed means that is the clients' own:
    ``V_c / (V_c + V_s / k)`` (Spearman–Brown; the intraclass correlation at k = 1).

    Parameters
    ----------
    variance_client, variance_session
        Variance between clients (therapists included) and within clients, squared points.
    sessions
        Number of sessions k.
    """
    whole = variance_client + variance_session / sessions
    return variance_client / whole if whole > 0 else float("nan")
