# Everything a newcomer needs is `make demo` and `make test`. `make help` lists the rest.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GO      ?= go
ARGS    ?=
PKGS    ?= ./...
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

# The race detector needs a C compiler on Linux; scripts/setup installs one where it can and says so where it cannot.
RACE = $(shell scripts/setup --can-race && echo -race)

GOLANGCI_LINT_VERSION := v2.15.0
GOLANGCI_LINT         := .tools/golangci-lint-$(GOLANGCI_LINT_VERSION)

.PHONY: help build demo setup test check fmt lint bench fuzz clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build bin/carillon
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/carillon ./cmd/carillon

demo: build ## show real deliveries arriving; ARGS=--once exits when all have
	@bin/carillon demo $(ARGS)

setup: ## install what the tests use (Debian/Ubuntu as root; elsewhere say what is missing)
	@scripts/setup

test: setup ## run every test with the race detector; PKGS=./ledger/... for one room
	@scripts/test $(GO) test $(RACE) $(PKGS)

check: fmt lint ## what to run before a commit: format, vet, lint, tidy, doc links, tests
	$(GO) mod tidy -diff
	scripts/check-links
	@$(MAKE) --no-print-directory test

fmt: $(GOLANGCI_LINT) ## fail if a file is not gofumpt-formatted (FIX=1 formats)
	$(GOLANGCI_LINT) fmt $(if $(FIX),,--diff)

lint: $(GOLANGCI_LINT) ## vet and lint
	$(GOLANGCI_LINT) run

$(GOLANGCI_LINT):
	GOBIN=$(CURDIR)/.tools $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	mv .tools/golangci-lint $@

bench: build ## measure against the budget (ARGS=--json for programs)
	bin/carillon bench $(ARGS)

fuzz: ## fuzz each target for FUZZTIME (10s)
	@scripts/fuzz $(or $(FUZZTIME),10s)

clean: ## remove what make built
	rm -rf bin .tools
