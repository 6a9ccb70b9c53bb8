"""The study file as typed values: ``study.toml`` and nothing else.

Names and defaults are a public contract (``docs/study-file.md``). Unknown keys are refused with
the nearest valid one; see :func:`safezone.data.study_file.read_config`. This module imports
neither pandas nor numpy, so that the command line starts at once.
"""

from __future__ import annotations

import codecs
import re
from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

SessionRole = Literal[
    "safety",
    "alliance",
    "exploration",
    "risk",
    "support",
    "rupture",
    "repair",
    "post_session",
    "symptoms",
    "process",
]
ClientRole = Literal[
    "attachment_anxiety",
    "attachment_avoidance",
    "final_outcome",
    "baseline",
    "arm",
    "moderator",
    "covariate",
]
Role = Literal[SessionRole, ClientRole]
SESSION_ROLES: tuple[str, ...] = get_args(SessionRole)
Family = Literal["gaussian", "student_t", "ordinal", "bernoulli", "beta", "negative_binomial"]
Level = Literal["session", "client", "therapist"]
Rater = Literal["client", "therapist", "observer"]
Format = Literal["html", "pdf", "docx"]
Template = Literal["article", "thesis", "supplement", "sap", "brief"]
Sampler = Literal["auto", "nuts", "importance", "pymc"]
AxisName = Literal["session", "days", "weeks", "fraction", "column"]

# Names of columns that the canonical tables use themselves.
RESERVED_NAMES = ("client", "session", "block", "therapist", "date", "time", "row")
# Characters that build the dotted names of estimands (``arm[active]:time``, ``a->b``) cannot be part of a name.
_FORBIDDEN_IN_NAMES = re.compile(r"[.:,;~*+\[\](){}<>=\"'`$\\/|]|->|^\s|\s$|^$")
_TIME_OPTION = re.compile(r"none|linear|quadratic|log|sessions|piecewise\(\s*([0-9]+)\s*\)|spline\(\s*([0-9]+)\s*\)")
TIME_OPTIONS = ("none", "linear", "quadratic", "log", "piecewise(k)", "spline(df)", "sessions")


