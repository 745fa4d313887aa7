/*
 * engine_apply.c - a commit becomes rows and amendments, first unseen, then visible.
 *
 * Place:     engine_append, recovery -> [engine_apply] -> heads; durable -> [engine_publish] -> readers
 * Invariant: commits are applied in the order of the log, once each, the same way live and at recovery.
 * Scores:    of spans in the same commit become score columns of the new rows; others are amendments.
 *            Where several scores of one name meet, the one with the later commit wins, within a commit
 *            the later row. A tag wins over the class that a span came with, whichever came first.
 */
#include "engine/engine_internal.h"

#include "engine/base/check.h"
#include "engine/base/hash.h"
#include "engine/span/batch_edit.h"

#define CLASS_NONE "none"

/* ---- the queue of commits that are not durable ---- */

static struct pending *pending_at(struct engine *e, size_t index)
{
    return &e->pending[(e->pending_first + index) & (e->pending_capacity - 1)];
}

static struct pending *pending_push(struct engine *e)
{
    if (e->pending_count == e->pending_capacity) {
        size_t capacity = e->pending_capacity == 0 ? 64 : 2 * e->pending_capacity;
        struct pending *grown = mem_alloc(capacity * sizeof *grown);
        for (size_t i = 0; i < e->pending_count; i++)
            grown[i] = *pending_at(e, i);
        mem_free(e->pending);
        e->pending = grown;
        e->pending_capacity = capacity;
        e->pending_first = 0;
    }
    struct pending *added = pending_at(e, e->pending_count++);
    *added = (struct pending){0};
    return added;
}

/* ---- applying ---- */

struct applier {
    struct engine *engine;
    struct project *project;
    uint64_t seq;
    const struct commit *commit;
    const struct commit_places *places;
    struct pending *pending;
    struct arena *arena; /* scratch */
    size_t amendment_capacity;
    uint64_t spans_first; /* row of the head of the first span */
};

static struct source *active_head(struct engine *e, struct project *p, enum table table)
{
    struct source_list *l = &p->tables[table];
    if (l->active != NULL)
        return l->active;
    struct source *s = source_create_head(p->number, table, head_create(table, &p->schema));
    mutex_lock(&e->state_lock);
    source_list_add(l, s);
    l->active = s;
    mutex_unlock(&e->state_lock);
    return s;
}

static struct vector constant_i64(int64_t value, uint32_t rows, struct arena *arena)
{
    int64_t *values = ARENA_ARRAY(arena, int64_t, rows);
    for (uint32_t i = 0; i < rows; i++)
        values[i] = value;
    return (struct vector){.storage = STORAGE_I64, .rows = rows, .i64 = values};
}

/* error_class is never NULL: rows without one get 'none'. */
static void fill_class(struct batch *b, struct arena *arena)
{
    const struct vector *v = batch_vector(b, SPANS_error_class);
    uint32_t nulls = v == NULL ? b->rows : 0;
    for (uint32_t i = 0; v != NULL && i < b->rows; i++)
        nulls += v->codes[i] == 0;
    if (nulls == 0)
        return;
    uint32_t count = v == NULL ? 1 : v->dict->count;
    struct slice *values = ARENA_ARRAY(arena, struct slice, count + 1);
    values[0] = SLICE_EMPTY;
    if (v != NULL)
        bytes_copy(values, v->dict->values, count * sizeof *values);
    values[count] = slice_text(CLASS_NONE);
    struct dict *dict = ARENA_NEW(arena, struct dict);
    *dict = (struct dict){.values = values, .count = count + 1};
    uint32_t *codes = ARENA_ARRAY(arena, uint32_t, b->rows);
    for (uint32_t i = 0; i < b->rows; i++)
        codes[i] = v == NULL || v->codes[i] == 0 ? count : v->codes[i];
    batch_put(
        b, table_column(TABLE_SPANS, SPANS_error_class),
        (struct vector){.storage = STORAGE_STR, .rows = b->rows, .dict = dict, .codes = codes});
}

