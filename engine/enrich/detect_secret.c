/*
 * detect_secret.c - private keys, cloud and API keys, JSON Web Tokens.
 *
 * Place:   detect.c -> [here]
 * pem:     "-----BEGIN ... PRIVATE KEY-----" (RFC 7468; OpenSSL, OpenSSH and PGP labels) to its END line. Without one, a key that was cut
 *          off: what looks like base64.
 * aws:     AKIA or ASIA and 16 of A-Z, 0-9.
 * api key: detect_key.def; besides the format, not the same few characters over and over ("sk-xxxxxxxx"): at least
 *          KEY_SYMBOLS_MIN different ones.
 * jwt:     three parts of base64url (RFC 7519), the first of which decodes to a JSON object with a string "alg".
 */
#include "engine/base/json.h"
#include "engine/enrich/detect_internal.h"

#define KEY_SYMBOLS_MIN      8u
#define KEY_TRIGGER_MAX      6u /* the largest in detect_key.def */
#define JWT_HEADER_BYTES_MAX 2048u
#define JWT_PART_BYTES_MAX   8192u
#define PEM_LABEL_BYTES_MAX  40u

static size_t find_text(const struct detect_scan *s, size_t at, const char *text, size_t reach)
{
    size_t left = s->text.size - at;
    const uint8_t *found =
        memmem(s->text.data + at, left < reach ? left : reach, text, strlen(text));
    return found == NULL ? SIZE_MAX : (size_t)(found - s->text.data);
}

/* The end of base64, white space and escaped newlines: what is left of a key that was cut off. */
static size_t pem_body_end(const struct detect_scan *s, size_t at)
{
    size_t end = at;
    for (size_t i = at; i < s->text.size && i - at < DETECT_REACH_BYTES_MAX;) {
        uint8_t c = s->text.data[i];
        if (c == '\\' && (byte_at(s, i + 1) == 'n' || byte_at(s, i + 1) == 'r')) {
            i += 2;
        } else if (byte_is(s, i, BYTE_ALNUM) || c == '+' || c == '/' || c == '=') {
            end = ++i;
        } else if (c == '\n' || c == '\r') {
            i++;
        } else {
            break;
        }
    }
    return end;
}

bool find_private_key(const struct detect_scan *s, size_t at, size_t *ret_start, size_t *ret_end)
{
    if (!text_at(s, at, "-----BEGIN ", 11))
        return false;
    size_t label_end = find_text(s, at + 11, "-----", PEM_LABEL_BYTES_MAX);
    if (label_end == SIZE_MAX)
        return false;
    struct slice label = slice_of(s->text.data + at + 11, label_end - at - 11);
    if (memmem(label.data, label.size, "PRIVATE KEY", 11) == NULL)
        return false;
    size_t body = label_end + 5;
    size_t dashes = find_text(s, body, "-----", DETECT_REACH_BYTES_MAX);
    *ret_start = at;
    *ret_end = pem_body_end(s, body);
    if (dashes != SIZE_MAX && text_at(s, dashes, "-----END ", 9)) {
        size_t end = find_text(s, dashes + 9, "-----", PEM_LABEL_BYTES_MAX);
        *ret_end = end == SIZE_MAX ? dashes + 9 : end + 5;
    }
    return true;
}

bool find_aws_key(const struct detect_scan *s, size_t at, size_t *ret_start, size_t *ret_end)
{
    if (at <= s->fence || s->text.data[at - 1] != 'A')
        return false;
    size_t start = at - 1;
    if ((!text_at(s, start, "AKIA", 4) && !text_at(s, start, "ASIA", 4)) ||
        byte_before(s, start, BYTE_WORD))
        return false;
    size_t end = run_end(s, start, BYTE_UPPER | BYTE_DIGIT, 21);
    if (end - start != 20 || byte_is(s, end, BYTE_WORD))
        return false;
    *ret_start = start;
    *ret_end = end;
    return true;
}

static const struct key_format {
    const char *prefix;
    uint8_t prefix_size;
    uint8_t trigger;
    uint8_t classes;
    uint8_t run_min;
    uint16_t bytes_min;
    uint16_t bytes_max;
} key_formats[] = {
#define KEY(prefix, trigger, classes, bytes_min, bytes_max, run_min, vendor)                       \
    {prefix, sizeof(prefix) - 1, trigger, classes, run_min, bytes_min, bytes_max},
#include "engine/enrich/detect_key.def"
#undef KEY
};

