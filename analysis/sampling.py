"""Draws from the posterior: the marginalised kernel where the model has one, else PyMC through nutpie.

Every model has its own seed, derived from the study's seed and the model's name, so that adding
a model moves no other model's numbers; and the draws do not depend on how many cores there are.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from ..data.config import SamplingSection
from ..data.errors import SafezoneError
from .draws import EFFECTS_BUDGET, thinning
from .progress import Progress
from .remedies import Effort

if TYPE_CHECKING:
    import xarray as xr

    from ..models.compilation import Compiled
    from ..models.design import Design
    from ..models.gaussian import GaussianSystem
    from ..models.model import Model
    from .marginal import ThetaDraws

# What the store keeps of the sampler's own statistics.
STATISTICS = ("diverging", "energy", "logp", "depth", "n_steps", "step_size", "mean_tree_accept")
PROGRESS_RATE_MS = 250


class SamplingError(SafezoneError):
    """No draws came out: a chain could not start, or the density is not finite."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """Draws, and how they came about.

    Parameters
    ----------
    tree
        Groups ``posterior`` and ``sample_stats``; from the kernel also ``effects`` and
        ``client_log_likelihood``.
    sampler
        ``nuts``, ``importance`` or ``pymc``.
    timings
        Seconds of wall clock for ``compile`` and ``sample``.
    note
        Why this sampler and no faster one.
    """

    tree: xr.DataTree
    sampler: str
    timings: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


class Sampler(Protocol):
    """Draws with a given effort; what is compiled is kept between calls."""

    def __call__(self, effort: Effort) -> Sampled:
        """Sample."""
        ...


def marginal_system(model: Model, design: Design, sampling: SamplingSection) -> GaussianSystem | str:
    """Return the marginalised Gaussian system, or a sentence that says why PyMC runs instead."""
    if sampling.sampler == "pymc":
        return 'The study file asks for PyMC (sampler = "pymc").'
    return model.system(design)


def sampler_for(model: Model, design: Design, sampling: SamplingSection, *, seed: int, progress: Progress) -> Sampler:
    """Choose what samples a model.

    Parameters
    ----------
    model, design
        What to sample.
    sampling
        The study's settings; ``sampler`` is ``auto``, ``nuts``, ``importance`` or ``pymc``.
    seed
        The model's own seed.
    progress
        Told how far it is.

    Returns
    -------
    Sampler
        To be called with an :class:`Effort`.

    Raises
    ------
    SamplingError
        By the sampler, where no draws come out.
    """
    system = marginal_system(model, design, sampling)
    plain = _PyMC(model, design, sampling, seed, progress, system if isinstance(system, str) else "")
    return plain if isinstance(system, str) else _Marginal(system, design, sampling, seed, progress, plain)


def has_alternative(model: Model) -> bool:
    """Whether the model's PyMC form can be parameterised in another way."""
    return "parameterisation" in inspect.signature(model.pymc).parameters


def other_parameterisation(model: Model) -> str:
    """Return the one that is not the default of the model's PyMC form."""
    usual = inspect.signature(model.pymc).parameters["parameterisation"].default
    return "centred" if usual == "noncentred" else "noncentred"


