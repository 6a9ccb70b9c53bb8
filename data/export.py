"""Writing tables: whole or not at all, and never as a formula."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import Fault, InputError

if TYPE_CHECKING:
    import pandas as pd

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a crash, meets the old or the new one, never half of it.

    Raises
    ------
    InputError
        If the folder cannot be written to or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise _not_writable(path, error) from error
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, 0o666 & ~_umask())  # noqa: PTH101  # mkstemp makes files private; results are not
        os.replace(name, path)
    except OSError as error:
        with suppress(OSError):
            os.unlink(name)  # noqa: PTH108
        raise _not_writable(path, error) from error
    except BaseException:
        with suppress(OSError):
            os.unlink(name)  # noqa: PTH108
        raise


def _umask() -> int:
    """Return the process's mask for new files."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _not_writable(path: Path, error: OSError) -> InputError:
    """Return the error of a place that cannot be written to."""
    rule = "The results cannot be written."
    remedy = "Free some space, choose another folder with --out, or ask for permission to write there."
    return InputError(Fault("error", path.name, None, None, rule, error.strerror or type(error).__name__, remedy))


def safe_text(value: object) -> object:
    """Return text that a spreadsheet would run as a formula with an apostrophe before it.

    Numbers stay as they are, also those written as text (``-3.5``).

    Examples
    --------
    >>> safe_text("=cmd|' /C calc'!A0")
    "'=cmd|' /C calc'!A0"
    >>> safe_text("-3.5")
    '-3.5'
    """
    if not isinstance(value, str) or not value.lstrip(" ").startswith(FORMULA_SIGNS):
        return value
    try:
        float(value)
    except ValueError:
        return "'" + value
    return value


def write_csv(frame: pd.DataFrame, path: str | Path, *, index: bool = False) -> Path:
    """Write a table as CSV (UTF-8, comma, line feeds), atomically and safe to open in a spreadsheet.

    Parameters
    ----------
    frame
        The table; text cells, text in categories, column names and (if written) index are guarded.
    path
        Where to write; folders are made.
    index
        Whether to write the index as first column(s).

    Returns
    -------
    pathlib.Path
        The path written.

    Raises
    ------
    InputError
        If the folder cannot be written to or the disk is full.
    """
    target = Path(path)
    write_atomically(target, csv_bytes(frame, index=index))
    return target


def csv_bytes(frame: pd.DataFrame, *, index: bool = False) -> bytes:
    """Return the bytes that :func:`write_csv` writes: the same table gives the same bytes."""
    import pandas as pd

    table = frame.reset_index() if index else frame.copy()
    for position, dtype in enumerate(table.dtypes):
        if (
            isinstance(dtype, pd.CategoricalDtype)
            or pd.api.types.is_string_dtype(dtype)
            or pd.api.types.is_object_dtype(dtype)
        ):
            cells = table.iloc[:, position].astype(object)
            table.isetitem(position, cells.map(safe_text, na_action="ignore").array)
    table.columns = pd.Index([safe_text(name) for name in table.columns])
    return table.to_csv(index=False, lineterminator="\n").encode("utf-8")
