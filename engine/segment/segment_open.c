/*
 * segment_open.c - maps a segment and reads its footer and table of contents; the rest waits until it is asked for.
 *
 * Format:  FORMAT.md 5.1, 5.2.
 * Failure: every count meets its limit, every part must lie between header and footer.
 */
#include "engine/base/check.h"
#include "engine/base/hash.h"
#include "engine/segment/ints.h"
#include "engine/segment/segment_read.h"

static enum status toc_corrupt(const struct segment *s, uint64_t offset, struct error *reterr,
                               const char *what)
{
    return corrupt(reterr, s->path, offset, "segment: %s", what);
}

/* The table of contents' place, from header and footer. */
static enum status footer_read(const struct segment *s, struct part *ret, struct error *reterr)
{
    struct slice file = s->map.bytes;
    if (file.size < SEGMENT_HEADER_BYTES + SEGMENT_FOOTER_BYTES)
        return toc_corrupt(s, file.size, reterr, "shorter than header and footer");
    uint64_t footer_at = file.size - SEGMENT_FOOTER_BYTES;
    if (memcmp(file.data, SEGMENT_MAGIC, 8) != 0)
        return toc_corrupt(s, 0, reterr, "not a segment (magic)");
    struct cursor head = cursor_over(slice_of(file.data + 8, 8));
    uint32_t version = cursor_u32(&head);
    if (version != SEGMENT_VERSION)
        return corrupt(reterr, s->path, 8, "segment: version %u, this program reads %u", version,
                       SEGMENT_VERSION);
    if (cursor_u32(&head) != 0)
        return toc_corrupt(s, 12, reterr, "reserved bytes are not zero");
    struct cursor c = cursor_over(slice_of(file.data + footer_at, SEGMENT_FOOTER_BYTES));
    struct part part = cursor_part(&c);
    uint64_t file_bytes = cursor_u64(&c);
    uint64_t checksum = cursor_u64(&c);
    struct slice magic = cursor_take(&c, 8);
    uint8_t checked[SEGMENT_HEADER_BYTES + 32];
    memcpy(checked, file.data, SEGMENT_HEADER_BYTES);
    memcpy(checked + SEGMENT_HEADER_BYTES, file.data + footer_at, 32);
    if (memcmp(magic.data, SEGMENT_MAGIC, 8) != 0)
        return toc_corrupt(s, footer_at + 40, reterr, "cut short (no magic at the end)");
    if (!s->skip_checksum && checksum != hash64(slice_of(checked, sizeof checked)))
        return toc_corrupt(s, footer_at, reterr, "footer checksum");
    if (file_bytes != file.size)
        return toc_corrupt(s, footer_at + 24, reterr, "file size differs from the footer's");
    if (part.size > footer_at || part.offset != footer_at - part.size)
        return toc_corrupt(s, footer_at, reterr, "table of contents outside the file");
    *ret = part;
    return STATUS_OK;
}

/* Parts start at multiples of 8 inside the file. Nothing at all is fine too. */
static bool part_fits(const struct segment *s, struct part p)
{
    uint64_t end = s->map.bytes.size - SEGMENT_FOOTER_BYTES;
    if (p.size == 0)
        return p.offset == 0 && p.checksum == 0;
    return p.offset >= SEGMENT_HEADER_BYTES && p.offset % 8 == 0 && p.size % 8 == 0 &&
           p.offset <= end && p.size <= end - p.offset;
}

static struct part part_read(const struct segment *s, struct cursor *c)
{
    struct part p = cursor_part(c);
    if (!part_fits(s, p))
        cursor_fail(c);
    return p;
}

static void meta_read(struct segment *s, struct cursor *c)
{
    uint8_t table = cursor_u8(c);
    uint8_t tier = cursor_u8(c);
    s->meta.rows = cursor_varint(c);
    s->meta.time_min_ns = cursor_zigzag(c);
    s->meta.time_max_ns = cursor_zigzag(c);
    s->meta.seq_min = cursor_varint(c);
    s->meta.seq_max = cursor_varint(c);
    s->meta.fold_seq = cursor_varint(c);
    uint64_t blocks = cursor_varint(c);
    uint64_t groups = cursor_varint(c);
    if (table >= TABLE_COUNT || tier > TIER_DAY || s->meta.rows > SEGMENT_ROWS_MAX ||
        blocks > SEGMENT_BLOCKS_MAX || groups > blocks) {
        cursor_fail(c);
        return;
    }
    s->meta.table = (enum table)table;
    s->meta.tier = (enum segment_tier)tier;
    s->meta.bytes = s->map.bytes.size;
    s->block_count = (uint32_t)blocks;
    s->group_count = (uint32_t)groups;
}

static void blocks_read(struct segment *s, struct cursor *c)
{
    uint32_t *numbers = mem_alloc((size_t)s->block_count * sizeof *numbers);
    s->first = arena_zero(&s->arena, (size_t)s->block_count + 1, sizeof *s->first);
    s->time_min = ARENA_ARRAY(&s->arena, int64_t, s->block_count);
    s->time_max = ARENA_ARRAY(&s->arena, int64_t, s->block_count);
    s->group_first = arena_zero(&s->arena, (size_t)s->group_count + 1, sizeof *s->group_first);
    s->by_session = arena_zero(&s->arena, s->group_count, sizeof *s->by_session);
    ints_get32(c, s->block_count, numbers);
    for (uint32_t b = 0; b < s->block_count; b++) {
        if (numbers[b] == 0 || numbers[b] > BLOCK_ROWS)
            cursor_fail(c);
        s->first[b + 1] = s->first[b] + numbers[b];
    }
    ints_get64(c, s->block_count, s->time_min);
    ints_get64(c, s->block_count, s->time_max);
    ints_get32(c, s->group_count, numbers);
    uint64_t blocks = 0;
    for (uint32_t g = 0; g < s->group_count; g++) {
        blocks += numbers[g];
        if (numbers[g] == 0 || blocks > s->block_count) {
            cursor_fail(c);
            break;
        }
        s->group_first[g + 1] = (uint32_t)blocks;
    }
    ints_get32(c, s->group_count, numbers);
    for (uint32_t g = 0; g < s->group_count; g++)
        s->by_session[g] = numbers[g] != 0;
    if (s->first[s->block_count] != s->meta.rows || blocks != s->block_count)
        cursor_fail(c);
    mem_free(numbers);
}

