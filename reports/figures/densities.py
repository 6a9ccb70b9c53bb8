"""Prior against posterior: what the data taught."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..prose.language import language
from ..prose.names import interpreted, placed_name
from .style import COLOURS, GREY, SIZE, Figure, canvas, styled, wrap

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from ..results import ModelResults, StudyInfo

MOST = 12  # panels: beyond that the supplement shows the rest


def prior_posterior(model: ModelResults, study: StudyInfo, code: str | None = None, first: int = 0) -> Figure | None:
    """Draw prior and posterior densities of the interpreted parameters, on the scale on which priors are set.

    Parameters
    ----------
    model
        A model whose fit kept draws from the prior.
    study
        For the interval.
    code
        Language; the study's by default.
    first
        Parameters to pass over; at most :data:`MOST` are drawn.

    Returns
    -------
    Figure or None
        ``None`` where there are no draws from the prior, or no more parameters.
    """
    if model.prior is None:
        return None
    code = code or study.language
    talk = language(code)
    found = []
    for parameter in model.card.get("parameters") or ():
        if not interpreted(parameter):
            continue
        name = str(parameter["name"])
        prior, posterior = draws_of(model.prior, name), draws_of(model.posterior, name)
        if prior is not None and posterior is not None:
            found.append((placed_name(model, str(parameter.get("estimand") or name), talk), prior, posterior))
    found = found[first : first + MOST]
    if not found:
        return None
    columns = min(4, len(found))
    rows = -(-len(found) // columns)
    parts = []
    tail = (1 - study.interval) / 2
    with styled(code):
        fig, axes = canvas(0.4 + 1.2 * rows, columns, rows)
        for ax, (name, prior, posterior) in zip(axes, found, strict=False):
            low = min(np.quantile(prior, 0.01), np.quantile(posterior, 0.001))
            high = max(np.quantile(prior, 0.99), np.quantile(posterior, 0.999))
            floor = 0.0 if min(prior.min(), posterior.min()) >= 0 else None
            grid = np.linspace(low if floor is None else floor, high, 240)
            ax.fill_between(grid, density(posterior, grid, floor), color=COLOURS[0], alpha=0.25, lw=0)
            ax.plot(grid, density(posterior, grid, floor), color=COLOURS[0], label=talk.say("figure.posterior"))
            ax.plot(grid, density(prior, grid, floor), color=GREY, ls="--", lw=1.2, label=talk.say("figure.prior"))
            ax.set_title(wrap(name, 23), fontsize=SIZE - 2, fontweight="normal")
            ax.set_yticks([])
            ax.spines["left"].set_visible(False)
            ax.set_ylim(bottom=0)
            spans = [
                "["
                + (", " if code == "en" else "; ").join(
                    talk.number(float(q), 2) for q in np.quantile(x, [tail, 1 - tail])
                )
                + "]"
                for x in (prior, posterior)
            ]
            parts.append(talk.say("alt.prior_part", name=name, prior=spans[0], posterior=spans[1]))
        for ax in axes[len(found) :]:
            ax.remove()
        handles, labels = axes[0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower center", ncols=2)
    return Figure(fig, talk.say("alt.prior", n=str(len(found)), parts="; ".join(parts)))


def draws_of(dataset: xr.Dataset, name: str) -> NDArray[np.float64] | None:
    """Return the draws of ``variable`` or ``variable[coordinate]`` as one vector, or ``None`` where there are none.

    A variable that still has a dimension is taken only if it has a single element.
    """
    variable, _, inside = name.partition("[")
    if variable not in dataset:
        return None
    values = dataset[variable]
    dims = [str(dim) for dim in values.dims if dim not in ("chain", "draw", "sample")]
    wanted = [part.strip() for part in inside.rstrip("]").split(",")] if inside else []
    # A coordinate may itself hold brackets ("fixed[arm[active]]"): then the closing ones belong to it.
    if inside and len(dims) == 1:
        wanted = [inside.removesuffix("]")]
    for dim, coordinate in zip(dims, wanted, strict=False):
        labels = [str(label) for label in values[dim].values]
        if coordinate not in labels:
            return None
        values = values.isel({dim: labels.index(coordinate)})
    flat = np.asarray(values.values, dtype=float)
    if any(size > 1 for dim, size in values.sizes.items() if dim not in ("chain", "draw", "sample")):
        return None
    flat = flat.ravel()
    flat = flat[np.isfinite(flat)]
    return flat if flat.size > 10 and np.ptp(flat) > 0 else None


def density(draws: NDArray[np.float64], grid: NDArray[np.float64], floor: float | None = None) -> NDArray[np.float64]:
    """Kernel density with a Gaussian kernel, reflected at a lower bound so that it does not leak below it.

    Parameters
    ----------
    draws
        Shape (draws,).
    grid
        Where to evaluate, shape (points,).
    floor
        Lower bound of the support.

    Returns
    -------
    ndarray
        Shape (points,).

    References
    ----------
    Silverman (1986), Density Estimation, eq. 3.31 for the bandwidth.
    """
    spread = min(float(draws.std(ddof=1)), float(np.subtract(*np.quantile(draws, [0.75, 0.25]))) / 1.34)
    width = 0.9 * (spread or float(draws.std(ddof=1))) * draws.size ** (-0.2)
    # Binned first, finely against the kernel: a grid against some thousand draws would be slow.
    low, high = draws.min() - 4 * width, draws.max() + 4 * width
    counts, edges = np.histogram(draws, bins=512, range=(low, high))
    centres = (edges[1:] + edges[:-1]) / 2

    def smooth(at: NDArray[np.float64]) -> NDArray[np.float64]:
        kernel = np.exp(-0.5 * ((at[:, None] - centres[None, :]) / width) ** 2)
        return np.asarray(kernel @ counts / (draws.size * width * np.sqrt(2 * np.pi)))

    total = smooth(grid)
    return total if floor is None else total + smooth(2 * floor - grid)
