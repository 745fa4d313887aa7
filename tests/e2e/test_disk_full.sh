#!/bin/sh
# A full disk: ingest is told, queries go on, health says why; with space again ingest resumes by itself, nothing acknowledged
# is lost. Needs root for a small tmpfs.
. "$(dirname "$0")/lib.sh"

mkdir "$work/data"
if ! mount -t tmpfs -o size=64m tmpfs "$work/data" 2>"$work/mount.err"; then
    echo "skipped: a tmpfs can't be mounted here: $(cat "$work/mount.err")"
    exit 77
fi
# Before the directory is removed (see lib.sh): what is mounted has to go, and the server that uses it.
trap 'code=$?; for pid in $server_pid $other_pids; do kill -9 "$pid" 2>/dev/null; done; wait 2>/dev/null; umount "$work/data"; (exit $code); finish' EXIT

health() { curl -s "http://$http/api/v1/health"; }
acked() { awk 'END { print $2 + 0 }' "$work/acks"; }
# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
    tries=$(($1 * 10))
    shift
    while [ "$tries" -gt 0 ]; do
        "$@" && return 0
        tries=$((tries - 1))
        sleep 0.1
    done
    return 1
}
is_writable() { health | grep -q '"writable":true'; }
is_not_writable() { health | grep -q '"writable":false'; }

start_server --no-auth --log-level warn --set storage.seal_rows=20000 --set storage.seal_age=1s --set storage.head_bytes=8MiB || exit 1
: >"$work/acks"
"$BUILD_DIR/kill_load" --native "$native" --acks "$work/acks" --stop "$work/stop" --rows 500 --pause-us 5000 >"$work/load.out" 2>&1 &
load_pid=$!
other_pids=$load_pid
some_acked() { [ "$(acked)" -gt 2000 ]; }
wait_for 60 some_acked || fail "the load did not get going: $(cat "$work/load.out")"

# All that is left, in pieces so that the last bytes go too.
dd if=/dev/zero of="$work/data/filler" bs=1M 2>/dev/null
dd if=/dev/zero of="$work/data/filler2" bs=4k 2>/dev/null
if wait_for 60 is_not_writable; then pass "health says that it can't write"; else fail "still writable: $(health)"; fi
expect_match "and why" '"reason":"[^"]*\(space\|full\|disk\)' "$(health)"
expect "not ready" 503 "$(curl -s -o "$work/answer" -w '%{http_code}' "http://$http/readyz")"
expect_match "ready says why" "not writable: ..*" "$(cat "$work/answer")"
expect "alive" 200 "$(curl -s -o /dev/null -w '%{http_code}' "http://$http/healthz")"
full_acked=$(acked)
stored=$(sql "select count(*) from spans")
[ "${stored:-0}" -ge "$full_acked" ] && pass "queries go on: $stored rows" || fail "$full_acked rows acknowledged, '$stored' stored"
kill -0 "$load_pid" || fail "the client gave up: $(cat "$work/load.out")"

rm "$work/data/filler" "$work/data/filler2"
if wait_for 60 is_writable; then pass "writable again by itself"; else fail "not writable: $(health)"; fi
goes_on() { [ "$(acked)" -gt "$full_acked" ]; }
if wait_for 60 goes_on; then pass "ingest resumed"; else fail "no ack since there is space: $(health)"; fi
touch "$work/stop"
wait "$load_pid" || fail "load: $(cat "$work/load.out")"
other_pids=""
rows=$(sed -n 's/^sent .* batches \([0-9]*\) rows/\1/p' "$work/load.out")
expect "nothing lost, nothing doubled" "$rows,$rows" "$(sql 'select count(*), count(distinct span_id) from spans')"
kill_server
start_server --no-auth --log-level warn || exit 1
expect "nor after kill -9" "$rows,$rows" "$(sql 'select count(*), count(distinct span_id) from spans')"
stop_server
