/*
 * test_detect.c - personal data and secrets: labelled texts, near misses, exact spans, checksums, escapes.
 *
 * The labelled table is what precision and recall are reported on; both must be 1 on it, so a new kind of mistake is added here
 * first. All numbers are test numbers of the networks, documentation examples or made up.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "engine/base/memory.h"
#include "engine/base/rng.h"
#include "engine/enrich/detect.h"

#define FOUND_MAX 16

struct found {
    struct slice text;
    uint32_t count;
    struct detection items[FOUND_MAX];
};

static bool found_add(void *context, const struct detection *d)
{
    struct found *f = context;
    cr_assert(d->start + d->size <= f->text.size && d->size > 0);
    if (f->count > 0) {
        const struct detection *before = &f->items[f->count - 1];
        cr_assert(d->start >= before->start + before->size, "overlap or disorder");
    }
    f->items[f->count++] = *d;
    return f->count < FOUND_MAX;
}

static struct found found_in(struct slice text, uint64_t wanted)
{
    struct found f = {.text = text};
    detect(text, wanted, found_add, &f);
    return f;
}

/* What is between [[ and ]] is what shall be found as `detector`; "" for texts with nothing in them. */
struct sample {
    const char *detector;
    const char *text;
};

static const struct sample samples[] = {
    /* ---- e-mail ---- */
    {"email", "write to [[bob@example.com]]."},
    {"email", "<[[first.last+tag@mail.example.co.uk]]>, please"},
    {"email", "{\"to\":\"[[o'brien@example.org]]\"}"},
    {"email", "mailto:[[jane_doe99@my-company.io]]?subject=hi"},
    {"email", "a=[[x@y.de]];b=2"},
    {"email", "'[[someone@uni-muenchen.de]]' wrote"},
    {"email", "\\u003c[[bob@example.com]]\\u003e"},
    {"email", "line\\n[[bob@example.com]]\\nline"},
    {"email", "\xe5\x90\x8d\xe5\x89\x8d[[bob@example.com]]\xe3\x81\xa7\xe3\x81\x99"},
    {"", "icon@2x.png and photo@3x.jpeg"},
    {"", "npm i react@18.2.0 lodash@4.17.21 @types/node@20.1.2"},
    {"", "git clone git@github.com:acme/widgets.git"},
    {"", "ssh://git@github.com/acme/widgets"},
    {"", "@app.route('/x') and user@localhost"},
    {"", "java.lang.Object@1b2c3d4e, foo@bar, @mention, a@b.c1"},
    {"", "nginx@sha256:9f86d081884c7d65"},
    {"", "worker@v2.js (see build@main.yml)"},
    {"", "x @ y.com, 5@6.7"},
    /* ---- phones ---- */
    {"phone", "call [[+14155552671]] now"},
    {"phone", "call [[+1 415-555-2671]], ext. 4"},
    {"phone", "[[(415) 555-2671]]"},
    {"phone", "[[415-555-2671]] or mail"},
    {"phone", "[[415.555.2671]]"},
    {"phone", "tel [[415 555 2671]]"},
    {"phone", "[[1-800-555-0199]]"},
    {"phone", "London [[+44 20 7946 0958]]."},
    {"phone", "Berlin [[+49 (30) 901820]],"},
    {"phone", "\"phone\":\"[[+33 1 23 45 67 89]]\""},
    {"phone", "Tel.: [[+81-3-1234-5678]]"},
    {"phone", "x\\n[[415-555-2671]]\\n"},
    {"phone", "\\\\n[[415-555-2671]]"},
    {"", "order 123-4567890-1234567 of 2024-05-01"},
    {"", "from 2024-05-01T10:00:00+02:00 to 2024-05-02T10:00:00+0000"},
    {"", "1714557600000 and 1714557600"},
    {"", "+12345678 points, +1000000000 views, 3+14155552671"},
    {"", "415-555-26711 415-555-267 4155-555-2671"},
    {"", "123-456-7890 (no such area), 415-155-2671"},
    {"", "columns 200 300 4000 500 600 7000"},
    {"", "version 415.555.2671.1, 3.415.555.2671"},
    {"", "ISBN 978-3-16-148410-0, SKU 415-555-2671-A"},
    {"", "1x415-555-2671, 1/2-555-2671"},
    {"", "4155552671"},
    /* ---- cards ---- */
    {"card", "card [[4111111111111111]]"},
    {"card", "[[4111 1111 1111 1111]]"},
    {"card", "[[5555-5555-5555-4444]], exp 12/30"},
    {"card", "amex [[378282246310005]]"},
    {"card", "amex [[3782 822463 10005]]"},
    {"card", "[[6011111111111117]]"},
    {"card", "jcb [[3530111333300000]]"},
    {"card", "diners [[30569309025904]] end"},
    {"card", "[[2223003122003222]]"},
    {"card", "\"number\":[[4012888888881881]]}"},
    {"card", "old visa [[4222222222222]]"},
    {"", "4111111111111112 (Luhn)"},
    {"", "id 9111111111111111, 0000000000000000"},
    {"", "0.4111111111111111 and 4111111111111111.5"},
    {"", "trace 4111111111111111a, x4111111111111111"},
    {"", "1714557600123456789 ns, snowflake 1098765432109876543"},
    {"", "4111 1111 11111 111, 4111 1111-1111 1111"},
    {"", "550e8400-e29b-41d4-a716-446655440000"},
    {"", "12345678-1234-1234-1234-123456789012"},
    /* ---- IBAN ---- */
    {"iban", "to [[DE89370400440532013000]]"},
    {"iban", "to [[DE89 3704 0044 0532 0130 00]] by Friday"},
    {"iban", "[[GB82WEST12345698765432]]"},
    {"iban", "[[GB82 WEST 1234 5698 7654 32]]."},
    {"iban", "[[FR1420041010050500013M02606]]"},
    {"iban", "[[NO9386011117947]]"},
    {"iban", "IBAN:[[CH9300762011623852957]]"},
    {"", "DE89370400440532013001 (check digits)"},
    {"", "XDE89370400440532013000, DE8937040044053201300"},
    {"", "part AB12CDEF34567890, PR12 3456"},
    /* ---- social security ---- */
    {"ssn", "SSN [[123-45-6789]]"},
    {"ssn", "{\"ssn\":\"[[536-22-8726]]\"}"},
    {"", "000-12-3456 666-12-3456 912-12-3456 123-00-4567 123-45-0000"},
    {"", "078-05-1120 was on a wallet"},
    {"", "123-45-67890 1123-45-6789 123-45-6789-0"},
    {"", "2024-11-27, 12-34-5678, 123.45.6789"},
    /* ---- addresses ---- */
    {"ip", "from [[81.2.69.142]]"},
    {"ip", "http://[[81.2.69.142]]:8080/x"},
    {"ip", "client_ip=[[203.1.5.77]], ok"},
    {"ip", "his ip is [[8.8.8.8]]"},
    {"", "10.0.0.1 192.168.1.20 172.16.3.4 127.0.0.1 169.254.1.1 100.64.0.1"},
    {"", "192.0.2.1 198.51.100.7 203.0.113.9 198.18.0.1 224.0.0.1 255.255.255.255 0.0.0.0"},
    {"", "Chrome/120.0.6099.109 Edg/99.81.2.69"},
    {"", "version 81.2.69.142, v81.2.69.142, release: 81.2.69.142"},
    {"", "see 22.2.1.5 and Section 13.1.4.2"},
    {"", "1.3.6.1.4.1.311 and 81.2.69.142.1"},
    {"", "256.1.2.3 81.02.69.142 81.2.69"},
    /* ---- secrets ---- */
    {"private_key",
     "[[-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----]]\n"},
    {"private_key",
     "\"[[-----BEGIN PRIVATE KEY-----\\nMIIE+/x=\\n-----END PRIVATE KEY-----]]\\n\""},
    {"private_key", "[[-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA]] (cut)"},
    {"private_key",
     "[[-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQOYBF\n=abcd\n-----END PGP PRIVATE KEY BLOCK-----]]"},
    {"", "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----"},
    {"", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"},
    {"", "----- BEGIN ----- a private key begins with -----BEGIN"},
    {"aws_key", "aws_access_key_id=[[AKIAIOSFODNN7EXAMPLE]]"},
    {"aws_key", "\"[[ASIAY34FZKBOKMUTVV7A]]\""},
    {"", "AKIAIOSFODNN7EXAMPL AKIAIOSFODNN7EXAMPLEX AKIAiosfodnn7example XAKIAIOSFODNN7EXAMPLE"},
    {"api_key", "OPENAI_API_KEY=[[sk-abcdEFGH1234ijklMNOP5678qrstUVWX]]"},
    {"api_key", "key [[sk-proj-Ab3_dEf-Gh1jKlMnOpQrStUvWxYz0123456789abcdef]]."},
    {"api_key", "[[sk-ant-api03-R2D2c3poR2D2c3poR2D2-AbCdEf_gh]]"},
    {"api_key", "Authorization: Bearer [[ghp_16C7e42F292c6912E7710c838347Ae178B4a]]"},
    {"api_key", "[[github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWX]]"},
    {"api_key", "[[glpat-aB3dE5gH7jK9mN1pQ3sT]]"},
    {"api_key", "[[xoxb-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx]]"},
    {"api_key", "url?key=[[AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY]]&x=1"},
    {"api_key", "[[dl_abcdefgh2345_k3m5n7p2q4r6s2t4u6v2w4x6y2z4a6b2c4d6e2f4g6h2i4j6k2l4]]"},
    {"api_key", "[[hf_AbCdEfGhIjKlMnOpQrStUvWxYz12345678]]"},
    {"api_key", "[[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]]"},
    /* Joined, so that scanners of repositories do not take the made-up key for one. */
    {"api_key", "[[sk"
                "_live_4eC39HqLyjWDarjtT1zdp7dc]]"},
    {"", "task-force-of-the-united-nations-on-ageing risk-averse-behaviour-in-markets"},
    {"", "sk-learn-is-a-nice-name-for-a-library-of-algorithms"},
    {"", "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxx sk-... sk-12345"},
    {"", "ghp_short hf_home dl_count AIza SG.x SG.1 npm_config_registry xoxb-"},
    {"",
     "d41d8cd98f00b204e9800998ecf8427e e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"jwt",
     "Bearer [[eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U]]"},
    {"jwt", "\"[[eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.eyJhIjoxfQ.]]\""},
    {"", "eyJhIjoxfQ.eyJiIjoyfQ.abc and eyJhbGciOiJIUzI1NiJ9 alone"},
    {"", "keyJ.value.x eyJ.eyJ.eyJ eyJhbGciOjF9.eyJhIjoxfQ.abc"},
    {"url_password", "postgres://[[admin:s3cret]]@db.internal/app"},
    {"url_password", "redis://[[:hunter22]]@cache:6379"},
    {"url_password", "https://[[user:p@ss]]@example.com/x"},
    {"", "https://user@example.com/x https://example.com:8080/a@b"},
    {"", "postgres://user:$PGPASSWORD@host/db mysql://root:<password>@h https://u:***@h"},
    {"", "see https://example.com/a:b@c and 12:30@home"},
    /* ---- prose, code, prices, logs ---- */
    {"", "It cost $1,234.56 on 2024-05-01 at 10:30; see RFC 7519 section 4.1.4, pp. 123-125."},
    {"", "for (int i = 0; i < 415; i++) { x[i] = 0x1F + y->z - 2671; }"},
    {"", "order #4111-2222, invoice INV-2024-000123, ticket ABC-12345, flight UA 1234, room 555-B"},
    {"", "tokens_in=1234567 latency=415.555 p99=2671.25ms ratio=0.123456789012345"},
    {"", "lat 48.137154, lon 11.576124; size 1920x1080; 12/05/2024; 19:45:00.123"},
};

static const char *strip_marks(const char *text, struct slice *ret_plain, size_t *ret_start,
                               size_t *ret_size)
{
    static char plain[1024];
    const char *open = strstr(text, "[[");
    const char *shut = open != NULL ? strstr(open, "]]") : NULL;
    if (open == NULL) {
        *ret_plain = slice_text(text);
        return text;
    }
    size_t before = (size_t)(open - text);
    size_t size = (size_t)(shut - open) - 2;
    (void)snprintf(plain, sizeof plain, "%.*s%.*s%s", (int)before, text, (int)size, open + 2,
                   shut + 2);
    *ret_plain = slice_text(plain);
    *ret_start = before;
    *ret_size = size;
    return plain;
}

Test(detect, labelled_texts)
{
    uint32_t true_found = 0;
    uint32_t false_found = 0;
    uint32_t missed = 0;
    uint32_t of[DETECTOR_COUNT] = {0};
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        struct slice plain = SLICE_EMPTY;
        size_t start = 0;
        size_t size = 0;
        strip_marks(samples[i].text, &plain, &start, &size);
        struct found f = found_in(plain, UINT64_MAX);
        bool found = false;
        for (uint32_t d = 0; d < f.count; d++) {
            bool right = strcmp(detector_name(f.items[d].detector), samples[i].detector) == 0 &&
                         f.items[d].start == start && f.items[d].size == size;
            found |= right;
            of[f.items[d].detector] += right;
            false_found += !right;
            if (!right)
                fprintf(stderr, "'%s': found %s '%.*s'\n", samples[i].text,
                        detector_name(f.items[d].detector), (int)f.items[d].size,
                        plain.data + f.items[d].start);
        }
        true_found += found;
        missed += samples[i].detector[0] != 0 && !found;
        if (samples[i].detector[0] != 0 && !found)
            fprintf(stderr, "'%s': missed\n", samples[i].text);
    }
    printf("%zu labelled texts: precision %.3f, recall %.3f\n", sizeof samples / sizeof samples[0],
           (double)true_found / (true_found + false_found),
           (double)true_found / (true_found + missed));
    cr_expect_eq(false_found, 0);
    cr_expect_eq(missed, 0);
    for (unsigned d = 0; d < DETECTOR_COUNT; d++)
        cr_expect(of[d] >= 2, "%s has %u positives", detector_name(d), of[d]);
}

