/*
 * kernel_pattern.c - LIKE, ILIKE and regular expressions.
 *
 * Shape:   a constant pattern is compiled once: LIKE into exact, prefix, suffix or contains where it is one,
 *          a regular expression by PCRE2 with its JIT where the system allows one.
 * Failure: PCRE2's match, depth and heap limits bound what one row can cost; beyond them the query fails
 *          and says so.
 * Threads: compiled patterns are shared; match data is made per call.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "query/function.h"

#define REGEX_MATCH_LIMIT 1000000u
#define REGEX_DEPTH_LIMIT 10000u
#define REGEX_HEAP_KIB    16384u

enum like_shape {
    LIKE_GENERAL,
    LIKE_EXACT,
    LIKE_PREFIX,
    LIKE_SUFFIX,
    LIKE_CONTAINS
};

struct like {
    enum like_shape shape;
    struct slice text;
};

static uint8_t fold(uint8_t c, bool ignore_case)
{
    return ignore_case && c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* Next character of UTF-8 text: its length in bytes. */
static size_t character_size(struct slice text, size_t at)
{
    size_t end = at + 1;
    while (end < text.size && (text.data[end] & 0xc0) == 0x80)
        end++;
    return end - at;
}

/* Greedy with one point to go back to: the last % seen. Linear for one %, quadratic at worst. */
static bool like_match(struct slice text, struct slice pattern, bool ignore_case)
{
    size_t t = 0;
    size_t p = 0;
    size_t star = SIZE_MAX; /* pattern position after the last % */
    size_t retry = 0;       /* text position it stands for */
    while (t < text.size) {
        if (p < pattern.size && pattern.data[p] == '%') {
            star = ++p;
            retry = t;
            continue;
        }
        if (p < pattern.size && pattern.data[p] == '_') {
            t += character_size(text, t);
            p++;
            continue;
        }
        size_t literal =
            p < pattern.size && pattern.data[p] == '\\' && p + 1 < pattern.size ? p + 1 : p;
        if (literal < pattern.size &&
            fold(pattern.data[literal], ignore_case) == fold(text.data[t], ignore_case)) {
            t++;
            p = literal + 1;
            continue;
        }
        if (star == SIZE_MAX)
            return false;
        p = star;
        retry += character_size(text, retry);
        t = retry;
    }
    while (p < pattern.size && pattern.data[p] == '%')
        p++;
    return p == pattern.size;
}

/* No wildcard or escape in it? */
static bool is_plain(struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == '%' || text.data[i] == '_' || text.data[i] == '\\')
            return false;
    return true;
}

enum status prepare_like(const struct prepare *p, struct expr *e, struct error *reterr)
{
    (void)reterr;
    const struct expr *pattern = e->args[1];
    if (pattern->kind != EXPR_CONST || pattern->is_null)
        return STATUS_OK;
    struct like *like = ARENA_NEW(p->arena, struct like);
    struct slice text = pattern->value.text;
    bool front = text.size > 0 && text.data[0] == '%';
    bool back = text.size > (front ? 1u : 0u) && text.data[text.size - 1] == '%';
    struct slice inner = slice_of(text.data + front, text.size - front - back);
    like->text = text;
    if (is_plain(inner) && strcmp(e->function->name, "like") == 0) {
        like->text = inner;
        like->shape = front && back ? LIKE_CONTAINS
                      : front       ? LIKE_SUFFIX
                      : back        ? LIKE_PREFIX
                                    : LIKE_EXACT;
    }
    e->data = like;
    return STATUS_OK;
}

static bool like_test(const struct like *like, struct slice text, bool ignore_case)
{
    struct slice want = like->text;
    switch (like->shape) {
    case LIKE_EXACT:
        return slice_equal(text, want);
    case LIKE_PREFIX:
        return text.size >= want.size && memcmp(text.data, want.data, want.size) == 0;
    case LIKE_SUFFIX:
        return text.size >= want.size &&
               memcmp(text.data + (text.size - want.size), want.data, want.size) == 0;
    case LIKE_CONTAINS:
        return text.size >= want.size && memmem(text.data, text.size, want.data, want.size) != NULL;
    case LIKE_GENERAL:
        break;
    }
    return like_match(text, want, ignore_case);
}

