"""Figures in one style: each drawing function takes a piece of the results and gives a figure with its alt text."""

from .checks import MOST_CHECKS, check_name, diagnostics, predictive, ranks
from .densities import prior_posterior
from .embed import figure, save
from .flow import Step, flow
from .forest import forest
from .growth import growth
from .missing import missingness
from .multiverse import multiverse
from .panel import panel, panels
from .paths import paths
from .shares import shares
from .style import Figure
from .surface import surface
from .theory import theory

__all__ = [
    "MOST_CHECKS",
    "Figure",
    "Step",
    "check_name",
    "diagnostics",
    "figure",
    "flow",
    "forest",
    "growth",
    "missingness",
    "multiverse",
    "panel",
    "panels",
    "paths",
    "predictive",
    "prior_posterior",
    "ranks",
    "save",
    "shares",
    "surface",
    "theory",
]
