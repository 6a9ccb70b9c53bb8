"""The summary of the committed calibration that ships in the package and that supplements print.

``python tests/calibration/packaged.py`` writes ``reports/calibration.toml``; a test compares it with the results.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))  # this folder is imported as the package `calibration`, as its tests see it

from calibration import report, tasks  # type: ignore[import-not-found]  # noqa: E402 - see the line above

TARGET = HERE.parents[1] / "reports" / "calibration.toml"
GENERATOR = "tests/calibration/packaged.py"
KINDS = ("variance", "growth", "within_between", "congruence", "chain", "dyad", "final")
ALIASES = {"contextual": "within_between", "lagged": "within_between"}
ASIDE = ("observed", "audit")
"""Cases that show the bias of observed means, which is what they are there for."""
FEWEST = 20
"""Accepted replications below which ranks say nothing."""


def kind_of(case: str) -> str | None:
    """Return the catalogue's kind that a case is about; ``None`` for cases about families and about observed means."""
    if any(name in case for name in ASIDE):
        return None
    known = {**{kind: kind for kind in KINDS}, **ALIASES}
    return next((known[name] for name in known if case == name or case.startswith(f"{name}_")), None)


def entries() -> list[dict[str, Any]]:
    """Return one record per committed result, in the order of their names."""
    found = []
    for path in sorted(tasks.RESULTS.glob("*.json")):
        check, _, rest = path.stem.partition("-")
        case, _, method = rest.partition("-")
        kind = kind_of(case)
        if check not in {"sbc", "recovery"} or kind is None:
            continue
        content = report.read(path.stem)
        head = content["header"]
        common = {"check": check, "kind": kind, "case": case, "replications": head["replications"],
                  "seed": head["seed"], "date": head["date"]}  # fmt: skip
        found.append({**common, **(_ranks(content, method) if check == "sbc" else _recovery(content))})
    return [one for one in found if one.get("kept", FEWEST) >= FEWEST]


def _ranks(content: dict[str, Any], method: str) -> dict[str, Any]:
    kept = sum(content["run"]["accepted"])
    if kept < FEWEST:
        return {"kept": kept}
    values, count = report.p_values(content)
    smallest = min(values.values())
    return {
        "sampler": method, "kept": count, "quantities": len(values),
        "outside": sum(value < 0.05 for value in values.values()), "p": round(min(1.0, smallest * len(values)), 2),
    }  # fmt: skip


def _recovery(content: dict[str, Any]) -> dict[str, Any]:
    rows = content["estimands"]
    coverage = np.array([row["coverage"] for row in rows])
    bias = np.abs([row["bias"] for row in rows])
    return {
        "estimands": len(rows), "typical": round(float(np.median(bias)), 3), "bias": round(float(bias.max()), 3),
        "coverage": round(float(coverage.mean()), 3), "lowest": round(float(coverage.min()), 3),
    }  # fmt: skip


def toml(records: list[dict[str, Any]]) -> str:
    """Return the records as TOML."""
    head = f"# Written by {GENERATOR} from tests/calibration/results; not edited by hand.\n"
    parts = ["[[result]]\n" + "\n".join(f"{key} = {_value(value)}" for key, value in one.items()) for one in records]
    return f'{head}\ngenerator = "{GENERATOR}"\n\n' + "\n\n".join(parts) + "\n"


def _value(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


if __name__ == "__main__":
    TARGET.write_text(toml(entries()), encoding="utf-8")
