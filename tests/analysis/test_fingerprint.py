"""Fingerprints: the same content the same hash, anything the likelihood sees another one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from safezone.analysis.fingerprint import fingerprint
from safezone.data.config import ModelSection


@dataclasses.dataclass(frozen=True)
class Record:
    y: object
    label: str = "words"
    notes: tuple[str, ...] = dataclasses.field(default=(), metadata={"fingerprint": False})


def test_equal_content_has_one_fingerprint():
    assert fingerprint({"b": [1, 2.0], "a": None}) == fingerprint({"a": None, "b": [1, 2.0]})
    assert fingerprint(Record(np.array([0.0, np.nan]))) == fingerprint(Record(np.array([-0.0, np.nan])))
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": pd.Categorical(["x", "y"])})
    assert fingerprint(frame) == fingerprint(frame.copy())
    assert fingerprint(frozenset("abc")) == fingerprint(frozenset("cba"))
    # As laid out in memory or not.
    matrix = np.arange(6.0).reshape(2, 3)
    assert fingerprint(matrix.T) == fingerprint(np.ascontiguousarray(matrix.T))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (1, True),
        ("1", 1),
        ([1, [2]], [1, 2]),
        ("ab", ["a", "b"]),
        (np.array([1.0]), np.array([1])),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (np.array([1.0]), np.array([np.nan])),
        (Record(1), Record(2)),
        (pd.DataFrame({"a": [1.0]}), pd.DataFrame({"b": [1.0]})),
        (ModelSection(lag=0), ModelSection(lag=1)),
    ],
)
def test_different_content_has_different_fingerprints(one, other):
    assert fingerprint(one) != fingerprint(other)


def test_words_can_be_left_out():
    words = frozenset({"label"})
    assert fingerprint(Record(1, "a"), words) == fingerprint(Record(1, "b"), words)
    assert fingerprint([Record(1, "a")], words) == fingerprint([Record(1, "b")], words)
    assert fingerprint(Record(1, "a")) != fingerprint(Record(1, "b"))
    assert fingerprint(Record(1, notes=("x",))) == fingerprint(Record(1))
    priors = frozenset({"priors"})
    assert fingerprint(ModelSection(), priors) == fingerprint(ModelSection(priors={"time": "normal(0, 1)"}), priors)


def test_what_has_no_content_is_refused():
    with pytest.raises(TypeError, match="object"):
        fingerprint(object())
