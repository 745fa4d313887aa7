#!/bin/sh
# From spans to webhooks with real processes: a breach is told once, signed; a restart, even kill -9 between the
# transition and its delivery, neither forgets nor repeats. Prints how long it took and asserts nothing about it.
. "$(dirname "$0")/lib.sh"

sink_pid=""
sink_port=0

# start_sink [ARGS...]: bodies go to $work/bodies, one a line; what is known about them to $work/requests.
start_sink() {
    : >"$work/sink"
    "$DRIFTLINE" webhook-sink --port "$sink_port" --secret s3cret "$@" >"$work/sink" 2>>"$work/requests" &
    sink_pid=$!
    other_pids="$other_pids $sink_pid"
    wait_for 10 grep -q '^ready ' "$work/sink" || { echo "the sink did not start"; exit 1; }
    sink_port=$(sed -n 's/^ready webhook=http:\/\/127.0.0.1:\([0-9]*\)\/$/\1/p' "$work/sink")
}
stop_sink() {
    kill "$sink_pid" 2>/dev/null
    wait "$sink_pid" 2>/dev/null
    grep -v '^ready ' "$work/sink" >>"$work/bodies"
    : >"$work/sink"
}
wait_for() {
    tries=$(($1 * 20))
    shift
    while [ "$tries" -gt 0 ]; do
        "$@" && return 0
        tries=$((tries - 1))
        sleep 0.05
    done
    return 1
}
bodies() { cat "$work/bodies" "$work/sink" 2>/dev/null | grep -v '^ready '; }
has_bodies() { [ "$(bodies | grep -c "$2")" -ge "$1" ]; }
is() { [ "$(sql "$2")" = "$1" ]; }

# rules EVERY
rules() {
    cat >"$work/rules.yaml" <<RULES
notifiers:
  - name: ops
    type: webhook
    url: http://127.0.0.1:$sink_port/
    secret: s3cret
    allow_private: true
rules:
  - name: groundedness_low
    query: |
      select prompt_version, avg(score.groundedness) as value, count(*) as samples
      from spans where time > now() - interval '1h' group by prompt_version
    condition: value < 0.80
    resolve: value > 0.85
    every: $1
    min_samples: 5
    severity: page
    summary: "groundedness of {{prompt_version}} is {{value:2}} over {{samples}}"
    exemplars: select trace_id from spans where prompt_version = {{prompt_version}} and score.groundedness < 0.5 limit 3
    labels: {team: llm}
    notify: ops
RULES
}

number=0
# spans COUNT VERSION GROUNDEDNESS
spans() {
    now=$(date +%s%N)
    first=$((number + 1))
    number=$((number + $1))
    for i in $(seq "$first" "$number"); do
        printf '{"time_ns":%s,"trace_id":"%032x","span_id":"%016x","prompt_version":"%s","score.groundedness":%s}\n' \
            "$now" "$i" "$i" "$2" "$3"
    done | "$DRIFTLINE" ingest -q --format ndjson - >/dev/null || fail "ingest"
}

start_sink
rules 250ms
start_server --no-auth --rules "$work/rules.yaml" || exit 1

# ---- a breach is one webhook ----

