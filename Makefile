# What there is to do here; `make` alone lists it.

# Any Python from 3.11 on; only used to make .venv.
PYTHON ?= python3
# Processes that share the tests: a number, or as many as there are cores, up to eight.
WORKERS ?= logical
EXTRAS := demo,hub,tensorboard,test
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# One thread for each process: with several, small networks lose more to waiting than they gain. Some environments keep
# Python from storing what it compiles; then each of the processes that tests start compiles the package once more.
PYTEST := OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest \
	-n $(WORKERS) --maxprocesses 8 --jaxtyping-packages=tinybert,beartype.beartype
QUICK := -m "not slow and not gpu and not hub"

.DEFAULT_GOAL := help
.PHONY: help venv demo check test coverage test-slow test-deploy bench format clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(READY) ## make .venv with the tested versions

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$(EXTRAS)]"
	@touch $@

demo: $(READY) ## the whole job on shipped data, offline; leaves tinybert-demo/
	$(BIN)/tinybert demo --output tinybert-demo

check: $(READY) ## style, types, who may import whom, docstrings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/interrogate --quiet src
	$(BIN)/mypy

test: check ## everything of check, then the tests
	$(PYTEST) $(QUICK)

coverage: $(READY) ## the same tests, slower, and what they do not reach
	$(PYTEST) $(QUICK) --cov --cov-report=term

test-slow: $(READY) ## the tests that take minutes
	$(PYTEST) -m slow

test-deploy: $(READY) ## the wheel by itself; exports in other programs, from npm and PyPI, and in Chromium; needs node
	$(PYTEST) -n 0 -s -m hub tests/test_wheel.py tests/export/test_deploy.py

bench: $(READY) ## speeds on processors (benchmarks/README.md); a quarter of an hour on an idle machine
	$(BIN)/python benchmarks/distillation_step.py --threads 1
	$(BIN)/python benchmarks/augmentation.py --threads 1 --rows 24 --slow-rows 3 --repeats 1
	$(BIN)/python benchmarks/inference.py --pieces 32 128 --texts 1

format: $(READY) ## let ruff write the style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove .venv and caches; the next command makes them again
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage
