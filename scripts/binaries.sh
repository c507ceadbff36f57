#!/bin/sh
# Builds the binaries of all images, for the Dockerfile and for `make binaries`. Arguments go to
# cargo.
set -eu

folder=$(dirname "$0")
"$folder/release.sh" build --release \
  --bin log-shipper --bin nginx-adapter --bin redis-ambassador "$@"
"$folder/release.sh" build --profile tool --bin native-sidecar-probe "$@"
