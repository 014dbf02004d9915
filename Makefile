# `make bench` and `make test` do all set-up themselves on a Debian machine with Swift 6.2 or newer.

SWIFT ?= swift
# Of the tests' builds; CI has warnings as errors here.
SWIFT_FLAGS ?=
CONNS ?= 500000
BACKEND ?= uring
TOOL := .build/release/uring-bench
TEST_PYTHON := $(CURDIR)/.build/test-python
# Without what the packages below Benchmarks and Examples have built and fetched.
SWIFT_SOURCES := Package.swift Sources Tests Examples/EchoServer/Package.swift \
    Examples/EchoServer/Sources Benchmarks/Package.swift Benchmarks/Benchmarks Benchmarks/Holder \
    Benchmarks/Peers/SwiftNIO/Package.swift Benchmarks/Peers/SwiftNIO/Sources

# Of a soak.
MINUTES ?= 30
CHURN ?= 500

MANUAL := .build/plugins/GenerateManual/outputs/uring-bench/uring-bench.1

.PHONY: bench walls drills simulate mutations hostile soak setup-tests test test-release build \
    setup man completions lint format floor example smoke peers bench-peers bench-scale \
    bench-regression bench-baseline bench-micro bench-tests coverage fuzz fuzz-replay sanitize \
    sanitize-address sanitize-thread sanitize-undefined clean

# The main job: N connections on one machine, measured at each step; the result and a page with charts
# land in out/.
bench: build
	@mkdir -p out
	$(TOOL) --backend $(BACKEND) --conns $(CONNS) --json out/$(BACKEND)-$(CONNS).json \
	    -o out/$(BACKEND)-$(CONNS).html

# CONNS held for MINUTES while CHURN of them a second are replaced and 1 % are active: does anything
# grow, or get lost? `make soak CONNS=500000 CHURN=0 MINUTES=20` only holds. Exit code 98 for a leak.
soak: build
	@mkdir -p out
	$(TOOL) soak --backend $(BACKEND) --conns $(CONNS) --churn $(CHURN) --active 1% \
	    --for $(MINUTES)m --json out/soak-$(BACKEND)-$(CONNS).json

# Unit, contract and end-to-end tests. Serial: the end-to-end tests count the machine's sockets.
test: setup-tests
	$(SWIFT) test --no-parallel $(SWIFT_FLAGS)

# Every wall induced on purpose, as a table: predicted, reached, verdict. Needs root.
walls: setup-tests
	@mkdir -p out && rm -f out/walls.md
	WALL_TABLE=$(CURDIR)/out/walls.md $(SWIFT) test --no-parallel -c release \
	    -Xswiftc -enable-testing --scratch-path .build-release-tests --filter InducedWalls
	@cat out/walls.md

# Peers that mean harm, in full, on each backend: out/hostile.json and the table of it. Needs root and
# a quarter of an hour of a quiet machine. HOSTILE_RATE=2 doubles the attackers' rates.
hostile: setup-tests
	@mkdir -p out && rm -f out/hostile.json out/hostile.md
	HOSTILE_REPORT=$(CURDIR)/out/hostile.json $(SWIFT) test --no-parallel -c release \
	    -Xswiftc -enable-testing --scratch-path .build-release-tests --filter Hostile/attacks; \
	    code=$$?; cat out/hostile.md; exit $$code

# The drills of Tests/DRILLS.md in their full length: about half an hour. Needs root.
drills: setup-tests
	DRILL_SCALE=full $(SWIFT) test --no-parallel -c release -Xswiftc -enable-testing \
	    --scratch-path .build-release-tests --filter Drills $(SWIFT_FLAGS)

test-release: setup-tests
	$(SWIFT) test --no-parallel -c release -Xswiftc -enable-testing \
	    --scratch-path .build-release-tests $(SWIFT_FLAGS)

# Line coverage of the engine by file; fails below the floor.
COVERAGE_FLOOR ?= 92
coverage: setup
	$(SWIFT) test --no-parallel --enable-code-coverage --scratch-path .build-coverage $(SWIFT_FLAGS) \
	    --filter ConnectionEngineTests
	Tests/coverage.py "$$($(SWIFT) test --show-codecov-path --scratch-path .build-coverage)" \
	    $(COVERAGE_FLOOR)

build: setup
	$(SWIFT) build -c release --product uring-bench

# The engine over a simulated kernel: SEEDS seeds from FIRST, on both processors.
SEEDS ?= 500000
FIRST ?= 1
simulate: setup
	$(SWIFT) build --build-tests
	@half=$$(( $(SEEDS) / 2 )); \
	SEED=$(FIRST) SEEDS=$$half $(SWIFT) test --skip-build --ignore-lock --filter SimulationTests.Seeds & \
	SEED=$$(( $(FIRST) + half )) SEEDS=$$(( $(SEEDS) - half )) \
	    $(SWIFT) test --skip-build --ignore-lock --filter SimulationTests.Seeds; second=$$?; \
	wait $$!; first=$$?; test $$first = 0 && test $$second = 0

# Bugs of nine classes, planted in a copy of the engine: the simulation must find each.
mutations: setup
	python3 Tests/Mutations/mutations.py

# Installs liburing-dev where it is missing; with sudo when that is needed and there.
setup:
	@test -f /usr/include/liburing.h || { \
	    sudo=; test "$$(id -u)" = 0 || sudo=sudo; \
	    $$sudo apt-get update -q && $$sudo apt-get install -y -q liburing-dev; }

