"""The content-addressed store beside the study: ``.safezone/``.

An entry is a folder named by the SHA-256 of everything its content depends on. It is written
under another name, flushed to disk and renamed in one step, so that a run killed at any moment
leaves either the whole entry or none. Every file's checksum is verified on reading: a damaged
entry counts as absent and is refitted, never trusted. Two runs at once cannot corrupt each other:
the first to rename wins, and a lock that the operating system releases with the process
keeps the second from doing the same work twice.

The store is safe to delete and never edited by hand.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from ..data.errors import Fault, InputError
from ..data.export import write_atomically

FOLDER = ".safezone"
Shelf = Literal["fits", "summaries", "findings"]
Writer = Callable[[Path], None]

_NOTE = "safezone keeps fitted models here so that nothing is fitted twice. Safe to delete; never edit by hand.\n"


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def key_of(components: Mapping[str, str]) -> str:
    """Return the content address: SHA-256 over named components.

    Examples
    --------
    >>> key_of({"design": "a", "seed": "1"}) == key_of({"seed": "1", "design": "a"})
    True
    """
    return hashlib.sha256(json.dumps(dict(components), sort_keys=True).encode()).hexdigest()


def store_beside(study_file: Path, results: Path) -> Store:
    """Return the store beside a study file; in the results folder where the study's own folder cannot be written."""
    beside = study_file.resolve().parent / FOLDER
    place = beside if beside.exists() else beside.parent
    return Store(beside if os.access(place, os.W_OK) else results / FOLDER)


def unwritable(path: Path, error: OSError) -> InputError:
    """Return the error to raise when a folder cannot be written."""
    return InputError(
        Fault(
            severity="error",
            file=path.name or str(path),
            row=None,
            column=None,
            rule="safezone must be able to write here.",
            value=error.strerror or type(error).__name__,
            remedy="Free some space or make the folder writable, or choose another folder with --out.",
        )
    )


