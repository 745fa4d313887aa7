/*
 * grpc_session.c - HTTP/2 through nghttp2: streams become calls, answers become frames.
 *
 * Place:    bytes of a connection -> nghttp2 -> [here] -> grpc_call.c, and back
 * Answers:  success is HEADERS, one DATA frame, trailers; a refusal is trailers alone (`:status` 200 both times). What a client
 *           that was refused still sends is thrown away, and it is told once it has sent all; after GRPC_DISCARDED_BYTES_MAX it
 *           is told at once and gets RST_STREAM NO_ERROR. (At once would be allowed, but curl and others drop an answer whose
 *           stream is reset while they send.)
 * Attacks:  nghttp2 bounds SETTINGS, PING acknowledgements, CONTINUATION frames and (set here) cancelled streams; the metadata of
 *           a call is counted here.
 */
#include <event2/buffer.h>
#include <stdio.h>

#include "engine/base/check.h"
#include "server/grpc/grpc_internal.h"

#define ACCEPT_ENCODING "identity,deflate,gzip,zstd"

static struct grpc_call *call_of(nghttp2_session *session, int32_t stream)
{
    return nghttp2_session_get_stream_user_data(session, stream);
}

/* ---- what arrives ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct grpc_connection *c = context;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0; /* trailers of a request: nothing in them concerns us */
    struct grpc_call *call = grpc_call_create(c, frame->hd.stream_id);
    (void)nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, call);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *context)
{
    struct grpc_call *call = call_of(session, frame->hd.stream_id);
    (void)flags;
    (void)context;
    if (call == NULL)
        return 0;
    size_t bytes = name_size + value_size + 32; /* as RFC 9113 6.5.2 counts */
    if (bytes > GRPC_HEADER_BYTES_MAX - call->header_bytes)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* the stream is reset */
    call->header_bytes += (uint32_t)bytes;
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        grpc_call_metadata(call, slice_of(name, name_size), slice_of(value, value_size));
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t size, void *context)
{
    struct grpc_call *call = call_of(session, stream);
    (void)flags;
    (void)context;
    if (call == NULL)
        return 0;
    grpc_call_data(call, slice_of(data, size));
    if (call->state != CALL_REFUSED)
        return 0;
    call->discarded_bytes += size;
    if (call->discarded_bytes > GRPC_DISCARDED_BYTES_MAX)
        grpc_call_tell(call);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct grpc_connection *c = context;
    struct grpc_call *call = call_of(session, frame->hd.stream_id);
    c->is_ready = true;
    if (call == NULL || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        grpc_call_begin(call);
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        grpc_call_end(call);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t code, void *context)
{
    struct grpc_call *call = call_of(session, stream);
    (void)code;
    (void)context;
    if (call != NULL) {
        (void)nghttp2_session_set_stream_user_data(session, stream, NULL);
        grpc_call_leave(call);
    }
    return 0;
}

/* An answer that ends the stream on our side while the client still sends: it may stop. */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct grpc_connection *c = context;
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR)
        c->grpc->stats.goaways++;
    if (frame->hd.type == NGHTTP2_HEADERS && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 &&
        nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id) == 0)
        (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                        NGHTTP2_NO_ERROR);
    return 0;
}

/* ---- set up ---- */

enum status grpc_session_setup(struct grpc *g, struct error *reterr)
{
    if (nghttp2_session_callbacks_new(&g->callbacks) != 0 || nghttp2_option_new(&g->http2) != 0)
        return error_set(reterr, STATUS_LIMIT, "grpc: no memory for HTTP/2");
    nghttp2_session_callbacks_set_on_begin_headers_callback(g->callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(g->callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(g->callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(g->callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(g->callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(g->callbacks, on_frame_sent);
    nghttp2_option_set_stream_reset_rate_limit(g->http2, GRPC_RESETS_BURST, GRPC_RESETS_PER_SECOND);
    nghttp2_option_set_no_closed_streams(g->http2, 1);
    return STATUS_OK;
}

bool grpc_session_begin(struct grpc_connection *c)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, GRPC_STREAMS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, GRPC_STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, GRPC_FRAME_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, GRPC_HEADER_BYTES_MAX},
    };
    const struct grpc *g = c->grpc;
    return nghttp2_session_server_new2(&c->session, g->callbacks, c, g->http2) == 0 &&
           nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings,
                                   sizeof settings / sizeof settings[0]) == 0 &&
           nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0,
                                                 GRPC_CONNECTION_WINDOW) == 0;
}

