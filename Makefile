# Each environment is a folder with a stamp in it; it is made again only when what it is made from changes.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

# The first Python of 3.11 or newer; PYTHON=... chooses another.
ifndef PYTHON
PYTHON := $(shell for each in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$each -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$each; break; }; done)
endif
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
METADATA := setup.cfg pyproject.toml
PRODUCT := $(shell find complaint_llm plugins schemas -type f -not -name '*.pyc' 2>/dev/null)

.PHONY: help run local test peers lint wheel benchmark clean

help:
	@echo "make run        answer examples/complaints.jsonl with config.example.json, into answers.jsonl"
	@echo "make local      the same with a model on this machine, fetched once (builds llama.cpp: some minutes)"
	@echo "make test       the whole test suite, in an environment of its own"
	@echo "make peers      add the libraries that the suite compares with, once (some minutes); without them those tests skip"
	@echo "make lint       style, types, direction of imports"
	@echo "make wheel      dist/, installed into an empty environment and used from another folder"
	@echo "make benchmark  measure everything again and write docs/performance.md (about half an hour)"
	@echo "make clean      remove what the targets above made, answers.jsonl too"

# A demonstration's answers are asked again, real ones are kept: the second run of a real job costs nothing.
run: .venv/ready
	@fresh=; if grep -qs '"demo": *true' answers.jsonl; then fresh=--fresh; fi; \
	.venv/bin/complaint-llm -c config.example.json batch examples/complaints.jsonl -o answers.jsonl $$fresh

# Nothing leaves the machine: the model file comes from the Hub once, the intakes stay here.
local: .venv-local/ready
	.venv-local/bin/complaint-llm -c examples/config.local.json batch examples/complaints.jsonl -o answers.local.jsonl -w 1

test: .venv-test/ready
	.venv-test/bin/python -m pytest -n 2 --dist loadgroup -q $(TESTS)

# Libraries that others wrote and tests compare with; tests skip what is missing. llama-cpp-python compiles for minutes.
peers: .venv-test/ready
	.venv-test/bin/python $(PIP_INSTALL) -e ".[test,peers]"

lint: .venv-lint/ready
	.venv-lint/bin/ruff check .
	cd .venv-lint && bin/mypy --config-file ../pyproject.toml -p complaint_llm -p complaint_llm_plugins
	cd .venv-lint && bin/lint-imports --config ../pyproject.toml

wheel: .venv-wheel/built
	rm -rf .venv-wheel/empty .venv-wheel/elsewhere
	$(PYTHON) -m venv .venv-wheel/empty
	.venv-wheel/empty/bin/python $(PIP_INSTALL) "$$(ls $(CURDIR)/dist/*.whl)[cli]"
	mkdir .venv-wheel/elsewhere
	cp examples/complaints.jsonl config.example.json .venv-wheel/elsewhere/
	cd .venv-wheel/elsewhere && ../empty/bin/complaint-llm -c config.example.json batch complaints.jsonl -o answers.jsonl
	@test "$$(wc -l < .venv-wheel/elsewhere/answers.jsonl)" = "$$(wc -l < examples/complaints.jsonl)"
	@ls dist/*

benchmark: .venv-bench/ready
	.venv-bench/bin/python -m benchmarks

clean:
	rm -rf .venv .venv-* build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf benchmarks/.venvs benchmarks/.build answers.jsonl answers.jsonl.journal* answers.local.jsonl answers.local.jsonl.journal*
	find . -name __pycache__ -prune -not -path './node_modules/*' -exec rm -rf {} +

# Editable: what is tried out is the tree. The wheel is tried out by `make wheel` and tests/packaging.
.venv/ready: $(METADATA)
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed (on Debian: apt install python3 python3-venv); or set PYTHON=" >&2; exit 2; }
	$(PYTHON) -m venv .venv
	.venv/bin/python $(PIP_INSTALL) -e ".[cli]"
	@touch $@

.venv-local/ready: $(METADATA)
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed (on Debian: apt install python3 python3-venv); or set PYTHON=" >&2; exit 2; }
	$(PYTHON) -m venv .venv-local
	.venv-local/bin/python $(PIP_INSTALL) -e ".[cli,workstation]"
	@touch $@

.venv-test/ready: $(METADATA)
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed (on Debian: apt install python3 python3-venv); or set PYTHON=" >&2; exit 2; }
	$(PYTHON) -m venv .venv-test
	.venv-test/bin/python $(PIP_INSTALL) -e ".[test]"
	@touch $@

# mypy does not follow an editable install's mapping of folders to packages, so this one is a copy; the checks run from a
# folder in which the source tree does not hide it.
.venv-lint/ready: $(METADATA) $(PRODUCT)
	test -x .venv-lint/bin/python || $(PYTHON) -m venv .venv-lint
	rm -rf build
	.venv-lint/bin/python $(PIP_INSTALL) ruff mypy import-linter types-jsonschema types-PyYAML types-requests pytest hypothesis
	.venv-lint/bin/python $(PIP_INSTALL) --force-reinstall --no-deps .
	.venv-lint/bin/python $(PIP_INSTALL) ".[cli,redis]"
	rm -rf build
	@touch $@

.venv-wheel/built: $(METADATA) $(PRODUCT) README.md MANIFEST.in
	test -x .venv-wheel/bin/python || $(PYTHON) -m venv .venv-wheel
	.venv-wheel/bin/python $(PIP_INSTALL) build
	rm -rf build dist
	.venv-wheel/bin/python -m build --outdir dist .
	@touch $@

.venv-bench/ready: $(METADATA) $(PRODUCT)
	test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	rm -rf build
	.venv-bench/bin/python $(PIP_INSTALL) --force-reinstall --no-deps .
	.venv-bench/bin/python $(PIP_INSTALL) ".[workstation]" gguf numpy
	rm -rf build
	@touch $@
