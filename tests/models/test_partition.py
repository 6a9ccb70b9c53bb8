"""Cross-products read in batches are those of a table in memory, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from safezone.models.compilation import compile_system
from safezone.models.gaussian import ONE, Free, GaussianSystem, Group, Structure, poly
from safezone.models.partition import Columns, products_from_parquet


def table(rows: int = 500, clients: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"client": rng.integers(0, clients, rows), "time": rng.normal(size=rows)})
    frame["depth"] = np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows))
    frame["safety"] = rng.normal(size=rows)
    return frame


def system(frame: pd.DataFrame) -> GaussianSystem:
    rng = np.random.default_rng(5)
    rated = frame.dropna(subset=["depth"])
    ones = np.ones(len(rated))
    depth = Group(
        "depth", rated["depth"].to_numpy(), np.column_stack([ones, rated["time"], rated["safety"]]),
        np.column_stack([ones, rated["time"]]), rated["client"].to_numpy(), (poly("a"), poly("b"), poly("c")),
        ({"level": ONE}, {"slope": ONE}), "s",
    )  # fmt: skip
    ones = np.ones(len(frame))
    safety = Group(
        "safety", frame["safety"].to_numpy(), ones[:, None], ones[:, None], frame["client"].to_numpy(), (poly("a"),),
        ({"level": poly("c")},), "s",
    )  # fmt: skip
    free = tuple(Free(name) for name in ("a", "b", "c")) + tuple(Free(n, positive=True) for n in ("s", "u", "v", "w"))
    return GaussianSystem(
        free, ("level", "slope"), (depth, safety), Structure(("level", "slope"), ("u", "v")),
        Structure(("level",), ("w",)), 40, rng.integers(0, 5, 40),
    )  # fmt: skip


COLUMNS = {
    "depth": Columns("depth", (None, "time", "safety"), (None, "time")),
    "safety": Columns("safety", (None,), (None,)),
}


@pytest.mark.parametrize("batch_rows", [7, 100, 10_000])
def test_batches_give_the_bits_of_a_table_in_memory(tmp_path: Path, batch_rows: int) -> None:
    frame = table()
    frame.to_parquet(tmp_path / "sessions.parquet", row_group_size=64)
    whole = system(frame)
    empty = replace(
        whole,
        groups=tuple(replace(g, y=g.y[:0], x=g.x[:0], z=g.z[:0], client=g.client[:0]) for g in whole.groups),
    )
    expected = compile_system(whole)
    found = products_from_parquet(
        empty, tmp_path / "sessions.parquet", "client", COLUMNS, per_client=True, batch_rows=batch_rows
    )
    for one, other in zip(found, expected.products, strict=True):
        np.testing.assert_array_equal(one, other)
    theta = np.full(whole.dimension, 0.1)
    assert compile_system(empty, products=found).value(theta) == expected.value(theta)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    frame = table().drop(columns="time")
    frame.to_parquet(tmp_path / "sessions.parquet")
    with pytest.raises(ValueError, match="no column time"):
        products_from_parquet(system(table()), tmp_path / "sessions.parquet", "client", COLUMNS)
