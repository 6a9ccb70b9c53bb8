"""The peers of the benchmark: one function each, from data on disk to draws in hand.

``python -m safezone.benchmarks.peers PEER DATA OUT CHAINS DRAWS WARMUP`` runs one of them in a process of its own and
writes draws (``draws.npz``: one array (chains, draws) per parameter) and remarks (``remarks.json``) into OUT. The
parent measures the process, so that imports and compilation count.

The model is the same for all as far as they can: growth with group, covariate, and correlated intercepts and slopes
of time for clients and for therapists, safezone's default priors, 12 reported parameters (:data:`PARAMETERS`).
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr
    from numpy.typing import NDArray

    from safezone.data.study import Study

PARAMETERS = (
    "intercept", "time", "arm", "baseline", "arm_time",
    "sd_client_intercept", "sd_client_time", "cor_client",
    "sd_therapist_intercept", "sd_therapist_time", "cor_therapist", "sd_residual",
)  # fmt: skip
SEED = 20240505
# nutpie's own default; every peer that has the setting gets the same.
TARGET_ACCEPT = 0.8


@dataclass(frozen=True, slots=True)
class Job:
    """What a peer is asked.

    Parameters
    ----------
    data
        Folder written by :mod:`safezone.benchmarks.generate`.
    chains, draws, warmup
        Settings of the sampler.
    """

    data: Path
    chains: int
    draws: int
    warmup: int


@dataclass(frozen=True, slots=True)
class Found:
    """What a peer brings.

    Parameters
    ----------
    values
        Parameter → draws (chains, draws), or one number for a maximum-likelihood fit.
    phases
        Seconds by phase, where the peer tells them apart.
    ess_limit
        Effective sample size of importance weights: no parameter is credited with more.
    sampler
        What ran.
    remark
        What else a reader must know of this run.
    """

    values: Mapping[str, Any]
    phases: Mapping[str, float] = field(default_factory=dict)
    ess_limit: float | None = None
    sampler: str = "nuts"
    remark: str = ""


# --- safezone ------------------------------------------------------------------------------------------------------


def _study(job: Job, sessions: str) -> Study:
    from safezone.benchmarks.generate import study_file
    from safezone.data.study import read_study

    folder = Path(tempfile.mkdtemp(prefix="safezone-bench-"))
    return read_study(study_file(folder, job.data, sessions, chains=job.chains, draws=job.draws, warmup=job.warmup))


def _named(posterior: xr.Dataset) -> dict[str, NDArray[np.float64]]:
    """Return the reported parameters of a safezone posterior under the names of this benchmark."""
    fixed = {"time": "time", "arm": "arm[active]", "baseline": "baseline", "arm_time": "arm[active]:time"}
    found = {"intercept": posterior["intercept"], "sd_residual": posterior["sd_residual"]}
    found |= {name: posterior["fixed"].sel(term=term) for name, term in fixed.items()}
    for unit in ("client", "therapist"):
        for effect in ("intercept", "time"):
            found[f"sd_{unit}_{effect}"] = posterior[f"sd_{unit}"].sel({f"{unit}_effect": effect})
        found[f"cor_{unit}"] = posterior[f"cor_{unit}"][:, :, 0, 1]
    return {name: found[name].transpose("chain", "draw").to_numpy() for name in PARAMETERS}


def safezone_fit(job: Job, sessions: str = "sessions.csv") -> Found:
    """``sz.fit(sz.read_study(...))``: all that a user gets, with predictive checks, LOO, cross-check and store."""
    import safezone as sz

    started = time.perf_counter()
    study = _study(job, sessions)
    read = time.perf_counter() - started
    fit = sz.fit(study, "course")
    statistics = fit.posterior["sample_stats"].attrs
    limit = statistics.get("ess_importance") if fit.diagnostics.sampler == "importance" else None
    return Found(
        _named(fit.posterior["posterior"].to_dataset()),
        {"read": read, **{name: float(value) for name, value in fit.provenance.timings.items()}},
        None if limit is None else float(limit),
        fit.diagnostics.sampler,
        fit.diagnostics.verdict,
    )


def safezone_fit_parquet(job: Job) -> Found:
    """Do the same from a Parquet file."""
    return safezone_fit(job, "sessions.parquet")


def _sampler_only(job: Job, sampler: str) -> Found:
    """Read, build, sample: what the other samplers do, without what safezone says about a fit."""
    from safezone.analysis.progress import Silent
    from safezone.analysis.remedies import Effort
    from safezone.analysis.sampling import sampler_for
    from safezone.models.catalogue import model, plan

    started = time.perf_counter()
    study = _study(job, "sessions.parquet")
    (planned,) = plan(study)
    entry = model(planned.kind)
    design = entry.design(study, planned.name, planned.options)
    ready = time.perf_counter() - started
    sampling = study.config.sampling.model_copy(update={"sampler": sampler})
    draw = sampler_for(entry, design, sampling, seed=SEED, progress=Silent())
    sampled = draw(Effort(job.draws, job.warmup, TARGET_ACCEPT))
    limit = sampled.tree["sample_stats"].attrs.get("ess_importance") if sampled.sampler == "importance" else None
    return Found(
        _named(sampled.tree["posterior"].to_dataset()),
        {"read and design": ready, **sampled.timings},
        None if limit is None else float(limit),
        sampled.sampler,
        sampled.note,
    )


def safezone_nuts(job: Job) -> Found:
    """Run NUTS on the marginalised kernel."""
    return _sampler_only(job, "nuts")


def safezone_importance(job: Job) -> Found:
    """Run importance sampling on the marginalised kernel."""
    return _sampler_only(job, "importance")


def safezone_pymc(job: Job) -> Found:
    """Run safezone's own plain PyMC twin of the model, through nutpie."""
    return _sampler_only(job, "pymc")


