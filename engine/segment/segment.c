/*
 * segment.c - reads blocks, zone maps and dictionaries of an open segment.
 *
 * Threads:  any number. What is loaded or checked at first touch is published with an atomic; two threads may check the
 *           same bytes at once, which is harmless.
 */
#include "engine/segment/segment.h"

#include "engine/base/check.h"
#include "engine/base/hash.h"
#include "engine/segment/segment_read.h"

/* ---- parts ---- */

static enum status part_verify(const struct segment *s, struct part p, struct slice *ret,
                               struct error *reterr)
{
    struct slice bytes = slice_of(s->map.bytes.data + p.offset, (size_t)p.size);
    if (!s->skip_checksum && hash64(bytes) != p.checksum)
        return corrupt(reterr, s->path, p.offset, "segment: checksum of %llu bytes",
                       (unsigned long long)p.size);
    *ret = bytes;
    return STATUS_OK;
}

enum status segment_part(struct segment *s, struct lazy_part *p, struct slice *ret,
                         struct error *reterr)
{
    *ret = slice_of(s->map.bytes.data + p->part.offset, (size_t)p->part.size);
    if (p->part.size == 0 || atomic_load_explicit(&p->checked, memory_order_acquire))
        return STATUS_OK;
    enum status status = part_verify(s, p->part, ret, reterr);
    if (status >= 0)
        atomic_store_explicit(&p->checked, true, memory_order_release);
    return status;
}

/* Every block must lie in the file like any part. */
static bool directory_fits(const struct segment *s, const struct directory *d)
{
    uint64_t end = s->map.bytes.size - SEGMENT_FOOTER_BYTES;
    for (uint32_t b = 0; b < d->blocks; b++) {
        uint64_t rows = s->first[b + 1] - s->first[b];
        if (d->zoned && (d->nulls[b] > rows || (d->size[b] == 0 && d->nulls[b] != rows)))
            return false;
        if (d->size[b] == 0)
            continue;
        if (d->offset[b] < SEGMENT_HEADER_BYTES || d->offset[b] % 8 != 0 || d->size[b] % 8 != 0 ||
            d->offset[b] > end || d->size[b] > end - d->offset[b])
            return false;
    }
    return true;
}

enum status segment_directory(struct segment *s, struct lazy_directory *d, bool zoned,
                              const struct directory **ret, struct error *reterr)
{
    struct directory *loaded = atomic_load_explicit(&d->loaded, memory_order_acquire);
    if (loaded != NULL) {
        *ret = loaded;
        return STATUS_OK;
    }
    struct slice bytes;
    enum status status = segment_part(s, &d->part, &bytes, reterr);
    if (status < 0)
        return status;
    mutex_lock(&s->lock);
    loaded = atomic_load_explicit(&d->loaded, memory_order_acquire);
    if (loaded == NULL) {
        struct directory *fresh = ARENA_NEW(&s->arena, struct directory);
        directory_init(fresh, s->block_count, zoned, &s->arena);
        if (directory_get(fresh, bytes) && directory_fits(s, fresh)) {
            d->checked = arena_zero(&s->arena, s->block_count / 64 + 1, sizeof *d->checked);
            atomic_store_explicit(&d->loaded, fresh, memory_order_release);
            loaded = fresh;
        }
    }
    mutex_unlock(&s->lock);
    if (loaded == NULL)
        return corrupt(reterr, s->path, d->part.part.offset, "segment: block directory");
    *ret = loaded;
    return STATUS_OK;
}

enum status segment_block(struct segment *s, struct lazy_directory *d, bool zoned, uint32_t block,
                          struct slice *ret, uint64_t *ret_offset, struct error *reterr)
{
    ASSERT(block < s->block_count);
    const struct directory *loaded = NULL;
    enum status status = segment_directory(s, d, zoned, &loaded, reterr);
    if (status < 0)
        return status;
    ASSERT(loaded != NULL);
    struct part p = {loaded->offset[block], loaded->size[block], loaded->checksum[block]};
    *ret = slice_of(s->map.bytes.data + p.offset, (size_t)p.size);
    *ret_offset = p.offset;
    uint64_t bit = 1ull << (block % 64);
    if (p.size == 0 ||
        (atomic_load_explicit(&d->checked[block / 64], memory_order_relaxed) & bit) != 0)
        return STATUS_OK;
    status = part_verify(s, p, ret, reterr);
    if (status >= 0)
        (void)atomic_fetch_or_explicit(&d->checked[block / 64], bit, memory_order_relaxed);
    return status;
}

