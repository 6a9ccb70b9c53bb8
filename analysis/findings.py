"""What the data say to each row of the theory: verdict, probability, interval, sensitivity.

A *part* is one quantity of one model, a *finding* one row of the theory. A row that needs every part and lacks one is
not testable, although its other parts are shown with verdicts of their own: half a statement is not the statement.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .diagnostics import quality
from .evidence import Evidence, Finding, Part
from .power_scaling import log_prior, sensitivity
from .principles import Principle, sign
from .verdicts import Chances, PartDraws, averaged, chances, orient, together, word

if TYPE_CHECKING:
    import xarray as xr

    from ..data.config import PrinciplesSection
    from ..data.study import Study
    from .questions import Question

Floats = NDArray[np.float64]


def findings(study: Study, questions: Sequence[Question], evidence: Mapping[str, Evidence]) -> tuple[Finding, ...]:
    """Answer every row.

    Parameters
    ----------
    study
        The study.
    questions
        From :func:`~safezone.analysis.questions.agenda`.
    evidence
        By the model's name.

    Returns
    -------
    tuple of Finding
        In the order of the rows.
    """
    reader = _Reader(study, evidence)
    rows: dict[str, list[Question]] = {}
    for question in questions:
        rows.setdefault(question.principle.id, []).append(question)
    return tuple(_finding(study, asked[0].principle, [reader.part(one) for one in asked]) for asked in rows.values())


def answer_part(study: Study, question: Question, evidence: Evidence) -> Part:
    """Answer one part from one model's draws.

    Parameters
    ----------
    study
        The study.
    question
        Its ``model`` names the evidence.
    evidence
        The draws.
    """
    return _Reader(study, {str(question.model): evidence}).part(question).part


@dataclass(frozen=True, slots=True)
class _Answer:
    """A part with the draws behind it, if any."""

    part: Part
    draws: PartDraws | None
    raw: Floats | None


class _Reader:
    """Reads each model's draws once."""

    def __init__(self, study: Study, evidence: Mapping[str, Evidence]) -> None:
        self._study, self._evidence = study, evidence
        self._groups: dict[tuple[str, str], xr.Dataset | None] = {}
        self._priors: dict[str, Floats] = {}
        self._section = _section(study)

    def part(self, question: Question) -> _Answer:
        test = question.test
        shown: dict[str, Any] = {
            "name": test.part,
            "supporting": test.supporting,
            "kind": test.kind,
            "scale": test.scale,
            "bounded": test.bounded,
            "smallest": self._section.smallest.get(question.principle.id, test.smallest),
            "words": dict(test.words),
            "labels": {
                slot: self._study.variables[name].label
                for slot, name in question.names.items()
                if name in self._study.variables
            },
        }
        if question.obstacle is not None:
            missing = tuple(slot.name for slot in question.missing)
            verdict = f"not testable: {_reason(question)}"
            part = Part(**shown, verdict=verdict, obstacle=question.obstacle.kind, detail=question.obstacle.detail,
                        missing=missing)  # fmt: skip
            return _Answer(part, None, None)
        assert question.model is not None
        assert question.estimand is not None
        shown |= {"model": question.model, "estimand": contrast_name(question.estimand)}
        found = self._evidence.get(question.model)
        if found is None or found.group is None:
            verdict = "not testable: the model has not been fitted" if found is None else found.verdict
            return _Answer(Part(**shown, verdict=verdict, obstacle="fit"), None, None)
        values = self._draws(found, question)
        if values is None:
            verdict = f"not testable: the model {question.model} does not give this quantity on this scale"
            return _Answer(Part(**shown, verdict=verdict, obstacle="estimand"), None, None)
        return self._answer(found, question, values, shown)

    def _answer(self, found: Evidence, question: Question, values: Floats, shown: dict[str, Any]) -> _Answer:
        test, smallest = question.test, shown["smallest"]
        expected = sign(self._study, test, question.names)
        flat = values.ravel()
        oriented = orient(flat, expected)
        where = chances(oriented, smallest)
        trusted = found.verdict == "trusted"
        checked = quality(values[:, :, None])
        worth = self._worth(found)
        ess = min(float(checked["ess_bulk"][0]), worth) if worth > 0 else float(checked["ess_bulk"][0])
        spread = float(flat.std(ddof=1))
        tail = (1 - self._study.config.report.interval) / 2
        prior, likelihood = self._sensitivities(found, values)
        part = Part(
            **shown,
            expected=expected,
            verdict=word(where, self._section) if trusted else _short(found.verdict),
            mean=float(flat.mean()),
            lower=float(np.quantile(flat, tail)),
            upper=float(np.quantile(flat, 1 - tail)),
            sd=spread,
            beyond=where.beyond,
            inside=where.inside,
            against=where.against,
            mcse=math.sqrt(where.beyond * (1 - where.beyond) / ess) if ess > 0 else math.nan,
            mean_mcse=spread / math.sqrt(ess) if ess > 0 else math.nan,
            prior_sensitivity=prior,
            likelihood_sensitivity=likelihood,
        )
        return _Answer(part, PartDraws(part.model, oriented, smallest), flat)

    def _draws(self, found: Evidence, question: Question) -> Floats | None:
        """Return the draws of a contrast, (chains, draws)."""
        quantities = self._group(found, "estimands")
        if quantities is None:
            return None
        values = quantities["value"].transpose("chain", "draw", "quantity").to_numpy()
        places = {
            (str(name), str(scale)): i
            for i, (name, scale) in enumerate(
                zip(quantities["estimand"].values, quantities["scale"].values, strict=True)
            )
        }
        total = np.zeros(values.shape[:2])
        for name, weight in (question.estimand or {}).items():
            scale, size = "standardised", 1.0
            if question.test.scale == "outcome sd":
                scale, size = "raw", 1.0 / float(found.task.design.outcome.sd)
            elif (name, scale) not in places:  # shares, correlations and probabilities have one scale
                scale = "raw"
            if (name, scale) not in places:
                return None
            total += weight * size * values[:, :, places[name, scale]]
        return total

    def _sensitivities(self, found: Evidence, values: Floats) -> tuple[float, float]:
        posterior = self._group(found, "posterior")
        prior = math.nan
        if posterior is not None:
            name = found.task.name
            if name not in self._priors:
                self._priors[name] = log_prior(found.task.model.parameters(found.task.design), posterior)
            if self._priors[name].shape == values.shape:
                prior = sensitivity(values, self._priors[name])
        total = self._group(found, "client_log_likelihood")
        likelihood = math.nan
        if total is not None and "total" in total:
            step = int(total.attrs.get("thinned", 1))
            component = total["total"].transpose("chain", "draw").to_numpy()
            likelihood = sensitivity(np.ascontiguousarray(values[:, ::step]), component)
        return prior, likelihood

    def _worth(self, found: Evidence) -> float:
        statistics = self._group(found, "sample_stats")
        return math.nan if statistics is None else float(statistics.attrs.get("ess_importance", math.nan))

    def _group(self, found: Evidence, name: str) -> xr.Dataset | None:
        """Return a group of the draws, read once."""
        key = (found.task.name, name)
        if key not in self._groups:
            self._groups[key] = None if found.group is None else found.group(name)
        return self._groups[key]


