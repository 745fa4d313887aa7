/*
 * detect.c - the one pass over a text that finds personal data and secrets.
 *
 * Place:   mask.c, score_safety.c -> [here] -> detect_number.c, detect_text.c, detect_secret.c
 * How:     every detector hangs on a byte that is rare in prose: a digit, '@', the ':' of "://", or one letter of a key's
 *          prefix. A table says which bytes those are for the wanted detectors; the rest is skipped eight at a time. At a
 *          trigger the finders look around.
 * Escapes: the text may be the inside of a JSON string: a backslash and what it escapes (n, t, ", u00e9, also when escaped twice)
 *          is not part of a word, so "\n555-..." begins with a 5 and "\u003cbob@..." with a b.
 * Cost:    4 GB/s of CPU time on prose, 0.4 on JSON full of digits and escapes (bench/bench_detect.c); the worst text is
 *          linear, since every finder's reach is bounded.
 */
#include "engine/enrich/detect_internal.h"

#include "engine/base/check.h"

static const struct {
    const char *name;
    const char *group;
} detectors[DETECTOR_COUNT] = {
#define DETECTOR(name, group, doc) {#name, group},
#include "engine/enrich/detector.def"
#undef DETECTOR
};

const char *detector_name(enum detector d)
{
    return detectors[d].name;
}

const char *detector_group(enum detector d)
{
    return detectors[d].group;
}

uint64_t detectors_from_name(struct slice name)
{
    uint64_t bits = 0;
    for (unsigned d = 0; d < DETECTOR_COUNT; d++) {
        struct slice group = slice_text(detectors[d].group);
        struct slice rest = slice_of(name.data + group.size, name.size - group.size);
        if (name.size < group.size || memcmp(name.data, group.data, group.size) != 0)
            continue;
        if (rest.size == 0 || (rest.data[0] == '.' &&
                               slice_is(slice_of(rest.data + 1, rest.size - 1), detectors[d].name)))
            bits |= UINT64_C(1) << d;
    }
    return bits;
}

#define DIGITS(c) ['0' ... '9'] = (c)
#define UPPERS(c) ['A' ... 'Z'] = (c)
#define LOWERS(c) ['a' ... 'z'] = (c)
const uint8_t detect_classes[256] = {
    DIGITS(BYTE_DIGIT),
    UPPERS(BYTE_UPPER),
    LOWERS(BYTE_LOWER),
    ['_'] = BYTE_UNDER | BYTE_LOCAL,
    ['-'] = BYTE_DASH | BYTE_LOCAL | BYTE_SCHEME,
    ['+'] = BYTE_LOCAL | BYTE_SCHEME,
    ['.'] = BYTE_LOCAL | BYTE_SCHEME,
    ['%'] = BYTE_LOCAL,
    ['\''] = BYTE_LOCAL,
    ['&'] = BYTE_LOCAL,
};

#define BIT(name) (UINT64_C(1) << DETECT_##name)
#define ALL       (UINT64_MAX >> (64 - DETECTOR_COUNT))
#define ESCAPE    (UINT64_C(1) << 15)
static_assert(DETECTOR_COUNT <= 15, "triggers hold 16 bits");

/* The detectors that hang on a byte; a backslash begins an escape. */
static const uint16_t triggers[256] = {
    DIGITS(BIT(phone) | BIT(card) | BIT(iban) | BIT(ssn) | BIT(ip)),
    ['@'] = BIT(email),
    [':'] = BIT(url_password),
    ['-'] = BIT(private_key) | BIT(api_key),
    ['_'] = BIT(api_key),
    ['G'] = BIT(api_key), /* SG. */
    ['z'] = BIT(api_key), /* AIza */
    ['K'] = BIT(aws_key),
    ['S'] = BIT(aws_key),
    ['J'] = BIT(jwt),
    ['\\'] = ESCAPE,
};

static bool (*const finders[DETECTOR_COUNT])(const struct detect_scan *s, size_t at,
                                             size_t *ret_start, size_t *ret_end) = {
#define DETECTOR(name, group, doc) [DETECT_##name] = find_##name,
#include "engine/enrich/detector.def"
#undef DETECTOR
};

