#!/bin/sh
# Builds an OpenTelemetry Collector and Telegraf into .tools/producers, through Go's module proxy, once.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${1:-$here/../../.tools/producers}
[ -f "$target/installed" ] && exit 0
command -v go >/dev/null || { echo "install-producers: go is missing; install Go 1.25 or newer from https://go.dev/dl" >&2; exit 1; }
mkdir -p "$target"
target=$(cd "$target" && pwd)
export GOBIN="$target"
echo "building the OpenTelemetry Collector and Telegraf; some minutes"
go install go.opentelemetry.io/collector/cmd/builder@v0.165.0
"$target/builder" --config "$here/collector.yaml" --output-path "$target/collector"
# Of Telegraf only what is asked for: all of it takes long to build.
go install -tags "custom,inputs.cpu,inputs.mem,inputs.system,outputs.kafka,serializers.influx,serializers.json" \
  github.com/influxdata/telegraf/cmd/telegraf@v1.37.2
touch "$target/installed"
