"""Effective sample sizes of a peer's draws, by the same code for every peer and outside the measured time.

``python -m safezone.benchmarks.effective OUT`` reads ``draws.npz`` and ``remarks.json`` of OUT and prints JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def summary(out: Path) -> dict[str, Any]:
    """Return bulk ESS, mean and SD of every parameter, with the peer's remarks.

    Parameters
    ----------
    out
        Folder written by :mod:`safezone.benchmarks.peers`.
    """
    import numpy as np

    found: dict[str, Any] = json.loads((out / "remarks.json").read_text(encoding="utf-8"))
    with np.load(out / "draws.npz") as draws:
        values = {name: draws[name] for name in draws.files}
    found["mean"] = {name: float(np.mean(value)) for name, value in values.items()}
    if all(value.ndim == 2 for value in values.values()):
        from safezone.analysis.diagnostics import quality

        measured = quality(np.stack(list(values.values()), axis=2))
        found["sd"] = {name: float(np.std(value, ddof=1)) for name, value in values.items()}
        bulk = dict(zip(values, (float(ess) for ess in measured["ess_bulk"]), strict=True))
        if found["ess_limit"] is not None:
            bulk = {name: min(ess, found["ess_limit"]) for name, ess in bulk.items()}
        found["ess"] = bulk
        found["ess_min"] = min(bulk.values())
        found["rhat_max"] = float(np.max(measured["rhat"]))
    return found


if __name__ == "__main__":
    print(json.dumps(summary(Path(sys.argv[1]))))
