"""The study file as typed values: ``study.toml`` and nothing else.

Names and defaults are a public contract (``docs/study-file.md``). Unknown keys are refused with
the nearest valid one; see :func:`read_config`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SESSION_ROLES = (
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
)
CLIENT_ROLES = ("attachment_anxiety", "attachment_avoidance", "final_outcome", "baseline", "arm", "moderator", "covariate")

Role = Literal[
    "safety",
    "alliance",
    "exploration",
    "risk",
    "support",
    "rupture",
    "repair",
    "post_session",
    "symptoms",
    "attachment_anxiety",
    "attachment_avoidance",
    "final_outcome",
    "baseline",
    "arm",
    "moderator",
    "covariate",
    "process",
]
Family = Literal["gaussian", "student_t", "ordinal", "bernoulli", "beta", "negative_binomial"]
Level = Literal["session", "client", "therapist"]
Rater = Literal["client", "therapist", "observer"]
Format = Literal["html", "pdf", "docx"]
Template = Literal["article", "thesis", "supplement", "sap", "brief"]
Sampler = Literal["auto", "nuts", "importance", "pymc"]
TimeAxis = Literal["session", "days", "weeks", "fraction", "column"]


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
    """``[data]``: files and how to read them."""

    sessions: str
    clients: str | None = None
    therapists: str | None = None
    missing: tuple[str | float, ...] = ()
    delimiter: str | None = None
    decimal: Literal[".", ","] | None = None
    encoding: str | None = None
    sheet: str | int | None = None


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


class ModelSection(_Section):
    """``[models.NAME]``: one model and its options."""

    kind: str | None = None
    outcome: str | None = None
    predictors: tuple[str, ...] = ()
    lag: Literal[0, 1] = 0
    own_lag: bool | None = None  # None: true exactly when lag is 1
    time: str | None = None  # none linear quadratic log piecewise(k) spline(df)
    time_axis: TimeAxis | None = None
    random_slopes: tuple[str, ...] | None = None
    moderators: tuple[str, ...] = ()
    covariates: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    centring: Literal["latent", "observed"] = "latent"
    family: Family | None = None
    therapist_level: bool = True  # include the therapist level when the study has one
    residual: Literal["independent", "ar1"] = "independent"
    max_gap: float | None = None  # a lag never crosses a longer gap (in units of the time axis)
    session: tuple[str, ...] = ()
    client: tuple[str, ...] = ()
    therapist: tuple[str, ...] = ()
    final: str | None = None
    priors: dict[str, str | dict[str, str]] = Field(default_factory=dict)


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
    disclosure: DisclosureSection = DisclosureSection()


class StudyConfig(_Section):
    """The whole of ``study.toml``."""

    study: StudySection = StudySection()
    data: DataSection
    columns: ColumnsSection
    variables: dict[str, VariableSection]
    models: dict[str, ModelSection] = Field(default_factory=dict)
    sampling: SamplingSection = SamplingSection()
    report: ReportSection = ReportSection()
