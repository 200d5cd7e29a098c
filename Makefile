# Kelsey: set up, try, check. `make help` lists the targets. Needs Python 3.11 or newer and make, nothing else;
# the real services of the tests are installed by `make services`.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
# the first that runs and is new enough; `make PYTHON=/path/to/python setup` chooses another
FIND_PYTHON = for name in python3.13 python3.12 python3.11 python3; do \
  if "$$name" -c 'import sys, venv, ensurepip; raise SystemExit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
  then command -v "$$name"; exit 0; fi; done
PYTHON ?= $(shell $(FIND_PYTHON))

PACKAGES := cases connectors dashboards detectors hub kelsey privacy streams
CODE := $(PACKAGES) tests benchmarks
PIP_INSTALL = $(BIN)/python -m pip install --quiet --no-input
RUNTIME := $(VENV)/.runtime-installed
DEVELOPMENT := $(VENV)/.development-installed

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk 'BEGIN {FS = ":.*## "} {printf "  make %-10s %s\n", $$1, $$2}'

.PHONY: setup
setup: $(DEVELOPMENT) ## make .venv with all that development needs, from the lock files

.PHONY: demo
demo: $(RUNTIME) ## play twelve months at three hospitals and a hub; page in var/demo/index.html (ARGS="--serve")
	@$(BIN)/kelsey demo $(ARGS)

.PHONY: test
test: $(DEVELOPMENT) ## run the tests (ARGS="-k name"); those whose service is missing say so
	@$(BIN)/python -m pytest $(ARGS)

.PHONY: check
check: lint types generated test ## all that CI checks: lint, types, generated files, tests

.PHONY: lint
lint: $(DEVELOPMENT) ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

.PHONY: types
types: $(DEVELOPMENT) ## mypy --strict
	@$(BIN)/mypy

.PHONY: generated
generated: $(DEVELOPMENT) ## fail if a committed generated file is not what the code makes
	@$(BIN)/python -m dashboards.generate --check
	@$(BIN)/python -m hub.openapi --check

.PHONY: generate
generate: $(DEVELOPMENT) ## write the generated files: dashboards, alert rules, OpenAPI
	@$(BIN)/python -m dashboards.generate
	@$(BIN)/python -m hub.openapi

.PHONY: format
format: $(DEVELOPMENT) ## let ruff mend and format the code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: bench
bench: $(DEVELOPMENT) ## measure everything beside its peer (ARGS="--record" writes benchmarks/RESULTS.md)
	@$(BIN)/python -m benchmarks $(ARGS)

.PHONY: validity
validity: $(DEVELOPMENT) ## false alarms, known reactions, reference sets (ARGS="--record" writes benchmarks/VALIDITY.md)
	@$(BIN)/python -m benchmarks.validity $(ARGS)

.PHONY: audit
audit: $(DEVELOPMENT) ## two million audited runs, a hundred thousand crashes (ARGS="--record" writes benchmarks/AUDIT.md)
	@$(BIN)/python -m benchmarks.audit $(ARGS)

.PHONY: services
services: ## install the real services of the tests: Kafka, FHIR server, PostgreSQL, Prometheus, podman, Chromium
	@"$(or $(PYTHON),python3)" tests/services/install.py $(ARGS)

# development first: it has the narrower ranges, and the run-time lock must not differ from it
LOCK = printf 'hatchling>=1.26\neditables>=0.5\n' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
  --generate-hashes --no-annotate --custom-compile-command "make lock" pyproject.toml - $(ARGS)

.PHONY: lock
lock: $(DEVELOPMENT) ## resolve the dependencies into the lock files (ARGS="--upgrade" for newer versions)
	@$(PIP_INSTALL) uv
	@$(LOCK) --extra dev --output-file requirements-dev.lock
	@$(LOCK) --constraint requirements-dev.lock --output-file requirements.lock

.PHONY: clean
clean: ## remove what was built and cached; keeps .venv and .services
	@rm -rf build dist var .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer with venv found (Debian: apt-get install python3 python3-venv); or say PYTHON=/path/to/python" >&2; exit 1; }
	@echo "Making $(VENV) with $$("$(PYTHON)" --version) ($(PYTHON))"
	@"$(PYTHON)" -m venv $(VENV)

# Every download is checked against the hashes in the lock; the project itself is then linked in without any download.
$(RUNTIME): $(BIN)/python requirements.lock pyproject.toml
	@echo "Installing what Kelsey needs to run (a minute or two, once)"
	@$(PIP_INSTALL) --require-hashes --only-binary :all: -r requirements.lock
	@$(PIP_INSTALL) --no-deps --no-build-isolation --no-index --editable .
	@touch $@

$(DEVELOPMENT): $(RUNTIME) requirements-dev.lock
	@echo "Installing what development needs besides (a minute or two, once)"
	@$(PIP_INSTALL) --require-hashes --only-binary :all: -r requirements-dev.lock
	@touch $@
