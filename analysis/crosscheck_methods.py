"""The estimators of statsmodels that a fit is set beside, on plain arrays.

Every function returns coefficients and standard errors and, in words, what went wrong; a method that
does not converge says so instead of warning.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Data:
    """What an estimator sees; rows without missing values.

    Parameters
    ----------
    y
        Outcome, internal scale, shape (rows,).
    X
        Columns with an intercept first, shape (rows, names).
    names
        Name of each column of X; the intercept is ``intercept``.
    Z
        Columns with effects that differ between clients, intercept first, shape (rows, effects).
    client
        Index per row, shape (rows,).
    therapist
        Index per row, or empty.
    """

    y: Floats
    X: Floats
    names: tuple[str, ...]
    Z: Floats
    client: Ints
    therapist: Ints


@dataclass(frozen=True)
class Estimated:
    """What an estimator says, on the internal scale.

    Parameters
    ----------
    method
        In words.
    coefficients
        (estimate, standard error) by column name.
    sds
        Standard deviations: ``residual``, ``client`` (one per effect) and ``therapist``.
    notes
        Sentences about convergence and simplifications.
    """

    method: str
    coefficients: dict[str, tuple[float, float]]
    sds: dict[str, tuple[float, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def _quietly[T](run: Callable[[], T]) -> tuple[T | None, tuple[str, ...]]:
    """Run, and turn warnings and numerical failures into sentences."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result: T | None = run()
        except (np.linalg.LinAlgError, ValueError, FloatingPointError) as error:
            return None, (f"It gave no estimate: {str(error).splitlines()[0]}.",)
    messages = [str(one.message) for one in caught]
    said = dict.fromkeys(_sentence(text) for text in messages if not any(part in text for part in _ABOUT_RETRIES))
    return result, tuple(said)


# Said once by the flag of convergence instead.
_ABOUT_RETRIES = ("Retrying", "optimization failed", "failed to converge", "different optimizer")


def _sentence(message: str) -> str:
    first = message.strip().splitlines()[0].rstrip(".")
    return f"statsmodels warns: “{first}”."


def mixed(data: Data) -> Estimated | None:
    """Linear mixed model by REML; clients within therapists where they nest."""
    from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec

    notes: list[str] = []
    nested = data.therapist.size > 0 and _nests(data.client, data.therapist)
    if data.therapist.size > 0 and not nested:
        notes.append("It leaves the therapist level out, because clients changed therapist.")
    if nested:
        spec = VCSpec(*_components(data))
        model = MixedLM(data.y, data.X, data.therapist, exog_re=np.ones((data.y.size, 1)), exog_vc=spec)
        if data.Z.shape[1] > 1:
            notes.append("It takes the clients' effects as uncorrelated.")
    else:
        model = MixedLM(data.y, data.X, data.client, exog_re=data.Z)
    fitted, said = _quietly(lambda: model.fit(reml=True, method=["lbfgs", "bfgs"]))
    notes.extend(said)
    method = "linear mixed model, REML (statsmodels MixedLM)"
    if fitted is None:
        return Estimated(method, {}, {}, tuple(notes))
    scale = float(fitted.scale)
    random = _diagonal(fitted.cov_re)
    sds: dict[str, tuple[float, ...]] = {"residual": (math.sqrt(scale),)}
    if nested:
        sds["therapist"] = random
        sds["client"] = tuple(math.sqrt(max(float(v), 0.0)) for v in fitted.vcomp)
    else:
        sds["client"] = random
    if not fitted.converged:
        notes.append("It did not converge: its numbers are a rough guide.")
    return Estimated(
        method, _coefficients(data.names, fitted.fe_params, fitted.bse_fe), sds, tuple(dict.fromkeys(notes))
    )


def _diagonal(covariance: Any) -> tuple[float, ...]:
    return tuple(math.sqrt(max(float(v), 0.0)) for v in np.diag(np.asarray(covariance)))


def _nests(client: Ints, therapist: Ints) -> bool:
    return bool(np.unique(np.column_stack([client, therapist]), axis=0).shape[0] == np.unique(client).size)