bool grpc_session_receive(struct grpc_connection *c, struct evbuffer *in)
{
    struct evbuffer_iovec piece;
    while (evbuffer_peek(in, -1, NULL, &piece, 1) > 0 && piece.iov_len > 0) {
        ssize_t taken = nghttp2_session_mem_recv(c->session, piece.iov_base, piece.iov_len);
        if (taken < 0) {
            c->grpc->stats.goaways++;
            return false; /* no HTTP/2 at all, or a flood; nghttp2 says GOAWAY itself where that helps */
        }
        (void)evbuffer_drain(in, (size_t)taken);
    }
    return true;
}

void grpc_session_leave(struct grpc_connection *c)
{
    (void)nghttp2_submit_goaway(c->session, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(c->session),
                                NGHTTP2_NO_ERROR, NULL, 0);
}

bool grpc_session_send(struct grpc_connection *c)
{
    struct evbuffer *out = bufferevent_get_output(c->events);
    while (evbuffer_get_length(out) < GRPC_OUTPUT_BYTES_MAX) {
        const uint8_t *bytes = NULL;
        ssize_t size = nghttp2_session_mem_send(c->session, &bytes);
        if (size < 0)
            return false;
        if (size == 0)
            break;
        (void)evbuffer_add(out, bytes, (size_t)size);
    }
    return true;
}

/* ---- what goes out ---- */

static nghttp2_nv header(const char *name, struct slice value)
{
    return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                        .value = (uint8_t *)(uintptr_t)value.data,
                        .namelen = strlen(name),
                        .valuelen = value.size,
                        .flags = NGHTTP2_NV_FLAG_NONE};
}

/* DATA of an answer: its prefix and message, then the trailers. */
static ssize_t on_answer_read(nghttp2_session *session, int32_t stream, uint8_t *to, size_t size,
                              uint32_t *flags, nghttp2_data_source *source, void *context)
{
    struct grpc_call *call = source->ptr;
    size_t left = call->answer.size - call->answer_sent;
    size_t taken = left < size ? left : size;
    (void)context;
    bytes_copy(to, call->answer.data + call->answer_sent, taken);
    call->answer_sent += taken;
    if (taken == left) {
        nghttp2_nv trailer = header("grpc-status", slice_text("0"));
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        (void)nghttp2_submit_trailer(session, stream, &trailer, 1);
    }
    return (ssize_t)taken;
}

/* What otlp_write_success made becomes a message: its five bytes go before it. */
static void answer_prefix(struct buffer *answer)
{
    size_t size = answer->size;
    ASSERT(size <= UINT32_MAX);
    uint8_t prefix[5] = {0, (uint8_t)(size >> 24), (uint8_t)(size >> 16), (uint8_t)(size >> 8),
                         (uint8_t)size};
    (void)buffer_reserve(answer, sizeof prefix);
    if (size != 0)
        memmove(answer->data + sizeof prefix, answer->data, size);
    memcpy(answer->data, prefix, sizeof prefix);
    answer->size += sizeof prefix;
}

void grpc_session_answer(struct grpc_call *call)
{
    nghttp2_nv headers[] = {
        header(":status", slice_text("200")),
        header("content-type", slice_text("application/grpc")),
        header("grpc-accept-encoding", slice_text(ACCEPT_ENCODING)),
    };
    nghttp2_data_provider data = {.source = {.ptr = call}, .read_callback = on_answer_read};
    answer_prefix(&call->answer);
    (void)nghttp2_submit_response(call->connection->session, call->stream, headers,
                                  sizeof headers / sizeof headers[0], &data);
}

void grpc_session_refuse(struct grpc_call *call, enum rpc_code code, const char *message)
{
    char number[16];
    struct buffer text = {0};
    struct buffer details = {0};
    call->state = CALL_ANSWERED;
    (void)snprintf(number, sizeof number, "%d", (int)code);
    grpc_message_encode(slice_text(message), &text);
    nghttp2_nv headers[6] = {
        header(":status", slice_text("200")),
        header("content-type", slice_text("application/grpc")),
        header("grpc-status", slice_text(number)),
        header("grpc-message", buffer_slice(&text)),
        header("grpc-accept-encoding", slice_text(ACCEPT_ENCODING)),
    };
    size_t count = 5;
    if (grpc_code_asks_again(code)) {
        grpc_details_encode(code, slice_text(message), &details);
        headers[count++] = header("grpc-status-details-bin", buffer_slice(&details));
    }
    (void)nghttp2_submit_response(call->connection->session, call->stream, headers, count, NULL);
    buffer_deinit(&text);
    buffer_deinit(&details);
}
