#!/bin/sh
# Changing one's mind about the past: reprice, rescore and remap against a server and on a directory; doctor otlp.
. "$(dirname "$0")/lib.sh"

cat >"$work/arrival.yaml" <<'YAML'
scorers: {latency_budget: 10s}
YAML
start_server --log-level warn --policy "$work/arrival.yaml" || exit 1
DRIFTLINE_KEY=$(admin_key)
export DRIFTLINE_KEY

cat >"$work/spans.ndjson" <<'NDJSON'
{"time":"2026-11-02T00:00:00Z","trace_id":"000102030405060708090a0b0c0d0e01","span_id":"0000000000000001","kind":"llm","model":"acme-large","tokens_in":1000000,"tokens_out":500000,"latency_ms":4000,"output":[{"role":"assistant","content":"yes"}]}
{"time":"2026-11-02T00:00:01Z","trace_id":"000102030405060708090a0b0c0d0e02","span_id":"0000000000000002","kind":"llm","model":"acme-small","tokens_in":1000000,"latency_ms":500,"output":[{"role":"assistant","content":"no"}]}
{"time":"2026-11-03T00:00:02Z","trace_id":"000102030405060708090a0b0c0d0e03","span_id":"0000000000000003","kind":"llm","model":"acme-large","tokens_in":2000000,"cost_usd":7.5,"latency_ms":100}
{"time":"2026-11-03T00:00:03Z","trace_id":"000102030405060708090a0b0c0d0e04","span_id":"0000000000000004","kind":"llm","latency_ms":100,"attributes":{"gen_ai.request.model":"acme-large","gen_ai.usage.input_tokens":3000000,"gen_ai.input.messages":[{"role":"user","parts":[{"type":"text","content":"remember me"}]}],"acme.id":17}}
NDJSON
expect_fails "spans go in" 0 "ingested 4 spans" "$DRIFTLINE" ingest --format ndjson "$work/spans.ndjson"

cat >"$work/prices.yaml" <<'YAML'
version: "acme-2"
prices:
  - {model: "acme-large", input: 2, output: 4}
  - {model: "acme-small", input: 0.5}
YAML

# ---- reprice ----

costs() { sql 'select sum(cost_usd), count(cost_usd) from spans'; }
reprice() { "$DRIFTLINE" reprice --table "$work/prices.yaml" "$@"; }

expect "unknown models have no cost" "7.5,1" "$(costs)"
out=$(reprice --dry-run)
expect_match "a dry run tells the difference by model" '^acme-large .*\$7.500000 .*\$11.500000 .*+\$4.000000' "$out"
expect_match "and that nothing was written" '2 of 4 spans would get the prices of acme-2 (dry run' "$out"
expect "and nothing was" "7.5,1" "$(costs)"
out=$(reprice --json --since 2026-11-02 --until 2026-11-02T00:00:01Z)
expect_match "a range" '"changed":1,.*"before_usd":0.000000000,"after_usd":4.000000000' "$out"
expect_match "all of it" '^total .*\$12.000000' "$(reprice)"
expect "the costs are there" "12,3" "$(costs)"
expect "with their version, what the client said left alone" "acme-2,true;acme-2,true;client,false" \
    "$(sql "select pricing_version, cost_estimated from spans where cost_usd is not null order by time" | paste -sd';')"
expect_match "a second time changes nothing" '^0 of 4 spans got' "$(reprice)"
expect_match "--all takes what clients said too" '^1 of 4 spans got' "$(reprice --all)"
expect "all costs are ours now" "8.5,3" "$(costs)"

expect_fails "without a table" 2 "say which prices: --table FILE" "$DRIFTLINE" reprice
expect_fails "a table that is not there" 1 "nowhere.yaml: No such file" "$DRIFTLINE" reprice --table nowhere.yaml
printf 'version: "1"\nprices:\n  - {modle: "a", input: 1}\n' >"$work/typo.yaml"
expect_fails "a typo in the table" 1 "typo.yaml:3:.*model" "$DRIFTLINE" reprice --table "$work/typo.yaml"
expect_fails "a range that is none" 2 "since: 'yesterday' is neither" reprice --since yesterday
expect_fails "an empty range" 2 "is empty" reprice --since 2026-11-03 --until 2026-11-02
expect_fails "a project that is not there" 1 "shop" reprice --project shop
expect_fails "a flag that is none" 2 "did you mean '--dry-run'" reprice --dryrun

