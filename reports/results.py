"""The results folder as a template sees it: a read-only view, nothing computed, nothing fitted.

Fits happen outside documents. A template calls :func:`read_results` and finds there everything
that ``safezone run`` wrote: tables, the card of each model, draws opened only when a figure needs them.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from ..data.errors import Fault, InputError

if TYPE_CHECKING:
    import xarray as xr

Card = Mapping[str, Any]

ESTIMATE_COLUMNS = (
    "model", "kind", "estimand", "level", "target", "unit", "scale", "mean", "sd", "median", "lower", "upper",
    "mcse", "pd", "p_rope", "ess_bulk", "ess_tail", "rhat",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StudyInfo:
    """What a report says about the study as a whole.

    Parameters
    ----------
    title, authors, language, simulated
        As in ``[study]`` of the study file.
    interval
        Probability of the credible intervals (0.95).
    rope
        Half-width of the region of practical equivalence in standardised units, by estimand; ``default`` always there.
    threshold
        Smallest number of clients that a figure or table may speak about.
    """

    title: str
    authors: tuple[str, ...] = ()
    language: str = "en"
    simulated: bool = False
    interval: float = 0.95
    rope: Mapping[str, float] = field(default_factory=lambda: {"default": 0.1})
    threshold: int = 10


@dataclass(frozen=True)
class ModelResults:
    """One fitted model: its card, its estimates, its diagnostics; draws on demand.

    Parameters
    ----------
    name
        The model's name in the study file.
    card
        ``fits/NAME.json``: everything the report needs that is not draws.
    estimates
        The model's rows of ``estimates.csv``, in their order.
    diagnostics
        The model's row of ``diagnostics.csv``.
    path
        ``fits/NAME.nc``.
    codebook
        ``data/codebook.csv``, for labels and categories of variables that are not responses of the model.
    """

    name: str
    card: Card
    estimates: pd.DataFrame
    diagnostics: Mapping[str, Any]
    path: Path
    codebook: pd.DataFrame

    @property
    def kind(self) -> str:
        """Name of the catalogue model."""
        return str(self.card["kind"])

    @property
    def title(self) -> str:
        """Heading of the model."""
        return str(self.card.get("title") or self.name)

    @property
    def trusted(self) -> bool:
        """Whether the fit passed its diagnostics."""
        return self.verdict == "trusted"

    @property
    def verdict(self) -> str:
        """``trusted``, or ``not trusted: …`` with the rules that the fit breaks."""
        return str(self.card.get("verdict") or self.diagnostics.get("verdict") or "not trusted: no verdict recorded")

    def rows(self, scale: str | None = None) -> pd.DataFrame:
        """Return the estimates, of one scale where that is given."""
        table = self.estimates
        return table if scale is None else table.loc[table["scale"] == scale]

    def estimate(self, estimand: str, scale: str | None = None) -> pd.Series:
        """Return one row of the estimates.

        Parameters
        ----------
        estimand
            Dotted name, e.g. ``safety.within``.
        scale
            ``raw`` or ``standardised``; the raw row where there is one by default.

        Raises
        ------
        InputError
            If the model has no such estimand (the nearest names are listed) or not on this scale.
        """
        scales = self._rows_by_name.get(estimand, {})
        row = scales.get(scale) if scale is not None else scales.get("raw", next(iter(scales.values()), None))
        if row is None:
            names = ", ".join(dict.fromkeys(self.estimates["estimand"]))
            raise InputError(
                Fault("error", "estimates.csv", None, f"{self.name}.{estimand}",
                      "A report may only quote an estimand that the model has"
                      + ("." if scale is None else f" on the {scale} scale."),
                      estimand, f"Choose one of: {names}.")
            )  # fmt: skip
        return row

    @cached_property
    def scales(self) -> Mapping[str, frozenset[str]]:
        """Scales on which each estimand is given, by estimand."""
        return {name: frozenset(rows) for name, rows in self._rows_by_name.items()}

    @cached_property
    def _rows_by_name(self) -> Mapping[str, Mapping[str, pd.Series]]:
        """Rows of the estimates by estimand and scale: prose asks for each of them many times."""
        found: dict[str, dict[str, pd.Series]] = {}
        for _, row in self.estimates.iterrows():
            found.setdefault(str(row["estimand"]), {}).setdefault(str(row["scale"]), row)
        return found

    @cached_property
    def described(self) -> Mapping[str, Mapping[str, Any]]:
        """Rows of the codebook by the variable's name."""
        if "name" not in self.codebook:
            return {}
        return {str(row["name"]): cast("Mapping[str, Any]", row) for row in self.codebook.to_dict("records")}

    @cached_property
    def posterior(self) -> xr.Dataset:
        """The draws (dims ``chain``, ``draw``, …), opened on first use."""
        found = self._group("posterior")
        if found is None:
            raise _missing(self.path, f"The draws of the model {self.name} are not there.")
        return found

    @cached_property
    def prior(self) -> xr.Dataset | None:
        """Draws from the prior, or ``None`` where the fit kept none."""
        return self._group("prior")

    @cached_property
    def estimand_draws(self) -> xr.Dataset | None:
        """Draws of the estimands (``value``: ``chain``, ``draw``, ``quantity``), or ``None`` where none are kept."""
        return self._group("estimands")

    def draws(self, estimand: str, scale: str) -> np.ndarray | None:
        """Return all draws of one estimand, shape (chain · draw,), or ``None`` where the fit kept none."""
        return self._draws_by_name.get((estimand, scale))

    @cached_property
    def _draws_by_name(self) -> Mapping[tuple[str, str], np.ndarray]:
        kept = self.estimand_draws
        if kept is None:
            return {}
        values = kept["value"].transpose("quantity", "chain", "draw").values.astype(float)
        names = zip(kept["estimand"].values.astype(str), kept["scale"].values.astype(str), strict=True)
        return {(str(name), str(scale)): one.ravel() for (name, scale), one in zip(names, values, strict=True)}

    def _group(self, name: str) -> xr.Dataset | None:
        """Return a group of the draws, or ``None`` where the file or the group is not there."""
        import h5py
        import xarray as xr

        if not self.path.is_file():
            return None
        # One group only: opening the whole tree costs half a second a file.
        with h5py.File(self.path) as file:
            if name not in file:
                return None
        with xr.open_dataset(self.path, group=name, engine="h5netcdf") as group:
            return group.load()


