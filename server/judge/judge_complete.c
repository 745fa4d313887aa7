/*
 * judge_complete.c - a verdict becomes a score, once.
 *
 * Place:     worker -> [here] -> engine_append; then judge_item is done
 * Order:     leased -> writing (with the score's time) -> the score is durable -> done. While an item is `writing` nobody else
 *            can lease it until its lease has run out, and of two requests with the same verdict the second waits for the first.
 * Crash:     between the score and `done` the item stays `writing`; a worker that repeats itself then finds its score in the
 *            table by trace, span, name and time, and nothing is written twice.
 */
#include <math.h>

#include "engine/base/clock.h"
#include "engine/base/limits.h"
#include "server/judge/judge_internal.h"

#define DURABLE_WAIT_NS (30 * NS_PER_S)
#define WRITE_LEASE_NS  (2 * DURABLE_WAIT_NS)

struct complete {
    struct judge *judge;
    uint32_t project;
    int64_t id, token;
    const struct judge_verdict *verdict;
    struct arena arena;
    struct judge_row row;
    int64_t time_ns; /* of the score */
    uint64_t ticket; /* of the score's commit while it is not known to be durable */
    bool done_already;
    bool tried_before; /* the score may be there */
};

/* ---- one writer an item ---- */

static struct judge_writing *writing_find_locked(struct judge *j, int64_t id)
{
    for (uint32_t i = 0; i < j->writing_count; i++) {
        if (j->writing[i].id == id)
            return &j->writing[i];
    }
    return NULL;
}

/* Waits until nobody writes this item. Returns the ticket an earlier try of the same verdict waits for; 0: none. */
static uint64_t writing_begin(struct judge *j, int64_t id, int64_t token)
{
    struct judge_writing *w;
    mutex_lock(&j->lock);
    while ((w = writing_find_locked(j, id)) != NULL && w->busy)
        condition_wait(&j->written, &j->lock);
    if (w == NULL) {
        j->writing = mem_grow(j->writing, &j->writing_capacity, (size_t)j->writing_count + 1,
                              sizeof *j->writing);
        w = &j->writing[j->writing_count++];
        *w = (struct judge_writing){.id = id};
    }
    if (w->token != token)
        w->ticket = 0;
    w->token = token;
    w->busy = true;
    uint64_t ticket = w->ticket;
    mutex_unlock(&j->lock);
    return ticket;
}

/* ticket: of a commit that is still on its way; 0: all is settled. */
static void writing_end(struct judge *j, int64_t id, uint64_t ticket)
{
    mutex_lock(&j->lock);
    struct judge_writing *w = writing_find_locked(j, id);
    w->busy = false;
    w->ticket = ticket;
    if (ticket == 0)
        *w = j->writing[--j->writing_count];
    condition_broadcast(&j->written);
    mutex_unlock(&j->lock);
}

/* ---- before ---- */

static enum status verdict_check(const struct judge_verdict *v, struct error *reterr)
{
    if (isinf(v->value))
        return error_set(reterr, STATUS_INVALID, "value: not a finite number");
    if (isnan(v->value) && v->label.size == 0)
        return error_set(reterr, STATUS_INVALID, "a verdict has a value or a label");
    if (v->label.size > STR_BYTES_MAX || v->judge_model.size > STR_BYTES_MAX)
        return error_set(reterr, STATUS_LIMIT, "label, judge_model: more than %u bytes",
                         STR_BYTES_MAX);
    if (v->explanation.size > TEXT_BYTES_MAX)
        return error_set(reterr, STATUS_LIMIT, "explanation: more than %u bytes", TEXT_BYTES_MAX);
    if (v->cost_nusd < 0)
        return error_set(reterr, STATUS_INVALID, "cost_usd: a cost is not negative");
    return STATUS_OK;
}

