/*
 * test_net_address.c - the spellings of an address, good and bad.
 */
#include "server/net/net.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

Test(net_address, takes_the_usual_spellings)
{
    static const struct {
        char text[40];
        char host[24];
        uint16_t port;
        bool loopback;
    } cases[] = {
        {"127.0.0.1:4318", "127.0.0.1", 4318, true},
        {":4318", "127.0.0.1", 4318, true},
        {"4318", "127.0.0.1", 4318, true},
        {"0.0.0.0:80", "0.0.0.0", 80, false},
        {"[::1]:4318", "::1", 4318, true},
        {"[::]:0", "::", 0, false},
        {"[::1]", "::1", 99, true},
        {"localhost", "localhost", 99, true},
        {"localhost:65535", "localhost", 65535, true},
        {"127.3.2.1:1", "127.3.2.1", 1, true},
        {"10.0.0.1:1", "10.0.0.1", 1, false},
        {"[::ffff:127.0.0.1]:5", "::ffff:127.0.0.1", 5, true},
        {"[::ffff:10.0.0.1]:5", "::ffff:10.0.0.1", 5, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct net_address address;
        struct error error = {0};
        enum status s = net_address_parse(slice_text(cases[i].text), 99, &address, &error);
        cr_assert(s == STATUS_OK, "%s: %s", cases[i].text, error.text);
        cr_assert(strcmp(address.host, cases[i].host) == 0, "%s: %s", cases[i].text, address.host);
        cr_assert(address.port == cases[i].port, "%s", cases[i].text);
        cr_assert(net_address_is_loopback(&address) == cases[i].loopback, "%s", cases[i].text);
    }
}

Test(net_address, refuses_what_is_none_and_says_why)
{
    static const struct {
        char text[24];
        char why[24];
    } cases[] = {
        {"", "empty"},
        {"host:", "port"},
        {"host:65536", "port"},
        {"host:1x", "port"},
        {"host:123456", "port"},
        {"::1", "[ADDR]:PORT"},
        {"::1:80", "[ADDR]:PORT"},
        {"[::1", "missing"},
        {"[::1]80", "must follow"},
        {"[1.2.3.4]:80", "brackets"},
        {"ho st:80", "host name"},
        {"host/x:80", "host name"},
        {"h:-1", "port"},
        {"[::1]:", "port"},
        {"99999", "port"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct net_address address;
        struct error error = {0};
        enum status s = net_address_parse(slice_text(cases[i].text), 99, &address, &error);
        cr_assert(s == STATUS_INVALID, "%s", cases[i].text);
        cr_assert(strstr(error.text, cases[i].why) != NULL, "%s: %s", cases[i].text, error.text);
    }
    char long_name[400];
    memset(long_name, 'a', sizeof long_name);
    struct net_address address;
    struct error error = {0};
    cr_assert_eq(net_address_parse(slice_of(long_name, 256), 1, &address, &error), STATUS_INVALID);
    cr_assert_eq(net_address_parse(slice_of(long_name, 255), 1, &address, &error), STATUS_OK);
    cr_assert(!net_address_is_loopback(&address));
}
