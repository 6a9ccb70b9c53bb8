"""What is kept of a task's replications, and the tables of README.md."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from . import bands, tasks
from .summary import summarise


def dump(content: dict[str, Any]) -> str:
    """Return JSON with one line per list or table row: small, and readable in a diff."""
    parts: list[str] = []
    for key, value in content.items():
        if isinstance(value, dict):
            lines = ",\n".join(f"    {json.dumps(k)}: {json.dumps(v)}" for k, v in value.items())
            parts.append(f"  {json.dumps(key)}: {{\n{lines}\n  }}")
        else:
            lines = ",\n".join(f"    {json.dumps(v)}" for v in value)
            parts.append(f"  {json.dumps(key)}: [\n{lines}\n  ]" if lines else f"  {json.dumps(key)}: []")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def content(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what is committed of a task."""
    errors = [row["error"] for row in rows if "error" in row]
    good = [row for row in rows if "error" not in row]
    if name.startswith("sbc-"):
        return _ranks(good) | {"errors": errors}
    samplers = {sampler: sum(row["sampler"] == sampler for row in good) for sampler in ("importance", "nuts", "pymc")}
    rounded = [
        {key: round(float(value), 4) if isinstance(value, float | np.floating) else value for key, value in row.items()}
        for row in summarise(name.partition("-")[2], tasks.truth_of(name), good)
    ]
    return {"samplers": samplers, "estimands": rounded, "errors": errors}


def _ranks(rows: list[dict[str, Any]]) -> dict[str, Any]:
    names = list(rows[0]["ranks"])
    return {
        "run": {
            "ranked_among": 100,
            "accepted": [int(row["accepted"]) for row in rows],
            "pareto_k": [row["pareto_k"] if row["pareto_k"] == row["pareto_k"] else None for row in rows],
            "ess": [row["ess"] for row in rows],
            "divergences": sum(row["divergences"] for row in rows),
        },
        "ranks": {name: [row["ranks"][name] for row in rows] for name in names},
    }


def read(name: str) -> dict[str, Any]:
    """Return the committed results of a task."""
    found: dict[str, Any] = json.loads((tasks.RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def p_values(found: dict[str, Any], *, accepted_only: bool = True) -> tuple[dict[str, float], int]:
    """Return the simultaneous p-value of every quantity, and how many replications it rests on."""
    keep = np.array(found["run"]["accepted"], dtype=bool)
    if not accepted_only:
        keep[:] = True
    draws = found["run"]["ranked_among"]
    matrix = np.array(list(found["ranks"].values()))[:, keep]
    null = bands.reference(matrix.shape[1], draws)
    values = bands.p_value(bands.statistic(matrix, draws), null)
    return dict(zip(found["ranks"], values.tolist(), strict=True)), int(keep.sum())


def tables() -> str:
    """Return the tables of README.md."""
    return "\n\n".join([sbc_table(), recovery_table(), chain_table()])


def sbc_table() -> str:
    """Return one line per SBC task."""
    lines = [
        "| model | sampler | replications | kept | quantities | outside | smallest p | Bonferroni | ESS | errors |",
        "|---|---|---:|---:|---:|---:|---|---:|---:|---:|",
    ]
    for path in sorted(tasks.RESULTS.glob("sbc-*.json")):
        found = read(path.stem)
        _, model, method = path.stem.split("-")
        if sum(found["run"]["accepted"]) < 20:
            continue
        values, count = p_values(found)
        worst = min(values, key=lambda name: values[name])
        outside = sum(value < 0.05 for value in values.values())
        lines.append(
            f"| {model} | {method} | {found['header']['replications']} | {count} | {len(values)} | {outside} | "
            f"{values[worst]:.3f} ({worst}) | {min(1.0, values[worst] * len(values)):.2f} | "
            f"{np.median(found['run']['ess']):.0f} | {len(found['errors'])} |"
        )
    return "\n".join(lines)


def recovery_table() -> str:
    """Return one line per scenario and estimand."""
    lines = [
        "| scenario | estimand | true | bias (SD) | RMSE (SD) | coverage % | width (SD) |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for name in tasks.tasks():
        if not name.startswith("recovery-") or not (tasks.RESULTS / f"{name}.json").exists():
            continue
        if name.startswith("recovery-chain_"):  # some 170 estimands: see chain_table
            continue
        found = read(name)
        for i, row in enumerate(found["estimands"]):
            title = f"{row['scenario']} ({row['replications']})" if i == 0 else ""
            lines.append(
                f"| {title} | {row['estimand']} | {row['true']:.3f} | {row['bias']:+.3f} ± {row['bias_mcse']:.3f} | "
                f"{row['rmse']:.3f} | {100 * row['coverage']:.0f} ± {100 * row['coverage_mcse']:.0f} | "
                f"{row['width']:.2f} |"
            )
    return "\n".join(lines)


def chain_table() -> str:
    """Return one line per size of study, kind of effect and level of the chain: means, ranges, median width."""
    lines = [
        "| scenario | effects | count | bias (SD) | its range | coverage % | lowest | width (SD) |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for path in sorted(tasks.RESULTS.glob("recovery-chain_*.json")):
        found = read(path.stem)
        groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for row in found["estimands"]:
            kind, level, _ = row["estimand"].split(".", 2)
            groups.setdefault((level, kind), []).append(row)
        for i, ((level, kind), rows) in enumerate(groups.items()):
            title = f"{rows[0]['scenario']} ({rows[0]['replications']})" if i == 0 else ""
            bias, coverage, width = (np.array([row[key] for row in rows]) for key in ("bias", "coverage", "width"))
            lines.append(
                f"| {title} | {kind}, {level} | {len(rows)} | {bias.mean():+.3f} | "
                f"{bias.min():+.3f} to {bias.max():+.3f} | "
                f"{100 * coverage.mean():.0f} | {100 * coverage.min():.0f} | {np.median(width):.2f} |"
            )
    return "\n".join(lines)
