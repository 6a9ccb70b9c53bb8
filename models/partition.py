"""Cross-products of data that do not fit into memory: read in batches, added up, never held.

The likelihood needs the rows only through sums (:class:`safezone.models.kernel.CrossProducts`). Rows
are added one by one in the order of the file, so that the sums are the same, bit for bit, whatever the
size of the batches, and the same as those of a table in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .compilation import add_group, lay_out
from .products import CrossProducts, empty_products

if TYPE_CHECKING:
    from .gaussian import Floats, GaussianSystem

BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a group's rows stand in the file.

    Parameters
    ----------
    y
        Column of the response; rows where it is missing are passed over.
    x, z
        Columns of X and Z in the order of the group's coefficients and loadings; ``None`` for a column of ones.
    """

    y: str
    x: tuple[str | None, ...]
    z: tuple[str | None, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Every column that is read."""
        return tuple(dict.fromkeys(name for name in (self.y, *self.x, *self.z) if name is not None))


def products_from_parquet(
    system: GaussianSystem,
    path: Path,
    client: str,
    columns: Mapping[str, Columns],
    *,
    per_client: bool = False,
    batch_rows: int = BATCH_ROWS,
) -> CrossProducts:
    """Add up the cross-products of a Parquet file, one batch at a time.

    Parameters
    ----------
    system
        The declaration; its groups need no rows (arrays of length 0).
    path
        The file.
    client
        Column with the client's number, 0 … clients − 1.
    columns
        Columns of every group by the group's name.
    per_client
        See :func:`safezone.models.compilation.compile_system`.
    batch_rows
        Rows held at a time.

    Returns
    -------
    CrossProducts
        For ``compile_system(system, products=…)``.

    Raises
    ------
    ValueError
        Where a row has a response but not all of its columns, or the file lacks a column.
    """
    import pyarrow.parquet as pq

    layout, position = lay_out(system)
    products = empty_products(layout, system.clients, per_client=per_client)
    wanted = list(dict.fromkeys([client, *(name for group in system.groups for name in columns[group.name].names)]))
    with pq.ParquetFile(path) as file:
        missing = [name for name in wanted if name not in file.schema_arrow.names]
        if missing:
            raise ValueError(
                f"{path.name} has no column {', '.join(missing)}; it has {', '.join(file.schema_arrow.names)}."
            )
        for batch in file.iter_batches(batch_size=batch_rows, columns=wanted):
            table = {name: batch.column(name).to_numpy(zero_copy_only=False) for name in wanted}
            for number, group in enumerate(system.groups):
                mine = columns[group.name]
                y = table[mine.y].astype(np.float64)
                rated = ~np.isnan(y)
                x, z = _matrix(table, mine.x, rated), _matrix(table, mine.z, rated)
                codes = table[client][rated].astype(np.int64)
                add_group(layout, products, position, number, codes, x, z, y[rated], group.name)
    return products


def _matrix(table: Mapping[str, np.ndarray], names: tuple[str | None, ...], rows: np.ndarray) -> Floats:
    ones = np.ones(int(rows.sum()))
    parts = [ones if name is None else table[name][rows].astype(np.float64) for name in names]
    return np.column_stack(parts) if parts else np.zeros((len(ones), 0))
