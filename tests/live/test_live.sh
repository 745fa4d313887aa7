#!/bin/sh
# Real SDKs, unmodified, against a real server: what they send, retry and say at shutdown. Opt-in, since it installs npm packages:
#
#     ./run live [NAME...]        otel-proto otel-json otel-grpc retry langfuse vercel vercel-legacy langsmith traceloop latitude
#
# Packages go to $LIVE_DIR (default build/live) once. Needs node 18 or newer and npm.
. "$(dirname "$0")/../e2e/lib.sh"

here=$(cd "$(dirname "$0")" && pwd)
LIVE_DIR=${LIVE_DIR:-$BUILD_DIR/live}
command -v npm >/dev/null 2>&1 || {
    echo "npm is not installed: apt-get install npm"
    exit 77
}
mkdir -p "$LIVE_DIR"
LIVE_DIR=$(cd "$LIVE_DIR" && pwd)

# packages NAME@VERSION...: installs what is missing.
packages() {
    missing=""
    for package in "$@"; do
        [ -d "$LIVE_DIR/node_modules/${package%@*}" ] || missing="$missing $package"
    done
    [ -z "$missing" ] && return 0
    echo "installing$missing"
    # shellcheck disable=SC2086
    (cd "$LIVE_DIR" && { [ -f package.json ] || npm init -y >/dev/null; } &&
        npm install --ignore-scripts --no-audit --no-fund --loglevel=error $missing) || fail "npm install"
}
otel="@opentelemetry/sdk-node@0.223.0 @opentelemetry/api@1.9.1 @opentelemetry/resources@2.9.0"

# run PROGRAM ARGS...: from where the packages are. Sets output and exit_code.
run() {
    cp "$here/$1" "$LIVE_DIR/"
    output=$(cd "$LIVE_DIR" && timeout 60 node "$@" 2>&1)
    exit_code=$?
    [ "$exit_code" -eq 0 ] || fail "$* ended with $exit_code: $output"
}

start_server --log-level warn || exit 1
export DRIFTLINE_GRPC="$grpc"
DRIFTLINE_KEY=$(admin_key)
export DRIFTLINE_KEY

mock() {
    [ -n "${MOCK_PORT:-}" ] && return 0
    node "$here/mock_openai.mjs" >"$work/mock_port" &
    other_pids="$other_pids $!"
    for _ in $(seq 1 100); do
        [ -s "$work/mock_port" ] && break
        sleep 0.05
    done
    MOCK_PORT=$(cat "$work/mock_port")
    export MOCK_PORT
}

otel_check() {
    expect "$1: kinds" "agent 3,llm 6,tool 3" "$(sql "select kind, count(*) from spans where service = '$2' group by 1 order by 1" | tr ',' ' ' | paste -sd, -)"
    expect "$1: failures" "3,RateLimitError,error" "$(sql "select count(*), error_type, status from spans where service = '$2' and error_class = 'rate_limit' group by 2, 3")"
    expect "$1: tokens" 300 "$(sql "select sum(tokens_in) from spans where service = '$2'")"
    expect "$1: text" 3 "$(sql "select count(*) from spans where service = '$2' and output like '%answer%'")"
}

case_otel_proto() {
    # shellcheck disable=SC2086
    packages $otel @opentelemetry/exporter-trace-otlp-proto@0.223.1
    run otel.mjs proto 3
    otel_check otel-proto live-proto
}

case_otel_json() {
    # shellcheck disable=SC2086
    packages $otel @opentelemetry/exporter-trace-otlp-http@0.223.1
    run otel.mjs json 3
    otel_check otel-json live-json
}

case_otel_grpc() {
    # shellcheck disable=SC2086
    packages $otel @opentelemetry/exporter-trace-otlp-grpc@0.223.1 @grpc/grpc-js@1.14.0
    run otel.mjs grpc 3
    otel_check otel-grpc live-grpc
}

# The server dies under the exporter and comes back: the SDK sends again, nothing is lost, nothing counts twice.
case_retry() {
    # shellcheck disable=SC2086
    packages $otel @opentelemetry/exporter-trace-otlp-proto@0.223.1
    cp "$here/otel.mjs" "$LIVE_DIR/"
    before=$(sql "select count(*) from spans where service = 'live-proto'")
    kill_server
    (cd "$LIVE_DIR" && timeout 60 node otel.mjs proto 5 >"$work/retry.log" 2>&1; echo $? >"$work/retry.code") &
    retry_pid=$!
    sleep 2
    start_server --log-level warn || exit 1
    wait $retry_pid
    expect "retry: the SDK ended well" 0 "$(cat "$work/retry.code")"
    expect "retry: all spans once" $((before + 20)) "$(sql "select count(*) from spans where service = 'live-proto'")"
}

