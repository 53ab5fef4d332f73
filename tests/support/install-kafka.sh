#!/bin/sh
# Puts the jars of Apache Kafka into .tools/kafka/libs, through Maven, once.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${1:-$here/../../.tools/kafka}
[ -f "$target/installed" ] && exit 0
for tool in java mvn; do
    command -v "$tool" >/dev/null || { echo "install-kafka: $tool is missing; install a JDK 17 and Maven" >&2; exit 1; }
done
mkdir -p "$target"
mvn -q -B -f "$here/kafka/pom.xml" dependency:copy-dependencies "-DoutputDirectory=$(cd "$target" && pwd)/libs"
touch "$target/installed"