/* ---- what is known without touching a block ---- */

const struct segment_meta *segment_meta(const struct segment *s)
{
    return &s->meta;
}

const char *segment_path(const struct segment *s)
{
    return s->path;
}

uint32_t segment_block_count(const struct segment *s)
{
    return s->block_count;
}

uint32_t segment_block_rows(const struct segment *s, uint32_t block)
{
    ASSERT(block < s->block_count);
    return (uint32_t)(s->first[block + 1] - s->first[block]);
}

uint64_t segment_block_first(const struct segment *s, uint32_t block)
{
    ASSERT(block < s->block_count);
    return s->first[block];
}

void segment_block_time(const struct segment *s, uint32_t block, int64_t *ret_min_ns,
                        int64_t *ret_max_ns)
{
    ASSERT(block < s->block_count);
    *ret_min_ns = s->time_min[block];
    *ret_max_ns = s->time_max[block];
}

uint32_t segment_column_count(const struct segment *s)
{
    return s->column_count;
}

const struct column *segment_column(const struct segment *s, uint32_t index)
{
    ASSERT(index < s->column_count);
    return s->columns[index].column;
}

int segment_column_index(const struct segment *s, const struct column *column)
{
    for (uint32_t i = 0; i < s->column_count; i++) {
        if (s->columns[i].column == column)
            return (int)i;
    }
    return -1;
}

void segment_column_usage(const struct segment *s, uint32_t index, uint64_t *ret_bytes,
                          const char **ret_encoding)
{
    ASSERT(index < s->column_count);
    *ret_bytes = s->columns[index].bytes;
    *ret_encoding = encoding_name(s->columns[index].encoding);
}

static struct stored_column *column_at(struct segment *s, int column_index)
{
    ASSERT(column_index >= 0);
    ASSERT((uint32_t)column_index < s->column_count);
    return &s->columns[column_index];
}

enum status segment_zone(struct segment *s, int column_index, uint32_t block, struct zone *ret,
                         struct error *reterr)
{
    struct stored_column *c = column_at(s, column_index);
    const struct directory *d = NULL;
    enum status status = segment_directory(s, &c->directory, true, &d, reterr);
    if (status < 0)
        return status;
    ASSERT(d != NULL);
    ASSERT(block < s->block_count);
    *ret = (struct zone){.any = d->nulls[block] < segment_block_rows(s, block),
                         .nulls = d->nulls[block]};
    if (!ret->any)
        return STATUS_OK;
    ret->min = d->min[block];
    ret->max = d->max[block];
    if (c->column->storage == STORAGE_F64) {
        memcpy(&ret->f64_min, &ret->min, sizeof ret->min);
        memcpy(&ret->f64_max, &ret->max, sizeof ret->max);
    }
    return STATUS_OK;
}

/* ---- blocks ---- */

/* What a block's decoder is given to reach other columns. */
struct block_context {
    struct segment *segment;
    uint32_t block;
    struct arena *arena;
};

/* A block another one leans on: it must stand alone. */
static enum status read_alone(void *context, int column_index, struct vector *ret,
                              struct error *reterr)
{
    struct block_context *x = context;
    struct block_reader r;
    struct slice bytes;
    enum status status =
        segment_block_reader(x->segment, column_index, x->block, x->arena, &r, &bytes, reterr);
    if (status < 0)
        return status;
    enum storage storage = x->segment->columns[column_index].column->storage;
    if (bytes.size == 0) {
        *ret = vector_null(storage, r.rows, x->arena);
        return STATUS_OK;
    }
    return block_get(&r, storage, bytes, ret, reterr);
}

