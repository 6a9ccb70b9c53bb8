"""The bundled example: the Harbour study, simulated.

``python -m safezone.data.examples FOLDER`` writes the example's files again, byte for byte.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import Fault, InputError

if TYPE_CHECKING:
    from .truth import Truth

EXAMPLES = ("harbour",)
TITLE = "The Harbour study (simulated)"
SEED = 2024

README = """\
# The Harbour study (simulated)

**No client, therapist or session in these files exists.** They were drawn by `safezone.data.simulate` from the
theory that safezone was built for (therapist's attachment → therapist's safety → client's safety → alliance →
exploration → post-session outcome → symptoms), with seed {seed}, and are bundled to try and to test the package.
They are evidence for nothing.

| file | holds |
|---|---|
| `study.toml` | the study file, commented |
| `sessions.csv` | {sessions} sessions: ratings by client, therapist and observer; safety as four items, one reversed |
| `clients.csv` | {clients} randomised clients ({never} never started): arm, age, attachment, baseline, final outcome |
| `therapists.csv` | {therapists} therapists: experience, attachment |

Ratings are rounded to their scales and cut off at the ends; {dropped} of {started} starters left early, likelier when
they felt unsafe or unwell; some ratings and whole forms are missing. `python -m safezone.data.examples FOLDER`
writes the same files again.
"""

PRINCIPLES = """
# ---- the theory: every principle of Podolan & Gelo (2024) gets a verdict, or what it needs to be tested ----
[principles]                         # leave this table out, and only `safezone principles` asks
supported = 0.95                     # P(beyond the smallest effect of interest) from which a row is supported
smallest = {C1 = 0.1}                # smallest effects of interest by row, where the registry's are not yours
"""


def example_path(name: str = "harbour") -> Path:
    """Return the folder of a bundled example study.

    Parameters
    ----------
    name
        One of ``EXAMPLES``.

    Raises
    ------
    InputError
        If there is no such example.

    Examples
    --------
    >>> from safezone.data.examples import example_path
    >>> sorted(path.name for path in example_path().glob("*.csv"))
    ['clients.csv', 'sessions.csv', 'therapists.csv']
    """
    if name not in EXAMPLES:
        raise InputError(
            Fault(
                "error",
                "examples",
                None,
                None,
                "There is no such example study.",
                name,
                f"Choose one of: {', '.join(EXAMPLES)}.",
            )
        )
    return Path(str(files("safezone.data") / "examples" / name))


def copy_example(name: str, folder: Path) -> Path:
    """Copy a bundled example study into a folder and return its study file; files that exist are kept.

    Raises
    ------
    InputError
        If there is no such example, or one of its files is already there.
    """
    source = example_path(name)
    names = sorted(path.name for path in source.iterdir() if path.is_file())
    present = [one for one in names if (folder / one).exists()]
    if present:
        raise InputError(
            Fault(
                "error",
                folder.name,
                None,
                None,
                "The folder already has files of the example's names.",
                ", ".join(present),
                "Choose an empty folder, or move these files away.",
            )
        )
    folder.mkdir(parents=True, exist_ok=True)
    for one in names:
        shutil.copyfile(source / one, folder / one)
    return folder / "study.toml"


def write_example(folder: Path) -> Path:
    """Draw the Harbour study again and write its files; returns the study file."""
    from .simulate import Missingness, SimulationDesign, simulate, write_study

    design = SimulationDesign(
        clients=80,
        sessions=(4, 16),
        therapists=12,
        never_started=4,
        rounded=True,
        missing=Missingness(ratings=0.02, client_forms=0.05, therapist_forms=0.08),
    )
    drawn = simulate(design, harbour_truth(), SEED)
    study = write_study(drawn, folder, TITLE)
    with study.open("a", encoding="utf-8", newline="\n") as file:
        file.write(PRINCIPLES)
    started = drawn.clients["left"] != "never started"
    text = README.format(
        seed=SEED,
        sessions=len(drawn.sessions),
        clients=len(drawn.clients),
        never=int((~started).sum()),
        therapists=len(drawn.therapists),
        started=int(started.sum()),
        dropped=int((drawn.clients["left"] == "dropped out").sum()),
    )
    (folder / "README.md").write_text(text, encoding="utf-8", newline="\n")
    return study


def harbour_truth() -> Truth:
    """Return the truth behind the Harbour study: the default theory, with a memory between sessions."""
    from .truth import Truth
    from .truth_parts import Path as Effect

    truth = Truth()
    memory = (Effect("post_session", "post_session", 0.20), Effect("safety", "post_session", 0.30))
    return replace(truth, lagged=(*truth.lagged, *memory), events=replace(truth.events, after_repair=0.3))


if __name__ == "__main__":
    import sys

    if len(sys.argv) != 2:
        sys.exit("Usage: python -m safezone.data.examples FOLDER")
    print(write_example(Path(sys.argv[1])))
