/*
 * webhook_sink.c - `driftline webhook-sink`: prints the webhooks it receives, for trying out alerts.
 *
 * Place:    notifier -> HTTP/1.1 -> [here] -> one line a body on stdout, one line about it on stderr
 * Bounds:   loopback only, one connection at a time, SINK_BYTES_MAX a request, SINK_WAIT_MS between bytes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/bytes_text.h"
#include "engine/base/clock.h"
#include "engine/base/intern.h"
#include "server/alert/alert_signature.h"
#include "tools/command.h"

#define SINK_BYTES_MAX  (4u << 20)
#define SINK_WAIT_MS    10000
#define SINK_KEYS_MAX   100000u
#define SIGNATURE_AGE_S 300

enum {
    OPTION_PORT = OPTION_LONG(0),
    OPTION_SECRET,
    OPTION_COUNT,
    OPTION_STATUS,
    OPTION_FAIL
};

static const struct option_spec sink_options[] = {
    {OPTION_PORT, "port", "N", "listen there on 127.0.0.1 (0, the default: any free port)"},
    {OPTION_SECRET, "secret", "TEXT", "check signatures; refuse what is not signed with this"},
    {OPTION_COUNT, "count", "N", "end after N accepted webhooks"},
    {OPTION_STATUS, "status", "CODE", "answer with this HTTP status instead of 200"},
    {OPTION_FAIL, "fail", "N", "answer the first N requests with 503, to see retries"},
};

struct sink {
    struct slice secret; /* empty: not checked */
    uint64_t port;
    uint64_t count; /* 0: no end */
    uint64_t status;
    uint64_t fail;
    uint64_t accepted;
    struct intern keys; /* idempotency keys seen */
};

/* ---- one request ---- */

struct request {
    struct buffer bytes;
    size_t head_bytes; /* up to and with the empty line; 0: not there yet */
    size_t body_bytes;
};

/* The value of a header line, trimmed; empty when there is none. */
static struct slice header_value(const struct request *r, const char *name)
{
    const char *at = (const char *)r->bytes.data;
    const char *end = at + r->head_bytes;
    size_t name_bytes = strlen(name);
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (line_end == NULL)
            break;
        if ((size_t)(line_end - at) > name_bytes && at[name_bytes] == ':' &&
            strncasecmp(at, name, name_bytes) == 0) {
            at += name_bytes + 1;
            while (at < line_end && *at == ' ')
                at++;
            while (line_end > at && (line_end[-1] == '\r' || line_end[-1] == ' '))
                line_end--;
            return slice_of(at, (size_t)(line_end - at));
        }
        at = line_end + 1;
    }
    return SLICE_EMPTY;
}

/* Finds the end of the head and the body's size. False: not a request this sink takes. */
static bool head_look(struct request *r)
{
    if (r->head_bytes != 0 || r->bytes.size == 0)
        return true;
    const uint8_t *end = memmem(r->bytes.data, r->bytes.size, "\r\n\r\n", 4);
    if (end == NULL)
        return true;
    r->head_bytes = (size_t)(end - r->bytes.data) + 4;
    struct slice length = header_value(r, "Content-Length");
    uint64_t bytes = 0;
    if (length.size > 0 && !count_from_text(length, &bytes))
        return false;
    r->body_bytes = (size_t)bytes;
    return bytes <= SINK_BYTES_MAX;
}

static bool request_read(int fd, struct request *r)
{
    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        if (!head_look(r) || r->bytes.size > SINK_BYTES_MAX)
            return false;
        if (r->head_bytes != 0 && r->bytes.size >= r->head_bytes + r->body_bytes)
            return true;
        if (poll(&ready, 1, SINK_WAIT_MS) <= 0)
            return false;
        ssize_t got = recv(fd, buffer_reserve(&r->bytes, 65536), 65536, 0);
        if (got <= 0)
            return false;
        r->bytes.size += (size_t)got;
    }
}

static void answer(int fd, unsigned status)
{
    char text[128];
    int size = snprintf(text, sizeof text,
                        "HTTP/1.1 %u %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", status,
                        status < 300 ? "OK" : "No");
    (void)send(fd, text, (size_t)size, MSG_NOSIGNAL);
}

/* ---- what it says ---- */

static const char *signature_word(const struct sink *sink, const struct request *r)
{
    struct slice header = header_value(r, "X-Driftline-Signature");
    struct slice body = slice_of(r->bytes.data + r->head_bytes, r->body_bytes);
    if (sink->secret.size == 0)
        return header.size == 0 ? "unsigned" : "not checked";
    if (header.size == 0)
        return "missing";
    int64_t now_s = clock_wall_ns() / NS_PER_S;
    return alert_signature_matches(header, sink->secret, body, now_s, SIGNATURE_AGE_S) ? "good"
                                                                                       : "bad";
}

