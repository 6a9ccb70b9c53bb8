"""Source code to hash: what modules do, without their prose.

A module is hashed as its syntax tree without docstrings, so that comments and documentation never refit. Parsing a
hundred modules takes a second, so what was found in a file is kept beside Python's byte code, with the hash of the
file's bytes, and is found again when the file is another one.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib.util
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from ..data.export import write_atomically

KEPT = f"safezone-sources.{sys.implementation.cache_tag}.json"
_NEWS: set[Path] = set()  # folders in which something was found that is not kept yet


@dataclass(frozen=True, slots=True)
class Source:
    """What a module's file says.

    Parameters
    ----------
    content
        SHA-256 of the file and of this one, which reads it.
    tree
        SHA-256 of its syntax tree without docstrings and positions.
    imports
        Dotted names that it imports, lazily or not: modules, and what may be modules.
    """

    content: str
    tree: str
    imports: tuple[str, ...]


def source_fingerprint(modules: Iterable[str], room: str) -> str:
    """Hash the source of modules and of all they import from one room, without prose.

    Parameters
    ----------
    modules
        Dotted module names to start from.
    room
        Dotted package (``safezone.models``) beyond which imports are not followed.

    Returns
    -------
    str
        SHA-256 over the syntax trees of the modules reached, and over the room's data tables
        (``*.toml``).
    """
    digest = hashlib.sha256()
    for name in sorted(_reach(tuple(sorted(set(modules))), room)):
        digest.update(f"{name}:{_source(name).tree};".encode())
    package = _path(room)
    if package is not None:
        for table in sorted(package.parent.glob("*.toml")):
            digest.update(f"{table.name}:".encode() + hashlib.sha256(table.read_bytes()).digest())
    return digest.hexdigest()


@cache
def _reach(modules: tuple[str, ...], room: str) -> frozenset[str]:
    """Every module of the room that can be reached by imports, lazy ones included."""
    todo, seen = list(modules), set[str]()
    while todo:
        name = todo.pop()
        if name in seen or _path(name) is None:
            continue
        seen.add(name)
        imported = _source(name).imports
        todo.extend(one for one in imported if one == room or one.startswith(room + "."))
    _keep()
    return frozenset(seen)


@cache
def _path(module: str) -> Path | None:
    """Return a module's file, found from its top package: asking for a deeper spec would import on the way."""
    top, *parts = module.split(".")
    spec = importlib.util.find_spec(top) if top else None
    if spec is None or spec.origin is None:
        return None
    place = Path(spec.origin).parent.joinpath(*parts)
    candidates = (place.with_suffix(".py"), place / "__init__.py") if parts else (Path(spec.origin),)
    return next((path for path in candidates if path.is_file() and path.suffix == ".py"), None)


@cache
def _source(module: str) -> Source:
    """Return what a module's file says; of a module without a file, what an empty one says."""
    path = _path(module)
    text = b"" if path is None else path.read_bytes()
    content = hashlib.sha256(_reader() + text).hexdigest()
    kept = {} if path is None else _kept(path.parent)
    known = kept.get(module)
    if known is None or known.content != content:
        tree = ast.parse(text)
        package = module if path is not None and path.name == "__init__.py" else module.rpartition(".")[0]
        imports = tuple(_imports(tree, package))
        known = Source(content, hashlib.sha256(_without_prose(tree).encode()).hexdigest(), imports)
        kept[module] = known
        if path is not None:
            _NEWS.add(path.parent)
    return known


@cache
def _reader() -> bytes:
    """Return the hash of this file: another way of reading finds other things."""
    return hashlib.sha256(Path(__file__).read_bytes()).digest()


# --- what was found before --------------------------------------------------------------------------


@cache
def _kept(folder: Path) -> dict[str, Source]:
    """Return what was found in the modules of a folder before, by module; a damaged file counts as none."""
    try:
        content = json.loads((folder / "__pycache__" / KEPT).read_text(encoding="utf-8"))
        return {name: Source(one["content"], one["tree"], tuple(one["imports"])) for name, one in content.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _keep() -> None:
    """Write what was newly found, folder by folder, as Python writes byte code: where it may."""
    while _NEWS:
        folder = _NEWS.pop()
        if sys.dont_write_bytecode:
            continue
        content = json.dumps({name: asdict(one) for name, one in sorted(_kept(folder).items())}).encode()
        with contextlib.suppress(OSError):
            (folder / "__pycache__").mkdir(exist_ok=True)
            write_atomically(folder / "__pycache__" / KEPT, content)


# --- reading ----------------------------------------------------------------------------------------


def _statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield every statement; expressions, nine nodes in ten, hold neither imports nor docstrings."""
    blocks: list[ast.AST] = [tree]
    while blocks:
        block = blocks.pop()
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            inner = getattr(block, field, None)
            for node in inner if isinstance(inner, list) else ():
                blocks.append(node)
                if isinstance(node, ast.stmt):
                    yield node


def _imports(tree: ast.Module, package: str) -> Iterator[str]:
    """Yield the names that a module of a package imports, relative ones resolved."""
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                parts = parts[: len(parts) - (node.level - 1)]
                base = ".".join([*parts, base] if base else parts)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _without_prose(tree: ast.Module) -> str:
    """Return a syntax tree as text, without docstrings and positions."""
    for node in (tree, *_statements(tree)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.body:
            first = node.body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)
