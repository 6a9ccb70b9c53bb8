"""The house stands as ARCHITECTURE.md says: packaging, the direction of imports, light start, documented names."""

from __future__ import annotations

import ast
import graphlib
import inspect
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("data", "models", "analysis", "reports")  # lower rooms first
FRONT_DOOR = ("__init__", "__main__", "cli")
HEAVY = (
    "arviz_base", "arviz_stats", "h5netcdf", "matplotlib", "nbclient", "numba", "numpy", "nutpie",
    "pandas", "pymc", "pypandoc", "pyreadstat", "pytensor", "scipy", "statsmodels", "typst", "xarray",
)  # fmt: skip
# Imports inside a method that are meant to look ahead: fit.estimates() and table.html() are for convenience.
LATE = {("analysis.fit", "analysis.estimates"), ("reports.tables", "reports.table_writers")}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PROJECT["tool"]["setuptools"]


def python_files() -> list[Path]:
    """Return the package's Python files, relative to the root."""
    rooms = [file for room in ROOMS for file in (ROOT / room).rglob("*.py")]
    return sorted(file.relative_to(ROOT) for file in [*ROOT.glob("*.py"), *rooms])


def tracked_files() -> list[PurePosixPath]:
    """Return every file that git knows or would add, relative to the root."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("needs a git checkout")
    names = listed.stdout.decode().split("\0")
    return [PurePosixPath(name) for name in names if name and (ROOT / name).is_file()]


def imported(file: Path) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Yield each import of a module of the package as (path inside the package, at run time?)."""
    package = file.parent.parts
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    # An import under TYPE_CHECKING counts for the direction of rooms, not for cycles.
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            base += tuple(node.module.split(".")) if node.module else ()
            for alias in node.names:
                yield (*base, alias.name), id(node) not in typing_only


def as_module(path: tuple[str, ...]) -> str | None:
    """Return the dotted name of the longest part of the path that is a module of the package."""
    for length in range(len(path), 0, -1):
        candidate = ROOT.joinpath(*path[:length])
        if candidate.with_suffix(".py").is_file() or (candidate / "__init__.py").is_file():
            return ".".join(path[:length])
    return None


def test_the_package_list_equals_the_folders() -> None:
    found = {"safezone"}
    for room in ROOMS:
        for init in (ROOT / room).rglob("__init__.py"):
            found.add(".".join(("safezone", *init.parent.relative_to(ROOT).parts)))
    assert set(SETUPTOOLS["packages"]) == found
    orphans = [file for file in python_files() if not (ROOT / file.parent / "__init__.py").is_file()]
    assert orphans == [], "Python files in a folder without __init__.py would not be in the wheel"


def test_only_the_front_door_lies_at_the_root() -> None:
    assert {file.stem for file in ROOT.glob("*.py")} == set(FRONT_DOOR)


@pytest.mark.parametrize("file", python_files(), ids=str)
def test_rooms_import_downwards_only(file: Path) -> None:
    if len(file.parts) == 1:
        return  # the front door may open every room
    height = ROOMS.index(file.parts[0])
    for path, _ in imported(file):
        assert path, f"{file} imports the package's own root"
        assert path[0] in ROOMS, f"{file} imports {'.'.join(path)} from above the rooms"
        assert ROOMS.index(path[0]) <= height, f"{file} ({file.parts[0]}) imports {'.'.join(path)} from a higher room"


@pytest.mark.parametrize("file", python_files(), ids=str)
def test_the_package_imports_itself_by_relative_imports(file: Path) -> None:
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        for name in names:
            assert name.split(".")[0] not in {"safezone", *ROOMS}, (
                f"{file}: write a relative import instead of {name!r}"
            )


