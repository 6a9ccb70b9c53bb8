"""Where the boxes and arrows of a path diagram go: columns by recursive depth, rows by search.

Plain geometry in inches, without matplotlib. A small deterministic search moves boxes up and down until arrows
cross no box, few other arrows, and their labels have room; what still meets a box is bent around it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

Point = tuple[float, float]

MARGIN = 0.04  # inches that an arrow keeps from a box, and a label from whatever it could cover
_STARTS = 5  # searches from different beginnings; the cheapest end wins
_BENDS = (0.0, 0.1, -0.1, 0.18, -0.18, 0.28, -0.28, 0.4, -0.4)  # of an arrow's length, to either side
_PLACES = (0.5, 0.43, 0.57, 0.36, 0.64, 0.29, 0.71, 0.22, 0.78)  # of an arrow's length, for its label
_STEP = 0.15  # inches that a box moves at least during the search
_MOVES = (-1, 1, -3, 3, -6, 6)
_BETWEEN = 0.12  # inches between boxes of one column
# What a layout may cost: a box that is crossed is worst, then labels that cover something, then crossing arrows.
_CROSSED_BOX, _COVERED_BOX, _COVERED_LABEL, _COVERED_ARROW, _CROSSING = 60, 90, 60, 8, 5
_HIDDEN, _TALL, _STEEP = 25, 4.0, 0.4  # most of its own arrow is covered; inches of height; inches up or down


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle by centre and size, in inches."""

    x: float
    y: float
    width: float
    height: float

    def overlap(self, other: Box) -> float:
        """Return the share of this rectangle that another one covers."""
        wide = (self.width + other.width) / 2 - abs(self.x - other.x)
        tall = (self.height + other.height) / 2 - abs(self.y - other.y)
        if wide <= 0 or tall <= 0:
            return 0.0
        return min(wide, self.width, other.width) * min(tall, self.height, other.height) / (self.width * self.height)

    def inside(self, start: Point, end: Point) -> float:
        """Return the length of a segment that runs inside this rectangle (Liang and Barsky 1984)."""
        first, last = 0.0, 1.0
        for a, b, centre, half in (
            (start[0], end[0], self.x, self.width / 2),
            (start[1], end[1], self.y, self.height / 2),
        ):
            low, high = centre - half, centre + half
            if (a < low and b < low) or (a > high and b > high):
                return 0.0
            if a != b:
                enter, leave = (low - a) / (b - a), (high - a) / (b - a)
                first, last = max(first, min(enter, leave)), min(last, max(enter, leave))
        return (last - first) * math.dist(start, end) if last > first else 0.0

    def wider(self, margin: float) -> Box:
        """Return this rectangle with a margin around it."""
        return Box(self.x, self.y, self.width + 2 * margin, self.height + 2 * margin)


@dataclass(frozen=True, slots=True)
class Layout:
    """A path diagram of one level.

    Parameters
    ----------
    boxes
        Rectangle of each node.
    routes
        Points of each arrow from its source's border to its target's, in the order of the arrows.
    labels
        Rectangle of each arrow's label.
    height
        Inches; y runs from 0 at the bottom to this.
    """

    boxes: Mapping[str, Box]
    routes: tuple[tuple[Point, ...], ...]
    labels: tuple[Box, ...]
    height: float


