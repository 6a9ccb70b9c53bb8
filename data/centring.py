"""Observed centring, and what it costs.

Latent centring treats a client's mean as a parameter; observed centring subtracts the average of
the few sessions there are. The functions here do the latter, and say how far it leads astray: the
audit that reports print beside the latent estimates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True, slots=True)
class ObservedParts:
    """A variable split by observed means; every array has shape (n,), NaN where the value is missing.

    Parameters
    ----------
    within
        Value minus the client's mean.
    client_mean
        Mean of the client's known values (also in rows where the value is missing).
    therapist_mean
        Mean of the therapist's known values, or ``None`` without therapists.
    between_client
        Client mean minus therapist mean (minus the grand mean without therapists).
    between_therapist
        Therapist mean minus grand mean, or ``None`` without therapists.
    grand_mean
        Mean of all known values.
    """

    within: np.ndarray
    client_mean: np.ndarray
    therapist_mean: np.ndarray | None
    between_client: np.ndarray
    between_therapist: np.ndarray | None
    grand_mean: float


def observed_means(values: np.ndarray, client: np.ndarray, therapist: np.ndarray | None = None) -> ObservedParts:
    """Return within- and between-client (and between-therapist) parts by observed means.

    Parameters
    ----------
    values
        Shape (n,), NaN where missing.
    client, therapist
        Shape (n,): identifiers or codes of each row. Rows without a therapist get NaN there.

    Returns
    -------
    ObservedParts
        x = grand mean + between therapist + between client + within. Means are over sessions.

    Examples
    --------
    >>> observed_means(np.array([1.0, 3.0, 6.0]), np.array(["a", "a", "b"])).within.tolist()
    [-1.0, 1.0, 0.0]
    """
    column = pd.Series(np.asarray(values, dtype=float))
    grand = float(column.mean()) if column.notna().any() else float("nan")
    client_mean = column.groupby(np.asarray(client), dropna=True).transform("mean").to_numpy()
    within = column.to_numpy() - client_mean
    if therapist is None:
        return ObservedParts(within, client_mean, None, client_mean - grand, None, grand)
    therapist_mean = column.groupby(np.asarray(therapist), dropna=True).transform("mean").to_numpy()
    return ObservedParts(
        within, client_mean, therapist_mean, client_mean - therapist_mean, therapist_mean - grand, grand
    )


@dataclass(frozen=True, slots=True)
class MeanReliability:
    """How reliable the observed means of clusters are.

    Parameters
    ----------
    icc1
        Share of variance between clusters, ICC(1).
    icc2
        Reliability of the mean of a cluster of average size, ICC(2).
    size
        Average cluster size n₀ that allows for unequal sizes.
    clusters
        Number of clusters with at least one value.
    """

    icc1: float
    icc2: float
    size: float
    clusters: int


def reliability_of_means(values: np.ndarray, cluster: np.ndarray) -> MeanReliability:
    r"""Return ICC(1) and ICC(2) from the one-way analysis of variance.

    .. math::
        ICC(1) = \frac{MS_B - MS_W}{MS_B + (n_0 - 1) MS_W}, \qquad
        ICC(2) = \frac{n_0 ICC(1)}{1 + (n_0 - 1) ICC(1)} = \frac{MS_B - MS_W}{MS_B}

    Parameters
    ----------
    values
        Shape (n,), NaN where missing.
    cluster
        Shape (n,): client or therapist of each row.

    Returns
    -------
    MeanReliability
        NaN where there are fewer than two clusters or no repeated values. Negative estimates stay
        negative: they say that clusters differ less than chance would have it.

    References
    ----------
    Shrout, P. E., & Fleiss, J. L. (1979). *Psychological Bulletin, 86*, 420–428. Snijders & Bosker
    (2012), equation 3.7 (n₀).
    """
    column = pd.Series(np.asarray(values, dtype=float))
    keep = column.notna().to_numpy() & ~pd.isna(pd.Series(np.asarray(cluster))).to_numpy()
    groups = column[keep].groupby(np.asarray(cluster)[keep])
    sizes = groups.size().to_numpy(dtype=float)
    total, count = sizes.sum(), len(sizes)
    if count < 2 or total <= count:
        return MeanReliability(float("nan"), float("nan"), float(total / count) if count else 0.0, count)
    means = groups.mean().to_numpy()
    grand = float(column[keep].mean())
    mean_square_between = float(np.sum(sizes * (means - grand) ** 2) / (count - 1))
    within = column[keep] - groups.transform("mean")
    mean_square_within = float(np.sum(within.to_numpy() ** 2) / (total - count))
    size = float((total - np.sum(sizes**2) / total) / (count - 1))
    if mean_square_between == 0:
        return MeanReliability(float("nan"), float("nan"), size, count)
    icc1 = (mean_square_between - mean_square_within) / (mean_square_between + (size - 1) * mean_square_within)
    icc2 = (mean_square_between - mean_square_within) / mean_square_between
    return MeanReliability(icc1, icc2, size, count)


def ludtke_bias(within: float, between: float, reliability: float) -> float:
    """Return the expected bias of a between effect that uses observed cluster means.

    The estimate tends to β_W + λ(β_B − β_W) with λ the reliability of the means, so that its bias
    is (β_W − β_B)(1 − λ): the contextual effect shrinks by λ.

    Parameters
    ----------
    within, between
        Effects in the same unit.
    reliability
        ICC(2) of the cluster means of the predictor, between 0 and 1.

    References
    ----------
    Lüdtke, O., Marsh, H. W., Robitzsch, A., et al. (2008). *Psychological Methods, 13*, 203–229, equation 7.

    Examples
    --------
    >>> round(ludtke_bias(within=0.2, between=0.6, reliability=0.8), 3)
    -0.08
    """
    return (within - between) * (1 - reliability)


def nickell_bias(inertia: float, sessions: float) -> float:
    """Return the expected bias of an autoregression on observed-mean centred series, −(1 + φ)/(T − 1).

    Parameters
    ----------
    inertia
        The autoregression φ.
    sessions
        Sessions per client, T; NaN below two.

    References
    ----------
    Nickell, S. (1981). *Econometrica, 49*, 1417–1426, equation 18 (large-n approximation).

    Examples
    --------
    >>> round(nickell_bias(0.3, 14), 3)
    -0.1
    """
    return -(1 + inertia) / (sessions - 1) if sessions >= 2 else float("nan")
