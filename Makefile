# Everything starts from a Python >= 3.12 and a package index. `make help` lists the targets.

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format bench calibrate lock wheel clean

# Without byte code every start takes three to four times as long.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
STAMP := $(VENV)/.installed
LINK := .types/safezone
DEMO ?= safezone-demo

# The first Python that is new enough: named ones, then whatever python3 is, then pyenv's.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.14 python3 python \
	  "$$HOME"/.pyenv/versions/3.13*/bin/python "$$HOME"/.pyenv/versions/3.12*/bin/python; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null && { echo "$$python"; break; }; done)

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

setup: $(STAMP) $(LINK) ## create .venv from requirements.lock

demo: $(STAMP) ## run the bundled example study end to end and say where the reports are
	$(BIN)/safezone demo --out $(DEMO)

test: $(STAMP) $(LINK) ## run the tests
	$(PY) -m pytest

lint: $(STAMP) $(LINK) ## check style, types and templates
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p safezone
	$(BIN)/panache lint $$(find reports/templates -name '*.qmd')

format: $(STAMP) ## let ruff put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) ## measure speed against peers (SIZES=tiny PEERS=... REPEATS=...; benchmarks/README.md)
	$(PY) benchmarks/run.py $(if $(SIZES),--sizes $(SIZES)) $(if $(PEERS),--peers $(PEERS)) $(if $(REPEATS),--repeats $(REPEATS)) $(BENCH)

calibrate: $(STAMP) ## simulation-based calibration and coverage (hours; results are committed)
	$(PY) tests/calibration/run.py
	$(PY) -m pytest -m calibration

wheel: $(STAMP) ## build the wheel into dist/
	rm -rf build dist
	$(PY) -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

lock: $(STAMP) ## resolve requirements.lock anew, for every platform, with hashes and without naming an index
	$(PY) -m pip install --quiet uv
	$(PY) -m uv pip compile pyproject.toml --group dev --universal --python-version 3.12 --upgrade \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate -o requirements.lock

clean: ## remove what can be rebuilt (never the environment, never results)
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .types *.egg-info
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

$(STAMP): requirements.lock pyproject.toml
	@if [ -z "$(PYTHON)" ]; then \
	  echo "safezone needs Python 3.12 or newer, and $$(python3 --version 2>/dev/null || echo 'no Python') is all that was found here: install one, or say make PYTHON=/path/to/python." >&2; exit 1; fi
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null || { \
	  echo "safezone needs Python 3.12 or newer, and $(PYTHON) is $$("$(PYTHON)" --version 2>&1 || true)." >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	$(PY) -m pip install --quiet --require-hashes -r requirements.lock
	$(PY) -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

# mypy looks up the name safezone here: the root is the package, whatever its folder is called.
$(LINK):
	@mkdir -p .types && ln -sfn .. $@
