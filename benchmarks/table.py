"""Render the committed results into README.md, between its markers: ``python benchmarks/table.py``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).resolve().parent
README = HERE / "README.md"

# What a row is called and what is said beside it. A tuple: (name, remark).
NAMES = {
    "safezone": ("safezone, `sz.fit` on CSV", "with checks, LOO, cross-check and store"),
    "safezone-parquet": ("safezone, `sz.fit` on Parquet", "the same"),
    "safezone-importance": ("safezone, importance sampling", "read, build, sample"),
    "safezone-nuts": ("safezone, NUTS", "read, build, sample"),
    "safezone-batches": ("safezone, Parquet in batches", "never holds the table; sampler `auto`"),
    "bambi": ("Bambi + nutpie", "effects uncorrelated: 10 of 12 parameters"),
    "pymc": ("PyMC + nutpie, by hand", "non-centred"),
    "safezone-pymc": ("safezone's PyMC twin + nutpie", "non-centred; read, build, sample"),
    "mixedlm": ("statsmodels MixedLM", "REML, no posterior; clients' effects uncorrelated"),
    "brms": ("brms", "non-centred, by Stan"),
    "rstanarm": ("rstanarm", "decov priors, not the same"),
    "lme4": ("lme4", "REML, no posterior"),
}
OURS = ("safezone", "safezone-parquet", "safezone-importance", "safezone-nuts", "safezone-batches")
PEERS = ("bambi", "pymc", "brms", "rstanarm")
"""Whose effective draws per second the goal is measured by; safezone's own twin is no peer."""
REFERENCE = "safezone-nuts"
GOAL = 20.0


def speed_tables(content: Mapping[str, Any]) -> str:
    """Return the tables of a result file of ``run.py`` as Markdown.

    Parameters
    ----------
    content
        The JSON document.
    """
    parts = [machine_line(content["header"]), settings_line(content["header"])]
    for size, numbers in content["sizes"].items():
        mine = [one for one in content["measurements"] if one["size"] == size]
        if not mine:
            continue
        title = ", ".join(f"{numbers[unit]:,} {unit}" for unit in ("sessions", "clients", "therapists"))
        rows = [row(peer, mine) for peer in NAMES if any(one["peer"] == peer for one in mine)]
        parts += [f"### {title}", markdown(HEADINGS, rows), goal_line(mine)]
    return "\n\n".join(part for part in parts if part)


HEADINGS = (
    "", "first run, s", "later run, s", "CPU, s", "smallest bulk ESS", "ESS per s", "ESS per s, first run", "peak, MB",
    "Δ mean", "remark",
)  # fmt: skip


