/*
 * race_judge.c - the judge queue under ThreadSanitizer: spans come in, are queued, leased, judged and released by many threads at once,
 * while others ask for state and agreement.
 *
 * In the end every span has exactly one verdict.
 */
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/thread.h"
#include "server/judge/judge.h"

#define COMMITS      20u
#define COMMIT_SPANS 5u
#define SPANS        (COMMITS * COMMIT_SPANS)
#define WORKERS      4

struct race {
    struct engine *engine;
    struct query_db *db;
    struct control *control;
    struct judge *judge;
    uint32_t project;
    atomic_bool stop;     /* the pump */
    atomic_bool all_sent; /* the spans */
    atomic_uint done;
};

static void must(enum status s, const struct error *error)
{
    if (s >= 0)
        return;
    (void)fprintf(stderr, "race_judge: %s\n", error->text);
    exit(1);
}

static void pump(void *context)
{
    struct race *r = context;
    struct pollfd ready = {.fd = engine_event_fd(r->engine), .events = POLLIN};
    while (!atomic_load(&r->stop)) {
        (void)poll(&ready, 1, 20);
        (void)engine_pump(r->engine);
    }
}

static void send_spans(void *context)
{
    struct race *r = context;
    struct error error = {0};
    for (uint32_t commit = 0; commit < COMMITS; commit++) {
        struct builder b;
        struct append_result result;
        builder_init(&b, TABLE_SPANS, engine_schema(r->engine, r->project));
        for (uint32_t i = 0; i < COMMIT_SPANS; i++) {
            struct id128 trace = {{1, (uint8_t)commit, (uint8_t)i}};
            builder_row(&b);
            builder_i64(&b, SPANS_time, clock_wall_ns());
            builder_id128(&b, SPANS_trace_id, trace);
            builder_id64(&b, SPANS_span_id, commit * COMMIT_SPANS + i + 1);
            builder_str(&b, SPANS_kind, slice_text("llm"));
        }
        struct batch batch = builder_batch(&b);
        const struct append append = {.project = r->project, .spans = &batch};
        must(engine_append(r->engine, &append, &result, &error), &error);
        must(engine_wait_visible(r->engine, result.ticket, 10 * NS_PER_S, &error), &error);
        builder_deinit(&b);
    }
    atomic_store(&r->all_sent, true);
}

static void fill(void *context)
{
    struct race *r = context;
    struct error error = {0};
    bool last = false;
    while (!last) {
        uint64_t queued = 0;
        last = atomic_load(&r->all_sent);
        must(judge_fill(r->judge, &queued, &error), &error);
    }
}

/* Judges most, releases some. */
static void work(void *context)
{
    struct race *r = context;
    struct error error = {0};
    unsigned turn = 0;
    while (atomic_load(&r->done) < SPANS) {
        struct arena arena = {0};
        struct judge_item *items = NULL;
        uint32_t count = 0;
        const char *reason;
        must(judge_lease(r->judge, 0, slice_text("worker"), 3, 0, &arena, &items, &count, &reason,
                         &error),
             &error);
        for (uint32_t i = 0; i < count; i++) {
            const struct judge_verdict verdict = {.value = 1,
                                                  .label = SLICE_EMPTY,
                                                  .explanation = SLICE_EMPTY,
                                                  .judge_model = SLICE_EMPTY};
            if (turn++ % 5 == 4) {
                must(judge_release(r->judge, 0, items[i].id, items[i].token, &error), &error);
                continue;
            }
            must(judge_complete(r->judge, 0, items[i].id, items[i].token, &verdict, &error),
                 &error);
            must(judge_complete(r->judge, 0, items[i].id, items[i].token, &verdict, &error),
                 &error);
            atomic_fetch_add(&r->done, 1);
        }
        if (count == 0)
            (void)usleep(1000);
        arena_deinit(&arena);
    }
}

static int64_t ask_one(struct race *r, const char *text)
{
    struct error error = {0};
    struct query_result *result = NULL;
    const struct query_options options = {.project = r->project, .threads = 1};
    must(query_run(r->db, slice_text(text), &options, &result, &error), &error);
    int64_t value = result->cells[0].i64;
    query_result_destroy(result);
    return value;
}

static void look(void *context)
{
    struct race *r = context;
    struct error error = {0};
    while (atomic_load(&r->done) < SPANS) {
        struct buffer state = {0};
        must(judge_status_write(r->judge, 0, &state, &error), &error);
        buffer_deinit(&state);
        (void)ask_one(r, "select count(*) from judge_queue");
        (void)ask_one(r, "select count(*) from judge_agreement");
    }
}

int main(void)
{
    static const struct judge_rule rule = {.name = "race", .sample = 1, .scorer = "q"};
    struct race r = {.project = 0};
    struct error error = {0};
    struct io *io = NULL;
    struct thread threads[WORKERS + 4];
    char root[] = "/tmp/driftline-race-XXXXXX";
    char path[64];
    char command[64];
    if (mkdtemp(root) == NULL)
        return 1;
    (void)snprintf(path, sizeof path, "%s/control.db", root);
    must(io_create(root, "posix", &io, NULL, &error), &error);
    must(engine_open(io, &(struct engine_options){0}, &r.engine, &error), &error);
    must(engine_project(r.engine, slice_text("default"), true, &r.project, &error), &error);
    must(control_open(path, &r.control, &error), &error);
    r.db = query_db_create(r.engine);
    must(judge_tables_add(r.db, r.control, &error), &error);
    must(judge_open(r.engine, r.db, r.control, &rule, 1, &r.judge, &error), &error);
    thread_start(&threads[0], "pump", pump, &r);
    thread_start(&threads[1], "send", send_spans, &r);
    thread_start(&threads[2], "fill", fill, &r);
    thread_start(&threads[3], "look", look, &r);
    for (int i = 0; i < WORKERS; i++)
        thread_start(&threads[4 + i], "work", work, &r);
    for (int i = 1; i < WORKERS + 4; i++)
        thread_join(&threads[i]);
    int64_t scores = ask_one(&r, "select count(*) from scores");
    int64_t spans = ask_one(&r, "select count(*) from spans where score.q = 1");
    atomic_store(&r.stop, true);
    thread_join(&threads[0]);
    judge_close(r.judge);
    query_db_destroy(r.db);
    control_close(r.control);
    engine_close(r.engine);
    io_destroy(io);
    (void)snprintf(command, sizeof command, "rm -rf %s", root);
    ASSERT(system(command) == 0);
    (void)printf("%lld scores of %lld spans\n", (long long)scores, (long long)spans);
    return scores == SPANS && spans == SPANS ? 0 : 1;
}
