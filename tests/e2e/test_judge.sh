#!/bin/sh
# Scores and tags written back, and the judge queue with scripts as workers: good ones, failing ones, slow ones, interrupted ones;
# keys and projects; a restart in between.
. "$(dirname "$0")/lib.sh"

cat >"$work/policy.yaml" <<'YAML'
judges:
  - name: faith
    where: kind = 'llm'
    sample: 1
    flagged: true
    scorer: faithful
    scorer_version: "3"
    judge_model: test-judge
    attempts: 2
YAML
start_server --log-level warn --policy "$work/policy.yaml" || exit 1
admin=$(admin_key)
export DRIFTLINE_KEY="$admin"
key_for() { "$DRIFTLINE" keys create --project "$1" --scopes "$2"; }

# post PATH BODY [KEY]: prints the code; the answer is in $work/answer.
post() {
    curl -s -o "$work/answer" -w '%{http_code}' -H "x-api-key: ${3:-$admin}" --data-binary "$2" "http://$http$1"
}
answer() { cat "$work/answer"; }
# wait_for NAME EXPECTED SQL: within ten seconds.
wait_for() {
    for _ in $(seq 1 100); do
        got=$(sql "$3")
        [ "$got" = "$2" ] && break
        sleep 0.1
    done
    expect "$1" "$2" "$got"
}

T=0102030405060708090a0b0c0d0e0f1
S=000000000000000
# span N: one more llm span, trace and span numbered N.
span() {
    printf '{"time":"2026-11-02T00:00:0%s.5Z","trace_id":"%s%s","span_id":"%s%s","kind":"llm","name":"answer","model":"m","session":"s%s","input":[{"role":"user","content":"q%s \\"x\\""}],"output":[{"role":"assistant","content":"a%s"}]}\n' \
        "$1" $T "$1" $S "$1" "$1" "$1" "$1"
}

# ---- write-back ----

