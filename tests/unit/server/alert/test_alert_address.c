/*
 * test_alert_address.c - which addresses webhooks may go to: the edges of every range.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "server/alert/alert_address.h"

static const char *why(const char *text)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
        return address_not_public((struct sockaddr *)&in);
    cr_assert(inet_pton(AF_INET6, text, &in6.sin6_addr) == 1, "%s", text);
    return address_not_public((struct sockaddr *)&in6);
}

Test(alert_address, knows_what_is_not_public)
{
    static const struct {
        const char *address;
        const char *why;
    } cases[] = {
        {"0.0.0.0", "this host"},
        {"0.255.255.255", "this host"},
        {"10.0.0.0", "private"},
        {"10.255.255.255", "private"},
        {"100.64.0.0", "shared"},
        {"100.127.255.255", "shared"},
        {"127.0.0.1", "loopback"},
        {"127.255.255.255", "loopback"},
        {"169.254.169.254", "link-local"},
        {"172.16.0.0", "private"},
        {"172.31.255.255", "private"},
        {"192.0.0.8", "reserved"},
        {"192.168.0.1", "private"},
        {"198.18.0.1", "benchmark"},
        {"198.19.255.255", "benchmark"},
        {"224.0.0.1", "multicast"},
        {"255.255.255.255", "reserved"},
        {"::", "this host"},
        {"::1", "loopback"},
        {"fc00::1", "private"},
        {"fdff::1", "private"},
        {"fe80::1", "link-local"},
        {"febf::1", "link-local"},
        {"fec0::1", "site-local"},
        {"ff02::1", "multicast"},
        {"100::1", "discard"},
        {"::ffff:127.0.0.1", "loopback"},
        {"::ffff:10.1.2.3", "private"},
        {"64:ff9b::169.254.169.254", "link-local"},
        {"64:ff9b:1::10.0.0.1", "private"},
        {"2002:7f00:1::", "loopback"},
        {"2002:c0a8:101::5", "private"},
        {"::10.0.0.1", "private"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *said = why(cases[i].address);
        cr_expect(said != NULL && strcmp(said, cases[i].why) == 0, "%s: %s", cases[i].address,
                  said == NULL ? "public" : said);
    }
}

Test(alert_address, the_neighbours_are_public)
{
    static const char *const addresses[] = {
        "1.0.0.0",         "9.255.255.255",    "11.0.0.0",           "100.63.255.255",
        "100.128.0.0",     "126.255.255.255",  "128.0.0.0",          "169.253.255.255",
        "169.255.0.0",     "172.15.255.255",   "172.32.0.0",         "192.0.1.0",
        "192.167.255.255", "192.169.0.0",      "198.17.255.255",     "198.20.0.0",
        "223.255.255.255", "2606:4700::1111",  "2001:4860:4860::88", "fbff::1",
        "::ffff:8.8.8.8",  "64:ff9b::8.8.8.8", "2002:808:808::1",
    };
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++)
        cr_expect(why(addresses[i]) == NULL, "%s: %s", addresses[i], why(addresses[i]));
}

Test(alert_address, other_families_are_refused)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    char text[ADDRESS_TEXT_BYTES];
    cr_expect(address_not_public((struct sockaddr *)&un) != NULL);
    address_to_text((struct sockaddr *)&un, text);
    cr_expect_str_eq(text, "(unknown)");
}
