# make         what continuous integration runs, and the binary
# make help    everything else

SHELL      := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := all

# The toolchain stamps version and commit into the binary, where git answers it.
STAMP := $(shell git rev-parse HEAD >/dev/null 2>&1 && echo -buildvcs=true || echo -buildvcs=false)

SAMPLES := $(notdir $(patsubst %/,%,$(dir $(wildcard functions/*/Dockerfile))))
STATIC  := CGO_ENABLED=0 go build -trimpath -ldflags '-s -w'

.PHONY: all
all: test build

.PHONY: help
help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: up
up: images ## build everything, start it, wait until it answers (FAAS_PORT, BASIC_AUTH, STACK_FILE and others: docs/install.md)
	@scripts/engine.sh compose
	@scripts/up.sh

.PHONY: down
down: ## undo up: remove the provider, its functions, their network and all data
	@scripts/down.sh

# What needs the Docker engine: by itself, because it takes the processors from what measures
# times, and four tests at once, because they wait for the engine.
DOCKER := ./e2e/... ./engine/...
OTHERS := $$(comm -23 <(go list ./... | sort) <(go list $(DOCKER) | sort))

.PHONY: test
test: engine check cover ## check the source and run every test, with the race detector
	@scripts/toolchain.sh race
	@# Ten minutes for a package, which is Go's own limit, are not enough where Docker is slow.
	go test -race -timeout 30m $(OTHERS)
	go test -race -timeout 30m -parallel 4 $(DOCKER)
	@# The race detector has wire/ use other system calls.
	go test ./wire ./front ./proxy

# One package after the other: some of them measure times.
.PHONY: test-long
test-long: engine ## run the tests that take long, too
	@scripts/toolchain.sh race
	go test -race -tags long -p 1 -timeout 60m $(OTHERS)
	go test -race -tags long -p 1 -timeout 60m -parallel 4 $(DOCKER)

# For how long each fuzzer runs, and which: FUZZ=front, FUZZ=FuzzLink.
FUZZTIME ?= 10m
FUZZ     ?= .

.PHONY: fuzz
fuzz: toolchain ## run every fuzzer for 10 minutes (FUZZTIME, FUZZ)
	@scripts/fuzz.sh $(FUZZTIME) $(FUZZ)

.PHONY: check
check: toolchain ## gofmt, go vet and staticcheck
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "gofmt -w these:"; echo "$$unformatted"; exit 1; }
	go vet ./...
	go tool staticcheck ./...

.PHONY: cover
cover: toolchain ## hold the tests of what decides about replicas to 95 % of its code
	@scripts/cover.sh ./fleet/scale 95

.PHONY: build
build: toolchain ## build bin/faas-docker, a static binary
	$(STATIC) $(STAMP) -o bin/faas-docker .

.PHONY: functions
functions: toolchain ## build the sample functions
	@for name in $(SAMPLES); do GOOS=linux $(STATIC) -buildvcs=false -o functions/$$name/handler ./functions/$$name; done

.PHONY: images
images: engine functions ## build the images of the provider and of the sample functions
	@GOOS=linux $(MAKE) --no-print-directory build
	@for name in $(SAMPLES); do scripts/image.sh faas-docker/$$name:latest functions/$$name; done
	@scripts/image.sh faas-docker/provider:latest .

# Rounds, seconds per turn (61 turns a round, 32 of a second and 5 of five) and functions of the
# crowd: 17 minutes.
ROUNDS ?= 5
SECONDS ?= 2
CROWD ?= 1000

.PHONY: bench
bench: engine toolchain ## compare with nginx and others, write BENCHMARKS.md (ROUNDS, SECONDS, CROWD)
	@scripts/bench.sh $(ROUNDS) $(SECONDS) $(CROWD)

.PHONY: bench-wake
bench-wake: ROUNDS = 30
bench-wake: engine toolchain ## measure how long sleeping functions take to answer, write it to BENCHMARKS.md
	@scripts/bench.sh $(ROUNDS) wake

.PHONY: clean
clean: ## remove what was built, images too
	@scripts/clean.sh

.PHONY: engine
engine:
	@scripts/engine.sh

.PHONY: toolchain
toolchain:
	@scripts/toolchain.sh
