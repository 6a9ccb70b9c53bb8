"""Figures: nothing cut off, nothing empty, alt text that carries the plotted numbers."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from safezone.data.errors import InputError
from safezone.reports import figures
from safezone.reports.figures import Figure, Step
from safezone.reports.figures.densities import density, draws_of
from safezone.reports.figures.embed import FORMAT_VARIABLE, markdown, wanted_kind
from safezone.reports.figures.style import COLOURS, wrap
from safezone.reports.parts.flow import flow_steps
from safezone.reports.prose.language import language
from safezone.reports.results import Results, read_results

LONG = "A very long label of a scale that nobody would print in full, Verhaltensbeobachtungsskala, سلامة, $x_1$ & <b>"


def every(results: Results) -> dict[str, Figure | None]:
    """Draw every figure of a results folder."""
    study, code = results.study, results.study.language
    drawn: dict[str, Figure | None] = {
        "diagnostics": figures.diagnostics(results),
        "shares": figures.shares(results.each(), study),
        "flow": figures.flow(flow_steps(results, language(code)), study),
    }
    for model in results.each():
        drawn |= {
            f"{model.name}.forest": figures.forest(model, study),
            f"{model.name}.growth": figures.growth(model, study),
            f"{model.name}.panel": figures.panel(model, study),
            f"{model.name}.prior": figures.prior_posterior(model, study),
            f"{model.name}.ppc": figures.predictive(model, study),
            f"{model.name}.ranks": figures.ranks(model, study),
        }
    return drawn


def assert_nothing_cut_off(name: str, drawn: Figure) -> None:
    """Every visible text and the figure's tight box lie inside the canvas, to within a point."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    canvas = FigureCanvasAgg(drawn.fig)
    canvas.draw()
    renderer = canvas.get_renderer()
    width, height = drawn.fig.bbox.width, drawn.fig.bbox.height
    slack = drawn.fig.dpi / 72
    hidden = _hidden(drawn)
    for text in drawn.fig.findobj(Text):
        if not (text.get_visible() and text.get_text().strip()) or text in hidden:
            continue
        box = text.get_window_extent(renderer)
        inside = -slack <= box.x0 and box.x1 <= width + slack and -slack <= box.y0 and box.y1 <= height + slack
        assert inside, f"{name}: {text.get_text()!r} reaches {box.extents} on a canvas of {width} × {height}"


def _hidden(drawn: Figure) -> set[object]:
    """Return the tick labels outside the axis limits, which matplotlib keeps but does not draw."""
    found: set[object] = set()
    for ax in drawn.fig.axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if not low <= tick.get_loc() <= high:
                    found |= {tick.label1, tick.label2}
    return found


def test_every_figure_fits_its_canvas_and_describes_itself(results: Results) -> None:
    drawn = every(results)
    missing = {name for name, figure in drawn.items() if figure is None}
    assert missing == {
        "safety_shares.growth", "depth.growth", "safety_shares.panel", "course.panel",
    }  # fmt: skip
    for name, figure in drawn.items():
        if figure is None:
            continue
        assert_nothing_cut_off(name, figure)
        assert re.search(r"\d", figure.alt), name
        assert "{" not in figure.alt
        assert all(ax.has_data() or not ax.axison for ax in figure.fig.axes), f"{name} has an empty panel"


def test_alt_text_carries_the_plotted_numbers(english: Results) -> None:
    forest = figures.forest(english.model("depth"), english.study)
    assert forest is not None
    assert "Felt safety (client): within clients: 0.32, 95% credible interval [0.25, 0.38]" in forest.alt
    shares = figures.shares(english.each(), english.study)
    assert shares is not None
    assert "Clients: 41% [34%, 48%]" in shares.alt
    growth = figures.growth(english.model("course"), english.study)
    assert growth is not None
    assert "no real people" in growth.alt
    assert "from 16.8" in growth.alt


def test_long_and_foreign_labels_fit(tmp_path: Path, write_sample: Callable[..., Path]) -> None:
    folder = write_sample(tmp_path / "results")
    for path in (folder / "fits").glob("*.json"):
        card = json.loads(path.read_text())
        card["outcome"]["label"] = LONG
        for predictor in card["predictors"]:
            predictor["label"] = LONG
        path.write_text(json.dumps(card))
    for name, figure in every(read_results(folder)).items():
        if figure is not None:
            assert_nothing_cut_off(name, figure)


