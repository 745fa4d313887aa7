/*
 * fuzz_pgwire.c - whatever a client may send to the PostgreSQL port, through a real session on a real socket.
 *
 * Input:      the first byte: 1: a good startup packet goes before the rest, 0: it does not.
 * Invariants: what comes back is whole messages, each with a type and a length that fits; a session that is greeted is
 *             greeted once; and when the client leaves the session does, too.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/io_sim.h"
#include "server/pgwire/pg_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX   65536
#define PATIENCE_NS (20 * NS_PER_S)

static struct server {
    struct io *io;
    struct engine *engine;
    struct control *control;
    struct auth *auth;
    struct query_db *db;
    struct net_loop *loop;
    struct net_pool *pool;
    struct pgwire *pgwire;
} sv;

static const char startup[] = "\0\0\0\x24\0\3\0\0user\0fuzz\0database\0default\0\0";

static void must(enum status s, const struct error *error)
{
    if (s >= 0)
        return;
    (void)fprintf(stderr, "fuzz_pgwire: %s\n", error->text);
    abort();
}

/* Three spans, so that statements have something to send. */
static void spans_add(uint32_t project)
{
    struct error error = {0};
    struct append_result result;
    struct builder b;
    builder_init(&b, TABLE_SPANS, NULL);
    for (uint8_t i = 1; i <= 3; i++) {
        struct id128 trace = {{i}};
        builder_row(&b);
        builder_i64(&b, SPANS_time, NS_PER_DAY + i);
        builder_id128(&b, SPANS_trace_id, trace);
        builder_id64(&b, SPANS_span_id, i);
        builder_str(&b, SPANS_kind, slice_text("llm"));
    }
    struct batch batch = builder_batch(&b);
    const struct append append = {.project = project, .spans = &batch};
    must(engine_append(sv.engine, &append, &result, &error), &error);
    must(engine_wait(sv.engine, result.ticket, NS_PER_S, &error), &error);
    builder_deinit(&b);
}

/* Made once and never unmade: what it holds stays reachable. */
static void server_make(void)
{
    struct error error = {0};
    uint32_t project;
    const struct engine_options options = {.maintenance_threads = UINT32_MAX,
                                           .reserve_bytes = UINT64_MAX};
    sv.io = io_sim_create(1);
    must(engine_open(sv.io, &options, &sv.engine, &error), &error);
    must(engine_project(sv.engine, slice_text("default"), true, &project, &error), &error);
    spans_add(project);
    must(control_open(":memory:", &sv.control, &error), &error);
    must(auth_open(sv.control, true, &sv.auth, &error), &error);
    sv.db = query_db_create(sv.engine);
    must(net_loop_create(&sv.loop, &error), &error);
    sv.pool = net_pool_create(sv.loop, "query", 1, 16);
    struct pgwire_options pg = {
        .loop = sv.loop,
        .queries = sv.pool,
        .auth = sv.auth,
        .engine = sv.engine,
        .db = sv.db,
        .limits = {.timeout_ns = 2 * NS_PER_S, .threads = 1, .memory_bytes_max = 64 << 20}};
    must(net_address_parse(slice_text("127.0.0.1:0"), 0, &pg.address, &error), &error);
    must(pgwire_start(&pg, &sv.pgwire, &error), &error);
}

/* ---- the client ---- */

struct client {
    int fd;
    struct slice left;
    struct buffer answer;
    int64_t until_ns;
};

static void client_open(struct client *c)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(pgwire_port(sv.pgwire)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT(c->fd >= 0);
    ASSERT(connect(c->fd, (struct sockaddr *)&to, sizeof to) == 0);
    /* Closed without lingering: thousands of connections a minute would use up the ports. */
    struct linger none = {.l_onoff = 1};
    ASSERT(setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof none) == 0);
    c->until_ns = clock_monotonic_ns() + PATIENCE_NS;
}

/* True: bytes moved. */
static bool client_move(struct client *c)
{
    uint8_t bytes[4096];
    bool moved = false;
    if (c->left.size > 0) {
        ssize_t put = send(c->fd, c->left.data, c->left.size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (put < 0 && errno != EAGAIN)
            c->left = SLICE_EMPTY; /* the server has had enough */
        if (put > 0)
            c->left = slice_of(c->left.data + put, c->left.size - (size_t)put);
        moved = put > 0;
    }
    ssize_t got;
    while ((got = recv(c->fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
        buffer_add(&c->answer, bytes, (size_t)got);
        moved = true;
    }
    return moved;
}

static bool server_is_busy(void)
{
    for (const struct pg_session *s = sv.pgwire->sessions; s != NULL; s = s->next) {
        if (s->job_running || s->state == PG_RUNNING || s->state == PG_SENDING)
            return true;
    }
    return false;
}

/* Until nothing moves any more and no statement runs. */
static void talk(struct client *c)
{
    int quiet = 0;
    while (quiet < 3 || server_is_busy() || c->left.size > 0) {
        (void)event_base_loop(net_loop_base(sv.loop), EVLOOP_NONBLOCK);
        quiet = client_move(c) ? 0 : quiet + 1;
        if (server_is_busy())
            (void)poll(NULL, 0, 1);
        ASSERT(clock_monotonic_ns() < c->until_ns);
    }
}

static void leave(struct client *c)
{
    (void)close(c->fd);
    while (pgwire_sessions(sv.pgwire) > 0) {
        (void)event_base_loop(net_loop_base(sv.loop), EVLOOP_NONBLOCK);
        ASSERT(clock_monotonic_ns() < c->until_ns);
    }
}

/* ---- what came back ---- */

static void answer_check(struct slice answer)
{
    size_t at = 0;
    int greetings = 0;
    while (at < answer.size) {
        uint8_t type = answer.data[at];
        /* 'N' alone answers a request for encryption; a notice has a length. Only before the greeting can it be alone. */
        bool alone =
            type == 'N' && greetings == 0 && (answer.size - at < 5 || answer.data[at + 1] != 0);
        if (alone) {
            at++;
            continue;
        }
        ASSERT(answer.size - at >= 5);
        const uint8_t *p = answer.data + at + 1;
        uint32_t size = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
        ASSERT(size >= 4);
        ASSERT(size <= answer.size - at - 1);
        ASSERT(strchr("RSKZTDC123nsIENtAG", type) != NULL);
        greetings += type == 'K';
        at += (size_t)size + 1;
    }
    ASSERT(greetings <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct client c = {.fd = -1};
    struct buffer input = {0};
    if (size == 0 || size > INPUT_MAX)
        return 0;
    if (sv.pgwire == NULL)
        server_make();
    if (data[0] % 2 == 1)
        buffer_add(&input, startup, sizeof startup - 1);
    buffer_add(&input, data + 1, size - 1);
    c.left = buffer_slice(&input);
    client_open(&c);
    talk(&c);
    leave(&c);
    answer_check(buffer_slice(&c.answer));
    buffer_deinit(&c.answer);
    buffer_deinit(&input);
    return 0;
}
