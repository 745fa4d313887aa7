/*
 * engine_append.c - takes a commit in: check, drop what is known, fill in, log, apply.
 *
 * Place:     server -> [here] -> wal, heads (engine_apply)
 * Invariant: nothing is changed before the log took the record, and nothing can fail after it did.
 * Cost:      about 0.3 us a span of 27 columns before encoding; bench/bench_ingest.c measures all of it.
 */
#include "engine/base/check.h"
#include "engine/base/hash.h"
#include "engine/batch_edit.h"
#include "engine/engine_internal.h"

/* Columns the engine may add to a batch on its way in. */
#define SPARE_COLUMNS 16u

struct taker {
    struct engine *engine;
    struct project *project;
    const struct append *append;
    struct append_result *result;
    struct error *reterr;
    struct arena *arena;
    struct place_reader *reader;
    int64_t now_ns;
    struct commit commit;
    struct row_map map; /* over commit.batches[TABLE_SPANS] */
    struct commit_places places;
    struct slice *new_bodies;
};

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

/* ---- what the engine fills in ---- */

/* The last turn of a session as segments know it; 0 when they don't. */
static int64_t stored_turn(struct taker *t, struct slice session)
{
    const struct source_list *l = &t->project->tables[TABLE_SPANS];
    struct arena arena = {0};
    int64_t last = 0;
    for (uint32_t i = 0; i < l->count; i++) {
        struct segment *s = l->items[i]->segment;
        if (s == NULL || !segment_may_have_session(s, session))
            continue;
        int column = segment_column_index(s, table_column(TABLE_SPANS, SPANS_turn));
        struct row_range ranges[64];
        uint32_t count = 0;
        if (column < 0 || segment_find_session(s, session, ranges, 64, &count, NULL) < 0)
            continue;
        for (uint32_t b = 0; count > 0 && b < segment_block_count(s); b++) {
            uint64_t first = segment_block_first(s, b);
            uint64_t end = first + segment_block_rows(s, b);
            struct vector v = {0};
            for (uint32_t r = 0; r < count; r++) {
                uint64_t from = ranges[r].first > first ? ranges[r].first : first;
                uint64_t until = ranges[r].first + ranges[r].count;
                until = until < end ? until : end;
                if (from >= until)
                    continue;
                if (v.rows == 0 && segment_block_read(s, column, b, &arena, &v, NULL) < 0)
                    break;
                for (uint64_t row = from; row < until; row++) {
                    if (vector_has(&v, (uint32_t)(row - first)) && v.i64[row - first] > last)
                        last = v.i64[row - first];
                }
            }
            arena_reset(&arena);
        }
    }
    arena_deinit(&arena);
    return last;
}

static int64_t last_turn(struct taker *t, const struct turn_map *own, uint64_t hash,
                         struct slice session)
{
    int64_t turn;
    if (turn_map_find(own, hash, &turn) || turn_map_find(&t->project->turns, hash, &turn))
        return turn;
    return stored_turn(t, session);
}

/* The n-th root span of a session gets turn n. The project's map learns of it when the commit is applied. */
static void turns_fill(struct taker *t)
{
    struct batch *b = &t->commit.batches[TABLE_SPANS];
    const struct vector *sessions = batch_vector(b, SPANS_session);
    const struct vector *parents = batch_vector(b, SPANS_parent_id);
    const struct vector *given = batch_vector(b, SPANS_turn);
    if (b->rows == 0 || sessions == NULL)
        return;
    struct vector turns = {0};
    struct turn_map own = {0};
    for (uint32_t i = 0; i < b->rows; i++) {
        bool root = parents == NULL || !vector_has(parents, i);
        bool has = given != NULL && vector_has(given, i);
        if (!vector_has(sessions, i) || (!has && !root))
            continue;
        struct slice session = vector_bytes(sessions, i);
        uint64_t hash = hash64(session);
        if (has) {
            turn_map_raise(&own, hash, given->i64[i]);
            continue;
        }
        if (turns.rows == 0)
            turns = vector_writable(b, table_column(TABLE_SPANS, SPANS_turn), t->arena);
        int64_t turn = last_turn(t, &own, hash, session) + 1;
        turn_map_raise(&own, hash, turn);
        ((int64_t *)turns.i64)[i] = turn;
        ((uint8_t *)turns.valid)[i] = 1;
    }
    if (turns.rows != 0)
        batch_put(b, table_column(TABLE_SPANS, SPANS_turn), turns);
    turn_map_deinit(&own);
}

