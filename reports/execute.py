"""Run the cells and inline expressions of a document in a fresh kernel of this Python.

Quarto runs a Jupyter document once per format, so that figures come in the format's own kind;
so do we. Nothing is cached: documents only load results.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import sys
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ..data.errors import InputError, SafezoneError
from .metadata import Settings
from .qmd import Cell, Document, Inline, Prose, fault, inlines

if TYPE_CHECKING:
    from nbclient import NotebookClient
    from nbformat import NotebookNode

Output = Mapping[str, object]
TIMEOUT = 600.0
_SETUP_TIMEOUT = 120  # seconds for importing matplotlib on a slow, cold disk
_RUNNING: set[Callable[[], None]] = set()  # how to stop the documents that are running now
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_CELL_LINE = re.compile(r"Cell In\s*\[\d+\], line (\d+)")
_EXCERPT = 14
_SETUP = """\
def __safezone_inline__(thunk):
    from IPython.display import publish_display_data
    data, _ = get_ipython().display_formatter.format(thunk())
    publish_display_data(data)

def __safezone_figure__(width, height, dpi, kind=None):
    import matplotlib
    matplotlib.rcParams["figure.figsize"] = (width, height)
    matplotlib.rcParams["figure.dpi"] = dpi
    matplotlib.rcParams["savefig.dpi"] = "figure"
    matplotlib.rcParams["svg.hashsalt"] = "safezone"
    if kind is not None:
        from matplotlib_inline.backend_inline import set_matplotlib_formats
        stamp = {"svg": {"Date": None}, "png": {"Software": None}}.get(kind, {})
        set_matplotlib_formats(kind, metadata=stamp)
"""


class RenderError(SafezoneError):
    """A report could not be rendered: a cell failed, took too long, or did not typeset."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What one block gave: a cell's outputs, or the values of a prose block's inline expressions."""

    block: Cell | Prose
    outputs: tuple[Output, ...]


@dataclass(frozen=True, slots=True)
class _Step:
    block: Cell | Prose
    code: str
    first_line: int
    inline: tuple[Inline, ...] = ()


def run(
    document: Document,
    settings: Settings,
    parameters: Mapping[str, object],
    *,
    environment: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT,
) -> tuple[Ran, ...]:
    """Run a document for one format.

    Parameters
    ----------
    document
        The parsed document.
    settings
        The merged metadata of the format.
    parameters
        Values that replace those of the cell tagged ``parameters``.
    environment
        Environment variables for the kernel, beside the process's own.
    timeout
        Seconds that one cell may take.

    Returns
    -------
    tuple of Ran
        One entry per block of the document, in order.

    Raises
    ------
    RenderError
        If a cell fails; the message carries file, line, label and an excerpt of the traceback.
    InputError
        If a parameter is unknown to the parameter cell.
    """
    steps = _steps(document, settings, parameters)
    if not any(step.code for step in steps):
        return tuple(Ran(step.block, ()) for step in steps)
    return _in_thread(_run(document, settings, parameters, steps, environment or {}, timeout))


def _in_thread(work: Coroutine[object, object, tuple[Ran, ...]]) -> tuple[Ran, ...]:
    """Run in a thread of its own: the caller may sit in a notebook whose event loop is running."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    loop = asyncio.new_event_loop()

    def drive() -> tuple[Ran, ...]:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            return runner.run(work)

    def stop() -> None:
        for task in asyncio.all_tasks(loop):
            task.cancel()

    def cancel() -> None:
        with contextlib.suppress(RuntimeError):  # it has just ended
            loop.call_soon_threadsafe(stop)

    with ThreadPoolExecutor(1) as pool:
        _RUNNING.add(cancel)
        future = pool.submit(drive)
        try:
            return future.result()
        except KeyboardInterrupt:
            # The kernel has a session of its own and does not hear Ctrl-C; cancelling stops it.
            cancel()
            raise
        finally:
            _RUNNING.discard(cancel)


def stop_all() -> None:
    """Stop every document that is running in this process: Ctrl-C reaches the main thread only."""
    for cancel in tuple(_RUNNING):
        cancel()


def option(cell: Cell, settings: Settings, name: str, default: object) -> object:
    """Return a cell option, or the document's default for it."""
    return cell.options.get(name, settings.execute.get(name, default))