def sync_folder(folder: Path) -> None:
    """Flush a folder's directory entries to disk where the platform can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@dataclass(frozen=True, slots=True)
class Entry:
    """A whole, verified entry of the store.

    Parameters
    ----------
    key
        Its content address.
    folder
        Where its files are.
    components
        What the key was made of, by name.
    checksums
        SHA-256 of every file by name.
    """

    key: str
    folder: Path
    components: Mapping[str, str]
    checksums: Mapping[str, str]

    def path(self, name: str) -> Path:
        """Return the path of one of its files."""
        return self.folder / name

    def read(self, name: str) -> bytes:
        """Return the content of one of its files."""
        return self.path(name).read_bytes()


@dataclass(frozen=True, slots=True)
class Store:
    """A store at a place on disk.

    Parameters
    ----------
    root
        The folder ``.safezone``; created on the first write.
    """

    root: Path

    def find(self, shelf: Shelf, key: str) -> Entry | None:
        """Return the entry, or ``None`` where it is absent or damaged.

        Every file is read and compared with its checksum. The folder's time says when it was last asked for.
        """
        folder = self._folder(shelf, key)
        try:
            index = json.loads((folder / "entry.json").read_text(encoding="utf-8"))
            entry = Entry(key, folder, dict(index["components"]), dict(index["checksums"]))
            whole = key_of(entry.components) == key == index["key"] and all(
                digest_file(folder / name) == checksum for name, checksum in entry.checksums.items()
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        if not whole:
            return None
        with contextlib.suppress(OSError):  # a store that cannot be written can still be read
            os.utime(folder)
        return entry

    def damaged(self, shelf: Shelf, key: str) -> bool:
        """Whether there is something under this key that cannot be trusted."""
        return self._folder(shelf, key).exists() and self.find(shelf, key) is None

    def discard(self, shelf: Shelf, key: str) -> None:
        """Take an entry out of the store, in one step."""
        gone = self.root / "tmp" / f"discarded.{uuid.uuid4().hex[:8]}"
        try:
            self._prepare(gone.parent)
            os.rename(self._folder(shelf, key), gone)
        except FileNotFoundError:
            return
        except OSError as error:
            raise unwritable(self.root, error) from error
        shutil.rmtree(gone, ignore_errors=True)

    def put(self, shelf: Shelf, components: Mapping[str, str], files: Mapping[str, bytes | Writer]) -> Entry:
        """Write an entry in one step.

        Parameters
        ----------
        shelf
            ``fits``, ``summaries`` or ``findings``.
        components
            What the content depends on; the key is their hash.
        files
            Content by file name: bytes, or a function that writes the path it is given.

        Returns
        -------
        Entry
            The entry now in the store; another run's, if that one was first and is whole.

        Raises
        ------
        InputError
            When the disk is full or the folder read-only; nothing is left behind.
        """
        key = key_of(components)
        final = self._folder(shelf, key)
        draft = self.root / "tmp" / f"{key[:16]}.{os.getpid()}.{uuid.uuid4().hex[:8]}"
        try:
            self._prepare(final.parent, draft)
            checksums = {name: _write(draft / name, content) for name, content in files.items()}
            index = {"key": key, "components": dict(components), "checksums": checksums}
            _write(draft / "entry.json", json.dumps(index, indent=1, sort_keys=True).encode())
            sync_folder(draft)
            self._publish(shelf, key, draft, final)
        except OSError as error:
            raise unwritable(self.root, error) from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return Entry(key, final, dict(components), checksums) if (found := self.find(shelf, key)) is None else found

    def _publish(self, shelf: Shelf, key: str, draft: Path, final: Path) -> None:
        """Rename the draft into place; a damaged predecessor is moved out of the way first."""
        for _ in range(5):
            try:
                os.rename(draft, final)
            except OSError:
                if not final.exists():
                    raise
                if self.find(shelf, key) is not None:
                    return  # another run was first, and its entry is whole
                with contextlib.suppress(FileNotFoundError):
                    os.rename(final, self.root / "tmp" / f"damaged.{uuid.uuid4().hex[:8]}")
            else:
                sync_folder(final.parent)
                return
        raise OSError("could not replace a damaged entry")

    def remember(self, model: str, components: Mapping[str, str]) -> None:
        """Record what a model's latest fit was made of, so that ``status`` can say what changed."""
        path = self._latest(model)
        try:
            self._prepare(path.parent)
        except OSError as error:
            raise unwritable(self.root, error) from error
        content = json.dumps({"model": model, "components": dict(components)}, indent=1, sort_keys=True).encode()
        if not path.exists() or path.read_bytes() != content:
            write_atomically(path, content)

    def recall(self, model: str) -> Mapping[str, str] | None:
        """Return the components of a model's latest fit, or ``None``."""
        try:
            record = json.loads(self._latest(model).read_text(encoding="utf-8"))
            return {str(name): str(value) for name, value in record["components"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    @contextlib.contextmanager
    def lock(self, key: str, waiting: Callable[[], None] | None = None) -> Iterator[None]:
        """Hold the right to fit one key.

        The operating system drops the lock with the process that holds it, so a killed run leaves
        no stale lock. Where the file system has no locks, both runs do the work and the
        first to rename its entry wins.

        Parameters
        ----------
        key
            Content address.
        waiting
            Called once when another run holds the lock.
        """
        path = self.root / "locks" / key[:32]
        try:
            self._prepare(path.parent)
            handle = path.open("a+b")
        except OSError as error:
            raise unwritable(self.root, error) from error
        with handle:
            _acquire(handle.fileno(), waiting)
            try:
                yield
            finally:
                _release(handle.fileno())

    def unused(self, since: float) -> Iterator[tuple[Shelf, str, int]]:
        """Yield entries that nothing has asked for since a time: shelf, key, size in bytes.

        Parameters
        ----------
        since
            Seconds since the epoch.
        """
        for shelf in get_args(Shelf):
            for folder in sorted((self.root / shelf).glob("*")):
                if folder.stat().st_mtime < since:
                    yield shelf, folder.name, sum(file.stat().st_size for file in folder.iterdir())

    def sweep(self) -> None:
        """Remove what killed runs left behind; drafts of living processes stay."""
        drafts = self.root / "tmp"
        if not drafts.exists():
            return
        for draft in drafts.iterdir():
            owner = draft.name.split(".")[1] if draft.name.count(".") == 2 else ""
            if not (owner.isdigit() and _alive(int(owner))):
                shutil.rmtree(draft, ignore_errors=True)

    def _folder(self, shelf: Shelf, key: str) -> Path:
        return self.root / shelf / key

    def _latest(self, model: str) -> Path:
        return self.root / "latest" / f"{hashlib.sha256(model.encode()).hexdigest()[:16]}.json"

    def _prepare(self, *folders: Path) -> None:
        if not self.root.exists():
            self.root.mkdir(parents=True, exist_ok=True)
            (self.root / ".gitignore").write_text("*\n", encoding="utf-8")
            (self.root / "README").write_text(_NOTE, encoding="utf-8")
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)


def _write(path: Path, content: bytes | Writer) -> str:
    """Write one file of a draft, flush it, and return its checksum."""
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        content(path)
    with path.open("rb+") as handle:
        os.fsync(handle.fileno())
    return digest_file(path)


def _acquire(handle: int, waiting: Callable[[], None] | None) -> None:
    try:
        import fcntl
    except ImportError:  # Windows: no lock, and the rename decides
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if waiting is not None:
            waiting()
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError:
        return  # a file system without locks: the rename decides


def _release(handle: int) -> None:
    with contextlib.suppress(ImportError, OSError):
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_UN)


def _alive(process: int) -> bool:
    if os.name == "nt":  # there, signal 0 is not a question
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
