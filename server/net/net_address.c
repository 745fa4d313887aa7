/*
 * net_address.c - "ADDR:PORT" as people write it.
 *
 * Names stay names here; they are resolved when something listens or asks for loopback.
 */
#include "server/net/net.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>

static enum status port_parse(struct slice text, struct slice whole, uint16_t *ret,
                              struct error *reterr)
{
    uint32_t port = 0;
    bool bad = text.size == 0 || text.size > 5;
    for (size_t i = 0; !bad && i < text.size; i++) {
        bad = text.data[i] < '0' || text.data[i] > '9';
        port = port * 10 + (uint32_t)(text.data[i] - '0');
    }
    if (bad || port > 65535)
        return error_set(reterr, STATUS_INVALID,
                         "address \"%.*s\": the port must be a number from 0 to 65535",
                         SLICE_ARG(whole));
    *ret = (uint16_t)port;
    return STATUS_OK;
}

static bool all_digits(struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    return text.size > 0;
}

static bool host_byte_ok(uint8_t b)
{
    return (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') || b == '.' ||
           b == '-' || b == '_' || b == ':' || b == '%';
}

/* Splits into host and port text; *ret_has_port says whether a port was written. */
static enum status address_split(struct slice text, struct slice *ret_host, struct slice *ret_port,
                                 bool *ret_has_port, struct error *reterr)
{
    struct slice host = text;
    struct slice rest = SLICE_EMPTY;
    const uint8_t *colon;
    if (text.size > 0 && text.data[0] == '[') {
        const uint8_t *close = memchr(text.data, ']', text.size);
        if (close == NULL)
            return error_set(reterr, STATUS_INVALID, "address \"%.*s\": \"]\" is missing",
                             SLICE_ARG(text));
        size_t at = (size_t)(close - text.data);
        host = slice_of(text.data + 1, at - 1);
        rest = slice_of(close + 1, text.size - at - 1);
        if (rest.size > 0 && rest.data[0] != ':')
            return error_set(reterr, STATUS_INVALID,
                             "address \"%.*s\": \":PORT\" must follow \"]\"", SLICE_ARG(text));
        if (memchr(host.data, ':', host.size) == NULL)
            return error_set(reterr, STATUS_INVALID,
                             "address \"%.*s\": brackets are for IPv6 addresses", SLICE_ARG(text));
    } else if ((colon = memchr(text.data, ':', text.size)) != NULL) {
        size_t at = (size_t)(colon - text.data);
        host = slice_of(text.data, at);
        rest = slice_of(colon, text.size - at);
        if (memrchr(text.data, ':', text.size) != colon)
            return error_set(reterr, STATUS_INVALID,
                             "address \"%.*s\": write IPv6 addresses as [ADDR]:PORT",
                             SLICE_ARG(text));
    } else if (all_digits(text)) {
        host = SLICE_EMPTY;
        *ret_port = text;
        *ret_has_port = true;
        *ret_host = host;
        return STATUS_OK;
    }
    *ret_host = host;
    *ret_has_port = rest.size > 0;
    *ret_port = rest.size > 0 ? slice_of(rest.data + 1, rest.size - 1) : SLICE_EMPTY;
    return STATUS_OK;
}

enum status net_address_parse(struct slice text, uint16_t default_port, struct net_address *ret,
                              struct error *reterr)
{
    struct net_address address = {.port = default_port};
    struct slice host;
    struct slice port;
    bool has_port = false;
    enum status s;
    if (text.size == 0)
        return error_set(reterr, STATUS_INVALID, "the address is empty; write ADDR:PORT");
    if ((s = address_split(text, &host, &port, &has_port, reterr)) < 0)
        return s;
    if (has_port && (s = port_parse(port, text, &address.port, reterr)) < 0)
        return s;
    if (host.size >= sizeof address.host)
        return error_set(reterr, STATUS_INVALID, "address: the host name is longer than %zu bytes",
                         sizeof address.host - 1);
    for (size_t i = 0; i < host.size; i++)
        if (!host_byte_ok(host.data[i]))
            return error_set_at(reterr, STATUS_INVALID, (int64_t)(host.data + i - text.data),
                                "address \"%.*s\": byte %zu can't be part of a host name",
                                SLICE_ARG(text), (size_t)(host.data + i - text.data));
    if (host.size == 0)
        host = slice_text("127.0.0.1");
    memcpy(address.host, host.data, host.size);
    *ret = address;
    return STATUS_OK;
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        return (ntohl(v4.sin_addr.s_addr) >> 24) == 127;
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        const uint8_t *b = v6.sin6_addr.s6_addr;
        return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) ||
               (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) && b[12] == 127);
    }
    return false;
}

bool net_address_is_loopback(const struct net_address *a)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(a->host, NULL, &hints, &found) != 0)
        return false;
    bool all = found != NULL;
    for (struct addrinfo *i = found; i != NULL; i = i->ai_next)
        all = all && is_loopback(i->ai_addr);
    freeaddrinfo(found);
    return all;
}
