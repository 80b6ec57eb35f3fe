# Needs Python 3.11 or newer and make; everything else comes from the package index, pinned and hashed.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules
# Uncompiled, MLflow takes twice as long to start.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= $(shell command -v python3.11 || command -v python3)
# More than cores: tests wait for the servers that they start. Each process takes nearly 1 GB, its servers as much.
JOBS ?= 4
BIN := .venv/bin
STAMP := .venv/.waypost-ready
ONLY ?=
ARGS ?=
LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet $(ARGS)
RUNTIME := --extra serve --extra drawing --extra bom --extra hybrid --extra sagemaker --extra vertex --extra postgres --extra redis --extra artifacts --extra otel

.PHONY: help setup lint audit-deps test browser test-ui test-vendors soak bench demo docs lock lock-vendors clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r t d; do printf '  make %-11s %s\n' "$$t" "$$d"; done

setup: $(STAMP)  ## make .venv with the locked requirements

$(STAMP): pyproject.toml requirements-dev.txt requirements-uv.txt
	@"$(PYTHON)" -c 'import sys; sys.exit("Waypost needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + ": pass another as make PYTHON=...") if sys.version_info < (3, 11) else 0'
	@test -x $(BIN)/python || "$(PYTHON)" -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.txt
	@VIRTUAL_ENV="$(CURDIR)/.venv" $(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes requirements-dev.txt
	@VIRTUAL_ENV="$(CURDIR)/.venv" $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@cd / && "$(CURDIR)/$(BIN)/python" -c 'import adapters, sys; sys.exit(0 if adapters.__file__.startswith(sys.argv[1]) else f"another package owns the name adapters: {adapters.__file__}")' "$(CURDIR)"
	@touch $@

lint: $(STAMP) audit-deps  ## style, types, known vulnerabilities
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

audit-deps: $(STAMP)  ## are vulnerabilities known in what we lock? (asked once a day)
	@test -n "$$(find .venv/.audited -newer requirements.txt -mtime -1 2>/dev/null)" \
	  || { code=0; $(BIN)/python -m tests.dependency_audit requirements.txt || code=$$?; \
	       case $$code in 0) touch .venv/.audited;; 3) ;; *) exit $$code;; esac; }

test: $(STAMP)  ## the whole suite
	@# A browser's event loop must not share a process with the other tests, and leaves them time.
	$(BIN)/python -m pytest -q -rs tests/ui & pages=$$!; others=0; \
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup --ignore=tests/ui $(ARGS) || others=$$?; \
	wait $$pages && exit $$others

browser: # Debian's Chromium, where none is here and apt can install it
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || test -n "$${WAYPOST_CHROMIUM:-}" \
	  || { timeout 60 apt-get update -qq && timeout 240 apt-get install -qq -y --no-install-recommends chromium; } >/dev/null 2>&1 \
	  || echo "no Chromium is here and apt cannot install one: the tests of the pages are skipped (WAYPOST_CHROMIUM names a browser)"

test-ui: $(STAMP) browser  ## the pages in a real browser, which this installs (Debian's Chromium)
	$(BIN)/python -m pytest tests/ui $(ARGS)

test-vendors: $(STAMP)  ## the vendors' own clients, each in an environment of its own, which this makes
	$(BIN)/python -m pytest --vendors tests/vendors $(ARGS)

soak: $(STAMP)  ## kills, soaks and fuzzes at full size: make soak [ONLY=name]
	$(BIN)/python -m tests.soak $(ONLY)

bench: $(STAMP)  ## measure against the goals: make bench [ONLY=name]
	$(BIN)/python -m tests.benchmarks $(ONLY)

demo: $(STAMP)  ## teams on MLflow, SageMaker, Vertex AI, a share, git and images, one gateway
	@$(BIN)/waypost demo

docs: $(STAMP)  ## write config/REFERENCE.md from the code
	@$(BIN)/python -m tests.reference

lock: $(STAMP)  ## resolve the requirements anew: make lock [ARGS=--upgrade]
	$(BIN)/uv pip compile $(LOCK) --extra dev -o requirements-dev.txt pyproject.toml >/dev/null
	$(BIN)/uv pip compile $(LOCK) $(RUNTIME) -c requirements-dev.txt -o requirements.txt pyproject.toml >/dev/null
	grep '^uv==' requirements-dev.txt | tr -d ' \\' | $(BIN)/uv pip compile $(LOCK) -o requirements-uv.txt - >/dev/null

lock-vendors: $(STAMP)  ## resolve what the vendors' clients require anew: make lock-vendors [ONLY=name]
	for wanted in tests/vendors/$(or $(ONLY),*).in; do \
	  $(BIN)/uv pip compile $(LOCK) -o "$${wanted%.in}.txt" "$$wanted" >/dev/null; \
	done

clean:  ## remove the environment and every cache
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .demo .vendors build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
