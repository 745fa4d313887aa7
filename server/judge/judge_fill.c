/*
 * judge_fill.c - finds what the rules want among what was committed since the last look.
 *
 * Place:     spans past the watermark, older ones tagged or scored past it -> [here] -> judge_item
 * Pages:     rows come ordered by commit. A full page may have cut its last commit in two, so that commit is left for the next
 *            page; a page is longer than any commit, so there is always progress.
 * Sampling:  by a hash of the trace id, so that a trace is taken whole and by every rule of the same share.
 */
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/intern.h"
#include "engine/base/limits.h"
#include "server/judge/judge_internal.h"

#define PAGE_ROWS       (BATCH_ROWS_MAX + 1)
#define FILL_TIMEOUT_NS (60 * NS_PER_S)
#define AMENDED_MAX     500u /* spans asked for in one query */

/* A score is low where the scorers left words for it. */
#define FLAGGED "(error_class <> 'none' or findings is not null)"

struct candidate {
    struct slice trace_id; /* hex */
    struct slice span_id;
    bool flagged;
};

struct filler {
    struct judge *judge;
    const struct judge_rule *rule;
    uint32_t project;
    int64_t now_ns;
    uint64_t from_seq; /* looked at up to here */
    uint64_t until_seq;
    struct candidate *candidates;
    size_t capacity;
    uint32_t count;
    uint64_t queued;
};

/* ---- sampling ---- */

static bool is_sampled(struct slice trace_hex, double share)
{
    struct id128 trace;
    if (share >= 1 || !id128_from_hex(trace_hex, &trace))
        return true;
    double place = (double)(id128_hash(trace) >> 11) * 0x1p-53;
    return place < share;
}

static bool is_wanted(const struct judge_rule *rule, const struct candidate *c)
{
    return (rule->flagged && c->flagged) || is_sampled(c->trace_id, rule->sample);
}

/* ---- writing ---- */

static enum status item_insert(struct filler *f, const struct candidate *c, struct error *reterr)
{
    struct control_statement *st = NULL;
    int64_t changes = 0;
    enum status s = control_prepare(
        f->judge->control,
        "insert or ignore into judge_item (rule, project, project_name, trace_id, span_id, state, flagged, queued, next)"
        " values (?1, ?2, ?3, ?4, ?5, 'queued', ?6, ?7, ?7)",
        &st, reterr);
    if (s < 0)
        return s;
    control_bind_text(st, 1, slice_text(f->rule->name));
    control_bind_i64(st, 2, f->project);
    control_bind_text(st, 3, slice_text(engine_project_name(f->judge->engine, f->project)));
    control_bind_text(st, 4, c->trace_id);
    control_bind_text(st, 5, c->span_id);
    control_bind_i64(st, 6, c->flagged);
    control_bind_i64(st, 7, f->now_ns);
    s = control_run(st, &changes, reterr);
    f->queued += changes > 0 ? (uint64_t)changes : 0;
    return s;
}

static enum status watermark_write(struct filler *f, struct error *reterr)
{
    struct control_statement *st = NULL;
    enum status s =
        control_prepare(f->judge->control,
                        "insert into judge_watermark (rule, project, seq) values (?1, ?2, ?3)"
                        " on conflict (rule, project) do update set seq = excluded.seq",
                        &st, reterr);
    if (s < 0)
        return s;
    control_bind_text(st, 1, slice_text(f->rule->name));
    control_bind_i64(st, 2, f->project);
    control_bind_i64(st, 3, (int64_t)f->from_seq);
    return control_run(st, NULL, reterr);
}

/* The page's items and how far it went: all or nothing. */
static enum status page_write(void *context, struct error *reterr)
{
    struct filler *f = context;
    for (uint32_t i = 0; i < f->count; i++) {
        enum status s = item_insert(f, &f->candidates[i], reterr);
        if (s < 0)
            return s;
    }
    return watermark_write(f, reterr);
}

static enum status page_commit(struct filler *f, uint64_t seq, struct error *reterr)
{
    uint64_t queued = f->queued;
    uint64_t from_seq = f->from_seq;
    f->from_seq = seq;
    enum status s = control_transaction(f->judge->control, page_write, f, reterr);
    if (s < 0) {
        f->queued = queued;
        f->from_seq = from_seq;
    }
    return s;
}

/* ---- reading ---- */

static enum status ask(struct filler *f, struct slice statement,
                       const struct query_value *parameters, uint32_t parameter_count,
                       struct query_result **ret, struct error *reterr)
{
    struct query_options options = {.project = f->project,
                                    .timeout_ns = FILL_TIMEOUT_NS,
                                    .parameters = parameters,
                                    .parameter_count = parameter_count};
    return query_run(f->judge->db, statement, &options, ret, reterr);
}

static struct query_value int_value(uint64_t v)
{
    return (struct query_value){.type = SQL_INT, .i64 = (int64_t)v};
}

