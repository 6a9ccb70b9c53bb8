"""Progress on stderr: bars for a terminal, plain lines for a log, one updating line for a notebook."""

from __future__ import annotations

import html
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, TextIO

if TYPE_CHECKING:
    from rich.progress import TaskID


class Progress(Protocol):
    """Who is told how far a fit is. Calls may come from another thread."""

    def start(self, model: str, *, chains: int, draws: int) -> None:
        """Begin a model: so many chains of so many draws, warm-up included."""

    def phase(self, text: str) -> None:
        """Say what is going on besides sampling (``compiling``, ``summarising``)."""

    def update(self, done: Sequence[int], divergences: int) -> None:
        """Draws done per chain, and divergent transitions so far."""

    def finish(self, text: str) -> None:
        """End the model with its verdict."""

    def say(self, text: str) -> None:
        """Say something that belongs to no model."""


class Silent:
    """Says nothing."""

    def start(self, model: str, *, chains: int, draws: int) -> None:
        """Do nothing."""

    def phase(self, text: str) -> None:
        """Do nothing."""

    def update(self, done: Sequence[int], divergences: int) -> None:
        """Do nothing."""

    def finish(self, text: str) -> None:
        """Do nothing."""

    def say(self, text: str) -> None:
        """Do nothing."""


class Log:
    """Plain lines without control codes: one per tenth of the draws, at most one every few seconds.

    Parameters
    ----------
    stream
        Where the lines go.
    every
        Least number of seconds between two lines about draws.
    """

    def __init__(self, stream: TextIO, every: float = 3.0) -> None:
        self._stream = stream
        self._every = every
        self._model = ""
        self._total = 1
        self._tenth = 0
        self._last = 0.0

    def start(self, model: str, *, chains: int, draws: int) -> None:
        """Name the model and the size of the task."""
        task = (model, max(chains * draws, 1))
        if task != (self._model, self._total):
            self._line(f"{model}: {chains} chains of {draws} draws")
        (self._model, self._total), self._tenth, self._last = task, 0, 0.0

    def phase(self, text: str) -> None:
        """Write the phase as a line."""
        self._line(f"{self._model}: {text}")

    def update(self, done: Sequence[int], divergences: int) -> None:
        """Write a line when another tenth is done and the last line is old enough."""
        tenth, now = 10 * sum(done) // self._total, time.monotonic()
        if tenth > self._tenth and (now - self._last >= self._every or tenth >= 10):
            self._tenth, self._last = tenth, now
            self._line(f"{self._model}: {10 * tenth} % of draws{_divergences(divergences)}")

    def finish(self, text: str) -> None:
        """Write the verdict as a line."""
        self._line(f"{self._model}: {text}")

    def say(self, text: str) -> None:
        """Write a line."""
        self._line(text)

    def _line(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


class Terminal:
    """A live bar per model, drawn by Rich.

    Parameters
    ----------
    stream
        A terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        self._console = Console(file=stream)
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", style="dim"),
            console=self._console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._model = ""

    def start(self, model: str, *, chains: int, draws: int) -> None:
        """Draw an empty bar."""
        self._stop()
        self._model = model
        self._task = self._bars.add_task(model, total=max(chains * draws, 1), note="")
        self._bars.start()

    def phase(self, text: str) -> None:
        """Write the phase beside the bar."""
        if self._task is not None:
            self._bars.update(self._task, note=text)

    def update(self, done: Sequence[int], divergences: int) -> None:
        """Move the bar."""
        if self._task is not None:
            note = f"{len(done)} chains{_divergences(divergences)}"
            self._bars.update(self._task, completed=sum(done), note=note)

    def finish(self, text: str) -> None:
        """Replace the bar by one line with the verdict."""
        self._stop()
        self._console.print(f"{self._model}: {text}", highlight=False, markup=False)

    def say(self, text: str) -> None:
        """Write a line."""
        self._console.print(text, highlight=False, markup=False)

    def _stop(self) -> None:
        if self._task is not None:
            self._bars.stop()
            self._bars.remove_task(self._task)
            self._task = None


class Notebook:
    """One display per model that is updated in place."""

    def __init__(self) -> None:
        self._model = ""
        self._total = 1
        self._done = 0
        self._handle: object = None

    def start(self, model: str, *, chains: int, draws: int) -> None:
        """Show an empty bar."""
        self._model, self._total, self._done = model, max(chains * draws, 1), 0
        self._handle = _ipython().display(_ipython().HTML(self._html("")), display_id=True)

    def phase(self, text: str) -> None:
        """Write the phase beside the bar."""
        self._show(text)

    def update(self, done: Sequence[int], divergences: int) -> None:
        """Move the bar."""
        self._done = sum(done)
        self._show(f"{len(done)} chains{_divergences(divergences)}")

    def finish(self, text: str) -> None:
        """Write the verdict beside the full bar."""
        self._done = self._total
        self._show(text)

    def say(self, text: str) -> None:
        """Write a line."""
        sys.stderr.write(text + "\n")

    def _show(self, note: str) -> None:
        update = getattr(self._handle, "update", None)
        if update is not None:
            update(_ipython().HTML(self._html(note)))

    def _html(self, note: str) -> str:
        name, note = html.escape(self._model), html.escape(note)
        return f'<div>{name} <progress max="{self._total}" value="{self._done}"></progress> {note}</div>'


def _ipython() -> Any:
    import IPython.display

    return IPython.display


def progress_for(stream: TextIO | None = None, *, quiet: bool = False) -> Progress:
    """Return the progress that suits where we are.

    Parameters
    ----------
    stream
        Where progress goes; stderr by default.
    quiet
        Say nothing.

    Returns
    -------
    Progress
        A notebook display in a Jupyter kernel, bars in a terminal, plain lines elsewhere.
    """
    stream = sys.stderr if stream is None else stream
    if quiet:
        return Silent()
    if _in_notebook():
        return Notebook()
    return Terminal(stream) if stream.isatty() else Log(stream)


def _in_notebook() -> bool:
    """Whether this is a Jupyter kernel; asks IPython only where somebody imported it."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


def _divergences(count: int) -> str:
    return f", {count} divergent" if count else ""