/* Scores and tags without a time were given now. */
static void times_fill(struct taker *t, enum table table)
{
    struct batch *b = &t->commit.batches[table];
    const struct column *time = table_column(table, SCORES_time);
    const struct vector *given = batch_vector(b, SCORES_time);
    if (b->rows == 0 || (given != NULL && given->valid == NULL))
        return;
    struct vector v = vector_writable(b, time, t->arena);
    for (uint32_t i = 0; i < b->rows; i++) {
        if (v.valid[i] == 0)
            ((int64_t *)v.i64)[i] = t->now_ns;
    }
    v.valid = NULL;
    batch_put(b, time, v);
}

/* ---- dimensions copied into scores ---- */

static const struct {
    uint16_t score;
    uint16_t span;
} dimensions[] = {
    {SCORES_session, SPANS_session},
    {SCORES_service, SPANS_service},
    {SCORES_model, SPANS_model},
    {SCORES_prompt_name, SPANS_prompt_name},
    {SCORES_prompt_version, SPANS_prompt_version},
};

/* Every scored span is in this commit: the scores share the spans' dictionaries. */
static void dimension_share(struct taker *t, uint16_t score_column, uint16_t span_column)
{
    struct batch *b = &t->commit.batches[TABLE_SCORES];
    const struct vector *from = batch_vector(&t->commit.batches[TABLE_SPANS], span_column);
    const struct column *column = table_column(TABLE_SCORES, score_column);
    struct vector v = vector_null(STORAGE_STR, b->rows, t->arena);
    if (from != NULL) {
        v.dict = from->dict;
        for (uint32_t i = 0; i < b->rows; i++)
            ((uint32_t *)v.codes)[i] = from->codes[t->places.located[TABLE_SCORES][i].first];
    }
    batch_put(b, column, v);
}

static struct slice dimension_of(struct taker *t, uint32_t row, uint16_t score_column,
                                 uint16_t span_column, bool *ret_has)
{
    struct located at = t->places.located[TABLE_SCORES][row];
    struct slice text = SLICE_EMPTY;
    const struct vector *v = batch_vector(&t->commit.batches[TABLE_SPANS], span_column);
    *ret_has = false;
    if (at.count == LOCATED_IN_COMMIT) {
        *ret_has = v != NULL && vector_has(v, at.first);
        return *ret_has ? vector_bytes(v, at.first) : text;
    }
    if (at.count > 0) {
        *ret_has = place_str(t->reader, &t->places.list.items[at.first], span_column, &text);
        return text;
    }
    /* The span is unknown: what the sender says stands. */
    v = batch_vector(&t->commit.batches[TABLE_SCORES], score_column);
    *ret_has = v != NULL && vector_has(v, row);
    return *ret_has ? vector_bytes(v, row) : text;
}

static void dimension_collect(struct taker *t, struct intern *dict, uint16_t score_column,
                              uint16_t span_column)
{
    struct batch *b = &t->commit.batches[TABLE_SCORES];
    uint32_t *codes = arena_zero(t->arena, b->rows, sizeof *codes);
    intern_reset(dict);
    for (uint32_t i = 0; i < b->rows; i++) {
        bool has;
        struct slice text = dimension_of(t, i, score_column, span_column, &has);
        if (has)
            codes[i] = intern_add(dict, text);
    }
    struct slice *values = ARENA_ARRAY(t->arena, struct slice, dict->count);
    for (uint32_t code = 0; code < dict->count; code++)
        values[code] = arena_copy(t->arena, dict->values[code]);
    struct dict *copy = ARENA_NEW(t->arena, struct dict);
    *copy = (struct dict){.values = values, .count = dict->count};
    batch_put(
        b, table_column(TABLE_SCORES, score_column),
        (struct vector){.storage = STORAGE_STR, .rows = b->rows, .dict = copy, .codes = codes});
}