static void candidate_add(struct filler *f, const struct query_value *cells)
{
    const struct candidate c = {.trace_id = cells[0].text,
                                .span_id = cells[1].text,
                                .flagged = cells[2].type == SQL_BOOL && cells[2].i64 != 0};
    if (!is_wanted(f->rule, &c))
        return;
    f->candidates =
        mem_grow(f->candidates, &f->capacity, (size_t)f->count + 1, sizeof *f->candidates);
    f->candidates[f->count++] = c;
}

static void spans_statement(const struct filler *f, struct buffer *to)
{
    buffer_add_text(to, "select trace_id, span_id, " FLAGGED
                        ", seq from spans where seq > $1 and seq <= $2 and (\n");
    buffer_add_text(to, f->rule->where);
    buffer_add_text(to, "\n)");
    if (f->rule->sample <= 0)
        buffer_add_text(to, " and " FLAGGED);
    buffer_printf(to, " order by seq limit %u", PAGE_ROWS);
}

/* One page of spans; *ret_done: it was the last. */
static enum status page_read(struct filler *f, bool *ret_done, struct error *reterr)
{
    struct buffer text = {0};
    struct query_result *rows = NULL;
    const struct query_value parameters[] = {int_value(f->from_seq), int_value(f->until_seq)};
    spans_statement(f, &text);
    enum status s = ask(f, buffer_slice(&text), parameters, 2, &rows, reterr);
    buffer_deinit(&text);
    if (s < 0)
        return s;
    bool is_full = rows->row_count == PAGE_ROWS;
    ASSERT(!is_full || rows->cells[(PAGE_ROWS - 1) * 4 + 3].i64 > rows->cells[3].i64);
    uint64_t cut_seq =
        is_full ? (uint64_t)rows->cells[(rows->row_count - 1) * 4 + 3].i64 : UINT64_MAX;
    f->count = 0;
    for (uint64_t row = 0; row < rows->row_count; row++) {
        const struct query_value *cells = &rows->cells[row * 4];
        if ((uint64_t)cells[3].i64 < cut_seq)
            candidate_add(f, cells);
    }
    *ret_done = !is_full;
    s = page_commit(f, is_full ? cut_seq - 1 : f->until_seq, reterr);
    query_result_destroy(rows);
    return s;
}

/* ---- spans that were amended since ---- */

/* Spans that the last look passed over may be wanted now: they got a class or a score. Rows are (trace_id, span_id). */
struct amended {
    const struct query_result *rows;
    struct intern spans; /* of the pairs asked for at once: trace and span, hex */
};

static void pair_key(const struct query_value *cells, char to[ID128_HEX_BYTES + ID64_HEX_BYTES])
{
    memcpy(to, cells[0].text.data, ID128_HEX_BYTES);
    memcpy(to + ID128_HEX_BYTES, cells[1].text.data, ID64_HEX_BYTES);
}

static void amended_statement(const struct filler *f, struct amended *a, uint64_t first,
                              uint64_t end, struct buffer *to)
{
    char key[ID128_HEX_BYTES + ID64_HEX_BYTES];
    intern_reset(&a->spans);
    buffer_add_text(to, "select trace_id, span_id, " FLAGGED " from spans where trace_id in (");
    for (uint64_t row = first; row < end; row++) {
        pair_key(&a->rows->cells[row * 2], key);
        (void)intern_add(&a->spans, slice_of(key, sizeof key));
        buffer_printf(to, "%s'%.32s'", row == first ? "" : ",", key);
    }
    buffer_printf(to, ") and seq <= $1 and (\n%s\n)", f->rule->where);
    if (f->rule->sample <= 0)
        buffer_add_text(to, " and " FLAGGED);
}

static enum status amended_page(struct filler *f, struct amended *a, uint64_t first, uint64_t end,
                                struct error *reterr)
{
    char key[ID128_HEX_BYTES + ID64_HEX_BYTES];
    struct buffer text = {0};
    struct query_result *rows = NULL;
    const struct query_value parameter = int_value(f->from_seq);
    amended_statement(f, a, first, end, &text);
    enum status s = ask(f, buffer_slice(&text), &parameter, 1, &rows, reterr);
    buffer_deinit(&text);
    if (s < 0)
        return s;
    f->count = 0;
    for (uint64_t row = 0; row < rows->row_count; row++) {
        pair_key(&rows->cells[row * 3], key);
        if (intern_find(&a->spans, slice_of(key, sizeof key)) != 0)
            candidate_add(f, &rows->cells[row * 3]);
    }
    s = page_commit(f, f->from_seq, reterr);
    query_result_destroy(rows);
    return s;
}