static enum status like_rows(struct eval *ev, const struct expr *e, const struct vec *args,
                             uint32_t rows, bool ignore_case, struct vec *out)
{
    uint8_t *to = SCRATCH_ARRAY(ev->scratch, uint8_t, rows);
    uint32_t mask_a = args[0].constant ? 0 : UINT32_MAX;
    uint32_t mask_b = args[1].constant ? 0 : UINT32_MAX;
    for (uint32_t i = 0; i < rows; i++) {
        struct slice text = args[0].text[i & mask_a];
        struct like general = {.shape = LIKE_GENERAL, .text = args[1].text[i & mask_b]};
        to[i] = eval_row_counts(ev, out->valid, i) &&
                like_test(e->data != NULL ? e->data : &general, text, ignore_case);
    }
    out->truth = to;
    return STATUS_OK;
}

KERNEL(kernel_like)
{
    return like_rows(ev, e, args, rows, false, out);
}

KERNEL(kernel_ilike)
{
    return like_rows(ev, e, args, rows, true, out);
}

/* ---- regular expressions ---- */

static void *regex_alloc(size_t size, void *context)
{
    (void)context;
    return mem_alloc(size);
}

static void regex_free(void *p, void *context)
{
    (void)context;
    mem_free(p);
}

struct regex {
    pcre2_general_context *general;
    pcre2_code *code;
    pcre2_match_context *match;
    bool negated;
};

static void regex_destroy(void *object)
{
    struct regex *r = object;
    pcre2_match_context_free(r->match);
    pcre2_code_free(r->code);
    pcre2_general_context_free(r->general);
    mem_free(r);
}

enum status prepare_regex(const struct prepare *p, struct expr *e, struct error *reterr)
{
    const struct expr *pattern = e->args[1];
    const char *name = e->function->name;
    if (pattern->kind != EXPR_CONST)
        return error_set_at(reterr, STATUS_INVALID, pattern->position,
                            "the regular expression after %s must be a constant", name);
    if (pattern->is_null)
        return STATUS_OK;
    int number = 0;
    size_t offset = 0;
    uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C |
                       (strchr(name, '*') != NULL ? PCRE2_CASELESS : 0);
    struct regex *r = MEM_NEW(struct regex);
    p->own(p->own_context, regex_destroy, r);
    r->negated = name[0] == '!';
    r->general = pcre2_general_context_create(regex_alloc, regex_free, NULL);
    pcre2_compile_context *compile = pcre2_compile_context_create(r->general);
    r->code = pcre2_compile(pattern->value.text.data, pattern->value.text.size, options, &number,
                            &offset, compile);
    pcre2_compile_context_free(compile);
    if (r->code == NULL) {
        PCRE2_UCHAR text[128];
        (void)pcre2_get_error_message(number, text, sizeof text);
        return error_set_at(reterr, STATUS_INVALID, pattern->position,
                            "invalid regular expression at byte %zu: %s", offset, (char *)text);
    }
    (void)pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE);
    r->match = pcre2_match_context_create(r->general);
    pcre2_set_match_limit(r->match, REGEX_MATCH_LIMIT);
    pcre2_set_depth_limit(r->match, REGEX_DEPTH_LIMIT);
    pcre2_set_heap_limit(r->match, REGEX_HEAP_KIB);
    e->data = r;
    return STATUS_OK;
}

KERNEL(kernel_regex)
{
    enum status s = STATUS_OK;
    const struct regex *r = e->data;
    uint8_t *to = SCRATCH_ARRAY(ev->scratch, uint8_t, rows);
    pcre2_match_data *match = pcre2_match_data_create(1, r->general);
    for (uint32_t i = 0; i < rows && s == STATUS_OK; i++) {
        to[i] = 0;
        if (!eval_row_counts(ev, out->valid, i))
            continue;
        struct slice text = args[0].text[i];
        int result = pcre2_match(r->code, text.data, text.size, 0, 0, match, r->match);
        if (result == PCRE2_ERROR_NOMATCH || result >= 0)
            to[i] = (result >= 0) != r->negated;
        else if (result == PCRE2_ERROR_MATCHLIMIT || result == PCRE2_ERROR_DEPTHLIMIT ||
                 result == PCRE2_ERROR_HEAPLIMIT || result == PCRE2_ERROR_JIT_STACKLIMIT)
            s = error_set_at(ev->reterr, STATUS_LIMIT, e->position,
                             "the regular expression takes too many steps on a text of %zu bytes",
                             text.size);
        else
            s = eval_fail(ev, e, "the regular expression failed (PCRE2 error %d)", result);
        if (s == STATUS_OK && i % 64 == 63)
            s = eval_check(ev);
    }
    pcre2_match_data_free(match);
    out->truth = to;
    return s;
}
