/*
 * key_map.c - group keys to numbers.
 *
 * Invariant: equal values have one id within a map: -0 and 0 are one, all NaNs are one.
 */
#include "query/key_map.h"

#include "engine/base/check.h"
#include "engine/base/hash.h"

#include "query/function.h"
#include "query/hot.h"

#define NOT_YET      UINT32_MAX
#define PENDING      (UINT32_MAX - 1)
#define DICTS_KEPT   6u
#define NARROW_RANGE 16384u /* integers this close together go through a table */

struct dict_ids {
    const struct dict *dict;
    const uint8_t *valid;
    uint32_t count; /* codes */
    uint32_t *ids;  /* per code; NOT_YET */
    struct dict_ids *next;
};

static size_t value_width(const struct key_map *m)
{
    return m->phys == PHYS_ID128 ? 16 : 8;
}

void key_map_init(struct key_map *m, enum phys phys)
{
    *m = (struct key_map){.phys = phys == PHYS_CODES ? PHYS_TEXT : phys, .count = 1};
    if (m->phys == PHYS_TEXT) {
        text_map_init(&m->texts);
        return;
    }
    m->values = block_grow(NULL, &m->values_capacity, 64, value_width(m));
    memset(m->values, 0, value_width(m));
    m->table_mask = 127;
    m->table = block_zero(((size_t)m->table_mask + 1) * sizeof *m->table);
}

void key_map_deinit(struct key_map *m)
{
    if (m->phys == PHYS_TEXT && m->count != 0)
        text_map_deinit(&m->texts);
    while (m->dicts != NULL) {
        struct dict_ids *next = m->dicts->next;
        block_free(m->dicts->ids, m->dicts->count * sizeof *m->dicts->ids);
        mem_free(m->dicts);
        m->dicts = next;
    }
    block_free(m->values, m->values_capacity * value_width(m));
    block_free(m->table, m->table == NULL ? 0 : ((size_t)m->table_mask + 1) * sizeof *m->table);
    *m = (struct key_map){0};
}

uint32_t key_map_count(const struct key_map *m)
{
    return m->phys == PHYS_TEXT ? m->texts.count : m->count;
}

uint64_t key_map_bytes(const struct key_map *m)
{
    if (m->phys == PHYS_TEXT)
        return m->bytes + text_map_bytes(&m->texts);
    return m->count * (value_width(m) + 8ull);
}

/* ---- 8 and 16 byte values ---- */

static uint64_t hash_value(const struct key_map *m, const void *value)
{
    if (m->phys == PHYS_ID128) {
        struct id128 id;
        memcpy(&id, value, sizeof id);
        return id128_hash(id);
    }
    uint64_t v;
    memcpy(&v, value, sizeof v);
    return hash_mix(v);
}

static void table_grow(struct key_map *m)
{
    uint32_t mask = m->table_mask * 2 + 1;
    uint32_t *table = block_zero(((size_t)mask + 1) * sizeof *table);
    size_t width = value_width(m);
    for (uint32_t id = 1; id < m->count; id++) {
        uint32_t at = (uint32_t)hash_value(m, m->values + id * width) & mask;
        while (table[at] != 0)
            at = (at + 1) & mask;
        table[at] = id;
    }
    block_free(m->table, ((size_t)m->table_mask + 1) * sizeof *m->table);
    m->table = table;
    m->table_mask = mask;
}

static uint32_t add_value(struct key_map *m, const void *value)
{
    size_t width = value_width(m);
    uint32_t at = (uint32_t)hash_value(m, value) & m->table_mask;
    for (; m->table[at] != 0; at = (at + 1) & m->table_mask)
        if (memcmp(m->values + m->table[at] * width, value, width) == 0)
            return m->table[at];
    uint32_t id = m->count++;
    ASSERT(id < NOT_YET);
    m->values = block_grow(m->values, &m->values_capacity, m->count, width);
    memcpy(m->values + id * width, value, width);
    m->table[at] = id;
    if (m->count > m->table_mask / 2)
        table_grow(m);
    return id;
}

/* ---- integers ---- */