class _Marginal:
    """The marginalised Gaussian kernel; its other parameterisation is the plain PyMC model."""

    def __init__(
        self,
        system: GaussianSystem,
        design: Design,
        sampling: SamplingSection,
        seed: int,
        progress: Progress,
        plain: _PyMC,
    ) -> None:
        self._system, self._design, self._sampling = system, design, sampling
        self._seed, self._progress, self._plain = seed, progress, plain
        self._compiled: Compiled | None = None

    def __call__(self, effort: Effort) -> Sampled:
        if effort.parameterisation != "usual":
            return self._plain(replace(effort, parameterisation="usual"))
        from ..models.precompile import compiling_beside

        started = time.perf_counter()
        with compiling_beside():
            compiled = self._compile()
            ready = time.perf_counter()
            draws = self._sample(compiled, effort)
        tree = self._tree(compiled, draws)
        timings = {"compile": ready - started, "sample": time.perf_counter() - ready}
        return Sampled(tree, draws.sampler, timings, draws.note)

    def _compile(self) -> Compiled:
        from ..models.compilation import compile_system

        if self._compiled is None:
            self._compiled = compile_system(self._system)
        return self._compiled

    def _sample(self, compiled: Compiled, effort: Effort) -> ThetaDraws:
        from . import marginal

        self._progress.start(self._design.name, chains=self._sampling.chains, draws=effort.warmup + effort.draws)
        asked = self._sampling.sampler
        try:
            return marginal.sample(
                compiled,
                sampler="nuts" if not effort.importance or asked == "pymc" else asked,
                chains=self._sampling.chains,
                draws=effort.draws,
                warmup=effort.warmup,
                seed=self._seed,
                target_accept=effort.target_accept,
                progress=self._progress,
            )
        except marginal.MarginalError as error:
            raise SamplingError(str(error)) from error

    def _tree(self, compiled: Compiled, draws: ThetaDraws) -> xr.DataTree:
        """Population-level draws in full; effects and client log-likelihoods thinned to their budgets."""
        import xarray as xr

        from ..models.marginal_posterior import log_likelihoods

        design, theta, posterior = self._design, draws.theta, self._plain.model.posterior
        population = posterior(design, compiled, theta, seed=self._seed, effects=False)
        width = (
            len(self._system.client.effects) * design.clients + len(self._system.therapist.effects) * design.therapists
        )
        step = thinning(theta.shape[0] * theta.shape[1] * width * 8, EFFECTS_BUDGET)
        drawn = posterior(design, compiled, theta[:, ::step], seed=self._seed)
        effects = drawn.drop_vars([str(name) for name in drawn.data_vars if str(name) in population])
        effects = effects.assign_coords(draw=population["draw"].values[::step])
        effects.attrs = {"thinned": step, "budget_bytes": EFFECTS_BUDGET}
        apart = thinning(theta.shape[0] * theta.shape[1] * design.clients * 8, EFFECTS_BUDGET)
        by_client, by_therapist = log_likelihoods(compiled, theta[:, ::apart])
        statistics = {name: (("chain", "draw"), values) for name, values in draws.statistics.items()}
        return xr.DataTree.from_dict(
            {
                "posterior": population,
                "effects": effects,
                "sample_stats": xr.Dataset(
                    statistics, attrs={"pareto_k": draws.pareto_k, "ess_importance": draws.ess_importance}
                ),
                "client_log_likelihood": xr.Dataset(
                    {
                        "value": (("chain", "draw", "client"), by_client),
                        "total": (("chain", "draw"), by_therapist.sum(axis=2)),
                    },
                    attrs={"thinned": apart},
                ),
            }
        )


class _PyMC:
    """The plain PyMC model, compiled once per parameterisation and sampled by nutpie."""

    def __init__(
        self, model: Model, design: Design, sampling: SamplingSection, seed: int, progress: Progress, why: str
    ) -> None:
        self.model, self._design, self._sampling = model, design, sampling
        self._seed, self._progress, self._why = seed, progress, why
        self._compiled: dict[str, Any] = {}

    def __call__(self, effort: Effort) -> Sampled:
        started = time.perf_counter()
        compiled = self._compile(effort.parameterisation)
        ready = time.perf_counter()
        tree = self._sample(compiled, effort)
        timings = {"compile": ready - started, "sample": time.perf_counter() - ready}
        return Sampled(_tidy(tree), "pymc", timings, self._why)

    def _compile(self, parameterisation: str) -> Any:
        if parameterisation not in self._compiled:
            import nutpie

            self._progress.phase("compiling (about half a minute; minutes on a machine's first run)")
            build: Callable[..., Any] = self.model.pymc
            usual = parameterisation == "usual"
            alternative = {} if usual else {"parameterisation": other_parameterisation(self.model)}
            self._compiled[parameterisation] = nutpie.compile_pymc_model(
                build(self._design, **alternative), backend="numba"
            )
        return self._compiled[parameterisation]

    def _sample(self, compiled: Any, effort: Effort) -> xr.DataTree:
        import nutpie

        chains = self._sampling.chains
        self._progress.start(self._design.name, chains=chains, draws=effort.warmup + effort.draws)
        background = nutpie.sample(
            compiled,
            draws=effort.draws,
            tune=effort.warmup,
            chains=chains,
            seed=self._seed,
            target_accept=effort.target_accept,
            save_warmup=False,
            progress_bar=False,
            progress_callback=_reporter(self._progress),
            progress_rate=PROGRESS_RATE_MS,
            blocking=False,
        )
        try:
            # nutpie's blocking form returns a part of the draws on Ctrl-C; a part must never be stored.
            tree: xr.DataTree = background.wait()
        except RuntimeError as error:
            raise SamplingError(f"No draws: {str(error).splitlines()[0]}") from error
        except BaseException:
            background.cancel()
            raise
        return tree


def _reporter(progress: Progress) -> Callable[[list[Any]], None]:
    def report(chains: list[Any]) -> None:
        progress.update([chain.finished_draws for chain in chains], sum(chain.divergences for chain in chains))

    return report


def _tidy(tree: xr.DataTree) -> xr.DataTree:
    """Keep named parameters and the sampler's useful statistics; drop auxiliary variables and creation times."""
    import xarray as xr

    posterior = tree["posterior"].to_dataset()
    named = [str(name) for name in posterior.data_vars if "__" not in str(name) and not str(name).startswith("_")]
    statistics = tree["sample_stats"].to_dataset()
    kept = [name for name in STATISTICS if name in statistics]
    groups = {"posterior": posterior[named], "sample_stats": statistics[kept]}
    for dataset in groups.values():
        dataset.attrs = {}
    return xr.DataTree.from_dict(groups)
