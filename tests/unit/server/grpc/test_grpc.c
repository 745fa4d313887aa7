/*
 * test_grpc.c - calls that are taken and calls that are refused; answers come once the commit is durable.
 */
#include "grpc_fixture.h"

#include <zlib.h>
#include <zstd.h>

#include "bench/otlp_make.h"
#include "server/codec/base64.h"

static const char no_more[] = "\0\0\0\0\0"; /* an empty message */

static struct slice traces_make(struct buffer *to, uint32_t spans, uint64_t first)
{
    struct otlp_make make = {.spans = spans, .first = first};
    struct buffer body = {0};
    otlp_make(&make, &body);
    grpc_frame(to, false, buffer_slice(&body));
    buffer_deinit(&body);
    return buffer_slice(to);
}

static struct slice log_make(struct buffer *to)
{
    struct buffer record = {0};
    struct buffer records = {0};
    struct buffer group = {0};
    struct buffer request = {0};
    static const uint8_t id[16] = {7};
    pb_fixed64(&record, 1, 1793491200000000000u);
    pb_bytes(&record, 9, slice_of(id, 16));
    pb_bytes(&record, 10, slice_of(id, 8));
    pb_bytes(&record, 12, slice_text("something.happened"));
    pb_message(&records, 2, &record);
    pb_message(&group, 2, &records);
    pb_message(&request, 1, &group);
    grpc_frame(to, false, buffer_slice(&request));
    buffer_deinit(&record);
    buffer_deinit(&records);
    buffer_deinit(&group);
    buffer_deinit(&request);
    return buffer_slice(to);
}

static struct call_shape shape_of(const struct host *h)
{
    return (struct call_shape){.key = h->admin_key};
}

static void assert_success(const struct peer_call *call)
{
    cr_assert_str_eq(call->grpc_status, "0", "%s: %s", call->grpc_status, call->message);
    cr_assert_str_eq(call->http_status, "200");
    cr_assert_str_eq(call->content_type, "application/grpc");
    cr_assert(slice_equal(buffer_slice(&call->data), slice_of(no_more, 5)));
}

Test(grpc, spans_are_queryable_when_the_answer_is_there)
{
    struct host *h = host_open((struct grpc_options){0});
    struct peer *p = peer_open(h);
    struct buffer body = {0};
    for (uint32_t i = 0; i < 3; i++) {
        assert_success(peer_call(p, shape_of(h), traces_make(&body, 16, i * 16)));
        cr_assert_eq(row_count(&h->store, TABLE_SPANS), (i + 1) * 16);
    }
    cr_assert_eq(grpc_stats(h->grpc).calls, 3);
    cr_assert_eq(grpc_requests(h->grpc), 0);
    buffer_deinit(&body);
    peer_close(p);
    host_close(h);
}

Test(grpc, logs_and_metrics)
{
    struct host *h = host_open((struct grpc_options){0});
    struct peer *p = peer_open(h);
    struct buffer body = {0};
    struct call_shape shape = shape_of(h);
    shape.path = LOGS;
    assert_success(peer_call(p, shape, log_make(&body)));
    cr_assert_eq(row_count(&h->store, TABLE_SPANS), 1);
    shape.path = METRICS;
    assert_success(peer_call(p, shape, slice_of("\0\0\0\0\3abc", 8)));
    cr_assert_eq(row_count(&h->store, TABLE_SPANS), 1);
    buffer_deinit(&body);
    peer_close(p);
    host_close(h);
}

Test(grpc, many_calls_on_one_connection)
{
    struct host *h = host_open((struct grpc_options){0});
    struct peer *p = peer_open(h);
    struct buffer body = {0};
    for (uint32_t i = 0; i < 90; i++)
        (void)peer_begin(p, shape_of(h), traces_make(&body, 8, i * 8));
    for (uint32_t i = 0; i < 90; i++) {
        peer_wait(p, &p->calls[i]);
        assert_success(&p->calls[i]);
    }
    cr_assert_eq(row_count(&h->store, TABLE_SPANS), 90 * 8);
    buffer_deinit(&body);
    peer_close(p);
    host_close(h);
}

