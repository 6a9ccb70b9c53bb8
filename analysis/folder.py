"""The results folder: only safezone's own files are ever replaced, whole or not at all.

``manifest.json`` lists every file that safezone wrote, with its SHA-256. A file of the same name that
is not on the list belongs to somebody else and stops the run before anything is written. Files
whose content is the same are left alone, so that their time stamps say when something changed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.errors import Fault, InputError
from ..data.export import write_atomically
from .estimates import dump_json
from .store import digest_file, sync_folder, unwritable

MANIFEST = "manifest.json"
THEORY = ("principles.csv", "principles.json")
PLAN = "plan.json"
SENSITIVITY = "sensitivity.csv"
MAKER = "safezone"
PENDING = "pending"  # announced before it is written; a killed run leaves such marks, and the next run resumes

PACKAGE = Path(__file__).absolute().parents[1]
BUNDLED = "safezone:"  # before the name of a source that came with the package

Content = bytes | Path  # bytes, or a file to copy


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return the manifest of a results folder, or ``None`` where there is none of safezone's making."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) and manifest.get("made_by") == MAKER else None


@dataclass(frozen=True, slots=True)
class ResultsFolder:
    """A folder that safezone may write.

    Parameters
    ----------
    path
        The folder; created on the first write.
    """

    path: Path

    def claim(self, names: Sequence[str]) -> None:
        """Check, before any work, that these files can be written here.

        Parameters
        ----------
        names
            Paths within the folder, with ``/``.

        Raises
        ------
        InputError
            When the folder cannot be written, holds files but no manifest, or holds somebody else's
            file under one of the names.
        """
        known = self._known()
        if self.path.exists() and not self.path.is_dir():
            raise self._foreign(self.path.name, "The results folder must be a folder.")
        if known is None and self.path.is_dir() and any(not p.name.startswith(".") for p in self.path.iterdir()):
            raise self._foreign(self.path.name, "The results folder holds files that safezone did not write.")
        for name in names:
            if (self.path / name).exists() and name != MANIFEST and name not in (known or {}):
                raise self._foreign(name, "A file of this name is there that safezone did not write.")
        probe = self.path / f".{uuid.uuid4().hex[:8]}.tmp"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as error:
            raise unwritable(self.path, error) from error

    def current(self, name: str) -> bool:
        """Whether a file is there exactly as the manifest says."""
        expected = (self._known() or {}).get(name)
        path = self.path / name
        return expected is not None and path.is_file() and digest_file(path) == expected

    def write(
        self,
        files: Mapping[str, Content],
        facts: Mapping[str, Any],
        *,
        kept: Sequence[str] = (),
        owned: Callable[[str], bool] = lambda name: True,
    ) -> tuple[str, ...]:
        """Bring the folder up to date.

        Parameters
        ----------
        files
            Content by path within the folder: bytes, or a file to copy.
        facts
            The manifest, without ``files``; keys that are there already and not here are kept (``report``).
        kept
            Files that are there and stay.
        owned
            Which of the listed files this writer answers for; those it no longer writes are removed where
            they are still as safezone wrote them.

        Returns
        -------
        tuple of str
            The files that changed, ``manifest.json`` aside.
        """
        self.claim([*files, *kept])
        old = read_manifest(self.path) or {}
        listed: dict[str, str] = dict(old.get("files", {}))
        changed = [name for name, content in files.items() if self._differs(name, content, listed)]
        gone = [name for name in listed if owned(name) and name not in files and name not in kept]
        if changed or gone:
            marks = {name: PENDING for name in changed if name not in listed}
            self._save({**old, "made_by": MAKER, "state": "writing", "files": {**listed, **marks}})
        for name in changed:
            listed[name] = self._write(name, files[name])
        for name in gone:
            path = self.path / name
            if path.is_file() and listed[name] in (PENDING, digest_file(path)):
                path.unlink()
            del listed[name]
        self._save({**old, **facts, "made_by": MAKER, "state": "complete", "files": dict(sorted(listed.items()))})
        return tuple(changed)

    def _differs(self, name: str, content: Content, listed: Mapping[str, str]) -> bool:
        path = self.path / name
        if not path.is_file() or name not in listed:
            return True
        wanted = hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else digest_file(content)
        return wanted != listed[name] or wanted != digest_file(path)

    def _write(self, name: str, content: Content) -> str:
        path = self.path / name
        if isinstance(content, bytes):
            write_atomically(path, content)
        else:
            _copy(content, path)
        return digest_file(path)

    def _save(self, manifest: Mapping[str, Any]) -> None:
        content = dump_json(manifest)
        path = self.path / MANIFEST
        if not path.is_file() or path.read_bytes() != content:
            write_atomically(path, content)

    def _known(self) -> Mapping[str, str] | None:
        manifest = read_manifest(self.path)
        return None if manifest is None else dict(manifest.get("files", {}))

    def _foreign(self, name: str, rule: str) -> InputError:
        remedy = (
            "Move it away, or choose another folder with --out. safezone never overwrites a file that it did not write."
        )
        return InputError(Fault("error", name, None, None, rule, None, remedy))


def _copy(source: Path, path: Path) -> None:
    """Copy beside the target, flush, and rename."""
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, temporary)
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def record_report(
    folder: Path, template: str, facts: Mapping[str, Any], files: Sequence[Path], sources: Mapping[str, str]
) -> None:
    """Enter a rendered report into the manifest.

    Parameters
    ----------
    folder
        The results folder.
    template
        Its name.
    facts
        What is to be said of it (formats, renderer).
    files
        Files written, within the folder.
    sources
        Digests of the template files it was made from, see :func:`source_digests`; with the results they
        decide whether it is stale.

    Raises
    ------
    InputError
        When the folder holds no manifest of safezone's making.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise InputError(
            Fault("error", MANIFEST, None, None, "There are no results here.", None, "Run `safezone run STUDY` first.")
        )
    reports = dict(manifest.get("reports", {}))
    reports[template] = {
        **facts,
        "inputs": results_digest(manifest),
        "sources": dict(sources),
        "files": [path.relative_to(folder).as_posix() for path in files],
    }
    listed = dict(manifest.get("files", {})) | {p.relative_to(folder).as_posix(): digest_file(p) for p in files}
    manifest |= {"reports": reports, "files": dict(sorted(listed.items()))}
    write_atomically(folder / MANIFEST, dump_json(manifest))


