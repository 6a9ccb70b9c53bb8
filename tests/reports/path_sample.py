"""An invented results folder with a chain and a final outcome: the shape of their cards, no fit behind it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

LABELS = {
    "en": {
        "safety": "Felt safety (client)", "alliance": "Working alliance (client)", "depth": "Depth of exploration",
        "final": "Symptoms at the end of therapy", "baseline": "Symptoms at baseline", "arm": "Treatment arm",
        "anxiety": "Attachment anxiety (client)", "t_anxiety": "Attachment anxiety (therapist)",
        "remission": "Remission",
    },
    "de": {
        "safety": "Erlebte Sicherheit (Klient:in)", "alliance": "Arbeitsbündnis (Klient:in)", "depth": "Tiefe",
        "final": "Symptome am Ende", "baseline": "Symptome zu Beginn", "arm": "Behandlungsarm",
        "anxiety": "Bindungsangst (Klient:in)", "t_anxiety": "Bindungsangst (Therapeut:in)", "remission": "Remission",
    },
}  # fmt: skip

# estimand, level, raw unit, raw mean, posterior SD, factor to the standardised scale (None: raw only)
Row = tuple[str, str, str, float, float, float | None]
CHAIN: list[Row] = [
    ("path.session.safety->alliance", "session", "points per points", 0.35, 0.03, 1.1),
    ("path.session.alliance->depth", "session", "points per points", 0.40, 0.05, 0.9),
    ("path.session.safety->depth", "session", "points per points", 0.20, 0.04, 1.0),
    ("path.session.lag(depth)->depth", "session", "points per points", 0.04, 0.03, 1.0),
    ("indirect.session.safety->alliance->depth", "session", "points per points", 0.14, 0.02, 1.0),
    ("indirect.session.safety->depth", "session", "points per points", 0.14, 0.02, 1.0),
    ("total.session.safety->depth", "session", "points per points", 0.34, 0.04, 1.0),
    ("proportion.session.safety->depth", "session", "share", 0.41, 0.07, None),
    ("path.client.anxiety->safety", "client", "points per unit of anxiety", -0.25, 0.06, 1.2),
    ("path.client.safety->alliance", "client", "points per points", 0.50, 0.08, 1.1),
    ("path.client.safety->final", "client", "points per points", -1.10, 0.45, 0.2),
    ("path.client.alliance->final", "client", "points per points", -0.40, 0.50, 0.15),
    ("path.client.safety:time->final", "client", "points per points per session", -4.0, 2.0, 0.05),
    ("path.client.baseline->final", "client", "points per unit of baseline", 0.45, 0.07, 1.0),
    ("path.client.arm[active]->final", "client", "points per category", -1.60, 0.60, 0.2),
    ("indirect.client.safety->alliance->final", "client", "points per points", -0.20, 0.25, 0.2),
    ("indirect.client.safety->final", "client", "points per points", -0.20, 0.25, 0.2),
    ("total.client.safety->final", "client", "points per points", -1.30, 0.40, 0.2),
    ("proportion.client.safety->final", "client", "share", 0.15, 0.25, None),
    ("indirect.client.anxiety->safety->final", "client", "points per unit of anxiety", 0.28, 0.13, 0.2),
    ("indirect.client.anxiety->safety->alliance->final", "client", "points per unit of anxiety", 0.05, 0.06, 0.2),
    ("indirect.client.anxiety->final", "client", "points per unit of anxiety", 0.33, 0.12, 0.2),
    ("total.client.anxiety->final", "client", "points per unit of anxiety", 0.33, 0.12, 0.2),
    ("path.therapist.t_anxiety->safety", "therapist", "points per unit of t_anxiety", -0.15, 0.12, 1.3),
    ("path.therapist.safety->final", "therapist", "points per points", -1.10, 0.45, 0.1),
    ("path.session.safety->alliance.sd", "session", "points per points", 0.15, 0.03, 1.1),
    ("path.session.alliance->depth.sd", "session", "points per points", 0.12, 0.04, 0.9),
    ("cov.session.safety->alliance,alliance->depth", "client", "product of raw paths", 0.004, 0.003, None),
    ("intercept.safety", "population", "points", 4.6, 0.1, 0.1),
    ("safety.time", "session", "points per session", 0.03, 0.01, 0.1),
    ("sd.client.safety", "client", "points", 0.7, 0.05, 0.8),
    ("sd.client.safety:time", "client", "points per session", 0.05, 0.01, 0.1),
    ("sd.therapist.safety", "therapist", "points", 0.2, 0.06, 0.2),
    ("cor.client.safety:time_alliance", "client", "correlation", 0.2, 0.1, None),
    ("sd.residual.safety", "session", "points", 0.8, 0.02, 0.8),
]
FINAL: list[Row] = [
    ("path.client.safety->remission", "client", "logits per points", 0.80, 0.25, 0.9),
    ("path.client.baseline->remission", "client", "logits per unit of baseline", -0.15, 0.05, 4.0),
    ("path.therapist.safety->remission", "therapist", "logits per points", 0.80, 0.25, 0.4),
    ("intercept.remission", "population", "logits", -0.3, 0.2, None),
    ("probability.remission", "client", "probability", 0.43, 0.05, None),
    ("sd.client.safety", "client", "points", 0.7, 0.05, 0.8),
    ("sd.residual.safety", "session", "points", 0.8, 0.02, 0.8),
]
MODELS = {"chain": CHAIN, "final": FINAL}


def _measure(name: str, language: str, **more: Any) -> dict[str, Any]:
    known = {"name": name, "label": LABELS[language][name], "unit": "points", "level": "session", "better": "higher"}
    return known | {"family": "gaussian", "mean": 4.0, "sd": 1.0, "low": None, "high": None, "categories": []} | more


def _graph(rows: pd.DataFrame, covariates: tuple[str, ...], outcome: str) -> dict[str, Any]:
    nodes: dict[tuple[str, str], dict[str, str]] = {}
    arrows = []
    table = rows.loc[rows["estimand"].str.fullmatch(r"path\.[a-z]+\.[^>]+->\w+") & (rows["scale"] == "standardised")]
    for _, row in table.iterrows():
        _, level, text = row["estimand"].split(".", 2)
        source, target = text.split("->")
        for node in (source, target):
            role = "covariate" if node in covariates else "outcome" if node == outcome else "response"
            role = "trend" if node.endswith(":time") else role
            nodes.setdefault((level, node), {"name": node, "label": node, "role": role, "level": level})
        found = {key: float(row[key]) for key in ("mean", "lower", "upper", "pd")}
        arrows.append(
            {"level": level, "source": source, "target": target, "text": text, "estimand": row["estimand"], **found}
        )
    return {"nodes": list(nodes.values()), "arrows": arrows}


def write_paths(sample: Any, folder: Path, *, language: str = "en", seed: int = 11) -> Path:
    """Write the folder and return its path; ``sample`` is the module of the other invented folder."""
    sample.write_sample(folder, language=language)
    rng = np.random.default_rng(seed)
    estimates, diagnostics = [], pd.read_csv(folder / "diagnostics.csv").head(2)
    for name, rows in MODELS.items():
        own = []
        for estimand, level, unit, mean, sd, factor in rows:
            x = rng.normal(mean, sd, (sample.CHAINS, sample.DRAWS))
            own.append(sample._row(name, name, estimand, level, "raw", unit, x))
            if factor is not None:
                own.append(sample._row(name, name, estimand, level, "standardised", "SD per SD", x * factor))
        table = pd.DataFrame(own)
        estimates.append(table)
        card = _card(name, language, table)
        (folder / "fits" / f"{name}.json").write_text(json.dumps(card, default=float), encoding="utf-8")
    for path in (folder / "fits").iterdir():
        if path.stem not in MODELS:
            path.unlink()
    pd.concat(estimates).to_csv(folder / "estimates.csv", index=False)
    diagnostics.assign(model=list(MODELS)).to_csv(folder / "diagnostics.csv", index=False)
    book = pd.read_csv(folder / "data" / "codebook.csv")
    more = [
        {"name": name, "label": label, "level": "client", "unit": "points", "n": 96,
         "categories": "usual (48); active (48)" if name == "arm" else np.nan}
        for name, label in LABELS[language].items() if name not in set(book["name"])
    ]  # fmt: skip
    pd.concat([book, pd.DataFrame(more)]).to_csv(folder / "data" / "codebook.csv", index=False)
    return folder


def _card(name: str, language: str, rows: pd.DataFrame) -> dict[str, Any]:
    final = "final" if name == "chain" else "remission"
    family = "gaussian" if name == "chain" else "bernoulli"
    outcome = _measure(final, language, level="client", family=family, better="lower", unit="points")
    responses = [_measure(v, language) for v in (("safety", "alliance", "depth") if name == "chain" else ("safety",))]
    known = ("anxiety", "baseline", "arm[active]", "t_anxiety") if name == "chain" else ("baseline",)
    covariates = [
        {"name": c, "label": LABELS[language][c.split("[")[0]], "role": "covariate",
         "level": "therapist" if c == "t_anxiety" else "client"}
        for c in known
    ]  # fmt: skip
    audited = [e for e in rows["estimand"].unique() if e.startswith("path.client.") and e.endswith(final)]
    check = {"level": "client", "observed": 0.4, "mean": 0.3, "lower": 0.2, "upper": 0.45, "p": 0.2}
    return {
        "name": name, "kind": name, "title": name, "question": "?", "words": "A model.", "equation": "y &= x",
        "references": ["preacher2010", "croon2007"],
        "options": {"therapist": ["t_anxiety -> safety"] if name == "chain" else []},
        "outcome": outcome, "predictors": responses, "responses": responses, "outcomes": [outcome],
        "covariates": covariates,
        "rows": {"total": 1120, "used": 1043, "excluded": [], "imputed": [], "starts": []}, "clients": 96,
        "therapists": 12, "time_unit": "session", "notes": [], "parameters": [], "sampler": "nuts", "sampler_note": "",
        "timings": {}, "diagnostics": {}, "failures": [], "remedies": [], "verdict": "trusted", "estimands": [],
        "crosscheck": None, "loo": [], "curves": [], "panel": None,
        "ppc": [
            {"response": "safety", "statistic": "SD of client means", **check},
            {"response": "safety, depth", "statistic": "correlation", **(check | {"observed": 0.6})},
        ],
        "graph": _graph(rows, known, final),
        "audit": {
            "method": "regression on observed means and slopes", "note": "",
            "rows": [{"estimand": e, "two_step": -0.61, "two_step_se": 0.31} for e in audited],
        },
    }  # fmt: skip
