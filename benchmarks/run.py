"""Measure speed against peers: ``make bench``, or ``python benchmarks/run.py --sizes small --peers safezone,bambi``.

Every measurement is a process of its own, so that imports and compilation count. The first run of a peer starts from
empty compile caches, later ones find what it left. The parent measures wall time, CPU time (user + system, all
threads) and peak memory of the process (``wait4``); effective sample sizes are computed afterwards, by the same code
for every peer. Results are written after each measurement; what a file holds already is kept unless it is measured
again. Nothing else should run on the machine: the load before each measurement is recorded.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from safezone.analysis import provenance
from safezone.benchmarks.generate import SEED, SIZES
from safezone.benchmarks.peers import PEERS
from safezone.benchmarks.table import write_tables

HERE = Path(__file__).resolve().parent
RESULT = HERE / "results" / "speed.json"
R_PEERS = ("brms", "rstanarm", "lme4")
PACKAGES = (*provenance.NUMERICAL, *provenance.SUMMARISING, *provenance.OTHERS, "pyarrow", "bambi", "formulae")


def measure(command: Sequence[str], environment: dict[str, str], limit: float, log: Path) -> dict[str, Any]:
    """Run a command to its end or to the time limit.

    Parameters
    ----------
    command, environment
        What to run.
    limit
        Seconds after which the process group is ended.
    log
        Takes what the command says.

    Returns
    -------
    dict
        ``seconds`` of wall clock, ``cpu`` seconds, ``peak_mb`` and ``status`` (0 fine, negative: a signal,
        ``None``: the limit was reached).
    """
    with log.open("wb") as file:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=file, stderr=subprocess.STDOUT, env=environment, start_new_session=True, cwd=log.parent
        )
        late = False
        while True:
            ended, code, usage = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
            if not late and time.perf_counter() - started > limit:
                late = True
                os.killpg(process.pid, signal.SIGKILL)
            time.sleep(0.005)
        seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(code)  # it was reaped here, not by subprocess
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes there, in kB elsewhere
    return {
        "status": None if late else process.returncode,
        "seconds": round(seconds, 3),
        "cpu": round(usage.ru_utime + usage.ru_stime, 3),
        "peak_mb": round(usage.ru_maxrss * unit / 2**20, 1),
    }


def environment(caches: Path) -> dict[str, str]:
    """Return the environment of a measured process: its own compile caches, byte code allowed."""
    caches.mkdir(parents=True, exist_ok=True)
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    own["NUMBA_CACHE_DIR"] = str(caches / "numba")
    own["PYTENSOR_FLAGS"] = f"base_compiledir={caches / 'pytensor'}"
    return own


def run_peer(peer: str, data: Path, caches: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Measure one run of one peer."""
    with tempfile.TemporaryDirectory(prefix="safezone-bench-") as name:
        out = Path(name)
        log = out / "log.txt"
        numbers = [str(asked.chains), str(asked.draws), str(asked.warmup)]
        if peer in R_PEERS:
            command = ["Rscript", str(HERE / "r" / f"{peer}.R"), str(data / "internal.csv"), *numbers, str(SEED)]
        else:
            command = [sys.executable, "-m", "safezone.benchmarks.peers", peer, str(data), str(out), *numbers]
        load = os.getloadavg()[0]
        found = measure(command, environment(caches), asked.time_limit, log)
        found["load_before"] = round(load, 2)
        status = found.pop("status")
        text = log.read_text(encoding="utf-8", errors="replace")
        if status is None:
            return {**found, "outcome": f"not finished in {asked.time_limit:g} s"}
        if status != 0:
            last = text.strip().splitlines()[-1:] or [""]
            why = "ended by signal 9 (out of memory?)" if status == -signal.SIGKILL else f"exit code {status}"
            return {**found, "outcome": f"failed: {why}: {last[0][:200]}"}
        if peer in R_PEERS:
            brought = json.loads(next(line for line in reversed(text.splitlines()) if line.startswith("{")))
            if "skipped" in brought:
                return {"outcome": f"skipped: {brought['skipped']}"}
        else:
            effective = [sys.executable, "-m", "safezone.benchmarks.effective", str(out)]
            done = subprocess.run(effective, capture_output=True, text=True, check=True, cwd=out)
            brought = json.loads(done.stdout.splitlines()[-1])
        return {**found, **brought, "outcome": "finished"}


def machine() -> dict[str, Any]:
    """Return what kind of machine this is; no names of hosts or people."""
    found: dict[str, Any] = dict(provenance.machine())
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        found["processor"] = next(line for line in lines if line.startswith("model name")).split(":", 1)[1].strip()
    with contextlib.suppress(ValueError, OSError):
        found["memory_gb"] = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    return found


