#!/usr/bin/env bash
# Installs what `make demo` and `make test` need beyond a Rust toolchain on Debian 12.
#
# Quick and quiet when everything is there: it asks for programs, not for packages, and calls apt
# only for what is missing. Packages of servers would start them; a policy-rc.d forbids that while
# apt runs. systemd is not needed. Without root it goes through sudo.
set -euo pipefail

# Servers are in sbin, which is not on every user's PATH.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# program:package
NEEDED='
  make:make
  cc:gcc
  nginx:nginx
  logrotate:logrotate
  wrk:wrk
  curl:curl
  prometheus:prometheus
  promtool:prometheus
  prometheus-nginx-exporter:prometheus-nginx-exporter
  rsyslogd:rsyslog
  redis-server:redis-server
  redis-cli:redis-tools
  nutcracker:nutcracker
  python3:python3
  pip3:python3-pip
  node:nodejs
  npm:npm
  php:php-cli
  ruby:ruby
  podman:podman
  runc:runc
  dockerd:docker.io
  docker:docker.io
  docker-compose:docker-compose
  debootstrap:debootstrap
  ip:iproute2
  mkfs.ext4:e2fsprogs
  mount:mount
  unshare:util-linux
  taskset:util-linux
  setpriv:util-linux
  prlimit:util-linux
  kill:procps
'
# Without a program of their own: file:package
NEEDED_FILES='
  /usr/share/doc/busybox-static:busybox-static
  /usr/share/doc/rsyslog-gnutls:rsyslog-gnutls
  /usr/share/doc/php-redis:php-redis
  /usr/share/doc/ruby-redis:ruby-redis
'
# folder:packages, the clients that the tests of redis-ambassador run, Kubernetes' schemas, and a
# collector of OpenTelemetry
PYTHON_CLIENTS='
  kubernetes-validate:kubernetes-validate==1.37.0
  redis-py-5:redis==5.3.1
  redis-py-8:redis==8.1.0
  glide:valkey-glide-sync==2.6.0
  rotel:rotel==0.0.1a15
'
NODE_CLIENTS='redis@6.3.1 ioredis@6.0.0 @fluent-org/logger@1.0.10'
CLIENTS_FOLDER=$(dirname "$0")/../target/clients
RUST_COMPONENTS='rustfmt clippy'
POLICY=/usr/sbin/policy-rc.d

missing_packages() {
  local pair
  for pair in $NEEDED; do
    # -P: the shell has a kill of its own, which does not count.
    type -P "${pair%%:*}" >/dev/null || echo "${pair#*:}"
  done
  for pair in $NEEDED_FILES; do
    [ -e "${pair%%:*}" ] || echo "${pair#*:}"
  done
  # Binaries are static: the linker needs libc.a.
  local libc
  libc=$(cc -print-file-name=libc.a 2>/dev/null || true)
  [ -f "$libc" ] || echo libc6-dev
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

install_packages() {
  if ! type -P apt-get >/dev/null; then
    echo "setup: no apt-get here; please install: $*" >&2
    exit 1
  fi
  if [ ! -e "$POLICY" ]; then
    trap 'as_root rm -f "$POLICY"' EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$POLICY" >/dev/null
    as_root chmod 755 "$POLICY"
  fi
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0) output
  if ! output=$(as_root "${apt[@]}" update 2>&1 &&
    as_root "${apt[@]}" install --yes --no-install-recommends "$@" 2>&1); then
    printf '%s\n' "$output" >&2
    echo "setup: apt-get could not install: $*" >&2
    exit 1
  fi
}

# Into folders of their own: a stamp beside each says what is in it.
install_clients() {
  local pair folder packages
  mkdir -p "$CLIENTS_FOLDER"
  for pair in $PYTHON_CLIENTS; do
    folder=$CLIENTS_FOLDER/${pair%%:*} packages=${pair#*:}
    [ "$(cat "$folder.stamp" 2>/dev/null)" = "$packages" ] && continue
    echo "setup: installing $packages for Python" >&2
    rm -rf "$folder"
    PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check \
      --target "$folder" "$packages" >&2
    echo "$packages" >"$folder.stamp"
  done
  folder=$CLIENTS_FOLDER/node
  [ "$(cat "$folder.stamp" 2>/dev/null)" = "$NODE_CLIENTS" ] && return
  echo "setup: installing $NODE_CLIENTS for Node" >&2
  rm -rf "$folder"
  # shellcheck disable=SC2086
  npm install --silent --no-audit --no-fund --prefix "$folder" $NODE_CLIENTS >&2
  echo "$NODE_CLIENTS" >"$folder.stamp"
}

main() {
  if ! type -P cargo >/dev/null; then
    echo "setup: no cargo here; install Rust 1.95 or newer first (https://rustup.rs)" >&2
    exit 1
  fi
  local packages component
  packages=$(missing_packages | sort -u)
  if [ -n "$packages" ]; then
    echo "setup: installing" $packages >&2
    # shellcheck disable=SC2086
    install_packages $packages
  fi
  for component in $RUST_COMPONENTS; do
    cargo "${component#rust}" --version >/dev/null 2>&1 && continue
    echo "setup: adding $component to the Rust toolchain" >&2
    rustup component add "$component"
  done
  packages=$(missing_packages | sort -u)
  if [ -n "$packages" ]; then
    echo "setup: still missing after the installation:" $packages >&2
    exit 1
  fi
  install_clients
}

main
