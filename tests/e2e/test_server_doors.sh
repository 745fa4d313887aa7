#!/bin/sh
# Every door of a running server: who may come in, what bad input is told, and that the server and its rows are unharmed.
. "$(dirname "$0")/lib.sh"

THROW=$BUILD_DIR/throw_bytes
start_server --log-level warn || exit 1
admin=$(admin_key)
admin_id=$(printf '%s' "$admin" | cut -c4-15)
pg_port=${pg##*:}
export DRIFTLINE_KEY="$admin"

cat >"$work/spans.csv" <<'CSV'
time,trace_id,span_id,name
2026-11-02T00:00:00Z,000102030405060708090a0b0c0d0e0f,0000000000000001,a
2026-11-02T00:00:01Z,000102030405060708090a0b0c0d0e0f,0000000000000002,b
2026-11-02T00:00:02Z,100102030405060708090a0b0c0d0e0f,0000000000000003,c
CSV
expect_fails "rows go in" 0 "ingested 3 spans" "$DRIFTLINE" ingest --format csv "$work/spans.csv"
expect_fails "and into a second project" 0 "ingested 3 spans" "$DRIFTLINE" ingest --project shop --format csv "$work/spans.csv"

# unharmed WHERE: the server answers and has what it had.
unharmed() {
    expect "unharmed after $1" 3 "$(DRIFTLINE_KEY=$admin sql 'select count(*) from spans')"
}

# ---- HTTP: every route with every kind of key ----

key_for() { "$DRIFTLINE" keys create --project "$1" --scopes "$2"; }
key_ingest=$(key_for default ingest)
key_read=$(key_for default read)
key_review=$(key_for default review)
key_admin=$(key_for default admin)
key_other=$(key_for shop ingest,read,review,admin)
key_wrong=$(printf '%s' "$admin" | sed 's/.$/q/;s/qq$/q2/')
[ "$key_wrong" != "$admin" ] || key_wrong=$(printf '%s' "$admin" | sed 's/.$/r/')

# code METHOD PATH KEY [BODY]
code() {
    if [ -n "$3" ]; then
        set -- "$1" "$2" "$3" "${4:-}" -H "Authorization: Bearer $3"
    else
        set -- "$1" "$2" "$3" "${4:-}" -H "X-Nothing: 1"
    fi
    method=$1 path=$2 body=$4
    shift 4
    curl -s -o "$work/answer" -w '%{http_code}' -X "$method" "$@" --data-binary "$body" "http://$http$path"
}

# route METHOD PATH BODY NONE WRONG INGEST READ REVIEW ADMIN OTHER
route() {
    got="$(code "$1" "$2" "" "$3")"
    for key in "$key_wrong" "$key_ingest" "$key_read" "$key_review" "$key_admin" "$key_other"; do
        got="$got $(code "$1" "$2" "$key" "$3")"
    done
    expect "$1 $2: none wrong ingest read review admin other" "$4" "$got"
}

# Keys that work on one project may not start what touches all; unknown ids are 404.
sed -n 's/^ROUTE(\([A-Z]*\), *"\([^"]*\)", *\([A-Z_0 |]*\),.*/\1 \2 \3/p' "$SOURCE_DIR/server/http/routes.def" >"$work/routes"
[ "$(wc -l <"$work/routes")" -ge 18 ] || fail "routes.def could not be read"
while read -r method path scope <&3; do
    body="" want=""
    case "$path" in
    /api/v1/sql) body="select 1" ;;
    /api/v1/alerts/reload) want="401 401 403 403 403 404 404" ;;
    /api/v1/alerts/test) body="rules: []" ;;
    /api/v1/keys/) path=/api/v1/keys/nosuchkeyabc want="401 401 403 403 403 404 404" ;;
    /api/v1/keys) [ "$method" = GET ] || body='{"project":"default","scopes":"read"}' \
        want="401 401 403 403 403 200 403" ;;
    /api/v1/scores) body='{"trace_id":"000102030405060708090a0b0c0d0e0f","name":"x","value":1}' ;;
    /api/v1/tags) body='{"trace_id":"000102030405060708090a0b0c0d0e0f","span_id":"0000000000000009","class":"other"}' ;;
    /api/v1/judge/lease) body='{"worker":"w"}' ;;
    /api/v1/judge/complete | /api/v1/judge/renew | /api/v1/judge/release)
        body='{"id":1,"token":1}' want="401 401 403 403 404 403 404"
        [ "$path" != /api/v1/judge/complete ] || body='{"id":1,"token":1,"value":1}' ;;
    /api/v1/judge/fail) body='{"id":1,"token":1,"reason":"x"}' want="401 401 403 403 404 403 404" ;;
    "*"/v1/*) path="/any/base${path#"*"}" ;;
    /api/v1/admin/retain) path="$path?age=9999d&dry_run=true" ;;
    /api/v1/admin/reprice) body='{version: t, prices: [{model: x, input: 1, output: 1}]}' ;;
    /api/v1/admin/rescore | /api/v1/admin/remap) ;;
    /api/v1/admin/*) want="401 401 403 403 403 403 403" ;;
    esac
    if [ -z "$want" ]; then
        case "$scope" in
        0) want="200 200 200 200 200 200 200" ;;
        SCOPE_INGEST) want="401 401 200 403 403 403 200" ;;
        SCOPE_READ) want="401 401 403 200 403 403 200" ;;
        SCOPE_REVIEW) want="401 401 403 403 200 403 200" ;;
        SCOPE_ADMIN) want="401 401 403 403 403 200 200" ;;
        "SCOPE_INGEST | SCOPE_REVIEW") want="401 401 200 403 200 403 200" ;;
        *) fail "no expectation for scope $scope" ;;
        esac
    fi
    route "$method" "$path" "$body" "$want"
done 3<"$work/routes"

# The other project's key can't name this one, in any way a request can.
expect "foreign project in SQL" 403 "$(code POST '/api/v1/sql?project=default' "$key_other" 'select 1')"
expect_match "and is told whose key it is" "belongs to project 'shop'" "$(cat "$work/answer")"
expect "foreign project in alerts" 403 "$(code GET '/api/v1/alerts?project=default' "$key_other")"
expect "foreign project in retain" 403 "$(code POST '/api/v1/admin/retain?age=1d&project=default' "$key_other")"
rules='rules:
  - name: peek
    project: default
    query: select count(*) as value from spans
    condition: value >= 0'
expect "foreign project in a tried rule" 403 "$(code POST /api/v1/alerts/test "$key_other" "$rules")"
expect "the same rule with the project's own key" 200 "$(code POST /api/v1/alerts/test "$key_read" "$rules")"
code GET /api/v1/projects "$key_other" >/dev/null
expect "only its own project is listed" '{"projects":["shop"]}' "$(cat "$work/answer")"
code GET /api/v1/keys "$key_other" >/dev/null
expect "only its own keys are listed" 1 "$(grep -o '"id"' "$work/answer" | wc -l)"
expect "a key for a foreign project" 403 "$(code POST /api/v1/keys "$key_other" '{"project":"default","scopes":"read"}')"
own_id=$(printf '%s' "$key_read" | cut -c4-15)
expect "revoking a foreign key" 404 "$(code DELETE "/api/v1/keys/$own_id" "$key_other")"
expect "which still works" 200 "$(code POST /api/v1/sql "$key_read" 'select 1')"
expect "no such project" 404 "$(code POST '/api/v1/sql?project=nosuch' "$admin" 'select 1')"
expect "not even a name" 400 "$(code POST '/api/v1/sql?project=../../etc' "$admin" 'select 1')"
expect "x-api-key" 200 "$(curl -s -o /dev/null -w '%{http_code}' -H "x-api-key: $key_read" -d 'select 1' "http://$http/api/v1/sql")"
expect "basic" 200 "$(curl -s -o /dev/null -w '%{http_code}' -u "any:$key_read" -d 'select 1' "http://$http/api/v1/sql")"
expect "wrong method" 405 "$(code DELETE /api/v1/sql "$admin")"
expect_match "names the right one" "takes POST" "$(cat "$work/answer")"
expect "no such path" 404 "$(code GET /api/v1/key "$admin")"
expect_match "suggests the nearest" "did you mean /api/v1/keys" "$(cat "$work/answer")"
expect "bad SQL" 400 "$(code POST /api/v1/sql "$admin" 'select nope from spans')"
expect_match "has a position" '"position":7,"caret":' "$(cat "$work/answer")"
expect "bad format" 400 "$(code POST '/api/v1/sql?format=xml' "$admin" 'select 1')"
expect "bad key request" 400 "$(code POST /api/v1/keys "$admin" '{"project":"a b"')"
expect "bad project name" 400 "$(code POST /api/v1/keys "$admin" '{"project":"a b"}')"
head -c 1048577 /dev/zero | tr '\0' ' ' >"$work/long"
expect "a statement over the limit" 413 "$(curl -s -o "$work/answer" -w '%{http_code}' -H "x-api-key: $admin" --data-binary "@$work/long" "http://$http/api/v1/sql")"
expect_match "names the limit" 1048576 "$(cat "$work/answer")"
unharmed "HTTP requests"

# ---- native: keys ----

ingest_as() { DRIFTLINE_KEY=$1 "$DRIFTLINE" ingest --quiet --format csv "$work/spans.csv"; }
expect_fails "native: no key" 1 "key is needed" ingest_as ""
expect_fails "native: wrong key" 1 "key is not valid" ingest_as "$key_wrong"
expect_fails "native: a key that may only read" 1 "lacks the scope 'ingest'" ingest_as "$key_read"
expect_fails "native: the right key" 0 "3 duplicates" ingest_as "$key_ingest"
foreign() { DRIFTLINE_KEY=$key_other "$DRIFTLINE" ingest --project default --quiet --format csv "$work/spans.csv"; }
expect_fails "native: a foreign key" 1 "belongs to project 'shop'" foreign
unharmed "native keys"

# ---- PostgreSQL: keys ----

if command -v psql >/dev/null; then
    ask() { PGPASSWORD=$2 PGCONNECT_TIMEOUT=10 psql -X -A -t -h 127.0.0.1 -p "$pg_port" -U "$1" -d "$3" -c "${4:-select count(*) from spans}"; }
    id_of() { printf '%s' "$1" | cut -c4-15; }
    expect_fails "pg: the admin key" 0 '^3$' ask "$admin_id" "$admin" default
    expect_fails "pg: a read key" 0 '^3$' ask "$(id_of "$key_read")" "$key_read" default
    expect_fails "pg: wrong password" 2 "password authentication failed" ask "$admin_id" "$key_wrong" default
    expect_fails "pg: no password" 2 "no password supplied" ask "$admin_id" "" default
    expect_fails "pg: wrong user" 2 "password authentication failed" ask nobody "$admin" default
    expect_fails "pg: another key's user" 2 "password authentication failed" ask "$(id_of "$key_read")" "$admin" default
    expect_fails "pg: unknown database" 2 'project "nosuch" does not exist' ask "$admin_id" "$admin" nosuch
    expect_fails "pg: foreign database" 2 "belongs to project 'shop'" ask "$(id_of "$key_other")" "$key_other" default
    expect_fails "pg: a key that may not read" 2 "lacks the scope 'read'" ask "$(id_of "$key_ingest")" "$key_ingest" default
    expect_fails "pg: bad SQL has a caret" 1 '^ *^$' ask "$admin_id" "$admin" default 'select nope from spans'
    expect_fails "pg: the caret counts characters" 1 '^LINE 1: .*nope' ask "$admin_id" "$admin" default "/* äöü */ select nope from spans"
    expect_fails "pg: \\d says what there is instead" 1 "SHOW TABLES" ask "$admin_id" "$admin" default '\d'
    unharmed "psql"
