"""Parameters, effects and missing covariates of a design as PyMC variables; the equations use them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from .design import Design, Floats
from .parameters import prior_of, sampled_variables, slots
from .priors import Prior, joint_logp, joint_pymc
from .surface import VARIABLES
from .surface_design import term_root

if TYPE_CHECKING:
    from .families import Tensor

Parameterisation = Literal["noncentred", "centred", "nested"]


def dot(left: Tensor | Floats, right: Tensor | Floats) -> Tensor:
    """Matrix product, typed."""
    import pytensor.tensor as pt

    return cast("Tensor", pt.dot(left, right))  # type: ignore[no-untyped-call]


def join(parts: Sequence[Tensor | Floats], axis: int = 0) -> Tensor:
    """Concatenation, typed."""
    import pytensor.tensor as pt

    return cast("Tensor", pt.concatenate(parts, axis=axis))  # type: ignore[no-untyped-call]


def priors_of(design: Design) -> dict[str, list[Prior]]:
    """Collect the priors of each variable, one per element."""
    found: dict[str, list[Prior]] = {}
    for slot in slots(design):
        found.setdefault(slot.variable, []).append(prior_of(design, slot))
    return found


@dataclass(frozen=True)
class Builder:
    """Adds named parameters of one design to the model on the stack."""

    design: Design
    parameterisation: Parameterisation
    priors: Mapping[str, list[Prior]]

    def parameter(self, name: str) -> Tensor:
        """Add a parameter with its prior, dims as documented, or return it where the model has it."""
        import pymc as pm

        model = pm.modelcontext(None)
        if name in model.named_vars:
            return model[name]  # type: ignore[no-any-return]
        if name == "cutpoints":
            return self._ordered(name, "cut")
        if name == "ends":
            return self._ordered(name, "end")
        if name == "predictor_fixed":
            per_row = [prior for prior in self.priors[name] for _ in self.design.fixed]
            return joint_pymc(name, per_row, ("predictor", "term"))
        if name == "initial_loading":
            return joint_pymc(name, _loading_priors(self.design, self.priors[name][0]), ("response", "response_other"))
        dims: dict[str, str | tuple[str, ...] | None] = dict(sampled_variables(self.design))
        dims |= {"initial_fixed": ("response", "term"), "initial_intercept": "response"}
        dims |= {"initial_path": "start_path", "initial_sd": "response" if self.design.feedback else "predictor"}
        if self.priors[name][0].kind == "lkj":
            return self._correlations(name)
        if self.parameterisation == "nested" and name in VARIABLES.values():
            return self._rotated(name)
        return joint_pymc(name, self.priors[name], dims[name])

    def _ordered(self, name: str, dim: str) -> Tensor:
        """Add thresholds: independent priors under the constraint of rising order."""
        import pymc as pm

        start = np.linspace(-2.0, 2.0, len(self.design.coords[dim]))
        ordered = pm.distributions.transforms.ordered
        return joint_pymc(name, self.priors[name], dim, transform=ordered, initval=start)

    def _rotated(self, name: str) -> Tensor:
        """Add the terms of a surface through directions in which the data leave them nearly independent.

        b = R⁻¹ z with R'R = T'T of the terms' centred columns by observed means; a constant Jacobian, the priors stand
        on b.
        """
        import pymc as pm
        import pytensor.tensor as pt

        z = pm.Flat(f"{name}_z", dims="surface_term")
        back = np.linalg.inv(term_root(self.design, name))
        b = pm.Deterministic(name, pt.dot(back, z), dims="surface_term")  # type: ignore[no-untyped-call]
        pm.Potential(f"{name}_prior", joint_logp(self.priors[name], b))
        return b  # type: ignore[no-any-return]

    def _correlations(self, name: str) -> Tensor:
        """Add a correlation matrix under an LKJ prior; returns its Cholesky factor."""
        dim = {
            "cor_client": "client_effect",
            "cor_therapist": "therapist_effect",
            "cor_predictor_client": "predictor",
            "cor_predictor_therapist": "predictor",
        }[name]
        return lkj_factor(name, dim, len(self.design.coords[dim]), self.priors[name][0].parameters[0])

    def effects(self, unit: str, dim: str, name: str, prefix: str = "") -> Tensor | None:
        """Add the effects of clients or therapists, shape (units, effects); ``None`` without the level."""
        import pymc as pm

        if unit == "therapist" and not self.design.has_therapists:
            return None
        sd = self.parameter(f"sd_{prefix}{unit}")
        correlated = len(self.design.coords[dim]) > 1
        factor = sd[:, None] * self.parameter(f"cor_{prefix}{unit}") if correlated else None
        if self.parameterisation == "centred":
            if factor is None:
                return pm.Normal(name, 0.0, sd, dims=(unit, dim))  # type: ignore[no-any-return]
            return pm.MvNormal(name, mu=np.zeros(len(self.design.coords[dim])), chol=factor, dims=(unit, dim))  # type: ignore[no-any-return]
        z = pm.Normal(f"{name}_z", 0.0, 1.0, dims=(unit, dim))
        return pm.Deterministic(name, z * sd if factor is None else z @ factor.T, dims=(unit, dim))  # type: ignore[no-any-return]

    def nested(self, dim: str, name: str, prefix: str, location: Tensor | float) -> tuple[Tensor, Tensor | None]:
        """Add the effects of clients and therapists with clients sampled around the location and their therapist.

        What is sampled is location + w_t + u_c, which the sessions of a client pin down; the therapists' effects stay
        standardised. Effects are differences of the two, shape (units, effects) each. Needs clients within
        therapists.
        """
        import pymc as pm
        import pytensor.tensor as pt

        design = self.design
        above = self.effects(
            "therapist", dim.replace("client", "therapist"), name.replace("client", "therapist"), prefix
        )
        size = len(design.coords[dim])
        centre = pt.zeros((design.clients, size)) + location
        if above is not None:
            therapist_of = np.zeros(design.clients, dtype=np.int64)
            therapist_of[design.client] = design.therapist
            centre = centre + above[therapist_of]
        sd = self.parameter(f"sd_{prefix}client")
        if size == 1:
            whole = pm.Normal(f"{name}_z", centre, sd, dims=("client", dim))
            return pm.Deterministic(name, whole - centre, dims=("client", dim)), above
        whole = pm.Flat(f"{name}_z", dims=("client", dim))
        effects = pm.Deterministic(name, whole - centre, dims=("client", dim))
        factor = sd[:, None] * self.parameter(f"cor_{prefix}client")
        standard: list[Tensor] = []  # by forward substitution: cheaper to compile than a multivariate normal
        for i in range(size):
            before = sum(factor[i, j] * standard[j] for j in range(i))
            standard.append((effects[:, i] - before) / factor[i, i])
        density = -0.5 * sum((z**2).sum() for z in standard)
        scale = sum(pt.log(factor[i, i]) for i in range(size))
        pm.Potential(f"{name}_law", density - design.clients * scale)
        return effects, above


def nests(design: Design) -> bool:
    """Whether every client has one therapist (or there is no such level)."""
    if not design.has_therapists:
        return True
    return len(np.unique(np.stack([design.client, design.therapist]), axis=1).T) == design.clients


def lkj_factor(name: str, dim: str | None, size: int, eta: float) -> Tensor:
    """Add a correlation matrix under an LKJ prior to the model on the stack; returns its Cholesky factor.

    The partial correlations of a C-vine are independent betas on (−1, 1) (Lewandowski, Kurowicka &
    Joe 2009), which needs neither a Jacobian nor a decomposition.
    """
    import pymc as pm
    import pytensor.tensor as pt

    shape = np.array([eta + (size - 2 - j) / 2 for i in range(1, size) for j in range(i)])
    partial = 2.0 * pm.Beta(f"{name}_partial", shape, shape) - 1.0
    rows: list[list[Tensor | float]] = [[1.0, *[0.0] * (size - 1)]]
    at = 0
    for i in range(1, size):
        left: Tensor | float = 1.0
        row: list[Tensor | float] = []
        for _ in range(i):
            row.append(partial[at] * left)
            left = left * pt.sqrt(1.0 - partial[at] ** 2)
            at += 1
        rows.append([*row, left, *[0.0] * (size - 1 - i)])
    factor = pt.stack([pt.stack([pt.as_tensor(cell) for cell in row]) for row in rows])
    pm.Deterministic(name, factor @ factor.T, dims=None if dim is None else (dim, f"{dim}_other"))
    return factor  # type: ignore[no-any-return]


def _loading_priors(design: Design, other: Prior) -> list[Prior]:
    own = design.priors["initial_loading_own"]
    size = len(design.responses)
    return [own if i == j else other for i in range(size) for j in range(size)]


def fixed_matrix(design: Design) -> Tensor | Floats:
    """F, with missing covariates as standard normal unknowns."""
    import pymc as pm
    import pytensor.tensor as pt

    holes = design.holes
    if not holes.names:
        return design.F
    unknown = pm.Normal("missing_covariate", 0.0, 1.0, dims="hole_unit")
    return pt.as_tensor(design.F)[holes.row, holes.column].set(unknown[holes.unit] * holes.multiplier)  # type: ignore[no-any-return]
