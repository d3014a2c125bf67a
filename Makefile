# Commands for working on the project. `make` lists the targets.
#
#   make demo                  from records to an audited, exported extractor
#   make test                  lint, types, import contracts and the fast tests
#   make test-full             the same with every test
#   make VENV=DIR ...          use another environment than .venv
#   make PYTHON=python3.12 ... make a new environment from this Python
#   make PYTEST_OPTIONS=...    more options for pytest
#   PIP_INDEX_URL=... make ... pip's own environment variables are honoured

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV ?= .venv
PYTHON ?= python3
PIP ?= $(VENV)/bin/python -m pip
# An environment holds one clone at a time.
STAMP := $(VENV)/.tiprdc-$(shell pwd | cksum | cut -d ' ' -f 1)

LOWEST ?= .venv-lowest
# A worker a core: Ray's tests share one, and so do those of the whole graph (tests/conftest.py). The
# durations of the last run stay in logs/tests/NAME.xml.
PYTEST = OMP_NUM_THREADS=1 python -m pytest --numprocesses auto --maxprocesses 4 --dist loadgroup \
  --no-loadscope-reorder --max-worker-restart 0 --durations 25 $(PYTEST_OPTIONS) --junitxml logs/tests

export PATH := $(abspath $(VENV))/bin:$(PATH)

.PHONY: help setup demo web test test-full test-slow test-lowest cluster-test coverage lint bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv (or VENV=DIR) with the versions of constraints.txt

$(STAMP): pyproject.toml constraints.txt
	@if [ ! -x "$(VENV)/bin/python" ]; then echo "Making an environment in $(VENV)"; $(PYTHON) -m venv "$(VENV)"; fi
	@"$(VENV)/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 setup")'
	@echo "Installing what constraints.txt pins (torch alone may be several GB; see its first lines)"
	$(PIP) install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@rm -f $(VENV)/.tiprdc-* && touch $(STAMP)

demo: setup ## run the graph on generated faces and print the audit
	@git rev-parse --is-inside-work-tree >/dev/null 2>&1 || { \
	  echo "Not a Git repository: DVC runs without one (core.no_scm in .dvc/config.local)"; \
	  dvc config --local core.no_scm true; }
	dvc repro
	@tiprdc inspect reports/audit.json

web: ## build the page for browsers, examples/web/dist (Node.js 20.19 or newer)
	cd examples/web && npm ci --no-audit --no-fund && npm run build

test: lint ## lint, types, import contracts, the fast tests
	$(PYTEST)/fast.xml -m "not slow and not cluster"

test-full: lint ## lint and every test; the cluster's too, as root
	$(PYTEST)/full.xml -m "not cluster"
	if [ "$$(id -u)" -eq 0 ]; then python -m pytest -m cluster; else echo "Not run: the cluster test, which needs root"; fi

test-slow: setup ## the tests that test-full adds to test, without the cluster's
	$(PYTEST)/slow.xml -m "slow and not cluster"

test-lowest: ## the fast tests in .venv-lowest, with the lowest versions that pyproject.toml allows
	[ -x $(LOWEST)/bin/python ] || $(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-lowest.txt -e ".[test]"
	PATH="$(abspath $(LOWEST))/bin:$$PATH"; $(PYTEST)/lowest.xml -m "not slow and not cluster"

coverage: setup ## the fast tests, and the share of lines that they run
	$(PYTEST)/coverage.xml -m "not slow and not cluster" --cov --cov-report term

mutants: setup ## mutation tests of statistics, verdict, gate and plan, half an hour; mutmut results lists them
	$(PIP) install --quiet --disable-pip-version-check -c constraints.txt -e ".[mutation]"
	OMP_NUM_THREADS=1 mutmut run --max-children 2

cluster-test: setup ## docs/cluster.md on three hosts in namespaces of this machine, as root
	python -m tests.cluster

lint: setup ## ruff, mypy, import contracts
	ruff check
	ruff format --check
	mypy
	lint-imports

bench: setup ## measure seconds and memory of each stage, and of a graph that is up to date
	python -m benchmarks.speed.graph

clean: ## remove artifacts, reports, builds and caches (not .venv, not DVC's cache)
	rm -rf artifacts reports runs build dist mutants *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
