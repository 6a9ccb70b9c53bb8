"""How to cite: the software, and the paper whose programme it carries out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Work:
    """Something to cite.

    Parameters
    ----------
    why
        What it is cited for.
    text
        The reference in APA style.
    bibtex
        The same as a BibTeX entry.
    """

    why: str
    text: str
    bibtex: str


def citations(version: str) -> tuple[Work, ...]:
    """Return what a study made with safezone cites.

    Parameters
    ----------
    version
        Version of safezone that was used.

    Returns
    -------
    tuple of Work
        The software and the theory. The methods of a particular analysis are in its report's reference list.

    Examples
    --------
    >>> [work.why for work in citations("0.1.0")]
    ['the software', 'the theory']
    """
    software = Work(
        why="the software",
        text=(
            f"safezone maintainers. (2026). safezone: Bayesian models of safety in therapeutic relationships "
            f"(Version {version}) [Computer software]."
        ),
        bibtex=(
            "@software{safezone,\n"
            "  author  = {{safezone maintainers}},\n"
            "  title   = {safezone: {Bayesian} models of safety in therapeutic relationships},\n"
            f"  version = {{{version}}},\n"
            "  year    = {2026}\n"
            "}"
        ),
    )
    theory = Work(
        why="the theory",
        text=(
            "Podolan, M., & Gelo, O. C. G. (2024). The role of safety in change-promoting therapeutic relationships: "
            "An integrative relational approach. Clinical Neuropsychiatry, 21(5), 403–417. "
            "https://doi.org/10.36131/cnfioritieditore20240505"
        ),
        bibtex=(
            "@article{podolan2024,\n"
            "  author  = {Podolan, Martin and Gelo, Omar C. G.},\n"
            "  title   = {The role of safety in change-promoting therapeutic relationships: "
            "{An} integrative relational approach},\n"
            "  journal = {Clinical Neuropsychiatry},\n"
            "  year    = {2024},\n"
            "  volume  = {21},\n"
            "  number  = {5},\n"
            "  pages   = {403--417},\n"
            "  doi     = {10.36131/cnfioritieditore20240505}\n"
            "}"
        ),
    )
    return software, theory
