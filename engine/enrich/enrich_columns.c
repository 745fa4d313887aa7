/*
 * enrich_columns.c - the columns enrichment adds or changes: dictionaries, scores, findings.
 *
 * A column that no row has anything for is not added. A score the client sent under the same name stays.
 */
#include "engine/enrich/enrich_internal.h"

#include "engine/base/check.h"
#include "engine/base/stringify.h"

#define FINDING_BYTES_MAX 2048u

/* ---- dictionary columns ---- */

struct str_edit str_edit_begin(const struct batch *b, uint16_t column_id, uint32_t room,
                               struct arena *arena)
{
    struct str_edit edit = {.vector =
                                vector_writable(b, table_column(TABLE_SPANS, column_id), arena)};
    const struct dict *old = edit.vector.dict;
    edit.dict = ARENA_NEW(arena, struct dict);
    edit.values = ARENA_ARRAY(arena, struct slice, old->count + room);
    bytes_copy(edit.values, old->values, old->count * sizeof *edit.values);
    *edit.dict = (struct dict){.values = edit.values, .count = old->count};
    edit.vector.dict = edit.dict;
    edit.codes = (uint32_t *)edit.vector.codes; /* vector_writable just made them */
    return edit;
}

uint32_t str_edit_value(struct str_edit *edit, struct slice value)
{
    for (uint32_t code = 1; code < edit->dict->count; code++) {
        if (slice_equal(edit->values[code], value))
            return code;
    }
    edit->values[edit->dict->count] = value;
    return edit->dict->count++;
}

void str_edit_end(const struct str_edit *edit, struct batch *b, uint16_t column_id)
{
    batch_put(b, table_column(TABLE_SPANS, column_id), edit->vector);
}

/* ---- scores ---- */

/* "score.NAME" as a column of the project. A project whose clients used up all score columns gets no more; the spans come
 * first. */
static const struct column *score_column(struct schema *schema, const char *name)
{
    char full[sizeof SCORE_PREFIX + 256];
    struct slice text = slice_text(name);
    const struct column *column = NULL;
    if (schema == NULL || text.size > 256)
        return NULL;
    memcpy(full, SCORE_PREFIX, sizeof SCORE_PREFIX - 1);
    bytes_copy(full + sizeof SCORE_PREFIX - 1, text.data, text.size);
    IGNORE_STATUS(schema_add_score(schema, slice_of(full, sizeof SCORE_PREFIX - 1 + text.size),
                                   &column, NULL));
    return column;
}

static struct score_slot *slot_find(struct score_columns *c, const char *name)
{
    for (uint32_t i = 0; i < c->count; i++) {
        uint32_t at = c->hint + i < c->count ? c->hint + i : c->hint + i - c->count;
        if (c->slots[at].name == name) {
            c->hint = at + 1 < c->count ? at + 1 : 0;
            return &c->slots[at];
        }
    }
    for (uint32_t i = 0; i < c->count; i++) {
        if (strcmp(c->slots[i].name, name) == 0)
            return &c->slots[i];
    }
    return NULL;
}

static struct score_slot *slot_add(struct score_columns *c, const char *name)
{
    ASSERT(c->count < SCORE_SLOTS_MAX);
    struct score_slot *slot = &c->slots[c->count++];
    *slot = (struct score_slot){.name = name, .column = score_column(c->work->schema, name)};
    if (slot->column != NULL)
        slot->vector = vector_writable(&c->work->spans, slot->column, c->work->arena);
    c->hint = 0;
    return slot;
}

void score_columns_add(struct score_columns *c, uint32_t row, const struct score *score)
{
    struct score_slot *slot = slot_find(c, score->name);
    if (slot == NULL)
        slot = slot_add(c, score->name);
    if (slot->column != NULL && slot->vector.valid[row] == 0) {
        /* vector_writable made both; they are const only for readers. */
        ((double *)slot->vector.f64)[row] = score->value;
        ((uint8_t *)slot->vector.valid)[row] = 1;
    }
    if (score->finding.size > 0)
        score_columns_finding(c, score->name, score->finding);
}

/* ---- findings ---- */

static struct slice cut(struct slice text, size_t bytes_max)
{
    if (text.size <= bytes_max)
        return text;
    size_t size = bytes_max;
    while (size > 0 && (text.data[size] & 0xc0) == 0x80)
        size--;
    return slice_of(text.data, size);
}

void score_columns_finding(struct score_columns *c, const char *name, struct slice words)
{
    buffer_add_byte(&c->text, c->text.size == 0 ? '{' : ',');
    stringify_text(slice_text(name), &c->text);
    buffer_add_byte(&c->text, ':');
    stringify_text(cut(words, FINDING_BYTES_MAX), &c->text);
}

void score_columns_row(struct score_columns *c, uint32_t row)
{
    if (c->text.size == 0)
        return;
    buffer_add_byte(&c->text, '}');
    if (!c->has_findings) {
        c->has_findings = true;
        c->findings = vector_writable(&c->work->spans, table_column(TABLE_SPANS, SPANS_findings),
                                      c->work->arena);
    }
    ((struct slice *)c->findings.bytes)[row] = arena_copy(c->work->arena, buffer_slice(&c->text));
    ((uint8_t *)c->findings.valid)[row] = 1;
    buffer_reset(&c->text);
}

void score_columns_end(struct score_columns *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        if (c->slots[i].column != NULL)
            batch_put(&c->work->spans, c->slots[i].column, c->slots[i].vector);
    }
    if (c->has_findings)
        batch_put(&c->work->spans, table_column(TABLE_SPANS, SPANS_findings), c->findings);
    buffer_deinit(&c->text);
}
