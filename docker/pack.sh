#!/usr/bin/env bash
# Packs the release binary with what belongs to it: target/release/whydunit-VERSION-MACHINE.tar.gz, and its checksum.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

release="${CARGO_TARGET_DIR:-target}/release"
version=$("$release/whydunit" --version | head -n 1 | cut -d ' ' -f 2)
name="whydunit-$version-$(uname -m)-linux-gnu"
folder="$release/$name"

rm -rf "$folder"
mkdir -p "$folder"
# Without symbols it is a fifth as large.
strip -o "$folder/whydunit" "$release/whydunit"
cp LICENSE README.md config/default.toml docker/{whydunit.service,alerts.yml,RUNBOOK.md} "$folder/"
cp docker/grafana/whydunit.json "$folder/grafana-dashboard.json"
tar -C "$release" --owner=0 --group=0 --sort=name -czf "$release/$name.tar.gz" "$name"
(cd "$release" && sha256sum "$name.tar.gz" > "$name.tar.gz.sha256")

glibc=$(objdump -T "$folder/whydunit" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1)
libraries=$(objdump -p "$folder/whydunit" | awk '$1 == "NEEDED" { print $2 }' | tr '\n' ' ')
echo "$release/$name.tar.gz"
echo "needs nothing but ${libraries}of glibc ${glibc#GLIBC_} or newer"