/* The score columns by code of the name dictionary; NULL where no row uses it yet. */
static const struct column **score_columns(struct applier *a, const struct vector *names)
{
    const struct column **columns = arena_zero(a->arena, names->dict->count, sizeof *columns);
    for (uint32_t i = 0; i < names->rows; i++) {
        uint32_t code = names->codes[i];
        if (columns[code] != NULL)
            continue;
        struct slice name = names->dict->values[code];
        char *full = arena_printf(a->arena, "score.%.*s", SLICE_ARG(name));
        enum status s =
            schema_add_score(&a->project->schema, slice_text(full), &columns[code], NULL);
        ASSERT(s == STATUS_OK); /* checked before it was logged */
    }
    return columns;
}

struct score_cells {
    double *values;
    uint8_t *valid;
};

/* Scores of the commit's own spans, as columns of them. */
static void scores_into_spans(struct applier *a, struct batch *spans)
{
    const struct batch *scores = &a->commit->batches[TABLE_SCORES];
    const struct vector *names = batch_vector(scores, SCORES_name);
    const struct vector *values = batch_vector(scores, SCORES_value);
    if (scores->rows == 0 || values == NULL || spans->rows == 0)
        return;
    const struct column **columns = score_columns(a, names);
    struct score_cells *cells = arena_zero(a->arena, names->dict->count, sizeof *cells);
    for (uint32_t i = 0; i < scores->rows; i++) {
        struct located at = a->places->located[TABLE_SCORES][i];
        if (at.count != LOCATED_IN_COMMIT || !vector_has(values, i))
            continue;
        struct score_cells *c = &cells[names->codes[i]];
        if (c->values == NULL) {
            struct vector v = vector_writable(spans, columns[names->codes[i]], a->arena);
            c->values = (double *)v.f64;
            c->valid = (uint8_t *)v.valid;
            batch_put(spans, columns[names->codes[i]], v);
        }
        c->values[at.first] = values->f64[i];
        c->valid[at.first] = 1;
    }
}

static void rows_append(struct applier *a, struct batch *b)
{
    struct source *s = active_head(a->engine, a->project, b->table);
    batch_put(b, table_column(b->table, SPANS_seq),
              constant_i64((int64_t)a->seq, b->rows, a->arena));
    if (b->table == TABLE_SPANS)
        a->spans_first = head_rows(s->head);
    head_append(s->head, b, NULL, b->rows);
    a->project->head_rows += b->rows;
    a->pending->heads[b->table] = s;
    a->pending->rows[b->table] = head_rows(s->head);
}

/* first: not another place of the amendment added last. */
static void amend(struct applier *a, const struct place *place, const struct amendment *amendment,
                  bool first)
{
    struct pending *p = a->pending;
    p->amendments = mem_grow(p->amendments, &a->amendment_capacity, (size_t)p->amendment_count + 1,
                             sizeof *p->amendments);
    struct pending_amendment *added = &p->amendments[p->amendment_count++];
    *added = (struct pending_amendment){.amendment = *amendment, .place = *place, .first = first};
    if (amendment->bytes.data != NULL)
        added->amendment.bytes = arena_copy(&p->arena, amendment->bytes);
}

static void amend_located(struct applier *a, const struct amendment *amendment, struct located at)
{
    if (at.count == LOCATED_IN_COMMIT) {
        const struct place own = {.source = a->pending->heads[TABLE_SPANS],
                                  .row = a->spans_first + at.first};
        amend(a, &own, amendment, true);
        return;
    }
    if (at.count == 0)
        patch_table_add(a->project->orphans, amendment);
    bool first = true;
    for (uint32_t i = 0; i < at.count; i++) {
        const struct place *place = &a->places->list.items[at.first + i];
        if (!place_takes(place, amendment->seq))
            continue;
        amend(a, place, amendment, first);
        first = false;
    }
}

