/*
 * bench_scorers.c - what scoring costs on real agent runs.
 *
 *     bench_scorers trajectories.json [rounds [each]]
 *
 * The file is a JSON array of {"traj":[chat messages]} (the format of tau-bench). Each assistant message is scored as a
 * generation whose input is everything before it, each tool message as a tool span: 3,618 spans with 31.7 MB of histories,
 * but 1.95 MB of distinct messages, 540 bytes a span. Expected: the distinct text goes by once, through JSON, words, sets,
 * detectors and phrases, in about 170 instructions a byte, 92,000 a span (callgrind), of which the histories and the
 * scorers proper are a third: 10 to 15 us a span on an idle core, all of it fresh text. A second round has all messages in
 * the cache, 40,000 instructions; `each` runs every scorer by itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "engine/base/hash.h"
#include "engine/base/json.h"
#include "engine/enrich/message_read.h"
#include "engine/enrich/scorer.h"
#include "engine/enrich/words.h"

#define HISTORY_MAX 1024u

struct run {
    uint32_t count;
    struct text_message messages[HISTORY_MAX];
    enum message_role roles[HISTORY_MAX];
};

struct totals {
    uint64_t spans;
    uint64_t scores;
    uint64_t logical_bytes;
    double sums[SCORER_COUNT];
    uint64_t counts[SCORER_COUNT];
};

static struct run *runs;
static size_t runs_capacity;
static uint32_t run_count;
static struct arena arena;

static void die(const char *what)
{
    fprintf(stderr, "bench_scorers: %s\n", what);
    exit(2);
}

/* CPU time, so that other programs on the machine count as little as they can. */
static int64_t cpu_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void messages_read(struct json *j, struct run *run)
{
    for (enum json_token t; (t = json_next(j)) > 0 && t != JSON_ARRAY_END;) {
        struct slice body = json_skip(j, t);
        static struct message_reading reading;
        if (run->count == HISTORY_MAX)
            die("a run has too many messages");
        (void)message_read(body, &arena, &reading);
        run->roles[run->count] = reading.role;
        run->messages[run->count++] = (struct text_message){hash128(body), body};
    }
}

static void runs_read(struct slice text)
{
    struct json j = json_over(text);
    if (json_next(&j) != JSON_ARRAY_BEGIN)
        die("the file is no array");
    while (json_next(&j) == JSON_OBJECT_BEGIN) {
        runs = mem_grow(runs, &runs_capacity, (size_t)run_count + 1, sizeof *runs);
        struct run *run = &runs[run_count++];
        run->count = 0;
        while (json_next(&j) == JSON_KEY) {
            bool is_messages = slice_is(j.raw, "traj");
            enum json_token t = json_next(&j);
            if (is_messages && t == JSON_ARRAY_BEGIN)
                messages_read(&j, run);
            else
                (void)json_skip(&j, t);
        }
    }
}

static struct buffer file_read(const char *path)
{
    struct buffer b = {0};
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        die("cannot open the file");
    size_t size;
    while ((size = fread(buffer_reserve(&b, 1 << 16), 1, 1 << 16, f)) > 0)
        b.size += size;
    fclose(f);
    return b;
}

static struct span_view view_empty(void)
{
    struct span_view v = {0};
    v.project = v.session = v.name = v.model = v.model_served = v.provider = SLICE_EMPTY;
    v.service = v.prompt_name = v.prompt_version = v.environment = v.kind = SLICE_EMPTY;
    v.finish_reason = v.error_type = v.error_message = v.tool_name = v.tool_call_id = SLICE_EMPTY;
    v.tool_args = v.tool_result = v.retrieved = v.attributes = SLICE_EMPTY;
    v.status = slice_text("ok");
    v.http_status = v.latency_ns = v.ttft_ns = v.tokens_in = v.tokens_out = v.cost_nusd = -1;
    v.tool_result_empty = v.retrieved_count = -1;
    v.temperature = v.retrieved_top_score = (double)__builtin_nanf("");
    return v;
}

static void span_score(struct scorers *s, const struct run *run, uint32_t at, uint32_t number,
                       struct totals *totals)
{
    static struct score_list scores;
    struct span_view v = view_empty();
    memcpy(v.trace_id.bytes, &number, sizeof number);
    v.trace_id.bytes[15] = 1;
    v.span_id = at + 1;
    if (run->roles[at] == ROLE_ASSISTANT) {
        v.kind = slice_text("llm");
        v.input = run->messages;
        v.input_count = at;
        v.output = &run->messages[at];
        v.output_count = 1;
        for (uint32_t i = 0; i <= at; i++)
            totals->logical_bytes += run->messages[i].body.size;
    } else {
        v.kind = slice_text("tool");
        v.tool_name = slice_text("tool");
        v.tool_args = run->messages[at - 1].body;
        v.has_tool_result = true;
        v.tool_result = run->messages[at].body;
    }
    scorers_run(s, &v, &arena, &scores);
    totals->spans++;
    totals->scores += scores.count;
    for (uint32_t i = 0; i < scores.count; i++) {
        for (int k = 0; k < SCORER_COUNT; k++) {
            if (scores.items[i].name != scorer_name((enum scorer_id)k))
                continue;
            totals->sums[k] += scores.items[i].value;
            totals->counts[k]++;
        }
    }
}

