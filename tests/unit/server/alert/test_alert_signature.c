/*
 * test_alert_signature.c - signatures against a vector made with openssl(1):
 *     printf '1764277200.{"a":1}' | openssl dgst -sha256 -hmac s3cret
 */
#include <criterion/criterion.h>

#include "server/alert/alert_signature.h"

#define VECTOR "t=1764277200,v1=9fda760de3b2868c1033fd7892333deff6fa4e6c577e72adb4f6072a3e2d2b5e"
#define NOW_S  1764277200

static const char body[] = "{\"a\":1}";

Test(alert_signature, is_what_openssl_says)
{
    char header[ALERT_SIGNATURE_BYTES];
    alert_signature(slice_text("s3cret"), NOW_S, slice_text(body), header);
    cr_expect_str_eq(header, VECTOR);
}

Test(alert_signature, a_receiver_accepts_only_what_was_signed)
{
    const struct slice secret = slice_text("s3cret");
    cr_expect(alert_signature_matches(slice_text(VECTOR), secret, slice_text(body), NOW_S, 300));
    cr_expect(
        alert_signature_matches(slice_text(VECTOR), secret, slice_text(body), NOW_S + 300, 300));
    cr_expect(
        alert_signature_matches(slice_text(VECTOR), secret, slice_text(body), NOW_S - 300, 300));
    cr_expect(
        !alert_signature_matches(slice_text(VECTOR), secret, slice_text(body), NOW_S + 301, 300),
        "old");
    cr_expect(
        !alert_signature_matches(slice_text(VECTOR), secret, slice_text(body), NOW_S - 301, 300),
        "early");
    cr_expect(!alert_signature_matches(slice_text(VECTOR), slice_text("s3cre"), slice_text(body),
                                       NOW_S, 300));
    cr_expect(
        !alert_signature_matches(slice_text(VECTOR), secret, slice_text("{\"a\":2}"), NOW_S, 300));
}

Test(alert_signature, no_changed_or_shortened_header_passes)
{
    const struct slice secret = slice_text("s3cret");
    char changed[] = VECTOR;
    for (size_t bit = 0; bit < 8 * (sizeof changed - 1); bit++) {
        changed[bit / 8] = (char)(changed[bit / 8] ^ (1 << bit % 8));
        cr_expect(!alert_signature_matches(slice_text(changed), secret, slice_text(body), NOW_S,
                                           INT32_MAX),
                  "bit %zu", bit);
        changed[bit / 8] = (char)(changed[bit / 8] ^ (1 << bit % 8));
    }
    for (size_t size = 0; size < sizeof changed - 1; size++)
        cr_expect(!alert_signature_matches(slice_of(changed, size), secret, slice_text(body), NOW_S,
                                           300));
}

Test(alert_signature, an_empty_body_and_a_long_secret_work)
{
    char header[ALERT_SIGNATURE_BYTES];
    uint8_t secret[4096];
    memset(secret, 'k', sizeof secret);
    alert_signature(slice_of(secret, sizeof secret), NOW_S, SLICE_EMPTY, header);
    cr_expect(alert_signature_matches(slice_text(header), slice_of(secret, sizeof secret),
                                      SLICE_EMPTY, NOW_S, 0));
}
