# Every task of the project. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
PROTO_FILES = $(shell cd proto && find farmgate -name '*.proto' | sort)
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help
help: ## List the tasks.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

# The tools and libraries at exactly the locked versions, hashes checked.
$(VENV)/.synced: requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Farmgate needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --require-hashes -r requirements.lock
	touch $@

RUST_SOURCES = Cargo.toml Cargo.lock matching_core/Cargo.toml $(shell find matching_core/src -name '*.rs')

# The Rust extension, in release form, inside python_server.
$(VENV)/.built: $(VENV)/.synced $(RUST_SOURCES) pyproject.toml
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/maturin develop --release --quiet --skip-install
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

.PHONY: setup
setup: $(VENV)/.synced ## Install the locked tools and libraries into .venv.

.PHONY: build
build: $(VENV)/.built ## Build the Rust extension and install the package into .venv.

.PHONY: lock
lock: $(VENV)/.synced ## Renew requirements.lock after a change of pyproject.toml.
	uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --group dev pyproject.toml -o requirements.lock

.PHONY: proto
proto: $(VENV)/.synced ## Generate python_server/farmgate/api and the descriptors from proto/.
	buf format -w --path proto/farmgate
	rm -rf python_server/farmgate/api python_server/buf
	mkdir -p python_server/farmgate/api
	python -m grpc_tools.protoc -Iproto -Iproto/third_party \
	  --python_out=python_server --grpc_python_out=python_server \
	  --mypy_out=quiet:python_server --mypy_grpc_out=quiet:python_server $(PROTO_FILES)
	python -m grpc_tools.protoc -Iproto/third_party \
	  --python_out=python_server --mypy_out=quiet:python_server buf/validate/validate.proto
	find python_server/farmgate/api python_server/buf -type d -exec touch {}/__init__.py ';'

.PHONY: docs
docs: $(VENV)/.synced ## Generate the documents that are made of the code.
	PYTHONPATH=python_server python scripts/generate_errors_doc.py
	PYTHONPATH=python_server python scripts/generate_settings_doc.py
	PYTHONPATH=python_server python scripts/generate_openapi.py
	python scripts/generate_postman.py
	python scripts/generate_dashboards.py
	PYTHONPATH=python_server python scripts/generate_authorization_doc.py

.PHONY: up
up: $(VENV)/.built ## Build and run the whole exchange on this machine until Ctrl-C.
	exec $(BIN)/farmgate up $(UP_FLAGS)

.PHONY: check
check: $(VENV)/.built ## Check formats, lints, types, imports, protos and generated code.
	cargo fmt --all --check
	cargo clippy --quiet --all-targets -- -D warnings
	cargo clippy --quiet --features python -- -D warnings
	ruff format --check --quiet python_server tests benchmarks scripts
	ruff check --quiet python_server tests benchmarks scripts
	mypy
	lint-imports --no-logo 2>/dev/null || lint-imports
	buf lint proto
	codespell --quiet-level 2 --ignore-words-list bu,ines,mape,weighin README.md docs envoy/README.md docker-compose.yml \
	  matching_core/src python_server/farmgate proto/farmgate --skip '*/api/*'
	$(MAKE) --no-print-directory drift

.PHONY: drift
drift: $(VENV)/.synced ## Check that generated files are what the protos give.
	scripts/check-generated

.PHONY: format
format: $(VENV)/.synced ## Format everything.
	cargo fmt --all
	ruff check --quiet --fix python_server tests benchmarks scripts || true
	ruff format --quiet python_server tests benchmarks scripts
	buf format -w --path proto/farmgate

.PHONY: test-tools
test-tools: ## Install the servers and the browser that tests use.
	scripts/install-test-tools

# Files of tests run two at a time: each starts servers of its own on free ports. What fails is
# tried once more and named as RERUN: some wait for real processes on a machine that others use.
PYTEST_WORKERS ?= 2

.PHONY: test
test: $(VENV)/.built test-tools ## Run all tests, installing what they need.
	cargo test --quiet --profile fast
	scripts/determinism 200000
	python -m pytest --quiet -n $(PYTEST_WORKERS) --dist loadfile --reruns 1 -r R \
	  -m "not soak" $(PYTEST_FLAGS)

.PHONY: soak
soak: $(VENV)/.built test-tools ## Run the tests that take minutes and a quiet machine.
	python -m pytest --quiet -m soak $(PYTEST_FLAGS)

.PHONY: soak-streams
soak-streams: $(VENV)/.built ## Kill the streams' server 25 times under gRPC clients and a browser.
	TEST_STREAM_RESTARTS=25 python -m pytest -q -s tests/durability/test_stream_restarts.py

STATES_WALKS ?= 500
STATES_SEED ?= 1

.PHONY: contract-states
contract-states: $(VENV)/.built ## Walk 500 times through the states of contracts, from a seed on.
	STATES_WALKS=$(STATES_WALKS) STATES_SEED=$(STATES_SEED) python -m pytest -q -s tests/service/contracts/test_states.py

.PHONY: soak-ledger
soak-ledger: $(VENV)/.built ## Kill core and projector 500 times in mid-load, and audit every time.
	LEDGER_ROUNDS=500 python -m pytest -q -s tests/durability/test_conservation.py

