"""Merge what a document is told about itself: extension, project, profile, front matter, caller.

The order is Quarto's: the extension's format, ``_quarto.yml``, the profiles' ``_quarto-NAME.yml``,
the front matter, and last what the caller passes. Within each layer, what stands under
``format: html`` (or ``safezone-html``) wins over what stands beside it.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from .qmd import Document, load_yaml
from .qmd_rules import check_metadata

Target = Literal["html", "typst", "docx"]
TEMPLATES = Path(__file__).resolve().parent / "templates"
EXTENSION = Path("_extensions") / "safezone"
_PATHS = ("bibliography", "csl", "reference-doc", "css")
_MONTHS = {
    "en": (
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ),
    "de": (
        "Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November",
        "Dezember",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that decides how one document becomes one format.

    Parameters
    ----------
    target
        ``html``, ``typst`` or ``docx``.
    metadata
        The merged metadata; files in it are absolute paths.
    extension
        Folder of the safezone extension that is used.
    folder
        Where cells run.
    """

    target: Target
    metadata: Mapping[str, object]
    extension: Path
    folder: Path

    def text(self, key: str, default: str = "") -> str:
        """Return a metadata value as text."""
        value = self.metadata.get(key)
        return default if value is None else str(value)

    def flag(self, key: str, default: bool = False) -> bool:
        """Return a metadata value as yes or no."""
        return bool(self.metadata.get(key, default))

    def number(self, key: str, default: float) -> float:
        """Return a metadata value as a number."""
        value = self.metadata.get(key)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default

    @property
    def language(self) -> str:
        """Two-letter language, ``en`` by default."""
        return self.text("lang", "en").split("-")[0].lower()

    @property
    def execute(self) -> Mapping[str, object]:
        """Defaults of the cell options."""
        value = self.metadata.get("execute")
        return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def settings(
    document: Document, target: Target, project: Path, overrides: Mapping[str, object], profile: str | None = None
) -> Settings:
    """Merge all layers for one format.

    Parameters
    ----------
    document
        The parsed document.
    target
        The format to make.
    project
        Folder with ``_quarto.yml`` (need not have one).
    overrides
        Metadata of the caller; wins over the front matter, as ``quarto render -M`` does.
    profile
        Names of project profiles, comma-separated; by default ``QUARTO_PROFILE``.
    """
    extension = find_extension(document.path.parent, project)
    merged: dict[str, object] = {}
    for layer in _extension_layers(extension, target):
        merged = _merge(merged, layer)
    for name in ("_quarto.yml", *_profiles(profile)):
        file = project / name
        if file.is_file():
            values = load_yaml(file.read_text(encoding="utf-8"), name)
            check_metadata(values, name)
            merged = _merge(merged, _resolve(_layer(values, target), project))
    merged = _merge(merged, _resolve(_layer(dict(document.front_matter), target), document.path.parent))
    merged = _merge(merged, dict(overrides))
    by_author = authors(merged.get("author"))
    merged["by-author"] = by_author
    places = [place["name"] for author in by_author for place in cast("list[dict[str, str]]", author["affiliations"])]
    merged["affiliations"] = list(dict.fromkeys(places))
    merged["author"] = [str(author["plain"]) for author in by_author]
    language = str(merged.get("lang") or "en")
    merged["lang"] = language
    if "date" in merged:
        merged["date"] = date_text(str(merged["date"]), language.split("-", maxsplit=1)[0], document.path)
    project_options = merged.pop("project", {})
    in_project = isinstance(project_options, dict) and project_options.get("execute-dir") == "project"
    return Settings(target, merged, extension, project if in_project else document.path.parent)


def find_extension(folder: Path, project: Path) -> Path:
    """Return the nearest safezone extension: beside the document, in the project, or bundled."""
    for place in (folder, *folder.parents):
        if (place / EXTENSION / "_extension.yml").is_file():
            return place / EXTENSION
        if place == project:
            break
    return TEMPLATES / EXTENSION


