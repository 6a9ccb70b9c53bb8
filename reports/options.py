"""Options that several commands share, so that one name means the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StudyPath = Annotated[Path, typer.Argument(metavar="STUDY", help="A study.toml, or the folder that holds it.")]
OutFolder = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Results folder; results/ beside the study file by default.")
]
Models = Annotated[list[str] | None, typer.Argument(metavar="MODEL", help="Names of models; all of them by default.")]
Template = Annotated[
    str | None, typer.Option("--template", metavar="NAME", help="Report template; the study file's by default.")
]
Formats = Annotated[
    list[str] | None,
    typer.Option(
        "--format", metavar="FORMAT", help="html, pdf or docx; repeat for several. The study file's by default."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Force = Annotated[bool, typer.Option("--force", help="Fit again what is up to date.")]
Rerender = Annotated[bool, typer.Option("--force", help="Render again what is up to date.")]
Overwrite = Annotated[bool, typer.Option("--force", help="Replace files that are there already.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress; errors only.")]
Json = Annotated[bool, typer.Option("--json", help="Print the results as JSON on stdout.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="No colours (NO_COLOR is honoured too).")]
