#!/bin/sh
# Builds all images with the docker at hand. Arguments go to docker build.
set -eu

cd "$(dirname "$0")/.."
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
for image in log-shipper nginx-adapter redis-ambassador native-sidecar-probe; do
  docker build --target "$image" --build-arg VERSION="$version" \
    --tag "outrider/$image:$version" "$@" .
done
