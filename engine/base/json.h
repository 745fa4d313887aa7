/*
 * json.h - a pull reader over untrusted JSON (RFC 8259), for control-plane bodies, NDJSON and chat
 * logs. No allocation except for strings with escapes. Depth is bounded by JSON_DEPTH_MAX; duplicate
 * keys are delivered as they come; invalid UTF-8 is passed through untouched.
 *
 *     struct json j = json_over(text);
 *     for each: enum json_token t = json_next(&j);
 */
#ifndef DRIFTLINE_BASE_JSON_H
#define DRIFTLINE_BASE_JSON_H

#include "engine/base/memory.h"
#include "engine/base/status.h"

#define JSON_DEPTH_MAX 64
#define JSON_DEEP_MAX  256 /* for json_over_deep */

enum json_token {
    JSON_ERROR = -1, /* see json_error */
    JSON_END = 0,    /* the document is complete and nothing but white space follows */
    JSON_OBJECT_BEGIN,
    JSON_OBJECT_END,
    JSON_ARRAY_BEGIN,
    JSON_ARRAY_END,
    JSON_KEY,    /* raw: the bytes between the quotes; json_string unescapes */
    JSON_STRING, /* likewise */
    JSON_NUMBER, /* raw: the number's text */
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
};

struct json {
    struct slice text;
    size_t at;
    struct slice raw;   /* of the token just returned */
    size_t start;       /* offset of the token just returned, quotes included */
    uint32_t depth;
    uint32_t depth_max;
    uint8_t state;
    bool escaped;                           /* raw holds a backslash */
    uint64_t is_object[JSON_DEEP_MAX / 64]; /* bit d: level d is an object */
    const char *reason;
};

struct json json_over(struct slice text);
/* The same with another bound on depth, at most JSON_DEEP_MAX: for formats that wrap every value several times. */
struct json json_over_deep(struct slice text, uint32_t depth_max);
enum json_token json_next(struct json *j);
/* Skips the value whose first token was just returned and returns its text, exactly as written. */
struct slice json_skip(struct json *j, enum json_token first);
/* The same, but only counts brackets and minds quotes: fast, not bounded in depth, and blind to what is wrong inside.
 * For values that are refused anyway, or read later. False: the text ends before the value does. */
bool json_leap(struct json *j, enum json_token first);
/* The current KEY or STRING with escapes resolved (in the arena only when there are any). Lone
 * surrogates become U+FFFD. */
struct slice json_string(const struct json *j, struct arena *arena);
/* The current NUMBER. False when it is not an integer in range; 12.0 and 1e3 are integers. */
bool json_int(const struct json *j, int64_t *ret);
/* The nearest double; what is too large becomes an infinity. */
double json_double(const struct json *j);
/* After JSON_ERROR: what and where. Returns STATUS_INVALID. */
enum status json_error(const struct json *j, const char *what, struct error *reterr);

#endif
