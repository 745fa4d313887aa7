#!/bin/sh
# The real server is killed (-9) at random moments under load, with seals, merges and text retention running all the time.
# Nothing acknowledged may be lost, nothing doubled, with both io backends.
#
#   KILLS=100 sh tests/e2e/test_kill_nine.sh       the long form (default: 4 a backend)
. "$(dirname "$0")/lib.sh"

kills=${KILLS:-4}
pause_us=${PAUSE_US:-2000}

# A number in [50, 1500) from the run's seed: the moment of death in ms.
random_ms() {
    awk -v seed="$1" 'BEGIN { srand(seed); print int(50 + rand() * 1450) }'
}

for io in uring posix; do
    rm -rf "$work/data" "$work/stop" "$work/acks"
    unset http native pg
    set -- --io "$io" --no-auth --set storage.seal_age=100ms --set storage.seal_rows=20000 \
        --set storage.compact_every=150ms --set storage.retain_every=200ms --set retention.text_age=300ms \
        --set retention.rows_age=30d --set query.timeout=10m --log-level warn
    if ! start_server "$@"; then
        if [ "$io" = uring ] && grep -q 'io_uring' "$work/server.log"; then
            echo "io_uring is refused here; posix only"
            continue
        fi
        exit 1
    fi
    "$BUILD_DIR/kill_load" --native "$native" --acks "$work/acks" --stop "$work/stop" --pause-us "$pause_us" >"$work/load.out" 2>&1 &
    load_pid=$!
    other_pids="$load_pid"
    i=0
    while [ "$i" -lt "$kills" ]; do
        i=$((i + 1))
        sleep "$(random_ms $((i * 7919 + ${SEED:-1})) | awk '{ printf "%.3f", $1 / 1000 }')"
        kill_server
        acked=$(awk 'END { print $2 + 0 }' "$work/acks")
        start_server "$@" || exit 1
        stored=$(sql "select count(*) from spans")
        [ "${stored:-0}" -ge "$acked" ] || fail "$io kill $i: $acked rows acknowledged, $stored stored"
        kill -0 "$load_pid" 2>/dev/null || { cat "$work/load.out"; fail "the load ended early"; break; }
    done
    touch "$work/stop"
    wait "$load_pid" || fail "load: $(cat "$work/load.out")"
    other_pids=""
    batches=$(sed -n 's/^sent \([0-9]*\) batches.*/\1/p' "$work/load.out")
    rows=$(sed -n 's/^sent .* batches \([0-9]*\) rows/\1/p' "$work/load.out")
    expect "$io: nothing lost, nothing doubled" "$rows,$rows" "$(sql "select count(*), count(distinct span_id) from spans")"
    expect "$io: every score once" "$((batches - 1))" "$(sql "select count(*) from scores")"
    expect "$io: every tag once" "$((batches - 1))" "$(sql "select count(*) from tags")"
    expect "$io: amendments are on their spans" "$((batches - 1)),$((batches - 1))" \
        "$(sql "select count(score.checked), count(*) filter (where error_class = 'other') from spans")"
    kill_server
    start_server "$@" || exit 1
    expect "$io: all there after one more death" "$rows" "$(sql "select count(*) from spans")"
    stop_server
    if "$DRIFTLINE" verify --data "$work/data" >"$work/verify.out" 2>&1; then
        pass "$io: verify is clean"
    else
        cat "$work/verify.out"
        fail "$io: verify found damage"
    fi
    echo "$io: $kills kills, $rows rows acknowledged"
done
