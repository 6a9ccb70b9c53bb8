r"""Products of two predictors' deviations within clients: columns of the outcome's equation.

.. math::

    p_{ic} = \tilde x_{ic} \tilde z_{ic} - \overline{\tilde x \tilde z}_{\cdot c}, \qquad
    \tilde x_{ic} = x_{ic} - \bar x_{\cdot c} - (t_{ic} - \bar t_{\cdot c})'\hat b_x

with means over the client's rows in the design and :math:`\hat b_x` the regression of :math:`x` on the design's columns
of time :math:`t` within clients, so that a deviation is one from what is usual for the client at that time. Only the
outcome's equation has :math:`p`: a predictor conditioned on a function of itself would not have its law.

Why observed deviations serve a model of latent ones: with independent normal sessions the true deviations are
:math:`\tilde x + e_x` and :math:`\tilde z + e_z`, the errors of the client's means the same in all its sessions
and independent of every :math:`\tilde x, \tilde z`. Their product is
:math:`\tilde x \tilde z + \tilde x e_z + e_x \tilde z + e_x e_z`. The two in the middle are slopes that differ
between clients with mean zero, the last is constant within clients, and none goes with :math:`p`. So the slope on
:math:`p` is that on the true product, whatever the number of sessions and the correlation of the two ratings. Clients
with two sessions do not tell (:math:`p = 0`).

Without normality an error of order 1/n is left where the two are both skewed and correlated: for a true 0.40 and
exponential deviations with a correlation of .5, least squares within clients gave 0.44 with 6 sessions and 0.41 with 15
(without correlation, 0.40 and 0.40; 300 studies of 200 clients). Autocorrelated deviations (.4) did not matter: 0.39
and 0.40.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..data.errors import Fault

if TYPE_CHECKING:
    from ..data.config import ModelSection
    from ..data.study import Study

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Products:
    """Products of two predictors' deviations within clients.

    Parameters
    ----------
    names
        ``alliance:safety``, in order.
    pairs
        Indices of the two predictors of each.
    columns
        Their values, internal scale, shape (rows, products).
    """

    names: tuple[str, ...]
    pairs: tuple[tuple[int, int], ...]
    columns: Floats


def interacting(options: ModelSection) -> tuple[tuple[str, str], ...]:
    """Return the pairs of predictors that the options name; :func:`interaction_faults` has checked them.

    Examples
    --------
    >>> from safezone.data.config import ModelSection
    >>> interacting(ModelSection(interactions=("alliance:safety",)))
    (('alliance', 'safety'),)
    """
    return tuple((a.strip(), b.strip()) for a, _, b in (text.partition(":") for text in options.interactions))


def interaction_faults(study: Study, name: str, options: ModelSection) -> Iterator[Fault]:
    """Yield what is wrong with a model's ``interactions``."""

    def fault(rule: str, value: str, remedy: str) -> Fault:
        return Fault("error", study.path.name, None, f"models.{name}.interactions", rule, value, remedy)

    predictors = options.predictors
    valid = f"Valid: pairs of {', '.join(predictors)}." if len(predictors) > 1 else "Name two or more predictors."
    seen: set[frozenset[str]] = set()
    for text in options.interactions:
        parts = tuple(part.strip() for part in text.split(":"))
        strange = [part for part in parts if part not in predictors]
        if len(parts) != 2 or not all(parts):
            yield fault(
                'An interaction is two predictors with a colon between them, as in "safety:alliance".', text, valid
            )
        elif strange:
            yield fault(
                f"Only predictors of the model interact; {' and '.join(strange)} is none.",
                text,
                f"{valid} Or add it to predictors; what a client brings along is a moderator.",
            )
        elif parts[0] == parts[1]:
            yield fault("An interaction is of two different predictors.", text, valid)
        elif frozenset(parts) in seen:
            yield fault("Each pair is named once, in one order.", text, "Remove one of the two.")
        seen.add(frozenset(parts))
    if options.interactions and options.lag == 1:
        yield fault(
            "Interactions are of ratings of the same session.", "lag = 1", "Set lag = 0, or remove interactions."
        )
    elif options.interactions and options.own_lag:
        rule = "Deviations from a client's means look ahead, and an outcome with its own previous value feeds back."
        yield fault(rule, "own_lag = true", "Set own_lag = false, or remove interactions.")


def products_of(options: ModelSection, x: Floats, client: Ints, course: Floats) -> Products | None:
    """Return the products that the options ask for, or ``None``.

    Parameters
    ----------
    options
        With ``predictors`` and ``interactions``.
    x
        Predictors, internal scale, shape (rows, K); the interacting ones have no gaps.
    client
        Client of each row, 0 … C − 1, shape (rows,).
    course
        The design's columns of time, shape (rows, T).
    """
    if not options.interactions:
        return None
    named = interacting(options)
    place = {predictor: k for k, predictor in enumerate(options.predictors)}
    pairs = tuple((place[a], place[b]) for a, b in named)
    return Products(tuple(f"{a}:{b}" for a, b in named), pairs, products(x, pairs, client, course))


def products(x: Floats, pairs: Sequence[tuple[int, int]], client: Ints, course: Floats) -> Floats:
    """Return p of the module's equation for every pair.

    Parameters
    ----------
    x
        Ratings, shape (rows, K, …): axes after the second are carried along (draws).
    pairs
        Indices into the second axis.
    client, course
        As in :func:`products_of`.

    Returns
    -------
    ndarray
        Shape (rows, pairs, …).

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[-1.0, 2.0], [0.0, -1.0], [1.0, -1.0]])  # one client, three sessions
    >>> products(x, [(0, 1)], np.zeros(3, dtype=int), np.zeros((3, 0)))[:, 0].tolist()
    [-1.0, 1.0, 0.0]
    """
    used = sorted({k for pair in pairs for k in pair})
    own = deviations(x[:, used], client, course)
    found = [own[:, used.index(a)] * own[:, used.index(b)] for a, b in pairs]
    return _centred(np.stack(found, axis=1), client)


def deviations(x: Floats, client: Ints, course: Floats) -> Floats:
    """Return x̃ of the module's equation: what is special to a session, shape as ``x``, (rows, …)."""
    within = _centred(x, client)
    if course.shape[1] == 0:
        return within
    times = _centred(course, client)
    slopes = np.tensordot(np.linalg.pinv(times), within, axes=1)
    return np.asarray(within - np.tensordot(times, slopes, axes=1))


def _centred(values: Floats, client: Ints) -> Floats:
    """Return values minus their client's mean, rows first."""
    order = np.argsort(client, kind="stable")
    first = np.flatnonzero(np.diff(client[order], prepend=-1))
    count = np.diff(np.append(first, len(client))).reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray(values - (np.add.reduceat(values[order], first, axis=0) / count)[client])
