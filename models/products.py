"""Cross-products of the rows, per client and overall: all that the marginal likelihood needs of the data.

They are sums over rows, hence additive over any partition of the data (see
:mod:`safezone.models.partition`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .compiled import compiled

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Layout(NamedTuple):
    """Where each group's pieces lie in the flat arrays; G groups, C clients, T therapists.

    Parameters
    ----------
    q
        Dimension of η, in an array of length 1.
    p, k
        Columns of X_g and of Z_g, each (G,).
    beta
        Start of β_g in the flat coefficient vector, (G + 1,).
    active, active_start
        Indices of η on which Λ_g may load, flat, and where each group's list starts, (G + 1,).
    loading
        Start of Λ_g (len(active_g) × k_g, row-major) in the flat loadings, (G + 1,).
    block
        Start of the group's [Z'Z | Z'X | Z'y] in a client's record, (G + 1,).
    square
        Start of X'X (p_g × p_g) in the flat overall products, (G + 1,).
    unit
        Where each therapist's clients start, (T + 1,); without therapists each client is a unit.
    """

    q: Ints
    p: Ints
    k: Ints
    beta: Ints
    active: Ints
    active_start: Ints
    loading: Ints
    block: Ints
    square: Ints
    unit: Ints


class CrossProducts(NamedTuple):
    """All that the likelihood needs of the data; additive over any partition of the rows.

    Parameters
    ----------
    rows
        Rows per client and group, (C, G).
    blocks
        Per client the groups' [Z'Z | Z'X | Z'y], (C, Σ k_g (k_g + p_g + 1)).
    xx, xy, yy
        Overall X'X (flat, Σ p_g²), X'y (flat, Σ p_g) and y'y (G,).
    client_squares
        Per client and group [X'X | X'y | y'y], (C, Σ (p_g² + p_g + 1)): only for log-likelihoods per
        client; shape (0, 0) when not asked for.
    """

    rows: Ints
    blocks: Floats
    xx: Floats
    xy: Floats
    yy: Floats
    client_squares: Floats


def make_layout(q: int, p: list[int], k: list[int], active: list[list[int]], unit: Ints) -> Layout:
    """Lay out groups with ``p[g]`` coefficients, ``k[g]`` effect columns and loadings on ``active[g]``."""

    def starts(sizes: list[int]) -> Ints:
        return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    return Layout(
        q=np.array([q], dtype=np.int64),
        p=np.array(p, dtype=np.int64),
        k=np.array(k, dtype=np.int64),
        beta=starts(p),
        active=np.array([row for rows in active for row in rows], dtype=np.int64),
        active_start=starts([len(rows) for rows in active]),
        loading=starts([len(rows) * width for rows, width in zip(active, k, strict=True)]),
        block=starts([width * (width + columns + 1) for width, columns in zip(k, p, strict=True)]),
        square=starts([columns * columns for columns in p]),
        unit=np.ascontiguousarray(unit, dtype=np.int64),
    )


def empty_products(layout: Layout, clients: int, *, per_client: bool) -> CrossProducts:
    """Return cross-products of no rows, ready to be added to."""
    groups = len(layout.p)
    width = int(np.sum(layout.p * layout.p + layout.p + 1)) if per_client else 0
    return CrossProducts(
        rows=np.zeros((clients, groups), dtype=np.int64),
        blocks=np.zeros((clients, int(layout.block[-1]))),
        xx=np.zeros(int(layout.square[-1])),
        xy=np.zeros(int(layout.beta[-1])),
        yy=np.zeros(groups),
        client_squares=np.zeros((clients if per_client else 0, width)),
    )


@compiled
def add_rows(
    layout: Layout, products: CrossProducts, group: int, client: Ints, x: Floats, z: Floats, y: Floats
) -> None:
    """Add rows of one group to the cross-products, in the order given.

    Sums run row by row, so that any split of the same rows into batches gives the same bits.

    Parameters
    ----------
    layout, products
        The layout, and the products that are added to in place.
    group
        Number of the group.
    client
        Client of each row, (n,), numbered so that the clients of one therapist are neighbours.
    x, z, y
        The rows: (n, p_g), (n, k_g), (n,); finite.
    """
    p, k = layout.p[group], layout.k[group]
    start, square, linear = layout.block[group], layout.square[group], layout.beta[group]
    per_client = products.client_squares.shape[0] > 0
    own = 0
    for earlier in range(group):
        own += layout.p[earlier] * layout.p[earlier] + layout.p[earlier] + 1
    for i in range(y.shape[0]):
        c = client[i]
        products.rows[c, group] += 1
        record = products.blocks[c]
        for a in range(k):
            for b in range(k):
                record[start + a * k + b] += z[i, a] * z[i, b]
            for j in range(p):
                record[start + k * k + a * p + j] += z[i, a] * x[i, j]
            record[start + k * k + k * p + a] += z[i, a] * y[i]
        for j in range(p):
            for other in range(p):
                products.xx[square + j * p + other] += x[i, j] * x[i, other]
            products.xy[linear + j] += x[i, j] * y[i]
        products.yy[group] += y[i] * y[i]
        if per_client:
            mine = products.client_squares[c]
            for j in range(p):
                for other in range(p):
                    mine[own + j * p + other] += x[i, j] * x[i, other]
                mine[own + p * p + j] += x[i, j] * y[i]
            mine[own + p * p + p] += y[i] * y[i]