expect "a score before its span" 200 "$(post /api/v1/scores "{\"trace_id\":\"${T}1\",\"span_id\":\"${S}1\",\"name\":\"thumbs\",\"value\":true,\"source\":\"human\"}")"
expect "is counted" '{"scores":1}' "$(answer)"
{ span 1; span 2; span 3; } >"$work/spans.ndjson"
expect_fails "spans go in" 0 "ingested 3 spans" "$DRIFTLINE" ingest --format ndjson "$work/spans.ndjson"
expect "the score has found its span" 1 "$(sql "select score.thumbs from spans where span_id = '${S}1'")"
expect "an array with a label and a number" 200 "$(post /api/v1/scores "[{\"trace_id\":\"${T}2\",\"span_id\":\"${S}2\",\"name\":\"tone\",\"label\":\"rude\"},{\"trace_id\":\"${T}2\",\"span_id\":\"${S}2\",\"name\":\"thumbs\",\"value\":0.5}]")"
expect "seen at once" 2 "$(sql "select count(*) from scores where span_id = '${S}2'")"
expect "with the span's session" s2 "$(sql "select distinct session from scores where span_id = '${S}2'")"
printf '{"trace_id":"%s3","span_id":"%s3","class":"refusal","source":"human","by":"ada"}\n{"trace_id":"%s2","span_id":"%s2","class":"none"}\n' $T $S $T $S >"$work/tags"
expect "tags as lines" 200 "$(post /api/v1/tags "@$work/tags")"
expect "the class is the span's" refusal "$(sql "select error_class from spans where span_id = '${S}3'")"
expect "one bad item and none is taken" 400 "$(post /api/v1/scores "[{\"trace_id\":\"${T}1\",\"span_id\":\"${S}1\",\"name\":\"x\",\"value\":1},{\"trace_id\":\"12\",\"name\":\"x\",\"value\":1}]")"
expect_match "it is named" "item 1: trace_id: 32 hex digits" "$(answer)"
expect "nothing of it is stored" 0 "$(sql "select count(*) from scores where name = 'x'")"
one="{\"trace_id\":\"${T}1\",\"span_id\":\"${S}1\",\"name\":\"k\",\"value\":1}"
expect "an ingest key may score" 200 "$(post /api/v1/scores "$one" "$(key_for default ingest)")"
review=$(key_for default review)
expect "a review key may score" 200 "$(post /api/v1/scores "$one" "$review")"
expect "a read key may not" 403 "$(post /api/v1/scores "$one" "$(key_for default read)")"

# ---- a worker by hand ----

wait_for "three spans are queued" 3 "select count(*) from judge_queue where state = 'queued'"
expect "a read key gets no items" 403 "$(post /api/v1/judge/lease '{"worker":"w"}' "$(key_for default read)")"
expect "lease" 200 "$(post /api/v1/judge/lease '{"worker":"hand","max":3,"lease":"30s"}' "$review")"
expect_match "with its input" '"input":\[{"role":"user","content":"q3 \\"x\\""}\]' "$(answer)"
expect_match "and its output" '"output":\[{"role":"assistant","content":"a3"}\]' "$(answer)"
grep -o '"id":[0-9]*,"token":[0-9]*,"attempt":1,[^{}]*"span_id":"[0-9a-f]*"' "$work/answer" >"$work/leases"
expect "three items" 3 "$(wc -l <"$work/leases")"
lease_of() { sed -n "s/^\"id\":\([0-9]*\),\"token\":\([0-9]*\),.*\"span_id\":\"${S}$1\"\$/\"id\":\1,\"token\":\2/p" "$work/leases"; }
for n in 1 2; do
    expect "release" 200 "$(post /api/v1/judge/release "{$(lease_of $n)}" "$review")"
done
id=$(lease_of 3 | sed 's/"id":\([0-9]*\),.*/\1/')
token=$(lease_of 3 | sed 's/.*"token"://')
expect "renew" 200 "$(post /api/v1/judge/renew "{\"id\":$id,\"token\":$token,\"lease\":60}" "$review")"
expect "an old token" 400 "$(post /api/v1/judge/complete "{\"id\":$id,\"token\":7,\"value\":1}" "$review")"
expect_match "is told so" "token 7 is not the one of its last lease" "$(answer)"
"$DRIFTLINE" ingest --project shop --quiet --format ndjson "$work/spans.ndjson" >"$work/ingest.log"
other=$(key_for shop review)
expect "another project's key" 404 "$(post /api/v1/judge/complete "{\"id\":$id,\"token\":$token,\"value\":1}" "$other")"
verdict="{\"id\":$id,\"token\":$token,\"value\":0.25,\"label\":\"bad\",\"explanation\":\"no\",\"cost_usd\":0.002}"
expect "complete" 200 "$(post /api/v1/judge/complete "$verdict" "$review")"
expect "again" 200 "$(post /api/v1/judge/complete "$verdict" "$review")"
expect "is one score" "faithful,0.25,bad,judge,faith,3,test-judge" \
    "$(sql "select name, value, label, source, scorer, scorer_version, judge_model from scores where name = 'faithful'")"
expect "an unknown member" 400 "$(post /api/v1/judge/lease '{"wroker":"w"}' "$review")"
expect_match "is suggested" "did you mean 'worker'" "$(answer)"

# ---- scripts ----

cat >"$work/good.sh" <<'SH'
input=$(cat)
case "$input" in
*'"scorer":"faithful"'*'q2 '*) echo '{"score": 1, "label": "good", "cost_usd": 0.001}' ;;
*) echo '{"score": false}' ;;
esac
SH
run() { "$DRIFTLINE" judge run --once --worker w "$@"; }
expect_fails "a good script" 0 "judged 2, failed 0" run --exec "sh $work/good.sh" --concurrency 2
expect "its verdicts" "${S}1,0
${S}2,1" "$(sql "select span_id, value from scores where name = 'faithful' and scorer = 'faith' and span_id <> '${S}3' order by 1")"
expect "on the spans" "0.5" "$(sql "select avg(score.faithful) from spans where span_id in ('${S}1','${S}2')")"
expect "the queue is done" 3 "$(sql "select count(*) from judge_queue where state = 'done'")"

span 4 >"$work/spans.ndjson"
"$DRIFTLINE" ingest --quiet --format ndjson "$work/spans.ndjson" >"$work/ingest.log"
wait_for "one more" 1 "select count(*) from judge_queue where state = 'queued'"
expect_fails "a script that fails" 1 "exit code 3: no such model" run --exec 'cat >/dev/null; echo no such model >&2; exit 3'
expect "is told" "queued,1,exit code 3: no such model" "$(sql "select state, attempts, reason from judge_queue where span_id = '${S}4'")"
sleep 5
expect_fails "a script that says nothing useful" 1 "standard output: unknown member 'scroe'; did you mean 'score'" \
    run --exec 'echo "{\"scroe\": 1}"'
expect "after two attempts it is set aside" poison "$(sql "select state from judge_queue where span_id = '${S}4'")"
expect_match "status says so" "faith .* 3 .* 1 " "$("$DRIFTLINE" judge status)"
expect_fails "retry" 0 "1 back in the queue" "$DRIFTLINE" judge retry
expect_fails "a script that takes too long" 1 "no answer within 500ms" run --exec 'sleep 30' --timeout 500ms
sleep 5

