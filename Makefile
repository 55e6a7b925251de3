# Two commands: `make demo` shows Treadle at work, `make test` proves it.
# They need Python 3.11 or newer with venv, make and git; everything else they install into .venv.

# Each tool is called as in tox.ini: by its own name, from .venv.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

PIP := .venv/bin/python -m pip --quiet --disable-pip-version-check

.PHONY: demo test lint rooms types suites servers clean
.NOTPARALLEL:

demo: .venv/.demo ## a real worker measures the standard library, one job per file, in under a minute
	@.venv/bin/treadle demo

test: lint rooms types suites ## every check and every test

lint: .venv/.test ## style
	ruff check
	ruff format --check

rooms: .venv/.test ## the walls between rooms
	lint-imports --no-logo

types: .venv/.test ## static types
	mypy
	pyright --pythonpath .venv/bin/python

suites: servers ## all tests
	pytest

servers: .venv/.test ## install the servers that the tests need
	@python -m tests.servers ensure

clean: ## forget everything that was installed or cached
	rm -rf .venv .tox .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist

# The newest Python that can do it. A name on the PATH is not enough: some only say which versions there are.
.venv/.python:
	@for python in python3.13 python3.12 python3.11 python3; do \
	    if $$python -c 'import sys, venv, ensurepip, sqlite3, ssl; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        $$python -m venv --clear .venv && touch $@ && exit 0; \
	    fi; \
	done; \
	echo "Treadle needs Python 3.11 or newer that can make virtual environments, and found none." >&2; \
	echo "On Debian and Ubuntu: apt-get install python3 python3-venv" >&2; \
	exit 1

.venv/.demo: .venv/.python pyproject.toml
	@$(PIP) install --editable '.[redis]'
	@touch $@

# Dependency groups need pip 25.1.
.venv/.test: .venv/.python pyproject.toml
	@$(PIP) install --upgrade 'pip>=25.1'
	@$(PIP) install --editable '.[all]' --group test --group lint --group rooms --group types
	@touch $@ .venv/.demo
