"""Checks of the data: keys, values, units and spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from .config import Level, StudyConfig
from .faults import Faults
from .keys import Keys
from .placement import Placed
from .readers import RawTable
from .resolve import Resolved


def check_keys(table: RawTable, keys: Keys, config: StudyConfig, found: Faults) -> None:
    """Check who and when."""


def check_values(one: Resolved, table: RawTable, config: StudyConfig, found: Faults) -> None:
    """Check the values of a variable."""


def check_units(
    raw: Mapping[Level, RawTable],
    keys: Keys,
    ids: Mapping[str, pd.Series | None],
    config: StudyConfig,
    found: Faults,
) -> None:
    """Check clients and therapists."""


def check_spread(placed: Sequence[Placed], raw: Mapping[Level, RawTable], found: Faults) -> None:
    """Check that what is to be modelled varies."""