def header(asked: argparse.Namespace) -> dict[str, Any]:
    """Return what a table must say about a run."""
    return {
        "runner": "benchmarks/run.py",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": machine(),
        "versions": dict(provenance.versions(PACKAGES)),
        "settings": {
            "chains": asked.chains, "draws": asked.draws, "warmup": asked.warmup, "seed": SEED,
            "time_limit": asked.time_limit,
        },
    }  # fmt: skip


def record(path: Path, head: dict[str, Any], one: dict[str, Any]) -> None:
    """Write a measurement into the result file, instead of an earlier one of the same thing."""
    before = json.loads(path.read_text(encoding="utf-8"))["measurements"] if path.is_file() else []
    same = ("peer", "size", "state", "repeat")
    kept = [other for other in before if any(other[key] != one[key] for key in same)]
    sizes = {
        name: {"sessions": s.sessions, "clients": s.clients, "therapists": s.therapists} for name, s in SIZES.items()
    }
    content = {"header": head, "sizes": sizes, "measurements": [*kept, one]}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def make_data(folder: Path, size: str) -> Path:
    """Simulate a size in a process of its own: memory of this one would count as that of its children."""
    place = folder / size
    if not (place / "units.parquet").is_file():
        wanted = SIZES[size]
        numbers = [str(n) for n in (wanted.sessions, wanted.clients, wanted.therapists)]
        subprocess.run([sys.executable, "-m", "safezone.benchmarks.generate", str(place), *numbers], check=True)
    return place


def run(asked: argparse.Namespace, work: Path) -> None:
    """Measure everything that is asked for, smallest size first."""
    head = header(asked)
    data = Path(asked.data) if asked.data else work / "data"
    gave_up: dict[str, str] = {}
    begun: set[str] = set()
    for size in asked.sizes:
        place = make_data(data.resolve(), size)
        repeats = asked.repeats if size in ("tiny", "small") else 1
        # Repeats take turns, so that what disturbs the machine for a minute disturbs all peers.
        for repeat in range(repeats + 1):
            for peer in asked.peers:
                state = "later" if peer in begun else "first"
                if (repeat == 0) != (state == "first"):
                    continue
                if peer in gave_up:
                    found = {"outcome": f"not tried: {gave_up[peer]}"}
                elif peer in R_PEERS and shutil.which("Rscript") is None:
                    found = {"outcome": "skipped: Rscript is not on this machine"}
                else:
                    found = run_peer(peer, place, work / "caches" / peer, asked)
                if found["outcome"].startswith(("not finished", "failed")):
                    gave_up[peer] = f"{found['outcome'].split(':')[0]} at {SIZES[size]}"
                begun |= {peer} if repeat == 0 and state == "first" else set()
                one = {"peer": peer, "size": size, "state": state, "repeat": max(repeat, 1), **found}
                record(asked.out, head, one)
                print(f"{datetime.now(UTC):%H:%M:%S} {size} {peer} {state} {repeat}: {described(found)}", flush=True)


def described(found: dict[str, Any]) -> str:
    """Return one line about a measurement."""
    if found["outcome"] != "finished":
        return str(found["outcome"])
    ess = f", smallest bulk ESS {found['ess_min']:.0f}" if "ess_min" in found else ""
    return f"{found['seconds']:.1f} s, {found['cpu']:.1f} CPU s, {found['peak_mb']:.0f} MB{ess}"


def main() -> None:
    """Read the command line and measure."""
    known = (*PEERS, *R_PEERS)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="small,medium,large,huge", help=f"some of {','.join(SIZES)}")
    parser.add_argument("--peers", default=",".join(known), help=f"some of {','.join(known)}")
    parser.add_argument("--repeats", type=int, default=3, help="later runs at the small size (one at larger ones)")
    parser.add_argument("--chains", type=int, default=4)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--warmup", type=int, default=1000)
    parser.add_argument("--time-limit", type=float, default=900.0, help="seconds after which a run is given up")
    parser.add_argument("--data", help="folder that keeps the simulated data; a temporary one by default")
    parser.add_argument("--out", type=Path, default=None, help="result file; a temporary one for tiny")
    asked = parser.parse_args()
    for name, choices in (("sizes", tuple(SIZES)), ("peers", known)):
        chosen = getattr(asked, name).split(",")
        strange = [one for one in chosen if one not in choices]
        if strange:
            parser.error(f"--{name}: {', '.join(strange)} is not one of {', '.join(choices)}")
        setattr(asked, name, chosen)
    asked.sizes.sort(key=list(SIZES).index)
    if asked.out is None:  # a run to see whether everything works must not overwrite results
        asked.out = Path(tempfile.gettempdir()) / "safezone-bench-tiny.json" if "tiny" in asked.sizes else RESULT
    with tempfile.TemporaryDirectory(prefix="safezone-bench-") as work:
        run(asked, Path(work))
    if asked.out.resolve() == RESULT:
        write_tables()
    print(f"Results: {asked.out}")


if __name__ == "__main__":
    main()