def test_there_are_no_import_cycles() -> None:
    graph: dict[str, set[str]] = {}
    for file in python_files():
        name = ".".join(file.with_suffix("").parts).removesuffix(".__init__")
        targets = {as_module(path) for path, at_run_time in imported(file) if at_run_time}
        # A package whose __init__ names its own modules is not a cycle of meaning.
        graph[name] = {target for target in targets if target and target != name and (name, target) not in LATE}
    try:
        tuple(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        pytest.fail("import cycle: " + " -> ".join(error.args[1]))


def loaded_after(code: str, *, cwd: Path) -> set[str]:
    """Return the heavy libraries that a fresh interpreter has loaded after running the code."""
    report = f"import sys\n{code}\nprint(' '.join(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", report], cwd=cwd, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()) if done.stdout.splitlines() else set()


def test_importing_safezone_is_light(tmp_path: Path) -> None:
    assert loaded_after("import safezone; dir(safezone)", cwd=tmp_path) == set()


def test_help_is_light(tmp_path: Path) -> None:
    # Time is measured by `make bench`; what costs the time is asserted here.
    run = "try:\n    main(['--help'])\nexcept SystemExit as done:\n    assert not done.code"
    code = f"from safezone.cli import main\n{run}"
    assert loaded_after(code, cwd=tmp_path) == set()


def test_every_public_name_resolves() -> None:
    import safezone

    for name in safezone.__all__:
        assert getattr(safezone, name) is not None
        assert name in dir(safezone)
    with pytest.raises(AttributeError, match="no attribute 'reed_study'"):
        safezone.reed_study  # noqa: B018


def as_expression(pattern: str) -> re.Pattern[str]:
    """Translate one of setuptools' glob patterns: * stays inside a folder, ** crosses folders."""
    parts = [
        "(?:[^/]+/)*" if part == "**" else re.escape(part).replace(r"\*", "[^/]*") + "/" for part in pattern.split("/")
    ]
    return re.compile("".join(parts).removesuffix("/"))


def in_wheel(path: PurePosixPath) -> bool:
    """Whether the whitelist of pyproject.toml lets a file that is no Python into the wheel."""
    for package, patterns in SETUPTOOLS["package-data"].items():
        folder = PurePosixPath(*package.split(".")[1:])
        if any(as_expression(str(folder / pattern)).fullmatch(str(path)) for pattern in patterns):
            return True
    return False


def test_participants_files_never_enter_a_wheel() -> None:
    for left_behind in (
        "data/sessions.csv", "data/trial.sav", "data/clients.xlsx", "data/private/a.parquet", "data/study.toml",
        "data/examples/sessions.csv", "data/instruments/answers.csv", "models/fit.nc", "analysis/draws.parquet",
        "reports/report.pdf", "reports/results/estimates.csv", "sessions.csv", "study.toml", ".safezone/fits/a.nc",
    ):  # fmt: skip
        assert not in_wheel(PurePosixPath(left_behind)), left_behind
    assert SETUPTOOLS["include-package-data"] is False


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_else(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    for path in tracked_files():
        (checkout / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, checkout / path)
    for secret in ("data/sessions.csv", "data/examples/answers.csv", "models/clients.sav", "reports/private.pdf"):
        (checkout / secret).parent.mkdir(parents=True, exist_ok=True)
        (checkout / secret).write_text("client,rating\n17,3\n", encoding="utf-8")
    build = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", build, tmp_path], cwd=checkout, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("safezone-*.whl")
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if not name.split("/")[0].endswith(".dist-info")}
    python = {f"safezone/{file.as_posix()}" for file in python_files()}
    other = {f"safezone/{path}" for path in tracked_files() if in_wheel(path)}
    assert inside == python | other


def test_every_shipped_data_file_is_tracked_and_every_needed_one_shipped() -> None:
    tracked = [path for path in tracked_files() if path.parts[0] in ROOMS and path.suffix != ".py"]
    left_out = [str(path) for path in tracked if not in_wheel(path)]
    assert left_out == [], "tracked in a room but not on pyproject.toml's package-data list"


