#!/bin/sh
# Lays out the file system of each image under FOLDER: the binary, the names under which a peer's
# image would have it, and its bill of materials. Runs every binary once.
#
# Usage: scripts/image-roots.sh FOLDER, after scripts/binaries.sh.
set -eu

folder=$1

# root IMAGE PROFILE [NAME…]: each name a link to the binary.
root() {
  image=$1 profile=$2
  shift 2
  mkdir -p "$folder/$image/usr/share/sbom"
  cp target/*/"$profile"/"$image" "$folder/$image/$image"
  "$folder/$image/$image" --version
  scripts/sbom.sh "$image" >"$folder/$image/usr/share/sbom/$image.cdx.json"
  for name in "$@"; do
    mkdir -p "$(dirname "$folder/$image$name")"
    ln -s "/$image" "$folder/$image$name"
  done
}

root log-shipper release
root nginx-adapter release /usr/bin/exporter /usr/bin/nginx-prometheus-exporter
root redis-ambassador release /usr/bin/nutcracker /usr/local/bin/nutcracker /usr/local/sbin/nutcracker
root native-sidecar-probe tool
