/*
 * test_frame.c - framing and the small frames: good bytes, every truncation, every bit flip, limits.
 */
#include "server/wire/handshake.h"
#include "server/wire/reply.h"

#include <criterion/criterion.h>
#include <string.h>

static struct buffer ping_make(size_t payload_bytes)
{
    struct buffer b = {0};
    size_t start = frame_begin(&b, WIRE_PING, 0);
    for (size_t i = 0; i < payload_bytes; i++)
        put_u8(&b, (uint8_t)(i + 1));
    frame_end(&b, start);
    return b;
}

Test(frame, comes_back_as_it_was_written)
{
    for (size_t size = 0; size < 40; size++) {
        struct buffer b = ping_make(size);
        struct frame frame;
        size_t bytes = 0;
        struct error error = {0};
        enum status s = frame_read(buffer_slice(&b), 40, &frame, &bytes, &error);
        cr_assert(s == STATUS_OK, "%zu: %s", size, error.text);
        cr_assert_eq(bytes, b.size);
        cr_assert_eq(bytes % WIRE_ALIGN, 0);
        cr_assert_eq(frame.type, WIRE_PING);
        cr_assert_eq(frame.payload.size, size);
        for (size_t i = 0; i < size; i++)
            cr_assert_eq(frame.payload.data[i], (uint8_t)(i + 1));
        buffer_deinit(&b);
    }
}

Test(frame, asks_for_more_at_every_truncation_and_says_how_much)
{
    struct buffer b = ping_make(13);
    for (size_t size = 0; size < b.size; size++) {
        struct frame frame;
        size_t bytes = 99;
        enum status s = frame_read(slice_of(b.data, size), 40, &frame, &bytes, NULL);
        cr_assert_eq(s, STATUS_END);
        cr_assert_eq(bytes, size < 8 ? 0 : b.size);
    }
    buffer_deinit(&b);
}

Test(frame, refuses_every_single_bit_flip)
{
    struct buffer b = ping_make(13);
    /* A longer length must not read beyond: keep the bytes in a tight block of their own. */
    for (size_t bit = 0; bit < b.size * 8; bit++) {
        uint8_t *copy = mem_alloc(b.size);
        memcpy(copy, b.data, b.size);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        struct frame frame;
        size_t bytes = 0;
        enum status s = frame_read(slice_of(copy, b.size), 1u << 20, &frame, &bytes, NULL);
        /* A length that grew is not wrong yet: the rest has not come. */
        cr_assert(s < 0 || (s == STATUS_END && bit < 32), "bit %zu", bit);
        mem_free(copy);
    }
    buffer_deinit(&b);
}

Test(frame, holds_the_payload_limit_to_the_byte)
{
    struct buffer b = ping_make(13);
    struct frame frame;
    size_t bytes;
    struct error error = {0};
    cr_assert_eq(frame_read(buffer_slice(&b), 13, &frame, &bytes, &error), STATUS_OK);
    cr_assert_eq(frame_read(buffer_slice(&b), 12, &frame, &bytes, &error), STATUS_LIMIT);
    cr_assert(strstr(error.text, "PING") != NULL && strstr(error.text, "12") != NULL, "%s",
              error.text);
    buffer_deinit(&b);
}

Test(frame, names_other_protocols_at_once)
{
    struct frame frame;
    size_t bytes;
    struct error error = {0};
    cr_assert_eq(frame_read(slice_text("GET / HTTP/1.1\r\n"), 16384, &frame, &bytes, &error),
                 STATUS_CORRUPT);
    cr_assert(strstr(error.text, "native protocol") != NULL, "%s", error.text);
}

/* ---- the small frames: each decoder over its encoder's payload ---- */

typedef enum status (*small_read)(struct slice payload, struct error *reterr);

static enum status read_hello(struct slice p, struct error *e)
{
    struct wire_hello v;
    return wire_hello_read(p, &v, e);
}
static enum status read_welcome(struct slice p, struct error *e)
{
    struct wire_welcome v;
    return wire_welcome_read(p, &v, e);
}
static enum status read_ack(struct slice p, struct error *e)
{
    struct wire_ack v;
    return wire_ack_read(p, &v, e);
}
static enum status read_error(struct slice p, struct error *e)
{
    struct wire_error v;
    return wire_error_read(p, &v, e);
}
static enum status read_want(struct slice p, struct error *e)
{
    struct wire_addresses v;
    return wire_addresses_read(p, WIRE_MESSAGES_WANT, &v, e);
}
static enum status read_resume(struct slice p, struct error *e)
{
    uint64_t v;
    return wire_number_read(p, WIRE_RESUME, &v, e);
}
static enum status read_goaway(struct slice p, struct error *e)
{
    struct wire_goaway v;
    return wire_goaway_read(p, &v, e);
}

