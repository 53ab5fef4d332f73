#!/usr/bin/env bash
# Installs what the project needs, or says exactly what is missing and how to get it.
#   install.sh build   what `cargo build` and the page need
#   install.sh test    what the tests need beyond that
#   install.sh chaos   what the chaos campaign needs beyond that
#   install.sh producers   what `make producers` needs beyond that
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

declare -A PACKAGE_OF=(
  [cc]=build-essential [make]=make [perl]=perl [pkg-config]=pkg-config
  [java]=openjdk-17-jre-headless [mvn]=maven [chromium]=chromium [promtool]=prometheus [kcat]=kcat [zstd]=zstd
  [prometheus-alertmanager]=prometheus-alertmanager [rsyslogd]="rsyslog rsyslog-kafka"
)

missing_tools() {
  for tool in "$@"; do command -v "$tool" >/dev/null 2>&1 || echo "$tool"; done
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif sudo -n true 2>/dev/null; then sudo "$@"; else return 1; fi
}

install_packages() {
  command -v apt-get >/dev/null 2>&1 || return 1
  echo "installing $*"
  export DEBIAN_FRONTEND=noninteractive
  as_root apt-get update -qq >/dev/null || return 1
  # The tests start their own servers: a package must not start one.
  as_root apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

need() {
  local missing packages=()
  missing=$(missing_tools "$@")
  [ -n "$missing" ] || return 0
  for tool in $missing; do packages+=(${PACKAGE_OF[$tool]}); done
  install_packages "${packages[@]}" || true
  missing=$(missing_tools "$@")
  [ -n "$missing" ] || return 0
  echo "missing: $(echo $missing)" >&2
  echo "on Debian, as root: apt-get install ${packages[*]}" >&2
  exit 1
}

say_how() { # tool, how
  command -v "$1" >/dev/null 2>&1 || { echo "missing: $1. $2" >&2; exit 1; }
}

say_how cargo "Install Rust from https://rustup.rs, then run this again."
say_how node "Install Node.js 20 or newer from https://nodejs.org, then run this again."
say_how npm "It comes with Node.js."
need cc make perl pkg-config
if [ "${1:-build}" != build ]; then
  need java mvn chromium promtool kcat zstd prometheus-alertmanager
  tests/support/install-kafka.sh
fi
if [ "${1:-build}" = chaos ]; then
  say_how go "Install Go 1.23 or newer from https://go.dev/dl: it builds toxiproxy."
  tests/support/install-toxiproxy.sh
fi
if [ "${1:-build}" = producers ]; then
  say_how go "Install Go 1.25 or newer from https://go.dev/dl: it builds the OpenTelemetry Collector and Telegraf."
  need rsyslogd
  tests/support/install-producers.sh
fi