static enum status read_by_id(void *context, uint16_t column_id, struct vector *ret,
                              struct error *reterr)
{
    struct block_context *x = context;
    struct segment *s = x->segment;
    for (uint32_t i = 0; i < s->column_count; i++) {
        if (s->columns[i].column->id == column_id)
            return read_alone(context, (int)i, ret, reterr);
    }
    return corrupt(reterr, s->path, 0, "segment: column %u is needed and not stored", column_id);
}

static enum status read_by_index(void *context, uint16_t index, struct vector *ret,
                                 struct error *reterr)
{
    struct block_context *x = context;
    if (index >= x->segment->column_count)
        return corrupt(reterr, x->segment->path, 0, "segment: no column with index %u", index);
    return read_alone(context, index, ret, reterr);
}

enum status segment_block_reader(struct segment *s, int column_index, uint32_t block,
                                 struct arena *arena, struct block_reader *ret,
                                 struct slice *ret_bytes, struct error *reterr)
{
    struct stored_column *c = column_at(s, column_index);
    uint64_t masks_at;
    *ret = (struct block_reader){.path = s->path,
                                 .rows = segment_block_rows(s, block),
                                 .dict_count = c->values + 1,
                                 .arena = arena};
    enum status status =
        segment_block(s, &c->directory, true, block, ret_bytes, &ret->offset, reterr);
    if (status < 0 || ret_bytes->size == 0)
        return status;
    return segment_block(s, &s->masks, false, block, &ret->masks, &masks_at, reterr);
}

enum status segment_block_read_plain(struct segment *s, int column_index, uint32_t block,
                                     struct arena *arena, struct vector *ret, struct error *reterr)
{
    struct block_context context = {.segment = s, .block = block, .arena = arena};
    enum storage storage = column_at(s, column_index)->column->storage;
    struct block_reader r;
    struct slice bytes;
    enum status status = segment_block_reader(s, column_index, block, arena, &r, &bytes, reterr);
    if (status < 0)
        return status;
    if (bytes.size == 0) {
        *ret = vector_null(storage, r.rows, arena);
        return STATUS_OK;
    }
    r.by_id = read_by_id;
    r.by_index = read_by_index;
    r.context = &context;
    return block_get(&r, storage, bytes, ret, reterr);
}

enum status segment_block_read(struct segment *s, int column_index, uint32_t block,
                               struct arena *arena, struct vector *ret, struct error *reterr)
{
    const struct dict *dict = NULL;
    enum status status;
    if (column_at(s, column_index)->column->storage == STORAGE_STR &&
        (status = segment_dict(s, column_index, &dict, reterr)) < 0)
        return status;
    if ((status = segment_block_read_plain(s, column_index, block, arena, ret, reterr)) < 0)
        return status;
    if (dict != NULL)
        ret->dict = dict;
    return STATUS_OK;
}

/* ---- dictionaries ---- */

enum status segment_dict_pages(struct segment *s, struct stored_column *c,
                               const struct dict_page **ret, struct error *reterr)
{
    struct dict_page *pages = atomic_load_explicit(&c->pages, memory_order_acquire);
    if (pages != NULL) {
        *ret = pages;
        return STATUS_OK;
    }
    struct slice bytes;
    enum status status = segment_part(s, &c->dict, &bytes, reterr);
    if (status < 0)
        return status;
    mutex_lock(&s->lock);
    pages = atomic_load_explicit(&c->pages, memory_order_acquire);
    if (pages == NULL) {
        uint32_t count;
        bool good = dict_directory_get(bytes, c->values, &s->arena, &pages, &count);
        uint64_t end = s->map.bytes.size - SEGMENT_FOOTER_BYTES;
        for (uint32_t i = 0; good && i < count; i++) {
            struct part p = pages[i].part;
            good = p.offset >= SEGMENT_HEADER_BYTES && p.offset <= end &&
                   p.size <= end - p.offset && p.size > 0;
        }
        if (good) {
            c->page_count = count;
            atomic_store_explicit(&c->pages, pages, memory_order_release);
        } else {
            pages = NULL;
        }
    }
    mutex_unlock(&s->lock);
    if (pages == NULL)
        return corrupt(reterr, s->path, c->dict.part.offset, "segment: dictionary of %s",
                       c->column->name);
    *ret = pages;
    return STATUS_OK;
}

