"""The path diagram: arrows keep off boxes, labels keep off both, and what is drawn is what the card says."""

from __future__ import annotations

import itertools
import math
import re
from types import SimpleNamespace
from typing import Any, cast

import pytest

from safezone.reports.figures import paths
from safezone.reports.figures.path_layout import Box, along, arrange, bent, columns
from safezone.reports.figures.paths import _broken, includes_zero, line_width, number_width, value_text
from safezone.reports.figures.style import COLOURS, WIDTH
from safezone.reports.prose.language import language
from safezone.reports.prose.paths import node_label

SEVEN = (
    "therapist_safety->safety", "safety->alliance", "safety->depth", "alliance->depth", "depth->mood",
    "alliance->mood", "safety->mood", "mood->symptoms", "depth->symptoms", "risk->depth", "safety->risk",
    "therapist_safety->alliance",
)  # fmt: skip
CLIENT = (
    "anxiety->safety", "avoidance->safety", "safety->alliance", "safety->final", "safety:time->final",
    "alliance->final", "baseline->final", "arm[active]->final", "anxiety->final",
)  # fmt: skip
LAGGED = ("lag(safety)->safety", "lag(depth)->depth", "safety->depth", "lag(safety)->depth")
ROLES = dict.fromkeys(("anxiety", "avoidance", "baseline", "arm[active]"), "covariate") | {"final": "outcome"}


def graph(**levels: tuple[str, ...]) -> dict[str, Any]:
    """Return a card's graph; sizes go through positive, negative and unclear."""
    arrows = []
    for level, texts in levels.items():
        for i, text in enumerate(texts):
            mean = (0.31, -0.42, 0.05)[i % 3]
            arrows.append(
                {
                    "level": level, "source": text.split("->")[0], "target": text.split("->")[1], "text": text,
                    "estimand": f"path.{level}.{text}", "mean": mean, "lower": mean - 0.1, "upper": mean + 0.1,
                }
            )  # fmt: skip
    names = {end for texts in levels.values() for text in texts for end in text.split("->")}
    names |= {name[4:-1] for name in names if name.startswith("lag(")}
    nodes = [
        {
            "name": n,
            "label": f"Label of {n} (client)",
            "role": ROLES.get(n, "response"),
            "level": "client",
        }
        for n in sorted(names)
        if "lag(" not in n and ":time" not in n
    ]
    return {"nodes": nodes, "arrows": arrows}


def drawn(found: dict[str, Any], code: str = "en") -> Any:
    study = SimpleNamespace(language=code, interval=0.95)
    return paths(cast("Any", chain(found)), cast("Any", study))


def chain(found: dict[str, Any]) -> Any:
    names = [node["name"] for node in found.get("nodes", ())]
    measures = [{"name": name, "label": f"Label of {name.replace('_', ' ')} (client)"} for name in names]
    options = {"therapist": ["safety -> alliance"]}
    card = {"options": options, "graph": found, "outcome": {"name": "o"}, "predictors": measures}
    return SimpleNamespace(name="chain", card=card, described={})


LAYOUTS = [SEVEN, CLIENT, LAGGED, ("a->b",), ("a->b", "b->c", "c->d", "a->c", "a->d", "b->d")]


@pytest.mark.parametrize("texts", LAYOUTS)
def test_arrows_and_labels_keep_off_boxes_and_labels_off_each_other(texts: tuple[str, ...]) -> None:
    ends = [(text.split("->")[0], text.split("->")[1]) for text in texts]
    names = list(dict.fromkeys(itertools.chain.from_iterable(ends)))
    sizes = {name: (0.9, 0.3 + 0.12 * (i % 3)) for i, name in enumerate(names)}
    found = arrange(sizes, ends, (0.78, 0.27), WIDTH)
    assert found == arrange(sizes, ends, (0.78, 0.27), WIDTH)  # the same picture every time
    for (source, target), route in zip(ends, found.routes, strict=True):
        a, b = found.boxes[source], found.boxes[target]
        assert route[0][0] == pytest.approx(a.x + a.width / 2)
        assert route[-1][0] == pytest.approx(b.x - b.width / 2)
        for name, box in found.boxes.items():
            if name not in (source, target):
                assert sum(box.inside(p, q) for p, q in itertools.pairwise(route)) == 0, (source, target, name)
    for a, b in itertools.combinations(found.boxes.values(), 2):
        assert a.overlap(b) == 0
    # a label may touch the rounded corner of a box, never what is written in it or another label's numbers
    for label in found.labels:
        assert all(label.overlap(box) < 0.05 for box in found.boxes.values())
        assert label.y - label.height / 2 >= 0
        assert label.y + label.height / 2 <= found.height
    for a, b in itertools.combinations(found.labels, 2):
        assert a.overlap(b) < 0.1


def test_columns_follow_causes_and_put_covariates_beside_what_they_explain() -> None:
    ends = [("safety", "alliance"), ("alliance", "final"), ("safety", "final"), ("arm", "final"), ("anxiety", "safety")]
    found = columns(["safety", "alliance", "final", "arm", "anxiety"], ends)
    assert found == {"anxiety": 0, "safety": 1, "alliance": 2, "arm": 2, "final": 3}