HOT static void range_of(const int64_t *values, uint32_t rows, int64_t *ret_min, int64_t *ret_max)
{
    int64_t min = values[0];
    int64_t max = values[0];
    for (uint32_t i = 1; i < rows; i++) {
        min = values[i] < min ? values[i] : min;
        max = values[i] > max ? values[i] : max;
    }
    *ret_min = min;
    *ret_max = max;
}

static void i64_rows(struct key_map *m, const int64_t *values, uint32_t rows, uint32_t *ids,
                     struct scratch *scratch)
{
    int64_t min;
    int64_t max;
    range_of(values, rows, &min, &max);
    if ((uint64_t)max - (uint64_t)min >= NARROW_RANGE) {
        int64_t last = values[0];
        uint32_t id = add_value(m, &last);
        for (uint32_t i = 0; i < rows; i++) {
            if (values[i] != last) {
                last = values[i];
                id = add_value(m, &last);
            }
            ids[i] = id;
        }
        return;
    }
    uint32_t range = (uint32_t)((uint64_t)max - (uint64_t)min) + 1;
    uint32_t *table = SCRATCH_ARRAY(scratch, uint32_t, range);
    memset(table, 0, range * sizeof *table);
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t *place = &table[(uint64_t)values[i] - (uint64_t)min];
        if (*place == 0)
            *place = add_value(m, &values[i]);
        ids[i] = *place;
    }
}

/* ---- texts ---- */

/* Scans go through segments one after the other: tables of dictionaries long gone are given back. */
static void forget_old(struct key_map *m)
{
    uint32_t kept = 0;
    struct dict_ids **link = &m->dicts;
    while (*link != NULL && kept++ < DICTS_KEPT)
        link = &(*link)->next;
    while (*link != NULL) {
        struct dict_ids *d = *link;
        *link = d->next;
        m->bytes -= d->count * sizeof *d->ids;
        block_free(d->ids, d->count * sizeof *d->ids);
        mem_free(d);
    }
}

static struct dict_ids *dict_ids_of(struct key_map *m, const struct vec *v)
{
    struct dict_ids *previous = NULL;
    for (struct dict_ids *d = m->dicts; d != NULL; previous = d, d = d->next) {
        if (d->dict != v->dict)
            continue;
        if (previous != NULL) {
            previous->next = d->next;
            d->next = m->dicts;
            m->dicts = d;
        }
        return d;
    }
    struct dict_ids *d = MEM_NEW(struct dict_ids);
    d->dict = v->dict;
    d->valid = v->dict_valid;
    d->count = v->dict->count;
    d->ids = block_alloc(v->dict->count * sizeof *d->ids);
    memset(d->ids, 0xff, v->dict->count * sizeof *d->ids);
    d->next = m->dicts;
    m->dicts = d;
    m->bytes += v->dict->count * sizeof *d->ids;
    forget_old(m);
    return d;
}

/* Looks the texts of the listed codes up, all at once. */
static void add_codes(struct key_map *m, struct dict_ids *d, const uint32_t *codes, uint32_t count,
                      struct scratch *scratch)
{
    struct slice *texts = SCRATCH_ARRAY(scratch, struct slice, count);
    uint32_t *ids = SCRATCH_ARRAY(scratch, uint32_t, count);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t code = codes[i];
        bool has = d->valid != NULL ? d->valid[code] != 0 : code != 0;
        if (!has)
            d->ids[code] = 0;
        else
            texts[kept++] = d->dict->values[code];
    }
    text_map_add(&m->texts, texts, kept, ids);
    kept = 0;
    for (uint32_t i = 0; i < count; i++)
        if (d->ids[codes[i]] == PENDING)
            d->ids[codes[i]] = ids[kept++];
}

