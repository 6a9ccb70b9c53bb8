"""A study at a glance, and the results folder as plain content: what ``check`` and ``--json`` print."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.errors import Fault
from .console import Row, table

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from ..analysis.artefacts import ArtefactStatus
    from ..analysis.cleaning import Cleaning
    from ..data.study import Study

TABLES = {"estimates": "estimates.json", "diagnostics": "diagnostics.csv", "principles": "principles.csv"}
# What fits a terminal; the files and --json hold every column.
SHOWN = {
    "flow": ("Participants", ("label", "n_clients", "n_sessions", "n_therapists", "reason")),
    "codebook": (
        "Codebook",
        ("name", "label", "level", "role", "n", "missing", "mean", "sd_between", "sd_within", "icc"),
    ),
    "missing_patterns": ("Missing together", ("missing", "n_sessions", "n_clients", "share")),
}


@dataclass(frozen=True, slots=True)
class Overview:
    """What a study's data hold.

    Parameters
    ----------
    study
        Title, numbers of units and rows, fingerprint.
    data
        Rows of the tables of ``results/data/``, by name.
    faults
        Warnings and notes.
    """

    study: Row
    data: Mapping[str, tuple[Row, ...]]
    faults: tuple[Fault, ...]

    def content(self) -> dict[str, object]:
        """Return everything by name."""
        return {"study": self.study, **self.data}

    def tables(self) -> tuple[Table | str, ...]:
        """Return what a person reads."""
        units = ", ".join(f"{self.study[unit]} {unit}" for unit in ("clients", "therapists", "sessions"))
        return f"{self.study['title']}: {units}", *(
            table(title, self.data[name], columns) for name, (title, columns) in SHOWN.items()
        )


def overview(study: Study) -> Overview:
    """Describe a study without fitting anything.

    Parameters
    ----------
    study
        A validated study.

    Returns
    -------
    Overview
        Flow, codebook, missing ratings and findings.
    """
    from ..data.faults import faults_frame
    from ..data.tables import data_tables

    about = {
        "title": study.config.study.title,
        "simulated": study.config.study.simulated,
        "sessions": len(study.sessions),
        "clients": len(study.clients),
        "therapists": len(study.therapists),
        "fingerprint": study.fingerprint,
    }
    frames = {**data_tables(study), "checks": faults_frame(study.faults)}
    return Overview(about, {name: records(frame) for name, frame in frames.items()}, study.faults)


def records(frame: pd.DataFrame) -> tuple[Row, ...]:
    """Return a table's rows as mappings, missing cells as ``None``.

    Examples
    --------
    >>> import pandas as pd
    >>> records(pd.DataFrame({"n": [1.5, None]}))
    ({'n': 1.5}, {'n': None})
    """
    whole = frame.astype(object)
    return tuple(
        {str(name): value for name, value in row.items()} for row in whole.where(whole.notna(), None).to_dict("records")
    )


def read_folder(folder: Path) -> Mapping[str, tuple[Row, ...]]:
    """Return the tables of a results folder.

    Parameters
    ----------
    folder
        The results folder.

    Returns
    -------
    mapping of str to tuple of rows
        By name, those that are there.
    """
    import pandas as pd

    files = {name: folder / file for name, file in TABLES.items()}
    files |= {path.stem: path for path in sorted((folder / "data").glob("*.csv"))}
    found: dict[str, tuple[Row, ...]] = {}
    for name, path in files.items():
        if path.suffix == ".json" and path.is_file():
            found[name] = tuple(json.loads(path.read_text(encoding="utf-8")))
        elif path.is_file():
            found[name] = records(pd.read_csv(path, encoding="utf-8-sig"))
    return found


def folder_answer(folder: Path, report_files: Sequence[Path]) -> Iterator[Any]:
    """Yield what `safezone fit` and `run` print: the whole folder for JSON, then diagnostics and where the files are.

    Parameters
    ----------
    folder
        The results folder.
    report_files
        The rendered report.
    """
    tables = read_folder(folder)
    yield {**tables, "report": report_files, "results": folder}
    shown = ("model", "sampler", "rhat_max", "ess_bulk_min", "divergences", "verdict")
    yield table("Models", tables["diagnostics"], shown)
    places = [f"Results: {folder}", *(f"{file.suffix.lstrip('.').upper():<5} {file}" for file in report_files)]
    yield "\n".join(places)


def status_answer(artefacts: Sequence[ArtefactStatus], *, explain: bool) -> Iterator[Any]:
    """Yield what `safezone status` prints.

    Parameters
    ----------
    artefacts
        What is fresh and what is stale.
    explain
        Whether to show why.
    """
    rows = [
        {"artefact": one.name, "kind": one.kind, "state": one.state, "because": list(one.because)} for one in artefacts
    ]
    yield {"artefacts": rows}
    yield table("", rows, ("artefact", "kind", "state", *(("because",) if explain else ())))


def cleaning_answer(done: Cleaning, *, dry: bool) -> Iterator[Any]:
    """Yield what `safezone clean` prints.

    Parameters
    ----------
    done
        What was taken out.
    dry
        Whether it was only counted.
    """
    yield {"store": done.folder, "entries": done.entries, "bytes": done.size, "kept": done.kept, "dry_run": dry}
    verb = "Would take out" if dry else "Took out"
    yield f"{verb} {done.entries} entries ({done.size / 1e6:.0f} MB) of {done.folder}; {done.kept} stay."
