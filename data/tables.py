"""The data report: every table about the data that a results folder holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .codebook import codebook
from .flow import flow_by_arm, participant_flow, sizes
from .missingness import attendance, missing_by_session, missing_by_variable, missing_patterns

NAMES = (
    "flow",
    "flow_by_arm",
    "sizes",
    "codebook",
    "missing_by_variable",
    "missing_patterns",
    "missing_by_session",
    "attendance",
)

if TYPE_CHECKING:
    import pandas as pd

    from .study import Study


def data_tables(study: Study) -> Mapping[str, pd.DataFrame]:
    """Return the tables of ``results/data/`` by file name without ``.csv`` (the checks' own table excepted).

    None of them holds a client's or therapist's identifier; small counts obey the disclosure threshold.

    Parameters
    ----------
    study
        The study.

    Examples
    --------
    >>> from safezone.data.examples import example_path
    >>> from safezone.data.study import read_study
    >>> from safezone.data.tables import data_tables
    >>> list(data_tables(read_study(example_path())))[:4]
    ['flow', 'flow_by_arm', 'sizes', 'codebook']
    """
    return {
        "flow": participant_flow(study),
        "flow_by_arm": flow_by_arm(study),
        "sizes": sizes(study),
        "codebook": codebook(study),
        "missing_by_variable": missing_by_variable(study),
        "missing_patterns": missing_patterns(study),
        "missing_by_session": missing_by_session(study),
        "attendance": attendance(study),
    }