Test(detect, every_cut_of_every_text_is_harmless)
{
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        struct slice text = slice_text(samples[i].text);
        for (size_t size = 0; size <= text.size; size++) {
            /* Memory of exactly that size, so that reading past it is seen. */
            uint8_t *copy = mem_alloc(size);
            memcpy(copy, text.data + text.size - size, size);
            struct found tail = found_in(slice_of(copy, size), UINT64_MAX);
            memcpy(copy, text.data, size);
            struct found head = found_in(slice_of(copy, size), UINT64_MAX);
            cr_assert(tail.count <= 4 && head.count <= 4);
            mem_free(copy);
        }
    }
}

Test(detect, one_detector_at_a_time_finds_the_same)
{
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        struct slice plain = SLICE_EMPTY;
        size_t start = 0;
        size_t size = 0;
        strip_marks(samples[i].text, &plain, &start, &size);
        uint64_t all = detect_any(plain, UINT64_MAX >> (64 - DETECTOR_COUNT));
        for (unsigned d = 0; d < DETECTOR_COUNT; d++) {
            uint64_t bit = UINT64_C(1) << d;
            cr_expect_eq(detect_any(plain, bit), all & bit, "%s in '%.*s'", detector_name(d),
                         SLICE_ARG(plain));
        }
        cr_expect_eq(detect_any(plain, 0), 0);
    }
}

