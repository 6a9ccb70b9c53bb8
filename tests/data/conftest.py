"""A small study to spoil: two scales, three clients, two therapists, every row legal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from safezone.data.errors import Fault, InputError
from safezone.data.study import Study, read_study

SESSIONS = """\
id,session,safety,depth
a,1,4,5
a,2,5,6
a,3,6,5
b,1,3,4
b,2,2,3
c,1,7,6
c,2,6,7
"""
HEAD = """\
[data]
sessions = "sessions.csv"
"""
COLUMNS = """
[columns]
client = "id"
session = "session"
"""
VARIABLES = """
[variables.safety]
column = "safety"
role = "safety"
range = [1, 7]

[variables.depth]
column = "depth"
role = "exploration"
"""

StudyFolder = Callable[..., Path]


@pytest.fixture
def study_folder(tmp_path: Path) -> StudyFolder:
    """Return a function that writes a study folder; text replaces or adds to the legal study."""

    def write(
        sessions: str | bytes | None = SESSIONS,
        *,
        data: str = "",
        columns: str = "",
        variables: str = VARIABLES,
        extra: str = "",
        head: str = HEAD,
        files: dict[str, str] | None = None,
        name: str = "study",
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        if sessions is not None:
            content = sessions.encode("utf-8") if isinstance(sessions, str) else sessions
            (folder / "sessions.csv").write_bytes(content)
        for file, text in (files or {}).items():
            (folder / file).write_text(text, encoding="utf-8")
        text = f"{head}{data}\n{COLUMNS}{columns}\n{variables}\n{extra}"
        (folder / "study.toml").write_text(text, encoding="utf-8")
        return folder

    return write


@pytest.fixture
def faults_of() -> Callable[[Path], tuple[Fault, ...]]:
    """Return a function that reads a study which must be refused, and gives its faults."""

    def read(folder: Path) -> tuple[Fault, ...]:
        with pytest.raises(InputError) as caught:
            read_study(folder)
        assert caught.value.exit_code == 2
        assert all(fault.remedy and fault.rule and fault.file for fault in caught.value.faults)
        return caught.value.faults

    return read


@pytest.fixture
def read() -> Callable[[Path], Study]:
    """Return ``read_study``."""
    return read_study
