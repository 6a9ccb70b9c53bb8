"""Reliable and clinically significant change: classes from baseline and final score.

A change is *reliable* when it is larger than the error of measurement lets two scores of an unchanged person differ.
Who changed reliably and crossed the cut-off from the patients' side has *recovered* (Jacobson & Truax, 1991)::

    RC = (final − baseline) / (SD · sqrt(2 · (1 − reliability))) ,     reliable: |RC| > 1.96

The classes treat the error of measurement as if a score were either changed or not; the model ``final`` with
``reliable_change`` gives the probability of each class with its uncertainty.

References
----------
Jacobson, N. S., & Truax, P. (1991). Clinical significance: A statistical approach to defining meaningful change in
psychotherapy research. Journal of Consulting and Clinical Psychology, 59(1), 12–19. doi:10.1037/0022-006X.59.1.12
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from .truth import Array

CRITICAL = 1.96
CLASSES = ("deteriorated", "unchanged", "improved", "recovered")


def reliable_change_index(baseline: Array, final: Array, *, reliability: float, sd: float) -> Array:
    """Return (final − baseline) over the standard error of a difference of two scores of an unchanged person.

    Parameters
    ----------
    baseline, final
        Scores, any shape; NaN where missing.
    reliability
        Of the instrument, above 0 and below 1.
    sd
        Standard deviation of baseline scores, in points.
    """
    if not 0 < reliability < 1:
        raise ValueError(f"A reliability lies between 0 and 1, both excluded; got {reliability:g}.")
    if not sd > 0:
        raise ValueError(f"A standard deviation is positive; got {sd:g}.")
    found: Array = (np.asarray(final, dtype=float) - np.asarray(baseline, dtype=float)) / (
        sd * np.sqrt(2.0 * (1.0 - reliability))
    )
    return found


def reliable_change(
    baseline: pd.Series,
    final: pd.Series,
    *,
    reliability: float,
    cutoff: float | None = None,
    sd: float | None = None,
    better: Literal["higher", "lower"] = "lower",
) -> pd.Series:
    """Return each client's class of change.

    Parameters
    ----------
    baseline, final
        Scores by client, in the same order.
    reliability
        Of the instrument, above 0 and below 1: internal consistency or retest, from its manual.
    cutoff
        Score between patients and others. ``None`` leaves out the class *recovered*.
    sd
        SD of baseline scores in points; by default that of ``baseline``.
    better
        Whether higher or lower scores are better.

    Returns
    -------
    Series
        Ordered categorical from worst to best: deteriorated, unchanged, improved (reliably, without crossing the
        cut-off), recovered (reliably, and across it). Missing where a score is.

    Raises
    ------
    ValueError
        For a reliability outside (0, 1) or scores that do not vary.

    Examples
    --------
    >>> import pandas as pd
    >>> from safezone.data.reliable_change import reliable_change
    >>> before, after = pd.Series([18.0, 18.0, 18.0, 12.0, 11.0]), pd.Series([5.0, 11.0, 16.0, 20.0, None])
    >>> reliable_change(before, after, reliability=0.88, cutoff=10, sd=5).tolist()
    ['recovered', 'improved', 'unchanged', 'deteriorated', nan]
    """
    before, after = (np.asarray(scores, dtype=float) for scores in (baseline, final))
    spread = float(np.nanstd(before, ddof=1)) if sd is None else sd
    towards_health = 1.0 if better == "higher" else -1.0
    index = towards_health * reliable_change_index(before, after, reliability=reliability, sd=spread)
    code = np.where(index > CRITICAL, 2, np.where(index < -CRITICAL, 0, 1))
    classes = CLASSES if cutoff is not None else CLASSES[:3]
    if cutoff is not None:
        crossed = (towards_health * (after - cutoff) > 0) & (towards_health * (before - cutoff) <= 0)
        code = np.where((code == 2) & crossed, 3, code)
    code = np.where(np.isnan(index), -1, code)
    kinds = pd.CategoricalDtype(list(classes), ordered=True)
    return pd.Series([None if one < 0 else classes[one] for one in code.tolist()], index=final.index, dtype=kinds)
