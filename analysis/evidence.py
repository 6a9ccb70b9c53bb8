"""What the rows of the theory are answered from, and what an answer is.

An :class:`Evidence` is one model's draws; a :class:`Part` one quantity with its verdict; a :class:`Finding` one row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

    from .fitting import Task

COLUMNS = (
    "id", "column", "statement", "verdict", "probability", "estimand", "mean", "lower", "upper", "model",
    "missing_roles", "p_rope", "p_opposed", "smallest", "direction", "mcse", "prior_sensitivity",
    "likelihood_sensitivity",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Evidence:
    """One model's draws, and whether they may be trusted.

    Parameters
    ----------
    task
        Model and design.
    verdict
        Of its diagnostics.
    key
        What the draws are known by in the store.
    group
        Gives a group of draws by name (``estimands``, ``posterior``, ``sample_stats``, and
        ``client_log_likelihood`` with the log likelihoods ``total``), ``None`` where there is none of that name;
        itself ``None`` where no draw came out.
    """

    task: Task
    verdict: str
    key: str = ""
    group: Callable[[str], xr.Dataset | None] | None = None


def stored_evidence(task: Task, verdict: str, key: str, exported: Path, draws: Callable[[], Path | None]) -> Evidence:
    """Return the evidence of a stored fit, read when it is asked for.

    Parameters
    ----------
    task, verdict, key
        See :class:`Evidence`.
    exported
        The exported fit.
    draws
        Finds the store's own draws, which know the log likelihoods; finding them verifies every byte of them.
    """

    def group(name: str) -> xr.Dataset | None:
        import h5py
        import xarray as xr

        path = draws() if name == "client_log_likelihood" else exported
        if path is None or not path.is_file():
            return None
        with h5py.File(path) as file:
            if name not in file:
                return None
        with xr.open_dataset(path, group=name, engine="h5netcdf") as opened:
            return (opened[["total"]] if "total" in opened else opened).load()

    return Evidence(task, verdict, key, group)


@dataclass(frozen=True, slots=True)
class Part:
    """One quantity with its own verdict.

    Parameters
    ----------
    name
        Name of the part; empty where a row has one.
    supporting
        Whether the row's verdict does not rest on it.
    verdict
        A word, ``not testable: …`` or ``not trusted: …``.
    obstacle, detail
        What stands in the way (``needs``, ``model``, ``option``, ``estimand``, ``data``, ``fit``), else empty.
    missing
        Names of the slots that the study lacks.
    model, kind, estimand, scale
        What was asked.
    words, labels
        What the quantity is, with slots in braces, by language; and the study's label of each slot that it has.
    expected
        Expected sign; 0 where the statement names none.
    smallest, bounded
        Smallest effect of interest; whether the quantity cannot be negative.
    mean, lower, upper, sd
        Of the quantity as it stands, in its own direction.
    beyond, inside, against
        See :class:`~safezone.analysis.verdicts.Chances`.
    mcse
        Monte Carlo standard error of ``beyond``.
    mean_mcse
        Monte Carlo standard error of ``mean``.
    prior_sensitivity, likelihood_sensitivity
        Power-scaling; NaN where it could not be computed.
    """

    name: str
    supporting: bool
    verdict: str
    obstacle: str = ""
    detail: str = ""
    missing: tuple[str, ...] = ()
    model: str = ""
    kind: str = ""
    estimand: str = ""
    scale: str = ""
    words: Mapping[str, str] | None = None
    labels: Mapping[str, str] | None = None
    expected: int = 1
    smallest: float = math.nan
    bounded: bool = False
    mean: float = math.nan
    lower: float = math.nan
    upper: float = math.nan
    sd: float = math.nan
    beyond: float = math.nan
    inside: float = math.nan
    against: float = math.nan
    mcse: float = math.nan
    mean_mcse: float = math.nan
    prior_sensitivity: float = math.nan
    likelihood_sensitivity: float = math.nan

    @property
    def tested(self) -> bool:
        """Whether there are draws behind it."""
        return not math.isnan(self.beyond)


@dataclass(frozen=True, slots=True)
class Finding:
    """One row of the theory, answered.

    Parameters
    ----------
    id, column, statement
        As in the registry, the statement in the study's language.
    verdict, probability
        The word, and P(beyond the smallest effect of interest in the expected direction).
    estimand, mean, lower, upper, model
        Of the part that decides: the least probable one where all must hold, the average where they are averaged.
    missing_roles
        Roles that the study lacks.
    p_rope, p_opposed, smallest, direction, mcse, prior_sensitivity, likelihood_sensitivity
        As in :class:`Part`.
    sd, mean_mcse
        Posterior SD of the quantity, and Monte Carlo standard error of ``mean``.
    combine
        How the parts make the row.
    parts
        Every part, supporting ones included.
    """

    id: str
    column: str
    statement: str
    verdict: str
    probability: float
    estimand: str
    mean: float
    lower: float
    upper: float
    model: str
    missing_roles: tuple[str, ...]
    p_rope: float
    p_opposed: float
    smallest: float
    direction: int
    mcse: float
    prior_sensitivity: float
    likelihood_sensitivity: float
    sd: float
    mean_mcse: float
    combine: str
    parts: tuple[Part, ...]

    @property
    def word(self) -> str:
        """The verdict without its reason: ``supported``, …, ``not testable``, ``not trusted``."""
        return self.verdict.partition(":")[0]

    def row(self) -> dict[str, Any]:
        """Return the row of ``principles.csv``."""
        values = asdict(self)
        return {name: values[name] for name in COLUMNS} | {"missing_roles": "; ".join(self.missing_roles)}
