"""A small, consistent, invented results folder: three models, random draws, no fit behind it.

It has the shape that ``analysis.pipeline.run`` writes, so that report parts are tested in milliseconds.
Every draw comes from a normal distribution with the true values written below.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

CHAINS, DRAWS, INTERVAL = 4, 500, 0.95
ROPE = 0.1

_LABEL = {
    "en": {
        "safety": "Felt safety (client)",
        "depth": "Session depth",
        "symptoms": "Symptom severity",
        "alliance": "Working alliance (client)",
    },
    "de": {
        "safety": "Erlebte Sicherheit (Klient:in)",
        "depth": "Sitzungstiefe",
        "symptoms": "Symptombelastung",
        "alliance": "Arbeitsbündnis (Klient:in)",
    },
}


def _draws(rng: np.random.Generator, mean: float, sd: float, *, positive: bool = False) -> np.ndarray:
    values = rng.normal(mean, sd, (CHAINS, DRAWS))
    return np.abs(values) if positive else values


def _row(model: str, kind: str, name: str, level: str, scale: str, unit: str, x: np.ndarray) -> dict[str, Any]:
    ess = 0.8 * x.size
    return {
        "model": model,
        "kind": kind,
        "estimand": name,
        "level": level,
        "target": "population",
        "unit": unit,
        "scale": scale,
        "mean": x.mean(),
        "sd": x.std(ddof=1),
        "median": np.median(x),
        "lower": np.quantile(x, 0.025),
        "upper": np.quantile(x, 0.975),
        "mcse": x.std(ddof=1) / np.sqrt(ess),
        "pd": max((x > 0).mean(), (x < 0).mean()),
        "p_rope": (np.abs(x) < ROPE).mean(),
        "ess_bulk": ess,
        "ess_tail": 0.7 * x.size,
        "rhat": 1.001,
    }


# name, level, unit, true mean, posterior SD, factor to the standardised scale (None: raw only)
_ESTIMANDS: dict[str, list[tuple[str, str, str, float, float, float | None]]] = {
    "safety_shares": [
        ("intercept", "population", "points", 4.60, 0.08, None),
        ("share.therapist", "therapist", "share", 0.07, 0.025, None),
        ("share.client", "client", "share", 0.41, 0.035, None),
        ("share.session", "session", "share", 0.52, 0.033, None),
        ("sd.therapist.intercept", "therapist", "points", 0.31, 0.06, None),
        ("sd.client.intercept", "client", "points", 0.76, 0.05, None),
        ("sd.residual", "session", "points", 0.86, 0.01, None),
    ],
    "course": [
        ("intercept", "population", "points", 16.8, 0.45, None),
        ("time", "population", "points per session", -0.42, 0.045, 0.85),
        ("arm[active]", "client", "points", -0.10, 0.62, 0.16),
        ("arm[active]:time", "client", "points per session", -0.13, 0.06, 0.85),
        ("sd.client.intercept", "client", "points", 4.1, 0.27, None),
        ("sd.client.time", "client", "points per session", 0.30, 0.03, None),
        ("cor.client.intercept_time", "client", "correlation", -0.22, 0.10, None),
        ("sd.therapist.intercept", "therapist", "points", 1.1, 0.35, None),
        ("sd.residual", "session", "points", 2.6, 0.04, None),
    ],
    "depth": [
        ("intercept", "population", "points", 4.2, 0.07, None),
        ("safety.within", "session", "points per point", 0.31, 0.032, 1.02),
        ("safety.between_client", "client", "points per point", 0.52, 0.085, 1.1),
        ("safety.between_therapist", "therapist", "points per point", 0.25, 0.34, 0.6),
        ("safety.contextual", "client", "points per point", 0.21, 0.091, None),
        ("safety.within.sd", "client", "points per point", 0.16, 0.03, None),
        ("alliance.within", "session", "points per point", 0.02, 0.028, 0.9),
        ("alliance.between_client", "client", "points per point", 0.11, 0.09, 0.8),
        ("time", "population", "points per session", 0.01, 0.006, None),
        ("sd.client.intercept", "client", "points", 0.55, 0.04, None),
        ("sd.residual", "session", "points", 0.81, 0.012, None),
    ],
}
_KIND = {"safety_shares": "variance", "course": "growth", "depth": "within_between"}
_OUTCOME = {"safety_shares": "safety", "course": "symptoms", "depth": "depth"}
_TITLE = {
    "variance": (
        "Variance shares",
        "How much of it belongs to therapists, clients and sessions?",
        "Each rating is the sum of an overall mean and deviations of therapist, client and session.",
    ),
    "growth": (
        "Course over sessions",
        "How does it develop over treatment?",
        "Each client has a starting point and a rate of change of their own, drawn from a population.",
    ),
    "within_between": (
        "Within- and between-client associations",
        "Does a client do better in sessions that are safer than usual for them?",
        "The predictor is split into a client's latent mean and the session's deviation from it.",
    ),
}
_EQUATION = {
    "variance": r"y_{ijk} &= \mu + w_k + u_{jk} + \varepsilon_{ijk} \\ u_{jk} &\sim \mathcal{N}(0, \tau_u^2)",
    "growth": r"y_{ij} &= (\beta_0 + u_{0j}) + (\beta_1 + u_{1j})\,t_{ij} + \varepsilon_{ij} \\ "
    r"u_j &\sim \mathcal{N}(0, \Sigma_u)",
    "within_between": r"y_{ij} = \alpha + (\beta_W + u_{1j})(x_{ij} - \eta_j) + \beta_B\,\eta_j + u_{0j} + e_{ij}",
}


def _parameters(kind: str) -> list[dict[str, Any]]:
    common = [
        ("sd_client", "sd.client.intercept", r"\tau_u", "halfnormal(1)", "how much clients differ", 0.03, 2.24),
        (
            "sd_residual",
            "sd.residual",
            r"\sigma",
            "half_normal(1)",
            "how much sessions differ within a client",
            0.03,
            2.24,
        ),
    ]
    own = {
        "variance": [("intercept", "intercept", r"\mu", "normal(0, 1)", "the overall mean", -1.96, 1.96)],
        "growth": [("fixed[time]", "time", r"\beta_1", "normal(0, 0.5)", "average change per session", -0.98, 0.98)],
        "within_between": [
            (
                "within[safety]",
                "safety.within",
                r"\beta_W",
                "normal(0, 0.5)",
                "association from session to session within a client",
                -0.98,
                0.98,
            ),
            (
                "between_client[safety]",
                "safety.between_client",
                r"\beta_B",
                "normal(0, 0.5)",
                "association of clients' latent means",
                -0.98,
                0.98,
            ),
        ],
    }[kind]
    keys = ("name", "estimand", "symbol", "prior", "meaning", "prior_lower", "prior_upper")
    return [dict(zip(keys, row, strict=True)) for row in (*own, *common)]


def _card(name: str, language: str, posterior: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, Any]:
    kind, outcome, labels = _KIND[name], _OUTCOME[name], _LABEL[language]
    title, question, words = _TITLE[kind]
    card: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "title": title,
        "question": question,
        "words": words,
        "equation": _EQUATION[kind],
        "sampler": "nuts",
        "options": {
            "outcome": outcome,
            "time": "linear" if kind == "growth" else None,
            "time_axis": "session",
            "lag": 0,
            "centring": "latent",
        },
        "outcome": {
            "name": outcome,
            "label": labels[outcome],
            "unit": "points",
            "family": "gaussian",
            "better": "lower" if outcome == "symptoms" else "higher",
        },
        "predictors": [],
        "rows": {"total": 1120, "used": 1043, "excluded": [{"reason": "no rating of the outcome", "n": 77}]},
        "clients": 96,
        "therapists": 12,
        "parameters": _parameters(kind),
        "references": ["ludtke2008", "johns2019"],
        "crosscheck": None,
        "ppc": [],
        "loo": {},
        "curves": [],
        "panel": None,
        "time_unit": "sessions",
        "timings": {"sampling": 12.3},
        "diagnostics": {},
        "remedies": [],
        "verdict": "trusted",
    }
    for level, statistic, observed, mean, half in (
        ("session", "mean", 4.61, 4.60, 0.08),
        ("session", "SD", 1.19, 1.20, 0.05),
        ("client", "SD of client means", 0.80, 0.82, 0.09),
        ("client", "lag-1 autocorrelation", 0.14, 0.02, 0.06),
        ("therapist", "SD of therapist means", 0.35, 0.37, 0.15),
    ):
        card["ppc"].append(
            {
                "level": level,
                "statistic": statistic,
                "observed": observed,
                "mean": mean,
                "lower": mean - half,
                "upper": mean + half,
                "p": 0.02 if "lag" in statistic else 0.45,
            }
        )
    card["loo"] = [{"target": "new_client", "elpd": -1510.2, "se": 31.4, "p": 9.8, "k_max": 0.42, "k_bad": 0}]
    if kind == "within_between":
        card["predictors"] = [
            {"name": x, "label": labels[x], "unit": "points", "better": "higher"} for x in ("safety", "alliance")
        ]
        x = np.linspace(-2, 2, 30)

        def line(slope: float, level: float, spread: float) -> dict[str, Any]:
            mean = level + slope * x
            half = 0.06 + spread * np.abs(x)
            return {"x": list(x), "mean": list(mean), "lower": list(mean - half), "upper": list(mean + half)}

        bins = [
            {"x": float(v), "y": float(4.2 + 0.31 * v + rng.normal(0, 0.06)), "n": int(80 - 20 * abs(v))}
            for v in np.linspace(-1.8, 1.8, 9)
        ]
        card["panel"] = {
            "safety": {
                "within": line(0.31, 4.2, 0.06),
                "between": line(0.52, 4.2, 0.16),
                "bins_within": bins,
                "bins_between": bins[2:7],
            }
        }
    if kind == "growth":
        time = np.arange(1, 16)
        for group, slope in (("waitlist", -0.42), ("active", -0.55)):
            course = 16.8 + slope * (time - 1)
            spaghetti = [list(course + rng.normal(0, 4) + rng.normal(0, 0.3) * (time - 1)) for _ in range(25)]
            width = 0.9 + 0.07 * time
            card["curves"].append(
                {
                    "group": group,
                    "time": time.tolist(),
                    "mean": list(course),
                    "lower": list(course - width),
                    "upper": list(course + width),
                    "lower50": list(course - width / 3),
                    "upper50": list(course + width / 3),
                    "spaghetti": spaghetti,
                }
            )
    card["crosscheck"] = {
        "method": "statsmodels MixedLM (REML)",
        "note": "",
        "rows": [
            {
                "estimand": key,
                "bayes_mean": float(value.mean()),
                "bayes_sd": float(value.std()),
                "other": float(value.mean() + 0.01),
                "other_se": float(value.std() * 0.98),
            }
            for key, value in list(posterior.items())[:3]
        ],
    }
    return card


def write_sample(folder: Path, *, language: str = "en", simulated: bool = True, seed: int = 7) -> Path:
    """Write the folder and return its path."""
    rng = np.random.default_rng(seed)
    (folder / "fits").mkdir(parents=True, exist_ok=True)
    (folder / "data").mkdir(exist_ok=True)
    rows, diagnostics = [], []
    for name, estimands in _ESTIMANDS.items():
        kind = _KIND[name]
        posterior: dict[str, np.ndarray] = {}
        kept: list[tuple[str, str, np.ndarray]] = []
        for estimand, level, unit, mean, sd, factor in estimands:
            x = _draws(rng, mean, sd, positive=estimand.startswith(("sd.", "share.")))
            posterior[estimand] = x
            rows.append(_row(name, kind, estimand, level, "raw", unit, x))
            kept.append((estimand, "raw", x))
            if factor is not None:
                kept.append((estimand, "standardised", x * factor))
                rows.append(_row(name, kind, estimand, level, "standardised", "SD per SD", x * factor))
        card = _card(name, language, posterior, rng)
        (folder / "fits" / f"{name}.json").write_text(json.dumps(card, default=float), encoding="utf-8")
        _write_draws(folder / "fits" / f"{name}.nc", card, posterior, kept, rng)
        diagnostics.append(
            {
                "model": name,
                "draws": DRAWS,
                "chains": CHAINS,
                "divergences": 0,
                "rhat_max": 1.004,
                "ess_bulk_min": 812.0,
                "ess_tail_min": 905.0,
                "bfmi_min": 0.91,
                "pareto_k_max": 0.42,
                "wall_seconds": 12.3,
                "sampler": "nuts",
                "verdict": "trusted",
            }
        )
    pd.DataFrame(rows).to_csv(folder / "estimates.csv", index=False)
    pd.DataFrame(diagnostics).to_csv(folder / "diagnostics.csv", index=False)
    _write_data(folder / "data", language)
    manifest = {
        "study": {
            "title": "Sicherheit und Veränderung" if language == "de" else "Safety and change in the Harbour trial",
            "authors": ["A. Author", "B. Author"],
            "language": language,
            "simulated": simulated,
        },
        "report": {"interval": INTERVAL, "rope": {"default": ROPE}, "disclosure": {"threshold": 10}},
        "packages": {"safezone": "0.1.0", "pymc": "6.4.0", "nutpie": "0.16.11"},
        "machine": {"system": "Linux", "python": "3.13", "processor": "x86_64", "cores": 2},
        "seed": 20240505,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def _write_draws(
    path: Path,
    card: dict[str, Any],
    posterior: dict[str, np.ndarray],
    kept: list[tuple[str, str, np.ndarray]],
    rng: np.random.Generator,
) -> None:
    post, prior = {}, {}
    for parameter in card["parameters"]:
        name = parameter["name"].split("[")[0]
        inside = parameter["name"].removeprefix(name).strip("[]")
        draws = posterior[parameter["estimand"]]
        wide = (parameter["prior_upper"] - parameter["prior_lower"]) / 4
        before = rng.normal(0, wide, (1, 1000))
        if name.startswith("sd"):
            before = np.abs(before)
        if inside:
            dim = "fixed" if name == "fixed" else "predictor"
            post[name] = xr.DataArray(draws[..., None], dims=("chain", "draw", dim), coords={dim: [inside]})
            prior[name] = xr.DataArray(before[..., None], dims=("chain", "draw", dim), coords={dim: [inside]})
        else:
            post[name] = xr.DataArray(draws, dims=("chain", "draw"))
            prior[name] = xr.DataArray(before, dims=("chain", "draw"))
    estimands = xr.Dataset(
        {"value": (("chain", "draw", "quantity"), np.stack([x for _, _, x in kept], axis=2))},
        coords={"estimand": ("quantity", [e for e, _, _ in kept]), "scale": ("quantity", [s for _, s, _ in kept])},
    )
    groups = {"posterior": xr.Dataset(post), "prior": xr.Dataset(prior), "estimands": estimands}
    xr.DataTree.from_dict(groups).to_netcdf(path, engine="h5netcdf")


def _write_data(folder: Path, language: str) -> None:
    labels = _LABEL[language]
    pd.DataFrame(
        [
            ("screened", "Screened", 131, None, None, ""),
            ("randomised", "Assigned to an arm", 104, None, None, "27 without an arm"),
            ("started", "Attended a session", 98, 1120, 12, "6 without a session"),
            (
                "analysed",
                "Rated at least one session",
                96,
                1043,
                12,
                "2 without a usable score; 77 sessions without a usable score",
            ),
        ],
        columns=["step", "label", "n_clients", "n_sessions", "n_therapists", "reason"],
    ).astype({"n_sessions": "Int64", "n_therapists": "Int64"}).to_csv(folder / "flow.csv", index=False)
    pd.DataFrame(
        [
            {
                "name": name,
                "label": label,
                "level": "session",
                "role": name,
                "rater": "client",
                "low": 1,
                "high": 7,
                "unit": "points",
                "better": "higher",
                "family": "gaussian",
                "categories": "",
                "items": 4,
                "n": 1043,
                "units": 96,
                "missing": 0.069,
                "mean": 4.6,
                "sd": 1.2,
                "sd_between": 0.8,
                "sd_within": 0.9,
                "icc": 0.44,
                "reliability_of_mean": 0.89,
                "min": 1.0,
                "max": 7.0,
                "alpha_within": 0.79,
                "omega_within": 0.81,
                "alpha_between": 0.91,
                "omega_between": 0.92,
                "suppressed": False,
            }
            for name, label in labels.items()
        ]
        + [
            {
                "name": "arm",
                "label": "Arm",
                "level": "client",
                "role": "arm",
                "rater": "",
                "unit": "",
                "better": "higher",
                "family": "gaussian",
                "categories": "waitlist (48); active (48)",
                "n": 96,
                "units": 96,
                "missing": 0.0,
                "suppressed": False,
            }
        ]
    ).to_csv(folder / "codebook.csv", index=False)
    sessions = np.arange(1, 16)
    pd.DataFrame(
        {
            "session": sessions,
            "n_clients": 98 - 3 * sessions,
            "safety": 0.05 + 0.01 * sessions,
            "depth": 0.06 + 0.012 * sessions,
        }
    ).to_csv(folder / "missing_by_session.csv", index=False)
    pd.DataFrame(columns=["severity", "file", "row", "column", "rule", "value", "remedy"]).to_csv(
        folder / "checks.csv", index=False
    )
