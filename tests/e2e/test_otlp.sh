#!/bin/sh
# OTLP over HTTP against a real server: encodings, compressions, keys, projects, limits, bombs, resends, and what a dashboard then sees.
. "$(dirname "$0")/lib.sh"

BODY=$BUILD_DIR/otlp_body
start_server --log-level warn --set ingest.body_max=8MiB || exit 1
admin=$(admin_key)
export DRIFTLINE_KEY="$admin"
ingest_key=$("$DRIFTLINE" keys create --project default --scopes ingest)
read_key=$("$DRIFTLINE" keys create --project default --scopes read)

# post PATH FILE CURL_ARGS...: sets code, type and answer.
post() {
    path=$1 file=$2
    shift 2
    code=$(curl -s -o "$work/answer" -D "$work/headers" -w '%{http_code}' -X POST --data-binary @"$file" \
        "$@" "http://$http$path")
    type=$(sed -n 's/^[Cc]ontent-[Tt]ype: *\([^;]*\).*/\1/p' "$work/headers" | tr -d '\r')
    answer=$(cat "$work/answer")
}
proto="Content-Type: application/x-protobuf"
json="Content-Type: application/json"
bearer="Authorization: Bearer $ingest_key"
spans() { sql "select count(*) from spans"; }

# ---- every encoding, compression and way to frame a body ----

"$BODY" protobuf 16 0 200 >"$work/0.pb"
"$BODY" json 16 16 200 >"$work/1.json"
"$BODY" protobuf 16 32 >"$work/2.pb"
"$BODY" json 16 48 >"$work/3.json"
"$BODY" protobuf 16 64 >"$work/4.pb"
gzip -c "$work/2.pb" >"$work/2.pb.gz"
gzip -c "$work/3.json" >"$work/3.json.gz"
post /v1/traces "$work/0.pb" -H "$proto" -H "$bearer"
expect "protobuf" "200 application/x-protobuf " "$code $type $answer"
post /v1/traces "$work/1.json" -H "$json; charset=utf-8" -H "$bearer" -H "Transfer-Encoding: chunked"
expect "JSON, chunked" "200 application/json {}" "$code $type $answer"
post /v1/traces "$work/2.pb.gz" -H "$proto" -H "$bearer" -H "Content-Encoding: gzip"
expect "protobuf, gzip" "200 application/x-protobuf" "$code $type"
post /v1/traces "$work/3.json.gz" -H "$json" -H "$bearer" -H "Content-Encoding: gzip" -H "Transfer-Encoding: chunked"
expect "JSON, gzip, chunked" "200 application/json" "$code $type"
post /v1/traces "$work/4.pb" -H "$proto" -H "$bearer" -H "Expect: 100-continue"
expect "Expect: 100-continue" 200 "$code"
expect "all of them are there once acknowledged" 80 "$(spans)"
post /v1/traces "$work/0.pb" -H "$proto" -H "$bearer"
post /v1/traces "$work/3.json" -H "$json" -H "$bearer"
expect "sent again, still 200" 200 "$code"
expect "and counted once" 80 "$(spans)"

expect "canonical columns" "llm,openai,gpt-4o-mini,gpt-4o-mini-2024-07-18,support-bot,production,2.3.1,support-answer,session-0" "$(sql \
    "select kind, provider, model, model_served, service, environment, release, prompt_name, session from spans where kind = 'llm' order by time limit 1")"
expect "what is no column stays in attributes" "api.openai.com,443" "$(sql \
    "select attributes->>'server.address', attributes->>'server.port' from spans where kind = 'llm' order by time limit 1")"
expect "kinds" "agent 10,llm 40,retrieval 10,tool 20" "$(sql 'select kind, count(*) from spans group by 1 order by 1' | tr ',' ' ' | paste -sd, -)"
expect "costs are computed and say by which table" 1 "$(sql \
    "select count(*) > 0 and min(cost_estimated) = true from spans where kind = 'llm' and cost_usd > 0 and pricing_version is not null" | sed 's/t.*/1/')"

# ---- paths, keys, projects ----

