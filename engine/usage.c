/*
 * usage.c - marks the ancestors of llm spans, then strips those that may not count.
 */
#include "engine/usage.h"

#include <inttypes.h>
#include <stdio.h>

#include "engine/base/json.h"
#include "engine/base/limits.h"
#include "engine/span/batch_edit.h"

static const uint16_t usage_columns[] = {
    SPANS_tokens_in,          SPANS_tokens_out,       SPANS_tokens_cached,
    SPANS_tokens_cache_write, SPANS_tokens_reasoning, SPANS_cost_usd,
};
#define USAGE_COLUMNS (sizeof usage_columns / sizeof *usage_columns)

/* ---- the set of marked ancestors ---- */

void usage_map_deinit(struct usage_map *m)
{
    mem_free(m->keys[0]);
    mem_free(m->keys[1]);
    *m = (struct usage_map){0};
}

static bool set_has(const uint64_t *keys, uint32_t mask, uint64_t key)
{
    if (keys == NULL)
        return false;
    for (uint32_t at = (uint32_t)key & mask; keys[at] != 0; at = (at + 1) & mask) {
        if (keys[at] == key)
            return true;
    }
    return false;
}

static void set_put(uint64_t *keys, uint32_t mask, uint64_t key)
{
    uint32_t at = (uint32_t)key & mask;
    while (keys[at] != 0)
        at = (at + 1) & mask;
    keys[at] = key;
}

static bool is_marked(const struct usage_map *m, uint64_t key)
{
    return set_has(m->keys[0], m->mask[0], key) || set_has(m->keys[1], m->mask[1], key);
}

/* Room for one more in the newer generation. */
static void make_room(struct usage_map *m)
{
    if (m->keys[0] != NULL && m->count < m->mask[0] / 2)
        return;
    if (m->count >= USAGE_KEYS_MAX) {
        mem_free(m->keys[1]);
        m->keys[1] = m->keys[0];
        m->mask[1] = m->mask[0];
        m->keys[0] = NULL;
        m->count = 0;
    }
    uint64_t *old = m->keys[0];
    uint32_t old_mask = m->mask[0];
    uint32_t slots = old == NULL ? 1024 : 2 * (old_mask + 1);
    m->keys[0] = mem_zero(slots, sizeof *m->keys[0]);
    m->mask[0] = slots - 1;
    for (uint32_t i = 0; old != NULL && i <= old_mask; i++) {
        if (old[i] != 0)
            set_put(m->keys[0], m->mask[0], old[i]);
    }
    mem_free(old);
}

static void mark(struct usage_map *m, uint64_t key)
{
    make_room(m);
    set_put(m->keys[0], m->mask[0], key);
    m->count++;
}

/* ---- marking ---- */

struct settler {
    struct usage_map *map;
    struct batch *batch;
    const struct usage_request *request;
    struct arena *arena;
    const struct id128 *traces;
    const uint64_t *spans;
    const struct vector *parents; /* NULL: no span has one */
    const struct vector *kinds;
    /* Of the dictionary of kinds. */
    uint32_t llm;
    uint32_t embedding;
};

static uint64_t key_of(const struct settler *s, struct id128 trace_id, uint64_t span_id)
{
    uint64_t key = span_key_hash(s->request->rows->seed, trace_id, span_id);
    return key == 0 ? 1 : key;
}

static bool parent_of(const struct settler *s, struct id128 trace_id, uint64_t span_id,
                      uint64_t *ret_parent)
{
    int64_t row = row_map_find(s->request->rows, trace_id, span_id);
    if (row < 0)
        return s->request->stored_parent(s->request->context, trace_id, span_id, ret_parent);
    if (!vector_has(s->parents, (uint32_t)row))
        return false;
    *ret_parent = s->parents->id64[row];
    return true;
}

/* Stands for "some span of the trace is marked": one lookup a trace instead of one a span. */
static uint64_t trace_key(const struct settler *s, struct id128 trace_id)
{
    return key_of(s, trace_id, 0);
}

/* Marks the ancestors of a row until one is marked already (then so are those above it, or they were unknown). */
static void mark_ancestors(struct settler *s, uint32_t row)
{
    struct id128 trace_id = s->traces[row];
    uint64_t parent = s->parents->id64[row];
    uint64_t trace = trace_key(s, trace_id);
    if (!is_marked(s->map, trace))
        mark(s->map, trace);
    for (uint32_t depth = 0; depth < USAGE_DEPTH_MAX; depth++) {
        uint64_t key = key_of(s, trace_id, parent);
        if (is_marked(s->map, key))
            return;
        mark(s->map, key);
        if (!parent_of(s, trace_id, parent, &parent))
            return;
    }
}

