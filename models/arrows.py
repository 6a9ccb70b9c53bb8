"""Paths of a study file, read and checked: which variable acts on which, at which level.

A chain is written as texts per level: ``session = ["safety -> alliance"]`` joins ratings of one session (or,
with ``lag()``, of the client's previous session); ``client`` joins usual levels of clients, what is known of them
and final outcomes; ``therapist`` joins the means of therapists and what is known of these. At each level the
arrows must be recursive: no variable acts on itself, not by way of others either. Every fault is found in one
pass, named with its line and told how to mend.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from ..data.config import Level
from ..data.errors import Fault, InputError
from ..data.path_text import PathText, Term, read_path
from ..data.study_file import suggestion
from ..data.study_lines import line_of
from .arrow_rules import Problem, link_problems

if TYPE_CHECKING:
    from ..data.config import ModelSection
    from ..data.study import Study

LEVELS: tuple[Level, ...] = get_args(Level)


@dataclass(frozen=True, slots=True)
class Arrow:
    """One path.

    Parameters
    ----------
    level
        The level on which it lives.
    source, target
        Variables of the study.
    lag
        1 where the source is the client's previous session (session level only).
    trend
        Whether the source is the unit's own rate of change of ``source`` (client and therapist level only).
    random
        Whether clients differ in it (session level only).
    """

    level: Level
    source: str
    target: str
    lag: int = 0
    trend: bool = False
    random: bool = False

    @property
    def text(self) -> str:
        """The path as names of estimands hold it: ``lag(safety)->depth``."""
        return f"{Term(self.source, self.lag, self.trend)}->{self.target}"


@dataclass(frozen=True, slots=True)
class Arrows:
    """Every path of a model, with its variables in recursive order.

    Parameters
    ----------
    session, client, therapist
        Paths of each level, in the order of writing.
    responses
        Session-level variables, causes before consequences within a session.
    outcomes
        Client-level variables that paths point to, causes before consequences.
    covariates
        Client- and therapist-level variables that only explain, in the order of writing.
    """

    session: tuple[Arrow, ...]
    client: tuple[Arrow, ...]
    therapist: tuple[Arrow, ...]
    responses: tuple[str, ...]
    outcomes: tuple[str, ...]
    covariates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Written:
    """A text of the study file and where it stands."""

    key: str
    text: str
    occurrence: int


def names_in(options: ModelSection) -> tuple[str, ...]:
    """Return every variable that a model's paths name, unchecked and in order.

    Parameters
    ----------
    options
        Options of a model.

    Examples
    --------
    >>> from safezone.data.config import ModelSection
    >>> names_in(ModelSection(session=("lag(safety) -> depth",), client=("arm -> final",), final="final"))
    ('safety', 'depth', 'arm', 'final')
    """
    texts = [text for level in LEVELS for text in getattr(options, level)]
    texts += [text for text in options.random_slopes or () if text != "time"]
    names = [name for text in texts for name in read_path(text).names]
    return tuple(dict.fromkeys([*names, *([] if options.final is None else [options.final])]))


def read_arrows(study: Study, name: str, options: ModelSection) -> Arrows:
    """Read and check the paths of a model.

    Parameters
    ----------
    study
        The study.
    name
        The model's name in the study file.
    options
        Its options; ``session``, ``client``, ``therapist``, ``random_slopes``, ``final`` and ``time`` are read.

    Returns
    -------
    Arrows
        Checked paths and the part that each variable plays.

    Raises
    ------
    InputError
        With every fault, each naming the line of the study file, the text, the rule and the remedy.
    """
    faults: list[Fault] = []
    arrows: dict[Arrow, _Written] = {}
    for level, written in _written(options):
        read = read_path(written.text)
        problems = list(read.faults)
        for link in read.links:
            wrong = link_problems(study, options, level, link)
            arrow = Arrow(level, link.source.name, link.target.name, link.source.lag, link.source.trend)
            if not wrong and arrow in arrows:
                before = arrows[arrow]
                wrong = [(f'The path "{link}" is written twice; see "{before.text}".', "Keep one of them.")]
            problems += wrong
            if not wrong:
                arrows[arrow] = written
        faults += [_fault(study, name, written, problem) for problem in dict.fromkeys(problems)]
    for level in LEVELS:
        for cycle in _cycles([arrow for arrow in arrows if arrow.level == level and arrow.lag == 0]):
            faults.append(_fault(study, name, arrows[cycle[-1]], _cycle_problem(level, cycle)))
    faults += _lone_faults(study, name, options, tuple(arrows), broken=bool(faults))
    if faults:
        raise InputError(*faults)
    return _sorted(study, tuple(arrows), _random_texts(options))


def _written(options: ModelSection) -> tuple[tuple[Level, _Written], ...]:
    """Return every text of the three levels with its place."""
    found: list[tuple[Level, _Written]] = []
    for level in LEVELS:
        texts: tuple[str, ...] = getattr(options, level)
        found += [(level, _Written(level, text, texts[:i].count(text))) for i, text in enumerate(texts)]
    return tuple(found)


def _fault(study: Study, name: str, written: _Written, problem: Problem) -> Fault:
    line = line_of(study.path, name, written.key, written.text, written.occurrence)
    rule, remedy = problem
    key = f"models.{name}.{written.key}"
    return Fault("error", study.path.name, line, key, rule, written.text or '""', remedy)


# --- all links of a level ----------------------------------------------------------------------------------------


def _node(arrow: Arrow) -> str:
    """Return the source of an arrow as a node: a rate of change is not the level."""
    return str(Term(arrow.source, 0, arrow.trend))


def _cycles(arrows: Sequence[Arrow]) -> list[tuple[Arrow, ...]]:
    """Return one cycle for each arrow that closes one; the arrow written last comes last."""
    found: list[tuple[Arrow, ...]] = []
    kept: list[Arrow] = []
    for arrow in arrows:
        way = _way(kept, arrow.target, _node(arrow))
        if way is None or arrow.source == arrow.target:
            kept.append(arrow)
        else:
            found.append((*way, arrow))
    return found


def _way(arrows: Iterable[Arrow], start: str, end: str) -> tuple[Arrow, ...] | None:
    """Return arrows that lead from one variable to another, or ``None``."""
    reached: dict[str, tuple[Arrow, ...]] = {start: ()}
    waiting = [start]
    while waiting:
        here = waiting.pop(0)
        for arrow in arrows:
            if _node(arrow) == here and arrow.target not in reached:
                reached[arrow.target] = (*reached[here], arrow)
                waiting.append(arrow.target)
    return reached.get(end)


def _cycle_problem(level: Level, cycle: tuple[Arrow, ...]) -> Problem:
    round_trip = " -> ".join([*(arrow.source for arrow in cycle), cycle[-1].target])
    if level == "session":
        last = cycle[-1]
        rule = f"The paths of a session run in a circle: {round_trip}."
        if len(cycle) == 2:
            rule = f"Two ratings of one session act on each other: {round_trip}."
        return rule, f'Lag one of them, for instance "lag({last.source}) -> {last.target}", or remove one.'
    rule = f"The paths of {level}s run in a circle: {round_trip}."
    return rule, f'Remove one of them, for instance "{cycle[-1].source} -> {cycle[-1].target}".'


# --- what stands beside the links --------------------------------------------------------------------------------


def _random_texts(options: ModelSection) -> set[str]:
    """Return the paths that differ between clients, as :attr:`Arrow.text` writes them."""
    links = [link for text in options.random_slopes or () for link in read_path(text).links]
    return {f"{link.source}->{link.target}" for link in links}


def _lone_faults(
    study: Study, name: str, options: ModelSection, arrows: tuple[Arrow, ...], *, broken: bool
) -> list[Fault]:
    """Return the faults of ``random_slopes``, ``final`` and of a model without any path.

    ``broken`` says that paths have faults of their own: what then seems to be missing is not reported.
    """
    found: list[Fault] = []
    if not any(getattr(options, level) for level in LEVELS):
        rule, remedy = "The model has no paths.", 'Write for instance session = ["safety -> alliance"].'
        found.append(Fault("error", study.path.name, None, f"models.{name}.session", rule, None, remedy))
    texts = options.random_slopes or ()
    seen: set[str] = set()
    for i, text in enumerate(texts):
        problems = _slope_problems(study, options, text, arrows, broken=broken)
        asked = {str(link) for link in read_path(text).links} or {text}
        if not problems and asked & seen:
            problems = [("It is named twice.", "Keep one of them.")]
        seen |= asked
        written = _Written("random_slopes", text, texts[:i].count(text))
        found += [_fault(study, name, written, problem) for problem in problems]
    if options.final is not None and not broken:
        problem = _final_problem(study, options.final, arrows)
        if problem is not None:
            found.append(_fault(study, name, _Written("final", options.final, 0), problem))
    return found


def _slope_problems(
    study: Study, options: ModelSection, text: str, arrows: tuple[Arrow, ...], *, broken: bool
) -> list[Problem]:
    """Return what is wrong with one text of ``random_slopes``: a path of ``session`` or a rated variable."""
    read: PathText = read_path(text)
    session = tuple(arrow.text for arrow in arrows if arrow.level == "session")
    if read.links or (read.faults and text not in read.names):
        unknown = [link for link in read.links if f"{link.source}->{link.target}" not in session]
        listed = ", ".join(f'"{one.replace("->", " -> ")}"' for one in session) or "none"
        rule = "Paths that differ between clients are paths of `session`; {} is none of this model's."
        missing = [(rule.format(f'"{link}"'), f"Valid: {listed}.") for link in unknown]
        return [*read.faults, *([] if broken else missing)]
    rated = _rated(study, arrows)
    if text == "time":
        rule = "Clients' own rates of change are asked for by the variable that changes."
        return [(rule, f"Write the variable instead of time. Valid: {', '.join(rated)}.")]
    if text not in rated:
        return (
            []
            if broken and text in study.variables
            else [
                (
                    "Only paths of `session` and rated variables of the model differ between clients.",
                    suggestion(text, rated),
                )
            ]
        )
    if options.time == "none":
        rule = 'A variable here asks for clients\' own rates of change, and the model has time = "none".'
        return [(rule, f'Set time = "linear", or name a path: "{text} -> …".')]
    return []


def _final_problem(study: Study, final: str, arrows: tuple[Arrow, ...]) -> Problem | None:
    outcomes = tuple(dict.fromkeys(a.target for a in arrows if study.variables[a.target].level == "client"))
    if final in outcomes:
        return None
    choices = suggestion(final, outcomes) if outcomes else f'Write a path to it in `client`: "safety -> {final}".'
    if final not in study.variables:
        return "The final outcome is not a variable of the study.", choices
    if study.variables[final].level != "client":
        return f"A final outcome is known once for each client; {final} is not.", choices
    return f"No path of `client` points to {final}.", f'Write one, for instance "safety -> {final}". {choices}'


# --- the parts that variables play -------------------------------------------------------------------------------


def _rated(study: Study, arrows: Sequence[Arrow]) -> tuple[str, ...]:
    """Return the session-level variables by first mention."""
    named = [name for arrow in arrows for name in (arrow.source, arrow.target)]
    return tuple(dict.fromkeys(name for name in named if study.variables[name].level == "session"))


def _sorted(study: Study, arrows: tuple[Arrow, ...], random: set[str]) -> Arrows:
    """Return checked arrows by level, with their variables in recursive order."""
    by_level = {
        level: tuple(
            Arrow(a.level, a.source, a.target, a.lag, a.trend, random=level == "session" and a.text in random)
            for a in arrows
            if a.level == level
        )
        for level in LEVELS
    }
    named = tuple(dict.fromkeys(name for arrow in arrows for name in (arrow.source, arrow.target)))
    explained = {arrow.target for arrow in arrows}
    known_once = [name for name in named if study.variables[name].level != "session"]
    return Arrows(
        **by_level,
        responses=_recursive(_rated(study, arrows), by_level["session"]),
        outcomes=_recursive([name for name in known_once if name in explained], by_level["client"]),
        covariates=tuple(name for name in known_once if name not in explained),
    )


def _recursive(names: Sequence[str], arrows: Sequence[Arrow]) -> tuple[str, ...]:
    """Return names so that causes of the same occasion come first; ties by first mention."""
    causes = {name: {a.source for a in arrows if a.target == name and a.lag == 0} & set(names) for name in names}
    order: list[str] = []
    while len(order) < len(names):
        order.append(next(n for n in names if n not in order and causes[n] <= set(order)))
    return tuple(order)
