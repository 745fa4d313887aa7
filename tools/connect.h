/*
 * connect.h - where the server is and which key to show: flags, environment and defaults shared by all
 * client commands.
 */
#ifndef DRIFTLINE_TOOLS_CONNECT_H
#define DRIFTLINE_TOOLS_CONNECT_H

#include "engine/base/memory.h"
#include "tools/command.h"

enum {
    CONNECT_SERVER = OPTION_LONG(900),
    CONNECT_HTTP,
    CONNECT_NATIVE,
    CONNECT_PG,
    CONNECT_PROJECT,
};

/* Put into a command's option table. */
#define CONNECT_OPTIONS                                                                            \
    {CONNECT_SERVER, "server", "HOST", "server to talk to (DRIFTLINE_SERVER; default 127.0.0.1)"}, \
        {CONNECT_HTTP, "http", "[ADDR:]PORT", "its HTTP port (default 4318)"},                     \
        {CONNECT_NATIVE, "native", "[ADDR:]PORT", "its native port (default 4319)"},               \
        {CONNECT_PG, "pg", "[ADDR:]PORT", "its PostgreSQL port (default 4320)"},                   \
    {                                                                                              \
        CONNECT_PROJECT, "project", "NAME", "project (DRIFTLINE_PROJECT; default: default)"        \
    }

struct connect {
    char http_host[256];
    char native_host[256];
    uint16_t http_port;
    uint16_t native_port;
    const char *project;
    const char *key; /* DRIFTLINE_KEY or NULL */
};

/* From the environment and defaults. STATUS_INVALID for a bad DRIFTLINE_SERVER. */
MUST_CHECK enum status connect_init(struct connect *c, struct error *reterr);
/* True when key was one of CONNECT_OPTIONS. *ret_status: STATUS_INVALID for a bad value. */
bool connect_option(struct connect *c, int key, const char *value, enum status *ret_status,
                    struct error *reterr);

/* One HTTP request. path: "/api/v1/sql?format=csv". Returns STATUS_OK for every answer below 400; otherwise the status
 * the server named (or one that fits the code) with its text; STATUS_UNREACHABLE names address and remedy. The error's caret
 * lines, when the server sent some, are appended to ret_caret (may be NULL). */
struct http_request {
    const char *method; /* "GET", "POST", "DELETE" */
    const char *path;
    struct slice body;
    const char *content_type; /* NULL: text/plain */
    /* Called with pieces of a good answer; NULL: they are appended to ret_body. */
    bool (*chunk)(void *context, struct slice bytes);
    void *context;
};
MUST_CHECK enum status http_call(const struct connect *c, const struct http_request *request,
                                 struct buffer *ret_body, struct buffer *ret_caret,
                                 struct error *reterr);
/* Percent-encodes for a query parameter. */
void url_encode(struct buffer *to, struct slice text);

#endif