def safezone_batches(job: Job) -> Found:
    """Run the kernel on cross-products of a Parquet file that is read in batches and never held."""
    import numpy as np

    from safezone.analysis import marginal
    from safezone.benchmarks.declared import COLUMNS, course_system
    from safezone.models.compilation import compile_system
    from safezone.models.conditional import expand
    from safezone.models.partition import products_from_parquet

    started = time.perf_counter()
    system = course_system(job.data / "units.parquet")
    products = products_from_parquet(system, job.data / "internal.parquet", "client", {"y": COLUMNS})
    compiled = compile_system(system, per_client=False, products=products)
    read = time.perf_counter() - started
    drawn = marginal.sample(
        compiled, chains=job.chains, draws=job.draws, warmup=job.warmup, seed=SEED, target_accept=TARGET_ACCEPT
    )
    value = expand(compiled.map_, compiled.layout, np.ascontiguousarray(drawn.theta.reshape(-1, system.dimension)))
    shape = drawn.theta.shape[:2]
    found = {p.name: value.phi[:, compiled.names[p.name]].reshape(shape) for p in system.parameters}
    for unit, factor in (("client", value.client_correlation), ("therapist", value.therapist_correlation)):
        found[f"cor_{unit}"] = factor[:, 1, 0].reshape(shape)
    limit = drawn.ess_importance if drawn.sampler == "importance" else None
    return Found(found, {"read": read, **drawn.timings}, limit, drawn.sampler, drawn.note)


# --- other tools ---------------------------------------------------------------------------------------------------


def pymc_nutpie(job: Job) -> Found:
    """Run a non-centred model as a user of PyMC would write it, compiled and sampled by nutpie."""
    import numpy as np
    import nutpie
    import pandas as pd
    import pymc as pm

    table = pd.read_csv(job.data / "internal.csv")
    client, therapist = table["client"].to_numpy(), table["therapist"].to_numpy()
    names = ["time", "arm", "baseline", "arm_time"]
    at = table["time"].to_numpy()
    with pm.Model() as model:
        intercept = pm.Normal("intercept", 0.0, 1.5)
        fixed = pm.Normal("fixed", 0.0, 1.0, shape=len(names))
        mean = intercept + pm.math.dot(table[names].to_numpy(), fixed)
        for unit, code, widths in (("client", client, [1.0, 0.5]), ("therapist", therapist, [0.24, 0.24])):
            factor, correlation, sds = pm.LKJCholeskyCov(
                f"factor_{unit}", n=2, eta=2.0, sd_dist=pm.HalfNormal.dist(np.array(widths), shape=2)
            )
            pm.Deterministic(f"sd_{unit}", sds)
            pm.Deterministic(f"cor_{unit}", correlation[0, 1])
            z = pm.Normal(f"z_{unit}", 0.0, 1.0, shape=(int(code.max()) + 1, 2))
            effects = pm.math.dot(z, factor.T)
            mean = mean + effects[code, 0] + effects[code, 1] * at
        pm.Normal("y", mean, pm.HalfNormal("sd_residual", 1.0), observed=table["y"].to_numpy())
    started = time.perf_counter()
    compiled = nutpie.compile_pymc_model(model)
    ready = time.perf_counter()
    tree = nutpie.sample(
        compiled, draws=job.draws, tune=job.warmup, chains=job.chains, seed=SEED, target_accept=TARGET_ACCEPT,
        save_warmup=False, progress_bar=False,
    )  # fmt: skip
    posterior = tree["posterior"].to_dataset()
    found = {"intercept": posterior["intercept"].to_numpy(), "sd_residual": posterior["sd_residual"].to_numpy()}
    found |= {name: posterior["fixed"].to_numpy()[:, :, j] for j, name in enumerate(names)}
    for unit in ("client", "therapist"):
        found[f"cor_{unit}"] = posterior[f"cor_{unit}"].to_numpy()
        for j, effect in enumerate(("intercept", "time")):
            found[f"sd_{unit}_{effect}"] = posterior[f"sd_{unit}"].to_numpy()[:, :, j]
    return Found(found, {"compile": ready - started, "sample": time.perf_counter() - ready})