def _finding(study: Study, principle: Principle, answers: Sequence[_Answer]) -> Finding:
    main = [one for one in answers if not one.part.supporting]
    tested = [one for one in main if one.draws is not None]
    lacking = [one for one in main if one.draws is None]
    enough = bool(tested) and (principle.combine == "mean" or not lacking)
    row: dict[str, Any] = {
        "id": principle.id,
        "column": principle.column,
        "statement": principle.statement[study.config.study.language],
        "combine": principle.combine,
        "missing_roles": tuple(dict.fromkeys(_code(name) for one in answers for name in one.part.missing)),
        "parts": tuple(one.part for one in answers),
    }
    if not enough:
        reasons = dict.fromkeys(one.part.verdict.partition(": ")[2] for one in lacking)
        failed = [one for one in lacking if one.part.verdict.startswith("not trusted")]
        kind = "not trusted" if failed and len(failed) == len(lacking) else "not testable"
        return Finding(**row, **_NOTHING, verdict=f"{kind}: {'; '.join(reasons)}", direction=main[0].part.expected)
    untrusted = [one.part.verdict for one in tested if one.part.verdict.startswith("not trusted")]
    shown, where = _combined(principle, tested, study)
    verdict = untrusted[0] if untrusted else word(where, _section(study))
    return Finding(
        **row,
        verdict=verdict,
        probability=where.beyond,
        estimand=shown.estimand,
        mean=shown.mean,
        lower=shown.lower,
        upper=shown.upper,
        model=shown.model,
        p_rope=where.inside,
        p_opposed=where.against,
        smallest=shown.smallest,
        direction=shown.expected,
        mcse=shown.mcse,
        prior_sensitivity=shown.prior_sensitivity,
        likelihood_sensitivity=shown.likelihood_sensitivity,
        sd=shown.sd,
        mean_mcse=shown.mean_mcse,
    )