/* statement: the amended spans of the commits ($1, $2]. */
static enum status amended_take(struct filler *f, const char *statement, struct error *reterr)
{
    struct query_result *rows = NULL;
    struct amended a;
    const struct query_value parameters[] = {int_value(f->from_seq), int_value(f->until_seq)};
    enum status s = ask(f, slice_text(statement), parameters, 2, &rows, reterr);
    if (s < 0)
        return s;
    a.rows = rows;
    intern_init(&a.spans);
    for (uint64_t at = 0; s >= 0 && at < rows->row_count; at += AMENDED_MAX) {
        uint64_t left = rows->row_count - at;
        s = amended_page(f, &a, at, at + (left < AMENDED_MAX ? left : AMENDED_MAX), reterr);
    }
    intern_deinit(&a.spans);
    query_result_destroy(rows);
    return s;
}

/* Only what the rule may care about: classes when it takes flagged spans or names them, scores when it names them. Those of
 * the engine's own scorers (source rule) come with their span and were seen with it. */
static enum status amendments_take(struct filler *f, struct error *reterr)
{
    const struct judge_rule *rule = f->rule;
    bool classes = rule->flagged || strcasestr(rule->where, "class") != NULL;
    bool scores = strcasestr(rule->where, "score") != NULL;
    enum status s = STATUS_OK;
    if (classes)
        s = amended_take(f,
                         "select distinct trace_id, span_id from tags"
                         " where seq > $1 and seq <= $2 and span_id is not null",
                         reterr);
    if (s >= 0 && scores)
        s = amended_take(
            f,
            "select distinct trace_id, span_id from scores where seq > $1 and seq <= $2"
            " and span_id is not null and source is distinct from 'rule'",
            reterr);
    return s;
}

/* ---- one rule in one project ---- */

static enum status one_number(struct control *control, const char *sql, const char *rule,
                              uint32_t project, int64_t *ret, struct error *reterr)
{
    struct control_statement *st = NULL;
    enum status s = control_prepare(control, sql, &st, reterr);
    if (s < 0)
        return s;
    control_bind_text(st, 1, slice_text(rule));
    control_bind_i64(st, 2, project);
    if ((s = control_step(st, reterr)) == STATUS_OK)
        *ret = control_i64(st, 0);
    control_finish(st);
    return s < 0 ? s : STATUS_OK;
}

static enum status rule_fill(struct filler *f, struct error *reterr)
{
    int64_t seq = 0;
    int64_t waiting = 0;
    enum status s =
        one_number(f->judge->control,
                   "select max(seq) from judge_watermark where rule = ?1 and project in (0, ?2)",
                   f->rule->name, f->project, &seq, reterr);
    f->from_seq = (uint64_t)seq;
    if (s >= 0 && f->from_seq < f->until_seq)
        s = amendments_take(f, reterr);
    bool done = f->from_seq >= f->until_seq;
    while (s >= 0 && !done) {
        s = one_number(
            f->judge->control,
            "select count(*) from judge_item where rule = ?1 and project = ?2 and state = 'queued'",
            f->rule->name, f->project, &waiting, reterr);
        if (s < 0 || waiting >= JUDGE_QUEUED_MAX)
            break;
        s = page_read(f, &done, reterr);
    }
    if (s < 0)
        error_prefix(reterr, "judge %s", f->rule->name);
    return s;
}

/* ---- housekeeping ---- */

static enum status done_prune(struct judge *j, int64_t now_ns, struct error *reterr)
{
    struct control_statement *st = NULL;
    enum status s = control_prepare(
        j->control, "delete from judge_item where state = 'done' and finished < ?1", &st, reterr);
    if (s < 0)
        return s;
    control_bind_i64(st, 1, now_ns - JUDGE_KEEP_DONE_NS);
    return control_run(st, NULL, reterr);
}

static enum status fill_locked(struct judge *j, uint64_t *ret_queued, struct error *reterr)
{
    struct filler f = {
        .judge = j, .now_ns = clock_wall_ns(), .until_seq = engine_last_seq(j->engine)};
    struct error error = {0};
    enum status first = STATUS_OK;
    for (uint32_t r = 0; r < j->rule_count; r++) {
        for (uint32_t project = 1; engine_project_name(j->engine, project) != NULL; project++) {
            f.rule = &j->rules[r];
            f.project = project;
            if (f.rule->project[0] != 0 &&
                strcmp(f.rule->project, engine_project_name(j->engine, project)) != 0)
                continue;
            enum status s = rule_fill(&f, &error);
            if (s < 0 && first >= 0) {
                first = s;
                if (reterr != NULL)
                    *reterr = error;
            }
        }
    }
    mem_free(f.candidates);
    *ret_queued = f.queued;
    return first < 0 ? first : done_prune(j, f.now_ns, reterr);
}

enum status judge_fill(struct judge *j, uint64_t *ret_queued, struct error *reterr)
{
    mutex_lock(&j->fill_lock);
    enum status s = fill_locked(j, ret_queued, reterr);
    mutex_unlock(&j->fill_lock);
    return s;
}
