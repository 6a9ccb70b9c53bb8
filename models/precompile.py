"""A machine's first fit compiles on two cores: what follows from draws, while the fit compiles the density.

Numba compiles one function at a time in a process, and keeps the result on disk for every process after.
So this module, run as a program (``python -m safezone.models.precompile``), compiles :mod:`.conditional` by using
it once on a system of one client.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np

from .compilation import Compiled, compile_system, lay_out
from .compiled import is_compiled
from .conditional import draw_effects, expand, unit_log_likelihood
from .gaussian import ONE, Free, GaussianSystem, Group, Structure
from .marginal_posterior import draw_unit_effects, log_likelihoods
from .priors import parse
from .products import empty_products


@contextmanager
def compiling_beside() -> Iterator[None]:
    """Compile :mod:`.conditional` in a process of its own, unless it is on disk; at the end, wait for it.

    Where no such process can run, the functions are compiled when they are called, as ever.
    """
    known = all(is_compiled(function) for function in (expand, draw_effects, unit_log_likelihood))
    if known or (os.cpu_count() or 1) < 2:
        yield
        return
    process: subprocess.Popen[bytes] | None = None
    with suppress(OSError):
        quiet = subprocess.DEVNULL
        process = subprocess.Popen([sys.executable, "-P", "-m", __name__], stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        yield
        if process is not None:
            process.wait()
    finally:
        if process is not None:
            process.kill()  # nothing, where it has ended; numba's files are written whole or not at all
            process.wait()


def smallest() -> Compiled:
    """Return a system of one client."""
    unit = Structure(("u",), ("sd",))
    one = np.ones((1, 1))
    group = Group("y", one[0], one[:, :0], one, np.zeros(1, dtype=np.int64), (), ({"u": ONE},), "sigma")
    prior = parse("half_normal(1)")
    parameters = (Free("sd", prior, True), Free("sigma", prior, True))
    system = GaussianSystem(parameters, ("u",), (group,), unit, Structure(), 1, np.zeros(0, dtype=np.int64))
    return compile_system(system, products=empty_products(lay_out(system)[0], 1, per_client=True))


def main() -> None:
    """Compile by use."""
    compiled = smallest()
    theta = np.zeros((1, 1, compiled.system.dimension))
    log_likelihoods(compiled, theta)
    draw_unit_effects(compiled, expand(compiled.map_, compiled.layout, theta[0]), seed=0)


if __name__ == "__main__":
    main()
