"""The benchmark's model declared by hand, without a table in memory: for the path that reads Parquet in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from safezone.models.partition import Columns

if TYPE_CHECKING:
    from pathlib import Path

    from safezone.models.gaussian import GaussianSystem

COLUMNS = Columns("y", (None, "time", "arm", "baseline", "arm_time"), (None, "time"))

# Parameter → the default prior that safezone gives it.
PRIORS = {
    "intercept": "intercept", "time": "fixed", "arm": "fixed", "baseline": "fixed", "arm_time": "fixed",
    "sd_client_intercept": "sd_client", "sd_client_time": "sd_client_slope",
    "sd_therapist_intercept": "sd_therapist", "sd_therapist_time": "sd_therapist_slope",
    "sd_residual": "sd_residual",
}  # fmt: skip


def course_system(units: Path) -> GaussianSystem:
    """Return the growth model without rows.

    Parameters
    ----------
    units
        Parquet file with the therapist of every client, in the order of the clients' numbers.
    """
    import numpy as np
    import pyarrow.parquet as pq

    from safezone.models.gaussian import ONE, Correlation, Free, GaussianSystem, Group, Structure, poly
    from safezone.models.priors import defaults

    priors = {name: default.prior for name, default in defaults().items()}
    effects = ("intercept", "time")
    therapist_of = pq.read_table(units).column("therapist").to_numpy().astype(np.int64)
    rows = Group(
        "y", np.zeros(0), np.zeros((0, 5)), np.zeros((0, 2)), np.zeros(0, dtype=np.int64),
        tuple(poly(name) for name in ("intercept", "time", "arm", "baseline", "arm_time")),
        ({"intercept": ONE}, {"time": ONE}), "sd_residual",
    )  # fmt: skip
    client, therapist = (
        Structure(
            effects,
            tuple(f"sd_{unit}_{effect}" for effect in effects),
            (),
            (Correlation(f"cor_{unit}", effects, priors[f"cor_{unit}"].parameters[0]),),
        )
        for unit in ("client", "therapist")
    )
    parameters = tuple(Free(name, priors[prior], name.startswith("sd_")) for name, prior in PRIORS.items())
    return GaussianSystem(parameters, effects, (rows,), client, therapist, len(therapist_of), therapist_of)
