# `make demo` and `make test` set up what they need. `make help` lists the rest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install -q -c constraints-dev.txt
# A process a core; each takes about a gigabyte, so not more than four.
# Neighbours stay in one process, as far as the work allows: what they share is then made once.
PARALLEL := -n auto --maxprocesses 4 --dist worksteal
DEMO := demo/lsg-all-MiniLM-L6-v2-4096

.PHONY: help demo test test-fast test-all screens fuzz matrix lint format bench bench-speed bench-peers bench-gpu clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints-dev.txt | $(VENV)/bin/python
	$(PIP_INSTALL) -e ".[demo]"
	@touch $@

$(VENV)/.dev: pyproject.toml constraints-dev.txt | $(VENV)/bin/python
	$(PIP_INSTALL) -e ".[dev]"
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo ## convert a real model to 4096 tokens and embed a long text with it
	$(BIN)/python examples/demo.py $(DEMO)

test: $(VENV)/.dev ## run the tests that every change must pass
	$(BIN)/python -m pytest $(PARALLEL) -m "not product"

test-fast: $(VENV)/.dev ## run those of them that are not slow
	$(BIN)/python -m pytest $(PARALLEL) -m "not product and not slow"

test-all: $(VENV)/.dev ## run all tests: every check on every head, every pair of settings
	$(BIN)/python -m pytest $(PARALLEL)

screens: $(VENV)/.dev ## draw anew what commands show, kept in tests/cli/screens; then look at the difference
	$(BIN)/python -m tests.cli.screens

fuzz: $(VENV)/.dev ## 10,000 damaged checkpoints and folders through the commands (the suite has 2,000)
	LSG_FUZZ_CASES=10000 $(BIN)/python -m pytest $(PARALLEL) tests/reliability/test_fuzz_commands.py

matrix: $(VENV)/.dev ## load folders of all families on seven releases of transformers, 4.48.3 to the newest
	$(BIN)/python .ci/matrix.py

lint: $(VENV)/.dev ## ruff and mypy
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.dev ## let ruff format the code and sort imports
	$(BIN)/ruff check --fix-only -q .
	$(BIN)/ruff format .

bench: $(VENV)/.dev ## time and memory of converting a BART-large-sized checkpoint
	$(BIN)/python benchmarks/conversion.py

bench-speed: $(VENV)/.dev ## time and memory of the encoder against dense attention and, after bench-peers, its peers
	$(BIN)/python benchmarks/speed.py --sides "lsg;dense;longformer;led;bigbird;longt5"

bench-peers: $(VENV)/.dev ## set up lsg-converter 0.1.9 in an environment of its own, and compare with it
	$(BIN)/python benchmarks/peers.py
	$(BIN)/python benchmarks/speed.py --sides "lsg;dense;lsg-converter" --tokens 4096

bench-gpu: $(VENV)/.dev ## forward and training on a GPU in bfloat16, FlexAttention and SDPA against dense flash attention
	$(BIN)/python benchmarks/peers.py
	$(BIN)/python benchmarks/speed.py --device cuda --dtype bfloat16 --modes forward,train --batch 4 --tokens 4096,16384 \
		--sides "lsg;lsg:attention_backend=flex;dense;lsg-converter;longformer" --json benchmarks/gpu.json

clean: ## remove what the targets made, environments included
	rm -rf .envs demo dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis $(VENV)