static void dimensions_fill(struct taker *t)
{
    const struct batch *b = &t->commit.batches[TABLE_SCORES];
    if (b->rows == 0)
        return;
    bool all_here = true;
    for (uint32_t i = 0; i < b->rows; i++)
        all_here &= t->places.located[TABLE_SCORES][i].count == LOCATED_IN_COMMIT;
    struct intern dict;
    intern_init(&dict);
    for (size_t d = 0; d < sizeof dimensions / sizeof *dimensions; d++) {
        if (all_here)
            dimension_share(t, dimensions[d].score, dimensions[d].span);
        else
            dimension_collect(t, &dict, dimensions[d].score, dimensions[d].span);
    }
    intern_deinit(&dict);
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

/* ---- messages ---- */

/* Open addressing over addresses seen in this commit: bodies sent, and references known to be good. */
struct address_set {
    struct id128 *addresses;
    uint32_t *bodies; /* index + 1 of the message sent, or 0: stored */
    uint8_t *used;
    uint32_t mask;
    uint32_t count;
};

static uint32_t address_slot(const struct address_set *s, struct id128 address)
{
    uint32_t at = (uint32_t)id128_hash(address) & s->mask;
    while (s->used[at] != 0 && !id128_equal(s->addresses[at], address))
        at = (at + 1) & s->mask;
    return at;
}

static void address_set_grow(struct address_set *s, uint32_t slots, struct arena *arena)
{
    struct address_set old = *s;
    s->addresses = ARENA_ARRAY(arena, struct id128, slots);
    s->bodies = arena_zero(arena, slots, sizeof *s->bodies);
    s->used = arena_zero(arena, slots, 1);
    s->mask = slots - 1;
    for (uint32_t i = 0; old.used != NULL && i <= old.mask; i++) {
        if (old.used[i] == 0)
            continue;
        uint32_t at = address_slot(s, old.addresses[i]);
        s->addresses[at] = old.addresses[i];
        s->bodies[at] = old.bodies[i];
        s->used[at] = 1;
    }
}

static void address_add(struct address_set *s, struct id128 address, uint32_t body,
                        struct arena *arena)
{
    if (s->used == NULL || s->count >= s->mask / 2)
        address_set_grow(s, s->used == NULL ? 64 : 2 * (s->mask + 1), arena);
    uint32_t at = address_slot(s, address);
    s->addresses[at] = address;
    s->bodies[at] = body;
    s->used[at] = 1;
    s->count++;
}

static enum status message_take(struct taker *t, struct address_set *set, uint32_t index,
                                struct message *fresh)
{
    const struct message *m = &t->append->messages[index];
    if (m->body.size > MESSAGE_BYTES_MAX)
        return error_set(t->reterr, STATUS_LIMIT, "message %u: longer than 16 MiB", index);
    if (!id128_equal(hash128(m->body), m->address))
        return error_set(t->reterr, STATUS_INVALID, "message %u: its address is not its hash",
                         index);
    uint32_t at = set->used == NULL ? 0 : address_slot(set, m->address);
    if (set->used != NULL && set->used[at] != 0) {
        if (set->bodies[at] != 0 &&
            !slice_equal(t->append->messages[set->bodies[at] - 1].body, m->body))
            return error_set(t->reterr, STATUS_INVALID,
                             "message %u: another body has the same address", index);
        return STATUS_OK;
    }
    if (!text_has(t->project->text, m->address)) {
        address_add(set, m->address, index + 1, t->arena);
        fresh[t->commit.message_count++] = *m;
        return STATUS_OK;
    }
    /* Stored already: adds nothing, but compares the bytes. */
    bool added;
    enum status s =
        text_add(t->project->text, m, t->engine->last_seq, t->now_ns, &added, t->reterr);
    if (s < 0)
        return s;
    address_add(set, m->address, 0, t->arena);
    return STATUS_OK;
}

static void missing_note(struct taker *t, struct id128 address)
{
    if (t->result->missing < sizeof t->result->missing_addresses / sizeof address)
        t->result->missing_addresses[t->result->missing] = address;
    t->result->missing++;
}

static void references_check(struct taker *t, struct address_set *set, uint16_t column_id)
{
    const struct vector *v = batch_vector(&t->commit.batches[TABLE_SPANS], column_id);
    for (uint32_t i = 0; v != NULL && i < v->rows; i++) {
        struct slice refs = vector_bytes(v, i);
        for (size_t at = 0; at < refs.size; at += sizeof(struct id128)) {
            struct id128 address;
            memcpy(address.bytes, refs.data + at, sizeof address);
            if (set->used != NULL && set->used[address_slot(set, address)] != 0)
                continue;
            if (!text_has(t->project->text, address))
                missing_note(t, address);
            address_add(set, address, 0, t->arena);
        }
    }
}

static enum status messages_take(struct taker *t)
{
    struct address_set set = {0};
    struct message *fresh = ARENA_ARRAY(t->arena, struct message, t->append->message_count);
    for (uint32_t i = 0; i < t->append->message_count; i++) {
        enum status s = message_take(t, &set, i, fresh);
        if (s < 0)
            return s;
    }
    t->commit.messages = fresh;
    references_check(t, &set, SPANS_input);
    references_check(t, &set, SPANS_output);
    if (t->result->missing > 0)
        return error_set(t->reterr, STATUS_NOT_FOUND,
                         "%u messages are referred to but neither stored nor sent",
                         t->result->missing);
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
