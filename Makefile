# uspan: `make help` lists the targets.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules

# Node.js 24 as brought by setup, then the tools of package.json.
export PATH := $(CURDIR)/.toolchain/node/node_modules/.bin:$(CURDIR)/node_modules/.bin:$(PATH)
# As root everything can run, so a skipped kernel test is a failed one.
export REQUIRE_KERNEL ?= $(if $(filter 0,$(shell id -u)),1,)

# Directories are listed too: their time changes when a file comes or goes.
sources := $(shell find src)
results := build/test-results
vitest := vitest run --reporter=default --reporter=json

##@ Use
demo: build examples ## Run the example shop and show its traces
	bin/uspan demo

examples: ## Build the example shop: Go, Node.js, and an addon
	@$(MAKE) -C examples/go-app
	@$(MAKE) -C examples/node-app

##@ Build
setup: ## Install what building needs (as root also Debian packages)
	@scripts/setup.sh build

build: setup ## Build the native addon, the BPF objects and dist/
	@scripts/build-native.sh
	@scripts/build-bpf.sh
	@$(MAKE) build/.dist

# From scratch, so that dist never holds a module whose source is gone.
build/.dist: tsconfig.json tsconfig.build.json package-lock.json $(sources)
	rm -rf dist build/tsc.tsbuildinfo
	tsc -p tsconfig.build.json
	@mkdir -p $(@D) && touch $@

clean: ## Remove what a build makes (.toolchain and node_modules stay)
	rm -rf build dist native/build coverage

##@ Test
test: build examples ## Lint, type check and run all tests (as root those with the kernel too)
	@scripts/setup.sh test
	@$(MAKE) lint typecheck
	$(vitest) --outputFile.json=$(results)/host.json
	@[ -z "$(REQUIRE_KERNEL)" ] || node .ci/summary.mjs $(results) host

test-kernels: build ## Run the core kernel test under Linux 6.1 and 6.12 in qemu (root)
	scripts/test-kernels.sh $(results)

test-backends: build ## Build the real Jaeger and OpenTelemetry Collector (minutes, once) and test against them (root)
	scripts/build-backends.sh
	REQUIRE_BACKENDS=1 vitest run test/e2e/backends.test.ts

fuzz: build ## Feed damaged files and SQL to every parser, for FUZZ_SECONDS (60)
	node scripts/fuzz.ts --seconds $${FUZZ_SECONDS:-60}

soak-node: build examples ## Load every Node.js release while uspan attaches and detaches (root; half an hour)
	@scripts/setup.sh test
	node scripts/soak-node.ts

soak-outage: build ## Take the collector away for five minutes under load (root; six minutes)
	node scripts/soak-outage.ts

bench: build ## Measure what tracing costs a Go server (minutes; writes nothing)
	@scripts/setup.sh test
	node bench/go-http.ts

lint: ## Check style
	biome check .

format: ## Repair style where a tool can
	biome check --write .

typecheck: ## Check types
	tsc -p tsconfig.json --noEmit

help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

.PHONY: demo examples setup build clean test test-kernels test-backends fuzz soak-node soak-outage bench lint format typecheck help
