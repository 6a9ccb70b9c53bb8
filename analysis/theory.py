"""The theory, answered by a study: the files ``principles.csv`` and ``principles.json``, and ``sz.principles``.

The pipeline fits the models that the rows need along with the study's own; what they say is kept in the store, so
that nothing is computed twice.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.config import PrinciplesSection
from .evidence import COLUMNS, Evidence, Finding, Part
from .findings import findings
from .fingerprint import fingerprint
from .folder import THEORY
from .pooling import Family, PooledPart, families
from .source import source_fingerprint
from .store import Store, key_of

if TYPE_CHECKING:
    import pandas as pd

    from ..data.study import Study
    from .questions import Agenda

CSV, JSON = THEORY
_CODE = ("principles", "questions", "evidence", "findings", "verdicts", "power_scaling", "pooling", "theory")


@dataclass(frozen=True, slots=True)
class Theory:
    """What a study says about the theory.

    Parameters
    ----------
    findings
        One per row, in the order of the table; always all of them.
    families
        The partially pooled view across the rows of a column.
    added
        Models that were fitted for the rows and stand not in the study file.
    folder
        The results folder.
    exit_code
        0, or 3 where a fit must not be trusted.
    """

    findings: tuple[Finding, ...]
    families: tuple[Family, ...]
    added: tuple[str, ...]
    folder: Path
    exit_code: int = 0

    def table(self) -> pd.DataFrame:
        """Return one row per principle, with the columns of ``principles.csv``."""
        import pandas as pd

        return pd.DataFrame([finding.row() for finding in self.findings], columns=list(COLUMNS))

    def __getitem__(self, row: str) -> Finding:
        """Return one row by its id (``C1``)."""
        found = next((finding for finding in self.findings if finding.id == row), None)
        if found is None:
            raise KeyError(f"{row}: the theory has the rows {', '.join(one.id for one in self.findings)}.")
        return found


def read_theory(folder: Path) -> Theory:
    """Read ``principles.json``.

    Raises
    ------
    FileNotFoundError
        Where the folder has none.
    """
    content = json.loads((folder / JSON).read_text(encoding="utf-8"))
    found = tuple(_finding(row) for row in content["rows"])
    pooled = tuple(
        Family(**{**family, "parts": tuple(PooledPart(**part) for part in family["parts"])})
        for family in content["families"]
    )
    return Theory(found, pooled, tuple(content["added"]), folder)


def theory_files(study: Study, agenda: Agenda, evidence: Mapping[str, Evidence], store: Store) -> dict[str, bytes]:
    """Return ``principles.csv`` and ``principles.json``; from the store where nothing changed.

    Parameters
    ----------
    study
        With ``[principles]``.
    agenda
        Which model answers which row.
    evidence
        Fits by the model's name.
    store
        Where answers are kept.
    """
    parts = _parts(study, agenda, evidence)
    key = key_of(parts)
    entry = store.find("findings", key)
    if entry is None:
        found = findings(study, agenda.questions, evidence)
        entry = store.put("findings", parts, _content(study, agenda, found))
    return {CSV: entry.read(CSV), JSON: entry.read(JSON)}


def _content(study: Study, agenda: Agenda, found: Sequence[Finding]) -> dict[str, Any]:
    import pandas as pd

    from ..data.export import csv_bytes
    from .estimates import dump_json

    table = pd.DataFrame([finding.row() for finding in found], columns=list(COLUMNS))
    content = {
        "language": study.config.study.language,
        "interval": study.config.report.interval,
        "thresholds": (study.config.principles or PrinciplesSection()).model_dump(mode="json"),
        "added": [one.name for one in agenda.added],
        "rows": [asdict(finding) for finding in found],
        "families": [asdict(family) for family in families(found, study.config.report.interval)],
    }
    return {CSV: csv_bytes(table), JSON: dump_json(content)}


def _parts(study: Study, agenda: Agenda, evidence: Mapping[str, Evidence]) -> dict[str, str]:
    """Return what the answers depend on, by name."""
    registry = files(__package__).joinpath("principles.toml").read_text(encoding="utf-8")
    fits = {name: (one.key, one.verdict) for name, one in evidence.items()}
    labels = {name: (one.label, one.better, one.role) for name, one in study.variables.items()}
    return {
        "fits": fingerprint(fits),
        "questions": fingerprint([(q.principle.id, q.model, dict(q.estimand or {})) for q in agenda.questions]),
        "registry": fingerprint(registry),
        "settings": fingerprint((study.config.principles or PrinciplesSection()).model_dump(mode="json")),
        "report": fingerprint([study.config.report.interval, study.config.study.language]),
        "labels": fingerprint(labels),
        "code": source_fingerprint([f"{__package__}.{name}" for name in _CODE], room="-"),
    }


def _finding(row: Mapping[str, Any]) -> Finding:
    numbers = {name for name, kind in Finding.__annotations__.items() if kind == "float"}
    values: dict[str, Any] = {
        name: math.nan if value is None and name in numbers else value for name, value in row.items()
    }
    values["missing_roles"] = tuple(values["missing_roles"])
    values["parts"] = tuple(_part(part) for part in values["parts"])
    return Finding(**values)


def _part(row: Mapping[str, Any]) -> Part:
    numbers = {name for name, kind in Part.__annotations__.items() if kind == "float"}
    values: dict[str, Any] = {
        name: math.nan if value is None and name in numbers else value for name, value in row.items()
    }
    return Part(**{**values, "missing": tuple(values["missing"])})
