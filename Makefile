# Thin: each target says what it does in the commands that a person would type.
#
#   make demo                  from records to an audited, exported extractor
#   make test                  lint, types, import contracts and all tests
#   make VENV=DIR ...          with an environment of your own
#   make PYTHON=python3.12 ... which Python a new environment is made from
#   PIP_INDEX_URL=... make ... pip's own environment variables are honoured

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV ?= .venv
PYTHON ?= python3
PIP ?= $(VENV)/bin/python -m pip
# An environment shared by several clones holds one of them at a time.
STAMP := $(VENV)/.tiprdc-$(shell pwd | cksum | cut -d ' ' -f 1)

export PATH := $(abspath $(VENV))/bin:$(PATH)

.PHONY: help setup demo test cluster-test lint bench clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## an environment in .venv (or VENV=DIR) with everything pinned

$(STAMP): pyproject.toml constraints.txt
	@if [ ! -x "$(VENV)/bin/python" ]; then echo "Making an environment in $(VENV)"; $(PYTHON) -m venv "$(VENV)"; fi
	@"$(VENV)/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 setup")'
	@echo "Installing what constraints.txt pins (torch alone may be several GB; see its first lines)"
	$(PIP) install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@rm -f $(VENV)/.tiprdc-* && touch $(STAMP)

demo: setup ## the whole graph on generated faces, then what the audit found
	@git rev-parse --is-inside-work-tree >/dev/null 2>&1 || { \
	  echo "Not a Git repository (a tarball?): DVC is told to do without, in .dvc/config.local"; \
	  dvc config --local core.no_scm true; }
	dvc repro
	@tiprdc inspect reports/audit.json

# Those that start Ray or run the graph want the machine for themselves.
test: lint ## lint, types, import contracts, all tests
	OMP_NUM_THREADS=1 python -m pytest -m "not ray and not repro and not cluster" --numprocesses auto --maxprocesses 4 --dist loadfile
	python -m pytest -m "ray or repro"

# As root; no target of `make test`, as it needs the right to make network namespaces.
cluster-test: setup ## docs/cluster.md on three hosts in namespaces of this machine (root)
	python -m tests.cluster

lint: setup ## ruff, mypy, import contracts
	ruff check
	ruff format --check
	mypy
	lint-imports

bench: setup ## seconds and memory of each stage, and of a graph with nothing to do
	python -m benchmarks.speed.graph

clean: ## what can be made again: artifacts, reports, caches (not .venv, not DVC's cache)
	rm -rf artifacts reports runs build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
