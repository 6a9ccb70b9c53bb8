"""One model: find its draws in the store, or sample, judge, and store them; then its summaries."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.config import ReportSection, SamplingSection
from . import provenance
from .draws import read_tree, split_effects, write_tree
from .estimates import dump_json, to_json
from .fit import Attempt, Diagnostics, Failure, Fit, Provenance
from .keys import fit_components, summary_components
from .progress import Progress
from .remedies import Effort, climb
from .store import Entry, Store, Writer, key_of

if TYPE_CHECKING:
    import xarray as xr

    from ..models.design import Design
    from ..models.model import Model
    from .sampling import Sampled


@dataclass(frozen=True)
class Task:
    """A model to fit.

    Parameters
    ----------
    model, design
        The catalogue entry and what its likelihood sees.
    sampling, report
        The study's settings.
    references
        Reference category by variable, for the names of groups in figures.
    """

    model: Model
    design: Design
    sampling: SamplingSection
    report: ReportSection
    references: Mapping[str, str]

    @property
    def name(self) -> str:
        """The model's name in the study file."""
        return self.design.name

    def fit_parts(self) -> dict[str, str]:
        """Return what the draws depend on."""
        return fit_components(self.model, self.design, self.sampling)

    def summary_parts(self, fit_key: str) -> dict[str, str]:
        """Return what the summaries depend on."""
        return summary_components(fit_key, self.design, self.report, self.references)


@dataclass(frozen=True)
class Keys:
    """The two addresses of a task, with what they are made of."""

    fit: Mapping[str, str]
    summary: Mapping[str, str]

    @property
    def fit_key(self) -> str:
        """Address of the draws."""
        return key_of(self.fit)

    @property
    def summary_key(self) -> str:
        """Address of the summaries."""
        return key_of(self.summary)

    @property
    def all(self) -> dict[str, str]:
        """Every part by name."""
        return {**self.fit, **{name: value for name, value in self.summary.items() if name != "fit"}}


def keys_of(task: Task) -> Keys:
    """Return the addresses of a task."""
    parts = task.fit_parts()
    return Keys(parts, task.summary_parts(key_of(parts)))


@dataclass(frozen=True)
class Stored:
    """A fit's summaries as they lie in the store, read without any heavy library.

    Parameters
    ----------
    entry
        Where.
    estimates
        Rows of ``estimates.csv``.
    card
        The card.
    """

    entry: Entry
    estimates: list[dict[str, Any]]
    card: dict[str, Any]

    @property
    def draws(self) -> Path:
        """The exported draws."""
        return self.entry.path("fit.nc")


def find_summary(store: Store, keys: Keys) -> Stored | None:
    """Return a whole and verified summary, or ``None``."""
    entry = store.find("summaries", keys.summary_key)
    if entry is None:
        return None
    return Stored(entry, json.loads(entry.read("estimates.json")), json.loads(entry.read("card.json")))


def obtain(task: Task, keys: Keys, store: Store, progress: Progress, *, force: bool = False) -> tuple[Stored, bool]:
    """Return a task's summaries, fitting what is not in the store.

    Parameters
    ----------
    task, keys
        What is wanted.
    store
        Where it may be.
    progress
        Told what happens.
    force
        Fit again although the store has it.

    Returns
    -------
    stored, reused
        ``reused`` where nothing had to be computed.

    Raises
    ------
    SamplingError
        When no remedy brings a draw.
    InputError
        When the store cannot be written.
    """
    stored, fit = _obtain(task, keys, store, progress, force=force)
    return stored, fit is None


def obtain_fit(task: Task, keys: Keys, store: Store, progress: Progress, *, force: bool = False) -> Fit:
    """Return the fit itself, with all draws the store keeps."""
    _, fit = _obtain(task, keys, store, progress, force=force)
    if fit is not None:
        return fit
    with store.lock(keys.fit_key):
        return _obtain_fit(task, keys, store, progress)[0]


def obtain_draws(task: Task, keys: Keys, store: Store, progress: Progress) -> tuple[Path, str]:
    """Return where a task's draws are, sampling what is not in the store, and the verdict of their diagnostics.

    Nothing is summarised: for fits of which only a quantity is wanted.
    """
    with store.lock(keys.fit_key, lambda: progress.say(f"{task.name}: another run is fitting it; waiting")):
        entry = store.find("fits", keys.fit_key)
        if entry is None:
            _sample(task, keys, store, progress)
            entry = store.find("fits", keys.fit_key)
    if entry is None:
        raise OSError("the entry that was just written cannot be read back")
    return entry.path("draws.nc"), _diagnostics(json.loads(entry.read("fit.json"))).verdict


def _obtain(task: Task, keys: Keys, store: Store, progress: Progress, *, force: bool) -> tuple[Stored, Fit | None]:
    """Return the summaries, and the fit where they had to be computed."""
    fit = None
    stored = None if force else find_summary(store, keys)
    if stored is None:
        with store.lock(keys.fit_key, lambda: progress.say(f"{task.name}: another run is fitting it; waiting")):
            stored = None if force else find_summary(store, keys)
            if stored is None:
                if force:
                    store.discard("fits", keys.fit_key)
                    store.discard("summaries", keys.summary_key)
                fit, marginal = _obtain_fit(task, keys, store, progress)
                _store_summary(task, keys, store, fit, marginal, progress)
                stored = find_summary(store, keys)
                if stored is None:
                    raise OSError("the entry that was just written cannot be read back")
    store.remember(task.name, keys.all)
    return stored, fit


