# What one does with simlib, a word each. The first use installs everything into .venv.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
CLIENTS := tests/lab/node_modules/.ready
# Hundreds of processes begin in the tests: each would compile simlib anew if none kept it compiled.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -q
# The files with tests that need real time: it takes long to read all others for nothing.
REAL_TIME = $$(grep -rl --include='*.py' 'mark\.live' tests)
ALONE = $$(grep -rl --include='*.py' 'mark\.alone' tests)

.PHONY: help demo review test test-all simulated live browser cover mutants soak pythons lab docs site bench bench-quick lint clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

demo: $(READY) ## play the first outage simulated and for real, and compare
	@echo "Playing the first outage: 20 times simulated, then once for real, for 15 s"
	@$(BIN)/simlib compare data/scenarios/first_outage.toml; status=$$?; \
	if [ $$status -le 1 ]; then \
	  echo; \
	  echo "Look at out/first_outage/attempts.png: the storm, the live run over the simulated band."; \
	  echo "The table above is in out/first_outage/agreement.csv."; \
	  echo "Go on with: make lab (the notebooks), or in this folder:"; \
	  echo "  source $(BIN)/activate && simlib scenarios"; \
	fi; exit $$status

review: $(READY) ## write a design review: should socket.io wait longer?
	@echo "50,000 clients, an outage of 60 s, 2,000 connections/s: seeking better settings, then comparing"
	@$(BIN)/simlib report socket_io_storm --out out/review.html \
	  --objective "peak_after_fault_per_s <= 3 * server.accept_per_s" \
	  --tune client.backoff.base_s=0.5..20 --tune client.backoff.cap_s=5..60 \
	  --tune client.backoff.spread_fraction=0.1..0.9

test: lint $(CLIENTS) ## check style and types, and run the tests
	@$(MAKE) --no-print-directory -j 3 simulated live browser BUT="and not slow"

test-all: lint $(CLIENTS) ## the same, and more cases of what the tests prove, as CI does
	@$(MAKE) --no-print-directory -j 3 simulated live browser
	@$(PYTEST) -m alone $(ALONE)

# What needs real time mostly waits: it runs beside the others, which give way to it.
simulated: $(READY)
	@nice -n 5 $(PYTEST) -n logical --dist worksteal -m "not live and not browser $(BUT)"

live: $(READY)
	@said=$$(mktemp); \
	$(PYTEST) -n 4 --dist worksteal -m "live and not alone and not browser $(BUT)" $(REAL_TIME) >$$said 2>&1; \
	status=$$?; printf '\nWhat needs real time:\n'; cat $$said; rm $$said; exit $$status

# One process: JupyterLab, and the page with Python in it, start once for a file.
browser: $(READY)
	@said=$$(mktemp); $(PYTEST) -m "browser $(BUT)" tests/browser >$$said 2>&1; \
	status=$$?; printf '\nIn a browser:\n'; cat $$said; rm $$said; exit $$status

cover: $(READY) ## measure how much of the core its own tests cover
	@$(BIN)/python -m pytest -q -n 2 tests/core tests/theory \
	  --cov=simlib.core --cov-report=term --cov-fail-under=99

lab: $(READY) ## open the notebooks in JupyterLab
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m simlib.course.jupyter $(if $(filter 0,$(shell id -u)),--allow-root) notebooks

docs: $(READY) ## build the documents; begin with docs/_build/index.html
	@$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going docs docs/_build
	@echo "Open docs/_build/index.html"

site: $(READY) $(CLIENTS) ## build the page that plays simlib in a browser, in site/
	@$(BIN)/python -m simlib.site tests/lab/node_modules/pyodide site
	@echo "Serve it: python3 -m http.server 8000 --bind 127.0.0.1 --directory site"
	@echo "and open http://localhost:8000/"

bench: $(READY) ## measure speed and memory, and write out/bench.json
	@$(BIN)/python tests/benchmarks/run.py --record

bench-quick: $(READY) ## measure a few ratios, beside those of earlier commits
	@$(BIN)/python tests/benchmarks/run.py --quick

mutants: $(READY) ## change the code at 200 places: which do no tests tell?
	@$(call need,cosmic_ray)
	@$(BIN)/python tests/mutants.py

soak: $(READY) ## every fault at once on 200 live clients: is a message lost?
	@PYTHONPATH=. $(BIN)/python tests/benchmarks/histories.py $(if $(MINUTES),500,10000)
	@$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),15)

pythons: $(READY) ## play the tests on each Python from 3.11 to 3.14 that is here
	@$(call need,nox)
	@$(BIN)/python -m nox --noxfile tests/packaging/noxfile.py --envdir out/pythons --reuse-venv yes

lint: $(READY) ## check style and types
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary

clean: ## remove .venv, results and caches
	@rm -rf .venv out site docs/_build tests/lab/node_modules .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Installs what one target alone needs, in its pinned version; a .venv that uv made has no pip.
need = $(BIN)/python -c 'import $(1)' 2>/dev/null || \
	{ if command -v uv >/dev/null; then uv pip install -q --python $(BIN)/python -c constraints.txt $(1); \
	else $(BIN)/python -m pip install -q -c constraints.txt $(1); fi; }

# Real clients for the tests of the lab, in exact versions; without Node these tests are skipped.
$(CLIENTS): tests/lab/package.json
	@if command -v npm >/dev/null; then \
	  npm install --prefix tests/lab --silent --no-package-lock --no-audit --no-fund \
	    --ignore-scripts && touch $@; \
	else \
	  echo "There is no npm: the tests on real JavaScript clients are skipped"; \
	fi

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "simlib needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1):" \
	    "name another with make PYTHON=python3.12" >&2; exit 1; }
	@echo "Installing simlib and what it needs into .venv, once: one to five minutes, longer on a busy machine"
	@if command -v uv >/dev/null; then \
	  echo "1 of 2: making .venv"; \
	  uv venv --quiet --allow-existing --python $(PYTHON) .venv && \
	  echo "2 of 2: downloading and installing the packages" && \
	  uv pip install --python $(BIN)/python -c constraints.txt -e '.[dev]'; \
	else \
	  echo "1 of 2: making .venv"; \
	  $(PYTHON) -m venv .venv || exit 1; \
	  echo "2 of 2: downloading and installing the packages"; \
	  { $(BIN)/python -m pip --disable-pip-version-check install -c constraints.txt -e '.[dev]'; \
	    echo $$? > .venv/.status; } | while IFS= read -r line; do case "$$line" in \
	      Collecting*) n=$$((n + 1)); printf '\r  %s packages found ' "$$n";; \
	      "Installing collected"*) printf '\n  all are here; installing them\n';; \
	    esac; done; \
	  exit "$$(cat .venv/.status)"; \
	fi
	@touch $@
