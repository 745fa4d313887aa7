# lib.sh - what the end-to-end scripts share. Source it: . "$(dirname "$0")/lib.sh"
#
# Environment (set by ctest): DRIFTLINE the binary, BUILD_DIR, SOURCE_DIR. Every script works in $work, which is removed
# at the end together with the processes it started.

set -u
DRIFTLINE=${DRIFTLINE:-build/driftline}
BUILD_DIR=${BUILD_DIR:-build}
SOURCE_DIR=${SOURCE_DIR:-$(cd "$(dirname "$0")/../.." && pwd)}
work=$(mktemp -d "${TMPDIR:-/tmp}/driftline-e2e.XXXXXX")
server_pid=""
other_pids=""
failures=0
unset DRIFTLINE_KEY DRIFTLINE_SERVER DRIFTLINE_PROJECT DRIFTLINE_HTTP DRIFTLINE_NATIVE || true

finish() {
    code=$?
    for pid in $server_pid $other_pids; do
        kill -9 "$pid" 2>/dev/null
    done
    wait 2>/dev/null
    if [ "$code" -ne 0 ] || [ "$failures" -ne 0 ]; then
        echo "---- server log (last lines)"
        tail -n 30 "$work"/server*.log 2>/dev/null
    fi
    rm -rf "$work"
    [ "$code" -eq 0 ] && [ "$failures" -ne 0 ] && code=1
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

fail() {
    echo "FAIL: $*"
    failures=$((failures + 1))
}

pass() {
    echo "ok: $*"
}

# start_server ARGS...: starts `serve --data $work/data` on free ports; sets server_pid, http, native, grpc, pg. A second
# call reuses the ports.
start_server() {
    : >"$work/ready"
    "$DRIFTLINE" serve --data "$work/data" --http "${http:-127.0.0.1:0}" --native "${native:-127.0.0.1:0}" \
        --grpc "${grpc:-127.0.0.1:0}" --pg "${pg:-127.0.0.1:0}" "$@" >"$work/ready" 2>>"$work/server.log" &
    server_pid=$!
    for _ in $(seq 1 600); do
        if grep -q '^ready ' "$work/ready" 2>/dev/null; then
            http=$(sed -n 's/^ready http=\([^ ]*\) .*/\1/p' "$work/ready")
            native=$(sed -n 's/^ready .*native=\([^ ]*\) .*/\1/p' "$work/ready")
            grpc=$(sed -n 's/^ready .*grpc=\([^ ]*\) .*/\1/p' "$work/ready")
            pg=$(sed -n 's/^ready .*pg=\([^ ]*\)$/\1/p' "$work/ready")
            export DRIFTLINE_HTTP="$http" DRIFTLINE_NATIVE="$native"
            return 0
        fi
        kill -0 "$server_pid" 2>/dev/null || break
        sleep 0.05
    done
    echo "the server did not get ready"
    cat "$work/server.log"
    return 1
}

# The key the first start printed.
admin_key() {
    sed -n 's/^ *export DRIFTLINE_KEY=\(.*\)$/\1/p' "$work/server.log" | head -n 1
}

stop_server() {
    kill -TERM "$server_pid" 2>/dev/null
    wait "$server_pid"
    stop_code=$?
    server_pid=""
    [ "$stop_code" -eq 0 ] || fail "the server ended with $stop_code"
}

kill_server() {
    kill -9 "$server_pid" 2>/dev/null
    wait "$server_pid" 2>/dev/null
    server_pid=""
}

sql() {
    "$DRIFTLINE" sql --format csv "$1" | tail -n +2
}

# expect NAME EXPECTED ACTUAL
expect() {
    if [ "$2" = "$3" ]; then pass "$1"; else fail "$1: expected '$2', got '$3'"; fi
}

# expect_match NAME PATTERN TEXT
expect_match() {
    if printf '%s\n' "$3" | grep -q -e "$2"; then pass "$1"; else fail "$1: '$3' does not match '$2'"; fi
}

# expect_fails NAME CODE PATTERN COMMAND...: exit code and message (stdout and stderr together).
expect_fails() {
    name=$1 code=$2 pattern=$3
    shift 3
    output=$("$@" 2>&1 </dev/null)
    got=$?
    if [ "$got" -ne "$code" ]; then
        fail "$name: exit code $got instead of $code: $output"
    elif ! printf '%s\n' "$output" | grep -q -e "$pattern"; then
        fail "$name: message '$output' does not match '$pattern'"
    else
        pass "$name"
    fi
}