def bambi_nutpie(job: Job) -> Found:
    """Run Bambi through nutpie; its random intercepts and slopes cannot be correlated."""
    import bambi as bmb
    import pandas as pd

    def normal(sigma: float) -> Any:
        return bmb.Prior("Normal", mu=0, sigma=sigma)

    def effects(width: float) -> Any:
        return bmb.Prior("Normal", mu=0, sigma=bmb.Prior("HalfNormal", sigma=width))

    priors = {
        "Intercept": normal(1.5), "common": normal(1.0), "sigma": bmb.Prior("HalfNormal", sigma=1.0),
        "1|client": effects(1.0), "time|client": effects(0.5),
        "1|therapist": effects(0.24), "time|therapist": effects(0.24),
    }  # fmt: skip
    formula = "y ~ time + arm + baseline + arm_time + (time | client) + (time | therapist)"
    table = pd.read_csv(job.data / "internal.csv").astype({"client": "category", "therapist": "category"})
    model = bmb.Model(formula, table, priors=priors, center_predictors=False)
    tree = model.fit(
        draws=job.draws, tune=job.warmup, chains=job.chains, random_seed=SEED, inference_method="nutpie",
        progressbar=False, nuts={"target_accept": TARGET_ACCEPT},
    )  # fmt: skip
    posterior = tree["posterior"]
    names = {"intercept": "Intercept", "sd_residual": "sigma"} | {
        f"sd_{unit}_{effect}": f"{term}|{unit}_sigma"
        for unit in ("client", "therapist")
        for effect, term in (("intercept", "1"), ("time", "time"))
    }
    names |= {name: name for name in ("time", "arm", "baseline", "arm_time")}
    return Found({name: posterior[own].to_numpy() for name, own in names.items()})


def mixedlm(job: Job) -> Found:
    """Fit MixedLM of statsmodels by REML: therapists as groups, clients as variance components (uncorrelated)."""
    import pandas as pd
    from statsmodels.regression.mixed_linear_model import MixedLM

    table = pd.read_csv(job.data / "internal.csv")
    components = {"client": "0 + C(client)", "client_time": "0 + C(client):time"}
    result = MixedLM.from_formula(
        "y ~ time + arm + baseline + arm_time", table, groups="therapist", re_formula="~time", vc_formula=components
    ).fit()
    sds = dict(zip(result.model.exog_vc.names, result.vcomp**0.5, strict=True))
    cov = result.cov_re.to_numpy()
    params = result.fe_params
    found = {name: float(params[name]) for name in ("time", "arm", "baseline", "arm_time")}
    found |= {
        "intercept": float(params["Intercept"]),
        "sd_client_intercept": float(sds["client"]), "sd_client_time": float(sds["client_time"]),
        "sd_therapist_intercept": float(cov[0, 0] ** 0.5), "sd_therapist_time": float(cov[1, 1] ** 0.5),
        "sd_residual": float(result.scale**0.5),
    }  # fmt: skip
    return Found(found, sampler="REML", remark="" if result.converged else "did not converge")


PEERS: dict[str, Callable[[Job], Found]] = {
    "safezone": safezone_fit,
    "safezone-parquet": safezone_fit_parquet,
    "safezone-importance": safezone_importance,
    "safezone-nuts": safezone_nuts,
    "safezone-batches": safezone_batches,
    "bambi": bambi_nutpie,
    "pymc": pymc_nutpie,
    "safezone-pymc": safezone_pymc,
    "mixedlm": mixedlm,
}


def main(arguments: list[str]) -> None:
    """Run one peer and write what it found."""
    name, data, out, *numbers = arguments
    found = PEERS[name](Job(Path(data), *(int(number) for number in numbers)))
    import numpy as np

    arrays: dict[str, Any] = {key: np.asarray(value) for key, value in found.values.items()}
    np.savez(Path(out) / "draws.npz", **arrays)
    remarks = {
        "phases": dict(found.phases), "ess_limit": found.ess_limit, "sampler": found.sampler, "remark": found.remark
    }  # fmt: skip
    (Path(out) / "remarks.json").write_text(json.dumps(remarks), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