enum status segment_dict_page(struct segment *s, const struct dict_page *p, struct arena *arena,
                              struct slice *to, struct error *reterr)
{
    struct slice bytes;
    enum status status = part_verify(s, p->part, &bytes, reterr);
    if (status < 0)
        return status;
    if (!dict_page_get(p, bytes, arena, to))
        return corrupt(reterr, s->path, p->part.offset, "segment: dictionary page");
    return STATUS_OK;
}

/* All values; the caller holds the lock. */
static enum status dict_load_locked(struct segment *s, struct stored_column *c,
                                    const struct dict_page *pages, struct dict **ret,
                                    struct error *reterr)
{
    REQUIRES(s->lock)
    struct slice *values = NULL;
    size_t capacity = 0;
    uint32_t count = 1;
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < c->page_count && status >= 0; i++) {
        values = mem_grow(values, &capacity, (size_t)count + pages[i].count, sizeof *values);
        status = segment_dict_page(s, &pages[i], &s->arena, values + count, reterr);
        if (status >= 0 && i > 0 && slice_compare(values[count - 1], values[count]) >= 0)
            status = corrupt(reterr, s->path, pages[i].part.offset, "segment: dictionary order");
        count += pages[i].count;
    }
    if (status >= 0) {
        struct dict *dict = ARENA_NEW(&s->arena, struct dict);
        struct slice *kept = ARENA_ARRAY(&s->arena, struct slice, count);
        memcpy(kept, values, count * sizeof *kept);
        kept[0] = SLICE_EMPTY;
        dict->values = kept;
        dict->count = count;
        *ret = dict;
    }
    mem_free(values);
    return status;
}

enum status segment_dict(struct segment *s, int column_index, const struct dict **ret,
                         struct error *reterr)
{
    struct stored_column *c = column_at(s, column_index);
    ASSERT(c->column->storage == STORAGE_STR);
    struct dict *dict = atomic_load_explicit(&c->values_loaded, memory_order_acquire);
    enum status status = STATUS_OK;
    if (dict == NULL) {
        const struct dict_page *pages = NULL;
        if ((status = segment_dict_pages(s, c, &pages, reterr)) < 0)
            return status;
        mutex_lock(&s->lock);
        dict = atomic_load_explicit(&c->values_loaded, memory_order_acquire);
        if (dict == NULL && (status = dict_load_locked(s, c, pages, &dict, reterr)) >= 0)
            atomic_store_explicit(&c->values_loaded, dict, memory_order_release);
        mutex_unlock(&s->lock);
    }
    if (status >= 0)
        *ret = dict;
    return status;
}

/* The code of a value among sorted values starting with code `first`, or 0. */
static uint32_t values_find(const struct slice *values, uint32_t count, uint32_t first,
                            struct slice value)
{
    uint32_t low = 0;
    uint32_t high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = slice_compare(values[middle], value);
        if (order == 0)
            return first + middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

enum status segment_dict_find(struct segment *s, int column_index, struct slice value,
                              uint32_t *ret_code, struct error *reterr)
{
    struct stored_column *c = column_at(s, column_index);
    ASSERT(c->column->storage == STORAGE_STR);
    struct dict *dict = atomic_load_explicit(&c->values_loaded, memory_order_acquire);
    if (dict != NULL) {
        *ret_code = values_find(dict->values + 1, dict->count - 1, 1, value);
        return STATUS_OK;
    }
    const struct dict_page *pages = NULL;
    enum status status = segment_dict_pages(s, c, &pages, reterr);
    if (status < 0)
        return status;
    uint32_t low = 0;
    uint32_t high = c->page_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (slice_compare(pages[middle].first_value, value) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_code = 0;
    if (low == 0)
        return STATUS_OK;
    const struct dict_page *p = &pages[low - 1];
    struct arena arena = {0};
    struct slice *values = ARENA_ARRAY(&arena, struct slice, p->count);
    status = segment_dict_page(s, p, &arena, values, reterr);
    if (status >= 0)
        *ret_code = values_find(values, p->count, p->first, value);
    arena_deinit(&arena);
    return status;
}