static void round_run(struct scorers *s, const char *what, uint32_t round)
{
    struct totals totals = {0};
    int64_t start = cpu_ns();
    for (uint32_t r = 0; r < run_count; r++) {
        arena_reset(&arena);
        for (uint32_t at = 0; at < runs[r].count; at++) {
            if (runs[r].roles[at] == ROLE_ASSISTANT || (at > 0 && runs[r].roles[at] == ROLE_TOOL))
                span_score(s, &runs[r], at, round * run_count + r, &totals);
        }
    }
    double us = (double)(cpu_ns() - start) / 1e3;
    printf("%-8s %6llu spans  %8.1f ms  %6.2f us a span  %8.1f MB/s of histories  %.1f scores a "
           "span  cache %.1f MB\n",
           what, (unsigned long long)totals.spans, us / 1e3, us / (double)totals.spans,
           (double)totals.logical_bytes / us, (double)totals.scores / (double)totals.spans,
           (double)scorers_memory(s) / 1e6);
    for (int k = 0; round == 0 && k < SCORER_COUNT; k++) {
        if (totals.counts[k] != 0)
            printf("  %-18s %6llu  mean %.3f\n", scorer_name((enum scorer_id)k),
                   (unsigned long long)totals.counts[k], totals.sums[k] / (double)totals.counts[k]);
    }
}

/* One scorer on, the others off, everything in the cache. */
static void scorers_alone(void)
{
    for (int k = -1; k < SCORER_COUNT; k++) {
        struct scorer_options o;
        scorer_options_init(&o);
        o.disabled = k < 0 ? UINT64_MAX : ~(1ull << k);
        struct scorers *s = scorers_create(&o, NULL);
        for (uint32_t round = 0; round < 2; round++) {
            struct totals totals = {0};
            int64_t start = cpu_ns();
            for (uint32_t r = 0; r < run_count; r++) {
                arena_reset(&arena);
                for (uint32_t at = 1; at < runs[r].count; at++) {
                    if (runs[r].roles[at] == ROLE_ASSISTANT || runs[r].roles[at] == ROLE_TOOL)
                        span_score(s, &runs[r], at, round * run_count + r, &totals);
                }
            }
            double us = (double)(cpu_ns() - start) / 1e3 / (double)totals.spans;
            if (round == 0)
                printf("  %-18s %6.2f us a span new,",
                       k < 0 ? "(none)" : scorer_name((enum scorer_id)k), us);
            else
                printf(" %6.2f us known\n", us);
        }
        scorers_destroy(s);
    }
}

/* Spans without any text: what everybody pays who records numbers only. */
static void numbers_speed(void)
{
    static struct score_list scores;
    struct scorer_options options;
    scorer_options_init(&options);
    struct scorers *s = scorers_create(&options, NULL);
    struct span_view v = view_empty();
    v.kind = slice_text("llm");
    v.finish_reason = slice_text("stop");
    v.latency_ns = 1200000000;
    v.tokens_in = v.tokens_out = 100;
    uint32_t spans = 500000;
    int64_t start = cpu_ns();
    for (uint32_t i = 0; i < spans; i++) {
        v.span_id = i + 1;
        scorers_run(s, &v, &arena, &scores);
    }
    printf("numbers only: %.0f ns a span\n", (double)(cpu_ns() - start) / spans);
    scorers_destroy(s);
}

static void words_speed(void)
{
    struct word_set words = {0};
    struct word_set pairs = {0};
    uint64_t bytes = 0;
    int64_t start = cpu_ns();
    uint64_t count = 0;
    for (uint32_t r = 0; r < run_count; r++) {
        for (uint32_t i = 0; i < runs[r].count; i++) {
            struct words w = words_over(runs[r].messages[i].body);
            struct word word;
            while (words_next(&w, &word))
                count++;
            bytes += runs[r].messages[i].body.size;
        }
    }
    double ns = (double)(cpu_ns() - start);
    printf("words: %.0f MB/s, %.1f ns a word\n", (double)bytes / ns * 1e3, ns / (double)count);
    start = cpu_ns();
    for (uint32_t r = 0; r < run_count; r++) {
        for (uint32_t i = 0; i < runs[r].count; i++) {
            word_set_reset(&words, runs[r].messages[i].body.size / 16);
            word_set_reset(&pairs, runs[r].messages[i].body.size / 8);
            text_words_add(runs[r].messages[i].body, &words, &pairs);
        }
    }
    ns = (double)(cpu_ns() - start);
    printf("words into sets, with their neighbours: %.0f MB/s\n", (double)bytes / ns * 1e3);
    word_set_deinit(&words);
    word_set_deinit(&pairs);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        die("usage: bench_scorers trajectories.json [rounds [each]]");
    struct buffer file = file_read(argv[1]);
    uint32_t rounds = argc > 2 ? (uint32_t)atoi(argv[2]) : 3;
    runs_read(buffer_slice(&file));
    struct scorer_options options;
    scorer_options_init(&options);
    struct scorers *s = scorers_create(&options, NULL);
    for (uint32_t round = 0; round < rounds; round++)
        round_run(s, round == 0 ? "new" : "known", round);
    scorers_destroy(s);
    if (argc > 3)
        scorers_alone();
    words_speed();
    numbers_speed();
    mem_free(runs);
    arena_deinit(&arena);
    buffer_deinit(&file);
    return 0;
}
