/*
 * fuzz_frame.c - the native protocol's decoders over hostile bytes.
 *
 * The first byte chooses: 0, a byte stream as it comes from a socket (checksums count); else a list of
 * frames { u8 type, u8 flags, u16 size, payload } that go to the decoders directly, several on one
 * connection's dictionaries. What is decoded is read to the last byte, and a decoded batch is written and read once more.
 */
#include "server/wire/batch_frame.h"
#include "server/wire/handshake.h"
#include "server/wire/reply.h"

#include "engine/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct connection {
    struct wire_dictionaries dictionaries;
    struct schema schema;
    struct arena arena;
    uint64_t sum; /* of everything read, so that nothing is optimised away */
};

static void slice_touch(struct connection *c, struct slice s)
{
    for (size_t i = 0; i < s.size; i++)
        c->sum += s.data[i];
}

static void vector_touch(struct connection *c, const struct vector *v)
{
    for (uint32_t row = 0; row < v->rows; row++) {
        switch (v->storage) {
        case STORAGE_I64:
        case STORAGE_F64:
        case STORAGE_ID64:
            ASSERT(vector_has(v, row) || v->id64[row] == 0);
            c->sum += v->id64[row];
            break;
        case STORAGE_ID128:
            c->sum += v->id128[row].bytes[0];
            break;
        case STORAGE_STR:
            ASSERT(v->codes[row] < v->dict->count);
            slice_touch(c, vector_bytes(v, row));
            break;
        case STORAGE_TEXT:
        case STORAGE_REFS:
            slice_touch(c, vector_bytes(v, row));
            break;
        }
    }
}

/* A decoded batch can always be written, and reads back with as many rows. */
static void batch_again(struct connection *c, const struct wire_batch *batch)
{
    struct wire_input in = {.spans = &batch->tables[TABLE_SPANS],
                            .scores = &batch->tables[TABLE_SCORES],
                            .tags = &batch->tables[TABLE_TAGS],
                            .messages = batch->messages,
                            .message_count = batch->message_count};
    struct wire_strings strings = {0};
    struct wire_dictionaries dictionaries = {0};
    struct buffer out = {0};
    struct arena arena = {0};
    struct frame frame;
    struct wire_batch again;
    struct wire_fault fault;
    struct error error = {0};
    size_t bytes;
    enum status s =
        wire_batch_write(&in, batch->batch_seq, WIRE_FLAG_RESET, &strings, NULL, &out, &error);
    ASSERT(s == STATUS_OK || s == STATUS_LIMIT);
    if (s == STATUS_OK) {
        s = frame_read(buffer_slice(&out), WIRE_PAYLOAD_MAX, &frame, &bytes, &error);
        ASSERT(s == STATUS_OK);
        s = wire_batch_read(&frame, &dictionaries, &c->schema, &arena, &again, &fault, &error);
        ASSERT(s == STATUS_OK);
        for (unsigned t = 0; t < TABLE_COUNT; t++)
            ASSERT(again.tables[t].rows == batch->tables[t].rows);
    }
    wire_strings_deinit(&strings);
    wire_dictionaries_deinit(&dictionaries);
    buffer_deinit(&out);
    arena_deinit(&arena);
}

static void batch_decode_all(struct connection *c, const struct frame *frame)
{
    struct wire_batch batch;
    struct wire_fault fault;
    struct error error = {0};
    arena_reset(&c->arena);
    if (wire_batch_read(frame, &c->dictionaries, &c->schema, &c->arena, &batch, &fault, &error) < 0)
        return;
    for (unsigned t = 0; t < TABLE_COUNT; t++)
        for (uint32_t i = 0; i < batch.tables[t].column_count; i++)
            vector_touch(c, &batch.tables[t].columns[i].vector);
    for (uint32_t i = 0; i < batch.message_count; i++)
        slice_touch(c, batch.messages[i].body);
    batch_again(c, &batch);
}

static void frame_decode(struct connection *c, const struct frame *frame)
{
    struct error error = {0};
    struct wire_hello hello;
    struct wire_welcome welcome;
    struct wire_ack ack;
    struct wire_error refusal;
    struct wire_addresses list;
    struct wire_goaway goaway;
    struct message *messages;
    uint32_t count;
    uint64_t number;
    switch (frame->type) {
    case WIRE_HELLO:
        if (wire_hello_read(frame->payload, &hello, &error) == STATUS_OK)
            slice_touch(c, hello.name);
        break;
    case WIRE_WELCOME:
        if (wire_welcome_read(frame->payload, &welcome, &error) == STATUS_OK)
            slice_touch(c, welcome.server);
        break;
    case WIRE_BATCH:
        batch_decode_all(c, frame);
        break;
    case WIRE_ACK:
        (void)!wire_ack_read(frame->payload, &ack, &error);
        break;
    case WIRE_ERROR:
        if (wire_error_read(frame->payload, &refusal, &error) == STATUS_OK)
            slice_touch(c, refusal.text);
        break;
    case WIRE_DICTIONARY:
        (void)!wire_dictionary_frame_read(frame, &c->dictionaries, &error);
        break;
    case WIRE_MESSAGES:
        arena_reset(&c->arena);
        if (wire_messages_read(frame->payload, &c->arena, &messages, &count, &error) == STATUS_OK)
            for (uint32_t i = 0; i < count; i++)
                slice_touch(c, messages[i].body);
        break;
    case WIRE_MESSAGES_HAVE:
    case WIRE_MESSAGES_WANT:
        if (wire_addresses_read(frame->payload, frame->type, &list, &error) == STATUS_OK)
            for (uint32_t i = 0; i < list.count; i++)
                c->sum += list.addresses[i].bytes[15];
        break;
    case WIRE_RESUME:
    case WIRE_PING:
    case WIRE_PONG:
        (void)!wire_number_read(frame->payload, frame->type, &number, &error);
        break;
    case WIRE_GOAWAY:
        if (wire_goaway_read(frame->payload, &goaway, &error) == STATUS_OK)
            slice_touch(c, goaway.text);
        break;
    }
}

static void stream_decode(struct connection *c, struct slice bytes)
{
    struct frame frame;
    struct error error = {0};
    size_t size;
    while (frame_read(bytes, WIRE_PAYLOAD_MAX, &frame, &size, &error) == STATUS_OK) {
        frame_decode(c, &frame);
        bytes = slice_of(bytes.data + size, bytes.size - size);
    }
}

static void list_decode(struct connection *c, struct slice bytes)
{
    struct cursor list = cursor_over(bytes);
    while (cursor_left(&list) >= 4) {
        struct frame frame = {.type = (enum wire_type)cursor_u8(&list)};
        frame.flags = cursor_u8(&list);
        struct slice payload = cursor_take(&list, cursor_u16(&list));
        if (list.failed)
            break;
        /* Of exactly its size, so that a sanitizer sees reads past its end. */
        uint8_t *tight = mem_alloc(payload.size);
        bytes_copy(tight, payload.data, payload.size);
        frame.payload = slice_of(tight, payload.size);
        frame_decode(c, &frame);
        mem_free(tight);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct connection c = {0};
    if (size == 0)
        return 0;
    schema_init(&c.schema);
    if (data[0] == 0)
        stream_decode(&c, slice_of(data + 1, size - 1));
    else
        list_decode(&c, slice_of(data + 1, size - 1));
    wire_dictionaries_deinit(&c.dictionaries);
    arena_deinit(&c.arena);
    schema_deinit(&c.schema);
    return 0;
}
