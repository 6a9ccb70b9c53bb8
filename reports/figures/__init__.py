"""Figures in one style: each drawing function takes a piece of the results and gives a figure with its alt text."""

from .checks import diagnostics, predictive, ranks
from .densities import prior_posterior
from .embed import figure, save
from .flow import Step, flow
from .forest import forest
from .growth import growth
from .missing import missingness
from .panel import panel, panels
from .paths import paths
from .shares import shares
from .style import Figure

__all__ = [
    "Figure",
    "Step",
    "diagnostics",
    "figure",
    "flow",
    "forest",
    "growth",
    "missingness",
    "panel",
    "panels",
    "paths",
    "predictive",
    "prior_posterior",
    "ranks",
    "save",
    "shares",
]
