"""The view on a results folder: complete, lazy, and clear about what is missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from safezone.data.errors import InputError
from safezone.reports.results import Results, read_results


def test_models_stand_in_the_order_of_the_diagnostics(english: Results) -> None:
    assert english.models == ("safety_shares", "course", "depth")
    assert [model.kind for model in english.each()] == ["variance", "growth", "within_between"]


def test_study_comes_from_the_manifest(english: Results) -> None:
    assert english.study.title == "Safety and change in the Harbour trial"
    assert english.study.simulated
    assert english.study.rope["default"] == 0.1
    assert english.study.threshold == 10


def test_study_file_fills_what_the_manifest_lacks(tmp_path: Path, write_sample: Callable[..., Path]) -> None:
    folder = write_sample(tmp_path / "results")
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["study"], manifest["report"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "study.toml").write_text(
        '[study]\ntitle = "From the file"\nlanguage = "de"\n[report]\ninterval = 0.9\nrope = {default = 0.2}\n'
    )
    study = read_results(folder).study
    assert (study.title, study.language, study.interval, study.rope["default"]) == ("From the file", "de", 0.9, 0.2)


def test_a_quantity_without_unit_has_an_empty_one(tmp_path: Path, write_sample: Callable[..., Path]) -> None:
    folder = write_sample(tmp_path / "results")
    table = pd.read_csv(folder / "estimates.csv")
    table.loc[0, "unit"] = None
    table.to_csv(folder / "estimates.csv", index=False)
    assert read_results(folder).estimates.loc[0, "unit"] == ""


def test_estimate_prefers_the_raw_scale(english: Results) -> None:
    model = english.model("depth")
    assert model.estimate("safety.within")["scale"] == "raw"
    assert model.estimate("safety.within", "standardised")["scale"] == "standardised"


def test_draws_belong_to_the_estimates(english: Results) -> None:
    model = english.model("depth")
    draws = model.draws("safety.within", "raw")
    assert draws is not None
    # The table is written with all digits, so that only the order of summation differs.
    np.testing.assert_allclose(draws.mean(), model.estimate("safety.within")["mean"], rtol=1e-12)
    assert model.draws("no.such", "raw") is None


def test_draws_are_opened_only_when_asked_for(tmp_path: Path, write_sample: Callable[..., Path]) -> None:
    folder = write_sample(tmp_path / "results")
    (folder / "fits" / "depth.nc").write_bytes(b"not a netCDF file")
    model = read_results(folder).model("depth")
    assert len(model.estimates) > 5
    with pytest.raises(OSError, match=r"depth\.nc|signature|unable"):
        _ = model.posterior


@pytest.mark.parametrize(
    "name",
    ["manifest.json", "estimates.csv", "diagnostics.csv", "data/flow.csv", "data/codebook.csv", "fits/depth.json"],
)
def test_a_missing_file_is_named_with_its_remedy(tmp_path: Path, write_sample: Callable[..., Path], name: str) -> None:
    folder = write_sample(tmp_path / "results")
    (folder / name).unlink()
    with pytest.raises(InputError) as caught:
        read_results(folder).model("depth")
    assert Path(name).name in str(caught.value)
    assert "safezone run" in str(caught.value)


def test_a_damaged_card_is_named(tmp_path: Path, write_sample: Callable[..., Path]) -> None:
    folder = write_sample(tmp_path / "results")
    (folder / "fits" / "depth.json").write_text('{"name": ')
    with pytest.raises(InputError, match=r"depth\.json.*damaged"):
        read_results(folder).model("depth")


def test_unknown_names_list_the_valid_ones(english: Results) -> None:
    with pytest.raises(InputError, match="safety_shares, course, depth"):
        english.model("dephth")
    with pytest.raises(InputError, match=r"safety\.within, safety\.between_client"):
        english.model("depth").estimate("safety.whithin")


def test_a_fit_is_trusted_only_when_it_says_so(tmp_path: Path, write_sample: Callable[..., Path]) -> None:
    folder = write_sample(tmp_path / "results")
    path = folder / "fits" / "depth.json"
    card = json.loads(path.read_text())
    path.write_text(json.dumps(card | {"verdict": "not trusted: R-hat 1.043 is above 1.01 (longer warm-up)"}))
    assert not read_results(folder).model("depth").trusted
    assert read_results(folder).model("course").trusted