def authors(value: object) -> list[dict[str, object]]:
    """Bring every way to write authors into the one that Quarto hands to templates.

    Examples
    --------
    >>> authors("A. Author")[0]["name"]
    {'literal': 'A. Author'}
    """
    items = value if isinstance(value, list | tuple) else [] if value is None else [value]
    result: list[dict[str, object]] = []
    for item in items:
        entry: dict[object, object] = dict(item) if isinstance(item, dict) else {"name": item}
        name = entry.get("name", "")
        literal = str(name.get("literal", "")) if isinstance(name, dict) else str(name)
        places = entry.get("affiliations", entry.get("affiliation", []))
        names = [
            str(place.get("name", "")) if isinstance(place, dict) else str(place)
            for place in (places if isinstance(places, list) else [places])
        ]
        author: dict[str, object] = {
            "plain": literal,
            "name": {"literal": literal},
            "affiliations": [{"name": place} for place in names if place],
        }
        author.update({key: str(entry[key]) for key in ("orcid", "email") if entry.get(key)})
        result.append(author)
    return result


def date_text(value: str, language: str, path: Path) -> str:
    """Write ``today``, ``last-modified`` and ISO dates in words; leave any other text alone.

    Examples
    --------
    >>> date_text("2026-03-09", "de", Path("a.qmd"))
    '9. März 2026'
    >>> date_text("2026-03-09", "en", Path("a.qmd"))
    'March 9, 2026'
    """
    import datetime as dt

    if value in ("today", "now"):
        epoch = os.environ.get("SOURCE_DATE_EPOCH")
        now = dt.datetime.now().astimezone()
        day = dt.datetime.fromtimestamp(int(epoch), dt.UTC).date() if epoch else now.date()
    elif value == "last-modified":
        day = dt.datetime.fromtimestamp(path.stat().st_mtime).astimezone().date()
    else:
        try:
            day = dt.date.fromisoformat(value)
        except ValueError:
            return value
    if language == "de":
        return f"{day.day}. {_MONTHS['de'][day.month - 1]} {day.year}"
    return f"{_MONTHS['en'][day.month - 1]} {day.day}, {day.year}"


def _profiles(profile: str | None) -> tuple[str, ...]:
    names = profile if profile is not None else os.environ.get("QUARTO_PROFILE", "")
    return tuple(f"_quarto-{name.strip()}.yml" for name in names.split(",") if name.strip())


def _extension_layers(extension: Path, target: Target) -> list[dict[str, object]]:
    file = extension / "_extension.yml"
    contributes = load_yaml(file.read_text(encoding="utf-8"), str(EXTENSION / "_extension.yml")).get("contributes", {})
    formats = contributes.get("formats", {}) if isinstance(contributes, dict) else {}
    layers = [formats.get(name) or {} for name in ("common", target)]
    return [_resolve(cast("dict[str, object]", layer), extension) for layer in layers]


def _layer(values: dict[str, object], target: Target) -> dict[str, object]:
    formats = values.pop("format", None)
    if isinstance(formats, dict):
        for name in (target, f"safezone-{target}"):
            options = formats.get(name)
            if isinstance(options, dict):
                values = _merge(values, cast("dict[str, object]", options))
    return values


def _merge(low: Mapping[str, object], high: Mapping[str, object]) -> dict[str, object]:
    """Merge as Quarto does: mappings by key, everything else replaced by the higher layer."""
    result = copy.deepcopy(dict(low))
    for key, value in high.items():
        below = result.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            result[key] = _merge(below, cast("dict[str, object]", value))
        else:
            result[key] = copy.deepcopy(value)
    return result


def _resolve(values: dict[str, object], folder: Path) -> dict[str, object]:
    for key in _PATHS:
        value = values.get(key)
        if isinstance(value, str):
            values[key] = str((folder / value).resolve())
        elif isinstance(value, list):
            values[key] = [str((folder / str(item)).resolve()) for item in value]
    return values
