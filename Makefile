# Everything a developer runs here; `make` alone lists it.

FUZZTIME    = 20s
TESTFLAGS   =
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

# ./... leaves testdata out, where the benchmarks live.
PACKAGES = ./... ./testdata/bench ./testdata/backlog

export CGO_ENABLED = 0

.DEFAULT_GOAL = help
.PHONY: help build test race fuzz lint bench backlog demo

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

build: ## build bin/mmsgw, static, without cgo
	go build -trimpath -o bin/mmsgw ./cmd/mmsgw

test: ## every test, race detector on, SQLite and PostgreSQL; brings what it needs (TESTFLAGS=…)
	@testdata/tools/with-tools testdata/tools/with-postgres \
		env CGO_ENABLED=1 go test -race $(TESTFLAGS) $(PACKAGES)

race: test ## the same as test

fuzz: ## each fuzz target in turn (FUZZTIME=20s)
	@testdata/tools/fuzz $(FUZZTIME)

lint: ## gofmt, go vet, staticcheck, the house rules
	@unformatted=$$(gofmt -l .) && if [ -n "$$unformatted" ]; then \
		printf 'lint: not formatted, run gofmt -w:\n%s\n' "$$unformatted"; exit 1; fi
	go vet $(PACKAGES)
	go run $(STATICCHECK) $(PACKAGES)
	go test -run '^TestHouse' .

bench: ## ratios to a relay that stores nothing (QUICK=1: within 40 seconds)
	@go run ./testdata/bench $(if $(QUICK),-quick)

backlog: ## a million waiting deliveries: memory, restart, drain, small lanes beside them (N=1000000)
	@go run ./testdata/backlog $(if $(N),-n $(N))

demo: ## one picture message from accepted to delivered, on this machine alone
	@go run ./cmd/mmsgw demo