static bool same_trace(const struct settler *s, uint32_t row)
{
    return row > 0 && id128_equal(s->traces[row], s->traces[row - 1]);
}

/* What came in earlier commits below a span of this one marked it; pass that on upwards. Before mark_all, so that traces
 * this commit begins are passed over. */
static void mark_inherited(struct settler *s)
{
    bool any = false;
    for (uint32_t i = 0; i < s->batch->rows; i++) {
        if (!same_trace(s, i))
            any = is_marked(s->map, trace_key(s, s->traces[i]));
        if (any && vector_has(s->parents, i) && s->kinds->codes[i] != s->llm &&
            is_marked(s->map, key_of(s, s->traces[i], s->spans[i])))
            mark_ancestors(s, i);
    }
}

static void mark_all(struct settler *s)
{
    uint32_t last = UINT32_MAX;
    for (uint32_t i = 0; i < s->batch->rows; i++) {
        if (s->kinds->codes[i] != s->llm || !vector_has(s->parents, i))
            continue;
        /* Siblings stand together: the second one's ancestors are marked. */
        if (last != UINT32_MAX && s->parents->id64[i] == s->parents->id64[last] &&
            id128_equal(s->traces[i], s->traces[last]))
            continue;
        mark_ancestors(s, i);
        last = i;
    }
}

/* ---- stripping ---- */

/* Does attributes have the key at its top level? */
static bool has_key(struct slice attributes, const char *key, struct arena *arena)
{
    struct json j = json_over(attributes);
    for (enum json_token t = json_next(&j); t > 0; t = json_next(&j)) {
        if (t == JSON_KEY && j.depth == 1 && slice_is(json_string(&j, arena), key))
            return true;
    }
    return false;
}

static const char *free_key(struct slice attributes, struct arena *arena)
{
    const char *key = "usage";
    for (unsigned i = 2; i < 100 && has_key(attributes, key, arena); i++)
        key = arena_printf(arena, "usage_%u", i);
    return key;
}

static void add_value(struct buffer *to, const char *name, int64_t value, int64_t divisor)
{
    buffer_printf(to, "\"%s\":", name);
    if (divisor == 1) {
        buffer_printf(to, "%" PRId64, value);
        return;
    }
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    char fraction[32];
    uint64_t d = (uint64_t)divisor;
    (void)snprintf(fraction, sizeof fraction, "%0*" PRIu64, 9, magnitude % d);
    size_t digits = 9;
    while (digits > 1 && fraction[digits - 1] == '0')
        digits--;
    buffer_printf(to, "%s%" PRIu64 ".%.*s", value < 0 ? "-" : "", magnitude / d, (int)digits,
                  fraction);
}

struct stripper {
    struct settler *settler;
    struct vector columns[USAGE_COLUMNS];
    bool present[USAGE_COLUMNS];
    struct vector attributes;
    struct buffer text;
    bool any;
};

static bool is_object(struct slice text)
{
    while (text.size > 0 && (text.data[0] == ' ' || text.data[0] == '\n' || text.data[0] == '\t' ||
                             text.data[0] == '\r')) {
        text.data++;
        text.size--;
    }
    return text.size >= 2 && text.data[0] == '{';
}

/* The row's usage as a JSON member in st->text, or nothing. */
static bool row_usage(struct stripper *st, uint32_t row, const char *key)
{
    const char *separator = "";
    buffer_reset(&st->text);
    buffer_printf(&st->text, "{\"%s\":{", key);
    for (size_t c = 0; c < USAGE_COLUMNS; c++) {
        if (!st->present[c] || !vector_has(&st->columns[c], row) || st->columns[c].i64[row] == 0)
            continue;
        const struct column *column = table_column(TABLE_SPANS, usage_columns[c]);
        buffer_add_text(&st->text, separator);
        add_value(&st->text, column->name, st->columns[c].i64[row], column->divisor);
        separator = ",";
    }
    buffer_add_byte(&st->text, '}');
    return separator[0] != 0;
}

static void strip_begin(struct stripper *st)
{
    struct settler *s = st->settler;
    for (size_t c = 0; c < USAGE_COLUMNS; c++) {
        if (st->present[c])
            st->columns[c] =
                vector_writable(s->batch, table_column(TABLE_SPANS, usage_columns[c]), s->arena);
    }
    st->attributes =
        vector_writable(s->batch, table_column(TABLE_SPANS, SPANS_attributes), s->arena);
    st->any = true;
}

