"""A new study folder: a commented study file, example data, the report's source, and a recipe for CI."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..data.errors import Fault, InputError
from ..data.examples import example_path

TEMPLATES = Path(__file__).parent / "templates"
RECIPE = Path(".github") / "workflows" / "safezone.yml"
# Rebuilds the report on every change; the job fails when the input is wrong (2) or a fit is not trusted (3).
RECIPE_TEXT = """\
# Rebuild the report on every change of data or text. Any CI service can do the same three steps.
name: safezone
on: [push, pull_request]
jobs:
  report:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
      - uses: actions/setup-python@v6
        with: {python-version: "3.13"}
      - uses: actions/cache@v4
        with: {path: .safezone, key: "safezone-${{ hashFiles('study.toml', '*.csv') }}", restore-keys: safezone-}
      - run: python -m pip install safezone
      - run: safezone run . --no-color
      - uses: actions/upload-artifact@v4
        with: {name: report, path: results/report}
"""
IGNORED = ".safezone/\nresults/\n"


def start(folder: Path, *, template: str = "article", dry_run: bool = False) -> tuple[Path, ...]:
    """Create a study folder that runs as it stands.

    Parameters
    ----------
    folder
        The folder; it may exist, its files are never overwritten.
    template
        The report template whose source is copied to ``reports/``.
    dry_run
        Only return what would be written.

    Returns
    -------
    tuple of Path
        The files, in the order of writing.

    Raises
    ------
    InputError
        If one of the files is there already; nothing is written then.
    """
    plan = _plan(folder, template)
    there = [target for target in plan if target.exists()]
    if there:
        raise InputError(
            *(
                Fault(
                    severity="error",
                    file=str(target.relative_to(folder)),
                    row=None,
                    column=None,
                    rule="safezone init never overwrites a file, and this one is there already.",
                    value=None,
                    remedy="Choose another folder, or move the file away.",
                )
                for target in there
            )
        )
    if not dry_run:
        for target, source in plan.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(source, Path):
                shutil.copyfile(source, target)
            else:
                target.write_text(source, encoding="utf-8")
    return tuple(plan)


def _plan(folder: Path, template: str) -> dict[Path, Path | str]:
    """Return every file to write, with the file to copy or the text to write."""
    example = example_path("harbour")
    report = TEMPLATES / template
    copied = {
        **{folder / source.name: source for source in sorted(example.iterdir()) if source.suffix in {".toml", ".csv"}},
        **{folder / "reports" / template / source.relative_to(report): source for source in _files(report)},
    }
    extensions = TEMPLATES / "_extensions"
    for source in _files(extensions):
        copied[folder / "reports" / template / "_extensions" / source.relative_to(extensions)] = source
    return {**copied, folder / ".gitignore": IGNORED, folder / RECIPE: RECIPE_TEXT}


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
