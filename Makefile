# Everything a checkout needs. `make help` lists it; PYTHON=/path/to/python3 chooses the Python.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

ADDRESS ?= 127.0.0.1:9100
VENV := .venv
BIN := $(VENV)/bin
SOURCES := pyproject.toml $(shell find src -type f -not -name '*.pyc')
# A development environment runs the checkout as it is, so it is always up to date for `run`.
RUNNABLE := $(if $(wildcard $(VENV)/.dev),$(VENV)/.dev,$(VENV)/.run)

$(VENV)/.run: $(SOURCES)
	@tools/environment.sh $(VENV) run

$(VENV)/.dev: pyproject.toml tools/environment.sh
	@tools/environment.sh $(VENV) dev

.PHONY: run
run: $(RUNNABLE) ## measure this machine: install into .venv and serve on http://127.0.0.1:9100
	@echo "nodescope: http://$(ADDRESS)/"
	@exec $(BIN)/python -m nodescope agent --web.listen-address=$(ADDRESS)

.PHONY: test
test: check ## every test this machine can run; says what was skipped, and why
	@$(BIN)/python -m pytest

.PHONY: test-fast
test-fast: check ## static checks and unit tests only
	@NODESCOPE_TIERS=static,unit $(BIN)/python -m pytest

.PHONY: check
check: $(VENV)/.dev ## ruff, mypy, shell syntax, and the generated pages compared
	@$(BIN)/python -m ruff check
	@$(BIN)/python -m ruff format --check --quiet
	@$(BIN)/python -m mypy
	@for script in tools/*.sh .ci/run; do bash -n "$$script" || exit 1; done
	@$(BIN)/python -m tools.generate_docs --check

.PHONY: conformance
conformance: $(VENV)/.dev ## compare with node_exporter's own end-to-end fixtures, family by family
	@$(BIN)/python -m pytest --capture=no tests/live/test_conformance.py

.PHONY: bench
bench: $(VENV)/.dev ## CPU, memory and latency beside node_exporter; rewrites docs/benchmarks.md
	@$(BIN)/python -m tools.bench

.PHONY: test-gpu
test-gpu: $(VENV)/.dev ## on a machine with an NVIDIA GPU: our readings beside nvidia-smi's, idle and under load
	@$(BIN)/python -m tools.gpu_compare

.PHONY: docs
docs: $(VENV)/.dev ## regenerate docs/settings.md, docs/metrics.md and docs/api.md
	@$(BIN)/python -m tools.generate_docs

.PHONY: clean
clean: ## remove environments, builds and caches
	rm -rf $(VENV) .venvs build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests tools -type d -name __pycache__ -prune -exec rm -rf {} +

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14