static void scores_amend(struct applier *a)
{
    const struct batch *b = &a->commit->batches[TABLE_SCORES];
    const struct vector *values = batch_vector(b, SCORES_value);
    const struct vector *spans = batch_vector(b, SCORES_span_id);
    const struct vector *names = batch_vector(b, SCORES_name);
    if (b->rows == 0 || values == NULL || spans == NULL)
        return;
    const struct column **columns = score_columns(a, names);
    for (uint32_t i = 0; i < b->rows; i++) {
        struct located at = a->places->located[TABLE_SCORES][i];
        if (at.count == LOCATED_IN_COMMIT || !vector_has(values, i) || !vector_has(spans, i))
            continue;
        const struct amendment amendment = {
            .seq = a->seq,
            .trace_id = batch_vector(b, SCORES_trace_id)->id128[i],
            .span_id = spans->id64[i],
            .column = columns[names->codes[i]],
            .f64 = values->f64[i],
            .bytes = SLICE_EMPTY,
        };
        amend_located(a, &amendment, at);
    }
}

static void tags_amend(struct applier *a)
{
    const struct batch *b = &a->commit->batches[TABLE_TAGS];
    const struct vector *sources = batch_vector(b, TAGS_source);
    for (uint32_t i = 0; i < b->rows; i++) {
        struct amendment amendment = {
            .seq = a->seq,
            .trace_id = batch_vector(b, TAGS_trace_id)->id128[i],
            .span_id = batch_vector(b, TAGS_span_id)->id64[i],
            .column = table_column(TABLE_SPANS, SPANS_error_class),
            .bytes = vector_bytes(batch_vector(b, TAGS_class), i),
        };
        amend_located(a, &amendment, a->places->located[TABLE_TAGS][i]);
        if (sources == NULL || !vector_has(sources, i))
            continue;
        amendment.column = table_column(TABLE_SPANS, SPANS_class_source);
        amendment.bytes = vector_bytes(sources, i);
        amend_located(a, &amendment, a->places->located[TABLE_TAGS][i]);
    }
}

/* A score that came with the span is later than one that waited for it. */
static bool has_own(const struct batch *spans, const struct column *column, uint32_t row)
{
    const struct vector *v = batch_vector(spans, column->id);
    return column->storage == STORAGE_F64 && v != NULL && vector_has(v, row);
}

/* Amendments that came before their spans find them now. They also stay in the table until the spans are sealed:
 * a patch file made meanwhile must have them. */
static void orphans_join(struct applier *a, const struct batch *spans)
{
    struct project *p = a->project;
    if (spans->rows == 0 || patch_table_count(p->orphans) == 0)
        return;
    const struct id128 *traces = batch_vector(spans, SPANS_trace_id)->id128;
    const uint64_t *ids = batch_vector(spans, SPANS_span_id)->id64;
    for (uint32_t i = 0; i < spans->rows; i++) {
        const struct amendment *found[SCORE_COLUMNS_MAX + 2];
        uint32_t count =
            patch_table_find(p->orphans, traces[i], ids[i], found, sizeof found / sizeof *found);
        const struct place place = {.source = a->pending->heads[TABLE_SPANS],
                                    .row = a->spans_first + i};
        for (uint32_t k = 0; k < count; k++) {
            if (!has_own(spans, found[k]->column, i))
                amend(a, &place, found[k], true);
        }
        if (count == 0)
            continue;
        p->joined = mem_grow(p->joined, &p->joined_capacity, (size_t)p->joined_count + 1,
                             sizeof *p->joined);
        p->joined[p->joined_count++] =
            (struct joined){.trace_id = traces[i], .span_id = ids[i], .seq = a->seq};
    }
}

