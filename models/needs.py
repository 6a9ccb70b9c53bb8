"""Which variable plays the outcome, and what a study lacks for a model, in sentences that name roles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..data.config import ModelSection, Role
    from ..data.study import Study

OUTCOME_ROLES: tuple[Role, ...] = ("post_session", "symptoms")


def first_outcome(study: Study, roles: Sequence[str]) -> str | None:
    """Return the first session-level number of these roles, the client's own rating before others'."""
    for role in roles:
        found = [v for v in study.variables.values() if v.role == role and v.level == "session"]
        found = [v for v in found if not v.categories or v.family == "ordinal"]
        own = [v for v in found if v.rater in (None, "client")]
        if own or found:
            return (own or found)[0].name
    return None


def lacks_outcome(study: Study, options: ModelSection) -> tuple[str, ...]:
    """Say whether there is any outcome that is rated session by session."""
    if options.outcome is not None:
        return ()
    if any(v.level == "session" for v in study.variables.values()):
        return ('an outcome: name one with outcome = "…"',)
    return ("a variable rated session by session (role safety, alliance, post_session, symptoms, …)",)


def first_variable(study: Study, role: str, rater: str) -> str | None:
    """Return the first session-level number of a role that this rater (or, for clients, nobody named) gives."""
    raters = (rater, None) if rater == "client" else (rater,)
    found = [v for v in study.variables.values() if v.role == role and v.level == "session" and not v.categories]
    return next((v.name for v in found if v.rater in raters), None)
