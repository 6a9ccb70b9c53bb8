"""What the cells of the supplement call: for each model the same pieces in the same order."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import digits, figures, prose
from ..figures.densities import MOST as MOST_PARAMETERS
from ..figures.prior_prediction import MOST as MOST_VARIABLES
from ..figures.prior_prediction import drawable, prior_prediction
from ..prose import supplement as words
from ..prose.dyad import told_as_dyad
from ..prose.paragraphs import model_title
from ..prose.paths import told_as_graph
from ..results import ModelResults
from ..rich import escape
from . import dyads, paths, supplement_tables, surfaces, tables
from .article import Article, display_equation
from .calibration import calibration_tables
from .tables import slug

_LABEL = re.compile(r"\{#(tbl-[\w-]+)\}")
_NOTES = {
    "note_large": re.compile(r"importance sampling not tried: (?P<n>\d+) parameters"),
    "note_weights": re.compile(r"importance sampling gave way: k-hat (?P<k>[\d.]+), effective draws (?P<ess>\d+)"),
}
"""What the sampler says of itself, by the pattern that says it in the report's language."""
UNBOUNDED = frozenset({"gaussian", "student_t"})
REPEATS = 40
"""More figures of one kind than this are not drawn, whatever a model holds."""


@dataclass(frozen=True)
class Supplement:
    """A results folder with everything that a supplement says about it.

    Parameters
    ----------
    article
        The same folder as an article sees it, with every model, whoever asked for it.
    """

    article: Article

    @classmethod
    def open(cls, folder: str | Path, language_code: str = "", figures_folder: str = "figures") -> Supplement:
        """Open a results folder; parameters as in :meth:`Article.open`."""
        article = Article.open(folder, language_code, figures_folder)
        theory: dict[str, Any] = {"theory": {}}  # models added for the theory are told here like all others
        article.n.results = replace(article.results, manifest={**article.results.manifest, **theory})
        return cls(replace(article, results=article.n.results))

    @property
    def show(self) -> Callable[..., None]:
        """What a cell with ``output: asis`` prints pieces with."""
        return self.article.show

    @property
    def models(self) -> tuple[ModelResults, ...]:
        """Every model of the folder, in the order of ``diagnostics.csv``."""
        return self.article.results.each()

    # --- around the models ------------------------------------------------------------------------

    def opening(self) -> str:
        """Return what a supplement is, how to read it, and which models follow."""
        article = self.article
        listed = [f"[{escape(self._title(model))}](#sec-{slug(model.name)})" for model in self.models]
        return self._join(
            f"# {self._say('text.title')} {{#sec-supplement .unnumbered}}",
            article.simulated(),
            self._say("text.opening"),
            " ".join([self._say("text.reading"), *([self._say("text.reading_choices")] if self.choices() else [])]),
            self._say("text.models", list=article.talk.join(listed)) if listed else "",
        )

    def model(self, model: ModelResults) -> str:
        """Return everything about one model."""
        name = slug(model.name)
        title = escape(self._title(model))
        pieces = [f"# {title if model.trusted else self._say('text.not_trusted', title=title)} {{#sec-{name}}}"]
        parts: Sequence[tuple[str, Callable[[ModelResults], str]]] = (
            ("models", self._model_and_priors),
            ("prior_prediction", self._prior_prediction),
            ("learned", self._learned),
            ("sampling", self._sampling),
            ("prediction", self._prediction),
            ("estimates", self._estimates),
            ("other", self._other),
        )
        for key, told in parts:
            text = told(model)
            if text:
                pieces += [f"## {self._say(f'section.{key}')} {{#sec-{name}-{key.replace('_', '-')}}}", text]
        return self._join(*pieces)

    def choices(self) -> str:
        """Return what choices change; nothing where they were not varied."""
        return self.article.sensitivity()

    def calibration(self) -> str:
        """Return what is known of the package for the kinds of models used here."""
        found = calibration_tables({model.kind for model in self.models}, self.article.talk)
        head = f"# {self._say('section.calibration')} {{#sec-calibration}}"
        return self._join(head, *([self._say("text.calibration"), *found] if found else [self._none()]))

    def software(self) -> str:
        """Return versions, seeds, machine and hashes."""
        article = self.article
        found = {
            "files": supplement_tables.files_table(article.results, article.talk),
            "seeds": supplement_tables.seeds_table(article.results, article.talk),
        }
        packages = article.results.manifest.get("packages") or {}
        facts = {"version": str(packages.get("safezone", "–")), "seed": str(article.results.manifest.get("seed", "–"))}
        said = [
            self._say("text.software", **facts),
            *(self._say(f"text.{key}") for key, table in found.items() if table),
        ]
        return self._join(
            f"# {self._say('section.software')} {{#sec-software}}", " ".join(said),
            tables.session_text(article.results, article.talk), *found.values(),
        )  # fmt: skip

    def close(self) -> None:
        """Write the number lock, where the renderer asked for one."""
        self.article.close()

    # --- one model --------------------------------------------------------------------------------

    def _model_and_priors(self, model: ModelResults) -> str:
        article, name = self.article, slug(model.name)
        equation = str(model.card.get("equation") or "")
        question = prose.question(article.n, model)
        return self._join(
            f"*{question}*" if question else "",
            prose.methods(article.n, model.name),
            self._say("text.equation") if equation else "",
            display_equation(equation, f"eq-{name}") if equation else "",
            self._say("text.priors", slug=name) if model.card.get("parameters") else "",
            supplement_tables.priors_table(article.results, model, article.talk),
            self._literature(model),
        )

    def _prior_prediction(self, model: ModelResults) -> str:
        article, name = self.article, slug(model.name)
        shown = drawable(model)
        if not shown:
            return self._say("text.no_prior_prediction")
        caption = self._say("prior_predictive.caption", title=escape(model_title(model, article.talk)))
        drawn = self._pages(
            f"fig-{name}-expected", caption, MOST_VARIABLES,
            lambda first: prior_prediction(model, article.results.study, article.talk.code, first),
        )  # fmt: skip
        many = article.talk.number(float(shown[0]["studies"]), 0)
        return self._join(
            " ".join(
                [
                    self._say("text.prior_prediction", fig=article.talk.join([ref for ref, _ in drawn]), n=many),
                    self._beyond_the_range(shown),
                    self._observed(shown),
                ]
            ),
            (self._say("text.prior_prediction_open") if any(one["family"] in UNBOUNDED for one in shown) else "")
            + self._say("text.prior_prediction_reading"),
            *[picture for _, picture in drawn],
        )

    def _beyond_the_range(self, shown: Sequence[Mapping[str, Any]]) -> str:
        """Say how many simulated ratings the instrument cannot give."""
        shares = [
            (self.article.talk.label(escape(str(one["label"]))), self._percent(float(one["outside"]))) for one in shown
        ]
        if len(shares) == 1:
            return self._say("text.prior_prediction_share", y=shares[0][0], share=shares[0][1])
        parts = [self._say("text.prior_prediction_part", y=y, share=share) for y, share in shares]
        return self._say("text.prior_prediction_shares", parts=self.article.talk.join(parts))

    def _observed(self, shown: Sequence[Mapping[str, Any]]) -> str:
        """Say which observed statistics lie outside of what the priors expect."""
        rows = [(one, row) for one in shown for row in one["statistics"] if row["observed"] is not None]
        if not rows:
            return self._say("text.prior_prediction_hidden")
        outside = [
            self._say(
                "text.prior_prediction_part_outside",
                statistic=self._say(f"statistic.{row['statistic']}"),
                y=self.article.talk.label(escape(str(one["label"]))),
            )
            for one, row in rows
            if not float(row["lower"]) <= float(row["observed"]) <= float(row["upper"])
        ]
        if not outside:
            return self._say("text.prior_prediction_inside")
        return self._say("text.prior_prediction_outside", parts=self.article.talk.join(outside))

    def _learned(self, model: ModelResults) -> str:
        article, name = self.article, slug(model.name)
        caption = article.talk.say("figure.prior_caption", title=escape(model_title(model, article.talk)))
        drawn = self._pages(
            f"fig-{name}-prior", caption, MOST_PARAMETERS,
            lambda first: figures.prior_posterior(model, article.results.study, article.talk.code, first),
        )  # fmt: skip
        if not drawn:
            return ""
        key = "learned_one" if len(drawn) == 1 else "learned"
        scaled = supplement_tables.scaling_table(article.results, model, article.talk)
        return self._join(
            self._say(f"text.{key}", list=article.talk.join([ref for ref, _ in drawn])),
            *[picture for _, picture in drawn],
            self._say("text.scaling", slug=name) if scaled else "",
            scaled,
        )

    def _sampling(self, model: ModelResults) -> str:
        article, name = self.article, slug(model.name)
        sampler = str(model.diagnostics.get("sampler") or model.card.get("sampler") or "none")
        weighted = sampler == "importance"
        drawn = None if weighted else figures.ranks(model, article.results.study, article.talk.code)
        title = escape(model_title(model, article.talk))
        table = supplement_tables.quality_table(article.results, model, article.talk, weighted=weighted)
        said = [
            self._say(f"text.sampler_{sampler}") if sampler in {"importance", "nuts", "pymc"} else "",
            self._note(model),
            prose.diagnostics(article.n, model.name),
            self._energy(model),
            self._ladder(model, weighted=weighted),
            self._say("text.quality", slug=name) if table else "",
            self._say("text.ranks", slug=name) if drawn else "",
        ]
        caption = article.talk.say("figure.rank_caption", title=title)
        return self._join(
            " ".join(text for text in said if text), article.figure(drawn, f"fig-{name}-ranks", caption), table
        )

    def _prediction(self, model: ModelResults) -> str:
        article, name = self.article, slug(model.name)
        picture = article.prediction(model)
        if not picture:
            return self._say("text.no_checks")
        table = supplement_tables.checks_table(article.results, model, article.talk)
        whose = "new_client" if model.card.get("ppc_target") == "new_client" else "same"
        return self._join(f"{self._say('text.checks', slug=name)} {self._say(f'text.checks_{whose}')}", picture, table)

    def _estimates(self, model: ModelResults) -> str:
        """Return every estimate; those of graphs and dyads under the headings that tell their levels apart."""
        if model.estimates.empty:
            return ""
        n = self.article.n
        if told_as_graph(model):
            found = [paths.paths_table(n, model), paths.through_table(n, model, every=True)]
            rest: tuple[str, ...] = (*paths.PATHS, *paths.THROUGH)
        elif told_as_dyad(model):
            found = [dyads.effects_table(n, model), dyads.shared_table(n, model), paths.paths_table(n, model)]
            rest = (*dyads.LEFT_OUT, *paths.PATHS)
        else:
            found, rest = [], ()
        found = [table for table in (*found, tables.estimates_table(n, model, rest)) if table.strip()]
        listed = [f"@{label}" for table in found for label in _LABEL.findall(table)]
        key = "estimates" if len(listed) == 1 else "estimates_several"
        return self._join(self._say(f"text.{key}", list=self.article.talk.join(listed)), *found)

    def _other(self, model: ModelResults) -> str:
        """Return cross-check, two-step answer, versions and leaving out, as far as the folder has them."""
        article, name = self.article, slug(model.name)
        versions = ""
        if model.card.get("variants"):
            versions = surfaces.shapes_table(article.n, model) if model.kind == "congruence" else ""
            versions = versions or (dyads.versions_table(article.n, model) if model.kind == "dyad" else "")
        tail = "shapes" if model.kind == "congruence" else "versions"
        found = [
            (supplement_tables.crosscheck_table(article.results, model, article.talk), "text.crosscheck"),
            (paths.audit_table(article.n, model), "text.audit"),
            (versions, "text.versions"),
            (supplement_tables.loo_table(article.results, model, article.talk), "text.loo"),
        ]
        method = article.talk.phrase(str((model.card.get("crosscheck") or {}).get("method") or ""))
        pieces = [
            piece
            for table, key in found
            if table
            for piece in (self._say(key, slug=name, tail=tail, method=method), table)
        ]
        notes = [f"- {text}" for text in prose.crosscheck_notes(model, article.talk)]
        return self._join(*pieces[:1], "\n".join(notes), *pieces[1:]) if pieces else ""

    def _literature(self, model: ModelResults) -> str:
        """Return what became of priors from the library."""
        found = [self._from_library(one) for one in model.card.get("literature") or ()]
        if not found:
            return self._say("text.literature_none")
        return self._say("text.literature") + "\n\n" + "\n".join(f"- {text}" for text in found)

    def _from_library(self, one: Mapping[str, Any]) -> str:
        talk, code = self.article.talk, self.article.talk.code
        doi = f"[{one['doi']}](https://doi.org/{one['doi']})"
        facts = {
            "estimand": str(one["estimand"]), "citation": escape(str(one["citation"])), "doi": doi,
            "k": str(one.get("k", "–")), "measure": escape(str(one.get("measure", ""))),
            "population": escape(str(one.get("population", ""))),
            **{key: talk.number(float(one.get(key) or 0), 3) for key in ("estimate", "se", "tau")},
        }  # fmt: skip
        if "weight_after" not in one:
            return self._say("text.literature_sd", **facts)
        conversion = float(one.get("conversion") or 0)
        return self._say(
            "text.literature_line", **facts,
            before=digits.write_probability(float(one["weight_before"]), code),
            after=digits.write_probability(float(one["weight_after"]), code),
            conflict=self._say("text.literature_conflict") if one.get("conflict") else "",
            conversion=self._say("text.literature_conversion", value=talk.number(conversion, 2)) if conversion else "",
        )  # fmt: skip

    def _note(self, model: ModelResults) -> str:
        """Return why this sampler ran and no faster one."""
        note = str(model.card.get("sampler_note") or "").rstrip(".")
        for key, pattern in _NOTES.items():
            if found := pattern.fullmatch(note):
                note = self._say(f"text.{key}", **found.groupdict())
        return self._say("text.sampler_note", note=note) if note else ""

    def _energy(self, model: ModelResults) -> str:
        value = model.diagnostics.get("bfmi_min")
        if not isinstance(value, int | float) or not math.isfinite(value):
            return ""
        return self._say("text.bfmi", value=self.article.talk.number(float(value), 2))

    def _ladder(self, model: ModelResults, *, weighted: bool) -> str:
        """Return the steps that were taken until the fit was accepted, with what each of them set."""
        steps = [one for one in model.card.get("remedies") or () if isinstance(one, Mapping)]
        settings = [self._settings(one, model, weighted=weighted and len(steps) == 1) for one in steps]
        if len(steps) == 1:
            return self._say("text.ladder_one", settings=settings[0])
        told = [
            self._say("text.ladder_step", step=self._step(str(one["step"])), settings=set_,
                      verdict=self._verdict(str(one.get("verdict", ""))))
            for one, set_ in zip(steps, settings, strict=True)
        ]  # fmt: skip
        return self._say("text.ladder", steps="; ".join(told)) if told else ""

    def _settings(self, step: Mapping[str, Any], model: ModelResults, *, weighted: bool) -> str:
        """Return what a step set; weights have neither warm-up nor step size."""
        talk, found = self.article.talk, step.get("settings") or {}
        facts = {
            "chains": talk.number(float(model.diagnostics["chains"]), 0),
            **{key: talk.number(float(found.get(key) or 0), 0) for key in ("draws", "warmup")},
            "target": talk.number(float(found.get("target_accept") or 0), 2),
        }
        return self._say("text.settings_importance" if weighted else "text.settings", **facts)

    def _step(self, step: str) -> str:
        return self._say("text.as_asked") if step == "as asked" else self.article.talk.phrase(step)

    def _verdict(self, verdict: str) -> str:
        """Return whether a step was enough; why not stands in the diagnostics themselves."""
        return self.article.talk.say("table.trusted" if verdict == "trusted" else "table.not_trusted")

    # --- helpers ----------------------------------------------------------------------------------

    def _pages(
        self, label: str, caption: str, most: int, draw: Callable[[int], figures.Figure | None]
    ) -> list[tuple[str, str]]:
        """Draw what does not fit into one figure in several: (reference, Markdown) each."""
        found: list[tuple[str, str]] = []
        for page in range(REPEATS):
            drawn = draw(page * most)
            if drawn is None:
                break
            own = label if page == 0 else f"{label}-{page + 1}"
            found.append((f"@{own}", self.article.figure(drawn, own, caption)))
        return found

    def _title(self, model: ModelResults) -> str:
        """Return a title that tells models of one kind and outcome apart by the name in the study file."""
        talk = self.article.talk
        title = model_title(model, talk)
        same = [one for one in self.models if model_title(one, talk) == title]
        return title if len(same) == 1 else f"{title} ({model.name})"

    def _percent(self, share: float) -> str:
        return digits.write_percent(share, 0, self.article.talk.code)

    def _none(self) -> str:
        return self._say("text.calibration_none")

    def _say(self, key: str, **values: str) -> str:
        return words.say(key, self.article.talk.code, **values)

    @staticmethod
    def _join(*pieces: str) -> str:
        return "\n\n".join(piece.strip("\n") for piece in pieces if piece.strip())