.PHONY: sbom
sbom: $(VENV)/.synced ## List all components, Python's and Rust's, in target/sbom.json.
	python scripts/generate_sbom.py

TIMING_PAIRS ?= 2000

.PHONY: test-timing
test-timing: $(VENV)/.built ## Time 2,000 pairs of refused sign-ins, of known and unknown addresses.
	TEST_TIMING_PAIRS=$(TIMING_PAIRS) python -m pytest -q -s tests/service/auth/test_timing.py

# What the core's correctness rests on, in its long forms. A stopped differential run goes on.
DIFFERENTIAL_COMMANDS ?= 100000000
PROPERTY_CASES ?= 50000
DETERMINISM_COMMANDS ?= 10000000

.PHONY: differential
differential: ## Run the engine against the oracle, 100 million commands.
	mkdir -p target
	FARMGATE_DIFFERENTIAL_COMMANDS=$(DIFFERENTIAL_COMMANDS) FARMGATE_DIFFERENTIAL_THREADS=2 \
	FARMGATE_DIFFERENTIAL_PROGRESS=$(CURDIR)/target/differential.progress \
	  cargo test --quiet --profile fast --test differential -- --nocapture test_engine_agrees_with_the_oracle

.PHONY: properties
properties: ## Hold the core's invariants against ten million commands.
	FARMGATE_PROPERTY_CASES=$(PROPERTY_CASES) cargo test --quiet --profile fast --test properties

.PHONY: determinism
determinism: ## Compare debug and release builds over ten million commands.
	scripts/determinism $(DETERMINISM_COMMANDS) release

# Without a nightly compiler; the code is free of `unsafe`, so there is nothing for a sanitizer.
FUZZ_SECONDS ?= 60
CARGO_FUZZ = target/tools/bin/cargo-fuzz

$(CARGO_FUZZ):
	cargo install --quiet --locked --root target/tools --version 0.13.1 cargo-fuzz

.PHONY: fuzz
fuzz: $(CARGO_FUZZ) ## Fuzz records, messages, the journal and streams of commands.
	for target in codec wire journal commands; do \
	  RUSTC_BOOTSTRAP=1 $(CARGO_FUZZ) fuzz run --fuzz-dir matching_core/fuzz --sanitizer none $$target -- \
	    -max_total_time=$(FUZZ_SECONDS) -max_len=2400 -print_final_stats=1; \
	done

.PHONY: bench-core
bench-core: ## Measure the core against the reference book.
	cargo bench --quiet --bench core
	cargo bench --quiet --bench special

.PHONY: bench-peers
bench-peers: ## Measure the core beside other engines on the same workloads.
	cd benchmarks/peers && cargo build --quiet --release && mkdir -p target/workloads \
	  && target/release/farmgate_peers generate target/workloads
	cd benchmarks/peers/java && mvn -q -B package dependency:build-classpath -Dmdep.outputFile=target/classpath
	$(PYTHON) -m venv benchmarks/peers/target/venv
	benchmarks/peers/target/venv/bin/pip install --quiet LightMatchingEngine==2019.1.4
	$(PYTHON) benchmarks/peers/compare.py

.PHONY: bench-entry
bench-entry: $(VENV)/.built ## Measure durable order entry over gRPC against an echo server.
	python benchmarks/entry.py

.PHONY: bench-stream
bench-stream: $(VENV)/.built ## Measure streams with many readers, and with readers who take nothing.
	python benchmarks/stream.py $(BENCH_FLAGS)

.PHONY: bench-boundary
bench-boundary: $(VENV)/.built ## Measure the boundary between Python and Rust.
	python benchmarks/boundary.py

# The rivals and what they need, apart from the product's packages.
$(VENV)/bench/.synced: $(VENV)/.synced pyproject.toml
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv pip install --quiet --target $(VENV)/bench --group bench
	touch $@

.PHONY: bench-forecast
bench-forecast: $(VENV)/.built $(VENV)/bench/.synced ## Measure forecasts against a random walk and rivals.
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/forecast.py --rivals AutoTheta,AutoETS $(BENCH_FLAGS)

.PHONY: bench-jobs
bench-jobs: $(VENV)/.built ## Measure background jobs against empty workflows of the same library.
	python benchmarks/jobs.py

.PHONY: bench-journal
bench-journal: $(VENV)/.built ## Measure the journal in PostgreSQL against the one in files.
	python benchmarks/journal.py

.PHONY: test-production
test-production: $(VENV)/.built test-tools ## Run the parts as in production, with ten rolling restarts under load.
	TEST_RESTARTS=5 python -m pytest -q -s tests/production

.PHONY: failovers
failovers: $(VENV)/.built ## Stop and kill the leading server 24 times, and look for false acknowledgements.
	TEST_FAILOVERS=24 python -m pytest -q -s tests/durability/test_failover.py

.PHONY: bench-ledger
bench-ledger: $(VENV)/.built ## Measure the audit of a million accounts against the same sums by SQLite.
	python benchmarks/ledger.py

.PHONY: edge-config
edge-config: $(VENV)/.built ## Render envoy/ for production.
	$(BIN)/farmgate edge-config envoy

.PHONY: clean
clean: ## Remove what was built; data and settings stay.
	rm -rf $(VENV) target python_server/farmgate/_matching*.so
