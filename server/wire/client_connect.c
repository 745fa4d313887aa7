/*
 * client_connect.c - from a host name to an open connection, and back after a failure.
 *
 * Failure:   every attempt that fails leaves its reason in last_error and plans the next one after a
 *            pause that doubles, with jitter, so that a crowd of clients does not come back at once.
 */
#include "server/wire/client_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static void connection_drop(struct wire_client *c)
{
    if (c->fd >= 0)
        (void)close(c->fd);
    c->fd = -1;
    c->state = CLIENT_DISCONNECTED;
    buffer_reset(&c->in);
    c->in_at = 0;
    client_rewind_all(c);
}

static void addresses_free(struct wire_client *c)
{
    if (c->addresses != NULL)
        freeaddrinfo(c->addresses);
    c->addresses = NULL;
    c->address = NULL;
}

static void retry_plan(struct wire_client *c, int64_t pause_ns)
{
    uint64_t half = (uint64_t)pause_ns / 2 + 1;
    c->retry_at_ns = clock_monotonic_ns() + (int64_t)(half + rng_below(&c->rng, half));
}

void client_disconnect(struct wire_client *c, enum status status, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    error_set(&c->last_error, status, "driftline at %s:%u: %s", c->host, (unsigned)c->options.port,
              text);
    connection_drop(c);
    addresses_free(c);
    c->goaway = false;
    retry_plan(c, c->backoff_ns);
    c->backoff_ns *= 2;
    if (c->backoff_ns > c->options.backoff_max_ns)
        c->backoff_ns = c->options.backoff_max_ns;
}

void client_fail(struct wire_client *c, enum status status, const char *format, ...)
{
    char text[ERROR_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    connection_drop(c);
    addresses_free(c);
    error_set(&c->failed, status, "%s", text);
}

static void greeting_begin(struct wire_client *c)
{
    int on = 1;
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    c->state = CLIENT_GREETING;
    c->heard_ns = clock_monotonic_ns();
    c->pinged = false;
    wire_hello_write(&c->control, &(struct wire_hello){.version_min = WIRE_VERSION_MIN,
                                                       .version_max = WIRE_VERSION_MAX,
                                                       .client = c->options.client,
                                                       .key = c->options.key,
                                                       .project = c->options.project,
                                                       .name = c->options.name});
}

/* Tries addresses until one is on its way. */
static void address_try(struct wire_client *c)
{
    int error_number = ECONNREFUSED;
    for (; c->address != NULL; c->address = c->address->ai_next) {
        c->fd = socket(c->address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (c->fd < 0) {
            error_number = errno;
            continue;
        }
        c->state = CLIENT_CONNECTING;
        if (connect(c->fd, c->address->ai_addr, c->address->ai_addrlen) == 0) {
            greeting_begin(c);
            return;
        }
        error_number = errno;
        if (error_number == EINPROGRESS)
            return;
        (void)close(c->fd);
        c->fd = -1;
    }
    client_disconnect(c, STATUS_UNREACHABLE, "%s (is it running? start it with: driftline serve)",
                      strerror(error_number));
}

void client_connect_begin(struct wire_client *c)
{
    char port[8];
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    (void)snprintf(port, sizeof port, "%u", (unsigned)c->options.port);
    addresses_free(c);
    int failure = getaddrinfo(c->host, port, &hints, &c->addresses);
    if (failure != 0) {
        c->addresses = NULL;
        client_disconnect(c, STATUS_UNREACHABLE, "%s", gai_strerror(failure));
        return;
    }
    c->deadline_ns = clock_monotonic_ns() + c->options.connect_timeout_ns;
    c->address = c->addresses;
    address_try(c);
}

void client_connect_continue(struct wire_client *c)
{
    int error_number = 0;
    socklen_t size = sizeof error_number;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error_number, &size) != 0)
        error_number = errno;
    if (error_number == 0) {
        greeting_begin(c);
        return;
    }
    (void)close(c->fd);
    c->fd = -1;
    if (c->address->ai_next == NULL) {
        client_disconnect(c, STATUS_UNREACHABLE,
                          "%s (is it running? start it with: driftline serve)",
                          strerror(error_number));
        return;
    }
    c->address = c->address->ai_next;
    address_try(c);
}