Test(detect, several_in_one_text_come_in_order)
{
    struct slice text = slice_text(
        "bob@example.com, 415-555-2671; 4111111111111111 then 123-45-6789 and joe@x.org");
    struct found f = found_in(text, UINT64_MAX);
    static const enum detector expected[] = {DETECT_email, DETECT_phone, DETECT_card, DETECT_ssn,
                                             DETECT_email};
    cr_assert_eq(f.count, 5);
    for (uint32_t i = 0; i < 5; i++)
        cr_expect_eq(f.items[i].detector, expected[i]);
    f = found_in(text, detectors_from_name(slice_text("pii.email")));
    cr_expect_eq(f.count, 2);
}

static bool found_stop(void *context, const struct detection *d)
{
    (void)d;
    ++*(uint32_t *)context;
    return false;
}

Test(detect, it_stops_when_told)
{
    uint32_t calls = 0;
    detect(slice_text("a@b.de c@d.de e@f.de"), UINT64_MAX, found_stop, &calls);
    cr_expect_eq(calls, 1);
}

Test(detect, names_and_groups)
{
    uint64_t pii = detectors_from_name(slice_text("pii"));
    uint64_t secret = detectors_from_name(slice_text("secret"));
    cr_expect_eq(pii & secret, 0);
    cr_expect_eq(pii | secret, UINT64_MAX >> (64 - DETECTOR_COUNT));
    for (unsigned d = 0; d < DETECTOR_COUNT; d++) {
        char name[64];
        (void)snprintf(name, sizeof name, "%s.%s", detector_group(d), detector_name(d));
        cr_expect_eq(detectors_from_name(slice_text(name)), UINT64_C(1) << d, "%s", name);
    }
    static const char *const unknown[] = {"",           "pi",    "piix",         "pii.",
                                          "pii.emails", "email", "secret.email", "PII"};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        cr_expect_eq(detectors_from_name(slice_text(unknown[i])), 0, "'%s'", unknown[i]);
}

