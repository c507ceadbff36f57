#!/bin/sh
# Copies what decides which dependencies are built: manifests, with empty sources where cargo wants
# some.
#
# Usage: scripts/skeleton.sh FOLDER, from the top of the sources. `--tests-only .` makes only the
# empty sources of the tests' package, which the build of the images does not get.
set -eu

# The targets that the manifest of the tests names by path.
empty_tests() {
  mkdir -p "$1/tests/src"
  : >"$1/tests/src/lib.rs"
  sed -n 's/^path = "\(.*\)"/\1/p' tests/Cargo.toml | while read -r path; do
    mkdir -p "$(dirname "$1/tests/$path")"
    echo 'fn main() {}' >"$1/tests/$path"
  done
}

if [ "$1" = --tests-only ]; then
  empty_tests "$2"
  exit
fi

mkdir -p "$1/scripts"
cp -r Cargo.toml Cargo.lock .cargo "$1"
cp scripts/release.sh scripts/binaries.sh "$1/scripts"
for manifest in crates/*/Cargo.toml tests/Cargo.toml; do
  package=$(dirname "$manifest")
  mkdir -p "$1/$package/src"
  cp "$manifest" "$1/$package"
  # A library where there is one, and a program.
  if [ -f "$package/src/lib.rs" ]; then : >"$1/$package/src/lib.rs"; fi
  if [ -f "$package/src/main.rs" ]; then echo 'fn main() {}' >"$1/$package/src/main.rs"; fi
done
empty_tests "$1"