_NOTHING: Mapping[str, Any] = {
    **dict.fromkeys(("probability", "mean", "lower", "upper", "p_rope", "p_opposed", "smallest", "mcse"), math.nan),
    **dict.fromkeys(("prior_sensitivity", "likelihood_sensitivity", "sd", "mean_mcse"), math.nan),
    "estimand": "",
    "model": "",
}


def _combined(principle: Principle, tested: Sequence[_Answer], study: Study) -> tuple[Part, Chances]:
    """Return what stands for the row, and its chances."""
    draws = [one.draws for one in tested if one.draws is not None]
    if len(tested) == 1:
        part = tested[0].part
        return part, Chances(part.beyond, part.inside, part.against)
    if principle.combine == "all":
        return min((one.part for one in tested), key=lambda part: part.beyond), together(draws)
    mean = averaged(draws)
    where = chances(mean.oriented, mean.smallest)
    first = tested[0].part
    turned = first.expected if all(one.part.expected == first.expected for one in tested) and first.expected else 1
    values = turned * mean.oriented
    tail = (1 - study.config.report.interval) / 2
    shown = asdict(first) | {
        "estimand": f"mean({', '.join(one.part.estimand for one in tested)})",
        "expected": turned,
        "smallest": mean.smallest,
        "mean": float(values.mean()),
        "lower": float(np.quantile(values, tail)),
        "upper": float(np.quantile(values, 1 - tail)),
        "sd": float(values.std(ddof=1)),
        "mcse": max(one.part.mcse for one in tested),
        "mean_mcse": float(values.std(ddof=1)) * max(one.part.mean_mcse / one.part.sd for one in tested),
        "prior_sensitivity": max(one.part.prior_sensitivity for one in tested),
        "likelihood_sensitivity": max(one.part.likelihood_sensitivity for one in tested),
    }
    return Part(**shown), where


def contrast_name(contrast: Mapping[str, float]) -> str:
    """Return a contrast as text.

    Examples
    --------
    >>> contrast_name({"time_early": 1.0, "time_late": -1.0})
    'time_early - time_late'
    """
    text = ""
    for name, weight in contrast.items():
        sign_ = "-" if weight < 0 else "+"
        size = "" if abs(weight) == 1 else f"{abs(weight):g} "
        text += f" {sign_} {size}{name}" if text or weight < 0 else f"{size}{name}"
    return text.strip()


def _section(study: Study) -> PrinciplesSection:
    from ..data.config import PrinciplesSection

    return study.config.principles or PrinciplesSection()


def _reason(question: Question) -> str:
    obstacle = question.obstacle
    assert obstacle is not None
    match obstacle.kind:
        case "needs":
            return "needs " + "; ".join(slot.words["en"] for slot in question.missing)
        case "model":
            return f"model {obstacle.detail} is not available yet"
        case "option":
            return f"model {obstacle.detail} is not available yet"
        case "estimand":
            return f"no {question.test.kind} model of this study has {obstacle.detail}"
        case _:
            return f"the data cannot carry the model: {obstacle.detail}"


def _code(slot: str) -> str:
    from .principles import slots

    return slots()[slot].code


def _short(verdict: str) -> str:
    """Keep what failed and leave out what to do about it, which stands with the model."""
    return verdict if len(verdict) < 120 else verdict[:117].rstrip() + "…"
