/*
 * http_server.c - listens, finds the route, checks the key, calls the handler.
 *
 * Bounds: evhttp reads a whole request before it calls us, so a body of up to BODY_BYTES_MAX is read before its key is
 *         checked. evhttp takes every connection it gets and has no bound of its own: while fewer than DESCRIPTORS_KEPT
 *         descriptors are free no more connections are accepted, so that the store can always open its files.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <unistd.h>

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/span/cell.h"
#include "server/auth/key_header.h"
#include "server/http/http_request.h"

#define HEADER_BYTES_MAX (16 * 1024)
#define BODY_BYTES_MAX   (64 * 1024 * 1024)
#define IDLE_SECONDS     60
#define BACKLOG          512
#define DESCRIPTORS_KEPT 128
#define ACCEPT_PAUSE_US  100000

static const struct route {
    enum evhttp_cmd_type method;
    const char *method_name;
    const char *path;
    unsigned scope;
    route_handler *handler;
} routes[] = {
#define ROUTE(method, path, scope, handler, summary)                                               \
    {EVHTTP_REQ_##method, #method, path, scope, handler},
#include "server/http/routes.def"
#undef ROUTE
};
#define ROUTE_COUNT (sizeof routes / sizeof routes[0])

const char *request_parameter(const struct request *r, const char *name)
{
    return evhttp_find_header(&r->parameters, name);
}

bool request_flag(const struct request *r, const char *name)
{
    const char *value = request_parameter(r, name);
    return value != NULL && strcmp(value, "false") != 0 && strcmp(value, "0") != 0;
}

struct slice request_body(const struct request *r)
{
    struct evbuffer *in = evhttp_request_get_input_buffer(r->event);
    size_t size = evbuffer_get_length(in);
    return size == 0 ? SLICE_EMPTY : slice_of(evbuffer_pullup(in, -1), size);
}

bool request_project(struct request *r, uint32_t *ret_project)
{
    struct error error = {0};
    const char *name = request_parameter(r, "project");
    if (name == NULL || name[0] == 0)
        name = strcmp(r->principal.project, "*") == 0 ? "default" : r->principal.project;
    if (auth_allow(&r->principal, r->scope, slice_text(name), &error) >= 0 &&
        engine_project(r->http->options.engine, slice_text(name), false, ret_project, &error) >= 0)
        return true;
    reply_error(r->event, &error, SLICE_EMPTY);
    return false;
}

/* The key a request carries; empty: none. */
static struct slice request_key(struct evhttp_request *event, char buffer[KEY_HEADER_BYTES_MAX])
{
    const struct evkeyval *best = NULL;
    const struct evkeyval *header;
    int best_rank = 0;
    TAILQ_FOREACH(header, evhttp_request_get_input_headers(event), next)
    {
        int rank = key_header_rank(slice_text(header->key));
        if (rank > best_rank) {
            best_rank = rank;
            best = header;
        }
    }
    return best == NULL ? SLICE_EMPTY : key_header_read(slice_text(best->value), buffer);
}

/* "/a" that path, "/a/" it and one more segment, a star and "/a" any path that ends so. */
static bool route_matches(const char *route, size_t size, const char *path)
{
    size_t path_size = strlen(path);
    if (route[0] == '*')
        return path_size >= size - 1 && strcmp(path + path_size - (size - 1), route + 1) == 0;
    if (route[size - 1] == '/')
        return strncmp(path, route, size) == 0 && path[size] != 0;
    return strcmp(path, route) == 0;
}

/* The route of a path; *ret_path_known says whether another method would fit. */
static const struct route *route_find(enum evhttp_cmd_type method, const char *path, char allow[64],
                                      const char **ret_rest)
{
    const struct route *found = NULL;
    allow[0] = 0;
    for (size_t i = 0; i < ROUTE_COUNT; i++) {
        size_t size = strlen(routes[i].path);
        if (!route_matches(routes[i].path, size, path))
            continue;
        size_t used = strlen(allow);
        (void)snprintf(allow + used, 64 - used, "%s%s", used == 0 ? "" : ", ",
                       routes[i].method_name);
        bool head = method == EVHTTP_REQ_HEAD && routes[i].method == EVHTTP_REQ_GET;
        if (routes[i].method == method || head) {
            found = &routes[i];
            *ret_rest = path + size;
        }
    }
    return found;
}

static void reply_no_route(struct evhttp_request *event, const char *path)
{
    const char *paths[ROUTE_COUNT];
    for (size_t i = 0; i < ROUTE_COUNT; i++)
        paths[i] = routes[i].path;
    const char *nearest = nearest_name(slice_text(path), paths, ROUTE_COUNT);
    struct error error;
    (void)error_set(&error, STATUS_NOT_FOUND, "there is nothing at %s%s%s%s", path,
                    nearest != NULL ? "; did you mean " : "", nearest != NULL ? nearest : "",
                    nearest != NULL ? "?" : "");
    reply_error(event, &error, SLICE_EMPTY);
}