else
    echo "psql is not installed: its part is skipped"
fi

# ---- garbage at every port ----

# throw NAME ADDRESS [PATTERN]: stdin is sent; the answer must match.
throw() {
    "$THROW" "$2" --hold 300 >"$work/answer" 2>&1
    [ $? -ne 2 ] || fail "$1: could not connect"
    if [ -n "${3:-}" ]; then expect_match "$1" "$3" "$(tr -d '\0' <"$work/answer")"; fi
}
for address in "$http" "$native" "$pg"; do
    throw "nothing at $address" "$address" </dev/null
    head -c 100000 /dev/urandom | throw "noise at $address" "$address"
    head -c 200000 /dev/zero | throw "zeroes at $address" "$address"
    head -c 200000 /dev/zero | tr '\0' '\377' | throw "ones at $address" "$address"
    printf 'G' | throw "one byte at $address" "$address"
    printf 'GET / HTTP/1.1\r\nHost: x\r\n\r\n' | throw "HTTP at $address" "$address"
done
printf 'POST /api/v1/sql HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n' | throw "http: a length beyond 64 bits" "$http"
printf 'POST /api/v1/sql HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n' | throw "http: a negative length" "$http"
printf 'POST /api/v1/sql HTTP/1.1\r\nHost: x\r\nContent-Length: 67108865\r\n\r\n' | throw "http: a body over the limit" "$http" "413"
printf 'POST /api/v1/sql HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n' | throw "http: a chunk beyond 64 bits" "$http"
printf 'POST /api/v1/sql HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nselect' | throw "http: half a body" "$http"
{ printf 'GET /healthz HTTP/1.1\r\nX: '; head -c 40000 /dev/zero | tr '\0' a; printf '\r\n\r\n'; } | throw "http: headers over the limit" "$http"
{ printf 'GET /'; head -c 70000 /dev/zero | tr '\0' a; printf ' HTTP/1.1\r\n\r\n'; } | throw "http: a path over the limit" "$http"
printf 'GET /%%00%%ff/..//../etc/passwd?a=%%zz&&&=&project=%%00 HTTP/1.1\r\nHost: x\r\n\r\n' | throw "http: an odd path" "$http" "HTTP/1.1 40[04]"
printf '\377\377\377\377' | throw "pg: an oversized startup packet" "$pg" "invalid length of startup packet"
printf '\0\0\0\7\0\3\0' | throw "pg: a startup packet too short" "$pg" "invalid length of startup packet"
printf '\0\0\0\10\0\2\0\0' | throw "pg: protocol 2" "$pg" "unsupported frontend protocol 2.0"
printf '\0\0\0\10\4\322\26\57' | throw "pg: an encryption request" "$pg" "N"
printf '\0\0\0\20\4\322\26\56\0\0\0\1\0\0\0\1' | throw "pg: a cancel request with a guessed secret" "$pg"
printf '\0\0\0\15\0\3\0\0user\0' | throw "pg: a startup packet without its end" "$pg" "malformed startup packet"
printf '\0\0\0\20\0\3\0\0user\0a\0\0\0\0\0\0\4' | throw "pg: a type byte that is NUL instead of a password" "$pg" "password message expected"
printf '\0\0\0\20\0\3\0\0user\0a\0\0p\377\377\377\377' | throw "pg: an oversized password" "$pg" "invalid message length"
printf '\0\0\0\20\0\3\0\0user\0a\0\0Q\0\0\0\15select 1\0' | throw "pg: a query before the password" "$pg" "password message expected"
unharmed "garbage"
kill -0 "$server_pid" || fail "the server is gone"

