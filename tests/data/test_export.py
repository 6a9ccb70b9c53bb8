"""Tables leave whole, and never as formulas."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pandas as pd
import pytest

from safezone.data.errors import InputError
from safezone.data.export import safe_text, write_atomically, write_csv


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", " =1"])
def test_formulas_are_disarmed(text: str) -> None:
    assert safe_text(text) == "'" + text


@pytest.mark.parametrize("value", ["-3.5", "+7", "1e-3", "safe", "", 3, -3.5, None, "a=b"])
def test_numbers_and_plain_text_stay(value: object) -> None:
    assert safe_text(value) == value


def test_a_table_with_formulas_in_every_place(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "@label": ["=cmd", "fine"],
            "value": [-1.5, 2.0],
            "group": pd.Categorical(["+x", "y"]),
            "rest": pd.Series(["-5", None], dtype=object),
        }
    )
    path = write_csv(frame, tmp_path / "deep" / "table.csv")
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    assert rows == [["'@label", "value", "group", "rest"], ["'=cmd", "-1.5", "'+x", "-5"], ["fine", "2.0", "y", ""]]
    assert frame["@label"].tolist() == ["=cmd", "fine"]  # the table itself is untouched


def test_the_index_is_guarded_too(tmp_path: Path) -> None:
    frame = pd.DataFrame({"n": [1]}, index=pd.Index(["=x"], name="id"))
    assert write_csv(frame, tmp_path / "t.csv", index=True).read_text(encoding="utf-8") == "id,n\n'=x,1\n"


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.csv"
    path.write_text("old", encoding="utf-8")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device") as caught:
        write_atomically(path, b"new")
    assert caught.value.faults[0].file == "t.csv"
    assert path.read_text(encoding="utf-8") == "old"
    assert [other.name for other in tmp_path.iterdir()] == ["t.csv"]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be written"):
        write_csv(pd.DataFrame({"a": [1]}), tmp_path / "file" / "t.csv")


def test_permissions_are_those_of_ordinary_files(tmp_path: Path) -> None:
    ordinary = tmp_path / "ordinary"
    ordinary.write_text("x", encoding="utf-8")
    written = write_csv(pd.DataFrame({"a": [1]}), tmp_path / "t.csv")
    assert written.stat().st_mode == ordinary.stat().st_mode
