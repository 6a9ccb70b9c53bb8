"""The plan: what the study file asks for, else what its roles can feed, and what is lacking."""

from __future__ import annotations

from dataclasses import replace

import pytest

from safezone.data.errors import InputError
from safezone.models.catalogue import CATALOGUE, model, plan

from . import path_studies
from .small import therapy

ROLES = {"safety": "safety", "alliance": "alliance", "depth": "post_session", "arm": "arm"}


def test_the_default_plan_feeds_every_model_from_the_roles() -> None:
    everything = path_studies.therapy(clients=16, therapists=4)
    other = replace(everything.variables["alliance"], role="safety", rater="therapist")
    trial = replace(everything, variables={**everything.variables, "alliance": other})
    planned = {one.name: one for one in plan(trial)}
    assert {one.kind for one in planned.values()} == {entry.kind for entry in CATALOGUE}
    assert planned["growth"].options.outcome == "mood"
    assert planned["growth"].options.by == ("arm",)
    assert planned["within_between"].options.predictors == ("safety", "depth")
    assert planned["variance"].options.outcome == "safety"
    # What the end is adjusted for acts on what it rests on, too: it is not taken for independent of it.
    assert "baseline, arm -> safety, mood" in planned["chain"].options.client
    for one in planned.values():
        assert one.lacks == ()
        model(one.kind).design(trial, one.name, one.options)  # can be built as proposed


def test_what_the_roles_do_not_feed_says_what_is_lacking() -> None:
    planned = {one.name: one for one in plan(therapy(roles=ROLES))}
    lacking = {name: one.lacks[0] for name, one in planned.items() if one.lacks}
    assert set(lacking) == {"final", "dyad", "congruence"}
    assert "role final_outcome" in lacking["final"]
    assert 'rater = "therapist"' in lacking["dyad"]


def test_a_single_rating_feeds_all_but_within_between() -> None:
    trial = therapy(roles=ROLES)
    only = {name: v for name, v in trial.variables.items() if name == "depth"}
    alone = type(trial)(trial.config, trial.path, trial.sessions, trial.clients, trial.therapists, only, (), "")
    planned = {one.name: one for one in plan(alone)}
    assert planned["growth"].lacks == ()
    assert planned["variance"].options.outcome == "depth"
    lacking = planned["within_between"].lacks
    assert any("role safety" in sentence for sentence in lacking)


def test_declared_models_keep_their_names_and_get_defaults() -> None:
    models = {"course": {"kind": "growth", "outcome": "depth"}, "within_between": {"random_slopes": ["safety"]}}
    planned = {one.name: one for one in plan(therapy(roles=ROLES, models=models))}
    assert list(planned) == ["course", "within_between"]
    assert planned["course"].kind == "growth"
    assert planned["within_between"].options.outcome == "depth"
    assert planned["within_between"].options.random_slopes == ("safety",)


def test_an_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(InputError, match="Did you mean growth") as caught:
        plan(therapy(models={"m": {"kind": "growht", "outcome": "depth"}}))
    assert caught.value.faults[0].column == "models.m.kind"
    with pytest.raises(InputError, match="Valid: variance, growth, within_between"):
        model("nothing")