for path in /otel/v1/traces /api/public/otel/v1/traces /v1/v1/traces; do
    post "$path" "$work/0.pb" -H "$proto" -H "$bearer"
    expect "$path" 200 "$code"
done
post /v1/metrics "$work/0.pb" -H "$proto" -H "$bearer"
expect "metrics are answered and dropped" "200 application/x-protobuf 80" "$code $type $(spans)"
basic=$(printf 'public:%s' "$ingest_key" | base64 -w0)
post /v1/traces "$work/0.pb" -H "$proto" -H "Authorization: Basic $basic"
expect "Basic, key as the password" 200 "$code"
basic=$(printf '%s:x' "$ingest_key" | base64 -w0)
post /v1/traces "$work/0.pb" -H "$proto" -H "Authorization: Basic $basic"
expect "Basic, key as the user" 200 "$code"
post /v1/traces "$work/0.pb" -H "$proto" -H "x-api-key: $ingest_key"
expect "x-api-key" 200 "$code"
post /v1/traces "$work/0.pb" -H "$proto"
expect_match "no key" "^401 application/x-protobuf .*key is" "$code $type $answer"
post /v1/traces "$work/1.json" -H "$json" -H "Authorization: Bearer dl_nobody_nothing"
expect_match "a wrong key, told as google.rpc.Status" '^401 application/json {"code":16,"message":"' "$code $type $answer"
post /v1/traces "$work/1.json" -H "$json" -H "Authorization: Bearer $read_key"
expect_match "a key that may only read" '^403 application/json {"code":7,' "$code $type $answer"
"$BODY" protobuf 8 800 >"$work/p.pb"
post /v1/traces "$work/p.pb" -H "$proto" -H "Authorization: Bearer $admin" -H "x-bt-parent: project_name:Shop Bot"
expect "a vendor's project header" "200 8" "$code $("$DRIFTLINE" sql --project shop-bot --format csv 'select count(*) from spans' | tail -n 1)"
post /v1/traces "$work/p.pb" -H "$proto" -H "$bearer" -H "x-bt-parent: project_name:elsewhere"
expect "is only a wish: the key's project decides" "200 88" "$code $(spans)"
post "/v1/traces?project=elsewhere" "$work/p.pb" -H "$proto" -H "$bearer"
expect "an explicit project the key may not use" 403 "$code"
curl -s "http://$http/info" >"$work/answer"
expect_match "GET /info" '"version"' "$(cat "$work/answer")"

# ---- what is wrong ----

printf 'garbage that is no protobuf at all' >"$work/bad"
post /v1/traces "$work/bad" -H "$proto" -H "$bearer"
expect "garbage" "400 application/x-protobuf" "$code $type"
printf '{"resourceSpans":[' >"$work/bad"
post /v1/traces "$work/bad" -H "$json" -H "$bearer"
expect_match "JSON cut short" '^400 application/json {"code":3,"message":".*"' "$code $type $answer"
post /v1/traces "$work/2.pb" -H "$proto" -H "$bearer" -H "Content-Encoding: gzip"
expect "not gzip" 400 "$code"
post /v1/traces "$work/2.pb" -H "$proto" -H "$bearer" -H "Content-Encoding: br"
expect "an encoding nobody speaks here" 415 "$code"
: >"$work/empty"
post /v1/traces "$work/empty" -H "$proto" -H "$bearer"
expect "an empty request is a success" 200 "$code"
code=$(curl -s -o /dev/null -w '%{http_code}' "http://$http/v1/traces" -H "$bearer")
expect "GET" 405 "$code"