def columns(nodes: Sequence[str], arrows: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return the column of each node: after all of its causes; what only explains stands next to what it explains.

    Examples
    --------
    >>> columns(["a", "b", "c", "z"], [("a", "b"), ("b", "c"), ("a", "c"), ("z", "c")])
    {'a': 0, 'b': 1, 'c': 2, 'z': 1}
    """
    depth = dict.fromkeys(nodes, 0)
    for _ in nodes:  # as many rounds as a path can have nodes
        for source, target in arrows:
            depth[target] = max(depth[target], depth[source] + 1)
    targets = {target for _, target in arrows}
    for node in nodes:
        if node not in targets:
            depth[node] = min([depth[t] for s, t in arrows if s == node], default=1) - 1
    return depth


def arrange(
    sizes: Mapping[str, tuple[float, float]],
    arrows: Sequence[tuple[str, str]],
    label: tuple[float, float],
    width: float,
) -> Layout:
    """Find a layout.

    Parameters
    ----------
    sizes
        Width and height of each node's box, in inches.
    arrows
        Source and target of each arrow; recursive.
    label
        Width and height of a label.
    width
        Of the whole diagram.

    Returns
    -------
    Layout
        The same for the same input.
    """
    column = columns(tuple(sizes), arrows)
    last = max(column.values())
    widest = max(wide for wide, _ in sizes.values())
    across = {node: widest / 2 + (width - widest) * (at / last if last else 0.5) for node, at in column.items()}
    plan = _Plan(sizes, tuple(arrows), label, across)
    found = min((_search(plan, column, start) for start in range(_STARTS)), key=lambda end: end[0])
    return _finished(plan, found[1])


@dataclass(frozen=True, slots=True)
class _Plan:
    """What does not change during the search; heights are counted in steps."""

    sizes: Mapping[str, tuple[float, float]]
    arrows: tuple[tuple[str, str], ...]
    label: tuple[float, float]
    across: Mapping[str, float]

    def boxes(self, rows: Mapping[str, int]) -> dict[str, Box]:
        return {node: Box(self.across[node], rows[node] * _STEP, *self.sizes[node]) for node in self.sizes}


def _search(plan: _Plan, column: Mapping[str, int], start: int) -> tuple[float, dict[str, int]]:
    """Return the cost and the rows where no single move of a box, and no swap in a column, is cheaper."""
    rows: dict[str, int] = {}
    for at in range(max(column.values()) + 1):
        members = [node for node in plan.sizes if column[node] == at]
        turn = start % len(members)
        order = [*members[turn:], *members[:turn]][:: -1 if start % 2 else 1]
        pitch = math.ceil((max(plan.sizes[node][1] for node in members) + _BETWEEN) / _STEP)
        rows |= {
            node: pitch * i - pitch * (len(members) - 1) // 2 + 2 * ((start + at) % 3 - 1)
            for i, node in enumerate(order)
        }
    cost = _cost(plan, rows)
    nodes = list(plan.sizes)
    mates = [
        (a, b, (plan.sizes[a][1] + plan.sizes[b][1]) / 2 + _BETWEEN - 1e-9)
        for a, b in combinations(nodes, 2)
        if column[a] == column[b]
    ]
    improved = True
    while improved:
        improved = False
        moves = [{a: rows[b], b: rows[a]} for a, b, _ in mates]
        moves += [{node: rows[node] + step} for node in nodes for step in _MOVES]
        for move in moves:
            tried = rows | move
            if any(abs(tried[a] - tried[b]) * _STEP < apart for a, b, apart in mates):
                continue
            there = _cost(plan, tried)
            if there < cost - 1e-9:
                rows, cost, improved = tried, there, True
    return cost, rows


def _ends(plan: _Plan, boxes: Mapping[str, Box]) -> list[tuple[Point, Point]]:
    """Return where each arrow leaves and enters a box: spread over its side in the order of the other ends."""

    def offset(node: str, mine: int, side: int) -> float:
        others = [i for i, ends in enumerate(plan.arrows) if ends[side] == node]
        if len(others) == 1:
            return 0.0
        far = [boxes[plan.arrows[i][1 - side]] for i in others]
        slope = [(box.y - boxes[node].y) / (abs(box.x - boxes[node].x) or 1) for box in far]
        order = sorted(range(len(others)), key=lambda i: (slope[i], i))
        place = order.index(others.index(mine))
        return (place / (len(others) - 1) - 0.5) * 0.7 * boxes[node].height

    found = []
    for i, (source, target) in enumerate(plan.arrows):
        a, b = boxes[source], boxes[target]
        start = (a.x + a.width / 2, a.y + offset(source, i, 0))
        found.append((start, (b.x - b.width / 2, b.y + offset(target, i, 1))))
    return found


def _cost(plan: _Plan, rows: Mapping[str, int]) -> float:
    """Return what a layout with straight arrows and labels in their middles costs."""
    boxes = plan.boxes(rows)
    ends = _ends(plan, boxes)
    labels = [Box((a[0] + b[0]) / 2, (a[1] + b[1]) / 2, *plan.label) for a, b in ends]
    tall = [box.y + side * box.height / 2 for box in boxes.values() for side in (-1, 1)]
    total = _TALL * (max(tall) - min(tall))
    for i, (a, b) in enumerate(ends):
        total += _STEEP * abs(b[1] - a[1])
        total += _CROSSED_BOX * _crossed(plan, boxes, i, (a, b))
        total += sum(_covered(labels[i], box, _COVERED_BOX) for box in boxes.values())
        total += _hidden(labels[i], (a, b))
        for j in range(i):
            c, d = ends[j]
            total += _covered(labels[i], labels[j], _COVERED_LABEL)
            total += _COVERED_ARROW * ((labels[i].inside(c, d) > 0) + (labels[j].inside(a, b) > 0))
            total += _CROSSING * _cross(a, b, c, d)
    return total


def _crossed(plan: _Plan, boxes: Mapping[str, Box], arrow: int, route: Sequence[Point]) -> float:
    """Return how much of a route runs inside of boxes that are not its own ends, counting each touch."""
    found = 0.0
    for node, box in boxes.items():
        if node not in plan.arrows[arrow]:
            length = sum(box.wider(MARGIN).inside(a, b) for a, b in pairwise(route))
            found += length + (0.2 if length > 0 else 0.0)
    return found


def _covered(label: Box, other: Box, price: float) -> float:
    """Return what it costs that a label covers a box or another label: the touch counts, and so does the share."""
    share = label.overlap(other)
    return price * (0.2 + share) if share > 0 else 0.0


def _hidden(label: Box, route: Sequence[Point]) -> float:
    """Return what it costs that a label hides most of its own arrow."""
    length = sum(math.dist(a, b) for a, b in pairwise(route))
    return _HIDDEN * max(0.0, sum(label.inside(a, b) for a, b in pairwise(route)) / length - 0.6)


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether two segments cross."""

    def side(p: Point, q: Point, r: Point) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0


# --- the end of the search: bend what meets a box, then move the labels along their arrows -----------------------


def bent(start: Point, end: Point, bend: float, steps: int = 24) -> tuple[Point, ...]:
    """Return points of a quadratic Bézier curve whose middle lies ``bend`` lengths beside the straight line."""
    if bend == 0:
        return (start, end)
    x, y = end[0] - start[0], end[1] - start[1]
    control = ((start[0] + end[0]) / 2 - 2 * bend * y, (start[1] + end[1]) / 2 + 2 * bend * x)
    found = []
    for i in range(steps + 1):
        t = i / steps
        weights = ((1 - t) ** 2, 2 * t * (1 - t), t**2)
        found.append(tuple(sum(w * p[k] for w, p in zip(weights, (start, control, end), strict=True)) for k in (0, 1)))
    return tuple((p[0], p[1]) for p in found)


def along(route: Sequence[Point], share: float) -> Point:
    """Return the point at a share of a route's length."""
    lengths = [math.dist(a, b) for a, b in pairwise(route)]
    left = share * sum(lengths)
    for (a, b), length in zip(pairwise(route), lengths, strict=True):
        if left <= length and length > 0:
            return a[0] + (b[0] - a[0]) * left / length, a[1] + (b[1] - a[1]) * left / length
        left -= length
    return route[-1]


def _finished(plan: _Plan, rows: Mapping[str, int]) -> Layout:
    """Return the layout with bent arrows and placed labels, moved so that it begins at zero."""
    boxes = plan.boxes(rows)
    routes: list[tuple[Point, ...]] = []
    for i, (start, end) in enumerate(_ends(plan, boxes)):
        ways = [bent(start, end, bend) for bend in _BENDS]
        routes.append(min(ways, key=lambda way, i=i: _crossed(plan, boxes, i, way)))  # type: ignore[misc]
    beside = plan.label[1] / 2 + MARGIN
    places = [
        [
            Box(x, y + side * beside, *plan.label)
            for side in (0, 1, -1, 1.7, -1.7)
            for x, y in (along(route, place) for place in _PLACES)
        ]
        for route in routes
    ]
    labels = [first[0] for first in places]
    for _ in range(3):
        for i, choices in enumerate(places):
            costs = [_label_cost(boxes, routes, labels, i, one) + 0.1 * n for n, one in enumerate(choices)]
            labels[i] = choices[costs.index(min(costs))]
    shapes = [*boxes.values(), *labels]
    low = min([shape.y - shape.height / 2 for shape in shapes] + [y for route in routes for _, y in route]) - MARGIN
    high = max([shape.y + shape.height / 2 for shape in shapes] + [y for route in routes for _, y in route]) + MARGIN
    return Layout(
        {node: replace(box, y=box.y - low) for node, box in boxes.items()},
        tuple(tuple((x, y - low) for x, y in route) for route in routes),
        tuple(replace(box, y=box.y - low) for box in labels),
        high - low,
    )


def _label_cost(
    boxes: Mapping[str, Box], routes: Sequence[Sequence[Point]], labels: Sequence[Box], mine: int, label: Box
) -> float:
    """Return what a place for a label covers: boxes, other labels, other arrows."""
    wide = label.wider(MARGIN)
    total = _hidden(label, routes[mine])
    total += sum(_covered(wide, box, _COVERED_BOX) for box in boxes.values())
    for i, route in enumerate(routes):
        if i == mine:
            continue
        total += _covered(wide, labels[i], _COVERED_LABEL)
        length = sum(wide.inside(a, b) for a, b in pairwise(route))
        total += _COVERED_ARROW * (1 + 3 * length) if length > 0 else 0.0
    return total
