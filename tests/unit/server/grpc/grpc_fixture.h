/*
 * grpc_fixture.h - the gRPC door over a real store, and an HTTP/2 client of our own; both take turns in one thread.
 */
#ifndef DRIFTLINE_TESTS_GRPC_FIXTURE_H
#define DRIFTLINE_TESTS_GRPC_FIXTURE_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "server/grpc/grpc.h"
#include "server/grpc/grpc_limits.h"
#include "tests/unit/engine/engine_fixture.h"

#define TRACES    "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
#define LOGS      "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
#define METRICS   "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
#define CALLS     128
#define TURNS_MAX 200000 /* of waiting for something that must come */

/* ---- the server ---- */

struct host {
    struct store store;
    struct ingest *ingest;
    struct control *control;
    struct auth *auth;
    struct net_loop *loop;
    struct net_pool *writers;
    struct grpc *grpc;
    char admin_key[AUTH_KEY_BYTES];
    char reader_key[AUTH_KEY_BYTES]; /* may not write */
    char other_key[AUTH_KEY_BYTES];  /* of project "other" */
    bool is_deaf;                    /* commits are not pumped */
};

static inline void host_appended(void *context)
{
    (void)context; /* host_turn pumps anyway */
}

static inline struct host *host_open(struct grpc_options options)
{
    struct host *h = MEM_NEW(struct host);
    struct error error = {0};
    struct policy policy;
    char path[128];
    h->store = store_disk("posix", NULL);
    cr_assert_eq(policy_load(NULL, NULL, &policy, &error), STATUS_OK, "%s", error.text);
    struct enrich_settings settings = policy_detach_settings(&policy);
    h->ingest = ingest_create(h->store.engine, &settings);
    policy_deinit(&policy);
    (void)snprintf(path, sizeof path, "%s/control.db", h->store.root);
    cr_assert_eq(control_open(path, &h->control, &error), STATUS_OK, "%s", error.text);
    cr_assert_eq(auth_open(h->control, false, &h->auth, &error), STATUS_OK, "%s", error.text);
    cr_assert_eq(
        auth_key_create(h->auth, slice_text("*"), SCOPE_ALL, SLICE_EMPTY, h->admin_key, &error),
        STATUS_OK, "%s", error.text);
    cr_assert_eq(auth_key_create(h->auth, slice_text("default"), SCOPE_READ, SLICE_EMPTY,
                                 h->reader_key, &error),
                 STATUS_OK);
    cr_assert_eq(auth_key_create(h->auth, slice_text("other"), SCOPE_INGEST, SLICE_EMPTY,
                                 h->other_key, &error),
                 STATUS_OK);
    cr_assert_eq(net_loop_create(&h->loop, &error), STATUS_OK);
    h->writers = net_pool_create(h->loop, "ingest", 2, 256);
    options.loop = h->loop;
    options.writers = h->writers;
    options.auth = h->auth;
    options.engine = h->store.engine;
    options.ingest = h->ingest;
    options.appended = host_appended;
    options.context = h;
    (void)snprintf(options.address.host, sizeof options.address.host, "127.0.0.1");
    enum status s = grpc_start(&options, &h->grpc, &error);
    cr_assert_eq(s, STATUS_OK, "%s", error.text);
    return h;
}

static inline void host_turn(struct host *h)
{
    (void)event_base_loop(net_loop_base(h->loop), EVLOOP_NONBLOCK);
    if (!h->is_deaf)
        grpc_pump(h->grpc, engine_pump(h->store.engine));
}

static inline void host_close(struct host *h)
{
    net_pool_destroy(h->writers);
    grpc_stop(h->grpc);
    net_loop_destroy(h->loop);
    ingest_destroy(h->ingest);
    auth_close(h->auth);
    control_close(h->control);
    store_destroy(&h->store);
    mem_free(h);
}

/* ---- the client ---- */

struct peer_call {
    int32_t stream;
    struct buffer sent; /* what is still to be sent as DATA */
    size_t sent_size;
    bool stays_open; /* no END_STREAM behind it */
    struct buffer data;
    char http_status[8], content_type[64], grpc_status[16], message[1024], details[1024];
    bool is_closed;
    uint32_t reset_code;
};

struct peer {
    struct host *host;
    int fd;
    SSL_CTX *tls;
    SSL *ssl;
    nghttp2_session *session;
    struct peer_call calls[CALLS];
    uint32_t call_count;
    bool is_closed; /* by the server */
    bool has_goaway;
    uint32_t goaway_code;
};

static inline struct peer_call *peer_call_of(struct peer *p, int32_t stream)
{
    for (uint32_t i = 0; i < p->call_count; i++) {
        if (p->calls[i].stream == stream)
            return &p->calls[i];
    }
    return NULL;
}