def _components(data: Data) -> tuple[list[str], list[list[list[str]]], list[list[Floats]]]:
    """Return the variance components of clients within each therapist: one per column of Z."""
    names: list[str] = []
    columns: list[list[list[str]]] = []
    matrices: list[list[Floats]] = []
    groups = np.unique(data.therapist)
    for effect in range(data.Z.shape[1]):
        names.append(f"client_{effect}")
        per_group_names, per_group = [], []
        for group in groups:
            rows = data.therapist == group
            clients, index = np.unique(data.client[rows], return_inverse=True)
            matrix = np.zeros((int(rows.sum()), clients.size))
            matrix[np.arange(matrix.shape[0]), index] = data.Z[rows, effect]
            per_group.append(matrix)
            per_group_names.append([str(client) for client in clients])
        columns.append(per_group_names)
        matrices.append(per_group)
    return names, columns, matrices


def gee(data: Data, family: str) -> Estimated | None:
    """Generalised estimating equations with exchangeable sessions of a client; population-averaged coefficients."""
    import statsmodels.api as sm

    families = {"bernoulli": sm.families.Binomial, "negative_binomial": sm.families.Poisson}
    model = sm.GEE(
        data.y,
        data.X,
        groups=data.client,
        family=families[family](),
        cov_struct=sm.cov_struct.Exchangeable(),
    )
    fitted, said = _quietly(model.fit)
    method = "generalised estimating equations, exchangeable (statsmodels GEE)"
    notes = (*said, "Its coefficients are population-averaged: smaller in size than effects for one client.")
    if fitted is None:
        return Estimated(method, {}, {}, notes)
    return Estimated(method, _coefficients(data.names, fitted.params, fitted.bse), {}, notes)


def ordered(data: Data, family: str) -> Estimated | None:
    """Cumulative logit regression without client effects."""
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    method = "cumulative logit regression (statsmodels OrderedModel)"
    notes: tuple[str, ...] = (
        "It knows no clients: its standard errors are too small and its effects population-averaged.",
    )
    if data.X.shape[1] < 2:
        return None
    model = OrderedModel(data.y.astype(int), data.X[:, 1:], distr="logit")
    fitted, said = _quietly(lambda: model.fit(method="bfgs", disp=False))
    if fitted is None:
        return Estimated(method, {}, {}, (*notes, *said))
    count = data.X.shape[1] - 1
    return Estimated(
        method, _coefficients(data.names[1:], fitted.params[:count], fitted.bse[:count]), {}, (*notes, *said)
    )


def beta(data: Data, family: str) -> Estimated | None:
    """Beta regression without client effects."""
    from statsmodels.othermod.betareg import BetaModel

    inside = (data.y > 0) & (data.y < 1)
    model = BetaModel(data.y[inside], data.X[inside])
    fitted, said = _quietly(lambda: model.fit(disp=False))
    method = "beta regression (statsmodels BetaModel)"
    notes = (*said, "It knows no clients, and leaves out ratings on the bounds.")
    if fitted is None:
        return Estimated(method, {}, {}, notes)
    count = data.X.shape[1]
    return Estimated(method, _coefficients(data.names, fitted.params[:count], fitted.bse[:count]), {}, notes)


def _coefficients(names: Sequence[str], values: Any, errors: Any) -> dict[str, tuple[float, float]]:
    pairs = zip(names, np.asarray(values, dtype=float), np.asarray(errors, dtype=float), strict=True)
    return {name: (float(value), float(error)) for name, value, error in pairs}


METHODS: dict[str, Callable[[Data], Estimated | None]] = {
    "gaussian": mixed,
    "student_t": mixed,
    "bernoulli": lambda data: gee(data, "bernoulli"),
    "negative_binomial": lambda data: gee(data, "negative_binomial"),
    "ordinal": lambda data: ordered(data, "ordinal"),
    "beta": lambda data: beta(data, "beta"),
}


def estimate(asked: tuple[str, Data]) -> Estimated | None:
    """Estimate by the method of a family of distributions: (family, data)."""
    family, data = asked
    return METHODS[family](data)
