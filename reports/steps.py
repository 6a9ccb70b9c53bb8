"""What several commands do with a study: fit with progress, render, say what is fresh.

The steps themselves are :mod:`~safezone.analysis.pipeline` and :mod:`.report`; these tell a person about them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..analysis.artefacts import RunResult
    from ..data.study import Study
    from .console import Voice


def run_study(study: Path, speaker: Voice, *, out: Path | None = None, force: bool = False) -> int:
    """Check, fit and render; say where the reports are; return the exit code."""
    from ..data.study import read_study
    from .overview import folder_answer

    read = read_study(study)
    result = fit_models(read, speaker, out=out, force=force)
    speaker.answer(*folder_answer(result.folder, render_report(read, speaker, out=out, force=force)))
    return result.exit_code


def fit_models(
    study: Study, speaker: Voice, *, models: Sequence[str] | None = None, out: Path | None = None, force: bool = False
) -> RunResult:
    """Fit what is out of date, with progress on stderr."""
    from ..analysis.pipeline import run
    from ..analysis.progress import progress_for

    if not speaker.quiet:
        speaker.report_faults(study.faults)
    return run(study, models, out=out, force=force, progress=progress_for(quiet=speaker.quiet))


def render_report(
    study: Study,
    speaker: Voice,
    *,
    template: str | None = None,
    formats: Sequence[str] | None = None,
    out: Path | None = None,
    force: bool = False,
) -> tuple[Path, ...]:
    """Render the report; return its files."""
    from .report import report

    return report(study, template, formats, out, force=force, progress=speaker.say).files


def tell_status(study: Path, speaker: Voice, *, out: Path | None, explain: bool) -> None:
    """Print what is fresh and what is stale."""
    from ..analysis.pipeline import status as freshness
    from ..data.study import read_study
    from .overview import status_answer

    speaker.answer(*status_answer(freshness(read_study(study), out=out), explain=explain))