/* Different bytes, and the longest run of letters and digits. */
static void key_shape(struct slice body, uint32_t *ret_symbols, size_t *ret_run)
{
    bool seen[256] = {false};
    uint32_t symbols = 0;
    size_t run = 0;
    size_t longest = 0;
    for (size_t i = 0; i < body.size; i++) {
        uint8_t c = body.data[i];
        symbols += !seen[c];
        seen[c] = true;
        run = (detect_classes[c] & BYTE_ALNUM) != 0 ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    *ret_symbols = symbols;
    *ret_run = longest;
}

static bool key_at(const struct detect_scan *s, size_t start, const struct key_format *f,
                   size_t *ret_end)
{
    size_t body = start + f->prefix_size;
    size_t end = run_end(s, body, f->classes, (size_t)f->bytes_max + 1);
    if (end - body > f->bytes_max) /* more than a key: something else */
        return false;
    while (end > body && !byte_is(s, end - 1, BYTE_ALNUM | BYTE_UNDER))
        end--; /* the full stop or hyphen of the sentence around it */
    if (end - body < f->bytes_min)
        return false;
    uint32_t symbols = 0;
    size_t run = 0;
    key_shape(slice_of(s->text.data + body, end - body), &symbols, &run);
    *ret_end = end;
    return symbols >= KEY_SYMBOLS_MIN && run >= f->run_min;
}

/* What stands before the trigger back to where the word begins must be the prefix: its length rules most formats out. */
bool find_api_key(const struct detect_scan *s, size_t at, size_t *ret_start, size_t *ret_end)
{
    size_t start = at;
    while (byte_before(s, start, BYTE_KEY)) {
        if (at - start == KEY_TRIGGER_MAX)
            return false;
        start--;
    }
    for (size_t i = 0; i < sizeof key_formats / sizeof key_formats[0]; i++) {
        const struct key_format *f = &key_formats[i];
        if (f->trigger != at - start || s->text.data[start] != (uint8_t)f->prefix[0] ||
            !text_at(s, start, f->prefix, f->prefix_size))
            continue;
        *ret_start = start;
        return key_at(s, start, f, ret_end);
    }
    return false;
}

static int base64url_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

/* Is the part an object with a string "alg"? */
static bool jwt_header_is(struct slice part)
{
    uint8_t text[JWT_HEADER_BYTES_MAX];
    size_t size = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < part.size && size < sizeof text; i++) {
        bits = bits << 6 | (uint32_t)base64url_value(part.data[i]);
        if (i % 4 != 0)
            text[size++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    struct json j = json_over(slice_of(text, size));
    if (json_next(&j) != JSON_OBJECT_BEGIN)
        return false;
    bool found = false;
    enum json_token t;
    while ((t = json_next(&j)) == JSON_KEY) {
        bool is_alg = slice_is(j.raw, "alg");
        enum json_token value = json_next(&j);
        found |= is_alg && value == JSON_STRING;
        if (value < 0 || json_skip(&j, value).size == 0)
            return false;
    }
    return found && t == JSON_OBJECT_END;
}

bool find_jwt(const struct detect_scan *s, size_t at, size_t *ret_start, size_t *ret_end)
{
    if (at - s->fence < 2 || !text_at(s, at - 2, "ey", 2) || byte_before(s, at - 2, BYTE_KEY))
        return false;
    size_t start = at - 2;
    size_t header_end = run_end(s, start, BYTE_KEY, JWT_HEADER_BYTES_MAX);
    if (byte_at(s, header_end) != '.')
        return false;
    size_t payload_end = run_end(s, header_end + 1, BYTE_KEY, JWT_PART_BYTES_MAX);
    if (payload_end - header_end < 3 || byte_at(s, payload_end) != '.' ||
        !jwt_header_is(slice_of(s->text.data + start, header_end - start)))
        return false;
    *ret_start = start;
    *ret_end = run_end(s, payload_end + 1, BYTE_KEY, JWT_PART_BYTES_MAX);
    return true;
}
