# Everything runs from a virtual environment of its own; Python 3.11 or later is all that must be there.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

# Whoever is cut off (Ctrl-C, or make killed with -9) leaves CUT, and whatever follows then takes nothing for installed.
# What runs long is started by make itself, bound to it: the kernel ends it should make be killed.
CUT    := $(VENV)/.installing
ANEW   := $(wildcard $(CUT))
SETPRIV := $(shell command -v setpriv 2>/dev/null)
BOUND  := $(if $(SETPRIV),$(SETPRIV) --pdeathsig KILL)
NPM    := env PATH="$(abspath $(BIN)):$(PATH)" $(BOUND) npm --prefix console
PIP    := $(BOUND) $(BIN)/python -m pip --quiet --disable-pip-version-check install $(if $(ANEW),--ignore-installed)

# Certificates that the machine trusts beyond the usual (a company's proxy, say) count for every installer.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt),)
export UV_SYSTEM_CERTS := 1
export NODE_USE_SYSTEM_CA := 1
endif

.DEFAULT_GOAL := help
.PHONY: help install up test check mutants systems bench soak season console lock openapi schema settings

help: ## Say what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

# Everything is compiled here, once: where Python may not write bytecode, each start would compile it all again.
$(STAMP): requirements.lock pyproject.toml sandbox/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Sublet needs Python 3.11 or later, and $(PYTHON) is older. Run: make PYTHON=/path/to/python3.11 …" >&2; exit 1; }
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) || \
	  { echo "The virtual environment could not be made. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing Python packages (once)"
	@touch $(CUT)
	@$(PIP) uv
	@$(BOUND) $(BIN)/uv pip sync --quiet --compile-bytecode --require-hashes $(if $(ANEW),--reinstall) --python $(BIN)/python requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable . --editable ./sandbox
	@$(BOUND) $(BIN)/python -m compileall -q src node sandbox
	@rm $(CUT)
	@touch $@

install: $(STAMP) ## Set up the virtual environment with all that is developed here

CONSOLE_SOURCES := $(shell find console -path console/node_modules -prune -o -path 'console/dist*' -prune -o -type f -print 2>/dev/null)

console/node_modules/.installed: $(STAMP) console/package-lock.json
	@echo "Installing the console's packages (once)"
	@$(NPM) ci --silent --no-audit --no-fund --no-update-notifier
	@touch $@

console/dist/index.html: console/node_modules/.installed $(CONSOLE_SOURCES)
	@echo "Building the console"
	@$(NPM) run --silent build -- --logLevel warn --outDir dist.new --emptyOutDir
	@rm -rf console/dist && mv console/dist.new console/dist

console: console/dist/index.html ## Build the console

up: $(STAMP) console/dist/index.html ## Set everything up and run Sublet with a demo node and a card sandbox
	@$(BOUND:KILL=TERM) $(BIN)/sublet up

test: $(STAMP) console/dist/index.html ## Set everything up and run every test
	@$(BIN)/python -m tests.support.prepare
	@cd console && PATH="$(abspath $(BIN)):$$PATH" npm run --silent test
	@$(BIN)/python -m tests.support.run
	@$(BIN)/python -m tests.support.run --on-debian

check: $(STAMP) console/dist/index.html ## Format, lint, types, imports and the built console
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/ruff check --target-version py39 --select E9,F node/sublet_node
	@cd node && $(abspath $(BIN))/mypy --config-file ../pyproject.toml --python-version 3.10 -p sublet_node
	@$(BIN)/lint-imports
	@cd console && PATH="$(abspath $(BIN)):$$PATH" && export PATH && npm run --silent typecheck && npm run --silent lint && npm run --silent size

systems: $(STAMP) ## Enrol and leave on Debian 13, Ubuntu 22.04 and 24.04 (minutes; needs root and their archives)
	@SUBLET_TEST_REQUIRE_ALL=1 $(BOUND) $(BIN)/python -m pytest -q -s tests/node/systems.py

mutants: $(STAMP) ## Change words of the guards, and say which change no test notices
	@$(BOUND) $(BIN)/python -m tests.mutants

bench: $(STAMP) ## Measure as ratios against floors and peers, in one run
	@$(BIN)/python -m bench

soak: $(STAMP) ## Launch and release on real nodes while workers are killed, for eight minutes at most
	@$(BIN)/python -m tests.faults.soak

season: $(STAMP) ## Play ninety days of two hundred organizations against an oracle, for half an hour at most
	@SUBLET_TEST_SEASON=$${SUBLET_TEST_SEASON:-90x200} SUBLET_TEST_SEED=$${SUBLET_TEST_SEED:-random} $(BOUND) timeout 1800 $(BIN)/python -m pytest -q -s -n0 tests/invariants/test_season.py

openapi: $(STAMP) ## Write the console's OpenAPI document and its types anew
	@$(BIN)/python -m sublet.entry.openapi > console/openapi.json
	@cd console && PATH="$(abspath $(BIN)):$$PATH" npm run --silent generate

schema: $(STAMP) ## Write docs/schema.sql and the migrations' checksums anew
	@$(BIN)/python -m tests.support.schema

settings: $(STAMP) ## Write docs/settings.md and docs/work.md anew
	@$(BIN)/python docs

# Neither of the two packages of this repository is in it: they are installed from where they are.
lock: ## Write requirements.lock anew from pyproject.toml
	@$(BIN)/uv pip compile --quiet --all-extras --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate --universal \
	  --python-version 3.11 --no-emit-package sublet-sandbox pyproject.toml -o requirements.lock
