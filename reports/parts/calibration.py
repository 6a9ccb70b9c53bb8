"""What simulation has shown of the package itself, model by model (``calibration.toml``)."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ..prose import supplement as words
from ..rich import escape
from .supplement_tables import code
from .tables import Head, build

if TYPE_CHECKING:
    from ..prose.language import Language


@cache
def calibration() -> Mapping[str, Any]:
    """Return the summary of the calibration that is committed with the package's tests."""
    return tomllib.loads(files("safezone.reports").joinpath("calibration.toml").read_text(encoding="utf-8"))


def calibration_tables(kinds: Collection[str], talk: Language) -> tuple[str, ...]:
    """Return the tables of simulation-based calibration and of recovery.

    Parameters
    ----------
    kinds
        Kinds of models, by their names in the catalogue.
    talk
        Language.

    Returns
    -------
    tuple of str
        Two tables, or nothing where one of them would be empty.
    """
    found = [one for one in calibration()["result"] if one["kind"] in kinds]
    ranked = [one for one in found if one["check"] == "sbc"]
    recovered = [one for one in found if one["check"] == "recovery"]
    if not (ranked and recovered):
        return ()
    return _table("sbc", ranked, talk), _table("recovery", recovered, talk)


def _table(check: str, found: list[Mapping[str, Any]], talk: Language) -> str:
    titles = [str(talk.find(f"model.{one['kind']}.title", "") or one["kind"]) for one in found]
    row = _ranks if check == "sbc" else _recovery
    columns = {
        "sbc": ("task", "sampler", "seed", "replications", "kept", "quantities", "outside", "p"),
        "recovery": ("task", "seed", "replications", "estimands", "bias", "coverage"),
    }[check]
    heads: list[Head] = [
        (words.say(f"table.{name}", talk.code), "left" if name in {"task", "sampler"} else "right") for name in columns
    ]
    note = words.say(
        f"table.{check}_note", talk.code,
        generator=str(calibration()["generator"]), date=max(str(one["date"]) for one in found),
    )  # fmt: skip
    return build(
        heads, [row(one, talk) for one in found], talk, label=f"tbl-{check}",
        caption=words.say(f"table.{check}_caption", talk.code), note=note, groups=titles,
    )  # fmt: skip


def _ranks(one: Mapping[str, Any], talk: Language) -> list[str]:
    counts = [talk.number(float(one[key]), 0) for key in ("replications", "kept", "quantities", "outside")]
    return [code(one["case"]), escape(one["sampler"]), str(one["seed"]), *counts, talk.number(float(one["p"]), 2)]


def _recovery(one: Mapping[str, Any], talk: Language) -> list[str]:
    bias = ", ".join(talk.number(float(one[key]), 2) for key in ("typical", "bias"))
    coverage = ", ".join(talk.number(100 * float(one[key]), 0) for key in ("coverage", "lowest"))
    separated = bias.replace(", ", "; ") if talk.code == "de" else bias
    counts = [talk.number(float(one[key]), 0) for key in ("replications", "estimands")]
    return [code(one["case"]), str(one["seed"]), *counts, separated, coverage]
