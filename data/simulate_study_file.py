"""The commented ``study.toml`` of a simulated study."""

from __future__ import annotations

from dataclasses import dataclass

from .simulate_design import Simulated

SAFETY_ITEMS = ("safety_1", "safety_2", "safety_3", "safety_4")
REVERSED_ITEM = "safety_3"

HEADER = """\
# {title}
#
# THESE DATA ARE SIMULATED. No client, therapist or session in them exists. They were drawn from the theory
# by safezone.data.simulate (seed {seed}); see README.md. Use them to try safezone and to test it, never as
# evidence.

[study]
title = "{title}"
authors = ["safezone"]
language = "en"
simulated = true                     # reports say so on every page

[data]
sessions = "sessions.csv"            # one row per session
clients = "clients.csv"              # one row per client
{therapists_file}
[columns]
client = "client"                    # who
session = "session"                  # order of the session within the client: 1, 2, ...
{therapist_column}date = "date"
"""

MODELS = """\

# ---- models: any name; `kind` is the catalogue's name ------------------------------------------------------

# How much of a session's felt safety belongs to the therapist, the client, the session?
[models.safety_shares]
kind = "variance"
outcome = "safety"

# How do symptoms develop over the sessions, and does the active arm develop differently?
[models.course]
kind = "growth"
outcome = "symptoms"
time = "linear"                      # none linear quadratic log piecewise(k) spline(df)
by = ["arm"]

# Do clients explore more deeply in sessions that are safer (and of better alliance) than usual for them?
[models.depth]
kind = "within_between"
outcome = "exploration"
predictors = ["safety", "alliance"]
time = "linear"                      # keep a common drift over the sessions out of the within-client effects
random_slopes = []                   # ["safety"] would let the effect of safety differ between clients

# Does a safer session promise a better next session, over and above this session's own outcome?
[models.next_session]
kind = "within_between"
outcome = "post_session"
predictors = ["safety"]
lag = 1                              # with lag 1 the outcome's own previous value enters
time = "linear"
random_slopes = []

# From attachment by way of safety and alliance to the outcome of the session and of the therapy: along which paths?
[models.chain]
session = [                          # sessions that differ from what is usual for the client
  "therapist_safety -> safety -> alliance -> exploration -> post_session",
  "safety -> exploration",
  "alliance -> post_session",
  "lag(post_session) -> post_session",
]
client = [                           # what is usual for clients, what is known of them, and the end of therapy
  "anxiety, avoidance -> safety -> alliance -> exploration -> post_session",
  "therapist_safety -> safety",
  "baseline, arm -> safety, post_session",
  "baseline, arm, safety, post_session -> final",
]
{therapist_paths}final = "final"

# When the therapist feels safer than usual, does the client, in this session and in the next?
[models.dyad]
outcome = "safety"
predictors = ["therapist_safety"]
moderators = ["time"]

[sampling]
seed = 20240505
chains = 4
draws = 1000
warmup = 1000

[report]
template = "article"
formats = ["html", "pdf", "docx"]
interval = 0.95
rope = {default = 0.1}               # region of practical equivalence, in standardised units
disclosure = {threshold = 10}        # cells with fewer clients are suppressed
"""


@dataclass(frozen=True, slots=True)
class _Entry:
    """One ``[variables.NAME]`` table: its comment and its lines."""

    name: str
    lines: tuple[str, ...]
    comment: str = ""
    needs_therapists: bool = False


