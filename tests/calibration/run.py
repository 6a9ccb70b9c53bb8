"""Run the calibration and write its results: ``make calibrate`` or ``python tests/calibration/run.py [TASK …]``.

Replications run in two processes and are written down one by one (``.partial/``), so that a run that was
stopped goes on where it was. A task whose results are up to date (same generator, enough replications) is left
alone. ``--list`` shows the tasks, ``--tables`` prints the tables of README.md from the committed results.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # this folder is imported as the package `calibration`, as its tests see it

from calibration import report, tasks  # type: ignore[import-not-found]  # noqa: E402 - see the line above

PARTIAL = HERE / ".partial"


def replicate(name: str, replication: int) -> dict[str, Any]:
    """Run one replication; a failure is a result."""
    started = time.perf_counter()
    try:
        row: dict[str, Any] = tasks.tasks()[name].replicate(replication)
    except Exception as error:  # noqa: BLE001 - what went wrong is counted and reported, not hidden
        row = {"replication": replication, "error": f"{type(error).__name__}: {error}"}
    row["seconds"] = round(time.perf_counter() - started, 2)
    return row


def up_to_date(task: tasks.Task) -> bool:
    """Whether the committed results are from this generator and complete."""
    if not task.result.exists():
        return False
    header = json.loads(task.result.read_text())["header"]
    return bool(header["generator"] == task.generator and header["replications"] >= task.replications)


def run(chosen: list[tasks.Task], processes: int) -> None:
    """Run tasks one after the other, their replications side by side."""
    PARTIAL.mkdir(exist_ok=True)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        for task in chosen:
            path = PARTIAL / f"{task.name}-{task.generator}.jsonl"
            rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
            done = {row["replication"] for row in rows}
            waiting = [pool.submit(replicate, task.name, n) for n in range(task.replications) if n not in done]
            with path.open("a", encoding="utf-8") as file:
                for future in as_completed(waiting):
                    rows.append(future.result())
                    file.write(json.dumps(rows[-1]) + "\n")
                    file.flush()
            write(task, sorted(rows, key=lambda row: row["replication"]), processes)
            print(f"{datetime.now(UTC):%H:%M} {task.name}: {len(rows)} replications", flush=True)


def write(task: tasks.Task, rows: list[dict[str, Any]], processes: int) -> None:
    """Write a result file: a header that says where it comes from, and what the table needs."""
    import platform
    import subprocess
    from importlib.metadata import version

    git = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=HERE, check=False)
    header = {
        "task": task.name,
        "generator": task.generator,
        "runner": "tests/calibration/run.py",
        "seed": task.seed,
        "replications": len(rows),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "safezone": version("safezone"),
        "commit": os.environ.get("SAFEZONE_COMMIT", git.stdout.strip()),
        "versions": {name: version(name) for name in ("numpy", "numba", "nutpie", "arviz-stats")},
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "python": platform.python_version(),
        "elapsed_seconds": round(sum(row["seconds"] for row in rows)),
        "processes": processes,
    }
    task.result.parent.mkdir(exist_ok=True)
    task.result.write_text(report.dump({"header": header, **report.content(task.name, rows)}), encoding="utf-8")


def main() -> None:
    """Read the command line and run what is asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", nargs="*", help="names of tasks, or beginnings of names; all by default")
    parser.add_argument("--list", action="store_true", help="list the tasks")
    parser.add_argument("--tables", action="store_true", help="print the tables of README.md")
    parser.add_argument("--force", action="store_true", help="run again although the results are up to date")
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    every = tasks.tasks()
    if asked.tables:
        print(report.tables())
        return
    chosen = [task for name in asked.task or [""] for task in every.values() if task.name.startswith(name)]
    if asked.list:
        for task in chosen:
            print(f"{task.name:55} {task.replications:4} replications  {'done' if up_to_date(task) else ''}")
        return
    run([task for task in chosen if asked.force or not up_to_date(task)], asked.processes)


if __name__ == "__main__":
    main()