/* The next byte that is an active trigger. */
static size_t next_trigger(struct slice text, size_t at, uint64_t active)
{
    const uint8_t *p = text.data;
    for (; text.size - at >= 8; at += 8) {
        const uint8_t *q = p + at;
        unsigned any = triggers[q[0]] | triggers[q[1]] | triggers[q[2]] | triggers[q[3]] |
                       triggers[q[4]] | triggers[q[5]] | triggers[q[6]] | triggers[q[7]];
        if ((any & active) != 0)
            break;
    }
    while (at < text.size && (triggers[p[at]] & active) == 0)
        at++;
    return at;
}

static bool is_hex(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* at: a backslash. Where the escape ends; backslashes that escape backslashes are taken together. */
static size_t escape_end(const struct detect_scan *s, size_t at)
{
    while (byte_at(s, at) == '\\')
        at++;
    switch (byte_at(s, at)) {
    case '"':
    case 'n':
    case 'r':
    case 't':
    case 'b':
    case 'f':
    case '/':
        return at + 1;
    case 'u':
        return is_hex(byte_at(s, at + 1)) && is_hex(byte_at(s, at + 2)) &&
                       is_hex(byte_at(s, at + 3)) && is_hex(byte_at(s, at + 4))
                   ? at + 5
                   : at;
    default:
        return at;
    }
}

/*
 * Most digits are prices, dates and counts: what a run of digits can be is told by its length and its neighbours. The finders
 * check everything; this saves them the trouble, and leaves no two of them that could both be right.
 */
static uint64_t digits_possible(const struct detect_scan *s, size_t at, size_t end)
{
    uint8_t before = at > s->fence ? s->text.data[at - 1] : 0;
    uint8_t behind = byte_at(s, end);
    size_t count = end - at;
    if ((detect_classes[before] & BYTE_WORD) != 0)
        return (detect_classes[before] & BYTE_UPPER) != 0 && count >= 2 ? BIT(iban) : 0;
    if (before == '+' || before == '(')
        return BIT(phone);
    if (count >= 13)
        return BIT(card);
    bool separated = behind == ' ' || behind == '-' || behind == '.';
    if (!separated)
        return 0;
    switch (count) {
    case 1:
        return BIT(ip) | (s->text.data[at] == '1' ? BIT(phone) : 0);
    case 2:
        return BIT(ip);
    case 3:
        return BIT(ip) | BIT(ssn) | BIT(phone);
    case 4:
        return BIT(card);
    default:
        return 0;
    }
}

void detect(struct slice text, uint64_t wanted,
            bool (*found)(void *context, const struct detection *d), void *context)
{
    struct detect_scan s = {.text = text};
    if ((wanted & ALL) == 0)
        return;
    for (size_t at = 0; (at = next_trigger(text, at, wanted | ESCAPE)) < text.size;) {
        uint64_t possible = triggers[text.data[at]];
        if (possible == ESCAPE) {
            at = escape_end(&s, at);
            s.fence = at;
            continue;
        }
        size_t next = at + 1;
        if ((possible & BIT(card)) != 0) {
            next = run_end(&s, at, BYTE_DIGIT, SIZE_MAX);
            possible = digits_possible(&s, at, next);
        }
        struct detection d = {0};
        size_t end = 0;
        bool hit = false;
        for (possible &= wanted; possible != 0 && !hit; possible &= possible - 1) {
            d.detector = (enum detector)__builtin_ctzll(possible);
            hit = finders[d.detector](&s, at, &d.start, &end);
        }
        if (!hit) {
            at = next;
            continue;
        }
        DEBUG_ASSERT(d.start >= s.fence);
        DEBUG_ASSERT(end > at);
        d.size = end - d.start;
        if (!found(context, &d))
            return;
        at = end;
        s.fence = end;
    }
}

struct detect_any_state {
    uint64_t wanted;
    uint64_t seen;
};

static bool detect_any_found(void *context, const struct detection *d)
{
    struct detect_any_state *state = context;
    state->seen |= UINT64_C(1) << d->detector;
    return state->seen != state->wanted;
}

uint64_t detect_any(struct slice text, uint64_t wanted)
{
    struct detect_any_state state = {.wanted = wanted & ALL};
    detect(text, wanted, detect_any_found, &state);
    return state.seen;
}
