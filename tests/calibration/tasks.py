"""What can be calibrated, by name: how one replication is made and what is kept of all of them."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results"
LISTS = ("SCENARIOS", "TARGETS", "FAMILIES", "MANY", "FEW")


@dataclass(frozen=True)
class Task:
    """One result file.

    Parameters
    ----------
    name
        ``recovery-SCENARIO`` or ``sbc-TARGET-METHOD``.
    replications
        How many.
    replicate
        Replication number to its row.
    generator
        Hash of everything that makes a row: see :func:`version`.
    seed
        Of the first replication.
    core
        Whether the acceptance criteria are asked of it.
    """

    name: str
    replications: int
    replicate: Callable[[int], dict[str, Any]]
    generator: str
    seed: int
    core: bool = True

    @property
    def result(self) -> Path:
        """Where the results are committed."""
        return RESULTS / f"{self.name}.json"


@cache
def version(*modules: str) -> str:
    """Return a hash of the code of modules of this folder: no comments, docstrings, layout, nor lists of tasks."""
    digest = hashlib.sha256()
    for module in modules:
        tree = ast.parse((HERE / f"{module}.py").read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            body = getattr(node, "body", None)
            if isinstance(body, list):
                node.body = [each for each in body if not _ignored(each)]  # type: ignore[attr-defined]
        digest.update(ast.dump(tree).encode())
    return digest.hexdigest()


def _ignored(node: ast.AST) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    targets = node.targets if isinstance(node, ast.Assign) else []
    return any(isinstance(target, ast.Name) and target.id in LISTS for target in targets)


def described(item: Any) -> str:
    """Return a dataclass as text, without how many replications are wanted."""
    return repr([(f.name, getattr(item, f.name)) for f in fields(item) if f.name not in ("replications", "core")])


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def tasks() -> Mapping[str, Task]:
    """Return every task by name."""
    from . import audit, chains, dyads, families, recovery, sbc, sbc_dyads, sbc_paths, surfaces

    found: list[Task] = []
    for target in sbc.TARGETS:
        for method in ("nuts", "importance"):
            found.append(
                Task(
                    f"sbc-{target.name}-{method}",
                    target.replications[method],
                    _Bound(sbc.replicate, target, method),
                    _hash(version("sbc", "generator", "studies"), described(target), method),
                    target.seed,
                )
            )
    for paths in sbc_paths.TARGETS:
        found.append(
            Task(
                f"sbc-{paths.name}-nuts",
                paths.replications,
                _Bound(sbc_paths.replicate, paths),
                _hash(version("sbc_paths", "path_generator", "sbc", "studies"), described(paths)),
                paths.seed,
            )
        )
    for dyad in sbc_dyads.TARGETS:
        found.append(
            Task(
                f"sbc-{dyad.name}-nuts",
                dyad.replications,
                _Bound(sbc_dyads.replicate, dyad),
                _hash(version("sbc_dyads", "path_generator", "sbc", "studies"), described(dyad)),
                dyad.seed,
            )
        )
    for chain in chains.SCENARIOS:
        found.append(
            Task(
                f"recovery-{chain.name}",
                chain.replications,
                _Bound(chains.replicate, chain),
                _hash(version("chains", "studies"), described(chain)),
                chain.seed,
                chain.core,
            )
        )
    for pair in dyads.SCENARIOS:
        found.append(
            Task(
                f"recovery-{pair.name}",
                pair.replications,
                _Bound(dyads.replicate, pair),
                _hash(version("dyads", "studies"), described(pair)),
                pair.seed,
                pair.core,
            )
        )
    for scenario in (*recovery.SCENARIOS, *audit.SCENARIOS):
        modules = ("recovery", "studies", *(["audit"] if scenario in audit.SCENARIOS else []))
        found.append(
            Task(
                f"recovery-{scenario.name}",
                scenario.replications,
                _Bound(recovery.replicate, scenario),
                _hash(version(*modules), described(scenario)),
                scenario.seed,
                scenario.core,
            )
        )
    for scene in surfaces.SCENARIOS:
        found.append(
            Task(
                f"recovery-{scene.name}",
                scene.replications,
                _Bound(surfaces.replicate, scene),
                _hash(version("surfaces", "studies"), described(scene)),
                scene.seed,
                scene.core,
            )
        )
    for family in families.FAMILIES:
        found.append(
            Task(
                f"recovery-{family.name}",
                family.replications,
                _Bound(families.replicate, family),
                _hash(version("families", "generator", "studies"), described(family)),
                family.seed,
            )
        )
    return {task.name: task for task in found}


def truth_of(name: str) -> dict[str, tuple[float, float]]:
    """Return (true value, factor that standardises it) of a recovery task's estimands."""
    from . import audit, chains, dyads, families, recovery, surfaces

    for scenario in (*recovery.SCENARIOS, *audit.SCENARIOS):
        if name == f"recovery-{scenario.name}":
            return recovery.true_values(scenario)
    for chain in chains.SCENARIOS:
        if name == f"recovery-{chain.name}":
            return chains.true_values(chain)
    for pair in dyads.SCENARIOS:
        if name == f"recovery-{pair.name}":
            return dyads.true_values(pair)
    for scene in surfaces.SCENARIOS:
        if name == f"recovery-{scene.name}":
            return surfaces.true_values(scene)
    return families.true_values(next(family for family in families.FAMILIES if name == f"recovery-{family.name}"))


class _Bound:
    """A function with its first arguments."""

    def __init__(self, function: Callable[..., dict[str, Any]], *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __call__(self, replication: int) -> dict[str, Any]:
        return self.function(*self.arguments, replication)
