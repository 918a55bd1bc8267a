# `make up` and `make test` install what is missing first. Needed: Python 3.11 or newer with pip; nothing else.
# PYTHON names the interpreter (make install PYTHON=python3.13), ARGS goes to pytest (make test ARGS="-k budgets"),
# to the bench (make bench ARGS="--rounds 1 --only tollhouse-sqlite,litellm") and to the soak (ARGS="--minutes 2").

PYTHON ?= python3
BIN := .venv/bin

# Without what Python keeps of compiled source, each process that a test starts would compile the whole program.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install up test test-clients fuzz faults check static format-check format lint types contracts bench soak clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

install: ## install Tollhouse and its small local model into .venv
	@$(INSTALL)

up: .venv/installed ## run the whole gateway on this machine
	@exec $(BIN)/tollhouse up

test: .venv/installed-dev ## run every test that needs no accelerator and no internet
	@exec $(BIN)/pytest -n 3 --dist loadfile $(ARGS)

# CLIENTS names some of the folders in tests/clients (make test-clients CLIENTS="llm instructor").
test-clients: .venv/installed-dev ## other people's clients against a running gateway
	@exec $(BIN)/python scripts/test_clients.py $(ARGS)

# SECONDS says how long for each of the two APIs (make fuzz SECONDS=60); ARGS goes to Schemathesis (ARGS="--seed 7").
fuzz: .venv/installed-dev ## made-up requests to both APIs, after their own descriptions
	@exec env SECONDS=$(or $(SECONDS),180) $(BIN)/python scripts/fuzz.py $(ARGS)

faults: .venv/installed-dev ## every fault that the gateway survives, also the long ones
	@$(BIN)/pytest -m 'faults or not faults' --timeout 600 tests/faults $(ARGS)
	@exec $(BIN)/pytest -m faults --timeout 900 --ignore tests/faults $(ARGS)

check: static test ## everything that must be green

static: format-check lint types contracts ## all checks that run nothing

format-check: .venv/installed-dev
	@$(BIN)/ruff format --check

lint: .venv/installed-dev ## ruff's rules
	@$(BIN)/ruff check

types: .venv/installed-dev ## mypy, strict, on src
	@$(BIN)/mypy

contracts: .venv/installed-dev ## who may import whom (.importlinter)
	@$(BIN)/lint-imports

format: .venv/installed-dev ## write the code in the one format
	@$(BIN)/ruff check --select I --fix --quiet
	@$(BIN)/ruff format

# Needs nginx, wrk and node besides, and says so; the peers are installed into bench/.peers.
bench: .venv/installed-dev ## measure Tollhouse beside its peers on this machine
	@exec $(BIN)/python -m bench $(ARGS)

soak: .venv/installed-dev ## 30 minutes of steady load: neither memory nor open files may grow
	@exec $(BIN)/python -m bench.soak $(ARGS)

clean: ## remove what make installed and what the tools cached
	rm -rf .venv .venv-clients .venv-fuzz .uv bench/.peers build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests scripts bench -name __pycache__ -prune -exec rm -rf {} +

# --- Installing -------------------------------------------------------------------------------------------------

# The version is checked here, as an older Python could not even read the script.
INSTALL = $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	{ echo "$(PYTHON) is not Python 3.11 or newer: install one with pip, or name it (PYTHON=python3.13)." >&2; exit 1; }; \
	$(PYTHON) scripts/install.py

# An environment holds absolute paths, so its stamps hold the checkout's: moved or copied, it is made anew.
ifneq ($(shell cat .venv/installed 2>/dev/null),$(CURDIR))
.PHONY: .venv/installed .venv/installed-dev
endif

.venv/installed: pyproject.toml uv.lock scripts/install.py
	@$(INSTALL)

.venv/installed-dev: pyproject.toml uv.lock scripts/install.py
	@$(INSTALL) --dev