static void turns_note(struct project *p, const struct batch *spans)
{
    const struct vector *turns = batch_vector(spans, SPANS_turn);
    const struct vector *sessions = batch_vector(spans, SPANS_session);
    for (uint32_t i = 0; turns != NULL && sessions != NULL && i < spans->rows; i++) {
        if (vector_has(turns, i) && vector_has(sessions, i))
            turn_map_raise(&p->turns, hash64(vector_bytes(sessions, i)), turns->i64[i]);
    }
}

/* Messages by address, to find what they belong to. */
struct message_slots {
    uint32_t *slots; /* index + 1 */
    uint32_t mask;
};

static uint32_t message_slot(const struct message_slots *m, const struct commit *c,
                             struct id128 address)
{
    uint32_t at = (uint32_t)id128_hash(address) & m->mask;
    while (m->slots[at] != 0 && !id128_equal(c->messages[m->slots[at] - 1].address, address))
        at = (at + 1) & m->mask;
    return at;
}

/* The conversation of a span: messages of one are stored side by side. */
static uint64_t span_group(const struct batch *spans, uint32_t row)
{
    const struct vector *sessions = batch_vector(spans, SPANS_session);
    if (sessions != NULL && vector_has(sessions, row))
        return hash64(vector_bytes(sessions, row));
    return id128_hash(batch_vector(spans, SPANS_trace_id)->id128[row]);
}

static void groups_from(const struct applier *a, const struct message_slots *m, uint16_t column_id,
                        uint64_t *groups)
{
    const struct batch *spans = &a->commit->batches[TABLE_SPANS];
    const struct vector *v = spans->rows == 0 ? NULL : batch_vector(spans, column_id);
    for (uint32_t i = 0; v != NULL && i < v->rows; i++) {
        struct slice refs = vector_bytes(v, i);
        for (size_t at = 0; at < refs.size; at += sizeof(struct id128)) {
            struct id128 address;
            memcpy(address.bytes, refs.data + at, sizeof address);
            uint32_t found = m->slots[message_slot(m, a->commit, address)];
            if (found != 0 && groups[found - 1] == 0)
                groups[found - 1] = span_group(spans, i);
        }
    }
}

static void messages_add(struct applier *a)
{
    const struct commit *c = a->commit;
    if (c->message_count == 0)
        return;
    struct message_slots m = {.mask = 15};
    while (m.mask / 2 < c->message_count)
        m.mask = 2 * m.mask + 1;
    m.slots = arena_zero(a->arena, (size_t)m.mask + 1, sizeof *m.slots);
    uint64_t *groups = arena_zero(a->arena, c->message_count, sizeof *groups);
    for (uint32_t i = 0; i < c->message_count; i++)
        m.slots[message_slot(&m, c, c->messages[i].address)] = i + 1;
    for (uint32_t i = 0; i < REFS_COLUMNS; i++)
        groups_from(a, &m, refs_columns[i], groups);
    for (uint32_t i = 0; i < c->message_count; i++) {
        bool added;
        struct error error = {0};
        enum status s = text_add_grouped(a->project->text, &c->messages[i], groups[i], a->seq,
                                         c->time_ns, &added, &error);
        if (s < 0)
            engine_log(a->engine, "error", "message of commit %llu: %s", (unsigned long long)a->seq,
                       error.text);
    }
}

