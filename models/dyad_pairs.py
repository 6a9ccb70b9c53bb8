"""Which ratings of a dyad belong together, and whether they are on one scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..data.config import ModelSection
    from .path_design import PathDesign


def pairs(options: ModelSection) -> tuple[tuple[str, str], ...]:
    """Return (client's, therapist's) ratings: of the predictor (where there is one) and of the outcome.

    Examples
    --------
    >>> from safezone.data.config import ModelSection
    >>> pairs(ModelSection(outcome="safety", predictors=("t_safety",)))
    (('safety', 't_safety'),)
    >>> pairs(ModelSection(outcome="depth", predictors=("safety", "t_safety"), partner="t_depth"))
    (('safety', 't_safety'), ('depth', 't_depth'))
    """
    outcome = options.outcome or ""
    if options.partner is None:
        return ((outcome, options.predictors[0]),)
    return ((options.predictors[0], options.predictors[1]), (outcome, options.partner))


def on_one_scale(design: PathDesign) -> bool:
    """Whether every pair of ratings has one range (that of the data where none is declared), unit and direction."""
    for pair in pairs(design.options):
        if not all(name in design.names for name in pair):
            return False
        first, second = (design.measure(name) for name in pair)
        if (first.low, first.high, first.unit, first.better) != (second.low, second.high, second.unit, second.better):
            return False
    return True


def is_single(design: PathDesign) -> bool:
    """Whether clients' effects are left out, because every client has one session."""
    from .path_form import present

    return not present(design)


__all__ = ["is_single", "on_one_scale", "pairs"]