/* Any 16 digits of an issuer with the right check digit are a card, with any other they are not. */
Test(detect, the_check_digit_of_a_card_decides)
{
    struct rng rng;
    rng_init(&rng, 41);
    for (uint32_t round = 0; round < 200; round++) {
        char number[17];
        uint32_t sum = 0;
        number[0] = '4';
        for (uint32_t i = 1; i < 15; i++)
            number[i] = (char)('0' + rng_below(&rng, 10));
        for (uint32_t i = 0; i < 15; i++) {
            uint32_t d = (uint32_t)(number[i] - '0') << (i % 2 == 0);
            sum += d / 10 + d % 10;
        }
        for (uint32_t check = 0; check < 10; check++) {
            number[15] = (char)('0' + check);
            number[16] = 0;
            uint64_t found = detect_any(slice_text(number), UINT64_C(1) << DETECT_card);
            cr_assert_eq(found != 0, (sum + check) % 10 == 0, "%s", number);
        }
    }
}

static const struct {
    char country[3];
    uint8_t size;
} countries[] = {
#define IBAN(country, size) {country, size},
#include "engine/enrich/detect_iban.def"
#undef IBAN
};

/* For every country: one pair of check digits fits, and only at that country's length. */
Test(detect, the_check_digits_and_the_length_of_an_iban_decide)
{
    struct rng rng;
    rng_init(&rng, 97);
    for (size_t i = 0; i < sizeof countries / sizeof countries[0]; i++) {
        char iban[40];
        uint32_t fitting = 0;
        memcpy(iban, countries[i].country, 2);
        for (uint32_t at = 4; at < countries[i].size; at++)
            iban[at] = (char)('0' + rng_below(&rng, 10));
        iban[countries[i].size] = 0;
        for (uint32_t check = 2; check < 99; check++) {
            iban[2] = (char)('0' + check / 10);
            iban[3] = (char)('0' + check % 10);
            if (detect_any(slice_text(iban), UINT64_C(1) << DETECT_iban) == 0)
                continue;
            fitting++;
            struct slice shorter = slice_of(iban, countries[i].size - 1u);
            cr_expect_eq(detect_any(shorter, UINT64_C(1) << DETECT_iban), 0, "%s", iban);
        }
        cr_expect_eq(fitting, 1, "%s: %u pairs of check digits", countries[i].country, fitting);
    }
}

/* Texts made of nothing but beginnings cost linear time; here they must also find nothing. */
Test(detect, beginnings_only)
{
    static const char *const beginnings[] = {
        "a@",   "://a:",  "-----BEGIN ", "-----BEGIN PRIVATE KEY-----",
        "eyJ.", "AKIA",   "sk-",         "\\",
        "1.",   "+1 ",    "DE89",        "4111 ",
        "@@",   "(415) ", "SG."};
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++) {
        struct buffer b = {0};
        while (b.size < 200000)
            buffer_add_text(&b, beginnings[i]);
        uint64_t found = detect_any(buffer_slice(&b), UINT64_MAX);
        bool key = strstr(beginnings[i], "PRIVATE") != NULL;
        cr_expect_eq(found, key ? UINT64_C(1) << DETECT_private_key : 0, "'%s'", beginnings[i]);
        buffer_deinit(&b);
    }
}
