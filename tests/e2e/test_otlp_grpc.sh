#!/bin/sh
# OTLP over gRPC against a real server, spoken by curl's HTTP/2: statuses, keys, projects, compression, resends, TLS, bombs, a restart.
. "$(dirname "$0")/lib.sh"

curl --version | grep -q nghttp2 || exit 77
BODY=$BUILD_DIR/otlp_body
start_server --log-level warn --set ingest.body_max=8MiB || exit 1
admin=$(admin_key)
export DRIFTLINE_KEY="$admin"
ingest_key=$("$DRIFTLINE" keys create --project default --scopes ingest)
read_key=$("$DRIFTLINE" keys create --project default --scopes read)
service=/opentelemetry.proto.collector
bearer="authorization: Bearer $ingest_key"

# frame FLAG FILE: the message behind its five bytes, to $work/frame.
frame() {
    size=$(wc -c <"$2")
    # shellcheck disable=SC2059 # the format is the bytes
    printf "\\$(printf %03o "$1")\\$(printf %03o $((size >> 24 & 255)))\\$(printf %03o $((size >> 16 & 255)))\\$(printf %03o $((size >> 8 & 255)))\\$(printf %03o $((size & 255)))" >"$work/frame"
    cat "$2" >>"$work/frame"
}

# call PATH CURL_ARGS...: sends $work/frame; sets status (grpc-status), message and hex (of the answer's DATA).
scheme=http
call() {
    path=$1
    shift
    curl -s --http2-prior-knowledge -o "$work/answer" -D "$work/headers" -X POST --data-binary @"$work/frame" \
        -H "content-type: application/grpc" -H "te: trailers" "$@" "$scheme://$grpc$path"
    status=$(sed -n 's/^grpc-status: *//p' "$work/headers" | tr -d '\r')
    message=$(sed -n 's/^grpc-message: *//p' "$work/headers" | tr -d '\r')
    hex=$(od -An -tx1 <"$work/answer" | tr -d ' \n')
}
spans() { sql "select count(*) from spans"; }

# ---- what is taken ----

"$BODY" protobuf 16 0 200 >"$work/0.pb"
"$BODY" protobuf 16 16 >"$work/1.pb"
gzip -c "$work/1.pb" >"$work/1.pb.gz"
frame 0 "$work/0.pb"
call $service.trace.v1.TraceService/Export -H "$bearer"
expect "traces" "0 0000000000" "$status $hex"
expect "are there once acknowledged" 16 "$(spans)"
call $service.trace.v1.TraceService/Export -H "$bearer"
expect "sent again" "0 0000000000" "$status $hex"
expect "counted once" 16 "$(spans)"
frame 1 "$work/1.pb.gz"
call $service.trace.v1.TraceService/Export -H "$bearer" -H "grpc-encoding: gzip"
expect "gzip" "0 0000000000" "$status $hex"
expect "and there" 32 "$(spans)"
: >"$work/empty"
frame 0 "$work/empty"
call $service.metrics.v1.MetricsService/Export -H "$bearer"
expect "metrics are answered" "0 0000000000" "$status $hex"
call $service.logs.v1.LogsService/Export -H "x-api-key: $ingest_key"
expect "an empty request of logs, key in x-api-key" "0 0000000000" "$status $hex"

# ---- what is refused ----

call $service.trace.v1.TraceService/Export
expect "no key" 16 "$status"
call $service.trace.v1.TraceService/Export -H "authorization: Bearer dl_aaaaaaaaaaaa_x"
expect "a wrong key" 16 "$status"
call $service.trace.v1.TraceService/Export -H "authorization: Bearer $read_key"
expect "a key that may only read" 7 "$status"
call $service.trace.v1.TraceService/Export -H "$bearer" -H "x-driftline-project: shop"
expect "another project" 7 "$status"
call $service.trace.v1.TraceService/Import -H "$bearer"
expect "another method" 12 "$status"
call $service.trace.v1.TraceService/Export -H "$bearer" -H "grpc-encoding: snappy"
expect "another compression" 12 "$status"
printf 'not protobuf' >"$work/junk"
frame 0 "$work/junk"
call $service.trace.v1.TraceService/Export -H "$bearer"
expect "no protobuf" 3 "$status"
expect_match "and why" "byte 0: damaged protobuf" "$message"
frame 1 "$work/1.pb.gz"
call $service.trace.v1.TraceService/Export -H "$bearer"
expect "compressed without saying how" 13 "$status"

# ---- bombs: refused, bounded, the next call unharmed ----

head -c 268435456 /dev/zero | gzip -c >"$work/bomb.gz"
frame 1 "$work/bomb.gz"
call $service.trace.v1.TraceService/Export -H "$bearer" -H "grpc-encoding: gzip"
expect "256 MiB of zeros in gzip" 8 "$status"
head -c 9000000 /dev/zero >"$work/zeros"
frame 0 "$work/zeros"
call $service.trace.v1.TraceService/Export -H "$bearer"
expect "a message over the limit" 8 "$status"
"$BODY" empties 4000000 >"$work/empties"
frame 0 "$work/empties"
call $service.trace.v1.TraceService/Export -H "$bearer"
expect "four million empty messages" "0 0000000000" "$status $hex"
expect_match "HTTP/1.1 hears where to go" "OTLP/gRPC port" "$(curl -s "http://$grpc/v1/traces")"
frame 0 "$work/0.pb"
call $service.trace.v1.TraceService/Export -H "$bearer"
expect "unharmed" "0 0000000000" "$status $hex"
expect "rows as before" 32 "$(spans)"

# ---- recorded by a real client ----

recorded=${DRIFTLINE_SHARED:-$SOURCE_DIR/../shared}/captures/otel-js-grpc/001.body.bin
if [ -f "$recorded" ]; then
    cp "$recorded" "$work/frame"
    call $service.trace.v1.TraceService/Export -H "$bearer"
    expect "a recorded client" "0 0000000000" "$status $hex"
    expect "and its spans" 47 "$(spans)"
fi

# ---- a stop with a connection open, then TLS ----

stop_server
if command -v openssl >/dev/null &&
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -days 1 \
        -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null; then
    start_server --log-level warn --set tls.cert="$work/cert.pem" --set tls.key="$work/key.pem" || exit 1
    scheme=https
    frame 0 "$work/0.pb"
    call $service.trace.v1.TraceService/Export -H "$bearer" --http2 --insecure
    expect "over TLS" "0 0000000000" "$status $hex"
    expect_fails "TLS 1.1 is refused" 35 "" curl -s --insecure --tls-max 1.1 --http2 "https://$grpc/"
    stop_server
    expect_fails "a key that is no key" 1 "certificate" "$DRIFTLINE" serve --data "$work/data" --grpc 127.0.0.1:0 --http 127.0.0.1:0 \
        --native 127.0.0.1:0 --pg 127.0.0.1:0 --set tls.cert="$work/key.pem" --set tls.key="$work/key.pem"
fi
