"""What is compiled beforehand is what a fit calls."""

from __future__ import annotations

import os
import subprocess

import numpy as np
import pytest
from numba import typeof

from safezone.models import precompile
from safezone.models.compilation import compile_system
from safezone.models.compiled import is_compiled
from safezone.models.conditional import expand

from .test_gaussian import path_system


@pytest.mark.parametrize("therapists", [False, True])
def test_a_real_system_needs_no_other_types(therapists: bool) -> None:
    small, real = precompile.smallest(), compile_system(path_system(1, therapists=therapists))
    for part in ("map_", "layout", "products"):
        assert typeof(getattr(small, part)) == typeof(getattr(real, part)), part
    values = [expand(one.map_, one.layout, np.zeros((1, one.system.dimension))) for one in (small, real)]
    assert typeof(values[0]) == typeof(values[1])


def test_a_process_is_begun_only_for_what_is_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[object] = []

    class Process:
        def __init__(self, *arguments: object, **_: object) -> None:
            begun.append(arguments)

        def wait(self) -> None:
            begun.append("waited")

        def kill(self) -> None: ...

    monkeypatch.setattr(subprocess, "Popen", Process)
    precompile.main()
    assert is_compiled(expand)
    with precompile.compiling_beside():
        pass
    assert not begun
    monkeypatch.setattr(precompile, "is_compiled", lambda _: False)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    with precompile.compiling_beside():
        assert len(begun) == 1
    assert "waited" in begun
