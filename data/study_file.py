"""Reading ``study.toml``: every fault in one pass, each with its remedy."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError

from .config import TIME_OPTIONS, StudyConfig
from .errors import Fault, InputError
from .path_text import missing_comma, read_path
from .study_lines import line_of

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

FILE_NAME = "study.toml"


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """Return the choice that was probably meant, or ``None``.

    Examples
    --------
    >>> nearest("aliance", ["safety", "alliance"])
    'alliance'
    """
    by_folded = {choice.casefold(): choice for choice in choices}
    found = difflib.get_close_matches(str(name).casefold(), list(by_folded), n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def suggestion(name: str, choices: Sequence[str]) -> str:
    """Return a remedy that names the nearest valid choice and all of them."""
    meant = nearest(name, choices)
    start = f"Did you mean {meant}? " if meant is not None else ""
    return f"{start}Valid: {', '.join(choices)}."


def locate(path: str | Path) -> Path:
    """Return the study file meant by a path to it or to its folder.

    Raises
    ------
    InputError
        If there is no such file.
    """
    given = Path(path)
    file = given / FILE_NAME if given.is_dir() else given
    if file.is_file():
        return file
    folder = given if given.is_dir() else given.parent
    others = sorted(other.name for other in folder.glob("*.toml")) if folder.is_dir() else []
    remedy = f"Did you mean {', '.join(others)}?" if others else "Create one with `safezone init`, or correct the path."
    raise InputError(Fault("error", file.name, None, None, "The study file does not exist.", None, remedy))


def read_config(path: str | Path) -> StudyConfig:
    """Read and validate a study file.

    Parameters
    ----------
    path
        The study file, or the folder that holds ``study.toml``.

    Returns
    -------
    StudyConfig
        The study file as typed values.

    Raises
    ------
    InputError
        With every fault of the file: TOML syntax, unknown keys, wrong values, and models that name
        variables which the file does not declare.
    """
    file = locate(path)
    content = _parse(file)
    config: StudyConfig | None = None
    faults: list[Fault] = []
    try:
        config = StudyConfig.model_validate(content)
    except ValidationError as error:
        faults = [_fault(file.name, detail) for detail in error.errors(include_url=False)]
    faults.extend(_unknown_variables(file, content))
    if config is None or faults:
        raise InputError(*_without_repeats(faults))
    return config


def _parse(file: Path) -> dict[str, object]:
    """Return the TOML content of the study file."""
    try:
        return tomllib.loads(file.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(
            Fault("error", file.name, line, None, "A study file is UTF-8 text.", None, "Save it with encoding UTF-8.")
        ) from error
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        at = int(found[1]) if found else None
        message = re.sub(r"\s*\(at .*\)$", "", str(error))
        where = f"{message} (line {found[1]}, column {found[2]})" if found else message
        raise InputError(
            Fault(
                "error",
                file.name,
                at,
                None,
                "The study file is not valid TOML.",
                where,
                'Look there for a missing quote, bracket or "="; text needs quotes: key = "text".',
            )
        ) from error


def _fault(file: str, detail: ErrorDetails) -> Fault:
    """Translate one of pydantic's errors into a fault with a remedy."""
    location = tuple(str(part) for part in detail["loc"])
    key = ".".join(part for part in location if not _is_union_tag(part))
    value = detail["input"]
    shown = None if isinstance(value, dict | BaseModel) else str(value)
    match detail["type"]:
        case "extra_forbidden":
            section = _section_at(location[:-1])
            choices = tuple(section.model_fields) if section is not None else ()
            where = f"[{'.'.join(location[:-1])}]" if len(location) > 1 else "the study file"
            return Fault(
                "error", file, None, key, f"{where} has no such key.", location[-1], suggestion(location[-1], choices)
            )
        case "missing":
            remedy = _missing_remedy(location)
            return Fault("error", file, None, key, "This is required and missing.", None, remedy)
        case "literal_error":
            choices = _choices(location)
            return Fault(
                "error",
                file,
                None,
                key,
                "The value is not one of the valid ones.",
                shown,
                suggestion(str(value), choices),
            )
        case "value_error":
            message = detail["msg"].removeprefix("Value error, ")
            if location[-1:] == ("time",):
                meant = nearest(str(value), TIME_OPTIONS)
                message += f" Did you mean {meant}?" if meant is not None else ""
            return Fault("error", file, None, key, "The value breaks a rule.", shown, message)
        case _:
            return Fault("error", file, None, key, "The value has the wrong type.", shown, f"{detail['msg']}.")


