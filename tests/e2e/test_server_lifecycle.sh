#!/bin/sh
# Start, reload, keys, cancellation, limits and the orderly end of a server.
. "$(dirname "$0")/lib.sh"

rule() {
    printf 'rules:\n  - name: %s\n    query: select count(*) as value from spans\n    condition: value < 0\n' "$1" >"$work/rules.yaml"
}
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

# ---- the first start shows a key, the second does not ----

rule first_rule
start_server --rules "$work/rules.yaml" || exit 1
admin=$(admin_key)
export DRIFTLINE_KEY="$admin"
expect_match "the first start shows a key" '^dl_[a-z2-7]\{12\}_[a-z2-7]\{52\}$' "$admin"
expect "which is not stored" 0 "$(cat "$work/data/control.db"* | tr -d '\0' | grep -ac "${admin#dl_*_}")"
stop_server
start_server --rules "$work/rules.yaml" || exit 1
expect "the second start does not" 1 "$(grep -c 'export DRIFTLINE_KEY=' "$work/server.log")"
expect_fails "and the key works" 0 "0" "$DRIFTLINE" sql "select count(*) from spans"

# ---- keys come and go at once ----

key=$("$DRIFTLINE" keys create --project default --scopes read,ingest --note "a reader")
id=$(printf '%s' "$key" | cut -c4-15)
ask_as() { DRIFTLINE_KEY=$1 "$DRIFTLINE" sql "select 1 as one"; }
expect_fails "a new key works at once" 0 1 ask_as "$key"
expect_fails "it is listed" 0 "$id .*read.*active.*a reader" "$DRIFTLINE" keys list
expect_fails "its secret is not" 1 '^$' sh -c "\"$DRIFTLINE\" keys list | grep '${key#dl_*_}'"
expect_fails "it is revoked" 0 "^" "$DRIFTLINE" keys revoke "$id"
expect_fails "and stops working at once" 1 "key is not valid" ask_as "$key"
expect_fails "revoked twice" 1 "no key '$id' in use" "$DRIFTLINE" keys revoke "$id"
expect_fails "it stays in the list" 0 "$id .*revoked" "$DRIFTLINE" keys list
expect_fails "a scope that is none" 1 "'write' is not a scope; known: ingest" "$DRIFTLINE" keys create --scopes write
expect_fails "the server holds the directory" 1 "process $server_pid" "$DRIFTLINE" keys list --data "$work/data"

# ---- SIGHUP reads the rules again ----

rules_are() { [ "$(sql 'select name from alert_rules')" = "$1" ]; }
expect "rules are loaded" first_rule "$(sql 'select name from alert_rules')"
rule second_rule
kill -HUP "$server_pid"
if wait_for 20 rules_are second_rule; then pass "SIGHUP reads them again"; else fail "rules: $(sql 'select name from alert_rules')"; fi
printf 'rules: nonsense\n' >"$work/rules.yaml"
kill -HUP "$server_pid"
told() { grep -q 'rules.yaml:1:.*old rules stay in force' "$work/server.log"; }
if wait_for 20 told; then pass "bad rules are told"; else fail "bad rules were not told"; fi
expect "and the old ones stay" second_rule "$(sql 'select name from alert_rules')"
expect_fails "reload over HTTP tells the caller" 0 "400" curl -s -w '%{http_code}' -X POST -H "x-api-key: $admin" "http://$http/api/v1/alerts/reload"
rule first_rule
expect_fails "and works" 0 '"reloaded":true' curl -s -X POST -H "x-api-key: $admin" "http://$http/api/v1/alerts/reload"

# ---- SIGTERM under load: what was acknowledged is there, the server ends with 0 ----

"$BUILD_DIR/kill_load" --native "$native" --key "$admin" --acks "$work/acks" --stop "$work/stop" --rows 500 --pause-us 2000 >"$work/load.out" 2>&1 &
load_pid=$!
other_pids=$load_pid
acked() { touch "$work/acks"; awk 'END { print $2 + 0 }' "$work/acks"; }
some_acked() { [ "$(acked)" -ge "${more_than:-5000}" ]; }
for round in 1 2 3; do
    more_than=$(($(acked) + 5000))
    wait_for 60 some_acked || fail "no acks: $(cat "$work/load.out")"
    stop_server
    before=$(acked)
    start_server --rules "$work/rules.yaml" || exit 1
    stored=$(sql "select count(*) from spans")
    if [ "${stored:-0}" -ge "$before" ]; then pass "drain $round under load: $before acknowledged"; else fail "drain $round: $before acknowledged, '$stored' stored"; fi
done
expect "no drain took too long" 0 "$(grep -c 'did not finish in time' "$work/server.log")"
touch "$work/stop"
wait "$load_pid" || fail "load: $(cat "$work/load.out")"
other_pids=""
rows=$(sed -n 's/^sent .* batches \([0-9]*\) rows/\1/p' "$work/load.out")
expect "nothing lost, nothing doubled" "$rows,$rows" "$(sql 'select count(*), count(distinct span_id) from spans')"

# ---- limits and cancellation: a statement that would take far longer than this test ----

# A thousand characters of text to look through, twenty times a row.
text=$(head -c 1000 /dev/zero | tr '\0' a)
heavy="select count(*) from spans where session like '%x%y%z%'"
for i in $(seq 1 20); do
    heavy="$heavy or session || '$text$i' like '%a%a%b%c%'"
done
stop_server
start_server --rules "$work/rules.yaml" --set query.timeout=1ms --set query.threads=1 || exit 1
expect_fails "a timeout names its limit" 1 "1 \{0,1\}ms" "$DRIFTLINE" sql "$heavy"
expect "over HTTP it is 504" 504 "$(curl -s -o "$work/answer" -w '%{http_code}' -H "x-api-key: $admin" -d "$heavy" "http://$http/api/v1/sql")"
if command -v psql >/dev/null; then
    # ask ARGUMENTS: SQLSTATEs are shown. Only for subshells: the shell becomes psql, so that signals reach it.
    ask() {
        # psql turns SIGINT into a CancelRequest, but jobs in a script's background are started to ignore it.
        PGPASSWORD=$admin exec env --default-signal=INT psql -X -A -t -v VERBOSITY=verbose -h 127.0.0.1 -p "${pg##*:}" \
            -U "$(printf '%s' "$admin" | cut -c4-15)" -d default "$@"
    }
    expect_fails "over PostgreSQL it is 57014" 1 "57014" ask -c "$heavy"
fi
stop_server
start_server --rules "$work/rules.yaml" --set query.memory=64KiB || exit 1
expect_fails "a memory limit names itself" 1 "64 \{0,1\}KiB\|65536\|memory" "$DRIFTLINE" sql "select span_id, session, count(*) from spans group by span_id, session order by span_id"
expect_fails "and the server goes on" 0 "1" "$DRIFTLINE" sql "select 1 as one"
stop_server

# ---- a client that changes its mind ----

start_server --rules "$work/rules.yaml" --set query.threads=1 --set query.concurrent=1 --set query.timeout=10m || exit 1
# With one query at a time, a cheap one gets through only when the heavy one before it has ended.
timeout -s KILL 1 curl -s -o /dev/null -H "x-api-key: $admin" -d "$heavy" "http://$http/api/v1/sql"
expect_fails "an HTTP client that left does not block others" 0 '"one"' \
    curl -s -m 60 -H "x-api-key: $admin" -d "select 1 as one" "http://$http/api/v1/sql"
# The statement before it was answered; the heavy one is on its way.
is_asked() { grep -q connected "$work/psql.out" && sleep 0.3; }
if command -v psql >/dev/null; then
    ask -c "select 'connected'" -c "$heavy" >"$work/psql.out" 2>&1 &
    psql_pid=$!
    other_pids=$psql_pid
    wait_for 60 is_asked
    kill -INT "$psql_pid"
    wait "$psql_pid"
    other_pids=""
    expect_match "a cancel request ends a statement" "57014" "$(cat "$work/psql.out")"
    ask -c "select 'connected'" -c "$heavy" >"$work/psql.out" 2>&1 &
    other_pids=$!
    wait_for 60 is_asked
    kill -KILL "$other_pids"
    other_pids=""
    expect_fails "a psql that died does not block others" 0 '"one"' \
        curl -s -m 60 -H "x-api-key: $admin" -d "select 1 as one" "http://$http/api/v1/sql"
    ask -c "select 'connected'" -c "$heavy" >"$work/psql.out" 2>&1 &
    psql_pid=$!
    other_pids=$psql_pid
    wait_for 60 is_asked
    stop_server
    wait "$psql_pid"
    other_pids=""
    expect_match "a drain cancels what runs" "57014\|57P01" "$(cat "$work/psql.out")"
else
    stop_server
fi
