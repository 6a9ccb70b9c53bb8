"""Ask the theory's rows of a study: fit what is missing, and return the verdicts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..data.config import PrinciplesSection
from .pipeline import run
from .theory import Theory, read_theory

if TYPE_CHECKING:
    from ..data.study import Study
    from .progress import Progress


def principles(
    study: Study | str | Path,
    *,
    out: str | Path | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Theory:
    """Answer every row of the theory: fit what is missing, and return verdicts with what stands behind them.

    Parameters
    ----------
    study
        A study, or the path of its study file.
    out
        The results folder; ``results`` beside the study file by default.
    force
        Fit again although nothing changed.
    progress
        Told how far it is.

    Returns
    -------
    Theory
        Findings in the order of the table. What the study cannot test says what is missing.

    Raises
    ------
    InputError
        For settings of ``[principles]`` that name no row.

    Examples
    --------
    >>> import safezone as sz
    >>> theory = sz.principles("study.toml")  # doctest: +SKIP
    >>> theory["C1"].verdict  # doctest: +SKIP
    'supported'
    """
    if isinstance(study, str | Path):
        from ..data.study import read_study

        study = read_study(study)
    result = run(with_principles(study), out=out, force=force, progress=progress)
    return replace(read_theory(result.folder), exit_code=result.exit_code)


def with_principles(study: Study) -> Study:
    """Return a study that asks for the theory's rows."""
    if study.config.principles is not None:
        return study
    return replace(study, config=study.config.model_copy(update={"principles": PrinciplesSection()}))
