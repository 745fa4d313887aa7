/*
 * grpc_tls.c - TLS of the gRPC door: 1.2 and up, ALPN "h2" and nothing else.
 */
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "server/grpc/grpc_internal.h"

/* gRPC clients must offer h2 (gRPC over HTTP/2, "TLS"). */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                   const unsigned char *in, unsigned in_size, void *context)
{
    static const unsigned char h2[] = "\x02h2";
    unsigned char *chosen = NULL;
    (void)ssl;
    (void)context;
    if (SSL_select_next_proto(&chosen, out_size, h2, sizeof h2 - 1, in, in_size) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static enum status tls_failed(const char *what, const char *path, struct error *reterr)
{
    char text[256] = "";
    unsigned long code = ERR_get_error();
    if (code != 0)
        ERR_error_string_n(code, text, sizeof text);
    ERR_clear_error();
    return error_set(reterr, STATUS_INVALID, "grpc: %s %s: %s", what, path, text);
}

enum status grpc_tls_open(const char *cert, const char *key, SSL_CTX **ret, struct error *reterr)
{
    enum status s = STATUS_OK;
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    if (tls == NULL)
        return tls_failed("TLS can't start", "", reterr);
    (void)SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    (void)SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_alpn_select_cb(tls, on_alpn, NULL);
    if (SSL_CTX_use_certificate_chain_file(tls, cert) != 1)
        s = tls_failed("certificate", cert, reterr);
    else if (SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1)
        s = tls_failed("private key", key, reterr);
    else if (SSL_CTX_check_private_key(tls) != 1)
        s = tls_failed("the key does not belong to the certificate", cert, reterr);
    if (s < 0) {
        SSL_CTX_free(tls);
        return s;
    }
    *ret = tls;
    return STATUS_OK;
}

void grpc_tls_close(SSL_CTX *tls)
{
    SSL_CTX_free(tls);
}

struct bufferevent *grpc_tls_accept(SSL_CTX *tls, struct event_base *base, int fd)
{
    SSL *ssl = SSL_new(tls);
    if (ssl == NULL)
        return NULL;
    struct bufferevent *events = bufferevent_openssl_socket_new(
        base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (events == NULL)
        SSL_free(ssl);
    else
        bufferevent_openssl_set_allow_dirty_shutdown(events, 1);
    return events;
}
