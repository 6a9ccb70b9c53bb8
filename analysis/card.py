"""A model's card: everything a report says about it that is neither an estimate nor a draw.

Cards are JSON; they hold words, priors, settings, summaries and curves of the population and of
simulated new clients, never anything about a single client.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..models.design import Design, Measure
    from ..models.model import Model, Parameter
    from .fit import Diagnostics, Provenance

PRIOR_PROBABILITY = 0.95


def measure(one: Measure) -> dict[str, Any]:
    """Return what a report says about a variable."""
    return {
        "name": one.name,
        "label": one.label,
        "unit": one.unit,
        "level": one.level,
        "better": one.better,
        "family": one.family,
        "mean": one.mean,
        "sd": one.sd,
        "low": one.low,
        "high": one.high,
        "categories": list(one.categories),
    }


def parameter(one: Parameter) -> dict[str, Any]:
    """Return a parameter with its prior and the prior's central interval (internal scale)."""
    lower, upper = one.prior.interval(PRIOR_PROBABILITY)
    return {
        "name": one.name,
        "estimand": one.estimand,
        "symbol": one.symbol,
        "prior": str(one.prior),
        "meaning": one.meaning,
        "prior_lower": lower,
        "prior_upper": upper,
    }


def static_part(model: Model, design: Design) -> dict[str, Any]:
    """Return the part of the card that needs no posterior."""
    account = design.account
    return {
        "name": design.name,
        "kind": design.kind,
        "title": model.title,
        "question": model.question,
        "words": model.words,
        "equation": model.equation(design),
        "references": list(model.references),
        "options": design.options.model_dump(mode="json"),
        "outcome": measure(design.outcome),
        "predictors": [measure(one) for one in design.predictors],
        "rows": {
            "total": account.total,
            "used": account.used,
            "excluded": [{"reason": reason, "n": n} for reason, n in account.excluded],
            "imputed": [{"variable": name, "n": n} for name, n in account.imputed],
            "starts": [{"reason": reason, "n": n} for reason, n in account.starts],
        },
        "clients": design.clients,
        "therapists": design.known_therapists if design.has_therapists else 0,
        "time_unit": design.time_unit,
        "notes": list(design.notes),
        "parameters": [parameter(one) for one in model.parameters(design)],
    }


def meanings(model: Model, design: Design) -> list[dict[str, str]]:
    """Return what each estimand means, for tables and glossaries."""
    return [
        {"estimand": one.name, "scale": one.scale, "target": one.target, "unit": one.unit, "meaning": one.meaning}
        for one in model.estimands(design)
    ]


def sampling_part(
    diagnostics: Diagnostics, provenance: Provenance, remedies: Sequence[Mapping[str, object]]
) -> dict[str, Any]:
    """Return the part of the card about the sampler."""
    return {
        "sampler": diagnostics.sampler,
        "sampler_note": provenance.note,
        "seed": provenance.seed,
        "timings": dict(provenance.timings),
        "started": provenance.started,
        "diagnostics": diagnostics_row(diagnostics),
        "failures": [
            {"rule": f.rule, "value": f.value, "threshold": f.threshold, "statement": f.statement, "remedy": f.remedy}
            for f in diagnostics.failures
        ],
        "remedies": [dict(one) for one in remedies],
        "verdict": diagnostics.verdict,
    }


def diagnostics_row(diagnostics: Diagnostics) -> dict[str, Any]:
    """Return the numbers of ``diagnostics.csv`` that a posterior has."""
    return {
        "draws": diagnostics.draws,
        "chains": diagnostics.chains,
        "divergences": diagnostics.divergences,
        "rhat_max": diagnostics.rhat_max,
        "ess_bulk_min": diagnostics.ess_bulk_min,
        "ess_tail_min": diagnostics.ess_tail_min,
        "bfmi_min": diagnostics.bfmi_min,
        "pareto_k_max": diagnostics.pareto_k_max,
    }


def without_draws(model: Model, design: Design, verdict: str) -> dict[str, Any]:
    """Return the card of a model that brought no draws."""
    nothing = dict.fromkeys(("rhat_max", "ess_bulk_min", "ess_tail_min", "bfmi_min", "pareto_k_max"))
    return {
        **static_part(model, design),
        "sampler": "none",
        "sampler_note": "",
        "timings": {},
        "diagnostics": {"draws": 0, "chains": 0, "divergences": 0, **nothing},
        "failures": [],
        "remedies": [],
        "verdict": verdict,
        "estimands": meanings(model, design),
        "crosscheck": None,
        "ppc": [],
        "loo": [],
        "curves": [],
        "panel": None,
        "surface": None,
        "variants": [],
        "variants_note": "",
        "prior_predictive": [],
        "quality": [],
    }
