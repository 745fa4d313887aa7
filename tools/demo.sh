#!/bin/sh
# demo.sh - Driftline in two minutes: a server on an empty directory, traffic with a regression in one prompt version,
# and what it makes of it. Called by `./run demo`; leaves nothing behind unless asked with --keep.

set -eu
cd "$(dirname "$0")/.."
driftline=$PWD/build/driftline
keep=no
spans=300000
while [ $# -gt 0 ]; do
    case $1 in
    --keep) keep=yes ;;
    --spans) spans=$2 && shift ;;
    *) echo "demo: unknown flag '$1' (--keep, --spans N)" >&2 && exit 2 ;;
    esac
    shift
done

work=$(mktemp -d "${TMPDIR:-/tmp}/driftline-demo.XXXXXX")
server_pid="" sink_pid=""
unset DRIFTLINE_KEY DRIFTLINE_SERVER DRIFTLINE_PROJECT DRIFTLINE_HTTP DRIFTLINE_NATIVE || true
finish() {
    code=$?
    if [ "$keep" = no ] || [ $code -ne 0 ]; then
        [ -z "$server_pid" ] || kill "$server_pid" 2>/dev/null || true
        [ -z "$sink_pid" ] || kill "$sink_pid" 2>/dev/null || true
        wait 2>/dev/null || true
        [ $code -eq 0 ] || { echo "---- server log"; tail -n 20 "$work/server.log"; }
        rm -rf "$work"
    fi
    exit $code
}
trap finish EXIT
trap 'exit 130' INT TERM

step() {
    printf '\n\033[1m== %s\033[0m\n' "$*"
}
show() {
    printf '\n   driftline sql "%s"\n\n' "$1"
    "$driftline" sql "$1"
}
wait_for() { # FILE PATTERN SECONDS
    tries=$(($3 * 20))
    while [ "$tries" -gt 0 ]; do
        grep -q "$2" "$1" 2>/dev/null && return 0
        sleep 0.05
        tries=$((tries - 1))
    done
    echo "demo: waited $3 s for '$2' in $1" >&2
    return 1
}

step "A local webhook, three alert rules, one server on an empty directory"
"$driftline" webhook-sink --port 0 --secret demo >"$work/sink.out" 2>"$work/sink.log" &
sink_pid=$!
wait_for "$work/sink.out" "^ready" 10
sink=$(sed -n 's/^ready webhook=//p' "$work/sink.out")
cat >"$work/rules.yaml" <<RULES
defaults: {every: 1s, notify: [local]}
notifiers:
  - {name: local, type: webhook, url: "$sink", secret: demo, allow_private: true}
rules:
  - name: groundedness_drop
    query: >
      select prompt_name, prompt_version, count(score.groundedness) as samples,
             drift(score.groundedness, '1h', '12h') as value
      from spans where kind = 'llm' group by 1, 2
    condition: value < -0.03
    min_samples: 200
    severity: page
    summary: "groundedness of {{prompt_name}} {{prompt_version}} moved by {{value}}"
    exemplars: >
      select trace_id from spans where prompt_name = {{prompt_name}} and prompt_version = {{prompt_version}}
      and score.groundedness < 0.8 order by time desc limit 3
  - name: error_rate
    query: >
      select service, count(*) as samples, avg(case when error_class <> 'none' then 1.0 else 0.0 end) as value
      from spans where time > now() - interval '1 hour' group by 1
    condition: value > 0.05
    for: 10s
    min_samples: 200
    severity: warn
    summary: "{{service}}: share of failed spans is {{value}}"
  - name: cost_over_baseline
    query: >
      select model, count(*) as samples,
             sum(cost_usd) filter (where time > now() - interval '1 hour') / nullif(sum(cost_usd) / 24, 0) as value
      from spans where kind = 'llm' and time > now() - interval '24 hours' group by 1
    condition: value > 2
    min_samples: 200
    severity: warn
    summary: "{{model}} costs {{value}} times its hourly mean of the day"
RULES
"$driftline" alert check "$work/rules.yaml"
"$driftline" serve --data "$work/data" --http 127.0.0.1:0 --native 127.0.0.1:0 --grpc 127.0.0.1:0 --pg 127.0.0.1:0 \
    --rules "$work/rules.yaml" --log-level warn >"$work/ready" 2>"$work/server.log" &
server_pid=$!
wait_for "$work/ready" "^ready" 20
cat "$work/ready"
DRIFTLINE_HTTP=$(sed -n 's/^ready http=\([^ ]*\) .*/\1/p' "$work/ready")
DRIFTLINE_NATIVE=$(sed -n 's/^ready .*native=\([^ ]*\) .*/\1/p' "$work/ready")
pg_address=$(sed -n 's/^ready .*pg=\([^ ]*\)$/\1/p' "$work/ready")
wait_for "$work/server.log" "export DRIFTLINE_KEY=" 5
DRIFTLINE_KEY=$(sed -n 's/^ *export DRIFTLINE_KEY=//p' "$work/server.log" | head -n 1)
export DRIFTLINE_HTTP DRIFTLINE_NATIVE DRIFTLINE_KEY

step "A day of traffic: $spans spans; prompt support-answer v7 gets worse in the last hours"
"$driftline" gen --spans "$spans" --seed 7 --since 24h --text \
    --regress prompt=support-answer,version=v7,score=groundedness,by=0.12,after=0.9 --send
if [ -f ../shared/data/tau_bench_gpt4o_airline.json ]; then
    step "And 200 real agent trajectories with their full histories"
    "$driftline" ingest --format chat ../shared/data/tau_bench_gpt4o_airline.json
fi

