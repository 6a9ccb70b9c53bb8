"""The summary that ships in the package says what the committed results say."""

from __future__ import annotations

import tomllib

from . import packaged, report


def test_the_packaged_summary_equals_the_committed_results() -> None:
    # Written by `python tests/calibration/packaged.py`; run it again when results change.
    assert packaged.TARGET.read_text(encoding="utf-8") == packaged.toml(packaged.entries())


def test_cases_about_observed_means_stay_out_and_every_entry_names_its_seed() -> None:
    found = tomllib.loads(packaged.TARGET.read_text(encoding="utf-8"))["result"]
    assert {one["kind"] for one in found} >= {"variance", "growth", "within_between", "congruence", "chain", "dyad"}
    assert not any("observed" in one["case"] or "audit" in one["case"] for one in found)
    assert packaged.kind_of("within_between_lagged") == packaged.kind_of("lagged_50x6x5") == "within_between"
    assert packaged.kind_of("observed_50x8x5") is None
    assert packaged.kind_of("ordinal") is None
    for one in found:
        name = f"sbc-{one['case']}-{one['sampler']}" if one["check"] == "sbc" else f"recovery-{one['case']}"
        head = report.read(name)["header"]
        assert (one["seed"], one["replications"]) == (head["seed"], head["replications"])
