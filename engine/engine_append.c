/*
 * engine_append.c - takes a commit in: check, drop what is known, fill in, log, apply.
 *
 * Place:     server -> [here] -> wal, heads (engine_apply)
 * Invariant: nothing is changed before the log took the record, and nothing can fail after it did.
 * Cost:      about 0.3 us a span of 27 columns before encoding; bench/bench_ingest.c measures all of it.
 */
#include "engine/engine_append.h"

/* Columns the engine may add to a batch on its way in. */
#define SPARE_COLUMNS 16u

/* ---- may it come in at all? ---- */

static enum status gate(struct engine *e, struct error *reterr)
{
    if (e->wal == NULL)
        return error_set(reterr, STATUS_READ_ONLY, "the store was opened read-only");
    const struct error *stalled = wal_stalled(e->wal);
    if (stalled != NULL)
        return error_set(reterr, STATUS_READ_ONLY, "the log can't be written: %s", stalled->text);
    if (e->disk_low)
        return error_set(reterr, STATUS_READ_ONLY, "%s", e->disk_reason);
    if (e->head_bytes > 2 * e->options.head_bytes_max) {
        maintenance_wake(e, true);
        return error_set(reterr, STATUS_BUSY,
                         "%llu bytes wait to be sealed, more than twice head_bytes_max",
                         (unsigned long long)e->head_bytes);
    }
    return STATUS_OK;
}

/* A batch of the client that was applied before. */
static bool is_resent(struct taker *t)
{
    const struct append *a = t->append;
    if (id128_is_zero(a->client))
        return false;
    const struct client *c = client_table_find(&t->engine->clients, a->client);
    if (c == NULL || a->batch_seq > c->batch_seq)
        return false;
    t->result->already_applied = true;
    t->result->ticket = c->seq;
    return true;
}

static enum status batches_take(struct taker *t)
{
    const struct batch *sent[TABLE_COUNT] = {
        [TABLE_SPANS] = t->append->spans,
        [TABLE_SCORES] = t->append->scores,
        [TABLE_TAGS] = t->append->tags,
    };
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < t->append->message_count; i++)
        bytes += t->append->messages[i].body.size;
    for (uint32_t i = 0; i < TABLE_COUNT; i++) {
        if (sent[i] != NULL && sent[i]->rows > 0) {
            enum status s =
                engine_batch_check(sent[i], (enum table)i, &t->project->schema, &bytes, t->reterr);
            if (s < 0)
                return s;
        }
        t->commit.batches[i] = batch_edit(sent[i], (enum table)i, SPARE_COLUMNS, t->arena);
    }
    if (bytes > BATCH_BYTES_MAX)
        return error_set(t->reterr, STATUS_LIMIT,
                         "a commit with %llu bytes of text; at most %u are taken",
                         (unsigned long long)bytes, BATCH_BYTES_MAX);
    return STATUS_OK;
}

/* ---- duplicates ---- */

static void map_spans(struct taker *t, uint8_t *repeated)
{
    const struct batch *b = &t->commit.batches[TABLE_SPANS];
    if (b->rows == 0) {
        t->map = (struct row_map){0};
        return;
    }
    row_map_build(&t->map, batch_vector(b, SPANS_trace_id)->id128,
                  batch_vector(b, SPANS_span_id)->id64, b->rows, t->engine->hash_seed, t->arena,
                  repeated);
}

static void find_in_heads(struct taker *t, uint8_t *dropped)
{
    const struct batch *b = &t->commit.batches[TABLE_SPANS];
    const struct source_list *l = &t->project->tables[TABLE_SPANS];
    int64_t *rows = ARENA_ARRAY(t->arena, int64_t, b->rows);
    for (uint32_t i = 0; i < l->count; i++) {
        if (l->items[i]->head == NULL)
            continue;
        head_find_many(l->items[i]->head, t->map.traces, t->map.spans, b->rows, rows);
        for (uint32_t r = 0; r < b->rows; r++)
            dropped[r] |= rows[r] >= 0;
    }
}