class _Section(BaseModel):
    """A table of the study file: frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class StudySection(_Section):
    """``[study]``: who and what."""

    title: str = "Untitled study"
    authors: tuple[str, ...] = ()
    language: Literal["en", "de"] = "en"
    simulated: bool = False


class DataSection(_Section):
    """``[data]``: files and how to read them; ``"study.xlsx#Clients"`` names a sheet of a workbook."""

    sessions: str
    clients: str | None = None
    therapists: str | None = None
    missing: tuple[str | float, ...] = ()
    delimiter: str | None = None
    decimal: Literal[".", ","] | None = None
    encoding: str | None = None
    sheet: str | int | None = None

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        if value is not None and len(value) != 1:
            raise ValueError('A delimiter is one character: ",", ";", "\\t" (tab) or "|".')
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                codecs.lookup(value)
            except LookupError as error:
                raise ValueError('An encoding is one of "utf-8", "utf-16", "cp1252", "latin-1", …') from error
        return value


class ColumnsSection(_Section):
    """``[columns]``: the columns that say who and when."""

    client: str
    session: str
    therapist: str | None = None
    date: str | None = None
    block: str | None = None
    time: str | None = None  # numeric time in the user's own unit, used as it stands


class VariableSection(_Section):
    """``[variables.NAME]``: one measured quantity."""

    column: str | None = None
    items: tuple[str, ...] = ()
    instrument: str | None = None
    subscale: str | None = None
    reverse: tuple[str, ...] = ()
    prorate: float | None = None  # share of items that must be answered; instrument's rule by default
    score: Literal["mean", "sum"] | None = None
    role: Role
    rater: Rater | None = None
    range: tuple[float, float] | None = None
    better: Literal["higher", "lower"] = "higher"
    label: str | None = None
    unit: str | None = None
    family: Family | None = None
    level: Level | None = None
    reference: str | None = None  # reference category of a categorical variable
    categories: tuple[str, ...] = ()

    @field_validator("range")
    @classmethod
    def _lowest_first(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not value[0] < value[1]:
            raise ValueError("A range is [lowest, highest], for instance [1, 7].")
        return value

    @field_validator("prorate")
    @classmethod
    def _share(cls, value: float | None) -> float | None:
        if value is not None and not 0 < value <= 1:
            raise ValueError("A prorating rule is the share of items that must be answered, above 0 and at most 1.")
        return value

    @model_validator(mode="after")
    def _column_or_items(self) -> Self:
        if self.column is None and not self.items:
            raise ValueError(
                'A variable needs `column = "…"` (one column) or `items = ["…", "…"]` (a scale to be scored).'
            )
        if self.column is not None and self.items:
            raise ValueError("A variable has either `column` or `items`, not both; delete one of them.")
        strange = [item for item in self.reverse if item not in self.items]
        if strange and self.items:
            raise ValueError(
                f"`reverse` names {', '.join(strange)}, which `items` does not; use the names of the items."
            )
        if self.reference is not None and self.categories and self.reference not in self.categories:
            raise ValueError(f"`reference` must be one of the categories: {', '.join(self.categories)}.")
        return self


class ReliableChangeSection(_Section):
    """``reliable_change`` of a model ``final``: what turns baseline and final score into classes of change."""

    reliability: float = Field(gt=0, lt=1)
    cutoff: float | None = None  # score between patients and others; without it nobody has recovered
    sd: float | None = Field(default=None, gt=0)  # of baseline scores, in points; the study's own by default
    baseline: str | None = None  # by default the study's only variable with the role baseline


class ModelSection(_Section):
    """``[models.NAME]``: one model and its options."""

    kind: str | None = None
    outcome: str | None = None
    predictors: tuple[str, ...] = ()
    lag: Literal[0, 1] = 0
    own_lag: bool | None = None  # None: true exactly when lag is 1
    time: str | None = None  # none linear quadratic log piecewise(k) spline(df) sessions
    time_axis: AxisName | None = None
    random_slopes: tuple[str, ...] | None = None
    moderators: tuple[str, ...] = ()
    interactions: tuple[str, ...] = ()  # within_between: "safety:alliance", products of within-client deviations
    covariates: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    centring: Literal["latent", "observed"] = "latent"
    rescale: bool = False  # congruence: map the second rater's range onto the first's
    partner: str | None = None  # dyad: the therapist's rating of the outcome, beside two predictors
    distinguishable: bool = True  # dyad: false where nothing but a label tells the members apart
    family: Family | None = None
    therapist_level: bool = True  # include the therapist level when the study has one
    residual: Literal["independent", "ar1"] = "independent"
    max_gap: float | None = None  # a lag never crosses a longer gap (in units of the time axis)
    session: tuple[str, ...] = ()
    client: tuple[str, ...] = ()
    therapist: tuple[str, ...] = ()
    final: str | None = None
    reliable_change: ReliableChangeSection | None = None  # final: classes of change instead of the score itself
    priors: dict[str, str | dict[str, str]] = Field(default_factory=dict)

    @field_validator("time")
    @classmethod
    def _time_grammar(cls, value: str | None) -> str | None:
        if value is None:
            return None
        option = value.replace(" ", "")
        match = _TIME_OPTION.fullmatch(option)
        if match is None:
            raise ValueError(f"A course over time is one of {', '.join(TIME_OPTIONS)}.")
        if match[1] is not None and int(match[1]) < 1:
            raise ValueError("piecewise(k) needs the number of early sessions, k ≥ 1, for instance piecewise(4).")
        if match[2] is not None and int(match[2]) < 2:
            raise ValueError("spline(df) needs df ≥ 2 degrees of freedom, for instance spline(3).")
        return option

    @field_validator("max_gap")
    @classmethod
    def _positive_gap(cls, value: float | None) -> float | None:
        if value is not None and value <= 0:
            raise ValueError("The longest gap that a lag may cross is a positive number in units of the time axis.")
        return value


class SamplingSection(_Section):
    """``[sampling]``."""

    seed: int = 20240505
    chains: int = Field(default=4, ge=2)
    draws: int = Field(default=1000, ge=100)
    warmup: int = Field(default=1000, ge=100)
    sampler: Sampler = "auto"


class DisclosureSection(_Section):
    """``[report.disclosure]``."""

    threshold: int = Field(default=10, ge=1)


class ReportSection(_Section):
    """``[report]``."""

    template: Template = "article"
    formats: tuple[Format, ...] = ("html", "pdf", "docx")
    interval: float = Field(default=0.95, gt=0.5, lt=1)
    rope: dict[str, float] = Field(default_factory=lambda: {"default": 0.1})

    @field_validator("rope")
    @classmethod
    def _half_widths(cls, value: dict[str, float]) -> dict[str, float]:
        wrong = [name for name, width in value.items() if not width >= 0]
        if wrong:
            raise ValueError(
                f"The half-width of a region of practical equivalence is at least 0; see {', '.join(wrong)}."
            )
        return {"default": 0.1} | value

    disclosure: DisclosureSection = DisclosureSection()


class PrinciplesSection(_Section):
    """``[principles]``: thresholds of the verdicts. With this table `safezone run` answers the theory's rows too."""

    supported: float = Field(default=0.95, gt=0.5, lt=1)  # P(beyond the ROPE in the expected direction)
    leaning: float = Field(default=0.80, gt=0.5, lt=1)
    negligible: float = Field(default=0.95, gt=0.5, lt=1)  # P(inside the ROPE)
    opposed: float = Field(default=0.95, gt=0.5, lt=1)  # P(beyond the ROPE in the other direction)
    smallest: dict[str, float] = Field(default_factory=dict)  # smallest effect of interest by row (C1 = 0.15)
    models: dict[str, str] = Field(default_factory=dict)  # which of the study's models answers a row

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.leaning > self.supported:
            raise ValueError("`leaning` is a weaker verdict than `supported`: its threshold must not be higher.")
        wrong = [name for name, width in self.smallest.items() if not width >= 0]
        if wrong:
            raise ValueError(f"The smallest effect of interest is at least 0; see {', '.join(wrong)}.")
        return self


class StudyConfig(_Section):
    """The whole of ``study.toml``."""

    study: StudySection = StudySection()
    data: DataSection
    columns: ColumnsSection
    variables: dict[str, VariableSection]
    models: dict[str, ModelSection] = Field(default_factory=dict)
    sampling: SamplingSection = SamplingSection()
    report: ReportSection = ReportSection()
    principles: PrinciplesSection | None = None

    @field_validator("variables")
    @classmethod
    def _usable_names(cls, value: dict[str, VariableSection]) -> dict[str, VariableSection]:
        if not value:
            raise ValueError("A study measures something: add a table [variables.NAME] with `column` and `role`.")
        for name in value:
            if name in RESERVED_NAMES:
                raise ValueError(f"The name {name} is used by safezone itself; choose another, for instance {name}_1.")
            if _FORBIDDEN_IN_NAMES.search(name):
                raise ValueError(
                    f"The name {name!r} holds a sign that names of estimands use; use letters, digits and _."
                )
        return value