def _steps(document: Document, settings: Settings, parameters: Mapping[str, object]) -> tuple[_Step, ...]:
    if parameters:
        _check_parameters(document, parameters)
    steps: list[_Step] = []
    for block in document.blocks:
        if isinstance(block, Cell):
            wanted = option(block, settings, "eval", True) is not False
            steps.append(_Step(block, block.source if wanted else "", block.code_line))
        else:
            found = inlines(block)
            code = "\n".join(f"__safezone_inline__(lambda: ({inline.expression}))" for inline in found)
            steps.append(_Step(block, code, 0, found))
    return tuple(steps)


def _check_parameters(document: Document, parameters: Mapping[str, object]) -> None:
    import ast

    for block in document.blocks:
        if isinstance(block, Cell) and "parameters" in block.tags:
            tree = ast.parse(block.source)
            known = sorted(
                {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
            )
            faults = [
                fault(
                    block.file, block.line, "parameters", f"The parameter cell has no `{name}`.", name,
                    f"Use one of: {', '.join(known) or 'none'}.",
                )
                for name in parameters
                if name not in known
            ]  # fmt: skip
            if faults:
                raise InputError(*faults)
            return
    raise InputError(
        fault(
            document.path.name, None, "parameters", "The document has no cell tagged `parameters`.",
            ", ".join(parameters), "Add a cell with `#| tags: [parameters]`.",
        )
    )  # fmt: skip


async def _run(
    document: Document,
    settings: Settings,
    parameters: Mapping[str, object],
    steps: tuple[_Step, ...],
    environment: Mapping[str, str],
    timeout: float,
) -> tuple[Ran, ...]:
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    with tempfile.TemporaryDirectory(prefix="safezone-kernel-") as scratch:
        _write_kernel(Path(scratch))
        info = Path(scratch) / "execute-info.json"
        info.write_text(json.dumps(_execute_info(document, settings)), encoding="utf-8")
        specs = KernelSpecManager(kernel_dirs=[scratch], ensure_native_kernel=False)
        manager = AsyncKernelManager(kernel_name="safezone", kernel_spec_manager=specs)
        notebook = _node(cells=[], metadata={}, nbformat=4, nbformat_minor=5)
        client = NotebookClient(
            notebook,
            km=manager,
            timeout=_SETUP_TIMEOUT,
            allow_errors=True,
            shutdown_kernel="immediate",
            resources={"metadata": {"path": str(settings.folder)}},
        )
        variables = {
            **os.environ,
            **environment,
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "QUARTO_EXECUTE_INFO": str(info),
        }
        with Path(os.devnull).open("w") as nowhere:
            async with client.async_setup_kernel(env=variables, stderr=nowhere, cleanup_kc=True):
                await _execute(client, _SETUP + _figure_call(settings, None))
                client.timeout = math.ceil(timeout)
                ran = []
                for step in steps:
                    ran.append(Ran(step.block, await _step(client, step, settings, parameters, timeout)))
    return tuple(ran)


async def _step(
    client: NotebookClient, step: _Step, settings: Settings, parameters: Mapping[str, object], timeout: float
) -> tuple[Output, ...]:
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    if not step.code:
        return ()
    cell = step.block if isinstance(step.block, Cell) else None
    sized = cell is not None and {"fig-width", "fig-height"} & set(cell.options)
    try:
        if sized:
            await _execute(client, _figure_call(settings, cell))
        outputs = await _execute(client, step.code)
        if sized:
            await _execute(client, _figure_call(settings, None))
        if cell is not None and "parameters" in cell.tags and parameters:
            outputs += await _execute(client, "\n".join(f"{name} = {value!r}" for name, value in parameters.items()))
    except CellTimeoutError:
        raise RenderError(
            f"{_where(step, 1)}: the cell took longer than {timeout:.0f} seconds and was stopped."
        ) from None
    except DeadKernelError:
        raise RenderError(
            f"{_where(step, 1)}: the Python process of the report died here (out of memory, or a crash in a library)."
        ) from None
    allowed = cell is not None and option(cell, settings, "error", False) is True
    for output in outputs:
        if output.get("output_type") == "error" and not allowed:
            raise RenderError(_failure(step, output))
    if step.inline:
        shown = tuple(output for output in outputs if output.get("output_type") == "display_data")
        if len(shown) != len(step.inline):
            raise RenderError(f"{_where(step, 1)}: an inline expression printed instead of giving one value.")
        return shown
    return outputs


def _node(**fields: object) -> NotebookNode:
    import nbformat

    from_dict: Callable[[dict[str, object]], NotebookNode] = nbformat.from_dict
    return from_dict(fields)


async def _execute(client: NotebookClient, code: str) -> tuple[Output, ...]:
    name = f"cell-{len(client.nb.cells)}"
    cell = _node(id=name, cell_type="code", metadata={}, execution_count=None, source=code, outputs=[])
    client.nb.cells.append(cell)
    await client.async_execute_cell(cell, len(client.nb.cells) - 1)
    return tuple(cast("list[Output]", cell.outputs))


def _figure_call(settings: Settings, cell: Cell | None) -> str:
    options = cell.options if cell is not None else {}
    width = options.get("fig-width", settings.number("fig-width", 6.5))
    height = options.get("fig-height", settings.number("fig-height", 4.0))
    kind = settings.text("fig-format", "png" if settings.target == "docx" else "svg")
    dpi = settings.number("fig-dpi", 300 if kind == "png" else 96)
    last = "" if cell is not None else f", {kind!r}"
    return f"\n__safezone_figure__({width!r}, {height!r}, {dpi!r}{last})\n"


def _write_kernel(folder: Path) -> None:
    kernel = folder / "safezone"
    kernel.mkdir()
    argv = [
        sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}",
        "--HistoryManager.enabled=False", "--InteractiveShell.colors=nocolor",
    ]  # fmt: skip
    (kernel / "kernel.json").write_text(
        json.dumps({"argv": argv, "display_name": "safezone", "language": "python"}), encoding="utf-8"
    )


def _execute_info(document: Document, settings: Settings) -> dict[str, object]:
    """Return what Quarto tells a kernel about the format, so that code can ask in both renderers."""
    return {
        "document-path": str(document.path),
        "format": {
            "identifier": {"target-format": settings.target, "base-format": settings.target},
            "pandoc": {"to": settings.target},
        },
    }


def _where(step: _Step, code_line: int) -> str:
    if isinstance(step.block, Cell):
        label = f" (cell `{step.block.label}`)" if step.block.label else ""
        return f"{step.block.file}:{step.first_line + code_line - 1}{label}"
    inline = step.inline[min(code_line, len(step.inline)) - 1]
    return f"{inline.file}:{inline.line} (inline `{inline.expression}`)"


def _failure(step: _Step, output: Output) -> str:
    trace = [_ANSI.sub("", str(entry)) for entry in cast("list[object]", output.get("traceback", []))]
    text = "\n".join(trace)
    lines = [int(match) for match in _CELL_LINE.findall(text)]
    message = f"{output.get('ename')}: {output.get('evalue')}"
    excerpt = "\n".join(f"    {line}" for line in text.splitlines()[-_EXCERPT:])
    return f"{_where(step, lines[0] if lines else 1)}: {message}\n{excerpt}"
