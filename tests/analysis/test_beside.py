"""Work in another process gives the same result, and where there is none, it is done here."""

from __future__ import annotations

import math
import os
import signal
import subprocess

import pytest

from safezone.analysis import beside
from safezone.analysis.beside import begin

PROCESS = "__import__('os').getpid()"


def only_here(_: object) -> int:
    """Return the process that it runs in; no other finds this file."""
    return os.getpid()


def test_the_result_comes_from_another_process() -> None:
    assert begin(math.sqrt, 9.0)() == 3.0
    assert begin(eval, PROCESS)() != os.getpid()


def test_many_bytes_pass_either_way() -> None:
    assert begin(bytes.upper, b"a" * 3_000_000)() == b"A" * 3_000_000  # more than a pipe holds


def test_what_fails_there_is_done_here() -> None:
    assert begin(only_here, None)() == os.getpid()
    with pytest.raises(ValueError, match=r"nonnegative|math domain"):
        begin(math.sqrt, -1.0)()


def test_one_process_answers_all_questions_and_a_dead_one_none() -> None:
    first, second = begin(eval, PROCESS), begin(eval, PROCESS)
    assert first() == second() != os.getpid()
    os.kill(first(), signal.SIGKILL)
    assert begin(only_here, None)() == os.getpid()
    beside.partner.cache_clear()


def test_without_a_second_core_or_process_it_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    beside.partner.cache_clear()
    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert begin(only_here, None)() == os.getpid()
    monkeypatch.undo()
    beside.partner.cache_clear()
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert begin(only_here, None)() == os.getpid()
    beside.partner.cache_clear()