static void dispatch(struct request *r, const char *path)
{
    char allow[64];
    char key_buffer[KEY_HEADER_BYTES_MAX];
    struct error error = {0};
    const struct route *route =
        route_find(evhttp_request_get_command(r->event), path, allow, &r->rest);
    if (route == NULL && allow[0] == 0) {
        reply_no_route(r->event, path);
        return;
    }
    if (route == NULL) {
        (void)evhttp_add_header(evhttp_request_get_output_headers(r->event), "Allow", allow);
        struct buffer body = {0};
        buffer_printf(&body, "{\"error\":{\"status\":\"INVALID\",\"message\":\"%s takes %s\"}}\n",
                      path, allow);
        reply_json(r->event, HTTP_BADMETHOD, &body);
        buffer_deinit(&body);
        return;
    }
    r->scope = (enum scope)route->scope;
    r->fail = route->path[0] == '*' ? otlp_fail : NULL;
    if (route->scope != 0) {
        enum status s = auth_check(r->http->options.auth, request_key(r->event, key_buffer),
                                   &r->principal, &error);
        if (s >= 0)
            s = auth_allow(&r->principal, r->scope, SLICE_EMPTY, &error);
        if (s < 0) {
            request_fail(r, &error);
            return;
        }
    }
    route->handler(r);
}

static void on_request(struct evhttp_request *event, void *context)
{
    struct http *h = context;
    struct request r = {.http = h, .event = event};
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(event);
    const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
    const char *query = uri != NULL ? evhttp_uri_get_query(uri) : NULL;
    if (path == NULL || evhttp_parse_query_str(query != NULL ? query : "", &r.parameters) != 0) {
        evhttp_send_error(event, HTTP_BADREQUEST, NULL);
        return;
    }
    dispatch(&r, path);
    evhttp_clear_headers(&r.parameters);
}

/* The lowest free descriptor tells: those below it are all taken. */
static bool descriptors_are_short(void)
{
    struct rlimit limit;
    int lowest = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    if (lowest < 0)
        return errno == EMFILE;
    (void)close(lowest);
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
           (rlim_t)lowest + DESCRIPTORS_KEPT >= limit.rlim_cur;
}

static struct evconnlistener *listener_of(struct http *h)
{
    return h->socket == NULL ? NULL : evhttp_bound_socket_get_listener(h->socket);
}

static struct bufferevent *on_connection(struct event_base *base, void *context)
{
    struct http *h = context;
    if (descriptors_are_short() && listener_of(h) != NULL) {
        struct timeval pause = {.tv_usec = ACCEPT_PAUSE_US};
        (void)evconnlistener_disable(listener_of(h));
        (void)event_add(h->accept_again, &pause);
    }
    return bufferevent_socket_new(base, -1, 0);
}

static void on_accept_again(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct http *h = context;
    struct timeval pause = {.tv_usec = ACCEPT_PAUSE_US};
    if (listener_of(h) == NULL)
        return;
    if (descriptors_are_short())
        (void)event_add(h->accept_again, &pause);
    else
        (void)evconnlistener_enable(listener_of(h));
}

static enum status bind_address(struct http *h, const struct net_address *a, struct error *reterr)
{
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    char port[8];
    (void)snprintf(port, sizeof port, "%u", a->port);
    int code = getaddrinfo(a->host, port, &hints, &found);
    if (code != 0)
        return error_set(reterr, STATUS_INVALID, "http address %s: %s", a->host,
                         gai_strerror(code));
    struct evconnlistener *listener =
        evconnlistener_new_bind(net_loop_base(h->options.loop), NULL, NULL,
                                LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
                                BACKLOG, found->ai_addr, (int)found->ai_addrlen);
    freeaddrinfo(found);
    if (listener == NULL)
        return error_set(
            reterr, STATUS_IO, "can't listen for http on %s:%u: %m%s", a->host, a->port,
            errno == EADDRINUSE ? "; another server runs there, choose a port with --http" : "");
    h->socket = evhttp_bind_listener(h->server, listener);
    ASSERT(h->socket != NULL);
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;
    if (getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&bound, &size) == 0)
        h->port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                                    : ((struct sockaddr_in *)&bound)->sin_port);
    return STATUS_OK;
}

enum status http_start(const struct http_options *options, struct http **ret, struct error *reterr)
{
    struct http *h = MEM_NEW(struct http);
    h->options = *options;
    h->started_ns = clock_wall_ns();
    h->server = evhttp_new(net_loop_base(options->loop));
    ASSERT(h->server != NULL);
    evhttp_set_max_headers_size(h->server, HEADER_BYTES_MAX);
    evhttp_set_max_body_size(h->server, BODY_BYTES_MAX);
    evhttp_set_timeout(h->server, IDLE_SECONDS);
    evhttp_set_default_content_type(h->server, NULL);
    evhttp_set_allowed_methods(h->server, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST |
                                              EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
                                              EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH);
    evhttp_set_gencb(h->server, on_request, h);
    evhttp_set_bevcb(h->server, on_connection, h);
    h->accept_again = event_new(net_loop_base(options->loop), -1, 0, on_accept_again, h);
    ASSERT(h->accept_again != NULL);
    enum status s = bind_address(h, &options->address, reterr);
    if (s < 0) {
        event_free(h->accept_again);
        evhttp_free(h->server);
        mem_free(h);
        return s;
    }
    *ret = h;
    return STATUS_OK;
}

uint16_t http_port(const struct http *h)
{
    return h->port;
}

void http_drain(struct http *h)
{
    h->draining = true;
    http_jobs_cancel(h);
    if (h->socket != NULL)
        evhttp_del_accept_socket(h->server, h->socket);
    h->socket = NULL;
}

uint32_t http_requests(const struct http *h)
{
    return h->requests;
}

void http_stop(struct http *h)
{
    if (h == NULL)
        return;
    http_waiting_cancel(h);
    ASSERT(h->requests == 0);
    event_free(h->accept_again);
    evhttp_free(h->server);
    mem_free(h);
}