# What the tests use besides: tracing, sockets, a firewall's rule, and judges of our files (Python
# packages in the build folder, promtool without its service). Where it cannot be had, those tests are
# skipped visibly.
setup-tests: setup
	@missing=; for pair in strace:strace ss:iproute2 nft:nftables prlimit:util-linux perl:perl-base \
	    python3:python3 pip3:python3-pip chromium:chromium; do \
	    command -v $${pair%%:*} >/dev/null || missing="$$missing $${pair##*:}"; done; \
	test -z "$$missing" || { sudo=; test "$$(id -u)" = 0 || sudo=sudo; \
	    $$sudo apt-get update -q && $$sudo apt-get install -y -q $$missing; }
	@command -v promtool >/dev/null || { sudo=; test "$$(id -u)" = 0 || sudo=sudo; \
	    $$sudo apt-get update -q \
	    && $$sudo apt-get install -y -q --no-install-recommends prometheus || exit 1; \
	    if command -v systemctl >/dev/null; then $$sudo systemctl disable -q --now prometheus; \
	    elif command -v service >/dev/null; then $$sudo service prometheus stop; fi; true; }
	@PYTHONPATH=$(TEST_PYTHON) python3 -c \
	    'import hdrh.histogram, jsonschema, referencing, prometheus_client' 2>/dev/null \
	    || python3 -m pip install -q --target $(TEST_PYTHON) --upgrade \
	        hdrhistogram jsonschema prometheus_client

# New inputs for every parser, or for TARGET, each for so many seconds (Tests/Fuzz/README.md); one that
# breaks a promise is kept and named. `fuzz-replay` runs the inputs that there are, once.
fuzz: SECONDS = 60
fuzz: setup
	Tests/Fuzz/fuzz.sh run $(SECONDS) $(TARGET)

fuzz-replay: setup
	Tests/Fuzz/fuzz.sh replay

# Tests under the address (with leaks), thread and, for C, undefined-behaviour sanitizer.
sanitize: sanitize-address sanitize-thread sanitize-undefined

sanitize-address sanitize-thread: setup-tests
	Tests/Sanitize/tests.sh $(@:sanitize-%=%)

sanitize-undefined: setup
	Tests/Sanitize/undefined.sh

lint:
	$(SWIFT) format lint --strict --parallel --recursive $(SWIFT_SOURCES)

format:
	$(SWIFT) format --in-place --parallel --recursive $(SWIFT_SOURCES)

# C programs that do one thing as fast as we know how: what the engine is measured against.
floor: setup
	$(MAKE) -C Benchmarks/Floor

example: setup
	$(SWIFT) build -c release --package-path Examples/EchoServer

# The man page, from the options themselves; checked where mandoc is installed.
man: setup
	@mkdir -p out
	$(SWIFT) package plugin generate-manual
	@cp $(MANUAL) out/uring-bench.1
	@! command -v mandoc >/dev/null || mandoc -Tlint -Werror out/uring-bench.1

# For bash, zsh and fish.
completions: build
	@mkdir -p out/completions
	$(TOOL) --generate-completion-script bash >out/completions/uring-bench.bash
	$(TOOL) --generate-completion-script zsh >out/completions/_uring-bench
	$(TOOL) --generate-completion-script fish >out/completions/uring-bench.fish

# A short real run on each backend.
smoke: build
	Benchmarks/smoke.sh $(TOOL)

# Benchmarks/README.md says what each of these shows. They want a quiet machine.

# SwiftNIO, and Go and libuv where they are installed, on the same jobs.
peers:
	$(MAKE) -C Benchmarks/Peers

# Ours against floor and peers, in turns: Benchmarks/Results/peers.md. PLAN=quick for a smoke run,
# which is written to out/.
bench-peers: floor example peers
	$(SWIFT) build -c release --package-path Benchmarks --product engine-hold
	Benchmarks/Harness/peers.py $(if $(PLAN),--plan $(CURDIR)/Benchmarks/Plans/$(PLAN).json)

# The ramp to 500,000 connections against the C floor: Benchmarks/Results/scale.md.
bench-scale: build floor
	Benchmarks/Harness/scale.py

# What CI calls: ratios to the floor against Benchmarks/Baselines/ratios.json; exit code 98 for a
# confirmed regression. `bench-baseline` stores them anew.
bench-regression: floor example
	Benchmarks/Harness/regression.py

bench-baseline: floor example
	Benchmarks/Harness/regression.py --store

# Nanoseconds, enters, allocations and bytes of single steps; the counts have ceilings.
bench-micro: setup
	@mkdir -p out
	$(SWIFT) package --package-path Benchmarks benchmark --target Micro --no-progress >out/micro.txt || \
	    { cat out/micro.txt; exit 1; }
	@cat out/micro.txt
# The benchmark package reports a count above its ceiling, but exits with 0.
	@if grep 'are allowed' out/micro.txt >&2; then exit 98; fi

# The harness itself, without a server.
bench-tests:
	cd Benchmarks/Harness && python3 -m unittest -q

clean:
	rm -rf .build .build-coverage .build-release-tests Examples/EchoServer/.build Benchmarks/.build out
	$(MAKE) -C Benchmarks/Floor clean
	$(MAKE) -C Benchmarks/Peers clean