@dataclass(frozen=True)
class Results:
    """Everything in a results folder.

    Parameters
    ----------
    folder
        The results folder.
    study
        Title, authors, language and report settings.
    estimates, diagnostics
        ``estimates.csv`` and ``diagnostics.csv``.
    flow, codebook, checks
        ``data/flow.csv``, ``data/codebook.csv``, ``data/checks.csv``; further tables by :meth:`table`.
    manifest
        ``manifest.json``.
    """

    folder: Path
    study: StudyInfo
    estimates: pd.DataFrame
    diagnostics: pd.DataFrame
    flow: pd.DataFrame
    codebook: pd.DataFrame
    checks: pd.DataFrame
    manifest: Mapping[str, Any]
    _opened: dict[str, ModelResults] = field(default_factory=dict, repr=False, compare=False)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the fitted models, in the order of ``diagnostics.csv``."""
        return tuple(str(name) for name in self.diagnostics["model"])

    def model(self, name: str) -> ModelResults:
        """Return one model.

        Raises
        ------
        InputError
            If there is no such model, or its card is missing or damaged.
        """
        if name in self._opened:
            return self._opened[name]
        if name not in self.models:
            raise InputError(
                Fault("error", "diagnostics.csv", None, "model", "There is no fitted model of this name.", name,
                      f"Choose one of: {', '.join(self.models)}; or add it to the study file and run `safezone run`.")
            )  # fmt: skip
        row = self.diagnostics.loc[self.diagnostics["model"] == name].iloc[0]
        self._opened[name] = ModelResults(
            name=name,
            card=_json(self.folder / "fits" / f"{name}.json"),
            estimates=self.estimates.loc[self.estimates["model"] == name].reset_index(drop=True),
            diagnostics=cast("Mapping[str, Any]", row.to_dict()),
            path=self.folder / "fits" / f"{name}.nc",
            codebook=self.codebook,
        )
        return self._opened[name]

    def table(self, name: str) -> pd.DataFrame:
        """Return a further table of ``data/`` (``missing_by_session``, …); empty where the folder has none."""
        path = self.folder / "data" / f"{name}.csv"
        return _csv(path) if path.is_file() else pd.DataFrame()

    @property
    def added(self) -> tuple[str, ...]:
        """Models that were fitted for the theory's rows alone."""
        theory = self.manifest.get("theory")
        return tuple(theory.get("added", ())) if isinstance(theory, Mapping) else ()

    def each(self) -> tuple[ModelResults, ...]:
        """Return every model that the study asks for, in order; those added for the theory are told with its rows."""
        added = set(self.added)
        return tuple(self.model(name) for name in self.models if name not in added)


