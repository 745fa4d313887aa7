/*
 * connect.c - resolves flags and environment into addresses.
 */
#include "tools/connect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HTTP_PORT_DEFAULT   4318
#define NATIVE_PORT_DEFAULT 4319

static void host_set(char host[256], const char *text)
{
    (void)snprintf(host, 256, "%s", text);
}

static bool port_parse(const char *text, uint16_t *ret)
{
    char *end = NULL;
    long port = strtol(text, &end, 10);
    if (end == text || *end != 0 || port < 1 || port > 65535)
        return false;
    *ret = (uint16_t)port;
    return true;
}

/* "PORT", ":PORT", "ADDR:PORT", "[v6]:PORT". */
static bool address_parse(const char *text, char host[256], uint16_t *ret_port)
{
    const char *colon = strrchr(text, ':');
    if (!port_parse(colon == NULL ? text : colon + 1, ret_port))
        return false;
    size_t size = colon == NULL ? 0 : (size_t)(colon - text);
    if (size >= 256)
        return false;
    if (size > 2 && text[0] == '[' && text[size - 1] == ']') {
        text++;
        size -= 2;
    }
    if (size > 0) {
        memcpy(host, text, size);
        host[size] = 0;
    }
    return true;
}

enum status connect_init(struct connect *c, struct error *reterr)
{
    *c = (struct connect){.http_port = HTTP_PORT_DEFAULT, .native_port = NATIVE_PORT_DEFAULT};
    const char *server = getenv("DRIFTLINE_SERVER");
    if (server != NULL && strlen(server) >= sizeof c->http_host)
        return error_set(reterr, STATUS_INVALID, "DRIFTLINE_SERVER is too long for a host name");
    host_set(c->http_host, server != NULL && server[0] != 0 ? server : "127.0.0.1");
    host_set(c->native_host, c->http_host);
    const char *project = getenv("DRIFTLINE_PROJECT");
    c->project = project != NULL && project[0] != 0 ? project : "default";
    c->key = getenv("DRIFTLINE_KEY");
    static const char *const names[] = {"DRIFTLINE_HTTP", "DRIFTLINE_NATIVE"};
    char *hosts[] = {c->http_host, c->native_host};
    uint16_t *ports[] = {&c->http_port, &c->native_port};
    for (size_t i = 0; i < 2; i++) {
        const char *value = getenv(names[i]);
        if (value != NULL && value[0] != 0 && !address_parse(value, hosts[i], ports[i]))
            return error_set(reterr, STATUS_INVALID, "%s: '%s' is not PORT or ADDR:PORT", names[i],
                             value);
    }
    return STATUS_OK;
}

bool connect_option(struct connect *c, int key, const char *value, enum status *ret_status,
                    struct error *reterr)
{
    uint16_t ignored_port;
    char ignored_host[256];
    bool good = true;
    *ret_status = STATUS_OK;
    switch (key) {
    case CONNECT_SERVER:
        good = strlen(value) < sizeof c->http_host;
        if (good) {
            host_set(c->http_host, value);
            host_set(c->native_host, value);
        }
        break;
    case CONNECT_HTTP:
        good = address_parse(value, c->http_host, &c->http_port);
        break;
    case CONNECT_NATIVE:
        good = address_parse(value, c->native_host, &c->native_port);
        break;
    case CONNECT_PG:
        good = address_parse(value, ignored_host, &ignored_port);
        break;
    case CONNECT_PROJECT:
        c->project = value;
        break;
    default:
        return false;
    }
    if (!good)
        *ret_status =
            error_set(reterr, STATUS_INVALID, "'%s' is not HOST, PORT or ADDR:PORT", value);
    return true;
}
