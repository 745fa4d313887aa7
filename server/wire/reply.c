/*
 * reply.c - the small frames, encoder beside decoder.
 *
 * Format:    FORMAT.md 9.3 and 9.7 to 9.9
 */
#include "server/wire/reply.h"

#include "engine/base/check.h"

static enum status malformed(struct error *reterr, enum wire_type type)
{
    return error_set(reterr, STATUS_CORRUPT,
                     "frame %s: it is cut short, has bytes left over or a count beyond its limit",
                     wire_type_name(type));
}

/* ---- ACK ---- */

void wire_ack_write(struct buffer *to, const struct wire_ack *ack)
{
    size_t start = frame_begin(to, WIRE_ACK, 0);
    put_u64(to, ack->batch_seq);
    put_u64(to, ack->credit_bytes);
    put_u32(to, ack->credit_rows);
    put_u32(to, ack->accepted);
    put_u32(to, ack->duplicates);
    put_u32(to, 0);
    frame_end(to, start);
}

enum status wire_ack_read(struct slice payload, struct wire_ack *ret, struct error *reterr)
{
    struct cursor c = cursor_over(payload);
    struct wire_ack ack = {.batch_seq = cursor_u64(&c)};
    ack.credit_bytes = cursor_u64(&c);
    ack.credit_rows = cursor_u32(&c);
    ack.accepted = cursor_u32(&c);
    ack.duplicates = cursor_u32(&c);
    uint32_t reserved = cursor_u32(&c);
    if (!cursor_done(&c) || reserved != 0)
        return malformed(reterr, WIRE_ACK);
    *ret = ack;
    return STATUS_OK;
}

/* ---- ERROR ---- */

static struct slice cut(struct slice text, size_t max)
{
    return text.size > max ? slice_of(text.data, max) : text;
}

void wire_error_write(struct buffer *to, const struct wire_error *error)
{
    ASSERT(error->status < 0);
    size_t start = frame_begin(to, WIRE_ERROR, 0);
    put_u64(to, error->batch_seq);
    put_u16(to, (uint16_t)-error->status);
    put_u16(to, (uint16_t)((error->retryable ? WIRE_ERROR_RETRYABLE : 0) |
                           (error->fatal ? WIRE_ERROR_FATAL : 0)));
    put_u32(to, error->row);
    put_u32(to, error->retry_after_ms);
    put_bytes(to, cut(error->column, WIRE_ERROR_TEXT_MAX));
    put_bytes(to, cut(error->text, WIRE_ERROR_TEXT_MAX));
    frame_end(to, start);
}

enum status wire_error_read(struct slice payload, struct wire_error *ret, struct error *reterr)
{
    struct cursor c = cursor_over(payload);
    struct wire_error error = {.batch_seq = cursor_u64(&c)};
    uint16_t status = cursor_u16(&c);
    uint16_t flags = cursor_u16(&c);
    error.row = cursor_u32(&c);
    error.retry_after_ms = cursor_u32(&c);
    error.column = cursor_bytes(&c);
    error.text = cursor_bytes(&c);
    /* A status this side does not know yet is still a failure. */
    bool known = status != 0 && status <= (uint16_t)-STATUS_FULL;
    error.status = known ? (enum status)(-(int)status) : STATUS_UNAVAILABLE;
    error.retryable = (flags & WIRE_ERROR_RETRYABLE) != 0;
    error.fatal = (flags & WIRE_ERROR_FATAL) != 0;
    if (!cursor_done(&c) || status == 0 ||
        (flags & ~(WIRE_ERROR_RETRYABLE | WIRE_ERROR_FATAL)) != 0 ||
        error.column.size > WIRE_ERROR_TEXT_MAX || error.text.size > WIRE_ERROR_TEXT_MAX)
        return malformed(reterr, WIRE_ERROR);
    *ret = error;
    return STATUS_OK;
}

/* ---- MESSAGES_HAVE, MESSAGES_WANT ---- */

void wire_addresses_write(struct buffer *to, enum wire_type type, const struct wire_addresses *list)
{
    ASSERT(list->count <= WIRE_ADDRESSES_MAX);
    size_t start = frame_begin(to, type, 0);
    put_u64(to, list->batch_seq);
    put_u32(to, list->count);
    put_u32(to, 0);
    buffer_add(to, list->addresses, list->count * sizeof *list->addresses);
    frame_end(to, start);
}

enum status wire_addresses_read(struct slice payload, enum wire_type type,
                                struct wire_addresses *ret, struct error *reterr)
{
    struct cursor c = cursor_over(payload);
    struct wire_addresses list = {.batch_seq = cursor_u64(&c)};
    list.count = cursor_u32(&c);
    uint32_t reserved = cursor_u32(&c);
    if (list.count > WIRE_ADDRESSES_MAX)
        return malformed(reterr, type);
    struct slice bytes = cursor_take(&c, (uint64_t)list.count * sizeof(struct id128));
    if (!cursor_done(&c) || reserved != 0)
        return malformed(reterr, type);
    static_assert(_Alignof(struct id128) == 1, "addresses are read where they lie");
    list.addresses = (const struct id128 *)(const void *)bytes.data;
    *ret = list;
    return STATUS_OK;
}

/* ---- RESUME, PING, PONG ---- */

void wire_number_write(struct buffer *to, enum wire_type type, uint64_t number)
{
    size_t start = frame_begin(to, type, 0);
    put_u64(to, number);
    frame_end(to, start);
}

enum status wire_number_read(struct slice payload, enum wire_type type, uint64_t *ret,
                             struct error *reterr)
{
    struct cursor c = cursor_over(payload);
    uint64_t number = cursor_u64(&c);
    if (!cursor_done(&c))
        return malformed(reterr, type);
    *ret = number;
    return STATUS_OK;
}

/* ---- GOAWAY ---- */

void wire_goaway_write(struct buffer *to, const struct wire_goaway *goaway)
{
    size_t start = frame_begin(to, WIRE_GOAWAY, 0);
    put_u32(to, goaway->reconnect_after_ms);
    put_bytes(to, cut(goaway->text, WIRE_ERROR_TEXT_MAX));
    frame_end(to, start);
}

enum status wire_goaway_read(struct slice payload, struct wire_goaway *ret, struct error *reterr)
{
    struct cursor c = cursor_over(payload);
    struct wire_goaway goaway = {.reconnect_after_ms = cursor_u32(&c)};
    goaway.text = cursor_bytes(&c);
    if (!cursor_done(&c) || goaway.text.size > WIRE_ERROR_TEXT_MAX)
        return malformed(reterr, WIRE_GOAWAY);
    *ret = goaway;
    return STATUS_OK;
}
