#!/bin/sh
# Writes the software bill of materials of an image's binary to standard output: CycloneDX 1.5.
#
# Usage: scripts/sbom.sh IMAGE. What is in it is what cargo links into the binary, with version,
# licence and checksum of Cargo.lock. A tool for this takes longer to build than all images.
set -eu

image=$1
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
cargo tree --locked --package "$image" --edges normal --prefix none --no-dedupe --format '{p}|{l}' |
  sed 's/ (proc-macro)//; s/ (\/[^)]*)/ (ours)/' | sort -u |
  awk -F'|' -v image="$image" -v version="$version" '
    BEGIN {
      while ((getline line < "Cargo.lock") > 0) {
        split(line, word, "\"")
        if (line ~ /^name = /) name = word[2]
        if (line ~ /^version = /) own = word[2]
        if (line ~ /^checksum = /) checksum[name "@" own] = word[2]
      }
      print "{\"bomFormat\":\"CycloneDX\",\"specVersion\":\"1.5\",\"version\":1,"
      printf "\"metadata\":{\"component\":{\"type\":\"application\",\"name\":\"%s\",", image
      printf "\"version\":\"%s\",\"licenses\":[{\"expression\":\"Apache-2.0\"}]}},\n", version
      printf "\"components\":["
    }
    {
      split($1, part, " ")
      sub(/^v/, "", part[2])
      if (part[1] == image) next
      gsub("/", " OR ", $2)
      printf "%s\n{\"type\":\"library\",\"name\":\"%s\",\"version\":\"%s\",", comma, part[1], part[2]
      comma = ","
      printf "\"licenses\":[{\"expression\":\"%s\"}]", $2
      sum = checksum[part[1] "@" part[2]]
      if (sum != "") {
        printf ",\"purl\":\"pkg:cargo/%s@%s\"", part[1], part[2]
        printf ",\"hashes\":[{\"alg\":\"SHA-256\",\"content\":\"%s\"}]", sum
      }
      printf "}"
    }
    END { print "\n]}" }
  '
