r"""The final outcome on clients' latent courses, in one likelihood.

Question
    Who ends therapy better: clients whose usual safety (alliance, depth) was higher, or those in whom it grew?

Equation
    Each rating of the sessions has its own latent mean and, where asked for, rate of change per client; the
    final outcome *o* rests on these, on the baseline, the arm and other covariates:

    .. math::

        r_{vi} &= \mu_v + T_i's_v + m_{v,c} + m_{v,t} + b_{v,c}\,(t_i - \bar t) + e_{vi} \\
        g(o_c) &= \alpha + \sum_v b_v\,(m_{v,c} + m_{v,t}) + \sum_v b'_v\,b_{v,c} + \Gamma'a_c + w_t

    with m = Γ_v'a_c + d between clients: usual levels may go with the covariates that the outcome is adjusted for
    (Croon & van Veldhoven 2007). What is left of them and rates of change correlate freely. *g* is the identity (a
    Gaussian outcome) or the logit (remission; ordered classes such as deteriorated, unchanged, improved, recovered).

Parameters, in the language of therapy
    ``path.client.safety->final``: final outcome of clients whose usual safety differs by one point, with the same
    baseline. ``path.client.safety:time->final``: of clients in whom safety grew by one point more per session.

Assumptions
    Sessions are exchangeable around a client's course (paths within a session do not enter; use ``chain`` for them).
    A regression on observed means would take each client's mean for the true one; it stands beside the answer as an
    audit. Rates of change are taken for independent of the covariates. Associations: safety was not randomised.

Sources
    Lüdtke et al. (2008); Asparouhov & Muthén (2019); Croon & van Veldhoven (2007) for outcomes of a higher level.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from ..data.config import ModelSection
from ..data.errors import InputError
from ..data.reliable_change import reliable_change
from .arrows import read_arrows
from .chain import equation
from .model import Model
from .needs import first_outcome, first_variable
from .options import fault
from .path_build import build_paths, with_defaults
from .path_effects import path_estimands
from .path_form import system
from .path_parameters import parameters
from .path_posterior import posterior
from .path_predict import log_likelihood, predict
from .path_twin import paths_pymc

if TYPE_CHECKING:
    from ..data.study import Study
    from .path_design import PathDesign


def design(study: Study, name: str, options: ModelSection) -> PathDesign:
    """Return the ratings with their latent courses and the final outcome that rests on them."""
    options = with_defaults(study, name, "final", options)
    _check(study, name, options)
    if options.reliable_change is not None:
        study, options = with_classes(study, name, options)
    trends = tuple(f"{p}:time -> {options.outcome}" for p in options.random_slopes or ())
    paths = [f"{source} -> {options.outcome}" for source in (*options.predictors, *options.covariates)]
    # Usual levels may go with the covariates; taken for independent, the adjustment would fall short of its aim.
    paths += [f"{covariate} -> {rating}" for covariate in options.covariates for rating in options.predictors]
    asked = ModelSection(
        client=(*paths, *trends), random_slopes=options.random_slopes, time=options.time, final=options.outcome,
        family=options.family,
    )  # fmt: skip
    return build_paths(study, "final", name, options, read_arrows(study, name, asked))


def with_classes(study: Study, name: str, options: ModelSection) -> tuple[Study, ModelSection]:
    """Return the study with each client's class of reliable change, and options that have it as the outcome.

    Raises
    ------
    InputError
        If there is no baseline, or the final outcome has no scores.
    """
    asked, outcome = options.reliable_change, study.variables[options.outcome or ""]
    assert asked is not None
    known = [v.name for v in study.variables.values() if v.level == "client" and not v.categories]
    own = [v.name for v in study.variables.values() if v.name in known and v.role == "baseline"]
    baseline = asked.baseline or (own[0] if len(own) == 1 else None)
    choices = f"Valid: {', '.join(one for one in known if one != outcome.name) or 'none'}."
    faults = []
    if baseline is None or baseline not in known or baseline == outcome.name:
        rule = "Change is counted from a score before therapy: name one variable of the client as `baseline`."
        found = baseline or f"{len(own)} with role baseline"
        faults.append(fault(study, name, "reliable_change", rule, found, choices))
    elif asked.sd is None and not study.clients[baseline].std() > 0:
        rule = "Scores before therapy do not vary, so that they give no standard deviation."
        faults.append(fault(study, name, "reliable_change", rule, baseline, "Add sd to reliable_change."))
    if outcome.categories or outcome.family != "gaussian" or options.family not in (None, "ordinal"):
        rule = "Classes of change are made from final scores, and become an ordinal outcome."
        found = options.family or outcome.family
        faults.append(fault(study, name, "reliable_change", rule, found, "Name the score as outcome, without family."))
    if faults or baseline is None:
        raise InputError(*faults)
    better: Literal["higher", "lower"] = "higher" if outcome.better == "higher" else "lower"
    classes = reliable_change(
        study.clients[baseline],
        study.clients[outcome.name],
        reliability=asked.reliability,
        cutoff=asked.cutoff,
        sd=asked.sd,
        better=better,
    )
    label, categories = f"Reliable change of {outcome.label}", tuple(classes.cat.categories)
    changed = replace(
        outcome, label=label, unit="", family="ordinal", range=None, better="higher", categories=categories
    )
    clients = study.clients.assign(**{outcome.name: classes})
    variables = {**study.variables, outcome.name: changed}
    return replace(study, clients=clients, variables=variables), options.model_copy(update={"family": None})


def _check(study: Study, name: str, options: ModelSection) -> None:
    """Refuse names that cannot play their part, each under its own key."""
    known_once = [v.name for v in study.variables.values() if v.level == "client"]
    numbers = [v.name for v in study.variables.values() if v.level == "session" and not v.categories]
    faults = []
    if options.outcome is None or options.outcome not in known_once:
        rule = "The final outcome is known once for each client."
        faults.append(
            fault(study, name, "outcome", rule, options.outcome, f"Valid: {', '.join(known_once) or 'none'}.")
        )
    if not options.predictors:
        rule, remedy = "The model needs ratings of sessions to rest on.", f"Valid: {', '.join(numbers) or 'none'}."
        faults.append(fault(study, name, "predictors", rule, None, remedy))
    for key, asked, valid in (
        ("predictors", options.predictors, numbers),
        ("random_slopes", options.random_slopes or (), list(options.predictors)),
        ("covariates", options.covariates, [one for one in known_once if one != options.outcome]),
    ):
        for one in asked:
            if one not in valid:
                rule = {
                    "predictors": "A number that is rated session by session.",
                    "random_slopes": "One of the predictors, for the client's own rate of change of it.",
                    "covariates": "A variable of clients other than the outcome.",
                }[key]
                faults.append(fault(study, name, key, rule, one, f"Valid: {', '.join(valid) or 'none'}."))
    if options.random_slopes and options.time == "none":
        rule = 'Clients\' own rates of change need time, and the model has time = "none".'
        faults.append(fault(study, name, "random_slopes", rule, "none", 'Set time = "linear".'))
    if faults:
        raise InputError(*faults)


def lacks(study: Study, options: ModelSection) -> tuple[str, ...]:
    """Say what the study lacks for this model."""
    found: list[str] = []
    if options.outcome is None and not _finals(study):
        found.append("a final outcome of each client (role final_outcome)")
    if not options.predictors and not _ratings(study):
        found.append("safety, alliance or exploration, rated session by session")
    return tuple(found)


def default_options(study: Study) -> Mapping[str, ModelSection]:
    """Propose the final outcome on the usual level of what was rated, and on the course of symptoms."""
    finals, ratings = _finals(study), _ratings(study)
    if not finals or not ratings:
        return {}
    about = tuple(v.name for v in study.variables.values() if v.level == "client" and v.role in ("baseline", "arm"))
    symptoms = first_outcome(study, ("symptoms",))
    rated = (*ratings, *([symptoms] if symptoms is not None and study.variables[symptoms].level == "session" else []))
    return {
        "final": ModelSection(
            kind="final",
            outcome=finals[0],
            predictors=rated[:2],
            random_slopes=rated[:1],
            covariates=about,
        )
    }


def _finals(study: Study) -> tuple[str, ...]:
    return tuple(v.name for v in study.variables.values() if v.role == "final_outcome" and v.level == "client")


def _ratings(study: Study) -> tuple[str, ...]:
    roles = ("safety", "alliance", "exploration")
    return tuple(v for role in roles if (v := first_variable(study, role, "client")) is not None)


MODEL = Model(
    kind="final",
    title="The end of therapy",
    question="Who ends therapy better: clients who felt safer on the whole, or those in whom safety grew?",
    words=(
        "A joint model: clients' usual levels and rates of change are estimated from their sessions and explain the "
        "final outcome in the same likelihood, so that their uncertainty is carried along."
    ),
    equation=equation,
    references=("croon2007", "ludtke2008", "asparouhov2019"),
    lacks=lacks,
    default_options=default_options,
    design=design,
    parameters=parameters,
    pymc=paths_pymc,
    system=system,
    estimands=path_estimands,
    predict=predict,
    log_likelihood=log_likelihood,
    posterior=posterior,
)