# ---- remap ----

out=$("$DRIFTLINE" remap --dry-run)
expect_match "a dry run of remap" '^1 of 4 spans would get [3-9] cells' "$out"
expect_match "remap" '^1 of 4 spans got [3-9] cells' "$("$DRIFTLINE" remap)"
expect "attributes became cells" 'acme-large,3000000' "$(sql "select model, tokens_in from spans where span_id = '0000000000000004'")"
expect_match "and messages" 'remember me' "$(sql "select input from spans where span_id = '0000000000000004'")"
expect "what nobody knows stays" '17' "$(sql "select attributes->>'acme.id' from spans where span_id = '0000000000000004'")"
expect_match "a second time finds nothing" '^0 of 4 spans got 0 cells' "$("$DRIFTLINE" remap)"
expect_match "what was found can be priced" '^1 of 4 spans got' "$(reprice)"

# ---- rescore ----

expect_fails "rescore wants a beginning" 2 "say from when" "$DRIFTLINE" rescore
expect_fails "a scorer that is none" 1 "did you mean not_refused" "$DRIFTLINE" rescore --since 2026-01-01 --scorer not_refuse
expect_match "the same scorer changes nothing" ': 0 changed' "$("$DRIFTLINE" rescore --since 2026-01-01 --scorer in_latency_budget)"

# ---- who may ----

code() { curl -s -o "$work/answer" -w '%{http_code}' -X POST -H "Authorization: Bearer $1" --data-binary "@$work/prices.yaml" "http://$http$2"; }
key_read=$("$DRIFTLINE" keys create --scopes read)
for job in reprice rescore remap; do
    expect "a reader may not $job" 403 "$(code "$key_read" "/api/v1/admin/$job?dry_run=true")"
done
expect "a bad range over HTTP" 400 "$(code "$DRIFTLINE_KEY" '/api/v1/admin/remap?since=x')"
expect "no table over HTTP" 400 "$(curl -s -o /dev/null -w '%{http_code}' -X POST -H "Authorization: Bearer $DRIFTLINE_KEY" "http://$http/api/v1/admin/reprice")"

# ---- on a directory ----

expect_fails "a server has it" 1 "ask the server" reprice --data "$work/data"
expect_fails "--policy is for directories" 2 "goes with --data" "$DRIFTLINE" rescore --since 2026-01-01 --policy "$work/policy.yaml"
stop_server
cat >"$work/policy.yaml" <<'YAML'
scorers: {latency_budget: 2s}
YAML
rescore() { "$DRIFTLINE" rescore --data "$work/data" --since 2026-01-01 --policy "$work/policy.yaml" --scorer in_latency_budget "$@"; }
expect_match "a stricter budget changes one score" ': 1 would change (dry run' "$(rescore --dry-run)"
out=$(rescore)
expect_match "and says so" '^in_latency_budget  *4  *1  *1  *0.5' "$out"
expect_match "offline, once" ': 0 changed' "$(rescore)"
expect_match "reprice offline" '^0 of 4 spans got' "$(reprice --data "$work/data")"
expect_match "remap offline" '^0 of 4 spans got' "$("$DRIFTLINE" remap --data "$work/data")"
expect_fails "no store there" 1 "is not a directory" reprice --data "$work/nowhere"
start_server --log-level warn || exit 1
expect "the new score shows" "0.5" "$(sql "select \"score.in_latency_budget\" from spans where span_id = '0000000000000001'")"
expect "old and new stand in scores" "1,0.5" "$(sql "select value from scores where name = 'in_latency_budget' order by value desc" | paste -sd,)"
expect "each with its version" 2 "$(sql "select count(distinct scorer_version) from scores where name = 'in_latency_budget'")"
expect_match "nothing is damaged" '"damaged":false' "$("$DRIFTLINE" verify --json)"
stop_server

# ---- doctor otlp ----