static bool seen_before(struct sink *sink, struct slice key)
{
    if (key.size == 0)
        return false;
    if (intern_find(&sink->keys, key) != 0)
        return true;
    if (sink->keys.count < SINK_KEYS_MAX)
        (void)intern_add(&sink->keys, key);
    return false;
}

static void body_print(const struct request *r)
{
    for (size_t i = 0; i < r->body_bytes; i++) {
        uint8_t byte = r->bytes.data[r->head_bytes + i];
        (void)putchar(byte == '\n' || byte == '\r' ? ' ' : byte);
    }
    (void)putchar('\n');
    (void)fflush(stdout);
}

static void request_serve(struct sink *sink, int fd)
{
    struct request r = {0};
    char now[TIME_TEXT_BYTES];
    if (!request_read(fd, &r)) {
        answer(fd, 400);
        buffer_deinit(&r.bytes);
        return;
    }
    time_to_text(clock_wall_ns(), now);
    const char *signature = signature_word(sink, &r);
    struct slice key = header_value(&r, "Idempotency-Key");
    unsigned status = (unsigned)sink->status;
    if (sink->fail > 0) {
        sink->fail--;
        status = 503;
    } else if (sink->secret.size > 0 && strcmp(signature, "good") != 0) {
        status = 401;
    }
    bool accepted = status < 300;
    bool repeated = accepted && seen_before(sink, key);
    (void)fprintf(stderr, "%s attempt=%.*s key=%.*s signature=%s%s answer=%u\n", now,
                  SLICE_ARG(header_value(&r, "X-Driftline-Attempt")), SLICE_ARG(key), signature,
                  repeated ? " repeated" : "", status);
    if (accepted) {
        body_print(&r);
        sink->accepted++;
    }
    answer(fd, status);
    buffer_deinit(&r.bytes);
}

/* ---- the listener ---- */

static enum status sink_listen(const struct sink *sink, int *ret_fd, struct error *reterr)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)sink->port),
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 64) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
        int error = errno;
        if (fd >= 0)
            (void)close(fd);
        return error_set(reterr, STATUS_IO, "port %u: %s", (unsigned)sink->port, strerror(error));
    }
    (void)printf("ready webhook=http://127.0.0.1:%u/\n", (unsigned)ntohs(address.sin_port));
    (void)fflush(stdout);
    *ret_fd = fd;
    return STATUS_OK;
}

static int sink_serve(struct sink *sink)
{
    struct error error = {0};
    int listener;
    if (sink_listen(sink, &listener, &error) < 0)
        return command_fail(&error);
    while (sink->count == 0 || sink->accepted < sink->count) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0 && errno == EINTR)
            continue;
        if (fd < 0)
            break;
        request_serve(sink, fd);
        (void)close(fd);
    }
    (void)close(listener);
    return EXIT_CODE_OK;
}

static int sink_run(const struct command *self, int argc, char **argv)
{
    struct sink sink = {.secret = SLICE_EMPTY, .status = 200};
    int exit_code = EXIT_CODE_OK;
    struct options o;
    options_begin(&o, self, argc, argv);
    for (int key; (key = options_next(&o, &exit_code)) != OPTION_DONE;) {
        uint64_t *number = key == OPTION_PORT     ? &sink.port
                           : key == OPTION_COUNT  ? &sink.count
                           : key == OPTION_STATUS ? &sink.status
                           : key == OPTION_FAIL   ? &sink.fail
                                                  : NULL;
        if (key == OPTION_STOP)
            return exit_code;
        if (key == OPTION_SECRET)
            sink.secret = slice_text(o.value);
        else if (number != NULL && !count_from_text(slice_text(o.value), number))
            return command_usage_error("webhook-sink", "'%s' is not a number", o.value);
    }
    if (o.at < o.argc)
        return command_usage_error("webhook-sink", "unexpected '%s'", argv[o.at]);
    if (sink.port > 65535 || sink.status < 200 || sink.status > 599)
        return command_usage_error("webhook-sink",
                                   "ports go up to 65535, statuses from 200 to 599");
    intern_init(&sink.keys);
    exit_code = sink_serve(&sink);
    intern_deinit(&sink.keys);
    return exit_code;
}

const struct command command_webhook_sink = {
    .usage = "webhook-sink [FLAGS]",
    .examples = "  driftline webhook-sink --port 9000 --secret s3cret\n"
                "  driftline webhook-sink --count 1\n",
    .about =
        "A debugging aid: a receiver of webhooks on 127.0.0.1. The first line it prints is its address, then\n"
        "each accepted body is one line on stdout; attempt, key and signature go to stderr.",
    OPTIONS(sink_options),
    .run = sink_run,
};
