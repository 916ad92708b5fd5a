# `make` alone says what there is.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --silent
SHELL := /bin/sh

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
BUILD    = CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)'

# The tools and their versions are in tools/go.mod, apart from what regrow is
# made of. Without cgo they build in seconds, not minutes.
TOOL = CGO_ENABLED=0 go tool -modfile=tools/go.mod

PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

# What to hand on: make bootstrap YES=-y, make demo ARGS=--once, make test ARGS=-short, make test PKG=./internal/jobs/
ARGS ?=
YES  ?=
PKG  ?= ./...

.PHONY: help
help: ## List what can be made
	awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: bootstrap build ## See regrow replace targets, with a private Postgres and a simulated Octopus
	bin/regrow demo $(ARGS)

.PHONY: test
test: bootstrap-test ## Run all tests with the race detector
	go test -race $(ARGS) $(PKG)

# About forty minutes on two cores. SEED=7 repeats what chance chose with seed 7;
# without it, chance chooses the seed, which is printed.
SEED ?= 0
.PHONY: test-faults
test-faults: bootstrap-test ## Kill processes 1,000 times, spoil connections 200 times, restart Postgres, soak for ten minutes
	go test ./internal/trial -count=1 -v -timeout 90m -run 'Crashes|Chaos|Paused|Replicas|Postgres|Stop' -trials 1000 -chaos 200 -storm 20s -stops 60 -away 10s -seed $(SEED)
	go test ./internal/trial -count=1 -v -timeout 30m -tags soak -run Soak -seed $(SEED)

.PHONY: bench
bench: bootstrap-test ## Run the benchmarks
	go test -run '^$$' -bench . -benchmem $(ARGS) $(PKG)

.PHONY: build
build: ## Build bin/regrow
	$(BUILD) -o bin/regrow ./cmd/server

.PHONY: cross
cross: ## Build for every supported platform into dist/
	for platform in $(PLATFORMS); do \
		os=$${platform%/*} arch=$${platform#*/} ext=; \
		[ $$os != windows ] || ext=.exe; \
		echo "dist/regrow-$$os-$$arch$$ext"; \
		GOOS=$$os GOARCH=$$arch $(BUILD) -o dist/regrow-$$os-$$arch$$ext ./cmd/server || exit 1; \
	done

.PHONY: generate
generate: ## Generate Go from openapi.yaml and the SQL queries
	$(TOOL) sqlc generate
	for config in $$(find internal -name 'oapi-codegen*.yaml'); do \
		$(TOOL) oapi-codegen -config $$config openapi.yaml || exit 1; \
	done

.PHONY: lint
lint: ## Check format and code
	unformatted=$$(gofmt -l cmd examples internal migrations); \
	if [ -n "$$unformatted" ]; then echo "not formatted; run make format:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	go vet -tags failpoints ./internal/failpoint
	$(TOOL) golangci-lint run

.PHONY: format
format: ## Format the code
	gofmt -w cmd examples internal migrations

.PHONY: vuln
vuln: ## Look for known vulnerabilities in what regrow calls
	$(TOOL) govulncheck ./...

.PHONY: docs
docs: ## Check that the paths and make targets that the documents name exist
	scripts/check-docs

.PHONY: ci
ci: ## Do all that is done before a change is taken
	.ci/run

.PHONY: bootstrap
bootstrap: ## Install what is missing on this machine to run regrow (Postgres)
	scripts/bootstrap $(YES)

# The race detector needs a C compiler; the tests run what the documents say, and
# regrow behind a pooler.
.PHONY: bootstrap-test
bootstrap-test: ## Install what is missing to test it
	scripts/bootstrap $(YES) cc bash curl git openssl pgbouncer shellcheck

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin dist coverage.out
