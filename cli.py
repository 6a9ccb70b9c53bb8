"""The command line: ``safezone COMMAND STUDY``.

Results go to stdout, progress and messages to stderr. Exit codes are a public contract: 0 fine, 1 an internal
error, 2 the input is wrong (and nothing was written), 3 diagnostics failed, 4 published numbers moved.
Everything heavy is imported inside the commands, so that ``safezone --help`` answers at once.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from .reports.options import (
    DryRun,
    Force,
    Formats,
    Json,
    Models,
    NoColor,
    OutFolder,
    Overwrite,
    Quiet,
    Rerender,
    StudyPath,
    Template,
)

app = typer.Typer(
    name="safezone",
    help=(
        "Bayesian multilevel models of safety in therapeutic relationships: from a table of sessions and a study "
        "file to a report in HTML, PDF and DOCX.\n\n"
        "Start with [bold]safezone demo[/bold], or with [bold]safezone init my-study[/bold]. "
        "STUDY is a study.toml or the folder that holds one; it defaults to the current folder.\n\n"
        "Exit codes: 0 fine, 1 internal error, 2 the input is wrong, 3 diagnostics failed, 4 published numbers moved."
    ),
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

HERE = Path()


def _version(wanted: bool) -> None:
    if wanted:
        from . import __version__

        typer.echo(f"safezone {__version__}")
        raise typer.Exit


@app.callback()
def front_door(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an internal error.")] = False,
) -> None:
    """Let Typer know the options that stand before a command; ``main`` reads ``--debug`` itself."""


@app.command(rich_help_panel="Begin")
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to create or fill.")],
    dry_run: DryRun = False,
    quiet: Quiet = False,
    json: Json = False,
    no_color: NoColor = False,
) -> None:
    """Create a study folder: a commented study.toml, example data, the report's source, a recipe for CI.

    No file is ever overwritten. Replace the example data by your own and edit study.toml.

    [dim]Example:[/dim] safezone init my-study && safezone run my-study
    """
    from .reports.console import voice
    from .reports.starter import start

    speaker = voice(json=json, quiet=quiet, no_color=no_color)
    files = start(folder, dry_run=dry_run)
    speaker.say(f"{'Would write' if dry_run else 'Wrote'} {len(files)} files. The data are simulated; replace them.")
    speaker.answer({"files": files}, "\n".join(str(file) for file in files))
    speaker.say(f"Next: safezone check {folder}")


@app.command(rich_help_panel="Begin")
def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder for study and results.")] = Path(
        "safezone-demo"
    ),
    force: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
    no_color: NoColor = False,
) -> None:
    """Run the bundled example study (simulated) end to end and say where the reports are.

    The first run on a machine compiles the models, which takes some minutes; a second run is immediate.

    [dim]Example:[/dim] safezone demo --out /tmp/harbour
    """
    from .data.examples import copy_example, example_path
    from .reports.console import voice
    from .reports.steps import run_study

    speaker = voice(json=json, quiet=quiet, no_color=no_color)
    study = out / "study.toml"
    if force:
        for bundled in example_path("harbour").iterdir():
            (out / bundled.name).unlink(missing_ok=True)
    if not study.exists():
        study = copy_example("harbour", out)
        speaker.say(f"Copied the Harbour study (simulated) to {out}.")
    raise typer.Exit(run_study(study, speaker, force=force))


@app.command(rich_help_panel="Begin")
def simulate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder for the study.")],
    clients: Annotated[int, typer.Option(min=1, help="Clients who start therapy.")] = 80,
    therapists: Annotated[int, typer.Option(min=0, help="Therapists; 0 leaves the level out.")] = 12,
    sessions: Annotated[
        tuple[int, int], typer.Option(metavar="LOW HIGH", help="Lowest and highest planned number of sessions.")
    ] = (4, 16),
    missing: Annotated[float, typer.Option(min=0, max=0.9, help="Share of ratings missing at random.")] = 0.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same study.")] = 1,
    quiet: Quiet = False,
    json: Json = False,
    no_color: NoColor = False,
) -> None:
    """Draw a study from the theory, with every true parameter known, and write it as a study folder.

    [dim]Example:[/dim] safezone simulate sim --clients 200 --therapists 20 --seed 7
    """
    from .data.simulate import Missingness, SimulationDesign, write_study
    from .data.simulate import simulate as draw
    from .reports.console import voice

    speaker = voice(json=json, quiet=quiet, no_color=no_color)
    try:
        design = SimulationDesign(
            clients=clients,
            sessions=sessions,
            therapists=therapists,
            rounded=True,
            missing=Missingness(ratings=missing),
        )
        study = write_study(draw(design, seed=seed), folder)
    except (ValueError, FileExistsError) as error:
        raise typer.BadParameter(str(error)) from error
    drawn = {"study": study, "clients": clients, "therapists": therapists, "seed": seed}
    speaker.answer(drawn, f"{study}")


@app.command(rich_help_panel="A study")
def check(study: StudyPath = HERE, quiet: Quiet = False, json: Json = False, no_color: NoColor = False) -> None:
    """Validate a study: every fault in one pass, then participant flow, codebook and missing ratings.

    Nothing is written. Exit code 2 when there are errors.

    [dim]Example:[/dim] safezone check my-study --json
    """
    from .data.study import read_study
    from .reports.console import voice
    from .reports.overview import overview

    speaker = voice(json=json, quiet=quiet, no_color=no_color)
    found = overview(read_study(study))
    speaker.report_faults(found.faults if not quiet else ())
    speaker.answer(found.content(), *found.tables())


@app.command(rich_help_panel="A study")
def plan(
    study: StudyPath = HERE,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out the expected precision.")] = False,
    quiet: Quiet = False,
    json: Json = False,
    no_color: NoColor = False,
) -> None:
    """List the models and principles that the data can feed, what the others lack, and what can be learned.

    The expected precision of each quantity comes from simulated ratings in place of the observed ones: before any fit.

    [dim]Example:[/dim] safezone plan my-study
    """
    from .data.study import read_study
    from .reports.console import voice
    from .reports.plan import plan_answer

    speaker = voice(json=json, quiet=quiet, no_color=no_color)
    speaker.answer(*plan_answer(read_study(study), quick=quick, say=speaker.say))


@app.command(rich_help_panel="A study")
def principles(
    study: StudyPath = HERE,
    out: OutFolder = None,
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
    no_color: NoColor = False,
) -> None:
    r"""Ask the theory's principles of the data: a verdict for every row, or what is missing to test it.

    Fits what is missing. With a table \[principles] in study.toml, `safezone run` answers them too.

    [dim]Example:[/dim] safezone principles my-study
    """
    from .analysis.answer import principles as ask
    from .analysis.progress import progress_for
    from .data.study import read_study
    from .reports.console import voice
    from .reports.theory import answer

    speaker = voice(json=json, quiet=quiet, no_color=no_color)
    read = read_study(study)
    theory = ask(read, out=out, force=force, progress=progress_for(quiet=quiet))
    speaker.answer(*answer(theory, read))
    raise typer.Exit(theory.exit_code)


@app.command(rich_help_panel="A study")
def sensitivity(
    study: StudyPath = HERE,
    rows: Annotated[
        list[str] | None,
        typer.Option("--row", metavar="ID", help="A row of the theory; repeat for several, all by default."),
    ] = None,
    out: OutFolder = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    json: Json = False,
    no_color: NoColor = False,
) -> None:
    """Ask the theory's rows under defensible choices: centring, trends, therapists, priors, missing data, outliers.

    Writes sensitivity.csv into the results folder, where the report finds it; with --row, these rows alone. Only what
    differs is fitted, and a run that was stopped goes on where it was. --dry-run lists what would be asked.

    [dim]Example:[/dim] safezone sensitivity my-study --row C1
    """
    from .analysis.pipeline import sensitivity as ask
    from .analysis.progress import progress_for
    from .data.study import read_study
    from .reports.console import voice
    from .reports.plan import sensitivity_answer

    speaker = voice(json=json, quiet=quiet, no_color=no_color)
    progress = progress_for(quiet=quiet)
    found = ask(read_study(study), rows or (), out=out, progress=progress, say=speaker.say, dry=dry_run)
    speaker.answer(*sensitivity_answer(*found))


@app.command(rich_help_panel="A study")
def sap(
    study: StudyPath = HERE,
    formats: Formats = None,
    out: OutFolder = None,
    force: Annotated[bool, typer.Option("--force", help="Amend a plan that is there; the old one is kept.")] = False,
    quiet: Quiet = False,
    json: Json = False,
    no_color: NoColor = False,
) -> None:
    """Freeze the analysis plan by hash, before the data are seen, and print it; later reports list deviations.

    Writes analysis-plan.json beside the study file. With a plan that is there already, says what is now done otherwise.

    [dim]Example:[/dim] safezone sap my-study --format pdf
    """
    from .analysis.sap import freeze, publish
    from .data.study import read_study
    from .reports.console import voice
    from .reports.plan import sap_answer
    from .reports.steps import render_report

    speaker = voice(json=json, quiet=quiet, no_color=no_color)
    read = read_study(study)
    frozen = freeze(read, out=out, force=force)
    publish(read, out)
    files = render_report(read, speaker, template="sap", formats=formats, out=out)
    speaker.answer(*sap_answer(frozen, read, files))


@app.command(rich_help_panel="A study")
def fit(
    study: StudyPath = HERE,
    models: Models = None,
    out: OutFolder = None,
    dry_run: DryRun = False,
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
    no_color: NoColor = False,
) -> None:
    """Fit what is out of date, and write estimates and diagnostics to the results folder.

    [dim]Example:[/dim] safezone fit my-study course --force
    """
    from .data.study import read_study
    from .reports.console import voice
    from .reports.overview import folder_answer
    from .reports.steps import fit_models, tell_status

    speaker = voice(json=json, quiet=quiet, no_color=no_color)
    if dry_run:
        tell_status(study, speaker, out=out, explain=True)
        return
    result = fit_models(read_study(study), speaker, models=models, out=out, force=force)
    speaker.answer(*folder_answer(result.folder, ()))
    raise typer.Exit(result.exit_code)


@app.command(rich_help_panel="A study")
def report(
    study: StudyPath = HERE,
    template: Template = None,
    formats: Formats = None,
    out: OutFolder = None,
    dry_run: DryRun = False,
    force: Rerender = False,
    quiet: Quiet = False,
    json: Json = False,
    no_color: NoColor = False,
) -> None:
    """Render the report from the results folder; nothing is fitted.

    [dim]Example:[/dim] safezone report my-study --format html --format pdf
    """
    from .data.study import read_study
    from .reports.console import voice
    from .reports.steps import render_report, tell_status

    speaker = voice(json=json, quiet=quiet, no_color=no_color)
    if dry_run:
        tell_status(study, speaker, out=out, explain=True)
        return
    files = render_report(read_study(study), speaker, template=template, formats=formats, out=out, force=force)
    speaker.answer({"report": files}, "\n".join(map(str, files)))


@app.command(rich_help_panel="A study")
def run(
    study: StudyPath = HERE,
    out: OutFolder = None,
    dry_run: DryRun = False,
    force: Force = False,
    quiet: Quiet = False,
    json: Json = False,
    no_color: NoColor = False,
) -> None:
    """Check, fit what is out of date, and render the report.

    [dim]Example:[/dim] safezone run my-study
    """
    from .reports.console import voice
    from .reports.steps import run_study, tell_status

    speaker = voice(json=json, quiet=quiet, no_color=no_color)
    if dry_run:
        tell_status(study, speaker, out=out, explain=True)
        return
    raise typer.Exit(run_study(study, speaker, out=out, force=force))


@app.command(rich_help_panel="A study")
def status(
    study: StudyPath = HERE,
    explain: Annotated[bool, typer.Option("--explain", help="Say which part changed.")] = False,
    out: OutFolder = None,
    quiet: Quiet = False,
    json: Json = False,
    no_color: NoColor = False,
) -> None:
    """Say what is fresh and what is stale, and by which part: data, model, priors, sampler, prose.

    [dim]Example:[/dim] safezone status my-study --explain
    """
    from .reports.console import voice
    from .reports.steps import tell_status

    tell_status(study, voice(json=json, quiet=quiet, no_color=no_color), out=out, explain=explain)


@app.command(rich_help_panel="A study")
def clean(
    study: StudyPath = HERE,
    days: Annotated[
        float, typer.Option("--days", help="Keep what was asked for in as many days; 0 keeps nothing.")
    ] = 30,
    out: OutFolder = None,
    dry_run: DryRun = False,
    quiet: Quiet = False,
    json: Json = False,
    no_color: NoColor = False,
) -> None:
    """Give disk space back: take out of .safezone/ the fits that nothing has asked for in a while.

    Results and reports stay; what is needed again is fitted again.

    [dim]Example:[/dim] safezone clean my-study --dry-run
    """
    from .analysis.cleaning import clean as take_out
    from .data.study import read_study
    from .reports.console import voice
    from .reports.overview import cleaning_answer

    speaker = voice(json=json, quiet=quiet, no_color=no_color)
    done = take_out(read_study(study), days=days, out=out, dry=dry_run)
    speaker.answer(*cleaning_answer(done, dry=dry_run))


@app.command(rich_help_panel="Help")
def doctor(quiet: Quiet = False, json: Json = False, no_color: NoColor = False) -> None:
    """Examine this machine: Python, packages, renderers, cores, caches, permissions.

    [dim]Example:[/dim] safezone doctor
    """
    from dataclasses import asdict

    from .reports.console import table, voice
    from .reports.machine import examine

    speaker = voice(json=json, quiet=quiet, no_color=no_color)
    findings = examine()
    rows = [asdict(finding) for finding in findings]
    speaker.answer({"findings": rows}, table("", rows))
    raise typer.Exit(1 if any(finding.state == "problem" for finding in findings) else 0)


@app.command(rich_help_panel="Help")
def cite(quiet: Quiet = False, json: Json = False, no_color: NoColor = False) -> None:
    """Print how to cite the software and the theory: text and BibTeX.

    [dim]Example:[/dim] safezone cite >> references.bib
    """
    from dataclasses import asdict

    from . import __version__
    from .reports.citation import citations
    from .reports.console import voice

    speaker = voice(json=json, quiet=quiet, no_color=no_color)
    works = citations(__version__)
    for work in works:
        speaker.say(f"For {work.why}: {work.text}")
    speaker.answer({"works": [asdict(work) for work in works]}, "\n\n".join(work.bibtex for work in works))


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code.

    Parameters
    ----------
    args
        Arguments without the program's name; those of the process by default.

    Raises
    ------
    SystemExit
        Always, with the exit code.
    """
    # Reading and planning a study makes a million small objects that live to the end; looking for garbage among them as
    # often as Python does by default takes a tenth of a short run.
    gc.set_threshold(100_000, 20, 20)
    arguments = list(sys.argv[1:] if args is None else args)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        app(args=arguments, prog_name="safezone")
    except Exception as error:  # the last line of defence: a message instead of a traceback
        from .data.errors import SafezoneError

        if debug:
            raise
        from .reports.console import voice

        speaker = voice(json="--json" in arguments, no_color="--no-color" in arguments)
        if isinstance(error, SafezoneError):
            speaker.refuse(error)
            sys.exit(error.exit_code)
        # The text of an unexpected exception may quote data, so only its kind and place are shown.
        speaker.crash(error)
        sys.exit(1)