def test_segments_are_clipped_at_rectangles() -> None:
    box = Box(1.0, 1.0, 1.0, 0.5)  # 0.5 to 1.5, 0.75 to 1.25
    assert box.inside((0.0, 1.0), (2.0, 1.0)) == pytest.approx(1.0)
    assert box.inside((0.0, 2.0), (2.0, 2.0)) == 0
    assert box.inside((1.0, 0.0), (1.0, 3.0)) == pytest.approx(0.5)
    assert box.inside((0.5, 0.75), (1.5, 1.25)) == pytest.approx(math.hypot(1.0, 0.5))
    assert box.overlap(Box(1.5, 1.0, 1.0, 0.5)) == pytest.approx(0.5)
    assert box.overlap(Box(3.0, 1.0, 1.0, 0.5)) == 0


def test_a_bent_arrow_keeps_its_ends_and_passes_beside_the_middle() -> None:
    route = bent((0.0, 0.0), (2.0, 0.0), 0.25)
    assert route[0] == (0.0, 0.0)
    assert route[-1] == (2.0, 0.0)
    assert along(route, 0.5) == pytest.approx((1.0, 0.5))  # a quarter of its length above
    assert along(((0.0, 0.0), (2.0, 0.0)), 0.25) == pytest.approx((0.5, 0.0))


@pytest.mark.parametrize("code", ["en", "de"])
def test_a_diagram_shows_every_path_once_by_level_and_says_it(code: str) -> None:
    found = graph(therapist=("safety->alliance",), client=CLIENT, session=SEVEN)
    figure = drawn(found, code)
    (ax,) = figure.fig.axes
    texts = [text.get_text() for text in ax.texts]
    talk = language(code)
    assert sum(text.startswith(("0", "−")) for text in texts) == len(found["arrows"])
    titles = [talk.say(f"figure.paths_{level}") for level in ("therapist", "client", "session")]
    assert [text for text in texts if text in titles] == titles
    assert len(re.findall(r"\[−?\d", figure.alt)) == len(found["arrows"])
    for arrow in found["arrows"]:
        assert value_text(arrow, talk).replace("\n", " ") in figure.alt
    assert figure.fig.get_figwidth() / figure.fig.get_figheight() >= WIDTH / 9.5  # it fits a page at the text's width
    assert "−0,42 [−0,52; −0,32]" in figure.alt if code == "de" else "−0.42 [−0.52, −0.32]" in figure.alt
    _assert_inside(figure)


def _assert_inside(figure: Any) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure.fig)
    canvas.draw()
    for text in figure.fig.axes[0].texts:
        box = text.get_window_extent(canvas.get_renderer())
        assert box.x0 >= -1
        assert box.x1 <= figure.fig.bbox.width + 1, text.get_text()
        assert box.y0 >= -1
        assert box.y1 <= figure.fig.bbox.height + 1


def test_sign_is_colour_and_dashes_and_doubt_is_pale() -> None:
    from matplotlib.colors import to_rgb

    figure = drawn(graph(session=("a->b", "b->c", "a->c")))
    positive, negative, doubtful = figure.fig.axes[0].lines[:3]
    assert to_rgb(positive.get_color()) == to_rgb(COLOURS[0])
    assert positive.get_linestyle() == "-"
    assert to_rgb(negative.get_color()) == to_rgb(COLOURS[1])
    assert negative.get_linestyle() == "--"  # readable without colour
    assert min(to_rgb(doubtful.get_color())) > min(to_rgb(COLOURS[0])) + 0.3
    assert negative.get_linewidth() > positive.get_linewidth() > doubtful.get_linewidth()
    assert line_width(-0.42) == line_width(0.42)


def test_nodes_of_the_previous_session_and_of_change_have_boxes_of_their_own() -> None:
    model = chain(graph(session=("safety->depth",)))
    assert node_label(model, "lag(safety)", language("en")) == "Label of safety (client), previous session"
    assert node_label(model, "safety:time", language("de")) == "Label of safety (client), eigener Trend"
    assert node_label(model, "arm[active]", language("en")) == "arm: active"
    figure = drawn(graph(session=LAGGED))
    written = " ".join(" ".join(text.get_text().split()) for text in figure.fig.axes[0].texts)
    assert written.count("previous session") == 2


def test_widths_of_numbers_are_those_of_the_font() -> None:
    from matplotlib.textpath import TextPath

    for text in ("[−0.60, −0.08]", "[0.12, 0.50]", "0.31"):
        real = TextPath((0, 0), text, size=100).get_extents().width / 100
        # the bounding box leaves out the side bearings; blanks, points and brackets are a little narrower than 0.39
        assert real <= number_width(text) <= real + 0.5


def test_without_a_graph_or_estimates_there_is_no_diagram() -> None:
    assert drawn({}) is None
    found = graph(session=("a->b",))
    found["arrows"][0]["mean"] = None
    assert drawn(found) is None
    assert includes_zero({"lower": -0.1, "upper": 0.2})
    assert not includes_zero({"lower": 0.1, "upper": 0.2})


def test_very_long_words_are_broken_with_a_hyphen() -> None:
    assert _broken("Erlebte Explorationsbereitschaft", 14) == "Erlebte Explorationsb- ereitschaft"
    assert _broken("Felt safety", 14) == "Felt safety"
