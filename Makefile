# Each target sets up .venv by itself; it needs make and Python 3.11 or newer with its venv module.
.DEFAULT_GOAL := help
.PHONY: help demo test test-long test-kafka lint types contracts bench quality trial fuzz chaos chaos-short clean

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready

help: ## Say what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "squall needs Python 3.11 or newer; found $$($(PYTHON) --version). Name another: make PYTHON=/path/to/python"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	PIP_CONSTRAINT=$(CURDIR)/constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

demo: $(READY) ## Everything on this machine: broker, workers, a simulated exchange with planted incidents
	$(BIN)/squall demo

test: $(READY) ## The tests, in some minutes
	$(BIN)/python -m pytest -q -n 3 -m "not slow and not benchmark"

test-long: $(READY) ## The tests that take longer each: whole demos, browsers, Prometheus over a running exchange, kills
	$(BIN)/python -m pytest -q -n 3 -m "slow and not benchmark"

test-kafka: $(READY) ## The tests that use a broker, on Apache Kafka; needs Java 17, openssl and, once, Maven
	$(BIN)/python -m pytest -q --kafka -m "kafka and not benchmark"

lint: $(READY) ## Style and common faults
	$(BIN)/ruff check .

types: $(READY) ## Types, strictly
	$(BIN)/mypy

contracts: $(READY) ## What may import what
	$(BIN)/python -m pytest -q -m "not benchmark" tests/contracts

bench: $(READY) ## Measure throughput and latency on this machine, into bench.json
	$(BIN)/python -m tests.benchmarks

quality: $(READY) ## How well planted incidents are found, against baselines, into quality/quality.json and quality.html
	$(BIN)/python -m tests.benchmarks.detection --out quality

trial: $(READY) ## Try that the benchmark works, and that memory holds under ten times the input, in two minutes
	$(BIN)/python -m pytest -q -m benchmark

fuzz: $(READY) ## A million hostile inputs through decoders, stages and replay, into fuzz.json
	$(BIN)/python -m tests.fuzz --inputs 1000000

chaos: $(READY) ## Everything goes wrong, for half an hour and more, on Apache Kafka; into chaos.json
	$(BIN)/python -m tests.chaos

chaos-short: $(READY) ## The same in four minutes
	$(BIN)/python -m tests.chaos --short --again

clean: ## Remove what the other targets made
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis bench.json fuzz.json chaos.json quality
