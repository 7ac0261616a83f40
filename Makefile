# weft: see `make help`, and CONTRIBUTING.md for what the targets are for.
SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)
TOOL    := go tool -modfile=tools/go.mod

PKGS     ?= ./...
# What makes no system call builds anywhere.
PURE     := ./frame/... ./fib ./switch
FUZZTIME ?= 5s
BENCH    ?= .
COUNT    ?= 6

# GOFLAGS from outside may ask for vendoring or VCS stamping; neither is used.
export GOFLAGS := -buildvcs=false

.PHONY: help
help: ## this list
	@echo 'weft: a userspace Ethernet switch and VXLAN router'
	@echo
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  first: make demo, make test'

.PHONY: build
build: ## the one static binary, bin/weft
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/weft ./cmd/weft

.PHONY: demo
demo: build ## two hosts joined into one Ethernet, in namespaces that vanish
	@CGO_ENABLED=0 go build -o bin/demo ./internal/demo
	@bin/demo bin/weft

# The order is that of how soon a mistake shows.
.PHONY: test
test: need fmt build lint unit benchmarks plain race fuzz-short cross ## everything that CI runs
	@echo
	@echo 'make test: all passed'

.PHONY: need
need: # what is used beyond Go, named before half an hour is lost
	@.ci/need

.PHONY: fmt
fmt:
	@echo '== formatting'
	@bad="$$($(TOOL) gofumpt -l $$(git ls-files --cached --others --exclude-standard '*.go'))"; \
	  if [ -n "$$bad" ]; then echo "not formatted (make format):"; echo "$$bad"; exit 1; fi

.PHONY: format
format: ## rewrite the sources as gofumpt wants them
	@$(TOOL) gofumpt -l -w $$(git ls-files --cached --others --exclude-standard '*.go')

.PHONY: lint
lint: ## golangci-lint with .golangci.yml (compiled on first use)
	@echo '== lint'
	$(TOOL) golangci-lint run $(PKGS)

# The tests in namespaces are part of this; they skip with a reason where the
# machine forbids them, and fail where CI is set.
.PHONY: unit
unit: ## the tests, once
	@echo '== tests'
	go test -count=1 $(PKGS)

.PHONY: benchmarks
benchmarks: ## the benchmarks beside the code, once each: that they work, not how fast
	@echo '== benchmarks, once each'
	go test -run '^$$' -bench . -benchtime 1x $(PKGS)

.PHONY: plain
plain: ## the tests that start daemons, with every acceleration off
	@echo '== tests without accelerations'
	WEFT_TEST_PLAIN=1 go test -count=1 ./node/interop ./internal/e2e

.PHONY: race
race: ## the tests with the race detector (needs a C compiler)
	@echo '== tests with the race detector'
	CGO_ENABLED=1 go test -race -count=1 $(PKGS)

.PHONY: fuzz-short
fuzz-short:
	@echo '== fuzzing, $(FUZZTIME) each'
	@.ci/fuzz $(FUZZTIME)

.PHONY: fuzz
fuzz: ## every fuzz target for a minute (FUZZTIME=1m)
	@.ci/fuzz $(if $(filter 5s,$(FUZZTIME)),1m,$(FUZZTIME))

.PHONY: cross
cross: ## what must build on other systems does
	@echo '== other systems'
	GOOS=darwin GOARCH=arm64 go vet $(PKGS)
	GOOS=windows GOARCH=amd64 go vet $(PURE)
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 go build $(PKGS)

.PHONY: microbench
microbench: ## the benchmarks beside the code, summed up (BENCH=regexp COUNT=6)
	@mkdir -p bin
	go test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) $(PKGS) | tee bin/bench.txt
	@$(TOOL) benchstat bin/bench.txt

# What is compared, and how, is in perf/doc.go. PERF=... passes flags on, such
# as PERF='--systems weft,kernel --measures tcp'.
PERF ?=

.PHONY: bench
bench: build ## weft beside the kernel and other switches, for perf/results
	bin/weft perf --out perf/results $(PERF)
	go run ./perf/page perf/results

.PHONY: bench-quick
bench-quick: build ## the same in under three minutes, printed only
	bin/weft perf --quick $(PERF)

.PHONY: bench-link
bench-link: build ## how exact delay, loss and rate of a link are
	CGO_ENABLED=0 go build -o bin/linkbench ./impair/linkbench
	bin/linkbench bin/weft

.PHONY: bench-deps
bench-deps: ## install what weft is compared with (Debian packages)
	@as_root=; [ "$$(id -u)" = 0 ] || as_root=sudo; \
	  $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
	    openvswitch-switch tinc wireguard-go wireguard-tools vde2 iperf3

.PHONY: cover
cover: ## coverage by function and in bin/cover.html
	@mkdir -p bin
	go test -count=1 -coverpkg=./... -coverprofile=bin/cover.out $(PKGS)
	@go tool cover -html=bin/cover.out -o bin/cover.html
	@go tool cover -func=bin/cover.out | tail -1

.PHONY: vuln
vuln: ## known vulnerabilities in what we use (asks vuln.go.dev)
	$(TOOL) govulncheck ./...

.PHONY: clean
clean: ## what make has built
	rm -rf bin
