"""Content to hash: arrays, tables and dataclasses, independent of prose.

Two values get the same fingerprint exactly when the likelihood cannot tell them apart. :mod:`.source` hashes code.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np
import pandas as pd


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None:
        """Take in more bytes."""
        ...


def fingerprint(value: object, without: frozenset[str] = frozenset()) -> str:
    """Return the SHA-256 of a value's content.

    Parameters
    ----------
    value
        Any nesting of dataclasses, mappings, sequences, NumPy arrays, pandas objects, pydantic
        models, strings, numbers and ``None``. Mappings are taken in sorted order; callables and
        fields marked ``metadata={"fingerprint": False}`` are left out.
    without
        Names of dataclass fields and options to leave out, at any depth.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    TypeError
        For a type with no defined content.

    Examples
    --------
    >>> fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    True
    >>> fingerprint(1.0) == fingerprint("1.0")
    False
    """
    digest = hashlib.sha256()
    _feed(digest, value, without)
    return digest.hexdigest()


def _tag(digest: _Hash, tag: str, text: str = "") -> None:
    data = text.encode()
    digest.update(f"{tag}:{len(data)}:".encode() + data)


def _feed(digest: _Hash, value: object, without: frozenset[str] = frozenset()) -> None:
    """Feed one value, each type under its own tag so that no two types can collide."""
    if value is None or isinstance(value, (bool, int, float, str)):
        _tag(digest, type(value).__name__, repr(value))
    elif isinstance(value, np.generic):
        _tag(digest, value.dtype.str, repr(value.item()))
    elif isinstance(value, np.ndarray):
        _array(digest, value)
    elif isinstance(value, (pd.Series, pd.Index, pd.DataFrame)):
        _labelled(digest, value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        _tag(digest, "record", type(value).__name__)
        for field in dataclasses.fields(value):
            item = getattr(value, field.name)
            if field.metadata.get("fingerprint", True) and field.name not in without and not callable(item):
                _tag(digest, "field", field.name)
                _feed(digest, item, without)
    elif hasattr(value, "model_dump_json"):
        _tag(digest, "options", _options(value, without))
    elif isinstance(value, Mapping):
        _tag(digest, "mapping", str(len(value)))
        for name in sorted(value, key=repr):
            _feed(digest, name)
            _feed(digest, value[name], without)
    elif isinstance(value, Iterable):
        items = sorted(value, key=repr) if isinstance(value, (set, frozenset)) else list(value)
        _tag(digest, "sequence", str(len(items)))
        for item in items:
            _feed(digest, item, without)
    else:
        raise TypeError(f"No content to fingerprint in a {type(value).__name__}.")


def _labelled(digest: _Hash, value: pd.Series | pd.Index | pd.DataFrame) -> None:
    """Feed a pandas object: every column with its name, behind the index."""
    if isinstance(value, pd.DataFrame):
        _tag(digest, "frame")
        _labelled(digest, value.index)
        for name in value.columns:
            _feed(digest, str(name))
            _labelled(digest, value[name])
        return
    _tag(digest, "values", str(value.dtype))
    _array(digest, np.asarray(value) if _plain(value.dtype) else np.asarray(value, dtype=object))


def _options(value: Any, without: frozenset[str]) -> str:
    content = json.loads(value.model_dump_json())
    return json.dumps({name: item for name, item in content.items() if name not in without}, sort_keys=True)


def _plain(dtype: Any) -> bool:
    return isinstance(dtype, np.dtype) and dtype.kind in "biufMm"


def _array(digest: _Hash, value: np.ndarray[Any, Any]) -> None:
    if value.dtype == object:
        _tag(digest, "objects", str(value.shape))
        for item in value.ravel():
            _tag(digest, "item", "missing" if _missing(item) else repr(item))
        return
    if value.dtype.kind == "f":
        value = value + 0.0  # -0.0 and 0.0 are one number
    _tag(digest, "array", f"{value.dtype.str}{value.shape}")
    digest.update(np.ascontiguousarray(value).tobytes())


def _missing(item: object) -> bool:
    return item is None or item is pd.NA or item is pd.NaT or (isinstance(item, float) and math.isnan(item))
