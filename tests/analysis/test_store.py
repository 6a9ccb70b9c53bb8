"""The store: whole entries or none, checked on reading, safe for two runs at once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from safezone.analysis.store import Store, key_of
from safezone.data.errors import InputError

PARTS = {"design": "abc", "seed": "1"}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / ".safezone")


def put(store, content=b"draws", parts=PARTS):
    return store.put("fits", parts, {"draws.nc": content, "fit.json": b"{}"})


def test_what_is_put_is_found(store):
    entry = put(store)
    found = store.find("fits", key_of(PARTS))
    assert found == entry
    assert found.read("draws.nc") == b"draws"
    assert found.components == PARTS
    assert store.find("fits", key_of({"design": "other"})) is None
    assert (store.root / ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "draws.nc").write_bytes(b"dra"),
        lambda folder: (folder / "draws.nc").write_bytes(b"drawz"),
        lambda folder: (folder / "draws.nc").unlink(),
        lambda folder: (folder / "entry.json").write_text("{"),
        lambda folder: (folder / "entry.json").write_text("[]"),
        lambda folder: (folder / "entry.json").write_text((folder / "entry.json").read_text().replace("abc", "abd")),
    ],
    ids=["truncated", "altered", "deleted", "half an index", "no index", "altered index"],
)
def test_a_damaged_entry_counts_as_absent_and_is_replaced(store, damage):
    entry = put(store)
    damage(entry.folder)
    assert store.find("fits", entry.key) is None
    assert store.damaged("fits", entry.key)
    put(store)
    assert store.find("fits", entry.key).read("draws.nc") == b"draws"


def test_the_first_of_two_writers_wins(store):
    put(store, b"first")
    entry = put(store, b"second")
    assert entry.read("draws.nc") == b"first"


def test_a_writer_that_fails_leaves_nothing_behind(store):
    def broken(path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match="No space left") as caught:
        store.put("fits", PARTS, {"draws.nc": broken})
    assert "--out" in str(caught.value)
    assert store.find("fits", key_of(PARTS)) is None
    assert list((store.root / "tmp").iterdir()) == []
    assert list((store.root / "fits").iterdir()) == []


def test_discarding_takes_an_entry_out(store):
    entry = put(store)
    store.discard("fits", entry.key)
    store.discard("fits", entry.key)
    assert store.find("fits", entry.key) is None
    assert put(store, b"new").read("draws.nc") == b"new"


def test_what_nothing_has_asked_for_is_unused(store):
    old, used = put(store), put(store, parts={"design": "other"})
    before = time.time() - 1000
    for entry in (old, used):
        os.utime(entry.folder, (before, before))
    assert store.find("fits", used.key) is not None  # asked for: now it is young
    assert [(shelf, key) for shelf, key, _ in store.unused(time.time() - 500)] == [("fits", old.key)]
    (size,) = [size for _, _, size in store.unused(time.time() - 500)]
    assert size == sum(file.stat().st_size for file in old.folder.iterdir()) > len(b"draws")
    assert list(store.unused(before - 1)) == []


def test_drafts_of_dead_processes_are_swept_and_living_ones_stay(store):
    put(store)
    dead = store.root / "tmp" / "0123.999999999.abc"
    living = store.root / "tmp" / f"0123.{os.getpid()}.abc"
    dead.mkdir()
    living.mkdir()
    store.sweep()
    assert not dead.exists()
    assert living.exists()


def test_what_a_model_was_made_of_is_remembered(store):
    assert store.recall("growth") is None
    store.remember("growth", PARTS)
    assert store.recall("growth") == PARTS
    store.remember("growth", {"design": "new"})
    assert store.recall("growth") == {"design": "new"}
    assert store.recall("variance") is None


HOLD = """
import sys, time
from pathlib import Path
from safezone.analysis.store import Store
with Store(Path(sys.argv[1])).lock("k" * 64):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_run_waits_for_the_lock_and_a_killed_holder_frees_it(store):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(store.root)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        told = []

        def waiting():
            told.append(True)
            holder.kill()

        begun = time.monotonic()
        with store.lock("k" * 64, waiting):
            pass
        assert told == [True]
        assert time.monotonic() - begun < 50  # freed by the kill, not by the holder's own release
    finally:
        holder.kill()
        holder.communicate()


RACE = """
import sys, time
from pathlib import Path
from safezone.analysis.store import Store
root, number, flag = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
print("ready", flush=True)
while not flag.exists():
    time.sleep(0.001)
Store(root).put("fits", {"design": "abc", "seed": "1"}, {"draws.nc": bytes([number]) * 200_000})
"""


def test_two_runs_at_once_leave_one_whole_entry(store, tmp_path):
    flag = tmp_path / "go"
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(store.root), str(number), str(flag)], stdout=subprocess.PIPE, text=True
        )
        for number in (1, 2)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    flag.touch()
    for racer in racers:
        racer.communicate(timeout=60)
        assert racer.returncode == 0
    content = store.find("fits", key_of(PARTS)).read("draws.nc")
    assert content in (bytes([1]) * 200_000, bytes([2]) * 200_000)


def test_a_read_only_folder_is_said_with_its_remedy(store, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)  # root may write anywhere, so the refusal is imitated
    with pytest.raises(InputError, match="Permission denied"):
        put(store)
