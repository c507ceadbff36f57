# `make demo` and `make test` set up what they need on a fresh Debian with a Rust toolchain.
# Tests mount file systems and make network namespaces: they need root.

CARGO ?= cargo
HISTORIES ?= 10000

.PHONY: help demo test binaries images images-test pictures bench-logs bench-nginx bench-redis \
	histories fmt setup

help: ## Shows this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: setup ## A real nginx through rotation, kill -9 of the shipper and SIGTERM: every line arrives and is counted; two redis-servers behind one address; one sidecar on two kinds of node
	scripts/binaries.sh --quiet
	scripts/release.sh run --quiet --release --bin demo

test: setup ## Formatting, lints, documentation, all tests: what .ci/run runs
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --locked
	scripts/deny.sh
	$(MAKE) binaries
	scripts/test.sh

binaries: ## The binaries that the tests run: debug ones, and those of the images
	$(CARGO) build --workspace --bins --locked
	scripts/binaries.sh

images: ## The images outrider/…:VERSION, with the docker at hand
	scripts/images.sh

images-test: setup binaries ## What is promised of the images and of compose.yaml, in an engine of the tests' own
	scripts/test.sh --test containers

pictures: setup ## Draws the dashboards anew, from real data (3 minutes)
	scripts/binaries.sh --quiet
	scripts/release.sh run --quiet --release --bin dashboard-pictures

bench-logs: setup ## Measures log-shipper beside cat, tail, rsyslog (20 minutes); ARGS=--quick for a first look
	scripts/binaries.sh --quiet
	scripts/release.sh run --quiet --release --bin bench-logs -- $(ARGS)

bench-nginx: setup ## Measures nginx-adapter beside prometheus-nginx-exporter (6 minutes); ARGS=--quick for a first look
	scripts/binaries.sh --quiet
	scripts/release.sh run --quiet --release --bin bench-nginx -- $(ARGS)

bench-redis: setup ## Measures redis-ambassador beside nutcracker (12 minutes); ARGS=--quick for a first look
	scripts/binaries.sh --quiet
	scripts/release.sh run --quiet --release --bin bench-redis -- $(ARGS)

histories: setup ## The model test of the tailer with 10,000 random histories
	OUTRIDER_HISTORIES=$(HISTORIES) $(CARGO) test --release --locked -p tail --test histories -- --nocapture

fmt: ## Formats the code
	$(CARGO) fmt --all

setup: ## Installs what is missing: apt packages and rustfmt, clippy
	@scripts/setup.sh
