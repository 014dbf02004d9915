# `make bench` and `make test` do all set-up themselves on a Debian machine with Swift 6.2 or newer.

SWIFT ?= swift
CONNS ?= 500000
BACKEND ?= uring
TOOL := .build/release/uring-bench

.PHONY: bench walls setup-tests test test-release build setup lint format floor example smoke ratios clean

# The main job: N connections on one machine, measured at each step; the result lands in out/.
bench: build
	@mkdir -p out
	$(TOOL) --backend $(BACKEND) --conns $(CONNS) --json out/$(BACKEND)-$(CONNS).json

# Unit, contract and end-to-end tests. Serial: the end-to-end tests count the machine's sockets.
test: setup-tests
	$(SWIFT) test --no-parallel

# Every wall induced on purpose, as a table: predicted, reached, verdict. Needs root.
walls: setup-tests
	@mkdir -p out && rm -f out/walls.md
	WALL_TABLE=$(CURDIR)/out/walls.md $(SWIFT) test --no-parallel -c release \
	    -Xswiftc -enable-testing --scratch-path .build-release-tests --filter InducedWalls
	@cat out/walls.md

test-release: setup-tests
	$(SWIFT) test --no-parallel -c release -Xswiftc -enable-testing --scratch-path .build-release-tests

build: setup
	$(SWIFT) build -c release --product uring-bench

# Installs liburing-dev where it is missing; with sudo when that is needed and there.
setup:
	@test -f /usr/include/liburing.h || { \
	    sudo=; test "$$(id -u)" = 0 || sudo=sudo; \
	    $$sudo apt-get update -q && $$sudo apt-get install -y -q liburing-dev; }

# What the tests use besides: tracing, sockets, a firewall's rule. Where it cannot be had, those tests
# are skipped visibly.
setup-tests: setup
	@missing=; for pair in strace:strace ss:iproute2 nft:nftables prlimit:util-linux perl:perl-base \
	    chromium:chromium; do \
	    command -v $${pair%%:*} >/dev/null || missing="$$missing $${pair##*:}"; done; \
	test -z "$$missing" || { sudo=; test "$$(id -u)" = 0 || sudo=sudo; \
	    $$sudo apt-get update -q && $$sudo apt-get install -y -q $$missing; }

lint:
	$(SWIFT) format lint --strict --parallel --recursive Package.swift Sources Tests Examples

format:
	$(SWIFT) format --in-place --parallel --recursive Package.swift Sources Tests Examples

# C programs that do one thing as fast as we know how: what the engine is measured against.
floor: setup
	$(MAKE) -C Benchmarks/Floor

example: setup
	$(SWIFT) build -c release --package-path Examples/EchoServer

# A short real run on each backend.
smoke: build
	Benchmarks/smoke.sh $(TOOL)

# The engine against the floor: connecting, and echoing. Needs a quiet machine.
ratios: build floor example
	Benchmarks/ramp-ratio.sh $(TOOL)
	Benchmarks/echo-ratio.sh

clean:
	rm -rf .build .build-release-tests Examples/EchoServer/.build out
	$(MAKE) -C Benchmarks/Floor clean