static const struct id128 three_addresses[3] = {{{1}}, {{2}}, {{3}}};

static struct buffer small_make(unsigned which, small_read *ret_read)
{
    struct buffer b = {0};
    switch (which) {
    case 0:
        *ret_read = read_hello;
        wire_hello_write(&b, &(struct wire_hello){.version_min = 1,
                                                  .version_max = 1,
                                                  .client = {{9, 8, 7}},
                                                  .key = slice_text("dl_key"),
                                                  .project = slice_text("default"),
                                                  .name = slice_text("test")});
        break;
    case 1:
        *ret_read = read_welcome;
        wire_welcome_write(&b, &(struct wire_welcome){.version = 1,
                                                      .last_batch_seq = 77,
                                                      .server_time_ns = -5,
                                                      .credit_rows = 10,
                                                      .credit_bytes = 20,
                                                      .payload_max = 30,
                                                      .batch_rows_max = 40,
                                                      .dictionary_entries_max = 50,
                                                      .dictionary_bytes_max = 60,
                                                      .server = slice_text("driftline")});
        break;
    case 2:
        *ret_read = read_ack;
        wire_ack_write(&b, &(struct wire_ack){.batch_seq = 5,
                                              .credit_bytes = 6,
                                              .credit_rows = 7,
                                              .accepted = 8,
                                              .duplicates = 9});
        break;
    case 3:
        *ret_read = read_error;
        wire_error_write(&b, &(struct wire_error){.batch_seq = 5,
                                                  .status = STATUS_READ_ONLY,
                                                  .retryable = true,
                                                  .row = WIRE_ROW_NONE,
                                                  .retry_after_ms = 100,
                                                  .column = slice_text("spans.model"),
                                                  .text = slice_text("why")});
        break;
    case 4:
        *ret_read = read_want;
        wire_addresses_write(
            &b, WIRE_MESSAGES_WANT,
            &(struct wire_addresses){.batch_seq = 3, .count = 3, .addresses = three_addresses});
        break;
    case 5:
        *ret_read = read_resume;
        wire_number_write(&b, WIRE_RESUME, 12);
        break;
    default:
        *ret_read = read_goaway;
        wire_goaway_write(
            &b, &(struct wire_goaway){.reconnect_after_ms = 5, .text = slice_text("restarting")});
        break;
    }
    return b;
}
#define SMALL_COUNT 7u

Test(small_frames, refuse_every_truncation_and_survive_every_flip)
{
    for (unsigned which = 0; which < SMALL_COUNT; which++) {
        small_read read;
        struct buffer b = small_make(which, &read);
        struct frame frame;
        size_t bytes;
        struct error error = {0};
        cr_assert_eq(frame_read(buffer_slice(&b), 16384, &frame, &bytes, &error), STATUS_OK);
        cr_assert(read(frame.payload, &error) == STATUS_OK, "%u: %s", which, error.text);
        for (size_t size = 0; size < frame.payload.size; size++) {
            uint8_t *tight = mem_alloc(size);
            bytes_copy(tight, frame.payload.data, size);
            cr_assert(read(slice_of(tight, size), &error) < 0, "%u cut at %zu", which, size);
            mem_free(tight);
        }
        struct buffer longer = {0};
        buffer_add_slice(&longer, frame.payload);
        buffer_add_byte(&longer, 0);
        cr_assert(read(buffer_slice(&longer), &error) < 0, "%u with a byte more", which);
        buffer_deinit(&longer);
        for (size_t bit = 0; bit < frame.payload.size * 8; bit++) {
            uint8_t *tight = mem_alloc(frame.payload.size);
            memcpy(tight, frame.payload.data, frame.payload.size);
            tight[bit / 8] ^= (uint8_t)(1u << bit % 8);
            (void)read(slice_of(tight, frame.payload.size), &error);
            mem_free(tight);
        }
        buffer_deinit(&b);
    }
}

static struct frame frame_of(const struct buffer *b)
{
    struct frame frame;
    size_t bytes;
    cr_assert_eq(frame_read(buffer_slice(b), 16384, &frame, &bytes, NULL), STATUS_OK);
    return frame;
}

