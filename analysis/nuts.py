"""NUTS (nutpie) on the marginalised density, in the whitened coordinates ζ = L⁻¹(θ − mode).

What a dense mass matrix learns in warm-up is there from the start. Imports neither PyMC nor PyTensor.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .mode import Floats, MarginalError, Mode
from .theta import ThetaDraws

if TYPE_CHECKING:
    from ..models.compilation import Compiled
    from .progress import Progress

STATISTICS = ("diverging", "energy", "logp", "depth", "n_steps", "step_size", "mean_tree_accept")
PROGRESS_RATE_MS = 250


def sample_nuts(
    compiled: Compiled,
    mode: Mode,
    *,
    chains: int,
    draws: int,
    warmup: int,
    seed: int,
    target_accept: float = 0.8,
    progress: Progress | None = None,
) -> ThetaDraws:
    """Draw by NUTS (nutpie), chains side by side in threads.

    Parameters
    ----------
    compiled, mode
        The system; θ is sampled as mode + L ζ.
    chains, draws, warmup, seed, target_accept
        As in nutpie.
    progress
        Told of every chain's draws.

    Raises
    ------
    MarginalError
        If no chain can start.
    """
    import nutpie
    from nutpie.compiled_pyfunc import from_pyfunc

    started = time.perf_counter()
    n = len(mode.theta)
    density = _whitened(compiled, mode)
    model = from_pyfunc(
        n,
        lambda: density,
        lambda *_: lambda zeta: {"zeta": np.asarray(zeta, dtype=np.float64)},
        [np.dtype("float64")],
        [(n,)],
        ["zeta"],
        # Chains begin wider than the posterior, so that R-hat can see what they have not forgotten.
        make_initial_point_fn=lambda chain_seed: np.random.default_rng(chain_seed).normal(0.0, 1.5, n),
    )
    background = nutpie.sample(
        model,
        draws=draws,
        tune=warmup,
        chains=chains,
        seed=seed,
        target_accept=target_accept,
        save_warmup=False,
        progress_bar=False,
        progress_callback=None if progress is None else _reporter(progress),
        progress_rate=PROGRESS_RATE_MS,
        blocking=False,
    )
    try:
        tree = background.wait()
    except RuntimeError as error:
        raise MarginalError(f"No draws: {str(error).splitlines()[0]}") from error
    except BaseException:
        background.cancel()
        raise
    zeta = tree["posterior"]["zeta"].to_numpy()
    found = tree["sample_stats"]
    return ThetaDraws(
        mode.theta + zeta @ mode.root.T,
        "nuts",
        {name: found[name].to_numpy() for name in STATISTICS if name in found},
        timings={"sample": time.perf_counter() - started},
    )


def _whitened(compiled: Compiled, mode: Mode) -> Callable[[Floats], tuple[float, Floats]]:
    """Return log density and gradient in ζ; one compiled call without the interpreter lock."""
    centre, root = mode.theta, np.ascontiguousarray(mode.root)

    def density(zeta: Floats) -> tuple[float, Floats]:
        values, gradients = compiled.evaluate(zeta[None], centre=centre, root=root, gradient=True)
        return float(values[0]), gradients[0]

    return density


def _reporter(progress: Progress) -> Callable[[list[Any]], None]:
    def report(chains: list[Any]) -> None:
        progress.update([chain.finished_draws for chain in chains], sum(chain.divergences for chain in chains))

    return report