static inline int peer_on_header(nghttp2_session *session, const nghttp2_frame *frame,
                                 const uint8_t *name, size_t name_size, const uint8_t *value,
                                 size_t value_size, uint8_t flags, void *context)
{
    struct peer_call *call = peer_call_of(context, frame->hd.stream_id);
    struct slice n = slice_of(name, name_size);
    (void)session;
    (void)flags;
    if (call == NULL)
        return 0;
    if (slice_is(n, ":status"))
        (void)snprintf(call->http_status, sizeof call->http_status, "%.*s", (int)value_size, value);
    else if (slice_is(n, "content-type"))
        (void)snprintf(call->content_type, sizeof call->content_type, "%.*s", (int)value_size,
                       value);
    else if (slice_is(n, "grpc-status"))
        (void)snprintf(call->grpc_status, sizeof call->grpc_status, "%.*s", (int)value_size, value);
    else if (slice_is(n, "grpc-message"))
        (void)snprintf(call->message, sizeof call->message, "%.*s", (int)value_size, value);
    else if (slice_is(n, "grpc-status-details-bin"))
        (void)snprintf(call->details, sizeof call->details, "%.*s", (int)value_size, value);
    return 0;
}

static inline int peer_on_data(nghttp2_session *session, uint8_t flags, int32_t stream,
                               const uint8_t *data, size_t size, void *context)
{
    struct peer_call *call = peer_call_of(context, stream);
    (void)session;
    (void)flags;
    if (call != NULL)
        buffer_add(&call->data, data, size);
    return 0;
}

static inline int peer_on_close(nghttp2_session *session, int32_t stream, uint32_t code,
                                void *context)
{
    struct peer_call *call = peer_call_of(context, stream);
    (void)session;
    if (call != NULL) {
        call->is_closed = true;
        call->reset_code = code;
    }
    return 0;
}

static inline int peer_on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    struct peer *p = context;
    (void)session;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        p->has_goaway = true;
        p->goaway_code = frame->goaway.error_code;
    }
    return 0;
}

static inline ssize_t peer_read_data(nghttp2_session *session, int32_t stream, uint8_t *to,
                                     size_t size, uint32_t *flags, nghttp2_data_source *source,
                                     void *context)
{
    struct peer_call *call = peer_call_of(context, stream);
    (void)session;
    (void)source;
    size_t left = call->sent.size - call->sent_size;
    size_t taken = left < size ? left : size;
    if (taken == 0 && call->stays_open)
        return NGHTTP2_ERR_DEFERRED;
    bytes_copy(to, call->sent.data + call->sent_size, taken);
    call->sent_size += taken;
    if (taken == left && !call->stays_open)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)taken;
}