trace=0af7651916cd43dd8448eb211c80319c
one() {
    printf '{"resourceSpans":[{"scopeSpans":[{"spans":[%s]}]}]}' "$1" >"$work/one.json"
    post /v1/traces "$work/one.json" -H "$json" -H "$bearer"
}
good='{"traceId":"'$trace'","spanId":"00f067aa0ba902b1","name":"a","startTimeUnixNano":"1793491200000000000","endTimeUnixNano":1793491201000000000}'
one "$good"',{"traceId":"00","spanId":"00f067aa0ba902b2","name":"b"}'
expect_match "one bad span does not lose the batch" '^200 {"partialSuccess":{"rejectedSpans":"\{0,1\}1"\{0,1\},"errorMessage":' "$code $answer"
expect "the good one is there" "unset,1000" "$(sql "select status, latency_ms from spans where trace_id = '$trace'")"
one '{"traceId":"'$trace'","spanId":"00f067aa0ba902b3","parentSpanId":"0000000000000000","name":"zero parent","attributes":{"gen_ai.request.temperature":1,"plain":"object"}}'
expect "attributes as an object, zero parent, missing kind and times" "1,object,1" "$(sql \
    "select temperature, attributes->>'plain', count(*) from spans where name = 'zero parent' and parent_id is null group by 1, 2")"
printf '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}]}' >"$work/logs.json"
post /v1/traces "$work/logs.json" -H "$json" -H "$bearer"
expect_match "logs at the traces path" '^\(200\|400\) ' "$code $answer"

# ---- scores by log events, before and after their span ----

evaluation() {
    printf '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1793491200500000000","eventName":"gen_ai.evaluation.result","traceId":"%s","spanId":"%s","attributes":[{"key":"gen_ai.evaluation.name","value":{"stringValue":"groundedness"}},{"key":"gen_ai.evaluation.score.value","value":{"doubleValue":0.25}},{"key":"gen_ai.evaluation.explanation","value":{"stringValue":"no source"}}]}]}]}]}' \
        "$1" "$2" >"$work/log.json"
    post /v1/logs "$work/log.json" -H "$json" -H "$bearer"
}
evaluation $trace 00f067aa0ba902b1
expect "an evaluation is a score of its span" "200 0.25" "$code $(sql "select score.groundedness from spans where span_id = '00f067aa0ba902b1'")"
evaluation $trace 00f067aa0ba902b9
one '{"traceId":"'$trace'","spanId":"00f067aa0ba902b9","name":"late","startTimeUnixNano":"1793491200000000000"}'
expect "and of a span that comes later" "0.25" "$(sql "select score.groundedness from spans where span_id = '00f067aa0ba902b9'")"
expect "explained in scores" "no source" "$(sql "select explanation from scores where span_id = '00f067aa0ba902b1'")"

# ---- bombs: the right answer, and the next request unharmed ----

unharmed() {
    post /v1/traces "$work/0.pb" -H "$proto" -H "$bearer"
    expect "unharmed after $1" 200 "$code"
}
head -c 9000000 /dev/zero >"$work/zeros"
gzip -c "$work/zeros" >"$work/zeros.gz"
post /v1/traces "$work/zeros.gz" -H "$proto" -H "$bearer" -H "Content-Encoding: gzip"
expect_match "a gzip bomb" "^413 application/x-protobuf" "$code $type"
unharmed "a gzip bomb"
post /v1/traces "$work/zeros" -H "$proto" -H "$bearer"
expect "a body over the limit" 413 "$code"
unharmed "a large body"
"$BODY" empties 400000 >"$work/empties"
post /v1/traces "$work/empties" -H "$proto" -H "$bearer"
expect "a body of empty messages" 200 "$code"
"$BODY" deep 200000 >"$work/deep"
post /v1/traces "$work/deep" -H "$json" -H "$bearer"
expect "deep nesting" 400 "$code"
unharmed "deep nesting"
"$BODY" wide 10000 1048576 >"$work/wide.json"
post /v1/traces "$work/wide.json" -H "$json" -H "$bearer"
expect "ten thousand attributes and one of a megabyte" "200 9999 1048576" "$code $(sql \
    "select attributes->>'k9999', length(attributes->>'big') from spans where name = 'wide'" | tr , ' ')"
unharmed "wide spans"

# ---- they survive a kill, like everything that was acknowledged ----

before=$(spans)
kill_server
start_server --log-level warn || exit 1
expect "acknowledged is durable" "$before" "$(spans)"
expect "score columns too" "0.25" "$(sql "select score.groundedness from spans where span_id = '00f067aa0ba902b9'")"
stop_server
