#!/usr/bin/env bash
# Fuzzes each decoder for WHYDUNIT_FUZZ_S seconds (60), from the seeds beside this file. WHYDUNIT_FORMAT names one format.
# What it finds stays in tests/fuzz/artifacts/decode; run it again with
#   WHYDUNIT_FORMAT=… .tools/fuzz/bin/cargo-fuzz fuzz run --fuzz-dir tests/fuzz --sanitizer none decode FILE
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

[ -x .tools/fuzz/bin/cargo-fuzz ] || cargo install --locked cargo-fuzz --version 0.13.2 --root .tools/fuzz
# Without a sanitizer the stable compiler will do. The decoders have no unsafe code for one to watch.
fuzz() { PATH="$PWD/.tools/fuzz/bin:$PATH" cargo fuzz "$@"; }
fuzz build --fuzz-dir tests/fuzz --sanitizer none decode
program=$(find "${CARGO_TARGET_DIR:-tests/fuzz/target}" -path '*/release/decode' -type f | head -n 1)

mkdir -p tests/fuzz/artifacts/decode
fuzz_format() {
  local format=$1 corpus="tests/fuzz/corpus/$1"
  mkdir -p "$corpus"
  WHYDUNIT_FORMAT=$format "$program" "$corpus" "tests/fuzz/seeds/$format" -artifact_prefix="tests/fuzz/artifacts/decode/$format-" \
    -max_total_time="${WHYDUNIT_FUZZ_S:-60}" -max_len=65536 -timeout=10 -rss_limit_mb=2048 -dict=tests/fuzz/words.dict \
    -print_final_stats=1 2>&1 | grep -E 'stat::(number|average|slowest|peak)|ERROR|panicked|assertion' | sed "s/^/$format: /" || true
}
export -f fuzz_format
export program
# One format on each core.
find tests/fuzz/seeds -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | grep -x "${WHYDUNIT_FORMAT:-.*}" |
  xargs -P "$(nproc)" -I FORMAT bash -c 'fuzz_format FORMAT'
if [ -n "$(ls -A tests/fuzz/artifacts/decode)" ]; then
  echo "found something: see tests/fuzz/artifacts/decode" >&2
  exit 1
fi