Test(small_frames, keep_every_field)
{
    small_read read;
    struct buffer b = small_make(0, &read);
    struct wire_hello hello;
    cr_assert_eq(wire_hello_read(frame_of(&b).payload, &hello, NULL), STATUS_OK);
    cr_assert(hello.client.bytes[1] == 8 && slice_is(hello.key, "dl_key"));
    cr_assert(slice_is(hello.project, "default") && slice_is(hello.name, "test"));
    buffer_deinit(&b);

    b = small_make(1, &read);
    struct wire_welcome w;
    cr_assert_eq(wire_welcome_read(frame_of(&b).payload, &w, NULL), STATUS_OK);
    cr_assert(w.last_batch_seq == 77 && w.server_time_ns == -5 && w.credit_rows == 10);
    cr_assert(w.credit_bytes == 20 && w.payload_max == 30 && w.batch_rows_max == 40);
    cr_assert(w.dictionary_entries_max == 50 && w.dictionary_bytes_max == 60);
    buffer_deinit(&b);

    b = small_make(3, &read);
    struct wire_error e;
    cr_assert_eq(wire_error_read(frame_of(&b).payload, &e, NULL), STATUS_OK);
    cr_assert(e.batch_seq == 5 && e.status == STATUS_READ_ONLY && e.retryable && !e.fatal);
    cr_assert(e.row == WIRE_ROW_NONE && e.retry_after_ms == 100);
    cr_assert(slice_is(e.column, "spans.model") && slice_is(e.text, "why"));
    buffer_deinit(&b);

    b = small_make(4, &read);
    struct wire_addresses a;
    cr_assert_eq(wire_addresses_read(frame_of(&b).payload, WIRE_MESSAGES_WANT, &a, NULL),
                 STATUS_OK);
    cr_assert(a.batch_seq == 3 && a.count == 3);
    cr_assert(memcmp(a.addresses, three_addresses, sizeof three_addresses) == 0);
    buffer_deinit(&b);
}

Test(small_frames, cut_texts_that_are_too_long)
{
    char text[3000];
    struct buffer b = {0};
    struct wire_error e;
    memset(text, 'x', sizeof text);
    wire_error_write(&b, &(struct wire_error){.status = STATUS_INVALID,
                                              .text = slice_of(text, sizeof text),
                                              .column = SLICE_EMPTY});
    cr_assert_eq(wire_error_read(frame_of(&b).payload, &e, NULL), STATUS_OK);
    cr_assert_eq(e.text.size, WIRE_ERROR_TEXT_MAX);
    buffer_deinit(&b);
}

Test(handshake, agrees_on_the_highest_common_version)
{
    struct error error = {0};
    uint16_t version = 0;
    struct wire_hello hello = {.version_min = 1, .version_max = 9};
    cr_assert_eq(wire_version_agree(&hello, &version, &error), STATUS_OK);
    cr_assert_eq(version, WIRE_VERSION_MAX);
    hello.version_min = WIRE_VERSION_MAX + 1;
    cr_assert_eq(wire_version_agree(&hello, &version, &error), STATUS_UNAVAILABLE);
    cr_assert(strstr(error.text, "2 to 9") != NULL, "%s", error.text);
}

Test(handshake, refuses_fields_beyond_their_limits)
{
    struct buffer b = {0};
    char long_text[400];
    struct error error = {0};
    struct wire_hello hello;
    memset(long_text, 'k', sizeof long_text);
    put_u32(&b, WIRE_MAGIC);
    put_u16(&b, 1);
    put_u16(&b, 1);
    put_u64(&b, 0);
    put_u64(&b, 0);
    size_t head = b.size;
    put_bytes(&b, slice_of(long_text, WIRE_KEY_BYTES_MAX + 1));
    put_bytes(&b, SLICE_EMPTY);
    put_bytes(&b, SLICE_EMPTY);
    cr_assert_eq(wire_hello_read(buffer_slice(&b), &hello, &error), STATUS_CORRUPT);
    cr_assert(strstr(error.text, "key") != NULL, "%s", error.text);
    b.size = head;
    put_bytes(&b, slice_of(long_text, WIRE_KEY_BYTES_MAX));
    put_bytes(&b, slice_of(long_text, PROJECT_NAME_MAX + 1));
    put_bytes(&b, SLICE_EMPTY);
    cr_assert_eq(wire_hello_read(buffer_slice(&b), &hello, &error), STATUS_CORRUPT);
    cr_assert(strstr(error.text, "project") != NULL, "%s", error.text);
    b.size = head;
    put_bytes(&b, slice_of(long_text, WIRE_KEY_BYTES_MAX));
    put_bytes(&b, slice_of(long_text, PROJECT_NAME_MAX));
    put_bytes(&b, slice_of(long_text, WIRE_NAME_BYTES_MAX));
    cr_assert_eq(wire_hello_read(buffer_slice(&b), &hello, &error), STATUS_OK);
    buffer_deinit(&b);
}