# ---- bad files ----

sed 's/name$/nmae/' "$work/spans.csv" >"$work/bad.csv"
expect_fails "an unknown column in CSV" 1 'bad.csv:1: .*"nmae".*did you mean "name"' "$DRIFTLINE" ingest --format csv "$work/bad.csv"
expect_fails "bad SQL has a caret" 1 '^ *^' "$DRIFTLINE" sql 'select nope from spans'
printf 'listen:\n  htp: 127.0.0.1:1\n' >"$work/bad.yaml"
expect_fails "an unknown key in the configuration" 2 "bad.yaml:2:3.*listen.htp.*did you mean 'listen.http'" \
    "$DRIFTLINE" serve --data "$work/d2" --config "$work/bad.yaml"
printf 'query:\n  timeout: soon\n' >"$work/bad.yaml"
expect_fails "a bad value in the configuration" 2 "bad.yaml:2:12.*'soon' is not a duration" \
    "$DRIFTLINE" serve --data "$work/d2" --config "$work/bad.yaml"
printf 'query: [\n' >"$work/bad.yaml"
expect_fails "broken YAML" 2 "bad.yaml:[0-9]" "$DRIFTLINE" serve --data "$work/d2" --config "$work/bad.yaml"
expect_fails "no such configuration" 2 "missing.yaml" "$DRIFTLINE" serve --data "$work/d2" --config "$work/missing.yaml"

