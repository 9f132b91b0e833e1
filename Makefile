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

.PHONY: test
test: $(VENV)/.built test-tools ## Run all tests, installing what they need.
	cargo test --quiet --profile fast
	python -m pytest --quiet $(PYTEST_FLAGS)

.PHONY: bench-core
bench-core: ## Measure the core against the reference book.
	cargo bench --quiet --bench core

.PHONY: bench-entry
bench-entry: $(VENV)/.built ## Measure durable order entry over gRPC against an echo server.
	python benchmarks/entry.py

.PHONY: bench-boundary
bench-boundary: $(VENV)/.built ## Measure the boundary between Python and Rust.
	python benchmarks/boundary.py

.PHONY: bench-jobs
bench-jobs: $(VENV)/.built ## Measure background jobs against empty workflows of the same library.
	python benchmarks/jobs.py

.PHONY: edge-config
edge-config: $(VENV)/.built ## Render envoy/ for production.
	$(BIN)/farmgate edge-config envoy

.PHONY: clean
clean: ## Remove what was built; data and settings stay.
	rm -rf $(VENV) target python_server/farmgate/_matching*.so
