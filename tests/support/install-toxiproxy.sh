#!/bin/sh
# Builds toxiproxy into .tools/toxiproxy, through Go's module proxy, once.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${1:-$here/../../.tools/toxiproxy}
[ -x "$target/server" ] && exit 0
command -v go >/dev/null || { echo "install-toxiproxy: go is missing; install Go 1.23 or newer from https://go.dev/dl" >&2; exit 1; }
mkdir -p "$target"
GOBIN=$(cd "$target" && pwd) go install github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0
