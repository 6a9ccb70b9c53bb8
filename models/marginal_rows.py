"""Equations of responses and the rows they hold for, as groups of a :class:`~safezone.models.gaussian.GaussianSystem`.

An :class:`Equation` says in symbols what explains a response; a :class:`Sheet` holds the numbers. A row whose
same-session source is missing is not dropped: its equation follows from the recursive system by
integrating the missing rating (:class:`safezone.models.gaussian.Derived`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from .gaussian import Derived, Group, Poly, Recursion, poly, times

if TYPE_CHECKING:
    from .design import Floats, Ints

Mask = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


@dataclass(frozen=True)
class Equation:
    """One response in one kind of row: columns and effects by the key of their values, and same-row sources.

    Columns map the key of an array to a coefficient; effects map (key, effect) to a loading; sources map a
    response to the parameter of its path.
    """

    columns: Mapping[str, Poly]
    effects: Mapping[tuple[str, str], Poly]
    sources: Mapping[int, str]
    sd: str


def add[Key](total: dict[Key, Poly], key: Key, polynomial: Poly) -> None:
    """Add a polynomial to what a key has already."""
    total[key] = (*total.get(key, ()), *polynomial)


def merged(groups: Sequence[Group]) -> list[Group]:
    """Join groups that share coefficients, loadings and residual SD: to the likelihood they are rows of one."""
    found: dict[object, list[Group]] = {}
    for group in groups:
        loadings = tuple(tuple(sorted(column.items())) for column in group.loadings)
        found.setdefault((group.coefficients, loadings, group.sigma), []).append(group)
    return [
        replace(
            same[0],
            y=np.concatenate([one.y for one in same]),
            x=np.concatenate([one.x for one in same]),
            z=np.concatenate([one.z for one in same]),
            client=np.concatenate([one.client for one in same]),
        )
        for same in found.values()
    ]


@dataclass(frozen=True)
class Sheet:
    """Rows that share their responses: sessions, or clients with their outcomes.

    Parameters
    ----------
    names
        Responses.
    values
        One column per response, (rows,), NaN where missing.
    order
        Recursive order of the responses within a row.
    client
        Client of each row, (rows,).
    arrays
        What equations name by key, (rows,) each.
    derived
        Takes the derived equations.
    width
        Length to which ``seen`` is filled up: the longest recursion of the system.
    """

    names: Sequence[str]
    values: Sequence[Floats]
    order: Sequence[int]
    client: Ints
    arrays: dict[str, Floats]
    derived: list[Derived] = field(default_factory=list)
    width: int = 0

    def recursion(self, equations: Mapping[int, Equation]) -> Recursion:
        """Return the recursive system of these equations."""
        place = {v: i for i, v in enumerate(self.order)}
        return Recursion(
            tuple(equations[v].sd for v in self.order),
            tuple((place[v], place[u], name) for v in self.order for u, name in equations[v].sources.items()),
        )

    def groups(self, equations: Mapping[int, Equation], rows: Ints, recursion: int, prefix: str = "") -> list[Group]:
        """Return groups of rows: complete ones under the equation itself, others under derived ones."""
        groups: list[Group] = []
        known = np.zeros((len(self.client), len(self.order)), dtype=bool)
        known[rows] = np.column_stack([~np.isnan(self.values[v][rows]) for v in self.order])
        for i, v in enumerate(self.order):
            equation = equations[v]
            rated = known[:, i]
            complete = rated.copy()
            for source in equation.sources:
                complete &= known[:, self.order.index(source)]
            if complete.any():
                groups.append(self._group(f"{prefix}{self.names[v]}", v, complete, self._direct(equation), equation.sd))
            rest = np.flatnonzero(rated & ~complete)
            patterns, which = np.unique(known[rest][:, :i], axis=0, return_inverse=True)
            for n, pattern in enumerate(patterns):
                seen = (*(bool(s) for s in pattern), *[False] * (max(len(self.order), self.width) - i))
                name = f"{prefix}{self.names[v]} given " + (
                    ", ".join(self.names[u] for u, s in zip(self.order, seen, strict=False) if s) or "nothing"
                )
                self.derived.append(Derived(name, recursion, i, seen))
                mask = np.zeros(len(known), dtype=bool)
                mask[rest[which.ravel() == n]] = True
                groups.append(self._group(name, v, mask, self._integrated(equations, i, seen, name), f"{name}.sd"))
        return groups

    def _direct(self, equation: Equation) -> Equation:
        """Return the equation with its same-row sources among the columns."""
        columns = dict(equation.columns)
        for source, parameter in equation.sources.items():
            self.arrays[f"r{source}"] = self.values[source]
            columns[f"r{source}"] = poly(parameter)
        return Equation(columns, equation.effects, {}, equation.sd)

    def _integrated(self, equations: Mapping[int, Equation], place: int, seen: tuple[bool, ...], name: str) -> Equation:
        """Response = a' observed + Σ_w R_w (columns and effects of w); see :class:`Derived`."""
        columns: dict[str, Poly] = {}
        effects: dict[tuple[str, str], Poly] = {}
        for w in range(place + 1):
            weight = poly(f"{name}.total[{w}]")
            equation = equations[self.order[w]]
            for key, polynomial in equation.columns.items():
                add(columns, key, times(weight, polynomial))
            for loading, polynomial in equation.effects.items():
                add(effects, loading, times(weight, polynomial))
            if seen[w]:
                self.arrays[f"r{self.order[w]}"] = self.values[self.order[w]]
                columns[f"r{self.order[w]}"] = poly(f"{name}.path[{w}]")
        return Equation(columns, effects, {}, f"{name}.sd")

    def _group(self, name: str, response: int, mask: Mask, equation: Equation, sigma: str) -> Group:
        keys = list(dict.fromkeys(key for key, _ in equation.effects))
        loadings = [{effect: p for (own, effect), p in equation.effects.items() if own == key} for key in keys]
        return Group(
            name,
            self.values[response][mask],
            np.column_stack([self.arrays[key][mask] for key in equation.columns]),
            np.column_stack([self.arrays[key][mask] for key in keys]),
            self.client[mask],
            tuple(equation.columns.values()),
            tuple(loadings),
            sigma,
        )