def test_no_file_names_a_package_index() -> None:
    # Put together here so that this file does not name one either.
    hosts = ["".join(parts) for parts in (("py", "pi.org"), ("python", "hosted.org"), ("ana", "conda.org"))]
    options = r"^(--(extra-)?index-url|--find-links|-i)\b"
    pattern = re.compile("|".join([options, *map(re.escape, hosts)]), re.MULTILINE)
    for path in tracked_files():
        content = (ROOT / path).read_bytes()
        if b"\0" in content:
            continue
        assert not pattern.search(content.decode("utf-8", "replace")), f"{path} names a package index"
    assert not (ROOT / "uv.lock").exists()


def locked() -> dict[str, set[str]]:
    """Return name to locked versions (several where a platform needs its own)."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = re.findall(r"^([A-Za-z0-9._-]+)==(\S+?)(?:\s*;.*)?\s*\\$", text, re.MULTILINE)
    versions: dict[str, set[str]] = {}
    for name, version in pins:
        versions.setdefault(canonicalize_name(name), set()).add(version)
    return versions


def test_the_lock_satisfies_pyproject_and_carries_hashes() -> None:
    pins = locked()
    run, dev = PROJECT["project"]["dependencies"], PROJECT["dependency-groups"]["dev"]
    wanted = [*run, *dev, *PROJECT["build-system"]["requires"]]
    for text in wanted:
        requirement = Requirement(text)
        versions = pins.get(canonicalize_name(requirement.name), set())
        assert versions, f"{requirement.name} is not in requirements.lock: run `make lock`"
        assert all(version in requirement.specifier for version in versions), f"{text}: the lock has {versions}"
    blocks = re.split(r"\n(?=\S)", (ROOT / "requirements.lock").read_text(encoding="utf-8").strip())
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []


# Packages whose import has another name, and those that are needed without being imported by name.
IMPORT_NAMES = {"pypandoc-binary": "pypandoc", "pyyaml": "yaml", "ipython": "IPython"}
UNSEEN = {"ipykernel": "the Python of a report's cells", "h5netcdf": "xarray's engine"}


def test_every_import_is_a_dependency_and_every_dependency_is_imported() -> None:
    imports: set[str] = set()
    for file in python_files():
        for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imports |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imports.add((node.module or "").split(".")[0])
    imports -= {*sys.stdlib_module_names, "pydantic_core"}  # pydantic pins its core
    declared = {Requirement(text).name for text in PROJECT["project"]["dependencies"]} - set(UNSEEN)
    assert imports == {IMPORT_NAMES.get(name, name.replace("-", "_")) for name in declared}


def test_environment_yml_equals_pyproject() -> None:
    import yaml

    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert environment["channels"] == ["conda-forge"]
    assert f"python {PROJECT['project']['requires-python']}" in conda
    assert {entry.split()[0] for entry in conda} == {"python", "pip", "quarto"}
    wanted = {str(Requirement(text)) for text in PROJECT["project"]["dependencies"]}
    assert {str(Requirement(text)) for text in pip if not text.startswith("-e")} == wanted
    assert "-e ." in pip


def test_public_functions_are_documented() -> None:
    import safezone

    functions = {name: getattr(safezone, name) for name in safezone.__all__}
    for name, function in functions.items():
        if not inspect.isfunction(function):
            continue
        doc = inspect.getdoc(function) or ""
        assert doc.split("\n", 1)[0].endswith("."), f"{name}: the docstring begins with one sentence"
        assert "\nReturns\n-------" in doc, f"{name}: say what it returns"
        assert "\nParameters\n----------" in doc, f"{name}: describe its parameters"


def test_the_lazy_names_are_the_typed_names() -> None:
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {
        alias.asname or alias.name: (f".{node.module}", alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    import safezone

    assert typed == safezone._PUBLIC


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_says_in_one_sentence_that_python_is_too_old(tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.11.7\nexit 1\n', encoding="utf-8")
    old.chmod(0o755)
    done = subprocess.run(
        ["make", "-C", ROOT, "setup", f"VENV={tmp_path / 'venv'}", f"PYTHON={old}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert done.stderr.splitlines()[0] == f"safezone needs Python 3.12 or newer, and {old} is Python 3.11.7."
    assert not (tmp_path / "venv").exists()
