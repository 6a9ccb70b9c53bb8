"""The committed three worlds: verdicts as often as the power says, and hardly ever in a world where nothing is."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from scipy.stats import binom

_SPEC = importlib.util.spec_from_file_location("worlds", Path(__file__).with_name("worlds.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
worlds = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(worlds)

COUNTED = worlds.counted()
ROWS = sorted({name for name, _ in COUNTED})
# X2 holds in every world: without differences between clients there would be nothing to ask of the other rows.
ALWAYS_TRUE = {"X2"}
# Quantities that cannot be negative are null or monotone in the reversed world, never opposed.
BOUNDED = {"X2", "X5", "C3b"}
# Smallest tail probability of a count that is taken as chance; some 40 counts are looked at.
CHANCE = 0.001


def test_every_world_was_drawn_as_often_as_the_others():
    sizes = {world: len(worlds.read(world)) for world in worlds.WORLDS}
    assert min(sizes.values()) == max(sizes.values()) >= 50
    assert all(len(worlds.read(world, worlds.TIMES)) == 1 for world in worlds.WORLDS)


def test_the_committed_table_is_that_of_the_results():
    assert worlds.table() in (worlds.FOLDER / "README.md").read_text(encoding="utf-8")


def test_no_study_was_lost():
    assert not [row for world in worlds.WORLDS for row in worlds.read(world) if "error" in row]


@pytest.mark.parametrize("row", [row for row in ROWS if row not in ALWAYS_TRUE])
def test_where_nothing_is_a_row_is_supported_in_at_most_one_study_of_twenty(row):
    said = COUNTED[row, "null"]
    assert binom.sf(said.get("supported", 0) - 1, sum(said.values()), 0.05) > CHANCE


@pytest.mark.parametrize("row", ROWS)
def test_where_the_theory_is_true_a_row_is_supported_as_often_as_its_power_says(row):
    said = COUNTED[row, "true"]
    judged = sum(said.values()) - said.get("not trusted", 0)
    expected = min(max(worlds.row_power(row, "true"), 0.01), 0.99)
    supported = said.get("supported", 0)
    assert binom.cdf(supported, judged, expected) > CHANCE
    assert binom.sf(supported - 1, judged, expected) > CHANCE


@pytest.mark.parametrize("row", [row for row in ROWS if row not in BOUNDED])
def test_where_the_theory_is_reversed_a_row_is_opposed(row):
    said = COUNTED[row, "reversed"]
    judged = sum(said.values()) - said.get("not trusted", 0)
    assert said.get("opposed", 0) >= 0.5 * judged
    assert said.get("supported", 0) == 0