static inline int socket_connect(const struct host *h)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(grpc_port(h->grpc)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static inline struct peer *peer_open(struct host *h)
{
    struct peer *p = MEM_NEW(struct peer);
    nghttp2_session_callbacks *callbacks = NULL;
    p->host = h;
    p->fd = socket_connect(h);
    cr_assert_eq(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, peer_on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, peer_on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, peer_on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, peer_on_frame);
    cr_assert_eq(nghttp2_session_client_new(&p->session, callbacks, p), 0);
    nghttp2_session_callbacks_del(callbacks);
    cr_assert_eq(nghttp2_submit_settings(p->session, NGHTTP2_FLAG_NONE, NULL, 0), 0);
    return p;
}

static inline void peer_close(struct peer *p)
{
    nghttp2_session_del(p->session);
    SSL_free(p->ssl);
    SSL_CTX_free(p->tls);
    (void)close(p->fd);
    for (uint32_t i = 0; i < p->call_count; i++) {
        buffer_deinit(&p->calls[i].sent);
        buffer_deinit(&p->calls[i].data);
    }
    mem_free(p);
}

/* Bytes written, 0: not now, -1: the connection is gone. */
static inline ssize_t peer_write(struct peer *p, const uint8_t *bytes, size_t size)
{
    if (p->ssl != NULL) {
        int n = SSL_write(p->ssl, bytes, (int)size);
        return n > 0 ? n
               : SSL_get_error(p->ssl, n) == SSL_ERROR_WANT_READ ||
                       SSL_get_error(p->ssl, n) == SSL_ERROR_WANT_WRITE
                   ? 0
                   : -1;
    }
    ssize_t n = send(p->fd, bytes, size, MSG_NOSIGNAL);
    return n >= 0 ? n : errno == EAGAIN ? 0 : -1;
}

static inline ssize_t peer_read(struct peer *p, uint8_t *bytes, size_t size)
{
    if (p->ssl != NULL) {
        int n = SSL_read(p->ssl, bytes, (int)size);
        return n > 0 ? n
               : SSL_get_error(p->ssl, n) == SSL_ERROR_WANT_READ ||
                       SSL_get_error(p->ssl, n) == SSL_ERROR_WANT_WRITE
                   ? 0
                   : -1;
    }
    ssize_t n = recv(p->fd, bytes, size, 0);
    return n > 0 ? n : n < 0 && errno == EAGAIN ? 0 : -1;
}

/* All of it, turning the server meanwhile. */
static inline void peer_write_all(struct peer *p, const uint8_t *bytes, size_t size)
{
    while (size > 0 && !p->is_closed) {
        ssize_t n = peer_write(p, bytes, size);
        if (n < 0)
            p->is_closed = true;
        else if (n == 0)
            host_turn(p->host);
        bytes += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
}

static inline void peer_turn(struct peer *p)
{
    uint8_t bytes[16384];
    const uint8_t *out = NULL;
    ssize_t size;
    while (!p->is_closed && (size = nghttp2_session_mem_send(p->session, &out)) > 0)
        peer_write_all(p, out, (size_t)size);
    host_turn(p->host);
    while (!p->is_closed && (size = peer_read(p, bytes, sizeof bytes)) != 0) {
        if (size < 0 || nghttp2_session_mem_recv(p->session, bytes, (size_t)size) < 0)
            p->is_closed = true;
    }
}

static inline void peer_wait(struct peer *p, const struct peer_call *call)
{
    for (int i = 0;
         i < TURNS_MAX && !p->is_closed && !(call != NULL ? call->is_closed : p->has_goaway); i++) {
        peer_turn(p);
        (void)usleep(50);
    }
}

/* What differs from a good call. */
struct call_shape {
    const char *path;         /* NULL: TRACES */
    const char *method;       /* NULL: POST */
    const char *content_type; /* NULL: application/grpc */
    const char *encoding;     /* grpc-encoding */
    const char *key_header;   /* NULL: authorization */
    const char *key;          /* NULL: none */
    const char *project;
    const char *extra; /* a header "x-extra" */
    bool stays_open;
};

static inline nghttp2_nv peer_header(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

/* Starts a call whose DATA is `data`. */
static inline struct peer_call *peer_begin(struct peer *p, struct call_shape s, struct slice data)
{
    char key[256];
    nghttp2_nv headers[12];
    size_t count = 0;
    struct peer_call *call = &p->calls[p->call_count++];
    cr_assert_leq(p->call_count, CALLS);
    headers[count++] = peer_header(":method", s.method != NULL ? s.method : "POST");
    headers[count++] = peer_header(":scheme", "http");
    headers[count++] = peer_header(":authority", "127.0.0.1");
    headers[count++] = peer_header(":path", s.path != NULL ? s.path : TRACES);
    headers[count++] =
        peer_header("content-type", s.content_type != NULL ? s.content_type : "application/grpc");
    headers[count++] = peer_header("te", "trailers");
    if (s.encoding != NULL)
        headers[count++] = peer_header("grpc-encoding", s.encoding);
    if (s.key != NULL) {
        (void)snprintf(key, sizeof key, "%s%s", s.key_header == NULL ? "Bearer " : "", s.key);
        headers[count++] = peer_header(s.key_header != NULL ? s.key_header : "authorization", key);
    }
    if (s.project != NULL)
        headers[count++] = peer_header("x-driftline-project", s.project);
    if (s.extra != NULL)
        headers[count++] = peer_header("x-extra", s.extra);
    buffer_add_slice(&call->sent, data);
    call->stays_open = s.stays_open;
    nghttp2_data_provider provider = {.read_callback = peer_read_data};
    call->stream = nghttp2_submit_request(p->session, NULL, headers, count, &provider, NULL);
    cr_assert_gt(call->stream, 0);
    return call;
}

static inline struct peer_call *peer_call(struct peer *p, struct call_shape s, struct slice data)
{
    struct peer_call *call = peer_begin(p, s, data);
    peer_wait(p, call);
    return call;
}

/* A message behind its five bytes. */
static inline void grpc_frame(struct buffer *to, bool is_compressed, struct slice message)
{
    uint8_t prefix[5] = {is_compressed, (uint8_t)(message.size >> 24),
                         (uint8_t)(message.size >> 16), (uint8_t)(message.size >> 8),
                         (uint8_t)message.size};
    buffer_reset(to);
    buffer_add(to, prefix, sizeof prefix);
    buffer_add_slice(to, message);
}

#endif
