/*
 * judge_fixture.h - a store with a control file, a query door and a judge queue; a thread pumps commits, as the loop does.
 */
#ifndef DRIFTLINE_TESTS_JUDGE_FIXTURE_H
#define DRIFTLINE_TESTS_JUDGE_FIXTURE_H

#include <poll.h>
#include <stdatomic.h>

#include "engine/base/thread.h"
#include "server/judge/judge.h"
#include "tests/unit/engine/engine_fixture.h"

#define NOW_NS  (HOUR0 + 10 * NS_PER_HOUR)
#define NOTHING ((double)NAN)

struct desk {
    struct store store;
    struct control *control;
    struct query_db *db;
    struct judge *judge;
    struct judge_rule rules[8];
    uint32_t rule_count;
    struct thread pump;
    atomic_bool stop;
    struct arena arena; /* of leased items */
};

static inline void desk_pump(void *context)
{
    struct desk *d = context;
    struct pollfd ready = {.fd = engine_event_fd(d->store.engine), .events = POLLIN};
    while (!atomic_load(&d->stop)) {
        (void)poll(&ready, 1, 20);
        (void)engine_pump(d->store.engine);
    }
}

static inline void desk_up(struct desk *d)
{
    struct error error = {0};
    char path[128];
    (void)snprintf(path, sizeof path, "%s/control.db", d->store.root);
    cr_assert_eq(control_open(path, &d->control, &error), STATUS_OK, "%s", error.text);
    d->db = query_db_create(d->store.engine);
    cr_assert_eq(judge_tables_add(d->db, d->control, &error), STATUS_OK, "%s", error.text);
    cr_assert_eq(
        judge_open(d->store.engine, d->db, d->control, d->rules, d->rule_count, &d->judge, &error),
        STATUS_OK, "%s", error.text);
    atomic_store(&d->stop, false);
    thread_start(&d->pump, "pump", desk_pump, d);
}

static inline void desk_down(struct desk *d)
{
    atomic_store(&d->stop, true);
    thread_join(&d->pump);
    judge_close(d->judge);
    query_db_destroy(d->db);
    control_close(d->control);
}

static inline void desk_open(struct desk *d, const struct judge_rule *rules, uint32_t count)
{
    *d = (struct desk){.store = store_disk("posix", NULL), .rule_count = count};
    bytes_copy(d->rules, rules, count * sizeof *rules);
    clock_fake(NOW_NS);
    desk_up(d);
}

/* As after the process ended and began again. */
static inline void desk_restart(struct desk *d)
{
    desk_down(d);
    store_reopen(&d->store);
    desk_up(d);
}

static inline void desk_close(struct desk *d)
{
    desk_down(d);
    arena_deinit(&d->arena);
    clock_fake(0);
    store_destroy(&d->store);
}

static inline void later(int64_t ns)
{
    static int64_t now_ns = NOW_NS;
    now_ns += ns;
    clock_fake(now_ns);
}

/* An llm span; class NULL: none. */
static inline void add_span(struct desk *d, uint64_t trace, uint64_t span, const char *class)
{
    struct builder b;
    rows_begin(&d->store, &b, TABLE_SPANS);
    span_row(&b, trace, span, HOUR0 + (int64_t)trace);
    builder_str(&b, SPANS_kind, slice_text("llm"));
    if (class != NULL)
        builder_str(&b, SPANS_error_class, slice_text(class));
    (void)append(&d->store, &b, NULL, NULL);
    builder_deinit(&b);
}

static inline uint64_t fill(struct desk *d)
{
    struct error error = {0};
    uint64_t queued = 0;
    cr_assert_eq(judge_fill(d->judge, &queued, &error), STATUS_OK, "%s", error.text);
    return queued;
}

struct leased {
    struct judge_item *items;
    uint32_t count;
    const char *reason;
};

static inline struct leased lease_as(struct desk *d, const char *worker, uint32_t max)
{
    struct error error = {0};
    struct leased l = {0};
    cr_assert_eq(judge_lease(d->judge, 0, slice_text(worker), max, 0, &d->arena, &l.items, &l.count,
                             &l.reason, &error),
                 STATUS_OK, "%s", error.text);
    return l;
}

static inline struct leased lease(struct desk *d, uint32_t max)
{
    return lease_as(d, "ada", max);
}

static inline struct judge_verdict verdict_of(double value)
{
    return (struct judge_verdict){.value = value,
                                  .label = SLICE_EMPTY,
                                  .explanation = SLICE_EMPTY,
                                  .judge_model = SLICE_EMPTY};
}

static inline enum status complete_item(struct desk *d, const struct judge_item *item, double value,
                                        struct error *reterr)
{
    struct judge_verdict v = verdict_of(value);
    return judge_complete(d->judge, 0, item->id, item->token, &v, reterr);
}

/* The first cell of a query, as text; "NULL", or "nothing" without a row. */
static inline const char *ask(struct desk *d, const char *sql)
{
    static char text[8][512];
    static unsigned next;
    char *to = text[next++ % 8];
    struct error error = {0};
    struct query_result *rows = NULL;
    struct buffer cell = {0};
    struct query_options options = {.project = d->store.project};
    cr_assert_eq(query_run(d->db, slice_text(sql), &options, &rows, &error), STATUS_OK, "%s: %s",
                 sql, error.text);
    if (rows->row_count == 0)
        (void)snprintf(to, sizeof text[0], "nothing");
    else if (!query_value_text(&rows->cells[0], &cell))
        (void)snprintf(to, sizeof text[0], "NULL");
    else
        (void)snprintf(to, sizeof text[0], "%.*s", SLICE_ARG(buffer_slice(&cell)));
    buffer_deinit(&cell);
    query_result_destroy(rows);
    return to;
}

#define expect_answer(desk, sql, expected)                                                         \
    cr_expect_str_eq(ask(desk, sql), expected, "%s: %s", sql, ask(desk, sql))
/* The call fails and says so; it puts its error into &refusal. */
#define expect_refused(call, code, words)                                                          \
    do {                                                                                           \
        struct error refusal = {0};                                                                \
        cr_expect_eq(call, code, "%s", #call);                                                     \
        cr_expect(strstr(refusal.text, words) != NULL, "'%s' is not in '%s'", words,               \
                  refusal.text);                                                                   \
    } while (0)

#endif
