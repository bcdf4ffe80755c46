# uspan: `make help` lists the targets.
SHELL := /bin/bash
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules

# Node.js, npm and Go as brought by setup, then the tools of package.json.
export PATH := $(CURDIR)/.toolchain/node/node_modules/.bin:$(CURDIR)/.toolchain/go/go/bin:$(CURDIR)/node_modules/.bin:$(PATH)
# As root everything can run, so a skipped kernel test is a failed one.
export REQUIRE_KERNEL ?= $(if $(filter 0,$(shell id -u)),1,)

# Directories are listed too: their time changes when a file comes or goes.
sources := $(shell find src)
results := build/test-results
vitest := vitest run --reporter=default --reporter=json

##@ Use
demo: ## Run the example shop and show its traces (brings and builds what is missing)
	@scripts/setup.sh demo
	bin/uspan demo
	@echo 'Next, as root: bin/uspan discover shows what uspan can trace here, bin/uspan run --console traces it.'

examples: ## Build the example shop: Go, Node.js, and an addon
	@scripts/setup.sh examples

##@ Build
setup: ## Install what building needs (as root also Debian packages)
	@scripts/setup.sh setup

build: ## Build the native addon, the BPF objects and dist/ (after setup)
	@scripts/setup.sh build

# From scratch, so that dist never holds a module whose source is gone.
build/.dist: tsconfig.json tsconfig.build.json package-lock.json $(sources)
	rm -rf dist build/tsc.tsbuildinfo
	tsc -p tsconfig.build.json
	@mkdir -p $(@D) && touch $@

clean: ## Remove what a build makes (.toolchain and node_modules stay)
	rm -rf build dist native/build coverage

##@ Test
test: ## Lint, type check and run all tests (as root those with the kernel too)
	@scripts/setup.sh test
	@$(MAKE) lint typecheck
	$(vitest) --exclude 'test/matrix/**' --outputFile.json=$(results)/host.json
	@[ -z "$(REQUIRE_KERNEL)" ] || node .ci/summary.mjs $(results) host

test-kernels: build ## Run the core kernel test under Linux 6.1 and 6.12 in qemu (root)
	scripts/test-kernels.sh $(results)

test-matrix: ## Build Caddy, Prometheus and others (minutes, once) and trace them (root)
	@scripts/setup.sh test
	$(vitest) --outputFile.json=$(results)/matrix.json test/matrix
	@[ -z "$(REQUIRE_KERNEL)" ] || node .ci/summary.mjs $(results) matrix

test-backends: build ## Build the real Jaeger and OpenTelemetry Collector (minutes, once) and test against them (root)
	scripts/setup-go.sh
	scripts/build-backends.sh
	REQUIRE_BACKENDS=1 vitest run test/e2e/backends.test.ts

fuzz: build ## Feed damaged files and SQL to every parser, for FUZZ_SECONDS (60)
	node scripts/fuzz.ts --seconds $${FUZZ_SECONDS:-60}

soak-node: ## Load every Node.js release while uspan attaches and detaches (root; half an hour)
	@scripts/setup.sh test
	node scripts/soak-node.ts

soak-outage: build ## Take the collector away for five minutes under load (root; six minutes)
	node scripts/soak-outage.ts

bench: ## Measure what tracing costs a Go server (minutes; writes nothing)
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

.PHONY: demo examples setup build clean test test-kernels test-matrix test-backends fuzz soak-node soak-outage bench lint format typecheck help
