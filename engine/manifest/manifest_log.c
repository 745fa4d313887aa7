/*
 * manifest_log.c - the records of a manifest file and CURRENT, both directions.
 *
 * Place:     manifest.c -> [here] -> manifest/NNNNNNNNNN, CURRENT
 * Format:    FORMAT.md 8.1, 8.2
 * Invariant: a record's checksum covers its file number, offset, length and payload, so neither a
 *            stale record of another file nor one that moved is ever taken for good.
 * Failure:   bytes behind the last good record are a torn tail unless a good record follows them or
 *            they stand at offset 0: then they are damage, STATUS_CORRUPT.
 */
#include "engine/manifest/manifest_log.h"

#include <inttypes.h>
#include <stdio.h>

#include "engine/base/cursor.h"
#include "engine/base/hash.h"
#include "engine/manifest/manifest_edit.h"

/* The header is written first and its length filled in when the payload is there. */
static size_t record_begin(uint64_t number, uint64_t offset, enum manifest_record_kind kind,
                           struct buffer *to)
{
    size_t start = to->size;
    put_u32(to, MANIFEST_RECORD_MAGIC);
    put_u32(to, 0);
    put_u64(to, number);
    put_u64(to, offset);
    put_u8(to, (uint8_t)kind);
    return start;
}

static void record_end(size_t start, struct buffer *to)
{
    uint32_t length = (uint32_t)(to->size - start - MANIFEST_RECORD_HEADER);
    memcpy(to->data + start + 4, &length, sizeof length);
    put_u64(to, hash64(slice_of(to->data + start, to->size - start)));
}

void manifest_record_encode(uint64_t number, uint64_t offset, enum manifest_record_kind kind,
                            const struct manifest_edit *edits, uint32_t count, struct buffer *to)
{
    size_t start = record_begin(number, offset, kind, to);
    for (uint32_t i = 0; i < count; i++)
        manifest_edit_encode(&edits[i], to);
    record_end(start, to);
}

void manifest_snapshot_encode(uint64_t number, const struct manifest_state *s, struct buffer *to)
{
    const char *const *names = s->names.items;
    const struct manifest_segment *segments = s->segments.items;
    const struct manifest_pack *packs = s->packs.items;
    const struct manifest_patch *patches = s->patches.items;
    const struct manifest_client *clients = s->clients.items;
    size_t start = record_begin(number, 0, MANIFEST_SNAPSHOT, to);
    struct manifest_edit e;
    for (uint32_t i = 0; i < s->names.count; i++) {
        e = (struct manifest_edit){.kind = EDIT_PROJECT_ADD, .project = i + 1, .name = names[i]};
        manifest_edit_encode(&e, to);
    }
    for (uint32_t i = 0; i < s->segments.count; i++) {
        e = (struct manifest_edit){.kind = EDIT_SEGMENT_ADD, .segment = &segments[i]};
        manifest_edit_encode(&e, to);
    }
    for (uint32_t i = 0; i < s->packs.count; i++) {
        e = (struct manifest_edit){.kind = EDIT_PACK_ADD, .pack = &packs[i]};
        manifest_edit_encode(&e, to);
    }
    for (uint32_t i = 0; i < s->patches.count; i++) {
        e = (struct manifest_edit){.kind = EDIT_PATCH_ADD, .patch = &patches[i]};
        manifest_edit_encode(&e, to);
    }
    for (uint32_t i = 0; i < s->clients.count; i++) {
        e = (struct manifest_edit){.kind = EDIT_CLIENT, .client = &clients[i]};
        manifest_edit_encode(&e, to);
    }
    e = (struct manifest_edit){.kind = EDIT_WAL_KEEP, .value = s->wal_keep};
    manifest_edit_encode(&e, to);
    e = (struct manifest_edit){.kind = EDIT_NEXT_NUMBER, .value = s->next_number};
    manifest_edit_encode(&e, to);
    record_end(start, to);
}

/* A record found in a file. */
struct record {
    uint64_t offset;
    uint64_t end;
    struct slice payload;
};

/* True when a whole, undamaged record of this file stands at offset. */
static bool record_read(struct slice file, uint64_t number, uint64_t offset, struct record *ret)
{
    struct cursor c = cursor_over(slice_of(file.data + offset, file.size - offset));
    uint32_t magic = cursor_u32(&c);
    uint32_t length = cursor_u32(&c);
    uint64_t own_number = cursor_u64(&c);
    uint64_t own_offset = cursor_u64(&c);
    struct slice payload = cursor_take(&c, length);
    struct slice covered = slice_of(c.start, cursor_offset(&c));
    uint64_t checksum = cursor_u64(&c);
    if (c.failed || magic != MANIFEST_RECORD_MAGIC || own_number != number || own_offset != offset)
        return false;
    if (checksum != hash64(covered))
        return false;
    *ret = (struct record){.offset = offset, .end = offset + cursor_offset(&c), .payload = payload};
    return true;
}

