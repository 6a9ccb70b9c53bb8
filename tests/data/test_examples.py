"""The bundled example says that it is simulated, can be made again, and reads without a fault."""

from __future__ import annotations

import tomllib

import pytest

from safezone.data.errors import InputError
from safezone.data.examples import EXAMPLES, copy_example, example_path, harbour_truth, write_example
from safezone.data.simulate import SimulationDesign, simulate, write_study
from safezone.data.study import read_study


def test_the_example_can_be_made_again_byte_for_byte(tmp_path):
    write_example(tmp_path / "again")
    bundled = sorted(path.name for path in example_path().iterdir() if path.is_file())
    assert bundled == ["README.md", "clients.csv", "sessions.csv", "study.toml", "therapists.csv"]
    for name in bundled:
        assert (tmp_path / "again" / name).read_bytes() == (example_path() / name).read_bytes(), name


def test_the_example_says_everywhere_that_it_is_simulated():
    folder = example_path()
    config = tomllib.loads((folder / "study.toml").read_text(encoding="utf-8"))
    assert config["study"]["simulated"] is True
    assert "(simulated)" in config["study"]["title"]
    assert "SIMULATED" in (folder / "study.toml").read_text(encoding="utf-8")
    assert "exists" in (folder / "README.md").read_text(encoding="utf-8")


def test_the_example_reads_without_errors_or_warnings():
    study = read_study(example_path())
    assert not [fault for fault in study.faults if fault.severity in ("error", "warning")]
    assert len(study.clients) == 84
    assert study.sessions["client"].nunique() == 80
    assert len(study.therapists) == 12
    lengths = study.sessions.groupby("client").size()
    assert lengths.max() <= 16
    assert lengths.nunique() > 5  # ragged
    roles = {one.role for one in study.variables.values()}
    assert roles >= {
        "safety", "alliance", "exploration", "post_session", "symptoms", "rupture", "repair", "attachment_anxiety",
        "attachment_avoidance", "baseline", "final_outcome", "arm", "covariate",
    }  # fmt: skip
    assert {one.rater for one in study.by_role("safety")} == {"client", "therapist"}
    assert {one.level for one in study.by_role("attachment_avoidance")} == {"client", "therapist"}
    assert set(study.config.models) == {"safety_shares", "course", "depth", "next_session", "chain", "dyad"}
    assert study.config.models["next_session"].lag == 1
    assert 0.03 < study.sessions["safety"].isna().mean() < 0.12


def test_the_example_is_small():
    assert all(path.stat().st_size < 300_000 for path in example_path().iterdir() if path.is_file())


def test_the_examples_truth_has_a_memory():
    truth = harbour_truth().within_between("post_session", ["safety"], lag=1)
    assert truth["own_lag"] > 0.15
    assert truth["safety.within"] > 0.15


def test_copying_does_not_overwrite(tmp_path):
    study = copy_example("harbour", tmp_path / "a folder")
    assert study.name == "study.toml"
    assert read_study(study).config.study.simulated
    with pytest.raises(InputError, match="already has files"):
        copy_example("harbour", tmp_path / "a folder")


def test_unknown_examples_are_refused_with_the_choice():
    with pytest.raises(InputError, match=", ".join(EXAMPLES)):
        example_path("harbor")


def test_a_written_study_reads_back_as_it_was_drawn(tmp_path):
    drawn = simulate(SimulationDesign(clients=12, sessions=5, therapists=3, dropout=False), seed=2)
    study = read_study(write_study(drawn, tmp_path / "s", "A test (simulated)"))
    assert study.sessions["safety"].to_numpy() == pytest.approx(drawn.sessions["safety"].to_numpy())
    assert study.clients["avoidance"].to_numpy() == pytest.approx(drawn.clients["avoidance"].to_numpy())
    assert study.variables["safety"].range is None  # continuous draws may leave the scale
    with pytest.raises(FileExistsError, match=r"sessions\.csv"):
        write_study(drawn, tmp_path / "s", "A test (simulated)")


def test_a_study_without_therapists_is_written_without_them(tmp_path):
    drawn = simulate(SimulationDesign(clients=8, sessions=3, therapists=0), seed=2)
    study = read_study(write_study(drawn, tmp_path / "s", "A test (simulated)"))
    assert not study.has_therapists
    assert not (tmp_path / "s" / "therapists.csv").exists()


def test_a_title_that_hides_the_simulation_is_refused(tmp_path):
    drawn = simulate(SimulationDesign(clients=5, sessions=3, therapists=0), seed=2)
    with pytest.raises(ValueError, match="simulated"):
        write_study(drawn, tmp_path, "The Harbour trial")
    assert not list(tmp_path.iterdir())
