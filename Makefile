# `make demo` and `make test` work on a fresh clone with nothing but python3, pip and make.
# Another interpreter: make PYTHON=python3.12 test

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

# Half of a test is Python on one core: a process for each core.
SPREAD := --numprocesses auto --dist worksteal

.PHONY: demo test test-slow lint venv

demo: $(STAMP)
	$(BIN)/neurona demo

test: $(STAMP)
	$(BIN)/python -m pytest $(SPREAD)

test-slow: $(STAMP)
	$(BIN)/python -m pytest $(SPREAD) -m "slow or not slow" --hypothesis-profile=many

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

venv: $(STAMP)

# Debian ships a python3 whose venv lacks ensurepip; pip of the system then fills the environment.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Neurona needs Python 3.11 or newer; '$(PYTHON)' is" \
	    "$$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 ..." >&2; exit 1; }
	@test -x $(BIN)/python && $(BIN)/python -m pip --version >/dev/null 2>&1 \
	  || $(PYTHON) -m venv .venv \
	  || { $(PYTHON) -m venv --without-pip .venv \
	    && $(PYTHON) -m pip --python $(BIN)/python install pip; }
	$(BIN)/python -m pip install -e '.[dev]'
	@touch $@