static bool has_usage(const struct stripper *st, uint32_t row)
{
    for (size_t c = 0; c < USAGE_COLUMNS; c++) {
        if (st->present[c] && vector_has(&st->columns[c], row) && st->columns[c].i64[row] != 0)
            return true;
    }
    return false;
}

/* attributes with the member put first; false when it would not fit or attributes is no object. */
static bool attributes_extend(struct stripper *st, uint32_t row)
{
    struct slice *cells = (struct slice *)st->attributes.bytes;
    struct slice old = vector_has(&st->attributes, row) ? cells[row] : SLICE_EMPTY;
    const char *key = old.size == 0 ? "usage" : free_key(old, st->settler->arena);
    if (!row_usage(st, row, key) || (old.size != 0 && !is_object(old)) ||
        old.size + st->text.size + 2 > TEXT_BYTES_MAX)
        return false;
    size_t brace = 0;
    while (old.size != 0 && old.data[brace] != '{')
        brace++;
    struct slice rest =
        old.size == 0 ? slice_text("}") : slice_of(old.data + brace + 1, old.size - brace - 1);
    size_t at = 0;
    while (at < rest.size && (rest.data[at] == ' ' || rest.data[at] == '\n' ||
                              rest.data[at] == '\t' || rest.data[at] == '\r'))
        at++;
    if (at < rest.size && rest.data[at] != '}')
        buffer_add_byte(&st->text, ',');
    buffer_add_slice(&st->text, rest);
    cells[row] = arena_copy(st->settler->arena, buffer_slice(&st->text));
    ((uint8_t *)st->attributes.valid)[row] = 1;
    return true;
}

static void strip_row(struct stripper *st, uint32_t row)
{
    if (!has_usage(st, row))
        return;
    if (!st->any)
        strip_begin(st);
    if (!attributes_extend(st, row))
        return;
    for (size_t c = 0; c < USAGE_COLUMNS; c++) {
        if (!st->present[c] || st->columns[c].i64[row] == 0)
            continue;
        ((int64_t *)st->columns[c].i64)[row] = 0;
        ((uint8_t *)st->columns[c].valid)[row] = 0;
    }
}

static bool gives_up(const struct settler *s, uint32_t row)
{
    uint32_t kind = s->kinds->codes[row];
    if (kind == 0 || (kind == s->embedding && s->embedding != 0))
        return false;
    return kind != s->llm || is_marked(s->map, key_of(s, s->traces[row], s->spans[row]));
}

static void strip_all(struct settler *s)
{
    struct stripper st = {.settler = s};
    bool any = false;
    for (size_t c = 0; c < USAGE_COLUMNS; c++) {
        const struct vector *v = batch_vector(s->batch, usage_columns[c]);
        st.present[c] = v != NULL;
        if (v != NULL)
            st.columns[c] = *v;
        any |= v != NULL;
    }
    for (uint32_t i = 0; any && i < s->batch->rows; i++) {
        if (gives_up(s, i))
            strip_row(&st, i);
    }
    for (size_t c = 0; st.any && c < USAGE_COLUMNS; c++) {
        if (st.present[c])
            batch_put(s->batch, table_column(TABLE_SPANS, usage_columns[c]), st.columns[c]);
    }
    if (st.any)
        batch_put(s->batch, table_column(TABLE_SPANS, SPANS_attributes), st.attributes);
    buffer_deinit(&st.text);
}

static uint32_t code_of(const struct vector *v, const char *text)
{
    for (uint32_t code = 1; code < v->dict->count; code++) {
        if (slice_is(v->dict->values[code], text))
            return code;
    }
    return 0;
}

void usage_settle(struct usage_map *m, struct batch *b, const struct usage_request *request,
                  struct arena *arena)
{
    struct settler s = {.map = m, .batch = b, .request = request, .arena = arena};
    s.kinds = batch_vector(b, SPANS_kind);
    if (s.kinds == NULL || b->rows == 0)
        return;
    s.parents = batch_vector(b, SPANS_parent_id);
    s.traces = batch_vector(b, SPANS_trace_id)->id128;
    s.spans = batch_vector(b, SPANS_span_id)->id64;
    s.llm = code_of(s.kinds, "llm");
    s.embedding = code_of(s.kinds, "embedding");
    if (s.parents != NULL && m->keys[0] != NULL)
        mark_inherited(&s);
    if (s.parents != NULL && s.llm != 0)
        mark_all(&s);
    strip_all(&s);
}
