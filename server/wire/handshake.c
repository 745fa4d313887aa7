/*
 * handshake.c - the first frame of each side.
 *
 * Format:    FORMAT.md 9.2
 * Failure:   the text names the field.
 */
#include "server/wire/handshake.h"

#include "engine/base/check.h"

void wire_hello_write(struct buffer *to, const struct wire_hello *hello)
{
    ASSERT(hello->key.size <= WIRE_KEY_BYTES_MAX);
    ASSERT(hello->project.size <= PROJECT_NAME_MAX);
    ASSERT(hello->name.size <= WIRE_NAME_BYTES_MAX);
    size_t start = frame_begin(to, WIRE_HELLO, 0);
    put_u32(to, WIRE_MAGIC);
    put_u16(to, hello->version_min);
    put_u16(to, hello->version_max);
    buffer_add(to, hello->client.bytes, sizeof hello->client.bytes);
    put_bytes(to, hello->key);
    put_bytes(to, hello->project);
    put_bytes(to, hello->name);
    frame_end(to, start);
}

static enum status field_bad(struct error *reterr, const char *field)
{
    return error_set(reterr, STATUS_CORRUPT, "HELLO: %s", field);
}

enum status wire_hello_read(struct slice payload, struct wire_hello *ret, struct error *reterr)
{
    struct cursor c = cursor_over(payload);
    struct wire_hello hello = {0};
    uint32_t magic = cursor_u32(&c);
    hello.version_min = cursor_u16(&c);
    hello.version_max = cursor_u16(&c);
    struct slice client = cursor_take(&c, sizeof hello.client.bytes);
    bytes_copy(hello.client.bytes, client.data, client.size);
    if (c.failed || magic != WIRE_MAGIC)
        return field_bad(reterr, "the magic number is missing");
    if (hello.version_min > hello.version_max)
        return field_bad(reterr, "version_min is above version_max");
    /* A later version may add fields at the end: an older server answers what it does speak. */
    bool exact = hello.version_min <= WIRE_VERSION_MAX;
    hello.key = cursor_bytes(&c);
    hello.project = cursor_bytes(&c);
    hello.name = cursor_bytes(&c);
    if (hello.key.size > WIRE_KEY_BYTES_MAX)
        return field_bad(reterr, "the key is too long");
    if (hello.project.size > PROJECT_NAME_MAX)
        return field_bad(reterr, "the project name is too long");
    if (hello.name.size > WIRE_NAME_BYTES_MAX)
        return field_bad(reterr, "the client name is too long");
    if (exact && !cursor_done(&c))
        return field_bad(reterr, "it is cut short or has bytes left over");
    *ret = hello;
    return STATUS_OK;
}

enum status wire_version_agree(const struct wire_hello *hello, uint16_t *ret_version,
                               struct error *reterr)
{
    if (hello->version_min > WIRE_VERSION_MAX || hello->version_max < WIRE_VERSION_MIN)
        return error_set(reterr, STATUS_UNAVAILABLE,
                         "this server speaks versions %u to %u of the native protocol, the client "
                         "%u to %u: upgrade the older one",
                         WIRE_VERSION_MIN, WIRE_VERSION_MAX, (unsigned)hello->version_min,
                         (unsigned)hello->version_max);
    *ret_version =
        hello->version_max < WIRE_VERSION_MAX ? hello->version_max : (uint16_t)WIRE_VERSION_MAX;
    return STATUS_OK;
}

void wire_welcome_write(struct buffer *to, const struct wire_welcome *w)
{
    ASSERT(w->server.size <= WIRE_NAME_BYTES_MAX);
    size_t start = frame_begin(to, WIRE_WELCOME, 0);
    put_u16(to, w->version);
    put_u16(to, 0);
    put_u32(to, w->credit_rows);
    put_u64(to, w->last_batch_seq);
    put_u64(to, (uint64_t)w->server_time_ns);
    put_u64(to, w->credit_bytes);
    put_u32(to, w->payload_max);
    put_u32(to, w->batch_rows_max);
    put_u32(to, w->dictionary_entries_max);
    put_u32(to, w->dictionary_bytes_max);
    put_bytes(to, w->server);
    frame_end(to, start);
}

enum status wire_welcome_read(struct slice payload, struct wire_welcome *ret, struct error *reterr)
{
    struct cursor c = cursor_over(payload);
    struct wire_welcome w = {.version = cursor_u16(&c)};
    uint16_t reserved = cursor_u16(&c);
    w.credit_rows = cursor_u32(&c);
    w.last_batch_seq = cursor_u64(&c);
    w.server_time_ns = (int64_t)cursor_u64(&c);
    w.credit_bytes = cursor_u64(&c);
    w.payload_max = cursor_u32(&c);
    w.batch_rows_max = cursor_u32(&c);
    w.dictionary_entries_max = cursor_u32(&c);
    w.dictionary_bytes_max = cursor_u32(&c);
    w.server = cursor_bytes(&c);
    if (!cursor_done(&c) || reserved != 0 || w.server.size > WIRE_NAME_BYTES_MAX)
        return error_set(reterr, STATUS_CORRUPT, "WELCOME: it is cut short or has bytes left over");
    if (w.version < WIRE_VERSION_MIN || w.version > WIRE_VERSION_MAX)
        return error_set(reterr, STATUS_UNAVAILABLE,
                         "the server chose version %u of the native protocol, this client speaks "
                         "%u to %u",
                         (unsigned)w.version, WIRE_VERSION_MIN, WIRE_VERSION_MAX);
    *ret = w;
    return STATUS_OK;
}
