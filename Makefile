# Every target sets itself up: a fresh clone needs nothing but Python 3.11 or later.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
# One BLAS thread: results equal to the bit, and parallel test workers that do not fight.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: install demo test lint format bench table clean
.DEFAULT_GOAL := demo

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: starec-sim needs Python 3.11 or later; $(PYTHON) is older"; \
	    echo "hint: make PYTHON=python3.12 install"; exit 2; }
	@echo "Setting up .venv (about a minute the first time) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: export OMP_NUM_THREADS = 2
demo: $(INSTALLED)
	@$(BIN)/starec train experiments/00_demo

test: $(INSTALLED)
	@$(BIN)/pytest -n 2 --dist loadfile

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED)
	$(BIN)/python benchmarks/user_steps.py
	$(BIN)/python benchmarks/population.py
	$(BIN)/python benchmarks/gateway.py
	$(BIN)/python benchmarks/recommenders.py
	$(BIN)/python benchmarks/endpoint.py
	$(BIN)/python benchmarks/generation.py
	$(BIN)/python benchmarks/grpo_step.py

table: $(INSTALLED)
	$(BIN)/python experiments/04_table/table.py

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
