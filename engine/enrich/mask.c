/*
 * mask.c - the rules of masking: checked, compiled, kept.
 *
 * Bounds:    MASK_RULES_MAX rules; a pattern has PATTERN_BYTES_MAX bytes and may take MASK_MATCH_LIMIT steps a text.
 * Invariant: a replacement holds nothing that JSON would have to escape, so it can stand inside any JSON string.
 */
#include "engine/enrich/mask_internal.h"

#include "engine/base/utf8.h"
#include "engine/enrich/detect.h"

#define PATTERN_BYTES_MAX     4096u
#define REPLACEMENT_BYTES_MAX 256u
#define MASK_NAME_BYTES_MAX   64u
#define MASK_MATCH_LIMIT      200000u
#define MASK_DEPTH_LIMIT      10000u
#define MASK_HEAP_KIB         16384u

static void *mask_alloc(size_t size, void *context)
{
    (void)context;
    return mem_alloc(size);
}

static void mask_free(void *p, void *context)
{
    (void)context;
    mem_free(p);
}

static bool replacement_is_plain(struct slice text)
{
    const uint8_t *at = text.data;
    const uint8_t *end = text.data + text.size;
    while (at < end) {
        size_t size;
        if (*at < 0x20 || *at == '"' || *at == '\\' || *at == 0x7f || !utf8_take(at, end, &size))
            return false;
        at += size;
    }
    return true;
}

static bool name_is_plain(struct slice name)
{
    return name.size > 0 && name.size <= MASK_NAME_BYTES_MAX && replacement_is_plain(name);
}

static enum status pattern_compile(struct masker *m, struct slice pattern, struct mask_entry *e,
                                   struct error *reterr)
{
    int number = 0;
    size_t offset = 0;
    if (pattern.size > PATTERN_BYTES_MAX)
        return error_set(reterr, STATUS_INVALID,
                         "mask rule '%.*s': the pattern has more than %u bytes", SLICE_ARG(e->name),
                         PATTERN_BYTES_MAX);
    pcre2_compile_context *compile = pcre2_compile_context_create(m->general);
    e->code = pcre2_compile(pattern.data, pattern.size,
                            PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C, &number,
                            &offset, compile);
    pcre2_compile_context_free(compile);
    if (e->code == NULL) {
        PCRE2_UCHAR text[128];
        (void)pcre2_get_error_message(number, text, sizeof text);
        return error_set_at(reterr, STATUS_INVALID, (int64_t)offset,
                            "mask rule '%.*s': invalid pattern at byte %zu: %s", SLICE_ARG(e->name),
                            offset, (const char *)text);
    }
    (void)pcre2_jit_compile(e->code, PCRE2_JIT_COMPLETE); /* without it: slower, the same answer */
    return STATUS_OK;
}

static enum status rule_check(const struct masker *m, const struct mask_rule *rule,
                              struct error *reterr)
{
    if (!name_is_plain(rule->name))
        return error_set(reterr, STATUS_INVALID,
                         "mask rule %u needs a name: 1 to %u bytes, no quotes or backslashes",
                         m->count + 1, MASK_NAME_BYTES_MAX);
    for (uint32_t i = 0; i < m->count; i++) {
        if (slice_equal(m->entries[i].name, rule->name))
            return error_set(reterr, STATUS_INVALID, "there is a mask rule '%.*s' already",
                             SLICE_ARG(rule->name));
    }
    if ((rule->detector.size > 0) == (rule->pattern.size > 0))
        return error_set(reterr, STATUS_INVALID,
                         "mask rule '%.*s' needs either a detector or a pattern",
                         SLICE_ARG(rule->name));
    if (rule->replacement.size > REPLACEMENT_BYTES_MAX || !replacement_is_plain(rule->replacement))
        return error_set(reterr, STATUS_INVALID,
                         "mask rule '%.*s': the replacement has at most %u bytes of text without "
                         "quotes, backslashes and control characters",
                         SLICE_ARG(rule->name), REPLACEMENT_BYTES_MAX);
    return STATUS_OK;
}

static enum status rule_add(struct masker *m, const struct mask_rule *rule, struct error *reterr)
{
    struct mask_entry *e = &m->entries[m->count];
    enum status s;
    if ((s = rule_check(m, rule, reterr)) < 0)
        return s;
    e->name = arena_copy(&m->arena, rule->name);
    e->project = arena_copy(&m->arena, rule->project);
    e->replacement = arena_copy(&m->arena, rule->replacement);
    if (rule->replacement.size == 0)
        e->replacement = slice_text(arena_printf(&m->arena, "[%.*s]", SLICE_ARG(rule->name)));
    if (rule->detector.size > 0) {
        e->detectors = detectors_from_name(rule->detector);
        if (e->detectors == 0)
            return error_set(
                reterr, STATUS_INVALID,
                "mask rule '%.*s': there is no detector '%.*s'; use pii, secret, or one "
                "of them with a name such as pii.email",
                SLICE_ARG(rule->name), SLICE_ARG(rule->detector));
    } else if ((s = pattern_compile(m, rule->pattern, e, reterr)) < 0) {
        return s;
    }
    m->count++;
    return STATUS_OK;
}

enum status masker_create(const struct mask_rule *rules, uint32_t count, struct masker **ret,
                          struct error *reterr)
{
    enum status s = STATUS_OK;
    struct masker *m = MEM_NEW(struct masker);
    m->general = pcre2_general_context_create(mask_alloc, mask_free, NULL);
    m->match = pcre2_match_context_create(m->general);
    pcre2_set_match_limit(m->match, MASK_MATCH_LIMIT);
    pcre2_set_depth_limit(m->match, MASK_DEPTH_LIMIT);
    pcre2_set_heap_limit(m->match, MASK_HEAP_KIB);
    if (count > MASK_RULES_MAX) {
        s = error_set(reterr, STATUS_LIMIT, "at most %u mask rules", MASK_RULES_MAX);
        goto out;
    }
    for (uint32_t i = 0; i < count; i++) {
        if ((s = rule_add(m, &rules[i], reterr)) < 0)
            goto out;
    }
    *ret = m;
    m = NULL;
out:
    masker_destroy(m);
    return s;
}

void masker_destroy(struct masker *m)
{
    if (m == NULL)
        return;
    for (uint32_t i = 0; i < MASK_RULES_MAX; i++)
        pcre2_code_free(m->entries[i].code);
    pcre2_match_context_free(m->match);
    pcre2_general_context_free(m->general);
    arena_deinit(&m->arena);
    mem_free(m);
}

uint32_t masker_count(const struct masker *m)
{
    return m->count;
}

struct slice masker_rule_name(const struct masker *m, uint32_t index)
{
    return m->entries[index].name;
}

bool masker_applies(const struct masker *m, struct slice project)
{
    for (uint32_t i = 0; m != NULL && i < m->count; i++) {
        if (mask_entry_applies(&m->entries[i], project))
            return true;
    }
    return false;
}
