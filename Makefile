# make demo   shows a real incident found, in a browser
# make test   runs every test
# Both do all their set-up first. `make help` lists the rest.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CANVAS := src/web/canvas
CANVAS_SOURCES := $(shell find $(CANVAS) -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)
export CARGO_TERM_COLOR ?= auto

.PHONY: help demo build test proof chaos soak producers fuzz canvas lint bench release release-check setup setup-build setup-test clean

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile
	@echo 'make build  builds the page and the binary'
	@echo 'make proof  runs the tests that take hours'
	@echo 'make chaos  kills whydunit and a broker again and again; minutes'
	@echo 'make soak   half an hour of load: memory must not grow'
	@echo 'make producers  lets an OpenTelemetry Collector, Telegraf, Alertmanager, rsyslog and kcat write to Kafka, and counts'
	@echo 'make fuzz   gives each decoder random bytes; WHYDUNIT_FUZZ_S seconds each (60)'
	@echo 'make release  packs the binary for other machines; make release-check tries it on a bare Debian, as root'
	@echo 'make bench  runs the benchmarks and prints their ratios'
	@echo 'make lint   formats, clippy'

demo: build
	@target/debug/whydunit demo

build: setup-build $(CANVAS)/dist/index.html
	cargo build --locked

canvas: $(CANVAS)/dist/index.html

$(CANVAS)/node_modules/.package-lock.json: $(CANVAS)/package-lock.json
	cd $(CANVAS) && npm ci --no-audit --no-fund
	@touch $@

# The page's types come from the contract: a newer contract rewrites them, and what does not fit it fails to build.
$(CANVAS)/src/api/schema.d.ts: tests/contract/openapi.json $(CANVAS)/node_modules/.package-lock.json
	cd $(CANVAS) && npm run types
	@touch $@

$(CANVAS)/dist/index.html: $(CANVAS)/node_modules/.package-lock.json $(CANVAS)/src/api/schema.d.ts $(CANVAS_SOURCES)
	cd $(CANVAS) && npm run build
	@touch $@

# What a build needs beyond cargo: a C toolchain, make, perl (OpenSSL), node and npm.
setup-build:
	@tests/support/install.sh build

# What the tests need beyond that: Kafka, Chromium, promtool, kcat, Alertmanager.
setup-test:
	@tests/support/install.sh test

setup: setup-build setup-test

test: setup $(CANVAS)/dist/index.html
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings
	cd $(CANVAS) && npm test
	cargo test --locked

proof: test
	WHYDUNIT_SEEDS=10000 cargo test --locked --release --test simulation -- --nocapture
	@tests/support/install.sh chaos
	@tests/support/install.sh producers
	cargo test --locked -- --ignored

# Real Kafka, real process, real file. WHYDUNIT_KILLS says how many kills, WHYDUNIT_SEED which.
chaos: build
	@tests/support/install.sh chaos
	cargo test --locked --test chaos campaign -- --ignored --nocapture

# Resident memory under steady load. WHYDUNIT_SOAK_S says how long, WHYDUNIT_SOAK_RATE how many records a second.
soak: setup-test $(CANVAS)/dist/index.html
	cargo test --locked --release --test chaos soak -- --ignored --nocapture

# Programs that others wrote, through a real Kafka: every record must be accounted for.
producers: build setup-test
	@tests/support/install.sh producers
	cargo test --locked --test integration producers -- --ignored --nocapture --test-threads 1

# Each decoder on random bytes; WHYDUNIT_FORMAT names one.
fuzz:
	@tests/fuzz/run.sh

# One binary with page, SQLite, librdkafka and OpenSSL inside, and what belongs to it.
release: setup-build $(CANVAS)/dist/index.html
	cargo build --locked --release --bin whydunit
	@docker/pack.sh

# In a folder with a bare Debian and nothing else, as root.
release-check: release
	@tests/support/bare-debian.sh

bench: build
	cargo bench --locked

lint:
	cargo fmt
	cargo clippy --locked --all-targets -- -D warnings

clean:
	cargo clean
	rm -rf $(CANVAS)/node_modules $(CANVAS)/dist .tools
