"""What choices change: the section on sensitivity, its table, its specification curves, and a sentence for a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from ...analysis.folder import SENSITIVITY
from ...analysis.sensitivity import COLUMNS
from .. import figures
from ..numbers import interval_label
from ..prose import multiverse as prose
from ..prose.theory import patterns, say, words_of
from ..rich import escape
from ..tables import Column, Table

if TYPE_CHECKING:
    import pandas as pd

    from ...analysis.evidence import Finding
    from ..figures import Figure
    from ..numbers import Numbers
    from ..prose.multiverse import Curve

opening = prose.opening
FEWEST = 6
"""Specifications from which a quantity is drawn; the table has the others."""
TOGETHER = 2


def read(n: Numbers) -> tuple[Curve, ...]:
    """Return every quantity's specifications; nothing where choices were not varied for these data.

    Parameters
    ----------
    n
        The results folder's numbers.
    """
    import pandas as pd

    path = n.results.folder / SENSITIVITY
    if not path.is_file():
        return ()
    table = pd.read_csv(path, dtype={"part": "str", "verdict": "str"})
    data = n.results.manifest.get("data")
    known = data.get("fingerprint") if isinstance(data, Mapping) else None
    if table.empty or not set(COLUMNS) <= set(table) or (table["study"] != known).any():
        return ()
    return prose.curves(table)


def table(found: Sequence[Curve], code: str) -> str:
    """Return the table of all quantities: how many specifications, how stable the verdict, how far it moves."""
    import pandas as pd

    frame: pd.DataFrame = pd.DataFrame([_cells(one, code) for one in found])
    keys = ("id", "quantity", "same", "range", "moved")
    columns = tuple(
        Column(key, header, rich=True, align="left" if key in ("id", "quantity", "moved") else "right")
        for key, header in zip(keys, patterns("multiverse.headers", code), strict=True)
    )
    caption = say("multiverse.table", code)
    return Table(frame, columns, caption=caption, language=code, label="tbl-choices").to_markdown()


def _cells(one: Curve, code: str) -> dict[str, str]:
    told = one.numbers(code)

    def whole(text: str) -> str:
        return text.replace(" ", "\N{NO-BREAK SPACE}")

    separator = "; " if code == "de" else ", "
    return {
        "id": escape(one.id),
        "quantity": escape(one.quantity[:1].upper() + one.quantity[1:]),
        "same": whole(say("multiverse.of", code, **told)),
        "range": whole(escape(f"{told['own']} [{told['low']}{separator}{told['high']}]")),
        "moved": escape(one.moved_by(code)),
    }


def drawn(found: Sequence[Curve], n: Numbers) -> list[tuple[Figure, str, str]]:
    """Return figures, labels and captions: quantities with many specifications, two by two.

    Quantities side by side share their lines of choices, so neighbours are those with the same axes.
    """
    code = n.language
    many = [one for one in found if len(one.rows) >= FEWEST]
    pairs: list[list[Curve]] = []
    for _, group in groupby(sorted(many, key=_alike), key=_alike):
        alike = list(group)
        pairs += [alike[at : at + TOGETHER] for at in range(0, len(alike), TOGETHER)]
    result = []
    for at, pair in enumerate(pairs):
        number = say("multiverse.number", code, i=str(at + 1), n=str(len(pairs))) if len(pairs) > 1 else ""
        told = " ".join(
            say(
                "multiverse.caption_part", code, id=escape(one.id), quantity=escape(one.quantity),
                counts=one.counts(code), **one.numbers(code),
            )
            for one in pair
        )  # fmt: skip
        interval = interval_label(n.results.study.interval, code)
        caption = say(f"multiverse.caption{'_next' if at else ''}", code, number=number, interval=interval, told=told)
        label = "fig-choices" + (f"-{at + 1}" if at else "")
        result.append((figures.multiverse(pair, code), label, caption))
    return result


def _alike(one: Curve) -> tuple[str, ...]:
    """Return what neighbours have in common: the axes that are crossed, whether or not the library has a prior."""
    return tuple(axis for axis in ("centring", "detrending", "therapists") if axis in one.axes)


def sentences(finding: Finding, found: Sequence[Curve], code: str) -> str:
    """Say for each quantity of a row how stable its verdict is; nothing where it was not varied."""
    main = {part.name: part for part in finding.parts if not part.supporting and part.tested}
    mine = [one for one in found if one.id == finding.id and one.part in main]
    named = len(main) > 1
    return " ".join(prose.stable(one, code, escape(words_of(main[one.part], code)) if named else "") for one in mine)