/* Compresses what is in body behind its prefix. */
static void body_compress(struct buffer *body, const char *encoding)
{
    struct buffer packed = {0};
    struct slice message = slice_of(body->data + 5, body->size - 5);
    size_t bound = message.size + 1024;
    uint8_t *to = buffer_reserve(&packed, bound);
    if (strcmp(encoding, "zstd") == 0) {
        packed.size = ZSTD_compress(to, bound, message.data, message.size, 1);
    } else {
        z_stream z = {.next_in = (Bytef *)(uintptr_t)message.data,
                      .avail_in = (uInt)message.size,
                      .next_out = to,
                      .avail_out = (uInt)bound};
        int window = strcmp(encoding, "gzip") == 0 ? 15 + 16 : 15;
        cr_assert_eq(deflateInit2(&z, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
        cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
        packed.size = bound - z.avail_out;
        (void)deflateEnd(&z);
    }
    grpc_frame(body, true, buffer_slice(&packed));
    buffer_deinit(&packed);
}

Test(grpc, compressed_messages)
{
    static const char *const encodings[] = {"gzip", "deflate", "zstd"};
    struct host *h = host_open((struct grpc_options){0});
    struct peer *p = peer_open(h);
    struct buffer body = {0};
    struct call_shape shape = shape_of(h);
    for (uint32_t i = 0; i < 3; i++) {
        shape.encoding = encodings[i];
        (void)traces_make(&body, 16, i * 16);
        body_compress(&body, encodings[i]);
        assert_success(peer_call(p, shape, buffer_slice(&body)));
        cr_assert_eq(row_count(&h->store, TABLE_SPANS), (i + 1) * 16);
    }
    /* An encoding may be announced and not be used. */
    assert_success(peer_call(p, shape, traces_make(&body, 8, 1000)));
    buffer_deinit(&body);
    peer_close(p);
    host_close(h);
}

Test(grpc, the_answer_waits_for_durability)
{
    struct host *h = host_open((struct grpc_options){0});
    struct peer *p = peer_open(h);
    struct buffer body = {0};
    h->is_deaf = true;
    struct peer_call *call = peer_begin(p, shape_of(h), traces_make(&body, 8, 0));
    for (int i = 0; i < 200; i++) {
        peer_turn(p);
        (void)usleep(500);
    }
    cr_assert_not(call->is_closed);
    cr_assert_eq(call->data.size, 0);
    cr_assert_eq(grpc_requests(h->grpc), 1);
    h->is_deaf = false;
    peer_wait(p, call);
    assert_success(call);
    cr_assert_eq(grpc_requests(h->grpc), 0);
    buffer_deinit(&body);
    peer_close(p);
    host_close(h);
}

Test(grpc, keys_may_come_in_other_headers)
{
    struct host *h = host_open((struct grpc_options){0});
    struct peer *p = peer_open(h);
    struct buffer basic = {0};
    char pair[256];
    struct slice empty = slice_of(no_more, 5);
    assert_success(
        peer_call(p, (struct call_shape){.key_header = "x-api-key", .key = h->other_key}, empty));
    assert_success(
        peer_call(p, (struct call_shape){.key_header = "api_key", .key = h->other_key}, empty));
    (void)snprintf(pair, sizeof pair, "pk-lf-public:%s", h->other_key);
    buffer_add_text(&basic, "Basic ");
    base64_encode(slice_text(pair), &basic);
    *buffer_reserve(&basic, 1) = 0;
    assert_success(peer_call(
        p, (struct call_shape){.key_header = "authorization", .key = (const char *)basic.data},
        empty));
    buffer_deinit(&basic);
    peer_close(p);
    host_close(h);
}

Test(grpc, the_project_is_the_key_s_or_the_one_asked_for)
{
    struct host *h = host_open((struct grpc_options){0});
    struct peer *p = peer_open(h);
    struct buffer body = {0};
    uint32_t project = 0;
    assert_success(
        peer_call(p, (struct call_shape){.key = h->other_key}, traces_make(&body, 8, 0)));
    cr_assert_eq(row_count(&h->store, TABLE_SPANS), 0); /* not in "default" */
    cr_assert_eq(engine_project(h->store.engine, slice_text("other"), false, &project, NULL),
                 STATUS_OK);
    cr_assert_eq(engine_project(h->store.engine, slice_text("third"), false, &project, NULL),
                 STATUS_NOT_FOUND);
    assert_success(peer_call(p, (struct call_shape){.key = h->admin_key, .project = "third"},
                             traces_make(&body, 8, 0)));
    cr_assert_eq(engine_project(h->store.engine, slice_text("third"), false, &project, NULL),
                 STATUS_OK);
    buffer_deinit(&body);
    peer_close(p);
    host_close(h);
}

/* ---- refusals ---- */

enum key_of {
    KEY_ADMIN,
    KEY_NONE,
    KEY_WRONG,
    KEY_READER,
    KEY_OTHER
};

/* clang-format off */
static const struct refusal {
    struct call_shape shape;
    enum key_of key;
    const char *data;
    size_t size;
    const char *status;
    const char *message; /* its beginning; NULL: whatever */
} refusals[] = {
    {{0}, KEY_NONE, no_more, 5, "16", NULL},
    {{0}, KEY_WRONG, no_more, 5, "16", NULL},
    {{0}, KEY_READER, no_more, 5, "7", NULL},
    {{.project = "default"}, KEY_OTHER, no_more, 5, "7", NULL},
    {{.project = "No Such/Name"}, KEY_ADMIN, no_more, 5, "3", NULL},
    {{.path = "/opentelemetry.proto.collector.trace.v1.TraceService/Import"}, KEY_ADMIN, no_more, 5, "12", "only Export"},
    {{.path = "/"}, KEY_ADMIN, no_more, 5, "12", "only Export"},
    {{.method = "GET"}, KEY_ADMIN, no_more, 5, "13", "this is the gRPC port"},
    {{.content_type = "application/json"}, KEY_ADMIN, no_more, 5, "13", "this is the gRPC port"},
    {{.encoding = "snappy"}, KEY_ADMIN, no_more, 5, "12", "grpc-encoding"},
    {{0}, KEY_ADMIN, "", 0, "3", "the message is cut short"},
    {{0}, KEY_ADMIN, "\0\0\0\0", 4, "3", "the message is cut short"},
    {{0}, KEY_ADMIN, "\0\0\0\0\2x", 6, "3", "the message is cut short"},
    {{0}, KEY_ADMIN, "\0\0\0\0\1xy", 7, "3", "more than one message"},
    {{0}, KEY_ADMIN, "\0\0\0\0\0\0\0\0\0\0", 10, "3", "more than one message"},
    {{0}, KEY_ADMIN, "\1\0\0\0\0", 5, "13", "a compressed message without grpc-encoding"},
    {{.encoding = "gzip"}, KEY_ADMIN, "\2\0\0\0\0", 5, "13", NULL},
    {{.encoding = "gzip"}, KEY_ADMIN, "\1\0\0\0\3abc", 8, "3", "the body is not gzip"},
    {{0}, KEY_ADMIN, "\0\0\0\0\3abc", 8, "3", "byte 0: damaged protobuf"},
    {{0}, KEY_ADMIN, "\0\xff\xff\xff\xffxyz", 8, "8", "a message of 4294967295 bytes"},
};
/* clang-format on */

Test(grpc, what_can_not_be_served_is_refused_with_a_status)
{
    struct host *h = host_open((struct grpc_options){.message_bytes_max = 1000000});
    struct peer *p = peer_open(h);
    const char *keys[] = {h->admin_key, NULL, "dl_aaaaaaaaaaaa_nonsense", h->reader_key,
                          h->other_key};
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const struct refusal *r = &refusals[i];
        struct call_shape shape = r->shape;
        shape.key = keys[r->key];
        struct peer_call *call = peer_call(p, shape, slice_of(r->data, r->size));
        cr_assert_str_eq(call->grpc_status, r->status, "row %zu: %s %s", i, call->grpc_status,
                         call->message);
        cr_assert_str_eq(call->http_status, "200");
        cr_assert_eq(call->data.size, 0);
        cr_assert_str_eq(call->details, "", "row %zu asks to come again", i);
        if (r->message != NULL)
            cr_assert_eq(strncmp(call->message, r->message, strlen(r->message)), 0, "row %zu: %s",
                         i, call->message);
        else
            cr_assert_str_neq(call->message, "");
    }
    cr_assert_not(p->is_closed);
    assert_success(peer_call(p, shape_of(h), slice_of(no_more, 5)));
    peer_close(p);
    host_close(h);
}

Test(grpc, a_message_over_the_limit_is_refused_decoded_or_not)
{
    struct host *h = host_open((struct grpc_options){.message_bytes_max = 100000});
    struct peer *p = peer_open(h);
    struct buffer zeros = {0};
    struct buffer body = {0};
    memset(buffer_reserve(&zeros, 100001), 0, 100001);
    zeros.size = 100001;
    grpc_frame(&body, false, buffer_slice(&zeros));
    struct peer_call *call = peer_call(p, shape_of(h), buffer_slice(&body));
    cr_assert_str_eq(call->grpc_status, "8", "%s", call->message);
    body_compress(&body, "gzip");
    cr_assert_lt(body.size, 1000);
    struct call_shape shape = shape_of(h);
    shape.encoding = "gzip";
    call = peer_call(p, shape, buffer_slice(&body));
    cr_assert_str_eq(call->grpc_status, "8", "%s", call->message);
    cr_assert_str_eq(call->details, "");
    zeros.size = 100000; /* zeros are no protobuf, but that is said only after the limit */
    grpc_frame(&body, false, buffer_slice(&zeros));
    call = peer_call(p, shape_of(h), buffer_slice(&body));
    cr_assert_str_eq(call->grpc_status, "3", "%s", call->message);
    buffer_deinit(&zeros);
    buffer_deinit(&body);
    peer_close(p);
    host_close(h);
}

Test(grpc, partial_success_says_why)
{
    struct host *h = host_open((struct grpc_options){0});
    struct peer *p = peer_open(h);
    struct buffer body = {0};
    (void)traces_make(&body, 8, 0);
    /* One span without ids behind the good ones: another ResourceSpans {2: {2: {}}}. */
    struct buffer more = {0};
    buffer_add(&more, body.data + 5, body.size - 5);
    buffer_add(&more, "\x0a\x04\x12\x02\x12\x00", 6);
    grpc_frame(&body, false, buffer_slice(&more));
    struct peer_call *call = peer_call(p, shape_of(h), buffer_slice(&body));
    cr_assert_str_eq(call->grpc_status, "0", "%s", call->message);
    cr_assert_gt(call->data.size, 5 + 6);
    cr_assert_eq(call->data.data[5], 0x0a);                          /* partial_success */
    cr_assert_eq(memcmp(call->data.data + 7, "\x08\x01\x12", 3), 0); /* rejected 1, message */
    cr_assert_eq(row_count(&h->store, TABLE_SPANS), 8);
    buffer_deinit(&body);
    buffer_deinit(&more);
    peer_close(p);
    host_close(h);
}

Test(grpc, overload_asks_to_come_again)
{
    struct host *h = host_open((struct grpc_options){.inflight_bytes_max = 10000});
    struct peer *p = peer_open(h);
    struct buffer body = {0};
    struct buffer details = {0};
    struct arena arena = {0};
    struct slice status = SLICE_EMPTY;
    struct call_shape shape = shape_of(h);
    uint8_t piece[8000] = {0, 0, 0, 0x20, 0};
    shape.stays_open = true;
    struct peer_call *first = peer_begin(p, shape, slice_of(piece, sizeof piece));
    while (grpc_stats(h->grpc).bytes < sizeof piece)
        peer_turn(p);
    struct peer_call *second = peer_call(p, shape_of(h), slice_of(piece, sizeof piece));
    cr_assert_str_eq(second->grpc_status, "14");
    cr_assert(base64_parse(slice_text(second->details), &arena, &status));
    cr_assert_not_null(
        memmem(status.data, status.size, "type.googleapis.com/google.rpc.RetryInfo", 40));
    cr_assert_not_null(
        memmem(status.data, status.size, "\x12\x04\x0a\x02\x08\x01", 6)); /* one second */
    /* The first goes, and there is room again. */
    (void)nghttp2_submit_rst_stream(p->session, NGHTTP2_FLAG_NONE, first->stream, NGHTTP2_CANCEL);
    peer_wait(p, first);
    assert_success(peer_call(p, shape_of(h), traces_make(&body, 8, 0)));
    buffer_deinit(&body);
    buffer_deinit(&details);
    arena_deinit(&arena);
    peer_close(p);
    host_close(h);
}

/* ---- going away ---- */

Test(grpc, a_drain_answers_what_it_has_and_takes_no_more)
{
    struct host *h = host_open((struct grpc_options){0});
    struct peer *p = peer_open(h);
    struct buffer body = {0};
    h->is_deaf = true;
    struct peer_call *call = peer_begin(p, shape_of(h), traces_make(&body, 8, 0));
    for (int i = 0; i < TURNS_MAX && grpc_requests(h->grpc) == 0; i++)
        peer_turn(p);
    grpc_drain(h->grpc);
    peer_wait(p, NULL);
    cr_assert(p->has_goaway);
    cr_assert_eq(p->goaway_code, NGHTTP2_NO_ERROR);
    cr_assert_not(call->is_closed);
    h->is_deaf = false;
    peer_wait(p, call);
    assert_success(call);
    for (int i = 0; i < TURNS_MAX && !p->is_closed; i++)
        peer_turn(p);
    cr_assert(p->is_closed, "the connection stays open");
    cr_assert_eq(grpc_stats(h->grpc).connections, 0);
    buffer_deinit(&body);
    peer_close(p);
    host_close(h);
}

Test(grpc, clients_may_vanish_at_any_time)
{
    struct host *h = host_open((struct grpc_options){0});
    struct buffer body = {0};
    for (uint32_t i = 0; i < 40; i++) {
        struct peer *p = peer_open(h);
        (void)peer_begin(p, shape_of(h), traces_make(&body, 8, i * 8));
        for (uint32_t turn = 0; turn < i; turn++)
            peer_turn(p);
        peer_close(p);
    }
    for (int i = 0;
         i < TURNS_MAX && (grpc_stats(h->grpc).connections != 0 || grpc_requests(h->grpc) != 0);
         i++)
        host_turn(h);
    cr_assert_eq(grpc_stats(h->grpc).connections, 0);
    cr_assert_eq(grpc_requests(h->grpc), 0);
    buffer_deinit(&body);
    host_close(h);
}

Test(grpc, stopping_with_calls_under_way_leaves_nothing)
{
    struct host *h = host_open((struct grpc_options){0});
    struct peer *p = peer_open(h);
    struct buffer body = {0};
    h->is_deaf = true;
    for (uint32_t i = 0; i < 5; i++)
        (void)peer_begin(p, shape_of(h), traces_make(&body, 8, i * 8));
    for (int i = 0; i < 50; i++)
        peer_turn(p);
    buffer_deinit(&body);
    host_close(h); /* LeakSanitizer tells */
    nghttp2_session_del(p->session);
    (void)close(p->fd);
    for (uint32_t i = 0; i < p->call_count; i++) {
        buffer_deinit(&p->calls[i].sent);
        buffer_deinit(&p->calls[i].data);
    }
    mem_free(p);
}

Test(grpc, silence_ends_a_connection)
{
    struct host *h = host_open((struct grpc_options){.idle_ns = 50 * NS_PER_MS});
    struct peer *p = peer_open(h);
    assert_success(peer_call(p, shape_of(h), slice_of(no_more, 5)));
    for (int i = 0; i < TURNS_MAX && !p->is_closed; i++) {
        peer_turn(p);
        (void)usleep(100);
    }
    cr_assert(p->has_goaway);
    cr_assert_eq(p->goaway_code, NGHTTP2_NO_ERROR);
    cr_assert(p->is_closed);
    peer_close(p);
    host_close(h);
}
