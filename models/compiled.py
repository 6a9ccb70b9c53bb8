"""The decorator of every compiled function: no interpreter lock, cached on disk, never stale.

Numba's cache of a function notices a change of the file that the function stands in, but not of the
files that it calls into, and then runs old machine code on new data structures. Here all compiled
functions share one stamp, a hash over the source of all their files: a change in any of them
recompiles all, and a mere change of a file's date recompiles nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, cast

from numba import njit
from numba.core import caching

numba_caching: Any = caching  # untyped
FILES = ("compiled.py", "products.py", "kernel.py", "parameter_map.py", "objective.py", "conditional.py")

# Reassociation and fused multiply-add only: NaN and infinity must keep their meaning (a rejected proposal).
_FAST = {"contract", "reassoc", "nsz", "arcp"}


@cache
def stamp() -> tuple[str, int]:
    """Return a hash over the source of every compiled file, in the form of numba's own stamps."""
    digest, size = hashlib.sha256(), 0
    for name in FILES:
        source = Path(__file__).with_name(name).read_bytes()
        digest.update(source)
        size += len(source)
    return digest.hexdigest(), size


def compiled[F: Callable[..., Any]](function: F) -> F:
    """Compile a numerical function on its first call."""
    return cast("F", _cached(njit(cache=True, nogil=True, error_model="numpy")(function)))


def fast[F: Callable[..., Any]](function: F) -> F:
    """Compile a numerical function whose sums may be reordered."""
    return cast("F", _cached(njit(cache=True, nogil=True, error_model="numpy", fastmath=_FAST)(function)))


def inlined[F: Callable[..., Any]](function: F) -> F:
    """Compile a piece of a hot loop into its caller: arguments of many arrays cost more than the sums."""
    compiler = njit(cache=True, nogil=True, error_model="numpy", fastmath=_FAST, forceinline=True)
    return cast("F", _cached(compiler(function)))


def merged[F: Callable[..., Any]](function: F) -> F:
    """Merge a function into its only caller before compilation, so that it is not compiled twice."""
    return cast("F", _cached(njit(cache=True, nogil=True, error_model="numpy", inline="always")(function)))


def _cached(dispatcher: Any) -> Any:
    own = dispatcher._cache  # noqa: SLF001 - numba has no public way to set the stamp of a cache
    base = own._impl.filename_base  # noqa: SLF001
    file = numba_caching.IndexDataCacheFile(cache_path=own.cache_path, filename_base=base, source_stamp=stamp())
    own._cache_file = file  # noqa: SLF001
    return dispatcher
