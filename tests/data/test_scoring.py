"""Scores follow the published keys; missing items follow the prorating rule."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from safezone.data.errors import InputError
from safezone.data.scoring import instruments, keyed_items, load_instrument, score_items


def form(*answers):
    """One questionnaire per row."""
    width = len(answers[0])
    return pd.DataFrame(list(answers), columns=[f"i{k + 1}" for k in range(width)], dtype=float)


def test_every_instrument_is_complete():
    assert set(instruments()) == {"core-10", "ecr-rs", "gad-7", "phq-9", "vas-0-10", "wai-sr"}
    for name in instruments():
        one = load_instrument(name)
        assert one.name == name
        assert one.citation.authors
        assert one.citation.year > 1900
        assert 1 <= one.min_answered <= one.item_count
        assert all(1 <= item <= one.item_count for item in one.reverse)
        used = [item for items in one.subscales.values() for item in items]
        assert not used or sorted(used) == list(range(1, one.item_count + 1))  # each item in one subscale
        assert list(one.cutoffs.values()) == sorted(one.cutoffs.values())


def test_published_keys():
    assert load_instrument("PHQ-9").score_range() == (0, 27)
    assert list(load_instrument("phq9").cutoffs.values()) == [5, 10, 15, 20]
    assert load_instrument("gad-7").score_range() == (0, 21)
    assert list(load_instrument("GAD7").cutoffs.values()) == [5, 10, 15]
    core = load_instrument("CORE-10")
    assert core.score_range() == (0, 40)
    assert core.reverse == (2, 3)
    assert core.cutoffs["general psychological distress"] == 11
    assert core.reliable_change == 6
    assert load_instrument("ecr-rs").subscales["avoidance"] == (1, 2, 3, 4, 5, 6)
    assert load_instrument("wai-sr").subscales["bond"] == (3, 5, 7, 9)


def test_phq_9_sums_and_prorates_up_to_two_missing_items():
    items = form([1, 1, 1, 1, 1, 1, 1, 1, 1], [3] * 9, [2, 2, 2, 2, 2, 2, 2, np.nan, np.nan], [2] * 6 + [np.nan] * 3)
    scores = score_items(items, load_instrument("phq-9"))
    assert scores.iloc[:3].tolist() == [9.0, 27.0, 18.0]
    assert np.isnan(scores.iloc[3])


def test_core_10_reverses_its_positive_items():
    worst = form([4, 0, 0, 4, 4, 4, 4, 4, 4, 4])
    assert score_items(worst, load_instrument("core-10")).tolist() == [40.0]
    one_gone = form([4, 0, 0, 4, 4, 4, 4, 4, 4, np.nan], [4, 0, 0, 4, 4, 4, 4, 4, np.nan, np.nan])
    scores = score_items(one_gone, load_instrument("core-10"))
    assert scores.iloc[0] == pytest.approx(40)
    assert np.isnan(scores.iloc[1])


def test_ecr_rs_subscales_from_all_items_or_their_own():
    instrument = load_instrument("ecr-rs")
    # most avoidant: disagrees with 1-4 (1), agrees with 5-6 (7); least anxious: 1
    items = form([1, 1, 1, 1, 7, 7, 1, 1, 1])
    assert score_items(items, instrument, subscale="avoidance").tolist() == [7.0]
    assert score_items(items, instrument, subscale="anxiety").tolist() == [1.0]
    assert score_items(items.iloc[:, :6], instrument, subscale="avoidance").tolist() == [7.0]
    with pytest.raises(InputError, match="no score over all items"):
        score_items(items, instrument)
    with pytest.raises(InputError, match="no such subscale"):
        score_items(items, instrument, subscale="avoidence")


def test_wai_sr_subscales_pick_their_items():
    items = form(list(range(1, 13)))
    instrument = load_instrument("wai-sr")
    assert score_items(items, instrument, subscale="goal").iloc[0] == pytest.approx((4 + 6 + 8 + 11) / 4)
    assert score_items(items, instrument, subscale="task").iloc[0] == pytest.approx((1 + 2 + 10 + 12) / 4)
    assert score_items(items, instrument, subscale="bond").iloc[0] == pytest.approx((3 + 5 + 7 + 9) / 4)
    assert score_items(items, instrument).iloc[0] == pytest.approx(6.5)


def test_own_scales_need_four_fifths_of_their_items_unless_told():
    items = form([1, 2, 3, 4, np.nan], [1, 2, 3, np.nan, np.nan], [np.nan] * 5)
    assert score_items(items).tolist()[0] == 2.5
    assert score_items(items).isna().tolist() == [False, True, True]
    assert score_items(items, prorate=0.6).isna().tolist() == [False, False, True]
    assert score_items(items, prorate=0.6, score="sum").tolist()[1] == 10.0


def test_four_of_five_items_are_four_fifths():
    # 0.8 · 5 = 4.000000000000001 in floating point would refuse what the rule allows
    for width in (5, 10, 15, 20):
        answers = [1.0] * round(0.8 * width) + [np.nan] * (width - round(0.8 * width))
        assert score_items(form(answers)).notna().all()


def test_reversing_by_name_replaces_the_key():
    items = form([1, 7], [2, 6])
    assert score_items(items, reverse=["i2"], range=(1, 7)).tolist() == [1.0, 2.0]
    keyed = keyed_items(items, reverse=["i2"], range=(1, 7))
    assert keyed["i2"].tolist() == [1.0, 2.0]
    assert items["i2"].tolist() == [7.0, 6.0]  # the input is left alone


def test_what_cannot_be_scored_is_refused_with_a_remedy():
    with pytest.raises(InputError, match=r"Did you mean 'phq-9'"):
        load_instrument("phq-8")
    with pytest.raises(InputError, match="known scale"):
        score_items(form([1, 2]), reverse=["i1"])
    with pytest.raises(InputError, match="not among the items"):
        score_items(form([1, 2]), reverse=["i3"], range=(1, 7))
    with pytest.raises(InputError, match="9 items in the order"):
        score_items(form([1, 2]), load_instrument("phq-9"))
    with pytest.raises(InputError, match="needs an instrument"):
        score_items(form([1, 2]), subscale="bond")
