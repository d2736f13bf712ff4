# One line of meaning each; `make` alone lists them. PYTHON names the interpreter that .venv is made with.
SHELL := /bin/bash
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export DO_NOT_TRACK := 1
export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true
export HF_HUB_DISABLE_TELEMETRY := 1
# A container's user without an entry in passwd has neither of the two, and DVC asks for both.
export LOGNAME := $(or $(LOGNAME),$(USER),$(shell id -un >/dev/null 2>&1 && id -un || echo uid$$(id -u)))
export HOME := $(or $(HOME),/)
READY := .venv/.ready
FEATURES := .venv/.features
PIP := python -m pip install --quiet --disable-pip-version-check

.PHONY: help repository setup setup-features demo repro runs test test-slow test-browser test-faults check bench ui
help:  ## list these
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(READY)  ## make .venv and install exactly what requirements.lock says
$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "error: no $(PYTHON) here; install Python 3.11 or newer, or set PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is wanted, %s is %s; set PYTHON=…" % (sys.executable, sys.version.split()[0]))'
	@$(PYTHON) -c 'import shutil, sys; free = shutil.disk_usage(".").free / 2**30; sys.exit(free < 4 and "error: %.1f GiB of disk are free here, and 4 are wanted: 2.4 for the libraries, 1.5 for models" % free)'
	$(PYTHON) -m venv .venv
	$(PIP) --requirement requirements.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

setup-features: $(FEATURES)  ## also what single features need (clue-ner sweep): requirements-features.lock
$(FEATURES): $(READY) requirements-features.lock
	$(PIP) --requirement requirements-features.lock
	@touch $@

demo: setup  ## all stages on the sample corpus, in demo/: minutes, no hub, no GPU
	python -m clue_ner.demo

repository:
	@[ "$$(git rev-parse --show-toplevel 2>/dev/null)" -ef . ] || grep -qs 'no_scm = true' .dvc/config.local || { \
	  echo "error: no git repository of its own here, which DVC wants: git init && git add --all && git commit -m start" >&2; exit 1; }

repro: repository setup  ## the pipeline as params.yaml says (dvc repro)
	dvc repro

runs: repository setup  ## DVC's experiments side by side: what was changed, and the scores
	@python -m clue_ner.experiments.runs

test: setup  ## the tests, two at a time, each file in one process
	OMP_NUM_THREADS=1 python -m pytest -n 2 --dist loadfile

test-slow: setup  ## whole pipelines, killed trainings, several processes: what make test leaves out
	OMP_NUM_THREADS=1 python -m pytest -n 2 --dist loadfile -m slow

test-browser: setup-features  ## the page of clue-ner serve in Chromium: apt-get install chromium fonts-noto-cjk
	OMP_NUM_THREADS=1 python -m pytest -rs -m browser tests/browser

test-faults: setup  ## kills, outages, damage, full disks, for real; KILLS=30 SEED=1 FUZZ=20000 change how many and when
	FUZZ=$${FUZZ:-20000} python -m pytest -m 'faults or not faults' tests/faults tests/stages/test_checksums.py tests/common/test_secrets.py tests/serving/test_service.py

check: setup  ## lint, format, types, import contracts
	ruff check .
	ruff format --check .
	mypy
	lint-imports --no-cache

bench: setup  ## how fast, against the plain recipe and stock Trainer: docs/bench.md
	python -m bench

ui: setup  ## MLflow's UI; says where the runs are in it. PORT=5001 chooses the port, else it is the first free one
	@clue-ner ui $(if $(PORT),--port $(PORT))