static void find_in_segments(struct taker *t, uint8_t *dropped)
{
    const struct batch *b = &t->commit.batches[TABLE_SPANS];
    const struct locate_request request = {.traces = t->map.traces,
                                           .spans = t->map.spans,
                                           .count = b->rows,
                                           .segments_only = true,
                                           .times = batch_vector(b, SPANS_time)->i64};
    struct located *found = ARENA_ARRAY(t->arena, struct located, b->rows);
    struct place_list places = {0};
    locate(t->project, &request, t->reader, found, &places);
    for (uint32_t r = 0; r < b->rows; r++)
        dropped[r] |= found[r].count > 0;
    place_list_deinit(&places);
}

/* Scores or tags of dropped spans go with them. */
static void drop_amendments(struct taker *t, enum table table, const uint8_t *dropped)
{
    struct batch *b = &t->commit.batches[table];
    if (b->rows == 0)
        return;
    const struct vector *traces = batch_vector(b, SCORES_trace_id);
    const struct vector *spans = batch_vector(b, SCORES_span_id);
    uint32_t *kept = ARENA_ARRAY(t->arena, uint32_t, b->rows);
    uint32_t count = 0;
    for (uint32_t i = 0; i < b->rows; i++) {
        int64_t row = spans == NULL || !vector_has(spans, i)
                          ? -1
                          : row_map_find(&t->map, traces->id128[i], spans->id64[i]);
        if (row < 0 || dropped[row] == 0)
            kept[count++] = i;
    }
    if (count < b->rows)
        batch_pick(b, kept, count, t->arena);
}

static void duplicates_drop(struct taker *t)
{
    struct batch *b = &t->commit.batches[TABLE_SPANS];
    if (b->rows == 0)
        return;
    uint8_t *repeated = arena_zero(t->arena, b->rows, 1);
    uint8_t *dropped = arena_zero(t->arena, b->rows, 1);
    map_spans(t, repeated);
    find_in_heads(t, dropped);
    find_in_segments(t, dropped);
    uint32_t *kept = ARENA_ARRAY(t->arena, uint32_t, b->rows);
    uint32_t count = 0;
    for (uint32_t i = 0; i < b->rows; i++) {
        if ((dropped[i] | repeated[i]) == 0)
            kept[count++] = i;
    }
    t->result->duplicates = b->rows - count;
    t->result->spans = count;
    if (count == b->rows)
        return;
    drop_amendments(t, TABLE_SCORES, dropped);
    drop_amendments(t, TABLE_TAGS, dropped);
    batch_pick(b, kept, count, t->arena);
    map_spans(t, NULL);
}

/* Makes the columns of the scores' names, so that applying can't fail. */
static enum status names_register(struct taker *t)
{
    const struct batch *b = &t->commit.batches[TABLE_SCORES];
    const struct vector *names = batch_vector(b, SCORES_name);
    uint8_t *seen = b->rows == 0 ? NULL : arena_zero(t->arena, names->dict->count, 1);
    for (uint32_t i = 0; i < b->rows; i++) {
        if (seen[names->codes[i]] != 0)
            continue;
        seen[names->codes[i]] = 1;
        char *full = arena_printf(t->arena, "score.%.*s", SLICE_ARG(vector_bytes(names, i)));
        const struct column *column;
        enum status s = schema_add_score(&t->project->schema, slice_text(full), &column, t->reterr);
        if (s < 0) {
            error_prefix(t->reterr, "scores row %u: name", i);
            return s;
        }
    }
    return STATUS_OK;
}

/* ---- all of it ---- */

static void usage_fill(struct taker *t)
{
    const struct usage_request request = {
        .rows = &t->map, .stored_parent = project_stored_parent, .context = t->project};
    usage_settle(&t->project->usage, &t->commit.batches[TABLE_SPANS], &request, t->arena);
}

