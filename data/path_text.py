"""The grammar of a path: ``"anxiety, avoidance -> safety -> alliance"`` as links between variables.

Only the text is read here; whether its names are variables, and of which level, is checked by
:mod:`safezone.data.study_file` and :mod:`safezone.models.arrows`. The signs are few on purpose: ``->``,
the comma, ``lag(x)`` for the client's previous session and ``x:time`` for the client's own rate of change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise, product

ARROW = "->"
_BACKWARDS = ("<-", "<--", "<=", "<", "←", "⟵", "⇐")
_BOTH = ("<->", "<=>", "~~", "--", "↔", "⇔")
_FORWARDS = ("-->", "->>", "=>", "==>", "- >", ">", "→", "⟶", "⇒", "➔", "➜", "—>", "–>", "−>")
_REGRESSION = "~"  # "alliance ~ safety", the outcome first
_SIGNS = re.compile(
    "("
    + "|".join(
        re.escape(sign) for sign in sorted((ARROW, *_BACKWARDS, *_BOTH, *_FORWARDS, _REGRESSION), key=len, reverse=True)
    )
    + ")"
)
_CALL = re.compile(r"(?P<function>[^\s(),:]*)\s*\((?P<inside>.*)\)\s*(?P<rest>:.*)?")
_NOT_IN_NAMES = re.compile(r"[.;~*+\[\](){}<>=\"'`$\\/|:]")


@dataclass(frozen=True, slots=True)
class Term:
    """One end of a path.

    Parameters
    ----------
    name
        As written, whether or not the study has such a variable.
    lag
        1 for ``lag(name)``, the client's previous session.
    trend
        Whether it is ``name:time``, the unit's own rate of change.
    """

    name: str
    lag: int = 0
    trend: bool = False

    def __str__(self) -> str:
        """Return the term as it is written."""
        return f"lag({self.name})" if self.lag else f"{self.name}:time" if self.trend else self.name


@dataclass(frozen=True, slots=True)
class Link:
    """One arrow from a source to a target."""

    source: Term
    target: Term

    def __str__(self) -> str:
        """Return the arrow as it is written."""
        return f"{self.source} -> {self.target}"


@dataclass(frozen=True, slots=True)
class PathText:
    """What a text says.

    Parameters
    ----------
    links
        Every arrow of the text in order; empty where there are faults.
    faults
        Pairs of a broken rule and its remedy.
    names
        Every name that the text holds, as far as it can be read, in order.
    """

    links: tuple[Link, ...]
    faults: tuple[tuple[str, str], ...]
    names: tuple[str, ...]


def read_path(text: str) -> PathText:
    """Read one text of ``session``, ``client`` or ``therapist``.

    Parameters
    ----------
    text
        ``"safety -> alliance"``; ``"a -> b -> c"`` stands for each link, ``"a, b -> c"`` for each pair.

    Returns
    -------
    PathText
        Its links, or every fault of its writing with the remedy.

    Examples
    --------
    >>> [str(link) for link in read_path("a, lag(b) -> c -> d").links]
    ['a -> c', 'lag(b) -> c', 'c -> d']
    >>> read_path("safety => alliance").faults
    (('The arrow of a path is written ->, not =>.', 'Write "safety -> alliance".'),)
    """
    if not text.strip():
        return PathText((), (("The text of a path is empty.", 'Write "safety -> alliance", or remove it.'),), ())
    parts = _SIGNS.split(text.strip())
    pieces, signs = [part.strip() for part in parts[::2]], parts[1::2]
    read = [_read_terms(piece, last=i > 0) for i, piece in enumerate(pieces)]
    names = tuple(dict.fromkeys(term.name for terms, _ in read for term in terms))
    faults = _arrow_faults(text.strip(), pieces, signs)
    if _REGRESSION not in signs:  # its sums are corrected with it
        faults += [fault for _, faults in read for fault in faults]
    if faults:
        return PathText((), tuple(dict.fromkeys(faults)), names)
    links = tuple(
        Link(source, target)
        for (sources, _), (targets, _) in pairwise(read)
        for source, target in product(sources, targets)
    )
    return PathText(links, (), names)


def missing_comma(name: str, known: Iterable[str]) -> str | None:
    """Return the remedy where a name is several known names in a row, else ``None``.

    Examples
    --------
    >>> missing_comma("safety alliance", ["safety", "alliance"])
    'Separate names by commas: "safety, alliance".'
    """
    words, choices = name.split(), set(known)
    if len(words) < 2 or not set(words) <= choices:
        return None
    return f'Separate names by commas: "{", ".join(words)}".'


def _arrow_faults(text: str, pieces: list[str], signs: list[str]) -> list[tuple[str, str]]:
    """Return what is wrong with the arrows of a text, or with what stands beside them."""
    if not signs:
        rule = "A path names a cause, an arrow and a consequence; this text has no arrow."
        return [(rule, f'Write "{text} -> …" or "… -> {text}", for instance "safety -> alliance".')]
    strange = [sign for sign in signs if sign != ARROW]
    if strange and set(strange) & set(_BOTH):
        rule = f"A path has one direction; {strange[0]} has none or two."
        ways = f'"{pieces[0]} -> {pieces[-1]}" or "{pieces[-1]} -> {pieces[0]}"'
        return [(rule, f"Write {ways}; what paths leave unexplained may correlate without being written.")]
    if strange:
        rule = f"The arrow of a path is written ->, not {strange[0]}."
        return [(rule, f"Write {_corrected(pieces, signs)}.")]
    found: list[tuple[str, str]] = []
    if not pieces[0]:
        found.append(("Nothing stands before the arrow: the source is missing.", f'Write "… {text}", naming a cause.'))
    if not pieces[-1]:
        remedy = f'Write "{text} …", naming a consequence.'
        found.append(("Nothing stands after the arrow: the target is missing.", remedy))
    if not all(pieces[1:-1]):
        remedy = f'Write "{" -> ".join(piece for piece in pieces if piece)}", or name what stands between.'
        found.append(("Nothing stands between two arrows.", remedy))
    return found


def _corrected(pieces: list[str], signs: list[str]) -> str:
    """Return the text or texts that were probably meant, in quotes."""
    if _REGRESSION in signs:
        pieces = [re.sub(r"\s*\+\s*", ", ", piece) for piece in pieces]
    back = [sign in _BACKWARDS or sign == _REGRESSION for sign in signs]
    if not any(back) or all(back):
        return f'"{" -> ".join(pieces[::-1] if any(back) else pieces)}"'
    pairs = [(b, a) if reverse else (a, b) for (a, b), reverse in zip(pairwise(pieces), back, strict=True)]
    return " and ".join(f'"{a} -> {b}"' for a, b in pairs)


def _read_terms(piece: str, *, last: bool) -> tuple[list[Term], list[tuple[str, str]]]:
    """Return the terms of what stands beside an arrow, and their faults; ``last``: an arrow points to it."""
    terms: list[Term] = []
    faults: list[tuple[str, str]] = []
    written = _split(piece)
    for one in written:
        if not one:
            if len(written) > 1:
                listed = ", ".join(w for w in written if w)
                faults.append(("A comma stands between two names.", f'Write "{listed}".'))
            continue
        term = _term(one)
        if isinstance(term, tuple):
            faults.append(term)
            continue
        terms.append(term)
        if last and term.lag:
            rule = "lag() belongs to the source of a path: nothing acts on a session that is over."
            remedy = f'Write "… -> {term.name}"; the previous session is a source: "lag({term.name}) -> …".'
            faults.append((rule, remedy))
        if last and term.trend:
            rule = "A rate of change is the source of a path, not its target."
            remedy = f'Write "… -> {term.name}" for its usual level, or "{term.name}:time -> …".'
            faults.append((rule, remedy))
    return terms, faults


def _split(piece: str) -> list[str]:
    """Split at commas that stand outside of brackets."""
    depth, found = 0, [""]
    for sign in piece:
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth <= 0:
            found.append("")
        else:
            found[-1] += sign
    return [one.strip() for one in found]


def _term(text: str) -> Term | tuple[str, str]:
    """Return one term, or the rule that it breaks and the remedy."""
    call = _CALL.fullmatch(text)
    if call is not None:
        return _lagged(text, call["function"], call["inside"].strip(), call["rest"])
    name, colon, after = (part.strip() for part in text.partition(":"))
    if colon and after == "time" and name and not _NOT_IN_NAMES.search(name):
        return Term(name, trend=True)
    if colon:
        rule = "Only :time follows a name, for the client's own rate of change; a path has no products."
        remedy = f'Write "{name or "safety"}:time" or "{name or "safety"}"; moderators are for kind = "within_between".'
        return rule, remedy
    if "+" in text:
        listed = ", ".join(part.strip() for part in text.split("+"))
        return "Several names are separated by commas, not by +.", f'Write "{listed}".'
    strange = _NOT_IN_NAMES.search(text)
    if strange is not None:
        names = [" ".join(part.split()) for part in _NOT_IN_NAMES.split(text) if part.strip()]
        rule = f"A path holds names, commas, lag() and :time, and no {strange[0]}."
        return rule, f'Write "{", ".join(names)}".'
    return Term(text)


def _lagged(text: str, function: str, inside: str, rest: str | None) -> Term | tuple[str, str]:
    """Return ``lag(name)``, or the rule that a bracket breaks and the remedy."""
    innermost = re.split(r"[,:]", inside.rpartition("(")[2].replace(")", ""))[0].strip() or "safety"
    if function != "lag":
        rule = f"The only function of a path is lag(), not {function or 'a bracket'}."
        remedy = f'Write "{innermost}" or "lag({innermost})"; a transformed score is a variable of its own.'
        return rule, remedy
    if not inside:
        return "lag() names no variable.", 'Write "lag(safety)", with the variable of the previous session.'
    if "(" in inside or "," in inside:
        rule = "A path reaches back one session: lag() takes one name and nothing else."
        return rule, f'Write "lag({innermost})".'
    if ":" in inside or rest:
        rule = "A rate of change belongs to the client and has no previous session."
        return rule, f'Write "lag({innermost})" in `session`, or "{innermost}:time" in `client`.'
    if _NOT_IN_NAMES.search(inside):
        return f"lag() takes the name of a variable, not {text}.", f'Write "lag({innermost})".'
    return Term(inside, lag=1)
