/*
 * alert_address.c - tables of address ranges that are not the public internet.
 * Source: IANA special-purpose address registries for IPv4 and IPv6 (RFC 6890 and its updates).
 */
#include "server/alert/alert_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

struct range4 {
    uint32_t first; /* host order */
    unsigned bits;
    const char *why;
};
static const struct range4 ranges4[] = {
    {0x00000000, 8, "this host"}, {0x0a000000, 8, "private"},     {0x64400000, 10, "shared"},
    {0x7f000000, 8, "loopback"},  {0xa9fe0000, 16, "link-local"}, {0xac100000, 12, "private"},
    {0xc0000000, 24, "reserved"}, {0xc0a80000, 16, "private"},    {0xc6120000, 15, "benchmark"},
    {0xe0000000, 4, "multicast"}, {0xf0000000, 4, "reserved"},
};

struct range6 {
    uint8_t first[16];
    unsigned bits;
    const char *why;
};
static const struct range6 ranges6[] = {
    {{0}, 128, "this host"},          {{[15] = 1}, 128, "loopback"},    {{0xfc}, 7, "private"},
    {{0xfe, 0x80}, 10, "link-local"}, {{0xfe, 0xc0}, 10, "site-local"}, {{0xff}, 8, "multicast"},
    {{0x01, 0x00}, 64, "discard"},
};

/* Prefixes that carry an IPv4 address, and where. */
struct carrier6 {
    uint8_t first[16];
    unsigned bits;
    unsigned at; /* byte */
};
static const struct carrier6 carriers6[] = {
    {{[10] = 0xff, 0xff}, 96, 12},            /* ::ffff:a.b.c.d */
    {{0x00, 0x64, 0xff, 0x9b}, 96, 12},       /* NAT64 */
    {{0x00, 0x64, 0xff, 0x9b, 0, 1}, 48, 12}, /* local NAT64; the usual /96 form */
    {{0x20, 0x02}, 16, 2},                    /* 6to4 */
    {{0}, 96, 12},                            /* IPv4-compatible, after :: and ::1 */
};

static bool prefix_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned bytes = bits / 8;
    unsigned rest = bits % 8;
    if (memcmp(a, b, bytes) != 0)
        return false;
    return rest == 0 || ((a[bytes] ^ b[bytes]) & (0xff << (8 - rest)) & 0xff) == 0;
}

static const char *not_public4(uint32_t address)
{
    for (size_t i = 0; i < sizeof ranges4 / sizeof *ranges4; i++) {
        unsigned shift = 32 - ranges4[i].bits;
        if (address >> shift == ranges4[i].first >> shift)
            return ranges4[i].why;
    }
    return NULL;
}

static const char *not_public6(const uint8_t *address)
{
    for (size_t i = 0; i < sizeof ranges6 / sizeof *ranges6; i++) {
        if (prefix_equal(address, ranges6[i].first, ranges6[i].bits))
            return ranges6[i].why;
    }
    for (size_t i = 0; i < sizeof carriers6 / sizeof *carriers6; i++) {
        if (prefix_equal(address, carriers6[i].first, carriers6[i].bits)) {
            const uint8_t *inside = address + carriers6[i].at;
            return not_public4((uint32_t)inside[0] << 24 | (uint32_t)inside[1] << 16 |
                               (uint32_t)inside[2] << 8 | inside[3]);
        }
    }
    return NULL;
}

const char *address_not_public(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        return not_public4(ntohl(in.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in;
        memcpy(&in, address, sizeof in);
        return not_public6(in.sin6_addr.s6_addr);
    }
    return "not an internet address";
}

void address_to_text(const struct sockaddr *address, char to[ADDRESS_TEXT_BYTES])
{
    struct sockaddr_in in = {0};
    struct sockaddr_in6 in6 = {0};
    const void *bytes = NULL;
    if (address->sa_family == AF_INET) {
        memcpy(&in, address, sizeof in);
        bytes = &in.sin_addr;
    } else if (address->sa_family == AF_INET6) {
        memcpy(&in6, address, sizeof in6);
        bytes = &in6.sin6_addr;
    }
    if (bytes == NULL || inet_ntop(address->sa_family, bytes, to, ADDRESS_TEXT_BYTES) == NULL)
        (void)snprintf(to, ADDRESS_TEXT_BYTES, "(unknown)");
}
