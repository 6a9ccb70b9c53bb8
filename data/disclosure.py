"""Small counts: what a table may show of groups that are too small to hide a person."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .truth import Array


def suppress(counts: Sequence[float], threshold: int) -> Array:
    """Return counts of one table whose total is known, small ones as NaN, and no single NaN.

    A cell between 1 and ``threshold − 1`` is suppressed. If that leaves exactly one suppressed cell, it could be
    had by subtraction from the total: the smallest of the others is suppressed as well (complementary
    suppression). Zeros stay: an empty group hides nobody.

    Parameters
    ----------
    counts
        Clients per group.
    threshold
        Smallest number that may be shown.

    Examples
    --------
    >>> from safezone.data.disclosure import suppress
    >>> suppress([40, 12, 3], 10).tolist()
    [40.0, nan, nan]
    """
    found = np.asarray(counts, dtype=np.float64).copy()
    hidden = (found > 0) & (found < threshold)
    found[hidden] = np.nan
    others = np.flatnonzero(~np.isnan(found) & (found > 0))
    if hidden.sum() == 1 and len(others):
        found[others[np.argmin(found[others])]] = np.nan
    return found