static enum status begin_work(void *context, struct error *reterr)
{
    struct complete *c = context;
    struct control_statement *st = NULL;
    enum status s = judge_row_read(c->judge, c->project, c->id, &c->arena, &c->row, reterr);
    if (s < 0 || (s = judge_row_fence(&c->row, c->id, c->token, reterr)) < 0)
        return s;
    c->done_already = judge_row_is(&c->row, "done");
    c->tried_before = judge_row_is(&c->row, "writing");
    if (c->done_already)
        return STATUS_OK;
    if (!c->tried_before && !judge_row_is(&c->row, "leased"))
        return error_set(reterr, STATUS_INVALID,
                         "judge item %lld: the lease of token %lld has ended; the item is %s",
                         (long long)c->id, (long long)c->token, c->row.state);
    int64_t now_ns = clock_wall_ns();
    c->time_ns = c->tried_before ? c->row.finished_ns : now_ns;
    s = control_prepare(
        c->judge->control,
        "update judge_item set state = 'writing', finished = ?2, lease_until = ?3 where id = ?1",
        &st, reterr);
    if (s < 0)
        return s;
    control_bind_i64(st, 1, c->id);
    control_bind_i64(st, 2, c->time_ns);
    control_bind_i64(st, 3, now_ns + WRITE_LEASE_NS);
    return control_run(st, NULL, reterr);
}

/* ---- the score ---- */

static bool is_tag(const struct complete *c)
{
    return strcmp(c->row.scorer, JUDGE_SCORER_CLASS) == 0 && c->verdict->label.size != 0;
}

static void text_set(struct builder *b, uint16_t column, struct slice text)
{
    if (text.size != 0)
        builder_str(b, column, text);
}

static void score_build(const struct complete *c, struct builder *b)
{
    const struct judge_verdict *v = c->verdict;
    struct slice model = v->judge_model.size != 0 ? v->judge_model : slice_text(c->row.judge_model);
    builder_init(b, TABLE_SCORES, NULL);
    builder_row(b);
    builder_i64(b, SCORES_time, c->time_ns);
    builder_id128(b, SCORES_trace_id, c->row.trace_id);
    builder_id64(b, SCORES_span_id, c->row.span_id);
    builder_str(b, SCORES_name, slice_text(c->row.scorer));
    if (!isnan(v->value))
        builder_f64(b, SCORES_value, v->value);
    text_set(b, SCORES_label, v->label);
    text_set(b, SCORES_explanation, v->explanation);
    builder_str(b, SCORES_source, slice_text("judge"));
    builder_str(b, SCORES_scorer, slice_text(c->row.rule));
    text_set(b, SCORES_scorer_version, slice_text(c->row.scorer_version));
    text_set(b, SCORES_judge_model, model);
}

static void tag_build(const struct complete *c, struct builder *b)
{
    builder_init(b, TABLE_TAGS, NULL);
    builder_row(b);
    builder_i64(b, TAGS_time, c->time_ns);
    builder_id128(b, TAGS_trace_id, c->row.trace_id);
    builder_id64(b, TAGS_span_id, c->row.span_id);
    builder_str(b, TAGS_class, c->verdict->label);
    builder_str(b, TAGS_source, slice_text("judge"));
    builder_str(b, TAGS_by, slice_text(c->row.rule));
    text_set(b, TAGS_note, c->verdict->explanation);
}

static enum status score_append(struct complete *c, struct error *reterr)
{
    struct builder b;
    struct append_result result;
    struct append append = {.project = c->row.project};
    if (is_tag(c))
        tag_build(c, &b);
    else
        score_build(c, &b);
    struct batch batch = builder_batch(&b);
    if (is_tag(c))
        append.tags = &batch;
    else
        append.scores = &batch;
    enum status s = engine_append(c->judge->engine, &append, &result, reterr);
    builder_deinit(&b);
    if (s >= 0)
        c->ticket = result.ticket;
    return s;
}

static enum status score_wait(struct complete *c, struct error *reterr)
{
    enum status s = engine_wait_visible(c->judge->engine, c->ticket, DURABLE_WAIT_NS, reterr);
    if (s >= 0)
        c->ticket = 0;
    return s;
}

