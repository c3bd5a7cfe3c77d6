# make            lists the targets
# make demo       a real PostgreSQL, Overdrive in front of it, and a tour
# make test       everything

GO       ?= go
FUZZTIME ?= 30s
TIME     ?= 10m
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -s -w -X main.version=$(VERSION)

# go test, but with a line for each package as soon as it has finished and one every 30 seconds that names what is running.
# Two quiet processors need a quarter of an hour, and five minutes more where nothing is compiled yet; one that is slower may take its time.
gotest  := $(GO) run ./scripts/gotest -timeout 26m
# Many tests wait for PostgreSQL most of the time, so more of them run at a time than there are processors.
PARALLEL ?= 3

# The directory of initdb and postgres is found when a target needs it, and comes first in PATH.
with_postgres = bin=$$(GO='$(GO)' scripts/ensure-postgres) && export PATH="$$bin:$$PATH" &&
# The same for who only wants to look: nothing is installed where a ready binary can be fetched.
with_postgres_aside = bin=$$(GO='$(GO)' scripts/ensure-postgres --leave-alone) && export PATH="$$bin:$$PATH" &&

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build ./overdrive
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o overdrive ./cmd/overdrive

.PHONY: man
man: ## write the manual into man/, and the completion of command lines for bash, zsh and fish
	@$(GO) run -ldflags '$(LDFLAGS)' ./cmd/overdrive man man
	@for shell in bash zsh fish; do $(GO) run -ldflags '$(LDFLAGS)' ./cmd/overdrive completion $$shell >man/overdrive.$$shell || exit; done

.PHONY: demo
demo: ## start PostgreSQL and Overdrive and show what they do (fetches PostgreSQL if need be)
	@$(with_postgres_aside) echo 'Building Overdrive. The first time that takes a minute or two.' && $(GO) run ./cmd/overdrive demo $(DEMOFLAGS)

# These have tests that go through all of something, one like the other, where the race detector finds in all of it what it finds in a
# part, and makes it up to four times as long. It sees a part of them, and all that they do in several goroutines.
EXHAUSTIVE := ./proxy/bystander ./proxy/leaks ./proxy/postgres/session ./querycache ./querycache/classify ./querycache/sqlscan

# The first line and the last say so if there is no race detector, for which a C compiler is missing.
.PHONY: test
test: ## run every test, with the race detector where there is a C compiler (installs or fetches PostgreSQL if need be)
	@race=$$(GO='$(GO)' scripts/race); ( $(with_postgres) set -x && \
		OVERDRIVE_CONSISTENCY=15s $(gotest) $$race -vet=all -parallel $(PARALLEL) \
			$$($(GO) list ./... | grep -vxF "$$($(GO) list $(EXHAUSTIVE))") && \
		{ [ -z "$$race" ] || $(gotest) $$race -vet=all -short $(EXHAUSTIVE); } && $(gotest) $(EXHAUSTIVE) && \
		$(gotest) $$race -tags portable_loop ./proxy/loop && \
		$(gotest) -tags portable_loop -run Differential ./proxy/postgres ); \
	code=$$?; GO='$(GO)' scripts/race >/dev/null; exit $$code

.PHONY: test-faults
test-faults: ## try every fault under load (FAULTS='black hole': those with that name); see proxy/faults
	@$(with_postgres) FAULTS="$(or $(FAULTS),all)" $(GO) test -count=1 -v -timeout 0 ./proxy/faults

.PHONY: test-drivers
test-drivers: ## try drivers and frameworks at their defaults (DRIVERS='Django asyncpg': those with such names); see docs/drivers.md
	@$(with_postgres) $(GO) run ./scripts/drivers $(DRIVERS)

.PHONY: test-suites
test-suites: ## run the suites of others through the proxy (SUITES=regress: those with such names); see docs/suites.md
	@$(with_postgres) $(GO) run ./scripts/suites $(SUITES)

.PHONY: test-examples
test-examples: ## try examples/ with the loaders of compose and kustomize and with Kubernetes' types
	cd testdata/examples && $(GO) test -count=1 ./...

.PHONY: test-fetch
test-fetch: ## try what fetches PostgreSQL where it cannot be installed
	$(GO) -C scripts/fetchpostgres vet . && $(GO) -C scripts/fetchpostgres test -count=1 .

.PHONY: test-worker
test-worker: ## try examples/worker under wrangler dev, and measure it beside PostgreSQL; see docs/worker.md
	@$(with_postgres) $(GO) run ./scripts/worker

.PHONY: consistency
consistency: ## check reads against writes for TIME (10m); see docs/consistency.md
	@$(with_postgres) OVERDRIVE_CONSISTENCY=$(TIME) $(GO) test -count=1 -v -timeout 0 -run TestConsistency ./proxy/consistency

# The machine's tests that compare it with a real server are called ...OnPostgres.
UNIT := ./config ./pool ./querycache ./querycache/sqlscan ./querycache/verdict ./querycache/classify/nodetree ./proxy/loop \
	./proxy/postgres/pgauth ./proxy/postgres/pgwire ./proxy/postgres/session ./proxy/postgres/settings

.PHONY: test-unit
test-unit: ## run the tests that need no PostgreSQL
	@set -x; $(GO) test $$(GO='$(GO)' scripts/race) -short -skip OnPostgres $(UNIT)
	$(GO) test -skip OnPostgres ./proxy/postgres/session ./querycache/sqlscan

.PHONY: test-memory
test-memory: ## measure what the cache takes of the machine, by budgets of 64, 256 and 1024 MiB
	OVERDRIVE_MEMORY='64 256 1024' $(GO) test -count=1 -v -timeout 30m -run TestMemory_IsWhatTheBudgetSays ./querycache

.PHONY: fuzz
fuzz: ## fuzz each target for FUZZTIME (30s)
	@set -e; for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$pkg; \
		done; \
	done

.PHONY: bench
bench: ## measure beside PgBouncer and Redis; see docs/benchmarks.md (BENCHFLAGS=...)
	@$(with_postgres) $(GO) run ./cmd/overdrive-bench $(BENCHFLAGS)

.PHONY: lint
lint: ## golangci-lint where it is installed, else go vet and gofmt
	@if command -v golangci-lint >/dev/null 2>&1; then golangci-lint run ./...; \
	else $(GO) vet ./... && out=$$(gofmt -l .) && if [ -n "$$out" ]; then echo "gofmt would change:"; echo "$$out"; exit 1; fi; fi

.PHONY: fmt
fmt: ## format the sources
	gofmt -w .

.PHONY: cover
cover: ## write coverage to cover.html
	@$(with_postgres) $(GO) test -coverprofile cover.out -coverpkg ./... ./... && \
		$(GO) tool cover -html cover.out -o cover.html && $(GO) tool cover -func cover.out | tail -1

.PHONY: verify
verify: ## what must hold before a commit: lint, tidy modules, build, tests
	$(MAKE) lint
	$(GO) mod verify
	$(GO) mod tidy -diff
	$(MAKE) build
	$(MAKE) test

.PHONY: image
image: ## build the image overdrive:VERSION with buildah, podman or docker; needs no other image
	@GO=$(GO) VERSION=$(VERSION) scripts/image

.PHONY: test-image
test-image: ## build the image and run it: no rights, nothing to write to, any user
	@$(with_postgres) GO=$(GO) VERSION=$(VERSION) IMAGE=localhost/overdrive:test scripts/image && \
		OVERDRIVE_TEST_IMAGE=localhost/overdrive:test $(GO) test -count=1 -v -run TestImage_ ./cmd/overdrive