def _is_union_tag(part: str) -> bool:
    """Whether a part of pydantic's location is the name of a branch of a union, not a key."""
    return part in {"str", "float", "int", "dict[str,str]"} or part.startswith(("function-", "dict["))


def _missing_remedy(location: tuple[str, ...]) -> str:
    """Return what to write where a required key is missing."""
    examples = {
        ("data",): 'Add the table [data] with sessions = "sessions.csv".',
        ("columns",): 'Add the table [columns] with client = "…" and session = "…", the names of those columns.',
        ("variables",): "Add at least one table [variables.NAME] with `column` and `role`.",
    }
    if location in examples:
        return examples[location]
    if location[-1] == "role":
        return f'Add role = "…"; valid: {", ".join(_choices(location))}.'
    return f'Add {location[-1]} = "…" to [{".".join(location[:-1])}].'


def _section_at(location: Sequence[str]) -> type[BaseModel] | None:
    """Return the section class that stands at a place of the study file."""
    current: object = StudyConfig
    for part in location:
        if isinstance(current, type) and issubclass(current, BaseModel):
            if part not in current.model_fields:
                return None
            current = current.model_fields[part].annotation
        elif get_origin(current) is dict:
            current = get_args(current)[1]
        else:
            return None
    return current if isinstance(current, type) and issubclass(current, BaseModel) else None


def _choices(location: Sequence[str]) -> tuple[str, ...]:
    """Return the literal values that are valid at a place of the study file."""
    keys = [part for part in location if not part.isdigit()]
    section = _section_at(keys[:-1])
    if section is None or keys[-1] not in section.model_fields:
        return ()
    return tuple(dict.fromkeys(_literals(section.model_fields[keys[-1]].annotation)))


def _literals(annotation: object) -> list[str]:
    """Return every literal inside an annotation, in order."""
    if get_origin(annotation) is Literal:
        return [str(choice) for choice in get_args(annotation)]
    found: list[str] = []
    for part in get_args(annotation):
        found.extend(_literals(part))
    return found


def _unknown_variables(file: Path, content: dict[str, object]) -> list[Fault]:
    """Return a fault for every name in a model that no ``[variables.NAME]`` declares.

    Works on the raw content, so that it reports also where other parts are invalid.
    """
    variables, models = content.get("variables"), content.get("models")
    if not isinstance(variables, dict) or not isinstance(models, dict):
        return []
    names = tuple(str(name) for name in variables)
    faults: list[Fault] = []
    for model, options in models.items():
        if not isinstance(options, dict):
            continue
        for key in ("outcome", "final", "predictors", "random_slopes", "moderators", "covariates", "by"):
            given = options.get(key)
            for name in given if isinstance(given, list) else [given] if isinstance(given, str) else []:
                known = (*names, "time") if key in ("random_slopes", "moderators") else names
                path = key == "random_slopes" and "->" in str(name)  # models.arrows reads paths
                if isinstance(name, str) and name not in known and not path:
                    faults.append(_undeclared(file.name, f"models.{model}.{key}", name, names))
        pairs = options.get("interactions")
        for name in (
            (part.strip() for pair in pairs for part in str(pair).split(":")) if isinstance(pairs, list) else ()
        ):
            if name and name not in names:
                faults.append(_undeclared(file.name, f"models.{model}.interactions", name, names))
        for key in ("session", "client", "therapist"):
            given = options.get(key)
            texts = [str(text) for text in given] if isinstance(given, list) else []
            for i, text in enumerate(texts):
                line = line_of(file, str(model), key, text, texts[:i].count(text))
                faults.extend(_path_faults(file.name, line, f"models.{model}.{key}", text, names))
    return faults


def _path_faults(file: str, line: int | None, key: str, text: str, names: tuple[str, ...]) -> list[Fault]:
    """Return the faults of one path that show without the data: its writing, and names that are not declared."""
    read = read_path(text)
    faults = [Fault("error", file, line, key, rule, text or '""', remedy) for rule, remedy in read.faults]
    undeclared = [name for name in read.names if name not in names and not read.faults]
    return faults + [replace(_undeclared(file, key, name, names), row=line) for name in undeclared]


def _undeclared(file: str, key: str, name: str, names: tuple[str, ...]) -> Fault:
    """Return the fault of a name that is no variable."""
    remedy = missing_comma(name, names) or f"{suggestion(name, names)} Or declare [variables.{name}]."
    return Fault("error", file, None, key, "A model names a variable that is not declared.", name, remedy)


def _without_repeats(faults: Iterable[Fault]) -> list[Fault]:
    """Return faults once each, in order."""
    return list(dict.fromkeys(faults))