static bool is_empty(const struct taker *t)
{
    uint32_t rows = 0;
    for (uint32_t i = 0; i < TABLE_COUNT; i++)
        rows += t->commit.batches[i].rows;
    return rows == 0 && t->commit.message_count == 0 && id128_is_zero(t->append->client);
}

static enum status record(struct taker *t)
{
    struct engine *e = t->engine;
    uint64_t seq;
    buffer_reset(&e->encoded);
    commit_encode(&t->commit, &e->encoded);
    struct slice part = buffer_slice(&e->encoded);
    enum status s =
        wal_append(e->wal, COMMIT_RECORD, t->project->number, &part, 1, &seq, t->reterr);
    if (s < 0)
        return s;
    engine_apply(e, t->project, seq, &t->commit, &t->places);
    t->result->ticket = seq;
    return STATUS_OK;
}

static enum status take(struct taker *t)
{
    enum status s;
    if ((s = gate(t->engine, t->reterr)) < 0)
        return s;
    if (!id128_is_zero(t->append->client) && t->append->batch_seq == 0)
        return error_set(t->reterr, STATUS_INVALID, "batch sequences of a client start at 1");
    if (is_resent(t))
        return STATUS_OK;
    if ((s = batches_take(t)) < 0)
        return s;
    if ((s = names_register(t)) < 0)
        return s;
    if ((s = messages_take(t)) < 0)
        return s;
    duplicates_drop(t);
    turns_fill(t);
    usage_fill(t);
    times_fill(t, TABLE_SCORES);
    times_fill(t, TABLE_TAGS);
    commit_locate(t->project, &t->commit, &t->map, t->reader, t->arena, &t->places);
    dimensions_fill(t);
    /* Nothing new: what it repeats is durable once everything so far is. */
    t->result->ticket = t->engine->last_seq;
    return is_empty(t) ? STATUS_OK : record(t);
}

enum status engine_append(struct engine *e, const struct append *a, struct append_result *ret,
                          struct error *reterr)
{
    memset(ret, 0, sizeof *ret);
    struct project *p = engine_find_project(e, a->project, reterr);
    if (p == NULL)
        return STATUS_NOT_FOUND;
    mutex_lock(&e->write_lock);
    e->writer = pthread_self();
    e->writer_known = true;
    struct taker t = {.engine = e,
                      .project = p,
                      .append = a,
                      .result = ret,
                      .reterr = reterr,
                      .arena = &e->scratch,
                      .reader = place_reader_create(),
                      .now_ns = clock_wall_ns()};
    t.commit.client = a->client;
    t.commit.batch_seq = a->batch_seq;
    t.commit.time_ns = t.now_ns;
    enum status s = take(&t);
    place_list_deinit(&t.places.list);
    place_reader_destroy(t.reader);
    arena_reset(&e->scratch);
    bool full =
        p->head_rows >= e->options.head_rows_max || e->head_bytes >= e->options.head_bytes_max;
    mutex_unlock(&e->write_lock);
    if (full)
        maintenance_wake(e, true);
    return s;
}

enum status engine_accepts(struct engine *e, struct error *reterr)
{
    mutex_lock(&e->write_lock);
    enum status s = gate(e, reterr);
    mutex_unlock(&e->write_lock);
    return s;
}

uint64_t engine_client_seq(struct engine *e, struct id128 client)
{
    mutex_lock(&e->write_lock);
    const struct client *c = client_table_find(&e->clients, client);
    uint64_t batch_seq = c == NULL ? 0 : c->batch_seq;
    mutex_unlock(&e->write_lock);
    return batch_seq;
}

uint32_t engine_messages_missing(struct engine *e, uint32_t project, const struct id128 *addresses,
                                 uint32_t count, struct id128 *missing)
{
    uint32_t found = 0;
    const struct project *p = engine_find_project(e, project, NULL);
    for (uint32_t i = 0; i < count; i++) {
        if (p == NULL || !text_has(p->text, addresses[i]))
            missing[found++] = addresses[i];
    }
    return found;
}
