"""The analysis plan as a document, and the section of a report that lists deviations from it."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from ...analysis.findings import contrast_name
from ...analysis.folder import PLAN, read_manifest
from .. import digits
from ..prose.language import language
from ..prose.theory import smallest_text
from ..rich import escape
from ..tables import Column, Table
from .tables import slug

NO_DEVIATION = "–"
ZERO_WIDTH = "\N{ZERO WIDTH SPACE}"
LONG = 14


@cache
def _table() -> Mapping[str, Any]:
    text = files("safezone.reports.prose").joinpath("plan.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def read(folder: Path) -> Mapping[str, Any] | None:
    """Return the frozen plan with its deviations; ``None`` where a study has none."""
    path = folder / PLAN
    found: Mapping[str, Any] | None = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    return found


def deviations(plan: Mapping[str, Any], code: str, level: int) -> str:
    """Return the section on deviations.

    Parameters
    ----------
    plan
        From :func:`read`.
    code
        ``en`` or ``de``.
    level
        Of the heading.
    """
    words = _table()[code]
    head = f"{'#' * level} {words['deviations']} {{#sec-deviations}}"
    facts = {"date": str(plan["frozen"])[:10], "hash": str(plan["hash"])[:16]}
    told: Sequence[Mapping[str, str]] = plan["deviations"]
    if not told:
        return f"{head}\n\n{words['deviations_none'].format(**facts)}"
    rows = [
        {
            "part": words["part"].get(one["part"], one["part"]),
            "what": one["what"],
            "change": words["change"][one["change"]],
            "planned": one["planned"] or NO_DEVIATION,
            "now": one["now"] or NO_DEVIATION,
        }
        for one in told
    ]
    return f"{head}\n\n{words['deviations_text'].format(**facts)}\n\n{_rows(rows, words['deviations_headers'], code)}"


def _rows(rows: Sequence[Mapping[str, str]], headers: Sequence[str], code: str) -> str:
    import pandas as pd

    frame = pd.DataFrame([{key: breakable(text) for key, text in row.items()} for row in rows])
    columns = tuple(Column(key, header, align="left") for key, header in zip(frame.columns, headers, strict=True))
    return Table(frame, columns, language=code).to_markdown()


def breakable(text: str) -> str:
    """Let long dotted names break in narrow columns."""
    return re.sub(r"(?<=[_.>])(?=\w)", ZERO_WIDTH, text) if len(text) > LONG else text


@dataclass(frozen=True)
class AnalysisPlan:
    """A frozen plan and the words to print it.

    Parameters
    ----------
    plan
        The frozen plan with its deviations.
    code
        ``en`` or ``de``.
    """

    plan: Mapping[str, Any]
    code: str

    @classmethod
    def open(cls, folder: str | Path, language_code: str = "") -> AnalysisPlan:
        """Open the plan of a results folder.

        Raises
        ------
        FileNotFoundError
            Where there is none; `safezone sap STUDY` writes it.
        """
        plan = read(Path(folder))
        if plan is None:
            raise FileNotFoundError(f"{PLAN} is not there. Run `safezone sap STUDY`, which writes it.")
        manifest = read_manifest(Path(folder)) or {}
        return cls(plan, language_code or str(manifest.get("study", {}).get("language", "en")))

    @staticmethod
    def show(*pieces: str) -> None:
        """Print pieces of Markdown with blank lines around them, for a cell with ``output: asis``."""
        text = "\n\n".join(piece.strip("\n") for piece in pieces if piece.strip())
        print(f"\n\n{text}\n\n")  # noqa: T201 - printing is how a cell gives out Markdown

    def opening(self) -> str:
        """Return when it was frozen, for which data, and its hash."""
        words, plan = _table()[self.code], self.plan
        sizes = [words["sizes"][name].format(n=number) for name, number in plan["sizes"].items()]
        text = words["opening"].format(
            date=str(plan["frozen"])[:16].replace("T", " "), version=plan["version"],
            sizes=language(self.code).join(sizes), hash=plan["hash"],
            seen=words["seen"] if plan["seen"] else words["unseen"],
        )  # fmt: skip
        amends = words["amends"].format(hash=str(plan["amends"])[:16]) if plan["amends"] else ""
        return f"# {words['title']} {{#sec-plan}}\n\n{text} {amends}"

    def principles(self) -> str:
        """Return the rows of the theory that will be asked, with thresholds."""
        words, content = _table()[self.code], self.plan["content"]
        limits = {key: digits.write_probability(value, self.code) for key, value in content["thresholds"].items()}
        rows = [
            {
                "row": name,
                "quantity": contrast_name(row["estimand"]),
                "model": row["model"],
                "expected": words["direction"][str(row["direction"])],
                "smallest": smallest_text(row["smallest"], self.code),
                "part": words["supporting"] if row["supporting"] else words["deciding"],
            }
            for name, row in content["principles"].items()
        ]
        text = words["principles_text"].format(**limits)
        table = _rows(rows, words["principles_headers"], self.code) if rows else ""
        return f"# {words['principles']} {{#sec-plan-principles}}\n\n{text}\n\n{table}"

    def models(self) -> str:
        """Return every model with options and priors."""
        words, content = _table()[self.code], self.plan["content"]
        pieces = [f"# {words['models']} {{#sec-plan-models}}"]
        for name, options in content["models"].items():
            pieces.append(f"## {escape(breakable(name))} {{#sec-plan-{slug(name)} .unnumbered .unlisted}}")
            pieces.append(words["model"].format(options=escape(_options(options, words["none"]))))
            rows = [{"parameter": parameter, "prior": prior} for parameter, prior in content["priors"][name].items()]
            pieces.append(_rows(rows, words["prior_headers"], self.code))
        return "\n\n".join(pieces)

    def measures(self) -> str:
        """Return how variables are built and what counts as missing."""
        words, content = _table()[self.code], self.plan["content"]
        missing = ", ".join(_value(one) for one in content["data"]["missing"]) or words["none"]
        rows = [
            {"name": name, "definition": "; ".join(f"{key} = {_value(value)}" for key, value in variable.items())}
            for name, variable in content["variables"].items()
        ]
        table = _rows(rows, words["measures_headers"], self.code)
        text = words["measures_text"].format(missing=escape(missing))
        return f"# {words['measures']} {{#sec-plan-measures}}\n\n{text}\n\n{table}"

    def settings(self) -> str:
        """Return how it is sampled and reported."""
        words, content = _table()[self.code], self.plan["content"]
        told = {part: escape(_options(content[part], words["none"])) for part in ("sampling", "report")}
        return f"# {words['settings']} {{#sec-plan-settings}}\n\n{words['settings_text'].format(**told)}"

    def deviations(self, level: int) -> str:
        """Return the section on deviations."""
        return deviations(self.plan, self.code, level)


def _options(given: Mapping[str, Any], none: str) -> str:
    return "; ".join(f"{key} = {_value(value) or none}" for key, value in given.items())


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(_value(one) for one in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_value(one)}" for key, one in value.items())
    return str(value)