cat >"$work/traces.json" <<'JSON'
{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"bot"}}]},"scopeSpans":[{"spans":[
{"traceId":"000102030405060708090a0b0c0d0e0f","spanId":"0000000000000001","name":"chat acme","startTimeUnixNano":"1793577600000000000","endTimeUnixNano":"1793577601000000000",
"attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"chat"}},{"key":"gen_ai.request.model","value":{"stringValue":"acme-large"}},{"key":"acme.note","value":{"intValue":"5"}}],
"status":{"code":1},"events":[{"name":"exception","timeUnixNano":"1793577601000000000","attributes":[{"key":"exception.type","value":{"stringValue":"TimeoutError"}}]}]}]}]}]}
JSON
cat >"$work/logs.json" <<'JSON'
{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1793577600000000000","traceId":"000102030405060708090a0b0c0d0e0f","spanId":"0000000000000001","eventName":"gen_ai.evaluation.result",
"attributes":[{"key":"gen_ai.evaluation.name","value":{"stringValue":"tone"}},{"key":"gen_ai.evaluation.score.value","value":{"doubleValue":0.25}}]}]}]}]}
JSON
doctor() { "$DRIFTLINE" doctor otlp "$@"; }
out=$(doctor "$work/traces.json")
expect_match "an attribute became a column" '^ *gen_ai.request.model  *acme-large  *model ' "$out"
expect_match "another stays" '^ *acme.note  *5  *attributes ' "$out"
expect_match "the row" '^ *latency_ms  *1000$' "$out"
expect_match "its class" '^ *error_class  *timeout' "$out"
expect_match "status and event differ" 'counted as an error \[1: chat acme\]' "$out"
expect_match "no session" 'no session id found: set session.id' "$out"
out=$(doctor "$work/traces.json" --json)
expect_match "for machines" '"source":"gen_ai.request.model","value":"acme-large","column":"model"' "$out"
expect_match "advice for machines" '"code":"status_differs"' "$out"
expect_match "logs" '^ *tone  *0.25' "$(doctor "$work/logs.json" --logs)"
expect_match "logs posted as traces" 'this is a logs export, not traces: a server answers 400' "$(doctor "$work/logs.json")"
expect_match "JSON called protobuf" 'the body is JSON, but Content-Type says protobuf' \
    "$(doctor "$work/traces.json" --content-type application/x-protobuf)"
gzip -c "$work/traces.json" >"$work/traces.gz"
expect_match "gzip is recognised" ': gzip, JSON, ' "$(doctor "$work/traces.gz")"
expect_match "gzip without its header" 'send Content-Encoding: gzip' "$(doctor "$work/traces.gz" --content-type application/json)"
printf 'POST /v1/logs HTTP/1.1\r\nContent-Type: application/json\r\n\r\n' | cat - "$work/logs.json" >"$work/request.bin"
expect_match "a whole request with its head" 'JSON, .* 1 log record$' "$(doctor "$work/request.bin")"
printf 'POST /v1/traces HTTP/1.1\ncontent-type: application/json\ncontent-encoding: gzip\n' >"$work/headers.txt"
expect_match "headers of a proxy" ': gzip, JSON, ' "$(doctor "$work/traces.gz" --headers "$work/headers.txt")"
head -c 300 "$work/traces.json" >"$work/cut.json"
expect_fails "a body cut short" 1 "no traces export in JSON: .*byte 300" doctor "$work/cut.json"
head -c 100 "$work/traces.gz" >"$work/cut.gz"
expect_fails "gzip cut short" 1 "cut.gz: .*cut short" doctor "$work/cut.gz"
base64 "$work/traces.json" >"$work/base64"
expect_fails "base64 is said to be that" 1 "looks like base64 text" doctor "$work/base64"
expect_fails "no such file" 1 "No such file" doctor "$work/nowhere"
expect_fails "nothing to look at" 2 "doctor otlp FILE" "$DRIFTLINE" doctor
expect_fails "headers that are none" 1 "traces.json:1: .* is no header" doctor "$work/traces.json" --headers "$work/traces.json"
printf '' >"$work/empty"
expect_match "an empty request" 'the request holds no spans' "$(doctor "$work/empty")"

# Recorded requests of real SDKs, where they are at hand.
shared=${DRIFTLINE_SHARED:-$SOURCE_DIR/../shared}
for body in "$shared"/captures/*/0*.body.bin; do
    [ -f "$body" ] || continue
    name=$(basename "$(dirname "$body")")
    doctor "$body" --headers "${body%.body.bin}.headers.txt" --json >"$work/out.json"
    expect_match "doctor reads $name" '"rejected":0,"items":\[{' "$(head -c 300 "$work/out.json")"
done
