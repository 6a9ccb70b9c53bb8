"""Numbers: digits that the Monte Carlo error supports, in the language, locked and compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from safezone.data.errors import InputError
from safezone.reports import digits
from safezone.reports.numbers import LOCK_VARIABLE, Numbers, compare_locks, number_mcse, read_lock
from safezone.reports.results import Results


@pytest.mark.parametrize(
    ("mcse", "sd", "value", "expected"),
    [
        (0.001, 0.05, 0.31, 2),
        (0.004, 0.15, 0.31, 2),  # 0.01 ≥ 2 × 0.004
        (0.006, 0.15, 0.31, 1),  # 0.01 < 2 × 0.006
        (0.02, 0.8, 4.2, 1),
        (0.2, 8.0, 42.0, 0),
        (0.0001, 0.004, 0.02, 3),  # a small mean keeps its third decimal
        (0.0001, 0.004, 0.62, 2),  # a large one does not
        (0.0, 0.0, 0.5, 2),
        (float("nan"), 1.0, 0.5, 0),
    ],
)
def test_last_digit_of_a_mean_is_at_least_two_mcse(mcse: float, sd: float, value: float, expected: int) -> None:
    assert digits.mean_decimals(mcse, sd, value) == expected


@pytest.mark.parametrize(
    ("mcse", "sd", "ess", "value", "expected"),
    [
        (0.037, 2.29, 3400, 5.88, 1),  # end known to 0.10: one unit of the last digit
        (0.037, 2.29, 700, 5.88, 0),  # end known to 0.23: more than two units
        (0.0012, 0.081, 4000, 0.63, 2),
        (0.07, 4.5, 4000, 5.4, 0),  # 0.1 < 2 × 0.07: the mean itself has no decimal
    ],
)
def test_ends_share_the_digits_of_their_mean(mcse: float, sd: float, ess: float, value: float, expected: int) -> None:
    assert digits.interval_decimals(mcse, sd, ess, 0.95, value) == expected


def test_a_rerun_rarely_changes_more_than_the_last_digit() -> None:
    # Two runs of 1,000 draws each: their printed means differ by more than one unit of the last digit in under
    # 5 % of repetitions, as the rule promises (difference of two means has SD √2 MCSE; one unit is ≥ 2 MCSE, and
    # rounding adds at most one).
    rng = np.random.default_rng(3)
    runs = rng.normal(0.3, 0.11, (400, 2, 1000))
    means, mcse = runs.mean(axis=2), runs.std(axis=2).mean() / np.sqrt(1000)
    decimals = digits.mean_decimals(mcse, 0.11, 0.3)
    printed = np.round(means, decimals)
    moved = np.abs(printed[:, 0] - printed[:, 1]) > 1.5 * 10.0**-decimals
    assert moved.mean() < 0.05


def test_quantile_mcse_agrees_with_simulation() -> None:
    # 2,000 repetitions give the SD of a quantile to 1/√4000 ≈ 1.6 %; the formula is asymptotic, so 8 % are allowed.
    rng = np.random.default_rng(4)
    ends = np.quantile(rng.normal(0, 2.0, (2000, 1500)), 0.025, axis=1)
    assert digits.quantile_mcse(2.0, 1500, 0.025) == pytest.approx(ends.std(ddof=1), rel=0.08)


@pytest.mark.parametrize(
    ("value", "decimals", "language", "expected"),
    [
        (-0.418, 2, "en", "−0.42"),
        (-0.418, 2, "de", "−0,42"),
        (-0.001, 2, "en", "0.00"),
        (1234.5, 0, "en", "1,234"),
        (1234.56, 1, "de", "1.234,6"),
        (float("nan"), 2, "en", "–"),
    ],
)
def test_numbers_are_written_in_the_language(value: float, decimals: int, language: str, expected: str) -> None:
    assert digits.write(value, decimals, language) == expected


@pytest.mark.parametrize(
    ("value", "language", "ess", "expected"),
    [
        (0.87, "en", 1000, ".87"),
        (0.87, "de", 1000, "0,87"),
        (1.0, "en", 1000, "> .99"),
        (1.0, "en", 8000, "> .999"),
        (0.0, "de", 1000, "< 0,01"),
    ],
)
def test_probabilities_claim_no_certainty(value: float, language: str, ess: float, expected: str) -> None:
    assert digits.write_probability(value, language, ess) == expected


def test_number_and_interval(english: Results) -> None:
    n = Numbers(english)
    assert n("course.time") == "−0.42"
    assert n.ci("course.time") == "95% CrI [−0.51, −0.34]"
    assert Numbers(english, "de").ci("course.time") == "95-%-KrI [−0,51; −0,34]"
    assert n("safety_shares.share.client", what="percent") == "41%"


def test_wrong_keys_say_what_is_right(english: Results) -> None:
    n = Numbers(english)
    with pytest.raises(InputError, match="safety_shares, course, depth"):
        n("cuorse.time")
    with pytest.raises(InputError, match="Choose one of: mean"):
        n("course.time", what="average")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="standardised scale"):
        n("depth.sd.residual", "standardised")


def test_mcse_of_each_quantity(english: Results) -> None:
    row = english.model("depth").estimate("safety.within")
    assert number_mcse(row, "mean") == pytest.approx(row["mcse"])
    assert number_mcse(row, "lower") > number_mcse(row, "mean")
    assert number_mcse(row, "pd") > 0  # a pd of 1 is not known exactly


def test_lock_merges_and_holds(english: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "numbers.lock.json"
    monkeypatch.setenv(LOCK_VARIABLE, str(path))
    first, second = Numbers(english), Numbers(english)
    first("course.time")
    second("depth.safety.within")
    first.save()
    second.save()
    before = path.read_bytes()
    second.save()
    assert path.read_bytes() == before  # merging twice is merging once
    lock = read_lock(path)
    assert set(lock) == {"course.time|raw|mean", "depth.safety.within|raw|mean"}
    assert lock["depth.safety.within|raw|mean"].verdict == "supported"
    assert lock["course.time|raw|mean"].direction == "-"
    assert compare_locks(lock, lock) == ()


def test_without_a_place_nothing_is_written(english: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LOCK_VARIABLE, raising=False)
    assert Numbers(english).save() is None


def test_moved_numbers_and_flipped_decisions_are_found(english: Results) -> None:
    n = Numbers(english)
    n("course.time")
    key, number = next(iter(n.used.items()))
    near = replace(number, value=number.value + 3 * number.mcse)
    far = replace(number, value=number.value + 10 * number.mcse)
    assert compare_locks({key: number}, {key: near}) == ()
    assert [moved.reason for moved in compare_locks({key: number}, {key: far})] == ["moved"]
    assert [m.reason for m in compare_locks({key: number}, {key: replace(number, verdict="undecided")})] == ["verdict"]
    assert [m.reason for m in compare_locks({key: number}, {key: replace(number, direction="0")})] == ["direction"]
    assert [m.reason for m in compare_locks({key: number}, {})] == ["gone"]


def test_a_damaged_lock_says_how_to_mend_it(tmp_path: Path) -> None:
    path = tmp_path / "numbers.lock.json"
    path.write_text("{")
    with pytest.raises(InputError, match="safezone report"):
        read_lock(path)