spans 20 v1 0.95
spans 4 v2 0.10
sleep 1
expect "a healthy version and few samples stay silent" 0 "$(bodies | wc -l)"
before=$(date +%s%N)
spans 6 v2 0.10
after=$(date +%s%N)
wait_for 20 has_bodies 1 '"status":"firing"' || fail "no webhook"
received=$(sed -n '1s/ .*//p' "$work/requests")
received=$(date -d "$received" +%s%N)
echo "breach to webhook: $(((received - before) / 1000000)) ms after the ingest command began, $(((received - after) / 1000000)) ms after it ended (every: 250ms)"
body=$(bodies | head -n 1)
expect_match "it names the group" '"prompt_version":"v2"' "$body"
expect_match "it carries labels" '"team":"llm"' "$body"
expect_match "it carries a summary" '"summary":"groundedness of v2 is 0.10 over 10"' "$body"
expect_match "it carries exemplars" '"exemplars":\["[0-9a-f]\{32\}","[0-9a-f]\{32\}","[0-9a-f]\{32\}"\]' "$body"
expect_match "the signature is good" 'attempt=1 key=[0-9a-f]\{32\} signature=good answer=200' "$(head -n 1 "$work/requests")"
wait_for 10 is 1 "select notified from incidents" || fail "the incident counts its notification"
expect "the incident is there for SQL" "firing,groundedness_low,page" "$(sql "select state, rule, severity from incidents")"
expect "and so is the rule" "firing" "$(sql "select state from alert_rules")"
expect_match "driftline alert list shows both" 'groundedness_low' "$("$DRIFTLINE" alert list)"

# ---- an orderly restart does not repeat ----

stop_server
start_server --no-auth --rules "$work/rules.yaml" || exit 1
wait_for 10 is true "select evaluations > 2 from alert_rules" || fail "no evaluation after the restart"
expect "nothing was repeated" 1 "$(bodies | wc -l)"
expect "the incident goes on" "1,firing" "$(sql "select count(*), max(state) from incidents")"

# ---- kill -9 between the transition and its delivery ----

stop_sink
spans 10 v3 0.20
wait_for 20 is 1 "select count(*) from incidents where labels like '%v3%' and state = 'firing'" || fail "v3 did not fire"
wait_for 10 is waiting "select state from notifications order by id desc limit 1" || fail "v3 is not waiting"
kill_server
start_sink
start_server --no-auth --rules "$work/rules.yaml" || exit 1
wait_for 40 has_bodies 1 '"prompt_version":"v3"' || fail "v3 was forgotten"
sleep 1
expect "v3 was told once" 1 "$(bodies | grep -c '"prompt_version":"v3"')"
expect "v2 was not told again" 1 "$(bodies | grep -c '"prompt_version":"v2"')"
expect "every key came once" "$(grep -c 'answer=200' "$work/requests")" \
    "$(sed -n 's/.*key=\([0-9a-f]*\) .*answer=200/\1/p' "$work/requests" | sort -u | wc -l)"

# ---- the end is told, too ----

spans 300 v2 0.99
wait_for 20 has_bodies 1 '"status":"resolved"' || fail "no end"
expect_match "the end names the group" '"prompt_version":"v2"' "$(bodies | grep '"status":"resolved"' | head -n 1)"

# ---- every: 1s, with data arriving all the time ----

rules 1s
kill -HUP "$server_pid"
wait_for 10 is 1s "select every from alert_rules" || fail "the rules were not reloaded"
for _ in 1 2 3 4; do
    spans 2 v1 0.95
    sleep 0.1
done
requests=$(grep -c 'answer=200' "$work/requests")
before=$(date +%s%N)
spans 10 v4 0.30
after=$(date +%s%N)
wait_for 20 has_bodies 1 '"prompt_version":"v4"' || fail "v4 did not fire"
received=$(grep 'answer=200' "$work/requests" | sed -n "$((requests + 1))s/ .*//p")
received=$(date -d "$received" +%s%N)
echo "breach to webhook: $(((received - before) / 1000000)) ms after the ingest command began, $(((received - after) / 1000000)) ms after it ended (every: 1s, busy)"

# ---- bad rules on reload ----

echo 'rules: [{name: x}]' >"$work/rules.yaml"
expect_fails "bad rules are refused with their place" 1 'rules.yaml:1:10: a rule needs the key' "$DRIFTLINE" alert check "$work/rules.yaml"
kill -HUP "$server_pid"
wait_for 10 grep -q 'the old rules stay in force' "$work/server.log" || fail "the reload was not refused"
expect "the old ones stay" groundedness_low "$(sql "select name from alert_rules")"
stop_server
