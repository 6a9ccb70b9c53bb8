"""What a multiverse says: one specification's answer, the table ``sensitivity.csv``, and what the store keeps of it.

Answers are kept under all that they depend on, so that a run with nothing changed reads one small file.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import provenance
from .estimates import dump_json
from .fingerprint import fingerprint
from .folder import SENSITIVITY, ResultsFolder
from .source import source_fingerprint
from .specifications import VALUES
from .store import key_of

if TYPE_CHECKING:
    from ..data.study import Study
    from .store import Store

COLUMNS = (
    "id", "part", "specification", "own", "centring", "detrending", "therapists", "priors", "estimand", "mean", "lower",
    "upper", "probability", "verdict", "smallest", "direction", "study", "missing", "outliers", "sessions", "quantity",
)  # fmt: skip
_FILE = "specifications.json"
_MODELS = f"{(__package__ or '').rpartition('.')[0]}.models"
_CODE = (
    "multiverse", "specifications", "altered", "sensitivity", "questions", "principles", "evidence", "findings",
    "verdicts", "sampling", "marginal", "remedies", "diagnostics",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Specification:
    """One quantity under one combination of choices.

    Parameters
    ----------
    id, part
        Row and part of the theory.
    choices
        Choice on each axis that the model has.
    own
        Whether it is the study's own combination.
    estimand, quantity
        The quantity: its name, and in words of the study's language.
    mean, lower, upper
        In its own direction.
    probability
        P(beyond the smallest effect of interest in the expected direction).
    verdict
        A word, or why there is none.
    smallest, direction
        As in the registry.
    sessions
        Sessions in the likelihood.
    fitted
        Whether its draws lie in the store.
    """

    id: str
    part: str
    choices: Mapping[str, str]
    own: bool
    estimand: str = ""
    quantity: str = ""
    mean: float = math.nan
    lower: float = math.nan
    upper: float = math.nan
    probability: float = math.nan
    verdict: str = ""
    smallest: float = math.nan
    direction: int = 0
    sessions: int = 0
    fitted: bool = False


def sensitivity_file(study: Study, found: Sequence[Specification]) -> bytes:
    """Return ``sensitivity.csv``."""
    import pandas as pd

    from ..data.export import csv_bytes

    number: dict[tuple[str, str], int] = {}
    rows = []
    for one in found:
        key = (one.id, one.part)
        number[key] = number.get(key, 0) + 1
        told = {name: getattr(one, name) for name in COLUMNS if hasattr(one, name)}
        choices = {axis: one.choices.get(axis, "") for axis in VALUES}
        rows.append(told | choices | {"specification": number[key], "study": study.fingerprint})
    return csv_bytes(pd.DataFrame(rows, columns=list(COLUMNS)))


def write_sensitivity(study: Study, found: Sequence[Specification], folder: Path) -> Path:
    """Write ``sensitivity.csv`` into the results folder, and nothing else.

    Raises
    ------
    InputError
        When a file of this name is somebody else's.
    """
    ResultsFolder(folder).write(
        {SENSITIVITY: sensitivity_file(study, found)}, {}, owned=lambda name: name == SENSITIVITY
    )
    return folder / SENSITIVITY


# --- the store -----------------------------------------------------------------------------------------------------


def kept(study: Study, rows: Sequence[str], store: Store) -> tuple[Specification, ...] | None:
    """Return what was answered before under the same study, code and versions; ``None`` where nothing was.

    Parameters
    ----------
    study
        The study.
    rows
        Ids of rows; none for all.
    store
        Where answers are kept.
    """
    entry = store.find("findings", key_of(_parts(study, rows)))
    if entry is None:
        return None
    return tuple(_read(one) for one in json.loads(entry.read(_FILE)))


def keep(study: Study, rows: Sequence[str], store: Store, found: Sequence[Specification]) -> None:
    """Keep answers, unless a fit brought none: then the next run tries again.

    Parameters
    ----------
    study, rows, store
        As in :func:`kept`.
    found
        Every specification.
    """
    if all(one.fitted or one.verdict.startswith("not possible") for one in found):
        store.put("findings", _parts(study, rows), {_FILE: dump_json([asdict(one) for one in found])})


def _parts(study: Study, rows: Sequence[str]) -> dict[str, str]:
    """Return what the answers depend on, by name."""
    registry = files(__package__).joinpath("principles.toml").read_text(encoding="utf-8")
    return {
        "study": study.fingerprint,
        "rows": ", ".join(sorted(set(rows))),
        "registry": fingerprint(registry),
        "models": source_fingerprint([f"{_MODELS}.catalogue", f"{_MODELS}.marginal_posterior"], _MODELS),
        "code": source_fingerprint([f"{__package__}.{name}" for name in _CODE], room="-"),
        "versions": fingerprint(dict(provenance.majors(provenance.NUMERICAL))),
    }


def _read(one: Mapping[str, Any]) -> Specification:
    """Return a specification from JSON, which has no NaN."""
    values: dict[str, Any] = {name: math.nan if value is None else value for name, value in one.items()}
    return Specification(**values)
