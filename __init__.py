"""safezone: Bayesian models of safety in therapeutic relationships, and reports that rebuild themselves.

The public names are imported when they are first used, so that ``import safezone`` costs nothing.

Examples
--------
>>> import safezone as sz
>>> study = sz.read_study("study.toml")  # doctest: +SKIP
>>> sz.run(study)  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .analysis.answer import principles
    from .analysis.fit import Fit
    from .analysis.pipeline import fit, run, status
    from .data.errors import DiagnosticsError, Fault, InputError, NumbersMovedError, SafezoneError
    from .data.simulate import simulate
    from .data.study import Study, read_study
    from .models.catalogue import plan
    from .models.catalogue import plan as catalogue
    from .reports.report import report

__version__ = "0.1.0"

__all__ = [
    "DiagnosticsError",
    "Fault",
    "Fit",
    "InputError",
    "NumbersMovedError",
    "SafezoneError",
    "Study",
    "__version__",
    "catalogue",
    "fit",
    "plan",
    "principles",
    "read_study",
    "report",
    "run",
    "simulate",
    "status",
]

# Public name -> (module, name there). The type checker reads the block above; a test compares the two.
_PUBLIC = {
    "DiagnosticsError": (".data.errors", "DiagnosticsError"),
    "Fault": (".data.errors", "Fault"),
    "Fit": (".analysis.fit", "Fit"),
    "InputError": (".data.errors", "InputError"),
    "NumbersMovedError": (".data.errors", "NumbersMovedError"),
    "SafezoneError": (".data.errors", "SafezoneError"),
    "Study": (".data.study", "Study"),
    "catalogue": (".models.catalogue", "plan"),
    "fit": (".analysis.pipeline", "fit"),
    "plan": (".models.catalogue", "plan"),
    "principles": (".analysis.answer", "principles"),
    "read_study": (".data.study", "read_study"),
    "report": (".reports.report", "report"),
    "run": (".analysis.pipeline", "run"),
    "simulate": (".data.simulate", "simulate"),
    "status": (".analysis.pipeline", "status"),
}


def __getattr__(name: str) -> object:
    """Import a public name on first use."""
    if name not in _PUBLIC:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    module, attribute = _PUBLIC[name]
    value = getattr(importlib.import_module(module, __name__), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names, whether or not they have been imported yet."""
    return __all__