static void code_rows(struct key_map *m, const struct vec *v, uint32_t rows, uint32_t *ids,
                      struct scratch *scratch)
{
    struct dict_ids *d = dict_ids_of(m, v);
    const uint32_t *codes = v->codes;
    uint32_t *table = d->ids;
    uint32_t *missing = NULL;
    uint32_t count = 0;
    for (uint32_t i = 0; i < rows; i++) {
        ids[i] = table[codes[i]];
        if (__builtin_expect(ids[i] < PENDING, 1))
            continue;
        if (missing == NULL)
            missing = SCRATCH_ARRAY(scratch, uint32_t, rows);
        if (ids[i] == NOT_YET) {
            table[codes[i]] = PENDING;
            missing[count++] = codes[i];
        }
    }
    if (count == 0)
        return;
    add_codes(m, d, missing, count, scratch);
    for (uint32_t i = 0; i < rows; i++)
        ids[i] = table[codes[i]];
}

/* A column of plain texts without NULLs. */
static void text_rows(struct key_map *m, const struct vec *v, uint32_t rows, uint32_t *ids)
{
    text_map_add(&m->texts, v->text, rows, ids);
}

/* ---- all ---- */

static void f64_rows(struct key_map *m, const double *values, uint32_t rows, uint32_t *ids,
                     struct scratch *scratch)
{
    int64_t *bits = SCRATCH_ARRAY(scratch, int64_t, rows);
    for (uint32_t i = 0; i < rows; i++) {
        double v = values[i] == 0 ? 0 : values[i] != values[i] ? __builtin_nan("") : values[i];
        memcpy(&bits[i], &v, sizeof v);
    }
    i64_rows(m, bits, rows, ids, scratch);
}

/* Rows that all have a value. */
static void value_rows(struct key_map *m, const struct vec *v, uint32_t rows, uint32_t *ids,
                       struct scratch *scratch)
{
    switch (v->phys) {
    case PHYS_CODES:
        code_rows(m, v, rows, ids, scratch);
        break;
    case PHYS_TEXT:
        text_rows(m, v, rows, ids);
        break;
    case PHYS_I64:
        i64_rows(m, v->i64, rows, ids, scratch);
        break;
    case PHYS_F64:
        f64_rows(m, v->f64, rows, ids, scratch);
        break;
    case PHYS_BOOL:
        for (uint32_t i = 0; i < rows; i++) {
            int64_t value = v->truth[i];
            ids[i] = add_value(m, &value);
        }
        break;
    case PHYS_ID64:
        for (uint32_t i = 0; i < rows; i++)
            ids[i] = add_value(m, &v->id64[i]);
        break;
    case PHYS_ID128:
        for (uint32_t i = 0; i < rows; i++)
            ids[i] = i > 0 && id128_equal(v->id128[i], v->id128[i - 1])
                         ? ids[i - 1]
                         : add_value(m, &v->id128[i]);
        break;
    }
}

/* Takes the rows that have a value together, numbers them and spreads the numbers out again. */
static void rows_with_nulls(struct key_map *m, const struct vec *v, int64_t bucket_ns,
                            uint32_t rows, uint32_t *ids, struct scratch *scratch)
{
    uint32_t *picked = SCRATCH_ARRAY(scratch, uint32_t, rows + 1);
    uint32_t *some = SCRATCH_ARRAY(scratch, uint32_t, rows);
    uint32_t count = mask_pick(v->valid, rows, picked);
    struct vec from = *v;
    struct vec dense;
    from.valid = NULL;
    vec_gather(&from, picked, count, scratch, &dense);
    if (bucket_ns != 0)
        key_map_bucket_rows(m, &dense, bucket_ns, count, some, scratch);
    else if (count > 0)
        value_rows(m, &dense, count, some, scratch);
    memset(ids, 0, rows * sizeof *ids);
    for (uint32_t i = 0; i < count; i++)
        ids[picked[i]] = some[i];
}

void key_map_rows(struct key_map *m, const struct vec *v, uint32_t rows, uint32_t *ids,
                  struct scratch *scratch)
{
    if (rows == 0)
        return;
    if (v->constant) {
        uint32_t id = 0;
        struct vec one = *v;
        one.constant = false;
        if (vec_has(v, 0))
            value_rows(m, &one, 1, &id, scratch);
        for (uint32_t i = 0; i < rows; i++)
            ids[i] = id;
        return;
    }
    if (v->phys != PHYS_CODES && v->valid != NULL)
        rows_with_nulls(m, v, 0, rows, ids, scratch);
    else
        value_rows(m, v, rows, ids, scratch);
}

