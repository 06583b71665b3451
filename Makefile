# Every target makes the virtual environment it needs. Only Python 3.9 or later, git and make must be there.
#   make PYTHON=python3.12 VENV=.venv-mine test    another interpreter, another place

PYTHON ?= python3
VENV ?= .venv
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

# Compiled files are kept, whatever the shell says: tests start Python a hundred times.
unexport PYTHONDONTWRITEBYTECODE

BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-input
PYPROJECTS := pyproject.toml compat/pyproject.toml $(wildcard plugins/*/pyproject.toml)
# In one call, so that what they require of each other is found in the tree and not on an index.
OTHERS := $(patsubst %/pyproject.toml,-e ./%,$(filter-out pyproject.toml,$(PYPROJECTS)))
# The script was one of plugins/cli once: pip takes it away with the old version, after the root has written it.
KEEP_SCRIPT := test -x $(BIN)/hivemind-client || $(PIP_INSTALL) --force-reinstall --no-deps -e .

.PHONY: help demo test lint house hostile fuzz storm soak interop ecosystem smoke packaging dist container bench matrix docs docs-serve clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1	/'

demo: $(VENV)/.demo ## pair with a hub that runs in this process, speak, and hear the answer
	@$(BIN)/hivemind-client demo

# Measuring costs half as much again, so the kernel is measured alone: its own tests cover it whole. They wait for
# nothing, where half of the others' time is waiting.
PYTEST := $(BIN)/python -m pytest --dist worksteal
# Python 3.9 has no Noise, so there the kernel's tests cannot cover it whole.
MEASURED = $(shell $(BIN)/python -c 'import sys; sys.version_info < (3, 10) or \
	print("--cov --cov-report=term-missing:skip-covered --cov-fail-under=100")')

test: $(VENV)/.test ## unit tests, documentation and plugins; the kernel must be covered whole (from Python 3.10 on)
	$(PYTEST) -n 4 --ignore=tests/unit/kernel
	$(PYTEST) -n 2 $(MEASURED) tests/unit/kernel

lint: $(VENV)/.lint ## ruff, its formatter, mypy --strict, generated modules, versions, and what `plugins new` writes
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/python -m mypy --strict
	$(BIN)/python tools/unasync --check
	$(BIN)/python tools/versions --check
	$(BIN)/python tools/lint-templates

house: $(VENV)/.test ## the figures of the house: imports, sizes, repetition, private names; fails where one does not hold
	@$(BIN)/python tools/house

hostile: $(VENV)/.test ## every client under every kind of hostile hub, and 2,000 reconnects: some minutes
	HOSTILE=all $(PYTEST) -n 2 tests/hostile

fuzz: $(VENV)/.fuzz ## search for an input that a parser fails with: SECONDS=60 for each parser, or RUNS=… executions
	$(BIN)/python -m tests.hostile.fuzz --seconds $(or $(SECONDS),60) $(if $(RUNS),--runs $(RUNS))

soak: $(VENV)/.test ## all clients at real hubs that fail all the while: SECONDS=3600; writes its section of docs/interop.md
	$(BIN)/python -m tests.soak --seconds $(or $(SECONDS),3600)

storm: $(VENV)/.test ## 200,000 messages through a proxy that breaks connections; the books of what arrived must balance
	$(BIN)/python -m tests.hostile.storm

interop: $(VENV)/.test ## every behaviour against real hubs; writes docs/interop.md
# Once more where hub 4.0.0 has lost its own OVOS bus under the row, or where a frame of a hub over MQTT overtook another,
# and for no other failure.
	HIVEMIND_INTEROP_WRITE=1 $(PYTEST) -n 2 --timeout=600 --reruns 1 --reruns-delay 2 --only-rerun LostBus --only-rerun Overtaken tests/interop

ecosystem: $(VENV)/.test ## programs of others on this client and on the reference client; writes docs/ecosystem.md
	HIVEMIND_INTEROP_WRITE=1 $(BIN)/python -m pytest --timeout=600 tests/ecosystem

smoke: $(VENV)/.test ## one program of others on both clients, and a hub on this one: a quick part of `make ecosystem`
	$(BIN)/python -m pytest --timeout=600 -m smoke tests/ecosystem

# Not a part of `make test`: freezing a program takes as long as a quarter of the other tests.
packaging: $(VENV)/.packaging ## packages of plugins, built and installed; programs frozen by PyInstaller
	$(PYTEST) -n 2 tests/packages

# The tests install from dist/ into empty environments, so they are not a part of `make test`.
dist: $(VENV)/.dist ## wheels and sdists of every distribution in dist/, checked, installed and tried
	$(BIN)/python tools/dist
	$(PYTEST) -n 2 --timeout=600 tests/distributions

# Without a builder, by chroot: needs root and debootstrap, and skips with a word where they are missing.
container: $(VENV)/.test ## the steps of the Dockerfile in a bare folder, and what they make as a satellite
	$(PYTEST) --timeout=1800 -ra tests/container

docs: $(VENV)/.docs ## the docs site, into site/: no warning, no dead link, nothing loaded from elsewhere
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict
	$(PYTEST) -n 0 tests/site

docs-serve: $(VENV)/.docs ## the docs site at http://127.0.0.1:8000, built anew as you write
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs serve

bench: $(VENV)/.bench ## this client beside the reference client, as ratios
	$(BIN)/python benchmarks/run.py

matrix: ## the tests on every Python from 3.9 to 3.13 that is installed
	@tools/matrix

clean: ## remove environments, caches and build products
	rm -rf .venv .venv-* .cache site .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name .git -prune -o -type d \( -name __pycache__ -o -name build -o -name dist -o -name '*.egg-info' \) \
		-prune -exec rm -rf {} +

# A link to an interpreter that is gone counts as missing, so a stale environment is made anew.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 9))' \
		|| { echo "Python 3.9 or later is needed: make PYTHON=/path/to/python3 …" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.demo: $(BIN)/python $(PYPROJECTS)
	@echo "Installing into $(VENV)" >&2
	@$(PIP_INSTALL) -e . -e ./plugins/cli
	@$(KEEP_SCRIPT)
	@touch $@

$(VENV)/.test: $(BIN)/python $(PYPROJECTS)
	@echo "Installing into $(VENV)" >&2
	@$(PIP_INSTALL) -e '.[test]' $(OTHERS)
	@$(KEEP_SCRIPT)
	@touch $@

$(VENV)/.fuzz: $(BIN)/python $(PYPROJECTS)
	@echo "Installing into $(VENV)" >&2
	@$(PIP_INSTALL) -e '.[fuzz,test]' $(OTHERS)
	@$(KEEP_SCRIPT)
	@touch $@

$(VENV)/.packaging: $(BIN)/python $(PYPROJECTS)
	@echo "Installing into $(VENV)" >&2
	@$(PIP_INSTALL) -e '.[packaging,test]' $(OTHERS)
	@$(KEEP_SCRIPT)
	@touch $@

$(VENV)/.dist: $(BIN)/python $(PYPROJECTS)
	@echo "Installing into $(VENV)" >&2
	@$(PIP_INSTALL) -e '.[dist,test]' $(OTHERS)
	@$(KEEP_SCRIPT)
	@touch $@

$(VENV)/.lint: $(BIN)/python $(PYPROJECTS)
	@echo "Installing into $(VENV)" >&2
	@$(PIP_INSTALL) -e '.[lint,test]' $(OTHERS)
	@$(KEEP_SCRIPT)
	@touch $@

$(VENV)/.docs: $(BIN)/python $(PYPROJECTS)
	@echo "Installing into $(VENV)" >&2
	@$(PIP_INSTALL) -e '.[docs,test]' $(OTHERS)
	@$(KEEP_SCRIPT)
	@touch $@

$(VENV)/.bench: $(BIN)/python $(PYPROJECTS)
	@echo "Installing into $(VENV)" >&2
	@$(PIP_INSTALL) -e '.[async,speed,testing]' $(OTHERS)
	@$(KEEP_SCRIPT)
	@touch $@