def test_small_bins_are_never_drawn(tmp_path: Path, write_sample: Callable[..., Path]) -> None:
    folder = write_sample(tmp_path / "results")
    path = folder / "fits" / "depth.json"
    card = json.loads(path.read_text())
    for dot in card["panel"]["safety"]["bins_within"]:
        dot["n"] = 9  # below the threshold of ten
    path.write_text(json.dumps(card))
    results = read_results(folder)
    drawn = figures.panel(results.model("depth"), results.study)
    assert drawn is not None
    markers = [line for line in drawn.fig.axes[0].lines if line.get_marker() == "o"]
    assert markers == []


def test_sessions_with_few_clients_are_left_out(english: Results) -> None:
    table = pd.DataFrame({"variable": "x", "session": [1, 2, 3], "rated": [0.9, 0.8, 0.7], "clients": [20, 12, 9]})
    drawn = figures.missingness(table, english.study)
    assert drawn is not None
    assert np.array_equal(np.asarray(drawn.fig.axes[0].lines[0].get_xdata()), [1, 2])
    assert figures.missingness(table.assign(clients=3), english.study) is None


def test_flow_names_those_who_left(english: Results) -> None:
    steps = flow_steps(english, language("en"))
    assert steps[0] == Step("Screened", ("131 clients",), ("27 clients without an arm",))
    assert steps[-1].counts == ("96 clients", "12 therapists", "1,043 sessions")
    assert steps[2].left_out == ("2 clients without a usable score", "77 sessions without a usable score")


def test_colours_differ_in_lightness() -> None:
    # Relative luminance (WCAG): neighbours in the cycle must differ in a grey print as well.
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    values = [luminance(colour) for colour in COLOURS]
    assert all(abs(a - b) > 0.05 for a, b in itertools.pairwise(values))


def test_density_integrates_to_one_also_at_a_bound() -> None:
    rng = np.random.default_rng(5)
    grid = np.linspace(0, 6, 3000)
    # Trapezoids on 3,000 points are exact to 1e-3; what the grid leaves out beyond 6 SD is nothing.
    assert np.trapezoid(density(np.abs(rng.normal(0, 1, 4000)), grid, 0.0), grid) == pytest.approx(1.0, abs=5e-3)


def test_draws_are_found_by_name_and_coordinate(english: Results) -> None:
    posterior = english.model("depth").posterior
    found = draws_of(posterior, "within[safety]")
    assert found is not None
    assert found.size == 2000
    assert draws_of(posterior, "within[nobody]") is None
    assert draws_of(posterior, "nothing") is None


def test_wrap_breaks_long_words_instead_of_cutting_them() -> None:
    assert max(len(line) for line in wrap("Verhaltensbeobachtungsskalenwert", 10).split("\n")) <= 10


@pytest.mark.parametrize(("base", "kind"), [("html", "svg"), ("typst", "print.svg"), ("docx", "png")])
def test_the_format_decides_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, english: Results, base: str, kind: str
) -> None:
    info = tmp_path / "info.json"
    info.write_text(json.dumps({"format": {"identifier": {"base-format": base, "target-format": base}}}))
    monkeypatch.setenv(FORMAT_VARIABLE, str(info))
    monkeypatch.chdir(tmp_path)
    assert wanted_kind() == kind
    drawn = figures.diagnostics(english)
    assert drawn is not None
    text = markdown(drawn, "fig-x", "A caption.")
    assert text.strip().startswith(f"![A caption.](figures/fig-x.{kind}){{#fig-x fig-alt=")
    assert Path(f"figures/fig-x.{kind}").stat().st_size > 1000


def test_html_keeps_text_as_text_and_print_as_outlines(tmp_path: Path, english: Results) -> None:
    drawn = figures.diagnostics(english)
    assert drawn is not None
    screen = figures.save(drawn, tmp_path / "a.svg").read_text()
    paper = figures.save(drawn, tmp_path / "a.print.svg").read_text()
    assert "<text" in screen
    assert "<text" not in paper


def test_a_label_that_cannot_be_referred_to_is_refused(english: Results) -> None:
    drawn = figures.diagnostics(english)
    assert drawn is not None
    with pytest.raises(InputError, match="begins with fig-"):
        markdown(drawn, "plot 1", "A caption.")


def test_outside_of_a_render_figures_are_svg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FORMAT_VARIABLE, raising=False)
    assert FORMAT_VARIABLE not in os.environ
    assert wanted_kind() == "svg"
