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

from numba import config as numba_config
from numba import njit
from numba.core import caching

numba_caching: Any = caching  # untyped
config: Any = numba_config
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


# A wrapper that unboxes every array of a system costs about a second of compilation per function: there is none for
# C, and none for Python where only compiled functions call.
_ENTRY: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
_INNER: dict[str, Any] = _ENTRY | {"no_cpython_wrapper": True}


def compiled[F: Callable[..., Any]](function: F) -> F:
    """Compile a numerical function on its first call."""
    return cast("F", _cached(njit(**_ENTRY)(function)))


def inner[F: Callable[..., Any]](function: F) -> F:
    """Compile a numerical function that only compiled functions call, never Python."""
    return cast("F", _cached(_refusing(njit(**_INNER)(function))))


def fast[F: Callable[..., Any]](function: F) -> F:
    """Compile an inner function whose sums may be reordered."""
    return cast("F", _cached(_refusing(njit(**_INNER, fastmath=_FAST)(function))))


def inlined[F: Callable[..., Any]](function: F) -> F:
    """Compile a piece of a hot loop into its caller: arguments of many arrays cost more than the sums."""
    return cast("F", _cached(_refusing(njit(**_INNER, fastmath=_FAST, forceinline=True)(function))))


def merged[F: Callable[..., Any]](function: F) -> F:
    """Merge a function into its only caller before compilation, so that it is not compiled twice."""
    return cast("F", _cached(_refusing(njit(**_INNER, inline="always")(function))))


def _refusing(dispatcher: Any) -> Any:
    """Refuse calls from Python, which would crash for want of a wrapper."""

    def refuse(*_arguments: Any, **_named: Any) -> None:
        raise TypeError(f"{dispatcher.py_func.__name__} can only be called from compiled functions.")

    def add_overload(result: Any) -> None:
        dispatcher.overloads[tuple(result.signature.args)] = result  # and not where a call from Python looks

    dispatcher._compile_for_args = refuse  # noqa: SLF001 - what numba runs when Python's call finds nothing
    dispatcher.add_overload = add_overload
    return dispatcher


def _cached(dispatcher: Any) -> Any:
    """Give a function the common stamp, and scalar machine code."""
    dispatcher._compiler.compile = _scalar(dispatcher._compiler.compile)  # noqa: SLF001 - no public way either
    own = dispatcher._cache  # noqa: SLF001 - numba has no public way to set the stamp of a cache
    base = own._impl.filename_base  # noqa: SLF001
    file = numba_caching.IndexDataCacheFile(cache_path=own.cache_path, filename_base=base, source_stamp=stamp())
    own._cache_file = file  # noqa: SLF001
    return dispatcher


def _scalar[**P, R](compile_: Callable[P, R]) -> Callable[P, R]:
    """Compile without vector instructions: in loops over matrices of a handful of rows they cost more than they save.

    Without, a gradient takes a quarter to a third less time, and its compilation an eighth less. Numba holds its lock
    meanwhile, so that nobody else's functions are compiled under these settings.
    """

    def compile_scalar(*arguments: P.args, **named: P.kwargs) -> R:
        kept = config.LOOP_VECTORIZE, config.SLP_VECTORIZE
        config.LOOP_VECTORIZE = config.SLP_VECTORIZE = 0
        try:
            return compile_(*arguments, **named)
        finally:
            config.LOOP_VECTORIZE, config.SLP_VECTORIZE = kept

    return compile_scalar


def is_compiled(function: Callable[..., Any]) -> bool:
    """Whether there is machine code of a function, for whatever types, in memory or on disk."""
    dispatcher: Any = function
    return bool(dispatcher.overloads or dispatcher._cache._cache_file._load_index())  # noqa: SLF001 - as above