static enum status column_read(struct segment *s, struct schema *schema, struct cursor *c,
                               struct stored_column *ret, struct error *reterr)
{
    uint16_t id = cursor_u16(c);
    uint8_t storage = cursor_u8(c);
    if (id == COLUMN_BY_NAME) {
        struct slice name = cursor_bytes(c);
        if (c->failed || s->meta.table != TABLE_SPANS)
            return toc_corrupt(s, cursor_offset(c), reterr, "bad column name");
        enum status status = schema_add_score(schema, name, &ret->column, reterr);
        if (status < 0)
            return status;
    } else {
        ret->column = c->failed ? NULL : table_column(s->meta.table, id);
    }
    if (ret->column == NULL || ret->column->storage != (enum storage)storage)
        return corrupt(reterr, s->path, cursor_offset(c), "segment: unknown column %u", id);
    uint8_t encoding = cursor_u8(c);
    if (encoding == 0 || encoding >= ENCODING_COUNT)
        cursor_fail(c);
    ret->encoding = c->failed ? ENCODING_PLAIN : (enum encoding)encoding;
    ret->bytes = cursor_varint(c);
    ret->directory.part.part = part_read(s, c);
    if (ret->directory.part.part.size == 0)
        cursor_fail(c);
    if (ret->column->storage != STORAGE_STR)
        return STATUS_OK;
    uint64_t values = cursor_varint(c);
    ret->dict.part = part_read(s, c);
    ret->postings.part = part_read(s, c);
    if (values == 0 || values > SEGMENT_ROWS_MAX || ret->dict.part.size == 0)
        cursor_fail(c);
    ret->values = (uint32_t)values;
    return STATUS_OK;
}

static enum status columns_read(struct segment *s, struct schema *schema, struct cursor *c,
                                struct error *reterr)
{
    uint64_t count = cursor_varint(c);
    if (count > SEGMENT_COLUMNS_MAX)
        cursor_fail(c);
    if (c->failed)
        return STATUS_OK;
    s->columns = arena_zero(&s->arena, count, sizeof *s->columns);
    s->session_column = -1;
    s->trace_id_column = -1;
    for (uint32_t i = 0; i < count && !c->failed; i++) {
        enum status status = column_read(s, schema, c, &s->columns[i], reterr);
        if (status < 0)
            return status;
        s->column_count = i + 1;
        for (uint32_t before = 0; before < i; before++) {
            if (s->columns[before].column == s->columns[i].column)
                cursor_fail(c);
        }
        if (s->columns[i].column->id == SPANS_trace_id)
            s->trace_id_column = (int)i;
        if (s->meta.table == TABLE_SPANS && s->columns[i].column->id == SPANS_session)
            s->session_column = (int)i;
    }
    return STATUS_OK;
}

static enum status contents_read(struct segment *s, struct schema *schema, struct part part,
                                 struct error *reterr)
{
    struct slice bytes = slice_of(s->map.bytes.data + part.offset, (size_t)part.size);
    if (!s->skip_checksum && hash64(bytes) != part.checksum)
        return toc_corrupt(s, part.offset, reterr, "table of contents checksum");
    struct cursor c = cursor_over(bytes);
    meta_read(s, &c);
    if (c.failed)
        return toc_corrupt(s, part.offset, reterr, "bad counts");
    blocks_read(s, &c);
    s->masks.part.part = part_read(s, &c);
    s->trace_index.part = part_read(s, &c);
    s->session_index.part = part_read(s, &c);
    if (s->masks.part.part.size == 0)
        cursor_fail(&c);
    enum status status = columns_read(s, schema, &c, reterr);
    if (status < 0)
        return status;
    if (!cursor_padded_end(&c))
        return toc_corrupt(s, part.offset, reterr, "bad table of contents");
    return STATUS_OK;
}

enum status segment_open(struct io *io, const char *path, struct schema *schema, bool skip_checksum,
                         struct segment **ret, struct error *reterr)
{
    struct segment *s = MEM_NEW(struct segment);
    struct part contents = {0};
    enum status status;
    s->io = io;
    s->path = mem_strdup(path);
    s->skip_checksum = skip_checksum;
    mutex_init(&s->lock);
    if ((status = io_map(io, path, &s->map, reterr)) < 0)
        goto out;
    if ((status = footer_read(s, &contents, reterr)) < 0)
        goto out;
    if ((status = contents_read(s, schema, contents, reterr)) < 0)
        goto out;
    *ret = s;
    s = NULL;
out:
    segment_close(s);
    return status;
}

void segment_close(struct segment *s)
{
    if (s == NULL)
        return;
    io_unmap(s->io, &s->map);
    arena_deinit(&s->arena);
    mutex_deinit(&s->lock);
    mem_free(s->path);
    mem_free(s);
}