void engine_apply(struct engine *e, struct project *p, uint64_t seq, const struct commit *c,
                  const struct commit_places *places)
{
    struct arena scratch = {0};
    struct applier a = {.engine = e,
                        .project = p,
                        .seq = seq,
                        .commit = c,
                        .places = places,
                        .pending = pending_push(e),
                        .arena = &scratch};
    *a.pending = (struct pending){.seq = seq,
                                  .project = p,
                                  .generation = e->generation,
                                  .client = c->client,
                                  .batch_seq = c->batch_seq};
    messages_add(&a);
    struct batch spans =
        batch_edit(&c->batches[TABLE_SPANS], TABLE_SPANS, SCORE_COLUMNS_MAX + 2, &scratch);
    if (spans.rows > 0) {
        fill_class(&spans, &scratch);
        scores_into_spans(&a, &spans);
        rows_append(&a, &spans);
        turns_note(p, &spans);
        orphans_join(&a, &spans);
    }
    for (uint32_t t = TABLE_SCORES; t <= TABLE_TAGS; t++) {
        struct batch rows = batch_edit(&c->batches[t], (enum table)t, 1, &scratch);
        if (rows.rows > 0)
            rows_append(&a, &rows);
    }
    scores_amend(&a);
    tags_amend(&a);
    if (!id128_is_zero(c->client))
        client_table_apply(&e->clients, c->client, c->batch_seq, seq, c->time_ns);
    e->last_seq = seq;
    if (e->unsealed_since_ns == 0)
        e->unsealed_since_ns = clock_monotonic_ns();
    arena_deinit(&scratch);
    engine_count_bytes(e, p);
}

void engine_count_bytes(struct engine *e, struct project *p)
{
    uint64_t bytes = p->frozen_bytes + text_memory_bytes(p->text);
    for (uint32_t t = 0; t < TABLE_COUNT; t++) {
        if (p->tables[t].active != NULL)
            bytes += head_bytes(p->tables[t].active->head);
    }
    e->head_bytes += bytes - p->head_bytes;
    p->head_bytes = bytes;
}

/* ---- publishing ---- */

/* A seal or merge moved rows since the commit was applied: its amendments look for their spans again. */
static void stage_moved(struct patch_staging *st, struct pending *p)
{
    struct place_reader *reader = place_reader_create();
    struct place_list places = {0};
    for (uint32_t i = 0; i < p->amendment_count; i++) {
        const struct amendment *a = &p->amendments[i].amendment;
        if (!p->amendments[i].first)
            continue;
        struct located found;
        places.count = 0;
        const struct locate_request q = {.traces = &a->trace_id, .spans = &a->span_id, .count = 1};
        locate(p->project, &q, reader, &found, &places);
        for (uint32_t k = 0; k < found.count; k++) {
            if (place_takes(&places.items[k], a->seq))
                patch_stage(st, &places.items[k], a);
        }
    }
    place_list_deinit(&places);
    place_reader_destroy(reader);
}

static void publish_rows(struct pending *p)
{
    for (uint32_t t = 0; t < TABLE_COUNT; t++) {
        if (p->heads[t] != NULL)
            head_publish(p->heads[t]->head, p->rows[t]);
    }
}

void engine_publish(struct engine *e, uint64_t durable_seq)
{
    size_t count = 0;
    struct patch_staging st = {0};
    while (count < e->pending_count && pending_at(e, count)->seq <= durable_seq) {
        struct pending *p = pending_at(e, count++);
        if (p->amendment_count > 0 && p->generation != e->generation) {
            stage_moved(&st, p);
            continue;
        }
        for (uint32_t i = 0; i < p->amendment_count; i++)
            patch_stage(&st, &p->amendments[i].place, &p->amendments[i].amendment);
    }
    if (count == 0)
        return;
    patch_staging_extend(&st);
    mutex_lock(&e->state_lock);
    for (size_t i = 0; i < count; i++)
        publish_rows(pending_at(e, i));
    patch_staging_swap_locked(&st);
    e->published_seq = pending_at(e, count - 1)->seq;
    condition_broadcast(&e->published);
    mutex_unlock(&e->state_lock);
    patch_staging_deinit(&st);
    for (size_t i = 0; i < count; i++) {
        struct pending *p = pending_at(e, i);
        if (!id128_is_zero(p->client))
            client_table_durable(&e->clients, p->client, p->batch_seq, p->seq);
        arena_deinit(&p->arena);
        mem_free(p->amendments);
    }
    e->pending_first = (e->pending_first + count) & (e->pending_capacity - 1);
    e->pending_count -= count;
}
