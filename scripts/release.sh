#!/bin/sh
# cargo for release builds: the same bytes wherever the sources and cargo's home are.
#
# Usage: scripts/release.sh SUBCOMMAND ARGS… Panics name the files of dependencies; without this,
# by where cargo unpacked them. The flag is joined to those of .cargo/config.toml, which the
# variable RUSTFLAGS would replace.
set -eu

subcommand=$1
shift
registry=${CARGO_HOME:-$HOME/.cargo}/registry/src
exec cargo "$subcommand" --locked \
  --config "target.'cfg(unix)'.rustflags=['--remap-path-prefix=$registry/=']" "$@"