ENTRIES = (
    _Entry(
        "safety",
        (
            'column = "safety"',
            'role = "safety"',
            'rater = "client"',
            "range = [1, 7]",
            'label = "Felt safety (client)"',
            'unit = "points"',
        ),
        "what was rated in or after each session",
    ),
    _Entry(
        "therapist_safety",
        (
            'column = "therapist_safety"',
            'role = "safety"',
            'rater = "therapist"',
            "range = [1, 7]",
            'label = "Felt safety (therapist)"',
            'unit = "points"',
        ),
    ),
    _Entry(
        "alliance",
        (
            'column = "alliance"',
            'role = "alliance"',
            'rater = "client"',
            "range = [1, 5]",
            'label = "Working alliance (client)"',
            'unit = "points"',
        ),
    ),
    _Entry(
        "exploration",
        (
            'column = "exploration"',
            'role = "exploration"',
            'rater = "client"',
            "range = [1, 7]",
            'label = "Depth of exploration"',
            'unit = "points"',
        ),
    ),
    _Entry(
        "post_session",
        (
            'column = "post_session"',
            'role = "post_session"',
            'rater = "client"',
            "range = [0, 10]",
            'label = "Post-session outcome"',
            'unit = "points"',
        ),
    ),
    _Entry(
        "symptoms",
        (
            'column = "symptoms"',
            'role = "symptoms"',
            'rater = "client"',
            "range = [0, 27]",
            'better = "lower"',
            'label = "Depressive symptoms (PHQ-9 metric)"',
            'unit = "points"',
        ),
        "rated before the session begins",
    ),
    _Entry(
        "rupture",
        (
            'column = "rupture"',
            'role = "rupture"',
            'rater = "observer"',
            "range = [0, 1]",
            'better = "lower"',
            'label = "Rupture"',
            'family = "bernoulli"',
        ),
    ),
    _Entry(
        "repair",
        (
            'column = "repair"               # empty where there was no rupture to repair',
            'role = "repair"',
            'rater = "observer"',
            "range = [0, 1]",
            'label = "Repair of a rupture"',
            'family = "bernoulli"',
        ),
    ),
    _Entry(
        "anxiety",
        (
            'column = "anxiety"',
            'role = "attachment_anxiety"',
            'level = "client"',
            'rater = "client"',
            "range = [1, 7]",
            'better = "lower"',
            'label = "Attachment anxiety (client)"',
            'unit = "points"',
        ),
        "what is known of each client",
    ),
    _Entry(
        "avoidance",
        (
            'column = "avoidance"',
            'role = "attachment_avoidance"',
            'level = "client"',
            'rater = "client"',
            "range = [1, 7]",
            'better = "lower"',
            'label = "Attachment avoidance (client)"',
            'unit = "points"',
        ),
    ),
    _Entry(
        "arm",
        (
            'column = "arm"',
            'role = "arm"',
            'level = "client"',
            'categories = ["usual", "active"]   # the first is the reference',
            'label = "Treatment arm"',
        ),
    ),
    _Entry("age", ('column = "age"', 'role = "covariate"', 'level = "client"', 'label = "Age"', 'unit = "years"')),
    _Entry(
        "baseline",
        (
            'column = "baseline"',
            'role = "baseline"',
            'level = "client"',
            'rater = "client"',
            "range = [0, 27]",
            'better = "lower"',
            'label = "Symptoms at baseline"',
            'unit = "points"',
        ),
    ),
    _Entry(
        "final",
        (
            'column = "final"',
            'role = "final_outcome"',
            'level = "client"',
            'rater = "client"',
            "range = [0, 27]",
            'better = "lower"',
            'label = "Symptoms at the end of therapy"',
            'unit = "points"',
        ),
    ),
    _Entry(
        "therapist_anxiety",
        (
            'column = "therapist_anxiety"',
            'role = "attachment_anxiety"',
            'level = "therapist"',
            'rater = "therapist"',
            "range = [1, 7]",
            'better = "lower"',
            'label = "Attachment anxiety (therapist)"',
            'unit = "points"',
        ),
        "what is known of each therapist",
        needs_therapists=True,
    ),
    _Entry(
        "therapist_avoidance",
        (
            'column = "therapist_avoidance"',
            'role = "attachment_avoidance"',
            'level = "therapist"',
            'rater = "therapist"',
            "range = [1, 7]",
            'better = "lower"',
            'label = "Attachment avoidance (therapist)"',
            'unit = "points"',
        ),
        needs_therapists=True,
    ),
    _Entry(
        "experience",
        (
            'column = "experience"',
            'role = "covariate"',
            'level = "therapist"',
            'label = "Therapist\'s experience"',
            'unit = "years"',
        ),
        needs_therapists=True,
    ),
)

THERAPIST_PATHS = """\
therapist = [                        # what is usual for therapists, and what is known of them
  "therapist_anxiety, therapist_avoidance -> therapist_safety -> safety",
]
"""


def study_toml(simulated: Simulated, title: str) -> str:
    """Return the text of the study file.

    Ranges are declared only for rounded ratings: continuous draws may lie outside a questionnaire's scale.
    """
    has_therapists = simulated.design.therapists > 0
    blocks = [
        HEADER.replace("{title}", title)
        .replace("{seed}", str(simulated.seed))
        .replace(
            "{therapists_file}",
            'therapists = "therapists.csv"        # one row per therapist\n' if has_therapists else "",
        )
        .replace("{therapist_column}", 'therapist = "therapist"\n' if has_therapists else "")
    ]
    for entry in ENTRIES:
        if entry.needs_therapists and not has_therapists:
            continue
        lines = list(entry.lines)
        if entry.name == "safety" and SAFETY_ITEMS[0] in simulated.sessions.columns:
            items = ", ".join(f'"{item}"' for item in SAFETY_ITEMS)
            reverse = f'reverse = ["{REVERSED_ITEM}"]             # worded the other way round'
            lines[0] = f'items = [{items}]\n{reverse}\nscore = "mean"'
        if not simulated.design.rounded and entry.name not in ("rupture", "repair"):
            lines = [line for line in lines if not line.startswith("range")]
        comment = f"# ---- {entry.comment} ----\n" if entry.comment else ""
        blocks.append(f"\n{comment}[variables.{entry.name}]\n" + "\n".join(lines) + "\n")
    return "".join([*blocks, MODELS.replace("{therapist_paths}", THERAPIST_PATHS if has_therapists else "")])