step "Any SDK: one OTLP request, as a Langfuse client sends it, with what goes wrong behind HTTP 200"
now=$(date +%s)
observation() { # span, parent, name, second, attributes
    printf '{"traceId":"5b8aa5a2d2c872e8321cf37308d69df2","spanId":"%s","parentSpanId":"%s","name":"%s","startTimeUnixNano":"%s000000000","endTimeUnixNano":"%s400000000","attributes":[%s],"status":{}}' \
        "$1" "$2" "$3" $((now + $4)) $((now + $4)) "$5"
}
text() { printf '{"key":"%s","value":{"stringValue":"%s"}}' "$1" "$2"; }
{
    printf '{"resourceSpans":[{"resource":{"attributes":[%s]},"scopeSpans":[{"scope":{"name":"langfuse-sdk"},"spans":[' "$(text service.name help-desk)"
    observation 051581bf3cb55c11 "" agent -8 "$(text langfuse.observation.type agent),$(text langfuse.session.id demo-session)"
    printf ,
    observation 051581bf3cb55c12 051581bf3cb55c11 plan -7 "$(text langfuse.observation.type generation),$(text langfuse.observation.model.name gpt-4o-mini),$(text langfuse.observation.usage_details '{\"input\":56,\"output\":12,\"input_cached_tokens\":64,\"total\":132}'),$(text langfuse.observation.metadata.finish_reason length),$(text langfuse.observation.output '{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"lookup_order\",\"arguments\":\"{\\\"order_id\\\": 47\"}}]}')"
    printf ,
    observation 051581bf3cb55c13 051581bf3cb55c11 lookup_order -6 "$(text langfuse.observation.type tool),$(text langfuse.observation.level ERROR),$(text langfuse.observation.status_message 'connect ETIMEDOUT')"
    printf ,
    observation 051581bf3cb55c14 051581bf3cb55c11 answer -5 "$(text langfuse.observation.type generation),$(text langfuse.observation.model.name gpt-4o-mini),$(text langfuse.observation.input '[{\"role\":\"user\",\"content\":\"Who ordered 4711?\"}]'),$(text langfuse.observation.output 'Jane Roe, jane.roe@example.com, card 4111 1111 1111 1111.')"
    printf ']}]}]}'
} >"$work/otlp.json"
curl -s -w '   answered %{http_code}: acknowledged, so durable, classified, priced and scored\n' -H "Content-Type: application/json" \
    -H "Authorization: Bearer $DRIFTLINE_KEY" --data-binary @"$work/otlp.json" "http://$DRIFTLINE_HTTP/api/public/otel/v1/traces"
show "select name, kind, model, status, error_class, tokens_in, round(cost_usd, 8) as cost_usd, findings from spans where service = 'help-desk' order by time"

step "Which prompt version drifts? Mean groundedness of the last hour against the 12 hours before"
show "select prompt_name, prompt_version, count(score.groundedness) as n, round(drift(score.groundedness, '1h', '12h'), 4) as drift from spans where kind = 'llm' group by 1, 2 having count(score.groundedness) > 200 order by drift limit 5"

step "Cost by model: the last hour against the hourly mean of the day"
show "select model, round(sum(cost_usd) filter (where time > now() - interval '1 hour'), 2) as last_hour_usd, round(sum(cost_usd) / 24, 2) as hourly_mean_usd from spans where kind = 'llm' group by 1 order by 2 desc nulls last limit 5"

step "Latency percentiles by prompt version (log-linear histograms, at most 0.8 % off)"
show "select prompt_version, count(*) as n, p50(ttft_ms) as ttft_p50, p50(latency_ms) as p50, p95(latency_ms) as p95, p99(latency_ms) as p99 from spans where kind = 'llm' and prompt_name = 'support-answer' group by 1 order by 1"

step "The alert: found, written down once, delivered with a signature"
wait_for "$work/sink.out" "groundedness_drop" 30
grep -m 1 "groundedness_drop" "$work/sink.out" | cut -c 1-400
show "select rule, severity, state, summary from incidents order by started limit 5"

step "One of its traces"
trace=$("$driftline" sql --format csv "select trace_id from spans where prompt_name = 'support-answer' and prompt_version = 'v7' and score.groundedness < 0.8 order by time desc limit 1" | tail -n 1)
echo "   driftline trace $trace"
echo
"$driftline" trace "$trace"

step "Where it is kept"
curl -s -X POST -H "Authorization: Bearer $DRIFTLINE_KEY" "http://$DRIFTLINE_HTTP/api/v1/admin/seal" >/dev/null 2>&1 || true
show "select tier, count(*) as files, sum(rows) as rows, round(sum(bytes)::float8 / sum(rows), 1) as bytes_per_row from segments group by 1 order by 1"

step "Now you"
cat <<TRY
   ./run demo --keep                       the same, and the server stays up
   ./run serve                             a server of your own in ./driftline-data
   build/driftline doctor otlp FILE        what became of every attribute of a recorded request
   build/driftline help                    all commands
   build/driftline sql                     the shell (\\help inside); the dialect is query/DIALECT.md
   PGPASSWORD=\$DRIFTLINE_KEY psql -h ${pg_address%:*} -p ${pg_address##*:} -U KEY_ID -d default
TRY
if [ "$keep" = yes ]; then
    key_id=$(printf '%s' "$DRIFTLINE_KEY" | cut -c 4-15)
    cat <<UP

   Still running (data in $work/data; end it with: kill $server_pid $sink_pid):
   export DRIFTLINE_HTTP=$DRIFTLINE_HTTP DRIFTLINE_NATIVE=$DRIFTLINE_NATIVE DRIFTLINE_KEY=$DRIFTLINE_KEY
   PGPASSWORD=$DRIFTLINE_KEY psql -h ${pg_address%:*} -p ${pg_address##*:} -U $key_id -d default
UP
fi
