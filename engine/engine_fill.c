/*
 * engine_fill.c - what the engine adds to a commit before it is logged: turns, times, dimensions of scores.
 *
 * Invariant: what is filled in depends on what is stored at this moment, so it goes into the log; applying the record again
 *            later gives the same rows.
 */
#include "engine/base/hash.h"
#include "engine/engine_append.h"

/* ---- turns ---- */

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

void turns_fill(struct taker *t)
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

void times_fill(struct taker *t, enum table table)
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

void dimensions_fill(struct taker *t)
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
