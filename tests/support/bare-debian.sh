#!/usr/bin/env bash
# Tries the packed release in a folder that holds a bare Debian: no Rust, no Node.js, no Java, no curl. As root, with network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

[ "$(id -u)" = 0 ] || { echo "needs root, for chroot: sudo make release-check" >&2; exit 1; }
command -v debootstrap >/dev/null || apt-get install -y -qq debootstrap >/dev/null
archive=$(ls -t "${CARGO_TARGET_DIR:-target}"/release/whydunit-*.tar.gz | head -n 1)
bare=$(mktemp -d)
cleanup() {
  umount "$bare/proc" 2>/dev/null || true
  rm -rf "$bare"
}
trap cleanup EXIT

echo "installing a bare Debian into $bare"
debootstrap --variant=minbase bookworm "$bare" >/dev/null
mount --bind /proc "$bare/proc"
tar -C "$bare/opt" -xzf "$archive"
cat > "$bare/try.sh" <<'TRY'
set -eu
cd "$(ls -d /opt/whydunit-*/)"
PATH="$PWD:$PATH"
for tool in cargo node java curl; do
  if command -v $tool; then echo "this Debian is not bare: $tool"; exit 1; fi
done
whydunit --version
whydunit check > checked.toml
echo "check: $(wc -l < checked.toml) lines of settings"
begin=$(date +%s)
whydunit demo --once --json --listen 127.0.0.1:0 > demo.json
echo "demo: $(grep -m 1 '"title"' demo.json) after $(( $(date +%s) - begin )) s"
export WHYDUNIT__WEB__LISTEN=127.0.0.1:18099 WHYDUNIT__OPS__LISTEN=127.0.0.1:18098
whydunit run 2> run.log &
running=$!
for _ in $(seq 100); do
  if whydunit health > health 2>/dev/null; then break; fi
  sleep 0.2
done
echo "run: $(cat health)"
whydunit note "tried on a bare Debian" > note
kill -TERM $running
wait $running
echo "run: ended by SIGTERM with $?"
whydunit verify
TRY
chroot "$bare" sh /try.sh
echo "the release runs on a bare Debian"