/* Is there a good record anywhere behind the damage? Cheap: magic, number and offset must fit. */
static bool record_follows(struct slice file, uint64_t number, uint64_t after, uint64_t *ret_offset)
{
    struct record r;
    for (uint64_t at = after; at + MANIFEST_RECORD_HEADER <= file.size; at++) {
        if (record_read(file, number, at, &r)) {
            *ret_offset = at;
            return true;
        }
    }
    return false;
}

static enum status record_apply(const struct record *r, const char *path, struct manifest_state *s,
                                struct error *reterr)
{
    struct cursor c = cursor_over(r->payload);
    uint8_t kind = cursor_u8(&c);
    uint8_t kind_expected = r->offset == 0 ? MANIFEST_SNAPSHOT : MANIFEST_COMMIT;
    if (c.failed || kind != kind_expected)
        return corrupt(reterr, path, r->offset, "a record of kind %u where %u must stand", kind,
                       kind_expected);
    while (cursor_left(&c) > 0) {
        struct manifest_edit_storage edit;
        struct error detail = {0};
        uint64_t at = r->offset + MANIFEST_RECORD_HEADER + cursor_offset(&c);
        const char *reason = manifest_edit_decode(&c, &edit);
        if (reason != NULL)
            return corrupt(reterr, path, at, "%s", reason);
        if (manifest_state_apply(s, &edit.e, &detail) < 0)
            return corrupt(reterr, path, at, "%s", detail.text);
    }
    return STATUS_OK;
}

enum status manifest_replay(struct slice bytes, uint64_t number, const char *path,
                            struct manifest_state *s, struct manifest_replay *ret,
                            struct error *reterr)
{
    struct manifest_replay done = {0};
    struct record r;
    while (done.end < bytes.size && record_read(bytes, number, done.end, &r)) {
        enum status status = record_apply(&r, path, s, reterr);
        if (status < 0)
            return status;
        done.end = r.end;
        if (r.offset == 0)
            done.snapshot = r.end;
    }
    if (done.end == 0)
        return corrupt(reterr, path, 0, "the snapshot at the start is damaged");
    uint64_t next;
    if (record_follows(bytes, number, done.end, &next))
        return corrupt(reterr, path, done.end,
                       "a damaged record, %" PRIu64 " bytes before a good one at %" PRIu64,
                       next - done.end, next);
    done.torn = bytes.size - done.end;
    *ret = done;
    return STATUS_OK;
}

void manifest_log_path(uint64_t number, char to[MANIFEST_PATH_BYTES])
{
    snprintf(to, MANIFEST_PATH_BYTES, MANIFEST_DIRECTORY "/%010" PRIu64, number);
}

bool manifest_log_number(const char *name, uint64_t *ret_number)
{
    uint64_t number = 0;
    size_t digits = 0;
    for (; name[digits] >= '0' && name[digits] <= '9'; digits++) {
        if (digits == 19)
            return false;
        number = number * 10 + (uint64_t)(name[digits] - '0');
    }
    if (digits < 10 || name[digits] != 0)
        return false;
    *ret_number = number;
    return true;
}

/* "manifest/0000000007 0123456789abcdef\n": the path and the XXH3-64 of the path in hex. */
void manifest_current_encode(uint64_t number, struct buffer *to)
{
    char path[MANIFEST_PATH_BYTES];
    manifest_log_path(number, path);
    buffer_printf(to, "%s %016" PRIx64 "\n", path, hash64(slice_text(path)));
}

enum status manifest_current_decode(struct slice bytes, uint64_t *ret_number, struct error *reterr)
{
    char name[MANIFEST_PATH_BYTES] = "";
    uint64_t number;
    size_t prefix = strlen(MANIFEST_DIRECTORY "/");
    const uint8_t *space = memchr(bytes.data, ' ', bytes.size);
    size_t path_size = space == NULL ? 0 : (size_t)(space - bytes.data);
    if (path_size <= prefix || path_size - prefix >= sizeof name)
        return corrupt(reterr, MANIFEST_CURRENT, 0, "does not name a manifest file");
    memcpy(name, bytes.data + prefix, path_size - prefix);
    if (!manifest_log_number(name, &number))
        return corrupt(reterr, MANIFEST_CURRENT, 0, "does not name a manifest file");
    struct buffer again = {0};
    manifest_current_encode(number, &again);
    bool same = slice_equal(buffer_slice(&again), bytes);
    buffer_deinit(&again);
    if (!same)
        return corrupt(reterr, MANIFEST_CURRENT, 0, "its checksum does not fit");
    *ret_number = number;
    return STATUS_OK;
}
