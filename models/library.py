"""The prior library: meta-analytic values as priors, each on the level that it was found on.

``"library:alliance_outcome"`` in a study file becomes a robust mixture on the model's scale: with weight w a normal at
the literature's value, as wide as a new study may differ from it, and with 1 − w a weak normal that takes over when
data and literature disagree (Schmidli et al., 2014). The posterior weight says whether they did.

A value is refused on another level than its own: clients with a better alliance than other clients are not sessions
with a better alliance than usual for a client.

Sources: ``priors.toml``, entry by entry; Schmidli et al. (2014), Biometrics 70(4), 1023–1032, for robust mixtures.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..data.study_file import suggestion
from .priors import Prior, PriorError

if TYPE_CHECKING:
    from ..data.study import Study

Floats = NDArray[np.float64]

PREFIX = "library:"
CONVERSION = 0.25
"""Relative SD of the conversion from a correlation between clients to the model's scale."""
CONFLICT = 0.5
"""Below this part of its prior weight the literature and the data disagree."""

_LEVELS = {"session": "within clients", "client": "between clients", "therapist": "between therapists"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One meta-analytic value.

    Parameters
    ----------
    name
        Its name in study files.
    level
        ``client`` or ``therapist``.
    quantity
        ``slope`` or ``sd``.
    predictor, outcome
        Roles that it is about.
    estimate, se, tau
        The value, its standard error, and the SD between studies (0 where it has none of its own).
    weight
        Prior weight of the literature.
    record
        The whole entry of ``priors.toml``: interval, k, DOI, population, what was verified.
    """

    name: str
    level: str
    quantity: str
    predictor: tuple[str, ...]
    outcome: tuple[str, ...]
    estimate: float
    se: float
    tau: float
    weight: float
    record: Mapping[str, Any]

    def prior(self, weak: float, *, turned: bool = False) -> Prior:
        """Return the prior on the model's scale.

        Parameters
        ----------
        weak
            SD of the weak component: that of the default prior.
        turned
            Whether lower values of the outcome are better, so that the sign turns round.
        """
        if self.quantity == "sd":
            # half_normal(s) has E[sd²] = s²: the expected share of a variance near one.
            return Prior("half_normal", (round(math.sqrt(self.estimate), 3),))
        centre = -self.estimate if turned else self.estimate
        spread = math.sqrt(self.se**2 + self.tau**2 + (CONVERSION * self.estimate) ** 2)
        return Prior("mixture", (self.weight, centre, round(spread, 4), 0.0, weak))


@cache
def library() -> Mapping[str, Entry]:
    """Return every entry by name.

    Examples
    --------
    >>> library()["alliance_outcome"].record["doi"]
    '10.1037/pst0000172'
    """
    table = tomllib.loads(files(__package__).joinpath("priors.toml").read_text(encoding="utf-8"))
    return {
        name: Entry(
            name,
            entry["level"],
            entry.get("quantity", "slope"),
            tuple(entry.get("predictor", ())),
            tuple(entry.get("outcome", ())),
            float(entry["estimate"]),
            float(entry.get("se", 0.0)),
            float(entry.get("tau", 0.0)),
            float(entry.get("weight", 1.0)),
            entry,
        )
        for name, entry in table.items()
    }


def from_library(study: Study, text: str, estimand: str, outcome: str, default: Prior) -> Prior:
    """Return the prior that ``library:NAME`` stands for at one place of a model.

    Parameters
    ----------
    study
        For the roles and directions of variables.
    text
        ``library:NAME``.
    estimand
        The place: the dotted name under which a study file sets the prior.
    outcome
        The model's outcome.
    default
        The place's default prior, whose width the weak component has.

    Raises
    ------
    PriorError
        For an unknown name, another level, or other variables than those that the value is about.
    """
    name = text.removeprefix(PREFIX).strip()
    entry = library().get(name)
    if entry is None:
        raise PriorError(f"The library has no entry '{name}'. {suggestion(name, list(library()))}")
    level, predictor, target = place_of(study, estimand, outcome)
    if level != entry.level:
        raise PriorError(_wrong_level(entry, estimand, level))
    if entry.quantity == "sd":
        if not estimand.startswith("sd."):
            raise PriorError(f"{PREFIX}{name} is a spread between {entry.level}s, not a slope; {estimand} is a slope.")
        return entry.prior(0.0)
    if estimand.startswith("sd."):
        raise PriorError(f"{PREFIX}{name} is a slope; {estimand} is a spread.")
    for role, variable, roles in (("predictor", predictor, entry.predictor), ("outcome", target, entry.outcome)):
        if variable not in study.variables or study.variables[variable].role not in roles:
            found = study.variables[variable].role if variable in study.variables else variable
            wanted = " or ".join(roles)
            raise PriorError(f"{PREFIX}{name} has the {role} {wanted}; the {role} of {estimand} is {found}.")
    weak = default.parameters[1] if default.kind == "normal" else 1.0
    return entry.prior(weak, turned=study.variables[target].better == "lower")


def place_of(study: Study, estimand: str, outcome: str) -> tuple[str, str, str]:
    """Return level, predictor and outcome of a parameter, by its name; the level is empty where it has none."""
    if estimand.startswith("path."):
        _, level, arrow = estimand.split(".", 2)
        source, _, target = arrow.partition("->")
        return level, source, target
    if estimand.startswith("sd."):
        return estimand.split(".")[1], "", outcome
    name, _, part = estimand.partition(".")
    levels = {"within": "session", "between_client": "client", "between_therapist": "therapist"}
    if part:
        return levels.get(part.partition(":")[0], ""), name, outcome
    return (study.variables[name].level if name in study.variables else ""), name, outcome


def _wrong_level(entry: Entry, estimand: str, level: str) -> str:
    here = _LEVELS.get(level, "of another kind")
    why = (
        " Clients with more of it than other clients are not sessions with more of it than usual for one client: the "
        "two can differ in size and even in sign, so a value from one is no evidence about the other."
        if level == "session"
        else ""
    )
    source = f"k = {entry.record['k']}, {entry.record['citation']}"
    return f"{PREFIX}{entry.name} is a value {_LEVELS[entry.level]} ({source}); {estimand} is {here}.{why}"


def literature_weight(prior: Prior, draws: Floats) -> float:
    r"""Return the posterior weight of the literature's component of a mixture prior.

    Parameters
    ----------
    prior
        A ``mixture``.
    draws
        Posterior draws of the parameter on the prior's scale, any shape.

    Returns
    -------
    float
        :math:`E[w f_1(\theta) / (w f_1(\theta) + (1-w) f_2(\theta)) \mid y]`.
    """
    weight, mean, sd, weak_mean, weak_sd = prior.parameters
    informed = math.log(weight) + Prior("normal", (mean, sd)).logpdf(draws)
    weak = math.log1p(-weight) + Prior("normal", (weak_mean, weak_sd)).logpdf(draws)
    return float(np.mean(1.0 / (1.0 + np.exp(np.clip(weak - informed, -700, 700)))))


def conflict(prior: Prior, draws: Floats) -> bool:
    """Whether data and literature disagree: the literature lost half of its prior weight or more."""
    return literature_weight(prior, draws) < CONFLICT * prior.parameters[0]
