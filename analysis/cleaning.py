"""Give disk space back: take out of the store what nothing has asked for in a while.

A fit that a study no longer needs is never wrong, only large: every change of data or model leaves the fits of before
in the store, ready for the day when the change is taken back.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..data.errors import Fault, InputError
from .store import store_beside

if TYPE_CHECKING:
    from ..data.study import Study

DAYS = 30
_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Cleaning:
    """What was taken out of a store, or would be.

    Parameters
    ----------
    folder
        The store.
    entries, size
        Number of entries, and their size in bytes.
    kept
        Number of entries that stay.
    """

    folder: Path
    entries: int
    size: int
    kept: int


def clean(study: Study, *, days: float = DAYS, out: Path | None = None, dry: bool = False) -> Cleaning:
    """Take out of a study's store what nothing has asked for in a number of days.

    Parameters
    ----------
    study
        The study.
    days
        0 takes out everything.
    out
        The results folder, where the store is when the study's own folder cannot be written.
    dry
        Only count.

    Returns
    -------
    Cleaning
        What is gone.

    Raises
    ------
    InputError
        For a negative number of days, and where the store cannot be written.
    """
    if not days >= 0:
        rule = "Days are counted back from now."
        raise InputError(Fault("error", "command line", None, "--days", rule, f"{days:g}", "Choose 0 or more."))
    store = store_beside(study.path, study.path.parent / "results" if out is None else out)
    gone = tuple(store.unused(time.time() - days * _SECONDS))
    total = len(tuple(store.unused(float("inf"))))
    if not dry:
        for shelf, key, _ in gone:
            store.discard(shelf, key)
    return Cleaning(store.root, len(gone), sum(size for _, _, size in gone), total - len(gone))