def _obtain_fit(task: Task, keys: Keys, store: Store, progress: Progress) -> tuple[Fit, Any]:
    """Return a completed fit and the exact client log-likelihoods, from the store or by sampling."""
    from .summaries import complete

    entry = store.find("fits", keys.fit_key)
    if entry is None:
        tree, record = _sample(task, keys, store, progress)
    else:
        tree, record = read_tree(entry.path("draws.nc")), json.loads(entry.read("fit.json"))
    marginal = None
    if "client_log_likelihood" in tree.children:
        values = np.asarray(tree["client_log_likelihood"].to_dataset()["value"])
        marginal = values.reshape(-1, values.shape[-1])
    fit = complete(task.model, task.design, tree, _diagnostics(record), _provenance(record, keys.fit_key), task.report)
    return fit, marginal


def _sample(task: Task, keys: Keys, store: Store, progress: Progress) -> tuple[xr.DataTree, Mapping[str, Any]]:
    """Climb the remedy ladder and store the draws; return what the store now holds."""
    import xarray as xr

    from .estimates import estimand_draws
    from .sampling import SamplingError, has_alternative, sampler_for
    from .summaries import judge

    started, clock = provenance.now(), time.perf_counter()
    seed = provenance.model_seed(task.sampling.seed, task.name)
    sampler = sampler_for(task.model, task.design, task.sampling, seed=seed, progress=progress)
    progress.start(task.name, chains=task.sampling.chains, draws=task.sampling.warmup + task.sampling.draws)
    spent: dict[str, float] = {}

    def attempt(effort: Effort) -> tuple[Sampled | SamplingError, Diagnostics]:
        try:
            sampled = sampler(effort)
        except SamplingError as error:
            return error, _no_draws(effort, task.sampling, str(error))
        for name, seconds in sampled.timings.items():
            spent[name] = spent.get(name, 0.0) + seconds
        return sampled, judge(task.model, task.design, sampled.tree, sampled.sampler)

    sampled, diagnostics, attempts = climb(
        task.sampling, attempt, alternatives=has_alternative(task.model), announce=progress.phase
    )
    if isinstance(sampled, SamplingError):
        raise sampled
    progress.phase("summarising")
    posterior = sampled.tree["posterior"].to_dataset()
    population, effects = split_effects(posterior)
    groups = {str(name): group.to_dataset() for name, group in sampled.tree.children.items()}
    groups["posterior"] = population
    groups["estimands"] = estimand_draws(task.model.estimands(task.design), posterior)
    if effects.data_vars:
        groups["effects"] = effects
    spent["total"] = time.perf_counter() - clock
    record = dump_json(
        {
            "model": task.name,
            "seed": seed,
            "sampler": sampled.sampler,
            "note": sampled.note,
            "diagnostics": asdict(diagnostics),
            "attempts": [asdict(one) for one in attempts],
            "timings": spent,
            "versions": provenance.versions(),
            "machine": provenance.machine(),
            "started": started,
        }
    )
    tree = xr.DataTree.from_dict(groups)
    store.put("fits", keys.fit, {"draws.nc": partial(write_tree, tree), "fit.json": record})
    return tree, json.loads(record)


def _store_summary(task: Task, keys: Keys, store: Store, fit: Fit, marginal: Any, progress: Progress) -> None:
    from .summaries import summarise

    summary = summarise(fit, task.report, marginal, task.references)
    files: dict[str, bytes | Writer] = {
        "estimates.json": to_json(summary.estimates),
        "card.json": dump_json(summary.card),
        "fit.nc": partial(write_tree, summary.exported),
    }
    store.put("summaries", keys.summary, files)
    progress.finish(fit.diagnostics.verdict)


def _no_draws(effort: Effort, sampling: SamplingSection, why: str) -> Diagnostics:
    nothing = float("nan")
    failure = Failure("chain", nothing, nothing, f"no draws ({why})", "check ranges, priors and constant columns")
    return Diagnostics(effort.draws, sampling.chains, 0, nothing, 0.0, 0.0, nothing, nothing, "none", (failure,))


def _diagnostics(record: Mapping[str, Any]) -> Diagnostics:
    stored = {name: _number(value) for name, value in record["diagnostics"].items() if name != "failures"}
    failures = tuple(
        Failure(**{name: _number(value) if name in ("value", "threshold") else value for name, value in one.items()})
        for one in record["diagnostics"]["failures"]
    )
    return Diagnostics(**stored, failures=failures)


def _number(value: Any) -> Any:
    """JSON has no NaN: what is absent there is NaN here."""
    return float("nan") if value is None else value


def _provenance(record: Mapping[str, Any], key: str) -> Provenance:
    attempts = tuple(
        Attempt(one["step"], tuple(one["because"]), one["settings"], one["verdict"]) for one in record["attempts"]
    )
    return Provenance(
        key=key,
        seed=record["seed"],
        sampler=record["sampler"],
        attempts=attempts,
        timings=record["timings"],
        versions=record["versions"],
        machine=record["machine"],
        started=record["started"],
        note=record["note"],
    )