def row(peer: str, measurements: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return one peer's row: medians of its later runs, and its first run."""
    mine = [one for one in measurements if one["peer"] == peer]
    name, remark = NAMES[peer]
    done = [one for one in mine if one["outcome"] == "finished"]
    later = [one for one in done if one["state"] == "later"]
    first = [one for one in done if one["state"] == "first"]
    if not done:
        return [name, *[""] * (len(HEADINGS) - 2), next(one["outcome"] for one in mine)]
    shown = later or first
    samplers = {one["sampler"] for one in shown if one.get("sampler") not in (None, "nuts", "pymc", "REML")}
    extra = [
        text for text in ({one.get("remark") or "" for one in shown} - {"trusted"}) if text and peer != "safezone-pymc"
    ]
    return [
        name,
        number(seconds(first)),
        number(seconds(later)),
        number(median(one["cpu"] for one in shown)),
        number(middle(shown, "ess_min")),
        number(rate(later)),
        number(rate(first)),
        f"{median(one['peak_mb'] for one in shown):,.0f}",
        distance(shown[0], reference(measurements)),
        "; ".join([remark, *sorted(samplers), *sorted(extra)]),
    ]


def seconds(runs: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the median wall time of finished runs."""
    return median(one["seconds"] for one in runs) if runs else None


def middle(runs: Sequence[Mapping[str, Any]], key: str) -> float | None:
    """Return the median of a number that not every peer has."""
    values = [one[key] for one in runs if one.get(key) is not None]
    return median(values) if values else None


def rate(runs: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the median over runs of smallest bulk ESS per second of wall time."""
    values = [one["ess_min"] / one["seconds"] for one in runs if one.get("ess_min") is not None]
    return median(values) if values else None


def reference(measurements: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the run that posterior means are compared with."""
    runs = [one for one in measurements if one["peer"] == REFERENCE and one["outcome"] == "finished"]
    return runs[-1] if runs else None


def distance(one: Mapping[str, Any], other: Mapping[str, Any] | None) -> str:
    """Return the largest difference of posterior means (or estimates), in posterior SDs, and where it is."""
    if other is None or one["peer"] == REFERENCE or not one.get("mean"):
        return ""
    gaps = {name: abs(value - other["mean"][name]) / other["sd"][name] for name, value in one["mean"].items()}
    worst = max(gaps, key=lambda name: gaps[name])
    return f"{gaps[worst]:.2f} ({worst})"


def goal_line(measurements: Sequence[Mapping[str, Any]]) -> str:
    """Return how far the goal is met: safezone's ESS per second over that of the best peer."""
    sentences = []
    for words, state in (("Later runs", "later"), ("First runs, with all compilation", "first")):
        rates = {
            peer: rate([one for one in measurements if one["peer"] == peer and one["state"] == state
                        and one["outcome"] == "finished"])
            for peer in (*OURS, *PEERS)
        }  # fmt: skip
        best = {peer: value for peer, value in rates.items() if peer in PEERS and value}
        mine = {peer: value for peer, value in rates.items() if peer in OURS and value}
        if not best or not mine:
            continue
        strongest = max(best, key=lambda peer: best[peer])
        ratios = ", ".join(f"{NAMES[peer][0]} {value / best[strongest]:.3g} ×" for peer, value in mine.items())
        sentences.append(f"{words}: ESS per second over that of the best peer ({NAMES[strongest][0]}): {ratios}.")
    if sentences:
        sentences.append(f"The goal is {GOAL:g} ×.")
    return " ".join(sentences)


def machine_line(header: Mapping[str, Any]) -> str:
    """Return machine and versions in a sentence."""
    about = header["machine"]
    parts = [
        about.get("processor", about["machine"]), f"{about['cores']} cores",
        *([f"{about['memory_gb']} GB"] if "memory_gb" in about else []),
        about["system"], f"Python {about['python']}",
    ]  # fmt: skip
    versions = ", ".join(f"{name} {text}" for name, text in header["versions"].items() if text != "absent")
    return f"{header['date']}; {', '.join(parts)}; {versions}."


def settings_line(header: Mapping[str, Any]) -> str:
    """Return the samplers' settings in a sentence."""
    one = header["settings"]
    return (
        f"{one['chains']} chains of {one['draws']:,} draws after {one['warmup']:,} of warm-up; a run is given up after "
        f"{one['time_limit']:g} s."
    )


def kernel_tables(content: Mapping[str, Any]) -> str:
    """Return the tables of a result file of ``kernel.py`` as Markdown."""
    headings = ("responses V", "effects q", "parameters", "clients", "µs per gradient", "µs per client and gradient")
    rows = [
        [str(one["responses"]), str(one["effects"]), str(one["parameters"]), f"{one['clients']:,}",
         number(one["gradient_us"]), f"{one['gradient_us'] / one['clients']:.3f}"]
        for one in content["gradients"]
    ]  # fmt: skip
    starts = [[name, number(value)] for name, value in content["starts"].items()]
    return "\n\n".join(
        [machine_line(content["header"]), markdown(headings, rows), markdown(("start", "seconds"), starts)]
    )


def chain_table(content: Mapping[str, Any]) -> str:
    """Return the table of the result file of ``chain.py`` as Markdown."""
    one = content["chain"]
    size = f"{one['clients']} clients × {one['sessions']} sessions × {one['therapists']} therapists"
    rows = [
        ["responses, parameters, paths", f"{one['responses']}, {one['parameters']}, {one['paths']}"],
        ["sampler", f"{one['sampler']}, {one['chains']} chains of {one['draws']:,} draws after {one['warmup']:,}"],
        ["wall, s", number(one["seconds"])],
        ["CPU of all threads, s", number(one["cpu_seconds"])],
        ["load of the machine before (two cores)", number(content["header"]["load_before"])],
        ["smallest bulk ESS of a path", f"{one['ess_min']:,} ({one['ess_min_path']})"],
        ["smallest bulk ESS of an indirect or total effect", f"{one['ess_min_indirect']:,}"],
        ["CPU s per 400 effective draws of the slowest path", number(400 * one["cpu_seconds"] / one["ess_min"])],
        ["divergences", str(one["divergences"])],
    ]
    return "\n\n".join([machine_line(content["header"]), markdown((size, ""), rows)])


def number(value: float | None) -> str:
    """Return a number with three digits that matter, or nothing."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def markdown(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table, numbers to the right."""
    rule = [":--", *["--:"] * (len(headings) - 1)]
    if headings[-1] == "remark":
        rule[-1] = ":--"
    return "\n".join("| " + " | ".join(line) + " |" for line in (headings, rule, *rows))


def replaced(text: str, name: str, content: str) -> str:
    """Return a text with what stands between ``<!-- NAME -->`` and ``<!-- /NAME -->`` replaced."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if begin not in text or end not in text:
        raise ValueError(f"README.md lacks the markers {begin} and {end}.")
    before, rest = text.split(begin, 1)
    return f"{before}{begin}\n{content}\n{end}{rest.split(end, 1)[1]}"


def write_tables(readme: Path = README, results: Path = HERE / "results") -> None:
    """Bring README.md up to date with the result files that are there."""
    text = readme.read_text(encoding="utf-8")
    for name, render in (("speed", speed_tables), ("kernel", kernel_tables), ("chain", chain_table)):
        path = results / f"{name}.json"
        if path.is_file():
            text = replaced(text, name, render(json.loads(path.read_text(encoding="utf-8"))))
    readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_tables()
