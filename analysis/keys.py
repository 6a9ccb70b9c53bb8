"""What a fit depends on, named, so that ``status`` can say which part of it changed.

A fit depends on its design (the data as its likelihood sees them), options, priors, code, sampler
settings and the major versions of the numerical packages; its summaries depend on the fit and on
report settings, labels and the summarising code. Neither depends on prose, commits or file times.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..data.config import ReportSection, SamplingSection
from . import provenance
from .fingerprint import fingerprint
from .source import source_fingerprint
from .store import key_of

if TYPE_CHECKING:
    from ..models.design import Design
    from ..models.model import Model

_PACKAGE = (__package__ or "").rpartition(".")[0]
_MODELS = f"{_PACKAGE}.models"

# Fields of a design that the likelihood does not see: words, bookkeeping, and where rows stood in the file.
_WORDS = frozenset({"label", "unit", "better", "time_unit", "notes", "account", "row", "known_therapists"})
_SCALES = frozenset({"mean", "sd"})  # they follow from the data
_SEPARATE = frozenset({"kind", "name", "options", "priors"})

_SAMPLING_CODE = ("sampling", "marginal", "remedies", "diagnostics")
_SUMMARY_CODE = (
    "estimates",
    "predictive",
    "prior",
    "prior_predictive",
    "parameter_table",
    "literature",
    "comparison",
    "crosscheck",
    "crosscheck_methods",
    "card",
    "curves",
    "paths",
    "surfaces",
    "variants",
    "export",
    "diagnostics",
)


def fit_components(model: Model, design: Design, sampling: SamplingSection) -> dict[str, str]:
    """Return what the draws depend on, by name; readable where that helps to explain a change."""
    return {
        "design": fingerprint(design, without=_WORDS | _SEPARATE),
        "options": fingerprint(design.options, without=frozenset({"priors"})),
        "priors": fingerprint({name: (p.kind, p.parameters) for name, p in design.priors.items()}),
        "code": source_fingerprint([*_modules(model), f"{_MODELS}.marginal_posterior"], _MODELS),
        "sampler": _readable(sampling.model_dump()),
        "seed": str(provenance.model_seed(sampling.seed, design.name)),
        "sampler_code": source_fingerprint([f"{__package__}.{name}" for name in _SAMPLING_CODE], room="-"),
        "versions": _readable(provenance.majors(provenance.NUMERICAL)),
    }


def summary_components(
    fit_key: str, design: Design, report: ReportSection, references: Mapping[str, str]
) -> dict[str, str]:
    """Return what the summaries of a fit depend on, by name."""
    measures = (design.outcome, *design.predictors, *getattr(design, "covariates", ()))
    return {
        "fit": fit_key,
        "interval": repr(report.interval),
        "rope": _readable(report.rope),
        "disclosure": str(report.disclosure.threshold),
        "labels": fingerprint(
            [measures, design.time_unit, design.account, design.known_therapists, dict(references)], without=_SCALES
        ),
        "summary_code": source_fingerprint([f"{__package__}.{name}" for name in _SUMMARY_CODE], room="-"),
        "summary_versions": _readable(provenance.majors(provenance.SUMMARISING)),
    }


def _modules(model: Model) -> list[str]:
    """Modules in which the model's functions are written."""
    names = (getattr(getattr(model, field), "__module__", None) for field in model.__dataclass_fields__)
    return sorted({name for name in names if isinstance(name, str) and name.startswith(_PACKAGE)})


def _readable(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {values[name]}" for name in sorted(values))


_CAUSES: Mapping[str, str] = {
    "options": "the model's options changed",
    "priors": "the priors changed",
    "code": "the model's code changed",
    "sampler": "the sampling settings changed",
    "seed": "the seed changed",
    "sampler_code": "the sampler's code changed",
    "versions": "numerical packages changed",
    "interval": "the interval of the report changed",
    "rope": "the region of practical equivalence changed",
    "disclosure": "the disclosure threshold changed",
    "labels": "labels, units or the account of rows changed",
    "summary_code": "the code of the summaries changed",
    "summary_versions": "packages used for the summaries changed",
}
_SHOWN = frozenset({"sampler", "versions", "summary_versions", "interval", "rope", "disclosure"})


def causes(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """Say in words which parts differ.

    The design follows from data, options and code; it counts as *data* only where neither of the
    other two explains it. The seed follows from the sampling settings.

    Examples
    --------
    >>> causes({"priors": "a", "design": "d"}, {"priors": "b", "design": "d"})
    ('the priors changed',)
    >>> causes({"design": "d"}, {"design": "e"})
    ('the data that this model uses changed',)
    """
    differ = {name for name in {*before, *now} if before.get(name) != now.get(name)}
    found: list[str] = []
    if "design" in differ and not differ & {"options", "code"}:
        found.append("the data that this model uses changed")
    for name, words in _CAUSES.items():
        implied = (name == "seed" and "sampler" in differ) or (name == "labels" and "design" in differ)
        if name not in differ or implied:
            continue
        shown = name in _SHOWN and before.get(name) is not None
        found.append(f"{words} ({_difference(before[name], now.get(name, ''))})" if shown else words)
    return tuple(found)


def _difference(before: str, now: str) -> str:
    """Return the items of two readable components that differ: ``draws 1000 → 2000``."""
    old, new = before.split(", "), now.split(", ")
    if len(old) != len(new):
        return f"{before} → {now}"
    return ", ".join(f"{a} → {b.rpartition(' ')[2]}" for a, b in zip(old, new, strict=True) if a != b)


def fit_key(model: Model, design: Design, sampling: SamplingSection) -> str:
    """Return the content address of a fit."""
    return key_of(fit_components(model, design, sampling))
