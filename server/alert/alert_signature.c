/*
 * alert_signature.c - HMAC-SHA256 over time and body.
 * Source: RFC 2104, FIPS 198-1; test vectors of RFC 4231.
 */
#include "server/alert/alert_signature.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#include "engine/base/bytes_text.h"
#include "engine/base/check.h"
#include "engine/base/id.h"
#include "engine/base/memory.h"

#define DIGEST_BYTES 32

static void digest_of(struct slice secret, struct slice time_text, struct slice body,
                      char hex[2 * DIGEST_BYTES])
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned size = sizeof digest;
    struct buffer signed_bytes = {0};
    buffer_add_slice(&signed_bytes, time_text);
    buffer_add_byte(&signed_bytes, '.');
    buffer_add_slice(&signed_bytes, body);
    ASSERT(secret.size <= INT32_MAX);
    ASSERT(HMAC(EVP_sha256(), secret.data, (int)secret.size, signed_bytes.data, signed_bytes.size,
                digest, &size) != NULL);
    ASSERT(size == DIGEST_BYTES);
    hex_encode(digest, size, hex);
    buffer_deinit(&signed_bytes);
}

void alert_signature(struct slice secret, int64_t time_s, struct slice body,
                     char to[ALERT_SIGNATURE_BYTES])
{
    char time_text[24];
    char hex[2 * DIGEST_BYTES];
    (void)snprintf(time_text, sizeof time_text, "%lld", (long long)time_s);
    digest_of(secret, slice_text(time_text), body, hex);
    (void)snprintf(to, ALERT_SIGNATURE_BYTES, "t=%s,v1=%.*s", time_text, (int)sizeof hex, hex);
}

bool alert_signature_matches(struct slice header, struct slice secret, struct slice body,
                             int64_t now_s, int64_t age_max_s)
{
    static const char between[] = ",v1=";
    const size_t tail = sizeof between - 1 + (size_t)2 * DIGEST_BYTES;
    uint64_t time_s;
    char hex[2 * DIGEST_BYTES];
    if (header.size < 2 + tail || memcmp(header.data, "t=", 2) != 0 ||
        memcmp(header.data + header.size - tail, between, sizeof between - 1) != 0)
        return false;
    struct slice time_text = slice_of(header.data + 2, header.size - 2 - tail);
    if (!count_from_text(time_text, &time_s) || time_s > INT64_MAX / 2)
        return false;
    digest_of(secret, time_text, body, hex);
    int64_t age_s = now_s - (int64_t)time_s;
    return CRYPTO_memcmp(hex, header.data + header.size - sizeof hex, sizeof hex) == 0 &&
           (age_s < 0 ? -age_s : age_s) <= age_max_s;
}
