/*
 * test_grpc_hostile.c - peers that break the rules: each is dealt with, and the next call is served as if nothing had been.
 */
#include "grpc_fixture.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "bench/otlp_make.h"
#include "engine/base/rng.h"

static void still_serves(struct host *h)
{
    struct peer *p = peer_open(h);
    struct peer_call *call =
        peer_call(p, (struct call_shape){.key = h->admin_key}, slice_of("\0\0\0\0\0", 5));
    cr_assert_str_eq(call->grpc_status, "0", "%s", call->message);
    peer_close(p);
}

/* Sends bytes and hangs up; what came back until the server closed or was silent for a while is in `answer`. */
static void throw_bytes(struct host *h, struct slice bytes, struct buffer *answer)
{
    int fd = socket_connect(h);
    size_t sent = 0;
    uint8_t got[4096];
    for (int silent = 0; silent < 50; silent++) {
        if (sent < bytes.size) {
            ssize_t n = send(fd, bytes.data + sent, bytes.size - sent, MSG_NOSIGNAL);
            sent += n > 0 ? (size_t)n : 0;
        }
        host_turn(h);
        (void)usleep(20);
        ssize_t n = recv(fd, got, sizeof got, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            break;
        if (n > 0) {
            silent = 0;
            if (answer != NULL)
                buffer_add(answer, got, (size_t)n);
        }
    }
    (void)close(fd);
    for (int i = 0; i < TURNS_MAX && grpc_stats(h->grpc).connections != 0; i++)
        host_turn(h);
    cr_assert_eq(grpc_stats(h->grpc).connections, 0);
}

/* What a good client sends: taken off our own client. */
static void client_bytes(const struct host *h, struct buffer *to)
{
    struct peer *p = peer_open((struct host *)(uintptr_t)h);
    struct otlp_make make = {.spans = 4};
    struct buffer body = {0};
    struct buffer message = {0};
    const uint8_t *out = NULL;
    ssize_t size;
    otlp_make(&make, &body);
    grpc_frame(&message, false, buffer_slice(&body));
    (void)peer_begin(p, (struct call_shape){.key = h->admin_key}, buffer_slice(&message));
    while ((size = nghttp2_session_mem_send(p->session, &out)) > 0)
        buffer_add(to, out, (size_t)size);
    buffer_deinit(&body);
    buffer_deinit(&message);
    peer_close(p);
}

Test(grpc_hostile, noise_is_hung_up_on)
{
    struct host *h = host_open((struct grpc_options){0});
    struct rng rng;
    rng_init(&rng, 3);
    for (int round = 0; round < 30; round++) {
        struct buffer bytes = {0};
        if (round % 2 == 0)
            buffer_add_text(&bytes, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        for (int i = 0; i < 300; i++)
            buffer_add_byte(&bytes, (uint8_t)rng_below(&rng, 256));
        throw_bytes(h, buffer_slice(&bytes), NULL);
        buffer_deinit(&bytes);
    }
    still_serves(h);
    host_close(h);
}

Test(grpc_hostile, truncations_and_flips_of_a_good_client)
{
    struct host *h = host_open((struct grpc_options){0});
    struct buffer good = {0};
    struct rng rng;
    rng_init(&rng, 5);
    client_bytes(h, &good);
    for (size_t cut = 0; cut < good.size; cut += cut < 300 ? 7 : 97)
        throw_bytes(h, slice_of(good.data, cut), NULL);
    for (int i = 0; i < 150; i++) {
        size_t bit = rng_below(&rng, (i % 2 == 0 ? 400 : good.size) * 8);
        good.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        throw_bytes(h, buffer_slice(&good), NULL);
        good.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    buffer_deinit(&good);
    still_serves(h);
    host_close(h);
}

Test(grpc_hostile, http_1_hears_where_to_go)
{
    struct host *h = host_open((struct grpc_options){0});
    struct buffer answer = {0};
    throw_bytes(h, slice_text("POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"),
                &answer);
    buffer_add_byte(&answer, 0);
    cr_assert_eq(strncmp((const char *)answer.data, "HTTP/1.1 400 ", 13), 0, "%s",
                 (const char *)answer.data);
    cr_assert_not_null(strstr((const char *)answer.data, "4318"));
    buffer_deinit(&answer);
    still_serves(h);
    host_close(h);
}

/* CVE-2023-44487: streams opened and cancelled as fast as they can be. */
Test(grpc_hostile, rapid_resets_end_the_connection)
{
    struct host *h = host_open((struct grpc_options){0});
    struct peer *p = peer_open(h);
    nghttp2_nv headers[] = {peer_header(":method", "POST"), peer_header(":scheme", "http"),
                            peer_header(":authority", "x"), peer_header(":path", TRACES)};
    for (uint32_t i = 0; i < 5 * GRPC_RESETS_BURST && !p->is_closed && !p->has_goaway; i++) {
        int32_t stream =
            nghttp2_submit_headers(p->session, NGHTTP2_FLAG_NONE, -1, NULL, headers, 4, NULL);
        if (stream < 0)
            break;
        peer_turn(p);
        (void)nghttp2_submit_rst_stream(p->session, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
        peer_turn(p);
    }
    for (int i = 0; i < TURNS_MAX && !p->is_closed; i++)
        peer_turn(p);
    cr_assert(p->is_closed);
    cr_assert_gt(grpc_stats(h->grpc).goaways, 0);
    peer_close(p);
    still_serves(h);
    host_close(h);
}

Test(grpc_hostile, metadata_is_bounded)
{
    struct host *h = host_open((struct grpc_options){0});
    struct peer *p = peer_open(h);
    char *large = mem_alloc(GRPC_HEADER_BYTES_MAX + 1);
    memset(large, 'x', GRPC_HEADER_BYTES_MAX);
    large[GRPC_HEADER_BYTES_MAX] = 0;
    struct peer_call *call = peer_call(p, (struct call_shape){.key = h->admin_key, .extra = large},
                                       slice_of("\0\0\0\0\0", 5));
    cr_assert(call->is_closed || p->is_closed);
    cr_assert_str_eq(call->grpc_status, "");
    large[GRPC_HEADER_BYTES_MAX / 2] = 0;
    if (!p->is_closed) {
        call = peer_call(p, (struct call_shape){.key = h->admin_key, .extra = large},
                         slice_of("\0\0\0\0\0", 5));
        cr_assert_str_eq(call->grpc_status, "0", "%s", call->message);
    }
    mem_free(large);
    peer_close(p);
    still_serves(h);
    host_close(h);
}

/* A refused client that goes on sending is stopped, and what it sends is not kept. */
Test(grpc_hostile, a_refused_client_s_message_is_not_kept)
{
    struct host *h = host_open((struct grpc_options){0});
    struct peer *p = peer_open(h);
    struct buffer message = {0};
    struct buffer zeros = {0};
    memset(buffer_reserve(&zeros, GRPC_DISCARDED_BYTES_MAX + (1u << 20)), 0,
           GRPC_DISCARDED_BYTES_MAX + (1u << 20));
    zeros.size = GRPC_DISCARDED_BYTES_MAX + (1u << 20);
    grpc_frame(&message, false, buffer_slice(&zeros));
    struct peer_call *call =
        peer_call(p, (struct call_shape){.key = "dl_wrong"}, buffer_slice(&message));
    cr_assert_str_eq(call->grpc_status, "16");
    cr_assert_eq(grpc_stats(h->grpc).bytes, 0);
    cr_assert_eq(call->reset_code, NGHTTP2_NO_ERROR);
    call = peer_call(p, (struct call_shape){.key = h->admin_key}, slice_of("\0\0\0\0\0", 5));
    cr_assert_str_eq(call->grpc_status, "0", "%s", call->message);
    buffer_deinit(&message);
    buffer_deinit(&zeros);
    peer_close(p);
    host_close(h);
}

/* ---- a recorded client ---- */

Test(grpc_hostile, a_recorded_client_is_served)
{
    const char *source = getenv("SOURCE_DIR");
    const char *shared = getenv("DRIFTLINE_SHARED");
    char path[512];
    if (shared != NULL)
        (void)snprintf(path, sizeof path, "%s/captures/otel-js-grpc/conn1.client-to-server.tcp.bin",
                       shared);
    else
        (void)snprintf(path, sizeof path,
                       "%s/../shared/captures/otel-js-grpc/conn1.client-to-server.tcp.bin",
                       source != NULL ? source : ".");
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return; /* nothing recorded here */
    struct host *h = host_open((struct grpc_options){0});
    struct buffer bytes = {0};
    bytes.size = fread(buffer_reserve(&bytes, 1 << 20), 1, 1 << 20, file);
    (void)fclose(file);
    auth_close(h->auth); /* it carries no key */
    cr_assert_eq(auth_open(h->control, true, &h->auth, NULL), STATUS_OK);
    grpc_stop(h->grpc);
    struct grpc_options options = {.loop = h->loop,
                                   .writers = h->writers,
                                   .auth = h->auth,
                                   .engine = h->store.engine,
                                   .ingest = h->ingest,
                                   .appended = host_appended,
                                   .address = {.host = "127.0.0.1"}};
    cr_assert_eq(grpc_start(&options, &h->grpc, NULL), STATUS_OK);
    int fd = socket_connect(h);
    cr_assert_eq(send(fd, bytes.data, bytes.size, MSG_NOSIGNAL), (ssize_t)bytes.size);
    for (int i = 0; i < TURNS_MAX && row_count(&h->store, TABLE_SPANS) == 0; i++)
        host_turn(h);
    cr_assert_eq(row_count(&h->store, TABLE_SPANS), 15);
    (void)close(fd);
    buffer_deinit(&bytes);
    host_close(h);
}

/* ---- TLS ---- */

static void certificate_write(const char *cert_path, const char *key_path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    cr_assert_not_null(key);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    (void)X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    (void)X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    (void)X509_set_pubkey(cert, key);
    X509_NAME *name = X509_get_subject_name(cert);
    (void)X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost",
                                     -1, -1, 0);
    (void)X509_set_issuer_name(cert, name);
    cr_assert_gt(X509_sign(cert, key, EVP_sha256()), 0);
    FILE *file = fopen(cert_path, "w");
    cr_assert_eq(PEM_write_X509(file, cert), 1);
    (void)fclose(file);
    file = fopen(key_path, "w");
    cr_assert_eq(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    (void)fclose(file);
    X509_free(cert);
    EVP_PKEY_free(key);
}

/* protocols: as ALPN wants them. False: the handshake failed. */
static bool peer_handshake(struct peer *p, const char *protocols)
{
    p->tls = SSL_CTX_new(TLS_client_method());
    p->ssl = SSL_new(p->tls);
    cr_assert_eq(SSL_set_fd(p->ssl, p->fd), 1);
    (void)SSL_set_alpn_protos(p->ssl, (const unsigned char *)protocols,
                              (unsigned)strlen(protocols));
    for (int i = 0; i < TURNS_MAX; i++) {
        int done = SSL_connect(p->ssl);
        if (done == 1)
            return true;
        int why = SSL_get_error(p->ssl, done);
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
            return false;
        host_turn(p->host);
    }
    return false;
}

Test(grpc_hostile, tls_with_alpn_h2)
{
    char folder[] = "/tmp/driftline-grpc-XXXXXX";
    char cert[64];
    char key[64];
    struct error error = {0};
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(cert, sizeof cert, "%s/cert", folder);
    (void)snprintf(key, sizeof key, "%s/key", folder);
    certificate_write(cert, key);
    struct host *h = host_open((struct grpc_options){.tls_cert = cert, .tls_key = key});
    struct peer *p = peer_open(h);
    struct buffer body = {0};
    struct buffer message = {0};
    cr_assert(peer_handshake(p, "\x02h2"));
    otlp_make(&(struct otlp_make){.spans = 64, .text_bytes = 2000}, &body);
    grpc_frame(&message, false, buffer_slice(&body));
    struct peer_call *call =
        peer_call(p, (struct call_shape){.key = h->admin_key}, buffer_slice(&message));
    cr_assert_str_eq(call->grpc_status, "0", "%s", call->message);
    cr_assert_eq(row_count(&h->store, TABLE_SPANS), 64);
    peer_close(p);

    p = peer_open(h);
    cr_assert_not(peer_handshake(p, "\x08http/1.1"), "ALPN without h2 was taken");
    peer_close(p);
    throw_bytes(h, slice_text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), NULL); /* plain to a TLS port */

    struct grpc *refused = NULL;
    struct grpc_options bad = {.loop = h->loop, .tls_cert = key, .tls_key = key};
    cr_assert_eq(grpc_start(&bad, &refused, &error), STATUS_INVALID);
    cr_assert_not_null(strstr(error.text, "certificate"), "%s", error.text);
    buffer_deinit(&body);
    buffer_deinit(&message);
    host_close(h);
    (void)unlink(cert);
    (void)unlink(key);
    (void)rmdir(folder);
}
