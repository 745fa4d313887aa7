/*
 * segment_verify.c - reads and checks every byte of a segment.
 *
 * Invariant: each byte belongs to exactly one checksummed part (or to header and footer); every block decodes and agrees
 *            with its directory. Damage of one part is reported and the others are still checked.
 */
#include <stdlib.h>

#include "engine/base/check.h"
#include "engine/base/hash.h"
#include "engine/segment/segment_read.h"

struct verify {
    struct segment *segment;
    void (*finding)(void *context, uint64_t offset, const char *text);
    void *context;
    uint64_t findings;
    struct part *parts; /* all seen */
    size_t parts_capacity;
    uint32_t part_count;
};

static void report(struct verify *v, uint64_t offset, const char *text)
{
    v->findings++;
    if (v->finding != NULL)
        v->finding(v->context, offset, text);
}

/* Reports a failure of the engine's own reading. */
static void report_error(struct verify *v, uint64_t offset, const struct error *e)
{
    report(v, e->position >= 0 ? (uint64_t)e->position : offset, e->text);
}

static void part_note(struct verify *v, struct part p)
{
    if (p.size == 0)
        return;
    v->parts = mem_grow(v->parts, &v->parts_capacity, v->part_count + 1, sizeof *v->parts);
    v->parts[v->part_count++] = p;
}

static bool part_check(struct verify *v, struct lazy_part *p, struct slice *ret)
{
    struct error e = {0};
    part_note(v, p->part);
    if (segment_part(v->segment, p, ret, &e) >= 0)
        return true;
    report_error(v, p->part.offset, &e);
    return false;
}

static void index_check(struct verify *v, struct lazy_part *p, uint32_t value_max)
{
    struct slice bytes;
    uint32_t count;
    if (p->part.size != 0 && part_check(v, p, &bytes) &&
        !hash_index_check(bytes, value_max, &count))
        report(v, p->part.offset, "hash index");
}

static const struct directory *directory_check(struct verify *v, struct lazy_directory *d,
                                               bool zoned)
{
    const struct directory *loaded = NULL;
    struct error e = {0};
    part_note(v, d->part.part);
    if (segment_directory(v->segment, d, zoned, &loaded, &e) < 0) {
        report_error(v, d->part.part.offset, &e);
        return NULL;
    }
    for (uint32_t b = 0; b < loaded->blocks; b++)
        part_note(v, (struct part){loaded->offset[b], loaded->size[b], loaded->checksum[b]});
    return loaded;
}

static void dict_check(struct verify *v, int column_index)
{
    struct stored_column *c = &v->segment->columns[column_index];
    const struct dict_page *pages = NULL;
    const struct dict *dict;
    struct error e = {0};
    struct slice bytes;
    if (!part_check(v, &c->dict, &bytes))
        return;
    if (segment_dict_pages(v->segment, c, &pages, &e) < 0) {
        report_error(v, c->dict.part.offset, &e);
        return;
    }
    for (uint32_t i = 0; i < c->page_count; i++)
        part_note(v, pages[i].part);
    if (segment_dict(v->segment, column_index, &dict, &e) < 0)
        report_error(v, c->dict.part.offset, &e);
    if (c->postings.part.size == 0 || !part_check(v, &c->postings, &bytes))
        return;
    if (!postings_check(bytes, c->values + 1, v->segment->block_count))
        report(v, c->postings.part.offset, "postings");
}

static void column_check(struct verify *v, int column_index)
{
    struct segment *s = v->segment;
    struct stored_column *c = &s->columns[column_index];
    const struct directory *d = directory_check(v, &c->directory, true);
    if (c->column->storage == STORAGE_STR)
        dict_check(v, column_index);
    struct arena arena = {0};
    for (uint32_t b = 0; d != NULL && b < s->block_count; b++) {
        struct error e = {.position = -1};
        struct vector vector;
        arena_reset(&arena);
        if (segment_block_read_plain(s, column_index, b, &arena, &vector, &e) < 0) {
            report_error(v, d->offset[b], &e);
            continue;
        }
        uint32_t nulls = 0;
        for (uint32_t row = 0; row < vector.rows; row++)
            nulls += !vector_has(&vector, row);
        if (nulls != d->nulls[b])
            report(v, d->offset[b], "the number of NULLs differs from the directory's");
    }
    arena_deinit(&arena);
}

static void masks_check(struct verify *v)
{
    struct segment *s = v->segment;
    const struct directory *d = directory_check(v, &s->masks, false);
    for (uint32_t b = 0; d != NULL && b < s->block_count; b++) {
        struct error e = {.position = -1};
        struct slice bytes;
        uint64_t offset = 0;
        if (segment_block(s, &s->masks, false, b, &bytes, &offset, &e) < 0)
            report_error(v, offset, &e);
    }
}

static int part_compare(const void *a, const void *b)
{
    const struct part *x = a;
    const struct part *y = b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

/* Parts must follow each other without gaps or overlaps, from the header to the footer. */
static void tiling_check(struct verify *v, uint64_t end)
{
    uint64_t at = SEGMENT_HEADER_BYTES;
    qsort(v->parts, v->part_count, sizeof *v->parts, part_compare);
    for (uint32_t i = 0; i < v->part_count; i++) {
        if (v->parts[i].offset != at)
            report(v, at, "bytes that belong to no part, or to two");
        at = v->parts[i].offset + v->parts[i].size;
    }
    if (at != end)
        report(v, at, "bytes that belong to no part");
}

enum status segment_verify(struct io *io, const char *path,
                           void (*finding)(void *context, uint64_t offset, const char *text),
                           void *context, struct error *reterr)
{
    struct verify v = {.finding = finding, .context = context};
    struct schema schema;
    struct error e = {.position = -1};
    schema_init(&schema);
    enum status status = segment_open(io, path, &schema, false, &v.segment, &e);
    if (status < 0) {
        if (status == STATUS_CORRUPT)
            report_error(&v, 0, &e);
        if (reterr != NULL)
            *reterr = e;
        schema_deinit(&schema);
        return status;
    }
    struct segment *s = v.segment;
    uint64_t end = s->map.bytes.size - SEGMENT_FOOTER_BYTES;
    uint64_t contents_bytes;
    memcpy(&contents_bytes, s->map.bytes.data + end + 8, 8);
    part_note(&v, (struct part){.offset = end - contents_bytes, .size = contents_bytes});
    masks_check(&v);
    index_check(&v, &s->trace_index, s->block_count == 0 ? 0 : s->block_count - 1);
    index_check(&v, &s->session_index, 0);
    for (uint32_t i = 0; i < s->column_count; i++)
        column_check(&v, (int)i);
    if (v.findings == 0)
        tiling_check(&v, end);
    segment_close(s);
    schema_deinit(&schema);
    mem_free(v.parts);
    if (v.findings > 0)
        return error_set(reterr, STATUS_CORRUPT, "%s: %llu damaged parts", path,
                         (unsigned long long)v.findings);
    return STATUS_OK;
}
