/*
 * commit.c - a commit as bytes and back.
 *
 * Place:     engine_append -> [commit_encode] -> wal -> [commit_decode] -> recovery
 * Format:    FORMAT.md 4.5
 * Failure:   a payload that passed the log's checksum and is malformed all the same is STATUS_CORRUPT
 *            with the offset in the payload.
 */
#include "engine/commit.h"

#include "engine/base/cursor.h"
#include "engine/base/hash.h"
#include "engine/base/limits.h"

#define COMMIT_HEADER_BYTES 64u
#define BATCH_SIZES_AT      40u

void commit_encode(const struct commit *c, struct buffer *to)
{
    size_t start = to->size;
    put_u8(to, COMMIT_VERSION);
    put_u8(to, 0);
    put_u16(to, 0);
    put_u32(to, c->message_count);
    buffer_add(to, c->client.bytes, sizeof c->client.bytes);
    put_u64(to, c->batch_seq);
    put_u64(to, (uint64_t)c->time_ns);
    for (size_t at = BATCH_SIZES_AT; at < COMMIT_HEADER_BYTES; at += sizeof(uint64_t))
        put_u64(to, 0);
    for (uint32_t t = 0; t < TABLE_COUNT; t++) {
        if (c->batches[t].rows == 0)
            continue;
        size_t before = to->size;
        batch_encode(&c->batches[t], to);
        uint64_t size = to->size - before;
        memcpy(to->data + start + BATCH_SIZES_AT + t * sizeof size, &size, sizeof size);
    }
    for (uint32_t i = 0; i < c->message_count; i++) {
        put_u32(to, (uint32_t)c->messages[i].body.size);
        buffer_add_slice(to, c->messages[i].body);
    }
}

static enum status damaged(struct error *reterr, const struct cursor *c, const char *what)
{
    return error_set_at(reterr, STATUS_CORRUPT, (int64_t)cursor_offset(c), "commit record: %s",
                        what);
}

static enum status batches_decode(struct cursor *c, const uint64_t *sizes, struct schema *schema,
                                  struct arena *arena, struct commit *ret, struct error *reterr)
{
    for (uint32_t t = 0; t < TABLE_COUNT; t++) {
        struct slice bytes = cursor_take(c, sizes[t]);
        ret->batches[t] = (struct batch){.table = (enum table)t};
        if (c->failed)
            return damaged(reterr, c, "a batch ends after the record");
        if (bytes.size == 0)
            continue;
        enum status s = batch_decode(bytes, schema, arena, &ret->batches[t], reterr);
        if (s < 0) {
            error_prefix(reterr, "commit record: %s", table_name((enum table)t));
            return s;
        }
        if (ret->batches[t].table != (enum table)t || ret->batches[t].rows == 0)
            return damaged(reterr, c, "a batch is of another table or empty");
    }
    return STATUS_OK;
}

static enum status messages_decode(struct cursor *c, struct arena *arena, struct commit *ret,
                                   struct error *reterr)
{
    /* Each takes at least the four bytes of its length. */
    if (ret->message_count > cursor_left(c) / sizeof(uint32_t))
        return damaged(reterr, c, "more messages than bytes");
    struct message *messages = ARENA_ARRAY(arena, struct message, ret->message_count);
    for (uint32_t i = 0; i < ret->message_count; i++) {
        uint32_t size = cursor_u32(c);
        struct slice body = cursor_take(c, size);
        if (c->failed || size > MESSAGE_BYTES_MAX)
            return damaged(reterr, c, "a message is too long");
        messages[i] = (struct message){.address = hash128(body), .body = body};
    }
    ret->messages = messages;
    return cursor_done(c) ? STATUS_OK : damaged(reterr, c, "bytes are left over");
}

enum status commit_decode(struct slice payload, struct schema *schema, struct arena *arena,
                          struct commit *ret, struct error *reterr)
{
    struct cursor c = cursor_over(payload);
    struct commit out = {0};
    uint64_t sizes[TABLE_COUNT];
    uint8_t version = cursor_u8(&c);
    uint8_t reserved = cursor_u8(&c);
    reserved |= cursor_u16(&c) != 0;
    out.message_count = cursor_u32(&c);
    struct slice client = cursor_take(&c, sizeof out.client);
    bytes_copy(out.client.bytes, client.data, client.size);
    out.batch_seq = cursor_u64(&c);
    out.time_ns = (int64_t)cursor_u64(&c);
    for (uint32_t t = 0; t < TABLE_COUNT; t++)
        sizes[t] = cursor_u64(&c);
    if (c.failed || version != COMMIT_VERSION || reserved != 0)
        return damaged(reterr, &c, "its header is not one of this version");
    enum status s = batches_decode(&c, sizes, schema, arena, &out, reterr);
    if (s >= 0)
        s = messages_decode(&c, arena, &out, reterr);
    if (s >= 0)
        *ret = out;
    return s;
}
