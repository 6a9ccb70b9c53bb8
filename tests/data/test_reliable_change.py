"""Reliable change: the index and the classes of Jacobson & Truax (1991)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from safezone.data.reliable_change import reliable_change, reliable_change_index


def test_the_index_is_that_of_the_paper() -> None:
    # Jacobson & Truax (1991, p. 14): pretest 32.5, posttest 47.5, SD 7.54, reliability .88: S_diff = 3.69, RC = 4.07
    # by their rounding (S_E = 2.61); 7.54 · sqrt(2 · .12) = 3.694 and 15/3.694 = 4.061 without.
    found = reliable_change_index(np.array([32.5]), np.array([47.5]), reliability=0.88, sd=7.54)
    assert found[0] == pytest.approx(4.07, abs=0.015)


def classes(before: list[float], after: list[float], **settings: object) -> list[object]:
    given = {"reliability": 0.88, "sd": 5.0, "cutoff": 10.0, **settings}
    return reliable_change(pd.Series(before), pd.Series(after), **given).tolist()  # type: ignore[arg-type]  # of the test


def test_classes_of_a_scale_on_which_less_is_better() -> None:
    # An unchanged person's scores differ by up to 1.96 · 5 · sqrt(0.24) = 4.80 points.
    before = [18.0, 18.0, 18.0, 18.0, 9.0, 12.0, 14.0]
    after = [9.0, 11.0, 13.3, 22.9, 3.0, 8.0, 9.19]
    expected = ["recovered", "improved", "unchanged", "deteriorated", "improved", "unchanged", "recovered"]
    assert classes(before, after) == expected


def test_a_scale_on_which_more_is_better_mirrors_it() -> None:
    before, after = [18.0, 18.0, 18.0, 9.0], [9.0, 13.5, 24.0, 3.0]
    mirrored = classes([-b for b in before], [-a for a in after], better="higher", cutoff=-10.0)
    assert mirrored == classes(before, after)


def test_without_a_cutoff_nobody_recovers_and_what_is_missing_stays_missing() -> None:
    found = reliable_change(pd.Series([18.0, np.nan]), pd.Series([5.0, 5.0]), reliability=0.88, sd=5.0)
    assert list(found.cat.categories) == ["deteriorated", "unchanged", "improved"]
    assert found.cat.ordered
    assert found.tolist()[0] == "improved"
    assert found.isna().tolist() == [False, True]


@pytest.mark.parametrize(("reliability", "sd"), [(1.0, 5.0), (0.0, 5.0), (0.8, 0.0), (float("nan"), 5.0)])
def test_impossible_settings_are_refused(reliability: float, sd: float) -> None:
    with pytest.raises(ValueError, match=r"reliability lies|deviation is positive"):
        reliable_change(pd.Series([1.0]), pd.Series([2.0]), reliability=reliability, sd=sd)
