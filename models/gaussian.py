"""A linear Gaussian multilevel system, declared in names.

Row i of a group, client c of therapist t (see :mod:`safezone.models.kernel` for the likelihood):

    y_i = Σ_j x_ij β_j + Σ_k z_ik Σ_e λ_ek η_ec + ε_i ,   ε_i ~ N(0, σ²)
    η_c = u_c + w_t ,   u = B_u u + diag(sd_u) C_u d ,   w = B_w w + diag(sd_w) C_w d ,   d ~ N(0, I)

Coefficients β and loadings λ are *polynomials* in the parameters, so that one parameter can be a
coefficient and (with the opposite sign) the loading on a latent mean. Paths B
stand on latent effects in causal order, C are Cholesky factors of correlation matrices.

Nothing here knows of psychotherapy: :mod:`safezone.models.marginal_form` translates a design, and
:mod:`safezone.models.compilation` turns a declaration into the arrays of the kernel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .priors import Prior

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Poly = tuple[tuple[float, tuple[str, ...]], ...]
ONE: Poly = ((1.0, ()),)
CONSTANT = "1"
"""Names what is not a parameter but one: the SD of an effect on a standardised scale."""


def poly(name: str, weight: float = 1.0) -> Poly:
    """Return ``weight · parameter`` as a polynomial."""
    return ((weight, (name,)),)


def times(one: Poly, other: Poly) -> Poly:
    """Return the product of two polynomials."""
    return tuple((a * b, (*names, *more)) for a, names in one for b, more in other)


@dataclass(frozen=True, slots=True)
class Free:
    """A scalar parameter.

    Parameters
    ----------
    name
        Unique name (``within[safety]``).
    prior
        Its prior on the natural scale; ``None`` for none (maximum likelihood).
    positive
        Whether it is an SD. Narrower supports follow from the prior.
    """

    name: str
    prior: Prior | None = None
    positive: bool = False


@dataclass(frozen=True, slots=True)
class Correlation:
    """An unstructured correlation matrix of some effects of one level, under LKJ(``eta``)."""

    name: str
    effects: tuple[str, ...]
    eta: float = 1.0


@dataclass(frozen=True, slots=True)
class Structure:
    """The effects of one level.

    Parameters
    ----------
    effects
        Names, causes before what they explain; each is an entry of η.
    sd
        Name of the SD of each (of what the paths leave unexplained), or :data:`CONSTANT`.
    paths
        (effect, earlier effect, parameter).
    correlations
        Blocks of correlated (residual) effects; effects outside are independent.
    """

    effects: tuple[str, ...] = ()
    sd: tuple[str, ...] = ()
    paths: tuple[tuple[str, str, str], ...] = ()
    correlations: tuple[Correlation, ...] = ()


@dataclass(frozen=True, slots=True)
class Recursion:
    """A recursive system of V responses within a row: paths (v, u < v, parameter) and residual SDs."""

    sd: tuple[str, ...]
    paths: tuple[tuple[int, int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Derived:
    """The equation of response ``target`` when only some earlier responses are observed.

    It makes parameters ``NAME.path[u]``, ``NAME.sd`` and ``NAME.total[w]``; see
    :func:`safezone.models.parameter_map.condition`.
    """

    name: str
    recursion: int
    target: int
    seen: tuple[bool, ...]


@dataclass(frozen=True)
class Group:
    """Rows that share coefficients, loadings and residual SD.

    Parameters
    ----------
    name
        For messages.
    y, x, z
        Rows: (n,), (n, p), (n, k).
    client
        Client of each row, (n,).
    coefficients
        β as polynomials, one per column of ``x``.
    loadings
        Per column of ``z``: effect → polynomial.
    sigma
        Name of the residual SD.
    """

    name: str
    y: Floats
    x: Floats
    z: Floats
    client: Ints
    coefficients: tuple[Poly, ...]
    loadings: tuple[Mapping[str, Poly], ...]
    sigma: str


@dataclass(frozen=True)
class GaussianSystem:
    """A declared system.

    Parameters
    ----------
    parameters
        Scalars, in the order of θ; correlations follow.
    effects
        Entries of η.
    groups
        The rows.
    client, therapist
        The two levels; ``therapist`` without effects where there is no such level.
    clients
        Number of clients.
    therapist_of
        Therapist of each client, (clients,); shape (0,) without the level.
    recursions, derived
        Systems within a row and the equations derived from them for rows with missing predictors.
    """

    parameters: tuple[Free, ...]
    effects: tuple[str, ...]
    groups: tuple[Group, ...]
    client: Structure
    therapist: Structure
    clients: int
    therapist_of: Ints
    recursions: tuple[Recursion, ...] = ()
    derived: tuple[Derived, ...] = ()

    @property
    def correlations(self) -> tuple[tuple[int, Correlation], ...]:
        """(level, block) in the order of θ: client blocks, then therapist blocks."""
        return (
            *((0, block) for block in self.client.correlations),
            *((1, block) for block in self.therapist.correlations),
        )

    @property
    def dimension(self) -> int:
        """Length of θ."""
        return len(self.parameters) + sum(len(b.effects) * (len(b.effects) - 1) // 2 for _, b in self.correlations)

    @property
    def theta_names(self) -> tuple[str, ...]:
        """A name for every element of θ."""
        names = [parameter.name for parameter in self.parameters]
        for _, block in self.correlations:
            names += [f"{block.name}[{a},{b}]" for i, a in enumerate(block.effects) for b in block.effects[:i]]
        return tuple(names)
