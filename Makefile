# What matters is `make book`, `make test` and `make test-slow`. They bring .venv up to date first.
#
# On Linux the torch of PyPI carries CUDA, several gigabytes. For the CPU build, set
#     PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
# The same pin admits it, and pip prefers it.

PYTHON ?= python3
TIER   ?= quick

VENV  := .venv
READY := $(VENV)/ready

# Equal sources give an equal site, byte for byte.
export PYTHONHASHSEED := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help book serve test test-slow lint clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

book: $(READY)  ## Run every chapter and build the site; TIER=smoke or quick
	$(VENV)/bin/bioprop book --tier $(TIER)

serve: $(READY)  ## Show the built site in a browser
	$(VENV)/bin/bioprop serve

test: lint  ## Check the code, then run the tests but for the slow ones
	$(VENV)/bin/python -m pytest -n auto -m "not slow"

test-slow: $(READY)  ## Run the slow tests: the whole book, in a browser, and all studies
	$(VENV)/bin/python -m pytest -n auto -m slow

lint: $(READY)  ## Check style and types
	$(VENV)/bin/ruff check --quiet
	$(VENV)/bin/ruff check --quiet --line-length 79 chapters
	$(VENV)/bin/mypy

clean:  ## Remove the built book and all caches; keep .venv and data
	rm -rf _build .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# The stamp is written last and --clear removes it, so a setup cut short is done again.
# pip is quiet in a log, and shows its progress to a person. A requirement that bears a time to come
# lends it to the stamp, or all would be set up at each call until then.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "bioprop needs Python 3.11 or newer, and PYTHON=$(PYTHON) is not:" \
	         "try make book PYTHON=python3.11" >&2; exit 1; }
	@echo "Setting up $(VENV), a few minutes; again only when a requirement changes"
	@$(PYTHON) -m venv --clear $(VENV)
	@[ -t 1 ] || quiet=--quiet; \
	 $(VENV)/bin/python -m pip install $$quiet -c constraints.txt -e '.[book,cluster,test]'
	@touch $@
	@for file in $^; do [ ! $$file -nt $@ ] || touch -r $$file $@; done