case_langfuse() {
    packages @opentelemetry/sdk-node@0.223.0 @opentelemetry/api@1.9.1 @langfuse/otel@5.11.1 @langfuse/tracing@5.11.1
    run langfuse.mjs 2
    expect "langfuse: kinds" "agent 2,llm 2,tool 2" "$(sql "select kind, count(*) from spans where session = 'live-langfuse' group by 1 order by 1" | tr ',' ' ' | paste -sd, -)"
    expect "langfuse: usage, cost and prompt" "120,64,12,0.5,support,3" "$(sql \
        "select tokens_in, tokens_cached, tokens_out, cost_usd, prompt_name, prompt_version from spans where session = 'live-langfuse' and kind = 'llm' limit 1")"
    expect "langfuse: an ERROR level is an error" "2,error,timeout" "$(sql \
        "select count(*), status, error_class from spans where session = 'live-langfuse' and kind = 'tool' group by 2, 3")"
    expect "langfuse: user and environment" "user_1,live,9.9" "$(sql "select user_id, environment, release from spans where session = 'live-langfuse' limit 1")"
}

vercel_check() {
    expect "$1: usage counted once" "200,40,120" "$(sql "select sum(tokens_in), sum(tokens_out), sum(tokens_cached) from spans where service = '$2'")"
    expect "$1: two calls, one tool" "2,1" "$(sql "select sum(case when kind = 'llm' then 1 else 0 end), sum(case when kind = 'tool' then 1 else 0 end) from spans where service = '$2'")"
    expect "$1: the tool" "lookup,call_1" "$(sql "select tool_name, tool_call_id from spans where service = '$2' and kind = 'tool'")"
    expect_match "$1: the answer" "shipped" "$(sql "select output from spans where service = '$2' and kind = 'llm' and finish_reason = 'stop'")"
    expect "$1: finish reasons" "stop tool_calls" "$(sql "select finish_reason from spans where service = '$2' and kind = 'llm' order by 1" | paste -sd' ' -)"
}

case_vercel() {
    # shellcheck disable=SC2086
    packages $otel @opentelemetry/exporter-trace-otlp-proto@0.223.1 ai@7.0.173 @ai-sdk/otel@1.0.173 zod@4.1.0
    run vercel.mjs new
    vercel_check vercel live-vercel-new
}

case_vercel_legacy() {
    # shellcheck disable=SC2086
    packages $otel @opentelemetry/exporter-trace-otlp-proto@0.223.1 ai@7.0.173 @ai-sdk/otel@1.0.173 zod@4.1.0
    run vercel.mjs legacy
    vercel_check vercel-legacy live-vercel-legacy
}

case_langsmith() {
    packages langsmith@0.12.0 @opentelemetry/api@1.9.1 @opentelemetry/sdk-trace-base@2.9.0 \
        @opentelemetry/exporter-trace-otlp-proto@0.223.1 @opentelemetry/context-async-hooks@2.9.0
    run langsmith.mjs
    expect "langsmith: kinds" "chain 1,llm 2" "$(sql "select kind, count(*) from spans where attributes->>'langsmith.traceable' = 'true' group by 1 order by 1" | tr ',' ' ' | paste -sd, -)"
    expect "langsmith: OK and an exception is an error" "error,rate_limit" "$(sql "select status, error_class from spans where name = 'broken'")"
    expect "langsmith: usage and model" "10,2,gpt-4o-mini,live-langsmith" "$(sql "select tokens_in, tokens_out, model, session from spans where name = 'chat'")"
}

case_traceloop() {
    packages @traceloop/node-server-sdk@0.27.0 openai@6.49.0
    mock
    run traceloop.mjs
    expect "traceloop: session" "live-traceloop,user_1" "$(sql "select session, user_id from spans where service = 'live-traceloop' and kind = 'llm' limit 1")"
    expect "traceloop: usage" "120,34" "$(sql "select tokens_in, tokens_out from spans where service = 'live-traceloop' and kind = 'llm'")"
    expect_match "traceloop: text" "shipped" "$(sql "select output from spans where service = 'live-traceloop' and kind = 'llm'")"
}

case_latitude() {
    packages @latitude-data/telemetry@3.6.0 openai@6.49.0
    mock
    run latitude.mjs
    expect "latitude: session" "live-latitude,user_1" "$(sql "select session, user_id from spans where session = 'live-latitude' and kind = 'llm' limit 1")"
    expect_match "latitude: text" "shipped" "$(sql "select output from spans where session = 'live-latitude' and kind = 'llm'")"
}

[ $# -gt 0 ] || set -- otel-proto otel-json otel-grpc retry langfuse vercel vercel-legacy langsmith traceloop latitude
for name in "$@"; do
    "case_$(printf '%s' "$name" | tr - _)"
done
expect "the server is unharmed" ok "$(sql "select 'ok'")"
stop_server
