# make repro | test | check | ui | bench | setup. Each sets up .venv by itself when it has to.

PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup repro test check ui bench

help:
	@echo "make repro   run the pipeline and show the scores       make test    run the tests"
	@echo "make ui      open the runs in MLflow                    make check   format, lint and types"
	@echo "make bench   measure speed against other programs       make setup   only make .venv"

setup: .venv/ready
	@echo ".venv is ready; activate it with: . .venv/bin/activate"

.venv/ready: requirements.txt pyproject.toml
	@echo "Making .venv from requirements.txt (a few minutes the first time)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is too old: Python 3.11 or newer is needed; name one with make PYTHON=…"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "no virtual environment could be made; on Debian: apt install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@git rev-parse --git-dir >/dev/null 2>&1 || { test -d .dvc || dvc init --quiet --no-scm; dvc config --local core.no_scm true; }
	@touch $@

repro: setup
	@pullback check
	@echo "Running the pipeline: dvc repro"
	@dvc repro
	@pullback summary

test: setup
	@tests/install-chromium
	@tests/install-postgresql
	@tests/install-linters
	@echo "Running the tests"
	@python -m pytest -m "not slow"

check: setup
	ruff format --check .
	ruff check .
	mypy

ui: setup
	@pullback ui

bench: setup
	@for script in bench/[!_]*.py; do echo "$$script"; python $$script || exit 1; done