/* The score's time is part of its identity; nanoseconds of this item's first try. */
static enum status score_find(struct complete *c, bool *ret_found, struct error *reterr)
{
    char trace[ID128_HEX_BYTES];
    char span[ID64_HEX_BYTES];
    struct query_result *rows = NULL;
    id128_to_hex(c->row.trace_id, trace);
    id64_to_hex(c->row.span_id, span);
    const struct query_value parameters[] = {
        {.type = SQL_TEXT, .text = slice_of(trace, sizeof trace)},
        {.type = SQL_TEXT, .text = slice_of(span, sizeof span)},
        {.type = SQL_TIMESTAMP, .i64 = c->time_ns},
        {.type = SQL_TEXT, .text = slice_text(c->row.scorer)},
    };
    struct query_options options = {
        .project = c->row.project, .parameters = parameters, .parameter_count = is_tag(c) ? 3 : 4};
    struct slice text =
        slice_text(is_tag(c) ? "select count(*) from tags where trace_id = $1 and span_id = $2"
                               " and time = $3 and source = 'judge'"
                             : "select count(*) from scores where trace_id = $1 and span_id = $2"
                               " and time = $3 and name = $4 and source = 'judge'");
    enum status s = query_run(c->judge->db, text, &options, &rows, reterr);
    if (s < 0)
        return s;
    *ret_found = rows->row_count == 1 && rows->cells[0].i64 > 0;
    query_result_destroy(rows);
    return STATUS_OK;
}

/* ---- after ---- */

static enum status cost_add(struct complete *c, struct error *reterr)
{
    struct control_statement *st = NULL;
    enum status s = control_prepare(
        c->judge->control,
        "insert into judge_cost (rule, day, cost_nusd, verdicts) values (?1, ?2, ?3, 1)"
        " on conflict (rule, day) do update set"
        " cost_nusd = cost_nusd + excluded.cost_nusd, verdicts = verdicts + 1",
        &st, reterr);
    if (s < 0)
        return s;
    control_bind_text(st, 1, slice_text(c->row.rule));
    control_bind_i64(st, 2, c->time_ns / NS_PER_DAY);
    control_bind_i64(st, 3, c->verdict->cost_nusd);
    return control_run(st, NULL, reterr);
}

static enum status end_work(void *context, struct error *reterr)
{
    struct complete *c = context;
    struct control_statement *st = NULL;
    int64_t changes = 0;
    const struct judge_verdict *v = c->verdict;
    enum status s = control_prepare(
        c->judge->control,
        "update judge_item set state = 'done', lease_until = null, value = ?3, label = ?4, cost_nusd = ?5, reason = '',"
        " judge_model = case ?6 when '' then judge_model else ?6 end"
        " where id = ?1 and token = ?2 and state = 'writing'",
        &st, reterr);
    if (s < 0)
        return s;
    control_bind_i64(st, 1, c->id);
    control_bind_i64(st, 2, c->token);
    if (isnan(v->value))
        control_bind_null(st, 3);
    else
        control_bind_f64(st, 3, v->value);
    if (v->label.size == 0)
        control_bind_null(st, 4);
    else
        control_bind_text(st, 4, v->label);
    control_bind_i64(st, 5, v->cost_nusd);
    control_bind_text(st, 6, v->judge_model);
    if ((s = control_run(st, &changes, reterr)) < 0)
        return s;
    return cost_add(c, reterr);
}

enum status judge_complete(struct judge *j, uint32_t project, int64_t id, int64_t token,
                           const struct judge_verdict *verdict, struct error *reterr)
{
    struct complete c = {
        .judge = j, .project = project, .id = id, .token = token, .verdict = verdict};
    bool found = false;
    enum status s = verdict_check(verdict, reterr);
    if (s < 0)
        return s;
    c.ticket = writing_begin(j, id, token);
    if ((s = control_transaction(j->control, begin_work, &c, reterr)) < 0 || c.done_already)
        goto out;
    if (c.tried_before && c.ticket == 0 && (s = score_find(&c, &found, reterr)) < 0)
        goto out;
    if (!found && c.ticket == 0 && (s = score_append(&c, reterr)) < 0)
        goto out;
    if (c.ticket != 0 && (s = score_wait(&c, reterr)) < 0)
        goto out;
    s = control_transaction(j->control, end_work, &c, reterr);
out:
    writing_end(j, id, c.ticket);
    arena_deinit(&c.arena);
    return s;
}