# ---- interrupted ----

"$DRIFTLINE" judge run --worker w --exec "touch $work/started; sleep 2; echo '{\"score\": 1}'" >"$work/run.log" 2>&1 &
worker=$!
other_pids="$other_pids $worker"
for _ in $(seq 1 100); do [ -f "$work/started" ] && break; sleep 0.1; done
kill -INT $worker
wait $worker
expect "SIGINT lets the command end" 0 $?
expect_match "and keeps its verdict" "judged 1, failed 0" "$(cat "$work/run.log")"
expect "as a score" 1 "$(sql "select value from scores where name = 'faithful' and span_id = '${S}4'")"
span 5 >"$work/spans.ndjson"
"$DRIFTLINE" ingest --quiet --format ndjson "$work/spans.ndjson" >"$work/ingest.log"
wait_for "one more" 1 "select count(*) from judge_queue where state = 'queued'"
rm -f "$work/started"
"$DRIFTLINE" judge run --worker w --exec "touch $work/started; sleep 60" >"$work/run.log" 2>&1 &
worker=$!
other_pids="$other_pids $worker"
for _ in $(seq 1 100); do [ -f "$work/started" ] && break; sleep 0.1; done
kill -INT $worker
sleep 0.5
kill -INT $worker
wait $worker
expect_match "the second ends it and gives the item back" "given back or lost 1" "$(cat "$work/run.log")"
expect "as if it had not been leased" "queued,0" "$(sql "select state, attempts from judge_queue where span_id = '${S}5'")"

# ---- a restart, and agreement ----

stop_server
start_server --log-level warn --policy "$work/policy.yaml" || exit 1
expect_fails "the queue is still there" 0 "judged 1, failed 0" run --exec 'echo "{\"score\": 1}"'
for n in 1 2 4 5; do
    value=$([ $n = 1 ] && echo 0 || echo 1)
    [ "$(post /api/v1/scores "{\"trace_id\":\"${T}$n\",\"span_id\":\"${S}$n\",\"name\":\"faithful\",\"value\":$value,\"source\":\"human\"}")" = 200 ] ||
        fail "a human label"
done
expect "agreement with people" "faithful,faith,3,test-judge,4,1,1,3,0,1,0" \
    "$(sql "select name, scorer, scorer_version, judge_model, pairs, accuracy, kappa, tp, fp, tn, fn from judge_agreement")"
post /api/v1/scores "{\"trace_id\":\"${T}5\",\"span_id\":\"${S}5\",\"name\":\"faithful\",\"value\":0,\"source\":\"human\"}" >/dev/null
expect "a changed mind" "0.75,0.5" "$(sql "select accuracy, kappa from judge_agreement")"
expect "confusion" "fail,fail,1
pass,fail,1
pass,pass,2" "$(sql "select judge_label, human_label, count from judge_confusion order by 1, 2")"

# ---- the server dies while a command runs ----

span 6 >"$work/spans.ndjson"
"$DRIFTLINE" ingest --quiet --format ndjson "$work/spans.ndjson" >"$work/ingest.log"
wait_for "one more" 1 "select count(*) from judge_queue where state = 'queued'"
rm -f "$work/started"
"$DRIFTLINE" judge run --worker w --max 1 --exec "touch $work/started; sleep 1; echo '{\"score\": 0.75}'" >"$work/run.log" 2>&1 &
worker=$!
other_pids="$other_pids $worker"
for _ in $(seq 1 100); do [ -f "$work/started" ] && break; sleep 0.1; done
kill_server
sleep 1.5
start_server --log-level warn --policy "$work/policy.yaml" || exit 1
wait $worker
expect "the verdict waits for its return" 0 $?
expect "and is one score" 0.75 "$(sql "select value from scores where name = 'faithful' and span_id = '${S}6'")"
expect "of a finished item" done "$(sql "select state from judge_queue where span_id = '${S}6'")"

# ---- usage ----

expect_fails "no command" 2 "run needs --exec" "$DRIFTLINE" judge run
expect_fails "no verb" 2 "run, status or retry expected" "$DRIFTLINE" judge
expect_fails "a bad count" 2 "not from 1 to 64" "$DRIFTLINE" judge run --exec x --concurrency 0
expect_fails "no server" 4 "reached\|connect" "$DRIFTLINE" judge run --once --exec x --http 127.0.0.1:1
stop_server