/* Bucket numbers relative to the bucket that begins at `start`. Spans below 2^51 ns (26 days) fit a double exactly, and so
 * does every product here; the guess is at most one off. */
HOT static void bucket_numbers(const int64_t *restrict times, uint32_t rows, int64_t start,
                               int64_t width, uint32_t *restrict numbers)
{
    const double magic = 0x1p52;
    const double inverse = 1.0 / (double)width;
    const double size = (double)width;
    for (uint32_t i = 0; i < rows; i++) {
        uint64_t bits = (uint64_t)(times[i] - start) | 0x4330000000000000u;
        double offset;
        memcpy(&offset, &bits, sizeof offset);
        offset -= magic;
        int32_t number = (int32_t)(offset * inverse);
        double into = offset - (double)number * size;
        number += into >= size;
        number -= into < 0;
        numbers[i] = (uint32_t)number;
    }
}

/* The slow way, for times far apart. */
static void far_bucket_rows(struct key_map *m, const int64_t *times, int64_t width_ns,
                            uint32_t rows, uint32_t *ids, struct scratch *scratch)
{
    int64_t *starts = SCRATCH_ARRAY(scratch, int64_t, rows);
    for (uint32_t i = 0; i < rows; i++)
        starts[i] = bucket_start(times[i], width_ns);
    i64_rows(m, starts, rows, ids, scratch);
}

void key_map_bucket_rows(struct key_map *m, const struct vec *times, int64_t width_ns,
                         uint32_t rows, uint32_t *ids, struct scratch *scratch)
{
    int64_t min;
    int64_t max;
    if (rows == 0)
        return;
    struct vec v = *times;
    vec_expand(&v, rows, scratch);
    if (v.valid != NULL) {
        rows_with_nulls(m, &v, width_ns, rows, ids, scratch);
        return;
    }
    range_of(v.i64, rows, &min, &max);
    int64_t start = bucket_start(min, width_ns);
    uint64_t span = (uint64_t)max - (uint64_t)start;
    if (span >= 1ull << 51 || span / (uint64_t)width_ns >= NARROW_RANGE || start == INT64_MIN) {
        far_bucket_rows(m, v.i64, width_ns, rows, ids, scratch);
        return;
    }
    uint32_t range = (uint32_t)(span / (uint64_t)width_ns) + 1;
    if (range == 1) {
        uint32_t id = add_value(m, &start);
        for (uint32_t i = 0; i < rows; i++)
            ids[i] = id;
        return;
    }
    uint32_t *table = SCRATCH_ARRAY(scratch, uint32_t, range);
    memset(table, 0, range * sizeof *table);
    bucket_numbers(v.i64, rows, start, width_ns, ids);
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t number = ids[i];
        if (__builtin_expect(table[number] == 0, 0)) {
            int64_t value = start + (int64_t)number * width_ns;
            table[number] = add_value(m, &value);
        }
        ids[i] = table[number];
    }
}

void key_map_merge(struct key_map *m, const struct key_map *from, uint32_t *ret)
{
    uint32_t count = key_map_count(from);
    ret[0] = 0;
    if (m->phys == PHYS_TEXT) {
        text_map_add(&m->texts, from->texts.values + 1, count - 1, ret + 1);
        return;
    }
    for (uint32_t id = 1; id < count; id++)
        ret[id] = add_value(m, from->values + id * value_width(from));
}

struct vec key_map_values(const struct key_map *m, struct scratch *scratch)
{
    uint32_t count = key_map_count(m);
    uint8_t *valid = SCRATCH_ARRAY(scratch, uint8_t, count);
    memset(valid, 1, count);
    valid[0] = 0;
    struct vec v = {.phys = m->phys, .valid = valid, .data = m->values};
    if (m->phys == PHYS_TEXT)
        v.text = m->texts.values;
    if (m->phys == PHYS_BOOL) {
        uint8_t *truth = SCRATCH_ARRAY(scratch, uint8_t, count);
        for (uint32_t id = 0; id < count; id++)
            truth[id] = m->values[id * 8];
        v.truth = truth;
    }
    return v;
}
