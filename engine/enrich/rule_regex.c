/*
 * rule_regex.c - PCRE2 behind regex_*.
 *
 * Bounds:  a pattern has REGEX_PATTERN_BYTES_MAX bytes; a match takes match_limit steps, REGEX_DEPTH_LIMIT levels of backtracking and
 *          REGEX_HEAP_KIB of memory.
 * Threads: a compiled expression is only read; match data is made per call.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "engine/enrich/rule_regex.h"

#include <pcre2.h>

#include "engine/base/memory.h"

#define REGEX_DEPTH_LIMIT 10000u
#define REGEX_HEAP_KIB    4096u

struct regex {
    pcre2_general_context *general;
    pcre2_match_context *match;
    pcre2_code *code;
};

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

void regex_destroy(struct regex *r)
{
    if (r == NULL)
        return;
    pcre2_code_free(r->code);
    pcre2_match_context_free(r->match);
    pcre2_general_context_free(r->general);
    mem_free(r);
}

enum status regex_create(struct slice pattern, const struct regex_options *options,
                         struct regex **ret, struct error *reterr)
{
    if (pattern.size > REGEX_PATTERN_BYTES_MAX)
        return error_set(reterr, STATUS_INVALID, "the pattern has more than %u bytes",
                         REGEX_PATTERN_BYTES_MAX);
    struct regex *r = MEM_NEW(struct regex);
    r->general = pcre2_general_context_create(regex_alloc, regex_free, NULL);
    uint32_t flags = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C;
    if (options->ecma)
        flags |= PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_BSUX | PCRE2_MATCH_UNSET_BACKREF;
    int number = 0;
    size_t offset = 0;
    pcre2_compile_context *compile = pcre2_compile_context_create(r->general);
    r->code = pcre2_compile(pattern.data, pattern.size, flags, &number, &offset, compile);
    pcre2_compile_context_free(compile);
    if (r->code == NULL) {
        PCRE2_UCHAR text[128];
        (void)pcre2_get_error_message(number, text, sizeof text);
        regex_destroy(r);
        return error_set_at(reterr, STATUS_INVALID, (int64_t)offset,
                            "invalid pattern at byte %zu: %s", offset, (const char *)text);
    }
    if (options->fast)
        (void)pcre2_jit_compile(r->code,
                                PCRE2_JIT_COMPLETE); /* without it: slower, the same answer */
    r->match = pcre2_match_context_create(r->general);
    pcre2_set_match_limit(r->match, options->match_limit);
    pcre2_set_depth_limit(r->match, REGEX_DEPTH_LIMIT);
    pcre2_set_heap_limit(r->match, REGEX_HEAP_KIB);
    *ret = r;
    return STATUS_OK;
}

enum regex_result regex_match(const struct regex *r, struct slice text)
{
    pcre2_match_data *data = pcre2_match_data_create(1, r->general);
    int result = pcre2_match(r->code, text.data, text.size, 0, 0, data, r->match);
    pcre2_match_data_free(data);
    if (result >= 0)
        return REGEX_YES;
    return result == PCRE2_ERROR_NOMATCH ? REGEX_NO : REGEX_GAVE_UP;
}
