# `make demo` and `make test` set up what they need on a fresh Debian with a Rust toolchain.
# Tests mount file systems and make network namespaces: they need root.

CARGO ?= cargo
HISTORIES ?= 10000
SIDECARS := --bin log-shipper --bin nginx-adapter --bin redis-ambassador
TOOLS := --bin native-sidecar-probe

.PHONY: help demo test bench-logs bench-nginx bench-redis histories fmt setup binaries

help: ## Shows this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: setup ## A real nginx through rotation, kill -9 of the shipper and SIGTERM: every line arrives and is counted; two redis-servers behind one address; one sidecar on two kinds of node
	$(CARGO) build --quiet --release --locked $(SIDECARS) --bin demo
	$(CARGO) build --quiet --profile tool --locked $(TOOLS)
	$(CARGO) run --quiet --release --locked --bin demo

test: setup ## Formatting, lints, documentation, all tests: what .ci/run runs
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --locked
	$(MAKE) binaries
	scripts/test.sh

binaries: ## The binaries that the tests run: debug ones, and those of the images
	$(CARGO) build --workspace --bins --locked
	$(CARGO) build --release --locked $(SIDECARS)
	$(CARGO) build --profile tool --locked $(TOOLS)

bench-logs: setup ## Measures log-shipper beside cat, tail, rsyslog (20 minutes); ARGS=--quick for a first look
	$(CARGO) build --quiet --release --locked --bin log-shipper --bin bench-logs
	$(CARGO) run --quiet --release --locked --bin bench-logs -- $(ARGS)

bench-nginx: setup ## Measures nginx-adapter beside prometheus-nginx-exporter (6 minutes); ARGS=--quick for a first look
	$(CARGO) build --quiet --release --locked --bin nginx-adapter --bin bench-nginx
	$(CARGO) run --quiet --release --locked --bin bench-nginx -- $(ARGS)

bench-redis: setup ## Measures redis-ambassador beside nutcracker (12 minutes); ARGS=--quick for a first look
	$(CARGO) build --quiet --release --locked --bin redis-ambassador --bin bench-redis
	$(CARGO) run --quiet --release --locked --bin bench-redis -- $(ARGS)

histories: setup ## The model test of the tailer with 10,000 random histories
	OUTRIDER_HISTORIES=$(HISTORIES) $(CARGO) test --release --locked -p tail --test histories -- --nocapture

fmt: ## Formats the code
	$(CARGO) fmt --all

setup: ## Installs what is missing: apt packages and rustfmt, clippy
	@scripts/setup.sh
