"""Numbers typed by hand are found where results are told, and only there."""

from __future__ import annotations

from pathlib import Path

from safezone.reports.lint import typed_numbers
from safezone.reports.metadata import TEMPLATES

DOCUMENT = """---
title: "x"
---

# Method

We saw 96 clients.

# Results {#sec-results}

Safety went with depth, *b* = 0.31, 95% CrI `{python} n.ci("depth.safety.within")` [@kruschke2018, p. 12].

1. A list, see @fig-1 and (2024).

## Details

Exactly 12 of them. <!-- number: fixed by the design -->

```{python}
print("a share of 41%")
n("depth.safety.within")
```

# Limits

Only 96 clients.
"""


def test_numbers_in_results_are_found(tmp_path: Path) -> None:
    path = tmp_path / "report.qmd"
    path.write_text(DOCUMENT)
    found = [(fault.row, fault.value) for fault in typed_numbers(path)]
    assert found == [(11, "0.31"), (11, "95%"), (20, "41%")]
    assert "report.qmd, row 11" in str(typed_numbers(path)[0])


def test_our_templates_have_none() -> None:
    documents = sorted(path for path in TEMPLATES.glob("*/*.qmd") if not path.name.startswith("_"))
    assert documents
    for path in documents:
        assert typed_numbers(path) == ()