def source_digests(paths: Sequence[Path], study_folder: Path) -> dict[str, str]:
    """Return digests by names that say nothing of the machine or its user.

    A file of the study is named by its path within the study folder, a file of the package by
    ``safezone:`` and its path within the package, and any other by its name alone.
    """
    return {_source_name(path, study_folder): digest_file(path) for path in paths}


def source_moved(name: str, digest: str, study_folder: Path) -> bool:
    """Whether a source that a report was made from is gone or has another content."""
    own = name.removeprefix(BUNDLED)
    path = (study_folder if own == name else PACKAGE) / own
    return not path.is_file() or digest_file(path) != digest


def _source_name(path: Path, study_folder: Path) -> str:
    absolute = path.absolute()
    if absolute.is_relative_to(study_folder.absolute()):
        return absolute.relative_to(study_folder.absolute()).as_posix()
    if absolute.is_relative_to(PACKAGE):
        return BUNDLED + absolute.relative_to(PACKAGE).as_posix()
    return path.name


def results_digest(manifest: Mapping[str, Any]) -> str:
    """Return one hash over all results that a report can show (tables, cards and draws; not reports)."""
    files = manifest.get("files", {})
    shown = {name: digest for name, digest in files.items() if is_result(name) or name == SENSITIVITY}
    return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()


def is_result(name: str) -> bool:
    """Whether a file of the results folder is written by the pipeline (and not by a report)."""
    tables = {"estimates.csv", "estimates.json", "diagnostics.csv", *THEORY, PLAN}
    return name.startswith(("fits/", "data/")) or name in tables
