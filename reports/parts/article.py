"""What the cells of the article template call: each method returns one piece of Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .. import figures, prose
from ..figures.embed import markdown as figure_markdown
from ..numbers import Numbers
from ..prose import dyad
from ..prose.design import has_covariates, spread
from ..prose.language import Language, language
from ..prose.paragraphs import model_title
from ..prose.paths import told_as_graph
from ..prose.study import rope_text
from ..prose.surface import story, told_as_surface
from ..results import ModelResults, Results, read_results
from ..rich import escape
from . import dyads, multiverse, paths, plan, surfaces, tables, theory
from .flow import flow_steps
from .glossary import glossary
from .tables import slug

if TYPE_CHECKING:
    import pandas as pd
    from IPython.display import Markdown

    from ..figures import Figure


@dataclass(frozen=True)
class Article:
    """A results folder with everything that an article says about it.

    Parameters
    ----------
    results
        The results folder.
    n
        Its numbers; what the pieces quote is recorded here.
    talk
        The words of the report's language.
    folder
        Where figure files go, relative to where the document runs.
    """

    results: Results
    n: Numbers
    talk: Language
    folder: str = "figures"

    @classmethod
    def open(cls, folder: str | Path, language_code: str = "", figures_folder: str = "figures") -> Article:
        """Open a results folder.

        Parameters
        ----------
        folder
            The results folder.
        language_code
            ``en`` or ``de``; the study's language where empty.
        figures_folder
            Where figure files go.
        """
        results = read_results(folder)
        code = language_code or results.study.language
        return cls(results, Numbers(results, code), language(code), figures_folder)

    @staticmethod
    def show(*pieces: str) -> None:
        """Print pieces of Markdown with blank lines around them, for a cell with ``output: asis``."""
        text = "\n\n".join(piece.strip("\n") for piece in pieces if piece.strip())
        print(f"\n\n{text}\n\n")  # noqa: T201 - printing is how a cell gives out Markdown

    def heading(self, level: int, key: str) -> str:
        """Return a heading in the report's language, with a label ``sec-KEY``."""
        bare = " .unnumbered" if key == "references" else ""
        return f"{'#' * level} {self.talk.say(f'section.{key}')} {{#sec-{key}{bare}}}"

    def title(self, level: int, model: ModelResults, part: str = "") -> str:
        """Return a heading with the model's title."""
        tail = f"-{part}" if part else ""
        return f"{'#' * level} {escape(model_title(model, self.talk))} {{#sec-{slug(model.name)}{tail}}}"

    def value(self, key: str, scale: str | None = None) -> Markdown:
        """Return a number with its interval for inline use: ``0.31, 95% CrI [0.25, 0.37]``."""
        from IPython.display import Markdown

        return Markdown(f"{self.n(key, scale)}, {self.n.ci(key, scale)}")  # type: ignore[no-untyped-call]

    # --- what stands before the models ------------------------------------------------------------

    def simulated(self) -> str:
        """Return the notice that the data are simulated, or nothing."""
        if not self.results.study.simulated:
            return ""
        title, text = self.talk.say("text.simulated_title"), self.talk.say("text.simulated")
        return f"::: {{.callout-important}}\n## {title}\n\n{text}\n:::"

    def summary(self) -> str:
        """Return the summary: a list of models, and at its end what the theory's principles came to."""
        found = theory.read(self.results.folder)
        return prose.summary(self.n, "" if found is None else theory.told(found, self.n))

    def participants(self) -> str:
        """Return the participants paragraph and the flow figure."""
        drawn = figures.flow(flow_steps(self.results, self.talk), self.results.study, self.talk.code)
        return self._join(
            prose.participants(self.n), self.figure(drawn, "fig-flow", self.talk.say("figure.flow_caption"))
        )

    def measures(self) -> str:
        """Return the measures: codebook, groups, missing ratings."""
        book = tables.codebook_table(self.results, self.talk)
        drawn = figures.missingness(self._missing(), self.results.study, self.talk.code)
        return self._join(
            self.talk.say("text.measures") if book else "",
            book,
            tables.groups_text(self.results, self.talk),
            self.talk.say("text.missing") if drawn else "",
            self.figure(drawn, "fig-missing", self.talk.say("figure.missing_caption")),
        )

    # --- the theory -------------------------------------------------------------------------------

    def theory(self) -> str:
        """Return what the study says to the theory's rows; nothing where it was not asked."""
        found = theory.read(self.results.folder)
        if found is None:
            return ""
        code, varied = self.talk.code, multiverse.read(self.n)
        drawn, caption = theory.picture(found, self.n)
        pieces = [
            theory.heading(1, theory.say("page.title", code), ""),
            theory.opening(found, self.n),
        ]
        columns = dict.fromkeys(one.column for one in found.findings)
        pieces += [theory.column([one for one in found.findings if one.column == name], self.n) for name in columns]
        pieces += [
            theory.heading(2, theory.say("page.together", code), "-together"),
            theory.pooled(found, self.n),
            theory.say("page.pointer", code) if drawn is not None else "",
            self.figure(drawn, "fig-theory", caption),
            theory.heading(2, theory.say("page.sections", code), "-rows"),
            theory.say("page.added", code) if found.added else "",
        ]
        for name in columns:
            pieces.append(theory.heading(3, theory.say(f"column.{name}", code), f"-{name}"))
            pieces += [
                theory.section(one, self.n, found.added, multiverse.sentences(one, varied, self.talk.code))
                for one in found.findings
                if one.column == name
            ]
        return self._join(*pieces)

    def sensitivity(self) -> str:
        """Return what choices change; nothing where they were not varied."""
        code, varied = self.talk.code, multiverse.read(self.n)
        if not varied:
            return ""
        head = theory.heading(1, theory.say("multiverse.title", code), "-choices")
        curves = [self.figure(drawn, label, caption) for drawn, label, caption in multiverse.drawn(varied, self.n)]
        return self._join(head, multiverse.opening(varied, code), multiverse.table(varied, code), *curves)

    # --- models -----------------------------------------------------------------------------------

    def model(self, model: ModelResults) -> str:
        """Return a model in words and equation."""
        equation = str(model.card.get("equation") or "")
        return self._join(
            f"*{prose.question(self.n, model)}*" if prose.question(self.n, model) else "",
            prose.methods(self.n, model.name),
            self.talk.say("text.equation") if equation else "",
            display_equation(equation, f"eq-{slug(model.name)}") if equation else "",
        )

    def priors(self) -> str:
        """Return the analysis paragraph and the priors table."""
        said = theory.literature(self.n)
        return self._join(prose.methods_common(self.n), tables.priors_table(self.results, self.talk), said)

    def estimates(self, model: ModelResults) -> str:
        """Return a model's results: sentences with verdicts, table, figures."""
        study, code, name = self.results.study, self.talk.code, slug(model.name)
        if model.estimates.empty:
            return prose.diagnostics(self.n, model.name)
        if told_as_graph(model):
            return self._graph(model)
        if told_as_surface(model):
            return self._surface(model)
        if dyad.told_as_dyad(model):
            return self._dyad(model)
        title = escape(model_title(model, self.talk))
        interval = self.talk.interval(study.interval)
        shares = figures.shares((model,), study, code) if model.kind == "variance" else None
        forest = None if shares is not None else figures.forest(model, study, code)
        pieces = [prose.results(self.n, model.name)]
        pointer = self.talk.say("text.results_forest", slug=name) if forest is not None else ""
        pointers = [self.talk.say("text.results", slug=name, forest=pointer, levels=spread(model, self.talk))]
        drawn: list[tuple[Figure | None, str, str]] = [
            (shares, "shares", self.talk.say("figure.shares_caption", title=title, interval=interval)),
            (forest, "forest", self.talk.say("figure.forest_caption", title=title, interval=interval)),
            (
                figures.growth(model, study, code), "course",
                self.talk.say("figure.growth_caption", title=title, interval=interval)
                + (self.talk.say("figure.growth_covariates") if has_covariates(model) else ""),
            ),
        ]  # fmt: skip
        for i, predictor in enumerate(figures.panels(model)):
            label = next((str(p["label"]) for p in model.card["predictors"] if p["name"] == predictor), predictor)
            caption = self.talk.say(
                "figure.panel_caption", title=title, x=escape(label), y=escape(str(model.card["outcome"]["label"])),
                interval=interval, threshold=str(study.threshold),
            )  # fmt: skip
            panel = figures.panel(model, study, predictor, code)
            drawn.append((panel, "panel" if i == 0 else f"panel-{slug(predictor)}", caption))
        prior = figures.prior_posterior(model, study, code)
        drawn.append((prior, "prior", self.talk.say("figure.prior_caption", title=title)))
        keys = {"shares": "shares_figure", "course": "growth_figure", "panel": "panel_figure", "prior": "prior_figure"}
        pointers += [self.talk.say(f"text.{keys[tail]}", slug=name) for one, tail, _ in drawn if one and tail in keys]
        pieces += [" ".join(pointers), tables.estimates_table(self.n, model)]
        pieces += [self.figure(one, f"fig-{name}-{tail}", caption) for one, tail, caption in drawn]
        return self._join(*pieces)

    def _graph(self, model: ModelResults) -> str:
        """Return the results of a graph: its story, the diagram, tables of paths and of what runs through others."""
        study, code, name = self.results.study, self.talk.code, slug(model.name)
        words = {"title": escape(model_title(model, self.talk)), "interval": self.talk.interval(study.interval)}
        through, audit = paths.through_table(self.n, model), paths.audit_table(self.n, model)
        diagram, prior = figures.paths(model, study, code), figures.prior_posterior(model, study, code)
        pointers = [self.talk.say("text.graph", slug=name)]
        pointers += [self.talk.say("text.through", slug=name)] if through else []
        pointers += [self.talk.say("text.rest", slug=name, levels=spread(model, self.talk))]
        pointers += [self.talk.say("text.prior_figure", slug=name)] if prior else []
        return self._join(
            prose.results(self.n, model.name),
            " ".join(pointers),
            self.figure(diagram, f"fig-{name}-paths", self.talk.say("figure.paths_caption", **words)),
            paths.paths_table(self.n, model),
            through,
            self.talk.say("text.audit", slug=name) if audit else "",
            audit,
            tables.estimates_table(self.n, model, (*paths.PATHS, *paths.THROUGH)),
            self.figure(prior, f"fig-{name}-prior", self.talk.say("figure.prior_caption", **words)),
        )

    def _surface(self, model: ModelResults) -> str:
        """Return the results of a response surface: its story, the contours, tables of lines and simpler shapes."""
        study, code, name = self.results.study, self.talk.code, slug(model.name)
        words = {"title": escape(model_title(model, self.talk)), "interval": self.talk.interval(study.interval)}
        shapes = surfaces.shapes_table(self.n, model)
        prior = figures.prior_posterior(model, study, code)
        pointers = [self.talk.say("surface.figure", slug=name)]
        pointers += [self.talk.say("surface.shapes_pointer", slug=name)] if shapes else []
        pointers += [self.talk.say("surface.rest", slug=name)]
        pointers += [self.talk.say("text.prior_figure", slug=name)] if prior else []
        return self._join(
            *([] if model.trusted else [prose.diagnostics(self.n, model.name)]),
            story(self.n, model),
            " ".join(pointers),
            self.figure(
                figures.surface(model, study, code), f"fig-{name}-surface", self.talk.say("surface.caption", **words)
            ),
            surfaces.lines_table(self.n, model),
            shapes,
            tables.estimates_table(self.n, model, surfaces.LEFT_OUT),
            self.figure(prior, f"fig-{name}-prior", self.talk.say("figure.prior_caption", **words)),
        )

    def _dyad(self, model: ModelResults) -> str:
        """Return the results of a dyad: its story, the diagram, tables of effects, of what is shared, of versions."""
        study, code, name = self.results.study, self.talk.code, slug(model.name)
        words = {"title": escape(model_title(model, self.talk)), "interval": self.talk.interval(study.interval)}
        versions, direct = dyads.versions_table(self.n, model), paths.paths_table(self.n, model)
        diagram, prior = figures.paths(model, study, code), figures.prior_posterior(model, study, code)
        pointers = [self.talk.say("dyad.pointer", slug=name)]
        pointers += [self.talk.say("dyad.pointer_versions", slug=name)] if versions else []
        pointers += [self.talk.say("dyad.pointer_paths", slug=name)] if direct else []
        pointers += [self.talk.say("surface.rest", slug=name)]
        pointers += [self.talk.say("text.prior_figure", slug=name)] if prior else []
        return self._join(
            *([] if model.trusted else [prose.diagnostics(self.n, model.name)]),
            dyad.story(self.n, model),
            " ".join(pointers),
            self.figure(diagram, f"fig-{name}-paths", self.talk.say("dyad.caption_figure", **words)),
            dyads.effects_table(self.n, model),
            dyads.shared_table(self.n, model),
            versions,
            direct,
            tables.estimates_table(self.n, model, (*dyads.LEFT_OUT, *paths.PATHS)),
            self.figure(prior, f"fig-{name}-prior", self.talk.say("figure.prior_caption", **words)),
        )

    # --- checks -----------------------------------------------------------------------------------

    def sampling(self) -> str:
        """Return sampling diagnostics: text, figure, table."""
        drawn = figures.diagnostics(self.results, self.talk.code)
        said = [
            f"*{escape(model_title(model, self.talk))}.* {prose.diagnostics(self.n, model.name)}"
            for model in self.results.each()
            if not (model.trusted and prose.as_asked(model))
        ]
        return self._join(
            " ".join([self.talk.say("text.diagnostics"), *([] if said else [self.talk.say("text.diagnostics_all")])]),
            *said,
            self.figure(drawn, "fig-diagnostics", self.talk.say("figure.diagnostics_caption")),
            tables.diagnostics_table(self.results, self.talk),
        )

    def prediction(self, model: ModelResults) -> str:
        """Return the posterior predictive checks of a model; nothing where it has none."""
        study = self.results.study
        drawn = figures.predictive(model, study, self.talk.code)
        if drawn is None:
            return ""
        caption = self.talk.say(
            "figure.ppc_caption",
            title=escape(model_title(model, self.talk)),
            interval=self.talk.interval(study.interval),
        )
        many = len(model.card.get("ppc") or ())
        if many > figures.MOST_CHECKS:
            caption += self.talk.say("figure.ppc_worst", n=str(figures.MOST_CHECKS), of=str(many))
        return self._join(self._misses(model), self.figure(drawn, f"fig-{slug(model.name)}-ppc", caption))

    def _misses(self, model: ModelResults) -> str:
        missed = [
            escape(figures.check_name(model, check, self.talk))
            for check in model.card.get("ppc") or ()
            if not float(check["lower"]) <= float(check["observed"]) <= float(check["upper"])
        ]
        missed = list(dict.fromkeys(missed))
        verdict = (
            self.talk.say("text.ppc_some", features=self.talk.join(missed))
            if missed
            else self.talk.say("text.ppc_none")
        )
        return f"*{escape(model_title(model, self.talk))}.* {verdict}"

    def loo(self) -> str:
        """Return the comparison by leaving out sessions and clients."""
        table = tables.loo_table(self.results, self.talk)
        return self._join(self.talk.say("text.loo") if table else "", table)

    def crosscheck(self) -> str:
        """Return the cross-checks by maximum likelihood: what was fitted, how far apart, what differs by design."""
        checked = [model for model in self.results.each() if model.card.get("crosscheck")]
        if not checked:
            return self.talk.say("text.no_crosscheck")
        methods: dict[str, list[str]] = {}
        notes: dict[str, list[str]] = {}
        for model in checked:
            title = f"*{escape(model_title(model, self.talk))}*"
            methods.setdefault(prose.crosscheck_method(model, self.talk), []).append(title)
            for note in prose.crosscheck_notes(model, self.talk):
                notes.setdefault(note, []).append(title)
        said = [self._for(text, titles, len(checked)) for text, titles in methods.items()]
        far = [(prose.crosscheck_distance(model), model) for model in checked]
        apart = [
            self.talk.say("text.crosscheck_part", difference=self.talk.number(distance, 2),
                          title=f"*{escape(model_title(model, self.talk))}*")
            for distance, model in far
            if distance is not None
        ]  # fmt: skip
        if apart:
            said.append(self.talk.say("text.crosscheck_apart", parts=self.talk.join(apart)))
        differs = [self._for(text, titles, len(checked)) for text, titles in notes.items()]
        return self._join(
            " ".join(said),
            "\n".join(f"- {text}" for text in differs),
            tables.crosscheck_table(self.results, self.talk),
        )

    def _for(self, text: str, titles: list[str], of: int) -> str:
        """Say for which models a sentence holds, unless it holds for all."""
        return text if len(titles) == of else self.talk.say("text.for_models", models=self.talk.join(titles), text=text)

    # --- the end ----------------------------------------------------------------------------------

    def deviations(self) -> str:
        """Return what was done otherwise than planned; nothing where no plan was frozen."""
        found = plan.read(self.results.folder)
        return "" if found is None else plan.deviations(found, self.talk.code, 1)

    def limits(self) -> str:
        """Return the limits and what the design licenses."""
        return prose.limits(self.n)

    def glossary(self) -> str:
        """Return the glossary of reported quantities."""
        return glossary(self.talk, rope_text(self.results.study.rope["default"], self.talk))

    def session(self) -> str:
        """Return how the report was made: versions, seed, machine."""
        manifest = self.results.manifest
        packages = manifest.get("packages") or {}
        seed = str(manifest.get("seed", "–"))
        text = self.talk.say("text.session", version=str(packages.get("safezone", "–")), seed=seed)
        return self._join(text, tables.session_text(self.results, self.talk))

    def close(self) -> None:
        """Write the number lock, where the renderer asked for one."""
        self.n.save()

    # --- helpers ----------------------------------------------------------------------------------

    def figure(self, drawn: Figure | None, label: str, caption: str) -> str:
        """Return the Markdown of a figure, or nothing where there is none."""
        if drawn is None:
            return ""
        if self.results.study.simulated:
            caption += self.talk.say("figure.simulated")
        return figure_markdown(drawn, label, caption, self.folder)

    def _missing(self) -> pd.DataFrame:
        """Bring ``missing_by_session`` into one row per variable and session."""
        import pandas as pd

        table = self.results.table("missing_by_session")
        if table.empty:
            return pd.DataFrame(columns=["variable", "session", "rated", "clients"])
        book = self.results.codebook
        labels = dict(zip(book["name"], book["label"], strict=True)) if "label" in book else {}
        # More than six lines cannot be told apart; outcomes and predictors of the models come first.
        used = [str(m.card["outcome"]["name"]) for m in self.results.each()]
        used += [str(p["name"]) for m in self.results.each() for p in m.card.get("predictors") or ()]
        names = [
            name
            for name in dict.fromkeys([*used, *table.columns])
            if name in table and name not in {"session", "n_clients"}
        ]
        long = [
            (labels.get(name, name), int(row["session"]), 1 - float(row[name]), int(row["n_clients"]))
            for name in names[:6]
            for _, row in table.dropna(subset=[name]).iterrows()
        ]
        return pd.DataFrame(long, columns=["variable", "session", "rated", "clients"])

    @staticmethod
    def _join(*pieces: str) -> str:
        return "\n\n".join(piece.strip("\n") for piece in pieces if piece.strip())


def display_equation(latex: str, label: str) -> str:
    """Return a displayed equation with its label; lines that align are put into ``aligned``."""
    body = latex.strip()
    if (r"\\" in body or "&" in body) and r"\begin" not in body:
        body = f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"
    return f"$$\n{body}\n$$ {{#{label}}}"