def read_results(folder: Path | str) -> Results:
    """Open a results folder.

    Parameters
    ----------
    folder
        The folder that ``safezone run`` wrote (``results`` beside the study file).

    Returns
    -------
    Results
        Tables are read at once (they are small); cards when a model is asked for, draws when a figure needs them.

    Raises
    ------
    InputError
        If a file is missing or damaged; the message names it and the command that writes it.

    Examples
    --------
    >>> read_results("no/such/folder")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    safezone.data.errors.InputError: no/such/folder: ...
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise _missing(folder, "The results folder is not there.")
    manifest = _json(folder / "manifest.json")
    estimates = _csv(folder / "estimates.csv")
    absent = [column for column in ESTIMATE_COLUMNS if column not in estimates.columns]
    if absent:
        raise _missing(folder / "estimates.csv", f"The table lacks the columns {', '.join(absent)}.")
    return Results(
        folder=folder,
        study=_study_info(folder, manifest),
        estimates=estimates.fillna({"unit": ""}),  # a quantity without unit is an empty cell, not a missing one
        diagnostics=_csv(folder / "diagnostics.csv"),
        flow=_csv(folder / "data" / "flow.csv"),
        codebook=_csv(folder / "data" / "codebook.csv"),
        checks=_csv(folder / "data" / "checks.csv"),
        manifest=manifest,
    )


def _study_info(folder: Path, manifest: Mapping[str, Any]) -> StudyInfo:
    """Take title and settings from the manifest, and what it lacks from the study file beside the folder."""
    config = _study_file(folder, manifest)
    said = manifest.get("study")
    said = said if isinstance(said, Mapping) else {}
    study = {**_table(config, "study"), **said}
    report = {**_table(config, "report"), **_table(manifest, "report"), **_table(said, "report")}
    rope = report.get("rope", {})
    return StudyInfo(
        title=str(study.get("title") or "Untitled study"),
        authors=tuple(str(author) for author in study.get("authors", ())),
        language=str(study.get("language", "en")),
        simulated=bool(study.get("simulated", False)),
        interval=float(report.get("interval", 0.95)),
        rope={"default": 0.1, **(rope if isinstance(rope, Mapping) else {})},
        threshold=int(_table(report, "disclosure").get("threshold", 10)),
    )


def _study_file(folder: Path, manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    name = manifest.get("study_file")
    for path in (folder.parent / str(name if isinstance(name, str) else "study.toml"), folder.parent / "study.toml"):
        if path.is_file():
            return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    return {}


def _table(mapping: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = mapping.get(key)
    return value if isinstance(value, Mapping) else {}


def _csv(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise _missing(path, "The table is not there.")
    try:
        return pd.read_csv(path, encoding="utf-8", keep_default_na=True)
    except pd.errors.EmptyDataError:
        return pd.DataFrame()


def _json(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        raise _missing(path, "The file is not there.")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise _missing(path, f"The file is damaged (line {error.lineno}).") from error
    if not isinstance(value, dict):
        raise _missing(path, "The file does not hold a JSON object.")
    return value


def _missing(path: Path, rule: str) -> InputError:
    name = str(path) if not path.suffix else "/".join(path.parts[-2:])
    return InputError(Fault("error", name, None, None, rule, None, "Run `safezone run STUDY`, which writes it."))
