/*
 * detect_internal.h - what the detectors of this folder share.
 *
 * A finder is called where the scanner saw the byte its detector hangs on (a digit, an '@', a '-' ...) and looks around it. It
 * looks back no further than `fence`: the end of the last detection or of the last JSON escape, whichever is later.
 * Bounds: no finder reads more than DETECT_REACH_BYTES_MAX bytes, so that a text made of beginnings stays cheap.
 */
#ifndef DRIFTLINE_ENRICH_DETECT_INTERNAL_H
#define DRIFTLINE_ENRICH_DETECT_INTERNAL_H

#include "engine/enrich/detect.h"

#define DETECT_REACH_BYTES_MAX 16384u

/* Classes of bytes, shared by all finders. */
enum byte_class {
    BYTE_DIGIT = 1,
    BYTE_UPPER = 2,
    BYTE_LOWER = 4,
    BYTE_LOCAL = 8,   /* of an e-mail's local part, besides letters and digits */
    BYTE_SCHEME = 16, /* of a URL scheme, besides letters and digits */
    BYTE_UNDER = 32,  /* _ */
    BYTE_DASH = 64,   /* - */
};
#define BYTE_LETTER (BYTE_UPPER | BYTE_LOWER)
#define BYTE_ALNUM  (BYTE_LETTER | BYTE_DIGIT)
#define BYTE_WORD   (BYTE_ALNUM | BYTE_UNDER)
#define BYTE_KEY    (BYTE_WORD | BYTE_DASH) /* base64url */
extern const uint8_t detect_classes[256];

struct detect_scan {
    struct slice text;
    size_t fence;
};

static inline bool byte_is(const struct detect_scan *s, size_t at, unsigned classes)
{
    return at < s->text.size && (detect_classes[s->text.data[at]] & classes) != 0;
}

/* The byte at, or 0 past the end. */
static inline uint8_t byte_at(const struct detect_scan *s, size_t at)
{
    return at < s->text.size ? s->text.data[at] : 0;
}

/* Is the byte before at one of the classes? Nothing stands before the fence. */
static inline bool byte_before(const struct detect_scan *s, size_t at, unsigned classes)
{
    return at > s->fence && (detect_classes[s->text.data[at - 1]] & classes) != 0;
}

/* Where the run of bytes of these classes that begins at ends; at most max bytes. Past the end of the text: at. */
static inline size_t run_end(const struct detect_scan *s, size_t at, unsigned classes, size_t max)
{
    size_t left = at < s->text.size ? s->text.size - at : 0;
    size_t end = at + (left < max ? left : max);
    while (at < end && (detect_classes[s->text.data[at]] & classes) != 0)
        at++;
    return at;
}

static inline bool text_at(const struct detect_scan *s, size_t at, const char *text, size_t size)
{
    return at <= s->text.size && s->text.size - at >= size &&
           memcmp(s->text.data + at, text, size) == 0;
}

/* True: *ret_start and *ret_end are the span. `at` is the first digit of a run of digits. */
bool find_card(const struct detect_scan *s, size_t at, size_t *ret_start, size_t *ret_end);
bool find_iban(const struct detect_scan *s, size_t at, size_t *ret_start, size_t *ret_end);
bool find_ssn(const struct detect_scan *s, size_t at, size_t *ret_start, size_t *ret_end);
bool find_ip(const struct detect_scan *s, size_t at, size_t *ret_start, size_t *ret_end);
bool find_phone(const struct detect_scan *s, size_t at, size_t *ret_start, size_t *ret_end);
/* `at` is an '@'. */
bool find_email(const struct detect_scan *s, size_t at, size_t *ret_start, size_t *ret_end);
/* `at` is the ':' of "://". The span is user:password, without the '@'. */
bool find_url_password(const struct detect_scan *s, size_t at, size_t *ret_start, size_t *ret_end);
/* `at` is the first of five '-'. */
bool find_private_key(const struct detect_scan *s, size_t at, size_t *ret_start, size_t *ret_end);
/* `at` is the K of AKIA or the S of ASIA. */
bool find_aws_key(const struct detect_scan *s, size_t at, size_t *ret_start, size_t *ret_end);
/* `at` is the trigger byte of a row of detect_key.def. */
bool find_api_key(const struct detect_scan *s, size_t at, size_t *ret_start, size_t *ret_end);
/* `at` is the J of "eyJ", what '{"' becomes in base64. */
bool find_jwt(const struct detect_scan *s, size_t at, size_t *ret_start, size_t *ret_end);

#endif
