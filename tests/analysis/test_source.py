"""Fingerprints of source: code counts, prose does not, and what was found before is never stale."""

from __future__ import annotations

import ast
import json
import sys

import pytest

from safezone.analysis import source as module
from safezone.analysis.source import KEPT, source_fingerprint


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Two modules of a package, one importing the other lazily; returns a function that hashes the first."""
    folder = tmp_path / "probe_room"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "low.py").write_text("SLOPE = 1\n")
    (folder / "apart.py").write_text("X = 1\n")
    (folder / "top.py").write_text(
        '"""Doc."""\ndef f():\n    """Doc."""\n    from .low import SLOPE\n    return SLOPE\n'
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "probe_room", raising=False)  # another test's folder

    def hashed() -> str:
        for cached in (module._reach, module._path, module._source, module._kept):
            cached.cache_clear()
        return source_fingerprint(["probe_room.top"], "probe_room")

    return folder, hashed


def test_comments_and_docstrings_do_not_count_and_code_does(package):
    folder, hashed = package
    first = hashed()
    top = folder / "top.py"
    top.write_text(
        '"""Another doc."""\n# a comment\ndef f():\n    """More."""\n    from .low import SLOPE\n\n    return SLOPE\n'
    )
    assert hashed() == first
    top.write_text(top.read_text().replace("return SLOPE", "return -SLOPE"))
    assert hashed() != first


def test_what_a_module_imports_counts_and_what_it_does_not_import_does_not(package):
    folder, hashed = package
    first = hashed()
    (folder / "apart.py").write_text("X = 2\n")
    assert hashed() == first
    (folder / "low.py").write_text("SLOPE = 2\n")
    assert hashed() != first


def test_tables_of_the_room_count(package):
    folder, hashed = package
    first = hashed()
    (folder / "priors.toml").write_text("a = 1\n")
    assert hashed() != first


def test_an_unchanged_file_is_not_read_again_and_a_changed_one_is(package, monkeypatch):
    folder, hashed = package
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    first = hashed()
    kept = json.loads((folder / "__pycache__" / KEPT).read_text())
    assert set(kept) == {"probe_room.top", "probe_room.low"}
    read = []
    parse = ast.parse

    def parsing(text: bytes) -> ast.Module:
        read.append(text)
        return parse(text)

    monkeypatch.setattr(ast, "parse", parsing)
    assert hashed() == first
    assert read == []
    (folder / "low.py").write_text("SLOPE = 3\n")
    assert hashed() != first
    assert read == [b"SLOPE = 3\n"]


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"probe_room.top": {}}', '{"probe_room.top": 1}'])
def test_a_damaged_memory_counts_as_none(package, monkeypatch, damage):
    folder, hashed = package
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    first = hashed()
    (folder / "__pycache__" / KEPT).write_text(damage)
    assert hashed() == first
    assert "probe_room.low" in json.loads((folder / "__pycache__" / KEPT).read_text())


def test_where_nothing_may_be_written_nothing_is(package, monkeypatch):
    folder, hashed = package
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert len(hashed()) == 64
    assert not (folder / "__pycache__" / KEPT).exists()