# ---- starts that must not be ----

free="--http 127.0.0.1:0 --native 127.0.0.1:0 --grpc 127.0.0.1:0 --pg 127.0.0.1:0"
printf 'rules:\n  - name: x\n    condition: value > 0\n    query: select nope from spans\n' >"$work/rules.yaml"
# shellcheck disable=SC2086
{
    expect_fails "a bad rules file" 1 'rules.yaml:4:.*nope' "$DRIFTLINE" serve --data "$work/d2" $free --rules "$work/rules.yaml"
    expect_fails "a second server on the directory" 1 "$work/data: .*process $server_pid" "$DRIFTLINE" serve --data "$work/data" $free
    expect_fails "a file instead of a directory" 1 "spans.csv.*Not a directory" "$DRIFTLINE" serve --data "$work/spans.csv" $free
    expect_fails "a directory that can't be written" 1 "/proc/1/driftline" "$DRIFTLINE" serve --data /proc/1/driftline $free
    expect_fails "no data directory" 2 "needed: --data" "$DRIFTLINE" serve $free
    expect_fails "HTTP port in use" 1 "http.*in use" "$DRIFTLINE" serve --data "$work/d3" $free --http "$http"
    expect_fails "native port in use" 1 "native.*in use" "$DRIFTLINE" serve --data "$work/d3" $free --native "$native"
    expect_fails "PostgreSQL port in use" 1 "pg.*in use" "$DRIFTLINE" serve --data "$work/d3" $free --pg "$pg"
}
for door in http native pg; do
    expect_fails "beyond loopback: $door" 2 "listen.$door: '0.0.0.0:0' is not loopback" "$DRIFTLINE" serve --data "$work/d2" --$door 0.0.0.0:0
    expect_fails "without keys beyond loopback: $door" 2 "no-auth works on loopback only" \
        "$DRIFTLINE" serve --data "$work/d2" --no-auth --set listen.insecure=true --$door 0.0.0.0:0
done
expect_fails "an unknown flag" 2 "unknown flag '--dtaa'.*did you mean '\{0,1\}--data" "$DRIFTLINE" serve --dtaa x
expect_fails "an unknown key" 2 "unknown key 'query.timeuot'.*query.timeout" "$DRIFTLINE" serve --data "$work/d2" --set query.timeuot=1s
expect_fails "a bad address" 2 "listen.pg" "$DRIFTLINE" serve --data "$work/d2" --pg nonsense
expect_fails "a port too large" 2 "listen.pg" "$DRIFTLINE" serve --data "$work/d2" --pg 127.0.0.1:65536
expect_fails "a bad choice" 2 "storage.io: 'aio' is not one of" "$DRIFTLINE" serve --data "$work/d2" --io aio
unharmed "all of it"
expect_match "the log names the door and the reason" "native: native connection from .* ends: the key is not valid" "$(cat "$work/server.log")"

# ---- and all is there after a restart; the key is not shown again ----

stop_server
start_server --log-level warn || exit 1
expect "all rows are there after a restart" 3 "$(sql 'select count(*) from spans')"
expect "the key was shown once" 1 "$(grep -c 'export DRIFTLINE_KEY=' "$work/server.log")"
stop_server
