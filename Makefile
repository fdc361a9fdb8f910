# Everything a newcomer needs: `make demo` and `make test`. Both set themselves up in .venv, with uv where it is, else pip.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
EXTRAS ?= dev
# lowest-direct installs the lowest versions that pyproject.toml allows; uv only.
RESOLUTION ?= highest
UV := $(shell command -v uv 2>/dev/null)
STAMP = $(VENV)/.installed-$(EXTRAS)
# How many tests at a time; 0 for one after the other in this process.
JOBS ?= auto

.PHONY: demo test coverage lint format docs docs-build bench bench-run matrix foreign release-check vendor clean help

help:
	@echo "make demo      run the three scenarios on a local SageMaker"
	@echo "make test      run the tests"
	@echo "make coverage  the same, and which lines and branches they do not reach"
	@echo "make lint      ruff, mypy strict, the wings' import rules, the workflows"
	@echo "make format    let ruff mend what it can"
	@echo "make docs      build the documentation into site/, strictly"
	@echo "make bench     measure against the peers, in bulk, and at scale, into README and docs (takes half an hour)"
	@echo "make matrix    run the tests on Python 3.10, 3.12 and 3.13, lowest and newest versions (takes half an hour)"
	@echo "make foreign   run the test suites of LangChain and LangGraph with the handler on (ten minutes); SUITES=\"langgraph\""
	@echo "make release-check  version, changelog, tag, the same bytes twice, licences; RELEASE_ARGS=--sizes also installs each extra"
	@echo "make vendor    fetch the report's libraries anew (npm)"
	@echo "make clean     remove what the other targets made"

$(STAMP): pyproject.toml
ifdef UV
	$(UV) venv --quiet --allow-existing --python $(PYTHON) $(VENV)
	$(UV) pip install --quiet --python $(BIN)/python --resolution $(RESOLUTION) -e ".[$(EXTRAS)]"
else
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e ".[$(EXTRAS)]"
endif
	@touch $(STAMP)

demo: $(STAMP)
	$(BIN)/sagemaker-traces demo --output demo-output

test: $(STAMP)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(PYTEST_ARGS)

# Processes that the tests start measure themselves, and each writes a file of its own.
coverage: $(STAMP)
	rm -f .coverage .coverage.*
	$(BIN)/python -m coverage run -m pytest -n $(JOBS) --dist loadfile $(PYTEST_ARGS)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report --fail-under=92

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/prose.py
	$(BIN)/zizmor --offline --quiet .github
	$(BIN)/actionlint

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs:
	$(MAKE) VENV=.venv-docs EXTRAS=docs docs-build

docs-build: $(STAMP)
	$(BIN)/zensical build --clean --strict

bench:
	$(MAKE) VENV=.venv-bench EXTRAS=bench bench-run

bench-run: $(STAMP)
	$(BIN)/python benchmarks/request_path.py --publish
	$(BIN)/python benchmarks/bulk.py --publish
	$(BIN)/python benchmarks/scale.py --publish
	$(BIN)/python benchmarks/window.py --publish
	$(BIN)/python benchmarks/cold_start.py --publish
	$(BIN)/python benchmarks/storage.py --publish
	$(BIN)/python benchmarks/tail.py --publish
	$(BIN)/python benchmarks/growth.py --publish

matrix:
	scripts/matrix.sh

foreign: $(STAMP)
	$(BIN)/python scripts/foreign.py $(SUITES) $(FOREIGN_ARGS)

release-check: $(STAMP)
	$(BIN)/python scripts/release_check.py $(RELEASE_ARGS)

vendor:
	python3 scripts/vendor.py

clean:
	rm -rf .venv* .foreign .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.* test-output dist build site .cache
