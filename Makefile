# `make` lists the targets. PYTHON is the interpreter that creates .venv.
SHELL := /bin/bash
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export DO_NOT_TRACK := 1
export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true
export HF_HUB_DISABLE_TELEMETRY := 1
# In a container, a user without an entry in passwd has neither variable, and DVC needs both.
export LOGNAME := $(or $(LOGNAME),$(USER),$(shell id -un >/dev/null 2>&1 && id -un || echo uid$$(id -u)))
export HOME := $(or $(HOME),/)
READY := .venv/.ready
FEATURES := .venv/.features
# Errors only: pip warns of the user's own settings, in hundreds of lines with some.
PIP := python -m pip install --quiet --quiet --disable-pip-version-check

.PHONY: help repository setup setup-features demo repro runs test test-slow test-browser test-gpu test-faults check bench ui
help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(READY)  ## create .venv and install the versions in requirements.lock
$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) not found; install Python 3.11 or newer, or set PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed, and %s is %s; set PYTHON=…" % (sys.executable, sys.version.split()[0]))'
	@$(PYTHON) -c 'import shutil, sys; free = shutil.disk_usage(".").free / 2**30; sys.exit(free < 4 and "error: %.1f GiB of disk space are free here, and 4 are needed: 2.4 for the libraries, 1.5 for models" % free)'
	@echo "installing into .venv: 2.3 GB, a few minutes"
	@$(PYTHON) -m venv .venv
	@$(PIP) --requirement requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

setup-features: $(FEATURES)  ## also install what single features need (clue-ner sweep): requirements-features.lock
$(FEATURES): $(READY) requirements-features.lock
	@$(PIP) --requirement requirements-features.lock
	@touch $@

demo: setup  ## run all stages on the sample corpus, in demo/: two minutes, no hub, no GPU
	@python -m clue_ner.demo

repository:
	@[ "$$(git rev-parse --show-toplevel 2>/dev/null)" -ef . ] || grep -qs 'no_scm = true' .dvc/config.local || { \
	  echo "error: this folder is not a git repository of its own, which DVC needs: git init && git add --all && git commit -m start" >&2; exit 1; }

repro: repository setup  ## run the pipeline with the values of params.yaml (dvc repro)
	dvc repro

runs: repository setup  ## compare DVC's experiments: changed params and scores
	@python -m clue_ner.experiments.runs

test: setup  ## run the tests, two files at a time
	OMP_NUM_THREADS=1 python -m pytest -n 2 --dist loadfile

test-slow: setup  ## the tests that make test leaves out: whole pipelines, killed trainings, several processes
	OMP_NUM_THREADS=1 python -m pytest -n 2 --dist loadfile -m slow

test-browser: setup-features  ## test the page of clue-ner serve in Chromium: apt-get install chromium fonts-noto-cjk
	OMP_NUM_THREADS=1 python -m pytest -rs -m browser tests/browser

test-gpu: setup  ## test what an NVIDIA card computes; needs torch with CUDA, and for ONNX onnxruntime-gpu
	OMP_NUM_THREADS=1 python -m pytest -rs -m gpu tests/gpu

test-faults: setup  ## real kills, outages, damaged files, full disks; KILLS=30 SEED=1 FUZZ=20000 set how many and when
	FUZZ=$${FUZZ:-20000} python -m pytest -m 'faults or not faults' tests/faults tests/stages/test_checksums.py tests/common/test_secrets.py tests/serving/test_service.py

check: setup  ## check lint, format, types, import contracts
	ruff check .
	ruff format --check .
	mypy
	lint-imports --no-cache

bench: setup  ## measure speed against a plain loop and the stock Trainer: docs/bench.md
	python -m bench

ui: setup  ## start MLflow's UI and print the address of the runs. PORT=5001 sets the port; default: the first free one
	@clue-ner ui $(if $(PORT),--port $(PORT))
