#!/usr/bin/env bash
# Runs every test of the workspace: with nextest where it is installed, else with cargo test.
#
# nextest runs each test in a process of its own and ends one that hangs; building it takes longer
# than the tests, so it is not installed for them. Arguments go to the runner, e.g. a name.
set -euo pipefail

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

if cargo nextest --version >/dev/null 2>&1; then
  exec cargo nextest run --workspace --locked --no-fail-fast "$@"
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
cargo test --workspace --locked --no-fail-fast "$@" 2>&1 | tee "$log" || status=$?
awk '/^test result:/ { passed += $4; failed += $6; suites += 1 }
     END { printf "Sum over %d suites: %d passed, %d failed\n", suites, passed, failed }' "$log"
exit "$status"
